"""`exhibit doctor`."""

# ruff: noqa: PLC0415

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from reports.cli.terminal import WITH_STATUS, Verbs, add_quiet, plain, say, say_json
from reports.core.progress import Steps

if TYPE_CHECKING:
    from reports.doctor.findings import Outcome, Report

NAME, OUTCOME = 19, 22  # widths of columns
OUTCOMES: tuple[Outcome, ...] = ("good", "warning", "wrong", "could not be checked")


def add(verbs: Verbs) -> None:
    doctor = verbs.add_parser(
        "doctor",
        help="check a deployed stack, and say what to do",
        description="Check a stack of template.yaml with your AWS credentials, and say what to do about each fault. "
        "Nothing is changed.",
        **WITH_STATUS,
    )
    doctor.add_argument("--stack", metavar="NAME", required=True, help="the name of the stack")
    doctor.add_argument("--json", action="store_true", help="print the checks as JSON")
    add_quiet(doctor)
    doctor.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from reports.core.aws_clients import client

    client("sts")  # says what is missing, if boto3 is
    from reports.doctor.examine import examine

    with Steps(options.quiet) as steps:
        report = examine(options.stack, steps)
    if options.json:
        say_json(_data(report), readable=True)
    else:
        _say(report)
    return report.exit_status


def _data(report: Report) -> dict[str, Any]:
    return {
        "stack": report.stack,
        "region": report.region,
        "checked_at": f"{report.checked_at:%Y-%m-%dT%H:%M:%SZ}",
        "checks": [
            {
                "check": each.check,
                "claim": each.claim,
                "outcome": each.outcome,
                "findings": [asdict(finding) for finding in each.findings],
            }
            for each in report.checks
        ],
    }


def _say(report: Report) -> None:
    """Print a line for each check that is good, and two for each finding: what is wrong, and what to do."""
    for each in report.checks:
        if not each.findings:
            say(f"{each.check + ':':{NAME}}{each.outcome:{OUTCOME}}{each.claim}")
        for finding in each.findings:
            say(plain(f"{each.check + ':':{NAME}}{finding.outcome:{OUTCOME}}{finding.what}"))
            say(plain(f"{'':{NAME}}→ {finding.remedy}"))
    counted = [f"{number} {outcome}" for outcome in OUTCOMES if (number := report.count(outcome))]
    say(f"stack {report.stack} in {report.region}: {', '.join(counted)}")

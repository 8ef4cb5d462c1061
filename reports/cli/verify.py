"""`exhibit verify`."""

# ruff: noqa: PLC0415

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reports.cli.evidence import add_evidence, reader
from reports.cli.terminal import (
    WITH_STATUS,
    Verbs,
    add_trust,
    add_trust_tsa,
    instant,
    read,
    say,
    say_verdicts,
)
from reports.progress import Steps

if TYPE_CHECKING:
    from reports.judge import Judged


def add(verbs: Verbs) -> None:
    verify = verbs.add_parser(
        "verify",
        help="check a briefing",
        description="Check a briefing: its integrity, its signer, its time-stamp and its attachments.",
        **WITH_STATUS,
    )
    verify.add_argument("file", metavar="FILE", type=Path, help="the PDF")
    add_trust(verify, "the certificate that you trust, from whoever signs; repeatable")
    add_trust_tsa(verify)
    verify.add_argument(
        "--at",
        metavar="INSTANT",
        help="check as if the clock said so, like 2036-06-20T12:00:00Z (default: now)",
    )
    verify.add_argument("--json", action="store_true", help="print the verdicts as JSON")
    add_evidence(verify, "check that the evidence is there, unchanged, and gives the same briefing again")
    verify.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from reports.judge import judge
    from reports.keys import load_certificates

    trust, stamping = (
        [certificate for file in files for certificate in load_certificates(file)]
        for files in (options.trust, options.trust_tsa)
    )
    now = instant("--at", options.at)
    with Steps() as steps:
        judged = judge(read(options.file), trust or None, now, reader(options), steps, trust_tsa=stamping)
    if options.json:
        say(json.dumps({"file": str(options.file), **_data(judged)}, indent=2))
    else:
        say_verdicts(judged.verdicts)
    return judged.exit_status


def _data(judged: Judged) -> dict[str, Any]:
    found: dict[str, Any] = {} if judged.briefing_bytes is None else {"briefing_bytes": judged.briefing_bytes}
    found |= {"verdicts": [asdict(verdict) for verdict in judged.verdicts]}
    if judged.held:
        found["objects"] = judged.held.data
        found["differences"] = [each.data("recorded", "computed") for each in judged.differences]
    return found

"""`exhibit verify`."""

# ruff: noqa: PLC0415

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from reports.cli.terminal import STATUS, Verbs, add_trust, read, say


def add(verbs: Verbs) -> None:
    verify = verbs.add_parser(
        "verify",
        help="check a briefing",
        description="Check a briefing: its integrity, its signer, its time-stamp and its attachments.",
        epilog=STATUS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verify.add_argument("file", metavar="FILE", type=Path, help="the PDF")
    verify.add_argument(
        "--evidence", metavar="DIR", type=Path, help="check that the evidence is there, unchanged, as well"
    )
    add_trust(verify, "the certificate that you trust, from whoever signs; repeatable")
    verify.add_argument("--json", action="store_true", help="print the verdicts as JSON")
    verify.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from reports.contents import attachments_verdict, evidence_verdict, vouched
    from reports.evidence import FolderEvidence
    from reports.keys import load_certificates
    from reports.verify import verify

    trust = [certificate for file in options.trust for certificate in load_certificates(file)]
    pdf = read(options.file)
    verdicts = list(verify(pdf, trust or None, datetime.now(UTC)))
    integrity = verdicts[0]
    verdicts.append(vouched(attachments_verdict(pdf), integrity))
    if options.evidence:
        verdicts.append(vouched(evidence_verdict(pdf, FolderEvidence(options.evidence)), integrity))
    if options.json:
        say(json.dumps({"file": str(options.file), "verdicts": [asdict(v) for v in verdicts]}, indent=2))
    else:
        for verdict in verdicts:
            say(f"{verdict.check + ':':13}{verdict.outcome:22}{verdict.detail}")
    outcomes = {verdict.outcome for verdict in verdicts}
    return 1 if "invalid" in outcomes else 3 if "could not be checked" in outcomes else 0

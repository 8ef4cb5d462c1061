"""`exhibit verify-proof`."""

# ruff: noqa: PLC0415

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from reports.cli.terminal import WITH_STATUS, Verbs, path, plain, say, say_json, say_verdicts, start
from reports.core.errors import InvalidRequest
from reports.core.verdict import exit_status

if TYPE_CHECKING:
    from reports.verification.inclusion_proof import Proof


def add(verbs: Verbs) -> None:
    verify = verbs.add_parser(
        "verify-proof",
        help="check a proof that an account is counted",
        description="Check a proof that an account is counted in a briefing. This needs only the proof and the root "
        "that the briefing prints.",
        **WITH_STATUS,
    )
    verify.add_argument("file", metavar="PROOF", type=path, help="the output of exhibit prove")
    verify.add_argument(
        "--root",
        metavar="HEX",
        help="the root of the accounts that the briefing prints; without it, compare the root yourself",
    )
    verify.add_argument("--json", action="store_true", help="print the verdicts as JSON")
    verify.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from reports.verification.inclusion_proof import MOST_BYTES, check_proof, read_proof

    root = None if options.root is None else _root(options.root)
    proof = read_proof(start(options.file, MOST_BYTES + 1, "a proof"), str(options.file))
    verdicts = check_proof(proof, root)
    status = exit_status(verdicts)
    if options.json:
        found = {"file": str(options.file), "root": proof.leads_to, "pseudonym": proof.pseudonym}
        say_json({**found, "verdicts": [asdict(verdict) for verdict in verdicts]})
    else:
        say_verdicts(verdicts)
        for line in _shown(proof, root) if not status else ():
            say(plain(line))
    return status


def _root(text: str) -> str:
    found = "".join(text.split()).lower()
    if not re.fullmatch("[0-9a-f]{64}", found):
        raise InvalidRequest(f"--root {text!r} is not a root: give its 64 hexadecimal digits, as printed")
    return found


def _shown(proof: Proof, root: str | None) -> Iterator[str]:
    for row in proof.rows:
        where = f"campaign {row.campaign_id}" if row.campaign_id else "no campaign"
        days = f"from {row.first_day} to {row.last_day}"
        yield f"  {where}: {row.exchanges:,} exchanges, {row.detections:,} detections, {days}"
    yield f"  its line in accounts.csv begins with {proof.pseudonym}"
    if root is None:
        yield f"  compare the root with the one that {proof.document} prints for the accounts, or give that as --root"

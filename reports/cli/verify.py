"""`exhibit verify`."""

# ruff: noqa: PLC0415

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reports.cli.evidence import add_evidence, reader
from reports.cli.terminal import (
    WITH_STATUS,
    Verbs,
    add_quiet,
    add_trust,
    add_trust_tsa,
    complain,
    instant,
    path,
    plain,
    read,
    say,
    say_json,
    say_verdicts,
)
from reports.core.errors import ExhibitError
from reports.core.progress import Steps

if TYPE_CHECKING:
    from cryptography import x509

    from reports.verification.reproduce import Reader
    from reports.verification.verify import CheckReport


def add(verbs: Verbs) -> None:
    verify = verbs.add_parser(
        "verify",
        help="check briefings",
        description="Check briefings: their integrity, their signer, their time-stamps and their attachments.",
        **WITH_STATUS,
    )
    verify.add_argument(
        "files", metavar="FILE", type=path, nargs="+", help="a PDF; several are checked in order"
    )
    add_trust(verify, "a certificate that you trust, from the issuer; repeatable")
    add_trust_tsa(verify)
    verify.add_argument(
        "--at",
        metavar="INSTANT",
        help="check as if this were the present time, like 2036-06-20T12:00:00Z (default: now)",
    )
    verify.add_argument(
        "--json", action="store_true", help="print the verdicts as JSON; for several files, one line each"
    )
    add_quiet(verify)
    add_evidence(
        verify, "check that the evidence is present and unchanged, and gives the same briefing again"
    )
    verify.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from reports.core.certificates import load_certificates

    signers, stamping = (
        [certificate for file in files for certificate in load_certificates(file)]
        for files in (options.trust, options.trust_tsa)
    )
    trusted = _Trusted(signers, stamping, instant("--at", options.at))
    with_evidence = reader(options)
    statuses = {_status(file, trusted, with_evidence, options) for file in options.files}
    return next((status for status in (2, 1, 3) if status in statuses), 0)


@dataclass(frozen=True, slots=True)
class _Trusted:
    """The certificates that the reader trusts, for signers and for time-stamps, and the time given by the reader."""

    signers: Sequence[x509.Certificate]
    stamping: Sequence[x509.Certificate]
    now: datetime


def _status(file: Path, trusted: _Trusted, reader: Reader | None, options: argparse.Namespace) -> int:
    """Check a file and say what was found; the exit status of it alone."""
    from reports.verification.verify import judge

    several = len(options.files) > 1
    try:
        content = read(file)
    except ExhibitError as error:
        if several and options.json:
            say_json({"file": str(file), "error": str(error)}, indent=None)
        complain(str(error))
        return error.exit_status
    with Steps(options.quiet) as steps:
        judged = judge(
            content, trusted.signers or None, trusted.now, reader, steps, trust_tsa=trusted.stamping
        )
    if options.json:
        say_json({"file": str(file), **_data(judged)}, indent=None if several else 2)
    else:
        if several:
            say(plain(f"{file}:"))
        say_verdicts(judged.verdicts)
    return judged.exit_status


def _data(judged: CheckReport) -> dict[str, Any]:
    found: dict[str, Any] = {} if judged.briefing_bytes is None else {"briefing_bytes": judged.briefing_bytes}
    found |= {"verdicts": [asdict(verdict) for verdict in judged.verdicts]}
    if judged.held:
        found["objects"] = judged.held.data
        found["differences"] = [each.data("recorded", "computed") for each in judged.differences]
    return found

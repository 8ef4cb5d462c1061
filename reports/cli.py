"""The command line, and the composition root of the embedded default: the one place that builds the parts."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from reports import __version__
from reports.compose import AUDIENCES, Audience
from reports.errors import ExhibitError, InvalidRequest
from reports.progress import Steps

PASSPHRASE = "EXHIBIT_PASSPHRASE"  # noqa: S105 -- the name of a variable
CHOSEN = (
    "evidence",
    "out",
    "templates",
    "page_size",
    "settling_days",
    "signing_key",
    "timestamp_url",
    "trust",
)
STATUS = """\
exit status: 0 good; 1 checked and found wrong; 2 the request or the settings are wrong; 3 could not be checked
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    try:
        options = _parser().parse_args(arguments)
        return int(options.run(options))
    except ExhibitError as error:
        print(f"exhibit: {error}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        print("exhibit: interrupted; nothing was published", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="exhibit",
        description="Signed PDF briefings that their reader can check.",
        epilog=STATUS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"exhibit {__version__}")
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    _add_sample(verbs)
    _add_publish(verbs)
    _add_verify(verbs)
    return parser


def _add_sample(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    sample = verbs.add_parser("sample", help="write the sample evidence")
    sample.add_argument("folder", metavar="DIR", type=Path, help="a new or empty folder")
    sample.set_defaults(run=_sample)


def _add_publish(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    publish = verbs.add_parser("publish", help="publish a briefing")
    add = publish.add_argument
    add(
        "--evidence",
        metavar="DIR",
        type=Path,
        required=True,
        help="the folder that holds detections/ or ext/",
    )
    add(
        "--window",
        metavar="W",
        required=True,
        help="FIRST/LAST as YYYY-MM-DD, last-week, last-month, last-quarter or last-N-days",
    )
    add("--audience", metavar="A", required=True, help="lawmaker or regulator")
    add("--out", metavar="DIR", type=Path, required=True, help="where the briefing and its receipt go")
    add(
        "--as-of",
        metavar="INSTANT",
        help="the instant of the request, like 2026-06-20T12:00:00Z (default: now)",
    )
    add(
        "--keys",
        metavar="DIR",
        type=Path,
        help="the local authority, made on first use (default: a folder of yours)",
    )
    add("--templates", metavar="DIR", type=Path, help="templates, issuer.yaml and law.yaml of your own")
    add("--page-size", choices=("letter", "a4"), default="letter")
    add("--settling-days", metavar="N", type=int, default=7, help="how late updates may land (default: 7)")
    add(
        "--signing-key",
        metavar="FILE",
        type=Path,
        help=f"PKCS #12, or PEM with its chain; passphrase in {PASSPHRASE}",
    )
    add("--timestamp-url", metavar="URL", help="an RFC 3161 authority")
    add(
        "--trust",
        metavar="CERT",
        type=Path,
        action="append",
        default=[],
        help="a root that readers will trust",
    )
    add("--json", action="store_true", help="print the receipt")
    publish.set_defaults(run=_publish)


def _add_verify(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    verify = verbs.add_parser("verify", help="check a briefing")
    verify.add_argument("file", metavar="FILE", type=Path)
    verify.add_argument("--evidence", metavar="DIR", type=Path, help="check the evidence objects as well")
    verify.add_argument(
        "--trust", metavar="CERT", type=Path, action="append", default=[], help="the root that you trust"
    )
    verify.add_argument("--json", action="store_true", help="print the verdicts as JSON")
    verify.set_defaults(run=_verify)


def _sample(options: argparse.Namespace) -> int:
    from reports.sample import write_sample

    with Steps() as steps:
        write_sample(options.folder, lambda done, total: steps("sample", done, total))
    print(f"sample evidence: {options.folder}")
    return 0


def _publish(options: argparse.Namespace) -> int:
    from reports import local
    from reports.pipeline import Request

    request = Request(options.window, _audience(options.audience), _instant(options.as_of))
    choices = local.Choices(
        **{name: getattr(options, name) for name in CHOSEN},
        keys=options.keys or _own_keys(),
        passphrase=_passphrase(),
    )
    with Steps() as steps:
        receipt = local.publish(request, choices, steps)
    if options.json:
        print(receipt.json(), end="")
        return 0
    print(f"briefing:   {options.out / receipt.document['name']}")
    print(f"exchanges:  {int(receipt.figures['exchanges']):,}")
    print(f"accounts:   {int(receipt.figures['accounts']):,}")
    return 0


def _verify(options: argparse.Namespace) -> int:
    from reports.contents import attachments_verdict, evidence_verdict
    from reports.evidence import FolderEvidence
    from reports.keys import load_certificates
    from reports.verify import verify

    trust = [certificate for file in options.trust for certificate in load_certificates(file)]
    pdf = _read(options.file)
    verdicts = [*verify(pdf, trust or None, datetime.now(UTC)), attachments_verdict(pdf)]
    if options.evidence:
        verdicts.append(evidence_verdict(pdf, FolderEvidence(options.evidence)))
    if options.json:
        print(json.dumps({"file": str(options.file), "verdicts": [asdict(v) for v in verdicts]}, indent=2))
    else:
        for verdict in verdicts:
            print(f"{verdict.check + ':':13}{verdict.outcome:22}{verdict.detail}")
    outcomes = {verdict.outcome for verdict in verdicts}
    return 1 if "invalid" in outcomes else 3 if "could not be checked" in outcomes else 0


def _audience(text: str) -> Audience:
    for audience in AUDIENCES:
        if text == audience:
            return audience
    raise InvalidRequest(f"audience {text!r} is not known: ask for {' or '.join(AUDIENCES)}")


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise InvalidRequest(f"{file} cannot be read: {error.strerror}") from None


def _own_keys() -> Path:
    data = os.environ.get("XDG_DATA_HOME")
    return (Path(data) if data else Path.home() / ".local" / "share") / "exhibit" / "keys"


def _instant(text: str | None) -> datetime:
    if text is None:
        return datetime.now(UTC)
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidRequest(
            f"--as-of {text!r} is not an instant: write it like 2026-06-20T12:00:00Z"
        ) from None
    if instant.tzinfo is None:
        raise InvalidRequest(f"--as-of {text!r} has no time zone: write it like 2026-06-20T12:00:00Z")
    return instant.astimezone(UTC)


def _passphrase() -> bytes | None:
    value = os.environ.get(PASSPHRASE)
    return None if value is None else value.encode()

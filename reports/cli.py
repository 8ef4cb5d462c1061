"""The command line: arguments to calls, errors to one line and an exit status.

Each verb imports what it runs on itself: checking a file and asking for help need not wait for the rest.
"""

# ruff: noqa: PLC0415

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

from reports import __version__
from reports.errors import ExhibitError, InvalidRequest, InvalidSettings, Unavailable
from reports.progress import Steps
from reports.resolve import AUDIENCES, Audience

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
exit status:
  0  good
  1  checked and found wrong
  2  the request or the settings are wrong
  3  could not be checked
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status; 128 and the number of a signal where one ended it."""
    with _signals() as signals:
        try:
            options = _parser().parse_args(arguments)
            return int(options.run(options))
        except (Exception, KeyboardInterrupt) as error:
            if signals:
                _complain("interrupted: run again")
                return 128 + signals[0]
            return _failed(error)


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Interrupt on SIGTERM as on SIGINT, and note which came: DuckDB makes an error of its own of them."""
    caught: list[int] = []

    def interrupt(number: int, frame: object) -> NoReturn:
        caught.append(number)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _failed(error: BaseException) -> int:
    if isinstance(error, ExhibitError):
        _complain(str(error))
        return error.exit_status
    if isinstance(error, BrokenPipeError):
        return 128 + signal.SIGPIPE
    # A bug: neither a traceback nor the status of "found wrong".
    place = traceback.extract_tb(error.__traceback__)[-1]
    what = f"{type(error).__name__}: {error} ({Path(place.filename).name}, line {place.lineno})"
    _complain(f"internal error: {what}: please report it")
    return Unavailable.exit_status


class _Parser(argparse.ArgumentParser):
    """Complains in one line like everything else."""

    def error(self, message: str) -> NoReturn:
        raise InvalidRequest(f"{message}: see {self.prog} --help")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="exhibit",
        description="Turn detection results into signed PDF briefings that their readers can check.",
        epilog=STATUS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"exhibit {__version__}")
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    _add_sample(verbs)
    _add_publish(verbs)
    _add_verify(verbs)
    _add_keys(verbs)
    return parser


def _add_sample(verbs: argparse._SubParsersAction[_Parser]) -> None:
    text = "Write the sample evidence: synthetic detections that re-enact published figures."
    sample = verbs.add_parser("sample", help="write the sample evidence", description=text)
    sample.add_argument("folder", metavar="DIR", type=Path, help="a new or empty folder")
    sample.set_defaults(run=_sample)


def _add_publish(verbs: argparse._SubParsersAction[_Parser]) -> None:
    publish = verbs.add_parser(
        "publish",
        help="publish a signed briefing",
        description="Publish a signed briefing, unless the same was published before.",
    )
    needed = publish.add_argument_group("what is asked for").add_argument
    needed(
        "--evidence",
        metavar="DIR",
        type=Path,
        required=True,
        help="the folder that holds detections/ or ext/",
    )
    needed(
        "--window",
        metavar="W",
        required=True,
        help="FIRST/LAST as YYYY-MM-DD/YYYY-MM-DD, or last-week, last-month, last-quarter, last-N-days",
    )
    needed("--audience", metavar="A", required=True, help=" or ".join(AUDIENCES))
    needed("--out", metavar="DIR", type=Path, required=True, help="where the briefing and its receipt go")
    needed(
        "--as-of",
        metavar="INSTANT",
        help="the instant of the request, like 2026-06-20T12:00:00Z (default: now)",
    )
    needed(
        "--settling-days",
        metavar="N",
        type=int,
        default=7,
        help="how many days after the window updates may land (default: 7)",
    )
    _add_look(publish)
    _add_signing(publish)
    publish.add_argument("--json", action="store_true", help="print the receipt and nothing else")
    publish.set_defaults(run=_publish)


def _add_look(publish: argparse.ArgumentParser) -> None:
    look = publish.add_argument_group("how it looks").add_argument
    look(
        "--templates",
        metavar="DIR",
        type=Path,
        help="templates, style sheets, issuer.yaml and law.yaml of your own, in place of Exhibit's",
    )
    look("--page-size", choices=("letter", "a4"), default="letter", help="default: letter")


def _add_signing(publish: argparse.ArgumentParser) -> None:
    group = publish.add_argument_group("who signs")
    signing = group.add_argument
    signing(
        "--keys",
        metavar="DIR",
        type=Path,
        help="an authority of your own, made on first use; readers trust its root.cert.pem (default: "
        "exhibit/keys in $XDG_DATA_HOME or ~/.local/share)",
    )
    signing(
        "--signing-key",
        metavar="FILE",
        type=Path,
        help="sign with this key instead: PKCS #12 (.p12, .pfx), or PEM with its certificates; its "
        f"passphrase is read from ${PASSPHRASE}",
    )
    signing("--timestamp-url", metavar="URL", help="ask this RFC 3161 time-stamp authority instead")
    _add_trust(group, "a root that readers will trust, such as the time-stamp authority's; repeatable")


def _add_trust(parser: argparse._ActionsContainer, text: str) -> None:
    parser.add_argument("--trust", metavar="CERT", type=Path, action="append", default=[], help=text)


def _add_verify(verbs: argparse._SubParsersAction[_Parser]) -> None:
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
    _add_trust(verify, "the certificate that you trust, from whoever signs; repeatable")
    verify.add_argument("--json", action="store_true", help="print the verdicts as JSON")
    verify.set_defaults(run=_verify)


def _add_keys(verbs: argparse._SubParsersAction[_Parser]) -> None:
    text = "Get a certificate for a signing key in AWS KMS, and put it where the deployed system finds it."
    keys = verbs.add_parser("keys", help="certificates for a key in AWS KMS", description=text)
    of_keys = keys.add_subparsers(required=True, metavar="VERB")
    text = "Write a signing request (PKCS #10), signed by the key, for a certificate authority."
    csr = of_keys.add_parser("csr", help="write a signing request", description=text)
    _add_subject(csr)
    csr.set_defaults(run=_csr)
    text = "Write a certificate that the key signs for itself."
    own = of_keys.add_parser("self-signed", help="write a self-signed certificate", description=text)
    _add_subject(own)
    own.add_argument(
        "--days", metavar="N", type=int, default=825, help="how long it is in force (default: 825)"
    )
    own.set_defaults(run=_self_signed)
    text = "Check a certificate and its issuers against the key, and put them into a bucket as chain.pem."
    install = of_keys.add_parser("install", help="put certificates into a bucket", description=text)
    _add_kms_key(install)
    install.add_argument(
        "--chain",
        metavar="FILE",
        type=Path,
        required=True,
        help="the key's certificate and those of its issuers, as PEM",
    )
    install.add_argument("--to", metavar="URL", required=True, help="s3://BUCKET/PREFIX")
    install.set_defaults(run=_install)


def _add_kms_key(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--key", metavar="KEY", required=True, help="the KMS key's id, ARN or alias/NAME")


def _add_subject(parser: argparse.ArgumentParser) -> None:
    _add_kms_key(parser)
    parser.add_argument(
        "--subject",
        metavar="NAME",
        required=True,
        help="whom it names: CN=…,O=…,C=…, the most specific first",
    )
    parser.add_argument("--out", metavar="FILE", type=Path, required=True, help="a new file")


def _sample(options: argparse.Namespace) -> int:
    from reports.sample import write_sample

    with Steps() as steps:
        write_sample(options.folder, lambda done, total: steps("sample", done, total))
    _say(f"sample evidence: {options.folder}")
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
    for verdict in receipt.verdicts:
        if verdict["outcome"] != "valid":
            _complain(f"{verdict['check']} {verdict['outcome']}: {verdict['detail']}")
    if options.json:
        _say(receipt.json().rstrip())
    else:
        _say(f"briefing:   {options.out / receipt.document.name}")
        _say(f"exchanges:  {int(receipt.figures['exchanges']):,}")
        _say(f"accounts:   {int(receipt.figures['accounts']):,}")
    return 0


def _verify(options: argparse.Namespace) -> int:
    from reports.contents import attachments_verdict, evidence_verdict, vouched
    from reports.evidence import FolderEvidence
    from reports.keys import load_certificates
    from reports.verify import verify

    trust = [certificate for file in options.trust for certificate in load_certificates(file)]
    pdf = _read(options.file)
    verdicts = list(verify(pdf, trust or None, datetime.now(UTC)))
    integrity = verdicts[0]
    verdicts.append(vouched(attachments_verdict(pdf), integrity))
    if options.evidence:
        verdicts.append(vouched(evidence_verdict(pdf, FolderEvidence(options.evidence)), integrity))
    if options.json:
        _say(json.dumps({"file": str(options.file), "verdicts": [asdict(v) for v in verdicts]}, indent=2))
    else:
        for verdict in verdicts:
            _say(f"{verdict.check + ':':13}{verdict.outcome:22}{verdict.detail}")
    outcomes = {verdict.outcome for verdict in verdicts}
    return 1 if "invalid" in outcomes else 3 if "could not be checked" in outcomes else 0


def _csr(options: argparse.Namespace) -> int:
    kms = _aws("kms")
    from reports.certify import signing_request
    from reports.keys_kms import KmsSigner

    _write(options.out, signing_request(KmsSigner.open(kms, options.key), options.subject))
    _say(f"signing request: {options.out}")
    return 0


def _self_signed(options: argparse.Namespace) -> int:
    kms = _aws("kms")
    from reports.certify import self_signed
    from reports.keys_kms import KmsSigner

    signer = KmsSigner.open(kms, options.key)
    _write(options.out, self_signed(signer, options.subject, options.days, datetime.now(UTC)))
    _say(f"certificate: {options.out}")
    return 0


def _install(options: argparse.Namespace) -> int:
    bucket, _, prefix = options.to.removeprefix("s3://").partition("/")
    if not options.to.startswith("s3://") or not bucket:
        raise InvalidRequest(f"--to {options.to!r} is no place in S3: write it like s3://BUCKET/PREFIX")
    name = "/".join(part for part in (prefix.strip("/"), "chain.pem") if part)
    kms, s3 = _aws("kms"), _aws("s3")
    from reports.certify import whole_chain
    from reports.faults import translated
    from reports.keys import load_certificates
    from reports.keys_kms import KmsKey

    certificates = load_certificates(options.chain)
    chain = whole_chain(KmsKey.open(kms, options.key, certificates, datetime.now(UTC)), certificates)
    with translated(f"bucket {bucket}"):
        s3.put_object(Bucket=bucket, Key=name, Body=chain, ContentType="application/x-pem-file")
    _say(f"installed: s3://{bucket}/{name}")
    return 0


def _aws(service: str) -> Any:
    """A client of an AWS service, set up as boto3 finds it in the environment."""
    try:
        import boto3  # type: ignore[import-untyped]
    except ImportError:
        raise InvalidSettings("this command needs boto3: install exhibit with its extra `aws`") from None
    from reports.faults import translated

    with translated(f"AWS {service}"):
        return boto3.client(service)


def _write(file: Path, content: bytes) -> None:
    try:
        with file.open("xb") as out:
            out.write(content)
    except OSError as error:
        raise InvalidRequest(f"{file} cannot be written ({error.strerror}): name a new file") from None


def _audience(text: str) -> Audience:
    for audience in AUDIENCES:
        if text == audience:
            return audience
    raise InvalidRequest(f"audience {text!r} is not known: ask for {' or '.join(AUDIENCES)}")


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise InvalidRequest(f"{file} cannot be read ({error.strerror}): name a PDF file") from None


def _own_keys() -> Path:
    data = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
    return Path(data, "exhibit", "keys")


def _instant(text: str | None) -> datetime:
    if text is None:
        return datetime.now(UTC)
    try:
        instant = datetime.fromisoformat(text)
        if instant.tzinfo is not None:
            return instant.astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidRequest(
            f"--as-of {text!r} is not an instant: write it like 2026-06-20T12:00:00Z"
        ) from None
    raise InvalidRequest(f"--as-of {text!r} has no time zone: write it like 2026-06-20T12:00:00Z")


def _passphrase() -> bytes | None:
    value = os.environ.get(PASSPHRASE)
    return None if value is None else os.fsencode(value)


def _say(text: str) -> None:
    """Print a line, all of it: whatever the terminal cannot show is escaped, and a full disk is told."""
    encoding = sys.stdout.encoding or "utf-8"
    try:
        print(text.encode(encoding, "backslashreplace").decode(encoding), flush=True)
    except OSError as error:
        # What Python still holds back would fail again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            raise
        raise Unavailable(f"the output cannot be written ({error.strerror}): send it elsewhere") from None


def _complain(text: str) -> None:
    """One line, whatever is quoted in it: nothing that a terminal would obey."""
    plain = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in " ".join(text.split()))
    print(f"exhibit: {plain}", file=sys.stderr)

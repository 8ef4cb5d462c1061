"""What every verb shares: how it speaks to people, and how it takes the files that they name."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from reports.errors import InvalidRequest, InvalidSettings, Unavailable

if TYPE_CHECKING:
    from reports.record import Record
    from reports.verify import Verdict

Verbs: TypeAlias = "argparse._SubParsersAction[Any]"
"""To which a verb adds its parser."""

_STATUS = """\
exit status:
  0  good
  1  checked and found wrong
  2  the request or the settings are wrong
  3  could not be checked
"""
WITH_STATUS: Mapping[str, Any] = {
    "epilog": _STATUS,
    "formatter_class": argparse.RawDescriptionHelpFormatter,
}
"""How a parser is made that shows the exit statuses under its help."""


def say(text: str) -> None:
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


def plain(text: str) -> str:
    """One line, whatever is quoted in it: nothing that a terminal would obey."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def say_verdicts(verdicts: Iterable[Verdict]) -> None:
    """Print verdicts, a line each."""
    for verdict in verdicts:
        say(plain(f"{verdict.check + ':':14}{verdict.outcome:22}{verdict.detail}"))


def complain(text: str) -> None:
    """Print a line on standard error."""
    print(f"exhibit: {plain(' '.join(text.split()))}", file=sys.stderr)


def read(file: Path) -> bytes:
    """A PDF, or the start of one that is too long to be checked; raises `InvalidRequest` where it cannot be read."""
    from reports.pdf.pages import MOST_BYTES  # noqa: PLC0415

    return start(file, MOST_BYTES + 1, "a PDF file")


def recorded(file: Path) -> Record:
    """What a briefing records that is whole since it was signed; raises as `reports.record.record` does."""
    from reports.record import record  # noqa: PLC0415
    from reports.verify import verify  # noqa: PLC0415

    pdf = read(file)
    return record(pdf, verify(pdf, None, datetime.now(UTC))[0])


def start(file: Path, most: int, kind: str) -> bytes:
    """The first bytes of a file, which may be all; raises `InvalidRequest` where it cannot be read."""
    try:
        with file.open("rb") as opened:
            return opened.read(most)
    except OSError as error:
        raise InvalidRequest(f"{file} cannot be read ({error.strerror}): name {kind}") from None


def write(file: Path, content: bytes) -> None:
    """Write a new file; raises `InvalidRequest` where there is one, or it cannot be written."""
    try:
        with file.open("xb") as out:
            out.write(content)
    except OSError as error:
        raise InvalidRequest(f"{file} cannot be written ({error.strerror}): name a new file") from None


def add_trust(parser: argparse._ActionsContainer, text: str) -> None:
    """Add `--trust`, which `local.trusted` reads."""
    parser.add_argument("--trust", metavar="CERT", type=Path, action="append", default=[], help=text)


def add_trust_tsa(parser: argparse._ActionsContainer) -> None:
    """Add `--trust-tsa`, beside `--trust`."""
    parser.add_argument(
        "--trust-tsa",
        metavar="CERT",
        type=Path,
        action="append",
        default=[],
        help="a root to trust for time-stamps alone; --trust is then for the signer alone; repeatable",
    )


def instant(option: str, text: str | None) -> datetime:
    """An instant that an option names, now if it names none; raises `InvalidRequest` for anything else."""
    if text is None:
        return datetime.now(UTC)
    try:
        found = datetime.fromisoformat(text)
        if found.tzinfo is not None:
            return found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidRequest(
            f"{option} {text!r} is not an instant: write it like 2026-06-20T12:00:00Z"
        ) from None
    raise InvalidRequest(f"{option} {text!r} has no time zone: write it like 2026-06-20T12:00:00Z")


def own_keys() -> Path:
    """The folder of an authority of one's own that is named nowhere else."""
    data = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
    return Path(data, "exhibit", "keys")


def in_s3(option: str, text: str) -> tuple[str, str]:
    """The bucket of a place in S3, and its prefix: empty, or with a slash at its end."""
    bucket, _, prefix = text.removeprefix("s3://").partition("/")
    if not text.startswith("s3://") or not bucket:
        raise InvalidRequest(f"{option} {text!r} is no place in S3: write it like s3://BUCKET/PREFIX")
    prefix = prefix.strip("/")
    return bucket, f"{prefix}/" if prefix else ""


def aws(service: str) -> Any:
    """A client of an AWS service, set up as boto3 finds it in the environment."""
    try:
        import boto3  # type: ignore[import-untyped]  # noqa: PLC0415
    except ImportError:
        raise InvalidSettings(
            "this command needs boto3: install requirements-aws.txt of Exhibit's source"
        ) from None
    from reports.faults import translated  # noqa: PLC0415

    with translated(f"AWS {service}"):
        return boto3.client(service)

"""What all commands share: their output, and how they open files."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeAlias

from reports.core.errors import (
    ExhibitError,
    InvalidRequest,
    Unavailable,
    advice,
    kind_of,
    reason_of,
)
from reports.core.progress import tell
from reports.core.user_folders import user_folder
from reports.signing.tsa_url import without_passwords

if TYPE_CHECKING:
    from reports.core.verdict import Verdict
    from reports.verification.record import Record

Verbs: TypeAlias = "argparse._SubParsersAction[Any]"
"""To which a verb adds its parser."""

HOLDS_EVIDENCE = "what holds detections/ or ext/: a folder, or s3://BUCKET/PREFIX/"
"""The help of an option that names evidence."""
LONGEST_NAME = 255  # bytes, as on every file system of Linux and macOS

_STATUS = """\
exit status:
  0  good
  1  checked and found wrong
  2  the request or the settings are wrong
  3  could not be checked
"""


class _Formatter(argparse.HelpFormatter):
    """Wraps every text but the list of exit statuses."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return text if text == _STATUS else super()._fill_text(text, width, indent)


WITH_STATUS: Mapping[str, Any] = {"epilog": _STATUS, "formatter_class": _Formatter}
"""How a parser is made that shows the exit statuses under its help."""


class ReaderGoneError(Exception):
    """The reader of the output has closed it."""


def hold_streams() -> None:
    """Have something behind each standard stream: what is opened next would else be taken for one.

    What is written to standard output fails then, as a full disk does; standard error and input are empty.
    """
    for stream in (0, 1, 2):
        try:
            os.fstat(stream)
        except OSError:
            os.open(os.devnull, os.O_WRONLY if stream == 2 else os.O_RDONLY)
    if sys.stdout is None:
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115 -- as long as the process
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115


def path(text: str) -> Path:
    """A path as an option gives it; a name that no file system takes is refused before anything is made for it."""
    for name in text.split("/"):
        if len(os.fsencode(name)) > LONGEST_NAME:
            raise argparse.ArgumentTypeError(
                f"{text}: a file name has at most {LONGEST_NAME} bytes: use a shorter one"
            )
    return Path(text)


def say(text: str) -> None:
    """Print a line, all of it: whatever the terminal cannot show is escaped, and a full disk is told."""
    if sys.stdout is None:
        raise Unavailable("the output cannot be written (it is closed): send it somewhere")
    encoding = sys.stdout.encoding or "utf-8"
    try:
        print(text.encode(encoding, "backslashreplace").decode(encoding), flush=True)
    except OSError as error:
        # Python would try to write what it still buffers at exit, and fail again.
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            raise ReaderGoneError from None
        raise Unavailable(f"the output cannot be written ({error.strerror}): send it elsewhere") from None


def say_json(value: Any, *, indent: int | None = 2, readable: bool = False) -> None:
    """Print JSON, in ASCII: on one line where `indent` is None, and with names as they are where that is `readable`."""
    unicode = readable and "utf" in (getattr(sys.stdout, "encoding", None) or "").lower()
    say(json.dumps(value, indent=indent, ensure_ascii=not unicode))


def plain(text: str) -> str:
    """One line, whatever is quoted in it: nothing that a terminal would obey."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def say_verdicts(verdicts: Iterable[Verdict]) -> None:
    """Print verdicts, a line each."""
    for verdict in verdicts:
        say(plain(f"{verdict.check + ':':14}{verdict.outcome:22}{verdict.detail}"))


def complain(text: str) -> None:
    """Print a line on standard error."""
    tell(f"exhibit: {plain(without_passwords(' '.join(text.split())))}")


def read(file: Path) -> bytes:
    """A PDF, or the start of one that is too long to be checked; raises `InvalidRequest` if it cannot be read."""
    from reports.pdf.pages import MOST_BYTES  # noqa: PLC0415

    return start(file, MOST_BYTES + 1, "a PDF file")


def recorded(file: Path) -> Record:
    """What a briefing records if it is unchanged since it was signed; raises as `record` does."""
    from reports.verification.record import record  # noqa: PLC0415
    from reports.verification.signature import verify  # noqa: PLC0415

    pdf = read(file)
    return record(pdf, verify(pdf, None, datetime.now(UTC))[0])


def start(file: Path, most: int, kind: str) -> bytes:
    """The first bytes of a file, which may be all; raises `InvalidRequest` if it cannot be read."""
    try:
        with file.open("rb") as opened:
            return opened.read(most)
    except OSError as error:
        raise _refused(file, "read", error, f"name {kind}") from None


def write(file: Path, content: bytes) -> None:
    """Write a new file, all of it or none; raises `InvalidRequest` if there is one, or it cannot be written."""
    try:
        with file.open("xb") as out:
            _fill(file, out, content)
    except OSError as error:
        raise _refused(file, "written", error, "name a new file") from None


def _fill(file: Path, out: IO[bytes], content: bytes) -> None:
    try:
        out.write(content)
        out.flush()
    except BaseException:
        file.unlink()
        raise


def _refused(file: Path, verb: str, error: OSError, remedy: str) -> ExhibitError:
    kind = kind_of(error)
    what_to_do = advice(error) if kind is Unavailable else remedy
    return kind(f"{file} cannot be {verb} ({reason_of(error)}): {what_to_do}")


def add_trust(parser: argparse._ActionsContainer, text: str) -> None:
    """Add `--trust`, which `local.trusted` reads."""
    parser.add_argument("--trust", metavar="CERT", type=path, action="append", default=[], help=text)


def add_quiet(parser: argparse._ActionsContainer) -> None:
    """Add `--quiet`."""
    parser.add_argument("--quiet", action="store_true", help="write nothing but errors to standard error")


def add_trust_tsa(parser: argparse._ActionsContainer) -> None:
    """Add `--trust-tsa`, beside `--trust`."""
    parser.add_argument(
        "--trust-tsa",
        metavar="CERT",
        type=Path,
        action="append",
        default=[],
        help="a root to trust for time-stamps only; --trust is then for the signer only; repeatable",
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
            f"{option} {text!r} is not a date and time: write it like 2026-06-20T12:00:00Z"
        ) from None
    raise InvalidRequest(f"{option} {text!r} has no time zone: write it like 2026-06-20T12:00:00Z")


def own_keys() -> Path:
    """The default folder of Exhibit's own authority, among the user's data.

    Raises `InvalidRequest` if the user has no home.
    """
    data = user_folder("XDG_DATA_HOME", ".local", "share")
    if data is None:
        raise InvalidRequest("there is no home folder to keep keys in: give a folder with --keys")
    return data / "exhibit" / "keys"

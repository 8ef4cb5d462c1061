"""Every error that Exhibit raises on purpose.

    ExhibitError
    ├── CheckFailed        exit 1   checked and found wrong
    ├── InvalidInput       exit 2   the request, the settings or the evidence are wrong
    │   ├── InvalidRequest            the window, the audience, a path
    │   ├── InvalidEvidence           an evidence object, one of its rows or columns
    │   │   └── Changed                   one that changed while it was read
    │   └── InvalidSettings           registry, dataset, issuer, law, template, key or certificate
    └── Unavailable        exit 3   could not be checked: an authority or a store did not answer
        ├── Shortened                 the register lacks an entry that was in it
        ├── Unreadable                not a PDF, or over a size limit
        └── Unfinished                the query is still running

A message is one printable line: what is wrong, where (file, row, column or field), and what to do.
"""

import errno
import os
import traceback
from pathlib import Path

# Errors about a name, a kind of file or a permission: another name is the remedy.
_NAMED = frozenset(
    {
        *(errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY, errno.ENAMETOOLONG),
        *(errno.ELOOP, errno.EACCES, errno.EPERM, errno.EROFS, errno.EXDEV, errno.ENXIO, errno.ENODEV),
        *(errno.EILSEQ, errno.ETXTBSY, errno.EBUSY),
    }
)
_ADVICE = {
    errno.EACCES: "grant access to it, or use another",
    errno.EPERM: "grant access to it, or use another",
    errno.ENAMETOOLONG: "use a shorter one",
    errno.ENOSPC: "make room for it",
    errno.EDQUOT: "make room for it",
    errno.EFBIG: "allow larger files (ulimit -f)",
    errno.EMFILE: "allow more open files (ulimit -n)",
    errno.ENFILE: "allow more open files",
    errno.ENOMEM: "allow more memory",
}
# Resources that ran out, and may be available next time
_SHORT = (
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN),
    *(errno.EIO, errno.ENOLCK),
)
_LONGEST_REASON = 300


class ExhibitError(Exception):
    """An error with a message for people and an exit status for scripts.

    `public` is the message without values and ids from rows of evidence: these may be shown on the operator's own
    terminal, but not in logs or to others.
    """

    exit_status = 3

    def __init__(self, message: str, public: str | None = None) -> None:
        super().__init__(_one_line(message))
        self.public = str(self) if public is None else _one_line(public)


class CheckFailed(ExhibitError):
    """Something was checked and found wrong."""

    exit_status = 1


class InvalidInput(ExhibitError):
    """The request, or the evidence or settings that it needs, is wrong."""

    exit_status = 2


class InvalidRequest(InvalidInput):
    """The window, the audience or a path of a request is wrong."""


class InvalidEvidence(InvalidInput):
    """An evidence object, one of its rows or one of its columns is wrong."""


class Changed(InvalidEvidence):
    """An evidence object changed while it was read; reading it again may succeed."""


class InvalidSettings(InvalidInput):
    """A registry, dataset, issuer, law, template, key or certificate is wrong."""


class Unavailable(ExhibitError):
    """A required service did not respond."""

    exit_status = 3


class Shortened(Unavailable):
    """The register lacks an entry that it had; nothing is published until that is restored."""


class Unreadable(Unavailable):
    """The file is not a PDF, is encrypted, is not in the form of a briefing, or is over a size limit."""


class Unfinished(Unavailable):
    """The query is still running; asking again continues with it."""


def kind_of(error: Exception, wrong: type[ExhibitError] = InvalidRequest) -> type[ExhibitError]:
    """What an error of the operating system means, also one that a library quotes.

    `wrong` where another name or a permission is the remedy, else `Unavailable`: no room, no memory, too many open
    files, a disk that fails.
    """
    if isinstance(error, OSError):
        return wrong if error.errno in _NAMED else Unavailable
    words = ("Out of Memory", *map(os.strerror, _SHORT))
    return Unavailable if any(each in str(error) for each in words) else wrong


def reason_of(error: Exception) -> str:
    """The operating system's reason, in its own words if a library's message contains them."""
    if isinstance(error, OSError):
        return error.strerror or str(error)[:_LONGEST_REASON] or type(error).__name__
    quoted = (os.strerror(each) for each in _SHORT if os.strerror(each) in str(error))
    return next(quoted, str(error)[:_LONGEST_REASON])


def of_system(error: OSError) -> ExhibitError:
    """The error for one of the operating system: of the kind that `kind_of` gives, with the file if it is known."""
    where = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else ""
    reason = reason_of(error)
    if error.errno == errno.ENOENT and not where:  # only the working folder has no name
        where, reason = "the working folder", "it no longer exists"
    return kind_of(error)(
        f"{where or 'the operating system refused the operation'}: {reason}: {advice(error)}"
    )


def advice(error: OSError) -> str:
    """What to do about what the operating system refused."""
    return _ADVICE.get(error.errno or 0, "use another" if error.errno in _NAMED else "run again")


def trace(error: BaseException) -> list[str]:
    """Where an internal error came from, for a log: its type and the lines of code, without its message."""
    frames = traceback.extract_tb(error.__traceback__)
    return [
        type(error).__name__,
        *(f"{Path(each.filename).name}:{each.lineno} {each.name}" for each in frames),
    ]


def _one_line(text: str) -> str:
    return "".join(map(_printable, " ".join(text.split())))


def _printable(character: str) -> str:
    """The character, or its code; a byte of a file's name that is not UTF-8 as that byte."""
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\x{code - 0xDC00 if 0xDC80 <= code <= 0xDCFF else code:02x}"

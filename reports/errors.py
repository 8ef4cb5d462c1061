"""Every error that Exhibit raises on purpose.

    ExhibitError
    ├── CheckFailed        exit 1   checked and found wrong
    ├── InvalidInput       exit 2   the request, the settings or the evidence are wrong
    │   ├── InvalidRequest            the window, the audience, a path
    │   ├── InvalidEvidence           an evidence object, one of its rows or columns
    │   └── InvalidSettings           registry, dataset, issuer, law, template, key or certificate
    └── Unavailable        exit 3   could not be checked: an authority or a store did not answer
        ├── Unreadable                a PDF is none, or holds more than is read
        └── Unfinished                what was asked is still being answered

A message is one printable line: what is wrong, where (file, row, column or field), and what to do.
"""


class ExhibitError(Exception):
    """An error with a message for people and an exit status for scripts."""

    exit_status = 3

    def __init__(self, message: str) -> None:
        line = " ".join(message.split())
        super().__init__("".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in line))


class CheckFailed(ExhibitError):
    """Something was checked and found wrong."""

    exit_status = 1


class InvalidInput(ExhibitError):
    """What was asked for, or what it was asked of, is wrong."""

    exit_status = 2


class InvalidRequest(InvalidInput):
    """The window, the audience or a path of a request is wrong."""


class InvalidEvidence(InvalidInput):
    """An evidence object, one of its rows or one of its columns is wrong."""


class InvalidSettings(InvalidInput):
    """A registry, dataset, issuer, law, template, key or certificate is wrong."""


class Unavailable(ExhibitError):
    """Something that had to be asked did not answer."""

    exit_status = 3


class Unreadable(Unavailable):
    """A PDF is none, is encrypted, is not written as a briefing is, or holds more than is read of any."""


class Unfinished(Unavailable):
    """What was asked is still being answered: to ask again meets the same answer."""

"""Files in the form that Exhibit writes, made of any data: what an attacker could have our writer write."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from reports.pdf.pages import read_pages
from reports.pdf.updates import Held, Kind, Revision, Update, room_for, take, write
from reports.signing.sign import _Authority
from reports.signing.timestamp import Timestamper


def revisions(pdf: bytes) -> list[tuple[Update, Revision]]:
    """The updates of a file, each with what it makes of the file."""
    found, revision = [], Revision.of(read_pages(pdf))
    while revision.length < len(pdf):
        update, revision = take(pdf, revision)
        found.append((update, revision))
    return found


def stamped(
    pdf: bytes, stamper: Timestamper, stored: Sequence[tuple[Kind, bytes]] = (), more: int = 0, **how: Any
) -> bytes:
    """The file with one more time-stamp of the document, and more in its store and more room, and held otherwise."""
    *_, (_, revision) = revisions(pdf)

    def sealed(content: bytes, room: int) -> tuple[bytes, Update, Revision]:
        return write(revision, Held(content, room, stored=tuple(stored), **how))

    def token(room: int) -> bytes:
        made, update, _ = sealed(b"", room)
        draft = pdf + made
        return _Authority(stamper).stamp(sha256(b"".join(draft[part] for part in update.covered)).digest())

    room = room_for(len(token(4096))) + more
    return pdf + sealed(token(room), room)[0]


def cut(pdf: bytes, updates: int) -> bytes:
    """The file with its first updates alone."""
    return pdf[: revisions(pdf)[updates - 1][1].length]


def replaced(pdf: bytes, number: int, content: bytes) -> bytes:
    """The file with another signature or token in its update of a number, and without what follows."""
    update, _ = revisions(pdf)[number]
    before = Revision.of(read_pages(pdf)) if number == 0 else revisions(pdf)[number - 1][1]
    old = update.held
    held = Held(
        content, max(old.room, room_for(len(content))), old.moment, old.stored, old.identifier, old.deflated
    )
    return pdf[: update.start] + write(before, held)[0]

"""The register: every published edition, in the order of publication, as a chain of entries.

An entry holds the receipt of an edition and the digest of the entry before it, so that the digest of the last
represents all: that is the head, which the next briefing prints. Entries are only ever created, at the next free
number.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from reports.archive.store import Store
from reports.core.errors import Unavailable
from reports.core.log_head import Head

FOLDER = "register/"
_NAME = re.compile(rf"{FOLDER}\d{{8}}\.json")


@dataclass(frozen=True, slots=True)
class RegisterEntry:
    """A receipt, as JSON has it, under a number from 1 on; `previous` is the SHA-256 of the entry before, if any."""

    number: int
    previous: str | None
    receipt: dict[str, Any]

    @property
    def name(self) -> str:
        """Its name in the store."""
        return name_of(self.number)

    def json(self) -> bytes:
        """The entry as it is stored; its digest is of these bytes."""
        return as_stored(asdict(self))

    @property
    def head(self) -> Head:
        """The head of a register that ends with this entry."""
        return Head(self.number, hashlib.sha256(self.json()).hexdigest())


def following(head: Head, receipt: dict[str, Any]) -> RegisterEntry:
    """The entry of a receipt, following a head."""
    return RegisterEntry(head.entries + 1, head.sha256, receipt)


def name_of(number: int) -> str:
    """The name in the store of the entry with a number."""
    return f"{FOLDER}{number:08}.json"


def number_of(name: str) -> int:
    """The number of the entry with a name in the store."""
    return int(name.removeprefix(FOLDER).removesuffix(".json"))


def entries(store: Store) -> tuple[str, ...]:
    """The names of the entries, in their order."""
    return tuple(name for name in store.list(FOLDER) if _NAME.fullmatch(name))


def parsed(name: str, content: bytes) -> RegisterEntry:
    """The entry of a name; raises `Unavailable` for what is not one, to the last byte."""
    try:
        found = TypeAdapter(RegisterEntry).validate_json(content)
    except ValidationError:
        found = None
    if found is None or found.name != name or found.json() != content:
        raise Unavailable(f"{name} is not a readable entry: restore it")
    return found


def last(store: Store) -> RegisterEntry | None:
    """The last entry; raises `Unavailable` if it cannot be read."""
    names = entries(store)
    return parsed(names[-1], store.get(names[-1]) or b"") if names else None


def as_stored(data: Any) -> bytes:
    """JSON for receipts and entries: ASCII, two spaces, a newline at the end."""
    return (json.dumps(data, indent=2) + "\n").encode()

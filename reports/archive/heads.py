"""The heads of the register that publishers have seen, each kept once: the entries up to them must never disappear."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from pydantic import TypeAdapter, ValidationError

from reports.archive.publication_log import name_of
from reports.archive.store import Store
from reports.core.errors import Shortened, Unavailable
from reports.core.log_head import Head

_LAST = 99_999_999  # numbers count backwards, because a store lists the smallest name first


@dataclass(frozen=True, slots=True)
class Heads:
    """The heads, in a separate store."""

    store: Store

    def note(self, head: Head) -> None:
        """Record a head that was seen."""
        if head.entries:
            self.store.put({f"{_LAST - head.entries:08}.json": json.dumps(asdict(head)).encode()})

    def check(self, register: Store) -> None:
        """Raise `Shortened` if the last entry that was seen is not in the register any more, as it was."""
        names = self.store.list("", most=1)
        if not names:
            return
        seen = self._read(names[0])
        entry = name_of(seen.entries)
        content = register.get(entry)
        if content is None:
            raise Shortened(f"{entry} is missing from the register: restore it")
        if hashlib.sha256(content).hexdigest() != seen.sha256:
            raise Shortened(f"{entry} of the register has changed: restore it")

    def _read(self, name: str) -> Head:
        try:
            return TypeAdapter(Head).validate_json(self.store.get(name) or b"")
        except ValidationError:
            raise Unavailable(f"heads/{name} cannot be read: restore it") from None

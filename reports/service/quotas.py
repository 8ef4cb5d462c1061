"""How many requests a caller may make in a day: each takes the next free number, which can be taken only once."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

from reports.archive.store import Store

MOST = 1000  # which a store lists at once


def digest_of(caller: str | None) -> str:
    """What stands for a caller in names: 32 hexadecimal digits. Callers without a name share theirs."""
    return sha256((caller or "").encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Quota:
    """So many calls of a kind that each caller may make in a day (UTC); `store` forgets days that are over."""

    store: Store
    kind: str
    most: int

    def take(self, caller: str | None, now: datetime) -> bool:
        """Take one; False if none is left. Callers without a name share theirs.

        Two calls at once never take the same one: whoever comes second takes the next.
        """
        place = f"{self.kind}/{now.astimezone(UTC):%Y-%m-%d}/{digest_of(caller)}/"
        taken = len(self.store.list(place, most=self.most))
        return any(
            self.store.put({f"{place}{number:04}.json": secrets.token_bytes(8)})
            for number in range(taken, self.most)
        )

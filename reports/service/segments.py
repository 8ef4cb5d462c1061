"""The index of requests that have ended: segments, each created once under the next free number.

A segment says which requests have ended since the one before it, which older ones had not, and from which id on it
speaks: requests that are newer are looked up by their names. Segments follow each other as entries of the register do,
so that two writers at once lose none: whoever comes second finds the number taken, and what it would have said is left
for the next. One that has grown to half the size of the one before it takes that one in, so that few are read.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Any, ClassVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from reports.archive.store import Store
from reports.core.errors import Unavailable

_LAST = 99_999_999  # numbers count backwards, because a store lists the smallest name first


@dataclass(frozen=True, slots=True)
class Segment:
    """What a segment says: `boundary` is its newest id, `before` the number of the segment before it."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)

    number: int
    before: int | None
    boundary: str
    open: tuple[str, ...]
    published: tuple[str, ...]
    failed: tuple[str, ...]

    @property
    def size(self) -> int:
        """How many ended requests it lists."""
        return len(self.published) + len(self.failed)


@dataclass(frozen=True, slots=True)
class Index:
    """All segments together: `ended` are ids, the newest first, `failed` those of them that have failed."""

    newest: Segment
    ended: Sequence[str]
    failed: frozenset[str]

    def after(self, id_: str) -> Iterator[str]:
        """The requests that have ended and come after an id."""
        return iter(self.ended[bisect_right(self.ended, id_) :])


@cache
def _adapter() -> TypeAdapter[Segment]:
    return TypeAdapter(Segment)


@dataclass(slots=True)
class Segments:
    """The segments in a store. They never change, so they are read once."""

    store: Store
    _known: dict[int, Segment] = field(default_factory=dict)
    _index: Index | None = None

    def index(self) -> Index | None:
        """The index as it is now; None if there is none yet. Raises `Unavailable` for a segment that is damaged."""
        names = self.store.list("", most=1)
        if not names:
            return None
        number = _LAST - int(names[0].removesuffix(".json"))
        if self._index is None or self._index.newest.number != number:
            chain = list(self._chain(number))
            failed = frozenset(id_ for each in chain for id_ in each.failed)
            ended = sorted({id_ for each in chain for id_ in (*each.published, *each.failed)})
            self._known = {each.number: each for each in chain}
            self._index = Index(chain[0], ended, failed)
        return self._index

    def append(
        self, index: Index | None, boundary: str, still: Sequence[str], ended: Mapping[str, str]
    ) -> bool:
        """Add what is newer than an index: the requests still open, and the final state of the others.

        False if another writer was quicker.
        """
        before = index.newest if index else None
        number = before.number + 1 if before else 1
        published = {id_ for id_, state in ended.items() if state == "published"}
        failed = ended.keys() - published
        while before and before.size <= 2 * (len(published) + len(failed)):
            published |= {*before.published}
            failed |= {*before.failed}
            before = self._read(before.before) if before.before is not None else None
        segment = Segment(
            number,
            before.number if before else None,
            boundary,
            tuple(sorted(still)),
            tuple(sorted(published)),
            tuple(sorted(failed)),
        )
        return self.store.put({_name(number): json.dumps(asdict(segment), separators=(",", ":")).encode()})

    def _chain(self, number: int | None) -> Iterator[Segment]:
        while number is not None:
            segment = self._read(number)
            yield segment
            number = segment.before

    def _read(self, number: int) -> Segment:
        if number in self._known:
            return self._known[number]
        content: Any = self.store.get(_name(number))
        try:
            return _adapter().validate_json(content or b"")
        except ValidationError:
            raise Unavailable(f"segments/{_name(number)} cannot be read: restore it") from None


def _name(number: int) -> str:
    return f"{_LAST - number:08}.json"

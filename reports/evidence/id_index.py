"""Which objects of OCSF touch a day: they hold a row of it, or a revision of an id that has one.

An index of ids tells: which id has a row on which day in which object, ids as 64-bit hashes. Two ids with one hash make
an object touch a day that it does not, which costs time alone.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from reports.evidence import relations
from reports.evidence.day_store import DayStore
from reports.evidence.engine_duckdb import BATCH_BYTES, MEMORY_LIMIT, SHARED
from reports.evidence.source import EvidenceObject
from reports.evidence.spill import spill_folder

Reading = Callable[[Sequence[EvidenceObject], Sequence[int], Callable[[Path], None]], None]
"""Makes a file of the ids of objects, which are given numbers, and has it kept."""
Identity = tuple[str, str, int]
Days = Mapping[date, frozenset[int]]


@dataclass(frozen=True, slots=True)
class IdIndex:
    """The index of some objects, made by some rules.

    It has the number of each, the numbers of the objects that each file is of, and of those that touch each day.
    """

    rules: str
    numbers: Mapping[Identity, int]
    files: Mapping[str, Sequence[int]]
    days: Days

    @classmethod
    def read(cls, text: str) -> IdIndex:
        """An index as `text` gives it."""
        found = json.loads(text)
        return cls(
            found["rules"],
            {(name, digest, size): number for number, (name, digest, size) in found["objects"]},
            found["files"],
            {date.fromisoformat(day): frozenset(numbers) for day, numbers in found["days"].items()},
        )

    @property
    def text(self) -> str:
        """The index as JSON, without the ids."""
        days = {str(day): sorted(numbers) for day, numbers in self.days.items()}
        objects = [(number, identity) for identity, number in self.numbers.items()]
        return json.dumps({"rules": self.rules, "objects": objects, "files": self.files, "days": days})

    def without(self, gone: AbstractSet[Identity]) -> IdIndex:
        """The index after some objects have gone."""
        if not gone:
            return self
        numbers = {identity: number for identity, number in self.numbers.items() if identity not in gone}
        there = frozenset(numbers.values())
        files = {file: of for file, of in self.files.items() if there.intersection(of)}
        days = {day: left for day, of in self.days.items() if (left := of & there)}
        return IdIndex(self.rules, numbers, files, days)


def touching(
    store: DayStore, place: str, rules: str, objects: Sequence[EvidenceObject], read: Reading
) -> dict[date, list[EvidenceObject]]:
    """The objects that touch each day, in their order. Only those that are not in the index yet are read.

    `rules` tell how ids are read. Raises what `read` raises, `OSError`, `sqlite3.Error` and `duckdb.Error`.
    """
    identities = {_identity(o): o for o in objects}
    kept = _kept(store, place, rules)
    index = kept.without(kept.numbers.keys() - identities.keys())
    if identities.keys() - index.numbers.keys():
        if not store.are_whole(index.files):
            index = IdIndex(rules, {}, {}, {})
        unread = [o for identity, o in identities.items() if identity not in index.numbers]
        for new in _batches(unread):
            index = _extended(store, index, new, read)
            store.keep_index(place, index.text, list(index.files))
    elif index is not kept:
        store.keep_index(place, index.text, list(index.files))
    return _days(index, identities)


def known(
    store: DayStore, place: str, rules: str, objects: Sequence[EvidenceObject]
) -> tuple[dict[date, list[EvidenceObject]], list[EvidenceObject]]:
    """The objects that touch each day as far as they are in the index, and those that are not. None is read."""
    identities = {_identity(o): o for o in objects}
    kept = _kept(store, place, rules)
    index = kept.without(kept.numbers.keys() - identities.keys())
    return _days(index, identities), [o for key, o in identities.items() if key not in index.numbers]


def names(store: DayStore, place: str, rules: str) -> frozenset[str]:
    """The names of the objects in the index."""
    return frozenset(name for name, _, _ in _kept(store, place, rules).numbers)


def _kept(store: DayStore, place: str, rules: str) -> IdIndex:
    """The index that was last kept; an empty one if its rules were others."""
    text = store.index(place)
    try:
        index = IdIndex.read(text) if text else None
    except (LookupError, TypeError, ValueError, AttributeError):  # another release wrote it
        index = None
    return index if index and index.rules == rules else IdIndex(rules, {}, {}, {})


def _days(index: IdIndex, identities: Mapping[Identity, EvidenceObject]) -> dict[date, list[EvidenceObject]]:
    by_number = {number: identities[identity] for identity, number in index.numbers.items()}
    return {day: [by_number[number] for number in sorted(of)] for day, of in index.days.items()}


def _batches(objects: Iterable[EvidenceObject]) -> Iterator[list[EvidenceObject]]:
    """Objects, gathered up to the size that is read at once."""
    batch: list[EvidenceObject] = []
    size = 0
    for o in objects:
        if batch and size + o.size > BATCH_BYTES * SHARED:
            yield batch
            batch, size = [], 0
        batch.append(o)
        size += o.size
    if batch:
        yield batch


def _identity(o: EvidenceObject) -> Identity:
    return o.name, o.sha256, o.size


def _extended(store: DayStore, index: IdIndex, new: Sequence[EvidenceObject], read: Reading) -> IdIndex:
    first = 1 + max((number for of in index.files.values() for number in of), default=0)
    numbers = range(first, first + len(new))
    added: list[str] = []
    with store.adding() as add:
        read(new, numbers, lambda file: added.append(add(file)))
    files = {**index.files, **{file: list(numbers) for file in added}}
    extended = {**index.numbers, **{_identity(o): number for o, number in zip(new, numbers, strict=True)}}
    days: dict[date, frozenset[int]] = defaultdict(frozenset, index.days)
    for day, number in _pairs(store, files, added, list(extended.values())):
        days[day] |= {number}
    return IdIndex(index.rules, extended, files, days)


def _pairs(
    store: DayStore, files: Iterable[str], added: Iterable[str], there: Sequence[int]
) -> list[tuple[date, int]]:
    """The days that new objects touch, and those that others touch by ids of new objects."""
    cells = store.cells.absolute()
    every, new = (relations.of_cells(cells / file for file in of) for of in (files, added))
    with spill_folder() as spill, relations.connection(cells, spill, MEMORY_LIMIT) as con:
        con.execute("create temp table there as select unnest($1::uinteger[]) as number", [there])
        con.execute(
            f"create temp table several as select id from {every} where number in (from there) group by id "
            "having min(number) <> max(number) or min(day) <> max(day)"
        )
        con.execute(
            f"create temp table shared as select distinct id, day, number from {every} "
            f"where number in (from there) and id in (from several) and id in (select id from {new})"
        )
        return con.execute(
            f"select day, number from {new} union "
            "select day, number from (select distinct id, day from shared) "
            "join (select distinct id, number from shared) using (id)"
        ).fetchall()

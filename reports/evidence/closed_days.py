"""Much evidence is read once: digests of its objects and the cells of its days are kept, and added up again.

Answers are those of the engine that reads the evidence. Where anything kept is missing, damaged or of another state of
the evidence, or cannot be kept, that engine answers.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from functools import cache, partial
from pathlib import Path
from threading import Lock
from typing import Protocol

import duckdb

from reports import __version__
from reports.core.errors import Changed, ExhibitError, InvalidEvidence, InvalidSettings, Unavailable
from reports.core.progress import Done
from reports.core.window import Window
from reports.evidence import id_index, questions, relations, transpile
from reports.evidence.columns import Layout
from reports.evidence.day_store import ClosedDay, DayStore
from reports.evidence.engine_duckdb import BATCH_BYTES, MEMORY_LIMIT, Keep, Touching
from reports.evidence.questions import AHEAD, Answer, Locating, QueryEngine, Question, Row
from reports.evidence.source import EvidenceObject, ListedObject, Place, SourceOver, is_utf8_path
from reports.evidence.spill import spill_folder
from reports.evidence.tally import CannotClose, DayCells, Dictionaries, Sums, Tally

CLOSED = ("tallies", "history")
NO_ACCOUNTS = "select null::ubigint as hash, null::varchar as account_id where false"
Listed = Mapping[str, ListedObject]
"""Objects by their names."""
Ready = Callable[[date, Sequence[ListedObject]], bool]
"""Whether a day can be closed that some objects touch."""
AT_A_TIME = 100
"""Objects that are digested before their digests are kept for the first time."""
MUCH = BATCH_BYTES
"""Bytes from which on it is quicker to keep than to read again."""


def _always(_: date, objects: Sequence[ListedObject]) -> bool:
    return True


def _unheard(_: ExhibitError) -> None:
    """Tell nobody."""


class Closing(Protocol):
    """What makes the cells of days."""

    def close(self, question: Question, touching: Touching, keep: Keep, progress: Done) -> None:
        """Make the cells of days of one layout, which a question is about, and have them kept."""

    def index(
        self, located: Sequence[ListedObject], numbers: Sequence[int], keep: Callable[[Path], None]
    ) -> None:
        """Make a file of which id has a row on which day in which OCSF object, by its number, and have it kept."""


@dataclass(frozen=True, slots=True)
class Remembering(SourceOver[Place]):
    """Evidence whose objects are digested once, as long as their state is the same, if there is more than `much`."""

    store: DayStore
    much: int = MUCH
    _digesting: Lock = field(default_factory=Lock, init=False, repr=False, compare=False)
    _found: dict[str, EvidenceObject] = field(default_factory=dict, init=False, repr=False, compare=False)

    def those_of(self, question: Question) -> Listed:
        """The objects that a question is asked of, as they were listed for it, or else as they are now.

        Whoever listed them lists them again when all is answered, and asks anew if one was written to.
        """
        return question.listed if question.listed is not None else {o.name: o for o in self.source.list()}

    def pin(self, objects: Iterable[ListedObject]) -> tuple[EvidenceObject, ...]:
        """As `EvidenceSource.pin`."""
        wanted = list(objects)
        if sum(o.size for o in wanted) <= self.much:
            return self.source.pin(wanted)
        with self._digesting:
            return self._remembered(wanted)

    def known(self, objects: Iterable[ListedObject]) -> dict[str, EvidenceObject]:
        """Those of some objects whose digests are remembered, by their names."""
        return {o.name: o for o in self.store.digests(self._states(objects).values()).values()}

    def _states(self, objects: Iterable[ListedObject]) -> dict[str, str]:
        """What tells objects from all others, and from themselves at other times, by their names."""
        place = self.place
        return {o.name: json.dumps([place, o.name, o.size, o.state]) for o in objects}

    def _remembered(self, wanted: Sequence[ListedObject]) -> tuple[EvidenceObject, ...]:
        states = self._states(wanted)
        try:
            known = self._digests(states.values())
        except (OSError, sqlite3.Error):
            return self.source.pin(wanted)
        found = {o.name: o for o in known.values()}
        rest = [o for o in wanted if states[o.name] not in known]
        most = AT_A_TIME
        while rest:
            pinned = self.source.pin(rest[:most])
            found |= {o.name: o for o in pinned}
            # What was written to since it was listed may be put back, and then has the state that was listed
            now = self._states(filter(self.lasting, self.source.list()))
            lasting = {name for name, state in now.items() if states.get(name) == state}
            with suppress(OSError, sqlite3.Error):
                self.store.remember({states[o.name]: o for o in pinned if o.name in lasting})
            rest, most = rest[most:], most * 2  # so that not much is listed often
        return tuple(found[o.name] for o in wanted)

    def _digests(self, states: Collection[str]) -> dict[str, EvidenceObject]:
        """The objects that were digested in some states; each is looked up once."""
        self._found.update(self.store.digests(state for state in states if state not in self._found))
        return {state: self._found[state] for state in states if state in self._found}


@dataclass(frozen=True, slots=True)
class DayCloser:
    """Closes days of evidence; without `closing`, which makes their cells, those that are closed are all there are.

    A day is closed while the objects that touch it are what they were: in the flat layout those of its partition, in
    OCSF those too that revise its rows, or that its rows revise.
    """

    source: Remembering
    closing: Closing | None

    def ahead(self, question: Question, progress: Done, ready: Ready = _always) -> int:
        """Close the days that a question is about, if the objects that touch them are `ready`.

        Returns how many are closed now. Raises what `closing` and the store raise.
        """
        listed = self.source.those_of(question)
        closed = self.closed(question, listed, question.about, progress, ahead=ready)
        return sum(each.day in question.about for each in closed)

    def closed(
        self,
        question: Question,
        listed: Listed,
        added: Window,
        progress: Done,
        *,
        ahead: Ready | None = None,
    ) -> Sequence[ClosedDay]:
        """The days of a question's objects in their order, all closed; the cells of those in `added` are there.

        In OCSF these are all days, for an engine refuses rows of any. If they are closed `ahead`, their cells are where
        they are kept, and days that are not ready are left out.
        """
        closed: list[ClosedDay] = []
        for layout, touching in self._touching(question, listed).items():
            keys = {day: key_of(day, layout, objects) for day, objects in touching.items()}
            store = self.source.store
            there = store.are_kept if ahead else store.are_whole
            kept = store.days(keys.values())
            found = {day: kept[key] for day, key in keys.items() if key in kept}
            current = {
                day: each
                for day, each in found.items()
                if each.as_of <= question.as_of
                and (day not in added or there(each.files if ahead else _used(question, each)))
            }
            missing = {day: [listed[o.name] for o in touching[day]] for day in touching if day not in current}
            if ahead:
                missing = {day: objects for day, objects in missing.items() if ahead(day, objects)}
            if missing:
                current |= self._close(question, layout, missing, keys, progress)
            closed += current.values()
        return sorted(closed, key=lambda each: (each.day, each.layout))

    def _touching(self, question: Question, listed: Listed) -> dict[Layout, dict[date, list[EvidenceObject]]]:
        """The objects of a question that touch each day, by layout."""
        found: dict[Layout, dict[date, list[EvidenceObject]]] = {"flat": defaultdict(list)}
        flat = [o for o in listed.values() if o.layout == "flat" and question.reads(o)]
        for o, pinned in zip(flat, self.source.pin(flat), strict=True):
            found["flat"][o.day].append(pinned)
        ocsf = [
            o
            for o in listed.values()
            if o.layout == "ocsf" and (not question.listed or o.name in question.listed)
        ]
        if any(map(question.reads, ocsf)):
            until = {o.name for o in ocsf if o.day <= question.delivered.last}
            days = id_index.touching(
                self.source.store,
                self.source.place,
                rules(),
                self.source.pin(ocsf),
                partial(self._index, listed),
            )
            of = {day: [o for o in objects if o.name in until] for day, objects in days.items()}
            found["ocsf"] = {day: objects for day, objects in of.items() if objects}
        return found

    def _index(
        self,
        listed: Listed,
        new: Sequence[EvidenceObject],
        numbers: Sequence[int],
        keep: Callable[[Path], None],
    ) -> None:
        objects = [listed[o.name] for o in new]

        def keep_unchanged(file: Path) -> None:
            self._check_unchanged(objects)
            keep(file)

        self._cells().index(objects, numbers, keep_unchanged)

    def _check_unchanged(self, objects: Iterable[ListedObject]) -> None:
        """Raise `Changed` if one of some objects was written to since it was listed."""
        if not set(objects) <= set(self.source.list()):
            raise Changed("the evidence changed while it was read")

    def _close(
        self, question: Question, layout: Layout, touching: Touching, keys: Mapping[date, str], progress: Done
    ) -> dict[date, ClosedDay]:
        """Close days of a layout; raises `Changed` if an object was written to since it was listed."""
        closed: dict[date, ClosedDay] = {}
        closing, store, place = self._cells(), self.source.store, self.source.place

        def keep(days: Mapping[date, DayCells]) -> None:
            self._check_unchanged(o for day in days for o in touching[day])
            with store.adding() as add:
                new = {
                    day: ClosedDay(
                        day,
                        layout,
                        question.as_of,
                        tuple(map(add, cells.files)),
                        cells.sums,
                        cells.reach,
                        cells.counted_by,
                    )
                    for day, cells in days.items()
                }
                store.close(place, {keys[day]: each for day, each in new.items()})
            closed.update(new)

        objects = {o for of in touching.values() for o in of}
        delivered = Window(min(o.day for o in objects), max(o.day for o in objects))
        about = Window(min(touching), max(touching))
        names = {o.name: o for o in objects}
        asked = Question("tallies", delivered, about, question.as_of, last=("false",), listed=names)
        store.remove_left()
        closing.close(asked, touching, keep, progress)
        return closed

    def _cells(self) -> Closing:
        if self.closing is None:
            raise CannotClose
        return self.closing


@dataclass(frozen=True, slots=True)
class ClosedDays:
    """Answers questions from the cells of days, and has days closed that are not; the engine answers all others.

    `tell` is told what a service answered on which this failed, so that the engine had to answer.
    """

    engine: QueryEngine
    closer: DayCloser
    tell: Callable[[ExhibitError], None] = _unheard
    _adding: Lock = field(default_factory=Lock, init=False, repr=False, compare=False)

    @property
    def source(self) -> Remembering:
        """The evidence."""
        return self.closer.source

    def ask(self, question: Question, progress: Done) -> Answer:
        """As the engine; raises what it raises."""
        if question.name not in CLOSED or not is_utf8_path(self.source.store.cells):
            return self.engine.ask(question, progress)
        listed = self.source.those_of(question)
        located = [o for o in listed.values() if question.reads(o)]
        if sum(o.size for o in located) <= self.source.much:
            return self.engine.ask(question, progress)
        try:
            with self._adding:
                rows, counted_by = self._rows(question, listed, progress)
        except InvalidEvidence as refused:
            try:
                return self.engine.ask(question, progress)
            except Unavailable:  # as when all that a question reads is too much for the engine's memory
                raise refused from None
        except (CannotClose, OSError, duckdb.Error, sqlite3.Error):
            return self.engine.ask(question, progress)
        except (InvalidSettings, Unavailable) as error:
            self.tell(error)
            return self.engine.ask(question, progress)
        questions.within_64_bits(rows)
        statement = questions.statement(question.name, *sorted({o.layout for o in located}))
        return Answer(
            question.name,
            statement,
            question.parameters,
            "duckdb",
            duckdb.__version__,
            None,
            rows,
            counted_by=counted_by,
        )

    def stop(self, executions: Iterable[str]) -> None:
        """As the engine."""
        self.engine.stop(executions)

    def holding(self, name: str, detection: str) -> str:
        """As the engine; empty for one that does not read the objects itself."""
        return self.engine.holding(name, detection) if isinstance(self.engine, Locating) else ""

    def _rows(
        self, question: Question, listed: Listed, progress: Done
    ) -> tuple[tuple[Row, ...], tuple[str, ...]]:
        """The rows of an answer, and what counted the days; raises what the engine, DuckDB and the store raise."""
        added = question.about if question.name == "tallies" else _preceding(question)
        closed = self.closer.closed(question, listed, added, progress)
        _check_reach(question, listed, closed)
        days = [each for each in closed if each.day in added]
        if question.name == "tallies" and not days:
            raise CannotClose
        before = _together(
            each.sums for each in closed if each.day in question.about and each.day not in added
        )
        cells = self.source.store.cells
        with spill_folder() as spill, relations.connection(cells.absolute(), spill, MEMORY_LIMIT) as con:
            con.execute(f"create type standing as enum {transpile.STANDINGS}")
            files = zip(*(_used(question, day) for day in days), strict=True)
            accounts, *written = [_parquet(cells, each) for each in files] or [NO_ACCOUNTS]
            parts = written if question.name == "tallies" else [_history(con, written, before)]
            dictionaries = Dictionaries.of_cells(con, accounts, parts)
            tally = Tally(con, question, dictionaries, normalized=True)
            tally.take(parts)
            return tally.rows(), tuple(
                sorted({each.counted_by for each in closed if each.day in question.about})
            )


def _check_reach(question: Question, listed: Listed, closed: Sequence[ClosedDay]) -> None:
    """Raise where partitions before the first that a question reads have rows of its days, or outrank such rows."""
    first = question.delivered.first
    if any(each.reach and each.reach.first < first <= each.reach.last for each in closed):
        raise CannotClose
    before = any(o.layout == "ocsf" and o.day < first for o in listed.values())
    if before and question.about.first - first < AHEAD:
        raise CannotClose


def _used(question: Question, day: ClosedDay) -> Sequence[str]:
    """The files of a day that a question adds up; the first has its accounts, the next the cells of each."""
    return day.files if question.name == "tallies" else day.files[:2]


def _preceding(question: Question) -> Window:
    """The days of a history whose accounts are counted; activity before its first day is in none of its figures."""
    return Window(max(date.fromisoformat(question.leading[0]), question.about.first), question.about.last)


def key_of(day: date, layout: Layout, objects: Iterable[EvidenceObject]) -> str:
    """What a day is kept under: the rules by which it was counted, and its objects."""
    made_of = sorted([o.name, o.sha256, o.size] for o in objects)
    return hashlib.sha256(json.dumps([rules(), layout, str(day), made_of]).encode()).hexdigest()


@cache
def rules() -> str:
    """What decides how rows become cells: the release, and the statements."""
    texts = [__version__, duckdb.__version__, questions.statement("tallies", "flat", "ocsf")]
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()


def _parquet(folder: Path, files: Iterable[str]) -> str:
    return f"from {relations.of_cells(folder.absolute() / each for each in files)}"


def _together(sums: Iterable[Sums]) -> Sums:
    """The sums of days, added up."""
    found: dict[str | None, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for each in sums:
        for campaign, (detections, exchanges) in each.items():
            found[campaign] = found[campaign][0] + detections, found[campaign][1] + exchanges
    return found


def _history(con: duckdb.DuckDBPyConnection, written: Sequence[str], before: Sums) -> str:
    """The cells of a history: those of the preceding days, and the sums of the days before, without accounts."""
    con.execute(
        "create temp table before as select false as preceding, unnest($1::varchar[]) as campaign_id, "
        "null::ubigint as account_id, 'tallied' as standing, unnest($2::hugeint[]) as detections, "
        "unnest($3::hugeint[]) as exchanges",
        [list(before), [of[0] for of in before.values()], [of[1] for of in before.values()]],
    )
    counted = "true as preceding, campaign_id, account_id, standing, detections, exchanges"
    parts = [f"select {counted} {each} where standing = 'tallied'" for each in written]
    return " union all by name ".join([*parts, "from before"])

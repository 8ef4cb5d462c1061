"""Much evidence is read once: digests of its objects and the cells of its days are kept, and added up again.

Answers are those of the engine that reads the evidence. Where anything kept is missing, damaged or of another state of
the evidence, or cannot be kept, that engine answers.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Protocol

import duckdb

from reports import __version__
from reports.core.errors import Changed, InvalidEvidence
from reports.core.progress import Done
from reports.core.window import Window
from reports.evidence import questions, relations, transpile
from reports.evidence.day_store import ClosedDay, DayStore
from reports.evidence.engine_duckdb import BATCH_BYTES, MEMORY_LIMIT, Keep
from reports.evidence.questions import Answer, Locating, QueryEngine, Question, Row
from reports.evidence.source import EvidenceObject, ListedObject, Place, SourceOver, is_utf8_path
from reports.evidence.spill import spill_folder
from reports.evidence.tally import DayCells, Dictionaries, Sums, Tally

CLOSED = ("tallies", "history")
MUCH = BATCH_BYTES
"""Bytes from which on it is quicker to keep than to read again."""


class ClosingEngine(QueryEngine, Locating, Protocol):
    """An engine that makes the cells of days."""

    def close(self, question: Question, located: Sequence[ListedObject], keep: Keep, progress: Done) -> None:
        """Make the cells of the days of some objects, which a question is about, and have them kept."""


@dataclass(frozen=True, slots=True)
class Remembering(SourceOver[Place]):
    """Evidence whose objects are digested once, as long as their state is the same."""

    store: DayStore
    _digesting: Lock = field(default_factory=Lock, init=False, repr=False, compare=False)

    def pin(self, objects: Iterable[ListedObject]) -> tuple[EvidenceObject, ...]:
        """As `EvidenceSource.pin`."""
        wanted = list(objects)
        if sum(o.size for o in wanted) <= MUCH:
            return self.source.pin(wanted)
        with self._digesting:
            return self._remembered(wanted)

    def _remembered(self, wanted: Sequence[ListedObject]) -> tuple[EvidenceObject, ...]:
        states = {o.name: json.dumps([self.place, o.name, o.size, o.state]) for o in wanted}
        try:
            known = self.store.digests(states.values())
        except (OSError, sqlite3.Error):
            return self.source.pin(wanted)
        lasting = {o.name for o in wanted if self.lasting(o)}
        rest = self.source.pin(o for o in wanted if states[o.name] not in known)
        found = {o.name: o for o in (*known.values(), *rest)}
        with suppress(OSError, sqlite3.Error):
            self.store.remember({states[o.name]: o for o in rest if o.name in lasting})
        return tuple(found[o.name] for o in wanted)


@dataclass(frozen=True, slots=True)
class ClosedDays:
    """Answers questions from the cells of days, and closes the days that are not closed yet.

    A day of the flat layout is closed while its objects are what they were. OCSF, whose revisions cross days, is read
    each time.
    """

    engine: ClosingEngine
    source: Remembering
    _adding: Lock = field(default_factory=Lock, init=False, repr=False, compare=False)

    def ask(self, question: Question, progress: Done) -> Answer:
        """As the engine; raises what it raises."""
        if question.name not in CLOSED or not is_utf8_path(self.source.store.cells):
            return self.engine.ask(question, progress)
        located = [o for o in self.source.list() if question.reads(o)]
        if sum(o.size for o in located) <= MUCH or any(o.layout != "flat" for o in located):
            return self.engine.ask(question, progress)
        try:
            with self._adding:
                rows = self._rows(question, located, progress)
        except (InvalidEvidence, OSError, duckdb.Error, sqlite3.Error):
            return self.engine.ask(question, progress)
        questions.within_64_bits(rows)
        statement = questions.statement(question.name, "flat")
        return Answer(question.name, statement, question.parameters, "duckdb", duckdb.__version__, None, rows)

    def stop(self, executions: Iterable[str]) -> None:
        """As the engine."""
        self.engine.stop(executions)

    def holding(self, name: str, detection: str) -> str:
        """As the engine."""
        return self.engine.holding(name, detection)

    def _rows(self, question: Question, located: Sequence[ListedObject], progress: Done) -> tuple[Row, ...]:
        """The rows of an answer; raises what the engine, DuckDB and the store raise."""
        added = question.about if question.name == "tallies" else _preceding(question)
        closed = self._closed(question, located, added, progress)
        days = [closed[day] for day in sorted(closed) if day in added]
        before = _together(each.sums for day, each in closed.items() if day not in added)
        cells = self.source.store.cells
        with spill_folder() as spill, relations.connection(cells.absolute(), spill, MEMORY_LIMIT) as con:
            con.execute(f"create type standing as enum {transpile.STANDINGS}")
            written = [
                _parquet(cells, files) for files in zip(*(_used(question, day) for day in days), strict=True)
            ]
            parts = written if question.name == "tallies" else [_history(con, written, added, before)]
            tally = Tally(con, question, Dictionaries.of_cells(con, parts), normalized=True)
            tally.take(parts)
            return tally.rows()

    def _closed(
        self, question: Question, located: Sequence[ListedObject], added: Window, progress: Done
    ) -> dict[date, ClosedDay]:
        """The days of objects, all closed; the cells of those in `added` are there."""
        pinned = dict(zip(located, self.source.pin(located), strict=True))
        by_day: dict[date, list[EvidenceObject]] = defaultdict(list)
        for o in located:
            by_day[o.day].append(pinned[o])
        keys = {day: _key(day, objects) for day, objects in by_day.items()}
        store = self.source.store
        kept = store.days(keys.values())
        found = {day: kept[key] for day, key in keys.items() if key in kept}
        closed = {
            day: each
            for day, each in found.items()
            if each.as_of <= question.as_of and (day not in added or store.are_whole(_used(question, each)))
        }
        if missing := [o for o in located if o.day not in closed]:
            closed |= self._close(question, missing, keys, progress)
        return closed

    def _close(
        self, question: Question, located: Sequence[ListedObject], keys: Mapping[date, str], progress: Done
    ) -> dict[date, ClosedDay]:
        """Close the days of objects; raises `Changed` if one was written to since it was listed."""
        closed: dict[date, ClosedDay] = {}
        store, place = self.source.store, self.source.place

        def keep(days: Mapping[date, DayCells]) -> None:
            if not {o for o in located if o.day in days} <= set(self.source.list()):
                raise Changed("the evidence changed while it was read")
            with store.adding() as add:
                new = {
                    day: ClosedDay(day, question.as_of, tuple(map(add, cells.files)), cells.sums)
                    for day, cells in days.items()
                }
                store.close(place, {keys[day]: each for day, each in new.items()})
            closed.update(new)

        days = Window(min(o.day for o in located), max(o.day for o in located))
        names = frozenset(o.name for o in located)
        asked = Question("tallies", days, days, question.as_of, last=("false",), listed=names)
        store.remove_left()
        self.engine.close(asked, located, keep, progress)
        return closed


def _used(question: Question, day: ClosedDay) -> Sequence[str]:
    """The files of a day that a question adds up; the first one's cells have the accounts of all."""
    return day.files if question.name == "tallies" else day.files[:1]


def _preceding(question: Question) -> Window:
    """The days before a window whose accounts are counted; all of those are in the history of it."""
    return Window(date.fromisoformat(question.leading[0]), question.about.last)


def _key(day: date, objects: Iterable[EvidenceObject]) -> str:
    """What a day is kept under: the rules by which it was counted, and its objects."""
    made_of = [[o.name, o.sha256, o.size] for o in objects]
    return hashlib.sha256(json.dumps([_rules(), str(day), made_of]).encode()).hexdigest()


@cache
def _rules() -> str:
    """What decides how rows become cells: the release, and the statements."""
    texts = [__version__, duckdb.__version__, questions.statement("tallies", "flat")]
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


def _history(con: duckdb.DuckDBPyConnection, written: Sequence[str], preceding: Window, before: Sums) -> str:
    """The cells of a history: those of the preceding days, and the sums of the days before, without accounts."""
    con.execute(
        "create temp table before as select false as preceding, unnest($1::varchar[]) as campaign_id, "
        "null::varchar as account_id, 'tallied' as standing, unnest($2::hugeint[]) as detections, "
        "unnest($3::hugeint[]) as exchanges",
        [list(before), [of[0] for of in before.values()], [of[1] for of in before.values()]],
    )
    counted = "true as preceding, campaign_id, account_id, standing, detections, exchanges"
    parts = [f"select {counted} {each} where standing = 'tallied'" for each in written]
    return " union all by name ".join([*parts, "from before"])

"""Adapter: DuckDB in this process, over a folder of evidence.

It runs the same SQL files as Athena, transpiled. Five shortcuts change how the answer is computed, but not the answer:

- The flat layout is read in batches of whole days. Revisions stay in their day and cells add up over days, so memory
  holds one batch and the cells, never the window.
- Ids that were delivered once need no ranking. Only rows with repeated ids go through the window function of
  `latest.sql`; all others rank first by definition.
- Each grouping set becomes a query of its own, with only the aggregates that it needs.
- Large Parquet evidence is grouped by numbers: headings by their place in a type, accounts by their hash, if no two
  have the same. The totals then get their text back.
- Labels are first used unchanged. If one may need normalizing, or a row breaks a rule, the question is answered again
  with every label normalized.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from datetime import date
from pathlib import Path
from typing import Protocol

import duckdb

from reports.core.errors import InvalidEvidence, Unavailable
from reports.core.progress import Done, in_turn
from reports.evidence import convert, diagnose, questions, relations, transpile
from reports.evidence.questions import Answer, Question, Row
from reports.evidence.source import ListedObject
from reports.evidence.spill import spill_folder
from reports.evidence.tally import DayCells, Dictionaries, Irregular, Tally

BATCH_BYTES = 60_000_000
SHARED = 10
"""How many times as much a batch of days takes that share objects."""
MEMORY_LIMIT = "1200MB"


Keep = Callable[[Mapping[date, DayCells]], None]
"""Keeps copies of the cells of some days."""
Touching = Mapping[date, Sequence[ListedObject]]
"""The objects that hold a row of a day, or a revision of an id that has one."""


class Held(Protocol):
    """Objects as files below a folder, under their names."""

    @property
    def root(self) -> Path:
        """The folder."""

    def list(self) -> Sequence[ListedObject]:
        """Every listed object."""


class DuckDBEngine:
    """Answers questions about the objects of a folder; reads nothing else and writes only temporary files.

    Several threads may use it. Questions about much evidence are answered one at a time, to save memory.
    """

    def __init__(self, evidence: Held) -> None:
        self.evidence = evidence
        self.memory = threading.Lock()

    def ask(self, question: Question, progress: Done) -> Answer:
        """Answer a question exactly.

        Raises `InvalidEvidence` for an object that cannot be read, a required column that is missing, a misspelt
        column, a value that does not parse or breaks its rule, and revisions that tie; the error names the object, the
        row or id, the column and the value. Raises `Unavailable` if there is too little memory or disk space.
        """
        listed = self.evidence.list()
        located = [o for o in listed if question.reads(o)]
        much = sum(o.size for o in located) > BATCH_BYTES
        try:
            with self.memory if much else nullcontext():
                rows = self._rows(question, located, progress)
        except duckdb.OutOfMemoryException as error:
            raise Unavailable(
                f"question {question.name}: DuckDB ran out of memory or disk: {error}"
            ) from None
        except (duckdb.Error, InvalidEvidence) as error:
            raise diagnose.explain(self.evidence.root, located, question, error) from None
        if any(row.get("standing") in ("tied", "unsound") for row in rows):
            raise diagnose.explain(self.evidence.root, located, question, None)
        questions.within_64_bits(rows)
        layouts = sorted({o.layout for o in located or listed})
        statement = questions.statement(question.name, *layouts)
        return Answer(question.name, statement, question.parameters, "duckdb", duckdb.__version__, None, rows)

    def stop(self, executions: Iterable[str]) -> None:
        """Nothing outlasts `ask`."""

    def holding(self, name: str, detection: str) -> str:
        """In words, the rows of an object that contain an id."""
        return diagnose.holding(self.evidence.root, self.evidence.list(), name, detection)

    def close(self, question: Question, touching: Touching, keep: Keep, progress: Done) -> None:
        """Make the cells of days that `question` is about, of one layout, and have them kept.

        Raises `InvalidEvidence` and what DuckDB raises: `ask` tells what is wrong, and with which object.
        """
        with self.memory:
            try:
                self._close(question, touching, keep, progress, normalized=False)
            except Irregular:
                self._close(question, touching, keep, progress, normalized=True)

    def index(
        self, located: Sequence[ListedObject], numbers: Sequence[int], keep: Callable[[Path], None]
    ) -> None:
        """Make a file of which id has a row on which day in which OCSF object, by its number, and have it kept.

        Ids are 64-bit hashes. Raises what `close` raises; `InvalidEvidence` for a row without a day.
        """
        root = self.evidence.root.absolute()
        with self.memory, self._connection() as con:
            file = relations.spill_of(con) / "index.parquet"
            places = {o.name: number for o, number in zip(located, numbers, strict=True)}
            delivered = f"with ocsf as not materialized ({relations.relation(con, root, located, places)})"
            mapped = transpile.mapped("ocsf", {"object": "place"})
            rows = f"{delivered}, delivered as not materialized ({mapped}) {transpile.normalized()}"
            columns = "hash(origin, detection_id) as id, event_day as day, object as number"
            con.execute(
                f"copy (select {columns} from ({rows})) to {convert.quoted(str(file))} (format parquet)"
            )
            if con.execute(
                f"from read_parquet({convert.quoted(str(file))}) where day is null limit 1"
            ).fetchone():
                raise InvalidEvidence("a row has no day that can be counted")
            keep(file)

    def _close(
        self, question: Question, touching: Touching, keep: Keep, progress: Done, *, normalized: bool
    ) -> None:
        batches = list(of_days(touching))
        every = list(dict.fromkeys(o for _, objects in batches for o in objects))
        with self._tally(question, every, normalized=normalized, within="event_day") as (tally, relation):
            folder = relations.spill_of(tally.con) / "cells"
            for days, objects in in_turn(batches, progress):
                tally.resolve(objects[0].layout, relation(objects))
                folder.mkdir()
                keep(tally.write(days, folder))
                shutil.rmtree(folder)

    def _rows(self, question: Question, located: Sequence[ListedObject], progress: Done) -> tuple[Row, ...]:
        if not questions.has_cells(question.name):
            return self._whole(question, located)
        try:
            return self._tallied(question, located, progress, normalized=False)
        except Irregular:
            return self._tallied(question, located, progress, normalized=True)

    def _whole(self, question: Question, located: Sequence[ListedObject]) -> tuple[Row, ...]:
        """The answer to a question that is asked in one statement."""
        with self._connection() as con:
            relations.make_views(con, self.evidence.root.absolute(), located)
            statement = questions.statement(question.name, *sorted({o.layout for o in located}))
            return questions.fetched(con.execute(transpile.transpiled(statement), question.parameters))

    def _tallied(
        self, question: Question, located: Sequence[ListedObject], progress: Done, *, normalized: bool
    ) -> tuple[Row, ...]:
        """The answer to a question that adds up cells; raises `Irregular` if labels have to be `normalized`."""
        batches = list(_batches(located))
        with self._tally(question, located, normalized=normalized) as (tally, relation):
            for done, batch in enumerate(batches):
                progress(done, len(batches))
                tally.add(batch[0].layout, relation(batch))
            rows = tally.rows() if batches else ()
            progress(len(batches), len(batches))
            return rows

    @contextmanager
    def _tally(
        self,
        question: Question,
        located: Sequence[ListedObject],
        *,
        normalized: bool,
        within: str | None = None,
    ) -> Iterator[tuple[Tally, Callable[[Sequence[ListedObject]], str]]]:
        """An empty tally of objects, and what gives the raw relation of some of them."""
        root = self.evidence.root.absolute()
        names = sorted(o.name for o in located)
        places = {name: place for place, name in enumerate(names, 1)}
        with self._connection() as con:
            con.execute(f"create type standing as enum {transpile.STANDINGS}")
            dictionaries = Dictionaries({}, False) if normalized else _dictionaries(con, root, located)
            placing = dictionaries.placing(con, names)
            tally = Tally(con, question, placing, normalized=normalized, within=within)
            yield tally, lambda batch: relations.relation(con, root, batch, places)

    @contextmanager
    def _connection(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with (
            spill_folder() as spill,
            relations.connection(self.evidence.root.absolute(), spill, MEMORY_LIMIT) as con,
        ):
            yield con


def _batches(located: Sequence[ListedObject]) -> Iterator[list[ListedObject]]:
    """Whole days of one layout, gathered up to `BATCH_BYTES`; all of OCSF, whose revisions cross days, at once."""
    ocsf = [o for o in located if o.layout == "ocsf"]
    if ocsf:
        yield ocsf
    flat: dict[date, list[ListedObject]] = {}
    for o in located:
        if o.layout == "flat":
            flat.setdefault(o.day, []).append(o)
    yield from (objects for _, objects in of_days(flat))


def of_days(touching: Touching) -> Iterator[tuple[list[date], list[ListedObject]]]:
    """Days, gathered while the objects that touch them are small enough, and these objects.

    Days of OCSF share objects: the more of them are gathered, the less is read twice.
    """
    days: list[date] = []
    objects: dict[ListedObject, None] = {}
    size = 0
    for day, touches in sorted(touching.items()):
        most = BATCH_BYTES * (SHARED if touches[0].layout == "ocsf" else 1)
        more = sum(o.size for o in touches if o not in objects)
        if days and size + more > most:
            yield days, list(objects)
            days, objects, size = [], {}, 0
            more = sum(o.size for o in touches)
        days.append(day)
        objects |= dict.fromkeys(touches)
        size += more
    if days:
        yield days, list(objects)


def _dictionaries(
    con: duckdb.DuckDBPyConnection, root: Path, located: Sequence[ListedObject]
) -> Dictionaries:
    parquet = all((o.layout, o.format) == ("flat", "parquet") for o in located)
    if not located or not parquet or sum(o.size for o in located) < BATCH_BYTES:
        return Dictionaries({}, False)
    return Dictionaries.of_rows(con, relations.relation(con, root, located))

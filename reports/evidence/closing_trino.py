"""Closes days of the flat layout on a Trino of one's own, which so needs memory for a few days and not for a window.

Each batch of days is one statement, whose rows are the cells. It only selects: Trino writes nothing, and needs no right
to. The cells come here as text and are kept as those are that DuckDB makes, so both are added up alike.
"""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb

from reports.core.progress import Done, in_turn
from reports.core.window import Window
from reports.evidence import relations, tables, transpile
from reports.evidence.convert import quoted
from reports.evidence.engine_duckdb import MEMORY_LIMIT, Keep, Touching, of_days
from reports.evidence.engine_tables import REFUSED, Tables
from reports.evidence.engine_trino import TrinoEngine
from reports.evidence.questions import Question, Unlisted
from reports.evidence.source import ListedObject
from reports.evidence.spill import spill_folder
from reports.evidence.tally import CannotClose, Dictionaries, Writer, refused
from reports.evidence.transpile import GroupingSet

WITHIN = "event_day"
CELLS = "tallies.cells.sql"
_COLUMNS = transpile.columns(CELLS)
_STANDING = _COLUMNS.index("standing")
_TYPES = {
    **dict.fromkeys(("detections", "exchanges", "output_tokens"), "bigint"),
    **dict.fromkeys(("first_seen", "last_seen"), "timestamp"),
    **dict.fromkeys(("band", "highest_band"), "integer"),
    WITHIN: "date",
}


@dataclass(frozen=True, slots=True)
class ClosingOnTrino:
    """Makes the cells of days on an engine, over the tables of a schema."""

    engine: TrinoEngine
    tables: Tables

    def close(self, question: Question, touching: Touching, keep: Keep, progress: Done) -> None:
        """Make the cells of days of the flat layout that `question` is about, and have them kept.

        Raises `InvalidEvidence` and what the engine and DuckDB raise: `ask` tells what is wrong, and with which object.
        Raises `CannotClose` for OCSF.
        """
        with spill_folder() as spill, relations.connection(Path(spill), spill, MEMORY_LIMIT) as con:
            writer = Writer(con, Dictionaries({}, False), "came", _SETS)
            folder = Path(spill, "cells")
            for days, objects in in_turn(list(_batches(touching)), progress):
                of_batch = Window(days[0], days[-1])
                names = {o.name: o for o in objects}
                asked = replace(question, delivered=of_batch, about=of_batch, listed=names)
                counted_by = self._take(asked, objects, con, Path(spill, "cells.csv"))
                folder.mkdir()
                cells = writer.write(days, folder)
                keep({day: replace(each, counted_by=counted_by) for day, each in cells.items()})
                shutil.rmtree(folder)

    def index(
        self, located: Sequence[ListedObject], numbers: Sequence[int], keep: Callable[[Path], None]
    ) -> None:
        """Raise `CannotClose`: a finding of OCSF may be revised on any later day, which only an index of ids tells."""
        raise CannotClose("days of OCSF are not closed on Trino")

    def _take(
        self,
        asked: Question,
        objects: Sequence[ListedObject],
        con: duckdb.DuckDBPyConnection,
        file: Path,
    ) -> str:
        """Make the relation `came` of the cells of the days of a question; returns what counted them."""
        format_ = self.tables.checked(asked, objects, objects, self.engine.run_for(asked))
        sql = tables.cells(asked.name, format_, WITHIN)

        def taken(some: Iterable[Sequence[Sequence[Any]]]) -> None:
            with file.open("w", encoding="utf-8", newline="") as text:
                write = csv.writer(text).writerows
                for rows in some:
                    if any(row[_STANDING] in REFUSED for row in rows):
                        raise refused(asked.about.days)
                    write(rows)

        version = self.engine.stream(asked, sql, asked.of_latest + asked.of_cells, taken)
        _load(con, file)
        _check_listed(con, [o.name for o in objects])
        return f"trino {version}"


def _batches(touching: Touching) -> Iterator[tuple[list[date], list[ListedObject]]]:
    """Days that follow one another, gathered while their objects are small enough: a statement is about all between."""
    run: dict[date, Sequence[ListedObject]] = {}
    for day, objects in sorted(touching.items()):
        if any(o.layout != "flat" for o in objects):
            raise CannotClose("days of OCSF are not closed on Trino")
        if run and day - timedelta(1) not in run:
            yield from of_days(run)
            run = {}
        run[day] = objects
    yield from of_days(run)


def _load(con: duckdb.DuckDBPyConnection, file: Path) -> None:
    """Make the relation `came` of a file; no text of a cell is empty or has a line break, so what is empty is null."""
    columns = ", ".join(f"'{name}': '{_TYPES.get(name, 'varchar')}'" for name in _COLUMNS)
    con.execute(
        f"create or replace table came as from read_csv({quoted(str(file))}, columns = {{{columns}}}, "
        "auto_detect = false, header = false, delim = ',', quote = '\"', escape = '\"', nullstr = '', "
        "allow_quoted_nulls = false)"
    )


def _check_listed(con: duckdb.DuckDBPyConnection, names: Sequence[str]) -> None:
    """Raise `Unlisted` if rows of another object were counted, one that came meanwhile."""
    others = (
        "select object from came where object is not null and object not in (select unnest($1::varchar[]))"
    )
    if found := con.execute(f"{others} limit 1", [names]).fetchone():
        raise Unlisted.counted(found[0])


def _came(of: GroupingSet) -> GroupingSet:
    """The cells of a grouping set among those that came."""
    return replace(of, sql=f"select {', '.join(of.columns)} from came where cut = {of.constants['cut']}")


_SETS = tuple(map(_came, transpile.grouping_sets(CELLS, within=WITHIN)))

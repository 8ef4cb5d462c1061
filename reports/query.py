"""Port: a query engine that answers a named question over a window, and the questions.

A question is a pair of SQL files in Trino's dialect: `NAME.cells.sql` reads the relation `latest` (the mapped
detections with what became of each) and gives partial rows that add up over days; `NAME.sql` reads the relation
`cells` that they make. An engine that reads everything at once runs both as one statement (`statement`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Protocol

from reports.errors import InvalidRequest
from reports.evidence import Layout, Located
from reports.resolve import Window

SQL = Path(__file__).parent / "sql"
Progress = Callable[[int, int], None]
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Question:
    """A question over a window: which days it reads, and which it is about.

    `delivered` bounds the partitions (updates may land after the window's end), `about` the days of activity. `leading`
    are the values that `NAME.cells.sql` takes before the days, `last` those that `NAME.sql` takes; days are ISO dates.
    """

    name: str
    delivered: Window
    about: Window
    leading: tuple[str, ...] = ()
    last: tuple[str, ...] = ()

    @property
    def of_latest(self) -> tuple[str, ...]:
        """The values of the `?` in `latest.sql`."""
        return tuple(str(day) for days in (self.delivered, self.about) for day in (days.first, days.last))

    @property
    def of_cells(self) -> tuple[str, ...]:
        """The values of the `?` in `NAME.cells.sql`."""
        return (*self.leading, str(self.about.first), str(self.about.last))

    def reads(self, located: Located) -> bool:
        """Whether it is asked of an object; in the flat layout, revisions stay in their event day."""
        return located.day in (self.about if located.layout == "flat" else self.delivered)

    @property
    def settling_days(self) -> int:
        """How many days after its window updates are counted."""
        return (self.delivered.last - self.about.last).days

    @property
    def parameters(self) -> tuple[str, ...]:
        """The values of the statement's `?`, in their order."""
        return self.of_latest + self.of_cells + self.last


@dataclass(frozen=True)
class Answer:
    """The rows of a question, and what has to be known to get them again; `bytes_scanned` where the engine counts."""

    question: str
    sql: str
    parameters: tuple[str, ...]
    engine: str
    engine_version: str
    execution_id: str | None
    rows: tuple[Row, ...]
    bytes_scanned: int | None = None

    @cached_property
    def sql_sha256(self) -> str:
        """Digest of the statement's text, in hexadecimal."""
        return hashlib.sha256(self.sql.encode()).hexdigest()

    @cached_property
    def result_sha256(self) -> str:
        """Digest of the rows as one JSON array (keys in their order, days and instants in ISO 8601), in hexadecimal."""
        rows = json.dumps(self.rows, default=str, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(rows.encode()).hexdigest()


class QueryEngine(Protocol):
    """Port: rows of a named question over a window."""

    def ask(self, question: Question, progress: Progress) -> Answer:
        """Answer a question exactly; raises `InvalidEvidence` where the evidence cannot be counted."""


def tallies(window: Window, settling_days: int, *, each_account: bool = False) -> Question:
    """What happened in a window, with updates that land up to `settling_days` after its end.

    Accounts come one by one if `each_account`, else together: one row a campaign and highest confidence band. Raises
    `InvalidRequest` where the settling days reach beyond the calendar.
    """
    try:
        delivered = Window(window.first, window.last + timedelta(settling_days))
    except OverflowError:
        raise InvalidRequest(f"{settling_days} settling days reach beyond the calendar: give fewer") from None
    return Question("tallies", delivered, window, last=(str(each_account).lower(),))


def history(of: Question, earliest: date) -> Question:
    """What each campaign did before the window of a question, since the first day of evidence, `earliest`."""
    before = Window(earliest, of.about.first - timedelta(1))
    return Question("history", Window(earliest, of.delivered.last), before, (str(of.about.preceding.first),))


@cache
def text(name: str) -> str:
    """The text of a file in `reports/sql`."""
    return (SQL / name).read_text("utf-8").strip()


def ordered(rows: Iterable[Row]) -> tuple[Row, ...]:
    """Rows in the order of their values, column by column, nulls last: the same whatever engine gave them."""
    rows = tuple(rows)
    columns = zip(*(row.values() for row in rows), strict=True)
    keys = [_nulls_last(column) for column in columns if any(value is not None for value in column)]
    places = sorted(zip(*keys, range(len(rows)), strict=True))
    return tuple(rows[place] for *_, place in places)


def _nulls_last(column: Sequence[Any]) -> Sequence[Any]:
    if None not in column:
        return column
    places = {value: place for place, value in enumerate(sorted(set(column) - {None}))}
    return [places.get(value, len(places)) for value in column]


def statement(name: str, *layouts: Layout) -> str:
    """A question as one statement over the raw relations of layouts, in Trino's dialect."""
    parts = {
        "detections": "\nunion all\n".join(text(f"views/{layout}.sql") for layout in layouts),
        "latest": text("latest.sql"),
        "cells": text(f"{name}.cells.sql"),
    }
    named = ",\n".join(f"{relation} as (\n{sql}\n)" for relation, sql in parts.items())
    return f"with {named}\n{text(f'{name}.sql')}\n"

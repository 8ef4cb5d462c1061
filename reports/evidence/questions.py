"""Port: a query engine that answers a named question over a window, and the questions.

A question is a pair of SQL files in Trino's dialect: `NAME.cells.sql` reads the relation `latest` (the mapped and
normalized detections with what became of each) and gives partial rows that add up over days; `NAME.sql` reads the
relation `cells` that they make. An engine that reads everything at once runs both as one statement (`statement`).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from reports.core.errors import InvalidEvidence
from reports.core.progress import Done
from reports.core.window import Window
from reports.evidence.columns import Layout
from reports.evidence.source import ListedObject

SQL = Path(__file__).parent / "sql"
AHEAD = timedelta(2)
LARGEST = 2**63 - 1
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Question:
    """A question over a window: which days it reads, and which it is about.

    `delivered` bounds the partitions (updates land after the days that they are about), `about` the days of activity;
    `as_of` (aware) is the instant of the request, after which nothing can have been revised. `leading` are the values
    that `NAME.cells.sql` takes before the days, `last` those that `NAME.sql` takes; days are ISO dates. It is asked of
    the objects with the names in `listed` alone, as they were listed, or of all that there are.
    """

    name: str
    delivered: Window
    about: Window
    as_of: datetime
    leading: tuple[str, ...] = ()
    last: tuple[str, ...] = ()
    listed: Mapping[str, ListedObject] | None = field(default=None, hash=False)

    @property
    def of_latest(self) -> tuple[str, ...]:
        """The values of the `?` in `latest.sql`: the instant of the request, and days."""
        instant = self.as_of.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "milliseconds")
        return instant, *_bounds(self.delivered), *_bounds(self.about)

    @property
    def of_cells(self) -> tuple[str, ...]:
        """The values of the `?` in `NAME.cells.sql`."""
        return *self.leading, *_bounds(self.about)

    def reads(self, located: ListedObject) -> bool:
        """Whether it is asked of an object; in the flat layout, revisions stay in their event day."""
        if self.listed is not None and located.name not in self.listed:
            return False
        days = self.about if located.layout == "flat" else self.delivered
        return located.day <= days.last and (located.until or located.day) >= days.first

    @property
    def parameters(self) -> tuple[str, ...]:
        """The values of the statement's `?`, in their order."""
        if not has_cells(self.name):
            return *_bounds(self.about), *_bounds(self.delivered)
        return self.of_latest + self.of_cells + self.last


def _bounds(window: Window) -> tuple[str, str]:
    return str(window.first), str(window.last)


@dataclass(frozen=True)
class Answer:
    """The rows of a question, and what is needed to get them again.

    `bytes_scanned` is there if the engine reports it, `table` if the evidence is a table of one's own. If days were
    added up that had been counted before, `counted_by` are the engines that counted them, with their versions.
    """

    question: str
    sql: str
    parameters: tuple[str, ...]
    engine: str
    engine_version: str
    execution_id: str | None
    rows: tuple[Row, ...]
    bytes_scanned: int | None = None
    table: Mapping[str, Any] | None = None
    counted_by: tuple[str, ...] = field(default=(), compare=False)

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

    def ask(self, question: Question, progress: Done) -> Answer:
        """Answer a question exactly; raises `InvalidEvidence` if the evidence cannot be counted."""

    def stop(self, executions: Iterable[str]) -> None:
        """Stop executions that `ask` left running, here or in another process. Starts none."""


@runtime_checkable
class Locating(Protocol):
    """An engine that reads the objects itself, and so knows their rows."""

    def holding(self, name: str, detection: str) -> str:
        """In words, the rows of an object that contain an id; empty if that cannot be told."""


class Unlisted(InvalidEvidence):
    """An engine has met an object that was not listed."""

    @classmethod
    def counted(cls, name: str) -> Unlisted:
        """The error for one whose rows were counted."""
        return cls(
            f"{name}: was counted, but is not among the listed objects: remove it, "
            "or point the tables at the listed place only"
        )


@dataclass(frozen=True, slots=True)
class Inquiry:
    """What is asked of the evidence: about a window, at an instant (aware).

    Accounts come one by one if `each_account`, else together: one row a campaign and highest confidence band. Within
    `settling_days` of the window's end, updates are to be expected.
    """

    window: Window
    as_of: datetime
    settling_days: int = 7
    each_account: bool = False

    def reads(self, located: ListedObject) -> bool:
        """Whether an object is read for the window or the days before; flat updates stay in their day."""
        return located.layout == "ocsf" or located.day <= self.window.last

    def tallies(self, newest: date) -> Question:
        """What happened in the window, with all updates until the partition of the day `newest`.

        Activity may begin up to two days after the partition that it is delivered into.
        """
        first = self.window.first - min(AHEAD, self.window.first - date.min)
        delivered = Window(first, max(newest, self.window.last))
        return Question("tallies", delivered, self.window, self.as_of, last=(str(self.each_account).lower(),))

    def questions(self, listed: Sequence[ListedObject]) -> tuple[Question, Question | None]:
        """The tallies of listed objects, and the history if there are any before the window."""
        newest = max((o.until or o.day for o in listed if o.layout == "ocsf"), default=self.window.last)
        tallies = replace(self.tallies(newest), listed={o.name: o for o in listed})
        since = min(o.day for o in listed)
        return tallies, history(tallies, since) if since < self.window.first else None


def history(of: Question, earliest: date) -> Question:
    """What each campaign did before the window of a question, since the first day of evidence, `earliest`."""
    before = Window(earliest, of.about.first - timedelta(1))
    delivered = Window(earliest, of.delivered.last)
    return Question(
        "history", delivered, before, of.as_of, (str(of.about.preceding.first),), listed=of.listed
    )


def overlap(of: Question, earliest: date) -> Question:
    """Which ids are in both layouts, in everything that a question and its history read."""
    first = min(earliest, of.about.first)
    return Question(
        "overlap", Window(first, of.delivered.last), Window(first, of.about.last), of.as_of, listed=of.listed
    )


def has_cells(name: str) -> bool:
    """Whether a question resolves revisions and adds up cells; others read the detections as they were delivered."""
    return (SQL / f"{name}.cells.sql").exists()


@cache
def text(name: str) -> str:
    """The text of a file in `reports/evidence/sql`."""
    return (SQL / name).read_text("utf-8").strip()


def ordered(rows: Iterable[Row]) -> tuple[Row, ...]:
    """Rows in the order of their values, column by column, nulls last: the same whatever engine gave them."""
    rows = tuple(rows)
    columns = zip(*(row.values() for row in rows), strict=True)
    keys = [_nulls_last(column) for column in columns if any(value is not None for value in column)]
    places = sorted(zip(*keys, range(len(rows)), strict=True))
    return tuple(rows[place] for *_, place in places)


def fetched(cursor: Any) -> tuple[Row, ...]:
    """The rows of a DB-API cursor, in order."""
    names = [column[0] for column in cursor.description or ()]
    return ordered(dict(zip(names, row, strict=True)) for row in cursor.fetchall())


def _nulls_last(column: Sequence[Any]) -> Sequence[Any]:
    if None not in column:
        return column
    places = {value: place for place, value in enumerate(sorted(set(column) - {None}))}
    return [places.get(value, len(places)) for value in column]


def of_label(rule: str, label: str) -> str:
    """The expression of a rule in `sql/labels`, about a label."""
    return re.sub(r"\bvalue\b", label, text(f"labels/{rule}.sql"))


def detections(rules: Callable[[str, str], str] = of_label) -> str:
    """`detections.sql`, with the expression of each rule about each label."""
    return re.sub(
        r"\b(normalized|legible)\((\w+)\)", lambda call: rules(call[1], call[2]), text("detections.sql")
    )


def statement(name: str, *layouts: Layout) -> str:
    """A question as one statement over the raw relations of layouts, in Trino's dialect."""
    return _over(layouts, _cells(name), text(f"{name}.sql"))


def over_delivered(name: str, delivered: str) -> str:
    """A question as one statement over a SELECT that gives what the views of the layouts give."""
    return _named({"delivered": delivered, "detections": detections(), **_cells(name)}, text(f"{name}.sql"))


def over_latest(sql: str, *layouts: Layout) -> str:
    """A query of the relation `latest` as a statement over the raw relations of layouts, in Trino's dialect."""
    return _over(layouts, {"latest": text("latest.sql")}, sql)


def _cells(name: str) -> Mapping[str, str]:
    return {"latest": text("latest.sql"), "cells": text(f"{name}.cells.sql")} if has_cells(name) else {}


def _over(layouts: Sequence[Layout], relations: Mapping[str, str], sql: str) -> str:
    parts = {
        "delivered": "\nunion all\n".join(text(f"views/{layout}.sql") for layout in layouts),
        "detections": detections(),
        **relations,
    }
    return _named(parts, sql)


def _named(relations: Mapping[str, str], sql: str) -> str:
    named = ",\n".join(f"{relation} as (\n{of}\n)" for relation, of in relations.items())
    return f"with {named}\n{sql}\n"


def within_64_bits(rows: Sequence[Row]) -> None:
    """Raise `InvalidEvidence` if a sum does not fit in 64 bits; Trino cannot compute it either."""
    tokens = sum(row.get("output_tokens") or 0 for row in rows)  # which Trino adds up, though no row shows it
    total = {"output_tokens": tokens}
    for row in (*rows, total) if rows else ():
        for name, column in (("exchanges", "exchange_count"), ("output_tokens", "output_tokens")):
            if (row.get(name) or 0) > LARGEST:
                raise InvalidEvidence(
                    f"{_largest(rows, name)}: column {column} adds up to {row[name]:,}, more than the {LARGEST:,} that "
                    "64 bits hold: correct the values that are too large, and deliver the object again",
                    f"{_largest(rows, name)}: column {column} adds up to more than the {LARGEST:,} that 64 bits hold: "
                    "correct the values that are too large, and deliver the object again",
                )


def of_both(row: Row, flat: str = "", ocsf: str = "") -> InvalidEvidence:
    """The error for an id that is in both layouts; `flat` and `ocsf` say where in each object."""
    one, other, advice = (
        row["flat_object"],
        row["ocsf_object"],
        "and would count twice: deliver it in one layout",
    )
    return InvalidEvidence(
        f"{one}: detection {row['detection_id']} is in {other} as well, {advice}",
        f"{one}{flat}: its detection is in {other}{ocsf} as well, {advice}",
    )


def _largest(rows: Sequence[Row], name: str) -> str:
    """The object with the largest sum, if the rows name objects; otherwise all partitions before the window."""
    objects = [row for row in rows if row.get("object")]
    if not objects:
        return "partitions before the window (event_day, eventDay)"
    return str(max(objects, key=lambda row: row.get(name) or 0)["object"])

"""What Athena and Trino have in common: questions asked over the tables `flat` and `ocsf`.

A table passes over much without a word: objects that its partitions do not name, columns of other names, types that
it reads otherwise. So before a question is asked, the objects are held against what the tables show.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

from reports.core.errors import Changed, InvalidEvidence
from reports.core.progress import Done
from reports.evidence import questions, tables
from reports.evidence.columns import JOINED, KEYS, Layout, mistake
from reports.evidence.footers import Footers, Ranged
from reports.evidence.questions import Answer, Question, Row, Unlisted
from reports.evidence.source import EvidenceSource, ListedObject
from reports.evidence.tables import Format

# Trino's and Hive's names of errors that rows or objects are to blame for
EVIDENCE = frozenset(
    {
        *("HIVE_BAD_DATA", "HIVE_CURSOR_ERROR", "HIVE_CANNOT_OPEN_SPLIT", "HIVE_PARTITION_SCHEMA_MISMATCH"),
        *("HIVE_INVALID_PARTITION_VALUE", "INVALID_CAST_ARGUMENT", "INVALID_FUNCTION_ARGUMENT"),
        *("ICEBERG_BAD_DATA", "ICEBERG_CURSOR_ERROR", "ICEBERG_CANNOT_OPEN_SPLIT"),
        "NUMERIC_VALUE_OUT_OF_RANGE",
    }
)
# What is an internal error to Trino, and an object's fault: a broken page, and JSON that is nested too deeply
BROKEN = re.compile(r"can not read class org\.apache\.parquet\.format\.|Document nesting depth")
REFUSED = {
    "unsound": ("breaks a rule of the layout", "break a rule of the layout"),
    "tied": ("differs from a revision at the same time", "differ from revisions at the same time"),
}


class Select(Protocol):
    """Runs a statement that is no question: what it is for, and its parameters. Rows come in the statement's order."""

    def __call__(self, what: str, sql: str, parameters: Sequence[str] = ()) -> tuple[Row, ...]: ...


class RangedSource(EvidenceSource, Ranged, Protocol):
    """Evidence of which parts of objects can be read."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What an engine answered to a statement: its rows, and what tells this execution from others."""

    rows: tuple[Row, ...]
    execution_id: str
    engine_version: str
    bytes_scanned: int | None = None


Run = Callable[[str, str, Sequence[str], Sequence[ListedObject]], Answered]
"""Runs a statement: the name of what it asks, the statement, its parameters, and the objects that it is about."""


class Shown(Protocol):
    """What questions are asked over."""

    def answer(self, question: Question, engine: str, run: Run, progress: Done) -> Answer:
        """Answer a question exactly; raises `InvalidEvidence` for what cannot be counted, and what `run` raises."""

    def advice(self, question: Question) -> str:
        """What to do to see which row of the evidence is refused."""


@dataclass(frozen=True, slots=True)
class Tables:
    """The tables over a source; the footers of Parquet objects are read once."""

    source: RangedSource
    footers: Footers

    @classmethod
    def over(cls, source: RangedSource) -> Tables:
        """The tables over a source of which nothing has been read."""
        return cls(source, Footers(source))

    def answer(self, question: Question, engine: str, run: Run, progress: Done) -> Answer:
        """Answer a question exactly.

        Raises `InvalidEvidence` for objects that the tables do not show or read otherwise, and for rows that break a
        rule of their layout, with their objects; and what `run` raises.
        """
        listed = self.source.list()
        located = [o for o in listed if question.reads(o)]
        progress(0, 1)
        format_ = self.checked(question, located or listed, located, run)
        layouts = sorted({o.layout for o in located or listed})
        sql = tables.statement(question.name, format_, *layouts)
        answered = run(question.name, sql, question.parameters, located)
        progress(1, 1)
        canonical = questions.statement(question.name, *layouts)
        return concluded(question, canonical, engine, answered, self.advice(question))

    def checked(
        self, question: Question, among: Iterable[ListedObject], located: Sequence[ListedObject], run: Run
    ) -> Format:
        """The one format of objects; those that a question is asked of are held against what the tables show.

        Raises `InvalidEvidence` for objects that the tables do not show or read otherwise, and what `run` raises.
        """
        format_ = _format(among)
        rows = self.footers.rows(o for o in located if format_ == "parquet")
        if questions.has_cells(question.name):
            for layout in sorted({o.layout for o in located}):
                of_layout = [o for o in located if o.layout == layout]
                shown = _shown(question, tables.objects(layout, format_), of_layout, run)
                self._check_shown(layout, of_layout, shown, rows)
        return format_

    def advice(self, question: Question) -> str:
        """As `Shown.advice`."""
        return f"`exhibit publish --evidence` on a copy of {question.about} shows which object and row"

    def _check_shown(
        self,
        layout: Layout,
        located: Sequence[ListedObject],
        shown: Mapping[str, Row],
        rows: Mapping[str, int],
    ) -> None:
        """Hold the objects of a layout against what its table shows; `rows` are how many their footers tell."""
        for name, row in shown.items():
            for odd in json.loads(row["odd_names"] or "[]"):
                if problem := mistaken(layout, odd):
                    raise InvalidEvidence(f"{name}: {problem}")
        for o in located:
            there = shown[o.name]["delivered"] if o.name in shown else 0
            if not there and not self._is_empty(o, rows):
                raise InvalidEvidence(
                    f"{o.name}: the table {layout} does not show it: {_REMEDIES[layout]}, and make the tables again"
                )
            if rows.get(o.name, there) != there:
                raise Changed(f"{o.name}: changed while being read: wait until its delivery has ended")
        if more := sorted(shown.keys() - {o.name for o in located}):
            raise Unlisted(
                f"{more[0]}: the table {layout} shows it, but it is not among the listed objects: remove it, or point "
                "the tables at the listed place only"
            )

    def _is_empty(self, located: ListedObject, rows: Mapping[str, int]) -> bool:
        """Whether an object that a table does not show has no row to be shown."""
        if located.name in rows or not located.name.endswith(".gz"):
            return not rows.get(located.name, located.size)
        if not located.size:
            raise InvalidEvidence(f"{located.name}: cannot be read as gzip: it has no bytes")
        try:
            with gzip.open(io.BytesIO(self.source.part(located, 0, located.size))) as file:
                return not file.read(1)
        except (EOFError, OSError, zlib.error) as error:
            raise InvalidEvidence(f"{located.name}: cannot be read as gzip: {error}") from None


_REMEDIES: Mapping[Layout, str] = {
    "flat": "have it begin on that day or before",
    "ocsf": "name its source, its region and its account there, and have it begin on that day or before",
}


_UNTOLD: Mapping[str, str] = {
    tables.LOST: "a line holds U+FFFD, which tables cannot tell from bytes that are not UTF-8: remove it",
    tables.TWICE: "the name of a column is twice in a line, or is written with escapes, and tables cannot tell which "
    "value counts: keep one, without escapes",
}


def _shown(question: Question, sql: str, located: Sequence[ListedObject], run: Run) -> Mapping[str, Row]:
    """What the table of some objects shows of the days of a question, by the name of the object."""
    layout = located[0].layout
    days = question.about if layout == "flat" else question.delivered
    answered = run(f"{question.name}, objects of {layout}", sql, (str(days.first), str(days.last)), located)
    return {row["object"]: row for row in answered.rows}


def mistaken(layout: Layout, odd: str) -> str | None:
    """What is wrong with a name, as `tables.objects` tells it."""
    if odd in _UNTOLD:
        return _UNTOLD[odd]
    place, _, name = odd.partition(" ")
    for path, known in KEYS[layout].items():
        if tables.json_path(path) == place:
            return mistake([name], known, JOINED[layout][path])
    return None


def _format(objects: Iterable[ListedObject]) -> Format:
    """The one format of objects: a table has one."""
    first: dict[str, str] = {}
    for o in objects:
        first.setdefault(o.format, o.name)
    for format_, name in first.items():
        if format_ not in tables.FORMATS:
            raise InvalidEvidence(
                f"{name}: tables do not read {format_.upper()}: convert it to Parquet or JSON Lines"
            )
    if len(first) > 1:
        raise InvalidEvidence(
            f"{first['parquet']} is Parquet and {first['json']} is JSON: a table reads one format: convert one of them"
        )
    return cast(Format, next(iter(first)))


def concluded(question: Question, sql: str, engine: str, answered: Answered, advice: str) -> Answer:
    """The answer to a question, with the statement that is recorded.

    Raises `InvalidEvidence` if it tells of rows that are refused, or of a sum that 64 bits do not hold.
    """
    for standing in REFUSED:
        if refused := [row for row in answered.rows if row.get("standing") == standing]:
            raise _refused(question, answered.execution_id, refused, advice)
    questions.within_64_bits(answered.rows)
    return Answer(
        question.name,
        sql,
        question.parameters,
        engine,
        answered.engine_version,
        answered.execution_id,
        answered.rows,
        bytes_scanned=answered.bytes_scanned,
    )


def _refused(question: Question, execution: str, rows: Sequence[Row], advice: str) -> InvalidEvidence:
    count = max(row["detections"] for row in rows)  # the total is among them
    days = sorted({str(row["event_day"]) for row in rows if row.get("event_day")})
    when = f"of {', '.join(days)}" if days else f"read for {question.about}"
    objects = sorted({row["object"] for row in rows if row.get("object")})
    where = f"{objects[0]}{f' and {len(objects) - 1} more' if objects[1:] else ''}: " if objects else ""
    one, several = REFUSED[rows[0]["standing"]]
    told = f"1 row {when} {one}" if count == 1 else f"{count} rows {when} {several}"
    return InvalidEvidence(f"{where}{told} (query {execution}): {advice}")

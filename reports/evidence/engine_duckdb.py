"""Adapter: DuckDB in this process, over a folder of evidence.

It runs the same SQL files as Athena, transpiled. Five shortcuts change how the answer is computed, but not the answer:

- The flat layout is read in batches of whole days. Revisions stay in their day and cells add up over days, so memory
  holds one batch and the cells, never the window.
- Ids that were delivered once need no ranking. Only rows with repeated ids go through the window function of
  `latest.sql`; all others rank first by definition.
- Each grouping set becomes a query of its own, with only the aggregates that it needs.
- Large Parquet evidence is grouped by numbers: headings by their place in a dictionary, accounts by their hash, if no
  two have the same. The totals then get their text back.
- Labels are first used unchanged. If one may need normalizing, or a row breaks a rule, the question is answered again
  with every label normalized.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import duckdb

from reports.core.errors import InvalidEvidence, Unavailable
from reports.core.labels import HEADINGS, LABELS, illegible, normalized
from reports.core.progress import Done
from reports.evidence import diagnose, questions, relations, transpile
from reports.evidence.columns import Layout
from reports.evidence.convert import listed
from reports.evidence.questions import Answer, Question, Row
from reports.evidence.source import ListedObject
from reports.evidence.spill import spill_folder

BATCH_BYTES = 60_000_000
MEMORY_LIMIT = "1200MB"
LONGEST_DICTIONARY = 500
MOST_ACCOUNTS = 1_000_000
MOST_ASIDE = 2_000_000
NUMBERED = ("campaign_id", *HEADINGS)
KEPT = (
    "standing",
    "event_day",
    *NUMBERED,
    "exchange_count",
    "output_tokens",
    "first_seen",
    "last_seen",
    "confidence",
    "delivered_day",
    "revised_within",
    "origin",
    "detection_id",
    "revised_at",
    "status",
    "object",
)
IDENTITY = "(hash(revised_within, origin, detection_id) >> 32)::uinteger"


class Held(Protocol):
    """Objects as files below a folder, under their names."""

    @property
    def root(self) -> Path:
        """The folder."""

    def list(self) -> Sequence[ListedObject]:
        """Every listed object."""


class _Irregular(Exception):
    """Labels may have to be normalized, or a row breaks a rule."""


@dataclass(frozen=True, slots=True)
class Dictionaries:
    """The texts that numbers stand for, by heading, and whether hashes stand for accounts.

    Both are empty if grouping by text is quick enough. With hashes, the relation `accounts` has them and the texts.
    Objects are always identified by their place in `objects`, which are sorted by name.
    """

    texts: Mapping[str, Sequence[str]]
    hashed: bool
    objects: Sequence[str] = ()

    @property
    def unchecked(self) -> frozenset[str]:
        """The labels that may need normalizing: those of the dictionaries do not."""
        return frozenset(LABELS) - {*self.texts, *(["account_id"] if self.hashed else [])}

    @property
    def account(self) -> str:
        """The expression that identifies an account."""
        return "hash(account_id)" if self.hashed else "account_id"

    @property
    def places(self) -> dict[str, str]:
        """The expression for each heading."""
        places = {
            name: f"list_position({listed(texts)}, {name})::usmallint" for name, texts in self.texts.items()
        }
        return {**places, "object": "place"}

    def spelt(self, counted: str, columns: Sequence[str]) -> str:
        """A query's rows, with the texts in place of the numbers that stand for them."""
        numbered = {**self.texts, "object": self.objects}
        spelt = {name: f"{listed(texts)}[counted.{name}]" for name, texts in numbered.items()}
        joined = ""
        if self.hashed and "account_id" in columns:
            spelt["account_id"] = "accounts.account_id"
            joined = "left join accounts on counted.account_id = accounts.hash"
        replaced = [f"{text} as {name}" for name, text in spelt.items() if name in columns]
        if not replaced:
            return counted
        return f"select counted.* replace ({', '.join(replaced)}) from ({counted}) as counted {joined}"


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

    def _rows(self, question: Question, located: Sequence[ListedObject], progress: Done) -> tuple[Row, ...]:
        if not questions.has_cells(question.name):
            return self._whole(question, located)
        try:
            return self._tallied(question, located, progress, normalized=False)
        except _Irregular:
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
        """The answer to a question that adds up cells; raises `_Irregular` if labels have to be `normalized`."""
        root = self.evidence.root.absolute()
        batches = list(_batches(located))
        names = sorted(o.name for o in located)
        places = {name: place for place, name in enumerate(names, 1)}
        with self._connection() as con:
            con.execute(f"create type standing as enum {transpile.STANDINGS}")
            dictionaries = Dictionaries({}, False) if normalized else _dictionaries(con, root, located)
            tally = _Tally(con, question, replace(dictionaries, objects=names), normalized=normalized)
            for done, batch in enumerate(batches):
                progress(done, len(batches))
                tally.add(batch[0].layout, relations.relation(con, root, batch, places))
            rows = tally.rows() if batches else ()
            progress(len(batches), len(batches))
            return rows

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
    batch: list[ListedObject] = []
    flat = sorted((o for o in located if o.layout == "flat"), key=lambda o: o.day)
    for _, of_day in itertools.groupby(flat, lambda o: o.day):
        day = list(of_day)
        if batch and sum(o.size for o in batch + day) > BATCH_BYTES:
            yield batch
            batch = []
        batch += day
    if batch:
        yield batch


def _dictionaries(
    con: duckdb.DuckDBPyConnection, root: Path, located: Sequence[ListedObject]
) -> Dictionaries:
    parquet = all((o.layout, o.format) == ("flat", "parquet") for o in located)
    if not located or not parquet or sum(o.size for o in located) < BATCH_BYTES:
        return Dictionaries({}, False)
    flat = relations.relation(con, root, located)
    texts = {heading: _texts(con, heading, flat) for heading in NUMBERED}
    if any(normalized(text) != text or illegible(text) for of in texts.values() for text in of):
        raise _Irregular
    return Dictionaries({heading: of for heading, of in texts.items() if of}, _hashed(con, flat))


def _texts(con: duckdb.DuckDBPyConnection, heading: str, flat: str) -> list[str]:
    distinct = con.execute(
        f"select distinct {heading} from ({flat}) limit {LONGEST_DICTIONARY + 1}"
    ).fetchall()
    return sorted(text for (text,) in distinct if text) if len(distinct) <= LONGEST_DICTIONARY else []


def _hashed(con: duckdb.DuckDBPyConnection, flat: str) -> bool:
    """Make the relation `accounts`; returns whether they are few enough, with no two hashes the same.

    Raises `_Irregular` if an account needs normalizing or cannot be read.
    """
    distinct = (
        f"select distinct account_id from ({flat}) where account_id is not null limit {MOST_ACCOUNTS + 1}"
    )
    con.execute(
        f"create temp table accounts as select hash(account_id) as hash, account_id from ({distinct})"
    )
    found = con.execute("select count(*), count(distinct hash) from accounts").fetchone()
    hashed = found is not None and found[0] == found[1] <= MOST_ACCOUNTS
    normal, legible = (transpile.of_label(rule, "account_id") for rule in ("normalized", "legible"))
    regular = f"{normal} = account_id and {legible}"
    if hashed and con.execute(f"from accounts where not coalesce({regular}, false) limit 1").fetchone():
        raise _Irregular
    return hashed


class _Tally:
    """The cells of a question, batch after batch, and the rows that are set aside to be ranked together."""

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        question: Question,
        dictionaries: Dictionaries,
        *,
        normalized: bool,
    ) -> None:
        self.con = con
        self.question = question
        self.dictionaries = dictionaries
        self.normalized = normalized
        self.cells = transpile.grouping_sets(f"{question.name}.cells.sql")
        self.made: set[str] = set()

    def add(self, layout: Layout, relation: str) -> None:
        """Add the cells of a layout's raw relation."""
        mapped = transpile.mapped(layout, self.dictionaries.places)
        unchecked = self.dictionaries.unchecked
        self._resolve(
            f"with {layout} as not materialized ({relation}), delivered as not materialized ({mapped}) "
            f"{transpile.normalized() if self.normalized else transpile.as_they_are(unchecked)}"
        )
        self._add_cells()
        if "aside" in self.made and self._any(f"from aside limit 1 offset {MOST_ASIDE}"):
            self._rank()

    def rows(self) -> tuple[Row, ...]:
        """The answer, after the last batch."""
        if "aside" in self.made:
            self._rank()
        name = f"{self.question.name}.sql"
        sets = transpile.grouping_sets(name)
        counted = " union all by name ".join(each.among(f"({each.sql})") for each in sets)
        spelt = self.dictionaries.spelt(counted, transpile.columns(name))
        cells = " union all by name ".join(each.among(f"cells{n}") for n, each in enumerate(self.cells))
        sql = f"with cells as not materialized ({cells}), counted as ({spelt}) {transpile.around(name)}"
        return questions.fetched(self.con.execute(sql, self.question.last))

    def _resolve(self, detections: str) -> None:
        """Make the relation `latest`, and set aside the rows whose id may occur more than once."""
        self._make_latest(detections, ranked=False)
        if not self.normalized and self._any("from latest where standing = 'unsound' limit 1"):
            raise _Irregular
        self.con.execute("drop table if exists repeated")
        self.con.execute(
            "create temp table repeated as "
            "select id from latest where standing <> 'unsound' group by 1 having count(*) > 1"
        )
        if self._any("from repeated limit 1"):
            repeats = "standing <> 'unsound' and id in (from repeated)"
            self._add("aside", f"select * exclude (standing) from latest where {repeats}")
            self.con.execute(f"delete from latest where {repeats}")

    def _rank(self) -> None:
        """Rank the rows that were set aside, by the texts of ids and accounts, and add their cells."""
        account, joined = "account_id", ""
        if self.dictionaries.hashed:
            account, joined = "accounts.account_id", "join accounts on aside.account_id = accounts.hash"
        self._make_latest(
            f"select aside.* replace ({account} as account_id), true as legible from aside {joined}",
            ranked=True,
        )
        self.con.execute("drop table aside")
        self.made.remove("aside")
        self._add_cells()

    def _make_latest(self, detections: str, *, ranked: bool) -> None:
        kept = f"{IDENTITY} as id, {self.dictionaries.account} as account_id, {', '.join(KEPT)}"
        self.con.execute("drop table if exists latest")
        self.con.execute(
            f"create temp table latest as with detections as not materialized ({detections}) "
            f"select {kept} from ({transpile.latest(ranked)})",
            self.question.of_latest,
        )

    def _add_cells(self) -> None:
        for n, each in enumerate(self.cells):
            self._add(f"cells{n}", each.sql, self.question.of_cells)

    def _add(self, relation: str, sql: str, parameters: Sequence[str] = ()) -> None:
        into = f"insert into {relation}" if relation in self.made else f"create temp table {relation} as"
        self.con.execute(f"{into} {sql}", parameters)
        self.made.add(relation)

    def _any(self, sql: str) -> bool:
        return self.con.execute(sql).fetchone() is not None

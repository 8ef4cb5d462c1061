"""Cells in DuckDB: made of rows, kept as files, added up to the answer of a question."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import duckdb

from reports.core.errors import InvalidEvidence
from reports.core.labels import HEADINGS, LABELS, illegible, normalized
from reports.core.window import Window
from reports.evidence import questions, relations, transpile
from reports.evidence.columns import Layout
from reports.evidence.convert import quoted
from reports.evidence.questions import Question, Row
from reports.evidence.transpile import GroupingSet

LONGEST_DICTIONARY = 500
MOST_ACCOUNTS = 1_000_000
AT_ONCE = 3  # days that are written beside each other
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
DUCKDB = f"duckdb {duckdb.__version__}"
SUMS = ("detections", "exchanges", "output_tokens")

_REACHES = """
    select of.event_day, min(ranked.delivered_day), max(of.delivered_day)
    from ranked join ranked as of on of.origin = ranked.origin and of.detection_id = ranked.detection_id
    where
        ranked.standing in ('tallied', 'excluded') and ranked.revised_at > of.revised_at
        and ranked.delivered_day < of.delivered_day
    group by 1
"""

Sums = Mapping[str | None, tuple[int, int]]
"""Detections and exchanges that count, by campaign."""


@dataclass(frozen=True, slots=True)
class DayCells:
    """The cells of a day as Parquet files: its accounts with their hashes, and one a grouping set, with the hashes.

    `sums` are what the cells add up to. `reach` goes from the earliest partition with a revision that outranks a row of
    the day in a later one, to the latest of such rows. `counted_by` is the engine that made them of rows, and its
    version.
    """

    files: Sequence[Path]
    sums: Sums
    reach: Window | None = None
    counted_by: str = DUCKDB


class Irregular(Exception):
    """Labels may have to be normalized, or a row breaks a rule."""


class CannotClose(Exception):
    """Days cannot be closed here and now: their questions have to be answered from the evidence."""


@dataclass(frozen=True, slots=True)
class Dictionaries:
    """The texts of headings, which are values of a type each, and whether hashes stand for accounts.

    Both are empty if grouping by text is quick enough. With hashes, the relation `accounts` has them and the texts. If
    objects are `placed`, their places stand for their names, and the relation `objects` has both.
    """

    texts: Mapping[str, Sequence[str]]
    hashed: bool
    placed: bool = False

    @classmethod
    def of_rows(cls, con: duckdb.DuckDBPyConnection, rows: str) -> Dictionaries:
        """Those for a relation of raw rows; raises `Irregular` if a label needs normalizing or is not legible."""
        texts = {heading: _texts(con, heading, rows) for heading in NUMBERED}
        if any(normalized(text) != text or illegible(text) for of in texts.values() for text in of):
            raise Irregular
        hashed = _hashed(con, _accounts_of(rows), MOST_ACCOUNTS)
        normal, legible = (transpile.of_label(rule, "account_id") for rule in ("normalized", "legible"))
        regular = f"{normal} = account_id and {legible}"
        if hashed and con.execute(f"from accounts where not coalesce({regular}, false) limit 1").fetchone():
            raise Irregular
        return cls(_typed(con, texts), hashed)

    @classmethod
    def of_cells(
        cls, con: duckdb.DuckDBPyConnection, accounts: str, relations: Sequence[str]
    ) -> Dictionaries:
        """Those for relations of cells, whose labels were normalized, and of the accounts that they have the hashes of.

        Raises `CannotClose` if two have the same.
        """
        if not _hashed(con, f"select distinct hash, account_id from ({accounts})"):
            raise CannotClose("two accounts have one hash")
        with_heading = {name: each for each in relations for name in _columns(con, each)}
        texts = {name: _texts(con, name, with_heading[name]) for name in NUMBERED if name in with_heading}
        return cls(_typed(con, texts), hashed=True)

    def placing(self, con: duckdb.DuckDBPyConnection, objects: Sequence[str]) -> Dictionaries:
        """The same, with the places of objects among these names, which begin at 1."""
        con.execute(
            "create table objects as "
            "select unnest($1::varchar[]) as name, generate_subscripts($1::varchar[], 1) as place",
            [objects],
        )
        return replace(self, placed=True)

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
        places = {name: f"try_cast({name} as {_type(name)})" for name in self.texts}
        return {**places, "object": "place"} if self.placed else places

    def spelt(self, counted: str, columns: Iterable[str], *, hashed: bool = False) -> str:
        """A query's rows, with the texts in place of what stands for them, except hashes if they are wanted."""
        spelt = {name: f"counted.{name}::varchar" for name in self.texts}
        joined = ""
        if self.placed and "object" in columns:
            spelt["object"] = "objects.name"
            joined += " left join objects on counted.object = objects.place"
        if self.hashed and not hashed and "account_id" in columns:
            spelt["account_id"] = "accounts.account_id"
            joined += " left join accounts on counted.account_id = accounts.hash"
        if hashed and not self.hashed:
            spelt["account_id"] = "hash(counted.account_id)"
        replaced = [f"{text} as {name}" for name, text in spelt.items() if name in columns]
        if not replaced:
            return counted
        return f"select counted.* replace ({', '.join(replaced)}) from ({counted}) as counted{joined}"


def _typed(con: duckdb.DuckDBPyConnection, texts: Mapping[str, Sequence[str]]) -> Mapping[str, Sequence[str]]:
    """The headings that have texts, whose types are made."""
    found = {heading: of for heading, of in texts.items() if of}
    for heading, of in found.items():
        con.execute(f"create type {_type(heading)} as enum ({', '.join(map(quoted, of))})")
    return found


def _type(heading: str) -> str:
    return f"{heading}_text"


def _texts(con: duckdb.DuckDBPyConnection, heading: str, flat: str) -> list[str]:
    distinct = con.execute(
        f"select distinct {heading} from ({flat}) limit {LONGEST_DICTIONARY + 1}"
    ).fetchall()
    return sorted(text for (text,) in distinct if text) if len(distinct) <= LONGEST_DICTIONARY else []


def _accounts_of(relation: str) -> str:
    """The accounts of a relation, with their hashes."""
    distinct = f"select distinct account_id from ({relation}) where account_id is not null"
    return f"select hash(account_id) as hash, account_id from ({distinct})"


def _hashed(con: duckdb.DuckDBPyConnection, accounts: str, most: int | None = None) -> bool:
    """Make the relation `accounts`; returns whether they are few enough, with no two hashes the same."""
    few = f" limit {most + 1}" if most else ""
    con.execute(f"create or replace table accounts as {accounts}{few}")
    found = con.execute("select count(*), count(distinct hash) from accounts").fetchone()
    return found is not None and found[0] == found[1] and (most is None or found[0] <= most)


def _columns(con: duckdb.DuckDBPyConnection, relation: str) -> list[str]:
    return [name for name, *_ in con.execute(f"describe {relation}").fetchall()]


def refused(days: Sequence[date]) -> InvalidEvidence:
    """The error for rows of some days, in their order, where it is not known which rows they are."""
    return InvalidEvidence(
        f"rows of {days[0]} to {days[-1]} tie, or break a rule of their layout: "
        "`exhibit publish --evidence` on a copy of these days shows which"
    )


class Tally:
    """The cells of a question, batch after batch. The revisions of an id are all in one batch."""

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        question: Question,
        dictionaries: Dictionaries,
        *,
        normalized: bool,
        within: str | None = None,
    ) -> None:
        self.con = con
        self.question = question
        self.dictionaries = dictionaries
        self.normalized = normalized
        self.cells = transpile.grouping_sets(f"{question.name}.cells.sql", within=within)
        self.made: set[str] = set()

    def add(self, layout: Layout, relation: str) -> None:
        """Add the cells of a layout's raw relation."""
        self.resolve(layout, relation)
        for n, each in enumerate(self.cells):
            self._add(f"cells{n}", each.sql, self.question.of_cells)

    def resolve(self, layout: Layout, relation: str) -> None:
        """Make the relation `latest` of a layout's raw relation; raises `Irregular`."""
        mapped = transpile.mapped(layout, self.dictionaries.places)
        unchecked = self.dictionaries.unchecked
        self._make(
            "latest",
            f"with {layout} as not materialized ({relation}), delivered as not materialized ({mapped}) "
            f"{transpile.normalized() if self.normalized else transpile.as_they_are(unchecked)}",
            ranked=False,
        )
        if not self.normalized and self._any("from latest where standing = 'unsound' limit 1"):
            raise Irregular
        self._rank()

    def rows(self) -> tuple[Row, ...]:
        """The answer, after the last batch."""
        name = f"{self.question.name}.sql"
        sets = transpile.grouping_sets(name)
        cells = " union all by name ".join(each.among(f"cells{n}") for n, each in enumerate(self.cells))
        counted = " union all by name ".join(each.among(f"({each.sql})") for each in sets)
        spelt = self.dictionaries.spelt(counted, transpile.columns(name))
        sql = f"with cells as not materialized ({cells}), counted as ({spelt}) {transpile.around(name)}"
        return questions.fetched(self.con.execute(sql, self.question.last))

    def write(self, days: Sequence[date], folder: Path) -> dict[date, DayCells]:
        """Write the cells of days of `latest` to new files in a folder.

        Raises `InvalidEvidence` if rows of these days, or of none, cannot be counted, and `CannotClose`.
        """
        among = f"coalesce(event_day in ({', '.join(map(_day, days))}), true)"
        if self._any(f"from latest where standing in ('tied', 'unsound') and {among} limit 1"):
            raise refused(days)
        reaches = {day: Window(*of) for day, *of in self.con.execute(_REACHES).fetchall()}
        writer = Writer(self.con, self.dictionaries, "latest", self.cells, self.question.of_cells)
        written = writer.write(days, folder)
        return {day: replace(cells, reach=reaches.get(day)) for day, cells in written.items()}

    def take(self, kept: Sequence[str]) -> None:
        """Take cells that were written, one relation a grouping set; a set without days is added up over days."""
        places = {**self.dictionaries.places, "standing": "standing::standing"}
        for n, (each, relation) in enumerate(zip(self.cells, kept, strict=True)):
            written = _columns(self.con, relation)
            columns = [name for name in written if name not in each.constants]
            over_days = len(columns) < len(written)
            of = {**places, **{name: f"sum({name})" for name in SUMS}} if over_days else places
            self._add(
                f"cells{n}",
                f"select {', '.join(f'{of.get(name, name)} as {name}' for name in columns)} from ({relation})"
                f"{' group by all' if over_days else ''}",
            )

    def _rank(self) -> None:
        """Rank the rows of `latest` whose id may occur more than once, by the texts of ids and accounts."""
        ordered = "select id, lag(id) over (order by id) as before from latest where standing <> 'unsound'"
        self.con.execute(
            f"create or replace table repeated as select distinct id from ({ordered}) where id = before"
        )
        self.con.execute("create or replace table ranked as from latest where false")
        if not self._any("from repeated limit 1"):
            return
        repeats = "standing <> 'unsound' and id in (from repeated)"
        self.con.execute(
            f"create or replace table aside as select * exclude (standing) from latest where {repeats}"
        )
        self.con.execute(f"delete from latest where {repeats}")
        account, joined = "account_id", ""
        if self.dictionaries.hashed:
            account, joined = "accounts.account_id", "join accounts on aside.account_id = accounts.hash"
        self._make(
            "ranked",
            f"select aside.* replace ({account} as account_id), true as legible from aside {joined}",
            ranked=True,
        )
        self.con.execute("insert into latest from ranked")

    def _make(self, relation: str, detections: str, *, ranked: bool) -> None:
        """Make a relation of detections, with their standings."""
        kept = f"{IDENTITY} as id, {self.dictionaries.account} as account_id, {', '.join(KEPT)}"
        self.con.execute(f"drop table if exists {relation}")  # before memory is needed for the next
        self.con.execute(
            f"create table {relation} as with detections as not materialized ({detections}) "
            f"select {kept} from ({transpile.latest(ranked)})",
            self.question.of_latest,
        )

    def _add(self, relation: str, sql: str, parameters: Sequence[str] = ()) -> None:
        into = f"insert into {relation}" if relation in self.made else f"create table {relation} as"
        self.con.execute(f"{into} {sql}", parameters)
        self.made.add(relation)

    def _any(self, sql: str) -> bool:
        return self.con.execute(sql).fetchone() is not None


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes the cells of days that grouping sets give, with texts, and sums as 64 bits.

    The relation `rows` has all accounts of each day; `parameters` are of each query.
    """

    con: duckdb.DuckDBPyConnection
    dictionaries: Dictionaries
    rows: str
    sets: Sequence[GroupingSet]
    parameters: Sequence[str] = ()

    def write(self, days: Iterable[date], folder: Path) -> dict[date, DayCells]:
        """Write days to new files in a folder; raises `CannotClose` if two accounts have one hash."""
        if not self.dictionaries.hashed and not _hashed(self.con, _accounts_of(f"from {self.rows}")):
            raise CannotClose("two accounts have one hash")
        with ThreadPoolExecutor(AT_ONCE) as beside:
            files = dict(beside.map(lambda day: (day, self._day(day, folder)), days))
        sums = self._sums([of[-1] for of in files.values()])
        return {day: DayCells(of, sums.get(day, {})) for day, of in files.items()}

    def _day(self, day: date, folder: Path) -> Sequence[Path]:
        """Write the files of a day."""
        account = "hash" if self.dictionaries.hashed else "account_id"
        of_day = f"select account_id from {self.rows} where event_day = {_day(day)}"
        parts = [
            (f"from accounts where {account} in ({of_day})", ()),
            *((self._kept(each, day), self.parameters) for each in self.sets),
        ]
        files = [folder / f"{day}.{n}.parquet" for n in range(len(parts))]
        with self.con.cursor() as con:
            for file, (sql, parameters) in zip(files, parts, strict=True):
                to = f"to {quoted(str(file))} (format parquet, compression zstd)"
                con.execute(f"copy ({sql}) {to}", parameters)
        return files

    def _kept(self, cells: GroupingSet, day: date) -> str:
        """The cells of a day in one grouping set, as they are kept."""
        spelt = self.dictionaries.spelt(cells.sql, cells.columns, hashed=True)
        whole = "".join(f", {name}::bigint as {name}" for name in SUMS if name in cells.columns)
        replaced = f"select * replace (standing::varchar as standing{whole}) from ({spelt})"
        return f"{replaced} where event_day = {_day(day)}"

    def _sums(self, files: Iterable[Path]) -> dict[date, dict[str | None, tuple[int, int]]]:
        by_campaign = (
            "select event_day, campaign_id, sum(detections)::hugeint, sum(exchanges)::hugeint "
            f"from {relations.of_cells(files)} where standing = 'tallied' group by 1, 2"
        )
        found: dict[date, dict[str | None, tuple[int, int]]] = defaultdict(dict)
        for day, campaign, *both in self.con.execute(by_campaign).fetchall():
            found[day][campaign] = both[0], both[1]
        return found


def _day(day: date) -> str:
    return f"date '{day}'"

"""Cells in DuckDB: made of rows, kept as files, added up to the answer of a question."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb

from reports.core.errors import InvalidEvidence
from reports.core.labels import HEADINGS, LABELS, illegible, normalized
from reports.core.window import Window
from reports.evidence import questions, transpile
from reports.evidence.columns import Layout
from reports.evidence.convert import listed, quoted
from reports.evidence.questions import Question, Row

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
DUCKDB = f"duckdb {duckdb.__version__}"
SUMS = ("detections", "exchanges", "output_tokens")

_REACHES = """
    select of.event_day, min(latest.delivered_day), max(of.delivered_day)
    from latest join latest as of on of.origin = latest.origin and of.detection_id = latest.detection_id
    where
        latest.standing in ('tallied', 'excluded') and latest.revised_at > of.revised_at
        and latest.delivered_day < of.delivered_day
    group by 1
"""

Sums = Mapping[str | None, tuple[int, int]]
"""Detections and exchanges that count, by campaign."""


@dataclass(frozen=True, slots=True)
class DayCells:
    """The cells of a day as Parquet files, one a grouping set, and what they add up to.

    `reach` goes from the earliest partition with a revision that outranks a row of the day in a later one, to the
    latest of such rows. `counted_by` is the engine that made them of rows, and its version.
    """

    files: Sequence[Path]
    sums: Sums
    reach: Window | None = None
    counted_by: str = DUCKDB


class Irregular(Exception):
    """Labels may have to be normalized, or a row breaks a rule."""


@dataclass(frozen=True, slots=True)
class Dictionaries:
    """The texts that numbers stand for, by heading, and whether hashes stand for accounts.

    Both are empty if grouping by text is quick enough. With hashes, the relation `accounts` has them and the texts.
    Objects are identified by their place in `objects`, which are sorted by name, or by their names if it is empty.
    """

    texts: Mapping[str, Sequence[str]]
    hashed: bool
    objects: Sequence[str] = ()

    @classmethod
    def of_rows(cls, con: duckdb.DuckDBPyConnection, rows: str) -> Dictionaries:
        """Those for a relation of raw rows; raises `Irregular` if a label needs normalizing or is not legible."""
        texts = {heading: _texts(con, heading, rows) for heading in NUMBERED}
        if any(normalized(text) != text or illegible(text) for of in texts.values() for text in of):
            raise Irregular
        hashed = _hashed(con, rows)
        normal, legible = (transpile.of_label(rule, "account_id") for rule in ("normalized", "legible"))
        regular = f"{normal} = account_id and {legible}"
        if hashed and con.execute(f"from accounts where not coalesce({regular}, false) limit 1").fetchone():
            raise Irregular
        return cls({heading: of for heading, of in texts.items() if of}, hashed)

    @classmethod
    def of_cells(cls, con: duckdb.DuckDBPyConnection, relations: Sequence[str]) -> Dictionaries:
        """Those for relations of cells, whose labels were normalized."""
        with_heading = {name: each for each in relations for name in _columns(con, each)}
        texts = {name: _texts(con, name, with_heading[name]) for name in NUMBERED if name in with_heading}
        hashed = "account_id" in with_heading and _hashed(con, with_heading["account_id"])
        return cls({heading: of for heading, of in texts.items() if of}, hashed)

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
        return {**places, "object": "place"} if self.objects else places

    def spelt(self, counted: str, columns: Sequence[str]) -> str:
        """A query's rows, with the texts in place of the numbers that stand for them."""
        numbered = {**self.texts, **({"object": self.objects} if self.objects else {})}
        spelt = {name: f"{listed(texts)}[counted.{name}]" for name, texts in numbered.items()}
        joined = ""
        if self.hashed and "account_id" in columns:
            spelt["account_id"] = "accounts.account_id"
            joined = "left join accounts on counted.account_id = accounts.hash"
        replaced = [f"{text} as {name}" for name, text in spelt.items() if name in columns]
        if not replaced:
            return counted
        return f"select counted.* replace ({', '.join(replaced)}) from ({counted}) as counted {joined}"


def _texts(con: duckdb.DuckDBPyConnection, heading: str, flat: str) -> list[str]:
    distinct = con.execute(
        f"select distinct {heading} from ({flat}) limit {LONGEST_DICTIONARY + 1}"
    ).fetchall()
    return sorted(text for (text,) in distinct if text) if len(distinct) <= LONGEST_DICTIONARY else []


def _hashed(con: duckdb.DuckDBPyConnection, relation: str) -> bool:
    """Make the relation `accounts`; returns whether they are few enough, with no two hashes the same."""
    distinct = (
        f"select distinct account_id from ({relation}) where account_id is not null limit {MOST_ACCOUNTS + 1}"
    )
    con.execute(
        f"create temp table accounts as select hash(account_id) as hash, account_id from ({distinct})"
    )
    found = con.execute("select count(*), count(distinct hash) from accounts").fetchone()
    return found is not None and found[0] == found[1] <= MOST_ACCOUNTS


def _day(day: date) -> str:
    return f"date '{day}'"


def _columns(con: duckdb.DuckDBPyConnection, relation: str) -> list[str]:
    return [name for name, *_ in con.execute(f"describe {relation}").fetchall()]


class Tally:
    """The cells of a question, batch after batch, and the rows that are set aside to be ranked together."""

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
        self.reaches: dict[date, Window] = {}

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
        self._rank()
        name = f"{self.question.name}.sql"
        sets = transpile.grouping_sets(name)
        counted = " union all by name ".join(each.among(f"({each.sql})") for each in sets)
        spelt = self.dictionaries.spelt(counted, transpile.columns(name))
        sql = f"with cells as not materialized ({self._all_cells()}), counted as ({spelt}) {transpile.around(name)}"
        return questions.fetched(self.con.execute(sql, self.question.last))

    def check(self, days: Iterable[date]) -> None:
        """Rank what was set aside; raises `InvalidEvidence` if rows of some days, or of none, cannot be counted."""
        self._rank()
        among = f"coalesce(event_day in ({', '.join(map(_day, days))}), true)"
        if self._any(f"from ({self._all_cells()}) where standing in ('tied', 'unsound') and {among} limit 1"):
            raise InvalidEvidence("rows tie, or break a rule of their layout")

    def write(self, days: Iterable[date], folder: Path) -> dict[date, DayCells]:
        """Write the cells of days to new files in a folder, with texts, and sums as 64 bits."""
        sums, wanted = self._sums(), list(days)
        sets = [self._write(n, wanted, folder / str(n)) for n in range(len(self.cells))]
        return {
            day: DayCells([files[day] for files in sets], sums.get(day, {}), self.reaches.get(day))
            for day in wanted
        }

    def _sums(self) -> dict[date, dict[str | None, tuple[int, int]]]:
        by_campaign = (
            "select event_day, campaign_id, sum(detections)::hugeint as detections, "
            "sum(exchanges)::hugeint as exchanges "
            f"from cells{len(self.cells) - 1} where standing = 'tallied' group by 1, 2"
        )
        spelt = self.dictionaries.spelt(by_campaign, ("campaign_id",))
        found: dict[date, dict[str | None, tuple[int, int]]] = defaultdict(dict)
        for day, campaign, *both in self.con.execute(spelt).fetchall():
            found[day][campaign] = both[0], both[1]
        return found

    def _write(self, n: int, days: Sequence[date], folder: Path) -> dict[date, Path]:
        """Write a grouping set, a file a day; a day that takes several, or that has no rows, is written by itself."""
        columns = _columns(self.con, f"from cells{n}")
        whole = "".join(f", {name}::bigint as {name}" for name in SUMS if name in columns)

        def copy(days: Sequence[date], to: Path, more: str = "") -> None:
            among = f"select * from cells{n} where event_day in ({', '.join(map(_day, days))})"
            spelt = self.dictionaries.spelt(among, columns)
            self.con.execute(
                f"copy (select * replace (standing::varchar as standing{whole}) from ({spelt})) "
                f"to {quoted(str(to))} (format parquet, compression zstd{more})"
            )

        copy(days, folder, ", partition_by (event_day), write_partition_columns true")
        found: dict[date, Path] = {}
        for day in days:
            files = sorted((folder / f"event_day={day}").glob("*"))
            found[day] = files[0] if len(files) == 1 else folder / f"{day}.parquet"
            if len(files) != 1:
                copy([day], found[day])
        return found

    def take(self, relations: Sequence[str]) -> None:
        """Take cells that were written, one relation a grouping set; a set without days is added up over days."""
        places = {**self.dictionaries.places, "account_id": self.dictionaries.account}
        places["standing"] = "standing::standing"
        for n, (each, relation) in enumerate(zip(self.cells, relations, strict=True)):
            written = _columns(self.con, relation)
            columns = [name for name in written if name not in each.constants]
            over_days = len(columns) < len(written)
            of = {**places, **{name: f"sum({name})" for name in SUMS}} if over_days else places
            self._add(
                f"cells{n}",
                f"select {', '.join(f'{of.get(name, name)} as {name}' for name in columns)} from ({relation})"
                f"{' group by all' if over_days else ''}",
            )

    def forget(self) -> None:
        """Drop the cells so far."""
        for relation in self.made:
            self.con.execute(f"drop table {relation}")
        self.made.clear()
        self.reaches.clear()

    def _all_cells(self) -> str:
        return " union all by name ".join(each.among(f"cells{n}") for n, each in enumerate(self.cells))

    def _resolve(self, detections: str) -> None:
        """Make the relation `latest`, and set aside the rows whose id may occur more than once."""
        self._make_latest(detections, ranked=False)
        if not self.normalized and self._any("from latest where standing = 'unsound' limit 1"):
            raise Irregular
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
        """Rank the rows that were set aside, if any, by the texts of ids and accounts, and add their cells."""
        if "aside" not in self.made:
            return
        account, joined = "account_id", ""
        if self.dictionaries.hashed:
            account, joined = "accounts.account_id", "join accounts on aside.account_id = accounts.hash"
        self._make_latest(
            f"select aside.* replace ({account} as account_id), true as legible from aside {joined}",
            ranked=True,
        )
        self.con.execute("drop table aside")
        self.made.remove("aside")
        self.reaches |= {day: Window(*of) for day, *of in self.con.execute(_REACHES).fetchall()}
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

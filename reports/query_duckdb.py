"""Adapter: DuckDB in this process, over a folder of evidence.

It runs the very SQL files that Athena runs, transpiled, with four liberties that change how the answer is reached and
not what it is:

- The flat layout is read in batches of whole days. Revisions stay in their day and cells add up over days, so memory
  holds one batch and the cells, never the window.
- Within a batch, ids that were delivered once need no ranking. Only ids whose hash repeats go through the window
  function of `latest.sql`; all the others are its place 1 by definition.
- Grouping sets are taken apart into one query each, with only the aggregates that the set asks for.
- Much Parquet is grouped by numbers: headings by their place in a dictionary, accounts by their hash, once it is known
  that no two have the same. They get their text back at the end.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import cast

import duckdb
import sqlglot
from sqlglot import exp
from sqlglot.optimizer.simplify import simplify

from reports import diagnose, query, raw
from reports.evidence import FolderEvidence, Layout, Located
from reports.query import Answer, Progress, Question

BATCH_BYTES = 80_000_000
MEMORY_LIMIT = "1200MB"
LONGEST_DICTIONARY = 500
HEADINGS = ("campaign_id", "capability", "detector", "detector_version", "network", "country")

STANDINGS = ("tallied", "superseded", "excluded", "unsound")
KEPT = ("standing", "event_day", "account_id", *HEADINGS, "exchange_count", "output_tokens", "first_seen", "last_seen")

Dictionaries = Mapping[str, Mapping[int, str]]


class DuckDBEngine:
    """Answers questions about the objects of a folder; reads nothing else and writes only temporary files."""

    def __init__(self, evidence: FolderEvidence) -> None:
        self.evidence = evidence

    def ask(self, question: Question, progress: Progress) -> Answer:
        """Answer a question exactly.

        Raises `InvalidEvidence` for an object that cannot be read, a required column that is missing, a value that
        does not parse or breaks its rule: it names the object, the row or id, the column and the value.
        """
        located = [o for o in self.evidence.list() if _is_read(o, question)]
        with (
            tempfile.TemporaryDirectory(prefix="exhibit-") as spill,
            _connection(self.evidence.root, spill) as con,
        ):
            batches = list(_batches(located))
            try:
                dictionaries = _dictionaries(con, self.evidence.root, located)
                for done, batch in enumerate(batches):
                    progress(done, len(batches))
                    _Batch(con, self.evidence.root, batch, dictionaries).append_cells(question)
                rows = (
                    _rows(con, f"{question.name}.sql", dictionaries)
                    if batches
                    else ()
                )
            except duckdb.Error as error:
                raise diagnose.explain(self.evidence.root, located, error) from None
            if any(row.get("standing") == "unsound" for row in rows):
                raise diagnose.explain(self.evidence.root, located, None)
            progress(len(batches), len(batches))
        layout = located[0].layout if located else "flat"
        statement = query.statement(question.name, layout)
        return Answer(question.name, statement, question.parameters, "duckdb", duckdb.__version__, None, rows)


def _is_read(located: Located, question: Question) -> bool:
    return located.day in (question.about if located.layout == "flat" else question.delivered)


def _batches(located: Sequence[Located]) -> Iterator[list[Located]]:
    """Whole days of one layout, gathered up to `BATCH_BYTES`; all of OCSF, whose revisions cross days, at once."""
    for layout, objects in itertools.groupby(
        sorted(located, key=lambda o: (o.layout, o.day)), lambda o: o.layout
    ):
        if layout == "ocsf":
            yield list(objects)
            continue
        batch: list[Located] = []
        for _, day in itertools.groupby(objects, lambda o: o.day):
            of_day = list(day)
            if batch and sum(o.size for o in batch + of_day) > BATCH_BYTES:
                yield batch
                batch = []
            batch += of_day
        if batch:
            yield batch


@cache
def _grouping_sets(name: str) -> tuple[str, ...]:
    """A file's query as one query a grouping set, each with only the aggregates that its set asks for.

    DuckDB computes every aggregate for every set; here `grouping()` becomes a number, so that the others fold away.
    """
    whole = cast(exp.Select, sqlglot.parse_one(_duckdb(name), read="duckdb"))
    sets = whole.args["group"].expressions
    if not isinstance(sets[0], exp.GroupingSets):
        return (whole.sql("duckdb"),)
    every = {column.name for column in sets[0].find_all(exp.Column)}
    return tuple(
        _one_set(whole.copy(), [column.name for column in keys.find_all(exp.Column)], every)
        for keys in sets[0].expressions
    )


def _one_set(query_: exp.Select, keys: Sequence[str], every: set[str]) -> str:
    absent = every - set(keys)
    for grouping in list(query_.find_all(exp.Grouping)):
        grouping.replace(exp.Literal.number(int(grouping.expressions[0].name in absent)))
    selected = [
        exp.alias_(exp.Null(), e.name) if isinstance(e, exp.Column) and e.name in absent else simplify(e)
        for e in query_.selects
    ]
    query_.set("expressions", selected)
    query_.set("group", exp.Group(expressions=[exp.column(key) for key in keys]))
    if having := query_.args.get("having"):
        simplify(having)
    return query_.sql("duckdb")


@contextmanager
def _connection(root: Path, spill: str) -> Iterator[duckdb.DuckDBPyConnection]:
    con = duckdb.connect(
        config={
            "memory_limit": MEMORY_LIMIT,
            "temp_directory": spill,
            "preserve_insertion_order": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
    )
    try:
        con.execute(f"set allowed_directories = [{raw.quoted(str(root))}, {raw.quoted(spill)}]")
        con.execute(f"create type standing as enum {STANDINGS}")
        con.execute("set enable_external_access = false; set TimeZone = 'UTC'; set lock_configuration = true")
        yield con
    finally:
        con.close()


@cache
def _duckdb(name: str) -> str:
    return sqlglot.transpile(query.text(name), read="trino", write="duckdb", comments=False)[0]


def _dictionaries(
    con: duckdb.DuckDBPyConnection, root: Path, located: Sequence[Located]
) -> Dictionaries:
    """The text behind each number that stands for one, by column; empty where grouping by text is quick enough."""
    if any((o.layout, o.format) != ("flat", "parquet") for o in located):
        return {}
    if sum(o.size for o in located) < BATCH_BYTES:
        return {}
    table = raw.source(root, "flat", "parquet", located)
    found = {heading: _places(con, heading, table) for heading in HEADINGS}
    accounts = con.execute(f"select distinct hash(account_id), account_id from {table}").fetchall()
    hashes = dict(accounts)
    if len(hashes) == len(accounts) and all(hashes.values()):  # an account without an id is for `latest.sql` to refuse
        found["account_id"] = hashes
    return {column: texts for column, texts in found.items() if texts}


def _places(con: duckdb.DuckDBPyConnection, heading: str, table: str) -> dict[int, str]:
    distinct = con.execute(f"select distinct {heading} from {table} limit {LONGEST_DICTIONARY + 1}").fetchall()
    texts = sorted(text for (text,) in distinct if text)
    return dict(enumerate(texts, 1)) if len(distinct) <= LONGEST_DICTIONARY else {}


def _rows(con: duckdb.DuckDBPyConnection, name: str, dictionaries: Dictionaries) -> tuple[query.Row, ...]:
    cursor = con.execute(" union all ".join(_grouping_sets(name)))
    names = [column[0] for column in cursor.description or ()]
    rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    for column, texts in dictionaries.items():
        for row in rows:
            if row.get(column) is not None:
                row[column] = texts[row[column]]
    return query.ordered(rows)


def _number(column: str, dictionaries: Dictionaries) -> str:
    """The number that stands for a column's text, else the text; an empty text is none."""
    if column not in dictionaries:
        return f"nullif({column}, '')"
    if column == "account_id":
        return "hash(account_id)"
    texts = ", ".join(raw.quoted(text) for text in dictionaries[column].values())
    return f"list_position([{texts}]::varchar[], {column})::usmallint"


@cache
def _latest() -> str:
    """`latest.sql`, with standings as values of the type `standing`, which take a byte each."""
    sql = _duckdb("latest.sql")
    for word, standing in itertools.product(("THEN", "ELSE"), STANDINGS):
        sql = sql.replace(f"{word} '{standing}'", f"{word} '{standing}'::standing")
    return sql


@cache
def _unranked() -> str:
    """`latest.sql` for ids that were delivered once: each row's place is 1."""
    tree = sqlglot.parse_one(_latest(), read="duckdb")
    return tree.transform(lambda n: exp.Literal.number(1) if isinstance(n, exp.Window) else n).sql("duckdb")


class _Batch:
    """Some objects of one layout, as the relations that the SQL files name."""

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        root: Path,
        objects: Sequence[Located],
        dictionaries: Dictionaries,
    ) -> None:
        self.con = con
        self.layout: Layout = objects[0].layout
        kind = "view" if all(o.format == "parquet" for o in objects) else "table"  # text is parsed once
        for relation in ("detections", "flat", "ocsf"):
            self._drop(relation)
        con.execute(f"create temp {kind} {self.layout} as {raw.relation(con, root, objects)}")
        numbers = ", ".join(f"{_number(c, dictionaries)} as {c}" for c in ("account_id", *HEADINGS))
        mapped = _duckdb(f"views/{self.layout}.sql")
        con.execute(f"create temp view detections as select * replace ({numbers}) from ({mapped})")

    def _drop(self, relation: str) -> None:
        found = self.con.execute(
            "select table_type from information_schema.tables where table_name = ?", [relation]
        ).fetchone()
        if found:
            self.con.execute(f"drop {'view' if found[0] == 'VIEW' else 'table'} {relation}")

    def append_cells(self, question: Question) -> None:
        """Add this batch's cells to the relation `cells`."""
        self._resolve(question.parameters[:2])
        sets = _grouping_sets(f"{question.name}.cells.sql")
        exists = self.con.execute("select 1 from duckdb_tables() where table_name = 'cells'").fetchone()
        into = "insert into cells" if exists else "create temp table cells as"
        self.con.execute(f"{into} {' union all '.join(sets)}", question.parameters[2:] * len(sets))

    def _resolve(self, delivered: Sequence[str]) -> None:
        """Make the relation `latest`, ranking only the ids that may occur more than once: those whose hash does."""
        identity = "hash(revised_within, detection_id)"
        kept = f"select {identity} as id, {', '.join(KEPT)}, confidence from"
        self.con.execute("drop table if exists latest")
        self.con.execute(f"create temp table latest as {kept} ({_unranked()})", delivered)
        self.con.execute(
            "create or replace temp table repeated as select id from latest group by id having count(*) > 1"
        )
        if self.con.execute("select 1 from repeated limit 1").fetchone():
            among = f"FROM (select * from detections where {identity} in (from repeated))"
            self.con.execute("delete from latest where id in (from repeated)")
            self.con.execute(
                f"insert into latest {kept} ({_latest().replace('FROM detections', among)})", delivered
            )

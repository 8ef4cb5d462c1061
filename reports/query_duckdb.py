"""Adapter: DuckDB in this process, over a folder of evidence.

It runs the very SQL files that Athena runs, transpiled, with three liberties that change how the answer is reached and
not what it is:

- The flat layout is read in batches of whole days. Revisions stay in their day and cells add up over days, so memory
  holds one batch and the cells, never the window.
- Where every object is Parquet, headings are grouped by their place in a dictionary instead of by their text, and get
  their text back at the end.
- Within a batch, ids that were delivered once need no ranking. Only ids whose hash repeats go through the window
  function of `latest.sql`; all the others are its place 1 by definition.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import duckdb
import sqlglot
from sqlglot import exp
from sqlglot.optimizer.simplify import simplify

from reports import diagnose, query, raw
from reports.evidence import FolderEvidence, Layout, Located
from reports.query import Answer, Progress, Question

BATCH_BYTES = 12_000_000
MEMORY_LIMIT = "1200MB"
LONGEST_DICTIONARY = 500
HEADINGS = ("campaign_id", "capability", "detector", "detector_version", "network", "country")

Dictionaries = Mapping[str, tuple[str, ...]]


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
                    _rows(con, " union all ".join(_grouping_sets(f"{question.name}.sql")), dictionaries)
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
    whole = sqlglot.parse_one(_duckdb(name), read="duckdb")
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
        con.execute("set enable_external_access = false; set TimeZone = 'UTC'; set lock_configuration = true")
        yield con
    finally:
        con.close()


@cache
def _duckdb(name: str) -> str:
    return sqlglot.transpile(query.text(name), read="trino", write="duckdb", comments=False)[0]


def _dictionaries(con: duckdb.DuckDBPyConnection, root: Path, located: Sequence[Located]) -> Dictionaries:
    """The distinct texts of each heading, where reading them costs next to nothing and there are not too many."""
    if (
        any((o.layout, o.format) != ("flat", "parquet") for o in located)
        or sum(o.size for o in located) < BATCH_BYTES
    ):
        return {}
    table = raw.source(root, "flat", "parquet", located)
    found = {}
    for heading in HEADINGS:
        distinct = con.execute(
            f"select distinct {heading} from {table} limit {LONGEST_DICTIONARY + 1}"
        ).fetchall()
        if len(distinct) <= LONGEST_DICTIONARY:
            found[heading] = tuple(sorted(text for (text,) in distinct if text))
    return found


def _rows(con: duckdb.DuckDBPyConnection, sql: str, dictionaries: Dictionaries) -> tuple[query.Row, ...]:
    cursor = con.execute(sql)
    names = [column[0] for column in cursor.description or ()]
    rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    for heading, texts in dictionaries.items():
        for row in rows:
            if row.get(heading) is not None:
                row[heading] = texts[row[heading] - 1]
    return query.ordered(rows)


def _heading(name: str, dictionaries: Dictionaries) -> str:
    """A heading's place in its dictionary, else its text; an empty text is none."""
    if name not in dictionaries:
        return f"nullif({name}, '')"
    return f"list_position([{', '.join(map(raw.quoted, dictionaries[name]))}]::varchar[], {name})::usmallint"


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
        mapped = _duckdb(f"views/{self.layout}.sql")
        headings = ", ".join(f"{_heading(name, dictionaries)} as {name}" for name in HEADINGS)
        con.execute(f"create temp view detections as select * replace ({headings}) from ({mapped})")

    def _drop(self, relation: str) -> None:
        found = self.con.execute(
            "select table_type from information_schema.tables where table_name = ?", [relation]
        ).fetchone()
        if found:
            self.con.execute(f"drop {'view' if found[0] == 'VIEW' else 'table'} {relation}")

    def append_cells(self, question: Question) -> None:
        """Add this batch's cells to the relation `cells`."""
        latest = self._latest()
        sets = _grouping_sets(f"{question.name}.cells.sql")
        exists = self.con.execute("select 1 from duckdb_tables() where table_name = 'cells'").fetchone()
        into = "insert into cells" if exists else "create temp table cells as"
        delivered, about = question.parameters[:2], question.parameters[2:]
        self.con.execute(
            f"{into} with latest as not materialized ({latest}) {' union all '.join(sets)}",
            delivered * latest.count("delivered_day BETWEEN") + about * len(sets),
        )

    def _latest(self) -> str:
        """`latest.sql`, ranking only the ids that may occur more than once: those whose hash does."""
        identity = "hash(revised_within, detection_id)"
        self.con.execute(
            f"create or replace temp table repeated as select {identity} as id from detections "
            "group by 1 having count(*) > 1"
        )
        ranked = sqlglot.parse_one(_duckdb("latest.sql"), read="duckdb")
        some = self.con.execute("select 1 from repeated limit 1").fetchone()
        single = ranked.transform(lambda n: exp.Literal.number(1) if isinstance(n, exp.Window) else n)
        if not some:
            return single.sql("duckdb")
        among = sqlglot.condition(f"{identity} in (from repeated)", dialect="duckdb")
        return single.where(exp.not_(among)).sql("duckdb") + " union all " + ranked.where(among).sql("duckdb")

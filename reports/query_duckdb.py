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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import duckdb

from reports import diagnose, dialect, query, raw
from reports.errors import InvalidEvidence, Unavailable
from reports.evidence import FolderEvidence, Located
from reports.query import Answer, Progress, Question, Row

BATCH_BYTES = 80_000_000
MEMORY_LIMIT = "1200MB"
LONGEST_DICTIONARY = 500
MOST_ACCOUNTS = 1_000_000
HEADINGS = ("campaign_id", "capability", "detector", "detector_version", "network", "country")
KEPT = (
    "standing",
    "event_day",
    *HEADINGS,
    "exchange_count",
    "output_tokens",
    "first_seen",
    "last_seen",
    "confidence",
)

Dictionaries = Mapping[str, Mapping[int, str]]


class DuckDBEngine:
    """Answers questions about the objects of a folder; reads nothing else and writes only temporary files."""

    def __init__(self, evidence: FolderEvidence) -> None:
        self.evidence = evidence

    def ask(self, question: Question, progress: Progress) -> Answer:
        """Answer a question exactly.

        Raises `InvalidEvidence` for an object that cannot be read, a required column that is missing, a value that
        does not parse or breaks its rule: it names the object, the row or id, the column and the value. Raises
        `Unavailable` where the answer takes more memory or disk than there is.
        """
        listed = self.evidence.list()
        located = [o for o in listed if _is_read(o, question)]
        try:
            rows = self._rows(question, located, progress)
        except duckdb.OutOfMemoryException as error:
            raise Unavailable(
                f"question {question.name}: DuckDB ran out of memory or disk: {error}"
            ) from None
        except (duckdb.Error, InvalidEvidence) as error:
            raise diagnose.explain(self.evidence.root, located, error) from None
        if any(row.get("standing") == "unsound" for row in rows):
            raise diagnose.explain(self.evidence.root, located, None)
        layouts = sorted({o.layout for o in located or listed})
        statement = query.statement(question.name, *layouts)
        return Answer(question.name, statement, question.parameters, "duckdb", duckdb.__version__, None, rows)

    def _rows(self, question: Question, located: Sequence[Located], progress: Progress) -> tuple[Row, ...]:
        root = self.evidence.root.absolute()
        batches = list(_batches(located))
        with (
            tempfile.TemporaryDirectory(prefix="exhibit-") as spill,
            raw.connection(root, spill, MEMORY_LIMIT) as con,
        ):
            con.execute(f"create type standing as enum {dialect.STANDINGS}")
            dictionaries = _dictionaries(con, root, located)
            for done, batch in enumerate(batches):
                progress(done, len(batches))
                _add_cells(con, question, root, batch, dictionaries)
            rows = _totals(con, question, dictionaries) if batches else ()
            progress(len(batches), len(batches))
            return rows


def _is_read(located: Located, question: Question) -> bool:
    return located.day in (question.about if located.layout == "flat" else question.delivered)


def _batches(located: Sequence[Located]) -> Iterator[list[Located]]:
    """Whole days of one layout, gathered up to `BATCH_BYTES`; all of OCSF, whose revisions cross days, at once."""
    ocsf = [o for o in located if o.layout == "ocsf"]
    if ocsf:
        yield ocsf
    batch: list[Located] = []
    flat = sorted((o for o in located if o.layout == "flat"), key=lambda o: o.day)
    for _, of_day in itertools.groupby(flat, lambda o: o.day):
        day = list(of_day)
        if batch and sum(o.size for o in batch + day) > BATCH_BYTES:
            yield batch
            batch = []
        batch += day
    if batch:
        yield batch


def _dictionaries(con: duckdb.DuckDBPyConnection, root: Path, located: Sequence[Located]) -> Dictionaries:
    """The text behind each number that stands for one, by column; empty where grouping by text is quick enough."""
    parquet = all((o.layout, o.format) == ("flat", "parquet") for o in located)
    if not located or not parquet or sum(o.size for o in located) < BATCH_BYTES:
        return {}
    flat = raw.relation(con, root, located)
    found = {heading: _places(con, heading, flat) for heading in HEADINGS} | {
        "account_id": _hashes(con, flat)
    }
    return {column: texts for column, texts in found.items() if texts}


def _places(con: duckdb.DuckDBPyConnection, heading: str, flat: str) -> dict[int, str]:
    distinct = con.execute(
        f"select distinct {heading} from ({flat}) limit {LONGEST_DICTIONARY + 1}"
    ).fetchall()
    texts = sorted(text for (text,) in distinct if text)
    return dict(enumerate(texts, 1)) if len(distinct) <= LONGEST_DICTIONARY else {}


def _hashes(con: duckdb.DuckDBPyConnection, flat: str) -> dict[int, str]:
    sql = f"select distinct hash(account_id), account_id from ({flat}) where account_id <> '' limit {MOST_ACCOUNTS + 1}"
    accounts = con.execute(sql).fetchall()
    hashes = dict(accounts)
    return hashes if len(hashes) == len(accounts) <= MOST_ACCOUNTS else {}


def _place(heading: str, texts: Iterable[str]) -> str:
    return f"list_position({raw.listed(texts)}, {heading})::usmallint"


def _add_cells(
    con: duckdb.DuckDBPyConnection,
    question: Question,
    root: Path,
    objects: Sequence[Located],
    dictionaries: Dictionaries,
) -> None:
    """Add the cells of some objects of one layout to the relation `cells`."""
    layout = objects[0].layout
    places = {name: _place(name, texts.values()) for name, texts in dictionaries.items() if name in HEADINGS}
    mapped = dialect.mapped(layout, places)
    detections = f"with {layout} as not materialized ({raw.relation(con, root, objects)}) {mapped}"
    if any(o.format != "parquet" for o in objects):  # text is parsed once
        con.execute(f"create or replace temp table parsed as {detections}")
        detections = "from parsed"
    account = "hash(account_id)" if "account_id" in dictionaries else "account_id"
    _resolve(con, detections, question.parameters[:2], account)
    sets = dialect.grouping_sets(f"{question.name}.cells.sql")
    exists = con.execute("select 1 from duckdb_tables() where table_name = 'cells'").fetchone()
    into = "insert into cells" if exists else "create temp table cells as"
    con.execute(f"{into} {' union all '.join(sets)}", question.parameters[2:] * len(sets))


def _resolve(con: duckdb.DuckDBPyConnection, detections: str, delivered: Sequence[str], account: str) -> None:
    """Make the relation `latest`, ranking only the ids that may occur more than once: those whose hash does."""
    identity = "hash(revised_within, detection_id)"
    kept = f"select {identity} as id, {account} as account_id, {', '.join(KEPT)} from"
    every = f"with detections as not materialized ({detections})"
    con.execute(
        f"create or replace temp table latest as {every} {kept} ({dialect.latest(ranked=False)})", delivered
    )
    con.execute(
        "create or replace temp table repeated as select id from latest group by id having count(*) > 1"
    )
    if con.execute("select 1 from repeated limit 1").fetchone():
        some = f"select * from ({detections}) where {identity} in (from repeated)"
        among = f"with detections as not materialized ({some})"
        con.execute("delete from latest where id in (from repeated)")
        con.execute(f"insert into latest {among} {kept} ({dialect.latest(ranked=True)})", delivered)


def _totals(
    con: duckdb.DuckDBPyConnection, question: Question, dictionaries: Dictionaries
) -> tuple[Row, ...]:
    cursor = con.execute(" union all ".join(dialect.grouping_sets(f"{question.name}.sql")))
    names = [column[0] for column in cursor.description or ()]
    rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    for column, texts in dictionaries.items():
        for row in rows:
            if row.get(column) is not None:
                row[column] = texts[row[column]]
    return query.ordered(rows)

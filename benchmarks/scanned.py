"""The bytes that a question reads: what its statement reads from a table of Parquet, partitioned as Athena sees it.

DuckDB stands in for Athena. It runs the same statement over the same partitions, a file each, and what it reads is what
it asks the operating system for. The unit is told by the files' own footers: the compressed size of the chunks of those
columns that the questions need, in the days that a question is about. Beside them lie other days and another column.
"""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

import duckdb

from benchmarks.data import FIRST
from reports import dialect, query, raw
from reports.query import Question
from reports.resolve import Window

DAYS, ROWS = 40, 40_000
WINDOW = Window(FIRST + timedelta(14), FIRST + timedelta(20))
SETTLING_DAYS = 7


def write(cache: Path) -> Path:
    """A folder of evidence: the window's days, others before and after them, and in each a column that nobody reads."""
    folder, sql = cache / "scanned", Path(__file__).with_name("detections.sql").read_text()
    with duckdb.connect() as con:
        con.execute("set TimeZone = 'UTC'")
        for day in (FIRST + timedelta(n) for n in range(DAYS)):
            file = _file(folder, day)
            if not file.exists():
                file.parent.mkdir(parents=True, exist_ok=True)
                con.execute(
                    f"copy (select *, md5(account_id || detection_id) as note from ({sql})) to '{file}' "
                    "(format parquet, compression zstd)",
                    {"day": str(day), "rows": ROWS},
                )
    return folder


def questions() -> dict[str, Question]:
    """The questions that a briefing asks, by their names: these two and no other."""
    asked = query.tallies(WINDOW, SETTLING_DAYS)
    return {question.name: question for question in (asked, query.history(asked, FIRST))}


def ratio(folder: Path, question: Question) -> float:
    """The bytes that a question reads, over those that it needs."""
    with duckdb.connect() as con:
        con.execute("set TimeZone = 'UTC'; set enable_external_file_cache = false")
        types = "hive_partitioning = true, hive_types = {'event_day': date}"
        con.execute(f"create view flat as from read_parquet('{folder}/detections/*/part-0.parquet', {types})")
        needed = _needed(con, folder, question)
        statement = dialect.transpiled(query.statement(question.name, "flat"))
        before = _read()
        con.execute(statement, list(question.parameters)).fetchall()
        return (_read() - before) / needed


def _needed(con: duckdb.DuckDBPyConnection, folder: Path, question: Question) -> int:
    files = [str(_file(folder, day)) for day in question.about.days]
    columns = [column.name for column in raw.COLUMNS["flat"]]
    found = con.execute(
        "select sum(total_compressed_size) from parquet_metadata(?) where list_contains(?, path_in_schema)",
        [files, columns],
    ).fetchone()
    return int(found[0]) if found else 0


def _file(folder: Path, day: object) -> Path:
    return folder / f"detections/event_day={day}/part-0.parquet"


def _read() -> int:
    """The bytes that this process has asked for so far, as Linux counts them."""
    if not sys.platform.startswith("linux"):
        raise SystemExit("the bytes that are read are measured on Linux alone")
    return int(Path("/proc/self/io").read_text().split()[1])

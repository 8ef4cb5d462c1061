"""The bytes that a question reads: what its statement reads from a table of Parquet, partitioned as Athena sees it.

DuckDB stands in for Athena. It runs the same statement over the same partitions, a file each, and what it reads is what
it asks the operating system for. The unit is told by the files' own footers: the compressed size of the chunks of those
columns that the questions need, in the partitions of some days. Beside them lie other days and other columns.
"""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb

from benchmarks.data import FIRST, sql
from reports.core.window import Window
from reports.evidence import transpile
from reports.evidence.columns import COLUMNS, Layout
from reports.evidence.questions import Inquiry, Question, history, statement

DAYS, ROWS, EARLIER = 40, 40_000, 14
WINDOW = Window(FIRST + timedelta(EARLIER), FIRST + timedelta(EARLIER + 6))
AS_OF, NEWEST = datetime(2026, 6, 20, tzinfo=UTC), WINDOW.last + timedelta(7)
LAYOUTS: tuple[Layout, ...] = ("flat", "ocsf")

_MADE = {
    "flat": "select *, md5(account_id || detection_id) as note from made",
    "ocsf": sql("findings.sql"),
}
# Trino decides on a partition by any expression of its day, DuckDB only by those that cannot fail
_PARTITION = (
    "CAST(STRPTIME(eventday, '%Y%m%d') AS DATE)",
    "TRY_CAST(TRY_STRPTIME(eventday, '%Y%m%d') AS DATE)",
)
_OPTIONS = {
    "flat": "hive_types = {'event_day': date}",
    "ocsf": "hive_types = {'eventDay': varchar}",
}


def write(cache: Path, layout: Layout) -> Path:
    """A folder of evidence: the window's days, others before and after them, and what nobody reads in each."""
    folder, detections = cache / f"scanned-{layout}", sql("detections.sql")
    with duckdb.connect() as con:
        con.execute("set TimeZone = 'UTC'")
        for day in (FIRST + timedelta(n) for n in range(DAYS)):
            file = _file(folder, layout, day)
            if not file.exists():
                file.parent.mkdir(parents=True, exist_ok=True)
                con.execute(
                    f"copy (with made as ({detections}) {_MADE[layout]}) to '{file}' "
                    "(format parquet, compression zstd)",
                    {"day": str(day), "rows": ROWS},
                )
    return folder


def questions() -> dict[str, Question]:
    """The questions that a briefing asks, by their names: these two and no other."""
    asked = Inquiry(WINDOW, AS_OF).tallies(NEWEST)
    return {question.name: question for question in (asked, history(asked, FIRST))}


def partitions(layout: Layout, question: Question) -> Window:
    """The days whose partitions a question is asked of: in the flat layout, revisions stay in their day."""
    return question.about if layout == "flat" else question.delivered


def read(folder: Path, layout: Layout, question: Question) -> int:
    """The bytes that a question reads."""
    with duckdb.connect() as con:
        con.execute("set TimeZone = 'UTC'; set enable_external_file_cache = false")
        files = _file(folder, layout, None)
        con.execute(
            f"create view {layout} as from read_parquet('{files}', filename = '$path', "
            f"hive_partitioning = true, {_OPTIONS[layout]})"
        )
        sql = transpile.transpiled(statement(question.name, layout)).replace(*_PARTITION)
        before = _read()
        con.execute(sql, list(question.parameters)).fetchall()
        return _read() - before


def needed(folder: Path, layout: Layout, days: Window) -> int:
    """The compressed size of the columns that the questions need, in the partitions of some days.

    Of a map, Parquet keeps all keys and all values together, which are needed for any of them.
    """
    files = [str(_file(folder, layout, day)) for day in days.days]
    columns = [
        ".".join(str(step) for step in column.path if isinstance(step, str)) for column in COLUMNS[layout]
    ]
    with duckdb.connect() as con:
        found = con.execute(
            "select sum(total_compressed_size) from parquet_metadata(?) where list_contains(?, "
            "regexp_replace(replace(replace(path_in_schema, ', list, element', ''), ', ', '.'), "
            "'^unmapped[.]key_value[.](key|value)$', 'unmapped.campaign_id'))",
            [files, columns],
        ).fetchone()
    return int(found[0]) if found else 0


def _file(folder: Path, layout: Layout, day: date | None) -> Path:
    """The file of a day, or the pattern of all files."""
    if layout == "flat":
        return folder / f"detections/event_day={day or '*'}/part-0.parquet"
    name = f"{day:%Y%m%d}" if day else "*"
    return folder / f"ext/detections/region=eu-west-1/accountId=111122223333/eventDay={name}/part-0.parquet"


def _read() -> int:
    """The bytes that this process has asked for so far, as Linux counts them."""
    if not sys.platform.startswith("linux"):
        raise SystemExit("the bytes that are read are measured on Linux alone")
    return int(Path("/proc/self/io").read_text().split()[1])

"""What the tallies and closing take on a real Trino, against a plain scan of the columns that they read.

All on one server, one after another.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from benchmarks.work import AS_OF
from reports.core.window import resolve
from reports.evidence import tables
from reports.evidence.closing_trino import ClosingOnTrino
from reports.evidence.columns import COLUMNS
from reports.evidence.engine_tables import Tables
from reports.evidence.engine_trino import TrinoEngine
from reports.evidence.questions import Inquiry, Question
from reports.evidence.source import ListedObject
from reports.evidence.source_s3 import S3Evidence
from reports.local_aws import trino
from tests.support.trino import INSTALLED, Stack, stack

ROWS = 3_500  # for which a query gets a MB
SCAN = (
    "select campaign_id, count(*), sum(exchange_count), count(distinct account_id), "
    f"{', '.join(f'count({column.name})' for column in COLUMNS['flat'])} from flat "
    "where event_day between cast(? as date) and cast(? as date) group by 1"
)


@dataclass(frozen=True)
class Cost:
    """What a statement took: seconds of processor time, the peak of its memory and what it read, in bytes."""

    busy: float
    peak: int
    read: int


def missing(rows: int) -> str | None:
    """Why some rows cannot be measured here."""
    if not trino.installed(INSTALLED):
        return "Trino is not installed: make .venv/trino"
    wanted = trino.heap_of(rows // ROWS)
    there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 10**6
    return f"Trino wants {wanted:,} MB for {rows:,} rows: give --rows fewer" if there < wanted else None


@dataclass(frozen=True)
class Noting:
    """What opens connections, and keeps account of the cursors of all."""

    connect: Callable[[], Any]
    cursors: list[Any] = field(default_factory=list)

    def __call__(self) -> Any:
        connection = self.connect()
        cursor = connection.cursor

        def noted(*of: Any, **how: Any) -> Any:
            self.cursors.append(cursor(*of, **how))
            return self.cursors[-1]

        connection.cursor = noted
        return connection


def measured(evidence: Path, rows: int, window: str) -> tuple[Cost, Cost, Cost]:
    """The plain scan, after another one; the tallies of a window; and closing its days, all statements of which count.

    Closing reads the footers of the objects too, as the tallies do, beside what the server reads.
    """
    asked = resolve(window, AS_OF)
    days = str(asked.first), str(asked.last)
    question = Inquiry(asked, AS_OF).tallies(asked.last)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # which tells of each request
    with stack(max(trino.MEMORY, rows // ROWS)) as found:
        schema = found.tables(found.delivered(evidence))
        _, scan = (_cost(found, schema, SCAN, days) for _ in range(2))
        closing = _closing(found, schema, question)
        sql = tables.statement("tallies", "parquet", "flat")
        return scan, _cost(found, schema, sql, question.parameters), closing


def _closing(found: Stack, schema: str, question: Question) -> Cost:
    """Closing the days of a question, whose cells are not kept."""
    source = S3Evidence(found.s3, schema)
    over, noting = Tables.over(source), Noting(lambda: found.connect(schema))
    touching: dict[date, list[ListedObject]] = {}
    for o in source.list():
        touching.setdefault(o.day, []).append(o)
    engine = TrinoEngine(noting, "the server", over)
    ClosingOnTrino(engine, over).close(question, touching, lambda _: None, lambda *_: None)
    costs = [_of(cursor) for cursor in noting.cursors]
    return Cost(
        sum(cost.busy for cost in costs), max(cost.peak for cost in costs), sum(cost.read for cost in costs)
    )


def _cost(found: Stack, schema: str, sql: str, parameters: Sequence[str]) -> Cost:
    cursor: Any = found.connect(schema).cursor()
    cursor.execute(sql, list(parameters))
    cursor.fetchall()
    return _of(cursor)


def _of(cursor: Any) -> Cost:
    stats = cursor.stats
    return Cost(stats["cpuTimeMillis"] / 1000, stats["peakMemoryBytes"], stats["physicalInputBytes"])

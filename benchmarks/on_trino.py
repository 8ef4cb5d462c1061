"""What the tallies take on a real Trino, against a plain scan of the columns that they read, on the same server."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.work import AS_OF
from reports.core.window import resolve
from reports.evidence import tables
from reports.evidence.columns import COLUMNS
from reports.evidence.questions import Inquiry
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


def measured(evidence: Path, rows: int, window: str) -> tuple[Cost, Cost]:
    """The plain scan, after another one, and the tallies of a window."""
    asked = resolve(window, AS_OF)
    days = str(asked.first), str(asked.last)
    question = Inquiry(asked, AS_OF).tallies(asked.last)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # which tells of each request
    with stack(max(trino.MEMORY, rows // ROWS)) as found:
        schema = found.tables(found.delivered(evidence))
        _, scan = (_cost(found, schema, SCAN, days) for _ in range(2))
        return scan, _cost(found, schema, tables.statement("tallies", "parquet", "flat"), question.parameters)


def _cost(found: Stack, schema: str, sql: str, parameters: Sequence[str]) -> Cost:
    cursor: Any = found.connect(schema).cursor()
    cursor.execute(sql, list(parameters))
    cursor.fetchall()
    stats = cursor.stats
    return Cost(stats["cpuTimeMillis"] / 1000, stats["peakMemoryBytes"], stats["physicalInputBytes"])

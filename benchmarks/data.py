"""The evidence that is measured with: made once, the same every time, and kept."""

from __future__ import annotations

import shutil
from datetime import date, timedelta
from pathlib import Path

import duckdb

FIRST, DAYS = date(2026, 4, 22), 45


def exchanges(cache: Path, rows: int) -> Path:
    """A folder of exchange-level detections, `rows` exchanges over 45 days."""
    folder = cache / f"exchanges-{rows}"
    if not folder.exists():
        aside = cache / f"{folder.name}.partial"
        shutil.rmtree(aside, ignore_errors=True)
        _write(aside, rows)
        aside.rename(folder)
    return folder


def _write(folder: Path, rows: int) -> None:
    sql = Path(__file__).with_name("detections.sql").read_text()
    with duckdb.connect() as con:
        con.execute("set TimeZone = 'UTC'; set enable_progress_bar = false")
        for day in (FIRST + timedelta(n) for n in range(DAYS)):
            partition = folder / f"detections/event_day={day}"
            partition.mkdir(parents=True)
            con.execute(
                f"copy ({sql}) to '{partition / 'part-0.parquet'}' (format parquet, compression zstd)",
                {"day": str(day), "rows": rows // DAYS},
            )


def scattered(cache: Path) -> Path:
    """A folder of 4,500 small objects over 45 days, to be digested and not to be read."""
    folder = cache / "scattered"
    for day in (FIRST + timedelta(n) for n in range(DAYS)):
        partition = folder / f"detections/event_day={day}"
        partition.mkdir(parents=True, exist_ok=True)
        for n in range(100):
            (partition / f"part-{n}.jsonl").write_bytes(f"{day} {n}".encode() * 1000)
    return folder


def sample(cache: Path) -> Path:
    """The sample evidence."""
    from reports.sample import write_sample  # noqa: PLC0415 -- not needed to measure the rest

    folder = cache / "sample"
    write_sample(folder)
    return folder

"""The evidence that is measured with: made once, the same every time, and kept."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import duckdb

FIRST, DAYS = date(2026, 4, 22), 45
LARGE = [FIRST + timedelta(n) for n in range(DAYS)]
FIVE_YEARS = 5 * 365 + 2  # days
YEAR = [FIRST + timedelta(n) for n in range(DAYS - 365, DAYS)]
FLAT = "detections/event_day={:%Y-%m-%d}"


def exchanges(cache: Path, rows: int) -> Path:
    """A folder of exchange-level detections, `rows` exchanges over 45 days."""
    return _kept(cache / f"exchanges-{rows}", FLAT, sql("detections.sql"), rows // DAYS)


def five_years(cache: Path) -> tuple[Path, Path]:
    """A folder of 40,000 exchange-level detections a day over five years, and one of its last week alone."""
    days = [FIRST + timedelta(n) for n in range(DAYS - FIVE_YEARS, DAYS)]
    rows = sql("detections.sql")
    whole = _kept(cache / "five-years", FLAT, rows, 40_000, days)
    return whole, _kept(cache / "last-week", FLAT, rows, 40_000, days[-7:])


def year(cache: Path, rows: int) -> Path:
    """A folder of exchange-level detections over a year, whose last 45 days have `rows` exchanges."""
    return _kept(cache / f"year-{rows}", FLAT, sql("detections.sql"), rows // DAYS, YEAR)


def no_room(cache: Path, large: Path) -> str | None:
    """Why a year of days as large as those of a folder of 45 cannot be made and closed, if the disk has no room."""
    held = sum(file.stat().st_size for file in large.rglob("*") if file.is_file())
    needed, free = 3 * held * len(YEAR) // DAYS, shutil.disk_usage(cache).free
    return f"it needs {needed / 1e9:.0f} GB, and {free / 1e9:.0f} are free" if free < needed else None


def findings(cache: Path, rows: int = 4_500_000) -> Path:
    """A folder of OCSF findings over 45 days, `rows` and those that revise them, which are delivered a day later."""
    made, late = sql("detections.sql"), "revised_at >= first_seen + interval 1 day"
    before = made.replace("$day", "($day::date - 1)::varchar")
    delivered = f"from ({made}) where not ({late}) union all from ({before}) where {late}"
    partition = "ext/gateway/region=eu-west-1/accountId=111122223333/eventDay={:%Y%m%d}"
    found = f"with made as ({delivered}) {sql('findings.sql')}"
    return _kept(cache / f"findings-{rows}", partition, found, rows // DAYS)


def sql(name: str) -> str:
    """The text of a file beside this one."""
    return Path(__file__).with_name(name).read_text()


def _kept(folder: Path, partition: str, rows_of_day: str, rows: int, days: Sequence[date] = LARGE) -> Path:
    if not folder.exists():
        aside = folder.with_name(f"{folder.name}.partial")
        shutil.rmtree(aside, ignore_errors=True)
        with duckdb.connect() as con:
            con.execute("set TimeZone = 'UTC'; set enable_progress_bar = false")
            for day in days:
                file = aside / partition.format(day) / "part-0.parquet"
                file.parent.mkdir(parents=True)
                con.execute(
                    f"copy ({rows_of_day}) to '{file}' (format parquet, compression zstd)",
                    {"day": str(day), "rows": rows},
                )
        aside.rename(folder)
    return folder


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

"""The tallies by hand, with what an analyst might use instead: DuckDB, Polars, chDB (ClickHouse in the process).

`python -m benchmarks.peers NAME EVIDENCE` prints the seconds, run with the Python of an environment that has them. It
resolves revisions, leaves out what was suppressed, and counts rows, exchanges and distinct accounts by campaign, and in
each campaign by day, country, network, capability, detector and confidence band. It checks and refuses nothing.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

HEADINGS = ("day", "country", "network", "capability", "detector", "band")
_SETS = ", ".join(["(campaign_id)", *(f"(campaign_id, {heading})" for heading in HEADINGS)])
_TALLIES = """
with latest as (
    select *, row_number() over (partition by detection_id order by revised_at desc) as place
    from {relation}
)
select
    campaign_id, {headings}, count(*) as rows, sum(exchange_count) as exchanges,
    count(distinct account_id) as accounts
from (
    select
        *, {day} as day,
        case when confidence >= 0.9 then 3 when confidence >= 0.7 then 2 when confidence >= 0.5 then 1 else 0 end
            as band
    from latest where place = 1 and status <> 'suppressed'
)
group by grouping sets ({sets})
"""


def duckdb(evidence: str) -> None:
    """One query of bare DuckDB."""
    import duckdb  # noqa: PLC0415

    con = duckdb.connect()
    con.execute("set enable_progress_bar = false")
    relation = f"read_parquet('{evidence}/detections/*/*.parquet', hive_partitioning = false)"
    con.execute(_sql(relation, "first_seen::date")).fetchall()


def chdb(evidence: str) -> None:
    """One query of ClickHouse."""
    import chdb  # noqa: PLC0415

    relation = f"file('{evidence}/detections/*/*.parquet', Parquet)"
    str(chdb.query(_sql(relation, "toDate(first_seen)"), "CSV"))


def polars(evidence: str) -> None:
    """Lazy frames, collected together."""
    import polars as pl  # noqa: PLC0415

    rows = pl.scan_parquet(f"{evidence}/detections/*/*.parquet", hive_partitioning=False)
    confidence = pl.col("confidence")
    last = rows.group_by("detection_id").agg(pl.col("revised_at").max())
    latest = (
        rows.join(last, on=["detection_id", "revised_at"], how="semi")
        .unique("detection_id")
        .filter(pl.col("status") != "suppressed")
        .with_columns(
            day=pl.col("first_seen").dt.date(),
            band=pl.sum_horizontal([(confidence >= least).cast(pl.Int8) for least in (0.5, 0.7, 0.9)]),
        )
    )
    counted = [pl.len(), pl.col("exchange_count").sum(), pl.col("account_id").n_unique()]
    keys = [["campaign_id"], *(["campaign_id", heading] for heading in HEADINGS)]
    pl.collect_all([latest.group_by(key).agg(counted) for key in keys], engine="streaming")


def _sql(relation: str, day: str) -> str:
    return _TALLIES.format(relation=relation, day=day, headings=", ".join(HEADINGS), sets=_SETS)


PEERS: dict[str, Callable[[str], None]] = {each.__name__: each for each in (duckdb, polars, chdb)}

if __name__ == "__main__":
    start = time.perf_counter()
    PEERS[sys.argv[1]](sys.argv[2])
    print(time.perf_counter() - start)

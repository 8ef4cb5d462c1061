"""The pieces of work that are measured; each runs in a process of its own."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from pathlib import Path

AS_OF = datetime(2026, 6, 20, 12, tzinfo=UTC)


def scan(evidence: str) -> None:
    """The unit: one plain scan in bare DuckDB."""
    import duckdb  # noqa: PLC0415

    con = duckdb.connect()
    start = time.perf_counter()
    con.execute(
        "select campaign_id, count(*), sum(exchange_count), count(distinct account_id) "
        f"from read_parquet('{evidence}/detections/*/*.parquet') group by 1"
    ).fetchall()
    print(time.perf_counter() - start)


def tallies(evidence: str, window: str) -> None:
    """All tallies of a window, exact, with revisions and duplicates resolved."""
    from reports import query  # noqa: PLC0415
    from reports.evidence import FolderEvidence  # noqa: PLC0415
    from reports.query_duckdb import DuckDBEngine  # noqa: PLC0415
    from reports.resolve import resolve  # noqa: PLC0415

    engine = DuckDBEngine(FolderEvidence(Path(evidence)))
    start = time.perf_counter()
    engine.ask(query.tallies(resolve(window, AS_OF), 7), lambda done, total: None)
    print(time.perf_counter() - start)


def publish(evidence: str, window: str, out: str, keys: str) -> None:
    """A lawmaker's briefing, from the command line's point of view."""
    from reports.cli import main  # noqa: PLC0415

    arguments = ["--evidence", evidence, "--window", window, "--out", out, "--keys", keys]
    sys.stdout = sys.stderr
    sys.exit(main(["publish", "--audience", "lawmaker", "--as-of", "2026-06-20T12:00:00Z", *arguments]))


def html(evidence: str, window: str, file: str) -> None:
    """Write the HTML that `publish` renders, for the bare rendering to be given the same."""
    from reports import local  # noqa: PLC0415

    briefing = local.composed(Path(evidence), window, "lawmaker", AS_OF)
    from reports.assets import Resources  # noqa: PLC0415
    from reports.typeset import typeset  # noqa: PLC0415

    Path(file).write_text(typeset(briefing, Resources(), "letter")[0])


def bare(file: str) -> None:
    """Import what `publish` imports, and render HTML with bare WeasyPrint."""
    from reports import local, query_duckdb, render, sign, verify  # noqa: F401, PLC0415

    _write_pdf(file)


def render(file: str) -> None:
    """Render HTML with bare WeasyPrint, without the time of importing it."""
    import reports.render  # noqa: F401, PLC0415 -- sets up fontconfig, as it does for `publish`

    start = time.perf_counter()
    _write_pdf(file)
    print(time.perf_counter() - start)


def _write_pdf(file: str) -> None:
    from weasyprint import HTML  # noqa: PLC0415

    from reports.assets import TEMPLATES  # noqa: PLC0415

    HTML(filename=file, base_url=f"{TEMPLATES}/").write_pdf(pdf_variant="pdf/a-3a")


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])

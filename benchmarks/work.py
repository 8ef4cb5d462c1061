"""The pieces of work that are measured; each runs in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reports.evidence.columns import Layout

AS_OF = datetime(2026, 6, 20, 12, tzinfo=UTC)


def scan(evidence: str) -> None:
    """The unit: one plain scan in bare DuckDB."""
    import duckdb  # noqa: PLC0415

    con = duckdb.connect()
    con.execute("set enable_progress_bar = false")
    start = time.perf_counter()
    con.execute(
        "select campaign_id, count(*), sum(exchange_count), count(distinct account_id) "
        f"from read_parquet('{evidence}/detections/*/*.parquet') group by 1"
    ).fetchall()
    print(time.perf_counter() - start)


def tallies(evidence: str, window: str, kept: str = "") -> None:
    """All tallies of a window, exact, with revisions and duplicates resolved; from the days that are `kept`, if any."""
    from reports.core.window import resolve  # noqa: PLC0415
    from reports.evidence import questions  # noqa: PLC0415
    from reports.evidence.closed_days import ClosedDays, DayCloser, Remembering  # noqa: PLC0415
    from reports.evidence.day_store import DayStore  # noqa: PLC0415
    from reports.evidence.engine_duckdb import DuckDBEngine  # noqa: PLC0415
    from reports.evidence.source import FolderEvidence  # noqa: PLC0415

    folder, asked = FolderEvidence(Path(evidence)), resolve(window, AS_OF)
    engine: questions.QueryEngine = DuckDBEngine(folder)
    if kept:
        Path(kept).mkdir(mode=0o700, exist_ok=True)
        reading = DuckDBEngine(folder)
        engine = ClosedDays(reading, DayCloser(Remembering(folder, DayStore(Path(kept))), reading))
    start = time.perf_counter()
    engine.ask(questions.Inquiry(asked, AS_OF).tallies(asked.last), lambda done, total: None)
    print(time.perf_counter() - start)


def sha256sum(evidence: str) -> None:
    """The unit: `sha256sum` of every object, on all cores, some objects at a time."""
    objects = [str(path) for path in Path(evidence, "detections").rglob("*") if path.is_file()]
    cores = os.cpu_count() or 1
    command = ["xargs", "-0", "-P", str(cores), "-n", str(-(-len(objects) // (8 * cores))), "sha256sum"]
    start = time.perf_counter()
    subprocess.run(command, input="\0".join(objects), stdout=subprocess.DEVNULL, text=True, check=True)  # noqa: S603
    print(time.perf_counter() - start)


def digests(evidence: str) -> None:
    """The digests of every object, as `collect` pins them."""
    from reports.evidence.source import FolderEvidence  # noqa: PLC0415

    source = FolderEvidence(Path(evidence))
    listed = source.list()
    start = time.perf_counter()
    source.pin(listed)
    print(time.perf_counter() - start)


def publish(evidence: str, window: str, out: str, keys: str, audience: str = "lawmaker") -> None:
    """A briefing, from the command line's point of view, where nothing is closed yet."""
    os.environ["XDG_CACHE_HOME"] = f"{out}.cache"
    _publish(evidence, window, out, keys, audience)


def publish_closed(evidence: str, window: str, out: str, keys: str, kept: str) -> None:
    """A regulator's briefing with the days that are `kept`, which are closed if they are not yet."""
    os.environ["XDG_CACHE_HOME"] = kept
    _publish(evidence, window, out, keys, "regulator")


def close(evidence: str, window: str, kept: str) -> None:
    """Close the days up to a window's end, however little evidence there is."""
    from reports.cli import program  # noqa: PLC0415

    os.environ["XDG_CACHE_HOME"] = kept
    sys.argv[1:] = [
        "close",
        "--evidence",
        evidence,
        "--window",
        window,
        "--as-of",
        f"{AS_OF:%Y-%m-%dT%H:%M:%SZ}",
    ]
    sys.stdout = sys.stderr
    program()


def _publish(evidence: str, window: str, out: str, keys: str, audience: str) -> None:
    from reports.cli import program  # noqa: PLC0415

    arguments = ["--evidence", evidence, "--window", window, "--out", out, "--keys", keys]
    arguments += ["--marking", "TLP:CLEAR"]
    sys.argv[1:] = ["publish", "--audience", audience, "--as-of", "2026-06-20T12:00:00Z", *arguments]
    sys.stdout = sys.stderr
    program()


def html(evidence: str, window: str, file: str) -> None:
    """Publish, and keep the HTML that was rendered, for the bare rendering to be given the same."""
    import reports.pages.render  # noqa: PLC0415

    render_pdf = reports.pages.render.render_pdf

    def keeping(text: str, **rest: Any) -> bytes:
        Path(file).write_text(text)
        return render_pdf(text, **rest)

    reports.pages.render.render_pdf = keeping  # type: ignore[assignment] # it passes on whatever it is given
    publish(evidence, window, f"{file}.out", f"{file}.keys")


def bare(file: str) -> None:
    """Import what `publish` imports, and render HTML with bare WeasyPrint."""
    from reports import local  # noqa: F401, PLC0415
    from reports.evidence import engine_duckdb  # noqa: F401, PLC0415
    from reports.pages import render  # noqa: F401, PLC0415
    from reports.signing import sign  # noqa: F401, PLC0415
    from reports.verification import signature  # noqa: F401, PLC0415

    _write_pdf(file)


def rendering(file: str) -> None:
    """Render HTML with bare WeasyPrint, without the time of importing it."""
    import reports.pages.render  # noqa: F401, PLC0415 -- sets up fontconfig, as it does for `publish`

    start = time.perf_counter()
    _write_pdf(file)
    print(time.perf_counter() - start)


def _write_pdf(file: str) -> None:
    from weasyprint import CSS, HTML  # noqa: PLC0415
    from weasyprint.text.fonts import FontConfiguration  # noqa: PLC0415
    from weasyprint.urls import URLFetcher, URLFetcherResponse  # noqa: PLC0415

    from reports.pages.assets import Resources  # noqa: PLC0415
    from reports.pages.render import _BASE, _PAGE  # noqa: PLC0415

    class Fetcher(URLFetcher):  # type: ignore[misc]
        def fetch(self, url: str, headers: dict[str, str] | None = None) -> URLFetcherResponse:
            if not url.startswith(_BASE):
                return super().fetch(url, headers)
            kind = {"Content-Type": "text/css"} if url.endswith(".css") else {}
            return URLFetcherResponse(url, Resources().read(url.removeprefix(_BASE)), kind)

    fonts, place = FontConfiguration(), {"base_url": _BASE, "url_fetcher": Fetcher()}
    sheet = CSS(string=(_PAGE / "fonts.css").read_text(), font_config=fonts, **place)
    page = HTML(string=Path(file).read_text(), **place)
    page.write_pdf(pdf_variant="pdf/a-3a", stylesheets=[sheet], font_config=fonts)


def libraries() -> None:
    """Import boto3 and Powertools alone: what an API on Lambda begins with."""
    import boto3  # noqa: F401, PLC0415
    from aws_lambda_powertools import Logger  # noqa: F401, PLC0415
    from aws_lambda_powertools.event_handler import APIGatewayHttpResolver  # noqa: F401, PLC0415


def api() -> None:
    """Import the API's function."""
    import functions.api  # noqa: F401, PLC0415


def scanned(evidence: str, layout: Layout, name: str) -> None:
    """The bytes that a question reads."""
    from benchmarks import scanned  # noqa: PLC0415

    print(scanned.read(Path(evidence), layout, scanned.questions()[name]))


WORK: dict[str, Callable[..., None]] = {
    work.__name__: work
    for work in (
        scan,
        tallies,
        sha256sum,
        digests,
        publish,
        publish_closed,
        close,
        html,
        bare,
        rendering,
        libraries,
        api,
        scanned,
    )
}

if __name__ == "__main__":
    WORK[sys.argv[1]](*sys.argv[2:])

"""Measure the claims and print a table.

Every figure is a ratio of two things measured in turn in this run, each in a process of its own, as the median of
several pairs; seconds differ from machine to machine, ratios much less so. Modules are compiled first, as they are in
the image, and after a first run.
"""

from __future__ import annotations

import argparse
import compileall
import math
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks import data, on_trino, scanned
from benchmarks.measure import Run, measure, run

WINDOW = "2026-04-22/2026-06-05"
PEERS = Path(".cache/peers/bin/python")
ACCOUNT = "acct_3d57d2e3dbb7ad7f"  # of the sample


@dataclass(frozen=True)
class Claim:
    """A claim, with what was measured for it and the most that it may be; without a bound, a comparison."""

    text: str
    measured: float
    bound: float = math.inf
    note: str = ""

    def __str__(self) -> str:
        if self.bound == math.inf:
            return f"{self.text:72} {self.measured:8.2f}   {'':28}   {self.note}"
        verdict = "holds" if self.measured <= self.bound else "DOES NOT HOLD"
        return f"{self.text:72} {self.measured:8.2f}   at most {self.bound:5.2f}   {verdict:14} {self.note}"


def main() -> int:
    """Print the table; the exit status is 1 if a claim does not hold."""
    options = _options()
    options.cache.mkdir(parents=True, exist_ok=True)
    for package in ("benchmarks", "functions", "reports"):
        compileall.compile_dir(package, quiet=1)
    with tempfile.TemporaryDirectory(prefix="exhibit-bench-") as scratch:
        claims = []
        for claim in _claims(options.cache, Path(scratch), options.rows, options.pairs):
            print(claim, flush=True)
            claims.append(claim)
    return int(any(claim.measured > claim.bound for claim in claims))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--rows", type=int, default=28_800_000, help="exchange-level rows of the large window"
    )
    parser.add_argument("--pairs", type=int, default=3, help="how often each pair is measured")
    parser.add_argument(
        "--cache", type=Path, default=Path(".cache/benchmarks"), help="where the data is kept"
    )
    return parser.parse_args()


def _claims(cache: Path, scratch: Path, rows: int, pairs: int) -> Iterator[Claim]:
    large, small = data.exchanges(cache, rows), data.exchanges(cache, rows // 10)
    yield from _large(large, small, scratch, pairs)
    yield from _findings(data.findings(cache), scratch, pairs)
    yield from _five_years(*data.five_years(cache), scratch, pairs)
    yield from _year(cache, large, rows, scratch, pairs)
    yield _digests("large objects", large, pairs)
    yield _digests("small objects", data.scattered(cache), pairs)
    yield from _sample(data.sample(cache), scratch, pairs)
    yield from _verifying(data.sample(cache), scratch)
    yield from _proving(data.sample(cache), scratch)
    yield _import(pairs)
    yield from _scans(cache)
    yield from _on_trino(large, rows)


def _large(large: Path, small: Path, scratch: Path, pairs: int) -> Iterator[Claim]:
    scans, tallies = _in_turn(
        pairs, lambda: measure("scan", large), lambda: measure("tallies", large, WINDOW)
    )
    seconds = f"{_median(tallies):.1f} s against {_median(scans):.1f} s"
    yield Claim("all tallies / one plain scan", _ratio(tallies, scans), 10, seconds)
    closing = [_closed(large, scratch / f"kept{n}") for n in range(pairs)]
    seconds = f"{_median(closing):.1f} s"
    for unit, runs, bound in (("all tallies", tallies, 1.35), ("one plain scan", scans, 10)):
        ratio = _median(closing) / _median(runs)
        yield Claim(f"all tallies, closing 45 days / {unit}", ratio, bound, seconds)
    yield Claim("peak memory of closing, in GiB", max(run.peak_mib for run in closing) / 1024, 1)
    closed = [_closed(large, scratch / f"kept{n}") for n in range(pairs)]
    seconds = f"{_median(closed):.1f} s"
    yield Claim(
        "all tallies, from closed days / all tallies", _median(closed) / _median(tallies), 0.12, seconds
    )
    yield from _peers(large, closing, closed)
    yield from _large_briefing(large, scratch, closing, pairs)
    fewer = [measure("tallies", small, WINDOW) for _ in range(pairs)]
    yield Claim(
        "tallies of ten times the rows / ten times the tallies", _median(tallies) / (10 * _median(fewer)), 1
    )


def _peers(large: Path, closing: list[Run], closed: list[Run]) -> Iterator[Claim]:
    """The same tallies by hand, which take as long each time; they are measured once."""
    if not PEERS.exists():
        print("not compared with other libraries: make bench installs them")
        return
    for name in ("duckdb", "polars", "chdb"):
        try:
            by_hand = run([str(PEERS), "-m", "benchmarks.peers", name, str(large)])
        except SystemExit as ended:
            print(f"by hand in {name}: {ended}")  # out of memory
            continue
        told = f"{by_hand.seconds:.1f} s and {by_hand.peak_mib / 1024:.1f} GiB by hand in {name}"
        for text, runs in (("closing 45 days", closing), ("from closed days", closed)):
            peak = max(each.peak_mib for each in runs) / 1024
            note = f"{_median(runs):.1f} s and {peak:.1f} GiB against {told}"
            yield Claim(
                f"all tallies, {text} / by hand in {name}", _median(runs) / by_hand.seconds, note=note
            )


def _findings(evidence: Path, scratch: Path, pairs: int) -> Iterator[Claim]:
    """OCSF, whose revisions cross days."""
    reading = [measure("tallies", evidence, WINDOW) for _ in range(pairs)]
    closing = [_closed(evidence, scratch / f"findings{n}") for n in range(pairs)]
    closed = [_closed(evidence, scratch / f"findings{n}") for n in range(pairs)]
    for text, runs, bound in (("closing", closing, 2.5), ("from closed days", closed, 0.25)):
        seconds = f"{_median(runs):.1f} s against {_median(reading):.1f} s"
        yield Claim(
            f"findings: all tallies, {text} / all tallies", _median(runs) / _median(reading), bound, seconds
        )


def _five_years(whole: Path, week: Path, scratch: Path, pairs: int) -> Iterator[Claim]:
    """Briefings of the last week, with five years before it and with nothing, once their days are closed."""
    window = "{1}/{0}".format(*(day.removeprefix("event_day=") for day in _days(week)[::-6]))

    def published(evidence: Path, n: int) -> Run:
        place, kept = scratch / evidence.name, scratch / f"{evidence.name}.kept"
        return measure("publish_closed", evidence, window, place / str(n), scratch / "keys", kept)

    measure("close", week, window, scratch / f"{week.name}.kept")
    published(week, 0)
    closing = published(whole, 0)
    after, alone = _in_turn(
        pairs, _numbered(lambda n: published(whole, n + 1)), _numbered(lambda n: published(week, n + 1))
    )
    note = f"{_median(after):.1f} s against {_median(alone):.1f} s; {closing.seconds:.0f} s while days are closed"
    text = "a week, with five years before it / with nothing, from closed days"
    yield Claim(text, _ratio(after, alone), 1.1, note)
    peak = max(run.peak_mib for run in (closing, *after)) / 1024
    yield Claim("peak memory of a week with five years before it, in GiB", peak, 2)


def _year(cache: Path, large: Path, rows: int, scratch: Path, pairs: int) -> Iterator[Claim]:
    """A year of days as large as those of the 45, closed once, for it takes minutes."""
    if why := data.no_room(cache, large):
        print(f"a year is not measured: {why}")
        return
    year, kept = data.year(cache, rows), scratch / "year"
    windows = [f"{first}/{data.YEAR[-1]}" for first in (data.YEAR[0], data.YEAR[-30])]
    few, many = _closed(large, scratch / "45 days"), measure("tallies", year, windows[0], kept)
    note = f"{many.seconds:.0f} s against {few.seconds:.1f} s, {rows * len(data.YEAR) // data.DAYS:,} rows"
    days = len(data.YEAR) / data.DAYS
    yield Claim("a year: closing it / closing 45 days, a row", many.seconds / few.seconds / days, 1.25, note)
    yield Claim("peak memory of closing a year, in GiB", many.peak_mib / 1024, 2)
    whole, month = _in_turn(
        pairs, *(lambda window=window: measure("tallies", year, window, kept) for window in windows)
    )
    note = f"{_median(whole):.1f} s against {_median(month):.1f} s"
    yield Claim("a year / a month, all tallies from closed days", _ratio(whole, month), 11, note)
    peak = max(run.peak_mib for run in whole) / 1024
    yield Claim("peak memory of a year from closed days, in GiB", peak, 2)


def _days(evidence: Path) -> list[str]:
    return sorted(each.name for each in (evidence / "detections").iterdir())


def _closed(evidence: Path, kept: Path) -> Run:
    return measure("tallies", evidence, WINDOW, kept)


def _large_briefing(large: Path, scratch: Path, closing: list[Run], pairs: int) -> Iterator[Claim]:
    published = [_published(large, scratch / f"large{n}") for n in range(pairs)]
    html = _html(large, scratch)
    whole = _median(closing) + _median([measure("rendering", html) for _ in range(pairs)])
    yield Claim(
        "publish / all tallies, closing, and a bare rendering of its HTML",
        _median(published) / whole,
        1.25,
        f"{_median(published):.1f} s against {whole:.1f} s",
    )
    yield Claim("peak memory of publish, in GiB", max(run.peak_mib for run in published) / 1024, 2)


def _digests(called: str, evidence: Path, pairs: int) -> Claim:
    sums, digests = _in_turn(
        pairs, lambda: measure("sha256sum", evidence), lambda: measure("digests", evidence)
    )
    seconds = f"{_median(digests):.2f} s against {_median(sums):.2f} s"
    return Claim(f"{called}: digesting them / sha256sum on all cores", _ratio(digests, sums), 1.2, seconds)


def _sample(sample: Path, scratch: Path, pairs: int) -> Iterator[Claim]:
    html = _html(sample, scratch)
    _published(sample, scratch / "warm")
    bare, published = _in_turn(
        2 * pairs + 1,
        lambda: measure("bare", html),
        _numbered(lambda n: _published(sample, scratch / f"sample{n}")),
    )
    seconds = f"{_median(published):.2f} s against {_median(bare):.2f} s"
    yield Claim(
        "sample: publish / importing and rendering its HTML alone", _ratio(published, bare), 1.3, seconds
    )


def _verifying(sample: Path, scratch: Path) -> Iterator[Claim]:
    """In one process, as the claim says."""
    _published(sample, scratch / "verified")
    (pdf,) = (scratch / "verified").glob("*.pdf")
    ours, theirs = _printed("verifying", pdf, scratch / "keys/root.cert.pem")
    note = f"{ours:.3f} s against {theirs:.3f} s of processor time"
    yield Claim("sample: verify / pyHanko's own validation", ours / theirs, 1.5, note)


def _proving(sample: Path, scratch: Path) -> Iterator[Claim]:
    """In one process."""
    out, keys = scratch / "proved", scratch / "keys"
    measure("publish", sample, WINDOW, out, keys, "regulator")
    (pdf,) = out.glob("*.pdf")
    reading, making, checking, size = _printed("proving", pdf, ACCOUNT, keys)
    note = f"{making * 1000:.1f} ms against {reading * 1000:.0f} ms, {size:,.0f} bytes"
    yield Claim("sample: making a proof / reading the briefing", making / reading, 0.5, note)
    note = f"{checking * 1000:.2f} ms"
    yield Claim("sample: checking a proof / reading the briefing", checking / reading, 0.02, note)


def _import(pairs: int) -> Claim:
    """In processor time."""
    libraries, apis = _in_turn(4 * pairs + 1, lambda: measure("libraries"), lambda: measure("api"))
    ratio = statistics.median(api.busy / alone.busy for api, alone in zip(apis, libraries, strict=True))
    busy = [statistics.median(run.busy for run in runs) for runs in (apis, libraries)]
    note = f"{busy[0]:.2f} s against {busy[1]:.2f} s of processor time"
    return Claim("importing the API / importing boto3 and Powertools alone", ratio, 1.5, note)


def _scans(cache: Path) -> Iterator[Claim]:
    """Each question against what it needs, and the whole briefing, its history too, against the window's needs."""
    for layout in scanned.LAYOUTS:
        evidence, asked = scanned.write(cache, layout), scanned.questions()
        days = {name: scanned.partitions(layout, question) for name, question in asked.items()}
        needed = {name: scanned.needed(evidence, layout, days[name]) for name in asked}
        # Bytes, which is what is printed
        read = {name: measure("scanned", evidence, layout, name).seconds for name in asked}
        for name in asked:
            text = f"{layout}: bytes read for the {name} / the needed columns of their days"
            yield Claim(text, read[name] / needed[name], 1.1, f"{len(days[name])} days")
        window = scanned.needed(evidence, layout, scanned.WINDOW)
        text = f"{layout}: bytes read for a briefing / the needed columns of its window"
        note = f"{len(scanned.WINDOW)} days, and the {scanned.EARLIER} days before it"
        yield Claim(text, sum(read.values()) / window, 1.1 * sum(needed.values()) / window, note)


def _on_trino(evidence: Path, rows: int) -> Iterator[Claim]:
    """Once, for it takes minutes."""
    if why := on_trino.missing(rows):
        print(f"not measured on Trino: {why}")
        return
    scan, tallies, closing = on_trino.measured(evidence, rows, WINDOW)
    note = f"{tallies.read / 1e6:,.0f} MB against {scan.read / 1e6:,.0f} MB"
    yield Claim("Trino: bytes read for the tallies / for one plain scan", tallies.read / scan.read, 1.1, note)
    note = f"{tallies.peak / 1e6:,.0f} MB against {scan.read / 1e6:,.0f} MB"
    yield Claim("Trino: peak memory of the tallies / the bytes of a scan", tallies.peak / scan.read, 12, note)
    note = f"{tallies.busy:.0f} s against {scan.busy:.1f} s of processor time"
    yield Claim("Trino: all tallies / one plain scan", tallies.busy / scan.busy, 40, note)
    note = f"{tallies.peak / 1e9:.1f} GB for all tallies at once"
    yield Claim("Trino: peak memory of closing 45 days, in GB a node", closing.peak / 1e9, 1.5, note)
    note = f"{closing.read / 1e6:,.0f} MB against {scan.read / 1e6:,.0f} MB"
    yield Claim(
        "Trino: bytes read for closing 45 days / for one plain scan", closing.read / scan.read, 1.1, note
    )
    note = f"{closing.busy:.0f} s against {tallies.busy:.0f} s of processor time"
    yield Claim("Trino: closing 45 days / all tallies", closing.busy / tallies.busy, 1.5, note)


def _printed(module: str, *arguments: str | Path) -> list[float]:
    """The numbers that a module of this package prints about what it measured in its one process."""
    command = [sys.executable, "-m", f"benchmarks.{module}", *arguments]
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout  # noqa: S603
    return [float(number) for number in printed.split()]


def _published(evidence: Path, out: Path) -> Run:
    return measure("publish", evidence, WINDOW, out, out.parent / "keys")


def _html(evidence: Path, scratch: Path) -> Path:
    html = scratch / f"{evidence.name}.html"
    measure("html", evidence, WINDOW, html)
    return html


def _numbered(act: Callable[[int], Run]) -> Callable[[], Run]:
    numbers = iter(range(1000))
    return lambda: act(next(numbers))


def _in_turn(pairs: int, one: Callable[[], Run], other: Callable[[], Run]) -> tuple[list[Run], list[Run]]:
    runs = [(one(), other()) for _ in range(pairs)]
    return [a for a, _ in runs], [b for _, b in runs]


def _ratio(runs: list[Run], units: list[Run]) -> float:
    return statistics.median(run.seconds / unit.seconds for run, unit in zip(runs, units, strict=True))


def _median(runs: list[Run]) -> float:
    return statistics.median(run.seconds for run in runs)


if __name__ == "__main__":
    sys.exit(main())

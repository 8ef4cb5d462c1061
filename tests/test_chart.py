import json
from base64 import b64decode
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.assets import TEMPLATES, Resources
from reports.chart import DAYS, PALETTE, RANKS, Data, Series, by_day, by_rank, data_uri, draw, fold, ticks
from reports.errors import InvalidSettings
from reports.render import DocumentMetadata, render_pdf

OURS = Resources()
WINDOW = tuple(date(2026, 4, 22) + timedelta(n) for n in range(45))


def printed(id_: str, value: int) -> str:
    return f"{id_}={value}"


def texts(svg: str) -> list[str]:
    root = ET.fromstring(svg)  # noqa: S314
    return ["".join(node.itertext()) for node in root.iter("{http://www.w3.org/2000/svg}text")]


def wave(name: str, height: int, days: Sequence[date] = WINDOW) -> Series:
    return Series(name, [height * (n % 7) for n in range(len(days))])


def daily(count: int = 2, days: Sequence[date] = WINDOW) -> Data:
    return by_day(
        days, [wave(f"Campaign {n}", 10 * (n + 1), days) for n in range(count)], printed, gaps={days[-1]}
    )


# What is drawn


def test_same_drawing_each_time() -> None:
    """The same rows give the same SVG."""
    assert draw(DAYS, daily(), resources=OURS) == draw(DAYS, daily(), resources=OURS)


def test_days_print_only_what_was_given() -> None:
    """Each text of the daily chart is a name, a date, or a number that its caller printed."""
    data = daily()
    shown = texts(draw(DAYS, data, resources=OURS))

    names = {row["series"] for row in data["cells"]}
    labels = {row["label"] for name in ("ticks", "dates", "notes") for row in data[name]}
    assert sorted(shown) == sorted(map(str, names | labels))


def test_ranks_print_only_what_was_given() -> None:
    """Each text of the bar chart is a name or a number that its caller printed."""
    svg = draw(RANKS, by_rank([("a <b> & {{ c }}", 30), ("d", 20)], printed), resources=OURS)

    assert sorted(texts(svg)) == ["a <b> & {{ c }}", "bar.0=30", "bar.1=20", "d"]


@pytest.mark.parametrize("days", [1, 7, 45, 92, 366])
@pytest.mark.parametrize("count", [1, 5])
def test_any_window_can_be_drawn(days: int, count: int) -> None:
    """Short and long windows, of one series and of as many as there are colours, have up to nine dates."""
    window = [date(2026, 1, 1) + timedelta(n) for n in range(days)]
    data = daily(count, window)

    assert 1 <= len(data["dates"]) <= 9
    assert draw(DAYS, data, resources=OURS).startswith("<svg")


def test_nothing_at_all_can_be_drawn() -> None:
    """Days without a single exchange are an empty frame, not an error."""
    svg = draw(DAYS, by_day(WINDOW, [Series("Exchanges", [0] * 45)], printed), resources=OURS)

    assert "axis.0=0" in texts(svg)


def test_peak_is_the_first_of_the_highest_days() -> None:
    """The note names the first day of the highest total, and its total."""
    (note,) = by_day(WINDOW[:3], [Series("a", [1, 5, 5]), Series("b", [2, 4, 4])], printed)["notes"]

    assert (note["index"], note["value"], note["label"]) == (1, 9, "peak=9 on 23 April")


def test_gaps_are_drawn() -> None:
    """A day without evidence is marked in the daily chart."""
    assert [row["index"] for row in daily()["gaps"]] == [44]
    without = by_day(WINDOW, [wave("a", 1)], printed)
    with_gap = by_day(WINDOW, [wave("a", 1)], printed, gaps={WINDOW[3]})
    assert draw(DAYS, without, resources=OURS) != draw(DAYS, with_gap, resources=OURS)


def test_colours_follow_the_order_of_the_series() -> None:
    """The first series has the first colour, whatever their names."""
    data = by_day(WINDOW, [wave("zebra", 9), wave("ant", 1)], printed)
    svg = draw(DAYS, data, resources=OURS, colours=("#010203", "#040506"))

    assert svg.index("#010203") < svg.index("#040506")
    assert texts(svg).index("zebra") < texts(svg).index("ant")
    assert not any(colour in svg for colour in PALETTE)


def test_pages_show_charts(caplog: pytest.LogCaptureFixture) -> None:
    """A page can hold each chart; WeasyPrint has nothing to warn about."""
    images = "".join(
        f'<img alt="x" src="{data_uri(draw(spec, data, resources=OURS))}">'
        for spec, data in ((DAYS, daily()), (RANKS, by_rank([("a", 1)], printed)))
    )
    about = DocumentMetadata("x", "x", "x", datetime(2026, 6, 20, tzinfo=UTC))
    page = f'<html lang="en"><body>{images}'

    assert render_pdf(page, resources=OURS, metadata=about).startswith(b"%PDF-")
    assert not caplog.records


def test_data_uri_holds_the_drawing() -> None:
    """The URL carries the SVG itself."""
    head, _, body = data_uri("<svg>é</svg>").partition(",")

    assert (head, b64decode(body).decode()) == ("data:image/svg+xml;base64", "<svg>é</svg>")


# Specs of others


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("{", "not JSON"),
        ("[]", "JSON object"),
        ("{}", "Invalid specification"),
        ('{"layer": 3}', "does not take"),
        ('{"data": {"url": "https://example.org/x.json"}, "mark": "bar"}', "URL"),
        ('{"layer": [{"data": {"url": "file:///etc/hostname"}, "mark": "bar"}]}', "URL"),
    ],
)
def test_a_bad_spec_is_named(tmp_path: Path, spec: str, said: str) -> None:
    """A spec that cannot be used is an error of one line that names the file."""
    (tmp_path / "bad.vl.json").write_text(spec)

    with pytest.raises(InvalidSettings, match=rf"^chart bad\.vl\.json.*{said}") as caught:
        draw("bad.vl.json", {}, resources=Resources((tmp_path,)))
    assert "\n" not in str(caught.value)


def test_an_organisation_has_its_own_specs(tmp_path: Path) -> None:
    """A spec in an organisation's folder stands in for Exhibit's."""
    spec = json.loads(OURS.read(DAYS)) | {"background": "#abcdef"}
    (tmp_path / "charts").mkdir()
    (tmp_path / DAYS).write_text(json.dumps(spec))

    assert "#abcdef" in draw(DAYS, daily(), resources=Resources((tmp_path, TEMPLATES)))


# Rows


@given(st.integers(0, 10**12))
def test_ticks_cover_the_highest(highest: int) -> None:
    """Ticks start at 0, are evenly spaced and few, and only the last reaches the highest value."""
    lines = ticks(highest)

    assert lines[0] == 0
    assert 2 <= len(lines) <= 6
    assert lines[-2] < max(highest, 1) <= lines[-1]
    assert len({after - before for before, after in pairwise(lines)}) == 1


@given(st.lists(st.lists(st.integers(0, 9), min_size=3, max_size=3), max_size=9), st.integers(1, 4))
def test_folding_loses_nothing(values: list[list[int]], most: int) -> None:
    """Each day's total is the same after folding, whatever the order of the series."""
    series = [Series(f"s{n}", day) for n, day in enumerate(values)]
    folded = fold(series, most, "others")

    assert folded == fold(series[::-1], most, "others")
    assert len(folded) <= most + 1
    for day in range(3):
        assert sum(each.values[day] for each in folded) == sum(each.values[day] for each in series)


def test_folding_keeps_the_largest() -> None:
    """The largest series keep their names, largest first; the others become one."""
    folded = fold([Series("a", [1]), Series("b", [3]), Series("c", [2]), Series("d", [1])], 2, "2 others")

    assert [(each.name, list(each.values)) for each in folded] == [("b", [3]), ("c", [2]), ("2 others", [2])]

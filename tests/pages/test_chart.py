from base64 import b64decode
from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.core.errors import InvalidSettings
from reports.pages import typeset
from reports.pages.assets import TEMPLATES, Resources
from reports.pages.chart import DAYS, PALETTE, Data, Series, Show, Slot, by_period, data_uri, fold, ticks
from reports.pages.fill import environment_of
from reports.pages.render import DocumentMetadata, render_pdf

OURS = Resources()
WINDOW = tuple(date(2026, 4, 22) + timedelta(n) for n in range(45))


def printed(id_: str, value: int) -> str:
    return f"{id_}={value}"


def by_day(
    days: Sequence[date], series: Sequence[Series], show: Show, gaps: Collection[date] = ()
) -> dict[str, Any]:
    """A bar a day."""
    slots = [
        Slot(f"{d.day} {d:%b}", f"on {d.day} {d:%B}", gap=d in gaps, missing=(0,) if d in gaps else ())
        for d in days
    ]
    return {**by_period(slots, series, show, "Exchanges a day", 7)}


def draw(data: Data, *, resources: Resources = OURS, colours: Sequence[str] = PALETTE) -> str:
    return typeset.draw(environment_of(resources, {}), data, colours)


def texts(svg: str) -> list[str]:
    root = ET.fromstring(svg)  # noqa: S314
    return ["".join(node.itertext()) for node in root.iter("{http://www.w3.org/2000/svg}text")]


def own(folder: Path, spec: str) -> Resources:
    (folder / DAYS).parent.mkdir()
    (folder / DAYS).write_text(spec)
    return Resources((folder, TEMPLATES))


def on_a_page(svg: str) -> bytes:
    about = DocumentMetadata("x", "x", "x", datetime(2026, 6, 20, tzinfo=UTC))
    page = f'<html lang="en"><body><img alt="x" src="{data_uri(svg)}">'
    return render_pdf(page, resources=OURS, metadata=about)


def wave(name: str, height: int, days: Sequence[date] = WINDOW) -> Series:
    return Series(name, [height * (n % 7) for n in range(len(days))])


def daily(count: int = 2, days: Sequence[date] = WINDOW) -> dict[str, Any]:
    return by_day(
        days, [wave(f"Campaign {n}", 10 * (n + 1), days) for n in range(count)], printed, gaps={days[-1]}
    )


# What is drawn


def test_same_drawing_each_time() -> None:
    """The same rows give the same SVG."""
    assert draw(daily()) == draw(daily())


def test_days_print_only_what_was_given() -> None:
    """Each text of the daily chart is a name, a date, or a number that its caller printed."""
    data = daily()
    shown = texts(draw(data))

    names = set(data["names"])
    labels = {row["label"] for name in ("ticks", "dates", "notes") for row in data[name]}
    assert sorted(shown) == sorted(map(str, names | labels | {"Exchanges a day"}))


@pytest.mark.parametrize("days", [1, 7, 45, 92, 366])
@pytest.mark.parametrize("count", [1, 5])
def test_any_window_can_be_drawn(days: int, count: int) -> None:
    """Short and long windows, of one series and of as many as there are colours, have up to nine dates."""
    window = [date(2026, 1, 1) + timedelta(n) for n in range(days)]
    data = daily(count, window)

    assert 1 <= len(data["dates"]) <= 9
    assert draw(data).startswith("<svg")


def test_nothing_at_all_can_be_drawn() -> None:
    """Days without a single exchange are an empty frame, not an error."""
    svg = draw(by_day(WINDOW, [Series("Exchanges", [0] * 45)], printed))

    assert "axis.0=0" in texts(svg)


def test_peak_is_the_first_of_the_highest_days() -> None:
    """The note names the first day of the highest total, and its total."""
    (note,) = by_day(WINDOW[:3], [Series("a", [1, 5, 5]), Series("b", [2, 4, 4])], printed)["notes"]

    assert (note["index"], note["value"], note["label"]) == (1, 9, "All detections: peak=9 on 23 April")


def test_gaps_are_drawn() -> None:
    """A day without evidence is marked in the daily chart."""
    assert [row["index"] for row in daily()["gaps"]] == [44]
    without = by_day(WINDOW, [wave("a", 1)], printed)
    with_gap = by_day(WINDOW, [wave("a", 1)], printed, gaps={WINDOW[3]})
    assert draw(without) != draw(with_gap)


def test_colours_follow_the_order_of_the_series() -> None:
    """The first series has the first colour, whatever their names."""
    data = by_day(WINDOW, [wave("zebra", 9), wave("ant", 1)], printed)
    svg = draw(data, colours=("#010203", "#040506"))

    assert svg.index("#010203") < svg.index("#040506")
    assert texts(svg).index("zebra") < texts(svg).index("ant")
    assert not any(colour in svg for colour in PALETTE)


def test_pages_show_charts(caplog: pytest.LogCaptureFixture) -> None:
    """A page can hold the chart; WeasyPrint has nothing to warn about."""
    assert on_a_page(draw(daily())).startswith(b"%PDF-")
    assert not caplog.records


def test_data_uri_holds_the_drawing() -> None:
    """The URL carries the SVG itself."""
    head, _, body = data_uri("<svg>é</svg>").partition(",")

    assert (head, b64decode(body).decode()) == ("data:image/svg+xml;base64", "<svg>é</svg>")


# Specs of others


@pytest.mark.parametrize(
    ("spec", "said"),
    [("<svg>\n{% for %}", "line 2"), ("<svg>\n\n{{ nothing }}", "line 3"), ("<svg>{{ 1 / 0 }}", "line 1")],
)
def test_a_bad_spec_is_named(tmp_path: Path, spec: str, said: str) -> None:
    """A drawing that cannot be filled is an error of one line that names the file and the line."""
    with pytest.raises(InvalidSettings, match=rf"days\.svg, {said}") as caught:
        draw(daily(), resources=own(tmp_path, spec))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("url", ["https://example.org/x.png", "file:///etc/hostname"])
def test_a_drawing_fetches_nothing(tmp_path: Path, url: str) -> None:
    """An image that a drawing asks for at an address is refused, by name."""
    image = f'<image href="{url}" width="9" height="9"/>'
    spec = f'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9">{image}</svg>'
    with pytest.raises(InvalidSettings, match=url):
        on_a_page(draw(daily(), resources=own(tmp_path, spec)))


def test_hostile_names_are_text() -> None:
    """Names with markup or braces in them are drawn as they stand."""
    name = '</text><script>&{{ 7 * 7 }}"'
    assert name in texts(draw(by_day(WINDOW, [wave(name, 3)], printed)))


def test_an_organisation_has_its_own_specs(tmp_path: Path) -> None:
    """A drawing in an organisation's folder stands in for Exhibit's."""
    assert draw(daily(), resources=own(tmp_path, "<svg>{{ names[0] }}</svg>")) == "<svg>Campaign 0</svg>"


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

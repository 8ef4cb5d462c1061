"""Charts: rows of data and a Vega-Lite spec from a file become an SVG drawing, the same every time.

A chart computes no text of its own. Each number that it prints goes through the caller's `Show`, which
records it like any other figure of a briefing; names and dates come with the rows.
"""

from __future__ import annotations

import json
import math
from base64 import b64encode
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from threading import Thread
from typing import Any

import vl_convert

from reports.assets import Resources
from reports.errors import InvalidSettings
from reports.fonts import FONTS

DAYS = "charts/days.vl.json"
RANKS = "charts/ranks.vl.json"

# dark to light, so that they stay apart in a grey print, and for eyes that do not tell red from green
PALETTE = ("#12436d", "#2f7f8a", "#e8853d", "#a9c6dd", "#d9d9d9")

Show = Callable[[str, int], str]
"""Print the number called `id` (`axis.0`, `peak`, `bar.2`, …): `show(id, value)` returns its text."""

Data = Mapping[str, Sequence[Mapping[str, object]]]
"""Datasets by the name that a spec knows them by."""


@dataclass(frozen=True, slots=True)
class Series:
    """One layer of a stack: a name, and a number for each day of the window."""

    name: str
    values: Sequence[int]


def draw(spec: str, data: Data, *, resources: Resources, colours: Sequence[str] = PALETTE) -> str:
    """Draw named datasets by the spec in the asset `spec`, and return an SVG document.

    `colours` are given to series in order, and start again after the last. Raises `InvalidSettings` for a
    spec that is not JSON, that Vega-Lite does not take, or that asks for data of its own.
    """
    _register_fonts()
    chart = _parse(spec, resources)
    chart["datasets"] = {name: list(rows) for name, rows in data.items()}
    chart["config"] = {**chart.get("config", {}), "range": {"category": list(colours)}}
    try:
        return vl_convert.vegalite_to_svg(chart, vl_version="6.4", allowed_base_urls=[])
    except ValueError as error:
        raise InvalidSettings(
            f"chart {spec}: Vega-Lite does not take it ({_reason(error)}): correct it"
        ) from None


def data_uri(svg: str) -> str:
    """Return the drawing as a URL for `<img src>`, so that a page carries it."""
    return "data:image/svg+xml;base64," + b64encode(svg.encode()).decode()


def warm() -> None:
    """Start the engine (0.5 s) in the background: of use beside a query, for it holds the interpreter."""
    Thread(target=lambda: vl_convert.vegalite_to_svg({"mark": "bar"}), daemon=True).start()


def by_day(days: Sequence[date], series: Sequence[Series], show: Show, gaps: Collection[date] = ()) -> Data:
    """Lay out numbers a day for `DAYS`: stacked series, gridlines, dates, the peak, days without evidence."""
    totals = [sum(values) for values in zip(*(each.values for each in series), strict=True)]
    lines = ticks(max(totals))
    return {
        "cells": [
            {"index": index, "value": value, "series": each.name, "order": order}
            for order, each in enumerate(series)
            for index, value in enumerate(each.values)
        ],
        "gaps": [{"index": index} for index, day in enumerate(days) if day in gaps],
        "ticks": [{"value": value, "label": show(f"axis.{n}", value)} for n, value in enumerate(lines)],
        "dates": [
            {"index": index, "label": f"{days[index].day} {days[index]:%b}"} for index in _dated(len(days))
        ],
        "notes": [_peak(totals, days, show)],
    }


def by_rank(rows: Sequence[tuple[str, int]], show: Show) -> Data:
    """Lay out named numbers for `RANKS`, in the order given."""
    return {
        "bars": [
            {"order": order, "name": name, "value": value, "label": show(f"bar.{order}", value), "shade": 0}
            for order, (name, value) in enumerate(rows)
        ]
    }


def fold(series: Sequence[Series], most: int, other: str) -> list[Series]:
    """Keep the `most` largest series, largest first, and add the rest up into one called `other`."""
    ranked = sorted(series, key=lambda each: (-sum(each.values), each.name))
    rest = ranked[most:]
    if not rest:
        return ranked
    return [
        *ranked[:most],
        Series(other, [sum(day) for day in zip(*(each.values for each in rest), strict=True)]),
    ]


def ticks(highest: int) -> list[int]:
    """Return 0 and up to five round steps, whose last is no lower than `highest` (and no lower than 1)."""
    rough = max(highest, 1) / 4
    unit = 10 ** math.floor(math.log10(rough)) if rough > 1 else 1
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough)
    return list(range(0, max(highest, 1) + step, step))


def _peak(totals: Sequence[int], days: Sequence[date], show: Show) -> Mapping[str, object]:
    """The highest day (the first of equals), with its note kept inside the frame."""
    index = totals.index(max(totals))
    third = 3 * index // len(totals)
    day = days[index]
    label = f"{show('peak', totals[index])} on {day.day} {day:%B}"
    return {
        "index": index,
        "value": totals[index],
        "label": label,
        "align": ("left", "center", "right")[third],
    }


def _dated(count: int) -> range:
    """The days to label: each, or every seventh, fourteenth and so on, so that at most nine have room."""
    return range(0, count, next(step for step in (1, *(7 * 2**n for n in range(20))) if count <= 9 * step))


def _parse(spec: str, resources: Resources) -> dict[str, Any]:
    try:
        chart = json.loads(resources.read(spec))
    except ValueError as error:
        raise InvalidSettings(f"chart {spec} is not JSON ({error}): correct it") from None
    if not isinstance(chart, dict):
        raise InvalidSettings(f"chart {spec} is not a Vega-Lite spec: write a JSON object")
    if _fetches(chart):
        raise InvalidSettings(f"chart {spec} asks for data at a URL: name a dataset of the briefing instead")
    return chart


def _fetches(node: object) -> bool:
    if isinstance(node, dict):
        source = node.get("data")
        return (isinstance(source, dict) and "url" in source) or any(map(_fetches, node.values()))
    return isinstance(node, list) and any(map(_fetches, node))


def _reason(error: Exception) -> str:
    """The engine says what it did, then why that failed, then where."""
    return [*str(error).splitlines(), "", ""][1].strip()[:200]


@cache
def _register_fonts() -> None:
    for folder in FONTS:
        vl_convert.register_font_directory(str(folder))

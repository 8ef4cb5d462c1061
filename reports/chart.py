"""Charts: rows for a drawing whose shape is a template of its own, `charts/days.svg`.

A drawing computes no text of its own. Each number that it prints goes through the caller's `Show`, which records it
like any other figure of a briefing; names and dates come with the rows.
"""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

DAYS = "charts/days.svg"

# dark to light, so that they stay apart in a grey print, and for eyes that do not tell red from green
PALETTE = ("#12436d", "#2f7f8a", "#e8853d", "#a9c6dd", "#d9d9d9")

Show = Callable[[str, int], str]
"""Print the number called `id` (`axis.0`, `peak`): `show(id, value)` returns its text."""

Data = Mapping[str, object]
"""What a drawing is given, by the names that its template knows them by."""


@dataclass(frozen=True, slots=True)
class Series:
    """One layer of a stack: a name, and a number for each day of the window."""

    name: str
    values: Sequence[int]


def data_uri(svg: str) -> str:
    """Return the drawing as a URL for `<img src>`, so that a page carries it."""
    return "data:image/svg+xml;base64," + b64encode(svg.encode()).decode()


def by_day(days: Sequence[date], series: Sequence[Series], show: Show, gaps: Collection[date] = ()) -> Data:
    """Lay out numbers a day for `DAYS`: stacked series, gridlines, dates, the peak, days without evidence."""
    totals = [sum(values) for values in zip(*(each.values for each in series), strict=True)]
    lines = ticks(max(totals))
    return {
        "count": len(days),
        "highest": lines[-1],
        "names": [each.name for each in series],
        "bars": _stacked(series),
        "gaps": [{"index": index} for index, day in enumerate(days) if day in gaps],
        "ticks": [{"value": value, "label": show(f"axis.{n}", value)} for n, value in enumerate(lines)],
        "dates": [
            {"index": index, "label": f"{days[index].day} {days[index]:%b}"} for index in _dated(len(days))
        ],
        "notes": [_peak(totals, days, show)],
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


def _stacked(series: Sequence[Series]) -> list[Mapping[str, int]]:
    bases = [0] * len(series[0].values)
    bars: list[Mapping[str, int]] = []
    for number, each in enumerate(series):
        for index, value in enumerate(each.values):
            bars.append({"index": index, "base": bases[index], "value": value, "series": number})
            bases[index] += value
    return bars


def _peak(totals: Sequence[int], days: Sequence[date], show: Show) -> Mapping[str, object]:
    """The highest day (the first of equals), with its note kept inside the frame."""
    index = totals.index(max(totals))
    day = days[index]
    return {
        "index": index,
        "value": totals[index],
        "label": f"{show('peak', totals[index])} on {day.day} {day:%B}",
        "anchor": ("start", "middle", "end")[3 * index // len(totals)],
    }


def _dated(count: int) -> range:
    """The days to label: each, or every seventh, fourteenth and so on, so that at most nine have room."""
    return range(0, count, next(step for step in (1, *(7 * 2**n for n in range(20))) if count <= 9 * step))

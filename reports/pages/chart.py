"""Charts: the rows for a drawing, whose shape is the template `charts/days.svg`.

A drawing computes no text. Each number that it prints goes through the caller's `Show`, which records it like any other
figure of a briefing; names and dates come with the rows.
"""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, count

DAYS = "charts/days.svg"

# dark to light, to remain distinct in grayscale and for color-blind readers
PALETTE = ("#12436d", "#2f7f8a", "#e8853d", "#a9c6dd", "#d9d9d9")

MOST_DATES = 9
ROOM, BETWEEN = 112, 4  # characters on the axis, and at least between two labels

Show = Callable[[str, int], str]
"""Print the number called `id` (`axis.0`, `peak`): `show(id, value)` returns its text."""

Data = Mapping[str, object]
"""The data of a drawing, by the names in its template."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A bar's period of the window: `label` for the axis, `when` for a sentence.

    Lengths are in whole periods: the `width`, which is shorter for an incomplete last period, and the days without
    evidence, each `missing_width` wide from its start. A `gap` has no evidence on any day.
    """

    label: str
    when: str
    width: float = 1
    gap: bool = False
    missing: Sequence[float] = ()
    missing_width: float = 1


@dataclass(frozen=True, slots=True)
class Series:
    """One layer of a stack: a name, and a number for each period of the window."""

    name: str
    values: Sequence[int]


def data_uri(svg: str) -> str:
    """Return the drawing as a URL for `<img src>`, so that a page carries it."""
    return "data:image/svg+xml;base64," + b64encode(svg.encode()).decode()


def by_period(
    slots: Sequence[Slot], series: Sequence[Series], show: Show, unit: str, rhythm: int = 1
) -> Data:
    """Lay out numbers a period for `DAYS`: stacked series, gridlines, dates, the peak, days without evidence.

    `unit` is the title of the axis: `Exchanges a week`. If there is no room to label each period, every `rhythm`-th is
    labelled, or a multiple of that.
    """
    totals = [sum(values) for values in zip(*(each.values for each in series), strict=True)]
    lines = ticks(max(totals))
    return {
        "count": len(slots),
        "length": sum(slot.width for slot in slots),
        "unit": unit,
        "highest": lines[-1],
        "names": [each.name for each in series],
        "bars": _stacked(slots, series),
        "gaps": [{"index": index} for index, slot in enumerate(slots) if slot.gap],
        "missing": [
            {"index": index + start, "width": slot.missing_width}
            for index, slot in enumerate(slots)
            for start in slot.missing
        ],
        "ticks": [{"value": value, "label": show(f"axis.{n}", value)} for n, value in enumerate(lines)],
        "dates": [
            {"index": index, "label": slots[index].label, "width": slots[index].width}
            for index in _dated(slots, rhythm)
        ],
        "notes": [_peak(totals, slots, show)],
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


def _stacked(slots: Sequence[Slot], series: Sequence[Series]) -> list[Mapping[str, float]]:
    bases = [0] * len(slots)
    bars: list[Mapping[str, float]] = []
    for number, each in enumerate(series):
        for index, value in enumerate(each.values):
            place = {"index": index, "width": slots[index].width, "series": number}
            bars.append({**place, "base": bases[index], "value": value})
            bases[index] += value
    return bars


def _peak(totals: Sequence[int], slots: Sequence[Slot], show: Show) -> Mapping[str, object]:
    """The highest bar (the first of equals), with its note kept inside the frame."""
    index = totals.index(max(totals))
    return {
        "index": index,
        "width": slots[index].width,
        "value": totals[index],
        "label": f"All detections: {show('peak', totals[index])} {slots[index].when}",
        "anchor": ("start", "middle", "end")[3 * index // len(totals)],
    }


def _dated(slots: Sequence[Slot], rhythm: int) -> range:
    """The bars to label: each, or every so many times `rhythm`-th, so that their labels have room."""
    most = min(MOST_DATES, ROOM // (max(len(slot.label) for slot in slots) + BETWEEN))
    steps = chain((1,), count(rhythm, rhythm))
    return range(0, len(slots), next(step for step in steps if len(slots) <= most * step))

"""Figures: every number that a briefing prints, with the value and the row of the evidence behind it.

A template prints a `Quantity` through one of the filters below, and the filter records it: what is on the page is in
the ledger. A hedge is never wrong: "more than" rounds down, "nearly" rounds up, "about" goes to the nearest, and an
exact value is printed as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from typing import Any

_SCALES = ((10**9, "billion"), (10**6, "million"))
_NEAR = Fraction(2, 100)
_ROUNDED_FROM = 10_000  # below, every digit is as easy to read as a hedge


@dataclass(frozen=True, slots=True)
class Quantity:
    """A value and where it comes from: the question that was asked, and the row (and column) of its answer.

    `value` is exact: an int, a Fraction (a share or a ratio of two counts), a number of the registry, or a day.
    """

    value: int | Fraction | date
    unit: str
    question: str
    row: Mapping[str, Any]

    def per(self, whole: Quantity, unit: str = "share") -> Quantity:
        """The quantity as a share or a multiple of another; `whole` must not be zero."""
        assert isinstance(self.value, int) and isinstance(whole.value, int)  # noqa: S101, PT018 -- counts only
        row = {"ratio": [dict(self.row), dict(whole.row)]}
        return Quantity(Fraction(self.value, whole.value), unit, self.question, row)


@dataclass(frozen=True, slots=True)
class Figure:
    """A printed figure: what is on the page, and what it stands for."""

    id: str
    quantity: Quantity
    printed: str

    @property
    def data(self) -> dict[str, Any]:
        """The figure as `briefing.json` lists it; a share is the nearest binary floating-point number to it."""
        value = self.quantity.value
        number = float(value) if isinstance(value, Fraction) else value
        return {
            "id": self.id,
            "value": str(number) if isinstance(number, date) else number,
            "unit": self.quantity.unit,
            "printed": self.printed,
            "question": self.quantity.question,
            "row": dict(self.quantity.row),
        }


@dataclass(slots=True)
class Ledger:
    """Records each figure as it is printed. The same quantity printed alike is one figure.

    `coded` are the characters that were printed as codes, such as `U+1F600`, each once.
    """

    figures: dict[tuple[str, str], Figure] = field(default_factory=dict)
    coded: tuple[str, ...] = ()

    def record(self, quantity: Quantity, printed: str) -> Figure:
        """Record a figure, in the order of first printing."""
        key = (repr((quantity.question, quantity.unit, quantity.value, quantity.row)), printed)
        if key not in self.figures:
            self.figures[key] = Figure(f"F{len(self.figures) + 1}", quantity, printed)
        return self.figures[key]


def exact(value: int) -> str:
    """Every digit, in groups of three: `24,871`."""
    return f"{value:,}"


def agree(count: int, one: str, many: str) -> str:
    """The word that goes with a count: `day` with 1, else `days`."""
    return one if count == 1 else many


def counted(count: int, one: str, many: str) -> str:
    """A count and its word: `1 day`, `45 days`."""
    return f"{exact(count)} {agree(count, one, many)}"


def more_than(value: int) -> str:
    """Rounded down to three significant digits: `more than 28.8 million`; below 10,000, every digit."""
    return exact(value) if value < _ROUNDED_FROM else _rounded_down(value)


def nearly(value: int) -> str:
    """Rounded up to two significant digits where that adds at most 2 %: `nearly 25,000`; else as `more_than`."""
    if value < _ROUNDED_FROM:
        return exact(value)
    unit = _unit(value, 2)
    rounded = -(-value // unit) * unit
    if rounded == value:
        return _worded(value)
    return f"nearly {_worded(rounded)}" if rounded - value <= value * _NEAR else more_than(value)


def percent(share: Fraction) -> str:
    """A share in per cent, to one decimal: `about 98.8 %`; never rounded to nothing or to all."""
    all_but = share < 1 and round(share * 1000) == 1000
    return "more than 99.9 %" if all_but else f"{_to_a_tenth(share * 100)} %"


def multiple(ratio: Fraction) -> str:
    """A ratio of two counts: `about 3.2 times`, `more than 749 times`; never rounded to nothing."""
    return f"{_rounded_down(ratio) if ratio >= 10 else _to_a_tenth(ratio)} times"


def hedged(hedge: str) -> Callable[[int], str]:
    """A figure published by others, in their hedge: `more than 13 million`."""
    return lambda value: _worded(value) if hedge == "exactly" else f"{hedge} {_worded(value)}"


def _rounded_down(value: int | Fraction) -> str:
    unit = _unit(value, 3)
    rounded = value // unit * unit
    return _worded(rounded) if rounded == value else f"more than {_worded(rounded)}"


def _unit(value: int | Fraction, digits: int) -> int:
    """What the last of `digits` significant digits counts: a power of ten, at least 1."""
    return int(10 ** max(len(str(int(value))) - digits, 0))


def _worded(value: int) -> str:
    """`28.8 million` where three decimals hold the value, else every digit."""
    scale, word = next((s for s in _SCALES if value >= s[0]), (1, ""))
    thousandths, rest = divmod(value * 1000, scale)
    if rest or not word:
        return exact(value)
    whole, part = divmod(thousandths, 1000)
    return f"{whole:,}.{part:03}".rstrip("0").rstrip(".") + f" {word}"


def _to_a_tenth(value: Fraction) -> str:
    tenths = round(value * 10)
    text = f"{tenths // 10}.{tenths % 10}"
    if tenths == value * 10:
        return text.removesuffix(".0")
    return f"about {text}" if tenths else "less than 0.1"

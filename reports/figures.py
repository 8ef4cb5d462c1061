"""Figures: every number that a briefing prints, with the value and the row of the evidence behind it.

A template prints a `Quantity` through one of the filters below, and the filter records it: what is on the page is in
the ledger. A hedge is never wrong: "more than" rounds down, "nearly" rounds up, "about" goes to the nearest, and an
exact value is printed as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from typing import Any

_SCALES = ((10**9, "billion"), (10**6, "million"))
_NEAR = Fraction(2, 100)


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
        """This quantity as a share or a multiple of another; `whole` must not be zero."""
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
        """The figure as `briefing.json` lists it; a share is given as the nearest binary floating-point number."""
        value = self.quantity.value
        return {
            "id": self.id,
            "value": value
            if isinstance(value, int)
            else float(value)
            if isinstance(value, Fraction)
            else str(value),
            "unit": self.quantity.unit,
            "printed": self.printed,
            "question": self.quantity.question,
            "row": dict(self.quantity.row),
        }


@dataclass(slots=True)
class Ledger:
    """Records each figure as it is printed. The same quantity printed alike is one figure."""

    figures: dict[tuple[str, str], Figure] = field(default_factory=dict)

    def record(self, quantity: Quantity, printed: str) -> Figure:
        """Record a figure, in the order of first printing."""
        key = (repr((quantity.question, quantity.unit, quantity.value, quantity.row)), printed)
        if key not in self.figures:
            self.figures[key] = Figure(f"F{len(self.figures) + 1}", quantity, printed)
        return self.figures[key]


def exact(value: int) -> str:
    """Every digit, in groups of three: `24,871`."""
    return f"{value:,}"


def more_than(value: int, digits: int = 3) -> str:
    """Rounded down to `digits` significant digits: `more than 28.8 million`; an exact value is printed as it is."""
    rounded = _rounded(value, digits, ROUND_FLOOR)
    return _worded(value) if rounded == value else f"more than {_worded(rounded)}"


def nearly(value: int, digits: int = 2) -> str:
    """Rounded up to `digits` significant digits where that adds at most 2 %: `nearly 25,000`; else as `more_than`."""
    rounded = _rounded(value, digits, ROUND_CEILING)
    if rounded == value:
        return _worded(value)
    return f"nearly {_worded(rounded)}" if rounded - value <= value * _NEAR else more_than(value)


def percent(share: Fraction) -> str:
    """A share in per cent, to one decimal: `about 98.8 %`; never rounded to nothing or to all."""
    value = _decimal(share * 100)
    rounded = value.quantize(Decimal("0.1"), ROUND_HALF_EVEN)
    if Fraction(rounded) == share * 100:
        return f"{_plain(rounded)} %"
    if rounded in (0, 100):
        return "less than 0.1 %" if rounded == 0 else "more than 99.9 %"
    return f"about {rounded} %"


def multiple(ratio: Fraction) -> str:
    """A ratio of two counts: `about 3.2 times`, `more than 749 times`."""
    if ratio.denominator == 1:
        return f"{ratio.numerator:,} times"
    if ratio >= 10:
        return (
            f"{more_than(int(ratio))} times"
            if int(ratio) != _rounded(int(ratio), 3, ROUND_FLOOR)
            else (f"more than {int(ratio):,} times")
        )
    rounded = _decimal(ratio).quantize(Decimal("0.1"), ROUND_HALF_EVEN)
    return f"{_plain(rounded)} times" if Fraction(rounded) == ratio else f"about {rounded} times"


def hedged(hedge: str) -> Callable[[int], str]:
    """A figure published by others, in their hedge: `more than 13 million`."""
    return lambda value: _worded(value) if hedge == "exactly" else f"{hedge} {_worded(value)}"


def _rounded(value: int, digits: int, rounding: str) -> int:
    unit = 10 ** max(len(str(abs(value))) - digits, 0)
    whole: Decimal = (Decimal(value) / unit).to_integral_value(rounding)
    return int(whole) * int(unit)


def _worded(value: int) -> str:
    """`28.8 million` where three decimals hold the value, else every digit."""
    for scale, word in _SCALES:
        if value >= scale and value % (scale // 1000) == 0:
            return f"{_plain(Decimal(value) / scale)} {word}"
    return exact(value)


def _plain(value: Decimal) -> str:
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _decimal(value: Fraction) -> Decimal:
    return Decimal(value.numerator) / Decimal(value.denominator)

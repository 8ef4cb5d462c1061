"""Step 1. A request and an `as_of` instant become a window of whole UTC days."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal

from reports.core.errors import InvalidRequest

Audience = Literal["lawmaker", "regulator"]
AUDIENCES: tuple[Audience, ...] = ("lawmaker", "regulator")
NAMED = "last-week, last-month, last-quarter or last-N-days"


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """Whole UTC days, both ends included.

    Printed and parsed as `first/last`, an ISO 8601 interval of calendar dates: `2026-04-22/2026-06-05` is 45
    days.
    """

    first: date
    last: date

    def __str__(self) -> str:
        return f"{self.first}/{self.last}"

    def __len__(self) -> int:
        return (self.last - self.first).days + 1

    def __contains__(self, day: object) -> bool:
        return isinstance(day, date) and self.first <= day <= self.last

    @property
    def days(self) -> tuple[date, ...]:
        """Every day of the window, in order."""
        return tuple(self.first + timedelta(n) for n in range(len(self)))

    def settled(self, as_of: datetime, days: int) -> bool:
        """Whether updates, which are expected for some days after it, are no longer at an instant (aware)."""
        return (as_of.astimezone(UTC).date() - self.last).days > days

    @property
    def preceding(self) -> Window:
        """The window of the same length that ends the day before this one starts."""
        return Window(self.first - timedelta(len(self)), self.first - timedelta(1))


def resolve(text: str, as_of: datetime) -> Window:
    """Turn the words of a request into a window that is over at `as_of` (an aware instant).

    `text` is two dates joined by `/`, or one of the named windows, each the last one that is over at `as_of`.
    Raises `InvalidRequest` for anything else, for a reversed window and for one that is not over.
    """
    if as_of.tzinfo is None:
        raise InvalidRequest(
            f"as-of {as_of.isoformat()} has no time zone: write it like 2026-06-20T12:00:00Z"
        )
    try:
        now = as_of.astimezone(UTC)
        window = _named(text, now.date()) or _dated(text)
        _ = window.preceding
    except OverflowError:
        raise InvalidRequest(f"window {text!r} goes beyond the calendar: choose other days") from None
    if window.last >= now.date():
        raise InvalidRequest(
            f"window {text} is not over at {now:%Y-%m-%dT%H:%M:%SZ}: "
            f"its last day ends at midnight UTC after {window.last}"
        )
    return window


def _dated(text: str) -> Window:
    match = re.fullmatch(r"(\d{4}-\d\d-\d\d)/(\d{4}-\d\d-\d\d)", text, re.ASCII)
    if match is None:
        raise InvalidRequest(f"{text!r} is not a window: write YYYY-MM-DD/YYYY-MM-DD, {NAMED}")
    try:
        window = Window(date.fromisoformat(match[1]), date.fromisoformat(match[2]))
    except ValueError:
        raise InvalidRequest(f"window {text} has a day that is not in the calendar") from None
    if window.first > window.last:
        raise InvalidRequest(f"window {text} is reversed: write {window.last}/{window.first}")
    return window


def _named(text: str, today: date) -> Window | None:
    if text in _NAMED:
        return _NAMED[text](today)
    match = re.fullmatch(r"last-([1-9]\d{0,8})-days", text, re.ASCII)
    return Window(today - timedelta(int(match[1])), today - timedelta(1)) if match else None


def _last_week(today: date) -> Window:
    monday = today - timedelta(today.weekday())
    return Window(monday - timedelta(7), monday - timedelta(1))


def _last_month(today: date) -> Window:
    last = today.replace(day=1) - timedelta(1)
    return Window(last.replace(day=1), last)


def _last_quarter(today: date) -> Window:
    last = today.replace(month=(today.month - 1) // 3 * 3 + 1, day=1) - timedelta(1)
    return Window(last.replace(month=last.month - 2, day=1), last)


_NAMED: dict[str, Callable[[date], Window]] = {
    "last-week": _last_week,
    "last-month": _last_month,
    "last-quarter": _last_quarter,
}

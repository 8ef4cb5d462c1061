"""`schedules.yaml`: the briefings that are published automatically, and which of them are due.

A schedule's windows follow each other without gap or overlap, and each is due at one instant: the first time that the
schedule's clock shows its hour after the window is over and its settling days have passed. So what is due at an instant
depends on that instant alone, and not on when anybody asked before.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from reports.core.settings import Day, Name, parse
from reports.core.window import NAMED, Audience, Window
from reports.service.requests import LONGEST_ADDRESSEE, StoredRequest, id_of, said
from reports.service.requests import RequestId as RequestName

FILE = "schedules.yaml"
EARLIEST = date(2000, 1, 1)
LATEST = date(9000, 1, 1)
MOST_DAYS = 366
GRACE = timedelta(hours=3)  # for publishing a due briefing, including failed tries


def _hour(value: object) -> object:
    if not (isinstance(value, str) and re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", value, re.ASCII)):
        raise ValueError("not a time of day: write it like 08:00")
    return time.fromisoformat(value)


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{name!r} is not a time zone: write one like Europe/Berlin or UTC") from None
    return name


def _rule(text: str) -> str:
    days = re.fullmatch(r"last-([1-9]\d{0,3})-days", text, re.ASCII)
    if text not in ("last-week", "last-month", "last-quarter") and not (days and int(days[1]) <= MOST_DAYS):
        raise ValueError(f"{text!r} is not a window rule: write {NAMED} (at most {MOST_DAYS})")
    return text


def _possible(day: date) -> date:
    if not EARLIEST <= day <= LATEST:
        raise ValueError(f"{day} is not a day that evidence can be from")
    return day


class Schedule(BaseModel):
    """A briefing that is published again and again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    audience: Audience
    window: Annotated[str, AfterValidator(_rule)]
    at: Annotated[time, BeforeValidator(_hour)]
    time_zone: Annotated[str, AfterValidator(_zone)]
    since: Annotated[Day, AfterValidator(_possible)] | None = None
    addressee: Annotated[Name, Field(max_length=LONGEST_ADDRESSEE)] | None = None
    page_size: Literal["letter", "a4"] = "letter"

    @model_validator(mode="after")
    def _anchored(self) -> Schedule:
        if self.window.endswith("-days") and self.since is None:
            raise ValueError(f"window {self.window} needs since: add the first day of the first window")
        return self


class Schedules(BaseModel):
    """`schedules.yaml`: a list of schedules, each with a name of its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schedules: Annotated[tuple[Schedule, ...], Field(max_length=100)] = ()

    @model_validator(mode="after")
    def _once_each(self) -> Schedules:
        names = [schedule.name for schedule in self.schedules]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"schedule {twice!r} is listed twice: give each its own name")
        return self


def read(text: str) -> Schedules:
    """Read `schedules.yaml`; raises `InvalidSettings` as `reports.core.settings.parse` does."""
    return parse(Schedules, text, FILE)


def default() -> str:
    """The text of the schedules that Exhibit brings: weekly for lawmakers, monthly for regulators."""
    return Path(__file__).with_name(FILE).read_text("utf-8")


def due(schedules: Schedules, at: datetime, settling_days: int) -> tuple[StoredRequest, ...]:
    """The requests of all windows that are due at an aware instant, each schedule's in the order of its windows.

    Windows begin on or after `since`; a schedule without it gives the latest window that is due and no other.
    """
    return tuple(request for schedule in schedules.schedules for request in _of(schedule, at, settling_days))


def missing(requests: Iterable[StoredRequest], names: Iterable[RequestName]) -> tuple[StoredRequest, ...]:
    """The requests that nobody has created, the oldest window first.

    They are identified by schedule and window, so that changing the hour does not create them twice.
    """
    created = {name.tail for name in names}
    found = [request for request in requests if request.id.rpartition("-")[2] not in created]
    return tuple(sorted(found, key=lambda request: request.id, reverse=True))


def overdue(
    requests: Iterable[StoredRequest], published: Iterable[RequestName], at: datetime, grace: timedelta
) -> tuple[StoredRequest, ...]:
    """The due requests, older than `grace`, whose briefing was not published: not for another request either."""
    there = {(name.audience, str(name.window)) for name in published}
    late = (request for request in requests if request.instant + grace <= at)
    return tuple(request for request in late if (request.audience, request.window) not in there)


def _of(schedule: Schedule, at: datetime, settling_days: int) -> tuple[StoredRequest, ...]:
    # Starting two windows early (none is longer than a year) is sure to reach the latest due one
    start = schedule.since or max(
        EARLIEST, at.astimezone(UTC).date() - timedelta(2 * MOST_DAYS + settling_days)
    )
    found = []
    for window in _windows(schedule.window, start):
        instant = due_at(schedule, window, settling_days)
        if instant > at:
            break
        found.append(_request(schedule, window, instant))
    return tuple(found if schedule.since else found[-1:])


def due_at(schedule: Schedule, window: Window, settling_days: int) -> datetime:
    """The first instant, in UTC, at which a schedule's clock shows its hour once a window's evidence has settled.

    An hour that the clock skips when it is put forward is the instant at which it would have come; of one that it
    shows twice, the first counts.
    """
    settled = datetime.combine(window.last + timedelta(settling_days + 1), time(), UTC)
    zone = ZoneInfo(schedule.time_zone)
    day = settled.astimezone(zone).date() - timedelta(1)
    while True:
        instant = datetime.combine(day, schedule.at, zone).astimezone(UTC)
        if instant >= settled:
            return instant
        day += timedelta(1)


def _request(schedule: Schedule, window: Window, instant: datetime) -> StoredRequest:
    tail = sha256(f"{schedule.name} {window}".encode()).hexdigest()[:12]
    return StoredRequest(
        id_of(instant, schedule.audience, window, tail),
        str(window),
        schedule.audience,
        said(instant),
        f"schedule {schedule.name}",
        schedule.addressee,
        schedule.page_size,
    )


def _windows(rule: str, since: date) -> Iterator[Window]:
    """The windows of a rule that begin on or after a day, one after the other."""
    first = _first(rule, since)
    while True:
        following = _following(rule, first)
        yield Window(first, following - timedelta(1))
        first = following


def _first(rule: str, since: date) -> date:
    if rule == "last-week":
        return since + timedelta(-since.weekday() % 7)
    if rule.endswith("-days"):
        return since
    months = 1 if rule == "last-month" else 3
    first = since.replace(day=1, month=(since.month - 1) // months * months + 1)
    return first if first == since else _following(rule, first)


def _following(rule: str, first: date) -> date:
    if rule == "last-week":
        return first + timedelta(7)
    if rule.endswith("-days"):
        return first + timedelta(int(rule.split("-")[1]))
    months = 1 if rule == "last-month" else 3
    return (first + timedelta(31 * months)).replace(day=1)

"""Schedules: what is due at an instant, whatever ticks came before, and what the file may say."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.core.errors import InvalidSettings
from reports.core.window import Window, resolve
from reports.service.requests import RequestId, StoredRequest
from reports.service.schedules import Schedule, Schedules, default, due, due_at, missing, overdue, read

NAMED = ("last-week", "last-month", "last-quarter")
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Apia", "Australia/Lord_Howe")
HOUR = timedelta(hours=1)


def schedules_(rules: st.SearchStrategy[str]) -> st.SearchStrategy[Schedule]:
    return st.builds(
        Schedule,
        name=st.just("one"),
        audience=st.just("lawmaker"),
        window=rules,
        at=st.times().map(lambda at: f"{at:%H:%M}"),
        time_zone=st.sampled_from(ZONES),
        since=st.dates(date(2026, 1, 1), date(2026, 12, 31)),
    )


SCHEDULES = schedules_(st.sampled_from(NAMED) | st.integers(1, 90).map(lambda n: f"last-{n}-days"))
INSTANTS = st.datetimes(datetime(2026, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC))


def given_at(schedule: Schedule, at: datetime, settling_days: int = 7) -> list[str]:
    return [request.window for request in due(Schedules(schedules=(schedule,)), at, settling_days)]


@given(SCHEDULES, st.lists(INSTANTS, min_size=1, max_size=6), st.integers(0, 30))
def test_missed_late_or_repeated_ticks_change_nothing(
    schedule: Schedule, ticks: list[datetime], settling_days: int
) -> None:
    """Whatever ticks are missed, late or repeated, in any order: what has been created is what the latest finds due."""
    one = Schedules(schedules=(schedule,))
    created: dict[str, StoredRequest] = {}
    for tick in ticks:
        names = [name for name in map(RequestId.parse, created) if name]
        for request in missing(due(one, tick, settling_days), names):
            assert request.id not in created
            created[request.id] = request
    expected = due(one, max(ticks), settling_days)
    assert sorted(created.values(), key=lambda r: r.id) == sorted(expected, key=lambda r: r.id)


@given(SCHEDULES, INSTANTS, st.integers(0, 30))
def test_windows_follow_each_other(schedule: Schedule, at: datetime, settling_days: int) -> None:
    """Windows leave no day out and give none twice, from the first since `since` on; none that is due is missing."""
    later = datetime(2031, 1, 1, tzinfo=UTC)
    windows = [resolve(text, later) for text in given_at(schedule, later, settling_days)]
    assert all(one.last + timedelta(1) == other.first for one, other in pairwise(windows))
    assert schedule.since is not None
    assert timedelta(0) <= windows[0].first - schedule.since < timedelta(92)
    so_far = given_at(schedule, at, settling_days)
    assert so_far == [str(window) for window in windows[: len(so_far)]]
    assert due_at(schedule, windows[len(so_far)], settling_days) > at


@given(schedules_(st.sampled_from(NAMED)), INSTANTS)
def test_windows_are_the_named_ones(schedule: Schedule, at: datetime) -> None:
    """A window is what the words of its rule mean at the instant that its request states."""
    for request in due(Schedules(schedules=(schedule,)), at, 0):
        assert str(resolve(schedule.window, request.instant)) == request.window


@given(SCHEDULES, st.dates(date(2026, 1, 1), date(2028, 1, 1)), st.integers(0, 60))
def test_due_at_the_hour_of_the_zone(schedule: Schedule, last: date, settling_days: int) -> None:
    """A window is due within a day of its settling and not before, when clocks of the zone show the hour."""
    settled = datetime.combine(last + timedelta(settling_days + 1), time(), UTC)
    instant = due_at(schedule, Window(last, last), settling_days)
    shown = instant.astimezone(ZoneInfo(schedule.time_zone))
    assert timedelta(0) <= instant - settled <= timedelta(hours=25)
    skipped = shown.replace(tzinfo=None) - datetime.combine(shown.date(), schedule.at)
    assert skipped == timedelta(0) or timedelta(0) < skipped <= HOUR


@pytest.mark.parametrize(
    ("at", "last", "expected"),
    [
        ("08:00", date(2026, 3, 28), "2026-03-29T06:00:00+00:00"),  # summer time has begun
        ("02:30", date(2026, 3, 27), "2026-03-28T01:30:00+00:00"),
        ("02:30", date(2026, 3, 28), "2026-03-29T01:30:00+00:00"),  # which the clock skips
        ("02:30", date(2026, 10, 24), "2026-10-25T00:30:00+00:00"),  # which the clock shows twice
        ("00:30", date(2026, 7, 1), "2026-07-02T22:30:00+00:00"),  # 22:30 UTC of the day before was too early
    ],
)
def test_summer_time(at: str, last: date, expected: str) -> None:
    """In Berlin, hours are those of the day; skipped ones come when they would have, repeated ones the first time."""
    given = {"name": "x", "audience": "lawmaker", "window": "last-week", "at": at}
    one = Schedule.model_validate({**given, "time_zone": "Europe/Berlin"})
    assert due_at(one, Window(last, last), 0).isoformat() == expected


def test_a_window_waits_for_its_evidence() -> None:
    """A window is not due before its settling days have passed, to the minute."""
    schedules = read(default())
    at = datetime(2026, 6, 15, 8, tzinfo=UTC)
    before = [r.window for r in due(schedules, at - timedelta(minutes=1), 7)]
    assert before == ["2026-05-25/2026-05-31", "2026-05-01/2026-05-31"]
    assert [r.window for r in due(schedules, at, 7)] == ["2026-06-01/2026-06-07", "2026-05-01/2026-05-31"]
    assert next(r.as_of for r in due(schedules, at + 9 * HOUR, 7)) == "2026-06-15T08:00:00Z"


def test_requests_say_what_the_schedule_says() -> None:
    """A request has the schedule's audience, addressee and paper, and names the schedule."""
    (request,) = due(
        read(
            'schedules: [{name: monthly, audience: regulator, window: last-month, at: "08:00", time_zone: UTC,'
            " addressee: The Bureau of Examples, page_size: a4}]"
        ),
        datetime(2026, 6, 20, tzinfo=UTC),
        7,
    )
    assert (request.audience, request.addressee, request.page_size) == (
        "regulator",
        "The Bureau of Examples",
        "a4",
    )
    assert request.requested_by == "schedule monthly"


@pytest.mark.parametrize("at", ["10:30", '"10:30"'])
def test_a_time_of_day_needs_no_quotes(at: str) -> None:
    """A time is the one that is written, though some readers of YAML would make 630 of it."""
    text = f"schedules: [{{name: a, audience: lawmaker, window: last-week, at: {at}, time_zone: UTC}}]"
    assert read(text).schedules[0].at == time(10, 30)


def test_overdue_until_it_is_published() -> None:
    """A due briefing is overdue after its grace, until one for its audience and window is published, whoever asked."""
    requests = due(read(default()), datetime(2026, 6, 15, 9, tzinfo=UTC), 7)
    weekly, monthly = requests
    assert overdue(requests, (), weekly.instant + 3 * HOUR, 3 * HOUR) == requests
    assert overdue(requests, (), weekly.instant + 2 * HOUR, 3 * HOUR) == (monthly,)
    other = RequestId.parse(f"{weekly.id[:-12]}{'0' * 12}")
    assert other is not None
    assert overdue(requests, [other], weekly.instant + 9 * HOUR, 3 * HOUR) == (monthly,)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"at": "8:00"}, "item 1, at: not a time of day: write it like 08:00"),
        ({"at": '"24:00"'}, "item 1, at: not a time of day"),
        ({"time_zone": "Mars/Olympus"}, "item 1, time_zone: 'Mars/Olympus' is not a time zone"),
        ({"time_zone": "../etc"}, "is not a time zone"),
        ({"window": "next-week"}, "item 1, window: 'next-week' is not a window rule: write last-week"),
        ({"window": "last-0-days"}, "is not a window rule"),
        ({"window": "last-7-days"}, "item 1: window last-7-days needs since"),
        ({"since": "1999-12-31"}, "item 1, since: 1999-12-31 is not a day that evidence can be from"),
        ({"name": "Weekly one"}, "item 1, name: does not match ^[a-z0-9]"),
        ({"audience": "press"}, "item 1, audience: write 'lawmaker' or 'regulator'"),
        ({"since": "monday"}, "item 1, since: not a date: write it like 2026-06-20"),
        ({"every": "day"}, "item 1, every: unknown key"),
    ],
)
def test_mistakes_are_named(change: dict[str, str], message: str) -> None:
    """A mistake in the file is refused with its place and what to write."""
    fields = {
        "name": "weekly",
        "audience": "lawmaker",
        "window": "last-week",
        "at": '"08:00"',
        "time_zone": "UTC",
        **change,
    }
    text = "schedules:\n  - " + "\n    ".join(f"{key}: {value}" for key, value in fields.items())
    with pytest.raises(InvalidSettings) as refused:
        read(text)
    assert "schedules.yaml: schedules, " in str(refused.value)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("schedules: 1", "schedules.yaml: schedules: not a list"),
        ("schedules: [weekly]", "schedules.yaml: schedules, item 1: not keys and values"),
        ("[]", "schedules.yaml: expected keys and values"),
    ],
)
def test_other_forms(text: str, message: str) -> None:
    """A file of another form is refused with the key that is wrong and what to write."""
    with pytest.raises(InvalidSettings) as refused:
        read(text)
    assert str(refused.value).startswith(message)


def test_names_are_their_own() -> None:
    """Two schedules of one name are refused."""
    entry = '{name: one, audience: lawmaker, window: last-week, at: "08:00", time_zone: UTC}'
    with pytest.raises(InvalidSettings, match="schedule 'one' is listed twice"):
        read(f"schedules: [{entry}, {entry}]")

"""Step 1: the words of a request become a window of whole UTC days."""

import contextlib
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from reports.core.errors import InvalidRequest
from reports.core.window import Window, resolve

NOON = datetime(2026, 6, 20, 12, tzinfo=UTC)
DAYS = st.dates(date(1000, 1, 1), date(9000, 1, 1))
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
INSTANTS = st.datetimes(datetime(1000, 1, 1), datetime(9000, 1, 1), timezones=ZONES)


def window(first: str, last: str) -> Window:
    return Window(date.fromisoformat(first), date.fromisoformat(last))


@given(DAYS, st.integers(0, 5000))
def test_any_window_that_is_over_is_read_back_as_it_is_printed(first: date, length: int) -> None:
    """Printing and resolving are inverse."""
    wanted = Window(first, first + timedelta(length))
    after = datetime.combine(wanted.last + timedelta(1), datetime.min.time(), UTC)
    assert wanted == resolve(str(wanted), after)


@given(DAYS, st.integers(0, 1000))
def test_the_days_of_a_window_are_contiguous_and_counted(first: date, length: int) -> None:
    """A window holds exactly the days from its first to its last."""
    found = Window(first, first + timedelta(length))
    assert [first + timedelta(n) for n in range(length + 1)] == list(found.days)
    assert (length + 1) == len(found) == len(found.preceding)
    assert first - timedelta(1) == found.preceding.last
    assert all(day in found for day in found.days)
    assert found.preceding.last not in found
    assert found.last + timedelta(1) not in found


@given(st.sampled_from(["last-week", "last-month", "last-quarter", "last-1-days", "last-45-days"]), INSTANTS)
def test_a_named_window_is_the_last_one_that_is_over(name: str, as_of: datetime) -> None:
    """It ended before `as_of`, and the one after it did not."""
    today = as_of.astimezone(UTC).date()
    found = resolve(name, as_of)
    assert found.first <= found.last < today
    following = found.last + timedelta(1)
    if name == "last-week":
        assert (found.first.weekday(), len(found)) == (0, 7)
        assert following + timedelta(7) > today
    elif name == "last-month":
        assert (found.first.day, following.day) == (1, 1)
        assert (found.first.year, found.first.month) == (found.last.year, found.last.month)
        assert (following.year, following.month) == (today.year, today.month)
    elif name == "last-quarter":
        assert (found.first.day, following.day, found.first.month % 3) == (1, 1, 1)
        assert len(found) in (90, 91, 92)
        assert following.month <= today.month < following.month + 3
    else:
        assert (int(name.split("-")[1]), today) == (len(found), following)


@pytest.mark.parametrize(
    ("text", "as_of", "expected"),
    [
        ("last-week", "2026-01-01T00:00:00Z", window("2025-12-22", "2025-12-28")),
        ("last-week", "2026-06-22T00:00:00Z", window("2026-06-15", "2026-06-21")),
        ("last-week", "2026-06-21T23:59:59Z", window("2026-06-08", "2026-06-14")),
        ("last-month", "2024-03-31T00:00:00Z", window("2024-02-01", "2024-02-29")),
        ("last-month", "2026-01-01T00:00:00Z", window("2025-12-01", "2025-12-31")),
        ("last-quarter", "2026-01-01T00:00:00Z", window("2025-10-01", "2025-12-31")),
        ("last-quarter", "2024-04-01T00:00:00Z", window("2024-01-01", "2024-03-31")),
        ("last-quarter", "2026-03-31T23:59:59Z", window("2025-10-01", "2025-12-31")),
        ("last-1-days", "2026-03-01T00:00:00Z", window("2026-02-28", "2026-02-28")),
        ("last-month", "2026-07-01T01:00:00+02:00", window("2026-05-01", "2026-05-31")),
        ("last-month", "2026-06-30T23:00:00-02:00", window("2026-06-01", "2026-06-30")),
        ("2026-04-22/2026-06-05", "2026-06-06T00:00:00Z", window("2026-04-22", "2026-06-05")),
    ],
)
def test_boundaries_are_midnights_in_utc(text: str, as_of: str, expected: Window) -> None:
    """Years, quarters, leap days, weeks and the zone of `as_of` turn at midnight UTC."""
    assert expected == resolve(text, datetime.fromisoformat(as_of))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("2026-06-05/2026-04-22", "is reversed: write 2026-04-22/2026-06-05"),
        ("2026-06-05/2026-06-04", "is reversed: write 2026-06-04/2026-06-05"),
        ("2026-06-01/2026-06-20", "is not over at 2026-06-20T12:00:00Z: its last day"),
        ("9999-01-01/9999-12-31", "is not over"),
        ("2026-02-29/2026-03-01", "not in the calendar"),
        ("0000-01-01/0001-01-01", "not in the calendar"),
        ("0001-01-01/0001-01-02", "beyond the calendar"),
        ("last-999999999-days", "beyond the calendar"),
        (f"last-{'9' * 5000}-days", "is not a window"),
        ("last-0-days", "is not a window"),
        ("last-05-days", "is not a window"),
        ("last-٤٥-days", "is not a window"),
        ("２０２６-04-22/2026-06-05", "is not a window"),
        ("2026-04-22/2026-06-05\n", "is not a window"),
        ("2026-4-22/2026-6-5", "is not a window"),
        ("2026-04-22", "is not a window"),
        ("2026-04-22--2026-06-05", "is not a window"),
        ("Last-Week", "is not a window"),
        ("", "is not a window"),
    ],
)
def test_what_is_not_a_window_that_is_over_is_refused(text: str, problem: str) -> None:
    """The message is one line and says what is wrong."""
    with pytest.raises(InvalidRequest, match=problem) as refused:
        resolve(text, NOON)
    assert "\n" not in str(refused.value)


@given(st.text())
def test_garbage_is_never_a_window(text: str) -> None:
    """Any other text raises InvalidRequest and nothing else."""
    assume(not text.startswith("last-"))
    with pytest.raises(InvalidRequest):
        resolve(text, NOON)


@given(st.from_regex(r"\A\d{4}-\d\d-\d\d/\d{4}-\d\d-\d\d\Z"))
def test_what_looks_like_a_window_is_one_or_is_refused(text: str) -> None:
    """Nothing but a window or InvalidRequest comes out, whatever the digits."""
    with contextlib.suppress(InvalidRequest):
        assert text == str(resolve(text, NOON))


def test_a_window_may_be_long() -> None:
    """Centuries are a window too, if the calendar holds them."""
    assert len(resolve("last-99999-days", NOON)) == 99_999


def test_an_instant_without_a_zone_is_refused() -> None:
    """A naive `as_of` could be any day."""
    with pytest.raises(InvalidRequest, match="no time zone"):
        resolve("last-week", NOON.replace(tzinfo=None))


def test_an_instant_at_the_end_of_the_calendar_is_refused() -> None:
    """An `as_of` that has no date in UTC has no windows."""
    with pytest.raises(InvalidRequest, match="beyond the calendar"):
        resolve("last-week", datetime.max.replace(tzinfo=timezone(timedelta(hours=-1))))

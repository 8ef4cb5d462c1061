"""Figures: printed numbers, their hedges, and the ledger that remembers them."""

import re
from datetime import date
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.briefing import figures
from reports.briefing.figures import Ledger, Quantity

COUNTS = st.one_of(st.integers(0, 10**4), st.integers(0, 10**10), st.integers(0, 10**20)).flatmap(
    lambda n: st.sampled_from([n, n // 1000 * 1000, n // 10**6 * 10**6])
)
SHARES = st.one_of(
    st.fractions(0, 1),
    st.fractions(0, Fraction(1, 500), max_denominator=10**9),
    st.fractions(Fraction(499, 500), 1, max_denominator=10**9),
)
SCALES = {"": 1, "million": 10**6, "billion": 10**9}


def read(printed: str) -> tuple[str, Fraction]:
    """A printed count as its hedge and its number."""
    match = re.fullmatch(
        r"(|more than|less than|nearly|about) ?(\d{1,3}(?:,\d{3})*|\d+)(\.\d+)? ?(|million|billion)", printed
    )
    assert match, printed
    return match[1], Fraction(match[2].replace(",", "") + (match[3] or "")) * SCALES[match[4]]


@given(COUNTS)
def test_more_than_is_less_than_the_value(value: int) -> None:
    """What follows "more than" is strictly less, by under 1 %; without the words it is the value."""
    hedge, number = read(figures.more_than(value))
    if hedge:
        assert hedge == "more than"
        assert value * Fraction(99, 100) < number < value
    else:
        assert number == value


@given(COUNTS)
def test_nearly_is_at_most_two_per_cent_more_than_the_value(value: int) -> None:
    """What follows "nearly" is strictly greater, by at most 2 %; else the figure is rounded down or exact."""
    printed = figures.nearly(value)
    hedge, number = read(printed)
    if hedge == "nearly":
        assert value < number <= value * Fraction(102, 100)
    elif hedge:
        assert printed == figures.more_than(value)
    else:
        assert number == value


@given(COUNTS)
def test_exact_is_the_value(value: int) -> None:
    """Every digit, and no words."""
    printed = figures.exact(value)
    assert read(printed) == ("", Fraction(value))
    assert printed.replace(",", "") == str(value)


@given(SHARES)
def test_a_percentage_is_right_to_a_tenth(share: Fraction) -> None:
    """A bare percentage is exact, "about" is the nearest tenth, and the other words are true."""
    hedge, number = read(figures.percent(share).removesuffix(" %"))
    truth = share * 100
    assert {
        "": number == truth,
        "about": number != truth and abs(number - truth) <= Fraction(1, 20),
        "more than": number < truth < 100,
        "less than": 0 < truth < number,
    }[hedge]


@given(SHARES)
def test_nothing_and_all_are_never_rounded_to(share: Fraction) -> None:
    """Neither 0 % nor 100 % is printed unless it is so."""
    printed = figures.percent(share)
    assert (printed == "0 %") == (share == 0)
    assert (printed == "100 %") == (share == 1)
    assert not re.search(r"\b(0\.0|100\.0)\b", printed)


@given(
    st.one_of(
        st.fractions(0, 12, max_denominator=1000), st.fractions(0, 10**9), st.integers(0, 50).map(Fraction)
    )
)
def test_a_multiple_is_true(ratio: Fraction) -> None:
    """A bare multiple is exact, "about" is the nearest tenth, and the other words are true."""
    hedge, number = read(figures.multiple(ratio).removesuffix(" times"))
    assert {
        "": number == ratio,
        "about": 0 != number != ratio and abs(number - ratio) <= Fraction(1, 20),
        "more than": ratio * Fraction(90, 100) < number < ratio,
        "less than": 0 < ratio < number,
    }[hedge]


@pytest.mark.parametrize(
    ("value", "more_than", "nearly"),
    [
        (0, "0", "0"),
        (7, "7", "7"),
        (99, "99", "99"),
        (999, "999", "999"),
        (1000, "1,000", "1,000"),
        (1001, "1,001", "1,001"),
        (9_999, "9,999", "9,999"),
        (10_001, "more than 10,000", "more than 10,000"),
        (24_871, "more than 24,800", "nearly 25,000"),
        (999_950, "more than 999,000", "nearly 1 million"),
        (999_999, "more than 999,000", "nearly 1 million"),
        (1_000_000, "1 million", "1 million"),
        (1_050_000, "1.05 million", "1.05 million"),
        (13_000_000, "13 million", "13 million"),
        (28_812_345, "more than 28.8 million", "nearly 29 million"),
        (999_999_999, "more than 999 million", "nearly 1 billion"),
        (1_234_567_890, "more than 1.23 billion", "more than 1.23 billion"),
        (1_234_567_000_000, "more than 1,230 billion", "more than 1,230 billion"),
    ],
)
def test_counts_read_as_people_say_them(value: int, more_than: str, nearly: str) -> None:
    """Thousands in digits, then millions and billions."""
    assert (more_than, nearly) == (figures.more_than(value), figures.nearly(value))


@pytest.mark.parametrize(
    ("share", "printed"),
    [
        (Fraction(0), "0 %"),
        (Fraction(1, 10**9), "less than 0.1 %"),
        (Fraction(1, 2000), "less than 0.1 %"),
        (Fraction(6, 10**4), "about 0.1 %"),
        (Fraction(1, 3), "about 33.3 %"),
        (Fraction(1, 2), "50 %"),
        (Fraction(125, 1000), "12.5 %"),
        (Fraction(1999, 2000), "more than 99.9 %"),
        (1 - Fraction(1, 10**40), "more than 99.9 %"),
        (Fraction(1), "100 %"),
    ],
)
def test_shares_read_as_people_say_them(share: Fraction, printed: str) -> None:
    """To one decimal, exact where that is exact."""
    assert printed == figures.percent(share)


@pytest.mark.parametrize(
    ("ratio", "printed"),
    [
        (Fraction(1, 30), "less than 0.1 times"),
        (Fraction(1, 20), "less than 0.1 times"),
        (Fraction(1, 3), "about 0.3 times"),
        (Fraction(16, 5), "3.2 times"),
        (Fraction(3), "3 times"),
        (Fraction(22, 7), "about 3.1 times"),
        (Fraction(7493, 10), "more than 749 times"),
        (Fraction(123_456, 10), "more than 12,300 times"),
    ],
)
def test_multiples_read_as_people_say_them(ratio: Fraction, printed: str) -> None:
    """To one decimal below ten, rounded down above."""
    assert printed == figures.multiple(ratio)


@pytest.mark.parametrize(
    ("hedge", "value", "printed"),
    [
        ("more than", 13_000_000, "more than 13 million"),
        ("about", 24_000, "about 24,000"),
        ("exactly", 150_000, "150,000"),
    ],
)
def test_a_published_figure_keeps_its_hedge(hedge: str, value: int, printed: str) -> None:
    """The hedge is that of the source, and an exact figure has none."""
    assert printed == figures.hedged(hedge)(value)


def test_the_ledger_lists_a_figure_once() -> None:
    """The same quantity printed alike is one figure; printed otherwise, or from elsewhere, it is another."""
    ledger = Ledger()
    accounts = Quantity(24_871, "accounts", "tallies", {"heading": "total"})
    other = Quantity(24_871, "accounts", "history", {"heading": "total"})
    printings = ((accounts, "24,871"), (accounts, "24,871"), (accounts, "nearly 25,000"), (other, "24,871"))
    assert [ledger.record(*printing).id for printing in printings] == ["F1", "F1", "F2", "F3"]
    assert [figure.id for figure in ledger.figures.values()] == ["F1", "F2", "F3"]


@pytest.mark.parametrize(
    ("value", "listed"), [(7, 7), (Fraction(1, 4), 0.25), (date(2026, 4, 22), "2026-04-22")]
)
def test_a_figure_is_listed_with_its_exact_value(value: int | Fraction | date, listed: object) -> None:
    """Counts are integers, shares numbers and days text; the question and the row say where it is from."""
    figure = Ledger().record(Quantity(value, "unit", "tallies", {"heading": "day"}), "printed")
    assert figure.data == {
        "id": "F1",
        "value": listed,
        "unit": "unit",
        "printed": "printed",
        "question": "tallies",
        "row": {"heading": "day"},
    }
    assert type(listed) is type(figure.data["value"])


def test_a_share_keeps_both_its_rows() -> None:
    """A ratio is exact and names the two rows that it is made of."""
    part = Quantity(1, "exchanges", "tallies", {"campaign_id": "A"})
    whole = Quantity(3, "exchanges", "tallies", {"heading": "total"})
    share = part.per(whole)
    assert (Fraction(1, 3), "share") == (share.value, share.unit)
    assert share.row["ratio"] == [{"campaign_id": "A"}, {"heading": "total"}]

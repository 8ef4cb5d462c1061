"""Tables that a spreadsheet takes as they are meant."""

import pytest

from reports.core.csv_tables import cell


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        "  =1",
        "\u00a0=1",
        "\u3000=1",
        "＝1+1",
        "－1",
        "-",
    ],
)
def test_what_would_start_a_formula_is_text(text: str) -> None:
    """An apostrophe goes in front, and nothing is lost."""
    assert cell(text) == f"'{text}"


@pytest.mark.parametrize("value", ["", "A", "AC-2026-04", "a=b", "1", " a", 0, -1, 3.5, None])
def test_what_is_no_formula_stays_as_it_is(value: object) -> None:
    """Plain text and numbers need no apostrophe."""
    assert cell(value) is value

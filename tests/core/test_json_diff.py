"""Where two pieces of JSON differ."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.core.json_diff import ABSENT, Difference, differences

SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=3)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)
DATA = {
    "exchanges": 5,
    "campaigns": [
        {
            "campaign_id": "A",
            "by_day": [{"day": "2026-05-01", "exchanges": 2}, {"day": "2026-05-02", "exchanges": 3}],
        },
        {"campaign_id": None, "by_day": []},
    ],
    "techniques": ["x", "y"],
}


@given(JSON)
def test_nothing_differs_from_itself(data: Any) -> None:
    """The same JSON has no differences."""
    assert list(differences(data, copy.deepcopy(data))) == []


@given(JSON, JSON)
def test_what_is_not_equal_differs(before: Any, after: Any) -> None:
    """Two pieces that are not the same have a difference, whichever comes first."""
    if repr(before) != repr(after) and before != after:
        assert list(differences(before, after))
        assert list(differences(after, before))


def _set(data: dict[str, Any]) -> None:
    data["campaigns"][0]["by_day"][1]["exchanges"] = 4


def _drop(data: dict[str, Any]) -> None:
    del data["campaigns"][0]["by_day"][0]


def _swap(data: dict[str, Any]) -> None:
    data["campaigns"].reverse()


def _list(data: dict[str, Any]) -> None:
    data["techniques"].append("z")


def _kind(data: dict[str, Any]) -> None:
    data["exchanges"] = True


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (_set, [Difference("campaigns[A].by_day[2026-05-02].exchanges", 3, 4)]),
        (
            _drop,
            [Difference("campaigns[A].by_day[2026-05-01]", {"day": "2026-05-01", "exchanges": 2}, ABSENT)],
        ),
        (_swap, []),
        (_list, [Difference("techniques", ["x", "y"], ["x", "y", "z"])]),
        (_kind, [Difference("exchanges", 5, True)]),
    ],
)
def test_differences_are_placed(change: Any, found: list[Difference]) -> None:
    """A difference has the path of the item, by its key and not by its place in the list, and both values."""
    after = copy.deepcopy(DATA)
    change(after)
    assert list(differences(DATA, after)) == found


def test_what_is_absent_is_left_out() -> None:
    """As JSON, a difference has no value where there is none; null is a value."""
    assert Difference("a", None, ABSENT).data("from", "to") == {"at": "a", "from": None}

"""Where two pieces of JSON differ, item by item."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

ABSENT: Final[Any] = object()
# The keys that identify an item of a list; the first that is there counts
KEYS = (
    *("id", "campaign_id", "campaign", "name"),
    *("day", "capability", "detector", "network", "country", "confidence"),
)


@dataclass(frozen=True, slots=True)
class Difference:
    """A place, like `campaigns[C-1].by_day[2026-05-01].exchanges`, and its values; `ABSENT` where there is none."""

    at: str
    before: Any
    after: Any

    def data(self, before: str, after: str) -> dict[str, Any]:
        """The difference as JSON has it, with names for its values; what is absent is left out."""
        values = {before: self.before, after: self.after}
        return {"at": self.at, **{name: value for name, value in values.items() if value is not ABSENT}}


def differences(before: Any, after: Any, at: str = "") -> Iterator[Difference]:
    """Every place where two pieces of JSON differ; items of lists are identified by their key, not by their place."""
    pair = _named(before, after)
    if pair is None:
        if type(before) is not type(after) or before != after:
            yield Difference(at, before, after)
        return
    of_before, of_after = pair
    for key in dict.fromkeys((*of_before, *of_after)):
        inner = f"{at}[{key}]" if isinstance(before, list) else f"{at}.{key}" if at else str(key)
        yield from differences(of_before.get(key, ABSENT), of_after.get(key, ABSENT), inner)


def _named(before: Any, after: Any) -> tuple[Mapping[Any, Any], Mapping[Any, Any]] | None:
    """Two collections with their items by name; None for values that can only be compared as a whole."""
    if isinstance(before, dict) and isinstance(after, dict):
        return before, after
    if not isinstance(before, list) or not isinstance(after, list):
        return None
    key = next((key for key in KEYS if _names(before, key) and _names(after, key)), None)
    return (
        None if key is None else ({each[key]: each for each in before}, {each[key]: each for each in after})
    )


def _names(items: Sequence[Any], key: str) -> bool:
    """Whether each item has a value of its own under a key."""
    if not all(
        isinstance(item, dict) and isinstance(item.get(key, ABSENT), str | int | float | None)
        for item in items
    ):
        return False
    return len({item[key] for item in items}) == len(items)

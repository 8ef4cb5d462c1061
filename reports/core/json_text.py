"""JSON from outside, of which every reader makes the same."""

from __future__ import annotations

import json
from typing import Any


def read_json(content: bytes) -> Any:
    """What a JSON text says; raises `ValueError` where it is none, has a key twice, or a number that is none."""
    try:
        return json.loads(content.decode(), object_pairs_hook=_once_each, parse_constant=_no_number)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a key is there twice")
    return dict(pairs)


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is not a number")

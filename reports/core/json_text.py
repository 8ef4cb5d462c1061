"""JSON from outside, limited to what every reader parses alike."""

from __future__ import annotations

import json
from typing import Any


def read_json(content: bytes) -> Any:
    """Parse JSON; raises `ValueError` if the text is not JSON, repeats a key, or holds NaN or Infinity."""
    try:
        return json.loads(content.decode(), object_pairs_hook=_once_each, parse_constant=_no_number)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a key appears twice")
    return dict(pairs)


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is not a number")

"""The head of the register of publications, which each briefing prints."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Head:
    """How many entries there are, and the SHA-256 of the last one's bytes, in hexadecimal; None if there are none."""

    entries: int
    sha256: str | None


EMPTY = Head(0, None)

"""The result of a check."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

VerdictOutcome = Literal["valid", "invalid", "could not be checked"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of one check, and the reason in one line."""

    check: str
    outcome: VerdictOutcome
    detail: str


def exit_status(verdicts: Iterable[Verdict]) -> int:
    """0 if all verdicts are valid, 1 if one is invalid, else 3."""
    outcomes = {verdict.outcome for verdict in verdicts}
    return 1 if "invalid" in outcomes else 3 if "could not be checked" in outcomes else 0

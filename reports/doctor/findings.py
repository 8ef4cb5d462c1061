"""What a check of a deployed stack finds: what is wrong, in one sentence, and in another what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from reports.core.errors import ExhibitError

Outcome = Literal["good", "warning", "wrong", "could not be checked"]
# The worst of several counts
ORDER: tuple[Outcome, ...] = ("wrong", "could not be checked", "warning", "good")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not good: `what` is wrong, and what to do about it, `remedy`."""

    outcome: Outcome
    what: str
    remedy: str


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What a check found; `claim` is what holds where it found nothing."""

    check: str
    claim: str
    findings: tuple[Finding, ...]

    @property
    def outcome(self) -> Outcome:
        """The worst of what was found."""
        found = {finding.outcome for finding in self.findings}
        return next((outcome for outcome in ORDER if outcome in found), "good")


@dataclass(frozen=True, slots=True)
class Report:
    """All checks of a stack."""

    stack: str
    region: str
    checked_at: datetime
    checks: tuple[CheckResult, ...]

    def count(self, outcome: Outcome) -> int:
        """How many checks came out so."""
        return sum(check.outcome == outcome for check in self.checks)

    @property
    def exit_status(self) -> int:
        """1 if something is wrong, else 3 if something could not be checked, else 0."""
        return 1 if self.count("wrong") else 3 if self.count("could not be checked") else 0


def wrong(what: str, remedy: str) -> Finding:
    """A finding of a fault."""
    return Finding("wrong", what, remedy)


def warning(what: str, remedy: str) -> Finding:
    """A finding of what is not a fault, and may become one."""
    return Finding("warning", what, remedy)


def of_error(outcome: Outcome, error: ExhibitError) -> Finding:
    """An error as a finding: its message ends with what to do, after the last colon."""
    what, colon, remedy = str(error).rpartition(": ")
    if not colon:
        what, remedy = remedy, "see what it says, and run this again"
    return Finding(outcome, what, _sentence(remedy))


def phrase(items: Sequence[str]) -> str:
    """Some words in a row, as a sentence lists them."""
    return f"{', '.join(items[:-1])} and {items[-1]}" if items[1:] else "".join(items)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."

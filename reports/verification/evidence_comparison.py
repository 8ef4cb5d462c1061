"""Whether given evidence is what a briefing was computed from. Part of step 7.

The objects are known by their names and digests. Neither is a matter of today's rules: what another release read stays
its evidence, beside whatever would be refused now.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from reports.briefing.figures import counted
from reports.core.errors import InvalidEvidence
from reports.core.verdict import Verdict
from reports.evidence.source import EvidenceObject, ListedObject, locate
from reports.verification.record import Record


class Holding(Protocol):
    """A holder of evidence that finds its objects by name only."""

    def list(self) -> tuple[ListedObject, ...]:
        """Every evidence object, by the rules of this release; raises `InvalidEvidence` if they refuse one."""

    def names(self) -> Iterable[str]:
        """The name of every object below the folders of both layouts, without applying any rules."""

    def named(self, names: Iterable[str]) -> tuple[EvidenceObject, ...]:
        """Digest the objects of some names as they are now; those that are not there are left out."""


@dataclass(frozen=True, slots=True)
class EvidenceComparison:
    """The recorded objects that are missing or have changed, and what was added that would be read now; by name.

    `added` is complete where this release made the briefing and refuses nothing of the evidence (`complete`). Otherwise
    it has what any release would have read: what is in partitions of the window, or beside a recorded object.
    """

    recorded: int
    missing: tuple[str, ...]
    changed: tuple[str, ...]
    added: tuple[str, ...]
    complete: bool = True

    @property
    def data(self) -> dict[str, int | tuple[str, ...]]:
        """The comparison as JSON has it."""
        return {
            "recorded": self.recorded,
            "missing": self.missing,
            "changed": self.changed,
            "added": self.added,
        }

    @property
    def verdict(self) -> Verdict:
        """The verdict `evidence`."""
        found = {"missing": self.missing, "changed": self.changed, "added since": self.added}
        faults = [_fault(what, names) for what, names in found.items() if names]
        if faults:
            return Verdict("evidence", "invalid", "; ".join(faults))
        are = counted(self.recorded, "evidence object is", "evidence objects are")
        others = "no others" if self.complete else "no others in the partitions of the window"
        return Verdict("evidence", "valid", f"{are} there, unchanged, and {others}")


def held(record: Record, source: Holding) -> EvidenceComparison:
    """Compare the objects that a source holds with those that a briefing records.

    Objects that a briefing of the same window would not read do not matter, nor those in later partitions than any that
    is recorded. Raises the errors of the source.
    """
    present = {o.name: o.sha256 for o in source.named(record.objects)}
    if not present:
        source.list()  # tells where this is no evidence at all
    read = _read_now(record, source)
    added = _surely_read(record, source) if read is None else read
    return EvidenceComparison(
        len(record.objects),
        missing=tuple(name for name in record.objects if name not in present),
        changed=tuple(name for name, digest in present.items() if digest != record.objects[name].sha256),
        added=tuple(name for name in added if name not in record.objects),
        complete=read is not None,
    )


def _read_now(record: Record, source: Holding) -> list[str] | None:
    """What a briefing of the same window reads; None if another release read it, or this one refuses to."""
    if not record.of_this_release:
        return None
    try:
        listed = source.list()
    except InvalidEvidence:
        return None
    newest = max((o.day for o in listed if o.name in record.objects), default=record.window.last)
    return [o.name for o in listed if o.day <= newest and record.inquiry.reads(o)]


def _surely_read(record: Record, source: Holding) -> list[str]:
    """What every release reads for a window: the objects of its days, and of partitions that were read."""
    located = {name: place for name in source.names() if (place := _located(name))}
    recorded = {(place.layout, place.day) for name, place in located.items() if name in record.objects}
    return [
        name
        for name, place in located.items()
        if place.day in record.window or (place.layout, place.day) in recorded
    ]


def _located(name: str) -> ListedObject | None:
    try:
        return locate(name, 0)
    except InvalidEvidence:
        return None


def _fault(what: str, names: tuple[str, ...]) -> str:
    others = f" and {len(names) - 1} others" if len(names) > 1 else ""
    return f"{what}: {names[0]}{others}"

"""Whether given evidence is what a briefing was computed from. Part of step 7.

The objects are known by their names and digests. Neither is a matter of today's rules: what another release read stays
its evidence, beside whatever would be refused now.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from reports.briefing.figures import counted
from reports.core.errors import InvalidEvidence, Unavailable
from reports.core.verdict import Verdict
from reports.evidence.source import EvidenceObject, ListedObject, locate
from reports.verification.record import Record

ALL = ", and no others"
NO_TABLE = "it was not made from a table: leave out --engine and --table"


class Holding(Protocol):
    """A holder of evidence that finds its objects by name only."""

    def list(self) -> tuple[ListedObject, ...]:
        """Every evidence object, by the rules of this release; raises `InvalidEvidence` if they refuse one."""

    def names(self) -> Iterable[str]:
        """The name of every object below the folders of both layouts, without applying any rules."""

    def named(self, names: Iterable[str]) -> tuple[EvidenceObject, ...]:
        """Digest the objects of some names as they are now; those that are not there are left out."""


@runtime_checkable
class TableHolding(Holding, Protocol):
    """A table or view, which holds the objects whose rows it shows."""

    def as_recorded(self, table: str, snapshot: int | None, names: Iterable[str]) -> Holding:
        """The same at a snapshot, of which objects of some names are recorded; `Unavailable` if it is another table."""


@dataclass(frozen=True, slots=True)
class EvidenceComparison:
    """The recorded objects that are missing or have changed, and what was added that would be read now; by name.

    `others` says which more were looked for: all that a briefing reads, where this release made it and refuses nothing
    of the evidence; or what any release would have read, which is in partitions of the window or beside a recorded
    object; or none, where a table of the issuer's own would have to be asked.
    """

    recorded: int
    missing: tuple[str, ...]
    changed: tuple[str, ...]
    added: tuple[str, ...]
    others: str = ALL

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
        return Verdict("evidence", "valid", f"{are} there, unchanged{self.others}")


def held(record: Record, source: Holding) -> EvidenceComparison:
    """Compare the objects that a source holds with those that a briefing records.

    Objects that a briefing of the same window would not read do not matter, nor those in later partitions than any that
    is recorded. Raises the errors of the source.
    """
    source = _as_recorded(record, source)
    present = {o.name: o.sha256 for o in source.named(record.objects)}
    if not present:
        source.list()  # tells where this is no evidence at all
    added, others = _others(record, source)
    return EvidenceComparison(
        len(record.objects),
        missing=tuple(name for name in record.objects if name not in present),
        changed=tuple(name for name, digest in present.items() if digest != record.objects[name].sha256),
        added=tuple(name for name in added if name not in record.objects),
        others=others,
    )


def _as_recorded(record: Record, source: Holding) -> Holding:
    """A table as a briefing records it; evidence elsewhere as it is."""
    table = record.statement.predicate.table
    if not isinstance(source, TableHolding):
        return source
    if table is None:
        raise Unavailable(NO_TABLE)
    return source.as_recorded(table.name, table.snapshot, record.objects)


def _others(record: Record, source: Holding) -> tuple[list[str], str]:
    """What a briefing of the same window would read, and how much of that was looked for."""
    table = record.statement.predicate.table
    if table and not isinstance(source, TableHolding):
        return [], f"; whether table {table.name!a} shows others was not asked: give --engine and --table"
    read = _read_now(record, source)
    if read is not None:
        return read, ALL
    if table:
        return [], f"; which others table {table.name!a} shows could not be told"
    return _surely_read(record, source), ", and no others in the partitions of the window"


def _read_now(record: Record, source: Holding) -> list[str] | None:
    """What a briefing of the same window reads; None if another release read it, or this one refuses to."""
    if not record.of_this_release:
        return None
    try:
        listed = source.list()
    except InvalidEvidence:
        return None
    newest = max((o.until or o.day for o in listed if o.name in record.objects), default=record.window.last)
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

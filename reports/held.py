"""Whether the evidence that somebody holds is what a briefing was computed from. Part of step 7."""

from __future__ import annotations

from dataclasses import dataclass

from reports.evidence import EvidenceSource
from reports.figures import counted
from reports.record import Record
from reports.verify import Verdict


@dataclass(frozen=True, slots=True)
class Held:
    """The recorded objects that are missing or have changed, and what was added that would be read now; by name."""

    recorded: int
    missing: tuple[str, ...]
    changed: tuple[str, ...]
    added: tuple[str, ...]

    @property
    def verdict(self) -> Verdict:
        """The verdict `evidence`."""
        found = {"missing": self.missing, "changed": self.changed, "added since": self.added}
        faults = [_fault(what, names) for what, names in found.items() if names]
        if faults:
            return Verdict("evidence", "invalid", "; ".join(faults))
        are = counted(self.recorded, "evidence object is", "evidence objects are")
        return Verdict("evidence", "valid", f"{are} there, unchanged, and no others")


def held(record: Record, source: EvidenceSource) -> Held:
    """Compare the objects that a source holds with those that a briefing records.

    Objects that a briefing of the same window would not read do not matter, nor those in later partitions than any that
    is recorded. Raises the errors of the source.
    """
    listed = source.list()
    present = {o.name: o for o in listed if o.name in record.objects}
    pinned = source.pin(present.values())
    newest = max((o.day for o in present.values()), default=record.window.last)
    return Held(
        len(record.objects),
        missing=tuple(name for name in record.objects if name not in present),
        changed=tuple(o.name for o in pinned if o.sha256 != record.objects[o.name].sha256),
        added=tuple(
            o.name
            for o in listed
            if o.name not in record.objects and o.day <= newest and record.inquiry.reads(o)
        ),
    )


def _fault(what: str, names: tuple[str, ...]) -> str:
    others = f" and {len(names) - 1} others" if len(names) > 1 else ""
    return f"{what}: {names[0]}{others}"

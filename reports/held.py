"""Whether the evidence that somebody holds is what a briefing was computed from. Part of step 7."""

from __future__ import annotations

from dataclasses import dataclass

from reports import __version__
from reports.errors import InvalidEvidence
from reports.evidence import EvidenceSource
from reports.figures import counted
from reports.record import Record
from reports.verify import Verdict


@dataclass(frozen=True, slots=True)
class Held:
    """The recorded objects that are missing or have changed, and what was added that would be read now; by name.

    `refused` is why no briefing could be made from this place now, where another release made this one: what was added
    is not known then.
    """

    recorded: int
    missing: tuple[str, ...]
    changed: tuple[str, ...]
    added: tuple[str, ...]
    refused: str | None = None

    @property
    def verdict(self) -> Verdict:
        """The verdict `evidence`."""
        found = {"missing": self.missing, "changed": self.changed, "added since": self.added}
        faults = [_fault(what, names) for what, names in found.items() if names]
        if faults:
            return Verdict("evidence", "invalid", "; ".join(faults))
        are = counted(self.recorded, "evidence object is", "evidence objects are")
        others = f"; what else is there is refused now: {self.refused}" if self.refused else ", and no others"
        return Verdict("evidence", "valid", f"{are} there, unchanged{others}")


def held(record: Record, source: EvidenceSource) -> Held:
    """Compare the objects that a source holds with those that a briefing records.

    Objects that a briefing of the same window would not read do not matter, nor those in later partitions than any that
    is recorded. Raises the errors of the source, but for what only a later release than the briefing's refuses.
    """
    present = {o.name: o for o in source.list(record.objects.keys())}
    refused = None
    try:
        listed = source.list()
    except InvalidEvidence as error:
        if record.statement.predicate.software.version == __version__ or not present:
            raise
        listed, refused = (), str(error)
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
        refused=refused,
    )


def _fault(what: str, names: tuple[str, ...]) -> str:
    others = f" and {len(names) - 1} others" if len(names) > 1 else ""
    return f"{what}: {names[0]}{others}"

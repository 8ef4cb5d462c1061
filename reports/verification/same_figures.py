"""Whether a briefing to be signed has the same figures as the edition before it, which another release made."""

from __future__ import annotations

from datetime import datetime

from reports.briefing.compose import SameFigures
from reports.briefing.content import Content
from reports.core.errors import CheckFailed, Unavailable
from reports.pages.assets import Resources
from reports.pages.typeset import typeset
from reports.verification.compare import remade
from reports.verification.record import Record, record, unsigned_record
from reports.verification.signature import verify


def same_figures(before: bytes, content: Content, resources: Resources, now: datetime) -> SameFigures | None:
    """The edition before, a PDF, if only its release of Exhibit differs; None also if it cannot be read.

    Raises `InvalidSettings` as `typeset` does.
    """
    earlier = _read(before, now)
    if earlier is None:
        return None
    from reports.pages.render import pages_record  # noqa: PLC0415 -- loads WeasyPrint

    _, ledger = typeset(content, resources)
    again = unsigned_record(content, tuple(ledger.figures.values()), pages_record(content))
    if not remade(earlier, again):
        return None
    return SameFigures(earlier.said.edition, earlier.statement.predicate.software.version)


def _read(pdf: bytes, now: datetime) -> Record | None:
    try:
        return record(pdf, verify(pdf, None, now)[0])
    except (CheckFailed, Unavailable):
        return None

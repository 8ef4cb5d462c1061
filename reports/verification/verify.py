"""Step 7 as a whole: every verdict on a briefing, from its file and, if the reader has it, the evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from cryptography import x509

from reports.core.errors import CheckFailed, ExhibitError
from reports.core.progress import Progress
from reports.core.verdict import Verdict, exit_status
from reports.verification.attachments import Contents, attachments_verdict, contents
from reports.verification.signature import briefing_length, verify

if TYPE_CHECKING:
    from reports.core.json_diff import Difference
    from reports.verification.evidence_comparison import EvidenceComparison
    from reports.verification.record import Record
    from reports.verification.reproduce import Reader


@dataclass(frozen=True, slots=True)
class CheckReport:
    """The verdicts on a briefing, in the order in which they are told.

    `held` is how the evidence compares, and `differences` where the briefing differs from one that is made again; None
    and nothing where neither could be asked. `briefing_bytes` is how many bytes at the start of the file are a
    briefing, if another product added something after them.
    """

    verdicts: tuple[Verdict, ...]
    held: EvidenceComparison | None = None
    differences: tuple[Difference, ...] = ()
    briefing_bytes: int | None = None

    @property
    def exit_status(self) -> int:
        """That of its verdicts."""
        return exit_status(self.verdicts)


def judge(  # noqa: PLR0913 -- trust in signers and in time-stamps are two things
    pdf: bytes,
    trust: Sequence[x509.Certificate] | None,
    now: datetime,
    reader: Reader | None = None,
    progress: Progress = lambda *_: None,
    *,
    trust_tsa: Sequence[x509.Certificate] = (),
) -> CheckReport:
    """Check a PDF as `verify` says, and its attachments; with a reader's evidence, that and whether it reproduces.

    Any bytes get verdicts; nothing is raised. If a file is not intact and signed, its
    attachments cannot be valid, and are not compared with the evidence.
    """
    integrity, *others = verify(pdf, trust, now, trust_tsa)
    found = contents(pdf)
    attachments = attachments_verdict(found)
    if attachments.outcome == "valid" != integrity.outcome:
        detail = f"it cannot be trusted: {integrity.detail}"
        attachments = Verdict("attachments", "could not be checked", detail)
    verdicts = (integrity, *others, attachments)
    judged = (
        CheckReport(verdicts) if reader is None else _against_evidence(pdf, found, verdicts, reader, progress)
    )
    length = briefing_length(pdf) if integrity.outcome == "could not be checked" else None
    return judged if length is None else replace(judged, briefing_bytes=length)


def _against_evidence(
    pdf: bytes,
    found: Contents | Verdict,
    verdicts: tuple[Verdict, ...],
    reader: Reader,
    progress: Progress,
) -> CheckReport:
    from reports.verification.record import record  # noqa: PLC0415 -- only what is asked for is loaded

    try:
        recorded = record(pdf, verdicts[0], found)
    except ExhibitError as error:
        unread = (
            Verdict(check, "could not be checked", str(error)) for check in ("evidence", "reproduction")
        )
        return CheckReport((*verdicts, *unread))
    evidence, compared = _evidence(recorded, reader, progress)
    reproduction, differences = _reproduction(recorded, reader, progress)
    return CheckReport((*verdicts, evidence, reproduction), compared, differences)


def _evidence(
    recorded: Record, reader: Reader, progress: Progress
) -> tuple[Verdict, EvidenceComparison | None]:
    from reports.verification.evidence_comparison import held  # noqa: PLC0415

    progress("evidence", 0, 0)
    try:
        found = held(recorded, reader.source)
    except ExhibitError as error:
        return Verdict("evidence", "could not be checked", str(error)), None
    return found.verdict, found


def _reproduction(
    recorded: Record, reader: Reader, progress: Progress
) -> tuple[Verdict, tuple[Difference, ...]]:
    from reports.verification.reproduce import reproduce  # noqa: PLC0415

    try:
        found = reproduce(recorded, reader, progress)
    except CheckFailed as error:
        return Verdict("reproduction", "invalid", str(error)), ()
    except ExhibitError as error:
        return Verdict("reproduction", "could not be checked", str(error)), ()
    except Exception as error:  # a forged record may contain anything
        detail = f"it cannot be reproduced ({type(error).__name__}: {error})"
        return Verdict("reproduction", "could not be checked", " ".join(detail.split())), ()
    return found.verdict, found.differences

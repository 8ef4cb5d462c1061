"""Step 7, in part: whether somebody's evidence is what a briefing was computed from."""

from pathlib import Path

from reports.evidence.source import FolderEvidence
from reports.verification.evidence_comparison import EvidenceComparison, held
from tests.support.checking import copied, judged, outcomes, recorded
from tests.support.publishing import Published

DAY = "detections/event_day=2026-05-0"


def compared(golden: dict[str, Published], evidence: Path) -> EvidenceComparison:
    """How a folder compares with what the scenario `revisions` records."""
    return held(recorded(golden["revisions"].pdf.read_bytes()), FolderEvidence(evidence))


def test_unchanged(golden: dict[str, Published], tmp_path: Path) -> None:
    """Evidence that is as it was is valid, and stays so when something lands that the briefing would not read."""
    evidence = copied("revisions", tmp_path)
    later = evidence / f"{DAY}9"
    later.mkdir()
    (later / "a.jsonl").write_text("")
    found = compared(golden, evidence)
    assert (found.missing, found.changed, found.added) == ((), (), ())
    assert (found.verdict.check, found.verdict.outcome) == ("evidence", "valid")
    assert found.verdict.detail == f"{found.recorded} evidence objects are there, unchanged, and no others"


def test_every_fault_is_named(golden: dict[str, Published], tmp_path: Path) -> None:
    """What vanished, what changed and what was added since are told apart, each by name."""
    evidence = copied("revisions", tmp_path)
    (evidence / f"{DAY}1/first.csv").unlink()
    (evidence / f"{DAY}2/all.jsonl").write_text("{}")
    (evidence / f"{DAY}3/new.jsonl").write_text("{}")
    (evidence / f"{DAY}3/newer.jsonl").write_text("{}")
    found = compared(golden, evidence)
    assert found.missing == (f"{DAY}1/first.csv",)
    assert found.changed == (f"{DAY}2/all.jsonl",)
    assert found.added == (f"{DAY}3/new.jsonl", f"{DAY}3/newer.jsonl")
    assert found.verdict.outcome == "invalid"
    assert found.verdict.detail == (
        f"missing: {DAY}1/first.csv; changed: {DAY}2/all.jsonl; added since: {DAY}3/new.jsonl and 1 others"
    )


def test_what_cannot_be_read(golden: dict[str, Published], tmp_path: Path) -> None:
    """A folder in an object's place is no object that changed: it could not be checked, and is named."""
    evidence = copied("revisions", tmp_path)
    (evidence / f"{DAY}2/all.jsonl").unlink()
    (evidence / f"{DAY}2/all.jsonl").mkdir()
    found = judged(golden["revisions"].pdf.read_bytes(), evidence)
    assert outcomes(found) == ("could not be checked", "could not be checked")
    assert all(f"{DAY}2/all.jsonl: is a" in verdict.detail for verdict in found.verdicts[-2:])

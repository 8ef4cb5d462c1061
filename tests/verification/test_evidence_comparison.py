"""Step 7, in part: whether somebody's evidence is what a briefing was computed from."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import pytest

from reports.core.errors import Unavailable
from reports.evidence.source import EvidenceObject, FolderEvidence, ListedObject
from reports.verification.evidence_comparison import EvidenceComparison, held
from reports.verification.explain import explain
from reports.verification.record import OwnTable, Record
from tests.support.checking import copied, held_by, judged, outcomes, recorded
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


@dataclass(frozen=True)
class Table:
    """A table that shows the recorded objects of its snapshot, and others."""

    folder: FolderEvidence
    others: tuple[ListedObject, ...] = ()
    snapshot: int | None = None

    def as_recorded(self, table: str, snapshot: int | None, names: Iterable[str]) -> "Table":
        assert table == "lab.findings"
        assert set(names)
        return replace(self, snapshot=snapshot)

    def list(self) -> tuple[ListedObject, ...]:
        assert self.snapshot == 7
        return (*self.folder.list(), *self.others)

    def names(self) -> Iterable[str]:
        return ()

    def named(self, names: Iterable[str]) -> tuple[EvidenceObject, ...]:
        return self.folder.named(names)


def of_table(golden: dict[str, Published]) -> Record:
    """What the scenario `revisions` would record, had it been made from a table of objects of two days each."""
    found = recorded(golden["revisions"].pdf.read_bytes())
    days = {"from": "2026-05-01", "to": "2026-05-02"}
    subjects = tuple(
        each.model_copy(
            update={
                "annotations": each.annotations.model_validate(
                    {**each.annotations.model_dump(), "days": days}
                )
            }
        )
        for each in found.statement.subject
    )
    table = OwnTable(name="lab.findings", layout="flat", definition="CREATE TABLE …", snapshot=7)
    predicate = found.statement.predicate.model_copy(update={"table": table})
    statement = found.statement.model_copy(update={"subject": subjects, "predicate": predicate})
    return replace(found, statement=statement)


def test_objects_of_a_table_without_the_table(golden: dict[str, Published], tmp_path: Path) -> None:
    """Their digests are compared; nothing is said of others, and the figures cannot be checked."""
    evidence, record = copied("revisions", tmp_path), of_table(golden)
    (evidence / f"{DAY}3/new.jsonl").write_text("{}")
    verdict = held(record, FolderEvidence(evidence)).verdict
    assert verdict.outcome == "valid"
    assert verdict.detail.endswith(
        "there, unchanged; whether table 'lab.findings' shows others was not asked: give --engine and --table"
    )
    with (
        pytest.raises(Unavailable, match=r"its figures come from table 'lab.findings'"),
        held_by(evidence).means(record),
    ):
        pass
    (evidence / f"{DAY}2/all.jsonl").write_text("{}")
    assert held(record, FolderEvidence(evidence)).changed == (f"{DAY}2/all.jsonl",)


def test_a_table_is_asked_at_its_snapshot(golden: dict[str, Published], tmp_path: Path) -> None:
    """And for what it shows besides, on the days that a briefing reads."""
    folder, record = FolderEvidence(copied("revisions", tmp_path)), of_table(golden)
    assert held(record, Table(folder)).verdict.detail.endswith("unchanged, and no others")
    first = record.window.first
    later = ListedObject("lab/later", "flat", date(2027, 1, 1), "", 1, until=date(2027, 1, 2))
    sooner = ListedObject("lab/sooner", "flat", date(2020, 1, 1), "", 1, until=first)
    assert held(record, Table(folder, (later, sooner))).added == ("lab/sooner",)


def test_a_briefing_that_was_not_made_from_a_table(golden: dict[str, Published], tmp_path: Path) -> None:
    folder = FolderEvidence(copied("revisions", tmp_path))
    with pytest.raises(Unavailable, match="not made from a table: leave out --engine and --table"):
        held(recorded(golden["revisions"].pdf.read_bytes()), Table(folder))


def test_objects_of_a_table_are_behind_the_figures_of_their_days(golden: dict[str, Published]) -> None:
    """By the days that are recorded, which names do not say."""
    record = of_table(golden)
    by_day = {
        str(chain.figure.row["day"]): len(chain.objects)
        for figure in record.said.figures
        if "day" in figure.row
        for chain in explain(record, figure.id)
    }
    assert {n for day, n in by_day.items() if day <= "2026-05-02"} == {len(record.objects)}
    assert {n for day, n in by_day.items() if day > "2026-05-02"} <= {0}

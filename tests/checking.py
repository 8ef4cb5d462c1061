"""Readers who hold the evidence of a published briefing, and issuers who sign something else."""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

import reports.record
import reports.reproduce
from reports.assets import Resources
from reports.attach import campaigns_csv, days_csv
from reports.contents import attached
from reports.evidence import FolderEvidence
from reports.judge import Judged, judge
from reports.keys import LocalAuthority
from reports.reader import InFolder
from reports.record import Record, Release, record
from reports.verify import verify
from tests.pages import attach, changed
from tests.pki import NOW, sign_locally
from tests.publishing import GOLDEN

Change = Callable[[dict[str, Any]], object]


def as_release(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have another release of Exhibit look at briefings."""
    monkeypatch.setattr(reports.record, "THIS", this := Release(name="exhibit", version=version))
    monkeypatch.setattr(reports.reproduce, "THIS", this)


def recorded(pdf: bytes) -> Record:
    """What a signed briefing records."""
    return record(pdf, verify(pdf, None, NOW)[0])


def copied(scenario: str, to: Path) -> Path:
    """A copy of a scenario's evidence, to be changed."""
    return Path(shutil.copytree(GOLDEN / scenario, to / "evidence"))


def held_by(evidence: Path, key: bytes | None = None, resources: Resources | None = None) -> InFolder:
    """A reader with a folder of evidence."""
    return InFolder(FolderEvidence(evidence), resources or Resources(), key)


def judged(pdf: bytes, evidence: Path, key: bytes | None = None) -> Judged:
    """All verdicts of a reader with a folder of evidence, who trusts nobody."""
    return judge(pdf, None, NOW, held_by(evidence, key))


def outcomes(found: Judged) -> tuple[str, str]:
    """The outcomes of `evidence` and `reproduction`."""
    evidence, reproduction = (verdict.outcome for verdict in found.verdicts[-2:])
    return evidence, reproduction


def signed_anew(
    unsigned: bytes,
    authority: LocalAuthority,
    file: str,
    change: Change,
    others: Mapping[str, bytes] = MappingProxyType({}),
) -> bytes:
    """A briefing whose issuer changed an attached JSON file before signing, the tables with it, and other files."""
    data = json.loads(attached(unsigned)[file])
    change(data)
    files = {file: json.dumps(data).encode(), **others}
    if file == "briefing.json":
        files |= {"campaigns.csv": campaigns_csv(data), "days.csv": days_csv(data)}
    return sign_locally(changed(unsigned, lambda objects: attach(objects, files)), authority)

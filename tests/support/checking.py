"""Readers who hold the evidence of a published briefing, and issuers who sign something else."""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

import reports.briefing.content
import reports.pages.page_data
import reports.pages.render
import reports.pipeline
import reports.verification.record
import reports.verification.reproduce
from reports.briefing.attachments import campaigns_csv, days_csv
from reports.evidence.source import FolderEvidence
from reports.evidence_access import InFolder
from reports.pages.assets import Resources
from reports.signing.keys import LocalAuthority
from reports.verification.attachments import attached
from reports.verification.record import Record, Release, record
from reports.verification.signature import verify
from reports.verification.verify import CheckReport, judge
from tests.support.pages import attach, changed
from tests.support.pki import NOW, sign_locally
from tests.support.publishing import GOLDEN

Change = Callable[[dict[str, Any]], object]


def as_release(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have another release of Exhibit look at briefings."""
    monkeypatch.setattr(reports.verification.record, "THIS", this := Release(name="exhibit", version=version))
    monkeypatch.setattr(reports.verification.reproduce, "THIS", this)


def published_as(version: str, patch: pytest.MonkeyPatch) -> None:
    """Have another release of Exhibit publish briefings."""
    for module in (reports.briefing.content, reports.pages.page_data, reports.pages.render, reports.pipeline):
        patch.setattr(module, "__version__", version)


def recorded(pdf: bytes) -> Record:
    """What a signed briefing records."""
    return record(pdf, verify(pdf, None, NOW)[0])


def copied(scenario: str, to: Path) -> Path:
    """A copy of a scenario's evidence, to be changed."""
    return Path(shutil.copytree(GOLDEN / scenario, to / "evidence"))


def held_by(evidence: Path, key: bytes | None = None, resources: Resources | None = None) -> InFolder:
    """A reader with a folder of evidence."""
    return InFolder(FolderEvidence(evidence), resources or Resources(), key)


def judged(pdf: bytes, evidence: Path, key: bytes | None = None) -> CheckReport:
    """All verdicts of a reader with a folder of evidence, who trusts nobody."""
    return judge(pdf, None, NOW, held_by(evidence, key))


def outcomes(found: CheckReport) -> tuple[str, str]:
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

"""What earlier releases signed is valid for good."""

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest

from reports.core.certificates import load_certificates
from reports.verification.verify import judge

pytestmark = pytest.mark.usefixtures("slow")

EDITIONS = Path(__file__).parents[1] / "editions"


@dataclass(frozen=True)
class Edition:
    """A signed briefing of an earlier release, the roots to trust and when it is read."""

    name: str
    pages: bytes
    updates: bytes
    trust: tuple[Path, ...]
    at: datetime

    @property
    def pdf(self) -> bytes:
        return self.pages + self.updates


def editions() -> dict[str, Edition]:
    found = {}
    for corpus in sorted(EDITIONS.glob("*/corpus.json")):
        for case in json.loads(corpus.read_text()):
            pages = (corpus.parent / "pages" / f"{case['pages']}.pdf").read_bytes()
            updates = (corpus.parent / "updates" / f"{case['name']}.bin").read_bytes()
            trust = tuple(corpus.parent / "trust" / name for name in case["trust"])
            name = f"{corpus.parent.name} {case['name']}"
            found[name] = Edition(name, pages, updates, trust, datetime.fromisoformat(case["at"]))
    return found


@pytest.mark.parametrize("name", editions())
def test_valid_for_good(name: str) -> None:
    """A briefing that an earlier release signed or renewed is valid in every respect."""
    edition = editions()[name]
    trust = [certificate for file in edition.trust for certificate in load_certificates(file)]
    verdicts = judge(edition.pdf, trust, edition.at).verdicts
    assert {verdict.check: verdict.outcome for verdict in verdicts} == dict.fromkeys(
        ("integrity", "signer", "time-stamp", "attachments"), "valid"
    ), verdicts

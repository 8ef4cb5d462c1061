"""Briefings that are published once a session, through the command line, for all tests that look at them."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from reports.cli import main
from reports.sample import write_sample
from reports.signing.keys import LocalAuthority
from reports.verification.attachments import attached

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden"
SCENARIOS = sorted(folder.name for folder in GOLDEN.iterdir())
SAMPLE_REQUEST = {"window": "2026-04-22/2026-06-05", "as_of": "2026-06-20T12:00:00Z"}


@dataclass(frozen=True)
class Published:
    """A document and its receipt, the only files of a folder."""

    folder: Path

    @cached_property
    def pdf(self) -> Path:
        (pdf,) = self.folder.glob("*.pdf")
        return pdf

    @cached_property
    def receipt_file(self) -> Path:
        (receipt,) = self.folder.glob("*.receipt.json")
        return receipt

    @cached_property
    def receipt(self) -> dict[str, Any]:
        return json.loads(self.receipt_file.read_text())

    @cached_property
    def unsigned(self) -> bytes:
        return self.pdf.read_bytes()[: self.receipt["unsigned"]["size"]]

    @cached_property
    def files(self) -> dict[str, bytes]:
        return attached(self.pdf.read_bytes())

    @cached_property
    def briefing(self) -> dict[str, Any]:
        return json.loads(self.files["briefing.json"])

    @cached_property
    def text(self) -> str:
        """What stands on the pages, with single spaces."""
        shown = subprocess.run(["pdftotext", self.pdf, "-"], check=True, stdout=subprocess.PIPE)
        return re.sub(r"\s+", " ", shown.stdout.decode())


def arguments(evidence: Path | str, out: Path, keys: Path, request: Mapping[str, str]) -> list[str]:
    options = {"evidence": evidence, "out": out, "keys": keys, **request}
    return [
        "publish",
        *(text for name, value in options.items() for text in (f"--{name.replace('_', '-')}", f"{value}")),
    ]


def publish(
    evidence: Path, out: Path, keys: Path, request: Mapping[str, str], more: Sequence[str] = ()
) -> Published:
    assert main([*arguments(evidence, out, keys, request), *more]) == 0
    return Published(out)


def exhibit(
    arguments: Sequence[str], cwd: Path = ROOT, environment: Mapping[str, str] | None = None
) -> "subprocess.Popen[bytes]":
    """The command line in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "reports", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def expected(scenario: str) -> dict[str, Any]:
    return json.loads((GOLDEN / scenario / "expected.json").read_text())


def publish_golden(out: Path, keys: Path) -> dict[str, Published]:
    """The golden scenarios, each published once, by their names."""
    return {name: publish(GOLDEN / name, out / name, keys, expected(name)["request"]) for name in SCENARIOS}


def publish_sample(folder: Path, keys: Path) -> dict[str, Published]:
    """The sample's briefings, both audiences on both sizes of paper, by `AUDIENCE SIZE`."""
    write_sample(folder / "sample")
    running = {}
    for audience, size in product(("lawmaker", "regulator"), ("letter", "a4")):
        request = {**SAMPLE_REQUEST, "audience": audience, "page_size": size}
        out = folder / audience / size
        process = exhibit(arguments(folder / "sample", out, keys, request))
        running[f"{audience} {size}"] = out, process
    for _, process in running.values():
        _, complaint = process.communicate()
        assert process.returncode == 0, complaint
    return {name: Published(out) for name, (out, _) in running.items()}


@pytest.fixture(scope="session")
def golden(
    slow: None, tmp_path_factory: pytest.TempPathFactory, authority: LocalAuthority
) -> dict[str, Published]:
    return publish_golden(tmp_path_factory.mktemp("golden"), authority.directory)


@pytest.fixture(scope="session")
def sample_briefings(
    slow: None, tmp_path_factory: pytest.TempPathFactory, authority: LocalAuthority
) -> dict[str, Published]:
    return publish_sample(tmp_path_factory.mktemp("briefings"), authority.directory)

"""Runs that are killed, at each of the calls that they make to the operating system."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from reports.archive.store import FolderStore
from reports.cli import main
from reports.signing.keys import LocalAuthority
from tests.soak.killed_calls import DOCUMENTS
from tests.support.publishing import GOLDEN, ROOT, arguments, publish
from tests.support.tools import PATIENCE

REQUEST = {"window": "2026-05-01/2026-05-07", "audience": "lawmaker", "marking": "TLP:CLEAR"}
REQUEST_INSTANT = {
    "nothing": "2026-05-21T00:00:00Z",
    "the document": "2026-05-20T00:00:00Z",
    "the entry": "2026-05-20T00:00:00Z",
}


def killed_everywhere(function: str, folder: Path, step: int = 1) -> list[Path]:
    """A folder for each call that the function makes, and was killed at; the last is of the one that lived."""
    command = [sys.executable, "-m", "tests.soak.killed_calls", function, str(folder), str(step)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=PATIENCE)
    return sorted(folder.iterdir(), key=lambda each: int(each.name))


@pytest.fixture(scope="module")
def puts(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return killed_everywhere("put", tmp_path_factory.mktemp("puts"))


def visible(folder: Path) -> dict[str, bytes]:
    found = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if not name.startswith(".")}


def test_only_complete_documents_show(puts: list[Path]) -> None:
    """Wherever a run is killed, what shows is nothing, the document, or the document and its entry, complete."""
    document = {"a.pdf": DOCUMENTS["a.pdf"]}
    states = [visible(folder) for folder in puts]
    assert [state for state in states if state not in ({}, document, DOCUMENTS)] == []
    assert {} in states
    assert document in states
    assert states[-1] == DOCUMENTS


def test_next_run_completes(puts: list[Path]) -> None:
    """Wherever a run was killed, the next leaves exactly its documents, and nothing hidden either."""
    for folder in puts:
        FolderStore(folder).put(DOCUMENTS)
        assert visible(folder) == DOCUMENTS
        assert len(os.listdir(folder)) == len(DOCUMENTS)


def test_keys_after_a_kill(tmp_path: Path) -> None:
    """Wherever the making of keys is killed, the next run has complete ones, and no others are left."""
    folders = killed_everywhere("make_keys", tmp_path, step=5)
    for folder in folders:
        opened = LocalAuthority.open(folder / "keys", datetime.now(UTC))
        assert len(opened.pseudonym_key()) == 32
        assert os.listdir(folder) == ["keys"]
    assert len(folders) > 20


@pytest.mark.parametrize("done", ["nothing", "the document", "the entry"])
def test_published_once(tmp_path: Path, authority: LocalAuthority, done: str) -> None:
    """A run that was killed while it archived is completed or done again by the next, at a later instant too."""
    evidence, keys, out = GOLDEN / "quiet", authority.directory, tmp_path / "out"
    program = (
        "import os, sys; from pathlib import Path; from reports.cli import main\n"
        "rename, moved = Path.rename, []\n"
        "def kill(self, target):\n"
        "    moved.append(target)\n"
        "    if len(moved) == int(sys.argv[1]): os.kill(os.getpid(), 9)\n"
        "    return rename(self, target)\n"
        "Path.rename = kill\n"
        "main(sys.argv[2:])\n"
    )
    place = {"nothing": "1", "the document": "3", "the entry": "4"}[done]
    request = {**REQUEST, "as_of": "2026-05-20T00:00:00Z"}
    command = [sys.executable, "-c", program, place, *arguments(evidence, out, keys, request)]
    assert subprocess.run(command, cwd=ROOT, check=False, capture_output=True).returncode == -9
    left = {"nothing": [], "the document": [".pdf"], "the entry": [".json", ".pdf"]}[done]
    assert sorted(Path(name).suffix for name in visible(out)) == left
    published = publish(evidence, out, keys, {**REQUEST, "as_of": "2026-05-21T00:00:00Z"})
    assert sorted(os.listdir(out)) == sorted([published.pdf.name, published.receipt_file.name, "register"])
    assert main(["verify", str(published.pdf), "--trust", str(keys / "root.cert.pem")]) == 0
    assert published.receipt["document"]["name"] == published.pdf.name
    assert published.receipt["as_of"] == REQUEST_INSTANT[done]
    assert main(["register", "verify", str(out)]) == 0

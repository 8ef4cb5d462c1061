"""A folder as the store: the contract of every store, and what is a folder's own."""

import os
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from reports.archive.store import FolderStore
from reports.core.errors import InvalidRequest, Unavailable
from tests.contracts.store import *  # noqa: F403

DOCUMENTS = {"a.pdf": b"document", "a.receipt.json": b"receipt"}


@pytest.fixture
def open_store(tmp_path: Path) -> Callable[[], FolderStore]:
    return lambda: FolderStore(tmp_path / "not yet" / "there")


def test_losers_leave_nothing(tmp_path: Path) -> None:
    """Of many who put at once, those who come too late leave nothing."""
    groups = [{f"{n}.pdf": b"%d" % n, "receipt": b"of %d" % n} for n in range(8)]
    with ThreadPoolExecutor(len(groups)) as pool:
        done = list(pool.map(lambda documents: FolderStore(tmp_path).put(documents), groups))
    assert FolderStore(tmp_path).list("") == (f"{done.index(True)}.pdf", "receipt")


def test_asking_leaves_no_trace(tmp_path: Path) -> None:
    """A folder that is not there is not made for a question."""
    store = FolderStore(tmp_path / "out")
    store.list("")
    store.get("a")
    assert list(tmp_path.iterdir()) == []


def test_documents_appear_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Documents appear in the order in which they were put, whatever their names."""
    seen, rename = [], Path.rename

    def spy(self: Path, target: Path) -> Path:
        moved = rename(self, target)
        seen.append([name for name in sorted(os.listdir(tmp_path)) if not name.startswith(".")])
        return moved

    monkeypatch.setattr(Path, "rename", spy)
    assert FolderStore(tmp_path).put({"z.pdf": b"document", "a.receipt.json": b"receipt"})
    assert seen == [[], ["z.pdf"], ["a.receipt.json", "z.pdf"]]


def test_on_the_disk_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All bytes, and the folder that lists them, are on the disk before the decision falls."""
    flushed: list[str] = []
    decided_after: list[list[str]] = []
    fsync, rename = os.fsync, Path.rename

    def spy_fsync(descriptor: int) -> None:
        fsync(descriptor)
        found = os.fstat(descriptor)
        places = [tmp_path, *tmp_path.rglob("*")]
        flushed.append(next(place.name for place in places if os.path.samestat(place.stat(), found)))

    def spy_rename(self: Path, target: Path) -> Path:
        decided_after.append([*flushed])
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", spy_fsync)
    monkeypatch.setattr(Path, "rename", spy_rename)
    FolderStore(tmp_path).put(DOCUMENTS)
    *files, folder = decided_after[0]
    assert files == ["000a.pdf", "001a.receipt.json"]
    assert folder.startswith(".exhibit-")
    assert flushed[-1] == tmp_path.name


def test_nothing_else_is_left(tmp_path: Path) -> None:
    """Only the documents are in the folder afterwards, readable as the user's other files are."""
    FolderStore(tmp_path).put(DOCUMENTS)
    (tmp_path / "mine").touch()
    assert sorted(os.listdir(tmp_path)) == ["a.pdf", "a.receipt.json", "mine"]
    assert {path.stat().st_mode for path in tmp_path.iterdir()} == {(tmp_path / "mine").stat().st_mode}


def test_leftovers_go(tmp_path: Path) -> None:
    """What a killed run had not decided is gone after the next look."""
    (tmp_path / ".exhibit-abcdefgh").mkdir()
    (tmp_path / ".exhibit-abcdefgh" / "000a.pdf").write_bytes(b"half of it")
    assert FolderStore(tmp_path).list("") == ()
    assert list(tmp_path.iterdir()) == []


def test_files_of_others_stay(tmp_path: Path) -> None:
    """A file whose name only begins like a leftover's, such as the mark of the sample, is not removed."""
    (tmp_path / ".exhibit-sample.json").write_text("{}")
    (tmp_path / ".exhibit-of-mine").mkdir()
    assert FolderStore(tmp_path).put({"a.pdf": b"document"})
    assert {path.name for path in tmp_path.iterdir()} == {".exhibit-sample.json", ".exhibit-of-mine", "a.pdf"}


def test_decided_is_completed(tmp_path: Path) -> None:
    """What a killed run had decided is there after the next look, the rest of it too."""
    (tmp_path / ".exhibit-decided").mkdir()
    (tmp_path / ".exhibit-decided" / "001a.receipt.json").write_bytes(b"receipt")
    (tmp_path / "a.pdf").write_bytes(b"document")
    assert FolderStore(tmp_path).list("") == ("a.pdf", "a.receipt.json")


@pytest.mark.parametrize("out", ["file", "file/below", "broken link"])
def test_not_a_folder(tmp_path: Path, out: str) -> None:
    """A file, a place below a file and a link to nowhere are refused at once."""
    (tmp_path / "file").touch()
    (tmp_path / "broken link").symlink_to("nowhere")
    with pytest.raises(InvalidRequest, match="is not a folder"):
        FolderStore(tmp_path / out)


def test_not_writable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that cannot be written is refused at once."""
    monkeypatch.setattr(os, "access", lambda place, how: place != tmp_path)  # for root, all can be written
    with pytest.raises(InvalidRequest, match="cannot be written"):
        FolderStore(tmp_path / "below")


@pytest.fixture
def small_disk(slow: None, tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("needs the right to mount a small disk")
    yield disk
    subprocess.run(["umount", disk], check=True)


@pytest.mark.usefixtures("slow")
def test_full_disk(small_disk: Path) -> None:
    """A full disk is told in one line, and leaves what was there and nothing else."""
    store = FolderStore(small_disk)
    assert store.put({"small": b"x"})
    with pytest.raises(Unavailable, match="No space left on device"):
        store.put({"a.pdf": bytes(100_000), "a.receipt.json": b"{}"})
    assert os.listdir(small_disk) == ["small"]

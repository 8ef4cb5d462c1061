"""What publishers have seen of the register stays in it."""

from pathlib import Path

import pytest

from reports.archive.heads import Heads
from reports.archive.publication_log import following
from reports.archive.store import FolderStore
from reports.core.errors import Shortened, Unavailable
from reports.core.log_head import EMPTY, Head


@pytest.fixture
def register(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "briefings")


@pytest.fixture
def heads(tmp_path: Path) -> Heads:
    return Heads(FolderStore(tmp_path / "heads"))


def grown(register: FolderStore, heads: Heads, entries: int) -> Head:
    """Enter so many, each seen by a publisher; the last head."""
    head = EMPTY
    for number in range(1, entries + 1):
        entry = following(head, {"number": number})
        register.put({entry.name: entry.json()})
        head = entry.head
        heads.note(head)
    return head


def test_a_register_that_grows(register: FolderStore, heads: Heads) -> None:
    """An empty register is as it was, and so is one with more entries than were seen."""
    heads.note(EMPTY)
    heads.check(register)
    head = grown(register, heads, 11)
    entry = following(head, {"number": "not seen"})
    register.put({entry.name: entry.json()})
    heads.note(head)
    heads.check(register)


@pytest.mark.parametrize(("content", "said"), [(None, "00000011.json is missing"), (b"{}", "has changed")])
def test_a_register_that_lost_its_last_entry(
    register: FolderStore, heads: Heads, tmp_path: Path, content: bytes | None, said: str
) -> None:
    """It is noticed if the last seen entry is gone, or replaced by another of the same name."""
    grown(register, heads, 11)
    entry = tmp_path / "briefings/register/00000011.json"
    entry.unlink()
    if content:
        entry.write_bytes(content)
    with pytest.raises(Shortened, match=f"{said}.*: restore it"):
        heads.check(register)


def test_a_head_that_cannot_be_read(register: FolderStore, heads: Heads) -> None:
    """Is named."""
    heads.store.put({"99999998.json": b"{}"})
    with pytest.raises(Unavailable, match=r"heads/99999998.json cannot be read: restore it"):
        heads.check(register)

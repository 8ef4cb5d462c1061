"""The register: its chain, whoever publishes at once, and what a killed run leaves."""

import hashlib
import json
import random
from pathlib import Path

import pytest

from reports.archive import publication_log
from reports.archive.archive import archive, latest, published_for, restore_last_receipt
from reports.archive.store import FolderStore
from reports.core.errors import Unavailable
from reports.core.log_head import EMPTY, Head
from tests.soak.register_races import REPORTS, Bucket, receipt, trial


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path)


def publish(store: FolderStore, report: str, **changes: str) -> None:
    made = receipt(report, signed=report.encode())
    archive(store, made, report.encode())


def test_a_chain_of_receipts(store: FolderStore, tmp_path: Path) -> None:
    """Each entry has the next number, the digest of the file before it, and the receipt of its edition."""
    for report in REPORTS:
        publish(store, report)
    files = sorted((tmp_path / "register").iterdir())
    assert [file.name for file in files] == ["00000001.json", "00000002.json", "00000003.json"]
    entries = [json.loads(file.read_text()) for file in files]
    digests = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    assert [entry["number"] for entry in entries] == [1, 2, 3]
    assert [entry["previous"] for entry in entries] == [None, *digests[:2]]
    assert [entry["receipt"] for entry in entries] == [
        json.loads((tmp_path / f"{report}-lawmaker-e1.receipt.json").read_text()) for report in REPORTS
    ]
    assert restore_last_receipt(store) == Head(3, digests[2])


def test_an_empty_register(store: FolderStore, tmp_path: Path) -> None:
    """Where nothing was published the head is of no entry, and asking for it leaves nothing."""
    assert restore_last_receipt(store) == EMPTY == Head(0, None)
    assert list(tmp_path.iterdir()) == []


def test_entered_in_order(store: FolderStore, tmp_path: Path) -> None:
    """The tenth entry comes after the ninth, and files of others between them are none."""
    (tmp_path / "register").mkdir()
    (tmp_path / "register" / "notes.txt").touch()
    for edition in range(1, 12):
        archive(store, receipt(edition=edition, signed=b"%d" % edition), b"%d" % edition)
    assert restore_last_receipt(store).entries == 11
    assert len(publication_log.entries(store)) == 11


@pytest.mark.parametrize("ask", ["settle", "published_for", "archive"])
def test_the_next_run_puts_the_last_receipt(store: FolderStore, tmp_path: Path, ask: str) -> None:
    """A receipt that a killed run has entered and not put is put by whoever looks next, to the last byte."""
    publish(store, REPORTS[0])
    file = tmp_path / f"{REPORTS[0]}-lawmaker-e1.receipt.json"
    written = file.read_bytes()
    file.unlink()
    assert latest(store, REPORTS[0]) is None
    if ask == "settle":
        restore_last_receipt(store)
    elif ask == "published_for":
        published_for(store, REPORTS[1], "another")
    else:
        publish(store, REPORTS[1])
    assert file.read_bytes() == written


@pytest.mark.parametrize("content", ["", "{}", "[]", "{", '{"number": 1, "previous": null, "receipt": {}}\n'])
def test_a_damaged_entry(store: FolderStore, tmp_path: Path, content: str) -> None:
    """A last entry that cannot be read stops publishing: what was published is not guessed."""
    publish(store, REPORTS[0])
    (tmp_path / "register" / "00000001.json").write_text(content)
    with pytest.raises(Unavailable, match=r"register/00000001\.json is not a readable entry: restore it"):
        publish(store, REPORTS[1])
    assert latest(store, REPORTS[1]) is None


def test_the_documents_name_is_taken(store: FolderStore) -> None:
    """If another file has the document's name, the error says so, and nothing is entered."""
    made = receipt()
    store.put({made.document.name: b"another"})
    with pytest.raises(Unavailable, match="cannot be written: move the file"):
        archive(store, made, b"%PDF")
    assert restore_last_receipt(store) == EMPTY


def test_another_report_took_the_number() -> None:
    """Where another report is entered just before, the next number is taken, and the document stays the same."""
    kept: dict[str, bytes] = {}
    steps = 0

    def interfere() -> None:
        nonlocal steps
        steps += 1
        if steps == 5:  # the head is known, and no entry is put yet
            archive(Bucket(kept), receipt(REPORTS[1], signed=b"theirs"), b"theirs")

    archive(Bucket(kept, interfere), receipt(signed=b"ours"), b"ours")
    numbers = {
        name: json.loads(kept[name])["receipt"]["report_number"]
        for name in publication_log.entries(Bucket(kept))
    }
    assert numbers == {"register/00000001.json": REPORTS[1], "register/00000002.json": REPORTS[0]}
    assert len([name for name in kept if name.endswith(".pdf")]) == 2


@pytest.mark.usefixtures("slow")
def test_many_at_once_and_some_killed() -> None:
    """Whatever the order of their steps, and wherever some are killed, each report is published and entered once."""
    killed = [trial(random.Random(seed)) for seed in range(150)]  # noqa: S311
    assert sum(killed) > 30

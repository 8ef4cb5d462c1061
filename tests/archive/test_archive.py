"""What is kept with a document, and how the same content is known again."""

import dataclasses
import hashlib
import json
from pathlib import Path

import pytest

from reports.archive.archive import archive, intact_receipt, latest
from reports.archive.store import FolderStore
from reports.core.errors import Unavailable
from tests.soak.register_races import REPORTS, receipt

NUMBER = REPORTS[0]
SIGNED = b"%PDF"


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path)


def test_read_as_written(store: FolderStore) -> None:
    """A receipt is read as it was written, and the document is beside it."""
    assert archive(store, receipt(), SIGNED) == receipt()
    assert latest(store, NUMBER) == receipt()
    assert intact_receipt(store, receipt()) == receipt()
    assert store.get(receipt().document.name) == SIGNED


def test_names(store: FolderStore) -> None:
    """The receipt's name has number, audience and edition; the document's the digest of its bytes as well."""
    archive(store, receipt(), SIGNED)
    digest = hashlib.sha256(SIGNED).hexdigest()
    assert store.list("") == (
        f"{NUMBER}-lawmaker-e1-{digest[:12]}.pdf",
        f"{NUMBER}-lawmaker-e1.receipt.json",
        "register/00000001.json",
    )


def test_receipt_is_ascii(store: FolderStore) -> None:
    """A receipt prints wherever it is printed, whatever a certificate calls itself."""
    named = dataclasses.replace(receipt(), verdicts=({"detail": "signed by CN=Zoë"},))
    assert named.json().isascii()
    archive(store, named, SIGNED)
    assert latest(store, NUMBER) == named


def test_latest_edition(store: FolderStore) -> None:
    """The latest edition is the one with the highest number, not the last in the alphabet."""
    for edition in (9, 10):
        archive(store, receipt(edition=edition, signed=b"%d" % edition), b"%d" % edition)
    found = latest(store, NUMBER)
    assert found is not None
    assert found.edition == 10


def test_other_reports_do_not_count(store: FolderStore) -> None:
    """A report is not taken for another whose number is longer."""
    archive(store, receipt(), SIGNED)
    assert latest(store, NUMBER[:-1]) is None


def test_published_meanwhile(store: FolderStore) -> None:
    """Where another run has published the same content meanwhile, its receipt is the answer."""
    first = archive(store, receipt(), SIGNED)
    assert archive(store, receipt(signed=b"%PDF signed again"), b"%PDF signed again") == first
    assert len(store.list("")) == 3


def test_another_content_meanwhile(store: FolderStore) -> None:
    """Where another run has published another content as this edition, nothing is kept, and the way on is said."""
    archive(store, receipt(content="theirs"), b"theirs")
    before = store.list("")
    with pytest.raises(Unavailable, match=r"edition 1 was published by another run .*: run again"):
        archive(store, receipt(content="ours"), SIGNED)
    assert store.list("") == before


@pytest.mark.parametrize("content", [None, b"", b"%PDF changed"])
def test_document_gone_or_changed(store: FolderStore, tmp_path: Path, content: bytes | None) -> None:
    """A document that differs from what was published any more is told, by its name."""
    archive(store, receipt(), SIGNED)
    (tmp_path / receipt().document.name).unlink()
    if content is not None:
        (tmp_path / receipt().document.name).write_bytes(content)
    with pytest.raises(
        Unavailable, match=rf"{receipt().document.name} differs from what was published: restore"
    ):
        intact_receipt(store, receipt())


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: {},
        lambda data: [],
        lambda data: {**data, "edition": "first"},
        lambda data: {**data, "document": {"name": "x"}},
    ],
)
def test_damaged_receipt(store: FolderStore, tmp_path: Path, damage) -> None:  # type: ignore[no-untyped-def]
    """A receipt that cannot be read is told by its name: what was published is not guessed."""
    archive(store, receipt(), SIGNED)
    file = tmp_path / f"{NUMBER}-lawmaker-e1.receipt.json"
    file.write_text(json.dumps(damage(json.loads(file.read_text()))))
    with pytest.raises(Unavailable, match=rf"{file.name} is not a readable receipt"):
        latest(store, NUMBER)


def test_half_a_receipt(store: FolderStore, tmp_path: Path) -> None:
    """So is one that is not JSON."""
    (tmp_path / f"{NUMBER}-lawmaker-e1.receipt.json").write_text("{")
    with pytest.raises(Unavailable, match="is not a readable receipt"):
        latest(store, NUMBER)

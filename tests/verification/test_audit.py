"""Archives that were tampered with, held against their register, and the register against briefings at hand."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from reports.archive import publication_log
from reports.archive.store import FolderStore
from reports.archive.store_s3 import S3Store
from reports.cli import main
from reports.core.log_head import EMPTY, Head
from reports.signing.keys import LocalAuthority
from reports.verification.audit import Audit, audit
from tests.support.aws import client
from tests.support.pki import NOW
from tests.support.publishing import GOLDEN, arguments, expected

pytestmark = pytest.mark.usefixtures("slow")

ENTRY = "register/{:08}.json"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory, authority: LocalAuthority) -> Path:
    """An archive of four editions, of three reports: the third supersedes the first."""
    folder = tmp_path_factory.mktemp("published")
    evidence = Path(shutil.copytree(GOLDEN / "quiet", folder / "evidence"))

    def publish(audience: str, window: str = "2026-05-01/2026-05-07") -> None:
        request = {**expected("quiet")["request"], "audience": audience, "window": window}
        assert main(arguments(evidence, folder / "out", authority.directory, request)) == 0

    publish("lawmaker")
    publish("regulator")
    (evidence / "dataset.yaml").write_text("title: Another\n")
    publish("lawmaker")
    publish("lawmaker", "2026-05-01/2026-05-06")
    return folder / "out"


@pytest.fixture
def out(tmp_path: Path, published: Path) -> Path:
    """A copy of the archive, to be tampered with."""
    return Path(shutil.copytree(published, tmp_path / "out"))


def documents(folder: Path) -> list[Path]:
    """The documents, in the order of their entries."""
    entries = sorted(folder.glob("register/*.json"))
    return [folder / json.loads(entry.read_text())["receipt"]["document"]["name"] for entry in entries]


def receipt_file(document: Path) -> Path:
    return document.with_name(document.name.rsplit("-", 1)[0] + ".receipt.json")


def found(folder: Path, *files: Path) -> Audit:
    return audit(FolderStore(folder, reading=True), {file.name: file.read_bytes() for file in files}, NOW)


def wrong(found: Audit) -> dict[str, str]:
    """The verdicts that are not valid, by what was checked."""
    return {verdict.check: verdict.detail for verdict in found.verdicts if verdict.outcome != "valid"}


def take_away(folder: Path, number: int) -> None:
    """Remove an edition and all that tells of it."""
    document = documents(folder)[number - 1]
    for each in (document, receipt_file(document), folder / ENTRY.format(number)):
        each.unlink()


def chained_anew(folder: Path) -> None:
    """Number the entries from 1 on, and give each the digest of the one before, as someone does who hides a change."""
    head = EMPTY
    for file in sorted(folder.glob("register/*.json")):
        entry = publication_log.following(head, json.loads(file.read_text())["receipt"])
        file.unlink()
        (folder / entry.name).write_bytes(entry.json())
        head = entry.head


def test_what_was_published_is_in_order(published: Path) -> None:
    """An archive that nobody touched is as its register says, its own briefings at hand too."""
    last = sorted(published.glob("register/*.json"))[-1]
    checked = found(published, *documents(published))
    assert wrong(checked) == {}
    assert [verdict.check for verdict in checked.verdicts] == ["chain", "documents", "receipts", "heads"]
    assert checked.head == Head(4, publication_log.parsed(ENTRY.format(4), last.read_bytes()).head.sha256)


def edited(folder: Path, number: int) -> None:
    file = folder / ENTRY.format(number)
    file.write_text(file.read_text().replace('"lawmaker"', '"somebody"').replace('"regulator"', '"somebody"'))


def entered_for_another(folder: Path) -> None:
    """The first edition replaced by the last document, with entries and receipts that agree."""
    first = documents(folder)[0]
    entry = json.loads((folder / ENTRY.format(1)).read_text())
    entry["receipt"]["document"] = json.loads((folder / ENTRY.format(4)).read_text())["receipt"]["document"]
    receipt_file(first).write_bytes(publication_log.as_stored(entry["receipt"]))
    first.unlink()
    (folder / ENTRY.format(1)).write_bytes(publication_log.as_stored(entry))
    chained_anew(folder)


@pytest.mark.parametrize(
    ("tamper", "told"),
    [
        (lambda out: take_away(out, 2), {"chain": f"{ENTRY.format(2)} is missing"}),
        (lambda out: take_away(out, 1), {"chain": f"{ENTRY.format(1)} is missing"}),
        (lambda out: (out / ENTRY.format(3)).unlink(), {"receipts": "e2.receipt.json has no entry"}),
        (lambda out: edited(out, 2), {"chain": f"{ENTRY.format(3)} does not follow the entry before it"}),
        (
            lambda out: (out / ENTRY.format(2)).write_text("{}"),
            {"chain": f"{ENTRY.format(2)} is not an entry"},
        ),
        (lambda out: documents(out)[1].unlink(), {"documents": "is missing"}),
        (
            lambda out: documents(out)[3].write_bytes(b"%PDF"),
            {"documents": "differs from what was published"},
        ),
        (lambda out: receipt_file(documents(out)[0]).unlink(), {"receipts": "is missing"}),
        (
            lambda out: receipt_file(documents(out)[3]).write_text("{}"),
            {"receipts": "differs from what was registered"},
        ),
        (
            lambda out: shutil.copy(receipt_file(documents(out)[0]), out / "EX-1-L-lawmaker-e1.receipt.json"),
            {"receipts": "EX-1-L-lawmaker-e1.receipt.json has no entry"},
        ),
        (lambda out: (take_away(out, 2), chained_anew(out)), {"heads": "prints a different entry 2"}),
        (lambda out: (take_away(out, 1), chained_anew(out)), {"heads": "prints a different entry 1"}),
        (entered_for_another, {"documents": "is a different edition from the one in its entry"}),
    ],
)
def test_tampering_shows(out: Path, tamper: Callable[[Path], object], told: dict[str, str]) -> None:
    """Whatever is removed, replaced or added shows, even where the whole chain was made anew to hide it."""
    tamper(out)
    checked = wrong(found(out))
    for check, detail in told.items():
        assert detail in checked.get(check, ""), checked


def test_order_shows(out: Path) -> None:
    """Entries that change places, with the chain made anew, show by what the later of the two prints."""
    third, fourth = (out / ENTRY.format(number) for number in (3, 4))
    contents = third.read_bytes(), fourth.read_bytes()
    third.write_bytes(contents[1])
    fourth.write_bytes(contents[0])
    chained_anew(out)
    assert set(wrong(found(out))) == {"heads"}


def test_the_end_cut_off(out: Path, published: Path) -> None:
    """What was taken away from the end shows by a briefing that was published later, or by the one that was removed."""
    removed, later = documents(published)[2:]
    take_away(out, 4)
    assert wrong(found(out)) == {}
    assert "has no entry: it was removed" in wrong(found(out, later))["heads"]
    take_away(out, 3)
    assert wrong(found(out)) == {}
    assert "has no entry" in wrong(found(out, removed))["heads"]
    assert "prints 3 entries, but there are 2: the last were removed" in wrong(found(out, later))["heads"]


def test_a_renewed_copy(out: Path, tmp_path: Path, authority: LocalAuthority) -> None:
    """A copy with a fresh time-stamp counts as the document that was published."""
    renewed = tmp_path / "renewed.pdf"
    keys = str(authority.directory)
    assert main(["renew", str(documents(out)[3]), "--out", str(renewed), "--keys", keys]) == 0
    assert wrong(found(out, renewed)) == {}
    take_away(out, 4)
    assert "has no entry" in wrong(found(out, renewed))["heads"]


def test_another_archive(out: Path, published: Path, tmp_path: Path, authority: LocalAuthority) -> None:
    """A briefing that was published elsewhere is not taken for one of these."""
    request = expected("revisions")["request"]
    assert main(arguments(GOLDEN / "revisions", tmp_path / "other", authority.directory, request)) == 0
    (stranger,) = documents(tmp_path / "other")
    assert "published elsewhere" in wrong(found(out, stranger))["heads"]


def test_a_receipt_that_is_still_to_come(out: Path) -> None:
    """The receipt of the last entry may be missing, since the next run puts it; that is said."""
    receipt_file(documents(out)[-1]).unlink()
    checked = found(out)
    assert wrong(checked) == {}
    assert checked.verdicts[2].detail == "3 receipts are as registered; the next run writes the last one"


def test_what_is_not_entered_is_let_be(out: Path) -> None:
    """A document that a killed run left without an entry was not published, and other files are none of this."""
    (out / "EX-20260501-20260507-L-lawmaker-e9-000000000000.pdf").write_bytes(b"%PDF")
    (out / "register" / "notes.txt").touch()
    assert wrong(found(out)) == {}


@pytest.mark.parametrize(
    "damage", [lambda pdf: b"", lambda pdf: pdf[:-9], lambda pdf: pdf.replace(b"/Sig", b"/Gis")]
)
def test_nothing_vouches_for_a_damaged_file(out: Path, damage: Callable[[bytes], bytes]) -> None:
    """A file that is not whole and signed proves nothing about the register, for or against it."""
    pdf = damage(documents(out)[3].read_bytes())
    checked = audit(FolderStore(out), {"damaged.pdf": pdf}, NOW)
    assert [verdict.outcome for verdict in checked.verdicts] == [*["valid"] * 3, "could not be checked"]
    assert "damaged.pdf: the content of the file cannot be trusted" in checked.verdicts[3].detail


def test_only_read(published: Path) -> None:
    """Checking an archive changes nothing, not even what a killed run has left in it."""
    (published / ".exhibit-abc").mkdir()
    assert wrong(found(published)) == {}
    (published / ".exhibit-abc").rmdir()


@pytest.mark.usefixtures("aws")
def test_in_s3(out: Path, bucket: str) -> None:
    """An archive in a bucket is checked as one in a folder is."""
    store = S3Store(client("s3", max_pool_connections=10), bucket, "briefings/")
    for file in (each for each in out.rglob("*") if each.is_file()):
        store.put({str(file.relative_to(out)): file.read_bytes()})
    checked = audit(store, {}, NOW)
    assert wrong(checked) == {}
    assert checked.head == found(out).head


def test_command(out: Path, published: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command prints the verdicts, and as JSON the head too; its status is 0, or 1 for what is wrong."""
    last = str(documents(published)[3])
    assert main(["register", "verify", str(out)]) == 0
    assert [line.split()[:2] for line in capsys.readouterr().out.splitlines()] == [
        [f"{check}:", "valid"] for check in ("chain", "documents", "receipts", "heads")
    ]
    take_away(out, 4)
    assert main(["register", "verify", str(out), "--file", last, "--json"]) == 1
    printed = json.loads(capsys.readouterr().out)
    assert (printed["place"], printed["entries"]) == (str(out), 3)
    assert [verdict["outcome"] for verdict in printed["verdicts"]] == [*["valid"] * 3, "invalid"]


@pytest.mark.parametrize(
    ("arguments_", "status"),
    [
        (["."], 3),
        (["nowhere"], 2),
        ([".", "--file", "nowhere.pdf"], 2),
        (["s3://"], 2),
    ],
)
def test_nothing_to_check(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments_: list[str],
    status: int,
) -> None:
    """An archive without an entry could not be checked; a place or a file that is not there is status 2."""
    monkeypatch.chdir(tmp_path)
    assert main(["register", "verify", *arguments_]) == status
    assert "Traceback" not in "".join(capsys.readouterr())

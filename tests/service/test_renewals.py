"""Fresh time-stamps for an archive, long before the last ones end."""

import json
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from functions import renewal
from reports.archive.store import FolderStore
from reports.cli import main
from reports.local_aws.gateway import Context
from reports.renew import renew
from reports.service.renewals import Archive, RenewalOutcome, renew_due
from reports.signing.keys import LocalAuthority
from reports.signing.sign import sign
from reports.signing.timestamp import LocalTimestamper
from reports.verification.signature import sealed_until, verify
from tests.support.pki import NOW
from tests.support.publishing import GOLDEN, arguments, expected
from tests.support.system import System

pytestmark = pytest.mark.usefixtures("slow")

DAY = timedelta(days=1)
LIFE = 30 * timedelta(days=365.25)
LATE = NOW + 70 * DAY


def ending(folder: Path, days: int) -> LocalAuthority:
    """An authority whose certificates end so many days from now."""
    return LocalAuthority.open(folder, NOW - LIFE + days * DAY)


@pytest.fixture
def old(tmp_path: Path) -> LocalAuthority:
    return ending(tmp_path / "old", 180)


@pytest.fixture
def archive(tmp_path: Path, authority: LocalAuthority, old: LocalAuthority) -> Archive:
    """An archive of one edition, whose time-stamps end in half a year."""
    out = tmp_path / "out"
    assert main(arguments(GOLDEN / "quiet", out, authority.directory, expected("quiet")["request"])) == 0
    (pdf,), (file,) = out.glob("*.pdf"), out.glob("EX-*.receipt.json")
    receipt = json.loads(file.read_bytes())
    signed = sign(
        pdf.read_bytes()[: receipt["unsigned"]["size"]],
        authority.key,
        LocalTimestamper(old.stamp_key, lambda: NOW),
        certificates=[authority.root, old.root],
        crls=lambda since: [*authority.crls(since), *old.crls(since)],
    )
    receipt["document"] |= {"sha256": sha256(signed).hexdigest(), "size": len(signed)}
    briefings = FolderStore(tmp_path / "briefings")
    briefings.put({receipt["document"]["name"]: signed, file.name: json.dumps(receipt).encode()})
    return Archive(briefings, FolderStore(tmp_path / "renewed"))


def run(
    archive: Archive, now: Any, by: LocalAuthority, *trusted: LocalAuthority, left: float = 900
) -> RenewalOutcome:
    stamper = LocalTimestamper(by.stamp_key, lambda: now)
    roots = [each.root for each in (by, *trusted)]
    return renew_due(archive, lambda pdf: renew(pdf, stamper, roots, now, crls=by.crls), now, lambda: left)


def test_nothing_is_due(archive: Archive, authority: LocalAuthority, old: LocalAuthority) -> None:
    """What is in the first third of its life is left as it is; how long it can be checked is recorded once."""
    first, second = (run(archive, NOW, authority, old) for _ in range(2))
    assert first == second
    assert (first.renewed, first.failed) == ([], [])
    assert first.days_left == pytest.approx(180, abs=1)
    (record,) = archive.copies.list("")
    assert record.endswith("-lawmaker-e1.0000.json")


def test_what_is_due_is_renewed(archive: Archive, authority: LocalAuthority, old: LocalAuthority) -> None:
    """An edition gets a copy with a fresh time-stamp, which begins with its bytes; then nothing is due any more."""
    outcome = run(archive, LATE, authority, old)
    (copy,) = outcome.renewed
    assert outcome.failed == []
    assert outcome.days_left == pytest.approx(LIFE / DAY - 70, abs=1)
    (document,) = (name for name in archive.briefings.list("EX-") if name.endswith(".pdf"))
    content = archive.copies.get(copy) or b""
    assert content.startswith(archive.briefings.get(document) or b"-")
    found = verify(content, [authority.root, old.root], NOW + 20 * 365 * DAY)
    assert {verdict.outcome for verdict in found} == {"valid"}
    record = json.loads(archive.copies.get(copy.partition(".")[0] + ".0001.json") or b"")
    assert (record["copy"], record["number"]) == (copy, 1)
    assert run(archive, LATE, authority, old).renewed == []


def test_renewal_two_years_ahead(archive: Archive, authority: LocalAuthority, old: LocalAuthority) -> None:
    """A briefing that can be checked for decades is renewed two years before that ends."""
    run(archive, LATE, authority, old)
    (record,) = (each for each in archive.records() if not isinstance(each, str))
    assert not record.due(record.until - 731 * DAY)
    assert record.due(record.until - 729 * DAY)


def test_a_copy_is_renewed_again(
    archive: Archive, authority: LocalAuthority, old: LocalAuthority, tmp_path: Path
) -> None:
    """The next copy follows from the last, not from the edition."""
    middle = ending(tmp_path / "middle", 300)
    (first,) = run(archive, LATE, middle, authority, old).renewed
    (second,) = run(archive, LATE + 100 * DAY, authority, middle, old).renewed
    assert (archive.copies.get(second) or b"").startswith(archive.copies.get(first) or b"-")


def test_a_time_stamp_that_does_not_last_longer_is_dropped(
    archive: Archive, authority: LocalAuthority, old: LocalAuthority
) -> None:
    """A time-stamp that ends no later is not kept, and the way on is told; the days that are left are counted."""
    outcome = run(archive, LATE, old, authority)
    assert outcome.renewed == []
    assert "no later than the last one's: use another authority" in outcome.failed[0]
    assert outcome.days_left == pytest.approx(110, abs=1)
    assert len(archive.copies.list("")) == 1


@pytest.mark.parametrize("damage", ["document", "receipt", "record"])
def test_what_was_changed_is_not_renewed(
    archive: Archive, authority: LocalAuthority, old: LocalAuthority, tmp_path: Path, damage: str
) -> None:
    """An edition that is not what was kept is told by name, and stays as it is."""
    run(archive, NOW, authority, old)
    (file,) = {
        "document": tmp_path.glob("briefings/*.pdf"),
        "receipt": tmp_path.glob("briefings/EX-*.receipt.json"),
        "record": tmp_path.glob("renewed/*.json"),
    }[damage]
    if damage == "receipt":
        next(tmp_path.glob("renewed/*.json")).unlink()
    file.chmod(0o600)
    file.write_bytes(file.read_bytes()[:-100])
    outcome = run(archive, LATE, authority, old)
    assert outcome.renewed == []
    assert "lawmaker-e1" in outcome.failed[0]
    assert "restore it" in outcome.failed[0]


def test_untrusted_editions_get_no_time_stamps(
    archive: Archive, authority: LocalAuthority, old: LocalAuthority
) -> None:
    """No time-stamp is added to an edition whose signer or authority is not trusted."""
    outcome = run(archive, LATE, authority)
    assert outcome.renewed == []
    assert "the briefing was not renewed" in outcome.failed[0]


def test_time_runs_out(archive: Archive, authority: LocalAuthority, old: LocalAuthority) -> None:
    """What does not fit into the time that is left waits for the next run."""
    outcome = run(archive, LATE, authority, old, left=10)
    assert (outcome.renewed, outcome.failed) == ([], [])
    assert outcome.days_left == pytest.approx(110, abs=1)


def test_two_at_once(archive: Archive, authority: LocalAuthority, old: LocalAuthority) -> None:
    """Of two runs at once, one makes the copy that counts."""
    run(archive, NOW, authority, old)
    (record,) = (each for each in archive.records() if not isinstance(each, str))
    stamper = LocalTimestamper(authority.stamp_key, lambda: LATE)
    roots = [authority.root, old.root]
    made = [
        archive.renew(record, lambda pdf: renew(pdf, stamper, roots, LATE, crls=authority.crls))
        for _ in range(2)
    ]
    (now,) = (each for each in archive.records() if not isinstance(each, str))
    assert now == made[0]


def test_what_is_not_sealed(unsigned: bytes) -> None:
    """A file that is no briefing has no end."""
    with pytest.raises(Exception, match="not an intact briefing"):
        sealed_until(unsigned)


def test_deployed(system: System) -> None:
    """The function records how long an edition can be checked, and makes a copy once that is two thirds over."""
    id_ = system.requested()
    system.delivered(f"requests/{id_}.json")
    found = renewal.handler({}, Context.lasting(900))
    assert found["renewed"] == found["failed"] == []
    assert found["StampDaysLeft"] > 0
    (record,) = system.kept("renewed/")
    assert json.loads(system.read(record))["number"] == 0

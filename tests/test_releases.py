"""What a release stands for: its digests, and the editions that it made and that later ones still check."""

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from reports import __version__
from reports.cli import main
from reports.core.errors import InvalidEvidence
from reports.evidence.source import FolderEvidence
from reports.evidence.source_s3 import S3Evidence
from reports.evidence_access import InBucket
from reports.pages.assets import Resources
from reports.signing.keys import LocalAuthority
from reports.verification.verify import CheckReport, judge
from tests.releases import OF_THE_MACHINE, Entry, entry, first_committed, read_table, with_entry
from tests.support.aws import client, s3_client
from tests.support.checking import as_release, held_by, signed_anew
from tests.support.publishing import GOLDEN, Published

RENEW = "raise __version__ in reports/__init__.py, then enter what it makes with: .venv/bin/python -m tests.releases"
EDITIONS = Path(__file__).with_name("releases") / "0.1.0"
MADE = [("lawmaker", "ocsf"), ("regulator", "flat")]
SOON, LATE = datetime(2026, 12, 1, tzinfo=UTC), datetime(2055, 1, 1, tzinfo=UTC)
"""Instants at which the editions are checked: soon after they were signed, and when their root has a year left."""
VALID = ["valid"] * 5
DAY = "detections/event_day=2026-05-02"


@pytest.fixture(scope="module")
def found(golden: dict[str, Published], sample_briefings: dict[str, Published]) -> Entry:
    return entry(golden | sample_briefings)


@pytest.fixture(scope="module")
def table() -> dict[str, Entry]:
    return read_table()


def test_a_version_stands_for_its_data(found: Entry, table: dict[str, Entry]) -> None:
    """What golden evidence and the sample give changes only with the version."""
    assert __version__ in table, (
        f"{__version__} has no digests yet: enter them with: python -m tests.releases"
    )
    assert found["attached"] == table[__version__]["attached"], RENEW


def test_a_version_stands_for_its_pages(found: Entry, table: dict[str, Entry]) -> None:
    """The unsigned bytes of golden briefings change only with the version, on machines that set text alike."""
    recorded = table[__version__]
    differ = {name for name, of in found["made_with"].items() if recorded["made_with"].get(name) != of}
    assert differ <= set(OF_THE_MACHINE), f"the pages are made with another release of {differ}: {RENEW}"
    if differ:
        pytest.skip(
            f"the pages of {__version__} were made with other releases of {', '.join(sorted(differ))}"
        )
    assert found["unsigned"] == recorded["unsigned"], RENEW


@pytest.mark.usefixtures("slow")
def test_an_entry_stays(table: dict[str, Entry]) -> None:
    """Digests that were committed for a version are never replaced: another version gets others."""
    committed = first_committed()
    if not committed:
        pytest.skip("the history of the table is not at hand")
    changed = [version for version, each in committed.items() if table.get(version) != each]
    assert changed == [], f"put back what was committed for {changed}; {RENEW}"


def test_the_command_replaces_no_committed_entry() -> None:
    """A version's digests are entered once; before they are committed, they may still change."""
    old: Entry = {"unsigned": {"quiet": "0"}}
    new: Entry = {"unsigned": {"quiet": "1"}}
    assert with_entry({"1": old}, "2", new, {"1": old}) == {"1": old, "2": new}
    assert with_entry({"1": old}, "1", new, {}) == {"1": new}
    assert with_entry({"1": old}, "1", old, {"1": old}) == {"1": old}
    with pytest.raises(SystemExit, match="raise the version"):
        with_entry({"1": old}, "1", new, {"1": old})


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    as_release("99.0", monkeypatch)


def trust() -> list[x509.Certificate]:
    return [x509.load_pem_x509_certificate((EDITIONS / "root.cert.pem").read_bytes())]


def checked(audience: str, evidence: Path, now: datetime = SOON) -> CheckReport:
    """What a reader finds who trusts the root and holds the evidence."""
    return judge((EDITIONS / f"{audience}.pdf").read_bytes(), trust(), now, held_by(evidence))


def outcomes(found: CheckReport) -> list[str]:
    return [verdict.outcome for verdict in found.verdicts]


def kept(found: CheckReport) -> bool:
    """Whether all is valid but that it cannot be made again, for a reason that names both releases."""
    reproduction = found.verdicts[-1]
    return (
        outcomes(found) == [*VALID, "could not be checked"]
        and "it was made by Exhibit 0.1.0, and this is Exhibit 99.0: " in reproduction.detail
        and found.exit_status == 3
    )


@pytest.mark.usefixtures("later")
@pytest.mark.parametrize("now", [SOON, LATE])
@pytest.mark.parametrize(("audience", "evidence"), MADE)
def test_an_edition_keeps_its_verdicts(audience: str, evidence: str, now: datetime) -> None:
    """An edition of an earlier release is whole, signed, sealed, consistent and of its evidence, for decades."""
    found = checked(audience, EDITIONS / evidence, now)
    assert kept(found), found.verdicts


def beside(folder: Path) -> None:
    (folder / "Ext/mine").mkdir(parents=True)
    (folder / "Ext/mine/a.csv").touch()
    (folder / "dataset.yml").write_text("synthetic: true\n")
    (folder / "ext/loose.jsonl" if (folder / "ext").exists() else folder / "detections/more.jsonl").touch()


def log_of_a_table(folder: Path) -> None:
    for place in ("detections/_delta_log", "detections/metadata", f"{DAY}/.hoodie"):
        (folder / place).mkdir(parents=True, exist_ok=True)
    (folder / "detections/_delta_log/00000000000000000000.json").write_text("{}")
    (folder / "detections/metadata/v1.metadata.json").write_text("{}")
    (folder / DAY / ".hoodie/hoodie.properties").touch()


def no_day(folder: Path) -> None:
    (folder / "detections/event_day=soon").mkdir(parents=True)
    (folder / "detections/event_day=soon/a.jsonl").touch()


def no_format(folder: Path) -> None:
    (folder / DAY).mkdir(parents=True, exist_ok=True)
    (folder / DAY / "notes.txt").touch()


def no_object(folder: Path) -> None:
    (folder / DAY / "empty.jsonl").mkdir(parents=True)


def link_to_nothing(folder: Path) -> None:
    (folder / "detections").mkdir(exist_ok=True)
    (folder / "detections/loose.csv").symlink_to("nowhere")


REFUSED = [beside, log_of_a_table, no_day, no_format, no_object, link_to_nothing]


@pytest.mark.usefixtures("slow")
@pytest.mark.usefixtures("later")
@pytest.mark.parametrize(("audience", "evidence"), MADE)
@pytest.mark.parametrize("deliver", REFUSED, ids=lambda each: each.__name__)
def test_over_a_folder_that_is_refused(audience: str, evidence: str, deliver: Any, tmp_path: Path) -> None:
    """What lies beside the objects of an edition, and would be refused today, changes nothing of its verdicts."""
    folder = Path(shutil.copytree(EDITIONS / evidence, tmp_path / "evidence"))
    deliver(folder)
    found = checked(audience, folder)
    assert kept(found), found.verdicts


def take(folder: Path) -> None:
    (folder / DAY / "all.jsonl").unlink()


def change(folder: Path) -> None:
    (folder / DAY / "all.jsonl").write_text("{}")


def add(folder: Path) -> None:
    shutil.copy(folder / DAY / "all.jsonl", folder / DAY / "more.jsonl")


@pytest.mark.usefixtures("later")
@pytest.mark.parametrize(
    ("alter", "fault"),
    [(take, "missing: {}all.jsonl"), (change, "changed: {}all.jsonl"), (add, "added since: {}more.jsonl")],
)
def test_other_evidence_is_found(alter: Any, fault: str, tmp_path: Path) -> None:
    """Evidence that is not what an earlier release read is invalid, also in a folder that is refused."""
    folder = Path(shutil.copytree(EDITIONS / "flat", tmp_path / "evidence"))
    no_format(folder)
    alter(folder)
    found = checked("regulator", folder)
    assert outcomes(found) == [*VALID[1:], "invalid", "could not be checked"]
    assert found.verdicts[-2].detail == fault.format(f"{DAY}/")
    assert found.exit_status == 1


@pytest.mark.usefixtures("later")
def test_what_came_later_is_not_added(tmp_path: Path) -> None:
    """Days that no release reads for the window may be delivered, as for an edition of this one."""
    folder = Path(shutil.copytree(EDITIONS / "flat", tmp_path / "evidence"))
    shutil.copytree(folder / DAY, folder / "detections/event_day=2026-05-09")
    assert kept(checked("regulator", folder))


@pytest.mark.usefixtures("later")
def test_an_object_that_leads_elsewhere(tmp_path: Path) -> None:
    """A named object is not read through a folder that is a link out of the evidence."""
    folder = Path(shutil.copytree(EDITIONS / "flat", tmp_path / "evidence"))
    (folder / DAY).rename(tmp_path / "elsewhere")
    (folder / DAY).symlink_to(tmp_path / "elsewhere")
    evidence = checked("regulator", folder).verdicts[-2]
    assert evidence.outcome == "could not be checked"
    assert f"{DAY}/all.jsonl: leads out of the evidence folder" in evidence.detail


@pytest.mark.usefixtures("later", "aws")
def test_in_s3(bucket: str) -> None:
    """An edition keeps its verdicts over a bucket, too, until an object gets another content there."""
    for file in filter(Path.is_file, (EDITIONS / "flat").rglob("*")):
        name = file.relative_to(EDITIONS / "flat").as_posix()
        s3_client().put_object(Bucket=bucket, Key=f"evidence/{name}", Body=file.read_bytes())
    s3_client().put_object(Bucket=bucket, Key=f"evidence/{DAY}/notes.txt", Body=b"")
    reader = InBucket(S3Evidence(client("s3"), bucket, "evidence/"), Resources(), None)
    pdf = (EDITIONS / "regulator.pdf").read_bytes()
    assert kept(judge(pdf, trust(), SOON, reader))
    s3_client().put_object(Bucket=bucket, Key=f"evidence/{DAY}/all.jsonl", Body=b"{}")
    found = judge(pdf, trust(), SOON, reader)
    assert outcomes(found) == [*VALID[1:], "invalid", "could not be checked"]
    s3_client().delete_object(Bucket=bucket, Key=f"evidence/{DAY}/all.jsonl")
    assert judge(pdf, trust(), SOON, reader).verdicts[-2].detail == f"missing: {DAY}/all.jsonl"


@pytest.mark.parametrize("deliver", [no_day, no_format, no_object], ids=lambda each: each.__name__)
def test_of_the_same_release(
    golden: dict[str, Published], authority: LocalAuthority, deliver: Any, tmp_path: Path
) -> None:
    """In a folder that became wrong, an edition of this release keeps its verdicts: what was added is left out."""
    folder = Path(shutil.copytree(GOLDEN / "revisions", tmp_path / "evidence"))
    deliver(folder)
    with pytest.raises(InvalidEvidence):
        FolderEvidence(folder).list()
    pdf = golden["revisions"].pdf.read_bytes()
    *_, evidence, reproduction = judge(pdf, None, SOON, held_by(folder)).verdicts
    assert (evidence.outcome, reproduction.outcome) == ("valid", "valid")
    os.unlink(folder / DAY / "all.jsonl")
    evidence = judge(pdf, None, SOON, held_by(folder)).verdicts[-2]
    assert (evidence.outcome, evidence.detail) == ("invalid", f"missing: {DAY}/all.jsonl")


@pytest.mark.parametrize(
    ("software", "told"),
    [
        ({"name": "exhibit", "version": "100.0.1"}, "made by Exhibit 100.0.1, and"),
        ({"name": "exhibit", "version": "0.2.0rc1"}, "made by Exhibit 0.2.0rc1, and"),
        ({"name": "exhibit", "version": f"{__version__} "}, f"made by 'exhibit' '{__version__} ', and"),
        ({"name": "exhibit", "version": ""}, "made by 'exhibit' '', and"),
        ({"name": "exhibit", "version": "1\n\x1b[2J"}, r"made by 'exhibit' '1\n\x1b[2J', and"),
        ({"name": "exhibit", "version": "9" * 5000}, f"made by 'exhibit' '{'9' * 39}, and"),
        ({"name": "pip install x", "version": __version__}, f"made by 'pip install x' '{__version__}', and"),
    ],
    ids=["newer", "candidate", "space", "empty", "control", "long", "other"],
)
def test_a_release_that_is_not_known(
    golden: dict[str, Published], authority: LocalAuthority, software: dict[str, str], told: str
) -> None:
    """Whatever an edition says of its release, it is named in one printable line, and the evidence is compared."""
    pdf = signed_anew(
        golden["quiet"].unsigned,
        authority,
        "evidence.json",
        lambda data: data["predicate"].update(software=software),
    )
    folder = GOLDEN / "quiet"
    *_, evidence, reproduction = judge(pdf, None, SOON, held_by(folder)).verdicts
    assert (evidence.outcome, reproduction.outcome) == ("valid", "could not be checked")
    assert told in reproduction.detail
    assert reproduction.detail.isprintable()


def newer_form(data: dict[str, Any]) -> None:
    data["predicateType"] = "urn:exhibit:evidence:v3"


def newer_record(data: dict[str, Any]) -> None:
    data["predicate"]["software"]["version"] = "100.0"
    del data["predicate"]["pages"]


@pytest.mark.parametrize(
    ("alter", "attachments", "told"),
    [
        (
            newer_form,
            "could not be checked",
            "evidence.json has the predicate type urn:exhibit:evidence:v3, and Exhibit ",
        ),
        (newer_record, "valid", "it was written by Exhibit 100.0, and this is Exhibit "),
    ],
)
def test_what_a_later_release_wrote(
    golden: dict[str, Published], authority: LocalAuthority, alter: Any, attachments: str, told: str
) -> None:
    """A form of the attachments that is not known here is not called wrong; which release wrote it is said."""
    pdf = signed_anew(golden["quiet"].unsigned, authority, "evidence.json", alter)
    found = judge(pdf, None, SOON, held_by(GOLDEN / "quiet"))
    assert outcomes(found)[3:] == [attachments, "could not be checked", "could not be checked"]
    assert told in found.verdicts[-1].detail


@pytest.mark.usefixtures("later")
def test_explained_again_by_its_own_release(capsys: pytest.CaptureFixture[str]) -> None:
    """A figure of another release's edition is explained, and not computed again."""
    file, folder = str(EDITIONS / "lawmaker.pdf"), str(EDITIONS / "ocsf")
    assert main(["explain", file, "F1"]) == 0
    assert main(["explain", file, "F1", "--evidence", folder]) == 3
    assert "made by Exhibit 0.1.0, and this is Exhibit 99.0" in capsys.readouterr().err

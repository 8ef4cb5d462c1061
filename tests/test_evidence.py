"""Where evidence lies: what names say, what a folder holds, and what is pinned of it."""

import hashlib
from datetime import date
from pathlib import Path

import pytest

from reports.errors import InvalidEvidence, InvalidRequest
from reports.evidence import EvidenceObject, FolderEvidence, Layout, Located, locate

FLAT_DAY = "detections/event_day=2026-05-02"
OCSF_DAY = "ext/gateway/region=eu-west-1/accountId=111122223333/eventDay=20260502"


def put(root: Path, *names: str) -> FolderEvidence:
    """A folder with objects that hold their own names."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    return FolderEvidence(root)


@pytest.mark.parametrize(
    ("name", "layout", "format_"),
    [
        (f"{FLAT_DAY}/part-0.parquet", "flat", "parquet"),
        (f"{FLAT_DAY}/part-0.jsonl", "flat", "json"),
        (f"{FLAT_DAY}/part-0.jsonl.gz", "flat", "json"),
        (f"{FLAT_DAY}/part-0.csv", "flat", "csv"),
        (f"{FLAT_DAY}/hour=03/größe, 'x' [1].snappy.parquet", "flat", "parquet"),
        (f"{OCSF_DAY}/part-0.parquet", "ocsf", "parquet"),
        (f"{OCSF_DAY}/part-0.jsonl.gz", "ocsf", "json"),
        (f"{OCSF_DAY}/hour=03/part-0.parquet", "ocsf", "parquet"),
        ("ext/gateway/2.0/region=x/accountId=1/eventDay=20260502/a.csv", "ocsf", "csv"),
        ("ext/gateway/region=x/accountid=1/eventday=20260502/a.jsonl", "ocsf", "json"),
    ],
)
def test_a_name_says_what_an_object_is(name: str, layout: Layout, format_: str) -> None:
    """The layout, the day and the format of an object are in its name."""
    assert locate(name, 12) == Located(name, layout, date(2026, 5, 2), format_, 12)


@pytest.mark.parametrize(
    "name",
    [
        "campaigns.yaml",
        "detections/readme.txt",
        "detections/2026-05-02/part-0.parquet",
        "detections/event_day=2026-05-02",
        f"archive/{FLAT_DAY}/part-0.parquet",
        f"{FLAT_DAY}/_SUCCESS",
        f"{FLAT_DAY}/.part-0.parquet.crc",
        f"{OCSF_DAY}/_temporary.parquet",
        "ext/gateway/eventDay=20260502/part-0.parquet",
        "ext/region=x/accountId=1/eventDay=20260502/part-0.parquet",
        "ext/gateway/accountId=1/region=x/eventDay=20260502/part-0.parquet",
    ],
)
def test_what_lies_elsewhere_is_passed_over(name: str) -> None:
    """Objects of neither layout, and hidden ones, are no evidence."""
    assert locate(name, 12) is None


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("detections/event_day=2026-02-30/a.csv", "'2026-02-30' is not a day: write it as"),
        ("detections/event_day=20260502/a.csv", "'20260502' is not a day"),
        ("detections/event_day=2026-5-2/a.csv", "'2026-5-2' is not a day"),
        ("detections/event_day=__HIVE_DEFAULT_PARTITION__/a.csv", "is not a day"),
        ("ext/s/region=x/accountId=1/eventDay=2026-05-02/a.csv", "'2026-05-02' is not a day"),
        (
            f"{FLAT_DAY}/a.avro",
            r"\.avro is not a format that is read: convert it to one of \.parquet, \.jsonl",
        ),
        (f"{FLAT_DAY}/a", "no suffix is not a format"),
        (f"{FLAT_DAY}/a.csv.gz", r"\.gz is not a format"),
        (f"{OCSF_DAY}/a.json", r"\.json is not a format"),
        (f"{FLAT_DAY}/a.PARQUET", r"\.PARQUET is not a format"),
    ],
)
def test_what_cannot_be_read_is_refused(name: str, message: str) -> None:
    """A partition that is no day, and a format that is not read, are refused by the object's name."""
    with pytest.raises(InvalidEvidence, match=message) as refused:
        locate(name, 12)
    assert name in str(refused.value)


def test_a_folder_lists_its_objects_in_order(tmp_path: Path) -> None:
    """All objects of both layouts are listed with their sizes, in the order of their names, and nothing else."""
    names = [f"{OCSF_DAY}/a.csv", f"{FLAT_DAY}/b.csv", f"{FLAT_DAY}/a.parquet", f"{FLAT_DAY}/below/c.jsonl"]
    listed = put(tmp_path, *names, "campaigns.yaml", f"{FLAT_DAY}/_SUCCESS", "other/a.csv").list()
    assert [o.name for o in listed] == sorted(names)
    assert [o.size for o in listed] == [len(name) for name in sorted(names)]


def test_folders_are_no_objects(tmp_path: Path) -> None:
    """A day without an object in it is a day that was not delivered."""
    (tmp_path / "detections/event_day=2026-05-03").mkdir(parents=True)
    assert [o.day for o in put(tmp_path, f"{FLAT_DAY}/a.csv").list()] == [date(2026, 5, 2)]


def test_no_such_folder_is_refused(tmp_path: Path) -> None:
    """Evidence lies in a folder that is there."""
    (tmp_path / "file").touch()
    for name in ("missing", "file"):
        with pytest.raises(InvalidRequest, match=f"{name}: no such folder: name the folder"):
            FolderEvidence(tmp_path / name)


def test_neither_layout_is_refused(tmp_path: Path) -> None:
    """A folder without evidence is refused with what was expected in it."""
    with pytest.raises(
        InvalidEvidence, match=r"neither layout is present: expected detections/event_day=.* or ext/"
    ):
        put(tmp_path, "campaigns.yaml").list()


def test_pinned_as_they_are(tmp_path: Path) -> None:
    """Objects are pinned in the order given, by size and digest as they are then, not as they were listed."""
    evidence = put(tmp_path, f"{FLAT_DAY}/a.csv", f"{FLAT_DAY}/b.csv")
    first, second = evidence.list()
    (tmp_path / first.name).write_bytes(b"changed")
    pinned = evidence.pin([second, first])
    contents = [second.name.encode(), b"changed"]
    assert pinned == tuple(
        EvidenceObject(located.name, hashlib.sha256(content).hexdigest(), len(content))
        for located, content in zip([second, first], contents, strict=True)
    )
    assert evidence.pin([]) == ()


def test_an_object_that_went_away_is_refused(tmp_path: Path) -> None:
    """What cannot be read cannot be pinned, and the message names it."""
    evidence = put(tmp_path, f"{FLAT_DAY}/a.csv")
    listed = evidence.list()
    (tmp_path / f"{FLAT_DAY}/a.csv").unlink()
    with pytest.raises(InvalidEvidence, match=r"event_day=2026-05-02/a\.csv"):
        evidence.pin(listed)


def test_settings_lie_beside_the_objects(tmp_path: Path) -> None:
    """A settings file is its text, and None where there is none."""
    evidence = put(tmp_path, "campaigns.yaml")
    (tmp_path / "dataset.yaml").write_bytes("name: größe\n".encode())
    (tmp_path / "latin.yaml").write_bytes("name: größe\n".encode("latin-1"))
    (tmp_path / "folder.yaml").mkdir()
    assert evidence.text("dataset.yaml") == "name: größe\n"
    assert evidence.text("missing.yaml") is None
    assert evidence.text("folder.yaml") is None
    with pytest.raises(InvalidEvidence, match=r"latin\.yaml: cannot be read as UTF-8 text"):
        evidence.text("latin.yaml")

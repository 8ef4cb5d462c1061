"""Where evidence lies: what names say, what a folder holds, and what is pinned of it."""

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import pytest

from reports.errors import InvalidEvidence, InvalidRequest
from reports.evidence import FolderEvidence, Layout, Located, locate
from tests.contracts.evidence_source import *  # noqa: F403
from tests.contracts.evidence_source import FLAT_DAY, OCSF_DAY


@dataclass(frozen=True)
class Folder:
    """A folder that evidence is delivered to."""

    root: Path
    instants: Iterator[int] = field(default_factory=lambda: itertools.count(10**18))

    def put(self, name: str, content: bytes) -> None:
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).write_bytes(content)
        written = next(self.instants)  # two writes in one tick of the kernel's clock would look the same
        os.utime(self.root / name, ns=(written, written))

    def take(self, name: str) -> None:
        (self.root / name).unlink()

    def open(self) -> FolderEvidence:
        return FolderEvidence(self.root)


@pytest.fixture
def place(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


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


def test_a_folder_is_no_settings_file(tmp_path: Path) -> None:
    """A folder with the name of a settings file is none."""
    (tmp_path / "folder.yaml").mkdir()
    assert put(tmp_path).text("folder.yaml") is None


def test_what_is_named_lies_in_the_folder(tmp_path: Path) -> None:
    """A named object is read through a link that stays in the folder; whatever else is in its place is refused."""
    outside, folder = tmp_path / "outside", tmp_path / "evidence"
    source = put(folder, f"{FLAT_DAY}/a.csv", f"{FLAT_DAY}/folder.csv/below.csv")
    outside.write_text("x")
    (folder / FLAT_DAY / "inside.csv").symlink_to("a.csv")
    (folder / FLAT_DAY / "out.csv").symlink_to(outside)
    (folder / FLAT_DAY / "nowhere.csv").symlink_to("nowhere")
    (folder / "detections/linked").symlink_to(tmp_path)
    os.mkfifo(folder / FLAT_DAY / "pipe.csv")
    assert [o.name for o in source.named([f"{FLAT_DAY}/inside.csv"])] == [f"{FLAT_DAY}/inside.csv"]
    for name, problem in [
        (f"{FLAT_DAY}/out.csv", "leads out of the evidence folder"),
        (f"{FLAT_DAY}/nowhere.csv", "is a link that leads nowhere"),
        (f"{FLAT_DAY}/pipe.csv", "is not a file"),
        (f"{FLAT_DAY}/folder.csv", "is a folder"),
        ("detections/linked/outside", "leads out of the evidence folder"),
        (f"{FLAT_DAY}/{'a' * 300}.csv", "cannot be read: File name too long"),
    ]:
        with pytest.raises(InvalidEvidence, match=f"{name}: {problem}"):
            source.named([name])

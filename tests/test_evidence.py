"""Where evidence lies: what names say, what a folder holds, and what is pinned of it."""

import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import pytest

from reports.errors import InvalidEvidence, InvalidRequest
from reports.evidence import FolderEvidence, Layout, Located, locate
from tests.contracts.evidence_source import *  # noqa: F403
from tests.contracts.evidence_source import FLAT_DAY, OCSF_DAY
from tests.privileges import as_somebody_else


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


def to_nowhere(file: Path) -> str:
    file.symlink_to("gone")
    return "is a link that leads nowhere: put the file there, or take it away"


def to_itself(file: Path) -> str:
    file.symlink_to(file.name)
    return "is a link that leads nowhere"


def a_folder(file: Path) -> str:
    file.mkdir()
    return "is not a file: put the file there, or take it away"


def a_pipe(file: Path) -> str:
    os.mkfifo(file)
    return "is not a file"


@pytest.mark.parametrize("make", [to_nowhere, to_itself, a_folder, a_pipe])
def test_what_only_looks_like_a_settings_file_is_refused(tmp_path: Path, make: Callable[[Path], str]) -> None:
    """What has the name of a settings file and is none is not taken for missing."""
    said = make(tmp_path / "dataset.yaml")
    with pytest.raises(InvalidEvidence, match=f"dataset.yaml: {said}"):
        put(tmp_path).text("dataset.yaml")
    assert put(tmp_path).tops() == (f"dataset.yaml{'/' if make is a_folder else ''}",)


def test_a_linked_settings_file_is_read(tmp_path: Path) -> None:
    """A registry that is shared by many folders of evidence is the same in each."""
    (tmp_path / "evidence").mkdir()
    (tmp_path / "shared.yaml").write_text("campaigns: []\n")
    (tmp_path / "evidence/campaigns.yaml").symlink_to("../shared.yaml")
    assert put(tmp_path / "evidence").text("campaigns.yaml") == "campaigns: []\n"


def test_a_settings_file_that_may_not_be_read_is_refused(unprivileged: Path) -> None:
    """A file without permission is not taken for missing, and neither is one in such a folder."""
    (unprivileged / "dataset.yaml").write_text("synthetic: true\n")
    for place in (unprivileged / "dataset.yaml", unprivileged):
        source = put(unprivileged)
        place.chmod(0)
        with as_somebody_else(), pytest.raises(InvalidEvidence, match=r"dataset\.yaml: cannot be read"):
            source.text("dataset.yaml")
        if place == unprivileged:
            with as_somebody_else(), pytest.raises(InvalidEvidence, match=f"{place}: cannot be read"):
                source.tops()
        place.chmod(0o755)

"""Where evidence lies: what names say, what a folder holds, and what is pinned of it."""

import itertools
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import pytest

from reports.core.errors import InvalidEvidence, InvalidRequest
from reports.evidence.columns import Layout
from reports.evidence.source import FolderEvidence, ListedObject, locate
from tests.contracts.evidence_source import *  # noqa: F403
from tests.contracts.evidence_source import FLAT_DAY, OCSF_DAY
from tests.support.privileges import as_somebody_else


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
    assert locate(name, 12) == ListedObject(name, layout, date(2026, 5, 2), format_, 12)


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("campaigns.yaml", 12),
        ("detections", 12),
        ("", 12),
        (f"/{FLAT_DAY}/part-0.parquet", 12),
        (f"archive/{FLAT_DAY}/part-0.parquet", 12),
        (f"Detections/{FLAT_DAY}/part-0.parquet", 12),
        ("detections/", 0),
        ("detections/dt=1/", 0),
        ("detections//", 0),
        (f"{FLAT_DAY}/hour=08/", 0),
        (f"{FLAT_DAY}/hour=08_$folder$", 0),
        (f"{FLAT_DAY}/hour=08_$folder$", 12),
        ("detections/_tmp/", 12),
        ("detections/_tmp/../b.csv", 12),
        ("detections/_tmp//b.csv", 12),
    ],
)
def test_what_is_no_object_is_passed_over(name: str, size: int) -> None:
    """What lies beside the layouts, what is hidden, and what marks a folder is no evidence."""
    assert locate(name, size) is None


@pytest.mark.parametrize(
    "name",
    [
        "detections//b.csv",
        f"{FLAT_DAY}//b.csv",
        f"{FLAT_DAY}/./b.csv",
        f"{FLAT_DAY}/../b.csv",
        f"detections/../{FLAT_DAY}/b.csv",
        f"detections/./{FLAT_DAY}/_tmp/b.csv",
        "ext/../detections/b.csv",
        f"{FLAT_DAY}/b.csv/..",
    ],
)
def test_what_no_folder_can_hold_is_refused(name: str) -> None:
    """A key that a file system would read as another is refused."""
    with pytest.raises(
        InvalidEvidence, match=f"^{re.escape(name)}: a folder cannot hold that name: rename it, without //"
    ):
        locate(name, 12)


def test_a_folders_name_with_content_is_refused() -> None:
    """A key that ends in a slash marks a folder if it is empty; one that is not would be left out unnoticed."""
    name = f"{FLAT_DAY}/b.csv/"
    with pytest.raises(
        InvalidEvidence, match=f"^{name}: has the name of a folder but is not empty: rename it"
    ):
        locate(name, 1)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("detections/event_day=2026-02-30/a.csv", "'2026-02-30' is not a day: write it as YYYY-MM-DD"),
        ("detections/event_day=20260502/a.csv", "'20260502' is not a day"),
        ("detections/event_day=2026-5-2/a.csv", "'2026-5-2' is not a day"),
        ("detections/event_day=__HIVE_DEFAULT_PARTITION__/a.csv", "is not a day"),
        (
            "ext/s/region=x/accountId=1/eventDay=2026-05-02/a.csv",
            "'2026-05-02' is not a day: write it as YYYYMMDD",
        ),
        (
            f"{FLAT_DAY}/a.avro",
            r"\.avro is not a supported format: convert it to one of \.parquet, \.jsonl",
        ),
        (f"{FLAT_DAY}/a.csv.gz", r"\.csv\.gz is not a supported format"),
        (
            f"{OCSF_DAY}/a.jsonl.zst",
            r"\.zst is not a supported format: compress JSON Lines with gzip \(\.jsonl\.gz\)",
        ),
        (f"{FLAT_DAY}/a.PARQUET", r"\.PARQUET is not a supported format"),
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


def test_folders_without_objects_do_not_matter(tmp_path: Path) -> None:
    """An empty folder holds nothing that could be passed over, wherever it is; a bucket has none."""
    for name in ("dt=2026-05-02", "event_day=May", "event_day=2026-05-02/hour=08/x"):
        (tmp_path / "detections" / name).mkdir(parents=True)
    assert [o.name for o in put(tmp_path, f"{FLAT_DAY}/a.csv").list()] == [f"{FLAT_DAY}/a.csv"]


@pytest.mark.parametrize(
    "name", ["_tmp", ".tmp", "event_day=2026-05-02/_temporary", "event_day=2026-05-02/.a"]
)
def test_what_is_hidden_may_be_anything(tmp_path: Path, name: str) -> None:
    """A hidden folder is not walked into: what is in it need not be read, and may be no file, or lead elsewhere."""
    hidden = tmp_path / "detections" / name
    hidden.mkdir(parents=True)
    (hidden / "nowhere.csv").symlink_to("nowhere")
    (hidden / "outside").symlink_to("/")
    (hidden / "part.csv").mkdir()
    os.mkfifo(hidden / "pipe.csv")
    (tmp_path / "detections" / "_link").symlink_to("/")
    with open(os.fsencode(hidden) + b"/\xff.csv", "wb"):
        pass
    read: list[str] = []
    source = put(tmp_path, f"{FLAT_DAY}/a.csv")
    scandir = os.scandir
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "scandir", lambda path: read.append(str(path)) or scandir(path))
        assert [o.name for o in source.list()] == [f"{FLAT_DAY}/a.csv"]
    assert str(tmp_path / FLAT_DAY) in read
    assert str(hidden) not in read


def test_the_log_of_a_table_may_be_empty(tmp_path: Path) -> None:
    """The folder says that there is a table, also before anything is in it."""
    (tmp_path / "detections/_delta_log").mkdir(parents=True)
    with pytest.raises(InvalidEvidence, match=r"^detections/_delta_log: the files of this Delta Lake table"):
        put(tmp_path, f"{FLAT_DAY}/a.csv").list()


def test_a_marker_may_be_anything(tmp_path: Path) -> None:
    """A name that marks a folder is nothing, whatever has it."""
    source = put(tmp_path, f"{FLAT_DAY}/a.csv")
    (tmp_path / "detections" / "x_$folder$").symlink_to("nowhere")
    assert [o.name for o in source.list()] == [f"{FLAT_DAY}/a.csv"]


@pytest.mark.parametrize("name", ["detections", "Detections", "ext"])
@pytest.mark.parametrize("target", ["nowhere", "other", "other/a.csv", "/"])
def test_a_link_in_a_layouts_place_is_refused(tmp_path: Path, name: str, target: str) -> None:
    """A link is not followed to a layout, wherever it leads, and is not passed over."""
    source = put(tmp_path, "other/a.csv")
    (tmp_path / name).symlink_to(target)
    with pytest.raises(
        InvalidEvidence, match=f"^{name}: (is a broken link|is a link|is not a folder|would not be read)"
    ):
        source.list()


def test_links_at_the_top_are_told_as_they_are(tmp_path: Path) -> None:
    """A link's name is told wherever it leads, and never as a folder's."""
    source = put(tmp_path, "folder/a.csv")
    (tmp_path / "broken.yaml").symlink_to("nowhere")
    (tmp_path / "linked").symlink_to("folder")
    assert source.tops() == ("broken.yaml", "folder/", "linked")
    shutil.rmtree(tmp_path)
    with pytest.raises(InvalidEvidence, match=f"^{re.escape(str(tmp_path))}: cannot be read"):
        source.tops()


def test_recorded_objects_are_those_of_the_folder(tmp_path: Path) -> None:
    """No link on the way to an object is followed, wherever it leads."""
    (tmp_path / "other").mkdir()
    (tmp_path / "detections").symlink_to("other")
    source = put(tmp_path, "other/event_day=2026-05-02/a.csv")
    with pytest.raises(
        InvalidEvidence, match=f"^{FLAT_DAY}: contains a link: put the objects themselves there"
    ):
        source.list([f"{FLAT_DAY}/a.csv"])
    assert FolderEvidence(tmp_path, only=[f"{OCSF_DAY}/a.csv"]).list() == ()


@pytest.mark.usefixtures("slow")
def test_folders_may_be_deep(tmp_path: Path) -> None:
    """A folder as deep as the system lets it be is walked to its end."""
    deep = tmp_path / FLAT_DAY
    deep.mkdir(parents=True)
    here = os.open(deep, os.O_RDONLY)
    for _ in range(1200):
        os.mkdir("d", dir_fd=here)
        here, above = os.open("d", os.O_RDONLY, dir_fd=here), here
        os.close(above)
    os.close(os.open("a.csv", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)
    (one,) = FolderEvidence(tmp_path).list()
    assert one.name == f"{FLAT_DAY}/{'d/' * 1200}a.csv"
    subprocess.run(["rm", "-r", deep], check=True)  # shutil.rmtree goes no deeper than Python's own calls


def test_no_such_folder_is_refused(tmp_path: Path) -> None:
    """Evidence lies in a folder that is there."""
    (tmp_path / "file").touch()
    for name in ("missing", "file"):
        with pytest.raises(InvalidRequest, match=f"{name}: no such folder: give the folder"):
            FolderEvidence(tmp_path / name)


def to_nowhere(file: Path) -> str:
    file.symlink_to("gone")
    return "is a broken link: put the file there, or remove it"


def to_itself(file: Path) -> str:
    file.symlink_to(file.name)
    return "is a broken link"


def a_folder(file: Path) -> str:
    file.mkdir()
    return "is not a file: put the file there, or remove it"


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
        (f"{FLAT_DAY}/nowhere.csv", "is a broken link"),
        (f"{FLAT_DAY}/pipe.csv", "is not a file"),
        (f"{FLAT_DAY}/folder.csv", "is a folder"),
        ("detections/linked/outside", "leads out of the evidence folder"),
        (f"{FLAT_DAY}/{'a' * 300}.csv", "cannot be read: File name too long"),
    ]:
        with pytest.raises(InvalidEvidence, match=f"{name}: {problem}"):
            source.named([name])

"""Copies of evidence in S3: each version is fetched once, whole, and counted as in a folder."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from uuid import uuid4

import pytest

from reports.core.errors import Changed, InvalidEvidence, InvalidSettings
from reports.evidence.cache import CachedEngine, CachedEvidence
from reports.evidence.cache_folder import cache
from reports.evidence.source_s3 import S3Evidence
from tests.contracts.query_engine import *  # noqa: F403
from tests.contracts.query_engine import SUFFIXES, TALLIES, WINDOW, detection, flat, total
from tests.support.aws import client, s3_client
from tests.support.evidence_files import deliver

pytestmark = pytest.mark.usefixtures("slow")
NAME = flat(WINDOW.first)


@dataclass
class Place:
    """A bucket, and the folder of copies of it."""

    bucket: str
    copies: Path
    fetched: list[str]

    def put(self, folder: Path) -> None:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                s3_client().upload_file(str(file), self.bucket, file.relative_to(folder).as_posix())

    def engine(self) -> CachedEngine:
        s3 = client("s3")
        s3.meta.events.register("before-call.s3.GetObject", lambda **_: self.fetched.append("object"))
        return CachedEngine(CachedEvidence(S3Evidence(s3, self.bucket), self.copies))

    @property
    def files(self) -> list[Path]:
        return sorted(self.copies.glob("*/*"))


@pytest.fixture
def place(bucket: str, tmp_path: Path) -> Place:
    (tmp_path / "copies").mkdir()
    return Place(bucket, tmp_path / "copies", [])


@pytest.fixture
def small(place: Place, tmp_path: Path) -> Place:
    place.put(deliver(tmp_path / "small", {NAME: [detection(WINDOW.first)]}))
    return place


@pytest.fixture
def formats() -> tuple[str, ...]:
    return SUFFIXES


@pytest.fixture
def open_engine(aws: None, tmp_path: Path) -> Callable[[Path], CachedEngine]:
    def opened(folder: Path) -> CachedEngine:
        name = f"b-{uuid4()}"
        s3_client().create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        (tmp_path / "copies").mkdir(exist_ok=True)
        place = Place(name, tmp_path / "copies", [])
        place.put(folder)
        return place.engine()

    return opened


def tallied(place: Place) -> tuple[int, int]:
    return total(place.engine().ask(TALLIES, lambda *_: None))


def test_each_version_is_fetched_once(small: Place, tmp_path: Path) -> None:
    """A second run reads the copy; another version is fetched, and the first one kept."""
    assert tallied(small) == tallied(small) == (1, 1)
    assert len(small.fetched) == 1
    small.put(deliver(tmp_path / "other", {NAME: [detection(WINDOW.first, exchange_count=7)]}))
    assert tallied(small) == (1, 7)
    assert (len(small.fetched), len(small.files)) == (2, 2)


def test_those_who_ask_at_once_fetch_once(small: Place) -> None:
    """The questions of a briefing, and its digests, want the same objects at the same time."""
    engine = small.engine()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: engine.ask(TALLIES, lambda *_: None), range(8)))
    assert {total(answer) for answer in answers} == {(1, 1)}
    assert len(small.fetched) == 1


def test_a_copy_that_was_changed_is_fetched_again(small: Place) -> None:
    tallied(small)
    (copy,) = small.files
    copy.write_bytes(b"changed")
    assert tallied(small) == (1, 1)
    assert len(small.fetched) == 2


def test_what_was_pinned_is_what_was_counted(small: Place) -> None:
    """The digest and the version are those of the bytes that were copied."""
    engine = small.engine()
    listed = engine.source.list()
    assert engine.source.pin(listed) == S3Evidence(client("s3"), small.bucket).pin(listed)
    assert engine.source.pin(listed)[0].version


def test_what_changes_after_it_was_listed(small: Place, tmp_path: Path) -> None:
    engine = small.engine()
    listed = engine.source.list()
    small.put(deliver(tmp_path / "other", {NAME: [detection(WINDOW.first, exchange_count=7)]}))
    with pytest.raises(Changed, match=f"{NAME}: changed while being read"):
        engine.source.pin(listed)
    assert small.files == []


def test_a_refusal_names_the_object(small: Place, tmp_path: Path) -> None:
    broken = flat(WINDOW.first, ".jsonl", 1)
    (tmp_path / "more" / broken).parent.mkdir(parents=True)
    (tmp_path / "more" / broken).write_text('{"detection_id": "d"}\n')
    small.put(tmp_path / "more")
    with pytest.raises(InvalidEvidence, match=f"{broken}: required column revised_at is missing"):
        tallied(small)


@pytest.fixture
def homeless(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", "nowhere")
    return monkeypatch


def test_the_folder_is_its_owners_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with cache() as folder:
        assert folder == tmp_path / "cache" / "exhibit"
        assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o750)
    with pytest.raises(InvalidSettings, match=f"others can read it, .*: chmod 700 {folder}"), cache():
        pass


def test_an_empty_home_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The user's home is then the one of the password file, as for the folder of keys."""
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", "")
    monkeypatch.setattr("pwd.getpwuid", lambda _: SimpleNamespace(pw_dir=str(tmp_path)))
    with cache() as folder:
        assert folder == tmp_path / ".cache" / "exhibit"
        assert folder.parent.stat().st_mode & 0o777 == 0o700


def test_without_a_home_copies_are_temporary(homeless: pytest.MonkeyPatch) -> None:
    """A relative place does not count, by the XDG Base Directory Specification."""
    homeless.setenv("XDG_CACHE_HOME", "relative")
    with cache() as folder:
        assert folder.is_dir()
    assert not folder.exists()

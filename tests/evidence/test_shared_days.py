"""Days in a bucket: one closes them, others add them up, and nobody believes what is damaged."""

import json
import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from botocore.model import OperationModel

from reports.core.errors import Changed
from reports.core.window import Window
from reports.evidence import id_index
from reports.evidence.cache import PassingCopies
from reports.evidence.closed_days import ClosedDays, DayCloser, Remembering
from reports.evidence.collect import Evidence, collect
from reports.evidence.day_store import LIST, _sealed
from reports.evidence.engine_duckdb import DuckDBEngine
from reports.evidence.questions import Answer, Inquiry, Question
from reports.evidence.shared_days import CELLS, SharedDays
from reports.evidence.source import FolderEvidence
from reports.evidence.source_s3 import S3Evidence
from reports.evidence.tally import CannotClose
from tests.contracts.query_engine import (
    EARLIEST,
    NEWEST,
    QUESTIONS,
    TALLIES,
    WINDOW,
    detection,
    flat,
    ocsf,
)
from tests.support.aws import client, s3_client
from tests.support.evidence_files import Objects, deliver
from tests.support.fakes import AS_OF

pytestmark = pytest.mark.usefixtures("slow", "aws")
DAYS = [EARLIEST, *WINDOW.days]


@dataclass
class Office:
    """Evidence in a folder and in a bucket, and a bucket for its days."""

    folder: Path
    evidence: str
    cells: str
    fetched: list[str] = field(default_factory=list)

    def deliver(self, objects: Objects) -> None:
        deliver(self.folder, objects)
        for name in objects:
            s3_client().upload_file(str(self.folder / name), self.evidence, name)

    def store(self) -> SharedDays:
        """As a new process has it."""
        s3 = client("s3")
        s3.meta.events.register(
            "provide-client-params.s3.GetObject", lambda params, **_: self.fetched.append(params["Key"])
        )
        place = self.folder.parent / uuid4().hex
        place.mkdir()
        found = SharedDays(place, s3, self.cells)
        found.pull()
        return found

    @property
    def source(self) -> S3Evidence:
        return S3Evidence(client("s3"), self.evidence)

    def close(self, *asked: Question) -> int:
        """Close days as the function does, in a process of its own."""
        store = self.store()
        closer = DayCloser(Remembering(self.source, store, 0), PassingCopies(self.source))
        closed = sum(closer.ahead(question, lambda *_: None) for question in asked or QUESTIONS)
        store.push()
        return closed

    def ask(self, question: Question = TALLIES, most: float | None = None) -> Answer | None:
        """The answer of closed days, in a process of its own; None if they do not tell."""
        copies = None if most is None else PassingCopies(self.source, most)
        closer = DayCloser(Remembering(self.source, self.store(), 0), copies)
        return ClosedDays(Silent(), closer).ask(question, lambda *_: None)  # type: ignore[arg-type]

    def read(self, question: Question = TALLIES) -> Answer:
        """The answer of the evidence."""
        return DuckDBEngine(FolderEvidence(self.folder)).ask(question, lambda *_: None)

    def kept(self) -> list[str]:
        """The keys of the bucket of days."""
        return [each["Key"] for each in s3_client().list_objects_v2(Bucket=self.cells).get("Contents", ())]

    def put(self, key: str, content: bytes) -> None:
        s3_client().put_object(Bucket=self.cells, Key=key, Body=content)


class Silent:
    """An engine that answers nothing."""

    def ask(self, question: Question, progress: object) -> None:
        return None


def _bucket() -> str:
    name = f"b-{uuid4()}"
    s3_client().create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    return name


@pytest.fixture
def office(tmp_path: Path) -> Office:
    found = Office(tmp_path / "evidence", _bucket(), _bucket())
    revised = detection(EARLIEST, detection_id=f"o {EARLIEST}", revised_at=datetime(2026, 5, 4))
    findings = {ocsf(day): [detection(day, detection_id=f"o {day}")] for day in DAYS}
    found.deliver(
        {
            **{flat(day): [detection(day), detection(day, detection_id="other")] for day in DAYS},
            **findings,
            ocsf(NEWEST): [revised],
        }
    )
    return found


def test_days_are_closed_by_one_and_added_up_by_another(office: Office) -> None:
    """The answers are the evidence's, and none of it is opened."""
    assert office.ask() is None
    assert office.close() > len(DAYS)
    office.fetched.clear()
    assert [office.ask(question) for question in QUESTIONS] == [
        office.read(question) for question in QUESTIONS
    ]
    assert {key for key in office.fetched if not key.startswith(CELLS)} == {LIST}


def test_nothing_is_put_where_nothing_changed(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second closing reads no cells and writes nothing."""
    monkeypatch.setattr("reports.evidence.source_s3.UNSETTLED", timedelta(-1))
    office.close()
    before = s3_client().list_objects_v2(Bucket=office.cells)["Contents"]
    office.fetched.clear()
    office.close()
    assert office.fetched == [LIST]
    assert s3_client().list_objects_v2(Bucket=office.cells)["Contents"] == before


def test_a_late_revision_reopens_its_days(office: Office) -> None:
    """Until they are closed again, closed days do not tell; or the few are closed where they are needed."""
    office.close()
    office.deliver(
        {
            ocsf(NEWEST, part=1): [
                detection(EARLIEST, detection_id=f"o {DAYS[1]}", revised_at=datetime(2026, 5, 5))
            ]
        }
    )
    expected = [office.read(question) for question in QUESTIONS]
    assert office.ask() is None
    assert office.ask(most=1) is None
    assert [office.ask(question, most=10**6) for question in QUESTIONS] == expected
    assert office.ask() is None  # who adds up writes nothing
    office.close()
    assert [office.ask(question) for question in QUESTIONS] == expected


def test_activity_before_the_first_partition(office: Office) -> None:
    """It is in no history, as in the engine's; what lies on the first partition's day is."""
    window = Window(EARLIEST + timedelta(2), WINDOW.last)
    assert window.preceding.first < EARLIEST - timedelta(1)
    early = {
        ocsf(NEWEST, part=2): [
            detection(EARLIEST - timedelta(1), detection_id="before", exchange_count=100),
            detection(EARLIEST, detection_id="first", exchange_count=10),
        ]
    }
    office.deliver(early)
    asked = [question for question in Inquiry(window, AS_OF).questions(office.source.list()) if question]
    office.close(*asked)
    answers = [office.ask(question) for question in asked]
    assert answers == [office.read(question) for question in asked]
    (_, history) = answers
    assert history
    assert max(row["exchanges"] for row in history.rows) in range(10, 100)


@pytest.mark.parametrize("damage", ["cut", "exchanged", "gone"])
def test_damaged_cells_are_not_believed(office: Office, damage: str) -> None:
    """They count as absent, and are made again by the next who closes; then nothing is looked at any more."""
    office.close()
    one, other, *_ = (key for key in office.kept() if key.startswith(CELLS))
    contents = [s3_client().get_object(Bucket=office.cells, Key=key)["Body"].read() for key in (one, other)]
    for key in (key for key in office.kept() if key.startswith(CELLS)):
        if damage == "gone":
            s3_client().delete_object(Bucket=office.cells, Key=key)
        else:
            office.put(key, contents[0][:-1] if damage == "cut" else contents[key == one])
    assert office.ask() is None
    assert office.ask(most=10**6) == office.read()
    closed = office.close()
    assert [office.ask(question) for question in QUESTIONS] == [
        office.read(question) for question in QUESTIONS
    ]
    office.fetched.clear()
    assert office.close() == closed
    assert office.fetched == [LIST]


def test_a_file_that_another_put_there_whole_is_not_made_again(office: Office) -> None:
    """It is looked at once: then its new entity tag is known."""
    office.close()
    store = office.store()
    files = {CELLS + file for day in store.every_day().values() for file in day.files}
    with closing(sqlite3.connect(store.folder / LIST)) as database, database:
        database.execute("delete from tags")
    office.put(LIST, (store.folder / LIST).read_bytes())
    for fetched in ({LIST, *files}, {LIST}):
        office.fetched.clear()
        office.close()
        assert set(office.fetched) == fetched


def test_rows_of_another_shape_count_as_absent(office: Office) -> None:
    """Those that another release wrote: days are closed and found beside them."""
    office.close()
    store = office.store()
    with closing(sqlite3.connect(store.folder / LIST)) as database, database:
        for text in ('{"new": 1}', "[]", "7", '{"day": "2026-05-03", "files": 1}', "no JSON"):
            database.execute(
                "insert into days values (?, 'elsewhere', 'flat 1', ?, ?)", (text, text, _sealed(text, text))
            )
            made = json.dumps([text, ["f" * 64]]) if text.startswith("{") else text
            database.execute("insert into indexes values (?, ?, ?)", (text, made, _sealed(text, made)))
            database.execute("insert into digests values (?, ?, ?)", (text, text, _sealed(text, text)))
            assert id_index.names(store, text, "rules") == frozenset()
    assert "f" * 64 in store.used()
    assert len(store.every_day()) == len(store.days(store.places()))
    assert store.digests(["7", "[]"]) == {}
    office.put(LIST, (store.folder / LIST).read_bytes())
    assert office.ask() == office.read()
    office.deliver({flat(WINDOW.first, part=7): [detection(WINDOW.first, detection_id="more")]})
    office.close()
    assert office.ask() == office.read()


@pytest.mark.parametrize("content", [b"", b"not a list", b"SQLite format 3\0 but no more"])
def test_a_damaged_list_is_not_believed(office: Office, content: bytes) -> None:
    office.close()
    office.put(LIST, content)
    assert office.ask() is None
    store = office.store()
    try:
        store.has_days(office.source.place)
    except sqlite3.Error:
        pass
    else:
        assert not store.used()


def test_a_list_that_is_damaged_within_is_made_again(office: Office) -> None:
    """However much of it is still in order: days are closed anew, and added up again."""
    office.close()
    expected = office.read()
    content = bytearray(s3_client().get_object(Bucket=office.cells, Key=LIST)["Body"].read())
    page = int.from_bytes(content[16:18], "big")
    last = (len(content) // page - 1) * page
    for damaged in (content[:last], content[:last] + b"\xff" * page):
        office.put(LIST, bytes(damaged))
        assert office.ask() is None
        office.close()
        assert office.ask() == expected


def test_a_delivery_that_is_taken_back(office: Office) -> None:
    """What an object was, while another was in its place, is not what it is remembered as."""
    s3_client().put_bucket_versioning(Bucket=office.evidence, VersioningConfiguration={"Status": "Enabled"})
    name = flat(WINDOW.first)
    office.deliver({name: [detection(WINDOW.first)]})
    expected = office.read()
    store = office.store()
    evidence = Remembering(office.source, store, 0)
    listed = evidence.list()
    office.deliver({name: [detection(WINDOW.first, exchange_count=5)]})
    evidence.pin(listed)
    store.push()
    office.close()
    assert office.ask() == office.read()
    versions = s3_client().list_object_versions(Bucket=office.evidence, Prefix=name)["Versions"]
    (newest,) = (each for each in versions if each["IsLatest"])
    s3_client().delete_object(Bucket=office.evidence, Key=name, VersionId=newest["VersionId"])
    assert office.ask(most=10**6) == expected


@pytest.mark.parametrize(
    "sql",
    ["create table days (key text)", "create table other (x)", "create view days as select 1 as key"],
)
def test_a_list_of_another_form_is_replaced(office: Office, tmp_path: Path, sql: str) -> None:
    """A database that is sound, and whose tables are others, counts as absent."""
    with closing(sqlite3.connect(tmp_path / LIST)) as database, database:
        database.execute(sql)
    office.put(LIST, (tmp_path / LIST).read_bytes())
    assert office.ask() is None
    office.close()
    assert office.ask() == office.read()


def test_a_row_that_was_changed_counts_as_absent(office: Office, tmp_path: Path) -> None:
    """Each row of the list has a digest, with its key."""
    office.close()
    place = tmp_path / LIST
    s3_client().download_file(office.cells, LIST, str(place))
    with closing(sqlite3.connect(place)) as database, database:
        database.execute("update days set closed = replace(closed, '\"sums\"', '\"sums\" ')")
    office.put(LIST, place.read_bytes())
    assert office.ask() is None


def test_two_who_close_at_once(office: Office) -> None:
    """The second one's list is refused; nothing is lost, and the next goes on."""
    first, second = office.store(), office.store()
    for store in (first, second):
        closer = DayCloser(Remembering(office.source, store, 0), PassingCopies(office.source))
        closer.ahead(TALLIES, lambda *_: None)
    first.push()
    with pytest.raises(Changed, match="another process has closed days meanwhile: run again"):
        second.push()
    assert office.ask() == office.read()
    office.close()
    assert [office.ask(question) for question in QUESTIONS] == [
        office.read(question) for question in QUESTIONS
    ]


def test_only_ready_days_are_closed(office: Office) -> None:
    """The others stay open: nothing of them is kept."""
    store = office.store()
    closer = DayCloser(Remembering(office.source, store, 0), PassingCopies(office.source))
    last = WINDOW.last
    closed = closer.ahead(TALLIES, lambda *_: None, lambda _, objects: all(o.day < last for o in objects))
    assert 0 < closed < len(WINDOW.days) * 2
    assert not any(each.day == last for each in store.every_day().values() if each.layout == "flat")


def test_copies_are_gone_afterwards(office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of a batch of days are removed before the next."""
    monkeypatch.setenv("TMPDIR", str(tmp_path / "copies"))
    (tmp_path / "copies").mkdir()
    monkeypatch.setattr("tempfile.tempdir", None)
    office.close()
    assert os.listdir(tmp_path / "copies") == []


def test_too_much_is_not_copied(office: Office) -> None:
    objects = office.source.list()
    with pytest.raises(CannotClose, match="too much"):
        PassingCopies(office.source, 1).index(objects, range(len(objects)), lambda _: None)


def test_indexes_are_not_made_of_too_much(office: Office) -> None:
    """However small the batches are in which objects are read: all of them count."""
    first, *others = (o for o in office.source.list() if o.layout == "ocsf")
    whole = sum(o.size for o in (first, *others))
    kept: list[Path] = []
    for most in (whole, whole - 1):
        copies = PassingCopies(office.source, most)
        copies.index([first], [1], kept.append)
        if most == whole:
            copies.index(others, range(2, 2 + len(others)), kept.append)
    with pytest.raises(CannotClose, match="too much"):
        copies.index(others, range(2, 2 + len(others)), kept.append)
    assert len(kept) == 3


WEEK = timedelta(7)
FIRST_WEEK = Window(date(2021, 6, 7), date(2021, 6, 13))
WEEKS = 261


@dataclass
class Calls:
    """What was asked of S3 while something was collected: the names of the calls, and the objects that were read."""

    lists: int = 0
    heads: int = 0
    evidence: list[str] = field(default_factory=list)
    cells: list[str] = field(default_factory=list)


def week(number: int) -> Window:
    """A week, the first one being number 1."""
    start = FIRST_WEEK.first + (number - 1) * WEEK
    return Window(start, start + timedelta(6))


def collected(office: Office, number: int) -> tuple[Evidence, Calls]:
    """A week's evidence as the deployed publisher collects it, and what it took; no engine helps."""
    s3, calls = client("s3"), Calls()

    def count(params: dict[str, str], model: OperationModel, **_: object) -> None:
        if model.name == "ListObjectsV2":
            calls.lists += 1
            params["MaxKeys"] = PAGE  # type: ignore[assignment]
        elif model.name == "HeadObject":
            calls.heads += 1
        elif params["Key"] != LIST:
            (calls.evidence if params["Bucket"] == office.evidence else calls.cells).append(params["Key"])

    s3.meta.events.register("provide-client-params.s3", count)
    place = office.folder.parent / uuid4().hex
    place.mkdir()
    source, store = S3Evidence(s3, office.evidence), SharedDays(place, s3, office.cells)
    store.pull()
    closer = DayCloser(Remembering(source, store, 0), PassingCopies(source, 2e9))
    days = ClosedDays(Silent(), closer)  # type: ignore[arg-type]
    as_of = datetime(2026, 6, 20, tzinfo=UTC)
    return collect(Inquiry(week(number), as_of), days, days.source, lambda *_: None), calls


PAGE = 100
"""Keys in a page of a listing here; S3's have 1,000."""


def pages_of(objects: int) -> int:
    """The calls that list evidence of one layout twice: each time what is on top, and pages."""
    return 2 * (1 + -(-objects // PAGE))


@pytest.fixture
def years(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Office:
    """Five years of evidence: all days of the first and the last two weeks, and a day of each week between."""
    monkeypatch.setattr("reports.evidence.source_s3.UNSETTLED", timedelta(-1))
    days = [day for number in (1, 2, WEEKS - 1, WEEKS) for day in week(number).days]
    days += [week(number).first for number in range(3, WEEKS - 1)]
    found = Office(tmp_path / "evidence", _bucket(), _bucket())
    found.deliver({flat(day, ".jsonl"): [detection(day, detection_id=f"{day}")] for day in days})
    found.close(*asked_in_full(found))
    return found


def asked_in_full(office: Office) -> list[Question]:
    listed = office.source.list()
    last = week(WEEKS + 1)
    return [each for each in Inquiry(last, datetime(2026, 6, 20, tzinfo=UTC)).questions(listed) if each]


def test_the_last_week_of_five_years_takes_what_the_second_took(years: Office) -> None:
    """It reads the cells of its days and of the preceding week's, opens no object of evidence, and lists by pages.

    All days have the same accounts, and so one file of them.
    """
    objects = len(years.source.list())
    first, second, last = (collected(years, number) for number in (1, 2, WEEKS))
    for evidence, calls in (first, second, last):
        assert (calls.evidence, calls.heads) == ([], 0)
        assert calls.lists == pages_of(objects)
        assert len(calls.cells) == len(set(calls.cells))
        assert evidence.tallies.rows
    sets = len(first[1].cells) // 7
    assert len(first[1].cells) == 7 * sets + 1 > 7
    assert len(second[1].cells) == len(last[1].cells) == 7 * sets + 1 + 7
    assert len(last[0].objects) == objects


def test_a_late_object_costs_the_day_that_it_touches(years: Office) -> None:
    """Five years later: the two objects of that day are read, and no other, until it is closed again."""
    day = week(130).first
    before, others = collected(years, WEEKS)
    years.deliver({flat(day, ".jsonl", part=1): [detection(day, detection_id="late")]})
    after, calls = collected(years, WEEKS)
    late = {flat(day, ".jsonl"), flat(day, ".jsonl", part=1)}
    assert set(calls.evidence) == late
    assert calls.heads == 1
    assert sorted(calls.cells) == sorted(others.cells)
    assert (before.history, after.history) != (None, None)
    assert before.history != after.history
    years.close(*asked_in_full(years))
    again, calls = collected(years, WEEKS)
    assert (calls.evidence, calls.heads) == ([], 0)
    assert replace(again, objects=()) == replace(after, objects=())

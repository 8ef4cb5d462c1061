"""Step 2: a window's evidence, pinned and counted."""

import hashlib
import os
import shutil
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from reports.core.errors import Changed, InvalidEvidence, Unavailable
from reports.core.progress import Done
from reports.core.window import Window
from reports.evidence.collect import TRIES, Evidence, collect
from reports.evidence.engine_duckdb import DuckDBEngine
from reports.evidence.questions import Answer, Inquiry, Question
from reports.evidence.source import EvidenceObject, FolderEvidence, ListedObject
from reports.evidence.source_s3 import S3Evidence
from tests.support.aws import s3_client
from tests.support.fakes import Detection, FakeEngine, FakeSource, source_of
from tests.support.publishing import GOLDEN
from tests.support.tools import PATIENCE

WINDOW = Window(date(2026, 5, 1), date(2026, 5, 4))
INQUIRY = Inquiry(WINDOW, datetime(2026, 6, 20, 12, tzinfo=UTC), 2)

ONE_DAY = Inquiry(Window(WINDOW.first, WINDOW.first), datetime(2026, 6, 20, 12, tzinfo=UTC), 2)


def detection(day: date, **fields: object) -> Detection:
    """A detection of one exchange at noon of a day."""
    noon = datetime(day.year, day.month, day.day, 12)
    values: dict[str, object] = {"detection_id": f"d-{day}", "account_id": "a", "campaign_id": "A", **fields}
    return Detection(first_seen=noon, last_seen=noon, exchange_count=1, **values)  # type: ignore[arg-type]


DAILY = [detection(WINDOW.first + timedelta(n)) for n in range(-6, 8)]


def daily(name: str) -> list[Detection]:
    """The daily detections, all of them in one object."""
    return [replace(each, delivered_in=name) for each in DAILY]


def quiet(_: str, __: int, ___: int) -> None:
    """Nobody is told."""


def collected(detections: list[Detection], source: FakeSource | None = None) -> Evidence:
    """The window's evidence among some detections."""
    return collect(INQUIRY, FakeEngine(detections), source or source_of(detections), quiet)


def objects(days: Mapping[str, bytes]) -> dict[str, bytes]:
    """Objects of the flat layout, by day."""
    return {f"detections/event_day={day}/part.csv": content for day, content in days.items()}


def test_the_objects_are_all_that_was_read_and_no_others() -> None:
    """Days before the window are pinned, for it is compared with them; days after it are not."""
    evidence = collected(DAILY)
    days = [WINDOW.first + timedelta(n) for n in range(-6, 4)]
    assert [o.name for o in evidence.objects] == [f"detections/event_day={day}/part.jsonl" for day in days]
    assert evidence.since == days[0]


def test_all_partitions_of_ocsf_are_pinned() -> None:
    """An update may land at any time after the window, so that all that was delivered by now is read."""
    names = [f"ext/s/region=r/accountId=1/eventDay=202605{day:02}/f.parquet" for day in range(1, 10)]
    source = FakeSource([dict.fromkeys(names, b"x")])
    assert [o.name for o in collected(daily(names[3]), source).objects] == names


def test_history_is_asked_about_the_days_before() -> None:
    """From the first day of evidence to the day before the window."""
    engine = FakeEngine(DAILY)
    evidence = collect(INQUIRY, engine, source_of(DAILY), quiet)
    before = Window(WINDOW.first - timedelta(6), WINDOW.first - timedelta(1))
    assert {question.name: question.about for question in engine.asked} == {
        "tallies": WINDOW,
        "history": before,
    }
    assert [answer.question for answer in evidence.answers] == ["tallies", "history"]


def test_history_is_not_asked_where_there_is_none() -> None:
    """Without days before the window there is nothing to compare with."""
    engine = FakeEngine(DAILY[6:])
    evidence = collect(INQUIRY, engine, source_of(DAILY[6:]), quiet)
    assert [question.name for question in engine.asked] == ["tallies"]
    assert evidence.history is None
    assert [answer.question for answer in evidence.answers] == ["tallies"]


def test_days_without_evidence_are_gaps() -> None:
    """A day is a gap where nothing was delivered, or nothing in the number delivered happened on it."""
    assert collected(DAILY).gaps == ()
    some = [d for d in DAILY if d.event_day not in (date(2026, 5, 2), date(2026, 5, 4))]
    assert collected(some, source_of(DAILY)).gaps == (date(2026, 5, 2), date(2026, 5, 4))


def test_a_day_of_excluded_detections_is_no_gap() -> None:
    """What was delivered and does not count is evidence that the day was looked at."""
    suppressed = [detection(WINDOW.first + timedelta(n), status="suppressed") for n in range(4)]
    assert collected(suppressed).gaps == ()


def test_a_window_without_evidence_is_refused() -> None:
    """The message says for which days there is some."""
    before = [d for d in DAILY if d.event_day < WINDOW.first]
    with pytest.raises(
        InvalidEvidence, match="has no evidence: there are objects for 2026-04-25 to 2026-04-30"
    ):
        collected(before)


@pytest.mark.parametrize(
    "change",
    [
        {"2026-05-01": b"longer"},
        {"2026-05-01": b"longer", "2026-05-02": b"another"},
        {},
    ],
)
def test_evidence_that_changes_once_is_read_again(change: dict[str, bytes]) -> None:
    """An object that grew, was written to or went while it was read starts the reading over."""
    after = objects({"2026-05-03": b"stays", **change})
    source = FakeSource([objects({"2026-05-01": b"one", "2026-05-03": b"stays"}), after])
    engine = FakeEngine(daily("detections/event_day=2026-05-03/part.csv"))
    evidence = collect(INQUIRY, engine, source, quiet)
    assert [question.name for question in engine.asked] == ["tallies", "tallies"]
    assert [o.name for o in evidence.objects] == sorted(after)
    assert {o.name: o.size for o in evidence.objects} == {
        name: len(content) for name, content in after.items()
    }


def test_what_comes_later_is_told_and_not_counted() -> None:
    """The evidence is what was listed at the start; what came meanwhile is named, and nothing is read again for it."""
    first = objects({"2026-05-01": b"one"})
    after = {**first, **objects({"2026-05-02": b"later", "2026-05-09": b"after the window"})}
    engine = FakeEngine(daily("detections/event_day=2026-05-01/part.csv"))
    evidence = collect(INQUIRY, engine, FakeSource([first, after]), quiet)
    assert [question.name for question in engine.asked] == ["tallies"]
    assert [o.name for o in evidence.objects] == list(first)
    assert evidence.uncounted == ("detections/event_day=2026-05-02/part.csv",)


def test_an_engine_reads_what_was_listed(tmp_path: Path) -> None:
    """A folder that keeps receiving settles: DuckDB counts what was listed, not what came before it looked."""
    day = tmp_path / "detections/event_day=2026-05-01"
    shutil.copytree(GOLDEN / "quiet" / "detections/event_day=2026-05-01", day)
    (part,) = day.iterdir()
    head, *rows = part.read_text().splitlines()

    class Receiving(DuckDBEngine):
        received = 0

        def ask(self, question: Question, progress: Done) -> Answer:
            Receiving.received += 1
            (day / f"later-{self.received}.csv").write_text(f"{head}\n{rows[0].replace('d', 'x')}\n")
            return super().ask(question, progress)

    folder = FolderEvidence(tmp_path)
    alone = collect(ONE_DAY, DuckDBEngine(folder), folder, quiet)
    receiving = collect(ONE_DAY, Receiving(folder), folder, quiet)
    assert receiving.tallies.rows == alone.tallies.rows
    assert [o.name for o in receiving.objects] == [o.name for o in alone.objects]
    assert receiving.uncounted == tuple(
        f"{alone.objects[0].name.rpartition('/')[0]}/later-1.csv" for _ in "1"
    )


@pytest.mark.parametrize(("times", "counts"), [(1, True), (TRIES, False)])
def test_evidence_that_changes_while_it_is_listed_is_listed_again(
    monkeypatch: pytest.MonkeyPatch, times: int, counts: bool
) -> None:
    """As a table of Iceberg that is written to; not for ever."""
    source, left = source_of(DAILY), iter(range(times))
    found = source.list()

    def listed(*_: object) -> tuple[ListedObject, ...]:
        if next(left, None) is not None:
            raise Changed("written to while it was listed")
        return found

    monkeypatch.setattr(FakeSource, "list", listed)
    if counts:
        assert collected(DAILY, source).objects
        return
    with pytest.raises(Unavailable, match=f"changed during all {TRIES} attempts"):
        collected(DAILY, source)


def test_evidence_that_keeps_changing_is_given_up() -> None:
    """After three readings, something has to be waited for."""
    source = FakeSource([objects({"2026-05-01": b"x" * n}) for n in range(20)])
    engine = FakeEngine(daily("detections/event_day=2026-05-01/part.csv"))
    with pytest.raises(Unavailable, match="to read it: wait"):
        collect(INQUIRY, engine, source, quiet)
    assert len(engine.asked) == TRIES


def test_an_object_that_grew_between_listing_and_pinning_is_noticed() -> None:
    """The size that was digested is the size that was listed."""

    class Growing(FakeSource):
        def list(self) -> tuple[object, ...]:  # type: ignore[override]
            self.listings = 0
            return super().list()

        def pin(self, located: object) -> tuple[object, ...]:  # type: ignore[override]
            self.listings = 2
            return super().pin(located)  # type: ignore[arg-type]

    source = Growing([objects({"2026-05-01": b"x"}), objects({"2026-05-01": b"longer"})])
    with pytest.raises(Unavailable):
        collected(daily("detections/event_day=2026-05-01/part.csv"), source)


def test_an_object_that_is_rewritten_while_it_is_read_is_read_again(tmp_path: Path) -> None:
    """What was counted is what was digested, though a rewrite kept the object's name and size."""
    place = tmp_path / "detections/event_day=2026-05-01/part.csv"
    place.parent.mkdir(parents=True)
    place.write_bytes(b"one")
    os.utime(place, ns=(1, 1))

    class Rewriting(FakeEngine):
        def ask(self, question: Question, progress: Done) -> Answer:
            if not self.asked:
                place.write_bytes(b"two")
            return super().ask(question, progress)

    engine = Rewriting(daily("detections/event_day=2026-05-01/part.csv"))
    (pinned,) = collect(INQUIRY, engine, FolderEvidence(tmp_path), quiet).objects
    assert len(engine.asked) == 2
    assert pinned.sha256 == hashlib.sha256(b"two").hexdigest()


class Flickering(FakeEngine):
    """Has an object written to, and written back, while it answers."""

    def __init__(self, write: Callable[[bytes], object], *, for_ever: bool = False) -> None:
        super().__init__(daily("detections/event_day=2026-05-01/part.csv"))
        self.write, self.for_ever = write, for_ever

    def ask(self, question: Question, progress: Done) -> Answer:
        if self.for_ever or not self.asked:
            self.write(b"two")
            self.write(b"one")
        return super().ask(question, progress)


def flickering_folder(root: Path) -> tuple[FolderEvidence, Callable[[bytes], object]]:
    place = root / "detections/event_day=2026-05-01/part.csv"
    place.parent.mkdir(parents=True)
    place.write_bytes(b"one")
    status = place.stat()

    def write(content: bytes) -> None:
        place.write_bytes(content)
        os.utime(place, ns=(status.st_atime_ns, status.st_mtime_ns))  # anyone can set it back

    return FolderEvidence(root), write


@pytest.mark.parametrize("place", ["folder", "bucket"])
def test_an_object_that_goes_and_comes_back_is_noticed(
    place: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """A, B, A while it is read: all is read again, and where it goes on so, it is left for another time."""
    source: FolderEvidence | S3Evidence
    if place == "folder":
        source, write = flickering_folder(tmp_path)
    else:
        where = {
            "Bucket": request.getfixturevalue("bucket"),
            "Key": "detections/event_day=2026-05-01/part.csv",
        }
        source, write = (
            S3Evidence(s3_client(), where["Bucket"]),
            lambda body: s3_client().put_object(Body=body, **where),
        )
        write(b"one")
    engine = Flickering(write)
    (pinned,) = collect(INQUIRY, engine, source, quiet).objects
    assert [question.name for question in engine.asked] == ["tallies", "tallies"]
    assert pinned.sha256 == hashlib.sha256(b"one").hexdigest()
    with pytest.raises(Unavailable, match="during all 3 attempts"):
        collect(INQUIRY, Flickering(write, for_ever=True), source, quiet)


def test_objects_are_digested_beside_the_question() -> None:
    """Digesting has begun before the answer is there: an engine that waits for it gets to its end."""
    begun = threading.Event()

    class Watched(FakeSource):
        def pin(self, objects: Iterable[ListedObject]) -> tuple[EvidenceObject, ...]:
            begun.set()
            return super().pin(objects)

    class Waiting(FakeEngine):
        def ask(self, question: Question, progress: Done) -> Answer:
            assert begun.wait(PATIENCE)
            return super().ask(question, progress)

    source = Watched(source_of(DAILY).deliveries)
    assert collect(INQUIRY, Waiting(DAILY), source, quiet).objects


class Failing(FakeEngine):
    """Finds the evidence unreadable the first time."""

    def ask(self, question: Question, progress: Done) -> Answer:
        """Fail once."""
        if self.asked:
            return super().ask(question, progress)
        self.asked.append(question)
        raise InvalidEvidence("part.csv: truncated")


def test_an_object_that_is_read_while_it_is_written_is_read_again() -> None:
    """A truncated object is no error if it was complete a moment later."""
    source = FakeSource([objects({"2026-05-01": b"x"}), objects({"2026-05-01": b"complete"})])
    delivered = daily("detections/event_day=2026-05-01/part.csv")
    assert collect(INQUIRY, Failing(delivered), source, quiet).objects[0].size == len(b"complete")


def test_unreadable_evidence_that_stays_as_it_is_is_refused() -> None:
    """An error of an engine is passed on if nothing changed."""
    with pytest.raises(InvalidEvidence, match="truncated"):
        collect(INQUIRY, Failing(DAILY), source_of(DAILY), quiet)


def test_progress_names_the_question() -> None:
    """Whoever watches sees which question is being answered."""
    told: list[tuple[str, int, int]] = []
    collect(INQUIRY, FakeEngine(DAILY), source_of(DAILY), lambda *step: told.append(step))
    assert told == [("tallies", 1, 1), ("history", 0, 0)]


def test_a_folder_is_a_source(tmp_path: object) -> None:
    """What the fake source does, a folder does."""
    root = tmp_path / "evidence"  # type: ignore[operator]
    for name, content in objects({"2026-05-01": b"one", "2026-05-03": b"other"}).items():
        (root / name).parent.mkdir(parents=True)
        (root / name).write_bytes(content)
    fake = FakeSource([objects({"2026-05-01": b"one", "2026-05-03": b"other"})])
    folder = FolderEvidence(root)
    assert tuple(replace(o, state="") for o in folder.list()) == fake.list()
    assert folder.pin(folder.list()) == fake.pin(fake.list())

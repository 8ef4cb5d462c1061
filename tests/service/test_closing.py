"""Days that the deployed system closes: briefings add them up, and say the same."""

import errno
import io
import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import EndpointConnectionError
from urllib3.exceptions import ProtocolError

from functions import close
from reports.core.errors import Changed, ExhibitError, InvalidEvidence, InvalidSettings, Unavailable
from reports.evidence.cache import PassingCopies
from reports.evidence.day_store import LIST, DayStore
from reports.evidence.shared_days import CELLS, SharedDays
from reports.local_aws.gateway import Context
from reports.service import closing
from reports.service.closing import close_days
from tests.contracts.query_engine import detection, flat, ocsf
from tests.support.evidence_files import deliver
from tests.support.fakes import Detection
from tests.support.system import System

pytestmark = pytest.mark.usefixtures("slow")
DAYS = [date(2026, 5, day) for day in (2, 3, 4)]
LATER = datetime.now(UTC) + timedelta(hours=2)


def no_end() -> float:
    return 900.0


def published(system: System) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The receipt of a new request, and the files that the API serves of it."""
    id_ = system.requested(audience="regulator", addressee=f"office {len(system.kept('requests/'))}")
    assert not system.delivered(f"requests/{id_}.json")["batchItemFailures"]
    receipt = system.call("GET", f"/briefings/{id_}").json["receipt"]
    stem = receipt["document"]["name"].removesuffix(".pdf")
    names = ("briefing.json", "evidence.json")
    return receipt, {name: system.read(f"briefings/{stem}.{name}") for name in names}


def figures(files: dict[str, bytes]) -> Any:
    """Those that come from evidence."""
    found = json.loads(files["briefing.json"])["figures"]
    return [each for each in found if each["question"] in ("tallies", "history", "evidence")]


def answers(files: dict[str, bytes]) -> Any:
    questions = json.loads(files["evidence.json"])["predicate"]["questions"]
    return [(each["name"], each["sql"], each["resultSha256"]) for each in questions]


def objects(system: System) -> Any:
    bucket = system.parts.environment.evidence_bucket
    return system.parts.client("s3").list_objects_v2(Bucket=bucket)["Contents"]


def put(system: System, folder: Path, name: str, rows: list[Detection]) -> None:
    """Deliver an object of evidence."""
    content = (deliver(folder, {name: rows}) / name).read_bytes()
    bucket = system.parts.environment.evidence_bucket
    system.parts.client("s3").put_object(Bucket=bucket, Key=f"results/{name}", Body=content)


def test_closed_days_say_the_same_and_scan_nothing(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures, statements and digests of answers are Athena's; no query runs, and none of its bytes is paid for."""
    by_athena, files = published(system)
    assert {each["engine"] for each in by_athena["answered"]} == {"athena"}
    assert _closed(system, datetime.now(UTC) - timedelta(minutes=1), -timedelta(days=1)) > 0
    monkeypatch.setattr(PassingCopies, "close", lambda *_: (_ for _ in ()).throw(AssertionError))
    asked = len(system.athena.executions)
    added_up, again = published(system)
    assert [each["engine"] for each in added_up["answered"]] == ["duckdb"] * len(by_athena["answered"])
    assert len(system.athena.executions) == asked
    assert (figures(again), answers(again)) == (figures(files), answers(files))
    assert [each["figures"] for each in (by_athena, added_up)] == [added_up["figures"]] * 2


UNUSED = "closed days could not be used"
REFUSALS = {
    "denied": (403, "AccessDenied", "InvalidSettings"),
    "missing": (404, "NoSuchBucket", "InvalidSettings"),
    "overloaded": (503, "SlowDown", "Unavailable"),
}


@pytest.mark.parametrize(
    ("how", "part"),
    [
        ("denied", LIST),
        ("denied", CELLS),
        ("missing", LIST),
        ("overloaded", CELLS),
        ("unreachable", LIST),
        ("cut off", CELLS),
    ],
)
def test_the_bucket_of_days_is_not_needed(
    system: System, how: str, part: str, caplog: pytest.LogCaptureFixture
) -> None:
    """What S3 refuses there, or fails on, Athena answers; the log says so. Once it works, days are added up again."""
    assert _closed(system, datetime.now(UTC) - timedelta(minutes=1), -timedelta(days=1)) > 0
    with refusing(system, how, part):
        by_athena, files = published(system)
    assert {each["engine"] for each in by_athena["answered"]} == {"athena"}
    (said,) = [vars(each) for each in caplog.records if each.getMessage() == UNUSED]
    assert said["kind"] == REFUSALS.get(how, (0, "", "Unavailable"))[2]
    assert system.parts.environment.cells_bucket in said["error"]
    caplog.clear()
    added_up, again = published(system)
    assert {each["engine"] for each in added_up["answered"]} == {"duckdb"}
    assert UNUSED not in caplog.messages
    assert answers(again) == answers(files)


@contextmanager
def refusing(system: System, how: str, part: str) -> Iterator[None]:
    """Have S3 not give what lies in the bucket of days below a part."""
    events = system.parts.client("s3").meta.events
    place = f"{system.parts.environment.cells_bucket}/{part}"

    def answer(request: Any, **_: Any) -> AWSResponse | None:
        if place not in request.url.replace(".s3.eu-west-1.amazonaws.com", ""):
            return None
        if how == "unreachable":
            raise EndpointConnectionError(endpoint_url=request.url)
        if how == "cut off":
            return AWSResponse(request.url, 200, {"content-length": "9", "etag": '"x"'}, CutOff())
        status, code, _kind = REFUSALS[how]
        raw = io.BytesIO(f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode())
        raw.stream = lambda **_: iter(raw.read, b"")  # type: ignore[attr-defined]
        return AWSResponse(request.url, status, {}, raw)

    events.register("before-send.s3", answer)
    try:
        yield
    finally:
        events.unregister("before-send.s3", answer)


class CutOff:
    """The body of an answer whose connection ends."""

    def read(self, *_: Any, **__: Any) -> bytes:
        raise ProtocolError("Connection broken", ConnectionResetError())


def test_a_day_is_left_open_while_it_is_written_to(system: System) -> None:
    """For an hour after the last write; then it is closed."""
    assert close_days(system.parts, datetime.now(UTC), no_end).days == 0
    written = max(each["LastModified"] for each in objects(system))
    assert close_days(system.parts, written + timedelta(minutes=59), no_end).days == 0
    assert close_days(system.parts, written + timedelta(minutes=60), no_end).days > 0


def test_today_is_left_open(system: System, tmp_path: Path) -> None:
    """A day is closed when it is over."""
    put(system, tmp_path, flat(DAYS[-1]), [detection(DAYS[-1])])
    evening = datetime.combine(DAYS[-1], time(23), UTC)
    old = timedelta(days=-10_000)
    before = _closed(system, evening, old)
    assert _closed(system, evening + timedelta(hours=1), old) == before + 1


def _closed(system: System, now: datetime, still: timedelta) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(closing, "STILL", still)
        return close_days(system.parts, now, no_end).days


def test_time_that_is_up_loses_nothing(
    system: System, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was closed is kept, and the next call goes on."""
    monkeypatch.setattr("reports.evidence.engine_duckdb.BATCH_BYTES", 1)
    for day in DAYS:
        put(system, tmp_path, flat(day), [detection(day)])
    left = [900.0]
    keep = DayStore.close

    def once(store: DayStore, *closed: Any) -> None:
        keep(store, *closed)
        left[0] = 0.0

    monkeypatch.setattr(DayStore, "close", once)
    found = close_days(system.parts, LATER, lambda: left[0])
    assert isinstance(found.stopped, Unavailable)
    assert re.search("time was up after 1 of [0-9]+ batches of days", str(found.stopped))
    monkeypatch.setattr(DayStore, "close", keep)
    with TemporaryDirectory() as folder:
        assert len(system.parts.days(Path(folder)).every_day()) == 1
    assert close_days(system.parts, LATER, no_end) == closing.Closed(1 + len(DAYS), None)


def test_evidence_that_cannot_be_counted(system: System, tmp_path: Path) -> None:
    """It is said, without what a row holds."""
    put(system, tmp_path, flat(DAYS[0]), [detection(DAYS[0], detection_id="odd", exchange_count=-1)])
    found = close_days(system.parts, LATER, no_end)
    assert isinstance(found.stopped, InvalidEvidence)
    assert "odd" not in found.stopped.public


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), Unavailable),
        (sqlite3.OperationalError("database or disk is full"), Unavailable),
        (InvalidSettings("bucket b: GetObject is denied"), InvalidSettings),
    ],
)
def test_what_ends_the_function_loses_nothing(
    system: System,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    raised: type[ExhibitError],
) -> None:
    """A full disk, or an object that may not be read, is an error of the function; what was closed before is kept."""
    monkeypatch.setattr("reports.evidence.engine_duckdb.BATCH_BYTES", 1)
    for day in DAYS:
        put(system, tmp_path, flat(day), [detection(day)])
    keep = DayStore.close

    def once(store: DayStore, *closed: Any) -> None:
        keep(store, *closed)
        raise error

    monkeypatch.setattr(DayStore, "close", once)
    with pytest.raises(raised):
        close_days(system.parts, LATER, no_end)
    monkeypatch.setattr(DayStore, "close", keep)
    with TemporaryDirectory() as folder:
        assert len(system.parts.days(Path(folder)).every_day()) == 1
    assert close_days(system.parts, LATER, no_end) == closing.Closed(1 + len(DAYS), None)


def test_two_who_close_at_once(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second says so, and its event is not tried again: the next tick goes on."""
    push = SharedDays.push

    def beaten(store: SharedDays) -> None:
        monkeypatch.setattr(SharedDays, "push", push)
        close_days(system.parts, LATER, no_end)
        push(store)

    monkeypatch.setattr(SharedDays, "push", beaten)
    with pytest.raises(Changed, match="another process has closed days meanwhile"):
        close_days(system.parts, LATER, no_end)
    assert close_days(system.parts, LATER, no_end).days > 0


def test_what_the_function_says(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """How many days are closed; and what stopped the others."""
    monkeypatch.setattr(closing, "STILL", timedelta(days=-1))
    assert close.handler({}, Context.lasting(900))["stopped"] is None
    assert close.handler({}, Context.lasting(900))["closed"] > 0
    monkeypatch.setattr(PassingCopies, "close", lambda *_: (_ for _ in ()).throw(AssertionError))
    assert close.handler({}, Context.lasting(900))["closed"] > 0


def test_a_day_that_is_too_large_stops_no_other(
    system: System, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is passed over and told; with room for it, it is closed like the others."""
    for day in DAYS:
        put(system, tmp_path, flat(day), [detection(day)])
    put(system, tmp_path, flat(DAYS[1], part=1), [detection(DAYS[1], detection_id="more")])
    sizes: dict[date, int] = {}
    for o in system.parts.evidence(no_end).list():
        sizes[o.day] = sizes.get(o.day, 0) + o.size
    largest = max(sizes, key=lambda day: sizes[day])
    monkeypatch.setattr(closing, "STILL", timedelta(days=-1))
    monkeypatch.setattr(closing, "MOST_COPIED", sizes[largest] - 1)
    found = close_days(system.parts, datetime.now(UTC) + timedelta(days=1), no_end)
    assert (found.too_large, found.stopped) == ((largest,), None)
    assert found.days > 0
    close.handler({}, Context.lasting(900))
    (said,) = [vars(each) for each in caplog.records if each.getMessage() == "days are too large to close"]
    assert said["days"] == [str(largest)]
    monkeypatch.setattr(closing, "MOST_COPIED", sizes[largest])
    again = close_days(system.parts, datetime.now(UTC) + timedelta(days=1), no_end)
    assert (again.days, again.stopped, again.too_large) == (found.days + 1, None, ())


def test_an_object_of_ocsf_that_is_too_large_stops_ocsf_alone(
    system: System, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without its ids, no day of OCSF is known; those of the flat layout are closed."""
    before = close_days(system.parts, LATER, no_end).days
    for day in DAYS:
        put(system, tmp_path, flat(day), [detection(day)])
    name = ocsf(DAYS[0])
    put(system, tmp_path, name, [detection(DAYS[0], detection_id=f"o-{n}") for n in range(500)])
    (size,) = [o.size for o in system.parts.evidence(no_end).list() if o.name == name]
    monkeypatch.setattr(closing, "MOST_COPIED", size - 1)
    found = close_days(system.parts, LATER, no_end)
    assert found.days == before + len(DAYS)
    assert f"no day of OCSF can be closed: {name}: {size:,} bytes are too large" in str(found.stopped)
    monkeypatch.setattr(closing, "MOST_COPIED", size)
    assert close_days(system.parts, LATER, no_end) == closing.Closed(before + len(DAYS) + 1, None)

"""The days of evidence: their states, closing them ahead, and forgetting an account."""

import json
import time
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from uuid import uuid4

import jsonschema
import pytest

from reports.cli import main
from reports.evidence.day_store import LIST
from reports.evidence.shared_days import CELLS, SharedDays
from reports.evidence.source_s3 import S3Evidence
from tests.contracts.query_engine import detection, flat, ocsf
from tests.support.aws import REGION, client, s3_client
from tests.support.evidence_files import Objects, deliver

FIRST = date(2026, 5, 1)
WINDOW = "2026-05-03/2026-05-04"
SCHEMA = json.loads((files("reports") / "schemas/days.schema.json").read_text())


@dataclass
class Archive:
    """Evidence that is asked about on the command line."""

    place: Path
    captured: pytest.CaptureFixture[str]

    def states(self) -> dict[str, str]:
        """The states of its days, by day and layout."""
        assert main(["days", "--evidence", str(self.place), "--json"]) == 0
        told = json.loads(self.captured.readouterr().out)
        jsonschema.validate(told, SCHEMA)
        return {f"{each['day'][8:]} {each['layout'] or ''}".strip(): each["state"] for each in told["days"]}

    def close(self, *more: str) -> int:
        """The exit status of closing up to the window's end."""
        return main(["close", "--evidence", str(self.place), "--window", WINDOW, *more])


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Archive:
    """Four days, of which the second is missing; each has an account of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    days = [FIRST + timedelta(n) for n in (0, 2, 3)]
    objects = {flat(day): [detection(day, account_id=f"a-{day.day}", exchange_count=2)] for day in days}
    return Archive(deliver(tmp_path / "evidence", objects), capsys)


def test_days_are_closed_ahead(archive: Archive) -> None:
    """Nothing is kept before; what is delivered later changes its day, and no other."""
    assert archive.states() == {"01 flat": "open", "02": "missing", "03 flat": "open", "04 flat": "open"}
    assert archive.close("--quiet") == 0
    assert archive.captured.readouterr().out.startswith("closed: 3 days up to 2026-05-04, kept in ")
    assert archive.states() == {
        "01 flat": "closed",
        "02": "missing",
        "03 flat": "closed",
        "04 flat": "closed",
    }
    deliver(archive.place, {flat(FIRST, part=1): [detection(FIRST, detection_id="late")]})
    assert archive.states()["01 flat"] == "changed"
    assert archive.states()["03 flat"] == "closed"
    assert archive.close() == 0
    archive.captured.readouterr()
    assert set(archive.states().values()) == {"closed", "missing"}


@pytest.mark.parametrize("later", [0, 3])
def test_what_was_written_just_before_it_was_closed_is_closed(
    archive: Archive, monkeypatch: pytest.MonkeyPatch, later: int
) -> None:
    """Though its digest could not be remembered then; and it is known whenever one looks."""
    deliver(archive.place, {ocsf(FIRST): [detection(FIRST, detection_id="o")]})
    assert archive.close("--quiet") == 0
    archive.captured.readouterr()
    now = time.time()
    monkeypatch.setattr("time.time", lambda: now + later)
    assert set(archive.states().values()) == {"closed", "missing"}


def test_a_late_revision_in_ocsf_changes_days(archive: Archive) -> None:
    """The partition that it lies in at once, and the days that it touches when it has been read: none is left open."""
    for day in (FIRST, FIRST + timedelta(2)):
        deliver(archive.place, {ocsf(day): [detection(day, detection_id=f"o-{day}")]})
    assert archive.close() == 0
    archive.captured.readouterr()
    assert {state for day, state in archive.states().items() if "ocsf" in day} == {"closed"}
    late = FIRST + timedelta(30)
    revision = detection(
        FIRST, detection_id=f"o-{FIRST}", status="suppressed", revised_at=datetime(2026, 5, 31, 12)
    )
    deliver(archive.place, {ocsf(late): [revision]})
    assert archive.states()["31 ocsf"] == "open"
    assert archive.close() == 0
    archive.captured.readouterr()
    assert "31 ocsf" not in archive.states()
    assert set(archive.states().values()) == {"closed", "missing"}
    (archive.place / ocsf(late)).unlink()
    assert archive.states()["01 ocsf"] == "changed"
    assert archive.states()["03 ocsf"] == "closed"


def test_an_object_without_findings_leaves_no_day_open(archive: Archive) -> None:
    """Other classes of OCSF lie in the same folders."""
    deliver(archive.place, {ocsf(FIRST, ".jsonl"): [detection(FIRST, detection_id="o")]})
    other = archive.place / ocsf(FIRST + timedelta(9), ".jsonl")
    other.parent.mkdir()
    other.write_text('{"class_uid": 2001}\n')
    assert archive.states()["10 ocsf"] == "open"
    assert archive.close() == 0
    archive.captured.readouterr()
    assert set(archive.states().values()) == {"closed", "missing"}
    assert "10 ocsf" not in archive.states()


def test_days_are_told_in_words(archive: Archive) -> None:
    archive.close("--quiet")
    archive.captured.readouterr()
    size = (archive.place / flat(FIRST)).stat().st_size
    assert main(["days", "--evidence", str(archive.place)]) == 0
    lines = archive.captured.readouterr().out.splitlines()
    assert (
        lines[0] == f"2026-05-01  flat  closed   1 object, {size:,} bytes; counted: 1 detection, 2 exchanges"
    )
    assert lines[1:2] + lines[-1:] == ["2026-05-02        missing", "3 closed, 1 missing"]


def test_what_cannot_be_counted_is_told_and_not_closed(archive: Archive) -> None:
    """With its place, as publishing tells it."""
    day = FIRST + timedelta(2)
    deliver(archive.place, {flat(day): [detection(day, exchange_count=-1)]})
    assert archive.close("--quiet") == 2
    assert "exchange_count '-1' is below 0" in archive.captured.readouterr().err
    assert archive.states()["03 flat"] == "open"


def test_an_account_is_forgotten(archive: Archive, tmp_path: Path) -> None:
    """What is kept of its days is gone, also where it was spelt with white space; that of other days stays."""
    archive.close("--quiet")
    archive.captured.readouterr()
    copy = tmp_path / "cache/exhibit" / ("0" * 64)
    copy.mkdir()
    (copy / "content").touch()
    assert main(["days", "forget", " a-3 "]) == 0
    assert archive.captured.readouterr().out.splitlines() == [
        "removed: what was kept of 1 day, and 1 copy of objects in S3",
        "What evidence still holds of the account comes back when its days are closed again, or its objects are read.",
    ]
    assert not copy.exists()
    assert archive.states() == {"01 flat": "closed", "02": "missing", "03 flat": "open", "04 flat": "closed"}
    kept = b"".join(file.read_bytes() for file in (tmp_path / "cache/exhibit").rglob("*") if file.is_file())
    assert b"a-3" not in kept
    assert b"a-4" in kept
    assert main(["days", "forget", "nobody"]) == 0
    assert archive.captured.readouterr().out.startswith("removed: what was kept of 0 days")


def test_an_account_in_cells_that_are_damaged_is_forgotten(archive: Archive, tmp_path: Path) -> None:
    archive.close("--quiet")
    for file in (tmp_path / "cache/exhibit/cells").iterdir():
        file.write_bytes(file.read_bytes()[:40])
    assert main(["days", "forget", "a-3"]) == 0
    assert "removed: what was kept of 3 days" in archive.captured.readouterr().out
    assert not list((tmp_path / "cache/exhibit/cells").iterdir())


def test_days_are_not_closed_where_they_would_not_be_kept(
    archive: Archive, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In a folder that others can read, or without a home; publishing needs neither."""
    (tmp_path / "cache/exhibit").mkdir(parents=True, mode=0o755)
    (tmp_path / "cache/exhibit").chmod(0o755)
    assert archive.close("--quiet") == 2
    assert "others can read it" in archive.captured.readouterr().err
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "relative")
    for verb in (["close", "--window", WINDOW, "--evidence"], ["days", "--evidence"]):
        assert main([*verb, str(archive.place)]) == 2
        assert "no home folder to keep days in: set XDG_CACHE_HOME" in archive.captured.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "exhibit days needs --evidence: name a folder, or s3://BUCKET/PREFIX/"),
        (["forget"], "exhibit days forget takes one account id, and at most --cells"),
        (["forget", "a", "--json"], "exhibit days forget takes one account id, and at most --cells"),
        (["forget", "a", "--evidence", "x"], "exhibit days forget takes one account id, and at most --cells"),
        (
            ["forget", "a", "--cells", "x"],
            "--cells 'x' is not a place in S3: write it like s3://BUCKET/PREFIX",
        ),
        (
            ["--cells", "s3://b", "--evidence", "x"],
            "--cells needs evidence in S3: write --evidence s3://BUCKET/",
        ),
        (
            ["forgot", "a"],
            "argument forget: invalid choice: 'forgot' (choose from 'forget'): see exhibit days --help",
        ),
        (["--evidence", "nowhere"], "nowhere"),
    ],
)
def test_what_does_not_fit_is_refused(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["days", *arguments]) == 2
    assert told in capsys.readouterr().err


def test_days_that_were_closed_ahead_are_used_by_publish(archive: Archive, tmp_path: Path) -> None:
    """Also where there is little evidence; the briefing is the same."""
    (archive.place / "dataset.yaml").write_text("synthetic: true\n")
    request = ["--evidence", str(archive.place), "--window", WINDOW, "--audience", "regulator"]
    request += ["--as-of", "2026-06-20T12:00:00Z", "--keys", str(tmp_path / "keys"), "--quiet", "--json"]
    unsigned = []
    for out in ("read", "closed"):
        archive.captured.readouterr()
        assert main(["publish", *request, "--out", str(tmp_path / out)]) == 0
        unsigned.append(json.loads(archive.captured.readouterr().out)["unsigned"])
        if out == "read":
            assert not (tmp_path / "cache/exhibit/cells").exists()
            archive.close("--quiet")
    assert unsigned[0] == unsigned[1]
    assert archive.states()["03 flat"] == "closed"


@dataclass
class Stack:
    """The buckets of evidence and of cells of a stack, and an operator with credentials of AWS."""

    evidence: str
    cells: str
    captured: pytest.CaptureFixture[str]

    def deliver(self, folder: Path, objects: Objects) -> None:
        deliver(folder, objects)
        for name in objects:
            s3_client().upload_file(str(folder / name), self.evidence, f"results/{name}")

    def say(self, verb: str, *arguments: str) -> str:
        """What a command about the bucket of cells says."""
        evidence = [] if "forget" in arguments else ["--evidence", f"s3://{self.evidence}/results/"]
        assert main([verb, *arguments, *evidence, "--cells", f"s3://{self.cells}"]) == 0
        return self.captured.readouterr().out

    def states(self) -> dict[str, str]:
        told = json.loads(self.say("days", "--json"))["days"]
        return {f"{each['day'][8:]} {each['layout']}": each["state"] for each in told}

    def kept(self) -> dict[str, bytes]:
        """What is in the bucket of cells, by its keys."""
        found = s3_client().list_objects_v2(Bucket=self.cells).get("Contents", ())
        keys = [each["Key"] for each in found]
        return {key: s3_client().get_object(Bucket=self.cells, Key=key)["Body"].read() for key in keys}


@pytest.fixture
def stack(
    aws: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Stack:
    """Three days, each with an account of its own; nothing is closed."""
    for name, value in (("ACCESS_KEY_ID", "x"), ("SECRET_ACCESS_KEY", "x"), ("DEFAULT_REGION", "us-east-1")):
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setattr("reports.evidence.source_s3.UNSETTLED", timedelta(-1))
    found = Stack(f"b-{uuid4()}", f"b-{uuid4()}", capsys)
    for bucket in (found.evidence, found.cells):
        s3_client().create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    days = [FIRST + timedelta(n) for n in range(3)]
    found.deliver(tmp_path, {flat(day): [detection(day, account_id=f"a-{day.day}")] for day in days})
    return found


def closed(stack: Stack, folder: Path) -> SharedDays:
    """The days of the bucket, as the stack's functions have them."""
    folder.mkdir()
    found = SharedDays(folder, client("s3", s3={"us_east_1_regional_endpoint": "regional"}), stack.cells)
    found.pull()
    return found


@pytest.mark.usefixtures("slow")
def test_days_are_closed_in_the_bucket_of_a_stack(stack: Stack, tmp_path: Path) -> None:
    """From anywhere with credentials: they are those that the stack's functions look for, and listing puts nothing."""
    assert set(stack.states().values()) == {"open"}
    assert stack.kept() == {}
    window = ("--window", "2026-05-02/2026-05-03", "--quiet")
    assert stack.say("close", *window) == f"closed: 3 days up to 2026-05-03, kept in s3://{stack.cells}\n"
    assert set(stack.states().values()) == {"closed"}
    before = stack.kept()
    assert stack.say("close", *window).startswith("closed: 3 days")
    assert stack.kept() == before
    place = S3Evidence(client("s3"), stack.evidence, "results/").place
    assert closed(stack, tmp_path / "days").has_days(place)


@pytest.mark.usefixtures("slow")
def test_what_was_closed_before_an_error_is_in_the_bucket(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("reports.evidence.engine_duckdb.BATCH_BYTES", 1)
    stack.deliver(
        tmp_path, {flat(FIRST + timedelta(2)): [detection(FIRST + timedelta(2), exchange_count=-1)]}
    )
    evidence = ["--evidence", f"s3://{stack.evidence}/results/", "--cells", f"s3://{stack.cells}"]
    assert main(["close", *evidence, "--window", "2026-05-02/2026-05-03", "--quiet"]) == 2
    assert "exchange_count '-1' is below 0" in stack.captured.readouterr().err
    assert stack.states() == {"01 flat": "open", "02 flat": "closed", "03 flat": "open"}


@pytest.mark.usefixtures("slow")
def test_an_account_is_forgotten_in_the_bucket_of_a_stack(stack: Stack, tmp_path: Path) -> None:
    """Its days leave the list, and then every file that no day has goes, those of earlier states of days too."""
    late = FIRST + timedelta(9)
    findings = {ocsf(day): [detection(day, detection_id=f"o-{day}")] for day in (FIRST, late)}
    stack.deliver(tmp_path, findings)
    window = ("--window", "2026-05-02/2026-05-11", "--quiet")
    stack.say("close", *window)
    whole = stack.kept()
    assert b"a-2" in b"".join(whole.values())
    stack.deliver(tmp_path, {flat(FIRST + timedelta(1)): [detection(FIRST + timedelta(1), account_id="a-9")]})
    stack.say("close", *window)
    assert whole.keys() < stack.kept().keys()  # the functions may not delete
    said = stack.say("days", "forget", "a-2")
    assert said.startswith(f"removed: what was kept of 0 days, 4 files in s3://{stack.cells}\n")
    assert b"a-2" not in b"".join(stack.kept().values())
    assert set(stack.states().values()) == {"closed", "missing"}
    said = stack.say("days", "forget", " a-1 ")
    assert said.startswith("removed: what was kept of 1 day, 6 files")
    kept = stack.kept()
    assert b"a-1" not in b"".join(kept.values())
    assert b"a-3" in b"".join(kept.values())
    assert stack.states()["01 flat"] == "open"
    assert stack.states()["03 flat"] == "closed"
    assert {key.removeprefix(CELLS) for key in kept} - {LIST} == closed(stack, tmp_path / "days").used()
    stack.say("close", *window)
    assert set(stack.states().values()) == {"closed", "missing"}


@pytest.mark.usefixtures("slow")
def test_an_account_is_not_forgotten_while_another_closes_days(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then nothing is deleted, and the next try succeeds; nor where the bucket is empty."""
    assert stack.say("days", "forget", "a-1").startswith("removed: what was kept of 0 days, 0 files")
    assert stack.kept() == {}
    window = ("--window", "2026-05-02/2026-05-03", "--quiet")
    stack.say("close", *window)
    push = SharedDays.push

    def beaten(store: SharedDays) -> None:
        s3_client().put_object(Bucket=stack.cells, Key=LIST, Body=b"another list")
        push(store)

    monkeypatch.setattr(SharedDays, "push", beaten)
    before = stack.kept().keys()
    assert main(["days", "forget", "a-1", "--cells", f"s3://{stack.cells}"]) == 2
    assert "another process has closed days meanwhile: run again" in stack.captured.readouterr().err
    assert stack.kept().keys() == before


@pytest.mark.usefixtures("slow")
def test_days_lie_below_a_prefix(stack: Stack) -> None:
    """Of a bucket that holds other things too: only those below it are read, put or deleted."""
    other = f"{CELLS}{'0' * 64}"
    s3_client().put_object(Bucket=stack.cells, Key=other, Body=b"another's")
    bare, stack.cells = stack.cells, f"{stack.cells}/mine"
    assert stack.say("close", "--window", "2026-05-02/2026-05-03", "--quiet").startswith("closed: 3 days")
    assert stack.say("days", "forget", "a-1").startswith("removed: what was kept of 1 day, 5 files")
    stack.cells = bare
    kept = stack.kept()
    assert kept.pop(other) == b"another's"
    assert {key.partition("/")[0] for key in kept} == {"mine"}

"""The days of evidence: their states, closing them ahead, and forgetting an account."""

import json
import time
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest

from reports.cli import main
from tests.contracts.query_engine import detection, flat, ocsf
from tests.support.evidence_files import deliver

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
        (["forget"], "exhibit days forget takes one account id, and nothing else"),
        (["forget", "a", "--json"], "exhibit days forget takes one account id, and nothing else"),
        (["forget", "a", "--evidence", "x"], "exhibit days forget takes one account id, and nothing else"),
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

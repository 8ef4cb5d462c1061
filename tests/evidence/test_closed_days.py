"""Days that were counted once: the same answers as from the evidence, which is not read again."""

import errno
import json
import os
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from reports.cli import main
from reports.core.errors import InvalidEvidence, Unavailable
from reports.core.progress import Done
from reports.core.window import Window
from reports.evidence import closed_days, day_store, id_index, questions, source
from reports.evidence.cache import CachedEngine, CachedEvidence
from reports.evidence.closed_days import ClosedDays, DayCloser, Remembering
from reports.evidence.collect import Evidence, collect
from reports.evidence.day_store import DayStore
from reports.evidence.engine_duckdb import DuckDBEngine, Keep, Touching
from reports.evidence.questions import Answer, Inquiry, Question, Row
from reports.evidence.source import EvidenceObject, FolderEvidence, ListedObject
from reports.evidence.source_s3 import S3Evidence
from reports.evidence.tally import DUCKDB, CannotClose, Tally
from tests.contracts.query_engine import *  # noqa: F403
from tests.contracts.query_engine import (
    EARLIEST,
    HISTORY,
    NEWEST,
    QUESTIONS,
    SUFFIXES,
    TALLIES,
    WINDOW,
    OpenEngine,
    detection,
    flat,
    ocsf,
    ocsf_objects,
)
from tests.support.aws import client, s3_client
from tests.support.evidence_files import Objects, deliver
from tests.support.fakes import AS_OF, Detection
from tests.support.publishing import ROOT

pytestmark = pytest.mark.usefixtures("slow")


class Counting(DuckDBEngine):
    """An engine that keeps account of what it does."""

    def __init__(self, evidence: FolderEvidence) -> None:
        super().__init__(evidence)
        self.done: list[str] = []

    def ask(self, question: Question, progress: Done) -> Answer:
        self.done.append(f"asked {question.name}")
        return super().ask(question, progress)

    def close(self, question: Question, touching: Touching, keep: Keep, progress: Done) -> None:
        self.done.append(f"closed {', '.join(sorted(map(str, touching)))}")
        super().close(question, touching, keep, progress)

    def index(
        self, located: Sequence[ListedObject], numbers: Sequence[int], keep: Callable[[Path], None]
    ) -> None:
        self.done.append(f"indexed {', '.join(sorted({str(o.day) for o in located}))}")
        super().index(located, numbers, keep)


@dataclass
class Desk:
    """Evidence, and what is kept of it."""

    evidence: Path
    kept: Path
    much: int = 0
    done: list[str] = field(default_factory=list)

    def ask(self, question: Question = TALLIES) -> Answer:
        """As a run of its own; `done` is then what the engine did."""
        folder = FolderEvidence(self.evidence)
        engine = Counting(folder)
        try:
            closer = DayCloser(Remembering(folder, DayStore(self.kept), self.much), engine)
            return ClosedDays(engine, closer).ask(question, lambda *_: None)
        finally:
            self.done = engine.done

    @property
    def cells(self) -> list[Path]:
        return sorted((self.kept / "cells").iterdir())


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    days = [EARLIEST, *WINDOW.days]
    objects = {flat(day): [detection(day), detection(day, detection_id="other")] for day in days}
    (tmp_path / "kept").mkdir(mode=0o700)
    return Desk(deliver(tmp_path / "evidence", objects), tmp_path / "kept")


@pytest.fixture
def formats() -> tuple[str, ...]:
    return SUFFIXES


@pytest.fixture
def open_engine(tmp_path_factory: pytest.TempPathFactory) -> OpenEngine:
    """An engine that closes days and answers, and answers again from what it kept."""

    def open_(folder: Path) -> ClosedDays:
        found = FolderEvidence(folder)
        engine, store = Counting(found), DayStore(tmp_path_factory.mktemp("kept"))
        return Twice(engine, DayCloser(Remembering(found, store, 0), engine))

    return open_


class Twice(ClosedDays):
    """An engine that is asked everything twice, and reads the evidence once."""

    def ask(self, question: Question, progress: Done) -> Answer:
        done = self.engine.done  # type: ignore[attr-defined] # it is a Counting
        done.clear()
        first = super().ask(question, progress)
        listed = {o.name: o for o in self.source.list()}
        if question.name in closed_days.CLOSED and any(map(question.reads, listed.values())):
            if "asked" in {each.partition(" ")[0] for each in done}:
                with pytest.raises((duckdb.ConversionException, CannotClose), match=r"INT128.*INT64|^$"):
                    self._rows(question, listed, progress)  # sums that are not shown, and cells do not hold
                return first
            done.clear()
            assert super().ask(question, progress) == first
            assert done == []
        return first


def read(desk: Desk, question: Question = TALLIES) -> Answer:
    return DuckDBEngine(FolderEvidence(desk.evidence)).ask(question, lambda *_: None)


def test_refused_rows_are_told_where_the_engine_can_not(desk: Desk) -> None:
    """Where it answers, it tells which row it is; where it does not, the days are told."""

    class Overburdened(Counting):
        def ask(self, question: Question, progress: Done) -> Answer:
            raise Unavailable("out of memory")

    deliver(desk.evidence, {flat(WINDOW.last, ".csv"): [detection(WINDOW.last, exchange_count=-1)]})
    folder = FolderEvidence(desk.evidence)
    for engine, told in (
        (Counting(folder), "exchange_count"),
        (Overburdened(folder), f"rows of .*{WINDOW.last} tie"),
    ):
        closer = DayCloser(Remembering(folder, DayStore(desk.kept), 0), engine)
        with pytest.raises(InvalidEvidence, match=told):
            ClosedDays(engine, closer).ask(TALLIES, lambda *_: None)


def test_what_is_closed_is_not_read_again(desk: Desk) -> None:
    assert desk.ask() == read(desk)
    assert desk.done == [f"closed {WINDOW.first}, {WINDOW.last}"]
    for day in WINDOW.days:
        (desk.evidence / flat(day)).chmod(0)  # changes its state, and not its bytes
        (desk.evidence / flat(day)).chmod(0o600)
    assert desk.ask().rows == read(desk).rows
    assert desk.done == []


def test_an_answer_tells_what_counted_the_days_that_it_adds_up(desk: Desk) -> None:
    """Each as it was kept, and those alone that the question is about."""
    assert [desk.ask().counted_by for _ in range(2)] == [(DUCKDB,)] * 2
    store = DayStore(desk.kept)
    key, closed = next((key, each) for key, each in store.every_day().items() if each.day == WINDOW.last)
    store.close(store.places()[key], {key: replace(closed, counted_by="another 1")})
    assert desk.ask().counted_by == ("another 1", DUCKDB)
    assert desk.ask(HISTORY).counted_by == (DUCKDB,)
    assert read(desk).counted_by == ()


def test_one_day_is_closed_for_every_question(desk: Desk) -> None:
    assert desk.ask(HISTORY) == read(desk, HISTORY)
    assert desk.done == [f"closed {EARLIEST}"]
    for question in QUESTIONS:
        assert desk.ask(question) == read(desk, question)
    for question in QUESTIONS:
        assert desk.ask(question) == read(desk, question)
        assert desk.done == []


@pytest.mark.parametrize("what", ["more", "less", "another", "same size"])
def test_a_day_whose_objects_change_is_closed_anew(desk: Desk, what: str) -> None:
    desk.ask()
    day, other = WINDOW.days
    if what == "less":
        (desk.evidence / flat(day)).unlink()
        deliver(desk.evidence, {flat(other): [detection(other)]})
    else:
        name, id_ = (flat(day, part=1), "more") if what == "more" else (flat(day), "third")
        deliver(desk.evidence, {name: [detection(day, detection_id="e" if what == "same size" else id_)]})
    before = set(desk.cells)
    assert desk.ask() == read(desk)
    assert desk.done == [f"closed {other if what == 'less' else day}"]
    assert len(before - set(desk.cells)) > 0  # what nobody needs is removed
    desk.ask()
    assert desk.done == []


# OCSF, whose revisions cross days

MAY = [date(2026, 5, n) for n in range(1, 32)]
LATE = date(2026, 6, 3)


def of_ocsf(last: date = LATE) -> list[Question]:
    """Questions about two days of May, and what came before, with all that was delivered until a day."""
    tallies = Inquiry(Window(MAY[4], MAY[5]), AS_OF, each_account=True).tallies(last)
    return [tallies, questions.history(tallies, MAY[0])]


@pytest.fixture
def ocsf_desk(desk: Desk) -> Desk:
    """A detection on each of the first nine days of May, delivered on its day."""
    shutil.rmtree(desk.evidence)
    deliver(desk.evidence, {ocsf(day): [on(day)] for day in MAY[:9]})
    for question in of_ocsf():
        assert desk.ask(question) == read(desk, question)
    return desk


def on(day: date, of: date | None = None, **fields: object) -> Detection:
    """The detection of a day; or a later revision of it that moves it to another."""
    id_ = {"detection_id": str(of or day), "account_id": f"a-{of or day}"}
    return detection(day, **id_ | ({"revised_at": datetime(2026, 6, 3)} if of else {}) | fields)


def deeds(desk: Desk, asked: Sequence[Question]) -> list[str]:
    """What was done to answer questions, whose answers are those of the evidence; nothing more is to be done then."""
    done = []
    for question in asked:
        assert desk.ask(question) == read(desk, question)
        done += desk.done
    for question in asked:
        assert desk.ask(question) == read(desk, question)
        assert desk.done == []
    return done


def test_ocsf_is_indexed_and_closed_once(ocsf_desk: Desk) -> None:
    shutil.rmtree(ocsf_desk.kept)
    ocsf_desk.kept.mkdir(mode=0o700)
    days = ", ".join(map(str, MAY[:9]))
    assert deeds(ocsf_desk, of_ocsf()) == [f"indexed {days}", f"closed {days}"]


@pytest.mark.parametrize("status", ["new", "suppressed"])
def test_a_revision_reopens_the_days_of_all_revisions_of_its_id(ocsf_desk: Desk, status: str) -> None:
    """However late it comes. One that moves a finding to another day reopens both; other days stay closed."""
    deliver(ocsf_desk.evidence, {ocsf(LATE): [on(MAY[4], of=MAY[1], status=status)]})
    assert deeds(ocsf_desk, of_ocsf()) == [f"indexed {LATE}", f"closed {MAY[1]}, {MAY[4]}"]
    deliver(
        ocsf_desk.evidence, {ocsf(LATE, part=1): [on(MAY[5], of=MAY[1], revised_at=datetime(2026, 6, 4))]}
    )
    assert deeds(ocsf_desk, of_ocsf()) == [f"indexed {LATE}", f"closed {MAY[1]}, {MAY[4]}, {MAY[5]}"]


def test_much_of_ocsf_is_indexed_in_parts(ocsf_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is indexed later is found in what was indexed before."""
    shutil.rmtree(ocsf_desk.kept)
    ocsf_desk.kept.mkdir(mode=0o700)
    monkeypatch.setattr(id_index, "BATCH_BYTES", 0)
    deliver(ocsf_desk.evidence, {ocsf(LATE): [on(MAY[4], of=MAY[1])]})
    *indexed, closed = deeds(ocsf_desk, of_ocsf())
    assert indexed == [f"indexed {day}" for day in (*MAY[:9], LATE)]
    assert closed.startswith(f"closed {MAY[0]}, {MAY[1]}")


def test_an_object_that_goes_reopens_its_days(ocsf_desk: Desk) -> None:
    late = ocsf_desk.evidence / ocsf(LATE)
    deliver(ocsf_desk.evidence, {ocsf(LATE): [on(MAY[4], of=MAY[1]), on(MAY[7], of=MAY[7])]})
    deeds(ocsf_desk, of_ocsf())
    late.unlink()
    assert deeds(ocsf_desk, of_ocsf()) == [f"closed {MAY[1]}, {MAY[4]}, {MAY[7]}"]
    (ocsf_desk.evidence / ocsf(MAY[8])).unlink()
    (ocsf_desk.evidence / ocsf(MAY[4])).unlink()
    assert deeds(ocsf_desk, of_ocsf()) == [
        f"closed {MAY[4]}"
    ]  # which has no row, but had one in common with another
    deliver(ocsf_desk.evidence, {ocsf(MAY[4]): [on(MAY[4])], ocsf(LATE): [on(MAY[4], of=MAY[1])]})
    assert deeds(ocsf_desk, of_ocsf()) == [f"indexed {MAY[4]}, {LATE}", f"closed {MAY[1]}, {MAY[4]}"]


def test_what_is_delivered_later_than_a_question_asks_does_not_count(ocsf_desk: Desk) -> None:
    deliver(ocsf_desk.evidence, {ocsf(LATE): [on(MAY[4], of=MAY[1])]})
    for last in (MAY[9], LATE, MAY[9]):
        deeds(ocsf_desk, of_ocsf(last))


def test_a_newer_revision_in_an_older_partition_is_read_as_it_is_asked(ocsf_desk: Desk) -> None:
    """The tallies of a window read no partitions before it: there, what is outranked by one of these still counts."""
    deliver(ocsf_desk.evidence, {ocsf(MAY[0], part=1): [on(MAY[0], of=MAY[4])]})
    tallies, history = of_ocsf()
    assert ocsf_desk.ask(tallies) == read(ocsf_desk, tallies)
    assert ocsf_desk.done[-1] == "asked tallies"
    assert deeds(ocsf_desk, [history]) == []


def test_what_older_days_reach_is_no_matter(ocsf_desk: Desk) -> None:
    """Nor is a finding that is delivered again, later and the same: the days of a window stay closed."""
    again, newer = on(MAY[0]), on(MAY[0], of=MAY[1])
    deliver(ocsf_desk.evidence, {ocsf(LATE): [again], ocsf(MAY[0], part=1): [newer]})
    done = deeds(ocsf_desk, of_ocsf())
    assert done == [f"indexed {MAY[0]}, {LATE}", f"closed {MAY[0]}, {MAY[1]}"]


def test_a_tie_between_partitions_is_told_as_without_closing(ocsf_desk: Desk) -> None:
    """Also on a day that the question is not about, whose days are closed otherwise."""
    tie = on(MAY[7], revised_at=on(MAY[7]).revised_at, exchange_count=2)
    deliver(ocsf_desk.evidence, {ocsf(LATE): [tie]})
    for question in of_ocsf():
        with pytest.raises(InvalidEvidence) as told:
            ocsf_desk.ask(question)
        with pytest.raises(InvalidEvidence) as known:
            read(ocsf_desk, question)
        assert "that differ in exchange_count (1 in " in str(told.value)
        assert str(told.value) == str(known.value)


def test_an_index_of_other_rules_is_made_anew(ocsf_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    days = ", ".join(map(str, MAY[:9]))
    monkeypatch.setattr(closed_days, "rules", lambda: "others")
    assert deeds(ocsf_desk, of_ocsf()) == [f"indexed {days}", f"closed {days}"]


@pytest.mark.parametrize("damage", ["truncated", "gone", "forged"])
def test_a_damaged_index_is_made_anew_when_it_is_needed(ocsf_desk: Desk, damage: str) -> None:
    with sqlite3.connect(ocsf_desk.kept / "days.sqlite") as database:
        ((made,),) = database.execute("select made from indexes").fetchall()
        if damage == "forged":
            database.execute("update indexes set made = ?", [made.replace(str(MAY[4]), str(MAY[20]))])
    (file,) = (ocsf_desk.kept / "cells" / digest for digest in json.loads(made)[1])
    if damage == "truncated":
        os.truncate(file, file.stat().st_size // 2)
    elif damage == "gone":
        file.unlink()
    deliver(ocsf_desk.evidence, {ocsf(LATE): [on(MAY[4], of=MAY[1])]})
    days = ", ".join(map(str, [*MAY[:9], LATE]))
    assert deeds(ocsf_desk, of_ocsf()) == [f"indexed {days}", f"closed {MAY[1]}, {MAY[4]}"]


@settings(max_examples=3, phases=(Phase.explicit, Phase.reuse, Phase.generate))  # shrinking takes minutes
@given(
    deliveries=st.lists(ocsf_objects(), min_size=2, max_size=2),
    going=st.integers(0, 9),
    chance=st.randoms(use_true_random=False),
)
def test_whatever_comes_and_goes(deliveries: Sequence[Objects], going: int, chance: random.Random) -> None:
    """After each delivery, and after an object has gone, in any order of questions, with cells gone or not."""
    with tempfile.TemporaryDirectory() as folder:
        desk = Desk(Path(folder, "evidence"), Path(folder, "kept"))
        desk.kept.mkdir(mode=0o700)
        for number, objects in enumerate(deliveries):
            deliver(
                desk.evidence, {name.replace("part-0", f"part-{number}"): of for name, of in objects.items()}
            )
            _same_as_read(desk, chance)
            if (desk.kept / "cells").exists() and chance.random() < 0.3:
                _remove(desk)
        names = [o.name for o in FolderEvidence(desk.evidence).list()]
        (desk.evidence / names[going % len(names)]).unlink()
        _same_as_read(desk, chance)


def _same_as_read(desk: Desk, chance: random.Random) -> None:
    """Ask two questions of five, each of days closed or not."""
    for question in chance.sample([*QUESTIONS, *of_ocsf()], 2):
        try:
            answer = read(desk, question)
        except InvalidEvidence as refused:
            with pytest.raises(InvalidEvidence, match=f"^{re.escape(str(refused))}$"):
                desk.ask(question)
        else:
            assert desk.ask(question) == answer


def _truncate(desk: Desk) -> None:
    for file in desk.cells:
        os.truncate(file, file.stat().st_size // 2)


def _swap(desk: Desk) -> None:
    for file, other in zip(desk.cells, reversed(desk.cells), strict=True):
        file.write_bytes(other.read_bytes())


def _remove(desk: Desk) -> None:
    for file in desk.cells:
        file.unlink()


def _forge_days(desk: Desk) -> None:
    with sqlite3.connect(desk.kept / "days.sqlite") as database:
        database.execute("update days set closed = replace(closed, '2, 2', '9, 9')")


def _exchange_days(desk: Desk) -> None:
    with sqlite3.connect(desk.kept / "days.sqlite") as database:
        (one, a), (other, b), *_ = database.execute("select key, closed from days").fetchall()
        database.execute("update days set closed = ? where key = ?", (b, one))
        database.execute("update days set closed = ? where key = ?", (a, other))


def _garble_days(desk: Desk) -> None:
    """And change the evidence, so that what was kept of the days is replaced."""
    with sqlite3.connect(desk.kept / "days.sqlite") as database:
        database.execute("update days set closed = iif(rowid = 1, cast(closed as blob), 'no JSON')")
    deliver(desk.evidence, {flat(WINDOW.last): [detection(WINDOW.last)]})


def _spoil_days(desk: Desk) -> None:
    (desk.kept / "days.sqlite").write_bytes(b"no database" * 1000)


@pytest.mark.parametrize(
    "damage",
    [_truncate, _swap, _remove, _forge_days, _exchange_days, _garble_days, _spoil_days],
    ids=lambda f: f.__name__,
)
def test_what_is_damaged_counts_as_absent(desk: Desk, damage: Callable[[Desk], None]) -> None:
    for question in QUESTIONS:
        desk.ask(question)
    damage(desk)
    for question in QUESTIONS:
        assert desk.ask(question).rows == read(desk, question).rows
    for question in QUESTIONS:
        assert desk.ask(question).rows == read(desk, question).rows
        if damage is not _spoil_days:
            assert desk.done == []


def test_days_of_other_rules_are_closed_anew(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.ask()
    monkeypatch.setattr(closed_days, "rules", lambda: "others")
    desk.ask()
    assert desk.done == [f"closed {WINDOW.first}, {WINDOW.last}"]


def test_rows_of_the_future_are_refused_though_a_later_request_counted_them(desk: Desk) -> None:
    desk.ask()
    earlier = replace(TALLIES, as_of=TALLIES.as_of - timedelta(365))
    with pytest.raises(InvalidEvidence, match="revised_at"):
        desk.ask(earlier)
    assert desk.ask() == read(desk)
    assert desk.done == []


def test_a_tie_is_told_as_without_closing(desk: Desk) -> None:
    day = WINDOW.first
    deliver(desk.evidence, {flat(day, part=1): [detection(day, exchange_count=2)]})
    with pytest.raises(InvalidEvidence) as told:
        desk.ask()
    with pytest.raises(InvalidEvidence) as known:
        read(desk)
    assert str(told.value) == str(known.value)


def test_evidence_that_changes_while_it_is_closed_is_not_kept(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    close = Counting.close

    def changing(self: Counting, *of: object) -> None:
        deliver(desk.evidence, {flat(WINDOW.first): [detection(WINDOW.first, detection_id="late")]})
        close(self, *of)  # type: ignore[arg-type]

    monkeypatch.setattr(Counting, "close", changing)
    desk.ask()
    monkeypatch.undo()
    assert desk.ask() == read(desk)
    assert desk.done == [f"closed {WINDOW.first}, {WINDOW.last}"]


@pytest.mark.usefixtures("unprivileged")
def test_answers_come_where_nothing_can_be_kept(desk: Desk) -> None:
    desk.kept.chmod(0o500)
    assert desk.ask() == read(desk)


@pytest.mark.parametrize(
    "way", ["standing=excluded/event_day=2020-01-01/kept", "[k]*?/kept", "k'\n\"%20/kept"]
)
def test_the_name_of_the_place_where_days_are_kept_does_not_matter(desk: Desk, way: str) -> None:
    """Its folders may look like partitions, and have patterns in their names."""
    desk.kept = desk.kept / way
    desk.kept.mkdir(mode=0o700, parents=True)
    for _ in range(2):
        assert [desk.ask(question) for question in QUESTIONS] == [read(desk, each) for each in QUESTIONS]
    assert desk.done == []


def test_answers_come_where_a_path_is_not_utf_8(desk: Desk) -> None:
    """That of the days that are kept, or the one that evidence is at behind a link."""
    link = desk.evidence.with_name("link")
    desk.evidence = desk.evidence.rename(os.fsdecode(os.fsencode(desk.evidence) + b"\xff"))
    link.symlink_to(desk.evidence)
    desk.evidence = link
    assert desk.ask() == read(desk)
    assert desk.done == [f"closed {WINDOW.first}, {WINDOW.last}"]
    desk.kept = desk.kept.rename(os.fsdecode(os.fsencode(desk.kept) + b"\xff"))
    assert desk.ask() == read(desk)


def test_what_a_run_that_was_killed_left_is_removed(desk: Desk) -> None:
    desk.ask()
    (aside, cells) = desk.kept / "run-killed", desk.kept / "cells" / "of no day"
    aside.mkdir()
    cells.touch()
    for each in (aside, *desk.cells):
        os.utime(each, (0, 0))
    desk.ask(HISTORY)
    assert not aside.exists()
    assert not cells.exists()
    desk.ask()
    assert desk.done == []


@pytest.fixture
def digested(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the objects that are digested from now on."""
    names: list[str] = []
    pin = FolderEvidence._pin

    def pinning(source: FolderEvidence, name: str) -> EvidenceObject:
        names.append(name)
        return pin(source, name)

    monkeypatch.setattr(FolderEvidence, "_pin", pinning)
    return names


def pinned(desk: Desk) -> tuple[EvidenceObject, ...]:
    folder = FolderEvidence(desk.evidence)
    return Remembering(folder, DayStore(desk.kept), desk.much).pin(folder.list())


def test_an_object_is_digested_once(desk: Desk, digested: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Its digest is remembered while its state is the same; one that changes, with the same size, is digested anew."""
    monkeypatch.setattr(source, "UNSETTLED", -1)
    expected = FolderEvidence(desk.evidence).pin(FolderEvidence(desk.evidence).list())
    digested.clear()
    assert pinned(desk) == pinned(desk) == expected
    assert digested == [o.name for o in expected]
    changed = desk.evidence / expected[0].name
    changed.write_bytes(changed.read_bytes()[::-1])
    digested.clear()
    assert pinned(desk) != expected
    assert digested == [expected[0].name]


def test_sets_without_days_are_added_up_over_days(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything else is done with them: only where days count, there is a cell for each."""
    expected = desk.ask()
    counted: dict[str, int] = {}
    rows = Tally.rows

    def counting(tally: Tally) -> tuple[Row, ...]:
        for name in tally.made:
            counted[name] = len(tally.con.table(name).fetchall())
        return rows(tally)

    monkeypatch.setattr(Tally, "rows", counting)
    assert desk.ask() == expected
    assert desk.done == []
    days = len(WINDOW.days)
    assert counted == {"cells0": days, "cells1": 1, "cells2": 1, "cells3": days}


def test_a_briefing_lists_twice_and_looks_up_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """What its questions are asked of is what was listed for them; it is listed again at the end."""
    monkeypatch.setattr(source, "UNSETTLED", -1)
    inquiry = Inquiry(WINDOW, AS_OF)
    wanted: list[str] = []
    lists: list[int] = []
    list_, digests = FolderEvidence.list, DayStore.digests

    def listing(folder: FolderEvidence, only: Collection[str] | None = None) -> tuple[ListedObject, ...]:
        lists.append(1)
        return list_(folder, only)

    def looking_up(store: DayStore, states: Iterable[str]) -> dict[str, EvidenceObject]:
        asked = list(states)
        wanted.extend(asked)
        return digests(store, asked)

    def collected() -> Evidence:
        folder = FolderEvidence(desk.evidence)
        engine = Counting(folder)
        closer = DayCloser(Remembering(folder, DayStore(desk.kept), desk.much), engine)
        days = ClosedDays(engine, closer)
        return collect(inquiry, days, days.source, lambda *_: None)

    expected = collected()
    assert expected.history is not None
    monkeypatch.setattr(FolderEvidence, "list", listing)
    monkeypatch.setattr(DayStore, "digests", looking_up)
    assert collected() == expected
    assert len(lists) == 2
    assert len(wanted) == len(set(wanted)) == len(expected.objects)


@pytest.mark.parametrize(
    "damage",
    [
        "update digests set pinned = replace(pinned, 'a', 'b')",
        "update digests set pinned = (select max(pinned) from digests)",
        "update digests set pinned = cast(pinned as blob)",
        "update digests set pinned = 'no JSON'",
    ],
)
def test_a_digest_that_is_damaged_or_exchanged_is_not_believed(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    monkeypatch.setattr(source, "UNSETTLED", -1)
    expected = pinned(desk)
    with sqlite3.connect(desk.kept / "days.sqlite") as database:
        database.execute(damage)
    assert pinned(desk) == expected


def test_digests_are_remembered_as_they_are_made(
    desk: Desk, digested: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of a run that is stopped are not made again."""
    monkeypatch.setattr(source, "UNSETTLED", -1)
    monkeypatch.setattr(closed_days, "AT_A_TIME", 2)
    pin = FolderEvidence._pin

    def stopping(source: FolderEvidence, name: str) -> EvidenceObject:
        if len(digested) >= 2:
            raise Unavailable("time is up")
        return pin(source, name)

    with monkeypatch.context() as patch:
        patch.setattr(FolderEvidence, "_pin", stopping)
        with pytest.raises(Unavailable):
            pinned(desk)
    assert len(digested) == 2
    pinned(desk)
    assert sorted(digested) == [o.name for o in FolderEvidence(desk.evidence).list()]


def test_what_may_be_written_to_unnoticed_is_digested_again(desk: Desk, digested: list[str]) -> None:
    """A file's times do not tell two writes within one tick apart: what was just written is not remembered."""
    assert pinned(desk) == pinned(desk)
    assert len(digested) == 2 * len(set(digested))


def test_an_id_in_both_layouts_is_told_without_its_row(desk: Desk) -> None:
    """Where the engine that reads the evidence does not know rows."""
    deliver(desk.evidence, {ocsf(WINDOW.first): [detection(WINDOW.first, detection_id="other")]})
    folder = FolderEvidence(desk.evidence)
    engine = Counting(folder)
    days = ClosedDays(Asked(engine), DayCloser(Remembering(folder, DayStore(desk.kept), 0), engine))
    with pytest.raises(InvalidEvidence, match="detection other is in") as told:
        collect(Inquiry(WINDOW, AS_OF), days, days.source, lambda *_: None)
    with pytest.raises(InvalidEvidence) as known:
        collect(Inquiry(WINDOW, AS_OF), engine, folder, lambda *_: None)
    assert str(told.value) == str(known.value)
    assert "row 1" not in told.value.public
    assert "row 1" in known.value.public


@dataclass
class Asked:
    """An engine that answers, and no more."""

    engine: DuckDBEngine

    def ask(self, question: Question, progress: Done) -> Answer:
        return self.engine.ask(question, progress)

    def stop(self, executions: Iterable[str]) -> None:
        self.engine.stop(executions)


def test_little_evidence_leaves_no_trace(desk: Desk) -> None:
    """It is read as quickly as what would be kept of it."""
    desk.much = closed_days.MUCH
    assert desk.ask() == read(desk)
    pinned(desk)
    assert desk.done == ["asked tallies"]
    assert not list(desk.kept.iterdir())


def test_days_in_s3_are_fetched_once(desk: Desk, bucket: str, tmp_path: Path) -> None:
    """Neither their objects nor copies of these are needed after that."""
    for name in (o.name for o in FolderEvidence(desk.evidence).list()):
        s3_client().upload_file(str(desk.evidence / name), bucket, name)
    fetched: list[str] = []
    s3 = client("s3")
    s3.meta.events.register("before-call.s3.GetObject", lambda **_: fetched.append("object"))
    (tmp_path / "copies").mkdir(mode=0o700)
    cached = CachedEvidence(S3Evidence(s3, bucket), tmp_path / "copies")
    reading = CachedEngine(cached)
    engine = ClosedDays(reading, DayCloser(Remembering(cached, DayStore(desk.kept), 0), reading))
    answers = [engine.ask(question, lambda *_: None) for question in QUESTIONS]
    assert [answer.rows for answer in answers] == [read(desk, question).rows for question in QUESTIONS]
    for copies in (tmp_path / "copies").iterdir():
        shutil.rmtree(copies)
    fetched.clear()
    assert [engine.ask(question, lambda *_: None) for question in QUESTIONS] == answers
    assert fetched == []


KILLED = """
import sys
from pathlib import Path
from tests.evidence.test_closed_days import Desk, QUESTIONS
for question in QUESTIONS:
    Desk(Path(sys.argv[1]), Path(sys.argv[2])).ask(question)
print("done")
"""


def test_a_run_that_is_killed_leaves_nothing_wrong(desk: Desk) -> None:
    """At whatever moment, in either layout: the next runs answer the same, and need no help."""
    _deliver_findings(desk)
    command = [sys.executable, "-c", KILLED, str(desk.evidence), str(desk.kept)]
    answers = [read(desk, question) for question in QUESTIONS]
    start = time.monotonic()
    assert subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout == b"done\n"
    whole = time.monotonic() - start
    for n in range(1, 9):
        shutil.rmtree(desk.kept)
        desk.kept.mkdir(mode=0o700)
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
            time.sleep(whole * (0.6 + 0.05 * n))
            process.kill()
        assert [desk.ask(question) for question in QUESTIONS] == answers
        assert [desk.ask(question) for question in QUESTIONS] == answers
        assert desk.done == []


def _deliver_findings(desk: Desk) -> None:
    """Findings of OCSF beside what is there, one of them revised in a later partition."""
    revised = detection(EARLIEST, detection_id=f"o {EARLIEST}", revised_at=datetime(2026, 5, 4))
    days = [EARLIEST, *WINDOW.days]
    findings = {ocsf(day): [detection(day, detection_id=f"o {day}")] for day in days}
    deliver(desk.evidence, {**findings, ocsf(NEWEST): [revised]})


def test_two_runs_close_the_same_days_at_once(desk: Desk) -> None:
    _deliver_findings(desk)
    answers = [read(desk, question) for question in QUESTIONS]

    def run(_: int) -> list[Answer]:
        other = Desk(desk.evidence, desk.kept)
        return [other.ask(question) for question in QUESTIONS]

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(run, range(8))) == [answers] * 8
    desk.ask()
    assert desk.done == []


@pytest.mark.parametrize("found", [[], ["one", "other"]])
def test_a_day_that_is_not_in_one_file_is_written_by_itself(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, found: list[str]
) -> None:
    """DuckDB writes no file of a day without rows in a set, and several of one with many."""
    answers = [read(desk, question) for question in QUESTIONS]
    monkeypatch.setattr(Path, "glob", lambda self, _: iter([self / name for name in found]))
    assert [desk.ask(question) for question in QUESTIONS] == answers
    assert [desk.ask(question) for question in QUESTIONS] == answers
    assert desk.done == []


def test_a_full_disk_costs_time_alone(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where cells cannot be kept, the engine answers."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copy", full)
    assert desk.ask() == read(desk)
    assert desk.done == [f"closed {WINDOW.first}, {WINDOW.last}", "asked tallies"]


def test_a_disk_that_gets_full_is_given_its_room_back(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cells of which not all can be kept are of no use."""
    copy, copied = shutil.copy, []

    def filling(file: Path, folder: Path) -> object:
        copied.append(file)
        if len(copied) > len(WINDOW.days):
            raise OSError(errno.ENOSPC, "No space left on device")
        return copy(file, folder)

    monkeypatch.setattr(shutil, "copy", filling)
    assert desk.ask() == read(desk)
    assert len(copied) > len(WINDOW.days)
    assert not desk.cells


def test_a_list_of_days_that_stays_locked_is_waited_for_twice(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For the digests and for the days: what cannot be read is not written to either."""
    desk.ask()
    monkeypatch.setattr(day_store, "WAIT", 0.1)
    connect, opened = sqlite3.connect, []
    other = connect(desk.kept / "days.sqlite", isolation_level=None)
    other.execute("begin exclusive")
    monkeypatch.setattr(sqlite3, "connect", lambda *of, **how: opened.append(of) or connect(*of, **how))
    assert desk.ask() == read(desk)
    assert desk.done == ["asked tallies"]
    assert len(opened) == 2
    other.close()


def test_a_briefing_is_the_same_over_closed_days(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`exhibit publish` closes days, and its content does not tell."""
    monkeypatch.setattr(closed_days, "MUCH", 0)
    (desk.evidence / "dataset.yaml").write_text("synthetic: true\n")
    arguments = ["--evidence", str(desk.evidence), "--window", str(WINDOW), "--as-of", "2026-06-20T12:00:00Z"]
    arguments += ["--audience", "regulator", "--keys", str(tmp_path / "keys")]
    unsigned = []
    for out in ("first", "closed", "read"):
        if out == "read":
            monkeypatch.undo()
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / ("none" if out == "read" else "cache")))
        assert main(["publish", "--quiet", *arguments, "--out", str(tmp_path / out)]) == 0
        (receipt,) = (tmp_path / out).glob("*.receipt.json")
        unsigned.append(json.loads(receipt.read_text())["unsigned"])
    assert len(list((tmp_path / "cache/exhibit/cells").iterdir())) > 0
    assert unsigned[0] == unsigned[1] == unsigned[2]

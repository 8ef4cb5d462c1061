"""Athena's way of answering: the contract of every engine, and what is Athena's own: tokens, tries, time, failures."""

import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from reports.core.errors import InvalidEvidence, InvalidSettings, Unavailable, Unfinished
from reports.evidence.engine_athena import TRIES, AthenaEngine, _typed
from reports.evidence.engine_duckdb import DuckDBEngine
from reports.evidence.engine_tables import Tables
from reports.evidence.questions import Answer
from reports.evidence.source import EvidenceObject, FolderEvidence, ListedObject
from reports.pages.assets import Resources
from reports.pages.typeset import typeset
from tests.contracts.query_engine import *  # noqa: F403
from tests.contracts.query_engine import HISTORY, QUESTIONS, WINDOW, detection, flat, many
from tests.support.athena import AthenaService, DuckDBAthena, Execution, Refused, client, over_folder
from tests.support.evidence_files import deliver
from tests.support.fakes import composed, content_of

pytestmark = pytest.mark.usefixtures("slow")

DAY = WINDOW.first
USER = {"ErrorCategory": 2, "ErrorType": 1001, "Retryable": False}
FAILED = {
    "State": "FAILED",
    "StateChangeReason": "GENERIC_INTERNAL_ERROR",
    "AthenaError": {"ErrorCategory": 1},
}


@dataclass
class Clock:
    """The time that is left, which waiting uses up."""

    left: float = 900.0
    waits: list[float] = field(default_factory=list)

    def pause(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.left -= seconds


@dataclass
class Deployed:
    """A folder of evidence with Athena over it."""

    folder: Path
    service: AthenaService
    clock: Clock = field(default_factory=Clock)
    request: str = "first"

    def engine(self) -> AthenaEngine:
        """An engine as each process makes one for itself."""
        return AthenaEngine(
            client(self.service),
            "exhibit",
            "evidence",
            Tables.over(FolderEvidence(self.folder)),
            token=self.request,
            deadline=lambda: self.clock.left,
            pause=self.clock.pause,
        )

    def ask(self) -> Answer:
        return self.engine().ask(QUESTIONS[0], lambda *_: None)

    @property
    def asked(self) -> Mapping[str, Execution]:
        """The executions of questions: not those about the objects that a table shows."""
        executions = self.service.executions.items()
        return {id_: each for id_, each in executions if "_rows as" not in each.request["QueryString"]}


def deployed(folder: Path) -> Deployed:
    return Deployed(folder, AthenaService(DuckDBAthena(over_folder(folder))))


@pytest.fixture
def open_engine() -> Callable[[Path], AthenaEngine]:
    return lambda folder: deployed(folder).engine()


@pytest.fixture
def small(tmp_path: Path) -> Deployed:
    """One detection."""
    deliver(tmp_path, {flat(DAY): [detection(DAY)]})
    return deployed(tmp_path)


# Answers


def test_the_same_as_duckdb(tmp_path: Path) -> None:
    """Rows are those that DuckDB gives for the same evidence: the same columns in the same order, values and types."""
    found = many(300)
    deliver(
        tmp_path,
        {flat(day): [d for d in found if d.event_day == day] for day in {d.event_day for d in found}},
    )
    for question in QUESTIONS:
        mine = deployed(tmp_path).engine().ask(question, lambda *_: None)
        theirs = DuckDBEngine(FolderEvidence(tmp_path)).ask(question, lambda *_: None)
        assert [list(row.items()) for row in mine.rows] == [list(row.items()) for row in theirs.rows]
        assert mine.result_sha256 == theirs.result_sha256
        assert mine.parameters == theirs.parameters


def test_long_results_come_in_pages(tmp_path: Path) -> None:
    """A result of several pages is read whole, each row once, and the line of names is no row."""
    found = [detection(DAY, detection_id=f"d-{n}", account_id=f"a-{n}") for n in range(2100)]
    deliver(tmp_path, {flat(DAY): found})
    athena = deployed(tmp_path)
    accounts = [row["account_id"] for row in athena.ask().rows if row["account_id"]]
    assert sorted(accounts) == sorted(d.account_id for d in found)
    assert athena.service.calls.count("GetQueryResults") == 1 + 3


def test_values_are_typed() -> None:
    """Text becomes what its column is; what is missing is None, and what is empty is not."""
    texts = {
        "varchar": ("", ""),
        "bigint": ("9007199254740993", 2**53 + 1),
        "integer": ("-1", -1),
        "double": ("1.0E-2", 0.01),
        "boolean": ("false", False),
        "date": ("2026-05-02", date(2026, 5, 2)),
        "timestamp": ("2026-05-02 23:59:59.999", datetime(2026, 5, 2, 23, 59, 59, 999000)),
        "decimal": ("36893488147419103232", 2**65),
    }
    columns = [{"Name": name, "Type": name, "Scale": 0} for name in texts]
    read = _typed(columns, [text for text, _ in texts.values()])
    assert read == {name: value for name, (_, value) in texts.items()}
    assert [type(value) for value in read.values()] == [type(value) for _, value in texts.values()]
    assert set(_typed(columns, [None] * len(columns)).values()) == {None}
    assert _typed([{"Name": "d", "Type": "decimal", "Scale": 2}], ["1.50"]) == {"d": Decimal("1.50")}


def test_a_foreign_type_is_refused() -> None:
    """A column of a type that no question gives is refused by its name."""
    with pytest.raises(InvalidSettings, match="column c as array: check the types"):
        _typed([{"Name": "c", "Type": "array"}], ["[1]"])


def test_the_record_says_which_run_and_what_it_read(small: Deployed) -> None:
    """An answer names the engine, its version, the execution, and the bytes that were scanned."""
    answer = small.ask()
    assert (answer.engine, answer.engine_version, answer.bytes_scanned) == ("athena", "3", 4096)
    assert [answer.execution_id] == list(small.asked)


def test_another_run_is_no_other_content(small: Deployed) -> None:
    """Which engine answered, in which run, and what it scanned, makes no other content, and no other page."""
    briefing = composed([detection(DAY)], WINDOW)
    run = replace(briefing.evidence.tallies, engine="athena", execution_id="e-1", bytes_scanned=7)
    another = replace(briefing, evidence=replace(briefing.evidence, tallies=run))
    one, other = map(content_of, (briefing, another))
    assert one.evidence_json({}) == other.evidence_json({})
    assert one.sha256 == other.sha256
    assert typeset(one, Resources())[0] == typeset(other, Resources())[0]


def test_asked_as_athena_wants_it(small: Deployed) -> None:
    """Parameters are literals beside the statement, never in it; the workgroup alone says where results go."""
    small.ask()
    (request,) = (each.request for each in small.asked.values())
    assert request["ExecutionParameters"] == [
        "'2026-06-20 12:00:00.000'",
        "'2026-04-30'",
        "'2026-05-11'",
        *("'2026-05-02'", "'2026-05-03'") * 2,
        "'true'",
    ]
    assert "2026-05" not in request["QueryString"]
    assert (request["WorkGroup"], request["QueryExecutionContext"]) == ("exhibit", {"Database": "evidence"})
    assert 32 <= len(request["ClientRequestToken"]) <= 128
    assert "ResultConfiguration" not in request


# Tokens


def test_asked_again_meets_the_same_execution(small: Deployed) -> None:
    """Another process that asks for the same request gets the answer of the first, and nothing runs twice."""
    assert small.ask() == small.ask()
    assert len(small.asked) == 1


@pytest.mark.parametrize(
    "change", ["request", "question", "more evidence", "other evidence", "version", "database"]
)
def test_another_question_has_its_own_execution(
    small: Deployed, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    """Another request, question, evidence or place has an execution of its own."""
    begun = small.engine()
    if change == "version":
        begun = replace(begun, tables=relabelled(small.folder, "tag second version"))
    begun.ask(QUESTIONS[0], lambda *_: None)
    engine = replace(small, request="another").engine() if change == "request" else small.engine()
    if change == "more evidence":
        deliver(small.folder, {flat(DAY, part=1): [detection(DAY)]})
    if change == "other evidence":  # of the same name and size
        engine = replace(engine, tables=relabelled(small.folder, "changed"))
    if change == "version":  # written within the same second, with the bytes that it had
        engine = replace(engine, tables=relabelled(small.folder, "tag second another"))
    if change == "database":
        engine = replace(engine, database="other")
    engine.ask(QUESTIONS[change == "question"], lambda *_: None)
    assert len(small.asked) == 2


def relabelled(folder: Path, state: str) -> Tables:
    return Tables.over(Relabelled(FolderEvidence(folder), state))


@dataclass
class Relabelled:
    """A source whose listing tells contents apart."""

    source: FolderEvidence
    state: str

    def tops(self) -> tuple[str, ...]:
        return self.source.tops()

    def list(self, only: Collection[str] | None = None) -> tuple[ListedObject, ...]:
        return tuple(replace(o, state=self.state) for o in self.source.list(only))

    def pin(self, objects: object) -> tuple[EvidenceObject, ...]:
        raise NotImplementedError

    def part(self, located: ListedObject, first: int, count: int) -> bytes:
        return self.source.part(located, first, count)

    def text(self, name: str) -> None:
        raise NotImplementedError


def test_evidence_that_is_not_read_changes_nothing(small: Deployed) -> None:
    """A delivery for days that the question does not read meets the same execution."""
    small.ask()
    deliver(small.folder, {flat(DAY + timedelta(90)): [detection(DAY)]})
    small.ask()
    assert len(small.asked) == 1


# Tries


def test_a_passing_failure_is_tried_again(small: Deployed) -> None:
    """Whoever asks after a passing failure makes the next try, which can end well."""
    small.service.endings = [None, FAILED]
    with pytest.raises(Unavailable, match="GENERIC_INTERNAL_ERROR"):
        small.ask()
    assert small.ask().execution_id == list(small.asked)[1]


def test_tries_are_bounded(small: Deployed) -> None:
    """After so many tries that failed nothing is started any more, however often the request is repeated."""
    small.service.endings = [FAILED] * 9
    for _ in range(6):
        with pytest.raises(Unavailable, match="GENERIC_INTERNAL_ERROR"):
            small.ask()
    assert len(small.service.executions) == TRIES


def test_a_cancelled_query_is_tried_again_by_the_next(small: Deployed) -> None:
    """What somebody cancelled is not started at once, but by whoever asks next."""
    small.service.endings = [{"State": "CANCELLED", "StateChangeReason": "Query cancelled by user"}]
    with pytest.raises(Unavailable, match="cancelled"):
        small.ask()
    assert len(small.service.executions) == 1
    assert small.ask().rows


def test_a_deleted_result_is_made_again(small: Deployed) -> None:
    """Where the result of the execution was deleted meanwhile, the question is asked anew."""
    before = small.ask()
    small.service.forget_results()
    again = small.ask()
    assert again.rows == before.rows
    assert again.execution_id != before.execution_id


# Time


def test_waits_grow(small: Deployed) -> None:
    """Looks become rarer, to one in five seconds."""
    small.service.looks = 8
    small.ask()
    assert small.clock.waits == [0.25, 0.5, 1, 2, 4, 5, 5, 5] * 2


def test_goes_on_where_it_stopped(small: Deployed) -> None:
    """A query that outlasts the time keeps running, and the next process gets its answer."""
    small.ask()
    small.request = "second"
    small.service.looks = 12
    small.clock.left = 8
    with pytest.raises(Unfinished, match=r"query \S+ is still running") as unfinished:
        small.ask()
    assert unfinished.value.exit_status == 3
    assert small.service.stopped == []
    assert small.clock.left > 0
    small.clock.left = 900
    running = re.search(r"query (\S+) is still", str(unfinished.value))
    small.ask()
    assert running
    assert small.service.executions[running[1]].result
    assert len(small.service.executions) == 4


def test_stopped_on_give_up(small: Deployed) -> None:
    """Whoever gives up stops what still runs, and nothing else, also in another process; nothing is started for it."""
    engine = small.engine()
    engine.ask(QUESTIONS[0], lambda *_: None)
    small.service.looks, small.clock.left = 99, 1
    with pytest.raises(Unfinished):
        engine.ask(QUESTIONS[1], lambda *_: None)
    left, started = tuple(engine.running), list(small.service.executions)
    small.engine().stop(left)
    engine.stop(left)
    assert list(left) == started[2:]
    assert small.service.stopped == [*left, *left]
    assert list(small.service.executions) == started
    assert not engine.running


# Failures


@pytest.mark.parametrize(
    ("ending", "error", "message"),
    [
        ({"AthenaError": {"ErrorCategory": 1}}, Unavailable, "run again"),
        ({"AthenaError": {"ErrorCategory": 2, "Retryable": True}}, Unavailable, "run again"),
        ({"StateChangeReason": "odd"}, Unavailable, "run again"),
        ({}, Unavailable, "no reason given"),
        (
            {"AthenaError": USER, "StateChangeReason": "HIVE_BAD_DATA: s3://b/k"},
            InvalidEvidence,
            "BAD_DATA.*--evidence",
        ),
        (
            {"StateChangeReason": "HIVE_CURSOR_ERROR: s3://b/k"},
            InvalidEvidence,
            "on a copy of 2026-05-02/2026-05-03",
        ),
        (
            {
                "AthenaError": {"ErrorCategory": 1, "Retryable": True},
                "StateChangeReason": "GENERIC_INTERNAL_ERROR: Document nesting depth (1001) exceeds the maximum",
            },
            InvalidEvidence,
            "nesting depth",
        ),
        (
            {"AthenaError": USER, "StateChangeReason": "INVALID_CAST_ARGUMENT: x"},
            InvalidEvidence,
            "shows which object",
        ),
        (
            {"AthenaError": USER, "StateChangeReason": "TABLE_NOT_FOUND: flat"},
            InvalidSettings,
            "check the database's tables",
        ),
        (
            {"StateChangeReason": "Insufficient permissions to execute"},
            InvalidSettings,
            "permissions to read",
        ),
        (
            {"State": "CANCELLED", "StateChangeReason": "Bytes scanned limit was exceeded"},
            InvalidSettings,
            "raise the workgroup's limit, or choose a shorter window",
        ),
        ({"State": "CANCELLED"}, Unavailable, "cancelled"),
    ],
)
def test_failures_are_told_apart(small: Deployed, ending: Any, error: type[Exception], message: str) -> None:
    """What will pass, what is wrong with the evidence and what with the settings are different errors of one line."""
    small.service.endings = [{"State": "FAILED", **ending}]
    with pytest.raises(error, match=message) as raised:
        small.ask()
    assert type(raised.value) is error
    (execution,) = small.service.executions
    assert execution in str(raised.value)


def test_too_much_before_the_window(tmp_path: Path) -> None:
    """Where the days before the window exceed the limit, a shorter window would not help: the oldest are to go."""
    before = DAY - timedelta(2)
    deliver(tmp_path, {flat(DAY): [detection(DAY)], flat(before): [detection(before)]})
    system = deployed(tmp_path)
    system.service.endings = [{"State": "CANCELLED", "StateChangeReason": "Bytes scanned limit was exceeded"}]
    with pytest.raises(InvalidSettings, match="remove the oldest partitions from the evidence"):
        system.engine().ask(HISTORY, lambda *_: None)


def test_unsound_rows_are_refused(tmp_path: Path) -> None:
    """Rows that break a rule are refused with how many there are, their days, and how to find them."""
    later = WINDOW.last
    deliver(
        tmp_path,
        {
            flat(DAY): [detection(DAY, status="odd"), detection(DAY, detection_id="fine")],
            flat(later): [
                detection(later, exchange_count=-1),
                detection(later, detection_id="e", detector=""),
            ],
        },
    )
    message = r"3 rows of 2026-05-02, 2026-05-03 break a rule of the layout \(query \S+\): `exhibit publish --evidence`"
    with pytest.raises(InvalidEvidence, match=message):
        deployed(tmp_path).ask()


def test_unsound_rows_before_the_window_are_refused(tmp_path: Path) -> None:
    """The question about the days before the window tells how many rows break a rule in them."""
    before = DAY - timedelta(2)
    deliver(tmp_path, {flat(DAY): [detection(DAY)], flat(before): [detection(before, confidence=2.0)]})
    with pytest.raises(InvalidEvidence, match="1 row read for 2026-04-28/2026-05-01 breaks a rule"):
        deployed(tmp_path).engine().ask(HISTORY, lambda *_: None)


def test_what_cannot_be_cast_is_refused(tmp_path: Path) -> None:
    """A value that does not parse fails the query, and the evidence is refused."""
    deliver(tmp_path, {flat(DAY, ".jsonl"): [detection(DAY, exchange_count="many")]})
    with pytest.raises(InvalidEvidence, match="many"):
        deployed(tmp_path).ask()


def test_parameters_need_their_quotes() -> None:
    """The service of these tests takes a bare day for what it is in SQL: no text."""
    service = AthenaService(DuckDBAthena(lambda: pytest.fail("not reached")))
    request: dict[str, Any] = {
        "QueryString": "select ?",
        "ExecutionParameters": ["2026-05-02"],
        "ClientRequestToken": "t" * 32,
    }
    request |= {"WorkGroup": "w", "QueryExecutionContext": {"Database": "d"}}
    started = service.answer("StartQueryExecution", request)
    with pytest.raises(Refused, match="Idempotent parameters"):
        service.answer("StartQueryExecution", {**request, "QueryString": "select 1"})
    assert json.dumps(started)

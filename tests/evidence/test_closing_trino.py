"""Days that are closed on a real Trino: the figures are DuckDB's, and what is known is not asked for again."""

import errno
import json
import random
import re
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from reports.cli import main
from reports.core.errors import InvalidEvidence
from reports.core.window import Window
from reports.evidence import closed_days, engine_duckdb, questions, source
from reports.evidence.closed_days import ClosedDays, DayCloser, Remembering
from reports.evidence.closing_trino import ClosingOnTrino
from reports.evidence.day_store import DayStore
from reports.evidence.engine_duckdb import DuckDBEngine
from reports.evidence.engine_tables import Answered, Tables
from reports.evidence.engine_trino import TrinoEngine
from reports.evidence.questions import Answer, Inquiry, Question
from reports.evidence.source import FolderEvidence
from reports.evidence.source_s3 import S3Evidence
from reports.evidence.tally import CannotClose
from tests.contracts.query_engine import (  # noqa: F401
    CHOICES,
    DAYS,
    EARLIEST,
    HISTORY,
    NEWEST,
    NOON,
    QUESTIONS,
    TALLIES,
    WINDOW,
    OpenEngine,
    detection,
    flat,
    ocsf,
    test_labels_are_normalized,
    test_sums_beyond_64_bits_are_refused,
    test_sums_that_are_not_shown_may_be_beyond_64_bits,
    test_the_latest_revision_wins_whole,
    test_values_are_plain,
)
from tests.support.evidence_files import Objects, deliver
from tests.support.fakes import AS_OF, Detection
from tests.support.publishing import GOLDEN
from tests.support.trino import Stack

pytestmark = pytest.mark.usefixtures("slow")

# What a file of text between Trino and DuckDB might lose
ODD = (
    'it\'s, "n"',
    "a,b",
    '"',
    '""',
    '"a',
    "\\",
    '\\"',
    "'",
    "a\\N",
    "null,",
    "nulls",
    "0",
    "1e3",
    "#",
    "{}",
    "😀",
    "",
)


@dataclass(frozen=True, slots=True)
class Noting(TrinoEngine):
    """An engine that keeps account of its statements: what for, and their text."""

    asked: list[tuple[str, str]] = field(default_factory=list)
    before: list[Callable[[], object]] = field(default_factory=list)

    def _started(self, asked: str, sql: str, parameters: Sequence[str], *rest: Any) -> Answered:
        self.asked.append((asked, sql))
        return TrinoEngine._started(self, asked, sql, parameters, *rest)

    def stream(self, question: Question, *rest: Any) -> str:
        while self.before:
            self.before.pop()()
        return TrinoEngine.stream(self, question, *rest)


@dataclass
class Desk:
    """Evidence in a folder and in a bucket that the tables of a schema show, and what is kept of it."""

    stack: Stack
    evidence: Path
    kept: Path
    asked: list[tuple[str, str]] = field(default_factory=list)
    before: list[Callable[[], object]] = field(default_factory=list)
    bucket: str = ""

    def __post_init__(self) -> None:
        self.bucket = self.stack.tables(self.stack.delivered(self.evidence))
        self.kept.mkdir(mode=0o700)

    def engine(self) -> tuple[Noting, ClosedDays]:
        source = S3Evidence(self.stack.s3, self.bucket)
        over = Tables.over(source)
        engine = Noting(lambda: self.stack.connect(self.bucket), "trino", over, self.asked, self.before)
        closer = DayCloser(Remembering(source, DayStore(self.kept), 0), ClosingOnTrino(engine, over))
        return engine, ClosedDays(engine, closer)

    def ask(self, question: Question = TALLIES) -> Answer:
        """As a run of its own; `asked` is then what Trino was asked."""
        self.asked.clear()
        return self.engine()[1].ask(question, lambda *_: None)

    def read(self, question: Question = TALLIES) -> Answer:
        return DuckDBEngine(FolderEvidence(self.evidence)).ask(question, lambda *_: None)

    @property
    def counted(self) -> list[str]:
        """The statements that count detections."""
        return [what for what, _ in self.asked if ", objects of" not in what]

    def deliver(self, objects: Objects) -> None:
        """More objects, or others."""
        deliver(self.evidence, objects)
        for name in objects:
            self.stack.s3.upload_file(str(self.evidence / name), self.bucket, name)


@pytest.fixture
def open_engine(trino: Stack, tmp_path_factory: pytest.TempPathFactory) -> OpenEngine:
    """An engine that closes days and answers."""
    return lambda folder: Desk(trino, folder, tmp_path_factory.mktemp("desk") / "kept").engine()[1]


@pytest.fixture
def desk(trino: Stack, tmp_path: Path) -> Desk:
    """Two detections on a day long before the window, and on each day of it."""
    days = [EARLIEST, *WINDOW.days]
    objects = {flat(day): [detection(day), detection(day, detection_id="other")] for day in days}
    return Desk(trino, deliver(tmp_path / "evidence", objects), tmp_path / "kept")


def test_what_is_closed_is_not_asked_for_again(desk: Desk) -> None:
    """The figures are DuckDB's; what counted the days is told, then as later."""
    for question in (TALLIES, HISTORY):
        answer = desk.ask(question)
        assert answer == desk.read(question)
        assert desk.counted == ["question tallies"]
        assert [each.partition(" ")[0] for each in answer.counted_by] == ["trino"]
    for question in QUESTIONS:
        answer = desk.ask(question)
        assert answer == desk.read(question)
        assert [each.partition(" ")[0] for each in answer.counted_by] == ["trino"]
        assert desk.asked == []


def test_only_a_day_whose_objects_change_is_asked_for_again(desk: Desk) -> None:
    desk.ask()
    day, other = WINDOW.days
    desk.deliver({flat(day, part=1): [detection(day, detection_id="more")]})
    assert desk.ask() == desk.read()
    assert desk.counted == ["question tallies"]
    desk.deliver({flat(other, part=1): [detection(other, detection_id="more")]})
    assert desk.ask() == desk.read()
    assert desk.ask() == desk.read()
    assert desk.asked == []


def test_nothing_is_written_on_trino(desk: Desk) -> None:
    desk.ask()
    assert len(desk.asked) > 1
    assert all(re.match(r"with .*\bselect\b", sql.lower(), re.DOTALL) for _, sql in desk.asked)


def test_days_are_asked_for_in_batches(trino: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many at once as their bytes allow, and none of those between that need not be: here, one without objects."""
    objects = {flat(day): [detection(day)] for day in DAYS if day != DAYS[2]}
    desk = Desk(trino, deliver(tmp_path / "evidence", objects), tmp_path / "kept")
    question = Inquiry(Window(DAYS[0], DAYS[-1]), AS_OF).tallies(NEWEST)
    assert desk.ask(question) == desk.read(question)
    assert len(desk.counted) == 2
    for n, (bound, batches) in enumerate([(0, 8), (10**9, 2)]):
        monkeypatch.setattr(engine_duckdb, "BATCH_BYTES", bound)
        desk.kept = tmp_path / str(n)
        desk.kept.mkdir(mode=0o700)
        assert desk.ask(question) == desk.read(question)
        assert len(desk.counted) == batches
    desk.deliver({flat(day, part=1): [detection(day, detection_id="e")] for day in (DAYS[4], DAYS[6])})
    assert desk.ask(question) == desk.read(question)
    assert len(desk.counted) == 2  # the day between them is closed


def odd(chance: random.Random, suffix: str) -> Objects:
    """Detections with odd texts: many repeated and revised, withdrawn, without labels, some with very large sums."""
    found: dict[str, list[Detection]] = {}
    for number in range(chance.randint(5, 60)):
        day = chance.choice(DAYS)
        fields: dict[str, Any] = {name: chance.choice(values) for name, values in CHOICES.items()}
        for label in ("campaign_id", "capability", "detector_version", "network", "country"):
            fields[label] = chance.choice([*ODD, fields[label]])
        for label in ("account_id", "detector"):
            fields[label] = chance.choice([text for text in ODD if text])
        fields["detection_id"] = chance.choice([f"d-{chance.randrange(30)}", *filter(None, ODD)])
        fields["revised_at"] = NOON + timedelta(milliseconds=number)
        of = found.setdefault(flat(day, suffix, chance.randrange(3)), [])
        of.append(detection(day, **fields))
        if chance.random() < 0.1:
            of.append(of[-1])  # delivered twice
    large = {"exchange_count": 2**62, "output_tokens": 2**62, "detection_id": "large"}
    found.setdefault(flat(DAYS[4], suffix), []).append(detection(DAYS[4], **large))
    return found


def of_part(chance: random.Random) -> Question:
    """The tallies of some days, whose cells are then known."""
    first = chance.randrange(len(DAYS) - 1)
    return Inquiry(Window(DAYS[first], DAYS[chance.randrange(first, len(DAYS))]), AS_OF).tallies(NEWEST)


@pytest.mark.parametrize("seed", range(8))
def test_random_days_have_the_figures_of_duckdb(
    trino: Stack, tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one batch or many, some of them closed before, asked in any order, with a delivery between."""
    chance = random.Random(seed)  # noqa: S311 -- test data
    suffix = chance.choice([".parquet", ".jsonl", ".jsonl.gz"])
    desk = Desk(trino, deliver(tmp_path / "evidence", odd(chance, suffix)), tmp_path / "kept")
    monkeypatch.setattr(engine_duckdb, "BATCH_BYTES", chance.choice([0, 8000, 10**9]))
    whole = Inquiry(Window(DAYS[3], DAYS[8]), AS_OF, each_account=True).tallies(NEWEST)
    asked = [whole, questions.history(whole, DAYS[0]), of_part(chance), *QUESTIONS]
    chance.shuffle(asked)
    counted: set[str] = set()
    for question in asked:
        expected = desk.read(question)
        answer = desk.ask(question)
        assert answer == expected
        assert answer.counted_by or not expected.rows
        counted.update(answer.counted_by)
        if chance.random() < 0.3:
            day = chance.choice(DAYS)
            late = detection(
                day, detection_id=f"d-{chance.randrange(30)}", revised_at=NOON + timedelta(hours=1)
            )
            desk.deliver({flat(day, suffix, part=9): [late]})
    assert {each.partition(" ")[0] for each in counted} == {"trino"}


def refusal(ask: Callable[[], object]) -> str:
    with pytest.raises(InvalidEvidence) as told:
        ask()
    return re.sub(r"query \w+", "query", str(told.value))


DAY = WINDOW.first
REFUSED: Mapping[str, tuple[Objects, str]] = {
    "a tie": ({flat(DAY, part=1): [detection(DAY, exchange_count=2)]}, "differ"),
    "a row that breaks a rule": ({flat(DAY, part=1): [detection(DAY, confidence=2.0)]}, "breaks a rule"),
    "a row of another day": ({flat(DAY, part=1): [detection(WINDOW.last)]}, "breaks a rule"),
    "an id with a line feed": ({flat(DAY, part=1): [detection(DAY, account_id="a\nb")]}, "breaks a rule"),
    "an object before the table begins": (
        {flat(date(2026, 3, 31)): [detection(date(2026, 3, 31))]},
        "does not show it",
    ),
    "JSON beside Parquet": (
        {flat(DAY, ".jsonl", 1): [detection(DAY, detection_id="e")]},
        "a table reads one format",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_refused_is_told_as_by_the_whole_statement(desk: Desk, what: str) -> None:
    objects, said = REFUSED[what]
    question = Inquiry(Window(date(2026, 3, 31), WINDOW.last), AS_OF).tallies(NEWEST)
    assert desk.ask(question) == desk.read(question)
    desk.deliver(objects)
    told = refusal(lambda: desk.ask(question))
    assert said in told
    assert told == refusal(lambda: desk.engine()[0].ask(question, lambda *_: None))
    for name in objects:
        (desk.evidence / name).unlink()
        desk.stack.s3.delete_object(Bucket=desk.bucket, Key=name)
    assert desk.ask(question) == desk.read(question)


def test_what_comes_while_days_are_closed_is_not_kept(desk: Desk) -> None:
    """After the objects were looked at, and before they are counted: the cells would be those of other objects."""
    late = flat(DAY, part=1)
    desk.before.append(lambda: desk.deliver({late: [detection(DAY, detection_id="late")]}))
    assert desk.ask().rows == desk.read().rows
    assert desk.counted == ["question tallies", "question tallies"]  # the second is the whole statement
    assert desk.ask() == desk.read()
    assert desk.counted == ["question tallies"]


def test_what_is_written_to_while_days_are_closed_is_not_kept(desk: Desk) -> None:
    changed = {flat(DAY): [detection(DAY, detection_id="changed")]}
    desk.before.append(lambda: desk.deliver(changed))
    assert desk.ask().rows == desk.read().rows
    assert desk.ask() == desk.read()
    assert desk.counted == ["question tallies"]


@pytest.mark.parametrize(
    "beside", [{}, {flat(DAY): [detection(DAY)]}], ids=["alone", "beside the flat layout"]
)
def test_ocsf_is_asked_for_as_a_whole(trino: Stack, tmp_path: Path, beside: Objects) -> None:
    """Which days a finding reopens only an index of ids tells. Nothing is closed in vain."""
    objects = {ocsf(DAY): [detection(DAY, detection_id="o")], **beside}
    desk = Desk(trino, deliver(tmp_path / "evidence", objects), tmp_path / "kept")
    for _ in range(2):
        answer = desk.ask()
        assert (answer.rows, answer.engine, answer.counted_by) == (desk.read().rows, "trino", ())
        assert desk.counted == ["question tallies"]


@pytest.mark.parametrize("scenario", ["hostile", "naming"])
def test_a_briefing_is_the_same_over_days_that_trino_closed(
    trino: Stack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, scenario: str
) -> None:
    """`exhibit publish` closes days, and only the receipt tells. The second briefing asks Trino nothing."""
    schema = trino.tables(trino.delivered(GOLDEN / scenario))
    request = json.loads((GOLDEN / scenario / "expected.json").read_text())["request"]
    arguments = ["publish", "--quiet", "--evidence", f"s3://{schema}", "--keys", str(tmp_path / "keys")]
    for name, value in request.items():
        arguments += [f"--{name.replace('_', '-')}", value]
    for name, value in {**trino.environment, "XDG_CACHE_HOME": str(tmp_path / "cache")}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(closed_days, "MUCH", 0)
    asked: list[str] = []
    started = TrinoEngine._started

    def noting(engine: TrinoEngine, what: str, *rest: Any) -> Answered:
        asked.append(what)
        return started(engine, what, *rest)

    monkeypatch.setattr(TrinoEngine, "_started", noting)

    def published(out: str, *more: str) -> Any:
        asked.clear()
        assert main([*arguments, *more, "--out", str(tmp_path / out)]) == 0
        (receipt,) = (tmp_path / out).glob("*.receipt.json")
        return json.loads(receipt.read_text())

    url = f"trino://exhibit@127.0.0.1:{trino.port}/hive/{schema}"
    first = published("first", "--engine", url)
    assert "question tallies" in asked
    second = published("second", "--engine", url)
    assert asked == []
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    by_duckdb = published("duckdb")
    assert first["unsigned"] == second["unsigned"] == by_duckdb["unsigned"]
    for receipt, counted_by in ((first, "trino"), (second, "trino"), (by_duckdb, "duckdb")):
        assert {each["engine"] for each in receipt["answered"]} == {"duckdb"}
        assert {each["counted_by"].partition(" ")[0] for each in receipt["answered"]} == {counted_by}


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "full"), KeyboardInterrupt(), InvalidEvidence("tied")]
)
def test_a_query_does_not_run_on_for_rows_that_cannot_be_kept(trino: Stack, error: BaseException) -> None:
    """It would need its memory beside the whole statement, which is asked next."""
    over = Tables(None, None)  # type: ignore[arg-type] # neither is asked
    engine = TrinoEngine(lambda: trino.connect("default"), "trino", over)

    def taken(some: Iterator[Any]) -> None:
        next(some)
        raise error

    mark = uuid.uuid4().hex
    many = "select ? from unnest(sequence(1, 10000)), unnest(sequence(1, 10000))"
    with pytest.raises(type(error)):
        engine.stream(TALLIES, many, [mark], taken)
    told = "select state from system.runtime.queries where query like '%{}%' and query not like '%runtime%'"
    assert trino.execute(told.format(mark)) == [["FAILED"]]


def test_days_of_ocsf_are_not_closed_here() -> None:
    """Not even where DuckDB has made the index that tells which objects touch them."""
    located = source.locate(ocsf(DAY), 1)
    assert located is not None
    closing = ClosingOnTrino(None, None)  # type: ignore[arg-type] # neither is asked
    for act in (
        lambda: closing.close(TALLIES, {DAY: [located]}, lambda _: None, lambda *_: None),
        lambda: closing.index([located], [0], lambda _: None),
    ):
        with pytest.raises(CannotClose):
            act()

"""What every `QueryEngine` does: exact answers about evidence in either layout, any format and any order.

The fixture `open_engine` gives the engine for a folder of evidence. What the answers must be is computed here from the
same detections, by dictionaries and sets.
"""

import operator
import random
import tempfile
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reports import query
from reports.evidence import locate
from reports.query import Answer, QueryEngine, Question, Row
from reports.resolve import Window
from tests.delivery import Objects, deliver
from tests.fakes import COUNTED, Detection, rows_of

OpenEngine = Callable[[Path], QueryEngine]

WINDOW = Window(date(2026, 5, 2), date(2026, 5, 3))
EARLIEST = date(2026, 4, 28)
SETTLING_DAYS = 2
TALLIES = query.tallies(WINDOW, SETTLING_DAYS, each_account=True)
HISTORY = query.history(TALLIES, EARLIEST)
QUESTIONS = [TALLIES, query.tallies(WINDOW, SETTLING_DAYS), HISTORY]
SUFFIXES = (".parquet", ".jsonl", ".jsonl.gz", ".csv")


def asked(open_engine: OpenEngine, folder: Path, question: Question = QUESTIONS[0]) -> Answer:
    """The answer to a question about a folder."""
    return open_engine(folder).ask(question, lambda done, total: None)


def precedence(detection: Detection) -> tuple[Any, ...]:
    """The order among revisions of an id: the first wins. Values that are missing come last."""
    d = detection
    values = (d.status, -d.exchange_count, d.account_id, d.campaign_id, d.first_seen, d.last_seen)
    others = (
        d.output_tokens,
        d.capability,
        d.detector,
        d.detector_version,
        d.confidence,
        d.network,
        d.country,
        d.object,
    )
    return datetime.max - d.revised_at, *((value is None, value or 0) for value in (*values, *others))


def standings(objects: Objects, question: Question) -> dict[str, list[Detection]]:
    """What became of each delivered row whose activity is in the days that a question is about."""
    revisions: dict[tuple[object, str], list[Detection]] = defaultdict(list)
    for name, detections in objects.items():
        located = locate(name, 1)
        assert located is not None
        if located.day in question.delivered:
            within = located.day if located.layout == "flat" else "any day"
            for detection in detections:
                status = "resolved" if detection.status == "archived" else detection.status
                revisions[within, detection.detection_id].append(
                    replace(detection, status=status, delivered_in=name)
                )
    found: dict[str, list[Detection]] = {"tallied": [], "excluded": [], "superseded": []}
    for of_id in revisions.values():
        latest, *superseded = sorted(of_id, key=precedence)
        found["superseded"] += superseded
        found["tallied" if latest.status in COUNTED else "excluded"].append(latest)
    return {standing: [d for d in of if d.event_day in question.about] for standing, of in found.items()}


def expected(objects: Objects, question: Question) -> tuple[Row, ...]:
    """The rows that answer a question about some objects."""
    return query.ordered(rows_of(question, standings(objects, question)))


def of_any_object(rows: Sequence[Row]) -> list[Row]:
    """Rows without those that say what each object contributed."""
    return [row for row in rows if row.get("heading") != "object"]


def flat(day: date, suffix: str = ".parquet", part: int = 0) -> str:
    """The name of an object in the flat layout."""
    return f"detections/event_day={day}/part-{part}{suffix}"


def ocsf(day: date, suffix: str = ".parquet", part: int = 0, region: str = "eu-west-1") -> str:
    """The name of an object in OCSF's layout."""
    return f"ext/gateway/region={region}/accountId=111122223333/eventDay={day:%Y%m%d}/part-{part}{suffix}"


def detection(day: date, **fields: object) -> Detection:
    """A detection of one exchange in the morning of a day, seen by the evening."""
    morning = datetime(day.year, day.month, day.day, 8)
    values: dict[str, object] = {
        "detection_id": "d",
        "account_id": "a",
        "campaign_id": "C",
        "first_seen": morning,
        "last_seen": morning + timedelta(hours=1),
        "exchange_count": 1,
        "revised_at": morning + timedelta(hours=2),
    }
    return Detection(**values | fields)  # type: ignore[arg-type]


def total(answer: Answer, standing: str = "tallied") -> tuple[int, int]:
    """The detections and exchanges of a standing, over all campaigns."""
    found = [
        (row["detections"], row["exchanges"])
        for row in answer.rows
        if row["heading"] == "total" and row["all_campaigns"] and row["standing"] == standing
    ]
    return found[0] if found else (0, 0)


def days(answer: Answer) -> dict[date, int]:
    """The exchanges that count, by event day."""
    return {
        row["event_day"]: row["exchanges"]
        for row in answer.rows
        if row["heading"] == "day" and row["all_campaigns"] and row["standing"] == "tallied"
    }


# Few of everything, so that ids repeat, revisions tie and accounts meet under several headings
CHOICES: Mapping[str, Sequence[object]] = {
    "detection_id": ("d-1", "d-2", "d-3", "d-4", "d-5", "d-6", "d-7"),
    "account_id": ("a-1", "a-2", "ä–3", "a-4"),
    "campaign_id": ("C-1", "C-2", None),
    "exchange_count": (0, 1, 2, 10, 2**53 + 1),
    "confidence": (0.0, 0.49, 0.5, 0.69, 0.7, 0.89, 0.9, 1.0),
    "output_tokens": (None, None, 0, 7, 2**53 + 1),
    "capability": ("software_engineering", "vision", None),
    "detector": ("prompts", "timing"),
    "detector_version": ("1", "2", None),
    "network": ("n-1", 'it\'s, "n"\n2', None),
    "country": ("SG", "DE", None),
    "status": ("new", "in_progress", "resolved", "suppressed", "deleted"),
}
DAYS = [EARLIEST + timedelta(n) for n in range(9)]
NOON = datetime(2026, 5, 5, 12)


@st.composite
def detections(draw: st.DrawFn, event_days: Sequence[date], statuses: Sequence[str] = ()) -> Detection:
    """Any detection on one of some days."""
    day = draw(st.sampled_from(event_days))
    fields = {name: draw(st.sampled_from(values)) for name, values in CHOICES.items()}
    if statuses:
        fields["status"] = draw(st.sampled_from(statuses))
    hours = draw(st.sampled_from([0, 5, 23]))
    first_seen = datetime(day.year, day.month, day.day, hours, 59, 59, 999_000)
    seconds = draw(st.sampled_from([0, 1, 90_000]))
    revised_at = NOON + timedelta(milliseconds=draw(st.sampled_from([-1, 0, 0, 1])))
    fields |= {"last_seen": first_seen + timedelta(seconds=seconds), "revised_at": revised_at}
    return Detection(first_seen=first_seen, **fields)  # type: ignore[arg-type]


@st.composite
def flat_objects(draw: st.DrawFn) -> Objects:
    """Any objects in the flat layout."""
    objects: dict[str, list[Detection]] = defaultdict(list)
    for found in draw(st.lists(detections(DAYS), min_size=1, max_size=25)):
        objects[flat(found.event_day, draw(st.sampled_from(SUFFIXES)))].append(found)
    return objects


@st.composite
def ocsf_objects(draw: st.DrawFn) -> Objects:
    """Any objects in OCSF's layout, each finding delivered up to five days after its activity."""
    objects: dict[str, list[Detection]] = defaultdict(list)
    statuses = ("new", "in_progress", "resolved", "archived", "suppressed", "deleted")
    for found in draw(st.lists(detections(DAYS, statuses), min_size=1, max_size=20)):
        day = found.event_day + timedelta(draw(st.integers(0, 5)))
        suffix, region = draw(st.sampled_from(SUFFIXES)), draw(st.sampled_from(["eu-west-1", "us-east-2"]))
        objects[ocsf(day, suffix, region=region)].append(found)
    return objects


@settings(
    max_examples=10,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    objects=st.one_of(flat_objects(), ocsf_objects(), st.builds(operator.or_, flat_objects(), ocsf_objects()))
)
def test_whatever_is_delivered_is_counted_exactly(open_engine: OpenEngine, objects: Objects) -> None:
    """Every row of every answer is what dictionaries and sets come to, whatever the layouts and formats."""
    with tempfile.TemporaryDirectory() as folder:
        deliver(Path(folder), objects)
        for question in QUESTIONS:
            assert asked(open_engine, Path(folder), question).rows == expected(objects, question)


def many(count: int) -> list[Detection]:
    """Detections of the whole period, many of them revisions of one another."""
    chance = random.Random(2004)  # noqa: S311 -- test data
    found = []
    for _ in range(count):
        day = chance.choice(DAYS)
        fields = {name: chance.choice(values) for name, values in CHOICES.items()}
        fields |= {"detection_id": f"d-{chance.randrange(20)}", "account_id": f"a-{chance.randrange(9)}"}
        fields |= {"revised_at": NOON + timedelta(milliseconds=chance.randrange(3))}
        found.append(detection(day, **fields))
    return found


@pytest.mark.parametrize("suffixes", [(".parquet",), SUFFIXES])
def test_the_same_in_any_order(open_engine: OpenEngine, tmp_path: Path, suffixes: Sequence[str]) -> None:
    """The order of the rows and of the objects makes no difference, nor does which format they are in."""
    delivered = many(400)
    answers = []
    for seed in (1, 2):
        chance = random.Random(seed)  # noqa: S311 -- test data
        chance.shuffle(delivered)
        objects: dict[str, list[Detection]] = defaultdict(list)
        for found in delivered:
            objects[flat(found.event_day, chance.choice(suffixes), chance.randrange(3))].append(found)
        deliver(tmp_path / str(seed), objects)
        found_here = [asked(open_engine, tmp_path / str(seed), question).rows for question in QUESTIONS]
        assert found_here == [expected(objects, question) for question in QUESTIONS]
        answers.append([of_any_object(rows) for rows in found_here])
    assert answers[0] == answers[1]


@pytest.mark.parametrize("name", [flat, ocsf])
@pytest.mark.parametrize("order", [1, -1])
def test_ties_are_broken_by_what_rows_say(
    open_engine: OpenEngine, tmp_path: Path, name: Callable[[date], str], order: int
) -> None:
    """Of revisions of one instant the same one wins in any order, whichever value they differ in."""
    day = WINDOW.first
    tied = []
    for column, values in CHOICES.items():
        if column != "detection_id":
            fields = {other: choices[0] for other, choices in CHOICES.items()} | {"detection_id": column}
            tied += [detection(day, **fields | {column: value}) for value in values]
    objects = {name(day): tied[::order]}
    deliver(tmp_path, objects)
    assert asked(open_engine, tmp_path).rows == expected(objects, QUESTIONS[0])


def test_both_layouts_are_put_together(open_engine: OpenEngine, tmp_path: Path) -> None:
    """Where a folder holds both layouts their detections add up, accounts count once, and the statement names both."""
    day = WINDOW.first
    objects = {flat(day): [detection(day, detection_id="f")], ocsf(day): [detection(day, detection_id="o")]}
    deliver(tmp_path, objects)
    answer = asked(open_engine, tmp_path)
    assert answer.rows == expected(objects, QUESTIONS[0])
    assert total(answer) == (2, 2)
    assert {row["accounts"] for row in answer.rows if row["heading"] == "total"} == {1}
    assert ("from flat" in answer.sql, "from ocsf" in answer.sql) == (True, True)


@pytest.mark.parametrize(("name", "other"), [(flat, "from ocsf"), (ocsf, "from flat")])
def test_one_layout_is_asked_alone(
    open_engine: OpenEngine, tmp_path: Path, name: Callable[[date], str], other: str
) -> None:
    """The statement names no layout that the folder does not hold."""
    deliver(tmp_path, {name(WINDOW.first): [detection(WINDOW.first)]})
    assert other not in asked(open_engine, tmp_path).sql


def test_an_answer_can_be_asked_again(open_engine: OpenEngine, tmp_path: Path) -> None:
    """An answer holds its question, one parameter for each mark of the statement, and its engine."""
    deliver(tmp_path, {flat(WINDOW.first): [detection(WINDOW.first)]})
    for question in QUESTIONS:
        answer = asked(open_engine, tmp_path, question)
        assert answer.question == question.name
        assert answer.sql == query.statement(question.name, "flat")
        assert answer.parameters == question.parameters
        assert answer.sql.count("?") == len(answer.parameters)
        assert answer.engine
        assert answer.engine_version


def test_values_are_plain(open_engine: OpenEngine, tmp_path: Path) -> None:
    """Rows hold text, numbers, truth values, days and instants in UTC without a zone; sums are exact beyond 64 bits."""
    day = WINDOW.first
    large = {"exchange_count": 2**63 - 1, "output_tokens": 2**63 - 1}
    found = [detection(day, detection_id=str(n), **large) for n in range(3)]
    deliver(tmp_path, {flat(day): found, flat(EARLIEST): [detection(EARLIEST)]})
    for question in QUESTIONS:
        for row in asked(open_engine, tmp_path, question).rows:
            assert {type(value) for value in row.values()} <= {type(None), str, int, bool, date, datetime}
            assert {type(row[name]) for name in ("detections", "exchanges", "accounts")} == {int}
            assert {type(value) for name, value in row.items() if name.startswith("all_")} == {bool}
            assert {getattr(value, "tzinfo", None) for value in row.values()} == {None}
    assert total(asked(open_engine, tmp_path)) == (3, 3 * (2**63 - 1))


def test_the_latest_revision_wins_whole(open_engine: OpenEngine, tmp_path: Path) -> None:
    """Nothing of an earlier revision is left, not even where the latest names no campaign."""
    day = WINDOW.first
    later = detection(day).revised_at + timedelta(microseconds=1)
    revised = detection(day, campaign_id=None, exchange_count=5, revised_at=later)
    deliver(tmp_path, {flat(day, ".jsonl", 0): [revised], flat(day, ".parquet", 1): [detection(day)]})
    answer = asked(open_engine, tmp_path)
    assert total(answer) == (1, 5)
    assert total(answer, "superseded") == (1, 1)
    assert {row["campaign_id"] for row in answer.rows} == {None}


@pytest.mark.parametrize("status", ["suppressed", "deleted"])
@pytest.mark.parametrize("name", [flat, ocsf])
def test_what_is_withdrawn_does_not_count(
    open_engine: OpenEngine, tmp_path: Path, name: Callable[..., str], status: str
) -> None:
    """A detection that was suppressed or deleted does not count, nor does anything that it revises."""
    day = WINDOW.first
    withdrawn = detection(day, status=status, revised_at=detection(day).revised_at + timedelta(hours=1))
    other = detection(day, detection_id="other", exchange_count=7)
    deliver(tmp_path, {name(day, ".jsonl"): [withdrawn], name(day, ".parquet"): [detection(day), other]})
    answer = asked(open_engine, tmp_path)
    assert total(answer) == (1, 7)
    assert total(answer, "excluded") == (1, 1)


def test_a_withdrawal_can_be_taken_back(open_engine: OpenEngine, tmp_path: Path) -> None:
    """A revision after a suppression counts again."""
    day = WINDOW.first
    first = detection(day).revised_at
    deliver(
        tmp_path,
        {
            flat(day): [
                detection(day, status="suppressed", revised_at=first + timedelta(hours=1)),
                detection(day, status="resolved", revised_at=first + timedelta(hours=2), exchange_count=3),
                detection(day),
            ]
        },
    )
    assert total(asked(open_engine, tmp_path)) == (1, 3)


def test_a_partition_is_the_event_day(open_engine: OpenEngine, tmp_path: Path) -> None:
    """In the flat layout a row counts on its partition's day, and the same id on another day is another detection."""
    moved = detection(WINDOW.first, first_seen=datetime(2026, 5, 1, 23))
    deliver(
        tmp_path, {flat(WINDOW.first): [moved], flat(WINDOW.last): [detection(WINDOW.last, exchange_count=2)]}
    )
    assert days(asked(open_engine, tmp_path)) == {WINDOW.first: 1, WINDOW.last: 2}


def test_days_outside_the_window_do_not_count(open_engine: OpenEngine, tmp_path: Path) -> None:
    """The days before and after the window are left out, and so is a folder's whole evidence if all is outside."""
    outside = {flat(day): [detection(day)] for day in DAYS if day not in WINDOW}
    deliver(tmp_path, outside)
    assert asked(open_engine, tmp_path).rows == ()


@pytest.mark.parametrize(("late", "exchanges"), [(0, 9), (SETTLING_DAYS, 9), (SETTLING_DAYS + 1, 1)])
def test_late_updates_count_until_they_settle(
    open_engine: OpenEngine, tmp_path: Path, late: int, exchanges: int
) -> None:
    """In OCSF an update counts on the day of its activity, if its partition is within the settling days."""
    day = WINDOW.first
    update = detection(day, exchange_count=9, revised_at=NOON)
    delivered = {
        ocsf(day, ".jsonl"): [detection(day)],
        ocsf(WINDOW.last + timedelta(late), ".parquet"): [update],
    }
    deliver(tmp_path, delivered)
    assert days(asked(open_engine, tmp_path)) == {day: exchanges}


def test_archived_findings_count(open_engine: OpenEngine, tmp_path: Path) -> None:
    """A finding that was archived was not withdrawn."""
    day = WINDOW.first
    deliver(tmp_path, {ocsf(day): [detection(day), detection(day, status="archived", revised_at=NOON)]})
    assert total(asked(open_engine, tmp_path)) == (1, 1)


@pytest.mark.parametrize(
    ("before", "after"), [(WINDOW.last, WINDOW.last + timedelta(1)), (WINDOW.first, EARLIEST)]
)
def test_activity_can_move_out_of_the_window(
    open_engine: OpenEngine, tmp_path: Path, before: date, after: date
) -> None:
    """A revision that dates the activity outside the window takes the finding out of it."""
    moved = detection(after, exchange_count=9, revised_at=NOON)
    deliver(tmp_path, {ocsf(WINDOW.last): [detection(before)], ocsf(WINDOW.last + timedelta(1)): [moved]})
    answer = asked(open_engine, tmp_path)
    assert days(answer) == {}
    assert total(answer, "superseded") == (1, 1)


@pytest.mark.parametrize("before", [EARLIEST, WINDOW.last + timedelta(1)])
def test_activity_can_move_into_the_window(open_engine: OpenEngine, tmp_path: Path, before: date) -> None:
    """A revision that dates the activity inside the window brings the finding into it."""
    moved = detection(WINDOW.last, exchange_count=9, revised_at=NOON)
    partition = max(before, WINDOW.first)
    deliver(
        tmp_path, {ocsf(partition): [detection(before)], ocsf(WINDOW.last + timedelta(2), ".jsonl"): [moved]}
    )
    answer = asked(open_engine, tmp_path)
    assert days(answer) == {WINDOW.last: 9}
    assert total(answer, "superseded") == (0, 0)


def test_history_splits_at_the_preceding_window(open_engine: OpenEngine, tmp_path: Path) -> None:
    """Before the window there are all days, of which as many as the window has are the preceding ones."""
    deliver(tmp_path, {flat(day): [detection(day, exchange_count=10**n)] for n, day in enumerate(DAYS)})
    rows = asked(open_engine, tmp_path, HISTORY).rows
    found = {(row["campaign_id"], row["all_days"], row["preceding"]): row["exchanges"] for row in rows}
    split = {(True, None): 1111, (False, True): 1100, (False, False): 11}
    assert found == {
        (campaign, *key): exchanges for campaign in ("C", None) for key, exchanges in split.items()
    }
    assert {row["accounts"] for row in rows} == {1}

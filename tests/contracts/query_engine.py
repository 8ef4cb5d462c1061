"""What every `QueryEngine` does: exact answers about evidence in either layout, any format and any order.

The fixture `open_engine` gives the engine for a folder of evidence, `formats` the formats that it reads beside one
another, by their suffixes. What the answers must be is computed here from the
same detections, by dictionaries and sets.
"""

import gzip
import operator
import random
import re
import tempfile
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reports.core.errors import InvalidEvidence
from reports.core.labels import HEADINGS, LABELS
from reports.core.window import Window
from reports.evidence import questions, tables
from reports.evidence.questions import Answer, Inquiry, QueryEngine, Question, Row
from reports.evidence.source import locate
from tests.support.evidence_files import Objects, deliver
from tests.support.fakes import AS_OF, COUNTED, Detection, rows_of

OpenEngine = Callable[[Path], QueryEngine]

WINDOW = Window(date(2026, 5, 2), date(2026, 5, 3))
EARLIEST = date(2026, 4, 28)
NEWEST = date(2026, 5, 11)
TALLIES = Inquiry(WINDOW, AS_OF, each_account=True).tallies(NEWEST)
HISTORY = questions.history(TALLIES, EARLIEST)
QUESTIONS = [TALLIES, Inquiry(WINDOW, AS_OF).tallies(NEWEST), HISTORY]
OVERLAP = questions.overlap(TALLIES, EARLIEST)
SUFFIXES = (".parquet", ".jsonl", ".jsonl.gz", ".csv")


def asked(open_engine: OpenEngine, folder: Path, question: Question = QUESTIONS[0]) -> Answer:
    """The answer to a question about a folder."""
    return open_engine(folder).ask(question, lambda done, total: None)


def in_formats(objects: Objects, formats: Sequence[str]) -> Objects:
    """Objects under other names, where an engine does not read their formats beside one another."""
    found: dict[str, Sequence[Detection]] = {}
    for number, (name, detections) in enumerate(objects.items()):
        suffix = next(each for each in sorted(SUFFIXES, key=len, reverse=True) if name.endswith(each))
        other = suffix if suffix in formats else formats[number % len(formats)]
        found[f"{name.removesuffix(suffix)}{'' if suffix in formats else f'-{number}'}{other}"] = detections
    return found


class Tied(Exception):
    """Two revisions of an id tie for the latest, and differ."""


def standings(objects: Objects, question: Question) -> dict[str, list[Detection]]:
    """What became of each delivered row whose activity is in the days that a question is about; raises `Tied`."""
    revisions: dict[tuple[object, ...], list[Detection]] = defaultdict(list)
    for name, detections in objects.items():
        located = locate(name, 1)
        assert located is not None
        if question.reads(located):
            within = (located.day,) if located.layout == "flat" else origin(name)
            for detection in detections:
                status = "resolved" if detection.status == "archived" else detection.status
                revisions[*within, detection.detection_id].append(
                    replace(detection, status=status, delivered_in=name)
                )
    found: dict[str, list[Detection]] = {"tallied": [], "excluded": [], "superseded": []}
    for of_id in revisions.values():
        latest, *superseded = sorted(of_id, key=lambda d: (datetime.max - d.revised_at, d.delivered_in))
        if any(
            d.revised_at == latest.revised_at
            and replace(d, delivered_in="") != replace(latest, delivered_in="")
            for d in superseded
        ):
            raise Tied
        found["superseded"] += superseded
        found["tallied" if latest.status in COUNTED else "excluded"].append(latest)
    return {standing: [d for d in of if d.event_day in question.about] for standing, of in found.items()}


def origin(name: str) -> tuple[str, str]:
    """The source and the account of an object of OCSF."""
    _, source, *_, account, _, _ = name.split("/")
    return source, account.casefold()


def expected(objects: Objects, question: Question) -> tuple[Row, ...]:
    """The rows that answer a question about some objects."""
    return questions.ordered(rows_of(question, standings(objects, question)))


def of_any_object(rows: Sequence[Row]) -> list[Row]:
    """Rows without those that say what each object contributed."""
    return [row for row in rows if row.get("heading") != "object"]


def flat(day: date, suffix: str = ".parquet", part: int = 0) -> str:
    """The name of an object in the flat layout."""
    return f"detections/event_day={day}/part-{part}{suffix}"


def ocsf(
    day: date,
    suffix: str = ".parquet",
    part: int = 0,
    region: str = "eu-west-1",
    origin: str = "gateway/111122223333",
) -> str:
    """The name of an object in OCSF's layout, of a source and an account."""
    source, account = origin.split("/")
    return f"ext/{source}/region={region}/accountId={account}/eventDay={day:%Y%m%d}/part-{part}{suffix}"


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


def statements(name: str) -> set[str]:
    """A question about the flat layout, over raw relations and over the tables of each format."""
    return {
        questions.statement(name, "flat"),
        *(tables.statement(name, format_, "flat") for format_ in tables.FORMATS),
    }


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
    "network": ("n-1", 'it\'s, "n"', None),
    "country": ("SG", "DE", None),
    "status": ("new", "in_progress", "resolved", "suppressed", "deleted"),
}
DAYS = [EARLIEST + timedelta(n) for n in range(9)]
NOON = datetime(2026, 5, 7, 12)


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
    revised_at = NOON + timedelta(milliseconds=draw(st.integers(-30, 30)))
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
    """Any objects in OCSF's layout, each finding delivered from two days before its activity to five days after it."""
    objects: dict[str, list[Detection]] = defaultdict(list)
    statuses = ("new", "in_progress", "resolved", "archived", "suppressed", "deleted")
    for found in draw(st.lists(detections(DAYS, statuses), min_size=1, max_size=20)):
        day = found.event_day + timedelta(draw(st.integers(-2, 5)))
        suffix, region = draw(st.sampled_from(SUFFIXES)), draw(st.sampled_from(["eu-west-1", "us-east-2"]))
        origin = draw(st.sampled_from(["gateway/111122223333", "gateway/444455556666", "proxy/111122223333"]))
        objects[ocsf(day, suffix, region=region, origin=origin)].append(found)
    return objects


@settings(
    max_examples=10,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    objects=st.one_of(flat_objects(), ocsf_objects(), st.builds(operator.or_, flat_objects(), ocsf_objects()))
)
def test_whatever_is_delivered_is_counted_exactly(
    open_engine: OpenEngine, formats: Sequence[str], objects: Objects
) -> None:
    """Every row of every answer is what dictionaries and sets come to, whatever the layouts and formats.

    Where revisions tie, there is no answer.
    """
    with tempfile.TemporaryDirectory() as folder:
        objects = in_formats(objects, formats)
        deliver(Path(folder), objects)
        for question in QUESTIONS:
            try:
                rows = expected(objects, question)
            except Tied:
                with pytest.raises(InvalidEvidence):
                    asked(open_engine, Path(folder), question)
            else:
                assert asked(open_engine, Path(folder), question).rows == rows


def many(count: int) -> list[Detection]:
    """Detections of the whole period, many of them revisions of one another."""
    chance = random.Random(2004)  # noqa: S311 -- test data
    found: list[Detection] = []
    for _ in range(count):
        day = chance.choice(DAYS)
        fields = {name: chance.choice(values) for name, values in CHOICES.items()}
        fields |= {"detection_id": f"d-{chance.randrange(20)}", "account_id": f"a-{chance.randrange(9)}"}
        fields |= {"revised_at": NOON + timedelta(milliseconds=len(found))}
        found.append(detection(day, **fields))
    return found


@pytest.mark.parametrize("suffixes", [(".parquet",), SUFFIXES])
def test_the_same_in_any_order(
    open_engine: OpenEngine, formats: Sequence[str], tmp_path: Path, suffixes: Sequence[str]
) -> None:
    """The order of the rows and of the objects makes no difference, nor does which format they are in."""
    delivered = many(400)
    answers = []
    for seed in (1, 2):
        chance = random.Random(seed)  # noqa: S311 -- test data
        chance.shuffle(delivered)
        objects: dict[str, list[Detection]] = defaultdict(list)
        for found in delivered:
            objects[flat(found.event_day, chance.choice(suffixes), chance.randrange(3))].append(found)
        named = in_formats(objects, formats)
        deliver(tmp_path / str(seed), named)
        found_here = [asked(open_engine, tmp_path / str(seed), question).rows for question in QUESTIONS]
        assert found_here == [expected(named, question) for question in QUESTIONS]
        answers.append([of_any_object(rows) for rows in found_here])
    assert answers[0] == answers[1]


@pytest.mark.parametrize("column", [name for name in CHOICES if name != "detection_id"])
@pytest.mark.parametrize(("name", "order"), [(flat, 1), (ocsf, -1)])
def test_a_tie_for_the_latest_is_refused(  # noqa: PLR0917
    open_engine: OpenEngine,
    formats: Sequence[str],
    tmp_path: Path,
    name: Callable[..., str],
    order: int,
    column: str,
) -> None:
    """Two revisions of one millisecond that differ in any column, in whatever order, and however many come before."""
    day, (one, *_, other) = WINDOW.first, CHOICES[column]
    tied = [detection(day, **{column: value}) for value in (one, other)][::order]
    before = detection(day, revised_at=tied[0].revised_at - timedelta(milliseconds=1))
    deliver(tmp_path, in_formats({name(day): [before, tied[0]], name(day, ".jsonl", 1): [tied[1]]}, formats))
    with pytest.raises(InvalidEvidence):
        asked(open_engine, tmp_path)


@pytest.mark.parametrize("name", [flat, ocsf])
def test_what_does_not_tie_for_the_latest_is_counted(
    open_engine: OpenEngine, formats: Sequence[str], tmp_path: Path, name: Callable[..., str]
) -> None:
    """The same row twice, in several objects, is no tie; nor are revisions that a later one supersedes."""
    day = WINDOW.first
    tied = [detection(day, exchange_count=count) for count in (1, 2)]
    latest = detection(day, exchange_count=5, revised_at=tied[0].revised_at + timedelta(milliseconds=1))
    objects = in_formats(
        {name(day): [*tied, latest], name(day, ".jsonl", 1): [latest], name(day, ".csv", 2): [latest]},
        formats,
    )
    deliver(tmp_path, objects)
    answer = asked(open_engine, tmp_path)
    assert answer.rows == expected(objects, TALLIES)
    assert total(answer) == (1, 5)


@pytest.mark.parametrize(("microseconds", "tied"), [(499, True), (500, False)])
def test_instants_are_rounded_before_they_are_compared(
    open_engine: OpenEngine, formats: Sequence[str], tmp_path: Path, microseconds: int, tied: bool
) -> None:
    """Half a millisecond later is a millisecond later, and less is no later."""
    day = WINDOW.first
    first = detection(day)
    later = detection(
        day, exchange_count=5, revised_at=first.revised_at + timedelta(microseconds=microseconds)
    )
    deliver(tmp_path, in_formats({flat(day, ".parquet"): [first], flat(day, ".jsonl"): [later]}, formats))
    if tied:
        with pytest.raises(InvalidEvidence):
            asked(open_engine, tmp_path)
    else:
        assert total(asked(open_engine, tmp_path)) == (1, 5)


@pytest.mark.parametrize("name", [flat, ocsf])
def test_labels_are_normalized(
    open_engine: OpenEngine, formats: Sequence[str], tmp_path: Path, name: Callable[..., str]
) -> None:
    """White space and byte order marks around ids and headings are left out, and NFD is NFC."""
    day = WINDOW.first
    plain = detection(day, **dict.fromkeys(LABELS, "e\u0301 x"))
    around = dict.fromkeys(LABELS, "\ufeff\u3000\xe9 x\t\u2028")
    later = detection(
        day, **around, exchange_count=5, revised_at=plain.revised_at + timedelta(milliseconds=1)
    )
    deliver(
        tmp_path,
        in_formats(
            {name(day): [plain], name(day, ".jsonl", 1): [later], name(day, ".csv", 2): [later]}, formats
        ),
    )
    answer = asked(open_engine, tmp_path)
    assert total(answer) == (1, 5)
    for column in (*HEADINGS, "campaign_id", "account_id"):
        assert {row[column] for row in answer.rows} == {None, "\xe9 x"}


NONE = ["a\x00b", "a\nb", "a\x85b", "a\u2028b", "nan", "NaN", "None", "null", "NULL", "<NA>", "\\N", " nan "]
ODD = ["NA", "Nan", "none", "nan1", "n/a", "-", "0", "a\u200cb", "\u200fa", "\U0001f600", "N"]


def in_each_column(texts: Sequence[str]) -> list[tuple[str, str]]:
    """Each label with a text, and each text in a label."""
    count = max(len(LABELS), len(texts))
    return [(LABELS[n % len(LABELS)], texts[n % len(texts)]) for n in range(count)]


@pytest.mark.parametrize(("column", "text"), in_each_column(NONE))
def test_labels_that_are_none_are_refused(
    open_engine: OpenEngine, formats: Sequence[str], tmp_path: Path, column: str, text: str
) -> None:
    """Control characters and line breaks, and what tools write for a value that is missing."""
    deliver(
        tmp_path,
        in_formats({flat(WINDOW.first, ".jsonl"): [detection(WINDOW.first, **{column: text})]}, formats),
    )
    with pytest.raises(InvalidEvidence):
        asked(open_engine, tmp_path)


@pytest.mark.parametrize(("column", "text"), in_each_column(ODD))
def test_labels_that_look_odd_are_counted(
    open_engine: OpenEngine, formats: Sequence[str], tmp_path: Path, column: str, text: str
) -> None:
    """Namibia is a country; joiners and marks of direction are part of names."""
    deliver(
        tmp_path,
        in_formats({flat(WINDOW.first, ".jsonl"): [detection(WINDOW.first, **{column: text})]}, formats),
    )
    assert total(asked(open_engine, tmp_path)) == (1, 1)


START = datetime(2026, 5, 2)
BEFORE, AFTER = timedelta(milliseconds=-1), timedelta(milliseconds=1)
HOURS_24, HOURS_48 = timedelta(hours=24), timedelta(hours=48)
NOON_THAT_DAY = datetime(2026, 5, 2, 12)
# Of the partition of 2 May: each on the edge of what is allowed, which the next millisecond crosses
EDGES: dict[str, tuple[dict[str, datetime], str, timedelta]] = {
    "begins with the day": ({"first_seen": START}, "first_seen", BEFORE),
    "ends with the day": (
        {"first_seen": START + HOURS_24, "last_seen": START + HOURS_24, "revised_at": START + HOURS_24},
        "first_seen",
        AFTER,
    ),
    "is revised a day before": ({"revised_at": NOON_THAT_DAY - HOURS_24}, "revised_at", BEFORE),
    "is revised two days after the request": (
        {"revised_at": AS_OF.replace(tzinfo=None) + HOURS_48},
        "revised_at",
        AFTER,
    ),
    "ends as it begins": ({"last_seen": NOON_THAT_DAY}, "last_seen", BEFORE),
    "ends two days after it was revised": (
        {"revised_at": NOON_THAT_DAY, "last_seen": NOON_THAT_DAY + HOURS_48},
        "last_seen",
        AFTER,
    ),
}


@pytest.mark.parametrize("edge", EDGES)
def test_instants_have_bounds(
    open_engine: OpenEngine, formats: Sequence[str], tmp_path: Path, edge: str
) -> None:
    """What lies on a bound is counted, and what lies a millisecond beyond it is refused."""
    fields, column, step = EDGES[edge]
    found = detection(START.date(), **{"first_seen": NOON_THAT_DAY, "last_seen": NOON_THAT_DAY, **fields})
    beyond = {column: getattr(found, column) + step}
    if column == "first_seen":
        beyond["last_seen"] = found.last_seen + AFTER
    deliver(tmp_path / "on", in_formats({flat(START.date()): [found]}, formats))
    deliver(tmp_path / "beyond", in_formats({flat(START.date()): [replace(found, **beyond)]}, formats))
    assert total(asked(open_engine, tmp_path / "on")) == (1, 1)
    with pytest.raises(InvalidEvidence):
        asked(open_engine, tmp_path / "beyond")


@pytest.mark.parametrize(
    ("ahead", "counted"),
    [
        (HOURS_24 * 3 + BEFORE, True),
        (HOURS_24 * 3, False),
        (-(START - datetime(2015, 1, 1)), True),
        (-(START - datetime(2015, 1, 1)) + BEFORE, False),
    ],
)
def test_findings_have_bounds(
    open_engine: OpenEngine, formats: Sequence[str], tmp_path: Path, ahead: timedelta, counted: bool
) -> None:
    """An activity begins in 2015 or later, and less than 48 hours after its partition's day is over.

    One that is refused is so whatever its day, also where it is not in the window.
    """
    began = START + ahead
    found = detection(START.date(), first_seen=began, last_seen=began, revised_at=began)
    deliver(
        tmp_path,
        in_formats({ocsf(START.date()): [found, detection(WINDOW.first, detection_id="other")]}, formats),
    )
    if counted:
        assert total(asked(open_engine, tmp_path)) == (1, 1)
    else:
        with pytest.raises(InvalidEvidence):
            asked(open_engine, tmp_path)


def test_a_finding_counts_on_the_day_of_its_activity(
    open_engine: OpenEngine, formats: Sequence[str], tmp_path: Path
) -> None:
    """Wherever it was delivered: two days before that day, or long after it."""
    first, last = WINDOW.first, WINDOW.last
    objects = in_formats(
        {
            ocsf(first - timedelta(2)): [detection(first, detection_id="early", exchange_count=3)],
            ocsf(NEWEST): [detection(last, detection_id="late", exchange_count=5)],
            ocsf(first): [detection(first - timedelta(1), detection_id="before")],
        },
        formats,
    )
    deliver(tmp_path, objects)
    assert days(asked(open_engine, tmp_path)) == {first: 3, last: 5}


def test_a_source_and_an_account_give_ids_of_their_own(
    open_engine: OpenEngine, formats: Sequence[str], tmp_path: Path
) -> None:
    """One id in two regions is one detection; in two accounts, or in two sources, it is two."""
    day, later = WINDOW.first, detection(WINDOW.first).revised_at + AFTER
    objects = in_formats(
        {
            ocsf(day): [detection(day)],
            ocsf(day, region="us-east-2"): [detection(day, exchange_count=5, revised_at=later)],
            ocsf(day, origin="gateway/444455556666"): [detection(day, exchange_count=10)],
            ocsf(day, origin="proxy/111122223333"): [detection(day, exchange_count=20)],
        },
        formats,
    )
    deliver(tmp_path, objects)
    assert total(asked(open_engine, tmp_path)) == (3, 35)


def test_an_id_in_both_layouts_is_found(
    open_engine: OpenEngine, formats: Sequence[str], tmp_path: Path
) -> None:
    """With an object of each, wherever it is among all that is read; where there is none, there is no row."""
    before, apart = EARLIEST, {"detection_id": "x"}
    objects = in_formats(
        {flat(WINDOW.first): [detection(WINDOW.first)], ocsf(before): [detection(before, **apart)]}, formats
    )
    deliver(tmp_path, objects)
    assert asked(open_engine, tmp_path, OVERLAP).rows == ()
    more = in_formats({ocsf(before, part=1): [detection(before, detection_id=" d\u3000")]}, formats)
    deliver(tmp_path, more)
    found = {"detection_id": "d", "flat_object": min(objects), "ocsf_object": min(more)}
    assert asked(open_engine, tmp_path, OVERLAP).rows == (found,)


def test_sums_beyond_64_bits_are_refused(
    open_engine: OpenEngine, formats: Sequence[str], tmp_path: Path
) -> None:
    """As Trino refuses them; one less is counted to the last digit."""
    day = WINDOW.first
    large = [detection(day, exchange_count=2**63 - 2), detection(day, detection_id="e")]
    deliver(tmp_path, in_formats({flat(day): large}, formats))
    assert total(asked(open_engine, tmp_path)) == (2, 2**63 - 1)
    deliver(tmp_path, in_formats({flat(day, part=1): [detection(day, detection_id="f")]}, formats))
    with pytest.raises(InvalidEvidence):
        asked(open_engine, tmp_path)


@pytest.mark.parametrize(
    ("question", "day", "column"),
    [(TALLIES, WINDOW.first, "output_tokens"), (HISTORY, EARLIEST, "exchange_count")],
    ids=["tokens", "exchanges"],
)
def test_sums_that_are_not_shown_may_be_beyond_64_bits(  # noqa: PLR0917
    open_engine: OpenEngine,
    formats: Sequence[str],
    tmp_path: Path,
    question: Question,
    day: date,
    column: str,
) -> None:
    """What is withdrawn or superseded is in no figure of these; with one more row that counts, it is."""
    large = {column: 2**63 - 1}
    hours = [detection(day).revised_at + timedelta(hours=n) for n in range(3)]
    delivered = [
        *(detection(day, detection_id=f"withdrawn-{n}", status="deleted", **large) for n in range(2)),
        *(detection(day, revised_at=hour, **large) for hour in hours[:2]),
        detection(day, revised_at=hours[2], **{column: 1}),
        detection(day, detection_id="other", **{column: 2**63 - 2}),
    ]
    objects = in_formats({flat(day): delivered}, formats)
    deliver(tmp_path, objects)
    assert asked(open_engine, tmp_path, question).rows == expected(objects, question)
    more = {flat(day, part=1): [detection(day, detection_id="more", **{column: 1})]}
    deliver(tmp_path, in_formats(more, formats))
    with pytest.raises(InvalidEvidence):
        asked(open_engine, tmp_path, question)


# What some readers take for white space; JSON has four such characters: space, tab, line feed and carriage return
ODD_WHITE = "\v\f\x1c\x85\xa0\u2028\u3000\ufeff"


@pytest.mark.parametrize(
    ("place", "suffix", "white", "refused"),
    [
        ("{0}{1}", ".jsonl", ODD_WHITE, True),
        ("{1}{0}", ".jsonl.gz", ODD_WHITE, True),
        ("{0}\n{1}", ".jsonl", ODD_WHITE, True),
        ("{1}{0}{1}\n{1}", ".jsonl", " \t\r", False),
    ],
    ids=["after", "before", "alone", "of JSON"],
)
def test_a_line_of_json_has_the_white_space_of_json_alone(  # noqa: PLR0917
    open_engine: OpenEngine,
    formats: Sequence[str],
    tmp_path: Path,
    place: str,
    suffix: str,
    white: str,
    refused: bool,
) -> None:
    """Any other is refused after a line, before it and as a line of its own, also where a reader skips it."""
    if suffix not in formats:
        pytest.skip("no JSON Lines")
    name, day = flat(WINDOW.first, suffix), WINDOW.first
    deliver(tmp_path, {name: [detection(day), detection(day, detection_id="other")]})
    path, opened = tmp_path / name, gzip.open if suffix.endswith(".gz") else open
    with opened(path, "rt", encoding="utf-8") as file:
        first, other = file.read().splitlines()
    for odd in white:
        with opened(path, "wt", encoding="utf-8", newline="") as file:
            file.write(f"{first}\n{place.format(other, odd)}\n")
        if refused:
            with pytest.raises(InvalidEvidence, match=re.escape(name)):
                asked(open_engine, tmp_path)
        else:
            assert total(asked(open_engine, tmp_path)) == (2, 2)


@pytest.mark.parametrize("packed", [".zst", ".bz2"])
def test_other_compressions_are_refused(
    open_engine: OpenEngine, formats: Sequence[str], tmp_path: Path, packed: str
) -> None:
    """By the name of the object, with what to do; under the name without that suffix it counts."""
    name = flat(WINDOW.first, formats[0])
    deliver(tmp_path, {name: [detection(WINDOW.first)]})
    assert total(asked(open_engine, tmp_path)) == (1, 1)
    (tmp_path / name).rename(tmp_path / f"{name}{packed}")
    with pytest.raises(InvalidEvidence, match=re.escape(f"{name}{packed}: {packed} is not") + ".*gzip"):
        asked(open_engine, tmp_path)


def test_both_layouts_are_put_together(
    open_engine: OpenEngine, formats: Sequence[str], tmp_path: Path
) -> None:
    """Where a folder holds both layouts their detections add up, accounts count once, and the statement names both."""
    day = WINDOW.first
    objects = in_formats(
        {flat(day): [detection(day, detection_id="f")], ocsf(day): [detection(day, detection_id="o")]},
        formats,
    )
    deliver(tmp_path, objects)
    answer = asked(open_engine, tmp_path)
    assert answer.rows == expected(objects, QUESTIONS[0])
    assert total(answer) == (2, 2)
    assert {row["accounts"] for row in answer.rows if row["heading"] == "total"} == {1}
    assert ("from flat" in answer.sql, "from ocsf" in answer.sql) == (True, True)


@pytest.mark.parametrize(("name", "other"), [(flat, "from ocsf"), (ocsf, "from flat")])
def test_one_layout_is_asked_alone(
    open_engine: OpenEngine, formats: Sequence[str], tmp_path: Path, name: Callable[[date], str], other: str
) -> None:
    """The statement names no layout that the folder does not hold."""
    deliver(tmp_path, in_formats({name(WINDOW.first): [detection(WINDOW.first)]}, formats))
    assert other not in asked(open_engine, tmp_path).sql


def test_an_answer_can_be_asked_again(
    open_engine: OpenEngine, formats: Sequence[str], tmp_path: Path
) -> None:
    """An answer holds its question, one parameter for each mark of the statement, and its engine."""
    deliver(tmp_path, in_formats({flat(WINDOW.first): [detection(WINDOW.first)]}, formats))
    for question in QUESTIONS:
        answer = asked(open_engine, tmp_path, question)
        assert answer.question == question.name
        assert answer.sql in statements(question.name)
        assert answer.parameters == question.parameters
        assert answer.sql.count("?") == len(answer.parameters)
        assert answer.engine
        assert answer.engine_version


def test_values_are_plain(open_engine: OpenEngine, formats: Sequence[str], tmp_path: Path) -> None:
    """Rows hold text, numbers, truth values, days and instants in UTC without a zone."""
    day = WINDOW.first
    found = [detection(day, detection_id=str(n), output_tokens=n) for n in range(3)]
    deliver(tmp_path, in_formats({flat(day): found, flat(EARLIEST): [detection(EARLIEST)]}, formats))
    for question in QUESTIONS:
        for row in asked(open_engine, tmp_path, question).rows:
            assert {type(value) for value in row.values()} <= {type(None), str, int, bool, date, datetime}
            assert {type(row[name]) for name in ("detections", "exchanges")} == {int}
            assert {type(value) for name, value in row.items() if name.startswith("all_")} == {bool}
            assert {getattr(value, "tzinfo", None) for value in row.values()} == {None}


def test_the_latest_revision_wins_whole(
    open_engine: OpenEngine, formats: Sequence[str], tmp_path: Path
) -> None:
    """Nothing of an earlier revision is left, not even where the latest names no campaign."""
    day = WINDOW.first
    later = detection(day).revised_at + timedelta(milliseconds=1)
    revised = detection(day, campaign_id=None, exchange_count=5, revised_at=later)
    deliver(
        tmp_path,
        in_formats({flat(day, ".jsonl", 0): [revised], flat(day, ".parquet", 1): [detection(day)]}, formats),
    )
    answer = asked(open_engine, tmp_path)
    assert total(answer) == (1, 5)
    assert total(answer, "superseded") == (1, 1)
    assert {row["campaign_id"] for row in answer.rows} == {None}


@pytest.mark.parametrize("status", ["suppressed", "deleted"])
@pytest.mark.parametrize("name", [flat, ocsf])
def test_what_is_withdrawn_does_not_count(
    open_engine: OpenEngine, formats: Sequence[str], tmp_path: Path, name: Callable[..., str], status: str
) -> None:
    """A detection that was suppressed or deleted does not count, nor does anything that it revises."""
    day = WINDOW.first
    withdrawn = detection(day, status=status, revised_at=detection(day).revised_at + timedelta(hours=1))
    other = detection(day, detection_id="other", exchange_count=7)
    deliver(
        tmp_path,
        in_formats(
            {name(day, ".jsonl"): [withdrawn], name(day, ".parquet"): [detection(day), other]}, formats
        ),
    )
    answer = asked(open_engine, tmp_path)
    assert total(answer) == (1, 7)
    assert total(answer, "excluded") == (1, 1)


def test_a_withdrawal_can_be_taken_back(
    open_engine: OpenEngine, formats: Sequence[str], tmp_path: Path
) -> None:
    """A revision after a suppression counts again."""
    day = WINDOW.first
    first = detection(day).revised_at
    deliver(
        tmp_path,
        in_formats(
            {
                flat(day): [
                    detection(day, status="suppressed", revised_at=first + timedelta(hours=1)),
                    detection(
                        day, status="resolved", revised_at=first + timedelta(hours=2), exchange_count=3
                    ),
                    detection(day),
                ]
            },
            formats,
        ),
    )
    assert total(asked(open_engine, tmp_path)) == (1, 3)


def test_a_partition_is_the_event_day(
    open_engine: OpenEngine, formats: Sequence[str], tmp_path: Path
) -> None:
    """In the flat layout a row counts on its partition's day, also if it began with the midnight that ends that day.

    The same id on another day is another detection.
    """
    midnight = datetime(2026, 5, 3)
    late = detection(WINDOW.first, first_seen=midnight, last_seen=midnight, revised_at=midnight)
    deliver(
        tmp_path,
        in_formats(
            {flat(WINDOW.first): [late], flat(WINDOW.last): [detection(WINDOW.last, exchange_count=2)]},
            formats,
        ),
    )
    assert days(asked(open_engine, tmp_path)) == {WINDOW.first: 1, WINDOW.last: 2}


def test_days_outside_the_window_do_not_count(
    open_engine: OpenEngine, formats: Sequence[str], tmp_path: Path
) -> None:
    """The days before and after the window are left out, and so is a folder's whole evidence if all is outside."""
    outside = {flat(day): [detection(day)] for day in DAYS if day not in WINDOW}
    deliver(tmp_path, in_formats(outside, formats))
    assert asked(open_engine, tmp_path).rows == ()


@pytest.mark.parametrize("late", [timedelta(0), NEWEST - WINDOW.last])
def test_late_updates_count(
    open_engine: OpenEngine, formats: Sequence[str], tmp_path: Path, late: timedelta
) -> None:
    """In OCSF an update counts on the day of its activity, however late its partition is."""
    day = WINDOW.first
    update = detection(day, exchange_count=9, revised_at=NOON)
    deliver(
        tmp_path,
        in_formats(
            {ocsf(day, ".jsonl"): [detection(day)], ocsf(WINDOW.last + late, ".parquet"): [update]}, formats
        ),
    )
    assert days(asked(open_engine, tmp_path)) == {day: 9}


def test_archived_findings_count(open_engine: OpenEngine, formats: Sequence[str], tmp_path: Path) -> None:
    """A finding that was archived was not withdrawn."""
    day = WINDOW.first
    deliver(
        tmp_path,
        in_formats(
            {ocsf(day): [detection(day), detection(day, status="archived", revised_at=NOON)]}, formats
        ),
    )
    assert total(asked(open_engine, tmp_path)) == (1, 1)


@pytest.mark.parametrize(
    ("before", "after"), [(WINDOW.last, WINDOW.last + timedelta(1)), (WINDOW.first, EARLIEST)]
)
def test_activity_can_move_out_of_the_window(
    open_engine: OpenEngine, formats: Sequence[str], tmp_path: Path, before: date, after: date
) -> None:
    """A revision that dates the activity outside the window takes the finding out of it."""
    moved = detection(after, exchange_count=9, revised_at=NOON)
    deliver(
        tmp_path,
        in_formats(
            {ocsf(WINDOW.last): [detection(before)], ocsf(WINDOW.last + timedelta(1)): [moved]}, formats
        ),
    )
    answer = asked(open_engine, tmp_path)
    assert days(answer) == {}
    assert total(answer, "superseded") == (1, 1)


@pytest.mark.parametrize("before", [EARLIEST, WINDOW.last + timedelta(1)])
def test_activity_can_move_into_the_window(
    open_engine: OpenEngine, formats: Sequence[str], tmp_path: Path, before: date
) -> None:
    """A revision that dates the activity inside the window brings the finding into it."""
    moved = detection(WINDOW.last, exchange_count=9, revised_at=NOON)
    partition = max(before, WINDOW.first)
    deliver(
        tmp_path,
        in_formats(
            {ocsf(partition): [detection(before)], ocsf(WINDOW.last + timedelta(2), ".jsonl"): [moved]},
            formats,
        ),
    )
    answer = asked(open_engine, tmp_path)
    assert days(answer) == {WINDOW.last: 9}
    assert total(answer, "superseded") == (0, 0)


def test_history_splits_at_the_preceding_window(
    open_engine: OpenEngine, formats: Sequence[str], tmp_path: Path
) -> None:
    """Before the window there are all days, of which as many as the window has are the preceding ones."""
    deliver(
        tmp_path,
        in_formats(
            {flat(day): [detection(day, exchange_count=10**n)] for n, day in enumerate(DAYS)}, formats
        ),
    )
    rows = asked(open_engine, tmp_path, HISTORY).rows
    found = {(row["campaign_id"], row["all_days"], row["preceding"]): row["exchanges"] for row in rows}
    split = {(True, None): 1111, (False, True): 1100, (False, False): 11}
    assert found == {
        (campaign, *key): exchanges for campaign in ("C", None) for key, exchanges in split.items()
    }
    assert {(row["preceding"], row["accounts"]) for row in rows} == {(None, None), (True, 1), (False, None)}

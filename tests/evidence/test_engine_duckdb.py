"""The questions, and DuckDB's way of answering them: the contract of every engine, and each format's peculiarities."""

import gzip
import hashlib
import json
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlglot
from sqlglot import exp

from reports.core.errors import InvalidEvidence
from reports.core.progress import Done
from reports.core.window import Window
from reports.evidence import engine_duckdb, questions, relations, tally, transpile
from reports.evidence.engine_duckdb import DuckDBEngine
from reports.evidence.questions import Answer, QueryEngine, Question
from reports.evidence.source import FolderEvidence, ListedObject
from reports.evidence.tally import Dictionaries
from tests.contracts.query_engine import *  # noqa: F403
from tests.contracts.query_engine import (
    DAYS,
    NEWEST,
    NOON,
    OVERLAP,
    QUESTIONS,
    SUFFIXES,
    WINDOW,
    asked,
    days,
    detection,
    expected,
    flat,
    many,
    ocsf,
    of_any_object,
    total,
)
from tests.support.evidence_files import FLAT, Record, deliver, finding, row, write
from tests.support.fakes import Detection

pytestmark = pytest.mark.usefixtures("slow")

DAY = WINDOW.first


@dataclass(frozen=True)
class OneStatement:
    """Answers with the whole statement at once over all that there is, as an engine does that takes no liberties."""

    folder: Path

    def ask(self, question: Question, progress: Done) -> Answer:
        listed = FolderEvidence(self.folder).list()
        layouts = sorted({o.layout for o in listed})
        sql = questions.statement(question.name, *layouts)
        with tempfile.TemporaryDirectory() as spill, relations.connection(self.folder, spill, "1GB") as con:
            try:
                relations.make_views(con, self.folder, listed)
                rows = questions.fetched(con.execute(transpile.transpiled(sql), question.parameters))
            except duckdb.InvalidInputException as error:
                raise InvalidEvidence(str(error)) from None
        if any(row.get("standing") in ("tied", "unsound") for row in rows):
            raise InvalidEvidence("a row is refused")
        questions.within_64_bits(rows)
        return Answer(question.name, sql, question.parameters, "duckdb", duckdb.__version__, None, rows)

    def stop(self, executions: Iterable[str]) -> None:
        """Nothing outlasts `ask`."""


def by_files(folder: Path) -> QueryEngine:
    return DuckDBEngine(FolderEvidence(folder))


@pytest.fixture
def a_batch_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole days are read one by one, and Parquet is grouped by places in dictionaries, however little there is."""
    monkeypatch.setattr(engine_duckdb, "BATCH_BYTES", 0)


@pytest.fixture
def ids_alike(a_batch_a_day: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many ids look alike until they are read."""
    monkeypatch.setattr(tally, "IDENTITY", f"({tally.IDENTITY} % 3)::uinteger")


@pytest.fixture(params=["together", "by the day", "ids alike", "one statement"])
def open_engine(request: pytest.FixtureRequest) -> Callable[[Path], QueryEngine]:
    if request.param in {"by the day", "ids alike"}:
        request.getfixturevalue({"by the day": "a_batch_a_day"}.get(request.param, "ids_alike"))
    return OneStatement if request.param == "one statement" else by_files


@pytest.fixture
def formats() -> Sequence[str]:
    return SUFFIXES


def answered(folder: Path, question: Question = QUESTIONS[0]) -> Answer:
    return asked(by_files, folder, question)


def same(folder: Path, detections: Sequence[Detection]) -> None:
    """The tallies are those that the detections come to, in the flat layout on a day."""
    assert of_any_object(answered(folder).rows) == of_any_object(
        expected({flat(DAY): detections}, QUESTIONS[0])
    )


# Questions


def test_parameters_follow_the_marks() -> None:
    """The parameters are the instant of the request, the days of delivery and of activity, and what else is needed."""
    tallies, together, history = QUESTIONS
    as_of, about = "2026-06-20 12:00:00.000", ("2026-05-02", "2026-05-03")
    assert tallies.parameters == (as_of, "2026-04-30", "2026-05-11", *about * 2, "true")
    assert together.parameters == (*tallies.parameters[:-1], "false")
    before = ("2026-04-28", "2026-05-01")
    assert history.parameters == (as_of, "2026-04-28", "2026-05-11", *before, "2026-04-30", *before)
    assert OVERLAP.parameters == ("2026-04-28", "2026-05-03", "2026-04-28", "2026-05-11")


def test_digests_are_of_the_text_and_the_rows() -> None:
    """Anyone who has the statement and the rows as JSON can compute their digests."""
    rows = ({"day": date(2026, 5, 2), "first_seen": NOON, "id": "ä", "exchanges": 2**65},)
    answer = Answer("tallies", "select 1", (), "duckdb", "2", None, rows)
    text = (
        '[{"day":"2026-05-02","first_seen":"2026-05-07 12:00:00","id":"ä","exchanges":36893488147419103232}]'
    )
    assert answer.sql_sha256 == hashlib.sha256(b"select 1").hexdigest()
    assert answer.result_sha256 == hashlib.sha256(text.encode()).hexdigest()


def test_order_does_not_depend_on_the_engine() -> None:
    """Rows are ordered by their values, column by column, with missing values last."""
    rows = [{"a": a, "b": b} for a in ("x", None, "w") for b in (10, 9, None)]
    in_order = [(row["a"], row["b"]) for row in questions.ordered(rows)]
    assert in_order == [(a, b) for a in ("w", "x", None) for b in (9, 10, None)]
    assert questions.ordered(reversed(rows)) == questions.ordered(rows)
    assert questions.ordered([]) == ()


def test_what_is_added_to_an_instant_is_small() -> None:
    """Trino adds no more than 32 bits can count: less than a day in milliseconds, and whole days."""
    view = sqlglot.parse_one(questions.text("views/ocsf.sql"), read="trino")
    added = {
        (node.args["unit"].name.upper(), type(node.expression.unnest()))
        for node in view.find_all(exp.DateAdd)
    }
    assert added == {("MILLISECOND", exp.Mod), ("DAY", exp.Div)}


def test_sql_files_lose_their_comments() -> None:
    """An apostrophe in one would open a quote for DuckDB, and change the spaces of the texts that follow."""
    parts = [transpile.mapped(layout, {}) for layout in ("flat", "ocsf")]
    parts += [transpile.latest(ranked) for ranked in (True, False)]
    parts += [transpile.normalized(), transpile.as_they_are(frozenset()), transpile.around("tallies.sql")]
    parts += [
        each.sql for name in ("tallies.cells.sql", "tallies.sql") for each in transpile.grouping_sets(name)
    ]
    assert not [part for part in parts if "--" in part or "/*" in part]


# Reading by the day


def places(folder: Path) -> Dictionaries:
    """The dictionaries that are made for a folder."""
    evidence = FolderEvidence(folder)
    with tempfile.TemporaryDirectory() as spill, relations.connection(folder, spill, "1GB") as con:
        return engine_duckdb._dictionaries(con, folder, evidence.list())


@pytest.mark.usefixtures("a_batch_a_day")
def test_dictionaries_are_used_for_parquet_alone(tmp_path: Path) -> None:
    """Headings of Parquet are grouped by their place in a dictionary, each of which holds its texts in order."""
    deliver(tmp_path / "parquet", {flat(day): many(60) for day in DAYS})
    found = places(tmp_path / "parquet")
    assert found.texts["campaign_id"] == ["C-1", "C-2"]
    assert found.texts["network"] == ['it\'s, "n"', "n-1"]
    assert found.hashed
    deliver(tmp_path / "mixed", {flat(DAY, suffix): many(6) for suffix in SUFFIXES})
    assert places(tmp_path / "mixed") == Dictionaries({}, False)


def test_little_is_grouped_by_text(tmp_path: Path) -> None:
    """Small evidence is read at once, without dictionaries."""
    deliver(tmp_path, {flat(day): [detection(day)] for day in DAYS})
    assert places(tmp_path) == Dictionaries({}, False)
    told: list[tuple[int, int]] = []
    by_files(tmp_path).ask(QUESTIONS[0], lambda done, total: told.append((done, total)))
    assert told == [(0, 1), (1, 1)]


@pytest.mark.usefixtures("a_batch_a_day")
def test_progress_counts_the_days(tmp_path: Path) -> None:
    """Whoever watches is told of each day that is read, and of the end."""
    deliver(tmp_path, {flat(day): [detection(day)] for day in DAYS})
    told: list[tuple[int, int]] = []
    by_files(tmp_path).ask(QUESTIONS[0], lambda done, total: told.append((done, total)))
    assert told == [(0, 2), (1, 2), (2, 2)]


SPACES = ["C\u00a01", "\u6df1\u3000\u5ea6", "C\u20091", "C\u200b1", "C\u200b", "C\u20601", "C\ufeff1", "C 1"]


@pytest.mark.usefixtures("a_batch_a_day")
@pytest.mark.parametrize("name", ["campaign_id", "capability", "detector", "network", "country"])
def test_spaces_within_labels_are_kept(tmp_path: Path, name: str) -> None:
    """A heading with any space in it is found in its dictionary, and none is taken for missing."""
    found = [detection(DAY, detection_id=f"d-{n}", **{name: text}) for n, text in enumerate(SPACES)]
    deliver(tmp_path, {flat(DAY): found})
    assert places(tmp_path).texts[name] == sorted(SPACES)
    same(tmp_path, found)


@pytest.mark.usefixtures("a_batch_a_day")
@pytest.mark.parametrize("blank", ["", " ", "\u3000", None])
def test_an_account_without_an_id_is_refused(tmp_path: Path, blank: str | None) -> None:
    """Also where accounts go by their hash, whatever else is there; the other rows alone are counted."""
    rows = [row(detection(DAY, detection_id=f"d-{n}")) for n in range(3)]
    write(tmp_path / "good" / flat(DAY), rows)
    assert places(tmp_path / "good").hashed
    assert total(answered(tmp_path / "good")) == (3, 3)
    write(tmp_path / "bad" / flat(DAY), [*rows[1:], rows[0] | {"account_id": blank}])
    with pytest.raises(InvalidEvidence, match=r"row 3 \(detection d-0\): account_id is empty"):
        answered(tmp_path / "bad")


@pytest.mark.usefixtures("a_batch_a_day")
def test_many_different_texts_are_grouped_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A heading with more texts than a dictionary is made for keeps them, and the answers are the same."""
    monkeypatch.setattr(tally, "LONGEST_DICTIONARY", 3)
    monkeypatch.setattr(tally, "MOST_ACCOUNTS", 3)
    numbers = [{"detection_id": f"d-{n}", "campaign_id": f"C-{n}", "account_id": f"a-{n}"} for n in range(9)]
    found = [detection(DAY, **ids, network=f"n-{n % 2}") for n, ids in enumerate(numbers)]
    deliver(tmp_path, {flat(DAY): found})
    assert set(places(tmp_path).texts) == {"detector", "network"}
    assert not places(tmp_path).hashed
    same(tmp_path, found)


@pytest.mark.usefixtures("a_batch_a_day")
def test_days_may_differ_in_their_columns(tmp_path: Path) -> None:
    """A day that lacks a nullable column, or has it in another type, adds up with those that have it."""
    found = many(90)
    objects = {flat(day): [d for d in found if d.event_day == day] for day in DAYS}
    bare = {"country": None, "network": None, "output_tokens": None}
    objects[flat(DAY)] = [replace(d, **bare, account_id="17") for d in objects[flat(DAY)]]  # type: ignore[arg-type]
    deliver(tmp_path, objects)
    records = [{k: v for k, v in row(d).items() if k not in bare} for d in objects[flat(DAY)]]
    write(tmp_path / flat(DAY), [record | {"account_id": 17} for record in records])
    for question in QUESTIONS:
        assert answered(tmp_path, question).rows == expected(objects, question)


# Parquet


PHYSICAL: dict[str, dict[str, pa.DataType]] = {
    "small integers": {"exchange_count": pa.int32(), "output_tokens": pa.uint16()},
    "unsigned integers": {"exchange_count": pa.uint64(), "output_tokens": pa.uint8()},
    "whole decimals": {"exchange_count": pa.decimal128(20, 0), "output_tokens": pa.decimal128(12, 2)},
    "whole doubles": {"exchange_count": pa.float64(), "output_tokens": pa.float64()},
    "numbers as text": {"exchange_count": pa.string(), "confidence": pa.string()},
    "single precision": {"confidence": pa.float32()},
    "decimal confidence": {"confidence": pa.decimal128(3, 2)},
    "large strings": dict.fromkeys(("detection_id", "account_id", "campaign_id"), pa.large_string()),
    "dictionaries": dict.fromkeys(
        ("account_id", "campaign_id", "status", "detector"), pa.dictionary(pa.int8(), pa.string())
    ),
    "bytes": {"detection_id": pa.binary(), "account_id": pa.binary()},
    "seconds": {"first_seen": pa.timestamp("s"), "last_seen": pa.timestamp("ms")},
    "nanoseconds": {"first_seen": pa.timestamp("ns"), "revised_at": pa.timestamp("ns")},
    "UTC": {"first_seen": pa.timestamp("us", "UTC"), "revised_at": pa.timestamp("ms", "UTC")},
    "zoned nanoseconds": {"first_seen": pa.timestamp("ns", "UTC"), "last_seen": pa.timestamp("ns", "UTC")},
    "elsewhere": {
        "first_seen": pa.timestamp("us", "Asia/Tokyo"),
        "last_seen": pa.timestamp("us", "Asia/Tokyo"),
    },
}


def schema(types: dict[str, pa.DataType]) -> pa.Schema:
    return pa.schema([(field.name, types.get(field.name, field.type)) for field in FLAT])


AS_IS: dict[pa.DataType, Callable[[Any], Any]] = {pa.string(): str, pa.binary(): str.encode}


def typed(record: Record, types: dict[str, pa.DataType]) -> Record:
    """A row whose values are as Arrow wants them for some types."""

    def value(name: str, value: Any) -> Any:
        type_ = types.get(name)
        if value is None or type_ is None:
            return value
        if pa.types.is_timestamp(type_) and type_.tz:
            return value.replace(tzinfo=UTC)
        as_is = AS_IS.get(type_, lambda v: v)
        return Decimal(str(value)) if pa.types.is_decimal(type_) else as_is(value)

    return {name: value(name, v) for name, v in record.items()}


def varied(count: int = 12) -> list[Detection]:
    """Detections of a day whose values fit into any type, some on the borders of the confidence bands."""
    return [
        detection(
            DAY,
            detection_id=f"d-{n % 9}",
            account_id=f"ä-{n % 4}",
            campaign_id=("C-1", "C-2", None)[n % 3],
            exchange_count=n,
            output_tokens=(None, 200, 0)[n % 3],
            confidence=(0.5, 0.7, 0.9, 1.0, 0.49)[n % 5],
            network=("n", None)[n % 2],
            revised_at=NOON + timedelta(milliseconds=n),
            first_seen=datetime(2026, 5, 2, 23, 59, 59),
            last_seen=datetime(2026, 5, 3, 0, 0, n),
        )
        for n in range(count)
    ]


@pytest.mark.parametrize("name", PHYSICAL)
def test_parquet_types_are_read_exactly(tmp_path: Path, name: str) -> None:
    """Whatever Parquet types the columns have, values are those that were written."""
    types, found = PHYSICAL[name], varied()
    write(tmp_path / flat(DAY), [typed(row(d), types) for d in found], schema(types))
    same(tmp_path, found)


def test_parquet_types_can_be_mixed(tmp_path: Path) -> None:
    """Objects of one partition may each have types of their own; an integer beside a double keeps its last digit."""
    found = []
    for n, types in enumerate(PHYSICAL.values()):
        some = [replace(d, detection_id=f"{n}-{d.detection_id}") for d in varied(5)]
        write(tmp_path / flat(DAY, part=n), [typed(row(d), types) for d in some], schema(types))
        found += some
    precise = detection(DAY, detection_id="precise", exchange_count=2**53 + 1)
    write(tmp_path / flat(DAY, part=99), [row(precise)])
    same(tmp_path, [*found, precise])


@pytest.mark.parametrize("zone", [None, "UTC", "Asia/Tokyo"])
@pytest.mark.parametrize(("nanoseconds", "milliseconds"), [(499_999, 0), (500_000, 1)])
def test_instants_are_rounded_half_up_to_milliseconds(
    tmp_path: Path, zone: str | None, nanoseconds: int, milliseconds: int
) -> None:
    """However fine they are."""
    found = detection(DAY)
    table = pa.Table.from_pylist([row(found)], FLAT)
    fine = pa.array(
        [int(found.last_seen.replace(tzinfo=UTC).timestamp()) * 10**9 + nanoseconds], pa.timestamp("ns", zone)
    )
    (tmp_path / flat(DAY)).parent.mkdir(parents=True)
    pq.write_table(
        table.set_column(FLAT.get_field_index("last_seen"), "last_seen", fine), tmp_path / flat(DAY)
    )
    same(tmp_path, [replace(found, last_seen=found.last_seen + timedelta(milliseconds=milliseconds))])


# Columns


def nullable(d: Detection) -> Detection:
    """A detection with nothing but what is required."""
    names = ("campaign_id", "output_tokens", "capability", "detector_version", "network", "country")
    return replace(d, **dict.fromkeys(names))  # type: ignore[arg-type]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_nullable_columns_can_be_left_out(tmp_path: Path, suffix: str) -> None:
    """An object without the nullable columns stands beside one that has them, in another order and with others."""
    bare = [nullable(d) for d in varied()]
    full = [replace(d, detection_id=f"full-{d.detection_id}") for d in varied()]
    required = [{k: v for k, v in row(d).items() if v is not None} for d in bare]
    write(tmp_path / flat(DAY, suffix, 1), required)
    reordered = [dict(reversed([*row(d).items(), ("note", "left alone")])) for d in full]
    write(tmp_path / flat(DAY, suffix, 2), reordered)
    same(tmp_path, [*bare, *full])


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("column", ["event_day", "campaign_id"])
def test_only_the_partition_gives_the_day(tmp_path: Path, suffix: str, column: str) -> None:
    """What looks like a partition above the evidence, a folder below a day, and a column of that name, say nothing."""
    root = tmp_path / f"{column}=1999-01-01" / "detections" / "event_day=1999-01-01"
    below = f"detections/event_day={DAY}/hour=08/part{suffix}"
    unwanted = {"event_day": "1999-01-01"} if column == "event_day" else {}
    write(root / below, [row(d) | unwanted for d in varied()])
    same(root, varied())


@pytest.mark.parametrize("suffix", [".jsonl", ".csv"])
def test_objects_without_a_byte_hold_nothing(tmp_path: Path, suffix: str) -> None:
    """An empty object of text is no error, alone or beside others."""
    (tmp_path / flat(DAY, suffix)).parent.mkdir(parents=True)
    (tmp_path / flat(DAY, suffix)).touch()
    assert answered(tmp_path).rows == ()
    write(tmp_path / flat(DAY, ".parquet"), [row(d) for d in varied()])
    same(tmp_path, varied())


@pytest.mark.parametrize("name", [flat, ocsf])
def test_objects_without_a_row_hold_nothing(tmp_path: Path, name: Callable[..., str]) -> None:
    """A Parquet object with columns and no row, and a CSV object with only a header, are no error."""
    record = row(detection(DAY)) if name is flat else finding(detection(DAY))
    write(tmp_path / name(DAY), [record])
    pq.write_table(pq.read_table(tmp_path / name(DAY), partitioning=None).slice(0, 0), tmp_path / name(DAY))
    (tmp_path / name(DAY, ".csv")).write_text(",".join(record) + "\n")
    assert answered(tmp_path).rows == ()


def test_names_are_taken_literally(tmp_path: Path) -> None:
    """A name with the characters of a pattern, a quotation mark or letters of any script means the one object."""
    names = ["[ab] *?.parquet", "a.parquet", "it's {1,2}.jsonl", "größe 東京.csv", "**.jsonl.gz", "b%20c.csv"]
    root = tmp_path / "[1] it's *"
    for n, name in enumerate(names):
        write(root / f"detections/event_day={DAY}" / name, [row(detection(DAY, detection_id=str(n)))])
    assert total(answered(root)) == (len(names), len(names))


def test_a_relative_folder_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder can be named from where one is."""
    deliver(tmp_path / "evidence", {flat(DAY, suffix): varied(1) for suffix in SUFFIXES})
    monkeypatch.chdir(tmp_path)
    assert total(answered(Path("evidence"))) == (1, 0)
    monkeypatch.chdir(tmp_path / "evidence")
    assert total(answered(Path("."))) == (1, 0)


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz", ".json", ".ndjson.gz", ""])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_lines_are_read_as_they_are_written_anywhere(tmp_path: Path, suffix: str, end: bytes) -> None:
    """A byte order mark, any line end, and brackets, commas and NaN that are text."""
    found = [replace(d, network="a,] NaN", detector=": NaN, }") for d in varied()]
    write(tmp_path / flat(DAY, ".jsonl"), [row(d) for d in found])
    path = (tmp_path / flat(DAY, ".jsonl")).rename(tmp_path / flat(DAY, suffix))
    content = b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", end)
    path.write_bytes(gzip.compress(content) if suffix.endswith(".gz") else content)
    same(tmp_path, found)


@pytest.mark.parametrize("after", [1, 3, 4, 16, 70_000])
@pytest.mark.parametrize("members", [1, 2])
def test_gzip_may_be_padded(tmp_path: Path, after: int, members: int) -> None:
    """Zeros after the last member, as tapes and blocks leave them, are nothing; more of it counts."""
    found = varied()
    write(tmp_path / flat(DAY, ".jsonl"), [row(d) for d in found])
    path = (tmp_path / flat(DAY, ".jsonl")).rename(tmp_path / flat(DAY, ".jsonl.gz"))
    content = path.read_bytes()
    half = content.index(b"\n") + 1
    parts = [content] if members == 1 else [content[:half], content[half:]]
    path.write_bytes(b"".join(map(gzip.compress, parts)) + bytes(after))
    same(tmp_path, found)
    path.write_bytes(gzip.compress(b"") + bytes(after))
    write(tmp_path / flat(DAY, ".jsonl", 1), [row(d) for d in found])
    same(tmp_path, found)


def test_what_is_wrong_in_such_a_line_is_named(tmp_path: Path) -> None:
    """With the line as editors count it."""
    path = tmp_path / flat(DAY, ".jsonl")
    write(path, [row(detection(DAY)), row(detection(DAY, detection_id="e", exchange_count=-1))])
    path.write_bytes(b"\xef\xbb\xbf\r" + path.read_bytes().replace(b"\n", b"\r"))
    with pytest.raises(InvalidEvidence, match=r"line 3 \(detection e\): exchange_count '-1' is below 0"):
        asked(lambda folder: DuckDBEngine(FolderEvidence(folder)), tmp_path)


# CSV


def test_csv_is_read_as_it_is_written_anywhere(tmp_path: Path) -> None:
    """Quotes, commas and line ends within cells, and a byte order mark, are understood."""
    odd = 'say "it", then rest'
    found = [replace(d, network=odd, detector="#1; 'x'") for d in varied()]
    write(tmp_path / flat(DAY, ".csv"), [row(d) | {"note": "one\r\nanother\n"} for d in found])
    path = tmp_path / flat(DAY, ".csv")
    assert b"\r\n" in path.read_bytes()
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    same(tmp_path, found)


def test_csv_with_plain_line_ends(tmp_path: Path) -> None:
    """Objects with other line ends, with every cell in quotes, or without a last line end, stand side by side."""
    found = [replace(d, detection_id=f"{n}-{d.detection_id}") for n in range(3) for d in varied(4)]
    for n in range(3):
        write(tmp_path / flat(DAY, ".csv", n), [row(d) for d in found[n * 4 : n * 4 + 4]])
    plain, quoted, open_ended = (tmp_path / flat(DAY, ".csv", n) for n in range(3))
    plain.write_bytes(plain.read_bytes().replace(b"\r\n", b"\n"))
    lines = quoted.read_text().splitlines()
    quoted.write_text("".join(",".join(f'"{cell}"' for cell in line.split(",")) + "\n" for line in lines))
    open_ended.write_bytes(open_ended.read_bytes().rstrip())
    same(tmp_path, found)


def test_csv_texts_are_not_guessed_at(tmp_path: Path) -> None:
    """Numbers, dates, truth values and spaces stay the text that they are; an empty cell is a missing value."""
    texts = ["007", "1e3", "2026-05-01", "true", "NA", "a b", "'a'", "a;b|c", "#a"]
    found = [detection(DAY, detection_id=t, account_id=t, campaign_id=t, network=t) for t in texts]
    write(tmp_path / flat(DAY, ".csv"), [row(d) for d in found])
    same(tmp_path, found)
    (tmp_path / flat(DAY, ".csv")).unlink()
    write(tmp_path / flat(DAY, ".csv", 1), [row(detection(DAY)) | {"campaign_id": "", "network": '""'}])
    assert {r["campaign_id"] for r in answered(tmp_path).rows} == {None}


# JSON Lines


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz", ".csv"])
def test_instants_are_utc_however_they_are_written(tmp_path: Path, suffix: str) -> None:
    """An instant without a zone is UTC, one with an offset is turned into UTC, and the day is UTC's."""
    east = timezone(timedelta(hours=9))
    found = detection(DAY, first_seen=datetime(2026, 5, 2, 1, 2, 3, 456000))
    written = [
        found.first_seen.isoformat(),
        str(found.first_seen),
        found.first_seen.isoformat() + "Z",
        found.first_seen.replace(tzinfo=UTC).astimezone(east).isoformat(),
        found.first_seen.replace(tzinfo=UTC).isoformat(),
    ]
    records = [row(found) | {"detection_id": str(n), "first_seen": text} for n, text in enumerate(written)]
    write(tmp_path / flat(DAY, suffix), records)
    same(tmp_path, [replace(found, detection_id=str(n)) for n in range(len(written))])


def test_json_numbers_are_exact(tmp_path: Path) -> None:
    """Large integers keep their digits; numeric ids are text; whole numbers may be written with a point or as text."""
    counts: list[Any] = [2**53 + 1, 2.0, "3", "4.0", " 5 "]
    record = row(detection(DAY)) | {"account_id": 2**64, "campaign_id": 12}
    write(
        tmp_path / flat(DAY, ".jsonl"),
        [record | {"detection_id": n, "exchange_count": count} for n, count in enumerate(counts)],
    )
    answer = answered(tmp_path)
    assert total(answer) == (5, 2**53 + 15)
    of_campaign = [r for r in answer.rows if not r["all_campaigns"]]
    assert {r["account_id"] for r in of_campaign if r["heading"] == "account"} == {str(2**64)}
    assert {r["campaign_id"] for r in of_campaign} == {"12"}


def test_json_is_read_as_text(tmp_path: Path) -> None:
    """Escapes are undone, keys that are not known are passed over, and lines may end either way or be blank."""
    found = [replace(d, account_id=f'"\\{chr(0x1F600)} {d.account_id}') for d in varied()]
    lines = [row(d) | {"extra": {"a": [1, None]}} for d in found]
    text = "\r\n".join(json.dumps(line, default=lambda v: v.isoformat()) for line in lines)
    (tmp_path / flat(DAY, ".jsonl")).parent.mkdir(parents=True)
    (tmp_path / flat(DAY, ".jsonl")).write_bytes(text.replace("\r\n", "\r\n\r\n", 1).encode())
    same(tmp_path, found)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_empty_text_is_a_missing_value(tmp_path: Path, suffix: str) -> None:
    """Where a value may be missing, an empty text is none."""
    write(tmp_path / flat(DAY, suffix), [row(d) | {"campaign_id": "", "country": ""} for d in varied()])
    same(tmp_path, [replace(d, campaign_id=None, country=None) for d in varied()])


# OCSF


def findings_same(folder: Path, detections: Sequence[Detection]) -> None:
    """The tallies are those that the detections come to, in OCSF's layout."""
    assert of_any_object(answered(folder).rows) == of_any_object(
        expected({ocsf(DAY): detections}, QUESTIONS[0])
    )


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    "other",
    [
        {"class_uid": 2002},
        {"class_uid": 2002, "count": None, "evidences": None, "finding_info": None},
        {"class_uid": 3002, "status_id": 99, "time": -1},
    ],
)
def test_other_classes_are_passed_over(tmp_path: Path, suffix: str, other: Record) -> None:
    """A finding of another class does not count, whatever it holds or lacks."""
    found = varied(6)
    passed = finding(detection(DAY, detection_id="other")) | other
    write(tmp_path / ocsf(DAY, suffix), [*map(finding, found), passed])
    findings_same(tmp_path, found)


@pytest.mark.parametrize("suffix", [".jsonl", ".csv"])
def test_other_classes_may_differ(tmp_path: Path, suffix: str) -> None:
    """What a finding of another class holds under our names need not even parse."""
    passed = finding(detection(DAY)) | {
        "class_uid": 2002,
        "count": "many",
        "start_time": "noon",
        "status_id": "-",
    }
    write(tmp_path / ocsf(DAY, suffix), [*map(finding, varied(6)), passed])
    findings_same(tmp_path, varied(6))


UNMAPPED: dict[str, Any] = {
    "map": pa.map_(pa.string(), pa.string()),
    "struct": pa.struct(
        [("output_tokens", pa.int64()), ("network", pa.string()), ("campaign_id", pa.string())]
    ),
    "some of a struct": pa.struct([("campaign_id", pa.string()), ("other", pa.int64())]),
    "none of a struct": pa.struct([("other", pa.int64())]),
    "text": pa.string(),
    "nothing": None,
}


@pytest.mark.parametrize("name", UNMAPPED)
def test_unmapped_fields_are_found(tmp_path: Path, name: str) -> None:
    """What OCSF has no place for is taken from a map, a structure or JSON in a text; what is not there is missing."""
    type_ = UNMAPPED[name]
    names = ("campaign_id", "output_tokens", "network", "country")
    held: tuple[str, ...]
    if name == "map":
        held = names
    elif name == "text":
        held = ("campaign_id", "network")
    else:
        held = tuple(field.name for field in type_ or () if field.name != "other")
    lost = dict.fromkeys(set(names) - set(held))
    found = [replace(d, **lost) for d in varied()]  # type: ignore[arg-type]
    records = []
    for d in found:
        given = {n: getattr(d, n) for n in held} | ({"other": 1} if "other" in str(type_) else {})
        if name == "map":
            given = {n: str(value) for n, value in given.items() if value is not None}
        records.append(finding(d) | {"unmapped": json.dumps(given) if name == "text" else given})
    fields = list(pa.Table.from_pylist([{**records[0], "unmapped": None}]).schema)
    types = pa.schema([f for f in fields if f.name != "unmapped"] + ([("unmapped", type_)] if type_ else []))
    write(tmp_path / ocsf(DAY), records, types)
    findings_same(tmp_path, found)


def without(record: Record, path: str) -> Record:
    """A record without one of its fields, of which some lie in others."""
    top, _, inner = path.partition(".")
    if not inner:
        return {name: value for name, value in record.items() if name != top}
    return record | {top: without(record[top], inner)}


MISSING = {
    "end_time": {},
    "finding_info.title": {},
    "finding_info.types": {"capability": None},
    "finding_info.analytic.version": {"detector_version": None},
    "finding_info.modified_time": {"revised_at": NOON},
    "unmapped": {"campaign_id": None, "output_tokens": None, "network": None, "country": None},
}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_structures_may_lack_fields(tmp_path: Path, suffix: str) -> None:
    """Objects whose structures lack fields that others have are read beside them."""
    found: list[Detection] = []
    for n, (path, lost) in enumerate(MISSING.items()):
        some = [replace(d, detection_id=f"{n}-{d.detection_id}", capability="vision") for d in varied(4)]
        records = [finding(d) | {"time": round(NOON.replace(tzinfo=UTC).timestamp() * 1000)} for d in some]
        write(tmp_path / ocsf(DAY, suffix, n), [without(record, path) for record in records])
        found += [replace(d, **lost) for d in some]  # type: ignore[arg-type]
    findings_same(tmp_path, found)


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl"])
def test_numeric_ids_are_text(tmp_path: Path, suffix: str) -> None:
    """Ids that were written as numbers are the text of those numbers, beside others that are text."""
    found = [
        replace(d, detection_id=f"1{d.detection_id[2:]}", account_id=f"1{d.account_id[2:]}") for d in varied()
    ]
    records = [finding(d) for d in found]
    for record in records[:6]:
        record["finding_info"]["uid"] = int(record["finding_info"]["uid"])
        record["evidences"][0]["actor"]["user"]["uid"] = int(record["evidences"][0]["actor"]["user"]["uid"])
    write(tmp_path / ocsf(DAY, suffix, 0), records[:6])
    write(tmp_path / ocsf(DAY, suffix, 1), records[6:])
    findings_same(tmp_path, found)


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_instants_may_be_timestamps(tmp_path: Path, unit: str) -> None:
    """Where Parquet has timestamps for OCSF's milliseconds, they are the same instants."""
    found = varied()
    table = pa.Table.from_pylist([finding(d) for d in found])
    for name in ("time", "start_time", "end_time"):
        column = table[name].cast(pa.timestamp("ms")).cast(pa.timestamp(unit))
        table = table.set_column(table.column_names.index(name), name, column)
    (tmp_path / ocsf(DAY)).parent.mkdir(parents=True)
    pq.write_table(table, tmp_path / ocsf(DAY))
    findings_same(tmp_path, found)


def test_only_the_first_account_and_type_are_taken(tmp_path: Path) -> None:
    """A finding with several pieces of evidence belongs to the account of the first."""
    record = finding(detection(DAY, capability="vision"))
    record["evidences"].append({"actor": {"user": {"uid": "another"}}})
    write(tmp_path / ocsf(DAY, ".jsonl"), [record])
    findings_same(tmp_path, [detection(DAY, capability="vision")])


def test_regions_and_accounts_are_folders(tmp_path: Path) -> None:
    """Findings of all regions, accounts and sources are read, however deep and in whatever case."""
    update = replace(detection(DAY), exchange_count=5, revised_at=NOON)
    names = [
        f"ext/gateway/region=eu-west-1/accountId=1/eventDay={DAY:%Y%m%d}/a.jsonl",
        f"ext/gateway/1.0/region=us-east-2/accountId=2/eventDay={DAY:%Y%m%d}/a.parquet",
        f"ext/gateway/REGION=us-east-2/accountid=1/eventday={DAY + timedelta(2):%Y%m%d}/hour=01/a.csv",
    ]
    other = detection(WINDOW.last, detection_id="other")
    deliver(tmp_path, dict(zip(names, [[detection(DAY)], [other], [update]], strict=True)))
    assert days(answered(tmp_path)) == {DAY: 5, WINDOW.last: 1}


def test_empty_findings_hold_nothing(tmp_path: Path) -> None:
    """An empty object of findings is no error."""
    (tmp_path / ocsf(DAY, ".jsonl")).parent.mkdir(parents=True)
    (tmp_path / ocsf(DAY, ".jsonl")).touch()
    assert answered(tmp_path).rows == ()


# What is read


@pytest.mark.parametrize("name", [flat, ocsf])
def test_other_partitions_are_not_opened(tmp_path: Path, name: Callable[..., str]) -> None:
    """Objects more than two days before the window, and after the last day that is asked for, are not looked into."""
    deliver(tmp_path, {name(DAY): varied()})
    for day in (DAY - timedelta(3), NEWEST + timedelta(1)):
        path = tmp_path / name(day)
        path.parent.mkdir(parents=True)
        path.write_bytes(b"not Parquet")
    assert total(answered(tmp_path))[0] > 0


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The temporary folder is as it was, also where a question fails."""
    spill = tmp_path / "temporary"
    spill.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(spill))
    deliver(tmp_path, {flat(DAY): varied()})
    answered(tmp_path)
    with pytest.raises(ZeroDivisionError):
        by_files(tmp_path).ask(QUESTIONS[0], lambda done, total: print(1 // 0))
    assert list(spill.iterdir()) == []


def test_only_the_folder_can_be_read(tmp_path: Path) -> None:
    """The database reads nothing outside the evidence, and lets nothing be set that would allow it."""
    (tmp_path / "evidence").mkdir()
    (tmp_path / "secret.csv").write_text("a\n1\n")
    with (
        tempfile.TemporaryDirectory() as spill,
        relations.connection(tmp_path / "evidence", spill, "1GB") as con,
    ):
        for attempt in (f"from read_csv('{tmp_path}/secret.csv')", "set enable_external_access = true"):
            with pytest.raises(duckdb.Error):
                con.execute(attempt)


def test_updates_of_the_flat_layout_stay_in_their_day() -> None:
    """For the flat layout a question reads the days that it is about, for OCSF those two days before to the newest."""
    wanted = {"flat": (WINDOW.first, WINDOW.last), "ocsf": (WINDOW.first - timedelta(2), NEWEST)}
    for layout, ends in wanted.items():
        read = [
            day
            for day in Window(DAYS[0], NEWEST + timedelta(9)).days
            if QUESTIONS[0].reads(ListedObject("", layout, day, "json", 1))  # type: ignore[arg-type]
        ]
        assert (min(read), max(read)) == ends


def test_the_engine_prints_nothing_of_its_own(tmp_path: Path) -> None:
    """DuckDB's progress bar, which long queries print to standard output even into a file, is off."""
    with relations.connection(tmp_path, str(tmp_path), "1GB") as con:
        assert con.execute("select current_setting('enable_progress_bar')").fetchone() == (False,)


def test_every_cursor_has_the_settings_of_its_connection(tmp_path: Path) -> None:
    """Days are written by several threads, each on a cursor of its own."""
    told = "select name, value from duckdb_settings() order by name"
    with relations.connection(tmp_path, str(tmp_path), "1GB") as con, con.cursor() as cursor:
        assert cursor.execute(told).fetchall() == con.execute(told).fetchall()


def test_tokens_beyond_64_bits_are_refused_though_no_row_adds_them_up(tmp_path: Path) -> None:
    """Of several campaigns together, as Trino adds them up."""
    large = [detection(DAY, detection_id=c, campaign_id=c, output_tokens=2**62) for c in ("C-1", "C-2")]
    deliver(tmp_path, {flat(DAY): large})
    with pytest.raises(InvalidEvidence, match="column output_tokens adds up to 9,223,372,036,854,775,808"):
        answered(tmp_path)

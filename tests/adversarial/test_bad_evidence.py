"""Evidence that is refused: each object, row and value that is wrong is told in one line, and nothing is published."""

import gzip
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reports.cli import main
from reports.core.errors import InvalidEvidence
from reports.core.window import Window
from reports.evidence.diagnose import explain
from reports.evidence.engine_duckdb import DuckDBEngine
from reports.evidence.questions import Inquiry
from reports.evidence.source import FolderEvidence
from tests.support import evidence_files
from tests.support.fakes import AS_OF, Detection
from tests.support.privileges import as_somebody_else

Records = list[dict[str, Any]]
Damage = Callable[[Path], object]

DAY = date(2026, 5, 1)
FLAT = "detections/event_day=2026-05-01"
OCSF = "ext/source/region=eu-west-1/accountId=111122223333/eventDay=20260501"
SUFFIXES = (".parquet", ".jsonl", ".jsonl.gz", ".csv")
LEFT_OUT = object()
QUESTION = Inquiry(Window(DAY, DAY), AS_OF).tallies(DAY)


def detection(identity: str) -> Detection:
    """A detection at noon."""
    noon = datetime(2026, 5, 1, 12)
    return Detection(identity, "account", "campaign", noon, noon, 5)


def rows(**changes: Any) -> Records:
    """Three rows of the flat layout, of which the second is changed."""
    delivered = [evidence_files.row(detection(f"d-{place}")) for place in (1, 2, 3)]
    return [delivered[0], changed(delivered[1], changes), delivered[2]]


def findings(**changes: Any) -> Records:
    """Three findings, of which the second is changed; `__` leads into a finding, and into a list at its start."""
    delivered = [evidence_files.finding(detection(f"d-{place}")) for place in (1, 2, 3)]
    return [delivered[0], changed(delivered[1], changes), delivered[2]]


def changed(record: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    for name, value in changes.items():
        *steps, last = name.split("__")
        inner: Any = record
        for step in steps:
            inner = inner[step][0] if isinstance(inner[step], list) else inner[step]
        inner[last] = value
        if value is LEFT_OUT:
            del inner[last]
    return record


def write(path: Path, records: Records) -> None:
    """Write records as they are; where one of a column is text, the column is text in Parquet."""
    schema = None
    if path.suffix == ".parquet" and "unmapped" not in records[0]:
        texts = {name for record in records for name, value in record.items() if isinstance(value, str)}
        records = [
            {
                name: str(value) if name in texts and value is not None else value
                for name, value in record.items()
            }
            for record in records
        ]
        schema = pa.Table.from_pylist(records).schema
    evidence_files.write(path, records, schema)


def ask(root: Path) -> int:
    """How many detections are counted."""
    answer = DuckDBEngine(FolderEvidence(root)).ask(QUESTION, lambda *_: None)
    return sum(row["detections"] for row in answer.rows if row["heading"] == "day" and row["all_campaigns"])


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A folder for temporary files, other than that of tests, in which none is left."""
    folder = tempfile.mkdtemp()
    os.chmod(folder, 0o777)  # noqa: S103 -- for tests that give up their privileges
    monkeypatch.setattr(tempfile, "tempdir", folder)
    yield
    os.rmdir(folder)


def refusal(root: Path) -> str:
    """The one line that evidence is refused with."""
    with pytest.raises(InvalidEvidence) as refused:
        ask(root)
    message = str(refused.value)
    assert "\n" not in message
    assert message.isprintable()
    return message


def raw_bytes(name: str, content: bytes) -> Damage:
    """Write bytes as an object."""

    def damage(root: Path) -> None:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    return damage


def cut(suffix: str, end: int) -> Damage:
    """Write an object of the flat layout and cut it short."""

    def damage(root: Path) -> None:
        path = root / FLAT / f"part{suffix}"
        write(path, rows())
        path.write_bytes(path.read_bytes()[:end])

    return damage


def swapped(content: bytes, place: int) -> bytes:
    """Bytes with another one in a place."""
    changed_ = bytearray(content)
    changed_[place] ^= 1
    return bytes(changed_)


LINE = json.dumps(evidence_files.row(detection("d")), default=str).encode() + b"\n"
HEADER = (
    b"detection_id,revised_at,status,account_id,first_seen,last_seen,exchange_count,detector,confidence\n"
)
ROW = b"d-1,2026-05-01T13:00:00Z,new,account,2026-05-01T12:00:00Z,2026-05-01T12:00:00Z,5,prompts,0.9\n"


@pytest.mark.parametrize(
    ("suffix", "column", "value", "saying"),
    [
        (".parquet", "exchange_count", "1.5", "'1.5' is not a whole number of 64 bits"),
        (".jsonl", "exchange_count", 1.5, "'1.5' is not a whole number of 64 bits"),
        (".csv", "exchange_count", "1e3x", "'1e3x' is not a whole number of 64 bits"),
        (".jsonl", "exchange_count", 2**63, "'9223372036854775808' is not a whole number of 64 bits"),
        (".jsonl.gz", "output_tokens", "1_000", "'1_000' is not a whole number of 64 bits"),
        (".jsonl", "exchange_count", True, "'true' is not a whole number of 64 bits"),
        (".parquet", "exchange_count", -1, "'-1' is below 0"),
        (".csv", "output_tokens", -2, "'-2' is below 0"),
        (".parquet", "confidence", "high", "'high' is not a number"),
        (".parquet", "confidence", float("nan"), "'nan' is not a number"),
        (".csv", "confidence", "nan", "'nan' is not a number"),
        (".jsonl", "confidence", True, "'true' is not a number"),
        (".parquet", "confidence", 1.25, "'1.25' is not between 0 and 1"),
        (".jsonl.gz", "confidence", -0.5, "'-0.5' is not between 0 and 1"),
        (".jsonl", "confidence", None, "is empty"),
        (".csv", "first_seen", "2026-13-01", "'2026-13-01' is not a date and time like 2026-05-01T12:00:00Z"),
        (
            ".csv",
            "first_seen",
            "2026-05-01T12:00+02:75",
            "'2026-05-01T12:00+02:75' is not a date and time like 2026-05-01T12:00:00Z",
        ),
        (
            ".jsonl",
            "last_seen",
            "2026-05-01T12:00+24",
            "'2026-05-01T12:00+24' is not a date and time like 2026-05-01T12:00:00Z",
        ),
        (
            ".parquet",
            "first_seen",
            "yesterday",
            "'yesterday' is not a date and time like 2026-05-01T12:00:00Z",
        ),
        (".jsonl", "revised_at", "infinity", "'infinity' is not a date and time like 2026-05-01T12:00:00Z"),
        (".parquet", "first_seen", None, "is empty"),
        (".csv", "first_seen", datetime(2014, 12, 31, 23, 59, 59), "'2014-12-31T23:59:59Z' is before 2015"),
        (
            ".parquet",
            "first_seen",
            datetime(2026, 4, 30, 23),
            "'2026-04-30 23:00:00' is not on 2026-05-01, the day of its partition",
        ),
        (
            ".parquet",
            "last_seen",
            datetime(9998, 12, 31),
            "'9998-12-31 00:00:00' is later than 48 hours after revised_at",
        ),
        (
            ".csv",
            "revised_at",
            datetime(2026, 4, 30, 11),
            "'2026-04-30T11:00:00Z' is earlier than 24 hours before first_seen",
        ),
        (
            ".jsonl",
            "revised_at",
            datetime(2062, 5, 1),
            "'2062-05-01T00:00:00Z' is later than 48 hours after 2026-06-20T12:00:00.000Z, "
            "the time of the request (--as-of)",
        ),
        (".jsonl", "account_id", "a\x00b", r"'a\x00b' holds a control character or a line break: remove it"),
        (".csv", "network", "NaN", "'NaN' is what tools write for a missing value: leave the value out"),
        (".jsonl", "country", True, "'true' is not text: write it as text"),
        (".jsonl", "capability", {"a": 1}, """'{"a":1}' is not text: write it as text"""),
        (
            ".jsonl",
            "campaign_id",
            1.5,
            "'1.5' is neither text nor a whole number that is exact: write it as text",
        ),
        (".jsonl", "account_id", "\u2003", "is empty"),
        (".jsonl", "last_seen", datetime(2026, 5, 1, 11), "'2026-05-01T11:00:00Z' is before first_seen"),
        (
            ".parquet",
            "status",
            "open",
            "'open' is not one of new, in_progress, resolved, suppressed, deleted",
        ),
        (".csv", "status", "", "is empty"),
        (".parquet", "account_id", None, "is empty"),
        (".jsonl", "detector", "", "is empty"),
    ],
)
def test_a_value_is_told_with_its_place(
    tmp_path: Path, suffix: str, column: str, value: object, saying: str
) -> None:
    """The object, the row or line, the detection, the column, the value and what it is not."""
    write(tmp_path / FLAT / f"part{suffix}", rows(**{column: value}))
    place = "line" if suffix.startswith(".jsonl") else "row"
    assert refusal(tmp_path) == (
        f"{FLAT}/part{suffix}: {place} 2 (detection d-2): {column} {saying}: correct it and deliver the object again"
    )


@pytest.mark.parametrize("column", ["exchange_count", "confidence", "first_seen"])
def test_a_column_of_booleans_is_neither_of_numbers_nor_of_instants(tmp_path: Path, column: str) -> None:
    """Though a cast would make 1 of true."""
    write(tmp_path / FLAT / "part.parquet", [{**row, column: True} for row in rows()])
    assert f"row 1 (detection d-1): {column} 'true' is not " in refusal(tmp_path)


def test_a_row_without_an_id(tmp_path: Path) -> None:
    """It is told by its place alone."""
    write(tmp_path / FLAT / "part.csv", rows(detection_id=""))
    assert "row 2: detection_id is empty:" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("suffix", "column"),
    [
        *((suffix, "exchange_count") for suffix in SUFFIXES),
        *((".jsonl", column) for column in ("detection_id", "status", "last_seen", "confidence")),
    ],
)
def test_a_required_column_is_missed(tmp_path: Path, suffix: str, column: str) -> None:
    """By its name and its object, in any format, though another object has it."""
    write(tmp_path / FLAT / f"a{suffix}", rows())
    write(
        tmp_path / FLAT / f"b{suffix}",
        [{name: row[name] for name in row if name != column} for row in rows()],
    )
    assert refusal(tmp_path).startswith(f"{FLAT}/b{suffix}: required column {column} is missing: ")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_converts_is_counted(tmp_path: Path, suffix: str) -> None:
    """A whole number with a point, spaces around it, instants with an offset or finer than a microsecond."""
    row = rows()[0] | {
        "exchange_count": "5.0",
        "output_tokens": " 7 ",
        "confidence": "9e-1",
        "first_seen": "2026-05-02T01:30:00.123456+02:00",
        "last_seen": "2026-05-01 23:30:00.123456789",
        "revised_at": "2026-05-02",
    }
    write(tmp_path / FLAT / f"part{suffix}", [row])
    assert ask(tmp_path) == 1


@pytest.mark.parametrize(
    ("suffix", "name", "value", "saying"),
    [
        (".parquet", "count", -1, "count '-1' is below 0"),
        (".csv", "count", None, "count is empty"),
        (".jsonl", "count", 1.5, "count '1.5' is not a whole number of 64 bits"),
        (".jsonl", "count", True, "count 'true' is not a whole number of 64 bits"),
        (".parquet", "unmapped__output_tokens", "-3", "unmapped.output_tokens '-3' is below 0"),
        (
            ".csv",
            "unmapped__output_tokens",
            "1.5",
            "unmapped.output_tokens '1.5' is not a whole number of 64 bits",
        ),
        (".jsonl", "status_id", 99, "status_id '99' is not one of 1, 2, 3, 4, 5, 6"),
        (".parquet", "status_id", None, "status_id is empty"),
        (".parquet", "class_uid", None, "class_uid is empty"),
        (".jsonl", "class_uid", LEFT_OUT, "class_uid is empty"),
        (".csv", "class_uid", "2004x", "class_uid '2004x' is not a whole number of 64 bits"),
        (".parquet", "confidence_score", 101, "confidence_score '101' is not between 0 and 100"),
        (".jsonl", "confidence_score", True, "confidence_score 'true' is not a whole number of 64 bits"),
        (".jsonl", "confidence_score", 0.95, "confidence_score '0.95' is not a whole number of 64 bits"),
        (
            ".jsonl",
            "start_time",
            1777636800,
            "start_time or finding_info.first_seen_time '1777636800' is before 2015: "
            "write milliseconds since 1970",
        ),
        (
            ".parquet",
            "start_time",
            1777636800000000,
            "start_time or finding_info.first_seen_time '1777636800000000' is later than 48 hours after 2026-05-01, "
            "the day of its partition",
        ),
        (
            ".csv",
            "finding_info__modified_time",
            0,
            "finding_info.modified_time or time '0' is earlier than 24 hours before start_time or "
            "finding_info.first_seen_time",
        ),
        (".parquet", "finding_info__analytic", None, "finding_info.analytic.name is empty"),
        (".jsonl", "evidences", [], "evidences[0].actor.user.uid is empty"),
        (".jsonl", "time", "noon", "time 'noon' is not a time in milliseconds since 1970"),
        (
            ".parquet",
            "start_time",
            10**18,
            "start_time or finding_info.first_seen_time '1000000000000000000' is later than 48 hours after 2026-05-01, "
            "the day of its partition",
        ),
        (
            ".parquet",
            "end_time",
            1,
            "end_time or finding_info.last_seen_time '1' is before start_time or finding_info.first_seen_time",
        ),
    ],
)
def test_a_finding_is_told_in_words_of_ocsf(
    tmp_path: Path, suffix: str, name: str, value: object, saying: str
) -> None:
    """Fields are called by their names in OCSF, in any format."""
    write(tmp_path / OCSF / f"part{suffix}", findings(**{name: value}))
    place = "line" if suffix == ".jsonl" else "row"
    assert refusal(tmp_path).startswith(f"{OCSF}/part{suffix}: {place} 2 (detection d-2): {saying}: ")


def test_a_finding_whose_way_to_a_field_is_broken(tmp_path: Path) -> None:
    """Text in place of an object, or of a list, is not passed over, though what is in it may be missing."""
    for n, field in enumerate(("finding_info", "unmapped", "evidences")):
        write(tmp_path / f"{n}" / OCSF / "part.jsonl", findings(**{field: "none of it"}))
        assert f"line 2: {field} is not a" in refusal(tmp_path / f"{n}")


@pytest.mark.parametrize(
    ("suffix", "field"),
    [(".parquet", "class_uid"), (".jsonl", "class_uid"), (".csv", "count"), (".jsonl", "evidences")],
)
def test_a_required_field_is_missed(tmp_path: Path, suffix: str, field: str) -> None:
    """Where no finding of an object has it."""
    write(tmp_path / OCSF / f"part{suffix}", [{n: f[n] for n in f if n != field} for f in findings()])
    assert f"part{suffix}: required column {field}" in refusal(tmp_path)


@pytest.mark.parametrize("text", ['{"campaign_id":', "", "campaign_id=C"])
def test_a_column_of_json_that_is_none(tmp_path: Path, text: str) -> None:
    """It is told by its name; what is empty in CSV is null, and other JSON is read."""
    write(
        tmp_path / "good" / OCSF / "part.csv",
        [findings()[0] | {"unmapped": json.dumps({"campaign_id": "C"})}],
    )
    assert ask(tmp_path / "good") == 1
    table = pa.Table.from_pylist([{n: v for n, v in f.items() if n != "unmapped"} for f in findings()])
    path = tmp_path / "bad" / OCSF / "part.parquet"
    path.parent.mkdir(parents=True)
    pq.write_table(table.append_column("unmapped", [["{}", text, None]]), path)
    assert refusal(tmp_path / "bad").startswith(f"{OCSF}/part.parquet: column unmapped is not JSON: ")


def test_other_classes_are_passed_over(tmp_path: Path) -> None:
    """What another class of OCSF holds is its own affair."""
    write(tmp_path / OCSF / "part.jsonl", findings(class_uid=2001, count="many", evidences="none"))
    assert ask(tmp_path) == 2


@pytest.mark.parametrize(
    ("damage", "saying"),
    [
        (cut(".parquet", 0), "part.parquet: cannot be read as Parquet: "),
        (cut(".parquet", 9), "part.parquet: cannot be read as Parquet: "),
        (cut(".parquet", -1), "part.parquet: cannot be read as Parquet: "),
        (
            raw_bytes(f"{FLAT}/part.parquet", b"no Parquet at all" * 99),
            "part.parquet: cannot be read as Parquet: ",
        ),
        (cut(".jsonl.gz", 0), "part.jsonl.gz: cannot be read as gzip: it has no bytes"),
        (cut(".jsonl.gz", 30), "part.jsonl.gz: cannot be read as gzip: Compressed file ended"),
        (cut(".jsonl.gz", -4), "part.jsonl.gz: cannot be read as gzip: Compressed file ended"),
        (
            raw_bytes(f"{FLAT}/part.jsonl.gz", swapped(gzip.compress(LINE), -5)),
            "part.jsonl.gz: cannot be read as gzip: CRC check failed",
        ),
        (
            raw_bytes(f"{FLAT}/part.jsonl.gz", swapped(gzip.compress(LINE), -1)),
            "part.jsonl.gz: cannot be read as gzip: Incorrect length of data",
        ),
        (
            raw_bytes(f"{FLAT}/part.jsonl.gz", gzip.compress(LINE) + b"more"),
            "part.jsonl.gz: cannot be read as gzip: Not a gzipped file",
        ),
        (
            raw_bytes(f"{FLAT}/part.jsonl", LINE + b"\xef\xbb\xbf" + LINE),
            "line 2 starts with a byte order mark: save it",
        ),
        (raw_bytes(f"{FLAT}/part.jsonl", LINE + b'{"a": [1, ] }\n'), "part.jsonl: line 2 is not JSON: "),
        (raw_bytes(f"{FLAT}/part.jsonl", LINE + b'{"a": NaN}\n'), "line 2 is not JSON: it holds NaN: "),
        (raw_bytes(f"{FLAT}/part.jsonl", LINE + b'{"a":-Infinity}\n'), "line 2 is not JSON: it holds -Inf"),
        (
            raw_bytes(f"{FLAT}/part.jsonl.gz", LINE),
            "part.jsonl.gz: cannot be read as gzip: Not a gzipped file",
        ),
        (cut(".jsonl", -20), "part.jsonl: line 3 is not JSON: "),
        (raw_bytes(f"{FLAT}/part.jsonl", LINE + b"\n" + b"{'a': 1}\n"), "part.jsonl: line 3 is not JSON: "),
        (
            raw_bytes(f"{FLAT}/part.jsonl.gz", gzip.compress(LINE + b"{")),
            "part.jsonl.gz: line 2 is not JSON: ",
        ),
        (raw_bytes(f"{FLAT}/part.jsonl", LINE + b"[1]\n"), "part.jsonl: line 2 is not a JSON object: [1]: "),
        (
            raw_bytes(f"{FLAT}/part.jsonl", LINE + b"null\n"),
            "part.jsonl: line 2 is not a JSON object: null: ",
        ),
        (raw_bytes(f"{FLAT}/part.jsonl", LINE + b'{"a": "\xff"}\n'), "part.jsonl: line 2 is not UTF-8: "),
        (raw_bytes(f"{FLAT}/part.jsonl", LINE + b"[" * 99_999), "part.jsonl: line 2 is not JSON"),
        (raw_bytes(f"{FLAT}/part.csv", HEADER + ROW + b"d-2,new\n"), "part.csv: line 3 is not CSV: "),
        (
            raw_bytes(f"{FLAT}/part.csv", HEADER + b"d-2" + ROW + b"1,2,3,4,5,6,7,8,9,10\n"),
            "part.csv: line 3 is not CSV: ",
        ),
        (
            raw_bytes(f"{FLAT}/part.csv", HEADER + ROW.replace(b"account", b'"two\nlines"') + b"d-2\n"),
            "part.csv: line 4 is not CSV: ",
        ),
        (raw_bytes(f"{FLAT}/part.csv", HEADER + b'"d-2,new\n' + ROW), "part.csv: line 2 is not CSV: "),
        (raw_bytes(f"{FLAT}/part.csv", HEADER + ROW + b"\xff" + ROW), "part.csv: line 3 is not CSV: "),
        (
            raw_bytes(f"{FLAT}/part.csv", HEADER + ROW.replace(b"\n", b"\r\n") + ROW),
            "part.csv: cannot be read as CSV: ",
        ),
        (
            raw_bytes(f"{FLAT}/part.csv", b"one,two\n" + ROW),
            "part.csv: line 1 names no column of the layout: ",
        ),
        (raw_bytes(f"{FLAT}/part.csv", ROW), "part.csv: line 1 names no column of the layout: "),
        (
            raw_bytes(f"{FLAT}/part.csv", b"status," + HEADER + b"x," + ROW),
            "part.csv: column status appears twice: ",
        ),
        (raw_bytes(f"{FLAT}/part.xlsx", b""), "part.xlsx: .xlsx is not a supported format: "),
        (raw_bytes("detections/event_day=May/part.csv", HEADER), "partition 'May' is not a day: "),
    ],
)
def test_an_object_that_is_not_what_it_says(tmp_path: Path, damage: Damage, saying: str) -> None:
    """It is told by its name, with the line where one is malformed."""
    write(tmp_path / FLAT / "good.jsonl", rows())
    damage(tmp_path)
    assert saying in refusal(tmp_path)


def test_text_in_parquet_that_is_not_utf_8(tmp_path: Path) -> None:
    """What DuckDB says of an object is said with its name."""
    table = pa.Table.from_pylist(rows()).drop_columns("account_id")
    binary = pa.array([b"a", b"\xff\xfe", b"c"], pa.binary())
    text = pa.Array.from_buffers(pa.string(), 3, binary.buffers())
    (tmp_path / FLAT).mkdir(parents=True)
    pq.write_table(table.append_column("account_id", text), tmp_path / FLAT / "part.parquet")
    assert f"{FLAT}/part.parquet: cannot be read as Parquet: " in refusal(tmp_path)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_name_stands_for_itself(tmp_path: Path, suffix: str) -> None:
    """An object whose name looks like a pattern is read once, and no other in its place."""
    names = [
        "ab",
        "a*b",
        "a?b",
        "[ab]",
        "{a,b}",
        "it's",
        'a "b" c',
        "ünï ☃",
        "a\\b",
        "**",
        "a%2Fb",
        "$x;--",
        "a=b",
    ]
    for place, name in enumerate(names):
        identities = {"detection_id": f"{place}"}
        write(tmp_path / FLAT / f"{name}{suffix}", [rows()[0] | identities])
    assert ask(tmp_path) == len(names)


@pytest.mark.parametrize("name", ["[ab]*?", "{a,b}", "it's", 'a "b" c', "ünï ☃", "a\\b"])
def test_a_fault_is_found_in_an_object_of_any_name(tmp_path: Path, name: str) -> None:
    """And in no other that the name would fit as a pattern."""
    write(tmp_path / FLAT / "a.csv", rows())
    write(tmp_path / FLAT / f"{name}.csv", rows(exchange_count=-1))
    assert refusal(tmp_path).startswith(f"{FLAT}/{name}.csv: row 2 ")


def test_the_folder_of_evidence_may_look_like_a_pattern_or_a_partition(tmp_path: Path) -> None:
    """Its own name has no part in what is read."""
    root = tmp_path / "event_day=1999-01-01 [a]*{b}'s"
    write(root / FLAT / "part.csv", rows())
    assert ask(root) == 3


def test_hostile_values_are_shown_and_not_obeyed(tmp_path: Path) -> None:
    """What is not printable is escaped, and what is long is cut."""
    write(tmp_path / FLAT / "part.jsonl", rows(status="\x1b[31m\u202e'; drop\n" + "x" * 10_000))
    message = refusal(tmp_path)
    assert r"status '\x1b[31m\u202e'; drop\nxxx" in message
    assert len(message) < 300


def test_the_first_fault_is_told(tmp_path: Path) -> None:
    """In the order of the objects' names, then of the rows, then of the columns."""
    write(tmp_path / FLAT / "b.csv", rows(status="open"))
    damaged = rows(exchange_count=-1, confidence=2)
    damaged[2]["status"] = "open"
    write(tmp_path / FLAT / "a.parquet", damaged)
    assert f"{FLAT}/a.parquet: row 2 (detection d-2): exchange_count '-1' " in refusal(tmp_path)


def test_where_no_object_is_at_fault_all_are_named(tmp_path: Path) -> None:
    """With what was said of them."""
    write(tmp_path / FLAT / "a.csv", rows())
    write(tmp_path / FLAT / "b.csv", rows())
    located = FolderEvidence(tmp_path).list()
    told = "evidence went away"
    assert str(explain(tmp_path, located, QUESTION, InvalidEvidence(told))) == told
    assert str(explain(tmp_path, located, QUESTION, None)).startswith(
        f"{FLAT}/a.csv and 1 more: cannot be counted: "
    )


def test_an_empty_folder_in_an_objects_place(tmp_path: Path) -> None:
    """Refused, though one with parts in it is read."""
    write(tmp_path / FLAT / "parts.parquet" / "part-0.parquet", rows())
    assert ask(tmp_path) == 3
    (tmp_path / FLAT / "part.parquet").mkdir()
    assert f"{FLAT}/part.parquet: is an empty folder: " in refusal(tmp_path)


@pytest.mark.parametrize(
    ("target", "saying"),
    [
        ("nowhere.csv", "is a broken link"),
        ("part.csv", "is a broken link"),
        ("../../../outside.csv", "is a link out of the evidence folder"),
        ("../../..", "is a link out of the evidence folder"),
        ("../event_day=2026-05-02", "is a link to a folder"),
    ],
)
def test_a_link_is_refused(tmp_path: Path, target: str, saying: str) -> None:
    """One that leads nowhere, out of the evidence, or to a folder."""
    root = tmp_path / "evidence"
    write(tmp_path / "outside.csv", rows())
    write(root / FLAT / "good.csv", rows())
    write(root / "detections/event_day=2026-05-02/good.csv", rows())
    (root / FLAT / "part.csv").symlink_to(target)
    assert f"{FLAT}/part.csv: {saying}: " in refusal(root)


def test_a_link_within_the_evidence_is_read(tmp_path: Path) -> None:
    """As the object that it leads to."""
    write(tmp_path / "store" / "one.csv", rows())
    (tmp_path / FLAT).mkdir(parents=True)
    (tmp_path / FLAT / "part.csv").symlink_to("../../store/one.csv")
    assert ask(tmp_path) == 3


def test_a_layout_that_is_a_link_out_of_the_evidence(tmp_path: Path) -> None:
    """It is refused like any other link."""
    write(tmp_path / "elsewhere" / FLAT / "part.csv", rows())
    (tmp_path / "evidence").mkdir()
    (tmp_path / "evidence" / "detections").symlink_to("../elsewhere/detections")
    assert "detections: is a link out of the evidence folder: " in refusal(tmp_path / "evidence")


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    """A pipe in an object's place is refused."""
    (tmp_path / FLAT).mkdir(parents=True)
    os.mkfifo(tmp_path / FLAT / "part.csv")
    assert f"{FLAT}/part.csv: is not a file: " in refusal(tmp_path)


def test_a_name_that_is_not_utf_8(tmp_path: Path) -> None:
    """It could not be listed in a register of evidence."""
    (tmp_path / FLAT).mkdir(parents=True)
    with open(os.fsencode(tmp_path / FLAT) + b"/\xff.csv", "wb"):
        pass
    assert "its name is not UTF-8: rename it" in refusal(tmp_path)


@pytest.mark.parametrize("forbidden", [f"{FLAT}/part.csv", FLAT])
def test_what_may_not_be_read_is_named(unprivileged: Path, forbidden: str) -> None:
    """A file or a folder without permission is not passed over."""
    write(unprivileged / FLAT / "part.csv", rows())
    (unprivileged / forbidden).chmod(0)
    with as_somebody_else():
        message = refusal(unprivileged)
    (unprivileged / forbidden).chmod(0o755)  # to be cleared away
    assert forbidden in message
    assert "cannot be read" in message
    assert "Permission denied" in message


@pytest.mark.parametrize(
    ("damage", "saying"),
    [
        (
            lambda root: write(root / FLAT / "b.csv", rows(confidence=2)),
            "row 2 (detection d-2): confidence '2' is not",
        ),
        (cut(".parquet", -1), "part.parquet: cannot be read as Parquet"),
        (raw_bytes(f"{FLAT}/b.jsonl", b"{\n"), "b.jsonl: line 1 is not JSON"),
        (lambda root: (root / FLAT / "b.csv").symlink_to("/etc/hostname"), "b.csv: is a link out"),
        (raw_bytes(f"{FLAT}/b.csv", b"\x1b[31m\n"), "line 1 names no column of the layout"),
        (raw_bytes(f"{FLAT}/b\x1b[31m\n.csv", b""), r"b\x1b[31m\n.csv': has a control character in its name"),
        (
            raw_bytes("detections/dt=2026-05-01/b.csv", b""),
            "dt=2026-05-01/b.csv: is not in a partition: move it",
        ),
    ],
)
def test_nothing_is_published(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: Damage, saying: str
) -> None:
    """The command line tells the fault in one line and ends with 2, and what was published stays as it was."""
    write(tmp_path / "evidence" / FLAT / "a.csv", rows())
    damage(tmp_path / "evidence")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "before").touch()
    folders = [f"--{name}={tmp_path / name}" for name in ("evidence", "out", "keys")]
    wanted = ["--window=2026-05-01/2026-05-01", "--as-of=2026-06-20T00:00:00Z", "--audience=lawmaker"]
    assert main(["publish", *folders, *wanted, "--marking=TLP:CLEAR"]) == 2
    *_, line = capsys.readouterr().err.splitlines()
    assert line.startswith("exhibit: ")
    assert line.isprintable()
    assert saying in line
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["before"]

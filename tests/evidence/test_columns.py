"""Names of columns: what is close to right, and what is somebody's own."""

import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reports.core.errors import InvalidEvidence
from reports.core.window import Window
from reports.evidence.columns import KEYS, nearly
from reports.evidence.engine_duckdb import DuckDBEngine
from reports.evidence.questions import Inquiry
from reports.evidence.source import FolderEvidence
from tests.contracts.query_engine import WINDOW, detection, flat, ocsf, total
from tests.support import evidence_files
from tests.support.fakes import AS_OF

pytestmark = pytest.mark.usefixtures("slow")

DAY = WINDOW.first
NEARLY = [
    *(
        "Campaign_ID",
        "campaignId",
        "campaign-id",
        "campaign id",
        " campaign_id",
        "campaign_id ",
        "CAMPAIGN__ID",
    ),
    *(
        "campaign_id\ufeff",
        "campaign\u200b_id",
        "campaign\u2011id",
        "\uff43ampaign_id",
        "\u0441\u0430mpaign_id",
    ),
    *("\u03f2ampaign_id", "campa\u0131gn_id", "campaign_\u2170d"),
]
OWN = [
    "campaigns_id",
    "campaign_ids",
    "campaign",
    "id",
    "c_mpaign_id",
    "kampagne_id",
    "campaign_id_1",
    "campaign_1d",
]
ADDED = [
    "filename",
    "file_index",
    "file_row_number",
    "$path",
    "$row",
    "event_day",
    "place",
    "object",
    "json",
    "rowid",
]
SUFFIXES = (".parquet", ".jsonl", ".csv")


def asked(root: Path) -> Any:
    """The tallies of one day."""
    question = Inquiry(Window(DAY, DAY), AS_OF).tallies(DAY)
    return DuckDBEngine(FolderEvidence(root)).ask(question, lambda *_: None)


@pytest.mark.parametrize("name", NEARLY)
def test_a_name_that_is_nearly_right(name: str) -> None:
    """Whatever its case, spaces, hyphens, underscores and unseen characters, and with letters that only look Latin."""
    assert nearly(name, KEYS["flat"][()]) == "campaign_id"


@pytest.mark.parametrize("name", [*OWN, *ADDED, "campaign_id"])
def test_other_names_are_somebodys_own(name: str) -> None:
    """However few letters they differ in; and a name that is right is right."""
    assert nearly(name, KEYS["flat"][()]) is None


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", ["Campaign_ID", "campaign id", "\u0441ampaign_id"])
def test_evidence_with_one_is_refused(tmp_path: Path, suffix: str, name: str) -> None:
    """In any format, in place of the column or beside it, naming the object and both names."""
    for n, row in enumerate(({}, {"campaign_id": "C"})):
        record = (
            {k: v for k, v in evidence_files.row(detection(DAY)).items() if k != "campaign_id"}
            | row
            | {name: "D"}
        )
        evidence_files.write(tmp_path / str(n) / flat(DAY, suffix), [record])
        with pytest.raises(InvalidEvidence, match=f"part-0{suffix}.* is close to campaign_id"):
            asked(tmp_path / str(n))


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", [*OWN, *ADDED])
def test_evidence_with_others_is_counted(tmp_path: Path, suffix: str, name: str) -> None:
    """No column of the evidence is taken for one that a reader adds, nor for one of the layout."""
    rows = [evidence_files.row(detection(DAY, detection_id=f"d-{n}")) | {name: 7} for n in range(3)]
    for part, row in enumerate(rows):
        evidence_files.write(tmp_path / flat(DAY, suffix, part), [row])
    answer = asked(tmp_path)
    assert total(answer) == (3, 3)
    objects = {row["object"]: row["detections"] for row in answer.rows if row["heading"] == "object"}
    assert objects == {flat(DAY, suffix, part): 1 for part in range(3)}


INNER = {
    "finding_info": {"finding_info": {"UID": "other"}},
    "analytic": {"finding_info": {"analytic": {"Version": "1"}}},
    "evidences": {"evidences": [{"Actor": "other"}]},
    "user": {"evidences": [{"actor": {"user": {"Uid": "other"}}}]},
    "unmapped": {"unmapped": {"Campaign-ID": "D"}},
}


def merged(into: Any, more: Any) -> Any:
    """JSON with more in it."""
    if isinstance(into, dict) and isinstance(more, dict):
        return {**into, **{key: merged(into.get(key), value) for key, value in more.items()}}
    if isinstance(into, list) and isinstance(more, list):
        return [merged(a, b) for a, b in zip(into, more, strict=True)]
    return more


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("place", INNER)
def test_keys_within_findings_are_looked_at(tmp_path: Path, suffix: str, place: str) -> None:
    """On every way to a column of OCSF, in structures, maps and JSON."""
    found = evidence_files.finding(detection(DAY))
    evidence_files.write(tmp_path / "good" / ocsf(DAY, suffix), [found])
    assert total(asked(tmp_path / "good")) == (1, 1)
    evidence_files.write(tmp_path / "bad" / ocsf(DAY, suffix), [merged(found, INNER[place])])
    with pytest.raises(InvalidEvidence, match="is close to"):
        asked(tmp_path / "bad")


FLATTENED = {
    "class_uid": 2004,
    "status_id": 1,
    "time": 1_777_629_600_000,
    "start_time": 1_777_622_400_000,
    "end_time": 1_777_622_400_000,
    "count": 5,
    "confidence_score": 90,
    "finding_info.uid": "f",
    "finding_info.types[0]": "software_engineering",
    "finding_info.analytic.name": "det",
    "evidences[0].actor.user.uid": "a",
    "unmapped.campaign_id": "C",
}
JOINED_WRONGLY = {
    "nearly right": ("unmapped.campaign_id", "unmapped.Campaign_ID"),
    "nearly right on the way": ("unmapped.campaign_id", "Unmapped.campaign_id"),
    "not to the end": ("finding_info.types[0]", "finding_info.types"),
}


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_columns_named_by_their_path(tmp_path: Path, suffix: str) -> None:
    """A table may be flattened, as long as each name leads to a column; what is somebody's own may be named alike."""
    day = date(2026, 5, 1)
    evidence_files.write(
        tmp_path / ocsf(day, suffix), [FLATTENED | {"unmapped.note": "x", "finding_info.title": "y"}]
    )
    answer = DuckDBEngine(FolderEvidence(tmp_path)).ask(
        Inquiry(Window(day, day), AS_OF).tallies(day), lambda *_: None
    )
    assert {row["campaign_id"] for row in answer.rows} == {None, "C"}
    assert {row["capability"] for row in answer.rows} == {None, "software_engineering"}


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
@pytest.mark.parametrize("case", JOINED_WRONGLY)
def test_columns_named_by_nearly_their_path(tmp_path: Path, suffix: str, case: str) -> None:
    """What they hold would be left out."""
    right, wrong = JOINED_WRONGLY[case]
    row = {(wrong if name == right else name): value for name, value in FLATTENED.items()}
    evidence_files.write(tmp_path / ocsf(DAY, suffix), [row])
    with pytest.raises(InvalidEvidence, match=f"part-0{suffix}: column '{re.escape(wrong)}' .* ignored"):
        asked(tmp_path)


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_a_column_both_by_its_path_and_nested(tmp_path: Path, suffix: str) -> None:
    """Which of the two holds could not be told."""
    found = evidence_files.finding(detection(DAY))
    evidence_files.write(tmp_path / ocsf(DAY, suffix), [found | {"unmapped.campaign_id": "other"}])
    with pytest.raises(
        InvalidEvidence, match=f"part-0{suffix}: column unmapped.campaign_id is also in unmapped"
    ):
        asked(tmp_path)


@pytest.mark.parametrize(
    ("joined", "counted"),
    [
        ({"unmapped.campaign_id": "D"}, False),
        ({"Unmapped.Campaign_ID": "D"}, False),
        ({"finding_info.types": ["x"]}, False),
        ({"finding_info": {"analytic.version": "2"}}, False),
        ({"finding_info": {"analytic.type": "2"}, "unmapped.note": "x"}, True),
    ],
)
def test_keys_that_join_the_steps_of_a_path(tmp_path: Path, joined: dict[str, Any], counted: bool) -> None:
    """In JSON no column is looked for by one, at any depth; those that lead to none are somebody's own."""
    evidence_files.write(
        tmp_path / ocsf(DAY, ".jsonl"), [merged(evidence_files.finding(detection(DAY)), joined)]
    )
    if counted:
        assert total(asked(tmp_path)) == (1, 1)
    else:
        with pytest.raises(InvalidEvidence, match=r"part-0\.jsonl: line 1: column .* would be ignored"):
            asked(tmp_path)


@pytest.mark.parametrize(("key", "counted"), [("account_id", False), ("note", True)])
def test_a_key_that_is_there_twice(tmp_path: Path, key: str, counted: bool) -> None:
    """A known one is refused, with its line; any other is somebody's own affair."""
    line = json.dumps(evidence_files.row(detection(DAY)) | {key: "a"}, default=str)
    path = tmp_path / flat(DAY, ".jsonl")
    path.parent.mkdir(parents=True)
    path.write_text(f'{line[:-1]}, "{key}": "b"}}\n')
    if counted:
        assert total(asked(tmp_path)) == (1, 1)
    else:
        with pytest.raises(InvalidEvidence, match="line 1: column account_id appears twice"):
            asked(tmp_path)


@pytest.mark.parametrize("key", ["class_uid", "finding_info", "unmapped"])
def test_a_key_on_the_way_that_is_there_twice(tmp_path: Path, key: str) -> None:
    """Which of two objects holds the columns could not be told."""
    found = evidence_files.finding(detection(DAY))
    path = tmp_path / ocsf(DAY, ".jsonl")
    path.parent.mkdir(parents=True)
    other = {"class_uid": 2001}.get(key, found[key])
    path.write_text(f"{json.dumps(found)[:-1]}, {json.dumps(key)}: {json.dumps(other)}}}\n")
    with pytest.raises(InvalidEvidence, match=f"line 1: column {key} appears twice"):
        asked(tmp_path)


def test_a_list_of_keys_and_values_is_no_object(tmp_path: Path) -> None:
    """What is not followed is refused, in place of being taken for empty."""
    type_ = pa.list_(pa.struct([("key", pa.string()), ("value", pa.string())]))
    found = evidence_files.finding(detection(DAY)) | {"unmapped": [{"key": "campaign_id", "value": "C"}]}
    fields = [field for field in pa.Table.from_pylist([found]).schema if field.name != "unmapped"]
    (tmp_path / ocsf(DAY)).parent.mkdir(parents=True)
    pq.write_table(
        pa.Table.from_pylist([found], pa.schema([*fields, ("unmapped", type_)])), tmp_path / ocsf(DAY)
    )
    with pytest.raises(InvalidEvidence, match="column unmapped"):
        asked(tmp_path)


LABELS: dict[str, tuple[pa.DataType, list[Any], list[str] | None]] = {
    "whole doubles": (pa.float64(), [17.0, 0.0, 2.0**53 - 1], ["17", "0", "9007199254740991"]),
    "a double too large": (pa.float64(), [2.0**53], None),
    "a fraction": (pa.float64(), [1.5], None),
    "not a number": (pa.float64(), [float("nan")], None),
    "whole floats": (pa.float32(), [17.0, 2.0**24 - 1], ["17", "16777215"]),
    "a float too large": (pa.float32(), [2.0**24], None),
    "integers": (pa.uint64(), [17, 2**64 - 1], ["17", "18446744073709551615"]),
    "booleans": (pa.bool_(), [True], None),
}


@pytest.mark.parametrize("name", LABELS)
def test_numbers_as_ids_in_parquet(tmp_path: Path, name: str) -> None:
    """A whole number that is sure to be the one that was written is its digits; any other is refused."""
    type_, values, ids = LABELS[name]
    rows = [
        evidence_files.row(detection(DAY, detection_id=f"d-{n}")) | {"account_id": v}
        for n, v in enumerate(values)
    ]
    schema = pa.schema(
        [pa.field("account_id", type_) if f.name == "account_id" else f for f in evidence_files.FLAT]
    )
    evidence_files.write(tmp_path / flat(DAY), rows, schema)
    if ids is None:
        with pytest.raises(InvalidEvidence, match="account_id"):
            asked(tmp_path)
    else:
        question = Inquiry(Window(DAY, DAY), AS_OF, each_account=True).tallies(DAY)
        rows_ = DuckDBEngine(FolderEvidence(tmp_path)).ask(question, lambda *_: None).rows
        assert {row["account_id"] for row in rows_} == {None, *ids}


@pytest.mark.parametrize(("value", "counted"), [(None, True), (3.1, False)])
def test_headings_in_a_floating_column(tmp_path: Path, value: float | None, counted: bool) -> None:
    """What was written cannot be told from 3.1; a column without values is no harm."""
    row = evidence_files.row(detection(DAY)) | {"detector_version": value}
    schema = pa.schema(
        [
            pa.field("detector_version", pa.float64()) if f.name == "detector_version" else f
            for f in evidence_files.FLAT
        ]
    )
    evidence_files.write(tmp_path / flat(DAY), [row], schema)
    if counted:
        assert total(asked(tmp_path)) == (1, 1)
    else:
        with pytest.raises(InvalidEvidence, match=r"detector_version '3\.1' is not text"):
            asked(tmp_path)


WRITTEN = {"1.10": "1.10", "1e3": "1e3", "17": "17", "-0.5": "-0.5", '"1.1"': "1.1"}


@pytest.mark.parametrize("written", WRITTEN)
@pytest.mark.parametrize("layout", ["flat", "ocsf"])
def test_numbers_as_headings_in_json(tmp_path: Path, layout: str, written: str) -> None:
    """They are their text as it is written."""
    name = (flat if layout == "flat" else ocsf)(DAY, ".jsonl")
    found = detection(DAY, detector_version="MARK")
    text = json.dumps(
        evidence_files.row(found) if layout == "flat" else evidence_files.finding(found), default=str
    )
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).write_text(text.replace('"MARK"', written))
    assert {row["detector_version"] for row in asked(tmp_path).rows} == {None, WRITTEN[written]}


IDS = {"17": "17", "17.0": "17", "17.00": "17", '"17.0"': "17.0", str(2**70): str(2**70), "-5": "-5"}
NO_IDS = ["1e3", "17.5", "-0.0", "9007199254740993.0", "true", "[17]", "{}"]


@pytest.mark.parametrize(("written", "account"), [*IDS.items(), *((text, None) for text in NO_IDS)])
def test_numbers_as_ids_in_json(tmp_path: Path, written: str, account: str | None) -> None:
    """A whole number is its digits, text stays text, and all else is refused."""
    text = json.dumps(evidence_files.row(detection(DAY, account_id="MARK")), default=str)
    path = tmp_path / flat(DAY, ".jsonl")
    path.parent.mkdir(parents=True)
    path.write_text(text.replace('"MARK"', written))
    if account is None:
        with pytest.raises(InvalidEvidence, match=r"line 1 .*account_id"):
            asked(tmp_path)
        return
    question = Inquiry(Window(DAY, DAY), AS_OF, each_account=True).tallies(DAY)
    rows = DuckDBEngine(FolderEvidence(tmp_path)).ask(question, lambda *_: None).rows
    assert {row["account_id"] for row in rows} == {None, account}


BESIDE = {
    "another number": ('"account_id": 17.0, "x": {"account_id": 18}', "17"),
    "the same number": ('"account_id": 17.0, "x": {"account_id": 17.0}', "17"),
    "the same number, written otherwise": ('"account_id": 17.0, "x": {"account_id": 17.00}', None),
    "another number, and the key escaped": (r'"account_\u0069d": 17.0, "x": {"account_id": 18.0}', None),
    "another number, in a text": (r'"account_id": 17.0, "x": "\"account_id\": 18.0"', "17"),
}


@pytest.mark.parametrize("case", BESIDE)
def test_numbers_of_the_same_key_elsewhere(tmp_path: Path, case: str) -> None:
    """The digits of one are never taken for those of another; where it cannot be told which is which, none are."""
    written, account = BESIDE[case]
    text = json.dumps(evidence_files.row(detection(DAY, account_id="MARK")), default=str)
    path = tmp_path / flat(DAY, ".jsonl")
    path.parent.mkdir(parents=True)
    path.write_text(text.replace('"account_id": "MARK"', written))
    if account is None:
        with pytest.raises(InvalidEvidence, match=r"line 1 .*account_id '17\.0' is neither text"):
            asked(tmp_path)
        return
    question = Inquiry(Window(DAY, DAY), AS_OF, each_account=True).tallies(DAY)
    rows = DuckDBEngine(FolderEvidence(tmp_path)).ask(question, lambda *_: None).rows
    assert {row["account_id"] for row in rows} == {None, account}


COUNTS = {"10": 10, "10.0": 10, "1e3": 1000, str(2**53 + 1): 2**53 + 1, "9007199254740991.0": 2**53 - 1}


@pytest.mark.parametrize(
    ("written", "count"), [*COUNTS.items(), ("9007199254740993.0", None), ("1e16", None)]
)
def test_counts_in_json(tmp_path: Path, written: str, count: int | None) -> None:
    """An integer is exact; a number with a fraction becomes a double, and is refused where that may be another."""
    text = json.dumps(evidence_files.row(detection(DAY)) | {"exchange_count": "MARK"}, default=str)
    path = tmp_path / flat(DAY, ".jsonl")
    path.parent.mkdir(parents=True)
    path.write_text(text.replace('"MARK"', written))
    if count is None:
        with pytest.raises(InvalidEvidence, match=r"line 1 .*exchange_count .* is not a whole number"):
            asked(tmp_path)
    else:
        assert total(asked(tmp_path)) == (1, count)


@pytest.mark.parametrize(
    ("ids", "counted"),
    [
        (["17.0", "8"], ["17", "8"]),
        (["17.0", "", "8.0"], None),
        (["17.0", " 8.0 "], ["17", "8"]),
        (["17.0", "x"], ["17.0", "x"]),
        (["17.0", "007"], ["17.0", "007"]),
        (["17.0", "12e4"], ["17.0", "12e4"]),
        (["17.00", "8.0"], ["17.00", "8.0"]),
        (["007", "8"], ["007", "8"]),
    ],
)
def test_ids_that_a_spreadsheet_made_fractions_of(
    tmp_path: Path, ids: list[str], counted: list[str] | None
) -> None:
    """In CSV a trailing `.0` goes, where all ids of the column in the object are whole numbers, and nothing else."""
    rows = [
        evidence_files.row(detection(DAY, detection_id=f"d-{n}", account_id=i)) for n, i in enumerate(ids)
    ]
    evidence_files.write(tmp_path / flat(DAY, ".csv"), rows)
    other = evidence_files.row(detection(DAY, detection_id="o", account_id="5.0x"))
    evidence_files.write(tmp_path / flat(DAY, ".csv", 1), [other])
    if counted is None:
        with pytest.raises(InvalidEvidence, match="account_id is empty"):
            asked(tmp_path)
        return
    question = Inquiry(Window(DAY, DAY), AS_OF, each_account=True).tallies(DAY)
    answer = DuckDBEngine(FolderEvidence(tmp_path)).ask(question, lambda *_: None)
    assert {row["account_id"] for row in answer.rows} == {None, "5.0x", *counted}

"""The footers of Parquet objects: what tables read as DuckDB does is let through, and everything else is named."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reports.core.errors import InvalidEvidence
from reports.evidence.footers import Footers
from reports.evidence.source import FolderEvidence, ListedObject
from tests.contracts.query_engine import WINDOW, detection, flat, ocsf
from tests.support.evidence_files import FLAT, deliver

DAY = WINDOW.first
NAME, OCSF = flat(DAY), ocsf(DAY)


def rows(folder: Path) -> int:
    """How many rows the footers of a folder's objects tell."""
    source = FolderEvidence(folder)
    return sum(Footers(source).rows(source.list()).values())


def written(folder: Path, table: pa.Table, name: str = NAME, **how: Any) -> Path:
    (folder / name).parent.mkdir(parents=True)
    pq.write_table(table, folder / name, **how)
    return folder


def one(column: str, type_: pa.DataType) -> pa.Table:
    """A row of nulls whose columns have the usual types, but for one."""
    types = {name: FLAT.field(name).type for name in FLAT.names}
    return pa.table({name: pa.nulls(1, type_ if name == column else types[name]) for name in types})


ALIKE = [
    *(("exchange_count", pa.int8()), ("exchange_count", pa.int16()), ("exchange_count", pa.int32())),
    *(("output_tokens", pa.int64()), ("output_tokens", pa.null()), ("confidence", pa.float32())),
    *(("confidence", pa.int64()), ("first_seen", pa.timestamp("ms")), ("first_seen", pa.timestamp("ns"))),
    *(("first_seen", pa.timestamp("us", "UTC")), ("account_id", pa.large_string())),
]
OTHERWISE = [
    *(("exchange_count", pa.uint32()), ("exchange_count", pa.uint64()), ("exchange_count", pa.float64())),
    *(("exchange_count", pa.string()), ("exchange_count", pa.decimal128(38, 0)), ("confidence", pa.string())),
    *(("confidence", pa.decimal128(5, 2)), ("first_seen", pa.string()), ("first_seen", pa.date32())),
    *(("account_id", pa.int64()), ("account_id", pa.float64()), ("account_id", pa.null())),
    *(("status", pa.binary()), ("network", pa.list_(pa.string()))),
]


@pytest.mark.parametrize(("column", "type_"), ALIKE, ids=str)
def test_types_that_are_read_alike(tmp_path: Path, column: str, type_: pa.DataType) -> None:
    assert rows(written(tmp_path, one(column, type_))) == 1


@pytest.mark.parametrize(("column", "type_"), OTHERWISE, ids=str)
def test_types_that_are_read_otherwise(tmp_path: Path, column: str, type_: pa.DataType) -> None:
    """The error names the object, the column, its type, and the one that tables read."""
    with pytest.raises(InvalidEvidence, match=f"{NAME}: column {column} is .*: tables read "):
        rows(written(tmp_path, one(column, type_)))


@pytest.mark.parametrize("codec", ["none", "snappy", "gzip", "zstd"])
def test_compression_that_is_read(tmp_path: Path, codec: str) -> None:
    assert rows(written(tmp_path, one("", pa.null()), compression=codec)) == 1


@pytest.mark.parametrize("codec", ["brotli", "lz4"])
def test_compression_that_is_not_read(tmp_path: Path, codec: str) -> None:
    with pytest.raises(InvalidEvidence, match=f"{NAME}: column [a-z_]+ is compressed with "):
        rows(written(tmp_path, one("", pa.null()), compression=codec))


def test_encoding_that_is_not_read(tmp_path: Path) -> None:
    table = pa.table({"confidence": [0.5, 0.25]})
    encoding = {"confidence": "BYTE_STREAM_SPLIT"}
    with pytest.raises(InvalidEvidence, match="column confidence is encoded with BYTE_STREAM_SPLIT"):
        rows(written(tmp_path, table, use_dictionary=False, column_encoding=encoding))


def test_columns_of_other_names_may_be_anything(tmp_path: Path) -> None:
    table = one("", pa.null()).append_column("notes", [["brotli"]])
    assert rows(written(tmp_path, table, compression={"notes": "brotli"})) == 1


@pytest.mark.parametrize("name", ["Campaign_ID", "campaign-id", "exchange count"])
def test_names_that_are_nearly_right(tmp_path: Path, name: str) -> None:
    """Trino reads them whatever their case; DuckDB refuses them."""
    with pytest.raises(InvalidEvidence, match=f"column '{name}' is close to"):
        rows(written(tmp_path, pa.table({"detection_id": ["d"], name: ["x"]})))


def test_a_finding_as_tables_declare_it(tmp_path: Path) -> None:
    deliver(tmp_path, {OCSF: [detection(DAY), detection(DAY)]})
    assert rows(tmp_path) == 2


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("unmapped", {"campaign_id": "C"}, "column unmapped is STRUCT"),
        ("unmapped", '{"campaign_id": "C"}', "column unmapped is VARCHAR"),
        ("finding_info", '{"uid": "d"}', "column finding_info.uid is in VARCHAR: tables read a struct there"),
        ("evidences", {"actor": 1}, "tables read a list there"),
        ("finding_info", {"UID": "d"}, "column 'UID' is close to uid"),
        ("unmapped.campaign_id", "C", "column 'unmapped.campaign_id' is read as nested columns by tables"),
    ],
)
def test_findings_that_tables_read_otherwise(tmp_path: Path, column: str, value: Any, said: str) -> None:
    with pytest.raises(InvalidEvidence, match=said):
        rows(written(tmp_path, pa.Table.from_pylist([{"class_uid": 2004, column: value}]), OCSF))


def test_times_of_findings_are_integers(tmp_path: Path) -> None:
    table = pa.table({"class_uid": [2004], "time": pa.array([0], pa.timestamp("us"))})
    with pytest.raises(
        InvalidEvidence, match="column time is TIMESTAMP: tables read a signed integer, in milli"
    ):
        rows(written(tmp_path, table, OCSF))


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + bytes(20) + b"PAR1", b"no Parquet at all"])
def test_what_is_no_parquet(tmp_path: Path, content: bytes) -> None:
    (tmp_path / NAME).parent.mkdir(parents=True)
    (tmp_path / NAME).write_bytes(content)
    with pytest.raises(InvalidEvidence, match=f"{NAME}: "):
        rows(tmp_path)


@dataclass
class Counting:
    """A source that notes how much is read of it."""

    source: FolderEvidence
    read: list[int] = field(default_factory=list)

    def part(self, located: ListedObject, first: int, count: int) -> bytes:
        content = self.source.part(located, first, count)
        self.read.append(len(content))
        return content


def test_a_footer_is_read_once_and_nothing_else(tmp_path: Path) -> None:
    """Of a large object the end alone, in two requests at most."""
    table = pa.table({"detection_id": [f"{number:0100}" for number in range(20_000)]})
    source = FolderEvidence(
        written(tmp_path, table, compression="none", use_dictionary=False, row_group_size=50)
    )
    counting = Counting(source)
    footers = Footers(counting)
    (located,) = source.list()
    assert footers.rows([located]) == footers.rows([located]) == {NAME: 20_000}
    assert len(counting.read) == 2
    assert sum(counting.read) < located.size / 4

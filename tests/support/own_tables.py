"""Tables that people already have: the same detections in each, made on a real Trino and S3.

Statements that people would write are those of the page about tables. Tables of Glue are made from the DDL of Athena on
that page, with a partition for each folder.
"""

from __future__ import annotations

import gzip
import json
import re
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from reports.evidence.columns import Layout
from reports.evidence.engine_trino import TrinoEngine
from reports.evidence.source_s3 import S3Evidence
from reports.evidence.source_table import OwnTables, TableEvidence, opened
from reports.evidence.table_ddl import STORAGE
from tests.support.evidence_files import FLAT, Objects, finding, row
from tests.support.fakes import Detection
from tests.support.publishing import ROOT
from tests.support.trino import Stack

PAGE = ROOT / "docs" / "tables.md"
ACCOUNT = "111122223333"
REGION = "eu-west-1"
SOURCE = "detector"
COLUMNS = tuple(name for name in FLAT.names if name != "delivered_in")
_EXAMPLE = "s3://example-bucket/"
_MORNING = datetime(2026, 5, 1, 8)


def _detection(name: str, days: float, **fields: object) -> Detection:
    first = _MORNING + timedelta(days=days)
    values: dict[str, object] = {
        "detection_id": name,
        "account_id": f"a-{name}",
        "campaign_id": "C-1",
        "first_seen": first,
        "last_seen": first + timedelta(minutes=70, milliseconds=5),
        "exchange_count": 420,
        "revised_at": first + timedelta(hours=4),
    }
    return Detection(**values | fields)  # type: ignore[arg-type]


FIRST = (
    _detection(
        "d-1", 0, output_tokens=510_000, capability="software_engineering", network="proxy-3", country="SG"
    ),
    _detection(
        "d-2", 0.25, account_id="a-d-1", detector_version="2.10", confidence=0.5, status="in_progress"
    ),
    _detection("d-3", 1, campaign_id=None, confidence=0.71, capability="agentic_reasoning"),
    _detection("d-4", 1.5, exchange_count=0, status="suppressed"),
    _detection("d-ö", 2, account_id="ä 5", campaign_id="C-2", output_tokens=0, detector="graph"),
    _detection("d-6", 2.6, last_seen=_MORNING + timedelta(days=3.2), exchange_count=7),
)
LATER = (
    replace(FIRST[0], revised_at=_MORNING + timedelta(days=4), exchange_count=431, status="resolved"),
    replace(FIRST[2], revised_at=_MORNING + timedelta(days=1, hours=9), campaign_id="C-2"),
    replace(FIRST[4], revised_at=_MORNING + timedelta(days=5), status="deleted"),
    _detection("d-7", 1.1, account_id="a-d-3", confidence=0.93, country="DE"),
)
ROWS = (*FIRST, *LATER)
"""The rows of every table, of the days from 1 May to 3 May 2026, some of them revised later."""


def objects(layout: Layout, suffix: str = ".parquet") -> Objects:
    """The rows as evidence in a layout of Exhibit's own, by the names of its objects."""
    found: dict[str, list[Detection]] = {}
    for each in ROWS:
        name = (
            f"detections/event_day={each.event_day}/part{suffix}"
            if layout == "flat"
            else f"{_folder(each)}part{suffix}"
        )
        found.setdefault(name, []).append(each)
    return found


def _folder(of: Detection) -> str:
    return f"ext/{SOURCE}/region={REGION}/accountId={ACCOUNT}/eventDay={of.revised_at:%Y%m%d}/"


SECTIONS = (
    "Hive tables that a query makes",
    "A table without partitions",
    "Iceberg tables",
    "Amazon Data Firehose, Parquet",
    "Amazon Data Firehose, JSON",
    "A Glue crawler's table",
    "Amazon Security Lake",
)
"""The sections of the page whose statements are run."""


def statements(section: str) -> tuple[str, ...]:
    """The statements in a section of the page about tables."""
    assert section in SECTIONS
    text = PAGE.read_text("utf-8").partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    return tuple(re.findall(r"^```sql\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))


@dataclass(frozen=True, slots=True)
class Place:
    """A bucket, and beside it a database of Glue and a schema of the catalogs `hive` and `iceberg`, all of one name."""

    stack: Stack
    name: str

    def execute(self, sql: str, catalog: str = "hive") -> list[Any]:
        """The rows of a statement, in which the bucket of the page stands for this one."""
        return self.stack.execute(self.here(sql), self.name, catalog)

    def here(self, sql: str) -> str:
        """A statement about the bucket of the page, about this one."""
        return sql.replace(_EXAMPLE, f"s3://{self.name}/")

    def put(self, key: str, content: bytes) -> None:
        """Write an object."""
        self.stack.s3.put_object(Bucket=self.name, Key=key, Body=content)

    def glue_table(self, ddl: str, *one_partition: str) -> None:
        """Make a table in Glue as Athena makes it from a statement, with a partition for each folder of objects.

        If there is a statement that adds one of these partitions, it adds the same one.
        """
        table = glue_table(self.here(ddl))
        glue = self.stack.glue()
        glue.create_table(DatabaseName=self.name, TableInput=table)
        storage, keys = table["StorageDescriptor"], [key["Name"] for key in table["PartitionKeys"]]
        added = dict(self._partitions(storage["Location"], len(keys)))
        for folder, values in added.items():
            partition = {"Values": values, "StorageDescriptor": {**storage, "Location": folder}}
            glue.create_partition(DatabaseName=self.name, TableName=table["Name"], PartitionInput=partition)
        for statement in one_partition:
            folder, named = glue_partition(self.here(statement), table["Name"])
            assert [added[folder], keys] == [list(named.values()), list(named)]

    def _partitions(self, location: str, keys: int) -> Iterator[tuple[str, list[str]]]:
        """The folders below a location, and the values of the keys of partitions that each has."""
        bucket = f"s3://{self.name}/"
        prefix = location.removeprefix(bucket)
        listed = self.stack.s3.list_objects_v2(Bucket=self.name, Prefix=prefix)["Contents"]
        for folder in sorted({each["Key"].removeprefix(prefix).rpartition("/")[0] for each in listed}):
            values = [step.rpartition("=")[2] for step in folder.split("/")]
            yield f"{location}{folder}/", values if keys == len(values) else ["/".join(values)]

    def over_glue(self, sql: str) -> None:
        """Make a view or a table from tables of Glue, in the catalog `hive`: the catalog of Glue is only read."""
        named = re.sub(r"^CREATE (VIEW|TABLE) ", rf"CREATE \1 hive.{self.name}.", sql)
        self.execute(named, "awsdatacatalog")

    def opened(self, way: Way) -> tuple[TableEvidence, TrinoEngine]:
        """The table that a way has made here as evidence, and what answers questions about it."""

        def over(tables: OwnTables) -> TrinoEngine:
            return TrinoEngine(lambda: self.stack.connect(self.name, way.catalog), "the test's", tables)

        return opened(S3Evidence(self.stack.s3, self.name), self.name, way.table, over)


def place(stack: Stack) -> Place:
    """A new one."""
    name = f"b{uuid.uuid4().hex[:12]}"
    stack.s3.create_bucket(Bucket=name)
    stack.execute(f"create schema {name} with (location = 's3://{name}/schema/')")
    stack.glue().create_database(DatabaseInput={"Name": name})
    return Place(stack, name)


# ---- Glue's tables, from the DDL of Athena -----------------------------------------------------------------------

_DDL = re.compile(
    r"CREATE EXTERNAL TABLE (?P<name>\w+) \((?P<columns>.*?)\)\n"
    r"PARTITIONED BY \((?P<keys>.*?)\)\n"
    r"(?:STORED AS PARQUET\n|ROW FORMAT SERDE '(?P<serde>[^']+)'\n"
    r"(?:WITH SERDEPROPERTIES \((?P<parameters>[^\n]*)\)\n)?)"
    r"LOCATION '(?P<location>[^']+)'\n",
    re.DOTALL,
)


def glue_table(ddl: str) -> dict[str, Any]:
    """The table that Athena makes in Glue from a statement of the form of the page's."""
    found = _DDL.fullmatch(ddl)
    assert found, ddl
    storage = STORAGE["json" if found["serde"] else "parquet"]
    parameters = dict(re.findall(r"'([^']+)' = '([^']+)'", found["parameters"] or ""))
    serde = {
        "SerializationLibrary": found["serde"] or storage.serde,
        "Parameters": parameters if found["serde"] else storage.serde_parameters,
    }
    return {
        "Name": found["name"],
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"EXTERNAL": "TRUE"},
        "PartitionKeys": _columns(found["keys"]),
        "StorageDescriptor": {
            "Columns": _columns(found["columns"]),
            "Location": found["location"],
            "InputFormat": storage.input_format,
            "OutputFormat": storage.output_format,
            "SerdeInfo": serde,
        },
    }


def glue_partition(ddl: str, table: str) -> tuple[str, dict[str, str]]:
    """The location and the keys of the partition that Athena adds by a statement of the form of the page's."""
    found = re.fullmatch(rf"ALTER TABLE {table} ADD PARTITION \((.*)\)\nLOCATION '([^']+)'\n", ddl)
    assert found, ddl
    return found[2], dict(re.findall(r"(\w+) = '([^']+)'", found[1]))


def _columns(text: str) -> list[dict[str, str]]:
    parts, depth = [""], 0
    for character in re.sub(r"\s+", " ", text):
        depth += {"<": 1, ">": -1}.get(character, 0)
        if character == "," and not depth:
            parts.append("")
        else:
            parts[-1] += character
    pairs = (part.strip().split(" ", 1) for part in parts)
    return [{"Name": name, "Type": type_.replace(" ", "")} for name, type_ in pairs]


# ---- objects -----------------------------------------------------------------------------------------------------

_WHOLE = pa.int64()
_ANALYTIC = pa.struct([("name", pa.string()), ("type_id", pa.int32()), ("version", pa.string())])
_INFO = pa.struct(
    [
        ("uid", pa.string()),
        *((name, _WHOLE) for name in ("modified_time", "first_seen_time", "last_seen_time")),
        ("analytic", _ANALYTIC),
        ("types", pa.list_(pa.string())),
    ]
)
_EVIDENCE = pa.struct([("actor", pa.struct([("user", pa.struct([("uid", pa.string())]))]))])
_UNMAPPED = ("campaign_id", "output_tokens", "network", "country")
UNMAPPED: Mapping[str, pa.DataType] = {
    "map": pa.map_(pa.string(), pa.string()),
    "struct": pa.struct([(name, pa.string()) for name in _UNMAPPED]),
    "text": pa.string(),
}
"""How `unmapped` may be written."""


def ocsf_schema(unmapped: str) -> pa.Schema:
    """The schema of an OCSF Detection Finding in Parquet."""
    small = [
        (name, pa.int32()) for name in ("class_uid", "activity_id", "status_id", "count", "confidence_score")
    ]
    times = [(name, _WHOLE) for name in ("time", "start_time", "end_time")]
    nested = [("finding_info", _INFO), ("evidences", pa.list_(_EVIDENCE)), ("unmapped", UNMAPPED[unmapped])]
    return pa.schema([*small, *times, ("time_dt", pa.timestamp("us")), *nested])


def findings(detections: Sequence[Detection], unmapped: str) -> list[dict[str, Any]]:
    """Detections as Detection Findings, with `time_dt` beside `time`, and evidence of others after the account's."""
    found = []
    for index, each in enumerate(detections):
        record = finding(each, index)
        record["time_dt"] = datetime(1970, 1, 1) + timedelta(milliseconds=record["time"])
        record["evidences"].append({"actor": {"user": {"uid": "not the first"}}})
        if unmapped == "text":
            record["unmapped"] = json.dumps(record["unmapped"])
        found.append(record)
    return [
        *found,
        {**found[0], "class_uid": 2001, "finding_info": {**found[0]["finding_info"], "uid": "other"}},
    ]


def parquet(records: Sequence[Mapping[str, Any]], schema: pa.Schema) -> bytes:
    """An object of Parquet."""
    table = pa.Table.from_pylist([dict(each) for each in records], schema=schema)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return bytes(sink.getvalue())


def _flat(detections: Sequence[Detection]) -> bytes:
    return parquet([row(each) for each in detections], pa.schema([FLAT.field(name) for name in COLUMNS]))


def lines(detections: Sequence[Detection]) -> bytes:
    """JSON Lines of the flat layout."""
    rows = [{name: row(each)[name] for name in COLUMNS} for each in detections]
    return "".join(json.dumps(each, default=lambda t: t.isoformat() + "Z") + "\n" for each in rows).encode()


def _delivered(
    where: Place, first: Sequence[Detection], later: Sequence[Detection], catalog: str = "hive"
) -> None:
    """Make the tables `delivered` and `delivered_later`, which the statements of the page read."""
    types = {"int64": "bigint", "double": "double", "string": "varchar"}
    columns = ", ".join(f"{name} {types.get(str(FLAT.field(name).type), 'timestamp(3)')}" for name in COLUMNS)
    for name, rows in (("delivered", first), ("delivered_later", later)):
        made = name if catalog == "hive" else f"{name}_objects"
        where.put(f"{made}/part.parquet", _flat(rows))
        where.execute(
            f"create table {made} ({columns}) with (format = 'PARQUET', external_location = '{_EXAMPLE}{made}/')"
        )
        if made != name:
            where.execute(f"create table {name} as table hive.{where.name}.{made}", catalog)


def _by_hour() -> Iterator[tuple[str, list[Detection]]]:
    """The rows by the folder of the hour at which Firehose got them: when they were written."""
    found: dict[str, list[Detection]] = {}
    for each in ROWS:
        found.setdefault(f"{each.revised_at:%Y/%m/%d/%H}", []).append(each)
    yield from found.items()


def firehose_name(hour: str, suffix: str) -> str:
    """The name of an object that Firehose writes for an hour (`2026/05/01/12`)."""
    stamp = f"{hour.replace('/', '-')}-07-31"
    return f"firehose/{hour}/detections-2-{stamp}-{uuid.uuid5(uuid.NAMESPACE_URL, hour)}{suffix}"


_LATER = ", ".join(f"later.{name}" for name in (*COLUMNS, "event_day"))
MERGED = (
    "merge into detections as kept "  # noqa: S608 -- fixed names
    "using (select *, cast(first_seen as date) as event_day from delivered_later) as later "
    "on kept.detection_id = later.detection_id and kept.revised_at = later.revised_at "
    f"when not matched then insert values ({_LATER})"
)


# ---- ways in -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Way:
    """A table or a view that shows the rows; `make` makes it in a new place, in `catalog`, by the name `table`.

    `refused` is in the error of one that is refused.
    """

    name: str
    layout: Layout
    make: Callable[[Place], None]
    catalog: str = "hive"
    table: str = "detections"
    refused: str = ""


def _hive(where: Place, format_: str) -> None:
    _delivered(where, FIRST, LATER)
    made, inserted = statements("Hive tables that a query makes")
    where.execute(made.replace("'PARQUET'", f"'{format_}'"))
    where.execute(inserted)


def _whole(where: Place) -> None:
    _delivered(where, ROWS, LATER)
    (made,) = statements("A table without partitions")
    where.execute(made)


def _iceberg(where: Place, change: Callable[[str], str] = lambda sql: sql) -> None:
    """Rows that are wrong at first, put right by an update, a deletion and a merge: their old objects remain."""
    wrong = replace(FIRST[0], exchange_count=1)
    _delivered(where, [wrong, *FIRST[1:], _detection("d-0", 0.1)], LATER, "iceberg")
    (made,) = statements("Iceberg tables")
    where.execute(change(made), "iceberg")
    for sql in (
        "update detections set exchange_count = 420 where detection_id = 'd-1'",
        "delete from detections where detection_id = 'd-0'",
        change(MERGED),
    ):
        where.execute(sql, "iceberg")


def _with_zone(sql: str) -> str:
    """A statement that reads instants without a zone, changed to write them with one."""
    columns = [
        f"with_timezone({name}, 'UTC') as {name}"
        if str(FLAT.field(name).type).startswith("timestamp")
        else name
        for name in COLUMNS
    ]
    return re.sub(r"(?i)select \*", f"select {', '.join(columns)}", sql)


def _without_partitions(sql: str) -> str:
    return re.sub(r",\n    partitioning = [^\n]*", "", sql)


def _firehose_parquet(where: Place) -> None:
    for hour, rows in _by_hour():
        where.put(firehose_name(hour, ".parquet"), _flat(rows))
    table, partition, view = statements("Amazon Data Firehose, Parquet")
    where.glue_table(table, partition)
    where.over_glue(view)


def _firehose_json(where: Place) -> None:
    for hour, rows in _by_hour():
        where.put(firehose_name(hour, ".gz"), gzip.compress(lines(rows)))
    table, partition, copied = statements("Amazon Data Firehose, JSON")
    where.glue_table(table, partition)
    where.over_glue(copied)


def _view_of_lines(where: Place) -> None:
    """A view of what the page has copied."""
    _firehose_json(where)
    *_, copied = statements("Amazon Data Firehose, JSON")
    rows = re.sub(
        r"^CREATE TABLE detections\nWITH \(.*?\)\nAS SELECT", "SELECT object,", copied, flags=re.DOTALL
    )
    shown = rows.replace("AS json FROM lines", 'AS json, "$path" AS object FROM lines')
    where.over_glue(f"CREATE VIEW shown AS {shown}")


def _crawled(where: Place) -> None:
    for name, rows in objects("flat").items():
        where.put(name, _flat(rows))
    (table,) = statements("A Glue crawler's table")
    where.glue_table(table)


def _security_lake(
    where: Place, unmapped: str = "map", change: Callable[[str], str] = lambda sql: sql
) -> None:
    for name, rows in objects("ocsf").items():
        where.put(name, parquet(findings(rows, unmapped), ocsf_schema(unmapped)))
    table, _ = statements("Amazon Security Lake")
    type_ = {"text": "string", "struct": f"struct<{','.join(f'{name}:string' for name in _UNMAPPED)}>"}
    where.glue_table(change(table.replace("map<string, string>", type_.get(unmapped, "map<string, string>"))))


def _security_lake_json(where: Place, serde: str) -> None:
    for name, rows in objects("ocsf", ".json").items():
        records = [{**each, "time_dt": str(each["time_dt"])} for each in findings(rows, "map")]
        where.put(name, "".join(json.dumps(each) + "\n" for each in records).encode())
    table, _ = statements("Amazon Security Lake")
    where.glue_table(table.replace("STORED AS PARQUET", f"ROW FORMAT SERDE '{serde}'"))


def _security_lake_view(where: Place) -> None:
    _security_lake(where)
    where.over_glue(statements("Amazon Security Lake")[1])


def _security_lake_iceberg(where: Place) -> None:
    """OCSF in Iceberg, where neither the source nor the account is in an object's name."""
    _security_lake(where)
    located = f"location = '{_EXAMPLE}iceberg/', partitioning = ARRAY['day(time_dt)']"
    where.execute(
        f"create table findings with ({located}) as table awsdatacatalog.{where.name}.findings", "iceberg"
    )
    where.execute("delete from findings where class_uid = 2001", "iceberg")
    where.execute(statements("Amazon Security Lake")[1], "iceberg")


def _view_of(make: Callable[[Place], None], catalog: str = "hive") -> Callable[[Place], None]:
    def made(where: Place) -> None:
        make(where)
        where.execute('create view shown as select *, "$path" as object from detections', catalog)

    return made


def _view_without_objects(where: Place) -> None:
    _hive(where, "PARQUET")
    where.execute("create view shown as table detections")


WAYS = (
    Way("Hive, Parquet", "flat", lambda where: _hive(where, "PARQUET")),
    Way("Hive, ORC", "flat", lambda where: _hive(where, "ORC")),
    Way("Hive without partitions", "flat", _whole),
    Way("Hive, view", "flat", _view_of(lambda where: _hive(where, "PARQUET")), table="shown"),
    Way("Iceberg by day", "flat", _iceberg, "iceberg"),
    Way("Iceberg without partitions", "flat", lambda where: _iceberg(where, _without_partitions), "iceberg"),
    Way("Iceberg with time zones", "flat", lambda where: _iceberg(where, _with_zone), "iceberg"),
    Way("Iceberg, view", "flat", _view_of(_iceberg, "iceberg"), "iceberg", "shown"),
    Way("Firehose, Parquet", "flat", _firehose_parquet),
    Way("Firehose, JSON copied", "flat", _firehose_json),
    Way("crawler", "flat", _crawled, "awsdatacatalog"),
    Way("Security Lake, map", "ocsf", _security_lake, "awsdatacatalog", "findings"),
    Way(
        "Security Lake, struct",
        "ocsf",
        lambda where: _security_lake(where, "struct"),
        "awsdatacatalog",
        "findings",
    ),
    Way(
        "Security Lake, JSON text",
        "ocsf",
        lambda where: _security_lake(where, "text"),
        "awsdatacatalog",
        "findings",
    ),
    Way("Security Lake, view", "ocsf", _security_lake_view),
    Way("Security Lake, Iceberg", "ocsf", _security_lake_iceberg, "iceberg", "findings"),
    Way("Security Lake, view of Iceberg", "ocsf", _security_lake_iceberg, "iceberg"),
)
"""Those that give the figures of the rows."""

READERS_OF_JSON = (
    ("crawler, JSON of OpenX", "org.openx.data.jsonserde.JsonSerDe"),
    ("crawler, JSON of HCatalog", "org.apache.hive.hcatalog.data.JsonSerDe"),
)
NO_TABLE_FORMAT = "is neither Parquet nor ORC, and a table may read less in it than it holds"
REFUSED = (
    Way(
        "view without objects",
        "flat",
        _view_without_objects,
        table="shown",
        refused="lacks object: make a view",
    ),
    Way(
        "Firehose without a view",
        "flat",
        _firehose_parquet,
        "awsdatacatalog",
        "firehose",
        "lacks event_day (the UTC day of first_seen): make a view",
    ),
    Way(
        "lines",
        "flat",
        _firehose_json,
        "awsdatacatalog",
        "lines",
        "has neither detection_id nor class_uid: make a view",
    ),
    Way("view of lines", "flat", _view_of_lines, table="shown", refused=NO_TABLE_FORMAT),
    *(
        Way(
            name,
            "ocsf",
            partial(_security_lake_json, serde=serde),
            "awsdatacatalog",
            "findings",
            NO_TABLE_FORMAT,
        )
        for name, serde in READERS_OF_JSON
    ),
    Way(
        "Hive's catalog of Iceberg",
        "flat",
        _iceberg,
        refused="is not there: check its name, its database, its catalog",
    ),
)
"""Those that cannot be read alike, or do not say from which objects their rows are."""

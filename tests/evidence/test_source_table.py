"""The objects of a table or view; what a catalog and Trino would answer is given by each test."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from reports.core.errors import Changed, InvalidEvidence, InvalidSettings, Unavailable
from reports.core.window import Window
from reports.evidence.engine_tables import Answered
from reports.evidence.source import ListedObject
from reports.evidence.source_s3 import S3Evidence
from reports.evidence.source_table import OwnTables, TableEvidence
from tests.contracts.query_engine import TALLIES, WINDOW
from tests.evidence.test_own_table import FLAT, OCSF
from tests.support.aws import client, s3_client

DAY = WINDOW.first
ICEBERG = "CREATE TABLE … WITH (format = 'PARQUET', format_version = 2)"


@dataclass
class Catalog:
    """What is answered to statements, by how they begin to be told; and what was asked."""

    bucket: str
    columns: Mapping[str, str] = field(default_factory=lambda: FLAT)
    kind: str = "BASE TABLE"
    definition: str = "CREATE TABLE lab.findings (…)"
    objects: Sequence[tuple[str | None, date | None, date | None, int]] = ()
    deleting: Sequence[str] = ()
    then: Sequence[str] | None = None
    nested: Mapping[str, str] = field(default_factory=dict)
    snapshots: Iterator[int] = field(default_factory=lambda: iter([7] * 9))
    asked: list[str] = field(default_factory=list)

    def __call__(self, what: str, sql: str, parameters: Sequence[str] = ()) -> tuple[dict[str, Any], ...]:
        self.asked.append(what)
        assert sql.count("?") == len(parameters)
        told = what.removesuffix(" of lab.findings").removeprefix("the ")
        found: Mapping[str, Callable[[], list[dict[str, Any]]]] = {
            "kind": lambda: [{"table_type": self.kind}],
            "columns": lambda: [{"column_name": n, "data_type": t} for n, t in self.columns.items()],
            "columns at the snapshot": lambda: [dict.fromkeys(self.then or self.columns)],
            "nested columns at the snapshot": lambda: [{**self.columns, **self.nested}],
            "definition": lambda: [{"text": line} for line in self.definition.split("\n")],
            "snapshot": lambda: [{"snapshot_id": next(self.snapshots)}],
            "files": lambda: [{"place": place} for place in self.deleting],
            "objects": lambda: [
                {"place": place, "first_day": first, "last_day": last, "undated": undated}
                for place, first, last, undated in self.objects
            ],
        }
        return tuple(found[told]())

    def open(self) -> TableEvidence:
        return TableEvidence(S3Evidence(client("s3"), self.bucket, "settings/"), "lab", "findings", self)


@pytest.fixture
def catalog(bucket: str) -> Catalog:
    for key in ("hive/a", "hive/b", "iceberg/deletes"):
        s3_client().put_object(Bucket=bucket, Key=key, Body=b"ORC and more")
    return Catalog(
        bucket,
        objects=[
            (f"s3://{bucket}/hive/a", DAY, DAY, 0),
            (f"s3a://{bucket}/hive/b", DAY, date(2026, 5, 9), 0),
        ],
    )


def test_objects_are_named_by_their_keys(catalog: Catalog) -> None:
    """With the days that they hold; they are pinned wherever in the bucket they are."""
    source = catalog.open()
    first, second = source.list()
    assert (first.name, first.day, first.until, first.size) == ("hive/a", DAY, DAY, 12)
    assert (second.name, second.day, second.until) == ("hive/b", DAY, date(2026, 5, 9))
    assert [o.name for o in source.pin([second])] == ["hive/b"]
    assert [o.name for o in source.list({"hive/b"})] == ["hive/b"]
    s3_client().put_object(Bucket=catalog.bucket, Key="hive/a", Body=b"another")
    assert source.list()[0].state != first.state


def test_settings_lie_below_the_prefix(catalog: Catalog) -> None:
    s3_client().put_object(Bucket=catalog.bucket, Key="settings/dataset.yaml", Body=b"synthetic: true")
    assert catalog.open().text("dataset.yaml") == "synthetic: true"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("s3://elsewhere/hive/a", DAY, DAY, 0), "s3://elsewhere/hive/a: lies in another bucket than"),
        (
            ("hive/a", None, None, 3),
            "hive/a: table lab.findings shows 3 rows of it that have no day: correct their event_day",
        ),
        ((None, DAY, DAY, 0), "None: table lab.findings gives it as an object's place"),
        (("hive/../a", DAY, DAY, 0), "'hive/../a': table lab.findings gives it as an object's place"),
        (("hive/a\n", DAY, DAY, 0), "gives it as an object's place, and no file can have that name"),
        (("hive/none", DAY, DAY, 0), "hive/none: is not there: a table or view names it"),
    ],
)
def test_objects_that_are_refused(
    catalog: Catalog, row: tuple[str | None, date | None, date | None, int], message: str
) -> None:
    catalog.objects = [row]
    with pytest.raises(InvalidEvidence) as refused:
        catalog.open().list()
    assert message in str(refused.value)


def test_what_shows_nothing_is_refused(catalog: Catalog) -> None:
    catalog.objects = []
    with pytest.raises(InvalidEvidence, match=r"table lab.findings: shows no evidence"):
        catalog.open().list()


@pytest.mark.parametrize("lacking", ["kind", "columns"])
def test_what_is_not_there_is_told(catalog: Catalog, lacking: str) -> None:
    answer = catalog.__call__
    source = replace(
        catalog.open(), select=lambda what, sql, given=(): () if lacking in what else answer(what, sql, given)
    )
    with pytest.raises(InvalidSettings, match=r"table lab.findings: is not there"):
        source.list()


def test_a_view_names_keys(catalog: Catalog) -> None:
    catalog.kind, catalog.columns = "VIEW", {**FLAT, "object": "varchar"}
    catalog.objects = [("hive/a", DAY, DAY, 0)]
    assert [o.name for o in catalog.open().list()] == ["hive/a"]


def test_iceberg_is_read_at_one_snapshot(catalog: Catalog) -> None:
    """And what deletes rows of it is evidence as well, of all its days."""
    catalog.definition, catalog.deleting = ICEBERG, [f"s3://{catalog.bucket}/iceberg/deletes"]
    source = catalog.open()
    found = {o.name: (o.day, o.until) for o in source.list()}
    assert source.table.snapshot == 7
    assert found["iceberg/deletes"] == (DAY, date(2026, 5, 9))


@pytest.mark.parametrize(
    ("then", "serves"),
    [
        ([*FLAT, "note"], True),
        ([name.upper() for name in FLAT], True),
        ([name for name in FLAT if name != "network"], False),
        ([{"network": "country", "country": "network"}.get(name, name) for name in FLAT], False),
    ],
    ids=["another column", "in capitals", "none of that name", "names that were exchanged"],
)
def test_columns_that_a_snapshot_has_by_other_names_are_refused(
    catalog: Catalog, then: Sequence[str], serves: bool
) -> None:
    """A snapshot is read by the names of its time, and the catalog tells today's."""
    catalog.definition, catalog.then = ICEBERG, then
    if serves:
        assert catalog.open().list()
        return
    with pytest.raises(
        InvalidSettings, match=r"columns were changed after its snapshot 7, .* name a view of it"
    ):
        catalog.open().list()


def test_fields_that_a_snapshot_has_by_other_names_are_refused(catalog: Catalog) -> None:
    """Within a row too, where two may be exchanged."""
    catalog.definition, catalog.columns = ICEBERG, OCSF
    assert catalog.open().list()
    was, is_ = "first_seen_time", "last_seen_time"
    exchanged = OCSF["finding_info"].replace(was, "other").replace(is_, was).replace("other", is_)
    catalog.nested = {"finding_info": exchanged}
    with pytest.raises(InvalidSettings, match="columns were changed after its snapshot 7"):
        catalog.open().list()


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "(NOT_SUPPORTED: Relation 'x' is a materialized view, not a table)",
            "is a materialized view, which may",
        ),
        ("(SYNTAX_ERROR: line 1:19: mismatched input 'order')", "its name is a word of SQL"),
        ("line 1:18: no viable alternative at input 'show create'", "its name is a word of SQL"),
        ("(PERMISSION_DENIED: Access Denied)", "Access Denied"),
    ],
)
def test_a_table_whose_definition_is_not_told(catalog: Catalog, said: str, told: str) -> None:
    """What to do depends on why."""

    def select(what: str, sql: str, parameters: Sequence[str] = ()) -> tuple[dict[str, Any], ...]:
        if "definition" in what:
            raise InvalidSettings(said)
        return catalog(what, sql, parameters)

    with pytest.raises(InvalidSettings) as refused:
        replace(catalog.open(), select=select).list()
    assert told in str(refused.value)


def test_an_object_that_is_named_in_two_ways_has_the_days_of_both(catalog: Catalog) -> None:
    """As a view of two tables may name it."""
    catalog.kind, catalog.columns = "VIEW", {**FLAT, "object": "varchar"}
    late, later = date(2026, 5, 8), date(2026, 5, 9)
    catalog.objects = [("hive/a", late, later, 0), (f"s3://{catalog.bucket}/hive/a", DAY, DAY, 0)]
    assert [(o.name, o.day, o.until) for o in catalog.open().list()] == [("hive/a", DAY, later)]


def test_a_snapshot_that_changes_meanwhile_is_asked_for_anew(catalog: Catalog) -> None:
    catalog.definition, catalog.snapshots = ICEBERG, iter([7, 8, 8, 8])
    source = catalog.open()
    with pytest.raises(Changed, match="was written to while"):
        source.list()
    assert [o.name for o in source.list()] == ["hive/a", "hive/b"]
    assert source.table.snapshot == 8


def test_what_is_written_after_the_listing_does_not_matter(catalog: Catalog) -> None:
    """A snapshot stays what it is, however often it is listed."""
    catalog.definition, catalog.snapshots = ICEBERG, iter([7, 7, 8, 8])
    source = catalog.open()
    listed = source.list()
    assert source.list() == listed
    assert source.table.snapshot == 7


def test_a_name_that_only_looks_like_iceberg(catalog: Catalog) -> None:
    """The catalog knows no snapshots of it."""
    catalog.definition = "CREATE TABLE findings (iceberg_id varchar)"
    answer = catalog.__call__

    def select(what: str, sql: str, parameters: Sequence[str] = ()) -> tuple[dict[str, Any], ...]:
        if "snapshot" in what:
            raise InvalidSettings(
                "query failed (TABLE_NOT_FOUND: line 1:25: Table 'findings$refs' does not exist)"
            )
        return answer(what, sql, parameters)

    assert replace(catalog.open(), select=select).table.snapshot is None


def test_as_it_is_recorded(catalog: Catalog) -> None:
    """At the recorded snapshot, of which other objects that are recorded delete rows; only under its own name."""
    catalog.definition = ICEBERG
    source = catalog.open().as_recorded("lab.findings", 5, ["hive/a", "hive/b", "iceberg/deletes"])
    assert [o.name for o in source.list()] == ["hive/a", "hive/b", "iceberg/deletes"]
    assert source.table.snapshot == 5
    with pytest.raises(Unavailable, match=r"made from table 'lab.others', and this is lab.findings"):
        source.as_recorded("lab.others", 5, [])


def test_an_expired_snapshot_cannot_be_checked(catalog: Catalog) -> None:
    answer = catalog.__call__

    def select(what: str, sql: str, parameters: Sequence[str] = ()) -> tuple[dict[str, Any], ...]:
        if "version as of" in sql:
            raise InvalidSettings("failed (INVALID_ARGUMENTS: Iceberg snapshot ID does not exists: 5)")
        return answer(what, sql, parameters)

    source = replace(catalog.open(), select=select).as_recorded("lab.findings", 5, [])
    with pytest.raises(Unavailable, match=r"lab.findings no longer has snapshot 5: it has expired"):
        source.list()


def asked(source: TableEvidence, rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    """The names of the statements that a question runs, where they are answered with some rows."""
    names = []

    def run(name: str, sql: str, parameters: Sequence[str], located: Sequence[ListedObject]) -> Answered:
        names.append(name)
        assert sql.count("?") == len(parameters)
        return Answered(tuple(rows.get(name, ())), "e", "1")

    question = replace(TALLIES, about=Window(DAY, DAY))
    answer = OwnTables(source).answer(question, "fake", run, lambda *_: None)
    assert answer.table == source.table.recorded
    assert "views" not in answer.sql
    return names


def test_a_question_is_one_statement(catalog: Catalog) -> None:
    assert asked(catalog.open(), {}) == ["tallies"]


def test_keys_that_are_nearly_known_are_refused(catalog: Catalog) -> None:
    catalog.columns = OCSF
    odd = {"object": "hive/a", "odd_names": json.dumps(["$.unmapped campaignId"])}
    with pytest.raises(InvalidEvidence, match="hive/a: column 'campaignId' is close to campaign_id"):
        asked(catalog.open(), {"tallies, names": [odd]})
    assert asked(catalog.open(), {}) == ["tallies, names", "tallies"]


@pytest.mark.parametrize("kind", ["BASE TABLE", "VIEW"])
def test_objects_that_a_table_may_misread_are_refused(catalog: Catalog, kind: str) -> None:
    """Text, of which Hive's readers pass over some; each time that it is asked about."""
    catalog.kind, catalog.columns = kind, {**FLAT, "object": "varchar"}
    s3_client().put_object(Bucket=catalog.bucket, Key="hive/b", Body=b'{"detection_id": "d"}')
    source = catalog.open()
    for _ in range(2):
        with pytest.raises(InvalidEvidence, match="hive/b: is neither Parquet nor ORC"):
            asked(source, {})


@pytest.mark.parametrize(
    ("type_", "value", "message"),
    [
        ("bigint", "7::integer", None),
        ("bigint", "7.0::double", "column exchange_count is DOUBLE, and the table has it as bigint"),
        ("bigint", "7::ubigint", "column exchange_count is UBIGINT, and the table has it as bigint"),
        ("integer", "7::bigint", "column exchange_count is BIGINT, and the table has it as integer"),
        ("double", "7::double", None),
        ("real", "7::float", None),
        ("double", "7::float", "column exchange_count is FLOAT, and the table has it as double"),
        ("decimal(10,0)", "7::decimal(10,0)", None),
    ],
)
def test_columns_of_another_type_than_the_catalog_says(
    catalog: Catalog, tmp_path: Path, type_: str, value: str, message: str | None
) -> None:
    """A table reads these as something else, or not at all."""
    file = tmp_path / "b.parquet"
    duckdb.execute(
        f"copy (select 'd' as detection_id, {value} as exchange_count) to '{file}' (format parquet)"
    )
    s3_client().upload_file(str(file), catalog.bucket, "hive/b")
    catalog.columns = {**FLAT, "exchange_count": type_}
    if message is None:
        assert asked(catalog.open(), {}) == ["tallies"]
        return
    with pytest.raises(InvalidEvidence, match=f"hive/b: {message}"):
        asked(catalog.open(), {})


def test_nested_columns_are_held_against_the_catalog_too(catalog: Catalog, tmp_path: Path) -> None:
    """`unmapped` as a struct in an object is no map to the table, but nulls."""
    file = tmp_path / "b.parquet"
    duckdb.execute(f"copy (select {{'campaign_id': 'C-1'}} as unmapped) to '{file}' (format parquet)")
    s3_client().upload_file(str(file), catalog.bucket, "hive/b")
    catalog.columns = OCSF
    with pytest.raises(
        InvalidEvidence, match=r"column unmapped.campaign_id is STRUCT.*, and the table has it as map"
    ):
        asked(catalog.open(), {})
    catalog.columns = {**OCSF, "unmapped": "row(campaign_id varchar)"}
    assert asked(catalog.open(), {}) == ["tallies"]


def test_what_iceberg_wrote_is_as_it_says(catalog: Catalog) -> None:
    catalog.definition = ICEBERG
    s3_client().put_object(Bucket=catalog.bucket, Key="hive/b", Body=b"its own")
    assert asked(catalog.open(), {}) == ["tallies"]


def test_rows_that_break_a_rule_are_refused(catalog: Catalog) -> None:
    unsound = {"standing": "unsound", "detections": 2, "object": "hive/a", "event_day": DAY}
    with pytest.raises(InvalidEvidence) as refused:
        asked(catalog.open(), {"tallies": [unsound]})
    assert "hive/a: 2 rows of 2026" in str(refused.value)
    assert "in table lab.findings, and correct them" in str(refused.value)

"""The tables that `exhibit tables` makes, and the deployed stack's: the same to Athena and Trino."""

from datetime import date
from itertools import product
from typing import Any

import pytest
import sqlglot
from sqlglot import exp

from reports.evidence.columns import Layout
from reports.evidence.table_ddl import DIALECTS, STORAGE, Dialect, Table, hive
from reports.evidence.tables import FORMATS, PARTITIONS, Format
from reports.local_aws.template import Stack

LAYOUTS: tuple[Layout, ...] = ("flat", "ocsf")
EACH = pytest.mark.parametrize(("layout", "format_"), list(product(LAYOUTS, FORMATS)))
VALUES = {
    "source": ["detections", "aws.guard"],
    "region": ["eu-west-1", "us-east-1"],
    "accountid": ["111122223333", "444455556666"],
}


def table(layout: Layout, format_: Format) -> Table:
    values = VALUES if layout == "ocsf" else {}
    return Table(layout, format_, "s3://evidence/some/where/", date(2026, 4, 1), values)


def deployed(layout: Layout, format_: Format) -> dict[str, Any]:
    """The table as the template has it made."""
    stack = Stack(
        {
            "EvidenceBucket": "evidence",
            "EvidencePrefix": "some/where/",
            "EvidenceFormat": format_,
            "EvidenceSince": "2026-04-01",
            "OcsfSources": ",".join(VALUES["source"]),
            "OcsfRegions": ",".join(VALUES["region"]),
            "OcsfAccounts": ",".join(VALUES["accountid"]),
            "JwtAudience": "exhibit",
            "JwtIssuer": "https://issuer.example",
            "TimestampUrls": "http://tsa.example",
        }
    )
    inputs = [each.properties["TableInput"] for each in stack.of_type("AWS::Glue::Table")]
    (found,) = (each for each in inputs if each["Name"] == layout)
    return dict(found)


def columns(listed: list[dict[str, str]]) -> list[tuple[str, str]]:
    return [(each["Name"], each["Type"].replace(" ", "")) for each in listed]


@EACH
def test_the_template_has_the_same_tables(layout: Layout, format_: Format) -> None:
    """Columns, partitions, the way to read objects, and where they lie are those of the command's tables."""
    ours, theirs = table(layout, format_), deployed(layout, format_)
    storage, read = STORAGE[format_], theirs["StorageDescriptor"]
    assert columns(read["Columns"]) == [(name, hive(type_)) for name, type_ in ours.types.items()]
    assert columns(theirs["PartitionKeys"]) == [(name, hive(type_)) for name, type_ in PARTITIONS[layout]]
    assert read["Location"] == ours.folder
    assert read["InputFormat"] == storage.input_format
    assert read["OutputFormat"] == storage.output_format
    assert read["SerdeInfo"] == {
        "SerializationLibrary": storage.serde,
        "Parameters": storage.serde_parameters,
    }
    assert theirs["TableType"] == "EXTERNAL_TABLE"
    assert theirs["Parameters"] == {"EXTERNAL": "TRUE", **ours.parameters}


@EACH
def test_athenas_ddl_says_all(layout: Layout, format_: Format) -> None:
    """Athena's statement parses, and has what the template's table has."""
    theirs = deployed(layout, format_)
    made = parsed(table(layout, format_), "athena")
    assert made.find(exp.ExternalProperty)
    properties = made.args["properties"].expressions
    said = {each.this.name: each.args["value"].name for each in properties if type(each) is exp.Property}
    assert {"EXTERNAL": "TRUE", **said} == theirs["Parameters"]
    assert names(made) == {each["Name"] for each in theirs["StorageDescriptor"]["Columns"]}
    by = made.find(exp.PartitionedByProperty)
    assert by
    assert {each.name for each in by.find_all(exp.ColumnDef)} == {
        each["Name"] for each in theirs["PartitionKeys"]
    }
    text = table(layout, format_).ddl("athena")
    read = theirs["StorageDescriptor"]
    for value in (
        *(read["Location"], read["InputFormat"], read["OutputFormat"]),
        *(read["SerdeInfo"]["SerializationLibrary"], *read["SerdeInfo"]["Parameters"].values()),
    ):
        assert f"'{value}'" in text


@EACH
def test_trinos_ddl_says_all(layout: Layout, format_: Format) -> None:
    """Trino's statement parses, and names what the template's table names."""
    ours, theirs = table(layout, format_), deployed(layout, format_)
    made = parsed(ours, "trino")
    assert names(made) == {
        each["Name"] for each in (*theirs["StorageDescriptor"]["Columns"], *theirs["PartitionKeys"])
    }
    text = ours.ddl("trino")
    parameters = theirs["Parameters"]
    assert f"partition_projection_location_template = '{parameters['storage.location.template']}'" in text
    assert f"external_location = '{theirs['StorageDescriptor']['Location']}'" in text
    for name, value in parameters.items():
        if name.endswith((".values", ".range")):
            quoted = ", ".join(f"'{each}'" for each in value.split(","))
            assert f"partition_projection_{name.rpartition('.')[2]} = ARRAY[{quoted}]" in text
        if name.endswith(".format"):
            assert f"partition_projection_format = '{value}'" in text


def test_every_dialect_is_parsed() -> None:
    """There is no dialect that the tests here leave out."""
    assert set(DIALECTS) == {"athena", "trino"}


def parsed(made: Table, dialect: Dialect) -> exp.Create:
    """A table's statement, read strictly."""
    found = sqlglot.parse_one(made.ddl(dialect), read=dialect, error_level=sqlglot.ErrorLevel.RAISE)
    assert isinstance(found, exp.Create)
    return found


def names(made: exp.Create) -> set[str]:
    """The names of its columns."""
    return {each.name for each in made.this.expressions if isinstance(each, exp.ColumnDef)}

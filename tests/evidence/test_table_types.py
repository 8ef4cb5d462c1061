"""Types as a real Trino writes them in `information_schema.columns`."""

import pytest

from reports.evidence.table_types import TableType, of_hive, parsed, quoted

TEXT = TableType("varchar")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("varchar", TEXT),
        ("varchar(20)", TableType("varchar", (20,))),
        ("decimal(10,2)", TableType("decimal", (10, 2))),
        ("decimal(38, 0)", TableType("decimal", (38, 0))),
        ("timestamp(3)", TableType("timestamp", (3,))),
        ("timestamp(6) with time zone", TableType("timestamp with time zone", (6,))),
        ("array(varchar)", TableType("array", of=(TEXT,))),
        ("map(varchar, varchar)", TableType("map", of=(TEXT, TEXT))),
        (
            'row(uid varchar, "time" bigint)',
            TableType("row", fields={"uid": TEXT, "time": TableType("bigint")}),
        ),
        (
            "array(row(actor row(user row(uid varchar))))",
            TableType(
                "array",
                of=(
                    TableType(
                        "row",
                        fields={
                            "actor": TableType("row", fields={"user": TableType("row", fields={"uid": TEXT})})
                        },
                    ),
                ),
            ),
        ),
    ],
)
def test_types_are_read(text: str, wanted: TableType) -> None:
    assert parsed(text) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "row(Y y varchar, uid varchar)",  # a name with a blank: where it ends cannot be told
        "array(row(Y y varchar))",
        "row(uid)",
        "row()",
        "row((uid varchar)",
        "map(varchar)",
        "timestamp(3) with timezone",
        "interval day to second",
        "varchar) x",
        "",
    ],
)
def test_what_cannot_be_told_is_only_its_name(text: str) -> None:
    """And so nothing is taken from within it."""
    assert parsed(text) == TableType(text)


@pytest.mark.parametrize(
    ("text", "trino"),
    [
        ("string", "varchar"),
        ("int", "integer"),
        ("float", "real"),
        ("timestamp", "timestamp(3)"),
        ("decimal(10,2)", "decimal(10,2)"),
        ("map<string,string>", "map(varchar, varchar)"),
        ("array<struct<uid:string,at:bigint>>", 'array(row(uid varchar, "at" bigint))'),
    ],
)
def test_types_of_hive_are_those_of_trino(text: str, trino: str) -> None:
    assert of_hive(text) == parsed(trino)


@pytest.mark.parametrize("text", ["struct<a b:string>", "struct<a>", "array<"])
def test_types_of_hive_that_cannot_be_told(text: str) -> None:
    assert of_hive(text).fields == {}
    assert of_hive(text).of == ()


def test_kinds() -> None:
    assert [parsed(text).is_integer for text in ("tinyint", "bigint", "double")] == [True, True, False]
    assert [parsed(text).is_whole for text in ("decimal(38,0)", "decimal(10,2)", "bigint")] == [
        True,
        False,
        False,
    ]
    assert [parsed(text).is_text for text in ("char(3)", "varchar", "varbinary")] == [True, True, False]


def test_names_are_quoted() -> None:
    assert quoted(["a", 'b"c']) == '"a"."b""c"'

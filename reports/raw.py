"""The raw relations `flat` and `ocsf`, as DuckDB reads them from evidence objects of any format.

Types are those of the layout, whatever the format: an integer stays exact, an instant is UTC, a string is text. What
does not convert raises a DuckDB error, which `diagnose` turns into the object, the row, the column and the value.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from reports.evidence import Layout, Located

_INTEGERS = (
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "UTINYINT",
    "USMALLINT",
    "UINTEGER",
    "UBIGINT",
    "HUGEINT",
)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a layout: its name, its canonical DuckDB type, and whether a row must have a value."""

    name: str
    type: str
    required: bool = False


FLAT = (
    Column("detection_id", "VARCHAR", True),
    Column("revised_at", "TIMESTAMP", True),
    Column("status", "VARCHAR", True),
    Column("account_id", "VARCHAR", True),
    Column("campaign_id", "VARCHAR"),
    Column("first_seen", "TIMESTAMP", True),
    Column("last_seen", "TIMESTAMP", True),
    Column("exchange_count", "BIGINT", True),
    Column("output_tokens", "BIGINT"),
    Column("capability", "VARCHAR"),
    Column("detector", "VARCHAR", True),
    Column("detector_version", "VARCHAR"),
    Column("confidence", "DOUBLE", True),
    Column("network", "VARCHAR"),
    Column("country", "VARCHAR"),
)

OCSF = (
    Column("class_uid", "INTEGER", True),
    Column("status_id", "INTEGER", True),
    Column("time", "BIGINT", True),
    Column("start_time", "BIGINT"),
    Column("end_time", "BIGINT"),
    Column("count", "BIGINT", True),
    Column("confidence_score", "DOUBLE", True),
    Column(
        "finding_info",
        "STRUCT(uid VARCHAR, modified_time BIGINT, first_seen_time BIGINT, last_seen_time BIGINT, "
        'analytic STRUCT("name" VARCHAR, "version" VARCHAR), types VARCHAR[])',
        True,
    ),
    Column("evidences", 'STRUCT(actor STRUCT("user" STRUCT(uid VARCHAR)))[]', True),
    Column("unmapped", "MAP(VARCHAR, VARCHAR)"),
)

COLUMNS: dict[Layout, tuple[Column, ...]] = {"flat": FLAT, "ocsf": OCSF}
_PARTITION: dict[Layout, str] = {"flat": "event_day", "ocsf": "eventDay"}


def quoted(text: str) -> str:
    """A string as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def relation(con: duckdb.DuckDBPyConnection, root: Path, objects: Sequence[Located]) -> str:
    """The SELECT that reads objects of one layout as its raw relation, every column in its canonical type.

    Columns that no object has are null. Objects of several formats are put together by `union all`.
    """
    layout = objects[0].layout
    by_format = sorted((o for o in objects if o.size), key=lambda o: o.format)
    parts = [
        select(con, layout, source(root, layout, format_, tuple(of_format)))
        for format_, of_format in itertools.groupby(by_format, lambda o: o.format)
    ]
    return " union all ".join(parts) or select(
        con, layout, '(select null as "$path", null as event_day) limit 0'
    )


def source(root: Path, layout: Layout, format_: str, objects: Sequence[Located]) -> str:
    """The table function that reads objects of one format, with `$path` and the partition's day as columns."""
    files = "[" + ", ".join(quoted(str(root / o.name)) for o in objects) + "]"
    common = (
        f"{files}, filename = '$path', hive_partitioning = true, "
        f"hive_types = {{'{_PARTITION[layout]}': VARCHAR}}, hive_types_autocast = false, union_by_name = true"
    )
    return {"parquet": _parquet, "csv": _csv, "json": _json}[format_](common, layout)


def _parquet(common: str, _: Layout) -> str:
    return f"read_parquet({common})"


def _csv(common: str, _: Layout) -> str:
    return f"read_csv({common}, all_varchar = true, header = true, delim = ',', quote = '\"', nullstr = '')"


def _json(common: str, layout: Layout) -> str:
    types = ", ".join(
        f"{quoted(c.name)}: {quoted('VARCHAR' if layout == 'flat' else c.type)}" for c in COLUMNS[layout]
    )
    return f"read_json({common}, format = 'newline_delimited', columns = {{{types}}})"


def select(con: duckdb.DuckDBPyConnection, layout: Layout, table: str) -> str:
    """The SELECT that gives a table function's columns their canonical types."""
    present = {
        name.lower(): type_ for name, type_, *_ in con.execute(f"describe select * from {table}").fetchall()
    }
    columns = [f"{canonical(c, present.get(c.name))} as {identifier(c.name)}" for c in COLUMNS[layout]]
    return f'select "$path", {_PARTITION[layout]}, {", ".join(columns)} from {table}'


def identifier(name: str) -> str:
    """A column's name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def canonical(column: Column, type_: str | None) -> str:
    """The expression that turns a column of a source's type into its canonical type."""
    if type_ is None:
        return f"null::{column.type}"
    if type_ == column.type:
        return identifier(column.name)
    return _CONVERT.get(column.type, _cast)(column, type_)


def _cast(column: Column, _: str) -> str:
    return f"{identifier(column.name)}::{column.type}"


def _integer(column: Column, type_: str) -> str:
    name = identifier(column.name)
    if type_ in _INTEGERS:
        return f"{name}::{column.type}"
    whole = f"regexp_full_match(trim({name}::varchar), '[+-]?[0-9]+([.]0*)?')"
    return (
        f"case when {name} is null then null when {whole} then {name}::{column.type} "
        f"else error('not a whole number: ' || {name}::varchar) end"
    )


def _instant(column: Column, type_: str) -> str:
    name = identifier(column.name)
    return (
        f"{name}::timestamp" if type_.startswith("TIMESTAMP") else f"{name}::varchar::timestamptz::timestamp"
    )


_CONVERT: dict[str, Callable[[Column, str], str]] = {
    "BIGINT": _integer,
    "INTEGER": _integer,
    "TIMESTAMP": _instant,
}

"""The raw relations `flat` and `ocsf`, as DuckDB reads them from evidence objects of any format.

Objects are read in groups of one format and one schema, and each column is turned into its layout's type whatever the
object's own is: an integer stays exact, an instant is UTC, a string is text. What does not convert raises a DuckDB
error, for which `diagnose` finds the object, the row, the column and the value.
"""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
from duckdb.sqltypes import VARCHAR

from reports.errors import InvalidEvidence
from reports.evidence import Layout, Located

Type = (
    Any  # DuckDB's own description of a type; its stubs do not tell the types with children from the others
)

INTEGERS = {"tinyint", "smallint", "integer", "bigint", "utinyint", "usmallint", "uinteger", "ubigint"}
NUMBERS = INTEGERS | {"hugeint", "uhugeint", "decimal", "double"}
INSTANTS = {"timestamp", "timestamp_s", "timestamp_ms", "date"}
FINE = {"TIMESTAMP_NS", "TIMESTAMPTZ_NS"}

_WHOLE = "[+-]?[0-9]+([.]0*)?"
_NUMBER = "[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?"
_INSTANT = (
    "[0-9]{4}-[0-9]{2}-[0-9]{2}"
    "([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?( ?(Z|UTC|[+-][0-9]{2}(:?[0-9]{2})?))?)?"
)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a layout, by its path in a row (`finding_info.types[0]`), and its type.

    `text`, `integer` (64 bits), `number` (a double), `instant` (a timestamp in UTC), or `milliseconds` since 1970 (an
    integer, or a timestamp of the object's own).
    """

    name: str
    type: str

    @property
    def path(self) -> tuple[str | int, ...]:
        """The names and places (from 0) that lead to it."""
        steps = re.findall(r"([^.\[\]]+)|\[(\d+)\]", self.name)
        return tuple(name or int(place) for name, place in steps)


FLAT = (
    Column("detection_id", "text"),
    Column("revised_at", "instant"),
    Column("status", "text"),
    Column("account_id", "text"),
    Column("campaign_id", "text"),
    Column("first_seen", "instant"),
    Column("last_seen", "instant"),
    Column("exchange_count", "integer"),
    Column("output_tokens", "integer"),
    Column("capability", "text"),
    Column("detector", "text"),
    Column("detector_version", "text"),
    Column("confidence", "number"),
    Column("network", "text"),
    Column("country", "text"),
)

OCSF = (
    Column("class_uid", "integer"),
    Column("status_id", "integer"),
    Column("time", "milliseconds"),
    Column("start_time", "milliseconds"),
    Column("end_time", "milliseconds"),
    Column("count", "integer"),
    Column("confidence_score", "number"),
    Column("finding_info.uid", "text"),
    Column("finding_info.modified_time", "milliseconds"),
    Column("finding_info.first_seen_time", "milliseconds"),
    Column("finding_info.last_seen_time", "milliseconds"),
    Column("finding_info.analytic.name", "text"),
    Column("finding_info.analytic.version", "text"),
    Column("finding_info.types[0]", "text"),
    Column("evidences[0].actor.user.uid", "text"),
    Column("unmapped.campaign_id", "text"),
    Column("unmapped.output_tokens", "integer"),
    Column("unmapped.network", "text"),
    Column("unmapped.country", "text"),
)

CLASS = OCSF[0]
COLUMNS: dict[Layout, tuple[Column, ...]] = {"flat": FLAT, "ocsf": OCSF}
_TOP = {layout: tuple(dict.fromkeys(str(c.path[0]) for c in columns)) for layout, columns in COLUMNS.items()}
_SQL_TYPES = {
    "text": "varchar",
    "integer": "bigint",
    "number": "double",
    "instant": "timestamp",
    "milliseconds": "bigint",
}
_NOWHERE: Mapping[str, int] = {}
# The partition's day as the layout's own column, from an object's path below the root
_PARTITION: dict[Layout, tuple[str, str]] = {
    "flat": ("event_day", "/event_day=([^/]+)/"),
    "ocsf": ("eventday", "(?i)/accountid=[^/]+/eventday=([^/]+)/"),
}


@dataclass(frozen=True, slots=True)
class Source:
    """Objects of one format and one schema: the table function that reads them, and its columns' types.

    `files` are the paths of the objects, in the order in which the function reads them.
    """

    layout: Layout
    table: str
    types: Mapping[str, Type]
    files: Sequence[str] = ()

    def value(self, column: Column) -> str:
        """The expression of a column in its canonical type; null where the objects do not have it.

        A row of OCSF that does not tell its class is an error, for it would be passed over unnoticed.
        """
        found = self.find(column)
        value = _CONVERT[column.type](*found) if found else f"null::{_SQL_TYPES[column.type]}"
        if column is not CLASS:
            return value
        missing = f"'missing' || coalesce({found[0] if found else 'null'}::varchar, '')"
        return f"coalesce({value}, cast({missing} as bigint))"

    def find(self, column: Column) -> tuple[str, Type] | None:
        """The expression of a column as it is, and its type; None where the objects do not have it, or nulls alone."""
        top, *inner = (column.name,) if column.name in self.types else column.path
        return _step(identifier(str(top)), self.types[str(top)], inner) if top in self.types else None

    @property
    def among(self) -> str:
        """The condition on the rows that are this layout's: other classes of OCSF share its folders, and may differ."""
        return "true" if self.layout == "flat" else f"{self.value(CLASS)} = 2004"


@contextmanager
def connection(
    root: Path, spill: str, memory_limit: str, **settings: bool | int | str
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database in memory that can read below `root` and write below `spill`, and nothing else."""
    con = duckdb.connect(
        config={
            "memory_limit": memory_limit,
            "temp_directory": spill,
            "preserve_insertion_order": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "checkpoint_threshold": "1TB",  # nothing here outlives the connection
            **settings,
        }
    )
    try:
        allowed = ", ".join(quoted(path) for path in (str(root), _literal(str(root)), spill))
        con.execute(f"set allowed_directories = [{allowed}]")
        con.execute(
            "set enable_progress_bar = false; set enable_external_access = false; set TimeZone = 'UTC'"
        )
        con.execute("set lock_configuration = true")
        yield con
    finally:
        con.close()


def relation(
    con: duckdb.DuckDBPyConnection,
    root: Path,
    objects: Sequence[Located],
    places: Mapping[str, int] = _NOWHERE,
) -> str:
    """The SELECT that reads objects of one layout as its raw relation, under an absolute `root`.

    Every column is in its canonical type, and null where an object does not have it. Besides `"$path"` there
    is `place` if `places` are given: the place of the object that a row is from, by its name.
    """
    layout = objects[0].layout
    parts = [_select(source, root, places) for source in sources(con, root, objects)]
    none = "(select '' as \"$path\", 0 as file_index limit 0)"
    return " union all ".join(parts or [_select(Source(layout, none, {}), root, places)])


def _select(source: Source, root: Path, places: Mapping[str, int]) -> str:
    tree: dict[str | int, Any] = {}
    for column in COLUMNS[source.layout]:
        node = tree
        for step in column.path[:-1]:
            node = node.setdefault(step, {})
        node[column.path[-1]] = source.value(column)
    day, pattern = _PARTITION[source.layout]
    columns = [
        f'regexp_extract(substr("$path", {len(str(root)) + 1}), {quoted(pattern)}, 1) as {day}',
        *(f"{_nested(node)} as {identifier(str(name))}" for name, node in tree.items()),
        '"$path"',
    ]
    if places:
        columns.append(f"{_place([places[file[len(str(root)) + 1 :]] for file in source.files])} as place")
    return f"select {', '.join(columns)} from {source.table} where {source.among}"


def _place(places: Sequence[int]) -> str:
    """The place of the object that a row is from, by its number among the objects that are read together."""
    first = places[0] if places else 0
    if list(places) == list(range(first, first + len(places))):
        return f"(file_index + {first})::uinteger"
    return f"{list(places)}[file_index::bigint + 1]::uinteger"


def _nested(node: str | dict[str | int, Any]) -> str:
    if isinstance(node, str):
        return node
    if 0 in node:
        return f"[{_nested(node[0])}]"
    return "{" + ", ".join(f"{quoted(str(name))}: {_nested(inner)}" for name, inner in node.items()) + "}"


def sources(con: duckdb.DuckDBPyConnection, root: Path, objects: Iterable[Located]) -> Iterator[Source]:
    """Objects of one layout, grouped by format and schema; those of text formats that are empty hold no row."""
    by_format = sorted(objects, key=lambda o: (o.format, o.name))
    for format_, of_format in itertools.groupby(by_format, lambda o: o.format):
        yield from _SOURCES[format_](con, root, list(of_format))


def _parquet(con: duckdb.DuckDBPyConnection, root: Path, objects: Sequence[Located]) -> Iterator[Source]:
    schemas = con.execute(
        "select list(file order by file) from (select file_name as file, list((name, duckdb_type, num_children) "
        f"order by column_id) as schema from parquet_schema({_files(root, objects)}) group by 1) group by schema"
    ).fetchall()
    for (files,) in schemas:
        table = _table("read_parquet", listed(map(_literal, files)))
        described = con.sql(f"from {table}")
        types = dict(zip(described.columns, described.types, strict=True))
        yield Source(objects[0].layout, table, types, files)


def _json(con: duckdb.DuckDBPyConnection, root: Path, objects: Sequence[Located]) -> Iterator[Source]:
    """All of JSON as text: what is nested is taken from its text, so that a row's shape is its own affair."""
    layout = objects[0].layout
    present = [o for o in objects if o.size or o.name.endswith(".gz")]
    types = ", ".join(f"{quoted(name)}: 'VARCHAR'" for name in _TOP[layout])
    options = f"format = 'newline_delimited', records = true, columns = {{{types}}}"
    for compression in ("none", "gzip"):  # told, for DuckDB takes what follows a `?` for no part of the name
        alike = [o for o in present if o.name.endswith(".gz") == (compression == "gzip")]
        if alike:
            table = _table("read_json", _files(root, alike), f", {options}, compression = '{compression}'")
            yield Source(layout, table, dict.fromkeys(_TOP[layout], VARCHAR), _paths(root, alike))


def _csv(con: duckdb.DuckDBPyConnection, root: Path, objects: Sequence[Located]) -> Iterator[Source]:
    """The header is read here, for nothing to be guessed: columns of other names are read, and left."""
    layout = objects[0].layout
    headers = {o: header(root, o) for o in objects if o.size}
    for names in sorted(set(headers.values())):
        alike = [o for o in objects if headers.get(o) == names]
        columns = [name if name in _wanted(layout) else f" {place}" for place, name in enumerate(names)]
        types = ", ".join(f"{quoted(name)}: 'VARCHAR'" for name in columns)
        options = (
            f", columns = {{{types}}}, auto_detect = false, header = true, nullstr = '', delim = ',', quote = '\"', "
            "escape = '\"', compression = 'none'"
        )
        table = _table("read_csv", _files(root, alike), options)
        yield Source(layout, table, dict.fromkeys(columns, VARCHAR), _paths(root, alike))


def header(root: Path, located: Located) -> tuple[str, ...]:
    """The names of a CSV object's columns; raises `InvalidEvidence` where none is the layout's, or one is twice."""
    try:
        with (root / located.name).open(encoding="utf-8-sig", errors="replace", newline="") as file:
            names = tuple(next(csv.reader(file, strict=True), ()))
    except (OSError, csv.Error) as error:
        raise InvalidEvidence(f"{located.name}: line 1 is no CSV header: {error}") from None
    wanted = _wanted(located.layout)
    if wanted.isdisjoint(names):
        raise InvalidEvidence(f"{located.name}: line 1 names no column of the layout: put a CSV header there")
    for name in sorted(wanted):
        if names.count(name) > 1:
            raise InvalidEvidence(f"{located.name}: column {name} is there twice: keep one of them")
    return names


def _wanted(layout: Layout) -> set[str]:
    return {*_TOP[layout], *(column.name for column in COLUMNS[layout])}


_SOURCES: dict[str, Callable[[duckdb.DuckDBPyConnection, Path, Sequence[Located]], Iterator[Source]]] = {
    "parquet": _parquet,
    "json": _json,
    "csv": _csv,
}


def _table(function: str, files: str, options: str = "") -> str:
    return f"{function}({files}, filename = '$path', hive_partitioning = false{options})"


def _files(root: Path, objects: Iterable[Located]) -> str:
    return listed(map(_literal, _paths(root, objects)))


def _paths(root: Path, objects: Iterable[Located]) -> list[str]:
    return [str(root / o.name) for o in objects]


def _literal(path: str) -> str:
    """A path that stands for itself alone, though it may hold the characters of a pattern."""
    return re.sub(r"[*?\[]", r"[\g<0>]", path)


def quoted(text: str) -> str:
    """A string as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def listed(texts: Iterable[str]) -> str:
    """Strings as an SQL list."""
    return f"[{', '.join(map(quoted, texts))}]"


def identifier(name: str) -> str:
    """A column's name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def _step(value: str, type_: Type, path: Sequence[str | int]) -> tuple[str, Type] | None:
    """Follow a path into a value of a type: through structs, maps, lists, and JSON kept as text."""
    if not path:
        # DuckDB cannot take nulls of no type out of a struct
        return None if type_.id == "null" else (value, type_)
    if type_.id == "varchar":
        return f"json_extract_string({value}, {quoted(_json_path(path))})", VARCHAR
    step, *rest = path
    children = dict(type_.children) if type_.id in {"struct", "map", "list"} else {}
    if type_.id == "struct" and step in children:
        return _step(f"struct_extract({value}, {quoted(str(step))})", children[step], rest)
    if type_.id == "map" and isinstance(step, str):
        return _step(f"{value}[{quoted(step)}]", children["value"], rest)
    if type_.id == "list" and isinstance(step, int):
        return _step(f"{value}[{step + 1}]", children["child"], rest)
    return None


def _json_path(path: Sequence[str | int]) -> str:
    return "$" + "".join(f"[{step}]" if isinstance(step, int) else f'."{step}"' for step in path)


def _text(value: str, type_: Type) -> str:
    if type_.id == "varchar":
        return value
    return f"decode({value})" if type_.id == "blob" else f"{value}::varchar"


def _integer(value: str, type_: Type) -> str:
    return f"{value}::bigint" if type_.id in INTEGERS else f"{_matching(value, _WHOLE)}::bigint"


def _number(value: str, type_: Type) -> str:
    """A number as a double; a single-precision one is the decimal that it is written as.

    NaN is refused here, for the statistics of Parquet leave it out, and comparisons go by them.
    """
    if type_.id == "double":
        return f"case when isnan({value}) then ('!' || {value}::varchar)::double else {value} end"
    return f"{value}::double" if type_.id in NUMBERS else f"{_matching(value, _NUMBER)}::double"


def _instant(value: str, type_: Type) -> str:
    """A timestamp in UTC; what is finer than a microsecond is cut, as in text."""
    if str(type_).upper() in FINE:
        return f"make_timestamp(epoch_ns({value}) // 1000)"  # a cast would round up, at midnight into the next day
    if type_.id in INSTANTS:
        return value if type_.id == "timestamp" else f"{value}::timestamp"
    if str(type_).upper().startswith("TIMESTAMP"):  # with a zone: a cast would go by the calendar, row by row
        return f"make_timestamp(epoch_us({value}))"
    return f"make_timestamp(epoch_us({_matching(value, _INSTANT)}::timestamptz))"


def _milliseconds(value: str, type_: Type) -> str:
    if str(type_).upper().startswith("TIMESTAMP"):
        return f"epoch_ms({_instant(value, type_)})"
    return _integer(value, type_)


_CONVERT: dict[str, Callable[[str, Type], str]] = {
    "text": _text,
    "integer": _integer,
    "number": _number,
    "instant": _instant,
    "milliseconds": _milliseconds,
}


def _matching(value: str, pattern: str) -> str:
    """A value's text where it matches, without spaces around it, else a text that no cast takes."""
    text = f"trim({value}::varchar)"
    return f"case when regexp_full_match({text}, {quoted(pattern)}) then {text} else '!' || {text} end"

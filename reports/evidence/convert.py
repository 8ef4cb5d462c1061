"""Expressions, in DuckDB's dialect, of values of any type in the type of their column.

An integer stays exact, an instant is UTC, a string is text. A label is text, or a whole number that its type holds
exactly; a number in JSON is its text as written. What does not convert raises a DuckDB error, for which `diagnose`
finds the object, the row, the column and the value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from duckdb.sqltypes import VARCHAR

from reports.core.errors import InvalidEvidence
from reports.evidence.columns import Column, Step

Type = (
    Any  # DuckDB's own description of a type; its stubs do not tell the types with children from the others
)

INTEGERS = {"tinyint", "smallint", "integer", "bigint", "utinyint", "usmallint", "uinteger", "ubigint"}
WIDE = {"hugeint", "uhugeint"}
NUMBERS = INTEGERS | WIDE | {"decimal", "double"}
INSTANTS = {"timestamp", "timestamp_s", "timestamp_ms", "date"}
FINE = {"TIMESTAMP_NS", "TIMESTAMPTZ_NS"}
EXACT = {"double": 2**53, "float": 2**24}
"""Below this, a whole floating-point number is exactly what was written."""
SQL_TYPES = {
    **dict.fromkeys(("id", "heading", "text"), "varchar"),
    "integer": "bigint",
    "number": "double",
    "instant": "timestamp",
    "milliseconds": "bigint",
}

_WHOLE = "[+-]?[0-9]+([.]0*)?"
_NUMBER = "[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?"
_INSTANT = (
    "[0-9]{4}-[0-9]{2}-[0-9]{2}"
    "([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?"
    "( ?(Z|UTC|[+-](0[0-9]|1[0-3])(:?[0-5][0-9])?|[+-]14(:?00)?))?)?"
)
_AROUND = r"[\p{Z}\t-\r\x{85}\x{feff}]*"  # white space, and byte order marks
_DIGITS = "(?:0|[1-9][0-9]*)"
WHOLE_ID = f"{_AROUND}(?:{_DIGITS}(?:[.]0)?)?{_AROUND}"
POINT_ZERO = f"{_AROUND}{_DIGITS}[.]0{_AROUND}"


def quoted(text: str) -> str:
    """A string as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def listed(texts: Iterable[str]) -> str:
    """Strings as an SQL list."""
    return f"[{', '.join(map(quoted, texts))}]"


def identifier(name: str) -> str:
    """A column's name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def json_path(path: Iterable[Step]) -> str:
    """A path as DuckDB's functions of JSON take it."""
    return "$" + "".join(f"[{step}]" if isinstance(step, int) else f'."{step}"' for step in path)


def follow(value: str, type_: Type, path: Sequence[Step]) -> tuple[str, Type] | None:
    """Follow a path into a value of a type: through structs, maps, lists, and JSON kept as text.

    None if the way ends, or in nulls of no type, which DuckDB cannot take out of a struct. Raises `InvalidEvidence`
    for a type that cannot hold what the path leads to.
    """
    if type_.id in {"null", '"null"', "sqlnull"}:
        return None
    if not path:
        return value, type_
    if type_.id == "varchar":
        return f"json_extract_string({value}, {quoted(json_path(path))})", VARCHAR
    step, *rest = path
    if isinstance(step, int) and type_.id == "list":
        return follow(f"{value}[{step + 1}]", dict(type_.children)["child"], rest)
    if isinstance(step, str) and type_.id == "map":
        return follow(f"{value}[{quoted(step)}]", dict(type_.children)["value"], rest)
    if isinstance(step, str) and type_.id == "struct":
        inner = dict(type_.children).get(step)
        return inner and follow(f"struct_extract({value}, {quoted(step)})", inner, rest)
    raise InvalidEvidence(
        f"{type_} cannot hold {step!r}: write an object of keys and values, or a list, there"
    )


def converted(column: Column, value: str, type_: Type) -> str:
    """The expression of a column's value in its canonical type."""
    return _CONVERT[column.type](value, type_)


def label_in_json(column: Column, value: str, type_: str, json: str) -> str:
    """A label from JSON, from expressions for its text, its type as DuckDB names it, and the whole text.

    DuckDB reads a number and writes it again, `1.10` as `1.1`: so its digits are looked for, among all numbers of such
    a key the one that is as large. If they cannot be found, the value is null.
    """
    key = [step for step in column.path if isinstance(step, str)][-1]
    within = "\\[\\s*" if isinstance(column.path[-1], int) else ""
    pattern = f'"{key}"\\s*:\\s*{within}(-?[0-9][-+.0-9eE]*)'
    texts = f"regexp_extract_all({json}, {quoted(pattern)}, 1)"
    found = f"list_distinct(list_filter({texts}, lambda text: try_cast(text as double) = {value}::double))"
    written = f"case when len({found}) = 1 then {found}[1] else {_none(value)} end"
    if column.type == "id":
        written = _whole_id(written)
    return (
        f"case when {value} is null or {type_} in ('VARCHAR', 'UBIGINT', 'BIGINT') then {value} "
        f"when {type_} = 'DOUBLE' then {written} else {_none(value)} end"
    )


def without_point_zero(value: str) -> str:
    """The text of an id of CSV without a trailing `.0`."""
    return f"regexp_replace({value}, {quoted(f'[.]0({_AROUND})$')}, '\\1')"


def _whole_id(written: str) -> str:
    """A number as an id: its digits if it is whole, and below 2^53 if it is written with a fraction."""
    digits = f"regexp_extract({written}, '^(-?[1-9][0-9]*|0)([.]0+)?$', 1)"
    below = f"abs(try_cast({digits} as hugeint)) < {EXACT['double']}"
    exact = f"(not contains({written}, '.') or {below})"
    return f"case when {digits} <> '' and {exact} then {digits} else {_none(written)} end"


def _none(value: str) -> str:
    """An error that shows the value, typed as text."""
    return f"('!' || left({value}::varchar, 60))::bigint::varchar"


def _refused(value: str) -> str:
    return f"case when {value} is not null then {_none(value)} end"


def _text(value: str, type_: Type) -> str:
    if type_.id == "varchar":
        return value
    return f"decode({value})" if type_.id == "blob" else f"{value}::varchar"


def _heading(value: str, type_: Type) -> str:
    if type_.id in INTEGERS | WIDE | {"varchar", "blob", "uuid", "enum"} or _is_whole_decimal(type_):
        return _text(value, type_)
    return _refused(value)


def _id(value: str, type_: Type) -> str:
    if type_.id not in EXACT and (type_.id != "decimal" or _is_whole_decimal(type_)):
        return _heading(value, type_)
    exact = (
        f"{value} = trunc({value}) and abs({value}) < {EXACT[type_.id]}"
        if type_.id in EXACT
        else f"{value} = trunc({value})"
    )
    digits = f"{value}::hugeint::varchar"
    return f"case when {value} is null then null when {exact} then {digits} else {_none(value)} end"


def _is_whole_decimal(type_: Type) -> bool:
    return type_.id == "decimal" and bool(dict(type_.children)["scale"] == 0)


def _integer(value: str, type_: Type) -> str:
    """A 64-bit integer; written with a fraction only where a double holds it exactly."""
    if type_.id in INTEGERS:
        return f"{value}::bigint"
    whole = f"{_matching(value, _WHOLE)}::bigint"
    if type_.id == "decimal":
        return whole
    exact = f"not contains({value}::varchar, '.') or abs({whole}) < {EXACT['double']}"
    return f"case when {exact} then {whole} else ('!' || {value}::varchar)::bigint end"


def _number(value: str, type_: Type) -> str:
    """A number as a double; a single-precision one becomes the decimal that it is written as.

    NaN is refused here, for the statistics of Parquet leave it out, and comparisons go by them.
    """
    if type_.id == "double":
        return f"case when isnan({value}) then ('!' || {value}::varchar)::double else {value} end"
    return f"{value}::double" if type_.id in NUMBERS else f"{_matching(value, _NUMBER)}::double"


def _instant(value: str, type_: Type) -> str:
    """A timestamp in UTC; what is finer than a microsecond is cut, as in text."""
    if str(type_).upper() in FINE:
        return f"make_timestamp(epoch_ns({value}) // 1000)"
    if type_.id in INSTANTS:
        return value if type_.id == "timestamp" else f"{value}::timestamp"
    if str(type_).upper().startswith("TIMESTAMP"):  # with a zone: a cast would go by the calendar, row by row
        return f"make_timestamp(epoch_us({value}))"
    return f"make_timestamp(epoch_us({_matching(value, _INSTANT)}::timestamptz))"


def _milliseconds(value: str, type_: Type) -> str:
    if str(type_).upper().startswith("TIMESTAMP"):
        return f"epoch_ms(({_instant(value, type_)})::timestamp_ms::timestamp)"
    return _integer(value, type_)


_CONVERT: dict[str, Callable[[str, Type], str]] = {
    "id": _id,
    "heading": _heading,
    "text": _text,
    "integer": _integer,
    "number": _number,
    "instant": _instant,
    "milliseconds": _milliseconds,
}


def _matching(value: str, pattern: str) -> str:
    """A value's trimmed text if it matches, else a text that no cast accepts."""
    text = f"trim({value}::varchar)"
    return f"case when regexp_full_match({text}, {quoted(pattern)}) then {text} else '!' || {text} end"

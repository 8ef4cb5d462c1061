"""The tables `flat` and `ocsf` over evidence in S3, as Athena and Trino read them, and statements over them.

A table of JSON has one column, the line: Hive's own readers of JSON take the first of two objects on a line, cut
12.9 to 12, and stop at a blank line. So lines are parsed in the statement. A row that holds something that cannot be
read has no status, which no rule of the layout allows: it is counted as unsound, and refused with its object.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from functools import cache
from typing import Any, Literal

from reports.evidence import questions, transpile
from reports.evidence.columns import CLASS, COLUMNS, JOINED, KEYS, WAYS, Column, Layout, Path, Step, folded

Format = Literal["parquet", "json"]
FORMATS: tuple[Format, ...] = ("parquet", "json")
TYPES: Mapping[str, str] = {
    **dict.fromkeys(("id", "heading", "text"), "varchar"),
    **dict.fromkeys(("integer", "milliseconds"), "bigint"),
    "number": "double",
    "instant": "timestamp(3)",
}
"""Trino's type of each type of column."""
PARTITIONS: Mapping[Layout, tuple[tuple[str, str], ...]] = {
    "flat": (("event_day", "date"),),
    "ocsf": (("source", "varchar"), ("region", "varchar"), ("accountid", "varchar"), ("eventday", "varchar")),
}
"""The columns of each table's partitions, with Trino's types."""
_DAY: Mapping[Layout, str] = {"flat": "event_day", "ocsf": "eventday"}
_DELIVERED: Mapping[Layout, str] = {
    "flat": "event_day",
    "ocsf": "cast(date_parse(eventday, '%Y%m%d') as date)",
}
_OBJECT: Mapping[Layout, str] = {
    "flat": "^.*/(detections/event_day=.+)$",
    "ocsf": "^.*/(ext/[^/]+/([^/]+/)*[rR][eE][gG][iI][oO][nN]=.+)$",
}
_STATUS: Mapping[Layout, str] = {"flat": "status", "ocsf": "status_id"}
MAP = "unmapped"  # the one column of Parquet that holds text by key
_MAP_OF = {"campaign_id", "output_tokens"}  # what is in it
EXACT = 2**53
PATH = '"$path"'
_NO_BLANK = " where line is null or trim(both ' ' || chr(9) from line) <> ''"
# `$` would also match before a line feed at the end.
# Without question marks: these are parameters to people, and to simple tools
_NUMBER = "'^[+-]{0,1}([0-9]+[.]{0,1}[0-9]*|[.][0-9]+)([eE][+-]{0,1}[0-9]+){0,1}\\z'"
_DAY_TEXT = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_CLOCK = "[0-9]{2}:[0-9]{2}"
_ZONE = "Z| UTC|[+-](0[0-9]|1[0-3])(:{0,1}[0-5][0-9]){0,1}|[+-]14(:{0,1}00){0,1}"
_TIME = f"[T ]({_CLOCK})(:[0-9]{{2}}){{0,1}}([.][0-9]+){{0,1}}({_ZONE}){{0,1}}"
_INSTANT = f"'^({_DAY_TEXT})({_TIME}){{0,1}}\\z'"
_IN_STRING = r'([^"\\]|\\.)*'
_ESCAPED_KEY = rf"""'"{_IN_STRING}\\u00[2-7][0-9a-fA-F]{_IN_STRING}"\s*:'"""
LOST, TWICE = "lost", "twice"
"""The names of what no statement can judge in a line of JSON."""
NO_NAMES = "cast(array[] as array(varchar))"
_LOST = "chr(65533)"  # what stands for bytes that are no UTF-8


def statement(name: str, format_: Format, *layouts: Layout) -> str:
    """A question as one statement over the tables of a format, in Trino's dialect."""
    raw = ",\n".join(f"{layout} as (\n{relation(layout, format_)}\n)" for layout in layouts)
    return questions.statement(name, *layouts).replace("with ", f"with {raw},\n", 1)


def cells(name: str, format_: Format, within: str) -> str:
    """The statement that gives the cells of a question over the table `flat`, each also by the column `within`."""
    of_latest = questions.over_latest(transpile.also_by(f"{name}.cells.sql", within), "flat")
    return of_latest.replace("with ", f"with flat as (\n{relation('flat', format_)}\n),\n", 1)


def objects(layout: Layout, format_: Format) -> str:
    """The statement that tells which objects of some days a table shows: how many rows each has, and odd names in them.

    An odd name is one that may be nearly that of a column: `PATH NAME`, for `columns.mistake` to judge. The two `?` are
    the first day and the last.
    """
    rows = _select(
        [f"{PATH} as place", f"{_odd(layout, format_)} as odd", f"{_DELIVERED[layout]} as day"],
        _parsed(layout, format_, blank=True),
    )
    selected = [
        f"coalesce(regexp_extract(place, '{_OBJECT[layout]}', 1), place) as object",
        "count(*) as delivered",
        "json_format(cast(array_distinct(flatten(array_agg(odd))) as json)) as odd_names",
    ]
    days = "where day between cast(? as date) and cast(? as date)"
    counted = f"{_select(selected, f'{layout}_rows')}\n{days}\ngroup by 1\norder by 1"
    return f"with {layout}_rows as (\n{rows}\n)\n{counted}\n"


@cache
def relation(layout: Layout, format_: Format) -> str:
    """The SELECT that reads a table as its layout's raw relation."""
    return _lines(layout) if format_ == "json" else _columns(layout)


# ---- Parquet: columns --------------------------------------------------------------------------------------------


def column_types(layout: Layout) -> Mapping[str, str]:
    """Trino's types of the columns of a table of Parquet."""
    return {str(top): _type(node) for top, node in _tree(layout).items()}


def _tree(layout: Layout) -> dict[Step, Any]:
    """The columns of a layout, by the steps that lead to them."""
    tree: dict[Step, Any] = {}
    for column in COLUMNS[layout]:
        node = tree
        for step in column.path[:-1]:
            node = node.setdefault(step, {})
        node[column.path[-1]] = column
    return tree


def _columns(layout: Layout) -> str:
    if layout == "flat":
        texts = [column.name for column in COLUMNS[layout] if TYPES[column.type] == "varchar"]
        selected = [f"{_kept(c.name, layout)} as {_name(c.name)}" for c in COLUMNS[layout]]
        return _select(
            [_DAY[layout], *selected, PATH], _with_readable([whole(text) for text in texts], layout)
        )
    texts = [
        *("finding_info.uid", "finding_info.analytic.name", "finding_info.analytic.version"),
        "element_at(finding_info.types, 1)",
        "element_at(evidences, 1).actor.user.uid",
        *(f"element_at(unmapped, '{key}')" for key in ("campaign_id", "network", "country")),
    ]
    tokens = f"element_at({MAP}, 'output_tokens')"
    conditions = [
        "class_uid is not null",
        *map(whole, texts),
        f"({tokens} is null or ({integer(tokens)}) is not null)",
    ]
    tops = dict.fromkeys(str(column.path[0]) for column in COLUMNS[layout])
    kept = {
        CLASS.name: "coalesce(class_uid, 2004)",
        MAP: f"transform_values({MAP}, (key, value) -> case when key = 'output_tokens' then "
        f"cast(({integer('value')}) as varchar) else value end)",
    }
    selected = [f"{kept.get(top) or _kept(top, layout)} as {_name(top)}" for top in tops]
    return _select([_DAY[layout], *selected, PATH], _with_readable(conditions, layout))


def _with_readable(conditions: Sequence[str], layout: Layout) -> str:
    """A table of Parquet, with whether each row is readable."""
    return f"({_select(['*', PATH, f'coalesce({_all(conditions)}, false) as readable'], layout)}) as judged"


def whole(text: str) -> str:
    """Whether a text is UTF-8, or there is none."""
    return f"({text} is null or from_utf8(to_utf8({text})) = {text})"


def _kept(name: str, layout: Layout) -> str:
    return f"case when readable then {name} end" if name == _STATUS[layout] else _name(name)


# ---- JSON: lines -------------------------------------------------------------------------------------------------


def _lines(layout: Layout) -> str:
    """Each column is taken from the text of its line by its type."""
    columns = COLUMNS[layout]
    selected = [f"{_nested(node, layout)} as {_name(str(top))}" for top, node in _tree(layout).items()]
    values = _select(
        [_DAY[layout], PATH, "json", "once", "whole", *(f"{_value(c)} as {_of('value', c)}" for c in columns)]
        + [_of("kind", c) for c in columns],
        _taken(layout),
    )
    judged = _select(
        ["*", f"coalesce({_all(_readable(layout))}, false) as readable"], f"({values}) as valued"
    )
    among = "" if layout == "flat" else f"\nwhere {_of('value', CLASS)} = 2004 or not readable"
    return _select([_DAY[layout], *selected, PATH], f"({judged}) as judged") + among


def _taken(layout: Layout) -> str:
    """The text of each column and the first character of it in JSON, which tells its kind."""
    columns = COLUMNS[layout]
    taken = [f"json_extract_scalar(line, '{json_path(c.path)}') as {_of('text', c)}" for c in columns]
    kinds = [f"{kind_at(c.path)} as {_of('kind', c)}" for c in columns]
    text = [f"{once(layout)} as once", f"strpos(line, {_LOST}) = 0 and not ({lone()}) as whole"]
    selected = [_DAY[layout], PATH, "json", *text, *taken, *kinds]
    return f"({_select(selected, _parsed(layout, 'json'))}) as taken"


def _parsed(layout: Layout, format_: Format, *, blank: bool = False) -> str:
    """The table, a column `json` beside each line; blank lines are no rows, unless they are asked for."""
    if format_ == "parquet":
        return layout
    parsed = _select(
        [*(name for name, _ in PARTITIONS[layout]), PATH, "line", "try(json_parse(line)) as json"], layout
    )
    return f"({parsed}{'' if blank else _NO_BLANK}) as parsed"


def _readable(layout: Layout) -> list[str]:
    ways = [
        f"coalesce({kind_at(path)} in ('{kind}', 'n'), true)"
        for path, wanted in WAYS[layout].items()
        if path and (kind := {"OBJECT": "{", "ARRAY": "["}[wanted])
    ]
    values = [
        f"(coalesce({_of('kind', c)}, 'n') = 'n' or {_of('value', c)} is not null)" for c in COLUMNS[layout]
    ]
    row = [f"{kind_at(())} = '{{'", "whole"]
    if layout == "flat":
        return [*row, "once", *ways, *values]
    known = f"{_of('value', CLASS)} is not null"
    return [*row, known, f"({_of('value', CLASS)} <> 2004 or ({_all(['once', *ways, *values])}))"]


def once(layout: Layout, line: str = "line", json: str = "json", also: Set[str] = frozenset()) -> str:
    """Whether no known key is twice in an object, or written with escapes: `json_parse` keeps the last one."""
    names = "|".join(sorted({*also, *(name for known in KEYS[layout].values() for name in known)}))
    found = (
        f"cardinality(regexp_extract_all({text}, '\"({names})\"\\s*:'))"
        for text in (line, f"json_format({json})")
    )
    return (
        f"({' = '.join(found)} and not (strpos({line}, '\\u00') > 0 and regexp_like({line}, {_ESCAPED_KEY})))"
    )


def lone(line: str = "line") -> str:
    """Whether a line has half of a pair of escapes: two of them are one character."""
    plain = rf"regexp_replace({line}, '\\\\')"
    pairs = r"regexp_replace(" + plain + r", '\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}')"
    return f"regexp_like({pairs}, '\\\\u[dD][89a-fA-F]')"


def kind_at(path: Path, json: str = "json") -> str:
    """The first character of what is at a path in JSON, which tells its kind."""
    return f"substr(json_format(json_extract({json}, '{json_path(path)}')), 1, 1)"


def json_path(path: Path) -> str:
    """A path as Trino's functions of JSON take it."""
    return "$" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)


def _of(what: str, column: Column) -> str:
    return f'"{what} of {column.name}"'


def _value(column: Column) -> str:
    return json_value(column.type, _of("text", column), _of("kind", column))


def json_value(type_: str, text: str, kind: str) -> str:
    """A scalar of JSON as a type of `columns`; `kind` is its first character. Null for what cannot be read so."""
    number = f"({kind} = '-' or {kind} between '0' and '9')"
    if type_ in ("integer", "milliseconds"):
        return integer(text, number)
    if type_ == "number":
        return number_of(text)
    if type_ == "instant":
        return instant(text)
    if type_ == "id":
        below = f"abs(try_cast({text} as double)) < {EXACT}"
        fraction = f"regexp_like({text}, '^(-{{0,1}}[1-9][0-9]*|0)[.]0+\\z') and {below}"
        return (
            f"case when {kind} = '\"' then {text} when {number} then case when {text} = '-0' then '0' "
            f"when regexp_like({text}, '^(-{{0,1}}[1-9][0-9]*|0)\\z') then {text} "
            f"when {fraction} then regexp_replace({text}, '[.]0+$') end end"
        )
    if type_ == "heading":
        return f"case when {kind} = '\"' then {text} when {number} then if({text} = '-0', '0', {text}) end"
    return text


def number_of(text: str) -> str:
    """A text as a double; null for what is not a number."""
    plain = f"trim(both ' ' from {text})"
    return f"case when regexp_like({plain}, {_NUMBER}) then try_cast({plain} as double) end"


def integer(value: str, number: str = "false") -> str:
    """A text as a whole number of 64 bits; with a fraction or, in a `number` of JSON, an exponent, below 2^53."""
    text = f"trim(both ' ' from {value})"
    exact = f"abs(try_cast({text} as double)) < {EXACT}"
    return (
        f"case when regexp_like({text}, '^[+-]{{0,1}}[0-9]+\\z') then try_cast({text} as bigint) "
        f"when regexp_like({text}, '^[+-]{{0,1}}[0-9]+[.]0*\\z') and {exact} "
        f"then try_cast(regexp_replace({text}, '[.]0*$') as bigint) "
        f"when {number} and {exact} and try_cast({text} as double) = truncate(try_cast({text} as double)) "
        f"then try_cast(try_cast({text} as double) as bigint) end"
    )


def instant(text: str) -> str:
    """An instant of ISO 8601 in UTC; what has no zone is in UTC."""
    parts = [f"regexp_extract(trim(both ' ' from {text}), {_INSTANT}, {group})" for group in (1, 3, 4, 5, 6)]
    day, clock, seconds, fraction, zone = parts
    hours = (
        f"case when {zone} = ' UTC' then 'Z' when length({zone}) = 3 then {zone} || ':00' "
        f"else regexp_replace({zone}, '^(...)([0-9]{{2}})$', '$1:$2') end"
    )
    iso = (
        f"{day} || 'T' || coalesce({clock}, '00:00') || coalesce({seconds}, ':00') || "
        f"coalesce(substr({fraction}, 1, 10), '') || coalesce({hours}, 'Z')"
    )
    allowed = f"({fraction} is null or {seconds} is not null)"
    return (
        f"case when {allowed} then "
        f"cast(at_timezone(try(from_iso8601_timestamp_nanos({iso})), 'UTC') as timestamp(3)) end"
    )


def _nested(node: Column | dict[Step, Any], layout: Layout) -> str:
    if isinstance(node, Column):
        value = _of("value", node)
        if node is CLASS:
            return "2004"
        return f"case when readable then {value} end" if node.name == _STATUS[layout] else value
    if 0 in node:
        return f"array[{_nested(node[0], layout)}]"
    if node.keys() >= _MAP_OF:
        values = (f"cast({_nested(inner, layout)} as varchar)" for inner in node.values())
        keys = ", ".join(f"'{key}'" for key in node)
        return f"map(array[{keys}], array[{', '.join(values)}])"
    values = (_nested(inner, layout) for inner in node.values())
    return f"cast(row({', '.join(values)}) as {_type(node)})"


def _type(node: Column | dict[Step, Any]) -> str:
    if isinstance(node, Column):
        return TYPES[node.type]
    if 0 in node:
        return f"array({_type(node[0])})"
    if node.keys() >= _MAP_OF:
        return "map(varchar, varchar)"
    return f"row({', '.join(f'{name} {_type(inner)}' for name, inner in node.items())})"


# ---- names that are nearly those of columns ----------------------------------------------------------------------


def _odd(layout: Layout, format_: Format) -> str:
    """The odd names of a row, as `PATH NAME`; Parquet has names in its footers, but for the keys of a map.

    And what no statement can judge in a line of JSON, by its own name.
    """
    if format_ == "parquet":
        return (
            _of_findings("class_uid", odd_keys((MAP,), layout, f"map_keys({MAP})"))
            if layout == "ocsf"
            else NO_NAMES
        )
    parts = [
        *(
            odd_keys(
                path,
                layout,
                f"map_keys(try_cast(json_extract(json, '{json_path(path)}') as map(varchar, json)))",
            )
            for path in KEYS[layout]
        ),
        f"case when not {once(layout)} then array['{TWICE}'] else {NO_NAMES} end",
    ]
    found = f"concat({', '.join(parts)})"
    if layout == "ocsf":
        found = _of_findings("try_cast(json_extract_scalar(json, '$.class_uid') as double)", found)
    return f"concat(case when strpos(line, {_LOST}) > 0 then array['{LOST}'] else {NO_NAMES} end, {found})"


def odd_keys(path: Path, layout: Layout, keys: str) -> str:
    return (
        f"coalesce(transform(filter({keys}, name -> {_is_odd(path, layout)}), "
        f"name -> '{json_path(path)} ' || name), array[])"
    )


def _of_findings(class_: str, names: str) -> str:
    """The names in a row that is a finding, or may be one."""
    return f"case when coalesce({class_}, 2004) = 2004 then {names} else array[] end"


def _is_odd(path: Path, layout: Layout) -> str:
    known = KEYS[layout][path]
    near = sorted({folded(name) for name in known | JOINED[layout][path]})
    listed = ", ".join(f"'{name}'" for name in near)
    exact = ", ".join(f"'{name}'" for name in sorted(known))
    return (
        f"not name in ({exact}) and (regexp_like(name, '[^ -~]') "
        f"or lower(regexp_replace(name, '[-_ ]')) in ({listed}))"
    )


# ---- words -------------------------------------------------------------------------------------------------------


def _select(selected: Sequence[str], relation: str) -> str:
    return f"select {', '.join(selected)} from {relation}"


def _all(conditions: Sequence[str]) -> str:
    return " and ".join(conditions)


def _name(name: str) -> str:
    return f'"{name}"' if name in ("time", "count") else name

"""A table or view that people already have, as the relation `delivered` that every question asks for.

How its objects lie and of which types its columns are is its owner's choice. What a layout needs is found by the names
of columns, fields and keys. A column of another type is cast where that loses nothing, and refused otherwise. A row
that holds something that cannot be read has no status, which no rule of a layout allows, so it is refused with its
object.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from reports.core.errors import InvalidSettings
from reports.evidence import tables
from reports.evidence.columns import (
    CLASS,
    COLUMNS,
    JOINED,
    KEYS,
    OPTIONAL,
    WAYS,
    Column,
    Layout,
    Path,
    joined,
    mistake,
)
from reports.evidence.table_types import TableType, quoted

EPOCH = "timestamp '1970-01-01 00:00:00.000'"
DAY = 86_400_000  # milliseconds
EXACT_REAL = 2**24
EARLIEST, LATEST = -62_135_596_800_000, 253_402_300_799_999  # milliseconds: the years 1 to 9999
DAYS = "date '0001-01-01' and date '9999-12-31'"
_KEY = "^[^:]+://[^/]+/(.+)$"  # what follows the bucket in a place
_SQL = {**tables.TYPES, "milliseconds": tables.TYPES["instant"]}
_INSTANTS = frozenset({"date", "timestamp", "timestamp with time zone"})
_NESTED = {"row": "struct", "array": "list", "map": "map"}
_NULL = frozenset({'"NULL"', "NULL"})
_INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT")
_STORED: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(("varchar", "char"), _NULL | {"VARCHAR"}),
    **{name.lower(): _NULL | {*_INTEGERS[: place + 1]} for place, name in enumerate(_INTEGERS)},
    "real": _NULL | {"FLOAT"},
    "double": _NULL | {"FLOAT", "DOUBLE"},
    "decimal": _NULL,
    "date": _NULL | {"DATE"},
    "timestamp": _NULL | {"TIMESTAMP", "TIMESTAMP_NS", "TIMESTAMP WITH TIME ZONE"},
}
"""The types of Parquet, by DuckDB's names, that Trino was seen to read as one of its own."""
_FRACTIONS = frozenset({"decimal", "double", "real"})
_EITHER = {
    "start_time": "finding_info.first_seen_time",
    "end_time": "finding_info.last_seen_time",
}
"""Columns of OCSF, and those that stand for them."""
_NEED_NOT_BE = frozenset(
    {"finding_info.modified_time", "finding_info.types[0]", "finding_info.analytic.version"}
) | {f"unmapped.{name}" for name in OPTIONAL}
_DATETIMES = frozenset(f"{c.path[-1]}_dt" for c in COLUMNS["ocsf"] if c.type == "milliseconds")
"""The names that OCSF's datetime profile has for instants."""
_STATUS = {1: "new", 2: "in_progress", 3: "suppressed", 4: "resolved", 5: "resolved", 6: "deleted"}
_ACCOUNTS = ("account", "accountid", "account_id")
_BESIDE = frozenset({"event_day", "eventday", "source", *_ACCOUNTS})
"""Columns that are read beside those of a layout."""


@dataclass(frozen=True, slots=True)
class _Found:
    """Where the value of a column is: an expression and its type, or a text of JSON in a column, and the path in it."""

    sql: str
    type: TableType
    json: tuple[str, Path] | None = None


@dataclass(frozen=True)
class OwnTable:
    """A table or view: its schema and name, its columns by name, and the statement that makes it.

    `snapshot` is the number of the Iceberg snapshot that is read. Raises `InvalidSettings` if it lacks what is needed.
    """

    name: tuple[str, str]
    columns: Mapping[str, TableType]
    is_view: bool
    definition: str
    snapshot: int | None = None

    def __post_init__(self) -> None:
        if wrong := mistake(self.columns, KEYS[self.layout][()], JOINED[self.layout][()]):
            raise self._refused(wrong)
        for path, fields in self._rows():
            if wrong := mistake(fields, KEYS[self.layout].get(path, frozenset())):
                raise self._refused(f"in {joined(path)}: {wrong}")
        if lacking := list(self._lacking()):
            raise self._refused(f"lacks {', '.join(lacking)}: make a view that has it")
        if self.is_view and self.columns["object"].name != "varchar":
            raise self._refused(
                f'has object as {self.columns["object"].name}: have the view give "$path" as varchar'
            )
        _ = self.delivered

    @cached_property
    def layout(self) -> Layout:
        """The layout whose columns it has."""
        flat, ocsf = "detection_id" in self.columns, CLASS.name in self.columns
        if flat == ocsf:
            both = "columns of both layouts" if flat else "neither detection_id nor class_uid"
            raise self._refused(f"has {both}: make a view that has the columns of one layout")
        return "flat" if flat else "ocsf"

    @property
    def recorded(self) -> dict[str, Any]:
        """What `evidence.json` records of it."""
        return {
            "name": ".".join(self.name),
            "layout": self.layout,
            "definition": self.definition,
            "snapshot": self.snapshot,
        }

    @property
    def place(self) -> str:
        """The column that tells where a row's object is."""
        return "object" if self.is_view else tables.PATH

    def placed(self, names: Sequence[str]) -> Mapping[str, int]:
        """Where among the names of its columns those are that are read."""
        read = KEYS[self.layout][()] | _DATETIMES | _BESIDE
        return {name: place for place, name in enumerate(names) if name in read}

    def objects(self) -> str:
        """The statement that tells its objects, and which days they hold."""
        day = f"case when {self._day} between {DAYS} then {self._day} end"
        rows = f"select {self.place} as place, {day} as day from {self._read}{self._among}"
        return (
            "select place, min(day) as first_day, max(day) as last_day, count_if(day is null) as undated "
            f"from ({rows}) as listed group by 1 order by 1"
        )

    def deletes(self) -> str:
        """The statement that tells which objects delete rows of a current Iceberg snapshot."""
        files = quoted([f"{self.name[1]}$files"])
        return f"select file_path as place from {files} where content <> 0 order by 1"

    def odd_names(self) -> str | None:
        """The statement that tells, by object, names that may nearly be those of columns; None where none can be.

        The two `?` are the first day and the last.
        """
        odd = list(self._odd())
        if not odd:
            return None
        rows = (
            f"select {self._object} as object, {self._day} as day, concat({', '.join([tables.NO_NAMES, *odd])}) as odd "
            f"from {self._parsed}{self._among}"
        )
        return (
            "select object, json_format(cast(array_distinct(flatten(array_agg(odd))) as json)) as odd_names "
            f"from ({rows}) as named where cardinality(odd) > 0 "
            "and day between cast(? as date) and cast(? as date) group by 1 order by 1"
        )

    @cached_property
    def delivered(self) -> str:
        """The SELECT that gives the columns that every question asks for."""
        values = [f"{sql} as {_value_of(c)}" for c, sql in self._values.items()]
        others = [f"{self._day} as delivered_day", f"{self._object} as object"]
        if self.layout == "ocsf":
            others.append(f"{self._origin} as origin")
        checks = [*self._checks, *self._whole()]
        rows = _select(
            [*others, *values, f"coalesce({' and '.join(checks)}, false) as readable"], self._parsed
        )
        return _select(list(self._delivered()), f"({rows}) as judged") + self._of_findings()

    def misread(self, types: Mapping[str, Any]) -> Iterator[str]:
        """What it would read otherwise in an object of Parquet whose columns have some types, as DuckDB has them."""
        for column in COLUMNS[self.layout]:
            *way, last = column.path
            for name in (last, f"{last}_dt"):
                top, *inner = *way, name
                if top in types and top in self.columns:
                    path = joined((*way, name))
                    yield from _misread(path, types[str(top)], self.columns[str(top)], inner)
                    if str(types[str(top)]) == "FLOAT" and self.columns[str(top)].name == "double":
                        yield from _rounded(column)
        for name in sorted(_BESIDE - KEYS[self.layout][()]):
            if name in types and name in self.columns:
                yield from _misread(name, types[name], self.columns[name], ())

    # ---- what it has ---------------------------------------------------------------------------------------------

    def _refused(self, problem: str) -> InvalidSettings:
        return InvalidSettings(f"table {'.'.join(self.name)} {problem}")

    def _lacking(self) -> Iterator[str]:
        """The columns that are needed and not there."""
        for column in COLUMNS[self.layout]:
            needed = column.name not in (OPTIONAL if self.layout == "flat" else _NEED_NOT_BE)
            if needed and not self._where(column) and not self._stands_for(column):
                yield column.name
        if self.layout == "flat" and "event_day" not in self.columns:
            yield "event_day (the UTC day of first_seen)"
        if self.layout == "ocsf" and not any(name in self.columns for name in _ACCOUNTS):
            yield "account (the AWS account that the finding is of)"
        if self.is_view:
            needed_of_views = ("object", "source") if self.layout == "ocsf" else ("object",)
            yield from (name for name in needed_of_views if name not in self.columns)

    def _stands_for(self, column: Column) -> bool:
        """Whether another column stands for one that is not there."""
        pairs = _EITHER | {other: name for name, other in _EITHER.items()}
        return column.name in pairs and bool(self._where(_column(pairs[column.name])))

    def _rows(self) -> Iterator[tuple[Path, Sequence[str]]]:
        """The names of the fields of rows that lead to columns, by their paths."""
        for path in KEYS[self.layout]:
            found = path and self._at(path)
            if found and found.type.name == "row":
                yield path, tuple(found.type.fields)

    def _where(self, column: Column) -> list[_Found]:
        """Where the value of a column may be: first under its name, then as OCSF's datetime profile has it."""
        *way, last = column.path
        names = [last, f"{last}_dt"] if column.type == "milliseconds" else [last]
        return [found for name in names if (found := self._at((*way, name)))]

    def _at(self, path: Path) -> _Found | None:
        """What is at a path; None if nothing can be."""
        top, *way = path
        type_ = self.columns.get(str(top))
        if type_ is None:
            return None
        if way and type_.is_text:
            return _Found(_json_of(str(top)), type_, (str(top), path))
        found = _Found(quoted([str(top)]), type_)
        for place, step in enumerate(way, 1):
            if found.type.name == "row" and isinstance(step, str) and step not in found.type.fields:
                return None
            inner = _within(found, step)
            if inner is None:
                raise self._refused(
                    f"has {joined(path[:place])} as {found.type.name}, where {joined(path)} cannot be found: make a "
                    "view that has it as a row, a map or a text of JSON"
                )
            found = inner
        return found

    # ---- how it is read ------------------------------------------------------------------------------------------

    @property
    def _read(self) -> str:
        version = "" if self.snapshot is None else f" for version as of {self.snapshot}"
        return f"{quoted(self.name[1:])}{version}"

    @property
    def _json(self) -> list[str]:
        """The columns that hold texts of JSON, in which others are."""
        tops = dict.fromkeys(str(c.path[0]) for c in COLUMNS[self.layout] if c.path[1:])
        return [top for top in tops if top in self.columns and self.columns[top].is_text]

    @property
    def _parsed(self) -> str:
        """The table, with its texts of JSON parsed beside them."""
        if not self._json and self.is_view:
            return self._read
        parsed = [f"try(json_parse({self._as_text(top)})) as {_json_of(top)}" for top in self._json]
        hidden = [] if self.is_view else [tables.PATH]
        return f"({_select(['*', *hidden, *parsed], self._read)}) as parsed"

    @property
    def _object(self) -> str:
        return f"coalesce(regexp_extract({self.place}, '{_KEY}', 1), {self.place})"

    @property
    def _among(self) -> str:
        if self.layout == "flat":
            return ""
        return f" where coalesce({self._typed(CLASS, self._where(CLASS)[0])}, 2004) = 2004"

    def _of_findings(self) -> str:
        return f" where coalesce({_value_of(CLASS)}, 2004) = 2004" if self.layout == "ocsf" else ""

    @property
    def _day(self) -> str:
        """The day that a row was delivered for."""
        if self.layout == "flat":
            return self._day_in("event_day", "try_cast({} as date)")
        if "eventday" in self.columns:
            return self._day_in(
                "eventday", "case when length({0}) = 8 then try(cast(date_parse({0}, '%Y%m%d') as date)) end"
            )
        return f"cast({self._instant_of(_column('time'))} as date)"

    @property
    def day_told(self) -> str:
        """The column that tells the day, and how."""
        if self.layout == "flat":
            return "event_day (such as 2026-05-01)"
        return (
            "eventday (such as 20260501)"
            if "eventday" in self.columns
            else "time (milliseconds, or a timestamp)"
        )

    def _day_in(self, name: str, cast: str) -> str:
        type_, sql = self.columns[name], quoted([name])
        if type_.name == "date":
            return sql
        if type_.is_text or (type_.is_integer and name == "eventday"):
            return cast.format(f"cast({sql} as varchar)")
        raise self._refused(f"has {name} as {type_.name}: make a view that has it as a date")

    @property
    def _origin(self) -> str:
        account = self._owner(next(name for name in _ACCOUNTS if name in self.columns))
        source = self._owner("source") if "source" in self.columns else f"'{self.name[1]}'"
        return f"{source} || '/' || {account}"

    def _owner(self, name: str) -> str:
        """A part of whose ids the findings have; null where it is empty."""
        return f"nullif(trim({self._as_text(name)}), '')"

    def _as_text(self, name: str) -> str:
        text = _text(quoted([name]), self.columns[name])
        if text is None:
            raise self._refused(
                f"has {name} as {self.columns[name].name}, which cannot be read as text: cast it in a view"
            )
        return text

    @cached_property
    def _values(self) -> dict[Column, str]:
        return {column: self._value(column) for column in COLUMNS[self.layout]}

    def _value(self, column: Column) -> str:
        found = self._where(column)
        if column.type == "milliseconds":
            return self._instant_of(column)
        return self._typed(column, found[0]) if found else f"cast(null as {_SQL[column.type]})"

    def _instant_of(self, column: Column) -> str:
        found = [self._typed(column, each) for each in self._where(column)]
        return f"coalesce({', '.join([*found, f'cast(null as {_SQL[column.type]})'])})"

    def _typed(self, column: Column, found: _Found) -> str:
        """A value as the type of a column; null for a text that cannot be read so."""
        if found.json:
            return _of_json(column, found)
        value = _cast(column.type, found.sql, found.type)
        if value is None:
            raise self._refused(
                f"has {column.name} as {found.type.name}, which cannot be read as {column.type}: cast it in a view"
            )
        return value

    @property
    def _checks(self) -> Iterator[str]:
        """Whether everything in a row can be read."""
        for column in COLUMNS[self.layout]:
            for found in self._where(column):
                value = self._typed(column, found)
                if found.json:
                    yield f"(coalesce({_kind(found)}, 'n') = 'n' or ({value}) is not null)"
                elif found.type.is_text and _SQL[column.type] == "varchar":
                    yield tables.whole(found.sql)
                elif found.type.is_text or found.type.name in _FRACTIONS or column.type == "milliseconds":
                    yield f"({found.sql} is null or ({value}) is not null)"

    def _whole(self) -> Iterator[str]:
        """Whether the texts of JSON in a row hold what is expected, and nothing twice."""
        for top in self._json:
            line, json = self._as_text(top), _json_of(top)
            read_once = tables.once(self.layout, line, json, also=_DATETIMES)
            yield f"({line} is null or ({json} is not null and {read_once} and not ({tables.lone(line)})))"
            yield tables.whole(line)
            for path, wanted in WAYS[self.layout].items():
                if path[:1] == (top,):
                    opened = {"OBJECT": "{", "ARRAY": "["}[wanted]
                    yield f"coalesce({tables.kind_at(path[1:], json)} in ('{opened}', 'n'), true)"
        if self.layout == "ocsf":
            yield "class_uid is not null"
            yield f"({self._origin}) is not null"

    def _odd(self) -> Iterator[str]:
        """The odd names of a row, in its texts of JSON and its maps."""
        for path in filter(None, KEYS[self.layout]):
            if path[0] in self._json:
                inner = f"json_extract({_json_of(str(path[0]))}, '{tables.json_path(path[1:])}')"
                yield tables.odd_keys(path, self.layout, f"map_keys(try_cast({inner} as map(varchar, json)))")
            elif (found := self._at(path)) and found.type.name == "map":
                yield tables.odd_keys(path, self.layout, f"map_keys({found.sql})")

    def _delivered(self) -> Iterator[str]:
        """The columns of the relation, in its order."""
        flat = self.layout == "flat"
        yield "delivered_day"
        yield "delivered_day as revised_within" if flat else "date '1970-01-01' as revised_within"
        yield "cast(null as varchar) as origin" if flat else "origin"
        yield "delivered_day as event_day" if flat else f"cast({_FROM['first_seen']} as date) as event_day"
        for column in COLUMNS["flat"]:
            of = _value_of(column) if flat else _FROM[column.name]
            yield f"{f'case when readable then {of} end' if column.name == 'status' else of} as {column.name}"
        yield "object"


def _misread(name: str, stored: Any, declared: TableType, path: Sequence[str | int]) -> Iterator[str]:
    """What is wrong with the type of a column in an object, or of what leads to it, beside the declared one."""
    stored_as, fits = str(stored), False
    if declared.name in _NESTED and path:
        step, *rest = path
        fits = stored.id == _NESTED[declared.name]
        inner = _within(_Found("", declared), step)
        children = dict(stored.children) if fits else {}
        child = children.get({"array": "child", "map": "value"}.get(declared.name, step))
        if fits and inner and child:
            yield from _misread(name, child, inner.type, rest)
    else:
        kinds = _STORED.get(declared.name, frozenset())
        fits = stored_as in kinds or (stored_as.startswith("DECIMAL") and declared.name == "decimal")
    if not fits:
        yield f"column {name} is {stored_as}, and the table has it as {declared.name}: correct one of the two"


def _rounded(column: Column) -> Iterator[str]:
    """What is wrong with a column of 32-bit floats that a table has as doubles: which are whole cannot be told."""
    if column.type in ("integer", "milliseconds"):
        yield f"column {column.name} is FLOAT, and the table has it as double: have the table declare it as float"


def _within(found: _Found, step: str | int) -> _Found | None:
    """What is within a row, an array or a map; None in anything else."""
    type_ = found.type
    if type_.name == "row" and step in type_.fields:
        return _Found(f"{found.sql}.{quoted([str(step)])}", type_.fields[str(step)])
    if type_.name == "array" and isinstance(step, int):
        return _Found(f"element_at({found.sql}, {step + 1})", type_.of[0])
    if type_.name == "map" and isinstance(step, str):
        return _Found(f"element_at({found.sql}, '{step}')", type_.of[1])
    return None


def _cast(wanted: str, sql: str, type_: TableType) -> str | None:
    """A value as a type of `columns`; None for types that lose something."""
    if wanted == "instant":
        return _instant(sql, type_) or (tables.instant(sql) if type_.is_text else None)
    if wanted == "milliseconds":
        whole = _integer(sql, type_)
        return _instant(sql, type_) or (whole and _milliseconds(whole))
    return {"integer": _integer, "number": _number}.get(wanted, _text)(sql, type_)


def _text(sql: str, type_: TableType) -> str | None:
    if type_.name == "char":  # whose blanks at the end are no part of it
        return f"rtrim(cast({sql} as varchar))"
    whole = type_.is_integer or type_.is_whole
    return sql if type_.name == "varchar" else f"cast({sql} as varchar)" if whole else None


def _integer(sql: str, type_: TableType) -> str | None:
    """A number without a fraction; a floating-point one only below that from which on not every whole number is one."""
    if type_.is_text:
        return tables.integer(sql)
    if type_.name in ("double", "real"):
        exact = tables.EXACT if type_.name == "double" else EXACT_REAL
        whole = f"abs({sql}) < {exact} and {sql} = truncate({sql})"
        return f"case when {whole} then cast({sql} as bigint) end"
    if type_.name == "decimal":
        return f"case when {sql} = truncate({sql}) then try_cast({sql} as bigint) end"
    return f"cast({sql} as bigint)" if type_.is_integer else None


def _number(sql: str, type_: TableType) -> str | None:
    if type_.is_text:
        return tables.number_of(sql)
    if type_.name == "real":  # whose nearest double has other digits
        return f"cast(cast({sql} as varchar) as double)"
    numbers = type_.is_integer or type_.name in ("decimal", "double")
    return f"cast({sql} as double)" if numbers else None


def _instant(sql: str, type_: TableType) -> str | None:
    if type_.name not in _INSTANTS:
        return None
    local = f"{sql} at time zone 'UTC'" if type_.name.endswith("zone") else sql
    return f"cast({local} as timestamp(3))"


def _milliseconds(sql: str) -> str:
    """Milliseconds since 1970 as a timestamp of the years 1 to 9999; null for others.

    Days first, because they are more than `date_add` takes at once.
    """
    days = f"date_add('day', (({sql}) - ({sql}) % {DAY}) / {DAY}, {EPOCH})"
    instant = f"date_add('millisecond', ({sql}) % {DAY}, {days})"
    return f"case when ({sql}) between {EARLIEST} and {LATEST} then {instant} end"


def _of_json(column: Column, found: _Found) -> str:
    """A scalar in a text of JSON as the type of a column."""
    assert found.json  # noqa: S101 -- the caller has seen it
    text = f"json_extract_scalar({found.sql}, '{tables.json_path(found.json[1][1:])}')"
    value = f"({tables.json_value(column.type, text, _kind(found))})"
    if column.type != "milliseconds":
        return value
    return tables.instant(text) if str(found.json[1][-1]).endswith("_dt") else f"({_milliseconds(value)})"


def _kind(found: _Found) -> str:
    assert found.json  # noqa: S101 -- the caller has seen it
    return tables.kind_at(found.json[1][1:], found.sql)


def _json_of(top: str) -> str:
    return quoted([f"json of {top}"])


def _value_of(column: Column) -> str:
    return quoted([f"value of {column.name}"])


def _column(name: str) -> Column:
    return next(column for column in COLUMNS["ocsf"] if column.name == name)


def _select(selected: Sequence[str], relation: str) -> str:
    return f"select {', '.join(selected)} from {relation}"


def _of(name: str) -> str:
    return _value_of(_column(name))


_FROM: Mapping[str, str] = {
    "detection_id": _of("finding_info.uid"),
    "revised_at": f"coalesce({_of('finding_info.modified_time')}, {_of('time')})",
    "status": f"case {_of('status_id')} "
    + " ".join(f"when {n} then '{s}'" for n, s in _STATUS.items())
    + " end",
    "account_id": _of("evidences[0].actor.user.uid"),
    "campaign_id": _of("unmapped.campaign_id"),
    "first_seen": f"coalesce({_of('start_time')}, {_of('finding_info.first_seen_time')})",
    "last_seen": f"coalesce({_of('end_time')}, {_of('finding_info.last_seen_time')})",
    "exchange_count": _of("count"),
    "output_tokens": _of("unmapped.output_tokens"),
    "capability": _of("finding_info.types[0]"),
    "detector": _of("finding_info.analytic.name"),
    "detector_version": _of("finding_info.analytic.version"),
    "confidence": f"cast({_of('confidence_score')} as double) / 100",
    "network": _of("unmapped.network"),
    "country": _of("unmapped.country"),
}
"""The columns of the relation from those of OCSF."""

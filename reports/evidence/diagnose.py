"""Finds what is wrong with evidence that could not be counted: the first fault, by object, row and column.

It runs only after a question failed, and takes its time: object by object in the order of their names, each is read
again by itself, in order and on one core, until a fault is found:

1. the object opens and is what its suffix says, every line of it;
2. the columns that its layout requires are there;
3. every value converts;
4. every row keeps the rules of `latest.sql`, said in the words of its layout.

Where no object has a fault of its own, revisions in several of them may tie.
"""

from __future__ import annotations

import codecs
import itertools
import json
import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import duckdb

from reports.core.errors import InvalidEvidence
from reports.core.labels import HOLDS_CONTROL, IS_MARKER, MARKERS
from reports.evidence import questions, relations, transpile
from reports.evidence.columns import (
    CLASS,
    COLUMNS,
    JOINED,
    KEYS,
    NAMES,
    WAYS,
    Column,
    Layout,
    Step,
    misfit,
    mistake,
)
from reports.evidence.convert import identifier, listed
from reports.evidence.questions import Question, Row
from reports.evidence.relations import Source
from reports.evidence.source import ListedObject
from reports.evidence.spill import spill_folder

MEMORY_LIMIT = "500MB"
AS_WRITTEN: Mapping[str, bool | int | str] = {
    "threads": 1,
    "preserve_insertion_order": True,
    "disabled_optimizers": "common_subexpressions",  # a shared one is evaluated outside of `try`
}
LONGEST_LINE = 2**25
CHUNK = 2**20
BLANK = b" \t\r\n"  # JSON's white space
SHOWN = 60
ADVICE = "correct it and deliver the object again"
FORMATS = {"parquet": "Parquet", "json": "JSON Lines", "csv": "CSV"}
UNFIT = {
    "id": "neither text nor a whole number that is exact: write it as text",
    "heading": "not text: write it as text",
    "text": "not text",
    "integer": "not a whole number of 64 bits",
    "number": "not a number",
    "instant": "not a date and time like 2026-05-01T12:00:00Z",
    "milliseconds": "not a time in milliseconds since 1970",
}
MILLISECONDS = (-(10**13), 253_370_764_799_999)  # instants that certainly fit in a timestamp
IN_MILLISECONDS: Mapping[Layout, str] = {"flat": "", "ocsf": ": write milliseconds since 1970"}


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule about a column, or about the first of several that has a value.

    `broken` is SQL over the columns of the layout, true where a row breaks the rule; `saying` is said of the value.
    """

    columns: tuple[str, ...]
    broken: str
    saying: str


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault: the column, the message, and its place: the row (from 1), the detection and the value."""

    column: str
    saying: str
    row: int
    detection: str | None
    value: str | None


def _text_of(name: str) -> str:
    return identifier(f"{name} as it is")


def _label_of(name: str) -> str:
    return identifier(f"{name} normalized")


def _required(*columns: str) -> Rule:
    values = (_label_of(name) if NAMES[name].is_label else f"{identifier(name)}::varchar" for name in columns)
    return Rule(columns, " and ".join(f"coalesce({value}, '') = ''" for value in values), "")


def _from_0(column: str) -> Rule:
    return Rule((column,), f"{identifier(column)} < 0", "is below 0")


REQUIRED: Mapping[Layout, tuple[Rule, ...]] = {
    "flat": (
        _required("detection_id"),
        _required("revised_at"),
        _required("status"),
        _required("account_id"),
        _required("first_seen"),
        _required("last_seen"),
        _required("exchange_count"),
        _required("detector"),
        _required("confidence"),
    ),
    "ocsf": (
        _required("class_uid"),
        _required("finding_info.uid"),
        _required("finding_info.modified_time", "time"),
        _required("status_id"),
        _required("evidences[0].actor.user.uid"),
        _required("start_time", "finding_info.first_seen_time"),
        _required("end_time", "finding_info.last_seen_time"),
        _required("count"),
        _required("finding_info.analytic.name"),
        _required("confidence_score"),
    ),
}
RULES: Mapping[Layout, tuple[Rule, ...]] = {
    "flat": (
        Rule(
            ("status",),
            "status not in ('new', 'in_progress', 'resolved', 'suppressed', 'deleted')",
            "is not one of new, in_progress, resolved, suppressed, deleted",
        ),
        _from_0("exchange_count"),
        _from_0("output_tokens"),
        Rule(("confidence",), "not confidence between 0 and 1", "is not between 0 and 1"),
    ),
    "ocsf": (
        Rule(("status_id",), "status_id not between 1 and 6", "is not one of 1, 2, 3, 4, 5, 6"),
        _from_0("count"),
        _from_0("unmapped.output_tokens"),
        Rule(("confidence_score",), "not confidence_score between 0 and 100", "is not between 0 and 100"),
    ),
}
# The columns that say when an activity began, when it ended and when that was revised: the first one that has a value
INSTANTS: Mapping[Layout, Mapping[str, tuple[str, ...]]] = {
    "flat": {"began": ("first_seen",), "ended": ("last_seen",), "revised": ("revised_at",)},
    "ocsf": {
        "began": ("start_time", "finding_info.first_seen_time"),
        "ended": ("end_time", "finding_info.last_seen_time"),
        "revised": ("finding_info.modified_time", "time"),
    },
}
REVISION = ("detection_id", "revised_within", "origin", "revised_at")
IDENTITY: Mapping[Layout, Column] = {"flat": NAMES["detection_id"], "ocsf": NAMES["finding_info.uid"]}


def explain(
    root: Path,
    located: Sequence[ListedObject],
    question: Question,
    error: duckdb.Error | InvalidEvidence | None,
) -> InvalidEvidence:
    """The error to raise after a question about some objects failed: with an error, or for rows that are refused.

    It reports the first fault or, if no single object has one, what DuckDB said about all of them. Memory holds one
    batch of rows, or one line, and `MEMORY_LIMIT` of the revisions that tie.
    """
    root = root.absolute()
    with spill_folder() as spill, relations.connection(root, spill, MEMORY_LIMIT, **AS_WRITTEN) as con:
        for o in sorted(located):
            try:
                _examine(con, root, o, question)
            except InvalidEvidence as fault:
                return _naming(o, fault)
            except duckdb.Error as fault:
                return _unreadable(o, FORMATS[o.format], _said(fault, root), public="")
    if isinstance(error, InvalidEvidence):
        return error
    if error is None and (tie := _tie(root, located, question)):
        return tie
    said = _said(error, root) if error else "a row is refused"
    others = f" and {len(located) - 1} more" if len(located) > 1 else ""
    what = f"{located[0].name}{others}: cannot be counted"
    return InvalidEvidence(f"{what}: {said}: deliver the objects again", f"{what}: deliver the objects again")


def _tie(root: Path, located: Sequence[ListedObject], question: Question) -> InvalidEvidence | None:
    """The error for the first id whose two latest revisions have the same instant and differ; None if there is none."""
    layouts = sorted({o.layout for o in located})
    with spill_folder() as spill, relations.connection(root, spill, MEMORY_LIMIT) as con:
        relations.make_views(con, root, located)
        latest = transpile.transpiled(questions.over_latest("select * from latest", *layouts))
        con.execute(f"create temp table latest as {latest}", question.of_latest)
        same = " and ".join(f"latest.{name} is not distinct from tied.{name}" for name in REVISION)
        rows = questions.fetched(
            con.execute(
                f"select latest.* from latest join (select {', '.join(REVISION)} from latest "
                f"where standing = 'tied' order by all limit 1) as tied on {same}"
            )
        )
    return _tied(rows, partial(holding, root, located)) if rows else None


def holding(root: Path, located: Sequence[ListedObject], name: str, detection: str) -> str:
    """Where in an object a detection is: `rows 3 and 7`, or lines of JSON Lines; nothing where it is not found."""
    root = root.absolute()
    (o,) = (each for each in located if each.name == name)
    with spill_folder() as spill, relations.connection(root, spill, MEMORY_LIMIT, **AS_WRITTEN) as con:
        rows = [
            row
            for source in relations.sources(con, root, [o])
            for (row,) in con.execute(
                f'select "$row" from {_numbered(source)} where {source.perhaps_among} '
                f"and {_normalized(source.value(IDENTITY[o.layout]))} = ? order by 1 limit 10",
                [detection],
            ).fetchall()
        ]
    return " and ".join(_place(root, o, row) for row in rows)


def _tied(rows: Sequence[Row], place: Callable[[str, str], str]) -> InvalidEvidence:
    first = next(row for row in rows if row["standing"] != "tied")
    other = next(row for row in rows if row["standing"] == "tied")
    besides = ("object", "standing", "delivered_day")
    column = next(name for name in first if name not in besides and first[name] != other[name])
    told = (f"{shown(str(row[column]))} in {row['object']}" for row in (first, other))
    instant = f"{first['revised_at'].isoformat(timespec='milliseconds')}Z"
    places = {
        each: f"{each}: {place(each, first['detection_id'])}" for each in (first["object"], other["object"])
    }
    return InvalidEvidence(
        f"{first['object']}: detection {shown(first['detection_id'])} has two revisions at {instant} that differ "
        f"in {column} ({' and '.join(told)}): deliver a newer revision of it",
        f"{'; '.join(sorted(places.values()))}: two revisions at the same time differ in {column}: "
        "deliver a newer revision of it",
    )


def _examine(con: duckdb.DuckDBPyConnection, root: Path, o: ListedObject, question: Question) -> None:
    """Raise `InvalidEvidence` for an object's first fault, or the error of DuckDB where it cannot be read."""
    try:
        (root / o.name).open("rb").close()
    except OSError as error:
        raise _unreadable(o, "a file", f"{error.strerror}") from None
    if o.format == "json":
        _check_lines(root, o)
    if o.format == "csv" and o.size:
        _check_csv(con, root, o)
    for source in list(relations.sources(con, root, [o])):
        _check_columns(con, o, source)
        if fault := _unconverted(con, source) or _broken(con, source, o, question):
            place = f"{o.name}: {_place(root, o, fault.row)}"
            whose = f" (detection {shown(fault.detection)})" if fault.detection else ""
            raise InvalidEvidence(
                f"{place}{whose}: {_wrong(fault)}: {ADVICE}", f"{place}: {_wrong(fault, '')}: {ADVICE}"
            )


def _unreadable(o: ListedObject, form: str, why: str, public: str | None = None) -> InvalidEvidence:
    said, told = (
        f"{o.name}: cannot be read as {form}{each and f': {each}'}: deliver the object again"
        for each in (why, why if public is None else public)
    )
    return InvalidEvidence(said, told)


def _said(error: object, root: Path) -> str:
    """What DuckDB said, in one line, without the kind of error and the folder."""
    line = next(iter(str(error).splitlines()), "")
    return shown(re.sub(r"^[\w ]+ Error: ", "", line).replace(f"{root}/", ""), 200)


def shown(text: str, most: int = SHOWN) -> str:
    """Text that is safe to show: what is not printable is escaped, what is longer than `most` is cut."""
    plain = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[: most + 1])
    return plain if len(plain) <= most else f"{plain[: most - 1]}…"


def _naming(o: ListedObject, error: InvalidEvidence) -> InvalidEvidence:
    """An error that names its object."""
    if str(error).startswith(o.name):
        return error
    return InvalidEvidence(f"{o.name}: {error}", f"{o.name}: {error.public}")


def _check_lines(root: Path, o: ListedObject) -> None:
    try:
        for number, line in _lines(root / o.name):
            row = _row(f"{o.name}: line {number}", line)
            if wrong := _wrong_key(row, o.layout):
                raise InvalidEvidence(f"{o.name}: line {number}: {wrong}")
    except (EOFError, OSError, zlib.error) as error:
        raise _unreadable(o, "gzip", shown(str(error))) from None


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines that hold a row, with their numbers; a line that is too long comes in parts."""
    with relations.opened(path) as file:
        number = 0
        for read in iter(lambda: file.readline(LONGEST_LINE), b""):
            for line in read.replace(b"\r\n", b"\n").split(b"\r"):
                number += 1
                if row := (line if number > 1 else line.removeprefix(codecs.BOM_UTF8)).strip(BLANK):
                    yield number, row


class _Keyed(dict[str, Any]):
    """A JSON object that keeps all of its keys, including duplicates; the first of these counts."""

    def __init__(self, pairs: Sequence[tuple[str, Any]]) -> None:
        super().__init__(reversed(pairs))
        self.names = [name for name, _ in pairs]


def _row(place: str, line: bytes) -> _Keyed:
    """The JSON object of a line; raises `InvalidEvidence` if it is not one."""
    if len(line) >= LONGEST_LINE:
        raise InvalidEvidence(f"{place} is longer than {LONGEST_LINE} bytes: {ADVICE}")
    if line.startswith(codecs.BOM_UTF8):
        raise InvalidEvidence(
            f"{place} starts with a byte order mark: save it without one, and deliver it again"
        )
    try:
        row = json.loads(
            line.decode(), parse_int=str, parse_float=str, parse_constant=_constant, object_pairs_hook=_Keyed
        )
        json.dumps(row, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise InvalidEvidence(f"{place} {_not_json(error)}: {ADVICE}") from None
    if not isinstance(row, _Keyed):
        what = f"{place} is not a JSON object"
        raise InvalidEvidence(f"{what}: {shown(line.decode())}: {ADVICE}", f"{what}: {ADVICE}")
    return row


def _constant(text: str) -> None:
    raise ValueError(text)


def _not_json(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"is not JSON: {error.msg} at character {error.colno}"
    return {
        UnicodeEncodeError: "holds half of a surrogate pair, which is not a character",
        UnicodeDecodeError: "is not UTF-8",
        ValueError: f"is not JSON: it holds {error}",
    }.get(type(error), "is not JSON: it is nested too deeply")


def _wrong_key(row: _Keyed, layout: Layout) -> str | None:
    """What is wrong with the keys of a layout; for a row of another class, only a duplicate class."""
    if layout == "ocsf" and row.names.count(CLASS.name) == 1 and row.get(CLASS.name) != "2004":
        return None
    for path, wanted in WAYS[layout].items():
        node: Any = row
        for step in path:
            node = _item(node, step)
        kind = {_Keyed: "OBJECT", list: "ARRAY", type(None): "NULL"}.get(type(node), "VALUE")
        wrong = misfit(path, wanted, kind)
        if not wrong and isinstance(node, _Keyed):
            wrong = mistake(node.names, KEYS[layout][path], JOINED[layout][path])
        if wrong:
            return wrong
    return None


def _item(node: Any, step: Step) -> Any:
    if isinstance(step, int):
        return node[step] if isinstance(node, list) and len(node) > step else None
    return node.get(step) if isinstance(node, _Keyed) else None


def _check_csv(con: duckdb.DuckDBPyConnection, root: Path, o: ListedObject) -> None:
    names = (f"{place}" for place, _ in enumerate(relations.header(root, o)))
    table = f"{relations.csv_table([str(root / o.name)], names).removesuffix(')')}, store_rejects = true)"
    con.execute(f"select count(columns(*)) from {table}").fetchall()
    rejected = con.execute(
        "select line_byte_position - 1, error_message from reject_errors order by 1 limit 1"
    ).fetchone()
    if rejected:
        line = 1 + _newlines(root / o.name, rejected[0])
        what = f"{o.name}: line {line} is not CSV"
        raise InvalidEvidence(f"{what}: {_said(rejected[1], root)}: {ADVICE}", f"{what}: {ADVICE}")


def _newlines(path: Path, end: int) -> int:
    """How many lines end in the first bytes of a file, by a line feed, a carriage return or both.

    DuckDB numbers rows, which may span lines.
    """
    count, before = 0, b""
    with path.open("rb") as file:
        for at in range(0, end, CHUNK):
            chunk = file.read(min(CHUNK, end - at))
            count += chunk.count(b"\n") + chunk.count(b"\r") - (before + chunk).count(b"\r\n")
            before = chunk[-1:]
    return count


def _check_columns(con: duckdb.DuckDBPyConnection, o: ListedObject, source: Source) -> None:
    """Raise `InvalidEvidence` for a required column that is not there; in JSON Lines, that no row has."""

    def any_row(condition: str) -> bool:
        rows = f"from {source.table} where {source.perhaps_among} and {condition}"
        return con.execute(f"select 1 {rows} limit 1").fetchone() is not None

    for rule in REQUIRED[source.layout]:
        found = [value for name in rule.columns if (value := _as_it_is(source, NAMES[name]))]
        there = found and (o.format != "json" or any_row(f"coalesce({', '.join(found)}) is not null"))
        if not there and any_row("true"):
            column = " or ".join(rule.columns)
            raise InvalidEvidence(f"{o.name}: required column {column} is missing: {ADVICE}")


def _as_it_is(source: Source, column: Column) -> str | None:
    """The expression for the beginning of a column's text; if its path is broken, for what is there instead."""
    found = source.find(column)
    if found is None:
        return None
    top = column.name if column.name in source.types else str(column.path[0])
    texts = [f"{{'text': left({value}::varchar, {SHOWN + 1})}}" for value in (found[0], identifier(top))]
    return f"coalesce(try({texts[0]}), {texts[1]}).text"


def _unconverted(con: duckdb.DuckDBPyConnection, source: Source) -> Fault | None:
    """The first value that is not of its column's type."""
    columns = [(c, value) for c in COLUMNS[source.layout] if (value := _as_it_is(source, c))]
    rules = [
        Rule((column.name,), f"try({{'value': {source.value(column)}}}) is null", f"is {UNFIT[column.type]}")
        for column, _ in columns
    ]
    identity = _as_it_is(source, IDENTITY[source.layout])
    rows = f"{_numbered(source)} where {source.perhaps_among}"
    return _first(con, rows, rules, [value for _, value in columns], identity or "null")


def _broken(
    con: duckdb.DuckDBPyConnection, source: Source, o: ListedObject, question: Question
) -> Fault | None:
    """The first row that breaks a rule; all its values convert."""
    selected = []
    for c in COLUMNS[source.layout]:
        value = source.value(c)
        selected += [
            f"{value} as {identifier(c.name)}",
            f"{_as_it_is(source, c) or 'null'} as {_text_of(c.name)}",
        ]
        if c.is_label:
            selected.append(f"{_normalized(value)} as {_label_of(c.name)}")
    converted = f'select "$row", {", ".join(selected)} from {_numbered(source)} where {source.among}'
    instants = (f"{_instant(of)} as {identifier(name)}" for name, of in INSTANTS[source.layout].items())
    rows = f"(select *, {', '.join(instants)} from ({converted})) where true"
    rules = (
        *REQUIRED[source.layout],
        *_label_rules(source.layout),
        *_instant_rules(o, question),
        *RULES[source.layout],
    )
    values = [f"coalesce({', '.join(map(_text_of, rule.columns))})" for rule in rules]
    return _first(con, rows, rules, values, _text_of(IDENTITY[source.layout].name))


def _normalized(value: str) -> str:
    return transpile.of_label("normalized", "given").replace("given", f"({value})")


def _label_rules(layout: Layout) -> Iterator[Rule]:
    for column in COLUMNS[layout]:
        if column.is_label:
            label = _label_of(column.name)
            yield Rule((column.name,), f"list_contains({listed(sorted(MARKERS))}, {label})", IS_MARKER)
            legible = transpile.of_label("legible", "given").replace("given", label)
            yield Rule((column.name,), f"not {legible}", HOLDS_CONTROL)


def _instant(names: Sequence[str]) -> str:
    """The instant that the first of some columns with a value tells, rounded half up to milliseconds."""
    value = f"coalesce({', '.join(map(identifier, names))})"
    if NAMES[names[0]].type == "milliseconds":
        value = f"make_timestamp(greatest({MILLISECONDS[0]}, least({value}, {MILLISECONDS[1]})) * 1000)"
    return f"{value}::timestamp_ms::timestamp"


def _instant_rules(o: ListedObject, question: Question) -> Iterator[Rule]:
    """The rules of `latest.sql` about instants; all required ones are present."""
    of, day = INSTANTS[o.layout], f"timestamp '{o.day}'"
    began, revised = (" or ".join(of[name]) for name in ("began", "revised"))
    as_of = question.of_latest[0]
    yield Rule(of["began"], "began < timestamp '2015-01-01'", f"is before 2015{IN_MILLISECONDS[o.layout]}")
    if o.layout == "flat":
        off = f"not began between {day} and {day} + interval 1 day"
        yield Rule(of["began"], off, f"is not on {o.day}, the day of its partition")
    late = f"began >= {day} + interval 3 day"
    yield Rule(of["began"], late, f"is later than 48 hours after {o.day}, the day of its partition")
    early = "revised < began - interval 1 day"
    yield Rule(of["revised"], early, f"is earlier than 24 hours before {began}")
    after = f"revised > timestamp '{as_of}' + interval 2 day"
    told = f"is later than 48 hours after {as_of.replace(' ', 'T')}Z, the time of the request (--as-of)"
    yield Rule(of["revised"], after, told)
    yield Rule(of["ended"], "ended < began", f"is before {began}")
    yield Rule(of["ended"], "ended > revised + interval 2 day", f"is later than 48 hours after {revised}")


def _numbered(source: Source) -> str:
    """The rows of a source with their numbers and the required columns."""
    names = ", ".join(map(identifier, source.types)) if not source.of_lines else "*"
    return f'(select row_number() over () as "$row", {names} from {source.table})'


def _first(
    con: duckdb.DuckDBPyConnection, rows: str, rules: Sequence[Rule], values: Sequence[str], detection: str
) -> Fault | None:
    """The first of some rows that breaks a rule, and the first rule that it breaks."""
    broken = [f"coalesce({rule.broken}, false)" for rule in rules]
    found = con.execute(
        f'select "$row", {detection}, [{", ".join(broken)}], [{", ".join(values)}] '
        f"from {rows} and ({' or '.join(broken)}) limit 1"
    ).fetchone()
    if found is None:
        return None
    row, identity, which, shown_values = found
    place = which.index(True)
    return Fault(" or ".join(rules[place].columns), rules[place].saying, row, identity, shown_values[place])


def _place(root: Path, o: ListedObject, row: int) -> str:
    """The line of JSON Lines, else the row."""
    if o.format != "json":
        return f"row {row}"
    lines = (number for number, _ in _lines(root / o.name))
    return f"line {next(itertools.islice(lines, row - 1, None), row)}"


def _wrong(fault: Fault, told: str | None = None) -> str:
    """What is wrong with a value; `told` is said in its place."""
    value = f"'{shown(fault.value or '')}' " if told is None else told
    return f"{fault.column} {f'{value}{fault.saying}' if fault.value and fault.saying else 'is empty'}"

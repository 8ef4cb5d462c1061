"""What is wrong with evidence that could not be counted: the first fault, by object, row and column.

It runs only after a question failed, and takes its time: object by object in the order of their names, each is read
again by itself, in order and on one core, until a fault is found:

1. the object opens and is what its suffix says, every line of it;
2. the columns that its layout requires are there;
3. every value converts;
4. every row keeps the rules of `latest.sql`, said in the words of its layout.
"""

from __future__ import annotations

import gzip
import itertools
import json
import re
import tempfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import duckdb

from reports import raw
from reports.errors import InvalidEvidence
from reports.evidence import Layout, Located
from reports.raw import Column, Source, identifier

MEMORY_LIMIT = "500MB"
AS_WRITTEN: Mapping[str, bool | int | str] = {
    "threads": 1,
    "preserve_insertion_order": True,
    "disabled_optimizers": "common_subexpressions",  # one that is shared is evaluated outside of `try`
}
LONGEST_LINE = 2**25
CHUNK = 2**20
SHOWN = 60
ADVICE = "correct it and deliver the object again"
FORMATS = {"parquet": "Parquet", "json": "JSON Lines", "csv": "CSV"}
UNFIT = {
    "text": "no text",
    "integer": "no whole number of 64 bits",
    "number": "no number",
    "instant": "no instant like 2026-05-01T12:00:00Z",
    "milliseconds": "no instant from 1970 to 9998 in milliseconds",
}
MILLISECONDS = (0, 253_370_764_799_999)


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
    """What is wrong: the column, what to say of it, and its place: the row (from 1), its detection and the value."""

    column: str
    saying: str
    row: int
    detection: str | None
    value: str | None


def _required(*columns: str) -> Rule:
    empty = " and ".join(f"coalesce({identifier(name)}::varchar, '') = ''" for name in columns)
    return Rule(columns, empty, "")


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
        _required("time", "finding_info.modified_time"),
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
        *REQUIRED["flat"],
        Rule(
            ("status",),
            "status not in ('new', 'in_progress', 'resolved', 'suppressed', 'deleted')",
            "is none of new, in_progress, resolved, suppressed, deleted",
        ),
        Rule(("first_seen",), "first_seen < timestamp '1970-01-01'", "is before 1970"),
        Rule(("last_seen",), "last_seen >= timestamp '9999-01-01'", "is after 9998"),
        Rule(("last_seen",), "last_seen < first_seen", "is before first_seen"),
        _from_0("exchange_count"),
        _from_0("output_tokens"),
        Rule(("confidence",), "not confidence between 0 and 1", "is not between 0 and 1"),
    ),
    "ocsf": (
        *REQUIRED["ocsf"],
        Rule(("status_id",), "status_id not between 1 and 6", "is none of 1, 2, 3, 4, 5, 6"),
        Rule(
            ("end_time", "finding_info.last_seen_time"),
            'coalesce(end_time, "finding_info.last_seen_time") < coalesce(start_time, "finding_info.first_seen_time")',
            "is before start_time or finding_info.first_seen_time",
        ),
        _from_0("count"),
        _from_0("unmapped.output_tokens"),
        Rule(("confidence_score",), "not confidence_score between 0 and 100", "is not between 0 and 100"),
    ),
}
NAMES = {column.name: column for column in (*raw.FLAT, *raw.OCSF)}
IDENTITY: Mapping[Layout, Column] = {"flat": NAMES["detection_id"], "ocsf": NAMES["finding_info.uid"]}


def explain(
    root: Path, located: Sequence[Located], error: duckdb.Error | InvalidEvidence | None
) -> InvalidEvidence:
    """The error to raise after a question about some objects failed: with an error, or for rows that are unsound.

    It tells the first fault, and where no object has one by itself, what DuckDB said of them all. Memory holds one
    batch of rows, or one line.
    """
    root = root.absolute()
    with (
        tempfile.TemporaryDirectory(prefix="exhibit-") as spill,
        raw.connection(root, spill, MEMORY_LIMIT, **AS_WRITTEN) as con,
    ):
        for o in sorted(located):
            try:
                _examine(con, root, o)
            except InvalidEvidence as fault:
                return fault
            except duckdb.Error as fault:
                return _unreadable(o, FORMATS[o.format], _said(fault, root))
    if isinstance(error, InvalidEvidence):
        return error
    said = _said(error, root) if error else "a row is unsound"
    others = f" and {len(located) - 1} more" if len(located) > 1 else ""
    return InvalidEvidence(f"{located[0].name}{others}: cannot be counted: {said}: deliver the objects again")


def _examine(con: duckdb.DuckDBPyConnection, root: Path, o: Located) -> None:
    """Raise `InvalidEvidence` for an object's first fault, or the error of DuckDB where it cannot be read."""
    try:
        (root / o.name).open("rb").close()
    except OSError as error:
        raise _unreadable(o, "a file", f"{error.strerror}") from None
    if o.format == "json":
        _check_lines(root, o)
    for source in raw.sources(con, root, [o]):
        if o.format == "csv":
            _check_csv(con, root, o, source)
        _check_columns(con, o, source)
        if fault := _unconverted(con, source) or _broken(con, source):
            raise InvalidEvidence(f"{o.name}: {_place(root, o, fault)}: {_wrong(fault)}: {ADVICE}")


def _unreadable(o: Located, form: str, why: str) -> InvalidEvidence:
    return InvalidEvidence(f"{o.name}: cannot be read as {form}: {why}: deliver the object again")


def _said(error: object, root: Path) -> str:
    """What DuckDB said, in one line, without the kind of error and the folder."""
    line = next(iter(str(error).splitlines()), "")
    return shown(re.sub(r"^[\w ]+ Error: ", "", line).replace(f"{root}/", ""), 200)


def shown(text: str, most: int = SHOWN) -> str:
    """Text that is safe to show: what is not printable is escaped, what is longer than `most` is cut."""
    plain = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[: most + 1])
    return plain if len(plain) <= most else f"{plain[: most - 1]}…"


def _check_lines(root: Path, o: Located) -> None:
    try:
        for number, line in _lines(root / o.name):
            if problem := _line_problem(line):
                raise InvalidEvidence(f"{o.name}: line {number} {problem}: {ADVICE}")
    except (EOFError, OSError, zlib.error) as error:
        raise _unreadable(o, "gzip", shown(str(error))) from None


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines that hold a row, with their numbers; a line that is too long comes in parts."""
    with cast("IO[bytes]", gzip.open(path) if path.suffix == ".gz" else path.open("rb")) as file:
        for number, line in enumerate(iter(lambda: file.readline(LONGEST_LINE), b""), 1):
            if row := line.removeprefix(b"\xef\xbb\xbf" if number == 1 else b"").strip():
                yield number, row


def _line_problem(line: bytes) -> str | None:
    if len(line) >= LONGEST_LINE:
        return f"is longer than {LONGEST_LINE} bytes"
    try:
        row = json.loads(line.decode(), parse_int=str, parse_float=str)
    except UnicodeDecodeError:
        return "is not UTF-8"
    except json.JSONDecodeError as error:
        return f"is not JSON: {error.msg} at character {error.colno}"
    except RecursionError:
        return "is not JSON that can be read: it is nested too deep"
    return None if isinstance(row, dict) else f"is not a JSON object: {shown(line.decode())}"


def _check_csv(con: duckdb.DuckDBPyConnection, root: Path, o: Located, source: Source) -> None:
    table = f"{source.table.removesuffix(')')}, store_rejects = true)"
    con.execute(f"select count(columns(*)) from {table}").fetchall()
    rejected = con.execute(
        "select line_byte_position - 1, error_message from reject_errors order by 1 limit 1"
    ).fetchone()
    if rejected:
        line = 1 + _newlines(root / o.name, rejected[0])
        raise InvalidEvidence(f"{o.name}: line {line} is not CSV: {_said(rejected[1], root)}: {ADVICE}")


def _newlines(path: Path, end: int) -> int:
    """How many lines end in the first bytes of a file; DuckDB numbers rows, which may span lines."""
    with path.open("rb") as file:
        return sum(file.read(min(CHUNK, end - at)).count(b"\n") for at in range(0, end, CHUNK))


def _check_columns(con: duckdb.DuckDBPyConnection, o: Located, source: Source) -> None:
    """Raise `InvalidEvidence` for a required column that is not there; in JSON Lines, that no row has."""

    def any_row(condition: str) -> bool:
        rows = f"from {source.table} where {_among(source)} and {condition}"
        return con.execute(f"select 1 {rows} limit 1").fetchone() is not None

    for rule in REQUIRED[source.layout]:
        found = [value for name in rule.columns if (value := _as_it_is(source, NAMES[name]))]
        there = found and (o.format != "json" or any_row(f"coalesce({', '.join(found)}) is not null"))
        if not there and any_row("true"):
            column = " or ".join(rule.columns)
            raise InvalidEvidence(f"{o.name}: required column {column} is missing: {ADVICE}")


def _among(source: Source) -> str:
    """The condition on a layout's rows, and on those of which it cannot be told."""
    return f"coalesce(try({source.among}), true)"


def _as_it_is(source: Source, column: Column) -> str | None:
    """The expression of the start of a column's text; where the way to it is broken, of what is there instead."""
    found = source.find(column)
    if found is None:
        return None
    top = column.name if column.name in source.types else str(column.path[0])
    texts = [f"{{'text': left({value}::varchar, {SHOWN + 1})}}" for value in (found[0], identifier(top))]
    return f"coalesce(try({texts[0]}), {texts[1]}).text"


def _unconverted(con: duckdb.DuckDBPyConnection, source: Source) -> Fault | None:
    """The first value that is not of its column's type."""
    columns = [(c, value) for c in raw.COLUMNS[source.layout] if (value := _as_it_is(source, c))]
    rules = [
        Rule((column.name,), _not_converting(source, column), f"is {UNFIT[column.type]}")
        for column, _ in columns
    ]
    identity = _as_it_is(source, IDENTITY[source.layout])
    rows = f"{_numbered(source)} where {_among(source)}"
    return _first(con, rows, rules, [value for _, value in columns], identity or "null")


def _not_converting(source: Source, column: Column) -> str:
    value = source.value(column)
    failing = f"try({{'value': {value}}}) is null"
    if column.type == "milliseconds":
        return f"({failing} or try({value}) not between {MILLISECONDS[0]} and {MILLISECONDS[1]})"
    return failing


def _broken(con: duckdb.DuckDBPyConnection, source: Source) -> Fault | None:
    """The first row that breaks a rule; all its values convert."""
    columns = ", ".join(
        f"{source.value(c)} as {identifier(c.name)}, {_as_it_is(source, c) or 'null'} as {_text_of(c.name)}"
        for c in raw.COLUMNS[source.layout]
    )
    rows = f'(select "$row", {columns} from {_numbered(source)} where {source.among}) where true'
    rules = RULES[source.layout]
    values = [f"coalesce({', '.join(map(_text_of, rule.columns))})" for rule in rules]
    return _first(con, rows, rules, values, _text_of(IDENTITY[source.layout].name))


def _text_of(name: str) -> str:
    return identifier(f"{name} as it is")


def _numbered(source: Source) -> str:
    return f'(select row_number() over () as "$row", * from {source.table})'


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


def _place(root: Path, o: Located, fault: Fault) -> str:
    """The line of JSON Lines, else the row, and the detection."""
    place = f"row {fault.row}"
    if o.format == "json":
        lines = (number for number, _ in _lines(root / o.name))
        place = f"line {next(itertools.islice(lines, fault.row - 1, None), fault.row)}"
    return place + (f" (detection {shown(fault.detection)})" if fault.detection else "")


def _wrong(fault: Fault) -> str:
    said = f"'{shown(fault.value)}' {fault.saying}" if fault.value else "is empty"
    return f"{fault.column} {said}"

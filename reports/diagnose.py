"""What is wrong with evidence that could not be counted: the first fault, by object, row and column.

It runs only after a question failed and takes its time: object by object in the order of their names, each is read
again by itself, in order and on one core, until a fault is found:

1. the object opens, and is what its suffix says (every line of JSON Lines an object);
2. the columns that its layout requires are there;
3. every value converts;
4. every row keeps the rules of its layout, which are those of `latest.sql` in the words of the layout.
"""

from __future__ import annotations

import gzip
import json
import re
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NoReturn

import duckdb

from reports import raw
from reports.errors import InvalidEvidence
from reports.evidence import Layout, Located
from reports.raw import Column, Source, identifier, quoted

MEMORY_LIMIT = "500MB"
LONGEST_LINE = 2**25
SHOWN = 60
ADVICE = "correct it and deliver the object again"
FORMATS = {"parquet": "Parquet", "json": "JSON Lines", "csv": "CSV"}
LAST_MILLISECOND = 253_370_764_799_999  # of the year 9998: later instants are placeholders, not times

NOT_A = {
    "text": "is no text",
    "integer": "is no whole number of 64 bits",
    "number": "is no number",
    "instant": "is no instant like 2026-05-01T12:00:00Z",
    "milliseconds": "is no instant in milliseconds since 1970",
}


@dataclass(frozen=True, slots=True)
class Rule:
    """What must not be true of a row, as SQL over the columns of its layout, and how to say it of the column `name`."""

    name: str
    broken: str
    saying: str


def _required(*names: str) -> Rule:
    """One of the columns has a value; the first of them is named."""
    broken = " and ".join(f"coalesce({identifier(name)}::varchar, '') = ''" for name in names)
    return Rule(" or ".join(names), broken, "is empty, but every detection has one")


def _at_least_0(name: str) -> Rule:
    return Rule(name, f"{identifier(name)} < 0", "is below 0")


RULES: dict[Layout, tuple[Rule, ...]] = {
    "flat": (
        *map(_required, ("detection_id", "revised_at", "status", "account_id", "first_seen", "last_seen")),
        *map(_required, ("exchange_count", "detector", "confidence")),
        Rule(
            "status",
            "status not in ('new', 'in_progress', 'resolved', 'suppressed', 'deleted')",
            "is none of new, in_progress, resolved, suppressed, deleted",
        ),
        Rule("first_seen", "first_seen < timestamp '1970-01-01'", "is before 1970"),
        Rule("last_seen", "last_seen >= timestamp '9999-01-01'", "is after 9998"),
        Rule("last_seen", "last_seen < first_seen", "is before first_seen"),
        *map(_at_least_0, ("exchange_count", "output_tokens")),
        Rule("confidence", "not confidence between 0 and 1", "is not between 0 and 1"),
    ),
    "ocsf": (
        *map(_required, ("finding_info.uid", "status_id", "evidences[0].actor.user.uid")),
        _required("time", "finding_info.modified_time"),
        _required("start_time", "finding_info.first_seen_time"),
        _required("end_time", "finding_info.last_seen_time"),
        *map(_required, ("count", "finding_info.analytic.name", "confidence_score")),
        Rule("status_id", "status_id not between 1 and 6", "is none of 1 to 6"),
        Rule(
            "end_time or finding_info.last_seen_time",
            'coalesce(end_time, "finding_info.last_seen_time") < coalesce(start_time, "finding_info.first_seen_time")',
            "is before the start",
        ),
        *map(_at_least_0, ("count", "unmapped.output_tokens")),
        Rule("confidence_score", "not confidence_score between 0 and 100", "is not between 0 and 100"),
    ),
}
IDENTITY: dict[Layout, Column] = {"flat": raw.FLAT[0], "ocsf": Column("finding_info.uid", "text")}


def explain(
    root: Path, located: Sequence[Located], error: duckdb.Error | InvalidEvidence | None
) -> InvalidEvidence:
    """The error to raise after a question about objects failed: with an error, or for rows that break a rule.

    It names the object, the row or line, the detection's id, the column and the value of the first fault, as far as
    there are such; where no fault is found in any one object, all of them and what DuckDB said. Memory holds one
    batch of rows, or one line.
    """
    root = root.absolute()
    with (
        tempfile.TemporaryDirectory(prefix="exhibit-") as spill,
        raw.connection(root, spill, MEMORY_LIMIT, in_order=True) as con,
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
    names = f"{located[0].name}" + (f" and {len(located) - 1} more objects" if len(located) > 1 else "")
    said = _said(error, root) if error else "a row breaks a rule of its layout"
    return InvalidEvidence(f"{names}: cannot be counted together: {said}: deliver them in one form")


def _examine(con: duckdb.DuckDBPyConnection, root: Path, o: Located) -> None:
    """Raise `InvalidEvidence` for the first fault of an object, or the error of DuckDB that cannot read it."""
    try:
        with (root / o.name).open("rb") as file:
            file.read(1)
    except OSError as error:
        raise _unreadable(o, "a file", f"{error.strerror}") from None
    if o.format == "json":
        _check_lines(root, o)
    for source in raw.sources(con, root, [o]):
        if o.format == "csv":
            _check_csv(con, root, o, source)
        found = _missing(con, o, source) or _unconverted(con, source) or _broken(con, source)
        if found:
            _refuse(root, o, found)


def _unreadable(o: Located, form: str, why: str) -> InvalidEvidence:
    return InvalidEvidence(f"{o.name}: cannot be read as {form}: {why}: deliver the object again")


def _check_lines(root: Path, o: Located) -> None:
    try:
        for number, line in _lines(root, o):
            if problem := _line_problem(line):
                raise InvalidEvidence(f"{o.name}: line {number} {problem}: {ADVICE}")
    except (EOFError, OSError, zlib.error) as error:
        raise _unreadable(o, "gzip", shown(error)) from None


def _lines(root: Path, o: Located) -> Iterator[tuple[int, bytes]]:
    """The lines that hold a row, with their numbers from 1."""
    with _opened(root / o.name) as file:
        for number, line in enumerate(iter(lambda: file.readline(LONGEST_LINE), b""), 1):
            if content := line.removeprefix(b"\xef\xbb\xbf" if number == 1 else b"").strip():
                yield number, content


def _opened(path: Path) -> IO[bytes]:
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]


def _line_problem(line: bytes) -> str | None:
    try:
        row = json.loads(line.decode(), parse_int=str, parse_float=str)
    except UnicodeDecodeError:
        return "is not UTF-8"
    except json.JSONDecodeError as error:
        where = f"{error.msg} at column {error.colno}"
        return f"is longer than {LONGEST_LINE} bytes" if len(line) >= LONGEST_LINE else f"is not JSON ({where})"
    except RecursionError:
        return "is nested too deep"
    return None if isinstance(row, dict) else f"is JSON but no object: {shown(line.decode())!r}"


def _check_csv(con: duckdb.DuckDBPyConnection, root: Path, o: Located, source: Source) -> None:
    """Raise `InvalidEvidence` for the first line that is not CSV; what DuckDB numbers are rows, lines are counted."""
    con.execute(f"select count(columns(*)) from {source.table.removesuffix(')')}, store_rejects = true)")
    rejected = con.execute(
        "select line_byte_position, error_message from reject_errors order by 1 limit 1"
    ).fetchone()
    if rejected:
        position, problem = rejected
        with (root / o.name).open("rb") as file:
            number = 1 + sum(file.read(min(2**20, position - 1 - at)).count(b"\n") for at in range(0, position - 1, 2**20))
        raise InvalidEvidence(f"{o.name}: line {number} is not CSV: {_said(problem, root)}: {ADVICE}")


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of a column: in a row, numbered from 1, with its id and the value, or of the whole object."""

    column: str
    saying: str
    row: int | None = None
    identity: str | None = None
    value: str | None = None


def _missing(con: duckdb.DuckDBPyConnection, o: Located, source: Source) -> Fault | None:
    """A required column that an object with rows does not have; in JSON Lines, that no row has."""
    columns = {column.name: column for column in raw.COLUMNS[source.layout]}
    required = [rule.name.split(" or ") for rule in RULES[source.layout] if rule == _required(*rule.name.split(" or "))]
    for names in (["class_uid"], *required) if source.layout == "ocsf" else required:
        found = [f for f in (source.find(columns[name]) for name in names) if f]
        having = " or ".join(f"try({value}) is not null" for value, _ in found)
        if found and o.format != "json":
            continue
        rows = f"from {source.table} where {_ours(source)}"
        if con.execute(f"select 1 {rows} limit 1").fetchone() and not (
            found and con.execute(f"select 1 {rows} and ({having}) limit 1").fetchone()
        ):
            return Fault(" or ".join(names), "is a required column that is missing")
    return None

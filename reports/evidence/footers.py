"""What the footers of Parquet objects say, held against what a table declares: `flat`, `ocsf`, or one's own.

A table reads a column of another type as something else, or as nothing, often without a word. So each object is let
through by an allow-list: the types, the compression and the encodings that Trino and DuckDB were seen to read alike.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import duckdb

from reports.core.errors import InvalidEvidence
from reports.evidence.columns import COLUMNS, JOINED, KEYS, Column, Layout, mistake
from reports.evidence.convert import listed
from reports.evidence.source import ListedObject
from reports.evidence.tables import MAP

AT_ONCE = 10
MAGIC = b"PAR1"
GUESS = 2**16  # bytes: most footers are shorter
_INTEGERS = frozenset(
    {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", '"NULL"', "NULL"}
)  # nulls are kept as integers
_ALIKE: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(("id", "heading", "text"), frozenset({"VARCHAR"})),
    **dict.fromkeys(("integer", "milliseconds"), _INTEGERS),
    "number": _INTEGERS | {"FLOAT", "DOUBLE"},
    "instant": frozenset({"TIMESTAMP", "TIMESTAMP_NS", "TIMESTAMP WITH TIME ZONE"}),
}
_WANTED = {
    "id": "text",
    "heading": "text",
    "text": "text",
    "integer": "a signed integer",
    "milliseconds": "a signed integer, in milliseconds",
    "number": "a floating-point number",
    "instant": "a timestamp",
}
CODECS = frozenset({"UNCOMPRESSED", "SNAPPY", "GZIP", "ZSTD"})
ENCODINGS = frozenset(
    {
        *("PLAIN", "PLAIN_DICTIONARY", "RLE_DICTIONARY", "RLE", "BIT_PACKED"),
        *("DELTA_BINARY_PACKED", "DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY"),
    }
)


Judge = Callable[[Mapping[str, Any], Layout], Iterable[str]]
"""Tells what is wrong with the types of an object's columns, as DuckDB has them, for a table of a layout."""


class Ranged(Protocol):
    """What gives parts of evidence objects."""

    def part(self, located: ListedObject, first: int, count: int) -> bytes:
        """Some bytes of an object as it was listed, from one on; raises `Changed` if it was written to since."""


def _types(types: Mapping[str, Any], layout: Layout) -> Iterable[str]:
    for column in COLUMNS[layout]:
        top, *inner = column.path
        if str(top) in types and (problem := _type(column, types[str(top)], inner)):
            yield problem


def _type(column: Column, type_: Any, path: Sequence[str | int]) -> str | None:
    """What is wrong with the type that leads to a column, or with its own."""
    if not path:
        wanted = _WANTED[column.type]
        return (
            None
            if str(type_) in _ALIKE[column.type]
            else f"column {column.name} is {type_}: tables read {wanted}"
        )
    step, *rest = path
    if column.path[0] == MAP:
        texts = "map(varchar, varchar)"
        return None if str(type_).lower() == texts else f"column {MAP} is {type_}: tables read {texts}"
    if type_.id != ("list" if isinstance(step, int) else "struct"):
        wanted = "a list" if isinstance(step, int) else "a struct"
        return f"column {column.name} is in {type_}: tables read {wanted} there"
    children = dict(type_.children)
    if isinstance(step, str) and (problem := mistake(children, frozenset({step}))):
        return problem
    inner = children.get("child" if isinstance(step, int) else step)
    return inner and _type(column, inner, rest)


@dataclass(frozen=True, slots=True)
class Footers:
    """The footers of a source's objects, each read once: `rows` of an object that tables can read."""

    source: Ranged
    judge: Judge = _types
    _rows: dict[tuple[str, str], int] = field(default_factory=dict, init=False)

    def rows(self, objects: Iterable[ListedObject]) -> Mapping[str, int]:
        """How many rows each object has, by its name; raises `InvalidEvidence` for one that tables read otherwise."""
        wanted = {(o.name, o.state): o for o in objects}
        new = [o for key, o in wanted.items() if key not in self._rows]
        if new:
            self._rows.update(self._read(new))
        return {name: self._rows[name, state] for name, state in wanted}

    def _read(self, objects: Sequence[ListedObject]) -> dict[tuple[str, str], int]:
        with tempfile.TemporaryDirectory(prefix="exhibit-footers-") as folder, duckdb.connect() as con:
            con.execute("set enable_progress_bar = false")
            places = {o: Path(folder, f"{number}.parquet") for number, o in enumerate(objects)}
            with ThreadPoolExecutor(AT_ONCE) as pool:
                for _ in pool.map(lambda item: self._copy(*item), places.items()):
                    pass
            return {
                (o.name, o.state): _counted(con, o, str(place), self.judge) for o, place in places.items()
            }

    def _copy(self, located: ListedObject, place: Path) -> None:
        """Copy an object without its rows: a file of its size that holds zeros up to the footer."""
        end = self.source.part(located, max(0, located.size - GUESS), GUESS)
        length = int.from_bytes(end[-8:-4], "little") + 8
        if not end.endswith(MAGIC) or not 12 <= length + 4 <= located.size:
            raise InvalidEvidence(f"{located.name}: is not Parquet, or is cut short: deliver it again")
        if length > len(end):
            end = self.source.part(located, located.size - length, length)
        with place.open("wb") as file:
            file.write(MAGIC)
            file.truncate(located.size)
            file.seek(located.size - length)
            file.write(end[-length:])


def _counted(con: duckdb.DuckDBPyConnection, located: ListedObject, place: str, judge: Judge) -> int:
    """How many rows an object has; raises `InvalidEvidence`, with its name, if tables would read it otherwise."""
    file = listed([place])
    try:
        described = con.sql(f"from read_parquet({file}, hive_partitioning = false)")
        types = dict(zip(described.columns, described.types, strict=True))
        names = _names(con, place)
        for name in _halves(con, place):
            raise InvalidEvidence(
                f"{located.name}: column {name} is FLOAT16: tables read {_WANTED['number']}"
            )
        for problem in (*_names_that_mislead(names, located.layout), *judge(types, located.layout)):
            raise InvalidEvidence(f"{located.name}: {problem}")
        chunks = con.execute(
            "select distinct split_part(path_in_schema, ', ', 1), compression, encodings "
            f"from parquet_metadata({file}) order by all"
        ).fetchall()
        counted = con.execute(f"select num_rows from parquet_file_metadata({file})").fetchone()
    except duckdb.Error as error:
        said = str(error).splitlines()[0].replace(place, located.name)
        raise InvalidEvidence(f"{located.name}: its Parquet footer cannot be read: {said}") from None
    for top, codec, encodings in chunks:
        if top in KEYS[located.layout][()] and (fault := _packed(codec, encodings)):
            raise InvalidEvidence(f"{located.name}: column {top} {fault}")
    return int(counted[0]) if counted else 0


def _packed(codec: str, encodings: str) -> str | None:
    """What is wrong with how a column is compressed and encoded."""
    if codec not in CODECS:
        return f"is compressed with {codec}: use one of {', '.join(sorted(CODECS))}"
    odd = {name.strip() for name in encodings.split(",")} - ENCODINGS
    return f"is encoded with {min(odd)}: use one of {', '.join(sorted(ENCODINGS))}" if odd else None


def _halves(con: duckdb.DuckDBPyConnection, place: str) -> list[str]:
    """The columns of confidence that are 16-bit floats, which DuckDB calls by the name of longer ones."""
    numbers = [column.name for columns in COLUMNS.values() for column in columns if column.type == "number"]
    found = con.execute(
        f"select name from parquet_schema({listed([place])}) "
        f"where type = 'FIXED_LEN_BYTE_ARRAY' and type_length = '2' and list_contains({listed(numbers)}, name)"
    )
    return [name for (name,) in found.fetchall()]


def _names(con: duckdb.DuckDBPyConnection, place: str) -> list[str]:
    """The names of the columns as they are written, though two differ in case alone."""
    found = con.execute(
        f"select name, num_children from parquet_schema({listed([place])}) order by column_id"
    )
    rows = iter(found.fetchall())
    _, count = next(rows)
    return [_passed(rows) for _ in range(count or 0)]


def _passed(rows: Any) -> str:
    """The name of the next column, whose nested ones are passed."""
    name, below = next(rows)
    for _ in range(below or 0):
        _passed(rows)
    return str(name)


def _names_that_mislead(names: Sequence[str], layout: Layout) -> Iterable[str]:
    for whole in sorted(set(names) & JOINED[layout][()]):
        yield f"column {whole!a} is read as nested columns by tables: nest it"
    if problem := mistake(names, KEYS[layout][()], JOINED[layout][()]):
        yield problem

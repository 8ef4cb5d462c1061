"""The raw relations `flat` and `ocsf`, as DuckDB reads them from evidence objects of any format.

Objects are read in groups of one format and one schema, and each column is turned into its layout's type whatever the
object's own is (`convert`). Names that are nearly those of columns, and keys that are there twice, are refused.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import itertools
import os
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

import duckdb
from duckdb.sqltypes import VARCHAR

from reports.core.errors import InvalidEvidence
from reports.evidence import convert
from reports.evidence.columns import CLASS, COLUMNS, JOINED, KEYS, WAYS, Column, Layout, Step, misfit, mistake
from reports.evidence.convert import Type, follow, identifier, json_path, listed, quoted
from reports.evidence.source import ListedObject

JSON = "json"
"""The column of a line's whole text."""

CHUNK = 2**20
NOT_JSON = "a line is not JSON: a comma before a bracket that closes, NaN or infinity"
NOT_WHITE = "a line is not JSON: it holds a vertical tab or a form feed"
START = 2**16
_ODD_START = re.compile(rb"\A\xef\xbb\xbf|\r(?!\n|\Z)|\A[^\n]*\r\Z")
_NOWHERE: Mapping[str, int] = {}
# The partition's day as the layout's own column, from an object's path below the root
_PARTITION: dict[Layout, tuple[str, str]] = {
    "flat": ("event_day", "/event_day=([^/]+)/"),
    "ocsf": ("eventday", "(?i)/accountid=[^/]+/eventday=([^/]+)/"),
}


@dataclass(frozen=True, slots=True)
class Source:
    """Objects of one format and one schema: the table function that reads them, and its columns' types.

    `path` is the column that names the object of a row, `files` are the paths of the objects in the order in which the
    function reads them. `of_lines` is whether columns are taken from lines of JSON. `point_zero` are the ids of CSV
    that lose a trailing `.0`.
    """

    layout: Layout
    table: str
    types: Mapping[str, Type]
    files: Sequence[str] = ()
    path: str = '"$path"'
    of_lines: bool = False
    point_zero: frozenset[str] = frozenset()

    def value(self, column: Column) -> str:
        """The expression of a column in its canonical type; null if the objects do not have it.

        An OCSF row without a class is an error, because it would be skipped unnoticed.
        """
        found = self.find(column)
        value = self._converted(column, *found) if found else f"null::{convert.SQL_TYPES[column.type]}"
        if column is not CLASS:
            return value
        missing = f"'missing' || coalesce({found[0] if found else 'null'}::varchar, '')"
        return f"coalesce({value}, cast({missing} as bigint))"

    def find(self, column: Column) -> tuple[str, Type] | None:
        """The expression of a column unchanged, and its type; None if the objects lack it or have only nulls.

        Raises `InvalidEvidence` if the type of what leads to the column cannot hold it, or there are two of it.
        """
        try:
            whole = self._followed(column.name)
            if self.of_lines or len(column.path) == 1:
                return whole
            found = self._followed(*column.path)
        except InvalidEvidence as error:
            raise InvalidEvidence(f"column {column.name}: {error}") from None
        if whole and found:
            raise InvalidEvidence(f"column {column.name} is also in {column.path[0]}: keep one of them")
        return whole or found

    def _followed(self, top: Step, *inner: Step) -> tuple[str, Type] | None:
        """What a path leads to from a column on."""
        return follow(identifier(str(top)), self.types[str(top)], inner) if top in self.types else None

    def _converted(self, column: Column, value: str, type_: Type) -> str:
        if column.name in self.point_zero:
            value = convert.without_point_zero(value)
        if column.is_label and (json := self._json(column)):
            return convert.label_in_json(column, value, *json)
        return convert.converted(column, value, type_)

    def _json(self, column: Column) -> tuple[str, str] | None:
        """The type of a column in the JSON that it is taken from, and that JSON; None if it is not from any."""
        if self.of_lines:
            return identifier(_type_of(column)), JSON
        top, *inner = column.path
        if column.name in self.types or not inner or self.types[str(top)].id != "varchar":
            return None
        text = identifier(str(top))
        return f"json_type({text}, {quoted(json_path(inner))})", text

    @property
    def among(self) -> str:
        """The condition for rows of this layout: other OCSF classes share its folders, with other columns."""
        return "true" if self.layout == "flat" else f"{self.value(CLASS)} = 2004"

    @property
    def perhaps_among(self) -> str:
        """The condition for a layout's rows, and for those that may be."""
        return f"coalesce(try({self.among}), true)"


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
            "set enable_progress_bar = false; set enable_external_access = false; set global TimeZone = 'UTC'"
        )
        con.execute("set lock_configuration = true")
        yield con
    finally:
        con.close()


def spill_of(con: duckdb.DuckDBPyConnection) -> Path:
    """The folder that a connection can write below."""
    ((spill,),) = con.execute("select current_setting('temp_directory')").fetchall()
    return Path(spill)


def relation(
    con: duckdb.DuckDBPyConnection,
    root: Path,
    objects: Sequence[ListedObject],
    places: Mapping[str, int] = _NOWHERE,
) -> str:
    """The SELECT that reads objects of one layout as its raw relation, under an absolute `root`.

    Every column is in its canonical type, and null if an object does not have it. Besides `"$path"` there
    is `place` if `places` are given: the place of the object that a row is from, by its name. Raises `InvalidEvidence`
    for names that are wrong.
    """
    layout = objects[0].layout
    parts = [_select(source, root, places) for source in sources(con, root, objects)]
    none = "(select '' as \"$path\", 0 as file_index limit 0)"
    return " union all ".join(parts or [_select(Source(layout, none, {}), root, places)])


def make_views(con: duckdb.DuckDBPyConnection, root: Path, objects: Iterable[ListedObject]) -> None:
    """Make the raw relation of each layout that objects are of a view."""
    by_layout = sorted(objects, key=lambda o: o.layout)
    for layout, of_layout in itertools.groupby(by_layout, lambda o: o.layout):
        con.execute(f"create view {layout} as {relation(con, root, list(of_layout))}")


def _select(source: Source, root: Path, places: Mapping[str, int]) -> str:
    tree: dict[Step, Any] = {}
    for column in COLUMNS[source.layout]:
        node = tree
        for step in column.path[:-1]:
            node = node.setdefault(step, {})
        node[column.path[-1]] = source.value(column)
    day, pattern = _PARTITION[source.layout]
    selected = [
        f"regexp_extract(substr({source.path}, {len(str(root)) + 1}), {quoted(pattern)}, 1) as {day}",
        *(f"{_nested(node)} as {identifier(str(name))}" for name, node in tree.items()),
        f'{source.path} as "$path"',
    ]
    if places:
        selected.append(f"{_place([places[file[len(str(root)) + 1 :]] for file in source.files])} as place")
    return f"select {', '.join(selected)} from {source.table} where {source.among}"


def _place(places: Sequence[int]) -> str:
    """A row's object, as its index among the objects that are read together."""
    first = places[0] if places else 0
    if len(places) == 1:
        return f"{first}::uinteger"
    if list(places) == list(range(first, first + len(places))):
        return f"(file_index + {first})::uinteger"
    return f"{list(places)}[file_index::bigint + 1]::uinteger"


def _nested(node: str | dict[Step, Any]) -> str:
    if isinstance(node, str):
        return node
    if 0 in node:
        return f"[{_nested(node[0])}]"
    return "{" + ", ".join(f"{quoted(str(name))}: {_nested(inner)}" for name, inner in node.items()) + "}"


def sources(con: duckdb.DuckDBPyConnection, root: Path, objects: Iterable[ListedObject]) -> Iterator[Source]:
    """Objects of one layout, grouped by format and schema; without empty text objects, which have no rows.

    Raises `InvalidEvidence` for names that are nearly those of columns, and for known ones that are there twice.
    """
    for source in unchecked_sources(con, root, objects):
        _check_inner_names(con, source)
        yield source


def unchecked_sources(
    con: duckdb.DuckDBPyConnection, root: Path, objects: Iterable[ListedObject]
) -> Iterator[Source]:
    """The same, without a look into the rows for the names there."""
    by_format = sorted(objects, key=lambda o: (o.format, o.name))
    for format_, of_format in itertools.groupby(by_format, lambda o: o.format):
        yield from _SOURCES[format_](con, root, list(of_format))


def _check_inner_names(con: duckdb.DuckDBPyConnection, source: Source) -> None:
    """Check the keys of maps and of JSON in the columns of a source, in all rows."""
    if source.of_lines:
        once = f"len(list_filter(json_keys({JSON}), lambda key: key = {quoted(CLASS.name)})) < 2"
        _check_json(con, source, JSON, (), f"not ({once}) or {source.perhaps_among}")
        return
    for top in {str(path[0]) for path in KEYS[source.layout] if path} & source.types.keys():
        if source.types[top].id == "varchar":
            _check_json(con, source, identifier(top), (top,), source.perhaps_among)
            continue
        for path in KEYS[source.layout]:
            if path and path[0] == top:
                found = follow(identifier(top), source.types[top], path[1:])
                if found and found[1].id == "map":
                    _check_map(con, source, found[0], path)


def _check_map(con: duckdb.DuckDBPyConnection, source: Source, value: str, path: tuple[Step, ...]) -> None:
    known, unread = KEYS[source.layout][path], JOINED[source.layout][path]
    keys = f"select distinct map_keys({value}) from {source.table} where {source.perhaps_among}"
    for (names,) in _each(con.execute(keys)):
        _refuse(mistake(names or (), known, unread))


_LAX = r"(?i),\s*[}\]]|[:,\[]\s*-?(nan|inf)"
_STRING = r'"(?:[^"\\]|\\.)*"'
_IS_LAX = (
    f"regexp_matches({JSON}, {quoted(_LAX)}) and "
    f"regexp_matches(regexp_replace({JSON}, {quoted(_STRING)}, '\"\"', 'g'), {quoted(_LAX)})"
)
"""Whether a line has a comma before a bracket that closes, or NaN or infinity: DuckDB reads those as JSON."""


def _check_json(
    con: duckdb.DuckDBPyConnection, source: Source, text: str, start: tuple[Step, ...], among: str
) -> None:
    """Check the keys in JSON at a path, and that values on the way to columns contain something."""
    keys = {path: known for path, known in KEYS[source.layout].items() if path[: len(start)] == start}
    ways = {path: wanted for path, wanted in WAYS[source.layout].items() if path[: len(start)] == start}
    taken = (
        f"{function}({text}, {listed(json_path(path[len(start) :]) for path in paths)})"
        for function, paths in (("json_keys", keys), ("json_type", ways))
    )
    lax = "false" if start else _IS_LAX
    condition = f"({among}) or {lax}" if source.layout == "ocsf" else "true"
    for names, types, is_lax in _of_json(
        con, f"select distinct {', '.join(taken)}, {lax} from {source.table} where {condition}", start
    ):
        _refuse(NOT_JSON if is_lax else None)
        for (path, known), of_path in zip(keys.items(), names or (), strict=bool(names)):
            _refuse(mistake(of_path or (), known, JOINED[source.layout][path]))
        for (path, wanted), found in zip(ways.items(), types or (), strict=bool(types)):
            _refuse(misfit(path, wanted, found))


def _of_json(con: duckdb.DuckDBPyConnection, sql: str, start: tuple[Step, ...]) -> Iterator[tuple[Any, ...]]:
    try:
        yield from _each(con.execute(sql))
    except duckdb.InvalidInputException as error:
        if not start:  # a line, which `diagnose` finds
            raise
        said = next(iter(str(error).splitlines()), "")
        raise InvalidEvidence(
            f"column {start[0]} is not JSON: {said}: correct it, or leave it empty"
        ) from None


def _refuse(what: str | None) -> None:
    if what:
        raise InvalidEvidence(what)


def _each(cursor: duckdb.DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    while rows := cursor.fetchmany(10_000):
        yield from rows


def _parquet(con: duckdb.DuckDBPyConnection, root: Path, objects: Sequence[ListedObject]) -> Iterator[Source]:
    layout = objects[0].layout
    schemas = con.execute(
        "select list(file order by file), schema from (select file_name as file, list((name, duckdb_type, "
        f"num_children) order by column_id) as schema from parquet_schema({_files(root, objects)}) group by 1) "
        "group by schema"
    ).fetchall()
    for files, schema in schemas:
        row = _tree((name, below) for name, _, below in schema)
        for place, known in KEYS[layout].items():
            if node := row.at(place):
                names = (below.name for below in node.below)
                _refuse(mistake(names, known, JOINED[layout][place]) if place else _of_table(names, layout))
        there = {node.name.lower() for node in row.below}
        # A column of the evidence's own hides what DuckDB calls by its name: the object's number, its path
        for some in ([file] for file in files) if "file_index" in there else (files,):
            path = next(name for name in _path_names() if name not in there)
            table = _table("read_parquet", listed(map(_literal, some)), path=path)
            described = con.sql(f"from {table}")
            types = dict(zip(described.columns, described.types, strict=True))
            del types[path]
            yield Source(layout, table, types, some, identifier(path))


class _Node(NamedTuple):
    """A name in a schema, and those below it. DuckDB adds a suffix to names that differ only in case."""

    name: str
    below: Sequence[_Node]

    def at(self, path: Sequence[Step]) -> _Node | None:
        """What a path leads to; None if the way ends."""
        if not path:
            return self
        step, *rest = path
        if isinstance(step, str):
            found = next((node for node in self.below if node.name == step), None)
        else:
            found = self._element()
        return found and found.at(rest)

    def _element(self) -> _Node | None:
        """A list's element type: inside a repeated group or, in old files, that group itself."""
        repeated = self.below[0] if self.below else None
        named = repeated and [node.name for node in repeated.below]
        return (
            repeated.below[0]
            if repeated and named in (["element"], ["item"], ["array_element"])
            else repeated
        )


def _tree(schema: Iterator[tuple[str, int | None]]) -> _Node:
    """A schema, from its names with how many are right below each, in depth-first order."""
    name, below = next(schema)
    return _Node(name, [_tree(schema) for _ in range(below or 0)])


def _path_names() -> Iterator[str]:
    return (f"$path{number or ''}" for number in itertools.count())


def _json(con: duckdb.DuckDBPyConnection, root: Path, objects: Sequence[ListedObject]) -> Iterator[Source]:
    """Each column is read from the text of its line, so every row may have its own shape."""
    layout = objects[0].layout
    present = [o for o in objects if o.size or o.name.endswith(".gz")]
    with ThreadPoolExecutor() as pool:
        odd = [
            o
            for o, is_odd in zip(present, pool.map(lambda o: _is_odd(root, o), present), strict=True)
            if is_odd
        ]
    plain = [o for o in present if o not in odd]
    for compression in ("none", "gzip"):  # given explicitly, because DuckDB cuts a name at `?`
        alike = [o for o in plain if o.name.endswith(".gz") == (compression == "gzip")]
        if alike:
            yield _of_lines(layout, _lines(root, alike, compression), _paths(root, alike))
    if odd:
        copies = _copied(con, root, odd)
        path = f'{quoted(str(root))} || substr("$path", {len(str(copies)) + 1}) as "$path"'
        table = f"(select {JSON}, {path}, file_index from {_lines(copies, odd, 'none')})"
        yield _of_lines(layout, table, _paths(root, odd))


def _lines(root: Path, objects: Sequence[ListedObject], compression: str) -> str:
    options = f", format = 'newline_delimited', compression = '{compression}'"
    return _table("read_json_objects", _files(root, objects), options)


def _of_lines(layout: Layout, lines: str, files: Sequence[str]) -> Source:
    names = [*(c.name for c in COLUMNS[layout]), *map(_type_of, _labels(layout)), JSON]
    return Source(layout, _taken_from(lines, layout), dict.fromkeys(names, VARCHAR), files, of_lines=True)


def _is_odd(root: Path, o: ListedObject) -> bool:
    """Whether DuckDB has to read a copy of lines; raises `InvalidEvidence` for what it passes over.

    That is a wrong check sum of gzip, and a vertical tab or a form feed, which is nowhere in JSON, around a line.
    """
    packed, path, size = o.name.endswith(".gz"), root / o.name, 0
    if packed and not o.size:
        raise InvalidEvidence(f"{o.name}: cannot be read as gzip: it has no bytes")
    try:
        with opened(path) as file:
            start = chunk = file.read(START)
            while chunk:
                if b"\v" in chunk or b"\f" in chunk:
                    raise InvalidEvidence(f"{o.name}: {NOT_WHITE}")
                size += len(chunk)
                chunk = file.read(CHUNK)
    except (EOFError, OSError, zlib.error) as error:
        if not packed:  # which DuckDB tells
            return False
        raise InvalidEvidence(f"{o.name}: cannot be read as gzip: {error}") from None
    return bool(_ODD_START.search(start)) or (packed and not _ends_with_size(path, size))


def _ends_with_size(path: Path, size: int) -> bool:
    """Whether a file of gzip ends as one member does (RFC 1952): no padding follows, which DuckDB refuses."""
    if not size:
        return False
    with path.open("rb") as file:
        file.seek(-4, os.SEEK_END)
        return file.read() == (size % 2**32).to_bytes(4, "little")


def opened(path: Path) -> IO[bytes]:
    """The bytes of lines, which a name in `.gz` tells to be compressed."""
    return cast("IO[bytes]", gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def _copied(con: duckdb.DuckDBPyConnection, root: Path, objects: Iterable[ListedObject]) -> Path:
    """Where copies of objects are that DuckDB reads: without a byte order mark, each line ended by a line feed."""
    copies = spill_of(con) / "lines"
    for o in objects:
        place = copies / o.name
        place.parent.mkdir(parents=True, exist_ok=True)
        with opened(root / o.name) as file, place.open("wb") as copy:
            chunk = file.read(CHUNK).removeprefix(codecs.BOM_UTF8)
            while chunk:
                copy.write(chunk.replace(b"\r", b"\n"))
                chunk = file.read(CHUNK)
    return copies


def _labels(layout: Layout) -> list[Column]:
    return [column for column in COLUMNS[layout] if column.is_label]


def _type_of(label: Column) -> str:
    return f"type of {label.name}"


def _taken_from(lines: str, layout: Layout) -> str:
    """The relation of the columns, as text, and of the labels' types, that are taken from lines of JSON."""
    taken = {
        "json_extract_string": [(column, column.name) for column in COLUMNS[layout]],
        "json_type": [(label, _type_of(label)) for label in _labels(layout)],
    }
    inner, outer = [], []
    for function, of in taken.items():
        paths = listed(json_path(column.path) for column, _ in of)
        inner.append(f"{function}({JSON}, {paths}) as {function}")
        outer += [f"{function}[{n}] as {identifier(name)}" for n, (_, name) in enumerate(of, 1)]
    rest = f'{JSON}, "$path", file_index'
    return f"(select {', '.join(outer)}, {rest} from (select {', '.join(inner)}, {rest} from {lines}))"


def _csv(con: duckdb.DuckDBPyConnection, root: Path, objects: Sequence[ListedObject]) -> Iterator[Source]:
    """The header is read here, so that nothing is guessed; columns with other names are read and ignored."""
    layout = objects[0].layout
    headers = {o: header(root, o) for o in objects if o.size}
    for names in sorted(set(headers.values())):
        files = _paths(root, (o for o in objects if headers.get(o) == names))
        columns = [name if name in _wanted(layout) else f" {place}" for place, name in enumerate(names)]
        types = dict.fromkeys(columns, VARCHAR)
        found = _point_zero(con, csv_table(files, columns), columns, layout)
        for ids in sorted(set(found.values()), key=sorted):
            some = [file for file in files if found.get(file, frozenset()) == ids]
            yield Source(layout, csv_table(some, columns), types, some, point_zero=ids)


def csv_table(files: Iterable[str], names: Iterable[str]) -> str:
    """The table function that reads CSV with columns of some names, all of them text."""
    types = ", ".join(f"{quoted(name)}: 'VARCHAR'" for name in names)
    options = (
        f", columns = {{{types}}}, auto_detect = false, header = true, nullstr = '', delim = ',', quote = '\"', "
        "escape = '\"', compression = 'none'"
    )
    return _table("read_csv", listed(map(_literal, files)), options)


def _point_zero(
    con: duckdb.DuckDBPyConnection, table: str, names: Iterable[str], layout: Layout
) -> dict[str, frozenset[str]]:
    """The ids that a spreadsheet or a data frame turned into fractions, by the path of their object.

    These are columns that hold nothing but whole numbers, some of them with a trailing `.0`.
    """
    ids = [column.name for column in COLUMNS[layout] if column.type == "id" and column.name in names]
    tests = [
        f"coalesce(bool_and(regexp_full_match({identifier(name)}, {quoted(convert.WHOLE_ID)})), false) "
        f"and bool_or(regexp_full_match({identifier(name)}, {quoted(convert.POINT_ZERO)}))"
        for name in ids
    ]
    rows = con.execute(f'select "$path", [{", ".join(tests)}] from {table} group by 1').fetchall()
    return {path: frozenset(itertools.compress(ids, of_object)) for path, of_object in rows}


def header(root: Path, located: ListedObject) -> tuple[str, ...]:
    """The names of a CSV object's columns; raises `InvalidEvidence` if none is the layout's, or one is twice."""
    try:
        with (root / located.name).open(encoding="utf-8-sig", errors="replace", newline="") as file:
            names = tuple(next(csv.reader(file, strict=True), ()))
    except (OSError, csv.Error) as error:
        where = f"{located.name}: line 1 is not a CSV header"
        raise InvalidEvidence(f"{where}: {error}", where) from None
    wanted = _wanted(located.layout)
    if wanted.isdisjoint(names):
        raise InvalidEvidence(f"{located.name}: line 1 names no column of the layout: put a CSV header there")
    if what := _of_table(names, located.layout):
        raise InvalidEvidence(f"{located.name}: {what}")
    return names


def _of_table(names: Iterable[str], layout: Layout) -> str | None:
    """What is wrong with the names of a table's columns, which may join the steps of a path."""
    wanted = _wanted(layout)
    return mistake(names, wanted, JOINED[layout][()] - wanted)


@cache
def _wanted(layout: Layout) -> frozenset[str]:
    return KEYS[layout][()] | {column.name for column in COLUMNS[layout]}


_SOURCES: dict[str, Callable[[duckdb.DuckDBPyConnection, Path, Sequence[ListedObject]], Iterator[Source]]] = {
    "parquet": _parquet,
    "json": _json,
    "csv": _csv,
}


def of_cells(files: Iterable[Path]) -> str:
    """The table function that reads files of cells; their columns are those alone that are in them."""
    return f"read_parquet({listed(_literal(str(file)) for file in files)}, hive_partitioning = false)"


def _table(function: str, files: str, options: str = "", path: str = "$path") -> str:
    return f"{function}({files}, filename = {quoted(path)}, hive_partitioning = false{options})"


def _files(root: Path, objects: Iterable[ListedObject]) -> str:
    return listed(map(_literal, _paths(root, objects)))


def _paths(root: Path, objects: Iterable[ListedObject]) -> list[str]:
    return [str(root / o.name) for o in objects]


def _literal(path: str) -> str:
    """A path with pattern characters escaped, so that it matches only itself."""
    return re.sub(r"[*?\[]", r"[\g<0>]", path)

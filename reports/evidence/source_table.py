"""Evidence in a table or view of one's own, which Athena or Trino reads: its objects, and questions over it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from typing import Protocol, TypeVar

from reports.core.errors import Changed, InvalidEvidence, InvalidSettings, Unavailable
from reports.core.progress import Done
from reports.core.window import Window
from reports.evidence import questions
from reports.evidence.engine_tables import Run, Select, concluded, mistaken
from reports.evidence.footers import MAGIC as PARQUET
from reports.evidence.footers import Footers
from reports.evidence.own_table import OwnTable
from reports.evidence.questions import Answer, Question, Row
from reports.evidence.source import EvidenceObject, ListedObject, is_name
from reports.evidence.source_s3 import AT_ONCE, S3Evidence
from reports.evidence.table_types import parsed, quoted

_NESTED = frozenset({"row", "array", "map"})
_PLACE = re.compile(r"[A-Za-z0-9]+://([^/]+)/(.+)", re.DOTALL)
_ICEBERG = re.compile("iceberg|format_version", re.IGNORECASE)
ORC = b"ORC"
_EXPIRED = re.compile(r"snapshot (ID|with id)", re.IGNORECASE)
_NO_DEFINITION = {
    "is a materialized view": "is a materialized view, which may be older than the rows that it is of: name a "
    "table, or a view that gives their objects",
    "mismatched input|no viable alternative": "its name is a word of SQL, or begins with what a name cannot begin "
    "with: make a view that has another name",
}
"""What is wrong with a table or view, by how the statement that tells its definition fails."""
_NONE_SUCH = re.compile(r"TABLE_NOT_FOUND|does not exist", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a briefing records of a table: its snapshot, if any, and the names of its objects."""

    snapshot: int | None
    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class TableEvidence:
    """A table or view, `name` of the database or schema `database`; its objects lie in the bucket of `files`.

    Settings lie below the prefix of `files`. The names of objects are their keys. A table of Iceberg is read at one
    snapshot: the current one or, to read it as a briefing `recorded` it, the one of that briefing; the recorded objects
    that hold no rows of it are those that delete some.

    Permissions: those of `S3Evidence` on the objects, wherever in the bucket they are, and of `AthenaEngine` on the
    table.
    """

    files: S3Evidence
    database: str
    name: str
    select: Select
    recorded: Recorded | None = None
    _read: list[OwnTable] = field(default_factory=list, init=False, repr=False, compare=False)
    _listed: list[tuple[ListedObject, ...]] = field(
        default_factory=list, init=False, repr=False, compare=False
    )

    @property
    def table(self) -> OwnTable:
        """What the catalog says of it, asked for once; raises `InvalidSettings` if it does not serve."""
        if not self._read:
            self._read.append(self._described())
        return self._read[0]

    @property
    def told(self) -> str:
        """Its name, for people."""
        return f"{self.database}.{self.name}"

    def last_listed(self) -> tuple[ListedObject, ...]:
        """Its objects as they were last listed."""
        return self._listed[-1] if self._listed else self.list()

    def as_recorded(self, table: str, snapshot: int | None, names: Iterable[str]) -> TableEvidence:
        """The same as a briefing records it: at a snapshot, with objects of some names.

        Raises `Unavailable` if the recorded table is another one.
        """
        if table != self.told:
            raise Unavailable(f"it was made from table {table!a}, and this is {self.told}: name that one")
        return replace(self, recorded=Recorded(snapshot, frozenset(names)))

    def tops(self) -> tuple[str, ...]:
        """As `EvidenceSource.tops`, of the settings."""
        return self.files.tops()

    def text(self, name: str) -> str | None:
        """As `EvidenceSource.text`."""
        return self.files.text(name)

    def list(self, only: Collection[str] | None = None) -> tuple[ListedObject, ...]:
        """Every object whose rows it shows, and those that delete rows of it, in the order of their names.

        A snapshot is listed once, because it stays what it is. Raises `InvalidEvidence` if it shows none, or rows that
        have no day, or objects of another bucket.
        """
        if not self._listed or self.table.snapshot is None:
            self._listed[:] = [self._found()]
        return tuple(o for o in self._listed[0] if only is None or o.name in only)

    def _found(self) -> tuple[ListedObject, ...]:
        days: dict[str, Window] = {}
        for row in self._rows():
            name, holds = self._key(row["place"]), self._days(row)
            before = days.get(name, holds)  # a view may tell one object's place in two ways
            days[name] = Window(min(before.first, holds.first), max(before.last, holds.last))
        if not days:
            raise InvalidEvidence(f"table {self.told}: shows no evidence: deliver it, or name another table")
        every = Window(min(each.first for each in days.values()), max(each.last for each in days.values()))
        days |= dict.fromkeys(self._deleting(days.keys()), every)
        heads = self._bucket.heads(days)
        found = (
            ListedObject(name, self.table.layout, each.first, "table", size, state, each.last)
            for (name, each), (size, state) in zip(days.items(), heads, strict=True)
        )
        return tuple(sorted(found))

    def pin(self, objects: Iterable[ListedObject]) -> tuple[EvidenceObject, ...]:
        """As `EvidenceSource.pin`."""
        return self._bucket.pin(objects)

    def names(self) -> tuple[str, ...]:
        """The names of its objects."""
        return tuple(o.name for o in self.list())

    def named(self, names: Iterable[str]) -> tuple[EvidenceObject, ...]:
        """Digest the objects of some names, whatever the table shows; those that are not there are left out."""
        return self._bucket.named(names)

    def part(self, located: ListedObject, first: int, count: int) -> bytes:
        """As `S3Evidence.part`."""
        return self._bucket.part(located, first, count)

    @property
    def _bucket(self) -> S3Evidence:
        return replace(self.files, prefix="")

    # ---- what the catalog says -----------------------------------------------------------------------------------

    def _described(self) -> OwnTable:
        at = (self.database, self.name)
        kinds = self.select(
            f"the kind of {self.told}",
            "select table_type from information_schema.tables where table_schema = ? and table_name = ?",
            at,
        )
        columns = self.select(
            f"the columns of {self.told}",
            "select column_name, data_type from information_schema.columns "
            "where table_schema = ? and table_name = ? order by ordinal_position",
            at,
        )
        if not kinds or not columns:
            raise InvalidSettings(
                f"table {self.told}: is not there: check its name, its database, its catalog and your permissions"
            )
        is_view = kinds[0]["table_type"] == "VIEW"
        definition = self._definition("view" if is_view else "table")
        snapshot = None if is_view else self._snapshot(definition)
        types = {row["column_name"]: parsed(row["data_type"]) for row in columns}
        table = OwnTable(at, types, is_view, definition, snapshot)
        if snapshot is not None and self.recorded is None:
            self._check_columns(table, {row["column_name"]: row["data_type"] for row in columns})
        return table

    def _definition(self, kind: str) -> str:
        try:
            lines = self.select(f"the definition of {self.told}", f"show create {kind} {self.name}")
        except InvalidSettings as error:
            for failure, problem in _NO_DEFINITION.items():
                if re.search(failure, str(error), re.IGNORECASE):
                    raise InvalidSettings(f"table {self.told}: {problem}") from None
            raise
        return "\n".join(str(value) for row in lines for value in row.values())

    def _snapshot(self, definition: str) -> int | None:
        """The snapshot of a table of Iceberg that is read; None of other tables."""
        if self.recorded is not None:
            return self.recorded.snapshot
        if not _ICEBERG.search(definition):
            return None
        try:
            return self._current()
        except InvalidSettings as error:
            if _NONE_SUCH.search(str(error)):
                return None
            raise

    def _current(self) -> int:
        refs = quoted([f"{self.name}$refs"])
        rows = self.select(
            f"the snapshot of {self.told}", f"select snapshot_id from {refs} where name = 'main'"
        )
        if not rows:
            raise InvalidEvidence(f"table {self.told}: has no snapshot: write to it first")
        return int(rows[0]["snapshot_id"])

    def _check_columns(self, table: OwnTable, today: Mapping[str, str]) -> None:
        """Raise `InvalidSettings` if the snapshot, which is read by the names of its time, has others than today's."""
        no_row = (
            "(values 1) as one (number) left join "
            f"(select * from {quoted([self.name])} for version as of {table.snapshot} limit 0) as shown on true"
        )
        then = self.select(f"the columns at the snapshot of {self.told}", f"select shown.* from {no_row}")
        read = table.placed([*today])
        same = table.placed([name.lower() for row in then for name in row]) == read
        if same and (nested := [name for name in read if table.columns[name].name in _NESTED]):
            types = ", ".join(f"typeof(shown.{quoted([name])}) as {quoted([name])}" for name in nested)
            (found,) = self.select(
                f"the nested columns at the snapshot of {self.told}", f"select {types} from {no_row}"
            )
            same = all(_plain(found[name]) == _plain(today[name]) for name in nested)
        if not same:
            raise InvalidSettings(
                f"table {self.told}: columns were changed after its snapshot {table.snapshot}, which is read by "
                "the names that they had then: write rows to it, or name a view of it"
            )

    # ---- its objects ---------------------------------------------------------------------------------------------

    def _days(self, row: Row) -> Window:
        """The days that an object holds."""
        if row["undated"]:
            raise InvalidEvidence(
                f"{self._key(row['place'])}: table {self.told} shows {row['undated']} rows of it that have no day: "
                f"correct their {self.table.day_told}, and deliver it again"
            )
        return Window(_day(row["first_day"]), _day(row["last_day"]))

    def _rows(self) -> tuple[Row, ...]:
        """The rows that tell its objects; raises `Unavailable` if the recorded snapshot is no longer kept."""
        try:
            return self.select(f"the objects of {self.told}", self.table.objects())
        except InvalidSettings as error:
            if self.recorded and _EXPIRED.search(str(error)):
                raise Unavailable(
                    f"table {self.told} no longer has snapshot {self.recorded.snapshot}: it has expired"
                ) from None
            raise

    def _key(self, place: str | None) -> str:
        match = _PLACE.fullmatch(place or "")
        if match and match[1] != self.files.bucket:
            raise InvalidEvidence(
                f"{place}: lies in another bucket than {self.files.bucket}: give the bucket of the objects as evidence"
            )
        name = match[2] if match else place
        if not name or not is_name(name) or not name.isprintable():
            raise InvalidEvidence(
                f"{place!r}: table {self.told} gives it as an object's place, and no file can have that name: "
                'have column object give "$path"'
            )
        return name

    def _deleting(self, shown: Collection[str]) -> Iterable[str]:
        """The names of the objects that delete rows of the snapshot, if there is one."""
        if self.table.snapshot is None:
            return ()
        if self.recorded is not None:
            return sorted(self.recorded.names - set(shown))
        rows = self.select(f"the files of {self.told}", self.table.deletes())
        if self._current() != self.table.snapshot:
            self._read.clear()
            raise Changed(f"table {self.told}: was written to while its objects were listed")
        return [self._key(row["place"]) for row in rows]


@dataclass(frozen=True)
class OwnTables:
    """Questions over a table or view of one's own; the beginnings and footers of objects are read once."""

    source: TableEvidence
    _formats: dict[tuple[str, str], bytes] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @cached_property
    def _footers(self) -> Footers:
        return Footers(self.source, lambda types, _: self.source.table.misread(types))

    def answer(self, question: Question, engine: str, run: Run, progress: Done) -> Answer:
        """Answer a question exactly.

        Raises `InvalidEvidence` for rows that break a rule of their layout or hold what cannot be read, with their
        objects; and what `run` raises.
        """
        table = self.source.table
        located = [o for o in self.source.last_listed() if question.reads(o)]
        progress(0, 1)
        self._check_formats(located)
        if odd := table.odd_names():
            days = question.about if table.layout == "flat" else question.delivered
            told = run(f"{question.name}, names", odd, (str(days.first), str(days.last)), located)
            for row in told.rows:
                for name in json.loads(row["odd_names"]):
                    if problem := mistaken(table.layout, name):
                        raise InvalidEvidence(f"{row['object']}: {problem}")
        sql = questions.over_delivered(question.name, table.delivered)
        answered = run(question.name, sql, question.parameters, located)
        progress(1, 1)
        answer = concluded(question, sql, engine, answered, self.advice(question))
        return replace(answer, table=table.recorded)

    def _check_formats(self, located: Sequence[ListedObject]) -> None:
        """Raise `InvalidEvidence` for an object that the table may read otherwise than it is written.

        What Iceberg wrote has the types that it knows.
        """
        if self.source.table.snapshot is not None:
            return
        new = [o for o in located if (o.name, o.state) not in self._formats]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for o, first in zip(new, pool.map(lambda o: self.source.part(o, 0, 4), new), strict=True):
                self._formats[o.name, o.state] = first
        for o in located:
            if not self._formats[o.name, o.state].startswith((PARQUET, ORC)):
                raise InvalidEvidence(
                    f"{o.name}: is neither Parquet nor ORC, and a table may read less in it than it holds: have it "
                    "written as Parquet, or as JSON Lines in Exhibit's own layout (exhibit tables)"
                )
        if not self.source.table.is_view:
            self._footers.rows(o for o in located if self._formats[o.name, o.state].startswith(PARQUET))

    def advice(self, question: Question) -> str:
        """As `Shown.advice`."""
        return (
            f"select the rows of {question.about} that it has in table {self.source.told}, and correct them"
        )


class Selecting(Protocol):
    """An engine that also runs statements that are no questions."""

    @property
    def select(self) -> Select:
        """Runs one."""


E = TypeVar("E", bound=Selecting)


def opened(
    files: S3Evidence, database: str, name: str, over: Callable[[OwnTables], E]
) -> tuple[TableEvidence, E]:
    """A table or view of one's own, as `TableEvidence` says, and the engine over it that `over` makes."""

    def select(what: str, sql: str, parameters: Sequence[str] = ()) -> tuple[Row, ...]:
        return engine.select(what, sql, parameters)

    source = TableEvidence(files, database, name, select)
    engine = over(OwnTables(source))
    return source, engine


def _plain(type_: str) -> str:
    return re.sub(r'[\s"]', "", type_).lower()


def _day(value: date | str) -> date:
    return value if isinstance(value, date) else date.fromisoformat(value)

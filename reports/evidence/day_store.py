"""What was learnt of evidence and need not be learnt again: digests of objects, and the cells of days.

It lies with the copies of evidence, and holds account ids as they do. It may be removed at any time: nothing that is
published depends on it. What is damaged counts as absent.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, astuple, dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TypeVar

from reports.core.window import Window
from reports.evidence import cache_folder
from reports.evidence.columns import Layout
from reports.evidence.source import EvidenceObject
from reports.evidence.tally import DUCKDB, Sums

T = TypeVar("T")
LIST = "days.sqlite"
WAIT = 10.0  # seconds that another process may take to write
TABLES = (
    "create table if not exists digests (state text primary key, pinned text, sha256 text)",
    "create table if not exists days (key text primary key, place text, day text, closed text, sha256 text)",
    "create table if not exists indexes (place text primary key, made text, sha256 text)",
    "create table if not exists tags (file text primary key, tag text) without rowid",
)


@dataclass(frozen=True, slots=True)
class ClosedDay:
    """A day of a layout whose cells were made: their files, by their digests in hexadecimal, and what they add up to.

    Its rows break no rule as of the instant `as_of`, nor later. `reach` and `counted_by` are those of `DayCells`.
    """

    day: date
    layout: Layout
    as_of: datetime
    files: tuple[str, ...]
    sums: Sums
    reach: Window | None = None
    counted_by: str = DUCKDB

    @classmethod
    def read(cls, text: str) -> ClosedDay:
        """A day as `text` gives it."""
        found = json.loads(text)
        return cls(
            date.fromisoformat(found["day"]),
            found["layout"],
            datetime.fromisoformat(found["as_of"]),
            tuple(found["files"]),
            {campaign: (detections, exchanges) for campaign, detections, exchanges in found["sums"]},
            Window(*map(date.fromisoformat, found["reach"].values())) if found["reach"] else None,
            found["counted_by"],
        )

    @property
    def text(self) -> str:
        """The day as JSON."""
        sums = [(campaign, *both) for campaign, both in self.sums.items()]
        return json.dumps({**asdict(self), "sums": sums}, default=str, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class DayStore:
    """A folder for digests and cells. Its methods raise `OSError` and `sqlite3.Error` where it cannot be used."""

    folder: Path

    def digests(self, states: Iterable[str]) -> dict[str, EvidenceObject]:
        """The objects that were digested in some states, by their states."""
        with self._database() as database:
            rows = database.execute(
                "select state, pinned, sha256 from json_each(?) as wanted join digests on state = wanted.value",
                [json.dumps(list(states))],
            )
            return dict(_read(rows, lambda text: EvidenceObject(*json.loads(text))))

    def remember(self, digested: Mapping[str, EvidenceObject]) -> None:
        """Keep the digests of objects, by their states."""
        texts = {state: json.dumps(astuple(o)) for state, o in digested.items()}
        rows = [(state, text, _sealed(state, text)) for state, text in texts.items()]
        with self._database() as database:
            database.executemany("insert or replace into digests values (?, ?, ?)", rows)

    def days(self, keys: Iterable[str]) -> dict[str, ClosedDay]:
        """The days that were closed under some keys, by their keys."""
        with self._database() as database:
            rows = database.execute(
                "select days.key, closed, sha256 from json_each(?) as wanted join days on days.key = wanted.value",
                [json.dumps(list(keys))],
            )
            return dict(_read(rows, ClosedDay.read))

    def closed(self, place: str) -> dict[tuple[Layout, date], tuple[str, ClosedDay]]:
        """The days of a place that were closed, with their keys, by layout and day."""
        return {(each.layout, each.day): (key, each) for key, each in self.every_day(place).items()}

    def has_days(self, place: str) -> bool:
        """Whether days of a place were closed."""
        if not (self.folder / LIST).exists():
            return False
        with self._database() as database:
            return (
                database.execute("select 1 from days where place = ? limit 1", [place]).fetchone() is not None
            )

    def every_day(self, place: str | None = None) -> dict[str, ClosedDay]:
        """The days of a place, or of all, that were closed, by their keys."""
        if not (self.folder / LIST).exists():
            return {}
        with self._database() as database:
            rows = database.execute(
                "select key, closed, sha256 from days where place = coalesce(?, place)", [place]
            )
            return dict(_read(rows, ClosedDay.read))

    def forget(self, places: Mapping[str, str]) -> None:
        """Remove days by their keys, the indexes of the places that are given with them, and files that none has."""
        if not (self.folder / LIST).exists():
            return
        with self._database() as database:
            database.executemany("delete from days where key = ?", [(key,) for key in places])
            database.executemany(
                "delete from indexes where place = ?", [(each,) for each in set(places.values())]
            )
        if self.cells.exists():
            self._remove(file.name for file in list(self.cells.iterdir()))

    def places(self) -> dict[str, str]:
        """The places of all days that were closed, by the keys of the days."""
        if not (self.folder / LIST).exists():
            return {}
        with self._database() as database:
            return dict(database.execute("select key, place from days").fetchall())

    def index(self, place: str) -> str | None:
        """What was last kept as the index of a place."""
        found = self._index(place)
        return found[0] if found else None

    def _index(self, place: str) -> tuple[str, Sequence[str]] | None:
        with self._database() as database:
            rows = database.execute("select place, made, sha256 from indexes where place = ?", [place])
            return next((found for _, found in _read(rows, _made)), None)

    def keep_index(self, place: str, text: str, files: Sequence[str]) -> None:
        """Keep the index of a place; files of the one before that no one has are removed."""
        before = self._index(place)
        made = json.dumps([text, files])
        with self._database() as database:
            row = (place, made, _sealed(place, made))
            database.execute("insert or replace into indexes values (?, ?, ?)", row)
        self._remove(before[1] if before else ())

    def tags(self) -> dict[str, str]:
        """The entity tags, where files of cells are kept, under which they are known to be whole, by their digests."""
        with self._database() as database:
            return dict(database.execute("select file, tag from tags").fetchall())

    def keep_tags(self, tags: Mapping[str, str]) -> None:
        """Keep these entity tags, and no others."""
        with self._database() as database:
            database.execute("delete from tags")
            database.executemany("insert into tags values (?, ?)", tags.items())

    @property
    def cells(self) -> Path:
        """The folder of the files of cells, under their digests."""
        return self.folder / "cells"

    def file(self, digest: str) -> Path:
        """The place of a file of cells."""
        return self.cells / digest

    def are_whole(self, files: Iterable[str]) -> bool:
        """Whether files of cells hold what was written."""
        return all(map(self._is_whole, files))

    def are_kept(self, files: Iterable[str]) -> bool:
        """Whether files of cells need not be made again: here, if they are whole."""
        return self.are_whole(files)

    def _is_whole(self, digest: str) -> bool:
        try:
            return cache_folder.digest_of(self.file(digest)) == digest
        except FileNotFoundError:
            return False

    @contextmanager
    def adding(self) -> Iterator[Callable[[Path], str]]:
        """What keeps a copy of a file of cells and returns its digest; if not all can be kept, none is."""
        added: list[str] = []

        def add(file: Path) -> str:
            added.append(self._add(file))
            return added[-1]

        try:
            yield add
        except (OSError, sqlite3.Error):
            self._remove(added)
            raise

    def _add(self, file: Path) -> str:
        digest = cache_folder.digest_of(file)
        place = self.file(digest)
        place.parent.mkdir(mode=0o700, exist_ok=True)
        if not self._is_whole(digest):
            with tempfile.TemporaryDirectory(prefix=cache_folder.RUN, dir=self.folder) as aside:
                Path(shutil.copy(file, aside)).replace(place)
        return digest

    def close(self, place: str, closed: Mapping[str, ClosedDay]) -> None:
        """Keep days of a place by their keys; what was kept of these days under other keys is removed."""
        with self._database() as database:
            replaced = [
                file for key, each in closed.items() for file in self._replaced(database, key, place, each)
            ]
        self._remove(replaced)

    def remove_left(self) -> None:
        """Remove what runs that were killed a day ago left."""
        cache_folder.remove_left(self.folder)
        if self.cells.exists():
            old = time.time() - cache_folder.LEFT
            self._remove(file.name for file in list(self.cells.iterdir()) if file.lstat().st_mtime < old)

    def _remove(self, files: Iterable[str]) -> None:
        """Remove those of some files that no day and no index has."""
        unused = set(files)
        if unused:
            unused -= self.used()
        for digest in unused:
            self.file(digest).unlink(missing_ok=True)

    def used(self) -> set[str]:
        """The files that days and indexes have."""
        found: set[str] = set()
        with self._database() as database:
            for _, day in _read(database.execute("select key, closed, sha256 from days"), ClosedDay.read):
                found.update(day.files)
            for _, (_, files) in _read(database.execute("select place, made, sha256 from indexes"), _made):
                found.update(files)
        return found

    def _replaced(self, database: sqlite3.Connection, key: str, place: str, closed: ClosedDay) -> list[str]:
        """Keep a day; returns the files that were kept of it before."""
        before = "from days where key = ? or (place = ? and day = ?)"
        of = (key, place, f"{closed.layout} {closed.day}")
        rows = database.execute(f"select key, closed, sha256 {before}", of).fetchall()
        database.execute(f"delete {before}", of)
        text = closed.text
        row = (*of, text, _sealed(key, text))
        database.execute("insert into days values (?, ?, ?, ?, ?)", row)
        return [file for _, each in _read(rows, ClosedDay.read) for file in each.files]

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        """The database, whose changes are kept together or not at all; one that is damaged is removed."""
        file = self.folder / LIST
        database = sqlite3.connect(file, timeout=WAIT)
        try:
            with database:
                for table in TABLES:
                    database.execute(table)
                yield database
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:
            file.unlink(missing_ok=True)
            raise
        finally:
            database.close()


def _sealed(key: str, text: str) -> str:
    """A digest that belongs to a text under its key."""
    return hashlib.sha256(json.dumps([key, text]).encode()).hexdigest()


def _made(made: str) -> tuple[str, Sequence[str]]:
    """An index, and its files."""
    text, files = json.loads(made)
    return text, files


def _read(rows: Iterable[tuple[object, object, object]], read: Callable[[str], T]) -> Iterator[tuple[str, T]]:
    """Keys and what was read of rows that are as they were written, except those of another release's shape."""
    for key, text, digest in rows:
        if isinstance(key, str) and isinstance(text, str) and _sealed(key, text) == digest:
            try:
                found = read(text)
            except (LookupError, TypeError, ValueError, AttributeError):
                continue
            yield key, found

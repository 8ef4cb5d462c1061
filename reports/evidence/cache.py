"""Copies of evidence in S3, for DuckDB to read: each version of an object is fetched once, and kept.

They hold account ids, as the evidence does: the folder is its owner's alone. It may be removed at any time.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from urllib.parse import quote, unquote

from reports.core.progress import Done, in_turn
from reports.evidence.cache_folder import OWN, RUN, digest_of, remove_left
from reports.evidence.engine_duckdb import DuckDBEngine, Keep, Touching, of_days
from reports.evidence.questions import Answer, Question
from reports.evidence.source import EvidenceObject, ListedObject, SourceOver
from reports.evidence.source_s3 import AT_ONCE, S3Evidence
from reports.evidence.tally import CannotClose


@dataclass(frozen=True, slots=True)
class Copies:
    """The objects of a listing, those of a question copied below `root` under their names."""

    root: Path
    listed: Sequence[ListedObject]

    def list(self) -> Sequence[ListedObject]:
        """Every listed object."""
        return self.listed


@dataclass(frozen=True, slots=True)
class CachedEvidence(SourceOver[S3Evidence]):
    """Evidence in S3, of which each pinned object is kept in a folder."""

    folder: Path
    _locks: dict[str, Lock] = field(default_factory=dict, init=False, repr=False, compare=False)

    def pin(self, objects: Iterable[ListedObject]) -> tuple[EvidenceObject, ...]:
        """Fetch objects in the versions that were listed, unless they are here; raises as `EvidenceSource.pin`."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return tuple(pinned for pinned, _ in pool.map(self._kept, objects))

    @contextmanager
    def copies(self, listed: Sequence[ListedObject], wanted: Iterable[ListedObject]) -> Iterator[Copies]:
        """The wanted ones of the listed objects, as files under their names."""
        remove_left(self.folder)
        with tempfile.TemporaryDirectory(prefix=RUN, dir=self.folder) as folder:
            objects = list(wanted)
            with ThreadPoolExecutor(AT_ONCE) as pool:
                kept = pool.map(self._kept, objects)
                for o, (_, file) in zip(objects, kept, strict=True):
                    place = Path(folder, o.name)
                    place.parent.mkdir(parents=True, exist_ok=True)
                    place.hardlink_to(file)
            yield Copies(Path(folder), listed)

    def _kept(self, located: ListedObject) -> tuple[EvidenceObject, Path]:
        """An object as it is pinned, and its copy; those who want one object at once wait for one fetch."""
        source = self.source
        place = [source.place, located.name, located.state]
        folder = self.folder / hashlib.sha256(json.dumps(place).encode()).hexdigest()
        with self._locks.setdefault(folder.name, Lock()):
            folder.mkdir(mode=OWN, exist_ok=True)
            return self._found(located, folder) or self._fetched(located, folder)

    def _found(self, located: ListedObject, folder: Path) -> tuple[EvidenceObject, Path] | None:
        """A copy that is whole: its name tells the digest of what is in it, and the version."""
        for file in folder.iterdir():
            digest, dash, version = file.name.partition("-")
            if not dash:  # is being fetched
                continue
            if digest_of(file) == digest:
                return EvidenceObject(located.name, digest, located.size, unquote(version) or None), file
            file.unlink()
        return None

    def _fetched(self, located: ListedObject, folder: Path) -> tuple[EvidenceObject, Path]:
        with tempfile.NamedTemporaryFile(prefix="new", dir=folder) as content:
            pinned = self.source.download(located, content)
            content.flush()
            file = folder / f"{pinned.sha256}-{quote(pinned.version or '', safe='')}"
            with suppress(FileExistsError):  # another process was quicker
                os.link(content.name, file)
        return pinned, file


@dataclass(frozen=True, slots=True)
class CachedEngine:
    """DuckDB, over copies of the objects of S3 that a question is about."""

    source: CachedEvidence

    def ask(self, question: Question, progress: Done) -> Answer:
        """As `DuckDBEngine.ask`."""
        listed = self.source.list()
        with self.source.copies(listed, filter(question.reads, listed)) as copies:
            return DuckDBEngine(copies).ask(question, progress)

    def close(self, question: Question, touching: Touching, keep: Keep, progress: Done) -> None:
        """As `DuckDBEngine.close`."""
        located = {o for objects in touching.values() for o in objects}
        with self.source.copies(self.source.list(), located) as copies:
            DuckDBEngine(copies).close(question, touching, keep, progress)

    def index(
        self, located: Sequence[ListedObject], numbers: Sequence[int], keep: Callable[[Path], None]
    ) -> None:
        """As `DuckDBEngine.index`."""
        with self.source.copies(self.source.list(), located) as copies:
            DuckDBEngine(copies).index(located, numbers, keep)

    def stop(self, executions: Iterable[str]) -> None:
        """Nothing runs on without the one who asks."""

    def holding(self, name: str, detection: str) -> str:
        """As `DuckDBEngine.holding`."""
        listed = self.source.list()
        with self.source.copies(listed, (o for o in listed if o.name == name)) as copies:
            return DuckDBEngine(copies).holding(name, detection)


@dataclass(frozen=True, slots=True)
class PassingCopies:
    """Makes cells with DuckDB, over copies of objects of S3 that are kept for as long as a batch of days takes.

    It raises `CannotClose` if the days that are asked for, or all indexes, would need copies of more than `most` bytes,
    or one index more than `at_once`.
    """

    source: S3Evidence
    most: float = math.inf
    at_once: float = math.inf
    _indexed: list[ListedObject] = field(default_factory=list, init=False, repr=False, compare=False)

    def close(self, question: Question, touching: Touching, keep: Keep, progress: Done) -> None:
        """As `DuckDBEngine.close`."""
        batches = list(of_days(touching))
        self._check_size([o for _, objects in batches for o in objects])
        for days, objects in in_turn(batches, progress):
            with self._copied(objects) as engine:
                engine.close(question, {day: touching[day] for day in days}, keep, lambda *_: None)

    def index(
        self, located: Sequence[ListedObject], numbers: Sequence[int], keep: Callable[[Path], None]
    ) -> None:
        """As `DuckDBEngine.index`."""
        self._check_size([*self._indexed, *located])
        if (size := sum(o.size for o in located)) > self.at_once:
            raise CannotClose(
                f"{located[0].name}: {size:,} bytes are too large to copy: deliver smaller objects"
            )
        self._indexed.extend(located)
        with self._copied(located) as engine:
            engine.index(located, numbers, keep)

    @contextmanager
    def _copied(self, objects: Sequence[ListedObject]) -> Iterator[DuckDBEngine]:
        with tempfile.TemporaryDirectory(prefix="exhibit-") as folder:
            with ThreadPoolExecutor(AT_ONCE) as pool:
                list(pool.map(lambda each: self._copy(each, Path(folder, each.name)), objects))
            yield DuckDBEngine(Copies(Path(folder), objects))

    def _copy(self, located: ListedObject, place: Path) -> None:
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("xb") as file:
            self.source.download(located, file)

    def _check_size(self, objects: Sequence[ListedObject]) -> None:
        if sum(o.size for o in objects) > self.most:
            raise CannotClose("too much would have to be copied")

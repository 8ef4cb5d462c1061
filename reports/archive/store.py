"""Port: where finished documents are kept. A store never changes what it holds."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from reports.core.errors import InvalidRequest, Unavailable, advice, of_system

_ASIDE = ".exhibit-"
_DECIDED = f"{_ASIDE}decided"
_MADE = re.compile(rf"{re.escape(_ASIDE)}(decided|[a-z0-9_]{{8}})")  # as tempfile names folders


class Store(Protocol):
    """Port: create-only put, get, list. Where there are folders, what is before a slash in a name is one."""

    def put(self, documents: Mapping[str, bytes]) -> bool:
        """Keep documents under their names, all of them or none; False if a name is taken.

        They appear in their order, and the last decides: whoever finds it finds all, and documents without it are
        ignored. A store that cannot write several at once may leave such documents behind if a run is killed or
        another one is faster, and counts them as written when the same bytes are put again. Raises
        `Unavailable` if the store cannot be written.
        """

    def get(self, name: str) -> bytes | None:
        """What is kept under a name, or None. Raises `Unavailable` if the store cannot be read."""

    def list(self, prefix: str, after: str = "", most: int | None = None) -> tuple[str, ...]:
        """The names that start with `prefix` and come after `after`, in order; only the first `most` of them, if told.

        Raises `Unavailable` as `get` does.
        """


class FolderStore:
    """A folder as the store. One writer at a time; others wait.

    Documents are written into a hidden folder, flushed to the disk, and that folder is renamed: the decision.
    Then they move to their names. After a killed run, the next one removes what had not been decided and
    completes what had; so nobody ever sees half of a document, and nobody has to clean up.
    """

    def __init__(self, folder: Path, *, reading: bool = False) -> None:
        """Raise `InvalidRequest` for what is not a folder, or one that cannot be made or written.

        For `reading`, it need not be writable, and what a killed run has left is left.
        """
        place = next(each for each in (folder, *folder.absolute().parents) if _is_there(each))
        if not place.is_dir():
            raise InvalidRequest(f"{place} is not a folder: choose one where briefings can be written")
        if not reading and not os.access(place, os.W_OK | os.X_OK):
            raise InvalidRequest(f"{place} cannot be written: choose a folder where briefings can be written")
        self.folder = folder
        self._reading = reading

    def put(self, documents: Mapping[str, bytes]) -> bool:
        """Keep documents as `Store.put` says; the folder is made if it is not there."""
        with self._translated("written"):
            self.folder.mkdir(parents=True, exist_ok=True)
            with self._alone():
                if any(os.path.lexists(self.folder / name) for name in documents):
                    return False
                self._decide(documents)
        return True

    def get(self, name: str) -> bytes | None:
        """The content under a name, or None."""
        place = self.folder / name
        with self._translated("read"):
            return place.read_bytes() if os.path.lexists(place) else None

    def list(self, prefix: str, after: str = "", most: int | None = None) -> tuple[str, ...]:
        """List names as `Store.list` says, after completing what a killed run had decided."""
        with self._translated("read"):
            if self._left() and not self._reading:
                with self._alone():
                    pass
            found = sorted(self._below("", prefix)) if self.folder.exists() else ()
        return tuple([name for name in found if name > after and not name.startswith(_ASIDE)][:most])

    def _left(self) -> Sequence[Path]:
        """The folders that runs left behind, but no other file whose name begins like theirs."""
        found = self.folder.glob(f"{_ASIDE}*")
        return [
            each for each in found if _MADE.fullmatch(each.name) and each.is_dir() and not each.is_symlink()
        ]

    def _below(self, folder: str, prefix: str) -> Iterator[str]:
        """The names in a folder that start with `prefix`; skips folders whose names cannot."""
        with os.scandir(self.folder / folder) as found:
            for each in found:
                name = f"{folder}{each.name}"
                if each.is_dir(follow_symlinks=False):
                    if f"{name}/".startswith(prefix) or prefix.startswith(f"{name}/"):
                        yield from self._below(f"{name}/", prefix)
                elif name.startswith(prefix):
                    yield name

    @contextmanager
    def _translated(self, verb: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            what = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else self.folder
            raise Unavailable(f"{what} cannot be {verb} ({error.strerror}): {advice(error)}") from None

    @contextmanager
    def _alone(self) -> Iterator[None]:
        directory = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.flock(directory, fcntl.LOCK_EX)
            self._settle()
            try:
                yield
            finally:
                self._settle()
                os.fsync(directory)
        finally:
            os.close(directory)

    def _decide(self, documents: Mapping[str, bytes]) -> None:
        aside = Path(tempfile.mkdtemp(prefix=_ASIDE, dir=self.folder))
        for place, (name, content) in enumerate(documents.items()):
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            waiting = aside / f"{place:03}{name}"
            waiting.parent.mkdir(parents=True, exist_ok=True)
            with waiting.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        for folder in (*filter(Path.is_dir, aside.rglob("*")), aside):
            _flush(folder)
        aside.rename(self.folder / _DECIDED)
        _flush(self.folder)

    def _settle(self) -> None:
        decided = self.folder / _DECIDED
        for file in sorted(path for path in decided.rglob("*") if path.is_file()):
            place = self.folder / str(file.relative_to(decided))[3:]
            place.parent.mkdir(parents=True, exist_ok=True)
            file.rename(place)
            if place.parent != self.folder:
                _flush(place.parent)
        for done in self._left():
            shutil.rmtree(done)


def _is_there(place: Path) -> bool:
    """Whether something has a name; raises `InvalidRequest` for a name that nothing can have, or nobody may look up."""
    try:
        place.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise of_system(error) from None
    return True


def _flush(folder: Path) -> None:
    directory = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)

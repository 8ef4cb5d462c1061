"""Port: where finished documents are kept. Nothing that is in a store is ever changed."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from reports.errors import InvalidRequest, Unavailable

_ASIDE = ".exhibit-"
_DECIDED = f"{_ASIDE}decided"


class Store(Protocol):
    """Port: create-only put, get, list."""

    def put(self, documents: Mapping[str, bytes]) -> bool:
        """Keep documents under their names, all of them or none; False where a name is taken.

        They appear in their order, and the last decides: whoever finds it finds all, and what stands without it
        belongs to nothing. A store that cannot write several at once may leave such documents behind where a run is
        killed or another one is quicker, and takes them for written when the same bytes are put again. Raises
        `Unavailable` where the store cannot be written.
        """

    def get(self, name: str) -> bytes | None:
        """What is kept under a name, or None. Raises `Unavailable` where the store cannot be read."""

    def list(self, prefix: str, after: str = "", most: int | None = None) -> tuple[str, ...]:
        """The names that start with `prefix` and come after `after`, in order; only the first `most` of them, if told.

        Raises `Unavailable` as `get` does.
        """


class FolderStore:
    """A folder as the store, for one writer at a time; others wait.

    Documents are written into a hidden folder, flushed to the disk, and that folder is renamed: the decision.
    Then they move to their names. What a killed run had not decided the next one removes, and what it had
    decided the next one completes; so nobody ever sees half of a document, and nobody has to clean up.
    """

    def __init__(self, folder: Path) -> None:
        """Raise `InvalidRequest` for what is not a folder, or one that cannot be made or written."""
        place = next(each for each in (folder, *folder.absolute().parents) if os.path.lexists(each))
        if not place.is_dir():
            raise InvalidRequest(f"{place} is not a folder: name one that briefings can be written to")
        if not os.access(place, os.W_OK | os.X_OK):
            raise InvalidRequest(f"{place} cannot be written: name a folder that briefings can be written to")
        self.folder = folder

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
        """What is kept under a name, or None."""
        place = self.folder / name
        with self._translated("read"):
            return place.read_bytes() if os.path.lexists(place) else None

    def list(self, prefix: str, after: str = "", most: int | None = None) -> tuple[str, ...]:
        """List names as `Store.list` says, after completing what a killed run had decided."""
        with self._translated("read"):
            names = self._names()
            if any(name.startswith(_ASIDE) for name in names):
                with self._alone():
                    pass
                names = self._names()
        found = sorted(n for n in names if n.startswith(prefix) and not n.startswith(_ASIDE))
        return tuple([name for name in found if name > after][:most])

    def _names(self) -> frozenset[str]:
        return frozenset(os.listdir(self.folder) if self.folder.exists() else ())

    @contextmanager
    def _translated(self, verb: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise Unavailable(f"{self.folder} cannot be {verb} ({error.strerror}): run again") from None

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
            with (aside / f"{place:03}{name}").open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        _flush(aside)
        aside.rename(self.folder / _DECIDED)
        _flush(self.folder)

    def _settle(self) -> None:
        decided = self.folder / _DECIDED
        if decided.exists():
            for file in sorted(decided.iterdir()):
                file.rename(self.folder / file.name[3:])
            decided.rmdir()
        for undecided in self.folder.glob(f"{_ASIDE}*"):
            shutil.rmtree(undecided)


def _flush(folder: Path) -> None:
    directory = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)

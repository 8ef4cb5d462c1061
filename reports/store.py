"""Port: where finished documents are kept. Nothing that is in a store is ever changed."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from reports.errors import InvalidRequest, Unavailable

_UNFINISHED = ".exhibit-"


class Store(Protocol):
    """Port: create-only put, get, list."""

    def put(self, name: str, content: bytes) -> bool:
        """Keep `content` under a name that is not taken, all of it or nothing; False where the name is taken."""

    def get(self, name: str) -> bytes | None:
        """What is kept under a name, or None."""

    def list(self, prefix: str) -> tuple[str, ...]:
        """The names that start with `prefix`, in order."""


class FolderStore:
    """A folder as the store.

    A document is written aside, flushed to the disk and then linked to its name, which fails if the name is taken:
    nobody ever sees half of one. What a killed run left unfinished is removed by the next.
    """

    def __init__(self, folder: Path) -> None:
        if folder.exists() and not folder.is_dir():
            raise InvalidRequest(f"{folder} is not a folder: name one that briefings can be written to")
        self.folder = folder

    def put(self, name: str, content: bytes) -> bool:
        """Keep `content` under a name that is not taken; raises `Unavailable` where the folder cannot be written."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with self._alone():
                return self._put(name, content)
        except OSError as error:
            raise Unavailable(f"{self.folder / name} cannot be written: {error.strerror}") from None

    def _put(self, name: str, content: bytes) -> bool:
        aside = self.folder / f"{_UNFINISHED}{name}"
        with aside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(aside, self.folder / name)
        except FileExistsError:
            return False
        finally:
            aside.unlink()
        return True

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One writer at a time; what an earlier one left unfinished goes."""
        directory = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.flock(directory, fcntl.LOCK_EX)
            for unfinished in self.folder.glob(f"{_UNFINISHED}*"):
                unfinished.unlink()
            yield
            os.fsync(directory)
        finally:
            os.close(directory)

    def get(self, name: str) -> bytes | None:
        """What is kept under a name, or None."""
        try:
            return (self.folder / name).read_bytes()
        except FileNotFoundError:
            return None

    def list(self, prefix: str) -> tuple[str, ...]:
        """The names that start with `prefix`, in order."""
        return tuple(sorted(path.name for path in self.folder.glob("*") if path.name.startswith(prefix)))

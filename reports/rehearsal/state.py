"""What a rehearsal keeps in a folder: keys, the objects of some buckets, and a session file for a shell.

An object is in the folder before the call that wrote it is answered, so that nothing is lost whatever ends the process.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from reports.errors import InvalidSettings, Unavailable, kind_of

MARK = ".exhibit-serve"
SESSION = "session"
UNFINISHED = ".unfinished"


@contextmanager
def opened(folder: Path | None) -> Iterator[Path]:
    """The folder, or one that is gone afterwards for None; one process has it at a time.

    Raises `InvalidSettings` where it is the folder of something else, cannot be written, or another process has it.
    """
    if folder is None:
        with tempfile.TemporaryDirectory(prefix="exhibit-") as made:
            yield Path(made)
        return
    try:
        _take(folder)
        mark = os.open(folder / MARK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise kind_of(error, InvalidSettings)(
            f"{folder} cannot be used ({error.strerror}): name another folder"
        ) from None
    try:
        fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield folder
    except BlockingIOError:
        raise InvalidSettings(
            f"{folder} is used by another exhibit serve: end it, or choose another with --state, or make local STATE=…"
        ) from None
    finally:
        os.close(mark)


def _take(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not (folder / MARK).exists() and any(folder.iterdir()):
        raise InvalidSettings(f"{folder} holds something else: name a new or empty folder for the state")


def write_session(folder: Path, variables: Mapping[str, str]) -> None:
    """Leave a file for `. FOLDER/session`, which its owner alone can read."""
    file = folder / SESSION
    file.unlink(missing_ok=True)
    text = "".join(f"export {name}='{value}'\n" for name, value in variables.items())
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(text)


@dataclass(frozen=True, slots=True)
class Kept:
    """Buckets whose objects are files below a folder: the bucket's name → the folder's."""

    folder: Path
    buckets: Mapping[str, str]

    def objects(self) -> Iterator[tuple[str, str, Path]]:
        """What is kept: the bucket, the key and the file, in the order of the names."""
        for bucket, name in self.buckets.items():
            place = self.folder / name
            for file in sorted(each for each in place.rglob("*") if each.is_file()):
                if not file.name.endswith(UNFINISHED):
                    key = "/".join(unquote(part) for part in file.relative_to(place).parts)
                    yield bucket, key, file

    def update(self, path: str, read: Callable[[str, str], bytes | None]) -> None:
        """Have the file of an object, by its path `/BUCKET/KEY`, be as `read` says that the object is."""
        bucket, _, key = path.removeprefix("/").partition("/")
        if bucket not in self.buckets or not key or {"", ".", ".."} & set(key.split("/")):
            return
        file = self.folder.joinpath(
            self.buckets[bucket], *(quote(part, safe=" =+@,") for part in key.split("/"))
        )
        content = read(bucket, key)
        try:
            if content is None:
                file.unlink(missing_ok=True)
            else:
                _replace(file, content)
        except OSError as error:
            raise Unavailable(f"{file} cannot be written ({error.strerror}): make room for it") from None


def _replace(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(f"{file.name}{UNFINISHED}")
    beside.write_bytes(content)
    beside.replace(file)

"""The folder of a rehearsal: keys, the objects of some buckets (`reports.local_aws.kept`), and a session file."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from reports.core.errors import InvalidSettings, kind_of

MARK = ".exhibit-serve"
SESSION = "session"


@contextmanager
def opened(folder: Path | None) -> Iterator[Path]:
    """The folder, or one that is gone afterwards for None; one process has it at a time.

    Raises `InvalidSettings` if it is the folder of something else, cannot be written, or another process has it.
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
            f"{folder} cannot be used ({error.strerror}): choose another folder"
        ) from None
    try:
        fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield folder
    except BlockingIOError:
        raise InvalidSettings(
            f"{folder} is in use by another exhibit serve: stop it, or use --state, or make local STATE=…"
        ) from None
    finally:
        os.close(mark)


def _take(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not (folder / MARK).exists() and any(folder.iterdir()):
        raise InvalidSettings(f"{folder} holds other files: choose a new or empty folder for the state")


def write_session(folder: Path, variables: Mapping[str, str]) -> None:
    """Leave a file for `. FOLDER/session`, which its owner alone can read."""
    file = folder / SESSION
    file.unlink(missing_ok=True)
    text = "".join(f"export {name}='{value}'\n" for name, value in variables.items())
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(text)

"""A folder for what does not fit in memory, which no run leaves behind, not even one that is killed."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PREFIX = "exhibit-spill-"


@contextmanager
def spill_folder() -> Iterator[str]:
    """A new folder among the system's temporary ones, of which those that killed runs left are removed.

    The system frees the lock of a run that is killed: whoever can lock a folder may remove it.
    """
    temporary = Path(tempfile.gettempdir())
    with _locked(temporary, fcntl.LOCK_EX):
        for left in temporary.glob(f"{PREFIX}*"):
            _remove_if_left(left)
        folder = tempfile.mkdtemp(prefix=PREFIX)
        handle = os.open(folder, os.O_RDONLY)
        fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)


@contextmanager
def _locked(folder: Path, how: int) -> Iterator[None]:
    handle = os.open(folder, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        fcntl.flock(handle, how)
        yield
    finally:
        os.close(handle)


def _remove_if_left(folder: Path) -> None:
    try:
        with _locked(folder, fcntl.LOCK_EX | fcntl.LOCK_NB):
            shutil.rmtree(folder, ignore_errors=True)
    except OSError:  # in use, or somebody else's
        return

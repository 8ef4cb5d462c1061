"""A folder for data that does not fit in memory, and that is removed even if the run is killed."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reports.core.errors import Unavailable
from reports.evidence.source import is_utf8_path

PREFIX = "exhibit-spill-"


@contextmanager
def temporary() -> Iterator[None]:
    """Raise `Unavailable`, with its name, where the system's temporary folder cannot be used or is full.

    What the system says of a file elsewhere stays as it is; where it names none, it is a temporary one.
    """
    try:
        yield
    except OSError as error:
        folder = tempfile.tempdir or ""
        if error.filename is None or str(error.filename).startswith(folder):
            raise Unavailable(
                f"the temporary folder{f' {folder}' if folder else ''} cannot be used ({error.strerror}): "
                "make room there, or choose another with TMPDIR"
            ) from None
        raise


@contextmanager
def spill_folder() -> Iterator[str]:
    """A new temporary folder; removes those that killed runs left behind.

    The system frees the lock of a run that is killed: whoever can lock a folder may remove it.
    """
    with temporary():
        folder, handle = _new_folder(Path(os.path.realpath(tempfile.gettempdir())))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)


def _new_folder(beside: Path) -> tuple[str, int]:
    """A folder, and the handle that holds its lock."""
    if not is_utf8_path(beside):
        raise Unavailable(
            f"the temporary folder {beside} has a path that is not UTF-8: choose another with TMPDIR"
        )
    with _locked(beside, fcntl.LOCK_EX):
        for left in beside.glob(f"{PREFIX}*"):
            _remove_if_left(left)
        folder = tempfile.mkdtemp(prefix=PREFIX, dir=beside)
        handle = os.open(folder, os.O_RDONLY)
        fcntl.flock(handle, fcntl.LOCK_EX)
    return folder, handle


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

"""The user's folder for what is kept of evidence. It holds account ids: it is its owner's alone."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reports.core.errors import InvalidSettings
from reports.core.user_folders import make_parents, user_folder

OWN = 0o700
RUN = "run-"
"""How the name of a folder for one run begins."""
LEFT = 86_400  # seconds after which the folder of a run that was killed is removed


@contextmanager
def cache(*, lasting: bool = False) -> Iterator[Path]:
    """The user's folder for copies, by the XDG Base Directory Specification; a temporary one where there is no home.

    Raises `InvalidSettings` for one that others may read, and where there is no home for what shall be `lasting`.
    """
    base = user_folder("XDG_CACHE_HOME", ".cache")
    if base is None and lasting:
        raise InvalidSettings(
            "there is no home folder to keep days in: set XDG_CACHE_HOME to a folder of your own"
        )
    if base is None:
        with tempfile.TemporaryDirectory(prefix="exhibit-") as temporary:
            yield Path(temporary)
        return
    folder = base / "exhibit"
    try:
        make_parents(folder)
        folder.mkdir(mode=OWN, exist_ok=True)
        mode = folder.stat().st_mode
    except OSError as error:
        raise InvalidSettings(
            f"{folder}: cannot keep copies of evidence there: {error.strerror}: choose another with XDG_CACHE_HOME"
        ) from None
    if mode & 0o077:
        raise InvalidSettings(f"{folder}: others can read it, and it holds account ids: chmod 700 {folder}")
    yield folder


def digest_of(file: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def remove_left(folder: Path) -> None:
    """Remove what runs that were killed a day ago left."""
    for left in folder.glob(f"{RUN}*"):
        try:
            if time.time() - left.stat().st_mtime > LEFT:
                shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink(missing_ok=True)
        except FileNotFoundError:
            continue

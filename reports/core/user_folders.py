"""Where a user's own files lie, by the XDG Base Directory Specification, 0.8: what is not absolute does not count."""

from __future__ import annotations

import os
import pwd
from contextlib import suppress
from pathlib import Path


def user_folder(variable: str, *default: str) -> Path | None:
    """The folder that an environment variable names, else one below the user's home; None without a home."""
    named = os.environ.get(variable, "")
    if os.path.isabs(named):
        return Path(named)
    home = os.environ.get("HOME", "")
    if not home:
        with suppress(KeyError):
            home = pwd.getpwuid(os.getuid()).pw_dir
    return Path(home, *default) if os.path.isabs(home) else None


def make_parents(directory: Path) -> None:
    """Make the folders above, if need be, for their owner alone."""
    missing = [each for each in directory.parents if not os.path.lexists(each)]
    for folder in reversed(missing):
        folder.mkdir(mode=0o700, exist_ok=True)

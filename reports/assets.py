"""The files that pages are made of: templates, style sheets, chart specs, images and fonts, by name."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reports.errors import InvalidSettings
from reports.fonts import FONTS

_HERE = Path(__file__).parent
TEMPLATES = next(path for path in (_HERE / "templates", _HERE.parent / "templates") if path.is_dir())


@dataclass(frozen=True, slots=True)
class Resources:
    """Where templates, style sheets, images and fonts are looked up: the first folder that has a name wins.

    `folders` are an organisation's own, then Exhibit's. Names are relative, with `/`; a name under `fonts/`
    that no folder has is looked up in the font packages.
    """

    folders: tuple[Path, ...] = (TEMPLATES,)

    def read(self, name: str) -> bytes:
        """Return the bytes of a named asset; raise `InvalidSettings` for a name that no folder holds."""
        path = _first(self.folders, name)
        if path is None and name.startswith("fonts/"):
            path = _first(FONTS, name.removeprefix("fonts/"))
        if path is None:
            raise InvalidSettings(
                f"the template asks for {name!r}, which is not a file in "
                f"{' or '.join(map(str, self.folders))}: add it there, or correct the template"
            )
        return path.read_bytes()

    def digest(self) -> str:
        """SHA-256 over the names and contents of all files of the folders, in hexadecimal."""
        digest = hashlib.sha256()
        for folder in self.folders:
            for path in sorted(path for path in folder.rglob("*") if path.is_file()):
                name = path.relative_to(folder).as_posix()
                digest.update(name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()


def _first(folders: Sequence[Path], name: str) -> Path | None:
    return next((path for folder in folders if (path := _within(folder, name))), None)


def _within(folder: Path, name: str) -> Path | None:
    try:
        path = (folder / name).resolve()
        return path if path.is_relative_to(folder.resolve()) and path.is_file() else None
    except (OSError, ValueError):  # a name too long for the file system, or with a null byte
        return None

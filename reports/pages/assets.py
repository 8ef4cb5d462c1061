"""The files that pages are made of: templates, style sheets, chart specs, images and fonts, by name."""

from __future__ import annotations

import hashlib
import os
import re
from base64 import b64decode
from binascii import Error
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from posixpath import dirname, join, normpath
from stat import S_ISREG
from typing import NoReturn
from urllib.parse import unquote

from reports.core.errors import InvalidSettings, kind_of
from reports.pages.fonts import FONTS, HouseFont, read_font

_HERE = Path(__file__).parents[1]
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
        return _content(path)

    @property
    def known(self) -> tuple[str, ...]:
        """The names of Exhibit's templates; an organization's own file of the same name takes precedence."""
        return tuple(
            each.relative_to(TEMPLATES).as_posix() for each in TEMPLATES.rglob("*") if each.is_file()
        )

    @property
    def own(self) -> tuple[str, ...]:
        """The names in the organization's folders where templates are looked up; those of folders end with `/`.

        Raises `InvalidSettings` for a folder that cannot be read.
        """
        parents = {str(parent) for name in self.known for parent in PurePosixPath(name).parents}
        return tuple(name for folder in self._own for name in _names(folder, parents))

    def check(self) -> None:
        """Raise `InvalidSettings` for a template name that is not a regular file in its folder."""
        for folder in self._own:
            for name in self.known:
                if problem := _problem(folder, name):
                    raise InvalidSettings(
                        f"{name}: {problem}, among the templates: put the file itself there, or remove it"
                    )

    @property
    def _own(self) -> tuple[Path, ...]:
        return tuple(folder for folder in self.folders if folder != TEMPLATES)

    def find(self, name: str) -> bytes | None:
        """Return the bytes of a file of the folders, or None if none has it."""
        path = _first(self.folders, name)
        return _content(path) if path else None

    def digest(self) -> str:
        """SHA-256 over the names and contents of all files of the folders, in hexadecimal."""
        digest = hashlib.sha256()
        for folder in self.folders:
            _check(folder)
            for path in sorted(path for path in folder.rglob("*") if path.is_file()):
                name = path.relative_to(folder).as_posix()
                digest.update(
                    name.encode("utf-8", "surrogateescape") + b"\0" + hashlib.sha256(_content(path)).digest()
                )
        return digest.hexdigest()

    def fonts(self) -> tuple[HouseFont, ...]:
        """What the fonts of an organisation's own folders can show: those that `@font-face` of a file there names."""
        return tuple(font for folder in self.folders if folder != TEMPLATES for font in self._fonts(folder))

    def _fonts(self, folder: Path) -> Iterator[HouseFont]:
        for path in sorted(path for kind in ("css", "html") for path in folder.rglob(f"*.{kind}")):
            text = _COMMENT.sub("", path.read_text(errors="replace"))
            for face in _FACE.findall(text):
                ranges = _ranges(face)
                for url in _URL.findall(face):
                    font = self._font(url, dirname(path.relative_to(folder).as_posix()))
                    if font:
                        yield font.within(ranges) if ranges else font

    def _font(self, url: str, folder: str) -> HouseFont | None:
        try:
            if url.startswith("data:"):
                return read_font(b64decode(url.partition(",")[2]))
            return read_font(self.read(normpath(join(folder, unquote(url)))))
        except (InvalidSettings, Error):  # reported when the pages ask for it
            return None


_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_FACE = re.compile(r"@font-face\s*\{([^}]*)\}", re.IGNORECASE)
_URL = re.compile(r"""url\(\s*["']?([^"')]+?)["']?\s*\)""", re.IGNORECASE)
_UNICODE_RANGE = re.compile(r"unicode-range\s*:([^;}]*)", re.IGNORECASE)
_RANGE = re.compile(r"U\+([0-9A-F]{1,6})(\?*)(?:-([0-9A-F]{1,6}))?", re.IGNORECASE)


def _ranges(face: str) -> list[range]:
    """The code points of a font face (CSS Fonts, `unicode-range`); empty if it is not restricted."""
    wanted = _UNICODE_RANGE.search(face)
    return [
        range(int(first + "0" * len(any_), 16), int(last or first + "F" * len(any_), 16) + 1)
        for first, any_, last in _RANGE.findall(wanted[1] if wanted else "")
    ]


def _check(folder: Path) -> None:
    """Raise `InvalidSettings` for an unreadable folder in it, which would otherwise be skipped."""

    def stop(error: OSError) -> NoReturn:
        raise kind_of(error, InvalidSettings)(
            f"{error.filename}: cannot be read: {error.strerror}: grant access to it, or remove it"
        )

    for _ in os.walk(folder, onerror=stop):
        pass


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise kind_of(error, InvalidSettings)(
            f"{path}: cannot be read: {error.strerror}: grant access to it, or remove it"
        ) from None


def _names(folder: Path, parents: Collection[str]) -> Iterator[str]:
    def stop(error: OSError) -> NoReturn:
        raise InvalidSettings(
            f"{error.filename}: cannot be read: {error.strerror}: grant access to it"
        ) from None

    for place, folders, files in os.walk(folder, onerror=stop):
        within = PurePosixPath(Path(place).relative_to(folder).as_posix())
        yield from (str(within / name) for name in files)
        yield from (f"{within / name}/" for name in folders)
        folders[:] = [name for name in folders if str(within / name).casefold() in parents]


def _problem(folder: Path, name: str) -> str | None:
    """What is wrong with a name in a folder; None if nothing is, or it does not exist."""
    path, parts = folder / name, PurePosixPath(name).parts
    try:
        for link in (folder.joinpath(*parts[:n]) for n in range(1, len(parts) + 1)):
            if link.is_symlink() and not link.exists():
                return "is a broken link"
            if not link.resolve().is_relative_to(folder.resolve()):
                return "is a link that leads out of the folder"
        return None if S_ISREG(path.stat().st_mode) else "is not a file"
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        return f"cannot be read ({error.strerror})"


def _first(folders: Sequence[Path], name: str) -> Path | None:
    return next((path for folder in folders if (path := _within(folder, name))), None)


def _within(folder: Path, name: str) -> Path | None:
    try:
        path = (folder / name).resolve()
        return path if path.is_relative_to(folder.resolve()) and path.is_file() else None
    except (OSError, RuntimeError, ValueError):  # a name too long, links in a circle, a null byte
        return None

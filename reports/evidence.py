"""Where evidence lies: the two layouts, their objects, and a folder of them."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date
from operator import attrgetter
from pathlib import Path, PurePath, PurePosixPath
from typing import Literal, Protocol

from reports.errors import InvalidEvidence, InvalidRequest

Layout = Literal["flat", "ocsf"]
LARGE = 2**20  # bytes
FORMATS = {".parquet": "parquet", ".jsonl": "json", ".jsonl.gz": "json", ".csv": "csv"}

_FLAT = re.compile(r"detections/event_day=(?P<day>[^/]+)/(?:.*/)?(?P<file>[^/]+)")
_OCSF = re.compile(
    r"ext/[^/]+/(?:[^/]+/)*?region=[^/]+/accountId=[^/]+/eventDay=(?P<day>[^/]+)/(?:.*/)?(?P<file>[^/]+)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, order=True)
class Located:
    """An evidence object before it is pinned: where it lies and what its name says of it.

    `state` tells one content from another as far as a listing can: the entity tag in S3, in a folder the instant of
    the last change, in nanoseconds.
    """

    name: str
    layout: Layout
    day: date
    format: str
    size: int
    state: str = ""


@dataclass(frozen=True, slots=True, order=True)
class EvidenceObject:
    """An evidence object, pinned: `size` in bytes, `sha256` in hexadecimal, `version` where a store keeps versions."""

    name: str
    sha256: str
    size: int
    version: str | None = None


class EvidenceSource(Protocol):
    """Port: what holds the evidence objects."""

    def list(self) -> tuple[Located, ...]:
        """Every evidence object, in the order of the names."""

    def pin(self, objects: Iterable[Located]) -> tuple[EvidenceObject, ...]:
        """Digest objects as they are now, in the order given."""

    def text(self, name: str) -> str | None:
        """A settings file that lies beside the objects, or None where there is none."""


def locate(name: str, size: int) -> Located | None:
    """What an object's name says of it; None for one that belongs to neither layout or is hidden.

    Raises `InvalidEvidence` for a partition that is not a day and for a format that is not read.
    """
    for layout, pattern, form in (("flat", _FLAT, "%Y-%m-%d"), ("ocsf", _OCSF, "%Y%m%d")):
        match = pattern.fullmatch(name)
        if match is None or match["file"].startswith((".", "_")):
            continue
        return Located(name, layout, _day(name, match["day"], form), _format(name), size)  # type: ignore[arg-type]
    return None


def _day(name: str, text: str, form: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or day.strftime(form) != text:
        raise InvalidEvidence(f"{name}: partition {text!r} is not a day: write it as {form}")
    return day


def _format(name: str) -> str:
    for suffix, format_ in FORMATS.items():
        if name.endswith(suffix):
            return format_
    raise InvalidEvidence(
        f"{name}: {PurePosixPath(name).suffix or 'no suffix'} is not a format that is read: "
        f"convert it to one of {', '.join(FORMATS)}, or move it away"
    )


def _below(folder: str) -> Iterator[os.DirEntry[str]]:
    """All but the folders that are walked into; an empty folder in an object's place is not one of those."""
    try:
        entries = list(os.scandir(folder))
    except (FileNotFoundError, NotADirectoryError):  # a layout that is not there
        return
    for entry in entries:
        if not entry.is_dir(follow_symlinks=False) or (
            entry.name.endswith(tuple(FORMATS)) and not os.listdir(entry.path)
        ):
            yield entry
        else:
            yield from _below(entry.path)


def is_name(name: str) -> bool:
    """Whether an object below a root can have that name: it leads nowhere else, whatever record holds it."""
    return _is_utf8(name) and "\0" not in name and not {"", ".", ".."} & set(name.split("/"))


def _is_utf8(name: str) -> bool:
    try:
        return bool(name.encode())
    except UnicodeEncodeError:
        return False


class FolderEvidence:
    """Evidence in a folder, or `only` the objects of some names; it is read, never written to."""

    def __init__(self, root: Path, only: Collection[str] | None = None) -> None:
        if not root.is_dir():
            raise InvalidRequest(f"{root}: no such folder: name the folder that holds detections/ or ext/")
        self.root = root
        self.only = only

    def list(self) -> tuple[Located, ...]:
        """Every evidence object, in the order of the names.

        Raises `InvalidEvidence` where neither layout is present, and for what is in its place but cannot be read,
        leads out of the folder or would be left out unnoticed.
        """
        try:
            located = [o for o in map(self._located, self._entries()) if o]
        except OSError as error:
            raise InvalidEvidence(
                f"{error.filename}: cannot be read: {error.strerror}: allow it, or deliver it again"
            ) from None
        if not located:
            raise InvalidEvidence(
                f"{self.root}: neither layout is present: expected detections/event_day=YYYY-MM-DD/* "
                "or ext/<source>/region=…/accountId=…/eventDay=YYYYMMDD/*"
            )
        wanted = [o for o in located if self.only is None or o.name in self.only]
        return tuple(sorted(wanted, key=attrgetter("name")))

    def _entries(self) -> Iterator[os.DirEntry[str]]:
        with os.scandir(self.root) as tops:
            layouts = [top for top in tops if top.name in ("detections", "ext")]
        for top in layouts:
            if top.is_symlink():
                yield top
            yield from _below(top.path)

    def _located(self, entry: os.DirEntry[str]) -> Located | None:
        name = PurePath(entry.path).relative_to(self.root).as_posix()
        if entry.name.startswith((".", "_")):
            return None
        if not _is_utf8(name):
            raise InvalidEvidence(f"{name!a}: its name is not UTF-8: rename it")
        if problem := self._problem(entry):
            raise InvalidEvidence(f"{name}: {problem}: put the object itself there, or take it away")
        found = entry.stat()
        located = locate(name, found.st_size)
        return located and replace(located, state=str(found.st_mtime_ns))

    def names(self) -> tuple[str, ...]:
        """The name of every file of either layout's folder, whether or not it is evidence; links are not followed."""
        found = (
            PurePath(folder, file).relative_to(self.root).as_posix()
            for top in ("detections", "ext")
            for folder, _, files in os.walk(self.root / top)
            for file in files
        )
        return tuple(sorted(filter(_is_utf8, found)))

    def named(self, names: Iterable[str]) -> tuple[EvidenceObject, ...]:
        """Digest the objects of some names, whatever else the folder holds; those that are not there are left out.

        Raises `InvalidEvidence` for what cannot be read or leads out of the folder.
        """
        sizes = ((name, self._size(name)) for name in names)
        return self._digested({name: size for name, size in sizes if size is not None})

    def _size(self, name: str) -> int | None:
        path = self.root / name
        try:
            found = path.lstat() if is_name(name) else None
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise InvalidEvidence(f"{name}: cannot be read: {error.strerror}") from None
        if found is None:
            return None
        if problem := "is a folder" if stat.S_ISDIR(found.st_mode) else self._astray(path):
            raise InvalidEvidence(f"{name}: {problem}: put the object itself there, or take it away")
        return found.st_size

    def _astray(self, path: Path) -> str | None:
        """What is wrong with the place of a named object, of whose folders each may be a link."""
        inside = Path(os.path.realpath(path)).is_relative_to(os.path.realpath(self.root))
        return self._problem(path) if inside else "leads out of the evidence folder"

    def _problem(self, entry: os.DirEntry[str] | Path) -> str | None:
        if not entry.is_symlink():
            return "is an empty folder" if entry.is_dir() else None if entry.is_file() else "is not a file"
        target = Path(os.path.realpath(entry))
        if not target.exists():
            return "is a link that leads nowhere"
        if not target.is_relative_to(os.path.realpath(self.root)):
            return "is a link that leads out of the evidence folder"
        return None if target.is_file() else "is a link to a folder"

    def pin(self, objects: Iterable[Located]) -> tuple[EvidenceObject, ...]:
        """Digest objects as they are now, in the order given; large ones on all cores, where that is worth a thread."""
        return self._digested({o.name: o.size for o in objects})

    def _digested(self, sizes: Mapping[str, int]) -> tuple[EvidenceObject, ...]:
        with ThreadPoolExecutor() as pool:
            large = {name: pool.submit(self._pin, name) for name, size in sizes.items() if size > LARGE}
            return tuple(large[name].result() if name in large else self._pin(name) for name in sizes)

    def _pin(self, name: str) -> EvidenceObject:
        try:
            with (self.root / name).open("rb", buffering=0) as file:
                digest = hashlib.file_digest(file, "sha256")
                return EvidenceObject(name, digest.hexdigest(), file.tell())
        except OSError as error:
            raise InvalidEvidence(f"{name}: cannot be read: {error.strerror}") from None

    def text(self, name: str) -> str | None:
        """A settings file beside the objects, or None where there is none."""
        path = self.root / name
        if not path.is_file():
            return None
        try:
            return path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidEvidence(f"{path}: cannot be read as UTF-8 text: {error}") from None

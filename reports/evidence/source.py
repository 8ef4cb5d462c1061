"""Where evidence is: the two layouts, their objects, and a folder of them."""

from __future__ import annotations

import codecs
import hashlib
import os
import re
import stat
import time
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from operator import attrgetter
from pathlib import Path, PurePath, PurePosixPath
from types import MappingProxyType
from typing import Generic, Protocol, TypeVar

from reports.core.errors import InvalidEvidence, InvalidRequest, kind_of
from reports.evidence.columns import OPTIONAL, Layout, nearly

T = TypeVar("T")
LAYOUTS: Mapping[str, Layout] = MappingProxyType({"detections": "flat", "ext": "ocsf"})
"""Each layout by the folder that holds it."""
LARGE = 2**20  # bytes
FORMATS = {
    ".parquet": "parquet",
    **dict.fromkeys(
        (f"{suffix}{packed}" for suffix in (".jsonl", ".ndjson", ".json") for packed in ("", ".gz")), "json"
    ),
    ".csv": "csv",
}
"""The formats that names tell; of a name without a suffix, or with `.gz` alone, the first bytes tell it."""
PACKED = frozenset({".bz2", ".lz4", ".snappy", ".xz", ".zst"})
"""Suffixes of compressions that DuckDB and tables do not both read, or do not both check."""
GZIP_INSTEAD = "compress JSON Lines with gzip (.jsonl.gz), and Parquet within the file"
UNSETTLED = 2.0  # seconds in which a file may be written to twice under one time
FIRST = 64  # bytes that tell a format
MARKER = "_$folder$"  # suffix of the object that Hadoop writes for a folder

_PATTERNS: Mapping[Layout, re.Pattern[str]] = MappingProxyType(
    {
        "flat": re.compile(r"detections/event_day=(?P<day>[^/]+)/(?P<below>(?:.*/)?)[^/]+"),
        "ocsf": re.compile(
            r"ext/(?P<source>(?:[^/]+/)+?)(?ai:region)=(?P<region>[^/]+)/(?ai:accountId)=(?P<account>[^/]+)/"
            r"(?ai:eventDay)=(?P<day>[^/]+)/(?P<below>(?:.*/)?)[^/]+"
        ),
    }
)
_PARTITIONS: Mapping[Layout, str] = MappingProxyType(
    {
        "flat": "detections/event_day=YYYY-MM-DD/",
        "ocsf": "ext/<source>/region=…/accountId=…/eventDay=YYYYMMDD/",
    }
)
_DAYS: Mapping[Layout, str] = MappingProxyType({"flat": "%Y-%m-%d", "ocsf": "%Y%m%d"})
_WRITTEN = MappingProxyType({"%Y-%m-%d": "YYYY-MM-DD", "%Y%m%d": "YYYYMMDD"})
_KEYS: Mapping[Layout, Collection[str]] = MappingProxyType(
    {"flat": {"eventday"}, "ocsf": {"region", "accountid", "eventday"}}
)
NEITHER = f"neither layout is present: expected {' or '.join(f'{way}*' for way in _PARTITIONS.values())}"
UNHOLDABLE = "a folder cannot hold that name: rename it, without //, /./ and /../"
_SUFFIX = re.compile(r"\.[A-Za-z0-9_]{1,9}\Z")
_NULL = "__HIVE_DEFAULT_PARTITION__"  # the partition value for rows without one
_WITHIN = re.compile(r"(?:\A|/)ext/[^/]")  # an inner ext/ makes it unclear whose ids these are
_HIDDEN = re.compile(r"/([._][^/]*)")
_NO_STEP = re.compile(r"/\.{0,2}(?=/|\Z)")  # steps of a path that cannot be names
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
# Where tables keep which of their files count: Delta Lake's protocol, "Delta Log Entries"; Hudi's technical
# specification, "Storage Layout"; Iceberg's specification of tables, "File System Tables"
_LOGS = (
    (re.compile(r"/_delta_log(?=/|\Z)"), "Delta Lake"),
    (re.compile(r"/\.hoodie(_partition_metadata[^/]*)?(?=/|\Z)"), "Hudi"),
    (re.compile(r"/metadata/[^/._][^/]*\.metadata\.json(\.gz)?\Z"), "Iceberg"),
)


@dataclass(frozen=True, slots=True, order=True)
class ListedObject:
    """An evidence object before it is pinned: its place, and what its name says about it.

    `format` is empty if neither the name nor a listing gives it.

    `state` changes whenever the object is written, even with the same bytes. In S3 it is the entity tag, the second of
    the write and, for a recent write, the version; in a folder, the inode and the time of the last change.

    In a table of one's own, where names say nothing, an object may hold several days: `day` is the first, `until` the
    last.
    """

    name: str
    layout: Layout
    day: date
    format: str
    size: int
    state: str = ""
    until: date | None = None


@dataclass(frozen=True, slots=True, order=True)
class EvidenceObject:
    """An evidence object, pinned: `size` in bytes, `sha256` in hexadecimal, `version` where a store keeps versions."""

    name: str
    sha256: str
    size: int
    version: str | None = None


class EvidenceSource(Protocol):
    """Port: what holds the evidence objects."""

    def tops(self) -> tuple[str, ...]:
        """The names directly below the root, in order; those of folders end in `/`, those of links do not."""

    def list(self, only: Collection[str] | None = None) -> tuple[ListedObject, ...]:
        """Every evidence object, in the order of the names; or those that are there of some that a briefing records."""

    def pin(self, objects: Iterable[ListedObject]) -> tuple[EvidenceObject, ...]:
        """Digest objects as they are now, in the order given."""

    def text(self, name: str) -> str | None:
        """A settings file beside the objects, or None.

        Raises `InvalidEvidence` if it is not a file of UTF-8 text.
        """


class Place(EvidenceSource, Protocol):
    """Evidence whose objects are told from all others, and from themselves at other times."""

    @property
    def place(self) -> str:
        """Where the evidence is, in a form that no other place has."""

    def lasting(self, located: ListedObject) -> bool:
        """Whether a write to an object from now on will be seen in its state."""


P = TypeVar("P", bound=Place)


@dataclass(frozen=True, slots=True)
class SourceOver(Generic[P]):
    """Evidence of another source, which a subclass pins in a way of its own."""

    source: P

    @property
    def place(self) -> str:
        """As `Place.place`."""
        return self.source.place

    def lasting(self, located: ListedObject) -> bool:
        """As `Place.lasting`."""
        return self.source.lasting(located)

    def tops(self) -> tuple[str, ...]:
        """As `EvidenceSource.tops`."""
        return self.source.tops()

    def list(self, only: Collection[str] | None = None) -> tuple[ListedObject, ...]:
        """As `EvidenceSource.list`."""
        return self.source.list(only)

    def text(self, name: str) -> str | None:
        """As `EvidenceSource.text`."""
        return self.source.text(name)


def locate(name: str, size: int) -> ListedObject | None:
    """What an object's name says about it; None if it is not evidence.

    Everything below `detections/` and `ext/` is evidence, except folder markers and names with a part that starts with
    `.` or `_`. Raises `InvalidEvidence` for an object outside a partition, in a partition that is not a day, in an
    unknown format, or with a name that no file can have; and for a table's log.
    """
    top, slash, _ = name.partition("/")
    layout = LAYOUTS.get(top) if slash else None
    if layout is None or is_passed_over(name, size):
        return None
    _check_spelling(name)
    match = _PATTERNS[layout].fullmatch(name)
    found = match.groupdict() if match else {}
    if match is None or _NULL in (found.get("region"), found.get("account")):
        raise InvalidEvidence(
            f"{_shown(name)}: is not in a partition: move it to {_PARTITIONS[layout]} or out of {top}/"
        )
    _check_keys(name, layout, found.get("source", ""), found["below"])
    return _read(name, size, layout, found["day"])


def recorded(name: str, size: int) -> ListedObject | None:
    """What the name of a recorded object says; None if no release accepted such a name.

    The release that made the briefing may have ignored or refused fewer names than this one.
    """
    layout = LAYOUTS.get(name.partition("/")[0])
    match = _PATTERNS[layout].fullmatch(name) if layout else None
    if layout is None or match is None or _NO_STEP.search(name):
        return None
    return _read(name, size, layout, match["day"])


def _read(name: str, size: int, layout: Layout, day: str) -> ListedObject:
    return ListedObject(name, layout, _day(name, day, _DAYS[layout]), _format(name), size)


def is_passed_over(name: str, size: int) -> bool:
    """Whether something below a layout's folder is hidden, or marks a folder.

    Raises `InvalidEvidence` for the log of a table.
    """
    if log := _log(name):
        raise InvalidEvidence(log)
    if name.endswith(MARKER) or (size == 0 and name.endswith("/")):
        return True
    hidden = _HIDDEN.search(name)
    return hidden is not None and hidden[1] not in (".", "..")


def _log(name: str) -> str | None:
    """What is wrong with a name in a table's log folder, unless a hidden folder contains it."""
    if not ("/_" in name or "/." in name or "/metadata/" in name):  # as with most
        return None
    for pattern, owner in _LOGS:
        found = pattern.search(name)
        if found and not _HIDDEN.search(name, 0, found.start()):
            log = name[: found.end()].removeprefix("/")
            return f"{log}: the files of this {owner} table may hold old rows: deliver the current ones as plain files"
    return None


def _check_spelling(name: str) -> None:
    if _CONTROL.search(name):
        raise InvalidEvidence(f"{name!r}: has a control character in its name: rename it")
    if not _is_utf8(name):
        raise InvalidEvidence(f"{name!a}: its name is not UTF-8: rename it")
    if "//" in name or _HIDDEN.search(name):
        raise InvalidEvidence(f"{name}: {UNHOLDABLE}")
    if name.endswith("/"):
        raise InvalidEvidence(f"{name}: has the name of a folder but is not empty: rename it, or remove it")


def _check_keys(name: str, layout: Layout, source: str, below: str) -> None:
    """Refuse other folders in the path: another partition, or a column whose value is not read from paths.

    Required columns need no check, because rows without them are refused. OCSF's own names may also be folder names.
    """
    if _WITHIN.search(source):
        raise InvalidEvidence(f"{_shown(name)}: folder ext/ could be mistaken for the outer one: rename it")
    for folder in f"{source}{below}".split("/"):
        key, equals, _ = folder.partition("=")
        if not equals:
            continue
        if _folded(key) in _KEYS[layout]:
            raise InvalidEvidence(
                f"{_shown(name)}: is in two partitions, one of them {folder}: move it to {_PARTITIONS[layout]}"
            )
        if column := nearly(key, OPTIONAL) or (key if key in OPTIONAL else None):
            raise InvalidEvidence(
                f"{_shown(name)}: folder {folder} would be ignored: write {column} in the rows, and rename the "
                "folder"
            )


def check_tops(tops: Iterable[str]) -> None:
    """Raise `InvalidEvidence` for a name directly below the root, from `tops`, that is almost that of a layout.

    Almost means equal except for case, spaces, `-`, `_` and a final `s`. Partitions and table logs are refused there
    too.
    """
    for top in tops:
        if problem := _log(f"/{top}") or _misplaced(top):
            raise InvalidEvidence(problem)


def _misplaced(top: str) -> str | None:
    name = top.removesuffix("/")
    key, equals, _ = name.partition("=")
    nearest = {_folded(layout): layout for layout in LAYOUTS}.get(_folded(name.partition("\\")[0]))
    problem = None
    if name in ("", ".", ".."):
        problem = UNHOLDABLE
    elif name.startswith((".", "_")) or top in {f"{layout}/" for layout in LAYOUTS}:
        pass
    elif name in LAYOUTS:
        problem = "is not a folder: put the objects in a folder of that name, or rename it"
    elif nearest:
        problem = f"would not be read, although its name is close to {nearest}/: rename it to that, or something else"
    elif equals and _folded(key) == "eventday":
        problem = "is a partition outside the layouts: move it into detections/ or ext/, or remove it"
    return problem and f"{_shown(top)}: {problem}"


def _folded(name: str) -> str:
    """A name without the details that distinguish it from similar ones."""
    text = unicodedata.normalize("NFKC", name).casefold()
    return "".join(c for c in text if c.isprintable() and c not in " -_").removesuffix("s")


def _shown(name: str) -> str:
    """A name for messages: escaped if it has unusual spaces or unprintable characters."""
    return name if name.isprintable() else repr(name)


def gathered(
    found: Iterable[tuple[str, T]], judge: Callable[[str, T], ListedObject | None]
) -> tuple[ListedObject, ...]:
    """The objects that `judge` accepts among those found, sorted by name.

    If several are refused, the error is the same in any order: the one for a table's log, else for the first name.
    """
    located: list[ListedObject] = []
    first: tuple[tuple[bool, str], InvalidEvidence] | None = None
    for name, each in found:
        try:
            if one := judge(name, each):
                located.append(one)
        except InvalidEvidence as error:
            order = (_log(name) is None, name)
            if first is None or order < first[0]:
                first = order, error
    if first:
        raise first[1]
    return tuple(sorted(located, key=attrgetter("name")))


def _day(name: str, text: str, form: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or day.strftime(form) != text:
        raise InvalidEvidence(
            f"{_shown(name)}: partition {text!r} is not a day: write it as {_WRITTEN[form]}"
        )
    return day


def _format(name: str) -> str:
    for suffix, format_ in FORMATS.items():
        if name.endswith(suffix):
            return format_
    last = name.rpartition("/")[2]
    if _SUFFIX.search(last.removesuffix(".gz")):
        suffix = "".join(PurePosixPath(last).suffixes[-2 if last.endswith(".gz") else -1 :])
        advice = GZIP_INSTEAD if suffix in PACKED else f"convert it to one of {', '.join(FORMATS)}"
        raise InvalidEvidence(f"{name}: {suffix} is not a supported format: {advice}, or move it away")
    return ""


def with_format(located: ListedObject, first: bytes) -> ListedObject:
    """An object with the format that its first bytes show; an empty object has no rows in any format.

    Raises `InvalidEvidence` if it is neither Parquet nor JSON Lines, or is gzip without the suffix for it.
    """
    packed = located.name.endswith(".gz")
    format_ = told_by(first)
    if format_ == "gzip" and not packed:
        raise InvalidEvidence(
            f"{located.name}: is compressed with gzip, but its name does not end in .gz: rename it"
        )
    if format_ not in (("gzip",) if packed else ("parquet", "json")):
        raise InvalidEvidence(
            f"{located.name}: {'is not compressed with gzip' if packed else 'is neither Parquet nor JSON Lines'}, "
            f"and its name has no other suffix: convert it to one of {', '.join(FORMATS)}, or move it away"
        )
    return replace(located, format="json" if packed else format_)


def told_by(first: bytes) -> str:
    """The format that an object's first bytes show: `parquet`, `gzip`, `json`, or nothing."""
    if first.startswith(b"PAR1"):
        return "parquet"
    if first.startswith(b"\x1f\x8b"):
        return "gzip"
    text = first.removeprefix(codecs.BOM_UTF8).lstrip()
    return "json" if not text or text.startswith(b"{") else ""


def _below(folder: str, way: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """The names, relative to the root, of everything below a folder except hidden files.

    Does not enter a folder that holds a table's log, or an empty one where an object is expected.
    """
    ways = [(folder, way)]
    while ways:
        folder, way = ways.pop()
        for entry in _entries(folder):
            name = way + entry.name
            if entry.name.startswith((".", "_")):
                if _log(name):
                    yield name, entry
            elif _is_way(entry):
                ways.append((entry.path, f"{name}/"))
            else:
                yield name, entry


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        return list(os.scandir(folder))
    except (FileNotFoundError, NotADirectoryError):  # it is not there, or no longer
        return []


def _is_way(entry: os.DirEntry[str]) -> bool:
    """Whether objects may be in this folder: not if it is empty and stands where an object is expected."""
    return entry.is_dir(follow_symlinks=False) and not (
        entry.name.endswith(tuple(FORMATS)) and not os.listdir(entry.path)
    )


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise kind_of(error, InvalidEvidence)(
            f"{error.filename}: cannot be read: {error.strerror}: grant access to it, or deliver it again"
        ) from None


def is_name(name: str) -> bool:
    """Whether an object below a root can have this name; a record may contain names that lead out of the root."""
    return _is_utf8(name) and "\0" not in name and not {"", ".", ".."} & set(name.split("/"))


def _is_utf8(name: str) -> bool:
    try:
        return bool(name.encode())
    except UnicodeEncodeError:
        return False


def is_utf8_path(path: Path) -> bool:
    """Whether the bytes of a path are UTF-8, and this locale decodes them so: DuckDB accepts no others."""
    text = os.path.abspath(path)
    return os.fsencode(text) == text.encode("utf-8", "replace")


class FolderEvidence:
    """Evidence in a folder, or `only` the objects that a briefing records; the folder is only read."""

    def __init__(self, root: Path, only: Collection[str] | None = None) -> None:
        if not root.is_dir():
            raise InvalidRequest(f"{root}: no such folder: give the folder that holds detections/ or ext/")
        if not is_utf8_path(root):
            raise InvalidRequest(
                f"{root}: its path is not UTF-8: rename it, or if the path is UTF-8 set LC_ALL=C.UTF-8"
            )
        self.root = root
        self.only = only

    @property
    def place(self) -> str:
        """Where the evidence is, in a form that no other place has."""
        return ascii(os.path.realpath(self.root))  # which may not be UTF-8

    def lasting(self, located: ListedObject) -> bool:
        """Whether a write from now on will be seen in an object's state."""
        changed = int(located.state.split()[1]) / 1e9
        return changed < time.time() - UNSETTLED

    def tops(self) -> tuple[str, ...]:
        """The names directly below the folder, in order; those of folders end in `/`, those of links do not."""
        with _reading(), os.scandir(self.root) as entries:
            return tuple(sorted(e.name + "/" * e.is_dir(follow_symlinks=False) for e in entries))

    def list(self, only: Collection[str] | None = None) -> tuple[ListedObject, ...]:
        """Every evidence object, in the order of the names; or those that are there of some that a briefing records.

        Raises `InvalidEvidence` if neither layout is present, and for a file that cannot be read, leads out of the
        folder or would be silently ignored. With `only`, other files do not matter.
        """
        only = self.only if only is None else only
        with _reading():
            if only is not None:
                among = gathered(self._among(only), partial(self._located, locate=recorded))
                return self._with_formats(among)
            located = gathered(self._found(), self._located)
        if not located:
            raise InvalidEvidence(f"{self.root}: {NEITHER}")
        return self._with_formats(located)

    def _with_formats(self, located: Iterable[ListedObject]) -> tuple[ListedObject, ...]:
        return tuple(o if o.format else with_format(o, self.part(o, 0, FIRST)) for o in located)

    def _among(self, names: Collection[str]) -> Iterator[tuple[str, os.DirEntry[str]]]:
        root = os.path.realpath(self.root)
        for way in sorted({name.rpartition("/")[0] for name in names if recorded(name, 0)}):
            folder = os.path.join(root, way)
            if os.path.realpath(folder) != folder:
                raise InvalidEvidence(f"{way}: contains a link: put the objects themselves there")
            for entry in _entries(folder):
                if f"{way}/{entry.name}" in names and not _is_way(entry):
                    yield f"{way}/{entry.name}", entry

    def _found(self) -> Iterator[tuple[str, os.DirEntry[str]]]:
        tops = self.tops()
        for layout in LAYOUTS:
            path = self.root / layout
            if path.is_symlink() and (problem := self._problem(path)):
                raise InvalidEvidence(f"{layout}: {problem}")
        check_tops(tops)
        for layout in LAYOUTS:
            if f"{layout}/" in tops:
                yield from _below(str(self.root / layout), f"{layout}/")

    def _located(
        self, name: str, entry: os.DirEntry[str], locate: Callable[[str, int], ListedObject | None] = locate
    ) -> ListedObject | None:
        if not entry.is_file(follow_symlinks=False):
            if locate is not recorded and is_passed_over(name, 0):
                return None
            if problem := self._problem(Path(entry.path)):
                raise InvalidEvidence(f"{name}: {problem}")
        found = entry.stat()
        located = locate(name, found.st_size)
        return located and replace(located, state=f"{found.st_ino} {found.st_ctime_ns} {found.st_mtime_ns}")

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
        """Digest the objects with these names; missing ones are left out, and other files are ignored.

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
            raise kind_of(error, InvalidEvidence)(
                f"{name}: cannot be read: {error.strerror}: grant access to it, or deliver it again"
            ) from None
        if found is None:
            return None
        remedy = "put the object itself there, or remove it"
        if problem := f"is a folder: {remedy}" if stat.S_ISDIR(found.st_mode) else self._astray(path):
            raise InvalidEvidence(f"{name}: {problem}")
        return found.st_size

    def _astray(self, path: Path) -> str | None:
        """What is wrong with the place of a named object; any of its folders may be a link."""
        inside = Path(os.path.realpath(path)).is_relative_to(os.path.realpath(self.root))
        return self._problem(path) if inside else "leads out of the evidence folder: remove it"

    def _problem(self, path: Path) -> str | None:
        problem = None
        if not path.is_symlink():
            problem = "is an empty folder" if path.is_dir() else None if path.is_file() else "is not a file"
        elif not (target := Path(os.path.realpath(path))).exists():
            problem = "is a broken link"
        elif not target.is_relative_to(os.path.realpath(self.root)):
            problem = "is a link out of the evidence folder"
        elif not target.is_file():
            problem = (
                "is a link to a folder" if target.is_dir() else "is a link to something that is not a file"
            )
        return problem and f"{problem}: put the object itself there, or remove it"

    def pin(self, objects: Iterable[ListedObject]) -> tuple[EvidenceObject, ...]:
        """Digest objects as they are now, in the order given; large ones in parallel, on all cores."""
        return self._digested({o.name: o.size for o in objects})

    def part(self, located: ListedObject, first: int, count: int) -> bytes:
        """Some bytes of an object, from a position on."""
        with _reading(), (self.root / located.name).open("rb") as file:
            file.seek(first)
            return file.read(count)

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
            raise kind_of(error, InvalidEvidence)(
                f"{name}: cannot be read: {error.strerror}: grant access to it, or deliver it again"
            ) from None

    def text(self, name: str) -> str | None:
        """A settings file beside the objects, or None if there is none; raises as `EvidenceSource.text` says."""
        path = self.root / name
        try:
            path.lstat()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise kind_of(error, InvalidEvidence)(
                f"{path}: cannot be read: {error.strerror}: grant access to it"
            ) from None
        if path.is_symlink() and not path.exists():
            raise InvalidEvidence(f"{path}: is a broken link: put the file there, or remove it")
        if not path.is_file():
            raise InvalidEvidence(f"{path}: is not a file: put the file there, or remove it")
        try:
            return path.read_bytes().decode()
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidEvidence(f"{path}: cannot be read as UTF-8 text: {error}") from None


def in_s3(option: str, text: str) -> tuple[str, str]:
    """The bucket of a place in S3, and its prefix: empty, or with a slash at its end."""
    bucket, _, prefix = text.removeprefix("s3://").partition("/")
    if not text.startswith("s3://") or not bucket:
        raise InvalidRequest(f"{option} {text!r} is not a place in S3: write it like s3://BUCKET/PREFIX")
    prefix = prefix.strip("/")
    return bucket, f"{prefix}/" if prefix else ""

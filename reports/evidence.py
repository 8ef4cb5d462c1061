"""Where evidence lies: the two layouts, their objects, and a folder of them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path, PurePosixPath
from typing import Literal, Protocol

from reports.errors import InvalidEvidence, InvalidRequest

Layout = Literal["flat", "ocsf"]
FORMATS = {".parquet": "parquet", ".jsonl": "json", ".jsonl.gz": "json", ".csv": "csv"}

_FLAT = re.compile(r"detections/event_day=(?P<day>[^/]+)/(?:.*/)?(?P<file>[^/]+)")
_OCSF = re.compile(
    r"ext/[^/]+/(?:[^/]+/)*?region=[^/]+/accountId=[^/]+/eventDay=(?P<day>[^/]+)/(?:.*/)?(?P<file>[^/]+)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, order=True)
class Located:
    """An evidence object before it is pinned: where it lies and what its name says of it."""

    name: str
    layout: Layout
    day: date
    format: str
    size: int


@dataclass(frozen=True, slots=True, order=True)
class EvidenceObject:
    """An evidence object, pinned: `size` in bytes, `sha256` in hexadecimal, `version` where the store keeps versions."""

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
        day = datetime.strptime(text, form).date()  # noqa: DTZ007 -- a partition is a UTC day, not an instant
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


class FolderEvidence:
    """Evidence in a folder; it is read, never written to."""

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise InvalidRequest(f"{root}: no such folder: name the folder that holds detections/ or ext/")
        self.root = root

    def list(self) -> tuple[Located, ...]:
        """Every evidence object, in the order of the names; `InvalidEvidence` where neither layout is present."""
        found = tuple(sorted(self._walk()))
        if not found:
            raise InvalidEvidence(
                f"{self.root}: neither layout is present: expected detections/event_day=YYYY-MM-DD/* "
                "or ext/<source>/region=…/accountId=…/eventDay=YYYYMMDD/*"
            )
        return found

    def _walk(self) -> Iterator[Located]:
        for top in ("detections", "ext"):
            for path in (self.root / top).rglob("*"):
                if path.is_file():
                    located = locate(path.relative_to(self.root).as_posix(), path.stat().st_size)
                    if located:
                        yield located

    def pin(self, objects: Iterable[Located]) -> tuple[EvidenceObject, ...]:
        """Digest objects as they are now, in the order given, on all cores."""
        with ThreadPoolExecutor() as pool:
            return tuple(pool.map(self._pin, objects))

    def _pin(self, located: Located) -> EvidenceObject:
        try:
            with (self.root / located.name).open("rb") as file:
                digest = hashlib.file_digest(file, "sha256")
                return EvidenceObject(located.name, digest.hexdigest(), file.tell())
        except OSError as error:
            raise InvalidEvidence(f"{located.name}: cannot be read: {error.strerror}") from None

    def text(self, name: str) -> str | None:
        """A settings file beside the objects, or None where there is none."""
        path = self.root / name
        if not path.is_file():
            return None
        try:
            return path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidEvidence(f"{path}: cannot be read as UTF-8 text: {error}") from None

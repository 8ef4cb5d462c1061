"""Buckets of moto whose objects are files of a folder: an object is read when it is asked for, and listed by its name.

A file is written before the object is there, and before anybody is told of it: what the folder does not take is in no
bucket, and nothing that is in one is lost, whatever ends the process.
"""

from __future__ import annotations

import base64
import hashlib
import os
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice, takewhile
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from moto.s3.models import FakeDeleteMarker, FakeKey, S3Backend
from moto.s3.utils import _VersionedKeyStore

from reports.core.errors import Unavailable, advice

UNFINISHED = ".unfinished"
Listing = tuple[list[FakeKey], bool, str | None]


class Listed(FakeKey):
    """What a listing says of an object, without holding what is in it."""

    def __init__(self, name: str, file: Path) -> None:
        self.name, self.file = name, file

    @property
    def _found(self) -> os.stat_result:
        return self.file.stat()

    @property
    def last_modified_ISO8601(self) -> str:  # noqa: N802 -- moto's name
        return f"{datetime.fromtimestamp(self._found.st_mtime, UTC):%Y-%m-%dT%H:%M:%S}.000Z"

    @property
    def etag(self) -> str:
        return f'"{_tag(self._found)}"'

    @property
    def size(self) -> int:
        return self._found.st_size

    disposed = True  # there is nothing to let go of
    storage_class = "STANDARD"
    checksum_algorithm = None


class KeptKeys(_VersionedKeyStore):
    """The objects of a bucket, by their names: those of a folder, and what the bucket held before."""

    def __init__(self, bucket: Any, folder: Path, account: str) -> None:
        super().__init__(bucket.keys)
        self._bucket, self._folder, self._account = bucket, folder, account
        self.names = sorted(_names(folder))
        for name in dict.keys(self):
            self._note(name)

    def __sgetitem__(self, name: str) -> list[Any]:
        try:
            found: list[Any] = dict.__getitem__(self, name)
        except KeyError:
            if not self.holds(name):
                raise
            found = [self._read(name)]
            dict.__setitem__(self, name, found)
        return found

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.holds(name)

    def __setitem__(self, name: str, value: Any) -> None:
        self.setlist(name, [*self.getlist(name, []), value])

    def holds(self, name: str) -> bool:
        """Whether there is an object, or a mark of one that was deleted, with a name."""
        if dict.__contains__(self, name):
            return True
        at = bisect_left(self.names, name)
        return self.names[at : at + 1] == [name]

    def setlist(self, key: Any, list_: Any) -> None:
        """Have the versions of an object be these, of which the last is written to the folder first."""
        newest = list_[-1] if list_ else None
        if isinstance(newest, FakeKey):
            try:
                self._write(key, bytes(newest.value))
            except Unavailable:
                newest.dispose()
                raise
        elif place := self._place(key):
            place.unlink(missing_ok=True)
        super().setlist(key, list_)
        self._note(key)

    def pop(self, key: str) -> None:  # type: ignore[override]
        """Forget an object."""
        if place := self._place(key):
            place.unlink(missing_ok=True)
        super().pop(key)
        self._note(key)

    def items(self) -> Iterator[tuple[str, Any]]:  # type: ignore[override]
        """Each object with what a listing says of it."""
        return ((name, self._listed(name)) for name in list(self.names))

    def list_page(self, prefix: str, after: str, most: int) -> Listing:
        """The next objects whose names start with `prefix`, whether there are more, and the last name if so."""
        page = list(islice(self.names_after(prefix, after), most + 1))
        more = len(page) > most
        return [self._listed(name) for name in page[:most]], more, page[most - 1] if more and most else None

    def names_after(self, prefix: str, after: str) -> Iterator[str]:
        """The names that start with `prefix` and come after `after`, in order."""
        first = max(bisect_left(self.names, prefix), bisect_right(self.names, after) if after else 0)
        found = islice(self.names, first, None)
        return takewhile(lambda name: name.startswith(prefix), found)

    def _listed(self, name: str) -> FakeKey:
        place = self._place(name)
        known: list[FakeKey] | None = dict.get(self, name)
        if known:
            return known[-1]
        assert place is not None  # noqa: S101 -- its name came from a file
        return Listed(name, place)

    def _note(self, name: str) -> None:
        """Have the name of an object in the list if it is there, and only then."""
        versions: list[Any] = dict.get(self, name) or []
        there = bool(versions) and not isinstance(versions[-1], FakeDeleteMarker)
        at = bisect_left(self.names, name)
        listed = self.names[at : at + 1] == [name]
        if there and not listed:
            insort(self.names, name)
        elif listed and not there:
            del self.names[at]

    def _read(self, name: str) -> FakeKey:
        place = self._place(name)
        assert place is not None  # noqa: S101 -- its name came from a file
        versioned = self._bucket.is_versioned
        key = FakeKey(
            name=name,
            value=place.read_bytes(),
            account_id=self._account,
            region_name=self._bucket.region_name,
            bucket_name=self._bucket.name,
            is_versioned=versioned,
            version_id="kept" if versioned else "null",
            etag=_tag(place.stat()),
        )
        key.last_modified = datetime.fromtimestamp(place.stat().st_mtime, UTC).replace(tzinfo=None)
        return key

    def _write(self, name: str, content: bytes) -> None:
        place = self._place(name)
        if place is None:
            return
        beside = place.with_name(f"{place.name}{UNFINISHED}")
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            beside.write_bytes(content)
            beside.replace(place)
        except OSError as error:
            raise Unavailable(f"{place} cannot be written ({error.strerror}): {advice(error)}") from None

    def _place(self, name: str) -> Path | None:
        """The file of an object; None for a name that is no path below the folder."""
        parts = name.split("/")
        if {"", ".", ".."} & {*parts}:
            return None
        return self._folder.joinpath(*(quote(part, safe=" =+@,") for part in parts))


@dataclass(frozen=True, slots=True)
class KeptStore:
    """What is below a prefix of a kept bucket as a store, for what has to be quick before anybody calls."""

    keys: KeptKeys
    put_object: Callable[[str, bytes], object]
    prefix: str

    def put(self, documents: Mapping[str, bytes]) -> bool:
        """Keep documents as `Store.put` says."""
        if any(self.prefix + name in self.keys for name in documents):
            return False
        for name, content in documents.items():
            self.put_object(self.prefix + name, content)
        return True

    def get(self, name: str) -> bytes | None:
        """The content under a name, or None."""
        found = self.keys.get(self.prefix + name)
        return bytes(found.value) if isinstance(found, FakeKey) else None

    def list(self, prefix: str, after: str = "", most: int | None = None) -> tuple[str, ...]:
        """List names as `Store.list` says."""
        found = self.keys.names_after(self.prefix + prefix, self.prefix + after)
        return tuple(name.removeprefix(self.prefix) for name in islice(found, most))


def keep(backend: S3Backend, bucket: str, folder: Path) -> KeptKeys:
    """Have the objects of a bucket be files of a folder, from now on; what the bucket holds stays in memory."""
    found: Any = backend.get_bucket(bucket)
    found.keys = KeptKeys(found, folder, backend.account_id)
    if getattr(backend.list_objects_v2, "__name__", "") != _list_page.__name__:
        backend.list_objects_v2 = _by_name(backend.list_objects_v2)  # type: ignore[method-assign]
    return found.keys  # type: ignore[no-any-return]


def _by_name(otherwise: Callable[..., Any]) -> Callable[..., Any]:
    """List a kept bucket by its names, and others as moto does, which goes through all objects each time."""

    def list_page(  # noqa: PLR0913, PLR0917 -- moto's parameters
        bucket: Any,
        prefix: str | None,
        delimiter: str | None,
        continuation_token: str | None,
        start_after: str | None,
        max_keys: int,
    ) -> Any:
        if delimiter or not isinstance(bucket.keys, KeptKeys):
            return otherwise(bucket, prefix, delimiter, continuation_token, start_after, max_keys)
        return _list_page(bucket.keys, prefix or "", continuation_token, start_after or "", max_keys)

    list_page.__name__ = _list_page.__name__
    return list_page


def _list_page(keys: KeptKeys, prefix: str, token: str | None, after: str, most: int) -> Listing:
    start = base64.urlsafe_b64decode(token).decode() if token else after
    page, more, last = keys.list_page(prefix, start, most)
    return page, more, base64.urlsafe_b64encode(last.encode()).decode() if last else None


def _tag(found: os.stat_result) -> str:
    """What tells one content from another, without reading it; S3's own says no more where a key encrypts."""
    return hashlib.md5(f"{found.st_mtime_ns} {found.st_size}".encode(), usedforsecurity=False).hexdigest()


def _names(folder: Path) -> Iterator[str]:
    for place, _, files in os.walk(folder):
        way = [unquote(part) for part in Path(place).relative_to(folder).parts]
        for file in files:
            if not file.endswith(UNFINISHED):
                yield "/".join([*way, unquote(file)])

"""Adapter: evidence in an S3 bucket, below a prefix."""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any

from botocore.exceptions import ClientError  # type: ignore[import-untyped]

from reports.core import aws_errors
from reports.core.errors import Changed, InvalidEvidence, Unavailable
from reports.evidence.source import (
    FIRST,
    LAYOUTS,
    NEITHER,
    EvidenceObject,
    ListedObject,
    check_tops,
    gathered,
    is_name,
    locate,
    recorded,
    with_format,
)

AT_ONCE = 10  # as many connections as botocore keeps
CHUNK = 2**20
COLD = frozenset({"GLACIER", "DEEP_ARCHIVE"})  # Athena skips these silently
UNSETTLED = timedelta(seconds=5)
MISSING = frozenset({"404", "NoSuchKey", "NoSuchVersion"})
CHANGED = frozenset({"412", "PreconditionFailed"})


def _no_end() -> float:
    return math.inf


@dataclass(frozen=True, slots=True)
class S3Evidence:
    """Evidence in a bucket, below a prefix that is empty or ends with `/`; it is read, never written to.

    Permissions: `s3:ListBucket` on the bucket, `s3:GetObject` and `s3:GetObjectVersion` on its objects below the
    prefix, `kms:Decrypt` on the key that encrypts them, if any.

    `deadline` gives the seconds that are left for reading. Where the bucket keeps no versions, an object that is
    written to twice in the second of its delivery, and is then as it was, is not told from one that stayed so.
    """

    client: Any
    bucket: str
    prefix: str = ""
    deadline: Callable[[], float] = _no_end
    _recent: set[str] = field(default_factory=set, init=False, repr=False, compare=False)
    _formats: dict[tuple[str, str], str] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def place(self) -> str:
        """Where the evidence is, in a form that no other place has."""
        return json.dumps([self.client.meta.endpoint_url, self.bucket, self.prefix])

    def lasting(self, located: ListedObject) -> bool:
        """Whether a write from now on will be seen in an object's state."""
        *_, version = located.state.split(" ")
        return located.name not in self._recent or version not in ("None", "null")

    @staticmethod
    def written(located: ListedObject) -> datetime:
        """When a listed object was written (aware, in whole seconds)."""
        return datetime.fromisoformat(located.state.split(" ")[1])

    def tops(self) -> tuple[str, ...]:
        """The names directly below the prefix, in order; those of folders end in `/`."""
        with self._translated():
            pages = self._pages(Prefix=self.prefix, Delimiter="/")
            keys = [
                each
                for page in pages
                for each in (
                    *(listed["Key"] for listed in page.get("Contents", ())),
                    *(common["Prefix"] for common in page.get("CommonPrefixes", ())),
                )
            ]
        return tuple(sorted(key.removeprefix(self.prefix) for key in keys if key != self.prefix))

    def list(self, only: Collection[str] | None = None) -> tuple[ListedObject, ...]:
        """Every evidence object, in the order of the names; or those that are there of some that a briefing records.

        It is as of now. Raises `InvalidEvidence` if neither layout is present, and for
        what is in its place but cannot be read or would be left out unnoticed. Of some, what else is there does not
        matter.
        """
        if only is not None:
            with self._translated():
                among = ((name, each) for name, each in self._listed(LAYOUTS) if name in only)
                found = gathered(among, partial(self._located, locate=recorded))
            with ThreadPoolExecutor(AT_ONCE) as pool:
                return tuple(pool.map(self._with_format, found))
        tops = self.tops()
        check_tops(tops)
        with self._translated():
            found = gathered(self._listed(top for top in LAYOUTS if f"{top}/" in tops), self._located)
        if not found:
            raise InvalidEvidence(f"s3://{self.bucket}/{self.prefix}: {NEITHER}")
        _check_folders(o.name for o in found)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return tuple(pool.map(lambda o: self._with_format(self._told_apart(o)), found))

    def _with_format(self, located: ListedObject) -> ListedObject:
        """An object with its format: where its name tells none, its first bytes are read, once."""
        if located.format:
            return located
        key = located.name, located.state
        if key not in self._formats:
            self._formats[key] = with_format(located, self.part(located, 0, FIRST)).format
        return replace(located, format=self._formats[key])

    def pin(self, objects: Iterable[ListedObject]) -> tuple[EvidenceObject, ...]:
        """Digest objects as they are now, in the order given, several at once.

        The digest is S3's own, which it checked on arrival, where it covers the whole object; otherwise that version
        of the object is read. `version` is None if the bucket keeps none.
        """
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return tuple(pool.map(self._pin, objects))

    def names(self) -> tuple[str, ...]:
        """The name of every object of either layout's folder, whether or not it is evidence."""
        with self._translated():
            return tuple(sorted(name for name, _ in self._listed(LAYOUTS)))

    def named(self, names: Iterable[str]) -> tuple[EvidenceObject, ...]:
        """Digest the objects of some names, whatever else the bucket holds; those that are not there are left out."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return tuple(o for o in pool.map(self._digested, filter(is_name, names)) if o)

    def heads(self, names: Iterable[str]) -> tuple[tuple[int, str], ...]:
        """The sizes and states of the objects of some names; raises `InvalidEvidence` for one that is not there."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return tuple(pool.map(self._head, names))

    def fetch(self, objects: Iterable[EvidenceObject], folder: Path) -> None:
        """Copy objects into a folder under their names, in the versions that were pinned, several at once.

        Raises `InvalidEvidence` for a version that is no longer there, and for a name that no object can have.
        """
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for _ in pool.map(lambda each: self._fetch(each, folder), objects):
                pass

    def part(self, located: ListedObject, first: int, count: int) -> bytes:
        """Some bytes of an object as it was listed, from one on; raises `Changed` if it was written to since."""
        last = min(first + count, located.size) - 1
        if last < first:
            return b""
        with self._translated(located.name):
            body = self._as_listed(located, Range=f"bytes={first}-{last}")["Body"]
            content: bytes = body.read()
        return content

    def download(self, located: ListedObject, file: IO[bytes]) -> EvidenceObject:
        """Copy an object as it was listed, and pin it; raises `Changed` if it was written to since."""
        digest = hashlib.sha256()
        with self._translated(located.name):
            found = self._as_listed(located)
            for chunk in self._chunks(located.name, found["Body"]):
                digest.update(chunk)
                file.write(chunk)
        version = found.get("VersionId")
        return EvidenceObject(
            located.name, digest.hexdigest(), found["ContentLength"], None if version == "null" else version
        )

    def _as_listed(self, located: ListedObject, **how: Any) -> Any:
        try:
            return self._get(located.name, IfMatch=located.state.partition(" ")[0], **how)
        except ClientError as error:
            if aws_errors.code(error) in MISSING | CHANGED:
                raise Changed(
                    f"{located.name}: changed while being read: wait until its delivery has ended"
                ) from None
            raise

    def text(self, name: str) -> str | None:
        """A settings file beside the objects, or None if there is none."""
        with self._translated():
            try:
                content: bytes = self._get(name)["Body"].read()
            except ClientError as error:
                if aws_errors.code(error) == "NoSuchKey":
                    return None
                raise
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise InvalidEvidence(f"{name}: cannot be read as UTF-8 text: {error}") from None

    def _translated(self, name: str = "") -> Any:
        return aws_errors.translated(f"bucket {self.bucket}{name and f': {name}'}")

    def _pages(self, **where: str) -> Any:
        return self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, **where)

    def _listed(self, layouts: Iterable[str]) -> Iterator[tuple[str, Mapping[str, Any]]]:
        for layout in layouts:
            for page in self._pages(Prefix=f"{self.prefix}{layout}/"):
                for listed in page.get("Contents", ()):
                    yield listed["Key"].removeprefix(self.prefix), listed

    def _located(
        self,
        name: str,
        listed: Mapping[str, Any],
        locate: Callable[[str, int], ListedObject | None] = locate,
    ) -> ListedObject | None:
        located = locate(name, listed["Size"])
        if located is None:
            return None
        if listed.get("StorageClass") in COLD:
            raise InvalidEvidence(f"{name}: is in cold storage: restore a copy, or remove it")
        written = listed["LastModified"]
        if datetime.now(UTC) - written < UNSETTLED:
            self._recent.add(name)
        return replace(located, state=f"{listed['ETag']} {written:%Y-%m-%dT%H:%M:%SZ}")

    def _told_apart(self, located: ListedObject) -> ListedObject:
        """A recently written object with its version: S3 gives only the second, in which it may be written again."""
        if located.name not in self._recent:
            return located
        with self._translated(located.name):
            try:
                head = self.client.head_object(Bucket=self.bucket, Key=self.prefix + located.name)
            except ClientError as error:
                if aws_errors.code(error) in MISSING:
                    return located  # the next listing will notice
                raise
        return replace(located, state=f"{located.state} {head.get('VersionId')}")

    def _head(self, name: str) -> tuple[int, str]:
        with self._translated(name):
            try:
                head = self.client.head_object(Bucket=self.bucket, Key=self.prefix + name)
            except ClientError as error:
                if aws_errors.code(error) in MISSING:
                    raise InvalidEvidence(f"{name}: is not there: a table or view names it") from None
                raise
        return head[
            "ContentLength"
        ], f"{head['ETag']} {head['LastModified']:%Y-%m-%dT%H:%M:%SZ} {head.get('VersionId')}"

    def _pin(self, located: ListedObject) -> EvidenceObject:
        found = self._digested(located.name)
        if found is None:
            raise Changed(f"{located.name}: cannot be read: it is no longer there")
        return found

    def _digested(self, name: str) -> EvidenceObject | None:
        """An object as it is now; None if there is none."""
        with self._translated(name):
            try:
                head = self.client.head_object(
                    Bucket=self.bucket, Key=self.prefix + name, ChecksumMode="ENABLED"
                )
                version = head.get("VersionId")
                digest = _whole(head) or self._read(name, version, head["ETag"])
            except ClientError as error:
                if aws_errors.code(error) in MISSING:
                    return None
                if aws_errors.code(error) in CHANGED:
                    raise Changed(
                        f"{name}: changed while being read: wait until its delivery has ended"
                    ) from None
                raise
        return EvidenceObject(name, digest, head["ContentLength"], None if version == "null" else version)

    def _fetch(self, pinned: EvidenceObject, folder: Path) -> None:
        if not _is_evidence(pinned):
            raise InvalidEvidence(f"{pinned.name}: is not the name of an evidence object")
        place = folder / pinned.name
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            with self._translated(pinned.name), place.open("xb") as file:
                file.writelines(self._chunks(pinned.name, self._body(pinned)))
        except OSError as error:
            raise Unavailable(
                f"{pinned.name}: cannot be copied to {folder}: {error.strerror}: make room, or use Athena"
            ) from None

    def _body(self, pinned: EvidenceObject) -> Any:
        try:
            return self._get(pinned.name, **({"VersionId": pinned.version} if pinned.version else {}))["Body"]
        except ClientError as error:
            if aws_errors.code(error) in MISSING:
                raise InvalidEvidence(f"{pinned.name}: cannot be read: it is no longer there") from None
            raise

    def _read(self, name: str, version: str | None, tag: str) -> str:
        body = self._get(name, IfMatch=tag, **({"VersionId": version} if version else {}))["Body"]
        digest = hashlib.sha256()
        for chunk in self._chunks(name, body):
            digest.update(chunk)
        return digest.hexdigest()

    def _chunks(self, name: str, body: Any) -> Iterator[bytes]:
        """An object's content in chunks, as long as there is time."""
        for chunk in body.iter_chunks(CHUNK):
            yield chunk
            if self.deadline() <= 0:
                raise Unavailable(
                    f"{name}: the time limit was reached before it was read: run again, or deliver it with a SHA-256"
                )

    def _get(self, name: str, **how: Any) -> Any:
        return self.client.get_object(Bucket=self.bucket, Key=self.prefix + name, **how)


def _is_evidence(pinned: EvidenceObject) -> bool:
    try:
        return recorded(pinned.name, pinned.size) is not None
    except InvalidEvidence:
        return False


def _check_folders(names: Iterable[str]) -> None:
    """Refuse an object that has others below it, like a folder: no folder can contain them all."""
    known = set(names)
    folders = {name.rpartition("/")[0] for name in known}
    ways = {str(way) for folder in folders for way in PurePosixPath(folder, "object").parents}
    if both := known & ways:
        raise InvalidEvidence(
            f"{min(both)}: is an object and also a folder of others: rename it, or move them"
        )


def _whole(head: Mapping[str, Any]) -> str | None:
    """S3's own SHA-256 of an object, in hexadecimal; None if there is none, or only a digest of its parts' digests."""
    if head.get("ChecksumType") != "FULL_OBJECT" or "ChecksumSHA256" not in head:
        return None
    return base64.b64decode(head["ChecksumSHA256"]).hex()

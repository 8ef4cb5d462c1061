"""Adapter: evidence in an S3 bucket, below a prefix."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError  # type: ignore[import-untyped]

from reports import faults
from reports.errors import InvalidEvidence
from reports.evidence import EvidenceObject, Located, is_name, locate

AT_ONCE = 10  # as many connections as botocore keeps
CHUNK = 2**20
COLD = frozenset({"GLACIER", "DEEP_ARCHIVE"})  # what Athena passes over without a word
MISSING = frozenset({"404", "NoSuchKey", "NoSuchVersion"})
CHANGED = frozenset({"412", "PreconditionFailed"})


@dataclass(frozen=True, slots=True)
class S3Evidence:
    """Evidence in a bucket, below a prefix that is empty or ends with `/`; it is read, never written to.

    Permissions: `s3:ListBucket` on the bucket, `s3:GetObject` and `s3:GetObjectVersion` on its objects below the
    prefix, `kms:Decrypt` on the key that encrypts them, if any.
    """

    client: Any
    bucket: str
    prefix: str = ""

    def list(self) -> tuple[Located, ...]:
        """Every evidence object, in the order of the names, as of now; `state` is its entity tag.

        Raises `InvalidEvidence` where neither layout is present, and for what is in its place but cannot be read.
        """
        with self._translated():
            found = tuple(sorted(o for o in map(self._located, self._listed()) if o))
        if not found:
            raise InvalidEvidence(
                f"s3://{self.bucket}/{self.prefix}: neither layout is present: expected "
                "detections/event_day=YYYY-MM-DD/* or ext/<source>/region=…/accountId=…/eventDay=YYYYMMDD/*"
            )
        return found

    def pin(self, objects: Iterable[Located]) -> tuple[EvidenceObject, ...]:
        """Digest objects as they are now, in the order given, several at once.

        The digest is S3's own, which it checked on arrival, where it covers the whole object; otherwise that version
        of the object is read. `version` is None where the bucket keeps none.
        """
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return tuple(pool.map(self._pin, objects))

    def names(self) -> tuple[str, ...]:
        """The name of every object of either layout's folder, whether or not it is evidence."""
        with self._translated():
            return tuple(sorted(listed["Key"].removeprefix(self.prefix) for listed in self._listed()))

    def named(self, names: Iterable[str]) -> tuple[EvidenceObject, ...]:
        """Digest the objects of some names, whatever else the bucket holds; those that are not there are left out."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return tuple(o for o in pool.map(self._digested, filter(is_name, names)) if o)

    def fetch(self, objects: Iterable[EvidenceObject], folder: Path) -> None:
        """Copy objects into a folder under their names, in the versions that were pinned, several at once.

        Raises `InvalidEvidence` for a version that is no longer there, and for a name that no object can have.
        """
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for _ in pool.map(lambda each: self._fetch(each, folder), objects):
                pass

    def text(self, name: str) -> str | None:
        """A settings file beside the objects, or None where there is none."""
        with self._translated():
            try:
                content: bytes = self._get(name)["Body"].read()
            except ClientError as error:
                if faults.code(error) == "NoSuchKey":
                    return None
                raise
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise InvalidEvidence(f"{name}: cannot be read as UTF-8 text: {error}") from None

    def _translated(self, name: str = "") -> Any:
        return faults.translated(f"bucket {self.bucket}{name and f': {name}'}")

    def _listed(self) -> Iterator[Mapping[str, Any]]:
        pages = self.client.get_paginator("list_objects_v2")
        for top in ("detections/", "ext/"):
            for page in pages.paginate(Bucket=self.bucket, Prefix=f"{self.prefix}{top}"):
                yield from page.get("Contents", ())

    def _located(self, listed: Mapping[str, Any]) -> Located | None:
        name = listed["Key"].removeprefix(self.prefix)
        located = locate(name, listed["Size"])
        if located is None:
            return None
        if listed.get("StorageClass") in COLD:
            raise InvalidEvidence(f"{name}: is in cold storage: restore it as a copy, or take it away")
        return Located(name, located.layout, located.day, located.format, located.size, listed["ETag"])

    def _pin(self, located: Located) -> EvidenceObject:
        found = self._digested(located.name)
        if found is None:
            raise InvalidEvidence(f"{located.name}: cannot be read: it is no longer there")
        return found

    def _digested(self, name: str) -> EvidenceObject | None:
        """An object as it is now; None where there is none."""
        with self._translated(name):
            try:
                head = self.client.head_object(
                    Bucket=self.bucket, Key=self.prefix + name, ChecksumMode="ENABLED"
                )
                version = head.get("VersionId")
                digest = _whole(head) or self._read(name, version, head["ETag"])
            except ClientError as error:
                if faults.code(error) in MISSING:
                    return None
                if faults.code(error) in CHANGED:
                    raise InvalidEvidence(
                        f"{name}: changed while it was read: wait until it is delivered"
                    ) from None
                raise
        return EvidenceObject(name, digest, head["ContentLength"], None if version == "null" else version)

    def _fetch(self, pinned: EvidenceObject, folder: Path) -> None:
        place = folder / pinned.name
        if ".." in place.parts or locate(pinned.name, pinned.size) is None:
            raise InvalidEvidence(f"{pinned.name}: is not the name of an evidence object")
        place.parent.mkdir(parents=True, exist_ok=True)
        with self._translated(pinned.name), place.open("xb") as file:
            file.writelines(self._body(pinned).iter_chunks(CHUNK))

    def _body(self, pinned: EvidenceObject) -> Any:
        try:
            return self._get(pinned.name, **({"VersionId": pinned.version} if pinned.version else {}))["Body"]
        except ClientError as error:
            if faults.code(error) in MISSING:
                raise InvalidEvidence(f"{pinned.name}: cannot be read: it is no longer there") from None
            raise

    def _read(self, name: str, version: str | None, tag: str) -> str:
        body = self._get(name, IfMatch=tag, **({"VersionId": version} if version else {}))["Body"]
        digest = hashlib.sha256()
        for chunk in body.iter_chunks(CHUNK):
            digest.update(chunk)
        return digest.hexdigest()

    def _get(self, name: str, **how: Any) -> Any:
        return self.client.get_object(Bucket=self.bucket, Key=self.prefix + name, **how)


def _whole(head: Mapping[str, Any]) -> str | None:
    """S3's own SHA-256 of an object, in hexadecimal; None where it has none, or one of its parts' digests."""
    if head.get("ChecksumType") != "FULL_OBJECT" or "ChecksumSHA256" not in head:
        return None
    return base64.b64decode(head["ChecksumSHA256"]).hex()

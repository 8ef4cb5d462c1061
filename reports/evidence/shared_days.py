"""What a `DayStore` holds, in a bucket: one closes days there, and others add them up.

The list of days is one object, the files of cells are others, under their digests. Nobody has to believe any of it: the
list has a digest a row, a file is checked when it is fetched, and what is missing or damaged counts as absent.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError  # type: ignore[import-untyped]

from reports.core import aws_errors
from reports.core.errors import Changed
from reports.evidence.cache_folder import digest_of
from reports.evidence.day_store import LIST, TABLES, DayStore
from reports.evidence.source_s3 import AT_ONCE, CHANGED, CHUNK, MISSING

CELLS = "cells/"
TAKEN = CHANGED | MISSING | {"409", "ConditionalRequestConflict"}


@dataclass(frozen=True, slots=True)
class SharedDays(DayStore):
    """A copy in a folder of the days that a bucket has, below a prefix that is empty or ends with `/`.

    Their files are fetched when they are needed.

    Permissions: `s3:GetObject` on the bucket's objects, and `s3:ListBucket` on the bucket, without which S3 does not
    tell what is missing from what is denied; to `push`, `s3:PutObject` too. `kms:Decrypt` and `kms:GenerateDataKey` on
    the key that encrypts them.
    """

    client: Any
    bucket: str
    prefix: str = ""
    _pulled: dict[str, str] = field(default_factory=dict, init=False, repr=False, compare=False)
    _listed: list[dict[str, str]] = field(default_factory=list, init=False, repr=False, compare=False)
    _known: dict[str, str] = field(default_factory=dict, init=False, repr=False, compare=False)

    def pull(self) -> None:
        """Fetch the list of days, if there is one; one that is damaged is as good as none.

        Raises `Unavailable` and `InvalidSettings` as S3 answers.
        """
        place = self.folder / LIST
        with aws_errors.translated(f"bucket {self.bucket}"):
            tag = self._get(LIST, place)
        if tag:
            self._pulled.update(tag=tag, digest=digest_of(place))
            if self._is_sound():
                self._known.update(self.tags())
            else:
                place.unlink(missing_ok=True)

    def _is_sound(self) -> bool:
        try:
            with self._database() as database:
                whole = database.execute("pragma integrity_check(1)").fetchone() == ("ok",)
                return whole and _schema(database) == _own_schema()
        except sqlite3.Error:
            return False

    def are_whole(self, files: Iterable[str]) -> bool:
        """As `DayStore.are_whole`, of files that are here or in the bucket."""
        wanted = set(files)
        with aws_errors.translated(f"bucket {self.bucket}"), ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(self._fetch, (each for each in wanted if not self.file(each).exists())))
        return DayStore.are_whole(self, wanted)

    def are_kept(self, files: Iterable[str]) -> bool:
        """As `DayStore.are_kept`: a file of the bucket counts if it was whole when it was put there or last looked at.

        Its entity tag tells, as the bucket was first listed. What others put under its name is fetched, and does not
        count unless it is whole: it is made again, and takes the place of the other.
        """
        with aws_errors.translated(f"bucket {self.bucket}"):
            return all(self._is_there(each) or DayStore.are_whole(self, [each]) for each in files)

    def push(self) -> None:
        """Put into the bucket what is here and not there, the list last. What no day has any more is left there.

        Raises `Changed` if another process has put its list there since `pull`.
        """
        place = self.folder / LIST
        if not place.exists() or (
            digest_of(place) == self._pulled.get("digest") and self._known == self.tags()
        ):
            return
        used = self.used()
        with aws_errors.translated(f"bucket {self.bucket}"), ThreadPoolExecutor(AT_ONCE) as pool:
            new = [
                each
                for each in used
                if self._tag(each) != self._known.get(each, "") and self.file(each).exists()
            ]
            self._known.update(zip(new, pool.map(self._put_file, new), strict=True))
            self.keep_tags({each: tag for each, tag in self._known.items() if each in used})
            self._put_list(place)

    def remove_unused(self) -> int:
        """Delete the files of the bucket that no day and no index has; returns how many.

        That takes `s3:DeleteObject` on the bucket's objects too, which no function has. Where the bucket keeps
        versions, they stay.
        """
        self._listed.clear()
        with aws_errors.translated(f"bucket {self.bucket}"), ThreadPoolExecutor(AT_ONCE) as pool:
            unused = sorted(self._tags().keys() - self.used())
            list(pool.map(self._delete, unused))
        return len(unused)

    def _delete(self, digest: str) -> None:
        self.client.delete_object(Bucket=self.bucket, Key=self._key(CELLS + digest))

    def _is_there(self, digest: str) -> bool:
        tag = self._tag(digest)
        if tag and tag != self._known.get(digest):
            self._known.pop(digest, None)
            if whole := self._fetch(digest):
                self._known[digest] = whole
        return bool(tag) and digest in self._known

    def _tag(self, digest: str) -> str | None:
        return self._tags().get(digest)

    def _tags(self) -> dict[str, str]:
        """The entity tags of the bucket's files of cells, by their digests, as the bucket was first listed."""
        if not self._listed:
            pages = self.client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=self._key(CELLS)
            )
            each = (each for page in pages for each in page.get("Contents", ()))
            self._listed.append({o["Key"].removeprefix(self._key(CELLS)): o["ETag"] for o in each})
        return self._listed[0]

    def _fetch(self, digest: str) -> str | None:
        """Fetch a file of cells, if it is there and is what its name says; returns its entity tag then."""
        fetched = self.cells / f"{digest}.new"
        self.cells.mkdir(mode=0o700, exist_ok=True)
        tag = self._get(CELLS + digest, fetched)
        if tag is None:
            return None
        if digest_of(fetched) != digest:
            fetched.unlink()
            return None
        fetched.replace(self.file(digest))
        return tag

    def _get(self, key: str, place: Path) -> str | None:
        """Copy an object to a file; returns its entity tag, or None if there is none."""
        try:
            found = self.client.get_object(Bucket=self.bucket, Key=self._key(key))
        except ClientError as error:
            if aws_errors.code(error) in MISSING:
                return None
            raise
        with place.open("wb") as file:
            file.writelines(found["Body"].iter_chunks(CHUNK))
        return str(found["ETag"])

    def _key(self, name: str) -> str:
        return self.prefix + name

    def _put(self, name: str, place: Path, **condition: str) -> str:
        """Put a file in the place of what is there; returns its entity tag."""
        with place.open("rb") as file:
            put = self.client.put_object(
                Bucket=self.bucket, Key=self._key(name), Body=file, ChecksumAlgorithm="SHA256", **condition
            )
        return str(put["ETag"])

    def _put_file(self, digest: str) -> str:
        return self._put(CELLS + digest, self.file(digest))

    def _put_list(self, place: Path) -> None:
        tag = self._pulled.get("tag")
        try:
            self._put(LIST, place, **({"IfMatch": tag} if tag else {"IfNoneMatch": "*"}))
        except ClientError as error:
            if aws_errors.code(error) in TAKEN:
                raise Changed("another process has closed days meanwhile: run again") from None
            raise


def _schema(database: sqlite3.Connection) -> list[tuple[str, ...]]:
    return database.execute("select type, name, sql from sqlite_master order by name").fetchall()


def _own_schema() -> list[tuple[str, ...]]:
    """That of a list that nothing was written to."""
    with closing(sqlite3.connect(":memory:")) as database:
        for table in TABLES:
            database.execute(table)
        return _schema(database)

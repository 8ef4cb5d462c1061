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
    """A copy in a folder of the days that a bucket has; their files are fetched when they are needed.

    Permissions: `s3:GetObject` on the bucket's objects, and `s3:ListBucket` on the bucket, without which S3 does not
    tell what is missing from what is denied; to `push`, `s3:PutObject` too. `kms:Decrypt` and `kms:GenerateDataKey` on
    the key that encrypts them.
    """

    client: Any
    bucket: str
    _pulled: dict[str, str] = field(default_factory=dict, init=False, repr=False, compare=False)
    _there: list[frozenset[str]] = field(default_factory=list, init=False, repr=False, compare=False)

    def pull(self) -> None:
        """Fetch the list of days, if there is one; one that is damaged is as good as none.

        Raises `Unavailable` and `InvalidSettings` as S3 answers.
        """
        place = self.folder / LIST
        with aws_errors.translated(f"bucket {self.bucket}"):
            tag = self._get(LIST, place)
        if tag:
            self._pulled.update(tag=tag, digest=digest_of(place))
            if not self._is_sound():
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
        self.cells.mkdir(mode=0o700, exist_ok=True)
        with aws_errors.translated(f"bucket {self.bucket}"), ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(self._fetch, (each for each in wanted if not self.file(each).exists())))
        return DayStore.are_whole(self, wanted)

    def are_kept(self, files: Iterable[str]) -> bool:
        """As `DayStore.are_kept`: a file of the bucket counts by its name, as the bucket was first listed."""
        if not self._there:
            with aws_errors.translated(f"bucket {self.bucket}"):
                self._there.append(self._names())
        return all(each in self._there[0] or DayStore.are_whole(self, [each]) for each in files)

    def push(self) -> None:
        """Put into the bucket what is here and not there, the list last. What no day has any more is left there.

        Raises `Changed` if another process has put its list there since `pull`.
        """
        place = self.folder / LIST
        if not place.exists() or digest_of(place) == self._pulled.get("digest"):
            return
        used = self.used()
        with aws_errors.translated(f"bucket {self.bucket}"), ThreadPoolExecutor(AT_ONCE) as pool:
            there = self._names()
            new = [each for each in used if each not in there and self.file(each).exists()]
            list(pool.map(lambda each: self._put(CELLS + each, self.file(each)), new))
            self._put_list(place)

    def _names(self) -> frozenset[str]:
        """The digests of the bucket's files of cells."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=CELLS)
        return frozenset(
            each["Key"].removeprefix(CELLS) for page in pages for each in page.get("Contents", ())
        )

    def _fetch(self, digest: str) -> None:
        """Fetch a file of cells, if it is there and is what its name says."""
        fetched = self.cells / f"{digest}.new"
        if self._get(CELLS + digest, fetched):
            if digest_of(fetched) == digest:
                fetched.replace(self.file(digest))
            else:
                fetched.unlink()

    def _get(self, key: str, place: Path) -> str | None:
        """Copy an object to a file; returns its entity tag, or None if there is none."""
        try:
            found = self.client.get_object(Bucket=self.bucket, Key=key)
        except ClientError as error:
            if aws_errors.code(error) in MISSING:
                return None
            raise
        with place.open("wb") as file:
            file.writelines(found["Body"].iter_chunks(CHUNK))
        return str(found["ETag"])

    def _put(self, key: str, place: Path, **condition: str) -> None:
        with place.open("rb") as file:
            self.client.put_object(
                Bucket=self.bucket, Key=key, Body=file, ChecksumAlgorithm="SHA256", **condition
            )

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

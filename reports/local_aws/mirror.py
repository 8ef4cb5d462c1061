"""A folder that follows a bucket: what DuckDB reads in the place of S3."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from reports.evidence.source_s3 import S3Evidence
from reports.local_aws.athena import over_folder


@dataclass
class Mirror:
    """The evidence objects of a bucket as files of a folder, as they are when a statement begins."""

    s3: Any
    bucket: str
    folder: Path
    _tags: dict[str, str] = field(default_factory=dict)
    _one: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def relations(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """The tables over the folder, brought up to date; raises `InvalidEvidence` as `S3Evidence.list` does."""
        with self._one:
            self._follow()
        with over_folder(self.folder)() as con:
            yield con

    def size(self) -> int:
        """The bytes of all of them: nothing is left out, as a partition is on AWS."""
        return sum((self.folder / name).stat().st_size for name in self._tags)

    def _follow(self) -> None:
        there = {each.name: each.state for each in S3Evidence(self.s3, self.bucket).list()}
        for name in self._tags.keys() - there.keys():
            self._drop(name)
            del self._tags[name]
        for name, tag in there.items():
            if self._tags.get(name) != tag:
                self._fetch(name)
                self._tags[name] = tag

    def _drop(self, name: str) -> None:
        """Remove a file, and the folders that are empty then: a bucket has none."""
        file = self.folder / name
        file.unlink()
        for parent in file.relative_to(self.folder).parents[:-1]:
            if not any((self.folder / parent).iterdir()):
                (self.folder / parent).rmdir()

    def _fetch(self, name: str) -> None:
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(self.s3.get_object(Bucket=self.bucket, Key=name)["Body"].read())

"""The reader's parts: evidence in a folder or in S3, read with DuckDB or Athena."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from reports.core.errors import Unavailable
from reports.evidence.source import FolderEvidence
from reports.evidence.spill import temporary
from reports.pages.assets import Resources
from reports.pages.read_settings import read_settings
from reports.verification.evidence_comparison import held
from reports.verification.record import Record
from reports.verification.reproduce import Inputs

if TYPE_CHECKING:
    from reports.evidence.source_s3 import S3Evidence

PATIENCE = 1800.0  # seconds that Athena may take


@dataclass(frozen=True, slots=True)
class InFolder:
    """Evidence in a folder, which DuckDB reads where it lies."""

    source: FolderEvidence
    resources: Resources
    pseudonym_key: bytes | None

    @contextmanager
    def means(self, record: Record) -> Iterator[Inputs]:
        """Means that see the recorded objects alone."""
        yield _embedded(self.source.root, record, self)


@dataclass(frozen=True, slots=True)
class InBucket:
    """Evidence in S3. DuckDB reads copies of the recorded versions, which are kept for as long as they are needed."""

    source: S3Evidence
    resources: Resources
    pseudonym_key: bytes | None

    @contextmanager
    def means(self, record: Record) -> Iterator[Inputs]:
        """Means that see the recorded versions alone, even where others have taken their place."""
        with ExitStack() as stack:
            with temporary():
                folder = Path(stack.enter_context(TemporaryDirectory(prefix="exhibit-")))
                self.source.fetch(record.objects.values(), folder)
            yield _embedded(folder, record, self)


@dataclass(frozen=True, slots=True)
class InAthena:
    """Evidence in S3 that the tables of a database show. Athena reads what is there now: nothing else may be."""

    source: S3Evidence
    resources: Resources
    pseudonym_key: bytes | None
    client: Any
    workgroup: str
    database: str

    @contextmanager
    def means(self, record: Record) -> Iterator[Inputs]:
        """Means that see all that is there; raises `Unavailable` if that is not what is recorded."""
        from reports.evidence.engine_athena import AthenaEngine  # noqa: PLC0415 -- loads botocore

        found = held(record, self.source).verdict
        if found.outcome != "valid":
            raise Unavailable(
                f"Athena reads the current evidence, which differs from the recorded evidence: {found.detail}"
            )
        end = time.monotonic() + PATIENCE
        engine = AthenaEngine(
            self.client,
            self.workgroup,
            self.database,
            self.source,
            token=uuid4().hex,
            deadline=lambda: end - time.monotonic(),
        )
        try:
            yield Inputs(
                engine,
                self.source,
                read_settings(self.source, self.resources),
                self.resources,
                self.pseudonym_key,
            )
        finally:
            engine.stop(tuple(engine.running))


def _embedded(folder: Path, record: Record, reader: InFolder | InBucket) -> Inputs:
    from reports.evidence.engine_duckdb import DuckDBEngine  # noqa: PLC0415 -- loads DuckDB

    source = FolderEvidence(folder, only=record.objects.keys())
    settings = read_settings(reader.source, reader.resources)
    return Inputs(DuckDBEngine(source), source, settings, reader.resources, reader.pseudonym_key)

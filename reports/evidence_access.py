"""Evidence where it lies, a folder or S3, and what reads it: DuckDB, Athena, or a Trino of one's own."""

from __future__ import annotations

import os
import re
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

from reports.core.aws_clients import REGIONAL, client
from reports.core.errors import Changed, InvalidEvidence, InvalidRequest, InvalidSettings, Unavailable
from reports.core.progress import Done
from reports.evidence.cache_folder import cache
from reports.evidence.questions import Answer, QueryEngine, Question, Unlisted
from reports.evidence.source import EvidenceSource, FolderEvidence, Place, in_s3
from reports.evidence.spill import temporary
from reports.pages.assets import Resources
from reports.pages.read_settings import read_settings
from reports.verification.evidence_comparison import NO_TABLE, held
from reports.verification.record import Record
from reports.verification.reproduce import Inputs

if TYPE_CHECKING:
    from reports.evidence.cache import CachedEngine
    from reports.evidence.closed_days import ClosedDays, Closing
    from reports.evidence.engine_athena import AthenaEngine
    from reports.evidence.engine_tables import Shown
    from reports.evidence.engine_trino import TrinoEngine
    from reports.evidence.shared_days import SharedDays
    from reports.evidence.source_s3 import S3Evidence
    from reports.evidence.source_table import TableEvidence

    Over = Callable[[Shown], AthenaEngine | TrinoEngine]

PATIENCE = 1800.0  # seconds that Athena may take
MOST_COPIED = 2**30  # bytes that are copied to tell a row
PASSWORD, TOKEN = "TRINO_PASSWORD", "TRINO_ACCESS_TOKEN"
HTTPS = "443"
_NAME = r"[A-Za-z0-9._-]+"
_ATHENA = re.compile(rf"athena://({_NAME})/({_NAME})")
_TRINO = re.compile(
    rf"trino://(?P<user>[^@:/\s]+)@(?P<host>{_NAME}|\[[0-9A-Fa-f:]+\]):(?P<port>[0-9]{{1,5}})"
    rf"/(?P<catalog>{_NAME})/(?P<schema>{_NAME})"
)


@dataclass(frozen=True, slots=True)
class InFolder:
    """Evidence in a folder, which DuckDB reads where it lies."""

    source: FolderEvidence
    resources: Resources
    pseudonym_key: bytes | None

    @contextmanager
    def means(self, record: Record) -> Iterator[Inputs]:
        """Means that see the recorded objects alone; raises `Unavailable` for a table's, whose rows they are not."""
        _check_no_table(record)
        yield _embedded(self.source.root, record, self)


@dataclass(frozen=True, slots=True)
class InBucket:
    """Evidence in S3. DuckDB reads copies of the recorded versions, which are kept for as long as they are needed."""

    source: S3Evidence
    resources: Resources
    pseudonym_key: bytes | None

    @contextmanager
    def means(self, record: Record) -> Iterator[Inputs]:
        """Means that see the recorded versions alone, even where others have taken their place.

        Raises `Unavailable` for those of a table.
        """
        _check_no_table(record)
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
        _check_no_table(record)
        found = held(record, self.source).verdict
        if found.outcome != "valid":
            raise Unavailable(
                f"Athena reads the current evidence, which differs from the recorded evidence: {found.detail}"
            )
        from reports.evidence.engine_tables import Tables  # noqa: PLC0415 -- loads DuckDB

        with _stopped(_athena(self.client, self.workgroup, self.database)) as over:
            yield Inputs(
                over(Tables.over(self.source)),
                self.source,
                read_settings(self.source, self.resources),
                self.resources,
                self.pseudonym_key,
            )


@dataclass(frozen=True, slots=True)
class InTable:
    """Evidence in a table or view of the issuer's own; `over` makes what reads it."""

    source: TableEvidence
    over: Over
    resources: Resources
    pseudonym_key: bytes | None

    @contextmanager
    def means(self, record: Record) -> Iterator[Inputs]:
        """Means that see the recorded snapshot; raises `Unavailable` if the table is not the one that is recorded."""
        recorded = record.statement.predicate.table
        if recorded is None:
            raise Unavailable(NO_TABLE)
        source = self.source.as_recorded(recorded.name, recorded.snapshot, record.objects)
        if source.table.recorded != recorded.model_dump():
            raise Unavailable(
                f"table {source.told} is not as it is recorded: its definition differs, or another engine gives it in "
                "other words"
            )
        from reports.evidence.source_table import OwnTables  # noqa: PLC0415 -- loads botocore

        settings = read_settings(source, self.resources)
        with _stopped(self.over) as over:
            engine = over(OwnTables(source))
            yield Inputs(engine, source, settings, self.resources, self.pseudonym_key)


def _check_no_table(record: Record) -> None:
    if table := record.statement.predicate.table:
        raise Unavailable(
            f"its figures come from table {table.name!a}: give --engine and --table to ask it again"
        )


def _athena(client: Any, workgroup: str, database: str) -> Over:
    """What makes engines over the tables of a database in Athena."""
    from reports.evidence.engine_athena import AthenaEngine  # noqa: PLC0415 -- loads botocore

    end = time.monotonic() + PATIENCE

    def over(tables: Shown) -> AthenaEngine:
        return AthenaEngine(
            client,
            workgroup,
            database,
            tables,
            token=uuid4().hex,
            deadline=lambda: end - time.monotonic(),
        )

    return over


@contextmanager
def _stopped(over: Over) -> Iterator[Over]:
    """The same, where what its engines still run at the end is cancelled."""
    made: list[AthenaEngine | TrinoEngine] = []

    def noted(tables: Shown) -> AthenaEngine | TrinoEngine:
        made.append(over(tables))
        return made[-1]

    try:
        yield noted
    finally:
        for engine in made:
            engine.stop(tuple(engine.running))


@contextmanager
def opened(place: str, engine: str, table: str | None = None) -> Iterator[tuple[QueryEngine, EvidenceSource]]:
    """Evidence as `publish` is told it, and what answers the questions about it.

    `place` is a folder or `s3://BUCKET/PREFIX/`; `engine` is `duckdb`, `athena://WORKGROUP/DATABASE` or
    `trino://USER@HOST:PORT/CATALOG/SCHEMA`; `table` is a table or view of one's own there. Raises `InvalidRequest` for
    what does not fit.
    """
    if table is not None:
        from reports.evidence.source_table import OwnTables  # noqa: PLC0415 -- loads botocore

        own, made_by = in_table(place, engine, table)
        with _stopped(made_by) as over:
            yield over(OwnTables(own)), own
        return
    if not place.startswith("s3://") and engine != "duckdb":
        raise InvalidRequest(f"--engine {engine} needs evidence in S3: write --evidence s3://BUCKET/PREFIX/")
    over_tables = _ATHENA.fullmatch(engine) or _TRINO.fullmatch(engine)
    if engine != "duckdb" and not over_tables:
        raise InvalidRequest(
            "--engine is not one that is known: write duckdb, athena://WORKGROUP/DATABASE or "
            "trino://USER@HOST:PORT/CATALOG/SCHEMA"
        )
    if over_tables is None:
        with days_of(place, ahead=False) as days:
            yield days, days.source
        return
    from reports.evidence.cache import CachedEngine, CachedEvidence  # noqa: PLC0415 -- loads botocore
    from reports.evidence.engine_tables import Tables  # noqa: PLC0415
    from reports.evidence.source_s3 import S3Evidence  # noqa: PLC0415

    source = S3Evidence(client("s3"), *in_s3("--evidence", place))
    with cache() as kept, _stopped(_over(over_tables)) as over:
        tables = Tables.over(source)
        asked = over(tables)
        explaining = Explaining(asked, CachedEngine(CachedEvidence(source, kept)))
        if over_tables.re is _ATHENA:
            yield explaining, source
            return
        from reports.evidence.closing_trino import ClosingOnTrino  # noqa: PLC0415 -- loads trino

        days = _closing(
            explaining, ClosingOnTrino(cast("TrinoEngine", asked), tables), source, kept, ahead=False
        )
        yield days, days.source


def in_table(place: str, engine: str, name: str) -> tuple[TableEvidence, Over]:
    """A table or view of one's own, and what makes an engine over it; raises as `opened` does."""
    over_tables = _ATHENA.fullmatch(engine) or _TRINO.fullmatch(engine)
    if over_tables is None or not place.startswith("s3://"):
        raise InvalidRequest(
            "--table needs what reads it, and the bucket of its objects: write --engine athena://WORKGROUP/DATABASE or "
            "trino://USER@HOST:PORT/CATALOG/SCHEMA, and --evidence s3://BUCKET/PREFIX/"
        )
    from reports.evidence.source_s3 import S3Evidence  # noqa: PLC0415 -- loads botocore
    from reports.evidence.source_table import opened as table_opened  # noqa: PLC0415
    from reports.evidence.table_types import NAME  # noqa: PLC0415

    if not NAME.fullmatch(name):
        raise InvalidRequest(
            f"--table {name!r}: is not the name of a table in that database: small letters, digits and _, as "
            "information_schema.tables has it"
        )
    files = S3Evidence(client("s3"), *in_s3("--evidence", place))
    database = over_tables["schema"] if over_tables.re is _TRINO else over_tables[2]
    over = _over(over_tables)
    source, _ = table_opened(files, database, name, over)
    return source, over


@contextmanager
def days_of(place: str, *, ahead: bool) -> Iterator[ClosedDays]:
    """Evidence whose days DuckDB closes: `ahead`, or else only where there is much, or some are closed already."""
    if not place.startswith("s3://"):
        from reports.evidence.engine_duckdb import DuckDBEngine  # noqa: PLC0415 -- loads DuckDB

        folder = FolderEvidence(Path(place))
        with cache(lasting=True) if ahead else _kept() as kept:
            engine = DuckDBEngine(folder)
            yield _closing(engine, engine, folder, kept, ahead)
        return
    from reports.evidence.cache import CachedEngine, CachedEvidence  # noqa: PLC0415 -- loads botocore
    from reports.evidence.source_s3 import S3Evidence  # noqa: PLC0415

    source = S3Evidence(client("s3"), *in_s3("--evidence", place))
    with cache(lasting=ahead) as copies:
        cached = CachedEvidence(source, copies)
        copied = CachedEngine(cached)
        yield _closing(copied, copied, cached, copies, ahead)


@contextmanager
def shared_days(cells: str) -> Iterator[SharedDays]:
    """The days that a stack has closed, in its bucket, with a temporary folder for what is fetched of them.

    `cells` is `s3://BUCKET` or `s3://BUCKET/PREFIX`. The client is that of the bucket's region, as the functions have
    it: it is part of what tells one place of evidence from others.
    """
    from reports.core.aws_errors import translated  # noqa: PLC0415 -- loads botocore
    from reports.evidence.shared_days import SharedDays  # noqa: PLC0415

    bucket, prefix = in_s3("--cells", cells)
    with translated(f"bucket {bucket}"):
        found = client("s3").head_bucket(Bucket=bucket)["ResponseMetadata"]["HTTPHeaders"]
    here = {"region_name": found["x-amz-bucket-region"]} if "x-amz-bucket-region" in found else {}
    with temporary():
        folder = TemporaryDirectory(prefix="exhibit-")
    with folder:
        store = SharedDays(Path(folder.name), client("s3", **REGIONAL, **here), bucket, prefix)
        store.pull()
        yield store


@contextmanager
def days_in(cells: str, place: str) -> Iterator[tuple[ClosedDays, SharedDays]]:
    """Evidence in S3 whose days lie in a stack's bucket; what is closed is in that bucket once it is pushed."""
    from reports.evidence.cache import CachedEngine, CachedEvidence, PassingCopies  # noqa: PLC0415 -- loads botocore
    from reports.evidence.closed_days import ClosedDays, DayCloser, Remembering  # noqa: PLC0415 -- loads DuckDB
    from reports.evidence.source_s3 import S3Evidence  # noqa: PLC0415

    if not place.startswith("s3://"):
        raise InvalidRequest("--cells needs evidence in S3: write --evidence s3://BUCKET/PREFIX/")
    with shared_days(cells) as store:
        source = S3Evidence(store.client, *in_s3("--evidence", place))
        closer = DayCloser(Remembering(source, store, 0), PassingCopies(source))
        yield ClosedDays(CachedEngine(CachedEvidence(source, store.folder)), closer), store


def _closing(engine: QueryEngine, closing: Closing, source: Place, kept: Path, ahead: bool) -> ClosedDays:
    """An engine, and what keeps in a folder what need not be learnt again."""
    from reports.evidence.closed_days import MUCH, ClosedDays, DayCloser, Remembering  # noqa: PLC0415 -- loads DuckDB
    from reports.evidence.day_store import DayStore  # noqa: PLC0415

    store = DayStore(kept)
    with suppress(OSError, sqlite3.Error):
        ahead = ahead or store.has_days(source.place)
    return ClosedDays(engine, DayCloser(Remembering(source, store, 0 if ahead else MUCH), closing))


@contextmanager
def _kept() -> Iterator[Path]:
    """The user's folder for what is kept of evidence; a temporary one where it cannot be used."""
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(cache())
        except InvalidSettings:
            with temporary():
                folder = Path(stack.enter_context(TemporaryDirectory(prefix="exhibit-")))
        yield folder


def _over(place: re.Match[str]) -> Over:
    """What makes engines where a place names."""
    if place.re is _ATHENA:
        return _athena(client("athena"), place[1], place[2])
    return _trino(place)


def _trino(place: re.Match[str]) -> Over:
    user, host, port, catalog, schema = place.groups()
    try:
        from trino import auth, dbapi  # noqa: PLC0415
    except ImportError:
        raise InvalidSettings(
            "--engine trino:// needs PyPI's trino: install the extra trino of Exhibit"
        ) from None
    from reports.evidence.engine_trino import TrinoEngine  # noqa: PLC0415

    proof: Any = None
    if token := os.environ.get(TOKEN):
        proof = auth.JWTAuthentication(token)
    elif password := os.environ.get(PASSWORD):
        proof = auth.BasicAuthentication(user, password)

    def connect() -> Any:
        return dbapi.connect(  # type: ignore[no-untyped-call]
            host=host,
            port=int(port),
            user=user,
            catalog=catalog,
            schema=schema,
            source="exhibit",
            http_scheme="https" if proof or port == HTTPS else "http",
            auth=proof,
        )

    return lambda tables: TrinoEngine(connect, f"{host}:{port}", tables)


@dataclass(frozen=True, slots=True)
class Explaining:
    """An engine over tables whose refusals DuckDB explains: it reads copies of the objects, and tells the row."""

    engine: QueryEngine
    copies: CachedEngine

    def ask(self, question: Question, progress: Done) -> Answer:
        """As the engine; raises what DuckDB says of evidence that the engine refuses, if it refuses it as well."""
        try:
            return self.engine.ask(question, progress)
        except (Changed, Unlisted):
            raise
        except InvalidEvidence:
            size = sum(o.size for o in self.copies.source.list() if question.reads(o))
            if size <= MOST_COPIED:
                self.copies.ask(question, lambda *_: None)
            raise

    def stop(self, executions: Iterable[str]) -> None:
        """As the engine."""
        self.engine.stop(executions)


def _embedded(folder: Path, record: Record, reader: InFolder | InBucket) -> Inputs:
    from reports.evidence.engine_duckdb import DuckDBEngine  # noqa: PLC0415 -- loads DuckDB

    source = FolderEvidence(folder, only=record.objects.keys())
    settings = read_settings(reader.source, reader.resources)
    return Inputs(DuckDBEngine(source), source, settings, reader.resources, reader.pseudonym_key)

"""The publisher of the deployed system: makes the briefing for a request with Athena, S3 and KMS.

Imports are within functions so that a delivery that only ends a request does not load what makes briefings.
"""

# ruff: noqa: PLC0415

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from reports.core.errors import ExhibitError, InvalidEvidence, InvalidSettings, Unavailable
from reports.service.requests import StoredRequest

if TYPE_CHECKING:
    from reports.archive.archive import Receipt
    from reports.core.progress import Progress
    from reports.evidence.closed_days import ClosedDays
    from reports.evidence.engine_athena import AthenaEngine
    from reports.evidence.engine_tables import Shown
    from reports.evidence.questions import Answer, Inquiry, QueryEngine, Question
    from reports.evidence.source import EvidenceSource
    from reports.evidence.source_s3 import S3Evidence
    from reports.pages.assets import Resources
    from reports.pipeline import PublishingParts, Signing
    from reports.service.parts import Deployed

MOST_COPIED = 200_000_000  # bytes of evidence, which fit in a function's temporary folder
MOST_CLOSED = 2_000_000_000  # bytes of evidence of days that are not closed yet
LEAST_TIME = 60.0  # seconds for copying and querying


@dataclass(slots=True)
class AthenaPress:
    """Makes briefings with Athena, S3 and KMS. `scanned` counts the bytes that its queries have read.

    `without_days` is why Athena answered what the closed days could not, if a service refused or failed.

    `deadline` gives the seconds that are left for waiting on queries.

    Settings are read anew for each briefing, so that an operator's change needs no deployment.

    Permissions: those of `AthenaEngine`, `S3Evidence`, `SharedDays`, `S3Store`, `KmsKey` and `pseudonym_key`;
    `s3:ListBucket` on the bucket of the settings and `s3:GetObject` on its objects.
    """

    parts: Deployed
    deadline: Callable[[], float]
    progress: Progress
    scanned: int = field(default=0, init=False)
    without_days: ExhibitError | None = field(default=None, init=False)
    _asking: AthenaEngine | None = field(default=None, init=False)

    def publish(self, request: StoredRequest) -> Receipt:
        """Publish as `Press` says; raises `Shortened` if the register lacks what was in it."""
        from reports import pipeline
        from reports.archive.archive import restore_last_receipt

        self.parts.heads.check(self.parts.briefings)
        asked = pipeline.BriefingRequest(
            request.window, request.audience, request.instant, request.id, request.addressee
        )
        with TemporaryDirectory(prefix="exhibit-") as folder:
            house = self._house(request, Path(folder))
            try:
                receipt = pipeline.publish(asked, house, self._signing(), self.progress)
            except InvalidEvidence as error:
                raise self._placed(request, error) from None
        self.parts.heads.note(restore_last_receipt(self.parts.briefings))
        return receipt

    def published(self, request: StoredRequest) -> Receipt | None:
        """The receipt of the briefing, if it was published for this request."""
        from reports.archive.archive import published_for
        from reports.briefing.compose import report_number
        from reports.core.window import resolve

        window = resolve(request.window, request.instant)
        return published_for(self.parts.briefings, report_number(window, request.audience), request.id)

    @property
    def left_running(self) -> tuple[str, ...]:
        """The queries that `publish` left running."""
        return tuple(self._asking.running) if self._asking else ()

    def stop(self, request: StoredRequest, queries: Iterable[str]) -> None:
        """Stop queries that earlier deliveries of a request left running."""
        self._engine(request, self._source()).stop(queries)

    def _placed(self, request: StoredRequest, refused: InvalidEvidence) -> InvalidEvidence:
        """What is wrong with the evidence by object, row and column, which Athena does not say.

        Queries a copy of the window's objects, if they are few enough and there is time; otherwise, or if that finds
        nothing, or the evidence is a table of one's own, returns the error unchanged.
        """
        from reports.evidence.collect import collect
        from reports.evidence.engine_duckdb import DuckDBEngine
        from reports.evidence.source import FolderEvidence

        if self.parts.environment.evidence_table:
            return refused
        source, inquiry = self._source(), self._inquiry(request)
        try:
            listed = [o for o in source.list() if inquiry.reads(o)]
            if sum(o.size for o in listed) > MOST_COPIED or self.deadline() < LEAST_TIME:
                return refused
            with TemporaryDirectory(prefix="exhibit-") as copy:
                source.fetch(source.pin(listed), Path(copy))
                folder = FolderEvidence(Path(copy))
                collect(inquiry, DuckDBEngine(folder), folder, lambda *_: None)
        except InvalidEvidence as found:
            return found
        except ExhibitError:
            return refused
        return refused

    def _inquiry(self, request: StoredRequest) -> Inquiry:
        from reports.core.window import resolve
        from reports.evidence.questions import Inquiry

        window = resolve(request.window, request.instant)
        days = self.parts.environment.settling_days
        return Inquiry(window, request.instant, days, request.audience == "regulator")

    def _source(self) -> S3Evidence:
        return self.parts.evidence(self.deadline)

    def _engine(self, request: StoredRequest, source: S3Evidence) -> AthenaEngine:
        from reports.evidence.engine_tables import Tables

        return self._over(request, self.parts.environment.database, Tables.over(source))

    def _over(self, request: StoredRequest, database: str, tables: Shown) -> AthenaEngine:
        from reports.evidence.engine_athena import AthenaEngine

        return AthenaEngine(
            self.parts.client("athena"),
            self.parts.environment.workgroup,
            database,
            tables,
            token=request.id,
            deadline=self.deadline,
        )

    def _evidence(self, request: StoredRequest, folder: Path) -> tuple[QueryEngine, EvidenceSource]:
        """What answers questions, and what it answers them about; no day of the operator's own table is closed."""
        source = self._source()
        if self.parts.environment.evidence_table:
            from reports.evidence.source_table import opened

            database, _, name = self.parts.environment.evidence_table.partition(".")
            own, self._asking = opened(source, database, name, partial(self._over, request, database))
            return self._asking, own
        self._asking = self._engine(request, source)
        days = self._days(self._asking, source, folder)
        return (days, days.source) if days else (self._asking, source)

    def _house(self, request: StoredRequest, folder: Path) -> PublishingParts:
        from reports.briefing.settings import marked
        from reports.pages.read_settings import read_settings
        from reports.pipeline import PublishingParts

        engine, source = self._evidence(request, folder / "days")
        resources = self._resources(folder)
        settings = marked(read_settings(source, resources), None)
        return PublishingParts(
            engine=_Counted(engine, self),
            source=source,
            settings=settings,
            resources=resources,
            store=self.parts.briefings,
            pseudonym_key=self._pseudonym_key(),
            page_size=request.page_size,
            settling_days=self.parts.environment.settling_days,
        )

    def _days(self, engine: AthenaEngine, source: S3Evidence, folder: Path) -> ClosedDays | None:
        """What answers from days that were closed, and closes the few that are not; None if none can be had."""
        from reports.evidence.cache import PassingCopies
        from reports.evidence.closed_days import ClosedDays, DayCloser, Remembering

        folder.mkdir(mode=0o700)
        try:
            store = self.parts.days(folder)
            if not store.has_days(source.place):
                return None
        except (InvalidSettings, Unavailable) as error:
            self._tell(error)
            return None
        except (OSError, sqlite3.Error):  # there is no room, or what was kept is damaged
            return None
        closer = DayCloser(Remembering(source, store, 0), PassingCopies(source, MOST_CLOSED))
        return ClosedDays(engine, closer, self._tell)

    def _tell(self, error: ExhibitError) -> None:
        self.without_days = error

    def _resources(self, folder: Path) -> Resources:
        """Exhibit's templates, and before them those of the settings, copied into a folder."""
        from reports.pages.assets import TEMPLATES, Resources

        self.parts.check_settings()
        names = self.parts.settings.list("templates/")
        for name in names:
            self._copy(name, folder)
        return Resources((folder / "templates", TEMPLATES)) if names else Resources()

    def _copy(self, name: str, folder: Path) -> None:
        """Copy an object of the settings into a folder; what marks a folder is one there."""
        if {"", ".", ".."} & {*name.removesuffix("/").split("/")}:
            raise InvalidSettings(f"{name} of the settings is not a file name: remove it")
        place = folder / name
        try:
            (place if name.endswith("/") else place.parent).mkdir(parents=True, exist_ok=True)
            if not name.endswith("/"):
                place.write_bytes(self.parts.settings.get(name) or b"")
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            raise InvalidSettings(f"{name} of the settings is both a file and a folder: remove one") from None

    def _pseudonym_key(self) -> bytes:
        from reports.signing.keys_kms import pseudonym_key

        return pseudonym_key(self.parts.client("kms"), self.parts.environment.pseudonym_key)

    def _signing(self) -> Signing:
        from reports.pipeline import Signing
        from reports.signing.keys_kms import KmsKey

        parts, environment = self.parts, self.parts.environment
        key = KmsKey.open(parts.client("kms"), environment.signing_key, parts.chain(), datetime.now(UTC))
        trust = parts.trust()
        lists = parts.lists()
        return Signing(
            key,
            parts.timestamper(),
            trust=(*key.chain[-1:], *trust),
            crls=lambda _: lists,
            stranger=not trust,
        )


@dataclass(frozen=True, slots=True)
class _Counted:
    """A query engine that counts the bytes it scans."""

    engine: QueryEngine
    press: AthenaPress

    def ask(self, question: Question, progress: Callable[[int, int], None]) -> Answer:
        answer = self.engine.ask(question, progress)
        self.press.scanned += answer.bytes_scanned or 0
        return answer

    def stop(self, executions: Iterable[str]) -> None:
        self.engine.stop(executions)

"""The deployed system, put together: Athena over S3, a key in KMS, a bucket as the store. The second composition root.

Functions share it. What only some of them need, and takes long to load, is loaded where it is used: hence the imports
within functions.
"""

# ruff: noqa: PLC0415

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from datetime import UTC, datetime
from functools import cache, cached_property
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3  # type: ignore[import-untyped]
from botocore.config import Config  # type: ignore[import-untyped]

from reports import faults
from reports.errors import ExhibitError, InvalidSettings
from reports.requests import Request, Requests
from reports.store import Store
from reports.store_s3 import S3Store

if TYPE_CHECKING:
    from cryptography import x509

    from reports.archive import Receipt
    from reports.assets import Resources
    from reports.pipeline import House, Progress, Signing
    from reports.query import Answer, QueryEngine, Question
    from reports.schedules import Schedules

PREFIX = "EXHIBIT_"
CHAIN, TRUST = "chain.pem", "trust.pem"
PSEUDONYMS = b"exhibit: pseudonyms of accounts"
SERVED = (
    "briefing.json",
    "evidence.json",
)  # of the files inside a PDF, those that the API gives by themselves
MOST_SETTLING_DAYS = 366
LINK_SECONDS = 300
MOST_UPLOADED = 50 * 2**20  # bytes

_RETRIES: Mapping[str, Any] = {"mode": "standard", "total_max_attempts": 4}
_CONFIG: Mapping[str, Any] = {"retries": _RETRIES, "connect_timeout": 5, "read_timeout": 30}


@dataclass(frozen=True, slots=True)
class Environment:
    """The variables that `template.yaml` sets on every function: `EXHIBIT_` and the name of the field, in capitals."""

    archive_bucket: str
    evidence_bucket: str
    settings_bucket: str
    uploads_bucket: str
    workgroup: str
    database: str
    signing_key: str
    pseudonym_key: str
    timestamp_urls: tuple[str, ...]
    settling_days: int
    max_receives: int
    topic: str
    bus: str
    evidence_prefix: str = ""
    settings_prefix: str = ""

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Environment:
        """Read the variables; raises `InvalidSettings` naming the first that is missing or malformed."""
        found: dict[str, Any] = {}
        for each in fields(cls):
            variable = PREFIX + each.name.upper()
            text = environ.get(variable, "").strip()
            if not text and each.default is MISSING:
                raise InvalidSettings(f"{variable} is not set: set it in template.yaml")
            found[each.name] = _VALUES.get(each.name, _text)(variable, text)
        return cls(**found)


def _text(variable: str, text: str) -> str:
    return text


def _prefix(variable: str, text: str) -> str:
    if text and not text.endswith("/"):
        raise InvalidSettings(f"{variable} {text!r} does not end with a slash: write {text}/")
    return text


def _urls(variable: str, text: str) -> tuple[str, ...]:
    urls = tuple(url.strip() for url in text.split(","))
    for url in urls:
        if urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname:
            raise InvalidSettings(f"{variable}: {url!r} is not a URL: separate authorities by commas")
    return urls


def _number(least: int, most: int) -> Callable[[str, str], int]:
    def read(variable: str, text: str) -> int:
        if not (text.isascii() and text.isdigit() and least <= int(text[:9]) <= most):
            raise InvalidSettings(f"{variable} {text!r} is not a whole number from {least} to {most}")
        return int(text)

    return read


_VALUES: Mapping[str, Callable[[str, str], Any]] = {
    "evidence_prefix": _prefix,
    "settings_prefix": _prefix,
    "timestamp_urls": _urls,
    "settling_days": _number(0, MOST_SETTLING_DAYS),
    "max_receives": _number(2, 1000),
}


@cache
def deployed() -> Deployed:
    """The system that this process's environment describes; made on first use."""
    return Deployed(Environment.read(os.environ))


class Deployed:
    """The parts of the deployed system, each made when it is first asked for."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        """The client of an AWS service: it tries again what was throttled or failed, up to four times in all."""
        if service not in self._clients:
            signature = {"signature_version": "s3v4"} if service == "s3" else {}
            self._clients[service] = boto3.client(service, config=Config(**_CONFIG, **signature))
        return self._clients[service]

    @cached_property
    def requests(self) -> Requests:
        """Requests, attempts, outcomes and idempotency keys, each below a prefix of the archive."""
        return Requests(*(self._archive(kind) for kind in ("requests", "attempts", "outcomes", "keys")))

    @cached_property
    def briefings(self) -> Store:
        """Briefings and their receipts; beside each PDF, files from inside it that the API serves."""
        return Opened(self._archive("briefings"))

    @cached_property
    def settings(self) -> S3Store:
        """The settings that an operator keeps; they are read, and never written to."""
        return S3Store(self.client("s3"), self.environment.settings_bucket, self.environment.settings_prefix)

    def schedules(self) -> Schedules:
        """The schedules of the settings; Exhibit's own where there are none, once there is a certificate to sign with.

        Raises `InvalidSettings` where they cannot be read.
        """
        from reports import schedules

        content = self.settings.get(schedules.FILE)
        if content is None:
            ready = self.settings.get(CHAIN) is not None
            return schedules.read(schedules.default() if ready else "")
        try:
            return schedules.read(content.decode())
        except UnicodeDecodeError:
            raise InvalidSettings(f"{schedules.FILE} is not UTF-8 text: save it as UTF-8") from None

    def chain(self) -> tuple[x509.Certificate, ...]:
        """The certificates of the signing key, as `exhibit keys install` has put them there."""
        from reports.keys import certificates_in

        content = self.settings.get(CHAIN)
        if content is None:
            raise InvalidSettings(f"the settings hold no {CHAIN}: put it there with exhibit keys install")
        return certificates_in(content, CHAIN)

    def trust(self) -> tuple[x509.Certificate, ...]:
        """The roots that readers trust besides the signing key's own, such as those of time-stamp authorities."""
        from reports.keys import certificates_in

        content = self.settings.get(TRUST)
        return certificates_in(content, TRUST) if content is not None else ()

    def press(self, deadline: Callable[[], float], progress: Progress) -> AthenaPress:
        """What makes briefings; `deadline` gives the seconds that are left for waiting on queries."""
        return AthenaPress(self, deadline, progress)

    def link(self, name: str) -> str:
        """A URL under which anyone can read an object of `briefings` for the next `LINK_SECONDS`."""
        shown = {
            "ResponseContentType": "application/pdf" if name.endswith(".pdf") else "application/json",
            "ResponseContentDisposition": f'inline; filename="{name}"',
        }
        place = {"Bucket": self.environment.archive_bucket, "Key": f"briefings/{name}"}
        with faults.translated(f"bucket {self.environment.archive_bucket}"):
            url: str = self.client("s3").generate_presigned_url(
                "get_object", Params={**place, **shown}, ExpiresIn=LINK_SECONDS
            )
        return url

    def upload(self, id_: str) -> dict[str, Any]:
        """The URL and form fields with which anyone can upload one PDF within the next `LINK_SECONDS`."""
        form = {"Content-Type": "application/pdf"}
        limits = [form, ["content-length-range", 1, MOST_UPLOADED]]
        with faults.translated(f"bucket {self.environment.uploads_bucket}"):
            found: dict[str, Any] = self.client("s3").generate_presigned_post(
                self.environment.uploads_bucket, f"uploads/{id_}.pdf", form, limits, LINK_SECONDS
            )
        return found

    def uploaded(self, id_: str) -> bytes | None:
        """What was uploaded, or None."""
        return S3Store(self.client("s3"), self.environment.uploads_bucket, "uploads/").get(f"{id_}.pdf")

    def _archive(self, kind: str) -> S3Store:
        return S3Store(self.client("s3"), self.environment.archive_bucket, f"{kind}/")


@dataclass(frozen=True, slots=True)
class Opened:
    """A store that keeps, beside each PDF, those of the files inside it that the API serves."""

    store: Store

    def put(self, documents: Mapping[str, bytes]) -> bool:
        """Keep documents as `Store.put` says, what is inside them first."""
        inside = {
            name: content
            for pdf, whole in documents.items()
            if pdf.endswith(".pdf")
            for name, content in _inside(pdf, whole).items()
        }
        return self.store.put({**inside, **documents})

    def get(self, name: str) -> bytes | None:
        """What is kept under a name, or None."""
        return self.store.get(name)

    def list(self, prefix: str, after: str = "", most: int | None = None) -> tuple[str, ...]:
        """List names as `Store.list` says."""
        return self.store.list(prefix, after, most)


def inside(document: str, file: str) -> str:
    """The name beside a document of a file that is inside it."""
    return f"{document.removesuffix('.pdf')}.{file}"


def _inside(document: str, pdf: bytes) -> dict[str, bytes]:
    from reports.contents import attached

    files = attached(pdf)
    return {inside(document, file): files[file] for file in SERVED}


@dataclass(slots=True)
class AthenaPress:
    """Makes briefings with Athena, S3 and KMS. `scanned` counts the bytes that its queries have read.

    Settings are read anew for each briefing, so that an operator's change needs no deployment.

    Permissions: those of `AthenaEngine`, `S3Evidence`, `S3Store` and `KmsKey`; `kms:GenerateMac` on the key for
    pseudonyms; `s3:ListBucket` on the bucket of the settings and `s3:GetObject` on its objects.
    """

    parts: Deployed
    deadline: Callable[[], float]
    progress: Progress
    scanned: int = field(default=0, init=False)

    def publish(self, request: Request) -> Receipt:
        """Publish as `reports.deliver.Press` says."""
        from reports import pipeline

        asked = pipeline.Request(request.window, request.audience, request.instant, request.id)
        with TemporaryDirectory(prefix="exhibit-") as folder:
            house = self._house(request, Path(folder))
            return pipeline.publish(asked, house, self._signing(), self.progress)

    def published(self, request: Request) -> Receipt | None:
        """The receipt of the briefing, if it was published for this request."""
        from reports.archive import published_for
        from reports.compose import report_number
        from reports.resolve import resolve

        window = resolve(request.window, request.instant)
        return published_for(self.parts.briefings, report_number(window, request.audience), request.id)

    def stop(self, request: Request) -> None:
        """Meet the query that may still run for a request, and cancel it."""
        from reports.collect import collect
        from reports.query import tallies
        from reports.resolve import resolve

        self.deadline = lambda: 0.0
        engine = self._engine(request)
        try:
            window = resolve(request.window, request.instant)
            days = self.parts.environment.settling_days
            question = tallies(window, days, each_account=request.audience == "regulator")
            collect(question, engine, engine.source, lambda *_: None)
        except ExhibitError:
            engine.cancel()

    def _engine(self, request: Request) -> Any:
        from reports.evidence_s3 import S3Evidence
        from reports.query_athena import AthenaEngine

        environment = self.parts.environment
        source = S3Evidence(self.parts.client("s3"), environment.evidence_bucket, environment.evidence_prefix)
        return AthenaEngine(
            self.parts.client("athena"),
            environment.workgroup,
            environment.database,
            source,
            token=request.id,
            deadline=self.deadline,
        )

    def _house(self, request: Request, folder: Path) -> House:
        from reports.pipeline import House, addressed, read_settings

        engine = self._engine(request)
        resources = self._resources(folder)
        return House(
            engine=_Counted(engine, self),
            source=engine.source,
            settings=addressed(read_settings(engine.source, resources), request.audience, request.addressee),
            resources=resources,
            store=self.parts.briefings,
            pseudonym_key=self._pseudonym_key(),
            page_size=request.page_size,
            settling_days=self.parts.environment.settling_days,
        )

    def _resources(self, folder: Path) -> Resources:
        """Exhibit's templates, and before them those of the settings, copied into a folder."""
        from reports.assets import TEMPLATES, Resources

        names = [name for name in self.parts.settings.list("templates/") if not name.endswith("/")]
        for name in names:
            if ".." in PurePosixPath(name).parts:
                raise InvalidSettings(f"{name} of the settings leads out of its folder: take it away")
            place = folder / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(self.parts.settings.get(name) or b"")
        return Resources((folder / "templates", TEMPLATES)) if names else Resources()

    def _pseudonym_key(self) -> bytes:
        key = self.parts.environment.pseudonym_key
        with faults.translated(f"KMS key {key}"):
            answer = self.parts.client("kms").generate_mac(
                KeyId=key, Message=PSEUDONYMS, MacAlgorithm="HMAC_SHA_256"
            )
        return bytes(answer["Mac"])

    def _signing(self) -> Signing:
        from reports.keys_kms import KmsKey
        from reports.pipeline import Signing
        from reports.timestamp import FirstOf, HttpTimestamper

        parts, environment = self.parts, self.parts.environment
        key = KmsKey.open(parts.client("kms"), environment.signing_key, parts.chain(), datetime.now(UTC))
        # Short enough that the second authority is asked, and answers, within the time that publishing has left
        authorities = [HttpTimestamper(url, timeout=5, attempts=2) for url in environment.timestamp_urls]
        trust = parts.trust()
        lists = (parts.settings.get(name) for name in parts.settings.list("crls/"))
        return Signing(
            key,
            FirstOf(authorities),
            trust=(*key.chain[-1:], *trust),
            crls=tuple(crl for crl in lists if crl),
            stranger=not trust,
        )


@dataclass(frozen=True, slots=True)
class _Counted:
    """A query engine whose bytes are counted."""

    engine: QueryEngine
    press: AthenaPress

    def ask(self, question: Question, progress: Callable[[int, int], None]) -> Answer:
        answer = self.engine.ask(question, progress)
        self.press.scanned += answer.bytes_scanned or 0
        return answer

"""The parts of the deployed system: Athena over S3, a key in KMS, a bucket as the store. The second composition root.

Functions share it. Imports within functions load what only some of them need, and what takes long to load.
"""

# ruff: noqa: PLC0415

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3  # type: ignore[import-untyped]
from botocore.config import Config  # type: ignore[import-untyped]

from reports.archive.heads import Heads
from reports.archive.store import Store
from reports.archive.store_s3 import S3Store
from reports.core import aws_errors
from reports.core.aws_clients import REGIONAL
from reports.core.errors import InvalidSettings
from reports.core.settings_files import check_deployed
from reports.evidence.table_types import NAME
from reports.pdf.pages import MOST_BYTES
from reports.service.quotas import MOST, Quota, digest_of
from reports.service.requests import Requests
from reports.service.segments import Segments
from reports.signing.tsa_url import TsaUrl

if TYPE_CHECKING:
    from datetime import datetime

    from cryptography import x509

    from reports.evidence.shared_days import SharedDays
    from reports.evidence.source_s3 import S3Evidence
    from reports.service.schedules import Schedules
    from reports.signing.timestamp import Timestamper

PREFIX = "EXHIBIT_"
ADDRESSES = f"{PREFIX}TIMESTAMP_ADDRESSES"  # `any`, where the whole system is tried on one machine
CHAIN, TRUST = "chain.pem", "trust.pem"
# The files inside a PDF that the API also serves separately
SERVED = ("briefing.json", "evidence.json")
MOST_SETTLING_DAYS = 366
_TABLE = re.compile(rf"{NAME.pattern}\.{NAME.pattern}")
LINK_SECONDS = 300
MOST_UPLOADED = MOST_BYTES

_RETRIES: Mapping[str, Any] = {"mode": "standard", "total_max_attempts": 4}
_CONFIG: Mapping[str, Any] = {"retries": _RETRIES, "connect_timeout": 5, "read_timeout": 30}
# Otherwise boto3 signs links for the global endpoint, which other regions redirect from, or do not answer at.
_S3: Mapping[str, Any] = {
    "signature_version": "s3v4",
    "s3": {"addressing_style": "virtual", **REGIONAL["s3"]},
}


@dataclass(frozen=True, slots=True)
class Environment:
    """The variables that `template.yaml` sets on every function: `EXHIBIT_` and the name of the field, in capitals."""

    archive_bucket: str
    evidence_bucket: str
    settings_bucket: str
    uploads_bucket: str
    cells_bucket: str
    workgroup: str
    database: str
    signing_key: str
    pseudonym_key: str
    timestamp_urls: tuple[str, ...] = field(repr=False)  # they may hold passwords
    settling_days: int
    max_receives: int
    topic: str
    bus: str
    evidence_prefix: str = ""
    evidence_table: str = ""
    settings_prefix: str = ""
    scope_prefix: str = ""
    caller_quota: int = MOST

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Environment:
        """Read the variables; raises `InvalidSettings` naming the first that is missing or malformed."""
        found: dict[str, Any] = {}
        for each in fields(cls):
            variable = PREFIX + each.name.upper()
            text = environ.get(variable, "").strip()
            if not text and each.default is MISSING:
                raise InvalidSettings(f"{variable} is not set: set it in template.yaml")
            if text or not isinstance(each.default, int):
                found[each.name] = _VALUES.get(each.name, _text)(variable, text)
        return cls(**found)


def _text(variable: str, text: str) -> str:
    return text


def _prefix(variable: str, text: str) -> str:
    if text and not text.endswith("/"):
        raise InvalidSettings(f"{variable} {text!r} does not end with a slash: write {text}/")
    return text


def _table(variable: str, text: str) -> str:
    if text and not _TABLE.fullmatch(text):
        raise InvalidSettings(f"{variable} {text!r} is not the name of a table: write it as DATABASE.TABLE")
    return text


def _urls(variable: str, text: str) -> tuple[str, ...]:
    urls = tuple(url.strip() for url in text.split(","))
    for url in urls:
        try:
            TsaUrl.parse(url)
        except InvalidSettings as error:
            raise InvalidSettings(f"{variable}: {error}; separate authorities by commas") from None
    return urls


def _number(least: int, most: int) -> Callable[[str, str], int]:
    def read(variable: str, text: str) -> int:
        if not (text.isascii() and text.isdigit() and least <= int(text[:9]) <= most):
            raise InvalidSettings(f"{variable} {text!r} is not a whole number from {least} to {most}")
        return int(text)

    return read


_VALUES: Mapping[str, Callable[[str, str], Any]] = {
    "evidence_prefix": _prefix,
    "evidence_table": _table,
    "settings_prefix": _prefix,
    "timestamp_urls": _urls,
    "settling_days": _number(0, MOST_SETTLING_DAYS),
    "max_receives": _number(2, 1000),
    "caller_quota": _number(1, MOST),
}


@cache
def deployed() -> Deployed:
    """The system that this process's environment describes; made on first use."""
    # Lambda sets this in every function; elsewhere, the authority may be on the machine itself
    public = "AWS_LAMBDA_RUNTIME_API" in os.environ and os.environ.get(ADDRESSES) != "any"
    return Deployed(Environment.read(os.environ), public=public)


class Deployed:
    """The parts of the deployed system, each made when it is first asked for."""

    def __init__(self, environment: Environment, *, public: bool = False) -> None:
        """Take the variables; `public` says that time-stamp authorities are not on this machine."""
        self.environment = environment
        self.public = public
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        """The client of an AWS service: it tries again what was throttled or failed, up to four times in all."""
        if service not in self._clients:
            own = _S3 if service == "s3" else {}
            self._clients[service] = boto3.client(service, config=Config(**_CONFIG, **own))
        return self._clients[service]

    @cached_property
    def requests(self) -> Requests:
        """Requests, attempts, outcomes and idempotency keys, each below a prefix of the archive, and their index."""
        kinds = ("requests", "attempts", "outcomes", "keys")
        requests, attempts, outcomes, keys = map(self._archive, kinds)
        return Requests(requests, attempts, outcomes, keys, Segments(self._archive("segments")))

    def quota(self, kind: str) -> Quota:
        """How much of a kind each caller may ask for in a day; the bucket of uploads forgets it afterwards."""
        store = S3Store(self.client("s3"), self.environment.uploads_bucket, "quotas/")
        return Quota(store, kind, self.environment.caller_quota)

    def asked(self, id_: str) -> datetime | None:
        """When a request was created, which its id does not say of a scheduled one: that bears the due instant."""
        return self._archive("requests").since(f"{id_}.json")

    @cached_property
    def briefings(self) -> Store:
        """Briefings and their receipts; beside each PDF, files from inside it that the API serves."""
        return Opened(self._archive("briefings"))

    @cached_property
    def heads(self) -> Heads:
        """The heads of the register that publishers have seen."""
        return Heads(self._archive("heads"))

    @cached_property
    def settings(self) -> S3Store:
        """The settings that an operator keeps; they are read, and never written to."""
        return S3Store(self.client("s3"), self.environment.settings_bucket, self.environment.settings_prefix)

    def check_settings(self) -> None:
        """Raise `InvalidSettings` for a file among the settings that would not be read."""
        names = (name.partition("/") for name in self.settings.list(""))
        check_deployed({top + slash for top, slash, _ in names})

    def schedules(self) -> Schedules:
        """The schedules of the settings; Exhibit's own where there are none, once there is a certificate to sign with.

        Raises `InvalidSettings` if they cannot be read.
        """
        from reports.service import schedules

        self.check_settings()
        content = self.settings.get(schedules.FILE)
        if content is None:
            ready = self.settings.get(CHAIN) is not None
            return schedules.read(schedules.default() if ready else "")
        try:
            return schedules.read(content.decode())
        except UnicodeDecodeError:
            raise InvalidSettings(f"{schedules.FILE} is not UTF-8 text: save it as UTF-8") from None

    def evidence(self, deadline: Callable[[], float]) -> S3Evidence:
        """The evidence; `deadline` gives the seconds that are left for reading it."""
        from reports.evidence.source_s3 import S3Evidence

        place = self.environment.evidence_bucket, self.environment.evidence_prefix
        return S3Evidence(self.client("s3"), *place, deadline=deadline)

    def days(self, folder: Path) -> SharedDays:
        """The days that were closed, as of now, with a folder for what is fetched of them."""
        from reports.evidence.shared_days import SharedDays

        store = SharedDays(folder, self.client("s3"), self.environment.cells_bucket)
        store.pull()
        return store

    def chain(self) -> tuple[x509.Certificate, ...]:
        """The certificates of the signing key, as `exhibit keys install` has put them there."""
        from reports.core.certificates import certificates_in

        content = self.settings.get(CHAIN)
        if content is None:
            raise InvalidSettings(f"the settings do not have {CHAIN}: add it with exhibit keys install")
        return certificates_in(content, CHAIN)

    def trust(self) -> tuple[x509.Certificate, ...]:
        """The roots that readers trust besides the signing key's own, such as those of time-stamp authorities."""
        from reports.core.certificates import certificates_in

        content = self.settings.get(TRUST)
        return certificates_in(content, TRUST) if content is not None else ()

    def lists(self) -> tuple[bytes, ...]:
        """The revocation lists that no network has."""
        found = (self.settings.get(name) for name in self.settings.list("crls/"))
        return tuple(each for each in found if each)

    @cached_property
    def copies(self) -> S3Store:
        """Copies of briefings with fresh time-stamps, and records of them."""
        return self._archive("renewed")

    def timestamper(self) -> Timestamper:
        """The authorities, in their order: short enough that the second one is asked, and answers, in time."""
        from reports.signing.timestamp import FallbackTimestamper, HttpTimestamper

        urls, public = self.environment.timestamp_urls, self.public
        return FallbackTimestamper(
            [HttpTimestamper(url, timeout=5, attempts=2, public=public) for url in urls]
        )

    def link(self, name: str) -> str:
        """A URL under which anyone can read an object of `briefings` for the next `LINK_SECONDS`."""
        shown = {
            "ResponseContentType": "application/pdf" if name.endswith(".pdf") else "application/json",
            "ResponseContentDisposition": f'inline; filename="{name}"',
        }
        place = {"Bucket": self.environment.archive_bucket, "Key": f"briefings/{name}"}
        with aws_errors.translated(f"bucket {self.environment.archive_bucket}"):
            url: str = self.client("s3").generate_presigned_url(
                "get_object", Params={**place, **shown}, ExpiresIn=LINK_SECONDS
            )
        return url

    def upload(self, caller: str | None, id_: str) -> dict[str, Any]:
        """The URL and form fields with which anyone can upload one PDF for a caller within the next `LINK_SECONDS`."""
        form = {"Content-Type": "application/pdf"}
        limits = [form, ["content-length-range", 1, MOST_UPLOADED]]
        with aws_errors.translated(f"bucket {self.environment.uploads_bucket}"):
            found: dict[str, Any] = self.client("s3").generate_presigned_post(
                self.environment.uploads_bucket, f"uploads/{_upload(caller, id_)}", form, limits, LINK_SECONDS
            )
        return found

    def uploaded(self, caller: str | None, id_: str) -> bytes | None:
        """What was uploaded for a caller, or None."""
        store = S3Store(self.client("s3"), self.environment.uploads_bucket, "uploads/")
        return store.get(_upload(caller, id_))

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
        """The content under a name, or None."""
        return self.store.get(name)

    def list(self, prefix: str, after: str = "", most: int | None = None) -> tuple[str, ...]:
        """List names as `Store.list` says."""
        return self.store.list(prefix, after, most)


def _upload(caller: str | None, id_: str) -> str:
    return f"{digest_of(caller)}/{id_}.pdf"


def inside(document: str, file: str) -> str:
    """The name beside a document of a file that is inside it."""
    return f"{document.removesuffix('.pdf')}.{file}"


def _inside(document: str, pdf: bytes) -> dict[str, bytes]:
    from reports.verification.attachments import attached

    files = attached(pdf)
    return {inside(document, file): files[file] for file in SERVED}

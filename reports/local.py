"""The parts of the command line: evidence in a folder or in S3, a local authority, a folder as the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from cryptography import x509

from reports import pipeline
from reports.archive.archive import Receipt
from reports.archive.store import FolderStore
from reports.briefing.settings import marked
from reports.core.certificates import load_certificates
from reports.core.errors import InvalidRequest
from reports.core.progress import Progress
from reports.evidence.questions import QueryEngine
from reports.evidence.source import EvidenceSource
from reports.evidence_access import opened
from reports.pages.assets import TEMPLATES, Resources
from reports.pages.read_settings import read_settings
from reports.pipeline import BriefingRequest, PublishingParts, Signing
from reports.signing.keys import LocalAuthority, LocalKey, SigningKey, no_lists
from reports.signing.timestamp import HttpTimestamper, LocalTimestamper, Timestamper

MOST_SETTLING_DAYS = 366


@dataclass(frozen=True, slots=True)
class Choices:
    """What may be chosen for a briefing on this machine.

    `evidence`, `engine` and `table` are as `evidence_access.opened` takes them. `signing_key` is a PKCS #12 file, or a
    PEM file with the private key and its certificates; without one, the local authority in `keys` signs. `trust` are
    files with the roots that readers will trust besides, `trust_tsa` with those for time-stamps alone. `marking` is a
    label of TLP 2.0; without one, the settings have to choose it.
    """

    evidence: str
    out: Path
    keys: Path
    engine: str = "duckdb"
    table: str | None = None
    templates: Path | None = None
    page_size: str = "letter"
    marking: str | None = None
    settling_days: int = 7
    signing_key: Path | None = None
    passphrase: bytes | None = None
    timestamp_url: str | None = None
    trust: Sequence[Path] = ()
    trust_tsa: Sequence[Path] = ()


class Published(NamedTuple):
    """A receipt, and whether its document was there before."""

    receipt: Receipt
    before: bool


def publish(request: BriefingRequest, choices: Choices, progress: Progress) -> Published:
    """Publish a briefing on this machine; nothing is written to `out` unless all went well."""
    if choices.settling_days not in range(MOST_SETTLING_DAYS + 1):
        raise InvalidRequest(
            f"--settling-days {choices.settling_days}: give a number of days, 0 to {MOST_SETTLING_DAYS}"
        )
    with opened(choices.evidence, choices.engine, choices.table) as (engine, source):
        return _published(request, choices, engine, source, progress)


def _published(
    request: BriefingRequest,
    choices: Choices,
    engine: QueryEngine,
    source: EvidenceSource,
    progress: Progress,
) -> Published:
    store = FolderStore(choices.out)
    resources = resources_of(choices.templates)
    settings = marked(read_settings(source, resources), choices.marking)
    now = datetime.now(UTC)
    authority = LocalAuthority.open(choices.keys, now)
    house = PublishingParts(
        engine=engine,
        source=source,
        settings=settings,
        resources=resources,
        store=store,
        pseudonym_key=authority.pseudonym_key(),
        page_size=choices.page_size,
        settling_days=choices.settling_days,
    )
    there = frozenset(store.list(""))
    receipt = pipeline.publish(request, house, _signing(choices, authority, now), progress)
    return Published(receipt, receipt.document.name in there)


def trusted(files: Sequence[Path]) -> tuple[x509.Certificate, ...]:
    """The certificates in files, as PEM or DER."""
    return tuple(certificate for file in files for certificate in load_certificates(file))


def resources_of(own: Path | None) -> Resources:
    """Exhibit's templates, and before them those of a folder, if any."""
    if own is None:
        return Resources()
    if not own.is_dir():
        raise InvalidRequest(f"{own}: no such folder: give the one that holds your templates")
    return Resources((own, TEMPLATES))


def _signing(choices: Choices, authority: LocalAuthority, now: datetime) -> Signing:
    key: SigningKey = authority.key
    if choices.signing_key:
        key = _own_key(choices.signing_key, choices.passphrase, now)
    stamps: Timestamper = LocalTimestamper(authority.stamp_key)
    if choices.timestamp_url:
        stamps = HttpTimestamper(choices.timestamp_url)
    local = (authority.root,) if not (choices.signing_key and choices.timestamp_url) else ()
    return Signing(
        key,
        stamps,
        trust=(*local, *key.chain[-1:], *trusted(choices.trust)),
        trust_tsa=_stamping(choices, authority),
        crls=authority.crls if local else no_lists,
        stranger=bool(choices.timestamp_url and not choices.trust and not choices.trust_tsa),
    )


def _stamping(choices: Choices, authority: LocalAuthority) -> tuple[x509.Certificate, ...]:
    if not choices.trust_tsa:
        return ()
    own = () if choices.timestamp_url else (authority.root,)
    return (*own, *trusted(choices.trust_tsa))


def _own_key(file: Path, passphrase: bytes | None, now: datetime) -> LocalKey:
    if file.suffix.lower() in {".p12", ".pfx"}:
        return LocalKey.from_pkcs12(file, passphrase or b"", now)
    return LocalKey.from_pem(file, file, now, passphrase)

"""Step 8. A signed document goes into the store together with its receipt: the receipt is the commit.

The name of a receipt says the report and the edition, so that an edition is published once; the name of a
document ends with the digest of its bytes as well, so that no two documents share one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from reports import __version__
from reports.compose import Briefing
from reports.errors import Unavailable
from reports.store import Store

if TYPE_CHECKING:
    from reports.verify import Verdict  # which loads pyHanko

RECEIPT = ".receipt.json"


@dataclass(frozen=True, slots=True)
class Bytes:
    """What is known again by its SHA-256, in hexadecimal, and its size in bytes."""

    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Document(Bytes):
    """A document in the store, under its name."""

    name: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was published. Digests are SHA-256 in hexadecimal, instants RFC 3339 in UTC.

    `content_sha256` leaves out what changes from run to run: it is how the same content is known again.
    `unsigned` are the first bytes of the document, before its signature. `request` is the id of the request that it was
    published for, where requests have ids.
    """

    report_number: str
    edition: int
    supersedes: str | None
    audience: str
    window: dict[str, str]
    as_of: str
    synthetic: bool
    document: Document
    unsigned: Bytes
    content_sha256: str
    evidence_sha256: str
    verdicts: tuple[dict[str, str], ...]
    figures: dict[str, str]
    software: dict[str, str]
    request: str | None = None

    @property
    def name(self) -> str:
        """The report's number and edition, as a later edition cites it."""
        return f"{self.report_number} edition {self.edition}"

    def data(self) -> dict[str, Any]:
        """The receipt as JSON has it."""
        found: dict[str, Any] = json.loads(self.json())
        return found

    def json(self) -> str:
        """The receipt as it is stored and printed."""
        return json.dumps(asdict(self), indent=2) + "\n"


def latest(store: Store, number: str) -> Receipt | None:
    """The receipt of the latest edition of a report, or None; raises `Unavailable` for an unreadable one."""
    return max(_receipts(store, number), key=lambda receipt: receipt.edition, default=None)


def published_for(store: Store, number: str, request: str) -> Receipt | None:
    """The receipt of the edition that was published for a request, by its id, or None; raises as `latest` does."""
    found = (receipt for receipt in _receipts(store, number) if receipt.request == request)
    return next(found, None)


def _receipts(store: Store, number: str) -> Iterator[Receipt]:
    return (_read(store, name) for name in store.list(f"{number}-") if name.endswith(RECEIPT))


def kept(store: Store, receipt: Receipt) -> Receipt:
    """The receipt, if its document is as it was published; raises `Unavailable` where it is not."""
    found = store.get(receipt.document.name)
    if found is None or hashlib.sha256(found).hexdigest() != receipt.document.sha256:
        raise Unavailable(
            f"{receipt.document.name} is not what was published: restore it, or move it away with its receipt"
        )
    return receipt


def archive(store: Store, receipt: Receipt, signed: bytes) -> Receipt:
    """Keep a document and its receipt; returns the receipt that the store holds then.

    Where another run has published the same content meanwhile, that is its receipt. Raises `Unavailable`
    where the edition has another content.
    """
    name = f"{_stem(receipt.report_number, receipt.audience, receipt.edition)}{RECEIPT}"
    if store.put({receipt.document.name: signed, name: receipt.json().encode()}):
        return receipt
    published = _read(store, name)
    if published.content_sha256 != receipt.content_sha256:
        raise Unavailable(f"{receipt.name} was published by another run at the same time: run again")
    return kept(store, published)


def receipt_of(
    briefing: Briefing,
    unsigned: bytes,
    signed: bytes,
    *,
    digests: tuple[str, str],
    verdicts: Sequence[Verdict],
) -> Receipt:
    """The receipt of a signed briefing; `digests` are those of its content and of its evidence."""
    first = briefing.parts[0] if briefing.parts else briefing.total
    digest = hashlib.sha256(signed).hexdigest()
    stem = _stem(briefing.number, briefing.audience, briefing.edition)
    return Receipt(
        report_number=briefing.number,
        edition=briefing.edition,
        supersedes=briefing.supersedes,
        audience=briefing.audience,
        window={"from": str(briefing.window.first), "to": str(briefing.window.last)},
        as_of=f"{briefing.as_of:%Y-%m-%dT%H:%M:%SZ}",
        synthetic=briefing.synthetic,
        document=Document(digest, len(signed), f"{stem}-{digest[:12]}.pdf"),
        unsigned=Bytes(hashlib.sha256(unsigned).hexdigest(), len(unsigned)),
        content_sha256=digests[0],
        evidence_sha256=digests[1],
        verdicts=tuple(asdict(verdict) for verdict in verdicts),
        figures={
            "exchanges": str(first.exchanges.value),
            "accounts": str(first.accounts.value),
        },
        software={"name": "exhibit", "version": __version__},
    )


def _stem(number: str, audience: str, edition: int) -> str:
    return f"{number}-{audience}-e{edition}"


def _read(store: Store, name: str) -> Receipt:
    try:
        return TypeAdapter(Receipt).validate_json(store.get(name) or b"")
    except ValidationError:
        raise Unavailable(
            f"{name} is not a receipt that can be read: restore it, or move it away with its document"
        ) from None

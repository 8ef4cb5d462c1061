"""Step 8. A signed document goes into the store, and its receipt after it: the receipt is the commit.

Both names carry the report's number, its edition and the digest of the unsigned document, so that a run that was
killed between the two is completed by the next, and nothing is published twice.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from reports import __version__
from reports.compose import Briefing
from reports.errors import Unavailable
from reports.store import Store
from reports.verify import Verdict

RECEIPT = ".receipt.json"


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was published. Digests are SHA-256 in hexadecimal, sizes in bytes, instants RFC 3339 in UTC.

    `content_sha256` leaves out what changes from run to run: it is how the same content is known again. `unsigned`
    are the first bytes of the document, before its signature.
    """

    report_number: str
    edition: int
    supersedes: str | None
    audience: str
    window: dict[str, str]
    as_of: str
    synthetic: bool
    document: dict[str, Any]
    unsigned: dict[str, Any]
    content_sha256: str
    evidence_sha256: str
    verdicts: list[dict[str, str]]
    figures: dict[str, str]
    software: dict[str, str]

    @property
    def name(self) -> str:
        """The report's number and edition, as a later edition cites it."""
        return f"{self.report_number} edition {self.edition}"

    def json(self) -> str:
        """The receipt as it is stored and printed."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"


def latest(store: Store, number: str) -> Receipt | None:
    """The receipt of the latest edition of a report, or None."""
    receipts = [_read(store, name) for name in store.list(_stem(number)) if name.endswith(RECEIPT)]
    return max(receipts, key=lambda receipt: receipt.edition, default=None)


def document_name(briefing: Briefing, unsigned: bytes) -> str:
    """What a briefing's document is called in the store."""
    digest = hashlib.sha256(unsigned).hexdigest()
    return f"{_stem(briefing.number)}{briefing.audience}-e{briefing.edition}-{digest[:12]}.pdf"


def archive(store: Store, receipt: Receipt, signed: bytes) -> Receipt:
    """Keep a document and then its receipt; raises `Unavailable` where another run has taken the name meanwhile."""
    name = receipt.document["name"]
    if not store.put(name, signed) and store.get(name) != signed:
        raise Unavailable(f"{name} was written by another run at the same time: run again")
    store.put(name.removesuffix(".pdf") + RECEIPT, receipt.json().encode())
    return receipt


def receipt_of(
    briefing: Briefing,
    unsigned: bytes,
    signed: bytes,
    *,
    digests: tuple[str, str],
    verdicts: Sequence[Verdict],
) -> Receipt:
    """The receipt of a signed briefing; `digests` are those of its content and of its evidence."""
    first = briefing.parts[0] if briefing.parts else None
    return Receipt(
        report_number=briefing.number,
        edition=briefing.edition,
        supersedes=briefing.supersedes,
        audience=briefing.audience,
        window={"from": str(briefing.window.first), "to": str(briefing.window.last)},
        as_of=f"{briefing.as_of:%Y-%m-%dT%H:%M:%SZ}",
        synthetic=briefing.synthetic,
        document={
            "name": document_name(briefing, unsigned),
            "sha256": hashlib.sha256(signed).hexdigest(),
            "size": len(signed),
        },
        unsigned={"sha256": hashlib.sha256(unsigned).hexdigest(), "size": len(unsigned)},
        content_sha256=digests[0],
        evidence_sha256=digests[1],
        verdicts=[asdict(verdict) for verdict in verdicts],
        figures={
            "exchanges": str(first.exchanges.value if first else briefing.total.exchanges.value),
            "accounts": str(first.accounts.value if first else briefing.total.accounts.value),
        },
        software={"name": "exhibit", "version": __version__},
    )


def _stem(number: str) -> str:
    return f"{number}-"


def _read(store: Store, name: str) -> Receipt:
    try:
        return Receipt(**json.loads(store.get(name) or b""))
    except (ValueError, TypeError):
        raise Unavailable(f"{name} is not a receipt that can be read: restore it, or move it away") from None

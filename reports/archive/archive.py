"""Step 8. A signed document goes into the store with its receipt, as the next entry of the register.

1. The document is written, and an entry that contains its receipt. The entry is the commit. If another run has taken
   its number, nothing has been published yet, and the next number is tried.
2. The receipt is written beside the document, as it is in the entry.

A run may be killed between the two. The next run writes that receipt first, so only the last entry can lack its own,
and whoever adds an entry has seen the receipts of all earlier ones. A receipt is named for the report and the edition,
so an edition is entered only once. A document's name also ends with the digest of its bytes, so no two documents share
one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from reports.archive import publication_log
from reports.archive.publication_log import RegisterEntry
from reports.archive.store import Store
from reports.core.errors import Unavailable
from reports.core.log_head import EMPTY, Head

RECEIPT = ".receipt.json"


@dataclass(frozen=True, slots=True)
class Bytes:
    """Bytes identified by their SHA-256, in hexadecimal, and their size."""

    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Document(Bytes):
    """A document in the store, under its name."""

    name: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was published. Digests are SHA-256 in hexadecimal, instants RFC 3339 in UTC.

    `content_sha256` leaves out what changes from run to run: it identifies the same content.
    `unsigned` are the first bytes of the document, before its signature. `request` is the id of the request that it was
    published for, where requests have ids. `printed_as_codes` are the characters that no font had, or that would hide
    or reorder others, such as `U+1F600`; `not_yet_counted` are the evidence objects that came while the others were
    counted; `same_figures_as` is the edition before, with the release that made it, if nothing else differs; `answered`
    tells of each question which engine answered it, in which execution if the engine gives it an id, how many bytes it
    scanned if it says so, and which engines had counted the days if it added up days that were counted before. JSON
    omits these keys if there are none.
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
    printed_as_codes: tuple[str, ...] = ()
    not_yet_counted: tuple[str, ...] = ()
    same_figures_as: dict[str, int | str] | None = None
    answered: tuple[dict[str, int | str | None], ...] = ()

    @property
    def name(self) -> str:
        """The report's number and edition, as a later edition cites it."""
        return f"{self.report_number} edition {self.edition}"

    @property
    def file(self) -> str:
        """Its name in the store."""
        return f"{edition_stem(self.report_number, self.audience, self.edition)}{RECEIPT}"

    def data(self) -> dict[str, Any]:
        """The receipt as JSON has it."""
        found: dict[str, Any] = json.loads(self.json())
        return found

    def json(self) -> str:
        """The receipt as it is stored and printed."""
        found = asdict(self)
        for key in ("printed_as_codes", "not_yet_counted", "same_figures_as", "answered"):
            if not found[key]:
                del found[key]
        return publication_log.as_stored(found).decode()


def restore_last_receipt(store: Store) -> Head:
    """Write the receipt of the last entry if a killed run has not; returns the head of the register.

    Raises `Unavailable` for an unreadable entry.
    """
    last = publication_log.last(store)
    if last is None:
        return EMPTY
    entered = entered_receipt(last)
    if store.get(entered.file) is None:
        store.put({entered.file: publication_log.as_stored(last.receipt)})
    return last.head


def entered_receipt(entry: RegisterEntry) -> Receipt:
    """The receipt in an entry; raises `Unavailable` if it holds something else."""
    try:
        return TypeAdapter(Receipt).validate_python(entry.receipt)
    except ValidationError:
        raise Unavailable(f"{entry.name} does not hold a readable receipt: restore it") from None


def latest(store: Store, number: str) -> Receipt | None:
    """The receipt of the latest edition of a report, or None; raises `Unavailable` for an unreadable one.

    A document for another addressee has a longer number, and its own editions.
    """
    found = (receipt for receipt in _receipts(store, number) if receipt.report_number == number)
    return max(found, key=lambda receipt: receipt.edition, default=None)


def published_for(store: Store, number: str, request: str) -> Receipt | None:
    """The receipt of the edition that was published for a request, by its id, or None; raises as `latest` does.

    It is looked for among the editions of a report, and of those with longer numbers.

    If a killed run has registered it without writing it, it is written first.
    """
    restore_last_receipt(store)
    found = (receipt for receipt in _receipts(store, number) if receipt.request == request)
    return next(found, None)


def _receipts(store: Store, number: str) -> Iterator[Receipt]:
    return (_read(store, name) for name in store.list(f"{number}-") if name.endswith(RECEIPT))


def intact_receipt(store: Store, receipt: Receipt) -> Receipt:
    """The receipt, if its document is unchanged since publication; raises `Unavailable` if it is not."""
    intact_document(store, receipt)
    return receipt


def intact_document(store: Store, receipt: Receipt) -> bytes:
    """The document of a receipt; raises `Unavailable` if it has changed since publication."""
    found = store.get(receipt.document.name)
    if found is None or hashlib.sha256(found).hexdigest() != receipt.document.sha256:
        raise Unavailable(
            f"{receipt.document.name} differs from what was published: restore it, or publish to another place"
        )
    return found


def archive(store: Store, receipt: Receipt, signed: bytes) -> Receipt:
    """Store a document, register its receipt and store that; returns the stored receipt.

    If another run has published the same content meanwhile, that is its receipt. Raises `Unavailable`
    where the edition has another content.
    """
    before = None
    while (head := restore_last_receipt(store)) != before:
        if store.get(receipt.file) is not None:
            return _published_meanwhile(store, receipt)
        entry = publication_log.following(head, receipt.data())
        # 1.
        if store.put({receipt.document.name: signed, entry.name: entry.json()}):
            # 2.
            store.put({receipt.file: receipt.json().encode()})
            return receipt
        before = head
    raise Unavailable(
        f"{receipt.document.name} cannot be written: move the file that has that name, and run again"
    )


def _published_meanwhile(store: Store, receipt: Receipt) -> Receipt:
    published = _read(store, receipt.file)
    if published.content_sha256 != receipt.content_sha256:
        raise Unavailable(f"{receipt.name} was published by another run at the same time: run again")
    return intact_receipt(store, published)


def edition_stem(number: str, audience: str, edition: int) -> str:
    """How the names of an edition's files begin."""
    return f"{number}-{audience}-e{edition}"


def _read(store: Store, name: str) -> Receipt:
    try:
        return TypeAdapter(Receipt).validate_json(store.get(name) or b"")
    except ValidationError:
        raise Unavailable(
            f"{name} is not a readable receipt: restore it from its entry in the register"
        ) from None

"""Whether an archive matches its register, and the register matches what briefings print of it.

1. *Chain*: the entries have the numbers from 1 on, and each has the digest of the one before.
2. *Documents*: the document of each entry is there, as it was published, and is the edition that the entry names.
3. *Receipts*: the receipt of each entry is there, as it was entered; only the last may still be to come, where a run
   was killed. Each receipt that is there has its entry.
4. *Heads*: each document of the archive, and each briefing that is at hand from elsewhere, has an entry, and prints a
   head that the register had before that entry.

Entries that were taken away from the end leave a whole chain behind, and so do entries that were all made anew: these
show by the heads alone, in briefings that whoever did it could not take back.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from pydantic import TypeAdapter

from reports.archive import publication_log
from reports.archive.archive import RECEIPT, Receipt, entered_receipt
from reports.archive.publication_log import RegisterEntry
from reports.archive.store import Store
from reports.briefing.figures import counted
from reports.core.errors import CheckFailed, Unavailable
from reports.core.log_head import EMPTY, Head
from reports.core.verdict import Verdict, VerdictOutcome
from reports.verification.attachments import attached
from reports.verification.record import Record, record
from reports.verification.signature import verify

READERS = 8  # documents that are read at once


@dataclass(frozen=True, slots=True)
class Audit:
    """The head of a register as it is now, and the verdicts on it and its archive."""

    head: Head
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True)
class _Kept:
    """An entry with its name and digest, as they are in the archive; None stands for what cannot be read."""

    name: str
    sha256: str
    entry: RegisterEntry | None
    receipt: Receipt | None


@dataclass(frozen=True, slots=True)
class _Found:
    """What is wrong with a document, or else the head that it prints."""

    fault: str | None
    head: Head = EMPTY


def audit(store: Store, at_hand: Mapping[str, bytes], now: datetime) -> Audit:
    """Check an archive, and its register against briefings at hand, by what they are called.

    Raises `Unavailable` if the store cannot be read.
    """
    # Read before the entries, because a briefing published meanwhile gets its entry before its receipt
    listed = [name for name in store.list("EX-") if name.endswith(RECEIPT)]
    entries = [_kept(store, name) for name in publication_log.entries(store)]
    with ThreadPoolExecutor(READERS) as readers:
        found = list(readers.map(lambda kept: _document(store, kept.receipt), entries))
        receipts = list(readers.map(lambda kept: kept.receipt and store.get(kept.receipt.file), entries))
    verdicts = (
        _chain(entries),
        _verdict(
            "documents",
            [f.fault for f in found if f.fault],
            f"{counted(len(found), 'document is', 'documents are')} as published",
        ),
        _receipts(entries, receipts, listed),
        _heads(entries, found, at_hand, now),
    )
    return Audit(Head(len(entries), entries[-1].sha256) if entries else EMPTY, verdicts)


def _kept(store: Store, name: str) -> _Kept:
    content = store.get(name) or b""
    digest = hashlib.sha256(content).hexdigest()
    try:
        entry = publication_log.parsed(name, content)
        return _Kept(name, digest, entry, entered_receipt(entry))
    except Unavailable:
        return _Kept(name, digest, None, None)


def _document(store: Store, receipt: Receipt | None) -> _Found:
    if receipt is None:
        return _Found(None)
    name, content = receipt.document.name, store.get(receipt.document.name)
    if content is None:
        return _Found(f"{name} is missing")
    if hashlib.sha256(content).hexdigest() != receipt.document.sha256:
        return _Found(f"{name} differs from what was published")
    try:
        data = json.loads(attached(content)["briefing.json"])
        if (data["report_number"], data["edition"]) != (receipt.report_number, receipt.edition):
            return _Found(f"{name} is a different edition from the one in its entry")
        return _Found(None, TypeAdapter(Head).validate_python(data["register"]))
    except Exception as error:  # any bytes may have been entered, and parsers fail in as many ways
        return _Found(f"{name} does not print a readable head of the register ({type(error).__name__})")


def _chain(entries: Sequence[_Kept]) -> Verdict:
    if not entries:
        return Verdict("chain", "could not be checked", "no briefing is registered there")
    head = entries[-1].sha256
    told = f"{counted(len(entries), 'entry', 'entries')}, each following the one before; head {head}"
    return _verdict("chain", list(_breaks(entries)), told)


def _breaks(entries: Sequence[_Kept]) -> Iterator[str]:
    before = EMPTY
    for kept in entries:
        if kept.name != publication_log.name_of(before.entries + 1):
            yield f"{publication_log.name_of(before.entries + 1)} is missing"
        elif kept.entry is None:
            yield f"{kept.name} is not an entry"
        elif kept.entry.previous != before.sha256:
            yield f"{kept.name} does not follow the entry before it: one of the two was replaced"
        before = Head(publication_log.number_of(kept.name), kept.sha256)


def _receipts(entries: Sequence[_Kept], receipts: Sequence[bytes | None], listed: Sequence[str]) -> Verdict:
    entered = {kept.receipt.file for kept in entries if kept.receipt}
    wrong = [f"{name} has no entry" for name in listed if name not in entered]
    to_come = False
    for kept, content in zip(entries, receipts, strict=True):
        if kept.entry is None or kept.receipt is None:
            continue
        if content is None and kept is entries[-1]:
            to_come = True
        elif content != publication_log.as_stored(kept.entry.receipt):
            wrong.append(
                f"{kept.receipt.file} {'is missing' if content is None else 'differs from what was registered'}"
            )
    told = f"{counted(len(entered) - to_come, 'receipt is', 'receipts are')} as registered"
    return _verdict("receipts", wrong, told + "; the next run writes the last one" * to_come)


def _heads(
    entries: Sequence[_Kept], found: Sequence[_Found], at_hand: Mapping[str, bytes], now: datetime
) -> Verdict:
    known = {publication_log.number_of(kept.name): kept.sha256 for kept in entries}
    wrong: list[str] = []
    unread: list[str] = []
    for kept, document in zip(entries, found, strict=True):
        if kept.receipt and not document.fault:
            own = publication_log.number_of(kept.name)
            wrong += _disagreement(kept.receipt.document.name, document.head, own, known)
    for called, pdf in at_hand.items():
        try:
            printed = record(pdf, verify(pdf, None, now)[0])
        except (CheckFailed, Unavailable) as error:
            unread.append(f"{called}: {error}")
            continue
        wrong += _disagreement(called, printed.said.head, _own_entry(printed, entries), known)
    count = sum(document.head != EMPTY for document in found) + len(at_hand)
    return _verdict("heads", wrong, f"what {_briefings(count)} of the register is so", unread)


def _briefings(count: int) -> str:
    return "one briefing prints" if count == 1 else f"{count} briefings print"


def _own_entry(printed: Record, entries: Sequence[_Kept]) -> int:
    """The number of a briefing's own entry, or 0: its document, to which time-stamps may have been added since."""
    for kept in entries:
        entered = kept.receipt
        if entered and entered.name == printed.name:
            published = printed.pdf[: entered.document.size]
            if hashlib.sha256(published).hexdigest() == entered.document.sha256:
                return publication_log.number_of(kept.name)
    return 0


def _disagreement(called: str, printed: Head, own: int, known: Mapping[int, str]) -> Iterator[str]:
    """Why a register is not the one that a briefing prints, whose own entry has a number; 0 if it has none."""
    if printed.entries > max(known, default=0):
        yield f"{called} prints {printed.entries} entries, but there are {max(known, default=0)}: the last were removed"
    elif printed != EMPTY and known.get(printed.entries) != printed.sha256:
        yield f"{called} prints a different entry {printed.entries}: it, or an earlier one, was replaced or removed"
    elif not own:
        yield f"{called} has no entry: it was removed, replaced, or published elsewhere"
    elif own <= printed.entries:
        yield f"{called} prints {printed.entries} entries, but is itself entry {own}: the order was changed"


def _verdict(check: str, wrong: Sequence[str], right: str, unread: Sequence[str] = ()) -> Verdict:
    outcome: VerdictOutcome = "invalid" if wrong else "could not be checked" if unread else "valid"
    first, *others = wrong or unread or [right]
    return Verdict(check, outcome, first + (f"; and {len(others)} more" if others else ""))

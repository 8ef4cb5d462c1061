"""Renews an archive's time-stamps long before they expire, in copies that replace nothing.

1. Each edition has records beside its copies: until when its last time-stamp can be checked. The first is made when the
   edition is first looked at, another with each copy, and it is the record that makes a copy count.
2. The latest copy of what comes close to its end is renewed: two years before, or earlier where time-stamps last less.

Two runs at once do no harm: each record has a name of its own, and the first to put it wins.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta

from pydantic import TypeAdapter, ValidationError

from reports.archive.archive import RECEIPT, Receipt, intact_receipt
from reports.archive.store import Store
from reports.core.errors import ExhibitError, Unavailable
from reports.verification.signature import sealed_until

EARLY = timedelta(days=730)
RESERVE = 60.0  # the longest time, in seconds, for one renewal


@dataclass(frozen=True, slots=True)
class Record:
    """An edition and its latest bytes: `copy` number `number`, or the `document` itself, whose number is 0.

    `sealed` is when its last time-stamp was made, `until` how long that can be checked.
    """

    edition: str
    document: str
    number: int
    copy: str | None
    sha256: str
    sealed: datetime
    until: datetime

    @property
    def name(self) -> str:
        """Its name beside the copies."""
        return f"{self.edition}.{self.number:04}.json"

    def json(self) -> bytes:
        """The record as it is stored."""
        instants = {key: f"{getattr(self, key):%Y-%m-%dT%H:%M:%SZ}" for key in ("sealed", "until")}
        return json.dumps({**asdict(self), **instants}, indent=2).encode() + b"\n"

    def due(self, now: datetime) -> bool:
        """Whether it is time for the next one."""
        return self.until - now < min(EARLY, (self.until - self.sealed) * 2 / 3)


@dataclass(slots=True)
class RenewalOutcome:
    """What became of an archive: the copies that were made, why others were not, and the days that are left."""

    renewed: list[str]
    failed: list[str]
    days_left: float | None = None


@dataclass(frozen=True, slots=True)
class Archive:
    """Editions with their receipts, and the store of their copies and records."""

    briefings: Store
    copies: Store

    def records(self) -> Iterator[Record | str]:
        """The latest record of each edition, created if missing, or why that failed."""
        latest = {name[: -len(".0000.json")]: name for name in self.copies.list("") if name.endswith(".json")}
        for receipt in self.briefings.list("EX-"):
            if receipt.endswith(RECEIPT):
                edition = receipt.removesuffix(RECEIPT)
                try:
                    yield (
                        self._record(latest[edition]) if edition in latest else self._first(edition, receipt)
                    )
                except ExhibitError as error:
                    yield f"{edition}: {error}"

    def _record(self, name: str) -> Record:
        try:
            return TypeAdapter(Record).validate_json(self.copies.get(name) or b"")
        except ValidationError:
            raise Unavailable(f"{name} is not a readable record: restore it") from None

    def _first(self, edition: str, receipt: str) -> Record:
        try:
            told = intact_receipt(
                self.briefings, TypeAdapter(Receipt).validate_json(self.briefings.get(receipt) or b"")
            )
        except ValidationError:
            raise Unavailable(f"{receipt} is not a readable receipt: restore it") from None
        document = told.document
        sealed, until = sealed_until(self.briefings.get(document.name) or b"")
        record = Record(edition, document.name, 0, None, document.sha256, sealed, until)
        self.copies.put({record.name: record.json()})
        return record

    def renew(self, record: Record, renew: Callable[[bytes], bytes]) -> Record:
        """Make the next copy of an edition; raises `Unavailable` if nothing is gained, and what `renew` raises."""
        content = self.copies.get(record.copy) if record.copy else self.briefings.get(record.document)
        if content is None or hashlib.sha256(content).hexdigest() != record.sha256:
            raise Unavailable(f"{record.copy or record.document} has changed since it was stored: restore it")
        renewed = renew(content)
        sealed, until = sealed_until(renewed)
        if until <= record.until:
            raise NothingGainedError(
                f"the time-stamp authority's certificate expires on {until:%Y-%m-%d}, no later than the last one's:"
                " use another authority"
            )
        digest, number = hashlib.sha256(renewed).hexdigest(), record.number + 1
        copy = f"{record.edition}.{number:04}-{digest[:12]}.pdf"
        made = replace(record, number=number, copy=copy, sha256=digest, sealed=sealed, until=until)
        self.copies.put({copy: renewed, made.name: made.json()})
        return made


class NothingGainedError(Unavailable):
    """A fresh time-stamp would end no later than the last one."""


def renew_due(
    archive: Archive, renew: Callable[[bytes], bytes], now: datetime, deadline: Callable[[], float]
) -> RenewalOutcome:
    """Renew what is due, the earliest to expire first, as long as `deadline` has seconds left.

    `renew` gives a briefing with a fresh time-stamp, as `reports.renew.renew` does. Failures are reported and tried
    again the next time; the others continue.
    """
    outcome = RenewalOutcome([], [])
    found = list(archive.records())
    outcome.failed += [each for each in found if isinstance(each, str)]
    records = sorted((each for each in found if isinstance(each, Record)), key=lambda each: each.until)
    ends = {record.edition: record.until for record in records}
    for record in (each for each in records if each.due(now)):
        if deadline() < RESERVE:
            break
        try:
            made = archive.renew(record, renew)
        except NothingGainedError as error:
            outcome.failed.append(f"{record.edition}: {error}")
            break
        except ExhibitError as error:
            outcome.failed.append(f"{record.edition}: {error}")
            continue
        outcome.renewed.append(made.copy or "")
        ends[record.edition] = made.until
    if ends:
        outcome.days_left = max(0.0, (min(ends.values()) - now.astimezone(UTC)) / timedelta(days=1))
    return outcome

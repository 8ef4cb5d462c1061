"""Step 3. The tallies become campaigns, each with what the registry knows of it."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from fractions import Fraction
from typing import Any

from reports.core.settings import CampaignProfile, Registry, folded
from reports.evidence.collect import Evidence
from reports.evidence.questions import Row

# Totals are repeated at these thresholds, which separate the bands of `tallies.cells.sql`
THRESHOLDS = (0.5, 0.7, 0.9)


@dataclass(frozen=True, slots=True)
class Tally:
    """Exchanges, distinct accounts and detections (ids, after revisions and exclusions) under one key."""

    key: Any
    exchanges: int
    accounts: int
    detections: int


@dataclass(frozen=True, slots=True)
class DetectorVersion:
    """What a version of a detector found; `by_band` holds detections by confidence, lowest band first."""

    detector: str
    version: str | None
    exchanges: int
    detections: int
    by_band: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Account:
    """One account's part in a campaign."""

    account_id: str
    campaign_id: str | None
    exchanges: int
    detections: int
    first_day: date
    last_day: date


@dataclass(frozen=True, slots=True)
class Activity:
    """What detections add up to, exactly; instants are naive UTC.

    `output_tokens` is None if no detection gives any. `by_…` are in the order of their keys for days and
    confidence, else of exchanges, largest first; a None key, which comes last, stands for detections that name none.
    `busiest_tenth` is the part of the exchanges that the busiest tenth of the accounts, rounded up, carried.
    """

    exchanges: int
    accounts: int
    detections: int
    output_tokens: int | None
    first_seen: datetime
    last_seen: datetime
    by_day: tuple[Tally, ...]
    by_capability: tuple[Tally, ...]
    by_detector: tuple[Tally, ...]
    by_network: tuple[Tally, ...]
    by_country: tuple[Tally, ...]
    by_confidence: tuple[Tally, ...]
    detectors: tuple[DetectorVersion, ...]
    busiest_tenth: Fraction

    @property
    def active_days(self) -> int:
        """Event days with at least one detection."""
        return len(self.by_day)

    @property
    def peak(self) -> Tally:
        """The day with most exchanges, the first of them if several."""
        return max(self.by_day, key=lambda tally: tally.exchanges)

    @property
    def most_accounts(self) -> Tally:
        """The day with most accounts active, the first of them if several."""
        return max(self.by_day, key=lambda tally: tally.accounts)


@dataclass(frozen=True, slots=True)
class OnRecord:
    """A campaign as a whole: its exchanges in all evidence up to the window's end, and what was published of it.

    `preceding` are those of its exchanges that the window before held. It has detections in the evidence, or in the
    window, or is known from publications alone. The name in `entry` is one that no other campaign on record has.
    """

    campaign_id: str
    entry: CampaignProfile
    exchanges: int
    preceding: int
    in_evidence: bool
    in_window: bool

    @property
    def least(self) -> int:
        """The fewest exchanges that it can have had, according to the record."""
        published = self.entry.published
        return max(self.exchanges, published.least_exchanges if published else 0)

    @property
    def most(self) -> int:
        """The most exchanges that it can have had, according to the record."""
        published = self.entry.published
        return max(self.exchanges, published.most_exchanges if published else 0)


@dataclass(frozen=True, slots=True)
class Campaign:
    """A campaign of the window.

    `preceding` is what the window of the same length before it held. `whole` is what is on record of it, and `rank` its
    place by that among `known` campaigns: those of all evidence up to the window's end, and of the registry's
    publications. One that is as large, or may be, goes before it.
    """

    campaign_id: str
    entry: CampaignProfile
    activity: Activity
    preceding: Tally
    whole: OnRecord
    rank: int
    known: int

    @property
    def largest_on_record(self) -> bool:
        """Whether it is larger than every other campaign on record, of which there must be one."""
        return self.rank == 1 and self.known > 1


@dataclass(frozen=True, slots=True)
class Campaigns:
    """All that a window's evidence adds up to.

    `standings` counts delivered rows by what became of them, `delivered_exchanges` adds up their exchanges;
    `each_account` is empty if nobody asked for it. `record` are all campaigns on record, the largest first;
    `unattributed_before` is what belonged to none in the window before, and `unattributed_whole` the exchanges that do
    in all evidence up to the window's end.
    """

    campaigns: tuple[Campaign, ...]
    record: tuple[OnRecord, ...]
    unattributed: Activity | None
    unattributed_before: Tally
    unattributed_whole: int
    preceding: Tally
    by_day: tuple[Tally, ...]
    by_confidence: tuple[Tally, ...]
    detectors: tuple[DetectorVersion, ...]
    exchanges: int
    accounts: int
    detections: int
    standings: Mapping[str, int]
    delivered_exchanges: Mapping[str, int]
    each_account: tuple[Account, ...]


def group(evidence: Evidence, registry: Registry) -> Campaigns:
    """Group a window's tallies by campaign, largest first; nothing is lost and nothing is estimated."""
    rows = _by_heading(evidence.tallies.rows)
    history = evidence.history.rows if evidence.history else ()
    activities = {key: _activity(of) for key, of in _by_campaign(rows).items()}
    total = next((r for r in rows["total"] if r["all_campaigns"] and r["standing"] == "tallied"), None)
    before = _before(history)
    record = _record(activities, before, registry)
    sizes = sorted(each.most for each in record)
    found = [
        Campaign(
            whole.campaign_id,
            whole.entry,
            activities[whole.campaign_id],
            _of(before, whole.campaign_id).preceding,
            whole,
            rank=len(record) - bisect_left(sizes, whole.least),  # those as large or larger, and itself
            known=len(record),
        )
        for whole in record
        if whole.in_window
    ]
    return Campaigns(
        campaigns=tuple(sorted(found, key=lambda c: (-c.activity.exchanges, c.campaign_id))),
        record=record,
        unattributed=activities.get(None),
        unattributed_before=_of(before, None).preceding,
        unattributed_whole=_whole(activities, before, None),
        preceding=_preceding((row for row in history if row["all_campaigns"]), None),
        by_day=_by_day(r for r in rows["day"] if r["all_campaigns"] and r["standing"] == "tallied"),
        by_confidence=_by_confidence(rows["confidence"], [r for r in rows["account"] if r["all_campaigns"]]),
        detectors=_detectors(rows["confidence"]),
        exchanges=total["exchanges"] if total else 0,
        accounts=total["accounts"] if total else 0,
        detections=total["detections"] if total else 0,
        standings={r["standing"]: r["detections"] for r in rows["total"] if r["all_campaigns"]},
        delivered_exchanges={r["standing"]: r["exchanges"] for r in rows["total"] if r["all_campaigns"]},
        each_account=tuple(
            sorted(
                (_account(r) for r in rows["account"] if r["account_id"] is not None),
                key=lambda a: (a.account_id, a.campaign_id or ""),
            )
        ),
    )


def _by_heading(rows: Iterable[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row["heading"]].append(row)
    return found


def _by_campaign(rows: Mapping[str, Sequence[Row]]) -> dict[str | None, dict[str, list[Row]]]:
    found: dict[str | None, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for heading, of_heading in rows.items():
        for row in of_heading:
            if not row["all_campaigns"]:
                found[row["campaign_id"]][heading].append(row)
    return found


def _activity(rows: Mapping[str, Sequence[Row]]) -> Activity:
    total, bands = rows["total"][0], rows["confidence"]
    tokens = [r["output_tokens"] for r in bands if r["output_tokens"] is not None]
    return Activity(
        exchanges=total["exchanges"],
        accounts=total["accounts"],
        detections=total["detections"],
        output_tokens=sum(tokens) if tokens else None,
        first_seen=min(r["first_seen"] for r in bands),
        last_seen=max(r["last_seen"] for r in bands),
        by_day=_by_day(rows["day"]),
        by_capability=_ranked(rows["capability"], "capability"),
        by_detector=_ranked(rows["detector"], "detector"),
        by_network=_ranked(rows["network"], "network"),
        by_country=_ranked(rows["country"], "country"),
        by_confidence=_by_confidence(bands, rows["account"]),
        detectors=_detectors(bands),
        busiest_tenth=_busiest_tenth(rows["account"]),
    )


def _tallies(rows: Iterable[Row], key: str) -> tuple[Tally, ...]:
    return tuple(Tally(r[key], r["exchanges"], r["accounts"], r["detections"]) for r in rows)


def _by_day(rows: Iterable[Row]) -> tuple[Tally, ...]:
    return tuple(sorted(_tallies(rows, "event_day"), key=lambda t: t.key))


def _ranked(rows: Iterable[Row], key: str) -> tuple[Tally, ...]:
    return tuple(sorted(_tallies(rows, key), key=lambda t: (t.key is None, -t.exchanges, t.key or "")))


def _by_confidence(bands: Sequence[Row], accounts: Sequence[Row]) -> tuple[Tally, ...]:
    """The totals again at each threshold; an account counts where one of its detections reaches it."""
    return tuple(
        Tally(
            threshold,
            sum(r["exchanges"] for r in bands if r["band"] >= band),
            sum(r["accounts"] for r in accounts if r["highest_band"] >= band),
            sum(r["detections"] for r in bands if r["band"] >= band),
        )
        for band, threshold in enumerate(THRESHOLDS, 1)
    )


def _detectors(bands: Iterable[Row]) -> tuple[DetectorVersion, ...]:
    found: dict[tuple[str, str | None], list[Row]] = defaultdict(list)
    for row in bands:
        found[row["detector"], row["detector_version"]].append(row)
    versions = [
        DetectorVersion(
            detector,
            version,
            sum(r["exchanges"] for r in rows),
            sum(r["detections"] for r in rows),
            tuple(sum(r["detections"] for r in rows if r["band"] == band) for band in range(4)),
        )
        for (detector, version), rows in found.items()
    ]
    return tuple(sorted(versions, key=lambda v: (v.detector, v.version is None, v.version or "")))


def _busiest_tenth(accounts: Sequence[Row]) -> Fraction:
    exchanges = sum(r["exchanges"] for r in accounts)
    return Fraction(sum(r["busiest_tenth"] or 0 for r in accounts), exchanges) if exchanges else Fraction(0)


def _account(row: Row) -> Account:
    return Account(
        row["account_id"],
        row["campaign_id"],
        row["exchanges"],
        row["detections"],
        row["first_day"],
        row["last_day"],
    )


@dataclass(frozen=True, slots=True)
class _Before:
    """A campaign's detections before the window: on all earlier days, and in the preceding window."""

    exchanges: int
    preceding: Tally


def _before(history: Iterable[Row]) -> dict[str | None, _Before]:
    """What came before the window, by campaign; None means unattributed."""
    found: defaultdict[str | None, list[Row]] = defaultdict(list)
    for row in history:
        if not row["all_campaigns"]:
            found[row["campaign_id"]].append(row)
    return {
        key: _Before(sum(r["exchanges"] for r in rows if r["all_days"]), _preceding(rows, key))
        for key, rows in found.items()
    }


def _of(before: Mapping[str | None, _Before], key: str | None) -> _Before:
    return before.get(key, _Before(0, Tally(key, 0, 0, 0)))


def _preceding(rows: Iterable[Row], key: str | None) -> Tally:
    """The tally of the preceding window, of one campaign's rows or of those of all detections together."""
    row = next((row for row in rows if row["preceding"]), None)
    return Tally(key, row["exchanges"], row["accounts"], row["detections"]) if row else Tally(key, 0, 0, 0)


def _record(
    activities: Mapping[str | None, Activity], before: Mapping[str | None, _Before], registry: Registry
) -> tuple[OnRecord, ...]:
    """The campaigns of all evidence up to the window's end and of publications, the largest first."""
    published = {entry.campaign_id for entry in registry.campaigns if entry.published}
    ids = sorted(each for each in {*activities, *before, *published} if each is not None)
    found = (
        OnRecord(
            entry.campaign_id,
            entry,
            _whole(activities, before, entry.campaign_id),
            _of(before, entry.campaign_id).preceding.exchanges,
            entry.campaign_id in before or entry.campaign_id in activities,
            entry.campaign_id in activities,
        )
        for entry in _told_apart([registry.entry(each) for each in ids])
    )
    return tuple(sorted(found, key=lambda each: (-each.most, each.campaign_id)))


def _whole(
    activities: Mapping[str | None, Activity], before: Mapping[str | None, _Before], key: str | None
) -> int:
    """The exchanges of a campaign, or of none, in all evidence up to the window's end."""
    return _of(before, key).exchanges + (activities[key].exchanges if key in activities else 0)


def _told_apart(entries: Sequence[CampaignProfile]) -> list[CampaignProfile]:
    """Entries with unique names: entries whose names differ only in case and spaces get their id appended."""
    uses = Counter(folded(entry.name) for entry in entries)
    return [
        entry.model_copy(update={"name": f"{entry.name} ({entry.campaign_id})"})
        if uses[folded(entry.name)] > 1
        else entry
        for entry in entries
    ]

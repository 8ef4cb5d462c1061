"""Step 4. Window, evidence and campaigns become a briefing: what the pages say, and whence each number."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from fractions import Fraction
from typing import Any

from reports.accounts import AccountTable
from reports.collect import Evidence
from reports.errors import InvalidSettings
from reports.figures import Quantity
from reports.group import Activity, Campaign, Campaigns, DetectorVersion, Tally
from reports.register import EMPTY, Head
from reports.registry import (
    MARKINGS,
    Dataset,
    Element,
    Entry,
    Issuer,
    Law,
    Marking,
    Published,
    Registry,
)
from reports.resolve import Audience, Window

MOST_ROWS = 46
MOST_TOLD = 5


@dataclass(frozen=True, slots=True)
class Settings:
    """What people wrote: the registry, what the data is, who issues, and the law that is applied."""

    registry: Registry
    dataset: Dataset
    issuer: Issuer
    law: Law

    @property
    def marking(self) -> Marking:
        """The label of TLP 2.0 that somebody has chosen; synthetic data, of which nobody needs to, is `TLP:CLEAR`.

        Raises `InvalidSettings` where nobody has chosen.
        """
        if self.issuer.marking:
            return self.issuer.marking
        if self.dataset.synthetic:
            return "TLP:CLEAR"
        raise InvalidSettings(
            "the evidence is not marked synthetic, and nobody has chosen a marking: write one in issuer.yaml, or give "
            f"--marking: {', '.join(MARKINGS[:-1])} or {MARKINGS[-1]}"
        )


@dataclass(frozen=True, slots=True)
class Line:
    """A row of a table: a key with its exact counts, and its share of the whole's exchanges."""

    key: Any
    exchanges: Quantity
    accounts: Quantity
    detections: Quantity
    share: Quantity | None


@dataclass(frozen=True, slots=True)
class Period:
    """A stretch of days, both ends included, with its exchanges and, if it is one day, its accounts."""

    first: date
    last: date
    exchanges: Quantity
    accounts: Quantity | None
    gap: bool


@dataclass(frozen=True, slots=True)
class Detector:
    """A version of a detector, with its detections in each confidence band, lowest first."""

    name: str
    version: str | None
    exchanges: Quantity
    detections: Quantity
    by_band: tuple[Quantity, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """An element of the law and the evidence for it in the registry, by campaign; none is a gap."""

    element: Element
    evidence: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Earlier:
    """A campaign that is known from published figures."""

    name: str
    published: Published
    exchanges: Quantity
    accounts: Quantity | None


@dataclass(frozen=True, slots=True)
class Part:
    """A campaign as the pages tell of it; `operator` is None where the naming rule withholds it."""

    campaign_id: str
    name: str
    entry: Entry
    operator: str | None
    exchanges: Quantity
    accounts: Quantity
    detections: Quantity
    output_tokens: Quantity | None
    active_days: Quantity
    first_seen: datetime
    last_seen: datetime
    share: Quantity
    by_day: tuple[Line, ...]
    by_capability: tuple[Line, ...]
    by_detector: tuple[Line, ...]
    by_network: tuple[Line, ...]
    by_country: tuple[Line, ...]
    by_confidence: tuple[Line, ...]
    peak: Line
    most_accounts: Line
    busiest_tenth: Quantity
    concentration: Quantity
    preceding: Line
    growth: Quantity | None
    rank: Quantity
    known: Quantity
    largest_on_record: bool

    @property
    def withheld(self) -> bool:
        """Whether an operator is on file and not printed."""
        return self.entry.operator is not None and self.operator is None


@dataclass(frozen=True, slots=True)
class Briefing:
    """Everything that the pages of a briefing say.

    `total` is over all campaigns and unattributed detections; `settled` is whether no update can land any more;
    `comparable` is whether the evidence goes back over the whole preceding window; `register` is what was published
    before, as far as it was known then; `account_table` has the accounts one by one, where the audience gets them.
    """

    audience: Audience
    window: Window
    as_of: datetime
    number: str
    edition: int
    supersedes: str | None
    register: Head
    settings: Settings
    parts: tuple[Part, ...]
    unattributed: Line | None
    total: Line
    attributed: Quantity
    days: Quantity
    preceding: Line
    periods: tuple[Period, ...]
    sensitivity: tuple[Line, ...]
    detectors: tuple[Detector, ...]
    earlier: tuple[Earlier, ...]
    findings: tuple[Finding, ...]
    standings: Mapping[str, Quantity]
    delivered: Quantity
    gaps: tuple[date, ...]
    gap_count: Quantity
    settling_days: Quantity
    settled: bool
    comparable: bool
    campaign_count: Quantity
    object_count: Quantity
    evidence: Evidence
    campaigns: Campaigns
    account_table: AccountTable | None

    @property
    def told(self) -> tuple[Part, ...]:
        """The campaigns that the detailed sections are about: all of them, or the largest for a lawmaker."""
        return self.parts[:MOST_TOLD] if self.audience == "lawmaker" else self.parts

    @property
    def untold(self) -> Quantity:
        """How many campaigns the detailed sections leave out."""
        return _count(
            len(self.parts) - len(self.told), "campaigns", {"heading": "total", "campaigns": "others"}
        )

    @property
    def techniques(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """The ATLAS techniques on record, each with the names of the campaigns that used it."""
        used: dict[str, list[str]] = {}
        for part in self.told:
            for technique in part.entry.techniques:
                used.setdefault(technique, []).append(part.name)
        return tuple((technique, tuple(names)) for technique, names in used.items())

    @property
    def daily(self) -> bool:
        """Whether each period is one day."""
        return len(self.periods) == len(self.window)

    @property
    def edition_number(self) -> Quantity:
        """The edition, as a figure."""
        return Quantity(self.edition, "edition", "request", {"report_number": self.number})

    @property
    def entry_count(self) -> Quantity:
        """How many entries the register had, as a figure."""
        return Quantity(self.register.entries, "entries", "register", {"sha256": self.register.sha256})

    @property
    def synthetic(self) -> bool:
        """Whether the data was made up, which every page says."""
        return self.settings.dataset.synthetic

    @property
    def title(self) -> str:
        """The document's title."""
        return "Model-distillation campaigns"


def compose(  # noqa: PLR0913 -- all that a briefing is made from
    window: Window,
    evidence: Evidence,
    campaigns: Campaigns,
    audience: Audience,
    *,
    settings: Settings,
    as_of: datetime,
    edition: int = 1,
    supersedes: str | None = None,
    register: Head = EMPTY,
    account_table: AccountTable | None = None,
) -> Briefing:
    """Compose a briefing for an audience; the same arguments give the same briefing.

    Raises `InvalidSettings` where the registry names an element that the law does not have, or an operator in a
    text although the naming rule withholds it.
    """
    _check_withheld(settings.registry)
    everything = Tally(None, campaigns.exchanges, campaigns.accounts, campaigns.detections)
    total = _line(everything, {"heading": "total"}, None)
    attributed = sum(c.activity.exchanges for c in campaigns.campaigns)
    comparable = evidence.since <= window.preceding.first
    asked = {"window": str(window)}
    return Briefing(
        audience=audience,
        window=window,
        as_of=as_of,
        number=report_number(window, audience),
        edition=edition,
        supersedes=supersedes,
        register=register,
        settings=settings,
        parts=tuple(_part(c, total, comparable) for c in campaigns.campaigns),
        unattributed=_unattributed(campaigns.unattributed, total),
        total=total,
        attributed=_count(attributed, "exchanges", {"heading": "total", "campaigns": "attributed"}),
        days=Quantity(len(window), "days", "request", asked),
        preceding=_line(campaigns.preceding, {"window": "preceding"}, None, question="history"),
        periods=_periods(window, campaigns.by_day, evidence.gaps),
        sensitivity=_lines(campaigns.by_confidence, {}, "confidence", total.exchanges),
        detectors=tuple(_detector(d) for d in campaigns.detectors),
        earlier=tuple(_earlier(e) for e in settings.registry.campaigns if e.published),
        findings=_findings(settings, campaigns.campaigns),
        standings={
            standing: _count(campaigns.standings.get(standing, 0), "rows", {"standing": standing})
            for standing in ("tallied", "superseded", "excluded")
        },
        delivered=_count(sum(campaigns.standings.values()), "rows", {"standing": "all"}),
        gaps=evidence.gaps,
        gap_count=_count(len(evidence.gaps), "days", {"heading": "day", "absent": True}),
        settling_days=Quantity(evidence.settling_days, "days", "settings", {"setting": "settling_days"}),
        settled=(as_of.astimezone(UTC).date() - window.last).days > evidence.settling_days,
        comparable=comparable,
        campaign_count=_count(len(campaigns.campaigns), "campaigns", {"heading": "total"}),
        object_count=Quantity(len(evidence.objects), "objects", "evidence", {"subjects": "all"}),
        evidence=evidence,
        campaigns=campaigns,
        account_table=account_table,
    )


def report_number(window: Window, audience: Audience) -> str:
    """The number that all editions of a briefing share: `EX-20260422-20260605-L`."""
    return f"EX-{window.first:%Y%m%d}-{window.last:%Y%m%d}-{audience[0].upper()}"


def _count(value: int, unit: str, row: Mapping[str, Any], question: str = "tallies") -> Quantity:
    return Quantity(value, unit, question, {**row, "column": unit})


def _line(tally: Tally, row: Mapping[str, Any], whole: Quantity | None, question: str = "tallies") -> Line:
    exchanges = _count(tally.exchanges, "exchanges", row, question)
    return Line(
        tally.key,
        exchanges,
        _count(tally.accounts, "accounts", row, question),
        _count(tally.detections, "detections", row, question),
        exchanges.per(whole) if whole and whole.value else None,
    )


def _share(part: Quantity, whole: Quantity) -> Quantity:
    return part.per(whole) if whole.value else Quantity(Fraction(0), "share", part.question, part.row)


def _lines(
    tallies: Iterable[Tally], row: Mapping[str, Any], heading: str, whole: Quantity
) -> tuple[Line, ...]:
    return tuple(
        _line(tally, {**row, "heading": heading, heading: _plain(tally.key)}, whole) for tally in tallies
    )


def _plain(key: Any) -> Any:
    return str(key) if isinstance(key, date) else key


def _part(campaign: Campaign, total: Line, comparable: bool) -> Part:
    activity, row = campaign.activity, {"campaign_id": campaign.campaign_id}
    whole = _line(
        Tally(None, activity.exchanges, activity.accounts, activity.detections),
        {**row, "heading": "total"},
        None,
    )

    def lines(tallies: Iterable[Tally], heading: str) -> tuple[Line, ...]:
        return _lines(tallies, row, heading, whole.exchanges)

    before = _line(campaign.preceding, {**row, "window": "preceding"}, None, question="history")
    tokens = activity.output_tokens
    largest = activity.by_capability[:3]
    return Part(
        campaign_id=campaign.campaign_id,
        name=campaign.entry.name,
        entry=campaign.entry,
        operator=campaign.entry.printable_operator,
        exchanges=whole.exchanges,
        accounts=whole.accounts,
        detections=whole.detections,
        output_tokens=None
        if tokens is None
        else _count(tokens, "output_tokens", {**row, "heading": "total"}),
        active_days=_count(activity.active_days, "active_days", {**row, "heading": "day"}),
        first_seen=activity.first_seen,
        last_seen=activity.last_seen,
        share=_share(whole.exchanges, total.exchanges),
        by_day=lines(activity.by_day, "day"),
        by_capability=lines(activity.by_capability, "capability"),
        by_detector=lines(activity.by_detector, "detector"),
        by_network=lines(activity.by_network, "network"),
        by_country=lines(activity.by_country, "country"),
        by_confidence=lines(activity.by_confidence, "confidence"),
        peak=lines([activity.peak], "day")[0],
        most_accounts=lines([activity.most_accounts], "day")[0],
        busiest_tenth=Quantity(
            activity.busiest_tenth, "share", "tallies", {**row, "heading": "account", "of": "busiest tenth"}
        ),
        concentration=Quantity(
            Fraction(sum(t.exchanges for t in largest), activity.exchanges or 1),
            "share",
            "tallies",
            {**row, "heading": "capability", "capabilities": [t.key for t in largest]},
        ),
        preceding=before,
        growth=whole.exchanges.per(before.exchanges, "multiple")
        if comparable and before.exchanges.value
        else None,
        rank=Quantity(campaign.rank, "rank", "history", row),
        known=Quantity(campaign.known, "campaigns", "history", {"campaigns": "all on record"}),
        largest_on_record=campaign.largest_on_record,
    )


def _unattributed(activity: Activity | None, total: Line) -> Line | None:
    if activity is None:
        return None
    tally = Tally(None, activity.exchanges, activity.accounts, activity.detections)
    return _line(tally, {"heading": "total", "campaign_id": None}, total.exchanges)


def _periods(window: Window, by_day: Sequence[Tally], gaps: Sequence[date]) -> tuple[Period, ...]:
    """The days of the window, or weeks or longer stretches where days would not fit a table."""
    step = 1 if len(window) <= MOST_ROWS else 7 * -(-len(window) // (7 * MOST_ROWS))
    found, days = {tally.key: tally for tally in by_day}, window.days
    return tuple(_period(days[at : at + step], found, gaps) for at in range(0, len(days), step))


def _period(days: Sequence[date], by_day: Mapping[date, Tally], gaps: Sequence[date]) -> Period:
    tallies = [by_day[day] for day in days if day in by_day]
    row = (
        {"heading": "day", "day": str(days[0])}
        if len(days) == 1
        else {"heading": "day", "from": str(days[0]), "to": str(days[-1])}
    )
    accounts = _count(sum(t.accounts for t in tallies), "accounts", row) if len(days) == 1 else None
    exchanges = _count(sum(t.exchanges for t in tallies), "exchanges", row)
    return Period(days[0], days[-1], exchanges, accounts, all(day in gaps for day in days))


def _detector(version: DetectorVersion) -> Detector:
    row = {"heading": "confidence", "detector": version.detector, "detector_version": version.version}
    return Detector(
        version.detector,
        version.version,
        _count(version.exchanges, "exchanges", row),
        _count(version.detections, "detections", row),
        tuple(_count(n, "detections", {**row, "band": band}) for band, n in enumerate(version.by_band)),
    )


def _earlier(entry: Entry) -> Earlier:
    published = entry.published
    assert published is not None  # noqa: S101 -- the caller asks for these only
    row = {"campaign_id": entry.campaign_id, "field": "published"}
    accounts = published.accounts
    return Earlier(
        entry.printable_operator or entry.name,
        published,
        Quantity(published.exchanges, "exchanges", "registry", row),
        None if accounts is None else Quantity(accounts, "accounts", "registry", row),
    )


def _findings(settings: Settings, campaigns: Sequence[Campaign]) -> tuple[Finding, ...]:
    elements = {element.id for element in settings.law.elements}
    for entry in settings.registry.campaigns:
        unknown = sorted(set(entry.law) - elements)
        if unknown:
            raise InvalidSettings(
                f"campaigns.yaml: campaign {entry.campaign_id}: law: {settings.law.citation} has no element "
                f"{unknown[0]!r}: use one of {', '.join(sorted(elements))}"
            )
    return tuple(
        Finding(
            element,
            tuple((c.entry.name, c.entry.law[element.id]) for c in campaigns if element.id in c.entry.law),
        )
        for element in settings.law.elements
    )


def _check_withheld(registry: Registry) -> None:
    """Refuse a text that names a withheld operator, unless it is about one of that name who is printed."""
    texts = list(_texts(registry))
    for entry in registry.campaigns:
        if entry.operator is None or entry.printable_operator:
            continue
        named = re.compile(rf"(?<![a-z0-9]){re.escape(_folded(entry.operator))}(?![a-z0-9])")
        printed = any(named.search(_folded(e.printable_operator or "")) for e in registry.campaigns)
        for campaign_id, place, text in texts:
            if named.search(text) and (campaign_id == entry.campaign_id or not printed):
                raise InvalidSettings(
                    f"campaigns.yaml: {place} names the operator of {entry.campaign_id}, who is withheld: "
                    "record two approvers and at least moderate confidence, or reword it"
                )


def _texts(registry: Registry) -> Iterator[tuple[str | None, str, str]]:
    """The texts of a registry but the operators: of which campaign, in which place, in which words."""
    for entry in registry.campaigns:
        for field, content in entry.model_dump(exclude={"operator"}).items():
            yield entry.campaign_id, f"campaign {entry.campaign_id}: {field}", _folded(content)
    for field, content in registry.model_dump(exclude={"campaigns"}).items():
        yield None, field, _folded(content)


def _folded(content: Any) -> str:
    """All that a setting says, whatever its capitals and spaces."""
    if isinstance(content, Mapping):
        content = [*content, *content.values()]
    if isinstance(content, list | tuple):
        return "\n".join(map(_folded, content))
    return " ".join(str(content).casefold().split())

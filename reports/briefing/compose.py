"""Step 4. Window, evidence and campaigns become a briefing: what the pages say, and the source of each number."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from fractions import Fraction
from hashlib import sha256
from typing import Any, Literal

from reports.briefing.accounts import AccountTable
from reports.briefing.figures import Quantity
from reports.briefing.group import (
    THRESHOLDS,
    Activity,
    Campaign,
    Campaigns,
    DetectorVersion,
    OnRecord,
    Tally,
)
from reports.briefing.mentions import Names
from reports.briefing.settings import Settings
from reports.core.errors import InvalidSettings
from reports.core.log_head import EMPTY, Head
from reports.core.settings import (
    CampaignProfile,
    Element,
    Group,
    Law,
    Published,
    Registry,
    Required,
    folded,
)
from reports.core.window import Audience, Window
from reports.evidence.collect import Evidence

MOST_ROWS = 46
MOST_TOLD = 5
LONGEST_YEAR = 366
EACH_NEEDED = frozenset(("all of", "excludes"))  # groups with this logic need evidence for each element


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
    """A stretch of days, both ends included, with its exchanges and, if it is one day, its accounts.

    `missing` are those of its `days` without evidence; a `gap` has evidence on none. In a window of more than a year,
    days are printed `with_year`.
    """

    first: date
    last: date
    days: Quantity
    exchanges: Quantity
    accounts: Quantity | None
    missing: tuple[date, ...]
    gap: bool
    with_year: bool


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
    """An element of the law and the evidence for it in the registry, by campaign.

    `lacking` are the campaigns for which missing evidence is a gap, by the logic of the element's group. An element
    without a group is a gap if no campaign has evidence for it.
    """

    element: Element
    evidence: tuple[tuple[str, str], ...]
    lacking: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FindingGroup:
    """A group of elements; `lacking` are the campaigns without evidence for any of them, where one is needed."""

    group: Group
    findings: tuple[Finding, ...]
    lacking: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Matter:
    """A matter that the law requires to be assessed, and the registry's evidence for it, by campaign."""

    required: Required
    evidence: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Known:
    """A campaign on record: its exchanges in all evidence up to the window's end, and what was published of it.

    `exchanges` is None if the evidence has no detection of it; `operator` where the naming rule withholds one.
    """

    name: str
    operator: str | None
    in_window: bool
    exchanges: Quantity | None
    published: Published | None
    published_exchanges: Quantity | None
    published_accounts: Quantity | None


@dataclass(frozen=True, slots=True)
class Earlier:
    """A campaign that is known from published figures."""

    name: str
    published: Published
    exchanges: Quantity
    accounts: Quantity | None


@dataclass(frozen=True, slots=True)
class Besides:
    """What the window before, and all evidence up to the window's end, hold beside the campaigns of the window.

    `unattributed_…` is attributed to no campaign, `others_…` to one of the campaigns that are not in the window.
    """

    unattributed_before: Quantity
    unattributed_whole: Quantity
    others: Quantity
    others_before: Quantity
    others_whole: Quantity
    total_whole: Quantity


@dataclass(frozen=True, slots=True)
class Part:
    """A campaign as the pages present it.

    `on_record` are its exchanges in all evidence up to the window's end. `ahead` of it are the other campaigns on
    record that are as large or larger, or may be; `published` are the others of which figures were published.
    `known_larger` is whether a figure that was published of it is more than the evidence has.
    """

    entry: CampaignProfile
    output_tokens: Quantity | None
    active_days: Quantity
    first_seen: datetime
    last_seen: datetime
    share: Quantity
    whole: Line
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
    ahead: Quantity
    published: Quantity
    on_record: Quantity
    known_larger: bool
    largest_on_record: bool

    @property
    def campaign_id(self) -> str:
        """The campaign's id."""
        return self.entry.campaign_id

    @property
    def name(self) -> str:
        """What the campaign is called."""
        return self.entry.name

    @property
    def operator(self) -> str | None:
        """The operator; None if the naming rule withholds it, or there is none on file."""
        return self.entry.printable_operator

    @property
    def exchanges(self) -> Quantity:
        """All exchanges of the campaign in the window."""
        return self.whole.exchanges

    @property
    def accounts(self) -> Quantity:
        """All its accounts."""
        return self.whole.accounts

    @property
    def detections(self) -> Quantity:
        """All its detections."""
        return self.whole.detections

    @property
    def withheld(self) -> bool:
        """Whether an operator is on file and not printed."""
        return self.entry.operator is not None and self.operator is None


@dataclass(frozen=True, slots=True)
class SameFigures:
    """The edition before, if another release of Exhibit made it and nothing else differs; and that release."""

    edition: int
    software_version: str


@dataclass(frozen=True, slots=True)
class Edition:
    """Which briefing this is: whose, which edition under its report number, and what was published before it."""

    audience: Audience
    report_number: str
    number: int = 1
    supersedes: str | None = None
    register: Head = EMPTY
    same_figures_as: SameFigures | None = None


@dataclass(frozen=True, slots=True)
class Briefing:
    """Everything that the pages of a briefing say.

    `total` is over all campaigns and unattributed detections; `comparable` is whether the evidence goes back over the
    whole preceding window; `register` is what was published before, as far as it was known then. `account_table` has
    the accounts one by one, where the audience gets them. `record` are all campaigns on record, `found` what all
    detectors found together, by band.
    """

    audience: Audience
    window: Window
    as_of: datetime
    number: str
    edition: int
    supersedes: str | None
    same_figures_as: SameFigures | None
    register: Head
    settings: Settings
    parts: tuple[Part, ...]
    unattributed: Line | None
    total: Line
    preceding: Line
    besides: Besides
    periods: tuple[Period, ...]
    sensitivity: tuple[Line, ...]
    detectors: tuple[Detector, ...]
    found: Detector
    record: tuple[Known, ...]
    earlier: tuple[Earlier, ...]
    findings: tuple[Finding, ...]
    groups: tuple[FindingGroup, ...]
    matters: tuple[Matter, ...]
    comparable: bool
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
    def record_told(self) -> tuple[Known, ...]:
        """The campaigns on record that are listed apart: those not in the window, and those with published figures.

        All of them; for a lawmaker, those with published figures and the largest of the others.
        """
        apart = [each for each in self.record if each.published or not each.in_window]
        if self.audience == "regulator":
            return tuple(apart)
        others = [each for each in apart if not each.published][:MOST_TOLD]
        return tuple(each for each in apart if each.published or each in others)

    @property
    def record_untold(self) -> Quantity:
        """How many campaigns on record are neither in the window nor listed apart."""
        absent = [each for each in self.record if not each.in_window]
        told = sum(not each.in_window for each in self.record_told)
        return _count(len(absent) - told, "campaigns", {"campaigns": "others on record"}, "history")

    @property
    def peak(self) -> Period:
        """The period with most exchanges, the first of them if several."""
        return max(self.periods, key=lambda period: period.exchanges.value)

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
    def campaign_count(self) -> Quantity:
        """How many campaigns the window has."""
        return _count(len(self.parts), "campaigns", {"heading": "total"})

    @property
    def attributed(self) -> Quantity:
        """The exchanges that are attributed to campaigns."""
        exchanges = sum(campaign.activity.exchanges for campaign in self.campaigns.campaigns)
        return _count(exchanges, "exchanges", {"heading": "total", "campaigns": "attributed"})

    @property
    def days(self) -> Quantity:
        """How many days the window has."""
        return Quantity(len(self.window), "days", "request", {"window": str(self.window)})

    @property
    def period_days(self) -> Quantity:
        """How many days each period has, but perhaps the last."""
        row = {"window": str(self.window), "days": "of a period"}
        return Quantity(_step(self.window), "days", "request", row)

    @property
    def active_days(self) -> Quantity:
        """On how many days there were detections."""
        return _count(len(self.campaigns.by_day), "active_days", {"heading": "day"})

    @property
    def unattributed_days(self) -> Quantity:
        """On how many days there were detections that are attributed to no campaign."""
        outside = self.campaigns.unattributed
        row = {"heading": "day", "campaign_id": None}
        return _count(outside.active_days if outside else 0, "active_days", row)

    @property
    def gaps(self) -> tuple[date, ...]:
        """The days of the window without evidence."""
        return self.evidence.gaps

    @property
    def gap_count(self) -> Quantity:
        """How many days of the window have no evidence."""
        return _count(len(self.gaps), "days", {"heading": "day", "absent": True})

    @property
    def standings(self) -> Mapping[str, Quantity]:
        """How many rows were delivered, by what became of them."""
        return {
            standing: _count(self.campaigns.standings.get(standing, 0), "rows", {"standing": standing})
            for standing in ("tallied", "superseded", "excluded")
        }

    @property
    def delivered(self) -> Quantity:
        """How many rows were delivered."""
        return _count(sum(self.campaigns.standings.values()), "rows", {"standing": "all"})

    @property
    def object_count(self) -> Quantity:
        """How many evidence objects were read."""
        return Quantity(len(self.evidence.objects), "objects", "evidence", {"subjects": "all"})

    @property
    def settling_days(self) -> Quantity:
        """For how many days after the window updates are expected."""
        days = self.evidence.settling_days
        return Quantity(days, "days", "settings", {"setting": "settling_days"})

    @property
    def settled(self) -> bool:
        """Whether the settling time is over, so that no update is expected any more."""
        return self.window.settled(self.as_of, self.evidence.settling_days)

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
        """Whether the data is synthetic, which every page says."""
        return self.settings.dataset.synthetic

    @property
    def title(self) -> str:
        """The document's title."""
        return "Model-distillation campaigns"


def compose(  # noqa: PLR0913 -- all that a briefing is made from
    window: Window,
    evidence: Evidence,
    campaigns: Campaigns,
    edition: Edition,
    *,
    settings: Settings,
    as_of: datetime,
    account_table: AccountTable | None = None,
) -> Briefing:
    """Compose an edition of a briefing; the same arguments give the same briefing.

    Raises `InvalidSettings` if the registry names an element or a matter that the law does not have, or an
    operator in a text although the naming rule withholds it.
    """
    _check_withheld(settings.registry)
    _check_law(settings)
    everything = Tally(None, campaigns.exchanges, campaigns.accounts, campaigns.detections)
    total = _line_of_all(everything, {"heading": "total"})
    comparable = evidence.since <= window.preceding.first
    published = sum(each.entry.published is not None for each in campaigns.record)
    return Briefing(
        audience=edition.audience,
        window=window,
        as_of=as_of,
        number=edition.report_number,
        edition=edition.number,
        supersedes=edition.supersedes,
        same_figures_as=edition.same_figures_as,
        register=edition.register,
        settings=settings,
        parts=tuple(_part(c, total, comparable, published) for c in campaigns.campaigns),
        unattributed=_unattributed(campaigns.unattributed, total),
        total=total,
        preceding=_line(campaigns.preceding, {"window": "preceding"}, None, question="history"),
        besides=_besides(campaigns),
        periods=_periods(window, campaigns.by_day, evidence.gaps),
        sensitivity=_lines(campaigns.by_confidence, {}, "confidence", total.exchanges),
        detectors=tuple(_detector(d) for d in campaigns.detectors),
        found=_found(campaigns.detectors),
        record=tuple(_known(each) for each in campaigns.record),
        earlier=_earlier(settings.registry, campaigns.record),
        findings=_findings(settings.law, campaigns.campaigns),
        groups=_groups(settings.law, campaigns.campaigns),
        matters=_matters(settings.law, campaigns.campaigns),
        comparable=comparable,
        evidence=evidence,
        campaigns=campaigns,
        account_table=account_table,
    )


def report_number(window: Window, audience: Audience, other: str | None = None) -> str:
    """The number that all editions of a briefing share: `EX-20260422-20260605-L`.

    One for an `other` addressee than that of the settings is a document of its own, and ends with four digits of the
    addressee's digest: `EX-20260422-20260605-L-3f2a`.
    """
    number = f"EX-{window.first:%Y%m%d}-{window.last:%Y%m%d}-{audience[0].upper()}"
    return number if other is None else f"{number}-{sha256(other.encode()).hexdigest()[:4]}"


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


def _line_of_all(tally: Tally, row: Mapping[str, Any]) -> Line:
    """The last row of a table, with a share of 100 %."""
    line = _line(tally, row, None)
    return replace(line, share=line.exchanges.per(line.exchanges) if line.exchanges.value else None)


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


def _part(campaign: Campaign, total: Line, comparable: bool, published: int) -> Part:
    activity, row = campaign.activity, {"campaign_id": campaign.campaign_id}
    whole = _line_of_all(
        Tally(None, activity.exchanges, activity.accounts, activity.detections),
        {**row, "heading": "total"},
    )

    def lines(tallies: Iterable[Tally], heading: str) -> tuple[Line, ...]:
        return _lines(tallies, row, heading, whole.exchanges)

    before = _line(campaign.preceding, {**row, "window": "preceding"}, None, question="history")
    return Part(
        entry=campaign.entry,
        output_tokens=_output_tokens(activity, row),
        active_days=_count(activity.active_days, "active_days", {**row, "heading": "day"}),
        first_seen=activity.first_seen,
        last_seen=activity.last_seen,
        share=_share(whole.exchanges, total.exchanges),
        whole=whole,
        by_day=lines(activity.by_day, "day"),
        by_capability=lines(activity.by_capability, "capability"),
        by_detector=lines(activity.by_detector, "detector"),
        by_network=lines(activity.by_network, "network"),
        by_country=lines(activity.by_country, "country"),
        by_confidence=lines(activity.by_confidence, "confidence"),
        peak=lines([activity.peak], "day")[0],
        most_accounts=lines([activity.most_accounts], "day")[0],
        busiest_tenth=_busiest_tenth(activity, row),
        concentration=_concentration(activity, row),
        preceding=before,
        growth=whole.exchanges.per(before.exchanges, "multiple")
        if comparable and before.exchanges.value
        else None,
        rank=Quantity(campaign.rank, "rank", "history", row),
        known=Quantity(campaign.known, "campaigns", "history", {"campaigns": "all on record"}),
        ahead=Quantity(campaign.rank - 1, "campaigns", "history", {**row, "campaigns": "as large or larger"}),
        published=_others_published(campaign, published),
        on_record=_on_record(campaign.whole),
        known_larger=campaign.whole.least > campaign.whole.exchanges,
        largest_on_record=campaign.largest_on_record,
    )


def _output_tokens(activity: Activity, row: Mapping[str, Any]) -> Quantity | None:
    tokens = activity.output_tokens
    return None if tokens is None else _count(tokens, "output_tokens", {**row, "heading": "total"})


def _busiest_tenth(activity: Activity, row: Mapping[str, Any]) -> Quantity:
    """The share of exchanges that the busiest tenth of the accounts made."""
    of = {**row, "heading": "account", "of": "busiest tenth"}
    return Quantity(activity.busiest_tenth, "share", "tallies", of)


def _concentration(activity: Activity, row: Mapping[str, Any]) -> Quantity:
    """The share of exchanges that the three most wanted capabilities have."""
    largest = [tally for tally in activity.by_capability if tally.key is not None][:3]
    share = Fraction(sum(tally.exchanges for tally in largest), activity.exchanges or 1)
    of = {**row, "heading": "capability", "capabilities": [tally.key for tally in largest]}
    return Quantity(share, "share", "tallies", of)


def _others_published(campaign: Campaign, published: int) -> Quantity:
    """How many other campaigns have published figures, of all that have."""
    row = {"campaign_id": campaign.campaign_id, "campaigns": "others with published figures"}
    return Quantity(published - (campaign.entry.published is not None), "campaigns", "registry", row)


def _on_record(whole: OnRecord) -> Quantity:
    """The exchanges of a campaign in all evidence up to the window's end."""
    row = {"campaign_id": whole.campaign_id, "window": "all until its end"}
    return _count(whole.exchanges, "exchanges", row, "history")


def _besides(campaigns: Campaigns) -> Besides:
    others = [each for each in campaigns.record if not each.in_window]
    whole, before = {"window": "all until its end"}, {"window": "preceding"}

    def exchanges(value: int, row: Mapping[str, Any]) -> Quantity:
        return _count(value, "exchanges", row, "history")

    return Besides(
        unattributed_before=exchanges(
            campaigns.unattributed_before.exchanges, {**before, "campaign_id": None}
        ),
        unattributed_whole=exchanges(campaigns.unattributed_whole, {**whole, "campaign_id": None}),
        others=_count(len(others), "campaigns", {"campaigns": "not in the window"}, "history"),
        others_before=exchanges(
            sum(each.preceding for each in others), {**before, "campaigns": "not in the window"}
        ),
        others_whole=exchanges(
            sum(each.exchanges for each in others), {**whole, "campaigns": "not in the window"}
        ),
        total_whole=exchanges(
            campaigns.unattributed_whole + sum(each.exchanges for each in campaigns.record), whole
        ),
    )


def _unattributed(activity: Activity | None, total: Line) -> Line | None:
    if activity is None:
        return None
    tally = Tally(None, activity.exchanges, activity.accounts, activity.detections)
    return _line(tally, {"heading": "total", "campaign_id": None}, total.exchanges)


def _step(window: Window) -> int:
    """How many days a period has: one, or a week or several where days would not fit a table."""
    return 1 if len(window) <= MOST_ROWS else 7 * -(-len(window) // (7 * MOST_ROWS))


def _periods(window: Window, by_day: Sequence[Tally], gaps: Collection[date]) -> tuple[Period, ...]:
    step = _step(window)
    found, days = {tally.key: tally for tally in by_day}, window.days
    year, absent = len(window) > LONGEST_YEAR, set(gaps)
    return tuple(_period(days[at : at + step], found, absent, year) for at in range(0, len(days), step))


def _period(
    days: Sequence[date], by_day: Mapping[date, Tally], gaps: Collection[date], with_year: bool
) -> Period:
    tallies = [by_day[day] for day in days if day in by_day]
    missing = tuple(day for day in days if day in gaps)
    row = (
        {"heading": "day", "day": str(days[0])}
        if len(days) == 1
        else {"heading": "day", "from": str(days[0]), "to": str(days[-1])}
    )
    return Period(
        first=days[0],
        last=days[-1],
        days=Quantity(len(days), "days", "request", {"from": str(days[0]), "to": str(days[-1])}),
        exchanges=_count(sum(t.exchanges for t in tallies), "exchanges", row),
        accounts=_count(sum(t.accounts for t in tallies), "accounts", row) if len(days) == 1 else None,
        missing=missing,
        gap=len(missing) == len(days),
        with_year=with_year,
    )


def _detector(version: DetectorVersion) -> Detector:
    row = {"heading": "confidence", "detector": version.detector, "detector_version": version.version}
    return Detector(
        version.detector,
        version.version,
        _count(version.exchanges, "exchanges", row),
        _count(version.detections, "detections", row),
        tuple(_count(n, "detections", {**row, "band": band}) for band, n in enumerate(version.by_band)),
    )


def _found(versions: Sequence[DetectorVersion]) -> Detector:
    """What all detectors found together; each detection is of one."""
    row = {"heading": "confidence"}
    bands = [sum(version.by_band[band] for version in versions) for band in range(len(THRESHOLDS) + 1)]
    return Detector(
        "",
        None,
        _count(sum(version.exchanges for version in versions), "exchanges", row),
        _count(sum(version.detections for version in versions), "detections", row),
        tuple(_count(n, "detections", {**row, "band": band}) for band, n in enumerate(bands)),
    )


def _known(whole: OnRecord) -> Known:
    told = _earlier_of(whole.entry) if whole.entry.published else None
    return Known(
        whole.entry.name,
        whole.entry.printable_operator,
        whole.in_window,
        _on_record(whole) if whole.in_evidence else None,
        whole.entry.published,
        told.exchanges if told else None,
        told.accounts if told else None,
    )


def _earlier(registry: Registry, record: Iterable[OnRecord]) -> tuple[Earlier, ...]:
    """The campaigns with published figures, as the registry lists them, by the names that the pages call them by."""
    named = {each.campaign_id: each.entry for each in record}
    return tuple(_earlier_of(named[entry.campaign_id]) for entry in registry.campaigns if entry.published)


def called(entry: CampaignProfile) -> str:
    """A campaign by its name, with the operator where one is printed."""
    return f"{entry.name}: {entry.printable_operator}" if entry.printable_operator else entry.name


def _earlier_of(entry: CampaignProfile) -> Earlier:
    published = entry.published
    assert published is not None  # noqa: S101 -- the callers ask for these only
    row = {"campaign_id": entry.campaign_id, "field": "published"}
    accounts = published.accounts
    return Earlier(
        called(entry),
        published,
        Quantity(published.exchanges, "exchanges", "registry", row),
        None if accounts is None else Quantity(accounts, "accounts", "registry", row),
    )


def _findings(law: Law, campaigns: Sequence[Campaign]) -> tuple[Finding, ...]:
    return tuple(_finding(law, element, campaigns, "law") for element in law.elements)


def _finding(
    law: Law, element: Element, campaigns: Sequence[Campaign], field: Literal["law", "definitions"]
) -> Finding:
    logic = next((group.logic for group in law.groups if group.id == element.group), None)
    lacking = tuple(c.entry.name for c in campaigns if element.id not in getattr(c.entry, field))
    return Finding(element, _written(campaigns, element.id, field), lacking if logic in EACH_NEEDED else ())


def _groups(law: Law, campaigns: Sequence[Campaign]) -> tuple[FindingGroup, ...]:
    defined = tuple(_finding(law, element, campaigns, "definitions") for element in law.definitions)
    findings = (*defined, *_findings(law, campaigns))
    return tuple(_group(group, findings, campaigns) for group in law.groups)


def _group(group: Group, findings: Sequence[Finding], campaigns: Sequence[Campaign]) -> FindingGroup:
    own = tuple(finding for finding in findings if finding.element.group == group.id)
    ids = {finding.element.id for finding in own}
    lacking = tuple(
        c.entry.name for c in campaigns if not ids & (c.entry.law.keys() | c.entry.definitions.keys())
    )
    return FindingGroup(group, own, lacking if group.logic == "any of" else ())


def _matters(law: Law, campaigns: Sequence[Campaign]) -> tuple[Matter, ...]:
    return tuple(Matter(each, _written(campaigns, each.id, "assessment")) for each in law.assessment)


def _written(
    campaigns: Iterable[Campaign], id_: str, field: Literal["law", "definitions", "assessment"]
) -> tuple[tuple[str, str], ...]:
    """What the registry says of an element or a matter, with the campaign that it says it of."""
    return tuple(
        (c.entry.name, written[id_]) for c in campaigns if id_ in (written := getattr(c.entry, field))
    )


def _check_law(settings: Settings) -> None:
    """Refuse what the registry has on something that the law does not have.

    If a law file lists no definitions, the registry may have any.
    """
    law = settings.law
    for entry in settings.registry.campaigns:
        for field, kind, written, listed in (
            ("law", "element", entry.law, law.elements),
            ("definitions", "definition", entry.definitions if law.definitions else {}, law.definitions),
            ("assessment", "matter", entry.assessment, law.assessment),
        ):
            known = {each.id for each in listed}
            unknown = sorted(written.keys() - known)
            if unknown:
                use = f"use one of {', '.join(sorted(known))}" if known else "remove it"
                raise InvalidSettings(
                    f"campaigns.yaml: campaign {entry.campaign_id}: {field}: {law.citation} has no {kind} "
                    f"{unknown[0]!r}: {use}"
                )


def _check_withheld(registry: Registry) -> None:
    """Refuse a text that names a withheld operator, unless it is about one of that name who is printed."""
    withheld = [
        (e, folded(e.operator)) for e in registry.campaigns if e.operator and not e.printable_operator
    ]
    names = Names(name for _, name in withheld)
    operators = (folded(e.printable_operator) for e in registry.campaigns if e.printable_operator)
    printed = {name for operator in operators for name in names.mentioned(operator)}
    anywhere: dict[str, str] = {}
    own: dict[tuple[str, str | None], str] = {}
    for campaign_id, place, text in _texts(registry):
        for name in names.mentioned(text):
            anywhere.setdefault(name, place)
            own.setdefault((name, campaign_id), place)
    for entry, name in withheld:
        found = own.get((name, entry.campaign_id)) if name in printed else anywhere.get(name)
        if found:
            raise InvalidSettings(
                f"campaigns.yaml: {found} names the operator of {entry.campaign_id}, who is withheld: "
                "record two approvers and at least moderate confidence, or reword it"
            )


def _texts(registry: Registry) -> Iterator[tuple[str | None, str, str]]:
    """All texts of a registry except operators: campaign id, place and folded text."""
    for entry in registry.campaigns:
        for field, content in entry.model_dump(exclude={"operator"}).items():
            yield entry.campaign_id, f"campaign {entry.campaign_id}: {field}", _folded(content)
    for field, content in registry.model_dump(exclude={"campaigns"}).items():
        yield None, field, _folded(content)


def _folded(content: Any) -> str:
    """All texts in a setting, `folded`."""
    if isinstance(content, Mapping):
        content = [*content, *content.values()]
    if isinstance(content, list | tuple):
        return "\n".join(map(_folded, content))
    return folded(str(content))

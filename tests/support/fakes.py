"""A query engine and an evidence source in memory, and briefings made with them."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from reports.briefing.accounts import pseudonymised
from reports.briefing.compose import Briefing, Edition, compose, report_number
from reports.briefing.content import Content
from reports.briefing.group import group
from reports.briefing.settings import Settings
from reports.core.progress import Done
from reports.core.settings import CampaignProfile, Dataset, Element, Issuer, Law, Registry
from reports.core.window import Audience, Window
from reports.evidence import questions
from reports.evidence.collect import collect
from reports.evidence.questions import Answer, Inquiry, Question, Row
from reports.evidence.source import EvidenceObject, ListedObject, locate

AS_OF = datetime(2026, 6, 20, 12, tzinfo=UTC)
COUNTED = ("new", "in_progress", "resolved")


@dataclass(frozen=True)
class Detection:
    """A row of the flat layout."""

    detection_id: str
    account_id: str
    campaign_id: str | None
    first_seen: datetime
    last_seen: datetime
    exchange_count: int
    confidence: float = 0.9
    output_tokens: int | None = None
    capability: str | None = None
    detector: str = "prompts"
    detector_version: str | None = None
    network: str | None = None
    country: str | None = None
    status: str = "new"
    revised_at: datetime = datetime(2026, 6, 6)
    delivered_in: str = ""

    @property
    def event_day(self) -> date:
        """The UTC day of the activity."""
        return self.first_seen.date()

    @property
    def object(self) -> str:
        """The evidence object that holds the row."""
        return self.delivered_in or f"detections/event_day={self.event_day}/part.jsonl"

    @property
    def band(self) -> int:
        """How many of the thresholds 0.5, 0.7 and 0.9 the confidence reaches."""
        return sum(self.confidence >= threshold for threshold in (0.5, 0.7, 0.9))


@dataclass
class FakeEngine:
    """Answers questions about detections in memory as the SQL does, and remembers what it was asked."""

    detections: Iterable[Detection]
    asked: list[Question] = field(default_factory=list)

    def ask(self, question: Question, progress: Done) -> Answer:
        """Answer exactly."""
        self.asked.append(question)
        progress(1, 1)
        rows = rows_of(question, _standings(d for d in self.detections if d.event_day in question.about))
        sql = questions.statement(question.name, "flat")
        return Answer(question.name, sql, question.parameters, "fake", "1", None, questions.ordered(rows))

    def stop(self, executions: Iterable[str]) -> None:
        """Nothing outlasts `ask`."""


@dataclass
class FakeSource:
    """Holds objects in memory: `deliveries` are its contents at each listing, of which the last one stays."""

    deliveries: Sequence[Mapping[str, bytes]]
    settings: Mapping[str, str] = field(default_factory=dict)
    pinned: list[str] = field(default_factory=list)
    listings: int = 0

    def tops(self) -> tuple[str, ...]:
        """The names at the top."""
        names = [name.partition("/") for name in (*self.deliveries[-1], *self.settings)]
        return tuple(sorted({top + slash for top, slash, _ in names}))

    def list(self, only: Collection[str] | None = None) -> tuple[ListedObject, ...]:
        """Every object, in the order of the names."""
        assert only is None
        contents = self.deliveries[min(self.listings, len(self.deliveries) - 1)]
        self.listings += 1
        located = (locate(name, len(content)) for name, content in sorted(contents.items()))
        return tuple(o for o in located if o)

    def pin(self, objects: Iterable[ListedObject]) -> tuple[EvidenceObject, ...]:
        """Digest the objects as they are after the latest listing."""
        contents = self.deliveries[min(self.listings - 1, len(self.deliveries) - 1)]
        names = [o.name for o in objects]
        self.pinned = names
        return tuple(
            EvidenceObject(name, hashlib.sha256(contents[name]).hexdigest(), len(contents[name]))
            for name in names
        )

    def text(self, name: str) -> str | None:
        """A settings file, or None."""
        return self.settings.get(name)


def source_of(detections: Iterable[Detection]) -> FakeSource:
    """A source with the objects that hold detections: each day's, unless they name another."""
    return FakeSource([{d.object: str(d.event_day).encode() for d in detections}])


def rows_of(question: Question, standings: Mapping[str, Sequence[Detection]]) -> list[Row]:
    """The rows that answer a question, from what became of each detection that it is about."""
    return {"tallies": _tallies, "history": _history}[question.name](standings, question)


def _standings(delivered: Iterable[Detection]) -> dict[str, list[Detection]]:
    revisions: dict[tuple[date, str], list[Detection]] = defaultdict(list)
    for detection in delivered:
        revisions[detection.event_day, detection.detection_id].append(detection)
    standings: dict[str, list[Detection]] = defaultdict(list)
    for of_id in revisions.values():
        *superseded, latest = sorted(of_id, key=lambda d: d.revised_at)
        standings["superseded"] += superseded
        standings["tallied" if latest.status in COUNTED else "excluded"].append(latest)
    return standings


_BY_STANDING: Mapping[str, tuple[str, ...]] = {"total": (), "day": ("event_day",), "object": ("object",)}
_BY_CAMPAIGN: Mapping[str, tuple[str, ...]] = {
    "total": (),
    "day": ("event_day",),
    "country": ("country",),
    "network": ("network",),
    "capability": ("capability",),
    "detector": ("detector",),
    "detector_version": ("detector", "detector_version"),
    "confidence": ("detector", "detector_version", "band"),
}


def _tallies(standings: Mapping[str, Sequence[Detection]], question: Question) -> list[Row]:
    each_account = question.last == ("true",)
    rows = [*_accounts(standings["tallied"], None, each_account=False)]
    for keys, of_campaign in _grouped(standings["tallied"], ("campaign_id",)):
        rows += _accounts(of_campaign, keys, each_account=each_account)
    for standing, of_standing in standings.items():
        for heading, by in _BY_STANDING.items():
            rows += _rows(of_standing, by, heading=heading, standing=standing, all_campaigns=True)
    for heading, by in _BY_CAMPAIGN.items():
        rows += _rows(
            standings["tallied"],
            ("campaign_id", *by),
            heading=heading,
            standing="tallied",
            all_campaigns=False,
        )
    return rows


def _accounts(
    detections: Sequence[Detection], campaign: Mapping[str, Any] | None, *, each_account: bool
) -> Iterator[Row]:
    """Accounts one by one, or together by their highest band; the busiest tenth, rounded up, carries its exchanges."""
    each = sorted(
        (
            (sum(d.exchange_count for d in of), keys["account_id"], of)
            for keys, of in _grouped(detections, ("account_id",))
        ),
        key=lambda account: (-account[0], account[1]),
    )
    together = defaultdict(list)
    for place, (exchanges, account, of) in enumerate(each):
        busiest = exchanges if place < len(each) / 10 else None
        highest = max(d.band for d in of)
        together[(account if each_account else None), highest].append((busiest, of))
    for (account, highest), accounts in together.items():
        row = _row(
            [d for _, of in accounts for d in of],
            campaign or {},
            heading="account",
            standing="tallied",
            all_campaigns=campaign is None,
        )
        tenths = [tenth for tenth, _ in accounts if tenth is not None]
        yield {
            **row,
            "account_id": account,
            "highest_band": highest,
            "busiest_tenth": sum(tenths) if tenths else None,
        }


def _rows(detections: Sequence[Detection], by: Sequence[str], **constants: Any) -> list[Row]:
    return [_row(group, keys, **constants) for keys, group in _grouped(detections, by)]


def _row(group: Sequence[Detection], keys: Mapping[str, Any], *, heading: str, **constants: Any) -> Row:
    days = {d.event_day for d in group}
    tokens = [d.output_tokens for d in group if d.output_tokens is not None]
    only = _only(heading)
    return {
        "heading": heading,
        **constants,
        **dict.fromkeys(("campaign_id", "account_id", "event_day", "country", "network", "capability")),
        **dict.fromkeys(("detector", "detector_version", "band", "highest_band", "object")),
        **keys,
        "detections": len(group),
        "exchanges": sum(d.exchange_count for d in group),
        "accounts": 0 if heading in {"confidence", "object"} else len({d.account_id for d in group}),
        "busiest_tenth": None,
        "first_day": only("account", min(days)),
        "last_day": only("account", max(days)),
        "output_tokens": only("confidence", sum(tokens) if tokens else None),
        "first_seen": only("confidence", min(d.first_seen for d in group)),
        "last_seen": only("confidence", max(d.last_seen for d in group)),
    }


def _only(heading: str) -> Callable[[str, Any], Any]:
    return lambda wanted, value: value if heading == wanted else None


def _history(standings: Mapping[str, Sequence[Detection]], question: Question) -> list[Row]:
    start = date.fromisoformat(question.leading[0])
    rows: list[Row] = []
    for all_days in (True, False):
        for by in ((), ("campaign_id",)):
            rows += [
                {
                    "standing": "tallied",
                    "campaign_id": keys.get("campaign_id"),
                    "all_campaigns": not by,
                    "all_days": all_days,
                    "preceding": None if all_days else preceding,
                    "detections": len(group),
                    "exchanges": sum(d.exchange_count for d in group),
                    "accounts": len({d.account_id for d in group}) if preceding else None,
                }
                for preceding in ((None,) if all_days else (True, False))
                for keys, group in _grouped(
                    [d for d in standings["tallied"] if all_days or (d.event_day >= start) == preceding], by
                )
            ]
    return rows


def _grouped(
    detections: Sequence[Detection], by: Sequence[str]
) -> list[tuple[dict[str, Any], list[Detection]]]:
    groups: dict[tuple[Any, ...], list[Detection]] = defaultdict(list)
    for detection in detections:
        groups[tuple(getattr(detection, key) for key in by)].append(detection)
    return [(dict(zip(by, keys, strict=True)), group) for keys, group in groups.items()]


KEY = bytes(range(32))
"""Of the pseudonyms of accounts."""

LAW = Law(
    citation="H.R. 8283",
    status="as introduced",
    title="elements",
    elements=(
        Element(id="A", text="text A", plain="plain A"),
        Element(id="B", text="text B", plain="plain B"),
    ),
)


def settings_of(*entries: CampaignProfile, synthetic: bool = True, law: Law = LAW) -> Settings:
    """Settings with some registry entries."""
    return Settings(
        Registry(campaigns=entries), Dataset(synthetic=synthetic), Issuer(name="Example Lab"), law
    )


def composed(
    detections: Sequence[Detection],
    window: Window,
    audience: Audience = "lawmaker",
    *entries: CampaignProfile,
    law: Law = LAW,
) -> Briefing:
    """The briefing of some detections, a fortnight after the window."""
    settings = settings_of(*entries, law=law)
    as_of = datetime.combine(window.last + timedelta(14), time(), UTC)
    inquiry = Inquiry(window, as_of, each_account=audience == "regulator")
    evidence = collect(inquiry, FakeEngine(detections), source_of(detections), lambda *_: None)
    campaigns = group(evidence, settings.registry)
    table = pseudonymised(campaigns.each_account, KEY) if audience == "regulator" else None
    edition = Edition(audience, report_number(window, audience))
    return compose(window, evidence, campaigns, edition, settings=settings, as_of=as_of, account_table=table)


def content_of(briefing: Briefing, page_size: str = "letter", templates_sha256: str = "") -> Content:
    """The content of a briefing."""
    return Content.of(briefing, page_size, templates_sha256)

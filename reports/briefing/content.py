"""What is recorded of a briefing: its content as data, and the statement about its evidence.

Made once, before the pages: they, the attachments and the receipt all take it from here.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from typing import Any

from reports import __version__
from reports.briefing.accounts import AccountTable
from reports.briefing.compose import Briefing, FindingGroup, Part
from reports.briefing.figures import Figure, Quantity
from reports.briefing.group import THRESHOLDS, Activity, Campaign, Tally
from reports.briefing.settings import Settings
from reports.core import merkle
from reports.core.settings import Published
from reports.core.window import Window
from reports.evidence.collect import Contribution, Evidence
from reports.evidence.questions import Answer
from reports.evidence.source import EvidenceObject, locate

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "urn:exhibit:evidence:v2"
_PLAIN = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Content:
    """A briefing, and what its attachments and its receipt record of it, as far as that is known before the pages.

    `data` lacks the figures that the pages print, `statement` lacks how they are made. `templates_sha256` is the digest
    of all that the pages are made of, `sha256` that of the content.
    """

    briefing: Briefing
    page_size: str
    templates_sha256: str
    data: Mapping[str, Any]
    statement: Mapping[str, Any]
    sha256: str

    @classmethod
    def of(cls, briefing: Briefing, page_size: str, templates_sha256: str) -> Content:
        """The content of a briefing for pages of a size, made with templates of a digest."""
        data, statement = _data(briefing), _statement(briefing)
        made = [_lasting(statement), briefing.settled, page_size, templates_sha256]
        digest = hashlib.sha256(as_json([_said(data), made])).hexdigest()
        return cls(briefing, page_size, templates_sha256, data, statement, digest)

    @property
    def evidence_objects(self) -> tuple[EvidenceObject, ...]:
        """The evidence objects that the window was counted from."""
        evidence = self.briefing.evidence
        return tuple(o for o in evidence.objects if o.name in evidence.contributions)

    @property
    def earlier_evidence(self) -> tuple[EarlierEvidence, ...]:
        """The other evidence objects, by month."""
        return self._earlier(lambda month: str(month)[:7])

    @property
    def earlier_periods(self) -> tuple[EarlierEvidence, ...]:
        """The other evidence objects: those of the window's year and the year before by month, the rest by year."""
        latest = self.briefing.evidence.window.first.year - 1
        return self._earlier(lambda month: str(month)[: 4 if month.year < latest else 7])

    def _earlier(self, period: Callable[[date], str]) -> tuple[EarlierEvidence, ...]:
        """The objects that the window is only compared with, by the period that their month belongs to."""
        contributions = self.briefing.evidence.contributions
        found: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for each in self.statement["subject"]:
            if each["name"] not in contributions:
                found[period(_month(each))].append(each)
        return tuple(EarlierEvidence.of(*each) for each in sorted(found.items()))

    @property
    def evidence_table(self) -> dict[str, str | None] | None:
        """The name and the snapshot of the issuer's own table, if the evidence is one."""
        table = self.briefing.evidence.table
        if table is None:
            return None
        snapshot = table["snapshot"]
        return {"name": table["name"], "snapshot": None if snapshot is None else str(snapshot)}

    @property
    def evidence_root(self) -> str:
        """The Merkle root over the evidence objects, in hexadecimal."""
        return str(self.statement["predicate"]["merkleRoot"])

    def briefing_json(self, figures: Iterable[Figure], coded: Iterable[str] = ()) -> dict[str, Any]:
        """`briefing.json`, with the figures that the pages print and the characters that they show as codes."""
        codes = list(coded)
        shown = {"printed_as_codes": codes} if codes else {}
        return {**self.data, **shown, "figures": [figure.data for figure in figures]}

    def evidence_json(self, pages: Mapping[str, Any]) -> dict[str, Any]:
        """`evidence.json`, with how `pages` are made."""
        return {**self.statement, "predicate": {**self.statement["predicate"], "pages": dict(pages)}}


@dataclass(frozen=True, slots=True)
class EarlierEvidence:
    """The evidence objects of a month or a year that a window is only compared with.

    `first` is its first day, `year` the year in four digits, if it is one, and `root` the root of their Merkle tree.
    """

    first: date
    year: str | None
    objects: Quantity
    root: str

    @classmethod
    def of(cls, period: str, subjects: Sequence[Mapping[str, Any]]) -> EarlierEvidence:
        """A month or a year, as ISO 8601 writes it, of some subjects of `evidence.json`."""
        first = date.fromisoformat(f"{period}-01-01"[:10])
        objects = Quantity(len(subjects), "objects", "evidence", {"subjects": period})
        return cls(first, period if len(period) == 4 else None, objects, evidence_root(subjects))


def _month(subject: Mapping[str, Any]) -> date:
    if days := subject["annotations"].get("days"):
        return date.fromisoformat(days["from"]).replace(day=1)
    located = locate(subject["name"], subject["annotations"]["size"])
    assert located is not None  # noqa: S101 -- it was listed
    return located.day.replace(day=1)


def _said(data: Mapping[str, Any]) -> dict[str, Any]:
    """What a briefing says, without its edition, the register and the time of the request."""
    passing = ("edition", "supersedes", "same_figures_as", "as_of", "register")
    return {name: value for name, value in data.items() if name not in passing} | {"figures": []}


def _lasting(statement: Mapping[str, Any]) -> dict[str, Any]:
    """A statement without the time of the request, which is the first parameter of a question."""
    predicate = statement["predicate"]
    questions = [asked | {"parameters": asked["parameters"][1:]} for asked in predicate["questions"]]
    return {**statement, "predicate": {**predicate, "questions": questions}}


def as_json(data: Any) -> bytes:
    """JSON for people and machines: UTF-8, two spaces, a newline at the end."""
    return (json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _data(briefing: Briefing) -> dict[str, Any]:
    """`briefing.json` without what its pages add: days as YYYY-MM-DD, instants RFC 3339 in UTC."""
    return {
        "audience": briefing.audience,
        "window": _days(briefing.window),
        "report_number": briefing.number,
        "edition": briefing.edition,
        "supersedes": briefing.supersedes,
        **_same_figures(briefing),
        "register": asdict(briefing.register),
        "as_of": instant(briefing.as_of),
        "synthetic": briefing.synthetic,
        "software_version": __version__,
        "exchanges": briefing.campaigns.exchanges,
        "accounts": briefing.campaigns.accounts,
        "detections": briefing.campaigns.detections,
        "by_day": _keyed("day", briefing.campaigns.by_day),
        "by_confidence": _keyed("confidence", briefing.campaigns.by_confidence),
        "campaigns": [
            {**_identity(part), **activity_data(campaign.activity), **_context(campaign)}
            for part, campaign in zip(briefing.parts, briefing.campaigns.campaigns, strict=True)
        ],
        "unattributed": activity_data(briefing.campaigns.unattributed),
        "preceding": _preceding(briefing),
        "on_record": _on_record(briefing),
        "delivered": dict(briefing.campaigns.standings),
        "delivered_exchanges": dict(briefing.campaigns.delivered_exchanges),
        "gaps": [str(day) for day in briefing.gaps],
        "settling_days": briefing.evidence.settling_days,
        "law": _law(briefing),
        "requests": list(briefing.settings.registry.requests) if briefing.audience == "lawmaker" else [],
    }


def _same_figures(briefing: Briefing) -> dict[str, Any]:
    return {"same_figures_as": asdict(briefing.same_figures_as)} if briefing.same_figures_as else {}


def _law(briefing: Briefing) -> dict[str, Any]:
    """The law, and the registry's evidence for it. Keys that were added later appear only if the law file has them."""
    law = briefing.settings.law
    told: dict[str, Any] = {"citation": law.citation, "status": law.status}
    if law.version:
        told["version"] = {"text": law.version.text, "date": str(law.version.date)}
    if law.stage:
        told["stage"] = {"action": law.stage.action, "date": str(law.stage.date)}
    if law.groups:
        told["groups"] = [_group(each) for each in briefing.groups]
    return {
        **told,
        "elements": [{"id": f.element.id, "evidence": _by_campaign(f.evidence)} for f in briefing.findings],
        "assessment": [
            {"id": m.required.id, "answered_by": m.required.answered_by, "evidence": _by_campaign(m.evidence)}
            for m in briefing.matters
        ],
    }


def _group(told: FindingGroup) -> dict[str, Any]:
    """A group of the law: its logic, the campaigns for which it is a gap, and the same for each of its elements."""
    return {
        "id": told.group.id,
        "logic": told.group.logic,
        "gaps": list(told.lacking),
        "elements": [
            {"id": f.element.id, "gaps": list(f.lacking), "evidence": _by_campaign(f.evidence)}
            for f in told.findings
        ],
    }


def _by_campaign(evidence: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"campaign": name, "text": text} for name, text in evidence]


def _identity(part: Part) -> dict[str, Any]:
    """The identity of a campaign, as far as the naming rule lets it be printed."""
    attribution = part.entry.attribution
    return {
        "campaign_id": part.campaign_id,
        "name": part.name,
        "operator": part.operator,
        "operator_withheld": part.withheld,
        "confidence": attribution.confidence if attribution else None,
        "likelihood": attribution.likelihood if attribution else None,
        "techniques": list(part.entry.techniques),
    }


def _preceding(briefing: Briefing) -> dict[str, Any]:
    """The window before: all of it, what belonged to no campaign, and the exchanges of campaigns not in the window."""
    campaigns, window = briefing.campaigns, briefing.window.preceding
    return {
        "from": str(window.first),
        "to": str(window.last),
        "covered": briefing.comparable,
        **_totals(campaigns.preceding),
        "unattributed": _totals(campaigns.unattributed_before),
        "not_in_window": sum(each.preceding for each in campaigns.record if not each.in_window),
    }


def _on_record(briefing: Briefing) -> dict[str, Any]:
    """What campaigns are ranked by: exchanges in all evidence up to the window's end, and published figures."""
    campaigns = briefing.campaigns
    return {
        "from": str(briefing.evidence.since),
        "to": str(briefing.window.last),
        "exchanges": campaigns.unattributed_whole + sum(each.exchanges for each in campaigns.record),
        "unattributed": campaigns.unattributed_whole,
        "campaigns": [
            {
                "campaign_id": each.campaign_id,
                "name": each.entry.name,
                "in_window": each.in_window,
                "exchanges": each.exchanges if each.in_evidence else None,
                "published": _published(each.entry.published),
            }
            for each in campaigns.record
        ],
    }


def _published(figures: Published | None) -> dict[str, Any] | None:
    if figures is None:
        return None
    return {
        "exchanges": figures.exchanges,
        "exchanges_hedge": figures.exchanges_hedge,
        "accounts": figures.accounts,
        "accounts_hedge": figures.accounts_hedge if figures.accounts is not None else None,
        "from": str(figures.first) if figures.first else None,
        "to": str(figures.last) if figures.last else None,
        "disclosed": str(figures.disclosed),
        "source": figures.source,
    }


def _totals(tally: Tally) -> dict[str, int]:
    return {"exchanges": tally.exchanges, "accounts": tally.accounts, "detections": tally.detections}


def _context(campaign: Campaign) -> dict[str, Any]:
    return {
        "preceding": _totals(campaign.preceding),
        "on_record": campaign.whole.exchanges,
        "rank": campaign.rank,
        "known_campaigns": campaign.known,
        "largest_on_record": campaign.largest_on_record,
    }


def activity_data(activity: Activity | None) -> dict[str, Any]:
    """Totals and tallies of one campaign, or of the unattributed detections; None means no detections."""
    if activity is None:
        return _NOTHING
    return {
        "exchanges": activity.exchanges,
        "accounts": activity.accounts,
        "detections": activity.detections,
        "output_tokens": activity.output_tokens,
        "first_seen": instant(activity.first_seen),
        "last_seen": instant(activity.last_seen),
        "active_days": activity.active_days,
        "by_day": _keyed("day", activity.by_day),
        "by_capability": _keyed("capability", activity.by_capability),
        "by_detector": _keyed("detector", activity.by_detector),
        "by_network": _keyed("network", activity.by_network),
        "by_country": _keyed("country", activity.by_country),
        "by_confidence": _keyed("confidence", activity.by_confidence),
    }


def _keyed(key: str, tallies: Iterable[Tally]) -> list[dict[str, Any]]:
    return [
        {
            key: str(t.key) if isinstance(t.key, date) else t.key,
            "exchanges": t.exchanges,
            "accounts": t.accounts,
            "detections": t.detections,
        }
        for t in tallies
    ]


_NOTHING: dict[str, Any] = {
    **{"exchanges": 0, "accounts": 0, "detections": 0, "output_tokens": None},
    **{"first_seen": None, "last_seen": None, "active_days": 0},
    **{f"by_{heading}": [] for heading in ("day", "capability", "detector", "network", "country")},
    "by_confidence": _keyed("confidence", (Tally(threshold, 0, 0, 0) for threshold in THRESHOLDS)),
}


def _statement(briefing: Briefing) -> dict[str, Any]:
    """`evidence.json` without how the pages are made: an in-toto Statement v1 about the evidence objects."""
    evidence = briefing.evidence
    listed = _subjects(evidence)
    return {
        "_type": STATEMENT_TYPE,
        "subject": listed,
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "merkleRoot": evidence_root(listed),
            **_accounts(briefing.account_table),
            **({"table": dict(evidence.table)} if evidence.table else {}),
            "window": _days(evidence.window),
            "settlingDays": evidence.settling_days,
            "questions": [_asked(answer) for answer in evidence.answers],
            "settings": settings_digests(briefing.settings),
            "addressee": briefing.settings.issuer.addressee.get(briefing.audience),
            "marking": briefing.settings.marking,
            "pages": {},
            "software": {"version": __version__, "name": "exhibit"},
        },
    }


def _accounts(found: AccountTable | None) -> dict[str, Any]:
    return {"accounts": {"merkleRoot": found.root, "keyCheck": found.key_check}} if found else {}


def _subjects(evidence: Evidence) -> list[dict[str, Any]]:
    """The evidence objects as `evidence.json` lists them, each with what it contributed, if the tallies are of it."""
    return [
        {
            "name": o.name,
            "digest": {"sha256": o.sha256},
            "annotations": {
                "size": o.size,
                "version": o.version,
                **({"days": _days(evidence.days[o.name])} if o.name in evidence.days else {}),
                **_contributed(evidence.contributions.get(o.name)),
            },
        }
        for o in evidence.objects
    ]


def _days(window: Window) -> dict[str, str]:
    return {"from": str(window.first), "to": str(window.last)}


def _contributed(contribution: Contribution | None) -> dict[str, Any]:
    """An object's delivered rows and exchanges, the ids whose latest revision it has, and how much of these counts."""
    if contribution is None:
        return {}
    rows, exchanges = contribution.rows, contribution.exchanges
    return {
        "rows": sum(rows.values()),
        "detections": rows.get("tallied", 0) + rows.get("excluded", 0),
        "exchanges": sum(exchanges.values()),
        "counted": {"detections": rows.get("tallied", 0), "exchanges": exchanges.get("tallied", 0)},
    }


def evidence_root(listed: Iterable[Mapping[str, Any]]) -> str:
    """The Merkle root over the subjects of `evidence.json`, in hexadecimal; each one's JSON is a leaf."""
    return merkle.root([plain_json(subject).encode() for subject in listed]).hex()


def plain_json(data: Any) -> str:
    """JSON for digests: sorted keys, no spaces, no unnecessary escapes."""
    return _PLAIN.encode(data)


def settings_digests(settings: Settings) -> list[dict[str, Any]]:
    """The settings in force, each with the SHA-256 of its JSON: sorted keys, no spaces, UTF-8."""
    models = {
        "campaigns.yaml": settings.registry,
        "dataset.yaml": settings.dataset,
        "issuer.yaml": settings.issuer,
        "law.yaml": settings.law,
    }
    written = {name: plain_json(model.model_dump(mode="json")) for name, model in models.items()}
    return [
        {"name": name, "digest": {"sha256": hashlib.sha256(text.encode()).hexdigest()}}
        for name, text in written.items()
    ]


def _asked(answer: Answer) -> dict[str, Any]:
    return {
        "name": answer.question,
        "sql": answer.sql,
        "sqlSha256": answer.sql_sha256,
        "parameters": list(answer.parameters),
        "rows": len(answer.rows),
        "resultSha256": answer.result_sha256,
    }


def instant(time: datetime) -> str:
    """RFC 3339 in UTC; a naive time is UTC."""
    utc = time if time.tzinfo is None else time.astimezone(UTC).replace(tzinfo=None)
    return utc.isoformat() + "Z"

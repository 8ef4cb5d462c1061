"""What templates are given: plain, frozen data made from a briefing.

Templates get only what is named here: no settings model, no row of an answer, no account. A `Record` has only values
under names; lists become tuples, and mappings are read-only; quantities stay as they are, for the filters that print
them. `reports/pages/fill.py` decides what a template can read and call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from fractions import Fraction
from types import MappingProxyType
from typing import Any

from markupsafe import Markup

from reports import __version__
from reports.briefing.compose import (
    Besides,
    Briefing,
    Detector,
    Earlier,
    Finding,
    FindingGroup,
    Known,
    Line,
    Matter,
    Part,
    Period,
    SameFigures,
)
from reports.briefing.content import Content, EarlierEvidence
from reports.briefing.figures import Quantity
from reports.core.log_head import Head
from reports.core.settings import (
    TECHNIQUES,
    Action,
    Alternative,
    Attribution,
    CampaignProfile,
    Dataset,
    Element,
    Group,
    Issuer,
    KnownDetector,
    Law,
    Published,
    Registry,
    Required,
    Version,
)
from reports.core.window import Window
from reports.evidence.collect import Evidence
from reports.evidence.questions import Answer
from reports.evidence.source import EvidenceObject

SCALARS = (type(None), bool, int, float, Fraction, str, date, datetime)

# For each type: its name in messages, then the names of the values that templates get
TOLD: Mapping[type, tuple[str, str]] = {
    Briefing: (
        "briefing",
        "audience as_of number edition supersedes same_figures_as register parts told untold unattributed "
        "unattributed_days total attributed active_days days preceding besides periods period_days peak daily "
        "sensitivity detectors found record record_told record_untold earlier findings groups matters standings "
        "delivered gaps gap_count settling_days settled comparable campaign_count object_count edition_number "
        "entry_count techniques synthetic title evidence",
    ),
    Part: (
        "campaign",
        "campaign_id name entry operator withheld exchanges accounts detections output_tokens active_days first_seen "
        "last_seen share whole by_day by_capability by_detector by_network by_country by_confidence peak most_accounts "
        "busiest_tenth concentration preceding growth rank known ahead published on_record "
        "known_larger largest_on_record",
    ),
    Line: ("line", "key exchanges accounts detections share"),
    Period: ("period", "first last days exchanges accounts missing gap with_year"),
    Detector: ("detector", "name version exchanges detections by_band"),
    Finding: ("finding", "element evidence lacking"),
    FindingGroup: ("group of findings", "group findings lacking"),
    Matter: ("matter", "required evidence"),
    Earlier: ("earlier campaign", "name published exchanges accounts"),
    Known: (
        "campaign on record",
        "name operator in_window exchanges published published_exchanges published_accounts",
    ),
    Besides: (
        "what else is on record",
        "unattributed_before unattributed_whole others others_before others_whole total_whole",
    ),
    SameFigures: ("edition with the same figures", "edition software_version"),
    Head: ("register", "entries sha256"),
    Evidence: ("evidence", "settling_days since objects answers gaps"),
    EarlierEvidence: ("period of evidence", "first year objects root"),
    EvidenceObject: ("evidence object", "name sha256 size version"),
    Answer: ("answer", "question sql_sha256 result_sha256"),
    CampaignProfile: (
        "entry",
        "campaign_id name objective attribution techniques methods actions response published law definitions "
        "assessment",
    ),
    Attribution: (
        "attribution",
        "confidence likelihood confidence_statement likelihood_statement basis alternatives may_name",
    ),
    Alternative: ("benign explanation", "explanation assessment"),
    Action: ("action", "date action"),
    Published: (
        "published figure",
        "exchanges exchanges_hedge accounts accounts_hedge first last disclosed source",
    ),
    KnownDetector: ("detector on record", "name strengths weaknesses"),
    Dataset: ("dataset", "synthetic title description"),
    Issuer: (
        "issuer",
        "name unit address contact addressee signatory logo logo_alt marking colours",
    ),
    Law: (
        "law",
        "citation status title version stage note groups definitions elements assessment_title assessment",
    ),
    Version: ("version", "text date"),
    Group: ("group", "id logic text plain"),
    Element: ("element", "id text plain excludes group"),
    Required: ("required matter", "id text answered_by plain note"),
}


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Record:
    """The values, by name, that a template can read. `kind` is its name in messages."""

    kind: str
    fields: Mapping[str, Any]


class Printed(Markup):
    """A figure as it stands on the page; `receipt` is its id in the ledger, `hedged` whether it is rounded."""

    receipt: str
    hedged: bool


def page_data(content: Content) -> dict[str, Any]:
    """Everything that templates get except the charts, by the names that templates use."""
    briefing = content.briefing
    marking = briefing.settings.marking
    issuer = _record(briefing.settings.issuer, marking=marking)
    return {
        "briefing": _briefing(briefing, issuer),
        "issuer": issuer,
        "title": briefing.title,
        "number": briefing.number,
        "release": f"Exhibit {__version__}",
        "marking": plain({"class": marking.removeprefix("TLP:").lower().replace("+", "-"), "label": marking}),
        "colours": issuer.fields["colours"],
        "evidence_root": content.evidence_root,
        "evidence_table": plain(content.evidence_table),
        "evidence_objects": plain(content.evidence_objects),
        "earlier_evidence": plain(content.earlier_evidence),
        "earlier_periods": plain(content.earlier_periods),
        "accounts_root": briefing.account_table.root if briefing.account_table else None,
        "techniques": plain(TECHNIQUES),
    }


def plain(value: Any) -> Any:
    """A value in the form that templates get; raises `TypeError` for a type that they do not get."""
    make = _MAKE.get(type(value))
    if make is None:
        raise TypeError(f"a template is not given a {type(value).__name__}")
    return make(value)


def _record(value: Any, **more: Any) -> Record:
    kind, names = _NAMES[type(value)]
    return Record(kind, _frozen({name: plain(getattr(value, name)) for name in names} | more))


def _tuple(value: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(map(plain, value))


def _mapping(value: Mapping[Any, Any]) -> Mapping[Any, Any]:
    return _frozen({plain(key): plain(each) for key, each in value.items()})


def _same(value: Any) -> Any:
    return value


def _frozen(values: dict[Any, Any]) -> Mapping[Any, Any]:
    return MappingProxyType(values)


def _briefing(briefing: Briefing, issuer: Record) -> Record:
    settings = briefing.settings
    told = {
        "registry": _registry(settings.registry, {each.name for each in briefing.detectors}),
        "dataset": plain(settings.dataset),
        "issuer": issuer,
        "law": plain(settings.law),
    }
    window, before = briefing.window, briefing.window.preceding
    return _record(
        briefing,
        window=_window(window, preceding=_window(before)),
        settings=Record("settings", _frozen(told)),
    )


def _answer(answer: Answer) -> Record:
    """An answer; the engine is not told, as pages are the same whatever engine answers. Earlier templates print it."""
    return _record(answer, engine="see the receipt", engine_version="", execution_id=None)


def _window(window: Window, **more: Any) -> Record:
    told = {"first": window.first, "last": window.last, "days": window.days}
    return Record("window", _frozen(told | more))


def _registry(registry: Registry, detectors: Iterable[str]) -> Record:
    """The registry for templates, with an entry for each detector, including those that it does not list."""
    names = sorted({*detectors, *(known.name for known in registry.detectors)})
    told = {
        "campaigns": registry.campaigns,
        "detectors": registry.detectors,
        "detector": {name: registry.detector(name) for name in names},
        "requests": registry.requests,
    }
    return Record("registry", plain(told))


_NAMES = {kind: (called, tuple(names.split())) for kind, (called, names) in TOLD.items()}
_MAKE: Mapping[type, Callable[[Any], Any]] = {
    **dict.fromkeys((*SCALARS, Quantity, Record), _same),
    **dict.fromkeys(TOLD, _record),
    Answer: _answer,
    **dict.fromkeys((tuple, list), _tuple),
    **dict.fromkeys((dict, MappingProxyType), _mapping),
}

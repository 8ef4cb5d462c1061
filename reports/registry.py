"""The settings that people write: the registry of campaigns, the dataset, the issuer and the law.

YAML is parsed into pydantic models at this edge; every mistake becomes one line that names the file and the field.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Annotated, Literal, TypeVar

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from reports.errors import InvalidSettings

CONFIDENCES = ("low", "moderate", "high")
# Words of estimative probability, with their percentages (Intelligence Community Directive 203)
LIKELIHOODS = {
    "almost no chance": (1, 5),
    "very unlikely": (5, 20),
    "unlikely": (20, 45),
    "roughly even chance": (45, 55),
    "likely": (55, 80),
    "very likely": (80, 95),
    "almost certain": (95, 99),
}
TECHNIQUES = {
    "AML.T0008.005": "AI Service Proxies",
    "AML.T0021": "Establish Accounts",
    "AML.T0040": "AI Model Inference API Access",
    "AML.T0024.002": "Extract AI Model",
    "AML.T0005.001": "Train Proxy via Replication",
    "AML.T0048.004": "AI Intellectual Property Theft",
}

_CONFIDENCE_WORDS = re.compile(r"\b(low|moderate|high)[ -]confidence\b|\bconfiden(ce|t)\b", re.IGNORECASE)
_LIKELIHOOD_WORDS = re.compile(
    r"\balmost no chance\b|\b(un)?likely\b|\blikelihood\b|\beven chance\b|\balmost certain(ly)?\b|\bprobabl[ey]\b",
    re.IGNORECASE,
)


def _kept_apart(text: str) -> str:
    """Refuse a sentence that speaks of confidence and of likelihood (ICD 203, D.6.e.2.a)."""
    for sentence in re.split(r"(?<=[.!?;])\s+|\n", text):
        confidence, likelihood = _CONFIDENCE_WORDS.search(sentence), _LIKELIHOOD_WORDS.search(sentence)
        if confidence and likelihood:
            raise ValueError(
                f"one sentence speaks of confidence ({confidence[0]!r}) and of likelihood ({likelihood[0]!r}): "
                "write two sentences"
            )
    return text


Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1), AfterValidator(_kept_apart)]
Identifier = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Hedge = Literal["more than", "nearly", "about", "exactly"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Alternative(_Strict):
    """A benign explanation that was considered, and what became of it."""

    explanation: Text
    assessment: Text


class Attribution(_Strict):
    """Who is behind a campaign, how sure the issuer is, and why."""

    confidence: Literal["low", "moderate", "high"]
    likelihood: str | None = None
    confidence_statement: Text | None = None
    likelihood_statement: Text | None = None
    basis: tuple[Text, ...] = ()
    alternatives: tuple[Alternative, ...] = ()
    approvals: tuple[Identifier, ...] = ()

    @model_validator(mode="after")
    def _words_of_estimative_probability(self) -> Attribution:
        if self.likelihood is not None and self.likelihood not in LIKELIHOODS:
            raise ValueError(f"likelihood {self.likelihood!r} is not one of {', '.join(LIKELIHOODS)}")
        return self

    @property
    def may_name(self) -> bool:
        """Whether the operator may be printed: two different approvers and at least moderate confidence."""
        return len({a.casefold() for a in self.approvals}) >= 2 and self.confidence != "low"


class Action(_Strict):
    """What was done about a campaign, and when."""

    date: dt.date
    action: Text


class Published(_Strict):
    """Figures published earlier, printed as they were, with their source."""

    exchanges: Annotated[int, Field(ge=0)]
    exchanges_hedge: Hedge = "exactly"
    accounts: Annotated[int, Field(ge=0)] | None = None
    accounts_hedge: Hedge = "exactly"
    disclosed: dt.date
    source: Text


class Entry(_Strict):
    """What the registry knows of a campaign; only `campaign_id` and `name` are required."""

    campaign_id: Identifier
    name: Text
    operator: Text | None = None
    objective: Text | None = None
    attribution: Attribution | None = None
    techniques: tuple[Identifier, ...] = ()
    methods: tuple[Text, ...] = ()
    actions: tuple[Action, ...] = ()
    response: Text | None = None
    published: Published | None = None
    law: dict[str, Text] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _known_techniques(self) -> Entry:
        unknown = [t for t in self.techniques if not re.fullmatch(r"AML\.T\d{4}(\.\d{3})?", t)]
        if unknown:
            raise ValueError(f"techniques: {unknown[0]!r} is not an ATLAS technique: write it like AML.T0040")
        return self

    @property
    def printable_operator(self) -> str | None:
        """The operator, if the naming rule lets it be printed."""
        return self.operator if self.attribution and self.attribution.may_name else None


class Registry(_Strict):
    """`campaigns.yaml`: the campaigns that analysts keep, and what is asked of the reader."""

    campaigns: tuple[Entry, ...] = ()
    requests: tuple[Text, ...] = ()

    @model_validator(mode="after")
    def _once_each(self) -> Registry:
        seen: set[str] = set()
        for entry in self.campaigns:
            if entry.campaign_id in seen:
                raise ValueError(f"campaign {entry.campaign_id!r} is listed twice: merge its entries")
            seen.add(entry.campaign_id)
        return self

    def entry(self, campaign_id: str) -> Entry:
        """A campaign's entry; one that has none goes by its id."""
        return next((e for e in self.campaigns if e.campaign_id == campaign_id), _unlisted(campaign_id))


def _unlisted(campaign_id: str) -> Entry:
    return Entry.model_construct(campaign_id=campaign_id, name=campaign_id)


class Dataset(_Strict):
    """`dataset.yaml`: what the data is. `synthetic` marks every page of every briefing made from it."""

    synthetic: bool = False
    title: Text | None = None
    description: Text | None = None


class Issuer(_Strict):
    """`issuer.yaml`: who issues briefings, as their letterhead says it."""

    name: Text = "Exhibit, local issuer"
    unit: Text | None = None
    address: tuple[Text, ...] = ()
    contact: Text | None = None
    addressee: dict[Literal["lawmaker", "regulator"], Text] = Field(default_factory=dict)
    signatory: Text | None = None
    logo: Identifier | None = None
    logo_alt: Text | None = None
    marking: Literal["TLP:CLEAR", "TLP:GREEN", "TLP:AMBER", "TLP:AMBER+STRICT", "TLP:RED"] = "TLP:CLEAR"
    colours: dict[
        Literal["accent", "ink", "rule", "muted"], Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]
    ] = Field(default_factory=dict)


class Element(_Strict):
    """An element of a law: what it asks for, and which tallies or registry entries bear on it."""

    id: Identifier
    text: Text
    plain: Text
    excludes: bool = False


class Law(_Strict):
    """A law's elements, as data, so that another law is another file."""

    citation: Text
    status: Text
    title: Text
    elements: tuple[Element, ...]


Model = TypeVar("Model", bound=_Strict)


def parse(model: type[Model], text: str | None, file: str) -> Model:
    """Parse a YAML settings file; None stands for a file that is not there.

    Raises `InvalidSettings` naming the file and the line of a syntax error, or the field that is unknown or wrong.
    """
    try:
        content = yaml.safe_load(text) if text is not None else {}
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise InvalidSettings(f"{file}{where}: not YAML: {getattr(error, 'problem', error)}") from None
    if content is None:
        content = {}
    if not isinstance(content, dict):
        raise InvalidSettings(f"{file}: expected keys and values, found {type(content).__name__}")
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise InvalidSettings(f"{file}: {_first(error, model)}") from None


def _first(error: ValidationError, model: type[_Strict]) -> str:
    details = error.errors(include_url=False)[0]
    field = ".".join(str(part) for part in details["loc"]) or "the file"
    if details["type"] == "extra_forbidden":
        return f"{field}: unknown key: remove it, or correct its spelling"
    message = details["msg"].removeprefix("Value error, ")
    return f"{field}: {message}" if details["type"] == "missing" or details["loc"] else message

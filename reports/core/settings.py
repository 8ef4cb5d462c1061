"""The settings that people write: the registry of campaigns, the dataset, the issuer and the law.

YAML is parsed into pydantic models at this edge; every mistake becomes one line of text that names the file, and the
line or the field. A value arrives as it is written, and what it means is said by its field: a count is digits alone, a
day is YYYY-MM-DD, a flag is true or false, and all else is text.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from reports.core import scripts
from reports.core.errors import InvalidSettings
from reports.core.labels import HOLDS_CONTROL, illegible, normalized
from reports.core.yaml_text import NotYaml, read_yaml

MOST_CHARACTERS = 4_000_000
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
# The names of MITRE ATLAS, data version 5.6.0; `docs/settings.md` says which of them case study AML.CS0056 lists
TECHNIQUES = {
    "AML.T0005.001": "Train Proxy via Replication",
    "AML.T0008.005": "AI Service Proxies",
    "AML.T0021": "Establish Accounts",
    "AML.T0024.002": "Extract AI Model",
    "AML.T0040": "AI Model Inference API Access",
    "AML.T0048.002": "Societal Harm",
    "AML.T0048.003": "User Harm",
    "AML.T0048.004": "AI Intellectual Property Theft",
    "AML.T0065": "LLM Prompt Crafting",
}

_CONFIDENCE_WORDS = re.compile(r"\bconfiden(ce|t|tly)\b", re.IGNORECASE)
_LIKELIHOOD_WORDS = re.compile(
    r"\b(un)?likely\b|\blikelihood\b|\bchances?\b|\bodds\b|\b(almost|nearly)\s+certain(ly|ty)?\b"
    r"|\b(im)?probab(le|ly|ility)\b",
    re.IGNORECASE,
)
_DIRECTING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_CONTROLS = {"\t": "a tab", "\n": "a line break", "\r": "a line break"}
# A full stop ends a sentence unless a small letter follows, as after "e.g."; so does an empty line
_BETWEEN_SENTENCES = re.compile(r"(?:(?<=[.!?])|(?<=[.!?][\"'”’)]))\s+(?![a-z])|\n\s*\n")


def _kept_apart(text: str) -> str:
    """Refuse a sentence that speaks of confidence and of likelihood (ICD 203, D.6.e.2.a)."""
    for sentence in _BETWEEN_SENTENCES.split(text):
        confidence, likelihood = _CONFIDENCE_WORDS.search(sentence), _LIKELIHOOD_WORDS.search(sentence)
        if confidence and likelihood:
            raise ValueError(
                f"one sentence mentions both confidence ({confidence[0]!r}) and likelihood "
                f"({likelihood[0]!r}): write two sentences"
            )
    return text


def _readable(text: str) -> str:
    """Refuse characters that hide in a text or reorder it: control characters and bidirectional controls.

    U+200C to U+200F stay: Persian, Devanagari and text that runs both ways are not written without them.
    """
    for at, character in enumerate(text, 1):
        if character in _DIRECTING or (
            unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") and character not in "\t\n\r"
        ):
            raise ValueError(
                f"character {at} is {_called(character)}, which hides or reorders other characters: remove it"
            )
    return text


def _one_line(text: str) -> str:
    for at, character in enumerate(text, 1):
        if character in "\t\n\r":
            raise ValueError(f"character {at} is {_called(character)}: write it on one line, without tabs")
    return text


def _called(character: str) -> str:
    name = unicodedata.name(character, "") or _CONTROLS.get(character, "a control character")
    return f"U+{ord(character):04X} ({name})"


def _label(text: str) -> str:
    """A name, normalized as in the evidence, so that the two match."""
    label = normalized(text)
    if not label:
        raise ValueError("empty: write it, or leave the key out")
    if illegible(label) == HOLDS_CONTROL:
        raise ValueError(f"{label!r} {HOLDS_CONTROL}")
    return label


_NO_COUNT = "not a count: write digits only, like 13000000"
_NO_DAY = "not a date: write it like 2026-06-20"
_NO_FLAG = "write true or false"
_COUNT = re.compile(r"0|[1-9][0-9]{0,17}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_FLAGS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def _count(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if not _COUNT.fullmatch(value):
        raise ValueError(_NO_COUNT)
    return int(value)


def _day(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if not _DAY.fullmatch(value):
        raise ValueError(_NO_DAY)
    try:
        return dt.date.fromisoformat(value)
    except ValueError:
        raise ValueError(f"{value} is not a day of the calendar: correct it") from None


def _flag(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if value.lower() not in _FLAGS:
        raise ValueError(_NO_FLAG)
    return _FLAGS[value.lower()]


_Written = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1), AfterValidator(_readable)]
Text = Annotated[_Written, AfterValidator(_kept_apart)]
Name = Annotated[_Written, AfterValidator(_one_line), AfterValidator(_kept_apart)]
Identifier = Annotated[str, AfterValidator(_label), AfterValidator(_readable)]
Language = Annotated[str, AfterValidator(scripts.known)]
Spelling = Literal["en-US", "en-GB"]
Count = Annotated[int, BeforeValidator(_count), Field(ge=0, strict=True)]
Day = Annotated[dt.date, BeforeValidator(_day)]
Flag = Annotated[bool, BeforeValidator(_flag)]
Hedge = Literal["more than", "nearly", "about", "exactly"]
# The labels of the Traffic Light Protocol, version 2.0 (FIRST), the least strict first
Marking = Literal["TLP:CLEAR", "TLP:GREEN", "TLP:AMBER", "TLP:AMBER+STRICT", "TLP:RED"]
MARKINGS: tuple[Marking, ...] = get_args(Marking)


def _left_out(value: Any) -> bool:
    """Whether a key that was added later is absent: a file without it keeps its digest."""
    return not value


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
        approvers = {"".join(approver.casefold().split()) for approver in self.approvals}
        return len(approvers) >= 2 and self.confidence != "low"


class Action(_Strict):
    """What was done about a campaign, and when."""

    date: Day
    action: Text


class Published(_Strict):
    """Figures published earlier, printed as they were, with their source.

    `first` and `last`, in the file `from` and `to`, are the days that they are about, both included, where known.
    """

    exchanges: Count
    exchanges_hedge: Hedge = "exactly"
    accounts: Count | None = None
    accounts_hedge: Hedge = "exactly"
    first: Day | None = Field(default=None, alias="from", exclude_if=lambda day: day is None)
    last: Day | None = Field(default=None, alias="to", exclude_if=lambda day: day is None)
    disclosed: Day
    source: Text

    @model_validator(mode="after")
    def _days_in_order(self) -> Published:
        if (self.first is None) != (self.last is None):
            raise ValueError("from and to must come together: write both, or leave both out")
        if self.first and self.last and not self.first <= self.last <= self.disclosed:
            raise ValueError("the days are out of order: from comes first, then to, then disclosed")
        return self

    @property
    def least_exchanges(self) -> int:
        """The fewest exchanges that the figure can stand for, if its last digit other than 0 was rounded."""
        less = {"more than": -1, "exactly": 0}.get(self.exchanges_hedge, self._unit)
        return max(self.exchanges - less, 0)

    @property
    def most_exchanges(self) -> int:
        """The most exchanges that the figure can stand for, if its last digit other than 0 was rounded."""
        return self.exchanges + (self._unit if self.exchanges_hedge in ("more than", "about") else 0)

    @property
    def _unit(self) -> int:
        digits = str(self.exchanges)
        return int(10 ** (len(digits) - len(digits.rstrip("0"))))


class CampaignProfile(_Strict):
    """What the registry knows of a campaign; only `campaign_id` and `name` are required.

    `language` is the language of texts here that are not in the page's script.
    """

    campaign_id: Identifier
    name: Name
    operator: Name | None = None
    language: Language | None = Field(default=None, exclude_if=lambda language: language is None)
    objective: Text | None = None
    attribution: Attribution | None = None
    techniques: tuple[Identifier, ...] = ()
    methods: tuple[Text, ...] = ()
    actions: tuple[Action, ...] = ()
    response: Text | None = None
    published: Published | None = None
    law: dict[str, Text] = Field(default_factory=dict)
    definitions: dict[str, Text] = Field(default_factory=dict, exclude_if=_left_out)
    assessment: dict[str, Text] = Field(default_factory=dict, exclude_if=_left_out)

    @model_validator(mode="after")
    def _known_techniques(self) -> CampaignProfile:
        unknown = [t for t in self.techniques if not re.fullmatch(r"AML\.T\d{4}(\.\d{3})?", t)]
        if unknown:
            raise ValueError(f"techniques: {unknown[0]!r} is not an ATLAS technique: write it like AML.T0040")
        return self

    @property
    def printable_operator(self) -> str | None:
        """The operator, if the naming rule lets it be printed."""
        return self.operator if self.attribution and self.attribution.may_name else None


class KnownDetector(_Strict):
    """What is known about a detector, in all its versions."""

    name: Identifier
    strengths: tuple[Text, ...] = ()
    weaknesses: tuple[Text, ...] = ()


class Registry(_Strict):
    """`campaigns.yaml`: the campaigns that analysts keep, their detectors, and what is asked of the reader."""

    campaigns: tuple[CampaignProfile, ...] = ()
    detectors: tuple[KnownDetector, ...] = ()
    requests: tuple[Text, ...] = ()

    @model_validator(mode="after")
    def _once_each(self) -> Registry:
        twice = _repeated(entry.campaign_id for entry in self.campaigns)
        if twice is not None:
            raise ValueError(f"campaign {twice!r} is listed twice: merge its entries")
        twice = _repeated(known.name for known in self.detectors)
        if twice is not None:
            raise ValueError(f"detector {twice!r} is listed twice: merge its entries")
        return self

    @property
    def written(self) -> dict[str, str]:
        """The texts of campaigns whose `language` is given, each with it."""
        return {
            text: entry.language
            for entry in self.campaigns
            if entry.language
            for text in _texts(entry.model_dump(exclude={"language"}))
        }

    def entry(self, campaign_id: str) -> CampaignProfile:
        """A campaign's entry; without one, the campaign is called by its id."""
        unlisted = CampaignProfile.model_construct(campaign_id=campaign_id, name=campaign_id)
        return next((e for e in self.campaigns if e.campaign_id == campaign_id), unlisted)

    def detector(self, name: str) -> KnownDetector:
        """What is known about a detector; nothing if it has no entry."""
        return next((d for d in self.detectors if d.name == name), KnownDetector.model_construct(name=name))


class Dataset(_Strict):
    """`dataset.yaml`: what the data is. `synthetic` marks every page of every briefing made from it."""

    synthetic: Flag = False
    title: Text | None = None
    description: Text | None = None


class Issuer(_Strict):
    """`issuer.yaml`: who issues briefings, as their letterhead says it."""

    name: Name = "Exhibit, local issuer"
    unit: Name | None = None
    address: tuple[Name, ...] = ()
    contact: Name | None = None
    addressee: dict[Literal["lawmaker", "regulator"], Name] = Field(default_factory=dict)
    signatory: Name | None = None
    logo: Identifier | None = None
    logo_alt: Name | None = None
    marking: Marking | None = None
    language: Spelling = Field(default="en-US", exclude_if=lambda language: language == "en-US")
    colours: dict[
        Literal["accent", "ink", "rule", "muted"], Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]
    ] = Field(default_factory=dict)


class Element(_Strict):
    """An element of a law, in its own words and in plain ones; one that `excludes` takes conduct out of the law.

    `group` is the id of the group that says how the element counts.
    """

    id: Identifier
    text: Text
    plain: Text
    excludes: Flag = False
    group: Identifier | None = Field(default=None, exclude_if=_left_out)


Logic = Literal["all of", "any of", "weighed together", "excludes", "where claimed"]


class Group(_Strict):
    """Elements that count together, and how: `text` and `plain` head them, for regulators and for lawmakers.

    all of
        Each has to hold.
    any of
        One that holds is enough.
    weighed together
        Factors, none of which is required.
    excludes
        What holds takes conduct out of the law.
    where claimed
        Each has to hold only where somebody claims it.
    """

    id: Identifier
    logic: Logic
    text: Text
    plain: Text


class Version(_Strict):
    """The text that the elements of a law are taken from, and its date."""

    text: Text
    date: Day


class Required(_Strict):
    """A matter that a law wants assessed, and the section of a regulator's briefing that answers it; None is a gap.

    `plain` is the same in few words, for lawmakers; `note` says what an answer leaves open, or why there is none.
    """

    id: Identifier
    text: Text
    answered_by: (
        Literal["scale", "targeted", "methods", "who", "law", "actions", "detection", "sensitivity"] | None
    ) = None
    plain: Text | None = Field(default=None, exclude_if=_left_out)
    note: Text | None = Field(default=None, exclude_if=_left_out)


class Law(_Strict):
    """A law's elements, as data, so that another law is another file.

    Without `groups`, elements stand alone, and each that has no evidence is a gap. `definitions` are terms that have to
    hold before an element counts. `stage` is the latest on record.
    """

    citation: Name
    status: Text
    title: Name
    version: Version | None = Field(default=None, exclude_if=_left_out)
    stage: Action | None = Field(default=None, exclude_if=_left_out)
    note: Text | None = Field(default=None, exclude_if=_left_out)
    groups: tuple[Group, ...] = Field(default=(), exclude_if=_left_out)
    definitions: tuple[Element, ...] = Field(default=(), exclude_if=_left_out)
    elements: tuple[Element, ...]
    assessment_title: Text = "What must be assessed, and where this briefing answers it"
    assessment: tuple[Required, ...] = ()

    @model_validator(mode="after")
    def _once_each(self) -> Law:
        listed = (("element", self.in_groups), ("group", self.groups), ("matter", self.assessment))
        for kind, each in listed:
            twice = _repeated(one.id for one in each)
            if twice is not None:
                raise ValueError(f"{kind} {twice!r} is listed twice: give each its own id")
        return self

    @model_validator(mode="after")
    def _each_in_its_group(self) -> Law:
        logics = {group.id: group.logic for group in self.groups}
        if self.definitions and not logics:
            raise ValueError("definitions: they are printed in groups: add groups")
        for element in self.in_groups:
            _check_group(element, logics)
        empty = logics.keys() - {element.group for element in self.in_groups}
        if empty:
            raise ValueError(f"group {min(empty)!r} has no element: add one to it, or remove it")
        return self

    @property
    def in_groups(self) -> tuple[Element, ...]:
        """The definitions and the elements."""
        return (*self.definitions, *self.elements)

    @model_validator(mode="after")
    def _stage_after_version(self) -> Law:
        if self.version and self.stage and self.stage.date < self.version.date:
            raise ValueError("stage: its date is before the date of version: correct one of them")
        return self


def _check_group(element: Element, logics: Mapping[str, Logic]) -> None:
    """Refuse an element whose group does not exist, or whose group and itself disagree about exclusion."""
    if element.group is None:
        if logics:
            raise ValueError(f"element {element.id!r}: group: missing: name one of {', '.join(logics)}")
    elif element.group not in logics:
        among = f"use one of {', '.join(logics)}" if logics else "add groups"
        raise ValueError(f"element {element.id!r}: group: there is no group {element.group!r}: {among}")
    elif element.excludes and logics[element.group] != "excludes":
        raise ValueError(
            f"element {element.id!r}: excludes: its group {element.group!r} is {logics[element.group]!r}: "
            "remove it, or put the element in a group that excludes"
        )


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | tuple):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts(each)


def folded(text: str) -> str:
    """A text for comparison: without regard to case, spaces and compatibility forms (NFKC)."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _repeated(ids: Iterable[str]) -> str | None:
    counts = Counter(ids)
    return next((each for each, count in counts.items() if count > 1), None)


Model = TypeVar("Model", bound=BaseModel)


def parse(model: type[Model], text: str | None, file: str) -> Model:
    """Parse a YAML settings file; None means that the file does not exist.

    Raises `InvalidSettings` naming the file, and the line of a syntax error or the field that is unknown or
    wrong; a file of more than `MOST_CHARACTERS` is refused unread.
    """
    content = _loaded(text or "", file)
    content = {} if content is None else content
    if not isinstance(content, dict):
        raise InvalidSettings(f"{file}: expected keys and values, found {type(content).__name__}")
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise InvalidSettings(f"{file}: {_first(error)}") from None


def _loaded(text: str, file: str) -> Any:
    if len(text) > MOST_CHARACTERS:
        raise InvalidSettings(f"{file} is longer than {MOST_CHARACTERS:,} characters: shorten it")
    try:
        return read_yaml(text)
    except NotYaml as error:
        where = f", line {error.line}" if error.line else ""
        raise InvalidSettings(f"{file}{where}: cannot be read as YAML: {error}") from None


def _first(error: ValidationError) -> str:
    """The first mistake, with the path of its field."""
    details = error.errors(include_url=False, include_input=False)[0]
    field = ", ".join(f"item {part + 1}" if isinstance(part, int) else part for part in details["loc"])
    if told := _MISTAKES.get(details["type"]):
        message = told.format_map(details.get("ctx", {}))
    else:
        message = details["msg"].removeprefix("Value error, ")
    return f"{field}: {message}" if field else message


_MISTAKES = {
    "bool_type": _NO_FLAG,
    "date_type": _NO_DAY,
    "dict_type": "not keys and values: write each key on its own line",
    "extra_forbidden": "unknown key: remove it, or correct its spelling",
    "int_type": _NO_COUNT,
    "literal_error": "write {expected}",
    "missing": "missing: add it",
    "model_type": "not keys and values: write each key on its own line",
    "string_pattern_mismatch": "does not match {pattern}: correct it",
    "string_too_long": "longer than {max_length} characters: shorten it",
    "string_too_short": "empty: write it, or leave the key out",
    "string_type": "not text: put it in quotes",
    "string_unicode": "half of a character (a surrogate): write the whole character",
    "too_long": "more than {max_length} items: list fewer",
    "tuple_type": "not a list: write each item on its own line, after a hyphen",
}

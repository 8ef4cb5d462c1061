"""What a briefing records about itself, read back from its PDF: its content, and what that was computed from."""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from itertools import zip_longest
from typing import Any, Literal, TypeVar

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic.alias_generators import to_camel

from reports import __version__
from reports.briefing.accounts import AccountTable
from reports.briefing.attachments import attachments
from reports.briefing.compose import SameFigures
from reports.briefing.content import Content
from reports.briefing.figures import Figure
from reports.core.errors import CheckFailed, ExhibitError, Unavailable
from reports.core.log_head import Head
from reports.core.settings import Marking
from reports.core.verdict import Verdict
from reports.core.window import Audience, Window
from reports.evidence.columns import Layout
from reports.evidence.questions import Inquiry
from reports.evidence.source import EvidenceObject
from reports.verification.attachments import Contents, contents

MOST_TOLD = 40  # characters of an unknown name

_NUMBER = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9}){1,3}((a|b|rc|\.post|\.dev)[0-9]{1,9})?")


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, alias_generator=to_camel)


Read = TypeVar("Read", bound=BaseModel)


class Digest(_Model):
    """A SHA-256, in hexadecimal."""

    sha256: str


class Days(_Model):
    """A window, both ends included."""

    first: date = Field(alias="from")
    last: date = Field(alias="to")

    @model_validator(mode="after")
    def _in_order(self) -> Days:
        if self.first > self.last or self.first.toordinal() <= len(self.window):
            raise ValueError("they are not a window")
        return self

    @property
    def window(self) -> Window:
        """The same, as a window."""
        return Window(self.first, self.last)


class Annotations(_Model):
    """An object's size in bytes, its version if the store keeps versions, and its counts.

    The days that it holds are there if the evidence is a table of the issuer's own, where names say nothing.
    """

    model_config = ConfigDict(extra="allow")

    size: int
    version: str | None
    days: Days | None = None


class Subject(_Model):
    """An evidence object."""

    name: str
    digest: Digest
    annotations: Annotations

    @property
    def counted(self) -> dict[str, int]:
        """The object's counts, such as its detections, by name; may be empty."""
        found: dict[str, int] = {}
        for name, count in (self.annotations.model_extra or {}).items():
            each = (
                {f"{name} {of}": n for of, n in count.items()} if isinstance(count, dict) else {name: count}
            )
            found |= {of: n for of, n in each.items() if type(n) is int}
        return found

    @property
    def pinned(self) -> EvidenceObject:
        """The object as it was pinned."""
        return EvidenceObject(self.name, self.digest.sha256, self.annotations.size, self.annotations.version)


class Asked(_Model):
    """A question as it was asked and answered; the first version of `evidence.json` says by which engine, too."""

    name: str
    sql: str
    sql_sha256: str
    parameters: tuple[str, ...]
    engine: str | None = None
    engine_version: str | None = None
    execution_id: str | None = None
    bytes_scanned: int | None = None
    result_sha256: str


class Named(_Model):
    """A settings file, by the digest of what it says."""

    name: str
    digest: Digest


class Release(_Model):
    """A release of a piece of software."""

    name: str
    version: str

    @property
    def told(self) -> str:
        """An Exhibit release by its number; anything else is untrusted text: quoted and shortened."""
        if self.name == "exhibit" and _NUMBER.fullmatch(self.version):
            return f"Exhibit {self.version}"
        return f"{ascii(self.name)[:MOST_TOLD]} {ascii(self.version)[:MOST_TOLD]}"


THIS = Release(name="exhibit", version=__version__)


class Templates(_Model):
    """The files that pages are made of."""

    digest: Digest


class Pages(_Model):
    """How the pages were made."""

    page_size: Literal["letter", "a4"]
    templates: Templates
    libraries: tuple[Release, ...]


class OwnTable(_Model):
    """The issuer's own table or view: its name, the statement that makes it, and the snapshot that was read, if any."""

    name: str
    layout: Layout
    definition: str
    snapshot: int | None


class Predicate(_Model):
    """How the figures came from the objects."""

    merkle_root: str
    table: OwnTable | None = None
    window: Days
    settling_days: int
    questions: tuple[Asked, ...]
    settings: tuple[Named, ...]
    addressee: str | None
    marking: Marking | None = None  # which earlier releases do not record
    pages: Pages
    software: Release


class Statement(_Model):
    """`evidence.json`."""

    subject: tuple[Subject, ...]
    predicate: Predicate


class Printed(BaseModel):
    """A figure as `briefing.json` lists it."""

    model_config = ConfigDict(frozen=True)

    id: str
    value: int | float | str
    unit: str
    printed: str
    question: str
    row: dict[str, Any]

    @field_validator("row")
    @classmethod
    def _readable(cls, row: dict[str, Any]) -> dict[str, Any]:
        for key in ("day", "from", "to"):
            if key in row:
                date.fromisoformat(str(row[key]))
        ratio = row.get("ratio", [{}, {}])
        if not isinstance(ratio, list) or [type(each) for each in ratio] != [dict, dict]:
            raise ValueError("a ratio needs two rows")
        for each in ratio if "ratio" in row else ():
            cls._readable(each)
        return row

    @property
    def place(self) -> str:
        """By what the same figure is known in another briefing: its source, its unit and its row."""
        return json.dumps([self.question, self.unit, self.row], sort_keys=True)


class BriefingJson(BaseModel):
    """The parts of `briefing.json` that are read here."""

    model_config = ConfigDict(frozen=True)

    audience: Audience
    report_number: str
    edition: int
    supersedes: str | None
    same_figures_as: SameFigures | None = None
    head: Head = Field(alias="register")
    as_of: AwareDatetime
    figures: tuple[Printed, ...]

    @field_validator("as_of")
    @classmethod
    def _in_utc(cls, as_of: datetime) -> datetime:
        try:
            return as_of.astimezone(UTC)
        except OverflowError:
            raise ValueError("it goes beyond the calendar") from None


def unlike(
    before: Iterable[Printed], after: Iterable[Printed]
) -> Iterator[tuple[Printed | None, Printed | None]]:
    """The figures whose values differ, in pairs, identified by their place; None if one has no counterpart."""
    others = _by_place(after)
    for place, figures in _by_place(before).items():
        found = others.pop(place, {})
        new = [figure for value, figure in found.items() if value not in figures]
        old = [figure for value, figure in figures.items() if value not in found]
        yield from zip_longest(old, new)
    yield from ((None, figure) for found in others.values() for figure in found.values())


def _by_place(figures: Iterable[Printed]) -> dict[str, dict[int | float | str, Printed]]:
    """Figures by their place, and by their value: a place may have several, such as the thresholds of a setting."""
    found: dict[str, dict[int | float | str, Printed]] = defaultdict(dict)
    for figure in figures:
        found[figure.place].setdefault(figure.value, figure)
    return found


@dataclass(frozen=True)
class Record:
    """A briefing that is unchanged since it was signed, and what it records; `files` are its attachments.

    `accounts` is None if the audience does not get them.
    """

    pdf: bytes
    files: Mapping[str, bytes]
    said: BriefingJson
    statement: Statement
    accounts: AccountTable | None

    @cached_property
    def sha256(self) -> str:
        """Digest of the document, in hexadecimal."""
        return hashlib.sha256(self.pdf).hexdigest()

    @property
    def made_by(self) -> str:
        """The release that made it, in words; quoted where the record names no release of Exhibit."""
        return self.statement.predicate.software.told

    @property
    def of_this_release(self) -> bool:
        """Whether this release made it, and so would make it again."""
        return self.statement.predicate.software == THIS

    @property
    def evidence_root(self) -> str:
        """The root over the evidence objects that the pages print."""
        return self.statement.predicate.merkle_root

    @cached_property
    def data(self) -> dict[str, Any]:
        """The whole of `briefing.json`."""
        found: dict[str, Any] = json.loads(self.files["briefing.json"])
        return found

    @property
    def name(self) -> str:
        """The report's number and edition, as a later edition cites it."""
        return f"{self.said.report_number} edition {self.said.edition}"

    @property
    def window(self) -> Window:
        """The days that it is about."""
        return self.statement.predicate.window.window

    @property
    def settled(self) -> bool:
        """Whether the settling time was over when the briefing was asked for."""
        return self.window.settled(self.said.as_of, self.statement.predicate.settling_days)

    @property
    def inquiry(self) -> Inquiry:
        """What was asked of the evidence."""
        days, each_account = self.statement.predicate.settling_days, self.said.audience == "regulator"
        return Inquiry(self.window, self.said.as_of, days, each_account)

    @cached_property
    def objects(self) -> dict[str, EvidenceObject]:
        """The evidence objects, by name."""
        return {subject.name: subject.pinned for subject in self.statement.subject}


def record(pdf: bytes, integrity: Verdict, found: Contents | Verdict | None = None) -> Record:
    """Read what a briefing records, given the verdict on the integrity of its file.

    `found` is what `contents` gives for it, where that is known.
    Raises `CheckFailed` if its integrity is not proved, or its attachments contradict each other; `Unavailable` if
    that cannot be checked.
    """
    if integrity.outcome != "valid":
        raise _unread(integrity, "the content of the file cannot be trusted")
    found = contents(pdf) if found is None else found
    if isinstance(found, Verdict):
        raise _unread(found, "the attachments cannot be trusted")
    said, statement = (
        _read(BriefingJson, found.files, "briefing.json"),
        _read(Statement, found.files, "evidence.json"),
    )
    return Record(pdf, found.files, said, statement, found.accounts)


def unsigned_record(content: Content, figures: Sequence[Figure], pages: Mapping[str, Any]) -> Record:
    """What a briefing will record once it is signed; `pages` is how they are made."""
    files = {file.name: file.data for file in attachments(content, figures, pages)}
    said, statement = _read(BriefingJson, files, "briefing.json"), _read(Statement, files, "evidence.json")
    return Record(b"", files, said, statement, content.briefing.account_table)


def _unread(verdict: Verdict, why: str) -> ExhibitError:
    kind = CheckFailed if verdict.outcome == "invalid" else Unavailable
    return kind(f"{why}: {verdict.detail}")


def _read(model: type[Read], files: Mapping[str, bytes], name: str) -> Read:
    try:
        return model.model_validate_json(files[name])
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise Unavailable(f"{name}: {place}: {first['msg']}: {_writer(files)}") from None


def _writer(files: Mapping[str, bytes]) -> str:
    """The release that wrote attachments which this release cannot read, if it is another one."""
    try:
        software = json.loads(files["evidence.json"])["predicate"]["software"]
        told = Release.model_validate(software).told
    except (LookupError, TypeError, ValueError):
        return "it was not written by this release of Exhibit"
    return f"it was written by {told}, and this is {THIS.told}"

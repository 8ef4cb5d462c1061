"""Whether a briefing can be reproduced from its evidence: the pipeline again, without signing. Part of step 7.

1. A briefing made by another release, or with other settings or templates, cannot be compared.
2. The questions are asked again, of exactly the recorded objects.
3. Each figure, and every other value of `briefing.json`, is compared.
4. The attachments and the pages are made again, and compared byte for byte with the first revision of the file.
5. The revision that was signed adds its signature to that one, and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from itertools import groupby
from operator import itemgetter
from typing import Any, Protocol

from reports.briefing.accounts import AccountTable, check_key, pseudonymised
from reports.briefing.attachments import Attachment, attachments
from reports.briefing.compose import Edition, report_number
from reports.briefing.content import Content, as_json, settings_digests
from reports.briefing.figures import Figure
from reports.briefing.group import Campaigns
from reports.briefing.prepare import prepare
from reports.briefing.settings import Settings, addressed, marked
from reports.core.errors import CheckFailed, Unavailable
from reports.core.json_diff import ABSENT, Difference, differences
from reports.core.progress import Progress
from reports.core.verdict import Verdict
from reports.evidence.questions import QueryEngine
from reports.evidence.source import EvidenceObject, EvidenceSource, ListedObject
from reports.pages.assets import Resources
from reports.pages.typeset import typeset
from reports.pdf.pages import read_pages
from reports.verification.evidence_comparison import Holding
from reports.verification.record import THIS, Printed, Record, unlike


@dataclass(frozen=True, slots=True)
class Inputs:
    """The inputs for making a briefing again.

    `engine` and `source` are about the recorded objects. `pseudonym_key` is None if only the issuer has it.
    """

    engine: QueryEngine
    source: EvidenceSource
    settings: Settings
    resources: Resources
    pseudonym_key: bytes | None = None


class Reader(Protocol):
    """What is needed to make a briefing again: its evidence, and an engine to query it."""

    @property
    def source(self) -> Holding:
        """Where all the evidence is."""

    def means(self, record: Record) -> AbstractContextManager[Inputs]:
        """The means to make a briefing again, for as long as they are needed.

        Raises `Unavailable` as `check_release` does, before anything else is read.
        """


@dataclass(frozen=True, slots=True)
class Reproduction:
    """The result of making a briefing again: the verdict `reproduction`, and the differences."""

    verdict: Verdict
    differences: tuple[Difference, ...] = ()


@dataclass(frozen=True, slots=True)
class Recomputed:
    """A briefing that was composed and typeset again."""

    content: Content
    html: str
    figures: tuple[Figure, ...]
    coded: tuple[str, ...]

    @property
    def printed(self) -> tuple[Printed, ...]:
        """The figures as `briefing.json` lists them."""
        return tuple(Printed.model_validate_json(as_json(figure.data)) for figure in self.figures)


def _check_release(record: Record) -> None:
    """Raise `Unavailable` if another release made a briefing: this one may count otherwise, or not at all."""
    if not record.of_this_release:
        raise Unavailable(
            f"it was made by {record.made_by}, and this is {THIS.told}: "
            "run that release, from its source, to reproduce it"
        )


def reproduce(record: Record, reader: Reader, progress: Progress) -> Reproduction:
    """Make a briefing again and compare; raises the errors of `reports.core.errors` where that cannot be done."""
    _check_release(record)
    with reader.means(record) as means:
        return _reproduced(record, means, progress)


def _reproduced(record: Record, means: Inputs, progress: Progress) -> Reproduction:
    # 1. and 2.
    again = _again(record, means, progress)
    # 3.
    found = [*_figures(record.said.figures, again.printed), *_values(record, again)]
    if found:
        return Reproduction(_differs(found), tuple(found))
    # 4.
    from reports.pages.render import bind, pages_record  # noqa: PLC0415 -- loads WeasyPrint

    progress("render", 0, 0)
    pages = pages_record(again.content)
    _check_libraries(record, pages["libraries"])
    files = attachments(again.content, again.figures, pages, again.coded)
    found = list(_files(record.files, files))
    if found:
        return Reproduction(_differs(found), tuple(found))
    unsigned = bind(again.content.briefing, again.html, files, means.resources)
    _check_bytes(record.pdf, unsigned)
    # 5.
    _check_signed(record.pdf, len(unsigned))
    pseudonyms = (
        ""
        if means.pseudonym_key or not again.content.briefing.account_table
        else ", under the pseudonyms of accounts.csv"
    )
    told = f"{len(again.figures)} figures, and the {len(unsigned):,} bytes before the signature, are the same"
    return Reproduction(Verdict("reproduction", "valid", f"reproduced from the evidence{pseudonyms}: {told}"))


def recompute(record: Record, reader: Reader, progress: Progress) -> Recomputed:
    """Ask the questions of a briefing again, and compose and typeset it; raises as `reproduce` does."""
    _check_release(record)
    with reader.means(record) as means:
        return _again(record, means, progress)


def _edition(record: Record) -> Edition:
    """The recorded edition; its report number is one of the two that a briefing for that addressee can have."""
    window, said = record.window, record.said
    number = report_number(window, said.audience, record.statement.predicate.addressee)
    if number != said.report_number:
        number = report_number(window, said.audience)
    return Edition(said.audience, number, said.edition, said.supersedes, said.head, said.same_figures_as)


def _again(record: Record, means: Inputs, progress: Progress) -> Recomputed:
    predicate = record.statement.predicate
    settings = addressed(means.settings, record.said.audience, predicate.addressee)
    settings = marked(settings, predicate.marking)
    _check_settings(record, settings, means.resources)
    source = _AsRecorded(means.source, record.objects)
    briefing = prepare(
        record.inquiry,
        means.engine,
        source,
        settings=settings,
        edition=_edition(record),
        accounts=lambda campaigns: _account_table(campaigns, record, means.pseudonym_key),
        progress=progress,
    )
    content = Content.of(briefing, predicate.pages.page_size, means.resources.digest())
    html, ledger = typeset(content, means.resources)
    return Recomputed(content, html, tuple(ledger.figures.values()), ledger.coded)


@dataclass(frozen=True, slots=True)
class _AsRecorded:
    """The recorded objects of a source: as they are now, under the versions that they had."""

    source: EvidenceSource
    objects: Mapping[str, EvidenceObject]

    def tops(self) -> tuple[str, ...]:
        return self.source.tops()

    def list(self, only: Collection[str] | None = None) -> tuple[ListedObject, ...]:
        listed = self.source.list(only)
        missing = sorted(self.objects.keys() - {o.name for o in listed})
        if missing:
            raise Unavailable(f"the evidence is not complete: {missing[0]} is missing, one of {len(missing)}")
        return listed

    def pin(self, objects: Iterable[ListedObject]) -> tuple[EvidenceObject, ...]:
        pinned = self.source.pin(objects)
        known = (self.objects.get(o.name) for o in pinned)
        return tuple(k if k and k.sha256 == o.sha256 else o for o, k in zip(pinned, known, strict=True))

    def text(self, name: str) -> str | None:
        return self.source.text(name)


def _check_settings(record: Record, settings: Settings, resources: Resources) -> None:
    recorded = {each.name: each.digest.sha256 for each in record.statement.predicate.settings}
    for each in settings_digests(settings):
        if recorded.get(each["name"]) != each["digest"]["sha256"]:
            raise Unavailable(
                f"{each['name']} is not the one that the briefing was made with: restore that one"
            )
    if resources.digest() != record.statement.predicate.pages.templates.digest.sha256:
        raise Unavailable(
            "the templates are not those that the briefing was made with: if the issuer has its own, give them with "
            "--templates"
        )


def _check_libraries(record: Record, here: Sequence[Mapping[str, str]]) -> None:
    at_hand = {each["name"]: each["version"] for each in here}
    for made_with in record.statement.predicate.pages.libraries:
        if at_hand.get(made_with.name) != made_with.version:
            raise Unavailable(
                f"every value is the same, but the pages were made with {made_with.name} {made_with.version}, and here "
                f"is {at_hand.get(made_with.name, 'none')}: install that release to reproduce the bytes"
            )


def _figures(recorded: Iterable[Printed], computed: Iterable[Printed]) -> Iterator[Difference]:
    """The figures that differ: their values, or whole figures where one has no counterpart."""
    for before, after in unlike(recorded, computed):
        at = f"figures[{before.id}]" if before else "figures"
        if before and after:
            yield Difference(f"{at}.value", before.value, after.value)
        else:
            yield Difference(at, *(each.model_dump() if each else ABSENT for each in (before, after)))


def _values(record: Record, again: Recomputed) -> Iterator[Difference]:
    computed = json.loads(as_json(again.content.briefing_json((), again.coded)))
    return differences({**record.data, "figures": []}, computed)


def _account_table(campaigns: Campaigns, record: Record, key: bytes | None) -> AccountTable | None:
    """The accounts under their pseudonyms; without the key, under those that are recorded of as many accounts."""
    recorded = record.accounts
    if recorded is None:
        return None
    if key:
        check_key(key, recorded.key_check)
        return pseudonymised(campaigns.each_account, key)
    found = replace(pseudonymised(campaigns.each_account, b""), key_check=recorded.key_check)
    return recorded if _by_account(recorded) == _by_account(found) else found


def _by_account(table: AccountTable) -> list[list[tuple[Any, ...]]]:
    return sorted([row[1:] for row in rows] for _, rows in groupby(table.rows, itemgetter(0)))


def _files(recorded: Mapping[str, bytes], computed: Sequence[Attachment]) -> Iterator[Difference]:
    """What differs in the attachments: item by item in JSON, else their sizes."""
    made = {file.name: file.data for file in computed}
    for name in sorted(recorded.keys() | made.keys()):
        before, after = recorded.get(name), made.get(name)
        if before == after:
            continue
        if before and after and name.endswith(".json"):
            yield from differences(json.loads(before), json.loads(after), name)
        else:
            sizes = (ABSENT if each is None else f"{len(each):,} bytes" for each in (before, after))
            yield Difference(name, *sizes)


def _check_bytes(pdf: bytes, unsigned: bytes) -> None:
    if not pdf.startswith(unsigned):
        at = next((n for n, (a, b) in enumerate(zip(pdf, unsigned, strict=False)) if a != b), len(pdf))
        raise CheckFailed(f"every value is the same, but the pages differ from byte {at:,} on")


def _check_signed(pdf: bytes, unsigned: int) -> None:
    """Raise `CheckFailed` unless these pages are all that was signed as pages."""
    if read_pages(pdf).length != unsigned:
        raise CheckFailed("the pages before the signature are the same, but the signed content is not")


def _differs(found: Sequence[Difference]) -> Verdict:
    first, figures = found[0], sum(each.at.startswith("figures") for each in found)
    values = " and ".join(
        _shown(each, what) for each, what in ((first.before, "is"), (first.after, "computed again"))
    )
    return Verdict(
        "reproduction", "invalid", f"{len(found)} differences, {figures} of figures: {first.at}: {values}"
    )


def _shown(value: Any, what: str) -> str:
    return f"{what} {json.dumps(value)[:60]}"

"""Whether two briefings state the same facts: for two audiences, or in two editions of one report.

Briefings for two audiences agree if both are computed from the same evidence and every datum that both have is equal:
what one leaves out is redacted, not changed. Two editions may differ where something behind them does: their evidence,
their settings, their release of Exhibit. A value that moved although nothing behind it did is a contradiction. So is
an edition that says to have the same figures as the one before it, if anything but the release differs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from reports.briefing.figures import counted
from reports.core.json_diff import ABSENT, Difference, differences
from reports.verification.explain import chains
from reports.verification.record import Printed, Record, Subject, unlike

ComparisonOutcome = Literal["consistent", "contradictory", "could not be compared"]

# Keys about the document rather than the facts, and keys that only one audience gets
PASSING = frozenset(
    {
        *("audience", "report_number", "edition", "supersedes", "same_figures_as", "register", "as_of"),
        *("software_version", "figures", "requests"),
    }
)
DRAWN = frozenset({"chart", "request", "register"})  # sources of figures that are about the document
EVIDENCE, DAYS, SOFTWARE = "the evidence", "the settling days", "the release of Exhibit"
REGISTRY = "campaigns.yaml"
# What the figures of a source depend on
BEHIND: Mapping[str, set[str]] = {
    "tallies": {EVIDENCE, DAYS, SOFTWARE},
    "history": {EVIDENCE, DAYS, SOFTWARE, REGISTRY},
    "registry": {REGISTRY, SOFTWARE},
    "evidence": {EVIDENCE, DAYS, SOFTWARE},
    "settings": {DAYS, SOFTWARE},
}


@dataclass(frozen=True, slots=True)
class Moved:
    """A figure of one briefing and its counterpart in the other; None if there is none.

    `objects` are those behind it that were added, removed or changed.
    """

    before: Printed | None
    after: Printed | None
    objects: tuple[str, ...] = ()

    @property
    def pair(self) -> tuple[Printed, ...]:
        """Those of the two that exist."""
        return tuple(each for each in (self.before, self.after) if each)

    @property
    def source(self) -> str:
        """What it comes from."""
        return self.pair[0].question


@dataclass(frozen=True, slots=True)
class ObjectChange:
    """An object that was added, removed or changed; its digests, None if it is not there.

    `accounts_for` is how much more of it counts after than before, by what is counted, where that is recorded.
    """

    name: str
    before: str | None
    after: str | None
    accounts_for: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Comparison:
    """The result of comparing two briefings, the earlier edition first.

    `contradictions` are data that differ and may not. `only` says how much each alone has, by file or place, and by
    source and heading of figures. `moved` are the figures of editions that differ, `causes` what differs behind them.
    """

    names: tuple[str, str]
    outcome: ComparisonOutcome
    detail: str
    contradictions: tuple[Difference, ...] = ()
    only: tuple[Mapping[str, int], Mapping[str, int]] = ({}, {})
    moved: tuple[Moved, ...] = ()
    objects: tuple[ObjectChange, ...] = ()
    causes: tuple[str, ...] = ()


def compare(one: Record, other: Record) -> Comparison:
    """Compare two briefings of one window; raises `Unavailable` for a record that names objects that cannot be."""
    same_report = one.said.report_number == other.said.report_number
    if same_report and one.said.edition > other.said.edition:
        one, other = other, one
    names = (one.name, other.name)
    if one.sha256 == other.sha256:
        return Comparison(names, "consistent", "they are the same document")
    if one.window != other.window:
        detail = f"they are about different windows, {one.window} and {other.window}"
        return Comparison(names, "could not be compared", detail)
    objects = tuple(_objects(one, other))
    causes = tuple(_causes(one, other, objects))
    base = Comparison(names, "consistent", "", objects=objects, causes=causes)
    return _editions(one, other, base) if same_report else _audiences(one, other, base)


def _audiences(one: Record, other: Record, base: Comparison) -> Comparison:
    for cause in (EVIDENCE, DAYS):
        if cause in base.causes:
            detail = f"{cause} behind them differ: {len(base.objects)} objects differ"
            return replace(base, outcome="could not be compared", detail=detail)
    moved, differing = _moved(one, other), list(_values(one, other))
    contradictions = [each for each in differing if ABSENT not in (each.before, each.after)]
    contradictions += [_contradiction(each) for each in moved if len(each.pair) == 2]
    here = (
        [each.before for each in moved if not each.after],
        [each.at for each in differing if each.after is ABSENT],
    )
    there = (
        [each.after for each in moved if not each.before],
        [each.at for each in differing if each.before is ABSENT],
    )
    found = replace(base, only=(_only(one, other, *here), _only(other, one, *there)))
    if contradictions:
        detail = f"{len(contradictions)} values that both have differ, the first at {contradictions[0].at}"
        return replace(found, outcome="contradictory", detail=detail, contradictions=tuple(contradictions))
    same = (
        f"the same {counted(len(one.objects), 'evidence object', 'evidence objects')} ({one.evidence_root})"
    )
    detail = f"both are computed from {same}, and all facts that both state are equal"
    return replace(found, detail=detail)


def _editions(one: Record, other: Record, base: Comparison) -> Comparison:
    made_again = remade(one, other)
    figures = [] if made_again else _moved(one, other)
    moved = _with_objects(one, other, figures, {each.name for each in base.objects})
    contradictions = [*_succession(one, other), *_same_figures(one, other)]
    contradictions += [
        _contradiction(each)
        for each in moved
        if len(each.pair) == 2 and not BEHIND.get(each.source, set()) & set(base.causes)
    ]
    if not base.causes:
        contradictions += _values(one, other)
    found = replace(base, moved=tuple(moved), contradictions=tuple(contradictions))
    differ = counted(len(base.objects), "evidence object differs", "evidence objects differ")
    told = f"{counted(len(moved), 'figure', 'figures')} moved, {differ}"
    if made_again:
        told = f"the same figures, made again by {other.made_by}"
    if contradictions:
        detail = f"{told}; nothing explains the difference at {contradictions[0].at}"
        return replace(found, outcome="contradictory", detail=detail)
    why = f"; what differs is {', '.join(base.causes)}" if base.causes else ""
    return replace(found, detail=told + why)


def _succession(one: Record, other: Record) -> Iterator[Difference]:
    """Two documents cannot be the same edition, and each edition names the one that it supersedes."""
    if one.said.edition == other.said.edition:
        yield Difference(f"two documents claim edition {one.said.edition}", one.sha256, other.sha256)
    elif one.said.edition + 1 == other.said.edition and other.said.supersedes != one.name:
        yield Difference("the superseded edition", one.name, other.said.supersedes)


def _same_figures(one: Record, other: Record) -> Iterator[Difference]:
    """Whether an edition that says that only its release differs from that of the one before it is right."""
    told, made_by = other.said.same_figures_as, one.statement.predicate.software
    if told is None or told.edition != one.said.edition:
        return
    if told.software_version != made_by.version or not remade(one, other):
        yield Difference("same_figures_as", ABSENT, asdict(told))


def remade(one: Record, other: Record) -> bool:
    """Whether two editions differ only because another release of Exhibit made them.

    Their templates may differ, because a release brings its own, and so may the periods that put earlier evidence
    objects together.
    """
    if one.statement.predicate.software.version == other.statement.predicate.software.version:
        return False
    if _made_from(one) != _made_from(other) or not all(map(_is_of_a_period, _moved(one, other))):
        return False
    return all(ABSENT in (each.before, each.after) for each in _values(one, other))


def _is_of_a_period(moved: Moved) -> bool:
    """Whether only one of two briefings puts the evidence objects of a period together."""
    figure, *counterpart = moved.pair
    return not counterpart and figure.question == "evidence" and figure.row.get("subjects", "all") != "all"


def _made_from(record: Record) -> Sequence[Any]:
    """What a briefing is made from, but for the release and the templates."""
    made = record.statement.predicate
    return (
        *(made.merkle_root, made.settling_days, made.settings, made.addressee, made.marking),
        *(made.pages.page_size, made.software.name),
        record.settled,
        record.accounts and record.accounts.root,
    )


def _causes(one: Record, other: Record, objects: Sequence[ObjectChange]) -> Iterator[str]:
    """What differs behind two briefings."""
    a, b = one.statement.predicate, other.statement.predicate
    settings = {each.name: each.digest for each in b.settings}
    found = {
        EVIDENCE: bool(objects),
        DAYS: a.settling_days != b.settling_days,
        SOFTWARE: a.software != b.software,
        **{each.name: settings.get(each.name) != each.digest for each in a.settings},
        "the templates": a.pages.templates != b.pages.templates,
    }
    return (name for name, differs in found.items() if differs)


def _objects(one: Record, other: Record) -> Iterator[ObjectChange]:
    before, after = ({each.name: each for each in record.statement.subject} for record in (one, other))
    for name in sorted({*before, *after}):
        a, b = before.get(name), after.get(name)
        if _digest(a) != _digest(b):
            counted = Counter(b.counted if b else {})
            counted.subtract(a.counted if a else {})
            yield ObjectChange(name, _digest(a), _digest(b), dict(counted))


def _digest(subject: Subject | None) -> str | None:
    return subject.digest.sha256 if subject else None


def _moved(one: Record, other: Record) -> list[Moved]:
    moved = (Moved(*pair) for pair in unlike(one.said.figures, other.said.figures))
    return [each for each in moved if each.source not in DRAWN]


def _with_objects(one: Record, other: Record, moved: Sequence[Moved], changed: set[str]) -> list[Moved]:
    """The figures, each with those of the changed objects that are behind it, before or after."""
    names: dict[str, set[str]] = {}
    for record, of_it in ((one, [e.before for e in moved]), (other, [e.after for e in moved])):
        for chain in chains(record, [figure for figure in of_it if figure]):
            behind = {each.name for each in chain.objects}
            names[chain.figure.place] = names.get(chain.figure.place, set()) | behind & changed
    return [replace(each, objects=tuple(sorted(names[each.pair[0].place]))) for each in moved]


def _values(one: Record, other: Record) -> Iterator[Difference]:
    """Where `briefing.json` differs in what it says about the facts."""
    a, b = ({key: value for key, value in each.data.items() if key not in PASSING} for each in (one, other))
    return differences(a, b)


def _contradiction(moved: Moved) -> Difference:
    a, b = moved.pair
    return Difference(f"figure {a.id} ({a.printed}) and {b.id} ({b.printed})", a.value, b.value)


def _only(
    one: Record, other: Record, figures: Iterable[Printed | None], places: Iterable[str]
) -> dict[str, int]:
    """What one has and the other does not."""
    found = Counter(name for name in one.files if name not in other.files)
    found["briefing.json: requests"] = len(one.data["requests"]) if not other.data["requests"] else 0
    found.update(f"briefing.json: {place}" for place in places)
    found.update(f"figures: {_heading(figure)}" for figure in figures if figure)
    return dict(+found)


def _heading(figure: Printed) -> str:
    row: Mapping[str, Any] = figure.row["ratio"][0] if "ratio" in figure.row else figure.row
    part = next((row[key] for key in ("heading", "window", "standing") if key in row), "")
    return f"{figure.question} {part}".strip()

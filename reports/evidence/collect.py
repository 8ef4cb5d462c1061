"""Step 2. A window's evidence: the objects, pinned, and what the questions answered about them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from reports.core.errors import Changed, InvalidEvidence, Unavailable
from reports.core.window import Window
from reports.evidence import questions
from reports.evidence.questions import Answer, Inquiry, Locating, QueryEngine, Question, Unlisted
from reports.evidence.source import EvidenceObject, EvidenceSource, ListedObject

TRIES = 3


@dataclass(frozen=True, slots=True)
class Contribution:
    """An object's contribution to a window: its rows, by what became of them, and their exchanges."""

    rows: Mapping[str, int]
    exchanges: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a briefing is made from.

    `objects` are all that was read: the window's, what landed for it later, and the days before it that it is
    compared with; `since` is the first day of them all. `gaps` are the days of the window on which no row of
    evidence has its activity. `contributions` are by the names of the objects that the tallies are of. `uncounted` are
    the names of objects that came while these were read, and that a later briefing counts. Of a table of one's own,
    `table` is what is recorded of it, and `days` are those that its objects hold.
    """

    window: Window
    settling_days: int
    since: date
    objects: tuple[EvidenceObject, ...]
    tallies: Answer
    history: Answer | None
    gaps: tuple[date, ...]
    contributions: Mapping[str, Contribution]
    uncounted: tuple[str, ...] = ()
    table: Mapping[str, Any] | None = None
    days: Mapping[str, Window] = field(default_factory=dict)

    @property
    def answers(self) -> tuple[Answer, ...]:
        """The answers, in the order they were asked for."""
        return (self.tallies,) if self.history is None else (self.tallies, self.history)


def collect(
    inquiry: Inquiry,
    engine: QueryEngine,
    source: EvidenceSource,
    progress: Callable[[str, int, int], None],
) -> Evidence:
    """Ask for the tallies of a window; meanwhile, ask for what came before, and pin the objects that answer.

    The evidence is what is listed at the start. If one of these objects is written meanwhile, even with the same bytes,
    or an engine that reads whole partitions has read a later one, all is read again.

    Raises `InvalidEvidence` if the evidence cannot be counted or the window has none, and `Unavailable` if the objects
    kept changing.
    """
    refused: InvalidEvidence | None = None
    for _ in range(TRIES):
        try:
            listed = source.list()
        except Changed:
            refused = None
            continue
        try:
            evidence = _collected(inquiry, engine, source, listed, progress)
        except Unlisted as error:
            if source.list() == listed:
                raise InvalidEvidence(str(error)) from None
            refused = None
            continue
        except Changed:
            refused = None
            continue
        except InvalidEvidence as error:
            now = source.list()
            if now == listed:
                raise
            refused = error if _stayed(inquiry, listed, now) else None
            continue
        now, sizes = source.list(), {o.name: o.size for o in listed}
        if _stayed(inquiry, listed, now) and all(o.size == sizes[o.name] for o in evidence.objects):
            later = (o.name for o in now if o.name not in sizes and inquiry.reads(o))
            return replace(evidence, uncounted=tuple(later))
        refused = None
    raise refused or Unavailable(
        f"the evidence changed during all {TRIES} attempts to read it: wait until its delivery has ended"
    )


def _stayed(inquiry: Inquiry, listed: Iterable[ListedObject], now: Iterable[ListedObject]) -> bool:
    """Whether all listed objects that are read are unchanged."""
    return set(filter(inquiry.reads, listed)) <= set(now)


def _collected(
    inquiry: Inquiry,
    engine: QueryEngine,
    source: EvidenceSource,
    listed: Sequence[ListedObject],
    progress: Callable[[str, int, int], None],
) -> Evidence:
    window, since = inquiry.window, min(o.day for o in listed)
    question, before = inquiry.questions(listed)
    with ThreadPoolExecutor(3) as beside:
        pinned = beside.submit(source.pin, filter(inquiry.reads, listed))
        apart = beside.submit(_check_layouts, questions.overlap(question, since), engine, listed)
        asked = beside.submit(engine.ask, before, lambda *_: None) if before else None
        tallies = engine.ask(question, lambda done, total: progress(question.name, done, total))
        gaps = _gaps(window, tallies, listed)
        contributions = _contributions(tallies, [o.name for o in listed if question.reads(o)])
        history = None
        if asked:
            progress("history", 0, 0)
            history = asked.result()
        apart.result()
        objects = pinned.result()
    days = {o.name: Window(o.day, o.until) for o in listed if o.until}
    return Evidence(
        window,
        inquiry.settling_days,
        since,
        objects,
        tallies,
        history,
        gaps,
        contributions,
        table=tallies.table,
        days=days,
    )


def _check_layouts(question: Question, engine: QueryEngine, listed: Sequence[ListedObject]) -> None:
    """Raise `InvalidEvidence` if one id is in both layouts."""
    if len({o.layout for o in listed if question.reads(o)}) == 1:
        return
    for row in engine.ask(question, lambda *_: None).rows:
        names = (row["flat_object"], row["ocsf_object"])
        if not isinstance(engine, Locating):
            raise questions.of_both(row)
        held = [engine.holding(name, row["detection_id"]) for name in names]
        raise questions.of_both(row, *(each and f": {each}" for each in held))


def _gaps(window: Window, tallies: Answer, listed: Sequence[ListedObject]) -> tuple[date, ...]:
    present = {row["event_day"] for row in tallies.rows if row["heading"] == "day" and row["all_campaigns"]}
    if not present:
        days, until = [o.day for o in listed], [o.until or o.day for o in listed]
        raise InvalidEvidence(
            f"window {window} has no evidence: there are objects for {min(days)} to {max(until)}; "
            "choose a window within those days, or deliver the missing partitions"
        )
    return tuple(day for day in window.days if day not in present)


def _contributions(tallies: Answer, names: Iterable[str]) -> dict[str, Contribution]:
    found = {name: Contribution({}, {}) for name in names}
    for row in tallies.rows:
        if row["heading"] != "object":
            continue
        if row["object"] not in found:
            raise Unlisted.counted(row["object"])
        found[row["object"]].rows[row["standing"]] = row["detections"]  # type: ignore[index]
        found[row["object"]].exchanges[row["standing"]] = row["exchanges"]  # type: ignore[index]
    return found

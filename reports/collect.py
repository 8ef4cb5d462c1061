"""Step 2. A window's evidence: the objects, pinned, and what the questions answered about them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date

from reports import query
from reports.errors import InvalidEvidence, Unavailable
from reports.evidence import EvidenceObject, EvidenceSource, Located
from reports.query import Answer, QueryEngine
from reports.resolve import Window

TRIES = 3


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a briefing is made from.

    `objects` are all that was read: the window's, what landed for it later, and the days before it that it is
    compared with. `gaps` are the days of the window on which no row of evidence has its activity.
    """

    window: Window
    settling_days: int
    objects: tuple[EvidenceObject, ...]
    tallies: Answer
    history: Answer | None
    gaps: tuple[date, ...]

    @property
    def answers(self) -> tuple[Answer, ...]:
        """The answers, in the order they were asked for."""
        return (self.tallies,) if self.history is None else (self.tallies, self.history)


def collect(
    window: Window,
    engine: QueryEngine,
    source: EvidenceSource,
    settling_days: int,
    progress: Callable[[str, int, int], None],
) -> Evidence:
    """Ask the questions about a window and pin the objects that answered them; digests are made beside the queries.

    Raises `InvalidEvidence` where the evidence cannot be counted or the window holds none, and `Unavailable` where the
    objects kept changing while they were read.
    """
    for _ in range(TRIES):
        listed = source.list()
        with ThreadPoolExecutor(1) as beside:
            pinned = beside.submit(source.pin, _read(listed, window, settling_days))
            tallies = engine.ask(query.tallies(window, settling_days), _named(progress, "tallies"))
            history = _history(engine, listed, window, settling_days, progress)
            objects = pinned.result()
        if source.list() == listed and [o.size for o in objects] == [
            o.size for o in _read(listed, window, settling_days)
        ]:
            return Evidence(window, settling_days, objects, tallies, history, _gaps(window, tallies, listed))
    raise Unavailable(
        f"the evidence changed while it was read, {TRIES} times over: wait until its delivery has ended"
    )


def _named(progress: Callable[[str, int, int], None], name: str) -> query.Progress:
    return lambda done, total: progress(name, done, total)


def _read(listed: tuple[Located, ...], window: Window, settling_days: int) -> list[Located]:
    settled = query.tallies(window, settling_days).delivered.last
    return [o for o in listed if o.day <= (window.last if o.layout == "flat" else settled)]


def _history(
    engine: QueryEngine,
    listed: tuple[Located, ...],
    window: Window,
    settling_days: int,
    progress: Callable[[str, int, int], None],
) -> Answer | None:
    earliest = min(o.day for o in listed)
    if earliest >= window.first:
        return None
    return engine.ask(query.history(window, settling_days, earliest), _named(progress, "history"))


def _gaps(window: Window, tallies: Answer, listed: tuple[Located, ...]) -> tuple[date, ...]:
    present = {row["event_day"] for row in tallies.rows if row["heading"] == "day" and row["all_campaigns"]}
    if not present:
        days = [o.day for o in listed]
        raise InvalidEvidence(
            f"window {window} is empty of evidence: there are objects for {min(days)} to {max(days)}; "
            "ask for a window in them, or deliver the missing partitions"
        )
    return tuple(day for day in window.days if day not in present)

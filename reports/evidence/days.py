"""The days of evidence: which are closed, closing them ahead, and forgetting an account.

What is kept of days is private, and may be removed at any time (`day_store`).
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Literal

import duckdb

from reports.core.errors import InvalidEvidence, Unavailable
from reports.core.labels import normalized
from reports.core.progress import Progress
from reports.core.window import Window
from reports.evidence import id_index, relations
from reports.evidence.closed_days import ClosedDays, Ready, Remembering, key_of, rules
from reports.evidence.columns import Layout
from reports.evidence.day_store import ClosedDay, DayStore
from reports.evidence.engine_duckdb import MEMORY_LIMIT
from reports.evidence.questions import Inquiry
from reports.evidence.source import EvidenceObject, ListedObject
from reports.evidence.spill import spill_folder

if TYPE_CHECKING:
    from reports.evidence.shared_days import SharedDays

State = Literal["closed", "changed", "open", "missing"]
"""Closed while its objects are unchanged; changed since; not closed yet; without evidence."""


@dataclass(frozen=True, slots=True)
class Day:
    """A day of a layout (None: of neither), and the objects that touch it: how many, and their bytes.

    `detections` and `exchanges` are what counts of a closed day.
    """

    day: date
    layout: Layout | None
    state: State
    objects: int = 0
    size: int = 0
    detections: int | None = None
    exchanges: int | None = None


def states(days: ClosedDays) -> tuple[Day, ...]:
    """The state of each day from the first to the last that has evidence.

    Objects are digested anew only if they were counted, and have been written to since, or shortly before.

    In OCSF, an object whose ids are not indexed yet changes the day of its partition. Raises what listing raises,
    `OSError` and `sqlite3.Error`.
    """
    listed = {o.name: o for o in days.source.list()}
    store, place = days.source.store, days.source.place
    kept, known = store.closed(place), days.source.known(listed.values())
    read = id_index.names(store, place, rules())
    rest = [
        o for o in listed.values() if o.name not in known and ((o.layout, o.day) in kept or o.name in read)
    ]
    known |= {o.name: o for o in days.source.pin(rest)}
    found = [each for _, each in _found(days.source, listed, known, kept)]
    there = {each.day for each in found}
    missing = [Day(day, None, "missing") for day in Window(min(there), max(there)).days if day not in there]
    return tuple(sorted([*found, *missing], key=lambda each: (each.day, each.layout or "")))


def unclosed(evidence: Remembering, objects: Sequence[ListedObject], ready: Ready) -> tuple[Day, ...]:
    """The days of all listed objects that are open or changed, if the objects that touch them are `ready`.

    No object is digested: one whose digest is not remembered has changed. Raises `OSError` and `sqlite3.Error`.
    """
    found = _found(
        evidence, {o.name: o for o in objects}, evidence.known(objects), evidence.store.closed(evidence.place)
    )
    return tuple(each for touching, each in found if ready(each.day, touching) and each.state != "closed")


def close(days: ClosedDays, window: Window, as_of: datetime, progress: Progress) -> int:
    """Close every day up to the end of a window; returns how many there are.

    Raises `InvalidEvidence` if the evidence cannot be counted, `Unavailable` if that cannot be kept, and what listing
    raises, `OSError` and `sqlite3.Error`.
    """
    closed = 0
    for question in filter(None, Inquiry(window, as_of).questions(days.source.list())):
        try:
            closed += days.closer.ahead(question, lambda done, total: progress("close", done, total))
        except (InvalidEvidence, duckdb.Error) as error:
            days.engine.ask(question, lambda *_: None)  # which tells what is wrong with the evidence
            raise Unavailable(
                f"days cannot be closed ({error}): briefings read their evidence each time"
            ) from None
    return closed


def forget(store: DayStore, account: str) -> tuple[int, int]:
    """Remove what is kept of each day that holds an account, with the index of its ids, and all copies of objects.

    Returns how many days and copies were removed. Raises `OSError` and `sqlite3.Error`.
    """
    holding = _forget(store, account)
    copies = [each for each in store.folder.iterdir() if _is_copy(each.name)]
    for each in copies:
        shutil.rmtree(each)
    return holding, len(copies)


def forget_shared(store: SharedDays, account: str) -> tuple[int, int]:
    """Take the days that hold an account from a bucket's list, and then delete every file there that no day has.

    Returns how many days and files were removed. Raises `Changed` if another process closed days meanwhile, what S3
    gives rise to, `OSError` and `sqlite3.Error`.
    """
    holding = _forget(store, account)
    store.push()
    return holding, store.remove_unused()


def _forget(store: DayStore, account: str) -> int:
    """Remove the days that hold an account, and those that cannot be read; returns how many there were."""
    found, label = store.every_day(), normalized(account)
    holding = {
        key: place
        for key, place in store.places().items()
        if key not in found or _holds(store, found[key], label)
    }
    store.forget(holding)
    return len(holding)


def _found(
    evidence: Remembering,
    listed: Mapping[str, ListedObject],
    known: Mapping[str, EvidenceObject],
    kept: Mapping[tuple[Layout, date], tuple[str, ClosedDay]],
) -> Iterator[tuple[Sequence[ListedObject], Day]]:
    """The days of listed objects by layout, each with the objects that touch it."""
    for layout, by_day in _touching(evidence.store, evidence.place, listed, known).items():
        for day, objects in by_day.items():
            yield objects, _state(layout, day, objects, known, kept.get((layout, day)))


def _touching(
    store: DayStore, place: str, listed: Mapping[str, ListedObject], known: Mapping[str, EvidenceObject]
) -> dict[Layout, dict[date, list[ListedObject]]]:
    found: dict[Layout, dict[date, list[ListedObject]]] = {
        "flat": defaultdict(list),
        "ocsf": defaultdict(list),
    }
    ocsf = [o for o in known.values() if listed[o.name].layout == "ocsf"]
    indexed, others = id_index.known(store, place, rules(), ocsf)
    for day, objects in indexed.items():
        found["ocsf"][day] += [listed[o.name] for o in objects]
    read = {o.name for o in ocsf} - {o.name for o in others}
    for o in listed.values():
        if o.name not in read:
            found[o.layout][o.day].append(o)
    return found


def _state(
    layout: Layout,
    day: date,
    objects: Sequence[ListedObject],
    known: Mapping[str, EvidenceObject],
    kept: tuple[str, ClosedDay] | None,
) -> Day:
    told = Day(day, layout, "changed" if kept else "open", len(objects), sum(o.size for o in objects))
    pinned = [known[o.name] for o in objects if o.name in known]
    if kept is None or len(pinned) < len(objects) or key_of(day, layout, pinned) != kept[0]:
        return told
    sums = kept[1].sums.values()
    detections, exchanges = (sum(each[column] for each in sums) for column in (0, 1))
    return replace(told, state="closed", detections=detections, exchanges=exchanges)


def _holds(store: DayStore, closed: ClosedDay, account: str) -> bool:
    """Whether the cells of a day hold an account; so does one whose cells cannot be read."""
    cells = store.cells.absolute()
    if not store.are_whole(closed.files[:1]):
        return True
    try:
        with spill_folder() as spill, relations.connection(cells, spill, MEMORY_LIMIT) as con:
            file = relations.of_cells(cells / each for each in closed.files[:1])
            return con.execute(f"from {file} where account_id = ? limit 1", [account]).fetchone() is not None
    except duckdb.Error:
        return True


def _is_copy(name: str) -> bool:
    return len(name) == 64 and not set(name) - set("0123456789abcdef")

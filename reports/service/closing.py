"""Closes the days of the deployed system's evidence, in a bucket of their own."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Container
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import duckdb

from reports.core import errors
from reports.core.errors import Changed, ExhibitError, InvalidEvidence, Unavailable
from reports.core.window import Window
from reports.evidence.cache import PassingCopies
from reports.evidence.closed_days import DayCloser, Remembering
from reports.evidence.questions import Inquiry, Question
from reports.evidence.source import LAYOUTS
from reports.evidence.tally import CannotClose

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reports.evidence.shared_days import SharedDays
    from reports.evidence.source import ListedObject
    from reports.evidence.source_s3 import S3Evidence
    from reports.service.parts import Deployed

STILL = timedelta(hours=1)
MOST_COPIED = 5_000_000_000
"""Bytes that are copied at once: half of the function's temporary space, for DuckDB may need as much again."""


@dataclass(frozen=True, slots=True)
class Closed:
    """How many days were closed before and now, what stopped the closing of others, and which are too large for it."""

    days: int
    stopped: ExhibitError | None
    too_large: tuple[date, ...] = ()


def close_days(parts: Deployed, now: datetime, deadline: Callable[[], float]) -> Closed:
    """Close the days before today, those whose objects have not been written to for an hour, while there is time.

    Days whose objects are too large to copy are passed over: Athena answers about them. `deadline` gives the seconds
    that are left. What was closed is kept, whatever stops the rest: the next call goes on.
    Raises `Changed` if another process closed days meanwhile, what S3 gives rise to, and `Unavailable` where there is
    no room.

    Permissions: those of `S3Evidence`, and of `SharedDays` with `push`.
    """
    with TemporaryDirectory(prefix="exhibit-") as folder:
        store = parts.days(Path(folder))
        run = _Run(parts.evidence(deadline), store, now, deadline)
        stopped: ExhibitError | None = None
        try:
            run.close()
        except (Changed, InvalidEvidence, Unavailable) as error:
            stopped = error
        except duckdb.Error as error:
            told = "DuckDB cannot count the evidence"
            stopped = Unavailable(f"{told}: {error}", told)
        except (OSError, sqlite3.Error) as error:
            raise _of_disk(error) from None
        finally:
            store.push()
        return Closed(run.days, stopped or run.stopped, tuple(sorted(run.too_large)))


def _of_disk(error: OSError | sqlite3.Error) -> ExhibitError:
    if isinstance(error, OSError):
        return errors.of_system(error)
    return Unavailable(f"the list of days cannot be written to ({error}): run again")


@dataclass(slots=True)
class _Run:
    """One run; `days` counts those that are closed, as far as it came."""

    source: S3Evidence
    store: SharedDays
    now: datetime
    deadline: Callable[[], float]
    days: int = 0
    stopped: ExhibitError | None = None
    too_large: set[date] = field(default_factory=set)

    def close(self) -> None:
        listed = self.source.list()
        still = {o.name for o in listed if self.source.written(o) <= self.now - STILL}
        yesterday = self.now.date() - timedelta(1)
        for question in Inquiry(Window(yesterday, yesterday), self.now).questions(listed):
            for layout in LAYOUTS.values():
                of_layout = {o.name: o for o in listed if o.layout == layout}
                if question and of_layout:
                    self._close(replace(question, listed=of_layout), still)

    def _close(self, question: Question, still: Container[str]) -> None:
        """Close the days of a layout, unless one object alone is too large to copy, so that its ids cannot be read."""
        copies = PassingCopies(self.source, at_once=MOST_COPIED)
        closer = DayCloser(Remembering(self.source, self.store, 0), copies)

        def ready(day: date, objects: Sequence[ListedObject]) -> bool:
            return all(o.name in still for o in objects) and self._fits(day, objects)

        try:
            self.days += closer.ahead(question, self._progress, ready)
        except CannotClose as error:
            self.stopped = Unavailable(f"no day of OCSF can be closed: {error}")

    def _fits(self, day: date, objects: Sequence[ListedObject]) -> bool:
        fits = sum(o.size for o in objects) <= MOST_COPIED
        if not fits:
            self.too_large.add(day)
        return fits

    def _progress(self, done: int, total: int) -> None:
        if self.deadline() <= 0:
            raise Unavailable(f"time was up after {done} of {total} batches of days")

"""Closes the days of the deployed system's evidence, in a bucket of their own."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import duckdb

from reports.core import errors
from reports.core.errors import Changed, ExhibitError, InvalidEvidence, Unavailable
from reports.core.window import Window
from reports.evidence.cache import PassingCopies
from reports.evidence.closed_days import DayCloser, Remembering
from reports.evidence.questions import Inquiry

if TYPE_CHECKING:
    from reports.evidence.shared_days import SharedDays
    from reports.evidence.source_s3 import S3Evidence
    from reports.service.parts import Deployed

STILL = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Closed:
    """How many days were closed before and now, and what stopped the closing of others."""

    days: int
    stopped: ExhibitError | None


def close_days(parts: Deployed, now: datetime, deadline: Callable[[], float]) -> Closed:
    """Close the days before today, those whose objects have not been written to for an hour, while there is time.

    `deadline` gives the seconds that are left. What was closed is kept, whatever stops the rest: the next call goes on.
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
        return Closed(run.days, stopped)


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

    def close(self) -> None:
        listed = self.source.list()
        still = {o.name for o in listed if self.source.written(o) <= self.now - STILL}
        closer = DayCloser(Remembering(self.source, self.store, 0), PassingCopies(self.source))
        yesterday = self.now.date() - timedelta(1)
        for question in Inquiry(Window(yesterday, yesterday), self.now).questions(listed):
            if question:
                self.days += closer.ahead(
                    question, self._progress, lambda objects: all(o.name in still for o in objects)
                )

    def _progress(self, done: int, total: int) -> None:
        if self.deadline() <= 0:
            raise Unavailable(f"time was up after {done} of {total} batches of days")

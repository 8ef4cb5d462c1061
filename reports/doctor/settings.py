"""The settings that operators keep in the bucket of the settings, and what is closed and published by them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from reports.core.errors import InvalidSettings, Unavailable
from reports.doctor.deployed_stack import DeployedStack
from reports.doctor.findings import Finding, of_error, phrase, warning, wrong
from reports.evidence import days
from reports.evidence.closed_days import Remembering
from reports.service import schedules
from reports.service.closing import MOST_COPIED

RECENT = 30  # days
SHOWN = 3
LATE = timedelta(hours=3)  # a day is closed within two hours of the last write


def schedules_parse(stack: DeployedStack) -> Iterator[Finding]:
    """Whether the functions can read the schedules.

    Permissions: `s3:ListBucket` on the bucket of the settings, `s3:GetObject` on its objects, `kms:Decrypt` on the
    stack's key for data.
    """
    stack.parts.settings.list("")
    stack.parts.settings.get(schedules.FILE)  # what AWS refuses is no fault of the file's
    try:
        stack.parts.schedules()
    except InvalidSettings as error:
        yield of_error("wrong", error)


def published(stack: DeployedStack) -> Iterator[Finding]:
    """Whether each scheduled briefing that is due was published, as the alarm `overdue` does.

    Permissions: those of `schedules_parse`; `s3:ListBucket` on the bucket of the archive, `s3:GetObject` on its
    objects.
    """
    parts = stack.parts
    due = schedules.due(parts.schedules(), stack.now, parts.environment.settling_days)
    there = [each.name for each in parts.requests.listed("", lambda _: True) if each.state == "published"]
    late = schedules.overdue(due, there, stack.now, schedules.GRACE)
    if late:
        first = [f"{each.window} for a {each.audience}" for each in late[:SHOWN]]
        more = [f"{len(late) - SHOWN} more"] if len(late) > SHOWN else []
        yield wrong(
            f"Scheduled briefings are due and not published: {phrase([*first, *more])}.",
            f"Read the outcomes of the requests below outcomes/ in {stack.resources['ArchiveBucket']} and the log of "
            f"{stack.resources['Publish']}, correct what they name, and request the briefings again.",
        )


def days_closed(stack: DeployedStack) -> Iterator[Finding]:
    """Whether each day that is over, and whose objects have not been written to lately, is closed as it is now.

    What is not closed is read for each briefing, so this only warns.

    Permissions: `s3:ListBucket` and `s3:GetObject` on the bucket of cells, `kms:Decrypt` on the stack's key for data.
    """
    source, before, today = stack.source, stack.now - LATE, stack.now.date()
    with TemporaryDirectory(prefix="exhibit-") as folder:
        evidence = Remembering(source, stack.parts.days(Path(folder)))
        try:
            found = days.unclosed(
                evidence,
                stack.objects(),
                lambda _, touching: all(source.written(o) < before for o in touching),
            )
        except sqlite3.Error as error:
            raise Unavailable(
                f"the list of closed days cannot be read ({error}): make room for it, or run again"
            ) from None
    over = [each for each in found if each.day < today]
    if left := sorted({each.day for each in over if each.size <= MOST_COPIED}):
        function = stack.resources.get("Close", "close")
        yield warning(
            f"Not closed, so that each briefing reads them again: {_days(left)}.",
            f"Read the log of {function}, which says what stopped it; a new stack closes older days hour by hour.",
        )
    if large := sorted({each.day for each in over if each.size > MOST_COPIED}):
        yield warning(
            f"Too large to be closed, so that Athena reads them for each briefing: {_days(large)}.",
            f"If that costs too much, deliver at most {MOST_COPIED:,} bytes a day, for example as Parquet.",
        )


def _days(days: Sequence[date]) -> str:
    return str(days[0]) if len(days) == 1 else f"{len(days)} days from {days[0]} to {days[-1]}"


def days_delivered(stack: DeployedStack) -> Iterator[Finding]:
    """Whether each of the last days that are over has evidence, from the evidence's first day on.

    A day without detections has none either, so this only warns.
    """
    delivered = {each.day for each in stack.objects()}
    last = stack.now.date() - timedelta(2)  # yesterday's may still be on its way
    recent = [last - timedelta(back) for back in range(RECENT)]
    open_ = sorted(day for day in recent if day not in delivered and day >= min(delivered))
    check = "Check what delivers the evidence, unless nothing was detected then: briefings name such days as gaps."
    if len(open_) == RECENT:
        yield warning(f"The last {RECENT} days have no evidence: the newest is of {max(delivered)}.", check)
    elif open_:
        first = [str(day) for day in open_[:SHOWN]]
        more = [f"{len(open_) - SHOWN} more"] if len(open_) > SHOWN else []
        told = phrase([*first, *more])
        yield warning(
            f"Of the last {RECENT} days, {told} {'have' if open_[1:] else 'has'} no evidence.", check
        )

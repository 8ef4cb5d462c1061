"""The settings that operators keep in the bucket of the settings, and what is published by them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from reports.core.errors import InvalidSettings
from reports.doctor.deployed_stack import DeployedStack
from reports.doctor.findings import Finding, of_error, phrase, warning, wrong
from reports.service import schedules

RECENT = 30  # days
SHOWN = 3


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


def days_delivered(stack: DeployedStack) -> Iterator[Finding]:
    """Whether each of the last days that are over has evidence, from the evidence's first day on.

    A day without detections has none either, so this only warns.
    """
    days = {each.day for each in stack.objects()}
    last = stack.now.date() - timedelta(2)  # yesterday's may still be on its way
    recent = [last - timedelta(back) for back in range(RECENT)]
    open_ = sorted(day for day in recent if day not in days and day >= min(days))
    check = "Check what delivers the evidence, unless nothing was detected then: briefings name such days as gaps."
    if len(open_) == RECENT:
        yield warning(f"The last {RECENT} days have no evidence: the newest is of {max(days)}.", check)
    elif open_:
        first = [str(day) for day in open_[:SHOWN]]
        more = [f"{len(open_) - SHOWN} more"] if len(open_) > SHOWN else []
        told = phrase([*first, *more])
        yield warning(
            f"Of the last {RECENT} days, {told} {'have' if open_[1:] else 'has'} no evidence.", check
        )

"""The clock of this machine against AWS's, which is in the header `Date` of each answer, whatever it answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

from botocore.exceptions import ClientError  # type: ignore[import-untyped]

from reports.core import aws_clients, aws_errors
from reports.core.errors import Unavailable
from reports.doctor.findings import Finding, wrong

# Most of AWS's services refuse what was signed longer ago (IAM User Guide, "Elements of an AWS API request signature")
ALLOWED = timedelta(minutes=5)


def ahead(clock: Callable[[], datetime]) -> timedelta:
    """How far a clock is ahead of AWS's, to a few seconds; negative if it is behind.

    Raises `Unavailable` if AWS does not answer, and `InvalidSettings` without credentials. `sts:GetCallerIdentity`
    needs no permission.
    """
    client = aws_clients.client("sts")
    with aws_errors.translated("AWS STS"):
        try:
            answer = client.get_caller_identity()
        except ClientError as error:  # such as one for the clock
            answer = error.response
    date = str(answer["ResponseMetadata"].get("HTTPHeaders", {}).get("date"))
    try:
        theirs = parsedate_to_datetime(date)
    except ValueError:
        theirs = None
    if theirs is None or theirs.tzinfo is None:
        raise Unavailable(
            "the answer of AWS STS has no date: run again, without a proxy that changes answers"
        )
    return clock() - theirs


def right(off: timedelta) -> Iterator[Finding]:
    """What is wrong with a clock that is ahead by so much."""
    if abs(off) > ALLOWED:
        direction = "ahead of" if off > timedelta() else "behind"
        yield wrong(
            f"The clock of this machine is {_told(abs(off))} {direction} AWS's, which refuses what it signs.",
            "Set the clock, and have it follow a time server (NTP).",
        )


def _told(off: timedelta) -> str:
    minutes = round(off.total_seconds() / 60)
    hours, rest = divmod(minutes, 60)
    parts = [f"{hours:,} hour{'s' * (hours != 1)}"] * bool(hours)
    parts += [f"{rest} minute{'s' * (rest != 1)}"] * bool(rest)
    return " and ".join(parts)

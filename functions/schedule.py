"""The hourly tick: creates the requests that are due.

What is due depends only on the scheduled time. A tick that comes late, twice, or after others were missed creates
what is not there yet.

Permissions: those of `S3Store`; `s3:ListBucket` on the bucket of the settings and `s3:GetObject` on its objects.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from aws_lambda_powertools import Logger, Tracer
from aws_lambda_powertools.utilities.typing import LambdaContext

from reports.core.errors import InvalidRequest
from reports.service import schedules
from reports.service.parts import deployed

AT_ONCE = 50  # requests per tick; the next tick creates the rest

logger = Logger()
tracer = Tracer(patch_modules=("botocore",))


@tracer.capture_lambda_handler(capture_response=False)
def handler(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Take `{"scheduled_time": INSTANT}`; return the ids of the requests that were created."""
    at = _instant(event)
    parts = deployed()
    due = schedules.due(parts.schedules(), at, parts.environment.settling_days)
    created = []
    for request in schedules.missing(due, parts.requests.names())[:AT_ONCE]:
        parts.requests.announce(request.id)
        if parts.requests.create(request):
            logger.info("created", request=request.id, requested_by=request.requested_by)
            created.append(request.id)
        parts.requests.announce(request.id)  # again, because the index may have advanced meanwhile
    return {"created": created}


def _instant(event: Mapping[str, Any]) -> datetime:
    text = event.get("scheduled_time")
    try:
        instant = datetime.fromisoformat(str(text))
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise InvalidRequest(
            f"scheduled_time {text!r} is not a date and time: write it like 2026-06-20T12:00:00Z"
        )
    return instant

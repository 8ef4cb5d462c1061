"""Every day: gives editions whose last time-stamps expire soon a fresh one, in copies beside them.

Permissions: those of `S3Store`; `s3:ListBucket` on the bucket of the settings and `s3:GetObject` on its objects.
"""

# ruff: noqa: PLC0415

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from reports.service.parts import Deployed, deployed

logger = Logger()
metrics = Metrics(namespace="Exhibit")
tracer = Tracer(patch_modules=("botocore",))


@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
def handler(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Renew; the event is not used. Returns the names of the copies, and what failed."""
    from reports.service.renewals import Archive, renew_due

    parts, now = deployed(), datetime.now(UTC)
    archive = Archive(parts.briefings, parts.copies)
    outcome = renew_due(
        archive, _renewing(parts, now), now, lambda: context.get_remaining_time_in_millis() / 1000
    )
    for failure in outcome.failed:
        logger.warning("not renewed", reason=failure)
    metrics.add_metric("Renewed", MetricUnit.Count, len(outcome.renewed))
    metrics.add_metric("RenewalsFailed", MetricUnit.Count, len(outcome.failed))
    if outcome.days_left is not None:
        metrics.add_metric("StampDaysLeft", MetricUnit.Count, outcome.days_left)
    return {"renewed": outcome.renewed, "failed": outcome.failed, "StampDaysLeft": outcome.days_left}


def _renewing(parts: Deployed, now: datetime) -> Callable[[bytes], bytes]:
    from reports.renew import renew

    trust = (*parts.chain()[-1:], *parts.trust())
    lists, timestamper = parts.lists(), parts.timestamper()
    return lambda pdf: renew(pdf, timestamper, trust, now, crls=lambda _: lists)

"""Every quarter of an hour: measures what is late, overdue or about to expire, and extends the index of requests.

Alarms watch these figures.

Permissions: those of `S3Store`; `s3:ListBucket` on the bucket of the settings and `s3:GetObject` on
its objects.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from reports.core.errors import InvalidSettings
from reports.service import schedules
from reports.service.parts import Deployed, deployed

logger = Logger()
metrics = Metrics(namespace="Exhibit")
tracer = Tracer(patch_modules=("botocore",))


@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
def handler(event: Mapping[str, Any], context: LambdaContext) -> dict[str, float]:
    """Measure; the event is not used. Returns the figures."""
    now = datetime.now(UTC)
    parts = deployed()
    parts.requests.index()
    listed = list(parts.requests.listed("", lambda _: True))
    waiting = [parts.asked(each.name.id) for each in listed if each.state in ("requested", "working")]
    published = [each.name for each in listed if each.state == "published"]
    age = max([0.0, *((now - since).total_seconds() for since in waiting if since)])
    days = _days_left(parts, now)
    metrics.add_metric("OldestRequestAge", MetricUnit.Seconds, age)
    metrics.add_metric("CertificateDaysLeft", MetricUnit.Count, days)
    due = schedules.due(parts.schedules(), now, parts.environment.settling_days)
    late = schedules.overdue(due, published, now, schedules.GRACE)
    for request in late:
        logger.warning("overdue", request=request.id, requested_by=request.requested_by)
    metrics.add_metric("OverdueSchedules", MetricUnit.Count, len(late))
    return {"OldestRequestAge": age, "CertificateDaysLeft": days, "OverdueSchedules": len(late)}


def _days_left(parts: Deployed, now: datetime) -> float:
    """Days until the signing certificate expires; 0 if there is no certificate."""
    try:
        leaf = parts.chain()[0]
    except InvalidSettings as error:
        logger.warning(str(error))
        return 0.0
    return max(0.0, (leaf.not_valid_after_utc - now) / timedelta(days=1))

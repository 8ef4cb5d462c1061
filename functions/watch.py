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
from reports.service.parts import CHAIN, Deployed, deployed

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
    certificate = _certificate(parts, now, bool(published))
    metrics.add_metric("OldestRequestAge", MetricUnit.Seconds, age)
    for name, days in certificate.items():
        metrics.add_metric(name, MetricUnit.Count, days)
    due = schedules.due(parts.schedules(), now, parts.environment.settling_days)
    late = schedules.overdue(due, published, now, schedules.GRACE)
    for request in late:
        logger.warning("overdue", request=request.id, requested_by=request.requested_by)
    metrics.add_metric("OverdueSchedules", MetricUnit.Count, len(late))
    return {"OldestRequestAge": age, **certificate, "OverdueSchedules": len(late)}


def _certificate(parts: Deployed, now: datetime, published: bool) -> dict[str, float]:
    """Days until the signing certificate expires, 0 if it is gone; nothing before the first one is there."""
    try:
        leaf = parts.chain()[0]
    except InvalidSettings as error:
        logger.warning(str(error))
        is_new = not published and parts.settings.get(CHAIN) is None
        return {} if is_new else {"CertificateDaysLeft": 0.0}
    return {"CertificateDaysLeft": max(0.0, (leaf.not_valid_after_utc - now) / timedelta(days=1))}

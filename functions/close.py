"""Closes days of evidence, every hour: a day's cells are made once, and briefings add them up.

Nothing depends on it but time and cost: what is not closed is read by the function that publishes.

Permissions: those of `close_days`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from reports.service.closing import close_days
from reports.service.parts import deployed

RESERVE = 180.0  # seconds reserved for what was closed to be kept

logger = Logger()
metrics = Metrics(namespace="Exhibit")
tracer = Tracer(patch_modules=("botocore",))


@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
def handler(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Take any event; return how many days are closed, and what stopped the rest, if anything did."""
    found = close_days(
        deployed(), datetime.now(UTC), lambda: context.get_remaining_time_in_millis() / 1000 - RESERVE
    )
    stopped = found.stopped.public if found.stopped else None
    if found.stopped:
        logger.warning(stopped, kind=type(found.stopped).__name__)
    if found.too_large:
        logger.warning("days are too large to close", days=[str(day) for day in found.too_large])
    logger.info("closed", days=found.days)
    metrics.add_metric("DaysClosed", MetricUnit.Count, found.days)
    return {"closed": found.days, "stopped": stopped}

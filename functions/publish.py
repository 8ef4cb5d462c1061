"""Processes the queue of new requests: one briefing per request.

A message is taken off the queue when its request is published. Otherwise it stays: after a transient error, to be
delivered again later; after a failure, to end in the dead-letter queue.

Permissions: those of `AthenaPress`; `sqs:ChangeMessageVisibility` on the queue.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote_plus

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from reports.core import aws_errors
from reports.core.errors import ExhibitError, Shortened, Unfinished, trace
from reports.service.parts import Deployed, deployed
from reports.service.process_request import Delivery, deliver
from reports.service.publisher import AthenaPress
from reports.service.requests import stem

RESERVE = 120.0  # seconds reserved for the steps after the queries
AT_ONCE = 5  # seconds until a delivery that continues with a query
FIRST_WAIT, LONGEST_WAIT = 30, 900  # seconds until the delivery after an error; doubled each time

logger = Logger()
metrics = Metrics(namespace="Exhibit")
tracer = Tracer(patch_modules=("botocore",))


@tracer.capture_lambda_handler(capture_response=False)
def handler(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Take SQS messages with S3's notifications in them; return those that are to be delivered again."""
    again = [record["messageId"] for record in event["Records"] if not _taken(record, context)]
    return {"batchItemFailures": [{"itemIdentifier": message} for message in again]}


def _taken(record: Mapping[str, Any], context: LambdaContext) -> bool:
    parts = deployed()
    try:
        ids = list(_requests(json.loads(record["body"])))
    except (ValueError, KeyError, TypeError, AttributeError):
        logger.error("the message is not an S3 notification", message_id=record["messageId"])
        return False
    published = [_published(parts, id_, record, context) for id_ in ids]
    return all(published)


def _requests(notification: Mapping[str, Any]) -> Iterator[str]:
    if notification.get("Event") == "s3:TestEvent":  # S3 sends this when the queue is configured
        return
    for record in notification["Records"]:
        yield stem(unquote_plus(record["s3"]["object"]["key"]).removeprefix("requests/"))


def _published(parts: Deployed, id_: str, record: Mapping[str, Any], context: LambdaContext) -> bool:
    steps = _Steps()
    press = AthenaPress(parts, lambda: context.get_remaining_time_in_millis() / 1000 - RESERVE, steps)
    number = int(record["attributes"]["ApproximateReceiveCount"])
    delivery = Delivery(id_, number, parts.environment.max_receives)
    tracer.put_annotation("request", id_)
    with logger.append_context_keys(request=id_, delivery=number):
        try:
            ended = deliver(delivery, parts.requests, press, datetime.now(UTC), context.aws_request_id)
        except Exception as error:
            _log(error)
            if isinstance(error, Shortened):
                metrics.add_metric("RegisterShortened", MetricUnit.Count, 1)
            _deliver_again(parts, record, _wait(error, number))
            return False
        finally:
            steps.end()
            if press.without_days:
                logger.warning(
                    "closed days could not be used",
                    error=press.without_days.public,
                    kind=type(press.without_days).__name__,
                )
            metrics.add_metric("BytesScanned", MetricUnit.Bytes, press.scanned)
            metrics.flush_metrics()
        return _ended(parts, record, ended.outcome.state, ended.outcome.error, ended.now)


def _ended(
    parts: Deployed, record: Mapping[str, Any], state: str, error: Mapping[str, str] | None, now: bool
) -> bool:
    if now:
        metrics.add_metric("Published" if state == "published" else "Failed", MetricUnit.Count, 1)
        metrics.flush_metrics()
    if state == "published":
        logger.info("published")
        return True
    logger.error("failed", error=error)
    _deliver_again(parts, record, 0)
    return False


def _log(error: Exception) -> None:
    if isinstance(error, ExhibitError):
        logger.warning(error.public, kind=type(error).__name__)
    else:
        logger.error("internal error", trace=trace(error))


def _wait(error: Exception, number: int) -> int:
    if isinstance(error, Unfinished):
        return AT_ONCE
    return int(min(FIRST_WAIT * 2 ** (number - 1), LONGEST_WAIT))


def _deliver_again(parts: Deployed, record: Mapping[str, Any], seconds: int) -> None:
    """Have a message delivered again; if that fails, the queue does so on its own schedule."""
    *_, account, queue = record["eventSourceARN"].split(":")
    sqs = parts.client("sqs")
    try:
        with aws_errors.translated(f"queue {queue}"):
            sqs.change_message_visibility(
                QueueUrl=f"{sqs.meta.endpoint_url}/{account}/{queue}",
                ReceiptHandle=record["receiptHandle"],
                VisibilityTimeout=seconds,
            )
    except ExhibitError as error:
        _log(error)


class _Steps:
    """Measures the seconds of each step of the pipeline, as the steps begin."""

    def __init__(self) -> None:
        self._step = ""
        self._began = 0.0

    def __call__(self, step: str, done: int, total: int) -> None:
        if step != self._step:
            self.end()
            logger.info("step", step=step)
            self._step, self._began = step, time.monotonic()

    def end(self) -> None:
        """End the step that goes on."""
        if self._step:
            seconds = time.monotonic() - self._began
            metrics.add_metric(f"{self._step.capitalize()}Seconds", MetricUnit.Seconds, seconds)
        self._step = ""

"""A request has ended: tells the event bus and the topic where to fetch it. The messages contain no figures.

An outcome that is delivered twice is announced twice; the request's id shows that it is the same.

Permissions: `s3:GetObject` and `s3:ListBucket` on the archive, `events:PutEvents` on the bus, `sns:Publish` on the
topic.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools import Logger, Tracer
from aws_lambda_powertools.utilities.typing import LambdaContext

from reports.core import aws_errors
from reports.core.errors import Unavailable
from reports.service.parts import Deployed, deployed
from reports.service.requests import RequestId, RequestOutcome, stem

TITLES = {"published": "Briefing Published", "failed": "Briefing Failed"}

logger = Logger()
tracer = Tracer(patch_modules=("botocore",))


@tracer.capture_lambda_handler(capture_response=False)
def handler(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Take an `Object Created` event of S3 below `outcomes/`; return what was announced."""
    id_ = stem(event["detail"]["object"]["key"].removeprefix("outcomes/")).rpartition(".")[0]
    parts = deployed()
    tracer.put_annotation("request", id_)
    with logger.append_context_keys(request=id_):
        outcome = parts.requests.outcome(id_)
        if outcome is None:
            raise Unavailable(f"request {id_} has no outcome yet: deliver the event again")
        notice = _notice(id_, outcome)
        _put(parts, TITLES[outcome.state], notice)
        _send(parts, TITLES[outcome.state], notice)
        logger.info("told", state=outcome.state)
    return notice


def _notice(id_: str, outcome: RequestOutcome) -> dict[str, Any]:
    name = RequestId.parse(id_)
    notice: dict[str, Any] = {"request": id_, "state": outcome.state, "briefing": f"/briefings/{id_}"}
    if name:
        window = {"from": str(name.window.first), "to": str(name.window.last)}
        notice |= {"audience": name.audience, "window": window}
    if outcome.receipt:
        notice |= {key: outcome.receipt[key] for key in ("report_number", "edition", "supersedes")}
        notice["document"] = f"/briefings/{id_}/document"
    if outcome.error:
        notice["error"] = outcome.error["kind"]  # the message may quote evidence
    return notice


def _put(parts: Deployed, title: str, notice: Mapping[str, Any]) -> None:
    bus = parts.environment.bus
    entry = {"Source": "exhibit", "DetailType": title, "Detail": json.dumps(notice), "EventBusName": bus}
    with aws_errors.translated(f"event bus {bus}"):
        answer = parts.client("events").put_events(Entries=[entry])
    if answer["FailedEntryCount"]:
        code = answer["Entries"][0].get("ErrorCode", "no code")
        raise Unavailable(f"event bus {bus} did not accept the event ({code}): deliver it again")


def _send(parts: Deployed, title: str, notice: Mapping[str, Any]) -> None:
    topic = parts.environment.topic
    with aws_errors.translated(f"topic {topic}"):
        parts.client("sns").publish(TopicArn=topic, Subject=title, Message=json.dumps(notice, indent=2))

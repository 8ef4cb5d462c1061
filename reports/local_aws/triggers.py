"""What calls the functions: the queue of new requests, ended requests, and the ticks.

Each is a thread that asks until `stop`. A message is taken off its queue when its function has taken it; otherwise the
queue delivers it again in its own time, or puts it among the dead letters.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]

from reports.local_aws.deploy import CALLED, TOLD, arn
from reports.local_aws.gateway import FunctionFailed
from reports.local_aws.template import Resource, Stack
from reports.service.requests import said

IDLE = 0.3  # seconds until an empty queue is asked again
SCHEDULED_TIME = "<aws.scheduler.scheduled-time>"
Invoke = Callable[[str, Any], Any]
Message = Mapping[str, Any]

_RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")


@dataclass
class Triggers:
    """The triggers of a stack. `invoke` calls a function, `tell` is told what the bus and the topic have said.

    `most` messages of the queue of requests are in work at once.
    """

    stack: Stack
    sqs: Any
    invoke: Invoke
    tell: Callable[[str], None]
    most: int
    _stopped: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        """Begin to ask."""
        self._begin(self._requests)
        self._begin(self._poll, CALLED, lambda message: self.invoke("announce", json.loads(message["Body"])))
        self._begin(self._poll, TOLD, lambda message: self.tell(_line(json.loads(message["Body"]))))
        for schedule in self.stack.of_type("AWS::Scheduler::Schedule"):
            self._begin(self._tick, schedule)

    def stop(self) -> None:
        """Ask no more. What a function is at is left to whoever ends the functions."""
        self._stopped.set()

    def join(self) -> None:
        """Wait until nothing asks any more."""
        for thread in self._threads:
            thread.join()

    def _begin(self, work: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _requests(self) -> None:
        queue = "requests"
        places = threading.BoundedSemaphore(self.most)
        with ThreadPoolExecutor(self.most) as pool:
            while not self._stopped.is_set():
                if not places.acquire(timeout=IDLE):
                    continue
                message = self._receive(queue)
                if message is None:
                    places.release()
                    self._stopped.wait(IDLE)
                    continue
                pool.submit(self._publish, queue, message).add_done_callback(lambda _: places.release())

    def _publish(self, queue: str, message: Message) -> None:
        record = {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": message["Attributes"],
            "messageAttributes": {},
            "eventSource": "aws:sqs",
            "eventSourceARN": arn(self.stack, queue),
            "awsRegion": self.stack.region,
        }
        with suppress(FunctionFailed):
            answer = self.invoke("publish", {"Records": [record]})
            if not answer["batchItemFailures"]:
                self._delete(queue, message)

    def _poll(self, queue: str, take: Callable[[Message], object]) -> None:
        while not self._stopped.is_set():
            message = self._receive(queue)
            if message is None:
                self._stopped.wait(IDLE)
                continue
            with suppress(FunctionFailed):
                take(message)
                self._delete(queue, message)

    def _tick(self, schedule: Resource) -> None:
        every = _every(schedule.properties["ScheduleExpression"])
        target = schedule.properties["Target"]
        (name,) = (
            module
            for module, function in self.stack.functions.items()
            if target["Arn"].endswith(f":{function.name}")
        )
        at = datetime.now(UTC)
        while not self._stopped.wait(max(0.0, (at - datetime.now(UTC)).total_seconds())):
            with suppress(FunctionFailed):
                self.invoke(name, json.loads(target["Input"].replace(SCHEDULED_TIME, said(at))))
            # After sleeping, a machine ticks once for all missed ticks; functions need no more.
            at += every * max(1, -(-(datetime.now(UTC) - at) // every))

    def _receive(self, queue: str) -> Message | None:
        try:
            answer = self.sqs.receive_message(
                QueueUrl=self._url(queue), WaitTimeSeconds=0, MessageSystemAttributeNames=["All"]
            )
        except (BotoCoreError, ClientError):  # the account is gone before this thread is
            return None
        message: Message
        for message in answer.get("Messages", ()):
            return message
        return None

    def _delete(self, queue: str, message: Message) -> None:
        with suppress(BotoCoreError, ClientError):
            self.sqs.delete_message(QueueUrl=self._url(queue), ReceiptHandle=message["ReceiptHandle"])

    def _url(self, queue: str) -> str:
        return f"{self.sqs.meta.endpoint_url}/{self.stack.account}/{self.stack.name}-{queue}"


def _every(expression: str) -> timedelta:
    match = _RATE.fullmatch(expression)
    if match is None:
        raise ValueError(f"{expression} is not a rate")
    return int(match[1]) * timedelta(**{f"{match[2]}s": 1})


def _line(told: Mapping[str, Any]) -> str:
    """What the bus or the topic has told, in a line."""
    if "detail-type" in told:
        return f"event:        {told['detail-type']}, {told['detail']['briefing']}"
    return f"notification: {told['Subject']}, {json.loads(told['Message'])['briefing']}"

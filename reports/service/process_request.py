"""One delivery of a request: it ends the request, or leaves it to the next delivery.

However often a request is delivered, late, twice at once, or to a worker that is killed:

1. A request that has ended stays as it is.
2. A request is published once: its receipt contains its id, and a briefing with that id is never made again.
3. An error in the request, the evidence or the settings ends it as failed. If a service does not respond, the next
   delivery tries again.
4. The last delivery does not publish, so it cannot kill the worker. It ends the request as failed, and stops the
   queries that earlier deliveries recorded as still running. It starts none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from reports.archive.archive import Receipt
from reports.core.errors import CheckFailed, InvalidInput, Unavailable
from reports.service.requests import RequestOutcome, Requests, StoredRequest, kind_and_message


class Press(Protocol):
    """Makes the briefing of a request."""

    def publish(self, request: StoredRequest) -> Receipt:
        """Publish the briefing. Raises the errors of `reports.core.errors`."""

    def published(self, request: StoredRequest) -> Receipt | None:
        """The receipt of the briefing, if it was published for this request."""

    @property
    def left_running(self) -> Sequence[str]:
        """The queries that `publish` left running."""

    def stop(self, request: StoredRequest, queries: Iterable[str]) -> None:
        """Stop queries that were left running for a request; raises `Unavailable` if that cannot be asked."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """Which request is delivered, how many times so far, and the maximum."""

    request: str
    number: int
    most: int


@dataclass(frozen=True, slots=True)
class Ended:
    """How a request has ended, and whether it was this delivery that ended it."""

    outcome: RequestOutcome
    now: bool = True


def deliver(delivery: Delivery, requests: Requests, press: Press, now: datetime, worker: str) -> Ended:
    """Process a delivery, and return how the request ended.

    Raises `Unavailable` if the next delivery is to go on, and whatever a fault of ours raises.
    """
    id_ = delivery.request
    if outcome := requests.outcome(id_):
        return Ended(outcome, now=False)
    if delivery.number >= delivery.most:
        return Ended(_give_up(delivery, requests, press))
    requests.begin(id_, delivery.number, now, worker)
    try:
        receipt = press.publish(_found(id_, requests))
    except (InvalidInput, CheckFailed) as error:
        return Ended(requests.fail(id_, kind_and_message(error)))
    except Exception as error:
        requests.interrupted(id_, delivery.number, kind_and_message(error), press.left_running)
        raise
    return Ended(requests.publish(id_, receipt.data()))


def _found(id_: str, requests: Requests) -> StoredRequest:
    request = requests.get(id_)
    if request is None:
        raise Unavailable(
            f"requests/{id_}.json is missing: restore it, or make the request again through the API"
        )
    return request


def _give_up(delivery: Delivery, requests: Requests, press: Press) -> RequestOutcome:
    id_ = delivery.request
    try:
        request = requests.get(id_)
        receipt = press.published(request) if request else None
    except InvalidInput as error:
        return requests.fail(id_, kind_and_message(error))
    if receipt:
        return requests.publish(id_, receipt.data())
    last = requests.last_error(id_) or {"kind": "Unavailable", "message": "no worker finished"}
    message = f"given up after {delivery.number} deliveries: {last['message']}"
    outcome = requests.fail(id_, {"kind": last["kind"], "message": message})
    if request and (queries := requests.left_running(id_)):
        press.stop(request, queries)
    return outcome

"""Many requests at once through the API, half of them duplicates, against a running `exhibit serve`.

`python -m tests.soak.load REQUESTS [SEED]` sends so many, prints what came of them, and stops where a briefing is
lost or made twice.
"""

import json
import random
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from reports.local_aws.account import client
from reports.local_aws.signature import Key
from tests.support.publishing import GOLDEN
from tests.support.serving import Serving, serving
from tests.support.tools import PATIENCE

EVIDENCE = GOLDEN / "quiet"
DAY = date(2026, 5, 1)  # of which there is evidence


@dataclass(frozen=True)
class Load:
    """What came of it: seconds until all calls were answered, and until all requests had ended."""

    answered: float
    ended: float
    deliveries: int


def wanted(number: int) -> dict[str, str]:
    """A request unlike those of other numbers."""
    window, audience = divmod(number, 2)
    first, last = DAY - timedelta(window // 7), DAY + timedelta(window % 7)
    return {"window": f"{first}/{last}", "audience": ("lawmaker", "regulator")[audience]}


def check(served: Serving, requests: int, seed: int) -> Load:
    """Send requests at once, two of each, and see to it that each is published, once."""
    numbers = [number for number in range(requests // 2) for _ in range(2)]
    random.Random(seed).shuffle(numbers)  # noqa: S311
    began, gate = time.monotonic(), threading.Barrier(len(numbers))

    def ask(number: int) -> tuple[int, str]:
        gate.wait()
        status, _, body = served.call("POST", "/briefings", wanted(number), Idempotency_Key=str(number))
        assert status == 202, (status, body)
        return number, json.loads(body)["id"]

    with ThreadPoolExecutor(len(numbers)) as pool:
        asked = list(pool.map(ask, numbers))
    answered = time.monotonic() - began
    ids = dict(asked)
    assert sorted(asked) == sorted([*ids.items()] * 2), "two that are the same became two requests"
    assert len(set(ids.values())) == requests // 2
    _wait(served, requests // 2)
    ended = time.monotonic() - began
    _published_once(served, set(ids.values()))
    return Load(answered, ended, len(served.archived("attempts")))


def _wait(served: Serving, most: int) -> None:
    """Wait until so many requests have ended and the queue is empty."""
    ended, since = 0, time.monotonic()
    while ended < most or waiting(served, "requests"):
        now = len(served.archived("outcomes"))
        if now > ended:
            ended, since = now, time.monotonic()
        assert time.monotonic() - since < PATIENCE, f"{ended} of {most} have ended"
        time.sleep(0.3)


def waiting(served: Serving, queue: str) -> int:
    """How many messages are in a queue, those in work included."""
    sqs = client("sqs", served.lines["AWS"], Key(served.lines["secret"]))
    url = sqs.get_queue_url(QueueName=f"exhibit-{queue}")["QueueUrl"]
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return sum(map(int, found.values()))


def _published_once(served: Serving, ids: set[str]) -> None:
    receipts = [json.loads(file.read_bytes()) for file in _of(served, ".receipt.json")]
    documents = {file.name for file in _of(served, ".pdf")}
    assert {file.name for file in served.archived("requests")} == {f"{id_}.json" for id_ in ids}
    assert {file.name for file in served.archived("outcomes")} == {f"{id_}.published.json" for id_ in ids}
    assert sorted(receipt["request"] for receipt in receipts) == sorted(ids)
    assert {receipt["edition"] for receipt in receipts} == {1}
    assert documents == {receipt["document"]["name"] for receipt in receipts}
    assert {each["id"] for each in listed(served)} == ids
    assert waiting(served, "dead-requests") == waiting(served, "dead-events") == 0


def listed(served: Serving) -> Iterator[Any]:
    """All published requests, as the API lists them."""
    cursor = ""
    while cursor is not None:
        after = f"&cursor={cursor}" if cursor else ""
        status, _, body = served.call("GET", f"/briefings?state=published&limit=100{after}")
        assert status == 200
        page = json.loads(body)
        yield from page["briefings"]
        cursor = page["next"]


def _of(served: Serving, suffix: str) -> list[Path]:
    return [file for file in served.archived("briefings") if file.name.endswith(suffix)]


def settled(folder: Path, schedules: str = "schedules: []\n") -> Path:
    """A folder whose state has schedules of its own, and a marking."""
    settings = folder / "state" / "settings"
    (settings / "templates").mkdir(parents=True)
    (settings / "templates" / "issuer.yaml").write_text("marking: TLP:CLEAR\n")
    (folder / "state" / ".exhibit-serve").touch()
    (settings / "schedules.yaml").write_text(schedules)
    return folder


def main(requests: int, seed: int) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(settled(Path(folder)), "--evidence", EVIDENCE) as served,
    ):
        load = check(served, requests, seed)
    print(
        f"{requests} requests at once, answered within {load.answered:.1f} s; {requests // 2} briefings after "
        f"{load.ended:.0f} s in {load.deliveries} deliveries: none lost, none twice"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)

"""A worker that is killed while it publishes, again and again, and what it leaves behind.

`python -m tests.soak.worker_crash KILLS [SEED]` kills workers so many times, at places drawn by lot, and delivers
each request until it has ended; it prints what came of it, and stops at the first request that did not end as it has
to.
"""

import os
import random
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

from reports import pipeline
from reports.archive.archive import Receipt, published_for
from reports.archive.store import FolderStore, Store
from reports.briefing.compose import report_number
from reports.briefing.settings import marked
from reports.core.window import Window
from reports.evidence.engine_duckdb import DuckDBEngine
from reports.evidence.source import FolderEvidence
from reports.pages.assets import Resources
from reports.pages.read_settings import read_settings
from reports.pipeline import PublishingParts, Signing
from reports.service.process_request import Delivery, Ended, deliver
from reports.service.requests import Requests, StoredRequest, id_of, said
from reports.signing.keys import LocalAuthority
from reports.signing.timestamp import LocalTimestamper
from reports.verification.audit import audit
from tests.support.publishing import GOLDEN
from tests.support.request_stores import requests_in

EVIDENCE = GOLDEN / "quiet"
WEEK = Window(date(2026, 5, 1), date(2026, 5, 7))
NOW = datetime(2026, 5, 20, tzinfo=UTC)
MOST = 1000


@dataclass
class Places:
    """The places that a worker comes by, of which it is killed at one: the steps of the line, and around each write."""

    fatal: int | None = None
    passed: int = 0

    def pass_by(self) -> None:
        self.passed += 1
        if self.passed == self.fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    def step(self, step: str, done: int, total: int) -> None:
        self.pass_by()


@dataclass
class Watched:
    """A store whose writes are places; documents that are put together may be left without the last."""

    store: Store
    places: Places

    def put(self, documents: Mapping[str, bytes]) -> bool:
        self.places.pass_by()
        *first, (last, content) = documents.items()
        if first and self.store.get(last) is not None:
            return False
        for name, each in first:  # as a bucket does, which writes one after the other
            if not self.store.put({name: each}) and self.store.get(name) != each:
                return False
            self.places.pass_by()
        done = self.store.put({last: content})
        self.places.pass_by()
        return done

    def get(self, name: str) -> bytes | None:
        return self.store.get(name)

    def list(self, prefix: str, after: str = "", most: int | None = None) -> tuple[str, ...]:
        return self.store.list(prefix, after, most)


@dataclass
class LocalPress:
    """The real line, over a folder of evidence and with a local authority."""

    archive: Store
    authority: LocalAuthority
    places: Places = field(default_factory=Places)
    evidence: Path = EVIDENCE
    stopped: list[str] = field(default_factory=list)

    def publish(self, request: StoredRequest) -> Receipt:
        source, resources = FolderEvidence(self.evidence), Resources()
        house = PublishingParts(
            DuckDBEngine(source),
            source,
            marked(read_settings(source, resources), "TLP:CLEAR"),
            resources,
            self.archive,
            self.authority.pseudonym_key(),
        )
        stamper = LocalTimestamper(self.authority.stamp_key)
        signing = Signing(self.authority.key, stamper, (self.authority.root,), crls=self.authority.crls)
        asked = pipeline.BriefingRequest(request.window, request.audience, request.instant, request.id)
        return pipeline.publish(asked, house, signing, self.places.step)

    def published(self, request: StoredRequest) -> Receipt | None:
        return published_for(self.archive, report_number(WEEK, request.audience), request.id)

    @property
    def left_running(self) -> tuple[str, ...]:
        return ()

    def stop(self, request: StoredRequest, queries: Iterable[str]) -> None:
        self.stopped += queries


def new_request(number: int = 0) -> StoredRequest:
    return StoredRequest(
        id_of(NOW, "lawmaker", WEEK, f"{number:012x}"), str(WEEK), "lawmaker", said(NOW), "api"
    )


@dataclass(frozen=True)
class Deployment:
    """Folders in the place of a bucket."""

    folder: Path
    authority: LocalAuthority

    def requests(self, places: Places) -> Requests:
        return requests_in(lambda kind: Watched(FolderStore(self.folder / kind), places))

    def archive(self, places: Places) -> Store:
        return Watched(FolderStore(self.folder / "briefings"), places)

    def deliver(self, request: StoredRequest, number: int, places: Places) -> Ended:
        press = LocalPress(self.archive(places), self.authority, places)
        return deliver(Delivery(request.id, number, MOST), self.requests(places), press, NOW, "worker")

    def killed(self, request: StoredRequest, number: int, place: int) -> bool:
        """Deliver in a process of its own; whether it came by a place of that number, and was killed there."""
        child = os.fork()
        if not child:
            status = 1
            try:
                self.deliver(request, number, Places(place))
                status = 0
            finally:
                os._exit(status)
        _, ended = os.waitpid(child, 0)
        if os.WIFSIGNALED(ended):
            return True
        assert ended == 0
        return False

    def receipts(self) -> list[str]:
        return [name for name in FolderStore(self.folder / "briefings").list("") if "receipt" in name]

    def registered(self) -> int:
        """How many editions the register has, if it is in order."""
        found = audit(FolderStore(self.folder / "briefings"), {}, NOW)
        assert {verdict.outcome for verdict in found.verdicts} == {"valid"}
        return found.head.entries


def places_of_one_run(folder: Path, authority: LocalAuthority) -> tuple[int, str]:
    """How many places a run comes by that nobody kills, and the digest of its unsigned bytes."""
    undisturbed, places = Deployment(folder, authority), Places()
    undisturbed.requests(Places()).create(new_request())
    ended = undisturbed.deliver(new_request(), 1, places)
    assert ended.outcome.receipt is not None
    return places.passed, ended.outcome.receipt["unsigned"]["sha256"]


def check(deployment: Deployment, request: StoredRequest, kills: Iterator[int], unsigned: str) -> int:
    """Deliver a request, killed at each of these places, until it has ended; how many deliveries there were."""
    deployment.requests(Places()).create(request)
    number = 0
    for number, place in enumerate(kills, 1):
        deployment.killed(request, number, place)
    ended = deployment.deliver(request, number + 1, Places())
    again = deployment.deliver(request, number + 2, Places())
    assert ended.outcome == again.outcome
    assert not again.now
    assert ended.outcome.state == "published"
    assert ended.outcome.receipt is not None
    assert ended.outcome.receipt["unsigned"]["sha256"] == unsigned
    assert ended.outcome.receipt["edition"] == 1
    assert len(deployment.receipts()) == 1
    assert deployment.registered() == 1
    assert FolderStore(deployment.folder / "outcomes").list("") == (f"{request.id}.published.json",)
    return number + 1


def main(most: int, seed: int) -> None:
    drawn = random.Random(seed)  # noqa: S311
    with tempfile.TemporaryDirectory() as root:
        authority = LocalAuthority.open(Path(root, "keys"), datetime.now(UTC))
        places, unsigned = places_of_one_run(Path(root, "undisturbed"), authority)
        killed = requests = 0
        while killed < most:
            kills = [drawn.randint(1, places) for _ in range(drawn.randint(1, 4))]
            deployment = Deployment(Path(root, str(requests)), authority)
            check(deployment, new_request(requests), iter(kills), unsigned)
            killed, requests = killed + len(kills), requests + 1
            shutil.rmtree(deployment.folder)
    print(
        f"{killed} workers killed at {places} places, {requests} requests: each published once, the same bytes"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)

"""Workers that publish at once, step by step in an order drawn by lot, some of them killed between two steps.

`python -m tests.soak.register_races TRIALS [SEED]` runs so many trials; it prints what came of them, and stops at the
first archive that is not in order.
"""

import hashlib
import random
import sys
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from reports.archive import publication_log
from reports.archive.archive import RECEIPT, Bytes, Document, Receipt, archive, entered_receipt
from reports.core.errors import Unavailable
from reports.core.log_head import EMPTY

REPORTS = ("EX-20260501-20260507-L", "EX-20260501-20260507-R", "EX-20260508-20260514-L")
Step = Callable[[], None]


class KilledError(BaseException):
    """The end of a worker."""


@dataclass(frozen=True)
class Bucket:
    """Objects in memory, written one after the other, each only if its name is free; every call is a step."""

    kept: dict[str, bytes]
    step: Step = lambda: None

    def put(self, documents: Mapping[str, bytes]) -> bool:
        *first, (last, content) = documents.items()
        if first and self.get(last) is not None:
            return False
        for name, each in first:
            if not self._create(name, each) and self.get(name) != each:
                return False
        return self._create(last, content)

    def get(self, name: str) -> bytes | None:
        self.step()
        return self.kept.get(name)

    def list(self, prefix: str, after: str = "", most: int | None = None) -> tuple[str, ...]:
        self.step()
        found = sorted(name for name in self.kept if name.startswith(prefix) and name > after)
        return tuple(found[:most])

    def _create(self, name: str, content: bytes) -> bool:
        self.step()
        return self.kept.setdefault(name, content) is content


@dataclass
class Worker:
    """Does something in a thread that goes on when it is told, one step at a time."""

    do: Callable[[Step], object]
    go: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    came: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    killed: bool = False
    ended: bool = False
    result: object = None

    def run(self) -> None:
        try:
            self._wait()
            self.result = self.do(self.step)
        except (KilledError, Unavailable) as error:
            self.result = error
        finally:
            self.ended = True
            self.came.release()

    def step(self) -> None:
        self.came.release()
        self._wait()

    def _wait(self) -> None:
        self.go.acquire()
        if self.killed:
            raise KilledError

    def proceed(self, *, kill: bool) -> None:
        self.killed = kill
        self.go.release()
        self.came.acquire()


def receipt(
    report: str = REPORTS[0], edition: int = 1, content: str = "content", signed: bytes = b"%PDF"
) -> Receipt:
    """The receipt of a briefing of which nothing but its names matters."""
    digest = hashlib.sha256(signed).hexdigest()
    return Receipt(
        report_number=report,
        edition=edition,
        supersedes=None,
        audience="lawmaker",
        window={"from": "2026-05-01", "to": "2026-05-07"},
        as_of="2026-06-01T00:00:00Z",
        synthetic=False,
        document=Document(digest, len(signed), f"{report}-lawmaker-e{edition}-{digest[:12]}.pdf"),
        unsigned=Bytes(hashlib.sha256(b"%PDF").hexdigest(), 4),
        content_sha256=content,
        evidence_sha256="evidence",
        verdicts=({"check": "integrity", "outcome": "valid", "detail": "nothing was changed"},),
        figures={"exchanges": "1", "accounts": "1"},
        software={"name": "exhibit", "version": "0"},
    )


def interleaved(workers: list[Worker], drawn: random.Random, deadly: float) -> None:
    """Let workers go on in an order drawn by lot; before each step one may be killed."""
    threads = [threading.Thread(target=worker.run) for worker in workers]
    for thread in threads:
        thread.start()
    while going := [worker for worker in workers if not worker.ended]:
        drawn.choice(going).proceed(kill=drawn.random() < deadly)
    for thread in threads:
        thread.join()


def trial(drawn: random.Random, deadly: float = 0.04) -> int:
    """Some workers publish at once, and what was killed is then done again; how many of them were killed."""
    kept: dict[str, bytes] = {}
    asked = [(drawn.choice(REPORTS), b"%%PDF %d" % n) for n in range(drawn.randint(2, 5))]

    def publishing(report: str, signed: bytes) -> Callable[[Step], object]:
        return lambda step: archive(Bucket(kept, step), receipt(report, signed=signed), signed)

    workers = [Worker(publishing(*each)) for each in asked]
    interleaved(workers, drawn, deadly)
    killed = [n for n, worker in enumerate(workers) if isinstance(worker.result, KilledError)]
    again = [
        archive(Bucket(kept), receipt(asked[n][0], signed=b"again %d" % n), b"again %d" % n) for n in killed
    ]
    told = [worker.result for worker in workers if isinstance(worker.result, Receipt)]
    assert len(told) + len(killed) == len(workers), [worker.result for worker in workers]
    check(kept, [*told, *again], {report for report, _ in asked})
    return len(killed)


def check(kept: Mapping[str, bytes], told: list[Receipt], reports: set[str]) -> None:
    """Each report is published once, as everybody was told, and entered in an unbroken chain."""
    store = Bucket(dict(kept))
    entries = [publication_log.parsed(name, kept[name]) for name in publication_log.entries(store)]
    before = EMPTY
    for entry in entries:
        assert entry == publication_log.following(before, entry.receipt)
        before = entry.head
    receipts = [entered_receipt(entry) for entry in entries]
    assert Counter(each.report_number for each in receipts) == Counter(reports)
    assert all(each in receipts for each in told)
    assert {name for name in kept if name.endswith(RECEIPT)} == {each.file for each in receipts}
    for each in receipts:
        assert kept[each.file] == each.json().encode()
        assert hashlib.sha256(kept[each.document.name]).hexdigest() == each.document.sha256


def main(trials: int, seed: int) -> None:
    killed = sum(trial(random.Random(seed + n)) for n in range(trials))  # noqa: S311
    print(
        f"{trials} archives, {killed} workers killed: each report published and entered once, every chain whole"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)

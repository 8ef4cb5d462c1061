"""The index of requests: lists that look at a page of names, whatever is behind them."""

from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import pytest

from reports.archive.store import FolderStore
from reports.core.errors import Unavailable
from reports.core.window import AUDIENCES, Window
from reports.service import requests as module
from reports.service.requests import Requests, RequestSummary, StoredRequest, id_of, said
from reports.service.segments import Segments
from tests.support.request_stores import requests_in

NOON = datetime(2026, 6, 20, 12, tzinfo=UTC)
DAYS = [Window(date(2026, 5, day), date(2026, 5, day + 1)) for day in (1, 2, 3)]


@dataclass
class Memory:
    """A store that counts how often it is asked for what."""

    kept: dict[str, bytes] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)

    def put(self, documents: Mapping[str, bytes]) -> bool:
        if self.kept.keys() & documents.keys():
            return False
        self.kept |= documents
        return True

    def get(self, name: str) -> bytes | None:
        self.asked["get"] += 1
        return self.kept.get(name)

    def list(self, prefix: str, after: str = "", most: int | None = None) -> tuple[str, ...]:
        self.asked["list"] += 1
        found = (name for name in sorted(self.kept) if name.startswith(prefix) and name > after)
        return tuple(islice(found, most if most is None else min(most, 1000)))


def seeded(seed: int) -> Random:
    return Random(seed)  # noqa: S311 -- the same each time


def stores() -> Requests:
    return Requests(Memory(), Memory(), Memory(), Memory(), segments=Segments(Memory()))


def request(drawn: Random, at: datetime) -> StoredRequest:
    window, audience = drawn.choice(DAYS), drawn.choice(AUDIENCES)
    id_ = id_of(at, audience, window, f"{drawn.getrandbits(48):012x}")
    return StoredRequest(id_, str(window), audience, said(at), "api")


def fill(requests: Requests, drawn: Random, count: int, start: int = 0) -> None:
    """Requests a minute apart, of which some wait, some are in work, and the others have ended."""
    for minute in range(start, start + count):
        asked = request(drawn, NOON + timedelta(minutes=minute))
        requests.create(asked)
        end(requests, drawn, asked.id)


def end(requests: Requests, drawn: Random, id_: str) -> None:
    fate = drawn.random()
    if fate > 0.05:
        requests.begin(id_, 1, NOON, "w")
    if fate > 0.3:
        requests.publish(id_, {}) if fate > 0.5 else requests.fail(id_, {})


def told(requests: Requests, **how: Any) -> list[tuple[str, str]]:
    return [
        (each.name.id, each.state)
        for each in requests.listed(how.pop("after", ""), wanted(**how), **hints(**how))
    ]


def wanted(state: str | None = None, audience: str | None = None) -> Any:
    def check(each: RequestSummary) -> bool:
        return state in (None, each.state) and audience in (None, each.name.audience)

    return check


def hints(state: str | None = None, audience: str | None = None) -> dict[str, Any]:
    return {"state": state, "parts": [f"-{audience}-"] if audience else []}


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RECENT", 10)
    monkeypatch.setattr(module, "RECENT_PAGE", 7)


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize("seed", range(5))
def test_an_index_changes_nothing(seed: int) -> None:
    """With an index, however it came about, each list is what it is without one, from any place on."""
    drawn, requests = seeded(seed), stores()
    for round_ in range(8):
        fill(requests, drawn, drawn.randrange(40), 1000 * round_)
        if drawn.random() < 0.7:
            requests.index()
        for late in range(drawn.randrange(3)):  # a tick that was missed creates what others came after
            asked = request(
                drawn, NOON + timedelta(minutes=drawn.randrange(1000 * round_ + 40), seconds=late + 1)
            )
            requests.announce(asked.id)
            requests.create(asked)
            requests.announce(asked.id)
        for id_, state in told(requests):
            if state in ("requested", "working") and drawn.random() < 0.3:
                end(requests, drawn, id_)
        plain = replace(requests, segments=None)
        ids = [id_ for id_, _ in told(plain)]
        assert [name.id for name in requests.names()] == ids
        for after in ("", *drawn.sample(ids, min(3, len(ids)))):
            for wanted_state in (None, *module.STATES):
                for audience in (None, *AUDIENCES):
                    how = {"after": after, "state": wanted_state, "audience": audience}
                    assert told(requests, **how) == told(plain, **how)
    assert requests.segments is not None
    assert requests.segments.index() is not None


@pytest.mark.usefixtures("slow")
def test_a_list_costs_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind 50,000 requests, a page takes at most five lists, with any filter."""
    monkeypatch.setattr(module, "RECENT", 100)
    monkeypatch.setattr(module, "RECENT_PAGE", 250)
    drawn, requests = seeded(0), stores()
    for minute in range(50_000):
        id_ = request(drawn, NOON + timedelta(minutes=minute)).id
        requests.requests.put({f"{id_}.json": b""})
        requests.attempts.put({f"{id_}.001.json": b""})
        requests.outcomes.put({f"{id_}.{'failed' if minute == 7 else 'published'}.json": b""})
    assert requests.index()
    assert requests.segments is not None
    counted = [
        store
        for store in (requests.requests, requests.attempts, requests.outcomes, requests.segments.store)
        if isinstance(store, Memory)
    ]
    assert len(counted) == 4
    for how in (
        {},
        {"state": "failed"},
        {"state": "requested"},
        {"audience": "regulator", "state": "working"},
    ):
        for store in counted:
            store.asked.clear()
        list(islice(requests.listed("", wanted(**how), **hints(**how)), 20))
        assert sum(store.asked["list"] for store in counted) <= 5
        assert sum(store.asked["get"] for store in counted) <= 20
    assert len(told(requests, state="failed")) == 1


@pytest.mark.usefixtures("slow")
def test_two_writers_at_once(tmp_path: Path) -> None:
    """Of writers at once, each with an index of its own, one says a number; no request is lost and none told twice."""
    many = [
        replace(
            requests_in(lambda kind: FolderStore(tmp_path / kind)),
            segments=Segments(FolderStore(tmp_path / "s")),
        )
        for _ in range(6)
    ]
    drawn = seeded(3)
    for round_ in range(4):
        fill(many[0], drawn, 30, 100 * round_)
        with ThreadPoolExecutor(6) as pool:
            written = list(pool.map(lambda each: each.index(), many))
        assert written.count(True) >= 1
        plain = told(replace(many[0], segments=None))
        assert all(told(each) == plain for each in many)


def test_few_segments_are_read() -> None:
    """Segments take in those before them: a hundred leave a handful to read."""
    drawn, requests = seeded(1), stores()
    for round_ in range(100):
        fill(requests, drawn, 12, 100 * round_)
        requests.index()
    assert requests.segments is not None
    store = requests.segments.store
    assert isinstance(store, Memory)
    store.asked.clear()
    assert Segments(store).index() is not None
    assert store.asked["get"] <= 8
    assert store.asked["list"] == 1


def test_a_damaged_segment_is_told() -> None:
    """A segment that cannot be read is told by its name."""
    with pytest.raises(Unavailable, match=r"segments/99999998\.json cannot be read"):
        Segments(Memory({"99999998.json": b"{}"})).index()

"""Requests: their ids, their states, their lists, and what an idempotency key stands for."""

from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.archive.store import FolderStore
from reports.archive.store_s3 import S3Store
from reports.core.errors import InvalidRequest, Unavailable
from reports.core.window import AUDIENCES, Audience, Window
from reports.service import requests as module
from reports.service.requests import RequestId, Requests, StoredRequest, id_of, said
from tests.support.aws import client, in_short_pages
from tests.support.request_stores import requests_in

NOON = datetime(2026, 6, 20, 12, tzinfo=UTC)
WEEK = Window(date(2026, 5, 4), date(2026, 5, 10))
DAYS = st.dates(date(1, 1, 1), date(9999, 12, 31))


def request(minutes: int = 0, audience: Audience = "lawmaker", window: Window = WEEK) -> StoredRequest:
    at = NOON + timedelta(minutes=minutes)
    return StoredRequest(
        id_of(at, audience, window, uuid4().hex[:12]), str(window), audience, said(at), "api"
    )


@pytest.fixture(params=["folder", "bucket"])
def requests(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Requests:
    """No requests yet, in folders or in a bucket; lists come in short pages."""
    monkeypatch.setattr(module, "PAGE", 3)
    if request.param == "folder":
        return requests_in(lambda kind: FolderStore(tmp_path / kind))
    name = request.getfixturevalue("bucket")
    s3 = in_short_pages(client("s3"))
    return requests_in(lambda kind: S3Store(s3, name, f"{kind}/"))


def states(requests: Requests, after: str = "") -> dict[str, str]:
    return {each.name.id: each.state for each in requests.listed(after, lambda _: True)}


def test_kept_as_created(requests: Requests) -> None:
    """A request is read as it was created, and is created once."""
    asked = request()
    assert requests.get(asked.id) is None
    assert requests.create(asked)
    assert requests.get(asked.id) == asked
    assert not requests.create(asked)


@given(
    st.datetimes(datetime(1970, 1, 1), datetime(2286, 1, 1)),
    st.sampled_from(AUDIENCES),
    st.tuples(DAYS, DAYS),
    st.integers(0, 16**12 - 1),
)
def test_ids_are_read_back(at: datetime, audience: Audience, days: tuple[date, date], tail: int) -> None:
    """An id says when its request was created, to the millisecond, for whom, and about which days."""
    window, created = Window(*days), at.replace(tzinfo=UTC)
    name = RequestId.parse(id_of(created, audience, window, f"{tail:012x}"))
    assert name is not None
    assert (name.audience, name.window, name.tail) == (audience, window, f"{tail:012x}")
    assert timedelta(0) <= created - name.created < timedelta(milliseconds=1)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "8218489599999-lawmaker-20260601-20260607-53dfafe5dc1",
        "٨218489599999-lawmaker-20260601-20260607-53dfafe5dc16",
        "8218489599999-lawmaker-20260631-20260607-53dfafe5dc16",
    ],
)
def test_invalid_ids_have_no_name(text: str) -> None:
    """An invalid id does not become the name of an object."""
    assert RequestId.parse(text) is None


def test_state_is_what_there_is(requests: Requests) -> None:
    """A request is requested, then worked on, then published or failed; two ends at once are a publication."""
    asked = [request(minutes) for minutes in range(5)]
    for each in asked:
        requests.create(each)
    for each in asked[1:]:
        requests.begin(each.id, 1, NOON, "worker")
    requests.publish(asked[2].id, {"edition": 1})
    requests.fail(asked[3].id, {"kind": "X", "message": "y"})
    for end in (requests.fail(asked[4].id, {"kind": "X", "message": "y"}), requests.publish(asked[4].id, {})):
        assert end.state in ("failed", "published")
    expected = ["requested", "working", "published", "failed", "published"]
    assert states(requests) == dict(zip([each.id for each in asked], expected, strict=True))
    outcomes = [requests.outcome(each.id) for each in asked]
    assert [outcome and outcome.state for outcome in outcomes] == [None, None, *expected[2:]]
    assert outcomes[2] is not None
    assert outcomes[2].receipt == {"edition": 1}


def test_newest_first_from_a_place_on(requests: Requests) -> None:
    """Requests are listed the newest first, on from any of them, without reading one; strangers are passed over."""
    asked = [request(minutes, audience) for minutes in range(4) for audience in AUDIENCES]
    for each in asked:
        requests.create(each)
        requests.begin(each.id, 1, NOON, "worker")
    requests.requests.put({"stranger.json": b"?"})
    newest = [each.id for each in sorted(asked, key=lambda r: (-r.instant.timestamp(), r.audience))]
    assert list(states(requests)) == newest
    assert list(states(requests, newest[2])) == newest[3:]
    assert set(states(requests, newest[2]).values()) == {"working"}
    wanted = requests.listed("", lambda each: each.name.audience == "regulator")
    assert [each.name.id for each in islice(wanted, 2)] == [id_ for id_ in newest if "regulator" in id_][:2]


def test_deliveries(requests: Requests) -> None:
    """Deliveries are counted by their numbers, and the last of their errors is known."""
    asked = request()
    assert requests.last_error(asked.id) is None
    for number in (1, 2, 2, 10):
        requests.begin(asked.id, number, NOON, "worker")
    requests.interrupted(asked.id, 2, {"kind": "Unavailable", "message": "then"})
    requests.interrupted(asked.id, 10, {"kind": "Unavailable", "message": "now"})
    assert requests.deliveries(asked.id) == 3
    assert requests.last_error(asked.id) == {"kind": "Unavailable", "message": "now"}


def test_a_key_stands_for_one_request(requests: Requests) -> None:
    """The same key with the same body gives the first request, with another body none; other keys are apart."""
    first, second, third = request(), request(1), request(2)
    assert requests.create_once("key", "body", first) == first
    assert requests.create_once("key", "body", second) == first
    assert requests.create_once("key", "other", second) is None
    assert requests.create_once("other", "body", third) == third
    assert set(states(requests)) == {first.id, third.id}


def test_a_key_without_its_request(requests: Requests) -> None:
    """Where a crash came between key and request, the next one who brings the key creates that request."""
    asked = request()
    requests.create_once("key", "body", asked)
    again = Requests(requests.attempts, requests.attempts, requests.outcomes, requests.keys)
    assert again.create_once("key", "body", request(1)) == asked
    assert again.get(asked.id) == asked


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"[", b'{"id": 1}', b"\xff", "other", "naive"],
)
def test_what_is_no_request_is_refused(requests: Requests, content: bytes | str) -> None:
    """An object that is no request, or another one's, is refused with its name."""
    asked = request()
    made = {"other": request(1).json(), "naive": asked.json().replace(b'Z"', b'"').replace(b"T12", b"T99")}
    requests.requests.put({f"{asked.id}.json": content if isinstance(content, bytes) else made[content]})
    with pytest.raises(InvalidRequest, match=asked.id):
        requests.get(asked.id)


def test_a_damaged_outcome_is_not_passed_off(requests: Requests) -> None:
    """An outcome that cannot be read is an error, not a state."""
    requests.outcomes.put({"x.published.json": b"{"})
    with pytest.raises(Unavailable, match=r"outcomes/x\.published\.json cannot be read"):
        requests.outcome("x")

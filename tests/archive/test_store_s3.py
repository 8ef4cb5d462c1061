"""A bucket as the store: the contract of every store, and what is S3's own."""

import base64
import hashlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.stub import Stubber

from reports.archive.store_s3 import TRIES, S3Store
from reports.core.errors import Unavailable
from tests.contracts.store import *  # noqa: F403
from tests.support.aws import REGION, client, in_short_pages, s3_client

DOCUMENTS = {"a.pdf": b"document", "a.receipt.json": b"receipt"}


@pytest.fixture
def open_store(bucket: str) -> Callable[[], S3Store]:
    return lambda: S3Store(client("s3"), bucket, "briefings/")


@pytest.fixture
def stubbed() -> Iterator[tuple[S3Store, Stubber, list[float]]]:
    """A store whose client expects certain calls, and how long it waited."""
    s3, waits = client("s3"), list[float]()
    with Stubber(s3) as stub:
        yield S3Store(s3, "bucket", pause=waits.append), stub, waits
        stub.assert_no_pending_responses()


def calls(store: S3Store, operation: str) -> list[dict[str, Any]]:
    """What the store's client is asked of one operation from now on."""
    asked: list[dict[str, Any]] = []
    event = f"provide-client-params.s3.{operation}"
    store.client.meta.events.register(event, lambda params, **_: asked.append(params))
    return asked


def test_a_killed_put_is_completed(open_store: Callable[[], S3Store]) -> None:
    """A document that a killed run left without its last one counts as written when it is put again."""
    assert open_store().put({"a.pdf": b"document"})
    assert open_store().put(DOCUMENTS)
    assert {name: open_store().get(name) for name in DOCUMENTS} == DOCUMENTS


def test_a_taken_last_name_writes_nothing(open_store: Callable[[], S3Store]) -> None:
    """Where the last name is taken, nothing is even sent."""
    store = open_store()
    assert store.put({"a.receipt.json": b"earlier"})
    asked = calls(store, "PutObject")
    assert not store.put(DOCUMENTS)
    assert asked == []


def test_written_in_order_on_conditions(open_store: Callable[[], S3Store]) -> None:
    """Each object is written in its turn, only where there is none, with its SHA-256 and its type."""
    store = open_store()
    asked = calls(store, "PutObject")
    store.put(DOCUMENTS)
    assert [each["Key"] for each in asked] == ["briefings/a.pdf", "briefings/a.receipt.json"]
    assert {each["IfNoneMatch"] for each in asked} == {"*"}
    digests = [base64.b64encode(hashlib.sha256(c).digest()).decode() for c in DOCUMENTS.values()]
    assert [each["ChecksumSHA256"] for each in asked] == digests
    assert [each["ContentType"] for each in asked] == ["application/pdf", "application/json"]
    assert all("SSEKMSKeyId" not in each and "ServerSideEncryption" not in each for each in asked)


def test_since(bucket: str) -> None:
    """When a document was written is told, and nothing of one that is not there, though others begin alike."""
    store = S3Store(client("s3"), bucket, "requests/")
    store.put({"a.json.more": b"{}"})
    assert store.since("a.json") is None
    before = datetime.now(UTC).replace(microsecond=0)
    store.put({"a.json": b"{}"})
    since = store.since("a.json")
    assert since
    assert before <= since <= datetime.now(UTC)


def test_object_lock(aws: None) -> None:
    """A bucket that locks what is put into it takes objects, for each names the algorithm of its checksum."""
    s3 = s3_client()
    place = {"LocationConstraint": REGION}
    s3.create_bucket(Bucket="locked", CreateBucketConfiguration=place, ObjectLockEnabledForBucket=True)
    rule = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}
    s3.put_object_lock_configuration(
        Bucket="locked", ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule}
    )
    assert S3Store(client("s3"), "locked").put(DOCUMENTS)
    assert s3.head_object(Bucket="locked", Key="a.pdf")["ObjectLockMode"] == "GOVERNANCE"


def test_encrypted_under_a_key(bucket: str) -> None:
    """Objects are encrypted under the key that is given."""
    S3Store(client("s3"), bucket, kms_key="alias/archive").put({"a": b"x"})
    head = s3_client().head_object(Bucket=bucket, Key="a")
    assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", "alias/archive")


def test_prefixes_keep_stores_apart(bucket: str) -> None:
    """Stores of one bucket under different prefixes do not see each other."""
    briefings, requests = (S3Store(client("s3"), bucket, prefix) for prefix in ("briefings/", "requests/"))
    assert briefings.put({"a": b"1"})
    assert requests.put({"a": b"2"})
    assert (briefings.get("a"), requests.get("a"), briefings.list("")) == (b"1", b"2", ("a",))


def test_nothing_is_replaced(bucket: str) -> None:
    """A put that comes too late makes no second version."""
    store = S3Store(client("s3"), bucket)
    assert [store.put({"a": content}) for content in (b"1", b"2", b"1")] == [True, False, False]
    assert len(s3_client().list_object_versions(Bucket=bucket)["Versions"]) == 1


def test_long_listings_come_in_pages(bucket: str) -> None:
    """A listing of several pages is read whole."""
    store = S3Store(in_short_pages(client("s3")), bucket)
    names = tuple("abcde")
    assert all(store.put({name: b""}) for name in names)
    assert store.list("") == names


def test_conflicts_are_repeated(stubbed: tuple[S3Store, Stubber, list[float]]) -> None:
    """A write that met another one of its name is repeated after a while, and then finds the name taken or free."""
    store, stub, waits = stubbed
    for _ in range(2):
        stub.add_client_error("put_object", "ConditionalRequestConflict", http_status_code=409)
    stub.add_response("put_object", {})
    assert store.put({"a": b"x"})
    stub.add_client_error("put_object", "ConditionalRequestConflict", http_status_code=409)
    stub.add_client_error("put_object", "PreconditionFailed", http_status_code=412)
    assert not store.put({"a": b"x"})
    assert waits == [0.1, 0.2, 0.1]


def test_endless_conflicts_are_told(stubbed: tuple[S3Store, Stubber, list[float]]) -> None:
    """After so many conflicts the store is not available."""
    store, stub, waits = stubbed
    for _ in range(TRIES):
        stub.add_client_error("put_object", "ConditionalRequestConflict", http_status_code=409)
    with pytest.raises(Unavailable, match=r"bucket bucket: PutObject failed \(ConditionalRequestConflict\)"):
        store.put({"a": b"x"})
    assert len(waits) == TRIES - 1


@pytest.mark.parametrize(("kept", "ours"), [(b"x", True), (b"y", False)])
def test_a_write_whose_answer_was_lost(open_store: Callable[[], S3Store], kept: bytes, ours: bool) -> None:
    """If a write succeeded but its answer was lost, its repetition does not count the name as taken by another."""
    assert open_store().put({"a": kept})
    store = open_store()

    def repeated(parsed: dict[str, Any], **_: Any) -> None:
        parsed["ResponseMetadata"]["RetryAttempts"] = 1

    store.client.meta.events.register("after-call.s3.PutObject", repeated)
    assert store.put({"a": b"x"}) is ours

"""Evidence in S3: the contract of every source, and what is S3's own: versions, checksums, prefixes."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.stub import ANY, Stubber

from reports.errors import InvalidEvidence, InvalidSettings
from reports.evidence import EvidenceObject, Located, locate
from reports.evidence_s3 import S3Evidence
from tests.aws import client, in_short_pages, s3_client
from tests.contracts.evidence_source import *  # noqa: F403
from tests.contracts.evidence_source import FLAT_DAY, filled

NAME = f"{FLAT_DAY}/a.csv"
DIGEST = hashlib.sha256(b"content").hexdigest()
CHECKSUM = "7XACtDnprIRfIjV9giusFERzD722AW0+yUMil7nsn3M="  # the same as S3 has it
OTHER = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="  # of nothing


@dataclass(frozen=True)
class Bucket:
    """A place in a bucket that evidence is delivered to."""

    name: str
    prefix: str = "evidence/"

    def put(self, name: str, content: bytes, **how: Any) -> Any:
        return s3_client().put_object(Bucket=self.name, Key=self.prefix + name, Body=content, **how)

    def take(self, name: str) -> None:
        s3_client().delete_object(Bucket=self.name, Key=self.prefix + name)

    def open(self) -> S3Evidence:
        return S3Evidence(client("s3"), self.name, self.prefix)


@pytest.fixture
def place(bucket: str) -> Bucket:
    return Bucket(bucket)


@pytest.fixture
def stubbed() -> Iterator[tuple[S3Evidence, Stubber]]:
    """A source whose client expects certain calls, and those alone."""
    s3 = client("s3")
    with Stubber(s3) as stub:
        yield S3Evidence(s3, "bucket"), stub
        stub.assert_no_pending_responses()


def test_the_version_is_pinned(place: Bucket) -> None:
    """Each object is pinned with the version that was digested; a later one has another."""
    versions = [place.put(NAME, content)["VersionId"] for content in (b"first", b"second")]
    (pinned,) = place.open().pin(place.open().list())
    assert pinned == EvidenceObject(NAME, hashlib.sha256(b"second").hexdigest(), 6, versions[1])
    assert len(set(versions)) == 2


def test_a_bucket_without_versions(place: Bucket) -> None:
    """Where the bucket keeps no versions there are none to name."""
    s3_client().create_bucket(Bucket="plain", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    source = filled(Bucket("plain"), NAME)
    assert [o.version for o in source.pin(source.list())] == [None]


def test_only_the_prefix_is_looked_at(bucket: str) -> None:
    """What lies beside the prefix, or begins with it, is neither listed nor read."""
    for prefix in ("", "other/", "evidence/detections/"):
        Bucket(bucket, prefix).put(NAME, b"x")
    Bucket(bucket, "other/").put("dataset.yaml", b"x")
    inside = Bucket(bucket)
    inside.put(f"{FLAT_DAY}/b.csv", b"x")
    assert [o.name for o in inside.open().list()] == [f"{FLAT_DAY}/b.csv"]
    assert inside.open().text("dataset.yaml") is None
    assert [o.name for o in Bucket(bucket, "").open().list()] == [NAME]


def test_long_listings_come_in_pages(place: Bucket) -> None:
    """A listing of several pages is read whole."""
    names = [f"{FLAT_DAY}/{n}.csv" for n in range(5)]
    source = filled(place, *names)
    in_short_pages(source.client)
    assert [o.name for o in source.list()] == names
    for name in ("a", "b", "c/", "c/d", ""):
        place.put(name, b"")
    assert source.tops() == ("a", "b", "c/", "detections/")


def test_cold_storage_is_refused(place: Bucket) -> None:
    """An object that Athena would pass over is refused by its name."""
    place.put(NAME, b"x", StorageClass="GLACIER")
    with pytest.raises(InvalidEvidence, match=f"{NAME}: is in cold storage: restore it"):
        place.open().list()


def head(**fields: Any) -> dict[str, Any]:
    return {"ContentLength": 7, "ETag": '"tag"', "VersionId": "v-1", **fields}


def located() -> Located:
    found = locate(NAME, 7)
    assert found
    return found


def test_the_digest_of_s3_is_taken(stubbed: tuple[S3Evidence, Stubber]) -> None:
    """Where S3 has the SHA-256 of the whole object, the object is not read."""
    source, stub = stubbed
    answer = head(ChecksumSHA256=CHECKSUM, ChecksumType="FULL_OBJECT")
    stub.add_response("head_object", answer, {"Bucket": "bucket", "Key": NAME, "ChecksumMode": "ENABLED"})
    assert source.pin([located()]) == (EvidenceObject(NAME, DIGEST, 7, "v-1"),)


@pytest.mark.parametrize(
    "checksum",
    [{}, {"ChecksumSHA256": f"{OTHER}-2", "ChecksumType": "COMPOSITE"}, {"ChecksumSHA256": OTHER}],
    ids=["none", "of the parts", "of unknown extent"],
)
def test_otherwise_that_version_is_read(place: Bucket, checksum: dict[str, str]) -> None:
    """Without such a digest, the very version that S3 described is read, though it was replaced meanwhile."""
    described = place.put(NAME, b"content")
    source = place.open()

    def answer(parsed: dict[str, Any], **_: Any) -> None:
        for field in ("ChecksumSHA256", "ChecksumType"):
            parsed.pop(field, None)
        parsed.update(checksum)
        place.put(NAME, b"replaced")

    source.client.meta.events.register("after-call.s3.HeadObject", answer)
    (pinned,) = source.pin([located()])
    assert (pinned.sha256, pinned.version) == (DIGEST, described["VersionId"])


def test_what_changes_while_it_is_read_is_refused(stubbed: tuple[S3Evidence, Stubber]) -> None:
    """Without versions, an object that is replaced between its description and its reading is refused by its name."""
    source, stub = stubbed
    stub.add_response("head_object", {"ContentLength": 7, "ETag": '"tag"'})
    expected = {"Bucket": "bucket", "Key": ANY, "IfMatch": '"tag"'}
    stub.add_client_error("get_object", "PreconditionFailed", http_status_code=412, expected_params=expected)
    with pytest.raises(InvalidEvidence, match=f"{NAME}: changed while it was read"):
        source.pin([located()])


def test_what_may_not_be_read_is_named(stubbed: tuple[S3Evidence, Stubber], tmp_path: Path) -> None:
    """An object that nobody grants is told by its name, whether it is described or read."""
    source, stub = stubbed
    stub.add_client_error("head_object", "403", http_status_code=403)
    with pytest.raises(InvalidSettings, match=f"^bucket bucket: {NAME}: HeadObject is denied"):
        source.pin([located()])
    stub.add_client_error("get_object", "AccessDenied", http_status_code=403)
    with pytest.raises(InvalidSettings, match=f"^bucket bucket: {NAME}: GetObject is denied"):
        source.fetch([EvidenceObject(NAME, DIGEST, 7)], tmp_path)


def test_what_was_pinned_is_fetched(place: Bucket, tmp_path: Path) -> None:
    """Objects are copied under their names in the versions that were pinned, not those that came later."""
    place.put(NAME, b"first")
    pinned = place.open().pin(place.open().list())
    place.put(NAME, b"second")
    place.open().fetch(pinned, tmp_path)
    assert (tmp_path / NAME).read_bytes() == b"first"


def test_a_version_that_is_gone(place: Bucket, tmp_path: Path) -> None:
    """A version that was deleted is named."""
    version = place.put(NAME, b"first")["VersionId"]
    pinned = place.open().pin(place.open().list())
    s3_client().delete_object(Bucket=place.name, Key=place.prefix + NAME, VersionId=version)
    with pytest.raises(InvalidEvidence, match=rf"{NAME}: cannot be read: it is no longer there"):
        place.open().fetch(pinned, tmp_path)


@pytest.mark.parametrize("name", [f"{FLAT_DAY}/../../../a.csv", "/etc/a.csv", "a.csv"])
def test_a_name_that_leads_elsewhere(place: Bucket, tmp_path: Path, name: str) -> None:
    """Nothing is written but objects of evidence, and nothing outside the folder."""
    place.put(NAME, b"first")
    with pytest.raises(InvalidEvidence, match="is not the name of an evidence object"):
        place.open().fetch([EvidenceObject(name, DIGEST, 5)], tmp_path)
    assert list(tmp_path.iterdir()) == []

"""Evidence in S3: the contract of every source, and what is S3's own: versions, checksums, prefixes."""

import hashlib
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.stub import ANY, Stubber

from reports.core.errors import InvalidEvidence, InvalidSettings, Unavailable
from reports.evidence.source import EvidenceObject, EvidenceSource, FolderEvidence, ListedObject, locate
from reports.evidence.source_s3 import S3Evidence
from tests.contracts.evidence_source import *  # noqa: F403
from tests.contracts.evidence_source import FLAT_DAY, OCSF_DAY, filled
from tests.support.aws import client, in_short_pages, s3_client

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
    for prefix in ("", "other/", "evidence-2/", "evidence/notes/"):
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
    filled(place, *names)
    source = place.open()
    in_short_pages(source.client)
    assert [o.name for o in source.list()] == names
    for name in ("a", "b", "c/", "c/d", ""):
        place.put(name, b"")
    assert source.tops() == ("a", "b", "c/", "detections/")


def test_the_top_comes_in_pages(place: Bucket) -> None:
    """The names at the top are told whole, objects and folders of all pages; the prefix's own marker is none."""
    names = ["a", "b/1", "b/2", "c/1", "d", "e/1", "f"]
    filled(place, *names)
    source = place.open()
    place.put("", b"")
    in_short_pages(source.client)
    assert source.tops() == ("a", "b/", "c/", "d", "e/", "f")


def test_a_listing_takes_few_calls(place: Bucket) -> None:
    """The top is listed once, and each layout that is there once: however many partitions there are."""
    filled(place, *(f"detections/event_day=2026-05-{day:02}/a.csv" for day in range(1, 29)))
    source = place.open()
    asked: list[tuple[str, str | None]] = []
    source.client.meta.events.register(
        "provide-client-params.s3.ListObjectsV2",
        lambda params, **_: asked.append((params["Prefix"], params.get("Delimiter"))),
    )
    assert len(source.list()) == 28
    assert asked == [("evidence/", "/"), ("evidence/detections/", None)]
    place.put(f"{OCSF_DAY}/a.csv", b"")
    asked.clear()
    assert len(source.list()) == 29
    assert asked == [("evidence/", "/"), ("evidence/detections/", None), ("evidence/ext/", None)]


def test_markers_of_folders_are_nothing(place: Bucket) -> None:
    """Empty keys that end in a slash are what consoles make of folders, at any depth."""
    for key in (
        "",
        "detections/",
        "detections/dt=1/",
        f"{FLAT_DAY}/",
        f"{FLAT_DAY}/a.csv/",
        "ext/",
        "notes/",
    ):
        place.put(key, b"")
    assert [o.name for o in filled(place, f"{FLAT_DAY}/b.csv").list()] == [f"{FLAT_DAY}/b.csv"]


@pytest.mark.parametrize(
    ("key", "saying"),
    [
        ("detections/", "has the name of a folder but is not empty"),
        (f"{FLAT_DAY}/a.csv/", "has the name of a folder but is not empty"),
        ("detections//a.csv", "a folder cannot hold that name"),
        (f"{FLAT_DAY}/../../a.csv", "a folder cannot hold that name"),
        (f"detections/./{FLAT_DAY}/a.csv", "a folder cannot hold that name"),
    ],
)
def test_keys_that_no_folder_can_hold(place: Bucket, key: str, saying: str) -> None:
    """What could not be copied into a folder under its name is refused by it."""
    with pytest.raises(InvalidEvidence, match=f"^{re.escape(key)}: {saying}: rename it"):
        filled(place, f"{FLAT_DAY}/good.csv", key).list()


@pytest.mark.parametrize("key", ["/detections/event_day=2026-05-02/a.csv", "./a.csv", "../a.csv"])
def test_keys_beside_the_layouts_that_no_folder_can_hold(place: Bucket, key: str) -> None:
    """A slash too many below the prefix hides evidence, which is not passed over."""
    top = re.escape(key.partition("/")[0])
    with pytest.raises(
        InvalidEvidence, match=f"^{top}/: a folder cannot hold that name: rename it, without //"
    ):
        filled(place, f"{FLAT_DAY}/good.csv", key).list()


def test_an_object_that_is_a_folder_too(place: Bucket) -> None:
    """No folder can hold an object and others below it; what is hidden, or only marks a folder, is not in the way."""
    filled(
        place,
        f"{FLAT_DAY}/a.csv/b.csv",
        f"{FLAT_DAY}/a.csv-c.csv",
        f"{FLAT_DAY}/d.csv",
        f"{FLAT_DAY}/d.csv/_x",
    )
    assert len(place.open().list()) == 3
    place.put(f"{FLAT_DAY}/a.csv", b"")
    with pytest.raises(
        InvalidEvidence, match=rf"^{FLAT_DAY}/a\.csv: is an object and also a folder of others: rename"
    ):
        place.open().list()


def test_what_is_passed_over_may_be_cold(place: Bucket) -> None:
    """Where an object is stored does not matter if it is not read, though a refusal does not wait for that."""
    for name in (f"{FLAT_DAY}/_tmp/a.csv", "detections/x_$folder$", "notes/a.csv"):
        place.put(name, b"x", StorageClass="GLACIER")
    assert [o.name for o in filled(place, NAME).list()] == [NAME]
    place.put("detections/dt=1/a.csv", b"x", StorageClass="GLACIER")
    with pytest.raises(InvalidEvidence, match=r"^detections/dt=1/a\.csv: is not in a partition"):
        place.open().list()


def answer(source: EvidenceSource) -> object:
    """What a source lists, or how it refuses to."""
    try:
        return [(o.name, o.layout, o.day, o.format, o.size) for o in source.list()]
    except InvalidEvidence as error:
        return str(error)


def test_the_answer_does_not_depend_on_where_it_lies(bucket: str, tmp_path: Path) -> None:
    """Any objects are listed alike, or refused in the same words, in a folder and in a bucket."""
    chance = random.Random(10)  # noqa: S311 -- the same each time
    tops = ["detections"] * 6 + ["ext"] * 4 + ["Detections", "ext ", "notes", "_x", "event_day=2026-05-02"]
    steps = [
        "event_day=2026-05-02",
        "event_day=2026-05-02",
        "Event_Day=2026-05-02",
        "event_day=May",
        "dt=1",
        "08",
    ]
    steps += [
        "gateway/region=x/accountId=1/eventDay=20260502",
        "gateway",
        "region=x",
        "accountId=1",
        "_tmp",
        ".x",
    ]
    files = ["a.csv"] * 8 + [
        "b.jsonl",
        "_SUCCESS",
        "a.avro",
        "a_$folder$",
        "_delta_log/0.json",
        "metadata/v1.metadata.json",
    ]
    seen = set()
    for number in range(120):
        place, root = Bucket(bucket, f"{number}/"), tmp_path / str(number)
        for _ in range(chance.randint(1, 3)):
            ways = [chance.choice(tops), *chance.choices(steps, k=chance.choice((0, 1, 1, 1, 2)))]
            name = "/".join([*ways, chance.choice(files)])
            place.put(name, name.encode())
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(name.encode())
        ours, theirs = answer(place.open()), answer(FolderEvidence(root))
        if "neither layout is present" not in str(ours):
            assert ours == theirs
        seen.add(str(ours).partition(": ")[2][:12] if isinstance(ours, str) else "counted")
    assert len(seen) >= 8


def test_cold_storage_is_refused(place: Bucket) -> None:
    """An object that Athena would pass over is refused by its name."""
    place.put(NAME, b"x", StorageClass="GLACIER")
    with pytest.raises(InvalidEvidence, match=f"{NAME}: is in cold storage: restore a copy"):
        place.open().list()


def head(**fields: Any) -> dict[str, Any]:
    return {"ContentLength": 7, "ETag": '"tag"', "VersionId": "v-1", **fields}


def located() -> ListedObject:
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
    with pytest.raises(InvalidEvidence, match=f"{NAME}: changed while being read"):
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


def test_time_that_is_up(place: Bucket, tmp_path: Path) -> None:
    """Reading an object, for its digest or for a copy, ends with the time that there is."""
    place.put(NAME, b"content")
    late = S3Evidence(client("s3"), place.name, place.prefix, deadline=lambda: 0.0)
    pinned = place.open().pin(place.open().list())
    with pytest.raises(
        Unavailable, match=f"{NAME}: the time limit was reached before it was read: run again"
    ):
        late.pin(late.list())
    with pytest.raises(
        Unavailable, match=f"{NAME}: the time limit was reached before it was read: run again"
    ):
        late.fetch(pinned, tmp_path)


def test_a_version_that_is_gone(place: Bucket, tmp_path: Path) -> None:
    """A version that was deleted is named."""
    version = place.put(NAME, b"first")["VersionId"]
    pinned = place.open().pin(place.open().list())
    s3_client().delete_object(Bucket=place.name, Key=place.prefix + NAME, VersionId=version)
    with pytest.raises(InvalidEvidence, match=rf"{NAME}: cannot be read: it is no longer there"):
        place.open().fetch(pinned, tmp_path)


def test_a_copy_that_cannot_be_written(place: Bucket, tmp_path: Path) -> None:
    """The error names the copy that cannot be written, and does not blame the evidence."""
    name = f"{FLAT_DAY}/{'n' * 300}.csv"
    pinned = filled(place, name).pin(place.open().list())
    with pytest.raises(
        Unavailable, match=f"^{name}: cannot be copied to {tmp_path}: File name too long: make room"
    ):
        place.open().fetch(pinned, tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        f"{FLAT_DAY}/../../../a.csv",
        "/etc/a.csv",
        "a.csv",
        "detections/a.csv",
        f"{FLAT_DAY}/a.csv/",
        f"{FLAT_DAY}/a.txt",
    ],
)
def test_a_name_that_leads_elsewhere(place: Bucket, tmp_path: Path, name: str) -> None:
    """Nothing is written but objects of evidence, and nothing outside the folder."""
    place.put(NAME, b"first")
    with pytest.raises(InvalidEvidence, match="is not the name of an evidence object"):
        place.open().fetch([EvidenceObject(name, DIGEST, 5)], tmp_path)
    assert list(tmp_path.iterdir()) == []

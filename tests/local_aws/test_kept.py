"""Buckets of the rehearsal that are folders."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.s3.models import s3_backends

from reports.core.errors import Unavailable
from reports.local_aws.kept import KeptKeys, keep
from tests.support.aws import REGION, client, in_short_pages

ACCOUNT = "123456789012"


@pytest.fixture
def s3() -> Iterator[Any]:
    with mock_aws():
        yield client("s3")


def kept(s3: Any, folder: Path, bucket: str = "bucket") -> KeptKeys:
    """A versioned bucket whose objects are files of a folder."""
    if bucket not in {each["Name"] for each in s3.list_buckets()["Buckets"]}:
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    return keep(s3_backends[ACCOUNT]["aws"], bucket, folder)


def keys(s3: Any, **how: Any) -> list[str]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket="bucket", **how)
    return [each["Key"] for page in pages for each in page.get("Contents", ())]


@pytest.mark.parametrize("key", ["a", "a/b c.json", "ä/%/?.json"])
def test_objects_are_files(s3: Any, tmp_path: Path, key: str) -> None:
    """An object is in the folder under its key, is there again after a restart, and goes when it goes."""
    kept(s3, tmp_path)
    s3.put_object(Bucket="bucket", Key=key, Body=b"content", IfNoneMatch="*")
    (file,) = (each for each in tmp_path.rglob("*") if each.is_file())
    assert file.read_bytes() == b"content"
    kept(s3, tmp_path)
    assert keys(s3) == [key]
    with pytest.raises(ClientError, match="PreconditionFailed"):
        s3.put_object(Bucket="bucket", Key=key, Body=b"other", IfNoneMatch="*")
    assert s3.get_object(Bucket="bucket", Key=key)["Body"].read() == b"content"
    s3.delete_object(Bucket="bucket", Key=key)
    assert keys(s3) == []
    assert [each for each in tmp_path.rglob("*") if each.is_file()] == []


@pytest.mark.parametrize("key", ["../../out", "a/../../../out", ".", "a//b"])
def test_objects_stay_inside(s3: Any, tmp_path: Path, key: str) -> None:
    """A key that leads out of the folder, or is no path, is in no file."""
    kept(s3, tmp_path / "in")
    s3.put_object(Bucket="bucket", Key=key, Body=b"content")
    assert [each for each in tmp_path.rglob("*") if each.is_file()] == []


def test_what_the_folder_refuses_is_nowhere(s3: Any, tmp_path: Path) -> None:
    """A write that the folder does not take leaves no object and tells no queue, and may be done again."""
    kept(s3, tmp_path)
    queue = client("sqs").create_queue(QueueName="told")["QueueUrl"]
    told = {"QueueArn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:told", "Events": ["s3:ObjectCreated:*"]}
    s3.put_bucket_notification_configuration(
        Bucket="bucket", NotificationConfiguration={"QueueConfigurations": [told]}
    )
    client("sqs").purge_queue(QueueUrl=queue)
    (tmp_path / "register").write_text("in the way of a folder")
    with pytest.raises(Unavailable, match=r"register.*cannot be written"):
        s3.put_object(Bucket="bucket", Key="register/1.json", Body=b"entry", IfNoneMatch="*")
    assert keys(s3) == []
    assert "Messages" not in client("sqs").receive_message(QueueUrl=queue)
    (tmp_path / "register").unlink()
    s3.put_object(Bucket="bucket", Key="register/1.json", Body=b"entry", IfNoneMatch="*")
    assert (tmp_path / "register/1.json").read_bytes() == b"entry"
    assert len(client("sqs").receive_message(QueueUrl=queue)["Messages"]) == 1


def test_listed_by_name(s3: Any, tmp_path: Path) -> None:
    """Lists come in order, by prefix, after a name and in pages, as S3 gives them; nothing is read for them."""
    names = [f"{top}/{n}" for top in "ab" for n in range(5)]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    found = kept(s3, tmp_path)
    paged = in_short_pages(client("s3"))
    assert keys(paged) == names
    assert keys(paged, Prefix="b/") == names[5:]
    assert keys(paged, Prefix="a/", StartAfter="a/2") == names[3:5]
    assert keys(paged, Prefix="b/", StartAfter="a/2") == names[5:]
    assert not dict.__len__(found)
    (first,) = s3.list_objects_v2(Bucket="bucket", MaxKeys=1)["Contents"]
    assert first["ETag"] == s3.head_object(Bucket="bucket", Key="a/0")["ETag"]
    assert first["Size"] == 3


def test_what_was_there_before_stays(s3: Any, tmp_path: Path) -> None:
    """What a bucket holds before it is kept is listed and read as it was, and is in no file."""
    s3.create_bucket(Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket="bucket", Key="m", Body=b"memory")
    (tmp_path / "a").write_text("a")
    kept(s3, tmp_path)
    assert keys(s3) == ["a", "m"]
    assert s3.get_object(Bucket="bucket", Key="m")["Body"].read() == b"memory"
    assert [each.name for each in tmp_path.iterdir()] == ["a"]

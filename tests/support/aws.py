"""AWS in this process: moto behind boto3's own clients, with what moto leaves out."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any
from uuid import uuid4

import boto3
import pytest
from botocore.config import Config
from moto import mock_aws
from moto.s3.responses import S3Response

from tests.support.tools import PATIENCE

REGION = "eu-west-1"
_SESSION = boto3.session.Session("x", "x", region_name=REGION)
_WRITING = threading.Lock()


def client(service: str, **settings: Any) -> Any:
    """A client that neither reads the environment nor repeats what failed, unless it is told to."""
    config = Config(
        **{
            "retries": {"total_max_attempts": 1},
            "connect_timeout": PATIENCE,
            "read_timeout": PATIENCE,
            **settings,
        }
    )
    return _SESSION.client(service, config=config)


@cache
def s3_client() -> Any:
    """The client by which tests look behind an adapter's back."""
    return client("s3")


def in_short_pages(s3: Any) -> Any:
    """A client whose listings come in pages of two."""
    shorten = "provide-client-params.s3.ListObjectsV2"
    s3.meta.events.register(shorten, lambda params, **_: {**params, "MaxKeys": 2})
    return s3


@pytest.fixture(scope="module")
def aws(slow: None) -> Iterator[None]:
    """An AWS account for all tests of a file."""
    with account():
        yield


@contextmanager
def account() -> Iterator[None]:
    """An AWS account; conditional writes are atomic, as they are in S3."""
    put = S3Response.put_object

    def alone(self: S3Response) -> Any:
        with _WRITING:
            return put(self)

    with mock_aws(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(S3Response, "put_object", alone)
        yield


@pytest.fixture
def bucket(aws: None) -> str:
    """A new, versioned bucket."""
    name = f"bucket-{uuid4()}"
    s3 = s3_client()
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name

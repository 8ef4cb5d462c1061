"""Adapter: an S3 bucket as the store. Every write is conditional on its name being free."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from botocore.exceptions import ClientError  # type: ignore[import-untyped]

from reports.core import aws_errors

TRIES = 5
FIRST_WAIT = 0.1  # seconds
TAKEN = frozenset({"412", "PreconditionFailed"})
CONFLICT = frozenset({"409", "ConditionalRequestConflict"})  # another write of that name was in progress
TYPES = {".json": "application/json", ".pdf": "application/pdf", ".pem": "application/x-pem-file"}


@dataclass(frozen=True, slots=True)
class S3Store:
    """Documents in a bucket, below a prefix that is empty or ends with `/`.

    S3 writes one object at a time, so documents are written in their order and the last one decides:

    1. If the last name is taken, nothing is written.
    2. Each document but the last is created. A name that is taken by the same bytes counts as created, because a killed
       run left it; one that is taken by other bytes ends the put.
    3. The last is created, or was taken meanwhile. In that case, what was written before it stays and is ignored.

    Objects are encrypted under `kms_key`, or as the bucket does by default. S3 checks what arrives against its SHA-256.

    Permissions: `s3:ListBucket` on the bucket, without which S3 does not distinguish a free name from a denied one;
    `s3:PutObject` and `s3:GetObject` on its objects below the prefix; `kms:GenerateDataKey` and `kms:Decrypt` on the
    key that encrypts them.
    """

    client: Any
    bucket: str
    prefix: str = ""
    kms_key: str | None = None
    pause: Callable[[float], None] = time.sleep

    def put(self, documents: Mapping[str, bytes]) -> bool:
        """Keep documents as `Store.put` says. Raises `InvalidSettings` if the bucket refuses."""
        *before, (last, content) = documents.items()
        with self._translated():
            if before and self._exists(last):
                return False
            for name, each in before:
                if not self._create(name, each) and self._read(name) != each:
                    return False
            return self._create(last, content)

    def get(self, name: str) -> bytes | None:
        """What is kept under a name, or None. Raises `InvalidSettings` if the bucket refuses."""
        with self._translated():
            return self._read(name)

    def list(self, prefix: str, after: str = "", most: int | None = None) -> tuple[str, ...]:
        """List names as `Store.list` says. Raises `InvalidSettings` if the bucket refuses."""
        if most == 0:
            return ()
        with self._translated():
            pages = self.client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket,
                Prefix=self.prefix + prefix,
                **({"StartAfter": self.prefix + after} if after else {}),
                PaginationConfig={"MaxItems": most, "PageSize": min(most or 1000, 1000)},
            )
            keys = [listed["Key"] for page in pages for listed in page.get("Contents", ())]
        return tuple(sorted(key.removeprefix(self.prefix) for key in keys))

    def since(self, name: str) -> datetime | None:
        """When a document was written (an aware instant, in whole seconds), or None. Raises as `list` does."""
        with self._translated():
            key = self.prefix + name
            listed = self.client.list_objects_v2(Bucket=self.bucket, Prefix=key, MaxKeys=1).get(
                "Contents", ()
            )
        return next((each["LastModified"] for each in listed if each["Key"] == key), None)

    def _translated(self) -> Any:
        return aws_errors.translated(f"bucket {self.bucket}")

    def _create(self, name: str, content: bytes) -> bool:
        """Write an object if its name is free; the wait after a conflict is doubled each time."""
        for number in range(TRIES):
            try:
                self._write(name, content)
            except ClientError as error:
                if aws_errors.code(error) in TAKEN:
                    return self._was_ours(error, name, content)
                if aws_errors.code(error) not in CONFLICT or number == TRIES - 1:
                    raise
                self.pause(FIRST_WAIT * 2**number)
            else:
                return True
        raise AssertionError

    def _write(self, name: str, content: bytes) -> None:
        key = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": self.kms_key} if self.kms_key else {}
        self.client.put_object(
            Bucket=self.bucket,
            Key=self.prefix + name,
            Body=content,
            IfNoneMatch="*",
            ChecksumAlgorithm="SHA256",  # a bucket with Object Lock requires its name
            ChecksumSHA256=base64.b64encode(hashlib.sha256(content).digest()).decode(),
            ContentType=TYPES.get(PurePosixPath(name).suffix, "application/octet-stream"),
            **key,
        )

    def _was_ours(self, error: ClientError, name: str, content: bytes) -> bool:
        """Whether the name was taken by an earlier attempt of this request, whose response was lost."""
        repeated = error.response.get("ResponseMetadata", {}).get("RetryAttempts", 0) > 0
        return repeated and self._read(name) == content

    def _exists(self, name: str) -> bool:
        try:
            self.client.head_object(Bucket=self.bucket, Key=self.prefix + name)
        except ClientError as error:
            if aws_errors.code(error) == "404":
                return False
            raise
        return True

    def _read(self, name: str) -> bytes | None:
        try:
            found = self.client.get_object(Bucket=self.bucket, Key=self.prefix + name)
            return bytes(found["Body"].read())
        except ClientError as error:
            if aws_errors.code(error) == "NoSuchKey":
                return None
            raise

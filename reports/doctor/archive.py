"""The bucket of the archive."""

from __future__ import annotations

from collections.abc import Iterator

from botocore.exceptions import ClientError  # type: ignore[import-untyped]

from reports.core import aws_errors
from reports.doctor.deployed_stack import DeployedStack
from reports.doctor.findings import Finding, wrong

UNLOCKED = "ObjectLockConfigurationNotFoundError"


def protected(stack: DeployedStack) -> Iterator[Finding]:
    """Whether the archive keeps versions, and locks each of them.

    Permissions: `s3:GetBucketVersioning` and `s3:GetBucketObjectLockConfiguration` on the bucket of the archive.
    """
    bucket, s3 = stack.resources["ArchiveBucket"], stack.client("s3")
    with aws_errors.translated(f"bucket {bucket}"):
        status = s3.get_bucket_versioning(Bucket=bucket).get("Status")
    if status != "Enabled":
        yield wrong(
            f"The archive {bucket} does not keep versions (versioning is {(status or 'off').lower()}).",
            f"Run: aws s3api put-bucket-versioning --bucket {bucket} --versioning-configuration Status=Enabled",
        )
    with aws_errors.translated(f"bucket {bucket}"):
        try:
            lock = s3.get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"]
        except ClientError as error:
            if aws_errors.code(error) != UNLOCKED:
                raise
            lock = {}
    if lock.get("ObjectLockEnabled") != "Enabled" or not lock.get("Rule", {}).get("DefaultRetention"):
        retention = f"Mode={stack.parameters['RetentionMode']},Days={stack.parameters['RetentionDays']}"
        yield wrong(
            f"The archive {bucket} does not lock its objects, so they can be deleted.",
            f"Run: aws s3api put-object-lock-configuration --bucket {bucket} --object-lock-configuration "
            f"'ObjectLockEnabled=Enabled,Rule={{DefaultRetention={{{retention}}}}}'",
        )

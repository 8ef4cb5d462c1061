"""Clients of AWS services, as the environment sets them up."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from reports.core.errors import InvalidSettings

REGIONAL: Mapping[str, Any] = MappingProxyType({"s3": {"us_east_1_regional_endpoint": "regional"}})
"""Configuration of a client of S3 that speaks to the endpoint of its region in every region."""


def client(service: str, **settings: Any) -> Any:
    """A client of a service, set up as boto3 finds it in the environment, and by `settings` for botocore's `Config`.

    Raises `InvalidSettings` without boto3.
    """
    try:
        import boto3  # type: ignore[import-untyped]  # noqa: PLC0415
        from botocore.config import Config  # type: ignore[import-untyped]  # noqa: PLC0415
    except ImportError:
        raise InvalidSettings(
            "this command needs boto3: install requirements-aws.txt of Exhibit's source"
        ) from None
    from reports.core.aws_errors import translated  # noqa: PLC0415

    with translated(f"AWS {service}"):
        return boto3.client(service, config=Config(**settings) if settings else None)

"""Clients of AWS services, as the environment sets them up."""

from __future__ import annotations

from typing import Any

from reports.core.errors import InvalidSettings


def client(service: str) -> Any:
    """A client of a service, set up as boto3 finds it in the environment; raises `InvalidSettings` without boto3."""
    try:
        import boto3  # type: ignore[import-untyped]  # noqa: PLC0415
    except ImportError:
        raise InvalidSettings(
            "this command needs boto3: install requirements-aws.txt of Exhibit's source"
        ) from None
    from reports.core.aws_errors import translated  # noqa: PLC0415

    with translated(f"AWS {service}"):
        return boto3.client(service)

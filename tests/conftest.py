"""Fixtures that every test file can ask for."""

from tests.aws import aws, bucket
from tests.pki import authority, network, signed, unsigned
from tests.publishing import golden, sample_briefings

__all__ = ["authority", "aws", "bucket", "golden", "network", "sample_briefings", "signed", "unsigned"]

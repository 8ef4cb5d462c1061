"""Fixtures that every test file can ask for."""

import gc

from tests.aws import aws, bucket
from tests.pki import authority, network, signed, unsigned
from tests.privileges import unprivileged
from tests.publishing import golden, sample_briefings
from tests.system import bare, environment, system

__all__ = [
    "authority",
    "aws",
    "bare",
    "bucket",
    "environment",
    "golden",
    "network",
    "sample_briefings",
    "signed",
    "system",
    "unprivileged",
    "unsigned",
]


def pytest_unconfigure() -> None:
    """Have collected what `functions` sets aside for as long as a process lives; libraries would call it leaked."""
    gc.unfreeze()

"""The whole contract of query engines on a real Trino: `make engines`."""

from tests.contracts.query_engine import *  # noqa: F403
from tests.evidence.conftest import formats, trino
from tests.evidence.test_engine_trino import open_engine

__all__ = ["formats", "open_engine", "trino"]

"""Fixtures that the engines over tables share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.support.trino import Stack


@pytest.fixture(scope="module")
def trino() -> Iterator[Stack]:
    from tests.support.trino import stack  # noqa: PLC0415 -- loads trino

    with stack() as found:
        yield found


@pytest.fixture(params=[(".parquet",), (".jsonl", ".jsonl.gz")], ids=["Parquet", "JSON"])
def formats(request: pytest.FixtureRequest) -> Sequence[str]:
    """A table has one format."""
    return request.param

"""What somebody meets who may not read everything."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@pytest.fixture
def unprivileged() -> Iterator[Path]:
    """A folder, for somebody who may not read everything."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)  # noqa: S103 -- it is for somebody else
        yield Path(folder)


@contextmanager
def as_somebody_else() -> Iterator[None]:
    """Without the rights of the superuser, if they are there."""
    privileged = os.geteuid() == 0
    if privileged:
        os.seteuid(65534)
    try:
        yield
    finally:
        if privileged:
            os.seteuid(0)

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
    """Without the rights of the superuser, if they are there; skips where nobody else may look into the checkout."""
    privileged = os.geteuid() == 0
    if privileged:
        os.seteuid(65534)
    try:
        if not os.access(__file__, os.R_OK, effective_ids=True):
            pytest.skip("the checkout is in a folder of the superuser's alone")
        yield
    finally:
        if privileged:
            os.seteuid(0)

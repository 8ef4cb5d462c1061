"""Fixtures that every test file can ask for."""

import gc
import math
import shutil
import tempfile
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from reports.core import progress
from tests.support.aws import aws, bucket
from tests.support.pki import authority, network, signed, unsigned
from tests.support.privileges import unprivileged
from tests.support.publishing import golden, sample_briefings
from tests.support.system import bare, environment, system
from tests.support.typesetting import sample

__all__ = [
    "authority",
    "aws",
    "bare",
    "bucket",
    "environment",
    "golden",
    "network",
    "sample",
    "sample_briefings",
    "signed",
    "system",
    "unprivileged",
    "unsigned",
]


# The same examples in each run, and however long one takes.
settings.register_profile(
    "exhibit", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("exhibit")


@pytest.fixture(scope="session", autouse=True)
def no_progress() -> Iterator[None]:
    """Have no line of progress appear only because a run takes long."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(progress, "QUIET_SECONDS", math.inf)
        yield


FOLDER = pytest.StashKey[str]()


def pytest_configure(config: pytest.Config) -> None:
    """Give each run a folder of its own: those of pytest are cleared by whatever other run ends meanwhile."""
    if config.option.basetemp is None and not hasattr(config, "workerinput"):
        config.option.basetemp = config.stash[FOLDER] = tempfile.mkdtemp(prefix="pytest-exhibit-")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Remove that folder, unless there are failures to look into."""
    if exitstatus == 0 and FOLDER in session.config.stash:
        shutil.rmtree(session.config.stash[FOLDER], ignore_errors=True)


def pytest_unconfigure() -> None:
    """Have collected what `functions` sets aside for as long as a process lives; libraries would call it leaked."""
    gc.unfreeze()

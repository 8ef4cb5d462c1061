"""Fixtures that every test file can ask for."""

import gc
import math
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from reports.core import progress
from tests.support.aws import aws, bucket
from tests.support.doctor import clinic, issuer, more
from tests.support.pki import authority, network, signed, unsigned
from tests.support.privileges import unprivileged
from tests.support.publishing import golden, sample_briefings
from tests.support.quick import FOLDERS, Guard, is_quick, slow
from tests.support.system import bare, environment, system
from tests.support.typesetting import sample

__all__ = [
    "authority",
    "aws",
    "bare",
    "bucket",
    "clinic",
    "environment",
    "golden",
    "issuer",
    "more",
    "network",
    "sample",
    "sample_briefings",
    "signed",
    "slow",
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


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep nothing of evidence in the folder of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache", numbered=True)))
        yield


FOLDER = pytest.StashKey[str]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help="run the quick tests alone")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not even import what is in folders without a quick test."""
    return True if config.option.quick and collection_path in FOLDERS else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.option.quick:
        config.hook.pytest_deselected(items=[item for item in items if not is_quick(item)])
        items[:] = filter(is_quick, items)


def pytest_configure(config: pytest.Config) -> None:
    """Give each run a folder of its own: those of pytest are cleared by whatever other run ends meanwhile.

    SIGINT ends what tests start, even where a shell that started the run in the background has switched it off.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    config.pluginmanager.register(Guard())
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

"""Which tests are quick, and that these stay within their process.

A test is quick unless it asks for the fixture `slow`, itself or through another fixture, or lies in one of `FOLDERS`.
`pytest --quick` runs the quick ones. In every run, one that opens a connection, listens or starts a program fails;
only the programs that `tools` knows are over at once, and may be asked.
"""

import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.tools import PROGRAMS

TESTS = Path(__file__).parents[1]
FOLDERS = {TESTS / name for name in ("adversarial", "local_aws", "soak")}
LEAVING = {
    "os.exec",
    "os.fork",
    "os.forkpty",
    "os.posix_spawn",
    "os.system",
    "socket.bind",
    "socket.connect",
    "subprocess.Popen",
}
"""Names of the audit events (PEP 578) of a test that leaves its process."""

LEFT = pytest.StashKey[list[str]]()
"""What a quick test has done that it may not."""


class LeftError(Exception):
    """A quick test has left its process."""


@pytest.fixture(scope="session")
def slow() -> None:
    """For what takes long, or needs a server or another process: not for `make quick`."""


def is_quick(item: pytest.Item) -> bool:
    """Whether it is among those that `--quick` runs."""
    return "slow" not in getattr(item, "fixturenames", ()) and FOLDERS.isdisjoint(item.path.parents)


class Guard:
    """Keeps quick tests within their process, in the form of a plug-in of pytest."""

    def __init__(self) -> None:
        self.left: list[str] | None = None
        sys.addaudithook(self._heard)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        left: list[str] = []
        item.stash[LEFT] = left
        self.left = left if is_quick(item) else None

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> None:
        left, self.left = self.left, None
        if left:
            pytest.fail(f"{', '.join(left)}: a test that leaves its process asks for the fixture `slow`")

    def _heard(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.left is None or event not in LEAVING:
            return
        if event == "subprocess.Popen" and Path(str(arguments[0])).name in PROGRAMS:
            return
        self.left.append(event)
        raise LeftError(event)

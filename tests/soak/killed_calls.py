"""Runs a function in processes of its own, each killed at another of its calls to the operating system.

`python -m tests.soak.killed_calls FUNCTION FOLDER STEP`: FUNCTION gets a folder of its own, FOLDER/1 for the process
that is killed right before its first call, and so on, every STEP calls, until one comes to its end.
"""

import io
import os
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from types import FrameType

from reports.archive.store import FolderStore
from reports.signing.keys import LocalAuthority

DOCUMENTS = {"a.pdf": b"document" * 10_000, "register/1.json": b"entry"}
SYSTEM = {"posix", "fcntl", "io", "_io"}


def put(folder: Path) -> None:
    FolderStore(folder).put(DOCUMENTS)


def make_keys(folder: Path) -> None:
    LocalAuthority.open(folder / "keys", datetime.now(UTC))


def _kill_at(place: int) -> None:
    made = 0

    def profile(frame: FrameType, event: str, called: object) -> None:
        nonlocal made
        if event == "c_call" and _is_system(called):
            made += 1
            if made == place:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(profile)


def _is_system(called: object) -> bool:
    module, owner = getattr(called, "__module__", None), getattr(called, "__self__", None)
    return module in SYSTEM or isinstance(owner, io.IOBase)


def killed(function: Callable[[Path], None], folder: Path, place: int) -> bool:
    """Whether the process had a call number `place` to be killed at."""
    child = os.fork()
    if not child:
        try:
            _kill_at(place)
            function(folder)
            os._exit(0)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return True
    assert status == 0
    return False


if __name__ == "__main__":
    _, name, folder, step = sys.argv
    for place in count(1, int(step)):
        own = Path(folder, str(place))
        own.mkdir(parents=True)
        if not killed(globals()[name], own, place):
            break

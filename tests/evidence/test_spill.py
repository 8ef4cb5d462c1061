"""The folder for what does not fit in memory."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from reports.evidence.spill import PREFIX, spill_folder
from tests.support.publishing import ROOT

HOLDER = """
import sys
from reports.evidence.spill import spill_folder
with spill_folder() as folder:
    open(folder + "/rows", "w").close()
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def holder(temporary: Path) -> tuple["subprocess.Popen[str]", Path]:
    """A process that has a folder, and the folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(temporary)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def test_nothing_is_left(temporary: Path) -> None:
    """A run that ends removes its folder and what is in it."""
    with spill_folder() as folder:
        (Path(folder) / "rows").touch()
    assert os.listdir(temporary) == []


@pytest.mark.usefixtures("slow")
def test_what_a_killed_run_left_is_removed(temporary: Path) -> None:
    """The next run removes the folder of one that was killed; that of a living one, and other folders, it leaves."""
    killed, of_killed = holder(temporary)
    living, of_living = holder(temporary)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    other = temporary / "exhibit-other"
    other.mkdir()
    assert of_killed.exists()
    with spill_folder() as own:
        assert sorted(temporary.iterdir()) == sorted([of_living, other, Path(own)])
        assert Path(own).name.startswith(PREFIX)
    living.kill()
    living.communicate()

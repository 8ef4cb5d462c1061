"""Run one piece of work in a process of its own; measure its wall time and its peak memory."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Run:
    """A finished process: seconds of wall time from start to end, peak memory in MiB, seconds of processor time."""

    seconds: float
    peak_mib: float
    busy: float


def measure(work: str, *arguments: object) -> Run:
    """Run `python -m benchmarks.work WORK ARGUMENT…`.

    Work whose own start-up is not of interest prints its seconds as the last line, which then count instead.
    """
    return run([sys.executable, "-m", "benchmarks.work", work, *map(str, arguments)])


def run(command: list[str]) -> Run:
    """Run a command, which may print its seconds itself."""
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:  # noqa: S603
        printed = process.stdout.read() if process.stdout else ""
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - start
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with status {process.returncode}")
    scale = 1024 * 1024 if sys.platform == "darwin" else 1024
    return Run(
        float(printed) if printed.strip() else seconds,
        usage.ru_maxrss / scale,
        usage.ru_utime + usage.ru_stime,
    )

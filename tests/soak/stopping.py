"""Starts of `exhibit serve`, two at a time, each stopped by SIGTERM at another moment of its work.

`python -m tests.soak.stopping STARTS [SEED]` prints how long the stops took, and stops where one hangs.
"""

import random
import signal
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import TimeoutExpired

from tests.support.publishing import GOLDEN
from tests.support.serving import serving

EVIDENCE = GOLDEN / "quiet"
AT_ONCE = 2
LONGEST_WORK = 3.0  # seconds from when it is ready
MOST_SECONDS = 60  # of a stop, on a busy machine
WANTED = {"window": "2026-05-01/2026-05-07", "audience": "lawmaker"}


def stopped(work: float) -> float:
    """Start it, have it work, and stop it; the seconds of the stop, or infinity where it hangs."""
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), "--evidence", EVIDENCE) as served:
        served.call("POST", "/briefings", WANTED)
        time.sleep(work)
        began = time.monotonic()
        served.process.send_signal(signal.SIGTERM)
        try:
            status = served.process.wait(MOST_SECONDS)
        except TimeoutExpired:
            served.process.kill()
            return float("inf")
        assert status == 0, served.log.read_text()
        return time.monotonic() - began


def main(starts: int, seed: int) -> None:
    drawn = random.Random(seed)  # noqa: S311
    moments = [drawn.uniform(0, LONGEST_WORK) for _ in range(starts)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        took = sorted(pool.map(stopped, moments))
    hung = took.count(float("inf"))
    print(
        f"{starts} starts and stops: {hung} hung; a stop took {took[starts // 2]:.1f} s, the longest {took[-1]:.1f} s"
    )
    sys.exit(hung > 0)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)

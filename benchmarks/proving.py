"""Making and checking a proof about an account, against reading the briefing that it is about: processor time."""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

from reports.signing.keys import pseudonym_key
from reports.verification.inclusion_proof import check_proof, read_proof
from reports.verification.prove import prove
from reports.verification.record import record
from reports.verification.signature import verify

ROUNDS = 5
Result = TypeVar("Result")


def main(pdf: bytes, account: str, keys: Path) -> None:
    """Print the seconds of reading, making and checking, the medians of a few rounds, and the bytes of the proof."""
    rounds = []
    integrity = verify(pdf, None, datetime.now(UTC))[0]
    key = partial(pseudonym_key, keys)
    for _ in range(ROUNDS):
        reading, recorded = _timed(lambda: record(pdf, integrity))
        making, proof = _timed(lambda: prove(recorded, account, key))  # noqa: B023 -- called at once
        written = json.dumps(proof.model_dump(), indent=2).encode()
        checking, verdicts = _timed(lambda: check_proof(read_proof(written, "the proof"), proof.root))  # noqa: B023
        if {verdict.outcome for verdict in verdicts} != {"valid"}:
            raise SystemExit("the proof does not verify")
        rounds.append((reading, making, checking))
    print(*(statistics.median(column) for column in zip(*rounds, strict=True)), len(written))


def _timed(act: Callable[[], Result]) -> tuple[float, Result]:
    start = time.process_time()
    found = act()
    return time.process_time() - start, found


if __name__ == "__main__":
    main(Path(sys.argv[1]).read_bytes(), sys.argv[2], Path(sys.argv[3]))

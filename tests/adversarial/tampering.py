"""Change bytes of a signed file, one at a time, and count the changes that nobody notices.

`python -m tests.adversarial.tampering N SEED [FILE]` tries N positions of a file that it signs itself, or of FILE;
exit status 1 if one change was accepted.
"""

import random
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from reports.pages.assets import Resources
from reports.pages.render import DocumentMetadata, render_pdf
from reports.signing.keys import LocalAuthority
from reports.verification.signature import verify
from tests.support.pki import NOW, PAGE, reading, sign_locally


@dataclass(frozen=True)
class Trial:
    """A changed byte, and whether the integrity of the file was still said to be valid."""

    position: int
    byte: int
    accepted: bool


def trials(pdf: bytes, count: int, seed: int, share: slice = slice(None)) -> Iterator[Trial]:
    """Change one byte, to any other, at a share of `count` positions; of all, if the file has no more than that."""
    chance = random.Random(seed)  # noqa: S311 -- nothing is kept secret with it
    changed = bytearray(pdf)
    for position in sorted(chance.sample(range(len(pdf)), min(count, len(pdf))))[share]:
        changed[position] ^= chance.randrange(1, 256)
        outcome = verify(bytes(changed), None, reading())[0].outcome
        yield Trial(position, changed[position], outcome == "valid")
        changed[position] = pdf[position]


def _own() -> bytes:
    about = DocumentMetadata("Briefing", "EX-1", "Somebody", NOW)
    unsigned = render_pdf(PAGE, resources=Resources(), metadata=about)
    with tempfile.TemporaryDirectory() as folder:
        return sign_locally(unsigned, LocalAuthority.open(Path(folder, "keys"), NOW))


def main(arguments: list[str]) -> int:
    count, seed, *file = arguments
    pdf = Path(file[0]).read_bytes() if file else _own()
    accepted = [trial for trial in trials(pdf, int(count), int(seed)) if trial.accepted]
    for trial in accepted:
        print(f"accepted: byte {trial.position} as {trial.byte:#04x}")
    print(
        f"{min(int(count), len(pdf)):,} of {len(pdf):,} bytes changed, one at a time; {len(accepted)} accepted"
    )
    return 1 if accepted else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""`python -m tests.support.conformance FILE...` checks files for PDF/A-3a and PDF/UA-1.

Exit status: 0 all conform; 1 some do not; 3 could not be checked.
"""

import sys
from pathlib import Path

from tests.support.conformance import Verdict, missing, validate


def _print(verdict: Verdict) -> None:
    print("PASS" if verdict.conforms else "FAIL", verdict.flavour, verdict.path, sep="  ")
    for rule in verdict.broken:
        print("     ", rule)


def main(arguments: list[str]) -> int:
    if reason := missing():
        print(reason, file=sys.stderr)
        return 3
    verdicts = validate([Path(argument) for argument in arguments])
    for verdict in verdicts:
        _print(verdict)
    return 0 if verdicts and all(verdict.conforms for verdict in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""`exhibit sample`."""

# ruff: noqa: PLC0415

from __future__ import annotations

import argparse

from reports.cli.terminal import Verbs, add_quiet, path, say
from reports.core.progress import Steps


def add(verbs: Verbs) -> None:
    text = "Write the sample evidence: synthetic detections that re-enact published figures."
    sample = verbs.add_parser("sample", help="write the sample evidence", description=text)
    sample.add_argument("folder", metavar="DIR", type=path, help="a new or empty folder")
    add_quiet(sample)
    sample.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from reports.sample import write_sample

    with Steps(options.quiet) as steps:
        write_sample(options.folder, lambda done, total: steps("sample", done, total))
    say(f"sample evidence: {options.folder}")
    return 0

"""The command line: arguments to calls, errors to one line and an exit status.

A verb is a module that adds its parser, and imports what it runs on itself: checking a file and asking for help need
not wait for the rest.
"""

from __future__ import annotations

import argparse
import gc
import os
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from reports import __version__
from reports.cli import (
    compare,
    explain,
    keys,
    prove,
    publish,
    register,
    renew,
    sample,
    serve,
    verify,
    verify_proof,
)
from reports.cli.terminal import WITH_STATUS, complain
from reports.errors import ExhibitError, InvalidRequest, Unavailable

VERBS = (sample, publish, verify, renew, explain, compare, prove, verify_proof, register, keys, serve)


def program() -> NoReturn:
    """The whole process of a command, which is short: cycles of objects are not looked for, and none is taken apart.

    Both would cost a briefing as much as its queries. What has to be closed has been, and lines are flushed as said.
    """
    gc.disable()
    status = main()
    sys.stderr.flush()
    os._exit(status)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status; 128 and the number of a signal where one ended it."""
    with _signals() as signals:
        try:
            options = _parser().parse_args(arguments)
            return int(options.run(options))
        except (Exception, KeyboardInterrupt) as error:
            if signals:
                complain("interrupted: run again")
                return 128 + signals[0]
            return _failed(error)


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Interrupt on SIGTERM as on SIGINT, and note which came: DuckDB makes an error of its own of them."""
    caught: list[int] = []

    def interrupt(number: int, frame: object) -> NoReturn:
        caught.append(number)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _failed(error: BaseException) -> int:
    if isinstance(error, ExhibitError):
        complain(str(error))
        return error.exit_status
    if isinstance(error, BrokenPipeError):
        return 128 + signal.SIGPIPE
    # A bug: neither a traceback nor the status of "found wrong".
    place = traceback.extract_tb(error.__traceback__)[-1]
    what = f"{type(error).__name__}: {error} ({Path(place.filename).name}, line {place.lineno})"
    complain(f"internal error: {what}: please report it")
    return Unavailable.exit_status


class _Parser(argparse.ArgumentParser):
    """Complains in one line like everything else."""

    def error(self, message: str) -> NoReturn:
        raise InvalidRequest(f"{message}: see {self.prog} --help")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="exhibit",
        description="Turn detection results into signed PDF briefings that their readers can check.",
        **WITH_STATUS,
    )
    parser.add_argument("--version", action="version", version=f"exhibit {__version__}")
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    for verb in VERBS:
        verb.add(verbs)
    return parser

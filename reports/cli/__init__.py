"""The command line: arguments to calls, errors to one line and an exit status.

A verb is a module that adds its parser, and imports what it runs on itself: checking a file and asking for help need
not wait for the rest.
"""

from __future__ import annotations

import argparse
import difflib
import gc
import os
import re
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
    completion,
    days,
    doctor,
    explain,
    keys,
    prove,
    publish,
    register,
    renew,
    sample,
    serve,
    tables,
    verify,
    verify_proof,
)
from reports.cli.terminal import WITH_STATUS, ReaderGoneError, complain, hold_streams, say
from reports.core.errors import ExhibitError, InvalidRequest, Unavailable, of_system

_NEGATIVE = re.compile(r"-\d+|-\d*\.\d+")  # because argparse takes them for values

VERBS = (
    sample,
    publish,
    verify,
    renew,
    explain,
    compare,
    prove,
    verify_proof,
    register,
    keys,
    tables,
    days,
    doctor,
    serve,
)


def program() -> NoReturn:
    """The whole process of a command, which is short: cycles of objects are not looked for, and none is taken apart.

    Both would cost a briefing as much as its queries. What has to be closed has been, and lines are flushed as said.
    """
    hold_streams()
    gc.disable()
    try:
        status = main()
    except SystemExit as end:  # after --help and --version
        status = int(end.code or 0)
    os._exit(status)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status; 128 and the number of a signal where one ended it."""
    with _signals() as signals:
        try:
            options = _parser().parse_args(arguments)
            return int(options.run(options))
        except (Exception, KeyboardInterrupt) as error:
            if signals:
                complain("interrupted: run it again")
                return 128 + signals[0]
            return _failed(error)


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Interrupt on SIGTERM and SIGHUP as on SIGINT, and note which came: DuckDB makes an error of its own of them.

    One that the caller has switched off, as nohup and shells do, stays so.
    """
    caught: list[int] = []

    def interrupt(number: int, frame: object) -> NoReturn:
        caught.append(number)
        raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, interrupt)
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _failed(error: BaseException) -> int:
    if isinstance(error, ReaderGoneError):
        return 128 + signal.SIGPIPE
    if isinstance(error, OSError):
        error = of_system(error)
    elif isinstance(error, MemoryError):
        error = Unavailable("not enough memory: allow more, or run again")
    if isinstance(error, ExhibitError):
        complain(str(error))
        return error.exit_status
    # A bug: no traceback, and not the status for "found wrong".
    place = traceback.extract_tb(error.__traceback__)[-1]
    what = f"{type(error).__name__}: {error} ({Path(place.filename).name}, line {place.lineno})"
    complain(f"internal error: {what}: please report it")
    return Unavailable.exit_status


class _Parser(argparse.ArgumentParser):
    """Complains in one line like everything else, and first of what is misspelt."""

    def error(self, message: str) -> NoReturn:
        raise InvalidRequest(f"{message}: see {self.prog} --help")

    def parse_known_args(self, args=None, namespace=None):  # type: ignore[no-untyped-def]
        args = sys.argv[1:] if args is None else list(args)
        verbs = self._verbs()
        if verbs and not args:
            self.print_help()
            self.exit()
        self._check(args, verbs)
        return super().parse_known_args(args, namespace)

    def _verbs(self) -> list[str]:
        """The verbs that follow this parser's own options, if any."""
        actions = (each for each in self._actions if isinstance(each, argparse._SubParsersAction))
        return [name for action in actions for name in action.choices]

    def _check(self, args: Sequence[str], verbs: Sequence[str]) -> None:
        """Raise `InvalidRequest` for the first option or verb that there is not; it names the nearest that there is.

        A value of an option never looks like another option, so that each argument can be judged by itself. What
        follows the `=` of one is not repeated: it may be a secret. Nothing is empty on purpose: a script's variable is.
        """
        before = "an argument"
        for argument in args:
            name, given, value = argument.partition("=")
            if not argument or (name.startswith("--") and given and not value):
                raise InvalidRequest(f"{name or before} is empty: leave it out, or give it a value")
            if argument == "--":
                return
            before = "an argument"
            if name.startswith("-") and name != "-" and " " not in name and not _NEGATIVE.fullmatch(name):
                self._check_option(name)
                before = name
            elif verbs:
                self._check_verb(argument, verbs)
                return

    def _check_verb(self, name: str, verbs: Sequence[str]) -> None:
        if name not in verbs:
            near = _nearest(name, verbs)
            raise InvalidRequest(f"{name!r} is not a command of {self.prog}{near}: see {self.prog} --help")

    def _check_option(self, name: str) -> None:
        known = list(self._option_string_actions)
        if not any(each == name or (each.startswith(name) and name.startswith("--")) for each in known):
            near = _nearest(name, known)
            raise InvalidRequest(f"{name} is not an option of {self.prog}{near}: see {self.prog} --help")

    def _print_message(self, message: str, file: object = None) -> None:
        say(message.rstrip("\n"))


def _nearest(name: str, known: Sequence[str]) -> str:
    """A question that names what is spelt most alike; nothing where that is not alike."""
    near = difflib.get_close_matches(name, known, 1)
    return f" (did you mean {near[0]}?)" if near else ""


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="exhibit",
        description="Turn detection results into signed PDF briefings that their readers can check.",
        **WITH_STATUS,
    )
    parser.add_argument("--version", action="version", version=f"exhibit {__version__}")
    verbs = parser.add_subparsers(required=True, metavar="COMMAND")
    for verb in VERBS:
        verb.add(verbs)
    completion.add(verbs, _parser)
    return parser

"""`exhibit completion`."""

# ruff: noqa: PLC0415

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator

from reports.cli.terminal import Verbs, path, say

SHELLS = ("bash", "zsh", "fish", "tcsh")


def add(verbs: Verbs, whole: Callable[[], argparse.ArgumentParser]) -> None:
    """`whole` makes the parser of the command line as a whole."""
    text = "Print a script that completes commands, options and file names in a shell."
    completion = verbs.add_parser(
        "completion", help="print a script that completes commands", description=text
    )
    completion.add_argument("shell", metavar="SHELL", choices=SHELLS, help=", ".join(SHELLS))
    completion.set_defaults(run=lambda options: run(options, whole()))


def run(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    import shtab

    for action in _actions(parser):
        if action.type is path:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
    say(shtab.complete(parser, options.shell))
    return 0


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for each in action.choices.values():
                yield from _actions(each)

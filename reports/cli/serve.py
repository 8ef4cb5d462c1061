"""`exhibit serve`."""

# ruff: noqa: PLC0415

from __future__ import annotations

import argparse
import gc
import signal
import socket
from contextlib import suppress
from importlib.util import find_spec

from reports.cli.terminal import Verbs, path, say
from reports.core.errors import InvalidSettings

NEEDED = ("boto3", "aws_lambda_powertools", "moto", "joserfc")


def add(verbs: Verbs) -> None:
    text = "Serve the deployed system on this machine, at 127.0.0.1, until interrupted."
    serve = verbs.add_parser("serve", help="serve the deployed system on this machine", description=text)
    serve.add_argument(
        "--port",
        metavar="N",
        type=int,
        default=8080,
        help="the port of the API (default: 8080; 0: any free one)",
    )
    serve.add_argument(
        "--evidence",
        metavar="DIR",
        type=path,
        help="the evidence to start with (default: the sample evidence)",
    )
    serve.add_argument(
        "--state",
        metavar="DIR",
        type=path,
        help="keep briefings and keys in this folder (default: do not keep them)",
    )
    serve.add_argument(
        "--engine",
        choices=("duckdb", "trino"),
        default="duckdb",
        help="what stands in for Athena: DuckDB, or a Trino that make .venv/trino has installed (default: duckdb)",
    )
    serve.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    if any(find_spec(name) is None for name in (*NEEDED, *("trino",) * (options.engine == "trino"))):
        raise InvalidSettings("this command needs moto: install requirements-dev.txt of Exhibit's source")
    from reports.local_aws.serve import TRINO, Choices, served

    choices = Choices(
        options.port, options.evidence, options.state, TRINO if options.engine == "trino" else None
    )
    gc.enable()  # this command is the process that continues
    with (
        served(choices, say) as found,
        suppress(KeyboardInterrupt),
    ):
        say(f"API:     {found.api}")
        say(f"AWS:     {found.aws}")
        say(f"secret:  {found.key.secret}")
        say(f"token:   {found.token}")
        say(f"reader:  {found.reader}")
        if found.trino:
            say(f"Trino:   {found.trino}")
        if options.state:
            say(f"session: . {options.state / 'session'}")
        say("serving: until Ctrl-C")
        _wait()
    say("stopped")
    return 0


def _wait() -> None:
    """Wait for a signal, whichever thread the system gives it to.

    Its handler runs in the main thread alone, which a signal to another thread wakes only through a descriptor.
    """
    told, tells = socket.socketpair()
    with told, tells:
        tells.setblocking(False)
        before = signal.set_wakeup_fd(tells.fileno(), warn_on_full_buffer=False)
        try:
            while True:
                told.recv(1)  # the signal's handler runs before this is checked again
        finally:
            signal.set_wakeup_fd(before)

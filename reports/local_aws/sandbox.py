"""Functions as Lambda runs them: each in a process of its own, with its variables in the place of whoever runs it.

A process takes one event after the other and is kept for the next. Where several events come at once, there are several
processes, up to a limit; what comes beyond waits. A process that takes longer than the function's timeout is killed.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NoReturn

from reports.local_aws.gateway import Context, FunctionFailed
from reports.local_aws.template import Function

ROOT = Path(__file__).parents[2]
NOT_INHERITED = ("AWS_", "EXHIBIT_", "POWERTOOLS_")


class Sandbox:
    """A process that runs one function; what the function prints goes to standard error."""

    def __init__(self, function: Function, environment: Mapping[str, str]) -> None:
        self.function = function
        ours, theirs = socket.socketpair()
        self._connection = Connection(ours.detach())
        self._process = subprocess.Popen(  # noqa: S603 - ours
            [sys.executable, "-m", "reports.local_aws.sandbox", str(theirs.fileno()), function.handler],
            cwd=ROOT,
            env=_environment(function, environment),
            stdin=subprocess.DEVNULL,
            stdout=sys.__stderr__,
            pass_fds=(theirs.fileno(),),
        )
        theirs.close()

    def invoke(self, event: Any) -> Any:
        """The function's answer; raises `FunctionFailed`."""
        name, seconds = self.function.name, self.function.timeout
        try:
            self._connection.send((name, seconds, event))
            if not self._connection.poll(seconds):
                raise FunctionFailed(f"{name} timed out after {seconds} seconds")
            answer, error = self._connection.recv()
        except (EOFError, OSError):
            raise FunctionFailed(f"the process of {name} has ended") from None
        if error:
            raise FunctionFailed(f"{name} failed: {error}")
        return answer

    def stop(self) -> None:
        """End the process, whatever it does.

        The connection closes with the last who uses it. Closed here, its number could be another's by the time that
        `invoke` looks whether there is an answer, and it would wait for one from there.
        """
        self._process.kill()
        self._process.wait()


class Sandboxes:
    """The functions of a stack, by their modules' names; at most `most` processes of each."""

    def __init__(self, functions: Mapping[str, Function], environment: Mapping[str, str], most: int) -> None:
        self._functions, self._environment = functions, environment
        self._places = {name: threading.BoundedSemaphore(most) for name in functions}
        self._idle: dict[str, list[Sandbox]] = {name: [] for name in functions}
        self._all: set[Sandbox] = set()
        self._changing = threading.Lock()
        self._stopped = False

    def invoke(self, name: str, event: Any) -> Any:
        """The answer of a function to an event that JSON can hold; raises `FunctionFailed`."""
        with self._places[name]:
            sandbox = self._take(name)
            try:
                answer = sandbox.invoke(event)
            except FunctionFailed as error:
                if self._drop(sandbox):
                    print(json.dumps({"level": "ERROR", "message": str(error)}), file=sys.stderr, flush=True)
                raise
            with self._changing:
                self._idle[name].append(sandbox)
            return answer

    def handler(self, name: str) -> Callable[[Mapping[str, Any], Any], Mapping[str, Any]]:
        """A function as the gateway calls it."""
        return lambda event, _: self.invoke(name, event)

    def stop(self) -> None:
        """End all processes, and start none any more."""
        with self._changing:
            self._stopped = True
            running = list(self._all)
        for sandbox in running:
            self._drop(sandbox)

    def _take(self, name: str) -> Sandbox:
        with self._changing:
            if self._stopped:
                raise FunctionFailed("the functions are stopped")
            if self._idle[name]:
                return self._idle[name].pop()
            sandbox = Sandbox(self._functions[name], self._environment)
            self._all.add(sandbox)
            return sandbox

    def _drop(self, sandbox: Sandbox) -> bool:
        """End a process; False if that is done already."""
        with self._changing:
            if sandbox not in self._all:
                return False
            self._all.remove(sandbox)
        sandbox.stop()
        return True


def _environment(function: Function, environment: Mapping[str, str]) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(NOT_INHERITED)}
    lambdas = {
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
        "POWERTOOLS_TRACE_DISABLED": "true",
        "PYTHONUNBUFFERED": "1",
    }
    return {**inherited, **function.environment, **lambdas, **environment}


def _run(descriptor: int, handler: str) -> NoReturn:
    """Answer events until the other side is gone. Ctrl-C reaches this process too, and is the other side's affair.

    As on Lambda, nothing is taken apart at the end: libraries would tell of what `functions` has set aside.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    connection = Connection(descriptor)
    module, _, name = handler.rpartition(".")
    function = getattr(import_module(module), name)
    with suppress(EOFError, ConnectionError):
        while True:
            name, seconds, event = connection.recv()
            connection.send(_answer(function, event, Context.lasting(seconds, name)))
    os._exit(0)


def _answer(function: Callable[..., Any], event: Any, context: Context) -> tuple[Any, str | None]:
    """What a function returns, or its error in words."""
    try:
        return function(json.loads(json.dumps(event)), context), None
    except Exception as error:
        return None, f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    _run(int(sys.argv[1]), sys.argv[2])

"""`exhibit serve` as a process of its own, as a user runs it; but a function may take as long as the machine is busy.

`python -m tests.support.serving ORIGINS serve …` is that process; pages of these origins may call it.
"""

import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

from tests.support.publishing import ROOT
from tests.support.tools import PATIENCE

PROCESS = (sys.executable, "-m", "tests.support.serving")


@dataclass(frozen=True)
class Serving:
    """A running `exhibit serve` with its state folder; `log` is where standard error goes."""

    state: Path
    process: subprocess.Popen[str]
    log: Path
    lines: dict[str, str]

    def call(
        self, method: str, path: str, body: Any = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """The status, headers and body of an answer of the API; `Authorization` is the token for everything."""
        sent = {"Authorization": f"Bearer {self.lines['token']}", "Content-Type": "application/json"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        request = urllib.request.Request(self.lines["API"] + path, content, sent, method=method)  # noqa: S310
        try:
            with _OPENER.open(request, timeout=PATIENCE) as answer:
                return answer.status, dict(answer.headers), answer.read()
        except urllib.error.HTTPError as error:
            return error.code, dict(error.headers), error.read()

    def archived(self, kind: str) -> list[Path]:
        """The files of a kind of object in the archive: `requests`, `outcomes`, `briefings`, …"""
        place = self.state / "archive" / kind
        return sorted(file for file in place.glob("*") if not file.name.endswith(".unfinished"))

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it by a signal; its exit status."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


class _Staying(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}), _Staying())


@contextmanager
def serving(folder: Path, *arguments: str | Path, origins: str = "") -> Iterator[Serving]:
    """Run it with the state in `folder`/state, from when it is ready until the block ends."""
    state, log = folder / "state", folder / "log"
    with log.open("a") as errors:
        process = subprocess.Popen(
            [*PROCESS, origins, "serve", "--port", "0", "--state", state, *arguments],
            cwd=ROOT,
            text=True,
            stdout=subprocess.PIPE,
            stderr=errors,
        )
    assert process.stdout is not None
    with process, process.stdout as printed:
        try:
            yield Serving(state, process, log, dict(_lines(printed, log)))
        finally:
            process.terminate()


def _lines(printed: Any, log: Path) -> Iterator[tuple[str, str]]:
    for line in printed:
        name, _, value = line.strip().partition(": ")
        yield name, value.strip()
        if name == "serving":
            return
    raise AssertionError(log.read_text())


def _main() -> NoReturn:
    from reports.cli import program  # noqa: PLC0415 -- the process of a test needs none of it
    from reports.local_aws import serve  # noqa: PLC0415
    from reports.local_aws.sandbox import Sandboxes  # noqa: PLC0415

    serve.Sandboxes = lambda functions, *how: Sandboxes(  # type: ignore[assignment,attr-defined] # in its place
        {name: replace(each, timeout=int(PATIENCE)) for name, each in functions.items()}, *how
    )
    chosen, origins = serve._parameters, sys.argv.pop(1)
    serve._parameters = lambda aws: {**chosen(aws), "CorsOrigins": origins}
    program()


if __name__ == "__main__":
    _main()

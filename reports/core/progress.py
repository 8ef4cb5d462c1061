"""Progress for people: steps and bars on a terminal, plain lines elsewhere, always on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Never, TypeVar

if TYPE_CHECKING:
    from tqdm import tqdm

T = TypeVar("T")
Progress = Callable[[str, int, int], None]
"""Called with the step, the number of its parts that are done, and their total; 0 and 0 if unknown."""
Done = Callable[[int, int], None]
"""Called with the number of parts of one step that are done, and their total."""

QUIET_SECONDS = 5.0
_BAR = "{desc} … {bar:30} {n_fmt}/{total_fmt}"


def in_turn(parts: Sequence[T], done: Done) -> Iterator[T]:
    """Parts of one step, which is told how many are done before each, and at the end."""
    for number, part in enumerate(parts):
        done(number, len(parts))
        yield part
    done(len(parts), len(parts))


def tell(line: str) -> None:
    """Print a line on standard error; if that fails, only the line is lost."""
    if sys.stderr is not None:
        with suppress(OSError, ValueError):
            print(line, file=sys.stderr, flush=True)


class Steps:
    """Shows the steps of the pipeline as they begin; called with a step, and how much of how much of it is done.

    Off a terminal, the lines of the first seconds are held back until those are over or all is done: an error
    that comes at once then stands alone. `quiet` shows nothing.
    """

    def __init__(self, quiet: bool = False) -> None:
        self._quiet = quiet
        self._step = ""
        self._bar: tqdm[Never] | None = None
        self._held: list[str] = []
        self._quiet_until = time.monotonic() + QUIET_SECONDS

    def __enter__(self) -> Steps:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._end_bar()
        if kind is None:
            self._release()

    def __call__(self, step: str, done: int, total: int) -> None:
        """Show that `done` of `total` parts of a step are done."""
        if self._quiet:
            return
        with suppress(OSError, ValueError):  # the terminal is gone
            self._show(step, done, total)

    def _show(self, step: str, done: int, total: int) -> None:
        if step != self._step:
            self._end_bar()
            self._step = step
            self._begin(step, total)
        if self._bar is not None:
            self._bar.update(done - self._bar.n)
        elif time.monotonic() > self._quiet_until:
            self._release()

    def _begin(self, step: str, total: int) -> None:
        if sys.stderr is None or not sys.stderr.isatty():
            self._held.append(f"{step} …")
        elif total > 1:
            from tqdm import tqdm  # noqa: PLC0415

            # Told a size, tqdm shows something on terminals of unknown size as well.
            self._bar = tqdm(
                desc=step, total=total, bar_format=_BAR, file=sys.stderr, ncols=79, nrows=24, miniters=1
            )
        else:
            tell(f"{step} …")

    def _release(self) -> None:
        for line in self._held:
            tell(line)
        self._held.clear()

    def _end_bar(self) -> None:
        if self._bar is not None:
            with suppress(OSError, ValueError):
                self._bar.close()
            self._bar = None

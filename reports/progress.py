"""Progress for people: a bar on a terminal, plain lines elsewhere, always on standard error."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Never

from tqdm import tqdm


_SHAPE = "{desc:10} {bar:30} {n_fmt}/{total_fmt}"


class Steps:
    """Shows the steps of the line as they begin; called with a step, and how much of how much of it is done."""

    def __init__(self) -> None:
        self._step = ""
        self._bar: tqdm[Never] | None = None

    def __enter__(self) -> Steps:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._end_bar()

    def __call__(self, step: str, done: int, total: int) -> None:
        """Show that `done` of `total` parts of a step are done."""
        if step != self._step:
            self._end_bar()
            self._step = step
            if not sys.stderr.isatty():
                print(f"{step} …", file=sys.stderr, flush=True)
        if sys.stderr.isatty():
            self._advance(done, total)

    def _advance(self, done: int, total: int) -> None:
        bar = self._bar or tqdm(
            desc=self._step,
            total=total or None,
            bar_format=_SHAPE if total else "{desc}",
            leave=False,
            file=sys.stderr,
        )
        bar.update(done - bar.n)
        self._bar = bar

    def _end_bar(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

"""Loads what renders, signs and verifies while the queries run.

That takes half a second, in which the engine works and the interpreter is idle.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from importlib import import_module

from reports.core.progress import Progress

LATER = ("reports.pages.render", "reports.signing.sign", "reports.verification.verify")


@contextmanager
def preloading(progress: Progress) -> Iterator[Progress]:
    """A progress that starts to load `LATER` when it is first called: until then, the queries need the interpreter.

    Everything is loaded when the context ends.
    """
    with ThreadPoolExecutor(1) as beside:
        load = cache(lambda: beside.map(import_module, LATER))

        def told(step: str, done: int, total: int) -> None:
            load()
            progress(step, done, total)

        yield told

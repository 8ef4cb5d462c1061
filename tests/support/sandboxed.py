"""Functions for sandboxes to run."""

import atexit
import os
import threading
from typing import Any


def who(event: Any, context: Any) -> dict[str, Any]:
    names = ("OWN", "GIVEN", "AWS_PROFILE")
    left = context.get_remaining_time_in_millis()
    return {"event": event, "process": os.getpid(), "left": left, **{n: os.environ.get(n) for n in names}}


def slow(event: Any, context: Any) -> None:
    threading.Event().wait()


def fail(event: Any, context: Any) -> None:
    raise ValueError("wrong")


def late(event: Any, context: Any) -> None:
    atexit.register(os.write, 2, b"taken apart")


def die(event: Any, context: Any) -> None:
    os._exit(1)

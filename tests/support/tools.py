"""Programs that are not Python's, which some tests ask for a second opinion."""

import shutil
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.support import conformance

PROGRAMS = {
    "certutil": "libnss3-tools",
    "curl": "curl",
    "openssl": "openssl",
    "pdfdetach": "poppler-utils",
    "pdffonts": "poppler-utils",
    "pdfinfo": "poppler-utils",
    "pdfsig": "poppler-utils",
    "pdftoppm": "poppler-utils",
    "pdftotext": "poppler-utils",
    "pk12util": "libnss3-tools",
}
"""Programs that are over at once, each with Debian's name of its package."""

PATIENCE = 3600.0
"""Seconds after which something hangs, however busy the machine: no test waits for less, and none for as long."""


def eventually(found: Callable[[], Any]) -> Any:
    """What is found as soon as it is there."""
    end = time.monotonic() + PATIENCE
    while not (answer := found()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return answer


def needs(program: str) -> pytest.MarkDecorator:
    """Skip the test where `program` is not installed, and say which package has it."""
    reason = f"needs {program}: apt install {PROGRAMS[program]}"
    return pytest.mark.skipif(shutil.which(program) is None, reason=reason)


def needs_verapdf() -> pytest.MarkDecorator:
    """Skip the test where veraPDF cannot run, and say what it lacks."""
    return pytest.mark.skipif(conformance.missing() is not None, reason=str(conformance.missing()))

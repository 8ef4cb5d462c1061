"""What is a signature worth? Asked of DSS, the European Commission's reference validator.

Maven fetches it, once; Java runs it.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

_HERE = Path(__file__).parent
_CACHE = _HERE.parents[2] / ".cache" / "dss"
_POM, _DRIVER = _HERE / "pom.xml", _HERE / "Signatures.java"


@dataclass(frozen=True, slots=True)
class Reading:
    """A file, when somebody reads it and the certificates, PEM, that he trusts."""

    file: Path
    at: datetime
    trust: tuple[Path, ...]


@dataclass(slots=True)
class Signature:
    """What DSS says of the signature of a file: its format and what it is worth, with what it found."""

    file: Path
    format: str
    indication: str
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


class NotToBeHad(Exception):
    """DSS cannot be run here; the message says why."""


def validate(readings: Sequence[Reading]) -> list[Signature]:
    """Ask what the signatures of files are worth to their readers; raises `NotToBeHad` where DSS cannot run."""
    libraries, classes = _libraries(), _classes()
    command = [
        "java",
        "-XX:TieredStopAtLevel=1",
        "-cp",
        f"{libraries}/*:{classes}",
        "Signatures",
    ]
    asked = "".join(
        "\t".join((each.at.isoformat(), f"{each.file}", *map(str, each.trust))) + "\n" for each in readings
    )
    finished = subprocess.run(command, check=True, input=asked, stdout=subprocess.PIPE, encoding="utf-8")
    found: list[Signature] = []
    for line in finished.stdout.splitlines():
        what, number, *said = line.split("\t")
        if what == "signature":
            found.append(Signature(readings[int(number)].file, said[0], said[1]))
        else:
            (found[-1].errors if what == "error" else found[-1].warnings).append(said[0])
    return found


def _libraries() -> Path:
    if not (shutil.which("mvn") and shutil.which("javac")):
        raise NotToBeHad("DSS needs Maven and Java: apt install maven default-jdk-headless")
    return _made(_POM, _fetch)


def _fetch(folder: Path) -> None:
    command: list[str | Path] = [
        "mvn",
        "-q",
        "-B",
        "-f",
        _POM,
        "dependency:copy-dependencies",
        f"-DoutputDirectory={folder}",
    ]
    fetched = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    if fetched.returncode:
        raise NotToBeHad(f"Maven cannot fetch DSS: {(fetched.stdout + fetched.stderr).strip()[:300]}")


def _classes() -> Path:
    return _made(_DRIVER, _compile)


def _compile(folder: Path) -> None:
    subprocess.run(["javac", "-cp", f"{_libraries()}/*", "-d", folder, _DRIVER], check=True)


def _made(of: Path, make: Callable[[Path], None]) -> Path:
    """The folder that is made of a file: on first use, and again when the file changes."""
    made = _CACHE / hashlib.sha256(of.read_bytes()).hexdigest()[:16]
    if not made.exists():
        _CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=_CACHE) as fresh:
            make(Path(fresh) / "made")
            if not made.exists():  # another worker of the tests may have been quicker
                (Path(fresh) / "made").rename(made)
    return made

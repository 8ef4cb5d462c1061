"""What a release stands for: the digests of what it makes of the golden evidence and of the sample.

`digests.json` has an entry a release, and an entry stays as it was first committed. `0.1.0/` and its like hold editions
that the release of that number made, the root certificate of their signer, and the evidence that they were made from.
"""

import hashlib
import json
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from weasyprint.text.ffi import harfbuzz

from tests.support.publishing import ROOT, Published

TABLE = Path(__file__).with_name("digests.json")
OF_THE_MACHINE = ("harfbuzz", "machine", "pango", "zlib")

Entry = dict[str, dict[str, Any]]


def entry(published: Mapping[str, Published]) -> Entry:
    """The digests of briefings, by their names, and what the bytes of their pages depend on besides Exhibit."""
    first = next(iter(published.values()))
    libraries = _statement(first)["predicate"]["pages"]["libraries"]
    made_with = {each["name"]: each["version"] for each in libraries}
    return {
        "made_with": {**made_with, "harfbuzz": _harfbuzz(), "machine": platform.machine()},
        "attached": {name: _attached(each) for name, each in published.items()},
        "unsigned": {name: _sha256(each.unsigned) for name, each in published.items()},
    }


def _attached(published: Published) -> str:
    """Digest of all attachments, but for the releases of the libraries that made the pages."""
    statement = _statement(published)
    del statement["predicate"]["pages"]["libraries"]
    files = {**published.files, "evidence.json": json.dumps(statement).encode()}
    return _sha256(json.dumps({name: _sha256(files[name]) for name in sorted(files)}).encode())


def _statement(published: Published) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(published.files["evidence.json"])
    return found


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _harfbuzz() -> str:
    """The release of HarfBuzz, which cuts fonts down: it only tells whether it is a certain one or later."""
    found: list[int] = []
    for others in ([0, 0], [0], []):
        found.append(0)
        while harfbuzz.hb_version_atleast(*found[:-1], found[-1] + 1, *others):
            found[-1] += 1
    return ".".join(map(str, found))


def read_table() -> dict[str, Entry]:
    found: dict[str, Entry] = json.loads(TABLE.read_text())
    return found


def first_committed() -> dict[str, Entry]:
    """Each entry as it was first committed on this branch, as far as its history is at hand."""
    table = TABLE.relative_to(ROOT).as_posix()
    entries: dict[str, Entry] = {}
    for commit in _git("log", "--first-parent", "--reverse", "--format=%H", "--", table).split():
        entries = {**json.loads(_git("show", f"{commit}:./{table}") or "{}"), **entries}
    return entries


def _git(*arguments: str) -> str:
    """What git says; nothing where it, or its history, is missing."""
    try:
        said = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return said.stdout if said.returncode == 0 else ""


def with_entry(
    table: Mapping[str, Entry], version: str, found: Entry, committed: Mapping[str, Entry]
) -> dict[str, Entry]:
    """The table with the entry of a release; raises `SystemExit` where another was committed for it."""
    if committed.get(version, found) != found:
        raise SystemExit(
            f"{version} stands for other digests since it was committed: raise the version in reports/__init__.py"
        )
    return {**table, version: found}

"""The rooms of the house, and who may import whom."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BASE = {"core"}
FOUNDATIONS = {*BASE, "evidence", "pdf", "archive"}
LINE = {*FOUNDATIONS, "signing", "briefing", "pages", "verification"}
ROOTS = {*LINE, "pipeline", "renew", "local", "evidence_access"}
MAY_IMPORT: Mapping[str, set[str]] = {
    "core": BASE,
    "evidence": {*BASE, "evidence"},
    "pdf": {*BASE, "pdf"},
    "archive": {*BASE, "archive"},
    "sample": {*BASE, "evidence", "sample"},
    "signing": {*FOUNDATIONS, "signing"},
    "briefing": {*BASE, "evidence", "briefing"},
    "pages": {*BASE, "evidence", "briefing", "pages"},
    "verification": {*FOUNDATIONS, "briefing", "pages", "verification"},
    "preload": LINE,
    "pipeline": {*LINE, "preload"},
    "renew": LINE,
    "local": {*LINE, "pipeline"},
    "evidence_access": LINE,
    "service": {*ROOTS, "service"},
    "functions": {*LINE, "renew", "service", "functions"},
    "local_aws": {*ROOTS, "service", "sample", "local_aws"},
    "cli": {*ROOTS, "service", "sample", "local_aws", "cli"},
    "__main__": {"cli"},
}
"""What each room, or module beside the rooms, may import; the package itself, with the version, is everybody's."""


def modules() -> Mapping[str, Path]:
    files = [path for room in ("reports", "functions") for path in (ROOT / room).rglob("*.py")]
    return {_name(path): path for path in files}


def _name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def room(module: str) -> str:
    package, _, rest = module.partition(".")
    return "functions" if package == "functions" else rest.partition(".")[0]


def imported(source: str, known: set[str]) -> Iterator[str]:
    """The modules that a source imports: at the top, later, for types alone, or by a name in a string."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            yield from ([base, *(f"{base}.{each.name}" for each in node.names)])
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in known:
            yield node.value


def forbidden(name: str, source: str, known: set[str]) -> list[str]:
    """The rooms that a module imports although it may not, and `no room` where it is in none."""
    if name == "reports":
        return []
    if room(name) not in MAY_IMPORT:
        return ["no room"]
    found = {
        each for each in imported(source, known) if (each in known and "." in each) or each.startswith(".")
    }
    return sorted({room(each) for each in found} - MAY_IMPORT[room(name)])


def test_nobody_imports_from_above() -> None:
    """Each module is in a room, and imports from its own and from those below."""
    known = set(modules())
    wrong = {name: forbidden(name, path.read_text("utf-8"), known) for name, path in modules().items()}
    assert {name: rooms for name, rooms in wrong.items() if rooms} == {}


@pytest.mark.parametrize(
    ("name", "source", "expected"),
    [
        ("reports.verification.trust", "from reports.signing import keys", ["signing"]),
        ("reports.verification.trust", "from reports.signing.keys import LocalKey", ["signing"]),
        ("reports.verification.trust", "import reports.signing.keys", ["signing"]),
        ("reports.verification.trust", "def f():\n    from reports.signing import keys", ["signing"]),
        ("reports.verification.trust", "if TYPE_CHECKING:\n    import reports.signing.keys", ["signing"]),
        ("reports.verification.trust", "LATER = ('reports.signing.keys',)", ["signing"]),
        ("reports.core.merkle", "from ..pdf import pages", [""]),
        ("reports.nowhere", "", ["no room"]),
        ("reports.attic.box", "", ["no room"]),
        ("reports.verification.trust", "from reports import __version__", []),
        ("reports.verification.trust", "from reports.pdf import store", []),
    ],
)
def test_forbidden_imports_are_found(name: str, source: str, expected: list[str]) -> None:
    """An import is seen wherever it stands, and a module that is in no room."""
    assert forbidden(name, source, set(modules())) == expected


def test_rooms_say_what_they_are_for() -> None:
    """A package's file says in two sentences what the room is for, and what may not be in it; nothing else is there."""
    for path in (ROOT / "reports").glob("*/__init__.py"):
        source = ast.parse(path.read_text("utf-8"))
        told = ast.get_docstring(source) or ""
        if path.parent.name not in {"cli", "sample"}:  # which are modules with more beside them
            assert len(re.findall(r"\.(?:\s|$)", told)) == 2, path
            assert [type(each) for each in source.body] == [ast.Expr], path


@pytest.mark.parametrize(
    ("module", "without"),
    [
        (
            "reports.verification.inclusion_proof",
            {"pikepdf", "pyhanko", "weasyprint", "duckdb", "cryptography"},
        ),
        ("reports.verification.signature", {"duckdb", "weasyprint", "boto3"}),
        ("reports.cli", {"duckdb", "weasyprint", "pyhanko", "boto3"}),
    ],
)
def test_what_is_small_loads_little(module: str, without: set[str]) -> None:
    """A proof of two kilobytes is checked without a PDF library, and asking for help loads none either."""
    code = f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split()
    assert without.isdisjoint(loaded)

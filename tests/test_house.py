"""The rooms of the house, and who may import whom."""

import ast
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.quick import LEFT, LeftError

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
    "local": {*LINE, "pipeline", "evidence_access"},
    "evidence_access": LINE,
    "service": {*ROOTS, "service"},
    "doctor": {*ROOTS, "service", "doctor"},
    "functions": {*LINE, "renew", "service", "functions"},
    "local_aws": {*ROOTS, "service", "sample", "local_aws"},
    "cli": {*ROOTS, "service", "doctor", "sample", "local_aws", "cli"},
    "__main__": {"cli"},
}
"""What each room, or module beside the rooms, may import; the package itself, with the version, is everybody's."""


TESTED_BY: Mapping[str, str] = {
    "adversarial/test_bad_evidence.py": "evidence.convert evidence.diagnose",
    "adversarial/test_forgeries.py": "pdf.cms pdf.content pdf.der pdf.grammar pdf.pages pdf.store"
    " pdf.syntax pdf.updates",
    "briefing/test_attachments_made.py": "briefing.attachments briefing.content",
    "cli/test_cli.py": "__main__ cli.compare cli.evidence cli.explain cli.keys cli.prove cli.pseudonyms cli.publish"
    " cli.register cli.renew cli.sample cli.serve cli.terminal cli.verify cli.verify_proof core.errors"
    " core.progress local",
    "cli/test_cli_tables.py": "cli.tables",
    "core/test_aws_errors.py": "core.aws_clients",
    "doctor/test_examine.py": "cli.doctor doctor.api doctor.archive doctor.clock doctor.deployed_stack doctor.evidence"
    " doctor.findings doctor.settings doctor.signing",
    "evidence/test_cache.py": "core.user_folders evidence.cache_folder",
    "core/test_settings.py": "briefing.settings core.yaml_text",
    "archive/test_heads.py": "core.log_head",
    "evidence/test_closed_days.py": "evidence.day_store evidence.id_index",
    "evidence/test_days.py": "cli.days",
    "evidence/test_engine_duckdb.py": "evidence.questions evidence.relations evidence.tally evidence.transpile",
    "test_pipeline.py": "briefing.prepare preload",
    "local_aws/test_on_trino.py": "local_aws.athena_trino",
    "local_aws/test_rehearsal.py": "local_aws.account local_aws.athena local_aws.deploy local_aws.description"
    " local_aws.gateway local_aws.listening local_aws.mirror local_aws.sandbox local_aws.state local_aws.template"
    " local_aws.tokens local_aws.triggers",
    "local_aws/test_signed_calls.py": "local_aws.signature",
    "pages/test_fill.py": "pages.page_data pages.read_settings pages.template_grammar pages.template_language"
    " pages.template_meter",
    "pages/test_render.py": "pages.fonts",
    "pages/test_typeset.py": "pages.countries pages.lettering",
    "service/test_api.py": "functions.api functions.problems functions.verification",
    "service/test_closing.py": "functions.close",
    "service/test_functions.py": "functions.announce functions.publish functions.schedule functions.watch",
    "service/test_parts.py": "service.publisher",
    "service/test_renewals.py": "functions.renewal",
    "signing/test_keys.py": "core.certificates",
    "signing/test_keys_kms.py": "signing.certificate_requests",
    "signing/test_timestamp.py": "signing.tsa_url",
    "verification/test_attachments_read.py": "core.json_text verification.attachments",
    "verification/test_reproduce.py": "evidence_access verification.record",
    "verification/test_signature.py": "core.verdict verification.verify",
    "verification/test_trust.py": "pdf.strength",
}
"""The files of tests of the modules that have none of their own name, and whose they are besides."""


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


@pytest.mark.usefixtures("slow")
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


@pytest.mark.parametrize(
    "leave",
    [
        lambda: _with_socket(lambda opened: opened.connect(("127.0.0.1", 9))),
        lambda: _with_socket(lambda opened: opened.bind(("127.0.0.1", 0))),
        lambda: subprocess.run([sys.executable, "-c", ""], check=True),
        os.fork,
    ],
    ids=["connection", "server", "program", "fork"],
)
def test_a_quick_test_stays_in_its_process(
    leave: Callable[[], object], request: pytest.FixtureRequest
) -> None:
    """In any run, a test without the fixture `slow` can neither connect nor listen, nor start a process."""
    with pytest.raises(LeftError):
        leave()
    assert len(request.node.stash[LEFT]) == 1
    request.node.stash[LEFT].clear()


def _with_socket(leave: Callable[[socket.socket], None]) -> None:
    with socket.socket() as opened:
        leave(opened)


def test_modules_have_their_tests() -> None:
    """Each module has a file of tests of its own name, in its room, or the table above says which has its tests."""
    files = {path.relative_to(ROOT / "tests").as_posix() for path in (ROOT / "tests").rglob("test_*.py")}
    named = [name for name, path in modules().items() if path.name != "__init__.py"]
    elsewhere = [name for names in TESTED_BY.values() for name in names.split()]
    lone = {name.removeprefix("reports.") for name in named if _own_tests(name) not in files}
    assert sorted(lone) == sorted(elsewhere)
    assert TESTED_BY.keys() <= files


def _own_tests(module: str) -> str:
    *rooms, name = module.split(".")[1:]
    return "/".join([*rooms, f"test_{name}.py"])

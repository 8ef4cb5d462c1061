"""Take each refusal out of the verifier's code, and see which forgery is then let through.

`python -m tests.refusals` prints a line a refusal: the file that passes without it, the refusal that repeats it for all
files that it refuses, or that no file was made for it.
"""

from __future__ import annotations

import ast
import importlib
import importlib.abc
import importlib.util
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reports.keys import LocalAuthority
from reports.verify import verify
from tests import forgeries
from tests.pki import NOW, reading, sign_locally
from tests.publishing import ROOT

MODULES = (
    *(
        "reports.pdf.syntax",
        "reports.pdf.pages",
        "reports.pdf.content",
        "reports.pdf.grammar",
        "reports.pdf.updates",
    ),
    *("reports.pdf.der", "reports.pdf.cms", "reports.pdf.strength", "reports.pdf.store", "reports.verify"),
)


@dataclass(frozen=True)
class Refusal:
    """A statement that refuses something: where it is, and the longest constant part of what it says."""

    module: str
    line: int
    says: str


def refusals(module: str) -> Iterator[Refusal]:
    tree = ast.parse(_file(module).read_text())
    handled = {
        node for each in ast.walk(tree) if isinstance(each, ast.ExceptHandler) for node in ast.walk(each)
    }
    for node in ast.walk(tree):
        call: Any = None
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and node not in handled:
            call = node.exc
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            called = node.value.func
            call = node.value if isinstance(called, ast.Name) and called.id == "_require" else None
        if call is not None and call.args:
            yield Refusal(module, node.lineno, _constant(call.args[-1]))


def _constant(message: ast.expr) -> str:
    parts = [
        each.value
        for each in ast.walk(message)
        if isinstance(each, ast.Constant) and isinstance(each.value, str)
    ]
    return max(parts, key=len, default="")


def _file(module: str) -> Path:
    return ROOT / f"{module.replace('.', '/')}.py"


class _Without(ast.NodeTransformer):
    """Leaves one refusal out."""

    def __init__(self, line: int) -> None:
        self.line = line

    def visit_Raise(self, node: ast.Raise) -> ast.stmt:
        return ast.copy_location(ast.Pass(), node) if node.lineno == self.line else node

    def visit_Expr(self, node: ast.Expr) -> ast.stmt:
        return ast.copy_location(ast.Pass(), node) if node.lineno == self.line else node


class _Loader(importlib.abc.Loader, importlib.abc.MetaPathFinder):
    """Loads one module without a refusal."""

    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal

    def find_spec(self, name: str, path: object = None, target: object = None) -> Any:
        return importlib.util.spec_from_loader(name, self) if name == self.refusal.module else None

    def exec_module(self, module: Any) -> None:
        tree = _Without(self.refusal.line).visit(ast.parse(_file(self.refusal.module).read_text()))
        code = compile(ast.fix_missing_locations(tree), str(_file(self.refusal.module)), "exec")
        exec(code, module.__dict__)  # noqa: S102 -- our own code, but for one statement


def told_without(refusal: Refusal, pdf: bytes) -> str:
    """The verdict on the integrity of a file without a refusal, in a process of its own."""
    ours, theirs = os.pipe()
    child = os.fork()
    if not child:
        try:
            for name in [name for name in sys.modules if name.split(".")[0] == "reports"]:
                del sys.modules[name]
            sys.meta_path.insert(0, _Loader(refusal))
            found = importlib.import_module("reports.verify").verify(pdf, None, reading())[0]
            os.write(theirs, f"{found.outcome}: {found.detail}"[:400].encode())
        finally:
            os._exit(0)
    os.close(theirs)
    os.waitpid(child, 0)
    with os.fdopen(ours, "rb") as answer:
        return answer.read().decode()


def files(authority: LocalAuthority) -> Iterator[tuple[str, bytes]]:
    """Forgeries, each refused for one reason."""
    for name, (change, _) in forgeries.PAGES.items():
        yield name, forgeries.signed_anyway(forgeries.linked(), authority, change)
    for name, (change, _) in forgeries.PICTURES.items():
        yield name, forgeries.signed_anyway(forgeries.rich(), authority, change)
    signed = sign_locally(forgeries.linked(), authority)
    yield from ((name, pdf) for name, pdf, _ in forgeries.stored(signed, authority))
    yield from ((name, pdf) for name, pdf, _ in forgeries.tokens(signed))
    yield from ((name, pdf) for name, pdf, _ in forgeries.signatures(signed, authority))


def line(refusal: Refusal, refused: dict[str, tuple[bytes, str]]) -> str:
    where = f"{refusal.module}:{refusal.line} {refusal.says[:60]!r}"
    told = ""
    for name, (pdf, detail) in refused.items():
        if refusal.says and refusal.says in detail:
            found = told_without(refusal, pdf)
            if found.startswith("valid"):
                return f"needed    {where}: {name}"
            told = told or f"{name}: {found[:140]}"
    return f"repeated  {where}: {told}" if told else f"no file   {where}"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        authority = LocalAuthority.open(Path(folder, "keys"), NOW)
        refused = {name: (pdf, verify(pdf, None, reading())[0].detail) for name, pdf in files(authority)}
    for module in MODULES:
        for refusal in refusals(module):
            print(line(refusal, refused), flush=True)


if __name__ == "__main__":
    main()

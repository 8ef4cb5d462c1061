"""Take each refusal out of the verifier's code, and see which forgery is then let through.

`python -m tests.adversarial.refusals` prints a line a refusal: the file that passes without it, the refusal that
repeats it for all files that it refuses, or that no file was made for it.
"""

from __future__ import annotations

import ast
import importlib
import importlib.abc
import importlib.util
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from reports.signing.keys import LocalAuthority
from tests.adversarial import attacks, bounds, forgeries, seals
from tests.adversarial.forgeries import Forgery, linked
from tests.support.pki import NOW, sign_locally
from tests.support.publishing import ROOT

MODULES = (
    *("reports.pdf.syntax", "reports.pdf.pages", "reports.pdf.content", "reports.pdf.grammar"),
    *("reports.pdf.updates", "reports.pdf.der", "reports.pdf.cms", "reports.pdf.strength"),
    *("reports.pdf.store", "reports.verification.signature", "reports.verification.trust"),
    "reports.core.certificates",
)
NOT_VERIFYING = {"sealed_until", "embedded_files"}
VERIFYING_ALONE = {"reports.core.certificates": "signing_fault"}  # of modules that do other things
PROCESSES = 2
LONGEST = 120  # seconds for a refusal


@dataclass(frozen=True)
class Refusal:
    """A statement that refuses something: where it is, and the longest constant part of what it says."""

    module: str
    place: tuple[int, int]
    says: str

    def __str__(self) -> str:
        return f"{self.module}:{self.place[0]} {self.says[:60]!r}"


def refusals(module: str) -> list[Refusal]:
    """What raises, what requires something, and what answers with a fault, or that something does not hold."""
    return list(dict.fromkeys(_refusals(module)))


def _refusals(module: str) -> Iterator[Refusal]:
    functions = [each for each in ast.walk(_tree(module)) if isinstance(each, ast.FunctionDef)]
    requiring = [each for each in functions if each.name == "_require"]
    for function in functions:
        alone = VERIFYING_ALONE.get(module, function.name)
        if function.name != alone or function.name in {"_require", *NOT_VERIFYING}:
            continue
        for node in ast.walk(function):
            if isinstance(node, ast.stmt | ast.expr) and (said := _said(node, function.name)) is not None:
                otherwise = max(map(_constant, requiring), default="") if isinstance(node, ast.Expr) else ""
                says = _constant(said) or otherwise
                yield Refusal(module, (node.lineno, node.col_offset), says)


def _said(node: Any, function: str) -> ast.expr | None:
    """What a statement says when it refuses, or None for another statement."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        return node.value.args[-1] if getattr(node.value.func, "id", "") == "_require" else None
    if isinstance(node, ast.Return) and node.value is not None:
        fault = function.endswith("fault") and _constant(node.value)
        return node.value if fault or getattr(node.value, "value", None) is False else None
    return node.exc if isinstance(node, ast.Raise) else None


def _constant(said: ast.AST) -> str:
    parts = [each.value for each in ast.walk(said) if isinstance(each, ast.Constant)]
    return max((each for each in parts if isinstance(each, str)), key=len, default="")


def _tree(module: str) -> ast.Module:
    return ast.parse(_file(module).read_text())


def _file(module: str) -> Path:
    return ROOT / f"{module.replace('.', '/')}.py"


class _Without(ast.NodeTransformer):
    """Leaves one refusal out: what says that something does not hold says that it does."""

    def __init__(self, place: tuple[int, int]) -> None:
        self.place = place

    def visit(self, node: ast.AST) -> Any:
        if not isinstance(node, ast.stmt) or (node.lineno, node.col_offset) != self.place:
            return self.generic_visit(node)
        holds = isinstance(node, ast.Return) and getattr(node.value, "value", None) is False
        return ast.copy_location(ast.Return(ast.Constant(True)) if holds else ast.Pass(), node)


class _Loader(importlib.abc.Loader, importlib.abc.MetaPathFinder):
    """Loads one module without a refusal."""

    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal

    def find_spec(self, name: str, path: object = None, target: object = None) -> Any:
        return importlib.util.spec_from_loader(name, self) if name == self.refusal.module else None

    def exec_module(self, module: Any) -> None:
        tree = _Without(self.refusal.place).visit(_tree(self.refusal.module))
        code = compile(ast.fix_missing_locations(tree), str(_file(self.refusal.module)), "exec")
        exec(code, module.__dict__)  # noqa: S102 -- our own code, but for one statement


def files(authority: LocalAuthority) -> Iterator[Forgery]:
    """Forgeries, and the published attacks."""
    yield from forgeries.every(authority)
    yield from seals.every(authority)
    yield from bounds.every(authority)
    for family in (attacks.forged, attacks.saved, attacks.wrapped, attacks.shadowed, attacks.certified):
        for name, pdf in family(sign_locally(linked(), authority)):
            yield Forgery(name, pdf, "")


TRIED: list[tuple[Forgery, str]] = []
"""Files with what is said of them, for processes that are forked."""


def line(refusal: Refusal) -> str:
    """What is found of a refusal, in a process of its own."""
    signal.alarm(LONGEST)
    for name in [name for name in sys.modules if name.split(".")[0] == "reports"]:
        del sys.modules[name]
    sys.meta_path.insert(0, _Loader(refusal))
    without = importlib.import_module("reports.verification.signature").verify
    told = ""
    for forgery, detail in TRIED:
        if refusal.says in detail:
            outcome, otherwise = forgery.told(without)
            if outcome == "valid":
                return f"needed    {refusal}: {forgery.name}"
            if otherwise != detail:
                told = told or f"{forgery.name}: {otherwise[:140]}"
    return f"repeated  {refusal}: {told}" if told else f"no file   {refusal}"


def main() -> None:
    found = [each for module in MODULES for each in refusals(module)]
    for module, number in Counter(each.module for each in found).items():
        print(f"{number:3} {module}")
    with tempfile.TemporaryDirectory() as folder:
        authority = LocalAuthority.open(Path(folder, "keys"), NOW)
        TRIED.extend((each, each.told()[1]) for each in files(authority))
    counts = Counter[str]()
    with get_context("fork").Pool(PROCESSES, maxtasksperchild=1) as pool:
        for told in pool.imap(line, found):
            counts[told[:8].strip()] += 1
            print(told, flush=True)
    print(", ".join(f"{number} {what}" for what, number in counts.items()))


if __name__ == "__main__":
    main()

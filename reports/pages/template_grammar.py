"""The grammar of templates: what they may contain, and where their work is counted.

Anything not listed here is refused before compilation, with its line. Each body that is filled as a whole (of a
template, block, macro or loop) starts by counting its parts. Each operator whose work would not be counted becomes a
filter, with a name that no template can write.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, NoReturn

from jinja2 import TemplateSyntaxError, nodes
from jinja2.ext import Extension
from jinja2.lexer import Token, TokenStream
from jinja2.visitor import NodeTransformer

from reports.pages.template_language import MOST_BITS

DEEPEST_BRACKETS = 12
DEEPEST_PARTS = 60
MOST_NAMES = 10


class Brackets(Extension):
    """Refuses brackets that are nested too deeply before the parser descends into them."""

    def filter_stream(self, stream: TokenStream) -> Iterator[Token]:
        """The tokens, as they are."""
        depth = 0
        for token in stream:
            depth += (token.type in _OPENING) - (token.type in _CLOSING)
            if depth > DEEPEST_BRACKETS:
                message = f"brackets are nested more than {DEEPEST_BRACKETS} deep"
                raise TemplateSyntaxError(message, token.lineno, stream.name, stream.filename)
            yield token


_OPENING = {"lparen", "lbracket", "lbrace"}
_CLOSING = {"rparen", "rbracket", "rbrace"}

# What counts, as filters of the environment
COPY, EACH, ENTER, EXTEND, IN, JOIN = "*copy", "*each", "*enter", "*extend", "*in", "*join"
KEY, LEAVE, SCALAR, SLICE, STEPS = "*key", "*leave", "*scalar", "*slice", "*steps"

_STATEMENTS = (
    nodes.Template,
    nodes.Assign,
    nodes.AssignBlock,
    nodes.Block,
    nodes.CallBlock,
    nodes.Extends,
    nodes.For,
    nodes.FromImport,
    nodes.If,
    nodes.Import,
    nodes.Include,
    nodes.Macro,
    nodes.Output,
    nodes.With,
)
_EXPRESSIONS = (
    nodes.Call,
    nodes.Compare,
    nodes.Concat,
    nodes.CondExpr,
    nodes.Const,
    nodes.Dict,
    nodes.Filter,
    nodes.Getattr,
    nodes.Getitem,
    nodes.Keyword,
    nodes.List,
    nodes.Name,
    nodes.Operand,
    nodes.Pair,
    nodes.Slice,
    nodes.TemplateData,
    nodes.Test,
    nodes.Tuple,
    *(nodes.And, nodes.Or, nodes.Not, nodes.Neg, nodes.Pos),
    *(nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod),
)
LISTED = frozenset((*_STATEMENTS, *_EXPRESSIONS))

_REFUSED: Mapping[type[nodes.Node], str] = {
    nodes.FilterBlock: "{% filter %}",
    nodes.NSRef: "a name with a dot after {% set %}",
    nodes.Pow: "**",
    nodes.Scope: "{% autoescape %}",
}


class Grammar(NodeTransformer):
    """Refuses anything unlisted with `TemplateSyntaxError`, and has the rest counted."""

    def __init__(self, filters: Collection[str], tests: Collection[str], name: str | None) -> None:
        self._filters, self._tests, self._name = filters, tests, name
        self._parts = self._depth = self._names = self._blocks = 0
        self._line = 1

    def get_visitor(self, node: nodes.Node) -> Callable[..., Any] | None:
        """What changes nodes of a kind: `on_for`, `on_assignblock`."""
        return getattr(self, f"on_{type(node).__name__.lower()}", None)

    def visit(self, node: nodes.Node, *args: Any, **kwargs: Any) -> Any:
        """The node that replaces a node."""
        kind, self._line = type(node), node.lineno or self._line
        if kind not in LISTED:
            self._refuse(f"templates cannot use {_REFUSED.get(kind, kind.__name__)}")
        self._parts += 1
        self._depth += 1
        if self._depth > DEEPEST_PARTS:
            self._refuse(f"parts are nested more than {DEEPEST_PARTS} deep")
        made = super().visit(node)
        self._depth -= 1
        return made

    def _refuse(self, message: str) -> NoReturn:
        raise TemplateSyntaxError(message, self._line, self._name)

    # Statements

    def on_template(self, node: nodes.Template) -> nodes.Node:
        node.body = self._each(node.body)
        parts = self._parts + self._blocks  # the list is rebuilt each time
        node.body.insert(0, _statement(STEPS, nodes.Const(parts), node))
        return node

    def on_macro(self, node: nodes.Macro | nodes.CallBlock) -> nodes.Node:
        return self._with_body(node)

    on_callblock = on_macro

    def on_block(self, node: nodes.Block) -> list[nodes.Node]:
        self._blocks += 1
        self._with_body(node)
        return [_statement(COPY, nodes.Const(self._names), node), node] if node.scoped else [node]

    def on_for(self, node: nodes.For) -> nodes.Node:
        if node.recursive:
            self._refuse("templates cannot use {% for … recursive %}")
        node.target = self.visit(node.target)
        before = self._parts
        node.test = node.test and self.visit(node.test)
        parts = nodes.Const(self._parts - before)
        node.iter = _filter(EACH, self.visit(node.iter), parts)
        node.else_ = self._each(node.else_)
        node.body = self._body(node)
        return node

    def _with_body(self, node: Any) -> nodes.Node:
        body, node.body = node.body, []
        made = self.generic_visit(node)
        node.body = body
        node.body = self._body(node)
        return made

    def _body(self, node: Any) -> list[nodes.Node]:
        before, self._parts = self._parts, 1
        body = self._each(node.body)
        parts, self._parts = self._parts, before
        return [_statement(STEPS, nodes.Const(parts), node), *body]

    def _each(self, body: Iterable[nodes.Node]) -> list[nodes.Node]:
        return [made for each in body for made in self.visit_list(each)]

    def on_assignblock(self, node: nodes.AssignBlock) -> nodes.Node:
        if node.filter is not None:
            self._refuse("templates cannot use a filter in {% set %} … {% endset %}")
        return self.generic_visit(node)

    def on_extends(self, node: nodes.Extends) -> list[nodes.Node]:
        self._check_name(node)
        return [_statement(EXTEND, nodes.Const(None), node), node]

    def on_include(self, node: Any) -> list[nodes.Node]:
        self._check_name(node)
        return [
            _statement(COPY, nodes.Const(self._names), node),
            _statement(ENTER, nodes.Const(None), node),
            node,
            _statement(LEAVE, nodes.Const(None), node),
        ]

    on_import = on_fromimport = on_include

    def _check_name(self, node: Any) -> None:
        several = isinstance(node.template, nodes.List | nodes.Tuple)
        names = node.template.items if several else [node.template]
        if len(names) > MOST_NAMES:
            self._refuse(f"list at most {MOST_NAMES} templates; the first that exists is used")
        if not all(isinstance(each, nodes.Const) and isinstance(each.value, str) for each in names):
            self._refuse("write the full name of the other template, in quotes")

    # Expressions

    def on_name(self, node: nodes.Name) -> nodes.Node:
        if node.name in ("self", "super"):
            self._refuse(f"templates cannot use {node.name}")
        self._names += node.ctx != "load"
        return node

    def on_const(self, node: nodes.Const) -> nodes.Node:
        long = isinstance(node.value, int) and node.value.bit_length() > MOST_BITS
        if long or (isinstance(node.value, float) and not math.isfinite(node.value)):
            self._refuse(f"a number has more than {MOST_BITS} bits")
        return node

    def on_getattr(self, node: nodes.Getattr) -> nodes.Node:
        if node.attr.startswith("_"):
            self._refuse(f"{node.attr} is unsafe: templates cannot read names that begin with an underscore")
        return self.generic_visit(node)

    def on_getitem(self, node: nodes.Getitem) -> nodes.Node:
        self.generic_visit(node)
        if not isinstance(node.arg, nodes.Slice):
            return node
        bounds = (node.arg.start, node.arg.stop, node.arg.step)
        return _filter(SLICE, node.node, *(each or nodes.Const(None) for each in bounds))

    def on_call(self, node: Any) -> nodes.Node:
        if node.dyn_args is not None or node.dyn_kwargs is not None:
            self._refuse("templates cannot use * before an argument")
        return self.generic_visit(node)

    def on_filter(self, node: nodes.Filter) -> nodes.Node:
        if node.name not in self._filters:
            self._refuse(f"there is no filter {node.name[:40]!r}")
        return self.on_call(node)

    def on_test(self, node: nodes.Test) -> nodes.Node:
        if node.name not in self._tests:
            self._refuse(f"there is no test {node.name[:40]!r}")
        return self.on_call(node)

    def on_concat(self, node: nodes.Concat) -> nodes.Node:
        self.generic_visit(node)
        return _filter(JOIN, nodes.Tuple(node.nodes, "load", lineno=node.lineno))

    def on_compare(self, node: nodes.Compare) -> nodes.Node:
        self.generic_visit(node)
        signs = {operand.op for operand in node.ops}
        if signs.isdisjoint(("in", "notin")):
            node.expr = _filter(SCALAR, node.expr)
            for operand in node.ops:
                operand.expr = _filter(SCALAR, operand.expr)
            return node
        if len(node.ops) > 1:
            self._refuse("compare once, and write `and` between")
        among = _filter(IN, node.expr, node.ops[0].expr)
        return among if signs == {"in"} else nodes.Not(among, lineno=node.lineno)

    def on_pair(self, node: nodes.Pair) -> nodes.Node:
        self.generic_visit(node)
        node.key = _filter(KEY, node.key)
        return node


def _filter(name: str, value: nodes.Expr, *args: nodes.Expr) -> nodes.Filter:
    return nodes.Filter(value, name, list(args), [], None, None, lineno=value.lineno)


def _statement(name: str, value: nodes.Expr, at: nodes.Node) -> nodes.ExprStmt:
    value.lineno = at.lineno
    return nodes.ExprStmt(_filter(name, value), lineno=at.lineno)

"""The SQL files in DuckDB's dialect, unchanged or split where DuckDB would do unnecessary work.

They lose their comments: before DuckDB parses a statement it puts plain spaces for all others outside of quotes, and
takes an apostrophe in a comment for a quote. What stood in quotes after it would no longer be what was delivered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import sqlglot
from sqlglot import exp

from reports.evidence import questions
from reports.evidence.columns import Layout

STANDINGS = ("tallied", "superseded", "excluded", "tied", "unsound")


def transpiled(sql: str) -> str:
    """A statement of Trino's dialect, in DuckDB's."""
    return in_duckdb(parsed(sql))


def parsed(sql: str) -> exp.Expr:
    """A statement of Trino's dialect, parsed."""
    return sqlglot.parse_one(sql, read="trino")


def in_duckdb(tree: exp.Expr) -> str:
    """A parsed statement in DuckDB's dialect."""
    return _normalizing(tree).sql("duckdb", comments=False)


def _normalizing(tree: exp.Expr) -> exp.Expr:
    """Call DuckDB's function of the one normalization form in use by its name, which sqlglot does not."""
    for call in list(tree.find_all(exp.Normalize)):
        call.replace(exp.func("nfc_normalize", call.this.copy()))
    return tree


@cache
def _parsed(name: str) -> exp.Select:
    return sqlglot.parse_one(questions.text(name), into=exp.Select, read="trino")


def mapped(layout: Layout, instead: Mapping[str, str]) -> str:
    """The view of a layout; `instead` gives other expressions for some of its columns."""
    view = _parsed(f"views/{layout}.sql").copy()
    for column in view.selects:
        name = column.alias_or_name
        if name in instead:
            column.replace(exp.alias_(sqlglot.condition(instead[name], dialect="duckdb"), name))
    return view.sql("duckdb", comments=False)


@cache
def normalized() -> str:
    """`detections.sql`."""
    return transpiled(questions.detections())


@cache
def as_they_are(unchecked: frozenset[str]) -> str:
    """`detections.sql` for labels that need no normalizing: the `unchecked` ones decide whether rows are `legible`.

    A few that are legible do not, such as short ones that begin like a marker.
    """

    def rules(rule: str, label: str) -> str:
        if rule == "normalized":
            return f"nullif({label}, '')" if label in unchecked else label
        return questions.of_label("plain", label) if label in unchecked else "true"

    return transpiled(questions.detections(rules))


@cache
def of_label(rule: str, label: str) -> str:
    """The expression of a rule in `sql/labels`, about a label."""
    return _normalizing(sqlglot.condition(questions.of_label(rule, label), dialect="trino")).sql(
        "duckdb", comments=False
    )


@cache
def latest(ranked: bool) -> str:
    """`latest.sql`, with standings as values of the type `standing`, which take a byte each.

    Without ranking it is for ids that were delivered once: each row is the first of its revisions.
    """
    tree = _parsed("latest.sql").copy()
    for literal in list(tree.selects[-1].find_all(exp.Literal)):
        if literal.this in STANDINGS:
            literal.replace(exp.cast(literal.copy(), exp.DataType.build("standing", udt=True)))
    if not ranked:
        for window in list(tree.find_all(exp.Window)):
            window.replace(exp.Literal.number(1))
    return tree.sql("duckdb", comments=False)


@dataclass(frozen=True, slots=True)
class GroupingSet:
    """The query of one grouping set, its columns, and the expressions of those that are the same in all of its rows."""

    sql: str
    columns: Sequence[str]
    constants: Mapping[str, str]

    def among(self, relation: str) -> str:
        """The rows that its query made of a relation, with the columns that are the same in all."""
        constants = "".join(f"{expression} as {name}, " for name, expression in self.constants.items())
        return f"select {constants}* from {relation}"


@cache
def grouping_sets(name: str, *, within: str | None = None) -> tuple[GroupingSet, ...]:
    """The innermost grouping query of a file, split into its grouping sets, each also by the column `within`.

    Each has only the aggregates that its set asks for: DuckDB computes every aggregate for every set, and here
    `grouping()` becomes a number, so that the others fold away.
    """
    whole = _innermost(_parsed(name))
    sets = whole.args["group"].expressions
    if not isinstance(sets[0], exp.GroupingSets):
        return (GroupingSet(whole.sql("duckdb", comments=False), columns(name), {}),)
    every = {column.name for column in sets[0].find_all(exp.Column)}
    keys = ([column.name for column in each.find_all(exp.Column)] for each in sets[0].expressions)
    return tuple(
        _one_set(whole.copy(), list(dict.fromkeys([*of, *filter(None, [within])])), every) for of in keys
    )


@cache
def also_by(name: str, column: str) -> str:
    """A file's query in Trino's dialect, each of its grouping sets also by a column."""
    tree = _parsed(name).copy()
    for keys in _innermost(tree).args["group"].expressions[0].expressions:
        if column not in (key.name for key in keys.find_all(exp.Column)):
            keys.append("expressions", exp.column(column))
    return tree.sql("trino", comments=False)


@cache
def columns(name: str) -> tuple[str, ...]:
    """The columns of the innermost grouping query of a file."""
    return tuple(selected.alias_or_name for selected in _innermost(_parsed(name)).selects)


@cache
def around(name: str) -> str:
    """What a file's query does with the rows of its grouping sets, here the relation `counted`."""
    tree = _parsed(name).copy()
    innermost = _innermost(tree)
    counted = exp.select(*columns(name)).from_("counted")
    return (counted if innermost is tree else innermost.replace(counted) and tree).sql(
        "duckdb", comments=False
    )


def _innermost(tree: exp.Select) -> exp.Select:
    return [select for select in tree.find_all(exp.Select) if select.args.get("group")][-1]


def _one_set(query_: exp.Select, keys: Sequence[str], every: set[str]) -> GroupingSet:
    absent = every - set(keys)
    selected: list[exp.Expr] = []
    constants: list[exp.Expr] = []
    for column in query_.selects:
        if isinstance(column, exp.Column) and column.name in absent:
            constants.append(exp.alias_(exp.Null(), column.name))
            continue
        folded = _folded(column) if _ground(column, absent) else column
        constant = isinstance(folded.unalias(), exp.Literal | exp.Null | exp.Boolean)
        (constants if constant else selected).append(folded)
    query_.set("expressions", selected)
    query_.set("group", exp.Group(expressions=[exp.column(key) for key in keys]))
    if having := query_.args.get("having"):
        _ground(having, absent)
    return GroupingSet(
        query_.sql("duckdb", comments=False),
        [each.alias_or_name for each in selected],
        {each.alias: each.unalias().sql("duckdb", comments=False) for each in constants},
    )


def _ground(expression: exp.Expr, absent: set[str]) -> bool:
    """Replace `grouping()` with numbers; returns whether there were any."""
    found = list(expression.find_all(exp.Grouping))
    for grouping in found:
        grouping.replace(exp.Literal.number(int(grouping.expressions[0].name in absent)))
    return bool(found)


def _folded(column: exp.Expr) -> exp.Expr:
    """A column with comparisons of two numbers evaluated, and the cases that they rule out removed."""
    return column.transform(_fold, copy=False)


def _fold(node: exp.Expr) -> exp.Expr:
    if isinstance(node, exp.EQ) and all(isinstance(side, exp.Literal) for side in (node.left, node.right)):
        return exp.Boolean(this=node.left == node.right)
    if not isinstance(node, exp.Case):
        return node
    possible = [each for each in node.args["ifs"] if _fold(each.this) != exp.false()]
    if possible and _fold(possible[0].this) != exp.true():
        node.set("ifs", possible)
        return node
    return _fold(possible[0].args["true"] if possible else node.args.get("default") or exp.null())

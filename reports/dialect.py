"""The SQL files in DuckDB's dialect, whole or taken apart where DuckDB would do more than it must."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

import sqlglot
from sqlglot import exp
from sqlglot.optimizer.simplify import simplify

from reports import query
from reports.evidence import Layout

STANDINGS = ("tallied", "superseded", "excluded", "unsound")


def transpiled(sql: str) -> str:
    """A statement of Trino's dialect, in DuckDB's."""
    return sqlglot.transpile(sql, read="trino", write="duckdb", comments=False)[0]


@cache
def _parsed(name: str) -> exp.Select:
    return sqlglot.parse_one(transpiled(query.text(name)), into=exp.Select, read="duckdb")


def mapped(layout: Layout, instead: Mapping[str, str]) -> str:
    """The view of a layout; `instead` gives other expressions for some of its columns."""
    view = _parsed(f"views/{layout}.sql").copy()
    for column in view.selects:
        if column.alias in instead:
            column.set("this", sqlglot.condition(instead[column.alias], dialect="duckdb"))
    return view.sql("duckdb")


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
    return tree.sql("duckdb")


@cache
def grouping_sets(name: str) -> tuple[str, ...]:
    """A file's query as one query a grouping set, each with only the aggregates that its set asks for.

    DuckDB computes every aggregate for every set; here `grouping()` becomes a number, so that the others fold away.
    """
    whole = _parsed(name)
    sets = whole.args["group"].expressions
    if not isinstance(sets[0], exp.GroupingSets):
        return (whole.sql("duckdb"),)
    every = {column.name for column in sets[0].find_all(exp.Column)}
    return tuple(
        _one_set(whole.copy(), [column.name for column in keys.find_all(exp.Column)], every)
        for keys in sets[0].expressions
    )


def _one_set(query_: exp.Select, keys: Sequence[str], every: set[str]) -> str:
    absent = every - set(keys)
    for grouping in list(query_.find_all(exp.Grouping)):
        grouping.replace(exp.Literal.number(int(grouping.expressions[0].name in absent)))
    selected = [
        exp.alias_(exp.Null(), e.name) if isinstance(e, exp.Column) and e.name in absent else simplify(e)
        for e in query_.selects
    ]
    query_.set("expressions", selected)
    query_.set("group", exp.Group(expressions=[exp.column(key) for key in keys]))
    if having := query_.args.get("having"):
        simplify(having)
    return query_.sql("duckdb")

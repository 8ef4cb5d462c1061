"""The statements over tables: what they call, what they name, and that they ask the questions of every engine."""

from collections.abc import Iterator
from itertools import pairwise

import pytest
import sqlglot
from sqlglot import exp
from sqlglot.optimizer.qualify import qualify

from reports.evidence import questions, tables
from reports.evidence.columns import Layout
from reports.evidence.tables import FORMATS, Format

NAMES = ("tallies", "history", "overlap")
LAYOUTS: tuple[Layout, ...] = ("flat", "ocsf")
# Each is in Trino's documentation of functions and operators, to which Athena's refers for engine version 3
FUNCTIONS = frozenset(
    {
        *(
            "abs",
            "array_agg",
            "array_distinct",
            "at_timezone",
            "cardinality",
            "cast",
            "chr",
            "coalesce",
            "concat",
        ),
        *("count", "date_add", "date_parse", "dense_rank", "element_at", "filter", "flatten", "from_utf8"),
        *(
            "from_iso8601_timestamp_nanos",
            "grouping",
            "if",
            "json_extract",
            "json_extract_scalar",
            "json_format",
        ),
        *(
            "json_parse",
            "length",
            "lower",
            "map",
            "map_keys",
            "max",
            "min",
            "normalize",
            "ntile",
            "nullif",
            "rank",
        ),
        *(
            "regexp_extract",
            "regexp_extract_all",
            "regexp_like",
            "regexp_replace",
            "round",
            "row",
            "row_number",
        ),
        *("strpos", "substr", "sum", "to_utf8", "transform", "transform_values", "trim", "truncate", "try"),
        *("try_cast",),
    }
)
_WORDS = {
    "and",
    "or",
    "not",
    "in",
    "as",
    "over",
    "partition",
    "by",
    "sets",
    "select",
    "from",
    "where",
    "when",
    "on",
}
_WORDS |= {
    "then",
    "else",
    "case",
    "with",
    "between",
    "values",
    "array",
    "varchar",
    "join",
    "timestamp",
    "having",
}


def statements() -> Iterator[str]:
    for format_ in FORMATS:
        for layout in LAYOUTS:
            yield tables.objects(layout, format_)
        yield tables.cells("tallies", format_, "event_day")
        for name in NAMES:
            yield from (tables.statement(name, format_, *of) for of in (("flat",), ("ocsf",), LAYOUTS))


def called(sql: str) -> set[str]:
    """The names before a parenthesis, outside of quotes: what a reader would look up."""
    tokens = sqlglot.tokenize(sql, read="trino")
    pairs = pairwise(tokens)
    return {
        one.text.lower()
        for one, other in pairs
        if other.text == "(" and one.text.replace("_", "").isalnum() and one.token_type.name != "STRING"
    } - _WORDS


def test_only_documented_functions() -> None:
    assert set().union(*map(called, statements())) <= FUNCTIONS


SCHEMAS = {
    "flat": {"event_day": "date", '"$path"': "varchar"},
    "ocsf": {"eventday": "varchar", "source": "varchar", "region": "varchar", "accountid": "varchar"},
}


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_names_are_resolved(layout: Layout, format_: Format) -> None:
    """Each column that a relation takes from a table is one of the table's."""
    columns = {"line": "varchar"} if format_ == "json" else dict(tables.column_types(layout))
    schema: dict[str, object] = {layout: {**SCHEMAS[layout], **columns, "$path": "varchar"}}
    for sql in (tables.relation(layout, format_), tables.objects(layout, format_)):
        qualify(sqlglot.parse_one(sql, read="trino"), schema=schema, dialect="trino")
    missing: dict[str, object] = {layout: {**SCHEMAS[layout], "$path": "varchar"}}
    with pytest.raises(sqlglot.errors.OptimizeError):
        qualify(
            sqlglot.parse_one(tables.relation(layout, format_), read="trino"), schema=missing, dialect="trino"
        )


@pytest.mark.parametrize("name", NAMES)
def test_the_question_of_every_engine(name: str) -> None:
    """Over tables, a statement ends with the question as every engine asks it."""
    asked = questions.statement(name, "flat")
    for format_ in FORMATS:
        over = tables.statement(name, format_, "flat")
        assert over.endswith(asked.removeprefix("with "))


@pytest.mark.parametrize("format_", FORMATS)
def test_cells_are_of_a_day(format_: Format) -> None:
    """Each grouping set has the day, once, and is otherwise that of the question."""
    asked, of_days = (
        [{str(key) for key in each.expressions} for each in next(tree.find_all(exp.GroupingSets)).expressions]
        for tree in (
            sqlglot.parse_one(sql, read="trino")
            for sql in (questions.text("tallies.cells.sql"), tables.cells("tallies", format_, "event_day"))
        )
    )
    assert of_days == [keys | {"event_day"} for keys in asked]
    assert of_days != asked


def test_values_are_beside_the_statement() -> None:
    """A statement has a mark for each parameter, and none in its text."""
    for sql in statements():
        assert sql.count("?") == len(list(sqlglot.parse_one(sql, read="trino").find_all(exp.Placeholder)))

"""Ids and headings as text: the rules of Python are those of the SQL files."""

from typing import Any

import duckdb
import pytest

from reports.core.labels import MARKERS, illegible, normalized
from reports.evidence import transpile

WHITE_SPACE = [0x9, 0xA, 0xB, 0xC, 0xD, 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029]
AROUND = [*WHITE_SPACE, 0x202F, 0x205F, 0x3000, 0xFEFF]
ODD = [0x0, 0x1C, 0x1F, 0x7F, 0x80, 0x9F, 0xAD, 0x180E, 0x200B, 0x200C, 0x202E, 0x2060]
TEXTS = [
    *(f"{chr(c)}a{chr(c)}" for c in (*AROUND, *ODD)),
    *(f"a{chr(c)}b" for c in (*AROUND, *ODD)),
    *(f"a1-b2{chr(c)}" for c in (*AROUND, *ODD)),
    *("\u3000\u00e9\x00\u3000", "\u00e9\x00b", "e\u0301\n\u00e9"),
    *("e\u0301", "\u00e9", "\ufb01", "A\u030a", "\u1112\u1161\u11ab", "\u2126", "\u0958"),
    *("", "  ", "a  b", "\U0001f600", "\u6df1\u5ea6"),
    *(*sorted(MARKERS), " nan ", "NA", "Nan", "<na>"),
]


def applied(rule: str, text: str | None) -> Any:
    """What a rule's expression makes of a text, in DuckDB."""
    sql = f"select {transpile.of_label(rule, 'given')} from (select $text as given)"  # noqa: S608 -- a file of ours
    ((found,),) = duckdb.execute(sql, {"text": text}).fetchall()
    return found


@pytest.mark.parametrize("text", TEXTS)
def test_python_and_sql_agree(text: str) -> None:
    """A text is told legible or not alike, and a legible one is normalized to the same text."""
    found, legible = applied("normalized", text), illegible(normalized(text)) is None
    assert applied("legible", found) is legible
    assert not legible or found == (normalized(text) or None)


@pytest.mark.parametrize("text", TEXTS)
def test_labels_that_pass_the_quick_check_are_normalized(text: str) -> None:
    """A label that passes the quick check is legible, and normalizing does not change it."""
    assert not applied("plain", text) or (normalized(text) == text and illegible(text) is None)


@pytest.mark.parametrize("text", ["ab", "d-1", "17", "SG", "proxy 3", "a.b/c", "NA", "nan-1", "Number 9"])
def test_most_is_taken_as_it_is(text: str) -> None:
    """What evidence mostly holds passes the quick look."""
    assert applied("plain", text)

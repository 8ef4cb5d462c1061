"""Tables for people with a spreadsheet: CSV (RFC 4180) in which nothing starts a formula."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any


def table(columns: Sequence[str], rows: Iterable[Iterable[Any]]) -> bytes:
    """A table with its header, UTF-8, lines that end in CR LF; texts become cells that are no formulas."""
    return lines([columns, *([cell(value) for value in row] for row in rows)])


def lines(rows: Iterable[Iterable[Any]]) -> bytes:
    """The lines of rows, whose cells are as they have to be."""
    return b"".join(each_line(rows))


def each_line(rows: Iterable[Iterable[Any]]) -> Iterator[bytes]:
    """The line of each row."""
    written = _Written()
    writer = csv.writer(written, lineterminator="\r\n")
    for row in rows:
        writer.writerow(row)
        yield written.line.encode()


class _Written:
    """Keeps the last line that a writer wrote: it writes each at once."""

    line = ""

    def write(self, line: str) -> None:
        self.line = line


def cell(value: Any) -> Any:
    """A cell that a spreadsheet takes as text: what would start a formula gets an apostrophe in front."""
    starts = isinstance(value, str) and re.match(r"[\t\r\n]|\s*[=+@\-＝＋－＠]", value)
    return f"'{value}" if starts else value

"""Types of columns, as Trino's `information_schema.columns` and the Glue Data Catalog (Hive) write them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

NAME = re.compile("[a-z_][a-z0-9_]*")
"""The names of databases, tables and views that need no quotes in any statement."""
_WORD = re.compile(r'"(?:[^"]|"")*"|[^\s(),"]+|[(),]')
_ZONE = ["with", "time", "zone"]
_HIVE_WORD = re.compile(r"[^\s<>(),:]+:?|[<>(),]")
_HIVE = {
    "string": "varchar",
    "int": "integer",
    "float": "real",
    "binary": "varbinary",
    "timestamp": "timestamp(3)",
}


@dataclass(frozen=True, slots=True)
class TableType:
    """A type by its name, such as `varchar`, `decimal` or `timestamp with time zone`.

    `sizes` are the numbers in its parentheses, `fields` those of a `row`, `of` what an `array` or a `map` is of.
    """

    name: str
    sizes: tuple[int, ...] = ()
    fields: Mapping[str, TableType] = field(default_factory=dict)
    of: tuple[TableType, ...] = ()

    @property
    def is_integer(self) -> bool:
        """Whether its values are whole numbers of at most 64 bits."""
        return self.name in ("tinyint", "smallint", "integer", "bigint")

    @property
    def is_whole(self) -> bool:
        """Whether its values are decimals without a fraction."""
        return self.name == "decimal" and self.sizes[1:] in ((), (0,))

    @property
    def is_text(self) -> bool:
        """Whether its values are texts."""
        return self.name in ("varchar", "char")


def parsed(text: str) -> TableType:
    """The type that a text of Trino's names; if that cannot be told, one of that name, and nothing more.

    Names of a row's fields are written without quotes, so one that has a blank cannot be told from its type.
    """
    words = _WORD.findall(text)
    whole = "".join(words) == "".join(text.split())
    return (_type(words) if whole else None) or TableType(text)


def of_hive(text: str) -> TableType:
    """The type that a text of Hive's names, as Trino has it; if that cannot be told, one of that name."""
    words = _HIVE_WORD.findall(text)
    whole = "".join(words) == text.replace(" ", "")
    return parsed(_as_trino(words)) if whole else TableType(text)


def _as_trino(words: Sequence[str]) -> str:
    """The words of a type of Hive's as Trino writes them; the names of a struct's fields end in a colon."""
    trino = {"<": "(", ">": ")", "struct": "row"}
    named = (
        f'"{word[:-1]}" ' if word.endswith(":") else trino.get(word, _HIVE.get(word, word)) for word in words
    )
    return "".join(named)


def _type(words: Sequence[str]) -> TableType | None:
    """The type that words name, all of them; None if they name none."""
    if not words:
        return None
    name = words[0].lower()
    if words[1:] and words[1] != "(":
        return None
    inner, after = _inner(words[1:])
    if inner is None or after not in ([], _ZONE):
        return None
    if name == "row":
        fields = {_plain(part[0]): _type(part[1:]) for part in inner if part}
        known = {each: type_ for each, type_ in fields.items() if type_}
        return TableType(name, fields=known) if len(known) == len(inner) else None
    if name in ("array", "map"):
        of = tuple(type_ for part in inner if (type_ := _type(part)))
        return TableType(name, of=of) if len(of) == len(inner) == {"array": 1, "map": 2}[name] else None
    sizes = tuple(int(part[0]) for part in inner if len(part) == 1 and part[0].isdecimal())
    return TableType(" ".join([name, *after]), sizes) if len(sizes) == len(inner) else None


def _inner(words: Sequence[str]) -> tuple[list[list[str]] | None, list[str]]:
    """The words in the parentheses that words begin with, in parts between commas, and those that follow."""
    parts: list[list[str]] = [[]]
    depth = 0
    for place, word in enumerate(words):
        depth += {"(": 1, ")": -1}.get(word, 0)
        if not depth:
            return parts, list(words[place + 1 :])
        if (word, depth) == (",", 1):
            parts.append([])
        elif place:
            parts[-1].append(word)
    return (None if words else []), []


def _plain(word: str) -> str:
    return word[1:-1].replace('""', '"') if word.startswith('"') else word


def quoted(names: Sequence[str]) -> str:
    """Names as one identifier of SQL."""
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)

"""The columns of the two layouts, and misspelt names of them.

A name that is nearly right would be left out, and what it holds with it. It is nearly a known one if both are the same
without regard to compatibility forms (NFKC), case, spaces, hyphens, underscores and what is not seen, and with each
letter that looks like a Latin one taken for it (Unicode Technical Standard 39). Other names are the evidence's own.

A name may also join the steps of a path (`unmapped.campaign_id`), as tools write what they have flattened. A table is
read by such names, if they lead all the way to a column; anywhere else they would be left out as well.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Literal

Layout = Literal["flat", "ocsf"]
Step = str | int
Path = tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a layout, by its path in a row (`finding_info.types[0]`), and its type.

    `id` and `heading` are labels, `text` is taken as it is, `integer` (64 bits), `number` (a double), `instant` (a
    timestamp in UTC), or `milliseconds` since 1970 (an integer, or a timestamp of the object's own).
    """

    name: str
    type: str

    @property
    def path(self) -> Path:
        """The names and places (from 0) that lead to it."""
        steps = re.findall(r"([^.\[\]]+)|\[(\d+)\]", self.name)
        return tuple(name or int(place) for name, place in steps)

    @property
    def is_label(self) -> bool:
        """Whether it is an id or a heading."""
        return self.type in ("id", "heading")


FLAT = (
    Column("detection_id", "id"),
    Column("revised_at", "instant"),
    Column("status", "text"),
    Column("account_id", "id"),
    Column("campaign_id", "id"),
    Column("first_seen", "instant"),
    Column("last_seen", "instant"),
    Column("exchange_count", "integer"),
    Column("output_tokens", "integer"),
    Column("capability", "heading"),
    Column("detector", "heading"),
    Column("detector_version", "heading"),
    Column("confidence", "number"),
    Column("network", "heading"),
    Column("country", "heading"),
)

OCSF = (
    Column("class_uid", "integer"),
    Column("status_id", "integer"),
    Column("time", "milliseconds"),
    Column("start_time", "milliseconds"),
    Column("end_time", "milliseconds"),
    Column("count", "integer"),
    Column("confidence_score", "integer"),
    Column("finding_info.uid", "id"),
    Column("finding_info.modified_time", "milliseconds"),
    Column("finding_info.first_seen_time", "milliseconds"),
    Column("finding_info.last_seen_time", "milliseconds"),
    Column("finding_info.analytic.name", "heading"),
    Column("finding_info.analytic.version", "heading"),
    Column("finding_info.types[0]", "heading"),
    Column("evidences[0].actor.user.uid", "id"),
    Column("unmapped.campaign_id", "id"),
    Column("unmapped.output_tokens", "integer"),
    Column("unmapped.network", "heading"),
    Column("unmapped.country", "heading"),
)

CLASS = OCSF[0]
COLUMNS: Mapping[Layout, tuple[Column, ...]] = {"flat": FLAT, "ocsf": OCSF}
OPTIONAL = frozenset({"campaign_id", "output_tokens", "capability", "detector_version", "network", "country"})
"""The columns that rows need not have, by their names in the flat layout."""
NAMES = {column.name: column for column in (*FLAT, *OCSF)}


def _keys(columns: Iterable[Column]) -> dict[Path, frozenset[str]]:
    keys: dict[Path, set[str]] = {}
    for column in columns:
        for depth, step in enumerate(column.path):
            if isinstance(step, str):
                keys.setdefault(column.path[:depth], set()).add(step)
    return {path: frozenset(names) for path, names in keys.items()}


KEYS: Mapping[Layout, Mapping[Path, frozenset[str]]] = {
    layout: _keys(columns) for layout, columns in COLUMNS.items()
}
"""The known keys of each object in a row, by its path; the row itself is at ()."""


def joined(path: Path) -> str:
    """The name of a path, as columns have it."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")


def _joined(columns: Iterable[Column]) -> dict[Path, frozenset[str]]:
    names: dict[Path, set[str]] = {}
    for column in columns:
        path = column.path
        for depth, step in enumerate(path):
            if isinstance(step, str):
                several = {joined(path[depth:end]) for end in range(depth + 2, len(path) + 1)}
                names.setdefault(path[:depth], set()).update(several)
    return {path: frozenset(of_path) for path, of_path in names.items()}


JOINED: Mapping[Layout, Mapping[Path, frozenset[str]]] = {
    layout: _joined(columns) for layout, columns in COLUMNS.items()
}
"""The names that lead over several steps to a column or on the way to one, by the path to where they would be."""


def _ways(columns: Iterable[Column]) -> dict[Path, str]:
    return {
        column.path[:depth]: "OBJECT" if isinstance(step, str) else "ARRAY"
        for column in columns
        for depth, step in enumerate(column.path)
    }


WAYS: Mapping[Layout, Mapping[Path, str]] = {layout: _ways(columns) for layout, columns in COLUMNS.items()}
"""What the values on the way to columns are in JSON, by their paths."""


def misfit(path: Path, wanted: str, found: str | None) -> str | None:
    """What is wrong with a value on the way to columns, by the types of JSON; nothing where there is none."""
    if found in (wanted, "NULL", None):
        return None
    kind = {"OBJECT": "an object", "ARRAY": "a list"}[wanted]
    return f"{joined(path) or 'the row'} is not {kind}, so the values expected in it would be ignored: make it one"


def mistake(names: Iterable[str], known: frozenset[str], unread: frozenset[str] = frozenset()) -> str | None:
    """What is wrong with the names in one place: one that is nearly right, or a known one that is there twice.

    `unread` are those that join the steps of a path, and are not read by that name there.
    """
    seen: set[str] = set()
    for name in names:
        if name in seen and name in known:
            return f"column {name} appears twice: keep one"
        seen.add(name)
        if (meant := nearly(name, known)) is not None:
            return f"column {name!a} is close to {meant} but would be ignored: name it {meant}"
        if meant := _meant(name, unread):
            return f"column {name!a} would be ignored, because {meant} is read as nested keys: nest it"
    return None


def _meant(name: str, unread: frozenset[str]) -> str | None:
    return name if name in unread else nearly(name, unread)


def nearly(name: str, known: frozenset[str]) -> str | None:
    """The known name that a name resembles; None if it is a known one, or resembles none."""
    return None if name in known else _folded_names(known).get(folded(name))


@cache
def _folded_names(known: frozenset[str]) -> Mapping[str, str]:
    return {folded(name): name for name in known}


@lru_cache(4096)
def folded(name: str) -> str:
    """The letters of a name, for comparison.

    Lookalikes are replaced before and after NFKC, which turns some into other letters.
    """
    plain = unicodedata.normalize("NFKC", "".join(map(_latin, name))).casefold()
    return "".join(_latin(character) for character in plain if not _is_dropped(character))


def _is_dropped(character: str) -> bool:
    return unicodedata.category(character) in {"Cc", "Cf", "Pc", "Pd", "Zl", "Zp", "Zs"}


def _latin(character: str) -> str:
    """The Latin letter that a character looks like, or the character."""
    return character if character.isascii() else next(_lookalikes(character), character)


def _lookalikes(character: str) -> Iterator[str]:
    # Loaded on demand: its table is large, and non-ASCII names are rare
    from confusable_homoglyphs.confusables import confusables_data  # type: ignore[import-untyped]  # noqa: PLC0415

    for looks in confusables_data.get(character, ()):
        if looks["c"].isascii() and looks["c"].isalpha():
            yield looks["c"].lower()

"""Finds which of many names a text mentions, in time that does not depend on how many names there are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

_PIECES = re.compile(r"[a-z0-9]+|[^a-z0-9]")
_WORD = re.compile(r"[a-z0-9]")
_END = ""  # leads from the last piece of a name to the name


class Names:
    """Names, `folded`: a tree whose branches are their words and what stands between these."""

    def __init__(self, names: Iterable[str]) -> None:
        self._root: dict[str, Any] = {}
        for name in names:
            node = self._root
            for piece in _PIECES.findall(name):
                node = node.setdefault(piece, {})
            node[_END] = name

    def mentioned(self, text: str) -> set[str]:
        """The names that occur in a folded text as whole words."""
        pieces = ["", *_PIECES.findall(text), ""]
        starts = (at for at in range(1, len(pieces)) if not _WORD.match(pieces[at - 1]))
        return {name for at in starts for name in self._from(pieces, at)}

    def _from(self, pieces: list[str], at: int) -> Iterator[str]:
        node = self._root
        while piece := pieces[at]:
            if piece not in node:
                return
            node, at = node[piece], at + 1
            if _END in node and not _WORD.match(pieces[at]):
                yield node[_END]

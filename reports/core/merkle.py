"""Merkle trees over lists, with leaves and nodes as in RFC 9162, 2.1, and RFC 6962: SHA-256 with distinct prefixes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Literal, TypeAlias

Side: TypeAlias = Literal["left", "right"]
Step: TypeAlias = tuple[Side, bytes]
"""A sibling on the path to the root, and its side."""


def root(leaves: Sequence[bytes]) -> bytes:
    """The root over leaves, 32 bytes; over none it is the digest of nothing."""
    return _root([_leaf(leaf) for leaf in leaves])


def path(leaves: Sequence[bytes], index: int) -> list[Step]:
    """The way from a leaf to the root, the leaf's own sibling first: at most one step for each doubling."""
    return _path([_leaf(leaf) for leaf in leaves], index)


def root_from(leaf: bytes, steps: Sequence[Step]) -> bytes:
    """The root to which a leaf's path leads.

    It says that the tree has the leaf, not at which place. Nothing else leads to the same root: each step says on
    which side it is, and the digest of a leaf is never that of a node.
    """
    found = _leaf(leaf)
    for side, sibling in steps:
        found = _node(sibling, found) if side == "left" else _node(found, sibling)
    return found


def _root(digests: Sequence[bytes]) -> bytes:
    if not digests:
        return hashlib.sha256().digest()
    level = list(digests)
    while len(level) > 1:
        level = _above(level)
    return level[0]


def _path(digests: Sequence[bytes], index: int) -> list[Step]:
    level, place = list(digests), index
    steps: list[Step] = []
    while len(level) > 1:
        beside = place ^ 1
        if beside < len(level):
            steps.append(("left" if place % 2 else "right", level[beside]))
        level, place = _above(level), place // 2
    return steps


def _above(level: list[bytes]) -> list[bytes]:
    """The level above: a node for each pair; an odd last one moves up unchanged."""
    paired = [_node(level[at], level[at + 1]) for at in range(0, len(level) - 1, 2)]
    return paired + level[2 * len(paired) :]


def _leaf(data: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + data).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()

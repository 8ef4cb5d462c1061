"""Merkle trees over lists, with the leaves and nodes of RFC 9162, 2.1 (as in RFC 6962): SHA-256, apart by a prefix."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence


def root(leaves: Sequence[bytes]) -> bytes:
    """The root over leaves, 32 bytes; over none it is the digest of nothing."""
    return _root([_leaf(leaf) for leaf in leaves])


def path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The siblings on the way from a leaf to the root, the leaf's own first: at most one for each doubling."""
    return _path([_leaf(leaf) for leaf in leaves], index)


def root_from(leaf: bytes, index: int, size: int, siblings: Sequence[bytes]) -> bytes:
    """The root to which a leaf's path leads, in a tree of `size` leaves (RFC 9162, 2.1.3.2).

    Raises `ValueError` where a tree of that size has no such leaf, or a path of another length.
    """
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} leaves has no leaf {index}")
    place, last, found = index, size - 1, _leaf(leaf)
    for sibling in siblings:
        if not last:
            raise ValueError("the path is too long")
        if place % 2 or place == last:
            found = _node(sibling, found)
            while not place % 2:
                place, last = place // 2, last // 2
        else:
            found = _node(found, sibling)
        place, last = place // 2, last // 2
    if last:
        raise ValueError("the path is too short")
    return found


def _root(digests: Sequence[bytes]) -> bytes:
    if not digests:
        return hashlib.sha256().digest()
    level = list(digests)
    while len(level) > 1:
        paired = [_node(level[at], level[at + 1]) for at in range(0, len(level) - 1, 2)]
        level = paired + level[2 * len(paired) :]
    return level[0]


def _path(digests: Sequence[bytes], index: int) -> list[bytes]:
    level, place, siblings = list(digests), index, []
    while len(level) > 1:
        beside = place ^ 1
        if beside < len(level):
            siblings.append(level[beside])
        paired = [_node(level[at], level[at + 1]) for at in range(0, len(level) - 1, 2)]
        level, place = paired + level[2 * len(paired) :], place // 2
    return siblings


def _leaf(data: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + data).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()

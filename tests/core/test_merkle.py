"""Merkle trees, against the recursive definition in RFC 9162."""

import hashlib
import math

import pytest

from reports.core import merkle

LEAVES = [str(n).encode() for n in range(70)]


def defined(leaves: list[bytes]) -> bytes:
    """The root as RFC 9162, 2.1.1, defines it."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    split = 1
    while 2 * split < len(leaves):
        split *= 2
    return hashlib.sha256(b"\x01" + defined(leaves[:split]) + defined(leaves[split:])).digest()


@pytest.mark.parametrize("size", range(len(LEAVES)))
def test_a_root_is_as_defined(size: int) -> None:
    """Of any number of leaves."""
    assert merkle.root(LEAVES[:size]) == defined(LEAVES[:size])


def test_known_roots() -> None:
    """The roots of the test vectors of Certificate Transparency."""
    leaves = ["", "00", "10", "2021", "3031", "40414243"]
    roots = {
        1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        6: "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    }
    data = [bytes.fromhex(leaf) for leaf in leaves]
    assert {size: merkle.root(data[:size]).hex() for size in roots} == roots


@pytest.mark.parametrize("size", range(1, len(LEAVES)))
def test_each_path_leads_to_the_root(size: int) -> None:
    """From each leaf, in no more steps than the logarithm of the number of leaves."""
    leaves = LEAVES[:size]
    for index, leaf in enumerate(leaves):
        path = merkle.path(leaves, index)
        assert merkle.root_from(leaf, path) == defined(leaves)
        assert len(path) <= math.ceil(math.log2(size))


def test_a_path_leads_elsewhere_from_another_leaf_or_by_other_steps() -> None:
    """Whichever bit of whichever sibling is another, on the other side, or left out."""
    path, root = merkle.path(LEAVES, 5), merkle.root(LEAVES)
    assert merkle.root_from(LEAVES[6], path) != root
    for place, (side, sibling) in enumerate(path):
        before, after = path[:place], path[place + 1 :]
        other: merkle.Side = "right" if side == "left" else "left"
        assert merkle.root_from(LEAVES[5], [*before, (other, sibling), *after]) != root
        assert merkle.root_from(LEAVES[5], [*before, *after]) != root
        for byte in range(32):
            flipped = bytearray(sibling)
            flipped[byte] ^= 1
            assert merkle.root_from(LEAVES[5], [*before, (side, bytes(flipped)), *after]) != root


def test_a_node_is_no_leaf() -> None:
    """Two leaves' digests, taken for a leaf, give another root: the prefixes differ."""
    digests = b"".join(hashlib.sha256(b"\x00" + leaf).digest() for leaf in LEAVES[:2])
    assert merkle.root([digests]) != merkle.root(LEAVES[:2])

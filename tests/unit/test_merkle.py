"""A root binds every leaf and its place, and a path proves one leaf without the others (RFC 6962, section 2.1)."""

import pytest

from gateway import merkle
from gateway.merkle import Tree

LEAVES = [
    bytes.fromhex(each)
    for each in (
        *("", "00", "10", "2021", "3031", "40414243", "5051525354555657"),
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = (
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
"""The roots that certificate transparency's own implementations give for the first so many leaves."""

SIZES = range(1, 34)


@pytest.mark.parametrize("size", range(len(ROOTS)))
def test_roots_are_those_of_certificate_transparency(size):
    assert Tree(LEAVES[:size]).root().hex() == ROOTS[size]


def some(size):
    """Leaves that differ."""
    return [bytes([n, size]) for n in range(size)]


@pytest.mark.parametrize("size", SIZES)
def test_every_leaf_is_proven_by_its_path_and_by_no_other(size):
    """The path leads to the root from its own leaf and place only."""
    leaves = some(size)
    root = Tree(leaves).root()
    for place, data in enumerate(leaves):
        path = merkle.path(leaves, place)
        assert merkle.root_by_path(data, place, size, path) == root
        assert merkle.root_by_path(b"other", place, size, path) != root
        assert merkle.root_by_path(data, place, size, [*path, root]) is None
        assert not path or merkle.root_by_path(data, place, size, path[:-1]) is None
        others = [p for p in range(size) if p != place]
        assert all(merkle.root_by_path(data, other, size, path) != root for other in others)
    assert merkle.root_by_path(leaves[0], size, size, []) is None


@pytest.mark.parametrize("size", SIZES[1:])
def test_no_leaf_can_be_changed_removed_or_moved_under_a_root(size):
    leaves = some(size)
    roots = {Tree(leaves).root(), Tree(leaves[:-1]).root(), Tree([*leaves[1:], leaves[0]]).root()}
    changed = [Tree([*leaves[:n], b"x", *leaves[n + 1 :]]).root() for n in range(size)]
    assert len(roots | set(changed)) == 3 + size

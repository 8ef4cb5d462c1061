"""What every `Store` does. The fixture `open_store` opens the same store again and again, empty at first."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from reports.archive.store import Store

OpenStore = Callable[[], Store]


def test_kept_as_put(open_store: OpenStore) -> None:
    """Documents are found again under their names, byte for byte."""
    documents = {"a.pdf": bytes(range(256)) * 4096, "a.json": b"", "b é.json": b"{}\r\n"}
    assert open_store().put(documents)
    assert {name: open_store().get(name) for name in documents} == documents


def test_nothing_there(open_store: OpenStore) -> None:
    """A store that nothing was put into holds nothing."""
    assert open_store().get("a.pdf") is None
    assert open_store().list("") == ()


def test_listed_in_order(open_store: OpenStore) -> None:
    """Names are listed by their beginning, in order, and an exact name counts as one."""
    for name in ("b-2", "a-2", "a-10", "a", "A-1"):
        assert open_store().put({name: b"x"})
    assert open_store().list("a") == ("a", "a-10", "a-2")
    assert open_store().list("") == ("A-1", "a", "a-10", "a-2", "b-2")
    assert open_store().list("c") == ()


def test_listed_piece_by_piece(open_store: OpenStore) -> None:
    """A list begins after any name, whether there is one like it, and ends after as many as are asked for."""
    for name in ("b-2", "a-2", "a-10", "a", "A-1"):
        assert open_store().put({name: b"x"})
    assert open_store().list("", "a") == ("a-10", "a-2", "b-2")
    assert open_store().list("", "a-11") == ("a-2", "b-2")
    assert open_store().list("", "a", 2) == ("a-10", "a-2")
    assert open_store().list("a", "a", 5) == ("a-10", "a-2")
    assert open_store().list("a", "b") == open_store().list("", "", 0) == ()


def test_slashes_in_names(open_store: OpenStore) -> None:
    """A name with a slash is a name like any other: put with others, found, listed by any beginning, and taken once."""
    assert open_store().put({"a.pdf": b"document", "register/2.json": b"2"})
    assert open_store().put({"register/10.json": b"10"})
    assert not open_store().put({"b.pdf": b"document", "register/2.json": b"another"})
    assert open_store().get("register/2.json") == b"2"
    assert open_store().list("") == ("a.pdf", "register/10.json", "register/2.json")
    assert open_store().list("reg") == open_store().list("register/") == open_store().list("", "b")
    assert open_store().list("register/2") == ("register/2.json",)


@pytest.mark.parametrize("order", [("new", "taken"), ("taken", "new")])
def test_all_or_none(open_store: OpenStore, order: tuple[str, str]) -> None:
    """Where one name is taken nothing is put, and what is there stays."""
    assert open_store().put({"taken": b"first"})
    assert not open_store().put(dict.fromkeys(order, b"second"))
    assert open_store().list("") == ("taken",)
    assert open_store().get("taken") == b"first"


def test_same_again(open_store: OpenStore) -> None:
    """A name is taken whatever it holds, the same bytes included."""
    assert open_store().put({"a": b"x"})
    assert not open_store().put({"a": b"x"})


def test_many_writers(open_store: OpenStore) -> None:
    """Of many who put different documents under one last name at once, one does, and all of its own are there.

    What the others wrote before they lost may be left.
    """
    groups = [{f"{n}.pdf": b"%d" % n, "receipt": b"of %d" % n} for n in range(8)]
    with ThreadPoolExecutor(len(groups)) as pool:
        done = list(pool.map(lambda documents: open_store().put(documents), groups))
    (winner,) = [n for n, put in enumerate(done) if put]
    assert {f"{winner}.pdf", "receipt"} <= set(open_store().list(""))
    assert open_store().get(f"{winner}.pdf") == b"%d" % winner
    assert open_store().get("receipt") == b"of %d" % winner


def test_an_orphan_does_not_stop_another(open_store: OpenStore) -> None:
    """Documents that were left without their last one leave its name free for another set."""
    assert open_store().put({"1.pdf": b"left behind"})
    assert open_store().put({"2.pdf": b"other", "receipt": b"of 2"})
    assert not open_store().put({"1.pdf": b"left behind", "receipt": b"of 1"})
    assert open_store().get("receipt") == b"of 2"

"""The objects of unsigned pages, as they are written and in no other way (ISO 32000-1, 7.3, in pydyf's hand).

Whatever has several spellings in PDF has one here: what is read could be written again to the same bytes. So there is
nothing that two readers could take differently: no comments, no free white space, no second spelling of a name.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

DEEPEST = 16
MOST_DIGITS = 10

_ATOM = re.compile(
    rb"(?P<ref>[1-9]\d{0,9}) 0 R"
    rb"|(?P<real>-?(?:0|[1-9]\d{0,9})\.\d{0,6})"
    rb"|(?P<int>0|-?[1-9]\d{0,9})"
    rb"|/(?P<name>(?:[!\"$&'*+,\-.0-9:;=?@A-Z\\^_`a-z|~]|#[0-9a-f]{2})+)"
    rb"|\((?P<text>(?:[\t\n -'*-\[\]-~]|\\[\\()])*)\)"
    rb"|<(?P<hex>(?:[0-9a-f]{2})*)>"
    rb"|(?P<word>true|false|null)"
)
_KEY = re.compile(rb"/([A-Za-z0-9.\-+_]+) ")
_ESCAPED = re.compile(rb"\\([\\()])")
_NAME_ESCAPE = re.compile(r"#([0-9a-f]{2})")
_WORDS = {b"true": True, b"false": False, b"null": None}
_REGULAR = frozenset(b"!\"$&'*+,-.0123456789:;=?@ABCDEFGHIJKLMNOPQRSTUVWXYZ\\^_`abcdefghijklmnopqrstuvwxyz|~")


class WrittenOtherwiseError(Exception):
    """Something is not written as a briefing's pages are; the message says what."""


class Name(str):
    """A name, without its slash."""

    __slots__ = ()


class Ref(int):
    """The number of another object; generations are 0."""

    __slots__ = ()


class Real(float):
    """A number with a decimal point; `text` is how it is written."""

    text: str

    def __new__(cls, text: str) -> Real:
        """Read a number as it is written."""
        made = super().__new__(cls, text)
        made.text = text
        return made


class Text(bytes):
    """The bytes of a string: ASCII, or UTF-16 after its byte order mark."""

    __slots__ = ()


Value = Any
"""`None`, `bool`, `int`, `Real`, `Name`, `Text`, `Ref`, a list of values, or a dictionary of them by `str`."""


def parse(data: bytes, start: int, end: int) -> Value:
    """The value from `start` to `end`; raises `WrittenOtherwiseError` if that is not exactly one value."""
    value, at = _value(data, start, DEEPEST)
    if at != end:
        raise WrittenOtherwiseError("an object that continues after its end")
    return value


def parse_dictionary(data: bytes, start: int) -> tuple[dict[str, Value], int]:
    """The dictionary that starts there, and where it ends."""
    if data[start : start + 2] != b"<<":
        raise WrittenOtherwiseError("a stream without a dictionary")
    return _dictionary(data, start + 2, DEEPEST)


def _value(data: bytes, at: int, room: int) -> tuple[Value, int]:
    if not room:
        raise WrittenOtherwiseError(f"objects nested more than {DEEPEST} deep")
    if data.startswith(b"<<", at):
        return _dictionary(data, at + 2, room - 1)
    if data.startswith(b"[", at):
        return _array(data, at + 1, room - 1)
    found = _ATOM.match(data, at)
    if found is None:
        raise WrittenOtherwiseError(f"an object that is written in an unusual way: {data[at : at + 20]!r}")
    return _READ[str(found.lastgroup)](found[found.lastgroup or 0]), found.end()


def _dictionary(data: bytes, at: int, room: int) -> tuple[dict[str, Value], int]:
    held: dict[str, Value] = {}
    while not data.startswith(b">>", at):
        key = _KEY.match(data, at)
        if key is None:
            raise WrittenOtherwiseError(
                f"a dictionary that is written in an unusual way: {data[at : at + 20]!r}"
            )
        name = key[1].decode()
        if name in held:
            raise WrittenOtherwiseError(f"/{name} twice in one dictionary")
        held[name], at = _value(data, key.end(), room)
    return held, at + 2


def _array(data: bytes, at: int, room: int) -> tuple[list[Value], int]:
    held: list[Value] = []
    if data.startswith(b"]", at):
        return held, at + 1
    while True:
        value, at = _value(data, at, room)
        held.append(value)
        after = data[at : at + 1]
        at += 1
        if after == b"]":
            return held, at
        if after != b" ":
            raise WrittenOtherwiseError("an array that is written in an unusual way")


def _name(written: bytes) -> Name:
    def decoded(found: re.Match[str]) -> str:
        byte = int(found[1], 16)
        if byte in _REGULAR:
            raise WrittenOtherwiseError(f"a name that is written in an unusual way: /{written.decode()}")
        return chr(byte)

    return Name(_NAME_ESCAPE.sub(decoded, written.decode()) if b"#" in written else written.decode())


def _integer(written: bytes) -> int:
    value = int(written)
    if not -(2**31) <= value < 2**31:
        raise WrittenOtherwiseError("a number that is too large")
    return value


_READ: dict[str, Callable[[bytes], Value]] = {
    "ref": Ref,
    "real": lambda found: Real(found.decode()),
    "int": _integer,
    "name": _name,
    "text": lambda found: Text(_ESCAPED.sub(rb"\1", found) if b"\\" in found else found),
    "hex": lambda found: Text.fromhex(found.decode()),
    "word": _WORDS.__getitem__,
}

"""Whether bytes are one value in DER (X.690, 10 and 11), to the last byte.

Two things are left open, because authorities send them: a SET OF whose members are not in order, and a value that is
written though it is the default.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from reports.pdf.pages import TooMuchError

SEQUENCE, SET, INTEGER, OCTETS, BITS = 0x30, 0x31, 2, 4, 3
TAGGED_0, TAGGED_1, DIRECTORY = 0xA0, 0xA1, 0xA4
DEEPEST = 32
MOST_VALUES = 1_000_000

_BOOLEAN, _INTEGER, _BITS, _OCTETS, _NULL, _OID, _ENUMERATED = 1, 2, 3, 4, 5, 6, 10
_UTF8, _SEQUENCE, _SET, _UTC_TIME, _GENERALIZED_TIME = 12, 16, 17, 23, 24
_NUMERIC, _PRINTABLE, _T61, _IA5, _VISIBLE, _UNIVERSAL, _BMP = 18, 19, 20, 22, 26, 28, 30
_OPAQUE = frozenset({_OCTETS, _T61})
_TEXTS = {
    _NUMERIC: re.compile(rb"[0-9 ]*"),
    _PRINTABLE: re.compile(
        rb"[A-Za-z0-9 '()+,\-./:=?*@&_]*"
    ),  # the last four are not allowed, and are common
    _IA5: re.compile(rb"[\0-\x7f]*"),
    _VISIBLE: re.compile(rb"[ -~]*"),
    _UTC_TIME: re.compile(rb"\d{12}Z"),
    _GENERALIZED_TIME: re.compile(rb"\d{14}(?:\.\d*[1-9])?Z"),
    _OID: re.compile(rb"(?:[\x81-\xff][\x80-\xff]*[\0-\x7f]|[\0-\x7f])+"),
}


class NotDerError(Exception):
    """Bytes are not one value in DER; the message says what they are instead."""


def check(data: bytes, most: int = MOST_VALUES) -> int:
    """Raise `NotDerError` unless the bytes are one value; how many values are in it, itself among them.

    Raises `TooMuchError` if there are more than `most`, which are those that the file may still have. What an OCTET
    STRING holds is not looked at.
    """
    count, waiting = 0, [(0, len(data), 0)]
    while waiting:
        at, end, depth = waiting.pop()
        if depth > DEEPEST:
            raise NotDerError("values that are nested too deeply")
        for tag, start, stop in _values(data, at, end):
            count += 1
            if count > most:
                raise TooMuchError(f"the file has more than {MOST_VALUES:,} values in DER")
            if tag & 0x20:
                waiting.append((start, stop, depth + 1))
            _check_value(tag, data, start, stop)
            if not depth and stop != end:
                raise NotDerError("bytes after the end of a value")
    if not count:
        raise NotDerError("nothing")
    return count


def members(data: bytes, tag: int = SEQUENCE) -> list[bytes]:
    """The values that a constructed value with such a tag is made of, each with its head. Raises `NotDerError`."""
    found = next(_values(data, 0, len(data)), (0, 0, 0))
    if found[0] != tag or found[2] != len(data):
        raise NotDerError("a value of an unexpected kind")
    ends = [found[1], *(end for _, _, end in _values(data, *found[1:]))]
    return [data[begin:end] for begin, end in pairwise(ends)]


def contents(data: bytes, tag: int) -> bytes:
    """What a primitive value with such a tag holds. Raises `NotDerError`."""
    found = next(_values(data, 0, len(data)), (0, 0, 0))
    if found[0] != tag or found[2] != len(data):
        raise NotDerError("a value of an unexpected kind")
    return data[found[1] :]


def value(tag: int, *parts: bytes) -> bytes:
    """A value, written."""
    content = b"".join(parts)
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    digits = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(digits))) + digits + content


def _values(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """The values from `at` to `end`: the tag, and where the content begins and ends."""
    while at < end:
        if at + 2 > end:
            raise NotDerError("a value that is cut short")
        tag, size, start = data[at], data[at + 1], at + 2
        if size >= 0x80:
            digits = data[start : start + size - 0x80]
            start += len(digits)
            size = int.from_bytes(digits, "big")
            if not 0 < len(digits) <= 4 or size < 0x80 or not digits[0]:
                raise NotDerError("a length that is indefinite, or longer than necessary")
        if start + size > end:
            raise NotDerError("a value that is cut short")
        yield tag, start, start + size
        at = start + size


def _check_value(tag: int, data: bytes, start: int, stop: int) -> None:
    number, kind = tag & 0x1F, tag >> 6
    if number == 0x1F or kind not in (0, 2):
        raise NotDerError("a value of an unknown kind")
    if kind == 2:
        return
    if (number in (_SEQUENCE, _SET)) != bool(tag & 0x20) or not _holds(number, data, start, stop):
        raise NotDerError(f"a value of kind {number} that is not valid DER")


def _holds(number: int, data: bytes, start: int, stop: int) -> bool:  # noqa: PLR0911 -- one line a kind
    size = stop - start
    if number in _TEXTS:
        return _TEXTS[number].fullmatch(data, start, stop) is not None
    if number in _OPAQUE or number in (_SEQUENCE, _SET):
        return True
    if number in (_INTEGER, _ENUMERATED):
        return size == 1 or (
            size > 1
            and not (
                (data[start] == 0 and data[start + 1] < 0x80)
                or (data[start] == 0xFF and data[start + 1] >= 0x80)
            )
        )
    if number == _BOOLEAN:
        return data[start:stop] in (b"\0", b"\xff")
    if number == _NULL:
        return size == 0
    if number == _BITS:
        unused = data[start] if size else 8
        return (
            unused < 8
            and (size > 1 or not unused)
            and (size == 1 or not data[stop - 1] & ((1 << unused) - 1))
        )
    if number == _UTF8:
        return _decodes(data[start:stop], "utf-8")
    return (number == _BMP and _decodes(data[start:stop], "utf-16-be")) or (
        number == _UNIVERSAL and _decodes(data[start:stop], "utf-32-be")
    )


def _decodes(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True

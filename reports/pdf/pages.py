"""The file of unsigned pages: every byte of it is accounted for.

%PDF-1.7 and a line that says that the file is binary
N 0 obj … endobj       the streams, by number; all other objects are in the last one but one, an object stream
startxref, its place   the last stream is the cross-reference: it is written again from what was found
%%EOF
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reports.pdf.syntax import Name, Ref, Text, Value, WrittenOtherwiseError, parse, parse_dictionary

MIB = 2**20
MOST_BYTES = 50 * MIB
MOST_OBJECTS = 200_000
MOST_VALUES = 2_000_000
MOST_INFLATED_AT_ONCE = 64 * MIB
MOST_INFLATED = 160 * MIB

HEADER = b"%PDF-1.7\n%\xf0\x9f\x96\xa4\n"
_OBJECT = re.compile(rb"([1-9]\d{0,9}) 0 obj\n")
_END = re.compile(rb"startxref\n([1-9]\d{0,9})\n%%EOF\n")
_AFTER_STREAM = b"\nendstream\nendobj\n"
_DIGEST = re.compile(rb"[0-9a-f]{32}")


class TooMuchError(Exception):
    """Reading the file would take more than is read of any; the message says of what."""


class Meter:
    """How much may still be inflated of one file."""

    def __init__(self, left: int | None = None) -> None:
        self.left = MOST_INFLATED if left is None else left

    def inflate(self, deflated: bytes) -> bytes:
        """What was deflated, if that is all of it and nothing follows."""
        machine = zlib.decompressobj()
        most = min(self.left, MOST_INFLATED_AT_ONCE)
        try:
            data = machine.decompress(deflated, most + 1)
        except zlib.error:
            raise WrittenOtherwiseError("a stream that cannot be decompressed") from None
        if len(data) > most:
            raise TooMuchError(
                f"the file has data that decompresses to more than {MOST_INFLATED_AT_ONCE:,} bytes,"
                f" or {MOST_INFLATED:,} in all"
            )
        if not machine.eof or machine.unused_data or machine.unconsumed_tail:
            raise WrittenOtherwiseError("a stream that does not end where its data end")
        self.left -= len(data)
        return data


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream: its dictionary, and its bytes as they are in the file."""

    entries: Mapping[str, Value]
    raw: bytes

    def inflated(self, meter: Meter) -> bytes:
        """The data; raises for any other filter than one `FlateDecode` without parameters."""
        if self.entries.get("Filter") != "FlateDecode" or "DecodeParms" in self.entries:
            raise WrittenOtherwiseError("a stream that is compressed in an unusual way")
        return meter.inflate(self.raw)


@dataclass(frozen=True, slots=True)
class Pages:
    """Unsigned pages: `length` bytes of a file, and the objects that they are."""

    length: int
    objects: Mapping[int, Value]
    trailer: Mapping[str, Value]
    startxref: int
    containers: frozenset[int] = frozenset()
    meter: Meter = field(default_factory=Meter, compare=False)

    @property
    def root(self) -> dict[str, Any]:
        """The catalog."""
        found: dict[str, Any] = self.objects[self.trailer["Root"]]
        return found


def read_pages(pdf: bytes) -> Pages:
    """The unsigned pages that a file begins with.

    Raises `WrittenOtherwiseError` for what Exhibit does not write, and `TooMuchError` for what would take too much.
    """
    if len(pdf) > MOST_BYTES:
        raise TooMuchError(f"the file has more than {MOST_BYTES:,} bytes, over the limit for reading")
    if not pdf.startswith(HEADER):
        raise WrittenOtherwiseError("a different first line")
    streams, places, at = _streams(pdf)
    end = _END.match(pdf, at)
    if end is None or len(places) < 2:
        raise WrittenOtherwiseError(f"something between its objects, or an unusual end, at byte {at:,}")
    *_, packed, section = places
    meter = Meter()
    objects, order = _unpacked(streams[packed], meter)
    trailer = dict(streams[section].entries)
    _check_section(streams[section].inflated(meter), trailer, places, packed, order)
    if int(end[1]) != places[section]:
        raise WrittenOtherwiseError("an end that does not point to its cross-reference")
    return Pages(
        end.end(), {**objects, **streams}, trailer, places[section], frozenset({packed, section}), meter
    )


def _streams(pdf: bytes) -> tuple[dict[int, Stream], dict[int, int], int]:
    """The streams and where they begin, by number, and where the last one ends."""
    streams: dict[int, Stream] = {}
    places: dict[int, int] = {}
    at, last, left = len(HEADER), 0, MOST_VALUES
    while found := _OBJECT.match(pdf, at):
        number = int(found[1])
        if number > MOST_OBJECTS:
            raise TooMuchError(f"the file has more than {MOST_OBJECTS:,} objects")
        if number <= last:
            raise WrittenOtherwiseError(f"object {number} out of order")
        left -= _values(pdf, found.end(), pdf.find(b"\nstream\n", found.end()))
        if left < 0:
            raise TooMuchError(f"the file has more than {MOST_VALUES:,} values")
        entries, after = parse_dictionary(pdf, found.end())
        length = entries.get("Length")
        if type(length) is not int or length < 0 or pdf[after : after + 8] != b"\nstream\n":
            raise WrittenOtherwiseError(f"object {number}, which is not a stream")
        start = after + 8
        if pdf[start + length : start + length + len(_AFTER_STREAM)] != _AFTER_STREAM:
            raise WrittenOtherwiseError(f"a stream that is longer or shorter than stated, object {number}")
        streams[number] = Stream(entries, pdf[start : start + length])
        places[number] = at
        at, last = start + length + len(_AFTER_STREAM), number
    return streams, places, at


def _values(data: bytes, start: int, end: int) -> int:
    """At least as many as there are values: each begins with one of these, or follows one."""
    return sum(data.count(sign, start, max(end, start)) for sign in (b" ", b"/", b"[", b"\n"))


def _unpacked(stream: Stream, meter: Meter) -> tuple[dict[int, Value], list[int]]:
    """The objects in the object stream, and their numbers in its order."""
    entries = stream.entries
    count, first = entries.get("N"), entries.get("First")
    if list(entries) != ["Type", "N", "First", "Filter", "Length"] or entries["Type"] != "ObjStm":
        raise WrittenOtherwiseError("no object stream where one should be")
    data = stream.inflated(meter)
    if _values(data, 0, len(data)) > MOST_VALUES:
        raise TooMuchError(f"the file has more than {MOST_VALUES:,} values")
    words = data[:first].split()
    if type(count) is not int or type(first) is not int or len(words) != 2 * count or not count:
        raise WrittenOtherwiseError("an object stream that is inconsistent")
    if b" ".join(words) + b"\n" != data[:first] or not all(
        word.isdigit() and len(word) < 11 for word in words
    ):
        raise WrittenOtherwiseError("an object stream whose first line is written in an unusual way")
    numbers = [int(word) for word in words[::2]]
    starts = [first + int(word) for word in words[1::2]]
    ends = [*(start - 1 for start in starts[1:]), len(data)]
    if starts[0] != first or any(data[end : end + 1] != b"\n" for end in ends[:-1]):
        raise WrittenOtherwiseError("an object stream with something between its objects")
    if numbers[-1] > MOST_OBJECTS:
        raise TooMuchError(f"the file has more than {MOST_OBJECTS:,} objects")
    if numbers != sorted(set(numbers)):
        raise WrittenOtherwiseError("an object stream whose objects are out of order")
    return {
        number: parse(data, start, end) for number, start, end in zip(numbers, starts, ends, strict=True)
    }, numbers


def _check_section(
    rows: bytes, trailer: dict[str, Value], places: dict[int, int], packed: int, order: list[int]
) -> None:
    """Write the cross-reference again from what was found, and compare."""
    keys = ["Type", "Index", "W", "Size", "Root", "Info", "ID", "Filter", "Length"]
    if list(trailer) != keys or trailer["Type"] != "XRef" or trailer["Filter"] != "FlateDecode":
        raise WrittenOtherwiseError("a cross-reference stream with unusual entries")
    size, widths = trailer["Size"], trailer["W"]
    numbers = [*places, *order]
    # The section is not counted among the objects, but has its own row.
    if type(size) is not int or trailer["Index"] != [0, size] or sorted(numbers) != list(range(1, size)):
        raise WrittenOtherwiseError(
            "objects that are missing from its cross-reference, or entries there without an object"
        )
    _check_trailer(trailer, widths)
    wanted = {0: (0, 0, 65535)}
    wanted.update((number, (1, place, 0)) for number, place in places.items())
    wanted.update((number, (2, packed, index)) for index, number in enumerate(order))
    try:
        made = b"".join(
            value.to_bytes(width, "big")
            for number in range(size)
            for width, value in zip(widths, wanted[number], strict=True)
        )
    except OverflowError:
        made = b""
    if rows != made:
        raise WrittenOtherwiseError("a cross-reference that does not point to its objects")


def _check_trailer(trailer: dict[str, Value], widths: Value) -> None:
    whole = type(widths) is list and [type(width) for width in widths] == [int] * 3
    if not whole or widths[0] != 1 or not 1 <= widths[1] <= 4 or not 2 <= widths[2] <= 3:
        raise WrittenOtherwiseError("a cross-reference of unusual widths")
    if type(trailer["Root"]) is not Ref or type(trailer["Info"]) is not Ref:
        raise WrittenOtherwiseError("a cross-reference stream without a catalog, or without metadata")
    ids = trailer["ID"]
    if (
        type(ids) is not list
        or len(ids) != 2
        or not all(type(each) is Text and _DIGEST.fullmatch(each) for each in ids)
    ):
        raise WrittenOtherwiseError("an identifier of an unusual kind")


__all__ = ["HEADER", "MOST_BYTES", "Meter", "Name", "Pages", "Stream", "TooMuchError", "read_pages"]

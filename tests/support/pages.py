"""Unsigned pages that are written again with something changed, in the hand in which pages are written."""

import zlib
from collections.abc import Callable, Mapping
from copy import deepcopy
from hashlib import md5
from itertools import count, islice
from typing import Any

from reports.pdf.grammar import FILES
from reports.pdf.pages import HEADER, Pages, Stream, read_pages
from reports.pdf.syntax import Name, Real, Ref, Text

Objects = dict[int, Any]


class Raw(bytes):
    """A value as it is written."""


def value(held: Any) -> bytes:  # noqa: PLR0911 -- one line a kind
    """A value as pydyf writes it."""
    if type(held) is Raw:
        return held
    if type(held) is dict:
        return b"<<" + b"".join(b"/%s %s" % (key.encode(), value(each)) for key, each in held.items()) + b">>"
    if type(held) is list:
        return b"[" + b" ".join(map(value, held)) + b"]"
    if type(held) is Ref:
        return b"%d 0 R" % held
    if type(held) is Name:
        return b"/" + held.replace("/", "#2f").encode()
    if type(held) is Text:
        if not held.isascii() or not all(c in b"\t\n" or 0x20 <= c < 0x7F for c in held):
            return b"<" + held.hex().encode() + b">"
        escaped = held.replace(b"\\", rb"\\").replace(b"(", rb"\(").replace(b")", rb"\)")
        return b"(" + escaped + b")"
    if type(held) is Real:
        return held.text.encode()
    return {None: b"null", True: b"true", False: b"false"}[held] if type(held) is not int else b"%d" % held


def stream(data: bytes, **entries: Any) -> Stream:
    """A deflated stream."""
    raw = zlib.compress(data, 9)
    return Stream({**entries, "Filter": Name("FlateDecode"), "Length": len(raw)}, raw)


def data(held: Stream) -> bytes:
    return zlib.decompress(held.raw)


def objects_of(pages: Pages) -> Objects:
    """The objects of pages, without those that hold others, to be changed."""
    return {n: deepcopy(each) for n, each in sorted(pages.objects.items()) if n not in pages.containers}


def written(
    objects: Mapping[int, Any],
    trailer: Mapping[str, Any],
    *,
    first: bytes = HEADER,
    body: Callable[[bytes], bytes] = bytes,
    rows: Callable[[bytes], bytes] = bytes,
    widths: tuple[int, ...] = (1, 4, 2),
    size: int = 0,
) -> bytes:
    """A file of objects, in their order; the numbers that they leave are those of what holds the others.

    `body` and `rows` change what the object stream and the cross-reference hold; that has `size` rows, if one is given.
    """
    out, places = bytearray(first), {}

    def put(number: int, held: Stream) -> None:
        places[number] = len(out)
        out.extend(
            b"%d 0 obj\n%s\nstream\n%s\nendstream\nendobj\n" % (number, value(dict(held.entries)), held.raw)
        )

    for number, held in objects.items():
        if isinstance(held, Stream):
            put(number, held)
    packed = [(number, value(held)) for number, held in objects.items() if not isinstance(held, Stream)]
    at, numbers = 0, []
    for number, each in packed:
        numbers += [number, at]
        at += len(each) + 1
    line = b" ".join(b"%d" % each for each in numbers) + b"\n"
    holder, section = islice((number for number in count(1) if number not in objects), 2)
    inside = body(line + b"\n".join(each for _, each in packed))
    put(holder, stream(inside, Type=Name("ObjStm"), N=len(packed), First=len(line)))
    places[section] = len(out)
    table = {0: (0, 0, 65535), **{number: (1, place, 0) for number, place in places.items()}}
    table |= {number: (2, holder, index) for index, (number, _) in enumerate(packed)}
    size = size or len(table)
    made = b"".join(
        each.to_bytes(width, "big")
        for number in range(size)
        for width, each in zip(widths, table[number], strict=True)
    )
    entries = {"Type": Name("XRef"), "Index": [0, size], "W": list(widths), "Size": size}
    entries |= {key: trailer[key] for key in ("Root", "Info", "ID")}
    put(section, stream(rows(made), **entries))
    return bytes(out) + b"startxref\n%d\n%%%%EOF\n" % places[section]


def changed(unsigned: bytes, change: Callable[[Objects], object]) -> bytes:
    """The pages with a change of their objects."""
    pages = read_pages(unsigned)
    objects = objects_of(pages)
    change(objects)
    return written(objects, pages.trailer)


def add(objects: Objects, held: Any) -> Ref:
    """Add an object."""
    number = max(objects) + 1
    objects[number] = held
    return Ref(number)


def catalog(objects: Objects) -> dict[str, Any]:
    return next(each for each in objects.values() if type(each) is dict and each.get("Type") == "Catalog")


def attach(objects: Objects, files: Mapping[str, bytes]) -> None:
    """Put files in the place of those attached of the same name, and add the others."""
    root = catalog(objects)
    names = root.setdefault("Names", {})
    if "EmbeddedFiles" not in names:
        names["EmbeddedFiles"] = add(objects, {"Names": []})
    listed = objects[names["EmbeddedFiles"]]["Names"]
    held = dict(zip(map(bytes, listed[::2]), listed[1::2], strict=True))
    for name, content in files.items():
        day = Text(b"D:20260101000000Z")
        told = {
            "CheckSum": Text(md5(content, usedforsecurity=False).digest()),
            "Size": len(content),
            "CreationDate": day,
            "ModDate": day,
        }
        kind = Name(FILES.get(name, "text/csv"))
        file = stream(content, Type=Name("EmbeddedFile"), Subtype=kind, Params=told)
        if name.encode() in held:
            objects[objects[held[name.encode()]]["EF"]["F"]] = file
        else:
            text = Text(name.encode())
            spec = {"Type": Name("Filespec"), "F": text, "UF": text, "EF": {"F": add(objects, file)}}
            spec |= {"Desc": text, "AFRelationship": Name("Data")}
            held[name.encode()] = add(objects, spec)
    listed[:] = [each for name, spec in sorted(held.items()) for each in (Text(name), spec)]
    root["AF"] = listed[1::2]

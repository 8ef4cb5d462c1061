"""PDFs that are written to keep their reader busy, each small and made from its claims alone."""

import io
import struct
import zlib
from collections.abc import Mapping

import pikepdf

CATALOG = b"<</Type/Catalog/Pages 2 0 R>>"
PAGES = b"<</Type/Pages/Kids[]/Count 0>>"
PLAIN = {1: CATALOG, 2: PAGES}


def stream(data: bytes, more: bytes = b"") -> bytes:
    return b"<<%s/Length %d>>stream\n%s\nendstream" % (more, len(data), data)


def written(
    objects: Mapping[int, bytes], trailer: bytes = b"", packed: Mapping[int, int] | None = None
) -> bytes:
    """A file of these objects, and of those that are packed in object streams (which by number), at index 0."""
    out = bytearray(b"%PDF-1.7\n")
    at = {}
    for number, body in objects.items():
        at[number] = len(out)
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    size = max([*objects, *(packed or {})]) + 2
    rows = [struct.pack(">BIH", 0, 0, 65535)] * size
    for number, place in at.items():
        rows[number] = struct.pack(">BIH", 1, place, 0)
    for number, holder in (packed or {}).items():
        rows[number] = struct.pack(">BIH", 2, holder, 0)
    rows[-1] = struct.pack(">BIH", 1, len(out), 0)
    section = b"/Type/XRef/Size %d/W[1 4 2]/Root 1 0 R%s" % (size, trailer)
    return finished(bytes(out), size - 1, stream(b"".join(rows), section))


def finished(start: bytes, number: int, section: bytes) -> bytes:
    """A file that ends with this cross-reference stream."""
    return b"%s%d 0 obj\n%s\nendobj\nstartxref\n%d\n%%%%EOF\n" % (start, number, section, len(start))


def section(claims: bytes) -> bytes:
    """A file that is nothing but a cross-reference stream with these claims."""
    return finished(b"%PDF-1.7\n", 1, stream(b"", b"/Type/XRef/Root 1 0 R" + claims))


def deflated(data: bytes, times: int = 1) -> bytes:
    for _ in range(times):
        data = zlib.compress(data, 1)
    return stream(data, b"/Filter[%s]" % (b"/FlateDecode " * times))


def attaching(names: bytes, **objects: bytes) -> bytes:
    """A file whose tree of attachments is `names`, with objects by number: `_10=...`."""
    catalog = b"<</Type/Catalog/Pages 2 0 R/Names<</EmbeddedFiles %s>>>>" % names
    return written({**PLAIN, 1: catalog, **{int(n[1:]): body for n, body in objects.items()}})


def with_a_form(fields: bytes, **objects: bytes) -> bytes:
    catalog = b"<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields %s>>>>" % fields
    return written({**PLAIN, 1: catalog, **{int(n[1:]): body for n, body in objects.items()}})


def encrypted() -> bytes:
    out = io.BytesIO()
    with pikepdf.new() as pdf:
        pdf.add_blank_page()
        pdf.save(
            out,
            encryption=pikepdf.Encryption(owner="a", user="b"),
            object_stream_mode=pikepdf.ObjectStreamMode.generate,
        )
    return out.getvalue()


MIB = 2**20
BOMB = bytes(65 * MIB)  # more than is inflated at once, and quick to make
SPEC = b"<</Type/Filespec/EF<</F 11 0 R>>>>"
FILES: dict[str, bytes] = {
    "200 MB": b"%PDF-1.7\n" + bytes(200_000_000),
    "encrypted": encrypted(),
    "a billion objects": section(b"/Size 1000000001/W[1 1 1]"),
    "a billion objects of no width": section(b"/Size 1000000001/W[0 0 0]"),
    "a billion objects of negative width": section(b"/Size 1000000001/W[-1 0 0]"),
    "objects that add up to none": section(b"/Size 9/W[0 0 0]/Index[0 1000000000 1000000000 -1000000000]"),
    "huge numbers": section(b"/Size %s/W[1 1 1]" % (b"9" * 5000)),
    "huge length": b"%PDF-1.7\n1 0 obj\n<</Type/XRef/Length 99999999999999999999>>stream\nstartxref\n9\n%%EOF\n",
    "negative length": b"%PDF-1.7\n1 0 obj\n<</Type/XRef/Length -1>>stream\nendstream\nstartxref\n9\n%%EOF\n",
    "sections in a circle": section(b"/Size 1/W[1 1 1]/Prev 9"),
    "a table that points into its own": b"%PDF-1.7\nxref\n0 0\ntrailer\n<</Size 1/Prev 9>>\nstartxref\n9\n%%EOF\n",
    "catalog that is itself": written({**PLAIN, 1: b"1 0 R"}),
    "objects that are each other": written({**PLAIN, 1: b"5 0 R", 5: b"1 0 R"}),
    "length that is its own stream": written({**PLAIN, 1: b"<</Length 1 0 R>>stream\nx\nendstream"}),
    "object stream in itself": written({2: PAGES}, packed={1: 1}),
    "object streams in each other": written({2: PAGES}, packed={1: 3, 3: 1}),
    "pages in a circle": written({1: CATALOG, 2: b"<</Type/Pages/Kids[2 0 R]/Count 1>>"}),
    "fields in a circle": with_a_form(b"[5 0 R]", _5=b"<</T(a)/Kids[5 0 R]>>"),
    "fields by the power of two": with_a_form(
        b"[5 0 R 5 0 R]", **{f"_{n}": b"<</T(a)/Kids[%d 0 R %d 0 R]>>" % (n + 1, n + 1) for n in range(5, 60)}
    ),
    "a million fields": with_a_form(b"[%s]" % (b"5 0 R " * MIB), _5=b"<</FT/Sig/T(a)>>"),
    "a hundred thousand brackets": written({**PLAIN, 1: b"[" * 100_000}),
    "a hundred thousand dictionaries": written({**PLAIN, 1: b"<</a" * 100_000}),
    "a name without end": written({**PLAIN, 1: b"<</Type/" + b"a" * (8 * MIB) + b">>"}),
    "a number without end": written({**PLAIN, 1: b"1" * (8 * MIB)}),
    "a comment without end": b"%PDF-1.7\n1 0 obj\n%startxref\n9\n%%EOF",
    "a comment that ends an object stream": written(
        {2: PAGES, 9: stream(b"1 0 %", b"/Type/ObjStm/N 1/First 4")}, packed={1: 9}
    ),
    "an object stream of a billion": written(
        {2: PAGES, 9: stream(b"1 0 <<>>", b"/Type/ObjStm/N 1000000000/First 4")}, packed={1: 9}
    ),
    "an object stream that is a bomb": written(
        {2: PAGES, 9: deflated(BOMB).replace(b"<<", b"<</Type/ObjStm/N 1/First 4", 1)}, packed={1: 9}
    ),
}
ATTACHMENTS: dict[str, bytes] = {
    "10,000 attachments": attaching(
        b"<</Names[%s]>>" % (b"(a) 10 0 R " * 10_000), _10=SPEC, _11=stream(b"x")
    ),
    "10,000 branches": attaching(b"<</Kids[%s]>>" % (b"10 0 R " * 10_000), _10=b"<</Names[]>>"),
    "names in a circle": attaching(b"10 0 R", _10=b"<</Kids[10 0 R]>>"),
    "names by the power of two": attaching(
        b"10 0 R", **{f"_{n}": b"<</Kids[%d 0 R %d 0 R]>>" % (n + 1, n + 1) for n in range(10, 90)}
    ),
    "a bomb": attaching(b"<</Names[(a) 10 0 R]>>", _10=SPEC, _11=deflated(BOMB)),
    "a bomb in a bomb": attaching(b"<</Names[(a) 10 0 R]>>", _10=SPEC, _11=deflated(BOMB, 2)),
    "a bomb nine times": attaching(
        b"<</Names[%s]>>" % b"".join(b"(%d)<</EF<</F %d 0 R>>>>" % (n, n) for n in range(11, 20)),
        **{f"_{n}": deflated(bytes(60 * MIB)) for n in range(11, 20)},
    ),
    "ten thousand filters": attaching(
        b"<</Names[(a) 10 0 R]>>", _10=SPEC, _11=stream(b"61>", b"/Filter[%s]" % (b"/AHx " * 10_000))
    ),
    "a predictor of every byte": attaching(
        b"<</Names[(a) 10 0 R]>>",
        _10=SPEC,
        _11=deflated(bytes(MIB)).replace(b"<<", b"<</DecodeParms<</Predictor 15/Columns 1>>", 1),
    ),
    "a name tree that is a number": attaching(b"7"),
}

"""The published attacks on PDF signatures, each made from a file that is signed, by someone without its key.

The names are those of the papers: 1 Trillion Dollar Refund (2019) for forgery, incremental saving and wrapping; Shadow
Attacks (2021); Breaking the Specification, on certified documents (2021); PDF Mirage (2017) for content masking.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator

from pyhanko.pdf_utils.generic import (
    ArrayObject,
    DictionaryObject,
    NumberObject,
    StreamObject,
    pdf_name,
)
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.fields import SigFieldSpec, SigSeedSubFilter
from pyhanko.sign.signers import PdfSignatureMetadata, PdfSigner

from reports.signing.keys import LocalKey
from tests.support.form_1 import PortSigner, Writer, updated
from tests.support.pki import certify, new_key

Change = Callable[[IncrementalPdfFileWriter], object]
Family = Callable[[bytes], Iterator[tuple[str, bytes]]]


def dictionary(**entries: object) -> DictionaryObject:
    return DictionaryObject(
        {pdf_name(f"/{k}"): pdf_name(v) if isinstance(v, str) else v for k, v in entries.items()}
    )


def ranges(pdf: bytes) -> list[int]:
    (signature,) = PdfFileReader(io.BytesIO(pdf)).embedded_regular_signatures
    return list(signature.byte_range)


# Universal signature forgery: what says how the signature is checked is taken away or made useless.


def forged(pdf: bytes) -> Iterator[tuple[str, bytes]]:
    _, gap, stop, _ = ranges(pdf)
    found = re.search(rb"/ByteRange\s*\[[^\]]*\]", pdf)
    assert found
    first, end = found.span()

    def put(at: int, until: int, text: bytes) -> bytes:
        return pdf[:at] + text.ljust(until - at) + pdf[until:]

    yield "contents removed", put(gap, stop, b"<>")
    yield "contents null", put(gap, stop, b"null")
    yield "contents zero", put(gap, stop, b"<00>")
    name = pdf.rindex(b"/Contents", 0, gap)
    yield "contents renamed", put(name, name + 9, b"/Kontents")
    yield "byte range removed", put(first, end, b"")
    for text in (b"null", b"[]", b"[0 0 0 0]", b"[0 -1 0 -1]", b"[0 99 0 0]", b"[0 1 2]", b"[(a) 0 0 0]"):
        yield f"byte range {text.decode()}", put(first, end, b"/ByteRange " + text)


# Incremental saving: something is appended, as an update or in a form that a reader repairs.


def adding(data: bytes) -> Change:
    """A stream that nothing refers to."""
    return lambda writer: writer.add_object(StreamObject(stream_data=data))


def saved(pdf: bytes) -> Iterator[tuple[str, bytes]]:
    body = b"\n3 0 obj\n<</Type/Page/Contents 9 0 R>>\nendobj\n"
    start = re.findall(rb"startxref\s+(\d+)", pdf)[-1]
    yield (
        "update of a page",
        updated(pdf, _page(lambda page, _: page.update(dictionary(Rotate=NumberObject(90))))),
    )
    yield "body alone", pdf + body
    yield "body and an end", pdf + body + b"startxref\n%s\n%%%%EOF\n" % start
    yield "body and a trailer", pdf + body + b"trailer\n<</Root 2 0 R/Prev %s>>\n" % start
    table = b"xref\n0 0\ntrailer\n<</Size 4/Root 2 0 R/Prev %s>>\nstartxref\n%d\n%%%%EOF\n"
    yield "body, table and end", pdf + body + table % (start, len(pdf) + len(body))


# Signature wrapping: the second part that is signed moves on, and others take its place.


def wrapped(pdf: bytes) -> Iterator[tuple[str, bytes]]:
    zero, length, start, rest = ranges(pdf)
    cut = pdf[: start + rest]
    (found,) = re.finditer(rb"/ByteRange\s*\[[^\]]*\]", cut)
    section = int(re.findall(rb"startxref\s+(\d+)", cut)[-1])
    references = cut[section : cut.index(b"startxref", section)]
    for name, there in (("wrapped", True), ("wrapped to nowhere", False)):
        # What follows the gap is the attacker's, and so are the cross-references where the last line says they are.
        moved = section - start + len(references)
        said = b"/ByteRange[%d %d %d %d]" % (zero, length, start + moved * there, rest)
        middle = (
            cut[start : found.start()] + said.ljust(len(found[0])) + cut[found.end() : section] + references
        )
        yield name, cut[:start] + middle + cut[start:]


# Shadow attacks: what is shown changes with an update that looks harmless.


def _page(change: Callable[[DictionaryObject, IncrementalPdfFileWriter], None]) -> Change:
    def apply(writer: IncrementalPdfFileWriter) -> None:
        page, _ = writer.find_page_for_modification(0)
        change(page.get_object(), writer)
        writer.update_container(page.get_object())

    return apply


def _listed(page: DictionaryObject, writer: IncrementalPdfFileWriter, annotation: DictionaryObject) -> None:
    others = page["/Annots"] if "/Annots" in page else ArrayObject()
    page[pdf_name("/Annots")] = ArrayObject([*others, writer.add_object(annotation)])


def _hide(page: DictionaryObject, writer: IncrementalPdfFileWriter) -> None:
    overlay = writer.add_object(StreamObject(stream_data=b"1 g 0 0 612 792 re f"))
    page[pdf_name("/Contents")] = ArrayObject([page.raw_get("/Contents"), overlay])


def _replace_field(page: DictionaryObject, writer: IncrementalPdfFileWriter) -> None:
    field = dictionary(FT="/Tx", Subtype="/Widget", Rect=ArrayObject(map(NumberObject, (0, 0, 600, 700))))
    _listed(page, writer, field)


def _replace_font(page: DictionaryObject, writer: IncrementalPdfFileWriter) -> None:
    fonts = page["/Resources"]["/Font"]
    other = writer.add_object(dictionary(Type="/Font", Subtype="/Type1", BaseFont="/Courier"))
    for name in list(fonts):
        fonts[name] = other
    writer.update_container(fonts)


def _replace_catalog(writer: IncrementalPdfFileWriter) -> None:
    pages = writer.add_object(dictionary(Type="/Pages", Kids=ArrayObject(), Count=NumberObject(0)))
    writer.root[pdf_name("/Pages")] = pages
    writer.update_root()


def _other_root(pdf: bytes) -> bytes:
    """A new trailer alone, which names another catalog among the objects that are there."""
    start = int(re.findall(rb"startxref\s+(\d+)", pdf)[-1])
    head = (
        b"9999 0 obj\n<</Type/XRef/Size 10000/W[1 1 1]/Index[0 0]/Root 4 0 R/Prev %d/Length 0>>stream\n"
        % start
    )
    return pdf + head + b"\nendstream\nendobj\nstartxref\n%d\n%%%%EOF\n" % len(pdf)


def shadowed(pdf: bytes) -> Iterator[tuple[str, bytes]]:
    yield "hide", updated(pdf, _page(_hide))
    yield "replace through a form", updated(pdf, _page(_replace_field))
    yield "replace through a font", updated(pdf, _page(_replace_font))
    yield "replace through the catalog", updated(pdf, _replace_catalog)
    yield "hide and replace", _other_root(pdf)


# Certified documents: annotations and signatures that a certification may permit, used to cover what it certifies.


def _annotation(subtype: str) -> Change:
    def add(page: DictionaryObject, writer: IncrementalPdfFileWriter) -> None:
        look = writer.add_object(
            StreamObject(dictionary(Subtype="/Form"), stream_data=b"1 g 0 0 600 700 re f")
        )
        note = dictionary(Subtype=subtype, Rect=ArrayObject(map(NumberObject, (0, 0, 600, 700))))
        note[pdf_name("/AP")] = dictionary(N=look)
        _listed(page, writer, note)

    return _page(add)


def _sneaky(pdf: bytes) -> bytes:
    """A second signature, with a look that covers the page, by the attacker's own key."""
    private = new_key()
    signer = PortSigner(LocalKey((certify(private, name="Exhibit local signing key"),), private))
    metadata = PdfSignatureMetadata("Sneaky", md_algorithm="sha256", subfilter=SigSeedSubFilter.PADES)
    field = SigFieldSpec("Sneaky", box=(0, 0, 600, 700))
    # pyHanko obeys the certification: not knowing of it, it does as an attacker would.
    writer = Writer(io.BytesIO(pdf.replace(b"/DocMDP", b"/DacMDP")))
    return pdf + PdfSigner(metadata, signer, new_field_spec=field).sign_pdf(writer).getvalue()[len(pdf) :]


def certified(pdf: bytes) -> Iterator[tuple[str, bytes]]:
    for subtype in ("/FreeText", "/Stamp", "/Redact", "/Link"):
        yield f"evil annotation {subtype}", updated(pdf, _annotation(subtype))
    yield "sneaky signature", _sneaky(pdf)


# Content masking, by whoever prepares the file: signed as it is, it shows something else later or to others.


def _with_catalog(**entries: object) -> Change:
    def change(writer: IncrementalPdfFileWriter) -> None:
        writer.root.update(dictionary(**entries))
        writer.update_root()

    return change


def _script() -> DictionaryObject:
    return dictionary(S="/JavaScript", JS=StreamObject(stream_data=b"app.alert(1)"))


def _layer(page: DictionaryObject, writer: IncrementalPdfFileWriter) -> None:
    layer = writer.add_object(dictionary(Type="/OCG"))
    page["/Resources"][pdf_name("/Properties")] = dictionary(Layer=layer)
    writer.update_container(page["/Resources"])
    writer.root[pdf_name("/OCProperties")] = dictionary(OCGs=ArrayObject([layer]))
    writer.update_root()


def _layered_picture(page: DictionaryObject, writer: IncrementalPdfFileWriter) -> None:
    picture = StreamObject(dictionary(Subtype="/Form", OC=dictionary(Type="/OCG")), stream_data=b"")
    page["/Resources"][pdf_name("/XObject")] = dictionary(Layer=writer.add_object(picture))
    writer.update_container(page["/Resources"])


def _content_elsewhere(page: DictionaryObject, writer: IncrementalPdfFileWriter) -> None:
    page[pdf_name("/Contents")] = writer.add_object(StreamObject(dictionary(F="/other.pdf"), stream_data=b""))


def _running_link(page: DictionaryObject, writer: IncrementalPdfFileWriter) -> None:
    link = dictionary(Subtype="/Link", A=dictionary(S="/Launch"))
    page[pdf_name("/Annots")] = ArrayObject([writer.add_object(link)])


def _form(**field: object) -> Change:
    def change(writer: IncrementalPdfFileWriter) -> None:
        fields = ArrayObject([writer.add_object(dictionary(**field))])
        writer.root[pdf_name("/AcroForm")] = dictionary(Fields=fields)
        writer.update_root()

    return change


def masked() -> dict[str, Change]:
    """Changes to make to a file before it is signed."""
    return {
        "layers": _page(_layer),
        "a picture that is a layer": _page(_layered_picture),
        "a script on opening": _with_catalog(OpenAction=_script()),
        "actions of the document": _with_catalog(AA=dictionary(WP=_script())),
        "scripts by name": _with_catalog(Names=dictionary(JavaScript=dictionary(Names=ArrayObject()))),
        "actions of a page": _page(lambda page, _: page.update(dictionary(AA=dictionary(O=_script())))),
        "content from another file": _page(_content_elsewhere),
        "a link that starts a program": _page(_running_link),
        "a text field": _form(FT="/Tx", T="/a"),
        "a form in XML": _with_catalog(AcroForm=dictionary(Fields=ArrayObject(), XFA=ArrayObject())),
        "an annotation": _annotation("/FreeText"),
    }

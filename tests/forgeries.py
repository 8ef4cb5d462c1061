"""Briefings that their own signatory, or anybody with a time-stamp authority, made into something else.

Each is signed or sealed as a briefing is, in the form in which Exhibit writes, and differs from one in one thing.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import cache
from typing import Any

import pytest
from asn1crypto import algos, cms, core
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from reports import sign as sign_module
from reports.assets import Resources
from reports.keys import LocalAuthority
from reports.pdf import der
from reports.pdf.cms import read_signature
from reports.pdf.pages import Stream
from reports.pdf.syntax import Name, Ref, Text
from reports.render import DocumentMetadata, render_pdf
from tests import remade
from tests.fonts import picture, saved
from tests.matrix import NAMES, SVG
from tests.pages import Objects, add, attach, catalog, changed, data, stream
from tests.pki import NOW, certify, new_key, sign_locally, stamper_of

Change = Callable[[Objects], object]
LINKED = (
    "<html lang=en><title>Briefing</title><h1 id=top>Briefing</h1>"
    "<p>Nothing <a href='https://a.example/'>happened</a>, <a href='#top'>as it was</a>.</p></html>"
)


@cache
def linked() -> bytes:
    """A page with a link to an address and one to a place on it."""
    about = DocumentMetadata("Briefing", "EX-1", "Somebody", NOW)
    return render_pdf(LINKED, resources=Resources(), metadata=about)


@cache
def rich() -> bytes:
    """A page with whatever can stand on one: pictures, a gradient, a mask, a pattern, names in other scripts."""
    drawing = (
        '<linearGradient id="g"><stop stop-color="red" stop-opacity=".5"/><stop offset="1"/></linearGradient>'
        '<mask id="m"><rect width="60" height="40" fill="white"/></mask>'
        '<pattern id="p" width="9" height="9" patternUnits="userSpaceOnUse"><circle r="4"/></pattern>'
        '<rect width="99" height="40" fill="url(#g)"/><rect width="99" height="9" mask="url(#m)"/>'
        '<rect width="9" height="40" fill="url(#p)"/>'
    )
    pictures = {
        "image/png": saved(picture("RGBA"), "PNG"),
        "image/jpeg": saved(picture(), "JPEG"),
        "image/svg+xml": SVG.format(drawing).encode(),
    }
    shown = "".join(
        f"<img alt='A picture' src='data:{kind};base64,{b64encode(content).decode()}'>"
        for kind, content in pictures.items()
    )
    page = LINKED.replace("</p>", f"</p>{shown}<p>{NAMES['Arabic']}{NAMES['Hindi']}{NAMES['Chinese']}</p>")
    about = DocumentMetadata("Briefing", "EX-1", "Somebody", NOW)
    return render_pdf(page, resources=Resources(), metadata=about)


def _jpeg(**entries: Any) -> Change:
    """Something else in the dictionary of the JPEG."""

    def change(objects: Objects) -> None:
        for number, held in _streams(objects, "Filter", "DCTDecode"):
            objects[number] = Stream({**held.entries, **entries}, held.raw)

    return change


PICTURES: dict[str, tuple[Change, str]] = {
    "a JPEG of another size": (_jpeg(Width=59), "an image that is no such JPEG"),
    "a JPEG of other colors": (_jpeg(ColorSpace=Name("DeviceGray")), "an image that is no such JPEG"),
}


def signed_anyway(unsigned: bytes, authority: LocalAuthority, change: Change) -> bytes:
    """Pages with a change, signed though they are none of a briefing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sign_module, "check_pages", lambda _: None)
        return sign_locally(changed(unsigned, change), authority)


def _named(objects: Objects, kind: str) -> dict[str, Any]:
    """The first object of a kind."""
    return next(each for each in objects.values() if type(each) is dict and each.get("Type") == kind)


def _streams(objects: Objects, key: str, value: str) -> Iterator[tuple[int, Any]]:
    return ((n, each) for n, each in objects.items() if getattr(each, "entries", {}).get(key) == value)


def _page(objects: Objects) -> tuple[int, dict[str, Any]]:
    (number,) = objects[catalog(objects)["Pages"]]["Kids"][:1]
    return number, objects[number]


def _on_page(**entries: Any) -> Change:
    return lambda objects: _page(objects)[1].update(entries)


def _in_catalog(**entries: Any) -> Change:
    return lambda objects: catalog(objects).update(entries)


def _resources(objects: Objects) -> dict[str, Any]:
    found: dict[str, Any] = objects[_page(objects)[1]["Resources"]]
    return found


def _content(text: bytes, first: bool = False) -> Change:
    """Content with something more."""

    def change(objects: Objects) -> None:
        number = _page(objects)[0] - 1
        old = data(objects[number])
        objects[number] = stream(text + b"\n" + old if first else old + b"\n" + text)

    return change


def _link(**entries: Any) -> Change:
    """Something else in the link of the page that leads to an address."""

    def change(objects: Objects) -> None:
        link = next(
            e for e in objects.values() if type(e) is dict and e.get("Subtype") == "Link" and "A" in e
        )
        link.update(entries)

    return change


def _leads(address: bytes) -> dict[str, Any]:
    return {"Type": Name("Action"), "S": Name("URI"), "URI": Text(address)}


def _script() -> dict[str, Any]:
    return {"S": Name("JavaScript"), "JS": Text(b"app.alert(1)")}


def _form(objects: Objects, **entries: Any) -> Ref:
    """A picture that draws nothing."""
    resources = {key: {} for key in ("ExtGState", "XObject", "Pattern", "Shading")}
    resources |= {key: _resources(objects)[key] for key in ("ColorSpace", "Font")}
    group = {"Type": Name("Group"), "S": Name("Transparency"), "I": True, "CS": Name("DeviceRGB")}
    told = {"Type": Name("XObject"), "Subtype": Name("Form"), "BBox": [0, 0, 9, 9]}
    return add(objects, stream(b"n", **told, Resources=add(objects, resources), Group=group, **entries))


def _drawn(**entries: Any) -> Change:
    """A picture more, that is drawn."""

    def change(objects: Objects) -> None:
        _resources(objects)["XObject"]["x0"] = _form(objects, **entries)
        _content(b"/x0 Do")(objects)

    return change


def _in_itself(objects: Objects) -> None:
    made = _form(objects)
    objects[objects[made].entries["Resources"]]["XObject"]["x0"] = made
    _resources(objects)["XObject"]["x0"] = made


def _state(**entries: Any) -> Change:
    return lambda objects: _resources(objects)["ExtGState"].update(s9={"Type": Name("ExtGState"), **entries})


def _attached(name: str) -> Change:
    return lambda objects: attach(objects, {name: b"a,b\r\n"})


def _spec(**entries: Any) -> Change:
    def change(objects: Objects) -> None:
        _attached("days.csv")(objects)
        _named(objects, "Filespec").update(entries)

    return change


def _file(**entries: Any) -> Change:
    def change(objects: Objects) -> None:
        _attached("days.csv")(objects)
        ((number, held),) = _streams(objects, "Type", "EmbeddedFile")
        objects[number] = stream(
            data(held), **{**{k: held.entries[k] for k in ("Type", "Subtype", "Params")}, **entries}
        )

    return change


def _unlisted(objects: Objects) -> None:
    _attached("days.csv")(objects)
    catalog(objects)["AF"] = []


def _information(**entries: Any) -> Change:
    def change(objects: Objects) -> None:
        next(each for each in objects.values() if type(each) is dict and "Producer" in each).update(entries)

    return change


def _element(**entries: Any) -> Change:
    def change(objects: Objects) -> None:
        next(e for e in objects.values() if type(e) is dict and e.get("S") == "Span").update(entries)

    return change


def _structure(change: Callable[[list[Any]], object]) -> Change:
    return lambda objects: change(
        next(e for e in objects.values() if type(e) is dict and "Nums" in e)["Nums"]
    )


def _font(key: str, value: Any) -> Change:
    def change(objects: Objects) -> None:
        next(e for e in objects.values() if type(e) is dict and e.get("Subtype") == "Type0")[key] = value

    return change


def _letters(objects: Objects) -> None:
    font = next(e for e in objects.values() if type(e) is dict and e.get("Subtype") == "Type0")
    old = data(objects[font["ToUnicode"]])
    objects[font["ToUnicode"]] = stream(old.replace(b"endcmap", b"/a usecmap\nendcmap"))


def _bookmark(**entries: Any) -> Change:
    return lambda objects: next(
        e for e in objects.values() if type(e) is dict and "Title" in e and "Dest" in e
    ).update(entries)


PAGES: dict[str, tuple[Change, str]] = {
    "a script on opening": (_in_catalog(OpenAction=_script()), "/OpenAction in the catalog"),
    "actions of the document": (_in_catalog(AA={"WP": _script()}), "/AA in the catalog"),
    "layers": (_in_catalog(OCProperties={}), "/OCProperties in the catalog"),
    "a form": (_in_catalog(AcroForm={"Fields": []}), "/AcroForm in the catalog"),
    "a store before signing": (_in_catalog(DSS={}), "/DSS in the catalog"),
    "labels of pages": (_in_catalog(PageLabels={"Nums": []}), "/PageLabels in the catalog"),
    "scripts by name": (
        lambda o: catalog(o)["Names"].update(JavaScript={"Names": []}),
        "/JavaScript in the names",
    ),
    "a catalog without marks": (lambda o: catalog(o).pop("MarkInfo"), "the catalog without /MarkInfo"),
    "a viewer told to hide": (
        _in_catalog(ViewerPreferences={"HideMenubar": True}),
        "an unusual /ViewerPreferences",
    ),
    "actions of a page": (_on_page(AA={"O": _script()}), "/AA in a page"),
    "a turned page": (_on_page(Rotate=90), "/Rotate in a page"),
    "a scaled page": (_on_page(UserUnit=2), "/UserUnit in a page"),
    "a cropped page": (_on_page(CropBox=[0, 0, 9, 9]), "/CropBox in a page"),
    "a page of another list": (_on_page(Parent=Ref(2)), "an unusual /Parent in a page"),
    "content of another number": (_on_page(Contents=Ref(1)), "an unusual /Contents in a page"),
    "a page twice": (
        lambda o: o[catalog(o)["Pages"]]["Kids"].append(o[catalog(o)["Pages"]]["Kids"][0]),
        "a list of pages",
    ),
    "a page out of order": (_on_page(StructParents=7), "a page out of order"),
    "a note": (_link(Subtype=Name("FreeText")), "an unusual /Subtype in an annotation"),
    "a link with a look": (_link(AP={}), "/AP in an annotation"),
    "a hidden link": (_link(F=2), "an unusual /F in an annotation"),
    "a link that starts a program": (
        _link(A={"Type": Name("Action"), "S": Name("Launch")}),
        "an unusual /S in the action of a link",
    ),
    "a link that does two things": (
        _link(A={**_leads(b"https://a.example/"), "Next": {}}),
        "/Next in the action of a link",
    ),
    "a link over http": (
        _link(A=_leads(b"http://a.example/"), Contents=Text(b"http://a.example/")),
        "a link that leads neither to https: nor to mailto:",
    ),
    "a link that says another address": (
        _link(Contents=Text(b"https://b.example/")),
        "a link that leads elsewhere than it says",
    ),
    "a link to two places": (_link(Dest=Text(b"top")), "a link that leads to nowhere, or to two places"),
    "a link of another place": (_link(StructParent=99), "a link of another element, or of none"),
    "annotations out of order": (
        lambda o: _page(o)[1]["Annots"].reverse(),
        "annotations out of order on a page",
    ),
    "a destination twice": (
        lambda o: catalog(o)["Names"]["Dests"]["Names"].extend(catalog(o)["Names"]["Dests"]["Names"][:2]),
        "two destinations of one name",
    ),
    "a destination that is none": (
        lambda o: catalog(o)["Names"]["Dests"]["Names"].__setitem__(1, {"D": []}),
        "a destination that is no place on a page",
    ),
    "a layer in the resources": (lambda o: _resources(o).update(Properties={}), "/Properties in resources"),
    "a picture that is a layer": (_drawn(OC={"Type": Name("OCG")}), "/OC in a picture"),
    "a picture from another file": (_drawn(Ref={"F": Text(b"a.pdf")}), "/Ref in a picture"),
    "a picture in PostScript": (_drawn(PS=Ref(1)), "/PS in a picture"),
    "a picture within itself": (_in_itself, "a picture within itself"),
    "a halftone": (_state(HT=Name("Default")), "/HT in a graphics state"),
    "a transfer function": (_state(TR=Name("Identity")), "/TR in a graphics state"),
    "a mask of a stranger": (
        _state(SMask={"Type": Name("Mask"), "S": Name("Alpha"), "G": Ref(2)}),
        "a mask that is not among the resources",
    ),
    "text in place of a picture": (
        _content(b"/Span\n<</ActualText (a)>>\nBDC\nEMC"),
        "content that is nested in an unusual way",
    ),
    "text in place of marked text": (
        _content(b"BT\n/Span\n<</ActualText (a)>>\nBDC\n/Artifact\nBMC\nEMC\nEMC\nET"),
        "content that is nested in an unusual way",
    ),
    "half a character in place of text": (
        _content(b"BT\n/Span\n<</ActualText <feffd83d>>>\nBDC\nEMC\nET"),
        "content that is written in an unusual way",
    ),
    "half a character in place of an element": (
        _element(ActualText=Text(b"\xfe\xff\x05\xd0\xd8\x3d")),
        "text that is none",
    ),
    "the language of the document": (_element(Lang=Text(b"en")), "an unusual /Lang in an element"),
    "a language that is none": (_element(Lang=Text(b"en_US")), "an unusual /Lang in an element"),
    "a layer in the content": (
        _content(b"/OC\n/Layer\nBDC\nEMC"),
        "content that is written in an unusual way",
    ),
    "a picture in the content": (
        _content(b"BI\n/W 1\nID\nx\nEI"),
        "content that is written in an unusual way",
    ),
    "a comment in the content": (_content(b"% more"), "content that is written in an unusual way"),
    "two operators on a line": (_content(b"q Q"), "content that is written in an unusual way"),
    "a picture that is not there": (_content(b"/x99 Do"), "content that uses x99"),
    "content that ends what it did not begin": (_content(b"Q"), "content that is nested in an unusual way"),
    "content that does not end": (_content(b"q"), "content that does not end what it begins"),
    "a mark that nothing reads": (
        _content(b"/Span\n<</MCID 999>>\nBDC\nEMC"),
        "marks on a page that the structure does not have",
    ),
    "an attachment of another name": (
        _attached("notes.txt"),
        "an attachment 'notes.txt', which no briefing has",
    ),
    "an attachment under two names": (_spec(UF=Text(b"b.csv")), "an unusual /UF in an attachment"),
    "an attachment and its other": (_spec(EF={"F": Ref(1), "UF": Ref(2)}), "/UF in an attachment"),
    "an attachment that is not associated": (_unlisted, "a file that is not among the attachments"),
    "a file of another size": (_file(Params={"Size": 1}), "an attached file"),
    "a file of another kind": (_file(Subtype=Name("text/html")), "an unusual /Subtype in an attached file"),
    "another title": (_information(Title=Text(b"Another")), "metadata that say something else"),
    "an author of its own": (_information(Trapped=Text(b"a")), "/Trapped in the information"),
    "text in place of an element": (_element(ActualText=Text(b"a")), "an unusual /ActualText in an element"),
    "an element of an unknown kind": (_element(S=Name("Secret")), "an unusual /S in an element"),
    "an element under another": (_element(P=Ref(2)), "an unusual /P in an element"),
    "an element of another mark": (
        _element(K=[77]),
        "marks on a page|an element of a mark|a mark of another element",
    ),
    "a structure out of order": (_structure(lambda nums: nums.__setitem__(0, 5)), "a structure out of order"),
    "an object that nothing refers to": (lambda o: add(o, {}), "which nothing refers to"),
    "a reference that leads nowhere": (_in_catalog(Metadata=Ref(9999)), "no metadata where one should be"),
    "a reference to another kind": (
        lambda o: catalog(o).update(Metadata=catalog(o)["StructTreeRoot"]),
        "as metadata|as structure",
    ),
    "letters of another table": (_letters, "letters of a font that are written in an unusual way"),
    "letters of another font": (_font("ToUnicode", Ref(1)), "an unusual /ToUnicode in a font"),
    "a font under another name": (_font("BaseFont", Name("ABCDEF+Other")), "a font under another name"),
    "a drawn font": (_font("Subtype", Name("Type3")), "an unusual /Subtype in a font"),
    "a bookmark that does something": (_bookmark(A=_script()), "/A in a bookmark"),
    "a bookmark twice": (_bookmark(Next=Ref(2)), "a bookmark"),
}


def certificate(**given: Any) -> bytes:
    made: bytes = certify(new_key(), **given).public_bytes(Encoding.DER)
    return made


def _holding(text: bytes, key: Any, name: str) -> bytes:
    """A certificate that holds some bytes, and leads upwards to a root of the file."""
    builder = x509.CertificateBuilder(
        x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]),
        x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]),
        key.public_key(),
        x509.random_serial_number(),
    )
    builder = builder.not_valid_before(NOW).not_valid_after(NOW + timedelta(days=9))
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), text)
    found: bytes = (
        builder.add_extension(unknown, critical=False).sign(key, SHA256()).public_bytes(Encoding.DER)
    )
    return found


def stored(signed: bytes, authority: LocalAuthority) -> Iterator[tuple[str, bytes, str]]:
    """Files in whose store somebody put something, below a genuine time-stamp: name, file, and why it is refused."""
    stamper = stamper_of(authority)

    def seal(*more: tuple[Any, bytes]) -> bytes:
        return remade.stamped(signed, stamper, more)

    stranger = certificate(name="Stranger")
    held = remade.revisions(signed)[1][0].held.stored
    yield "a certificate of a stranger", seal(("Certs", stranger)), "issued none of the others"
    yield "a certificate twice", seal(held[0]), "something is stored twice"
    yield "no certificate", seal(("Certs", der.value(0x30))), "a certificate that cannot be read"
    yield "bytes", seal(("Certs", b"bytes")), "what is stored is not DER"
    yield "a certificate with a tail", seal(("Certs", stranger + b"\0\0")), "what is stored is not DER"
    key = new_key()
    for piece in (b"endobj", b"endstream", b"startxref", b"%%EOF", b"7 0 obj"):
        file = seal(("Certs", _holding(b"x " + piece, key, "Piece")))
        yield f"a certificate with {piece.decode()}", file, "could be taken for a piece of a file"
    root_key = new_key()
    root = certify(root_key, name="Root of a stranger")
    empty = (
        x509.CertificateRevocationListBuilder(root.subject, NOW, NOW + timedelta(days=9))
        .sign(root_key, SHA256())
        .public_bytes(Encoding.DER)
    )
    yield (
        "a list of a stranger",
        seal(("CRLs", empty)),
        "a revocation list is stored that is about no certificate",
    )
    own = (
        x509.CertificateRevocationListBuilder(authority.root.subject, NOW, NOW + timedelta(days=9))
        .sign(root_key, SHA256())
        .public_bytes(Encoding.DER)
    )
    yield (
        "a list that another signed",
        seal(("CRLs", own)),
        "a revocation list is stored that is about no certificate",
    )
    yield "a list that is none", seal(("CRLs", stranger)), "a revocation list that cannot be read"
    yield "an answer that is none", seal(("OCSPs", stranger)), "an answer that cannot be read"


def tokens(signed: bytes) -> Iterator[tuple[str, bytes, str]]:
    """Files whose last time-stamp is written otherwise, where nothing signs it: name, file, and why it is refused."""
    last = remade.revisions(signed)[-1][0].held.content

    def with_token(change: Callable[[Any], object]) -> bytes:
        info = cms.ContentInfo.load(last)
        change(info["content"])
        return remade.replaced(signed, 1, info.dump())

    def more(data: Any) -> None:
        attribute = cms.CMSAttribute({"type": "signing_time", "values": [cms.Time({"utc_time": NOW})]})
        data["signer_infos"][0]["unsigned_attrs"] = cms.CMSAttributes([attribute])

    def stranger(data: Any) -> None:
        choice = cms.CertificateChoices.load(certificate(name="Stranger"))
        data["certificates"].append(choice)

    def digests(data: Any) -> None:
        data["digest_algorithms"].append(algos.DigestAlgorithm({"algorithm": "sha512"}))

    def parameters(data: Any) -> None:
        hidden = der.value(der.OCTETS, b"hidden")
        given = der.value(der.SEQUENCE, algos.DigestAlgorithmId("sha256").dump(), hidden)
        data["digest_algorithms"] = cms.DigestAlgorithms.load(der.value(der.SET, given))

    def lists(data: Any) -> None:
        data["crls"] = cms.RevocationInfoChoices([])

    yield "an attribute that nothing signs", with_token(more), "attributes that nothing signs"
    yield "a certificate of a stranger in a token", with_token(stranger), "issued none of the others"
    yield "another digest in a token", with_token(digests), "contradicts itself"
    yield "parameters in a token", with_token(parameters), "has parameters of a digest"
    yield "lists in a token", with_token(lists), "with more than certificates"
    yield (
        "a token with a tail",
        remade.replaced(signed, 1, last + b"\1"),
        "another product|at the end are not covered|match the file",
    )


def signatures(signed: bytes, authority: LocalAuthority) -> Iterator[tuple[str, bytes, str]]:
    """Files whose signature is written otherwise, where it signs nothing, and sealed again."""
    first = remade.revisions(signed)[0][0].held.content
    stamper = stamper_of(authority)
    held = remade.revisions(signed)[1][0].held.stored

    def with_signature(change: Callable[[Any], object]) -> bytes:
        info = cms.ContentInfo.load(first)
        change(info["content"])
        file = remade.replaced(signed, 0, info.dump())
        return remade.stamped(file, stamper, held)

    def content(data: Any) -> None:
        data["encap_content_info"]["content"] = core.OctetString(b"hidden")

    def twice(data: Any) -> None:
        attributes = data["signer_infos"][0]["unsigned_attrs"]
        attributes.append(attributes[0])

    def stranger(data: Any) -> None:
        data["certificates"].append(cms.CertificateChoices.load(certificate(name="Stranger")))

    yield "content in a signature", with_signature(content), "something else than Exhibit writes into it"
    yield "two time-stamps of a signature", with_signature(twice), "another unsigned attribute"
    yield "a certificate of a stranger in a signature", with_signature(stranger), "issued none of the others"
    assert read_signature(first).dump() == first

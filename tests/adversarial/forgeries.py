"""Briefings whose pages their own signatory made into something else; `seals` has those with other updates.

Each is signed as a briefing is, and differs from one in one thing.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from typing import Any
from unittest.mock import patch as patched

import pytest
from cryptography import x509

from reports.pages.assets import Resources
from reports.pages.render import DocumentMetadata, render_pdf
from reports.pdf.pages import HEADER, Stream, read_pages
from reports.pdf.syntax import Name, Ref, Text
from reports.signing import sign as sign_module
from reports.signing.keys import LocalAuthority
from reports.verification.signature import verify
from tests.adversarial.matrix import NAMES, SVG
from tests.support.fonts import picture, saved
from tests.support.pages import (
    Objects,
    Raw,
    add,
    attach,
    catalog,
    changed,
    data,
    objects_of,
    stream,
    value,
    written,
)
from tests.support.pki import NOW, reading, sign_locally

Change = Callable[[Objects], object]
LINKED = (
    "<html lang=en><title>Briefing</title><h1 id=top>Briefing</h1>"
    "<p>Nothing <a href='https://a.example/'>happened</a>, <a href='#top'>as it was</a>.</p></html>"
)


@dataclass(frozen=True)
class Forgery:
    """A file that is not valid in one verdict, and what is said of it there, under some bounds in place of ours."""

    name: str
    pdf: bytes
    why: str
    check: str = "integrity"
    trust: tuple[x509.Certificate, ...] = ()
    now: datetime = field(default_factory=reading)
    bounds: Mapping[str, int] = field(default_factory=dict)

    def told(self, verify: Any = verify) -> tuple[str, str]:
        """The outcome and the detail."""
        with ExitStack() as stack:
            for name, bound in self.bounds.items():
                stack.enter_context(patched(name, bound))
            (found,) = [each for each in verify(self.pdf, self.trust, self.now) if each.check == self.check]
        return found.outcome, found.detail


@cache
def linked() -> bytes:
    """A page with a link to an address and one to a place on it."""
    about = DocumentMetadata("Briefing", "EX-1", "Somebody", NOW)
    return render_pdf(LINKED, resources=Resources(), metadata=about)


@cache
def rich() -> bytes:
    """Two pages with whatever can stand on one: pictures, a gradient, a mask, a pattern, names in other scripts."""
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
    page = LINKED.replace(
        "</p>",
        f"</p>{shown}<p style='break-before: page'>{NAMES['Arabic']}{NAMES['Hindi']}{NAMES['Chinese']}</p>",
    )
    about = DocumentMetadata("Briefing", "EX-1", "Somebody", NOW)
    return render_pdf(page, resources=Resources(), metadata=about)


def _jpeg(**entries: Any) -> Change:
    """Something else in the dictionary of the JPEG."""

    def change(objects: Objects) -> None:
        for number, held in _streams(objects, "Filter", "DCTDecode"):
            objects[number] = Stream({**held.entries, **entries}, held.raw)

    return change


def _image(**entries: Any) -> Change:
    """Something else in the dictionary of the image that has a mask."""

    def change(objects: Objects) -> None:
        number, held = _masked(objects)
        objects[number] = Stream({**held.entries, **entries}, held.raw)

    return change


def _masked(objects: Objects) -> tuple[int, Stream]:
    return next(
        (n, each) for n, each in objects.items() if isinstance(each, Stream) and "SMask" in each.entries
    )


def _mask_that_is_drawn(objects: Objects) -> None:
    _resources(objects)["XObject"]["i9"] = _masked(objects)[1].entries["SMask"]


def _pattern(**entries: Any) -> Change:
    """Something else in the last pattern, that of tiles."""

    def change(objects: Objects) -> None:
        *_, (number, held) = _streams(objects, "Type", "Pattern")
        objects[number] = Stream({**held.entries, **entries}, held.raw)

    return change


def _shading(**entries: Any) -> Change:
    return lambda objects: _having(objects, "ShadingType").update(entries)


def _pages_out_of_order(objects: Objects) -> None:
    """The second page first, and all that goes with that."""
    kids = objects[catalog(objects)["Pages"]]["Kids"]
    kids.reverse()
    for place, kid in enumerate(kids):
        objects[kid]["StructParents"] = place
    _structure(lambda nums: nums.insert(1, nums.pop(3)) or nums.insert(3, nums.pop(2)))(objects)


def _page_of_its_own(objects: Objects) -> None:
    _, second = objects[catalog(objects)["Pages"]]["Kids"]
    objects[second]["Resources"] = add(objects, dict(_resources(objects)))


def signed_anyway(unsigned: bytes, authority: LocalAuthority, change: Change) -> bytes:
    """Pages with a change, signed though they are none of a briefing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sign_module, "check_pages", lambda _: None)
        return sign_locally(changed(unsigned, change), authority)


def _named(objects: Objects, kind: str) -> dict[str, Any]:
    """The first object of a kind."""
    return next(each for each in objects.values() if type(each) is dict and each.get("Type") == kind)


def _streams(objects: Objects, key: str, told: str) -> Iterator[tuple[int, Any]]:
    return ((n, each) for n, each in objects.items() if getattr(each, "entries", {}).get(key) == told)


def _page(objects: Objects) -> tuple[int, dict[str, Any]]:
    (number,) = objects[catalog(objects)["Pages"]]["Kids"][:1]
    return number, objects[number]


def with_language(text: bytes) -> Change:
    return _in_catalog(Lang=Text(text))


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


def nesting(depth: int) -> Change:
    """Content that is so deep in itself."""
    return _content(b"\n".join([b"q"] * depth + [b"Q"] * depth))


def many_pictures(objects: Objects) -> None:
    """More values in streams than in all other objects."""
    told = {"Type": Name("XObject"), "Subtype": Name("Image"), "Width": 1, "Height": 1, "BitsPerComponent": 8}
    told |= {"ColorSpace": Name("DeviceGray"), "Interpolate": False}
    parameters = {"Predictor": 15, "Columns": 1}
    for each in range(60):
        _resources(objects)["XObject"][f"i{each}"] = add(
            objects, stream(b"\0\0", **told, DecodeParms=parameters)
        )


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
    resources: dict[str, Any] = {key: {} for key in ("ExtGState", "XObject", "Pattern", "Shading")}
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


def _font(key: str, given: Any) -> Change:
    def change(objects: Objects) -> None:
        next(e for e in objects.values() if type(e) is dict and e.get("Subtype") == "Type0")[key] = given

    return change


def _letters(objects: Objects) -> None:
    font = next(e for e in objects.values() if type(e) is dict and e.get("Subtype") == "Type0")
    old = data(objects[font["ToUnicode"]])
    objects[font["ToUnicode"]] = stream(old.replace(b"endcmap", b"/a usecmap\nendcmap"))


def _bookmark(**entries: Any) -> Change:
    return lambda objects: _having(objects, "Title", "Dest").update(entries)


def _having(objects: Objects, *keys: str) -> dict[str, Any]:
    """The first dictionary with such keys."""
    return next(e for e in objects.values() if type(e) is dict and all(key in e for key in keys))


def _destinations(change: Callable[[list[Any]], object]) -> Change:
    return lambda objects: change(catalog(objects)["Names"]["Dests"]["Names"])


def _two_files(change: Callable[[Objects, list[Any], list[dict[str, Any]]], object]) -> Change:
    """Two attachments that say the same, with a change of the objects, the list, and what is listed."""

    def changed_list(objects: Objects) -> None:
        attach(objects, dict.fromkeys(("campaigns.csv", "days.csv"), b"a,b\r\n"))
        listed = objects[catalog(objects)["Names"]["EmbeddedFiles"]]["Names"]
        change(objects, listed, [objects[each] for each in listed[1::2]])
        catalog(objects)["AF"] = listed[1::2]

    return changed_list


def _one_file_for_two(objects: Objects, _: list[Any], specs: list[dict[str, Any]]) -> None:
    objects[specs[1]["EF"]["F"]] = None
    specs[1]["EF"] = specs[0]["EF"]


def _fonts(objects: Objects) -> dict[str, Any]:
    found: dict[str, Any] = objects[_resources(objects)["Font"]]
    return found


def _other_family(objects: Objects) -> None:
    for each in (_having(objects, "CIDToGIDMap"), _having(objects, "FontFamily")):
        each["FontName" if "FontName" in each else "BaseFont"] = Name("ABCDEF+Other")


def _font_file(key: str) -> Change:
    """A font file that begins otherwise."""

    def change(objects: Objects) -> None:
        number = _having(objects, key)[key]
        told = {
            name: each for name, each in objects[number].entries.items() if name in ("Subtype", "Length1")
        }
        objects[number] = stream(b"none" + data(objects[number])[4:], **told)

    return change


def encoded(text: bytes) -> Change:
    """A font with an encoding of its own, written again at the end."""

    def change(objects: Objects) -> None:
        (key, old), *_ = _fonts(objects).items()
        font = objects[old]
        descendant = objects[font["DescendantFonts"][0]]
        system = {"Registry": Text(b"Adobe"), "Ordering": Text(b"Identity"), "Supplement": 0}
        letters = add(objects, objects[font["ToUnicode"]])
        described = add(objects, objects[descendant["FontDescriptor"]])
        below = add(objects, {**descendant, "FontDescriptor": described})
        told = {"Type": Name("CMap"), "CMapName": Name("WP-Encod-0"), "CIDSystemInfo": system}
        encoding = add(objects, stream(text, **told))
        made = {"ToUnicode": letters, "Encoding": encoding, "DescendantFonts": [below]}
        _fonts(objects)[key] = add(objects, {**font, **made})
        for left in (old, font["ToUnicode"], font["DescendantFonts"][0], descendant["FontDescriptor"]):
            objects[left] = None

    return change


# An encoding as WeasyPrint writes it.
ENCODING = (
    b"/CIDInit /ProcSet findresource begin\n12 dict begin\nbegincmap\n/CIDSystemInfo\n3 dict dup begin\n"
    b"/Registry (Adobe) def\n/Ordering (Identity) def\n/Supplement 0 def\nend def\n/CMapName /WP-Encod-0 def\n"
    b"/CMapType 1 def\n1 begincodespacerange\n<0000> <ffff>\nendcodespacerange\nendcmap\n"
    b"CMapName currentdict /CMap defineresource pop\nend\nend"
)


def _kids(objects: Objects, kind: str) -> list[Any]:
    """What is below the first element of a kind."""
    return next(e["K"] for e in objects.values() if type(e) is dict and e.get("S") == kind)


def _without_element(objects: Objects) -> None:
    """A link that the structure does not have."""
    objects[_kids(objects, "Link").pop(0)] = None
    _structure(lambda nums: nums.__delitem__(slice(2, 4)))(objects)


def _top(objects: Objects) -> dict[str, Any]:
    """The element above all others."""
    return next(e for e in objects.values() if type(e) is dict and e.get("S") == "Document")


def _mark_of_two(objects: Objects) -> None:
    _top(objects).update(K=[*_top(objects)["K"], 0], Pg=_having(objects, "K", "Pg")["Pg"])


def _with_resources(held: Any, *keys: str) -> Change:
    """A picture more, with one object as several kinds of resources."""

    def change(objects: Objects) -> None:
        _drawn()(objects)
        picture = objects[_resources(objects)["XObject"]["x0"]]
        objects[picture.entries["Resources"]] |= dict.fromkeys(keys, add(objects, held))

    return change


def _drawings_out_of_order(objects: Objects) -> None:
    pictures = _resources(objects)["XObject"]
    first, second = _form(objects), _form(objects)
    pictures.update(x0=second, x1=first)


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
    "a second output intent": (
        lambda o: catalog(o)["OutputIntents"].append(catalog(o)["OutputIntents"][0]),
        "more than one output intent",
    ),
    "an output intent that is none": (
        _in_catalog(OutputIntents=[1]),
        "the output intent that is not a dictionary",
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
    "a list of pages of another length": (
        lambda o: o[catalog(o)["Pages"]].update(Count=2),
        "a list of pages that is inconsistent",
    ),
    "content of another number": (_on_page(Contents=Ref(1)), "an unusual /Contents in a page"),
    "a page twice": (
        lambda o: o[catalog(o)["Pages"]]["Kids"].append(o[catalog(o)["Pages"]]["Kids"][0]),
        "a list of pages that is inconsistent",
    ),
    "a page out of order": (_on_page(StructParents=7), "a page out of order"),
    "a page of which a corner is shown": (
        _on_page(MediaBox=[0, 0, 9, 9]),
        "a page whose boxes do not lie within each other",
    ),
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
        "a link that is neither https: nor mailto:",
    ),
    "a link that says another address": (
        _link(Contents=Text(b"https://b.example/")),
        "a link to another address than it shows",
    ),
    "a link to two places": (_link(Dest=Text(b"top")), "a link with no target, or with two"),
    "a link to nowhere": (
        lambda o: _having(o, "Dest", "Rect").update(Dest=Text(b"nowhere")),
        "a link to a place that does not exist",
    ),
    "a link without an element": (_without_element, "a link that is not in the structure"),
    "a link of another place": (_link(StructParent=99), "a link that belongs to another element, or to none"),
    "annotations out of order": (
        lambda o: _page(o)[1]["Annots"].reverse(),
        "annotations out of order on a page",
    ),
    "a destination twice": (
        lambda o: catalog(o)["Names"]["Dests"]["Names"].extend(catalog(o)["Names"]["Dests"]["Names"][:2]),
        "two destinations with the same name",
    ),
    "a destination that is none": (
        lambda o: catalog(o)["Names"]["Dests"]["Names"].__setitem__(1, {"D": []}),
        "a destination that is not a place on a page",
    ),
    "a destination of another kind": (
        _destinations(lambda names: names[1].__setitem__(1, Name("Fit"))),
        "a destination that is not a place on a page",
    ),
    "a destination without a name": (
        _destinations(lambda names: names.extend([5, names[1]])),
        "destinations without names",
    ),
    "a destination whose name has two lines": (
        _destinations(lambda names: names.extend([Text(b"a\nb"), names[1]])),
        "a destination whose name is not a single line",
    ),
    "color spaces that are not a dictionary": (
        _with_resources([], "ColorSpace"),
        "color spaces that are not a dictionary",
    ),
    "fonts that are not a dictionary": (_with_resources([], "Font"), "fonts that are not a dictionary"),
    "pictures out of order": (_drawings_out_of_order, "resources out of order"),
    "a picture that is none": (
        lambda o: _resources(o)["XObject"].update(x0=add(o, {})),
        ", which should be a picture",
    ),
    "fonts that are color spaces, too": (_with_resources({}, "ColorSpace", "Font"), " and as another kind"),
    "a layer in the resources": (lambda o: _resources(o).update(Properties={}), "/Properties in resources"),
    "a picture that is a layer": (_drawn(OC={"Type": Name("OCG")}), "/OC in a picture"),
    "a picture from another file": (_drawn(Ref={"F": Text(b"a.pdf")}), "/Ref in a picture"),
    "a picture in PostScript": (_drawn(PS=Ref(1)), "/PS in a picture"),
    "a picture that contains itself": (_in_itself, "a picture that contains itself"),
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
        "content that is written in an unusual way: ",
    ),
    "half a character in place of an element": (
        _element(ActualText=Text(b"\xfe\xff\x05\xd0\xd8\x3d")),
        "text that cannot be read",
    ),
    "the language of the document": (_element(Lang=Text(b"en-US")), "an unusual /Lang in an element"),
    "a language that is none": (_element(Lang=Text(b"en_US")), "an unusual /Lang in an element"),
    "a layer in the content": (
        _content(b"/OC\n/Layer\nBDC\nEMC"),
        "content that is written in an unusual way: ",
    ),
    "a picture in the content": (
        _content(b"BI\n/W 1\nID\nx\nEI"),
        "content that is written in an unusual way: ",
    ),
    "a comment in the content": (_content(b"% more"), "content that is written in an unusual way: "),
    "two operators on a line": (_content(b"q Q"), "content that is written in an unusual way: "),
    "a picture that is not there": (_content(b"/x99 Do"), "content that uses x99"),
    "a state that is not there": (
        _content(b"/s99 gs"),
        "content that uses s99, which is not among its resources",
    ),
    "content that ends what it did not begin": (_content(b"Q"), "content that is nested in an unusual way"),
    "content that does not end": (_content(b"q"), "content that does not end what it begins"),
    "a mark that nothing reads": (
        _content(b"/Span\n<</MCID 999>>\nBDC\nEMC"),
        "marks on a page that are not in the structure",
    ),
    "an attachment of another name": (
        _attached("notes.txt"),
        "an attachment 'notes.txt', which a briefing does not have",
    ),
    "attachments out of order": (
        _two_files(lambda _, names, __: names.extend([names.pop(0), names.pop(0)])),
        "attachments out of order",
    ),
    "an attachment twice": (
        _two_files(lambda _, names, __: names.__setitem__(3, names[1])),
        "an attachment that appears twice",
    ),
    "a file of two attachments": (_two_files(_one_file_for_two), "an attachment that appears twice"),
    "a file and no list": (_in_catalog(AF=[Ref(1)]), "a file that is not among the attachments"),
    "an attachment under two names": (_spec(UF=Text(b"b.csv")), "an unusual /UF in an attachment"),
    "an attachment and its other": (_spec(EF={"F": Ref(1), "UF": Ref(2)}), "/UF in an attachment"),
    "an attachment that is not associated": (_unlisted, "a file that is not among the attachments"),
    "a file of another size": (_file(Params={"Size": 1}), "an attached file"),
    "a file of another kind": (_file(Subtype=Name("text/html")), "an unusual /Subtype in an attached file"),
    "another title": (
        _information(Title=Text(b"Another")),
        "metadata that differ from its document information",
    ),
    "a title that is no text": (_information(Title=1), "text that cannot be read"),
    "metadata that are no stream": (
        lambda o: catalog(o).update(Metadata=add(o, {})),
        ", which should be a stream",
    ),
    "a reference to what holds others": (
        lambda o: catalog(o).update(Metadata=Ref(max(o) + 1)),
        "a reference into the cross-reference",
    ),
    "an author of its own": (_information(Trapped=Text(b"a")), "/Trapped in the information"),
    "text in place of an element": (_element(ActualText=Text(b"a")), "an unusual /ActualText in an element"),
    "an element of an unknown kind": (_element(S=Name("Secret")), "an unusual /S in an element"),
    "an element under another": (_element(P=Ref(2)), "an unusual /P in an element"),
    "an element that belongs to no page": (
        lambda o: _top(o).update(Pg=Ref(2)),
        "an element that belongs to no page",
    ),
    "an element twice": (lambda o: _kids(o, "H1").extend(_kids(o, "H1")), "an element that appears twice"),
    "an element of another mark": (_element(K=[77]), "a mark that belongs to another element"),
    "an element of one mark more": (
        lambda o: _kids(o, "Span").append(77),
        "an element for a mark that does not exist",
    ),
    "a mark that belongs to another element": (
        _structure(lambda nums: nums[1].insert(0, nums[1].pop(1))),
        "a mark that belongs to another element",
    ),
    "a mark of two elements": (_mark_of_two, "a mark that belongs to two elements"),
    "places that are none": (
        _structure(lambda nums: nums.__setitem__(1, 5)),
        "a structure out of order",
    ),
    "a structure with two tops": (
        lambda o: _having(o, "ParentTree").update(K=_having(o, "ParentTree")["K"] * 2),
        "a structure with more than one root",
    ),
    "a structure out of order": (_structure(lambda nums: nums.__setitem__(0, 5)), "a structure out of order"),
    "an object that nothing refers to": (lambda o: add(o, {}), ", which nothing refers to"),
    "a reference that leads nowhere": (_in_catalog(Metadata=Ref(9999)), "no metadata where one should be"),
    "a reference to another kind": (
        lambda o: catalog(o).update(Metadata=catalog(o)["StructTreeRoot"]),
        " and as another kind",
    ),
    "letters of another table": (_letters, "letters of a font that are written in an unusual way"),
    "letters of another font": (_font("ToUnicode", Ref(1)), "an unusual /ToUnicode in a font"),
    "a font under another name": (_font("BaseFont", Name("ABCDEF+Other")), "a font under another name"),
    "a font under two names": (
        lambda o: _fonts(o).update(ABCDEF=next(iter(_fonts(o).values()))),
        "a font under another name",
    ),
    "a font of another family": (_other_family, "a font under another name"),
    "a font without its widths": (
        lambda o: _having(o, "W").update(W=[-1, [500]]),
        "a font without its widths",
    ),
    "a font file in another format": (_font_file("FontFile3"), "a font file in another format"),
    "an encoding of another table": (
        encoded(ENCODING.replace(b"endcmap", b"/a usecmap\nendcmap")),
        "an encoding that is written in an unusual way",
    ),
    "a drawn font": (_font("Subtype", Name("Type3")), "an unusual /Subtype in a font"),
    "a bookmark that does something": (_bookmark(A=_script()), "/A in a bookmark"),
    "a bookmark twice": (_bookmark(Next=Ref(1)), "a bookmark that appears twice"),
    "a bookmark out of order": (_bookmark(Prev=Ref(1)), "bookmarks out of order"),
    "a bookmark that counts one too many": (_bookmark(Count=1), "a wrong count of bookmarks"),
    "bookmarks that end elsewhere": (
        lambda o: _having(o, "First").update(Last=Ref(1)),
        "bookmarks out of order",
    ),
    "a bookmark that has a last below it and no first": (
        _bookmark(Last=Ref(1)),
        "a bookmark that is inconsistent",
    ),
}


PICTURES: dict[str, tuple[Change, str]] = {
    "a JPEG of another size": (_jpeg(Width=59), "a JPEG image that differs from its description"),
    "a JPEG of other colors": (
        _jpeg(ColorSpace=Name("DeviceGray")),
        "a JPEG image that differs from its description",
    ),
    "an image of another height": (_image(Height=21), "an image whose data do not fit its stated size"),
    "an image with another predictor": (
        _image(DecodeParms={"Predictor": 12, "Columns": 60, "Colors": 3}),
        "an image that is compressed in an unusual way",
    ),
    "a mask that is none": (
        _image(SMask=Ref(9999)),
        "something other than a stream where a stream should be",
    ),
    "a mask that is drawn, too": (_mask_that_is_drawn, "an image mask that is also used as something else"),
    "a shading in an unknown color": (_shading(ColorSpace=Name("Pattern")), "an unusual color space"),
    "a shading in colors of another kind": (
        _shading(ColorSpace=[Name("Lab"), Ref(3)]),
        "an unusual color space",
    ),
    "a shading without its end": (_shading(Coords=[0, 0, 1]), "a shading without its coordinates"),
    "a TrueType font file that is none": (_font_file("FontFile2"), "a font file in another format"),
    "a pattern whose tiles overlap": (_pattern(XStep=1), "a pattern whose tiles overlap"),
    "a pattern without a step": (_pattern(YStep=0), "a pattern whose tiles overlap"),
    "pages out of order": (_pages_out_of_order, "pages out of order"),
    "a page with its own resources": (_page_of_its_own, "a page with its own resources"),
    "an element of a link of another page": (
        lambda o: _having(o, "Obj").update(Pg=o[catalog(o)["Pages"]]["Kids"][1]),
        "an element for a link that is not its own",
    ),
}


Spelling = Callable[[bytes], bytes]


def _spelt(change: Change = len, trailer: Callable[[Any], Any] = dict, **how: Any) -> Spelling:
    """Pages that are written again in another way."""

    def spell(unsigned: bytes) -> bytes:
        pages = read_pages(unsigned)
        objects = objects_of(pages)
        change(objects)
        return written(objects, trailer(pages.trailer), **how)

    return spell


def _put(old: bytes, new: Any) -> Spelling:
    """Pages with other bytes in the place of some of the file."""
    return lambda unsigned: once(old, new, _spelt()(unsigned))


def once(old: bytes, new: Any, text: bytes) -> bytes:
    found, times = re.subn(old, new, text, count=1)
    assert times
    return found


def _rewritten(old: bytes, new: bytes) -> Spelling:
    """Pages with other bytes in the place of some of an object that is no stream."""

    def change(objects: Objects) -> None:
        texts = ((n, value(each)) for n, each in objects.items() if not isinstance(each, Stream))
        number, text = next((n, text) for n, text in texts if re.search(old, text))
        objects[number] = Raw(once(old, new, text))

    return _spelt(change)


def _deflated(change: Callable[[bytes], bytes]) -> Spelling:
    """Pages whose metadata are deflated otherwise."""

    def deflated(objects: Objects) -> None:
        for number, held in _streams(objects, "Type", "Metadata"):
            raw = change(held.raw)
            objects[number] = Stream({**held.entries, "Length": len(raw)}, raw)

    return _spelt(deflated)


def _to_the_end(kind: type) -> Spelling:
    """Pages whose first object of a kind comes last."""

    def change(objects: Objects) -> None:
        number = next(n for n, each in objects.items() if type(each) is kind)
        objects[number] = objects.pop(number)

    return _spelt(change)


def signed_as_it_is(unsigned: bytes, authority: LocalAuthority, spelling: Spelling) -> bytes:
    """Pages in another spelling, signed by somebody who reads them all the same."""
    pdf, pages = spelling(unsigned), read_pages(unsigned)
    *_, section = re.finditer(
        rb"(?<=\n)\d+ 0 obj\n(?=<<.*/Size (\d+))(?=<<.*/ID \[\((\w+)\) \((\w+)\)\])", pdf
    )
    size, *ids = section.groups()
    trailer = {**pages.trailer, "Size": int(size), "ID": [Text(each) for each in ids]}
    told = replace(pages, length=len(pdf), startxref=section.start(), trailer=trailer)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sign_module, "read_pages", lambda _: told)
        patch.setattr(sign_module, "check_pages", lambda _: None)
        return sign_locally(pdf, authority)


SPELLINGS: dict[str, tuple[Spelling, str]] = {
    "an object with a space behind it": (
        _rewritten(rb">>$", b">> "),
        "an object that continues after its end",
    ),
    "a stream with an array for a dictionary": (
        _put(rb" 0 obj\n<<", b" 0 obj\n[["),
        "a stream without a dictionary",
    ),
    "a number with a sign": (
        _rewritten(rb"/Count 1", b"/Count +1"),
        "an object that is written in an unusual way: ",
    ),
    "a dictionary with space in it": (
        _rewritten(rb"<</Count", b"<< /Count"),
        "a dictionary that is written in an unusual way: ",
    ),
    "a key twice": (_rewritten(rb"(/Marked true)", rb"\1\1"), " twice in one dictionary"),
    "an array in two lines": (
        _rewritten(rb"(/MediaBox \[\d+) ", rb"\1\n"),
        "an array that is written in an unusual way",
    ),
    "a name with an escape that it does not need": (
        _rewritten(rb"/Tabs /S", b"/Tabs /#53"),
        "a name that is written in an unusual way: /",
    ),
    "a number that is too large": (_spelt(_bookmark(Count=2**31)), "a number that is too large"),
    "arrays 17 deep": (
        _rewritten(rb"/Lang \(en-US\)", b"/Lang " + b"[" * 16 + b"1" + b"]" * 16),
        "objects nested more than ",
    ),
    "an older version": (_spelt(first=HEADER.replace(b"7", b"4")), "a different first line"),
    "a comment at the end": (
        _put(rb"startxref\n", b"% more\nstartxref\n"),
        "something between its objects, or an unusual end, at byte ",
    ),
    "an end that points to the first object": (
        _put(rb"startxref\n\d+", b"startxref\n%d" % len(HEADER)),
        "an end that does not point to its cross-reference",
    ),
    "streams out of order": (_to_the_end(Stream), " out of order"),
    "a stream that begins on the line of its dictionary": (
        _put(rb">>\nstream", b">> stream"),
        ", which is not a stream",
    ),
    "a stream that ends otherwise": (
        _put(rb"endstream\nendobj", b"endstream\rendobj"),
        "a stream that is longer or shorter than stated, object ",
    ),
    "a stream that cannot be decompressed": (
        _deflated(lambda raw: b"\0\0" + raw[2:]),
        "a stream that cannot be decompressed",
    ),
    "a stream with a tail": (
        _deflated(lambda raw: raw + b"x"),
        "a stream that does not end where its data end",
    ),
    "a stream in another filter": (
        _put(rb"/Subtype /XML/Filter /FlateDecode", b"/Subtype /XML/Filter /FlateDecodE"),
        "a stream that is compressed in an unusual way",
    ),
    "an object stream with its keys in another order": (
        _put(rb"/Type /ObjStm(/N \d+)", rb"\1/Type /ObjStm"),
        "no object stream where one should be",
    ),
    "an object stream of another number": (
        _put(rb"(?<=/Type /ObjStm/N )\d", lambda found: b"%d" % (int(found[0]) % 9 + 1)),
        "an object stream that is inconsistent",
    ),
    "an object stream with a tab in its first line": (
        _spelt(body=lambda body: body.replace(b" ", b"\t", 1)),
        "an object stream whose first line is written in an unusual way",
    ),
    "an object stream with a space between its objects": (
        _spelt(body=lambda body: body.replace(b">>\n<<", b">> <<", 1)),
        "an object stream with something between its objects",
    ),
    "objects out of order": (_to_the_end(dict), "an object stream whose objects are out of order"),
    "a cross-reference with its keys in another order": (
        _put(rb"/Type /XRef(/Index \[0 \d+\])", rb"\1/Type /XRef"),
        "a cross-reference stream with unusual entries",
    ),
    "a cross-reference of wide rows": (_spelt(widths=(1, 5, 2)), "a cross-reference of unusual widths"),
    "a cross-reference without itself": (
        lambda unsigned: _spelt(size=read_pages(unsigned).trailer["Size"] - 1)(unsigned),
        "objects that are missing from its cross-reference, or entries there without an object",
    ),
    "metadata by their number alone": (
        _spelt(trailer=lambda trailer: {**trailer, "Info": int(trailer["Info"])}),
        "a cross-reference stream without a catalog, or without metadata",
    ),
    "an identifier in capitals": (
        _spelt(trailer=lambda trailer: {**trailer, "ID": [Text(each.upper()) for each in trailer["ID"]]}),
        "an identifier of an unusual kind",
    ),
    "a cross-reference that points elsewhere": (
        _spelt(rows=lambda rows: rows[:-1] + b"\1"),
        "a cross-reference that does not point to its objects",
    ),
}


def every(authority: LocalAuthority) -> Iterator[Forgery]:
    """All of them."""
    for base, table in ((linked(), PAGES), (rich(), PICTURES)):
        for name, (change, why) in table.items():
            yield Forgery(name, signed_anyway(base, authority, change), why)
    for name, (spelling, why) in SPELLINGS.items():
        yield Forgery(name, signed_as_it_is(linked(), authority, spelling), why)

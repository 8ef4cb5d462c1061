"""What the objects of unsigned pages may be, and what may refer to what: anything else is not a briefing.

`docs/inside-the-pdf.md` has the same in words. It is what WeasyPrint, and `render` after it, write for what
templates may ask for: no layers, scripts, forms, actions, pictures from elsewhere, alternates, and nothing that no page
needs. Each object has one kind, each reference leads to an object of the kind that belongs there, and each object is
referred to.
"""

from __future__ import annotations

import codecs
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from unicodedata import bidirectional
from xml.sax.saxutils import escape

from reports.pdf import content
from reports.pdf.pages import Meter, Pages, Stream, TooMuchError
from reports.pdf.syntax import Name, Real, Ref, Text, Value, WrittenOtherwiseError

MOST_PAGES = 10_000
MOST_STEPS = 200_000
MOST_CONTENT = 24 * 2**20  # total bytes of drawn content
ROUNDED = 0.00001  # rounding error of a difference of two numbers with six decimals
FILES = {
    "accounts.csv": "text/csv",
    "briefing.json": "application/json",
    "campaigns.csv": "text/csv",
    "days.csv": "text/csv",
    "evidence.json": "application/vnd.in-toto+json",
}
TAGS = frozenset(
    {
        *("Document", "Part", "Art", "Sect", "Div", "BlockQuote", "P", "Span", "Link", "Figure", "Caption"),
        *("H1", "H2", "H3", "H4", "H5", "H6", "L", "LI", "Lbl", "LBody", "NonStruct"),
        *("Table", "TR", "TH", "TD", "THead", "TBody", "TFoot"),
    }
)
BLENDS = frozenset(
    {
        *(
            "Normal",
            "Multiply",
            "Screen",
            "Overlay",
            "Darken",
            "Lighten",
            "ColorDodge",
            "ColorBurn",
            "HardLight",
        ),
        *("SoftLight", "Difference", "Exclusion", "Hue", "Saturation", "Color", "Luminosity"),
    }
)
SCHEMES = ("https:", "mailto:")
# The PDF/UA-1 identifier in the metadata, and the end of the packet.
UA_PACKETS = frozenset({"25f5a788a5f0d5c11e07efb98d07cde56c33aa9995816e2c726382646aaa2a40"})

_LANGUAGE = re.compile(rb"[a-zA-Z]{1,8}(?:-[a-zA-Z0-9]{1,8})*+")  # BCP 47

Check = Callable[[Value], bool]


class NotPlainError(Exception):
    """The pages contain something that no briefing contains; the message says what and where."""


def check_pages(pages: Pages) -> None:
    """Raise `NotPlainError` for anything that no briefing has, and what `reports.pdf.pages` does for a stream."""
    _Walk(pages).check()


def embedded_files(pages: Pages) -> Iterator[tuple[str, Stream]]:
    """The attached files by name, as they are in the file; raises `NotPlainError` if there is no list of them."""
    names = pages.root.get("Names", {})
    if "EmbeddedFiles" not in names:
        return
    try:
        listed = pages.objects[names["EmbeddedFiles"]]["Names"]
        for name, spec in zip(listed[::2], listed[1::2], strict=True):
            yield name.decode("ascii"), _stream(pages, pages.objects[spec]["EF"]["F"])
    except (KeyError, TypeError, ValueError, AttributeError):
        raise NotPlainError("a list of attachments that cannot be read") from None


def _stream(pages: Pages, number: Value) -> Stream:
    found = pages.objects.get(number)
    if not isinstance(found, Stream):
        raise NotPlainError("something other than a stream where a stream should be")
    return found


# Checks of one value


def _is(*allowed: object) -> Check:
    return lambda value: any(type(value) is type(each) and value == each for each in allowed)


def _name(*allowed: str) -> Check:
    return lambda value: type(value) is Name and value in allowed


def _whole(value: Value) -> bool:
    return type(value) is int


def _count(value: Value) -> bool:
    return type(value) is int and value >= 0


def _number(value: Value) -> bool:
    return type(value) in (int, Real)


def _lies_within(inner: list[float], outer: list[float]) -> bool:
    """Whether a box (left, bottom, right, top) is no larger than another, and in it."""
    return outer[0] <= inner[0] < inner[2] <= outer[2] and outer[1] <= inner[1] < inner[3] <= outer[3]


def _numbers(count: int | None = None) -> Check:
    return lambda value: type(value) is list and count in (None, len(value)) and all(map(_number, value))


def _text(value: Value) -> bool:
    return type(value) is Text


def _said(*allowed: bytes) -> Check:
    return lambda value: type(value) is Text and value in allowed


def _right_to_left(value: Value) -> bool:
    """Text that is partly right-to-left: only such text is recorded beside what is drawn."""
    return _text(value) and any(bidirectional(each) in ("R", "AL") for each in _decoded(value))


def _reference(value: Value) -> bool:
    return type(value) is Ref


def _references(value: Value) -> bool:
    return type(value) is list and all(map(_reference, value))


def _dictionary(value: Value) -> bool:
    return type(value) is dict


def _list(value: Value) -> bool:
    return type(value) is list


_FLATE = {"Filter": _name("FlateDecode"), "Length": _count}


def _shape(
    entries: Value, what: str, must: Mapping[str, Check], may: Mapping[str, Check] | None = None
) -> dict[str, Value]:
    """The entries of a dictionary that has these keys and may have those, each with such a value."""
    if type(entries) is not dict:
        raise NotPlainError(f"{what} that is not a dictionary")
    known = {**must, **(may or {})}
    for key, value in entries.items():
        if key not in known:
            raise NotPlainError(f"/{key} in {what}")
        if not known[key](value):
            raise NotPlainError(f"an unusual /{key} in {what}")
    for key in must:
        if key not in entries:
            raise NotPlainError(f"{what} without /{key}")
    return entries


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise NotPlainError(otherwise)


class _Walk:
    """Goes from the catalog to every object, once each."""

    def __init__(self, pages: Pages) -> None:
        self.pages = pages
        self.meter = Meter()
        self.kinds: dict[int, str] = {}
        self.waiting: list[tuple[int, str]] = []
        self.resources_of: dict[int, dict[str, Value]] = {}
        self.marks: dict[int, list[int]] = {}
        self.shown: dict[int, list[int]] = {}
        self.anchors: set[bytes] = set()
        self.seen: set[int] = set()
        self.steps = 0
        self.room = MOST_CONTENT
        self.kids: list[Ref] = []
        self.annotated: dict[int, int] = {}
        self.drawn: dict[int, list[int]] = {}

    def check(self) -> None:
        trailer = self.pages.trailer
        self._to(trailer["Root"], "catalog")
        while self.waiting:
            number, kind = self.waiting.pop()
            getattr(self, f"_{kind}")(number, self.pages.objects[number])
        self._information(self.pages.objects.get(trailer["Info"]))
        self.kinds[trailer["Info"]] = "information"
        self._circles()
        self._structure()
        for number, value in self.pages.objects.items():
            if number not in self.kinds and number not in self.pages.containers:
                _require(value is None, f"object {number}, which nothing refers to")

    def _to(self, reference: Value, kind: str) -> None:
        """Queue an object to be checked as one of a kind."""
        if type(reference) is not Ref or reference not in self.pages.objects:
            raise NotPlainError(f"no {kind.replace('_', ' ')} where one should be")
        if reference in self.pages.containers:
            raise NotPlainError("a reference into the cross-reference")
        if self.kinds.setdefault(int(reference), kind) != kind:
            raise NotPlainError(f"object {reference} as {kind.replace('_', ' ')} and as another kind")
        if int(reference) not in self.seen:
            self.seen.add(int(reference))
            self.waiting.append((int(reference), kind))

    def _data(self, number: int, value: Value) -> tuple[dict[str, Value], bytes]:
        """The entries of a stream and what it holds."""
        if not isinstance(value, Stream):
            raise NotPlainError(f"object {number}, which should be a stream")
        return dict(value.entries), value.inflated(self.meter)

    # The document

    def _catalog(self, number: int, value: Value) -> None:
        found = _shape(
            value,
            "the catalog",
            {
                "Type": _name("Catalog"),
                "Pages": _reference,
                "Lang": _text,
                "StructTreeRoot": _reference,
                "ViewerPreferences": _is({"DisplayDocTitle": True}),
                "MarkInfo": _is({"Marked": True}),
                "OutputIntents": _list,
                "Metadata": _reference,
            },
            {"Outlines": _reference, "Names": _dictionary, "AF": _references},
        )
        self._names(
            _shape(
                found.get("Names", {}), "the names", {}, {"EmbeddedFiles": _reference, "Dests": _dictionary}
            )
        )
        self._files(found)
        self._page_list(found["Pages"])
        (intent, *others) = found["OutputIntents"] or [None]
        _require(not others, "more than one output intent")
        told = _shape(
            intent,
            "the output intent",
            {
                "Type": _name("OutputIntent"),
                "S": _name("GTS_PDFA1"),
                "OutputConditionIdentifier": _text,
                "Info": _text,
                "DestOutputProfile": _reference,
            },
        )
        self._to(told["DestOutputProfile"], "profile")
        self._to(found["StructTreeRoot"], "structure_root")
        self._to(found["Metadata"], "metadata")
        if "Outlines" in found:
            self._outlines(found["Outlines"])

    def _names(self, names: dict[str, Value]) -> None:
        listed = _shape(names.get("Dests", {"Names": []}), "the destinations", {"Names": _list})["Names"]
        _require(len(listed) % 2 == 0 and all(map(_text, listed[::2])), "destinations without names")
        self.anchors = set(map(bytes, listed[::2]))
        _require(len(self.anchors) == len(listed) // 2, "two destinations with the same name")
        for anchor in self.anchors:
            _require(
                b"\n" not in anchor and b"\t" not in anchor, "a destination whose name is not a single line"
            )
        for place in listed[1::2]:
            self._place(place)

    def _place(self, place: Value) -> None:
        _require(
            type(place) is list
            and len(place) == 5
            and _reference(place[0])
            and _name("XYZ")(place[1])
            and all(map(_number, place[2:4]))
            and place[4] == 0,
            "a destination that is not a place on a page",
        )
        self._to(place[0], "page")

    def _page_list(self, reference: Value) -> None:
        self.kinds[int(reference)] = "page list"
        found = _shape(
            self.pages.objects.get(reference),
            "the list of pages",
            {"Type": _name("Pages"), "Kids": _references, "Count": _count},
        )
        self.kids = found["Kids"]
        if len(self.kids) > MOST_PAGES:
            raise TooMuchError(f"the file has more than {MOST_PAGES:,} pages")
        _require(0 < len(self.kids) == found["Count"], "a list of pages that is inconsistent")
        _require(self.kids == sorted(set(self.kids)), "pages out of order")
        for kid in self.kids:
            self._to(kid, "page")

    def _page(self, number: int, value: Value) -> None:
        box = _numbers(4)
        found = _shape(
            value,
            "a page",
            {
                "Type": _name("Page"),
                "Parent": _is(Ref(self.pages.root["Pages"])),
                "MediaBox": box,
                "Contents": _is(Ref(number - 1)),
                "Resources": _reference,
                "Tabs": _name("S"),
                "StructParents": _count,
                "TrimBox": box,
                "BleedBox": box,
            },
            {"Annots": _references},
        )
        _require(
            _lies_within(found["TrimBox"], found["BleedBox"])
            and _lies_within(found["BleedBox"], found["MediaBox"]),
            "a page whose boxes do not lie within each other",
        )
        _require(
            number in self.kids and found["StructParents"] == self.kids.index(Ref(number)),
            "a page out of order",
        )
        _require(
            found["Resources"] == self.pages.objects[self.kids[0]].get("Resources"),
            "a page with its own resources",
        )
        annotations = found.get("Annots", [])
        self._in_order(number, annotations)
        for each in annotations:
            self._to(each, "link")
        self._to(found["Resources"], "resources")
        self._content(number - 1, found["Resources"], page=number)

    def _in_order(self, number: int, annotations: list[Ref]) -> None:
        """A page's annotations follow it; removed ones leave their numbers unused."""
        expected = number
        for each in annotations:
            expected += 1
            while expected < each and self.pages.objects.get(expected, True) is None:
                expected += 1
            _require(each == expected, "annotations out of order on a page")

    def _link(self, number: int, value: Value) -> None:
        found = _shape(
            value,
            "an annotation",
            {
                "Type": _name("Annot"),
                "Subtype": _name("Link"),
                "Rect": _numbers(4),
                "BS": _is({"W": 0}),
                "Contents": _text,
                "StructParent": _count,
                "F": _is(4),
            },
            {"Dest": _text, "A": _dictionary},
        )
        _require(("Dest" in found) != ("A" in found), "a link with no target, or with two")
        if "Dest" in found:
            _require(bytes(found["Dest"]) in self.anchors, "a link to a place that does not exist")
            return
        action = _shape(
            found["A"], "the action of a link", {"Type": _name("Action"), "S": _name("URI"), "URI": _text}
        )
        leads = action["URI"].decode("ascii", "replace").lower()
        _require(leads.startswith(SCHEMES), "a link that is neither https: nor mailto:")
        _require(found["Contents"] == action["URI"], "a link to another address than it shows")

    def _outlines(self, reference: Value) -> None:
        """The bookmarks: a tree in which each one has its place."""
        self.kinds[int(reference)] = "bookmarks"
        top = _shape(
            self.pages.objects.get(reference),
            "the bookmarks",
            {"Count": _whole, "First": _reference, "Last": _reference},
        )
        waiting = [(Ref(reference), top)]
        while waiting:
            parent, above = waiting.pop()
            before, each, shown = None, above.get("First"), 0
            while each is not None:
                _require(int(each) not in self.kinds, "a bookmark that appears twice")
                self.kinds[int(each)] = "bookmark"
                found = _shape(
                    self.pages.objects.get(each),
                    "a bookmark",
                    {"Title": _text, "Dest": _list, "Count": _whole, "Parent": _is(Ref(parent))},
                    {"Prev": _reference, "Next": _reference, "First": _reference, "Last": _reference},
                )
                self._place(found["Dest"])
                _require(found.get("Prev") == before, "bookmarks out of order")
                _require(("First" in found) == ("Last" in found), "a bookmark that is inconsistent")
                waiting.append((each, found))
                shown += 1 + max(0, found["Count"])
                before, each = each, found.get("Next")
            _require(before == above.get("Last"), "bookmarks out of order")
            _require(
                shown == (above["Count"] if above is top else abs(above["Count"])),
                "a wrong count of bookmarks",
            )

    # The attached files

    def _files(self, catalog: dict[str, Value]) -> None:
        reference = catalog.get("Names", {}).get("EmbeddedFiles")
        associated = catalog.get("AF", [])
        if reference is None:
            _require(not associated, "a file that is not among the attachments")
            return
        self.kinds[int(reference)] = "attachments"
        listed = _shape(self.pages.objects.get(reference), "the attachments", {"Names": _list})["Names"]
        names, specs = listed[::2], listed[1::2]
        _require(all(map(_text, names)) and names == sorted(set(names)), "attachments out of order")
        _require(len(names) == len(specs) and associated == specs, "a file that is not among the attachments")
        for name, spec in zip(names, specs, strict=True):
            self._file(name.decode("ascii", "replace"), spec)

    def _file(self, name: str, spec: Value) -> None:
        _require(name in FILES, f"an attachment {name[:40]!r}, which a briefing does not have")
        _require(_reference(spec) and int(spec) not in self.kinds, "an attachment that appears twice")
        self.kinds[int(spec)] = "attachment"
        text = _said(name.encode())
        found = _shape(
            self.pages.objects.get(spec),
            "an attachment",
            {
                "Type": _name("Filespec"),
                "F": text,
                "UF": text,
                "EF": _dictionary,
                "Desc": _text,
                "AFRelationship": _name("Data", "Source", "Supplement"),
            },
        )
        held = _shape(found["EF"], "an attachment", {"F": _reference})["F"]
        _require(int(held) not in self.kinds, "an attachment that appears twice")
        self.kinds[int(held)] = "attached file"
        entries, data = self._data(held, self.pages.objects.get(held))
        told = _shape(
            entries,
            "an attached file",
            {"Type": _name("EmbeddedFile"), "Subtype": _name(FILES[name]), "Params": _dictionary, **_FLATE},
        )
        digest = hashlib.md5(data, usedforsecurity=False).digest()
        _shape(
            told["Params"],
            "an attached file",
            {"CheckSum": _said(digest), "Size": _is(len(data)), "CreationDate": _text, "ModDate": _text},
        )

    # What is drawn

    def _resources(self, number: int, value: Value) -> None:
        found = _shape(
            value,
            "resources",
            {
                "ExtGState": _dictionary,
                "XObject": _dictionary,
                "Pattern": _dictionary,
                "Shading": _dictionary,
                "ColorSpace": _reference,
                "Font": _reference,
            },
        )
        self._to(found["ColorSpace"], "colors")
        self._to(found["Font"], "fonts")
        self.drawn.setdefault(number, [])
        for kind, told in (("XObject", "drawn"), ("Pattern", "pattern"), ("Shading", "shading")):
            made = []
            for key, each in found[kind].items():
                self._to(each, told)
                self.drawn[number].append(int(each))
                made += [each] if not key.startswith("i") else []
            _require(made == sorted(set(made)), "resources out of order")
        for state in found["ExtGState"].values():
            self._state(state, found["XObject"])

    def _state(self, state: Value, drawn: dict[str, Value]) -> None:
        found = _shape(
            state,
            "a graphics state",
            {},
            {
                "ca": _number,
                "CA": _number,
                "Type": _name("ExtGState"),
                "BM": _name(*BLENDS),
                "SMask": _dictionary,
                "AIS": _is(False),
            },
        )
        if "SMask" in found:
            mask = _shape(
                found["SMask"],
                "a mask",
                {"Type": _name("Mask"), "S": _name("Luminosity", "Alpha"), "G": _reference},
            )
            _require(mask["G"] in drawn.values(), "a mask that is not among the resources")

    def _drawn(self, number: int, value: Value) -> None:
        if not isinstance(value, Stream):
            raise NotPlainError(f"object {number}, which should be a picture")
        if value.entries.get("Subtype") == "Image":
            self._image(value)
            return
        found = _shape(
            dict(value.entries),
            "a picture",
            {
                "Type": _name("XObject"),
                "Subtype": _name("Form"),
                "BBox": _numbers(4),
                "Resources": _reference,
                "Group": _dictionary,
                **_FLATE,
            },
        )
        group = _shape(
            found["Group"],
            "a group",
            {"Type": _name("Group"), "S": _name("Transparency"), "I": _is(True), "CS": lambda _: True},
        )
        self._color(group["CS"])
        self._nested(number, found["Resources"])

    def _nested(self, number: int, resources: Value) -> None:
        self._to(resources, "resources")
        self.drawn.setdefault(number, []).append(int(resources))
        self._content(number, resources)

    def _pattern(self, number: int, value: Value) -> None:
        found = _shape(
            dict(value.entries) if isinstance(value, Stream) else value,
            "a pattern",
            {
                "Type": _name("Pattern"),
                "PatternType": _is(1),
                "BBox": _numbers(4),
                "XStep": _number,
                "YStep": _number,
                "TilingType": _is(1),
                "PaintType": _is(1),
                "Matrix": _numbers(6),
                "Resources": _reference,
                **_FLATE,
            },
        )
        left, bottom, right, top = found["BBox"]
        for step, size in ((found["XStep"], right - left), (found["YStep"], top - bottom)):
            # Viewers choose the order in which tiles are painted.
            _require(step > 0 and step >= size - ROUNDED, "a pattern whose tiles overlap")
        self._nested(number, found["Resources"])

    def _image(self, value: Stream, mask: bool = False) -> None:
        colors = {"DeviceGray": 1} if mask else {"DeviceGray": 1, "DeviceRGB": 3, "DeviceCMYK": 4}
        found = _shape(
            dict(value.entries),
            "an image",
            {
                "Type": _name("XObject"),
                "Subtype": _name("Image"),
                "Width": _count,
                "Height": _count,
                "ColorSpace": _name(*colors),
                "BitsPerComponent": _is(8),
                "Interpolate": _is(True, False),
                "Filter": _name("FlateDecode", "DCTDecode"),
                "Length": _count,
            },
            {
                "DecodeParms": _dictionary,
                "Decode": _is([1, 0] * 4),
                **({} if mask else {"SMask": _reference}),
            },
        )
        if found["Filter"] == "DCTDecode":
            said = (found["Height"], found["Width"], colors[found["ColorSpace"]])
            _require(
                "DecodeParms" not in found and _frame(value.raw) == said,
                "a JPEG image that differs from its description",
            )
        else:
            self._lines(found, value, colors[found["ColorSpace"]])
        if "SMask" in found:
            _require(
                int(found["SMask"]) not in self.kinds, "an image mask that is also used as something else"
            )
            self.kinds[int(found["SMask"])] = "mask of an image"
            self._image(_stream(self.pages, found["SMask"]), mask=True)

    def _lines(self, found: dict[str, Value], value: Stream, colors: int) -> None:
        wanted = {"Predictor": 15, "Columns": found["Width"], **({"Colors": 3} if colors == 3 else {})}
        _require(
            "Decode" not in found and found.get("DecodeParms") == wanted,
            "an image that is compressed in an unusual way",
        )
        size = len(self.meter.inflate(value.raw))
        _require(
            size == found["Height"] * (1 + found["Width"] * colors),
            "an image whose data do not fit its stated size",
        )

    def _shading(self, number: int, value: Value) -> None:
        found = _shape(
            value,
            "a shading",
            {
                "ShadingType": _is(2, 3),
                "ColorSpace": lambda _: True,
                "Domain": _numbers(2),
                "Coords": _numbers(),
                "Function": _dictionary,
            },
            {"Extend": _is([True, True])},
        )
        self._color(found["ColorSpace"])
        _require(len(found["Coords"]) == 2 * found["ShadingType"], "a shading without its coordinates")
        self._function(found["Function"])

    def _function(self, value: Value) -> None:
        outer = _shape(
            value,
            "a function",
            {
                "FunctionType": _is(3),
                "Domain": _numbers(2),
                "Encode": _numbers(),
                "Bounds": _numbers(),
                "Functions": _list,
            },
        )
        for inner in outer["Functions"]:
            _shape(
                inner,
                "a function",
                {
                    "FunctionType": _is(2),
                    "Domain": _numbers(2),
                    "C0": _numbers(),
                    "C1": _numbers(),
                    "N": _number,
                },
            )

    def _color(self, value: Value) -> None:
        if type(value) is Name:
            _require(value in ("DeviceGray", "DeviceRGB", "DeviceCMYK"), "an unusual color space")
            return
        _require(_list(value) and len(value) == 2 and _name("ICCBased")(value[0]), "an unusual color space")
        self._to(value[1], "profile")

    def _colors(self, number: int, value: Value) -> None:
        _require(_dictionary(value), "color spaces that are not a dictionary")
        for each in value.values():
            if type(each) is list and len(each) == 2 and _name("Lab")(each[0]):
                _shape(each[1], "a color space", {"WhitePoint": _numbers(3), "Range": _numbers(4)})
            else:
                self._color(each)

    def _profile(self, number: int, value: Value) -> None:
        entries, _ = self._data(number, value)
        _shape(entries, "a color profile", {"N": _is(1, 3, 4), **_FLATE})

    def _content(self, number: int, resources: Value, page: int = 0) -> None:
        value = self.pages.objects.get(number)
        entries, data = self._data(number, value)
        self.room -= len(data)
        if self.room < 0:
            raise TooMuchError(f"the file has more than {MOST_CONTENT:,} bytes of content")
        if page:
            self.kinds[number] = "content"
            _shape(entries, "the content of a page", _FLATE)
        found = self.pages.objects.get(resources)
        known = dict(found) if type(found) is dict else {}
        for kind in ("ColorSpace", "Font"):
            known[kind] = self.pages.objects.get(known.get(kind, 0), {})
        try:
            marks, drawn = content.check(data, known)
        except content.UnusualContentError as error:
            raise NotPlainError(str(error)) from None
        self.marks[number] = marks
        self.shown[number] = [int(known["XObject"][name]) for name in drawn]

    # Fonts

    def _fonts(self, number: int, value: Value) -> None:
        _require(_dictionary(value), "fonts that are not a dictionary")
        for key, reference in value.items():
            self._to(reference, "font")
            base = self.pages.objects[reference]
            _require(
                _dictionary(base) and str(base.get("BaseFont")).startswith(f"{key}+"),
                "a font under another name",
            )

    def _font(self, number: int, value: Value) -> None:
        made = type(value) is dict and type(value.get("Encoding")) is Ref
        found = _shape(
            value,
            "a font",
            {
                "Type": _name("Font"),
                "Subtype": _name("Type0"),
                "BaseFont": lambda name: type(name) is Name,
                "ToUnicode": _is(Ref(number - 3 - made)),
                "Encoding": _is(Ref(number - 1)) if made else _name("Identity-H"),
                "DescendantFonts": _is([Ref(number - 1 - made)]),
            },
        )
        if made:
            self._to(found["Encoding"], "encoding")
        self._to(found["ToUnicode"], "letters")
        (descendant,) = found["DescendantFonts"]
        self._to(descendant, "descendant")
        named = self.pages.objects[descendant]
        _require(
            _dictionary(named) and named.get("BaseFont") == found["BaseFont"], "a font under another name"
        )

    def _descendant(self, number: int, value: Value) -> None:
        system = {"Registry": Text(b"Adobe"), "Ordering": Text(b"Identity"), "Supplement": 0}
        found = _shape(
            value,
            "a font",
            {
                "Type": _name("Font"),
                "Subtype": _name("CIDFontType0", "CIDFontType2"),
                "BaseFont": lambda name: type(name) is Name,
                "CIDSystemInfo": _is(system),
                "CIDToGIDMap": _name("Identity"),
                "W": _list,
                "FontDescriptor": _is(Ref(number - 1)),
            },
        )
        for first, widths in zip(found["W"][::2], found["W"][1::2], strict=True):
            _require(_count(first) and _numbers()(widths), "a font without its widths")
        opened = found["Subtype"] == "CIDFontType0"
        self._to(found["FontDescriptor"], "descriptor")
        described = _shape(
            self.pages.objects[found["FontDescriptor"]],
            "the description of a font",
            {
                "Type": _name("FontDescriptor"),
                "FontName": _name(found["BaseFont"]),
                "FontFamily": _text,
                "Flags": _count,
                "FontBBox": _numbers(4),
                **dict.fromkeys(("ItalicAngle", "Ascent", "Descent", "CapHeight", "StemV", "StemH"), _number),
                ("FontFile3" if opened else "FontFile2"): _reference,
            },
        )
        self._to(described["FontFile3" if opened else "FontFile2"], "font_open" if opened else "font_true")

    def _descriptor(self, number: int, value: Value) -> None:
        """Checked together with the font that it describes."""

    def _font_open(self, number: int, value: Value) -> None:
        entries, data = self._data(number, value)
        _shape(entries, "a font file", {"Subtype": _name("OpenType"), **_FLATE})
        _require(data[:4] == b"OTTO", "a font file in another format")

    def _font_true(self, number: int, value: Value) -> None:
        entries, data = self._data(number, value)
        _shape(entries, "a font file", {"Length1": _is(len(data)), **_FLATE})
        _require(data[:4] in (b"\0\1\0\0", b"true"), "a font file in another format")

    def _letters(self, number: int, value: Value) -> None:
        entries, data = self._data(number, value)
        _shape(entries, "the letters of a font", _FLATE)
        _require(
            content.LETTERS.fullmatch(data) is not None,
            "letters of a font that are written in an unusual way",
        )

    def _encoding(self, number: int, value: Value) -> None:
        entries, data = self._data(number, value)
        system = {"Registry": Text(b"Adobe"), "Ordering": Text(b"Identity"), "Supplement": 0}
        _shape(
            entries,
            "the encoding of a font",
            {"Type": _name("CMap"), "CMapName": _name("WP-Encod-0"), "CIDSystemInfo": _is(system), **_FLATE},
        )
        _require(
            content.ENCODING.fullmatch(data) is not None, "an encoding that is written in an unusual way"
        )

    # What screen readers read

    def _structure_root(self, number: int, value: Value) -> None:
        found = _shape(
            value,
            "the structure",
            {"Type": _name("StructTreeRoot"), "ParentTree": _reference, "K": _references},
        )
        self._to(found["ParentTree"], "places")
        _require(len(found["K"]) == 1, "a structure with more than one root")
        self._tree(Ref(number), found["K"][0])

    def _tree(self, root: Ref, top: Value) -> None:
        waiting = [(root, top)]
        while waiting:
            parent, each = waiting.pop()
            _require(_reference(each) and int(each) not in self.kinds, "an element that appears twice")
            self.kinds[int(each)] = "element"
            found = self._element(each, self.pages.objects.get(each), parent)
            for kid in found["K"]:
                if type(kid) is not Ref:
                    continue
                below = self.pages.objects.get(kid)
                if type(below) is dict and below.get("Type") == "OBJR":
                    self._annotation(int(kid), below, int(each))
                else:
                    waiting.append((Ref(each), kid))

    def _element(self, number: int, value: Value, parent: Ref) -> dict[str, Value]:
        found = _shape(
            value,
            "an element",
            {
                "Type": _name("StructElem"),
                "S": _name(*TAGS),
                "K": lambda kids: _list(kids) and all(_count(kid) or _reference(kid) for kid in kids),
                "P": _is(Ref(parent)),
            },
            {
                "Pg": _reference,
                "A": _dictionary,
                "Alt": _text,
                "ID": _text,
                "Lang": self._other_language,
                "ActualText": _right_to_left,
            },
        )
        if "Pg" in found:
            _require(self.kinds.get(found["Pg"]) == "page", "an element that belongs to no page")
        _shape(
            found.get("A", {"O": Name("Table")}),
            "an attribute of an element",
            {"O": _name("Table", "Layout")},
            {
                "BBox": _numbers(4),
                "ColSpan": _count,
                "RowSpan": _count,
                "Scope": _name("Column", "Row"),
                "Headers": lambda told: _list(told) and all(map(_text, told)),
            },
        )
        return found

    def _other_language(self, value: Value) -> bool:
        """A tag of another language than the document's."""
        return _text(value) and _LANGUAGE.fullmatch(value) is not None and value != self.pages.root["Lang"]

    def _annotation(self, number: int, value: Value, element: int) -> None:
        self.kinds[number] = "annotation of an element"
        found = _shape(value, "an element", {"Type": _name("OBJR"), "Obj": _reference, "Pg": _reference})
        page = self.pages.objects.get(found["Pg"])
        on_page = page.get("Annots", []) if found["Pg"] in self.kids and type(page) is dict else []
        _require(
            found["Obj"] in on_page and int(found["Obj"]) not in self.annotated,
            "an element for a link that is not its own",
        )
        self.annotated[int(found["Obj"])] = element

    def _places(self, number: int, value: Value) -> None:
        _shape(value, "the places of the structure", {"Nums": _list})

    def _structure(self) -> None:
        """The marked content of the pages is exactly that of the structure, each in its place."""
        numbers = self.pages.objects[self.pages.objects[self.pages.root["StructTreeRoot"]]["ParentTree"]][
            "Nums"
        ]
        keys, values = numbers[::2], numbers[1::2]
        _require(
            len(keys) == len(values) >= len(self.kids)
            and all(map(_count, keys))
            and keys == sorted(set(keys))
            and keys[: len(self.kids)] == list(range(len(self.kids))),
            "a structure out of order",
        )
        owned: dict[tuple[int, int], int] = {}
        marks = 0
        for element, kind in self.kinds.items():
            if kind == "element":
                held = self.pages.objects[element]
                for kid in held["K"]:
                    if type(kid) is int:
                        place = (int(held.get("Pg", 0)), kid)
                        _require(place not in owned, "a mark that belongs to two elements")
                        owned[place] = element
        for page, held in zip(self.kids, values, strict=False):
            _require(_list(held), "a structure out of order")
            told = {at: each for at, each in enumerate(held) if each is not None}
            _require(
                self._marked(int(page) - 1) == sorted(told),
                "marks on a page that are not in the structure",
            )
            for at, each in told.items():
                _require(
                    _reference(each) and owned.get((int(page), at)) == int(each),
                    "a mark that belongs to another element",
                )
            marks += len(told)
        _require(len(owned) == marks, "an element for a mark that does not exist")
        links = values[len(self.kids) :]
        by_place = {self.pages.objects[link]["StructParent"]: by for link, by in self.annotated.items()}
        wanted = dict(zip(keys[len(self.kids) :], links, strict=True))
        _require(
            by_place == wanted and len(links) == len(self.annotated),
            "a link that belongs to another element, or to none",
        )
        on_pages = sum(len(self.pages.objects[kid].get("Annots", ())) for kid in self.kids)
        _require(len(links) == on_pages, "a link that is not in the structure")

    def _marked(self, content_number: int) -> list[int]:
        """What is marked in some content and in the pictures that it draws; twice, if it draws one twice."""
        found: list[int] = []
        waiting = [content_number]
        while waiting:
            each = waiting.pop()
            self.steps += 1
            if self.steps > MOST_STEPS:
                raise TooMuchError(f"the file draws more than {MOST_STEPS:,} pictures")
            found += self.marks.get(each, ())
            waiting += self.shown.get(each, ())
        return sorted(found)

    def _circles(self) -> None:
        """No picture draws itself."""
        state: dict[int, int] = {}
        for start in self.drawn:
            waiting = [(start, False)]
            while waiting:
                each, left = waiting.pop()
                if left:
                    state[each] = 2
                elif state.get(each) == 1:
                    raise NotPlainError("a picture that contains itself")
                elif each not in state:
                    state[each] = 1
                    waiting.append((each, True))
                    waiting += [(below, False) for below in self.drawn.get(each, ())]

    # What the file says of itself

    def _metadata(self, number: int, value: Value) -> None:
        entries, data = self._data(number, value)
        _shape(entries, "the metadata", {"Type": _name("Metadata"), "Subtype": _name("XML"), **_FLATE})
        told = _packet(self.pages.objects.get(self.pages.trailer["Info"]))
        rest = data[len(told) :]
        _require(
            data.startswith(told) and hashlib.sha256(rest).hexdigest() in UA_PACKETS,
            "metadata that differ from its document information",
        )

    def _information(self, value: Value) -> None:
        must = dict.fromkeys(
            ("Producer", "Title", "Author", "Keywords", "Creator", "CreationDate", "ModDate"), _text
        )
        _shape(value, "the information", must, {"Subject": _text})


def _frame(jpeg: bytes) -> tuple[int, int, int] | None:
    """Height, width and number of colors of a JPEG with eight bits a color (ITU-T T.81, B.2.2), or None."""
    at = 2 if jpeg[:2] == b"\xff\xd8" else len(jpeg)
    while at + 10 <= len(jpeg) and jpeg[at] == 0xFF:
        if jpeg[at + 1] in (0xC0, 0xC1, 0xC2):
            height, width = (int.from_bytes(jpeg[at + 5 + each : at + 7 + each], "big") for each in (0, 2))
            return (height, width, jpeg[at + 9]) if jpeg[at + 4] == 8 else None
        at += 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
    return None


_DATE = re.compile(r"D:(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z")


def _packet(information: Value) -> bytes:
    """The metadata of a file that has this information, up to what says that it is PDF/UA-1."""
    told = {key: _decoded(text) for key, text in information.items()} if type(information) is dict else {}
    about = '<rdf:Description rdf:about=""'
    kinds = {
        "Title": '<dc:title><rdf:Alt><rdf:li xml:lang="x-default">{}</rdf:li></rdf:Alt></dc:title>',
        "Author": "<dc:creator><rdf:Seq><rdf:li>{}</rdf:li></rdf:Seq></dc:creator>",
        "Subject": '<dc:description><rdf:Alt><rdf:li xml:lang="x-default">{}</rdf:li></rdf:Alt></dc:description>',
        "Keywords": "<pdf:Keywords>{}</pdf:Keywords>",
        "Creator": "<xmp:CreatorTool>{}</xmp:CreatorTool>",
        "CreationDate": "<xmp:CreateDate>{}</xmp:CreateDate>",
        "ModDate": "<xmp:ModifyDate>{}</xmp:ModifyDate>",
    }
    lines = [
        '<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>\n<x:xmpmeta xmlns:x="adobe:ns:meta/">\n',
        '<rdf:RDF xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:pdf="http://ns.adobe.com/pdf/1.3/"',
        ' xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/"',
        ' xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:xmp="http://ns.adobe.com/xap/1.0/">',
        f'{about} pdfaid:part="3" pdfaid:conformance="A" />',
        f'{about} pdf:Producer="{escape(told.get("Producer", ""), {chr(34): "&quot;"})}" />',
        *(
            f"{about}>{form.format(escape(_DATE.sub(_iso, told[key])))}</rdf:Description>"
            for key, form in kinds.items()
            if key in told
        ),
    ]
    return "".join(lines).encode()


def _iso(found: re.Match[str]) -> str:
    year, month, day, hour, minute, second = found.groups()
    return f"{year}-{month}-{day}T{hour}:{minute}:{second}Z"


def _decoded(text: Value) -> str:
    if type(text) is not Text:
        raise NotPlainError("text that cannot be read")
    try:
        if text.startswith(codecs.BOM_UTF16_BE):
            return text[2:].decode("utf-16-be")
        return text.decode("ascii")
    except UnicodeDecodeError:
        raise NotPlainError("text that cannot be read") from None


__all__ = ["FILES", "NotPlainError", "WrittenOtherwiseError", "check_pages", "embedded_files"]

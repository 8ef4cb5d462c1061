"""Checks the rules of PDF/A-3a (ISO 19005-3) and PDF/UA-1 (ISO 14289-1) that the pages of an unsigned PDF can break.

An organisation's own templates, style sheets, logos and fonts decide what is on the pages, and can ask for things that
the standards forbid. Each rule that they can break is checked here, as veraPDF interprets it:

1. the document identifies itself, and its names and texts are not too long;
2. pages have a size that readers can show; annotations are tagged, and of a kind that archives allow;
3. the structure can be read aloud: headings in order, complete tables and lists, images with descriptions, valid
   language tags;
4. everything drawn is tagged or an artifact, in colours that the file defines;
5. each character has its text, and a glyph in an embedded font, with the width that the page uses.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from io import BytesIO
from typing import Any, NamedTuple

import pikepdf
from fontTools.misc.psCharStrings import T2WidthExtractor  # type: ignore[import-untyped]
from fontTools.ttLib import TTFont  # type: ignore[import-untyped]

from reports.core.errors import InvalidSettings

LONGEST_TEXT = 32767
LONGEST_NAME = 127
DEEPEST_STATE = 28
SMALLEST_SIDE, LARGEST_SIDE = 3, 14400
BLEND_MODES = frozenset(
    {
        *("/Normal", "/Compatible", "/Multiply", "/Screen", "/Overlay", "/Darken", "/Lighten", "/ColorDodge"),
        *("/ColorBurn", "/HardLight", "/SoftLight", "/Difference", "/Exclusion"),
        *("/Hue", "/Saturation", "/Color", "/Luminosity"),
    }
)
_LANGUAGE = re.compile(r"[a-zA-Z]{1,8}(-[a-zA-Z0-9]{1,8})*|")
_ACTIONS = frozenset(("/GoTo", "/GoToR", "/GoToE", "/Thread", "/URI", "/Named", "/SubmitForm"))
_COLOURS = {"g": "/DeviceGray", "rg": "/DeviceRGB", "k": "/DeviceCMYK"}
_CHANNELS = {"/DeviceRGB": b"RGB ", "/DeviceCMYK": b"CMYK", "/DeviceGray": None}  # None: any will do
_PAINT = frozenset(("f", "F", "f*", "B", "B*", "b", "b*", "S", "s", "sh", "INLINE IMAGE"))
_SHOW = frozenset(("Tj", "TJ", "'", '"'))
_LOOKED_AT = (
    "q Q BMC BDC EMC Do Tf gs cs CS scn SCN k K BI ID EI",
    *sorted(_PAINT - {"INLINE IMAGE"}),
    *sorted(_SHOW),
)
# This type check is much faster than `isinstance`, and runs for every operator
_ARRAY, _DICTIONARY = pikepdf.ObjectType.array, pikepdf.ObjectType.dictionary
_STREAM, _STRING = pikepdf.ObjectType.stream, pikepdf.ObjectType.string
_THROUGH = frozenset(("/NonStruct", "/Div", "/Part"))  # readers see their content instead of them


def require_conformance(pdf: bytes) -> None:
    """Raise `InvalidSettings` for the first rule that a PDF breaks, with what to change."""
    fault = next(faults(pdf), None)
    if fault:
        raise InvalidSettings(f"the pages would not conform to PDF/A-3a and PDF/UA-1: {fault}")


def faults(pdf: bytes) -> Iterator[str]:
    """What a PDF breaks, a line each, with what to change."""
    with pikepdf.open(BytesIO(pdf)) as opened:
        structure = _Structure(opened)
        # 1.
        yield from _identity(opened)
        yield from _limits(opened)
        # 2.
        for page in opened.pages:
            yield from _boxes(page)
            yield from _annotations(page, structure)
        # 3.
        yield from structure.faults()
        # 4. and 5.
        drawn = _Drawn(opened, structure)
        yield from drawn.faults()


# 1.


def _identity(pdf: pikepdf.Pdf) -> Iterator[str]:
    root: Any = pdf.Root
    xmp = root.Metadata.read_bytes() if "/Metadata" in root else b""
    said = (b'pdfaid:part="3"', b'pdfaid:conformance="A"', b'pdfuaid:part="1"', b"dc:title")
    marked = root.get("/MarkInfo", {}).get("/Marked") is True and "/StructTreeRoot" in root
    if not (marked and all(each in xmp for each in said) and root.get("/Lang") is not None):
        yield "the document has no metadata: make its pages with Exhibit's renderer"
    if root.get("/AcroForm", {}).get("/NeedAppearances"):
        yield "the document has form fields: remove “appearance: auto” and form fields from the template"


def _limits(pdf: pikepdf.Pdf) -> Iterator[str]:
    for each in pdf.objects:
        if isinstance(each, pikepdf.Object) and each._type_code in (_DICTIONARY, _STREAM):
            yield from _lengths(each)


def _lengths(dictionary: Any) -> Iterator[str]:
    for key, value in dictionary.items():
        if not isinstance(value, pikepdf.Object):
            continue
        if value._type_code == _STRING and len(bytes(value)) > LONGEST_TEXT:
            shown = str(value)[:40]
            yield f"“{shown}…” is longer than {LONGEST_TEXT:,} bytes ({key}): shorten the text, the heading or the alt"
        elif len(key) > LONGEST_NAME + 1:
            yield f"the name “{key[:40]}…” is longer than {LONGEST_NAME} characters: shorten it"


# 2.


def _boxes(page: pikepdf.Page) -> Iterator[str]:
    for name in ("/MediaBox", "/CropBox", "/BleedBox", "/TrimBox", "/ArtBox"):
        box = page.obj.get(name)
        if box is None:
            continue
        left, bottom, right, top = map(float, box)
        sides = abs(right - left), abs(top - bottom)
        if min(sides) < SMALLEST_SIDE or max(sides) > LARGEST_SIDE:
            yield f"a page is {sides[0]:,.0f} by {sides[1]:,.0f} points: give @page a size from 3 to 14,400 points"
            return


def _annotations(page: pikepdf.Page, structure: _Structure) -> Iterator[str]:
    annotations: Any = page.obj.get("/Annots", ())
    if len(annotations) and page.obj.get("/Tabs") != "/S":
        yield "the annotations of a page are not in the order of the document structure"
    edges = list(map(float, page.obj.get("/CropBox", page.obj.MediaBox)))
    for each in annotations:
        yield from _annotation(each)
        if not _outside(list(map(float, each.Rect)), edges):
            yield from _tag_of(each, structure.parent_of(each))


def _annotation(each: Any) -> Iterator[str]:
    kind = str(each.get("/Subtype"))
    flags = int(each.get("/F", 0))
    if kind == "/FileAttachment":
        yield "the template attaches a file: remove rel=attachment"
    if not flags & 4 or flags & (1 | 2 | 32 | 256):
        yield f"an annotation ({kind[1:]}) is not printed: remove it from the template"
    left, bottom, right, top = map(float, each.Rect)
    if kind not in ("/Link", "/Popup") and "/AP" not in each and (right != left or top != bottom):
        yield "a form field without an appearance: remove “appearance: auto” and form fields from the template"
    action = each.get("/A", {}).get("/S", "/URI")
    if str(action) not in _ACTIONS:
        yield f"an annotation has the action {str(action)[1:]}: remove it from the template"


def _outside(box: Sequence[float], page: Sequence[float]) -> bool:
    return page[1] >= box[3] or page[0] >= box[2] or page[3] <= box[1] or page[2] <= box[0]


def _tag_of(annotation: Any, parent: Any) -> Iterator[str]:
    kind = str(annotation.get("/Subtype"))
    if kind == "/Link" and (parent is None or str(parent.S) != "/Link"):
        yield "a link is not tagged as a link: move it out of images and running heads"
    if kind == "/Link" and not str(annotation.get("/Contents", "")):
        yield "a link has no target: give it an address"
    if kind == "/Widget" and (parent is None or str(parent.S) != "/Form"):
        yield "a form field is not tagged as a form field: remove form fields from the template"


# 3.


class _Structure:
    """The structure tree: its elements in reading order, each with its parents."""

    def __init__(self, pdf: pikepdf.Pdf) -> None:
        self._root = pdf.Root.get("/StructTreeRoot")
        self.elements: list[_Element] = []
        self.known: set[tuple[int, int]] = set()
        self._read()
        self._numbers = self._parents()

    def _read(self) -> None:
        if self._root is None:
            return
        top = _Element(self._root, None)
        waiting = [top]
        while waiting:
            element = waiting.pop()
            if element is not top:
                self.elements.append(element)
                self.known.add(element.node.objgen)
            kids = [_Element(kid, element) for kid in _kids(element.node) if "/S" in kid]
            element.kids = kids
            waiting.extend(reversed(kids))

    def _parents(self) -> dict[int, Any]:
        if self._root is None:
            return {}
        numbers = list(self._root.ParentTree.get("/Nums", []))
        return {int(key): value for key, value in zip(numbers[::2], numbers[1::2], strict=True)}

    def parent_of(self, annotation: Any) -> Any:
        """The structure element that an annotation belongs to."""
        return self._numbers.get(int(annotation.get("/StructParent", -1)))

    def tagged(self, page: Any) -> list[bool]:
        """For each marked content of a page, whether it belongs to an element of the tree."""
        owners = self._numbers.get(int(page.get("/StructParents", -1)), [])
        return [isinstance(each, pikepdf.Object) and each.objgen in self.known for each in owners]

    def faults(self) -> Iterator[str]:
        level = 0
        for element in self.elements:
            yield from element.faults()
            if heading := re.fullmatch(r"/H([1-6])", element.kind):
                if int(heading[1]) > level + 1:
                    before = f"h{level}" if level else "no other"
                    yield f"a heading h{heading[1]} follows {before}: do not skip h{level + 1}"
                level = int(heading[1])


def _kids(node: Any) -> list[Any]:
    kids = node.get("/K", ())
    each = kids if isinstance(kids, pikepdf.Object) and kids._type_code == _ARRAY else [kids]
    return [kid for kid in each if isinstance(kid, pikepdf.Object) and kid._type_code == _DICTIONARY]


_IN_TABLE = frozenset(("/TR", "/THead", "/TBody", "/TFoot", "/Caption"))
_PARENTS = {
    "/TR": ("/Table", "/THead", "/TBody", "/TFoot"),
    "/THead": ("/Table",),
    "/TBody": ("/Table",),
    "/TFoot": ("/Table",),
    "/TH": ("/TR",),
    "/TD": ("/TR",),
    "/LI": ("/L",),
    "/LBody": ("/LI",),
}
_CHILDREN = {
    "/Table": _IN_TABLE,
    "/TR": frozenset(("/TH", "/TD")),
    "/THead": frozenset(("/TR",)),
    "/TBody": frozenset(("/TR",)),
    "/TFoot": frozenset(("/TR",)),
    "/L": frozenset(("/L", "/LI", "/Caption")),
    "/LI": frozenset(("/Lbl", "/LBody")),
}


@dataclass(slots=True, eq=False)
class _Element:
    """An element of the structure, with its children; its kind is a standard one, as WeasyPrint writes no others."""

    node: Any
    parent: _Element | None
    kind: str = ""
    kids: list[_Element] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.kind = str(self.node.get("/S", "/StructTreeRoot"))

    def within(self) -> Iterator[_Element]:
        """The children, and those of children that only group."""
        for kid in self.kids:
            if kid.kind in _THROUGH:
                yield from kid.within()
            else:
                yield kid

    def around(self) -> str:
        """The kind of the element around it, ignoring those that only group."""
        parent = self.parent
        while parent is not None and parent.kind in _THROUGH:
            parent = parent.parent
        return parent.kind if parent else ""

    def faults(self) -> Iterator[str]:
        if self.kind in _PARENTS and self.around() not in _PARENTS[self.kind]:
            yield f"{_html(self.kind)} is in {_html(self.around())}: put it in {_html(_PARENTS[self.kind][0])}"
        if self.kind in _CHILDREN:
            strange = [kid.kind for kid in self.within() if kid.kind not in _CHILDREN[self.kind]]
            if strange:
                yield f"{_html(self.kind)} contains {_html(strange[0])}: remove it, or put it in a list item or cell"
        if self.kind in ("/Table", "/L"):
            yield from self._captions()
        if self.kind == "/Table":
            yield from self._table()
        if self.kind == "/Figure" and not str(self.node.get("/Alt", "")) and "/ActualText" not in self.node:
            yield "an image has no description: add an alt attribute, or a <title> in an SVG"
        language = self.node.get("/Lang")
        if language is not None and not _LANGUAGE.fullmatch(str(language)):
            yield f"{str(language)!r} is not a language tag: write lang like zh-Hant or en-GB"

    def _captions(self) -> Iterator[str]:
        kinds = [kid.kind for kid in self.within()]
        captions = [at for at, kind in enumerate(kinds) if kind == "/Caption"]
        last = len(kinds) - 1 if self.kind == "/Table" else 0
        if any(at not in (0, last) for at in captions) or (len(captions) > 1 and self.kind == "/Table"):
            yield f"{_html(self.kind)} has a caption that is not at its start, or two captions: keep one, at the start"

    def _table(self) -> Iterator[str]:
        parts = Counter(kid.kind for kid in self.within())
        if parts["/THead"] > 1 or parts["/TFoot"] > 1:
            yield "a table has two heads or two feet: keep one <thead> and one <tfoot>"
        if (parts["/THead"] or parts["/TFoot"]) and not parts["/TBody"]:
            yield "a table has a head but no body: add a <tbody> with rows"
        yield from _Grid(self).faults()


def _html(kind: str) -> str:
    return {"/L": "<ul>", "/LI": "<li>", "/LBody": "<li>"}.get(kind, f"<{kind[1:].lower()}>")


class _Grid:
    """The cells of a table by row and column, as veraPDF lays them out."""

    def __init__(self, table: _Element) -> None:
        groups = (
            [kid] if kid.kind == "/TR" else list(kid.within())
            for kid in table.within()
            if kid.kind in _IN_TABLE
        )
        self.rows = [
            [cell for cell in row.within() if cell.kind in ("/TH", "/TD")]
            for group in groups
            for row in group
            if row.kind == "/TR"
        ]

    def faults(self) -> Iterator[str]:
        height, at = 0, 0
        while at < len(self.rows):
            span = _span(self.rows[at][0], "/RowSpan") if self.rows[at] else 0
            height += span
            at += max(span, 1)
        if not height:
            return
        width = sum(_span(cell, "/ColSpan") for cell in self.rows[0])
        cells: set[tuple[int, int]] = set()
        for number, row in enumerate(self.rows):
            column = 0
            for cell in row:
                while column < width and (number, column) in cells:
                    column += 1
                across, down = _span(cell, "/ColSpan"), _span(cell, "/RowSpan")
                if column + across > width or number + down > height:
                    yield self._uneven(number)
                    return
                taken = {(number + y, column + x) for y in range(down) for x in range(across)}
                if not cells.isdisjoint(taken):
                    yield f"two cells of a table overlap, in row {number + 1}: correct colspan and rowspan"
                    return
                cells |= taken
                column += across
        for number in range(height):
            if any((number, column) not in cells for column in range(width)):
                yield self._uneven(number)
                return
        yield from self._headers()

    def _uneven(self, number: int) -> str:
        return f"row {number + 1} of a table has more or fewer cells than the first row: correct colspan and rowspan"

    def _headers(self) -> Iterator[str]:
        cells = [cell for row in self.rows for cell in row]
        heads = [cell for cell in cells if cell.kind == "/TH"]
        if any("/Scope" not in _attributes(cell) for cell in heads):
            yield "a table header has no scope, so it may be for a row or a column: give <th> a scope"


def _attributes(cell: _Element) -> Mapping[str, Any]:
    found: Mapping[str, Any] = cell.node.get("/A", {})
    return found


def _span(cell: _Element, name: str) -> int:
    return int(_attributes(cell).get(name, 1))


# 4.


class _Place(NamedTuple):
    """Where something is drawn: whether what is around it is tagged, or an artifact, and has its text."""

    tagged: bool = False
    artifact: bool = False
    told: bool = False

    @property
    def read(self) -> bool:
        """Whether reading software knows what to do with it: read it aloud or skip it."""
        return self.tagged or self.artifact


class _Drawn:
    """What the content streams of a PDF draw, and the characters that they show, by font."""

    def __init__(self, pdf: pikepdf.Pdf, structure: _Structure) -> None:
        self._pdf = pdf
        self._structure = structure
        self._intent = _intent(pdf)
        also = (
            () if self._intent == b"RGB " else ("g G rg RG",)
        )  # these need no look where the pages define RGB
        self._operators = " ".join((*_LOOKED_AT, *also))
        self._seen: set[tuple[Any, ...]] = set()
        self._fonts: dict[tuple[int, int], _Font] = {}

    def faults(self) -> Iterator[str]:
        for page in self._pdf.pages:
            owners = self._structure.tagged(page.obj)
            yield from self._stream(page, page.obj.get("/Resources", pikepdf.Dictionary()), owners, _Place())
        for font in self._fonts.values():
            yield from font.faults()

    def _stream(self, stream: Any, resources: Any, owners: Sequence[bool], around: _Place) -> Iterator[str]:
        places, depth, font = [around], 0, None
        instructions: Any = pikepdf.parse_content_stream(stream, self._operators)
        for operands, operator in instructions:
            name = str(operator)
            if name in _SHOW:
                if not places[-1].read:
                    yield _unread("text")
                if font is not None:
                    font.show(operands, places[-1].told)
            elif name in ("BDC", "BMC"):
                places.append(_marked(operands, owners, places[-1]))
                if places[-1].artifact and places[-1].tagged:
                    yield "decoration is mixed with content that is read aloud: keep them apart"
            elif name == "EMC":
                places.pop()
            elif name in ("q", "Q"):
                depth += 1 if name == "q" else -1
                if name == "q" and depth == DEEPEST_STATE + 1:
                    yield "drawings are nested too deeply: nest fewer elements with overflow, opacity or transform"
            elif name == "Tf":
                font = self._font(resources.Font[operands[0]])
            else:
                yield from self._drawing(name, operands, resources, places[-1])

    def _drawing(self, name: str, operands: Sequence[Any], resources: Any, place: _Place) -> Iterator[str]:
        if name == "Do":
            yield from self._object(resources.XObject[operands[0]], place)
        elif name in _PAINT:
            if not place.read:
                yield _unread("a line or an area")
            if name == "sh":
                yield from self._colour(resources.Shading[operands[0]].get("/ColorSpace"), resources)
        else:
            yield from self._state(name, operands, resources)

    def _state(self, name: str, operands: Sequence[Any], resources: Any) -> Iterator[str]:
        if name.lower() in _COLOURS:
            yield from self._colour(pikepdf.Name(_COLOURS[name.lower()]), resources)
        elif name in ("cs", "CS"):
            space = resources.get("/ColorSpace", {}).get(operands[0], operands[0])
            if space != pikepdf.Name.Pattern:
                yield from self._colour(space, resources)
        elif name in ("scn", "SCN") and operands and isinstance(operands[-1], pikepdf.Name):
            yield from self._pattern(resources.Pattern[operands[-1]])
        elif name == "gs":
            yield from self._graphics_state(resources.ExtGState[operands[0]])

    def _pattern(self, pattern: Any) -> Iterator[str]:
        if not self._first(pattern):
            return
        if isinstance(pattern, pikepdf.Stream):
            inside = pattern.get("/Resources", pikepdf.Dictionary())
            yield from self._stream(pattern, inside, (), _Place(artifact=True))
        elif "/Shading" in pattern:
            yield from self._colour(pattern.Shading.get("/ColorSpace"), None)

    def _graphics_state(self, state: Any) -> Iterator[str]:
        if not self._first(state):
            return
        mode = state.get("/BM", pikepdf.Name.Normal)
        for each in mode if isinstance(mode, pikepdf.Array) else [mode]:
            if str(each) not in BLEND_MODES:
                yield f"the blend mode {str(each)[1:]} is not a PDF blend mode: use another"
        if "/TR" in state or "/HTP" in state:
            yield "the pages have a transfer function or a halftone origin: remove it from the style sheet"
        mask = state.get("/SMask")
        if isinstance(mask, pikepdf.Dictionary):
            yield from self._object(mask.G, _Place(artifact=True))

    def _object(self, each: Any, around: _Place) -> Iterator[str]:
        if str(each.get("/Subtype")) == "/Image":
            if not around.read:
                yield _unread("an image")
            if self._first(each):
                yield from self._image(each)
            return
        if not self._first(each, around):
            return
        group = each.get("/Group", {}).get("/CS")
        if group is not None:
            yield from self._colour(group, None)
        yield from self._stream(each, each.get("/Resources", pikepdf.Dictionary()), (), around)

    def _image(self, image: Any) -> Iterator[str]:
        if image.get("/Interpolate"):
            yield "an image asks for interpolation: make the pages with Exhibit's renderer"
        if int(image.get("/BitsPerComponent", 8)) not in (1, 2, 4, 8, 16):
            yield "an image has an unsupported bit depth: save it as PNG with 8 bits per channel"
        if "/ColorSpace" in image:
            yield from self._colour(image.ColorSpace, None)
        if "/SMask" in image:
            yield from self._image(image.SMask)

    def _colour(self, space: Any, resources: Any) -> Iterator[str]:
        if isinstance(space, pikepdf.Array) and str(space[0]) == "/ICCBased" and self._first(space[1]):
            yield from _profile(space[1])
        name = str(space) if isinstance(space, pikepdf.Name) else ""
        needed = _CHANNELS.get(name)
        if name in _CHANNELS and (self._intent is None or (needed and needed != self._intent)):
            what = {"/DeviceCMYK": "CMYK", "/DeviceRGB": "RGB"}.get(name, "grey")
            yield f"a colour is in {what}, which the pages do not define: write it as #rrggbb, and save images in RGB"

    def _first(self, each: Any, *more: Any) -> bool:
        key = (each.objgen, *more) if each.objgen != (0, 0) else (id(each), *more)
        if key in self._seen:
            return False
        self._seen.add(key)
        return True

    def _font(self, font: Any) -> _Font:
        key = font.objgen
        if key not in self._fonts:
            self._fonts[key] = _Font(font)
        return self._fonts[key]


def _marked(operands: Sequence[Any], owners: Sequence[bool], around: _Place) -> _Place:
    properties = operands[1] if len(operands) > 1 and operands[1]._type_code == _DICTIONARY else {}
    number = int(properties.get("/MCID", -1))
    tagged = owners[number] if 0 <= number < len(owners) else around.tagged
    return _Place(
        tagged, around.artifact or str(operands[0]) == "/Artifact", around.told or "/ActualText" in properties
    )


def _unread(what: str) -> str:
    return f"{what} would not be read aloud: use a lighter colour instead of “opacity”"


def _intent(pdf: pikepdf.Pdf) -> bytes | None:
    """The channels of the output intent's profile: `RGB ` (ICC.1, 7.2.6)."""
    intents: Any = pdf.Root.get("/OutputIntents", ())
    return bytes(intents[0].DestOutputProfile.read_bytes()[16:20]) if len(intents) else None


def _profile(profile: Any) -> Iterator[str]:
    content = profile.read_bytes()
    kind, space, version = content[12:16], content[16:20], content[8:9]
    good = kind in (b"prtr", b"mntr", b"scnr", b"spac") and space in (b"RGB ", b"CMYK", b"GRAY", b"Lab ")
    if not good or version >= b"\5":
        yield "a colour profile is not allowed in PDF/A: use an ICC profile of version 2 or 4"


# 5.


class _Font:
    """A font of a PDF, the codes shown in it, and those of them that are shown without their text."""

    def __init__(self, font: Any) -> None:
        self._font = font
        self._shown: list[bytes] = []
        self._untold: list[bytes] = []

    def show(self, operands: Sequence[Any], told: bool) -> None:
        """Keep what an operator shows."""
        strings = operands[0] if len(operands) == 1 and operands[0]._type_code == _ARRAY else operands
        shown = [bytes(each) for each in strings if isinstance(each, pikepdf.Object)]
        self._shown.extend(shown)
        if not told:
            self._untold.extend(shown)

    def faults(self) -> Iterator[str]:
        name = str(self._font.get("/BaseFont", "a font"))[1:].partition("+")[2] or "a font"
        if str(self._font.Subtype) != "/Type0":
            yield f"{name} has only bitmap glyphs: use a font with outlines"
            return
        for fault in self._glyphs():
            yield f"{name} {fault}"

    def _glyphs(self) -> Iterator[str]:
        codes = _codes(self._shown)
        texts = self._texts
        if codes - texts.keys():
            yield "has a glyph that no text is known for: use another font"
        if any(set(texts.get(code, "")) & set("\0\ufeff\ufffe") for code in codes):
            yield "has a glyph that stands for no character: use another font"
        if any(_is_private(texts.get(code, "")) for code in _codes(self._untold)):
            yield "has a private-use character, which has no defined meaning: use another character"
        program = _program(self._font.DescendantFonts[0])
        if program is None:
            yield "is not embedded: use another font"
            return
        widths = _widths(self._font.DescendantFonts[0])
        with program:
            yield from _held_against(program, codes, widths)

    @cached_property
    def _texts(self) -> dict[int, str]:
        mapped = self._font.ToUnicode.read_bytes() if "/ToUnicode" in self._font else b""
        return {
            int(code, 16): bytes.fromhex(text.decode()).decode("utf-16-be", "replace")
            for code, text in re.findall(rb"<([0-9a-f]{4})> <([0-9a-f]*)>", mapped)
        }


def _codes(shown: Sequence[bytes]) -> set[int]:
    joined = b"".join(shown)
    return {high << 8 | low for high, low in zip(joined[::2], joined[1::2], strict=False)}


def _is_private(text: str) -> bool:
    return any("\ue000" <= each <= "\uf8ff" or each >= "\U000f0000" for each in text)


def _program(font: Any) -> TTFont | None:
    descriptor = font.get("/FontDescriptor", {})
    file = descriptor.get("/FontFile2", descriptor.get("/FontFile3"))
    return None if file is None else TTFont(BytesIO(file.read_bytes()), lazy=True)


def _widths(font: Any) -> dict[int, float]:
    found: dict[int, float] = {}
    start = 0
    for each in font.get("/W", []):
        if isinstance(each, pikepdf.Array):
            found.update((start + at, float(width)) for at, width in enumerate(each))
        else:
            start = int(each)
    return found


def _held_against(program: TTFont, codes: set[int], widths: Mapping[int, float]) -> Iterator[str]:
    count, scale = program["maxp"].numGlyphs, 1000 / program["head"].unitsPerEm
    if any(code >= count for code in codes):
        yield "lacks a glyph that the pages show: use another font"
        return
    if "CFF " in program and _misnumbered(program, codes):
        yield "numbers its glyphs differently from the pages: make the pages with Exhibit's renderer"
        return
    own = _cff_widths(program, codes) if "CFF " in program else _ttf_widths(program, codes)
    if any(abs(own[code] * scale - widths.get(code, 1000)) > 1 for code in codes):
        yield "has glyph widths that differ from its tables: use another font, or save it again"


def _misnumbered(program: TTFont, codes: set[int]) -> bool:
    top = program["CFF "].cff[0]
    return hasattr(top, "ROS") and any(code and top.charset[code] != f"cid{code:05d}" for code in codes)


def _ttf_widths(program: TTFont, codes: set[int]) -> dict[int, float]:
    names, metrics = program.getGlyphOrder(), program["hmtx"].metrics
    return {code: metrics[names[code]][0] for code in codes}


class _FoundWidth(Exception):
    """A charstring's width is told by its first operator; the rest need not be read."""


class _WidthReader(T2WidthExtractor):  # type: ignore[misc]
    def popallWidth(self, evenOdd: int = 0) -> Any:  # noqa: N802, N803 -- fontTools' names
        super().popallWidth(evenOdd)
        raise _FoundWidth


def _cff_widths(program: TTFont, codes: set[int]) -> dict[int, float]:
    top = program["CFF "].cff[0]
    return {code: _cff_width(top.CharStrings[top.charset[code]]) for code in codes}


def _cff_width(string: Any) -> float:
    private = string.private
    subroutines = getattr(private, "Subrs", [])
    reader = _WidthReader(
        subroutines, string.globalSubrs, private.nominalWidthX, private.defaultWidthX, private
    )
    with suppress(_FoundWidth):
        reader.execute(string)
    width: float = reader.width
    return width

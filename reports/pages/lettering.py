"""What WeasyPrint does not do for text in scripts other than Latin.

1. The pinned fonts of other scripts come after those that a style sheet names.
2. A run in a drawing is set as one piece, because letters set one by one neither join nor change their order.
3. A run has its language (ISO 14289-1, 7.2), and its text if the glyphs do not give it: one glyph may stand for several
   letters, and several glyphs for one (ISO 32000-1, 14.9.4).
4. In a CID-keyed font, which numbers its glyphs itself, glyphs get the numbers that the pages use.
5. A subset font keeps the date of its original, so that the same pages give the same bytes.

This patches WeasyPrint where it has no hook, so import it after WeasyPrint.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from io import BytesIO
from itertools import chain, islice
from math import inf
from struct import pack
from typing import Any

import pydyf  # type: ignore[import-untyped]
import weasyprint.pdf.fonts  # type: ignore[import-untyped]
import weasyprint.svg as drawing  # type: ignore[import-untyped]
from fontTools.ttLib import TTFont  # type: ignore[import-untyped]
from weasyprint.css.properties import INITIAL_VALUES  # type: ignore[import-untyped]
from weasyprint.draw.text import draw_first_line  # type: ignore[import-untyped]
from weasyprint.formatting_structure.boxes import TextBox  # type: ignore[import-untyped]
from weasyprint.matrix import Matrix  # type: ignore[import-untyped]
from weasyprint.pdf.stream import Stream  # type: ignore[import-untyped]
from weasyprint.svg.bounding_box import extend_bounding_box  # type: ignore[import-untyped]
from weasyprint.svg.text import Style  # type: ignore[import-untyped]
from weasyprint.svg.text import TextBox as DrawnBox
from weasyprint.text.ffi import ffi, fontconfig, pangoft2  # type: ignore[import-untyped]
from weasyprint.text.fonts import FontConfiguration  # type: ignore[import-untyped]
from weasyprint.text.line_break import split_first_line  # type: ignore[import-untyped]

from reports.core.scripts import FIRST_STRONG_ISOLATE, POP_ISOLATE, right_to_left, starts_right_to_left
from reports.pages.fonts import pinned

_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
_SILENT = "\u200c\u200d\u200e\u200f\u2068\u2069"


# 1.


def add_fonts(fonts: FontConfiguration) -> None:
    """Give a document the pinned fonts of other scripts; `page/fonts.conf` says which of them comes first where."""
    for font in pinned():
        fontconfig.FcConfigAppFontAddFile(fonts._config, os.fsencode(font))
    pangoft2.pango_fc_font_map_config_changed(ffi.cast("PangoFcFontMap *", fonts.font_map))


# 2.


def _whole_runs(text: Callable[[Any, Any, float], None]) -> Callable[[Any, Any, float], None]:
    """Draw SVG text as WeasyPrint does, but each run with a language as one piece."""

    def draw(svg: Any, node: Any, font_size: float) -> None:
        if node.text and node.get(_LANGUAGE) and node.tag == "tspan":
            _draw_run(svg, node, font_size)
        else:
            text(svg, node, font_size)

    return draw


def _draw_run(svg: Any, node: Any, font_size: float) -> None:
    style = Style()
    style.update(INITIAL_VALUES)
    style.font_config = svg.font_config
    weight = {"normal": "400", "bold": "700"}.get(weight := node.get("font-weight", "400"), weight)
    style.update(
        {
            "direction": "rtl" if starts_right_to_left(node.text) else "ltr",
            "font_family": [name.strip("\"' ") for name in node.get("font-family", "sans-serif").split(",")],
            "font_size": font_size,
            "font_style": node.get("font-style", "normal"),
            "font_weight": int(weight) if weight.isdecimal() else 400,
            "lang": node.get(_LANGUAGE),
        }
    )
    layout, _, _, width, height, baseline = split_first_line(node.text, style, svg.context, inf, 0)
    x, y = svg.cursor_position
    left, line = x + svg.cursor_d_position[0], y + svg.cursor_d_position[1]
    svg.cursor_position = x + width, y
    corners = ((left, line - baseline), (left + width, line - baseline + height))
    node.text_bounding_box = extend_bounding_box(node.text_bounding_box, corners)
    with svg.stream.stacked():
        fill, stroke = svg.set_graphical_state(node, font_size)
        svg.stream.begin_text()
        layout.reactivate(style)
        svg.fill_stroke(fill, stroke, text=True)
        box = DrawnBox(layout, style)
        box.baseline = baseline
        with _clusters(svg.stream, node.text):
            draw_first_line(svg.stream, box, "none", "none", Matrix(d=-1, e=left, f=line))
        svg.stream.end_text()


# 3.


class _Heard(dict[int, str]):
    """What a font's glyphs stand for: for each, its most frequent text. `uses` has all of them, as drawn."""

    def __init__(self, font: Any) -> None:
        super().__init__()
        self._font = font
        self.uses: list[tuple[int, str]] = []

    def __contains__(self, glyph: object) -> bool:
        return False  # WeasyPrint reports the first use of each glyph; this makes every use the first

    def __setitem__(self, glyph: int, text: str) -> None:
        self.uses.append((glyph, text))
        if self.get(glyph) is None:
            super().__setitem__(glyph, self.nominal.get(glyph, text) if len(text) != 1 else text)

    @cached_property
    def nominal(self) -> dict[int, str]:
        """The glyphs for one character."""
        with self._face() as face:
            return {face.getGlyphID(name): chr(code) for code, name in face.getBestCmap().items()}

    @cached_property
    def marks(self) -> frozenset[int]:
        """The glyphs that combine with others and have no width (OpenType, GDEF)."""
        with self._face() as face:
            classes = face["GDEF"].table.GlyphClassDef if "GDEF" in face else None
            of = classes.classDefs if classes else {}
            return frozenset(face.getGlyphID(name) for name, kind in of.items() if kind == 3)

    def _face(self) -> Any:
        return TTFont(BytesIO(self._font.file_content), fontNumber=self._font.index, lazy=True)


def _heard_fonts(
    add_font: Callable[[Any, Any], tuple[Any, float]],
) -> Callable[[Any, Any], tuple[Any, float]]:
    """Record what each glyph stands for, except for the fonts of every page, in which a glyph always has one text."""

    def add(stream: Any, pango_font: Any) -> tuple[Any, float]:
        font, size = add_font(stream, pango_font)
        if not (font.to_unicode or font.bitmap or font.family.startswith("Source S")):
            font.to_unicode = _Heard(font)
        return font, size

    return add


@contextmanager
def _telling(stream: Any, box: Any, tag: str) -> Iterator[None]:
    """Mark content as WeasyPrint does, with its language and text for its tag (`tag_run`)."""
    with _marked(stream, box, tag):
        if stream._tags is None or not isinstance(box, TextBox):
            yield
            return
        properties = stream.stream[-2]
        if box.style["lang"]:
            properties["Lang"] = pydyf.String(box.style["lang"])
        if right_to_left(box.text):
            properties["ActualText"] = pydyf.String(_plain(box.text))
        with _clusters(stream, box.text):
            yield


def tag_run(element: pydyf.Dictionary, properties: pydyf.Dictionary, language: bytes) -> None:
    """Give a structure element the language of its run, if not the document's, and its text in logical order."""
    for key in ("Lang", "ActualText"):
        value = properties.pop(key, None)
        if value and value.data != language:
            element[key] = value


def _plain(text: str) -> str:
    return text.strip(FIRST_STRONG_ISOLATE + POP_ISOLATE)


@contextmanager
def _clusters(stream: Any, text: str) -> Iterator[None]:
    """Record the text drawn meanwhile if glyphs do not give it: a glyph may be several letters, or part of one."""
    fonts = {font.hash.encode(): font for font in stream._fonts.values()}
    for font in fonts.values():
        if isinstance(font.to_unicode, _Heard):
            font.to_unicode.uses.clear()
    start = len(stream.stream)
    yield
    fonts = {
        font.hash.encode(): font for font in stream._fonts.values() if isinstance(font.to_unicode, _Heard)
    }
    if any(font.to_unicode.uses for font in fonts.values()):
        stream.stream[start:] = _told(stream.stream[start:], fonts, _plain(text))


@dataclass(slots=True)
class _Cluster:
    """Glyphs that stand for a text together, each with the text that its font gives."""

    text: str
    glyphs: list[tuple[_Heard, int]] = field(default_factory=list)

    def texts(self) -> list[str | None]:
        """The text to record for each glyph, None if its font gives it; equal neighbors are recorded together.

        A mark stands for itself if it is in the text, else for nothing, so that the other glyphs place the text.
        """
        if len(self.glyphs) == 1:
            ((heard, glyph),) = self.glyphs
            return [None if heard.get(glyph) == self.text else self.text]
        rest, marks = self.text, {}
        for at, (heard, glyph) in enumerate(self.glyphs):
            if glyph in heard.marks:
                alone = heard.nominal.get(glyph, "")
                marks[at] = alone if alone in rest else ""
                rest = rest.replace(marks[at], "", 1)
        if not rest or len(marks) == len(self.glyphs):
            rest, marks = self.text, {}
        told = [marks.get(at, rest) for at in range(len(self.glyphs))]
        single = [told.count(text) == 1 or not text or at in marks for at, text in enumerate(told)]
        return [
            None if alone and heard.get(glyph) == text else text
            for (heard, glyph), text, alone in zip(self.glyphs, told, single, strict=True)
        ]


_SHOWN = re.compile(rb"<([0-9a-f]+)>|([-+.0-9e]+)")
_SELECTED = re.compile(rb"/(\S+) \S+ Tf")


def _told(items: list[Any], fonts: Mapping[bytes, Any], text: str) -> list[Any]:
    """Drawing operators, with marked content around each cluster whose glyphs do not tell its text."""
    uses = [(fonts[name].to_unicode, use) for name, use in _in_order(items, fonts)]
    spans = chain.from_iterable(_spans(_by_cluster(uses, text)))
    told: list[Any] = []
    font: Any = None
    for item in items:
        if isinstance(item, bytes) and (selected := _SELECTED.fullmatch(item)):
            font = fonts.get(selected[1])
        if font is None or not (isinstance(item, bytes) and item.endswith(b"] TJ")):
            told.append(item)
        else:
            told.extend(_shown(item, spans))
    return told


def _spans(clusters: Iterable[_Cluster]) -> Iterator[Iterator[tuple[str | None, bool, bool]]]:
    """For each glyph, the text recorded for it and its neighbors, and whether it is the first and the last of them."""
    for cluster in clusters:
        texts = cluster.texts()
        yield (
            (text, at == 0 or texts[at - 1] != text, at == len(texts) - 1 or texts[at + 1] != text)
            for at, text in enumerate(texts)
        )


def _in_order(items: Iterable[Any], fonts: Mapping[bytes, Any]) -> Iterator[tuple[bytes, tuple[int, str]]]:
    """The uses of glyphs, each with its font, as they are drawn."""
    waiting = {name: iter(font.to_unicode.uses) for name, font in fonts.items()}
    name = b""
    for item in items:
        if not isinstance(item, bytes):
            continue
        if selected := _SELECTED.fullmatch(item):
            name = selected[1]
        elif item.endswith(b"] TJ") and name in waiting:
            count = sum(len(codes) // 4 for codes, _ in _SHOWN.findall(item))
            yield from ((name, use) for use in islice(waiting[name], count))


def _by_cluster(uses: Sequence[tuple[_Heard, tuple[int, str]]], text: str) -> list[_Cluster]:
    """The drawn clusters. One glyph has a cluster's text: the last, or the first in right-to-left text."""
    clusters: list[_Cluster] = []
    waiting = False
    for heard, (glyph, said) in uses:
        if waiting and said:
            clusters[-1].text = said
        elif said or not (waiting or (clusters and right_to_left(clusters[-1].text))):
            clusters.append(_Cluster(said))
        waiting = not said and not clusters[-1].text
        clusters[-1].glyphs.append((heard, glyph))
    _restore_silent(clusters, text)
    return clusters


def _restore_silent(clusters: Sequence[_Cluster], text: str) -> None:
    """Add joiners, for which nothing is drawn, to the clusters before them in left-to-right text."""
    spoken = "".join(character for character in text if character not in _SILENT)
    if spoken == text or spoken != "".join(cluster.text for cluster in clusters):
        return
    at = 0
    for cluster in clusters:
        end = at + len(cluster.text)
        while end < len(text) and text[end] in _SILENT:
            end += 1
        cluster.text, at = text[at:end], end


def _shown(item: bytes, spans: Iterator[tuple[str | None, bool, bool]]) -> Iterator[Any]:
    pieces: list[bytes] = []
    for codes, move in _SHOWN.findall(item):
        if move:
            pieces.append(move)
        for at in range(0, len(codes), 4):
            text, first, last = next(spans)
            if text is not None and first:
                yield from _show(pieces)
                yield from ["/Span", pydyf.Dictionary({"ActualText": pydyf.String(text)}), b"BDC"]
            pieces.append(b"<%b>" % codes[at : at + 4])
            if text is not None and last:
                yield from _show(pieces)
                yield b"EMC"
    yield from _show(pieces)


def _show(pieces: list[bytes]) -> Iterator[bytes]:
    if pieces:
        yield b"[" + b" ".join(pieces).replace(b"> <", b"") + b"] TJ"
    pieces.clear()


# 4.


def number_glyphs(font: bytes) -> bytes:
    """Give the glyphs of a CID-keyed font their indices as CIDs, in place: pages call glyphs by their indices."""
    with TTFont(BytesIO(font), lazy=True) as face:
        if "CFF " not in face:
            return font
        top, count = face["CFF "].cff[0], face["maxp"].numGlyphs
        if not hasattr(top, "ROS"):
            return font
        table = face.reader.tables["CFF "]
    at, charset = table.offset + top.rawDict["charset"], _all_in_order(count)
    return font[:at] + charset + font[at + len(charset) :]


def _all_in_order(count: int) -> bytes:
    """A charset that has 1 for the second of `count` glyphs, and so on: never longer than another (Adobe 5176, 13)."""
    if count <= 2:
        return pack(">BH", 0, 1)[: 2 * count - 1]
    return pack(">BHB", 1, 1, count - 2) if count <= 257 else pack(">BHH", 2, 1, count - 2)


# 5.

for _module in (weasyprint.pdf.fonts, weasyprint.text.fonts):
    _module.TTFont = partial(TTFont, recalcTimestamp=False)

_marked = Stream.marked
Stream.add_font = _heard_fonts(Stream.add_font)
Stream.marked = _telling
_text = drawing.text
drawing.text = _whole_runs(_text)
drawing.TAGS.update({name: drawing.text for name, draw in drawing.TAGS.items() if draw is _text})

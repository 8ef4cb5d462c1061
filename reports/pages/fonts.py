"""The pinned fonts, and which text from outside they can show. Fonts installed on the machine are never used.

Source Sans and Source Serif have Latin, Greek and Cyrillic, and are available to every page. The fonts of other scripts
are large, and only pages that need them get them.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from itertools import chain, takewhile
from pathlib import Path
from typing import Any

import font_source_sans_pro  # type: ignore[import-untyped]
import font_source_serif_pro  # type: ignore[import-untyped]
import pylopdf_fonts_ar
import pylopdf_fonts_he
import pylopdf_fonts_hi
import pylopdf_fonts_jp
import pylopdf_fonts_ko
import pylopdf_fonts_th
import pylopdf_fonts_zh_cn
import pylopdf_fonts_zh_tw
from fontTools.ttLib import TTFont  # type: ignore[import-untyped]

from reports.core.errors import InvalidSettings
from reports.core.scripts import Languages, isolated, language_by_scripts, right_to_left, script_of

FONTS = tuple(Path(package.font_directory) for package in (font_source_sans_pro, font_source_serif_pro))

MOST_MARKS = 30  # after one letter, as in the Stream-Safe Text Format (UAX 15)
_FACES = ("SourceSansPro-Regular.otf", "SourceSerifPro-Regular.otf")  # all text can fall back on these two
_SPACES = "\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}"
_JOINERS = "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"
_DIRECTIONS = "\N{LEFT-TO-RIGHT MARK}\N{RIGHT-TO-LEFT MARK}"
# Letters that leave no mark on the page (Default_Ignorable_Code_Point, and the blanks among symbols)
_BLANK = "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"
_JOINING = frozenset(
    {"ARABIC", "BENGALI", "DEVANAGARI", "GUJARATI", "KANNADA", "MALAYALAM", "SINHALA", "TAMIL"}
)
MARKS_SHOWN = 4  # on one letter: a Hebrew one may have a dot, a dagesh, a vowel and a stress
MARKS_SHOWN_LATIN = 2


# The fonts of other scripts, sans serif and serif, by their preferred language
FACES = {
    "zh-Hans": (pylopdf_fonts_zh_cn.sans_path(), pylopdf_fonts_zh_cn.serif_path()),
    "zh-Hant": (pylopdf_fonts_zh_tw.sans_path(), pylopdf_fonts_zh_tw.serif_path()),
    "ja": (pylopdf_fonts_jp.sans_path(), pylopdf_fonts_jp.serif_path()),
    "ko": (pylopdf_fonts_ko.sans_path(), pylopdf_fonts_ko.serif_path()),
    "ar": (pylopdf_fonts_ar.sans_path(), pylopdf_fonts_ar.serif_path()),
    "he": (pylopdf_fonts_he.sans_path(), pylopdf_fonts_he.serif_path()),
    "th": (pylopdf_fonts_th.sans_path(), pylopdf_fonts_th.serif_path()),
    "hi": (pylopdf_fonts_hi.sans_path(), pylopdf_fonts_hi.serif_path()),
}


def pinned() -> Iterator[Path]:
    """The files of the fonts of other scripts, in the order in which they are tried."""
    return chain.from_iterable(FACES.values())


@cache
def coverage() -> frozenset[int]:
    """Return the code points that the fonts of every page can show."""
    return frozenset().union(*(_covered(folder / face) for folder, face in zip(FONTS, _FACES, strict=True)))


@cache
def _covered(font: Path) -> frozenset[int]:
    with TTFont(font, lazy=True) as face:
        return frozenset(face.getBestCmap())


@cache
def _variants(font: Path) -> frozenset[tuple[int, int]]:
    """The variation sequences that a font has: a base and its selector."""
    with TTFont(font, lazy=True) as face:
        return frozenset(_variants_in(face))


def _variants_in(face: Any) -> Iterator[tuple[int, int]]:
    for table in face["cmap"].tables:
        if table.format == 14:
            for selector, pairs in table.uvsDict.items():
                yield from ((base, selector) for base, _ in pairs)


def needed(text: str) -> bool:
    """Whether a text needs a pinned font of another script."""
    missing = {code for code in map(ord, frozenset(text)) if code > 0x7F} - coverage()
    return any(not missing.isdisjoint(_covered(font)) for font in pinned()) if missing else False


@dataclass(frozen=True, slots=True)
class HouseFont:
    """What an organization's own font can show: code points and variation sequences."""

    covered: frozenset[int]
    variants: frozenset[tuple[int, int]]

    def within(self, ranges: Sequence[range]) -> HouseFont:
        """The font, restricted to some code points."""
        covered = frozenset(code for code in self.covered if any(code in each for each in ranges))
        return HouseFont(covered, frozenset(pair for pair in self.variants if pair[0] in covered))


FONT_FILES = (b"OTTO", b"\0\1\0\0", b"true", b"ttcf", b"wOFF", b"wOF2")  # how they begin


def read_font(content: bytes) -> HouseFont | None:
    """The contents of a font file; None if it is unreadable, in which case pages do not use it either."""
    try:
        with TTFont(BytesIO(content), lazy=True, fontNumber=0) as face:
            return HouseFont(frozenset(face.getBestCmap() or ()), frozenset(_variants_in(face)))
    except Exception:  # whatever fontTools runs into in a damaged file
        return None


def require_rights(content: bytes, name: str) -> None:
    """Raise `InvalidSettings` for a font that may not be subset in a document (ISO 19005-3, 6.2.11.4.1)."""
    try:
        with TTFont(BytesIO(content), lazy=True, fontNumber=0) as face:
            rights = face["OS/2"].fsType if "OS/2" in face else 0
    except Exception:  # whatever fontTools runs into in a damaged file: it is left out of the pages
        return
    for bit, what in _RIGHTS.items():
        if rights & bit:
            raise InvalidSettings(
                f"{name} {what}, according to its fsType (0x{rights:04x}): use another font"
            )


_RIGHTS = {  # OpenType, OS/2, fsType
    0x0002: "may not be embedded in a document",
    0x0100: "may be embedded only as a whole",
    0x0200: "may be embedded only as bitmaps",
}


@dataclass(frozen=True, slots=True)
class _Written:
    """A text, its language, and whether some of it runs from right to left."""

    text: str
    language: str
    sideways: bool

    @classmethod
    def of(cls, text: str, language: str | None) -> _Written:
        if text.isascii():
            return cls(text, "", False)
        return cls(text, language or language_by_scripts(text), right_to_left(text))


class Characters:
    """What pages can show with an organization's own fonts, and the languages of that text.

    `written` has the texts whose language is known, with its BCP 47 tag. `coded` has the characters shown as codes, in
    that order; `languages` has the runs of all text shown.
    """

    def __init__(
        self, house: Callable[[], Sequence[HouseFont]] = tuple, written: Mapping[str, str] | None = None
    ) -> None:
        self._house = cache(house)
        self._written = written or {}
        self.coded: dict[str, None] = {}
        self.languages = Languages()
        for text in self._written:
            self.printable(text)

    def printable(self, text: str, limit: int | None = None) -> str:
        """Return text from outside as pages can show it; beyond `limit` columns (2 or more), cut with `…`.

        A wide character of East Asia takes two columns. Whitespace becomes single spaces. What no font has, or what
        could hide or reorder its neighbours (controls, bidirectional overrides, zero-width characters outside the
        scripts that need them, lone surrogates, stacked marks), is shown as `[U+202E]`. Right-to-left text is put
        between isolates.
        """
        language = self._written.get(text)
        shown = self._pieces(_Written.of(_composed(text), language), limit)
        whole = "".join(shown).rstrip(" ")
        cut = whole if limit is None or columns(whole) <= limit else _shortened(shown, limit)
        self.languages.learn(cut, language)
        return isolated(cut)

    def _pieces(self, written: _Written, limit: int | None) -> list[str]:
        shown: list[str] = []
        length = 0
        for at in range(len(written.text)):
            piece = self._shown(written, at, shown)
            if piece == " " and (not shown or shown[-1] == " "):
                continue
            shown.append(piece)
            length += columns(piece)
            if limit is not None and length > limit + 1:
                break
        return shown

    def _shown(self, written: _Written, at: int, shown: Sequence[str]) -> str:
        character = written.text[at]
        category = unicodedata.category(character)
        if character.isspace() and character not in _SPACES:
            return " "
        if category[0] == "M":
            fits = self._fits(character, shown, written.language)
        elif character in _JOINERS:
            fits = _joins(written.text, at)
        elif character in _DIRECTIONS:
            fits = written.sideways
        else:
            hides = category[0] == "C" and not (category == "Cf" and script_of(character) == "ARABIC")
            fits = not hides and character not in _BLANK and self._has(ord(character))
        if fits:
            return character
        code = f"U+{ord(character):04X}"
        self.coded[code] = None
        return f"[{code}]"

    def _fits(self, mark: str, shown: Sequence[str], language: str) -> bool:
        """Whether a mark can follow what is shown before it: a letter with few marks, none of them the same."""
        on = list(takewhile(_is_mark, reversed(shown)))
        base = shown[-1 - len(on)] if len(shown) > len(on) else ""
        if len(base) != 1 or unicodedata.category(base)[0] != "L":
            return False
        if _selects(mark):
            return not on and self._varies((ord(base), ord(mark)), language)
        of_its_own = script_of(mark) in (None, script_of(base))
        most = MARKS_SHOWN if script_of(base) and ord(base) not in coverage() else MARKS_SHOWN_LATIN
        return of_its_own and len(on) < most and mark not in on and self._has(ord(mark))

    def _has(self, code: int) -> bool:
        covering: Iterable[Set[int]] = chain(
            [coverage()], (f.covered for f in self._house()), map(_covered, pinned())
        )
        return any(code in covered for covered in covering)

    def _varies(self, sequence: tuple[int, int], language: str) -> bool:
        fonts = FACES.get(language, FACES["zh-Hans"])
        in_both = all(sequence in _variants(font) for font in fonts)
        return in_both or any(sequence in font.variants for font in self._house())


def _is_mark(piece: str) -> bool:
    return len(piece) == 1 and unicodedata.category(piece)[0] == "M"


def columns(text: str) -> int:
    """A text's width in columns: a wide East Asian character takes two."""
    return len(text) + sum(unicodedata.east_asian_width(character) in "WF" for character in text)


def _selects(mark: str) -> bool:
    return 0xFE00 <= ord(mark) <= 0xFE0F or 0xE0100 <= ord(mark) <= 0xE01EF


def _joins(text: str, at: int) -> bool:
    """Whether a joiner is within a word of a script whose letters join; elsewhere it is only invisible."""
    around = text[max(at - 1, 0) : at] + text[at + 1 : at + 2]
    scripts = {script_of(each) for each in around}
    return len(around) == 2 and len(scripts) == 1 and scripts <= _JOINING


def _composed(text: str) -> str:
    """The text in NFC, piece by piece: normalizing marks on one letter takes quadratic time."""
    if text.isascii():
        return text
    pieces, start, marks = [], 0, 0
    for at, character in enumerate(text):
        marks = marks + 1 if unicodedata.combining(character) else 0
        if marks > MOST_MARKS:
            pieces.append(unicodedata.normalize("NFC", text[start:at]))
            start, marks = at, 1
    return "".join((*pieces, unicodedata.normalize("NFC", text[start:])))


def _shortened(pieces: list[str], limit: int) -> str:
    length = sum(map(columns, pieces))
    while length > limit - 1:
        length -= columns(pieces.pop())
    return "".join(pieces).rstrip(" ") + "…"

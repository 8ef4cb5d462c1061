"""The pinned fonts, and what of the text from outside they can show. A font of the host is never used."""

from __future__ import annotations

import unicodedata
from functools import cache
from pathlib import Path

import font_source_sans_pro  # type: ignore[import-untyped]
import font_source_serif_pro  # type: ignore[import-untyped]
from fontTools.ttLib import TTFont  # type: ignore[import-untyped]

FONTS = tuple(Path(package.font_directory) for package in (font_source_sans_pro, font_source_serif_pro))

MOST_MARKS = 30  # after one letter, as in the Stream-Safe Text Format (UAX 15)
_FACES = ("SourceSansPro-Regular.otf", "SourceSerifPro-Regular.otf")  # all text can fall back on these two
_SPACES = "\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}"


@cache
def coverage() -> frozenset[int]:
    """Return the code points that the pinned fonts can show."""
    return frozenset().union(*(_covered(folder / face) for folder, face in zip(FONTS, _FACES, strict=True)))


def _covered(path: Path) -> frozenset[int]:
    with TTFont(path, lazy=True) as face:
        return frozenset(face.getBestCmap())


def printable(text: str, limit: int | None = None) -> str:
    """Return text from outside as pages can show it; beyond `limit` characters (2 or more), cut with `…`.

    Whitespace becomes single spaces. What no pinned font has, or what could hide or reorder its neighbours
    (controls, bidirectional overrides, zero-width characters, lone surrogates, stacked marks), shows as
    `[U+202E]`.
    """
    shown: list[str] = []
    length = 0
    for character in _composed(text):
        piece = _shown(character)
        if piece == " " and (not shown or shown[-1] == " "):
            continue
        shown.append(piece)
        length += len(piece)
        if limit is not None and length > limit + 1:
            break
    whole = "".join(shown).rstrip(" ")
    return whole if limit is None or len(whole) <= limit else _shortened(shown, limit)


def _composed(text: str) -> str:
    """The text in NFC, a stretch at a time: the time that marks on one letter take grows with the square of them."""
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
    length = sum(map(len, pieces))
    while length > limit - 1:
        length -= len(pieces.pop())
    return "".join(pieces).rstrip(" ") + "…"


def _shown(character: str) -> str:
    if character.isspace() and character not in _SPACES:
        return " "
    if unicodedata.category(character)[0] not in "CM" and ord(character) in coverage():
        return character
    return f"[U+{ord(character):04X}]"

"""Writing systems: in which language, and in which direction, a piece of text is written.

A page is in one language and runs from left to right. Text in other scripts than Latin is marked, for
screen readers, for the fonts, and for its direction.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from html import unescape
from itertools import groupby

FIRST_STRONG_ISOLATE, POP_ISOLATE = "\u2068", "\u2069"

# How the names of a script's characters begin in Unicode, and the language it is taken for where nobody says which
_SCRIPTS = {
    "ARABIC": "ar",
    "ARMENIAN": "hy",
    "BENGALI": "bn",
    "BOPOMOFO": "zh-Hant",
    "CJK": "zh-Hans",
    "CYRILLIC": "und-Cyrl",  # many languages share it
    "DEVANAGARI": "hi",
    "ETHIOPIC": "am",
    "GEORGIAN": "ka",
    "GREEK": "el",
    "GUJARATI": "gu",
    "GURMUKHI": "pa",
    "HANGUL": "ko",
    "HEBREW": "he",
    "HIRAGANA": "ja",
    "KANNADA": "kn",
    "KATAKANA": "ja",
    "KHMER": "km",
    "LAO": "lo",
    "MALAYALAM": "ml",
    "MYANMAR": "my",
    "SINHALA": "si",
    "TAMIL": "ta",
    "TELUGU": "te",
    "THAI": "th",
    "TIBETAN": "bo",
}
_ALSO = {  # first words of other names
    "ARABIC-INDIC": "ARABIC",
    "EXTENDED": "ARABIC",  # EXTENDED ARABIC-INDIC DIGIT
    "FULLWIDTH": "WIDE",
    "HALFWIDTH": "WIDE",
    "IDEOGRAPHIC": "WIDE",
    "KANGXI": "CJK",
    "KATAKANA-HIRAGANA": "KATAKANA",
}
_EAST_ASIAN = frozenset({"BOPOMOFO", "CJK", "HANGUL", "HIRAGANA", "KATAKANA", "WIDE"})
_BY_PRECEDENCE = (
    "HIRAGANA",
    "KATAKANA",
    "HANGUL",
    "BOPOMOFO",
)  # any of these decides the language of adjacent Han

# Languages that a registry can name, and the scripts that they are written in
_WRITTEN_IN = {
    **{language: script for script, language in _SCRIPTS.items() if "-" not in language},
    **dict.fromkeys(("zh-Hans", "zh-Hant", "ja", "ko"), "CJK"),
    **dict.fromkeys(("ckb", "fa", "ps", "sd", "ug", "ur"), "ARABIC"),
    **dict.fromkeys(("as",), "BENGALI"),
    **dict.fromkeys(("be", "bg", "kk", "ky", "mk", "mn", "ru", "sr", "tg", "tt", "uk"), "CYRILLIC"),
    **dict.fromkeys(("mr", "ne", "sa"), "DEVANAGARI"),
    **dict.fromkeys(("ti",), "ETHIOPIC"),
    **dict.fromkeys(("yi",), "HEBREW"),
}

# From Greek on, without Latin, punctuation, symbols and arrows, which need no mark
_FOREIGN = re.compile("[\u0370-\u1dff\u1f00-\u1fff\u2c00-\ufaff\ufb07-\U0010ffff]")
_TAG = re.compile(r"""</?[a-zA-Z!?](?:"[^"]*"|'[^']*'|[^'"<>])*>""")
_UNREAD = re.compile(r"<(?:style|script|title)\b", re.IGNORECASE)  # their content is not page text
_ISOLATE = re.compile(f"({FIRST_STRONG_ISOLATE}[^{FIRST_STRONG_ISOLATE}{POP_ISOLATE}]*{POP_ISOLATE})")
_APART = frozenset("&<>\"'")  # characters that markup escapes
_LISTED = frozenset(",;:/")  # these may stand between two names


def known(language: str) -> str:
    """A language that text can be marked with, as a BCP 47 tag; raises `ValueError` for another."""
    if language not in _WRITTEN_IN:
        raise ValueError(f"language {language!r} is not one of {', '.join(sorted(_WRITTEN_IN))}")
    return language


@cache
def script_of(character: str) -> str | None:
    """The script of a character that is not Latin, as its name in Unicode has it; None for all that scripts share.

    `WIDE` is what East Asian scripts share; a letter of an unlisted script has the first word of its name.
    """
    if not _FOREIGN.match(character):
        return None
    if character == "\N{KATAKANA MIDDLE DOT}":
        return "WIDE"
    words = unicodedata.name(character, "").split() or [""]
    first = _ALSO.get(words[0], words[0])
    if first == "WIDE":
        return next((word for word in words[1:] if word in ("KATAKANA", "HANGUL")), "WIDE")
    if first in _SCRIPTS:
        return first
    if unicodedata.east_asian_width(character) in "WF":
        return "WIDE"
    return first if unicodedata.category(character)[0] == "L" else None


def right_to_left(text: str) -> bool:
    """Whether a text has letters that run from right to left."""
    return any(
        unicodedata.bidirectional(each) in ("R", "AL") and unicodedata.category(each) != "Cf" for each in text
    )


def starts_right_to_left(text: str) -> bool:
    """Whether the first letter with a direction runs from right to left (Unicode Annex 9, P2)."""
    strong = (unicodedata.bidirectional(character) for character in text)
    return next((each for each in strong if each in ("L", "R", "AL")), "L") != "L"


def isolated(text: str) -> str:
    """A text as it can stand beside any other: what runs from right to left, between isolates."""
    return f"{FIRST_STRONG_ISOLATE}{text}{POP_ISOLATE}" if right_to_left(text) else text


class Languages:
    """In which language each run is that is not written as its script is by default."""

    def __init__(self) -> None:
        self._of: dict[str, str] = {}

    def learn(self, text: str, language: str | None = None) -> None:
        """Remember the runs of a text: in its language if they are in its script, else in what their neighbours tell.

        East Asian scripts of one text are of one language: Kana makes Han Japanese.
        """
        if not _FOREIGN.search(text):
            return
        script = _WRITTEN_IN[language] if language else None
        around = language_by_scripts(text)
        for group, run in runs(text):
            if language and group == script:
                self._of[run] = language
            elif group == "CJK" and around != language_by_scripts(run):
                self._of.setdefault(run, around)

    def of(self, run: str) -> str:
        """The language of a run."""
        return self._of.get(run) or language_by_scripts(run)


def language_by_scripts(text: str) -> str:
    """The language that the scripts of a text are taken for, as a BCP 47 tag; `und` where they tell none."""
    scripts = {script_of(character) for character in text}
    telling = next((script for script in _BY_PRECEDENCE if script in scripts), None)
    if telling or scripts & _EAST_ASIAN:
        return _SCRIPTS[telling or "CJK"]
    return next((_SCRIPTS.get(script, "und") for script in map(script_of, text) if script), "und")


def runs(text: str) -> Iterator[tuple[str | None, str]]:
    """A text in pieces, each with its script (East Asian ones together are `CJK`); None for Latin and what is shared.

    Characters that scripts share belong to the run around them.
    """
    groups = _bridged(text, list(_groups(text)))
    for group, piece in groupby(zip(groups, text, strict=True), key=lambda pair: pair[0]):
        yield group, "".join(character for _, character in piece)


def _groups(text: str) -> Iterator[str | None]:
    before = None
    for character in text:
        follows = unicodedata.category(character)[0] == "M" or character in "\u200c\u200d\u200e\u200f"
        script = script_of(character)
        group = before if follows and before else "CJK" if script in _EAST_ASIAN else script
        yield group
        before = group


def _bridged(text: str, groups: list[str | None]) -> list[str | None]:
    last: int | None = None
    for at, group in enumerate(groups):
        if group is None:
            continue
        if last is not None and groups[last] == group and _bridges(text[last + 1 : at], group):
            groups[last + 1 : at] = [group] * (at - last - 1)
        last = at
    return groups


def _bridges(between: str, group: str) -> bool:
    apart = _APART | _LISTED if group == "CJK" else _APART
    return not any(character.isalpha() or character in apart for character in between)


def marked_html(html: str, languages: Languages) -> str:
    """HTML with every run of another script in an element that has its language, and its direction."""
    return _marked(html, languages, '<span lang="{}">{}</span>', '<bdi lang="{}" dir="rtl">{}</bdi>')


def marked_svg(svg: str, languages: Languages) -> str:
    """A drawing with every run of another script in an element that has its language."""
    element = '<tspan xml:lang="{}">{}</tspan>'
    return _marked(svg, languages, element, element)


def _marked(markup: str, languages: Languages, left: str, right: str) -> str:
    if not _FOREIGN.search(markup):
        return markup
    pieces = (
        piece if tag else _marked_text(piece, languages, left, right) for tag, piece in _tags_and_text(markup)
    )
    return "".join(pieces)


def _tags_and_text(markup: str) -> Iterator[tuple[bool, str]]:
    """Markup in pieces, and of each whether it is a tag, a comment or what no page shows; in one pass over it."""
    start = at = 0
    while (at := markup.find("<", at)) >= 0:
        end = _end_of_tag(markup, at)
        if end < 0:
            at += 1
            continue
        yield False, markup[start:at]
        yield True, markup[at:end]
        start = at = end
    yield False, markup[start:]


def _end_of_tag(markup: str, at: int) -> int:
    """Where the tag or comment ends that begins at a place; -1 if none does."""
    if markup.startswith("<!--", at):
        end = markup.find("-->", at)
        return end + 3 if end >= 0 else len(markup)
    if _UNREAD.match(markup, at):
        end = markup.find("</", at)
        return end if end >= 0 else len(markup)
    tag = _TAG.match(markup, at)
    return tag.end() if tag else -1


def _marked_text(text: str, languages: Languages, left: str, right: str) -> str:
    if not _FOREIGN.search(text):
        return text
    return "".join(_marked_pieces(text, languages, left, right))


def _marked_pieces(text: str, languages: Languages, left: str, right: str) -> Iterator[str]:
    for number, piece in enumerate(_ISOLATE.split(text)):
        if number % 2 and starts_right_to_left(unescape(piece)):
            first = next(run for group, run in runs(piece) if group and right_to_left(run))
            yield right.format(languages.of(first), piece)
            continue
        for group, run in runs(piece.strip(FIRST_STRONG_ISOLATE + POP_ISOLATE) if number % 2 else piece):
            if group is None:
                yield run
            else:
                yield (right if right_to_left(run) else left).format(languages.of(run), run)

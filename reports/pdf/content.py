"""The content of pages and pictures: one operator per line (ISO 32000-1, annex A), written in only one way."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# No alternative matches in two ways, so unusual content takes no more time than any other.
_N = rb"-?+\d{1,10}+(?:\.\d{0,6}+)?+"


def _n(count: int) -> bytes:
    return rb" ".join([_N] * count)


_TAG = rb"(?:Span|Figure|NonStruct|Lbl|Link)"
# What a few glyphs say together, where their font does not tell it.
_UTF_16 = rb"(?:(?!d[89a-f])[0-9a-f]{4}|d[89ab][0-9a-f]{2}d[c-f][0-9a-f]{2})"
_TEXT = rb"\((?:[ -'*-\[\]-~]|\\[\\()])*+\)|<feff(?!(?:00[0-7][0-9a-f])*+>)" + _UTF_16 + rb"++>"
_LINES = (
    rb"BT",
    rb"ET",
    rb"q",
    rb"Q",
    rb"EMC",
    rb"/[A-Z]{6} " + _N + rb" Tf",
    _n(6) + rb" (?:Tm|cm|c)",
    rb"\[(?:<(?:[0-9a-f]{4})*+>|" + _N + rb"| )*+\] TJ",
    rb"/" + _TAG + rb"\n<</MCID \d{1,7}>>\nBDC",
    rb"/Span\n<</ActualText (?:" + _TEXT + rb")>>\nBDC",
    rb"/Artifact\nBMC",
    rb"/Artifact\n<</Type /Pagination>>\nBDC",
    _n(2) + rb" (?:m|l)",
    _n(4) + rb" (?:re|v|y|k|K)",
    _n(3) + rb" (?:rg|RG|scn|SCN)",
    _N + rb" (?:w|J|j|M|Tr|Tc|Tw|Tz|TL|Ts|i)",
    rb"\[" + rb"(?:" + _N + rb"(?: " + _N + rb")*)?\] " + _N + rb" d",
    rb"/[A-Za-z0-9.\-+_]+ (?:gs|Do|sh)",
    rb"/(?:Pattern|DeviceCMYK|DeviceGray|DeviceRGB|[A-Za-z0-9.\-+_]+) (?:cs|CS)",
    rb"(?:" + _n(1) + rb"|" + _n(4) + rb") (?:scn|SCN)",
    rb"/p\d+ (?:scn|SCN)",
    rb"h|S|s|f|f\*|F|B|B\*|b|b\*|n|W|W\*",
)
_WHOLE = re.compile(rb"(?:(?:" + rb"|".join(_LINES) + rb")(?:\n|\Z))*+")
_USED = re.compile(rb"^/([A-Za-z0-9.\-+_]+) (?:[^\n]* )?(gs|Do|sh|cs|CS|scn|SCN|Tf)$", re.MULTILINE)
_NESTED = re.compile(rb"^(BT|ET|q|Q|BMC|BDC|EMC|<</ActualText .*>>)$", re.MULTILINE)
_MARK = re.compile(rb"^<</MCID (\d+)>>$", re.MULTILINE)
_HELD = {
    b"gs": "ExtGState",
    b"Do": "XObject",
    b"sh": "Shading",
    b"cs": "ColorSpace",
    b"CS": "ColorSpace",
    b"scn": "Pattern",
    b"SCN": "Pattern",
    b"Tf": "Font",
}
_COLORS = frozenset({"Pattern", "DeviceCMYK", "DeviceGray", "DeviceRGB"})
_PAIRS = {b"ET": (b"BT",), b"Q": (b"q",), b"EMC": (b"B?C", b"TEXT")}
DEEPEST = 256

_LETTER = rb"<[0-9a-f]{4}> <" + _UTF_16 + rb"*+>\n"
LETTERS = re.compile(
    rb"/CIDInit /ProcSet findresource begin\n12 dict begin\nbegincmap\n/CIDSystemInfo\n<< /Registry \(Adobe\)\n"
    rb"/Ordering \(UCS\)\n/Supplement 0\n>> def\n/CMapName /Adobe-Identity-UCS def\n/CMapType 2 def\n"
    rb"1 begincodespacerange\n<0000> <ffff>\nendcodespacerange\n(?:\d{1,3} beginbfchar\n(?:"
    + _LETTER
    + rb")*"
    rb"endbfchar\n)*endcmap\nCMapName currentdict /CMap defineresource pop\nend\nend"
)
ENCODING = re.compile(
    rb"/CIDInit /ProcSet findresource begin\n12 dict begin\nbegincmap\n/CIDSystemInfo\n3 dict dup begin\n"
    rb"/Registry \(Adobe\) def\n/Ordering \(Identity\) def\n/Supplement 0 def\nend def\n/CMapName /WP-Encod-0 def\n"
    rb"/CMapType 1 def\n1 begincodespacerange\n<0000> <ffff>\nendcodespacerange\n"
    rb"(?:\d{1,3} begincidchar\n(?:<[0-9a-f]{4}> \d{1,5}\n)*endcidchar\n)*endcmap\n"
    rb"CMapName currentdict /CMap defineresource pop\nend\nend"
)


class UnusualContentError(Exception):
    """Content is not written as that of a briefing; the message says what is not."""


def check(data: bytes, resources: Mapping[str, Any]) -> tuple[list[int], set[str]]:
    """What is marked in some content, by number, and the names of what it draws, all of which its resources have."""
    found = _WHOLE.match(data)
    end = found.end() if found else 0
    if end < len(data) or data.endswith(b"\n"):
        line = data[end : end + 40].split(b"\n")[0]
        raise UnusualContentError(f"content that is written in an unusual way: {line!r}")
    used = set(_USED.findall(data))
    for name, operator in used:
        if name.decode() not in resources.get(_HELD[operator], ()) and not (
            operator in (b"cs", b"CS") and name.decode() in _COLORS
        ):
            raise UnusualContentError(f"content that uses {name.decode()}, which is not among its resources")
    _check_nesting(data)
    marks = [int(number) for number in _MARK.findall(data)]
    return marks, {name.decode() for name, operator in used if operator == b"Do"}


def _check_nesting(data: bytes) -> None:
    opened: list[bytes] = []
    told = False
    for word in _NESTED.findall(data):
        if word.startswith(b"<<"):
            told = True
        elif word in (b"BT", b"q", b"BMC", b"BDC"):
            inside = opened[-1:] == [b"TEXT"] or (told and opened[-1:] != [b"BT"])
            if inside or (word == b"BT" and b"BT" in opened) or len(opened) == DEEPEST:
                raise UnusualContentError("content that is nested in an unusual way")
            opened.append(b"TEXT" if told else b"B?C" if word in (b"BMC", b"BDC") else word)
            told = False
        elif not opened or opened.pop() not in _PAIRS[word]:
            raise UnusualContentError("content that is nested in an unusual way")
    if opened:
        raise UnusualContentError("content that does not end what it begins")

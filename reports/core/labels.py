"""The ids and headings of evidence, as text: how they are normalized, and which are refused.

These are the rules of `sql/labels`, for what people write in settings and on the command line, which has to meet what
the evidence says. White space is Unicode's White_Space; categories are Unicode's.
"""

from __future__ import annotations

import re
import unicodedata

IDS = ("detection_id", "account_id", "campaign_id")
HEADINGS = ("capability", "detector", "detector_version", "network", "country")
LABELS = (*IDS, *HEADINGS)
MARKERS = frozenset({r"\N", "nan", "NaN", "None", "null", "NULL", "<NA>"})
IS_MARKER = "is what tools write for a missing value: leave the value out"
HOLDS_CONTROL = "holds a control character or a line break: remove it"

_SPACE = "[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]+"
_AROUND = re.compile(rf"\A{_SPACE}|{_SPACE}\Z")


def normalized(text: str) -> str:
    """A text without surrounding white space and byte order marks, in Unicode normalization form C."""
    return unicodedata.normalize("NFC", _AROUND.sub("", text))


def illegible(text: str) -> str | None:
    """What is wrong with a normalized id or heading; None if nothing is."""
    if text in MARKERS:
        return IS_MARKER
    if any(unicodedata.category(character) in ("Cc", "Zl", "Zp") for character in text):
        return HOLDS_CONTROL
    return None

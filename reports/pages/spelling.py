"""American and British spelling: templates are in American, and mark each word that British spells otherwise."""

from __future__ import annotations

from reports.core.settings import Spelling
from reports.pages.template_language import Unfit

BRITISH = {"authorization": "authorisation", "Gray": "Grey", "judgment": "judgement"}


def spelled(word: str, language: Spelling) -> str:
    """A word of `BRITISH`, as the language spells it; raises `Unfit` for another."""
    if word not in BRITISH:
        raise Unfit(f"{word[:80]!r} is not one of {', '.join(BRITISH)}: print it without the filter")
    return BRITISH[word] if language == "en-GB" else word

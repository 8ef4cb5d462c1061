"""The spelling of pages: American, or British where the issuer asks for it."""

import re
from io import BytesIO
from typing import Any

import pikepdf
import pytest

from reports.briefing.compose import Briefing
from reports.briefing.settings import Settings
from reports.core.errors import InvalidSettings
from reports.core.settings import Element, Issuer, Law, Registry
from reports.core.window import AUDIENCES, Audience
from reports.pages.assets import TEMPLATES, Resources
from reports.pages.render import render
from reports.pages.spelling import BRITISH
from tests.support.fakes import content_of
from tests.support.typesetting import OURS, brief, detections, seen, settings, typeset

AMERICAN = re.compile(
    r"\b(\w+iz(e[ds]?|ing|ations?)|\w*(color|behavior|favor|honor|neighbor)s?|labor|centers?|defense|gray"
    r"|judgments?|artifacts?|programs?|catalogs?|analyze[ds]?|fulfill|(label|model|cancel|travel)(ed|ing))\b",
    re.IGNORECASE,
)
BRITISH_WORDS = re.compile(
    r"\b(\w*(author|organ|recogn|summar|pseudonym|character|minim|general)is(e[ds]?|ing)|\w+isations?"
    r"|\w*(colour|behaviour|favour|honour|neighbour)s?|labour|centres?|defence|licences?|grey"
    r"|judgements?|artefacts?|programmes?|catalogues?|analyse[ds]?|fulfil|(label|model|cancel|travel)l(ed|ing))\b",
    re.IGNORECASE,
)
ALIKE = {"size", "sizes", "sized"}
PLAIN_LAW = Law(
    citation="L", status="a law", title="t", elements=(Element(id="1", text="An element.", plain="One"),)
)


def written_otherwise(text: str, language: str) -> set[str]:
    """The words of a text that are in the other spelling."""
    other = BRITISH_WORDS if language == "en-US" else AMERICAN
    return {found[0] for found in other.finditer(text)} - ALIKE


def with_gap(language: str, audience: Audience, law: Law | None = None) -> Briefing:
    """A briefing of a window whose last days have no evidence, which the chart shows."""
    made = settings(Registry(), language=language)
    made = Settings(made.registry, made.dataset, made.issuer, law or made.law)
    return brief(detections(["c", "d", None], days=40), made, audience)


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize("audience", AUDIENCES)
def test_pages_are_american(sample: tuple[Any, Settings], audience: Audience) -> None:
    """So are the law file and the sample's texts."""
    for briefing in (brief(*sample, audience), with_gap("en-US", audience)):
        assert written_otherwise(seen(typeset(briefing, OURS, "letter")[0]), "en-US") == set()


@pytest.mark.parametrize("audience", AUDIENCES)
def test_pages_are_british_where_asked(audience: Audience) -> None:
    """But the law, and what the registry says, are as they were written."""
    briefing = with_gap("en-GB", audience, PLAIN_LAW)
    text = seen(typeset(briefing, OURS, "letter")[0])

    assert written_otherwise(text, "en-GB") == set()
    assert [word for word in BRITISH.values() if word not in text] == []


@pytest.mark.parametrize("audience", AUDIENCES)
def test_the_law_is_quoted_as_it_is(audience: Audience) -> None:
    assert "Unauthorized extract" in seen(typeset(with_gap("en-GB", audience), OURS, "letter")[0])


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize(("language", "word"), [("en-US", "authorization"), ("en-GB", "authorisation")])
def test_the_document_says_its_language(language: str, word: str) -> None:
    """In its catalog and in its HTML, and it is PDF/A and PDF/UA."""
    briefing = with_gap(language, "lawmaker")
    with pikepdf.open(BytesIO(render(content_of(briefing), OURS).pdf)) as pdf:
        assert str(pdf.Root.Lang) == language
    html = typeset(briefing, OURS, "letter")[0]
    assert f'<html lang="{language}">' in html
    assert word in html


def test_a_word_that_is_not_listed_is_refused(tmp_path: Any) -> None:
    (tmp_path / "sections").mkdir()
    (tmp_path / "sections" / "glossary.html").write_text('<p>{{ "aluminum" | spelled }}</p>')
    with pytest.raises(
        InvalidSettings, match=r"glossary.html, line 1: 'aluminum' is not one of authorization, "
    ):
        typeset(with_gap("en-US", "lawmaker"), Resources((tmp_path, TEMPLATES)), "letter")


def test_the_default_spelling_does_not_change_digests() -> None:
    """If an issuer sets no language, the digests of the settings do not change."""
    assert "language" not in Issuer(language="en-US").model_dump()
    assert Issuer(language="en-GB").model_dump()["language"] == "en-GB"

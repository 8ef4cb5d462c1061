"""Step 5, first half: the pages of a briefing, as their reader sees them."""

import html as markup
import json
import re
import subprocess
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any, cast
from xml.etree import ElementTree as ET

import pikepdf
import pytest

from reports import __version__
from reports.briefing.attachments import attachments
from reports.briefing.compose import Briefing, SameFigures
from reports.briefing.figures import Ledger
from reports.briefing.settings import Settings
from reports.core.errors import InvalidSettings
from reports.core.settings import (
    _BETWEEN_SENTENCES,
    _CONFIDENCE_WORDS,
    _LIKELIHOOD_WORDS,
    Attribution,
    CampaignProfile,
    KnownDetector,
    Law,
    Registry,
    parse,
)
from reports.core.window import AUDIENCES, Audience, Window
from reports.evidence.collect import Evidence
from reports.pages.assets import TEMPLATES, Resources
from reports.pages.conformance import faults
from reports.pages.render import DocumentMetadata, render_pdf
from reports.pages.typeset import PAGE_SIZES
from tests.support import conformance
from tests.support.conformance import validate
from tests.support.fakes import content_of
from tests.support.fonts import font
from tests.support.tools import needs, needs_verapdf
from tests.support.typesetting import (
    LAW,
    OURS,
    WINDOW,
    brief,
    detections,
    flat,
    in_full,
    seen,
    settings,
    typeset,
)

pytestmark = [needs("pdftotext"), pytest.mark.usefixtures("slow")]

MARGIN = 16 * 72 / 25.4


def pages(html: str, resources: Resources = OURS) -> bytes:
    about = DocumentMetadata("x", "x", "x", datetime(2026, 6, 20, tzinfo=UTC), synthetic=True)
    return render_pdf(html, resources=resources, metadata=about)


def text_of(pdf: bytes, *options: str) -> str:
    run = subprocess.run(["pdftotext", *options, "-", "-"], input=pdf, capture_output=True, check=True)
    return run.stdout.decode()


def page_count(pdf: bytes) -> int:
    return text_of(pdf).count("\f")


Set = tuple[Briefing, str, Ledger, bytes]


@pytest.fixture(scope="session")
def sets(sample: tuple[Evidence, Settings]) -> Mapping[Audience, Set]:
    """The sample's briefings, by audience: what was composed, its HTML, its ledger and its pages."""
    found: dict[Audience, Set] = {}
    for audience in AUDIENCES:
        briefing = brief(*sample, audience)
        html, ledger = typeset(briefing, OURS, "letter")
        found[audience] = (briefing, html, ledger, pages(html))
    return found


# Figures


def unrecorded(briefing: Briefing, ledger: Ledger, pdf: bytes) -> list[str]:
    """The numbers on the pages that are neither in the ledger nor of a kind that is no figure."""
    text = flat(text_of(pdf).replace("\f", " "))
    for known in _not_figures(briefing):
        text = re.sub(known, " ", text)
    printed_ones = sorted({figure.printed for figure in ledger.figures.values()}, key=len, reverse=True)
    for printed in printed_ones:
        text = re.sub(rf"(?<![\d.,]){re.escape(flat(printed))}(?!\d|[.,]\d)", " ", text)
    for detector in briefing.detectors:
        text = text.replace(f"{detector.name}, {detector.version}", " ")
    return re.findall(r"\S*\d\S*", text)


def _not_figures(briefing: Briefing) -> list[str]:
    month = r"(January|February|March|April|May|June|July|August|September|October|November|December)"
    short = r"(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
    evidence, written = briefing.evidence, briefing.settings
    return [
        *(_in_pieces(text) for text in sorted(_prose(written.registry), key=len, reverse=True)),
        *map(
            re.escape, map(flat, sorted(_prose(written.law) | _prose(written.dataset), key=len, reverse=True))
        ),
        *(_in_pieces(o.name) for o in evidence.objects),
        r"\b([0-9a-f] ?){64}\b",  # digests
        r"\d\d:\d\d UTC",
        rf"\b\d{{1,2}} {month} \d{{4}}",
        rf"\b\d{{1,2}} ({month}|{short})( \d{{4}})?\b",
        rf"\b{month} \d{{4}}",
        r"AML\.T\d{4}(\.\d{3})?",
        rf"{briefing.number}|SHA-256|sha256sum|Directive 203",
        r"Receipt F\d+",
        r"Page \d+ of \d+",
        r"(\. ){3,}\d+",  # the contents list
    ]


def _prose(settings: Any) -> set[str]:
    """The texts with digits that people wrote."""
    found = re.findall(r'"((?:[^"\\]|\\.)*)"', settings.model_dump_json())
    return {json.loads(f'"{text}"') for text in found if re.search(r"\d", text)}


def _in_pieces(text: str) -> str:
    """A text wherever its lines end."""
    return r"(?<!\w)" + " ?".join(map(re.escape, re.sub(r"\s", "", text))) + r"(?!\w)"


@pytest.mark.parametrize("audience", AUDIENCES)
def test_every_number_on_the_pages_is_in_the_ledger(sets: Mapping[Audience, Set], audience: Audience) -> None:
    """Whatever remains without dates, ids, digests, citations, page numbers and prose was printed by a filter."""
    briefing, _, ledger, pdf = sets[audience]

    assert unrecorded(briefing, ledger, pdf) == []


def test_earlier_objects_are_together_by_month(sets: Mapping[Audience, Set]) -> None:
    """The objects of the window are on the page one by one; of each month before, their number and RFC 6962's root."""
    briefing, _, _, pdf = sets["regulator"]
    subjects = content_of(briefing).statement["subject"]
    text = flat(text_of(pdf, "-layout")).replace(" ", "")
    for month, start in {"November2025": "2025-11", "March2026": "2026-03", "April2026": "2026-04"}.items():
        of_month = [each for each in subjects if f"event_day={start}" in each["name"]]
        earlier = [each for each in of_month if "rows" not in each["annotations"]]
        leaves = [json.dumps(each, sort_keys=True, separators=(",", ":")).encode() for each in earlier]
        assert f"{month}{len(leaves)}{_root(leaves).hex()}" in text
    for each in subjects:
        assert (each["digest"]["sha256"] in text) == ("rows" in each["annotations"])


def _root(leaves: Sequence[bytes]) -> bytes:
    if len(leaves) == 1:
        return sha256(b"\0" + leaves[0]).digest()
    left = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\1" + _root(leaves[:left]) + _root(leaves[left:])).digest()


def test_a_number_that_no_filter_printed_is_found(tmp_path: Path) -> None:
    """The test above fails for a template that prints a raw number."""
    (tmp_path / "sections").mkdir()
    (tmp_path / "sections" / "glossary.html").write_text("<p>{{ briefing.total.exchanges.value + 1 }}</p>")
    briefing = brief(detections(["c"]), settings(Registry()))
    html, ledger = typeset(briefing, Resources((tmp_path, TEMPLATES)), "letter")

    assert unrecorded(briefing, ledger, pages(html)) == [str(cast(int, briefing.total.exchanges.value) + 1)]


def test_a_number_of_the_chart_is_in_the_ledger(sets: Mapping[Audience, Set]) -> None:
    """The peak of the chart is the figure of the day table; the axis has its marks in the ledger."""
    briefing, _, ledger, _ = sets["lawmaker"]
    peak = max(briefing.periods, key=lambda p: p.exchanges.value)
    of_chart = [f for f in ledger.figures.values() if f.quantity.question == "chart"]

    assert ledger.record(peak.exchanges, f"{peak.exchanges.value:,}").id in {
        f.id for f in ledger.figures.values() if f.quantity.question == "tallies"
    }
    assert [f.quantity.row["mark"] for f in of_chart] == [f"axis.{n}" for n in range(len(of_chart))]


def test_the_receipt_of_a_key_figure_is_its_id(sets: Mapping[Audience, Set]) -> None:
    """A reader who looks a receipt up in briefing.json finds the figure beside which it stands."""
    _, html, ledger, _ = sets["lawmaker"]
    found = re.findall(r'<p class="value">(.*?)</p>.*?Receipt (F\d+)', html)
    printed = {figure.id: figure.printed for figure in ledger.figures.values()}

    assert len(found) == 4
    assert [printed[receipt] for _, receipt in found] == [flat(value) for value, _ in found]


# What the pages say


def test_the_first_page_hedges_as_the_published_figures_do(sets: Mapping[Audience, Set]) -> None:
    """A reader of page 1 alone has the bottom line, the campaigns and the chart."""
    first = flat(text_of(sets["lawmaker"][3]).split("\f")[0])

    for text in (
        "more than 28.8 million exchanges",
        "nearly 25,000 accounts",
        "operators affiliated with Alibaba and its AI research division, Qwen",
        "Campaigns in the window",
        "Exchanges by day and campaign",
        "EX-20260422-20260605-L, edition 1",
    ):
        assert text in first


@pytest.mark.parametrize("audience", AUDIENCES)
def test_only_an_edition_with_the_same_figures_says_so(audience: Audience) -> None:
    """After the edition that it supersedes, with the release that made the figures again."""
    second = replace(
        brief(detections(["c0"]), settings(in_full(1)), audience), edition=2, supersedes="EX-1 edition 1"
    )
    same, other = (
        seen(typeset(replace(second, same_figures_as=each), OURS, "letter")[0])
        for each in (SameFigures(1, "0.0.1"), None)
    )
    said = f"supersedes EX-1 edition 1. Same figures as edition 1, made again by Exhibit {__version__}."
    assert said in same
    assert "supersedes EX-1 edition 1 Window" in other


def test_sections_are_those_of_the_audience(sets: Mapping[Audience, Set]) -> None:
    """In order, and the contents list of the regulator's names each."""
    lawmaker, regulator = (re.findall(r"<h2 id=\"(.*?)\">(.*?)</h2>", sets[a][1]) for a in AUDIENCES)
    listed = re.findall(r'<a href="#(.*?)">(.*?)</a></li>', sets["regulator"][1])

    common = ["bottom-line", "key-figures", "scale", "targeted", "methods", "who", "law", "actions"]
    assert [id_ for id_, _ in lawmaker] == [*common, "requests", "sensitivity", "evidence", "glossary"]
    assert listed == [heading for heading in regulator if heading[0] != "contents"]
    more = ["detection", "sensitivity", "counting", "completeness", "evidence", "glossary"]
    assert [id_ for id_, _ in listed] == [*common, *more]


@pytest.mark.parametrize("audience", AUDIENCES)
def test_likelihood_and_confidence_never_share_a_sentence(
    sets: Mapping[Audience, Set], audience: Audience
) -> None:
    """As a reader finds sentences: by paragraphs, items, cells and full stops."""
    body = re.sub(r"<head>.*?</head>", "", sets[audience][1], flags=re.DOTALL)
    blocks = re.split(r"</?(?:p|li|td|th|dd|dt|div|h\d|caption|ul|section|tr)\b[^>]*>", body)
    texts = [flat(markup.unescape(re.sub(r"<[^>]*>", "", block))) for block in blocks]
    sentences = [sentence for text in texts for sentence in _BETWEEN_SENTENCES.split(text)]
    of_likelihood = [s for s in sentences if _LIKELIHOOD_WORDS.search(s)]

    assert any("almost certain" in s for s in of_likelihood)
    assert any("Confidence is high" in s for s in sentences)
    assert not [s for s in of_likelihood if _CONFIDENCE_WORDS.search(s)]


def row_of(html: str, id_: str) -> str:
    """What a reader sees in the row of an element of the law, or of the group before it."""
    found = re.search(rf'<th scope="row">{re.escape(id_)}</th>(.*?)</tr>', html, re.DOTALL)
    assert found is not None, id_
    return seen(found[1]).strip()


def heads(html: str) -> list[str]:
    """The heads of the groups of the law, as a reader sees them."""
    return [seen(each).strip() for each in re.findall(r'<th scope="rowgroup".*?>(.*?)</th>', html, re.DOTALL)]


@pytest.mark.parametrize("audience", AUDIENCES)
def test_each_group_of_the_law_says_how_it_counts(sets: Mapping[Audience, Set], audience: Audience) -> None:
    """H.R. 8283: definitions and conduct must hold, the ways are alternatives, purpose is weighed, leave excludes."""
    found = heads(sets[audience][1])

    for head, says in zip(
        found,
        [
            *("all must be met", "must be met", "any one is enough . Gap: no evidence of any for Campaign B"),
            *("weighed together, none required", "conduct that meets this is excluded", "only if claimed"),
        ],
        strict=True,
    ):
        assert head.endswith(f": {says}")


def test_no_gap_misstates_the_bill(sets: Mapping[Audience, Set]) -> None:
    """An alternative or a factor without evidence is no gap; a campaign's own lack of what must hold is one."""
    lawmaker, regulator = (sets[audience][1] for audience in AUDIENCES)

    assert row_of(lawmaker, "B.iv") == "Development timeline none offered"
    assert row_of(regulator, "B.iv").endswith("no evidence offered for this factor")
    assert row_of(lawmaker, "A") == "Unauthorized extraction Campaign A; gap: Campaign B"
    assert row_of(regulator, "A").endswith("without permission. Gap: no evidence for Campaign B")
    assert row_of(regulator, "C").endswith("Gap: no evidence on whether it applies to Campaign B")
    assert row_of(lawmaker, "C") == "Authorized training addressed: Campaign A; gap: Campaign B"
    assert row_of(lawmaker, "3(2)") == "Closed-source model all campaigns"
    for html in (lawmaker, regulator):
        assert [row_of(html, term).endswith("not claimed here") for term in ("3(4)", "3(7)")] == [True, True]
        assert not [
            id_ for id_ in ("A.i", "A.ii", "A.iii", "B.i", "B.ii", "B.iii") if "ap:" in row_of(html, id_)
        ]


@pytest.mark.parametrize("audience", AUDIENCES)
def test_without_evidence_what_is_asked_for_is_a_gap(audience: Audience) -> None:
    """Of each that must hold and of the exclusion, and once of the alternatives together."""
    html, _ = typeset(brief(detections(["c"]), settings(Registry()), audience), OURS, "letter")

    rows = {e.id: row_of(html, e.id) for e in LAW.in_groups}
    gaps = {id_: row.partition("Gap: ")[2] for id_, row in rows.items() if "Gap:" in row}
    assert gaps == {
        **dict.fromkeys(("3(2)", "3(13)", "A"), "no evidence"),
        "C": "no evidence on whether it applies",
    }
    assert [head for head in heads(html) if "Gap:" in head] == [heads(html)[2]]
    assert heads(html)[2].endswith("any one is enough . Gap: no evidence for any of these")


@pytest.mark.parametrize("audience", AUDIENCES)
def test_where_no_campaign_is_nothing_is_held_against_the_law(audience: Audience) -> None:
    """Detections that are attributed to nobody are no conduct of anybody."""
    html, _ = typeset(brief(detections([None]), settings(Registry()), audience), OURS, "letter")
    law = html[html.index('<h2 id="law">') : html.index('<h2 id="actions">')]

    assert "No detections in the window are attributed to a campaign." in seen(law)
    assert not heads(html)


@pytest.mark.parametrize("audience", AUDIENCES)
def test_the_text_and_the_stage_of_the_law_are_dated(
    sets: Mapping[Audience, Set], audience: Audience
) -> None:
    """As introduced is one thing, and what became of the bill since another."""
    text = seen(sets[audience][1])

    assert "a bill, not a law" in text
    assert "Text: as introduced in the House of Representatives, 15 April 2026." in text
    assert "ordered to be reported (amended) by the House Committee on Foreign Affairs" in text
    assert "by 43 to 0, 22 April 2026." in text
    assert "the amended text was not available and may differ." in text


@pytest.mark.parametrize("audience", AUDIENCES)
def test_an_earlier_law_is_told_as_it_was(audience: Audience) -> None:
    """Without groups, each element that has no evidence is a gap."""
    earlier = (Path(__file__).parents[1] / "earlier" / "0.1.0" / "law.yaml").read_text("utf-8")
    written = settings(in_full(1))
    law = parse(Law, earlier, "law.yaml")
    theirs = Settings(written.registry, written.dataset, written.issuer, law)
    html, _ = typeset(brief(detections(["c0"]), theirs, audience), OURS, "letter")

    assert "attack (as introduced on 15 April 2026; a bill, not yet a law)." in seen(html)
    assert not heads(html)
    assert "Gap: no evidence" in row_of(html, "B.iv")
    assert [e.id for e in law.elements if "Gap" in row_of(html, e.id)] == ["B.iv"]
    assert ("Gap: not answered here" in seen(html)) == (audience == "regulator")


def test_what_the_law_wants_assessed_is_answered_or_a_gap(sets: Mapping[Audience, Set]) -> None:
    """Each item leads to a section that is there, or is printed as a gap."""
    html = sets["regulator"][1]
    for item in LAW.assessment:
        row = re.search(rf"{re.escape(str(markup.escape(item.text)))}</th>(.*?)</tr>", html, re.DOTALL)
        assert row is not None
        assert (f'href="#{item.answered_by}"' if item.answered_by else "Gap:") in row[1]
        assert item.answered_by is None or f'<h2 id="{item.answered_by}">' in html
        assert item.note is None or seen(row[1]).strip().endswith(item.note)


def test_all_eight_matters_are_told(sets: Mapping[Audience, Set]) -> None:
    """Section 4(b) has eight paragraphs: lawmakers get a line, regulators a row each."""
    lawmaker, regulator = (seen(sets[audience][1]) for audience in AUDIENCES)
    numbers = [f"({n})" for n in range(1, 9)]

    assert [
        number for number in numbers if f"{number} " in regulator[regulator.index("The eight matters") :]
    ] == numbers
    line = lawmaker[lawmaker.index("The eight matters") : lawmaker.index("diplomatic strategy.")]
    on_record, gap = line.split("Gap:")
    assert re.findall(r"\(\d\)(?=[ (])", on_record) == ["(1)", "(4)", "(4)", "(5)"]
    assert re.findall(r"\(\d\)(?=[ (])", gap) == ["(2)", "(3)", "(4)", "(6)", "(7)", "(8)"]


@pytest.mark.parametrize("audience", AUDIENCES)
def test_countries_of_traffic_are_not_countries_of_origin(audience: Audience) -> None:
    """Countries of the traffic leave the matter a gap, and what the registry has on it closes that."""
    silent = CampaignProfile(campaign_id="c", name="Campaign A")
    told = silent.model_copy(update={"assessment": {"countries": "Public records say where."}})
    pages_of = [
        seen(
            typeset(brief(detections(["c"]), settings(Registry(campaigns=(e,))), audience), OURS, "letter")[0]
        )
        for e in (silent, told)
    ]
    for text, gap in zip(pages_of, (True, False), strict=True):
        matters = text[text.index("The eight matters") :]
        if audience == "lawmaker":
            assert ("(2) countries of origin" in matters.split("Gap:")[1]) == gap
        else:
            assert ("providers exist Gap: not answered here" in matters) == gap
            assert ("Campaign A: Public records say where." in matters) != gap


def test_weaknesses_of_detectors_are_those_on_record() -> None:
    """A detector that the registry does not know has none recorded."""
    known = KnownDetector(name="prompts", weaknesses=("Misses what is reworded.",))
    delivered = [*detections(["c"], 2), *detections(["d"], 2, detector="unknown")]
    html, _ = typeset(brief(delivered, settings(Registry(detectors=(known,))), "regulator"), OURS, "letter")

    assert "prompts none recorded Misses what is reworded." in seen(html)
    assert "unknown none recorded none recorded" in seen(html)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("detectors: [{name: a}, {name: a}]", "detector 'a' is listed twice"),
        ("detectors: [{name: a, weakness: b}]", "weakness: unknown key"),
    ],
)
def test_a_mistake_about_a_detector_is_named(text: str, said: str) -> None:
    """With the file and what to do."""
    with pytest.raises(InvalidSettings, match=rf"^campaigns\.yaml: .*{said}"):
        parse(Registry, text, "campaigns.yaml")


def test_a_withheld_operator_is_nowhere() -> None:
    """Neither on a page nor in an attached file, while its attribution is told."""
    attribution = Attribution(confidence="high", basis=("Shared hosts.",), approvals=("one person",))
    entry = CampaignProfile(
        campaign_id="c", name="Campaign A", operator="Zyxwv Holdings", attribution=attribution
    )
    for audience in AUDIENCES:
        briefing = brief(detections(["c"]), settings(Registry(campaigns=(entry,))), audience)
        html, ledger = typeset(briefing, OURS, "letter")
        files = attachments(content_of(briefing), tuple(ledger.figures.values()), {})
        text = text_of(pages(html)) + "".join(file.data.decode() for file in files)

        assert "Zyxwv" not in html + text
        assert "operator withheld" in html
        assert "Shared hosts." in html


def test_the_largest_on_record_only_if_true(sample: tuple[Evidence, Settings]) -> None:
    """A larger published campaign makes it second, and no page calls it the largest."""
    evidence, written = sample
    larger = written.registry.entry("AC-2026-01")
    assert larger.published is not None
    published = larger.published.model_copy(update={"exchanges": 30_000_000})
    entries = [
        entry.model_copy(update={"published": published}) if entry is larger else entry
        for entry in written.registry.campaigns
    ]
    changed = Settings(
        written.registry.model_copy(update={"campaigns": tuple(entries)}),
        written.dataset,
        written.issuer,
        written.law,
    )
    true, false = (typeset(brief(evidence, s), OURS, "letter")[0] for s in (written, changed))

    assert seen(true).count("the largest of the 5 campaigns on record") == 2
    assert "the largest of" not in seen(false)
    assert "1 of the 5 campaigns on record is, or may be, at least as large" in seen(false)


def test_a_campaign_is_new_only_if_the_evidence_covers_the_window_before() -> None:
    """Without older evidence, nothing is said of the window before."""
    html, _ = typeset(brief(detections(["c"]), settings(Registry())), OURS, "letter")

    assert "not seen in the prior window" not in seen(html)
    assert "There is no evidence from before the window." in seen(html)


@pytest.mark.parametrize("audience", AUDIENCES)
def test_one_is_told_as_one(audience: Audience) -> None:
    """Of one day with one detection of one exchange, no sentence speaks of several."""
    (one, *_) = detections(["c"])
    day = Window(WINDOW.first, WINDOW.first)
    html, _ = typeset(
        brief([replace(one, exchange_count=1)], settings(Registry()), audience, day), OURS, "a4"
    )

    said = seen(html).replace("\N{NO-BREAK SPACE}", " ")
    assert (
        "On 22 April 2026, the operator of c generated 1 exchange with the model through 1 account." in said
    )
    assert re.findall(r"\b1 [a-z]+s\b", said) == ["1 was"]
    assert "22 April 2026 to" not in said


@pytest.mark.parametrize("audience", AUDIENCES)
def test_a_window_without_campaigns_has_its_pages(audience: Audience) -> None:
    """What is detected and attributed to none is told as such."""
    html, _ = typeset(brief(detections([None]), settings(Registry()), audience), OURS, "a4")

    assert pages(html)
    assert "no detections were attributed to a campaign" in seen(html)


@pytest.mark.parametrize("audience", AUDIENCES)
def test_a_window_in_which_nothing_counts_has_its_pages(audience: Audience) -> None:
    """There is no chart of nothing."""
    delivered = detections(["c"], 3, status="suppressed")
    html, _ = typeset(brief(delivered, settings(Registry()), audience), OURS, "a4")

    assert "<img" not in html
    assert pages(html)


# Text from outside

HOSTILE = (
    "<script>alert('x')</script>",
    "{{ 7*7 }}{% raw %}",
    "bidi \u202e\u2066 override",
    "control \x00\x07\x1b characters",
    "=cmd|'/c calc'!A1",
    "A name of ten thousand characters " * 300,
)


@pytest.mark.parametrize("audience", AUDIENCES)
def test_hostile_text_is_printed_as_text(audience: Audience) -> None:
    """Wherever it comes from: ids, networks, capabilities, detectors, names and prose."""
    delivered = [
        d
        for text in HOSTILE
        for d in detections([text], 2, network=text, capability=text, detector=text, detector_version=text)
    ]
    accepted = [text for text in HOSTILE[1:] if not re.search("[\x00\u202e]", text)]
    entries = [
        CampaignProfile(campaign_id=text, name=text, methods=(text,), response=text) for text in accepted
    ]
    written = settings(Registry(campaigns=tuple(entries)), name=HOSTILE[0])
    html, _ = typeset(brief(delivered, written, audience), OURS, "letter")
    shown = flat(text_of(pages(html)))

    assert "<script" not in html
    assert "\u202e" not in html
    for text in (
        "<script>alert('x')</script>",
        "{{ 7*7 }}{% raw %}",
        "bidi [U+202E][U+2066] override",
        "control [U+0000][U+0007][U+001B] characters",
        "=cmd|'/c calc'!A1",
        "A name of ten thousand characters A name",
    ):
        assert text in shown


# The page


def test_a_lawmaker_gets_the_sample_on_four_pages(sets: Mapping[Audience, Set]) -> None:
    """On either size of paper."""
    briefing, _, _, pdf = sets["lawmaker"]

    assert page_count(pdf) <= 4
    assert page_count(pages(typeset(briefing, OURS, "a4")[0])) <= 4


@pytest.mark.parametrize("count", [3, 5])
@pytest.mark.parametrize("size", PAGE_SIZES)
def test_five_campaigns_in_full_have_room_on_four_pages(tmp_path: Path, size: str, count: int) -> None:
    """With a full entry each, a letterhead, a signatory and requests."""
    (tmp_path / "logo.svg").write_text(LOGO)
    ids = [f"c{n}" for n in range(count)]
    written = settings(
        in_full(count),
        logo="logo.svg",
        unit="Trust and Safety",
        address=("Street", "Place"),
        contact="someone@example.org",
        signatory="Head of Trust and Safety",
        addressee={"lawmaker": "The Committee on Foreign Affairs"},
    )
    resources = Resources((tmp_path, TEMPLATES))
    html, _ = typeset(brief(detections([*ids, None]), written), resources, size)
    pdf = pages(html, resources)

    assert page_count(pdf) <= 4
    assert misplaced(pdf) == []
    assert seen(html).count("Rejected for most of the traffic") == count


@needs_verapdf()
def test_paragraphs_that_run_on_are_accessible(tmp_path: Path) -> None:
    """What is set close to save room is still tagged as PDF/UA-1 wants it."""
    delivered = detections([f"c{n}" for n in range(5)])
    html, _ = typeset(brief(delivered, settings(in_full(5))), OURS, "letter")
    (tmp_path / "close.pdf").write_bytes(pages(html))

    assert 'class="closer run-on"' in html
    assert {v.broken for v in validate([tmp_path / "close.pdf"])} == {()}


def test_of_many_campaigns_the_largest_are_told_and_the_others_counted() -> None:
    """A lawmaker is told in detail of five; the number of the others is a figure."""
    html, ledger = typeset(
        brief(detections([f"c{n}" for n in range(7)], 3), settings(Registry())), OURS, "letter"
    )

    assert "the other 2 campaigns are in the table and in briefing.json" in seen(html)
    assert html.count(": operator not known") == 5
    assert any(f.quantity.row.get("campaigns") == "others" for f in ledger.figures.values())


@pytest.mark.parametrize("audience", AUDIENCES)
def test_nothing_overflows_with_sixty_campaigns_and_long_ids(audience: Audience) -> None:
    """No word lies beyond the margins or on another word."""
    ids = [f"{n:02}_{'campaign' * 5}"[:40] for n in range(60)]
    delivered = [d for n, id_ in enumerate(ids) for d in detections([id_], 1 + n % 2, network=id_ * 2)]
    html, _ = typeset(brief(delivered, settings(Registry()), audience), OURS, "letter")
    pdf = pages(html)

    assert misplaced(pdf) == []
    assert not set(ids) - set(re.findall(r"\d\d_[a-z]{37}", re.sub(r"\s", "", text_of(pdf))))


@pytest.mark.parametrize("audience", AUDIENCES)
def test_nothing_overflows_in_the_sample(sets: Mapping[Audience, Set], audience: Audience) -> None:
    """No word lies beyond the margins or on another word."""
    assert misplaced(sets[audience][3]) == []


def test_a_word_beyond_the_margin_is_found() -> None:
    """The tests above fail for a page that overflows, and for words on one another."""
    style = '<link rel="stylesheet" href="briefing.css"><link rel="stylesheet" href="letter.css">'
    wide = f'<html lang="en">{style}<p style="white-space: nowrap">{"word " * 99}'
    stacked = f'<html lang="en">{style}<p>below<p style="margin-top: -1.9em">above'

    assert misplaced(pages(wide))
    assert misplaced(pages(stacked)) in (["below/above"], ["above/below"])


def misplaced(pdf: bytes) -> list[str]:
    """The words that lie beyond the margins left and right, or on another word."""
    run = subprocess.run(
        ["pdftotext", "-bbox", "-", "-"], input=pdf, capture_output=True, check=True
    ).stdout.decode()
    found: list[str] = []
    for page in ET.fromstring(run).iter("{http://www.w3.org/1999/xhtml}page"):  # noqa: S314 -- poppler's own
        words = [_word(each) for each in page]
        right = float(page.attrib["width"]) - MARGIN + 1
        found += [text for text, left, _, end, _ in words if left < MARGIN - 1 or end > right]
        found += [f"{a[0]}/{b[0]}" for a, b in pairwise(sorted(words, key=_line)) if _on(a, b)]
    return found


Word = tuple[str, float, float, float, float]


def _word(told: ET.Element) -> Word:
    left, top, right, bottom = (float(told.attrib[name]) for name in ("xMin", "yMin", "xMax", "yMax"))
    return told.text or "", left, top, right, bottom


def _line(word: Word) -> tuple[int, float]:
    """The line that a word is on, to a third of its height, and its place there."""
    return round((word[2] + word[4]) / 6), word[1]


def _on(a: Word, b: Word) -> bool:
    return _line(a)[0] == _line(b)[0] and a[3] - b[1] > 1


# Names in any script

NAMES = {
    "zh": ("深度求索行动", None, "zh-Hans"),
    "tw": ("直門骨行動", "zh-Hant", "zh-Hant"),
    "ja": ("ソニー株式会社作戦", None, "ja"),
    "kanji": ("直門骨作戦", "ja", "ja"),
    "ko": ("삼성전자 작전", None, "ko"),
    "ar": ("شركة التقنية", None, "ar"),
    "fa": ("حملهٔ گفتگو", "fa", "fa"),
    "he": ("חברת הטכנולוגיה", None, "he"),
    "th": ("บริษัท ปัญญาประดิษฐ์ น้ำ", None, "th"),
    "hi": ("कंपनी हिन्दी क्षत्रिय", None, "hi"),
    "uk": ("Кампанія «Північ»", "uk", "uk"),
    "cyrl": ("Кампания", None, "und-Cyrl"),
    "el": ("Εκστρατεία Άλφα", None, "el"),
}
RIGHT_TO_LEFT = ("ar", "fa", "he")
FONTS_OF = {
    **{
        "zh": "SC",
        "tw": "TC",
        "ja": "JP",
        "kanji": "JP",
        "ko": "KR",
        "ar": "Arabic",
        "fa": "Arabic",
        "he": "Hebrew",
    },
    **{"th": "Thai", "hi": "Devanagari"},
}


def named(*keys: str) -> Registry:
    return Registry(
        campaigns=tuple(
            CampaignProfile(campaign_id=key, name=name, language=language)
            for key, (name, language, _) in NAMES.items()
            if key in keys
        )
    )


@pytest.fixture(scope="module")
def in_any_script() -> Mapping[Audience, Set]:
    """Briefings about campaigns with names in many scripts, by audience."""
    found: dict[Audience, Set] = {}
    for audience in AUDIENCES:
        briefing = brief(detections(list(NAMES), 3), settings(named(*NAMES)), audience)
        html, ledger = typeset(briefing, OURS, "letter")
        found[audience] = (briefing, html, ledger, pages(html))
    return found


def plain(text: str) -> str:
    """A text without the marks that pdftotext puts around what runs from right to left."""
    return flat(re.sub("[\u202a-\u202e\u2066-\u2069\u200e\u200f]", "", text))


@pytest.mark.parametrize("audience", AUDIENCES)
@pytest.mark.parametrize("key", NAMES)
def test_names_are_printed_as_they_are(
    in_any_script: Mapping[Audience, Set], audience: Audience, key: str
) -> None:
    """On the pages, where a reader can copy them, and never as codes."""
    _, _, ledger, pdf = in_any_script[audience]

    assert NAMES[key][0] in plain(text_of(pdf))
    assert ledger.coded == ()


@pytest.mark.parametrize("key", NAMES)
def test_each_name_is_tagged_with_its_language(in_any_script: Mapping[Audience, Set], key: str) -> None:
    """In the structure that is read aloud; what runs from right to left has its text there in logical order."""
    name, _, language = NAMES[key]
    with pikepdf.open(BytesIO(in_any_script["regulator"][3])) as pdf:
        spoken = [each for each in pdf.objects if isinstance(each, pikepdf.Dictionary) and "/Lang" in each]
        found = {str(each.Lang) for each in spoken if each.get("/Type") == "/StructElem"}
        texts = {
            str(each.ActualText) for each in spoken if "/ActualText" in each and str(each.Lang) == language
        }

    assert language in found
    assert (name in texts) == (key in RIGHT_TO_LEFT)


@pytest.mark.parametrize("key", FONTS_OF)
def test_each_name_has_the_font_of_its_language(key: str) -> None:
    """With serifs in text and without in tables, for Han as its language writes it."""
    html, _ = typeset(brief(detections([key], 3), settings(named(key))), OURS, "letter")
    with pikepdf.open(BytesIO(pages(html))) as pdf:
        fonts = {str(each.BaseFont) for each in pdf.objects if _is_font(each)}
    found = {re.sub(r"^/[A-Z]+\+|-Semi-Bold$", "", font) for font in fonts}

    serif = "Naskh" if FONTS_OF[key] == "Arabic" else "Serif"
    assert {font for font in found if "Noto" in font} == {
        f"Noto-Sans-{FONTS_OF[key]}",
        f"Noto-{serif}-{FONTS_OF[key]}",
    }


def _is_font(each: Any) -> bool:
    return isinstance(each, pikepdf.Dictionary) and each.get("/Subtype") == "/Type0"


def test_latin_pages_have_no_other_fonts(sets: Mapping[Audience, Set]) -> None:
    """The sample needs the two families of every page alone."""
    with pikepdf.open(BytesIO(sets["regulator"][3])) as pdf:
        fonts = [str(each.BaseFont) for each in pdf.objects if _is_font(each)]

    assert fonts
    assert all("Source-S" in font for font in fonts)


def test_names_are_bookmarks(in_any_script: Mapping[Audience, Set]) -> None:
    """As they are; what runs from right to left is kept apart from what follows."""
    with pikepdf.open(BytesIO(in_any_script["regulator"][3])) as pdf, pdf.open_outline() as outline:
        titles = {child.title for top in outline.root for part in top.children for child in part.children}

    for key, (name, _, _) in NAMES.items():
        isolated = f"\u2068{name}\u2069" if key in RIGHT_TO_LEFT else name
        assert f"{isolated}: operator not known" in titles


@pytest.mark.parametrize("key", NAMES)
def test_names_are_in_the_chart(key: str) -> None:
    """Set as one piece, with their language, so that letters join and run in their direction."""
    html, _ = typeset(brief(detections([key], 9), settings(named(key))), OURS, "letter")
    url = re.search(r'src="data:image/svg\+xml;base64,([^"]*)"', html)
    assert url
    svg = b64decode(url[1]).decode()
    picture = f'<html lang="en"><body><img alt="x" src="data:image/svg+xml;base64,{url[1]}">'

    name, _, language = NAMES[key]
    assert f'<tspan xml:lang="{language}">' in svg
    assert name in plain(re.sub("<[^>]*>", "", svg))
    assert name in plain(text_of(pages(picture)))


@pytest.mark.parametrize(("audience", "size"), list(zip(AUDIENCES, PAGE_SIZES, strict=True)))
def test_sixty_campaigns_in_many_scripts(audience: Audience, size: str, tmp_path: Path) -> None:
    """Nothing overflows, and both Exhibit and veraPDF find the pages good."""
    keys = list(NAMES)
    entries = [
        CampaignProfile(campaign_id=f"c{n}", name=f"{NAMES[key][0]} {n}", language=NAMES[key][1])
        for n, key in enumerate((keys * 5)[:60])
    ]
    delivered = [d for n in range(60) for d in detections([f"c{n}"], 1 + n % 2, network="网络")]
    html, _ = typeset(brief(delivered, settings(Registry(campaigns=tuple(entries))), audience), OURS, size)
    pdf = pages(html)
    (tmp_path / "many.pdf").write_bytes(pdf)

    assert [word for word in misplaced(pdf) if "/" not in word] == []  # no word in a margin
    assert list(faults(pdf)) == []
    if conformance.missing() is None:
        assert {verdict.broken for verdict in validate([tmp_path / "many.pdf"])} == {()}


def test_the_same_name_is_the_same_bytes() -> None:
    """Fonts of other scripts change nothing from run to run."""
    html, _ = typeset(brief(detections(list(NAMES), 2), settings(named(*NAMES))), OURS, "letter")

    assert sha256(pages(html)).digest() == sha256(pages(html)).digest()


def test_a_font_of_the_house_prints_what_others_lack(tmp_path: Path) -> None:
    """A style sheet names it, and the name stands on the page, in its language."""
    (tmp_path / "house.ttf").write_bytes(font("தமிழ்"))
    sheet = OURS.read("briefing.css").decode()
    (tmp_path / "briefing.css").write_text(
        f'{sheet} @font-face {{ font-family: House; src: url("house.ttf") }}'
    )
    resources = Resources((tmp_path, TEMPLATES))
    written = settings(Registry(campaigns=(CampaignProfile(campaign_id="c", name="தமிழ்"),)))
    html, ledger = typeset(brief(detections(["c"], 3), written), resources, "letter")

    assert '<span lang="ta">தமிழ்</span>' in html
    assert ledger.coded == ()
    assert "தமிழ்" in plain(text_of(pages(html, resources)))


# Templates of others

LOGO = '<svg xmlns="http://www.w3.org/2000/svg" width="120" height="40"><rect width="120" height="40"/></svg>'


def test_an_organisation_has_its_own_letterhead(tmp_path: Path) -> None:
    """Logo, issuer and colours are on the pages, and one section is replaced, from its folder."""
    (tmp_path / "logo.svg").write_text(LOGO)
    (tmp_path / "sections").mkdir()
    (tmp_path / "sections" / "glossary.html").write_text("<p>No glossary of {{ issuer.name }}.</p>")
    written = settings(
        Registry(), name="Example Lab", logo="logo.svg", logo_alt="A lab", colours={"accent": "#a1b2c3"}
    )
    resources = Resources((tmp_path, TEMPLATES))
    html, _ = typeset(brief(detections(["c"]), written), resources, "letter")
    pdf = pages(html, resources)

    assert "--accent: #a1b2c3;" in html
    assert 'alt="A lab"' in html
    assert "No glossary of Example Lab." in flat(text_of(pdf))
    assert "Proxy network" not in text_of(pdf)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("who.html", "<p>\n{% if %}", "who.html, line 2"),
        ("who.html", "<p>\n\n{{ nothing.at_all }}", "who.html, line 3: 'nothing' is undefined"),
        ("who.html", "{{ briefing.total.exchanges | no_such_filter }}", "who.html, line 1"),
        ("who.html", "\n{{ 1 / 0 }}", "who.html, line 2: division by zero"),
        ("who.html", "{{ ''.__class__.__mro__ }}", "who.html, line 1: .*unsafe"),
        ("who.html", "{% include 'gone.html' %}", "template gone.html: there is no such template"),
    ],
)
def test_a_bad_template_is_named(tmp_path: Path, name: str, content: str, said: str) -> None:
    """With its line, in an error of one line."""
    (tmp_path / "sections").mkdir()
    (tmp_path / "sections" / name).write_text(content)
    briefing = brief(detections(["c"], 2), settings(Registry()))

    with pytest.raises(InvalidSettings, match=said) as caught:
        typeset(briefing, Resources((tmp_path, TEMPLATES)), "letter")
    assert "\n" not in str(caught.value)

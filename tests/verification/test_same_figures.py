"""Whether only the release differs between a briefing to be signed and the edition before it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from reports import __version__
from reports.briefing.accounts import pseudonymised
from reports.briefing.compose import SameFigures
from reports.briefing.content import Content, as_json, evidence_root
from reports.core.window import Window
from reports.pages.assets import Resources
from reports.pages.render import render
from reports.signing.keys import LocalAuthority
from reports.verification.attachments import attached
from reports.verification.same_figures import same_figures
from tests.support.checking import signed_anew
from tests.support.fakes import Detection, composed, content_of
from tests.support.pki import NOW

pytestmark = pytest.mark.usefixtures("slow")

OURS = Resources()
NOON = datetime(2026, 5, 1, 12)
DETECTIONS = [Detection("1", "a", "A", NOON, NOON + timedelta(hours=1), 60)]

Change = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def content() -> Content:
    """What is to be signed."""
    window = Window(date(2026, 5, 1), date(2026, 5, 4))
    return content_of(composed(DETECTIONS, window, "regulator"), templates_sha256=OURS.digest())


@pytest.fixture(scope="module")
def pages(content: Content) -> bytes:
    """The same as an edition, before it is changed and signed."""
    return render(content, OURS).pdf


def unchanged(data: dict[str, Any]) -> None:
    pass


def earlier(data: dict[str, Any]) -> None:
    data["predicate"]["software"]["version"] = "0.0.1"


def predicate(**values: Any) -> Change:
    return lambda data: data["predicate"].update(values)


def setting(data: dict[str, Any]) -> None:
    data["predicate"]["settings"][0]["digest"]["sha256"] = "0" * 64


def templates(data: dict[str, Any]) -> None:
    data["predicate"]["pages"]["templates"]["digest"]["sha256"] = "0" * 64


def evidence(data: dict[str, Any]) -> None:
    data["subject"][0]["digest"]["sha256"] = "0" * 64
    data["predicate"]["merkleRoot"] = evidence_root(data["subject"])


def a4(data: dict[str, Any]) -> None:
    data["predicate"]["pages"]["pageSize"] = "a4"


def figure(data: dict[str, Any]) -> None:
    next(each for each in data["figures"] if each["row"] == {"subjects": "all"})["value"] += 1


def one_figure_less(data: dict[str, Any]) -> None:
    data["figures"] = [each for each in data["figures"] if each["row"] != {"subjects": "all"}]


def of_a_year(data: dict[str, Any], row: Mapping[str, str] = {"subjects": "2020"}) -> None:
    data["figures"].append({**data["figures"][0], "id": "F999", "question": "evidence", "row": row})


def of_a_chart(data: dict[str, Any]) -> None:
    data["figures"].append({**data["figures"][0], "id": "F999", "question": "chart"})


def edition_3(data: dict[str, Any]) -> None:
    data.update(edition=3, supersedes=f"{data['report_number']} edition 2")


def signed(
    pages: bytes, authority: LocalAuthority, said: Change = unchanged, statement: Change = unchanged
) -> bytes:
    """The edition of release 0.0.1, with a change in what it says and one in its statement."""
    data = json.loads(attached(pages)["evidence.json"])
    earlier(data)
    statement(data)
    return signed_anew(pages, authority, "briefing.json", said, {"evidence.json": as_json(data)})


def with_engines(data: dict[str, Any]) -> None:
    """The first version of the statement."""
    data["predicateType"] = "urn:exhibit:evidence:v1"
    for question in data["predicate"]["questions"]:
        question.update(engine="other", engineVersion="1", executionId=None)


SAME: Mapping[str, tuple[Change, Change, int]] = {
    "only the release": (unchanged, unchanged, 1),
    "templates": (unchanged, templates, 1),
    "engine": (unchanged, with_engines, 1),
    "what the chart shows": (of_a_chart, unchanged, 1),
    "earlier evidence by other periods": (of_a_year, unchanged, 1),
    "a key that was added": (lambda data: data.pop("settling_days"), unchanged, 1),
    "edition": (edition_3, unchanged, 3),
    "a later request": (lambda data: data.update(as_of="2026-05-16T01:02:03Z"), unchanged, 1),
}
OTHER: Mapping[str, tuple[Change, Change]] = {
    "release": (unchanged, predicate(software={"name": "exhibit", "version": __version__})),
    "software": (unchanged, predicate(software={"name": "other", "version": "0.0.1"})),
    "evidence": (unchanged, evidence),
    "settings": (unchanged, setting),
    "settling days": (unchanged, predicate(settlingDays=8)),
    "settled": (lambda data: data.update(as_of="2026-05-05T00:00:00Z"), unchanged),
    "addressee": (unchanged, predicate(addressee="The Bureau")),
    "marking": (unchanged, predicate(marking="TLP:RED")),
    "page size": (unchanged, a4),
    "a figure": (figure, unchanged),
    "a figure that is not printed": (one_figure_less, unchanged),
    "another figure of the evidence": (lambda data: of_a_year(data, {}), unchanged),
    "a value": (lambda data: data["campaigns"][0].update(techniques=["T"]), unchanged),
    "form": (unchanged, lambda data: data.update(predicateType="urn:exhibit:evidence:v3")),
    "what cannot be read": (lambda data: data.update(as_of="now"), unchanged),
}


@pytest.mark.parametrize("case", SAME)
def test_only_the_release_differs(
    content: Content, pages: bytes, authority: LocalAuthority, case: str
) -> None:
    """The edition is named with its release, whatever belongs to a run or to a release."""
    said, statement, edition = SAME[case]
    before = signed(pages, authority, said, statement)
    assert same_figures(before, content, OURS, NOW) == SameFigures(edition, "0.0.1")


@pytest.mark.parametrize("case", OTHER)
def test_more_than_the_release_differs(
    content: Content, pages: bytes, authority: LocalAuthority, case: str
) -> None:
    """One other difference in figures, evidence, settings or form, or the same release, and nothing is said."""
    assert same_figures(signed(pages, authority, *OTHER[case]), content, OURS, NOW) is None


def test_other_pseudonyms(content: Content, pages: bytes, authority: LocalAuthority) -> None:
    """Under another key, accounts have other pseudonyms, and nothing is said."""
    briefing = content.briefing
    table = pseudonymised(briefing.campaigns.each_account, bytes(32))
    other = content_of(replace(briefing, account_table=table), templates_sha256=OURS.digest())
    assert same_figures(signed(pages, authority), other, OURS, NOW) is None


def test_an_edition_that_cannot_be_read(content: Content, pages: bytes, authority: LocalAuthority) -> None:
    """What is not signed, was changed or is no PDF is not compared."""
    before = signed(pages, authority)
    for unread in (
        b"",
        b"%PDF-1.7",
        pages,
        before[:-1],
        before + b" ",
        before.replace(b"%PDF-1.7", b"%PDF-1.6"),
    ):
        assert same_figures(unread, content, OURS, NOW) is None

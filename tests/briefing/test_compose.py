"""Step 4: what a briefing says, and where each number is from."""

import itertools
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from fractions import Fraction
from typing import Any, cast

import pytest

from reports.briefing.compose import Edition, compose, report_number
from reports.briefing.group import group
from reports.core.errors import InvalidSettings
from reports.core.settings import Attribution, CampaignProfile, Law, Registry
from reports.core.window import Window
from reports.evidence.collect import collect
from reports.evidence.questions import Inquiry
from tests.support.fakes import AS_OF, Detection, FakeEngine, composed, settings_of, source_of

WINDOW = Window(date(2026, 5, 1), date(2026, 5, 10))
EDITION = Edition("lawmaker", report_number(WINDOW, "lawmaker"))
APPROVED = Attribution(confidence="high", approvals=("counsel", "head of intelligence"))
DOUBTED = Attribution(confidence="low", approvals=("counsel", "head of intelligence"))


def detection(campaign: str | None, exchanges: int, day: date = WINDOW.first, **fields: Any) -> Detection:
    """A detection at noon of a day."""
    noon = datetime(day.year, day.month, day.day, 12)
    values = {
        "detection_id": f"{campaign}-{day}-{exchanges}",
        "account_id": f"account of {campaign}",
        **fields,
    }
    return Detection(
        campaign_id=campaign, first_seen=noon, last_seen=noon, exchange_count=exchanges, **values
    )


def entry(campaign_id: str = "A", **fields: Any) -> CampaignProfile:
    """A registry entry."""
    return CampaignProfile.model_validate(
        {"campaign_id": campaign_id, "name": f"Campaign {campaign_id}", **fields}
    )


A, B, NONE = detection("A", 60), detection("B", 30), detection(None, 10)


def test_every_campaign_is_a_part_of_the_whole() -> None:
    """Largest first, with its share of all exchanges; what is attributed to none is told apart."""
    briefing = composed([B, A, NONE], WINDOW)
    assert [(p.campaign_id, p.share.value) for p in briefing.parts] == [
        ("A", Fraction(3, 5)),
        ("B", Fraction(3, 10)),
    ]
    assert briefing.unattributed is not None
    assert (briefing.unattributed.exchanges.value, briefing.total.exchanges.value) == (10, 100)
    assert (briefing.attributed.value, briefing.campaign_count.value) == (90, 2)


def test_evidence_without_exchanges_has_shares_of_nothing() -> None:
    """A part of nothing is none of it, rather than an error."""
    briefing = composed([detection("A", 0)], WINDOW)
    assert (briefing.parts[0].share.value, briefing.parts[0].share.unit) == (0, "share")
    assert (briefing.parts[0].busiest_tenth.value, briefing.parts[0].concentration.value) == (0, 0)


def test_evidence_that_does_not_count_makes_a_briefing_without_campaigns() -> None:
    """A window in which everything was suppressed is told as such."""
    briefing = composed([detection("A", 5, status="suppressed")], WINDOW)
    assert (briefing.parts, briefing.unattributed, briefing.total.exchanges.value) == ((), None, 0)
    assert briefing.standings["excluded"].value == briefing.delivered.value == 1


@pytest.mark.parametrize(
    ("length", "count"),
    [(1, 1), (2, 2), (45, 45), (46, 46), (47, 7), (92, 14), (322, 46), (323, 24), (366, 27)],
)
def test_periods_cover_the_window_and_lose_nothing(length: int, count: int) -> None:
    """Days up to 46, else weeks or several; without a break, in order, and adding up to the total."""
    window = Window(date(2026, 1, 1), date(2026, 1, 1) + timedelta(length - 1))
    briefing = composed([detection("A", n + 1, day) for n, day in enumerate(window.days)], window)
    periods = briefing.periods
    assert len(periods) == count
    assert (periods[0].first, periods[-1].last) == (window.first, window.last)
    assert all(a.last + timedelta(1) == b.first for a, b in itertools.pairwise(periods))
    assert sum(cast(int, p.exchanges.value) for p in periods) == briefing.total.exchanges.value
    assert briefing.daily == (count == length)
    assert all((p.accounts is not None) == (p.first == p.last) for p in periods)
    assert not any(p.gap for p in periods)


def test_a_period_is_a_gap_only_if_every_day_of_it_is() -> None:
    """A week with evidence for one day has evidence."""
    window = Window(date(2026, 1, 1), date(2026, 2, 28))
    periods = composed([detection("A", 1, day) for day in (window.first, window.last)], window).periods
    assert [p.gap for p in periods] == [False, *[True] * (len(periods) - 2), False]


def test_gaps_are_counted() -> None:
    """Nine of ten days without evidence are nine gaps."""
    briefing = composed([A], WINDOW)
    assert (len(briefing.gaps), briefing.gap_count.value, briefing.days.value) == (9, 9, 10)


@pytest.mark.parametrize(
    ("as_of", "settled"),
    [
        (datetime(2026, 5, 17, 23, 59, tzinfo=UTC), False),
        (datetime(2026, 5, 18, tzinfo=UTC), True),
        (datetime(2026, 5, 18, 1, tzinfo=timezone(timedelta(hours=2))), False),
        (datetime(2026, 5, 17, 23, tzinfo=timezone(timedelta(hours=-2))), True),
    ],
)
def test_evidence_is_settled_when_no_update_can_land(as_of: datetime, settled: bool) -> None:
    """Seven whole UTC days after the window's end, wherever the instant was written."""
    settings = settings_of()
    evidence = collect(Inquiry(WINDOW, AS_OF), FakeEngine([A]), source_of([A]), lambda *_: None)
    campaigns = group(evidence, settings.registry)
    briefing = compose(WINDOW, evidence, campaigns, EDITION, settings=settings, as_of=as_of)
    assert briefing.settled == settled


@pytest.mark.parametrize(
    ("since", "comparable"), [(WINDOW.preceding.first, True), (date(2026, 4, 22), False)]
)
def test_growth_is_told_only_if_evidence_covers_the_preceding_window(since: date, comparable: bool) -> None:
    """Evidence that starts in the middle of it would make growth look larger."""
    briefing = composed([A, detection("A", 20, since)], WINDOW)
    assert briefing.comparable == comparable
    growth = briefing.parts[0].growth
    assert (growth.value if growth else None) == (Fraction(3) if comparable else None)


def test_an_operator_is_printed_where_the_naming_rule_lets_it() -> None:
    """Else the campaign goes by its name, and the briefing knows that a name is withheld."""
    entries = [
        entry("A", operator="Acme", attribution=APPROVED),
        entry("B", operator="Example Trading", attribution=DOUBTED),
    ]
    named, withheld = composed([A, B], WINDOW, "lawmaker", *entries).parts
    assert (named.operator, named.withheld) == ("Acme", False)
    assert (withheld.operator, withheld.withheld, withheld.name) == (None, True, "Campaign B")


@pytest.mark.parametrize(
    "named",
    [
        {"name": "Campaign of Acme Ltd"},
        {"campaign_id": "ACME LTD-1"},
        {"objective": "To train a model of acme ltd."},
        {"attribution": {"confidence": "low", "basis": ["Accounts of Acme\n Ltd"]}},
        {
            "attribution": {
                "confidence": "low",
                "alternatives": [{"explanation": "x", "assessment": "By Acme Ltd"}],
            }
        },
        {"law": {"A": "“Acme Ltd” had no licence"}},
        {"response": "Acme Ltd denies it"},
        {"response": "\uff21\uff43\uff4d\uff45\u3000Ltd denies it"},
        {"published": {"exchanges": 1, "disclosed": "2026-02-23", "source": "https://example.org/acme ltd"}},
    ],
)
def test_a_withheld_operator_is_named_nowhere_in_its_entry(named: dict[str, Any]) -> None:
    """Whatever the field, the capitals and the spaces."""
    with pytest.raises(InvalidSettings, match="who is withheld") as refused:
        composed([A], WINDOW, "lawmaker", entry(**{"operator": "Acme Ltd", "attribution": DOUBTED, **named}))
    assert "\n" not in str(refused.value)


def test_a_withheld_operator_is_named_in_no_other_entry() -> None:
    """Not even in one of a campaign that is not of the window."""
    secret = entry("B", operator="Acme", attribution=DOUBTED)
    with pytest.raises(InvalidSettings, match="campaign C: response names the operator of B"):
        composed([A], WINDOW, "lawmaker", secret, entry("C", response="We are not Acme."))


def test_a_withheld_operator_is_not_named_in_what_is_asked() -> None:
    """The requests are texts of the registry, too."""
    settings = settings_of(entry("B", operator="Acme", attribution=DOUBTED))
    registry = Registry(campaigns=settings.registry.campaigns, requests=("Sanction Acme.",))
    evidence = collect(Inquiry(WINDOW, AS_OF), FakeEngine([A]), source_of([A]), lambda *_: None)
    settings = type(settings)(registry, settings.dataset, settings.issuer, settings.law)
    with pytest.raises(InvalidSettings, match="requests names the operator of B"):
        compose(
            WINDOW,
            evidence,
            group(evidence, registry),
            EDITION,
            settings=settings,
            as_of=datetime(2026, 6, 1, tzinfo=UTC),
        )


def test_a_name_that_is_printed_for_another_campaign_may_be_told_there() -> None:
    """What B withholds, C's own texts may say, for C may name it; B's texts still may not."""
    printed = entry("C", operator="Affiliates of Acme", attribution=APPROVED, response="Acme denies it")
    withheld = entry("B", operator="Acme", attribution=DOUBTED)
    assert composed([A], WINDOW, "lawmaker", printed, withheld).parts
    with pytest.raises(InvalidSettings, match="campaign B: response names the operator of B"):
        composed([A], WINDOW, "lawmaker", printed, entry("B", operator="Acme", response="Acme denies it"))


def test_part_of_a_word_is_not_a_name() -> None:
    """An operator called Ant is not named by "important"; one in a script without spaces is found in it."""
    assert composed([A], WINDOW, "lawmaker", entry(operator="Ant", response="An important denial")).parts
    with pytest.raises(InvalidSettings, match="withheld"):
        composed([A], WINDOW, "lawmaker", entry(operator="阿里", response="由阿里运营"))


def test_an_element_that_the_law_does_not_have_is_refused() -> None:
    """Even if the campaign is not of the window; the message lists those that it has."""
    with pytest.raises(InvalidSettings, match=r"campaign C: law: .* has no element 'Z': use one of A, B"):
        composed([A], WINDOW, "lawmaker", entry("C", law={"Z": "x"}))


def test_an_element_without_evidence_is_a_gap() -> None:
    """Each element of the law is told, with the evidence that the window's campaigns have for it."""
    entries = [entry("A", law={"A": "as said"}), entry("C", law={"B": "of another window"})]
    findings = composed([A], WINDOW, "lawmaker", *entries).findings
    assert [(f.element.id, f.evidence) for f in findings] == [("A", (("Campaign A", "as said"),)), ("B", ())]


LOGICS = ("all of", "any of", "excludes", "weighed together", "where claimed")
GROUPED = Law.model_validate(
    {
        **{"citation": "Act", "status": "a bill", "title": "attacks"},
        "groups": [{"id": logic, "logic": logic, "text": "x", "plain": "x"} for logic in LOGICS],
        "definitions": [{"id": "term", "group": "all of", "text": "x", "plain": "x"}],
        "elements": [
            {"id": f"{logic} {n}", "group": logic, "text": "x", "plain": "x"}
            for logic in LOGICS
            for n in (1, 2)
        ],
        "assessment": [{"id": "origin", "text": "x"}],
    }
)
"""A law with two elements of every logic, named for it, and a definition."""


def gaps(*entries: CampaignProfile) -> dict[str, tuple[str, ...]]:
    """What is a gap for which campaigns, by group and by element."""
    groups = composed([A, B], WINDOW, "lawmaker", *entries, law=GROUPED).groups
    found = {each.group.id: each.lacking for each in groups}
    found |= {finding.element.id: finding.lacking for each in groups for finding in each.findings}
    return {id_: lacking for id_, lacking in found.items() if lacking}


def test_a_gap_is_what_the_logic_of_its_group_asks_for() -> None:
    """Each of those that all have to hold, or that exclude; one of several ways; no factor, and nothing unclaimed."""
    both = ("Campaign A", "Campaign B")
    nothing = gaps(entry("A"), entry("B"))
    assert nothing == {
        **{"all of 1": both, "all of 2": both, "term": both},
        **{"any of": both, "excludes 1": both, "excludes 2": both},
    }


def test_one_alternative_is_enough_for_the_campaign_that_has_it() -> None:
    """Another campaign's evidence does not close a campaign's gap."""
    one = entry("A", law={"any of 2": "x", "all of 1": "x"}, definitions={"term": "x"})
    found = gaps(one, entry("B", law={"weighed together 1": "x", "where claimed 1": "x"}))
    assert found["any of"] == ("Campaign B",)
    assert found["all of 1"] == found["term"] == ("Campaign B",)
    assert found["all of 2"] == found["excludes 1"] == ("Campaign A", "Campaign B")
    assert not [id_ for id_ in found if id_.startswith(("any of ", "weighed", "where"))]


@pytest.mark.parametrize(
    ("field", "problem"),
    [
        ("law", "has no element 'Z': use one of all of 1"),
        ("definitions", "has no definition 'Z': use one of term"),
        ("assessment", "has no matter 'Z': use one of origin"),
    ],
)
def test_what_the_law_does_not_ask_for_is_refused(field: str, problem: str) -> None:
    """An element, a definition or a matter that it does not have, even of a campaign of another window."""
    with pytest.raises(InvalidSettings, match=rf"^campaigns.yaml: campaign C: {field}: Act {problem}"):
        gaps(entry("C", **{field: {"Z": "x"}}))


def test_a_law_without_definitions_asks_for_none() -> None:
    """A law file of before keeps working with a registry that has them."""
    briefing = composed([A], WINDOW, "lawmaker", entry("A", definitions={"term": "x"}))
    assert briefing.groups == ()


def test_only_the_registry_answers_a_matter_that_no_section_does() -> None:
    """The countries of the traffic are not where an operator is."""
    traffic = replace(A, country="FR")
    silent, told = (
        composed([traffic], WINDOW, "regulator", entry("A", assessment=assessment), law=GROUPED).matters
        for assessment in ({}, {"origin": "Public records say so."})
    )
    assert [(m.required.id, m.required.answered_by, m.evidence) for m in silent] == [("origin", None, ())]
    assert [m.evidence for m in told] == [(("Campaign A", "Public records say so."),)]


def test_a_published_campaign_is_told_with_its_figures() -> None:
    """In the hedge of its source; unknown accounts stay unknown."""
    published = {
        "exchanges": 13_000_000,
        "exchanges_hedge": "more than",
        "disclosed": "2026-02-23",
        "source": "x",
    }
    (earlier,) = composed([A], WINDOW, "lawmaker", entry("C", published=published)).earlier
    assert (earlier.name, earlier.exchanges.value, earlier.accounts) == ("Campaign C", 13_000_000, None)
    assert earlier.exchanges.question == "registry"


def test_the_same_arguments_give_the_same_briefing() -> None:
    """Nothing is read from a clock or an environment."""
    assert composed([A, B, NONE], WINDOW) == composed([NONE, B, A], WINDOW)


def test_editions_share_a_report_number() -> None:
    """It tells the window and the audience."""
    assert report_number(WINDOW, "regulator") == "EX-20260501-20260510-R"
    assert report_number(WINDOW, "lawmaker") != report_number(WINDOW, "regulator")

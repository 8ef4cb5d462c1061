"""Step 3: tallies become campaigns; nothing is lost, nothing estimated, and no order matters."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from datetime import date, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.briefing.group import Activity, Campaigns, Tally, group
from reports.core.settings import CampaignProfile, Published, Registry
from reports.core.window import Window
from reports.evidence import questions
from reports.evidence.collect import Evidence, collect
from reports.evidence.engine_duckdb import DuckDBEngine
from reports.evidence.questions import Inquiry
from reports.evidence.source import FolderEvidence
from tests.support.fakes import AS_OF, COUNTED, Detection, FakeEngine, FakeSource

WINDOW = Window(date(2026, 5, 1), date(2026, 5, 5))
INQUIRY = Inquiry(WINDOW, AS_OF, each_account=True)
FIRST = datetime(2026, 5, 1)
EVERY_DAY = FakeSource(
    [{f"detections/event_day={WINDOW.first + timedelta(n)}/part.jsonl": b"" for n in range(-12, 5)}]
)
SOME = settings(max_examples=40)
CONFIDENCES = (0.0, 0.499, 0.5, 0.501, 0.699, 0.7, 0.899, 0.9, 1.0)


def detection(
    campaign: str | None, exchanges: int, account: str = "a", day: int = 0, **fields: Any
) -> Detection:
    """A detection at noon of the n-th day of the window, counted from 0."""
    noon = FIRST + timedelta(day, hours=12)
    values = {"detection_id": f"{campaign}-{account}-{day}-{exchanges}", "last_seen": noon, **fields}
    return Detection(
        account_id=account, campaign_id=campaign, first_seen=noon, exchange_count=exchanges, **values
    )


@st.composite
def deliveries(draw: st.DrawFn) -> list[Detection]:
    """Detections of several campaigns in and before the window, some revised, excluded or not attributed."""
    names = st.sampled_from([None, "x", "y", "z"])
    rows = st.lists(
        st.builds(
            detection,
            st.sampled_from([None, "A", "B", "C"]),
            st.one_of(st.integers(0, 3), st.integers(0, 2**62)),
            st.sampled_from("abcdefghijklm"),
            st.integers(-12, 4),
            detection_id=st.sampled_from(["1", "2", "3", "4", "5", "6"]),
            confidence=st.sampled_from(CONFIDENCES),
            output_tokens=st.one_of(st.none(), st.integers(0, 2**40)),
            capability=names,
            network=names,
            country=names,
            detector=st.sampled_from(["p", "q"]),
            detector_version=st.sampled_from([None, "1", "2"]),
            status=st.sampled_from([*COUNTED, *COUNTED, "suppressed", "deleted"]),
        ),
        max_size=30,
    )
    found = [detection(None, 1), *draw(rows)]
    return [replace(d, revised_at=FIRST + timedelta(minutes=n)) for n, d in enumerate(found)]


def collected(delivered: Iterable[Detection], source: FakeSource = EVERY_DAY) -> Evidence:
    """The evidence of the window."""
    return collect(INQUIRY, FakeEngine(delivered), source, lambda *_: None)


def grouped(delivered: Iterable[Detection], registry: Registry | None = None) -> Campaigns:
    """The campaigns of the window."""
    return group(collected(delivered), registry or Registry())


def counted(delivered: Sequence[Detection], within: Window) -> list[Detection]:
    """What counts: the latest revision of each id of a day, unless it is excluded."""
    latest = {(d.event_day, d.detection_id): d for d in sorted(delivered, key=lambda d: d.revised_at)}
    return [d for d in latest.values() if d.status in COUNTED and d.event_day in within]


def totals(detections: Sequence[Detection]) -> tuple[int, int, int]:
    """Exchanges, accounts and detections, from the definition."""
    return (
        sum(d.exchange_count for d in detections),
        len({d.account_id for d in detections}),
        len(detections),
    )


def by(detections: Iterable[Detection], key: Callable[[Detection], Any]) -> dict[Any, tuple[int, int, int]]:
    """The totals under each key, from the definition."""
    found = defaultdict(list)
    for each in detections:
        found[key(each)].append(each)
    return {name: totals(of_name) for name, of_name in found.items()}


def as_dict(tallies: Iterable[Tally]) -> dict[Any, tuple[int, int, int]]:
    """Tallies by their key, which each has for itself."""
    tallies = tuple(tallies)
    assert len({t.key for t in tallies}) == len(tallies)
    return {t.key: (t.exchanges, t.accounts, t.detections) for t in tallies}


@SOME
@given(deliveries())
def test_nothing_is_lost(delivered: list[Detection]) -> None:
    """Every total and every tally is what the definition gives, campaign by campaign and all together."""
    found, truth = grouped(delivered), counted(delivered, WINDOW)
    assert (found.exchanges, found.accounts, found.detections) == totals(truth)
    assert as_dict(found.by_day) == by(truth, lambda d: d.event_day)
    activities: dict[str | None, Activity] = {c.campaign_id: c.activity for c in found.campaigns}
    if found.unattributed:
        activities[None] = found.unattributed
    assert set(activities) == {d.campaign_id for d in truth}
    for name, activity in activities.items():
        mine = [d for d in truth if d.campaign_id == name]
        assert (activity.exchanges, activity.accounts, activity.detections) == totals(mine)
        tokens = [d.output_tokens for d in mine if d.output_tokens is not None]
        assert activity.output_tokens == (sum(tokens) if tokens else None)
        assert activity.first_seen == min(d.first_seen for d in mine)
        assert activity.last_seen == max(d.last_seen for d in mine)
        assert activity.active_days == len({d.event_day for d in mine})
        assert as_dict(activity.by_day) == by(mine, lambda d: d.event_day)
        assert as_dict(activity.by_capability) == by(mine, lambda d: d.capability)
        assert as_dict(activity.by_detector) == by(mine, lambda d: d.detector)
        assert as_dict(activity.by_network) == by(mine, lambda d: d.network)
        assert as_dict(activity.by_country) == by(mine, lambda d: d.country)


@SOME
@given(deliveries())
def test_parts_add_up_to_the_whole(delivered: list[Detection]) -> None:
    """Campaigns and what is attributed to none sum to the totals; so do days, detectors and accounts."""
    found = grouped(delivered)
    activities = [c.activity for c in found.campaigns] + ([found.unattributed] if found.unattributed else [])
    for column in ("exchanges", "detections"):
        whole = getattr(found, column)
        for parts in (activities, found.by_day, found.detectors, found.each_account):
            assert sum(getattr(part, column) for part in parts) == whole
        for activity in activities:
            for heading in (
                "by_day",
                "by_capability",
                "by_detector",
                "by_network",
                "by_country",
                "detectors",
            ):
                tallies = getattr(activity, heading)
                assert sum(getattr(t, column) for t in tallies) == getattr(activity, column)
    assert len({a.account_id for a in found.each_account}) == found.accounts
    assert sum(sum(v.by_band) for v in found.detectors) == found.detections


@SOME
@given(deliveries())
def test_thresholds_count_what_reaches_them(delivered: list[Detection]) -> None:
    """The totals again at 0.5, 0.7 and 0.9, each included, for each campaign and all together."""
    found, truth = grouped(delivered), counted(delivered, WINDOW)
    for t in (0.5, 0.7, 0.9):
        reaching = [d for d in truth if d.confidence >= t]
        assert as_dict(found.by_confidence)[t] == totals(reaching)
        for campaign in found.campaigns:
            mine = [d for d in reaching if d.campaign_id == campaign.campaign_id]
            assert as_dict(campaign.activity.by_confidence)[t] == totals(mine)


def test_an_account_reaches_a_threshold_with_any_of_its_detections() -> None:
    """Whichever campaign the detection belongs to, the account is counted once."""
    rows = [
        detection("A", 1, confidence=0.95),
        detection("B", 1, confidence=0.2),
        detection(None, 1, confidence=0.6),
    ]
    assert as_dict(grouped(rows).by_confidence) == {0.5: (2, 1, 2), 0.7: (1, 1, 1), 0.9: (1, 1, 1)}


@SOME
@given(deliveries())
def test_the_preceding_window_is_compared_with(delivered: list[Detection]) -> None:
    """Each campaign's totals, and all together, in the five days before."""
    found, before = grouped(delivered), counted(delivered, WINDOW.preceding)
    assert as_dict([found.preceding]) == {None: totals(before)}
    for campaign in found.campaigns:
        mine = [d for d in before if d.campaign_id == campaign.campaign_id]
        assert as_dict([campaign.preceding]) == {campaign.campaign_id: totals(mine)}


@SOME
@given(deliveries())
def test_rank_is_among_all_campaigns_on_record(delivered: list[Detection]) -> None:
    """Each campaign is compared as a whole, up to the window's end, and one as large or larger goes first."""
    found = grouped(delivered)
    record = counted(delivered, Window(WINDOW.first - timedelta(12), WINDOW.last))
    sizes = {name: size for name, (size, *_) in by(record, lambda d: d.campaign_id).items() if name}
    for campaign in found.campaigns:
        others = [size for name, size in sizes.items() if name != campaign.campaign_id]
        assert campaign.known == len(sizes)
        assert campaign.whole.exchanges == sizes[campaign.campaign_id]
        assert campaign.rank == 1 + sum(size >= sizes[campaign.campaign_id] for size in others)


@SOME
@given(deliveries(), st.randoms(use_true_random=False))
def test_no_order_matters(delivered: list[Detection], random: Random) -> None:
    """Neither that of the detections, nor that of the rows that an engine answers with."""
    evidence = collected(delivered)
    expected = group(evidence, Registry())
    assert group(collected(random.sample(delivered, len(delivered))), Registry()) == expected
    rows = random.sample(evidence.tallies.rows, len(evidence.tallies.rows))
    shuffled = replace(evidence, tallies=replace(evidence.tallies, rows=tuple(rows)))
    assert group(shuffled, Registry()) == expected


@SOME
@given(deliveries())
def test_what_was_left_out_is_numbered(delivered: list[Detection]) -> None:
    """Every delivered row is tallied, superseded or excluded."""
    found = grouped(delivered)
    assert sum(found.standings.values()) == sum(d.event_day in WINDOW for d in delivered)
    assert found.standings.get("tallied", 0) == found.detections


def test_campaigns_come_largest_first() -> None:
    """Campaigns of one size are in the order of their ids."""
    found = grouped([detection("B", 5), detection("C", 9), detection("A", 5)])
    assert [c.campaign_id for c in found.campaigns] == ["C", "A", "B"]


def test_headings_come_largest_first_and_days_in_order() -> None:
    """What names nothing comes after what has a name and the same size."""
    rows = [detection("A", 5, day=2, network=None), detection("A", 5, day=0, network="n")]
    rows += [detection("A", 9, day=1, network="z")]
    activity = grouped(rows).campaigns[0].activity
    assert [t.key for t in activity.by_network] == ["z", "n", None]
    assert [t.key for t in activity.by_day] == [WINDOW.first + timedelta(n) for n in range(3)]


def test_the_first_of_several_peaks_is_the_peak() -> None:
    """By exchanges, and by accounts."""
    rows = [
        detection("A", 5, "a", 1),
        detection("A", 4, "a", 2),
        detection("A", 1, "b", 2),
        detection("A", 1, "b", 1),
    ]
    activity = grouped(rows).campaigns[0].activity
    assert (activity.peak.key, activity.peak.exchanges) == (date(2026, 5, 2), 6)
    assert (activity.most_accounts.key, activity.most_accounts.accounts) == (date(2026, 5, 2), 2)


@pytest.mark.parametrize(
    ("loads", "share"),
    [
        ([1] * 10, Fraction(1, 10)),
        ([7, 3], Fraction(7, 10)),
        ([5] + [1] * 10, Fraction(6, 15)),
        ([0, 0], Fraction(0)),
    ],
)
def test_the_busiest_tenth_is_rounded_up(loads: list[int], share: Fraction) -> None:
    """One account of ten, one of two, two of eleven; nothing of nothing."""
    rows = [detection("A", n, f"account-{at}") for at, n in enumerate(loads)]
    assert grouped(rows).campaigns[0].activity.busiest_tenth == share


def entry(campaign_id: str, exchanges: int, hedge: str) -> CampaignProfile:
    """A campaign known from published figures."""
    published = Published.model_validate(
        {"exchanges": exchanges, "exchanges_hedge": hedge, "disclosed": date(2026, 2, 23), "source": "x"}
    )
    return CampaignProfile(campaign_id=campaign_id, name=campaign_id, published=published)


def test_a_campaign_alone_is_not_the_largest_on_record() -> None:
    """There must be another to be larger than."""
    campaign = grouped([detection("A", 5), detection(None, 1)]).campaigns[0]
    assert (campaign.rank, campaign.known, campaign.largest_on_record) == (1, 1, False)


def test_campaigns_of_one_size_are_not_the_largest_on_record() -> None:
    """A tie has no first."""
    found = grouped([detection("A", 5), detection("B", 5)])
    assert [(c.rank, c.largest_on_record) for c in found.campaigns] == [(2, False), (2, False)]


def test_a_campaign_larger_than_every_other_is_the_largest_on_record() -> None:
    """Than those of the window, those before it, and those of the registry."""
    rows = [detection("A", 50), detection("B", 5), detection("C", 49, day=-12)]
    found = grouped(rows, Registry(campaigns=(entry("D", 49, "exactly"),)))
    assert [(c.rank, c.known, c.largest_on_record) for c in found.campaigns] == [(1, 4, True), (4, 4, False)]


def test_a_window_of_one_day_compares_whole_campaigns() -> None:
    """The largest campaign stays the largest, however little of it the window holds."""
    rows = [detection("A", 50, day=-1), detection("A", 1), detection("B", 5), detection("C", 30, day=-12)]
    found = grouped(rows, Registry(campaigns=(entry("D", 40, "exactly"),)))
    assert [(c.campaign_id, c.rank, c.known) for c in found.campaigns] == [("B", 4, 4), ("A", 1, 4)]


def test_campaigns_of_one_name_are_told_apart() -> None:
    """Those that share a name, whatever its capitals and spaces, get their ids beside it."""
    entries = [
        entry(each, 9, "exactly").model_copy(update={"name": n})
        for each, n in (("P", "North"), ("Q", " north"))
    ]
    found = grouped([detection("P", 5)], Registry(campaigns=tuple(entries)))
    assert sorted(each.entry.name for each in found.record) == [" north (Q)", "North (P)"]


def test_what_came_before_adds_up() -> None:
    """The window before is that of its campaigns, of those not in the window, and of what is attributed to none."""
    rows = [
        detection("A", 5),
        detection("A", 7, day=-1),
        detection("B", 11, day=-2),
        detection(None, 13, day=-3),
    ]
    found = grouped(rows)
    others = sum(each.preceding for each in found.record if not each.in_window)
    parts = (found.campaigns[0].preceding.exchanges, others, found.unattributed_before.exchanges)
    assert (parts, found.preceding.exchanges) == ((7, 11, 13), 31)


def test_a_campaign_of_earlier_evidence_may_be_larger() -> None:
    """All that is on record of it counts, over all its days."""
    found = grouped([detection("A", 50), detection("C", 30, day=-12), detection("C", 30, day=-1)])
    assert [(c.rank, c.largest_on_record) for c in found.campaigns] == [(2, False)]


@pytest.mark.parametrize(
    ("published", "hedge", "size", "largest"),
    [
        (13_000_000, "exactly", 13_000_001, True),
        (13_000_000, "exactly", 13_000_000, False),
        (13_000_000, "more than", 13_000_001, False),
        (13_000_000, "more than", 13_999_999, False),
        (13_000_000, "more than", 14_000_001, True),
        (3_400_000, "more than", 3_450_000, False),
        (3_400_000, "more than", 3_500_001, True),
        (13_000_000, "about", 13_400_000, False),
        (13_000_000, "nearly", 13_000_001, True),
        (0, "exactly", 1, True),
    ],
)
def test_a_published_figure_counts_for_as_much_as_it_may_stand_for(
    published: int, hedge: str, size: int, largest: bool
) -> None:
    """What is printed as more than 13 million may be 13.9 million; a campaign must be larger than that."""
    registry = Registry(campaigns=(entry("P", published, hedge),))
    assert grouped([detection("A", size)], registry).campaigns[0].largest_on_record == largest


def test_the_own_published_figure_does_not_count_against_a_campaign() -> None:
    """What was published of it is no other campaign."""
    registry = Registry(campaigns=(entry("A", 10**9, "more than"),))
    found = grouped([detection("A", 5), detection("B", 1)], registry)
    assert [(c.campaign_id, c.rank, c.known) for c in found.campaigns] == [("A", 1, 2), ("B", 2, 2)]


def test_evidence_without_anything_that_counts_has_no_campaigns() -> None:
    """Excluded detections are numbered, and that is all."""
    found = grouped([detection("A", 5, status="suppressed")])
    assert (found.campaigns, found.unattributed, found.exchanges) == ((), None, 0)
    assert found.standings == {"excluded": 1}
    assert as_dict(found.by_confidence) == {0.5: (0, 0, 0), 0.7: (0, 0, 0), 0.9: (0, 0, 0)}


def test_the_fake_engine_answers_as_duckdb_does(tmp_path: Path) -> None:
    """The same rows to both questions, so that what holds for the fake holds for the real one."""
    random = Random(8283)  # noqa: S311 -- a test's own dice
    rows = [
        detection(
            random.choice([None, "A", "B"]),
            random.randrange(5),
            random.choice("abcde"),
            random.randrange(-12, 5),
            detection_id=str(random.randrange(20)),
            confidence=random.choice(CONFIDENCES),
            output_tokens=random.choice([None, 7]),
            capability=random.choice([None, "x", "y"]),
            network=random.choice([None, "n", "m"]),
            country=random.choice([None, "FR"]),
            detector=random.choice(["p", "q"]),
            detector_version=random.choice([None, "1"]),
            status=random.choice([*COUNTED, "suppressed", "deleted"]),
            revised_at=FIRST + timedelta(days=9, minutes=minute),
        )
        for minute in range(200)
    ]
    for row in rows:
        partition = tmp_path / "detections" / f"event_day={row.event_day}"
        partition.mkdir(parents=True, exist_ok=True)
        with (partition / "part.jsonl").open("a") as file:
            file.write(json.dumps(asdict(row), default=lambda time: f"{time.isoformat()}Z") + "\n")
    duckdb = DuckDBEngine(FolderEvidence(tmp_path))
    asked = INQUIRY.tallies(WINDOW.last)
    for question in (asked, questions.history(asked, WINDOW.first - timedelta(12))):
        answers = [engine.ask(question, lambda *_: None) for engine in (FakeEngine(rows), duckdb)]
        assert answers[0].rows == answers[1].rows
        assert answers[0].result_sha256 == answers[1].result_sha256

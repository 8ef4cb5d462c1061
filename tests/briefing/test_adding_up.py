"""What a reader who adds up, compares and looks at periods finds on the pages."""

import re
from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from xml.etree import ElementTree as ET

import pytest

from reports.briefing.settings import Settings
from reports.core.errors import InvalidSettings
from reports.core.settings import Registry, parse
from reports.core.window import AUDIENCES, Audience, Window
from reports.evidence.collect import Evidence
from tests.support.fakes import Detection
from tests.support.typesetting import OURS, WINDOW, brief, detections, seen, settings, typeset

SUMMED = ("Exchanges", "Detections", "Prior window", "On record")
Table = Sequence[Sequence[str]]


def tables(html: str) -> Iterator[tuple[Table, Sequence[str]]]:
    """The rows of each table that has a last row for all, the head among them, and that last row."""
    for table in re.findall(r"<table.*?</table>", html, re.DOTALL):
        rows = [
            [seen(cell).strip() for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL)]
            for row in re.findall(r"<tr.*?</tr>", table, re.DOTALL)
        ]
        if 'class="total"' in table and rows[-1][0] == "Total":
            yield rows[:-1], rows[-1]


def number(cell: str) -> int:
    return 0 if cell == "–" else int(cell.replace(",", ""))


def sums(html: str) -> Iterator[tuple[str, int, int]]:
    """Each column that should add up: its name, what its rows add up to, and what its last row says."""
    for (head, *rows), last in tables(html):
        for at, name in enumerate(head):
            if name in SUMMED:
                yield f"{rows[0][0]}: {name}", sum(number(row[at]) for row in rows), number(last[at])


def told_before() -> list[Detection]:
    """Detections of a window of ten days from 2 May, and of as many days before it; campaigns come and go."""
    before = detections(["gone", "kept", None], 10)
    after = [
        Detection(
            f"later {each.detection_id}",
            each.account_id,
            {"gone": "new"}.get(each.campaign_id or "", each.campaign_id),
            each.first_seen + timedelta(10),
            each.last_seen + timedelta(10),
            each.exchange_count // 3,
            capability=each.capability,
            country=each.country,
        )
        for each in before
    ]
    return [*before, *after]


@pytest.mark.parametrize("audience", AUDIENCES)
def test_columns_add_up(audience: Audience) -> None:
    """Each column of exchanges and detections adds up to its last row, the window before and the record too."""
    window = Window(WINDOW.first + timedelta(10), WINDOW.first + timedelta(19))
    html, _ = typeset(brief(told_before(), settings(Registry()), audience, window), OURS, "letter")
    found = list(sums(html))
    assert [(name, total) for name, total, _ in found] == [(name, last) for name, _, last in found]
    assert {name.split(": ")[1] for name, _, _ in found} >= {"Exchanges", "Prior window", "On record"}
    assert "A campaign not in the window" in seen(html)


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize("audience", AUDIENCES)
def test_columns_of_the_sample_add_up(sample: tuple[Evidence, Settings], audience: Audience) -> None:
    """So do those of the sample."""
    html, _ = typeset(brief(*sample, audience), OURS, "letter")
    found = list(sums(html))
    assert len(found) >= (3 if audience == "lawmaker" else 12)
    assert [each for each in found if each[1] != each[2]] == []


def chart(html: str) -> list[str]:
    """The texts of the chart."""
    (drawing,) = re.findall(r'src="data:image/svg\+xml;base64,([^"]*)"', html)
    root = ET.fromstring(b64decode(drawing))  # noqa: S314
    return ["".join(node.itertext()) for node in root.iter("{http://www.w3.org/2000/svg}text")]


def by_days(delivered: Sequence[Detection]) -> Mapping[date, int]:
    found: dict[date, int] = {}
    for each in delivered:
        found[each.event_day] = found.get(each.event_day, 0) + each.exchange_count
    return found


def test_weeks_are_told_as_weeks() -> None:
    """Where bars are weeks, the axis, the captions, the rows and the peak say so, and the sums are those of weeks."""
    delivered, window = detections(["c"], 60), Window(WINDOW.first, WINDOW.first + timedelta(59))
    html, _ = typeset(brief(delivered, settings(Registry()), window=window), OURS, "letter")
    days = by_days(delivered)
    weeks = [sum(days.get(window.first + timedelta(at + n), 0) for n in range(7)) for at in range(0, 60, 7)]
    peak = weeks.index(max(weeks))
    first = window.first + timedelta(7 * peak)
    last = first + timedelta(6)
    start = f"{first.day} {first:%b}" if first.month != last.month else f"{first.day}"
    texts, said = chart(html), seen(html).replace("\N{NO-BREAK SPACE}", " ")

    assert "Exchanges per week" in texts
    assert [text.replace("\N{NO-BREAK SPACE}", " ") for text in texts if "All detections" in text] == [
        f"All detections: {weeks[peak]:,} in the week of {start}–{last.day} {last:%b}"
    ]
    assert "Exchanges by week and campaign, UTC; the last week has 4 days" in said
    assert f"{start}–{last.day} {last:%b} {weeks[peak]:,}" in said


def test_days_are_told_as_days() -> None:
    """Where bars are days, so do they."""
    delivered = detections(["c"], 45)
    html, _ = typeset(brief(delivered, settings(Registry())), OURS, "letter")
    days = by_days(delivered)
    peak = max(days, key=lambda day: (days[day], -day.toordinal()))
    texts = chart(html)

    assert "Exchanges per day" in texts
    assert any(text.endswith(f" {days[peak]:,} on {peak.day} {peak:%B}") for text in texts)


def test_countries_have_names_and_what_is_not_stated_is_last() -> None:
    """A country has its name and its code, what is none stays as it is, and the largest of all may be not stated."""
    delivered = [
        *detections(["c"], 3, country=None),
        *(
            Detection(f"{code}", "a", "c", each.first_seen, each.last_seen, 1, country=code)
            for code, each in zip(("SG", "XX", "TW"), detections(["c"], 1), strict=True)
        ),
    ]
    html, _ = typeset(brief(delivered, settings(Registry()), "regulator"), OURS, "letter")
    (rows,) = [rows for rows, _ in tables(html) if rows[0][0] == "Country"]
    assert [row[0] for row in rows[1:]] == ["Singapore (SG)", "Taiwan (TW)", "XX", "not stated"]
    assert "Countries that the traffic of c appeared to come from" in seen(html)


def published(days: str) -> str:
    return (
        "campaigns:\n- campaign_id: A\n  name: B\n"
        f"  published: {{exchanges: 5, {days}disclosed: 2026-02-23, source: x}}\n"
    )


@pytest.mark.parametrize(
    ("days", "said"),
    [
        ("from: 2026-01-01, ", "from and to must come together"),
        ("to: 2026-01-01, ", "from and to must come together"),
        ("from: 2026-01-02, to: 2026-01-01, ", "the days are out of order"),
        ("from: 2026-01-02, to: 2026-02-24, ", "the days are out of order"),
    ],
)
def test_days_of_published_figures_are_in_order(days: str, said: str) -> None:
    """The days that a figure is about are both there or neither, in order, and not after it was disclosed."""
    with pytest.raises(InvalidSettings, match=f"campaigns.yaml: .*{said}"):
        parse(Registry, published(days), "campaigns.yaml")


@pytest.mark.parametrize("days", ["", "from: 2026-02-23, to: 2026-02-23, "])
def test_days_of_published_figures_may_be_one(days: str) -> None:
    """One day will do, that of the disclosure too, and so will none."""
    (entry,) = parse(Registry, published(days), "campaigns.yaml").campaigns
    assert entry.published
    assert (entry.published.first is None) == (not days)


def test_a_published_campaign_of_the_window_is_the_same() -> None:
    """It stands once among those on record, by its name, and is told to be in the window too."""
    written = parse(Registry, published("").replace("campaign_id: A", "campaign_id: c"), "campaigns.yaml")
    html, _ = typeset(brief(detections(["c"], 3), settings(written)), OURS, "letter")
    assert "B (also in the window)" in seen(html)
    assert "is the largest of the 1" not in seen(html)

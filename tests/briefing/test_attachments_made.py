"""The files inside the PDF: what their readers and scripts rely on."""

import csv
import hashlib
import io
import json
import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports import __version__
from reports.briefing.attachments import attachments, campaigns_csv, days_csv
from reports.briefing.compose import SameFigures
from reports.briefing.content import as_json, instant
from reports.briefing.figures import Ledger, more_than
from reports.core.settings import Attribution, CampaignProfile, Issuer, Law, Registry
from reports.core.window import Audience, Window
from reports.evidence.source import EvidenceObject
from tests.support.fakes import Detection, composed, content_of

WINDOW = Window(date(2026, 5, 1), date(2026, 5, 3))
HOSTILE = '=HYPERLINK("http://example.org","x")\r\n"quoted", <b>{{ 7*7 }}</b>'


def detection(
    campaign: str | None, exchanges: int, account: str = "a", day: int = 1, **fields: Any
) -> Detection:
    """A detection that lasts from noon to one of a day in May."""
    noon = datetime(2026, 5, day, 12)
    values = {"detection_id": f"{campaign}-{account}-{day}", "last_seen": noon + timedelta(hours=1), **fields}
    return Detection(
        account_id=account, campaign_id=campaign, first_seen=noon, exchange_count=exchanges, **values
    )


DETECTIONS = [
    detection("A", 60, output_tokens=7, capability="coding", network="n", country="FR"),
    detection("A", 20, "b", 3),
    detection("B", 15, "b", confidence=0.6),
    detection(None, 5, "c"),
    detection("B", 1, "z", 2, status="deleted"),
]
ENTRY = CampaignProfile(
    campaign_id="A",
    name="Campaign A",
    operator="Acme",
    attribution=Attribution(confidence="high", likelihood="likely", approvals=("x", "y")),
    law={"A": "as said"},
)


def data_of(detections: list[Detection] = DETECTIONS, audience: Audience = "regulator") -> dict[str, Any]:
    """`briefing.json`, read back."""
    briefing = composed(detections, WINDOW, audience, ENTRY)
    ledger = Ledger()
    ledger.record(briefing.total.exchanges, more_than(100))
    found: dict[str, Any] = json.loads(as_json(content_of(briefing).briefing_json(ledger.figures.values())))
    return found


def table(content: bytes) -> list[list[str]]:
    """A table as its reader's software takes it."""
    return list(csv.reader(io.StringIO(content.decode(), newline=""), strict=True))


def test_the_briefing_holds_what_is_fixed() -> None:
    """The keys that scripts rely on, with their values."""
    data = data_of()
    assert (data["audience"], data["edition"], data["gaps"]) == ("regulator", 1, [])
    assert data["window"] == {"from": "2026-05-01", "to": "2026-05-03"}
    assert data["figures"] == [
        {
            "id": "F1",
            "value": 100,
            "unit": "exchanges",
            "printed": "100",
            "question": "tallies",
            "row": {"heading": "total", "column": "exchanges"},
        }
    ]
    campaign = data["campaigns"][0]
    tally = {"exchanges": 60, "accounts": 1, "detections": 1}
    rest = {"exchanges": 20, "accounts": 1, "detections": 1}
    both = {"exchanges": 80, "accounts": 2, "detections": 2}
    fixed = {
        "campaign_id": "A",
        "name": "Campaign A",
        **both,
        "output_tokens": 7,
        "first_seen": "2026-05-01T12:00:00Z",
        "last_seen": "2026-05-03T13:00:00Z",
        "active_days": 2,
        "by_day": [{"day": "2026-05-01", **tally}, {"day": "2026-05-03", **rest}],
        "by_capability": [{"capability": "coding", **tally}, {"capability": None, **rest}],
        "by_detector": [{"detector": "prompts", **both}],
        "by_network": [{"network": "n", **tally}, {"network": None, **rest}],
        "by_confidence": [{"confidence": threshold, **both} for threshold in (0.5, 0.7, 0.9)],
    }
    assert {key: campaign[key] for key in fixed} == fixed


def test_what_is_not_attributed_has_the_form_of_a_campaign() -> None:
    """Whether there is any or not, so that a script need not ask."""
    some, none = data_of()["unattributed"], data_of(DETECTIONS[:3])["unattributed"]
    assert some.keys() == none.keys() == data_of()["campaigns"][0].keys() & some.keys()
    assert (some["exchanges"], none["exchanges"], none["by_day"], none["first_seen"]) == (5, 0, [], None)
    assert [tally["confidence"] for tally in none["by_confidence"]] == [0.5, 0.7, 0.9]


def test_totals_are_those_of_the_evidence() -> None:
    """All campaigns and the rest, by day as well, and what became of each delivered row."""
    data = data_of()
    assert (data["exchanges"], data["accounts"], data["detections"]) == (100, 3, 4)
    assert [(t["day"], t["exchanges"]) for t in data["by_day"]] == [("2026-05-01", 80), ("2026-05-03", 20)]
    assert data["delivered"] == {"tallied": 4, "excluded": 1}


@pytest.mark.parametrize("approvals", [("x", "y"), ("x",)])
def test_an_operator_is_attached_only_if_it_may_be_printed(approvals: tuple[str, ...]) -> None:
    """The naming rule holds for the data as it does for the pages."""
    attribution = Attribution(confidence="high", approvals=approvals)
    entry = CampaignProfile(campaign_id="A", name="Campaign A", operator="Acme", attribution=attribution)
    briefing = composed(DETECTIONS, WINDOW, "regulator", entry)
    files = attachments(content_of(briefing), (), {})
    named = len(approvals) == 2
    assert content_of(briefing).briefing_json(())["campaigns"][0]["operator"] == ("Acme" if named else None)
    assert content_of(briefing).briefing_json(())["campaigns"][0]["operator_withheld"] == (not named)
    assert any(b"Acme" in file.data for file in files) == named


def test_the_same_files_for_every_audience_but_one() -> None:
    """Accounts are for the regulator alone."""
    names = ["briefing.json", "evidence.json", "campaigns.csv", "days.csv"]
    found = {
        audience: [
            file.name for file in attachments(content_of(composed(DETECTIONS, WINDOW, audience)), (), {})
        ]
        for audience in ("lawmaker", "regulator")
    }
    assert found == {"lawmaker": names, "regulator": [*names, "accounts.csv"]}


def test_synthetic_data_says_so() -> None:
    """Made-up data is marked in the data, too."""
    assert data_of()["synthetic"] is True


def test_an_edition_with_the_same_figures_says_so() -> None:
    """By a key that others do not have, and that does not count as content."""
    briefing = composed(DETECTIONS, WINDOW)
    with_key = replace(briefing, same_figures_as=SameFigures(1, "0.0.1"))
    data = content_of(with_key).briefing_json(())
    assert data.pop("same_figures_as") == {"edition": 1, "software_version": "0.0.1"}
    assert data == content_of(briefing).briefing_json(())
    assert content_of(with_key).sha256 == content_of(briefing).sha256


def test_evidence_is_an_in_toto_statement() -> None:
    """Statement v1: its type, its subjects with their digests, and a predicate of ours."""
    briefing = composed(
        [detection("A", 1, day=1), detection("A", 1, day=2)], Window(WINDOW.first, WINDOW.first)
    )
    found = json.loads(as_json(content_of(briefing).evidence_json({})))
    assert found.keys() == {"_type", "subject", "predicateType", "predicate"}
    assert found["_type"] == "https://in-toto.io/Statement/v1"
    assert found["subject"] == [
        {
            "name": "detections/event_day=2026-05-01/part.jsonl",
            "digest": {"sha256": hashlib.sha256(b"2026-05-01").hexdigest()},
            "annotations": {
                **{"size": 10, "version": None, "rows": 1, "detections": 1, "exchanges": 1},
                "counted": {"detections": 1, "exchanges": 1},
            },
        }
    ]
    predicate = found["predicate"]
    assert predicate["window"] == {"from": "2026-05-01", "to": "2026-05-01"}
    assert predicate["software"] == {"name": "exhibit", "version": __version__}
    (question,) = predicate["questions"]
    assert question["sqlSha256"] == hashlib.sha256(question["sql"].encode()).hexdigest()
    assert question["parameters"] == ["2026-05-15 00:00:00.000", "2026-04-29", *["2026-05-01"] * 5, "false"]
    assert question["name"] == "tallies"
    assert question["resultSha256"] == briefing.evidence.tallies.result_sha256


def test_objects_tell_what_they_contributed() -> None:
    """Rows and exchanges as delivered, ids whose latest revision it holds, and what counts; of the window's days."""
    before, first, second = (f"detections/event_day=2026-05-{part}.csv" for part in ("01/a", "02/a", "02/b"))
    of_day = [
        detection("A", 9, day=1, delivered_in=before),
        detection("A", 5, day=2, detection_id="x", delivered_in=first),
        detection("A", 7, "b", day=2, detection_id="y", delivered_in=first),
        detection("A", 6, day=2, detection_id="x", delivered_in=second, revised_at=datetime(2026, 6, 7)),
        detection("A", 8, "c", day=2, detection_id="z", delivered_in=second, status="deleted"),
    ]
    window = Window(date(2026, 5, 2), date(2026, 5, 2))
    briefing = composed(of_day, window)
    told = {each["name"]: each["annotations"] for each in content_of(briefing).evidence_json({})["subject"]}
    bare = {"size": 10, "version": None}
    assert told == {
        before: bare,
        first: {
            **{**bare, "rows": 2, "detections": 1, "exchanges": 12},
            "counted": {"detections": 1, "exchanges": 7},
        },
        second: {
            **{**bare, "rows": 2, "detections": 2, "exchanges": 14},
            "counted": {"detections": 1, "exchanges": 6},
        },
    }


def test_old_evidence_is_together_by_year() -> None:
    """What is older than the year before the window's is a row a year, with its own root; the rest is a row a month."""
    briefing = composed(DETECTIONS, WINDOW, "regulator")
    days = ("2023-12-31", "2024-01-01", "2024-12-31", "2025-01-01", "2026-04-30")
    earlier = tuple(
        EvidenceObject(f"detections/event_day={day}/part.jsonl", f"{n}" * 64, n) for n, day in enumerate(days)
    )
    found = content_of(
        replace(
            briefing,
            evidence=replace(briefing.evidence, objects=(*earlier, *briefing.evidence.objects)),
        )
    )
    told = [(each.year, str(each.first), each.objects.value) for each in found.earlier_periods]
    assert told == [
        ("2023", "2023-01-01", 1),
        ("2024", "2024-01-01", 2),
        (None, "2025-01-01", 1),
        (None, "2026-04-01", 1),
    ]
    leaves = [
        json.dumps(subject, sort_keys=True, separators=(",", ":")).encode()
        for subject in found.statement["subject"]
        if "event_day=2024" in subject["name"]
    ]
    digests = b"".join(hashlib.sha256(b"\0" + leaf).digest() for leaf in leaves)
    assert found.earlier_periods[1].root == hashlib.sha256(b"\1" + digests).hexdigest()
    assert [str(each.first)[:7] for each in found.earlier_evidence] == [
        "2023-12",
        "2024-01",
        "2024-12",
        "2025-01",
        "2026-04",
    ]


@pytest.mark.usefixtures("slow")
def test_the_merkle_root_is_what_the_documentation_computes(tmp_path: Path) -> None:
    """The lines that a reader is given print the root that is recorded, whatever the names of the objects."""
    names = [f"detections/event_day=2026-05-01/{name}.csv" for name in ("a", "ü", 'a"b', "\u200b")]
    delivered = [
        detection("A", 5, day=1, detection_id=str(n), delivered_in=name) for n, name in enumerate(names)
    ]
    (lines,) = re.findall(
        r"```python\n(.*?)```", Path("docs/inside-the-pdf.md").read_text("utf-8"), re.DOTALL
    )
    for count in range(1, len(names) + 1):
        record = content_of(composed(delivered[:count], WINDOW)).evidence_json({})
        (tmp_path / "evidence.json").write_bytes(as_json(record))
        printed = subprocess.run(
            [sys.executable, "-c", lines], cwd=tmp_path, capture_output=True, check=True, text=True
        )
        assert printed.stdout.strip() == record["predicate"]["merkleRoot"]


def test_evidence_records_the_settings() -> None:
    """Each of the four by the digest of its canonical JSON, which another registry changes."""
    with_entry, without = (
        {
            s["name"]: s["digest"]["sha256"]
            for s in content_of(briefing).evidence_json({})["predicate"]["settings"]
        }
        for briefing in (composed(DETECTIONS, WINDOW, "lawmaker", ENTRY), composed(DETECTIONS, WINDOW))
    )
    assert list(without) == ["campaigns.yaml", "dataset.yaml", "issuer.yaml", "law.yaml"]
    assert [name for name in without if without[name] != with_entry[name]] == ["campaigns.yaml"]
    canonical = json.dumps(Registry().model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
    assert without["campaigns.yaml"] == hashlib.sha256(canonical.encode()).hexdigest()


def test_evidence_records_how_to_make_the_pages_again() -> None:
    """What the pages were made with is kept as it is told, and the addressee of the audience with it."""
    briefing = composed(DETECTIONS, WINDOW)
    issuer = Issuer(name="Lab", addressee={"lawmaker": "A committee", "regulator": "An office"})
    briefing = replace(briefing, settings=replace(briefing.settings, issuer=issuer))
    predicate = content_of(briefing).evidence_json({"pageSize": "a4"})["predicate"]
    assert (predicate["pages"], predicate["addressee"]) == ({"pageSize": "a4"}, "A committee")


def test_campaigns_are_a_table() -> None:
    """A header, then one row each, as in `briefing.json`."""
    assert table(campaigns_csv(data_of())) == [
        [
            "campaign_id",
            "name",
            "exchanges",
            "accounts",
            "detections",
            "output_tokens",
            "first_seen",
            "last_seen",
            "active_days",
        ],
        ["A", "Campaign A", "80", "2", "2", "7", "2026-05-01T12:00:00Z", "2026-05-03T13:00:00Z", "2"],
        ["B", "B", "15", "1", "1", "", "2026-05-01T12:00:00Z", "2026-05-01T13:00:00Z", "1"],
        ["", "not attributed", "5", "1", "1", "", "2026-05-01T12:00:00Z", "2026-05-01T13:00:00Z", "1"],
    ]


def test_days_are_a_table() -> None:
    """One row a campaign and day."""
    assert table(days_csv(data_of())) == [
        ["day", "campaign_id", "exchanges", "accounts", "detections"],
        ["2026-05-01", "A", "60", "1", "1"],
        ["2026-05-03", "A", "20", "1", "1"],
        ["2026-05-01", "B", "15", "1", "1"],
        ["2026-05-01", "", "5", "1", "1"],
    ]


@given(st.text(max_size=20))
def test_any_text_is_one_cell(text: str) -> None:
    """Quotes, commas and line ends do not leave their cell, which never starts a formula."""
    activity = {**data_of(DETECTIONS[:1])["campaigns"][0], "name": text}
    header, row = table(campaigns_csv({"campaigns": [activity], "unattributed": {"detections": 0}}))
    assert len(header) == len(row)
    assert row[1] in (text, f"'{text}")
    assert not row[1].lstrip().startswith(("=", "+", "-", "@"))


def test_hostile_names_are_data() -> None:
    """In a campaign's id, an account's and a network's."""
    briefing = composed([detection(HOSTILE, 1, HOSTILE, network=HOSTILE)], WINDOW, "regulator")
    files = {file.name: file.data for file in attachments(content_of(briefing), (), {})}
    assert json.loads(files["briefing.json"])["campaigns"][0]["campaign_id"] == HOSTILE
    for name in ("campaigns.csv", "days.csv", "accounts.csv"):
        header, row = table(files[name])
        assert row[header.index("campaign_id")] == f"'{HOSTILE}"
    assert HOSTILE.encode() not in files["accounts.csv"].replace(
        b"'" + HOSTILE.replace('"', '""').encode(), b""
    )


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_json_holds_numbers_that_json_has(number: float) -> None:
    """What is not a number in JSON is not written."""
    with pytest.raises(ValueError, match="JSON"):
        as_json({"value": number})


def test_json_is_utf_8_with_an_end() -> None:
    """Two spaces, no escapes, a newline at the end."""
    assert as_json({"é": ["\u202e"]}) == '{\n  "é": [\n    "\u202e"\n  ]\n}\n'.encode()


@pytest.mark.parametrize(
    ("time", "printed"),
    [
        (datetime(2026, 5, 1, 12), "2026-05-01T12:00:00Z"),
        (datetime(2026, 5, 1, 12, tzinfo=UTC), "2026-05-01T12:00:00Z"),
        (datetime(2026, 5, 1, 1, tzinfo=timezone(timedelta(hours=2))), "2026-04-30T23:00:00Z"),
        (datetime(2026, 5, 1, 12, 0, 0, 500), "2026-05-01T12:00:00.000500Z"),
    ],
)
def test_an_instant_is_in_utc(time: datetime, printed: str) -> None:
    """RFC 3339, whatever zone it came in; without one it is UTC."""
    assert instant(time) == printed


def test_the_law_is_told_as_data() -> None:
    """Its text, stage and status, how its groups count, what they lack, and who answers the matters."""
    law = Law.model_validate(
        {
            **{"citation": "Act", "status": "a bill", "title": "attacks"},
            "version": {"text": "introduced", "date": "2026-04-15"},
            "stage": {"action": "reported", "date": "2026-04-22"},
            "groups": [
                {"id": "ways", "logic": "any of", "text": "x", "plain": "x"},
                {"id": "terms", "logic": "all of", "text": "x", "plain": "x"},
            ],
            "definitions": [{"id": "term", "group": "terms", "text": "x", "plain": "x"}],
            "elements": [{"id": "A", "group": "ways", "text": "x", "plain": "x"}],
            "assessment": [
                {"id": "origin", "text": "x"},
                {"id": "how", "text": "x", "answered_by": "methods"},
            ],
        }
    )
    entry = ENTRY.model_copy(update={"assessment": {"origin": "as known"}})
    data = content_of(composed(DETECTIONS, WINDOW, "regulator", entry, law=law)).briefing_json(())

    said = [{"campaign": "Campaign A", "text": "as said"}]
    known = [{"campaign": "Campaign A", "text": "as known"}]
    both = ["Campaign A", "B"]
    assert data["law"] == {
        **{"citation": "Act", "status": "a bill"},
        "version": {"text": "introduced", "date": "2026-04-15"},
        "stage": {"action": "reported", "date": "2026-04-22"},
        "groups": [
            {
                **{"id": "ways", "logic": "any of", "gaps": ["B"]},
                "elements": [{"id": "A", "gaps": [], "evidence": said}],
            },
            {
                **{"id": "terms", "logic": "all of", "gaps": []},
                "elements": [{"id": "term", "gaps": both, "evidence": []}],
            },
        ],
        "elements": [{"id": "A", "evidence": said}],
        "assessment": [
            {"id": "origin", "answered_by": None, "evidence": known},
            {"id": "how", "answered_by": "methods", "evidence": []},
        ],
    }

"""From a printed figure to where it comes from."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from reports.cli import main
from reports.core.errors import InvalidRequest
from reports.signing.keys import LocalAuthority
from reports.verification.explain import Chain, explain
from tests.support.checking import copied, recorded, signed_anew
from tests.support.publishing import GOLDEN, Published

Capture = pytest.CaptureFixture[str]
BEFORE, DAY = (f"detections/event_day=2026-{day}/part.jsonl" for day in ("04-30", "05-01"))
OCSF = "ext/detections/region=eu-west-1/accountId=111122223333/eventDay=202605"


def the(golden: dict[str, Published], scenario: str, question: str, row: dict[str, Any]) -> Chain:
    """The chain of the first figure of a row."""
    record = recorded(golden[scenario].pdf.read_bytes())
    found = next(f for f in record.said.figures if f.question == question and f.row == row)
    (chain,) = explain(record, found.id)
    return chain


def behind(chain: Chain) -> list[str]:
    """The names of the objects behind a figure."""
    return [each.name for each in chain.objects]


def test_a_figure_is_found_by_its_id_or_its_text(golden: dict[str, Published]) -> None:
    """However an id is written; all that print a text, whole or, where none does, as a part."""
    record = recorded(golden["naming"].pdf.read_bytes())
    for wanted in ("F5", "f5", "Receipt F5"):
        assert [chain.figure.id for chain in explain(record, wanted)] == ["F5"]
    whole, part = explain(record, "more  than 28.8 million"), explain(record, "8.8 million")
    assert len(whole) > 1
    assert {chain.figure.printed for chain in (*whole, *part)} == {"more than 28.8 million"}
    assert whole == part
    assert {chain.figure.printed for chain in explain(record, "100 %")} == {"100 %"}


@pytest.mark.parametrize("wanted", ["F999", "no such text", "", "F"])
def test_a_figure_that_is_not_there(golden: dict[str, Published], wanted: str) -> None:
    """What no figure is called or prints is refused, with the ids that there are."""
    with pytest.raises(InvalidRequest, match=r"there are F1 to F\d+"):
        explain(recorded(golden["naming"].pdf.read_bytes()), wanted)


def test_a_total_is_about_the_window(golden: dict[str, Published]) -> None:
    """Its question, as it was asked, and the objects of the window and no others."""
    chain = the(golden, "naming", "tallies", {"heading": "total", "column": "exchanges"})
    assert chain.figure.value == 28964638
    assert [(asked.name, asked.engine) for asked in chain.asked] == [("tallies", None)]
    instant, days = "2026-05-02 00:00:00.000", ["2026-04-29", *["2026-05-01"] * 5]
    assert chain.asked[0].parameters == (instant, *days, "false")
    assert (str(chain.days), behind(chain)) == ("2026-05-01/2026-05-01", [DAY])


@pytest.mark.parametrize(
    ("question", "row", "objects"),
    [
        ("history", {"window": "preceding", "column": "exchanges"}, [BEFORE]),
        (
            "history",
            {"campaign_id": "N-1", "window": "all until its end", "column": "exchanges"},
            [BEFORE, DAY],
        ),
        ("tallies", {"standing": "all", "column": "rows"}, [DAY]),
        ("evidence", {"subjects": "all"}, [BEFORE, DAY]),
        (
            "tallies",
            {
                "ratio": [
                    {"campaign_id": "N-1", "heading": "total", "column": "exchanges"},
                    {"campaign_id": "N-1", "window": "preceding", "column": "exchanges"},
                ]
            },
            [BEFORE, DAY],
        ),
    ],
    ids=["preceding", "on record", "rows", "objects", "ratio"],
)
def test_what_came_before_is_about_earlier_objects(
    golden: dict[str, Published], question: str, row: dict[str, Any], objects: list[str]
) -> None:
    """The preceding window's, both of a comparison, or all on record."""
    chain = the(golden, "naming", question, row)
    assert behind(chain) == objects
    assert ("history" in [asked.name for asked in chain.asked]) == (
        BEFORE in objects and question != "evidence"
    )


@pytest.mark.parametrize(
    ("period", "objects"), [("2026", [BEFORE]), ("2026-04", [BEFORE]), ("2026-05", []), ("2025", [])]
)
def test_earlier_objects_are_those_of_their_period(
    golden: dict[str, Published], authority: LocalAuthority, period: str, objects: list[str]
) -> None:
    """Of a year or a month, without those of the window."""

    def by_period(data: dict[str, Any]) -> None:
        figure = next(each for each in data["figures"] if each["row"] == {"subjects": "all"})
        figure.update(id="F999", row={"subjects": period})

    record = recorded(signed_anew(golden["naming"].unsigned, authority, "briefing.json", by_period))
    (chain,) = explain(record, "F999")
    assert behind(chain) == objects


@pytest.mark.parametrize(("day", "file"), [("2026-05-01", "first.csv"), ("2026-05-03", "all.jsonl")])
def test_a_day_is_about_its_objects(golden: dict[str, Published], day: str, file: str) -> None:
    """In the flat layout, revisions stay in their day."""
    chain = the(golden, "revisions", "tallies", {"heading": "day", "day": day, "column": "exchanges"})
    assert f"detections/event_day={day}/{file}" in behind(chain)
    assert {Path(name).parent.name for name in behind(chain)} == {f"event_day={day}"}


def test_updates_of_findings_land_later(golden: dict[str, Published]) -> None:
    """In OCSF, any later partition may revise a day, and a finding may lie up to two days before it."""
    chain = the(golden, "ocsf", "tallies", {"heading": "day", "day": "2026-05-02", "column": "exchanges"})
    assert behind(chain) == [f"{OCSF}{day}/a.jsonl" for day in ("01", "02", "06", "12")]


@pytest.mark.parametrize("question", ["request", "settings", "registry", "chart"])
def test_what_comes_from_elsewhere_says_so(
    golden: dict[str, Published], capsys: Capture, question: str
) -> None:
    """A figure that no question answers has no objects, and names its source; the registry's, the file as well."""
    published = golden["naming"]
    figure = next(f["id"] for f in published.briefing["figures"] if f["question"] == question)
    assert main(["explain", str(published.pdf), figure]) == 0
    printed = capsys.readouterr().out
    assert re.search(rf"^source +.*{question}", printed, re.MULTILINE)
    assert ("campaigns.yaml" in printed) == (question == "registry")
    assert not re.search("^(objects|question)", printed, re.MULTILINE)


def test_the_whole_chain_is_printed(golden: dict[str, Published], capsys: Capture) -> None:
    """On the screen: text, value, question, row, objects and document."""
    published = golden["naming"]
    assert main(["explain", str(published.pdf), "F5"]) == 0
    printed = capsys.readouterr().out
    statement = json.loads(published.files["evidence.json"])
    figure = published.briefing["figures"][4]
    for expected in (
        figure["printed"],
        f"{figure['value']:,} exchanges",
        statement["predicate"]["questions"][0]["sqlSha256"],
        "heading day, day 2026-05-01",
        f"{statement['subject'][1]['digest']['sha256']}  {DAY}",
        published.receipt["document"]["sha256"],
    ):
        assert expected in printed


def test_what_objects_contributed_is_shown(golden: dict[str, Published], capsys: Capture) -> None:
    """Of a total over all campaigns, it adds up to the value; objects of earlier days contribute nothing to it."""
    published = golden["revisions"]
    total = {"heading": "total", "column": "exchanges"}
    figure = next(
        f for f in published.briefing["figures"] if f["row"] == total and f["question"] == "tallies"
    )
    assert main(["explain", str(published.pdf), figure["id"], "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["figures"]
    assert sum(each["counted"]["exchanges"] for each in found["objects"]) == figure["value"]
    assert main(["explain", str(published.pdf), figure["id"]]) == 0
    printed = capsys.readouterr().out
    assert f"objects     {len(found['objects'])}, with what counts from each in the window" in printed
    for each in found["objects"]:
        counted = f"{each['counted']['detections']:,} detections, {each['counted']['exchanges']:,} exchanges"
        assert f"{each['sha256']}  {each['name']}, {counted}\n" in printed


def test_a_figure_is_computed_again(golden: dict[str, Published], tmp_path: Path, capsys: Capture) -> None:
    """Equal with the evidence as it was, and not with other evidence, which is status 1."""
    asked = ["explain", str(golden["naming"].pdf), "F9", "--json", "--evidence"]
    assert main([*asked, str(GOLDEN / "naming")]) == 0
    (figure,) = json.loads(capsys.readouterr().out)["figures"]
    assert (figure["value"], figure["computed"], figure["equal"]) == (28814637, 28814637, True)
    evidence = copied("naming", tmp_path)
    (evidence / DAY).write_text((evidence / DAY).read_text().replace("28814637", "28814638"))
    assert main([*asked, str(evidence)]) == 1
    (figure,) = json.loads(capsys.readouterr().out)["figures"]
    assert (figure["value"], figure["computed"], figure["equal"]) == (28814637, 28814638, False)


def test_nothing_is_explained_that_nothing_vouches_for(
    golden: dict[str, Published], tmp_path: Path, capsys: Capture
) -> None:
    """An unsigned or tampered file is wrong, what is no PDF could not be checked: neither is explained."""
    pdf, unsigned = golden["naming"].pdf.read_bytes(), golden["naming"].unsigned
    for content, status in ((unsigned, 1), (pdf.replace(b"Exhibit", b"Exhibyt", 1), 1), (b"hello", 3)):
        file = tmp_path / "file.pdf"
        file.write_bytes(content)
        assert main(["explain", str(file), "F5"]) == status
        out, complaint = capsys.readouterr()
        assert out == ""
        assert complaint.startswith("exhibit: the content of the file cannot be trusted: ")


def test_what_an_issuer_writes_is_not_obeyed(
    golden: dict[str, Published], authority: LocalAuthority, tmp_path: Path, capsys: Capture
) -> None:
    """Texts of a file are shown, whatever they are, and nothing in them moves the cursor or starts a line."""

    def write(data: dict[str, Any]) -> None:
        data["figures"][5]["printed"] = "\x1b[2J1\nvalue  2"

    file = tmp_path / "file.pdf"
    file.write_bytes(signed_anew(golden["naming"].unsigned, authority, "briefing.json", write))
    assert main(["explain", str(file), "F6"]) == 0
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    assert len(re.findall("^value", printed, re.MULTILINE)) == 1

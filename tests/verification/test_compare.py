"""Whether two briefings tell the same facts."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reports import __version__
from reports.cli import main
from reports.signing.keys import LocalAuthority
from reports.verification.attachments import attached
from reports.verification.compare import compare
from tests.support.checking import copied, recorded, signed_anew
from tests.support.publishing import GOLDEN, Published, expected, publish

pytestmark = pytest.mark.usefixtures("slow")

Capture = pytest.CaptureFixture[str]
REQUEST = expected("revisions")["request"]
DAY = "detections/event_day=2026-05-0"


@pytest.fixture(scope="module")
def lawmaker(tmp_path_factory: pytest.TempPathFactory, authority: LocalAuthority) -> Published:
    """The lawmaker's briefing beside the regulator's of the scenario `revisions`."""
    request = {**REQUEST, "audience": "lawmaker"}
    return publish(GOLDEN / "revisions", tmp_path_factory.mktemp("lawmaker"), authority.directory, request)


@pytest.fixture(scope="module")
def restated(tmp_path_factory: pytest.TempPathFactory, authority: LocalAuthority) -> tuple[Path, Path]:
    """Two editions of the regulator's briefing: between them, an object was removed, one changed and one added."""
    folder = tmp_path_factory.mktemp("restated")
    evidence, out = copied("revisions", folder), folder / "out"
    assert main(["publish", *_options(evidence, out, authority)]) == 0
    changed = evidence / f"{DAY}2/all.jsonl"
    rows = [json.loads(line) for line in changed.read_text().splitlines()]
    changed.write_text("".join(json.dumps({**row, "exchange_count": 700}) + "\n" for row in rows))
    (evidence / f"{DAY}1/later.jsonl").unlink()
    (evidence / f"{DAY}3/new.jsonl").write_text(json.dumps({**rows[0], **_moved_to_the_third()}) + "\n")
    assert main(["publish", *_options(evidence, out, authority)]) == 0
    first, second = sorted(out.glob("*.pdf"))
    assert ("-e1-" in first.name, "-e2-" in second.name) == (True, True)
    return first, second


def _options(evidence: Path, out: Path, authority: LocalAuthority) -> list[str]:
    named = {"evidence": evidence, "out": out, "keys": authority.directory, **REQUEST}
    return [text for name, value in named.items() for text in (f"--{name.replace('_', '-')}", str(value))]


def _moved_to_the_third() -> dict[str, str]:
    return {
        "detection_id": "new",
        "first_seen": "2026-05-03T08:00:00Z",
        "last_seen": "2026-05-03T09:00:00Z",
        "status": "new",
    }


def test_two_audiences_are_told_the_same(golden: dict[str, Published], lawmaker: Published) -> None:
    """One evidence root, the pages' own, nothing that contradicts, and what one leaves out is listed."""
    found = compare(recorded(lawmaker.pdf.read_bytes()), recorded(golden["revisions"].pdf.read_bytes()))
    assert found.outcome == "consistent"
    assert lawmaker.receipt["evidence_sha256"] in found.detail
    assert lawmaker.receipt["evidence_sha256"] == golden["revisions"].receipt["evidence_sha256"]
    assert (found.contradictions, found.objects, found.causes) == ((), (), ())
    ours, theirs = found.only
    assert "accounts.csv" in theirs
    assert "accounts.csv" not in ours
    assert theirs["figures: tallies detector"] > 0


@pytest.mark.parametrize("told", ["figure", "value"])
def test_two_audiences_are_told_different_things(
    golden: dict[str, Published], lawmaker: Published, authority: LocalAuthority, told: str
) -> None:
    """What both have and differs is a contradiction, be it a figure or another datum; it is named."""

    def lie(data: dict[str, Any]) -> None:
        if told == "figure":
            next(f for f in data["figures"] if f["row"] == {"subjects": "all"})["value"] = 99
        else:
            data["campaigns"][0]["name"] = "Another name"

    pdf = signed_anew(golden["revisions"].unsigned, authority, "briefing.json", lie)
    found = compare(recorded(lawmaker.pdf.read_bytes()), recorded(pdf))
    (contradiction,) = found.contradictions
    assert found.outcome == "contradictory"
    assert contradiction.after == (99 if told == "figure" else "Another name")
    assert contradiction.at in found.detail


def test_other_evidence_is_not_the_same_facts(restated: tuple[Path, Path], lawmaker: Published) -> None:
    """Two audiences whose evidence differs could not be compared; the objects are named."""
    found = compare(recorded(lawmaker.pdf.read_bytes()), recorded(restated[1].read_bytes()))
    assert found.outcome == "could not be compared"
    assert len(found.objects) == 3


def test_editions_are_explained(restated: tuple[Path, Path]) -> None:
    """Which figures moved, from what to what, and the objects behind each; in whichever order they are given."""
    first, second = (recorded(file.read_bytes()) for file in restated)
    found = compare(second, first)
    assert found == compare(first, second)
    assert found.outcome == "consistent", found
    assert found.names == (first.name, second.name)
    assert found.causes == ("the evidence",)
    assert {each.name: (each.before is None, each.after is None) for each in found.objects} == {
        f"{DAY}1/later.jsonl": (False, True),
        f"{DAY}2/all.jsonl": (False, False),
        f"{DAY}3/new.jsonl": (True, False),
    }
    row = {"heading": "day", "day": "2026-05-02", "column": "exchanges"}
    (moved,) = (each for each in found.moved if each.pair[0].row == row)
    assert [figure.value for figure in moved.pair] == [
        next(day["exchanges"] for day in record.data["by_day"] if day["day"] == "2026-05-02")
        for record in (first, second)
    ]
    assert moved.objects == (f"{DAY}2/all.jsonl",)
    total = next(
        each for each in found.moved if each.pair[0].row == {"heading": "total", "column": "exchanges"}
    )
    assert total.objects == tuple(each.name for each in found.objects)


def test_what_objects_account_for(restated: tuple[Path, Path]) -> None:
    """What each object contributed is recorded, and the difference is what it accounts for."""
    first, second = (recorded(file.read_bytes()) for file in restated)
    columns = ("rows", "detections", "exchanges", "counted detections", "counted exchanges")
    changes = {each.name: each.accounts_for for each in compare(first, second).objects}
    assert changes == {
        name: dict(zip(columns, counts, strict=True))
        for name, counts in {
            f"{DAY}1/later.jsonl": (-3, -2, -1249, -1, -150),
            f"{DAY}2/all.jsonl": (0, 0, 2774, 0, 2079),
            f"{DAY}3/new.jsonl": (1, 1, 7, 1, 7),
        }.items()
    }


def test_an_edition_that_nothing_explains(golden: dict[str, Published], authority: LocalAuthority) -> None:
    """A figure that moved though its evidence did not is a contradiction, and so are two documents as one edition."""
    published = golden["revisions"]

    def next_edition(data: dict[str, Any]) -> None:
        data.update(edition=2, supersedes=f"{data['report_number']} edition 1")

    def lie(data: dict[str, Any]) -> None:
        next_edition(data)
        next(f for f in data["figures"] if f["row"] == {"subjects": "all"})["value"] += 1

    first = recorded(published.pdf.read_bytes())
    honest, lying, twice = (
        compare(first, recorded(signed_anew(published.unsigned, authority, "briefing.json", change)))
        for change in (next_edition, lie, lambda data: None)
    )
    assert (honest.outcome, honest.moved) == ("consistent", ())
    assert (lying.outcome, len(lying.moved), len(lying.contradictions)) == ("contradictory", 1, 1)
    assert (twice.outcome, twice.contradictions[0].at) == ("contradictory", "two documents claim edition 1")


def test_a_wrong_predecessor_is_a_contradiction(
    golden: dict[str, Published], authority: LocalAuthority
) -> None:
    """The next edition names this one as superseded, or contradicts it."""
    change = signed_anew(
        golden["quiet"].unsigned,
        authority,
        "briefing.json",
        lambda data: data.update(edition=2, supersedes="EX-1 edition 1"),
    )
    found = compare(recorded(golden["quiet"].pdf.read_bytes()), recorded(change))
    assert (found.outcome, found.contradictions[0].after) == ("contradictory", "EX-1 edition 1")


def made_by_an_earlier_release(data: dict[str, Any]) -> None:
    data["predicate"]["software"]["version"] = "0.0.1"


def again(data: dict[str, Any], version: str = "0.0.1") -> None:
    same = {"edition": 1, "software_version": version}
    data.update(edition=2, supersedes=f"{data['report_number']} edition 1", same_figures_as=same)


def again_with_another_figure(data: dict[str, Any]) -> None:
    again(data)
    next(f for f in data["figures"] if f["row"] == {"subjects": "all"})["value"] += 1


def again_by_other_periods(data: dict[str, Any]) -> None:
    """Earlier evidence objects are together by the year, which the edition before did not do."""
    again(data)
    data["figures"].append(
        {**data["figures"][0], "id": "F999", "question": "evidence", "row": {"subjects": "2020"}}
    )


def test_an_edition_that_another_release_made_again(
    golden: dict[str, Published], authority: LocalAuthority
) -> None:
    """The same figures are called the same, made again by a release, whether the edition says so or not."""
    pdf = golden["quiet"].unsigned
    first = recorded(signed_anew(pdf, authority, "evidence.json", made_by_an_earlier_release))
    for change in (again, again_by_other_periods, lambda data: again(data) or data.pop("same_figures_as")):
        found = compare(first, recorded(signed_anew(pdf, authority, "briefing.json", change)))
        assert (found.outcome, found.moved, found.causes) == ("consistent", (), ("the release of Exhibit",))
        assert found.detail == (
            f"the same figures, made again by Exhibit {__version__}; what differs is the release of Exhibit"
        )


def test_an_edition_that_was_made_again_twice(
    golden: dict[str, Published], authority: LocalAuthority
) -> None:
    """Two editions that each name the one before them have the same figures all the same."""
    pdf = golden["quiet"].unsigned
    statement = json.loads(attached(pdf)["evidence.json"])
    statement["predicate"]["software"]["version"] = "0.0.2"

    def third(data: dict[str, Any]) -> None:
        same = {"edition": 2, "software_version": "0.0.2"}
        data.update(edition=3, supersedes=f"{data['report_number']} edition 2", same_figures_as=same)

    others = {"evidence.json": json.dumps(statement).encode()}
    second = recorded(signed_anew(pdf, authority, "briefing.json", again, others))
    found = compare(second, recorded(signed_anew(pdf, authority, "briefing.json", third)))
    assert (found.outcome, found.contradictions) == ("consistent", ())
    assert found.detail.startswith(f"the same figures, made again by Exhibit {__version__}; ")


@pytest.mark.parametrize("change", [again_with_another_figure, lambda data: again(data, "0.0.2")])
def test_an_edition_that_only_says_to_have_the_same_figures(
    golden: dict[str, Published],
    authority: LocalAuthority,
    tmp_path: Path,
    capsys: Capture,
    change: Callable[[dict[str, Any]], None],
) -> None:
    """It contradicts the one before it if a figure differs, or another release made that one."""
    pdf, one, other = golden["quiet"].unsigned, tmp_path / "1.pdf", tmp_path / "2.pdf"
    one.write_bytes(signed_anew(pdf, authority, "evidence.json", made_by_an_earlier_release))
    other.write_bytes(signed_anew(pdf, authority, "briefing.json", change))
    assert main(["compare", str(one), str(other)]) == 1
    assert (
        "  The second says that it differs from the first only in its release, which is not true."
        in capsys.readouterr().out.splitlines()
    )


def test_the_command(
    golden: dict[str, Published],
    lawmaker: Published,
    restated: tuple[Path, Path],
    tmp_path: Path,
    capsys: Capture,
) -> None:
    """Status 0 for the same facts, 1 for a contradiction, 3 for other windows and for what nothing vouches for."""
    regulator, quiet, cut = golden["revisions"].pdf, golden["quiet"].pdf, tmp_path / "unsigned.pdf"
    cut.write_bytes(lawmaker.unsigned)
    for pair, status, said in (
        ((lawmaker.pdf, regulator), 0, "consistent: "),
        ((lawmaker.pdf, lawmaker.pdf), 0, "they are the same document"),
        (restated, 0, f"{DAY}3/new.jsonl was added: 1 more row, 1 more detection, 7"),
        ((regulator, restated[0]), 1, "There are two documents claim edition 1, with the SHA-256 "),
        (
            (lawmaker.pdf, quiet),
            3,
            "they are about different windows, 2026-05-01/2026-05-05 and 2026-05-01/2026-05-07",
        ),
        ((cut, regulator), 3, f"{cut}: the content of the file cannot be trusted"),
    ):
        assert main(["compare", *map(str, pair)]) == status
        printed = "".join(capsys.readouterr())
        assert said in printed


def test_the_comparison_as_json(restated: tuple[Path, Path], capsys: Capture) -> None:
    """`--json` has each figure that moved with both sides, and each object with both digests."""
    assert main(["compare", *map(str, restated), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["outcome"] == "consistent"
    assert [each["name"].rpartition("/")[2] for each in found["objects"]] == [
        "later.jsonl",
        "all.jsonl",
        "new.jsonl",
    ]
    assert all(each["from"] != each["to"] for each in found["moved"])

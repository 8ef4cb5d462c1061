"""Step 7, in part: whether a briefing can be made again from its evidence."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from pyhanko.pdf_utils.generic import ArrayObject, NumberObject

from reports.briefing.accounts import AccountTable, read_accounts
from reports.briefing.content import evidence_root
from reports.core.errors import CheckFailed
from reports.pages import render
from reports.pages.assets import TEMPLATES, Resources
from reports.signing.keys import LocalAuthority
from reports.verification import reproduce
from reports.verification.signature import verify
from reports.verification.verify import judge
from tests.support import form_1
from tests.support.checking import as_release, copied, held_by, judged, outcomes, signed_anew
from tests.support.pki import NOW, stamper_of
from tests.support.publishing import GOLDEN, SCENARIOS, Published

DAY = "detections/event_day=2026-05-0"


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_what_was_published_reproduces(golden: dict[str, Published], scenario: str) -> None:
    """Each briefing is made again from its evidence, to the last byte, without the issuer's keys."""
    found = judged(golden[scenario].pdf.read_bytes(), GOLDEN / scenario)
    assert outcomes(found) == ("valid", "valid"), found.verdicts
    assert f"{golden[scenario].receipt['unsigned']['size']:,} bytes" in found.verdicts[-1].detail


def test_pseudonyms_are_made_again_with_their_key(
    golden: dict[str, Published], authority: LocalAuthority
) -> None:
    """With their key they are checked as well; with another, nothing is said about them."""
    pdf = golden["revisions"].pdf.read_bytes()
    right, wrong = (judged(pdf, GOLDEN / "revisions", key) for key in (authority.pseudonym_key(), bytes(32)))
    assert (right.verdicts[-1].outcome, wrong.verdicts[-1].outcome) == ("valid", "could not be checked")
    assert "pseudonyms" not in right.verdicts[-1].detail
    assert "this key did not make the briefing's pseudonyms" in wrong.verdicts[-1].detail


@pytest.mark.parametrize("with_key", [True, False])
def test_accounts_that_an_issuer_makes_up(
    golden: dict[str, Published], authority: LocalAuthority, with_key: bool
) -> None:
    """An account under another's name is found with the key, and one that did something else without it."""
    published = golden["revisions"]
    table = read_accounts(published.files["accounts.csv"], "")
    rows = list(table.rows)
    alone = next(row for row in rows if [other.account for other in rows].count(row.account) == 1)
    rows.remove(alone)
    rows.append(alone._replace(account="0" * 64) if with_key else alone._replace(first_day="2026-04-30"))
    lie = AccountTable(tuple(sorted(rows)), "")

    def change(data: dict[str, Any]) -> None:
        data["predicate"]["accounts"]["merkleRoot"] = lie.root

    key = authority.pseudonym_key() if with_key else None
    edited = signed_anew(
        published.unsigned, authority, "evidence.json", change, {"accounts.csv": lie.content}
    )
    found = judged(edited, GOLDEN / "revisions", key)
    assert [verdict.outcome for verdict in found.verdicts[3:]] == ["valid", "valid", "invalid"]
    assert {each.at for each in found.differences} == {
        "accounts.csv",
        "evidence.json.predicate.accounts.merkleRoot",
    }


def test_added_evidence_does_not_matter(golden: dict[str, Published], tmp_path: Path) -> None:
    """What was added since is told, and a briefing is made again from what it was made from."""
    evidence = copied("revisions", tmp_path)
    shutil.copy(evidence / f"{DAY}2/all.jsonl", evidence / f"{DAY}2/again.jsonl")
    assert outcomes(judged(golden["revisions"].pdf.read_bytes(), evidence)) == ("invalid", "valid")


def test_changed_evidence_is_told_by_figure(golden: dict[str, Published], tmp_path: Path) -> None:
    """Other evidence gives other figures: each is listed with both values, the first in the one line."""
    evidence = copied("revisions", tmp_path)
    part = evidence / f"{DAY}2/all.jsonl"
    rows = [json.loads(line) for line in part.read_text().splitlines()]
    for row in rows:
        row["exchange_count"] += 1000
    part.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = judged(golden["revisions"].pdf.read_bytes(), evidence)
    assert outcomes(found) == ("invalid", "invalid")
    figures = {figure["id"]: figure["value"] for figure in golden["revisions"].briefing["figures"]}
    moved = [each for each in found.differences if each.at.endswith("].value")]
    assert moved
    for each in moved:
        assert figures[each.at.removeprefix("figures[").removesuffix("].value")] == each.before != each.after
    total = next(each for each in found.differences if each.at == "exchanges")
    assert total.after - total.before == 1000 * len({row["detection_id"] for row in rows})
    assert moved[0].at in found.verdicts[-1].detail


def test_evidence_that_vanished(golden: dict[str, Published], tmp_path: Path) -> None:
    """Without one of its objects, a briefing cannot be made again; which one is said."""
    evidence = copied("revisions", tmp_path)
    (evidence / f"{DAY}3/all.jsonl").unlink()
    found = judged(golden["revisions"].pdf.read_bytes(), evidence)
    assert outcomes(found) == ("invalid", "could not be checked")
    assert f"{DAY}3/all.jsonl is missing" in found.verdicts[-1].detail


def test_evidence_that_is_no_longer_any(golden: dict[str, Published], tmp_path: Path) -> None:
    """An object that is not even rows any more has changed, and nothing can be computed from it."""
    evidence = copied("revisions", tmp_path)
    (evidence / f"{DAY}3/all.jsonl").write_bytes(b"\0" * 1000)
    found = judged(golden["revisions"].pdf.read_bytes(), evidence)
    assert outcomes(found) == ("invalid", "could not be checked")
    assert f"{DAY}3/all.jsonl" in found.verdicts[-1].detail


def test_another_release(golden: dict[str, Published], monkeypatch: pytest.MonkeyPatch) -> None:
    """A briefing of another release could not be checked; both releases are named, and nothing is to be installed."""
    as_release("99.0", monkeypatch)
    verdict = judged(golden["quiet"].pdf.read_bytes(), GOLDEN / "quiet").verdicts[-1]
    version = golden["quiet"].briefing["software_version"]
    assert verdict.outcome == "could not be checked"
    assert f"made by Exhibit {version}, and this is Exhibit 99.0: " in verdict.detail
    assert "install" not in verdict.detail


def test_another_release_over_a_folder_that_is_refused_now(
    golden: dict[str, Published], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The evidence is as it was, and it is the release that is named, not what this one refuses."""
    as_release("99.0", monkeypatch)
    evidence = copied("quiet", tmp_path)
    (evidence / "dataset.yml").touch()
    found = judged(golden["quiet"].pdf.read_bytes(), evidence)
    assert outcomes(found) == ("valid", "could not be checked")
    assert "this is Exhibit 99.0" in found.verdicts[-1].detail


def test_a_folder_that_is_refused_now(golden: dict[str, Published], tmp_path: Path) -> None:
    """A file that would be passed over, and was not there before, keeps a briefing from being made again."""
    evidence = copied("quiet", tmp_path)
    (evidence / "dataset.yml").touch()
    found = judged(golden["quiet"].pdf.read_bytes(), evidence)
    assert outcomes(found) == ("valid", "could not be checked")
    assert found.verdicts[-1].detail.startswith("dataset.yml: only dataset.yaml is read beside the evidence")


def test_other_libraries(golden: dict[str, Published], monkeypatch: pytest.MonkeyPatch) -> None:
    """Values are compared whatever libraries there are; for the bytes, the release of the library is named."""
    real = render.pages_record

    def other(*arguments: Any) -> dict[str, Any]:
        return {**real(*arguments), "libraries": [{"name": "weasyprint", "version": "0"}]}

    monkeypatch.setattr(render, "pages_record", other)
    verdict = judged(golden["quiet"].pdf.read_bytes(), GOLDEN / "quiet").verdicts[-1]
    assert verdict.outcome == "could not be checked"
    assert verdict.detail.startswith("every value is the same, but the pages were made with ")


@pytest.mark.parametrize("file", ["campaigns.yaml", "dataset.yaml"])
def test_other_settings(golden: dict[str, Published], tmp_path: Path, file: str) -> None:
    """Settings that are not those of then are named."""
    evidence = copied("naming", tmp_path)
    (evidence / file).unlink()
    verdict = judged(golden["naming"].pdf.read_bytes(), evidence).verdicts[-1]
    assert verdict.outcome == "could not be checked"
    assert verdict.detail == f"{file} is not the one that the briefing was made with: restore that one"


def test_other_templates(golden: dict[str, Published], tmp_path: Path) -> None:
    """Pages are not held against other templates, and the option that names them is."""
    (tmp_path / "page.css").write_text("p { color: red }")
    own = held_by(GOLDEN / "quiet", resources=Resources((tmp_path, TEMPLATES)))
    verdict = judge(golden["quiet"].pdf.read_bytes(), None, NOW, own).verdicts[-1]
    assert verdict.outcome == "could not be checked"
    assert "--templates" in verdict.detail


def test_templates_that_are_handed_to_a_reader_run_nothing(
    golden: dict[str, Published], authority: LocalAuthority, tmp_path: Path
) -> None:
    """Templates that a signed record vouches for are filled as an issuer's own are: what they ask for is not given."""
    for audience in ("lawmaker", "regulator"):
        (tmp_path / f"{audience}.html").write_text("{{ issuer.parse_raw('x', proto='pickle') }}")
    resources = Resources((tmp_path, TEMPLATES))

    def vouch(data: dict[str, Any]) -> None:
        data["predicate"]["pages"]["templates"]["digest"]["sha256"] = resources.digest()

    pdf = signed_anew(golden["quiet"].unsigned, authority, "evidence.json", vouch)
    verdict = judge(pdf, None, NOW, held_by(GOLDEN / "quiet", resources=resources)).verdicts[-1]
    assert verdict.outcome == "could not be checked"
    assert "line 1: issuer has no 'parse_raw' that a template can read" in verdict.detail


def test_a_lie_of_the_issuer(golden: dict[str, Published], authority: LocalAuthority) -> None:
    """A figure that an issuer makes up and signs does not come out of the evidence, though all else is valid."""

    def lie(data: dict[str, Any]) -> None:
        figure = next(each for each in data["figures"] if each["question"] == "history")
        figure["value"] += 1

    found = judged(signed_anew(golden["naming"].unsigned, authority, "briefing.json", lie), GOLDEN / "naming")
    assert [verdict.outcome for verdict in found.verdicts[3:]] == ["valid", "valid", "invalid"]
    (difference,) = found.differences
    assert difference.before - 1 == difference.after


def rooted(data: dict[str, Any], _: object) -> None:
    """Put the root there that follows from what was done to the subjects."""
    data["predicate"]["merkleRoot"] = evidence_root(data["subject"])


@pytest.mark.parametrize(
    ("file", "change", "detail"),
    [
        (
            "evidence.json",
            lambda data: rooted(data, data["subject"][0].pop("digest")),
            "subject.0.digest: Field required",
        ),
        ("evidence.json", lambda data: data["predicate"].pop("pages"), "predicate.pages: Field required"),
        (
            "evidence.json",
            lambda data: rooted(data, data["subject"][0].update(name="../../etc/x")),
            "../../etc/x is missing",
        ),
        ("evidence.json", lambda data: data["predicate"].update(marking="TLP:WHITE"), "predicate.marking: "),
        ("evidence.json", lambda data: data["predicate"].pop("marking"), "no marking is set"),
        (
            "evidence.json",
            lambda data: data["predicate"].update(marking="TLP:RED"),
            "issuer.yaml is not the one",
        ),
        (
            "briefing.json",
            lambda data: data["figures"][0].update(row={"ratio": [1]}),
            "a ratio needs two rows",
        ),
        ("briefing.json", lambda data: data["figures"][0].update(row={"day": "noon"}), "figures.0.row: "),
        ("briefing.json", lambda data: data.update(as_of="now"), "briefing.json: as_of: "),
        ("briefing.json", lambda data: data.update(as_of="0001-01-01T00:00:00+23:00"), "beyond the calendar"),
    ],
    ids=[
        "digest",
        "pages",
        "name",
        "white",
        "unmarked",
        "red",
        "ratio",
        "day",
        "instant",
        "calendar",
    ],
)
def test_a_record_that_was_edited(
    golden: dict[str, Published], authority: LocalAuthority, file: str, change: Any, detail: str
) -> None:
    """A record that does not fit gets its verdict in words, whatever it lacks."""
    edited = signed_anew(golden["quiet"].unsigned, authority, file, change)
    verdict = judged(edited, GOLDEN / "quiet").verdicts[-1]
    assert verdict.outcome == "could not be checked"
    assert detail in verdict.detail


@pytest.mark.parametrize(
    "damage", [lambda pdf: pdf[:-100], lambda pdf: b"", lambda pdf: pdf.replace(b"/Sig", b"/Gis")]
)
def test_nothing_vouches_for_what_is_not_whole(golden: dict[str, Published], damage: Any) -> None:
    """What a tampered, cut or unsigned file records is not held against the evidence."""
    found = judged(damage(golden["quiet"].pdf.read_bytes()), GOLDEN / "quiet")
    assert outcomes(found) == ("could not be checked", "could not be checked")
    assert "the content of the file cannot be trusted" in found.verdicts[-1].detail


def cut(writer: Any) -> None:
    """Cut the first page to its lower left corner."""
    page = writer.root["/Pages"]["/Kids"].raw_get(0)
    page.get_object()["/MediaBox"] = ArrayObject(map(NumberObject, (0, 0, 99, 99)))
    writer.mark_update(page)


def cut_before(unsigned: bytes, authority: LocalAuthority, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """Signed after a revision that cuts a page."""
    return form_1.sign(
        form_1.updated(unsigned, cut),
        authority.key,
        stamper_of(authority),
        crls=authority.crls(NOW),
    )


def cut_within(unsigned: bytes, authority: LocalAuthority, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """Signed in the revision that cuts a page."""

    class Cutting(form_1.Writer):
        def __init__(self, stream: Any) -> None:
            super().__init__(stream)
            if not self.prev.embedded_signatures:
                cut(self)

    monkeypatch.setattr(form_1, "Writer", Cutting)
    return form_1.sign(unsigned, authority.key, stamper_of(authority), crls=authority.crls(NOW))


@pytest.mark.parametrize("change", [cut_before, cut_within])
def test_the_signed_revision_adds_a_signature_alone(
    unsigned: bytes, authority: LocalAuthority, monkeypatch: pytest.MonkeyPatch, change: Any
) -> None:
    """Pages that are changed before or while they are signed are no briefing, though they begin as one."""
    pdf = change(unsigned, authority, monkeypatch)
    assert pdf.startswith(unsigned)
    assert verify(pdf, None, NOW)[0].outcome == "could not be checked"


def test_what_is_signed_are_the_pages_alone(unsigned: bytes, signed: bytes) -> None:
    """Pages that end elsewhere than those that were made again are not the same."""
    reproduce._check_signed(signed, len(unsigned))
    with pytest.raises(CheckFailed, match="but the signed content is not"):
        reproduce._check_signed(signed, len(unsigned) - 1)

"""Step 7, in part: whether attachments agree with each other."""

import copy
import csv
import io
import json
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any

import pytest

from reports import __version__
from reports.briefing.attachments import attachments, campaigns_csv, days_csv
from reports.briefing.compose import Briefing
from reports.briefing.content import evidence_root
from reports.briefing.figures import Ledger, exact, percent
from reports.core.errors import Unreadable
from reports.core.window import Audience, Window
from reports.pdf.syntax import Name, Ref, Text
from reports.verification.attachments import InconsistentError, attached, attachments_verdict, check, contents
from tests.support.fakes import Detection, composed, content_of
from tests.support.pages import attach, catalog, changed, written

WINDOW = Window(date(2026, 5, 1), date(2026, 5, 4))
Files = dict[str, bytes]


def detection(campaign: str | None, exchanges: int, account: str, day: int) -> Detection:
    """A detection at noon of a day in May."""
    noon = datetime(2026, 5, day, 12)
    return Detection(
        detection_id=f"{campaign}-{account}-{day}",
        account_id=account,
        campaign_id=campaign,
        first_seen=noon,
        last_seen=noon + timedelta(hours=1),
        exchange_count=exchanges,
        capability="coding",
        network="n",
    )


DETECTIONS = [
    detection("A", 60, "a", 1),
    detection("A", 20, "b", 2),
    detection("A", 0, "b", 4),
    detection("B", 15, "b", 1),
    detection("=B", 3, "d", 2),
    detection(None, 5, "c", 1),
]


def figures_of(briefing: Briefing) -> Ledger:
    """A figure of each kind that pages print."""
    ledger = Ledger()
    part = briefing.parts[0]
    counts = (
        briefing.total.exchanges,
        briefing.campaign_count,
        briefing.gap_count,
        part.accounts,
        part.active_days,
    )
    lines = (*part.by_day, *part.by_network, *part.by_confidence, *briefing.sensitivity, part.preceding)
    for quantity in (*counts, *(line.exchanges for line in lines), *(p.exchanges for p in briefing.periods)):
        ledger.record(quantity, exact(int(quantity.value)))  # type: ignore[arg-type]
    for quantity in (part.share, part.concentration, part.busiest_tenth):
        ledger.record(quantity, percent(quantity.value))  # type: ignore[arg-type]
    return ledger


@cache
def made(audience: Audience) -> Files:
    """The attachments of a briefing as it is published."""
    briefing = composed(DETECTIONS, WINDOW, audience)
    figures = list(figures_of(briefing).figures.values())
    return {file.name: file.data for file in attachments(content_of(briefing), figures, {})}


def test_what_is_published_agrees() -> None:
    """For both audiences; the line says how much there is."""
    for audience, count in (("lawmaker", 4), ("regulator", 5)):
        assert check(made(audience)).told.startswith(f"{count} attachments agree with each other; ")
    assert check(made("regulator")).told.endswith("figures, 3 evidence objects")


def test_a_briefing_without_campaigns_agrees() -> None:
    """Nothing adds up to nothing."""
    nothing = Detection("1", "a", "A", datetime(2026, 5, 1), datetime(2026, 5, 1), 1, status="deleted")
    files = attachments(content_of(composed([nothing], WINDOW, "regulator")), (), {})
    assert check({file.name: file.data for file in files})


def test_an_edition_with_the_figures_of_the_one_before_agrees() -> None:
    """If it supersedes that one, and another release made that one."""
    files = dict(made("regulator"))
    briefing(same_figures(1, ""))(files)
    assert check(files)


def test_the_first_version_of_the_evidence_agrees() -> None:
    """Earlier releases say there by which engine each question was answered."""
    files = dict(made("regulator"))
    engine = {"engine": "duckdb", "engineVersion": "1.0", "executionId": None}

    def earlier(data: dict[str, Any]) -> None:
        data["predicateType"] = "urn:exhibit:evidence:v1"
        for question in data["predicate"]["questions"]:
            question.update(engine)

    evidence(earlier)(files)
    assert check(files)


def test_a_further_attachment_is_let_be() -> None:
    """Attachments that are not known here may be added to the briefing."""
    assert check({**made("lawmaker"), "bundle.json": b"{}"}).told.startswith("5 attachments")


def briefing(change: Callable[[dict[str, Any]], object]) -> Callable[[Files], None]:
    """Tamper with `briefing.json`, and with the tables so that they follow."""

    def tamper(files: Files) -> None:
        data = json.loads(files["briefing.json"])
        change(data)
        files["briefing.json"] = json.dumps(data).encode()
        files["campaigns.csv"], files["days.csv"] = campaigns_csv(data), days_csv(data)

    return tamper


def evidence(change: Callable[[dict[str, Any]], object]) -> Callable[[Files], None]:
    """Tamper with `evidence.json`."""

    def tamper(files: Files) -> None:
        data = json.loads(files["evidence.json"])
        change(data)
        files["evidence.json"] = json.dumps(data).encode()

    return tamper


def accounts(change: Callable[[list[dict[str, str]]], object]) -> Callable[[Files], None]:
    """Tamper with `accounts.csv`."""

    def tamper(files: Files) -> None:
        rows = list(csv.DictReader(io.StringIO(files["accounts.csv"].decode(), newline="")))
        names = list(rows[0])
        change(rows)
        rows.sort(key=lambda row: (row["account"], row["campaign_id"]))
        out = io.StringIO()
        writer = csv.DictWriter(out, names, lineterminator="\r\n")
        writer.writeheader()
        writer.writerows(rows)
        files["accounts.csv"] = out.getvalue().encode()

    return tamper


def swapped(table: bytes) -> bytes:
    """A table whose last two lines are in the place of each other."""
    *before, one, other = table.splitlines(keepends=True)
    return b"".join([*before, other, one])


def merged(rows: list[dict[str, str]]) -> None:
    """Put what two accounts of campaign A did down to one of them."""
    one, other = (row for row in rows if row["campaign_id"] == "A")
    one.update({column: str(int(one[column]) + int(other[column])) for column in ("exchanges", "detections")})
    rows.remove(other)


def file(name: str, content: bytes | None) -> Callable[[Files], object]:
    """Put a file in the place of another, or take it away."""
    return lambda files: files.pop(name) if content is None else files.update({name: content})


def at(data: Any, *path: str | int) -> Any:
    """What lies deep in some data."""
    return at(data[path[0]], *path[1:]) if path else data


def put(*path: str | int, value: Any) -> Callable[[dict[str, Any]], None]:
    """Put a value deep in some data."""
    return lambda data: at(data, *path[:-1]).__setitem__(path[-1], value)


def add(*path: str | int, value: int = 1) -> Callable[[dict[str, Any]], None]:
    """Add to a number deep in some data."""
    return lambda data: at(data, *path[:-1]).__setitem__(path[-1], at(data, *path) + value)


def contributed(*path: str) -> Callable[[dict[str, Any]], None]:
    """Add to what an object contributed, with the root that follows from it."""

    def change(data: dict[str, Any]) -> None:
        add("subject", 1, "annotations", *path)(data)
        data["predicate"]["merkleRoot"] = evidence_root(data["subject"])

    return change


def figure(heading: str, value: float) -> Callable[[dict[str, Any]], None]:
    """Change the value of the first figure whose row is found under a heading, or is a ratio."""

    def change(data: dict[str, Any]) -> None:
        rows = [f["row"] for f in data["figures"]]
        place = next(
            n for n, row in enumerate(rows) if heading in row or row.get("heading") == heading == "total"
        )
        data["figures"][place]["value"] = value

    return change


def same_figures(
    edition: Any, supersedes: str | None, version: str = "0.0.1"
) -> Callable[[dict[str, Any]], None]:
    """Have edition 2, which supersedes edition 1 or what is given, say to have the figures of an edition."""

    def change(data: dict[str, Any]) -> None:
        before = f"{data['report_number']} edition 1" if supersedes == "" else supersedes
        same = {"edition": edition, "software_version": version}
        data.update(edition=2, supersedes=before, same_figures_as=same)

    return change


TAMPERED: Mapping[str, tuple[Callable[[Files], object], str]] = {
    "no briefing.json": (file("briefing.json", None), "briefing.json is missing"),
    "no evidence.json": (file("evidence.json", None), "evidence.json is missing"),
    "no campaigns.csv": (file("campaigns.csv", None), "campaigns.csv is missing"),
    "no days.csv": (file("days.csv", None), "days.csv is missing"),
    "no accounts.csv": (file("accounts.csv", None), "accounts.csv does not belong"),
    "briefing.json: not JSON": (file("briefing.json", b"{"), "briefing.json is not JSON"),
    "briefing.json: not UTF-8": (file("briefing.json", b'{"a": "\xff"}'), "briefing.json is not JSON"),
    "briefing.json: too deep": (file("briefing.json", b"[" * 100_000), "briefing.json is not JSON"),
    "briefing.json: a key twice": (file("briefing.json", b'{"a": 1, "a": 2}'), "briefing.json is not JSON"),
    "briefing.json: not a number": (file("briefing.json", b'{"a": NaN}'), "briefing.json is not JSON"),
    "evidence.json: a list": (file("evidence.json", b"[]"), "evidence.json is not a JSON object"),
    "evidence.json: empty": (file("evidence.json", b"{}"), "do not have the expected form"),
    "briefing.json: empty": (file("briefing.json", b"{}"), "do not have the expected form"),
    "audience": (briefing(put("audience", value="lawmaker")), "accounts.csv does not belong"),
    "audience unknown": (briefing(put("audience", value="press")), "audience 'press' is not known"),
    "campaigns.csv of another": (file("campaigns.csv", b"campaign_id,name\r\n"), "campaigns.csv differs"),
    "days.csv: one digit": (
        lambda files: files.update({"days.csv": files["days.csv"].replace(b"60", b"61")}),
        "days.csv differs",
    ),
    "exchanges of a campaign": (briefing(add("campaigns", 0, "exchanges")), "exchanges of campaign A by_day"),
    "detections of a campaign": (
        briefing(add("campaigns", 0, "detections")),
        "detections of campaign A by_day",
    ),
    "accounts of a campaign": (briefing(add("campaigns", 0, "accounts")), "the accounts of campaign A"),
    "exchanges of none": (briefing(add("unattributed", "exchanges")), "the unattributed part by_day"),
    "a text for a number": (briefing(put("campaigns", 0, "exchanges", value="80")), "do not add up"),
    "a number for a list": (briefing(put("figures", value=3)), "do not have the expected form"),
    "a day's exchanges": (briefing(add("campaigns", 0, "by_day", 0, "exchanges")), "do not add up"),
    "a network's exchanges": (
        briefing(add("campaigns", 0, "by_network", 0, "exchanges")),
        "by_network do not add up",
    ),
    "a capability's detections": (
        briefing(add("campaigns", 0, "by_capability", 0, "detections")),
        "by_capability do not add up",
    ),
    "a detector's exchanges": (
        briefing(add("campaigns", 0, "by_detector", 0, "exchanges")),
        "by_detector do not",
    ),
    "active days": (briefing(add("campaigns", 0, "active_days")), "active_days of campaign A"),
    "a day dropped": (briefing(lambda data: data["campaigns"][0]["by_day"].pop(0)), "do not add up"),
    "an empty day dropped": (briefing(lambda data: data["by_day"].pop()), "detections do not add up"),
    "a day twice": (
        briefing(put("campaigns", 0, "by_day", 1, "day", value="2026-05-01")),
        "days of the window",
    ),
    "a day outside": (
        briefing(put("campaigns", 0, "by_day", 2, "day", value="2026-05-05")),
        "days of the window",
    ),
    "a gap with detections": (briefing(put("gaps", value=["2026-05-01"])), "days of the window"),
    "total exchanges": (briefing(add("exchanges")), "exchanges do not add up to the overall total"),
    "total detections": (briefing(add("detections")), "detections do not add up to the overall total"),
    "total accounts": (briefing(add("accounts")), "accounts that briefing.json does not count"),
    "a campaign dropped": (
        briefing(lambda data: data["campaigns"].pop()),
        "do not add up to the overall total",
    ),
    "a campaign renamed": (
        briefing(put("campaigns", 1, "campaign_id", value="C")),
        "campaign C differs from its entry on record",
    ),
    "an account dropped": (accounts(lambda rows: rows.pop()), "do not add up to its totals"),
    "an account twice": (accounts(lambda rows: rows.append(rows[0])), "or repeats a row"),
    "accounts in another order": (
        lambda files: files.update({"accounts.csv": swapped(files["accounts.csv"])}),
        "is not sorted by account",
    ),
    "accounts in quotes": (
        lambda files: files.update({"accounts.csv": files["accounts.csv"].replace(b",60,", b',"60",')}),
        "is not in the form that Exhibit writes",
    ),
    "accounts under each other's pseudonyms": (
        accounts(lambda rows: [row.update(account="f" * 64) for row in rows if row["campaign_id"] == ""]),
        "merkleRoot of accounts is not the root of accounts.csv",
    ),
    "another root over the accounts": (
        evidence(put("predicate", "accounts", "merkleRoot", value="00" * 32)),
        "merkleRoot of accounts is not the root of accounts.csv",
    ),
    "no root over the accounts": (
        evidence(lambda data: data["predicate"].pop("accounts")),
        "the root of the accounts does not match",
    ),
    "two accounts as one": (accounts(merged), "the accounts of campaign A"),
    "an account's exchanges": (
        accounts(lambda rows: rows[0].update(exchanges="7")),
        "do not add up to its totals",
    ),
    "an account's detections": (
        accounts(lambda rows: rows[0].update(detections="7")),
        "do not add up to its totals",
    ),
    "an account of another campaign": (
        accounts(lambda rows: rows.append({**rows[0], "campaign_id": "Z"})),
        "accounts that briefing.json does not count",
    ),
    "an account without a number": (
        accounts(lambda rows: rows[0].update(exchanges="many")),
        "do not have the expected form",
    ),
    "accounts.csv: no columns": (file("accounts.csv", b"a,b\r\n1,2\r\n"), "do not have the expected form"),
    "accounts.csv: not UTF-8": (file("accounts.csv", b"\xff"), "do not have the expected form"),
    "statement type": (evidence(put("_type", value="x")), "not a statement about evidence"),
    "predicate type": (evidence(put("predicateType", value="x")), "not a statement about evidence"),
    "another window": (
        evidence(put("predicate", "window", "to", value="2026-05-05")),
        "different windows",
    ),
    "another question": (
        evidence(put("predicate", "questions", 0, "sql", value="select 1")),
        "the digest of question tallies does not match",
    ),
    "an engine in the second version": (
        evidence(put("predicate", "questions", 0, "engine", value="athena")),
        "question tallies has other keys than its version",
    ),
    "bytes that were scanned in the second version": (
        evidence(put("predicate", "questions", 0, "bytesScanned", value=7)),
        "question tallies has other keys than its version",
    ),
    "a key that no version has": (
        evidence(put("predicate", "questions", 0, "note", value="x")),
        "question tallies has other keys than its version",
    ),
    "no engine in the first version": (
        evidence(put("predicateType", value="urn:exhibit:evidence:v1")),
        "question tallies has other keys than its version",
    ),
    "another root": (
        evidence(put("predicate", "merkleRoot", value="00" * 32)),
        "merkleRoot is not the root",
    ),
    "an object's digest": (
        evidence(put("subject", 0, "digest", "sha256", value="00" * 32)),
        "merkleRoot is not the root",
    ),
    "an object left out": (evidence(lambda data: data["subject"].pop()), "merkleRoot is not the root"),
    "an object's rows": (evidence(contributed("rows")), "rows of the objects do not add up"),
    "an object's detections": (
        evidence(contributed("detections")),
        "detections of the objects do not add up",
    ),
    "an object's exchanges": (evidence(contributed("exchanges")), "exchanges of the objects do not add up"),
    "an object's detections that count": (
        evidence(contributed("counted", "detections")),
        "detections of the objects that count",
    ),
    "an object's exchanges that count": (
        evidence(contributed("counted", "exchanges")),
        "exchanges of the objects that count",
    ),
    "the number delivered": (briefing(add("delivered", "tallied")), "rows of the objects do not add up"),
    "no subjects": (evidence(lambda data: data.pop("subject")), "do not have the expected form"),
    "a total in a figure": (briefing(figure("total", 104)), "is not the value of its row, 103"),
    "a day in a figure": (briefing(figure("day", 61)), "is not the value of its row, "),
    "a network in a figure": (briefing(figure("network", 81)), "is not the value of its row, 80"),
    "a threshold in a figure": (briefing(figure("confidence", 1)), "is not the value of its row, "),
    "figures as in no edition": (briefing(same_figures(1, None)), "not the edition that it supersedes"),
    "figures as in another edition": (briefing(same_figures(2, "")), "not the edition that it supersedes"),
    "figures as in another report": (
        briefing(same_figures(1, "EX-1 edition 1")),
        "not the edition that it supersedes",
    ),
    "figures as in an edition that is a text": (
        briefing(same_figures("1", "")),
        "do not have the expected form",
    ),
    "figures as in nothing": (
        briefing(lambda data: data.update(same_figures_as=None)),
        "do not have the expected form",
    ),
    "figures of the same release": (
        briefing(same_figures(1, "", __version__)),
        "names the release that made the briefing itself",
    ),
    "a share in a figure": (briefing(figure("ratio", 0.5)), "is not the value of its row, 0.77"),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_what_was_tampered_with_is_refused(name: str) -> None:
    """Each inconsistency is found, and named."""
    tamper, problem = TAMPERED[name]
    files = copy.copy(made("regulator"))
    tamper(files)
    assert files != made("regulator")
    with pytest.raises(InconsistentError) as refused:
        check(files)
    assert problem in str(refused.value)


def test_accounts_are_not_for_lawmakers() -> None:
    """The attachment of a regulator's briefing does not belong in a lawmaker's."""
    files = {**made("lawmaker"), "accounts.csv": made("regulator")["accounts.csv"]}
    with pytest.raises(
        InconsistentError, match=r"accounts\.csv does not belong in a briefing for the audience lawmaker"
    ):
        check(files)


def test_a_lawmakers_record_has_no_root_over_accounts() -> None:
    """There is nothing that it could be checked against."""
    files = dict(made("lawmaker"))
    evidence(put("predicate", "accounts", value={"merkleRoot": "00" * 32, "keyCheck": "00" * 8}))(files)
    with pytest.raises(InconsistentError, match="the root of the accounts does not match"):
        check(files)


def test_more_accounts_than_are_read() -> None:
    """They are not even parsed."""
    files = {**made("regulator"), "accounts.csv": b"\n" * 550_001}
    with pytest.raises(Unreadable, match="more than 550,000 lines"):
        check(files)


def pdf_with(files: Mapping[str, bytes]) -> bytes:
    """A PDF that carries files."""
    objects: dict[int, Any] = {1: {"Type": Name("Catalog")}}
    attach(objects, files)
    return written(objects, {"Root": Ref(1), "Info": Ref(1), "ID": [Text(b"0" * 32)] * 2})


def test_attachments_are_read_from_a_pdf() -> None:
    """All of them, byte for byte."""
    assert attached(pdf_with(made("regulator"))) == made("regulator")
    assert attached(pdf_with({})) == {}


def test_attachments_get_a_verdict() -> None:
    """Valid, invalid, or could not be checked, with one line each; any bytes get one."""
    good, missing = made("lawmaker"), {"briefing.json": b"{}"}
    verdicts = [
        attachments_verdict(contents(data)) for data in (pdf_with(good), pdf_with(missing), b"not a PDF", b"")
    ]
    assert [v.outcome for v in verdicts] == [
        "valid",
        "invalid",
        "could not be checked",
        "could not be checked",
    ]
    assert {v.check for v in verdicts} == {"attachments"}
    assert verdicts[1].detail == "evidence.json is missing"


def test_two_attachments_of_one_name_are_refused() -> None:
    """Readers' software would show one, and this the other."""

    def twice(objects: Any) -> None:
        listed = objects[catalog(objects)["Names"]["EmbeddedFiles"]]["Names"]
        listed.extend(listed[:2])

    verdict = attachments_verdict(contents(changed(pdf_with(made("lawmaker")), twice)))
    assert (verdict.outcome, verdict.detail) == ("invalid", "two attachments have the same name")

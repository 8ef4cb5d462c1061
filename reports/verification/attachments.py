"""Whether a briefing's attachments agree with each other. Part of step 7."""

from __future__ import annotations

import csv
import hashlib
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reports import __version__
from reports.briefing.accounts import AccountTable, read_accounts
from reports.briefing.attachments import campaigns_csv, days_csv
from reports.briefing.content import PREDICATE_TYPE, STATEMENT_TYPE, evidence_root
from reports.briefing.figures import counted
from reports.core.csv_tables import cell
from reports.core.errors import ExhibitError, Unreadable
from reports.core.json_text import read_json
from reports.core.verdict import Verdict
from reports.core.window import AUDIENCES
from reports.pdf.grammar import NotPlainError, embedded_files
from reports.pdf.pages import TooMuchError, read_pages
from reports.pdf.syntax import WrittenOtherwiseError

WITH_ENGINES = "urn:exhibit:evidence:v1"
READ = (WITH_ENGINES, PREDICATE_TYPE)
ASKED = frozenset({"name", "sql", "sqlSha256", "parameters", "rows", "resultSha256"})
OF_ENGINES = frozenset({"engine", "engineVersion", "executionId"})
REQUIRED = ("briefing.json", "evidence.json", "campaigns.csv", "days.csv")
HEADINGS = ("by_day", "by_capability", "by_detector", "by_network", "by_country")

MOST_VALUES = 2_000_000  # objects and lists in a JSON file: one in three bytes may open one
MOST_COMPARISONS = 100_000_000
MOST_ACCOUNTS = 550_000  # lines: they need half of a reader's memory


@dataclass(frozen=True, slots=True)
class Contents:
    """Consistent attachments by name, the accounts in them, and one line about what was checked."""

    files: Mapping[str, bytes]
    accounts: AccountTable | None
    told: str


class InconsistentError(Exception):
    """Two attachments, or two parts of one, contradict each other; the message says which."""


def attached(pdf: bytes) -> dict[str, bytes]:
    """The files attached to a PDF, by name.

    Raises `InconsistentError` for two of one name, and `Unreadable` if the file holds too much or is no briefing.
    """
    try:
        pages = read_pages(pdf)
        files = [(name, stream.inflated(pages.meter)) for name, stream in embedded_files(pages)]
    except (WrittenOtherwiseError, TooMuchError, NotPlainError) as error:
        raise Unreadable(f"the attachments cannot be read: {error}") from None
    if len(dict(files)) < len(files):
        raise InconsistentError("two attachments have the same name")
    return dict(files)


def check(files: Mapping[str, bytes]) -> Contents:
    """Check that attachments agree with each other.

    1. The files of the audience are there, and no `accounts.csv` where it does not belong.
    2. The tallies of each campaign add up to its totals, and the campaigns to those of all; days are days of
       the window, and no gaps. So do the window before, and all that is on record.
    3. `campaigns.csv` and `days.csv` say what `briefing.json` says.
    4. `accounts.csv` has a row for each account of each campaign, in order, they add up, and the root over the accounts
       is the one in `evidence.json`.
    5. `evidence.json` is about the same window, each question has the keys of its version and its digest fits its text,
       the Merkle root is that over the objects, and what they contributed adds up to what was delivered and to what
       counts.
    6. Each figure that was taken from the tallies has the value that is there.
    7. An edition that says to have the same figures as the one before it supersedes that one, and another release made
       it.

    Raises `InconsistentError`; `Unreadable` if they hold too much, or a later release wrote them in another form.
    """
    try:
        data, statement = _parsed(files, "briefing.json"), _parsed(files, "evidence.json")
        _check_form(statement)
        return _check(files, data, statement)
    except (LookupError, TypeError, ValueError, AttributeError, csv.Error) as error:
        raise InconsistentError(
            f"the attachments do not have the expected form ({type(error).__name__}: {error})"
        ) from None


def _check_form(statement: Mapping[str, Any]) -> None:
    kind = statement["predicateType"]
    if statement["_type"] == STATEMENT_TYPE and kind in READ:
        return
    if statement["_type"] == STATEMENT_TYPE and re.fullmatch(r"urn:exhibit:evidence:v[1-9][0-9]{0,3}", kind):
        raise Unreadable(
            f"evidence.json has the predicate type {kind}, and Exhibit {__version__} reads none after "
            f"{PREDICATE_TYPE}: check it with the release that made it, or a later one"
        )
    raise InconsistentError("evidence.json is not a statement about evidence")


def _check(files: Mapping[str, bytes], data: Mapping[str, Any], statement: Mapping[str, Any]) -> Contents:
    # 1.
    _check_files(files, data)
    # 2.
    _check_days(data)
    for activity in _activities(data):
        _check_sums(activity)
    _check_whole(data)
    _check_before(data)
    _check_record(data)
    # 3.
    for name, make in (("campaigns.csv", campaigns_csv), ("days.csv", days_csv)):
        if files[name] != make(data):
            raise InconsistentError(f"{name} differs from briefing.json")
    # 4.
    accounts = _accounts(files.get("accounts.csv"), data, statement["predicate"].get("accounts"))
    # 5.
    _check_statement(statement, data)
    # 6.
    _check_extent(data)
    for figure in data["figures"]:
        _check_figure(figure, data)
    # 7.
    _check_same_figures(data, statement["predicate"]["software"])
    figures = counted(len(data["figures"]), "figure", "figures")
    objects = counted(len(statement["subject"]), "evidence object", "evidence objects")
    told = f"{len(files)} attachments agree with each other; {figures}, {objects}"
    return Contents(files, accounts, told)


def _parsed(files: Mapping[str, bytes], name: str) -> dict[str, Any]:
    if name not in files:
        raise InconsistentError(f"{name} is missing")
    if files[name].count(b"{") + files[name].count(b"[") > MOST_VALUES:
        raise Unreadable(f"{name} has more than {MOST_VALUES:,} objects and lists")
    try:
        data = read_json(files[name])
    except ValueError:
        raise InconsistentError(f"{name} is not JSON") from None
    if not isinstance(data, dict):
        raise InconsistentError(f"{name} is not a JSON object")
    return data


def _check_files(files: Mapping[str, bytes], data: Mapping[str, Any]) -> None:
    missing = [name for name in REQUIRED if name not in files]
    if missing:
        raise InconsistentError(f"{missing[0]} is missing")
    if data["audience"] not in AUDIENCES:
        raise InconsistentError(f"briefing.json: audience {data['audience']!r} is not known")
    if ("accounts.csv" in files) != (data["audience"] == "regulator"):
        raise InconsistentError(
            f"accounts.csv does not belong in a briefing for the audience {data['audience']}"
        )


def _activities(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [*data["campaigns"], data["unattributed"]]


def _called(activity: Mapping[str, Any]) -> str:
    return f"campaign {activity['campaign_id']}" if "campaign_id" in activity else "the unattributed part"


def _check_days(data: Mapping[str, Any]) -> None:
    first, last = data["window"]["from"], data["window"]["to"]
    for tallied in (data, *_activities(data)):
        days = [tally["day"] for tally in tallied["by_day"]]
        if days != sorted(set(days)) or any(not first <= day <= last or day in data["gaps"] for day in days):
            raise InconsistentError("briefing.json: by_day does not consist of days of the window")


def _check_sums(activity: Mapping[str, Any]) -> None:
    for heading in HEADINGS:
        for column in ("exchanges", "detections"):
            if sum(tally[column] for tally in activity[heading]) != activity[column]:
                raise InconsistentError(
                    f"briefing.json: {column} of {_called(activity)} {heading} do not add up to its total"
                )
    if len(activity["by_day"]) != activity["active_days"]:
        raise InconsistentError(
            f"briefing.json: active_days of {_called(activity)} differs from the number of its days"
        )


def _check_whole(data: Mapping[str, Any]) -> None:
    for column in ("exchanges", "detections"):
        for parts in (_activities(data), data["by_day"]):
            if sum(part[column] for part in parts) != data[column]:
                raise InconsistentError(f"briefing.json: {column} do not add up to the overall total")


def _check_before(data: Mapping[str, Any]) -> None:
    """Earlier releases recorded less about the preceding window and the campaigns on record."""
    if "preceding" not in data:
        return
    before = data["preceding"]
    campaigns = sum(campaign["preceding"]["exchanges"] for campaign in data["campaigns"])
    if campaigns + before["unattributed"]["exchanges"] + before["not_in_window"] != before["exchanges"]:
        raise InconsistentError("briefing.json: exchanges of the window before do not add up to its total")


def _check_record(data: Mapping[str, Any]) -> None:
    if "on_record" not in data:
        return
    record = data["on_record"]
    known = {each["campaign_id"]: each["exchanges"] or 0 for each in record["campaigns"]}
    if sum(known.values()) + record["unattributed"] != record["exchanges"]:
        raise InconsistentError("briefing.json: exchanges on record do not add up to their total")
    for campaign in data["campaigns"]:
        whole = known.get(campaign["campaign_id"], -1)
        if campaign["on_record"] != whole or campaign["known_campaigns"] != len(known):
            raise InconsistentError(f"briefing.json: {_called(campaign)} differs from its entry on record")
        if whole < campaign["exchanges"] + campaign["preceding"]["exchanges"]:
            raise InconsistentError(
                f"briefing.json: {_called(campaign)} has fewer exchanges on record than in its windows"
            )


def _accounts(
    content: bytes | None, data: Mapping[str, Any], recorded: Mapping[str, str] | None
) -> AccountTable | None:
    if content is None and recorded is None:
        return None
    if content is None or recorded is None:
        raise InconsistentError("evidence.json: the root of the accounts does not match the attached files")
    if content.count(b"\n") > MOST_ACCOUNTS:
        raise Unreadable(f"accounts.csv has more than {MOST_ACCOUNTS:,} lines")
    table = read_accounts(content, recorded["keyCheck"])
    _check_accounts(table, data)
    if table.root != recorded["merkleRoot"]:
        raise InconsistentError("evidence.json: merkleRoot of accounts is not the root of accounts.csv")
    return table


def _check_accounts(table: AccountTable, data: Mapping[str, Any]) -> None:
    told: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for row in table.rows:  # one per campaign and account
        sums = told[row.campaign_id]
        sums[0] += 1
        sums[1] += row.exchanges
        sums[2] += row.detections
    for activity in _activities(data):
        sums = told.pop(cell(activity.get("campaign_id") or ""), [0, 0, 0])
        if sums != [activity[c] for c in ("accounts", "exchanges", "detections")]:
            raise InconsistentError(
                f"accounts.csv: the accounts of {_called(activity)} do not add up to its totals"
            )
    if told or len(table.leaves) != data["accounts"]:
        raise InconsistentError("accounts.csv has accounts that briefing.json does not count")


def _check_statement(statement: Mapping[str, Any], data: Mapping[str, Any]) -> None:
    predicate = statement["predicate"]
    if predicate["window"] != data["window"]:
        raise InconsistentError("evidence.json and briefing.json have different windows")
    for question in predicate["questions"]:
        if hashlib.sha256(question["sql"].encode()).hexdigest() != question["sqlSha256"]:
            raise InconsistentError(
                f"evidence.json: the digest of question {question['name']} does not match its text"
            )
        first = statement["predicateType"] == WITH_ENGINES
        keys = question.keys() - ({"bytesScanned"} if first else set())
        if keys != (ASKED | OF_ENGINES if first else ASKED):
            raise InconsistentError(
                f"evidence.json: question {question['name']} has other keys than its version gives it"
            )
    if evidence_root(statement["subject"]) != predicate["merkleRoot"]:
        raise InconsistentError("evidence.json: merkleRoot is not the root of its subjects")
    _check_contributions([subject["annotations"] for subject in statement["subject"]], data)


def _check_contributions(objects: list[Mapping[str, Any]], data: Mapping[str, Any]) -> None:
    told = [each for each in objects if "rows" in each]
    delivered, exchanges = data["delivered"], data["delivered_exchanges"]
    counted = {
        column: sum(each["counted"][column] for each in told) for column in ("detections", "exchanges")
    }
    wholes = {
        "rows": sum(delivered.values()),
        "detections": delivered.get("tallied", 0) + delivered.get("excluded", 0),
        "exchanges": sum(exchanges.values()),
    }
    for column, whole in wholes.items():
        if sum(each[column] for each in told) != whole:
            raise InconsistentError(
                f"evidence.json: {column} of the objects do not add up to the number delivered"
            )
    for column, part in counted.items():
        if part != data[column]:
            raise InconsistentError(
                f"evidence.json: {column} of the objects that count do not add up to the overall total"
            )


def _check_same_figures(data: Mapping[str, Any], software: Mapping[str, str]) -> None:
    if "same_figures_as" not in data:
        return
    edition, version = (data["same_figures_as"][key] for key in ("edition", "software_version"))
    before = f"{data['report_number']} edition {edition}"
    if edition + 1 != data["edition"] or before != data["supersedes"]:
        raise InconsistentError("briefing.json: same_figures_as is not the edition that it supersedes")
    if version == software["version"]:
        raise InconsistentError(
            "briefing.json: same_figures_as names the release that made the briefing itself"
        )


def _check_extent(data: Mapping[str, Any]) -> None:
    """Each figure is looked for among the campaigns, and then among the tallies of one."""
    campaigns = _activities(data)
    tallies = max(len(value) for a in (data, *campaigns) for value in a.values() if isinstance(value, list))
    if len(data["figures"]) * (len(campaigns) + tallies) > MOST_COMPARISONS:
        raise Unreadable("briefing.json has too many figures and tallies to compare")


def _check_figure(figure: Mapping[str, Any], data: Mapping[str, Any]) -> None:
    told = _told(figure["row"], data) if figure["question"] == "tallies" else None
    if told is not None and told != figure["value"]:
        raise InconsistentError(f"briefing.json: figure {figure['id']} is not the value of its row, {told}")


def _told(row: Mapping[str, Any], data: Mapping[str, Any]) -> int | float | None:
    """What `briefing.json` has for a figure's row; None for rows that it only has in figures."""
    if "ratio" in row:
        part, whole = (_told(each, data) for each in row["ratio"])
        return part / whole if part is not None and whole else None
    of: Mapping[str, Any] = data
    if "campaign_id" in row:
        of = next(a for a in _activities(data) if a.get("campaign_id") == row["campaign_id"])
    heading, told = row.get("heading", ""), None
    if heading == "total" and row.keys() - {"campaign_id"} == {"heading", "column"}:
        told = of.get(row["column"])
    elif heading in row:
        tallies = (tally for tally in of.get(f"by_{heading}", ()) if tally[heading] == row[heading])
        told = next((tally[row["column"]] for tally in tallies), None)
    return told if isinstance(told, int) else None


def attachments_verdict(found: Contents | Verdict) -> Verdict:
    """The verdict `attachments` on what `contents` found: whether the attached files agree with each other."""
    return Verdict("attachments", "valid", found.told) if isinstance(found, Contents) else found


def contents(pdf: bytes) -> Contents | Verdict:
    """The attached files where they agree with each other; else the verdict on them. Any bytes get one or the other."""
    try:
        return check(attached(pdf))
    except InconsistentError as error:
        return Verdict("attachments", "invalid", str(error))
    except ExhibitError as error:
        return Verdict("attachments", "could not be checked", str(error))
    except Exception as error:  # any bytes may come in, and parsers fail in as many ways
        detail = f"the attachments cannot be read ({type(error).__name__})"
        return Verdict("attachments", "could not be checked", detail)

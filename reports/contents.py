"""What a briefing's attachments say of each other. Part of step 7."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from typing import Any

from pyhanko.pdf_utils.generic import DictionaryObject
from pyhanko.pdf_utils.reader import PdfFileReader

from reports.attach import PREDICATE_TYPE, STATEMENT_TYPE, campaigns_csv, cell, days_csv

REQUIRED = ("briefing.json", "evidence.json", "campaigns.csv", "days.csv")


class InconsistentError(Exception):
    """Two attachments, or two parts of one, contradict each other; the message says which."""


def attached(pdf: bytes) -> dict[str, bytes]:
    """The files attached to a PDF, by name."""
    root = PdfFileReader(io.BytesIO(pdf)).root
    tree = root.get("/Names", {}).get("/EmbeddedFiles", {})
    return {str(name): spec["/EF"]["/F"].data for name, spec in _leaves(tree)}


def _leaves(node: DictionaryObject | Mapping[str, Any]) -> Iterator[tuple[Any, Any]]:
    names = node.get("/Names", ())
    yield from zip(names[::2], names[1::2], strict=False)
    for kid in node.get("/Kids", ()):
        yield from _leaves(kid)


def check(files: Mapping[str, bytes]) -> str:
    """Check that attachments agree with each other; returns what was checked, in one line.

    1. The files of the audience are there, and no `accounts.csv` where it does not belong.
    2. The tallies of each campaign add up to its totals.
    3. `campaigns.csv` and `days.csv` say what `briefing.json` says.
    4. `accounts.csv` has a row for each account of each campaign, and their exchanges add up.
    5. `evidence.json` is about the same window, and each question's digest fits its text.

    Raises `InconsistentError`.
    """
    data = _parsed(files, "briefing.json")
    statement = _parsed(files, "evidence.json")
    _check_files(files, data)
    for activity in _activities(data):
        _check_sums(activity)
    for name, make in (("campaigns.csv", campaigns_csv), ("days.csv", days_csv)):
        if files[name] != make(data):
            raise InconsistentError(f"{name} differs from briefing.json")
    if "accounts.csv" in files:
        _check_accounts(files["accounts.csv"], data)
    _check_statement(statement, data)
    objects = len(statement["subject"])
    return f"{len(files)} attachments agree with each other; {len(data['figures'])} figures, {objects} evidence objects"


def _parsed(files: Mapping[str, bytes], name: str) -> dict[str, Any]:
    if name not in files:
        raise InconsistentError(f"{name} is missing")
    try:
        data = json.loads(files[name])
    except ValueError:
        raise InconsistentError(f"{name} is not JSON") from None
    if not isinstance(data, dict):
        raise InconsistentError(f"{name} is not a JSON object")
    return data


def _check_files(files: Mapping[str, bytes], data: Mapping[str, Any]) -> None:
    missing = [name for name in REQUIRED if name not in files]
    if missing:
        raise InconsistentError(f"{missing[0]} is missing")
    if ("accounts.csv" in files) != (data["audience"] == "regulator"):
        raise InconsistentError(f"accounts.csv does not fit a briefing for the audience {data['audience']}")


def _activities(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [*data["campaigns"], data["unattributed"]]


def _check_sums(activity: Mapping[str, Any]) -> None:
    name = activity.get("campaign_id", "what is not attributed")
    for heading in ("by_day", "by_capability", "by_detector", "by_network", "by_country"):
        for column in ("exchanges", "detections"):
            if heading in activity and sum(t[column] for t in activity[heading]) != activity[column]:
                raise InconsistentError(f"briefing.json: {column} of {name} {heading} do not add up to its total")
    if "by_day" in activity and len(activity["by_day"]) != activity["active_days"]:
        raise InconsistentError(f"briefing.json: active_days of {name} is not the number of its days")


def _check_accounts(content: bytes, data: Mapping[str, Any]) -> None:
    rows = list(csv.DictReader(io.StringIO(content.decode(), newline="")))
    for activity in _activities(data):
        of_it = [r for r in rows if r["campaign_id"] == cell(activity.get("campaign_id") or "")]
        if len(of_it) != activity["accounts"] or sum(int(r["exchanges"]) for r in of_it) != activity["exchanges"]:
            name = activity.get("campaign_id", "what is not attributed")
            raise InconsistentError(f"accounts.csv: the accounts of {name} do not add up to its totals")


def _check_statement(statement: Mapping[str, Any], data: Mapping[str, Any]) -> None:
    predicate = statement["predicate"]
    if (statement["_type"], statement["predicateType"]) != (STATEMENT_TYPE, PREDICATE_TYPE):
        raise InconsistentError("evidence.json is not a statement about evidence")
    if predicate["window"] != data["window"]:
        raise InconsistentError("evidence.json is about another window than briefing.json")
    for question in predicate["questions"]:
        if hashlib.sha256(question["sql"].encode()).hexdigest() != question["sqlSha256"]:
            raise InconsistentError(f"evidence.json: the digest of question {question['name']} does not fit its text")

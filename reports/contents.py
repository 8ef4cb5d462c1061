"""What a briefing's attachments say of each other. Part of step 7."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pyhanko.pdf_utils.reader import PdfFileReader

from reports.attach import PREDICATE_TYPE, STATEMENT_TYPE, campaigns_csv, cell, days_csv
from reports.errors import ExhibitError
from reports.evidence import EvidenceSource
from reports.verify import Verdict

REQUIRED = ("briefing.json", "evidence.json", "campaigns.csv", "days.csv")


class InconsistentError(Exception):
    """Two attachments, or two parts of one, contradict each other; the message says which."""


def attached(pdf: bytes) -> dict[str, bytes]:
    """The files attached to a PDF, by name."""
    root = PdfFileReader(io.BytesIO(pdf)).root
    tree = root["/Names"] if "/Names" in root else {}
    files = _leaves(tree["/EmbeddedFiles"]) if "/EmbeddedFiles" in tree else ()
    return {str(name): bytes(spec["/EF"]["/F"].data) for name, spec in files}


def _leaves(node: Any) -> Iterator[tuple[Any, Any]]:
    # subscripts follow references, other ways to read pyHanko's objects do not
    names = node["/Names"] if "/Names" in node else ()
    yield from ((names[at], names[at + 1]) for at in range(0, len(names), 2))
    kids = node["/Kids"] if "/Kids" in node else ()
    for at in range(len(kids)):
        yield from _leaves(kids[at])


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
                raise InconsistentError(
                    f"briefing.json: {column} of {name} {heading} do not add up to its total"
                )
    if "by_day" in activity and len(activity["by_day"]) != activity["active_days"]:
        raise InconsistentError(f"briefing.json: active_days of {name} is not the number of its days")


def _check_accounts(content: bytes, data: Mapping[str, Any]) -> None:
    rows = list(csv.DictReader(io.StringIO(content.decode(), newline="")))
    for activity in _activities(data):
        of_it = [r for r in rows if r["campaign_id"] == cell(activity.get("campaign_id") or "")]
        if (
            len(of_it) != activity["accounts"]
            or sum(int(r["exchanges"]) for r in of_it) != activity["exchanges"]
        ):
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
            raise InconsistentError(
                f"evidence.json: the digest of question {question['name']} does not fit its text"
            )


def attachments_verdict(pdf: bytes) -> Verdict:
    """The verdict `attachments`: whether the attached files agree with each other. Any bytes get one."""
    return _judged("attachments", lambda: check(attached(pdf)))


def evidence_verdict(pdf: bytes, source: EvidenceSource) -> Verdict:
    """The verdict `evidence`: whether the objects that a briefing was computed from are there, unchanged."""
    return _judged("evidence", lambda: _compare(_parsed(attached(pdf), "evidence.json")["subject"], source))


def _judged(check_: str, judge: Callable[[], str]) -> Verdict:
    try:
        return Verdict(check_, "valid", judge())
    except InconsistentError as error:
        return Verdict(check_, "invalid", str(error))
    except ExhibitError as error:
        return Verdict(check_, "could not be checked", str(error))
    except Exception as error:  # any bytes may come in, and parsers fail in as many ways
        return Verdict(
            check_, "could not be checked", f"the attachments cannot be read ({type(error).__name__})"
        )


def _compare(subjects: Sequence[Mapping[str, Any]], source: EvidenceSource) -> str:
    present = {located.name: located for located in source.list()}
    missing = [s["name"] for s in subjects if s["name"] not in present]
    if missing:
        raise InconsistentError(f"{missing[0]} is not there{_and_others(missing)}")
    pinned = source.pin(present[s["name"]] for s in subjects)
    changed = [o.name for s, o in zip(subjects, pinned, strict=True) if o.sha256 != s["digest"]["sha256"]]
    if changed:
        raise InconsistentError(f"{changed[0]} has changed{_and_others(changed)}")
    return f"{len(subjects)} evidence objects are there, unchanged"


def _and_others(names: Sequence[str]) -> str:
    return f", and so for {len(names) - 1} others" if len(names) > 1 else ""

"""Nothing of a row of evidence gets into logs, outcomes or answers, whatever is wrong with the row."""

import io
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from functions import api, publish
from reports.core.errors import InvalidEvidence
from reports.evidence.source import FolderEvidence
from reports.local_aws.athena import DuckDBAthena, over_folder
from tests.support.aws import client
from tests.support.system import System

DAY = "2026-05-01"
FLAT = f"detections/event_day={DAY}/part.jsonl"
OTHER = f"detections/event_day={DAY}/two.jsonl"
OCSF = "ext/d/region=eu-west-1/accountId=1/eventDay=20260501/part.jsonl"
SECRET = "SECRET-777"  # noqa: S105 -- what stands for it
GOOD: dict[str, Any] = {
    "detection_id": "d-1",
    "revised_at": f"{DAY}T10:00:00Z",
    "status": "new",
    "account_id": "a-1",
    "campaign_id": "C-1",
    "first_seen": f"{DAY}T08:00:00Z",
    "last_seen": f"{DAY}T09:00:00Z",
    "exchange_count": 3,
    "detector": "x",
    "confidence": 0.9,
}
TWIN = {**GOOD, "detection_id": f"d-{SECRET}", "account_id": f"a-{SECRET}"}
FINDING = {
    "class_uid": 2004,
    "time": 1777629600000,
    "status_id": 1,
    "start_time": 1777622400000,
    "end_time": 1777626000000,
    "count": 3,
    "confidence_score": 90,
    "finding_info": {"uid": TWIN["detection_id"], "analytic": {"name": "x"}},
    "evidences": [{"actor": {"user": {"uid": TWIN["account_id"]}}}],
}


def lines(*rows: Any) -> str:
    return "".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows)


CASES: dict[str, tuple[dict[str, str], str]] = {
    "a value that does not parse": (
        {FLAT: lines(GOOD, {**TWIN, "exchange_count": SECRET})},
        f"{FLAT}: line 2: exchange_count is not a whole number of 64 bits",
    ),
    "a value that breaks a rule": (
        {FLAT: lines(GOOD, {**TWIN, "status": SECRET})},
        f"{FLAT}: line 2: status is not one of new",
    ),
    "a time that is none": (
        {FLAT: lines({**TWIN, "first_seen": SECRET}, GOOD)},
        f"{FLAT}: line 1: first_seen is not a date and time",
    ),
    "a line that is no object": (
        {FLAT: lines(GOOD, json.dumps(SECRET))},
        f"{FLAT}: line 2 is not a JSON object",
    ),
    "a line that is no JSON": ({FLAT: lines(GOOD, "", SECRET)}, f"{FLAT}: line 3 is not JSON"),
    "a tie": (
        {FLAT: lines(GOOD, TWIN), OTHER: lines({**TWIN, "network": f"n-{SECRET}"})},
        f"{FLAT}: line 2; {OTHER}: line 1: two revisions at the same time differ in network",
    ),
    "a tie in one object": (
        {FLAT: lines(TWIN, GOOD, {**TWIN, "network": f"n-{SECRET}"})},
        f"{FLAT}: line 1 and line 3: two revisions",
    ),
    "an id in both layouts": (
        {FLAT: lines(GOOD, TWIN), OCSF: lines(FINDING)},
        f"{FLAT}: line 2: its detection is in {OCSF}: line 1 as well",
    ),
    "a sum that is too large": (
        {FLAT: lines({**TWIN, "exchange_count": 2**63 - 1}, GOOD)},
        f"{FLAT}: column exchange_count adds up to more than",
    ),
}


def lay(folder: Path, system: System, objects: dict[str, str]) -> None:
    """Put evidence into a folder and the bucket, and have Athena read the folder."""
    s3, bucket = client("s3"), system.parts.environment.evidence_bucket
    for listed in s3.list_objects_v2(Bucket=bucket)["Contents"]:
        s3.delete_object(Bucket=bucket, Key=listed["Key"])
    for name, text in {**objects, "dataset.yaml": "synthetic: true\n"}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
        s3.put_object(Bucket=bucket, Key=f"results/{name}", Body=text.encode())
    system.athena.engine = DuckDBAthena(over_folder(folder))


@pytest.mark.parametrize("case", CASES)
def test_nothing_of_a_row(
    system: System,
    tmp_path: Path,
    case: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What is wrong is told by object, row and column, and nowhere by a value or an id."""
    objects, place = CASES[case]
    lay(tmp_path, system, objects)
    log, id_ = io.StringIO(), system.requested(window=f"{DAY}/{DAY}")
    for function in (publish, api):
        monkeypatch.setattr(function.logger.registered_handler, "stream", log)
    with caplog.at_level(logging.INFO):
        system.delivered(f"requests/{id_}.json")
    seen = system.call("GET", f"/briefings/{id_}")
    assert seen.json["state"] == "failed"
    assert seen.json["error"]["message"].startswith(place), seen.json["error"]
    kept = b"".join(system.read(key) for key in system.kept(""))
    for told in (log.getvalue(), caplog.text, seen.body.decode(), kept.decode("latin-1")):
        assert SECRET not in told


@pytest.mark.parametrize("case", ["a value that does not parse", "a tie", "an id in both layouts"])
def test_the_operator_sees_values(tmp_path: Path, case: str) -> None:
    """The good twin: on the operator's own terminal, the value and the id are told."""
    from datetime import UTC, date, datetime  # noqa: PLC0415

    from reports.core.window import Window  # noqa: PLC0415
    from reports.evidence.collect import collect  # noqa: PLC0415
    from reports.evidence.engine_duckdb import DuckDBEngine  # noqa: PLC0415
    from reports.evidence.questions import Inquiry  # noqa: PLC0415

    for name, text in CASES[case][0].items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    folder, day = FolderEvidence(tmp_path), date(2026, 5, 1)
    inquiry = Inquiry(Window(day, day), datetime(2026, 6, 20, tzinfo=UTC))
    with pytest.raises(InvalidEvidence, match=SECRET) as raised:
        collect(inquiry, DuckDBEngine(folder), folder, lambda *_: None)
    assert SECRET not in raised.value.public


def test_a_fault_of_ours_says_where(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of ours is logged by its kind and the lines of code, for what it says may be of a row."""

    def fail(*_: Any) -> Any:
        raise ValueError(SECRET)

    log, id_ = io.StringIO(), system.requested()
    monkeypatch.setattr("reports.briefing.prepare.group", fail)
    monkeypatch.setattr(publish.logger.registered_handler, "stream", log)
    system.delivered(f"requests/{id_}.json")
    assert SECRET not in log.getvalue()
    told = next(json.loads(line) for line in log.getvalue().splitlines() if "internal error" in line)
    assert told["trace"][0] == "ValueError"
    assert any("pipeline.py" in each for each in told["trace"])

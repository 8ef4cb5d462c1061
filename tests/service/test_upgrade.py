"""What the release before has left is read as it stands.

`releases/state.json` is the archive of a state folder, by name, as release 0.1.0 left it when it was killed: two
requests were published, the second of them for another addressee, and one was in work, of a day that the test evidence
has as well. Documents are left out.
"""

import json
from hashlib import sha256
from pathlib import Path

import pytest

from reports.archive.archive import latest
from reports.core.log_head import Head
from tests.support.aws import client
from tests.support.system import System

STATE: dict[str, str] = json.loads((Path(__file__).parents[1] / "releases" / "state.json").read_text())
FIRST, SECOND, IN_WORK = (
    "8204117443032-lawmaker-20260501-20260501-b0315badc053",
    "8204117430011-lawmaker-20260501-20260501-f789a70e51fc",
    "8204117422361-regulator-20260501-20260501-afaac4bcffdd",
)
OF_DAY = {"window": "2026-05-01/2026-05-01", "audience": "lawmaker"}


@pytest.fixture
def upgraded(system: System) -> System:
    """A deployment over that archive."""
    for name, text in STATE.items():
        client("s3").put_object(Bucket=system.parts.environment.archive_bucket, Key=name, Body=text.encode())
    return system


@pytest.mark.parametrize("indexed", [False, True])
def test_old_requests_are_told(upgraded: System, indexed: bool) -> None:
    """Requests are listed and seen with their old scopes, before there is an index and after."""
    if indexed:
        upgraded.parts.requests.index()
    listed = upgraded.call("GET", "/briefings", scope="briefings:read").json["briefings"]
    assert [(each["id"], each["state"]) for each in listed] == [
        (IN_WORK, "working"),
        (SECOND, "published"),
        (FIRST, "published"),
    ]
    seen = upgraded.call("GET", f"/briefings/{SECOND}", scope="briefings:read").json
    assert (seen["subject"], seen["addressee"]) == (None, "The Bureau")
    assert seen["receipt"] == json.loads(STATE["briefings/EX-20260501-20260501-L-lawmaker-e2.receipt.json"])


def test_an_old_key_stands_for_its_request(upgraded: System) -> None:
    """A key that was used before stands for the request that it stood for."""
    again = upgraded.call(
        "POST",
        "/briefings",
        scope="briefings:request briefings:read",
        sub="you",
        json=OF_DAY,
        headers={"Idempotency-Key": "k1"},
    )
    assert (again.status, again.json["id"], again.json["state"]) == (202, FIRST, "published")


def test_what_was_in_work_goes_on(upgraded: System) -> None:
    """A request in flight is published once, as the next entry of the register."""
    upgraded.delivered(f"requests/{IN_WORK}.json", number=2)
    receipt = upgraded.call("GET", f"/briefings/{IN_WORK}").json["receipt"]
    assert (receipt["report_number"], receipt["edition"]) == ("EX-20260501-20260501-R", 1)
    entry = json.loads(upgraded.read("briefings/register/00000003.json"))
    before = STATE["briefings/register/00000002.json"]
    assert Head(2, entry["previous"]) == Head(2, sha256(before.encode()).hexdigest())


def test_old_editions_are_followed(upgraded: System) -> None:
    """The next edition follows those that were made before, whoever they were for."""
    before = latest(upgraded.parts.briefings, "EX-20260501-20260501-L")
    assert before is not None
    id_ = upgraded.requested(**OF_DAY)
    upgraded.delivered(f"requests/{id_}.json")
    receipt = upgraded.call("GET", f"/briefings/{id_}").json["receipt"]
    assert (receipt["edition"], receipt["supersedes"]) == (3, "EX-20260501-20260501-L edition 2")
    other = upgraded.requested(**OF_DAY, addressee="The Bureau")
    upgraded.delivered(f"requests/{other}.json")
    receipt = upgraded.call("GET", f"/briefings/{other}").json["receipt"]
    assert (receipt["edition"], receipt["supersedes"]) == (1, None)

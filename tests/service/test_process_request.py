"""Deliveries: once published whatever comes between, and an end for every request."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from shutil import copytree

import pytest

from reports.archive.archive import Receipt
from reports.archive.store import FolderStore
from reports.core.errors import CheckFailed, InvalidEvidence, InvalidSettings, Unavailable, Unfinished
from reports.service.process_request import Delivery, Ended, deliver
from reports.service.requests import Requests, StoredRequest
from reports.signing.keys import LocalAuthority
from tests.soak.worker_crash import (
    EVIDENCE,
    NOW,
    Deployment,
    LocalPress,
    Places,
    check,
    new_request,
    places_of_one_run,
)
from tests.support.request_stores import requests_in

pytestmark = pytest.mark.usefixtures("slow")

ASKED = new_request()


@dataclass
class Failing:
    """A press that does not publish."""

    error: Exception
    left_running: tuple[str, ...] = ()
    stopped: list[str] = field(default_factory=list)

    def publish(self, request: StoredRequest) -> Receipt:
        raise self.error

    def published(self, request: StoredRequest) -> Receipt | None:
        return None

    def stop(self, request: StoredRequest, queries: Iterable[str]) -> None:
        self.stopped += queries


@pytest.fixture
def requests(tmp_path: Path) -> Requests:
    made = requests_in(lambda kind: FolderStore(tmp_path / kind))
    made.create(ASKED)
    return made


def delivered(requests: Requests, press: Failing | LocalPress, number: int = 1, most: int = 4) -> Ended:
    return deliver(Delivery(ASKED.id, number, most), requests, press, NOW, "worker")


@pytest.mark.parametrize("error", [InvalidSettings("x"), InvalidEvidence("x"), CheckFailed("x")])
def test_what_is_wrong_ends_a_request(requests: Requests, error: Exception) -> None:
    """What is wrong ends a request as failed at once, with the error; nobody tries again."""
    ended = delivered(requests, Failing(error))
    assert ended.now
    assert ended.outcome.error == {"kind": type(error).__name__, "message": "x"}
    assert delivered(requests, Failing(AssertionError())) == replace(ended, now=False)


@pytest.mark.parametrize("error", [Unavailable("x"), Unfinished("x"), KeyError("secret")])
def test_temporary_errors_leave_a_request_open(requests: Requests, error: Exception) -> None:
    """What may pass, and a fault of ours, leave a request open; why is written down, but for what a fault quotes."""
    with pytest.raises(type(error)):
        delivered(requests, Failing(error))
    assert requests.outcome(ASKED.id) is None
    written = requests.last_error(ASKED.id)
    assert written is not None
    assert written["kind"] == ("InternalError" if isinstance(error, KeyError) else type(error).__name__)
    assert "secret" not in written["message"]


def test_the_last_delivery_gives_up(requests: Requests) -> None:
    """The last delivery publishes nothing, ends the request with the last error, and stops what runs."""
    for number, queries in ((1, ("q-1", "q-2")), (2, ("q-2",))):
        with pytest.raises(Unfinished):
            delivered(requests, Failing(Unfinished("the query still runs"), queries), number)
    last = Failing(AssertionError())
    ended = delivered(requests, last, number=4)
    assert last.stopped == ["q-1", "q-2"]
    assert ended.outcome.state == "failed"
    assert ended.outcome.error == {
        "kind": "Unfinished",
        "message": "given up after 4 deliveries: the query still runs",
    }
    silent = Failing(AssertionError())
    requests.create(new_request(1))
    ended = deliver(Delivery(new_request(1).id, 4, 4), requests, silent, NOW, "worker")
    assert ended.outcome.error is not None
    assert ended.outcome.error["message"] == "given up after 4 deliveries: no worker finished"
    assert silent.stopped == []


def test_no_such_request(requests: Requests) -> None:
    """A request that is not there is waited for, and has failed in the end."""
    with pytest.raises(Unavailable, match=r"requests/gone\.json is missing"):
        deliver(Delivery("gone", 1, 2), requests, Failing(AssertionError()), NOW, "worker")
    ended = deliver(Delivery("gone", 2, 2), requests, Failing(AssertionError()), NOW, "worker")
    assert ended.outcome.state == "failed"


def test_the_last_delivery_reports_what_a_killed_worker_published(
    requests: Requests, tmp_path: Path, authority: LocalAuthority
) -> None:
    """If a worker was killed after publishing but before reporting it, the last delivery reports it."""
    press = LocalPress(FolderStore(tmp_path / "briefings"), authority)
    receipt = press.publish(ASKED)
    ended = delivered(requests, press, number=4)
    assert ended.outcome.receipt == receipt.data()
    assert press.stopped == []


def test_entered_before_it_was_given_up(
    requests: Requests, tmp_path: Path, authority: LocalAuthority
) -> None:
    """Where a worker had entered the briefing and was killed before its receipt, it is published all the same."""
    archive = FolderStore(tmp_path / "briefings")
    receipt = LocalPress(archive, authority).publish(ASKED)
    (archive.folder / receipt.file).unlink()
    ended = delivered(requests, LocalPress(archive, authority), number=4)
    assert ended.outcome.receipt == receipt.data()
    assert (archive.folder / receipt.file).exists()


def test_published_once_though_evidence_changes(
    requests: Requests, tmp_path: Path, authority: LocalAuthority
) -> None:
    """A request that was published stays that edition, though its evidence is another when it is delivered again."""
    evidence = Path(copytree(EVIDENCE, tmp_path / "evidence"))
    press = LocalPress(FolderStore(tmp_path / "briefings"), authority, evidence=evidence)
    receipt = press.publish(ASKED)
    (evidence / "dataset.yaml").write_text("title: Another\n")
    ended = delivered(requests, press, number=2)
    assert ended.outcome.receipt is not None
    assert ended.outcome.receipt["document"]["name"] == receipt.document.name
    assert press.publish(new_request(1)).edition == 2


def test_killed_anywhere(tmp_path: Path, authority: LocalAuthority) -> None:
    """Wherever a worker is killed, the next publishes the request once, with the same bytes before the signature."""
    places, unsigned = places_of_one_run(tmp_path / "undisturbed", authority)
    assert places >= 16
    for place in range(1, places + 1):
        deployment = Deployment(tmp_path / str(place), authority)
        assert check(deployment, new_request(place), iter([place]), unsigned) == 2


def test_killed_again_and_again(tmp_path: Path, authority: LocalAuthority) -> None:
    """A worker that is killed at one place after the other still publishes the request once."""
    places, unsigned = places_of_one_run(tmp_path / "undisturbed", authority)
    deployment = Deployment(tmp_path / "killed", authority)
    kills = iter(range(places, 0, -3))
    assert check(deployment, new_request(), kills, unsigned) > 6


def test_places_are_fatal(tmp_path: Path, authority: LocalAuthority) -> None:
    """The worker of these tests is killed where they say, and nowhere else."""
    places, _ = places_of_one_run(tmp_path / "undisturbed", authority)
    deployment = Deployment(tmp_path / "killed", authority)
    deployment.requests(Places()).create(ASKED)
    assert deployment.killed(ASKED, 1, 1)
    assert not deployment.killed(ASKED, 2, places + 1)

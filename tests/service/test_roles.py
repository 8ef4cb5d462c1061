"""The flows, with moto's IAM enforcement on: each function under the role that the template gives it."""

import json
from datetime import timedelta
from typing import Any, NoReturn
from urllib.parse import unquote, urlsplit

import pytest

from functions import announce, api, close, publish, renewal, schedule, verification, watch
from reports.core.errors import Changed, ExhibitError
from reports.local_aws.deploy import deploy
from reports.local_aws.gateway import Answer, Call, Gateway, Routed, routing
from reports.service import closing, requests
from tests.support.athena import AthenaService, DuckDBAthena, over_folder
from tests.support.aws import client
from tests.support.pki import Network
from tests.support.roles import Worker, queue, workers
from tests.support.stack import EVIDENCE, PARAMETERS, WINDOW, settle
from tests.support.system import SCOPES

FUNCTIONS = {
    "announce": announce,
    "api": api,
    "close": close,
    "publish": publish,
    "renewal": renewal,
    "schedule": schedule,
    "verification": verification,
    "watch": watch,
}
TICK = {"scheduled_time": "2026-05-18T08:00:00Z"}
WANTED = {"window": WINDOW, "audience": "regulator"}
JSON, PDF = {"content-type": "application/json"}, {"content-type": "application/pdf"}


@pytest.fixture
def athena() -> AthenaService:
    return AthenaService(DuckDBAthena(over_folder(EVIDENCE)))


@pytest.fixture
def working(
    aws: None, network: Network, athena: AthenaService, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Worker]:
    """The functions of a deployment that can publish."""
    stack = deploy(client, {**PARAMETERS, "TimestampUrls": network.timestamper.url})
    settle(client, stack, network.root)
    found = workers(stack, {name: module.handler for name, module in FUNCTIONS.items()}, athena)
    for name, module in FUNCTIONS.items():
        parts = found[name].parts()
        monkeypatch.setattr(module, "deployed", lambda parts=parts: parts, raising=False)
    return found


def call(worker: Worker, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
    """The answer of a function behind the API."""
    gateway = Gateway(
        routing([Routed("$default", (), worker.handler)]), lambda _: {"sub": "one", "scope": SCOPES}
    )
    with worker.enforced():
        return gateway.answer(Call(method, path, headers=headers, body=body))


def asked(worker: Worker, key: str) -> str:
    """The id of a request, of which the worker's queue has heard."""
    body, headers = json.dumps(WANTED).encode(), {**JSON, "idempotency-key": key}
    first, again = (call(worker, "POST", "/briefings", body, **headers) for _ in range(2))
    assert (first.status, again.json) == (202, first.json)
    id_ = str(first.json["id"])
    notification = {"Records": [{"s3": {"object": {"key": f"requests/{id_}.json"}}}]}
    client("sqs").send_message(
        QueueUrl=queue(worker.stack, "RequestsQueue"), MessageBody=json.dumps(notification)
    )
    return id_


def place(link: str) -> dict[str, str]:
    """The bucket and key that a link leads to."""
    url = urlsplit(link)
    return {"Bucket": url.netloc.partition(".")[0], "Key": unquote(url.path).removeprefix("/")}


def fetched(worker: Worker, id_: str, what: str) -> bytes:
    """What a link leads to, as far as the role that gave the link may read it."""
    answer = call(worker, "GET", f"/briefings/{id_}/{what}")
    assert answer.status == 303
    with worker.enforced():
        return bytes(worker.clients["s3"].get_object(**place(answer.headers["location"]))["Body"].read())


def uploaded(worker: Worker, pdf: bytes) -> str:
    """The id of an upload, as far as the role that gave its form may write it."""
    form = call(worker, "POST", "/uploads").json
    with worker.enforced():
        key = form["fields"]["key"]
        worker.clients["s3"].put_object(Bucket=place(form["url"])["Bucket"], Key=key, Body=pdf)
    return str(form["upload"])


def outcome(worker: Worker) -> dict[str, Any]:
    """The event that tells of the only outcome that there is."""
    bucket = worker.function.environment["EXHIBIT_ARCHIVE_BUCKET"]
    (found,) = client("s3").list_objects_v2(Bucket=bucket, Prefix="outcomes/")["Contents"]
    return {"detail": {"bucket": {"name": bucket}, "object": {"key": found["Key"]}}}


def given_up(working: dict[str, Worker], athena: AthenaService) -> None:
    """The last delivery of a request stops the query that still runs; one after it finds how the request has ended."""
    id_ = asked(working["api"], "two")
    athena.looks = 9
    assert not working["publish"].take(seconds=120.1)
    assert not working["publish"].take(number=8)
    assert call(working["api"], "GET", f"/briefings/{id_}").json["state"] == "failed"
    assert athena.stopped
    assert not working["publish"].take(number=9)


def indexed(working: dict[str, Worker]) -> None:
    """The index goes on, lists read it, and a tick that is late enters what it creates."""
    for _ in range(2):
        working["watch"].invoke({})
    assert working["schedule"].invoke({"scheduled_time": "2026-05-11T08:00:00Z"})["created"]
    listed = call(working["api"], "GET", "/briefings").json["briefings"]
    assert [each["state"] for each in listed] == ["published", *["requested"] * (len(listed) - 1)]


def unsettled(worker: Worker, pdf: bytes) -> None:
    """Without the root of the time-stamp authority, a PDF still has its verdicts."""
    client("s3").delete_object(Bucket=worker.function.environment["EXHIBIT_SETTINGS_BUCKET"], Key="trust.pem")
    sent = call(worker, "POST", "/verifications", pdf, **PDF)
    assert "valid" in {verdict["outcome"] for verdict in sent.json["verdicts"]}


def refused(worker: Worker) -> None:
    """An event that a function refuses is kept as a dead letter."""
    bucket = worker.function.environment["EXHIBIT_SETTINGS_BUCKET"]
    client("s3").put_object(Bucket=bucket, Key="schedules.yaml", Body=b"schedules: 1")
    with pytest.raises(ExhibitError):
        worker.invoke({**TICK, "detail": {"object": {"key": "outcomes/none.failed.json"}}})
    assert client("sqs").receive_message(QueueUrl=queue(worker.stack, "DeadEvents"))["Messages"]


def beaten(*_: Any) -> NoReturn:
    """Another process has closed days at the same time."""
    raise Changed("another process has closed days meanwhile: run again")


def test_each_function_under_its_role(
    working: dict[str, Worker], athena: AthenaService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every flow comes to its end under the functions' own roles, and takes each action that they grant."""
    monkeypatch.setattr(requests, "RECENT", 1)
    assert len(working["schedule"].invoke(TICK)["created"]) == 2
    id_ = asked(working["api"], "one")
    athena.looks = 3
    assert not working["publish"].take(seconds=120.1)
    athena.looks = 0
    assert working["publish"].take(number=2)
    assert call(working["api"], "GET", f"/briefings/{id_}").json["state"] == "published"
    assert len(call(working["api"], "GET", "/briefings").json["briefings"]) == 3
    assert working["announce"].invoke(outcome(working["publish"]))["state"] == "published"
    pdf = fetched(working["api"], id_, "document")
    assert {"audience", "figures"} <= set(json.loads(fetched(working["api"], id_, "data")))
    assert json.loads(fetched(working["api"], id_, "evidence"))["subject"]
    sent = call(working["verification"], "POST", "/verifications", pdf, **PDF)
    upload = json.dumps({"upload": uploaded(working["api"], pdf)}).encode()
    assert call(working["verification"], "POST", "/verifications", upload, **JSON).json == sent.json
    assert {verdict["outcome"] for verdict in sent.json["verdicts"]} == {"valid"}
    gone = json.dumps({"upload": "0" * 32}).encode()
    assert call(working["verification"], "POST", "/verifications", gone, **JSON).status == 404
    assert working["watch"].invoke({})["CertificateDaysLeft"] > 300
    indexed(working)
    for _ in range(2):  # the second time, the record of the first is read
        assert working["renewal"].invoke({})["StampDaysLeft"] > 0
    given_up(working, athena)
    monkeypatch.setattr(closing, "STILL", timedelta(days=-1))
    for _ in range(2):  # the second time, what the first kept is read
        assert working["close"].invoke({})["closed"] > 0
    client("sqs").purge_queue(QueueUrl=queue(working["api"].stack, "RequestsQueue"))
    asked(working["api"], "three")
    assert working["publish"].take()
    unsettled(working["verification"], pdf)
    for name in ("schedule", "announce", "watch"):
        refused(working[name])
    client("s3").delete_object(
        Bucket=working["renewal"].function.environment["EXHIBIT_SETTINGS_BUCKET"], Key="chain.pem"
    )
    with pytest.warns(UserWarning, match="No application metrics"):  # it ends before it has counted
        refused(working["renewal"])
    monkeypatch.setattr(close, "close_days", beaten)
    with pytest.warns(UserWarning, match="No application metrics"):
        refused(working["close"])
    unused = {name: worker.unused() for name, worker in working.items()}
    for name in ("close", "publish"):
        assert {place for _, place in unused.pop(name)} == {"arn:aws:s3:::evidence/ext/*"}  # the other layout
    # Which the API reads only to tell whether a write of its own got through whose answer was lost
    quotas = ("s3:GetObject", "arn:aws:s3:::exhibit-uploads-123456789012-eu-west-1/quotas/*")
    assert set().union(*unused.values()) == {quotas}

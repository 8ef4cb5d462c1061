"""The parts of the deployed system's stand-in on a laptop: tokens, the gateway, sandboxes, the state folder."""

import os
import time
from collections.abc import Iterator
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import duckdb
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey
from moto import mock_aws

from reports.core.errors import InvalidEvidence, InvalidRequest, InvalidSettings
from reports.local_aws.account import Account
from reports.local_aws.athena import AthenaService, DuckDBAthena
from reports.local_aws.deploy import connect, deploy
from reports.local_aws.gateway import Answer, Call, Cors, FunctionFailed, Gateway, Routed, routing
from reports.local_aws.listening import address, listening
from reports.local_aws.mirror import Mirror
from reports.local_aws.sandbox import Sandbox, Sandboxes
from reports.local_aws.signature import Key
from reports.local_aws.state import opened
from reports.local_aws.template import Function, Stack
from reports.local_aws.tokens import Tokens
from reports.local_aws.triggers import _every
from tests.support.aws import REGION, client, s3_client
from tests.support.publishing import GOLDEN
from tests.support.tools import PATIENCE, eventually

PARAMETERS = {
    "EvidenceBucket": "evidence",
    "JwtAudience": "exhibit",
    "JwtIssuer": "https://issuer.example",
    "TimestampUrls": "http://127.0.0.1:9/",
}
TOKENS = Tokens("https://issuer.example", "exhibit")
HOUR = 3600  # seconds


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def claims(**changed: Any) -> dict[str, Any]:
    now = int(time.time())
    return {"iss": TOKENS.issuer, "aud": "exhibit", "sub": "s", "exp": now + HOUR, **changed}


def test_own_tokens_are_known_again() -> None:
    """A token that was issued gives its claims, with or without the word Bearer."""
    token = TOKENS.issue("somebody", "briefings:read")
    for headers in (bearer(token), {"authorization": token}):
        found = TOKENS.authorize(headers)
        assert found is not None
        assert (found["sub"], found["scope"]) == ("somebody", "briefings:read")


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "https://other.example"},
        {"aud": "other"},
        {"exp": -1},
        {"exp": None},
        {"nbf": HOUR},
        {"iat": HOUR},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_claims_that_are_refused(changed: dict[str, Any]) -> None:
    """A token of another issuer or audience, from another time (in seconds from now), or without an end, is none."""
    now = int(time.time())
    since = {name: now + value if isinstance(value, int) else value for name, value in changed.items()}
    made = {name: value for name, value in claims(**since).items() if value is not None}
    assert TOKENS.authorize(bearer(jwt.encode({"alg": "RS256"}, claims(), TOKENS.key))) is not None
    assert TOKENS.authorize(bearer(jwt.encode({"alg": "RS256"}, made, TOKENS.key))) is None


@pytest.mark.parametrize(
    ("named", "known"),
    [
        ({"client_id": "exhibit"}, True),
        ({"client_id": "other"}, False),
        ({"client_id": "exhibit", "aud": "other"}, False),
        ({}, False),
    ],
)
def test_a_client_in_place_of_an_audience(named: dict[str, str], known: bool) -> None:
    """An access token of Cognito names the client for which it is; it counts where there is no audience."""
    own = {name: value for name, value in claims().items() if name != "aud"}
    token = jwt.encode({"alg": "RS256"}, {**own, **named}, TOKENS.key)
    assert (TOKENS.authorize(bearer(token)) is not None) == known


@pytest.mark.parametrize("token", ["", "x", "x.y.z", "é.é.é"])
def test_what_is_no_token(token: str) -> None:
    """What is no token is refused, and so is one that another key has signed, or none has."""
    assert TOKENS.authorize(bearer(token)) is None
    assert TOKENS.authorize({}) is None
    others = Tokens(TOKENS.issuer, TOKENS.audience).issue("s", "")
    shared = jwt.encode({"alg": "HS256"}, claims(), OctKey.generate_key(256), algorithms=["HS256"])
    assert TOKENS.authorize(bearer(others)) is None
    assert TOKENS.authorize(bearer(shared)) is None


def routes(*keys: str) -> list[Routed]:
    return [Routed(key, (), lambda *_: {}) for key in keys]


@pytest.mark.parametrize(
    ("call", "key"),
    [
        ("GET /b", "GET /b"),
        ("POST /b", "$default"),
        ("GET /b/1", "GET /b/{id}"),
        ("GET /b/own", "GET /b/own"),
        ("GET /b/1/c", "GET /b/{id}/c"),
        ("GET /b/1/d", "$default"),
        ("GET /bx", "$default"),
        ("OPTIONS /b", "OPTIONS /{proxy+}"),
        ("OPTIONS /b/1/c", "OPTIONS /{proxy+}"),
        ("OPTIONS /", "$default"),
        ("OPTIONS /own", "OPTIONS /own"),
    ],
)
def test_routes(call: str, key: str) -> None:
    """A call goes to the route of its method and path, to one with parameters after one without, or to $default."""
    whole = ("OPTIONS /{proxy+}", "OPTIONS /own")
    route = routing(routes("GET /b/{id}", "$default", "GET /b", "GET /b/own", "GET /b/{id}/c", *whole))
    method, path = call.split()
    assert route(Call(method, path)).key == key


@pytest.mark.parametrize(
    ("scope", "status"), [("read", 200), ("other read", 200), ("other", 403), ("", 403), (None, 401)]
)
def test_gateway_wants_a_scope(scope: str | None, status: int) -> None:
    """A call with one of its route's scopes comes through; without a token it is a 401, without a scope a 403."""
    route = routing([Routed("$default", ("read", "write"), lambda *_: {"statusCode": 200})])
    gateway = Gateway(route, lambda _: None if scope is None else {"scope": scope})
    assert gateway.answer(Call("GET", "/")).status == status


CORS = Cors(["https://page.example"], ["GET", "POST"], ["authorization"], ["etag"], 600)
ASKED = {"origin": "https://page.example", "access-control-request-method": "GET"}


def preflight(*, open: bool, cors: Cors | None = CORS, **headers: str) -> Answer:
    """What a gateway answers to what a browser asks before a call, whose route needs a token or does not."""
    route = routing([Routed("$default", (), lambda *_: {"statusCode": 418}, open)])
    return Gateway(route, lambda _: None, cors).answer(Call("OPTIONS", "/b", headers={**ASKED, **headers}))


def test_a_browser_is_told_what_it_may_do() -> None:
    """The gateway answers a preflight itself, for the pages it knows, if the route of the call needs no token."""
    told = preflight(open=True)
    assert (told.status, told.headers["access-control-allow-origin"]) == (204, "https://page.example")
    assert told.headers["access-control-allow-headers"] == "authorization"
    assert preflight(open=False).status == 401
    assert preflight(open=True, cors=None).status == 418
    other = preflight(open=True, origin="https://other.example")
    assert (other.status, [*other.headers]) == (204, [])


@pytest.mark.parametrize(
    ("origin", "seen"), [("https://page.example", True), ("https://other.example", False)]
)
def test_a_page_may_read_an_answer(origin: str, seen: bool) -> None:
    """The answer to a call says that the page may read it, if its origin is one of the API's."""
    route = routing([Routed("$default", (), lambda *_: {"statusCode": 200})])
    found = Gateway(route, lambda _: {}, CORS).answer(Call("GET", "/b", headers={"origin": origin}))
    assert ("access-control-allow-origin" in found.headers, found.status) == (seen, 200)


def test_gateway_answers_for_a_function_that_fails() -> None:
    """A function that ends without an answer is a 500 in the gateway's own form."""

    def fail(*_: Any) -> Any:
        raise FunctionFailed

    answer = Gateway(routing([Routed("$default", (), fail)]), lambda _: {}).answer(Call("GET", "/"))
    assert (answer.status, answer.json) == (500, {"message": "Internal Server Error"})


def function(handler: str, seconds: int = HOUR) -> Function:
    return Function("F", "f", handler, {"OWN": "1"}, seconds, 128, (), ())


@pytest.fixture
def sandboxes(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandboxes]:
    monkeypatch.setenv("AWS_PROFILE", "somebody's own")
    functions = {
        "who": function("tests.support.sandboxed.who"),
        "slow": function("tests.support.sandboxed.slow", seconds=1),
        "fail": function("tests.support.sandboxed.fail"),
        "die": function("tests.support.sandboxed.die"),
    }
    made = Sandboxes(functions, {"GIVEN": "2"}, 1)
    yield made
    made.stop()


def test_sandboxes_are_kept(sandboxes: Sandboxes) -> None:
    """A function has its own environment, none of AWS's settings of whoever runs it, and the same process next time."""
    first, second = sandboxes.invoke("who", {"n": 1}), sandboxes.invoke("who", {"n": 2})
    assert (first["event"], second["event"]) == ({"n": 1}, {"n": 2})
    assert first["process"] == second["process"]
    assert (first["OWN"], first["GIVEN"], first["AWS_PROFILE"]) == ("1", "2", None)
    assert 0 < first["left"] <= HOUR * 1000


@pytest.mark.parametrize(
    ("name", "said"),
    [("slow", "timed out after 1 seconds"), ("die", "has ended"), ("fail", "ValueError: wrong")],
)
def test_sandboxes_that_fail(
    sandboxes: Sandboxes, name: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A function that takes too long, dies or raises an error has failed, which is told; the next event starts anew."""
    for _ in range(2):
        with pytest.raises(FunctionFailed, match=said):
            sandboxes.invoke(name, {})
    assert capsys.readouterr().err.count(said) == 2


def test_sandboxes_stop(sandboxes: Sandboxes) -> None:
    """What is stopped runs nothing any more."""
    process = sandboxes.invoke("who", {})["process"]
    sandboxes.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
    with pytest.raises(FunctionFailed, match="stopped"):
        sandboxes.invoke("who", {})


def test_a_sandbox_that_is_ended() -> None:
    """Who waits for the answer of a process that is ended is told; until then, nobody gets the descriptor's number."""
    sandbox = Sandbox(function("tests.support.sandboxed.slow"), {})
    number = sandbox._connection.fileno()
    sandbox.stop()
    os.fstat(number)
    with pytest.raises(FunctionFailed, match="has ended"):
        sandbox.invoke({})


@pytest.mark.parametrize("name", ["who", "fail", "late"])
def test_a_sandbox_whose_caller_is_gone(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    """A process whose answer nobody waits for any more, because its caller was killed, ends without a word."""
    sandbox = Sandbox(function(f"tests.support.sandboxed.{name}"), {})
    sandbox._connection.send(("f", HOUR, {}))
    sandbox._connection.close()
    assert sandbox._process.wait(PATIENCE) == 0
    assert capfd.readouterr().err == ""


def test_a_port_that_is_taken() -> None:
    """A port that is taken, or is none, is refused in one line that says what to do."""
    with listening(0) as listener:
        taken = int(address(listener).rpartition(":")[2])
        for port in (taken, 70000, -1):
            other = port + 1 if port == taken else 8080
            said = f"port {port} cannot be used .*: choose another with --port, or make local PORT={other}$"
            with pytest.raises(InvalidRequest, match=said), listening(port):
                pass


def test_state_of_something_else(tmp_path: Path) -> None:
    """A folder with other things in it, a file, and a folder that is in use are refused; a new one is taken again."""
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thing").touch()
    with pytest.raises(InvalidSettings, match="other holds other files"), opened(tmp_path / "other"):
        pass
    with pytest.raises(InvalidSettings, match="thing cannot be used"), opened(tmp_path / "other" / "thing"):
        pass
    for _ in range(2):
        with opened(tmp_path / "new") as folder:
            (folder / "something").touch()
            with pytest.raises(InvalidSettings, match="in use by another"), opened(tmp_path / "new"):
                pass


def test_no_state_is_left() -> None:
    """Without a folder for the state, the one that is used is gone afterwards."""
    with opened(None) as folder:
        assert folder.is_dir()
    assert not folder.exists()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, "200 OK"),
        ({"HTTP_HOST": "localhost:1"}, "200 OK"),
        ({"HTTP_ORIGIN": "http://127.0.0.1:8080"}, "200 OK"),
        ({"HTTP_HOST": "rebound.example:1"}, "403 Forbidden"),
        ({"HTTP_HOST": "127.0.0.1.example"}, "403 Forbidden"),
        ({"HTTP_HOST": ""}, "403 Forbidden"),
        ({"HTTP_ORIGIN": "https://site.example"}, "403 Forbidden"),
        ({"HTTP_ORIGIN": "null"}, "200 OK"),  # a page that the API has led to a link
        ({"HTTP_ORIGIN": "null", "REQUEST_METHOD": "POST"}, "403 Forbidden"),
    ],
)
def test_the_account_answers_this_machine(headers: dict[str, str], status: str) -> None:
    """A page of another site, or a name that leads here, gets no answer from the AWS endpoint."""
    assert answered(AlwaysSigned(), **headers) == status


def test_the_account_answers_its_key() -> None:
    """A call that the key has not signed gets no answer."""
    assert answered(Key()) == "403 Forbidden"


class AlwaysSigned(Key):
    """A key that has signed whatever comes."""

    def has_signed(self, *_: Any) -> bool:
        return True


def answered(key: Key, **headers: str) -> str:
    """The status of the account's answer."""
    told: list[str] = []
    made = Account(None, key=key, _moto=lambda _, start: start("200 OK", []) or [b""])  # type: ignore[arg-type]
    environ = {"HTTP_HOST": "127.0.0.1:1", "PATH_INFO": "/", "REQUEST_METHOD": "GET", "QUERY_STRING": ""}
    made({**environ, "wsgi.input": BytesIO(), **headers}, lambda status, _: told.append(status))
    (status,) = told
    return status


@pytest.fixture
def account() -> Iterator[Stack]:
    with mock_aws():
        stack = deploy(client, PARAMETERS)
        connect(client, stack)
        yield stack


def test_resources_have_the_names_of_the_template(account: Stack) -> None:
    """What is made in the account is what the functions' environments name."""
    environment = account.functions["publish"].environment
    buckets = {bucket["Name"] for bucket in s3_client().list_buckets()["Buckets"]}
    named = {value for name, value in environment.items() if name.endswith("_BUCKET")}
    assert named < buckets
    topics = [topic["TopicArn"] for topic in client("sns").list_topics()["Topics"]]
    assert environment["EXHIBIT_TOPIC"] in topics
    client("events").describe_event_bus(Name=environment["EXHIBIT_BUS"])
    for key in ("EXHIBIT_SIGNING_KEY", "EXHIBIT_PSEUDONYM_KEY"):
        client("kms").describe_key(KeyId=environment[key])
    assert (
        client("kms").describe_key(KeyId="alias/exhibit-signing")["KeyMetadata"]["Arn"]
        == (environment["EXHIBIT_SIGNING_KEY"])
    )


def test_aws_tells_of_the_stack(account: Stack) -> None:
    """CloudFormation tells of its parameters, of what it made and of no secret; Lambda and API Gateway of the rest."""
    cloudformation, gateway = client("cloudformation"), client("apigatewayv2")
    (told,) = cloudformation.describe_stacks(StackName="exhibit")["Stacks"]
    parameters = {each["ParameterKey"]: each["ParameterValue"] for each in told["Parameters"]}
    assert (parameters["EvidenceBucket"], parameters["TimestampUrls"]) == ("evidence", "****")
    assert parameters.keys() == account.document["Parameters"].keys()
    outputs = {each["OutputKey"]: each["OutputValue"] for each in told["Outputs"]}
    assert outputs == dict(account.outputs)
    listed = cloudformation.list_stack_resources(StackName="exhibit")["StackResourceSummaries"]
    made = {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in listed}
    configured = client("lambda").get_function_configuration(FunctionName=made["Publish"])
    assert configured["Environment"]["Variables"] == dict(account.functions["publish"].environment)
    (used,) = {each["AuthorizerId"] for each in gateway.get_routes(ApiId=made["Api"])["Items"]}
    jwt = gateway.get_authorizer(ApiId=made["Api"], AuthorizerId=used)["JwtConfiguration"]
    assert jwt == {"Audience": ["exhibit"], "Issuer": "https://issuer.example"}
    workgroup = client("athena").get_work_group(WorkGroup=made["Workgroup"])["WorkGroup"]["Configuration"]
    assert workgroup["EnforceWorkGroupConfiguration"] is True
    assert workgroup["BytesScannedCutoffPerQuery"] == int(parameters["ScanLimitBytes"])


def test_the_archive_is_as_the_template_has_it(account: Stack) -> None:
    """The archive keeps versions, locks what is in it, and tells the queue of requests alone."""
    s3, archive = s3_client(), account.resources["ArchiveBucket"].name
    assert s3.get_bucket_versioning(Bucket=archive)["Status"] == "Enabled"
    lock = s3.get_object_lock_configuration(Bucket=archive)["ObjectLockConfiguration"]
    assert lock["Rule"]["DefaultRetention"].items() >= {"Mode": "GOVERNANCE", "Days": 3650}.items()
    (told,) = s3.get_bucket_notification_configuration(Bucket=archive)["QueueConfigurations"]
    assert told["QueueArn"] == f"arn:aws:sqs:{REGION}:123456789012:exhibit-requests"
    assert told["Filter"]["Key"]["FilterRules"] == [{"Name": "prefix", "Value": "requests/"}]
    queue = client("sqs").get_queue_url(QueueName="exhibit-requests")["QueueUrl"]
    attributes = client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
    assert attributes["VisibilityTimeout"] == "5400"
    assert '"maxReceiveCount": 8' in attributes["RedrivePolicy"]


def test_mirror_follows_the_bucket(bucket: str, tmp_path: Path) -> None:
    """A statement sees the objects as they are when it begins: new ones, changed ones, and not those that are gone."""
    s3, name = s3_client(), "detections/event_day=2026-05-01/part.jsonl"
    rows = (GOLDEN / "quiet" / name).read_text().splitlines()
    mirror = Mirror(s3, bucket, tmp_path)

    def count() -> int:
        with mirror.relations() as con:
            (found,) = con.execute("select count(*) from flat").fetchall()
            return int(found[0])

    for lines in (rows[:1], rows, rows[:2]):
        s3.put_object(Bucket=bucket, Key=name, Body="\n".join(lines))
        assert count() == len(lines)
    assert mirror.size() == len("\n".join(rows[:2]))
    s3.delete_object(Bucket=bucket, Key=name)
    with pytest.raises(InvalidEvidence, match="neither layout is present"):
        count()


def test_mirror_holds_the_evidence_alone(bucket: str, tmp_path: Path) -> None:
    """What is passed over is not copied, and what is refused is not either: no key leads out of the folder."""
    s3, folder = s3_client(), tmp_path / "in" / "deep"
    mirror = Mirror(s3, bucket, folder)

    def follow(*keys: str) -> list[str]:
        for key in keys:
            s3.put_object(Bucket=bucket, Key=key, Body=b"x" * (not key.endswith("/")))
        mirror._follow()
        return sorted(str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*") if not file.is_dir())

    day = "detections/event_day=2026-05-01"
    assert follow("dataset.yaml", f"{day}/", f"{day}/a.csv", f"{day}/_tmp/b.csv", "x_$folder$") == [
        f"in/deep/{day}/a.csv"
    ]
    s3.delete_object(Bucket=bucket, Key=f"{day}/a.csv")
    assert follow(f"{day}/a.csv/b.csv") == [f"in/deep/{day}/a.csv/b.csv"]
    s3.delete_object(Bucket=bucket, Key=f"{day}/a.csv/b.csv")
    assert follow(f"{day}/a.csv") == [f"in/deep/{day}/a.csv"]
    with pytest.raises(InvalidEvidence, match="a folder cannot hold that name"):
        follow("detections/../../../out.csv")
    assert [file.name for file in tmp_path.iterdir()] == ["in"]


def test_statements_run_beside_the_calls() -> None:
    """An execution ends by itself, and one that fails says why."""

    def ended(sql: str) -> dict[str, Any]:
        service = AthenaService(DuckDBAthena(duckdb.connect), lambda: 7)
        request = {
            "QueryString": sql,
            "ClientRequestToken": "t",
            "WorkGroup": "w",
            "QueryExecutionContext": {},
        }
        id_ = service.answer("StartQueryExecution", request)["QueryExecutionId"]
        return eventually(partial(done, service, id_))

    def done(service: AthenaService, id_: str) -> dict[str, Any] | None:
        found = service.answer("GetQueryExecution", {"QueryExecutionId": id_})["QueryExecution"]
        return None if found["Status"]["State"] in ("QUEUED", "RUNNING") else found

    assert ended("select 1")["Statistics"] == {"DataScannedInBytes": 7}
    assert "Conversion" in ended("select cast('x' as integer)")["Status"]["StateChangeReason"]


def test_statements_are_ended() -> None:
    """What runs for long is ended when the service stops, and what waits is not begun."""
    executor = DuckDBAthena(duckdb.connect)
    service = AthenaService(executor, lambda: 7)
    many = "unnest(sequence(1, 50000))"
    endless = " ".join(["select count(*) from", ", ".join(f"{many} {name}(n)" for name in "abc")])
    for token in "abc":
        request = {"QueryString": endless, "ClientRequestToken": token}
        service.answer("StartQueryExecution", {**request, "WorkGroup": "w", "QueryExecutionContext": {}})
    eventually(lambda: len(executor.running) == 2)
    service.stop()
    assert sorted(bool(each.status) for each in service.executions.values()) == [False, True, True]


@pytest.mark.parametrize(("expression", "minutes"), [("rate(1 hour)", 60), ("rate(15 minutes)", 15)])
def test_rates(expression: str, minutes: int) -> None:
    """The template's rates are read; another expression is refused."""
    assert _every(expression).total_seconds() == 60 * minutes
    with pytest.raises(ValueError, match="cron"):
        _every("cron(0 * * * ? *)")

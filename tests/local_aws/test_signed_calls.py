"""Whether a call to the rehearsal's account is signed with its key pair: what boto3 sends, and what others do."""

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from reports.local_aws.listening import address, listening, serving
from reports.local_aws.signature import Key
from tests.support.tools import PATIENCE

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
KEY = Key("secret")
ANSWER = b"<PublishResponse><PublishResult/></PublishResponse>"  # in which other services find nothing
FORM = {"Content-Type": "application/pdf"}
LIMITS = [FORM, ["content-length-range", 1, 9]]


@dataclass
class Gate:
    """Answers 200 to a call that the key has signed, and 403 to others, some time from now."""

    url: str = ""
    later: timedelta = timedelta(0)
    bodies: list[bytes] = field(default_factory=list)

    def __call__(self, environ: dict[str, Any], start: Any) -> list[bytes]:
        signed = KEY.has_signed(environ, datetime.now(UTC) + self.later)
        self.bodies.append(environ["wsgi.input"].read())
        start("200 OK" if signed else "403 Forbidden", [("Content-Type", "text/plain")])
        return [b"{}" if environ.get("HTTP_X_AMZ_TARGET") else ANSWER]

    def status(self, url: str, body: bytes | None = None, method: str | None = None, **headers: str) -> int:
        """The status of an answer to a call that no client of AWS makes."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(url, body, named, method=method)  # noqa: S310 - loopback
        try:
            with OPENER.open(request, timeout=PATIENCE) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code


@pytest.fixture
def gate() -> Iterator[Gate]:
    made = Gate()
    with listening(0) as listener, serving(listener, made):
        made.url = address(listener)
        yield made


def client(gate: Gate, service: str = "s3", key: Key = KEY, **changed: str) -> Any:
    config = Config(retries={"total_max_attempts": 1}, signature_version="v4", proxies={})
    if service == "s3":
        config = config.merge(Config(signature_version="s3v4"))
    session = boto3.Session(key.id, key.secret, region_name="eu-west-1")
    return session.client(service, endpoint_url=gate.url, config=config, **changed)


CALLS = [
    ("s3", "list_buckets", {}),
    ("s3", "put_object", {"Bucket": "b", "Key": "a b/é+%~.pdf", "Body": b"x" * 100_000}),
    ("s3", "list_objects_v2", {"Bucket": "b", "Prefix": "a b/=&+é", "StartAfter": "z"}),
    ("sqs", "send_message", {"QueueUrl": "http://q/1/q", "MessageBody": "x y"}),
    ("sns", "publish", {"TopicArn": "arn:aws:sns:eu-west-1:1:t", "Message": "x y&é"}),
    ("kms", "sign", {"KeyId": "k", "Message": b"m", "SigningAlgorithm": "ECDSA_SHA_256"}),
    ("athena", "get_work_group", {"WorkGroup": "w"}),
]


@pytest.mark.parametrize(("service", "operation", "arguments"), CALLS, ids=lambda case: str(case)[:20])
def test_clients(gate: Gate, service: str, operation: str, arguments: dict[str, Any]) -> None:
    """A client with the key pair is answered; one with another secret, or another id, is not."""
    getattr(client(gate, service), operation)(**arguments)
    assert arguments.get("Body", b"") in gate.bodies[-1]
    for other in (Key("other"), Key("secret", "other")):
        with pytest.raises(ClientError) as refused:
            getattr(client(gate, service, other), operation)(**arguments)
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_what_is_signed_is_what_is_sent(gate: Gate) -> None:
    """A call is refused whose body, path, query or headers are not those that were signed."""
    sent: list[Any] = []
    s3 = client(gate)
    s3.meta.events.register("before-send.s3", lambda request, **_: sent.append(request))
    s3.put_object(Bucket="b", Key="k", Body=b"body")
    (request,) = sent
    signed = {
        name.replace("-", "_"): value.decode() if isinstance(value, bytes) else value
        for name, value in request.headers.items()
    }

    def status(url: str = request.url, body: bytes = b"body", **changed: str) -> int:
        return gate.status(url, body, "PUT", **{**signed, **changed})

    assert status() == 200
    assert status(body=b"bodY") == 403
    assert status(url=f"{request.url}2") == 403
    assert status(url=f"{request.url}?acl") == 403
    assert status(X_Amz_Date="20260101T000000Z") == 403
    assert status(X_Amz_Acl="public-read") == 403
    assert status(Authorization=signed["Authorization"].replace("host;", "")) == 403
    assert status(Authorization="Bearer token") == 403
    gate.later = timedelta(minutes=16)
    assert status() == 403


@pytest.mark.parametrize("path", ["/", "/b/k", "/moto-api/data.json", "/?Action=ListQueues"])
def test_nobody_has_signed(gate: Gate, path: str) -> None:
    """A call without a signature is refused, whatever it asks for."""
    assert gate.status(gate.url + path) == 403
    assert gate.status(gate.url + path, b"{}", X_Amz_Target="AmazonAthena.StartQueryExecution") == 403
    assert gate.status(gate.url + path, b"{}", Content_Type="multipart/form-data; boundary=x") == 403


def test_links(gate: Gate) -> None:
    """Whoever has a link may follow it until it ends; it leads nowhere else, and to nothing else."""

    def link(key: Key = KEY) -> str:
        wanted = {"Bucket": "b", "Key": "a b.pdf", "ResponseContentType": "application/pdf"}
        return str(client(gate, key=key).generate_presigned_url("get_object", wanted, 300))

    assert gate.status(link()) == 200
    assert gate.status(link(Key("other"))) == 403
    assert gate.status(link().replace("b.pdf", "c.pdf")) == 403
    assert gate.status(link().replace("application", "text")) == 403
    assert gate.status(link().replace("Expires=300", "Expires=301")) == 403
    assert gate.status(link(), b"{}") == 403
    assert gate.status(link(), X_Amz_Target="AmazonAthena.StartQueryExecution") == 403
    gate.later = timedelta(seconds=301)
    assert gate.status(link()) == 403


def upload(gate: Gate, content: bytes = b"%PDF", signed_by: Key = KEY, path: str = "", **changed: str) -> int:
    """The status of an upload by a form."""
    s3 = client(gate, key=signed_by)
    form = s3.generate_presigned_post("b", "uploads/1.pdf", dict(FORM), LIMITS, 300)
    fields = {**form["fields"], **{name.replace("_", "-"): value for name, value in changed.items()}}
    parts = [f'--x\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n' for n, v in fields.items()]
    head = '--x\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
    body = "".join(parts).encode() + head.encode() + content + b"\r\n--x--\r\n"
    return gate.status(path or form["url"], body, Content_Type="multipart/form-data; boundary=x")


def test_forms(gate: Gate) -> None:
    """Whoever has a form may upload with it what its policy says, where it says, until it ends."""
    assert upload(gate) == 200
    assert b"%PDF" in gate.bodies[-1]
    assert upload(gate, signed_by=Key("other")) == 403
    assert upload(gate, b"x" * 10) == 403
    assert upload(gate, b"") == 403
    assert upload(gate, path=f"{gate.url}/other") == 403
    assert upload(gate, key="uploads/2.pdf") == 403
    assert upload(gate, Content_Type="text/html") == 403
    assert upload(gate, Action="CreateQueue") == 403
    gate.later = timedelta(seconds=301)
    assert upload(gate) == 403


def test_a_policy_of_ones_own(gate: Gate) -> None:
    """A form whose policy was changed is refused."""
    policy = {"expiration": "2100-01-01T00:00:00Z", "conditions": []}
    assert upload(gate, policy=base64.b64encode(json.dumps(policy).encode()).decode()) == 403

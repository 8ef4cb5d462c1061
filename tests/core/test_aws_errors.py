"""What AWS does wrong, at each adapter: which error it becomes, and what that says."""

import io
import json
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import (
    BotoCoreError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    ReadTimeoutError,
    ResponseStreamingError,
)

from reports.archive.store_s3 import TRIES, S3Store
from reports.core import aws_errors
from reports.core.errors import ExhibitError, InvalidEvidence, InvalidSettings, Unavailable
from reports.core.window import resolve
from reports.evidence.engine_athena import AthenaEngine
from reports.evidence.engine_tables import Tables
from reports.evidence.questions import Inquiry
from reports.evidence.source import FolderEvidence, locate
from reports.evidence.source_s3 import S3Evidence
from reports.signing.keys_kms import KmsSigner
from tests.support.aws import client
from tests.support.pki import NOW, new_key
from tests.support.publishing import GOLDEN

ACCOUNT = "123456789012"
NAME = "detections/event_day=2026-05-02/a.csv"
Fault = tuple[int, str] | Exception

CONNECT_TIMEOUT = ConnectTimeoutError(endpoint_url="https://aws")
READ_TIMEOUT = ReadTimeoutError(endpoint_url="https://aws")
NO_CONNECTION = EndpointConnectionError(endpoint_url="https://aws")


class Raw(io.BytesIO):
    """The body of an answer, as botocore reads it."""

    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.read()


def failing(service: str, fault: Fault) -> Any:
    """A client whose every request meets a fault on the way: no answer, or one with a status and a code."""

    def answer(request: Any, **_: Any) -> AWSResponse:
        if isinstance(fault, Exception):
            raise fault
        status, code = fault
        message = f"User: arn:aws:sts::{ACCOUNT}:assumed-role/worker said {code}."
        if service == "s3":
            body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
        else:
            body = json.dumps({"__type": code, "message": message})
        return AWSResponse(request.url, status, {}, Raw(b"" if request.method == "HEAD" else body.encode()))

    made = client(service)
    made.meta.events.register("before-send", answer)
    return made


def engine(athena: Any) -> AthenaEngine:
    source, request = FolderEvidence(GOLDEN / "naming"), "first"
    return AthenaEngine(
        athena, "exhibit", "evidence", Tables.over(source), token=request, deadline=lambda: 0.0
    )


def ask(athena: Any) -> object:
    question = Inquiry(resolve("2026-05-01/2026-05-02", NOW), NOW).tallies(date(2026, 5, 2))
    return engine(athena).ask(question, lambda *_: None)


def stop(athena: Any) -> object:
    return engine(athena).stop(["e-1"])


def pin(s3: Any) -> object:
    located = locate(NAME, 1)
    assert located
    return S3Evidence(s3, "bucket").pin([located])


def put(s3: Any, *names: str) -> object:
    return S3Store(s3, "bucket", pause=lambda _: None).put(dict.fromkeys(names, b"x"))


S3: dict[str, Callable[[Any], object]] = {
    "evidence is listed": lambda s3: S3Evidence(s3, "bucket").list(),
    "evidence is pinned": pin,
    "settings are read": lambda s3: S3Evidence(s3, "bucket").text("dataset.yaml"),
    "the top of the evidence is listed": lambda s3: S3Evidence(s3, "bucket").tops(),
    "one document is put": lambda s3: put(s3, "a"),
    "two documents are put": lambda s3: put(s3, "a", "b"),
    "a document is got": lambda s3: S3Store(s3, "bucket").get("a"),
    "documents are listed": lambda s3: S3Store(s3, "bucket").list(""),
}
KMS: dict[str, Callable[[Any], object]] = {
    "a key is opened": lambda kms: KmsSigner.open(kms, f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/k-1"),
    "a key signs": lambda kms: KmsSigner(kms, "k-1", new_key().public_key(), "ECDSA_SHA_256").sign(b"x"),
}
ATHENA: dict[str, Callable[[Any], object]] = {"a question is asked": ask, "a query is stopped": stop}

ANYWHERE: list[tuple[Fault, type[ExhibitError]]] = [
    (CONNECT_TIMEOUT, Unavailable),
    (READ_TIMEOUT, Unavailable),
    (NO_CONNECTION, Unavailable),
    ((500, "InternalError"), Unavailable),
    ((503, "ServiceUnavailable"), Unavailable),
    ((429, "Odd"), Unavailable),
    ((403, "AccessDenied"), InvalidSettings),
]
TABLE: list[tuple[str, dict[str, Callable[[Any], object]], Fault, type[ExhibitError]]] = [
    *(
        (service, calls, fault, error)
        for service, calls in (("s3", S3), ("kms", KMS), ("athena", ATHENA))
        for fault, error in ANYWHERE
    ),
    ("s3", S3, (503, "SlowDown"), Unavailable),
    ("kms", KMS, (400, "ThrottlingException"), Unavailable),
    ("kms", KMS, (400, "AccessDeniedException"), InvalidSettings),
    ("kms", KMS, (400, "ExpiredTokenException"), Unavailable),
    ("kms", KMS, (400, "DisabledException"), InvalidSettings),
    ("kms", KMS, (400, "KMSInvalidStateException"), InvalidSettings),
    ("kms", KMS, (400, "NotFoundException"), InvalidSettings),
    ("kms", KMS, (500, "KeyUnavailableException"), Unavailable),
    ("athena", ATHENA, (400, "TooManyRequestsException"), Unavailable),
    ("athena", ATHENA, (400, "AccessDeniedException"), InvalidSettings),
    ("athena", ATHENA, (400, "InvalidRequestException"), InvalidSettings),
    ("athena", ATHENA, (500, "InternalServerException"), Unavailable),
]
PLACES = {"s3": "bucket bucket", "kms": "KMS key", "athena": "Athena workgroup exhibit"}


def named(fault: Fault) -> str:
    return type(fault).__name__ if isinstance(fault, Exception) else " ".join(map(str, fault))


@pytest.mark.parametrize(
    ("service", "call", "fault", "error"),
    [
        pytest.param(service, call, fault, error, id=f"{service}, {name}: {named(fault)}")
        for service, calls, fault, error in TABLE
        for name, call in calls.items()
    ],
)
def test_each_fault_has_its_error(
    service: str, call: Callable[[Any], object], fault: Fault, error: type[ExhibitError]
) -> None:
    """Every call of every adapter turns a fault into the documented error: it names the place, and no account."""
    with pytest.raises(ExhibitError) as raised:
        call(failing(service, fault))
    assert type(raised.value) is error
    message = str(raised.value)
    assert message.startswith(PLACES[service])
    assert ACCOUNT not in message


@pytest.mark.parametrize("name", S3)
def test_a_bucket_that_is_gone(name: str) -> None:
    """Where the bucket is gone, its name is to be checked; only an object of it is just no longer there."""
    error: type[ExhibitError] = InvalidSettings
    message = "NoSuchBucket.*check the bucket's name"
    if name == "evidence is pinned":
        error, message = InvalidEvidence, f"{NAME}: cannot be read"
    with pytest.raises(error, match=message):
        S3[name](failing("s3", (404, "NoSuchBucket")))


@pytest.mark.parametrize("name", ["one document is put", "two documents are put"])
def test_conflicts_without_end(name: str) -> None:
    """A write that meets others again and again is given up for now."""
    s3 = failing("s3", (409, "ConditionalRequestConflict"))
    sent: list[str] = []
    s3.meta.events.register_first("before-send", lambda request, **_: sent.append(request.method))
    s3.meta.events.register_first(
        "before-call.s3.HeadObject",
        lambda **_: (AWSResponse("", 404, {}, None), {"Error": {"Code": "404"}, "ResponseMetadata": {}}),
    )
    with pytest.raises(Unavailable, match=r"PutObject failed \(ConditionalRequestConflict\): run again"):
        S3[name](s3)
    assert sent.count("PUT") == TRIES


@pytest.mark.parametrize(
    ("raised", "error"),
    [
        (NoCredentialsError(), InvalidSettings),
        (NoRegionError(), InvalidSettings),
        (CredentialRetrievalError(provider="p", error_msg="m"), Unavailable),
        (ResponseStreamingError(error="broken off"), Unavailable),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_what_is_never_sent(raised: BotoCoreError, error: type[ExhibitError]) -> None:
    """What is missing on this side is a matter of settings; what breaks off on the way is not."""
    with (
        pytest.raises(error, match=r"^bucket b .*(settings for AWS|run again)"),
        aws_errors.translated("bucket b"),
    ):
        raise raised


def test_everything_else_passes_through() -> None:
    """Errors that are not botocore's stay as they are."""
    with pytest.raises(InvalidEvidence), aws_errors.translated("bucket b"):
        raise InvalidEvidence("as it was")


def test_a_body_that_breaks_off() -> None:
    """An object whose reading breaks off is not available, and not taken for shorter than it is."""

    class Broken(Raw):
        def read(self, *_: Any) -> bytes:
            raise READ_TIMEOUT

    def answer(request: Any, **_: Any) -> AWSResponse:
        return AWSResponse(request.url, 200, {"Content-Length": "9", "ETag": '"e"'}, Broken())

    for call in (S3["a document is got"], S3["evidence is pinned"], S3["settings are read"]):
        s3 = client("s3")
        s3.meta.events.register("before-send", answer)
        with pytest.raises(Unavailable, match=r"^bucket bucket.* did not answer"):
            call(s3)

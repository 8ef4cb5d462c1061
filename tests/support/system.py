"""The deployed system in this process: moto behind its clients, DuckDB behind Athena, authorities on loopback."""

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from functions import announce, api, close, publish, renewal, schedule, verification, watch
from reports.evidence import source_s3
from reports.local_aws.gateway import Answer, Call, Context, Gateway, Routed, routing
from reports.service.parts import Deployed, Environment
from reports.signing.certificate_requests import self_signed
from reports.signing.keys_kms import KmsSigner
from tests.support import athena
from tests.support.athena import AthenaService, DuckDBAthena, over_folder
from tests.support.aws import REGION, client
from tests.support.pki import NOW, Network
from tests.support.publishing import GOLDEN
from tests.support.tools import PATIENCE

FUNCTIONS = (announce, api, close, publish, renewal, schedule, verification, watch)
EVIDENCE = GOLDEN / "quiet"
WINDOW = "2026-05-01/2026-05-07"
SCOPES = "briefings:read briefings:request"


@dataclass(frozen=True)
class System:
    """The deployed parts, and the services behind their clients."""

    parts: Deployed
    athena: AthenaService
    queue: str

    def settle(self, name: str, content: bytes | str) -> None:
        """Put a settings object there, in the place of what was."""
        body = content if isinstance(content, bytes) else content.encode()
        self._s3.put_object(Bucket=self.parts.environment.settings_bucket, Key=f"set/{name}", Body=body)

    def kept(self, prefix: str) -> list[str]:
        """The keys of the archive below a prefix."""
        found = self._s3.list_objects_v2(Bucket=self.parts.environment.archive_bucket, Prefix=prefix)
        return [each["Key"] for each in found.get("Contents", ())]

    def read(self, key: str) -> bytes:
        """An object of the archive."""
        bucket = self.parts.environment.archive_bucket
        return bytes(self._s3.get_object(Bucket=bucket, Key=key)["Body"].read())

    def delivered(self, *keys: str, number: int = 1, seconds: float = PATIENCE) -> dict[str, Any]:
        """What `publish` returns on a message about objects of the archive."""
        records = [{"s3": {"object": {"key": key}}} for key in keys]
        return self.message(json.dumps({"Records": records}), number, seconds)

    def message(self, body: str, number: int = 1, seconds: float = PATIENCE) -> dict[str, Any]:
        """What `publish` returns on a message of the queue."""
        sqs = client("sqs")
        sqs.send_message(QueueUrl=self.queue, MessageBody=body)
        (received,) = sqs.receive_message(QueueUrl=self.queue, VisibilityTimeout=3600)["Messages"]
        record = {
            "messageId": received["MessageId"],
            "receiptHandle": received["ReceiptHandle"],
            "body": body,
            "attributes": {"ApproximateReceiveCount": str(number)},
            "eventSourceARN": f"arn:aws:sqs:{REGION}:123456789012:{self.queue.rpartition('/')[2]}",
        }
        return publish.handler({"Records": [record]}, Context.lasting(seconds))

    def call(self, method: str, path: str, /, scope: str = SCOPES, sub: str = "one", **call: Any) -> Answer:
        """The answer of the API to a caller; `json` is a body."""
        headers = {name.lower(): value for name, value in call.pop("headers", {}).items()}
        if "json" in call:
            call["body"] = json.dumps(call.pop("json")).encode()
            headers = {"content-type": "application/json", **headers}
        return self.gateway(scope, sub).answer(Call(method, path, headers=headers, **call))

    def gateway(self, scope: str = SCOPES, sub: str = "one") -> Gateway:
        """The gateway, as a caller meets it whose token it has checked."""
        handlers = {"POST /verifications": verification.handler, "$default": api.handler}
        routes = [Routed(key, (), handler) for key, handler in handlers.items()]
        return Gateway(routing(routes), lambda _: {"sub": sub, "scope": scope})

    def requested(self, **wanted: str) -> str:
        """The id of a new request."""
        answer = self.call("POST", "/briefings", json={"window": WINDOW, "audience": "lawmaker", **wanted})
        assert answer.status == 202, answer.body
        return str(answer.json["id"])

    def make_ready(self, network: Network) -> Self:
        """Give it what it publishes with: evidence, a certificate, the root of its time-stamp authority, a marking."""
        environment = self.parts.environment
        for file in (f for f in EVIDENCE.rglob("*") if f.is_file() and f.name != "expected.json"):
            key = f"results/{file.relative_to(EVIDENCE).as_posix()}"
            self._s3.put_object(Bucket=environment.evidence_bucket, Key=key, Body=file.read_bytes())
        signer = KmsSigner.open(client("kms"), environment.signing_key)
        self.settle("chain.pem", self_signed(signer, "CN=Briefings", 365, NOW - timedelta(1)))
        self.settle("trust.pem", network.root.public_bytes(Encoding.PEM))
        self.settle("templates/issuer.yaml", "marking: TLP:CLEAR\n")
        return self

    @property
    def _s3(self) -> Any:
        return client("s3")


def _bucket(*, versioned: bool) -> str:
    name, s3 = f"bucket-{uuid4()}", client("s3")
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    if versioned:
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name


@pytest.fixture
def environment(aws: None, network: Network) -> dict[str, str]:
    """The variables of a new deployment, whose resources are there."""
    return variables(network)


@pytest.fixture
def bare(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> System:
    """A new deployment without any settings."""
    return deployment(environment, monkeypatch)


@pytest.fixture
def system(bare: System, network: Network) -> System:
    """A deployment that can publish."""
    return bare.make_ready(network)


def variables(network: Network) -> dict[str, str]:
    """Make the resources of a new deployment; the variables that name them."""
    kms = client("kms")
    signing = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
    hashing = kms.create_key(KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")
    name = f"exhibit-{uuid4()}"
    return {
        "EXHIBIT_ARCHIVE_BUCKET": _bucket(versioned=True),
        "EXHIBIT_EVIDENCE_BUCKET": _bucket(versioned=True),
        "EXHIBIT_EVIDENCE_PREFIX": "results/",
        "EXHIBIT_SETTINGS_BUCKET": _bucket(versioned=True),
        "EXHIBIT_SETTINGS_PREFIX": "set/",
        "EXHIBIT_UPLOADS_BUCKET": _bucket(versioned=False),
        "EXHIBIT_CELLS_BUCKET": _bucket(versioned=False),
        "EXHIBIT_WORKGROUP": "exhibit",
        "EXHIBIT_DATABASE": "exhibit",
        "EXHIBIT_SIGNING_KEY": signing["KeyMetadata"]["KeyId"],
        "EXHIBIT_PSEUDONYM_KEY": hashing["KeyMetadata"]["KeyId"],
        "EXHIBIT_TIMESTAMP_URLS": network.timestamper.url,
        "EXHIBIT_SETTLING_DAYS": "7",
        "EXHIBIT_MAX_RECEIVES": "4",
        "EXHIBIT_TOPIC": client("sns").create_topic(Name=name)["TopicArn"],
        "EXHIBIT_BUS": client("events").create_event_bus(Name=name)["EventBusArn"].rpartition("/")[2],
    }


def deployment(environment: dict[str, str], patch: pytest.MonkeyPatch) -> System:
    """A deployment with these variables, which the functions have from now on."""
    patch.setattr(source_s3, "UNSETTLED", timedelta(days=1))  # a slow machine lists as a quick one does
    parts = Deployed(Environment.read(environment))
    service = AthenaService(DuckDBAthena(over_folder(EVIDENCE)))
    clients = {name: client(name) for name in ("kms", "sqs", "sns", "events")}
    parts._clients |= {
        **clients,
        "athena": athena.client(service),
        "s3": client("s3", signature_version="s3v4"),
    }
    for function in FUNCTIONS:
        patch.setattr(function, "deployed", lambda: parts, raising=False)
    queue = client("sqs").create_queue(QueueName=parts.environment.bus)["QueueUrl"]
    return System(parts, service, queue)

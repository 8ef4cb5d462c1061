"""A deployed stack in an account of its own, which is healthy until a test breaks it."""

import json
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from ipaddress import IPv4Address
from pathlib import Path
from threading import Thread
from typing import Any

import boto3
import jsonschema
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from moto import mock_aws
from werkzeug.serving import make_server

from reports.cli import main
from reports.local_aws.deploy import deploy
from reports.local_aws.template import Stack
from reports.service.parts import Deployed, Environment
from reports.service.schedules import due, read
from reports.signing.certificate_requests import self_signed
from reports.signing.keys_kms import KmsSigner
from tests.support.aws import REGION, client, s3_client
from tests.support.pki import NOW, Network, certify, new_key, pem, usage

SCHEMA = json.loads((files("reports") / "schemas/doctor.schema.json").read_text())
DAYS = 40  # of evidence, of which the doctor looks at the last 30
SIZE = 1000  # bytes of an object
TODAY = datetime.now(UTC).date()
AUDIENCE = "exhibit"
DISCOVERY = "/.well-known/openid-configuration"
SCHEDULES = """schedules:
  - {name: weekly, audience: lawmaker, window: last-week, at: "08:00", time_zone: UTC}
"""


@dataclass
class Issuer:
    """An issuer of tokens on loopback: what it answers at a path."""

    certificate: Path
    url: str = ""
    pages: dict[str, Any] = field(default_factory=dict)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Sequence[bytes]:
        page = self.pages.get(environ["PATH_INFO"])
        start_response("404 Not Found" if page is None else "200 OK", [("Content-Type", "application/json")])
        return [page if isinstance(page, bytes) else json.dumps(page).encode()]


@contextmanager
def issuing(folder: Path) -> Iterator[Issuer]:
    """Serve an issuer over TLS, with a certificate in `folder` for this machine."""
    key = new_key()
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(IPv4Address("127.0.0.1"))])
    authority = x509.BasicConstraints(ca=True, path_length=None)
    extensions = (names, authority, usage("digital_signature", "key_cert_sign"))
    (folder / "issuer.key.pem").write_bytes(pem(key))
    (folder / "issuer.pem").write_bytes(certify(key, *extensions).public_bytes(Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "issuer.pem", folder / "issuer.key.pem")
    issuer = Issuer(folder / "issuer.pem")
    server = make_server("127.0.0.1", 0, issuer, threaded=True, ssl_context=context)
    issuer.url = f"https://localhost:{server.port}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        server.server_close()


@dataclass
class Clinic:
    """A stack, and what `exhibit doctor` says of it."""

    stack: Stack
    captured: pytest.CaptureFixture[str]

    def name(self, logical: str) -> str:
        """The physical id of a resource."""
        return self.stack.reference(logical)

    def put(self, name: str, content: bytes | str) -> None:
        """Put a settings file there."""
        body = content if isinstance(content, bytes) else content.encode()
        s3_client().put_object(Bucket=self.name("SettingsBucket"), Key=name, Body=body)

    def remove(self, name: str) -> None:
        """Remove a settings file."""
        s3_client().delete_object(Bucket=self.name("SettingsBucket"), Key=name)

    def deliver(self, name: str, content: bytes = bytes(SIZE)) -> None:
        """Put an object of evidence there."""
        s3_client().put_object(Bucket="evidence", Key=name, Body=content)

    def certify(self, since: datetime, days: int, key: str | None = None) -> None:
        """Put a certificate there, of the signing key or of another one."""
        signer = KmsSigner.open(client("kms"), key or self.name("SigningKey"))
        self.put("chain.pem", self_signed(signer, "CN=Briefings", days, since))

    @property
    def parts(self) -> Deployed:
        """The parts that its functions have."""
        return Deployed(Environment.read(self.stack.functions["publish"].environment))

    def publish_due(self) -> None:
        """Have all scheduled briefings that are due published."""
        requests = self.parts.requests
        for request in due(read(SCHEDULES), datetime.now(UTC), 7):
            requests.create(request)
            requests.publish(request.id, {})

    def said(self, *more: str) -> tuple[int, dict[str, Any]]:
        """The exit status, and what is printed as JSON, which has the form of its schema."""
        status = main(["doctor", "--stack", self.stack.name, "--json", "--quiet", *more])
        printed = self.captured.readouterr()
        assert printed.err == "", printed.err
        told = json.loads(printed.out)
        jsonschema.validate(told, SCHEMA, format_checker=jsonschema.FormatChecker())
        return status, told

    def findings(self) -> dict[str, list[tuple[str, str, str]]]:
        """What is not good, by check: the outcome, what it is and what to do."""
        return {
            each["check"]: [(f["outcome"], f["what"], f["remedy"]) for f in each["findings"]]
            for each in self.said()[1]["checks"]
            if each["findings"]
        }

    def only(self, check: str, outcome: str = "wrong") -> tuple[str, str]:
        """What is wrong and what to do, of the one finding of all checks."""
        found = self.findings()
        assert list(found) == [check], found
        ((how, what, remedy),) = found[check]
        assert how == outcome
        return what, remedy


@pytest.fixture(scope="session")
def issuer(slow: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Issuer]:
    """The issuer of tokens; a healthy one while no test has changed its pages."""
    with issuing(tmp_path_factory.mktemp("issuer")) as found:
        yield found


@pytest.fixture
def more() -> dict[str, str]:
    """More parameters of the stack."""
    return {}


@pytest.fixture
def clinic(
    network: Network,
    issuer: Issuer,
    more: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Clinic]:
    """A healthy stack."""
    issuer.pages = {DISCOVERY: {"issuer": issuer.url, "jwks_uri": f"{issuer.url}/keys"}}
    parameters = {
        "EvidenceBucket": "evidence",
        "JwtAudience": AUDIENCE,
        "JwtIssuer": issuer.url,
        "SigningKeySpec": "ECC_NIST_P256",
        "TimestampUrls": f"{network.timestamper.url},{network.timestamper.url}",
        **more,
    }
    with mock_aws():
        monkeypatch.setenv("SSL_CERT_FILE", str(issuer.certificate))
        monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
        monkeypatch.delenv("AWS_REGION", raising=False)
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
        found = Clinic(deploy(cache(client), parameters), capsys)
        for back in range(DAYS):
            day = TODAY - timedelta(back)
            found.deliver(f"detections/event_day={day}/part.parquet")
        place = f"region={REGION}/accountId={found.stack.account}/eventDay={TODAY:%Y%m%d}"
        found.deliver(f"ext/detections/{place}/part.parquet")
        found.certify(NOW - timedelta(1), 365)
        found.put("trust.pem", network.root.public_bytes(Encoding.PEM))
        found.put("schedules.yaml", SCHEDULES)
        found.publish_due()
        yield found

"""Keys, certificates and authorities for tests: the embedded default, faulty ones, and some on loopback."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from asn1crypto import tsp
from certomancer.integrations.aiohttp_animator import build_animator_app
from certomancer.registry import ArchLabel, CertLabel, CertomancerConfig
from certomancer.services import TimeStamper
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)
from cryptography.x509.oid import NameOID
from pyhanko_certvalidator.fetchers.aiohttp_fetchers import AIOHttpFetcherBackend

import reports.signing.sign
from reports import local
from reports.pages.assets import Resources
from reports.pages.render import DocumentMetadata, render_pdf
from reports.signing import timestamp
from reports.signing.keys import LocalAuthority, LocalKey
from reports.signing.sign import sign
from reports.signing.timestamp import HttpTimestamper, LocalTimestamper
from tests.support.tools import PATIENCE

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey
ENCRYPTION_USAGES = (
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "encipher_only",
    "decipher_only",
)
NOW = datetime.now(UTC).replace(microsecond=0)
PSEUDONYM_KEY = b"the key of golden pseudonyms: 32"
PAGE = "<html lang=en><title>Briefing</title><h1>Briefing</h1><p>Nothing happened.</p></html>"


def reading() -> datetime:
    """When a reader checks: after whatever has been signed until now, by whatever clock."""
    return datetime.now(UTC) + timedelta(hours=1)


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def pem(key: Key) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def certify(
    key: Key,
    *extensions: x509.ExtensionType,
    name: str = "Somebody",
    issuer: tuple[str, Key] | None = None,
    since: datetime = NOW - timedelta(days=1),
    until: datetime = NOW + timedelta(days=365),
) -> x509.Certificate:
    """A certificate, self-signed unless an issuer (its name and key) is given, with critical extensions."""
    by, by_key = issuer or (name, key)
    builder = x509.CertificateBuilder(_name(by), _name(name), key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(since).not_valid_after(until)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=True)
    brings_its_own = isinstance(by_key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey)
    return builder.sign(by_key, None if brings_its_own else hashes.SHA256())


def usage(*names: str) -> x509.KeyUsage:
    every = [*ENCRYPTION_USAGES, "digital_signature", "content_commitment", "key_cert_sign", "crl_sign"]
    return x509.KeyUsage(**{each: each in names for each in every})


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def stamper_of(authority: LocalAuthority, since: timedelta = timedelta()) -> LocalTimestamper:
    """The time-stamps of an authority whose clock stands, some time after `NOW`."""
    return LocalTimestamper(authority.stamp_key, lambda: NOW + since)


def sign_locally(pdf: bytes, authority: LocalAuthority) -> bytes:
    return sign(
        pdf, authority.key, stamper_of(authority), certificates=(authority.root,), crls=authority.crls
    )


def open_authority(keys: Path) -> LocalAuthority:
    """An authority in a folder, with the key for pseudonyms that the digests of golden briefings hold for."""
    opened = LocalAuthority.open(keys, NOW)
    (keys / "pseudonym.key").write_bytes(PSEUDONYM_KEY)
    return opened


@pytest.fixture(scope="session")
def unsigned() -> bytes:
    about = DocumentMetadata("Briefing", "EX-1", "Somebody", NOW)
    return render_pdf(PAGE, resources=Resources(), metadata=about)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> LocalAuthority:
    return open_authority(tmp_path_factory.mktemp("authority") / "keys")


@pytest.fixture(scope="session")
def signed(unsigned: bytes, authority: LocalAuthority) -> bytes:
    return sign_locally(unsigned, authority)


@dataclass(frozen=True, slots=True)
class Network:
    """What `pki.yaml` declares, served on loopback."""

    url: str
    root: x509.Certificate
    keys: Path

    @property
    def timestamper(self) -> HttpTimestamper:
        return HttpTimestamper(f"{self.url}/exhibit/tsa/stamper", timeout=PATIENCE)

    def key(self, name: str) -> LocalKey:
        return LocalKey.from_pem(self.keys / f"{name}.pem", self.keys / f"{name}.cert.pem", NOW)


@pytest.fixture(scope="session")
def network(slow: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    with serving(tmp_path_factory.mktemp("network")) as found, patient():
        yield found


_THEIRS = TimeStamper.request_tsa_response


def _stamp(stamper: TimeStamper, request: tsp.TimeStampReq) -> tsp.TimeStampResp:
    """What certomancer's authority answers, whose own tokens name their certificate by SHA-1 alone (ESS v1)."""
    certificate = x509.load_der_x509_certificate(stamper.tsa_cert.dump())
    private = load_der_private_key(stamper.tsa_key.dump(), None)
    assert isinstance(private, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)
    answer = LocalTimestamper(LocalKey((certificate,), private)).respond(request.dump())
    return tsp.TimeStampResp.load(answer)


@contextmanager
def patient() -> Iterator[None]:
    """Have whoever asks authorities on a network wait for as long as a busy machine takes."""
    waiting = {"timeout": PATIENCE}
    with pytest.MonkeyPatch.context() as patch:
        for module in (local, timestamp):
            patch.setattr(module, "HttpTimestamper", lambda url, **how: HttpTimestamper(url, **how | waiting))
        patch.setattr(
            reports.signing.sign,
            "AIOHttpFetcherBackend",
            lambda **_: AIOHttpFetcherBackend(per_request_timeout=PATIENCE),
        )
        yield


@contextmanager
def serving(keys: Path, outdated: bool = False) -> Iterator[Network]:
    """Make the keys in a folder, and serve; time-stamps may name their certificate by SHA-1 alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TimeStamper, "request_tsa_response", _THEIRS if outdated else _stamp)
        with _serving(keys) as network:
            yield network


@contextmanager
def _serving(keys: Path) -> Iterator[Network]:
    for name in ("root", "between", "signer", "revoked", "stamper", "answerer"):
        (keys / f"{name}.pem").write_bytes(pem(new_key()))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        declared = Path(__file__).with_name("pki.yaml").read_text()
        config = CertomancerConfig.from_yaml(declared, str(keys), external_url_prefix=url)
        architecture = config.get_pki_arch(ArchLabel("exhibit"))
        for name in ("root", "signer", "revoked"):
            der = architecture.get_cert(CertLabel(name)).dump()
            certificate = x509.load_der_x509_certificate(der)
            (keys / f"{name}.cert.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
        root = x509.load_pem_x509_certificate((keys / "root.cert.pem").read_bytes())
        with _Serving(build_animator_app({ArchLabel("exhibit"): architecture}, with_web_ui=False), listener):
            yield Network(url, root, keys)


class _Serving:
    """Serves an application from a thread of its own for as long as the block lasts."""

    def __init__(self, app: web.Application, listener: socket.socket) -> None:
        self.loop = asyncio.new_event_loop()
        self.runner = web.AppRunner(app)
        self.listener = listener
        self.thread = threading.Thread(target=self.loop.run_forever)

    def __enter__(self) -> None:
        self.thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self.loop).result(PATIENCE)

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self.runner.cleanup(), self.loop).result(PATIENCE)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(PATIENCE)
        self.loop.close()

    async def _start(self) -> None:
        await self.runner.setup()
        await web.SockSite(self.runner, self.listener).start()

"""A key in KMS: what it signs is valid, and how it comes to a certificate."""

import os
import subprocess
import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from reports.cli import main
from reports.core.certificates import chain_of, signing_fault
from reports.core.errors import InvalidRequest, InvalidSettings
from reports.signing.certificate_requests import self_signed, signing_request
from reports.signing.keys_kms import KmsKey, KmsSigner
from tests.contracts.signing_key import *  # noqa: F403
from tests.support.aws import REGION, client, s3_client
from tests.support.pki import NOW, certify, new_key, usage
from tests.support.tools import needs

SPECS = ["RSA_3072", "ECC_NIST_P256"]
SUBJECT = "CN=Briefings,O=Example Lab\\, Inc.,C=DE"
CA = x509.BasicConstraints(ca=True, path_length=None)


@pytest.fixture(scope="module")
def keys(aws: None) -> Mapping[str, str]:
    """The ids of a key of each kind, and of one that is not for signing."""
    kms = client("kms")
    ids = {
        spec: kms.create_key(KeySpec=spec, KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
        for spec in [*SPECS, "ECC_NIST_P384"]
    }
    encrypting = kms.create_key(KeySpec="RSA_3072", KeyUsage="ENCRYPT_DECRYPT")
    return {**ids, "encrypting": encrypting["KeyMetadata"]["KeyId"]}


@pytest.fixture(params=SPECS)
def signer(request: pytest.FixtureRequest, keys: Mapping[str, str]) -> KmsSigner:
    return KmsSigner.open(client("kms"), keys[request.param])


@pytest.fixture
def signing_key(signer: KmsSigner) -> KmsKey:
    return KmsKey.open(signer.client, signer.key_id, [certificate_of(signer)], NOW)


def certificate_of(signer: KmsSigner) -> x509.Certificate:
    return x509.load_pem_x509_certificate(self_signed(signer, SUBJECT, 365, NOW - timedelta(1)))


def issued(signer: KmsSigner, *extensions: x509.ExtensionType, **how: Any) -> tuple[x509.Certificate, ...]:
    """A certificate that an authority issued for a key, and the authority's."""
    by = new_key()
    leaf = certify(_Public(signer), *extensions, issuer=("Authority", by), **how)  # type: ignore[arg-type]
    return leaf, certify(by, CA, name="Authority")


class _Public:
    """Stands for a private key where only its public half is asked for."""

    def __init__(self, signer: KmsSigner) -> None:
        self.signer = signer

    def public_key(self) -> rsa.RSAPublicKey | ec.EllipticCurvePublicKey:
        return self.signer.public


def test_the_private_half_stays(signer: KmsSigner) -> None:
    """KMS is sent the message itself, to be hashed and signed there."""
    asked: list[Mapping[str, Any]] = []
    signer.client.meta.events.register(
        "provide-client-params.kms.Sign", lambda params, **_: asked.append(params)
    )
    signer.sign(b"message")
    (request,) = asked
    assert (request["Message"], request["MessageType"]) == (b"message", "RAW")


def test_the_chain_is_sorted(signer: KmsSigner) -> None:
    """Certificates may come in any order: the chain starts with that of the key."""
    leaf, root = issued(signer)
    stranger = certify(new_key(), name="Authority")
    assert KmsKey.open(signer.client, signer.key_id, [stranger, root, leaf], NOW).chain == (leaf, root)


@pytest.mark.parametrize(
    ("how", "extensions", "message"),
    [
        ({"until": NOW - timedelta(1), "since": NOW - timedelta(9)}, (), "expired at"),
        ({"since": NOW + timedelta(1)}, (), "not valid until"),
        ({}, (usage("key_cert_sign"),), "not for digital signatures"),
        ({}, (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]),), "for a purpose other than"),
    ],
    ids=["expired", "early", "usage", "purpose"],
)
def test_unfit_certificates(signer: KmsSigner, how: Any, extensions: Any, message: str) -> None:
    """A certificate that does not serve is refused, with the key and what is wrong."""
    with pytest.raises(InvalidSettings, match=f"chain for KMS key {signer.key_id}: .*{message}"):
        KmsKey.open(signer.client, signer.key_id, issued(signer, *extensions, **how), NOW)


def test_another_keys_certificate(signer: KmsSigner) -> None:
    """A certificate of another key is refused, with the name of the key in KMS."""
    with pytest.raises(
        InvalidSettings, match=f"{signer.key_id} does not hold the certificate of the signing key"
    ):
        KmsKey.open(signer.client, signer.key_id, [certify(new_key())], NOW)


@pytest.mark.parametrize("kind", ["ECC_NIST_P384", "encrypting"])
def test_keys_of_another_kind(keys: Mapping[str, str], kind: str) -> None:
    """A key that is not for signing, or of another curve, is refused with what serves."""
    with pytest.raises(
        InvalidSettings, match=f"KMS key {keys[kind]} cannot be used for signing briefings: use a key for"
    ):
        KmsSigner.open(client("kms"), keys[kind])


def test_no_such_key(aws: None) -> None:
    """A key that is not there is refused by its name, without the account's number."""
    arn = f"arn:aws:kms:{REGION}:123456789012:key/00000000-0000-0000-0000-000000000000"
    with pytest.raises(InvalidSettings, match=r"NotFoundException: .* check its id and region") as refused:
        KmsSigner.open(client("kms"), arn)
    assert "key/00000000-" in str(refused.value)
    assert "123456789012" not in str(refused.value)


# Requests and certificates


def test_a_signing_request(signer: KmsSigner) -> None:
    """A request names the subject, carries the key, asks for signing documents, and is signed by the key."""
    request = x509.load_pem_x509_csr(signing_request(signer, SUBJECT))
    assert request.is_signature_valid
    assert request.subject.rfc4514_string() == SUBJECT
    assert request.public_key() == signer.public
    purposes = request.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(purposes) == [ObjectIdentifier("1.3.6.1.5.5.7.3.36")]
    assert request.extensions.get_extension_for_class(x509.KeyUsage).value.content_commitment


@needs("openssl")
def test_openssl_accepts_a_signing_request(signer: KmsSigner) -> None:
    """OpenSSL verifies the request."""
    subprocess.run(
        ["openssl", "req", "-verify", "-noout"],
        input=signing_request(signer, SUBJECT),
        check=True,
        capture_output=True,
    )


def test_a_self_signed_certificate(signer: KmsSigner) -> None:
    """It is signed by its own key, in force for so many days, for documents alone, and can issue nothing."""
    certificate = x509.load_pem_x509_certificate(self_signed(signer, SUBJECT, 30, NOW))
    certificate.verify_directly_issued_by(certificate)
    assert certificate.version is x509.Version.v3
    assert certificate.subject.rfc4514_string() == SUBJECT
    assert certificate.not_valid_before_utc == NOW
    assert certificate.not_valid_after_utc == NOW + timedelta(30)
    assert signing_fault(certificate) is None
    assert chain_of(certificate, []) == (certificate,)
    basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    key_usage = certificate.extensions.get_extension_for_class(x509.KeyUsage)
    assert (basic.critical, basic.value.ca, key_usage.critical) == (True, False, True)
    identifier = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    assert identifier == x509.SubjectKeyIdentifier.from_public_key(signer.public)
    serials = {certificate_of(signer).serial_number for _ in range(2)}
    assert len(serials) == 2


def test_beyond_2049(signer: KmsSigner) -> None:
    """A certificate that lasts beyond 2049 says so in full."""
    long = x509.load_pem_x509_certificate(self_signed(signer, SUBJECT, 20_000, NOW))
    assert long.not_valid_after_utc == NOW + timedelta(20_000)


@pytest.mark.parametrize("days", [0, -1, 10_000_000])
def test_impossible_days(signer: KmsSigner, days: int) -> None:
    """A certificate is in force for some days, within the calendar."""
    with pytest.raises(InvalidRequest, match=f"--days {days}"):
        self_signed(signer, SUBJECT, days, NOW)


def test_impossible_subject(signer: KmsSigner) -> None:
    """What is no distinguished name is refused with an example."""
    with pytest.raises(InvalidRequest, match="'Example Lab' is not a name: write it like CN="):
        signing_request(signer, "Example Lab")


# The command line


@pytest.fixture
def account(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)


def said(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    status = main(["keys", *arguments])
    printed, complaint = capsys.readouterr()
    return status, (printed or complaint).strip()


@pytest.mark.usefixtures("account")
def test_from_key_to_bucket(
    signer: KmsSigner, bucket: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A self-signed certificate is written, checked against its key, and put into the bucket, again if need be."""
    file, key = tmp_path / "own.pem", ["--key", signer.key_id]
    subject = ["--subject", SUBJECT, "--out", str(file)]
    assert said(["self-signed", *key, *subject, "--days", "90"], capsys) == (0, f"certificate: {file}")
    for _ in range(2):
        to = ["--chain", str(file), "--to", f"s3://{bucket}/settings/"]
        assert said(["install", *key, *to], capsys) == (0, f"installed: s3://{bucket}/settings/chain.pem")
    stored = s3_client().get_object(Bucket=bucket, Key="settings/chain.pem")["Body"].read()
    assert stored == file.read_bytes()
    assert said(["csr", *key, *subject], capsys) == (
        2,
        f"exhibit: {file} cannot be written (File exists): name a new file",
    )


@pytest.mark.usefixtures("account")
def test_a_request_in_a_file(signer: KmsSigner, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The signing request lands in the file."""
    file = tmp_path / "request.pem"
    arguments = ["csr", "--key", signer.key_id, "--subject", SUBJECT, "--out", str(file)]
    assert said(arguments, capsys) == (0, f"signing request: {file}")
    assert x509.load_pem_x509_csr(file.read_bytes()).is_signature_valid


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize(
    "case",
    [
        (lambda leaf, root: [root], "does not hold the certificate of the signing key"),
        (
            lambda leaf, root: [leaf],
            "the issuer's certificate is missing: add the certificate of CN=Authority",
        ),
        (
            lambda leaf, root: [leaf, root, certify(new_key(), name="Other")],
            "CN=Other did not issue any of the others",
        ),
        (
            lambda leaf, root: [leaf, certify(new_key(), CA, name="Authority")],
            "CN=Authority did not issue any",
        ),
    ],
)
def test_chains_that_do_not_hold_together(
    signer: KmsSigner, bucket: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], case: tuple[Any, str]
) -> None:
    """Certificates are installed only if each is that of the key or issued the one before; nothing is put then."""
    choose, message = case
    file = tmp_path / "chain.pem"
    file.write_bytes(b"".join(c.public_bytes(Encoding.PEM) for c in choose(*issued(signer))))
    status, complaint = said(
        ["install", "--key", signer.key_id, "--chain", str(file), "--to", f"s3://{bucket}"], capsys
    )
    assert status == 2
    assert message in complaint
    assert "Contents" not in s3_client().list_objects_v2(Bucket=bucket)


@pytest.mark.usefixtures("account")
def test_a_chain_is_installed_in_order(
    signer: KmsSigner, bucket: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The key's certificate comes first, then its issuer, at the top of the bucket if no prefix is given."""
    leaf, root = issued(signer)
    file = tmp_path / "chain.pem"
    file.write_bytes(root.public_bytes(Encoding.PEM) + leaf.public_bytes(Encoding.PEM))
    said(["install", "--key", signer.key_id, "--chain", str(file), "--to", f"s3://{bucket}"], capsys)
    stored = s3_client().get_object(Bucket=bucket, Key="chain.pem")["Body"].read()
    assert x509.load_pem_x509_certificates(stored) == [leaf, root]


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize("to", ["bucket/prefix", "s3://", "s3:///prefix"])
def test_only_places_in_s3_are_accepted(tmp_path: Path, capsys: pytest.CaptureFixture[str], to: str) -> None:
    """A place that is not in S3 is refused."""
    status, complaint = said(["install", "--key", "k", "--chain", "c", "--to", to], capsys)
    assert status == 2
    assert "is not a place in S3: write it like s3://BUCKET/PREFIX" in complaint


def test_without_boto3(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without boto3 the command says what to install."""
    monkeypatch.setitem(sys.modules, "boto3", None)
    arguments = ["csr", "--key", "k", "--subject", "CN=x", "--out", str(tmp_path / "x")]
    assert said(arguments, capsys) == (
        2,
        "exhibit: this command needs boto3: install requirements-aws.txt of Exhibit's source",
    )


@pytest.mark.usefixtures("slow")
def test_without_a_region(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a region the command says so in one line."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setattr("boto3.DEFAULT_SESSION", None)
    arguments = ["csr", "--key", "k", "--subject", "CN=x", "--out", str(tmp_path / "x")]
    status, complaint = said(arguments, capsys)
    assert (status, complaint.count("\n")) == (2, 0)
    assert "You must specify a region" in complaint


@pytest.mark.usefixtures("slow")
def test_only_these_commands_load_boto3() -> None:
    """The command line does not load boto3 for anything else."""
    code = "import sys, reports.cli, reports.local; sys.exit('boto3' in sys.modules or 'botocore' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])

"""What a deployed stack needs before it can publish."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from reports.local_aws.template import Stack
from reports.signing.certificate_requests import self_signed
from reports.signing.keys_kms import KmsSigner
from tests.support.pki import NOW
from tests.support.publishing import GOLDEN

EVIDENCE = GOLDEN / "quiet"
WINDOW = "2026-05-01/2026-05-07"
PARAMETERS = {
    "EvidenceBucket": "evidence",
    "TimestampUrls": "http://127.0.0.1:9/",
    "JwtIssuer": "https://issuer.example",
    "JwtAudience": "exhibit",
}
Client = Callable[[str], Any]


def settle(client: Client, stack: Stack, root: x509.Certificate) -> None:
    """Put evidence, a marking, a certificate, and the root of the time-stamp authority where they belong."""
    s3, environment = client("s3"), stack.functions["publish"].environment
    evidence, settings = environment["EXHIBIT_EVIDENCE_BUCKET"], environment["EXHIBIT_SETTINGS_BUCKET"]
    s3.put_bucket_versioning(Bucket=evidence, VersioningConfiguration={"Status": "Enabled"})
    for file in (f for f in EVIDENCE.rglob("*") if f.is_file() and f.name != "expected.json"):
        s3.put_object(Bucket=evidence, Key=file.relative_to(EVIDENCE).as_posix(), Body=file.read_bytes())
    signer = KmsSigner.open(client("kms"), environment["EXHIBIT_SIGNING_KEY"])
    chain = self_signed(signer, "CN=Briefings", 365, NOW - timedelta(1))
    s3.put_object(Bucket=settings, Key="chain.pem", Body=chain)
    s3.put_object(Bucket=settings, Key="trust.pem", Body=root.public_bytes(Encoding.PEM))
    s3.put_object(Bucket=settings, Key="templates/issuer.yaml", Body=b"marking: TLP:CLEAR\n")

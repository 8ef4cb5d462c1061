"""Other validators agree on genuine files: pyHanko's of AdES, Poppler's, OpenSSL's, and the European Commission's."""

import asyncio
import io
import subprocess
from pathlib import Path

import pytest
from asn1crypto import pem
from pyhanko.keys.internal import translate_pyca_cryptography_cert_to_asn1 as to_asn1
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.ades.report import AdESPassed
from pyhanko.sign.validation import DocumentSecurityStore
from pyhanko.sign.validation.ades import ades_lta_validation
from pyhanko.sign.validation.policy_decl import PdfSignatureValidationSpec, SignatureValidationSpec
from pyhanko_certvalidator.context import CertValidationPolicySpec
from pyhanko_certvalidator.ltv.types import ValidationTimingInfo
from pyhanko_certvalidator.policy_decl import CertRevTrustPolicy, RevocationCheckingPolicy
from pyhanko_certvalidator.registry import SimpleTrustManager

from reports.core.certificates import load_certificates
from reports.signing.keys import LocalAuthority
from tests.support.dss import NotToBeHad, Reading, Signature, validate
from tests.support.pki import reading
from tests.support.publishing import Published
from tests.support.tools import needs
from tests.verification.test_editions import Edition, editions

pytestmark = pytest.mark.usefixtures("slow")

KINDS = (
    *("rsa-4096", "p-384", "p-521", "pss", "two-between", "network", "network-renewed-5", "openssl-renewed"),
    *("expired", "thirty-years"),
)
GENUINE = {kind: editions()[f"0.5.0 {kind}"] for kind in KINDS}
SAMPLE = ("lawmaker letter", "lawmaker a4", "regulator letter", "regulator a4")
# The authority of one's own answers no questions: what it has to say is in the file
MISSING = {"The authority info access is not present!", "The revocation info access is not present!"}


@pytest.fixture(params=GENUINE)
def edition(request: pytest.FixtureRequest) -> Edition:
    """A genuine file: each kind of key and authority, renewed, and read when its signer's certificate has expired."""
    return GENUINE[request.param]


def test_pyhanko(edition: Edition) -> None:
    """Its validation for the long term (EN 319 102-1) passes, and finds each certificate not revoked."""
    trust = [to_asn1(each) for file in edition.trust for each in load_certificates(file)]
    policy = CertValidationPolicySpec(
        SimpleTrustManager.build(trust_roots=trust),
        CertRevTrustPolicy(RevocationCheckingPolicy.from_legacy("require")),
    )
    (signature,) = PdfFileReader(io.BytesIO(edition.pdf)).embedded_regular_signatures

    found = asyncio.run(
        ades_lta_validation(
            signature,
            PdfSignatureValidationSpec(SignatureValidationSpec(cert_validation_policy=policy)),
            ValidationTimingInfo(edition.at, edition.at, point_in_time_validation=True),
        )
    )

    assert found.ades_subindic == AdESPassed.OK


@needs("pdfsig")
def test_poppler(edition: Edition, tmp_path: Path) -> None:
    """The signature is valid; Poppler cannot check time-stamps."""
    (tmp_path / "signed.pdf").write_bytes(edition.pdf)

    shown = subprocess.run(
        ["pdfsig", "-nocert", tmp_path / "signed.pdf"], check=True, capture_output=True, text=True
    )

    assert shown.stdout.count("Signature Validation: Signature is Valid.") == 1
    assert shown.stdout.count("Signature has not yet been verified.") == shown.stdout.count("Signature #") - 1


@needs("openssl")
def test_openssl(edition: Edition, tmp_path: Path) -> None:
    """The signature is over the bytes that it covers, by a certificate that leads to what is trusted."""
    (signature,) = PdfFileReader(io.BytesIO(edition.pdf)).embedded_regular_signatures
    _, end, start, length = signature.byte_range
    (tmp_path / "signature").write_bytes(signature.pkcs7_content)
    (tmp_path / "covered").write_bytes(edition.pdf[:end] + edition.pdf[start : start + length])
    stored = DocumentSecurityStore.read_dss(PdfFileReader(io.BytesIO(edition.pdf))).load_certs()
    between = [pem.armor("CERTIFICATE", each.dump()) for each in stored if each.issuer != each.subject]
    (tmp_path / "trust").write_bytes(b"".join([*(file.read_bytes() for file in edition.trust), *between]))
    then = f"{signature.self_reported_timestamp.timestamp():.0f}"
    command = ["openssl", "cms", "-verify", "-binary", "-inform", "DER", "-purpose", "any", "-attime", then]
    files = {"-in": "signature", "-content": "covered", "-CAfile": "trust"}

    subprocess.run(
        [
            *command,
            "-out",
            "/dev/null",
            *(part for name, file in files.items() for part in (name, tmp_path / file)),
        ],
        check=True,
        capture_output=True,
    )


@pytest.fixture(scope="module")
def dss(
    sample_briefings: dict[str, Published],
    authority: LocalAuthority,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Signature]:
    """What DSS says of each of the sample's briefings and of each genuine file."""
    folder = tmp_path_factory.mktemp("genuine")
    trust = (authority.directory / "root.cert.pem",)
    asked = {name: Reading(sample_briefings[name].pdf, reading(), trust) for name in SAMPLE}
    for name, edition in GENUINE.items():
        (folder / name).write_bytes(edition.pdf)
        asked[name] = Reading(folder / name, edition.at, edition.trust)
    try:
        found = validate(list(asked.values()))
    except NotToBeHad as why:
        pytest.skip(str(why))
    assert [signature.file for signature in found] == [each.file for each in asked.values()]
    return dict(zip(asked, found, strict=True))


def test_dss(dss: dict[str, Signature]) -> None:
    """Each signature's format is the highest of PAdES, and it passes."""
    found = {name: (each.format, each.indication, each.errors) for name, each in dss.items()}

    assert found == dict.fromkeys([*SAMPLE, *GENUINE], ("PAdES-BASELINE-LTA", "TOTAL_PASSED", []))


def test_nothing_is_suspicious_to_dss(dss: dict[str, Signature]) -> None:
    """On the pages no element lies on another, and nothing changed after signing."""
    assert {warning for each in dss.values() for warning in each.warnings} <= MISSING

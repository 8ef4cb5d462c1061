import asyncio
import io
import subprocess
from datetime import timedelta
from hashlib import sha256
from itertools import count
from pathlib import Path

import pytest
from asn1crypto import tsp
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko.keys.internal import translate_pyca_cryptography_cert_to_asn1 as to_asn1
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import async_validate_pdf_signature, async_validate_pdf_timestamp
from pyhanko.sign.validation.dss import DocumentSecurityStore
from pyhanko_certvalidator import ValidationContext

from reports.core.errors import InvalidRequest, InvalidSettings, Unavailable
from reports.pdf.cms import read_signature, read_token
from reports.signing.keys import LocalAuthority, LocalKey
from reports.signing.sign import sign
from reports.signing.timestamp import HttpTimestamper, LocalTimestamper
from reports.verification.signature import verify
from tests.support import conformance, remade
from tests.support.pki import (
    NOW,
    Key,
    Network,
    certify,
    new_key,
    pem,
    reading,
    serving,
    sign_locally,
    stamper_of,
)
from tests.support.tools import needs, needs_verapdf


def opened(pdf: bytes) -> PdfFileReader:
    return PdfFileReader(io.BytesIO(pdf))


def valid(pdf: bytes, *trust: x509.Certificate) -> bool:
    return {verdict.outcome for verdict in verify(pdf, trust, reading())} == {"valid"}


class Fixed:
    """An authority that always says the same."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer

    def respond(self, request: bytes) -> bytes:
        return self.answer

    def __str__(self) -> str:
        return "time-stamp authority Fixed"


def test_input_stays(unsigned: bytes, signed: bytes) -> None:
    """The signed file starts with the bytes that were to be signed."""
    assert signed.startswith(unsigned)


def test_baseline(signed: bytes) -> None:
    """The signature is PAdES: CAdES, the certificate by its SHA-256, no signing time among the attributes."""
    (signature,) = opened(signed).embedded_regular_signatures
    attributes = {each["type"].native for each in signature.signer_info["signed_attrs"]}
    assert signature.sig_object["/SubFilter"] == "/ETSI.CAdES.detached"
    assert {"content_type", "message_digest", "signing_certificate_v2"} <= attributes
    assert "signing_time" not in attributes


def test_signature_time_stamp(signed: bytes) -> None:
    """The signature carries an RFC 3161 time-stamp of itself (level B-T)."""
    (signature,) = opened(signed).embedded_regular_signatures
    (attribute,) = signature.signer_info["unsigned_attrs"]
    assert attribute["type"].native == "signature_time_stamp_token"
    info = attribute["values"][0]["content"]["encap_content_info"]["content"].parsed
    stamped = sha256(signature.signer_info["signature"].native).digest()
    assert info["message_imprint"]["hashed_message"].native == stamped


def test_security_store(signed: bytes, authority: LocalAuthority) -> None:
    """The file holds the certificates and the revocation list that a checker needs (level B-LT)."""
    store = DocumentSecurityStore.read_dss(opened(signed))
    held = {certificate.dump() for certificate in store.load_certs()}
    needed = {*authority.key.chain, *authority.stamp_key.chain}
    assert held == {certificate.public_bytes(Encoding.DER) for certificate in needed}
    lists = [x509.load_der_x509_crl(crl.get_object().data) for crl in store.crls]
    assert [each.issuer for each in lists] == [authority.key.chain[1].subject, authority.root.subject]


def test_lists_are_issued_after_the_signature(unsigned: bytes, authority: LocalAuthority) -> None:
    """The list about the signing key is as old as the signature's time-stamp, and no younger than the document's."""
    seconds = count()
    stamper = LocalTimestamper(authority.stamp_key, lambda: NOW + timedelta(seconds=next(seconds)))
    pdf = sign(unsigned, authority.key, stamper, certificates=[authority.root], crls=authority.crls)
    held = DocumentSecurityStore.read_dss(opened(pdf)).crls
    lists = [x509.load_der_x509_crl(each.get_object().data) for each in held]
    (own,) = (each for each in lists if each.issuer == authority.key.chain[1].subject)
    (first, _), (second, _) = remade.revisions(pdf)
    signed, sealed = read_token(read_signature(first.held.content).token), read_token(second.held.content)
    assert own.last_update_utc == signed.time < sealed.time
    assert valid(pdf, authority.root)


def test_document_time_stamp(signed: bytes) -> None:
    """A time-stamp of the document covers everything to the last byte (level B-LTA)."""
    *_, last = opened(signed).embedded_signatures
    assert last.sig_object_type == "/DocTimeStamp"
    assert last.byte_range[2] + last.byte_range[3] == len(signed)


def test_second_opinion_of_pyhanko(signed: bytes, authority: LocalAuthority) -> None:
    """pyHanko's own validation finds nothing to object to."""
    reader = opened(signed)
    context = DocumentSecurityStore.read_dss(reader).as_validation_context(
        {"trust_roots": [to_asn1(authority.root)], "revocation_mode": "require"}
    )
    assert isinstance(context, ValidationContext)
    (signature,), (stamp,) = reader.embedded_regular_signatures, reader.embedded_timestamp_signatures
    signature_status = asyncio.run(async_validate_pdf_signature(signature, context))
    stamp_status = asyncio.run(async_validate_pdf_timestamp(stamp, context))
    assert signature_status.bottom_line, signature_status.pretty_print_details()
    assert stamp_status.valid
    assert stamp_status.intact
    assert stamp_status.trusted


@needs("pdfsig")
@needs("certutil")
def test_second_opinion_of_poppler(signed: bytes, authority: LocalAuthority, tmp_path: Path) -> None:
    """Poppler finds the signature valid, and trusted by whoever trusts the root."""
    database = f"sql:{tmp_path}"
    root = authority.directory / "root.cert.pem"
    subprocess.run(["certutil", "-N", "-d", database, "--empty-password"], check=True)
    subprocess.run(["certutil", "-A", "-d", database, "-n", "root", "-t", "CT,C,C", "-i", root], check=True)
    (tmp_path / "signed.pdf").write_bytes(signed)
    shown = subprocess.run(
        ["pdfsig", "-nssdir", database, tmp_path / "signed.pdf"], check=True, capture_output=True, text=True
    ).stdout
    assert "Signature Validation: Signature is Valid." in shown
    assert "Certificate Validation: Certificate is Trusted." in shown
    assert "Total document signed" in shown


@needs("openssl")
def test_second_opinion_of_openssl(signed: bytes, authority: LocalAuthority, tmp_path: Path) -> None:
    """OpenSSL verifies the signature over the bytes that it covers."""
    (signature,) = opened(signed).embedded_regular_signatures
    _, end, start, length = signature.byte_range
    (tmp_path / "signature").write_bytes(signature.pkcs7_content)
    (tmp_path / "covered").write_bytes(signed[:end] + signed[start : start + length])
    files: list[str | Path] = [
        "-in",
        tmp_path / "signature",
        "-content",
        tmp_path / "covered",
        "-out",
        tmp_path / "out",
    ]
    trust: list[str | Path] = ["-CAfile", authority.directory / "root.cert.pem", "-purpose", "any"]
    subprocess.run(
        ["openssl", "cms", "-verify", "-binary", "-inform", "DER", *files, *trust],
        check=True,
        capture_output=True,
    )


def test_certified_without_changes(signed: bytes) -> None:
    """The signature certifies the document and permits no changes."""
    (signature,) = opened(signed).embedded_regular_signatures
    assert opened(signed).root["/Perms"]["/DocMDP"] == signature.sig_object
    assert signature.docmdp_level.value == 1


def test_invisible(signed: bytes) -> None:
    """Nothing appears on the page: both fields are without extent and off it."""
    for embedded in opened(signed).embedded_signatures:
        left, bottom, right, top = embedded.sig_field["/Rect"]
        assert (left, bottom) == (right, top)
        assert left < 0
        assert "/AP" not in embedded.sig_field


def test_metadata_stay(unsigned: bytes, signed: bytes) -> None:
    """Signing leaves the metadata as they were."""
    before, after = opened(unsigned), opened(signed)
    assert before.root["/Metadata"].data == after.root["/Metadata"].data
    assert before.trailer["/Info"] == after.trailer["/Info"]
    assert "/Version" not in after.root


@pytest.mark.usefixtures("slow")
@needs_verapdf()
def test_still_an_archive(signed: bytes, tmp_path: Path) -> None:
    """The file conforms to PDF/A-3a after signing as before."""
    (tmp_path / "signed.pdf").write_bytes(signed)
    (verdict,) = conformance.validate([tmp_path / "signed.pdf"], ["3a"])
    assert verdict.broken == ()


@pytest.mark.parametrize(
    "private",
    [
        rsa.generate_private_key(65537, 3072),
        ec.generate_private_key(ec.SECP384R1()),
        ec.generate_private_key(ec.SECP521R1()),
    ],
    ids=["RSA", "P-384", "P-521"],
)
def test_other_keys(unsigned: bytes, authority: LocalAuthority, tmp_path: Path, private: Key) -> None:
    """RSA of 3072 bits and the longer curves sign as well as P-256, each with the digest of its strength."""
    certificate = certify(private)
    (tmp_path / "key.pem").write_bytes(pem(private) + certificate.public_bytes(Encoding.PEM))
    key = LocalKey.from_pem(tmp_path / "key.pem", tmp_path / "key.pem", NOW)
    stamper = stamper_of(authority)
    pdf = sign(unsigned, key, stamper, certificates=[authority.root], crls=authority.crls)
    assert valid(pdf, certificate, authority.root)
    (signature,) = opened(pdf).embedded_regular_signatures
    context = ValidationContext(trust_roots=[to_asn1(certificate)])
    status = asyncio.run(async_validate_pdf_signature(signature, context))
    assert status.intact
    assert status.valid


def test_authorities_on_the_network(unsigned: bytes, network: Network) -> None:
    """What certificates declare is fetched (issuers, revocation lists, OCSP answers) and kept in the file."""
    pdf = sign(unsigned, network.key("signer"), network.timestamper)
    store = DocumentSecurityStore.read_dss(opened(pdf))
    assert store.crls
    assert store.ocsps
    assert valid(pdf, network.root)


def test_revoked_key(unsigned: bytes, network: Network) -> None:
    """A key whose certificate was revoked is refused."""
    with pytest.raises(InvalidSettings, match="was revoked at"):
        sign(unsigned, network.key("revoked"), network.timestamper)


@pytest.mark.usefixtures("slow")
def test_silent_time_stamp_authority(unsigned: bytes, authority: LocalAuthority) -> None:
    """Without an answer of the time-stamp authority there is no signature."""
    gone = HttpTimestamper("http://127.0.0.1:1/tsa", sleep=lambda _: None)
    with pytest.raises(Unavailable, match=r"time-stamp authority http://127\.0\.0\.1:1/tsa did not answer"):
        sign(unsigned, authority.key, gone)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"", "authority Fixed gave an answer that is not a time-stamp"),
        (b"<html>Welcome</html>", "authority Fixed gave an answer that is not a time-stamp"),
        (
            b"\x30\x07" + tsp.PKIStatusInfo({"status": "rejection", "status_string": []}).dump(),
            "authority Fixed rejected the request",
        ),
    ],
    ids=["empty", "page", "rejection"],
)
def test_useless_answers(unsigned: bytes, authority: LocalAuthority, answer: bytes, told: str) -> None:
    """An answer that is no time-stamp counts as none, and the authority is named."""
    with pytest.raises(Unavailable, match=told):
        sign(unsigned, authority.key, Fixed(answer))


@pytest.mark.usefixtures("slow")
def test_outdated_authority(unsigned: bytes, authority: LocalAuthority, tmp_path: Path) -> None:
    """An authority that names its certificate by SHA-1 alone is refused by name, before anything is signed."""
    with serving(tmp_path, outdated=True) as network:
        refused = r"stamper gave an unusable time-stamp \(it identifies .*ESS v1"
        with pytest.raises(Unavailable, match=refused):
            sign(unsigned, authority.key, network.timestamper, crls=authority.crls)


def test_replayed_answer(unsigned: bytes, authority: LocalAuthority) -> None:
    """An authority that repeats an old answer is found out by the nonce."""
    request = tsp.TimeStampReq(
        {
            "version": 1,
            "message_imprint": {"hash_algorithm": {"algorithm": "sha256"}, "hashed_message": bytes(32)},
            "nonce": 1,
        }
    )
    old = stamper_of(authority).respond(request.dump())
    with pytest.raises(Unavailable, match="gave the time-stamp for another request"):
        sign(unsigned, authority.key, Fixed(old))


@pytest.mark.usefixtures("slow")
def test_silent_revocation_service(unsigned: bytes, authority: LocalAuthority, tmp_path: Path) -> None:
    """A revocation list that a certificate declares and nobody serves stops the signature."""
    root_key, key = new_key(), new_key()
    gone = [x509.UniformResourceIdentifier("http://127.0.0.1:1/list.crl")]
    declared = x509.CRLDistributionPoints([x509.DistributionPoint(gone, None, None, None)])
    root = certify(root_key, x509.BasicConstraints(True, None), name="Root")
    leaf = certify(key, declared, issuer=("Root", root_key))
    (tmp_path / "key.pem").write_bytes(
        pem(key) + b"".join(each.public_bytes(Encoding.PEM) for each in (leaf, root))
    )
    declaring = LocalKey.from_pem(tmp_path / "key.pem", tmp_path / "key.pem", NOW)
    stamper = stamper_of(authority)
    with pytest.raises(Unavailable, match="try again later"):
        sign(unsigned, declaring, stamper, certificates=[authority.root], crls=authority.crls)


def test_missing_issuer(unsigned: bytes, authority: LocalAuthority, tmp_path: Path) -> None:
    """A time-stamp authority whose issuer is not known is refused, and the issuer named."""
    private = new_key()
    (tmp_path / "key.pem").write_bytes(pem(private) + certify(private).public_bytes(Encoding.PEM))
    key = LocalKey.from_pem(tmp_path / "key.pem", tmp_path / "key.pem", NOW)
    missing = "is given without its issuer's: add the certificate of CN=Exhibit local issuing authority"
    alone = authority.stamp_key._private
    with pytest.raises(InvalidSettings, match=missing):
        sign(unsigned, key, LocalTimestamper(LocalKey(authority.stamp_key.chain[:1], alone)))


def test_signing_twice(signed: bytes, authority: LocalAuthority) -> None:
    """A file that is signed already is refused."""
    with pytest.raises(InvalidRequest, match="is already signed"):
        sign_locally(signed, authority)


@pytest.mark.parametrize("pdf", [b"", b"not a PDF", b"%PDF-1.7\n"])
def test_signing_something_else(pdf: bytes, authority: LocalAuthority) -> None:
    """What is not a PDF is refused."""
    with pytest.raises(InvalidRequest, match="the PDF cannot be signed"):
        sign_locally(pdf, authority)


def test_clock_of_the_authority(unsigned: bytes, authority: LocalAuthority) -> None:
    """The time of the signature is that of the time-stamp authority."""
    later = NOW + timedelta(minutes=2)
    stamper = stamper_of(authority, timedelta(minutes=2))
    pdf = sign(unsigned, authority.key, stamper, certificates=[authority.root], crls=authority.crls)
    *_, stamp = verify(pdf, [authority.root], NOW + timedelta(minutes=3))
    assert f"signed by {later:%Y-%m-%dT%H:%M:%SZ}" in stamp.detail

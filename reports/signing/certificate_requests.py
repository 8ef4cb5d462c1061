"""Signing requests and certificates for a private key that never leaves its key service."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from asn1crypto import algos, csr, keys, pem, x509  # type: ignore[import-untyped]
from cryptography import x509 as pyca
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from reports.core.errors import InvalidRequest, InvalidSettings
from reports.signing.keys_kms import KmsKey, KmsSigner

DOCUMENT_SIGNING = "1.3.6.1.5.5.7.3.36"  # RFC 9336
EXPIRES_AT_MOST = datetime(9999, 12, 31)


def signing_request(signer: KmsSigner, subject: str) -> bytes:
    """A PKCS #10 request (RFC 2986) in PEM, signed by the key, that asks for a certificate for signing documents.

    `subject` is a distinguished name (RFC 4514), the most specific part first: `CN=…,O=…,C=…`. Raises
    `InvalidRequest` if it is not one, and what the key raises.
    """
    info = csr.CertificationRequestInfo(
        {
            "version": "v1",
            "subject": _name(subject),
            "subject_pk_info": _public(signer),
            "attributes": [{"type": "extension_request", "values": [_purposes()]}],
        }
    )
    request = csr.CertificationRequest(
        {
            "certification_request_info": info,
            "signature_algorithm": _algorithm(signer),
            "signature": signer.sign(info.dump()),
        }
    )
    return bytes(pem.armor("CERTIFICATE REQUEST", request.dump()))


def self_signed(signer: KmsSigner, subject: str, days: int, now: datetime) -> bytes:
    """A certificate (RFC 5280, version 3) in PEM that the key signs for itself, in force from `now` for some days.

    It is for signing documents and cannot issue certificates. Raises `InvalidRequest` if `subject` is not a name as in
    `signing_request`, or the days are not positive or end after the calendar; and the errors of the key.
    """
    name, public, start = _name(subject), _public(signer), now.replace(microsecond=0)
    if not 0 < days < (EXPIRES_AT_MOST - start.replace(tzinfo=None)).days:
        raise InvalidRequest(f"--days {days}: give the number of days that the certificate is to be valid")
    body = x509.TbsCertificate(
        {
            "version": "v3",
            "serial_number": secrets.randbits(158) + 1,
            "signature": _algorithm(signer),
            "issuer": name,
            "validity": {
                "not_before": x509.Time(_time(start)),
                "not_after": x509.Time(_time(start + timedelta(days))),
            },
            "subject": name,
            "subject_public_key_info": public,
            "extensions": [
                _extension("basic_constraints", {"ca": False}, critical=True),
                *_purposes(),
                _extension("key_identifier", hashlib.sha1(bytes(public["public_key"])).digest()),  # noqa: S324 -- RFC 5280, 4.2.1.2
            ],
        }
    )
    certificate = x509.Certificate(
        {
            "tbs_certificate": body,
            "signature_algorithm": _algorithm(signer),
            "signature_value": signer.sign(body.dump()),
        }
    )
    return bytes(pem.armor("CERTIFICATE", certificate.dump()))


def whole_chain(key: KmsKey, certificates: Sequence[pyca.Certificate]) -> bytes:
    """The certificates of a key in PEM, each followed by its issuer.

    Raises `InvalidSettings` if a certificate issued none of the others, or the issuer of the key's own is missing.
    """
    for certificate in certificates:
        if certificate not in key.chain:
            name = certificate.subject.rfc4514_string()
            raise InvalidSettings(
                f"certificate {name} did not issue any of the others: leave it out, or add the missing one"
            )
    leaf = key.chain[0]
    if len(key.chain) == 1 and leaf.issuer != leaf.subject:
        issuer = leaf.issuer.rfc4514_string()
        raise InvalidSettings(f"the issuer's certificate is missing: add the certificate of {issuer}")
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in key.chain)


def _name(subject: str) -> Any:
    try:
        name = pyca.Name.from_rfc4514_string(subject)
    except ValueError:
        raise InvalidRequest(
            f"--subject {subject!r} is not a name: write it like CN=Example,O=Example,C=DE"
        ) from None
    return x509.Name.load(name.public_bytes())


def _public(signer: KmsSigner) -> Any:
    return keys.PublicKeyInfo.load(
        signer.public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    )


def _algorithm(signer: KmsSigner) -> Any:
    name = "sha256_rsa" if isinstance(signer.public, rsa.RSAPublicKey) else "sha256_ecdsa"
    return algos.SignedDigestAlgorithm({"algorithm": name})


def _purposes() -> list[Any]:
    return [
        _extension("key_usage", {"digital_signature", "non_repudiation"}, critical=True),
        _extension("extended_key_usage", [DOCUMENT_SIGNING]),
    ]


def _extension(name: str, value: Any, critical: bool = False) -> Any:
    return x509.Extension({"extn_id": name, "critical": critical, "extn_value": value})


def _time(instant: datetime) -> dict[str, datetime]:
    """RFC 5280, 4.1.2.5: two digits for a year before 2050."""
    return {"utc_time" if instant.year < 2050 else "general_time": instant}

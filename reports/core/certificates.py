"""Certificates: reading them from files, ordering their chain, and checking what they may be used for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from reports.core.errors import InvalidSettings, kind_of

DOCUMENT_PURPOSES = frozenset(
    {
        ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
        ExtendedKeyUsageOID.EMAIL_PROTECTION,
        ObjectIdentifier("1.3.6.1.5.5.7.3.36"),  # document signing, RFC 9336
        ObjectIdentifier("1.3.6.1.4.1.311.10.3.12"),  # document signing, Microsoft
        ObjectIdentifier("1.2.840.113583.1.1.5"),  # authentic documents, Adobe
    }
)


MOST_BYTES = 16 * 2**20  # a bundle of all the world's roots is less than one mebibyte


def load_certificates(file: Path) -> tuple[x509.Certificate, ...]:
    """Read one DER certificate, or every PEM certificate of a file, in the order of the file.

    Raises `InvalidSettings`, naming the file, when there is none or one does not parse.
    """
    return certificates_in(content_of(file), str(file))


def certificates_in(data: bytes, where: str) -> tuple[x509.Certificate, ...]:
    """Read certificates as `load_certificates` does, from bytes that come from `where`."""
    try:
        if b"-----BEGIN" in data:
            return tuple(x509.load_pem_x509_certificates(data))
        return (x509.load_der_x509_certificate(data),)
    except (ValueError, UnsupportedAlgorithm):
        raise InvalidSettings(
            f"{where} does not hold a readable certificate: give one as PEM or DER"
        ) from None


def chain_of(
    leaf: x509.Certificate, certificates: Iterable[x509.Certificate]
) -> tuple[x509.Certificate, ...]:
    """The certificate, its issuer from `certificates`, and so on, as far as they are known."""
    pool, chain = list(certificates), [leaf]
    while chain[-1].issuer != chain[-1].subject:
        issuer = next((c for c in pool if c not in chain and issued_by(chain[-1], c)), None)
        if issuer is None:
            break
        chain.append(issuer)
    return tuple(chain)


def serving_chain(
    public: PublicKeyTypes, certificates: Sequence[x509.Certificate], where: str, now: datetime
) -> tuple[x509.Certificate, ...]:
    """The certificate of a public key, its issuer, and so on, as far as they are among `certificates`.

    Raises `InvalidSettings`, saying `where` they come from, if none is for the key, or if it cannot be used to sign
    documents at `now`.
    """
    leaf = next((c for c in certificates if same_key(c.public_key(), public)), None)
    if leaf is None:
        raise InvalidSettings(
            f"{where} does not hold the certificate of the signing key: give the one issued for it"
        )
    _in_force(leaf, where, now)
    if fault := signing_fault(leaf):
        raise InvalidSettings(f"{where}: {fault}: use a certificate for signing documents")
    return chain_of(leaf, certificates)


def signing_fault(certificate: x509.Certificate) -> str | None:
    """Why a certificate cannot be used for signing documents (RFC 5280, 4.2.1.3; RFC 9336), or None."""
    name = certificate.subject.rfc4514_string()
    for extension in certificate.extensions:
        value = extension.value
        if isinstance(value, x509.KeyUsage) and not (value.digital_signature or value.content_commitment):
            return f"certificate {name} is not for digital signatures"
        if isinstance(value, x509.ExtendedKeyUsage) and DOCUMENT_PURPOSES.isdisjoint(value):
            return f"certificate {name} is for a purpose other than signing documents"
    return None


def issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether a certificate was signed with the key of another, whose name it gives as its issuer's."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def same_key(one: PublicKeyTypes, other: PublicKeyTypes) -> bool:
    """Whether two public keys are the same."""
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return one.public_bytes(*form) == other.public_bytes(*form)


def _in_force(certificate: x509.Certificate, where: str, now: datetime) -> None:
    first, last = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now > last:
        raise InvalidSettings(
            f"{where}: the certificate expired at {last:%Y-%m-%dT%H:%M:%SZ}: give one that is valid now"
        )
    if now < first:
        raise InvalidSettings(
            f"{where}: the certificate is not valid until {first:%Y-%m-%dT%H:%M:%SZ}: wait, or set the clock"
        )


def content_of(file: Path) -> bytes:
    """The bytes of a file of keys or certificates; raises `InvalidSettings`, naming it, as `load_certificates` does."""
    try:
        with file.open("rb") as opened:
            content = opened.read(MOST_BYTES + 1)
    except OSError as error:
        raise kind_of(error, InvalidSettings)(f"{file} cannot be read: {error.strerror}") from None
    if len(content) > MOST_BYTES:
        raise InvalidSettings(
            f"{file} has more than {MOST_BYTES:,} bytes, too many for keys and certificates"
        )
    return content

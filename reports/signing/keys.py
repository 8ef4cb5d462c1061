"""The signing key: a port, the adapter for keys in files, and the embedded default, a small authority."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from reports.core.certificates import (
    certificates_in,
    content_of,
    issued_by,
    load_certificates,
    same_key,
    serving_chain,
)
from reports.core.errors import InvalidSettings, kind_of
from reports.core.user_folders import make_parents

# An extended key usage, if there is one, must allow one of these for its certificate to sign documents.
PUBLIC = "root.cert.pem"
_BARE = "is not encrypted, but a passphrase is set: unset EXHIBIT_PASSPHRASE, or give the key that needs it"


# The curves of NIST, each with the digest of its strength (RFC 5753).
CURVES: Mapping[str, hashes.HashAlgorithm] = {
    "secp256r1": hashes.SHA256(),
    "secp384r1": hashes.SHA384(),
    "secp521r1": hashes.SHA512(),
}
Private: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
Lists: TypeAlias = Callable[[datetime], Sequence[bytes]]
"""Gives revocation lists in DER that no network has, as of an instant after the signature."""


def no_lists(since: datetime) -> Sequence[bytes]:
    """No lists, because all lists that the certificates name are on the network."""
    return ()


class SigningKey(Protocol):
    """Signs messages, and has the certificates to check its signatures with."""

    @property
    def chain(self) -> Sequence[x509.Certificate]:
        """The certificate of the key first, then its issuer, and so on as far as known."""

    def sign(self, message: bytes) -> bytes:
        """The signature over the raw message (at most 4,096 bytes), which is hashed here: `reports.pdf.cms.digest_for`.

        RSA (3072 bits or more) with PKCS #1 v1.5 padding, or ECDSA as DER, depending on the certificate.
        Raises `Unavailable` when the key service does not answer.
        """


@dataclass(frozen=True, slots=True)
class LocalKey:
    """A private key held in memory, with its certificates. Its `repr` shows neither."""

    chain: tuple[x509.Certificate, ...] = field(repr=False)
    _private: Private = field(repr=False)

    @classmethod
    def from_pem(cls, key: Path, chain: Path, now: datetime, passphrase: bytes | None = None) -> LocalKey:
        """Read a PEM private key, and PEM certificates in any order; both may be in the same file.

        Raises `InvalidSettings`, naming the file, when either cannot be read or cannot be used for signing at
        `now`, or if there is a passphrase and the key has none.
        """
        content = content_of(key)  # once, because a pipe can be read only once
        certificates = certificates_in(content if chain == key else content_of(chain), str(chain))
        return cls._checked(_private_key(content, key, passphrase or None), certificates, chain, now)

    @classmethod
    def from_pkcs12(cls, file: Path, passphrase: bytes, now: datetime) -> LocalKey:
        """Read a PKCS #12 file (`.p12`, `.pfx`): a private key with its certificates.

        Raises `InvalidSettings`, naming the file, when it cannot be read or cannot be used for signing at `now`, and
        for a passphrase where it has none.
        """
        content = content_of(file)
        found = _pkcs12(content, passphrase)
        if passphrase and (_pkcs12(content, b"") or _pkcs12(content, None)):
            raise InvalidSettings(f"{file} {_BARE}")
        if found is None:
            raise InvalidSettings(
                f"{file} cannot be opened: check that it is PKCS #12 and that the passphrase is right"
            )
        private, leaf, others = found
        if private is None or leaf is None:
            raise InvalidSettings(f"{file} does not hold a private key and its certificate: export both")
        return cls._checked(private, [leaf, *others], file, now)

    @classmethod
    def _checked(
        cls, private: PrivateKeyTypes, certificates: Sequence[x509.Certificate], file: Path, now: datetime
    ) -> LocalKey:
        strong = _strong(private, file)
        return cls(serving_chain(strong.public_key(), certificates, str(file), now), strong)

    def sign(self, message: bytes) -> bytes:
        """Sign as `SigningKey.sign` says."""
        if isinstance(self._private, rsa.RSAPrivateKey):
            return self._private.sign(message, padding.PKCS1v15(), hashes.SHA256())
        return self._private.sign(message, ec.ECDSA(CURVES[self._private.curve.name]))


@dataclass(frozen=True, slots=True)
class LocalAuthority:
    """The embedded default: Exhibit's own authority, in a folder that only its owner can enter.

    Everyone can read `root.cert.pem`, so that a copy with the same permissions is readable too.

    A root signs the certificate of an issuing authority and an empty revocation list; then its private key is deleted.
    The issuing authority signs two certificates, and a new revocation list for each signature, because only a list
    issued after a signature proves that its certificate was not revoked then (ETSI EN 319 102-1). The signing key is
    valid for five years, and all others for 30 years, like the root, because a document can be checked as long as the
    certificate of its last time-stamp is valid. In folders made by release 0.1, the root itself issued both
    certificates; these folders still work.
    """

    directory: Path
    root: x509.Certificate
    key: LocalKey
    stamp_key: LocalKey
    crls: Lists

    @classmethod
    def open(cls, directory: Path, now: datetime) -> LocalAuthority:
        """Read the authority that is kept in a folder, after making it if the folder is new or empty.

        Two processes may do this at once: the first to finish wins, and both use what it made. Raises
        `InvalidSettings` when the folder holds something else, cannot be written or read, or its signing
        certificate has expired.
        """
        if not _is_there(directory / PUBLIC):
            _make(directory, now)
        folder = _Folder.open(directory, now)
        key, stamp_key = folder.member("signer"), folder.member("timestamp")
        return cls(directory, folder.root, key, stamp_key, folder.lists)

    @classmethod
    def stamping(cls, directory: Path, now: datetime) -> tuple[LocalKey, Lists]:
        """The time-stamp authority of a folder alone, whose signing key may have expired, and the revocation lists.

        Raises `InvalidSettings` as `open` does, and where there is no authority yet.
        """
        folder = _Folder.open(directory, now)
        return folder.member("timestamp"), folder.lists

    def pseudonym_key(self) -> bytes:
        """The bytes that account ids are hashed with, as `pseudonym_key` reads them."""
        return pseudonym_key(self.directory)


def pseudonym_key(directory: Path) -> bytes:
    """The 32 bytes in a folder that account ids are hashed with. Raises `InvalidSettings` if they are not there."""
    secret = content_of(directory / "pseudonym.key")
    if len(secret) != 32:
        raise InvalidSettings(f"{directory / 'pseudonym.key'} is damaged: restore its 32 bytes from a copy")
    return secret


def _strong(private: PrivateKeyTypes, file: Path) -> Private:
    if isinstance(private, rsa.RSAPrivateKey) and private.key_size >= 3072:
        return private
    if isinstance(private, ec.EllipticCurvePrivateKey) and private.curve.name in CURVES:
        return private
    raise InvalidSettings(
        f"{file}: the key cannot be used: give RSA of 3072 bits or more, or ECDSA on P-256, P-384 or P-521"
    )


def _private_key(content: bytes, file: Path, passphrase: bytes | None) -> PrivateKeyTypes:
    found = _pem_key(content, passphrase)
    if found is None and passphrase and _pem_key(content, None):
        raise InvalidSettings(f"{file} {_BARE}")
    if found is None:
        raise InvalidSettings(
            f"{file} does not hold a readable private key: give one as PEM, with its passphrase"
        )
    return found


def _pem_key(content: bytes, passphrase: bytes | None) -> PrivateKeyTypes | None:
    """A private key, or None: the reason is withheld because it could quote the file."""
    try:
        return load_pem_private_key(content, passphrase)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None


def _pkcs12(content: bytes, passphrase: bytes | None) -> Any:
    """The key, its certificate and the others that are there; None if they cannot be read."""
    try:
        return pkcs12.load_key_and_certificates(content, passphrase)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None


@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder of keys: the root, and below it the issuing authority, which folders of release 0.1 do not have."""

    directory: Path
    root: x509.Certificate
    now: datetime
    issuing: LocalKey | None = None

    @classmethod
    def open(cls, directory: Path, now: datetime) -> _Folder:
        (root,) = load_certificates(directory / PUBLIC)
        folder = cls(directory, root, now)
        return (
            replace(folder, issuing=folder.member("issuing"))
            if _is_there(directory / "issuing.cert.pem")
            else folder
        )

    def member(self, name: str) -> LocalKey:
        """A key of the folder with its certificate chain; it must be valid now."""
        file = self.directory / f"{name}.cert.pem"
        above = self.issuing.chain if self.issuing else (self.root,)
        (leaf,) = load_certificates(file)[:1]
        key = self.directory / f"{name}.key.pem"
        private = _strong(_private_key(content_of(key), key, None), file)
        if not same_key(leaf.public_key(), private.public_key()) or not issued_by(leaf, above[0]):
            raise InvalidSettings(
                f"{self.directory} mixes files from two authorities: restore it from a copy"
            )
        if self.now > leaf.not_valid_after_utc:
            raise InvalidSettings(
                f"{file} expired at {leaf.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}: choose a new folder for keys,"
                " and keep this folder's root.cert.pem for readers of its briefings"
            )
        return LocalKey((leaf, *above), private)

    def lists(self, since: datetime) -> tuple[bytes, ...]:
        """The root's list, made together with the root, and a new one of the issuing authority, for `since`."""
        made_once = content_of(self.directory / "root.crl")
        if self.issuing is None:
            return (made_once,)
        own = self.issuing.chain[0]
        private = self.issuing._private
        issue = _Issuer(own.subject, private, since)
        return made_once, issue.empty_crl(own.not_valid_after_utc, int(since.timestamp()))


def _make(directory: Path, now: datetime) -> None:
    """Fill a temporary folder beside the requested one, and rename it; the next run removes what a killed run left."""
    directory = directory.absolute()
    try:
        make_parents(directory)
        parent = os.open(directory.parent, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise kind_of(error, InvalidSettings)(
            f"{directory} cannot be created: {error.strerror}: choose another folder with --keys"
        ) from None
    beside = directory.parent / f".{directory.name}.unfinished"
    try:
        fcntl.flock(parent, fcntl.LOCK_EX)
        shutil.rmtree(beside, ignore_errors=True)
        if not _is_there(directory / PUBLIC):
            _fill(beside, now)
            beside.rename(directory)
            os.fsync(parent)
    except OSError as error:
        raise kind_of(error, InvalidSettings)(
            f"{directory} cannot be used for keys ({error.strerror}): choose a new or empty folder"
        ) from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)
        os.close(parent)


def _is_there(file: Path) -> bool:
    try:
        return file.exists()
    except OSError as error:
        raise kind_of(error, InvalidSettings)(
            f"{file} cannot be read: {error.strerror}: grant access to it, or choose another folder with --keys"
        ) from None


def _fill(folder: Path, now: datetime) -> None:
    folder.mkdir(mode=0o700)
    folder.chmod(0o700)  # whatever the umask
    for name, content in _new_authority(now).items():
        _write(folder / name, content, 0o644 if name == PUBLIC else 0o600)


def _write(file: Path, content: bytes, mode: int) -> None:
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        os.fchmod(out.fileno(), mode)
        out.write(content)
        out.flush()
        os.fsync(out.fileno())


def _new_authority(now: datetime) -> dict[str, bytes]:
    # A little in the past: the clock of whoever checks first may be behind.
    start = now - timedelta(minutes=5)
    root_key, issuing_key, signer_key, stamp_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(4))
    top = _Issuer(_name("Exhibit local root"), root_key, start)
    issue = _Issuer(_name("Exhibit local issuing authority"), issuing_key, start)
    stamping = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
    root = top.certificate(top.name, root_key, 30, [*_authority(below=1)])
    issuing = top.certificate(issue.name, issuing_key, 30, [*_authority(below=0), (top.revocation, False)])
    signer = issue.certificate(
        _name("Exhibit local signing key"), signer_key, 5, [(_usage(), True), (issue.revocation, False)]
    )
    stamp = issue.certificate(
        _name("Exhibit local time-stamp authority"),
        stamp_key,
        30,
        [(_usage(), True), (stamping, True), (issue.revocation, False)],
    )
    return {
        PUBLIC: root.public_bytes(Encoding.PEM),
        "root.crl": top.empty_crl(root.not_valid_after_utc, 1),
        "issuing.cert.pem": issuing.public_bytes(Encoding.PEM),
        "issuing.key.pem": _pem(issuing_key),
        "signer.cert.pem": signer.public_bytes(Encoding.PEM),
        "signer.key.pem": _pem(signer_key),
        "timestamp.cert.pem": stamp.public_bytes(Encoding.PEM),
        "timestamp.key.pem": _pem(stamp_key),
        "pseudonym.key": secrets.token_bytes(32),
    }


def _authority(below: int) -> Iterable[tuple[x509.ExtensionType, bool]]:
    """The extensions of an authority's certificate, with so many levels below it."""
    return (x509.BasicConstraints(ca=True, path_length=below), True), (_usage(ca=True), True)


@dataclass(frozen=True, slots=True)
class _Issuer:
    name: x509.Name
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
    start: datetime

    @property
    def revocation(self) -> x509.CRLDistributionPoints:
        """A place for the list, which is only in the signed files: naming one tells checkers that there is a list."""
        point = x509.DistributionPoint([x509.DirectoryName(self.name)], None, None, None)
        return x509.CRLDistributionPoints([point])

    def certificate(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        years: int,
        extensions: Iterable[tuple[x509.ExtensionType, bool]],
    ) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder(self.name, subject, key.public_key(), x509.random_serial_number())
            .not_valid_before(self.start)
            .not_valid_after(_years_after(self.start, years))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(self._identifier, critical=False)
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(self.key, hashes.SHA256())

    def empty_crl(self, until: datetime, number: int) -> bytes:
        builder = (
            x509.CertificateRevocationListBuilder(self.name, self.start, until)
            .add_extension(x509.CRLNumber(number), critical=False)
            .add_extension(self._identifier, critical=False)
        )
        return builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.DER)

    @property
    def _identifier(self) -> x509.AuthorityKeyIdentifier:
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _usage(ca: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=not ca,
        key_cert_sign=ca,
        crl_sign=ca,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _years_after(start: datetime, years: int) -> datetime:
    return start + timedelta(days=365.25 * years)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

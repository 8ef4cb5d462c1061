"""What fills the room of an update: the signature, which is written here, and tokens, which authorities write.

The signature is CMS as PAdES B-T wants it (ETSI EN 319 142-1, 6.3; RFC 5652, 5035, 8933): detached, with the signing
certificate by its SHA-256, and with a time-stamp as its only unsigned attribute. Like the update around it, it is
written again from what it holds and compared. A token (RFC 3161, 5816) comes from its authority: it is parsed
completely.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha1, sha256
from typing import Any

from asn1crypto import algos, cms, core, tsp  # type: ignore[import-untyped]
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from reports.pdf import der
from reports.pdf.der import DIRECTORY, INTEGER, OCTETS, SEQUENCE, SET, TAGGED_0, TAGGED_1, NotDerError
from reports.pdf.strength import WeakError, digest

KEY_IDENTIFIER = 0x80

_SIGNED_DATA = cms.ContentType("signed_data").dump()
_DATA = cms.ContentType("data").dump()
_TST_INFO = cms.ContentType("tst_info").dump()
_TOKEN = cms.CMSAttributeType("signature_time_stamp_token").dump()
TOKEN_ATTRIBUTES = frozenset(
    {
        *("content_type", "message_digest", "signing_certificate", "signing_certificate_v2", "signing_time"),
        "cms_algorithm_protection",
    }
)


class UnusualError(Exception):
    """A signature or a token has an unexpected form; the message says where."""


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature: what was signed, by whom, and its time-stamp token.

    `digest_algorithm` and `message_digest` are of what the signature covers; the first of `certificates` is the
    signer's; `value` is over `attributes`, which is DER.
    """

    certificates: tuple[x509.Certificate, ...]
    digest_algorithm: str
    message_digest: bytes
    value: bytes
    token: bytes

    @property
    def signer(self) -> x509.Certificate:
        """The certificate of the key that signed."""
        return self.certificates[0]

    @property
    def algorithm(self) -> Any:
        """The signature algorithm, as a `SignedDigestAlgorithm`."""
        return signature_algorithm(self.signer.public_key(), self.digest_algorithm)

    @property
    def attributes(self) -> bytes:
        """The signed attributes, as they are signed."""
        return signed_attributes(self.signer, self.message_digest)

    def dump(self) -> bytes:
        """The signature in DER."""
        digest = algos.DigestAlgorithm({"algorithm": self.digest_algorithm, "parameters": core.Null()}).dump()
        certificates = sorted(each.public_bytes(Encoding.DER) for each in self.certificates)
        unsigned = der.value(SEQUENCE, _TOKEN, der.value(SET, self.token))
        info = der.value(
            SEQUENCE,
            der.value(INTEGER, b"\1"),
            der.value(SEQUENCE, _issuer(self.signer), _serial(self.signer)),
            digest,
            bytes((TAGGED_0,)) + self.attributes[1:],
            self.algorithm.dump(),
            der.value(OCTETS, self.value),
            der.value(TAGGED_1, unsigned),
        )
        data = der.value(
            SEQUENCE,
            der.value(INTEGER, b"\1"),
            der.value(SET, digest),
            der.value(SEQUENCE, _DATA),
            der.value(TAGGED_0, *certificates),
            der.value(SET, info),
        )
        return der.value(SEQUENCE, _SIGNED_DATA, der.value(TAGGED_0, data))


def signed_attributes(signer: x509.Certificate, message_digest: bytes) -> bytes:
    """The signed attributes: the digest of the detached data, and the signer."""
    general = der.value(SEQUENCE, der.value(DIRECTORY, _issuer(signer)))
    reference = der.value(
        SEQUENCE,
        der.value(OCTETS, sha256(signer.public_bytes(Encoding.DER)).digest()),
        der.value(SEQUENCE, general, _serial(signer)),
    )
    values = {
        "content_type": _DATA,
        "message_digest": der.value(OCTETS, message_digest),
        "signing_certificate_v2": der.value(SEQUENCE, der.value(SEQUENCE, reference)),
    }
    return der.value(
        SET,
        *sorted(
            der.value(SEQUENCE, cms.CMSAttributeType(name).dump(), der.value(SET, each))
            for name, each in values.items()
        ),
    )


def digest_for(public: Any) -> str:
    """The digest for a key: as long as the key's strength requires (RFC 5753)."""
    if isinstance(public, ec.EllipticCurvePublicKey):
        return {"secp384r1": "sha384", "secp521r1": "sha512"}.get(public.curve.name, "sha256")
    return "sha256"


def signature_algorithm(public: Any, digest_algorithm: str) -> Any:
    """The algorithm of a signature by such a key, as a `SignedDigestAlgorithm`."""
    if isinstance(public, rsa.RSAPublicKey):
        return algos.SignedDigestAlgorithm(
            {"algorithm": f"{digest_algorithm}_rsa", "parameters": core.Null()}
        )
    return algos.SignedDigestAlgorithm({"algorithm": f"{digest_algorithm}_ecdsa"})


def _issuer(certificate: x509.Certificate) -> bytes:
    return certificate.issuer.public_bytes()


def _serial(certificate: x509.Certificate) -> bytes:
    number = certificate.serial_number
    return der.value(INTEGER, number.to_bytes(number.bit_length() // 8 + 1, "big", signed=True))


def read_signature(content: bytes) -> Signature:
    """Parse a signature that, written again, gives the same bytes; raises `UnusualError` for any other."""
    _check_der(content, "the signature")
    try:
        found = _signature(cms.ContentInfo.load(content)["content"])
        made = found.dump()
    except (NotDerError, ValueError, TypeError, LookupError, AttributeError) as error:
        raise UnusualError(
            f"the signature is not in the form that Exhibit writes ({type(error).__name__})"
        ) from None
    if made != content:
        raise UnusualError("the signature holds something that Exhibit does not write")
    return found


def _signature(data: Any) -> Signature:
    (info,) = data["signer_infos"]
    certificates = [certificate(each.chosen.dump()) for each in data["certificates"]]
    wanted = der.value(
        SEQUENCE, info["sid"].chosen["issuer"].dump(), info["sid"].chosen["serial_number"].dump()
    )
    signers = [each for each in certificates if der.value(SEQUENCE, _issuer(each), _serial(each)) == wanted]
    if not signers:
        raise UnusualError("the signature does not hold its signer's certificate")
    others = [each for each in certificates if each is not signers[0]]
    (digested,) = (
        each["values"][0].native for each in info["signed_attrs"] if each["type"].native == "message_digest"
    )
    unsigned = list(info["unsigned_attrs"])
    if len(unsigned) != 1 or unsigned[0]["type"].native != "signature_time_stamp_token":
        raise UnusualError("the signature has no time-stamp, or another unsigned attribute")
    (token,) = der.members(der.members(unsigned[0].dump())[1], SET)
    algorithm = info["digest_algorithm"]["algorithm"].native
    return Signature((signers[0], *others), algorithm, digested, info["signature"].native, token)


@dataclass(frozen=True, slots=True)
class Token:
    """A time-stamp: when its authority saw a digest, and its signature.

    The first of `certificates` is the authority's; `value` is over `attributes`, which is DER. It is `outdated` if it
    signs which certificate checks it by SHA-1 alone (ESS v1).
    """

    time: datetime
    imprint_algorithm: str
    imprint: bytes
    certificates: tuple[x509.Certificate, ...]
    digest_algorithm: str
    content: bytes
    message_digest: bytes
    algorithm: Any
    value: bytes
    attributes: bytes
    outdated: bool

    @property
    def signer(self) -> x509.Certificate:
        """The certificate of the authority."""
        return self.certificates[0]


def read_token(content: bytes) -> Token:
    """Parse a time-stamp token. Raises `UnusualError` for anything that a token does not need."""
    _check_der(content, "the time-stamp")
    try:
        return _token(content)
    except WeakError as error:
        raise UnusualError(f"the time-stamp is weak: {error}") from None
    except (NotDerError, ValueError, TypeError, LookupError, AttributeError) as error:
        raise UnusualError(f"the time-stamp cannot be read ({type(error).__name__}: {error})") from None


def _token(content: bytes) -> Token:
    kind, tagged = der.members(content)
    (data,) = der.members(tagged, TAGGED_0)
    version, digests, encapsulated, *certificates, infos = der.members(data)
    (info,) = der.members(infos, SET)
    number, sid, digested, attributes, algorithm, value = _parts(info)
    what, wrapped = der.members(encapsulated)
    (octets,) = der.members(wrapped, TAGGED_0)
    _require(
        kind == _SIGNED_DATA and what == _TST_INFO and version == der.value(INTEGER, b"\3"),
        "is not a time-stamp token",
    )
    _require(
        len(certificates) == 1, "does not hold its authority's certificate, or holds more than certificates"
    )
    held = tuple(certificate(each) for each in der.members(certificates[0], TAGGED_0))
    signer = _signer(sid, number, held)
    digest_algorithm = _digest_algorithm(digested)
    _require(
        {_digest_algorithm(each) for each in der.members(digests, SET)} == {digest_algorithm},
        "is inconsistent",
    )
    named = _attributes(attributes, signer)
    stamped = der.contents(octets, OCTETS)
    told = tsp.TSTInfo.load(stamped)
    _check_told(stamped, told)
    imprint = told["message_imprint"]
    _ = der.members(algorithm)
    return Token(
        told["gen_time"].native,
        _digest_algorithm(imprint["hash_algorithm"].dump()),
        imprint["hashed_message"].native,
        (signer, *(each for each in held if each is not signer)),
        digest_algorithm,
        stamped,
        der.contents(named["message_digest"], OCTETS),
        algos.SignedDigestAlgorithm.load(algorithm),
        der.contents(value, OCTETS),
        bytes((SET,)) + attributes[1:],
        outdated="signing_certificate_v2" not in named,
    )


def _parts(info: bytes) -> list[bytes]:
    parts = der.members(info)
    if len(parts) == 7 and parts[6][0] == TAGGED_1:
        raise UnusualError("the time-stamp has attributes that are not signed")
    return parts


def _check_told(stamped: bytes, told: Any) -> None:
    der.check(stamped)
    _require(told["version"].native == "v1" and len(der.members(stamped)) >= 5, "has another version")
    for each in told["extensions"] or ():
        _require(not each["critical"].native, "has an unknown critical extension")


def _digest_algorithm(identifier: bytes) -> str:
    algorithm, *parameters = der.members(identifier)
    _require(parameters in ([], [b"\5\0"]), "has parameters for a digest algorithm")
    name: str = algos.DigestAlgorithmId.load(algorithm).native
    return name


def _signer(sid: bytes, version: bytes, held: Sequence[x509.Certificate]) -> x509.Certificate:
    by_name = sid[0] == SEQUENCE
    _require(version == der.value(INTEGER, b"\1" if by_name else b"\3"), "is inconsistent")
    for each in held:
        if by_name and sid == der.value(SEQUENCE, _issuer(each), _serial(each)):
            return each
        if not by_name and der.contents(sid, KEY_IDENTIFIER) == _key_identifier(each):
            return each
    raise UnusualError("the time-stamp does not hold its authority's certificate")


def _key_identifier(certificate: x509.Certificate) -> bytes | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except x509.ExtensionNotFound:
        return None


def _attributes(attributes: bytes, signer: x509.Certificate) -> dict[str, bytes]:
    """Check the signed attributes of a token; returns the one value of each, by name."""
    found: dict[str, bytes] = {}
    for each in der.members(attributes, TAGGED_0):
        kind, values = der.members(each)
        name = cms.CMSAttributeType.load(kind).native
        _require(
            name in TOKEN_ATTRIBUTES and name not in found,
            f"has an attribute {name} that time-stamps do not need",
        )
        (found[name],) = der.members(values, SET)
    _require(found["content_type"] == _TST_INFO, "is inconsistent")
    own = signer.public_bytes(Encoding.DER)
    if "signing_certificate_v2" in found:
        first = tsp.SigningCertificateV2.load(found["signing_certificate_v2"])["certs"][0]
        named = digest(_digest_algorithm(first["hash_algorithm"].dump()), own)
    else:
        first = tsp.SigningCertificate.load(found["signing_certificate"])["certs"][0]
        named = sha1(own).digest()  # noqa: S324 -- all that ESS v1 has
    _require(first["cert_hash"].native == named, "names a certificate that is not its own")
    return found


def certificate(data: bytes) -> x509.Certificate:
    """A certificate in DER, all of whose extensions can be read. Raises `UnusualError`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the warning about an invalid serial number
            found = x509.load_der_x509_certificate(data)
            _ = found.extensions
    except (ValueError, TypeError) as error:
        raise UnusualError(f"a certificate that cannot be read ({error})") from None
    return found


def _check_der(content: bytes, what: str) -> None:
    try:
        der.check(content)
    except NotDerError as error:
        raise UnusualError(f"{what} is not DER: it has {error}") from None


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise UnusualError(f"the time-stamp {otherwise}")

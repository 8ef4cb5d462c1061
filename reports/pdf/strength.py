"""Which algorithms and keys are still secure (ETSI TS 119 312, V1.5.1)."""

from __future__ import annotations

from typing import Any

from asn1crypto import algos  # type: ignore[import-untyped]
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

DIGESTS: dict[str, hashes.HashAlgorithm] = {
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
    "sha3_256": hashes.SHA3_256(),
    "sha3_384": hashes.SHA3_384(),
    "sha3_512": hashes.SHA3_512(),
}
LEAST_RSA = 2048
CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)


class WeakError(Exception):
    """Something is signed with an insecure or unknown algorithm or key; the message says which."""


def digest(algorithm: str, *data: bytes | memoryview) -> bytes:
    """The digest of some data, by asn1crypto's name of the algorithm; raises `WeakError`."""
    machine = hashes.Hash(strong_digest(algorithm))
    for part in data:
        machine.update(bytes(part) if isinstance(part, memoryview) and not part.contiguous else part)
    return machine.finalize()


def strong_digest(algorithm: str) -> hashes.HashAlgorithm:
    """An algorithm by asn1crypto's name; raises `WeakError` if it is weaker than SHA-256."""
    if algorithm not in DIGESTS:
        raise WeakError(f"the digest algorithm {algorithm} is no longer secure")
    return DIGESTS[algorithm]


def check_key(public: Any, whose: str) -> None:
    """Raise `WeakError` for a short key, or a type of key that Exhibit does not use."""
    if isinstance(public, rsa.RSAPublicKey):
        if public.key_size < LEAST_RSA:
            raise WeakError(f"{whose} has an RSA key of {public.key_size} bits, which is no longer secure")
    elif isinstance(public, ec.EllipticCurvePublicKey):
        if not isinstance(public.curve, CURVES):
            raise WeakError(f"{whose} has a key on the curve {public.curve.name}, which is not allowed")
    else:
        raise WeakError(f"{whose} has a key of a kind that Exhibit does not use")


def check_certificate(certificate: x509.Certificate) -> None:
    """Raise `WeakError` for a certificate with a weak key or a weak signature."""
    whose = certificate.subject.rfc4514_string()
    check_key(certificate.public_key(), whose)
    check_signed(certificate, whose)


def check_signed(signed: Any, what: str) -> None:
    """Raise `WeakError` if a certificate, a list or an answer is signed with a weak algorithm."""
    try:
        found = [signed.signature_hash_algorithm]
        parameters = getattr(signed, "signature_algorithm_parameters", None)
    except UnsupportedAlgorithm:
        raise WeakError(f"{what} is signed with an algorithm that Exhibit does not know") from None
    if isinstance(parameters, padding.PSS):
        found.append(parameters.mgf._algorithm)
    strong = tuple(type(each) for each in DIGESTS.values())
    for each in found:
        if each is None:  # Ed25519 and Ed448 bring their own
            raise WeakError(f"{what} is signed with an algorithm that Exhibit does not use")
        if not isinstance(each, strong):
            raise WeakError(f"{what} is signed with {each.name}, which is no longer secure")


def check_signature(
    public: Any, algorithm: Any, digest_algorithm: str, signature: bytes, data: bytes
) -> bool:
    """Whether a signature's `SignedDigestAlgorithm` and its signer's digest algorithm match.

    Raises `WeakError` for an algorithm that is weak, or does not go with the key.
    """
    check_key(public, "the signer")
    name, parameters = algorithm["algorithm"].native, algorithm["parameters"].dump()
    strong = strong_digest(digest_algorithm)
    try:
        if isinstance(public, rsa.RSAPublicKey):
            public.verify(signature, data, _padding(name, algorithm, digest_algorithm, parameters), strong)
        else:
            _require(name == f"{digest_algorithm}_ecdsa" and parameters in (b"", b"\x05\x00"), name)
            public.verify(signature, data, ec.ECDSA(strong))
    except InvalidSignature:
        return False
    return True


def _padding(name: str, algorithm: Any, digest_algorithm: str, parameters: bytes) -> Any:
    if name == "rsassa_pss":
        given = algos.RSASSAPSSParams.load(parameters)
        generator = given["mask_gen_algorithm"]
        said = (given["hash_algorithm"]["algorithm"].native, generator["parameters"]["algorithm"].native)
        _require(
            said == (digest_algorithm,) * 2 and generator["algorithm"].native == "mgf1", " with ".join(said)
        )
        _require(given["trailer_field"].native == "trailer_field_bc", name)
        return padding.PSS(padding.MGF1(DIGESTS[digest_algorithm]), given["salt_length"].native)
    _require(
        name in ("rsassa_pkcs1v15", f"{digest_algorithm}_rsa") and parameters in (b"", b"\x05\x00"), name
    )
    return padding.PKCS1v15()


def _require(holds: bool, algorithm: str) -> None:
    if not holds:
        raise WeakError(
            f"the signature algorithm {algorithm} does not match its key or digest, or is one that Exhibit does not use"
        )

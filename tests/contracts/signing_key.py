"""What every `SigningKey` does. The fixture `signing_key` is one of each kind, with a certificate of its own."""

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from reports.signing.keys import LocalAuthority, SigningKey
from reports.signing.sign import sign
from reports.verification.signature import verify
from tests.support.pki import reading, stamper_of


def check(key: SigningKey, signature: bytes, message: bytes) -> None:
    """Raise `InvalidSignature` unless it is the signature of a message, by what the first certificate says."""
    public = key.chain[0].public_key()
    if isinstance(public, rsa.RSAPublicKey):
        public.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
    else:
        assert isinstance(public, ec.EllipticCurvePublicKey)
        public.verify(signature, message, ec.ECDSA(hashes.SHA256()))


@pytest.mark.parametrize("message", [b"m", b"message", bytes(range(256)) * 16])
def test_the_certificate_checks_what_is_signed(signing_key: SigningKey, message: bytes) -> None:
    """The first certificate of the chain checks a signature over the raw message, of up to 4,096 bytes."""
    check(signing_key, signing_key.sign(message), message)


def test_another_message_is_another_signature(signing_key: SigningKey) -> None:
    """What was signed is not the signature of anything else."""
    with pytest.raises(InvalidSignature):
        check(signing_key, signing_key.sign(b"message"), b"massage")


def test_strong_keys(signing_key: SigningKey) -> None:
    """A key is RSA of 3072 bits or more, or on the curve P-256."""
    public = signing_key.chain[0].public_key()
    if isinstance(public, rsa.RSAPublicKey):
        assert public.key_size >= 3072
    else:
        assert isinstance(public, ec.EllipticCurvePublicKey)
        assert public.curve.name == "secp256r1"


def test_a_briefing_is_valid_for_who_trusts_its_certificate(
    signing_key: SigningKey, unsigned: bytes, authority: LocalAuthority
) -> None:
    """A briefing that is signed is valid for whoever trusts the last certificate of the chain, and for nobody else."""
    stamper = stamper_of(authority)
    pdf = sign(unsigned, signing_key, stamper, certificates=[authority.root], crls=authority.crls)
    assert pdf.startswith(unsigned)
    assert {v.outcome for v in verify(pdf, [signing_key.chain[-1], authority.root], reading())} == {"valid"}
    assert "invalid" in {v.outcome for v in verify(pdf, [authority.root], reading())}

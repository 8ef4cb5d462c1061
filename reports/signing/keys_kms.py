"""Adapter: keys that never leave AWS KMS. One signs messages, and one makes the key for pseudonyms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from reports.core import aws_errors
from reports.core.certificates import serving_chain
from reports.core.errors import InvalidSettings

PSEUDONYMS = b"exhibit: pseudonyms of accounts"


def pseudonym_key(client: Any, key_id: str) -> bytes:
    """The 32 bytes that account ids are hashed with, made by an HMAC key in KMS; raises as `KmsSigner.open` does.

    Permissions: `kms:GenerateMac` on the key.
    """
    with aws_errors.translated(f"KMS key {key_id}"):
        answer = client.generate_mac(KeyId=key_id, Message=PSEUDONYMS, MacAlgorithm="HMAC_SHA_256")
    return bytes(answer["Mac"])


@dataclass(frozen=True, slots=True)
class KmsSigner:
    """A key in KMS, identified by its public half, with or without a certificate.

    Permissions: `kms:GetPublicKey` and `kms:Sign` on the key.
    """

    client: Any
    key_id: str
    public: rsa.RSAPublicKey | ec.EllipticCurvePublicKey
    algorithm: str

    @classmethod
    def open(cls, client: Any, key_id: str) -> KmsSigner:
        """Ask KMS for the public key of a key's id, ARN or alias.

        Raises `InvalidSettings`, naming the key, if it is not there, is disabled or denied, or cannot be used to
        sign; `Unavailable` if KMS does not answer.
        """
        with aws_errors.translated(f"KMS key {key_id}"):
            found = client.get_public_key(KeyId=key_id)
        public = load_der_public_key(found["PublicKey"])
        if found.get("KeyUsage") == "SIGN_VERIFY":
            if isinstance(public, rsa.RSAPublicKey) and public.key_size >= 3072:
                return cls(client, key_id, public, "RSASSA_PKCS1_V1_5_SHA_256")
            if isinstance(public, ec.EllipticCurvePublicKey) and isinstance(public.curve, ec.SECP256R1):
                return cls(client, key_id, public, "ECDSA_SHA_256")
        raise InvalidSettings(
            f"{aws_errors.without_account(f'KMS key {key_id}')} cannot be used for signing briefings: use a key for "
            "SIGN_VERIFY of type RSA_3072, RSA_4096 or ECC_NIST_P256"
        )

    def sign(self, message: bytes) -> bytes:
        """Sign as `SigningKey.sign` says; KMS is sent the message itself. Raises as `open` does."""
        with aws_errors.translated(f"KMS key {self.key_id}"):
            answer = self.client.sign(
                KeyId=self.key_id, Message=message, MessageType="RAW", SigningAlgorithm=self.algorithm
            )
        return bytes(answer["Signature"])


@dataclass(frozen=True, slots=True)
class KmsKey:
    """A `SigningKey` in KMS, with the certificates that were issued for it.

    Permissions: those of `KmsSigner`.
    """

    chain: tuple[x509.Certificate, ...]
    signer: KmsSigner

    @classmethod
    def open(
        cls, client: Any, key_id: str, certificates: Sequence[x509.Certificate], now: datetime
    ) -> KmsKey:
        """Open a key with its certificates, in any order.

        Raises `InvalidSettings` if none of the certificates is for the key, or if it cannot be used for signing at
        `now`; otherwise raises as `KmsSigner.open` does.
        """
        signer = KmsSigner.open(client, key_id)
        where = aws_errors.without_account(f"the chain for KMS key {key_id}")
        return cls(serving_chain(signer.public, certificates, where, now), signer)

    def sign(self, message: bytes) -> bytes:
        """Sign as `SigningKey.sign` says."""
        return self.signer.sign(message)

"""The time-stamp authority (RFC 3161): a port, the adapter for the network, and the embedded default."""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Protocol
from urllib.parse import urlsplit

from asn1crypto import algos, cms, core, tsp, x509  # type: ignore[import-untyped]
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import random_serial_number

from reports.errors import InvalidSettings, Unavailable
from reports.keys import SigningKey

# A policy of its own, under the arc that ITU-T X.667 gives to every UUID.
LOCAL_POLICY = "2.25.174303211458296114730262306411852973210"


class Timestamper(Protocol):
    """Answers time-stamp requests."""

    def respond(self, request: bytes) -> bytes:
        """The DER `TimeStampResp` to a DER `TimeStampReq`. Raises `Unavailable` when no answer comes."""


@dataclass(frozen=True, slots=True)
class HttpTimestamper:
    """An authority that answers over HTTP or HTTPS (RFC 3161, section 3.4)."""

    url: str
    timeout: float = 10.0
    attempts: int = 3
    sleep: Callable[[float], None] = time.sleep

    def __post_init__(self) -> None:
        """Raise `InvalidSettings` for a URL that no time-stamp authority can have."""
        parts = urlsplit(self.url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise InvalidSettings(f"time-stamp authority {self.url!r} is not a URL: write it like https://…")

    def __str__(self) -> str:
        return f"time-stamp authority {self.url}"

    def respond(self, request: bytes) -> bytes:
        """Post the request; try again after 1, 2, … seconds if the authority is away or overloaded."""
        reason = ""
        for attempt in range(self.attempts):
            self.sleep(attempt)
            try:
                return self._post(request)
            except urllib.error.HTTPError as error:
                reason = f"status {error.code}"
                error.close()
                if error.code < 500 and error.code != 429:
                    break
            except (OSError, http.client.HTTPException) as error:
                reason = str(getattr(error, "reason", error)) or type(error).__name__
        raise Unavailable(f"{self} did not answer ({reason}): try again later, or name another")

    def _post(self, request: bytes) -> bytes:
        headers = {"Content-Type": "application/timestamp-query", "Accept": "application/timestamp-reply"}
        # Only http and https get this far.
        call = urllib.request.Request(self.url, request, headers)  # noqa: S310
        with urllib.request.urlopen(call, timeout=self.timeout) as answer:  # noqa: S310
            # An answer is a few kilobytes; a mebibyte is not one.
            return bytes(answer.read(1 << 20))


@dataclass(frozen=True, slots=True)
class FirstOf:
    """Several authorities, of which the first that answers is taken; each request begins with the first."""

    authorities: Sequence[Timestamper]

    def respond(self, request: bytes) -> bytes:
        """Ask one after the other; raises `Unavailable` with what each said where none answers."""
        reasons = []
        for authority in self.authorities:
            try:
                return authority.respond(request)
            except Unavailable as error:
                reasons.append(str(error))
        raise Unavailable("; ".join(reasons))


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class LocalTimestamper:
    """The embedded default: an authority in this process, as good as this machine's clock."""

    key: SigningKey
    clock: Callable[[], datetime] = _now

    def respond(self, request: bytes) -> bytes:
        """Grant the request: the time of the clock, in whole seconds, under this authority's policy."""
        query = tsp.TimeStampReq.load(request)
        info = tsp.TSTInfo(
            {
                "version": "v1",
                "policy": LOCAL_POLICY,
                "message_imprint": query["message_imprint"],
                "serial_number": random_serial_number(),
                "gen_time": self.clock().replace(microsecond=0),
                "accuracy": {"seconds": 1},
            }
        )
        if query["nonce"].native is not None:
            info["nonce"] = query["nonce"]
        token = cms.ContentInfo({"content_type": "signed_data", "content": self._signed(info.dump())})
        response = tsp.TimeStampResp({"status": {"status": "granted"}, "time_stamp_token": token})
        return bytes(response.dump())

    def _signed(self, info: bytes) -> Any:
        certificate = x509.Certificate.load(self.key.chain[0].public_bytes(Encoding.DER))
        attributes = _signed_attributes(info, certificate)
        digest = algos.DigestAlgorithm({"algorithm": "sha256"})
        algorithm = "sha256_ecdsa" if certificate.public_key.algorithm == "ec" else "sha256_rsa"
        sid = {"issuer": certificate.issuer, "serial_number": certificate.serial_number}
        signer = {
            "version": "v1",
            "sid": cms.SignerIdentifier({"issuer_and_serial_number": sid}),
            "digest_algorithm": digest,
            "signed_attrs": attributes,
            "signature_algorithm": {"algorithm": algorithm},
            "signature": self.key.sign(attributes.dump()),
        }
        return cms.SignedData(
            {
                "version": "v3",
                "digest_algorithms": [digest],
                "encap_content_info": {"content_type": "tst_info", "content": core.ParsableOctetString(info)},
                "certificates": [certificate],
                "signer_infos": [signer],
            }
        )


def _signed_attributes(info: bytes, certificate: Any) -> Any:
    """What RFC 5816 asks a token to sign: besides the content, which certificate checks it."""
    reference = tsp.SigningCertificateV2({"certs": [{"cert_hash": sha256(certificate.dump()).digest()}]})
    return cms.CMSAttributes(
        [
            {"type": "content_type", "values": ["tst_info"]},
            {"type": "message_digest", "values": [sha256(info).digest()]},
            {"type": "signing_certificate_v2", "values": [reference]},
        ]
    )

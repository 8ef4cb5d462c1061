"""The time-stamp authority (RFC 3161): a port, the adapter for the network, and the embedded default."""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, ClassVar, Protocol
from urllib.parse import urljoin

from asn1crypto import algos, cms, core, tsp, x509  # type: ignore[import-untyped]
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import random_serial_number

from reports.core.errors import Unavailable
from reports.signing import http_exchange
from reports.signing.keys import SigningKey
from reports.signing.tsa_url import TsaUrl, without_passwords

# A policy of its own, under the arc that ITU-T X.667 gives to every UUID.
LOCAL_POLICY = "2.25.174303211458296114730262306411852973210"

GRANTED = ("granted", "granted_with_mods")
# RFC 3161, 2.4.2
_STATUSES = {
    "rejection": "rejected the request",
    "waiting": "has not decided yet, and will give its time-stamp later",
    "revocation_warning": "warns that its certificate is about to be revoked",
    "revocation_notification": "says that its certificate is revoked",
}
_FAILURES = {
    "bad_alg": "badAlg: it does not know or support the algorithm",
    "bad_request": "badRequest: it does not permit or support this request",
    "bad_data_format": "badDataFormat: it finds the request malformed",
    "time_not_available": "timeNotAvailable: its time source is not available",
    "unaccepted_policy": "unacceptedPolicy: it does not support the requested policy",
    "unaccepted_extensions": "unacceptedExtension: it does not support an extension in the request",
    "add_info_not_available": "addInfoNotAvailable: it cannot give the additional information",
    "system_failure": "systemFailure: it failed",
}
_LONGEST_TOLD = 200


class Timestamper(Protocol):
    """Answers time-stamp requests."""

    def respond(self, request: bytes) -> bytes:
        """The DER `TimeStampResp` to a DER `TimeStampReq`; raises `Unavailable` if there is none."""


@dataclass(frozen=True, slots=True)
class HttpTimestamper:
    """An authority that answers over HTTP or HTTPS (RFC 3161, section 3.4).

    A user name and password in the URL are removed from it and sent as basic authentication. An exchange takes at most
    `timeout` seconds, however slowly the authority answers. With `public`, no address of this machine or its local
    network link is contacted, whatever the host is called.
    """

    url: str
    timeout: float = 10.0
    attempts: int = 3
    public: bool = False
    sleep: Callable[[float], None] = time.sleep
    _authorization: str | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        """Raise `InvalidSettings` for a URL that no time-stamp authority can have."""
        found = TsaUrl.parse(self.url)
        object.__setattr__(self, "url", found.url)
        object.__setattr__(self, "_authorization", found.authorization)

    def __str__(self) -> str:
        return f"time-stamp authority {self.url}"

    def respond(self, request: bytes) -> bytes:
        """Post the request; try again after 1, 2, … seconds if the authority is away or overloaded."""
        reason = ""
        for attempt in range(self.attempts):
            self.sleep(attempt)
            try:
                return self._usable(self._post(request), request)
            except urllib.error.HTTPError as error:
                with error:
                    if error.code < 500 and error.code != 429:
                        raise Unavailable(f"{self} {self._refusal(error)}") from None
                reason = f"status {error.code}"
            except (OSError, http.client.HTTPException) as error:
                reason = str(getattr(error, "reason", error)) or type(error).__name__
        raise Unavailable(f"{self} did not answer ({reason}): try again later, or use another")

    def _post(self, request: bytes) -> bytes:
        headers = {"Content-Type": "application/timestamp-query", "Accept": "application/timestamp-reply"}
        if self._authorization:
            headers["Authorization"] = self._authorization
        # Only http and https get this far.
        call = urllib.request.Request(self.url, request, headers)  # noqa: S310
        return http_exchange.within(self.timeout, call, public=self.public)

    def _usable(self, answer: bytes, request: bytes) -> bytes:
        if fault := fault_of(answer, request):
            raise Unavailable(f"{self} {fault}: use another")
        return answer

    def _refusal(self, error: urllib.error.HTTPError) -> str:
        if location := error.headers.get("Location") if error.code < 400 else None:
            to = without_passwords(urljoin(self.url, location))[:_LONGEST_TOLD]
            return f"redirects to {to} (status {error.code}): use that one, if you trust it"
        if error.code == http.HTTPStatus.UNAUTHORIZED:
            if self._authorization:
                return "does not accept the user name and password (status 401): correct them in its URL"
            return "asks for a user name and password (status 401): write them like https://USER:PASSWORD@HOST/PATH"
        return f"refused the request (status {error.code}): check its URL, or use another"


class Response(tsp.TimeStampResp):  # type: ignore[misc]
    """A `TimeStampResp` (RFC 3161, 2.4.2), whose token is optional: a refusal has none, which asn1crypto ignores."""

    _fields: ClassVar = [
        ("status", tsp.PKIStatusInfo),
        ("time_stamp_token", cms.ContentInfo, {"optional": True}),
    ]


def fault_of(answer: bytes, request: bytes) -> str | None:
    """What an authority did instead of granting the time-stamp, as a sentence without a subject; None if it granted it.

    Whether the time-stamp is valid, and who made it, is for `verify` to check.
    """
    try:
        response, query = Response.load(answer, strict=True), tsp.TimeStampReq.load(request)
        return _refused(response["status"]) or _mismatch(response["time_stamp_token"], query)
    except Exception:  # an answer can be any bytes, and the parser fails in as many ways
        return "gave an answer that is not a time-stamp"


def _refused(info: Any) -> str | None:
    status = info["status"].native
    if status in GRANTED:
        return None
    codes = sorted(info["fail_info"].native or (), key=str)
    reasons = [_FAILURES.get(code, f"failure {code}") for code in codes]
    reasons += [text.contents.decode("utf-8", "replace") for text in info["status_string"] or ()]
    why = f" ({'; '.join(reasons)[:_LONGEST_TOLD]})" if reasons else ""
    return f"{_STATUSES.get(status, f'answered with the unknown status {status}')}{why}"


def _mismatch(token: Any, query: Any) -> str | None:
    """Why a token is not the one asked for: RFC 3161, 2.2 and 2.4.2."""
    if token.native is None:
        return "granted the request, but gave no time-stamp"
    signed = token["content"]
    info = signed["encap_content_info"]["content"].parsed
    asked, given = (each["message_imprint"] for each in (query, info))
    if given["hashed_message"].native != asked["hashed_message"].native:
        return "gave a time-stamp for other data"
    if query["nonce"].native is not None and info["nonce"].native != query["nonce"].native:
        return "gave the time-stamp for another request"
    if not any(
        _is_signer(each.chosen, signed["signer_infos"][0]["sid"].chosen) for each in signed["certificates"]
    ):
        return "gave a time-stamp without its certificate, so that readers could not check it"
    return None


def _is_signer(certificate: Any, sid: Any) -> bool:
    if not isinstance(certificate, x509.Certificate):
        return False
    if isinstance(sid, cms.IssuerAndSerialNumber):
        named = (sid["issuer"].dump(), sid["serial_number"].native)
        return bool(named == (certificate.issuer.dump(), certificate.serial_number))
    return bool(sid.native == certificate.key_identifier)


@dataclass(frozen=True, slots=True)
class FallbackTimestamper:
    """Several authorities. Each request uses the first that answers, in order."""

    authorities: Sequence[Timestamper]

    def __str__(self) -> str:
        return " or ".join(map(str, self.authorities))

    def respond(self, request: bytes) -> bytes:
        """Ask one after the other; if none answers, raises `Unavailable` with the error of each."""
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
    """The embedded default: an authority in this process, which uses this machine's clock."""

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

    def _above(self) -> list[Any]:
        """The issuers of the certificate, without the root, which readers have."""
        above = (each for each in self.key.chain[1:] if each.issuer != each.subject)
        return [x509.Certificate.load(each.public_bytes(Encoding.DER)) for each in above]

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
                "certificates": [certificate, *self._above()],
                "signer_infos": [signer],
            }
        )


def _signed_attributes(info: bytes, certificate: Any) -> Any:
    """What a token signs besides the content, by RFC 5816: the certificate to check it with."""
    reference = tsp.SigningCertificateV2({"certs": [{"cert_hash": sha256(certificate.dump()).digest()}]})
    return cms.CMSAttributes(
        [
            {"type": "content_type", "values": ["tst_info"]},
            {"type": "message_digest", "values": [sha256(info).digest()]},
            {"type": "signing_certificate_v2", "values": [reference]},
        ]
    )

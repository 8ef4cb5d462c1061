"""What every `Timestamper` does. The fixture `timestamper` is one that answers."""

from typing import Any

from asn1crypto import tsp

from reports.signing.timestamp import Timestamper

REQUEST = tsp.TimeStampReq(
    {
        "version": 1,
        "message_imprint": {"hash_algorithm": {"algorithm": "sha256"}, "hashed_message": bytes(32)},
        "nonce": 4711,
        "cert_req": True,
    }
).dump()


def signed(response: bytes) -> Any:
    """The signed data of a response."""
    return tsp.TimeStampResp.load(response)["time_stamp_token"]["content"]


def token(response: bytes) -> Any:
    """What a response says is stamped, and when."""
    return signed(response)["encap_content_info"]["content"].parsed


def test_what_was_asked_is_stamped(timestamper: Timestamper) -> None:
    """A request is granted: the token has its digest and its nonce."""
    response = timestamper.respond(REQUEST)
    assert tsp.TimeStampResp.load(response)["status"]["status"].native == "granted"
    info = token(response)
    assert info["message_imprint"]["hashed_message"].native == bytes(32)
    assert info["nonce"].native == 4711


def test_serials_are_used_once(timestamper: Timestamper) -> None:
    """No two tokens have the same serial number (RFC 3161, 2.4.2)."""
    assert len({token(timestamper.respond(REQUEST))["serial_number"].native for _ in range(20)}) == 20


def test_the_certificate_comes_along(timestamper: Timestamper) -> None:
    """A token brings the certificate that checks it, which is for time-stamping alone."""
    purposes = [
        certificate.chosen.extended_key_usage_value.native
        for certificate in signed(timestamper.respond(REQUEST))["certificates"]
        if certificate.chosen.extended_key_usage_value
    ]
    assert ["time_stamping"] in purposes

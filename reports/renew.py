"""After the line: a briefing that is kept for decades gets a fresh time-stamp before its last one expires."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from cryptography import x509
from pyhanko.sign.validation.dss import DocumentSecurityStore
from pyhanko.sign.validation.generic_cms import extract_certs_for_validation

from reports.errors import CheckFailed, Unavailable
from reports.opening import inflated, opened
from reports.sign import seal
from reports.timestamp import Timestamper
from reports.verify import verify


def renew(
    pdf: bytes,
    timestamper: Timestamper,
    trust: Sequence[x509.Certificate],
    now: datetime,
    *,
    crls: Sequence[bytes] = (),
) -> bytes:
    """A signed briefing, to the byte, and after it one more time-stamp of the document (ETSI EN 319 142-1, 5.5).

    What it takes to check the time-stamp before goes into the store, below the fresh one. `trust` vouches for the file
    as it is and for the fresh time-stamp; `crls` are DER revocation lists that neither a network nor the file holds.

    Raises `CheckFailed` where the file, or the result, does not verify at `now`; `Unavailable` where that could not be
    checked or an authority does not answer; `InvalidSettings` where the authority's certificates do not serve.
    """
    _check(pdf, trust, now, "the briefing was not renewed")
    reader = opened(pdf)
    last = extract_certs_for_validation(reader.embedded_timestamp_signatures[-1].signed_data)
    stored = DocumentSecurityStore.read_dss(reader)
    known = [_loaded(each) for each in (last.signer_cert, *last.other_certs, *stored.load_certs())]
    lists = [inflated(each.get_object()) for each in stored.crls]
    renewed = seal(pdf, known[0], timestamper, certificates=(*known, *trust), crls=(*lists, *crls))
    _check(renewed, trust, now, "the briefing was not renewed: with its fresh time-stamp")
    return renewed


def _check(pdf: bytes, trust: Sequence[x509.Certificate], now: datetime, what: str) -> None:
    verdicts = verify(pdf, trust, now)
    for outcome, kind in (("invalid", CheckFailed), ("could not be checked", Unavailable)):
        for verdict in verdicts:
            if verdict.outcome == outcome:
                raise kind(f"{what}: {verdict.check} {outcome}: {verdict.detail}")


def _loaded(certificate: object) -> x509.Certificate:
    return x509.load_der_x509_certificate(certificate.dump())  # type: ignore[attr-defined]

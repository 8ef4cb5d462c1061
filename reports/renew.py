"""After the pipeline: a briefing that is kept for decades gets a fresh time-stamp before its last one expires."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from cryptography import x509

from reports.core.errors import CheckFailed, Unavailable
from reports.signing.keys import Lists, no_lists
from reports.signing.sign import seal
from reports.signing.timestamp import Timestamper
from reports.verification.signature import briefing_length, verify


def renew(  # noqa: PLR0913 -- trust in signers and in time-stamps are two things
    pdf: bytes,
    timestamper: Timestamper,
    trust: Sequence[x509.Certificate],
    now: datetime,
    *,
    trust_tsa: Sequence[x509.Certificate] = (),
    crls: Lists = no_lists,
) -> bytes:
    """A signed briefing, to the byte, and after it one more time-stamp of the document (ETSI EN 319 142-1, 5.5).

    The data for checking the previous time-stamp goes into the store, under the fresh one. `trust` and `trust_tsa`
    vouch for the file as it is and for the fresh time-stamp, as for `verify`; `crls` gives the DER revocation lists
    that neither a network nor the file holds.

    Raises `CheckFailed` if the file, or the result, does not verify at `now`; `Unavailable` if that could not be
    checked or an authority does not answer; `InvalidSettings` if the authority's certificates cannot be used.
    """
    _check(pdf, trust, now, trust_tsa, "the briefing was not renewed")
    renewed = seal(pdf, timestamper, certificates=(*trust, *trust_tsa), crls=crls)
    _check(renewed, trust, now, trust_tsa, "the briefing was not renewed: with its fresh time-stamp")
    return renewed


def _check(
    pdf: bytes,
    trust: Sequence[x509.Certificate],
    now: datetime,
    trust_tsa: Sequence[x509.Certificate],
    what: str,
) -> None:
    verdicts = verify(pdf, trust, now, trust_tsa)
    for outcome, kind in (("invalid", CheckFailed), ("could not be checked", Unavailable)):
        for verdict in verdicts:
            if verdict.outcome == outcome:
                raise kind(f"{what}: {verdict.check} {outcome}: {verdict.detail}{_offer(pdf)}")


def _offer(pdf: bytes) -> str:
    length = briefing_length(pdf)
    return (
        f"; the file begins with a briefing that can be renewed: cut it out with head -c {length}"
        if length
        else ""
    )

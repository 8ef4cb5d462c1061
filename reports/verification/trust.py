"""Whether a certificate can be trusted at a time, by the data in the file and the reader's trusted roots."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from asn1crypto import crl as asn1_crl  # type: ignore[import-untyped]
from asn1crypto import ocsp as asn1_ocsp
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from pyhanko.keys.internal import translate_pyca_cryptography_cert_to_asn1 as to_asn1
from pyhanko_certvalidator import CertificateValidator, ValidationContext
from pyhanko_certvalidator.errors import (
    ExpiredError,
    InsufficientRevinfoError,
    NotYetValidError,
    PathError,
    ValidationError,
)

from reports.core.certificates import issued_by
from reports.pdf.store import Store
from reports.pdf.strength import WeakError, check_certificate

# pyHanko logs what it then returns; without a handler, Python would print that, tracebacks included.
for _library in ("pyhanko", "pyhanko_certvalidator"):
    logging.getLogger(_library).addHandler(logging.NullHandler())

# A chain of three, each with a key before and one after.
MOST_ISSUERS = 6
MOST_PATHS = 512  # tried for one file

# How far the clocks of two authorities may differ.
CLOCK_TOLERANCE = timedelta(minutes=5)


class NotVouchedError(Exception):
    """A certificate is not trusted; the message says why."""


class UnknownError(Exception):
    """Whether a certificate can be trusted is unknown; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Use:
    """A certificate that was used at a time, or is asked about at a time when it need not have been used."""

    time: datetime
    certificate: x509.Certificate
    proven: bool = True


class Vouching:
    """Asks for certificates of one file, of which each list and each answer counts since its update was sealed.

    `sealed` is, for each update, when its time-stamp says that it was there, None for one that is not sealed.
    """

    def __init__(self, store: Store, sealed: Sequence[datetime | None], now: datetime) -> None:
        latest = [(time or now) + CLOCK_TOLERANCE for time in sealed]
        self._certificates = store.certificates
        self._asn1 = {each: to_asn1(each) for each in store.certificates}
        # One issued after its update was time-stamped proves nothing.
        self._lists = [each for each in store.lists if each.found.last_update_utc <= latest[each.update]]
        answers = [each for each in store.answers if each.given <= latest[each.update]]
        self._crls = [asn1_crl.CertificateList.load(each.data) for each in self._lists]
        self._ocsps = [asn1_ocsp.OCSPResponse.load(each.data) for each in answers]
        self._left = MOST_PATHS

    def check(
        self,
        use: Use,
        trusted: Sequence[x509.Certificate],
        revocation: Literal["hard-fail", "none"],
    ) -> None:
        """Raise unless a certificate is trusted at the time of its use.

        "hard-fail" wants an answer from whatever revocation service the certificates declare, "none" leaves it. Answers
        given after the moment count too, for the day of a revocation is in them. Raises `NotVouchedError` or
        `UnknownError`.
        """
        self._check_issuers(use)
        if revocation != "none":
            self._check_lists(use.certificate, use.time)
        # A trusted intermediate must not hide the root above it, so each root is also tried alone.
        first: Exception | None = None
        for anchors in (trusted, *([each] for each in trusted if len(trusted) > 1)):
            try:
                return self._check_path(use, anchors, revocation)
            except (NotVouchedError, UnknownError) as error:
                first = first or error
        raise first or NotVouchedError(f"{name(use.certificate)} cannot be trusted")

    def _check_path(self, use: Use, anchors: Sequence[x509.Certificate], revocation: str) -> None:
        self._left -= 1
        if self._left < 0:
            raise UnknownError(f"there are more than {MOST_PATHS} paths to try")
        context = ValidationContext(
            trust_roots=[to_asn1(each) for each in anchors],
            other_certs=list(self._asn1.values()),
            moment=use.time,
            revocation_mode=revocation,
            retroactive_revinfo=True,
            allow_fetching=False,
            crls=self._crls,
            ocsps=self._ocsps,
        )
        validator: Any = CertificateValidator(to_asn1(use.certificate), (), context)
        who = name(use.certificate)
        try:
            path = asyncio.run(validator.async_validate_usage(set()))
        except InsufficientRevinfoError:
            raise UnknownError(f"the file does not hold the proof that {who} was not revoked") from None
        except (PathError, ValidationError) as error:
            unproven = isinstance(error, (ExpiredError, NotYetValidError)) and not use.proven
            kind = UnknownError if unproven else NotVouchedError
            raise kind(f"{who} cannot be trusted at {instant(use.time)}: {error}") from None
        below = [x509.load_der_x509_certificate(each.dump()) for each in path][1:]
        try:
            for each in below:
                check_certificate(each)
        except WeakError as error:
            raise NotVouchedError(f"{who} cannot be trusted: {error}") from None
        if revocation != "none":
            for each in below[:-1]:
                self._check_lists(each, use.time)

    def _check_lists(self, certificate: x509.Certificate, time: datetime) -> None:
        """A list that revokes a certificate counts, whether or not the certificate names a service."""
        for each in self._lists:
            if each.found.issuer != certificate.issuer:
                continue
            revoked = each.found.get_revoked_certificate_by_serial_number(certificate.serial_number)
            if (
                revoked is not None
                and revoked.revocation_date_utc <= time
                and issued_by(certificate, each.issuer)
            ):
                when = instant(revoked.revocation_date_utc)
                raise NotVouchedError(f"{name(certificate)} was revoked at {when}")

    def _check_issuers(self, use: Use) -> None:
        """Refuse more possible issuers than any chain needs: pyHanko tries them in every order."""
        names, found = [use.certificate.issuer], {use.certificate}
        for wanted in names:
            for issuer in self._certificates:
                if issuer.subject == wanted and issuer not in found:
                    found.add(issuer)
                    names.append(issuer.issuer)
        if len(found) - 1 > MOST_ISSUERS:
            raise UnknownError(f"the file has more than {MOST_ISSUERS} possible issuers of one certificate")


def stamping_fault(certificate: x509.Certificate) -> str | None:
    """Why a certificate cannot be used for time-stamps (RFC 3161, 2.3), or None."""
    who = name(certificate)
    usage = _extension(certificate, x509.ExtendedKeyUsage)
    if usage is None or not usage.critical or list(usage.value) != [ExtendedKeyUsageOID.TIME_STAMPING]:
        return f"certificate {who} is not only for time-stamps"
    keys = _extension(certificate, x509.KeyUsage)
    if keys is not None and not (keys.value.digital_signature or keys.value.content_commitment):
        return f"certificate {who} is not for digital signatures"
    return None


def _extension(certificate: x509.Certificate, kind: Any) -> Any:
    try:
        return certificate.extensions.get_extension_for_class(kind)
    except x509.ExtensionNotFound:
        return None


def name(certificate: x509.Certificate) -> str:
    """The subject of a certificate."""
    return certificate.subject.rfc4514_string()


def instant(time: datetime) -> str:
    """A time in UTC, to the second."""
    return f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"

"""Step 7. What a reader can know about a signed PDF, from the file and the certificates that they trust."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeVar

from asn1crypto import cms, tsp  # type: ignore[import-untyped]
from cryptography import x509
from cryptography.hazmat.primitives.hashes import Hash
from pyhanko.keys.internal import translate_pyca_cryptography_cert_to_asn1 as to_asn1
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.diff_analysis import SuspiciousModification
from pyhanko.sign.fields import enumerate_sig_fields
from pyhanko.sign.general import extract_signer_info
from pyhanko.sign.validation.dss import DocumentSecurityStore
from pyhanko.sign.validation.errors import NoDSSFoundError
from pyhanko.sign.validation.generic_cms import (
    extract_certs_for_validation,
    extract_tst_data_iter,
    validate_sig_integrity,
)
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature
from pyhanko.sign.validation.status import SignatureCoverageLevel
from pyhanko_certvalidator import CertificateValidator, ValidationContext
from pyhanko_certvalidator.errors import ExpiredError, InsufficientRevinfoError, PathError, ValidationError
from pyhanko_certvalidator.util import get_declared_revinfo, get_pyca_cryptography_hash

from reports.archival import check_updates
from reports.errors import Unreadable
from reports.keys import signing_fault
from reports.opening import opened
from reports.plain import NotPlainError, check_plain, check_signatures

Outcome = Literal["valid", "invalid", "could not be checked"]
Result = TypeVar("Result")

# pyHanko logs what it then returns; without a handler, Python would print that, tracebacks included.
for _library in ("pyhanko", "pyhanko_certvalidator"):
    logging.getLogger(_library).addHandler(logging.NullHandler())

STRONG_DIGESTS = frozenset({"sha256", "sha384", "sha512", "sha3_256", "sha3_384", "sha3_512"})

# A chain of three, each with a key before and one after.
MOST_ISSUERS = 6

# How far the clocks of two authorities may differ.
CLOCK_TOLERANCE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of one check, and in one line of plain words why."""

    check: str
    outcome: Outcome
    detail: str


def verify(pdf: bytes, trust: Sequence[x509.Certificate] | None, now: datetime) -> tuple[Verdict, ...]:
    """Check a signed PDF at the instant `now`; nothing outside `pdf` and `trust` is asked.

    Three verdicts, in this order: `integrity`, `signer`, `time-stamp`. Any bytes get verdicts; nothing is
    raised.

    *Integrity*: nothing was changed or added after signing.

    1. The file is a PDF with exactly one signature; any others are document time-stamps made after it.
    2. The signature, and every time-stamp, matches the bytes that it covers and the certificate that it
       names.
    3. Each covers its revision from the first byte to the last, except the gap that holds itself and zeros.
    4. The last one covers the whole file.
    5. What was added after the signature is security stores and document time-stamps, and nothing else.
    6. It is built as briefings are: no layers, scripts, forms, actions, or content from elsewhere, with which it
       could show something else than what was signed.

    *Time-stamp*: when it was signed (ETSI EN 319 102-1, 5.6.3, with the document time-stamps as evidence).

    7. There is a time-stamp of the signature, and at least one of the document, in an order that can be.
    8. Each was made by an authority that `trust` vouches for, whose certificate is for that purpose alone
       (RFC 3161, 2.3) and was not revoked then, and was still in force when the next one was made; for the
       last one, at `now`.

    *Signer*: who signed.

    9. The signing certificate is for signing documents, and `trust` vouches for its issuer.
    10. It was in force and not revoked when the signature was time-stamped: at `now`, if the time-stamp proves
       nothing.

    Revocation is judged by what the file itself holds, which its time-stamps cover: a revocation that became
    known later is not seen. Without `trust`, only integrity can be checked.
    """
    signed = _judged(lambda: _read(pdf))
    if isinstance(signed, _FindingError):
        why = f"the file is {signed.detail}" if signed.outcome == "invalid" else signed.detail
        others = (Verdict(check, "could not be checked", why) for check in ("signer", "time-stamp"))
        return (Verdict("integrity", signed.outcome, signed.detail), *others)
    time = _judged(lambda: _signing_time(signed, _roots(trust), now))
    return (
        _verdict("integrity", lambda: _integrity(signed)),
        _verdict("signer", lambda: _signer(signed, _roots(trust), time, now)),
        _verdict("time-stamp", lambda: _stamped(signed, time)),
    )


class _FindingError(Exception):
    """Why a check did not end well."""

    outcome: Outcome = "could not be checked"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = _line(detail)


class _WrongError(_FindingError):
    outcome = "invalid"


def _judged(check: Callable[[], Result]) -> Result | _FindingError:
    try:
        return check()
    except _FindingError as finding:
        return finding
    except Exception as error:  # any bytes may come in, and parsers fail in as many ways
        return _FindingError(f"the file is damaged ({type(error).__name__}: {error})")


def _verdict(check: str, judge: Callable[[], str]) -> Verdict:
    result = _judged(judge)
    if isinstance(result, _FindingError):
        return Verdict(check, result.outcome, result.detail)
    return Verdict(check, "valid", _line(result))


@dataclass(frozen=True, slots=True)
class _Signed:
    pdf: bytes
    signature: EmbeddedPdfSignature
    stamps: tuple[EmbeddedPdfSignature, ...]  # of the document, oldest first
    store: DocumentSecurityStore | None
    stored: Sequence[Any]  # the certificates in it


@dataclass(frozen=True, slots=True)
class _Use:
    """A certificate that was used at a time, or is asked about at a time when it need not have been used."""

    time: datetime
    certificate: Any
    others: Sequence[Any]
    proven: bool = True


def _read(pdf: bytes) -> _Signed:
    # 1.
    try:
        reader = opened(pdf)
        check_signatures(reader)
    except Unreadable as error:
        raise _FindingError(str(error)) from None
    except NotPlainError as error:
        raise _WrongError(f"not built as a briefing is: it has {error}") from None
    found = reader.embedded_signatures
    if len(found) < sum(1 for _ in enumerate_sig_fields(reader, filled_status=True)):
        raise _WrongError("signed in a way that is not known here")
    signatures = [each for each in found if each.sig_object_type == "/Sig"]
    if len(signatures) != 1:
        raise _WrongError(f"signed {len(signatures)} times, not once" if signatures else "not signed")
    stamps = tuple(each for each in found if each.sig_object_type == "/DocTimeStamp")
    if found[0] is not signatures[0] or len(stamps) != len(found) - 1:
        raise _WrongError("signed after something else was put where only time-stamps of the document belong")
    store = _store(reader)
    return _Signed(pdf, signatures[0], stamps, store, tuple(store.load_certs()) if store else ())


def _store(reader: PdfFileReader) -> DocumentSecurityStore | None:
    try:
        return DocumentSecurityStore.read_dss(reader)
    except NoDSSFoundError:
        return None


def _integrity(signed: _Signed) -> str:
    # 2.
    _signer_certificate(signed.signature)
    for stamp in signed.stamps:
        _document_token(stamp)
    # 3.
    for each in (signed.signature, *signed.stamps):
        _check_gap(signed.pdf, each)
        if each.evaluate_signature_coverage() < SignatureCoverageLevel.ENTIRE_REVISION:
            raise _WrongError(f"{each.field_name} does not cover the whole file as it was then")
    # 4.
    last = (signed.signature, *signed.stamps)[-1]
    end = last.byte_range[2] + last.byte_range[3]
    if end != len(signed.pdf):
        raise _WrongError(
            f"something was added after signing: {len(signed.pdf) - end} bytes at the end are not covered"
        )
    # 5.
    try:
        check_updates(signed.signature.reader, signed.signature.signed_revision)
    except SuspiciousModification as error:
        raise _WrongError(f"something was changed or added after signing: {error}") from None
    # 6.
    try:
        check_plain(signed.signature.reader)
    except NotPlainError as error:
        raise _WrongError(f"not built as a briefing is: it has {error}") from None
    return "nothing was changed or added after signing"


def _check_gap(pdf: bytes, embedded: EmbeddedPdfSignature) -> None:
    _, end, start, _ = embedded.byte_range
    content = bytes(embedded.pkcs7_content)
    info = cms.ContentInfo.load(content)
    # Zeros inside the outermost length would be read over, too.
    tight = len(info.contents) == sum(len(info[part].dump()) for part in ("content_type", "content"))
    padding = content[len(info.dump()) :]
    gap, written = pdf[end:start], content.hex().encode()
    if not tight or padding.strip(b"\0") or gap not in (b"<%s>" % written, b"<%s>" % written.upper()):
        raise _WrongError(f"the gap that {embedded.field_name} leaves for itself holds something else too")


def _signer_certificate(signature: EmbeddedPdfSignature) -> tuple[Any, Sequence[Any]]:
    _check_digest(signature.md_algorithm)
    return _check_cms(signature.signed_data, "data", signature.compute_digest(), "the signature")


def _document_token(stamp: EmbeddedPdfSignature) -> _Use:
    return _token(stamp.signed_data, stamp.compute_digest, "a time-stamp of the document")


def _signature_token(signature: EmbeddedPdfSignature) -> _Use:
    tokens = list(extract_tst_data_iter(signature.signer_info, signed=False))
    if len(tokens) != 1:
        raise _WrongError(
            "the signature has no time-stamp" if not tokens else "the signature has more than one time-stamp"
        )
    value = bytes(signature.signer_info["signature"].native)
    return _token(tokens[0], lambda algorithm: _digest(algorithm, value), "the time-stamp of the signature")


def _token(signed_data: Any, imprint: Callable[[str], bytes], what: str) -> _Use:
    content = signed_data["encap_content_info"]["content"]
    info = content.parsed
    if not isinstance(info, tsp.TSTInfo):
        raise _WrongError(f"{what} is not one")
    stamped = info["message_imprint"]
    algorithm = stamped["hash_algorithm"]["algorithm"].native
    _check_digest(algorithm)
    if imprint(algorithm) != stamped["hashed_message"].native:
        raise _WrongError(
            f"{what} was made for something else: the file was changed, or the time-stamp swapped"
        )
    inner = extract_signer_info(signed_data)["digest_algorithm"]["algorithm"].native
    certificate, others = _check_cms(signed_data, "tst_info", _digest(inner, bytes(content)), what)
    return _Use(info["gen_time"].native, certificate, others)


def _check_cms(signed_data: Any, content_type: str, digest: bytes, what: str) -> tuple[Any, Sequence[Any]]:
    found = extract_certs_for_validation(signed_data)
    signer = extract_signer_info(signed_data)
    if not _plain(signed_data, signer, found.signer_cert):
        raise _WrongError(f"{what} contradicts itself")
    intact, valid = validate_sig_integrity(signer, found.signer_cert, content_type, digest)
    if not intact:
        raise _WrongError(f"{what} does not match the file: the file was changed")
    if not valid:
        raise _WrongError(f"{what} does not match its certificate")
    return found.signer_cert, found.other_certs


def _plain(signed_data: Any, signer: Any, certificate: Any) -> bool:
    """Whether what a signature leaves uncovered is as it has to be (RFC 5652, 5.1 and 5.3).

    Nothing covers the last time-stamp but itself: without this, those bytes could be changed unnoticed.
    """
    version = "v1" if signed_data["encap_content_info"]["content_type"].native == "data" else "v3"
    by_name = signer["sid"].name == "issuer_and_serial_number"
    algorithms = [*signed_data["digest_algorithms"], signer["digest_algorithm"]]
    return (
        (signed_data["version"].native, signer["version"].native) == (version, "v1" if by_name else "v3")
        and (not by_name or signer["sid"].chosen["issuer"].dump() == certificate.issuer.dump())
        and {each["algorithm"].native for each in algorithms}
        == {signer["digest_algorithm"]["algorithm"].native}
        and all(each["parameters"].dump() in (b"", b"\x05\x00") for each in algorithms)
    )


def _digest(algorithm: str, data: bytes) -> bytes:
    _check_digest(algorithm)
    digest = Hash(get_pyca_cryptography_hash(algorithm))
    digest.update(data)
    return digest.finalize()


def _check_digest(algorithm: str) -> None:
    if algorithm not in STRONG_DIGESTS:
        raise _WrongError(f"the digest algorithm {algorithm} proves nothing any more")


def _signing_time(signed: _Signed, roots: list[Any], now: datetime) -> datetime:
    """The time that the time-stamp of the signature proves."""
    # 7.
    if not signed.stamps:
        raise _WrongError("the document has no time-stamp: it was cut short, or never finished")
    tokens = [_signature_token(signed.signature), *map(_document_token, signed.stamps)]
    # 8.
    until = now
    for token in reversed(tokens):
        if token.time > until + CLOCK_TOLERANCE:
            raise _WrongError(
                f"a time-stamp of {_instant(token.time)} cannot have existed at {_instant(until)}"
            )
        _check_stamping_purpose(token.certificate)
        _check_path(token, signed, roots, "hard-fail")
        _check_path(replace(token, time=until, proven=False), signed, roots, "none")
        until = token.time
    return until


def _stamped(signed: _Signed, time: datetime | _FindingError) -> str:
    if isinstance(time, _FindingError):
        raise time
    last = _document_token(signed.stamps[-1])
    authority = _name(last.certificate)
    return f"signed by {_instant(time)}, sealed at {_instant(last.time)}; time-stamp authority {authority}"


def _signer(signed: _Signed, roots: list[Any], time: datetime | _FindingError, now: datetime) -> str:
    try:
        certificate, others = _signer_certificate(signed.signature)
    except _WrongError as wrong:
        raise _FindingError(f"{wrong.detail}, so it says nothing about who signed") from None
    # 9.
    if fault := signing_fault(_loaded(certificate)):
        raise _WrongError(fault)
    # 10.
    moment = now if isinstance(time, _FindingError) else time
    _check_path(_Use(moment, certificate, others, moment is time), signed, roots, "hard-fail")
    revocation = "in force and not revoked" if any(get_declared_revinfo(certificate)) else "in force"
    loaded = _loaded(certificate)
    name, issuer = (each.rfc4514_string() for each in (loaded.subject, loaded.issuer))
    return f"signed by {name}; certificate from {issuer}, {revocation} at {_instant(moment)}"


def _roots(trust: Sequence[x509.Certificate] | None) -> list[Any]:
    if not trust:
        raise _FindingError("name the certificate that you trust with --trust")
    return [to_asn1(certificate) for certificate in trust]


def _check_stamping_purpose(certificate: Any) -> None:
    usage = certificate.extended_key_usage_value
    critical = "extended_key_usage" in certificate.critical_extensions
    if usage is None or usage.native != ["time_stamping"] or not critical:
        raise _WrongError(f"certificate {_name(certificate)} is not for time-stamps alone")


def _check_path(use: _Use, signed: _Signed, roots: list[Any], revocation: str) -> None:
    """Raise unless the roots vouch for a certificate at the time of its use.

    `revocation` is pyHanko's word: "hard-fail" wants an answer from whatever revocation service the
    certificates declare, "none" leaves it. Answers given after the moment count too, for the day of a
    revocation is in them.
    """
    _check_issuers(use, signed.stored)
    settings: dict[str, Any] = {
        "trust_roots": roots,
        "moment": use.time,
        "revocation_mode": revocation,
        "retroactive_revinfo": True,
        "allow_fetching": False,
    }
    if signed.store is None:
        context = ValidationContext(**settings, crls=(), ocsps=())
    else:
        context = signed.store.as_validation_context(settings)
    validator: Any = CertificateValidator(use.certificate, use.others, context)
    name = _name(use.certificate)
    try:
        asyncio.run(validator.async_validate_usage(set()))
    except InsufficientRevinfoError:
        raise _FindingError(
            f"the file does not hold what it takes to see that {name} was not revoked"
        ) from None
    except (PathError, ValidationError) as error:
        kind = _FindingError if isinstance(error, ExpiredError) and not use.proven else _WrongError
        raise kind(f"{name} cannot be trusted at {_instant(use.time)}: {error}") from None


def _check_issuers(use: _Use, stored: Sequence[Any]) -> None:
    """Refuse more possible issuers than any chain needs: pyHanko tries them in every order."""
    names, found = [use.certificate.issuer.hashable], set()
    for name in names:
        for issuer in (*stored, *use.others):
            if issuer.subject.hashable == name and issuer.dump() not in found:
                found.add(issuer.dump())
                names.append(issuer.issuer.hashable)
    if len(found) > MOST_ISSUERS:
        raise _FindingError(
            f"the file has more than {MOST_ISSUERS} certificates that may have issued another"
        )


def _loaded(certificate: Any) -> x509.Certificate:
    return x509.load_der_x509_certificate(certificate.dump())


def _name(certificate: Any) -> str:
    return _loaded(certificate).subject.rfc4514_string()


def _instant(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _line(text: str) -> str:
    """Names in certificates are anyone's text: one line, nothing that a terminal would obey."""
    return "".join(c if c.isprintable() else "�" for c in " ".join(text.split()))

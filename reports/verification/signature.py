"""Step 7. What a reader can find out about a signed PDF, from the file and the certificates that they trust."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, TypeVar

from asn1crypto import cms as asn1_cms  # type: ignore[import-untyped]
from cryptography import x509
from cryptography.hazmat.primitives.hashes import Hash
from cryptography.x509.oid import ExtensionOID

from reports.core.certificates import chain_of, signing_fault
from reports.core.errors import CheckFailed
from reports.core.verdict import Verdict, VerdictOutcome
from reports.pdf.cms import Signature, Token, UnusualError, read_signature, read_token
from reports.pdf.grammar import NotPlainError, check_pages
from reports.pdf.pages import Pages, TooMuchError, read_pages
from reports.pdf.store import Store, TooManyError, check_store
from reports.pdf.strength import WeakError, check_signature, digest, strong_digest
from reports.pdf.syntax import WrittenOtherwiseError
from reports.pdf.updates import MOST_ROOM, MOST_UPDATES, NotRemadeError, Revision, Update, take
from reports.verification.trust import (
    CLOCK_TOLERANCE,
    NotVouchedError,
    UnknownError,
    Use,
    Vouching,
    instant,
    name,
    stamping_fault,
)

Result = TypeVar("Result")

_RANGE = re.compile(rb"/ByteRange\s*\[\s*0 +(\d{1,10}) +(\d{1,10}) +(\d{1,10}) *\]")


def verify(
    pdf: bytes,
    trust: Sequence[x509.Certificate] | None,
    now: datetime,
    trust_tsa: Sequence[x509.Certificate] = (),
) -> tuple[Verdict, ...]:
    """Check a signed PDF at the instant `now`; nothing outside of the arguments is asked.

    `trust` vouches for the signer and, unless there are `trust_tsa`, for the time-stamp authorities; `trust_tsa`
    vouches for these alone. Three verdicts, in this order: `integrity`, `signer`, `time-stamp`. Any bytes get verdicts;
    nothing is raised.

    *Integrity*: nothing was changed or added after signing.

    1. The file begins with unsigned pages, written and built as those of a briefing are (`reports.pdf`).
    2. After them come one signature and then time-stamps of the document with what it takes to check the one before.
       Each is to the byte what Exhibit writes of the data that it holds, up to the end of the file.
    3. These data are whole: DER, no certificate without a use, no list or answer about somebody else, nothing twice.
    4. The signature, and every time-stamp, matches the bytes that it covers, by algorithms that still prove something,
       and the certificate that it names.

    *Time-stamp*: when it was signed (ETSI EN 319 102-1, 5.6.3, with the document time-stamps as evidence).

    5. There is at least one time-stamp of the document, and all of them are in an order that can be.
    6. Each was made by an authority that is trusted, whose certificate is for that purpose alone (RFC 3161, 2.3) and
       was not revoked then, and was still in force when the next one was made; for the last one, at `now`.

    *Signer*: who signed.

    7. The signing certificate is for signing documents, and `trust` vouches for its issuer.
    8. It was in force and not revoked when the signature was time-stamped: at `now`, if the time-stamp proves nothing.

    A file that goes on after a briefing with what another product added, below a time-stamp, cannot be checked: the
    verdicts on `signer` and `time-stamp` are about the briefing that it begins with (`briefing_length`).

    Revocation is judged by what the file itself holds, which its time-stamps cover: a revocation that became known
    later is not seen. Without `trust`, only integrity can be checked.
    """
    signed = _judged(lambda: _read(pdf))
    if isinstance(signed, _FindingError):
        why = f"the file is {signed.detail}" if signed.outcome == "invalid" else signed.detail
        others = (Verdict(check, "could not be checked", why) for check in ("signer", "time-stamp"))
        return (Verdict("integrity", signed.outcome, signed.detail), *others)
    vouching = Vouching(signed.store, signed.sealed, now)
    time = _judged(lambda: _signing_time(signed, vouching, _roots(trust_tsa or trust), now))
    return (
        _verdict("integrity", lambda: _integrity(signed)),
        _verdict("signer", lambda: _signer(signed, vouching, _roots(trust), time, now)),
        _verdict("time-stamp", lambda: _stamped(signed, time)),
    )


def briefing_length(pdf: bytes) -> int | None:
    """How many bytes at its start are a briefing, if another product added something after them; else None."""
    signed = _judged(lambda: _read(pdf))
    return signed.length if isinstance(signed, _Signed) and signed.foreign else None


def sealed_until(pdf: bytes) -> tuple[datetime, datetime]:
    """When a briefing was last time-stamped, and until when that time-stamp's certificates are valid.

    Raises `CheckFailed` for what is not whole, or has no time-stamp.
    """
    signed = _judged(lambda: _read(pdf))
    if isinstance(signed, _FindingError):
        raise CheckFailed(f"the file is not an intact briefing: {signed.detail}")
    if signed.fault or signed.foreign or len(signed.tokens) == 1:
        raise CheckFailed(
            f"the briefing is not intact and sealed: {signed.fault or signed.foreign or 'no time-stamp'}"
        )
    last = signed.tokens[-1]
    below = [each for each in chain_of(last.signer, signed.store.certificates) if each.issuer != each.subject]
    return last.time, min(each.not_valid_after_utc for each in (last.signer, *below))


class _FindingError(Exception):
    """Why a check did not end well."""

    outcome: VerdictOutcome = "could not be checked"

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
    except (TooMuchError, TooManyError, UnknownError) as error:
        return _FindingError(str(error))
    except (NotVouchedError, UnusualError, WeakError) as error:
        return _WrongError(str(error))
    except Exception as error:  # any bytes may come in, and parsers fail in as many ways
        return _FindingError(f"the file is damaged ({type(error).__name__}: {error})")


def _verdict(check: str, judge: Callable[[], str]) -> Verdict:
    result = _judged(judge)
    if isinstance(result, _FindingError):
        return Verdict(check, result.outcome, result.detail)
    return Verdict(check, "valid", _line(result))


@dataclass(frozen=True, slots=True)
class _Signed:
    """A briefing: the first `length` bytes of a file, its updates, and what they hold.

    The first of `tokens` is about the signature, the others about the document. `foreign` is why what follows is none
    of ours, "" if nothing does.
    """

    length: int
    updates: tuple[Update, ...]
    signature: Signature
    tokens: tuple[Token, ...]
    store: Store
    fault: str
    foreign: str

    @property
    def sealed(self) -> list[datetime | None]:
        """For each update, the time at which a document time-stamp proves that it existed."""
        times = [token.time for token in self.tokens[1:]]
        return [*times[:1], *times] if times else [None]


def _read(pdf: bytes) -> _Signed:
    # 1.
    try:
        pages = read_pages(pdf)
        check_pages(pages)
    except (WrittenOtherwiseError, NotPlainError) as error:
        raise _unread(pdf, str(error)) from None
    # 2.
    updates, foreign = _updates(pdf, pages)
    # 3.
    signature = read_signature(updates[0].held.content)
    tokens = [read_token(signature.token), *(read_token(each.held.content) for each in updates[1:])]
    for token, update in zip(tokens, updates, strict=True):
        if token.outdated and update.held.form > 1:
            raise UnusualError(
                "the time-stamp does not sign the identity of its certificate (ESS v2, RFC 5816)"
            )
    store = check_store(
        signature, tokens, [each.held.stored for each in updates], [each.held.form for each in updates]
    )
    fault = _fault(pdf, updates, signature, tokens)
    if foreign and not fault:
        foreign = _tail(pdf, updates[-1].end, foreign)
    return _Signed(updates[-1].end, updates, signature, tuple(tokens), store, fault, foreign)


def _updates(pdf: bytes, pages: Pages) -> tuple[tuple[Update, ...], str]:
    """Exhibit's own updates, and why what follows them is not one of these, or ""."""
    revision, updates = Revision.of(pages), list[Update]()
    while revision.length < len(pdf):
        if len(updates) == MOST_UPDATES:
            raise TooMuchError(f"the file has more than {MOST_UPDATES} signatures and time-stamps")
        try:
            update, revision = take(pdf, revision)
        except NotRemadeError as error:
            if updates:
                return tuple(updates), str(error)
            raise _unsigned(pdf, pages.length, str(error)) from None
        updates.append(update)
    if not updates:
        raise _WrongError("not signed")
    return tuple(updates), ""


def _unread(pdf: bytes, why: str) -> _FindingError:
    """What to say of a file that does not begin with the pages of a briefing."""
    if b"%PDF-" not in pdf[:1024]:
        return _FindingError("the file is not a PDF")
    if _covered(pdf, 0) is False:
        return _WrongError("changed: the signature does not match the file")
    if b"/Encrypt" in pdf:
        return _FindingError("the file is encrypted: decrypt a copy; its signature will no longer match")
    if _covered(pdf, 0):
        return _WrongError(f"not in the form of a briefing: it has {why}")
    return _FindingError(f"the file is damaged, or is not a briefing: it has {why}")


def _unsigned(pdf: bytes, start: int, why: str) -> _FindingError:
    """The finding for pages followed by something other than a signature of Exhibit's."""
    covered = _covered(pdf, start)
    if covered is None:
        return _WrongError(
            f"not signed: {len(pdf) - start:,} bytes follow its pages that no signature covers"
        )
    if not covered:
        return _WrongError("changed: the signature does not match the file")
    return _FindingError(f"it was signed by a product other than Exhibit, or by a later release: {why}")


def _tail(pdf: bytes, start: int, why: str) -> str:
    """Why Exhibit did not write what follows a briefing; raises if it was changed or is not covered."""
    covered = _covered(pdf, start)
    if covered is None:
        raise _WrongError(
            f"something was added after signing: {len(pdf) - start:,} bytes at the end are not covered"
        )
    if not covered:
        raise _WrongError(
            "something was changed or added after signing: a time-stamp does not match the file"
        )
    return why


def _covered(pdf: bytes, start: int) -> bool | None:
    """Whether signatures of any kind cover the file to its end, by their digests; None if nothing covers the end.

    Only those after `start` are asked.
    """
    found = islice(_RANGE.finditer(pdf, start), MOST_UPDATES)
    ends = []
    for each in found:
        gap, after, length = (int(number) for number in each.groups())
        if not start <= gap < after <= after + length <= len(pdf):
            return False
        if not _digested(pdf, gap, after, length):
            return False
        ends.append(after + length)
    return True if len(pdf) in ends else None


def _digested(pdf: bytes, gap: int, after: int, length: int) -> bool:
    """Whether a signature of any kind is about the digest of what it covers."""
    view = memoryview(pdf)
    try:
        content = bytes.fromhex(pdf[gap + 1 : min(after - 1, gap + 1 + 2 * MOST_ROOM)].decode())
        data = asn1_cms.ContentInfo.load(content)["content"]
        (info,) = data["signer_infos"]
        inner = data["encap_content_info"]
        if inner["content_type"].native == "tst_info":
            imprint = inner["content"].parsed["message_imprint"]
            algorithm, wanted = (
                imprint["hash_algorithm"]["algorithm"].native,
                imprint["hashed_message"].native,
            )
        else:
            algorithm = info["digest_algorithm"]["algorithm"].native
            (wanted,) = (
                each["values"][0].native
                for each in info["signed_attrs"]
                if each["type"].native == "message_digest"
            )
        return bool(digest(algorithm, view[:gap], view[after : after + length]) == wanted)
    except WeakError:
        return True  # it cannot be shown to be wrong, so it is refused for its form
    except Exception:  # any bytes may come in, and parsers fail in as many ways
        return False


def _fault(pdf: bytes, updates: Sequence[Update], signature: Signature, tokens: Sequence[Token]) -> str:
    """Which part of the signature and the time-stamps does not match, or ""."""
    # 4.
    digests = _Digests(pdf)
    if digests.of(signature.digest_algorithm, updates[0]) != signature.message_digest:
        return "the signature does not match the file: the file was changed"
    if not _matches(signature):
        return "the signature does not match its certificate"
    for at, (token, update) in enumerate(zip(tokens, updates, strict=True)):
        what = "a time-stamp of the document" if at else "the time-stamp of the signature"
        algorithm = token.imprint_algorithm
        found = digests.of(algorithm, update) if at else digest(algorithm, signature.value)
        if found != token.imprint:
            return f"{what} was made for other data: the file was changed, or the time-stamp was swapped"
        if digest(token.digest_algorithm, token.content) != token.message_digest or not _matches(token):
            return f"{what} does not match its certificate"
    return ""


def _matches(signed: Signature | Token) -> bool:
    public: Any = signed.signer.public_key()
    return check_signature(public, signed.algorithm, signed.digest_algorithm, signed.value, signed.attributes)


class _Digests:
    """Digests what updates cover. Each begins with what the one before it covers, which is read once."""

    def __init__(self, pdf: bytes) -> None:
        self._pdf = memoryview(pdf)
        self._running: dict[str, tuple[Hash, int]] = {}

    def of(self, algorithm: str, update: Update) -> bytes:
        machine, at = self._running.get(algorithm) or (Hash(strong_digest(algorithm)), 0)
        before, after = update.covered
        machine.update(self._pdf[at : before.stop])
        self._running[algorithm] = machine, before.stop
        machine = machine.copy()
        machine.update(self._pdf[after])
        return machine.finalize()


def _integrity(signed: _Signed) -> str:
    if signed.fault:
        raise _WrongError(signed.fault)
    if signed.foreign:
        raise _FindingError(
            f"the first {signed.length:,} bytes are a briefing, unchanged since signing; what follows was added by"
            f" another product, and is not checked: {signed.foreign}"
        )
    return "nothing was changed or added after signing"


def _signing_time(
    signed: _Signed, vouching: Vouching, roots: Sequence[x509.Certificate], now: datetime
) -> datetime:
    """The time that the time-stamp of the signature proves."""
    # 5.
    if len(signed.tokens) == 1:
        raise _WrongError("the document has no time-stamp: it was cut short, or was never finished")
    if signed.fault:
        raise _WrongError(signed.fault)
    # 6.
    until = now
    for token in reversed(signed.tokens):
        if token.time > until + CLOCK_TOLERANCE:
            raise _too_late(token.time, until, now)
        if fault := stamping_fault(token.signer):
            raise _WrongError(fault)
        vouching.check(Use(token.time, token.signer), roots, "hard-fail")
        vouching.check(Use(until, token.signer, proven=False), roots, "none")
        until = token.time
    return until


def _too_late(time: datetime, until: datetime, now: datetime) -> _FindingError:
    if until == now:
        return _FindingError(
            f"the last time-stamp is from {instant(time)}, but the clock says {instant(now)}: set it, or give the time"
            " with --at"
        )
    return _WrongError(f"a time-stamp from {instant(time)} cannot have existed at {instant(until)}")


def _stamped(signed: _Signed, time: datetime | _FindingError) -> str:
    if isinstance(time, _FindingError):
        raise time
    last = signed.tokens[-1]
    return (
        f"signed by {instant(time)}, sealed at {instant(last.time)}; time-stamp authority {name(last.signer)}"
    )


def _signer(
    signed: _Signed,
    vouching: Vouching,
    roots: Sequence[x509.Certificate],
    time: datetime | _FindingError,
    now: datetime,
) -> str:
    if signed.fault.startswith("the signature"):
        raise _FindingError(f"{signed.fault}, so it does not show who signed")
    certificate = signed.signature.signer
    # 7.
    if fault := signing_fault(certificate):
        raise _WrongError(fault)
    # 8.
    moment = now if isinstance(time, _FindingError) else time
    vouching.check(Use(moment, certificate, moment is time), roots, "hard-fail")
    revocation = "in force and not revoked" if _declares(certificate) else "in force"
    issuer = certificate.issuer.rfc4514_string()
    return f"signed by {name(certificate)}; certificate from {issuer}, {revocation} at {instant(moment)}"


def _declares(certificate: x509.Certificate) -> bool:
    """Whether a certificate names a revocation service."""
    declaring = {ExtensionOID.CRL_DISTRIBUTION_POINTS, ExtensionOID.AUTHORITY_INFORMATION_ACCESS}
    return any(each.oid in declaring for each in certificate.extensions)


def _roots(trust: Sequence[x509.Certificate] | None) -> Sequence[x509.Certificate]:
    if not trust:
        raise _FindingError("give the certificate that you trust with --trust")
    return trust


def _line(text: str) -> str:
    """A name from a certificate, which anyone may have written: one line, without terminal control characters."""
    return "".join(c if c.isprintable() else "�" for c in " ".join(text.split()))

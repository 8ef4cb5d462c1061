"""The validation data in a file's security store and signatures. Anything that nothing needs is refused.

Anybody can write bytes into a certificate or an answer, and have a time-stamp put over them. So each has to be there
for a reason: a certificate because it leads upwards from a signer, a time-stamp authority or who answers for an issuer;
a list or an answer because it is about one of these.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from asn1crypto import ocsp as asn1_ocsp  # type: ignore[import-untyped]
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from reports.core.certificates import issued_by
from reports.pdf import der
from reports.pdf.cms import Signature, Token, UnusualError, certificate
from reports.pdf.strength import WeakError, check_signature, check_signed
from reports.pdf.updates import Kind

MOST_COMPARISONS = 4096

# Text that a PDF reader which repairs files could mistake for part of one.
PIECES = re.compile(rb"endobj|endstream|startxref|%%EOF|\d[\0\t\n\f\r ]+\d+[\0\t\n\f\r ]+obj")


class TooManyError(Exception):
    """The file would need more comparisons than the limit allows."""


@dataclass(frozen=True, slots=True)
class RevocationList:
    """A list, who issued it, and in DER; `update` is the number of the update that brought it."""

    found: x509.CertificateRevocationList
    issuer: x509.Certificate
    data: bytes
    update: int


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of a revocation service in DER, when it was given, and by which update it came."""

    data: bytes
    given: datetime
    update: int


@dataclass(frozen=True, slots=True)
class Store:
    """All certificates of a file, each there for a reason, and what is said of them."""

    certificates: tuple[x509.Certificate, ...]
    lists: tuple[RevocationList, ...]
    answers: tuple[Answer, ...]


def check_store(
    signature: Signature,
    tokens: Sequence[Token],
    stored: Sequence[Sequence[tuple[Kind, bytes]]],
    forms: Sequence[int],
) -> Store:
    """Read what each update stores, and of which form it is.

    Raises `UnusualError` for data without a reason to be there, and `WeakError` for weak signatures.

    No signature covers the certificates inside a signature or a token. So each must be signed by another one in the
    file or, from form 2 on, also be in the store, which a time-stamp covers.
    """
    every = [data for update in stored for _, data in update]
    left = der.MOST_VALUES
    for data in every:
        left -= _check_plain(data, left)
    if len(set(every)) < len(every):
        raise UnusualError("an item is stored twice")
    for content in (signature.token, *(token.content for token in tokens)):
        _check_pieces(content)
    found = _Gathering(signature, tokens)
    for number, update in enumerate(stored):
        for kind, data in update:
            found.add(number, kind, data)
    store = found.finished()
    covered = set(every)
    carried = (signature.certificates, *(token.certificates for token in tokens))
    brought = {
        each
        for certificates, form in zip(carried, (forms[0], *forms), strict=True)
        for each in certificates
        if form > 1 and each.public_bytes(Encoding.DER) not in covered
    }
    for each in store.certificates:
        found.check_signed(each, each in brought)
    return store


def _check_plain(data: bytes, most: int) -> int:
    """How many values there are in what is stored."""
    try:
        count = der.check(data, most)
    except der.NotDerError as error:
        raise UnusualError(f"a stored item is not DER: it has {error}") from None
    _check_pieces(data)
    return count


def _check_pieces(data: bytes) -> None:
    if piece := PIECES.search(data):
        raise UnusualError(f"a stored item could be read as part of a PDF: it has {piece[0].decode()!r}")


class _Gathering:
    """Finds a reason for everything, from the signers upwards."""

    def __init__(self, signature: Signature, tokens: Sequence[Token]) -> None:
        self.pool: dict[x509.Name, list[x509.Certificate]] = defaultdict(list)
        self.lists: list[tuple[x509.CertificateRevocationList, bytes, int]] = []
        self.answers: list[tuple[Any, bytes, int]] = []
        self.issuers: dict[x509.Certificate, list[x509.Certificate]] = {}
        self.reached: dict[x509.Certificate, None] = {}
        self.compared = 0
        for held in (signature.certificates, *(token.certificates for token in tokens)):
            for each in held:
                _check_pieces(each.public_bytes(Encoding.DER))
                self._offer(each)
        self.waiting = [signature.signer, *(token.signer for token in tokens)]

    def _offer(self, offered: x509.Certificate) -> None:
        if offered not in self.pool[offered.subject]:
            self.pool[offered.subject].append(offered)

    def add(self, update: int, kind: Kind, data: bytes) -> None:
        if kind == "Certs":
            self._offer(certificate(data))
        elif kind == "CRLs":
            self.lists.append((_list(data), data, update))
        else:
            self.answers.append((_answer(data), data, update))

    def finished(self) -> Store:
        self._climb()
        unexplained, answers = self.answers, []
        while True:
            explained = [each for each in unexplained if self._explained(each[0])]
            if not explained:
                break
            answers += explained
            unexplained = [each for each in unexplained if each not in explained]
            self._climb()
        if unexplained:
            raise UnusualError(
                "a stored OCSP answer is not about a certificate in the file, or not from an authorised responder"
            )
        for each in (each for named in self.pool.values() for each in named):
            if each not in self.reached:
                raise UnusualError(
                    f"certificate {each.subject.rfc4514_string()} did not issue any of the others"
                )
        lists = tuple(RevocationList(found, self._by(found), data, at) for found, data, at in self.lists)
        told = tuple(
            Answer(data, max(each["this_update"].native for each in _singles(found)), at)
            for found, data, at in sorted(answers, key=self.answers.index)
        )
        return Store(tuple(self.reached), lists, told)

    def _climb(self) -> None:
        """Reach who issued what was reached, by name and key."""
        while self.waiting:
            each = self.waiting.pop()
            if each in self.reached:
                continue
            self.reached[each] = None
            self._offer(each)
            self.issuers[each] = [by for by in self.pool[each.issuer] if self._issued(each, by)]
            self.waiting += self.issuers[each]

    def check_signed(self, each: x509.Certificate, alone: bool) -> None:
        """Raise unless a certificate's issuer signed it, if the issuer is in the file; if `alone`, it is not."""
        if self.issuers[each]:
            return
        named = [by for by in self.pool[each.issuer] if by == each or _may_have_issued(each, by)]
        if named or alone:
            raise UnusualError(
                f"certificate {each.subject.rfc4514_string()} is not one that its issuer signed"
                if named
                else f"certificate {each.subject.rfc4514_string()} is stored without the certificate of its issuer"
            )

    def _count(self) -> None:
        self.compared += 1
        if self.compared > MOST_COMPARISONS:
            raise TooManyError(
                f"the file needs more than {MOST_COMPARISONS:,} comparisons of certificates, lists and answers"
            )

    def _issued(self, issued: x509.Certificate, by: x509.Certificate) -> bool:
        self._count()
        return issued_by(issued, by)

    def _by(self, found: x509.CertificateRevocationList) -> x509.Certificate:
        """Who issued a list: the issuer of a certificate of this file."""
        if any(each.issuer == found.issuer for each in self.reached):
            for by in self.pool[found.issuer]:
                self._count()
                if by in self.reached and found.is_signature_valid(by.public_key()):  # type: ignore[arg-type]
                    return by
        raise UnusualError("a stored revocation list is not about a certificate in the file")

    def _explained(self, basic: Any) -> bool:
        """Whether a response is about reached certificates and from an authorized one; its own certificates wait."""
        brought = [certificate(each.dump()) for each in basic["certs"]]
        for single in _singles(basic):
            by = self._asked(single["cert_id"])
            if by is None:
                return False
            named = [each for each in (by, *brought) if _is_named(basic, each)]
            responder = next((each for each in named if each == by or self._appointed(each, by)), None)
            if responder is None or not _answered(basic, responder):
                return False
            for each in brought:
                self._offer(each)
            self.waiting.append(responder)
        return True

    def _asked(self, asked: Any) -> x509.Certificate | None:
        """The issuer of the reached certificate that an answer is about."""
        wanted = asked["issuer_name_hash"].native, asked["issuer_key_hash"].native
        for each, issuers in self.issuers.items():
            if each.serial_number == asked["serial_number"].native:
                for by in issuers:
                    self._count()
                    if _hashes(by, asked["hash_algorithm"]["algorithm"].native) == wanted:
                        return by
        return None

    def _appointed(self, responder: x509.Certificate, by: x509.Certificate) -> bool:
        try:
            usage = responder.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        except x509.ExtensionNotFound:
            return False
        return ExtendedKeyUsageOID.OCSP_SIGNING in usage and self._issued(responder, by)


def _may_have_issued(issued: x509.Certificate, by: x509.Certificate) -> bool:
    """Whether the key identifiers of a certificate and of a possible issuer match, or one of them is missing."""
    try:
        named = issued.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
        own = by.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except x509.ExtensionNotFound:
        return True
    return named is None or named == own


def _list(data: bytes) -> x509.CertificateRevocationList:
    try:
        found = x509.load_der_x509_crl(data)
        _ = found.extensions
        check_signed(found, "a revocation list")
    except (ValueError, TypeError) as error:
        raise UnusualError(f"a revocation list that cannot be read ({error})") from None
    return found


def _answer(data: bytes) -> Any:
    """The basic answer in a response (RFC 6960, 4.2.1)."""
    try:
        response = asn1_ocsp.OCSPResponse.load(data)
        basic = response["response_bytes"]["response"].parsed
        known = {"response_type": "basic_ocsp_response", "response_status": "successful"}
        found = {
            "response_type": response["response_bytes"]["response_type"].native,
            "response_status": response["response_status"].native,
        }
        der.check(response["response_bytes"]["response"].native if isinstance(basic, bytes) else basic.dump())
        _ = basic.native
    except (ValueError, TypeError, LookupError, der.NotDerError) as error:
        raise UnusualError(f"an OCSP answer that cannot be read ({error})") from None
    whole = response["response_bytes"]["response"].contents
    if found != known or whole != basic.dump() or not len(_singles(basic)):
        raise UnusualError("a stored OCSP answer has no result")
    return basic


def _singles(basic: Any) -> Any:
    return basic["tbs_response_data"]["responses"]


def _is_named(basic: Any, responder: x509.Certificate) -> bool:
    name = basic["tbs_response_data"]["responder_id"]
    if name.name == "by_name":
        return bool(name.chosen.dump() == responder.subject.public_bytes())
    return bool(name.chosen.native == _hashes(responder, "sha1")[1])


def _answered(basic: Any, responder: x509.Certificate) -> bool:
    algorithm = basic["signature_algorithm"]
    signature, data = basic["signature"].native, basic["tbs_response_data"].dump()
    try:
        return check_signature(responder.public_key(), algorithm, algorithm.hash_algo, signature, data)
    except (WeakError, UnsupportedAlgorithm, ValueError) as error:
        raise UnusualError(f"an OCSP answer: {error}") from None


def _hashes(by: x509.Certificate, algorithm: str) -> tuple[bytes, bytes]:
    """The digests of an issuer's name and key that answers name it by (RFC 6960, 4.1.1)."""
    public = by.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    bits = der.contents(der.members(public)[1], der.BITS)
    try:
        name, key = (hashlib.new(algorithm, each) for each in (by.subject.public_bytes(), bits[1:]))
    except ValueError:
        raise UnusualError(f"an OCSP answer that identifies its issuer by {algorithm}") from None
    return name.digest(), key.digest()

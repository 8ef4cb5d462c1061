"""Step 6. An unsigned PDF becomes one with a PAdES B-LTA signature, as updates after the same bytes."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from asn1crypto import tsp  # type: ignore[import-untyped]
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko.keys.internal import translate_pyca_cryptography_cert_to_asn1 as to_asn1
from pyhanko_certvalidator import CertificateValidator, ValidationContext
from pyhanko_certvalidator.errors import (
    CertificateFetchError,
    InsufficientRevinfoError,
    PathError,
    ValidationError,
)
from pyhanko_certvalidator.fetchers import Fetchers
from pyhanko_certvalidator.fetchers.aiohttp_fetchers import AIOHttpFetcherBackend

from reports.core.certificates import chain_of
from reports.core.errors import ExhibitError, InvalidRequest, InvalidSettings, Unavailable
from reports.pdf.cms import (
    Signature,
    Token,
    UnusualError,
    certificate,
    digest_for,
    read_signature,
    read_token,
    signed_attributes,
)
from reports.pdf.grammar import NotPlainError, check_pages
from reports.pdf.pages import TooMuchError, read_pages
from reports.pdf.store import TooManyError, check_store
from reports.pdf.strength import WeakError, check_signature, digest
from reports.pdf.syntax import WrittenOtherwiseError
from reports.pdf.updates import (
    Held,
    Kind,
    NotRemadeError,
    Revision,
    Update,
    fits,
    moment,
    room_for,
    take,
    write,
)
from reports.signing.keys import Lists, SigningKey, no_lists
from reports.signing.timestamp import Response, Timestamper, fault_of

ATTEMPTS = 3  # the same or another authority may answer with a longer token than last time
SIGNATURE_ROOM = 1024  # for the parts of a signature other than certificates and the token


def sign(
    pdf: bytes,
    key: SigningKey,
    timestamper: Timestamper,
    *,
    certificates: Sequence[x509.Certificate] = (),
    crls: Lists = no_lists,
) -> bytes:
    """Sign a PDF so that it can be checked without a network, and after its certificates have expired.

    The result starts with exactly the bytes of `pdf` and follows ETSI EN 319 142-1, level B-LTA:

    1. an invisible signature (`ETSI.CAdES.detached`, signing certificate by its SHA-256) with an RFC 3161
       time-stamp;
    2. a document security store with the certificates, revocation lists and OCSP answers that a checker
       needs, which are collected after the signature is time-stamped, as ETSI EN 319 102-1 requires;
    3. a document time-stamp over all of it.

    The signature certifies the document and permits no changes (`DocMDP`, P 1): readers' software then says
    "certified", and reports any later change, a filled form or a comment included. ISO 32000-2 (12.8.2.2)
    exempts security stores and document time-stamps from that rule, so step 3, and fresh time-stamps in later
    decades, do not break it.

    `certificates` are issuers that are neither in the key's chain nor in the authority's tokens, such as the root of
    the time-stamp authority. `crls` gives the DER revocation lists that are not on the network, as of the time of the
    signature's time-stamp. Other lists and answers that the certificates name are fetched (10 seconds each). This step
    reads the clock, for the signing time in the signature.

    Raises `InvalidRequest` if `pdf` is not a PDF or is already signed; `InvalidSettings` if it has something that a
    briefing may not have, or the certificates cannot be used; `Unavailable` if the time-stamp authority, a revocation
    service or the key service does not answer.
    """
    with _told():
        return asyncio.run(_sign(pdf, key, _Authority(timestamper), certificates, crls))


def seal(
    pdf: bytes,
    timestamper: Timestamper,
    *,
    certificates: Sequence[x509.Certificate],
    crls: Lists = no_lists,
) -> bytes:
    """Add a document time-stamp, and store what is needed to check the last one and the new authority.

    `certificates` and `crls` are as for `sign`, and so are the errors. The result starts with exactly the bytes of
    `pdf`.
    """
    with _told():
        file = _read(pdf)
        last = file.tokens[-1]
        held = [certificate(data) for stored in file.stored for kind, data in stored if kind == "Certs"]
        known = [*last.certificates, *held, *certificates]
        return asyncio.run(_sealed(file, last.signer, _Authority(timestamper), known, crls))


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except (WrittenOtherwiseError, NotRemadeError, TooMuchError) as error:
        raise InvalidRequest(f"the PDF cannot be signed: it has {error}") from None
    except NotPlainError as error:
        raise InvalidSettings(
            f"the pages have {error}, which a briefing may not have: correct the templates"
        ) from None
    except (PathError, ValidationError) as error:
        raise _translated(error.__cause__ or error) from None
    except (UnusualError, WeakError, TooManyError) as error:
        raise InvalidSettings(f"{error}: use other certificates or another authority") from None


@dataclass
class _File:
    """A file that grows by updates, and what they hold."""

    pdf: bytes
    revision: Revision
    signature: Signature | None = None
    tokens: list[Token] = field(default_factory=list)
    stored: list[tuple[tuple[Kind, bytes], ...]] = field(default_factory=list)
    forms: list[int] = field(default_factory=list)

    def add(self, held: Held) -> None:
        made, _, self.revision = write(self.revision, held)
        self.pdf += made
        self._note(held)

    def _note(self, held: Held) -> None:
        if self.signature is None:
            self.signature = read_signature(held.content)
            self.tokens.append(read_token(self.signature.token))
        else:
            self.tokens.append(read_token(held.content))
        self.stored.append(held.stored)
        self.forms.append(held.form)

    def finished(self) -> bytes:
        """The bytes, after checking that everything stored has a reason."""
        if self.signature is None:
            raise InvalidRequest("the PDF to seal is not signed: sign it first")
        check_store(self.signature, self.tokens, self.stored, self.forms)
        return self.pdf

    def draft(self, held: Held) -> tuple[bytes, Update]:
        """The file with an update whose content is still empty, and the place of that content."""
        made, update, _ = write(self.revision, held)
        return self.pdf + made, update

    def take(self) -> None:
        """Read the next update from the bytes."""
        update, self.revision = take(self.pdf, self.revision)
        self._note(update.held)


def _read(pdf: bytes) -> _File:
    pages = read_pages(pdf)
    check_pages(pages)
    file = _File(pdf, Revision.of(pages))
    while file.revision.length < len(pdf):
        file.take()
    return file


async def _sign(
    pdf: bytes,
    key: SigningKey,
    authority: _Authority,
    certificates: Iterable[x509.Certificate],
    crls: Lists,
) -> bytes:
    pages = read_pages(pdf)
    if pages.length < len(pdf):
        raise InvalidRequest("the PDF is already signed: give the unsigned one")
    check_pages(pages)
    file = _File(pdf, Revision.of(pages))
    _signed(file, key, authority)
    return await _sealed(file, key.chain[0], authority, [*key.chain, *certificates], crls)


def _signed(file: _File, key: SigningKey, authority: _Authority) -> None:
    """Add the signature, with its time-stamp."""
    signer, algorithm = key.chain[0], digest_for(key.chain[0].public_key())
    stated = moment(datetime.now(UTC))
    carried = sum(len(each.public_bytes(Encoding.DER)) for each in key.chain)
    length = carried + SIGNATURE_ROOM + len(authority.stamp(bytes(32)))
    for _ in range(ATTEMPTS):
        draft, update = file.draft(Held(b"", room_for(length), stated))
        covered = digest(algorithm, *(memoryview(draft)[part] for part in update.covered))
        value = key.sign(signed_attributes(signer, covered))
        token = authority.stamp(digest("sha256", value))
        content = Signature(tuple(key.chain), algorithm, covered, value, token).dump()
        held = Held(content, update.held.room, stated)
        if fits(held):
            return file.add(held)
        length = len(content)
    raise Unavailable(f"{authority} gives time-stamps of very different lengths: try again, or use another")


@dataclass(frozen=True, slots=True)
class _Given:
    """What the caller knows about certificates and revocations, and how to get more."""

    certificates: Sequence[x509.Certificate]
    crls: Sequence[bytes]
    fetchers: Fetchers


async def _sealed(
    file: _File,
    leaf: x509.Certificate,
    authority: _Authority,
    certificates: Sequence[x509.Certificate],
    crls: Lists,
) -> bytes:
    """The file with a store and a time-stamp of the document."""
    expected = authority.last or authority.stamp(bytes(32))
    async with _fetchers() as fetchers:
        lists = crls(_whole_second(read_token(expected).time))
        given = _Given(certificates, (*lists, *_held_lists(file)), fetchers)
        for _ in range(ATTEMPTS):
            stored = await _collected(file, leaf, read_token(expected), given)
            draft, update = file.draft(Held(b"", room_for(len(expected)), stored=stored))
            token = authority.stamp(digest("sha256", *(memoryview(draft)[part] for part in update.covered)))
            held = Held(token, update.held.room, stored=stored)
            if fits(held) and read_token(token).certificates == read_token(expected).certificates:
                file.add(held)
                return file.finished()
            expected = token
    raise Unavailable(f"{authority} gives time-stamps of very different lengths: try again, or use another")


def _whole_second(time: datetime) -> datetime:
    """A time rounded up to a whole second, as revocation lists state it."""
    return time.replace(microsecond=0) + timedelta(seconds=time.microsecond > 0)


def _held_lists(file: _File) -> Iterator[bytes]:
    return (data for stored in file.stored for kind, data in stored if kind == "CRLs")


async def _collected(
    file: _File, leaf: x509.Certificate, token: Token, given: _Given
) -> tuple[tuple[Kind, bytes], ...]:
    """What is needed to check a certificate and an authority, except what the file stores already."""
    context, paths = await _checked(leaf, token, given)
    own = {each.dump(): each for path in paths for each in path}
    issuers = {each.issuer.dump() for each in own.values()}
    lists = [each.dump() for each in context.crls if each.issuer.dump() in issuers]
    wanted: list[tuple[Kind, bytes]] = [
        *(("Certs", data) for data in own),
        *(("Certs", each.public_bytes(Encoding.DER)) for each in token.certificates),
        *(("OCSPs", each.dump()) for each in context.ocsps),
        *(("CRLs", data) for data in lists),
        *(("Certs", found.dump()) for each in context.ocsps for found in _brought(each)),
    ]
    once = {data: (kind, data) for kind, data in wanted if data not in file.revision.known}
    return tuple(once.values())


def _brought(answer: Any) -> Any:
    return answer["response_bytes"]["response"].parsed["certs"]


@asynccontextmanager
async def _fetchers() -> AsyncIterator[Fetchers]:
    backend: Any = AIOHttpFetcherBackend(per_request_timeout=10)
    try:
        yield backend.get_fetchers()
    finally:
        await backend.close()


async def _checked(
    leaf: x509.Certificate, token: Token, given: _Given
) -> tuple[ValidationContext, list[Any]]:
    """Where pyHanko collects what the store needs, and the paths that it found.

    Whom to trust is for the reader to say, so the topmost certificate that is known of each chain serves as
    its anchor. Whatever revocation service a certificate declares has to answer ("hard-fail").
    """
    stamp, *others = token.certificates
    known = [*given.certificates, *others]
    chains = [await _complete(each, known, given.fetchers) for each in (leaf, stamp)]
    context = ValidationContext(
        trust_roots=[to_asn1(chain[-1]) for chain in chains],
        other_certs=[to_asn1(certificate) for chain in chains for certificate in chain],
        allow_fetching=True,
        fetchers=given.fetchers,
        crls=given.crls,
        retroactive_revinfo=True,  # the authority of the time-stamp may be ahead of this clock
        revocation_mode="hard-fail",
    )
    return context, [await _path(each, context) for each in (leaf, stamp)]


async def _path(leaf: x509.Certificate, context: ValidationContext) -> Any:
    validator: Any = CertificateValidator(to_asn1(leaf), validation_context=context)
    return await validator.async_validate_usage(set())


async def _complete(
    leaf: x509.Certificate, known: Sequence[x509.Certificate], fetchers: Fetchers
) -> tuple[x509.Certificate, ...]:
    chain = chain_of(leaf, known)
    if chain[-1].issuer == chain[-1].subject:
        return chain
    fetched = [_from_asn1(found) for found in await _issuers(chain[-1], fetchers)]
    if len(chain_of(leaf, [*known, *fetched])) > len(chain):
        return await _complete(leaf, [*known, *fetched], fetchers)
    if len(chain) == 1:
        name, issuer = leaf.subject.rfc4514_string(), leaf.issuer.rfc4514_string()
        raise InvalidSettings(
            f"certificate {name} is given without its issuer's: add the certificate of {issuer}"
        )
    return chain


async def _issuers(certificate: x509.Certificate, fetchers: Fetchers) -> list[Any]:
    try:
        return [found async for found in fetchers.cert_fetcher.fetch_cert_issuers(to_asn1(certificate))]
    except CertificateFetchError:
        return []


def _translated(error: BaseException) -> ExhibitError:
    why = str(error).rstrip(".")
    if isinstance(error, InsufficientRevinfoError):
        return Unavailable(f"{why}: try again later, or use a certificate whose issuer answers")
    return InvalidSettings(f"{why}: use certificates that are valid for signing and time-stamping")


class _Authority:
    """Asks a `Timestamper`, and accepts only answers that a reader would accept."""

    def __init__(self, port: Timestamper) -> None:
        self._port = port
        self.last = b""

    def __str__(self) -> str:
        return f"{self._port}"

    def stamp(self, imprint: bytes) -> bytes:
        """The DER token for a SHA-256. Raises `Unavailable` if the answer has no usable token."""
        query = tsp.TimeStampReq(
            {
                "version": "v1",
                "message_imprint": {"hash_algorithm": {"algorithm": "sha256"}, "hashed_message": imprint},
                "nonce": secrets.randbits(63),
                "cert_req": True,
            }
        )
        request = query.dump()
        answer = self._port.respond(request)
        if fault := fault_of(answer, request):
            raise Unavailable(f"{self._port} {fault}: use another")
        try:
            self.last = _usable(Response.load(answer)["time_stamp_token"].dump())
        except Exception as error:  # a token can be any bytes, and the parser fails in as many ways
            why = str(error) or type(error).__name__
            raise Unavailable(f"{self._port} gave an unusable time-stamp ({why}): use another") from None
        return self.last


def _usable(content: bytes) -> bytes:
    token = read_token(content)
    if token.outdated:
        raise UnusualError("it identifies its certificate only by SHA-1 (ESS v1); RFC 5816 requires ESS v2")
    if token.imprint_algorithm != "sha256":
        raise UnusualError(f"it stamps {token.imprint_algorithm}, not the SHA-256 that was requested")
    public: Any = token.signer.public_key()
    intact = digest(token.digest_algorithm, token.content) == token.message_digest
    if not intact or not check_signature(
        public, token.algorithm, token.digest_algorithm, token.value, token.attributes
    ):
        raise UnusualError("it does not match its certificate")
    return content


def _from_asn1(certificate: Any) -> x509.Certificate:
    return x509.load_der_x509_certificate(certificate.dump())

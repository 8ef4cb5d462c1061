"""The signer of release 0.1, which wrote updates with pyHanko: form 1, and whatever else a test has it write."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from asn1crypto import tsp
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from pyhanko.keys.internal import translate_pyca_cryptography_cert_to_asn1 as to_asn1
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.pdf_utils.writer import BasePdfFileWriter
from pyhanko.sign.fields import InvisSigSettings, MDPPerm, SigFieldSpec, SigSeedSubFilter
from pyhanko.sign.general import extract_certificate_info
from pyhanko.sign.signers import PdfSignatureMetadata, PdfSigner, PdfTimeStamper, Signer
from pyhanko.sign.signers.constants import ESIC_EXTENSION_1
from pyhanko.sign.signers.pdf_signer import TimestampDSSContentSettings
from pyhanko.sign.timestamps import TimeStamper
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.fetchers import Fetchers

from reports.core.errors import ExhibitError, Unavailable
from reports.signing.keys import SigningKey
from reports.signing.sign import _complete, _fetchers, _from_asn1, _path
from reports.signing.timestamp import Timestamper

# Without a place on the page: PDF/A wants it printable, PDF/UA wants it tagged or off the page.
INVISIBLE = InvisSigSettings(set_print_flag=True, set_hidden_flag=False, box_out_of_bounds=True)

# The store goes into the revision of the time-stamp that covers it: nothing comes after that.
STORE_FIRST = TimestampDSSContentSettings(include_vri=False, update_before_ts=True)


Change = Callable[[IncrementalPdfFileWriter], object]


def sign(
    pdf: bytes,
    key: SigningKey,
    timestamper: Timestamper,
    *,
    certificates: Sequence[x509.Certificate] = (),
    crls: Sequence[bytes] = (),
) -> bytes:
    """Sign as release 0.1 did, whatever the pages hold."""
    return asyncio.run(_sign(pdf, key, PortTimeStamper(timestamper), certificates, crls))


def updated(pdf: bytes, change: Change) -> bytes:
    """The file with an incremental update at its end."""
    writer = Writer(io.BytesIO(pdf))
    change(writer)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def stamped(pdf: bytes, stamper: Timestamper, change: Change = lambda _: None) -> bytes:
    """The file with one more time-stamp of the document, and a change in the same update."""
    number = len(PdfFileReader(io.BytesIO(pdf)).embedded_timestamp_signatures)
    maker = PdfTimeStamper(PortTimeStamper(stamper), f"Timestamp{number + 1 if number else ''}", INVISIBLE)
    writer = Writer(io.BytesIO(pdf))
    change(writer)
    return asyncio.run(maker.async_timestamp_pdf(writer, "sha256")).getvalue()


async def _sign(
    pdf: bytes,
    key: SigningKey,
    timestamper: PortTimeStamper,
    certificates: Iterable[x509.Certificate],
    crls: Sequence[bytes],
) -> bytes:
    writer = Writer(io.BytesIO(pdf))
    async with _fetchers() as fetchers:
        known = [*key.chain, *certificates]
        context = await _context(key.chain[0], known, timestamper, crls, fetchers)
        path = await _path(key.chain[0], context)
        signed = await _signer(key, timestamper).async_sign_pdf(writer)
        return await _stamped(signed, "Timestamp", timestamper, context, path)


async def _stamped(
    document: Any, name: str, timestamper: PortTimeStamper, context: ValidationContext, path: Any
) -> bytes:
    stamper = PdfTimeStamper(timestamper, name, INVISIBLE)
    final = await stamper.async_timestamp_pdf(
        Writer(document), "sha256", context, validation_paths=[path], dss_settings=STORE_FIRST
    )
    return bytes(final.getvalue())


async def _context(
    leaf: x509.Certificate,
    certificates: Sequence[x509.Certificate],
    timestamper: PortTimeStamper,
    crls: Sequence[bytes],
    fetchers: Fetchers,
) -> ValidationContext:
    """Where pyHanko collects what step 2 embeds.

    Whom to trust is for the reader to say, so the topmost certificate that is known of each chain serves as
    its anchor. Whatever revocation service a certificate declares has to answer ("hard-fail").
    """
    stamp, *others = await timestamper.certificates()
    known = [*certificates, *others]
    chains = [await _complete(each, known, fetchers) for each in (leaf, stamp)]
    return ValidationContext(
        trust_roots=[to_asn1(chain[-1]) for chain in chains],
        other_certs=[to_asn1(certificate) for chain in chains for certificate in chain],
        allow_fetching=True,
        fetchers=fetchers,
        crls=crls,
        revocation_mode="hard-fail",
    )


def _signer(key: SigningKey, timestamper: TimeStamper) -> PdfSigner:
    metadata = PdfSignatureMetadata(
        field_name="Signature",
        md_algorithm="sha256",
        subfilter=SigSeedSubFilter.PADES,
        certify=True,
        docmdp_permissions=MDPPerm.NO_CHANGES,
    )
    field = SigFieldSpec("Signature", invis_sig_settings=INVISIBLE, readable_field_name="Signature")
    return Pdf17Signer(metadata, PortSigner(key), timestamper=timestamper, new_field_spec=field)


class Writer(IncrementalPdfFileWriter):
    """Leaves the metadata alone, which are part of what is signed: pyHanko would rewrite them every time."""

    def _update_meta(self) -> None:
        pass


class Pdf17Signer(PdfSigner):
    """Declares the PAdES extension alone: for P-256, pyHanko would make it PDF 2.0, which PDF/A-3 is not."""

    def register_extensions(self, pdf_out: BasePdfFileWriter, *, md_algorithm: str) -> None:
        pdf_out.register_extension(ESIC_EXTENSION_1)


class PortSigner(Signer):
    """Lets pyHanko sign with any `SigningKey`."""

    def __init__(self, key: SigningKey) -> None:
        leaf, *issuers = map(to_asn1, key.chain)
        super().__init__(signing_cert=leaf)
        self.cert_registry.register_multiple(issuers)
        self._key = key

    async def async_sign_raw(self, data: bytes, digest_algorithm: str, dry_run: bool = False) -> bytes:
        """Sign; a dry run only wants to know the size, and 72 bytes hold any ECDSA signature on P-256."""
        if not dry_run:
            return self._key.sign(data)
        public = self._key.chain[0].public_key()
        return bytes(public.key_size // 8 if isinstance(public, rsa.RSAPublicKey) else 72)


class PortTimeStamper(TimeStamper):
    """Lets pyHanko ask any `Timestamper`."""

    def __init__(self, port: Timestamper) -> None:
        super().__init__()
        self._port = port

    async def async_request_tsa_response(self, req: Any) -> Any:
        return tsp.TimeStampResp.load(self._port.respond(req.dump()))

    async def async_timestamp(self, message_digest: bytes, md_algorithm: str) -> Any:
        try:
            return await super().async_timestamp(message_digest, md_algorithm)
        except ExhibitError:
            raise
        except Exception as error:  # an answer can be any bytes, and the parser fails in as many ways
            raise Unavailable(f"{self._port} gave an unusable time-stamp ({error}): use another") from None

    async def certificates(self) -> list[x509.Certificate]:
        """The authority's own certificate first, then what else its tokens bring along."""
        token = await self.async_dummy_response("sha256")
        found = extract_certificate_info(token["content"])
        return [_from_asn1(each) for each in (found.signer_cert, *found.other_certs)]

"""`verify` against pyHanko's own validation of the same file: processor time, in turn, in one process."""

from __future__ import annotations

import asyncio
import io
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from pyhanko.keys.internal import translate_pyca_cryptography_cert_to_asn1 as to_asn1
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import async_validate_pdf_signature, async_validate_pdf_timestamp
from pyhanko.sign.validation.dss import DocumentSecurityStore

from reports.core.certificates import load_certificates
from reports.verification.signature import verify

ROUNDS = 3


def main(pdf: bytes, root: Path) -> None:
    """Print the seconds of ours and of pyHanko's, the medians of a few rounds."""
    trust = load_certificates(root)
    rounds = [
        (_seconds(lambda: _ours(pdf, trust)), _seconds(lambda: _pyhanko(pdf, trust))) for _ in range(ROUNDS)
    ]
    print(*(statistics.median(column) for column in zip(*rounds, strict=True)))


def _ours(pdf: bytes, trust: Sequence[x509.Certificate]) -> bool:
    return {verdict.outcome for verdict in verify(pdf, trust, datetime.now(UTC))} == {"valid"}


def _pyhanko(pdf: bytes, trust: Sequence[x509.Certificate]) -> bool:
    """Validate with what a briefing holds, and with pyHanko's analysis of later changes, as is its default."""
    reader = PdfFileReader(io.BytesIO(pdf))
    settings = {
        "trust_roots": [to_asn1(certificate) for certificate in trust],
        "allow_fetching": False,
        "revocation_mode": "hard-fail",
    }
    context = DocumentSecurityStore.read_dss(reader).as_validation_context(settings)
    (signature,), (stamp,) = reader.embedded_regular_signatures, reader.embedded_timestamp_signatures
    signed = asyncio.run(async_validate_pdf_signature(signature, context))
    stamped = asyncio.run(async_validate_pdf_timestamp(stamp, context))
    return signed.bottom_line and stamped.valid and stamped.trusted


def _seconds(check: Callable[[], bool]) -> float:
    start = time.process_time()
    if not check():
        raise SystemExit("the briefing does not verify")
    return time.process_time() - start


if __name__ == "__main__":
    main(Path(sys.argv[1]).read_bytes(), Path(sys.argv[2]))

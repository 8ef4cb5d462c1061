import ast
import io
import os
import re
import socket
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from pyhanko.pdf_utils.generic import NameObject, NumberObject, StreamObject, pdf_name
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.fields import InvisSigSettings, SigFieldSpec, SigSeedSubFilter
from pyhanko.sign.signers import PdfSignatureMetadata, PdfSigner
from pyhanko_certvalidator import ValidationContext

from reports.core.verdict import Verdict
from reports.signing import sign as sign_module
from reports.signing.keys import LocalAuthority, LocalKey
from reports.signing.sign import sign
from reports.signing.timestamp import LocalTimestamper
from reports.verification.signature import briefing_length, verify
from tests.support import form_1
from tests.support.form_1 import updated
from tests.support.pki import NOW, Key, Network, certify, new_key, reading, sign_locally, stamper_of, usage
from tests.support.remade import stamped

TRUST_ADVICE = "give the certificate that you trust with --trust"


def outcomes(pdf: bytes, *trust: x509.Certificate, now: datetime | None = None) -> dict[str, str]:
    return {verdict.check: verdict.outcome for verdict in verify(pdf, trust, now or reading())}


def detail(pdf: bytes, check: str, *trust: x509.Certificate, now: datetime | None = None) -> str:
    (found,) = [verdict for verdict in verify(pdf, trust, now or reading()) if verdict.check == check]
    return found.detail


def spans(pdf: bytes) -> dict[str, range]:
    """Where the parts of a signed file are, that a flipped bit can hit."""
    reader = PdfFileReader(io.BytesIO(pdf))
    (signature,), (stamp,) = reader.embedded_regular_signatures, reader.embedded_timestamp_signatures
    first, after = signature.byte_range[1], signature.byte_range[2]
    second, last = stamp.byte_range[1], stamp.byte_range[2]
    used, stamp_used = (len(each.pkcs7_content.rstrip(b"\0")) * 2 for each in (signature, stamp))
    return {
        "briefing": range(1000, first - 2000),
        "signature dictionary": range(first - 200, first),
        "signature": range(first + 1, first + used),
        "room after the signature": range(first + used + 4, after - 1),
        "end of the signed revision": range(after, after + 500),
        "security store": range(after + 900, second - 600),
        "time-stamp": range(second + 1, second + stamp_used),
        "room after the time-stamp": range(second + stamp_used + 4, last - 1),
        "end of the file": range(last, len(pdf)),
    }


def test_signed(signed: bytes, authority: LocalAuthority) -> None:
    """A file as signed is valid in every respect, and says by whom and when."""
    integrity, signer, stamp = verify(signed, [authority.root], reading())
    assert integrity == Verdict("integrity", "valid", "nothing was changed or added after signing")
    assert signer.outcome == "valid"
    assert signer.detail.startswith(
        "signed by CN=Exhibit local signing key; certificate from CN=Exhibit local"
    )
    assert stamp.outcome == "valid"
    assert re.match(r"signed by 20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ, sealed at 20", stamp.detail)


def test_valid_after_the_signing_certificate_expired(signed: bytes, authority: LocalAuthority) -> None:
    """Ten years on, with a signing certificate long expired, the file is as valid as on the first day."""
    later = NOW + timedelta(days=3653)
    assert authority.key.chain[0].not_valid_after_utc < later
    assert verify(signed, [authority.root], later) == verify(signed, [authority.root], reading())


def test_when_the_last_time_stamp_has_expired(signed: bytes, authority: LocalAuthority) -> None:
    """When the certificate of the last time-stamp has expired too, nothing is known to be wrong."""
    checks = outcomes(signed, authority.root, now=NOW + timedelta(days=366 * 31))
    assert checks == {
        "integrity": "valid",
        "signer": "could not be checked",
        "time-stamp": "could not be checked",
    }


def test_time_stamp_from_the_future(unsigned: bytes, authority: LocalAuthority) -> None:
    """A time-stamp that is yet to be made says that the clock is wrong, and that is all."""
    stamper = stamper_of(authority, timedelta(days=1))
    pdf = sign(unsigned, authority.key, stamper, certificates=[authority.root], crls=authority.crls)
    assert outcomes(pdf, authority.root, now=NOW)["time-stamp"] == "could not be checked"
    assert "set it, or give the time with --at" in detail(pdf, "time-stamp", authority.root, now=NOW)
    assert outcomes(pdf, authority.root, now=NOW + timedelta(days=2))["time-stamp"] == "valid"


def test_without_trust(signed: bytes) -> None:
    """Without a certificate to trust only integrity is checked, and the way on is said."""
    nobody: tuple[list[x509.Certificate] | None, ...] = (None, [])
    for trust in nobody:
        integrity, *others = verify(signed, trust, reading())
        assert integrity.outcome == "valid"
        assert {(each.outcome, each.detail) for each in others} == {("could not be checked", TRUST_ADVICE)}


def test_without_network(unsigned: bytes, network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """Verifying asks nobody, whatever the certificates declare."""
    pdf = sign(unsigned, network.key("signer"), network.timestamper)
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("asked the network"))
    assert set(outcomes(pdf, network.root).values()) == {"valid"}


def test_trust_in_somebody_else(signed: bytes, tmp_path: Path) -> None:
    """A signature that the trusted certificate does not vouch for is invalid, and so is the time-stamp."""
    stranger = LocalAuthority.open(tmp_path / "keys", NOW)
    assert outcomes(signed, stranger.root) == {
        "integrity": "valid",
        "signer": "invalid",
        "time-stamp": "invalid",
    }


def test_unsigned(unsigned: bytes, authority: LocalAuthority) -> None:
    """An unsigned file is never valid in any respect."""
    assert [
        (each.check, each.outcome, each.detail) for each in verify(unsigned, [authority.root], reading())
    ] == [
        ("integrity", "invalid", "not signed"),
        ("signer", "could not be checked", "the file is not signed"),
        ("time-stamp", "could not be checked", "the file is not signed"),
    ]


@pytest.mark.parametrize(
    "pdf", [b"", b"\0" * 5000, b"PK\x03\x04", b"%PDF-1.7\n%%EOF", b"%PDF-" + bytes(range(256)) * 9]
)
def test_not_a_pdf(pdf: bytes, authority: LocalAuthority) -> None:
    """Bytes that are not a PDF cannot be checked."""
    assert set(outcomes(pdf, authority.root).values()) == {"could not be checked"}


@pytest.mark.parametrize("part", range(9))
@pytest.mark.parametrize("bit", [1, 32])
def test_flipped_bits(signed: bytes, authority: LocalAuthority, part: int, bit: int) -> None:
    """A flipped bit is noticed, wherever in the file it is: integrity is not valid."""
    name, span = list(spans(signed).items())[part]
    assert len(span) > 20, name
    for at in span[:: len(span) // 5]:
        flipped = bytearray(signed)
        flipped[at] ^= bit
        assert outcomes(bytes(flipped), authority.root)["integrity"] != "valid", (name, at)


def test_head_of_the_last_time_stamp(signed: bytes, authority: LocalAuthority) -> None:
    """Nothing covers what a time-stamp says about itself before what it signs, yet it cannot be changed."""
    for at in spans(signed)["time-stamp"][50:86:3]:
        changed = signed[:at] + b"%X" % (int(signed[at : at + 1], 16) ^ 1) + signed[at + 1 :]
        assert outcomes(changed, authority.root)["integrity"] != "valid"


def test_changed_and_stamped_again(signed: bytes, authority: LocalAuthority) -> None:
    """A change below a fresh time-stamp, put there instead of the old one, is noticed by the signature."""
    (signature,) = PdfFileReader(io.BytesIO(signed)).embedded_regular_signatures
    cut = signed[: signature.byte_range[2] + signature.byte_range[3]]
    title = cut.index(b"/M (D") + 9
    changed = cut[:title] + b"1999" + cut[title + 4 :]
    for pdf, outcome in ((cut, "valid"), (changed, "invalid")):
        again = stamped(pdf, stamper_of(authority))
        assert outcomes(again)["integrity"] == outcome


@pytest.mark.parametrize("tail", [b"\n", b"\0", b"%%EOF\n", b"a stranger's words"])
def test_appended_bytes(signed: bytes, authority: LocalAuthority, tail: bytes) -> None:
    """Bytes after the end of the file make it invalid."""
    assert outcomes(signed + tail, authority.root)["integrity"] != "valid"


def test_truncated(signed: bytes, authority: LocalAuthority) -> None:
    """A file that was cut short is never valid in every respect, wherever it was cut."""
    for length in range(100, len(signed), len(signed) // 40):
        assert set(outcomes(signed[:length], authority.root).values()) != {"valid"}


def test_cut_before_the_time_stamp(signed: bytes, authority: LocalAuthority) -> None:
    """Cut back to its signature, a file is whole but without proof of when it was signed."""
    (signature,) = PdfFileReader(io.BytesIO(signed)).embedded_regular_signatures
    cut = signed[: signature.byte_range[2] + signature.byte_range[3]]
    checks = outcomes(cut, authority.root)
    assert checks == {"integrity": "valid", "signer": "could not be checked", "time-stamp": "invalid"}
    assert detail(cut, "time-stamp", authority.root).startswith("the document has no time-stamp")


def _rotate(writer: IncrementalPdfFileWriter) -> None:
    page, _ = writer.find_page_for_modification(0)
    page.get_object()[pdf_name("/Rotate")] = NumberObject(90)
    writer.update_container(page.get_object())


def _retitle(writer: IncrementalPdfFileWriter) -> None:
    writer.root["/Metadata"]._data = b"<x:xmpmeta/>"
    writer.update_container(writer.root["/Metadata"])


def _annotate(writer: IncrementalPdfFileWriter) -> None:
    page, _ = writer.find_page_for_modification(0)
    page.get_object()["/Annots"].append(writer.root.raw_get("/Outlines"))
    writer.update_container(page.get_object()["/Annots"])


def _hide(writer: IncrementalPdfFileWriter) -> None:
    writer.add_object(StreamObject(stream_data=b"nobody refers to this"))


def _translate(writer: IncrementalPdfFileWriter) -> None:
    writer.root[pdf_name("/Lang")] = NameObject("/fr")
    writer.update_root()


def _forget(writer: IncrementalPdfFileWriter) -> None:
    del writer.root["/DSS"]
    writer.update_root()


def _empty_store(writer: IncrementalPdfFileWriter) -> None:
    writer.root["/DSS"]["/CRLs"].clear()
    writer.update_container(writer.root["/DSS"])


CHANGES = [_rotate, _retitle, _annotate, _hide, _translate, _forget, _empty_store]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_appended_update(signed: bytes, authority: LocalAuthority, change: form_1.Change) -> None:
    """An incremental update at the end is noticed."""
    assert outcomes(updated(signed, change), authority.root)["integrity"] == "invalid"


@pytest.mark.parametrize("together", [False, True], ids=["before", "together"])
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_stamped_update(
    signed: bytes, authority: LocalAuthority, change: form_1.Change, together: bool
) -> None:
    """An update by another product, under a fresh time-stamp that the reader trusts, is told from the briefing."""
    stamper = stamper_of(authority)
    pdf = (
        form_1.stamped(signed, stamper, change)
        if together
        else form_1.stamped(updated(signed, change), stamper)
    )
    checks = outcomes(pdf, authority.root)
    assert checks == {"integrity": "could not be checked", "signer": "valid", "time-stamp": "valid"}
    assert detail(pdf, "integrity").startswith(f"the first {len(signed):,} bytes are a briefing, ")
    assert briefing_length(pdf) == len(signed)


def test_a_change_below_another_product(signed: bytes, authority: LocalAuthority) -> None:
    """A byte that another product's time-stamp covers, and that was changed, makes the file invalid."""
    pdf = bytearray(form_1.stamped(updated(signed, _rotate), stamper_of(authority)))
    assert briefing_length(signed) is None
    pdf[len(signed) + 40] ^= 1
    assert outcomes(bytes(pdf), authority.root)["integrity"] == "invalid"
    assert briefing_length(bytes(pdf)) is None


def test_fresh_time_stamp(signed: bytes, authority: LocalAuthority) -> None:
    """A fresh time-stamp of the document is no change, and the time of signing stays."""
    year = timedelta(days=365)
    later, much_later = stamper_of(authority, year), stamper_of(authority, 2 * year)
    pdf = stamped(stamped(signed, later), much_later)
    assert set(outcomes(pdf, authority.root, now=NOW + 3 * year).values()) == {"valid"}
    time = detail(signed, "time-stamp", authority.root)[:30]
    assert detail(pdf, "time-stamp", authority.root, now=NOW + 3 * year).startswith(time)


def test_visible_time_stamp(
    signed: bytes, authority: LocalAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A time-stamp that puts something on a page is none of ours."""
    monkeypatch.setattr(form_1, "INVISIBLE", InvisSigSettings(box_out_of_bounds=False))
    pdf = form_1.stamped(signed, stamper_of(authority))
    assert outcomes(pdf, authority.root)["integrity"] == "could not be checked"


def test_time_stamps_out_of_order(signed: bytes, authority: LocalAuthority) -> None:
    """A time-stamp that claims to be older than what it covers is invalid."""
    later, earlier = (stamper_of(authority, timedelta(days=days)) for days in (2, 1))
    for first, second, expected in ((earlier, later, "valid"), (later, earlier, "invalid")):
        pdf = stamped(stamped(signed, first), second)
        assert outcomes(pdf, authority.root, now=NOW + timedelta(days=3))["time-stamp"] == expected


def test_time_stamp_of_a_stranger(unsigned: bytes, authority: LocalAuthority, tmp_path: Path) -> None:
    """Time-stamps of an authority that is not trusted are invalid, and the rest is as it was."""
    stranger = LocalAuthority.open(tmp_path / "keys", NOW)
    pdf = sign(
        unsigned,
        authority.key,
        LocalTimestamper(stranger.stamp_key),
        certificates=[stranger.root],
        crls=lambda since: [*authority.crls(since), *stranger.crls(since)],
    )
    checks = outcomes(pdf, authority.root)
    assert checks == {"integrity": "valid", "signer": "valid", "time-stamp": "invalid"}
    assert set(outcomes(pdf, authority.root, stranger.root).values()) == {"valid"}


def test_swapped_time_stamp(unsigned: bytes, signed: bytes, authority: LocalAuthority) -> None:
    """The last time-stamp of another file does not fit."""
    other = sign_locally(unsigned, authority)
    ours, theirs = (spans(pdf)["time-stamp"] for pdf in (signed, other))
    length = min(len(ours), len(theirs)) + 1
    swapped = bytearray(signed)
    swapped[ours.start : ours.start + length] = other[theirs.start : theirs.start + length]
    checks = outcomes(bytes(swapped), authority.root)
    assert checks["integrity"] != "valid"
    assert checks["time-stamp"] != "valid"


def test_key_of_a_stranger(unsigned: bytes, authority: LocalAuthority) -> None:
    """A signature by a key that nobody trusts is invalid, though nothing was changed."""
    private = new_key()
    pdf = _signed_by(
        unsigned, LocalKey((certify(private, name="Exhibit local signing key"),), private), authority
    )
    assert outcomes(pdf, authority.root) == {"integrity": "valid", "signer": "invalid", "time-stamp": "valid"}


@pytest.mark.parametrize(
    ("extension", "fault"),
    [
        (usage("key_cert_sign"), "not for digital signatures"),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), "for a purpose other than"),
    ],
    ids=["usage", "purpose"],
)
def test_certificate_for_something_else(
    unsigned: bytes, authority: LocalAuthority, extension: x509.ExtensionType, fault: str
) -> None:
    """A trusted certificate that is not for documents does not make a valid signature."""
    private = new_key()
    certificate = certify(private, extension)
    pdf = _signed_by(unsigned, LocalKey((certificate,), private), authority)
    assert outcomes(pdf, certificate, authority.root)["signer"] == "invalid"
    assert fault in detail(pdf, "signer", certificate, authority.root)


def test_authority_for_something_else(unsigned: bytes, authority: LocalAuthority) -> None:
    """A time-stamp whose certificate is not only for time-stamps is invalid."""
    private = new_key()
    both = [ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.EMAIL_PROTECTION]
    certificate = certify(private, x509.ExtendedKeyUsage(both))
    stamper = LocalTimestamper(LocalKey((certificate,), private), lambda: NOW)
    pdf = sign(unsigned, authority.key, stamper, crls=authority.crls)
    assert outcomes(pdf, authority.root, certificate)["time-stamp"] == "invalid"
    assert "not only for time-stamps" in detail(pdf, "time-stamp", authority.root, certificate)


@pytest.mark.parametrize(("days", "expected"), [(100, "valid"), (300, "invalid")])
def test_certificate_when_signing(
    unsigned: bytes, authority: LocalAuthority, days: int, expected: str
) -> None:
    """A signature is valid for good if its certificate was in force when it was time-stamped, else never."""
    root_key, private = new_key(), new_key()
    root = certify(root_key, x509.BasicConstraints(ca=True, path_length=None), name="Root")
    leaf = certify(private, issuer=("Root", root_key), until=NOW + timedelta(days=200))
    stamper = stamper_of(authority, timedelta(days=days))
    key = LocalKey((leaf, root), private)
    pdf = sign(unsigned, key, stamper, certificates=[authority.root], crls=authority.crls)
    checks = outcomes(pdf, root, authority.root, now=NOW + timedelta(days=400))
    assert checks == {"integrity": "valid", "signer": expected, "time-stamp": "valid"}


@pytest.mark.parametrize(
    ("days", "expected"), [(-1, "invalid"), (1, "valid"), (None, "could not be checked")]
)
def test_revocation(
    unsigned: bytes,
    authority: LocalAuthority,
    monkeypatch: pytest.MonkeyPatch,
    days: int | None,
    expected: str,
) -> None:
    """A certificate revoked before it was used makes no valid signature; without a list nobody can know."""
    root_key, private = new_key(), new_key()
    root = certify(root_key, x509.BasicConstraints(ca=True, path_length=None), name="Root")
    place = x509.DistributionPoint([x509.DirectoryName(root.subject)], None, None, None)
    leaf = certify(private, x509.CRLDistributionPoints([place]), issuer=("Root", root_key))
    crls = [] if days is None else [_crl(root, root_key, leaf, NOW + timedelta(days=days))]
    careless = ValidationContext
    monkeypatch.setattr(
        sign_module, "ValidationContext", lambda **given: careless(**{**given, "revocation_mode": "none"})
    )
    # The list is younger than the time-stamp, as happens when two authorities' clocks differ.
    stamper = stamper_of(authority, -timedelta(minutes=3))
    key = LocalKey((leaf, root), private)
    pdf = sign(
        unsigned,
        key,
        stamper,
        certificates=[authority.root],
        crls=lambda since: [*authority.crls(since), *crls],
    )
    checks = outcomes(pdf, root, authority.root, now=NOW + timedelta(days=2))
    assert checks == {"integrity": "valid", "signer": expected, "time-stamp": "valid"}


def _crl(root: x509.Certificate, key: Key, revoked: x509.Certificate, since: datetime) -> bytes:
    entry = x509.RevokedCertificateBuilder(revoked.serial_number, since).build()
    builder = x509.CertificateRevocationListBuilder(
        root.subject, NOW - timedelta(minutes=1), NOW + timedelta(days=700)
    )
    return builder.add_revoked_certificate(entry).sign(key, SHA256()).public_bytes(Encoding.DER)


def test_two_signatures(unsigned: bytes, authority: LocalAuthority) -> None:
    """A file that somebody else signed as well is not what one signatory signed."""
    signer = form_1.PortSigner(authority.key)
    pdf = unsigned
    for name in ("one", "two"):
        metadata = PdfSignatureMetadata(name, md_algorithm="sha256", subfilter=SigSeedSubFilter.PADES)
        writer = IncrementalPdfFileWriter(io.BytesIO(pdf))
        pdf = PdfSigner(metadata, signer, new_field_spec=SigFieldSpec(name)).sign_pdf(writer).getvalue()
    assert outcomes(pdf, authority.root)["integrity"] == "could not be checked"
    assert detail(pdf, "integrity").startswith("it was signed by a product other than Exhibit")


def test_names_cannot_speak_to_the_terminal(unsigned: bytes, authority: LocalAuthority) -> None:
    """A name in a certificate is printed on one line and without control characters."""
    private = new_key()
    certificate = certify(private, name="Evil\x1b[31m\nintegrity: valid\u202e")
    pdf = _signed_by(unsigned, LocalKey((certificate,), private), authority)
    shown = detail(pdf, "signer", certificate, authority.root)
    assert "Evil" in shown
    assert shown.isprintable()


@pytest.mark.usefixtures("slow")
def test_nothing_is_printed(signed: bytes, tmp_path: Path) -> None:
    """Nothing is printed beside the verdicts, even where pyHanko logs a traceback."""
    (tmp_path / "odd.pdf").write_bytes(signed.replace(b"/ETSI.CAdES.detached", b"/ETSI.Unknown.detach"))
    program = (
        "import sys; from datetime import UTC, datetime; from pathlib import Path;"
        "from reports.verification.signature import verify;"
        "print(verify(Path(sys.argv[1]).read_bytes(), None, datetime.now(UTC))[0].detail)"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "odd.pdf"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert (run.stdout, run.stderr) == ("changed: the signature does not match the file\n", "")


def test_verify_does_not_import_sign() -> None:
    """What checks signatures shares no code with what makes them."""
    seen: set[str] = set()
    waiting = ["reports.verification.signature"]
    while waiting:
        name = waiting.pop()
        file = Path(sign_module.__file__).parents[2] / f"{name.replace('.', '/')}.py"
        if name in seen or not file.exists():
            continue
        seen.add(name)
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("reports"):
                waiting += [node.module, *(f"{node.module}.{each.name}" for each in node.names)]
    assert "reports.signing.sign" not in seen
    assert {"reports.core.certificates", "reports.pdf.updates", "reports.pdf.content"} <= seen


def _signed_by(pdf: bytes, key: LocalKey, authority: LocalAuthority) -> bytes:
    stamper = stamper_of(authority)
    return sign(pdf, key, stamper, certificates=[authority.root], crls=authority.crls)

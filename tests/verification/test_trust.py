"""Whom a reader trusts, for what, and by which algorithms."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS
from cryptography.hazmat.primitives.hashes import MD5, SHA1, SHA256, HashAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from reports.cli import main
from reports.pdf.pages import read_pages
from reports.pdf.strength import WeakError, check_certificate, check_signed
from reports.signing.keys import LocalAuthority, LocalKey
from reports.signing.sign import sign
from reports.signing.timestamp import LocalTimestamper
from reports.verification.signature import verify
from tests.support.pki import NOW, Key, Network, certify, new_key, reading, stamper_of
from tests.support.remade import stamped

CA = x509.BasicConstraints(ca=True, path_length=None)
STAMPING = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
WEAK = (MD5(), SHA1())  # noqa: S303 -- to be refused
WEAK_AND_STRONG = [*((each, False) for each in WEAK), (SHA256(), True), (None, False)]
Two = tuple[bytes, x509.Certificate, x509.Certificate]
VALID = {"integrity": "valid", "signer": "valid", "time-stamp": "valid"}


def found(
    pdf: bytes,
    trust: Sequence[x509.Certificate],
    trust_tsa: Sequence[x509.Certificate] = (),
    now: datetime | None = None,
) -> dict[str, str]:
    return {verdict.check: verdict.outcome for verdict in verify(pdf, trust, now or reading(), trust_tsa)}


@pytest.fixture(scope="module")
def two(unsigned: bytes) -> Two:
    """A briefing whose signer and whose time-stamp authority have roots of their own, and these."""
    keys = [new_key() for _ in range(4)]
    signers = certify(keys[0], CA, name="Signers")
    stampers = certify(keys[1], CA, name="Stampers")
    leaf = certify(keys[2], name="Signer", issuer=("Signers", keys[0]))
    stamp = certify(keys[3], STAMPING, name="Stamper", issuer=("Stampers", keys[1]))
    key, stamper = LocalKey((leaf, signers), keys[2]), LocalTimestamper(LocalKey((stamp,), keys[3]))
    return sign(unsigned, key, stamper, certificates=[stampers]), signers, stampers


def test_trust_without_a_purpose_is_for_both(two: Two) -> None:
    """A certificate that is trusted without a purpose vouches for signers and for time-stamps."""
    pdf, signers, stampers = two
    assert found(pdf, [signers, stampers]) == VALID


def test_trust_for_time_stamps(two: Two) -> None:
    """A root that is trusted for time-stamps vouches for no signer, and then the others for no time-stamp."""
    pdf, signers, stampers = two
    assert found(pdf, [signers], [stampers]) == VALID
    assert found(pdf, [stampers], [signers]) == {**VALID, "signer": "invalid", "time-stamp": "invalid"}
    assert found(pdf, [signers, stampers], [signers]) == {**VALID, "time-stamp": "invalid"}


def test_an_intermediate_besides(unsigned: bytes, network: Network) -> None:
    """To name an intermediate besides its root makes no valid file worse."""
    pdf = sign(unsigned, network.key("signer"), network.timestamper)
    between = next(
        each for each in network.key("signer").chain[1:] or _stored(pdf) if "Between" in str(each.subject)
    )
    assert found(pdf, [network.root]) == VALID
    assert found(pdf, [network.root, between]) == VALID
    assert found(pdf, [between, network.root]) == VALID


def _stored(pdf: bytes) -> list[x509.Certificate]:
    from tests.support.remade import revisions  # noqa: PLC0415

    held = revisions(pdf)[1][0].held.stored
    return [x509.load_der_x509_certificate(data) for kind, data in held if kind == "Certs"]


@pytest.mark.parametrize(
    ("revoked", "issued", "outcome"),
    [(-1, 0, "invalid"), (1, 0, "valid"), (-1, 3, "valid")],
    ids=["before", "after", "by a list from the future"],
)
def test_a_list_about_a_certificate_that_names_none(
    two: Two, authority: LocalAuthority, revoked: int, issued: int, outcome: str
) -> None:
    """A list revokes a certificate though it names no service; one that was issued after it was sealed does not."""
    root_key, key = new_key(), new_key()
    root = certify(root_key, CA, name="Root")
    leaf = certify(key, issuer=("Root", root_key))
    entry = x509.RevokedCertificateBuilder(leaf.serial_number, NOW + timedelta(days=revoked)).build()
    since = NOW - timedelta(minutes=1) + timedelta(days=issued)
    listed = (
        x509.CertificateRevocationListBuilder(root.subject, since, since + timedelta(days=9))
        .add_revoked_certificate(entry)
        .sign(root_key, SHA256())
        .public_bytes(Encoding.DER)
    )
    pdf, *_ = two
    unsigned = pdf[: read_pages(pdf).length]
    stamper = stamper_of(authority)
    signed = sign(
        unsigned, LocalKey((leaf, root), key), stamper, certificates=[authority.root], crls=authority.crls
    )
    pdf = stamped(signed, stamper_of(authority), [("CRLs", listed)])
    assert found(pdf, [root, authority.root]) == {**VALID, "signer": outcome}


def test_a_wrong_clock(signed: bytes, authority: LocalAuthority) -> None:
    """A clock that is before the last time-stamp makes nothing invalid, and the instant can be named."""
    checks = found(signed, [authority.root], now=NOW - timedelta(days=400))
    assert checks == {**VALID, "signer": "could not be checked", "time-stamp": "could not be checked"}


def test_options(two: Two, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command takes roots for time-stamps alone, and an instant; one without a time zone is refused."""
    pdf, signers, stampers = two
    (tmp_path / "a.pdf").write_bytes(pdf)
    for name, root in (("signers", signers), ("stampers", stampers)):
        (tmp_path / f"{name}.pem").write_bytes(root.public_bytes(Encoding.PEM))
    trust = ["--trust", f"{tmp_path}/signers.pem", "--trust-tsa", f"{tmp_path}/stampers.pem"]
    main(["verify", f"{tmp_path}/a.pdf", *trust])
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines()[:3]] == ["valid"] * 3
    main(["verify", f"{tmp_path}/a.pdf", *trust, "--at", "2001-01-01T00:00:00Z"])
    assert "give the time with --at" in capsys.readouterr().out
    assert main(["verify", f"{tmp_path}/a.pdf", *trust, "--at", "2001-01-01"]) == 2
    assert "--at '2001-01-01' has no time zone" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("key", "why"),
    [
        (lambda: rsa.generate_private_key(65537, 1024), "an RSA key of 1024 bits"),  # noqa: S505 -- to be refused
        (lambda: ec.generate_private_key(ec.SECP256K1()), "a key on the curve secp256k1"),
        (lambda: ec.generate_private_key(ec.SECP224R1()), "a key on the curve secp224r1"),
        (ed25519.Ed25519PrivateKey.generate, "a key of a kind that Exhibit does not use"),
    ],
)
def test_weak_keys(key: Callable[[], Key], why: str) -> None:
    """A certificate with a weak key, or on a curve that is not used here, proves nothing."""
    with pytest.raises(WeakError, match=why):
        check_certificate(certify(key()))


@pytest.mark.parametrize("key", [lambda: rsa.generate_private_key(65537, 2048), new_key])
def test_strong_keys(key: Callable[[], Key]) -> None:
    """RSA of 2048 bits, and P-256, still prove something."""
    check_certificate(certify(key()))


@pytest.mark.parametrize(("digest", "strong"), WEAK_AND_STRONG)
def test_weak_signatures(digest: HashAlgorithm | None, strong: bool) -> None:
    """MD5 and SHA-1 prove nothing any more, and what brings a digest of its own, as Ed25519 does, is not used here."""
    signed = SimpleNamespace(signature_hash_algorithm=digest, signature_algorithm_parameters=None)
    if strong:
        check_signed(signed, "a list")
    else:
        with pytest.raises(
            WeakError,
            match=r"a list is signed with (an algorithm that Exhibit does not use|.*, which is no longer secure)",
        ):
            check_signed(signed, "a list")


def test_weak_masks() -> None:
    """The digest of the mask of RSASSA-PSS has to be strong, too."""
    padded = PSS(MGF1(WEAK[1]), 32)
    signed = SimpleNamespace(signature_hash_algorithm=SHA256(), signature_algorithm_parameters=padded)
    with pytest.raises(WeakError, match="signed with sha1"):
        check_signed(signed, "a list")

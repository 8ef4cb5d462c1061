"""A fresh time-stamp for a briefing that is kept."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from reports.cli import main
from reports.core.errors import CheckFailed, Unavailable
from reports.renew import renew
from reports.signing.keys import LocalAuthority, LocalKey
from reports.signing.sign import sign
from reports.signing.timestamp import HttpTimestamper, LocalTimestamper
from tests.support import conformance
from tests.support.pki import NOW, Network, certify, new_key, stamper_of
from tests.support.tools import needs_verapdf
from tests.verification.test_signature import outcomes

pytestmark = pytest.mark.usefixtures("slow")

STAMPING = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])


def renewed(pdf: bytes, authority: LocalAuthority, *trust: x509.Certificate, days: int = 0) -> bytes:
    """Renewed so many days after `NOW`, by clocks that stand."""
    since = timedelta(days=days)
    return renew(
        pdf, stamper_of(authority, since), [authority.root, *trust], NOW + since, crls=authority.crls
    )


def test_renewed(signed: bytes, authority: LocalAuthority) -> None:
    """A renewed file starts with the same bytes and is as valid as before, however often it is renewed."""
    once = renewed(signed, authority, days=1)
    twice = renewed(once, authority, days=2)
    assert twice.startswith(once)
    assert once.startswith(signed)
    assert set(outcomes(twice, authority.root, now=NOW + timedelta(days=3)).values()) == {"valid"}


def test_outlives_its_first_authority(unsigned: bytes, authority: LocalAuthority) -> None:
    """Renewed in time, a file is valid when the certificate of its first time-stamp authority has expired."""
    root_key, private = new_key(), new_key()
    certificate = certify(root_key, x509.BasicConstraints(ca=True, path_length=None), name="Root")
    leaf = certify(private, STAMPING, issuer=("Root", root_key), until=NOW + timedelta(days=200))
    stamper = LocalTimestamper(LocalKey((leaf, certificate), private), lambda: NOW)
    pdf = sign(
        unsigned, authority.key, stamper, certificates=[authority.root, certificate], crls=authority.crls
    )
    trust, later = (authority.root, certificate), NOW + timedelta(days=1000)
    again = renewed(pdf, authority, certificate, days=100)
    assert outcomes(pdf, *trust, now=later)["time-stamp"] == "could not be checked"
    assert set(outcomes(again, *trust, now=later).values()) == {"valid"}


def test_authorities_on_the_network(unsigned: bytes, network: Network) -> None:
    """What the certificates of the authorities declare is fetched again."""
    pdf = sign(unsigned, network.key("signer"), network.timestamper)
    again = renew(pdf, network.timestamper, [network.root], datetime.now(UTC))
    assert set(outcomes(again, network.root).values()) == {"valid"}


@needs_verapdf()
def test_still_an_archive(signed: bytes, authority: LocalAuthority, tmp_path: Path) -> None:
    """A renewed file conforms to PDF/A-3a and PDF/UA-1 as it did before."""
    (tmp_path / "before.pdf").write_bytes(signed)
    (tmp_path / "after.pdf").write_bytes(renewed(signed, authority))
    verdicts = conformance.validate([tmp_path / "before.pdf", tmp_path / "after.pdf"])
    before, after = (
        {v.flavour: v.broken for v in verdicts if v.path.stem == name} for name in ("before", "after")
    )
    assert after["3a"] == ()
    assert after == before


def test_refuses_what_does_not_verify(signed: bytes, authority: LocalAuthority) -> None:
    """A file that was changed, or whose signer is not trusted, is not renewed."""
    changed = bytearray(signed)
    changed[2000] ^= 1
    with pytest.raises(CheckFailed, match="the briefing was not renewed: integrity invalid"):
        renewed(bytes(changed), authority)
    with pytest.raises(Unavailable, match="the briefing was not renewed: integrity could not be checked"):
        renewed(b"no PDF", authority)


def test_refuses_an_authority_that_is_not_trusted(signed: bytes, authority: LocalAuthority) -> None:
    """A fresh time-stamp that the reader would not trust is not given out."""
    private = new_key()
    stamper = LocalTimestamper(LocalKey((certify(private, STAMPING),), private), lambda: NOW)
    with pytest.raises(CheckFailed, match="with its fresh time-stamp: time-stamp invalid"):
        renew(signed, stamper, [authority.root], NOW, crls=authority.crls)


def test_silent_authority(signed: bytes, authority: LocalAuthority) -> None:
    """Without an answer of the authority nothing is renewed."""
    gone = HttpTimestamper("http://127.0.0.1:1/tsa", sleep=lambda _: None)
    with pytest.raises(Unavailable, match="did not answer"):
        renew(signed, gone, [authority.root], NOW, crls=authority.crls)


def test_command(
    signed: bytes, authority: LocalAuthority, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command writes a new file beside the old one, which stays, and never one that is there."""
    file, keys = tmp_path / "briefing.pdf", str(authority.directory)
    file.write_bytes(signed)
    assert main(["renew", str(file), "--keys", keys]) == 0
    assert capsys.readouterr().out == f"renewed: {tmp_path / 'briefing.renewed.pdf'}\n"
    assert file.read_bytes() == signed
    assert set(outcomes((tmp_path / "briefing.renewed.pdf").read_bytes(), authority.root).values()) == {
        "valid"
    }
    assert main(["renew", str(file), "--keys", keys]) == 2
    assert "exists already: give a new file with --out" in capsys.readouterr().err
    assert main(["renew", str(file), "--keys", keys, "--out", str(file)]) == 2


def test_command_without_an_authority(
    signed: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder without an authority is refused, and none is made in it."""
    (tmp_path / "briefing.pdf").write_bytes(signed)
    assert main(["renew", str(tmp_path / "briefing.pdf"), "--keys", str(tmp_path / "keys")]) == 2
    assert "root.cert.pem cannot be read" in capsys.readouterr().err
    assert not (tmp_path / "keys").exists()

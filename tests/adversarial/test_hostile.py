"""What verifying does with files that are written to keep it busy."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from reports.cli import main
from reports.pdf import store
from reports.pdf.updates import Kind
from reports.signing.keys import LocalAuthority, LocalKey
from reports.signing.sign import sign
from reports.verification.attachments import attachments_verdict, contents
from reports.verification.signature import verify
from tests.adversarial.hostile import ATTACHMENTS, FILES
from tests.support.pki import certify, new_key, reading, stamper_of
from tests.support.remade import stamped
from tests.verification.test_signature import detail, outcomes

CA = x509.BasicConstraints(ca=True, path_length=None)

MOST_CALLS = 50_000_000  # of functions, on any machine; the file that takes most makes a third


class TooMuchError(BaseException):
    """More work than is bounded; whatever catches errors does not catch this."""


@contextmanager
def bounded() -> Iterator[None]:
    """Count calls of functions, and end what makes too many."""
    calls = 0

    def count(frame: object, event: str, called: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")
        if calls > MOST_CALLS:
            raise TooMuchError

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        yield
    finally:
        sys.setprofile(before)


@pytest.mark.parametrize("name", FILES)
def test_hostile_files_get_verdicts(name: str) -> None:
    """A file that is written to keep its reader busy gets its verdicts all the same, none of them good."""
    with bounded():
        verdicts = (*verify(FILES[name], None, reading()), attachments_verdict(contents(FILES[name])))
    assert [each.outcome for each in verdicts].count("valid") == 0
    assert all(each.detail.isprintable() and len(each.detail) < 300 for each in verdicts)


@pytest.mark.parametrize("name", ATTACHMENTS)
def test_hostile_attachments_get_a_verdict(name: str) -> None:
    """Attachments that are written to fill the memory could not be checked."""
    assert attachments_verdict(contents(ATTACHMENTS[name])).outcome == "could not be checked"


def test_a_long_file_is_not_read_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command reads no more of a file than is checked, and says that it could not be checked."""
    with (tmp_path / "long.pdf").open("wb") as out:
        out.write(b"%PDF-1.7\n")
        out.truncate(10**12)
    assert main(["verify", str(tmp_path / "long.pdf")]) == 3
    assert "the file has more than 52,428,800 bytes" in capsys.readouterr().out


def test_issuers_of_one_name(unsigned: bytes, authority: LocalAuthority) -> None:
    """Certificates that may all have issued each other are not tried in every order."""
    key, private = new_key(), new_key()
    root = certify(key, CA, name="Namesake")
    more = [certify(key, CA, name="Namesake") for _ in range(12)]
    leaf = certify(private, issuer=("Namesake", key))
    pdf = sign(
        unsigned,
        LocalKey((leaf, root), private),
        stamper_of(authority),
        certificates=[authority.root],
        crls=authority.crls,
    )
    stored: list[tuple[Kind, bytes]] = [("Certs", each.public_bytes(Encoding.DER)) for each in more]
    pdf = stamped(pdf, stamper_of(authority), stored)
    assert outcomes(pdf, authority.root)["integrity"] == "valid"
    assert outcomes(pdf, authority.root)["signer"] == "could not be checked"
    assert "possible issuers of one certificate" in detail(pdf, "signer", authority.root)


def test_comparisons_are_counted(signed: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """More certificates than can be compared are not compared."""
    monkeypatch.setattr(store, "MOST_COMPARISONS", 2)
    assert "more than 2 comparisons of" in detail(signed, "integrity")

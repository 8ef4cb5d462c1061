"""What verifying does with files that are written to keep it busy."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko.pdf_utils.generic import StreamObject

from reports.cli import main
from reports.contents import attachments_verdict, contents
from reports.verify import verify
from tests.hostile import ATTACHMENTS, FILES, overlapping
from tests.pki import certify, new_key, reading, stamper_of
from tests.test_verify import detail, outcomes, stamped

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
def test_hostile_files_get_verdicts(name):
    """A file that is written to keep its reader busy gets its verdicts all the same, none of them good."""
    with bounded():
        verdicts = (*verify(FILES[name], None, reading()), attachments_verdict(contents(FILES[name])))
    assert [each.outcome for each in verdicts].count("valid") == 0
    assert all(each.detail.isprintable() and len(each.detail) < 300 for each in verdicts)


@pytest.mark.parametrize("name", ATTACHMENTS)
def test_hostile_attachments_get_a_verdict(name):
    """Attachments that are written to fill the memory could not be checked."""
    assert attachments_verdict(contents(ATTACHMENTS[name])).outcome == "could not be checked"


def test_streams_within_streams():
    """Streams that are all the same bytes of the file are not kept once each."""
    assert "streams within streams" in attachments_verdict(contents(overlapping(40))).detail
    assert "briefing.json is missing" in attachments_verdict(contents(overlapping(2))).detail


def test_a_long_file_is_not_read_whole(tmp_path, capsys):
    """The command reads no more of a file than is checked, and says that it could not be checked."""
    with (tmp_path / "long.pdf").open("wb") as out:
        out.write(b"%PDF-1.7\n")
        out.truncate(10**12)
    assert main(["verify", str(tmp_path / "long.pdf")]) == 3
    assert "the file has more than 67,108,864 bytes" in capsys.readouterr().out


def test_issuers_of_one_name(signed, authority):
    """Certificates that may all have issued each other are not tried in every order."""

    def add(writer):
        store = writer.root["/DSS"]
        for _ in range(12):
            certificate = certify(new_key(), name="Exhibit local root").public_bytes(Encoding.DER)
            store["/Certs"].append(writer.add_object(StreamObject(stream_data=certificate)))
        writer.update_container(store)

    pdf = stamped(signed, stamper_of(authority), add)
    stranger = certify(new_key(), name="Exhibit local root")
    assert outcomes(pdf, stranger)["signer"] == "could not be checked"
    assert "certificates that may have issued another" in detail(pdf, "signer", stranger)

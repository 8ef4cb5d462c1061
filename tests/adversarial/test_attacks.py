"""Every published attack on the signature of a PDF is refused."""

import pytest
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

from reports.core.errors import InvalidRequest
from reports.signing.keys import LocalAuthority
from reports.verification.attachments import attached
from reports.verification.signature import briefing_length, verify
from tests.adversarial import attacks, tampering
from tests.support import form_1
from tests.support.form_1 import updated
from tests.support.pki import NOW, reading, sign_locally, stamper_of
from tests.support.publishing import Published
from tests.verification.test_signature import detail, outcomes

WRONG, UNKNOWN = "invalid", "could not be checked"
NOT_COVERED = "something was added after signing: "
NO_MATCH = "changed: the signature does not match the file"
FOREIGN = (
    " bytes are a briefing, unchanged since signing; what follows was added by another product,"
    " and is not checked: "
)

TABLE: dict[attacks.Family, dict[str, str]] = {
    attacks.forged: dict.fromkeys(
        (
            *("contents removed", "contents null", "contents zero", "contents renamed"),
            *("byte range removed", "byte range null", "byte range []", "byte range [0 0 0 0]"),
            *("byte range [0 -1 0 -1]", "byte range [0 99 0 0]", "byte range [0 1 2]"),
            "byte range [(a) 0 0 0]",
        ),
        NO_MATCH,
    ),
    attacks.saved: dict.fromkeys(
        ("update of a page", "body alone", "body and an end", "body and a trailer", "body, table and end"),
        NOT_COVERED,
    ),
    attacks.wrapped: dict.fromkeys(("wrapped", "wrapped to nowhere"), NO_MATCH),
    attacks.shadowed: dict.fromkeys(
        (
            *("hide", "replace through a form", "replace through a font", "replace through the catalog"),
            "hide and replace",
        ),
        NOT_COVERED,
    ),
    attacks.certified: {
        **dict.fromkeys(
            (f"evil annotation {kind}" for kind in ("/FreeText", "/Stamp", "/Redact", "/Link")), NOT_COVERED
        ),
        "sneaky signature": "something was changed or added after signing: a time-stamp does not match the file",
    },
}
# What is appended can be given a time-stamp that the reader trusts: anyone can have one.
STAMPED = [
    (attacks.shadowed, "hide"),
    (attacks.shadowed, "replace through a form"),
    (attacks.shadowed, "replace through a font"),
    *((attacks.certified, f"evil annotation {kind}") for kind in ("/FreeText", "/Stamp", "/Redact", "/Link")),
]


@pytest.mark.parametrize("family", TABLE, ids=lambda family: family.__name__)
def test_published_attacks(signed: bytes, authority: LocalAuthority, family: attacks.Family) -> None:
    """Each attack of a family is refused, for the reason that it deserves."""
    found = {name: verdict(pdf, authority) for name, pdf in family(signed)}
    assert found.keys() == TABLE[family].keys()
    for name, why in TABLE[family].items():
        assert found[name][0] == WRONG, (name, found[name])
        assert found[name][1].startswith(why), (name, found[name])


@pytest.mark.parametrize(("family", "name"), STAMPED, ids=[name for _, name in STAMPED])
def test_attacks_under_a_fresh_time_stamp(
    signed: bytes, authority: LocalAuthority, family: attacks.Family, name: str
) -> None:
    """An attack that a fresh time-stamp covers, from an authority that the reader trusts, is told from the briefing."""
    pdf = form_1.stamped(dict(family(signed))[name], stamper_of(authority))
    outcome, why = verdict(pdf, authority)
    assert outcome == UNKNOWN
    assert why.startswith(f"the first {len(signed):,}{FOREIGN}")
    assert briefing_length(pdf) == len(signed)


@pytest.mark.parametrize("name", attacks.masked())
def test_content_masked_before_signing(unsigned: bytes, authority: LocalAuthority, name: str) -> None:
    """A file that could show something else later is refused, though its own signatory prepared it."""
    changed = updated(unsigned, attacks.masked()[name])
    pdf = form_1.sign(changed, authority.key, stamper_of(authority), crls=authority.crls(NOW))
    outcome, why = verdict(pdf, authority)
    assert outcome == UNKNOWN
    assert why.startswith("it was signed by a product other than Exhibit, or by a later release: ")
    with pytest.raises(InvalidRequest, match="is already signed"):
        sign_locally(changed, authority)


def test_a_swapped_attachment(golden: dict[str, Published], authority: LocalAuthority) -> None:
    """Another file in the place of an attachment is noticed, also under a fresh time-stamp, and is not read."""
    pdf = golden["quiet"].pdf.read_bytes()
    assert verdict(pdf, authority)[0] == "valid"

    def swap(writer: IncrementalPdfFileWriter) -> None:
        file = writer.root["/Names"]["/EmbeddedFiles"]["/Names"][1]["/EF"]["/F"]
        file._data, file._encoded_data = b"{}", None
        writer.update_container(file)

    swapped = updated(pdf, swap)
    assert attached(swapped) == attached(pdf)
    assert verdict(swapped, authority)[0] == WRONG
    assert verdict(form_1.stamped(swapped, stamper_of(authority)), authority)[0] == UNKNOWN


@pytest.mark.parametrize("share", range(8))
def test_a_changed_byte(signed: bytes, share: int) -> None:
    """A changed byte is noticed at each of 2,000 positions."""
    tried = list(tampering.trials(signed, 2000, seed=4, share=slice(share, None, 8)))
    assert len(tried) == 250
    assert [trial for trial in tried if trial.accepted] == []


def test_tampering_counts_what_is_accepted(signed: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change that is accepted would be counted: every byte of a file, where nothing is checked."""
    whole = verify(signed, None, reading())
    monkeypatch.setattr(tampering, "verify", lambda *_: whole)
    assert sum(trial.accepted for trial in tampering.trials(signed, 50, seed=4)) == 50


def verdict(pdf: bytes, authority: LocalAuthority) -> tuple[str, str]:
    return outcomes(pdf, authority.root)["integrity"], detail(pdf, "integrity", authority.root)

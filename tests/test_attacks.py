"""Every published attack on the signature of a PDF is refused."""

import pytest

from reports.contents import attached
from tests import attacks, tampering
from tests.pki import reading, sign_locally, stamper_of
from tests.test_verify import detail, outcomes, stamped

WRONG, DAMAGED = "invalid", "could not be checked"
NOT_COVERED, CHANGED = "at the end are not covered", "something was changed or added after signing"
NO_MATCH, BROKEN = "the signature does not match the file", "the file is damaged"

TABLE = {
    attacks.forged: {
        "contents removed": (DAMAGED, BROKEN),
        "contents null": (DAMAGED, BROKEN),
        "contents zero": (DAMAGED, BROKEN),
        "contents renamed": (DAMAGED, BROKEN),
        "byte range removed": (DAMAGED, BROKEN),
        "byte range null": (DAMAGED, BROKEN),
        "byte range []": (WRONG, NO_MATCH),
        "byte range [0 0 0 0]": (WRONG, NO_MATCH),
        "byte range [0 -1 0 -1]": (WRONG, NO_MATCH),
        "byte range [0 99 0 0]": (WRONG, NO_MATCH),
        "byte range [0 1 2]": (DAMAGED, BROKEN),
        "byte range [(a) 0 0 0]": (DAMAGED, BROKEN),
    },
    attacks.saved: {
        "update of a page": (WRONG, NOT_COVERED),
        "body alone": (WRONG, NOT_COVERED),
        "body and an end": (WRONG, NOT_COVERED),
        "body and a trailer": (WRONG, NOT_COVERED),
        "body, table and end": (DAMAGED, "a cross-reference table, where briefings have streams"),
    },
    attacks.wrapped: {
        "wrapped": (WRONG, "the gap that Signature leaves for itself holds something else too"),
        "wrapped to nowhere": (WRONG, NO_MATCH),
    },
    attacks.shadowed: {
        "hide": (WRONG, NOT_COVERED),
        "replace through a form": (WRONG, NOT_COVERED),
        "replace through a font": (WRONG, NOT_COVERED),
        "replace through the catalog": (WRONG, NOT_COVERED),
        "hide and replace": (WRONG, "not signed"),
    },
    attacks.certified: {
        "evil annotation /FreeText": (WRONG, NOT_COVERED),
        "evil annotation /Stamp": (WRONG, NOT_COVERED),
        "evil annotation /Redact": (WRONG, NOT_COVERED),
        "evil annotation /Link": (WRONG, NOT_COVERED),
        "sneaky signature": (WRONG, "not built as a briefing is: it has /AP in a form field"),
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
def test_published_attacks(signed, authority, family):
    """Each attack of a family is refused, for the reason that it deserves."""
    found = {name: verdict(pdf, authority) for name, pdf in family(signed)}
    assert found.keys() == TABLE[family].keys()
    for name, (outcome, why) in TABLE[family].items():
        assert found[name][0] == outcome, (name, found[name])
        assert why in found[name][1], (name, found[name])


@pytest.mark.parametrize(("family", "name"), STAMPED, ids=[name for _, name in STAMPED])
def test_attacks_under_a_fresh_time_stamp(signed, authority, family, name):
    """An attack that a fresh time-stamp covers, from an authority that the reader trusts, is refused as a change."""
    pdf = stamped(dict(family(signed))[name], stamper_of(authority))
    outcome, why = verdict(pdf, authority)
    assert outcome == WRONG
    assert why.startswith(CHANGED)


@pytest.mark.parametrize("name", attacks.masked())
def test_content_masked_before_signing(unsigned, authority, name):
    """A file that could show something else later is refused, though its own signatory prepared it."""
    pdf = sign_locally(attacks.updated(unsigned, attacks.masked()[name]), authority)
    outcome, why = verdict(pdf, authority)
    assert outcome == WRONG
    assert why.startswith("not built as a briefing is: it has ")


def test_a_swapped_attachment(golden, authority):
    """Another file in the place of an attachment is noticed, also under a fresh time-stamp."""
    pdf = golden["quiet"].pdf.read_bytes()
    assert verdict(pdf, authority)[0] == "valid"

    def swap(writer):
        file = writer.root["/Names"]["/EmbeddedFiles"]["/Names"][1]["/EF"]["/F"]
        file._data, file._encoded_data = b"{}", None
        writer.update_container(file)

    swapped = attacks.updated(pdf, swap)
    assert b"{}" in attached(swapped).values()
    assert verdict(swapped, authority)[0] == WRONG
    assert verdict(stamped(swapped, stamper_of(authority)), authority)[0] == WRONG


@pytest.mark.parametrize("share", range(8))
def test_a_changed_byte(signed, share):
    """A changed byte is noticed at each of 2,000 positions."""
    tried = list(tampering.trials(signed, 2000, seed=4, share=slice(share, None, 8)))
    assert len(tried) == 250
    assert [trial for trial in tried if trial.accepted] == []


def test_tampering_counts_what_is_accepted(signed, monkeypatch):
    """A change that is accepted would be counted: every byte of a file, where nothing is checked."""
    whole = tampering.verify(signed, None, reading())
    monkeypatch.setattr(tampering, "verify", lambda *_: whole)
    assert sum(trial.accepted for trial in tampering.trials(signed, 50, seed=4)) == 50


def verdict(pdf, authority):
    return outcomes(pdf, authority.root)["integrity"], detail(pdf, "integrity", authority.root)

"""What is signed or sealed as a briefing is, and differs from one in one thing, is refused by name."""

import re
from dataclasses import replace

import pytest

from reports.errors import InvalidSettings
from reports.pdf import updates
from reports.pdf.pages import read_pages
from reports.pdf.syntax import WrittenOtherwiseError
from reports.pdf.updates import Revision, write
from reports.verify import verify
from tests import forgeries, remade
from tests.pages import changed
from tests.pki import reading, sign_locally
from tests.test_verify import outcomes


def told(pdf, authority):
    found = verify(pdf, [authority.root], reading())[0]
    return found.outcome, found.detail


@pytest.mark.parametrize("name", forgeries.PAGES)
def test_pages_that_are_none(authority, name):
    """Pages with something that no briefing has are refused by name: before they are signed, and after."""
    change, why = forgeries.PAGES[name]
    outcome, detail = told(forgeries.signed_anyway(forgeries.linked(), authority, change), authority)
    assert outcome == "invalid"
    assert detail.startswith("not built as a briefing is: it has ")
    assert re.search(why, detail), detail
    with pytest.raises(InvalidSettings, match="which no briefing has: correct the templates") as refused:
        sign_locally(changed(forgeries.linked(), change), authority)
    assert re.search(why, str(refused.value))


@pytest.mark.parametrize("name", forgeries.PICTURES)
def test_pictures_that_are_none(authority, name):
    """A picture that is not what its entries say is refused by name."""
    change, why = forgeries.PICTURES[name]
    outcome, detail = told(forgeries.signed_anyway(forgeries.rich(), authority, change), authority)
    assert outcome == "invalid"
    assert why in detail
    good = forgeries.signed_anyway(forgeries.rich(), authority, lambda _: None)
    assert set(outcomes(good, authority.root).values()) == {"valid"}


def test_pages_that_are_written_again(authority):
    """Pages that are written again as they were are as good as before."""
    pdf = forgeries.signed_anyway(forgeries.linked(), authority, lambda _: None)
    assert set(outcomes(pdf, authority.root).values()) == {"valid"}


@pytest.mark.parametrize("kind", ["stored", "tokens", "signatures"])
def test_what_updates_hold(signed, authority, kind):
    """What an update holds without a reason is refused by name, though its bytes are those that Exhibit would write."""
    made = {
        "stored": lambda: forgeries.stored(signed, authority),
        "tokens": lambda: forgeries.tokens(signed),
        "signatures": lambda: forgeries.signatures(signed, authority),
    }
    for name, pdf, why in made[kind]():
        outcome, detail = told(pdf, authority)
        assert outcome != "valid", name
        assert re.search(why, detail), (name, detail)


def test_a_second_signature_in_our_form(signed):
    """A time-stamp that is written as a signature is none of ours, nor is a signature that states no moment."""
    (first, after), (second, _) = remade.revisions(signed)
    with pytest.raises(WrittenOtherwiseError, match="a signature where a time-stamp should be"):
        write(after, replace(second.held, moment=first.held.moment))
    with pytest.raises(WrittenOtherwiseError, match="a signature where a time-stamp should be"):
        write(Revision.of(read_pages(signed)), replace(first.held, moment=b""))
    held = replace(second.held, moment=first.held.moment)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(updates, "bool", lambda _: object(), raising=False)
        made, *_ = write(after, held)
    assert verify(signed[: after.length] + made, None, reading())[0].outcome != "valid"

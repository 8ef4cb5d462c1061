"""What is signed or sealed as a briefing is, and differs from one in one thing, is refused by name."""

import ast
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from multiprocessing import get_context

import pytest

from reports.core.errors import InvalidRequest, InvalidSettings
from reports.pdf import updates
from reports.pdf.pages import read_pages
from reports.pdf.syntax import WrittenOtherwiseError
from reports.pdf.updates import Revision, write
from reports.signing.keys import LocalAuthority
from reports.verification.signature import verify
from tests.adversarial import bounds, forgeries, refusals, seals
from tests.adversarial.forgeries import Forgery
from tests.support import remade
from tests.support.pages import changed
from tests.support.pki import reading, sign_locally
from tests.support.publishing import ROOT
from tests.verification.test_signature import outcomes


def told(pdf: bytes, authority: LocalAuthority) -> tuple[str, str]:
    found = verify(pdf, [authority.root], reading())[0]
    return found.outcome, found.detail


@pytest.mark.parametrize("name", forgeries.PAGES)
def test_pages_that_are_none(authority: LocalAuthority, name: str) -> None:
    """Pages with something that no briefing has are refused by name: before they are signed, and after."""
    change, why = forgeries.PAGES[name]
    outcome, detail = told(forgeries.signed_anyway(forgeries.linked(), authority, change), authority)
    assert outcome == "invalid"
    assert detail.startswith("not in the form of a briefing: it has ")
    assert why in detail
    with pytest.raises(
        InvalidSettings, match="which a briefing may not have: correct the templates"
    ) as refused:
        sign_locally(changed(forgeries.linked(), change), authority)
    assert why in str(refused.value)


@pytest.mark.parametrize("name", forgeries.PICTURES)
def test_pictures_that_are_none(authority: LocalAuthority, name: str) -> None:
    """Pages and pictures that are not what their entries say are refused by name."""
    change, why = forgeries.PICTURES[name]
    outcome, detail = told(forgeries.signed_anyway(forgeries.rich(), authority, change), authority)
    assert outcome == "invalid"
    assert why in detail


@pytest.mark.parametrize("name", forgeries.SPELLINGS)
def test_other_spellings(authority: LocalAuthority, name: str) -> None:
    """Pages that say the same in another spelling are refused by name, before they are signed and after."""
    spelling, why = forgeries.SPELLINGS[name]
    pdf = forgeries.signed_as_it_is(forgeries.linked(), authority, spelling)
    outcome, detail = told(pdf, authority)
    assert outcome == "invalid"
    assert detail.startswith("not in the form of a briefing: it has ")
    assert why in detail
    with pytest.raises(InvalidRequest, match="the PDF cannot be signed: it has "):
        sign_locally(spelling(forgeries.linked()), authority)


def test_pages_that_are_written_again(authority: LocalAuthority) -> None:
    """Pages that are written again as they were are as good as before, and so is an encoding of a font."""
    for base, change in (
        (forgeries.linked(), len),
        (forgeries.rich(), len),
        (forgeries.linked(), forgeries.encoded(forgeries.ENCODING)),
    ):
        pdf = forgeries.signed_anyway(base, authority, change)
        assert set(outcomes(pdf, authority.root).values()) == {"valid"}


@pytest.mark.parametrize("kind", seals.KINDS, ids=lambda kind: kind.__name__)
def test_what_updates_hold(
    signed: bytes, authority: LocalAuthority, kind: Callable[[bytes, LocalAuthority], Iterator[Forgery]]
) -> None:
    """What an update holds is refused by name, though its bytes are those that Exhibit would write."""
    for each in kind(signed, authority):
        outcome, detail = each.told()
        assert outcome != "valid", each.name
        assert each.why in detail, (each.name, detail)


def test_what_updates_may_hold(signed: bytes, authority: LocalAuthority) -> None:
    """A list and an answer about the signer are let pass, and so is a time-stamp that tells more than ours."""
    house, sealing = seals.House.new(authority), seals.Sealing(signed, authority.stamp_key)
    for pdf in (
        house.signed(("OCSPs", house.answer()), ("CRLs", seals.revoking(house.root, house.root_key))),
        sealing.sealed(),
        sealing.sealed(told=seals.nested(28)),
    ):
        assert verify(pdf, None, reading())[0].outcome == "valid"


def test_bounds(authority: LocalAuthority) -> None:
    """What takes as much as a bound is counted; what takes one more could not be checked, or is none."""
    for each in bounds.every(authority):
        outcome, detail = each.told()
        assert outcome == ("invalid" if "DEEPEST" in each.name else "could not be checked"), each.name
        assert each.why in detail, (each.name, detail)
        ((name, bound),) = each.bounds.items()
        assert replace(each, bounds={name: bound + 1}).told()[0] == "valid", each.name


def test_every_refusal_has_a_file() -> None:
    """What each refusal of the verifier says stands in the tables of files, as often as there are refusals."""
    tables = [
        ROOT / "tests" / "adversarial" / f"{name}.py"
        for name in ("bounds", "forgeries", "seals", "test_attacks")
    ]
    nodes = [node for table in tables for node in ast.walk(ast.parse(table.read_text()))]
    texts = [node.value for node in nodes if isinstance(node, ast.Constant) and type(node.value) is str]
    said = Counter(each.says for module in refusals.MODULES for each in refusals.refusals(module))
    assert len(said) > 100
    without = [says for says, number in said.items() if sum(says in text for text in texts) < number]
    assert without == []


def test_a_refusal_that_is_left_out(authority: LocalAuthority, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its refusal a file passes, which the list of refusals then says is needed."""
    change, why = forgeries.PAGES["a page out of order"]
    pdf = forgeries.signed_anyway(forgeries.linked(), authority, change)
    forgery = Forgery("a page out of order", pdf, why)
    monkeypatch.setattr(refusals, "TRIED", [(forgery, forgery.told()[1])])
    found = {each.says: each for each in refusals.refusals("reports.pdf.grammar")}
    with get_context("fork").Pool(1, maxtasksperchild=1) as pool:
        lines = pool.map(refusals.line, [found[why], found["pages out of order"]])
    assert [line.split()[0] for line in lines] == ["needed", "no"]


def test_a_second_signature_in_our_form(signed: bytes) -> None:
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

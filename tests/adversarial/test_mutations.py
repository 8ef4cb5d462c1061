"""Structural changes at random, 500 of updates and 250 of pages; `make soak` tries 20,000 of each."""

from pathlib import Path

import pytest

from reports.signing.keys import LocalAuthority
from tests.adversarial import mutations
from tests.adversarial.forgeries import linked, rich
from tests.support.pki import sign_locally

SHARES = 5
EACH = 100


@pytest.mark.parametrize("share", range(SHARES))
def test_updates(authority: LocalAuthority, share: int) -> None:
    """No change in the bytes of an update is accepted, also under a genuine time-stamp."""
    tried = list(mutations.of_updates(sign_locally(linked(), authority), authority, EACH, seed=share))
    assert len(tried) == EACH
    assert [mutant.done for mutant in tried if mutant.accepted] == []
    assert any("not sealed" not in mutant.done for mutant in tried)


@pytest.mark.parametrize("share", range(SHARES))
def test_pages(authority: LocalAuthority, share: int, tmp_path: Path) -> None:
    """A change in the structure of pages is refused, or every viewer at hand shows the same, though all are signed."""
    wanted = mutations.shown(sign_locally(rich(), authority), tmp_path)
    tried = list(mutations.of_pages(rich(), authority, EACH // 2, seed=share))
    accepted = [mutant for mutant in tried if mutant.accepted]
    assert len(accepted) < len(tried) / 4
    assert [m.done for m in accepted if mutations.shown(m.pdf, tmp_path) != wanted] == []
    assert any("not signed" not in mutant.done for mutant in tried)

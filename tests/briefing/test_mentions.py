"""Which of many names a text mentions: the same as an expression for each name finds."""

import re
import time

from hypothesis import given
from hypothesis import strategies as st

from reports.briefing.compose import _check_withheld
from reports.briefing.mentions import Names
from reports.core.settings import CampaignProfile, Registry

WORDS = st.text("ab1 -é阿", min_size=1, max_size=5)
OPERATORS = 5_000
MOST_SECONDS = 15  # of the processor; one expression after the other takes minutes


@given(st.lists(WORDS, max_size=6), st.text("ab1 -é阿", max_size=20))
def test_names_are_found_as_expressions_find_them(names: list[str], text: str) -> None:
    """Names that overlap, are in each other, or have no letters, each where it stands by itself."""
    expected = {name for name in names if re.search(rf"(?<![a-z0-9]){re.escape(name)}(?![a-z0-9])", text)}
    assert Names(names).mentioned(text) == expected


def test_many_operators() -> None:
    """Withheld operators are looked for together: thousands take seconds."""
    entries = (
        CampaignProfile(campaign_id=f"C-{n}", name=f"Campaign {n}", operator=f"Holding {n}x")
        for n in range(OPERATORS)
    )
    began = time.process_time()
    _check_withheld(Registry(campaigns=tuple(entries)))
    assert time.process_time() - began < MOST_SECONDS

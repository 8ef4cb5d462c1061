"""The engine over a real Trino, which reads the tables that `exhibit tables` makes.

A choice of the contract, for each test makes tables of its own; `make engines` runs all of it.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from reports.evidence.engine_trino import TrinoEngine
from tests.adversarial import engine_sets
from tests.contracts.query_engine import (  # noqa: F401
    test_an_answer_can_be_asked_again,
    test_an_id_in_both_layouts_is_found,
    test_instants_are_rounded_before_they_are_compared,
    test_labels_are_normalized,
    test_late_updates_count,
    test_other_compressions_are_refused,
    test_sums_beyond_64_bits_are_refused,
    test_sums_that_are_not_shown_may_be_beyond_64_bits,
    test_the_latest_revision_wins_whole,
    test_values_are_plain,
    test_what_does_not_tie_for_the_latest_is_counted,
)
from tests.support.trino import Stack

pytestmark = pytest.mark.usefixtures("slow")


@pytest.fixture
def open_engine(trino: Stack) -> Callable[[Path], TrinoEngine]:
    return lambda folder: trino.engine(trino.tables(trino.delivered(folder)))


def test_random_evidence_gives_the_same_figures_or_the_same_refusal(trino: Stack) -> None:
    """Of sets by every rule, some twice, as DuckDB says; half of them count."""
    compared = engine_sets.run(trino, 25, 2026)
    assert compared.findings == []
    assert 2 * compared.counted >= 25

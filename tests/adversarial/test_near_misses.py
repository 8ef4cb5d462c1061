"""Evidence that is nearly right is counted as another reader counts it, or refused with its place."""

from tests.adversarial.near_misses import RULES, run

EACH = 10


def test_none_is_passed_over() -> None:
    """Of each kind some are counted, and at least half of all; the rules make them by chance, of a seed."""
    outcomes = run(EACH * len(RULES), 2026)
    assert set(outcomes) == {rule.__name__.replace("_", " ") for rule in RULES}
    assert all(of_kind["counted"] for of_kind in outcomes.values())
    assert 2 * sum(of_kind["counted"] for of_kind in outcomes.values()) >= EACH * len(RULES)

"""One suite a port, run over every adapter: its tests are imported beside a fixture that opens the adapter."""

import pytest

pytest.register_assert_rewrite(
    "tests.contracts.evidence_source",
    "tests.contracts.query_engine",
    "tests.contracts.signing_key",
    "tests.contracts.store",
    "tests.contracts.timestamper",
)

"""What a validator of others', the European Commission's, says of the sample's signatures."""

import pytest

from reports.keys import LocalAuthority
from tests.dss import NotToBeHad, Signature, validate
from tests.publishing import Published

SAMPLE = ("lawmaker letter", "lawmaker a4", "regulator letter", "regulator a4")
# The authority of one's own answers no questions: what it has to say is in the file
MISSING = {"The authority info access is not present!", "The revocation info access is not present!"}


@pytest.fixture(scope="module")
def signatures(sample_briefings: dict[str, Published], authority: LocalAuthority) -> dict[str, Signature]:
    """What DSS says of each of the sample's briefings."""
    files = [sample_briefings[name].pdf for name in SAMPLE]
    try:
        found = validate(authority.directory / "root.cert.pem", files)
    except NotToBeHad as why:
        pytest.skip(str(why))
    assert [signature.file for signature in found] == files
    return dict(zip(SAMPLE, found, strict=True))


def test_each_signature_is_good_for_the_long_term(signatures: dict[str, Signature]) -> None:
    """Its format is the highest of PAdES, and it passes."""
    found = {name: (each.format, each.indication, each.errors) for name, each in signatures.items()}

    assert found == dict.fromkeys(SAMPLE, ("PAdES-BASELINE-LTA", "TOTAL_PASSED", []))


def test_nothing_makes_a_signature_suspicious(signatures: dict[str, Signature]) -> None:
    """On the pages no element lies on another, and nothing changed after signing."""
    assert {warning for each in signatures.values() for warning in each.warnings} <= MISSING

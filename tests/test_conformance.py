"""veraPDF, as the project runs it."""

from pathlib import Path

import pytest
from weasyprint import HTML

from tests.conformance import Verdict, validate
from tests.tools import needs_verapdf

pytestmark = needs_verapdf()

PAGE = "<html lang=en><title>A page</title><body><hr>"


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Verdict]:
    """What veraPDF says of a PDF/A file, a PDF/UA file and no PDF at all, by file name and flavour."""
    folder = tmp_path_factory.mktemp("conformance")
    HTML(string=PAGE).write_pdf(folder / "archive.pdf", pdf_variant="pdf/a-3a")
    HTML(string=PAGE).write_pdf(folder / "accessible.pdf", pdf_variant="pdf/ua-1")
    (folder / "hello.pdf").write_text("hello")
    return {(verdict.path.name, verdict.flavour): verdict for verdict in validate(sorted(folder.iterdir()))}


@pytest.mark.parametrize(("name", "flavour"), [("archive.pdf", "3a"), ("accessible.pdf", "ua1")])
def test_a_conforming_file_passes(verdicts: dict[tuple[str, str], Verdict], name: str, flavour: str) -> None:
    """A file conforms to the standard that it was made for."""
    assert verdicts[name, flavour].conforms


@pytest.mark.parametrize(("name", "flavour"), [("archive.pdf", "ua1"), ("accessible.pdf", "3a")])
def test_a_broken_rule_is_named(verdicts: dict[tuple[str, str], Verdict], name: str, flavour: str) -> None:
    """A file that does not say that it follows a standard breaks that standard's rule on identification."""
    assert any("Identification" in rule for rule in verdicts[name, flavour].broken)


@pytest.mark.parametrize("flavour", ["3a", "ua1"])
def test_a_file_that_is_no_pdf_conforms_to_nothing(
    verdicts: dict[tuple[str, str], Verdict], flavour: str
) -> None:
    """What cannot be parsed does not pass."""
    assert not verdicts["hello.pdf", flavour].conforms


def test_a_missing_file_conforms_to_nothing(tmp_path: Path) -> None:
    """A file that is not there does not pass."""
    assert [verdict.conforms for verdict in validate([tmp_path / "gone.pdf"], ["3a"])] == [False]

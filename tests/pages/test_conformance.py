"""veraPDF, as the project runs it, and what Exhibit finds of the same files by itself."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
import weasyprint

from reports.core.errors import InvalidSettings
from reports.pages.assets import TEMPLATES, Resources
from reports.pages.conformance import faults
from reports.pages.render import DocumentMetadata, render_pdf
from tests.adversarial.matrix import REFUSED, Case, cases
from tests.support.conformance import Verdict, validate
from tests.support.tools import needs_verapdf

pytestmark = [needs_verapdf(), pytest.mark.usefixtures("slow")]

PAGE = "<html lang=en><title>A page</title><body><hr>"


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Verdict]:
    """What veraPDF says of a PDF/A file, a PDF/UA file and no PDF at all, by file name and flavour."""
    folder = tmp_path_factory.mktemp("conformance")
    weasyprint.HTML(string=PAGE).write_pdf(folder / "archive.pdf", pdf_variant="pdf/a-3a")
    weasyprint.HTML(string=PAGE).write_pdf(folder / "accessible.pdf", pdf_variant="pdf/ua-1")
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


# What Exhibit says itself


def drawn(case: Case, folder: Path) -> bytes:
    """The pages of a case, from a house's folder."""
    folder.mkdir()
    for name, content in case.files.items():
        (folder / name).write_bytes(content)
    sheets = '<link rel="stylesheet" href="briefing.css"><link rel="stylesheet" href="letter.css">'
    page = f'<!doctype html><html lang="en"><head>{sheets}{case.head}</head><body>{case.body}'
    about = DocumentMetadata("x", "x", "x", datetime(2026, 6, 20, tzinfo=UTC))
    return render_pdf(page, resources=Resources((folder, TEMPLATES)), metadata=about)


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[list[str], list[str]]]:
    """What Exhibit and veraPDF say of each case of the matrix."""
    folder = tmp_path_factory.mktemp("matrix")
    ours = {}
    for number, (name, case) in enumerate(cases().items()):
        pdf = drawn(case, folder / f"{number}")
        (folder / f"{number}.pdf").write_bytes(pdf)
        ours[name] = list(faults(pdf))
    paths = [folder / f"{number}.pdf" for number in range(len(ours))]
    broken: dict[Path, list[str]] = {path: [] for path in paths}
    for verdict in validate(paths):
        broken[verdict.path].extend(verdict.broken)
    return {name: (ours[name], broken[path]) for name, path in zip(ours, paths, strict=True)}


Matrix = dict[str, tuple[list[str], list[str]]]


def test_exhibit_and_verapdf_agree(matrix: Matrix) -> None:
    """What one finds good the other finds good, and what one finds bad the other finds bad."""
    assert {name: both for name, both in matrix.items() if bool(both[0]) != bool(both[1])} == {}


def test_logos_drawings_names_and_fonts_conform(matrix: Matrix) -> None:
    """Every raster kind, every script, and fonts that are what they say."""
    good = re.compile(r"(logo|drawing (?!CMYK)|names? (?!that fade)|font (?!of other|for private))")
    found = {name: both for name, both in matrix.items() if good.match(name)}

    assert len(found) > 60
    assert {name: both for name, both in found.items() if both != ([], [])} == {}


def test_the_matrix_breaks_every_rule(matrix: Matrix) -> None:
    """The matrix has a fault for each part of the check."""
    told = " ".join(fault for ours, _ in matrix.values() for fault in ours)

    for part in (
        "would not be read aloud",
        "a colour is in CMYK",
        "a heading h",
        "a table",
        "<li>",
        "<ul>",
        "no description",
        "form field",
        "not a language tag",
        "a page is",
        "nested too deeply",
        "is longer than",
        "glyph widths that differ",
        "private-use character",
    ):
        assert part in told


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_made_good_is_refused(name: str, tmp_path: Path) -> None:
    """In one line that names it, before there is a file."""
    case, said = REFUSED[name]

    with pytest.raises(InvalidSettings, match=said) as caught:
        drawn(case, tmp_path / "house")
    assert "\n" not in str(caught.value)

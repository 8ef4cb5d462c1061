"""Evidence that a person can count by hand, from the command line to the attachments of the signed PDF."""

import csv
import io
import json
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from reports.cli import main
from reports.signing.keys import LocalAuthority
from tests.support.conformance import Verdict, validate
from tests.support.publishing import GOLDEN, SCENARIOS, Published, expected
from tests.support.tools import needs, needs_verapdf

pytestmark = pytest.mark.usefixtures("slow")

SAMPLE = [f"{audience} {size}" for audience in ("lawmaker", "regulator") for size in ("letter", "a4")]


def part(found: Any, wanted: Any) -> Any:
    """What is found, without the keys that nothing is expected of."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        return {key: part(found[key], value) for key, value in wanted.items() if key in found}
    if isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        return [part(f, w) for f, w in zip(found, wanted, strict=True)]
    return found


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_figures(golden: dict[str, Published], scenario: str) -> None:
    """The attached data hold the figures that were counted by hand."""
    wanted = expected(scenario)["briefing"]
    assert part(golden[scenario].briefing, wanted) == wanted


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_printed(golden: dict[str, Published], scenario: str) -> None:
    """What the pages print of the figures is worded as it should be."""
    printed = {figure["printed"] for figure in golden[scenario].briefing["figures"]}
    assert set(expected(scenario)["printed"]) <= printed


@needs("pdftotext")
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_pages(golden: dict[str, Published], scenario: str) -> None:
    """The pages say what they should, and nothing that they must not."""
    text, wanted = golden[scenario].text, expected(scenario)
    assert [words for words in wanted["pages"] if words not in text] == []
    assert [words for words in wanted.get("absent", []) if words in text] == []


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_verified(
    golden: dict[str, Published],
    scenario: str,
    authority: LocalAuthority,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A reader who trusts the root, and has the evidence, finds everything valid."""
    pdf, root = golden[scenario].pdf, authority.directory / "root.cert.pem"
    status = main(["verify", str(pdf), "--trust", str(root), "--evidence", str(GOLDEN / scenario), "--json"])
    verdicts = {v["check"]: v["outcome"] for v in json.loads(capsys.readouterr().out)["verdicts"]}
    checks = ["integrity", "signer", "time-stamp", "attachments", "evidence", "reproduction"]
    assert verdicts == dict.fromkeys(checks, "valid")
    assert status == 0


def test_formulas_stay_text(golden: dict[str, Published]) -> None:
    """No cell of an attached table starts a formula."""
    tables = [content for name, content in golden["hostile"].files.items() if name.endswith(".csv")]
    rows = [row for table in tables for row in csv.reader(io.StringIO(table.decode(), newline=""))]
    starts = [cell.strip()[:2] for row in rows for cell in row]
    assert "'=" in starts
    assert [start for start in starts if start[:1] in ("=", "+", "-", "@")] == []


@pytest.fixture(scope="module")
def verdicts(
    golden: dict[str, Published], sample_briefings: dict[str, Published]
) -> dict[tuple[str, str], Verdict]:
    """What veraPDF says of every signed document, by its name here and flavour."""
    published = golden | sample_briefings
    answers = iter(validate([each.pdf for each in published.values()]))
    return {(name, flavour): next(answers) for name in published for flavour in ("3a", "ua1")}


@needs_verapdf()
@pytest.mark.parametrize("flavour", ["3a", "ua1"])
@pytest.mark.parametrize("name", SCENARIOS + SAMPLE)
def test_conforms(verdicts: dict[tuple[str, str], Verdict], name: str, flavour: str) -> None:
    """A signed briefing conforms to PDF/A-3a and to PDF/UA-1."""
    assert verdicts[name, flavour].broken == ()


@pytest.mark.parametrize("file", ["briefing", "evidence"])
@pytest.mark.parametrize("name", [*SCENARIOS, "lawmaker letter", "regulator letter"])
def test_schemas(
    golden: dict[str, Published], sample_briefings: dict[str, Published], name: str, file: str
) -> None:
    """The attached JSON has the form that its schema tells; with one more key anywhere it has not."""
    schema = json.loads((files("reports") / f"schemas/{file}.schema.json").read_text())
    valid = Draft202012Validator(schema, format_checker=FormatChecker())
    found = json.loads((golden | sample_briefings)[name].files[f"{file}.json"])
    assert [f"{e.json_path}: {e.message}" for e in valid.iter_errors(found)] == []
    for told in list(_objects(found)):
        told["another"] = None
        assert not valid.is_valid(found), sorted(told)
        del told["another"]


def _objects(found: Any) -> Iterator[dict[str, Any]]:
    """Objects within JSON, of each list the first and the last; not the rows of figures, whose keys vary."""
    if isinstance(found, dict):
        yield found
        for each in (each for key, each in list(found.items()) if key != "row"):
            yield from _objects(each)
    elif isinstance(found, list):
        for each in found[:1] + found[1:][-1:]:
            yield from _objects(each)


@pytest.mark.parametrize("name", SAMPLE)
def test_sample_is_marked(sample_briefings: dict[str, Published], name: str) -> None:
    """The sample's briefings say in their data and receipts that it is synthetic."""
    published = sample_briefings[name]
    assert published.briefing["synthetic"] is published.receipt["synthetic"] is True

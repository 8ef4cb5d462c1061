"""The documentation: its links, its commands and its examples are true."""

import contextlib
import csv
import inspect
import io
import json
import re
import shlex
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlglot
from packaging.requirements import Requirement
from pydantic import BaseModel
from sqlglot import exp

from functions import api
from reports.briefing.figures import Ledger
from reports.briefing.group import group
from reports.cli import main
from reports.core import settings
from reports.core.errors import ExhibitError
from reports.core.settings import Registry, parse
from reports.core.window import Window
from reports.evidence import columns, questions
from reports.evidence.collect import collect
from reports.evidence.engine_duckdb import DuckDBEngine
from reports.evidence.questions import Inquiry
from reports.evidence.source import FolderEvidence
from reports.pages.assets import TEMPLATES, Resources
from reports.pages.fill import STEPS_OF_A_CALL, STEPS_OF_A_USE, environment_of
from reports.pages.fonts import Characters
from reports.pages.render import DEEPEST_MARKUP, MOST_SPAN
from reports.pages.template_grammar import DEEPEST_BRACKETS, DEEPEST_PARTS
from reports.pages.template_language import MOST_BITS
from reports.pages.template_meter import DEEPEST, MOST_CHARACTERS, MOST_PRINTED, MOST_SOURCE, MOST_STEPS
from reports.pages.typeset import _filters
from reports.service import schedules
from reports.verification.attachments import attached
from tests.support.fakes import AS_OF
from tests.support.tools import needs

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")], key=str)
MODELS: dict[str, type[BaseModel]] = {
    "campaigns": settings.Registry,
    "dataset": settings.Dataset,
    "issuer": settings.Issuer,
    "law": settings.Law,
    "schedules": schedules.Schedules,
}
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Published:
    """What a command of the documentation printed, and the files inside the PDF that it left."""

    printed: str
    folder: Path
    files: dict[str, bytes]

    @property
    def data(self) -> dict[str, Any]:
        return json.loads(self.files["briefing.json"])


def page(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def blocks(text: str, language: str) -> list[str]:
    return [body for found, body in FENCE.findall(text) if found == language]


def block(name: str, language: str, containing: str) -> str:
    """The one block of a page that contains a text."""
    (found,) = [body for body in blocks(page(name), language) if containing in body]
    return found


def named(text: str) -> set[str]:
    """What a page sets in code: `like this`, alone or in a list; blocks do not count."""
    return {
        word
        for code in re.findall(r"`([^`\n]+)`", FENCE.sub("", text))
        for word in (code, *re.split(r"[^\w.-]+", code), *re.split(r"\W+", code))
    }


def section(text: str, heading: str) -> str:
    """The part of a page under a heading of the second level."""
    return re.split(r"^## ", text, flags=re.MULTILINE)[
        1 + re.findall(r"^## (.+)$", text, re.MULTILINE).index(heading)
    ]


def slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def run(line: str, folder: Path) -> str:
    """Run one `exhibit …` line of the documentation in a folder; returns what it printed."""
    words = shlex.split(line.removeprefix(".venv/bin/"))[1:]
    words = [str(next(iter(folder.glob(word)))) if "*" in word else word for word in words]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(words)
    assert status == 0, err.getvalue()
    return out.getvalue()


def commands(text: str) -> list[str]:
    """The `exhibit …` lines of a shell block, continued lines joined."""
    joined = text.replace("\\\n", " ")
    return [line for line in joined.splitlines() if line.startswith(".venv/bin/exhibit ")]


@pytest.fixture(scope="module")
def first_run(slow: None, tmp_path_factory: pytest.TempPathFactory) -> Published:
    """The README's example, as a newcomer would run it: its files written, then its two commands."""
    folder = tmp_path_factory.mktemp("readme")
    subprocess.run(["sh", "-eu"], input=block("README.md", "sh", "<<"), text=True, cwd=folder, check=True)
    published, verified = commands(block("README.md", "sh", "verify out/*.pdf"))
    printed = run(published, folder) + run(verified, folder)
    (pdf,) = (folder / "out").glob("*.pdf")
    return Published(printed, folder, attached(pdf.read_bytes()))


@pytest.fixture(scope="module")
def complete(first_run: Published) -> Published:
    """The same evidence for a regulator, with each complete settings example of the documentation."""
    folder = first_run.folder
    (folder / "house").mkdir()
    for model, place in (("campaigns", "mine"), ("dataset", "mine"), ("issuer", "house"), ("law", "house")):
        (folder / place / f"{model}.yaml").write_text(settings_example(model), "utf-8")
    (folder / "house" / "logo.svg").write_text(block("docs/settings.md", "svg", "<!-- logo.svg -->"), "utf-8")
    (line,) = commands(block("docs/settings.md", "sh", "--templates house"))
    printed = run(line, folder)
    (pdf,) = (folder / "out").glob("*regulator*.pdf")
    return Published(printed, folder, attached(pdf.read_bytes()))


def settings_example(model: str) -> str:
    return block("docs/settings.md", "yaml", f"# {model}.yaml\n")


def keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from keys(each)


def properties(schema: Any) -> set[str]:
    """The names of all properties that schemas describe, however deep."""
    if isinstance(schema, list):
        return set().union(*map(properties, schema))
    if not isinstance(schema, dict):
        return set()
    own = schema.get("properties")
    return {*(own if isinstance(own, dict) else ())}.union(*map(properties, schema.values()))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    """Every link names a file that exists and, if any, a heading of it; elsewhere, a page of AWS's documentation."""
    for link in LINK.findall(FENCE.sub("", path.read_text("utf-8"))):
        if link.startswith("https://docs.aws.amazon.com/"):
            continue
        name, _, anchor = link.partition("#")
        target = path.parent / name if name else path
        assert target.exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.+)$", FENCE.sub("", target.read_text("utf-8")), re.MULTILINE)
            assert anchor in map(slug, headings), link


def test_every_page_can_be_reached() -> None:
    """A reader of the README can come to every page by following links."""
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        path = waiting.pop()
        reached.add(path)
        linked = {
            (path.parent / link.partition("#")[0]).resolve() for link in LINK.findall(path.read_text("utf-8"))
        }
        waiting += [
            each for each in linked if each.suffix == ".md" and each.is_file() and each not in reached
        ]
    assert set() == set(PAGES) - reached


def test_make_targets_exist() -> None:
    """Every `make` command that a page names is one of the Makefile."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    used = {
        t for path in PAGES for t in re.findall(r"(?:`|^\$? ?)make ([a-z]+)", path.read_text("utf-8"), re.M)
    }
    assert {"briefing", "test"} <= used
    assert set() == used - targets


@pytest.mark.parametrize(
    "verb",
    [
        *("", "sample", "publish", "verify", "renew", "explain", "compare", "prove", "verify-proof", "serve"),
        *("completion", "doctor"),
        *("register", "register verify"),
        *("keys", "keys csr", "keys self-signed", "keys install"),
    ],
)
def test_help_is_as_printed(
    verb: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The help of each verb stands in the documentation as it is printed, but for line breaks of Python's release."""
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as end:
        main([*verb.split(), "--help"])
    usage = f"usage: exhibit {verb}".rstrip()
    (shown,) = [b for b in blocks(page("docs/command-line.md"), "text") if b.startswith(f"{usage} [")]
    assert end.value.code == 0
    assert capsys.readouterr().out.split() == shown.split()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_examples_parse(path: Path) -> None:
    """YAML examples are settings that are accepted, JSON examples are JSON, and so is each line of JSON Lines."""
    text = path.read_text("utf-8")
    for body in blocks(text, "yaml"):
        name = re.match(r"# (\w+)\.yaml\n", body)
        assert name, f"the first line of an example is a comment with the name of its file: {body[:60]}"
        parse(MODELS[name[1]], body, name[0])
    for body in [*blocks(text, "json"), *(line for b in blocks(text, "jsonl") for line in b.splitlines())]:
        json.loads(body)


@pytest.mark.usefixtures("slow")
def test_readme_example_prints_what_it_says(first_run: Published) -> None:
    """The README shows what its commands print, line by line; `…` stands for what differs from run to run."""
    shown = block("README.md", "text", "out/EX-")
    assert re.fullmatch(re.escape(shown).replace("…", ".*"), first_run.printed), first_run.printed


def test_readme_example_is_published_whole(first_run: Published) -> None:
    """The README's rows add up to what it says of them: a revision counts once, an unattributed row apart."""
    (campaign,) = first_run.data["campaigns"]
    assert (campaign["exchanges"], campaign["accounts"], campaign["detections"]) == (1240, 2, 2)
    assert first_run.data["unattributed"]["exchanges"] == 35
    assert first_run.data["delivered"] == {"tallied": 3, "superseded": 1}


def test_receipt_example_is_a_figure(first_run: Published) -> None:
    """The receipt that the documentation shows is one that the README's example has."""
    shown = json.loads(block("docs/inside-the-pdf.md", "json", '"printed"'))
    assert shown in first_run.data["figures"]


def test_query_example_agrees(first_run: Published) -> None:
    """The query by which a reader computes totals again gives what briefing.json says."""
    plain = block("docs/checking.md", "sql", "revised_at")
    asked = duckdb.sql(plain.replace("detections/", f"{first_run.folder}/mine/detections/"))
    assert asked is not None
    totals = asked.fetchall()
    data = first_run.data
    said = [(c["campaign_id"], c["exchanges"], c["accounts"]) for c in data["campaigns"]]
    said.append((None, data["unattributed"]["exchanges"], data["unattributed"]["accounts"]))
    assert sorted(said, key=str) == sorted(totals, key=str)


@pytest.mark.usefixtures("slow")
@needs("pdfsig")
@needs("certutil")
@needs("openssl")
def test_public_tools_agree(first_run: Published, tmp_path: Path) -> None:
    """The lines for readers without Exhibit run as they stand: a briefing is good, and a changed one is not."""
    lines = "\n".join(blocks(section(page("README.md"), "Without Exhibit"), "sh"))
    (pdf,) = (first_run.folder / "out").glob("*lawmaker*.pdf")
    for folder in (tmp_path / "good", tmp_path / "changed"):
        folder.mkdir()
        shutil.copy(pdf, folder / "briefing.pdf")
        shutil.copy(first_run.folder / "keys/root.cert.pem", folder)
        shutil.copytree(first_run.folder / "mine", folder / "evidence")
    found = _shell(lines, tmp_path / "good")
    assert found.returncode == 0, found.stdout
    for sign_of_it in (
        *("Signature is Valid", "Certificate is Trusted", "Total document signed", "Signatures: 2"),
        *("CMS Verification successful", "Verification: OK", "Time stamp: "),
    ):
        assert sign_of_it in found.stdout, sign_of_it
    changed = bytearray(pdf.read_bytes())
    changed[20] ^= 1
    (tmp_path / "changed/briefing.pdf").write_bytes(changed)
    (tmp_path / "changed/evidence/detections/event_day=2026-05-02/part-1.jsonl").write_text("{}")
    found = _shell(lines.replace("set -", "set +e -", 1), tmp_path / "changed")
    assert "Signature is Valid" not in found.stdout
    assert "Verification: OK" not in found.stdout
    assert "part-1.jsonl: FAILED" in found.stdout


@pytest.mark.usefixtures("slow")
@needs("pdfdetach")
def test_public_tools_say_nothing_of_good_evidence(first_run: Published, tmp_path: Path) -> None:
    """The lines that compare the evidence say nothing where all is as it was, as the README promises."""
    (pdf,) = (first_run.folder / "out").glob("*lawmaker*.pdf")
    shutil.copy(pdf, tmp_path / "briefing.pdf")
    shutil.copytree(first_run.folder / "mine", tmp_path / "evidence")
    found = _shell(block("README.md", "sh", "sha256sum"), tmp_path)
    assert (found.returncode, found.stdout) == (0, "")


def _shell(lines: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["sh", "-eu"],
        input=lines,
        cwd=folder,
        check=False,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def test_complete_settings_are_published(complete: Published) -> None:
    """The complete examples of settings work together: an operator is named, the law's elements have evidence."""
    (campaign,) = complete.data["campaigns"]
    example = parse(Registry, settings_example("campaigns"), "campaigns.yaml").campaigns[0]
    assert campaign["operator"] == example.operator
    assert complete.data["synthetic"] is True
    assert any(element["evidence"] for element in complete.data["law"]["elements"])


def test_techniques_are_those_of_the_table() -> None:
    """Exhibit names the techniques that the documentation lists, under the names that it copied from ATLAS."""
    listed = re.findall(r"(?m)^\| `(AML\.T[\d.]+)` \| ([^|]+?) \|", page("docs/settings.md"))
    assert dict(listed) == settings.TECHNIQUES
    assert len(listed) == len(settings.TECHNIQUES)


def test_attached_files_are_explained(complete: Published) -> None:
    """Each attached file, each key of the JSON ones and each column of the tables has its place on the page."""
    text = page("docs/inside-the-pdf.md")
    figures, tables = named(section(text, "Figures and receipts")), named(section(text, "The tables"))
    assert set() == set(complete.files) - named(text)
    for name, content in complete.files.items():
        if name.endswith(".json"):
            found, words = set(keys(json.loads(content))), named(section(text, name)) | figures
        else:
            found, words = set(next(csv.reader(io.StringIO(content.decode())))), tables
        assert set() == found - words, name


def test_the_receipt_is_explained(first_run: Published) -> None:
    """Each key of a receipt has its place on the page about the command line."""
    (receipt,) = (first_run.folder / "out").glob("*lawmaker*.json")
    assert set() == set(keys(json.loads(receipt.read_text()))) - named(page("docs/command-line.md"))


def test_verdicts_are_explained(first_run: Published) -> None:
    """Each check that `exhibit verify` prints has its place on the page about checking."""
    checks = set(re.findall(r"^([a-z-]+): +valid", first_run.printed, re.MULTILINE))
    assert checks
    assert set() == {*checks, "evidence"} - named(page("docs/checking.md"))


def test_every_setting_is_explained() -> None:
    """Each key of each settings file is in the page about settings."""
    models = [m for _, m in inspect.getmembers(settings, inspect.isclass) if issubclass(m, BaseModel)]
    fields = {each.alias or name for model in models for name, each in model.model_fields.items()}
    assert len(fields) > 30
    assert set() == fields - named(page("docs/settings.md"))


def test_every_key_of_a_schedule_is_explained() -> None:
    """Each key of schedules.yaml is in the page about schedules."""
    fields = {*schedules.Schedules.model_fields, *schedules.Schedule.model_fields}
    assert set() == fields - named(page("docs/schedules.md"))


def test_every_call_is_explained() -> None:
    """Each call of the API, each status that it may answer and each key of its bodies is in the page about it."""
    text, description = page("docs/api.md"), json.loads(json.dumps(api.description()))
    calls = {
        f"{method.upper()} {path}": operation
        for path, operations in description["paths"].items()
        for method, operation in operations.items()
    }
    statuses = {status for operation in calls.values() for status in operation["responses"]}
    assert set(calls) == set(re.findall(r"^\| `([A-Z]+ /[^`]*)` \|", text, re.MULTILINE))
    assert set() == {status for status in statuses if status >= "400"} - set(
        re.findall(r"^\| (\d{3}) \|", text, re.MULTILINE)
    )
    assert set() == properties([calls, description["components"]["schemas"]["Wanted"]]) - named(text)


def test_every_column_is_explained() -> None:
    """Each column of both layouts is in the page about evidence, and those that a view adds are listed there."""
    text = page("docs/evidence.md")
    views = {
        path.stem: sqlglot.parse_one(path.read_text("utf-8"), read="trino", into=exp.Select)
        for path in (questions.SQL / "views").iterdir()
    }
    own = {column for view in views.values() for column in view.named_selects} - {
        column.name for column in columns.FLAT
    }
    assert set() == {column.name for column in (*columns.FLAT, *columns.OCSF)} - named(text)
    assert own == set(re.findall(r"^\| `(\w+)` \|", section(text, "Your own schema"), re.MULTILINE))


def test_ocsf_example_is_counted(tmp_path: Path) -> None:
    """The OCSF example of the documentation is read, and says what the page says of it."""
    example = block("docs/evidence.md", "json", "class_uid")
    folder = tmp_path / "ext/detector/region=eu-west-1/accountId=111122223333/eventDay=20260502"
    folder.mkdir(parents=True)
    (folder / "part-1.jsonl").write_text(json.dumps(json.loads(example)))
    source, window = FolderEvidence(tmp_path), Window(date(2026, 5, 1), date(2026, 5, 1))
    evidence = collect(Inquiry(window, AS_OF), DuckDBEngine(source), source, lambda *_: None)
    (campaign,) = group(evidence, Registry()).campaigns
    assert (campaign.campaign_id, campaign.activity.exchanges) == ("C-1", 420)
    assert campaign.activity.by_confidence[-1].detections == 1


def test_every_template_is_explained() -> None:
    """Each template, style sheet, section and chart, each filter and each block is in the page for designers."""
    text = page("docs/templates.md")
    files = {path.name for path in TEMPLATES.rglob("*") if path.is_file()}
    in_base = set(re.findall(r"{% block (\w+)", (TEMPLATES / "base.html").read_text("utf-8")))
    assert {"base.html", "body"} <= files | in_base
    environment = environment_of(Resources(), _filters(Ledger(), Characters(), "en-US"))
    language = {*environment.filter_names, *(name for name in environment.tests if name.isalpha())}
    assert set() == (files | in_base | language) - named(text)


def test_the_bounds_of_templates_are_explained() -> None:
    """Each is in the page for designers, as it is."""
    text = page("docs/templates.md")
    counts = (
        MOST_STEPS,
        MOST_CHARACTERS,
        MOST_PRINTED,
        MOST_SOURCE,
        MOST_SPAN,
        DEEPEST,
        DEEPEST_MARKUP,
        MOST_BITS,
    )
    uses = (DEEPEST_PARTS, DEEPEST_BRACKETS, STEPS_OF_A_USE, STEPS_OF_A_CALL)
    assert [
        count for count in (*counts, *uses) if not re.search(rf"(?<![\d,]){count:,}(?![\d,]\d)", text)
    ] == []


def test_every_dependency_has_its_reason() -> None:
    """Whatever pyproject.toml asks for is in the decision about dependencies, and nothing else is."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"].values()
    asked = [*project["project"]["dependencies"], *(line for lines in extras for line in lines)]
    declared = {Requirement(line).name for line in [*asked, *project["build-system"]["requires"]]}
    rows = re.findall(r"^\| ([^|]+) \|", page("docs/decisions/0001-dependencies.md"), re.MULTILINE)
    assert declared == {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


def test_decisions_have_one_form() -> None:
    """A decision has a number, a context, what was decided and what follows from it."""
    decisions = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
    assert [int(path.name[:4]) for path in decisions] == list(range(1, len(decisions) + 1))
    for path in decisions:
        text = path.read_text("utf-8")
        assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences"], (
            path.name
        )
        assert text.startswith(f"# {int(path.name[:4])}. "), path.name


def test_exit_statuses_are_explained() -> None:
    """The exit statuses of the errors are those of the page about the command line."""

    def statuses(error: type[ExhibitError]) -> Iterator[int]:
        yield error.exit_status
        for each in error.__subclasses__():
            yield from statuses(each)

    table = re.findall(r"^\| (\d) \|", page("docs/command-line.md"), re.MULTILINE)
    assert {0, *statuses(ExhibitError)} == {int(status) for status in table}

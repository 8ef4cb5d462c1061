"""The line as a whole: what is published again, as which edition, and that its bytes are always the same."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from reports import __version__
from reports.cli import main
from reports.pages.assets import TEMPLATES
from reports.signing.keys import LocalAuthority
from reports.verification import attachments
from reports.verification.attachments import attached
from reports.verification.compare import compare
from tests.support.checking import judged, outcomes, published_as, recorded
from tests.support.pki import Network, certify, new_key
from tests.support.publishing import GOLDEN, Published, arguments, exhibit, expected, publish
from tests.support.tools import needs

pytestmark = pytest.mark.usefixtures("slow")

NAMING = expected("naming")["request"]


@pytest.fixture
def evidence(tmp_path: Path) -> Path:
    """Evidence that a test may change."""
    return Path(shutil.copytree(GOLDEN / "naming", tmp_path / "evidence"))


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def state(folder: Path) -> dict[str, tuple[int, int]]:
    """Each file with its inode and when it was last written."""
    return {str(each): (each.stat().st_ino, each.stat().st_mtime_ns) for each in folder.rglob("*")}


def receipts(out: Path) -> list[dict[str, object]]:
    found = [json.loads(path.read_text()) for path in out.glob("*.receipt.json")]
    return sorted(found, key=lambda receipt: receipt["edition"])


@pytest.mark.parametrize("later", [{}, {"as_of": "2027-01-01T00:00:00Z"}])
def test_not_published_twice(
    golden: dict[str, Published],
    authority: LocalAuthority,
    capsys: pytest.CaptureFixture[str],
    later: Mapping[str, str],
) -> None:
    """The same request again, or at a later instant, gives the same receipt and writes nothing."""
    first, request = golden["revisions"], {**expected("revisions")["request"], **later}
    before = state(first.folder)
    publish(GOLDEN / "revisions", first.folder, authority.directory, request, ["--json"])
    assert json.loads(capsys.readouterr().out) == first.receipt
    assert state(first.folder) == before


def test_editions(
    tmp_path: Path, evidence: Path, out: Path, authority: LocalAuthority, capsys: pytest.CaptureFixture[str]
) -> None:
    """Changed evidence, settings, marking or templates make another edition, which names the one it supersedes."""
    row, dataset = next(evidence.rglob("event_day=2026-05-01/part.jsonl")), evidence / "dataset.yaml"
    contents = row.read_text(), dataset.read_text()
    own = tmp_path / "own"
    own.mkdir()
    (own / "letter.css").write_text((TEMPLATES / "letter.css").read_text() + "/* Ours. */\n")

    def run(**change: str) -> None:
        request = {**NAMING, "marking": "TLP:CLEAR", **change}
        assert main(arguments(evidence, out, authority.directory, request)) == 0

    run()
    row.write_text(contents[0].replace("28814637", "28814638"))
    run()
    row.write_text(contents[0])
    dataset.write_text("synthetic: false\n")
    run()
    dataset.write_text(contents[1])
    run()
    run(marking="TLP:RED")
    run(templates=str(own))
    run(templates=str(own))
    names = [f"EX-20260501-20260501-L edition {edition}" for edition in range(1, 7)]
    assert [receipt["supersedes"] for receipt in receipts(out)] == [None, *names[:5]]
    assert len({receipt["content_sha256"] for receipt in receipts(out)}) == 5
    assert len(list(out.glob("*.pdf"))) == 6
    (last,) = out.glob("*-e6-*.pdf")
    assert json.loads(attached(last.read_bytes())["briefing.json"])["supersedes"] == names[4]
    printed = [line for line in capsys.readouterr().out.splitlines() if line.startswith("briefing:")]
    assert printed[-1] == printed[-2] == f"briefing:   {last}"


@pytest.fixture
def run(evidence: Path, out: Path, authority: LocalAuthority) -> Callable[..., None]:
    """Publish the evidence, as a release if one is given, with changes of the request."""

    def run(release: str = __version__, **change: str) -> None:
        request = {**NAMING, "marking": "TLP:CLEAR", **change}
        with pytest.MonkeyPatch.context() as patch:
            published_as(release, patch)
            assert main(arguments(evidence, out, authority.directory, request)) == 0

    return run


def editions(out: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(out.glob("*.pdf"))]


def test_an_edition_that_only_another_release_made_different(
    run: Callable[..., None], evidence: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same figures, made again: on the page, in the data and the receipt; it reproduces, and is published once."""
    run("0.0.1")
    run()
    run()
    first, second = editions(out)
    same = {"edition": 1, "software_version": "0.0.1"}
    assert json.loads(attached(second)["briefing.json"])["same_figures_as"] == same
    assert "same_figures_as" not in json.loads(attached(first)["briefing.json"])
    assert [receipt.get("same_figures_as") for receipt in receipts(out)] == [None, same]
    said = f"ame figures as edition 1, made again by Exhibit {__version__}"
    printed = [line for line in capsys.readouterr().out.splitlines() if " edition " in line]
    assert printed[0] == f"s{said}"
    assert printed[1].startswith("published before: edition 2, ")
    assert outcomes(judged(second, evidence)) == ("valid", "valid")
    assert outcomes(judged(first, evidence)) == ("valid", "could not be checked")
    assert compare(recorded(first), recorded(second)).detail.startswith("the same figures, made again by ")
    page = subprocess.run(["pdftotext", "-", "-"], input=second, capture_output=True, check=True).stdout
    assert f"S{said}." in " ".join(page.decode().split())


@pytest.mark.parametrize("what", ["evidence", "registry", "page size", "templates"])
def test_an_edition_that_something_else_made_different(
    run: Callable[..., None], evidence: Path, out: Path, tmp_path: Path, what: str
) -> None:
    """Nothing is said of the same figures, whether another release made it or not."""
    (tmp_path / "letter.css").write_text((TEMPLATES / "letter.css").read_text() + "/* Ours. */\n")
    change = {"page size": {"page_size": "a4"}, "templates": {"templates": str(tmp_path)}}.get(what, {})
    run(__version__ if what == "templates" else "0.0.1")
    if what == "evidence":
        row = next(evidence.rglob("event_day=2026-05-01/part.jsonl"))
        row.write_text(row.read_text().replace("28814637", "28814638"))
    if what == "registry":
        registry = evidence / "campaigns.yaml"
        registry.write_text(registry.read_text() + "requests: [Ask.]\n")
    run(**change)
    assert [receipt["edition"] for receipt in receipts(out)] == [1, 2]
    assert b"same_figures_as" not in attached(editions(out)[1])["briefing.json"]


@pytest.mark.parametrize("content", [None, b"", b"%PDF-1.7"])
def test_an_edition_whose_predecessor_cannot_be_read(
    run: Callable[..., None], out: Path, content: bytes | None
) -> None:
    """It is published, and says nothing of the same figures."""
    run("0.0.1")
    (first,) = out.glob("*.pdf")
    first.unlink()
    if content is not None:
        first.write_bytes(content)
    run()
    assert [receipt.get("same_figures_as") for receipt in receipts(out)] == [None, None]


def test_document_is_gone(
    golden: dict[str, Published],
    tmp_path: Path,
    authority: LocalAuthority,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A receipt whose document is gone is not passed off as published."""
    out = Path(shutil.copytree(golden["quiet"].folder, tmp_path / "out"))
    (out / golden["quiet"].pdf.name).unlink()
    request = expected("quiet")["request"]
    assert main(arguments(GOLDEN / "quiet", out, authority.directory, request)) == 3
    assert (
        f"{golden['quiet'].pdf.name} differs from what was published: restore it" in capsys.readouterr().err
    )


def test_same_bytes(golden: dict[str, Published], tmp_path: Path, authority: LocalAuthority) -> None:
    """The unsigned bytes do not depend on process, folder, path, clock, zone, locale or order of delivery."""
    copied = tmp_path / "a place" / "elsewhere"
    for file in sorted((f for f in (GOLDEN / "revisions").rglob("*") if f.is_file()), reverse=True):
        place = copied / file.relative_to(GOLDEN / "revisions")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(file.read_bytes())
    request, keys = expected("revisions")["request"], authority.directory
    runs = [
        ("elsewhere/", copied.parent, {"PYTHONHASHSEED": "1", "TZ": "Asia/Kathmandu", "LC_ALL": "C"}),
        (
            os.path.relpath(GOLDEN / "revisions", tmp_path),
            tmp_path,
            {"PYTHONHASHSEED": "2", "TZ": "America/St_Johns", "LC_ALL": "tr_TR.UTF-8", "LANG": "de_DE"},
        ),
    ]
    processes = [
        exhibit(arguments(path, tmp_path / f"out {n}", keys, request), cwd, environment)
        for n, (path, cwd, environment) in enumerate(runs)
    ]
    for n, process in enumerate(processes):
        _, complaint = process.communicate()
        assert process.returncode == 0, complaint
        assert Published(tmp_path / f"out {n}").unsigned == golden["revisions"].unsigned


def test_order_of_rows(
    golden: dict[str, Published], tmp_path: Path, out: Path, authority: LocalAuthority
) -> None:
    """The data do not depend on the order of the rows in the objects, nor on how they are spread over them."""
    evidence = tmp_path / "evidence"
    for folder in sorted((GOLDEN / "revisions" / "detections").iterdir()):
        lines = [line for file in folder.glob("*.jsonl") for line in file.read_text().splitlines()]
        place = evidence / "detections" / folder.name
        place.mkdir(parents=True)
        for n, line in enumerate(reversed(lines)):
            (place / f"{n}.jsonl").write_text(line + "\n")
        for file in folder.glob("*.csv"):
            head, *rows = file.read_text().splitlines()
            (place / "rows.csv").write_text("\n".join([head, *reversed(rows), ""]))
    found = publish(evidence, out, authority.directory, expected("revisions")["request"]).briefing
    known = golden["revisions"].briefing
    assert {name: found[name] for name in found if name != "figures"} == {
        name: known[name] for name in known if name != "figures"
    }


def test_two_at_once(tmp_path: Path, out: Path, authority: LocalAuthority) -> None:
    """Two runs at once publish once, and both say what was published."""
    instants = ("2026-05-20T00:00:00Z", "2026-05-21T00:00:00Z")
    request = expected("quiet")["request"]
    running = [
        exhibit(
            [*arguments(GOLDEN / "quiet", out, authority.directory, {**request, "as_of": instant}), "--json"]
        )
        for instant in instants
    ]
    answers = [process.communicate() for process in running]
    assert [process.returncode for process in running] == [0, 0], answers
    published = Published(out)
    assert [json.loads(printed) for printed, _ in answers] == [published.receipt] * 2
    assert sorted(os.listdir(out)) == sorted([published.pdf.name, published.receipt_file.name, "register"])
    assert os.listdir(out / "register") == ["00000001.json"]


def test_nothing_invalid_is_archived(
    tmp_path: Path, out: Path, authority: LocalAuthority, network: Network, capsys: pytest.CaptureFixture[str]
) -> None:
    """A briefing that the named roots do not vouch for in full is not published."""
    stranger = tmp_path / "stranger.pem"
    stranger.write_bytes(certify(new_key()).public_bytes(Encoding.PEM))
    request = {
        **expected("quiet")["request"],
        "timestamp_url": network.timestamper.url,
        "trust": str(stranger),
    }
    assert main(arguments(GOLDEN / "quiet", out, authority.directory, request)) == 1
    assert "the briefing was not published: its time-stamp is not valid" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize("bound", [2, 3])
def test_nothing_is_archived_that_no_reader_can_check(
    out: Path,
    authority: LocalAuthority,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    bound: int,
) -> None:
    """A briefing with more accounts than are read is not published; one with as many is."""
    monkeypatch.setattr(attachments, "MOST_ACCOUNTS", bound)
    request = {**expected("naming")["request"], "audience": "regulator"}
    status = main(arguments(GOLDEN / "naming", out, authority.directory, request))
    said = "accounts.csv has more than 2 lines: choose a shorter window" in capsys.readouterr().err
    assert (status, said, out.exists()) == ((1, True, False) if bound == 2 else (0, False, True))


# Whose marking


def unmarked(scenario: str) -> dict[str, str]:
    """What a scenario asks for, without a marking."""
    return {name: text for name, text in expected(scenario)["request"].items() if name != "marking"}


def test_nobody_has_chosen_a_marking(tmp_path: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Real data is not published as TLP:CLEAR because nobody said otherwise: one line says how to choose."""
    keys = tmp_path / "keys"
    assert main(arguments(GOLDEN / "quiet", out, keys, unmarked("quiet"))) == 2
    said = capsys.readouterr().err
    assert said == (
        "exhibit: the evidence is not marked synthetic, and no marking is set: write one in issuer.yaml, "
        "or give --marking: TLP:CLEAR, TLP:GREEN, TLP:AMBER, TLP:AMBER+STRICT or TLP:RED\n"
    )
    assert not out.exists()
    assert not keys.exists()


@pytest.mark.parametrize("text", ["tlp:red", "RED", "TLP:WHITE", "TLP:RED "])
def test_a_marking_is_one_of_tlp(
    out: Path, authority: LocalAuthority, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    """What is no label of TLP 2.0, to the letter, is refused with those that there are."""
    request = {**unmarked("quiet"), "marking": text}
    assert main(arguments(GOLDEN / "quiet", out, authority.directory, request)) == 2
    said = capsys.readouterr().err
    assert said.startswith(
        f"exhibit: marking {text!r} is not a TLP 2.0 label: give one of TLP:CLEAR, TLP:GREEN, "
    )
    assert not out.exists()


@needs("pdftotext")
@pytest.mark.parametrize(
    "chosen",
    [
        (None, "TLP:AMBER+STRICT", "TLP:AMBER+STRICT"),
        ("TLP:RED", None, "TLP:RED"),
        ("TLP:RED", "TLP:GREEN", "TLP:GREEN"),
        ("TLP:CLEAR", "TLP:RED", "TLP:RED"),
    ],
)
def test_the_marking_is_the_one_that_was_chosen(
    tmp_path: Path,
    out: Path,
    authority: LocalAuthority,
    chosen: tuple[str | None, str | None, str],
) -> None:
    """The option goes before issuer.yaml; pages and record say what was chosen, and a reader makes the pages again."""
    issuer, option, marking = chosen
    house = tmp_path / "house"
    house.mkdir()
    (house / "issuer.yaml").write_text(f"marking: {issuer}\n" if issuer else "name: Lab\n")
    request = {**unmarked("quiet"), "templates": str(house)}
    more = ["--marking", option] if option else []
    published = publish(GOLDEN / "quiet", out, authority.directory, request, more)
    assert set(re.findall(r"TLP:[A-Z+]+", published.text)) == {marking}
    assert json.loads(published.files["evidence.json"])["predicate"]["marking"] == marking
    read = ["--evidence", str(GOLDEN / "quiet"), "--templates", str(house)]
    assert (
        main(["verify", str(published.pdf), "--trust", str(authority.directory / "root.cert.pem"), *read])
        == 0
    )


def test_synthetic_data_needs_no_marking(golden: dict[str, Published]) -> None:
    """What was made up may be shown to everybody, unless somebody chooses otherwise."""
    assert "marking" not in NAMING
    assert json.loads(golden["naming"].files["evidence.json"])["predicate"]["marking"] == "TLP:CLEAR"


# What would be passed over


def broken(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for name in ("campaigns.yaml", "dataset.yaml", "issuer.yaml", "law.yaml"):
        (folder / name).write_text("{")


@pytest.mark.parametrize("name", ["dataset.yml", "Campaign.yaml"])
def test_names_beside_the_evidence_come_first(
    tmp_path: Path, out: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """A file that would be passed over is told before anything is read, whatever else is wrong, and nothing is made."""
    evidence = tmp_path / "evidence"
    broken(evidence)
    (evidence / name).touch()
    request = {**unmarked("quiet"), "marking": "none"}
    assert main(arguments(evidence, out, tmp_path / "keys", request)) == 2
    assert capsys.readouterr().err.startswith(f"exhibit: {name}: only ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evidence"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("issuer.yml", "issuer.yml: only issuer.yaml is read among the templates"),
        ("Lawmaker.html", "Lawmaker.html: only lawmaker.html is read among the templates"),
        (
            "dataset.yaml",
            "dataset.yaml: is not read among the templates: move it beside the evidence",
        ),
    ],
)
def test_names_among_the_templates_come_first(
    tmp_path: Path, out: Path, capsys: pytest.CaptureFixture[str], name: str, said: str
) -> None:
    """So is one among an organisation's own templates, and one that belongs elsewhere."""
    house = tmp_path / "house"
    house.mkdir()
    (house / name).touch()
    request = {**unmarked("quiet"), "templates": str(house)}
    assert main(arguments(GOLDEN / "quiet", out, tmp_path / "keys", request)) == 2
    assert capsys.readouterr().err.startswith(f"exhibit: {said}")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["house"]


def test_evidence_can_lie_among_the_templates(tmp_path: Path, out: Path, authority: LocalAuthority) -> None:
    """One folder may hold all that somebody wrote, and other files of theirs."""
    folder = Path(shutil.copytree(GOLDEN / "naming", tmp_path / "all"))
    (folder / "issuer.yaml").write_text("marking: TLP:AMBER\n")
    (folder / "campaigns-2025.yaml").write_text("{")
    (folder / "campaigns.yaml.bak").write_text("{")
    request = {**NAMING, "templates": str(folder)}
    assert main(arguments(folder, out, authority.directory, request)) == 0

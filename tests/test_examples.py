"""The examples of the documentation: each runs as it stands, or is parsed where it takes an AWS account.

An example is a fenced block of shell lines; a block of text after it is what it prints, where `…` stands for what
differs from run to run, and for lines left out where it stands alone.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from itertools import pairwise, zip_longest
from pathlib import Path

import pytest
from botocore import xform_name
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from reports import __version__, cli
from reports.cli import main
from reports.cli.publish import PASSPHRASE
from reports.core.errors import ExhibitError
from reports.local_aws.template import Stack
from reports.signing.keys import LocalAuthority, LocalKey
from reports.signing.timestamp import LocalTimestamper
from reports.verification.attachments import attached
from tests.support.aws import REGION, account, client, s3_client
from tests.support.pki import NOW, certify, new_key, usage
from tests.support.publishing import ROOT, Published
from tests.support.stack import PARAMETERS
from tests.support.tools import needs
from tests.test_docs import PAGES

pytestmark = pytest.mark.usefixtures("slow")

LANGUAGES = {
    "csv",
    "css",
    "html",
    "jinja",
    "json",
    "jsonl",
    "python",
    "sh",
    "sql",
    "svg",
    "text",
    "xml",
    "yaml",
}
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^## (.+)$", re.MULTILINE)
AWS = re.compile(r"s3://|--kms-key|--athena|\baws |\bsam |exhibit keys ")
TIMESTAMPS = "http://timestamp.example.org/tsr"

# By page and section, which test runs its examples
RUN_BY = {
    ("README.md", "Two commands"): "test_two_commands",
    ("README.md", "Your own data"): "test_own_data",
    ("README.md", "Your own key"): "test_own_data",
    ("README.md", "As a service"): "tests.local_aws.test_serve.test_readme_session",
    ("README.md", "Without Exhibit"): "tests.test_docs.test_public_tools_agree",
    ("docs/checking.md", "With Exhibit"): "test_checking",
    ("docs/checking.md", "Keeping a briefing for decades"): "test_checking",
    ("docs/checking.md", "With the evidence"): "test_checking",
    ("docs/checking.md", "What is behind a figure"): "test_checking",
    ("docs/checking.md", "Is one account in the figures?"): "test_checking",
    ("docs/checking.md", "Comparing two briefings"): "test_checking",
    ("docs/checking.md", "The register"): "test_checking",
    ("docs/settings.md", ""): "tests.test_docs.test_complete_settings_are_published",
    ("docs/command-line.md", "exhibit keys"): "test_certificates_for_a_key_in_kms",
    ("docs/command-line.md", "Without a checkout"): "test_the_wheel_alone",
    ("docs/laptop.md", "Settings and evidence"): "tests.local_aws.test_serve.test_readme_session",
    ("docs/aws.md", "Steps"): "test_sam_knows_the_options",
    ("docs/aws.md", "A trial"): "test_sam_knows_the_options",
    ("docs/aws.md", "Removing everything"): "test_sam_knows_the_options",
    ("docs/aws.md", "Lake Formation"): "test_what_takes_an_account_is_parsed",
    ("docs/aws.md", "Tokens of Amazon Cognito"): "test_what_takes_an_account_is_parsed",
}


@dataclass(frozen=True)
class Example:
    """A shell block of a page, in a section (empty before the first), and what it is said to print, if anything."""

    page: str
    section: str
    lines: str
    printed: str | None


def examples(page: Path) -> Iterator[Example]:
    text = page.read_text("utf-8")
    found = list(FENCE.finditer(text))
    for each, following in zip_longest(found, found[1:]):
        if each[2] == "sh":
            headings = HEADING.findall(text[: each.start()])
            lines = re.sub(f"^{each[1]}", "", each[3], flags=re.MULTILINE)
            printed = following[3] if following and following[2] == "text" else None
            yield Example(str(page.relative_to(ROOT)), headings[-1] if headings else "", lines, printed)


EVERY = [example for page in PAGES for example in examples(page)]


def of(page: str, *sections: str, aws: bool = False) -> list[Example]:
    """The examples of a page's sections, or of all, in order: those that take an AWS account, or the others."""
    chosen = [each for each in EVERY if each.page == page and (not sections or each.section in sections)]
    return [each for each in chosen if bool(AWS.search(each.lines)) == aws]


def run(example: Example, folder: Path, environment: Mapping[str, str]) -> str:
    """Run an example in a folder, where `exhibit` is on the path; it has to print what the page says."""
    done = subprocess.run(
        ["sh", "-eu"],
        input=example.lines,
        cwd=folder,
        env={**os.environ, "PATH": f"{folder / '.venv/bin'}:{os.environ['PATH']}", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{example.lines}\n{done.stdout}\n{done.stderr}"
    if example.printed is not None:
        assert re.fullmatch(_pattern(example.printed), done.stdout), done.stdout
    return done.stdout


def _pattern(printed: str) -> str:
    lines = (
        "(?:.*\n)*" if line == "…" else f"{re.escape(line).replace('…', '.*')}\n"
        for line in printed.splitlines()
    )
    return "".join(lines)


def checkout(folder: Path) -> Path:
    """What `make` works with in a folder of its own, whose set-up is done: that of these tests."""
    for name in ("Makefile", "pyproject.toml", *(path.name for path in ROOT.glob("requirements*.txt"))):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / ".ci", folder / ".ci")
    (folder / "reports" / "local_aws").mkdir(parents=True)
    (folder / "reports" / "local_aws" / "trino.py").touch()
    (folder / ".venv").mkdir()
    for name in ("bin", "lib", "pyvenv.cfg"):
        if (target := Path(sys.prefix) / name).exists():
            (folder / ".venv" / name).symlink_to(target)
    for name in ("packages", "exhibit", "libraries", "dev", "tools", "linters"):
        (folder / ".venv" / name).touch()
    return folder


@contextmanager
def timestamps(folder: Path) -> Iterator[dict[str, str]]:
    """An authority behind a proxy on loopback, whose root is in `folder`; the environment that leads to it."""
    root, key = new_key(), new_key()
    ca = certify(root, x509.BasicConstraints(ca=True, path_length=None), usage("key_cert_sign"), name="Root")
    stamping = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
    own = certify(key, stamping, usage("digital_signature"), name="Stamps", issuer=("Root", root))
    stamper = LocalTimestamper(LocalKey((own,), key))
    (folder / "timestamp-root.pem").write_bytes(ca.public_bytes(Encoding.PEM))

    class Proxy(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            known = self.path == TIMESTAMPS
            answer = stamper.respond(self.rfile.read(int(self.headers["Content-Length"]))) if known else b""
            self.send_response(200 if known else 404)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield {"http_proxy": f"http://127.0.0.1:{server.server_port}", "no_proxy": ""}
        finally:
            server.shutdown()
            thread.join(10)


def test_every_block_says_what_it_is() -> None:
    """No block of a page is without its language: one that is would be run by no test."""
    unknown = {
        (page.name, body[:40])
        for page in PAGES
        for _, language, body in FENCE.findall(page.read_text("utf-8"))
        if language not in LANGUAGES
    }
    assert unknown == set()


def test_every_example_has_its_test() -> None:
    """Each section with examples has a test that runs them, and no test is listed for what is not there."""
    assert {(each.page, each.section) for each in EVERY} == set(RUN_BY)
    for name in RUN_BY.values():
        module, _, test = name.rpartition(".")
        assert f"def {test}(" in (ROOT / f"{module.replace('.', '/') or 'tests/test_examples'}.py").read_text(
            "utf-8"
        )


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of somebody who follows the README."""
    return checkout(tmp_path_factory.mktemp("newcomer"))


def test_the_wheel_alone(tmp_path: Path) -> None:
    """The wheel runs the main job in a folder that is no checkout; pipx would fetch its packages."""
    (example,) = of("docs/command-line.md", "Without a checkout")
    dist, home = tmp_path / "dist", tmp_path / "home"
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", dist],
        cwd=ROOT,
        check=True,
    )
    (wheel,) = dist.glob("*.whl")
    installing: list[str | Path] = [
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--target",
        tmp_path / "alone",
        wheel,
    ]
    subprocess.run([sys.executable, "-m", *installing], check=True)
    pipx, *lines = example.lines.splitlines(keepends=True)
    assert pipx.split()[-1] == f"./{wheel.name.replace(__version__, 'VERSION')}"
    home.mkdir()
    path = f"{tmp_path / 'alone/bin'}:{os.environ['PATH']}"
    alone = {"PYTHONPATH": str(tmp_path / "alone"), "PATH": path, "HOME": str(home)}
    run(replace(example, lines="".join(lines)), home, alone)
    assert len(list(home.glob("briefings/*.pdf"))) == 1


def test_two_commands(newcomer: Path) -> None:
    """`make briefing` prints what the README says; `make test` is these tests, and runs them."""
    briefing, tests = of("README.md", "Two commands")
    run(briefing, newcomer, {})
    assert sorted(path.suffix for path in (newcomer / "briefings").glob("*")) == [
        "",
        ".json",
        ".json",
        ".pdf",
        ".pdf",
    ]
    planned = subprocess.run(
        ["make", "-n", *tests.lines.split()[1:]], cwd=newcomer, capture_output=True, text=True, check=True
    )
    assert ".venv/bin/python -m pytest" in planned.stdout


def test_own_data(newcomer: Path) -> None:
    """The README's rows are written, published and checked; then published with a key and an authority of one's own."""
    key = new_key()
    encrypted = BestAvailableEncryption(b"open sesame")
    stored = pkcs12.serialize_key_and_certificates(b"key", key, certify(key), None, encrypted)
    (newcomer / "issuer.p12").write_bytes(stored)
    with timestamps(newcomer) as environment:
        for example in of("README.md", "Your own data", "Your own key"):
            run(example, newcomer, {**environment, PASSPHRASE: "open sesame"})
    (receipt,) = (newcomer / "out").glob("*regulator*.json")
    assert {each["outcome"] for each in json.loads(receipt.read_text())["verdicts"]} == {"valid"}


def test_make_local(newcomer: Path) -> None:
    """`make local` serves where the README says, or at another port, with another folder or engine if told to."""
    serve, _ = of("README.md", "As a service")
    for told, wanted in (
        ([], ["8080", "local", "duckdb"]),
        (["PORT=8081", "STATE=a b"], ["8081", "a b", "duckdb"]),
        (["ENGINE=trino"], ["8080", "local", "trino"]),
    ):
        command = ["make", "-n", "--no-print-directory", *shlex.split(serve.lines)[1:], *told]
        planned = subprocess.run(command, cwd=newcomer, capture_output=True, text=True, check=True)
        _, *words = shlex.split(planned.stdout.splitlines()[-1])
        options = cli._parser().parse_args(words)
        assert [str(options.port), str(options.state), options.engine] == wanted


@pytest.fixture
def reader(tmp_path: Path, sample_briefings: dict[str, Published], authority: LocalAuthority) -> Path:
    """The folder of somebody who follows the page about checking, with the sample's briefings and evidence."""
    lawmaker, regulator = sample_briefings["lawmaker letter"], sample_briefings["regulator letter"]
    checkout(tmp_path)
    shutil.copy(regulator.pdf, tmp_path / "briefing.pdf")
    shutil.copy(lawmaker.pdf, tmp_path / "lawmaker.pdf")
    shutil.copy(authority.directory / "root.cert.pem", tmp_path)
    shutil.copytree(authority.directory, tmp_path / "keys")
    shutil.copytree(regulator.folder, tmp_path / "briefings")
    (tmp_path / "evidence").symlink_to(lawmaker.folder.parent.parent / "sample")
    return tmp_path


def test_checking(reader: Path) -> None:
    """Each command for a reader of the sample's briefing succeeds, in the order of the page."""
    evidence = json.loads(attached((reader / "briefing.pdf").read_bytes())["evidence.json"])
    root = evidence["predicate"]["accounts"]["merkleRoot"]
    with timestamps(reader) as environment:
        for example in of("docs/checking.md"):
            run(example, reader, {**environment, "root": root})
    (lines,) = (
        body
        for _, language, body in FENCE.findall((ROOT / "docs/checking.md").read_text("utf-8"))
        if language == "python"
    )
    done = subprocess.run(
        [sys.executable, "-c", lines], cwd=reader, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == root


@needs("pdftotext")
def test_receipts_are_on_the_page(sample_briefings: dict[str, Published]) -> None:
    """A receipt that README and the page about checking speak of is printed on the sample's briefings."""
    for page in ("README.md", "docs/checking.md"):
        (receipt,) = set(re.findall(r"\bF\d+\b", (ROOT / page).read_text("utf-8")))
        for name in ("lawmaker letter", "regulator letter"):
            assert f"Receipt {receipt} " in f"{sample_briefings[name].text} ", (page, name)


def test_certificates_for_a_key_in_kms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands for a key in KMS run as they stand, with moto for AWS: a request, and what was issued for it."""
    for name, value in {
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    (example,) = of("docs/command-line.md", aws=True)
    request, install = map(shlex.split, example.lines.splitlines())
    with account():
        kms = client("kms")
        key = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
        kms.create_alias(AliasName=request[request.index("--key") + 1], TargetKeyId=key)
        s3_client().create_bucket(
            Bucket="example-settings", CreateBucketConfiguration={"LocationConstraint": REGION}
        )
        assert main(request[1:]) == 0
        (tmp_path / "issued.pem").write_bytes(_issued(tmp_path / "request.pem"))
        assert main(install[1:]) == 0
        kept = s3_client().get_object(Bucket="example-settings", Key="exhibit/chain.pem")["Body"].read()
    assert kept == (tmp_path / "issued.pem").read_bytes()


def _issued(request: Path) -> bytes:
    """What an authority answers to a request: the certificate, and its own."""
    asked, root = x509.load_pem_x509_csr(request.read_bytes()), new_key()
    ca = certify(root, x509.BasicConstraints(ca=True, path_length=None), usage("key_cert_sign"), name="Root")
    builder = (
        x509.CertificateBuilder(ca.subject, asked.subject, asked.public_key(), x509.random_serial_number())
        .not_valid_before(NOW - timedelta(1))
        .not_valid_after(NOW + timedelta(365))
        .add_extension(usage("digital_signature", "content_commitment"), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ObjectIdentifier("1.3.6.1.5.5.7.3.36")]), critical=False)
    )
    issued = builder.sign(root, SHA256())
    return issued.public_bytes(Encoding.PEM) + ca.public_bytes(Encoding.PEM)


def commands(example: Example) -> list[str]:
    """The commands of an example, each on one line."""
    return re.sub(r" \\\n *", " ", example.lines).splitlines()


@pytest.mark.parametrize(
    "line", [line for each in EVERY if AWS.search(each.lines) for line in commands(each)]
)
def test_what_takes_an_account_is_parsed(line: str) -> None:
    """A line that takes an AWS account is one command of a program that is known, and exhibit's has its options."""
    program, *words = shlex.split(re.sub(r" > \S+$", "", line))
    assert Path(program).name in {"exhibit", "aws", "curl", "pip", "python3", "sam", ""}
    if program == "exhibit" and words != ["--version"]:
        cli._parser().parse_args(words)
    if program == "aws":
        _check_aws(*words)


def _check_aws(service: str, command: str, *words: str) -> None:
    """A call of the AWS CLI has the parameters of the service's own call, and JSON has its members."""
    if service == "s3" or command in {"tail", "wait"}:  # these are the CLI's own
        return
    made = client(service.removesuffix("api"))
    (name,) = (each for each in made.meta.method_to_api_mapping if each == command.replace("-", "_"))
    model = made.meta.service_model.operation_model(made.meta.method_to_api_mapping[name])
    members = {xform_name(each, "-"): shape for each, shape in model.input_shape.members.items()}
    for option, value in pairwise((*words, "")):
        if option.startswith("--") and option not in {"--query", "--output", "--max-items"}:
            own = option[2:].removeprefix("notification-")  # as the CLI calls the endpoint of a subscription
            assert own in members, option
            if value.startswith("{"):
                assert set(json.loads(value)) <= set(members[own].members), value


SAM = ROOT / ".cache/sam/bin/sam"


@pytest.mark.skipif(not SAM.exists(), reason="needs the SAM CLI: make template sets it up")
def test_sam_knows_the_options() -> None:
    """The SAM CLI has the commands of the page about AWS, with their options; parameters are the template's."""
    lines = [shlex.split(line) for each in of("docs/aws.md", aws=True) for line in commands(each)]
    calls = [words for program, *words in lines if Path(program).name == "sam"]
    assert {command for command, *_ in calls} == {"build", "deploy", "delete"}
    declared = Stack(PARAMETERS).document["Parameters"]
    for command, *words in calls:
        shown = subprocess.run(
            [SAM, command, "--help"],
            env={**os.environ, "SAM_CLI_TELEMETRY": "0", "COLUMNS": "200"},
            capture_output=True,
            text=True,
            check=True,
        )
        for option in (word for word in words if word.startswith("--")):
            assert re.search(rf"{option}\b", shown.stdout), option
        chosen = {word.partition("=")[0] for word in words if "=" in word}
        needed = {name for name, spec in declared.items() if "Default" not in spec}
        assert chosen <= {*declared}
        assert not chosen or needed <= chosen


def test_commands_in_sentences_exist() -> None:
    """A command that a sentence names, `exhibit …` or `python -m …`, has its verb, its options and its module."""
    for page in PAGES:
        for code in re.findall(r"`([^`\n]+)`", FENCE.sub("", page.read_text("utf-8"))):
            words = code.split()
            if words[0].endswith("exhibit") and len(words) > 1:
                _check_words(words[1:])
            elif words[:2] == ["python", "-m"] or words[:2] == [".venv/bin/python", "-m"]:
                assert find_spec(words[2]), code


def _check_words(words: list[str]) -> None:
    """Parse as far as a sentence goes: what is missing there is no mistake."""
    with suppress(SystemExit):  # --help, --version
        try:
            cli._parser().parse_args([word for word in words if word != "…"])
        except ExhibitError as error:
            if not re.search("required|expected one argument", str(error)):
                raise

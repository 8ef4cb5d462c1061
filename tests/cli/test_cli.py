"""The command line: what it refuses, what it prints and where, and how it ends."""

import json
import os
import pty
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, pkcs12

from reports import local
from reports.briefing import prepare
from reports.cli import main
from reports.cli.publish import PASSPHRASE
from reports.core import progress
from reports.signing.keys import LocalAuthority
from reports.signing.timestamp import HttpTimestamper
from tests.support.aws import REGION
from tests.support.pki import NOW, Network, certify, new_key, pem, usage
from tests.support.publishing import GOLDEN, ROOT, Published, arguments, exhibit, expected, publish

Arguments = Callable[..., list[str]]
QUIET = expected("quiet")["request"]
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def quiet(out: Path, authority: LocalAuthority) -> Arguments:
    """The arguments of a small request, with changes."""
    return lambda **change: arguments(
        GOLDEN / "quiet",
        out,
        authority.directory,
        {**QUIET, **{name: str(value) for name, value in change.items()}},
    )


def refused(argv: list[str], capsys: Capture) -> tuple[int, str]:
    """The exit status and what is said, which has to be one line, with nothing on standard output."""
    status = main(argv)
    printed, said = capsys.readouterr()
    assert printed == ""
    assert re.fullmatch(r"exhibit: [^\n]+\n", said), said
    return status, said.removeprefix("exhibit: ").rstrip()


# What is asked for

REQUESTS = {
    "audience": ({"audience": "press"}, "audience 'press' is not known: use lawmaker or regulator"),
    "empty audience": ({"audience": ""}, "--audience is empty: leave it out, or give it a value"),
    "reversed": ({"window": "2026-05-07/2026-05-01"}, "is reversed: write 2026-05-01/2026-05-07"),
    "not over": ({"window": "2026-05-01/2026-05-09"}, "is not over at 2026-05-09T00:00:00"),
    "not a window": ({"window": "May"}, "'May' is not a window: write YYYY-MM-DD/YYYY-MM-DD"),
    "not a day": ({"window": "2026-02-29/2026-03-01"}, "has a day that is not in the calendar"),
    "before the calendar": ({"window": "last-999999-days"}, "beyond the calendar"),
    "has no evidence": ({"window": "2026-04-01/2026-04-07"}, "2026-04-01/2026-04-07 has no evidence"),
    "as-of": (
        {"as_of": "yesterday"},
        "--as-of 'yesterday' is not a date and time: write it like 2026-06-20T12:",
    ),
    "as-of without a zone": ({"as_of": "2026-06-20T12:00:00"}, "has no time zone: write it like"),
    "as-of before time": ({"as_of": "0001-01-01T00:00:00+14:00"}, "is not a date and time"),
    "settling days": ({"settling_days": "-1"}, "--settling-days -1: give a number of days, 0 to 366"),
    "too many settling days": ({"settling_days": "999999999"}, "give a number of days, 0 to 366"),
    "settling days as a word": (
        {"settling_days": "few"},
        "invalid int value: 'few': see exhibit publish --help",
    ),
    "page size": ({"page_size": "a3"}, "invalid choice: 'a3'"),
    "time-stamp authority": ({"timestamp_url": "ftp://x"}, "'ftp://x' is not a URL: write it like https://"),
    "terminal codes": ({"audience": "\x1b[31mred"}, r"'\x1b[31mred' is not known"),
}


@pytest.mark.parametrize(("change", "complaint"), REQUESTS.values(), ids=REQUESTS)
def test_wrong_request(
    out: Path, quiet: Arguments, capsys: Capture, change: dict[str, str], complaint: str
) -> None:
    """A request that makes no sense is refused in one line that says what to write, and nothing is written."""
    status, said = refused(quiet(**change), capsys)
    assert complaint in said
    assert status == 2
    assert not out.exists()


@pytest.mark.parametrize(
    ("argv", "complaint"),
    [
        (["burn"], "'burn' is not a command of exhibit: see exhibit --help"),
        (["verfy"], "'verfy' is not a command of exhibit (did you mean verify?): see exhibit --help"),
        (["register", "verfy"], "'verfy' is not a command of exhibit register (did you mean verify?)"),
        (["publish"], "required: --evidence, --window, --audience, --out: see exhibit publish --help"),
        (["publish", "--evidence"], "argument --evidence: expected one argument: see exhibit publish --help"),
        (["verify"], "the following arguments are required: FILE: see exhibit verify --help"),
        (
            ["verify", "a.pdf", "--loudly"],
            "--loudly is not an option of exhibit verify: see exhibit verify --help",
        ),
        (
            ["verify", "a.pdf", "--turst", "b"],
            "--turst is not an option of exhibit verify (did you mean --trust?)",
        ),
        (["verify", "a.pdf", "-json"], "-json is not an option of exhibit verify (did you mean --json?)"),
        (
            ["publish", "--evidense=x"],
            "--evidense is not an option of exhibit publish (did you mean --evidence?)",
        ),
        (["publish", "--out", "--window", "w"], "argument --out: expected one argument"),
        (["--json", "verify", "a.pdf"], "--json is not an option of exhibit"),
        (["verify", ""], "an argument is empty: leave it out, or give it a value"),
        (["verify", "a.pdf", "--trust="], "--trust is empty: leave it out, or give it a value"),
        (["verify", "a.pdf", "--trust", ""], "--trust is empty: leave it out, or give it a value"),
        (["publish", "--timestamp-url", ""], "--timestamp-url is empty"),
        (["sample"], "the following arguments are required: DIR"),
    ],
)
def test_wrong_arguments(capsys: Capture, argv: list[str], complaint: str) -> None:
    """Arguments that cannot be understood are refused in one line, which names the help."""
    status, said = refused(argv, capsys)
    assert complaint in said
    assert status == 2


@pytest.mark.parametrize(
    "argv",
    [
        ["publish", "--timestamp-ulr", "https://u:s3cret@example/"],
        ["publish", "--timestamp-ulr=https://u:s3cret@example/"],
        ["publish", "--t=https://u:s3cret@example/"],
        ["publish", "--timestamp-url=https://u:s3 cret@example/"],
        ["https://u:s3cret@example/"],
        ["verify", "https://u:s3cret@example/"],
        ["renew", "a.pdf", "--timestamp-url", "ftp://u:s3cret@example/"],
        ["renew", "a.pdf", "--timestamp-url", "https://u:s3cret/@example/"],
    ],
)
def test_a_password_is_not_repeated(capsys: Capture, argv: list[str]) -> None:
    """Whatever is wrong with the arguments, a password in a URL among them is not shown."""
    _, said = refused(argv, capsys)
    assert "s3" not in said


def test_names_that_look_like_options(files: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """After `--`, and with a folder before it, a file may begin with a hyphen; abbreviations serve as before."""
    shutil.copy(files / "hello", files / "-hello")
    monkeypatch.chdir(files)
    for argv in (["--js", "--", "-hello"], ["--js", "./-hello"]):
        assert main(["verify", *argv]) == 3
        assert json.loads(capsys.readouterr().out)["verdicts"]


@pytest.mark.parametrize("verbs", [[], ["keys"], ["register"]])
def test_bare(capsys: Capture, verbs: list[str]) -> None:
    """Without a verb, help is printed, of what was named so far."""
    with pytest.raises(SystemExit) as end:
        main(verbs)
    assert end.value.code == 0
    assert capsys.readouterr().out.startswith(" ".join(["usage: exhibit", *verbs, "[-h]"]))


def test_help_fits_the_terminal(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """No line of a help is wider than the terminal, and the exit statuses keep their lines."""
    monkeypatch.setenv("COLUMNS", "60")
    for verb in ("verify", "explain", "compare", "prove", "publish"):
        with pytest.raises(SystemExit):
            main([verb, "--help"])
        printed = capsys.readouterr().out
        assert max(map(len, printed.splitlines())) <= 60
        assert verb == "publish" or "\n  1  checked and found wrong\n  2  the request" in printed


# Folders and files


def not_there(tmp_path: Path) -> dict[str, object]:
    return {"evidence": tmp_path / "gone"}


def neither_layout(tmp_path: Path) -> dict[str, object]:
    (tmp_path / "empty").mkdir()
    return {"evidence": tmp_path / "empty"}


def evidence_is_a_file(tmp_path: Path) -> dict[str, object]:
    (tmp_path / "file").touch()
    return {"evidence": tmp_path / "file"}


def out_is_a_file(tmp_path: Path) -> dict[str, object]:
    (tmp_path / "file").touch()
    return {"out": tmp_path / "file"}


def out_below_a_file(tmp_path: Path) -> dict[str, object]:
    (tmp_path / "file").touch()
    return {"out": tmp_path / "file" / "out"}


def keys_in_use(tmp_path: Path) -> dict[str, object]:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "photo.jpg").touch()
    return {"keys": tmp_path / "keys"}


def keys_below_a_file(tmp_path: Path) -> dict[str, object]:
    (tmp_path / "file").touch()
    return {"keys": tmp_path / "file" / "keys"}


def no_templates(tmp_path: Path) -> dict[str, object]:
    return {"templates": tmp_path / "gone"}


def broken_registry(tmp_path: Path) -> dict[str, object]:
    return _settings(tmp_path, "campaigns.yaml", "campaigns:\n  - campaign_id: [\n")


def unknown_key(tmp_path: Path) -> dict[str, object]:
    return _settings(tmp_path, "campaigns.yaml", "campaigns:\n  - {campaign_id: a, name: a, colour: red}\n")


def campaign_twice(tmp_path: Path) -> dict[str, object]:
    twice = "campaigns:\n" + "  - {campaign_id: a, name: a}\n" * 2
    return _settings(tmp_path, "campaigns.yaml", twice)


def broken_dataset(tmp_path: Path) -> dict[str, object]:
    return _settings(tmp_path, "dataset.yaml", "synthetic: perhaps\n")


def _settings(tmp_path: Path, name: str, text: str) -> dict[str, object]:
    evidence = shutil.copytree(GOLDEN / "quiet", tmp_path / "evidence")
    (evidence / name).write_text(text)
    return {"evidence": evidence}


@pytest.mark.parametrize(
    "case",
    [
        (not_there, r"gone: no such folder: give the folder that holds detections/ or ext/"),
        (neither_layout, r"empty: neither layout is present: expected detections/event_day=YYYY-MM-DD/"),
        (evidence_is_a_file, r"file: no such folder"),
        (out_is_a_file, r"file is not a folder: choose one where briefings can be written"),
        (out_below_a_file, r"file is not a folder: choose one where briefings can be written"),
        (keys_in_use, r"keys cannot be used for keys .*: choose a new or empty folder"),
        (keys_below_a_file, r"file/keys cannot be created: "),
        (no_templates, r"gone: no such folder: give the one that holds your templates"),
        (broken_registry, r"campaigns\.yaml, line \d: .*YAML"),
        (unknown_key, r"campaigns\.yaml: .*colour.*unknown key"),
        (campaign_twice, r"campaigns\.yaml: .*'a' is listed twice"),
        (broken_dataset, r"dataset\.yaml: synthetic"),
    ],
    ids=lambda case: case[0].__name__,
)
def test_wrong_folders(
    tmp_path: Path,
    out: Path,
    authority: LocalAuthority,
    capsys: Capture,
    case: tuple[Callable[[Path], dict[str, object]], str],
) -> None:
    """A folder, or a settings file in it, that does not serve is refused by name, and stays as it is."""
    make, complaint = case
    paths = {"evidence": GOLDEN / "quiet", "out": out, "keys": authority.directory, **make(tmp_path)}
    before = sorted(tmp_path.rglob("*"))
    options = [text for name, path in paths.items() for text in (f"--{name}", str(path))]
    wanted = [text for name, value in QUIET.items() for text in (f"--{name.replace('_', '-')}", value)]
    status, said = refused(["publish", *options, *wanted], capsys)
    assert re.search(complaint, said), said
    assert status == 2
    assert sorted(tmp_path.rglob("*")) == before


# Templates

TEMPLATES = {
    "syntax": ("{% if %}", r"lawmaker\.html, line 1"),
    "unknown name": ("<p>\n{{ nobody.home }}", r"lawmaker\.html, line 2.*nobody"),
    "forbidden": ("{{ ''.__class__.__mro__ }}", r"lawmaker\.html, line 1.*unsafe"),
    "missing": ("{% include 'gone.html' %}", r"gone\.html"),
    "model": ("{{ issuer.parse_raw('x', proto='pickle') }}", r"lawmaker\.html, line 1: issuer.*'parse_raw'"),
    "endless": ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", r"lawmaker\.html, line 1.*40 deep"),
    "including": ("{% include 'lawmaker.html' %}", r"lawmaker\.html, line 1.*40 deep"),
    "gigabyte": ("{{ 'a' * 1000000000 }}", r"lawmaker\.html, line 1: expected a number, not a text"),
    "attaching": ("<a rel=attachment href=issuer.yaml>x</a>", r"rel=attachment"),
    "spanning": ("<table><tr><td rowspan=1000000000>x</table>", r"rowspan='1000000000'"),
    "nested": ("<div>" * 2000, r"elements nested more than 60 deep"),
    "http": ("<img src='http://127.0.0.1:9/x.png' alt=x>", r"asks for http://127\.0\.0\.1:9/x\.png"),
    "host": ("<img src='//127.0.0.1/x.png' alt=x>", r"asks for https://127\.0\.0\.1/x\.png"),
    "style": ("<style>p { background: url(https://127.0.0.1/x) }</style><p>x", r"asks for https://127\.0"),
    "file": ("<link rel=stylesheet href='file:///etc/passwd'>", r"asks for file:///etc/passwd"),
    "fading": (
        "<html lang=en><h1>a</h1><p style='opacity: 0.5'>b",
        r"would not conform to PDF/A-3a.*“opacity”",
    ),
    "heading": ("<html lang=en><h1>a</h1><h3>b</h3>", r"would not conform to PDF/A-3a.*do not skip h2"),
    "ink": ("<html lang=en><p style='color: device-cmyk(1 0 0 0)'>a", r"would not conform to PDF/A-3a.*CMYK"),
    "field": (
        "<html lang=en><input style='appearance: auto' name=a>",
        r"would not conform to PDF/A-3a.*form field",
    ),
    "climbing": ("<img src='../../../../etc/passwd' alt=x>", r"asks for 'etc/passwd'"),
}


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize(("template", "complaint"), TEMPLATES.values(), ids=TEMPLATES)
def test_wrong_templates(
    tmp_path: Path, quiet: Arguments, capsys: Capture, template: str, complaint: str
) -> None:
    """A template that cannot be filled, or asks for what it may not have, is refused by name."""
    own = tmp_path / "templates"
    own.mkdir()
    (own / "lawmaker.html").write_text(template)
    status, said = refused(quiet(templates=own), capsys)
    assert re.search(complaint, said), said
    assert status == 2
    assert not (tmp_path / "out").exists()


# Characters that no font has


@pytest.mark.usefixtures("slow")
def test_what_is_shown_as_a_code_is_told(tmp_path: Path, authority: LocalAuthority, capsys: Capture) -> None:
    """On standard error, in the receipt and in briefing.json; what has a glyph is not."""
    evidence = tmp_path / "evidence"
    shutil.copytree(GOLDEN / "naming", evidence)
    registry = 'campaigns: [{campaign_id: N-1, name: "深度 \\U0001F600 தமிழ்"}]'
    (evidence / "campaigns.yaml").write_text(registry, encoding="utf-8")
    published = publish(evidence, tmp_path / "out", authority.directory, expected("naming")["request"])
    codes = ["U+1F600", "U+0BA4", "U+0BAE", "U+0BBF", "U+0BB4", "U+0BCD"]

    told = capsys.readouterr().err
    assert "U+1F600 (GRINNING FACE), U+0BA4 (TAMIL LETTER TA), " in told
    assert "and 1 more: replace them, or add a font" in told
    assert published.receipt["printed_as_codes"] == published.briefing["printed_as_codes"] == codes
    assert "深度 [U+1F600] [U+0BA4]" in published.text


def test_where_nothing_is_shown_as_a_code_nothing_is_said(golden: dict[str, Published]) -> None:
    """Neither in the receipt nor in briefing.json."""
    assert "printed_as_codes" not in golden["quiet"].receipt
    assert "printed_as_codes" not in golden["quiet"].briefing


# Keys and authorities


@pytest.fixture
def signing_key(tmp_path: Path) -> Callable[..., Path]:
    """Writes a PEM file with a key and a certificate."""

    def write(**how: Any) -> Path:
        key = new_key()
        certificate = certify(how.pop("of", key), *how.pop("extensions", ()), **how)
        file = tmp_path / "signing.pem"
        file.write_bytes(pem(key) + certificate.public_bytes(Encoding.PEM))
        return file

    return write


@pytest.fixture
def p12(tmp_path: Path) -> Path:
    key = new_key()
    file = tmp_path / "signing.p12"
    encryption = BestAvailableEncryption(b"open sesame")
    file.write_bytes(pkcs12.serialize_key_and_certificates(b"key", key, certify(key), None, encryption))
    return file


@pytest.mark.parametrize(
    "case",
    [
        ({"until": NOW - timedelta(hours=1)}, "the certificate expired at .*: give one that is valid now"),
        ({"since": NOW + timedelta(days=300)}, "the certificate is not valid until .*: wait"),
        ({"of": new_key()}, "does not hold the certificate of the signing key: give the one issued for it"),
        ({"extensions": [usage("key_encipherment")]}, "is not for digital signatures"),
    ],
    ids=["expired", "not yet valid", "mismatched", "another purpose"],
)
def test_wrong_certificates(
    out: Path,
    quiet: Arguments,
    capsys: Capture,
    signing_key: Callable[..., Path],
    case: tuple[dict[str, object], str],
) -> None:
    """A certificate that does not serve is refused, with the name of its file."""
    how, complaint = case
    file = signing_key(**how)
    status, said = refused(quiet(signing_key=file), capsys)
    assert said.startswith(str(file))
    assert re.search(complaint, said), said
    assert status == 2
    assert not out.exists()


@pytest.mark.parametrize("passphrase", [None, "", "close sesame"])
def test_wrong_passphrase(
    quiet: Arguments, capsys: Capture, p12: Path, monkeypatch: pytest.MonkeyPatch, passphrase: str | None
) -> None:
    """Without the right passphrase a key stays closed, and the passphrase is not repeated."""
    monkeypatch.delenv(PASSPHRASE, raising=False)
    if passphrase is not None:
        monkeypatch.setenv(PASSPHRASE, passphrase)
    status, said = refused(quiet(signing_key=p12), capsys)
    assert said == f"{p12} cannot be opened: check that it is PKCS #12 and that the passphrase is right"
    assert status == 2


@pytest.mark.usefixtures("slow")
def test_silent_authority(
    out: Path, quiet: Arguments, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A time-stamp authority that does not answer is asked again, then named; that is status 3."""
    slept: list[float] = []
    monkeypatch.setattr(local, "HttpTimestamper", partial(HttpTimestamper, sleep=slept.append))
    with socket.socket() as silent:  # holds the port, and does not listen
        silent.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/tsa"
        status, said = refused(quiet(timestamp_url=url), capsys)
    assert said.startswith(f"time-stamp authority {url} did not answer (")
    assert slept == [0, 1, 2]
    assert status == 3
    assert not out.exists()


def outcomes(pdf: Path, capsys: Capture, *trust: Path) -> dict[str, str]:
    """The verdicts of a reader who trusts some certificates."""
    capsys.readouterr()
    main(["verify", str(pdf), "--json", *(text for file in trust for text in ("--trust", str(file)))])
    return {
        verdict["check"]: verdict["outcome"] for verdict in json.loads(capsys.readouterr().out)["verdicts"]
    }


ALL_VALID = dict.fromkeys(["integrity", "signer", "time-stamp", "attachments"], "valid")


def test_own_key_and_authority(
    tmp_path: Path, out: Path, authority: LocalAuthority, network: Network, capsys: Capture
) -> None:
    """A key with its chain and an authority on the network serve instead, and their root is all to be trusted."""
    key = tmp_path / "key.pem"
    key.write_bytes(
        (network.keys / "signer.cert.pem").read_bytes() + (network.keys / "signer.pem").read_bytes()
    )
    root = network.keys / "root.cert.pem"
    published = publish(
        GOLDEN / "quiet",
        out,
        authority.directory,
        {**QUIET, "signing_key": str(key), "timestamp_url": network.timestamper.url, "trust": str(root)},
    )
    assert {v["outcome"] for v in published.receipt["verdicts"]} == {"valid"}
    assert outcomes(published.pdf, capsys, root) == ALL_VALID
    assert outcomes(published.pdf, capsys, authority.directory / "root.cert.pem")["signer"] == "invalid"


def test_authority_of_unknown_root(
    out: Path, quiet: Arguments, authority: LocalAuthority, network: Network, capsys: Capture
) -> None:
    """Where nobody told whom to trust for time-stamps, publishing goes on and says so, in the receipt too."""
    argv = quiet(timestamp_url=network.timestamper.url)
    assert main([*argv, "--json"]) == 0
    printed, said = capsys.readouterr()
    verdicts = {v["check"]: v["outcome"] for v in json.loads(printed)["verdicts"]}
    assert verdicts == {**ALL_VALID, "time-stamp": "could not be checked"}
    assert (
        "exhibit: time-stamp could not be checked: give the certificate that you trust with --trust" in said
    )
    root, network_root = authority.directory / "root.cert.pem", network.keys / "root.cert.pem"
    assert outcomes(Published(out).pdf, capsys, root, network_root) == ALL_VALID


@pytest.mark.usefixtures("slow")
def test_rsa_in_pkcs12(
    tmp_path: Path, out: Path, authority: LocalAuthority, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An RSA key in PKCS #12, with the passphrase from the environment, signs too."""
    key = rsa.generate_private_key(65537, 3072)
    certificate = certify(key, usage("digital_signature"))
    file, root = tmp_path / "own.pfx", tmp_path / "own.pem"
    encryption = BestAvailableEncryption("пароль".encode())
    file.write_bytes(pkcs12.serialize_key_and_certificates(b"key", key, certificate, None, encryption))
    root.write_bytes(certificate.public_bytes(Encoding.PEM))
    monkeypatch.setenv(PASSPHRASE, "пароль")
    published = publish(GOLDEN / "quiet", out, authority.directory, {**QUIET, "signing_key": str(file)})
    assert outcomes(published.pdf, capsys, root, authority.directory / "root.cert.pem") == ALL_VALID


# Verify


@pytest.fixture(scope="module")
def files(golden: dict[str, Published], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files that a reader may be given, by name."""
    folder = tmp_path_factory.mktemp("files")
    signed = golden["quiet"].pdf.read_bytes()
    (folder / "signed").write_bytes(signed)
    (folder / "unsigned").write_bytes(golden["quiet"].unsigned)
    (folder / "changed").write_bytes(signed[:5000] + bytes([signed[5000] ^ 1]) + signed[5001:])
    (folder / "appended").write_bytes(signed + b"\n% more\n")
    (folder / "cut").write_bytes(signed[:-1000])
    (folder / "hello").write_text("hello")
    (folder / "empty").touch()
    (folder / "folder").mkdir()
    (folder / "stranger.pem").write_bytes(certify(new_key()).public_bytes(Encoding.PEM))
    return folder


@pytest.mark.parametrize(
    ("name", "status"),
    [("signed", 0), ("unsigned", 1), ("changed", 1), ("appended", 1), ("hello", 3), ("empty", 3)],
)
def test_verify(files: Path, authority: LocalAuthority, capsys: Capture, name: str, status: int) -> None:
    """One line a verdict; 1 for what is wrong, 3 for what cannot be checked."""
    root = authority.directory / "root.cert.pem"
    assert main(["verify", str(files / name), "--trust", str(root)]) == status
    printed, said = capsys.readouterr()
    checks = [re.split(r": +", line)[0] for line in printed.splitlines()]
    assert checks == ["integrity", "signer", "time-stamp", "attachments"]
    assert said == ""


@pytest.mark.parametrize("name", ["unsigned", "changed"])
def test_nothing_is_valid_that_no_signature_vouches_for(
    files: Path, authority: LocalAuthority, capsys: Capture, name: str
) -> None:
    """Of what a file holds nothing is called valid where the file is unsigned or was changed."""
    main(["verify", str(files / name), "--trust", str(authority.directory / "root.cert.pem")])
    attachments = capsys.readouterr().out.splitlines()[3]
    assert re.match(r"attachments: +(could not be checked|invalid) ", attachments)


SEVERAL = [
    (["signed", "signed"], 0),
    (["signed", "hello"], 3),
    (["hello", "signed"], 3),
    (["hello", "changed", "signed"], 1),
    (["signed", "gone", "changed", "hello"], 2),
    (["folder", "signed"], 2),
]


@pytest.mark.parametrize("case", SEVERAL)
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_verify_several(
    files: Path, authority: LocalAuthority, capsys: Capture, case: tuple[list[str], int], form: list[str]
) -> None:
    """All files are checked, in order; status 2 for one that cannot be opened goes before 1, and that before 3."""
    names, root = [str(files / name) for name in case[0]], authority.directory / "root.cert.pem"
    assert main(["verify", *names, "--trust", str(root), *form]) == case[1]
    printed, said = capsys.readouterr()
    unopened = [name for name in names if name.endswith(("gone", "folder"))]
    assert [line.split()[1] for line in said.splitlines()] == unopened
    if form:
        found = [json.loads(line) for line in printed.splitlines()]
        assert [each["file"] for each in found] == names
        assert [each["file"] for each in found if "error" in each] == unopened
    else:
        headings = [line[:-1] for line in printed.splitlines() if re.fullmatch(r"\S+:", line)]
        assert headings == [name for name in names if name not in unopened]


def test_verify_of_one_file_has_no_heading(files: Path, capsys: Capture) -> None:
    """One file has no heading, and its JSON is one object in lines of two spaces, in ASCII."""
    main(["verify", str(files / "signed")])
    assert capsys.readouterr().out.startswith("integrity:    valid ")
    main(["verify", str(files / "signed"), "--json"])
    printed = capsys.readouterr().out
    assert printed == json.dumps(json.loads(printed), indent=2) + "\n"
    assert list(json.loads(printed)) == ["file", "verdicts"]


def test_verify_several_with_the_evidence(
    golden: dict[str, Published], authority: LocalAuthority, capsys: Capture
) -> None:
    """The options are for all of the files: each is held against the evidence."""
    quiet, other = golden["quiet"].pdf, golden["naming"].pdf
    root = authority.directory / "root.cert.pem"
    argv = [str(quiet), str(other), "--trust", str(root), "--evidence", str(GOLDEN / "quiet"), "--json"]
    assert main(["verify", *argv]) == 1
    first, second = (
        {each["check"]: each["outcome"] for each in json.loads(line)["verdicts"]}
        for line in capsys.readouterr().out.splitlines()
    )
    assert set(first.values()) == {"valid"}
    assert (second["signer"], second["evidence"]) == ("valid", "invalid")


def test_verify_cut_short(files: Path, authority: LocalAuthority) -> None:
    """A file that was cut short never passes."""
    assert main(["verify", str(files / "cut"), "--trust", str(authority.directory / "root.cert.pem")]) in (
        1,
        3,
    )


@pytest.mark.parametrize(("trust", "status"), [([], 3), (["stranger.pem"], 1)])
def test_verify_without_the_right_trust(files: Path, capsys: Capture, trust: list[str], status: int) -> None:
    """Without a certificate to trust a signer cannot be checked; with somebody else's, it is invalid."""
    argv = [text for name in trust for text in ("--trust", str(files / name))]
    assert main(["verify", str(files / "signed"), *argv]) == status
    assert re.search(r"^integrity: +valid", capsys.readouterr().out, re.MULTILINE)


@pytest.mark.parametrize(
    ("argv", "complaint"),
    [
        (["gone"], "gone cannot be read (No such file or directory): name a PDF file"),
        (["folder"], "folder cannot be read (Is a directory): name a PDF file"),
        (["signed", "--trust", "gone"], "gone cannot be read: No such file or directory"),
        (["signed", "--trust", "hello"], "hello does not hold a readable certificate"),
        (["signed", "--evidence", "gone"], "gone: no such folder"),
    ],
)
def test_verify_of_nothing(
    files: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture, argv: list[str], complaint: str
) -> None:
    """What is not there, or is not what it should be, is status 2."""
    monkeypatch.chdir(files)
    status, said = refused(["verify", *argv], capsys)
    assert said.startswith(complaint)
    assert status == 2


def test_verify_changed_evidence(
    golden: dict[str, Published], tmp_path: Path, authority: LocalAuthority, capsys: Capture
) -> None:
    """Evidence that is not what a briefing was made from is noticed."""
    evidence = Path(shutil.copytree(GOLDEN / "quiet", tmp_path / "evidence"))
    (part,) = evidence.rglob("part.jsonl")
    part.write_text(part.read_text().replace("q1", "q9"))
    root = authority.directory / "root.cert.pem"
    argv = ["verify", str(golden["quiet"].pdf), "--trust", str(root), "--evidence", str(evidence)]
    assert main(argv) == 1
    assert re.search(r"^evidence: +invalid +changed: .*part\.jsonl$", capsys.readouterr().out, re.MULTILINE)


@pytest.mark.parametrize(
    ("argv", "complaint"),
    [
        (["--athena", "w/d"], "--athena needs --evidence"),
        (["--keys", "k"], "--keys needs --evidence"),
        (["--evidence", ".", "--athena", "w/d"], "--athena needs evidence in S3"),
        (["--evidence", "s3://b", "--athena", "w"], "--athena 'w': write it like WORKGROUP/DATABASE"),
        (["--evidence", "s3://"], "--evidence 's3://' is not a place in S3"),
        (["--table", "t"], "--table needs --evidence"),
        (["--engine", "athena://w/d"], "--engine needs --evidence"),
        (["--evidence", "s3://b", "--table", "t"], "--table and --engine belong together, without --athena"),
        (["--evidence", "s3://b", "--engine", "athena://w/d"], "--table and --engine belong together"),
        (
            ["--evidence", "s3://b", "--engine", "athena://w/d", "--table", "t", "--athena", "w/d"],
            "--table and --engine belong together, without --athena",
        ),
        (
            ["--evidence", ".", "--engine", "athena://w/d", "--table", "t"],
            "--table needs what reads it, and the",
        ),
        (
            ["--evidence", "s3://b", "--engine", "athena://w/d", "--table", "d.t"],
            "--table 'd.t': is not the name of",
        ),
        (["--evidence", "nowhere"], "nowhere: no such folder"),
        (["--evidence", ".", "--templates", "nowhere"], "nowhere: no such folder"),
        (["--evidence", ".", "--keys", "nowhere"], "nowhere/pseudonym.key"),
    ],
)
def test_evidence_that_is_nowhere(
    files: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture, argv: list[str], complaint: str
) -> None:
    """Options that do not fit each other, or name what is not there, are status 2."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    status, said = refused(["verify", str(files / "signed"), *argv], capsys)
    assert said.startswith(complaint)
    assert status == 2


def test_everything_that_differs_is_listed(
    golden: dict[str, Published], tmp_path: Path, capsys: Capture
) -> None:
    """`--json` has what the lines leave out: the objects that are not as they were, and every difference."""
    evidence = Path(shutil.copytree(GOLDEN / "quiet", tmp_path / "evidence"))
    (part,) = evidence.rglob("part.jsonl")
    part.write_text(part.read_text().replace("q1", "q9"))
    assert main(["verify", str(golden["quiet"].pdf), "--json", "--evidence", str(evidence)]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["objects"] == {
        "recorded": 1,
        "missing": [],
        "changed": [part.relative_to(evidence).as_posix()],
        "added": [],
    }
    digests = [each for each in found["differences"] if each["at"].endswith("digest.sha256")]
    assert digests
    assert all(each["recorded"] != each["computed"] for each in digests)


# What is printed, and how it ends


def test_receipt_alone(golden: dict[str, Published], authority: LocalAuthority, capsys: Capture) -> None:
    """`--json` prints the receipt as it is stored, and nothing else."""
    out = golden["quiet"].folder
    assert main([*arguments(GOLDEN / "quiet", out, authority.directory, QUIET), "--json"]) == 0
    assert capsys.readouterr().out == golden["quiet"].receipt_file.read_text()


@pytest.mark.usefixtures("slow")
def test_key_figures(tmp_path: Path, authority: LocalAuthority, capsys: Capture) -> None:
    """Otherwise it is said where the briefing is, with its key figures; and of one that was there, that it was."""
    folder, request = tmp_path / "out", expected("naming")["request"]
    argv = arguments(GOLDEN / "naming", folder, authority.directory, request)
    main(argv)
    lines = [f"briefing:   {Published(folder).pdf}", "exchanges:  28,814,637", "accounts:   1"]
    assert capsys.readouterr().out.splitlines() == lines
    main(argv)
    before = (
        f"published before: edition 1, of {Published(folder).receipt['as_of']}; nothing has changed since"
    )
    assert capsys.readouterr().out.splitlines() == [lines[0], before, *lines[1:]]


def test_lines_of_progress(quiet: Arguments, capsys: Capture) -> None:
    """Off a terminal, progress is a plain line a step, on standard error."""
    main(quiet())
    steps = ["resolve", "tallies", "group", "compose", "render", "sign", "verify", "archive"]
    assert capsys.readouterr().err.splitlines() == [f"{step} …" for step in steps]


def test_progress_of_a_long_run(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the first seconds a line appears as its step begins, with those that were held back before it."""
    now = [0.0]
    monkeypatch.setattr(progress, "QUIET_SECONDS", 5.0)
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    steps = progress.Steps()
    steps("first", 0, 2)
    steps("first", 1, 2)
    assert capsys.readouterr().err == ""
    now[0] = 6.0
    steps("second", 0, 0)
    assert capsys.readouterr().err == "first …\nsecond …\n"


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_quiet(quiet: Arguments, network: Network, files: Path, capsys: Capture, form: list[str]) -> None:
    """`--quiet` leaves progress and notes away, and neither errors nor results."""
    assert main([*quiet(timestamp_url=network.timestamper.url), "--quiet", *form]) == 0
    printed, said = capsys.readouterr()
    assert (said, bool(printed)) == ("", True)
    signed = str(files / "signed")
    assert main(["verify", signed, "--evidence", str(GOLDEN / "quiet"), "--quiet", *form]) == 3
    assert main(["explain", signed, "F1", "--evidence", str(GOLDEN / "quiet"), "--quiet", *form]) == 0
    assert capsys.readouterr().err == ""
    assert main(["verify", str(files / "gone"), "--quiet", *form]) == 2
    assert capsys.readouterr().err.startswith("exhibit: ")


def on_terminal(argv: list[str]) -> tuple[int, str]:
    """The exit status, and what a terminal of unknown size gets to see of a run in a process of its own."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "reports", *argv]
    process = subprocess.Popen(command, cwd=ROOT, stdout=theirs, stderr=theirs)
    os.close(theirs)
    seen = b""
    try:
        while part := os.read(ours, 4096):
            seen += part
    except OSError:  # the other end is closed
        pass
    os.close(ours)
    return process.wait(), seen.decode()


@pytest.mark.usefixtures("slow")
def test_progress_on_a_terminal(tmp_path: Path) -> None:
    """On a terminal, a long step has a bar that fills."""
    status, seen = on_terminal(["sample", str(tmp_path / "sample")])
    assert status == 0
    assert re.search(r"sample …\s+█+ +\d+/\d+", seen), seen
    assert re.search(r"(\d+)/\1\s", seen), seen


@pytest.mark.usefixtures("slow")
def test_steps_on_a_terminal(quiet: Arguments) -> None:
    """On a terminal, each step appears, and an error has a line of its own after them."""
    status, seen = on_terminal(quiet(window="2026-04-01/2026-04-07"))
    *steps, error = seen.splitlines()
    assert steps == ["resolve …", "tallies …"]
    assert error.startswith("exhibit: window 2026-04-01/2026-04-07 has no evidence")
    assert status == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("kind", [KeyboardInterrupt, RuntimeError])
def test_interrupted(
    quiet: Arguments, capsys: Capture, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[BaseException]
) -> None:
    """A signal ends a run with one line and its own status, whatever a library makes of it."""

    def interrupt(*_: object) -> None:
        try:
            signal.raise_signal(number)
        except KeyboardInterrupt:
            raise kind from None

    handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(prepare, "group", interrupt)
    status, said = refused(quiet(), capsys)
    assert said == "interrupted: run it again"
    assert status == 128 + number
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == handlers


def test_bug(quiet: Arguments, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug is reported in one line with its place, and is not taken for something found wrong."""
    monkeypatch.setattr(prepare, "group", lambda *_: 1 // 0)
    status, said = refused(quiet(), capsys)
    assert re.fullmatch(
        r"internal error: ZeroDivisionError: .* \(test_cli\.py, line \d+\): please report it", said
    )
    assert status == 3


@pytest.mark.usefixtures("slow")
def test_reader_has_left(files: Path) -> None:
    """Where nobody reads the output any more, a run ends without a word."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "reports", "verify", str(files / "signed")]
    ended = subprocess.run(command, cwd=ROOT, stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (141, b"")


@pytest.mark.usefixtures("slow")
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_output_cannot_be_written(files: Path) -> None:
    """Output that cannot be written is told in one line."""
    command = [sys.executable, "-m", "reports", "verify", str(files / "signed")]
    with open("/dev/full", "wb") as full:
        ended = subprocess.run(command, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, check=False)
    assert (
        ended.stderr
        == b"exhibit: the output cannot be written (No space left on device): send it elsewhere\n"
    )
    assert ended.returncode == 3


def test_plain_terminal(golden: dict[str, Published], authority: LocalAuthority, tmp_path: Path) -> None:
    """A path that the locale cannot print is escaped."""
    out = tmp_path / "Präsentation"
    shutil.copytree(golden["quiet"].folder, out)
    argv = arguments(GOLDEN / "quiet", out, authority.directory, QUIET)
    plain = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    printed, _ = exhibit(argv, environment=plain).communicate()
    assert b"Pr\\xe4sentation" in printed


@pytest.mark.parametrize("verb", [[], ["publish"], ["verify"], ["sample"]])
def test_help(capsys: Capture, verb: list[str]) -> None:
    """Help goes to standard output and is no error."""
    with pytest.raises(SystemExit) as end:
        main([*verb, "--help"])
    assert end.value.code == 0
    assert capsys.readouterr().out.startswith(" ".join(["usage: exhibit", *verb]))


def test_own_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: Path) -> None:
    """Without `--keys`, the authority is kept among the user's own data."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    argv = arguments(GOLDEN / "quiet", out, Path("unused"), QUIET)
    place = argv.index("--keys")
    assert main([*argv[:place], *argv[place + 2 :]]) == 0
    assert (tmp_path / "exhibit" / "keys" / "root.cert.pem").exists()

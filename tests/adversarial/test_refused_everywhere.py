"""What the operating system refuses, or lacks: one line that names it, and the status that is documented for it."""

import os
import re
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from reports.cli import main
from reports.cli.terminal import own_keys
from reports.core import errors
from reports.core.errors import InvalidRequest, Unavailable, kind_of, of_system
from reports.core.progress import Steps, tell
from reports.evidence.spill import spill_folder
from reports.signing.keys import LocalAuthority
from reports.verification.verify import judge
from tests.support.publishing import GOLDEN, ROOT, Published, expected, publish

Capture = pytest.CaptureFixture[str]
REQUEST = {**expected("quiet")["request"], "audience": "regulator"}
BYTES = os.fsdecode(b"n\xff")
as_root = pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")


@pytest.fixture(scope="module")
def regulator(tmp_path_factory: pytest.TempPathFactory, authority: LocalAuthority) -> Published:
    """A briefing that lists its accounts."""
    return publish(GOLDEN / "quiet", tmp_path_factory.mktemp("regulator"), authority.directory, REQUEST)


@pytest.fixture
def folder(
    regulator: Published, authority: LocalAuthority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A working folder with evidence, keys and a briefing, and names that cannot serve."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(regulator.pdf, "briefing.pdf")
    shutil.copytree(regulator.folder, "published")
    shutil.copytree(GOLDEN / "quiet", "evidence")
    shutil.copytree(authority.directory, "keys")
    shutil.copytree("evidence", f"evidence{BYTES}")
    (tmp_path / "empty").touch()
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "nowhere").symlink_to("gone/nowhere")
    os.mkfifo("pipe")
    return tmp_path


PUBLISH = (
    "publish",
    *(text for name, value in REQUEST.items() for text in (f"--{name.replace('_', '-')}", value)),
)
# Every option and argument that takes a path: the command around it, in which {} is the path
PATHS = {
    "publish --evidence": (*PUBLISH, "--evidence", "{}", "--keys", "keys", "--out", "new"),
    "publish --out": (*PUBLISH, "--evidence", "evidence", "--keys", "keys", "--out", "{}"),
    "publish --keys": (*PUBLISH, "--evidence", "evidence", "--keys", "{}", "--out", "new"),
    "publish --templates": (
        *(*PUBLISH, "--evidence", "evidence", "--keys", "keys", "--out", "new"),
        *("--templates", "{}"),
    ),
    "publish --signing-key": (
        *(*PUBLISH, "--evidence", "evidence", "--keys", "keys", "--out", "new"),
        *("--signing-key", "{}"),
    ),
    "publish --trust": (
        *PUBLISH,
        "--evidence",
        "evidence",
        "--keys",
        "keys",
        "--out",
        "new",
        "--trust",
        "{}",
    ),
    "verify": ("verify", "{}"),
    "verify --trust": ("verify", "briefing.pdf", "--trust", "{}"),
    "verify --evidence": ("verify", "briefing.pdf", "--evidence", "{}"),
    "verify --keys": ("verify", "briefing.pdf", "--evidence", "evidence", "--keys", "{}"),
    "verify --templates": ("verify", "briefing.pdf", "--evidence", "evidence", "--templates", "{}"),
    "renew": ("renew", "{}", "--keys", "keys", "--out", "new"),
    "renew --out": ("renew", "briefing.pdf", "--keys", "keys", "--out", "{}"),
    "renew --keys": ("renew", "briefing.pdf", "--keys", "{}", "--out", "new"),
    "renew --trust": ("renew", "briefing.pdf", "--keys", "keys", "--out", "new", "--trust", "{}"),
    "explain": ("explain", "{}", "F1"),
    "explain --evidence": ("explain", "briefing.pdf", "F1", "--evidence", "{}"),
    "compare": ("compare", "briefing.pdf", "{}"),
    "prove": ("prove", "{}", "--account", "q1", "--keys", "keys"),
    "prove --keys": ("prove", "briefing.pdf", "--account", "q1", "--keys", "{}"),
    "verify-proof": ("verify-proof", "{}"),
    "register verify": ("register", "verify", "{}"),
    "register verify --file": ("register", "verify", "published", "--file", "{}"),
    "sample": ("sample", "{}"),
    "serve --evidence": ("serve", "--port", "0", "--evidence", "{}"),
    "serve --state": ("serve", "--port", "0", "--state", "{}"),
}
LONG, DEEP = "a" * 300, "a/" * 2500
# Names with which no command can do what it is asked to
WRONG = {
    "too long": LONG,
    "too long below": f"new/{LONG}",
    "too long as a whole": DEEP,
    "below a file": "empty/x",
    "links in a circle": "loop",
    "below links in a circle": "loop/x",
    "a device": "/dev/null",
}


@pytest.mark.parametrize("path", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("command", PATHS.values(), ids=PATHS)
def test_names_that_cannot_serve(folder: Path, capsys: Capture, command: Sequence[str], path: str) -> None:
    """Whatever takes a path refuses one that cannot serve in one line that shows it, and leaves nothing behind."""
    before = sorted(folder.rglob("*"))
    try:
        status = main([word.replace("{}", path) for word in command])
    finally:
        printed, said = capsys.readouterr()
    if path == "/dev/null" and status == 3:  # a file without content, which is no PDF
        assert "not a PDF" in printed + said
    else:
        assert status == 2, printed + said
        (line,) = said.splitlines()
        assert line.startswith("exhibit: ")
        assert path.rstrip("/").split("/")[0] in line
        assert "internal error" not in line
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize(
    "command", [command for name, command in PATHS.items() if "evidence" in name or name == "sample"]
)
def test_paths_that_duckdb_cannot_take(folder: Path, capsys: Capture, command: Sequence[str]) -> None:
    """Evidence in a folder whose name is not UTF-8 is refused, with the bytes of the name."""
    status = main([word.replace("{}", f"evidence{BYTES}") for word in command])
    assert (status, capsys.readouterr().err.count(r"evidencen\xff")) == (2, 1)


def test_other_paths_may_be_any_bytes(folder: Path, capsys: Capture) -> None:
    """Keys, briefings, templates and what is written may have names that are not UTF-8."""
    for name in ("keys", "briefing.pdf"):
        Path(name).rename(f"{BYTES}-{name}")
    Path(f"{BYTES}-templates").mkdir()
    Path(f"{BYTES}-templates/{BYTES}").touch()
    keys = f"{BYTES}-keys"
    told = [*PUBLISH, "--evidence", "evidence", "--keys", keys, "--templates", f"{BYTES}-templates"]
    assert main([*told, "--out", BYTES]) == 0
    assert main(["verify", f"{BYTES}-briefing.pdf", "--trust", f"{keys}/root.cert.pem"]) == 0
    assert main(["renew", f"{BYTES}-briefing.pdf", "--keys", keys]) == 0
    assert main(["register", "verify", BYTES]) == 0


def test_files_may_be_pipes(folder: Path) -> None:
    """A briefing, a key and a certificate may come from a pipe, as a shell's `<(…)` hands them over."""
    keys = "keys/signer.key.pem keys/signer.cert.pem keys/root.cert.pem"
    script = f"""
        PATH="{Path(sys.executable).parent}:$PATH"
        exhibit verify <(cat briefing.pdf) --trust <(cat keys/root.cert.pem)
        exhibit {" ".join(PUBLISH)} --evidence evidence --keys keys --out new --signing-key <(cat {keys})
    """
    subprocess.run(["bash", "-eu"], input=script, text=True, check=True, capture_output=True)


def test_settings_that_are_no_file(folder: Path, capsys: Capture) -> None:
    """A settings file that is there and cannot be read as one is not passed over."""
    for make, told in (
        (os.mkfifo, "is not a file"),
        (lambda path: os.symlink("gone", path), "is a broken link"),
    ):
        make("evidence/campaigns.yaml")
        assert main([word.replace("{}", "evidence") for word in PATHS["publish --evidence"]]) == 2
        assert f"campaigns.yaml: {told}" in capsys.readouterr().err
        shutil.rmtree("evidence")
        shutil.copytree(GOLDEN / "quiet", "evidence")


@as_root
@pytest.mark.parametrize(
    ("command", "locked"),
    [
        ("publish --evidence", "evidence/detections"),
        ("publish --keys", "keys"),
        ("publish --keys", "keys/signer.key.pem"),
        ("publish --out", "published"),
        ("publish --templates", "templates"),
        ("publish --templates", "templates/sections"),
        ("verify", "briefing.pdf"),
        ("verify --trust", "keys/root.cert.pem"),
        ("prove --keys", "keys/pseudonym.key"),
        ("renew --keys", "keys/timestamp.key.pem"),
    ],
)
def test_what_may_not_be_read(folder: Path, capsys: Capture, command: str, locked: str) -> None:
    """What is there and may not be read or entered is named; nothing else takes its place."""
    (folder / "templates/sections").mkdir(parents=True)
    (folder / locked).chmod(0)
    named = locked if command.startswith("verify") else locked.split("/", maxsplit=1)[0]
    try:
        assert main([word.replace("{}", named) for word in PATHS[command]]) == 2
    finally:
        (folder / locked).chmod(0o700)
    (line,) = capsys.readouterr().err.splitlines()
    assert locked in line


# Errors of the operating system that nobody expected


@pytest.mark.parametrize(
    "case",
    [
        (
            FileNotFoundError(2, "No such file or directory", "a"),
            2,
            "a: No such file or directory: use another",
        ),
        (
            PermissionError(13, "Permission denied", b"a\xff"),
            2,
            r"a\xff: Permission denied: grant access to it, or use another",
        ),
        (OSError(36, "File name too long", "a\nb"), 2, "a b: File name too long: use a shorter one"),
        (OSError(28, "No space left on device", "a"), 3, "a: No space left on device: make room for it"),
        (
            OSError(24, "Too many open files"),
            3,
            "operating system refused the operation: Too many open files: allow more open",
        ),
        (
            OSError(5, "Input/output error", 7),
            3,
            "operating system refused the operation: Input/output error: run again",
        ),
        (
            FileNotFoundError(2, "No such file or directory"),
            2,
            "the working folder: it no longer exists",
        ),
        (
            OSError("cannot load library 'x'"),
            3,
            "operating system refused the operation: cannot load library 'x': run again",
        ),
        (MemoryError(), 3, "not enough memory"),
    ],
)
def test_errors_at_the_edge(
    folder: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch, case: tuple[Exception, int, str]
) -> None:
    """Wherever the system refuses something, that is one line and no bug, with status 2 or 3 as to what it is."""

    error, status, said = case

    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("reports.verification.verify.judge", refuse)
    assert main(["verify", "briefing.pdf"]) == status
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
    assert "internal error" not in line


def test_what_a_library_quotes() -> None:
    """A library's error counts as what it quotes: no room is no mistake of the caller."""
    assert kind_of(RuntimeError("IO Error: Could not write: No space left on device")) is Unavailable
    assert kind_of(RuntimeError("IO Error: Cannot open file: Permission denied")) is InvalidRequest
    assert errors.reason_of(RuntimeError('{"why": "File too large"}')) == "File too large"
    assert isinstance(of_system(OSError(40, "Too many levels of symbolic links", "a")), InvalidRequest)


# Room and folders


def exhibit(
    argv: Sequence[str], limit: Callable[[], None] | None = None, **streams: Any
) -> "subprocess.CompletedProcess[bytes]":
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **streams.pop("env", {})}
    return subprocess.run(
        [sys.executable, "-m", "reports", *argv], env=environment, preexec_fn=limit, check=False, **streams
    )


def test_a_disk_that_is_full(folder: Path) -> None:
    """A file that cannot be written whole is status 3, names where, and nothing is half-written."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))

    told = [*PUBLISH, "--evidence", "evidence", "--keys", "keys", "--out", "new", "--quiet"]
    ended = exhibit(told, limit, capture_output=True)
    assert (ended.returncode, ended.stderr.count(b"\n"), ended.stdout) == (3, 1, b""), ended.stderr
    assert b"the temporary folder " in ended.stderr
    ended = exhibit(
        ["renew", "briefing.pdf", "--keys", "keys", "--out", "renewed.pdf"], limit, capture_output=True
    )
    assert (
        ended.stderr
        == b"exhibit: renewed.pdf cannot be written (File too large): allow larger files (ulimit -f)\n"
    )
    assert ended.returncode == 3
    assert not Path("new").exists()
    assert not Path("renewed.pdf").exists()


@pytest.mark.parametrize("name", ["link", "spaces in it"])
def test_usable_temporary_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The temporary folder may be a link to one, and have any name in UTF-8."""
    (tmp_path / "real").mkdir()
    (tmp_path / name).symlink_to("real")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / name))
    with spill_folder() as found:
        assert Path(found).parent == tmp_path / "real"


@pytest.mark.parametrize("name", ["gone", BYTES])
def test_unusable_temporary_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """If the temporary folder is missing or DuckDB cannot use its name, the error names it and the variable for it."""
    (tmp_path / BYTES).mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / name))
    with pytest.raises(Unavailable, match=r"the temporary folder .*TMPDIR"), spill_folder():
        pass


# Home


@pytest.mark.parametrize(
    ("variables", "place"),
    [
        ({"XDG_DATA_HOME": "/data", "HOME": "/home/me"}, "/data/exhibit/keys"),
        ({"XDG_DATA_HOME": "data", "HOME": "/home/me"}, "/home/me/.local/share/exhibit/keys"),
        ({"XDG_DATA_HOME": "", "HOME": "/home/me"}, "/home/me/.local/share/exhibit/keys"),
        ({"HOME": "/"}, "/.local/share/exhibit/keys"),
        ({"HOME": ""}, "/home/entry/.local/share/exhibit/keys"),
        ({}, "/home/entry/.local/share/exhibit/keys"),
    ],
)
def test_where_keys_are_kept(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], place: str) -> None:
    """Among the data of the user, as XDG has it: what is not absolute does not count; the passwd entry is the last."""
    _home(monkeypatch, variables, "/home/entry")
    assert own_keys() == Path(place)


@pytest.mark.parametrize(
    ("variables", "entry"), [({}, None), ({"HOME": ""}, None), ({"HOME": "~"}, "/home/x"), ({}, "")]
)
def test_nobody_has_no_home(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
    variables: dict[str, str],
    entry: str | None,
) -> None:
    """Who has no home has to name a folder for keys: none is made below the working folder."""
    _home(monkeypatch, variables, entry)
    before = sorted(folder.rglob("*"))
    for argv in (
        [*PUBLISH, "--evidence", "evidence", "--out", "new"],
        ["prove", "briefing.pdf", "--account", "q1"],
    ):
        assert main(argv) == 2
        said = capsys.readouterr().err
        assert said == "exhibit: there is no home folder to keep keys in: give a folder with --keys\n"
    assert sorted(folder.rglob("*")) == before


def _home(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], entry: str | None) -> None:
    """Set the variables alone, and the home that the user's passwd entry has, if there is one."""

    class Entry:
        pw_dir = entry

    def found(_: int) -> Entry:
        if entry is None:
            raise KeyError
        return Entry()

    for name in ("HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("pwd.getpwuid", found)


# Streams, locale and time zone

VERIFY = ("verify", "briefing.pdf", "--trust", "keys/root.cert.pem")
CLOSED = "exhibit: the output cannot be written (Bad file descriptor): send it elsewhere\n"


def in_shell(
    command: Sequence[str], redirected: str, **environment: str
) -> "subprocess.CompletedProcess[str]":
    line = f'"$0" -m reports "$@" {redirected}'
    return subprocess.run(
        ["bash", "-c", line, sys.executable, *command],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )


@pytest.mark.parametrize("redirected", ["<&-", "2>&-", "<&- 2>&-", "2>/dev/full", "2> >(exit)"])
@pytest.mark.parametrize("command", [VERIFY, (*VERIFY, "--evidence", "evidence", "--keys", "keys")])
def test_standard_error_is_not_needed(folder: Path, command: Sequence[str], redirected: str) -> None:
    """A good file is good whatever standard error and input are."""
    ended = in_shell(command, redirected)
    assert (ended.returncode, ended.stderr.replace("…", "").split()[:0]) == (0, [])
    assert ended.stdout.startswith("integrity:    valid ")


@pytest.mark.parametrize("redirected", ["<&- 2>&-", "2>/dev/full"])
def test_publishing_without_standard_error(folder: Path, redirected: str) -> None:
    """What is published without streams is as good as otherwise: nothing is written into it by mistake."""
    told = [*PUBLISH, "--evidence", "evidence", "--keys", "keys", "--out", "new"]
    assert in_shell(told, redirected).returncode == 0
    assert in_shell(["verify", str(Published(folder / "new").pdf), *VERIFY[2:]], "").returncode == 0


@pytest.mark.parametrize(
    "command", [VERIFY, (*VERIFY, "--json"), ("--help",), ("--version",), ("register", "verify", "published")]
)
@pytest.mark.parametrize(
    ("redirected", "said"),
    [
        (">&-", CLOSED),
        ("<&- >&-", CLOSED),
        (">&- 2>&-", ""),
        (">/dev/full", CLOSED.replace("Bad file descriptor", "No space left on device")),
        (">/dev/full 2>&1", ""),
    ],
)
def test_standard_output_is(folder: Path, command: Sequence[str], redirected: str, said: str) -> None:
    """Output that nothing takes is status 3 and one line, never 1; what was closed is not opened as a file."""
    ended = in_shell(command, redirected)
    assert (ended.returncode, ended.stderr) == (3, said)


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_streams_that_are_not_there(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture, stream: str
) -> None:
    """Where Python has no stream at all, nothing else breaks."""
    monkeypatch.setattr(sys, stream, None)
    assert main(list(VERIFY)) == (3 if stream == "stdout" else 0)
    tell("anything")
    with Steps() as steps:
        steps("step", 0, 1)


@pytest.mark.parametrize(
    "environment",
    [
        {"LC_ALL": "C", "PYTHONUTF8": "0"},
        {"PYTHONIOENCODING": "ascii:strict"},
        {"PYTHONIOENCODING": "latin-1"},
    ],
)
def test_terminals_that_cannot_show_everything(folder: Path, environment: dict[str, str]) -> None:
    """What a locale cannot show is escaped, in help, errors and results; and JSON stays JSON."""
    told = [*PUBLISH, "--evidence", "evidence", "--keys", "keys", "--out", "new"]
    assert in_shell(told, "", **environment).returncode == 0
    for command in (("keys", "csr", "--help"), ("verify", "Überblick.pdf"), VERIFY):
        ended = in_shell(command, "", **environment)
        assert "Error" not in ended.stderr
        assert "Traceback" not in ended.stderr
    shown = in_shell(("explain", "briefing.pdf", "F1", "--json"), '| "$0" -m json.tool', **environment)
    assert shown.returncode == 0, shown.stderr


@pytest.mark.parametrize(
    "zone", ["JST-9", "<+03>-3", "CET-1CEST,M3.5.0,M10.5.0/3", "nonsense", ":/etc/localtime"]
)
def test_time_zones_of_posix(folder: Path, zone: str) -> None:
    """Whatever the time zone of the machine, a briefing is signed, and says when in UTC."""
    told = [*PUBLISH, "--evidence", "evidence", "--keys", "keys", "--out", "new"]
    ended = in_shell(told, "", TZ=zone)
    assert ended.returncode == 0, ended.stderr
    assert re.search(rb"/M \(D\\072\d{14}Z\)", Published(folder / "new").pdf.read_bytes())


# Signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_that_are_switched_off(folder: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """A signal that the caller has switched off, as nohup does, stays so; another ends the run with its status."""
    for handler, status in ((signal.SIG_IGN, 0), (signal.SIG_DFL, 128 + number)):
        before = signal.signal(number, handler)
        try:
            judge = _raising(number)
            monkeypatch.setattr("reports.verification.verify.judge", judge)
            assert main(list(VERIFY)) == status
        finally:
            monkeypatch.undo()
            monkeypatch.chdir(folder)
            signal.signal(number, before)


def _raising(number: int) -> Callable[..., Any]:
    def raising(*told: Any, **named: Any) -> Any:
        signal.raise_signal(number)
        return judge(*told, **named)

    return raising

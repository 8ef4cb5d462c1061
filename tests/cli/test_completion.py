"""The command completes in a shell."""

import shutil
import subprocess
from pathlib import Path

import pytest

from reports.cli import main
from reports.cli.completion import SHELLS

pytestmark = pytest.mark.usefixtures("slow")


@pytest.mark.parametrize("shell", SHELLS)
def test_scripts_name_every_verb(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each shell gets a script of its own that knows all verbs."""
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert all(verb in script for verb in ("publish", "verify-proof", "self-signed", "completion"))


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        (["pub"], ["publish"]),
        (["register", "v"], ["verify"]),
        (["publish", "--ev"], ["--evidence"]),
        (["verify", "brief"], ["briefing.pdf"]),
        (["verify", "--trust", "ro"], ["root.cert.pem"]),
        (["verify", "--at", "brief"], []),
    ],
)
def test_bash(
    typed: list[str], completed: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Bash completes verbs, options and the names of files, where a file is asked for."""
    bash = shutil.which("bash")
    if not bash:
        pytest.skip("needs bash")
    main(["completion", "bash"])
    (tmp_path / "script").write_text(capsys.readouterr().out)
    for name in ("briefing.pdf", "root.cert.pem"):
        (tmp_path / name).touch()
    lines = (
        "source ./script",
        f"COMP_WORDS=(exhibit {' '.join(typed)}) COMP_CWORD={len(typed)}",
        "_shtab_exhibit",
        "printf '%s\\n' \"${COMPREPLY[@]}\"",
    )
    answered = subprocess.run(
        [bash, "-c", "\n".join(lines)], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert answered.stdout.split() == completed


def test_a_shell_that_is_not_known(capsys: pytest.CaptureFixture[str]) -> None:
    """Another shell is refused, and the known ones are named."""
    assert main(["completion", "ksh"]) == 2
    assert "invalid choice: 'ksh' (choose from" in capsys.readouterr().err

"""The image of the functions, as far as it can be told without building it: `make image` builds it."""

import re
from pathlib import Path

from reports.local_aws.template import TEMPLATE

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
FINAL = DOCKERFILE.split("\nFROM ")[-1]


def test_nobody_is_root_in_it() -> None:
    """The user of the image is not root, and is set after the last command that has to be."""
    instructions = re.findall(r"^([A-Z]+) ", FINAL, re.MULTILINE)
    assert re.findall(r"^USER (.+)$", FINAL, re.MULTILINE) == ["exhibit"]
    assert set(instructions[instructions.index("USER") + 1 :]) == {"ENTRYPOINT", "CMD"}


def test_its_base_can_be_chosen() -> None:
    """All stages start from the one base that the builder chooses, and no registry is named."""
    assert re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE) == ["${BASE}", "${BASE}"]
    assert re.findall(r"^ARG BASE=[\w:.-]+(@sha256:[0-9a-f]{64})?$", DOCKERFILE, re.MULTILINE)


def test_packages_are_pinned() -> None:
    """What is installed is pinned with its hash, comes as wheels, and brings no compiler."""
    assert "--require-hashes --requirement requirements-aws.txt" in DOCKERFILE
    assert "--only-binary :all:" in DOCKERFILE
    assert not re.search(r"gcc|g\+\+|build-essential|-dev\b", DOCKERFILE)


def test_what_is_copied_is_let_in() -> None:
    """Each folder and file that the image takes in exists for the builder, which is shown nothing else."""
    taken = re.findall(r"^COPY (?!--from)(\S+) ", DOCKERFILE, re.MULTILINE)
    shown = re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text("utf-8"), re.MULTILINE)
    assert sorted(taken) == sorted(shown)


def test_it_is_what_the_template_builds() -> None:
    """Every function of the template is built from this file, and the image's own command is one of them."""
    text = TEMPLATE.read_text("utf-8")
    assert text.count("Dockerfile: Dockerfile") == text.count("Type: AWS::Serverless::Function") == 8
    (command,) = re.findall(r'^CMD \["(.+)"\]$', DOCKERFILE, re.MULTILINE)
    assert f"Command: [{command}]" in text

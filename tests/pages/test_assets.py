"""An organisation's own templates: each is a file of its folder, or is refused by its name."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from reports.core.errors import InvalidSettings
from reports.pages.assets import TEMPLATES, Resources
from tests.support.privileges import as_somebody_else


def own(folder: Path) -> Resources:
    """Templates with a folder before Exhibit's."""
    return Resources((folder, TEMPLATES))


def refusal(folder: Path) -> str:
    """The line that refuses a folder of templates."""
    with pytest.raises(InvalidSettings) as refused:
        own(folder).check()
    return str(refused.value)


@pytest.fixture
def house(tmp_path: Path) -> Path:
    folder = tmp_path / "house"
    (folder / "sections").mkdir(parents=True)
    return folder


def test_names_are_those_that_are_looked_up(house: Path) -> None:
    """Folders that Exhibit has are looked into, in whatever capitals; others are named alone."""
    for name in ("issuer.yaml", "sections/who.html", "Sections/x.html", "old/issuer.yml", ".git/law.yml"):
        (house / name).parent.mkdir(exist_ok=True)
        (house / name).touch()
    assert sorted(own(house).own) == [
        *(".git/", "Sections/", "Sections/x.html", "issuer.yaml", "old/", "sections/", "sections/who.html"),
    ]
    assert {"issuer.yaml", "law.yaml", "charts/days.svg", "sections/who.html"} < set(own(house).known)
    assert Resources().own == ()


def to_nowhere(house: Path) -> str:
    (house / "issuer.yaml").symlink_to(house / "gone")
    return "issuer.yaml: is a broken link, among the templates"


def out_of_the_folder(house: Path) -> str:
    (house.parent / "issuer.yaml").write_text("marking: TLP:RED\n")
    (house / "issuer.yaml").symlink_to("../issuer.yaml")
    return "issuer.yaml: is a link that leads out of the folder, among the templates"


def in_a_circle(house: Path) -> str:
    (house / "law.yaml").symlink_to("law.yaml")
    return "law.yaml: "


def through_a_folder(house: Path) -> str:
    (house.parent / "charts").mkdir()
    (house / "charts").symlink_to("../charts")
    return "charts/days.svg: is a link that leads out of the folder"


def through_nothing(house: Path) -> str:
    (house / "charts").symlink_to("gone")
    return "charts/days.svg: is a broken link"


def no_file(house: Path) -> str:
    os.mkfifo(house / "issuer.yaml")
    return "issuer.yaml: is not a file"


def a_folder(house: Path) -> str:
    (house / "sections/who.html").mkdir()
    return "sections/who.html: is not a file"


@pytest.mark.parametrize(
    "make", [to_nowhere, out_of_the_folder, in_a_circle, through_a_folder, through_nothing, no_file, a_folder]
)
def test_what_only_looks_like_a_template_is_refused(house: Path, make: Callable[[Path], str]) -> None:
    """Exhibit's own would be used in its place, without a word."""
    said = make(house)
    assert refusal(house).startswith(said)


def test_links_within_the_folder_are_templates(house: Path) -> None:
    """A file may have two names, and a folder too; what is linked and has no name of ours is not looked at."""
    (house / "data").mkdir()
    (house / "data/issuer.yaml").write_text("name: Lab\n")
    (house / "issuer.yaml").symlink_to("data/issuer.yaml")
    (house / "charts").symlink_to("data")
    (house / ".#issuer.yaml").symlink_to("somebody@somewhere")
    own(house).check()
    assert own(house).read("issuer.yaml") == b"name: Lab\n"


@pytest.mark.parametrize("forbidden", ["", "sections"])
def test_folders_that_may_not_be_read_are_refused(unprivileged: Path, forbidden: str) -> None:
    """What is in a folder without permission is not passed over."""
    (unprivileged / "sections").mkdir()
    (unprivileged / forbidden).chmod(0)
    with as_somebody_else(), pytest.raises(InvalidSettings, match="cannot be read") as refused:
        assert own(unprivileged).own
    (unprivileged / forbidden).chmod(0o755)  # to be cleared away
    assert str(unprivileged / forbidden) in str(refused.value)


def test_a_template_that_may_not_be_read_is_refused(unprivileged: Path) -> None:
    """A file without permission is named."""
    (unprivileged / "issuer.yaml").touch(mode=0)
    for ask in (Resources.digest, lambda resources: resources.read("issuer.yaml")):
        with (
            as_somebody_else(),
            pytest.raises(InvalidSettings, match=r"issuer\.yaml: cannot be read: Permission"),
        ):
            ask(own(unprivileged))

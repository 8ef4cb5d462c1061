"""The names of the settings files: a misspelt one is refused, because it would not be read."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from reports.core.errors import InvalidSettings

BESIDE_EVIDENCE = ("campaigns.yaml", "dataset.yaml")
AMONG_TEMPLATES = ("issuer.yaml", "law.yaml")
IN_SETTINGS = ("chain.pem", "trust.pem", "schedules.yaml", "crls/", "templates/")

_BESIDE, _AMONG, _DEPLOYED = "beside the evidence", "among the templates", "among the settings"
_PASSED_OVER = re.compile(r"[\s_-]+")
_STEM = re.compile(r"([^.]+?)s?(\.ya?ml)?")


def check_beside(names: Collection[str], own: Collection[str] = ()) -> None:
    """Refuse a settings file beside the evidence that would not be read: misnamed or misplaced.

    `own` are names among an organisation's own templates. Names are relative, and a folder's ends with `/`. Raises
    `InvalidSettings`.
    """
    check_names(names, BESIDE_EVIDENCE, _BESIDE)
    check_places(names, AMONG_TEMPLATES, own, _BESIDE, _AMONG)


def check_among(own: Collection[str], known: Iterable[str], beside: Collection[str]) -> None:
    """Refuse a file among an organization's own templates that would not be read, as `check_beside` does.

    `known` are the names of Exhibit's templates; `beside` are names beside the evidence.
    """
    check_names(own, known, _AMONG)
    check_places(own, BESIDE_EVIDENCE, beside, _AMONG, _BESIDE)


def check_deployed(names: Collection[str]) -> None:
    """Refuse a file in the deployed system's settings bucket that would not be read, as `check_beside` does."""
    check_names(names, IN_SETTINGS, _DEPLOYED)
    check_places(names, BESIDE_EVIDENCE, (), _DEPLOYED, _BESIDE)
    check_places(names, AMONG_TEMPLATES, (), _DEPLOYED, "in templates/")


def check_names(names: Iterable[str], known: Iterable[str], where: str) -> None:
    """Raise `InvalidSettings` for a name that resembles a known one, and for a folder in place of a file.

    In the name of a YAML file, capitals, spaces, `-`, `_`, a last `s` of the stem, and `.yml` or no suffix make no
    difference; a folder without a suffix is like folders alone. In other names, capitals make none.
    """
    meant = {_key(name): name for name in known}
    for name in names:
        right = meant.get(_key(name), name)
        if name == f"{right}/":
            raise InvalidSettings(f"{right}: is a folder {where}: replace it with the file, or remove it")
        if name != right:
            raise InvalidSettings(f"{name}: only {right} is read {where}: rename it, or remove it")


def check_places(
    names: Collection[str], strays: Iterable[str], there: Collection[str], where: str, place: str
) -> None:
    """Raise `InvalidSettings` for a file that is read elsewhere, unless the other place has it too."""
    for name in strays:
        if name in names and name not in there:
            raise InvalidSettings(f"{name}: is not read {where}: move it {place}")


def _key(name: str) -> str:
    folder, _, file = name.removesuffix("/").casefold().rpartition("/")
    stem = _STEM.fullmatch(_PASSED_OVER.sub("", file))
    if stem is None:
        return name.removesuffix("/").casefold()
    return f"{folder}/{stem[1]}/" if name.endswith("/") and not stem[2] else f"{folder}/{stem[1]}"

"""Reads the settings files, beside the evidence and among the templates."""

from __future__ import annotations

from reports.briefing.settings import Settings
from reports.core.errors import InvalidSettings
from reports.core.settings import Dataset, Issuer, Law, Registry, parse
from reports.core.settings_files import check_among, check_beside
from reports.evidence.source import EvidenceSource
from reports.pages.assets import Resources


def read_settings(source: EvidenceSource, resources: Resources) -> Settings:
    """Read the settings files beside the evidence and among the templates.

    Raises `InvalidSettings` for a mistake in them, or for a file that would be ignored, before anything is read.
    """
    beside, own = source.tops(), resources.own
    check_beside(beside, own)
    check_among(own, resources.known, beside)
    resources.check()
    return Settings(
        registry=parse(Registry, source.text("campaigns.yaml"), "campaigns.yaml"),
        dataset=parse(Dataset, source.text("dataset.yaml"), "dataset.yaml"),
        issuer=parse(Issuer, _yaml(resources, "issuer.yaml"), "issuer.yaml"),
        law=parse(Law, _yaml(resources, "law.yaml"), "law.yaml"),
    )


def _yaml(resources: Resources, name: str) -> str:
    try:
        return resources.read(name).decode()
    except UnicodeDecodeError:
        raise InvalidSettings(f"{name} is not UTF-8 text: save it as UTF-8") from None

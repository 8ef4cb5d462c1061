"""The settings that people wrote, as one briefing uses them: for an addressee, under a marking."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pydantic import ValidationError

from reports.core.errors import InvalidRequest, InvalidSettings
from reports.core.settings import MARKINGS, Dataset, Issuer, Law, Marking, Registry
from reports.core.window import Audience


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings that people wrote: registry, dataset, issuer and law."""

    registry: Registry
    dataset: Dataset
    issuer: Issuer
    law: Law

    @property
    def marking(self) -> Marking:
        """The TLP 2.0 label in the settings; without one, synthetic data is `TLP:CLEAR`.

        Raises `InvalidSettings` if there is none.
        """
        if self.issuer.marking:
            return self.issuer.marking
        if self.dataset.synthetic:
            return "TLP:CLEAR"
        raise InvalidSettings(
            "the evidence is not marked synthetic, and no marking is set: write one in issuer.yaml, or give "
            f"--marking: {', '.join(MARKINGS[:-1])} or {MARKINGS[-1]}"
        )


def addressed(settings: Settings, audience: Audience, addressee: str | None) -> Settings:
    """Settings that address an audience's briefings to an addressee; None keeps the addressee of the settings."""
    if addressee is None:
        return settings
    issuer = settings.issuer.model_dump()
    issuer["addressee"] = {**issuer["addressee"], audience: addressee}
    try:
        return replace(settings, issuer=Issuer.model_validate(issuer))
    except ValidationError as error:
        why = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise InvalidRequest(f"addressee {addressee!r}: {why}") from None


def other_addressee(own: Settings, settings: Settings, audience: Audience) -> str | None:
    """The addressee of settings, unless it is the operator's own."""
    addressee = settings.issuer.addressee.get(audience)
    return None if addressee == own.issuer.addressee.get(audience) else addressee


def marked(settings: Settings, marking: str | None) -> Settings:
    """Settings with a TLP 2.0 marking in place of the issuer's; None keeps the issuer's.

    Raises `InvalidRequest` for an unknown marking, and `InvalidSettings` if there is none.
    """
    if marking is None:
        marking = settings.marking
    elif marking not in MARKINGS:
        raise InvalidRequest(f"marking {marking!r} is not a TLP 2.0 label: give one of {', '.join(MARKINGS)}")
    return replace(settings, issuer=settings.issuer.model_copy(update={"marking": marking}))

"""What people wrote, as one briefing takes it: for an addressee, under a marking."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pydantic import ValidationError

from reports.core.errors import InvalidRequest, InvalidSettings
from reports.core.settings import MARKINGS, Dataset, Issuer, Law, Marking, Registry
from reports.core.window import Audience


@dataclass(frozen=True, slots=True)
class Settings:
    """What people wrote: the registry, what the data is, who issues, and the law that is applied."""

    registry: Registry
    dataset: Dataset
    issuer: Issuer
    law: Law

    @property
    def marking(self) -> Marking:
        """The label of TLP 2.0 that somebody has chosen; synthetic data, of which nobody needs to, is `TLP:CLEAR`.

        Raises `InvalidSettings` if nobody has chosen.
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
    """Settings whose briefings for an audience go to an addressee; None leaves it to the settings."""
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
    """Settings whose briefings bear a marking of TLP 2.0, whatever the issuer's is; None leaves it to the settings.

    Raises `InvalidRequest` for one that there is not, and `InvalidSettings` if nobody has chosen one.
    """
    if marking is None:
        marking = settings.marking
    elif marking not in MARKINGS:
        raise InvalidRequest(f"marking {marking!r} is not a TLP 2.0 label: give one of {', '.join(MARKINGS)}")
    return replace(settings, issuer=settings.issuer.model_copy(update={"marking": marking}))

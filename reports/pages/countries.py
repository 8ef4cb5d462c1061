"""Names of countries, by the ISO 3166-1 alpha-2 codes in the evidence."""

from __future__ import annotations

from functools import cache


@cache
def country(code: str) -> str:
    """A country's usual English name and its code, `Vietnam (VN)`; anything else unchanged."""
    import pycountry  # noqa: PLC0415 -- takes a while, and most briefings name no country

    found = pycountry.countries.get(alpha_2=code) if code.isascii() else None
    if found is None or found.alpha_2 != code:
        return code
    return f"{getattr(found, 'common_name', found.name)} ({code})"

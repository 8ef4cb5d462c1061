"""What the objects of unsigned pages may be."""

from __future__ import annotations

from reports.pdf.pages import Pages


class NotPlainError(Exception):
    """The pages have something that no briefing has; the message says what and where."""


def check_pages(pages: Pages) -> None:
    """Raise `NotPlainError` for anything that no briefing has."""

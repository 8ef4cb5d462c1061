"""Exhibit: detection results in, a signed briefing that its reader can check out."""

__version__ = "0.12.0"

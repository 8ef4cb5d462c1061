"""Fixtures that every test file can ask for."""

from tests.pki import authority, network, signed, unsigned

__all__ = ["authority", "network", "signed", "unsigned"]

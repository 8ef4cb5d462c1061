"""The options of the commands that take the key of the pseudonyms."""

# ruff: noqa: PLC0415

from __future__ import annotations

import argparse

from reports.cli.terminal import path
from reports.core.aws_clients import client


def add_key(parser: argparse._ActionsContainer, text: str) -> None:
    """Add `--keys` and, in its place, `--kms-key`, which `key_of` reads."""
    option = parser.add_mutually_exclusive_group().add_argument
    option("--keys", metavar="DIR", type=path, help=f"the folder with the issuer's pseudonym.key{text}")
    option("--kms-key", metavar="KEY", help="the issuer's HMAC key in AWS KMS instead: id, ARN or alias/NAME")


def key_of(options: argparse.Namespace) -> bytes | None:
    """The key that the options name; None if they name none. Raises `InvalidSettings` if it is not there."""
    if options.kms_key:
        kms = client("kms")
        from reports.signing import keys_kms

        return keys_kms.pseudonym_key(kms, options.kms_key)
    if options.keys:
        from reports.signing.keys import pseudonym_key

        return pseudonym_key(options.keys)
    return None

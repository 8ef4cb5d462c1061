"""`exhibit prove`."""

# ruff: noqa: PLC0415

from __future__ import annotations

import argparse

from reports.cli.pseudonyms import add_key, key_of
from reports.cli.terminal import WITH_STATUS, Verbs, own_keys, path, recorded, say_json


def add(verbs: Verbs) -> None:
    prove = verbs.add_parser(
        "prove",
        help="prove that an account is counted",
        description="Print a proof that an account is counted in a regulator's briefing, with its activity "
        "there. Anyone can check the proof against the printed page with `exhibit verify-proof`. A file that was "
        "changed after signing is refused.",
        **WITH_STATUS,
    )
    prove.add_argument("file", metavar="FILE", type=path, help="the PDF")
    prove.add_argument("--account", metavar="ID", required=True, help="the account's id, as in the evidence")
    add_key(prove, " (default: exhibit/keys in $XDG_DATA_HOME or ~/.local/share)")
    prove.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from reports.signing.keys import pseudonym_key
    from reports.verification.prove import prove

    proof = prove(
        recorded(options.file), options.account, lambda: key_of(options) or pseudonym_key(own_keys())
    )
    say_json(proof.model_dump())
    return 0

"""`exhibit publish`."""

# ruff: noqa: PLC0415

from __future__ import annotations

import argparse
import os
import unicodedata
from collections.abc import Sequence
from itertools import islice

from reports.cli.evidence import add_table
from reports.cli.terminal import (
    HOLDS_EVIDENCE,
    Verbs,
    add_quiet,
    add_trust,
    add_trust_tsa,
    complain,
    instant,
    own_keys,
    path,
    say,
)
from reports.core.errors import InvalidRequest
from reports.core.progress import Steps
from reports.core.window import AUDIENCES, Audience

PASSWORD, TOKEN = "TRINO_PASSWORD", "TRINO_ACCESS_TOKEN"
PASSPHRASE = "EXHIBIT_PASSPHRASE"  # noqa: S105 -- the name of a variable
MOST_NAMED = 5
CHOSEN = (
    "evidence",
    "engine",
    "table",
    "out",
    "templates",
    "page_size",
    "marking",
    "settling_days",
    "signing_key",
    "timestamp_url",
    "trust",
    "trust_tsa",
)


def add(verbs: Verbs) -> None:
    publish = verbs.add_parser(
        "publish",
        help="publish a signed briefing",
        description="Publish a signed briefing. If the same briefing was published before, print its name instead.",
    )
    request = publish.add_argument_group("request")
    needed = request.add_argument
    needed(
        "--evidence",
        metavar="PLACE",
        required=True,
        help=HOLDS_EVIDENCE,
    )
    needed(
        "--engine",
        metavar="URL",
        default="duckdb",
        help="what answers the questions: duckdb (default), athena://WORKGROUP/DATABASE or "
        "trino://USER@HOST:PORT/CATALOG/SCHEMA, whose tables show the evidence in S3 (exhibit tables); a password or a "
        f"token for Trino is read from ${PASSWORD} or ${TOKEN}",
    )
    add_table(request, "the evidence is this table or view of that database, not one made by exhibit tables")
    needed(
        "--window",
        metavar="W",
        required=True,
        help="FIRST/LAST as YYYY-MM-DD/YYYY-MM-DD, or last-week, last-month, last-quarter, last-N-days",
    )
    needed("--audience", metavar="A", required=True, help=" or ".join(AUDIENCES))
    needed(
        "--out", metavar="DIR", type=path, required=True, help="the folder for the briefing and its receipt"
    )
    needed(
        "--as-of",
        metavar="INSTANT",
        help="the time of the request, like 2026-06-20T12:00:00Z (default: now)",
    )
    needed(
        "--settling-days",
        metavar="N",
        type=int,
        default=7,
        help="how many days after the window updates may arrive (default: 7)",
    )
    _add_look(publish)
    _add_signing(publish)
    publish.add_argument("--json", action="store_true", help="print the receipt and nothing else")
    add_quiet(publish)
    publish.set_defaults(run=run)


def _add_look(publish: argparse.ArgumentParser) -> None:
    look = publish.add_argument_group("appearance").add_argument
    look(
        "--templates",
        metavar="DIR",
        type=path,
        help="your own templates, style sheets, issuer.yaml and law.yaml, instead of Exhibit's",
    )
    look(
        "--marking",
        metavar="TLP",
        help="TLP:CLEAR, TLP:GREEN, TLP:AMBER, TLP:AMBER+STRICT or TLP:RED, instead of the one in issuer.yaml; one of "
        "the two is required, unless the evidence is synthetic",
    )
    look("--page-size", choices=("letter", "a4"), default="letter", help="default: letter")


def _add_signing(publish: argparse.ArgumentParser) -> None:
    group = publish.add_argument_group("who signs")
    signing = group.add_argument
    signing(
        "--keys",
        metavar="DIR",
        type=path,
        help="the folder of your own authority, made on first use; readers trust its root.cert.pem (default: "
        "exhibit/keys in $XDG_DATA_HOME or ~/.local/share)",
    )
    signing(
        "--signing-key",
        metavar="FILE",
        type=path,
        help="sign with this key instead: PKCS #12 (.p12, .pfx), or PEM with its certificates; its "
        f"passphrase is read from ${PASSPHRASE}",
    )
    signing("--timestamp-url", metavar="URL", help="use this RFC 3161 time-stamp authority instead")
    add_trust(group, "another root that readers trust, such as the time-stamp authority's; repeatable")
    add_trust_tsa(group)


def run(options: argparse.Namespace) -> int:
    from reports import local
    from reports.pipeline import BriefingRequest

    request = BriefingRequest(options.window, _audience(options.audience), instant("--as-of", options.as_of))
    choices = local.Choices(
        **{name: getattr(options, name) for name in CHOSEN},
        keys=options.keys or own_keys(),
        passphrase=_passphrase(),
    )
    with Steps(options.quiet) as steps:
        receipt, before = local.publish(request, choices, steps)
    for verdict in receipt.verdicts:
        if verdict["outcome"] != "valid" and not options.quiet:
            complain(f"{verdict['check']} {verdict['outcome']}: {verdict['detail']}")
    if receipt.printed_as_codes:
        complain(_coded(receipt.printed_as_codes))
    if receipt.not_yet_counted:
        complain(_later(receipt.not_yet_counted))
    if options.json:
        say(receipt.json().rstrip())
    else:
        say(f"briefing:   {options.out / receipt.document.name}")
        if before:
            say(f"published before: edition {receipt.edition}, of {receipt.as_of}; nothing has changed since")
        elif receipt.same_figures_as:
            same, made_by = receipt.same_figures_as["edition"], receipt.software["version"]
            say(f"same figures as edition {same}, made again by Exhibit {made_by}")
        say(f"exchanges:  {int(receipt.figures['exchanges']):,}")
        say(f"accounts:   {int(receipt.figures['accounts']):,}")
    return 0


def _later(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f"arrived meanwhile and not counted yet: {', '.join(names[:MOST_NAMED])}{more}: publish again to count them"


def _coded(codes: Sequence[str]) -> str:
    named = (
        f"{code} ({name})" if (name := unicodedata.name(chr(int(code[2:], 16)), "")) else code
        for code in codes
    )
    more = f" and {len(codes) - MOST_NAMED} more" if len(codes) > MOST_NAMED else ""
    return (
        "the pages show these characters as codes, because no font has them or they hide or reorder text: "
        f"{', '.join(islice(named, MOST_NAMED))}{more}: replace them, or add a font that has them to the "
        "folder of --templates"
    )


def _audience(text: str) -> Audience:
    for audience in AUDIENCES:
        if text == audience:
            return audience
    raise InvalidRequest(f"audience {text!r} is not known: use {' or '.join(AUDIENCES)}")


def _passphrase() -> bytes | None:
    value = os.environ.get(PASSPHRASE)
    return None if value is None else os.fsencode(value)

"""`exhibit publish`."""

# ruff: noqa: PLC0415

from __future__ import annotations

import argparse
import os
import unicodedata
from collections.abc import Sequence
from itertools import islice

from reports.cli.terminal import (
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

PASSPHRASE = "EXHIBIT_PASSPHRASE"  # noqa: S105 -- the name of a variable
MOST_NAMED = 5
CHOSEN = (
    "evidence",
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
        description="Publish a signed briefing. What was published before, and has not changed, is named instead.",
    )
    needed = publish.add_argument_group("what is asked for").add_argument
    needed(
        "--evidence",
        metavar="DIR",
        type=path,
        required=True,
        help="the folder that holds detections/ or ext/",
    )
    needed(
        "--window",
        metavar="W",
        required=True,
        help="FIRST/LAST as YYYY-MM-DD/YYYY-MM-DD, or last-week, last-month, last-quarter, last-N-days",
    )
    needed("--audience", metavar="A", required=True, help=" or ".join(AUDIENCES))
    needed("--out", metavar="DIR", type=path, required=True, help="where the briefing and its receipt go")
    needed(
        "--as-of",
        metavar="INSTANT",
        help="the instant of the request, like 2026-06-20T12:00:00Z (default: now)",
    )
    needed(
        "--settling-days",
        metavar="N",
        type=int,
        default=7,
        help="how many days after the window updates may land (default: 7)",
    )
    _add_look(publish)
    _add_signing(publish)
    publish.add_argument("--json", action="store_true", help="print the receipt and nothing else")
    add_quiet(publish)
    publish.set_defaults(run=run)


def _add_look(publish: argparse.ArgumentParser) -> None:
    look = publish.add_argument_group("how it looks").add_argument
    look(
        "--templates",
        metavar="DIR",
        type=path,
        help="templates, style sheets, issuer.yaml and law.yaml of your own, in place of Exhibit's",
    )
    look(
        "--marking",
        metavar="TLP",
        help="TLP:CLEAR, TLP:GREEN, TLP:AMBER, TLP:AMBER+STRICT or TLP:RED, in place of the one in issuer.yaml; one of "
        "both is needed, unless the evidence is synthetic",
    )
    look("--page-size", choices=("letter", "a4"), default="letter", help="default: letter")


def _add_signing(publish: argparse.ArgumentParser) -> None:
    group = publish.add_argument_group("who signs")
    signing = group.add_argument
    signing(
        "--keys",
        metavar="DIR",
        type=path,
        help="an authority of your own, made on first use; readers trust its root.cert.pem (default: "
        "exhibit/keys in $XDG_DATA_HOME or ~/.local/share)",
    )
    signing(
        "--signing-key",
        metavar="FILE",
        type=path,
        help="sign with this key instead: PKCS #12 (.p12, .pfx), or PEM with its certificates; its "
        f"passphrase is read from ${PASSPHRASE}",
    )
    signing("--timestamp-url", metavar="URL", help="ask this RFC 3161 time-stamp authority instead")
    add_trust(group, "a root that readers will trust, such as the time-stamp authority's; repeatable")
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
        say(f"exchanges:  {int(receipt.figures['exchanges']):,}")
        say(f"accounts:   {int(receipt.figures['accounts']):,}")
    return 0


def _later(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f"came meanwhile and is not yet counted: {', '.join(names[:MOST_NAMED])}{more}: publish again to count it"


def _coded(codes: Sequence[str]) -> str:
    named = (
        f"{code} ({name})" if (name := unicodedata.name(chr(int(code[2:], 16)), "")) else code
        for code in codes
    )
    more = f" and {len(codes) - MOST_NAMED} more" if len(codes) > MOST_NAMED else ""
    return (
        "the pages show as codes what no font has, or what would hide or reorder its neighbours: "
        f"{', '.join(islice(named, MOST_NAMED))}{more}: write them otherwise, or add a font that has them to the "
        "folder of --templates"
    )


def _audience(text: str) -> Audience:
    for audience in AUDIENCES:
        if text == audience:
            return audience
    raise InvalidRequest(f"audience {text!r} is not known: ask for {' or '.join(AUDIENCES)}")


def _passphrase() -> bytes | None:
    value = os.environ.get(PASSPHRASE)
    return None if value is None else os.fsencode(value)

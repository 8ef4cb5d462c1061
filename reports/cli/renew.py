"""`exhibit renew`."""

# ruff: noqa: PLC0415

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from reports.cli.terminal import WITH_STATUS, Verbs, add_trust, add_trust_tsa, path, read, say, write
from reports.core.errors import InvalidRequest


def add(verbs: Verbs) -> None:
    renew = verbs.add_parser(
        "renew",
        help="give a briefing a fresh time-stamp",
        description="Give a briefing a fresh time-stamp, before the certificate of its last one expires.",
        **WITH_STATUS,
    )
    renew.add_argument("file", metavar="FILE", type=path, help="the PDF, which is left unchanged")
    renew.add_argument(
        "--out",
        metavar="FILE",
        type=path,
        help="a new file (default: beside FILE, with .renewed in its name)",
    )
    stamps = renew.add_mutually_exclusive_group(required=True)
    stamps.add_argument(
        "--keys", metavar="DIR", type=path, help="the folder of your own authority, which is trusted"
    )
    stamps.add_argument("--timestamp-url", metavar="URL", help="use this RFC 3161 time-stamp authority")
    add_trust(renew, "a certificate that you trust, as for verify; repeatable")
    add_trust_tsa(renew)
    renew.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from reports.core.certificates import load_certificates
    from reports.renew import renew
    from reports.signing.keys import Lists, LocalAuthority, no_lists
    from reports.signing.timestamp import HttpTimestamper, LocalTimestamper, Timestamper

    now = datetime.now(UTC)
    out = options.out or options.file.with_name(f"{options.file.stem}.renewed{options.file.suffix}")
    if out.exists():
        raise InvalidRequest(f"{out} exists already: give a new file with --out")
    trust, stamping = (
        [certificate for file in files for certificate in load_certificates(file)]
        for files in (options.trust, options.trust_tsa)
    )
    stamps: Timestamper
    crls: Lists = no_lists
    if options.keys:
        key, crls = LocalAuthority.stamping(options.keys, now)
        stamps = LocalTimestamper(key)
        trust.append(key.chain[-1])
        stamping += [key.chain[-1]] if stamping else []
    else:
        stamps = HttpTimestamper(options.timestamp_url)
    write(out, renew(read(options.file), stamps, trust, now, trust_tsa=stamping, crls=crls))
    say(f"renewed: {out}")
    return 0

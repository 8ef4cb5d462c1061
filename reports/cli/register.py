"""`exhibit register`."""

# ruff: noqa: PLC0415

from __future__ import annotations

import argparse
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from reports.cli.terminal import WITH_STATUS, Verbs, path, read, say_json, say_verdicts
from reports.core.aws_clients import client
from reports.core.errors import InvalidRequest
from reports.core.verdict import exit_status
from reports.evidence.source import in_s3

if TYPE_CHECKING:
    from reports.archive.store import Store


def add(verbs: Verbs) -> None:
    text = "The register of all published editions, which is kept beside them."
    register = verbs.add_parser("register", help="check what was published", description=text)
    of_register = register.add_subparsers(required=True, metavar="COMMAND")
    verify = of_register.add_parser(
        "verify",
        help="check an archive against its register",
        description="Check an archive: its register, its documents, and what its briefings print of the register.",
        **WITH_STATUS,
    )
    verify.add_argument(
        "place", metavar="PLACE", help="where briefings are published to: a folder, or s3://BUCKET/PREFIX"
    )
    verify.add_argument(
        "--file",
        metavar="FILE",
        type=path,
        action="append",
        default=[],
        help="a copy from elsewhere of a briefing that was published there; repeatable",
    )
    verify.add_argument("--json", action="store_true", help="print the verdicts as JSON")
    verify.set_defaults(run=_verify)


def _verify(options: argparse.Namespace) -> int:
    at_hand = {str(file): read(file) for file in options.file}
    store = _store(options.place)
    from reports.verification.audit import audit

    found = audit(store, at_hand, datetime.now(UTC))
    if options.json:
        verdicts = [asdict(verdict) for verdict in found.verdicts]
        say_json({"place": options.place, **asdict(found.head), "verdicts": verdicts})
    else:
        say_verdicts(found.verdicts)
    return exit_status(found.verdicts)


def _store(place: str) -> Store:
    if place.startswith("s3://"):
        bucket, prefix = in_s3("PLACE", place)
        s3 = client("s3")
        from reports.archive.store_s3 import S3Store

        return S3Store(s3, bucket, prefix)
    if not Path(place).is_dir():
        raise InvalidRequest(f"{place} is not a folder: give the one that briefings are published to")
    from reports.archive.store import FolderStore

    return FolderStore(Path(place), reading=True)

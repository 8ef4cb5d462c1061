"""The options of the commands for a reader who holds the evidence."""

# ruff: noqa: PLC0415

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from reports.cli.pseudonyms import add_key, key_of
from reports.cli.terminal import path
from reports.core.aws_clients import client
from reports.core.errors import InvalidRequest
from reports.evidence.source import in_s3

if TYPE_CHECKING:
    from reports.pages.assets import Resources
    from reports.verification.reproduce import Reader


def add_table(parser: argparse._ActionsContainer, text: str) -> None:
    """Add `--table`."""
    parser.add_argument("--table", metavar="NAME", help=text)


def add_evidence(parser: argparse.ArgumentParser, text: str) -> None:
    """Add `--evidence` and what goes with it, which `reader` reads."""
    group = parser.add_argument_group("with the evidence")
    option = group.add_argument
    option("--evidence", metavar="PLACE", help=f"{text}: a folder, or s3://BUCKET/PREFIX")
    option(
        "--athena",
        metavar="WORKGROUP/DATABASE",
        help="run the questions in Athena, on tables that show the evidence in S3",
    )
    option(
        "--engine",
        metavar="URL",
        help="with --table: athena://WORKGROUP/DATABASE or trino://USER@HOST:PORT/CATALOG/SCHEMA",
    )
    add_table(group, "ask this table or view again, from which the briefing was made")
    option(
        "--templates",
        metavar="DIR",
        type=path,
        help="the issuer's own templates, if the briefing was made with them",
    )
    add_key(group, ", to make the pseudonyms of accounts again as well")


def reader(options: argparse.Namespace) -> Reader | None:
    """What `--evidence` and its fellows name; None without it. Raises `InvalidRequest` for what does not fit."""
    if options.evidence is None:
        for name in ("athena", "engine", "table", "templates", "keys", "kms-key"):
            if getattr(options, name.replace("-", "_")):
                raise InvalidRequest(f"--{name} needs --evidence: give both")
        return None
    from reports.local import resources_of

    resources = resources_of(options.templates)
    key = key_of(options)
    if options.table or options.engine:
        return _own_table(options, resources, key)
    if not options.evidence.startswith("s3://"):
        from reports.evidence.source import FolderEvidence
        from reports.evidence_access import InFolder

        if options.athena:
            raise InvalidRequest("--athena needs evidence in S3: write --evidence s3://BUCKET/PREFIX")
        return InFolder(FolderEvidence(Path(options.evidence)), resources, key)
    s3 = client("s3")
    from reports.evidence.source_s3 import S3Evidence
    from reports.evidence_access import InAthena, InBucket

    bucket, prefix = in_s3("--evidence", options.evidence)
    source = S3Evidence(s3, bucket, prefix)
    if not options.athena:
        return InBucket(source, resources, key)
    workgroup, _, database = options.athena.partition("/")
    if not workgroup or not database:
        raise InvalidRequest(f"--athena {options.athena!r}: write it like WORKGROUP/DATABASE")
    return InAthena(source, resources, key, client("athena"), workgroup, database)


def _own_table(options: argparse.Namespace, resources: Resources, key: bytes | None) -> Reader:
    from reports.evidence_access import InTable, in_table

    if not (options.table and options.engine) or options.athena:
        raise InvalidRequest("--table and --engine belong together, without --athena: give both, or neither")
    source, over = in_table(options.evidence, options.engine, options.table)
    return InTable(source, over, resources, key)

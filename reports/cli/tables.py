"""`exhibit tables`."""

# ruff: noqa: PLC0415

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence
from datetime import date

from reports.cli.terminal import Verbs, say
from reports.core.errors import InvalidRequest
from reports.evidence.source import in_s3

# As the parameters of the deployed stack
_PREFIX = re.compile(r"[^*?$;`\x00-\x1f]*")
_VALUES = {
    "source": re.compile(r"[^,/ ;'\x00-\x1f]+"),
    "region": re.compile(r"[a-z0-9-]+"),
    "account": re.compile(r"[^,/ ;'\x00-\x1f]+"),
}


def add(verbs: Verbs) -> None:
    tables = verbs.add_parser(
        "tables",
        help="print the DDL of the tables over evidence in S3",
        description="Print the DDL of the tables flat and ocsf over evidence in S3, for Athena or your own Trino. "
        "Without --source, --region and --account there is no table ocsf.",
    )
    option = tables.add_argument
    option("--evidence", metavar="PLACE", required=True, help="where the evidence is: s3://BUCKET/PREFIX/")
    option("--format", choices=("parquet", "json"), required=True, help="the format of all its objects")
    option("--since", metavar="DAY", required=True, help="the first day of evidence, as YYYY-MM-DD")
    option("--source", metavar="S", action="append", default=[], help="a source below ext/; repeatable")
    option(
        "--region", metavar="R", action="append", default=[], help="a region below the sources; repeatable"
    )
    option(
        "--account", metavar="A", action="append", default=[], help="an account below the regions; repeatable"
    )
    option("--dialect", choices=("athena", "trino"), default="athena", help="default: athena")
    tables.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from reports.evidence.table_ddl import Table

    bucket, prefix = in_s3("--evidence", options.evidence)
    if not _PREFIX.fullmatch(options.evidence):
        raise InvalidRequest(
            f"--evidence {options.evidence!r}: tables cannot be made over a place with that name"
        )
    values = _values(options)
    place, since = f"s3://{bucket}/{prefix}", _day(options.since)
    tables = [Table("flat", options.format, place, since, {})]
    if values:
        tables.append(Table("ocsf", options.format, place, since, values))
    for table in tables:
        say(f"{table.ddl(options.dialect)};")
    return 0


def _values(options: argparse.Namespace) -> Mapping[str, Sequence[str]]:
    """The values of the partitions of OCSF; none if they are not given."""
    given: dict[str, Sequence[str]] = {name: getattr(options, name) for name in _VALUES}
    if missing := [name for name, values in given.items() if not values]:
        if len(missing) == len(given):
            return {}
        raise InvalidRequest(
            f"--{missing[0]} is missing: the table ocsf needs --source, --region and --account"
        )
    for name, values in given.items():
        for value in values:
            if not _VALUES[name].fullmatch(value):
                raise InvalidRequest(
                    f"--{name} {value!r} cannot be the name of a partition: write it as in the evidence"
                )
    return {"source": given["source"], "region": given["region"], "accountid": given["account"]}


def _day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or str(day) != text:
        raise InvalidRequest(f"--since {text!r} is not a day: write it as YYYY-MM-DD")
    return day

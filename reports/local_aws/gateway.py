"""An HTTP API as functions see it: calls become events of payload format 2.0, and answers become responses again."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl
from uuid import uuid4

Handler = Callable[[Mapping[str, Any], Any], Mapping[str, Any]]
Authorize = Callable[[Mapping[str, str]], Mapping[str, Any] | None]
DEFAULT = "$default"
MOST_SENT = 10 * 2**20  # bytes, the limit of an HTTP API

_TEXT = re.compile(r"text/|application/(json|javascript|xml|[^;]+\+(json|xml))")


class FunctionFailed(Exception):
    """A function ended without an answer: it raised an error, took too long, or its process is gone."""


@dataclass(frozen=True, slots=True)
class Context:
    """What Lambda tells a function of its invocation; `ends` is on the clock of `time.monotonic`, in seconds."""

    ends: float
    function_name: str = "exhibit"
    memory_limit_in_mb: int = 1024
    invoked_function_arn: str = "arn:aws:lambda:eu-west-1:000000000000:function:exhibit"
    aws_request_id: str = field(default_factory=lambda: str(uuid4()))

    @classmethod
    def lasting(cls, seconds: float, function: str = "exhibit") -> Context:
        """The context of an invocation that may last so long."""
        return cls(time.monotonic() + seconds, function)

    def get_remaining_time_in_millis(self) -> int:
        """How long the invocation may still last."""
        return max(0, round((self.ends - time.monotonic()) * 1000))


@dataclass(frozen=True, slots=True)
class Call:
    """A call over HTTP; names of headers are in small letters."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a call; names of headers are in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Routed:
    """Where a call goes: the key of its route, the scopes of which its token needs one, and the function."""

    key: str
    scopes: Sequence[str]
    handler: Handler


def routing(routes: Sequence[Routed]) -> Callable[[Call], Routed]:
    """The rule by which an HTTP API chooses: a whole path before one with parameters, and `$default` for the rest."""
    (default,) = (routed for routed in routes if routed.key == DEFAULT)
    others = [(routed, _pattern(routed.key)) for routed in routes if routed is not default]
    others.sort(key=lambda each: "{" in each[0].key)

    def route(call: Call) -> Routed:
        asked = f"{call.method} {call.path}"
        return next((routed for routed, pattern in others if pattern.fullmatch(asked)), default)

    return route


def _pattern(key: str) -> re.Pattern[str]:
    return re.compile("[^/]+".join(map(re.escape, re.split(r"\{\w+\}", key))))


def event(call: Call, routed: Routed, claims: Mapping[str, Any]) -> dict[str, Any]:
    """The event of a call by a caller whose token says `claims`; a body that is not text is in base64."""
    now = datetime.now(UTC)
    text = not call.body or bool(_TEXT.match(call.headers.get("content-type", "text/plain")))
    made: dict[str, Any] = {
        "version": "2.0",
        "routeKey": routed.key,
        "rawPath": call.path,
        "rawQueryString": call.query,
        "headers": dict(call.headers),
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "local",
            "authorizer": {"jwt": {"claims": dict(claims), "scopes": list(routed.scopes) or None}},
            "domainName": "localhost",
            "http": {
                "method": call.method,
                "path": call.path,
                "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1",
                "userAgent": call.headers.get("user-agent", ""),
            },
            "requestId": str(uuid4()),
            "routeKey": routed.key,
            "stage": "$default",
            "time": f"{now:%d/%b/%Y:%H:%M:%S +0000}",
            "timeEpoch": int(now.timestamp() * 1000),
        },
        "isBase64Encoded": not text,
    }
    if parameters := _parameters(call.query):
        made["queryStringParameters"] = parameters
    if call.body:
        made["body"] = call.body.decode("utf-8", "replace") if text else base64.b64encode(call.body).decode()
    return made


def answer(returned: Mapping[str, Any]) -> Answer:
    """What a function returned, as the gateway answers."""
    body = returned.get("body") or ""
    content = base64.b64decode(body) if returned.get("isBase64Encoded") else body.encode()
    headers = {name.lower(): str(value) for name, value in returned.get("headers", {}).items()}
    return Answer(int(returned["statusCode"]), headers, content)


def _parameters(query: str) -> dict[str, str]:
    """Parameters by name; what comes several times is joined by commas."""
    found: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        found[name] = f"{found[name]},{value}" if name in found else value
    return found


@dataclass(frozen=True, slots=True)
class Gateway:
    """The gateway before the functions: `route` tells where a call goes, `authorize` gives the claims of a caller.

    An instance is a WSGI application.
    """

    route: Callable[[Call], Routed]
    authorize: Authorize
    seconds: float = 29.0

    def answer(self, call: Call) -> Answer:
        """Answer a call as an HTTP API does."""
        if len(call.body) > MOST_SENT:
            return _said(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        claims, routed = self.authorize(call.headers), self.route(call)
        if claims is None:
            return _said(HTTPStatus.UNAUTHORIZED)
        if routed.scopes and not set(routed.scopes) & set(str(claims.get("scope", "")).split()):
            return _said(HTTPStatus.FORBIDDEN)
        try:
            return answer(routed.handler(event(call, routed, claims), Context.lasting(self.seconds)))
        except FunctionFailed:
            return _said(HTTPStatus.INTERNAL_SERVER_ERROR)

    def __call__(self, environ: Mapping[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer as a WSGI application."""
        found = self.answer(_call(environ))
        headers = {**found.headers, "content-length": str(len(found.body))}
        start_response(f"{found.status} {HTTPStatus(found.status).phrase}", list(headers.items()))
        return [found.body]


def _said(status: HTTPStatus) -> Answer:
    """An answer of the gateway itself."""
    return Answer(
        status.value, {"content-type": "application/json"}, b'{"message":"%s"}' % status.phrase.encode()
    )


def _call(environ: Mapping[str, Any]) -> Call:
    headers = {
        name.removeprefix("HTTP_").replace("_", "-").lower(): str(value)
        for name, value in environ.items()
        if name.startswith("HTTP_") or (name in ("CONTENT_TYPE", "CONTENT_LENGTH") and value)
    }
    path = environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace")
    body = environ["wsgi.input"].read(min(int(environ.get("CONTENT_LENGTH") or 0), MOST_SENT + 1))
    return Call(environ["REQUEST_METHOD"], path, environ.get("QUERY_STRING", ""), headers, body)

"""An HTTP API as functions see it: calls become events of payload format 2.0, and answers become responses again."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http import HTTPStatus
from itertools import chain, zip_longest
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
    """Where a call goes: the key of its route, the scopes of which its token needs one, and the function.

    A route that is `open` asks for no token.
    """

    key: str
    scopes: Sequence[str]
    handler: Handler
    open: bool = False


@dataclass(frozen=True, slots=True)
class Cors:
    """What an HTTP API tells browsers of the pages that may call it, as `CorsConfiguration` has it."""

    origins: Sequence[str]
    methods: Sequence[str]
    headers: Sequence[str]
    exposed: Sequence[str]
    seconds: int

    @classmethod
    def read(cls, configuration: Mapping[str, Any] | None) -> Cors | None:
        """Read a `CorsConfiguration`, or None where there is none."""
        if configuration is None:
            return None
        return cls(
            configuration["AllowOrigins"],
            configuration["AllowMethods"],
            configuration["AllowHeaders"],
            configuration["ExposeHeaders"],
            configuration["MaxAge"],
        )

    def preflight(self, call: Call) -> Answer | None:
        """The answer to what a browser asks before a call, or None to anything else."""
        if call.method != "OPTIONS" or not {"origin", "access-control-request-method"} <= {*call.headers}:
            return None
        allowed = {
            "access-control-allow-methods": ",".join(self.methods),
            "access-control-allow-headers": ",".join(self.headers),
            "access-control-max-age": str(self.seconds),
        }
        known = call.headers["origin"] in self.origins
        return Answer(HTTPStatus.NO_CONTENT, {**self._origin(call), **(allowed if known else {})}, b"")

    def added(self, call: Call, answer: Answer) -> Answer:
        """A function's answer, with what a browser needs to let a page read it."""
        exposed = {"access-control-expose-headers": ",".join(self.exposed)} if self._origin(call) else {}
        return replace(answer, headers={**answer.headers, **self._origin(call), **exposed})

    def _origin(self, call: Call) -> dict[str, str]:
        origin = call.headers.get("origin")
        return {"access-control-allow-origin": origin} if origin in self.origins and origin else {}


def routing(routes: Sequence[Routed]) -> Callable[[Call], Routed]:
    """The rule by which an HTTP API chooses: a whole path before one with parameters, and `$default` for the rest.

    A parameter that takes the rest of a path (`{proxy+}`) comes after the others.
    """
    (default,) = (routed for routed in routes if routed.key == DEFAULT)
    others = [(routed, _pattern(routed.key)) for routed in routes if routed is not default]
    others.sort(key=lambda each: ("+}" in each[0].key, "{" in each[0].key))

    def route(call: Call) -> Routed:
        asked = f"{call.method} {call.path}"
        return next((routed for routed, pattern in others if pattern.fullmatch(asked)), default)

    return route


def _pattern(key: str) -> re.Pattern[str]:
    parts = re.split(r"(\{\w+\+?\})", key)
    forms = (".+" if part.endswith("+}") else "[^/]+" for part in parts[1::2])
    return re.compile("".join(chain(*zip_longest(map(re.escape, parts[::2]), forms, fillvalue=""))))


def event(call: Call, routed: Routed, claims: Mapping[str, Any]) -> dict[str, Any]:
    """The event of a call by a caller whose token says `claims`; a body that is not text is in base64."""
    now = datetime.now(UTC)
    authorized = {"claims": dict(claims), "scopes": list(routed.scopes) or None}
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
            **({} if routed.open else {"authorizer": {"jwt": authorized}}),
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

    As on AWS, the route of what a browser asks before a call decides whether it needs a token. An instance is a WSGI
    application.
    """

    route: Callable[[Call], Routed]
    authorize: Authorize
    cors: Cors | None = None
    seconds: float = 29.0

    def answer(self, call: Call) -> Answer:
        """Answer a call as an HTTP API does."""
        if len(call.body) > MOST_SENT:
            return _said(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        routed = self.route(call)
        claims = {} if routed.open else self.authorize(call.headers)
        if claims is None:
            return _said(HTTPStatus.UNAUTHORIZED)
        if routed.scopes and not set(routed.scopes) & set(str(claims.get("scope", "")).split()):
            return _said(HTTPStatus.FORBIDDEN)
        if self.cors and (asked := self.cors.preflight(call)):
            return asked
        try:
            found = answer(routed.handler(event(call, routed, claims), Context.lasting(self.seconds)))
        except FunctionFailed:
            return _said(HTTPStatus.INTERNAL_SERVER_ERROR)
        return self.cors.added(call, found) if self.cors else found

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

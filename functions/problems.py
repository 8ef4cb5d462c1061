"""What the functions behind the API share: permissions, size limits, and problem details (RFC 9457).

Every error is a document of the type `application/problem+json` with `type`, `title`, `status` and `detail`. What is
wrong with a body or a parameter is listed in `errors`, each with where it is (`at`) and what is wrong (`message`).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import ServiceError
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter
from aws_lambda_powertools.utilities.typing import LambdaContext

from reports.core.errors import ExhibitError, InvalidRequest, Unavailable, trace
from reports.core.json_text import read_json
from reports.core.window import AUDIENCES, Audience

JSON, PROBLEM = "application/json", "application/problem+json"
READ, REQUEST = "briefings:read", "briefings:request"
READ_OF: Mapping[str, Audience] = {f"{READ}:{audience}": audience for audience in AUDIENCES}
MAY_READ = [{"token": [scope]} for scope in (READ, *READ_OF)]  # as OpenAPI says it: any one of them
MAY_REQUEST = [{"token": [REQUEST]}]
MOST_JSON = 16 * 2**10  # bytes of a JSON body
DEEPEST = 8  # nesting of arrays and objects
LONGEST_SUBJECT = 255  # characters, as OpenID Connect has it
AGAIN = 30  # seconds after which to ask again


class Refused(Exception):
    """A call that is answered with a problem."""

    def __init__(
        self, status: HTTPStatus, detail: str, *, headers: Mapping[str, str] | None = None, **more: Any
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers, self.more = status, detail, dict(headers or {}), more

    def response(self) -> Response[str]:
        """The problem document."""
        document = {"type": "about:blank", "title": self.status.phrase, "status": self.status.value}
        document |= {"detail": self.detail, **self.more}
        headers = {"Cache-Control": "no-store", **self.headers}
        return Response(self.status.value, PROBLEM, json.dumps(document), headers=headers)


def refused(*errors: Mapping[str, str]) -> Refused:
    """The answer to a call whose body or parameters are wrong: in each error, where (`at`) and what (`message`)."""
    detail = "; ".join(f"{each['at']}: {each['message']}" for each in errors)
    return Refused(HTTPStatus.UNPROCESSABLE_ENTITY, detail, errors=list(errors))


@dataclass(frozen=True, slots=True)
class Body:
    """What a route takes as a body: one of these types, of so many bytes at most; no types take no body."""

    types: Sequence[str] = ()
    most: int = MOST_JSON
    too_much: str = "send less"


NO_BODY = Body()


@dataclass(frozen=True, slots=True)
class Rule:
    """What a call to a route needs: one of these scopes, and a body."""

    scopes: Sequence[str]
    body: Body


class Api:
    """Routes of the API, with what Powertools leaves open: scopes, limits, and problems for every error.

    A call meets the rule of the route that it matches, and no other route answers it: the method as it is written, and
    the whole path. Powertools alone would take `post` for `POST`, and a line break after a path for its end.
    """

    def __init__(
        self,
        logger: Logger,
        router: APIGatewayHttpRouter,
        bodies: Mapping[str, Body],
        prefix: Callable[[], str],
    ) -> None:
        """Take the routes, each with its scopes (`security`), and the bodies by `operation_id`; others take none.

        `prefix` gives what the issuer of tokens puts before the name of each scope.
        """
        self.app = APIGatewayHttpResolver(enable_validation=True)
        self.logger, self.prefix = logger, prefix
        self.app.include_router(router)
        # Powertools has no public list of its routes
        routes = [*self.app._static_routes, *self.app._dynamic_routes]
        self.rules = {
            (route.method, re.compile(_PARAMETER.sub(_NAME, re.escape(route.openapi_path)))): Rule(
                _scopes(route.security), bodies.get(route.operation_id, NO_BODY)
            )
            for route in routes
        }
        self.app.exception_handler(RequestValidationError)(_not_valid)
        self.app.exception_handler(ServiceError)(
            lambda error: Refused(HTTPStatus(error.status_code), error.msg).response()
        )
        self.app.exception_handler(Refused)(Refused.response)
        self.app.exception_handler(Exception)(self._failed)

    def answer(self, event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
        """Answer an event of an HTTP API, payload format 2.0.

        What a browser asks before a call, without a token, has no other answer than that of the gateway, which adds
        whose pages may call.
        """
        asked = event["requestContext"]["http"]
        if asked["method"] == "OPTIONS":
            return {"statusCode": HTTPStatus.NO_CONTENT.value, "headers": {}, "body": ""}
        with self.logger.append_context_keys(call=event["requestContext"].get("requestId")):
            try:
                rule = self._rule(asked["method"], event["rawPath"])
                event = _with_own_scopes(event, self.prefix())
                _check_scope(event, rule.scopes)
                answer = self.app.resolve({**event, **_checked(event, rule.body)}, context)
            except Refused as refused:
                answer = _built(refused.response())
            except Exception as error:
                answer = _built(self._failed(error))
            self.logger.info("answered", method=shown_method(asked["method"]), status=answer["statusCode"])
        return answer

    def _rule(self, method: str, path: str) -> Rule:
        """The rule of the route that a call matches exactly; refused if there is none."""
        there = {each: rule for (each, pattern), rule in self.rules.items() if pattern.fullmatch(path)}
        if method in there:
            return there[method]
        if not there:
            raise Refused(HTTPStatus.NOT_FOUND, "there is no such resource: /openapi.json lists them")
        allow = ", ".join(sorted(there))
        detail = f"{shown_method(method)} is not allowed on this resource: use {allow}"
        raise Refused(HTTPStatus.METHOD_NOT_ALLOWED, detail, headers={"Allow": allow})

    def _failed(self, error: Exception) -> Response[str]:
        if isinstance(error, InvalidRequest):
            return Refused(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)).response()
        if isinstance(error, Unavailable):
            self.logger.warning(error.public, kind=type(error).__name__)
            detail = "a required service is not responding: try again"
            later = {"Retry-After": str(AGAIN)}
            return Refused(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers=later).response()
        if isinstance(error, ExhibitError):
            self.logger.error(error.public, kind=type(error).__name__)
        else:
            self.logger.error("internal error", trace=trace(error))
        detail = "an internal error occurred: see the log of the service"
        return Refused(HTTPStatus.INTERNAL_SERVER_ERROR, detail).response()


_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["at", "message"],
                "properties": {"at": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}
# The gateway itself sends these, in its own form
_PLAIN: Mapping[str, Any] = {JSON: {"schema": {"type": "object"}}}
_OURS: Mapping[str, Any] = {PROBLEM: {"schema": _SCHEMA}}
_FORMS = {HTTPStatus.UNAUTHORIZED: _PLAIN, HTTPStatus.TOO_MANY_REQUESTS: {**_PLAIN, **_OURS}}


def shown_method(method: str) -> str:
    """A method as it may be shown: a caller can write anything there."""
    return method if method.isascii() and method.isalpha() and len(method) <= 20 else "what was asked"


def claims(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the caller's token says, as the authorizer of the gateway passes it on."""
    found: Mapping[str, Any] = (
        event["requestContext"].get("authorizer", {}).get("jwt", {}).get("claims") or {}
    )
    return found


def content(event: Mapping[str, Any]) -> bytes:
    """The body of a call."""
    body = event.get("body") or ""
    if not event.get("isBase64Encoded"):
        return str(body).encode("utf-8", "surrogatepass")
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        raise Refused(HTTPStatus.BAD_REQUEST, "the body is incomplete: send it again") from None


def shown(document: Mapping[str, Any], headers: Mapping[str, str], known: str | None) -> Response[str]:
    """A JSON document with its entity tag; only the tag where the caller knows it (`If-None-Match`)."""
    body = json.dumps(document)
    tag = f'"{hashlib.sha256(body.encode()).hexdigest()[:32]}"'
    headers = {**headers, "ETag": tag}
    if known and tag in re.findall(r'"[^"]*"', known):
        return Response(HTTPStatus.NOT_MODIFIED.value, None, "", headers=headers)
    return Response(HTTPStatus.OK.value, JSON, body, headers=headers)


def described(*statuses: HTTPStatus) -> dict[int, Any]:
    """Problems as OpenAPI describes the answers of a route; those that every route can give are among them."""
    every = {*statuses, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.UNPROCESSABLE_ENTITY}
    every |= {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.SERVICE_UNAVAILABLE}
    every |= {HTTPStatus.BAD_REQUEST, HTTPStatus.UNSUPPORTED_MEDIA_TYPE}
    return {
        status.value: {"description": status.phrase, "content": _FORMS.get(status, _OURS)}
        for status in sorted(every)
    }


_PARAMETER = re.compile(r"\\\{\w+\\\}")  # as `re.escape` leaves it
_NAME = "[A-Za-z0-9-]+"


def _scopes(security: Any) -> tuple[str, ...]:
    """The scopes of which a route needs one; raises `ValueError` for a route that anyone could call."""
    scopes = tuple(scope for choice in security or () for scope in choice["token"])
    if not scopes:
        raise ValueError("a route has no scope")
    return scopes


def held(event: Mapping[str, Any]) -> frozenset[str]:
    """The scopes of a caller's token."""
    told = claims(event)
    return frozenset(re.split(r"[\s,\[\]]+", str(told.get("scope") or told.get("scp") or "")))


def _with_own_scopes(event: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """The event of a call whose token has the scopes by Exhibit's own names; those without the prefix are left out."""
    own = " ".join(scope.removeprefix(prefix) for scope in held(event) if scope.startswith(prefix))
    authorizer = {"jwt": {"claims": {**claims(event), "scope": own, "scp": ""}}}
    return {**event, "requestContext": {**event["requestContext"], "authorizer": authorizer}}


def audiences(event: Mapping[str, Any]) -> frozenset[Audience]:
    """The audiences whose briefings a caller may read."""
    scopes = held(event)
    return frozenset(AUDIENCES if READ in scopes else (READ_OF[each] for each in scopes & READ_OF.keys()))


def subject(event: Mapping[str, Any]) -> str | None:
    """Who calls: the subject of the token, or None if it names none. Refused is one that could not be shown."""
    told = str(claims(event).get("sub") or "")
    if len(told) > LONGEST_SUBJECT or not told.isprintable():
        raise Refused(
            HTTPStatus.FORBIDDEN,
            "the token's subject (sub) is too long, or has characters that cannot be printed",
        )
    return told or None


def _check_scope(event: Mapping[str, Any], scopes: Sequence[str]) -> None:
    """Check the scope again: the gateway has, if its routes are as they should be."""
    if not held(event) & {*scopes}:
        raise Refused(HTTPStatus.FORBIDDEN, f"the token lacks the scope {' or '.join(scopes)}")


def _checked(event: Mapping[str, Any], body: Body) -> Mapping[str, Any]:
    """The body of an event, which is known to be of a type and size that is taken; JSON as text that can be parsed."""
    sent = content(event)
    if not body.types:
        if sent:
            raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "this request must have no body: leave it out")
        return {}
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in body.types:
        takes = " or ".join(body.types)
        told = f"the type {kind}" if kind.isascii() and kind.isprintable() and kind else "no readable type"
        detail = f"the body has {told}, which is not accepted: send {takes}"
        raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail, headers={"Accept": ", ".join(body.types)})
    most = MOST_JSON if kind == JSON else body.most
    if len(sent) > most:
        detail = f"the body has {len(sent):,} bytes, over the limit of {most:,}: {body.too_much}"
        raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
    if kind != JSON:
        return {}
    try:
        parsed = read_json(sent)
    except ValueError as error:
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, _unread(error)) from None
    if not isinstance(parsed, dict):
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, "the body is not a JSON object")
    if _depth(parsed) > DEEPEST:
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, f"the body has more than {DEEPEST} levels of nesting")
    # The one spelling of the type that Powertools knows
    return {"body": sent.decode(), "isBase64Encoded": False, "headers": {**headers, "content-type": JSON}}


def _unread(error: ValueError) -> str:
    """Why a body cannot be read, in the parser's own words if there are any."""
    told = "" if isinstance(error, json.JSONDecodeError | UnicodeError) else f": {error}"
    return f"the body is not JSON{told}"


def _depth(value: Any) -> int:
    """How deeply arrays and objects are nested; the parser has limited them."""
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inside is None else 1 + max(map(_depth, inside), default=0)


def _not_valid(error: RequestValidationError) -> Response[str]:
    errors = [
        {"at": ".".join(map(str, each["loc"])), "message": each["msg"].removeprefix("Value error, ")}
        for each in error.errors()
    ]
    return refused(*errors).response()


def _built(response: Response[str]) -> dict[str, Any]:
    headers = {"Content-Type": PROBLEM, **{name: str(value) for name, value in response.headers.items()}}
    body = {"body": response.body, "isBase64Encoded": False}
    return {"statusCode": response.status_code, "headers": headers, "cookies": [], **body}

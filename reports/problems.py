"""What the functions behind the API share: who may call, how much they may send, and problem details (RFC 9457).

Every error is a document of the type `application/problem+json` with `type`, `title`, `status` and `detail`. What is
wrong with a body or a parameter is listed in `errors`, each with where it is (`at`) and what is wrong (`message`).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError, ServiceError
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError
from aws_lambda_powertools.utilities.typing import LambdaContext

from reports.errors import ExhibitError, InvalidRequest, Unavailable

JSON, PROBLEM = "application/json", "application/problem+json"
READ, REQUEST = "briefings:read", "briefings:request"
MOST_JSON = 16 * 2**10  # bytes of a JSON body
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
class Rule:
    """What a call of a route has to bring: a scope, and a body of one of these types, of so many bytes at most."""

    scope: str = READ
    types: Sequence[str] = ()
    most: int = MOST_JSON
    too_much: str = "send less"


class Api:
    """Routes of the API, with what Powertools leaves open: scopes, limits, and problems for every error."""

    def __init__(self, logger: Logger, rules: Mapping[tuple[str, str], Rule]) -> None:
        """Take the rules of routes by method and path; others need the scope for reading and no body."""
        self.app = APIGatewayHttpResolver(enable_validation=True)
        self.logger = logger
        self.rules = rules
        self.app.not_found(self._not_found)
        self.app.exception_handler(RequestValidationError)(_not_valid)
        self.app.exception_handler(ServiceError)(
            lambda error: Refused(HTTPStatus(error.status_code), error.msg).response()
        )
        self.app.exception_handler(Refused)(Refused.response)
        self.app.exception_handler(Exception)(self._failed)

    def answer(self, event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
        """Answer an event of an HTTP API, payload format 2.0."""
        asked = event["requestContext"]["http"]
        rule = self.rules.get((asked["method"], event["rawPath"]), Rule())
        with self.logger.append_context_keys(call=event["requestContext"].get("requestId")):
            try:
                _permitted(event, rule.scope)
                if rule.types:
                    event = {**event, **_checked(event, rule)}
                answer = self.app.resolve(event, context)
            except Refused as refused:
                answer = _built(refused.response())
            except Exception as error:
                answer = _built(self._failed(error))
            self.logger.info("answered", method=asked["method"], status=answer["statusCode"])
        return answer

    def _not_found(self, _: NotFoundError) -> Response[str]:
        event = self.app.current_event
        # Powertools has no public list of its routes
        routes = [*self.app._static_routes, *self.app._dynamic_routes]
        there = {route.method for route in routes if route.rule.match(event.path)}
        if there:
            allow = ", ".join(sorted(there))
            detail = f"{event.http_method} is not a method of this resource: use {allow}"
            return Refused(HTTPStatus.METHOD_NOT_ALLOWED, detail, headers={"Allow": allow}).response()
        return Refused(HTTPStatus.NOT_FOUND, "there is no such resource: /openapi.json lists them").response()

    def _failed(self, error: Exception) -> Response[str]:
        if isinstance(error, InvalidRequest):
            return Refused(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)).response()
        if isinstance(error, Unavailable):
            self.logger.warning(str(error), kind=type(error).__name__)
            detail = "something that has to be asked does not answer: try again"
            later = {"Retry-After": str(AGAIN)}
            return Refused(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers=later).response()
        if isinstance(error, ExhibitError):
            self.logger.error(str(error), kind=type(error).__name__)
        else:
            self.logger.error("internal error", exc_info=error)
        detail = "something is wrong with the service: its log has more"
        return Refused(HTTPStatus.INTERNAL_SERVER_ERROR, detail).response()


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
        raise Refused(HTTPStatus.BAD_REQUEST, "the body did not arrive whole: send it again") from None


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
    # The gateway itself gives these two, in a form of its own
    plain = {HTTPStatus.UNAUTHORIZED, HTTPStatus.TOO_MANY_REQUESTS}
    return {
        status.value: {
            "description": status.phrase,
            "content": {JSON: {"schema": {"type": "object"}}}
            if status in plain
            else {PROBLEM: {"schema": _SCHEMA}},
        }
        for status in sorted(every)
    }


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


def _permitted(event: Mapping[str, Any], scope: str) -> None:
    """Check the scope again: the gateway has, if its routes are as they should be."""
    told = claims(event)
    held = re.split(r"[\s,\[\]]+", str(told.get("scope") or told.get("scp") or ""))
    if scope not in held:
        raise Refused(HTTPStatus.FORBIDDEN, f"the token lacks the scope {scope}")


def _checked(event: Mapping[str, Any], rule: Rule) -> Mapping[str, Any]:
    """The body of an event, which is known to be of a type and size that is taken; JSON as text that can be parsed."""
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in rule.types:
        takes = " or ".join(rule.types)
        detail = f"a body of the type {kind or 'that is not told'} is not taken: send {takes}"
        raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail, headers={"Accept": ", ".join(rule.types)})
    body = content(event)
    most = MOST_JSON if kind == JSON else rule.most
    if len(body) > most:
        detail = f"the body has {len(body):,} bytes, and {most:,} are taken: {rule.too_much}"
        raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
    if kind != JSON:
        return {}
    try:
        text = body.decode()
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, "the body is not JSON that can be read") from None
    if not isinstance(parsed, dict):
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, "the body is not a JSON object")
    # One spelling of the type, which is the one that Powertools knows
    return {"body": text, "isBase64Encoded": False, "headers": {**headers, "content-type": JSON}}


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

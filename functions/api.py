"""The API: creates requests, and reports their state. It makes no briefings and reads no PDFs.

Lambda traces the calls to this function. Tracing the calls that it makes too would add half to a cold start.

Permissions: those of `S3Store`; for the links in its answers, `s3:GetObject` on the briefings and `s3:PutObject` on the
uploads.
"""

import hashlib
import json
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from functools import cache
from http import HTTPStatus
from inspect import signature
from itertools import islice
from typing import Annotated, Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body as Sent
from aws_lambda_powertools.event_handler.openapi.params import Header, Query
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel, ConfigDict, Field

from functions.problems import (
    AGAIN,
    JSON,
    MAY_READ,
    MAY_REQUEST,
    READ,
    REQUEST,
    Api,
    Body,
    Refused,
    audiences,
    described,
    refused,
    shown,
    subject,
)
from reports import __version__
from reports.core.window import Audience, resolve
from reports.service.parts import LINK_SECONDS, MOST_UPLOADED, deployed, inside
from reports.service.requests import (
    LONGEST_ADDRESSEE,
    PageSize,
    RequestId,
    RequestSummary,
    State,
    id_of,
    said,
)
from reports.service.requests import StoredRequest as Asked

BODIES = {"request": Body((JSON,))}
MOST_LISTED = 100
# For readers of the description; `resolve` refuses anything else with a reason
WINDOWS = r"^([0-9]{4}-[0-9]{2}-[0-9]{2}/[0-9]{4}-[0-9]{2}-[0-9]{2}|last-(week|month|quarter|[1-9][0-9]{0,8}-days))$"
# Names contain no control characters, line or paragraph separators, or bidirectional controls
HIDING = r"\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069"
FRESH = {"Cache-Control": "private, no-cache"}  # must be revalidated each time, by its entity tag
NOT_KEPT = {"Cache-Control": "no-store"}

logger = Logger()
router = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]

Known = Annotated[
    str | None, Header(alias="if-none-match", description="The entity tag that the caller already has")
]


class Wanted(BaseModel):
    """A requested briefing."""

    model_config = ConfigDict(extra="forbid", strict=True)

    window: Annotated[
        str,
        Field(
            max_length=40,
            description="FIRST/LAST as YYYY-MM-DD/YYYY-MM-DD, or last-week, last-month, last-quarter, last-N-days: "
            "the last such period that is over when the request arrives",
            json_schema_extra={"pattern": WINDOWS},
        ),
    ]
    audience: Audience
    addressee: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=LONGEST_ADDRESSEE,
            pattern=rf"^[^{HIDING}]*[^\s{HIDING}][^{HIDING}]*$",
            description="Who the briefing is for, instead of the addressee in issuer.yaml",
        ),
    ] = None
    page_size: PageSize = "letter"


def _of(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {JSON: {"schema": schema}}


_TEXT = {"type": "string"}
_DAYS = {"type": "object", "required": ["from", "to"], "properties": {"from": _TEXT, "to": _TEXT}}
_ENTRY = {
    "id": _TEXT,
    "state": {"enum": ["requested", "working", "published", "failed"]},
    "audience": {"enum": ["lawmaker", "regulator"]},
    "window": _DAYS,
    "created": {"type": "string", "format": "date-time"},
    "links": {"type": "object", "additionalProperties": _TEXT},
}
_LISTED = {"type": "object", "required": [*_ENTRY], "properties": _ENTRY}
_LISTING = {
    "type": "object",
    "required": ["briefings", "next"],
    "properties": {
        "briefings": {"type": "array", "items": _LISTED},
        "next": {"type": ["string", "null"], "description": "The cursor for the next page"},
    },
}
_BRIEFING = {
    "type": "object",
    "required": [*_ENTRY, "as_of", "requested_by", "addressee", "page_size", "subject", "deliveries"],
    "properties": {
        **_ENTRY,
        "as_of": {"type": "string", "format": "date-time"},
        "requested_by": _TEXT,
        "addressee": {"type": ["string", "null"]},
        "page_size": {"enum": ["letter", "a4"]},
        "subject": {
            "type": ["string", "null"],
            "description": "Who made the request, according to the token",
        },
        "deliveries": {"type": "integer"},
        "receipt": {
            "type": "object",
            "description": "What was published",
            "properties": {
                "not_yet_counted": {
                    "type": "array",
                    "items": _TEXT,
                    "description": "The evidence objects that arrived while the others were being counted",
                },
            },
        },
        "error": {
            "type": "object",
            "description": "Why it failed",
            "properties": {"kind": _TEXT, "message": _TEXT},
        },
    },
}
_UPLOAD = {
    "type": "object",
    "required": ["upload", "url", "fields", "expires_in", "most_bytes"],
    "properties": {
        "upload": _TEXT,
        "url": _TEXT,
        "fields": {"type": "object", "additionalProperties": _TEXT},
        "expires_in": {"type": "integer"},
        "most_bytes": {"type": "integer"},
    },
}
_LOCATION: Any = {"Location": {"schema": _TEXT}}
_SEE_OTHER: Any = {
    "description": "Where to fetch it, for five minutes",
    "headers": _LOCATION,
    "content": {},
}
_UNCHANGED: Any = {"description": "It has not changed since the caller fetched it", "content": {}}


@router.post(
    "/briefings",
    summary="Request a briefing",
    operation_id="request",
    security=MAY_REQUEST,
    responses={
        202: {"description": "The request was accepted", "headers": _LOCATION, "content": _of(_BRIEFING)},
        **described(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        ),
    },
)
def request(
    wanted: Annotated[Wanted, Sent()],
    key: Annotated[
        str | None,
        Header(
            alias="idempotency-key",
            min_length=1,
            max_length=255,
            description="A key sent again with the same body names the same request",
        ),
    ] = None,
) -> Response[str]:
    """Request a briefing. The days of the window are fixed now; the briefing is made afterwards."""
    now = datetime.now(UTC)
    window = resolve(wanted.window, now)
    id_ = id_of(now, wanted.audience, window, secrets.token_hex(6))
    event = router.current_event.raw_event
    who = subject(event)
    asked = Asked(
        id_, str(window), wanted.audience, said(now), "api", wanted.addressee, wanted.page_size, who
    )
    if key is None:
        _take("briefings", who, now)
        deployed().requests.create(asked)
    else:
        asked = _once(key, wanted, asked, now)
    logger.info("requested", request=asked.id)
    headers = {**NOT_KEPT, "Location": f"/briefings/{asked.id}", "Retry-After": str(AGAIN)}
    return Response(HTTPStatus.ACCEPTED.value, JSON, json.dumps(_answer(asked)), headers=headers)


def _answer(asked: Asked) -> dict[str, Any]:
    """The answer to a caller, in full only if they may also read it."""
    whole = _briefing(asked)
    if asked.audience in audiences(router.current_event.raw_event):
        return whole
    return {key: value for key, value in whole.items() if key not in ("receipt", "error")}


def _once(key: str, wanted: Wanted, asked: Asked, now: datetime) -> Asked:
    """Create a request, or find the one that the caller's key stands for."""
    if asked.subject is None:
        detail = "the token names no subject (sub), so its Idempotency-Key has no owner: leave the key out"
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, detail)
    requests, own = deployed().requests, f"{asked.subject}\n{key}"
    if not requests.knows(own):
        _take("briefings", asked.subject, now)
    body = json.dumps(wanted.model_dump(), sort_keys=True)
    found = requests.create_once(own, hashlib.sha256(body.encode()).hexdigest(), asked)
    if found is None:
        detail = "this Idempotency-Key was already used with another body: use a new one"
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, detail)
    return found


def _take(kind: str, who: str | None, now: datetime) -> None:
    """Count a call against its caller's quota for today."""
    quota = deployed().quota(kind)
    if not quota.take(who, now):
        tomorrow = datetime.combine(now.date() + timedelta(1), time(), UTC)
        detail = f"this caller has reached today's limit of {quota.most:,} {kind} (UTC): try again tomorrow"
        later = {"Retry-After": str(int((tomorrow - now).total_seconds()) + 1)}
        raise Refused(HTTPStatus.TOO_MANY_REQUESTS, detail, headers=later)


@router.get(
    "/briefings",
    summary="List requests, newest first",
    operation_id="list",
    security=MAY_READ,
    responses={
        200: {"description": "A page of requests", "content": _of(_LISTING)},
        **described(),
    },
)
def listing(
    state: Annotated[State | None, Query(description="Only requests in this state")] = None,
    audience: Annotated[Audience | None, Query(description="Only requests for this audience")] = None,
    window: Annotated[str | None, Query(max_length=40, description="Only requests for these days")] = None,
    limit: Annotated[int, Query(ge=1, le=MOST_LISTED, description="The most to return")] = 20,
    cursor: Annotated[
        str | None, Query(max_length=100, description="The `next` value of the previous page")
    ] = None,
) -> Response[str]:
    """List requests by id, newest first. New requests come before the first page and do not shift the others."""
    _refuse_other_parameters()
    days = resolve(window, datetime.now(UTC)) if window is not None else None
    if cursor is not None and RequestId.parse(cursor) is None:
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, "the cursor is not one that a page returned")

    seen = audiences(router.current_event.raw_event)

    def wanted(each: RequestSummary) -> bool:
        return (
            each.name.audience in seen
            and state in (None, each.state)
            and audience in (None, each.name.audience)
            and days in (None, each.name.window)
        )

    parts = [
        f"-{each}-" for each in (audience, days and str(days).replace("-", "").replace("/", "-")) if each
    ]
    page = list(islice(deployed().requests.listed(cursor or "", wanted, parts, state), limit + 1))
    following = page[limit - 1].name.id if len(page) > limit else None
    found = {"briefings": [_entry(each.name, each.state) for each in page[:limit]], "next": following}
    return Response(HTTPStatus.OK.value, JSON, json.dumps(found), headers=FRESH)


def _refuse_other_parameters() -> None:
    """Refuse unknown parameters, because a misspelt filter would filter nothing."""
    known = signature(listing).parameters
    for name in router.current_event.query_string_parameters:
        if name not in known:
            raise refused({"at": f"query.{name}", "message": f"unknown parameter: use {', '.join(known)}"})


@router.get(
    "/briefings/<id>",
    summary="Get the state of a request",
    operation_id="see",
    security=MAY_READ,
    responses={
        200: {"description": "The request and its state", "content": _of(_BRIEFING)},
        304: _UNCHANGED,
        **described(HTTPStatus.NOT_FOUND),
    },
)
def see(id: str, known: Known = None) -> Response[str]:
    """The state of a request and, once it has ended, what was published or why it failed."""
    return shown(_briefing(_found(id)), FRESH, known)


@router.get(
    "/briefings/<id>/document",
    summary="Fetch the PDF",
    operation_id="document",
    security=MAY_READ,
    responses={303: _SEE_OTHER, **described(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)},
)
def document(id: str) -> Response[str]:
    """Redirect to the signed PDF."""
    return _led(_document(id))


@router.get(
    "/briefings/<id>/data",
    summary="Fetch the content of the pages, as data",
    operation_id="data",
    security=MAY_READ,
    responses={303: _SEE_OTHER, **described(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)},
)
def data(id: str) -> Response[str]:
    """Redirect to a copy of `briefing.json`. The signature covers the original, inside the PDF."""
    return _led(inside(_document(id), "briefing.json"))


@router.get(
    "/briefings/<id>/evidence",
    summary="Fetch the record of the evidence behind the figures",
    operation_id="evidence",
    security=MAY_READ,
    responses={303: _SEE_OTHER, **described(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)},
)
def evidence(id: str) -> Response[str]:
    """Redirect to a copy of `evidence.json`. The signature covers the original, inside the PDF."""
    return _led(inside(_document(id), "evidence.json"))


@router.post(
    "/uploads",
    summary="Ask where to upload a PDF for checking",
    operation_id="upload",
    security=MAY_READ,
    responses={
        201: {"description": "A form for one upload", "content": _of(_UPLOAD)},
        **described(),
    },
)
def upload() -> Response[str]:
    """Return a URL and form fields for one upload of a PDF that is too large for `POST /verifications`."""
    who = subject(router.current_event.raw_event)
    _take("uploads", who, datetime.now(UTC))
    id_ = secrets.token_hex(16)
    form = deployed().upload(who, id_)
    found = {"upload": id_, **form, "expires_in": LINK_SECONDS, "most_bytes": MOST_UPLOADED}
    return Response(HTTPStatus.CREATED.value, JSON, json.dumps(found), headers=NOT_KEPT)


@router.get(
    "/openapi.json",
    summary="Get this description",
    operation_id="describe",
    security=MAY_READ,
    responses={
        200: {"description": "OpenAPI 3.1", "content": _of({"type": "object"})},
        304: _UNCHANGED,
        **described(),
    },
)
def describe(known: Known = None) -> Response[str]:
    """Return this description."""
    prefix = deployed().environment.scope_prefix
    return shown(description(prefix), {"Cache-Control": "private, max-age=3600"}, known)


@cache
def description(prefix: str = "") -> Mapping[str, Any]:
    """The OpenAPI 3.1 description of the whole API, including the calls that `functions.verification` answers.

    `prefix` is what the issuer of tokens puts before the name of each scope.
    """
    from functions import verification  # noqa: PLC0415 -- a function of its own, which others need only to tell of it

    whole = Api(logger, router, {}, lambda: prefix).app
    whole.include_router(verification.router)
    text = whole.get_openapi_json_schema(
        title="Exhibit",
        version=__version__,
        description="Request, follow, fetch and check signed briefings on model-distillation campaigns.",
        security_schemes=_schemes(prefix),
    )
    found: dict[str, Any] = json.loads(text)
    for operation in (each for path in found["paths"].values() for each in path.values()):
        operation["security"] = [
            {"token": [f"{prefix}{scope}" for scope in choice["token"]]} for choice in operation["security"]
        ]
    return found


def _schemes(prefix: str) -> Any:
    read, request = f"{prefix}{READ}", f"{prefix}{REQUEST}"
    told = (
        f"A token with the scope {read}; for the briefings of one audience, {read}:lawmaker or {read}:regulator; "
        f"to request briefings, {request}"
    )
    return {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": told}}


def _entry(name: RequestId, state: State) -> dict[str, Any]:
    links = {"self": f"/briefings/{name.id}"}
    if state == "published":
        links |= {each: f"/briefings/{name.id}/{each}" for each in ("document", "data", "evidence")}
    return {
        "id": name.id,
        "state": state,
        "audience": name.audience,
        "window": {"from": str(name.window.first), "to": str(name.window.last)},
        "created": f"{name.created:%Y-%m-%dT%H:%M:%SZ}",
        "links": links,
    }


def _briefing(asked: Asked) -> dict[str, Any]:
    requests, name = deployed().requests, RequestId.parse(asked.id)
    assert name is not None  # noqa: S101 -- it was found by its id
    outcome, deliveries = requests.outcome(asked.id), requests.deliveries(asked.id)
    state: State = outcome.state if outcome else "working" if deliveries else "requested"
    briefing = {
        **_entry(name, state),
        "as_of": asked.as_of,
        "requested_by": asked.requested_by,
        "addressee": asked.addressee,
        "page_size": asked.page_size,
        "subject": asked.subject,
        "deliveries": deliveries,
    }
    if outcome and outcome.receipt:
        briefing["receipt"] = outcome.receipt
    if outcome and outcome.error:
        briefing["error"] = outcome.error
    return briefing


def _found(id: str) -> Asked:
    name = RequestId.parse(id)
    seen = name is not None and name.audience in audiences(router.current_event.raw_event)
    asked = deployed().requests.get(id) if seen else None
    if asked is None:
        raise Refused(HTTPStatus.NOT_FOUND, "there is no such request: GET /briefings lists them")
    return asked


def _document(id: str) -> str:
    """The name of a request's PDF; refused if there is none yet, or never will be."""
    outcome = deployed().requests.outcome(_found(id).id)
    if outcome is None:
        detail = "the briefing is not published yet: try again later"
        raise Refused(HTTPStatus.NOT_FOUND, detail, headers={"Retry-After": str(AGAIN)})
    if outcome.receipt is None:
        detail = f"the request failed, so there is no briefing: GET /briefings/{id} gives the reason"
        raise Refused(HTTPStatus.CONFLICT, detail)
    name: str = outcome.receipt["document"]["name"]
    return name


def _led(name: str) -> Response[str]:
    headers = {**NOT_KEPT, "Location": deployed().link(name)}
    return Response(HTTPStatus.SEE_OTHER.value, None, "", headers=headers)


_api = Api(logger, router, BODIES, lambda: deployed().environment.scope_prefix)


def handler(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Handle an event of the HTTP API."""
    return _api.answer(event, context)

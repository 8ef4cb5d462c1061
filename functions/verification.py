"""`POST /verifications`: what `exhibit verify` says of a PDF.

A separate function, because only it loads the code that reads and checks PDFs. It trusts the issuer's own
roots: that of the signing key, and those of `trust.pem` in the settings.

Permissions: `s3:GetObject` and `s3:ListBucket` on the uploads, and on the settings.
"""

# ruff: noqa: PLC0415

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools import Logger, Tracer
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter
from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.problems import JSON, MAY_READ, Api, Body, Refused, audiences, content, described, subject
from reports.core.window import AUDIENCES, Audience
from reports.service.parts import MOST_UPLOADED, deployed

PDF = "application/pdf"
MOST_SENT = 4_500_000  # bytes of a PDF; as base64 they stay below the 6 MB that Lambda takes
UPLOAD_INSTEAD = "create an upload with POST /uploads, and send its id"
BODIES = {"verify": Body((PDF, JSON), MOST_SENT, UPLOAD_INSTEAD)}

_VERDICTS = {
    "type": "object",
    "required": ["file", "verdicts"],
    "properties": {
        "file": {
            "type": "object",
            "required": ["sha256", "size"],
            "properties": {"sha256": {"type": "string"}, "size": {"type": "integer"}},
        },
        "briefing_bytes": {"type": "integer"},
        "verdicts": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["check", "outcome", "detail"],
                "properties": {
                    "check": {"type": "string"},
                    "outcome": {"enum": ["valid", "invalid", "could not be checked"]},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}
_UPLOADED = {
    "type": "object",
    "required": ["upload"],
    "properties": {"upload": {"type": "string", "pattern": "^[0-9a-f]{32}$"}},
    "additionalProperties": False,
}

logger = Logger()
tracer = Tracer(patch_modules=("botocore",))
router = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]


@router.post(
    "/verifications",
    summary="Check a PDF",
    operation_id="verify",
    security=MAY_READ,
    openapi_extensions={
        "requestBody": {
            "required": True,
            "content": {
                PDF: {"schema": {"type": "string", "format": "binary"}},
                JSON: {"schema": _UPLOADED},
            },
        }
    },
    responses={
        200: {"description": "The verdicts, whether good or bad", "content": {JSON: {"schema": _VERDICTS}}},
        **described(
            HTTPStatus.NOT_FOUND,
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        ),
    },
)
def verify() -> Response[str]:
    """Give the verdicts of `exhibit verify` on a PDF: of any bytes, signed or not."""
    from reports.verification.verify import judge

    event = router.current_event.raw_event
    pdf = _pdf(event)
    _check_audience(pdf, audiences(event))
    parts = deployed()
    trust = (*(parts.chain()[-1:] if parts.settings.get("chain.pem") else ()), *parts.trust())
    judged = judge(pdf, trust or None, datetime.now(UTC))
    file = {"sha256": hashlib.sha256(pdf).hexdigest(), "size": len(pdf)}
    length = {} if judged.briefing_bytes is None else {"briefing_bytes": judged.briefing_bytes}
    found = {"file": file, **length, "verdicts": [asdict(verdict) for verdict in judged.verdicts]}
    return Response(200, JSON, json.dumps(found), headers={"Cache-Control": "no-store"})


def _pdf(event: Mapping[str, Any]) -> bytes:
    """The PDF in a call, or the one that was uploaded before."""
    headers = {name.lower(): value for name, value in event["headers"].items()}
    if not headers["content-type"].startswith(JSON):
        return content(event)
    asked = json.loads(content(event))
    id_ = asked.get("upload")
    if asked.keys() != {"upload"} or not isinstance(id_, str) or not _is_id(id_):
        errors = [{"at": "body.upload", "message": "not the id of an upload: POST /uploads gives one"}]
        detail = "body.upload: not the id of an upload: POST /uploads gives one"
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, detail, errors=errors)
    pdf = deployed().uploaded(subject(event), id_)
    if pdf is None:
        raise Refused(
            HTTPStatus.NOT_FOUND, f"no upload {id_} was found, or it has expired: upload the file again"
        )
    if len(pdf) > MOST_UPLOADED:
        raise Refused(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"files over {MOST_UPLOADED:,} bytes are not checked"
        )
    return pdf


def _check_audience(pdf: bytes, seen: Collection[Audience]) -> None:
    """Refuse a briefing for another audience as if it did not exist; anything else may be checked."""
    from reports.core.json_text import read_json
    from reports.verification.attachments import attached

    if len(seen) == len(AUDIENCES):
        return
    try:
        audience = read_json(attached(pdf)["briefing.json"])["audience"]
    except Exception:  # any bytes may be sent: the verdicts say what is wrong with them
        return
    if audience in AUDIENCES and audience not in seen:
        raise Refused(HTTPStatus.NOT_FOUND, "this caller has no such briefing to read")


def _is_id(text: str) -> bool:
    return len(text) == 32 and set(text) <= set("0123456789abcdef")


_api = Api(logger, router, BODIES, lambda: deployed().environment.scope_prefix)


@tracer.capture_lambda_handler(capture_response=False)
def handler(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Take an event of the HTTP API."""
    return _api.answer(event, context)

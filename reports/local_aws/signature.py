"""AWS's Signature Version 4: whether a call brings the signature of a key pair, in a header, a link or a form.

What a call should bring is computed by botocore, which signs for its callers.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hmac import compare_digest
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs

from botocore import auth  # type: ignore[import-untyped]
from botocore.awsrequest import AWSRequest  # type: ignore[import-untyped]
from botocore.credentials import Credentials  # type: ignore[import-untyped]
from werkzeug.datastructures import EnvironHeaders
from werkzeug.formparser import parse_form_data
from werkzeug.wsgi import get_input_stream

APART = timedelta(minutes=15)  # of the clocks of who signs and who checks
NOT_IN_A_POLICY = {"policy", "x-amz-signature"}  # of a form's fields

_CREDENTIAL = re.compile(r"([^/]+)/(\d{8})/([a-z0-9-]+)/([a-z0-9-]+)/aws4_request", re.ASCII)
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(\S+), ?SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})", re.ASCII
)
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Key:
    """A key pair; what is signed with it is accepted, and nothing else."""

    secret: str = field(default_factory=lambda: secrets.token_hex(20), repr=False)
    id: str = "local"

    @property
    def variables(self) -> dict[str, str]:
        """The variables in which AWS's clients look for it."""
        return {"AWS_ACCESS_KEY_ID": self.id, "AWS_SECRET_ACCESS_KEY": self.secret}

    def has_signed(self, environ: dict[str, Any], now: datetime) -> bool:
        """Whether a call brings its signature, and in time. What the call says is read, and put back."""
        body = get_input_stream(environ).read()
        environ["wsgi.input"] = BytesIO(body)
        call = _Call(environ, EnvironHeaders(environ), body, now)
        try:
            if "Authorization" in call.headers:
                return self._by_header(call)
            return self._by_form(call) if call.is_form else self._by_link(call)
        except (ValueError, KeyError, TypeError):
            return False

    def _by_header(self, call: _Call) -> bool:
        match = _AUTHORIZATION.fullmatch(call.headers["Authorization"])
        if match is None:
            return False
        credential, names, signature = match.groups()
        stated = call.headers.get("X-Amz-Content-SHA256", "")
        if _DIGEST.fullmatch(stated) and stated != hashlib.sha256(call.body).hexdigest():
            return False
        date = call.headers["X-Amz-Date"]
        signer = self._signer(credential, date, auth.S3SigV4Auth, auth.SigV4Auth)
        fresh = abs(call.now - _instant(date)) <= APART
        return fresh and compare_digest(_expected(signer, call, call.query, names, date), signature)

    def _by_link(self, call: _Call) -> bool:
        said = {name: values[-1] for name, values in parse_qs(call.query).items()}
        date, names = said["X-Amz-Date"], said["X-Amz-SignedHeaders"]
        signer = self._signer(said["X-Amz-Credential"], date, auth.S3SigV4QueryAuth, auth.SigV4QueryAuth)
        signed = "&".join(each for each in call.query.split("&") if not each.startswith("X-Amz-Signature="))
        left = _instant(date) + timedelta(seconds=int(said["X-Amz-Expires"])) - call.now
        expected = _expected(signer, call, signed, names, date)
        return left >= timedelta(0) and compare_digest(expected, said["X-Amz-Signature"])

    def _by_form(self, call: _Call) -> bool:
        """Whether the form's policy is signed, and allows just this upload."""
        _, fields, files = parse_form_data(
            {**call.environ, "wsgi.input": BytesIO(call.body)}, stream_factory=lambda *_, **__: BytesIO()
        )
        date, policy = fields["x-amz-date"], fields["policy"]
        request = AWSRequest()
        request.context["timestamp"] = date
        signer = self._signer(fields["x-amz-credential"], date, auth.S3SigV4PostAuth, auth.S3SigV4PostAuth)
        if not compare_digest(signer.signature(policy, request), fields["x-amz-signature"]):
            return False
        stated = json.loads(base64.b64decode(policy, validate=True))
        given = {**fields.to_dict(), "bucket": call.path.strip("/")}
        size = len(files["file"].read())
        return (
            not call.own_headers
            and call.now <= datetime.fromisoformat(stated["expiration"])
            and {*given} <= {*NOT_IN_A_POLICY, *_fields_of(stated["conditions"])}
            and all(_met(each, given, size) for each in stated["conditions"])
        )

    def _signer(self, credential: str, date: str, s3: Callable[..., Any], other: Callable[..., Any]) -> Any:
        """Who signs in a credential's scope; raises `ValueError` for another key's or a scope of another day."""
        match = _CREDENTIAL.fullmatch(credential)
        if match is None or match[1] != self.id or not date.startswith(match[2]):
            raise ValueError(credential)
        kind = s3 if match[4] == "s3" else other
        return kind(Credentials(self.id, self.secret), match[4], match[3])


@dataclass(frozen=True, slots=True)
class _Call:
    environ: dict[str, Any]
    headers: EnvironHeaders
    body: bytes
    now: datetime

    @property
    def method(self) -> str:
        return str(self.environ["REQUEST_METHOD"])

    @property
    def path(self) -> str:
        """The path as it was sent, which is what was signed."""
        return str(self.environ["REQUEST_URI"]).partition("?")[0]

    @property
    def query(self) -> str:
        return str(self.environ["QUERY_STRING"])

    @property
    def is_form(self) -> bool:
        return self.method == "POST" and self.headers.get("Content-Type", "").startswith("multipart/")

    @property
    def own_headers(self) -> set[str]:
        """The names of its headers that say something to AWS: none of them may go unsigned."""
        return {name.lower() for name, _ in self.headers if name.lower().startswith("x-amz-")}


def _expected(signer: Any, call: _Call, query: str, names: str, date: str) -> str:
    """The signature over a call and those of its headers that have these names."""
    signed = names.split(";")
    if not {"host", *call.own_headers} <= {*signed}:
        raise ValueError(names)
    request = AWSRequest(
        method=call.method,
        url=f"http://{call.headers['Host']}{call.path}?{query}",
        headers={name: call.headers[name] for name in signed},
        data=call.body,
    )
    request.context["timestamp"] = date
    found: str = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    return found


def _instant(date: str) -> datetime:
    return datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)


def _fields_of(conditions: Sequence[Any]) -> Iterator[str]:
    return (name for each in conditions if isinstance(each, dict) for name in each)


def _met(condition: Any, fields: Mapping[str, str], size: int) -> bool:
    """Whether an upload meets a condition of a policy: a field's value, or the range of its size."""
    if isinstance(condition, dict):
        return all(fields.get(name) == value for name, value in condition.items())
    kind, least, most = condition
    return bool(kind == "content-length-range" and least <= size <= most)

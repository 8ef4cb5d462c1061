"""Calls of the API made up from its own description, sound ones and others, and what is answered.

`python -m tests.soak.fuzzing SECONDS [SEED]` calls a deployment for so long, prints how often each operation answered
with which status, and stops at the first answer that is not as it has to be.
"""

import logging
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from reports.service.quotas import digest_of
from tests.support import pki
from tests.support.aws import account, client
from tests.support.system import System, deployment, variables

schemathesis.openapi.media_type("application/pdf", st.binary() | st.binary().map(b"%PDF-1.7".__add__))

CHECKS = [
    not_a_server_error,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
]
SOUND = {
    "POST /briefings": 202,
    "GET /briefings": 200,
    "GET /briefings/{id}": 200,
    "GET /briefings/{id}/document": 303,
    "GET /briefings/{id}/data": 303,
    "GET /briefings/{id}/evidence": 303,
    "POST /uploads": 201,
    "POST /verifications": 200,
}
Answered = Counter[tuple[str, int]]


@dataclass(frozen=True)
class Known:
    """What a caller can name: three requests (one is published, one waits, one has failed), and an upload."""

    requests: tuple[str, ...]
    upload: str = "0123456789abcdef" * 2

    @classmethod
    def to(cls, system: System) -> Self:
        """Have them made."""
        published, waiting, failed = (system.requested() for _ in range(3))
        system.delivered(f"requests/{published}.json")
        system.parts.requests.fail(failed, {"kind": "InvalidSettings", "message": "there is no certificate"})
        bucket = system.parts.environment.uploads_bucket
        key = f"uploads/{digest_of('one')}/{cls.upload}.pdf"
        client("s3").put_object(Bucket=bucket, Key=key, Body=b"%PDF-1.7")
        return cls((published, waiting, failed))


def fuzz(system: System, mode: GenerationMode, known: Known, most: int, start: int = 0) -> Answered:
    """Call each operation up to so many times, with what is known in some calls; how often which status was answered.

    `GET /openapi.json` is called once, for it is what the calls are made from.

    No answer is a server error, each is as the API describes it, and each error is a problem document.
    """
    schema = schemathesis.openapi.from_wsgi("/openapi.json", system.gateway())
    answered: Answered = Counter()
    for operation in (result.ok() for result in schema.get_all_operations() if isinstance(result, Ok)):

        @seed(start)
        @settings(
            max_examples=most,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        # The published one twice: what is drawn changes with each literal in the code, and it is to be drawn at all
        @given(
            case=operation.as_strategy(generation_mode=mode),
            named=st.sampled_from([None, known.requests[0], *known.requests]),
        )
        def call(case: "schemathesis.Case[Any]", named: str | None) -> None:
            if named and "id" in case.path_parameters:
                case.path_parameters["id"] = named
            if named and isinstance(case.body, dict) and "upload" in case.body:
                case.body["upload"] = known.upload
            response = case.call_and_validate(checks=CHECKS)
            answered[f"{case.method} {case.path}", response.status_code] += 1
            if response.status_code >= 400:
                assert response.headers["content-type"] == ["application/problem+json"]

        try:
            call()
        except Unsatisfiable:  # nothing unsound can be sent to a route that takes nothing
            assert mode is GenerationMode.NEGATIVE
    return answered


@contextmanager
def standing() -> Iterator[System]:
    """A deployment that can publish, outside of any test."""
    with (
        tempfile.TemporaryDirectory() as keys,
        pki.serving(Path(keys)) as network,
        account(),
        pytest.MonkeyPatch.context() as patch,
    ):
        yield deployment(variables(network), patch).make_ready(network)


def main(seconds: float, start: int) -> None:
    logging.disable()
    drawn, ends = random.Random(start), time.monotonic() + seconds  # noqa: S311
    answered: Answered = Counter()
    with standing() as system:
        known = Known.to(system)
        while time.monotonic() < ends:
            for mode in GenerationMode:
                answered += fuzz(system, mode, known, 100, drawn.getrandbits(32))
    for (operation, status), count in sorted(answered.items()):
        print(f"{operation:32} {status} {count:8,}")
    print(
        f"{answered.total():,} calls: no server error, each answer as described, each error a problem document"
    )


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)

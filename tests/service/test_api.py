"""The API: what each call answers, who may call, and a problem document for every error."""

import io
import json
import subprocess
import sys
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests as http
from openapi_spec_validator import validate
from pypdf import PdfWriter
from schemathesis import GenerationMode

from functions import api, verification
from functions.problems import MOST_JSON
from reports.core.errors import InvalidSettings, Unavailable
from reports.local_aws.gateway import Answer
from reports.service.requests import RequestId
from tests.soak.fuzzing import SOUND, Known, fuzz
from tests.support.publishing import ROOT
from tests.support.system import WINDOW, System, deployment
from tests.support.tools import PATIENCE

WANTED = {"window": WINDOW, "audience": "lawmaker"}
HEAVY = (
    "weasyprint",
    "pyhanko",
    "duckdb",
    "sqlglot",
    "cryptography",
    "jinja2",
    "reports.core.settings",
    "aws_xray_sdk",
)


def problem(answer: Answer, status: int, says: str = "") -> dict[str, Any]:
    """The problem document that an answer has to be."""
    assert answer.status == status, answer.body
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json
    assert document["status"] == status
    assert {"type", "title", "status", "detail"} <= set(document)
    assert says in document["detail"]
    assert "Traceback" not in answer.body.decode()
    return dict(document)


@pytest.fixture
def published(system: System) -> str:
    id_ = system.requested()
    system.delivered(f"requests/{id_}.json")
    return id_


def test_asked_for(bare: System) -> None:
    """A briefing that is asked for is a request, whose place the answer tells; nothing else is written."""
    answer = bare.call("POST", "/briefings", json={**WANTED, "addressee": "The Committee", "page_size": "a4"})
    assert answer.status == 202
    id_ = answer.json["id"]
    assert answer.headers["location"] == f"/briefings/{id_}"
    assert bare.kept("") == [f"requests/{id_}.json"]
    asked = bare.parts.requests.get(id_)
    assert asked is not None
    assert (asked.window, asked.addressee, asked.page_size) == (WINDOW, "The Committee", "a4")
    assert asked.requested_by == "api"
    assert bare.call("GET", answer.headers["location"]).json == answer.json


def test_windows_are_settled_at_once(bare: System) -> None:
    """A named window becomes the days that it means at the moment of the call."""
    answer = bare.call("POST", "/briefings", json={**WANTED, "window": "last-7-days"})
    name = RequestId.parse(answer.json["id"])
    assert name is not None
    assert len(name.window) == 7
    assert (name.created.date() - name.window.last).days == 1


def test_followed_to_its_end(system: System, published: str) -> None:
    """A request is requested, then published, with its receipt, its links, and three places to fetch from."""
    waiting = system.requested(audience="regulator")
    before, after = (system.call("GET", f"/briefings/{id_}").json for id_ in (waiting, published))
    assert (before["state"], before["deliveries"]) == ("requested", 0)
    assert before["links"] == {"self": f"/briefings/{waiting}"}
    assert (after["state"], after["deliveries"]) == ("published", 1)
    assert after["receipt"]["report_number"] == "EX-20260501-20260507-L"
    stem = after["receipt"]["document"]["name"].removesuffix(".pdf")
    names = {"document": f"{stem}.pdf", "data": f"{stem}.briefing.json", "evidence": f"{stem}.evidence.json"}
    for link, name in names.items():
        answer = system.call("GET", after["links"][link])
        assert (answer.status, answer.headers["cache-control"]) == (303, "no-store")
        assert http.get(answer.headers["location"], timeout=PATIENCE).content == system.read(
            f"briefings/{name}"
        )
        query = parse_qs(urlsplit(answer.headers["location"]).query)
        assert query["X-Amz-Expires"] == ["300"]
        assert query["response-content-disposition"] == [f'inline; filename="{name}"']


def test_no_document(bare: System) -> None:
    """While there is no document it is not found, and to be asked for again; where there never will be, a conflict."""
    id_ = bare.requested()
    for path in ("document", "data", "evidence"):
        answer = bare.call("GET", f"/briefings/{id_}/{path}")
        problem(answer, 404, "not published yet")
        assert answer.headers["retry-after"] == "30"
    bare.parts.requests.fail(id_, {"kind": "InvalidSettings", "message": "there is no certificate"})
    problem(bare.call("GET", f"/briefings/{id_}/document"), 409, f"/briefings/{id_} gives the reason")
    seen = bare.call("GET", f"/briefings/{id_}").json
    assert (seen["state"], seen["error"]["message"]) == ("failed", "there is no certificate")


def test_known_by_its_tag(bare: System) -> None:
    """A request that has not changed is not sent again to who knows its entity tag."""
    path = f"/briefings/{bare.requested()}"
    first = bare.call("GET", path)
    again = bare.call("GET", path, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status, again.body) == (304, b"")
    bare.parts.requests.fail(path.rpartition("/")[2], {"kind": "X", "message": "y"})
    assert bare.call("GET", path, headers={"If-None-Match": first.headers["etag"]}).status == 200


def test_the_same_key_asks_once(bare: System) -> None:
    """The same key with the same body stands for one request; with another body it is refused; callers are apart."""

    def ask(sub: str = "one", **wanted: str) -> Answer:
        headers = {"Idempotency-Key": "k-1"}
        return bare.call("POST", "/briefings", sub=sub, json={**WANTED, **wanted}, headers=headers)

    first, again = ask(), ask()
    assert (again.status, again.json) == (202, first.json)
    problem(ask(audience="regulator"), 422, "Idempotency-Key")
    assert ask(sub="two").json["id"] != first.json["id"]
    assert len(bare.kept("requests/")) == 2
    assert bare.requested() != bare.requested()


def test_an_audience_sees_its_own(system: System, published: str) -> None:
    """A token for one audience sees the requests and briefings for that audience; the others are not there for it."""
    other = system.requested(audience="regulator")
    system.delivered(f"requests/{other}.json")
    pdf = {}
    for id_ in (published, other):
        receipt = system.call("GET", f"/briefings/{id_}").json["receipt"]
        pdf[id_] = system.read(f"briefings/{receipt['document']['name']}")
    for own, foreign, scope in (
        (published, other, "briefings:read:lawmaker"),
        (other, published, "briefings:read:regulator"),
    ):
        listed = system.call("GET", "/briefings", scope=scope).json["briefings"]
        assert [each["id"] for each in listed] == [own]
        for path in ("", "/document", "/data", "/evidence"):
            assert system.call("GET", f"/briefings/{own}{path}", scope=scope).status in (200, 303)
            gone = system.call("GET", f"/briefings/{foreign}{path}", scope=scope)
            nothing = system.call("GET", f"/briefings/{foreign[:-12]}{'0' * 12}{path}", scope=scope)
            assert problem(gone, 404) == problem(nothing, 404)
        for id_, status in ((own, 200), (foreign, 404)):
            pdf_type = {"content-type": "application/pdf"}
            answer = system.call("POST", "/verifications", scope=scope, body=pdf[id_], headers=pdf_type)
            assert answer.status == status
    assert len(system.call("GET", "/briefings", scope="briefings:read").json["briefings"]) == 2


def test_who_asks_is_told_what_it_may_read(system: System) -> None:
    """Who may ask and not read learns where to follow the request, and nothing of what became of it."""
    wanted: dict[str, Any] = {"json": WANTED, "headers": {"Idempotency-Key": "k"}}
    id_ = system.call("POST", "/briefings", **wanted).json["id"]
    system.delivered(f"requests/{id_}.json")
    for scope, told in (
        ("briefings:request", False),
        ("briefings:request briefings:read:regulator", False),
        ("briefings:request briefings:read:lawmaker", True),
        ("briefings:request briefings:read", True),
    ):
        answer = system.call("POST", "/briefings", scope=scope, **wanted).json
        assert (answer["id"], answer["state"], "receipt" in answer) == (id_, "published", told)


def test_who_asked(bare: System) -> None:
    """Who asked is kept with the request and shown; a token that names nobody asks too, but not with a key."""
    for sub, told in (("one", "one"), ("Ünal 1|x", "Ünal 1|x"), ("", None)):
        id_ = bare.call("POST", "/briefings", sub=sub, json=WANTED).json["id"]
        assert bare.call("GET", f"/briefings/{id_}").json["subject"] == told
        assert json.loads(bare.read(f"requests/{id_}.json"))["subject"] == told
    keyed = bare.call("POST", "/briefings", sub="", json=WANTED, headers={"Idempotency-Key": "k"})
    problem(keyed, 422, "no subject")
    for sub in ("a\nb", "x" * 256):
        problem(bare.call("POST", "/briefings", sub=sub, json=WANTED), 403, "subject")
    assert len(bare.kept("requests/")) == 3


def test_quotas(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A caller may ask for so many briefings and uploads a day; others may too, and what was asked is answered."""
    bare = deployment({**environment, "EXHIBIT_CALLER_QUOTA": "2"}, monkeypatch)

    def ask(key: str, sub: str = "one") -> Answer:
        return bare.call("POST", "/briefings", sub=sub, json=WANTED, headers={"Idempotency-Key": key})

    assert [ask(key).status for key in ("a", "a", "b", "a", "b")] == [202] * 5
    refused = ask("c")
    problem(refused, 429, "limit of 2 briefings")
    assert 0 < int(refused.headers["retry-after"]) <= 86_400
    problem(bare.call("POST", "/briefings", json=WANTED), 429)
    assert (ask("a").status, ask("c", sub="two").status) == (202, 202)
    assert [bare.call("POST", "/uploads").status for _ in range(3)] == [201, 201, 429]
    assert len(bare.kept("requests/")) == 3


def test_listed(bare: System) -> None:
    """Requests are listed the newest first, a page at a time, and by state, audience and window."""
    ids = [bare.requested(audience=audience) for audience in ("lawmaker", "regulator") * 3]
    other = bare.requested(window="2026-05-01/2026-05-08")
    for id_ in ids[:2]:
        bare.parts.requests.publish(id_, {})
    bare.parts.requests.fail(ids[2], {})
    newest = [other, *reversed(ids)]
    newest.sort(key=lambda id_: id_[:13])

    def listed(query: str) -> list[str]:
        return [each["id"] for each in bare.call("GET", "/briefings", query=query).json["briefings"]]

    assert listed("") == newest
    assert set(listed("state=published")) == set(ids[:2])
    assert listed("state=failed&audience=lawmaker") == [ids[2]]
    assert listed("window=2026-05-01/2026-05-08") == [other]
    assert set(listed("audience=regulator")) == set(ids[1::2])
    pages, query = [], "limit=3"
    while query:
        page = bare.call("GET", "/briefings", query=query).json
        pages.append([each["id"] for each in page["briefings"]])
        query = f"limit=3&cursor={page['next']}" if page["next"] else ""
    assert pages == [newest[:3], newest[3:6], newest[6:]]


def test_unknown_filters_are_refused(bare: System) -> None:
    """A misspelt parameter is refused, because it would filter nothing."""
    answer = bare.call("GET", "/briefings", query="audience=regulator&statee=failed")
    problem(answer, 422, "query.statee")
    assert [each["at"] for each in answer.json["errors"]] == ["query.statee"]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 9000, "not JSON"),
        (b"[]", "not a JSON object"),
        (b"{}", "body.window"),
        (json.dumps({**WANTED, "audience": "press"}).encode(), "body.audience"),
        (json.dumps({**WANTED, "secret": 1}).encode(), "body.secret"),
        *(
            (json.dumps({**WANTED, "addressee": f"a{hiding}b"}).encode(), "body.addressee")
            for hiding in "\n\t\0\x1b\x7f\x85\x9f\u2028\u2029\u202a\u202e\u2066\u2069"
        ),
        (json.dumps({**WANTED, "addressee": "\x1b"}).encode(), "body.addressee"),
        (json.dumps({**WANTED, "addressee": " "}).encode(), "body.addressee"),
        (b'{"window": "last-week", "audience": "lawmaker", "audience": "regulator"}', "a key appears twice"),
        (b'{"window": {"a": 1, "a": 1}, "audience": "lawmaker"}', "a key appears twice"),
        (b'{"window": NaN, "audience": "lawmaker"}', "not a number"),
        (json.dumps({**WANTED, "more": [[[[[[[[1]]]]]]]]}).encode(), "more than 8 levels of nesting"),
        (json.dumps({**WANTED, "window": "2026-02-30/2026-03-01"}).encode(), "not in the calendar"),
        (json.dumps({**WANTED, "window": "2999-01-01/2999-01-02"}).encode(), "not over"),
        (json.dumps({**WANTED, "window": "last-999999999-days"}).encode(), "beyond the calendar"),
        (b'{"window": "last-week", "audience": "lawmaker", "addressee": "\\ud800"}', ""),
    ],
)
def test_bodies_that_are_wrong(bare: System, body: bytes, says: str) -> None:
    """A body that is wrong is refused with where and why, and nothing is created."""
    problem(
        bare.call("POST", "/briefings", body=body, headers={"content-type": "application/json"}), 422, says
    )
    assert bare.kept("") == []


@pytest.mark.parametrize(
    "addressee", ["The Committee", "Комитет", "委员会", "می\u200cخواهم", "\u200eA\u200f", "a\xa0b"]
)
def test_addressees_in_any_script(bare: System, addressee: str) -> None:
    """A name in any script is taken as it is, with the marks that its writing needs."""
    id_ = bare.requested(addressee=addressee)
    assert bare.call("GET", f"/briefings/{id_}").json["addressee"] == addressee


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/briefings"), ("GET", "/openapi.json"), ("POST", "/uploads")]
)
def test_bodies_that_nobody_reads(bare: System, method: str, path: str) -> None:
    """A body that a call does not take is refused, for otherwise it would say nothing."""
    problem(bare.call(method, path, json={}), 415, "no body")
    assert bare.call(method, path).status in (200, 201)


def test_verifications_take_a_key_once(bare: System) -> None:
    """A body of `POST /verifications` is read as strictly as one of `POST /briefings`."""
    twice = b'{"upload": "%s", "upload": "%s"}' % (b"0" * 32, b"1" * 32)
    answer = bare.call("POST", "/verifications", body=twice, headers={"content-type": "application/json"})
    problem(answer, 422, "a key appears twice")


def test_early_years(bare: System) -> None:
    """Days of the first centuries are days."""
    id_ = bare.requested(window="0999-01-01/0999-01-02")
    assert bare.call("GET", f"/briefings/{id_}").json["window"] == {"from": "0999-01-01", "to": "0999-01-02"}


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=101",
        "limit=x",
        "state=lost",
        "audience=press",
        "window=never",
        "cursor=x",
        "cursor=",
    ],
)
def test_queries_that_are_wrong(bare: System, query: str) -> None:
    """A parameter that is wrong is refused."""
    problem(bare.call("GET", "/briefings", query=query), 422)


def test_errors_of_the_protocol(bare: System) -> None:
    """Wrong paths, methods, types and sizes are problems as well."""
    problem(bare.call("GET", "/nothing"), 404, "/openapi.json")
    problem(bare.call("GET", "/briefings/nothing"), 404, "GET /briefings")
    unknown = f"/briefings/8218489599999-lawmaker-20260601-20260607-{'0' * 12}"
    problem(bare.call("GET", unknown), 404)
    refused = bare.call("DELETE", "/briefings")
    problem(refused, 405)
    assert refused.headers["allow"] == "GET, POST"
    problem(bare.call("POST", "/briefings", body=b"window=last-week"), 415, "application/json")
    large = json.dumps({**WANTED, "addressee": "x" * MOST_JSON}).encode()
    json_type = {"content-type": "application/json; charset=utf-8"}
    problem(bare.call("POST", "/briefings", body=large, headers=json_type), 413)
    pdf_type = {"content-type": "application/pdf"}
    sent = bare.call("POST", "/verifications", body=bytes(verification.MOST_SENT + 1), headers=pdf_type)
    problem(sent, 413, "POST /uploads")


@pytest.mark.parametrize(
    ("method", "path", "needed"),
    [
        ("POST", "/briefings", "briefings:request"),
        ("GET", "/briefings", "briefings:read"),
        ("GET", "/briefings/x", "briefings:read"),
        ("GET", "/openapi.json", "briefings:read"),
        ("POST", "/uploads", "briefings:read"),
        ("POST", "/verifications", "briefings:read"),
    ],
)
def test_scopes(bare: System, method: str, path: str, needed: str) -> None:
    """A token without the scope of a route is refused, whatever other scopes it has."""
    for scope in (
        "",
        f"{needed}s",
        "briefings",
        "briefings:read" if "request" in needed else "briefings:request",
    ):
        problem(bare.call(method, path, scope=scope, body=b"?"), 403, needed)
    assert bare.call(method, path, scope=f"openid {needed}", body=b"?").status != 403


@pytest.mark.parametrize(
    ("error", "status"),
    [(Unavailable("x"), 503), (InvalidSettings("secret"), 500), (KeyError("secret"), 500)],
)
def test_faults(bare: System, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int) -> None:
    """What goes wrong inside is a problem that says nothing of the inside."""

    def fail() -> None:
        raise error

    monkeypatch.setattr(api, "deployed", fail)
    answer = bare.call("GET", "/briefings")
    assert "secret" not in problem(answer, status)["detail"]
    assert answer.headers.get("retry-after") == ("30" if status == 503 else None)


def test_described(bare: System) -> None:
    """The description is valid OpenAPI 3.1, and has each route with its scope and its problems."""
    answer = bare.call("GET", "/openapi.json")
    description = answer.json
    validate(description)
    assert description["openapi"].startswith("3.1")
    routes = {
        (method.upper(), path, operation["security"][0]["token"][0])
        for path, operations in description["paths"].items()
        for method, operation in operations.items()
    }
    assert routes == {
        ("POST", "/briefings", "briefings:request"),
        ("GET", "/briefings", "briefings:read"),
        ("GET", "/briefings/{id}", "briefings:read"),
        ("GET", "/briefings/{id}/document", "briefings:read"),
        ("GET", "/briefings/{id}/data", "briefings:read"),
        ("GET", "/briefings/{id}/evidence", "briefings:read"),
        ("GET", "/openapi.json", "briefings:read"),
        ("POST", "/uploads", "briefings:read"),
        ("POST", "/verifications", "briefings:read"),
    }
    for operations in description["paths"].values():
        for operation in operations.values():
            assert "application/problem+json" in operation["responses"]["422"]["content"]
    assert bare.call("GET", "/openapi.json", headers={"if-none-match": answer.headers["etag"]}).status == 304


def test_verified(system: System, published: str) -> None:
    """A published PDF has four valid verdicts, sent or uploaded; changed, and its integrity is not valid.

    What one caller has uploaded is not there for another.
    """
    receipt = system.call("GET", f"/briefings/{published}").json["receipt"]
    pdf = system.read(f"briefings/{receipt['document']['name']}")
    sent = system.call("POST", "/verifications", body=pdf, headers={"content-type": "application/pdf"})
    assert sent.json["file"] == {"sha256": receipt["document"]["sha256"], "size": len(pdf)}
    assert [(v["check"], v["outcome"]) for v in sent.json["verdicts"]] == [
        (check, "valid") for check in ("integrity", "signer", "time-stamp", "attachments")
    ]
    form = system.call("POST", "/uploads")
    assert form.status == 201
    posted = http.post(form.json["url"], data=form.json["fields"], files={"file": pdf}, timeout=PATIENCE)
    assert posted.status_code == 204
    uploaded = system.call("POST", "/verifications", json={"upload": form.json["upload"]})
    assert uploaded.json == sent.json
    others = system.call("POST", "/verifications", sub="other", json={"upload": form.json["upload"]})
    problem(others, 404, "upload the file again")
    tampered = system.call(
        "POST", "/verifications", body=pdf + b"\n", headers={"content-type": "application/pdf"}
    )
    assert tampered.json["verdicts"][0]["outcome"] == "invalid"


def test_any_bytes_have_verdicts(bare: System) -> None:
    """Bytes that are no PDF, and a PDF that nobody signed, have verdicts too, before there is any certificate."""
    empty = io.BytesIO()
    PdfWriter().write(empty)
    for body in (b"", b"?", empty.getvalue()):
        answer = bare.call("POST", "/verifications", body=body, headers={"content-type": "application/pdf"})
        assert answer.status == 200
        assert {v["outcome"] for v in answer.json["verdicts"]} <= {"invalid", "could not be checked"}


@pytest.mark.parametrize("body", [{}, {"upload": 1}, {"upload": "../x"}, {"upload": "0" * 32, "more": 1}])
def test_unknown_uploads(bare: System, body: dict[str, Any]) -> None:
    """An invalid upload id is refused, and a deleted upload is not found."""
    problem(bare.call("POST", "/verifications", json=body), 422, "body.upload")
    problem(bare.call("POST", "/verifications", json={"upload": "0" * 32}), 404, "upload the file again")


@pytest.mark.usefixtures("slow")
def test_nothing_heavy_is_loaded() -> None:
    """The API's function loads nothing that renders, signs, verifies or counts."""
    program = f"import sys, functions.api; print([m for m in {HEAVY!r} if m in sys.modules])"
    found = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert found.stdout == "[]\n"


def test_fuzzed(system: System) -> None:
    """Whatever is sent, sound or not: no server error, every answer as described, and each operation done as well."""
    known = Known.to(system)
    sound, unsound = (
        fuzz(system, mode, known, 40) for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    )
    assert {operation for operation, _ in sound} == set(SOUND)
    assert set(SOUND.items()) <= set(sound)
    assert {status for _, status in unsound} >= {404, 422}

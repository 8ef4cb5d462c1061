"""Routes × spellings × scopes, made from the API's own description: no call goes further than its token.

Each call is made through the gateway, with the routes of `template.yaml`, and to each function behind it as a gateway
with a route too many would pass it on.
"""

import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from itertools import product
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest

from functions import api, verification
from reports.core.errors import Unavailable
from reports.local_aws.gateway import Call, Context, Gateway, Routed, event, routing
from reports.local_aws.template import Stack
from tests.local_aws.test_rehearsal import PARAMETERS

pytestmark = pytest.mark.usefixtures("slow")

FUNCTIONS = {"api": api.handler, "verification": verification.handler}
ID = f"8218489599999-lawmaker-20260601-20260607-{'0' * 12}"
WANTED = json.dumps({"window": "2026-05-01/2026-05-02", "audience": "lawmaker"}).encode()
METHODS = (
    *("GET", "POST", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "get", "post", "Post", "pOST"),
    *("POST ", " POST", "POST\n", "po\u017ft", "\uff30\uff2f\uff33\uff34", "GET\x00", ""),
)
ENDS = (
    "",
    "\n",
    "\r",
    "\r\n",
    " ",
    "\t",
    "\x00",
    "/",
    "//",
    "%0A",
    "%2F",
    "%00",
    ";a",
    ".",
    "\u2028",
    "\xa0",
    "?",
)
LIKE_SCOPES = (
    "",
    "openid",
    "briefings",
    "briefings:",
    "BRIEFINGS:REQUEST",
    "briefings:requests",
    "briefings:*",
)
STOPPED = {403, 404, 405}
REACHED = {200, 503}
Ask = Callable[[Call, str], int]


class Reached:
    """A system of which every handler says, once it is reached, that it does not answer."""

    def __init__(self, prefix: str = "") -> None:
        self.environment = SimpleNamespace(scope_prefix=prefix)

    def __getattr__(self, name: str) -> NoReturn:
        raise Unavailable(name)


@pytest.fixture(autouse=True)
def unavailable(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No call is served, and nothing is written."""
    for function in (api, verification):
        monkeypatch.setattr(function, "deployed", Reached)
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@cache
def operations() -> dict[tuple[str, str], frozenset[str]]:
    """The scopes of which each operation needs one, by its method and path."""
    return {
        (method.upper(), path): frozenset(scope for choice in each["security"] for scope in choice["token"])
        for path, methods in api.description()["paths"].items()
        for method, each in methods.items()
    }


def scopes() -> list[str]:
    known = sorted(frozenset().union(*operations().values()))
    return [*known, *LIKE_SCOPES]


def spellings(path: str) -> Iterator[str]:
    """A path, and what is nearly it."""
    plain = path.replace("{id}", ID)
    yield from (plain + end for end in ENDS)
    yield from (plain.upper(), plain.title(), f"/{plain}", f"/.{plain}", f"/x/..{plain}", f"\n{plain}")
    yield from (
        plain.replace("b", "%62", 1),
        plain.replace("i", "\u0131", 1),
        plain.replace("s", "\u017f", 1),
    )
    yield plain.replace("/", "%2F").replace("%2F", "/", 1)
    yield plain.replace("/", "/\u200b", 1)


def call(method: str, path: str) -> Call:
    kind = "application/pdf" if path.startswith("/verif") else "application/json"
    body = {"/briefings": WANTED, "/verifications": b"%PDF-1.7"}.get(path, b"") if method == "POST" else b""
    return Call(method, path, headers={"content-type": kind}, body=body)


def routes(prefix: str = "") -> list[Routed]:
    return [
        Routed(route.key, route.scopes, FUNCTIONS[name], route.open)
        for name, function in Stack({**PARAMETERS, "ScopePrefix": prefix}).functions.items()
        for route in function.routes
    ]


def through_the_gateway(prefix: str = "") -> Ask:
    route = routing(routes(prefix))

    def ask(asked: Call, scope: str) -> int:
        return Gateway(route, lambda _: {"sub": "one", "scope": scope}).answer(asked).status

    return ask


def passed_on(function: str, key: str) -> Ask:
    """A function that is called by a route with that key, whatever was asked for."""
    routed = Routed(key, (), FUNCTIONS[function])

    def ask(asked: Call, scope: str) -> int:
        made = event(asked, routed, {"sub": "one", "scope": scope})
        return int(FUNCTIONS[function](made, Context.lasting(60))["statusCode"])

    return ask


WAYS: dict[str, Callable[[], Ask]] = {
    "gateway": through_the_gateway,
    **{
        f"{function} by {key}": lambda function=function, key=key: passed_on(function, key)  # type: ignore[misc]
        for function, key in product(FUNCTIONS, ("$default", "GET /briefings", "POST /briefings"))
    },
}


@pytest.mark.parametrize("way", WAYS)
def test_no_call_exceeds_its_token(way: str) -> None:
    """A call is answered by a route that needs a scope which its token has, spelt as the description spells it."""
    ask, beyond = WAYS[way](), []
    for (own, path), method in product(operations(), METHODS):
        for spelling, scope in product(spellings(path), scopes()):
            exact = next(
                (
                    needed
                    for (m, p), needed in operations().items()
                    if (m, p.replace("{id}", ID)) == (method, spelling)
                ),
                frozenset[str](),
            )
            status = ask(call(method, spelling), scope)
            if method == "OPTIONS" and status == 204:  # what browsers ask before a call says nothing
                continue
            if status not in STOPPED and scope not in exact:
                beyond.append((own, method, spelling, scope, status))
    assert beyond == []


@pytest.mark.parametrize(("method", "path"), operations())
def test_each_scope_of_a_route_serves(method: str, path: str) -> None:
    """The good twin: as it is described, with each of its scopes, a call reaches its handler."""
    ask = through_the_gateway()
    for scope in operations()[method, path]:
        own = ID.replace("lawmaker", "regulator") if scope.endswith(":regulator") else ID
        assert ask(call(method, path.replace("{id}", own)), f"openid {scope}") in REACHED


PREFIX = "https://exhibit.example/"  # the identifier of a resource server of Cognito, and a slash


@pytest.mark.parametrize(
    ("scope", "reached"),
    [
        (f"{PREFIX}briefings:read", True),
        (f"openid {PREFIX}briefings:read:lawmaker", True),
        (f"{PREFIX}briefings:request", False),
        ("briefings:read", False),
        (f"{PREFIX}{PREFIX}briefings:read", False),
        ("https://other.example/briefings:read", False),
    ],
)
def test_scopes_as_an_issuer_names_them(monkeypatch: pytest.MonkeyPatch, scope: str, reached: bool) -> None:
    """With a prefix, gateway and function take the scopes that have it, and no others; so does each alone."""
    for function in (api, verification):
        monkeypatch.setattr(function, "deployed", lambda: Reached(PREFIX))
    asked = call("GET", f"/briefings/{ID}")
    for ask in (through_the_gateway(PREFIX), passed_on("api", "$default")):
        assert ask(asked, scope) == (503 if reached else 403)


def test_scopes_are_described_as_the_issuer_names_them() -> None:
    """The description names the scopes that a token needs here."""
    told = json.loads(json.dumps(api.description(PREFIX)))
    (request,) = told["paths"]["/briefings"]["post"]["security"]
    assert request == {"token": [f"{PREFIX}briefings:request"]}
    assert f"{PREFIX}briefings:read:lawmaker" in told["components"]["securitySchemes"]["token"]["description"]


def test_a_browser_asks_without_a_token() -> None:
    """What a browser asks before a call reaches no handler, on any path, and needs no token; the call itself does."""
    gateway = Gateway(routing(routes()), lambda _: None)
    for _, path in operations():
        asked = call("OPTIONS", path.replace("{id}", ID))
        assert gateway.answer(asked).status == 204
        assert gateway.answer(replace(asked, method="GET")).status == 401


def test_the_gateway_needs_what_the_functions_need() -> None:
    """The template's routes have the scopes of the description; `$default` needs one of those for reading."""
    told = {routed.key: frozenset(routed.scopes) for routed in routes()}
    default = told.pop("$default")
    assert told.pop("OPTIONS /{proxy+}") == frozenset()
    assert [routed.key for routed in routes() if routed.open] == ["OPTIONS /{proxy+}"]
    assert told == {f"{method} {path}": needed for (method, path), needed in operations().items()}
    assert default == operations()["GET", "/briefings"]


def test_a_route_without_a_scope_is_refused() -> None:
    """The API does not start with a route that has no scope."""
    from aws_lambda_powertools import Logger  # noqa: PLC0415
    from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter  # noqa: PLC0415

    from functions.problems import Api  # noqa: PLC0415

    router: Any = APIGatewayHttpRouter()
    router.get("/open")(lambda: {})
    with pytest.raises(ValueError, match="no scope"):
        Api(Logger(), router, {}, str)

"""Who may call the API: the issuer of tokens, and the audience that they must be for."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any

from reports.core import aws_errors
from reports.doctor.deployed_stack import DeployedStack
from reports.doctor.findings import Finding, phrase, wrong
from reports.signing import http_exchange

DISCOVERY = "/.well-known/openid-configuration"  # OpenID Connect Discovery 1.0, 4
SECONDS = 10.0


def issuer_known(stack: DeployedStack) -> Iterator[Finding]:
    """Whether the issuer publishes its discovery document, from which API Gateway takes its keys."""
    issuer = stack.parameters["JwtIssuer"]
    place = f"{issuer.removesuffix('/')}{DISCOVERY}"
    correct = "Correct JwtIssuer and deploy the stack, or have the issuer publish it"
    if not place.startswith("https://"):
        yield wrong(
            f"The issuer {issuer} is not an https URL.", "Deploy the stack with a JwtIssuer of https."
        )
        return
    try:
        document = json.loads(http_exchange.within(SECONDS, urllib.request.Request(place)))  # noqa: S310 -- https
    except urllib.error.HTTPError as error:
        with error:
            yield wrong(f"{place} is not there (status {error.code}).", f"{correct}.")
        return
    except (OSError, http.client.HTTPException) as error:
        reason = str(getattr(error, "reason", error)) or type(error).__name__
        yield wrong(
            f"{place} did not answer ({reason}).", f"{correct}; or check the network of this machine."
        )
        return
    except (ValueError, RecursionError):
        yield wrong(f"{place} is not JSON.", f"{correct}.")
        return
    if not isinstance(document, dict) or "jwks_uri" not in document:
        yield wrong(f"{place} does not say where the keys are (jwks_uri).", f"{correct}.")
    elif document.get("issuer") != issuer:
        yield wrong(
            f"{place} is of the issuer {document.get('issuer')}, and the stack's JwtIssuer is {issuer}.",
            "Deploy the stack with JwtIssuer exactly as the document has it.",
        )


def audience_right(stack: DeployedStack) -> Iterator[Finding]:
    """Whether the API accepts tokens of the issuer and the audiences that the stack's parameters name.

    Permissions: `apigateway:GET` on the API's routes and authorizers.
    """
    wanted = [each.strip() for each in stack.parameters["JwtAudience"].split(",") if each.strip()]
    if not wanted:
        yield wrong(
            "The stack's JwtAudience is empty, so no token is for it.",
            "Deploy the stack with the audience of your tokens (their claim aud) as JwtAudience.",
        )
        return
    issuer = stack.parameters["JwtIssuer"]
    found = _authorizers(stack)
    if not found:
        yield wrong(
            "No route of the API asks for a token.",
            "Have each route ask for one: aws apigatewayv2 update-route.",
        )
    for id_, jwt in found.items():
        command = (
            f"Run: aws apigatewayv2 update-authorizer --api-id {stack.resources['Api']} --authorizer-id {id_} "
            f"--jwt-configuration Audience={','.join(wanted)},Issuer={issuer}"
        )
        audience = [each for each in jwt.get("Audience", ()) if each]
        if set(audience) != set(wanted):
            told = f"for {phrase(audience)}" if audience else "of no audience"
            yield wrong(f"The API accepts tokens {told}, and JwtAudience is {phrase(wanted)}.", command)
        elif jwt.get("Issuer") != issuer:
            yield wrong(f"The API accepts tokens of {jwt.get('Issuer')}, and JwtIssuer is {issuer}.", command)


def _authorizers(stack: DeployedStack) -> Mapping[str, Mapping[str, Any]]:
    """What the authorizers that routes use ask of tokens, by the authorizer's id."""
    api, gateway = stack.resources["Api"], stack.client("apigatewayv2")
    with aws_errors.translated(f"API {api}"):
        pages = gateway.get_paginator("get_routes").paginate(ApiId=api)
        ids = {route["AuthorizerId"] for page in pages for route in page["Items"] if "AuthorizerId" in route}
        found = {id_: gateway.get_authorizer(ApiId=api, AuthorizerId=id_) for id_ in sorted(ids)}
    return {id_: each.get("JwtConfiguration", {}) for id_, each in found.items()}

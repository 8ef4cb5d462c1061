"""Tokens: a local issuer, and the checks of an HTTP API's JWT authorizer.

The issuer's key is made anew each time and is known to this process alone; on AWS, the gateway fetches it from the
issuer. Everything else is checked as there: the signature (RS256), `iss`, `aud` (`client_id` where there is none),
`exp`, `nbf` and `iat`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

ALGORITHM = "RS256"
SECONDS = 12 * 3600


def _key() -> RSAKey:
    return RSAKey.generate_key(2048, private=True)


@dataclass(frozen=True, slots=True)
class Tokens:
    """Issues tokens for one audience, and knows its own again."""

    issuer: str
    audience: str
    key: RSAKey = field(default_factory=_key, repr=False)

    def issue(self, subject: str, scope: str, seconds: int = SECONDS) -> str:
        """A token for a subject with scopes, separated by spaces, which is good for so many seconds."""
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": self.audience, "sub": subject, "scope": scope}
        return jwt.encode(
            {"alg": ALGORITHM, "typ": "JWT"},
            {**claims, "iat": now, "nbf": now, "exp": now + seconds},
            self.key,
        )

    def authorize(self, headers: Mapping[str, str]) -> Mapping[str, Any] | None:
        """The claims of the token that a call brings, or None if it brings none that is valid."""
        kind, _, rest = headers.get("authorization", "").partition(" ")
        token = rest.strip() if kind.lower() == "bearer" else kind
        try:
            claims = jwt.decode(token, self.key, algorithms=[ALGORITHM]).claims
            # Cognito's access tokens name the client for which they are in place of an audience
            name = "aud" if "aud" in claims else "client_id"
            audience: dict[str, Any] = {name: {"essential": True, "value": self.audience}}
            jwt.JWTClaimsRegistry(
                iss={"essential": True, "value": self.issuer},
                exp={"essential": True},
                **audience,
            ).validate(claims)
        except (JoseError, ValueError):
            return None
        return {name: value if isinstance(value, str) else str(value) for name, value in claims.items()}

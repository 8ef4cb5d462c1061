"""The URL of a time-stamp authority, and the user name and password in it, which are never shown."""

from __future__ import annotations

import base64
import ipaddress
import re
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from reports.core.errors import InvalidSettings

# RFC 3986, of which a scheme, a host and a path or query are enough for an authority. An @ in a user name or password
# is allowed; elsewhere it must be percent-encoded, because it could end a password that contains a slash.
_URL = re.compile(
    r"(?P<scheme>https?)://"
    r"(?:(?P<userinfo>(?:%[0-9a-f]{2}|[^%/?#])*)@)?"
    r"(?P<host>\[[0-9a-f:.]+\]|[a-z0-9._-]+)"
    r"(?::(?P<port>[0-9]{0,5}))?"
    r"(?P<rest>(?:[/?](?:%[0-9a-f]{2}|[a-z0-9._~!$&'()*+,;=:/?-])*)?)",
    re.IGNORECASE,
)
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", re.IGNORECASE)
_PASSWORDS = re.compile(r"(https?:/+)\S*@", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class TsaUrl:
    """Where an authority is: `url`, without user name and password, and `authorization`, the header made of them."""

    url: str
    authorization: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, text: str) -> TsaUrl:
        """Read `http[s]://[USER[:PASSWORD]@]HOST[:PORT][/PATH]`; raises `InvalidSettings` for anything else."""
        found = _URL.fullmatch(text) if re.fullmatch("[!-~]+", text) else None
        port = found["port"] if found else None
        if found is None or not _is_host(found["host"]) or (port and not 0 < int(port) < 2**16):
            raise InvalidSettings(
                f"time-stamp authority {_hidden(text)!r} is not a URL: write it like https://HOST/PATH or "
                "https://USER:PASSWORD@HOST/PATH, percent-encoded"
            )
        place = f"{found['host']}:{port}" if port else found["host"]
        url = f"{found['scheme'].lower()}://{place}{found['rest']}"
        return cls(url, _basic(found["userinfo"], url) if found["userinfo"] else None)


def without_passwords(text: str) -> str:
    """A text without the user names and passwords in its URLs."""
    return _PASSWORDS.sub(r"\1…@", text)


def _hidden(text: str) -> str:
    """What follows the last @: in anything that is not a URL, everything before it may be a password."""
    before, _, host = text.rpartition("@")
    return f"…@{host}" if before else text


def _is_host(host: str) -> bool:
    if host.startswith("["):
        try:
            return bool(ipaddress.IPv6Address(host[1:-1]))
        except ValueError:
            return False
    labels = host.removesuffix(".").split(".")
    return len(host) <= 254 and all(map(_LABEL.fullmatch, labels))


def _basic(userinfo: str, url: str) -> str:
    """RFC 7617, 2: the name ends at the first colon, and neither part holds control characters."""
    user, _, password = userinfo.partition(":")
    name, secret = unquote_to_bytes(user), unquote_to_bytes(password)
    if b":" in name or any(byte < 32 or byte == 127 for byte in name + secret):
        raise InvalidSettings(
            f"time-stamp authority {url}: a user name cannot contain a colon, nor a password a control character: "
            "ask the authority for different ones"
        )
    return f"Basic {base64.b64encode(name + b':' + secret).decode()}"

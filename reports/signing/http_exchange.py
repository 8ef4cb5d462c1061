"""One HTTP exchange with a server that may be slow, or not the intended one."""

from __future__ import annotations

import http.client
import ipaddress
import socket
import threading
import urllib.request
from contextlib import suppress
from typing import Any

MOST = 1 << 20  # bytes; an answer is a few kilobytes


def within(seconds: float, call: urllib.request.Request, *, public: bool = False) -> bytes:
    """The body of the answer to a call, without following redirects.

    The whole call, from looking up the name to the last byte, takes at most `seconds`. With `public`, nothing is sent
    to an address of this machine or its local network link. Raises `OSError` and the errors of `urllib`.
    """
    exchange = _Exchange(call, seconds, public=public)
    thread = threading.Thread(target=exchange.run, daemon=True)
    thread.start()
    thread.join(seconds)
    return exchange.ended()


class _Exchange:
    """An exchange in a thread of its own, which is cut off if it takes too long."""

    def __init__(self, call: urllib.request.Request, seconds: float, *, public: bool) -> None:
        self.call, self.seconds, self.public = call, seconds, public
        self.answer: bytes | None = None
        self.error: Exception | None = None
        self.socket: socket.socket | None = None
        self.over = False

    def run(self) -> None:
        opener = urllib.request.build_opener(_Redirects, _Plain(self), _Secure(self))
        try:
            with opener.open(self.call, timeout=self.seconds) as answer:
                self.answer = bytes(answer.read(MOST))
        except Exception as error:
            slow = isinstance(
                getattr(error, "reason", error), TimeoutError
            )  # one wait in it took all the time
            self.error = None if slow else error

    def ended(self) -> bytes:
        if self.answer is not None:
            return self.answer
        if self.error is not None:
            raise self.error
        self.over = True
        if self.socket is not None:
            with suppress(OSError):
                self.socket.shutdown(socket.SHUT_RDWR)
        raise TimeoutError(f"timed out: no complete answer within {self.seconds:g} seconds")

    def connect(self, address: tuple[str, int], *how: Any) -> socket.socket:
        """A connection as `socket.create_connection` makes it; refused if the address it reached is not allowed."""
        self.socket = made = socket.create_connection(address, *how)
        try:
            if self.public:
                _check_public(str(made.getpeername()[0]))
            if self.over:
                raise TimeoutError
        except OSError:
            made.close()
            raise
        return made


def _check_public(address: str) -> None:
    found = ipaddress.ip_address(address.partition("%")[0])
    found = getattr(found, "ipv4_mapped", None) or found
    if found.is_loopback or found.is_link_local or found.is_unspecified:
        raise ConnectionRefusedError(
            f"its host is {found}, an address of this machine or its local network link"
        )


class _Through:
    """A handler that uses the connections of an exchange."""

    connection: type[http.client.HTTPConnection]

    def __init__(self, exchange: _Exchange) -> None:
        super().__init__()
        self.exchange = exchange

    def _connect(self, host: str, **how: Any) -> http.client.HTTPConnection:
        made = self.connection(host, **how)
        made._create_connection = self.exchange.connect  # type: ignore[attr-defined]  # there is no public way
        return made


class _Plain(_Through, urllib.request.HTTPHandler):
    connection = http.client.HTTPConnection

    def http_open(self, call: urllib.request.Request) -> Any:
        return self.do_open(self._connect, call)


class _Secure(_Through, urllib.request.HTTPSHandler):
    connection = http.client.HTTPSConnection

    def https_open(self, call: urllib.request.Request) -> Any:
        return self.do_open(self._connect, call)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows no redirects: only the server that the operator named may answer."""

    def redirect_request(self, *_: Any) -> None:
        return None

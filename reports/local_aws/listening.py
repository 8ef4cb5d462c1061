"""HTTP on loopback: WSGI applications behind ports of 127.0.0.1."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from werkzeug.serving import WSGIRequestHandler, make_server

from reports.core.errors import InvalidRequest

HOST = "127.0.0.1"
WAITING = 1024  # connections waiting to be accepted


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        pass


@contextmanager
def listening(port: int) -> Iterator[socket.socket]:
    """A port of 127.0.0.1, or any that is free for 0; raises `InvalidRequest` if it cannot be had."""
    with socket.socket() as listener:
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((HOST, port))
            listener.listen(WAITING)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or "there is no such port"
            other = port + 1 if 0 < port < 65535 else 8080
            raise InvalidRequest(
                f"port {port} cannot be used ({reason}): choose another with --port, or make local PORT={other}"
            ) from None
        yield listener


def address(listener: socket.socket) -> str:
    """The URL at which a port is reached."""
    return f"http://{HOST}:{listener.getsockname()[1]}"


@contextmanager
def serving(listener: socket.socket, application: Any) -> Iterator[None]:
    """Serve an application, each call in a thread of its own, for as long as the block lasts."""
    port = listener.getsockname()[1]
    server = make_server(HOST, port, application, threaded=True, request_handler=_Quiet, fd=listener.fileno())
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()

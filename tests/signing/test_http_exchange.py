"""An exchange with a machine that is slow, or is not the one that was meant."""

import socket
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from reports.core.errors import Unavailable
from reports.signing import http_exchange
from reports.signing.timestamp import FallbackTimestamper, HttpTimestamper
from tests.contracts.timestamper import REQUEST
from tests.support.pki import Network
from tests.support.tools import PATIENCE

Serve = Callable[[socket.socket, threading.Event], None]


@contextmanager
def served(serve: Serve, host: str = "127.0.0.1") -> Iterator[str]:
    """The URL of a server that treats each caller so."""
    ended = threading.Event()
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as listener:
        listener.bind((host, 0))
        listener.listen()

        def take() -> None:
            try:
                while not ended.is_set():
                    caller, _ = listener.accept()
                    with caller:
                        serve(caller, ended)
            except OSError:
                return

        threading.Thread(target=take, daemon=True).start()
        try:
            yield f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}/"
        finally:
            ended.set()
            listener.shutdown(socket.SHUT_RDWR)


def dripping(prelude: bytes) -> Serve:
    """Sends a byte now and then, and never comes to an end."""

    def serve(caller: socket.socket, ended: threading.Event) -> None:
        caller.sendall(prelude)
        while not ended.wait(0.05):
            caller.sendall(b"x")

    return serve


SLOW = {
    "nothing": lambda _, ended: ended.wait(PATIENCE),
    "a header": dripping(b"HTTP/1.1 200 OK\r\nX-"),
    "a body": dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"),
}


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize("what", SLOW)
def test_one_deadline_for_all_of_it(what: str) -> None:
    """A machine that keeps sending a little is cut off when the time for the whole exchange is up."""
    with served(SLOW[what]) as url, pytest.raises(TimeoutError, match=r"within 0\.3 seconds"):
        http_exchange.within(0.3, urllib.request.Request(url, b"?"))  # noqa: S310


def test_the_next_authority_is_asked_after_a_slow_one(network: Network) -> None:
    """If an authority answers too slowly, the next one is asked."""
    with served(SLOW["a body"]) as url:
        slow = HttpTimestamper(url, timeout=0.3, attempts=1)
        assert FallbackTimestamper([slow, HttpTimestamper(network.timestamper.url)]).respond(REQUEST)


def answering(caller: socket.socket, _: threading.Event) -> None:
    caller.recv(65536)
    caller.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "127.1.2.3", "0.0.0.0", "[::ffff:127.0.0.1]"])  # noqa: S104
def test_nothing_is_sent_to_this_machine(name: str) -> None:
    """A name that leads to this machine is refused by the address that was reached; if allowed, it answers."""
    got: list[bytes] = []

    def serve(caller: socket.socket, _: threading.Event) -> None:
        got.append(caller.recv(65536))
        caller.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    with served(serve, "0.0.0.0") as url:  # noqa: S104
        place = url.replace("0.0.0.0", name)  # noqa: S104
        with pytest.raises(OSError, match="an address of this machine"):
            http_exchange.within(PATIENCE, urllib.request.Request(place, b"secret"), public=True)  # noqa: S310
        assert not any(got)
        assert http_exchange.within(PATIENCE, urllib.request.Request(place, b"?")) == b"ok"  # noqa: S310


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("169.254.169.254", False),
        ("fe80::1%eth0", False),
        ("::1", False),
        ("::ffff:169.254.169.254", False),
        ("10.0.0.1", True),
        ("192.0.2.1", True),
        ("2001:db8::1", True),
    ],
)
def test_addresses(address: str, public: bool) -> None:
    """Addresses of this machine and its link are refused; one of a network is for the operator to choose."""
    if public:
        http_exchange._check_public(address)
        return
    with pytest.raises(OSError, match="this machine or its local network link"):
        http_exchange._check_public(address)


@pytest.mark.usefixtures("slow")
def test_a_deployed_function_asks_nobody_here() -> None:
    """An authority on this machine is told as one that did not answer."""
    with (
        served(answering) as url,
        pytest.raises(Unavailable, match=r"did not answer .*this machine or its local network link"),
    ):
        HttpTimestamper(url, attempts=1, public=True).respond(b"?")

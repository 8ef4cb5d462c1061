import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from asn1crypto import tsp

from reports.errors import InvalidSettings, Unavailable
from reports.timestamp import FirstOf, HttpTimestamper, LocalTimestamper
from tests.contracts.timestamper import *  # noqa: F403
from tests.contracts.timestamper import REQUEST, token
from tests.pki import NOW
from tests.tools import PATIENCE, needs


@pytest.fixture(params=["local", "http", "first of"])
def timestamper(request, network, authority):
    local = LocalTimestamper(authority.stamp_key)
    return {"local": local, "http": network.timestamper, "first of": FirstOf((network.timestamper, local))}[
        request.param
    ]


@contextmanager
def answering(*statuses: int) -> Iterator[tuple[str, list[bytes]]]:
    """A server on loopback that answers requests with these statuses, one after the other."""
    seen: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            seen.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(statuses[len(seen) - 1])
            self.end_headers()
            self.wfile.write(b"answer")

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/tsa", seen
        finally:
            server.shutdown()
            thread.join(PATIENCE)


def test_the_time_is_now(authority):
    """The local authority stamps the time at which it is asked, in whole seconds."""
    before = datetime.now(UTC).replace(microsecond=0)
    stamped = token(LocalTimestamper(authority.stamp_key).respond(REQUEST))["gen_time"].native
    assert before <= stamped <= datetime.now(UTC)


@needs("openssl")
def test_local_token_for_openssl(authority, tmp_path):
    """OpenSSL accepts a token of the local authority."""
    (tmp_path / "request").write_bytes(REQUEST)
    (tmp_path / "response").write_bytes(LocalTimestamper(authority.stamp_key).respond(REQUEST))
    files = ["-queryfile", tmp_path / "request", "-in", tmp_path / "response"]
    subprocess.run(
        ["openssl", "ts", "-verify", *files, "-CAfile", authority.directory / "root.cert.pem"],
        check=True,
        capture_output=True,
    )


def test_overloaded_then_well():
    """An overloaded authority is asked again, after a longer wait each time."""
    waits: list[float] = []
    with answering(503, 429, 200) as (url, seen):
        assert HttpTimestamper(url, timeout=PATIENCE, sleep=waits.append).respond(REQUEST) == b"answer"
    assert seen == [REQUEST] * 3
    assert [wait for wait in waits if wait] == [1, 2]


def test_overloaded_for_good():
    """After three attempts the authority counts as unavailable, and the message names it."""
    with (
        answering(500, 500, 500, 200) as (url, seen),
        pytest.raises(Unavailable, match=rf"{url} did not answer \(status 500\)"),
    ):
        HttpTimestamper(url, timeout=PATIENCE, sleep=lambda _: None).respond(REQUEST)
    assert len(seen) == 3


def test_refusal_is_final():
    """An authority that refuses a request is not asked again."""
    with answering(403, 200) as (url, seen), pytest.raises(Unavailable, match=r"\(status 403\)"):
        HttpTimestamper(url, timeout=PATIENCE, sleep=lambda _: None).respond(REQUEST)
    assert len(seen) == 1


def test_silence():
    """An authority that accepts the connection and says nothing counts as unavailable."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/tsa"
        with pytest.raises(Unavailable, match=r"did not answer \(.*timed out"):
            HttpTimestamper(url, timeout=0.05, sleep=lambda _: None).respond(REQUEST)


def test_nobody_there():
    """An authority that is not there counts as unavailable."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        url = f"http://127.0.0.1:{gone.getsockname()[1]}/tsa"
    with pytest.raises(Unavailable, match=rf"{url} did not answer \(.*refused"):
        HttpTimestamper(url, timeout=PATIENCE, sleep=lambda _: None).respond(REQUEST)


@pytest.mark.parametrize("url", ["", "example", "file:///etc/passwd", "ftp://example/tsa", "http://"])
def test_impossible_urls(url):
    """Only URLs of the web are taken for authorities."""
    with pytest.raises(InvalidSettings, match="is not a URL"):
        HttpTimestamper(url)


def test_clock_is_read_each_time(authority):
    """A token holds the time at which it was asked for."""
    times = iter([NOW, NOW + timedelta(hours=1)])
    stamper = LocalTimestamper(authority.stamp_key, lambda: next(times))
    first, second = (token(stamper.respond(REQUEST))["gen_time"].native for _ in range(2))
    assert second - first == timedelta(hours=1)


def test_the_second_is_asked_when_the_first_is_away(network, authority):
    """An authority that nobody answers for is passed over; where none answers, what each said is told."""
    with socket.socket() as silent:  # holds the port, and does not listen
        silent.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        away = HttpTimestamper(url, attempts=1)
        answer = FirstOf((away, network.timestamper)).respond(REQUEST)
        assert tsp.TimeStampResp.load(answer)["status"]["status"].native == "granted"
        with answering(503) as (other, _), pytest.raises(Unavailable) as refused:
            FirstOf((away, HttpTimestamper(other, PATIENCE, attempts=1))).respond(REQUEST)
    assert url in str(refused.value)
    assert "status 503" in str(refused.value)


def test_the_first_that_answers_is_taken(network):
    """Where the first authority answers, the second is not asked."""
    with answering() as (url, seen):
        FirstOf((network.timestamper, HttpTimestamper(url))).respond(REQUEST)
        assert seen == []

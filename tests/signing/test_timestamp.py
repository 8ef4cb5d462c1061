import re
import socket
import subprocess
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
from asn1crypto import core, tsp
from asn1crypto import x509 as asn1_x509
from cryptography.hazmat.primitives.serialization import Encoding

from reports.core.errors import InvalidSettings, Unavailable
from reports.signing.keys import LocalAuthority
from reports.signing.sign import sign
from reports.signing.timestamp import (
    FallbackTimestamper,
    HttpTimestamper,
    LocalTimestamper,
    Timestamper,
    fault_of,
)
from reports.verification.signature import verify
from tests.contracts.timestamper import *  # noqa: F403
from tests.contracts.timestamper import REQUEST, token
from tests.support.pki import NOW, Network, certify, new_key, reading
from tests.support.tools import PATIENCE, needs


@pytest.fixture(params=["local", "http", "first of"])
def timestamper(request: pytest.FixtureRequest, network: Network, authority: LocalAuthority) -> Timestamper:
    local = LocalTimestamper(authority.stamp_key)
    each: dict[str, Timestamper] = {
        "local": local,
        "http": network.timestamper,
        "first of": FallbackTimestamper((network.timestamper, local)),
    }
    return each[request.param]


@contextmanager
def answering(
    *statuses: int,
    content: bytes = b"",
    location: str | None = None,
    seen_headers: list[str | None] | None = None,
) -> Iterator[tuple[str, list[bytes]]]:
    """A server on loopback that answers requests with these statuses, one after the other, and with this content."""
    seen: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            seen.append(self.rfile.read(int(self.headers["Content-Length"])))
            if seen_headers is not None:
                seen_headers.append(self.headers["Authorization"])
            self.send_response(statuses[len(seen) - 1])
            if location is not None:
                self.send_header("Location", location)
            self.end_headers()
            self.wfile.write(content)

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


def test_the_local_authority_stamps_the_present_time(authority: LocalAuthority) -> None:
    """The time-stamp has the time of the request, in whole seconds."""
    before = datetime.now(UTC).replace(microsecond=0)
    stamped = token(LocalTimestamper(authority.stamp_key).respond(REQUEST))["gen_time"].native
    assert before <= stamped <= datetime.now(UTC)


@needs("openssl")
def test_local_token_for_openssl(authority: LocalAuthority, tmp_path: Path) -> None:
    """OpenSSL accepts a token of the local authority."""
    (tmp_path / "request").write_bytes(REQUEST)
    (tmp_path / "response").write_bytes(LocalTimestamper(authority.stamp_key).respond(REQUEST))
    files: list[str | Path] = ["-queryfile", tmp_path / "request", "-in", tmp_path / "response"]
    subprocess.run(
        ["openssl", "ts", "-verify", *files, "-CAfile", authority.directory / "root.cert.pem"],
        check=True,
        capture_output=True,
    )


@pytest.mark.usefixtures("slow")
def test_overloaded_then_well(good: bytes) -> None:
    """An overloaded authority is asked again, after a longer wait each time."""
    waits: list[float] = []
    with answering(503, 429, 200, content=good) as (url, seen):
        assert HttpTimestamper(url, timeout=PATIENCE, sleep=waits.append).respond(REQUEST) == good
    assert seen == [REQUEST] * 3
    assert [wait for wait in waits if wait] == [1, 2]


@pytest.mark.usefixtures("slow")
def test_overloaded_for_good() -> None:
    """After three attempts the authority counts as unavailable, and the message names it."""
    with (
        answering(500, 500, 500, 200) as (url, seen),
        pytest.raises(Unavailable, match=rf"{url} did not answer \(status 500\)"),
    ):
        HttpTimestamper(url, timeout=PATIENCE, sleep=lambda _: None).respond(REQUEST)
    assert len(seen) == 3


@pytest.mark.usefixtures("slow")
def test_refusal_is_final() -> None:
    """An authority that refuses a request is not asked again."""
    with answering(403, 200) as (url, seen), pytest.raises(Unavailable, match=r"\(status 403\)"):
        HttpTimestamper(url, timeout=PATIENCE, sleep=lambda _: None).respond(REQUEST)
    assert len(seen) == 1


@pytest.mark.usefixtures("slow")
def test_a_silent_authority_is_unavailable() -> None:
    """An authority that accepts the connection but never answers counts as unavailable."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/tsa"
        with pytest.raises(Unavailable, match=r"did not answer \(.*timed out"):
            HttpTimestamper(url, timeout=0.05, sleep=lambda _: None).respond(REQUEST)


@pytest.mark.usefixtures("slow")
def test_nobody_there() -> None:
    """An authority that is not there counts as unavailable."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        url = f"http://127.0.0.1:{gone.getsockname()[1]}/tsa"
    with pytest.raises(Unavailable, match=rf"{url} did not answer \(.*refused"):
        HttpTimestamper(url, timeout=PATIENCE, sleep=lambda _: None).respond(REQUEST)


IMPOSSIBLE = [
    *("", "example", "file:///etc/passwd", "ftp://example/tsa", "http://", "https://:443/", "//example"),
    *(
        "http://example:0/",
        "http://example:65536/",
        "http://example:port/",
        "http://[::1/",
        "http://[fe80::zz]/",
    ),
    *(
        "http://a..b/",
        "http://-a-.example/",
        f"http://{'a' * 64}.example/",
        "http://example/ x",
        "http://exämple/",
    ),
    *(
        "http://example/tsa#part",
        "http://example/a@b",
        "http://example/%zz",
        "http://u%zz@example/",
        "http://e\n/",
    ),
    *("http://user:pa/s3cret@example/", "http://user:12/s3cret@example/", "http://user:12?s3cret@example/"),
    *("http://us%3Aer:s3cret@example/", "http://user:s3cret%0A@example/"),
]


@pytest.mark.parametrize("url", IMPOSSIBLE)
def test_impossible_urls(url: str) -> None:
    """Only URLs of the web are taken for authorities; what may be a password in another is not repeated."""
    with pytest.raises(InvalidSettings) as refused:
        HttpTimestamper(url)
    assert re.search("is not a URL|a user name cannot contain a colon", str(refused.value))
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        *(
            "http://example",
            "https://example/",
            "HTTP://example/tsa",
            "http://example.:80/tsa?policy=1&x=a/b",
        ),
        *(
            "http://127.0.0.1:8080/tsr",
            "http://[::1]:318/tsr",
            "http://a_b.xn--exmple-cua/%C3%A4/(x);v=1",
            "http://@h/",
        ),
    ],
)
def test_possible_urls(url: str) -> None:
    """URLs with a port, a query, percent-encoded characters, an IPv6 address are taken as they stand."""
    assert HttpTimestamper(url).url == url.replace("HTTP:", "http:").replace("@", "")


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize(
    ("userinfo", "sent"),
    [
        ("user:s3cret", b"user:s3cret"),
        ("user:", b"user:"),
        ("user", b"user:"),
        (":s3cret", b":s3cret"),
        ("user:w:o:rd", b"user:w:o:rd"),
        ("u@lab.example:w@rd", b"u@lab.example:w@rd"),
        ("u%40lab:w%2Ford%3a%25", b"u@lab:w/ord:%"),
        ("us%C3%A9r:w%FFrd", b"us\xc3\xa9r:w\xffrd"),
    ],
)
def test_a_password_is_basic_authentication(good: bytes, userinfo: str, sent: bytes) -> None:
    """What stands before the host is sent as RFC 7617 has it, and is no part of the URL from then on."""
    headers: list[str | None] = []
    with answering(200, content=good, seen_headers=headers) as (url, _):
        stamper = HttpTimestamper(url.replace("//", f"//{userinfo}@"))
        assert stamper.respond(REQUEST) == good
    assert headers == [f"Basic {b64encode(sent).decode()}"]
    assert stamper.url == url
    assert not re.search("s3cret|w.{1,3}rd", f"{stamper} {stamper!r}")


@pytest.mark.usefixtures("slow")
def test_no_password_is_none() -> None:
    """Without one, nothing is sent."""
    headers: list[str | None] = []
    with answering(403, seen_headers=headers) as (url, _), pytest.raises(Unavailable):
        HttpTimestamper(url).respond(REQUEST)
    assert headers == [None]


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize(
    ("userinfo", "complaint"), [("", "asks for a user name"), ("u:s3cret@", "does not accept")]
)
def test_a_password_is_wanted(userinfo: str, complaint: str) -> None:
    """An authority that wants one, or another, says so once."""
    with answering(401, 200) as (url, seen), pytest.raises(Unavailable, match=complaint) as refused:
        HttpTimestamper(url.replace("//", f"//{userinfo}")).respond(REQUEST)
    assert len(seen) == 1
    assert "s3cret" not in str(refused.value)


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "location", ["/other", "https://u:s3cret@elsewhere.example/tsa", "file:///etc/passwd"]
)
def test_redirects_are_not_followed(status: int, location: str) -> None:
    """Where an authority sends its caller to is told, and not followed."""
    with answering(status, 200, location=location) as (url, seen), pytest.raises(Unavailable) as refused:
        HttpTimestamper(url, sleep=lambda _: None).respond(REQUEST)
    assert len(seen) == 1
    place = urljoin(url, location).replace("u:s3cret@", "…@")
    assert f"redirects to {place} (status {status})" in str(refused.value)


# What an authority may answer


@pytest.fixture
def good(authority: LocalAuthority) -> bytes:
    return LocalTimestamper(authority.stamp_key).respond(REQUEST)


def refused_with(status: int, bits: tuple[int, ...] = (), *texts: bytes) -> bytes:
    """A `TimeStampResp` without a token (RFC 3161, 2.4.2), written by hand."""
    found = bytes([2, 1, status])
    if texts:
        found += _der(0x30, b"".join(_der(0x0C, text) for text in texts))
    if bits:
        content = bytearray(4)
        for bit in bits:
            content[bit // 8] |= 0x80 >> bit % 8
        found += _der(3, b"\0" + bytes(content))
    return _der(0x30, _der(0x30, found))


def _der(tag: int, content: bytes) -> bytes:
    length = len(content)
    return bytes([tag, length] if length < 128 else [tag, 0x82, *divmod(length, 256)]) + content


REFUSALS = {
    "rejection": (refused_with(2), "rejected the request: use another"),
    "badAlg": (
        refused_with(2, (0,)),
        "rejected the request (badAlg: it does not know or support the algorithm)",
    ),
    "badRequest": (refused_with(2, (2,)), "(badRequest: "),
    "badDataFormat": (refused_with(2, (5,)), "(badDataFormat: "),
    "timeNotAvailable": (refused_with(2, (14,)), "(timeNotAvailable: "),
    "unacceptedPolicy": (refused_with(2, (15,)), "(unacceptedPolicy: "),
    "unacceptedExtension": (refused_with(2, (16,)), "(unacceptedExtension: "),
    "addInfoNotAvailable": (refused_with(2, (17,)), "(addInfoNotAvailable: "),
    "systemFailure": (refused_with(2, (25,)), "(systemFailure: it failed)"),
    "another bit": (refused_with(2, (7,)), "(failure 7)"),
    "two bits": (refused_with(2, (14, 25)), "(systemFailure: it failed; timeNotAvailable: "),
    "text": (refused_with(2, (2,), b"No such account", "Käse".encode()), "; No such account; Käse)"),
    "broken text": (refused_with(2, (), b"\xff\x1b[31m"), "(\N{REPLACEMENT CHARACTER}\\x1b[31m)"),
    "long text": (refused_with(2, (), b"x" * 5000), f"({'x' * 200})"),
    "waiting": (refused_with(3), "has not decided yet"),
    "revocation warning": (refused_with(4), "its certificate is about to be revoked"),
    "revocation": (refused_with(5), "its certificate is revoked"),
    "unknown status": (refused_with(9), "answered with the unknown status 9"),
    "no token": (refused_with(0), "granted the request, but gave no time-stamp"),
    "nothing": (b"", "gave an answer that is not a time-stamp"),
    "a page": (b"<html>It works!</html>", "gave an answer that is not a time-stamp"),
}


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize(("answer", "said"), REFUSALS.values(), ids=REFUSALS)
def test_refusals_pass_on_the_reason(answer: bytes, said: str) -> None:
    """An authority that gives no time-stamp is asked no more, and says why in its own words and RFC 3161's."""
    with answering(200, 200, content=answer) as (url, seen), pytest.raises(Unavailable) as refused:
        HttpTimestamper(url, sleep=lambda _: None).respond(REQUEST)
    assert str(refused.value).startswith(f"time-stamp authority {url} ")
    assert said in str(refused.value)
    assert len(seen) == 1


def changed(answer: bytes, change: Callable[[Any], None]) -> bytes:
    response = tsp.TimeStampResp.load(answer)
    change(response)
    return response.dump(force=True)


def without_certificate(response: Any) -> None:
    response["time_stamp_token"]["content"]["certificates"] = []


def with_another(response: Any) -> None:
    stranger = certify(new_key()).public_bytes(Encoding.DER)
    response["time_stamp_token"]["content"]["certificates"] = [asn1_x509.Certificate.load(stranger)]


def of_something_else(response: Any) -> None:
    _info(
        response,
        message_imprint={"hash_algorithm": {"algorithm": "sha256"}, "hashed_message": bytes(31) + b"1"},
    )


def of_another_request(response: Any) -> None:
    _info(response, nonce=4712)


def without_nonce(response: Any) -> None:
    _info(response, nonce=None)


def not_a_time_stamp(response: Any) -> None:
    response["time_stamp_token"]["content"]["encap_content_info"]["content_type"] = "data"


def nobodys(response: Any) -> None:
    response["time_stamp_token"]["content"]["signer_infos"] = []


def _info(response: Any, **values: Any) -> None:
    content = response["time_stamp_token"]["content"]["encap_content_info"]
    info = content["content"].parsed.copy()
    for name, value in values.items():
        info[name] = value
    content["content"] = core.ParsableOctetString(info.dump(force=True))


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without_certificate, "gave a time-stamp without its certificate"),
        (with_another, "gave a time-stamp without its certificate"),
        (of_something_else, "gave a time-stamp for other data"),
        (of_another_request, "gave the time-stamp for another request"),
        (without_nonce, "gave the time-stamp for another request"),
        (not_a_time_stamp, "gave an answer that is not a time-stamp"),
        (nobodys, "gave an answer that is not a time-stamp"),
    ],
)
def test_unusable_tokens_are_refused(good: bytes, change: Callable[[Any], None], said: str) -> None:
    """A token that is not the one asked for, or that nobody can check, is refused, and the reason is told."""
    with answering(200, content=changed(good, change)) as (url, _), pytest.raises(Unavailable, match=said):
        HttpTimestamper(url).respond(REQUEST)


@pytest.mark.usefixtures("slow")
def test_granted_with_modifications(unsigned: bytes, authority: LocalAuthority) -> None:
    """A grant with modifications brings a token (RFC 3161, 2.4.2): it is used, and what is signed is valid."""

    class Modifying:
        def respond(self, request: bytes) -> bytes:
            answer = LocalTimestamper(authority.stamp_key).respond(request)
            return changed(
                answer, lambda response: response.__setitem__("status", {"status": "granted_with_mods"})
            )

    assert fault_of(Modifying().respond(REQUEST), REQUEST) is None
    signed = sign(unsigned, authority.key, Modifying(), certificates=[authority.root], crls=authority.crls)
    assert {verdict.outcome for verdict in verify(signed, [authority.root], reading())} == {"valid"}


def test_the_second_is_asked_when_the_first_refuses(network: Network) -> None:
    """An authority that rejects the request is passed over as one that is away."""
    with answering(200, content=refused_with(2)) as (url, seen):
        answer = FallbackTimestamper((HttpTimestamper(url), network.timestamper)).respond(REQUEST)
    assert len(seen) == 1
    assert fault_of(answer, REQUEST) is None


def test_clock_is_read_each_time(authority: LocalAuthority) -> None:
    """A token holds the time at which it was asked for."""
    times = iter([NOW, NOW + timedelta(hours=1)])
    stamper = LocalTimestamper(authority.stamp_key, lambda: next(times))
    first, second = (token(stamper.respond(REQUEST))["gen_time"].native for _ in range(2))
    assert second - first == timedelta(hours=1)


def test_the_second_is_asked_when_the_first_is_away(network: Network, authority: LocalAuthority) -> None:
    """An authority that nobody answers for is passed over; where none answers, what each said is told."""
    with socket.socket() as silent:  # holds the port, and does not listen
        silent.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        away = HttpTimestamper(url, attempts=1)
        answer = FallbackTimestamper((away, network.timestamper)).respond(REQUEST)
        assert tsp.TimeStampResp.load(answer)["status"]["status"].native == "granted"
        with answering(503) as (other, _), pytest.raises(Unavailable) as refused:
            FallbackTimestamper((away, HttpTimestamper(other, PATIENCE, attempts=1))).respond(REQUEST)
    assert url in str(refused.value)
    assert "status 503" in str(refused.value)


def test_the_first_that_answers_is_taken(network: Network) -> None:
    """Where the first authority answers, the second is not asked."""
    with answering() as (url, seen):
        FallbackTimestamper((network.timestamper, HttpTimestamper(url))).respond(REQUEST)
        assert seen == []

"""The deployed system from a page of another origin, in a real browser: the page calls, uploads and follows links."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from reports.local_aws.listening import address, listening
from reports.local_aws.listening import serving as listener_serving
from tests.soak import load
from tests.support.publishing import GOLDEN
from tests.support.serving import Serving, serving
from tests.support.tools import PATIENCE

pytestmark = [
    pytest.mark.usefixtures("slow"),
    pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium: apt install chromium"),
]
WANTED = {"window": "2026-05-01/2026-05-07", "audience": "lawmaker"}
# Tells its own server what came of each call: the status, or that the browser let it not read the answer
PAGE = """<!doctype html><script type="module">
const {api, token, wanted} = CHOSEN
const told = {}
const own = {authorization: `Bearer ${token}`}
const json = {...own, "content-type": "application/json"}
const ask = async (name, ...call) => {
  try { const answer = await fetch(...call); told[name] = answer.status; return answer }
  catch (error) { told[name] = String(error); throw error }
}
try {
  const body = JSON.stringify(wanted), key = {"idempotency-key": "one"}
  let answer = await ask("request", `${api}/briefings`, {method: "POST", headers: {...json, ...key}, body})
  const place = api + answer.headers.get("location")
  for (let state; state !== "published"; await new Promise(later => setTimeout(later, 200))) {
    state = (await (await ask("follow", place, {headers: own})).json()).state
    if (state === "failed") throw state
  }
  answer = await ask("document", `${place}/document`, {headers: own})
  const pdf = await answer.blob()
  told.pdf = pdf.size
  const {upload, url, fields} = await (await ask("form", `${api}/uploads`, {method: "POST", headers: own})).json()
  const form = new FormData()
  for (const [name, value] of Object.entries(fields)) form.append(name, value)
  form.append("file", pdf)
  await ask("upload", url, {method: "POST", body: form})
  const checked = {method: "POST", headers: json, body: JSON.stringify({upload})}
  answer = await (await ask("verify", `${api}/verifications`, checked)).json()
  told.outcomes = [...new Set(answer.verdicts.map(each => each.outcome))]
} catch (error) { told.ended = String(error) }
await fetch("/told", {method: "POST", body: JSON.stringify(told)})
</script>"""


class Site:
    """A site of its own with one page; `told` is what the page has told it."""

    def __init__(self) -> None:
        self.page = b""
        self.told: SimpleQueue[dict[str, Any]] = SimpleQueue()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        """Answer as a WSGI application."""
        if environ["REQUEST_METHOD"] == "POST":
            self.told.put(json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))))
        start_response(f"200 {HTTPStatus.OK.phrase}", [("Content-Type", "text/html")])
        return [self.page]


@contextmanager
def opened(url: str, folder: Path) -> Iterator[None]:
    """A page in a browser without a window, of a profile of its own, until the block ends."""
    command = (
        "chromium",
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-proxy-server",
        "--no-first-run",
    )
    with subprocess.Popen(
        [*command, f"--user-data-dir={folder}", url], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as browser:
        try:
            yield
        finally:
            browser.terminate()


@pytest.fixture(scope="module")
def site() -> Iterator[tuple[str, Site]]:
    """The address of a site, and the site."""
    with standing() as found:
        yield found


@contextmanager
def standing() -> Iterator[tuple[str, Site]]:
    """The address of a site, and the site, until the block ends."""
    site = Site()
    with listening(0) as listener, listener_serving(listener, site):
        yield address(listener), site


@pytest.fixture(scope="module")
def served(site: tuple[str, Site], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """The deployed system, which the site's pages may call."""
    folder, origins = load.settled(tmp_path_factory.mktemp("browser")), f"https://other.example,{site[0]}"
    with serving(folder, "--evidence", GOLDEN / "quiet", origins=origins) as found:
        yield found


def told(served: Serving, site: tuple[str, Site], folder: Path) -> dict[str, Any]:
    """What the page of a site has to tell of the system."""
    page, own = site
    given = {"api": served.lines["API"], "token": served.lines["token"], "wanted": WANTED}
    own.page = PAGE.replace("CHOSEN", json.dumps(given)).encode()
    with opened(page, folder / "profile"):
        return own.told.get(timeout=PATIENCE)


def test_a_page_does_all_that_a_caller_can(served: Serving, site: tuple[str, Site], tmp_path: Path) -> None:
    """A page requests a briefing, follows the link to its PDF, uploads that, and has it verified."""
    found = told(served, site, tmp_path)
    assert found.pop("pdf", 0) > 10_000, found
    assert found == {
        "request": 202,
        "follow": 200,
        "document": 200,
        "form": 201,
        "upload": 204,
        "verify": 200,
        "outcomes": ["valid"],
    }


def test_a_page_of_another_site_learns_nothing(served: Serving, tmp_path: Path) -> None:
    """The near miss: the system does not know the page's origin, and the browser stops at the first call."""
    with standing() as other:
        found = told(served, other, tmp_path)
    assert re.match("TypeError: Failed to fetch", found["request"])
    assert found.keys() == {"request", "ended"}

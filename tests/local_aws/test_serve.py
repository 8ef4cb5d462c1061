"""The deployed system on a laptop, from outside: what `exhibit serve` prints, answers, keeps and leaves behind."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from reports.cli import main
from reports.local_aws.account import client
from reports.local_aws.signature import Key
from tests.soak import load
from tests.support.publishing import GOLDEN, ROOT
from tests.support.serving import Serving, serving
from tests.support.tools import PATIENCE, eventually, needs
from tests.test_docs import block

EVIDENCE = GOLDEN / "quiet"
DAY = "2026-05-01"  # of which there is evidence
WANTED = {"window": "2026-05-01/2026-05-07", "audience": "lawmaker"}
SCHEDULES = (
    'schedules: [{{name: half-yearly, audience: regulator, window: last-190-days, at: "00:00", time_zone: UTC,'
    " since: {}}}]"
)


def published(served: Serving, id_: str) -> Any:
    def ended() -> Any:
        found = json.loads(served.call("GET", f"/briefings/{id_}")[2])
        assert found["state"] != "failed", found
        return found["state"] == "published" and found

    return eventually(ended)


def fetched(served: Serving, id_: str) -> bytes:
    """The document, as whoever follows the link gets it, without a token."""
    status, headers, _ = served.call("GET", f"/briefings/{id_}/document")
    assert status == 303
    with urllib.request.urlopen(headers["location"], timeout=PATIENCE) as answer:  # noqa: S310 - loopback
        return bytes(answer.read())


@pytest.fixture(scope="module")
def since() -> date:
    """The first of 190 days that have settled, whenever this runs; the next 190 have not."""
    return datetime.now(UTC).date() - timedelta(190 + 7 + 2)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, since: date) -> Iterator[Serving]:
    folder = load.settled(tmp_path_factory.mktemp("served"), SCHEDULES.format(since))
    with serving(folder, "--evidence", evidence_of(since, folder / "evidence")) as found:
        yield found


def evidence_of(day: date, folder: Path) -> Path:
    """The evidence of `quiet`, and as much of another day."""
    shutil.copytree(EVIDENCE, folder)
    part = folder / f"detections/event_day={DAY}/part.jsonl"
    other = folder / f"detections/event_day={day}/part.jsonl"
    other.parent.mkdir(exist_ok=True)
    other.write_text(part.read_text().replace(f"{DAY}T", f"{day}T").replace('"q', '"r'))
    return folder


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with serving(load.settled(tmp_path_factory.mktemp("loaded")), "--evidence", EVIDENCE) as found:
        yield found


def test_scopes_are_enforced(served: Serving) -> None:
    """Without a token the API answers 401; a token for reading lists briefings, and asks for none."""
    reader = {"Authorization": f"Bearer {served.lines['reader']}"}
    assert served.call("GET", "/briefings", Authorization="")[0] == 401
    assert served.call("GET", "/briefings", Authorization=f"Bearer {served.lines['token']}x")[0] == 401
    assert served.call("GET", "/briefings", **reader)[0] == 200
    assert served.call("POST", "/briefings", WANTED, **reader)[0] == 403


def test_session_for_a_shell(served: Serving) -> None:
    """The session file gives a shell, and what it starts, the addresses and tokens; its owner alone can read it."""
    command = f". '{served.state}/session' && exec env"
    printed = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout
    found = dict(line.partition("=")[::2] for line in printed.splitlines())
    said = [served.lines[name] for name in ("API", "AWS", "secret", "token", "reader")]
    assert [
        found[name] for name in ("API", "AWS_ENDPOINT_URL", "AWS_SECRET_ACCESS_KEY", "TOKEN", "READER")
    ] == said
    assert (served.state / "session").stat().st_mode & 0o777 == 0o600


def test_problems_are_the_functions_own(served: Serving) -> None:
    """What is not there is a problem document, from the function that answers what no route names."""
    status, headers, body = served.call("GET", "/nowhere")
    assert (status, headers["content-type"]) == (404, "application/problem+json")
    assert json.loads(body)["title"] == "Not Found"


def test_scheduled_briefings_are_published(served: Serving, since: date) -> None:
    """Due briefings are published automatically, and announced on the bus and the topic."""

    def scheduled() -> Any:
        found = json.loads(served.call("GET", "/briefings?audience=regulator")[2])["briefings"]
        return [each for each in found if each["window"]["from"] == str(since)]

    (request,) = eventually(scheduled)
    assert published(served, request["id"])["requested_by"] == "schedule half-yearly"
    told = [next(iter(served.process.stdout or ())) for _ in range(2)]
    assert sorted(line.split(":")[0] for line in told) == ["event", "notification"]
    assert all(line.endswith(f"Briefing Published, /briefings/{request['id']}\n") for line in told)


def test_the_account_takes_what_its_key_has_signed(served: Serving) -> None:
    """The AWS endpoint answers clients with the key of this run, and no others."""
    own, other = (
        client("s3", served.lines["AWS"], Key(secret)) for secret in (served.lines["secret"], "local")
    )
    assert "evidence" in [bucket["Name"] for bucket in own.list_buckets()["Buckets"]]
    with pytest.raises(ClientError, match=r"SignatureDoesNotMatch.*the key of this exhibit serve"):
        other.list_buckets()
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(f"{served.lines['AWS']}/moto-api/data.json", timeout=PATIENCE)  # noqa: S310


@needs("curl")
def test_an_upload_is_verified(served: Serving, tmp_path: Path) -> None:
    """A PDF that is uploaded with the form's fields is verified by the id of the upload."""
    pdf = tmp_path / "some.pdf"
    pdf.write_bytes(b"%PDF-1.7 of somebody")
    form = json.loads(served.call("POST", "/uploads")[2])
    fields = [word for name, value in form["fields"].items() for word in ("-F", f"{name}={value}")]
    curl = ["curl", "--fail", "-sS", *fields, "-F", f"file=@{pdf};type=application/pdf", form["url"]]
    subprocess.run(curl, check=True, timeout=PATIENCE)
    status, _, body = served.call("POST", "/verifications", {"upload": form["upload"]})
    assert status == 200
    assert json.loads(body)["file"]["size"] == pdf.stat().st_size


def test_requests_at_once(loaded: Serving) -> None:
    """Of requests that come at once, each with a duplicate, all are published, and none twice."""
    load.check(loaded, 16, 0)


def test_what_was_published_is_there_again(loaded: Serving) -> None:
    """After it was killed, briefings are found, what was asked for is published, and the keys are the same."""
    id_ = json.loads(loaded.call("POST", "/briefings", WANTED)[2])["id"]
    before = {id_: published(loaded, id_)}
    before |= {each["id"]: published(loaded, each["id"]) for each in load.listed(loaded)}
    asked = {**WANTED, "window": "2026-04-30/2026-05-02"}
    left = json.loads(loaded.call("POST", "/briefings", asked)[2])["id"]
    loaded.process.kill()
    loaded.process.wait()
    with serving(loaded.state.parent, "--evidence", EVIDENCE) as served:
        assert published(served, left)["receipt"]["edition"] == 1
        assert {id_: published(served, id_) for id_ in before} == before
        again = json.loads(served.call("POST", "/briefings", WANTED)[2])["id"]
        assert published(served, again)["receipt"] == before[id_]["receipt"]
        pdf = fetched(served, id_)
        answer = served.call("POST", "/verifications", pdf, Content_Type="application/pdf")[2]
        assert {each["outcome"] for each in json.loads(answer)["verdicts"]} == {"valid"}
        _stops_cleanly(served, signal.SIGTERM)


def test_stops_cleanly(served: Serving) -> None:
    """A signal ends it with status 0, at work too: its processes are gone, and nothing complains."""
    served.call("POST", "/briefings", {**WANTED, "window": "2026-04-30/2026-05-03"})
    _stops_cleanly(served, signal.SIGINT)


TO_ANOTHER_THREAD = """
import signal, threading, time
from reports.cli import _signals, serve

def hit():
    time.sleep(0.5)
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

with _signals() as caught:
    threading.Thread(target=hit).start()
    try:
        serve._wait()
    except KeyboardInterrupt:
        print(caught == [signal.SIGTERM])
"""


def test_a_signal_that_another_thread_gets() -> None:
    """A signal ends the wait, whichever thread the system gives it to."""
    found = subprocess.run(
        [sys.executable, "-c", TO_ANOTHER_THREAD], cwd=ROOT, check=True, capture_output=True, timeout=PATIENCE
    )
    assert found.stdout == b"True\n"


def _stops_cleanly(served: Serving, number: int) -> None:
    running = eventually(lambda: children(served.process.pid))
    assert served.stop(number) == 0
    assert served.process.stdout is not None
    assert served.process.stdout.read().splitlines()[-1] == "stopped"
    for each in running:
        with pytest.raises(ProcessLookupError):
            os.kill(each, 0)
    assert [line for line in served.log.read_text().splitlines() if not line.startswith("{")] == []


def children(process: int) -> list[int]:
    if sys.platform == "linux":  # where `ps` may be missing
        return [int(word) for word in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    listed = subprocess.run(
        ["ps", "-ax", "-o", "pid=,ppid="], check=True, capture_output=True, text=True
    ).stdout
    pairs = (map(int, line.split()) for line in listed.splitlines())
    return [child for child, parent in pairs if parent == process]


# Of the AWS CLI, which is not among what tests need, as much as the documentation uses
AWS = """#!{python}
import sys, boto3
service, verb, file, place = sys.argv[1:]
bucket, _, key = place.removeprefix("s3://").partition("/")
assert (service, verb) == ("s3", "cp") and place.startswith("s3://")
boto3.client("s3").upload_file(file, bucket, key)
"""


def in_terminal(lines: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run lines of the documentation in a folder, while the system is served."""
    return subprocess.run(
        ["sh", "-eu"],
        input=lines,
        cwd=folder,
        env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE,
    )


@needs("curl")
def test_readme_session(tmp_path: Path) -> None:
    """The README's curl session works as it stands, against the sample: the PDF that it fetches is found valid.

    So do the lines for an operator's settings and evidence, with as much of the AWS CLI as they use.
    """
    with serving(tmp_path) as served:
        (tmp_path / "local").symlink_to(served.state)
        done = in_terminal(block("README.md", "sh", "verifications"), tmp_path)
        (tmp_path / "aws").write_text(AWS.format(python=sys.executable))
        (tmp_path / "aws").chmod(0o755)
        (tmp_path / "schedules.yaml").write_text("schedules: []\n")
        shutil.copy(next((served.state / "sample").rglob("*.parquet")), tmp_path / "part-9.parquet")
        in_terminal(block("docs/laptop.md", "sh", "aws s3 cp"), tmp_path)
        assert (served.state / "settings/schedules.yaml").read_text() == "schedules: []\n"
    listing, verification = re.fullmatch(r"(\{.*\})(\{\"file\".*\})", done.stdout).groups()  # type: ignore[union-attr]
    (listed,) = json.loads(listing)["briefings"]
    assert listed["window"] == {"from": "2026-04-22", "to": "2026-06-05"}
    verdicts = json.loads(verification)["verdicts"]
    assert [(each["check"], each["outcome"]) for each in verdicts] == [
        (check, "valid") for check in ("integrity", "signer", "time-stamp", "attachments")
    ]
    root = served.state / "keys" / "root.cert.pem"
    assert main(["verify", str(served.state / "briefing.pdf"), "--trust", str(root)]) == 0


def test_state_can_be_kept_nowhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Evidence that is not there ends it with status 2 and one line, as do settings under another name, and a state
    folder of something else.
    """
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    (tmp_path / "other").write_text("something else")
    (shutil.copytree(EVIDENCE, tmp_path / "evidence") / "dataset.yml").touch()
    for arguments in (
        ["--evidence", str(tmp_path / "none")],
        ["--evidence", str(tmp_path / "evidence")],
        ["--state", str(tmp_path)],
        ["--port", "99999"],
    ):
        assert main(["serve", "--port", "0", *arguments]) == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_extras_are_missing(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the packages of the extras, one line says which to install."""
    monkeypatch.setattr("reports.cli.serve.find_spec", lambda name: None if name == "moto" else object())
    assert main(["serve"]) == 2
    assert capsys.readouterr().err == (
        "exhibit: this command needs moto: install requirements-dev.txt of Exhibit's source\n"
    )

"""The environment of the functions: bad configuration stops at start, with the variable's name."""

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from reports.core.errors import InvalidSettings
from reports.service.parts import Deployed, Environment, deployed
from reports.service.publisher import AthenaPress
from tests.support.publishing import ROOT
from tests.support.system import System

SET = {
    "EXHIBIT_ARCHIVE_BUCKET": "archive",
    "EXHIBIT_BUS": "bus",
    "EXHIBIT_CELLS_BUCKET": "cells",
    "EXHIBIT_DATABASE": "exhibit",
    "EXHIBIT_EVIDENCE_BUCKET": "evidence",
    "EXHIBIT_EVIDENCE_PREFIX": "",
    "EXHIBIT_EVIDENCE_TABLE": "",
    "EXHIBIT_MAX_RECEIVES": "8",
    "EXHIBIT_PSEUDONYM_KEY": "hashing",
    "EXHIBIT_SETTINGS_BUCKET": "settings",
    "EXHIBIT_SETTINGS_PREFIX": "exhibit/",
    "EXHIBIT_SETTLING_DAYS": "7",
    "EXHIBIT_SIGNING_KEY": "signing",
    "EXHIBIT_TIMESTAMP_URLS": "http://one.example/tsa, https://two.example",
    "EXHIBIT_TOPIC": "topic",
    "EXHIBIT_UPLOADS_BUCKET": "uploads",
    "EXHIBIT_WORKGROUP": "exhibit",
}
OPTIONAL = ("EXHIBIT_EVIDENCE_PREFIX", "EXHIBIT_EVIDENCE_TABLE", "EXHIBIT_SETTINGS_PREFIX")


def test_read() -> None:
    """Variables are read as what they are: text, whole numbers, a list of URLs."""
    environment = Environment.read(SET)
    assert environment.settling_days == 7
    assert environment.timestamp_urls == ("http://one.example/tsa", "https://two.example")
    assert (environment.evidence_prefix, environment.settings_prefix) == ("", "exhibit/")


@pytest.mark.parametrize("name", [name for name in SET if name not in OPTIONAL])
@pytest.mark.parametrize("change", [False, True])
def test_missing(name: str, change: bool) -> None:
    """A variable that is missing or empty is named."""
    environ = {key: value for key, value in SET.items() if key != name} | dict.fromkeys(
        [name] if change else [], " "
    )
    with pytest.raises(InvalidSettings, match=f"^{name} is not set"):
        Environment.read(environ)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("EXHIBIT_SETTLING_DAYS", "-1"),
        ("EXHIBIT_SETTLING_DAYS", "367"),
        ("EXHIBIT_SETTLING_DAYS", "a week"),
        ("EXHIBIT_SETTLING_DAYS", "٧"),
        ("EXHIBIT_MAX_RECEIVES", "1"),
        ("EXHIBIT_TIMESTAMP_URLS", "one.example"),
        ("EXHIBIT_TIMESTAMP_URLS", "https://one.example,"),
        ("EXHIBIT_EVIDENCE_PREFIX", "results"),
        ("EXHIBIT_EVIDENCE_TABLE", "findings"),
        ("EXHIBIT_EVIDENCE_TABLE", 'lab.find"ings'),
        ("EXHIBIT_SETTINGS_PREFIX", "settings"),
    ],
)
def test_malformed(name: str, value: str) -> None:
    """A variable that is malformed is named, with what it holds."""
    with pytest.raises(InvalidSettings, match=name):
        Environment.read({**SET, name: value})


def test_a_password_is_not_shown() -> None:
    """A password in the URL of an authority is kept, and shown neither in the settings nor in an error."""
    url = "https://u:s3cret@one.example/tsa"
    environment = Environment.read({**SET, "EXHIBIT_TIMESTAMP_URLS": url})
    assert environment.timestamp_urls == (url,)
    assert "s3cret" not in repr(environment)
    with pytest.raises(InvalidSettings) as refused:
        Environment.read({**SET, "EXHIBIT_TIMESTAMP_URLS": f"{url}, ftp://u:s3cret@two.example"})
    assert "two.example" in str(refused.value)
    assert "s3cret" not in str(refused.value)


@pytest.mark.usefixtures("slow")
def test_nothing_is_read_at_import() -> None:
    """Functions are imported without any variable; the first event needs them."""
    program = (
        "import functions.publish, functions.schedule, functions.api, functions.verification, functions.announce\n"
        "from functions import watch\n"
        "try: watch.handler({}, None)\n"
        "except Exception as error: print(error)\n"
    )
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "EXHIBIT_"))}
    found = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environ, check=True, capture_output=True, text=True
    )
    assert found.stdout.splitlines()[-1] == "EXHIBIT_ARCHIVE_BUCKET is not set: set it in template.yaml"


@pytest.mark.usefixtures("slow")
def test_clients_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service has one client, which gives up on what does not answer and tries again what was throttled."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    parts = Deployed(Environment.read(SET))
    config = parts.client("s3").meta.config
    assert parts.client("s3") is parts.client("s3")
    assert (config.retries["mode"], config.retries["total_max_attempts"]) == ("standard", 4)
    assert (config.connect_timeout, config.read_timeout) == (5, 30)


REGIONS = ("us-east-1", "eu-west-1", "af-south-1", "ap-east-1", "eu-central-2", "us-gov-west-1")


def linked(monkeypatch: pytest.MonkeyPatch, region: str, endpoint: str = "") -> tuple[str, str]:
    """The URLs of a link and of a form for an upload, as a function in a region makes them."""
    variables = {"DEFAULT_REGION": region, "ACCESS_KEY_ID": "x", "SECRET_ACCESS_KEY": "x"}
    for name, value in {**variables, **({"ENDPOINT_URL": endpoint} if endpoint else {})}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    parts = Deployed(Environment.read(SET))
    return parts.link("EX-1.pdf"), parts.upload("one", "0" * 32)["url"]


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize("region", REGIONS)
def test_links_lead_to_the_region(monkeypatch: pytest.MonkeyPatch, region: str) -> None:
    """Links and uploads go to the bucket in its own region, also where the global endpoint would not answer."""
    link, form = linked(monkeypatch, region)
    query = dict(parse_qsl(urlsplit(link).query))
    assert urlsplit(link).netloc == f"archive.s3.{region}.amazonaws.com"
    assert form == f"https://uploads.s3.{region}.amazonaws.com/"
    assert query["X-Amz-Algorithm"] == "AWS4-HMAC-SHA256"
    assert f"/{region}/s3/aws4_request" in query["X-Amz-Credential"]


@pytest.mark.usefixtures("slow")
def test_links_lead_to_the_rehearsal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the account has an address of its own, the bucket is in the path: no name leads to such a host."""
    link, form = linked(monkeypatch, "eu-west-1", "http://127.0.0.1:9")
    assert link.startswith("http://127.0.0.1:9/archive/briefings/EX-1.pdf?")
    assert form == "http://127.0.0.1:9/uploads"


def press_of(system: System) -> AthenaPress:
    return AthenaPress(system.parts, lambda: 600, lambda *_: None)


def test_pseudonyms_stay(system: System) -> None:
    """Account ids are hashed with 32 bytes that the key in KMS gives, the same ones every time."""
    press = press_of(system)
    assert len(press._pseudonym_key()) == 32
    assert press._pseudonym_key() == press._pseudonym_key()


@pytest.mark.parametrize("name", ["../../x", "../issuer.yaml", "/issuer.yaml", "./issuer.yaml", "/"])
def test_templates_stay_in_their_folder(system: System, tmp_path: Path, name: str) -> None:
    """A name that leads out of the folder of templates, or to one of another name, is refused."""
    system.settle(f"templates/{name}", b"")
    with pytest.raises(InvalidSettings, match="is not a file name: remove it"):
        press_of(system)._resources(tmp_path)


@pytest.mark.parametrize("name", ["templates/issuer.yaml/", "templates/issuer.yaml/x", "templates/sections"])
def test_a_template_is_no_folder(system: System, tmp_path: Path, name: str) -> None:
    """In a bucket a name can be that of a file and of a folder: then it is refused."""
    system.settle("templates/sections/who.html", b"")
    system.settle(name, b"")
    with pytest.raises(InvalidSettings, match="of the settings is both a file and a folder: remove one"):
        press_of(system)._resources(tmp_path)


def test_folders_of_templates_can_be_marked(system: System, tmp_path: Path) -> None:
    """Consoles mark a folder with an object, which is none of its files."""
    for name in ("templates/", "templates/sections/", "templates/sections/who.html"):
        system.settle(name, b"")
    resources = press_of(system)._resources(tmp_path)
    assert sorted(resources.own) == ["issuer.yaml", "sections/", "sections/who.html"]


@pytest.mark.parametrize(
    "name", ["schedule.yaml", "schedules.yml", "Chain.pem", "issuer.yaml", "template/law.yaml"]
)
def test_settings_that_would_be_passed_over(system: System, tmp_path: Path, name: str) -> None:
    """Neither a schedule nor a briefing follows Exhibit's own settings because an operator's have another name."""
    system.settle(name, b"")
    for ask in (
        system.parts.schedules,
        lambda: press_of(system)._resources(tmp_path),
    ):
        with pytest.raises(InvalidSettings, match="among the settings: "):
            ask()


def test_other_files_among_the_settings(system: System) -> None:
    """An operator may keep notes and copies there."""
    for name in (
        "README.md",
        "schedules-2025.yaml",
        "schedules.yaml.bak",
        "notes/schedules.yml",
        "crls/a.crl",
    ):
        system.settle(name, b"")
    assert system.parts.schedules().schedules


@pytest.mark.parametrize(
    ("variables", "public"),
    [
        ({}, False),
        ({"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001"}, True),
        ({"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001", "EXHIBIT_TIMESTAMP_ADDRESSES": "any"}, False),
    ],
)
def test_authorities_of_a_deployed_function(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], public: bool
) -> None:
    """On Lambda, time-stamp authorities are not on the function's own machine, unless that is said."""
    monkeypatch.delenv("AWS_LAMBDA_RUNTIME_API", raising=False)
    for name, value in {**environment, **variables}.items():
        monkeypatch.setenv(name, value)
    deployed.cache_clear()
    try:
        assert deployed().public == public
    finally:
        deployed.cache_clear()

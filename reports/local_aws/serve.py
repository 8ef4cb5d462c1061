"""The deployed system on a laptop, put together: the third composition root.

What leads where:

    caller ─ gateway ─ functions ─ account (moto, Athena by DuckDB or Trino, a time-stamp authority)
                           │
                       triggers (new requests, ended requests, ticks)
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from moto.kms.models import kms_backends
from moto.s3.models import s3_backends

from reports.core.errors import InvalidSettings
from reports.core.settings_files import BESIDE_EVIDENCE, check_beside
from reports.evidence.source import FolderEvidence, ListedObject
from reports.local_aws import trino
from reports.local_aws.account import ACCOUNT, REGION, TIMESTAMP, Account, client
from reports.local_aws.athena import AthenaService, DuckDBAthena, Executor
from reports.local_aws.deploy import Client, arn, connect, deploy
from reports.local_aws.gateway import Cors, Gateway, Routed, routing
from reports.local_aws.kept import KeptKeys, KeptStore, keep
from reports.local_aws.listening import HOST, address, listening, serving
from reports.local_aws.mirror import Mirror
from reports.local_aws.sandbox import ROOT, Sandboxes
from reports.local_aws.signature import Key
from reports.local_aws.state import opened, write_session
from reports.local_aws.template import TEMPLATE, Stack
from reports.local_aws.tokens import Tokens
from reports.local_aws.triggers import Triggers
from reports.sample import write_sample
from reports.service import schedules
from reports.service.parts import CHAIN, TRUST
from reports.service.requests import Requests, stem
from reports.service.segments import Segments
from reports.signing.keys import LocalAuthority

ISSUER, AUDIENCE, SUBJECT = "https://issuer.localhost", "exhibit", "you"
READ, BOTH = "briefings:read", "briefings:read briefings:request"
EVIDENCE = "evidence"  # the name of its bucket
TRINO = ROOT / ".cache" / "trino"  # where make .venv/trino installs it
SAMPLE = "sample"  # the folder of the sample evidence in the state
KINDS = ("requests", "attempts", "outcomes", "keys", "segments")
KEPT = {"ArchiveBucket": "archive", "SettingsBucket": "settings"}
SINCE = date(2025, 1, 1)  # the first day of the tables, unless there is earlier evidence
MOST = min(4, max(2, os.cpu_count() or 2))  # processes of each function
_WAY = re.compile(r"ext/(?P<source>.+?)/region=(?P<region>[^/]+)/accountId=(?P<account>[^/]+)/.+")


@dataclass(frozen=True, slots=True)
class Choices:
    """What may be chosen: the port of the API (0: any that is free), a folder of evidence, and one for the state.

    With `trino`, the folder of a Trino, that executes Athena's statements; without, DuckDB does.
    """

    port: int
    evidence: Path | None = None
    state: Path | None = None
    trino: Path | None = None


@dataclass(frozen=True, slots=True)
class Served:
    """Where the API and the account are, the account's key pair, and two tokens of the API: for all, and to read.

    `trino` is where the tables of its Trino are, if there is one, as `--engine` of `exhibit publish` takes it.
    """

    api: str
    aws: str
    key: Key
    token: str
    reader: str
    trino: str | None = None


@contextmanager
def served(choices: Choices, tell: Callable[[str], None]) -> Iterator[Served]:
    """Serve the system for as long as the block lasts; `tell` is told what the bus and the topic have said.

    Raises `InvalidRequest` for a port that cannot be had, `InvalidEvidence` for evidence that is not there, and
    `InvalidSettings` for a state folder of something else, or where this is no checkout, or a Trino that is not there.
    """
    if not (TEMPLATE.exists() and (ROOT / "functions").is_dir()):
        raise InvalidSettings("exhibit serve needs template.yaml and functions/: run it from a checkout")
    if choices.trino and not trino.installed(choices.trino):
        raise InvalidSettings("--engine trino needs Trino, which is not installed: make .venv/trino")
    with ExitStack() as parts:
        api, aws = parts.enter_context(listening(choices.port)), parts.enter_context(listening(0))
        folder = parts.enter_context(opened(choices.state))
        evidence, listed = _evidence(choices, folder)
        authority = LocalAuthority.open(folder / "keys", datetime.now(UTC))
        account = Account(authority)
        clients: Client = partial(client, url=address(aws), key=account.key)
        parts.enter_context(serving(aws, account))
        stack = deploy(clients, {**_parameters(address(aws)), **fitting(listed)})
        _lend_keys(stack, folder / "keys", authority)
        archive = _fill(clients("s3"), stack, folder, evidence, authority)
        mirrored = Path(parts.enter_context(tempfile.TemporaryDirectory(prefix="exhibit-")))
        mirror = Mirror(clients("s3"), EVIDENCE, mirrored)
        executor: Executor = DuckDBAthena(mirror.relations)
        tables = None
        if choices.trino:
            tell(f"starting: Trino {trino.VERSION}, for half a minute or so")
            endpoint = trino.Endpoint(address(aws), account.key.id, account.key.secret, REGION)
            server = parts.enter_context(trino.running(choices.trino, endpoint))
            executor, tables = _on_trino(server, stack.resources["Database"].name)
        account.athena = AthenaService(executor, mirror.size)
        parts.callback(account.athena.stop)
        connect(clients, stack)
        _deliver_again(clients, stack, archive)
        functions = Sandboxes(stack.functions, _environment(address(aws), account.key), MOST)
        parts.enter_context(
            _turning(Triggers(stack, clients("sqs"), functions.invoke, tell, MOST), functions)
        )
        tokens = Tokens(ISSUER, AUDIENCE)
        routes = [
            Routed(route.key, route.scopes, functions.handler(name), route.open)
            for name, function in stack.functions.items()
            for route in function.routes
        ]
        cors = Cors.read(stack.resources["Api"].properties.get("CorsConfiguration"))
        parts.enter_context(serving(api, Gateway(routing(routes), tokens.authorize, cors)))
        issued = tokens.issue(SUBJECT, BOTH), tokens.issue(SUBJECT, READ)
        found = Served(address(api), address(aws), account.key, *issued, tables)
        write_session(folder, _session(found))
        yield found


def _on_trino(server: trino.Server, database: str) -> tuple[Executor, str]:
    """What executes statements on a Trino over the tables of a database, and where people find these."""
    from reports.local_aws.athena_trino import CATALOG, USER, TrinoAthena, connecting  # noqa: PLC0415 -- if wanted

    executor = TrinoAthena(connecting(server.port, database))
    return executor, f"trino://{USER}@{HOST}:{server.port}/{CATALOG}/{database}"


def _evidence(choices: Choices, folder: Path) -> tuple[Path, Sequence[ListedObject]]:
    """The folder of the evidence, and its objects; the sample is in one format, for so tables read it."""
    evidence = choices.evidence or folder / SAMPLE
    if choices.evidence is None:
        write_sample(evidence, form="parquet")
    source = FolderEvidence(evidence)
    check_beside(source.tops())
    return evidence, source.list()


def fitting(listed: Sequence[ListedObject]) -> dict[str, str]:
    """The parameters with which the tables show objects, as whoever deploys the stack would choose them."""
    ways = [way for o in listed if o.layout == "ocsf" and (way := _WAY.fullmatch(o.name))]
    named = {"OcsfSources": "source", "OcsfRegions": "region", "OcsfAccounts": "account"}
    found = {parameter: sorted({way[name] for way in ways}) for parameter, name in named.items() if ways}
    return {
        "EvidenceFormat": "json" if {o.format for o in listed} == {"json"} else "parquet",
        "EvidenceSince": str(min(SINCE, *(o.day for o in listed))),
        **{parameter: ",".join(values) for parameter, values in found.items()},
    }


def _parameters(aws: str) -> dict[str, str]:
    return {
        "EvidenceBucket": EVIDENCE,
        "JwtAudience": AUDIENCE,
        "JwtIssuer": ISSUER,
        "SigningKeySpec": "ECC_NIST_P256",
        "TimestampUrls": f"{aws}{TIMESTAMP}",
    }


def _environment(aws: str, key: Key) -> dict[str, str]:
    """What Lambda sets in every function's environment, and where the account is."""
    return {
        **key.variables,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": aws,
        "AWS_REGION": REGION,
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }


def _session(found: Served) -> dict[str, str]:
    return {
        **found.key.variables,
        "API": found.api,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": found.aws,
        "READER": found.reader,
        "TOKEN": found.token,
        **({"TRINO": found.trino} if found.trino else {}),
    }


def _lend_keys(stack: Stack, folder: Path, authority: LocalAuthority) -> None:
    """Have the keys in KMS be those of the folder, which are the same after a restart."""
    keys = kms_backends[ACCOUNT][REGION].keys
    signer: Any = keys[stack.resources["SigningKey"].name].private_key
    signer.private_key = load_pem_private_key((folder / "signer.key.pem").read_bytes(), None)
    keys[stack.resources["PseudonymKey"].name].key_material = authority.pseudonym_key()


def _fill(s3: Any, stack: Stack, folder: Path, evidence: Path, authority: LocalAuthority) -> KeptKeys:
    """Put evidence, what was kept, and the certificates where the functions look for them; returns the archive.

    The sample ends on a day of its own: Exhibit's schedules would ask for last week and find nothing.
    """
    source = FolderEvidence(evidence)
    written = (name for name in BESIDE_EVIDENCE if source.text(name) is not None)
    for name in (*(each.name for each in source.list()), *written):
        content = (evidence / name).read_bytes()
        s3.put_object(Bucket=EVIDENCE, Key=name, Body=content, ChecksumAlgorithm="SHA256")
    # From here on: what is there at each start has no version, and so the same evidence is the same after a restart
    s3.put_bucket_versioning(Bucket=EVIDENCE, VersioningConfiguration={"Status": "Enabled"})
    settings = stack.resources["SettingsBucket"].name
    if evidence == folder / SAMPLE and not (folder / KEPT["SettingsBucket"] / schedules.FILE).exists():
        s3.put_object(Bucket=settings, Key=schedules.FILE, Body=b"schedules: []\n")
    chain = b"".join(each.public_bytes(Encoding.PEM) for each in authority.key.chain)
    root = authority.root.public_bytes(Encoding.PEM)
    lists = {f"crls/{at}.crl": crl for at, crl in enumerate(authority.crls(datetime.now(UTC)))}
    for key, content in {CHAIN: chain, TRUST: root, **lists}.items():
        s3.put_object(Bucket=settings, Key=key, Body=content)
    backend = s3_backends[ACCOUNT]["aws"]
    kept = {each: keep(backend, stack.resources[each].name, folder / name) for each, name in KEPT.items()}
    archive = stack.resources["ArchiveBucket"].name
    put = partial(backend.put_object, archive)
    stores = (KeptStore(kept["ArchiveBucket"], put, f"{kind}/") for kind in KINDS)
    requests, attempts, outcomes, keys, segments = stores
    Requests(requests, attempts, outcomes, keys, Segments(segments)).index()
    return kept["ArchiveBucket"]


def _deliver_again(clients: Client, stack: Stack, archive: KeptKeys) -> None:
    """Tell the queue of requests that had not ended when the state was last in use: a queue is not kept."""
    sqs, keys = clients("sqs"), archive.names
    ended = {key.split("/")[1].split(".")[0] for key in keys if key.startswith("outcomes/")}
    url = sqs.get_queue_url(QueueName=arn(stack, "requests").rpartition(":")[2])["QueueUrl"]
    for key in keys:
        if key.startswith("requests/") and stem(key).removeprefix("requests/") not in ended:
            record = {"s3": {"object": {"key": quote_plus(key)}}}
            sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"Records": [record]}))


@contextmanager
def _turning(triggers: Triggers, functions: Sandboxes) -> Iterator[None]:
    triggers.start()
    try:
        yield
    finally:
        triggers.stop()
        functions.stop()
        triggers.join()

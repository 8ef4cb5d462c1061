"""`exhibit doctor`: a healthy stack passes, each fault is found by its own check, and nothing is changed."""

import json
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import boto3
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from moto.athena.models import athena_backends
from moto.s3.models import s3_backends

from reports.cli import main
from reports.core.errors import InvalidRequest, Unavailable
from reports.doctor import examine as examination
from reports.doctor import settings
from reports.doctor.deployed_stack import DeployedStack
from reports.doctor.evidence import scan_limit
from reports.doctor.examine import CHECKS, examine
from reports.doctor.findings import Report
from reports.evidence import source_s3
from reports.evidence.closed_days import Remembering, key_of, rules
from reports.evidence.day_store import ClosedDay
from reports.evidence.id_index import IdIndex
from reports.local_aws.listening import address, listening
from tests.support.aws import REGION, client, s3_client
from tests.support.doctor import DAYS, DISCOVERY, SIZE, TODAY, Clinic, Issuer
from tests.support.permissions import REPORTS
from tests.support.pki import NOW

JSON_SERDE = {
    "SerializationLibrary": "org.apache.hadoop.hive.serde2.RegexSerDe",
    "Parameters": {"input.regex": "(?s)(.*)"},
}
HOUR = timedelta(hours=1)
OF_LAYOUTS = [check for check in CHECKS if not check.of_own]
OF_OWN = [check for check in CHECKS if check.of_own is not False]
OWN = pytest.mark.parametrize("more", [{"EvidenceTable": "lab.findings"}])
ORC_SERDE = {"SerializationLibrary": "org.apache.hadoop.hive.ql.io.orc.OrcSerde"}
OPENX = {"SerializationLibrary": "org.openx.data.jsonserde.JsonSerDe"}
ACTIONS = re.compile(r"`([a-z0-9]+:[A-Z]\w+)`")
READS = ("Get", "List", "Describe", "Head", "BatchGet")


def now() -> datetime:
    return datetime.now(UTC)


def quiet(*_: Any) -> None:
    pass


def test_a_healthy_stack(clinic: Clinic) -> None:
    """A healthy stack passes every check, with exit status 0, and each check has a name of its own."""
    status, told = clinic.said()
    assert [each["check"] for each in told["checks"] if each["outcome"] != "good"] == []
    assert (status, told["stack"], told["region"]) == (0, "exhibit", REGION)
    names = [each["check"] for each in told["checks"]]
    assert names == ["clock", *(check.name for check in OF_LAYOUTS)]
    assert len(names) == len(set(names))


def test_nothing_is_changed(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that AWS is asked for is to read."""
    asked = []
    call = BaseClient._make_api_call

    def listening_call(self: Any, operation: str, parameters: Any) -> Any:
        asked.append(operation)
        return call(self, operation, parameters)

    monkeypatch.setattr(BaseClient, "_make_api_call", listening_call)
    assert clinic.said()[0] == 0
    assert {each for each in asked if not each.startswith(READS)} == set()
    assert {"DescribeStacks", "GetTable", "GetWorkGroup", "GetPublicKey", "GetAuthorizer"} <= set(asked)


def test_as_text(clinic: Clinic) -> None:
    """People read a line for each check that is good, and two for each finding; the last line counts."""
    clinic.remove("trust.pem")
    assert main(["doctor", "--stack", "exhibit", "--quiet"]) == 1
    *lines, last = clinic.captured.readouterr().out.splitlines()
    (at,) = (at for at, line in enumerate(lines) if line.split()[:2] == ["trust:", "wrong"])
    assert "trust.pem" in lines[at]
    assert lines[at + 1].strip().startswith("→ Put the root certificates")
    assert [line for line in lines if line.split()[1] != "good"] == lines[at : at + 2]
    assert last == f"stack exhibit in {REGION}: {len(OF_LAYOUTS)} good, 1 wrong"


# ---- A table of one's own


def own_table(columns: Mapping[str, str], **how: Any) -> None:
    """Have the catalog tell of the table that the evidence is in."""
    glue = client("glue")
    with suppress(glue.exceptions.AlreadyExistsException):
        glue.create_database(DatabaseInput={"Name": "lab"})
    storage = {
        "Columns": [{"Name": name, "Type": type_} for name, type_ in columns.items()],
        "Location": how.get("location", "s3://evidence/findings/"),
        "SerdeInfo": how.get("serde", ORC_SERDE),
    }
    table = {
        "Name": "findings",
        "TableType": how.get("kind", "EXTERNAL_TABLE"),
        "StorageDescriptor": storage,
        "PartitionKeys": [{"Name": "event_day", "Type": "string"}],
        "Parameters": how.get("parameters", {}),
    }
    glue.create_table(DatabaseName="lab", TableInput=table)


FINDINGS = {
    **dict.fromkeys(("detection_id", "status", "account_id", "detector"), "string"),
    **dict.fromkeys(("revised_at", "first_seen", "last_seen"), "timestamp"),
    "exchange_count": "int",
    "confidence": "float",
}


@OWN
@pytest.mark.parametrize(
    "how",
    [
        {},
        {"kind": "VIRTUAL_VIEW", "serde": {}, "location": ""},
        {"serde": {}, "parameters": {"table_type": "ICEBERG"}},
    ],
    ids=["ORC", "view", "Iceberg"],
)
def test_a_table_of_ones_own_that_is_healthy(clinic: Clinic, how: dict[str, Any]) -> None:
    """What is about the stack's own tables is not asked."""
    own_table({**FINDINGS, "object": "string"}, **how)
    status, told = clinic.said()
    assert [each["check"] for each in told["checks"]] == ["clock", *(check.name for check in OF_OWN)]
    assert [each["findings"] for each in told["checks"] if each["outcome"] != "good"] == []
    assert status == 0


@OWN
def test_no_table_of_ones_own(clinic: Clinic) -> None:
    remedy = "Make it, or deploy the stack with the right EvidenceTable."
    assert clinic.findings()["own-table"] == [("wrong", "There is no table lab.findings.", remedy)]


@OWN
@pytest.mark.parametrize(
    ("columns", "how", "told"),
    [
        ({"confidence": "binary"}, {}, "lab.findings has confidence as varbinary, which cannot be read as number"),
        ({"detector": None}, {}, "table lab.findings lacks detector"),
        ({}, {"kind": "VIRTUAL_VIEW"}, "table lab.findings lacks object"),
        ({}, {"location": "s3://evidence-2/x/"}, "lie in s3://evidence-2/x/, and EvidenceBucket is evidence."),
        ({}, {"serde": OPENX}, "reads with org.openx.data.jsonserde.JsonSerDe, which may read less than its objects"),
    ],
    ids=["type", "column", "view", "bucket", "serde"],
)  # fmt: skip
def test_a_table_of_ones_own_that_does_not_serve(
    clinic: Clinic, columns: dict[str, str | None], how: dict[str, Any], told: str
) -> None:
    """Each with what to do about it."""
    own_table({name: type_ for name, type_ in {**FINDINGS, **columns}.items() if type_}, **how)
    what, remedy = clinic.only("own-table")
    assert told in what
    assert remedy.endswith(".")


# ---- The archive


def test_versioning_off(clinic: Clinic) -> None:
    """An archive that does not keep versions is found, with the command that turns it on."""
    archive = clinic.name("ArchiveBucket")
    s3_client().put_bucket_versioning(Bucket=archive, VersioningConfiguration={"Status": "Suspended"})
    what, remedy = clinic.only("archive")
    assert what == f"The archive {archive} does not keep versions (versioning is suspended)."
    assert remedy == (
        f"Run: aws s3api put-bucket-versioning --bucket {archive} --versioning-configuration Status=Enabled"
    )


def test_object_lock_off(clinic: Clinic) -> None:
    """An archive whose objects are not locked is found, with the retention that the stack asks for."""
    s3_backends[clinic.stack.account]["aws"].buckets[clinic.name("ArchiveBucket")].object_lock_enabled = False
    what, remedy = clinic.only("archive")
    assert "does not lock its objects" in what
    assert "DefaultRetention={Mode=GOVERNANCE,Days=3650}" in remedy


# ---- The evidence and its tables


def change_table(clinic: Clinic, layout: str, **parameters: str) -> dict[str, Any]:
    """Change the parameters of a table; gives the table as it then is."""
    glue, database = client("glue"), clinic.name("Database")
    table = glue.get_table(DatabaseName=database, Name=layout)["Table"]
    kept = {
        name: table[name]
        for name in ("Name", "TableType", "PartitionKeys", "StorageDescriptor", "Parameters")
        if name in table
    }
    kept["Parameters"] |= parameters
    glue.update_table(DatabaseName=database, TableInput=kept)
    return dict(kept)


def test_table_of_another_format(clinic: Clinic) -> None:
    """A table that was changed to another format than the objects' is to be made again."""
    kept = change_table(clinic, "flat")
    kept["StorageDescriptor"]["SerdeInfo"] = JSON_SERDE
    client("glue").update_table(DatabaseName=clinic.name("Database"), TableInput=kept)
    what, remedy = clinic.only("table-format")
    first = f"detections/event_day={TODAY - timedelta(DAYS - 1)}/part.parquet"
    assert what == f"The table flat reads JSON, but {first} and {DAYS - 1} more are Parquet."
    assert (
        remedy == "Make the table flat again, as exhibit tables --format parquet prints it: it was changed."
    )


def test_objects_of_another_format(clinic: Clinic) -> None:
    """One object of another format than the table's is found; where all have it, the stack's parameter is to blame."""
    place = f"ext/detections/region={REGION}/accountId={clinic.stack.account}/eventDay={TODAY:%Y%m%d}"
    clinic.deliver(f"{place}/more.jsonl")
    what, remedy = clinic.only("table-format")
    assert what == f"The table ocsf reads Parquet, but {place}/more.jsonl is JSON."
    assert remedy.startswith("Convert the objects to one format")
    s3_client().delete_object(Bucket="evidence", Key=f"{place}/part.parquet")
    assert clinic.only("table-format")[1] == "Deploy the stack with EvidenceFormat=json."


def test_days_before_the_table(clinic: Clinic) -> None:
    """Evidence before EvidenceSince is found; on that very day it is fine."""
    clinic.deliver("detections/event_day=2025-01-01/part.parquet")
    assert clinic.findings() == {}
    clinic.deliver("detections/event_day=2024-12-31/part.parquet")
    what, remedy = clinic.only("partitions")
    assert what == (
        "The table flat begins on 2025-01-01, but detections/event_day=2024-12-31/part.parquet is older."
    )
    assert remedy == "Deploy the stack with EvidenceSince=2024-12-31."


def test_days_after_the_table(clinic: Clinic) -> None:
    """Evidence of a day that has not come is found: the projection ends now."""
    clinic.deliver(f"detections/event_day={TODAY + timedelta(2)}/part.parquet")
    what, remedy = clinic.only("partitions")
    assert "ends today" in what
    assert remedy == "Move the objects to the partitions of their days."


@pytest.mark.parametrize(
    ("place", "told", "remedy"),
    [
        ("more/region=eu-west-1/accountId=123456789012", "the source more", "OcsfSources=detections,more"),
        (
            "detections/region=us-east-1/accountId=123456789012",
            "the region us-east-1",
            "OcsfRegions=eu-west-1,us-east-1",
        ),
        (
            "detections/region=eu-west-1/accountId=210987654321",
            "the account 210987654321",
            "OcsfAccounts=123456789012,210987654321",
        ),
    ],
)
def test_partitions_that_are_not_listed(clinic: Clinic, place: str, told: str, remedy: str) -> None:
    """A source, a region or an account that the table does not list is found, and what to list."""
    clinic.deliver(f"ext/{place}/eventDay={TODAY:%Y%m%d}/part.parquet")
    what, to_do = clinic.only("partitions")
    assert what == f"The table ocsf does not list {told}, of which there is evidence."
    assert to_do == f"Deploy the stack with {remedy}."


def test_a_table_whose_days_were_changed(clinic: Clinic) -> None:
    """A range that somebody has narrowed is not mended by deploying the same parameters again."""
    change_table(clinic, "flat", **{"projection.event_day.range": f"{TODAY - timedelta(DAYS - 2)},NOW"})
    assert clinic.only("partitions")[1].startswith("Make the table flat again")


def test_evidence_in_another_region(clinic: Clinic) -> None:
    """Evidence in a bucket of another region is found; everything else about it is still checked."""
    s3 = boto3.client("s3", region_name="us-west-2")
    backend = s3_backends[clinic.stack.account]["aws"]
    backend.buckets["evidence"].region_name = "us-west-2"
    assert s3.head_bucket(Bucket="evidence")["BucketRegion"] == "us-west-2"
    what, remedy = clinic.only("evidence-region")
    assert what.startswith(
        f"The evidence (evidence) is in us-west-2, and the stack is in {REGION}: every read"
    )
    assert remedy.startswith("Deploy the stack in us-west-2, or replicate")


def test_days_that_were_not_closed(clinic: Clinic, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Days that are over, and were not closed hours after the last write, are found; today is not one of them."""
    monkeypatch.setattr(settings, "LATE", timedelta(days=-1))
    monkeypatch.setattr(
        source_s3, "UNSETTLED", timedelta(days=-1)
    )  # a quick machine lists as a slow one does
    what, remedy = clinic.only("closed-days", "warning")
    first, last = TODAY - timedelta(DAYS - 1), TODAY - timedelta(1)
    assert what == (
        f"Not closed, so that each briefing reads them again: {DAYS - 1} days from {first} to {last}."
    )
    assert remedy.startswith("Read the log of exhibit-close, which says what stopped it")
    stack = DeployedStack.open("exhibit", now())
    store = stack.parts.days(tmp_path)
    evidence = Remembering(stack.parts.evidence(lambda: 9.0), store, 0)
    flat = [o for o in evidence.list() if o.layout == "flat"]
    keys = {
        o.day: key_of(o.day, "flat", [pinned]) for o, pinned in zip(flat, evidence.pin(flat), strict=True)
    }
    closed = {keys[day]: ClosedDay(day, "flat", now(), (), {}) for day in keys}
    store.close(evidence.place, {key: each for key, each in closed.items() if each.day != first})
    store.push()
    assert clinic.only("closed-days", "warning")[0].endswith(f"again: {first}.")
    store.pull()
    store.close(evidence.place, closed)
    store.push()
    assert clinic.findings() == {}
    clinic.deliver(flat[5].name, bytes(SIZE - 1))
    assert clinic.only("closed-days", "warning")[0].endswith(f"again: {flat[5].day}.")


def test_a_partition_whose_rows_are_all_of_other_days(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It is no day that could be closed: those of its rows are."""
    late, day = TODAY - timedelta(5), TODAY - timedelta(6)
    place = f"region={REGION}/accountId={clinic.stack.account}/eventDay={late:%Y%m%d}"
    clinic.deliver(f"ext/detections/{place}/part.parquet")
    monkeypatch.setattr(settings, "LATE", timedelta(days=-1))
    monkeypatch.setattr(
        source_s3, "UNSETTLED", timedelta(days=-1)
    )  # a quick machine lists as a slow one does
    stack = DeployedStack.open("exhibit", now())
    store = stack.parts.days(tmp_path)
    evidence = Remembering(stack.parts.evidence(lambda: 9.0), store, 0)
    listed = evidence.list()
    pinned = {o.name: p for o, p in zip(listed, evidence.pin(listed), strict=True)}
    (revising,) = (pinned[o.name] for o in listed if (o.layout, o.day) == ("ocsf", late))
    for o in listed:
        if o.layout == "flat":
            key = key_of(o.day, "flat", [pinned[o.name]])
            store.close(evidence.place, {key: ClosedDay(o.day, "flat", now(), (), {})})
    numbers = {(revising.name, revising.sha256, revising.size): 1}
    store.keep_index(evidence.place, IdIndex(rules(), numbers, {}, {day: frozenset({1})}).text, [])
    store.push()
    assert clinic.only("closed-days", "warning")[0].endswith(f"again: {day}.")
    store.pull()
    store.close(evidence.place, {key_of(day, "ocsf", [revising]): ClosedDay(day, "ocsf", now(), (), {})})
    store.push()
    assert clinic.findings() == {}


def test_an_object_that_is_in_no_partition(clinic: Clinic) -> None:
    """Evidence that cannot be listed is one fault, and what depends on the list could not be checked."""
    clinic.deliver("detections/part.parquet")
    found = clinic.findings()
    assert {check for check, findings in found.items() if findings[0][0] == "wrong"} == {"evidence"}
    assert found.keys() == {"evidence", "table-format", "partitions", "scan-limit", "closed-days", "days"}
    assert found["evidence"][0][1] == "detections/part.parquet: is not in a partition"


@contextmanager
def refusing(operation: str, code: str, message: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have one operation of AWS refused."""
    call = BaseClient._make_api_call

    def refuse(self: Any, name: str, parameters: Any) -> Any:
        if name == operation:
            raise ClientError(
                {
                    "Error": {"Code": code, "Message": message},
                    "ResponseMetadata": {"HTTPStatusCode": 400, "HTTPHeaders": {}},
                },
                name,
            )
        return call(self, name, parameters)

    with monkeypatch.context() as patch:
        patch.setattr(BaseClient, "_make_api_call", refuse)
        yield


def test_lake_formation_denies_the_tables(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lake Formation's denial is told as that, with the grant and the role."""
    message = "Insufficient Lake Formation permission(s): Required Describe on flat"
    with refusing("GetTable", "AccessDeniedException", message, monkeypatch):
        found = clinic.findings()
    ((outcome, what, remedy),) = found["lake-formation"]
    assert (outcome, what) == ("wrong", "Lake Formation does not let you read the table flat.")
    assert (
        f"grant the role {clinic.name('PublishRole')} DESCRIBE on the database exhibit, and SELECT and"
        in remedy
    )
    assert {findings[0][0] for check, findings in found.items() if check != "lake-formation"} == {
        "could not be checked"
    }


def test_another_denial_is_not_lake_formations(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    """A denial of IAM could not be checked, and no grant of Lake Formation is asked for."""
    with refusing("GetTable", "AccessDeniedException", "User is not authorized", monkeypatch):
        status, told = clinic.said()
    assert status == 3
    found = {each["check"]: each["outcome"] for each in told["checks"] if each["findings"]}
    assert found == dict.fromkeys(["table-format", "partitions", "lake-formation"], "could not be checked")


@contextmanager
def queried(monkeypatch: pytest.MonkeyPatch, *ended: tuple[str, str]) -> Iterator[None]:
    """Have queries of the workgroup that have ended so, the last one first; moto tells no reasons."""
    call = BaseClient._make_api_call
    statuses = [
        {"State": state, "StateChangeReason": reason, "SubmissionDateTime": now() - number * HOUR}
        for number, (state, reason) in enumerate(ended)
    ]

    def answer(self: Any, name: str, parameters: Any) -> Any:
        if name == "ListQueryExecutions":
            return {"QueryExecutionIds": [str(number) for number in range(len(ended))]}
        if name == "BatchGetQueryExecution":
            return {
                "QueryExecutions": [{"Status": statuses[int(id_)]} for id_ in parameters["QueryExecutionIds"]]
            }
        return call(self, name, parameters)

    with monkeypatch.context() as patch:
        patch.setattr(BaseClient, "_make_api_call", answer)
        yield


def test_lake_formation_denied_the_last_query(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    """The functions' denial shows in the last query that has ended; one that ended otherwise since is fine."""
    denied = "FAILED", "Insufficient Lake Formation permission(s) on flat"
    with queried(monkeypatch, ("RUNNING", ""), denied, ("SUCCEEDED", "")):
        what, remedy = clinic.only("lake-formation")
    assert what == "Lake Formation refused the last query of exhibit."
    assert f"the role {clinic.name('PublishRole')}" in remedy
    for last in (("SUCCEEDED", ""), ("FAILED", "HIVE_BAD_DATA")):
        with queried(monkeypatch, last, denied):
            assert clinic.findings() == {}


def configure(clinic: Clinic, **changed: Any) -> None:
    """Change the settings of the workgroup, which moto's own call for it cannot."""
    group = athena_backends[clinic.stack.account][REGION].work_groups[clinic.name("Workgroup")]
    group.configuration.update(changed)


def test_workgroup_that_does_not_enforce(clinic: Clinic) -> None:
    """A workgroup whose settings a query may overrule is found."""
    configure(clinic, EnforceWorkGroupConfiguration=False)
    what, remedy = clinic.only("workgroup")
    assert what.startswith("The workgroup exhibit does not enforce its configuration")
    assert remedy == (
        "Run: aws athena update-work-group --work-group exhibit --configuration-updates "
        "EnforceWorkGroupConfiguration=true"
    )


def test_scan_limit_below_a_day(clinic: Clinic) -> None:
    """A limit that is one byte below the largest day is found; one that is the largest day's is fine."""
    clinic.deliver(f"detections/event_day={TODAY}/more.parquet")
    configure(clinic, BytesScannedCutoffPerQuery=2 * SIZE)
    assert clinic.findings() == {}
    configure(clinic, BytesScannedCutoffPerQuery=2 * SIZE - 1)
    what, remedy = clinic.only("scan-limit")
    assert what == f"A query may scan 1,999 bytes, and the evidence of {TODAY} alone has 2,000."
    assert remedy == (
        "Run: aws athena update-work-group --work-group exhibit --configuration-updates "
        f"BytesScannedCutoffPerQuery={clinic.stack.reference('ScanLimitBytes')}"
    )


def test_scan_limit_of_the_stack(clinic: Clinic) -> None:
    """Where the stack's own parameter is too low for a day, the stack is to be deployed with a higher one."""
    configure(clinic, BytesScannedCutoffPerQuery=10)
    opened = DeployedStack.open("exhibit", now())
    low = replace(opened, parameters={**opened.parameters, "ScanLimitBytes": "10"})
    (finding,) = scan_limit(low)
    assert finding.remedy == (
        "Deploy the stack with a ScanLimitBytes of at least 1,000 times the days of the longest window."
    )


# ---- What signs


def test_signing_key_disabled(clinic: Clinic) -> None:
    """A signing key that is disabled is found, with the command that enables it."""
    key = clinic.name("SigningKey")
    client("kms").disable_key(KeyId=key)
    assert clinic.only("signing-key") == (
        f"The signing key {key} is disabled.",
        f"Run: aws kms enable-key --key-id {key}",
    )


def test_signing_key_about_to_be_deleted(clinic: Clinic) -> None:
    """A signing key that is to be deleted is found, with what keeps it."""
    client("kms").schedule_key_deletion(KeyId=clinic.name("SigningKey"))
    what, remedy = clinic.only("signing-key")
    assert what.endswith("is about to be deleted.")
    assert remedy.startswith("Run: aws kms cancel-key-deletion --key-id")


def test_signing_key_denied(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signing key that KMS denies is found as that."""
    with refusing("DescribeKey", "AccessDeniedException", "not authorized", monkeypatch):
        what, remedy = clinic.only("signing-key")
    assert what == f"KMS denies DescribeKey on the signing key {clinic.name('SigningKey')}."
    assert remedy.startswith("Allow kms:DescribeKey and kms:GetPublicKey on it")


def test_certificate_of_another_key(clinic: Clinic) -> None:
    """A certificate of another key than KMS's is found."""
    other = client("kms").create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
    clinic.certify(NOW - timedelta(1), 365, other)
    what, remedy = clinic.only("certificate-key")
    assert what.endswith("/chain.pem holds certificates of other keys than the signing key alone.")
    assert clinic.name("SigningKey") in remedy


def test_no_certificate(clinic: Clinic) -> None:
    """Where there is no certificate, its dates could not be checked."""
    clinic.remove("chain.pem")
    found = clinic.findings()
    assert [(check, findings[0][0]) for check, findings in found.items()] == [
        ("certificate-key", "wrong"),
        ("certificate-dates", "could not be checked"),
    ]


@pytest.mark.parametrize(
    ("since", "days", "outcome", "told"),
    [
        (-366, 365, "wrong", "The certificate expired on"),
        (2, 365, "wrong", "The certificate is not valid before"),
        (-1, 30, "warning", "The certificate expires on"),
    ],
)
def test_certificate_of_other_days(clinic: Clinic, since: int, days: int, outcome: str, told: str) -> None:
    """A certificate that has expired or is not valid yet is wrong; one that expires within 30 days is a warning."""
    clinic.certify(NOW + timedelta(since), days)
    what, remedy = clinic.only("certificate-dates", outcome)
    assert what.startswith(told)
    assert "exhibit keys csr" in remedy
    assert clinic.said()[0] == (1 if outcome == "wrong" else 0)


def test_certificate_that_lasts(clinic: Clinic) -> None:
    """A certificate that expires in 31 days is fine."""
    clinic.certify(NOW - timedelta(1), 32)
    assert clinic.findings() == {}


def set_authorities(clinic: Clinic, urls: str) -> None:
    """Have the functions ask other time-stamp authorities."""
    variables = {**clinic.stack.functions["publish"].environment, "EXHIBIT_TIMESTAMP_URLS": urls}
    client("lambda").update_function_configuration(
        FunctionName=clinic.name("Publish"), Environment={"Variables": variables}
    )


def test_authority_that_does_not_answer(clinic: Clinic) -> None:
    """Each authority is asked, and one that does not answer is found although the other does; no password is told."""
    good = clinic.stack.parameters["TimestampUrls"].split(",")[0]
    with listening(0) as port:
        away = f"{address(port)}/tsa".replace("//", "//user:sesame@")
    set_authorities(clinic, f"{good},{away}")
    what, remedy = clinic.only("timestamps")
    assert f"{away.replace('user:sesame@', '')} did not answer" in what
    assert remedy == "Try again later, or use another."
    assert "sesame" not in json.dumps(clinic.said()[1])


def test_authorities_that_lambda_hides(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who may not decrypt the environment is told so, and every other check is made."""
    call = BaseClient._make_api_call

    def hide(self: Any, name: str, parameters: Any) -> Any:
        answer = call(self, name, parameters)
        if name == "GetFunctionConfiguration":
            answer["Environment"] = {"Error": {"ErrorCode": "AccessDeniedException", "Message": "denied"}}
        return answer

    monkeypatch.setattr(BaseClient, "_make_api_call", hide)
    what, remedy = clinic.only("timestamps", "could not be checked")
    assert "does not show its environment" in what
    assert remedy == "Allow kms:Decrypt on the stack's key for data."
    assert clinic.said()[0] == 3


def test_no_roots(clinic: Clinic) -> None:
    """Settings without trust.pem are found, with where to put it; so is one without certificates."""
    clinic.remove("trust.pem")
    what, remedy = clinic.only("trust")
    assert what == "The settings have no trust.pem, so the time-stamps of briefings cannot be checked."
    assert remedy.endswith(f": s3://{clinic.name('SettingsBucket')}/trust.pem")
    clinic.put("trust.pem", "none\n")
    assert clinic.only("trust")[0].startswith("trust.pem does not hold a readable certificate")


# ---- Who may call


def test_no_discovery_document(clinic: Clinic, issuer: Issuer) -> None:
    """An issuer without a discovery document is found."""
    issuer.pages = {}
    what, remedy = clinic.only("issuer")
    assert what == f"{issuer.url}{DISCOVERY} is not there (status 404)."
    assert remedy == "Correct JwtIssuer and deploy the stack, or have the issuer publish it."


@pytest.mark.parametrize(
    ("changed", "told"),
    [({"issuer": "https://other.example"}, "is of the issuer"), ({"jwks_uri": None}, "does not say where")],
)
def test_discovery_document_of_another(
    clinic: Clinic, issuer: Issuer, changed: dict[str, Any], told: str
) -> None:
    """A document of another issuer, or without keys, is found."""
    page = {**issuer.pages[DISCOVERY], **changed}
    issuer.pages = {DISCOVERY: {name: value for name, value in page.items() if value is not None}}
    assert told in clinic.only("issuer")[0]


@pytest.mark.parametrize("page", [b"<html>", b"[" * 100_000, b"\xff"])
def test_discovery_document_that_is_no_json(clinic: Clinic, issuer: Issuer, page: bytes) -> None:
    """Text, brackets without end, or bytes that are not UTF-8 are one fault, and no crash."""
    issuer.pages = {DISCOVERY: page}
    assert clinic.only("issuer")[0] == f"{issuer.url}{DISCOVERY} is not JSON."


def test_issuer_that_does_not_answer(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    """An issuer that does not answer, here because nobody vouches for it, is found with the reason."""
    monkeypatch.delenv("SSL_CERT_FILE")
    what, remedy = clinic.only("issuer")
    assert "did not answer (" in what
    assert "CERTIFICATE_VERIFY_FAILED" in what
    assert remedy.endswith("or check the network of this machine.")


@pytest.mark.parametrize(
    ("audience", "told"),
    [(["other"], "for other"), (["exhibit", "other"], "for exhibit and other"), ([], "of no")],
)
def test_wrong_audience(clinic: Clinic, issuer: Issuer, audience: list[str], told: str) -> None:
    """An API that accepts tokens for others, or of no audience, is found, with the command that corrects it."""
    gateway, api = client("apigatewayv2"), clinic.name("Api")
    (used,) = {each["AuthorizerId"] for each in gateway.get_routes(ApiId=api)["Items"]}
    gateway.update_authorizer(
        ApiId=api, AuthorizerId=used, JwtConfiguration={"Audience": audience, "Issuer": issuer.url}
    )
    what, remedy = clinic.only("audience")
    assert f"accepts tokens {told}" in what
    assert remedy == (
        f"Run: aws apigatewayv2 update-authorizer --api-id {api} --authorizer-id {used} --jwt-configuration "
        f"Audience=exhibit,Issuer={issuer.url}"
    )


# ---- The settings, and what is published


def test_schedules_that_do_not_parse(clinic: Clinic) -> None:
    """Schedules that cannot be read are found in the words of their reader; what they ask for is not known then."""
    clinic.put("schedules.yaml", "schedules:\n  - {name: weekly, at: 8}\n")
    found = clinic.findings()
    assert [(check, findings[0][0]) for check, findings in found.items()] == [
        ("schedules", "wrong"),
        ("published", "could not be checked"),
    ]
    assert found["schedules"][0][1].startswith("schedules.yaml")


def test_schedules_of_another_name(clinic: Clinic) -> None:
    """A misspelt name, which would not be read, is found."""
    clinic.put("Schedules.yml", "schedules: []\n")
    assert clinic.findings()["schedules"][0][2] == "Rename it, or remove it."


def test_settings_that_are_denied(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings that S3 denies could not be checked, and are not called wrong."""
    with refusing("GetObject", "AccessDenied", "denied", monkeypatch):
        status, told = clinic.said()
    assert status == 3
    assert "wrong" not in {each["outcome"] for each in told["checks"]}


def test_a_briefing_that_is_overdue(clinic: Clinic) -> None:
    """A scheduled briefing that is due and was not published is found."""
    clinic.put(
        "schedules.yaml",
        'schedules:\n  - {name: w, audience: regulator, window: last-week, at: "08:00", time_zone: UTC}\n',
    )
    what, remedy = clinic.only("published")
    assert what.startswith("Scheduled briefings are due and not published: ")
    assert what.endswith(" for a regulator.")
    assert "request the briefings again" in remedy


def test_days_without_evidence(clinic: Clinic) -> None:
    """Days without evidence are a warning: of the last 30 that are over, not of yesterday and today."""
    for back in (0, 1, DAYS - 1):
        name = f"detections/event_day={TODAY - timedelta(back)}/part.parquet"
        s3_client().delete_object(Bucket="evidence", Key=name)
    assert clinic.findings() == {}
    for back in (2, 31):
        name = f"detections/event_day={TODAY - timedelta(back)}/part.parquet"
        s3_client().delete_object(Bucket="evidence", Key=name)
    what, remedy = clinic.only("days", "warning")
    assert what == (
        f"Of the last 30 days, {TODAY - timedelta(31)} and {TODAY - timedelta(2)} have no evidence."
    )
    assert remedy.startswith("Check what delivers the evidence")
    assert clinic.said()[0] == 0


def test_no_new_evidence(clinic: Clinic) -> None:
    """Where the last days have none at all, the newest day is told."""
    last = TODAY - timedelta(DAYS - 1)
    for back in range(DAYS - 1):
        name = f"detections/event_day={TODAY - timedelta(back)}/part.parquet"
        s3_client().delete_object(Bucket="evidence", Key=name)
    place = f"region={REGION}/accountId={clinic.stack.account}/eventDay={TODAY:%Y%m%d}"
    s3_client().delete_object(Bucket="evidence", Key=f"ext/detections/{place}/part.parquet")
    what, _ = clinic.only("days", "warning")
    assert what == f"The last 30 days have no evidence: the newest is of {last}."


# ---- The clock, and AWS as a whole


@pytest.mark.parametrize(
    ("off", "told"),
    [
        (HOUR, "1 hour ahead of"),
        (-HOUR, "1 hour behind"),
        (timedelta(minutes=90), "1 hour and 30 minutes ahead of"),
        (timedelta(minutes=-10), "10 minutes behind"),
    ],
)
def test_clock_that_is_off(clinic: Clinic, off: timedelta, told: str) -> None:
    """A clock that is off is found, with by how much; everything else is checked by AWS's."""
    (clock, *others) = examine("exhibit", quiet, lambda: now() + off).checks
    (finding,) = clock.findings
    assert finding.what == f"The clock of this machine is {told} AWS's, which refuses what it signs."
    assert {each.outcome for each in others} == {"good"}


def test_clock_that_is_nearly_right(clinic: Clinic) -> None:
    """Four minutes are fine."""
    assert examine("exhibit", quiet, lambda: now() + timedelta(minutes=4)).exit_status == 0


class Later(BaseHTTPRequestHandler):
    """AWS in an hour, which refuses whatever was signed by this clock."""

    def date_time_string(self, timestamp: float | None = None) -> str:
        return super().date_time_string(time.time() + HOUR.total_seconds())

    def do_POST(self) -> None:
        error = "<Type>Sender</Type><Code>SignatureDoesNotMatch</Code><Message>Signature expired</Message>"
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(403)
        self.end_headers()
        self.wfile.write(f"<ErrorResponse><Error>{error}</Error></ErrorResponse>".encode())

    def log_message(self, format: str, *args: Any) -> None:
        pass


def test_clock_that_aws_refuses(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where AWS refuses everything because of the clock, that is what is said."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Later) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        status, told = clinic.said()
        server.shutdown()
    assert status == 1
    (clock, *others) = told["checks"]
    assert clock["outcome"] == "wrong"
    assert "1 hour behind AWS's" in clock["findings"][0]["what"]
    assert {each["outcome"] for each in others} == {"could not be checked"}


def test_aws_that_does_not_answer(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an answer of AWS, nothing was checked: exit status 3."""
    with listening(0) as port:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address(port))
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(Unavailable, match="AWS STS"):
        examine("exhibit", quiet)


def test_no_such_stack(clinic: Clinic) -> None:
    """A stack that is not there, or is not of Exhibit's template, is a wrong request."""
    with pytest.raises(InvalidRequest, match=f"there is no stack other in {REGION}: correct --stack"):
        examine("other", quiet)
    client("cloudformation").create_stack(StackName="other", TemplateBody='{"Resources": {}}')
    with pytest.raises(InvalidRequest, match="stack other has no resource ArchiveBucket"):
        examine("other", quiet)


def test_a_check_hides_no_other(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two faults are both told, beside what could not be checked."""
    clinic.remove("trust.pem")
    configure(clinic, EnforceWorkGroupConfiguration=False)
    with refusing("DescribeKey", "InternalFailure", "broken", monkeypatch):
        report: Report = examination.examine("exhibit", quiet)
    found = {each.check: each.outcome for each in report.checks if each.findings}
    assert found == {"workgroup": "wrong", "trust": "wrong", "signing-key": "could not be checked"}
    assert report.exit_status == 1


def test_permissions_are_documented() -> None:
    """The documentation names the permissions that the checks state, and no other."""
    files = [*(REPORTS / "doctor").glob("*.py"), REPORTS / "evidence" / "source_s3.py"]
    stated = {
        action
        for file in files
        for paragraph in re.findall(r"[Pp]ermissions: (.+?)(?:\n\n|\"{3})", file.read_text("utf-8"), re.S)
        for action in ACTIONS.findall(paragraph)
    }
    text = (REPORTS.parent / "docs" / "operations.md").read_text("utf-8")
    (listed,) = re.findall(r"```text\n(apigateway:.+?)```", text, re.S)
    assert listed.split() == sorted(stated)


def test_checks_are_documented() -> None:
    """The documentation has a row for each check, in their order."""
    text = (REPORTS.parent / "docs" / "operations.md").read_text("utf-8")
    (table,) = re.findall(r"\| check \|.+?\n\n", text, re.S)
    assert re.findall(r"^\| `([a-z-]+)` \|", table, re.M) == ["clock", *(check.name for check in CHECKS)]

"""The line as it is deployed: evidence in S3, Athena, a key in KMS and a bucket as the store."""

import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from reports import pipeline
from reports.archive.archive import Receipt
from reports.archive.store_s3 import S3Store
from reports.briefing.settings import addressed, marked
from reports.core.certificates import load_certificates
from reports.evidence.engine_athena import AthenaEngine
from reports.evidence.engine_tables import Tables
from reports.evidence.source_s3 import S3Evidence
from reports.evidence_access import InAthena, InBucket
from reports.pages.assets import Resources
from reports.pages.read_settings import read_settings
from reports.pipeline import BriefingRequest, PublishingParts, Signing
from reports.signing.certificate_requests import self_signed
from reports.signing.keys import LocalAuthority
from reports.signing.keys_kms import KmsKey, KmsSigner
from reports.signing.timestamp import LocalTimestamper
from reports.verification.attachments import attached
from reports.verification.verify import judge
from tests.support import athena
from tests.support.aws import client, s3_client
from tests.support.checking import outcomes
from tests.support.pki import NOW
from tests.support.publishing import GOLDEN, Published, expected

SCENARIO = "naming"


@pytest.fixture
def signing(aws: None, authority: LocalAuthority, tmp_path: Path) -> Signing:
    key = client("kms").create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
    chain = tmp_path / "chain.pem"
    chain.write_bytes(self_signed(KmsSigner.open(client("kms"), key), "CN=Briefings", 365, NOW))
    certificates = load_certificates(chain)
    return Signing(
        key=KmsKey.open(client("kms"), key, certificates, NOW),
        timestamper=LocalTimestamper(authority.stamp_key),
        trust=(*certificates, authority.root),
        crls=authority.crls,
    )


@pytest.fixture
def service() -> athena.AthenaService:
    return athena.AthenaService(athena.DuckDBAthena(athena.over_folder(GOLDEN / SCENARIO)))


@pytest.fixture
def house(bucket: str, service: athena.AthenaService) -> PublishingParts:
    folder = GOLDEN / SCENARIO
    for path in (each for each in folder.rglob("*") if each.is_file()):
        s3_client().put_object(Bucket=bucket, Key=f"in/{path.relative_to(folder)}", Body=path.read_bytes())
    source, resources = S3Evidence(client("s3"), bucket, "in/"), Resources()
    return PublishingParts(
        engine=engine(service, source, "first"),
        source=source,
        settings=marked(read_settings(source, resources), "TLP:GREEN"),
        resources=resources,
        store=S3Store(client("s3"), bucket, "briefings/"),
        pseudonym_key=bytes(32),
    )


def engine(service: athena.AthenaService, source: S3Evidence, request: str) -> AthenaEngine:
    return AthenaEngine(
        athena.client(service),
        "exhibit",
        "evidence",
        Tables.over(source),
        token=request,
        deadline=lambda: 900.0,
        pause=lambda _: None,
    )


def publish(house: PublishingParts, signing: Signing) -> Receipt:
    asked = expected(SCENARIO)["request"]
    request = BriefingRequest(asked["window"], asked["audience"], datetime.fromisoformat(asked["as_of"]))
    return pipeline.publish(request, house, signing, lambda *_: None)


def test_the_same_briefing_as_on_a_laptop(
    house: PublishingParts, signing: Signing, service: athena.AthenaService, golden: dict[str, Published]
) -> None:
    """What a briefing says is the same wherever it is made; its receipt names the executions."""
    receipt = publish(house, signing)
    pdf = house.store.get(receipt.document.name)
    assert pdf
    assert {verdict["outcome"] for verdict in receipt.verdicts} == {"valid"}
    files, local = attached(pdf), json.loads(golden[SCENARIO].files["evidence.json"])
    assert files["briefing.json"] == golden[SCENARIO].files["briefing.json"]
    record = json.loads(files["evidence.json"])
    answered = receipt.answered
    assert [each["question"] for each in answered] == ["tallies", "history"]
    assert {each["engine"] for each in answered} == {"athena"}
    assert {q["execution_id"] for q in answered} < set(
        service.executions
    )  # the others say what the tables show
    assert all(q["bytes_scanned"] for q in answered)
    assert record["predicate"]["questions"] == local["predicate"]["questions"]
    assert [o["digest"] for o in record["subject"]] == [o["digest"] for o in local["subject"]]
    assert all(o["annotations"]["version"] for o in record["subject"])


def test_another_request_gets_the_same_receipt(
    house: PublishingParts, signing: Signing, service: athena.AthenaService
) -> None:
    """A later request of the same content runs its own queries, at most four, and gets the receipt of then."""
    first = publish(house, signing)
    queries = len(service.executions)
    source = house.source
    assert isinstance(source, S3Evidence)
    assert publish(replace(house, engine=engine(service, source, "second")), signing) == first
    assert queries <= 4
    assert len(service.executions) == 2 * queries
    assert len(house.store.list("")) == 3


def published(house: PublishingParts, signing: Signing) -> bytes:
    """The document that the line leaves."""
    pdf = house.store.get(publish(house, signing).document.name)
    assert pdf
    return pdf


def overwrite(bucket: str) -> None:
    """Put something else in the place of an object, as its next version."""
    (name, *_) = (path for path in (GOLDEN / SCENARIO).rglob("*.jsonl"))
    key = f"in/{name.relative_to(GOLDEN / SCENARIO)}"
    s3_client().put_object(Bucket=bucket, Key=key, Body=b"something else")


def test_a_reader_makes_it_again_without_athena(
    house: PublishingParts, signing: Signing, bucket: str
) -> None:
    """What Athena was asked, DuckDB answers alike, of the versions that were pinned, whatever took their place."""
    pdf = published(house, signing)
    reader = InBucket(S3Evidence(client("s3"), bucket, "in/"), house.resources, None)
    assert outcomes(judge(pdf, None, NOW, reader)) == ("valid", "valid")
    overwrite(bucket)
    assert outcomes(judge(pdf, None, NOW, reader)) == ("invalid", "valid")


def test_a_reader_asks_athena_again(
    house: PublishingParts, signing: Signing, bucket: str, service: athena.AthenaService
) -> None:
    """Athena is asked again; where it would not read what was recorded, it could not be checked."""
    pdf, source = published(house, signing), S3Evidence(client("s3"), bucket, "in/")
    reader = InAthena(source, house.resources, bytes(32), athena.client(service), "exhibit", "evidence")
    before = len(service.executions)
    assert outcomes(judge(pdf, None, NOW, reader)) == ("valid", "valid")
    assert len(service.executions) > before
    overwrite(bucket)
    assert outcomes(judge(pdf, None, NOW, reader)) == ("invalid", "could not be checked")


def test_an_addressee_of_a_request_is_put_back(house: PublishingParts, signing: Signing, bucket: str) -> None:
    """A briefing that was addressed by its request is made again from settings that name nobody."""
    for_office = addressed(
        house.settings, expected(SCENARIO)["request"]["audience"], "The Office of Examples"
    )
    pdf = published(replace(house, settings=for_office), signing)
    reader = InBucket(S3Evidence(client("s3"), bucket, "in/"), house.resources, None)
    assert outcomes(judge(pdf, None, NOW, reader)) == ("valid", "valid")

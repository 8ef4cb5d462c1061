"""The functions on their events: publishing from a queue, the hourly tick, announcements, and the watch."""

import io
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest
from pypdf import PdfReader

from functions import announce, publish, schedule, watch
from reports.core.certificates import certificates_in
from reports.core.errors import InvalidRequest, InvalidSettings, Unavailable
from reports.local_aws.athena import DuckDBAthena, Execution, Result, column, over_folder
from reports.local_aws.gateway import Context
from reports.service.requests import said
from reports.verification.attachments import attached
from reports.verification.signature import verify
from tests.evidence.test_own_table import FLAT
from tests.support.aws import client
from tests.support.pki import Network
from tests.support.system import EVIDENCE, System
from tests.support.tools import PATIENCE

CONTEXT = Context.lasting(PATIENCE)
DONE: dict[str, Any] = {"batchItemFailures": []}
DEFAULTS = (
    'schedules: [{name: weekly, audience: lawmaker, window: last-week, at: "08:00", time_zone: UTC,'
    " since: 2026-04-27}]"
)


def outcome(system: System, id_: str) -> dict[str, Any]:
    (key,) = system.kept(f"outcomes/{id_}")
    return json.loads(system.read(key))


def figures(printed: str) -> dict[str, float]:
    """The metrics of the lines that a function printed."""
    found: dict[str, float] = {}
    for line in printed.splitlines():
        record = json.loads(line)
        for metrics in record.get("_aws", {}).get("CloudWatchMetrics", ()):
            assert metrics["Namespace"] == "Exhibit"
            found |= {each["Name"]: sum(record[each["Name"]]) for each in metrics["Metrics"]}
    return found


def first_page(system: System, receipt: dict[str, Any]) -> str:
    pdf = system.read(f"briefings/{receipt['document']['name']}")
    return PdfReader(io.BytesIO(pdf)).pages[0].extract_text()


def test_published_end_to_end(system: System, network: Network, capsys: pytest.CaptureFixture[str]) -> None:
    """A request is published: signed by the key in KMS, verified, with its receipt, data and outcome in the archive."""
    id_ = system.requested()
    assert system.delivered(f"requests/{id_}.json") == DONE
    ended = outcome(system, id_)
    name = ended["receipt"]["document"]["name"]
    beside = [f"briefings/{name.removesuffix('.pdf')}.{file}" for file in ("briefing.json", "evidence.json")]
    receipts = [key for key in system.kept("briefings/") if key.endswith(".receipt.json")]
    entry = "briefings/register/00000001.json"
    assert ended["state"] == "published"
    assert sorted(system.kept("briefings/")) == sorted([f"briefings/{name}", *beside, *receipts, entry])
    assert json.loads(system.read(receipts[0])) == ended["receipt"]
    assert ended["receipt"]["request"] == id_
    pdf = system.read(f"briefings/{name}")
    root = certificates_in(system.parts.settings.get("chain.pem") or b"", "")
    verdicts = verify(pdf, (*root, network.root), datetime.now(UTC))
    assert [verdict.outcome for verdict in verdicts] == ["valid"] * 3
    assert [system.read(key) for key in beside] == [attached(pdf)[key[-13:].lstrip(".")] for key in beside]
    measured = figures(capsys.readouterr().out)
    assert measured["Published"] == 1
    assert measured["BytesScanned"] == 4096
    assert {"TalliesSeconds", "RenderSeconds", "SignSeconds", "VerifySeconds"} <= set(measured)


@dataclass(frozen=True)
class OwnCatalog:
    """Executes statements over a table `findings`, which is the evidence with its objects in other places."""

    place: str

    def execute(self, sql: str, parameters: Sequence[str]) -> Result:
        """What the catalog says of the table; the rest is for DuckDB."""
        text = column("text", "varchar", 0, 0)
        if "information_schema.tables" in sql:
            return Result([column("table_type", "varchar", 0, 0)], [["BASE TABLE"]])
        if "information_schema.columns" in sql:
            names = [column(name, "varchar", 0, 0) for name in ("column_name", "data_type")]
            return Result(names, [list(each) for each in FLAT.items()])
        if sql.startswith("show create table"):
            return Result([text], [["CREATE EXTERNAL TABLE `findings` ("], [")"]])
        return DuckDBAthena(self.relations).execute(sql, parameters)

    @contextmanager
    def relations(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """The relations of the folder, and that table."""
        with over_folder(EVIDENCE)() as con:
            place = f"'{self.place}' as \"$path\""
            columns = f'* exclude (event_day, "$path"), event_day::date as event_day, {place}'
            con.execute(f"create view findings as from flat select {columns}")
            yield con

    def interrupt(self) -> None:
        """Nothing lasts."""


def test_a_table_of_the_operators_own(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its object is pinned wherever it lies, the table is recorded, and no day of it is closed."""
    bucket, key = system.parts.environment.evidence_bucket, "anywhere/20260501_000000_1.orc"
    client("s3").put_object(Bucket=bucket, Key=key, Body=b"ORC")
    own = replace(system.parts.environment, evidence_table="lab.findings")
    monkeypatch.setattr(system.parts, "environment", own)
    monkeypatch.setattr(system.athena, "engine", OwnCatalog(f"s3://{bucket}/{key}"))
    id_ = system.requested()
    assert system.delivered(f"requests/{id_}.json") == DONE
    name = outcome(system, id_)["receipt"]["document"]["name"]
    evidence = json.loads(system.read(f"briefings/{name.removesuffix('.pdf')}.evidence.json"))
    (subject,) = evidence["subject"]
    assert subject["name"] == key
    assert subject["digest"]["sha256"] == sha256(b"ORC").hexdigest()
    assert subject["annotations"]["rows"] == 2
    table = evidence["predicate"]["table"]
    assert (table["name"], table["layout"], table["snapshot"]) == ("lab.findings", "flat", None)
    assert table["definition"] == "CREATE EXTERNAL TABLE `findings` (\n)"


def test_delivered_again(system: System, capsys: pytest.CaptureFixture[str]) -> None:
    """A request that was published is done when it is delivered again: nothing is asked, written or counted."""
    id_ = system.requested()
    system.delivered(f"requests/{id_}.json")
    kept, calls = system.kept(""), list(system.athena.calls)
    capsys.readouterr()
    assert system.delivered(f"requests/{id_}.json", number=9) == DONE
    assert system.kept("") == kept
    assert system.athena.calls == calls
    assert "Published" not in figures(capsys.readouterr().out)


def test_two_workers_at_once(system: System) -> None:
    """Two workers with the same request publish one briefing between them, and both are done."""
    id_ = system.requested()
    first = system.parts.briefings.list("")
    with ThreadPoolExecutor(2) as pool:
        ends = list(pool.map(lambda _: system.delivered(f"requests/{id_}.json"), range(2)))
    if ends != [DONE, DONE]:  # one found that the other had published, and is delivered once more
        assert DONE in ends
        assert system.delivered(f"requests/{id_}.json", number=2) == DONE
    assert first == ()
    receipts = [key for key in system.kept("briefings/") if key.endswith(".receipt.json")]
    assert len(receipts) == 1
    assert outcome(system, id_)["receipt"] == json.loads(system.read(receipts[0]))


def test_a_register_that_got_shorter(system: System, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is entered in a register that lacks its last entry; that is counted, and ends when it is restored."""
    assert system.delivered(f"requests/{system.requested()}.json") == DONE
    s3, archive = client("s3"), system.parts.environment.archive_bucket
    key = "briefings/register/00000001.json"
    entry = system.read(key)
    s3.delete_object(Bucket=archive, Key=key)
    id_ = system.requested(audience="regulator")
    capsys.readouterr()
    assert system.delivered(f"requests/{id_}.json") != DONE
    assert figures(capsys.readouterr().out)["RegisterShortened"] == 1
    said = json.loads(system.read(f"attempts/{id_}.001.error.json"))["message"]
    assert said == "register/00000001.json is missing from the register: restore it"
    assert key not in system.kept("briefings/")
    s3.put_object(Bucket=archive, Key=key, Body=entry)
    assert system.delivered(f"requests/{id_}.json", number=2) == DONE
    assert system.kept("heads/") == ["heads/99999997.json", "heads/99999998.json"]
    assert "RegisterShortened" not in figures(capsys.readouterr().out)


def test_evidence_that_is_as_it_was_afterwards(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """An object that is another one while it is counted is noticed, and the next delivery tries again."""
    s3, bucket = client("s3"), system.parts.environment.evidence_bucket
    key = "results/detections/event_day=2026-05-01/part.jsonl"
    was = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    count, counted = system.athena.end, []

    def disturbed(execution: Execution) -> None:
        counted.append(execution)
        s3.put_object(Bucket=bucket, Key=key, Body=was.replace(b"2026", b"2025"))
        count(execution)
        s3.put_object(Bucket=bucket, Key=key, Body=was)

    id_ = system.requested()
    with monkeypatch.context() as patch:
        patch.setattr(system.athena, "end", disturbed)
        assert system.delivered(f"requests/{id_}.json") != DONE
    error = json.loads(system.read(f"attempts/{id_}.001.error.json"))
    assert (len(counted), error["kind"]) == (
        6,
        "Unavailable",
    )  # of each try, what the table shows and the question
    assert error["message"].startswith("the evidence changed during all 3 attempts to read it")
    assert system.kept("outcomes/") == []
    assert system.delivered(f"requests/{id_}.json", number=2) == DONE
    assert outcome(system, id_)["state"] == "published"


def test_evidence_that_comes_meanwhile(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """Evidence that comes while the other is counted is named in the outcome, and in the API's answer."""
    bucket, late = system.parts.environment.evidence_bucket, "detections/event_day=2026-05-02/late.jsonl"
    count = system.athena.end

    def joined(execution: Execution) -> None:
        client("s3").put_object(Bucket=bucket, Key=f"results/{late}", Body=b"late")
        count(execution)

    monkeypatch.setattr(system.athena, "end", joined)
    id_ = system.requested()
    assert system.delivered(f"requests/{id_}.json") == DONE
    assert outcome(system, id_)["receipt"]["not_yet_counted"] == [late]
    assert system.call("GET", f"/briefings/{id_}").json["receipt"]["not_yet_counted"] == [late]


def test_request_of_its_own(system: System) -> None:
    """A request's addressee and paper are the briefing's, which is a document of its own then."""
    system.delivered(f"requests/{system.requested()}.json")
    id_ = system.requested(addressee="The Committee on Examples", page_size="a4")
    system.delivered(f"requests/{id_}.json")
    receipt = outcome(system, id_)["receipt"]
    assert (receipt["edition"], receipt["supersedes"]) == (1, None)
    assert receipt["report_number"] == "EX-20260501-20260507-L-158f"
    assert "The Committee on Examples" in first_page(system, receipt)


def test_templates_of_the_settings(system: System) -> None:
    """Templates and issuer.yaml of the settings are the briefing's, from the next briefing on."""
    system.settle("templates/issuer.yaml", "name: Example Lab\nmarking: TLP:AMBER\n")
    id_ = system.requested()
    system.delivered(f"requests/{id_}.json")
    page = first_page(system, outcome(system, id_)["receipt"])
    assert "Example Lab" in page
    assert "TLP:AMBER" in page


def test_a_template_of_the_settings_runs_nothing(system: System) -> None:
    """One that asks for more than it is given ends its request as failed, and says where."""
    system.settle(
        "templates/lawmaker.html", "\n{{ issuer.parse_raw('', proto='pickle', allow_pickle=True) }}"
    )
    id_ = system.requested()
    system.delivered(f"requests/{id_}.json")
    error = outcome(system, id_)["error"]
    assert error["kind"] == "InvalidSettings"
    assert error["message"].startswith("template lawmaker.html, line 2: issuer has no 'parse_raw'")


def test_a_query_that_runs_on(system: System) -> None:
    """A query that outlives the worker is left running, and the next delivery goes on with it."""
    id_ = system.requested()
    system.athena.looks = 3
    answer = system.delivered(f"requests/{id_}.json", seconds=120.1)
    assert len(answer["batchItemFailures"]) == 1
    assert system.kept(f"outcomes/{id_}") == []
    assert system.athena.stopped == []
    assert len(system.athena.executions) == 1  # of what the table shows
    system.athena.looks = 0
    assert system.delivered(f"requests/{id_}.json", number=2) == DONE
    assert len(system.athena.executions) == 2
    assert outcome(system, id_)["state"] == "published"


def test_what_is_wrong_ends_at_once(bare: System, capsys: pytest.CaptureFixture[str]) -> None:
    """A mistake in the settings ends a request as failed and counted, and its message among the dead letters."""
    id_ = bare.requested()
    assert len(bare.delivered(f"requests/{id_}.json")["batchItemFailures"]) == 1
    ended = outcome(bare, id_)
    assert ended["state"] == "failed"
    assert ended["error"]["kind"] in ("InvalidSettings", "InvalidEvidence")
    assert figures(capsys.readouterr().out)["Failed"] == 1
    assert len(bare.delivered(f"requests/{id_}.json", number=2)["batchItemFailures"]) == 1
    assert "Failed" not in figures(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("templates/issuer.yaml", "name: Lab\n", "no marking is set: write one in issuer.yaml"),
        ("templates/issuer.yml", "", "issuer.yml: only issuer.yaml is read among the templates"),
        ("issuer.yaml", "", "issuer.yaml: is not read among the settings: move it in templates/"),
    ],
)
def test_wrong_settings_end_a_request(system: System, name: str, content: str, said: str) -> None:
    """The request fails before any query, and the error says what to write, and where."""
    system.settle(name, content)
    id_ = system.requested()
    system.delivered(f"requests/{id_}.json")
    error = outcome(system, id_)["error"]
    assert error["kind"] == "InvalidSettings"
    assert said in error["message"]
    assert system.athena.calls == []


def test_no_certificate(system: System) -> None:
    """Without a certificate, a request fails, and says what to install."""
    system.parts.client("s3").delete_object(
        Bucket=system.parts.environment.settings_bucket, Key="set/chain.pem"
    )
    id_ = system.requested()
    system.delivered(f"requests/{id_}.json")
    assert "exhibit keys install" in outcome(system, id_)["error"]["message"]


def test_last_delivery(system: System) -> None:
    """The last delivery gives up: the request has failed, with the last error, and its query is stopped.

    None is started for that, though the evidence is not what it was.
    """
    id_ = system.requested()
    system.athena.looks = 9
    system.delivered(f"requests/{id_}.json", seconds=1)
    started, bucket = list(system.athena.executions), system.parts.environment.evidence_bucket
    client("s3").put_object(
        Bucket=bucket, Key="results/detections/event_day=2026-05-02/late.jsonl", Body=b"x"
    )
    assert len(system.delivered(f"requests/{id_}.json", number=4)["batchItemFailures"]) == 1
    error = outcome(system, id_)["error"]
    assert error["kind"] == "Unfinished"
    assert error["message"].startswith("given up after 4 deliveries: question tallies: query")
    assert system.athena.stopped == started == list(system.athena.executions)
    assert system.kept("briefings/") == []


@pytest.mark.parametrize(
    ("body", "left"),
    [
        ('{"Service": "Amazon S3", "Event": "s3:TestEvent"}', 0),
        ("{", 1),
        ("[]", 1),
        ('{"Records": [{"s3": {}}]}', 1),
    ],
)
def test_messages_that_are_no_requests(bare: System, body: str, left: int) -> None:
    """S3's own test message is done; what is no notification stays in the queue, for the dead letters."""
    assert len(bare.message(body)["batchItemFailures"]) == left


@pytest.mark.parametrize("content", [b"{}", b"garbage"])
def test_poison(bare: System, content: bytes) -> None:
    """An object that is no request ends as failed, under the name that it has."""
    bare.parts.requests.requests.put({"not a request.json": content})
    answer = bare.delivered("requests/not+a+request.json")
    assert len(answer["batchItemFailures"]) == 1
    assert outcome(bare, "not a request")["error"]["kind"] == "InvalidRequest"


def test_the_next_delivery_comes_in_time(system: System) -> None:
    """After an error that may pass, a message is delivered again after a while that grows; a failure at once."""
    seen = []
    sqs = system.parts.client("sqs")
    sqs.meta.events.register(
        "provide-client-params.sqs.ChangeMessageVisibility",
        lambda params, **_: seen.append(params["VisibilityTimeout"]),
    )
    for number in (1, 2, 3):
        system.delivered("requests/gone.json", number=number)
    system.delivered("requests/gone.json", number=4)
    id_ = system.requested()
    system.athena.looks = 9
    system.delivered(f"requests/{id_}.json", seconds=1)
    assert seen == [30, 60, 120, 0, 5]


def test_logs_have_the_request(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line of a log has the request's id, and none has the number of the account or whom a briefing is for."""
    id_, log = system.requested(addressee="The Committee on Examples"), io.StringIO()
    monkeypatch.setattr(publish.logger.registered_handler, "stream", log)
    system.delivered(f"requests/{id_}.json")
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert len(lines) > 5
    assert {line.get("request") for line in lines} == {id_}
    assert "123456789012" not in log.getvalue()
    assert "Committee" not in log.getvalue()


def test_traces_have_the_request(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """The traces of the worker and of the announcement bear the request's id."""
    id_, told = system.requested(), list[tuple[str, str]]()
    for function in (publish, announce):
        monkeypatch.setattr(function.tracer, "put_annotation", lambda *each: told.append(each))
    system.delivered(f"requests/{id_}.json")
    announced(f"outcomes/{id_}.published.json")
    assert told == [("request", id_)] * 2


def test_tick_creates_what_is_due(bare: System) -> None:
    """A tick creates the requests that are due at its scheduled time; once created, they are not created again."""
    bare.settle("schedules.yaml", DEFAULTS)
    created = schedule.handler({"scheduled_time": "2026-05-18T08:00:00Z"}, CONTEXT)["created"]
    assert [id_[14:40] for id_ in created] == ["lawmaker-20260427-20260503", "lawmaker-20260504-20260510"]
    assert schedule.handler({"scheduled_time": "2026-05-18T09:00:00Z"}, CONTEXT) == {"created": []}
    asked = bare.parts.requests.get(created[0])
    assert asked is not None
    assert (asked.as_of, asked.requested_by) == ("2026-05-11T08:00:00Z", "schedule weekly")
    bare.settle("schedules.yaml", DEFAULTS.replace("08:00", "06:30").replace("UTC", "Asia/Tokyo"))
    assert schedule.handler({"scheduled_time": "2026-05-18T10:00:00Z"}, CONTEXT) == {"created": []}


def test_schedules_by_default(bare: System, system: System) -> None:
    """Exhibit's own schedules apply once there is a certificate to sign with; an empty list switches them off."""
    tick = {"scheduled_time": "2026-05-18T08:00:00Z"}
    assert len(schedule.handler(tick, CONTEXT)["created"]) == 2
    system.settle("schedules.yaml", "schedules: []")
    assert schedule.handler({"scheduled_time": "2026-08-18T08:00:00Z"}, CONTEXT) == {"created": []}


def test_no_schedules_before_there_is_a_certificate(bare: System) -> None:
    """A deployment that cannot sign yet asks for nothing by itself."""
    assert schedule.handler({"scheduled_time": "2026-05-18T08:00:00Z"}, CONTEXT) == {"created": []}


def test_ticks_are_refused(bare: System) -> None:
    """A tick without its time, and schedules with a mistake, stop with what is wrong."""
    for tick in ({}, {"scheduled_time": "now"}, {"scheduled_time": "2026-05-18T08:00:00"}):
        with pytest.raises(InvalidRequest, match="scheduled_time"):
            schedule.handler(tick, CONTEXT)
    bare.settle("schedules.yaml", "schedules: [{name: weekly}]")
    with pytest.raises(InvalidSettings, match=r"schedules\.yaml: schedules, item 1, audience: missing"):
        schedule.handler({"scheduled_time": "2026-05-18T08:00:00Z"}, CONTEXT)


def told(system: System) -> Any:
    """A queue that hears what the topic is told."""
    queue = client("sqs").create_queue(QueueName=f"{system.parts.environment.bus}-heard")["QueueUrl"]
    arn = client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
    client("sns").subscribe(TopicArn=system.parts.environment.topic, Protocol="sqs", Endpoint=arn["QueueArn"])
    return queue


def announced(key: str) -> dict[str, Any]:
    return announce.handler({"detail": {"bucket": {"name": "archive"}, "object": {"key": key}}}, CONTEXT)


def test_announced(system: System) -> None:
    """The topic and the bus are told where a briefing can be fetched, and no figure."""
    queue, id_ = told(system), system.requested()
    events: list[Any] = []
    system.parts.client("events").meta.events.register(
        "provide-client-params.events.PutEvents", lambda params, **_: events.extend(params["Entries"])
    )
    system.delivered(f"requests/{id_}.json")
    (key,) = system.kept("outcomes/")
    assert announced(key) == {
        "request": id_,
        "state": "published",
        "briefing": f"/briefings/{id_}",
        "audience": "lawmaker",
        "window": {"from": "2026-05-01", "to": "2026-05-07"},
        "report_number": "EX-20260501-20260507-L",
        "edition": 1,
        "supersedes": None,
        "document": f"/briefings/{id_}/document",
    }
    (message,) = client("sqs").receive_message(QueueUrl=queue)["Messages"]
    heard = json.loads(message["Body"])
    assert heard["Subject"] == "Briefing Published"
    assert json.loads(heard["Message"]) == json.loads(events[0]["Detail"]) == announced(key)
    assert (events[0]["Source"], events[0]["DetailType"]) == ("exhibit", "Briefing Published")


def test_failures_are_announced_by_kind(bare: System) -> None:
    """Of a failure, the kind is told and not the message, which may quote evidence."""
    bare.parts.requests.fail("x", {"kind": "InvalidEvidence", "message": "row 7"})
    notice = announced("outcomes/x.failed.json")
    assert (notice["state"], notice["error"]) == ("failed", "InvalidEvidence")
    assert "row 7" not in json.dumps(notice)
    with pytest.raises(Unavailable, match="has no outcome"):
        announced("outcomes/y.failed.json")


def test_watch(system: System, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The age of the oldest request, the days of the certificate, and due briefings that nobody has published."""
    system.settle("schedules.yaml", DEFAULTS)
    now = datetime(2026, 7, 1, 12, tzinfo=UTC)
    monkeypatch.setattr(watch, "datetime", SimpleNamespace(now=lambda _: now))
    quiet = watch.handler({}, CONTEXT)
    assert quiet["OldestRequestAge"] == 0
    (leaf,) = certificates_in(system.parts.settings.get("chain.pem") or b"", "")
    assert quiet["CertificateDaysLeft"] == (leaf.not_valid_after_utc - now) / timedelta(days=1)
    requests = system.parts.requests
    due = schedule.handler({"scheduled_time": said(now)}, CONTEXT)["created"]
    assert quiet["OverdueSchedules"] == len(due) > 3
    requests.publish(due[0], {})
    requests.fail(due[1], {})
    late = watch.handler({}, CONTEXT)
    assert late["OverdueSchedules"] == len(due) - 1
    assert {"OldestRequestAge", "CertificateDaysLeft", "OverdueSchedules"} <= set(
        figures("\n".join(line for line in capsys.readouterr().out.splitlines() if "_aws" in line))
    )


def test_made_up_for(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that makes up for a missed tick has been waiting since it was created, not since it was due."""
    system.settle("schedules.yaml", DEFAULTS)
    before = datetime.now(UTC).replace(microsecond=0)
    schedule.handler({"scheduled_time": "2026-05-18T08:00:00Z"}, CONTEXT)
    later = datetime.now(UTC) + timedelta(hours=3)
    monkeypatch.setattr(watch, "datetime", SimpleNamespace(now=lambda _: later))
    age = watch.handler({}, CONTEXT)["OldestRequestAge"]
    assert 10_800 <= age <= (later - before).total_seconds()


def test_watch_before_there_is_anything(bare: System) -> None:
    """A new deployment, whose first certificate is yet to come, has nothing that an alarm looks at; nothing is late."""
    assert watch.handler({}, CONTEXT) == {"OldestRequestAge": 0, "OverdueSchedules": 0}


@pytest.mark.parametrize("is_there", [True, False])
def test_watch_where_the_certificate_is_gone(bare: System, is_there: bool) -> None:
    """A certificate that cannot be read, or is gone after a briefing was published, has no day left."""
    if is_there:
        bare.settle("chain.pem", "no certificate")
    else:
        bare.parts.requests.publish(bare.requested(), {})
    assert watch.handler({}, CONTEXT)["CertificateDaysLeft"] == 0


def test_another_addressee_is_another_document(system: System) -> None:
    """For another addressee there is a document with editions of its own; for the operator's own, it is as it was."""

    def published(**wanted: str) -> tuple[str, int, str | None]:
        id_ = system.requested(**wanted)
        system.delivered(f"requests/{id_}.json")
        receipt = system.call("GET", f"/briefings/{id_}").json["receipt"]
        return receipt["report_number"], receipt["edition"], receipt["supersedes"]

    system.settle("templates/issuer.yaml", "marking: TLP:CLEAR\naddressee:\n  lawmaker: The Committee\n")
    own, bureau, board = "EX-20260501-20260507-L", "The Bureau", "The Board"
    ends = {name: sha256(name.encode()).hexdigest()[:4] for name in (bureau, board)}
    assert published() == (own, 1, None)
    assert published(addressee="The Committee") == (own, 1, None)
    assert published(addressee=bureau) == (f"{own}-{ends[bureau]}", 1, None)
    assert published(addressee=board) == (f"{own}-{ends[board]}", 1, None)
    second = f"{own}-{ends[bureau]} edition 1"
    assert published(addressee=bureau, page_size="a4") == (f"{own}-{ends[bureau]}", 2, second)
    assert published(page_size="a4") == (own, 2, f"{own} edition 1")

"""template.yaml: what it deploys, and what each of its functions may do."""

import dataclasses
import json
import os
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from cfnlint import api as cfnlint
from moto.events.models import EventPattern

from reports.core.errors import InvalidSettings
from reports.evidence.columns import COLUMNS
from reports.evidence.source import locate
from reports.local_aws.template import TEMPLATE, Function, Resource, Stack
from reports.service.parts import Environment
from tests.support.permissions import ADAPTERS, LOGS, NEEDS, REGISTERED, TRACES, documented
from tests.support.tools import PATIENCE

ROOT = Path(__file__).parents[2]
PARAMETERS = {
    "EvidenceBucket": "evidence-of-ours",
    "TimestampUrls": "https://tsa.example,https://other.example",
    "JwtIssuer": "https://issuer.example",
    "JwtAudience": "exhibit",
}
STACK = Stack(PARAMETERS)
FUNCTIONS = STACK.functions.values()
BUCKETS = STACK.of_type("AWS::S3::Bucket")
TYPES = {
    **dict.fromkeys(("id", "heading", "text"), "string"),
    "integer": "bigint",
    "number": "double",
    "instant": "timestamp",
    "milliseconds": "bigint",
}


def table(logical: str) -> dict[str, Any]:
    return dict(STACK.resources[logical].properties["TableInput"])


def columns(logical: str) -> dict[str, str]:
    return {column["Name"]: column["Type"] for column in table(logical)["StorageDescriptor"]["Columns"]}


def leaves(name: str, type_: str) -> Iterator[tuple[str, str]]:
    """The paths of a Hive type's simple values, as `reports.evidence.relations` writes them."""
    if type_.startswith("array<"):
        yield from leaves(f"{name}[0]", type_[6:-1])
    elif type_.startswith("struct<"):
        for field in _outer(type_[7:-1]).split(","):
            key, _, inner = field.replace("\0", ",").partition(":")
            yield from leaves(f"{name}.{key}", inner)
    else:
        yield name, type_


def _outer(fields: str) -> str:
    """The fields of a struct, with the commas that are inside of another struct taken out."""
    depth, out = 0, ""
    for character in fields:
        depth += {"<": 1, ">": -1}.get(character, 0)
        out += "\0" if character == "," and depth else character
    return out


def actions(function: Function) -> set[str]:
    return {action for statement in function.statements for action in statement["Action"]}


@pytest.fixture(scope="module")
def linted() -> list[str]:
    found = cfnlint.lint(TEMPLATE.read_text("utf-8"), regions=["eu-west-1", "us-east-1"])
    return [f"{match.rule.id} {match.message} (line {match.linenumber})" for match in found]


@pytest.mark.usefixtures("slow")
def test_cfn_lint_has_nothing_to_say(linted: list[str]) -> None:
    """cfn-lint finds nothing in the template."""
    assert linted == []


@pytest.mark.usefixtures("slow")
def test_sam_finds_it_valid(tmp_path: Path) -> None:
    """SAM takes the template, and its linter finds nothing, without an account and without a network."""
    done = run(ROOT / ".cache/sam/bin/sam", "validate", "--lint", "--region", "eu-west-1", home=tmp_path)
    assert (done.returncode, "is a valid SAM Template" in done.stdout) == (0, True), done.stdout + done.stderr


@pytest.mark.usefixtures("slow")
def test_checkov_finds_no_weakness(tmp_path: Path) -> None:
    """checkov finds nothing but what is explained beside it."""
    checks = ("--framework", "cloudformation", "--skip-download", "--quiet", "--compact")
    done = run(ROOT / ".cache/checkov/bin/checkov", *checks, "--file", TEMPLATE, home=tmp_path)
    assert (done.returncode, "Failed checks: 0" in done.stdout) == (0, True), done.stdout + done.stderr


def run(tool: Path, *arguments: str | Path, home: Path) -> subprocess.CompletedProcess[str]:
    """Run a linter that `make template` sets up, apart from this user's settings; skip where it is not set up."""
    if not tool.exists():
        pytest.skip(f"{tool.name} is not set up: make template")
    environment = {
        "HOME": str(home),
        "PATH": os.defpath,
        "SAM_CLI_TELEMETRY": "0",
        "AWS_DEFAULT_REGION": "eu-west-1",
    }
    return subprocess.run(
        [tool, *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )


def test_no_alias() -> None:
    """The template has no YAML alias, which CloudFormation does not read."""
    events = yaml.parse(TEMPLATE.read_text("utf-8"))
    assert not [event for event in events if isinstance(event, yaml.AliasEvent)]


def test_exemptions_have_reasons() -> None:
    """Whatever a linter is told to pass over has its reason beside it."""
    text = TEMPLATE.read_text("utf-8")
    exempt = re.findall(r"- id: (CKV\w+)\n +comment: (.+)", text)
    assert len(exempt) == text.count("CKV") > 0
    assert all(len(reason.split()) > 5 for _, reason in exempt)


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_are_asked_for(name: str) -> None:
    """A stack without one of the parameters that have no default is refused, naming it."""
    with pytest.raises(InvalidSettings, match=name):
        Stack({key: value for key, value in PARAMETERS.items() if key != name})


def test_unknown_parameters_are_refused() -> None:
    """A parameter that the template does not have is refused, naming it."""
    with pytest.raises(InvalidSettings, match="Evidense"):
        Stack({**PARAMETERS, "Evidense": "x"})


def test_nothing_is_left_unresolved() -> None:
    """Every value of every resource is resolved: no intrinsic function is left, nor a variable."""
    left = [f"{r.logical}: {r.properties}" for r in STACK.resources.values() if "_Call" in repr(r.properties)]
    body = STACK.resources["Dashboard"].properties["DashboardBody"]
    assert left == []
    assert json.loads(body)["widgets"]
    assert "${" not in body


def test_conditions_choose() -> None:
    """What depends on a parameter is there with it, and only then."""
    key = f"arn:aws:kms:eu-west-1:{STACK.account}:key/k"
    other = Stack(
        {**PARAMETERS, "AlarmEmail": "a@example.org", "CorsOrigins": "https://x.example,https://y.example",
         "EvidenceKeyArn": key, "EvidenceFormat": "json"}
    )  # fmt: skip
    assert "AlarmsEmail" not in STACK.resources
    cors = ("Api", "ArchiveBucket", "UploadsBucket")
    assert [name for name in cors if "CorsConfiguration" in STACK.resources[name].properties] == []
    assert other.resources["AlarmsEmail"].properties["Endpoint"] == "a@example.org"
    api, archive, uploads = (other.resources[name].properties["CorsConfiguration"] for name in cors)
    pages = ["https://x.example", "https://y.example"]
    assert api["AllowOrigins"] == pages
    # Led on by the API, a browser no longer names the page
    assert [(r["AllowedOrigins"], r["AllowedMethods"]) for r in archive["CorsRules"]] == [(["*"], ["GET"])]
    assert [(r["AllowedOrigins"], r["AllowedMethods"]) for r in uploads["CorsRules"]] == [(pages, ["POST"])]
    assert key in {r for s in other.functions["publish"].statements for r in s["Resource"]}
    assert "RegexSerDe" in str(other.resources["FlatTable"].properties)


def test_what_aws_makes_up_can_be_told() -> None:
    """The ids that AWS makes up are taken from those who know them."""
    made = {"SigningKey": {"Ref": "k-1", "Arn": "arn:aws:kms:::key/k-1"}}
    function = Stack(PARAMETERS, made=made).functions["publish"]
    assert function.environment["EXHIBIT_SIGNING_KEY"] == "arn:aws:kms:::key/k-1"
    assert "arn:aws:kms:::key/k-1" in {r for s in function.statements for r in s["Resource"]}


@pytest.mark.parametrize("bucket", BUCKETS, ids=lambda bucket: bucket.logical)
def test_buckets_are_closed(bucket: Resource) -> None:
    """Every bucket is encrypted, closed to the public, answers over TLS only, and forgets unfinished uploads."""
    policies = [
        policy.properties["PolicyDocument"]["Statement"]
        for policy in STACK.of_type("AWS::S3::BucketPolicy")
        if policy.properties["Bucket"] == bucket.name
    ]
    (statements,) = policies
    tls = next(s for s in statements if s["Sid"] == "TlsOnly")
    assert (tls["Effect"], tls["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": False}})
    assert tls["Resource"] == [bucket.arn, f"{bucket.arn}/*"]
    assert all(bucket.properties["PublicAccessBlockConfiguration"].values())
    (rule,) = bucket.properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    expected = "AES256" if bucket.logical == "AccessLogsBucket" else "aws:kms"
    assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == expected


def test_archive_keeps() -> None:
    """The archive is versioned, locked, kept when the stack goes, and only ever creates."""
    archive = STACK.resources["ArchiveBucket"].properties
    (create_only,) = [
        s
        for s in STACK.resources["ArchivePolicy"].properties["PolicyDocument"]["Statement"]
        if s["Sid"] == "CreateOnly"
    ]
    assert archive["VersioningConfiguration"] == {"Status": "Enabled"}
    assert archive["ObjectLockConfiguration"]["Rule"]["DefaultRetention"] == {
        "Mode": "GOVERNANCE",
        "Days": "3650",
    }
    assert (create_only["Effect"], create_only["Action"]) == ("Deny", "s3:PutObject")
    assert create_only["Condition"]["Null"] == {"s3:if-none-match": True}


def test_what_cannot_be_made_again_is_kept() -> None:
    """Neither deleting the stack nor replacing a resource takes it away; only a first deployment that fails does."""
    policies = ("DeletionPolicy", "UpdateReplacePolicy")
    kept = {
        logical: tuple(body.get(policy) for policy in policies)
        for logical, body in STACK.document["Resources"].items()
        if any(policy in body for policy in policies)
    }
    assert set(kept.values()) == {("RetainExceptOnCreate", "Retain")}
    keys = {key.logical for key in STACK.of_type("AWS::KMS::Key")}
    assert kept.keys() == {"ArchiveBucket", "SettingsBucket", "AccessLogsBucket"} | keys


def test_new_requests_reach_the_worker() -> None:
    """A new request's event is let into the queue, and its worker takes one at a time and says which failed."""
    archive, queue = STACK.resources["ArchiveBucket"], STACK.resources["RequestsQueue"]
    (configured,) = archive.properties["NotificationConfiguration"]["QueueConfigurations"]
    (allowed,) = STACK.resources["RequestsPolicy"].properties["PolicyDocument"]["Statement"]
    source = STACK.resources["Publish"].properties["Events"]["NewRequest"]["Properties"]
    assert configured["Queue"] == queue.arn == allowed["Resource"] == source["Queue"]
    assert configured["Filter"]["S3Key"]["Rules"] == [{"Name": "prefix", "Value": "requests/"}]
    assert allowed["Condition"]["ArnEquals"] == {"aws:SourceArn": archive.arn}
    assert allowed["Condition"]["StringEquals"] == {"aws:SourceAccount": STACK.account}
    assert (source["BatchSize"], source["FunctionResponseTypes"]) == (1, ["ReportBatchItemFailures"])


def test_a_delivery_outlasts_its_worker() -> None:
    """A message stays hidden six times as long as the function that takes it may run, whichever queue it is in."""
    queues = {queue.arn: queue.properties for queue in STACK.of_type("AWS::SQS::Queue")}
    times = {
        event["Properties"]["Queue"]: function.timeout
        for function in FUNCTIONS
        for event in STACK.resources[function.logical].properties.get("Events", {}).values()
        if event["Type"] == "SQS"
    }
    assert STACK.resources["RequestsQueue"].arn in times
    assert [arn for arn, seconds in times.items() if queues[arn]["VisibilityTimeout"] < 6 * seconds] == []


def test_a_request_fails_when_its_worker_gives_up() -> None:
    """The queue gives a message up after as many deliveries as the worker is told, and keeps it apart."""
    queue, worker = STACK.resources["RequestsQueue"].properties, STACK.functions["publish"]
    assert queue["RedrivePolicy"]["maxReceiveCount"] == worker.environment["EXHIBIT_MAX_RECEIVES"]
    assert queue["RedrivePolicy"]["deadLetterTargetArn"] == STACK.resources["DeadRequests"].arn


def test_the_worker_has_all_the_time_there_is() -> None:
    """A function may run for 15 minutes at most: the worker, which waits for queries, may."""
    assert STACK.functions["publish"].timeout == 900


def test_ticks_say_their_time() -> None:
    """Each tick carries the time that it was due, and one that is not taken goes to a queue of its own."""
    ticks = {tick.logical: tick.properties for tick in STACK.of_type("AWS::Scheduler::Schedule")}
    assert {name: tick["ScheduleExpression"] for name, tick in ticks.items()} == {
        "CloseTick": "rate(1 hour)",
        "HourlyTick": "rate(1 hour)",
        "RenewalTick": "rate(1 day)",
        "WatchTick": "rate(15 minutes)",
    }
    for tick in ticks.values():
        assert json.loads(tick["Target"]["Input"]) == {"scheduled_time": "<aws.scheduler.scheduled-time>"}
        assert tick["Target"]["DeadLetterConfig"] == {"Arn": STACK.resources["DeadEvents"].arn}


def test_outcomes_are_announced() -> None:
    """The creation of an outcome, and of nothing else, is what the announcing function is called for."""
    rule = STACK.resources["OutcomeRule"].properties
    detail = rule["EventPattern"]["detail"]
    assert STACK.resources["ArchiveBucket"].properties["NotificationConfiguration"][
        "EventBridgeConfiguration"
    ]
    assert detail["bucket"]["name"] == [STACK.resources["ArchiveBucket"].name]
    assert detail["object"]["key"] == [{"prefix": "outcomes/"}]
    assert [target["Arn"] for target in rule["Targets"]] == [STACK.resources["Announce"].arn]


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.module)
def test_functions_run_from_the_image(function: Function) -> None:
    """A function's command is its own module's handler, in the one image."""
    body = STACK.resources[function.logical].properties
    modules = {path.stem for path in (ROOT / "functions").glob("*.py")} - {"__init__"}
    assert function.handler == f"functions.{function.module}.handler"
    assert body["PackageType"] == "Image"
    assert not modules or function.module in modules


def test_every_function_is_deployed() -> None:
    """Each module of functions/ is the handler of a function of the template, but for what errors look like."""
    modules = {path.stem for path in (ROOT / "functions").glob("*.py")} - {"__init__", "problems"}
    assert set() == modules - set(STACK.functions)


def test_the_environment_is_what_is_read() -> None:
    """Each variable that the composition root reads is set on every function, and no other is."""
    read = {f"EXHIBIT_{field.name.upper()}" for field in dataclasses.fields(Environment)}
    for function in FUNCTIONS:
        given = {name for name in function.environment if name.startswith("EXHIBIT_")}
        assert read == given


def test_alarms_have_their_metrics() -> None:
    """Each metric of Exhibit's own that an alarm looks at is one that a function gives."""
    asked = {
        alarm.properties["MetricName"]
        for alarm in STACK.of_type("AWS::CloudWatch::Alarm")
        if alarm.properties.get("Namespace")
        == STACK.functions["watch"].environment["POWERTOOLS_METRICS_NAMESPACE"]
    }
    code = "".join(
        path.read_text("utf-8")
        for folder in ("functions", "reports")
        for path in (ROOT / folder).rglob("*.py")
    )
    assert asked
    assert not (ROOT / "functions").exists() or {name for name in asked if f'"{name}"' not in code} == set()


def test_each_function_is_watched() -> None:
    """Errors of each function have an alarm of their own, which names it; throttles of all have one together."""
    alarms = [alarm.properties for alarm in STACK.of_type("AWS::CloudWatch::Alarm")]
    errors = {each["AlarmName"] for each in alarms if each.get("MetricName") == "Errors"}
    assert errors == {f"exhibit-{function.module}-errors" for function in FUNCTIONS}
    (throttles,) = (each["Metrics"] for each in alarms if "Metrics" in each)
    (total,) = (each for each in throttles if "Expression" in each)
    metrics = [each["MetricStat"]["Metric"] for each in throttles if each is not total]
    assert (total["Expression"], {each["MetricName"] for each in metrics}) == (
        "SUM(METRICS())",
        {"Throttles"},
    )
    counted = {dimension["Value"] for each in metrics for dimension in each["Dimensions"]}
    assert counted == {function.name for function in FUNCTIONS}


def test_a_caller_needs_a_scope() -> None:
    """Every route of the API asks for a token with a scope; requesting has one of its own."""
    routes = {r.key: r.scopes for function in FUNCTIONS for r in function.routes if not r.open}
    assert routes.pop("POST /briefings") == ("briefings:request",)
    assert set(routes.values()) == {("briefings:read", "briefings:read:lawmaker", "briefings:read:regulator")}
    assert routes.keys() >= {"GET /briefings", "GET /openapi.json", "POST /verifications", "$default"}


SAM = """
import json, sys
from samcli.yamlhelper import yaml_parse
from samtranslator.translator.transform import transform

template = yaml_parse(open(sys.argv[1]).read())
for resource in template["Resources"].values():
    if resource["Type"] == "AWS::Serverless::Function":
        resource["Properties"]["ImageUri"] = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/exhibit:1"
made = transform(template, {}, type("Policies", (), {"load": lambda self: {}})())
(api,) = [each for each in made["Resources"].values() if each["Type"] == "AWS::ApiGatewayV2::Api"]
print(json.dumps(api["Properties"]["Body"]))
"""


@pytest.mark.usefixtures("slow")
def test_sam_opens_one_route(tmp_path: Path) -> None:
    """Of the API that SAM makes, only what a browser asks before a call needs no token; all else has its scopes."""
    python = ROOT / ".cache/sam/bin/python"
    made = json.loads(run(python, "-c", SAM, TEMPLATE, home=tmp_path).stdout)
    told = {
        f"{method} {path}": operation.get("security")
        for path, methods in made["paths"].items()
        for method, operation in methods.items()
    }
    assert told.pop("options /{proxy+}") is None
    assert len(told) == sum(not route.open for function in FUNCTIONS for route in function.routes)
    assert [route for route, security in told.items() if not security or not security[0].get("Jwt")] == []
    assert "HasCors" in str(made["x-amazon-apigateway-cors"])


def test_callers_are_known_and_limited() -> None:
    """Tokens are of the issuer and audiences, and calls within the limits, that the parameters give."""
    chosen = {"JwtIssuer": "https://x.example", "JwtAudience": "a,b", "RateLimit": "7", "BurstLimit": "9"}
    api = Stack({**PARAMETERS, **chosen}).resources["Api"].properties
    tokens = api["Auth"]["Authorizers"][api["Auth"]["DefaultAuthorizer"]]["JwtConfiguration"]
    assert tokens == {"issuer": "https://x.example", "audience": ["a", "b"]}
    limits = api["DefaultRouteSettings"]
    assert [str(limits[f"Throttling{each}Limit"]) for each in ("Rate", "Burst")] == ["7", "9"]


def test_logs_are_kept_for_so_long() -> None:
    """Every log is encrypted and kept for as long as the parameter says, and every function writes to one of them."""
    logs = Stack({**PARAMETERS, "LogRetentionDays": "90"}).of_type("AWS::Logs::LogGroup")
    assert {str(log.properties["RetentionInDays"]) for log in logs} == {"90"}
    assert all(log.properties["KmsKeyId"] for log in logs)
    assert len(logs) == len(FUNCTIONS) + 1


@pytest.mark.parametrize(("logical", "layout"), [("FlatTable", "flat"), ("OcsfTable", "ocsf")])
def test_tables_have_the_columns_that_are_read(logical: str, layout: str) -> None:
    """Each column that a view reads is in its table, in the type that it is read as, and no other."""
    found = dict(pair for name, type_ in columns(logical).items() for pair in leaves(name, type_))
    wanted = {column.name: TYPES[column.type] for column in COLUMNS[layout]}  # type: ignore[index]
    if layout == "ocsf":
        assert found.pop("unmapped") == "map<string,string>"
        wanted = {name: type_ for name, type_ in wanted.items() if not name.startswith("unmapped.")}
        assert found.pop("confidence_score") == "bigint"  # an integer in OCSF
        del wanted["confidence_score"]
    assert wanted == found
    assert table(logical)["Name"] == layout


@pytest.mark.parametrize("logical", ["FlatTable", "OcsfTable"])
def test_partitions_are_projected(logical: str) -> None:
    """Every partition key is computed, and has its place in the form of an object's location."""
    found = table(logical)
    location = found["Parameters"]["storage.location.template"]
    keys = [key["Name"] for key in found["PartitionKeys"]]
    assert found["Parameters"]["projection.enabled"] == "true"
    assert all(f"projection.{key}.type" in found["Parameters"] for key in keys)
    assert re.findall(r"\$\{(\w+)\}", location) == keys
    assert location.startswith(found["StorageDescriptor"]["Location"])


def test_locations_are_those_that_are_listed() -> None:
    """An object in a projected partition is one that the evidence listing knows."""
    values = {
        "event_day": "2026-05-01",
        "source": "s",
        "region": "r",
        "accountid": "1",
        "eventday": "20260501",
    }
    for logical, layout in (("FlatTable", "flat"), ("OcsfTable", "ocsf")):
        place = table(logical)["Parameters"]["storage.location.template"].removeprefix(
            "s3://evidence-of-ours/"
        )
        name = re.sub(r"\$\{(\w+)\}", lambda match: values[match[1]], place) + "part-1.parquet"
        located = locate(name, 1)
        assert located
        assert (located.layout, str(located.day)) == (layout, "2026-05-01")


def test_the_workgroup_holds_to_its_settings() -> None:
    """Queries cannot choose where results go, nor scan more than the limit."""
    settings = STACK.resources["Workgroup"].properties["WorkGroupConfiguration"]
    assert settings["EnforceWorkGroupConfiguration"] is True
    assert settings["BytesScannedCutoffPerQuery"] == "107374182400"
    assert settings["ResultConfiguration"]["EncryptionConfiguration"]["EncryptionOption"] == "SSE_KMS"


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.module)
def test_each_function_may_do_what_it_needs_and_no_more(function: Function) -> None:
    """A role grants the actions that its adapters document, those of `permissions.py`, and no other."""
    adapters, others = NEEDS[function.module]
    known = {adapter: documented(adapter) for adapter in adapters}
    needed = LOGS | TRACES | others | {a for found in known.values() for a in found or ()}
    assert set() == needed - actions(function)
    if None not in known.values():
        assert set() == actions(function) - needed


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.module)
def test_actions_and_resources_are_named(function: Function) -> None:
    """No action has a wildcard, and only actions that have no resources to name are granted on all."""
    for statement in function.statements:
        assert not [action for action in statement["Action"] if "*" in action], statement["Sid"]
        nameless = {*statement["Action"]} <= TRACES | REGISTERED
        assert ("*" in statement["Resource"]) == nameless, statement["Sid"]


def test_who_queries_may_read_through_lake_formation() -> None:
    """Only the functions that query may, and they see the database that Athena looks at besides that of the query."""
    querying = {f.module for f in FUNCTIONS if "athena:StartQueryExecution" in actions(f)}
    assert {f.module for f in FUNCTIONS if actions(f) & REGISTERED} == querying == {"publish"}
    databases = {
        r
        for s in STACK.functions["publish"].statements
        if "glue:GetDatabase" in s["Action"]
        for r in s["Resource"]
    }
    assert f"arn:aws:glue:{STACK.region}:{STACK.account}:database/default" in databases


def test_each_function_has_a_role_of_its_own() -> None:
    """No two functions share a role."""
    roles = [STACK.resources[function.logical].properties["Role"] for function in FUNCTIONS]
    assert len(set(roles)) == len(roles) == 8


def test_only_the_worker_signs() -> None:
    """Signing and pseudonyms are granted to one function."""
    signing = {
        function.module for function in FUNCTIONS if actions(function) & {"kms:Sign", "kms:GenerateMac"}
    }
    assert signing == {"publish"}


def test_nobody_deletes() -> None:
    """No function may delete an object, or pass over the archive's lock."""
    granted = {action for function in FUNCTIONS for action in actions(function) if action.startswith("s3:")}
    assert not [action for action in granted if re.search("Delete|Bypass|Retention|LegalHold|Policy", action)]


def test_every_adapter_is_held() -> None:
    """Each adapter's permissions are held against at least one function."""
    assert set(ADAPTERS) == {adapter for adapters, _ in NEEDS.values() for adapter in adapters}


def denied(action: str) -> list[dict[str, Any]]:
    """The statements of the archive's policy that deny an action to everybody."""
    statements = STACK.resources["ArchivePolicy"].properties["PolicyDocument"]["Statement"]
    return [
        each
        for each in statements
        if (each["Effect"], each["Principal"]) == ("Deny", "*")
        and action in (each["Action"] if isinstance(each["Action"], list) else [each["Action"]])
    ]


@pytest.mark.parametrize(
    "action", ["s3:DeleteObject", "s3:DeleteObjectVersion", "s3:BypassGovernanceRetention"]
)
def test_deletions_are_denied(action: str) -> None:
    """The archive's policy denies them for every object, on no condition."""
    (statement,) = denied(action)
    assert statement["Resource"] == f"{STACK.resources['ArchiveBucket'].arn}/*"
    assert statement.keys() == {"Sid", "Effect", "Principal", "Action", "Resource"}


def test_expiry_is_denied() -> None:
    """Nobody gives the archive a rule by which objects expire, except by this template, which has none."""
    (statement,) = denied("s3:PutLifecycleConfiguration")
    assert statement["Resource"] == STACK.resources["ArchiveBucket"].arn
    assert statement["Condition"] == {
        "StringNotEquals": {"aws:CalledViaFirst": "cloudformation.amazonaws.com"}
    }
    rules = STACK.resources["ArchiveBucket"].properties["LifecycleConfiguration"]["Rules"]
    assert [{*rule} for rule in rules] == [{"Id", "Status", "AbortIncompleteMultipartUpload"}]


@pytest.mark.parametrize(
    ("name", "key", "told"),
    [
        ("ScheduleKeyDeletion", "SigningKey", True),
        ("DisableKey", "SigningKey", True),
        ("EnableKey", "SigningKey", False),
        ("DisableKey", "DataKey", False),
    ],
)
def test_the_end_of_the_signing_key_is_told(name: str, key: str, told: bool) -> None:
    """What CloudTrail writes down of the end of the signing key, and of no other, goes to the topic of alarms."""
    rule = STACK.resources["SigningKeyRule"].properties
    event: Any = {  # moto asks for the envelope too, and looks at the pattern's part alone
        "source": "aws.kms",
        "detail-type": "AWS API Call via CloudTrail",
        "detail": {
            "eventSource": "kms.amazonaws.com",
            "eventName": name,
            "resources": {"ARN": STACK.resources[key].arn},  # a list of one, into which moto does not look
        },
    }
    assert EventPattern.load(json.dumps(rule["EventPattern"])).matches_event(event) == told
    assert [target["Arn"] for target in rule["Targets"]] == [STACK.resources["AlarmsTopic"].arn]


def test_who_may_tell_of_alarms() -> None:
    """The topic takes the stack's own alarms and its one rule, and those services may use the key that it is under."""
    policy = STACK.resources["AlarmsPolicy"].properties["PolicyDocument"]["Statement"]
    sources = {each["Principal"]["Service"]: each["Condition"] for each in policy}
    assert sources == {
        "cloudwatch.amazonaws.com": {
            "ArnLike": {"aws:SourceArn": STACK.resources["FailedAlarm"].arn.replace("failed", "*")}
        },
        "events.amazonaws.com": {"ArnEquals": {"aws:SourceArn": STACK.resources["SigningKeyRule"].arn}},
    }
    statements = STACK.resources["DataKey"].properties["KeyPolicy"]["Statement"]
    assert sources.keys() < {str(each["Principal"].get("Service")) for each in statements}


def test_alarms_are_told() -> None:
    """Every alarm tells the same topic, and is explained in the documentation."""
    alarms = STACK.of_type("AWS::CloudWatch::Alarm")
    text = (ROOT / "docs" / "operations.md").read_text("utf-8")
    assert {action for alarm in alarms for action in alarm.properties["AlarmActions"]} == {
        STACK.resources["AlarmsTopic"].arn
    }
    assert [a.name for a in alarms if f"`{a.name.removeprefix('exhibit-')}`" not in text] == []


LONGEST_STACK = 26  # characters of the stack's name, as docs/aws.md says
LONGEST_REGION = "ap-southeast-7"
# Characters of a name, as AWS's pages on quotas and its API references have them
MOST = {
    "AWS::Athena::WorkGroup": 128,
    "AWS::CloudWatch::Alarm": 255,
    "AWS::CloudWatch::Dashboard": 255,
    "AWS::Events::EventBus": 256,
    "AWS::Events::Rule": 64,
    "AWS::KMS::Alias": 256,
    "AWS::Logs::LogGroup": 512,
    "AWS::S3::Bucket": 63,
    "AWS::SNS::Topic": 256,
    "AWS::SQS::Queue": 80,
    "AWS::Scheduler::Schedule": 64,
    "AWS::Serverless::Function": 64,
}


def too_long(length: int) -> set[str]:
    """The types of the resources that have too long a name in a stack whose own name has so many characters."""
    stack = Stack(PARAMETERS, name="s" * length, region=LONGEST_REGION)
    return {r.type for type_, most in MOST.items() for r in stack.of_type(type_) if len(r.name) > most}


def test_names_fit() -> None:
    """With the longest name that the documentation allows the stack, every name is short enough; with one more not."""
    assert too_long(LONGEST_STACK) == set()
    assert too_long(LONGEST_STACK + 1) == {"AWS::S3::Bucket"}
    assert f"at most {LONGEST_STACK} characters" in (ROOT / "docs" / "aws.md").read_text("utf-8")
    named = {
        r.type for r in STACK.resources.values() if r.name.startswith("exhibit-") or "/exhibit-" in r.name
    }
    made_up_by_aws = {"AWS::IAM::Role", "AWS::Serverless::HttpApi"}
    policies = {type_ for type_ in named if type_.endswith(("Policy", "Permission", "Subscription"))}
    assert named - made_up_by_aws - policies <= MOST.keys()


def test_policies_of_roles_fit() -> None:
    """IAM takes 10,240 characters of policies in a role, not counting white space."""
    for role in STACK.of_type("AWS::IAM::Role"):
        texts = [
            json.dumps(each["PolicyDocument"], separators=(",", ":")) for each in role.properties["Policies"]
        ]
        assert sum(map(len, texts)) < 10_240


def test_the_settings_of_sam_name_no_account() -> None:
    """samconfig.toml holds what is the same for everybody: no region, no profile, no value of a parameter."""
    settings = tomllib.loads((ROOT / "samconfig.toml").read_text("utf-8"))
    deploy = settings["default"]["deploy"]["parameters"]
    assert settings["default"]["global"] == {"parameters": {"stack_name": STACK.name}}
    assert (
        deploy.keys() & {"region", "profile", "parameter_overrides", "image_repositories", "s3_bucket"}
        == set()
    )
    assert (deploy["resolve_image_repos"], deploy["resolve_s3"]) == (True, True)


def test_the_policies_for_another_account() -> None:
    """What the documentation has the owner of evidence allow is what the role that reads it may do there."""
    text = (ROOT / "docs" / "aws.md").read_text("utf-8").split("## Evidence in another account")[1]
    bucket, key = (json.loads(block) for block in re.findall(r"```json\n(.+?)```", text, re.DOTALL)[:2])
    place = f"arn:aws:s3:::{PARAMETERS['EvidenceBucket']}"
    granted = {
        (action, resource.removeprefix(place).removeprefix("/"))
        for statement in STACK.functions["publish"].statements
        for action in statement["Action"]
        for resource in statement["Resource"]
        if resource.startswith(place)
    }
    told = {
        (action, re.sub(r"^arn:aws:s3:::EVIDENCE-BUCKET(/EVIDENCE-PREFIX/)?", "", resource))
        for statement in bucket["Statement"]
        for action in statement["Action"]
        for resource in (
            [statement["Resource"]] if isinstance(statement["Resource"], str) else statement["Resource"]
        )
    }
    assert granted <= told
    assert {action for action, _ in told} == {action for action, _ in granted}
    assert (key["Action"], key["Effect"]) == ("kms:Decrypt", "Allow")


def test_a_password_is_not_echoed() -> None:
    """What the URLs of authorities may hold is not shown where the stack's parameters are."""
    assert STACK.document["Parameters"]["TimestampUrls"]["NoEcho"] is True


def test_every_parameter_is_explained() -> None:
    """Each parameter and each output of the template is in the page about deploying."""
    text = (ROOT / "docs" / "aws.md").read_text("utf-8")
    document = STACK.document
    assert [name for name in (*document["Parameters"], *document["Outputs"]) if f"`{name}`" not in text] == []

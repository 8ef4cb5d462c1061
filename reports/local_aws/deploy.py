"""The resources of `template.yaml`, made in an account under the names that a stack gives them.

Made is what the functions and their triggers use: keys, buckets, queues, topics, the bus and its rules, tables; and
what AWS tells of the rest (`reports.local_aws.description`). Where a rule calls a function, which moto cannot, a queue
stands in the place of that call (`CALLED`); what is told on the bus and the topic arrives in another (`TOLD`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from reports.local_aws import description
from reports.local_aws.template import Resource, Stack

CALLED, TOLD = "calls", "told"
Client = Callable[[str], Any]


def deploy(client: Client, parameters: Mapping[str, str]) -> Stack:
    """Make the resources and the evidence bucket; `client` gives the client of a service. Returns the stack."""
    thought = Stack(parameters)
    made = {**_keys(client("kms"), thought), **description.make_api(client("apigatewayv2"), thought)}
    stack = Stack(parameters, made=made)
    _buckets(client("s3"), stack)
    _queues(client("sqs"), stack)
    for topic in stack.of_type("AWS::SNS::Topic"):
        client("sns").create_topic(Name=topic.name)
    for bus in stack.of_type("AWS::Events::EventBus"):
        client("events").create_event_bus(Name=bus.name)
    for group in stack.of_type("AWS::Athena::WorkGroup"):
        client("athena").create_work_group(Name=group.name, Configuration=_workgroup(group))
    for database in stack.of_type("AWS::Glue::Database"):
        client("glue").create_database(DatabaseInput=database.properties["DatabaseInput"])
    for table in stack.of_type("AWS::Glue::Table"):
        client("glue").create_table(**{n: table.properties[n] for n in ("DatabaseName", "TableInput")})
    description.make_functions(client, stack)
    description.describe(client("cloudformation"), stack)
    return stack


def connect(client: Client, stack: Stack) -> None:
    """Have events follow: what is created in a bucket tells its queue, and a rule its function."""
    sqs, events = client("sqs"), client("events")
    for queue in (CALLED, TOLD):
        sqs.create_queue(QueueName=f"{stack.name}-{queue}")
    for bucket in stack.of_type("AWS::S3::Bucket"):
        if notify := bucket.properties.get("NotificationConfiguration"):
            client("s3").put_bucket_notification_configuration(
                Bucket=bucket.name, NotificationConfiguration=_notifications(notify)
            )
    functions = {stack.resources[function.logical].arn for function in stack.functions.values()}
    for rule in stack.of_type("AWS::Events::Rule"):
        if not functions & {target["Arn"] for target in rule.properties["Targets"]}:
            continue
        events.put_rule(Name=rule.name, EventPattern=json.dumps(rule.properties["EventPattern"]))
        _lead(events, rule.name, "default", arn(stack, CALLED))
    for bus in stack.of_type("AWS::Events::EventBus"):
        told = f"{stack.name}-{TOLD}"
        pattern = json.dumps({"source": ["exhibit"]})
        events.put_rule(Name=told, EventPattern=pattern, EventBusName=bus.name)
        _lead(events, told, bus.name, arn(stack, TOLD))
    for topic in stack.of_type("AWS::SNS::Topic"):
        client("sns").subscribe(TopicArn=topic.arn, Protocol="sqs", Endpoint=arn(stack, TOLD))


def arn(stack: Stack, queue: str) -> str:
    """The ARN of a queue of the stack by the end of its name."""
    return f"arn:aws:sqs:{stack.region}:{stack.account}:{stack.name}-{queue}"


def _lead(events: Any, rule: str, bus: str, target: str) -> None:
    events.put_targets(Rule=rule, EventBusName=bus, Targets=[{"Id": "queue", "Arn": target}])


def _keys(kms: Any, stack: Stack) -> dict[str, dict[str, str]]:
    made = {}
    for key in stack.of_type("AWS::KMS::Key"):
        answer = kms.create_key(
            KeyUsage=key.properties.get("KeyUsage", "ENCRYPT_DECRYPT"),
            KeySpec=key.properties.get("KeySpec", "SYMMETRIC_DEFAULT"),
        )["KeyMetadata"]
        made[key.logical] = {"Ref": answer["KeyId"], "Arn": answer["Arn"]}
    for alias in stack.of_type("AWS::KMS::Alias"):
        logical = next(k.logical for k in stack.of_type("AWS::KMS::Key") if k.name == _target(alias))
        kms.create_alias(AliasName=alias.name, TargetKeyId=made[logical]["Ref"])
    return made


def _target(alias: Resource) -> str:
    return str(alias.properties["TargetKeyId"])


def _buckets(s3: Any, stack: Stack) -> None:
    place = {"LocationConstraint": stack.region}
    s3.create_bucket(Bucket=stack.parameters["EvidenceBucket"], CreateBucketConfiguration=place)
    for bucket in stack.of_type("AWS::S3::Bucket"):
        locked = bool(bucket.properties.get("ObjectLockEnabled"))
        s3.create_bucket(
            Bucket=bucket.name, CreateBucketConfiguration=place, ObjectLockEnabledForBucket=locked
        )
        if versions := bucket.properties.get("VersioningConfiguration"):
            s3.put_bucket_versioning(Bucket=bucket.name, VersioningConfiguration=versions)
        if cors := bucket.properties.get("CorsConfiguration"):
            rules = [_cors_rule(rule) for rule in cors["CorsRules"]]
            s3.put_bucket_cors(Bucket=bucket.name, CORSConfiguration={"CORSRules": rules})
        if lock := bucket.properties.get("ObjectLockConfiguration"):
            retention = lock["Rule"]["DefaultRetention"]
            rule = {"DefaultRetention": {**retention, "Days": int(retention["Days"])}}
            s3.put_object_lock_configuration(
                Bucket=bucket.name,
                ObjectLockConfiguration={"ObjectLockEnabled": lock["ObjectLockEnabled"], "Rule": rule},
            )


def _cors_rule(rule: Mapping[str, Any]) -> dict[str, Any]:
    """A rule of a bucket's `CorsConfiguration` in the words of S3's own interface."""
    return {"MaxAgeSeconds" if name == "MaxAge" else name: value for name, value in rule.items()}


def _workgroup(group: Resource) -> dict[str, Any]:
    """A workgroup's settings in the words of Athena's own interface: numbers are numbers."""
    wanted = group.properties["WorkGroupConfiguration"]
    names = ("EnforceWorkGroupConfiguration", "PublishCloudWatchMetricsEnabled", "EngineVersion")
    limit = int(wanted["BytesScannedCutoffPerQuery"])
    place = {"OutputLocation": wanted["ResultConfiguration"]["OutputLocation"]}
    kept = {name: wanted[name] for name in names}
    return {**kept, "BytesScannedCutoffPerQuery": limit, "ResultConfiguration": place}


def _queues(sqs: Any, stack: Stack) -> None:
    named = ("VisibilityTimeout", "MessageRetentionPeriod")
    # Queues that refer to others come after them
    for queue in sorted(stack.of_type("AWS::SQS::Queue"), key=lambda q: "RedrivePolicy" in q.properties):
        attributes = {name: str(queue.properties[name]) for name in named if name in queue.properties}
        if policy := queue.properties.get("RedrivePolicy"):
            attributes["RedrivePolicy"] = json.dumps(policy)
        sqs.create_queue(QueueName=queue.name, Attributes=attributes)


def _notifications(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """A bucket's notifications in the words of S3's own interface, which differ from CloudFormation's."""
    queues = [
        {
            "QueueArn": each["Queue"],
            "Events": [each["Event"]],
            "Filter": {"Key": {"FilterRules": each["Filter"]["S3Key"]["Rules"]}},
        }
        for each in wanted.get("QueueConfigurations", ())
    ]
    bridge: dict[str, Any] = {"EventBridgeConfiguration": {}} if "EventBridgeConfiguration" in wanted else {}
    return {"QueueConfigurations": queues, **bridge}

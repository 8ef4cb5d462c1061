"""The deployed system with moto's IAM enforcement on: each function's clients bear the credentials of its own role.

moto checks actions, and resources for S3 alone; elsewhere a statement holds for all resources here, and
`test_template.py` looks at those it names. What AWS does in a function's name is done here in its name too: Lambda
takes messages and keeps events that failed, KMS opens what is encrypted, Athena reads tables and writes results.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatch
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from moto.core.authorization import enable_iam_authentication
from moto.iam.access_control import IAMRequestBase

from reports.local_aws.gateway import Context
from reports.local_aws.template import Function, Stack
from reports.service.parts import Deployed, Environment
from tests.support import athena
from tests.support.athena import AthenaService, Refused
from tests.support.aws import REGION, client
from tests.support.permissions import LOGS, REGISTERED, TRACES
from tests.support.tools import PATIENCE

SERVICES = ("s3", "kms", "sqs", "sns", "events", "glue", "athena")
Handler = Callable[[Mapping[str, Any], Any], Any]


@dataclass(frozen=True)
class Worker:
    """A function that runs under its own role, and Athena as the function meets it.

    `used` are the actions that it was permitted, each with its resource.
    """

    function: Function
    stack: Stack
    handler: Handler
    clients: Mapping[str, Any]
    athena: AthenaService
    used: set[tuple[str, str]] = field(default_factory=set)
    executions: list[str] = field(default_factory=list)

    def parts(self) -> Deployed:
        """The composition root, with the role's clients."""
        made = Deployed(Environment.read(self.function.environment))
        made._clients |= {**self.clients, "athena": athena.client(self)}
        return made

    def unused(self) -> set[tuple[str, str]]:
        """What the role grants and was not taken, as actions and resources; Lambda itself writes logs and traces,
        and no evidence here is registered with Lake Formation."""
        granted = {
            (action, resource)
            for statement in map(_known, self.function.statements)
            for action in statement["Action"]
            for resource in statement["Resource"]
            if action not in LOGS | TRACES | REGISTERED
        }
        return {each for each in granted if not self._took(*each)}

    def invoke(self, event: Mapping[str, Any], seconds: float = PATIENCE) -> Any:
        """Call the handler as Lambda does; an event that fails goes into the dead-letter queue, if there is one."""
        with self.enforced():
            try:
                return self.handler(event, Context.lasting(seconds))
            except Exception:
                properties = self.stack.resources[self.function.logical].properties
                if "DeadLetterQueue" in properties:
                    self.clients["sqs"].send_message(
                        QueueUrl=queue(self.stack, "DeadEvents"), MessageBody="{}"
                    )
                raise

    def take(self, number: int = 1, seconds: float = PATIENCE) -> bool:
        """Take a message of the queue as Lambda does for the function; whether it is done and gone."""
        sqs, url = self.clients["sqs"], queue(self.stack, "RequestsQueue")
        with self.enforced():
            sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
            (got,) = sqs.receive_message(QueueUrl=url)["Messages"]
            record = {
                "messageId": got["MessageId"],
                "receiptHandle": got["ReceiptHandle"],
                "body": got["Body"],
                "attributes": {"ApproximateReceiveCount": str(number)},
                "eventSourceARN": self.stack.resources["RequestsQueue"].arn,
            }
            failed = self.handler({"Records": [record]}, Context.lasting(seconds))["batchItemFailures"]
            if not failed:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=got["ReceiptHandle"])
                return True
        again = {"ReceiptHandle": got["ReceiptHandle"], "VisibilityTimeout": 0}
        client("sqs").change_message_visibility(QueueUrl=url, **again)  # as if time had passed
        return False

    @contextmanager
    def enforced(self) -> Iterator[None]:
        """Permit what the role grants, and nothing else; what is permitted is written down."""
        permitted, used = IAMRequestBase.check_action_permitted, self.used

        def noted(self: IAMRequestBase, resource: str) -> None:
            permitted(self, resource)
            used.add((self._action, resource))

        IAMRequestBase.check_action_permitted = noted  # type: ignore[method-assign]
        try:
            with enable_iam_authentication():
                yield
        finally:
            IAMRequestBase.check_action_permitted = permitted  # type: ignore[method-assign]

    def _took(self, action: str, resource: str) -> bool:
        return any(taken == action and fnmatch(of, resource) for taken, of in self.used)

    def answer(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """An answer of Athena: a call is made to moto too, and what a query does is done in this role's name."""
        try:
            self._asked(operation, request)
        except ClientError as error:
            raise Refused("AccessDeniedException", str(error)) from None
        return self.athena.answer(operation, request)

    def _asked(self, operation: str, request: Mapping[str, Any]) -> None:
        real = self.clients["athena"]
        if operation == "StartQueryExecution":
            self.executions.append(real.start_query_execution(**request)["QueryExecutionId"])
            self._read()
        elif operation == "GetQueryExecution":
            real.get_query_execution(QueryExecutionId=self.executions[0])
        elif operation == "GetQueryResults":
            real.get_query_results(QueryExecutionId=self.executions[0])
            self.clients["s3"].get_object(Bucket=self.stack.resources["ResultsBucket"].name, Key="result.csv")
        else:
            real.stop_query_execution(QueryExecutionId=self.executions[0])

    def _read(self) -> None:
        """Read tables and evidence; write a result, and another one in parts."""
        s3, glue, environment = self.clients["s3"], self.clients["glue"], self.function.environment
        database, evidence = environment["EXHIBIT_DATABASE"], environment["EXHIBIT_EVIDENCE_BUCKET"]
        results = self.stack.resources["ResultsBucket"].name
        glue.get_database(Name=database)
        glue.get_table(DatabaseName=database, Name="flat")
        glue.get_partitions(DatabaseName=database, TableName="flat")
        for bucket in (evidence, results):
            s3.get_bucket_location(Bucket=bucket)
            s3.list_objects_v2(Bucket=bucket)
        s3.put_object(Bucket=results, Key="result.csv", Body=b"")
        part = {"Bucket": results, "Key": "parts.csv"}
        part["UploadId"] = s3.create_multipart_upload(**part)["UploadId"]
        s3.list_parts(**part)
        s3.list_multipart_uploads(Bucket=results)
        s3.abort_multipart_upload(**part)


def queue(stack: Stack, logical: str) -> str:
    """The URL of a queue of the template."""
    return f"https://sqs.{stack.region}.amazonaws.com/{stack.account}/{stack.resources[logical].name}"


def workers(stack: Stack, handlers: Mapping[str, Handler], service: AthenaService) -> dict[str, Worker]:
    """The functions of a stack that is deployed in moto, each with its role."""
    data_key = stack.made["DataKey"]["Arn"]
    return {
        name: Worker(function, stack, handlers[name], _clients(function, data_key), service)
        for name, function in stack.functions.items()
    }


def _clients(function: Function, data_key: str) -> dict[str, Any]:
    """The clients of a new role that is granted what the template grants."""
    iam, name = client("iam"), function.name
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    policy = {"Version": "2012-10-17", "Statement": [_known(each) for each in function.statements]}
    iam.put_role_policy(RoleName=name, PolicyName=name, PolicyDocument=json.dumps(policy))
    given = client("sts").assume_role(RoleArn=role, RoleSessionName="invocation")["Credentials"]
    session = boto3.session.Session(
        given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"], region_name=REGION
    )
    once = Config(retries={"total_max_attempts": 1}, signature_version="v4")
    made = {service: session.client(service, config=once) for service in SERVICES}
    made["s3"] = session.client("s3", config=Config(signature_version="s3v4"))
    blob = client("kms").encrypt(KeyId=data_key, Plaintext=b"x")["CiphertextBlob"]
    _opened(made, data_key, blob)
    return made


def _known(statement: Mapping[str, Any]) -> dict[str, Any]:
    """A statement as far as moto can tell its resources."""
    of_s3 = all(action.startswith("s3:") for action in statement["Action"])
    return {**statement, "Resource": statement["Resource"] if of_s3 else ["*"]}


def _opened(clients: Mapping[str, Any], key: str, blob: bytes) -> None:
    """Have S3 and SNS ask KMS for data keys in the caller's name; who misses an object has to be allowed to list."""
    kms = clients["kms"]

    def write(**_: Any) -> None:
        kms.generate_data_key(KeyId=key, KeySpec="AES_256")

    def read(**_: Any) -> None:
        kms.decrypt(CiphertextBlob=blob)

    def missing(http_response: Any, **_: Any) -> None:
        if http_response.status_code == 404:
            bucket = urlsplit(http_response.url).netloc.partition(".")[0]
            clients["s3"].list_objects_v2(Bucket=bucket, MaxKeys=1)

    clients["s3"].meta.events.register("before-call.s3.PutObject", write)
    clients["s3"].meta.events.register("before-call.s3.CreateMultipartUpload", write)
    clients["s3"].meta.events.register("before-call.s3.GetObject", read)
    clients["s3"].meta.events.register("after-call.s3", missing)
    for act in (write, read):
        clients["sns"].meta.events.register("before-call.sns.Publish", act)

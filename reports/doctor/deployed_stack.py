"""A deployed stack, as CloudFormation describes it, and what the checks ask more than once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from botocore.exceptions import ClientError  # type: ignore[import-untyped]

from reports.core import aws_clients, aws_errors
from reports.core.errors import ExhibitError, InvalidRequest, InvalidSettings
from reports.evidence.source import ListedObject
from reports.evidence.source_s3 import S3Evidence
from reports.service.parts import PREFIX, Deployed, Environment

NEEDED = (
    "ArchiveBucket",
    "SettingsBucket",
    "SigningKey",
    "Workgroup",
    "Database",
    "Publish",
    "PublishRole",
    "Api",
)
LAMBDA_VARIABLE = f"{PREFIX}TIMESTAMP_URLS"


@dataclass(frozen=True)
class DeployedStack:
    """A stack: its `parameters` and, by logical id, the physical ids of its `resources`. `now` is AWS's time.

    Permissions: `cloudformation:DescribeStacks` and `cloudformation:ListStackResources` on the stack;
    `lambda:GetFunctionConfiguration` on the function publish, and `kms:Decrypt` on the key of its environment.
    """

    name: str
    region: str
    parameters: Mapping[str, str]
    resources: Mapping[str, str]
    now: datetime

    @classmethod
    def open(cls, name: str, now: datetime) -> DeployedStack:
        """Ask CloudFormation for a stack.

        Raises `InvalidRequest` if there is none of this name, or it is not of Exhibit's template; otherwise raises as
        `aws_errors.translated` does.
        """
        client = aws_clients.client("cloudformation")
        region = str(client.meta.region_name)
        with aws_errors.translated(f"stack {name}"):
            try:
                (told,) = client.describe_stacks(StackName=name)["Stacks"]
            except ClientError as error:
                if aws_errors.code(error) == "ValidationError":
                    raise InvalidRequest(
                        f"there is no stack {name} in {region}: correct --stack, or set AWS_DEFAULT_REGION"
                    ) from None
                raise
            pages = client.get_paginator("list_stack_resources").paginate(StackName=name)
            listed = [each for page in pages for each in page["StackResourceSummaries"]]
        resources = {each["LogicalResourceId"]: each.get("PhysicalResourceId", "") for each in listed}
        if missing := [each for each in NEEDED if not resources.get(each)]:
            raise InvalidRequest(
                f"stack {name} has no resource {missing[0]}: name a stack of Exhibit's template.yaml, deployed whole"
            )
        parameters = {each["ParameterKey"]: each.get("ParameterValue", "") for each in told["Parameters"]}
        return cls(name, region, parameters, resources, now)

    def client(self, service: str) -> Any:
        """A client of a service in the stack's region."""
        return self.parts.client(service)

    @cached_property
    def parts(self) -> Deployed:
        """The parts of the system, as its functions have them, but for the authorities."""
        return Deployed(
            Environment(
                archive_bucket=self.resources["ArchiveBucket"],
                evidence_bucket=self.parameters["EvidenceBucket"],
                settings_bucket=self.resources["SettingsBucket"],
                uploads_bucket=self.resources.get("UploadsBucket", ""),
                cells_bucket=self.resources.get("CellsBucket", ""),
                workgroup=self.resources["Workgroup"],
                database=self.resources["Database"],
                signing_key=self.resources["SigningKey"],
                pseudonym_key=self.resources.get("PseudonymKey", ""),
                timestamp_urls=(),
                settling_days=int(self.parameters["SettlingDays"]),
                max_receives=int(self.parameters["MaxReceives"]),
                topic=self.resources.get("NoticesTopic", ""),
                bus=self.resources.get("Bus", ""),
                evidence_prefix=self.parameters.get("EvidencePrefix", ""),
                evidence_table=self.own_table,
                settings_prefix=self.parameters.get("SettingsPrefix", ""),
            )
        )

    @property
    def own_table(self) -> str:
        """The operator's own table that shows the evidence, as `DATABASE.TABLE`; empty if the stack's own do."""
        return self.parameters.get("EvidenceTable", "")

    @cached_property
    def source(self) -> S3Evidence:
        """The evidence, for as long as reading it takes."""
        return self.parts.evidence(lambda: math.inf)

    def timestamp_urls(self) -> Sequence[str]:
        """The authorities, which CloudFormation hides, from the environment of a function; raises `InvalidSettings`."""
        function = self.resources["Publish"]
        with aws_errors.translated(f"function {function}"):
            answer = self.client("lambda").get_function_configuration(FunctionName=function)
        environment = answer.get("Environment", {})
        if "Error" in environment:
            raise InvalidSettings(
                f"function {function} does not show its environment ({environment['Error'].get('ErrorCode')}): allow "
                "kms:Decrypt on the stack's key for data"
            )
        urls = environment.get("Variables", {}).get(LAMBDA_VARIABLE, "")
        return [url.strip() for url in urls.split(",") if url.strip()]

    def place(self, name: str) -> str:
        """Where a settings file is."""
        return f"s3://{self.resources['SettingsBucket']}/{self.parameters.get('SettingsPrefix', '')}{name}"

    def objects(self) -> Sequence[ListedObject]:
        """The objects of the evidence, which are listed once; raises as `S3Evidence.list` does."""
        found = self._listed
        if isinstance(found, ExhibitError):
            raise found
        return found

    @cached_property
    def _listed(self) -> Sequence[ListedObject] | ExhibitError:
        try:
            return self.source.list()
        except ExhibitError as error:
            return error

    @property
    def tables(self) -> Sequence[tuple[str, str]]:
        """The databases and names of the tables that show the evidence."""
        database, _, name = self.own_table.partition(".")
        return (
            [(database, name)] if name else [(self.resources["Database"], each) for each in ("flat", "ocsf")]
        )

    def table(self, database: str, name: str) -> Mapping[str, Any]:
        """A table of the Glue Data Catalog; raises `ClientError` too."""
        answer = self.client("glue").get_table(DatabaseName=database, Name=name)
        return dict(answer["Table"])

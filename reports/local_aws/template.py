"""`template.yaml`, read: its resources, functions and roles, with the names that a stack would give them.

Intrinsic functions are resolved for one stack, region and account. What only AWS knows (the id of a key or of an API)
is made up from the resource's name, unless `made` tells it.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any, cast

import yaml

from reports.core.errors import InvalidSettings

TEMPLATE = Path(__file__).parents[2] / "template.yaml"

_NOTHING = object()
_VARIABLE = re.compile(r"\$\{(!?)([\w:.]+)\}")
# What `Ref` gives: a property that names the resource, and the form of its ARN
_NAMED = {
    "AWS::Athena::WorkGroup": ("Name", "athena:{region}:{account}:workgroup/{name}"),
    "AWS::CloudWatch::Alarm": ("AlarmName", "cloudwatch:{region}:{account}:alarm:{name}"),
    "AWS::CloudWatch::Dashboard": ("DashboardName", "cloudwatch::{account}:dashboard/{name}"),
    "AWS::Events::EventBus": ("Name", "events:{region}:{account}:event-bus/{name}"),
    "AWS::Events::Rule": ("Name", "events:{region}:{account}:rule/{name}"),
    "AWS::Glue::Database": ("DatabaseInput.Name", "glue:{region}:{account}:database/{name}"),
    "AWS::Glue::Table": ("TableInput.Name", "glue:{region}:{account}:table/{name}"),
    "AWS::IAM::Role": ("RoleName", "iam::{account}:role/{name}"),
    "AWS::KMS::Alias": ("AliasName", "kms:{region}:{account}:{name}"),
    "AWS::KMS::Key": ("", "kms:{region}:{account}:key/{name}"),
    "AWS::Logs::LogGroup": ("LogGroupName", "logs:{region}:{account}:log-group:{name}:*"),
    "AWS::S3::Bucket": ("BucketName", "s3:::{name}"),
    "AWS::SNS::Topic": ("TopicName", "sns:{region}:{account}:{name}"),
    "AWS::SQS::Queue": ("QueueName", "sqs:{region}:{account}:{name}"),
    "AWS::Scheduler::Schedule": ("Name", "scheduler:{region}:{account}:schedule/default/{name}"),
    "AWS::Serverless::Function": ("FunctionName", "lambda:{region}:{account}:function:{name}"),
    "AWS::Serverless::HttpApi": ("", "apigateway:{region}::/apis/{name}"),
}


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource with every value resolved; `name` is the one that it has on AWS."""

    logical: str
    type: str
    name: str
    arn: str
    properties: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Route:
    """A route of the API: `key` is its method and path, or `$default`; one that is `open` asks for no token."""

    key: str
    scopes: tuple[str, ...]
    open: bool


@dataclass(frozen=True, slots=True)
class Function:
    """A function: its handler, what stands in its environment, and what its role may do.

    `timeout` is in seconds, `memory` in MiB; `statements` are those of IAM, with lists for actions and resources.
    """

    logical: str
    name: str
    handler: str
    environment: Mapping[str, str]
    timeout: int
    memory: int
    statements: tuple[Mapping[str, Any], ...]
    routes: tuple[Route, ...]

    @property
    def module(self) -> str:
        """The module of its handler, the last part of the name: `publish`."""
        return self.handler.split(".")[-2]


@dataclass(frozen=True)
class Stack:
    """The template, deployed in thought.

    `parameters` need to give those without a default; `made` gives, by logical id, what AWS made up: `Ref` or the name
    of an attribute (`Arn`) → value. Raises `InvalidSettings` for a parameter that is missing or unknown.
    """

    parameters: Mapping[str, str]
    name: str = "exhibit"
    region: str = "eu-west-1"
    account: str = "123456789012"
    made: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    template: Path = TEMPLATE

    def __post_init__(self) -> None:
        """Check the parameters."""
        declared = self.document["Parameters"]
        if unknown := sorted(set(self.parameters) - set(declared)):
            raise InvalidSettings(f"{self.template.name} has no parameter {unknown[0]}: leave it out")
        needed = {name for name, spec in declared.items() if "Default" not in spec}
        if missing := sorted(needed - set(self.parameters)):
            raise InvalidSettings(f"{self.template.name} needs the parameter {missing[0]}: give it")

    @cached_property
    def resources(self) -> Mapping[str, Resource]:
        """The resources whose condition holds, by their logical ids."""
        return {logical: self._resource(logical) for logical in self._present}

    @cached_property
    def functions(self) -> Mapping[str, Function]:
        """The functions, by their modules' names."""
        of_type = (r for r in self.resources.values() if r.type == "AWS::Serverless::Function")
        return {function.module: function for function in map(self._function, of_type)}

    @cached_property
    def outputs(self) -> Mapping[str, str]:
        """What the stack tells of itself."""
        return {name: self._resolved(output["Value"]) for name, output in self.document["Outputs"].items()}

    def of_type(self, type_: str) -> tuple[Resource, ...]:
        """The resources of a type, such as `AWS::S3::Bucket`, in the template's order."""
        return tuple(resource for resource in self.resources.values() if resource.type == type_)

    def reference(self, logical: str) -> str:
        """What `Ref` gives of a resource, which is its physical id."""
        return str(self._reference(logical))

    @cached_property
    def document(self) -> Mapping[str, Any]:
        """The template as it stands, its intrinsic functions unresolved."""
        return _loaded(self.template.read_text("utf-8"))

    @cached_property
    def _present(self) -> Mapping[str, Mapping[str, Any]]:
        resources = self.document["Resources"]
        return {n: r for n, r in resources.items() if "Condition" not in r or self._holds(r["Condition"])}

    def _resource(self, logical: str) -> Resource:
        body = self._present[logical]
        name = self._name(logical)
        return Resource(
            logical, body["Type"], name, self._arn(logical), self._resolved(body.get("Properties", {}))
        )

    def _function(self, resource: Resource) -> Function:
        common = self._resolved(self.document["Globals"]["Function"])
        (handler,) = resource.properties["ImageConfig"]["Command"]
        own = resource.properties.get("Environment", {}).get("Variables", {})
        role = next(r for r in self.of_type("AWS::IAM::Role") if r.arn == resource.properties["Role"])
        return Function(
            resource.logical,
            resource.name,
            handler,
            {key: str(value) for key, value in {**common["Environment"]["Variables"], **own}.items()},
            resource.properties["Timeout"],
            resource.properties["MemorySize"],
            tuple(_statements(role)),
            tuple(_routes(resource)),
        )

    def _name(self, logical: str) -> str:
        body = self._present[logical]
        value: Any = body.get("Properties", {})
        for step in _NAMED.get(body["Type"], ("", ""))[0].split("."):
            value = value.get(step) if isinstance(value, dict) else None
        if value is not None:
            return str(self._resolved(value))
        if body["Type"] == "AWS::KMS::Key":
            return self.made.get(logical, {}).get("Ref") or str(uuid.uuid5(uuid.NAMESPACE_OID, logical))
        return self.made.get(logical, {}).get("Ref") or f"{self.name}-{logical}"

    def _arn(self, logical: str) -> str:
        form = _NAMED.get(self._present[logical]["Type"], ("", "unknown:{name}"))[1]
        name = self._name(logical)
        if self._present[logical]["Type"] == "AWS::Glue::Table":
            name = f"{self._resolved(self._present[logical]['Properties']['DatabaseName'])}/{name}"
        known = self.made.get(logical, {}).get("Arn")
        return known or f"arn:aws:{form.format(region=self.region, account=self.account, name=name)}"

    def _reference(self, name: str) -> Any:
        pseudo = {
            "AWS::AccountId": self.account,
            "AWS::NoValue": _NOTHING,
            "AWS::Partition": "aws",
            "AWS::Region": self.region,
            "AWS::StackName": self.name,
            "AWS::URLSuffix": "amazonaws.com",
        }
        if name in pseudo:
            return pseudo[name]
        if name in self.document["Parameters"]:
            spec = self.document["Parameters"][name]
            return str(self.parameters.get(name, spec.get("Default")))
        type_ = self._present[name]["Type"]
        if type_ == "AWS::SQS::Queue":
            queue = f"https://sqs.{self.region}.amazonaws.com/{self.account}/{self._name(name)}"
            return self.made.get(name, {}).get("Ref", queue)
        return self._arn(name) if type_ == "AWS::SNS::Topic" else self._name(name)

    def _attribute(self, logical: str, attribute: str) -> str:
        known = self.made.get(logical, {}).get(attribute)
        return known or (self._arn(logical) if attribute == "Arn" else self._name(logical))

    def _holds(self, condition: str) -> bool:
        return bool(self._resolved(self.document["Conditions"][condition]))

    def _resolved(self, value: Any) -> Any:
        if isinstance(value, _Call):
            return getattr(self, f"_{value.name.lower()}")(value.argument)
        if isinstance(value, dict):
            items = ((key, self._resolved(each)) for key, each in value.items())
            return {key: each for key, each in items if each is not _NOTHING}
        if isinstance(value, list):
            return [each for each in map(self._resolved, value) if each is not _NOTHING]
        return value

    def _ref(self, name: str) -> Any:
        return self._reference(name)

    def _getatt(self, path: str) -> str:
        return self._attribute(*path.split(".", 1))

    def _sub(self, argument: Any) -> str:
        text, given = (argument, {}) if isinstance(argument, str) else argument
        own = {name: str(self._resolved(value)) for name, value in given.items()}

        def replaced(match: re.Match[str]) -> str:
            literal, name = match.groups()
            if literal:
                return f"${{{name}}}"
            if name in own:
                return own[name]
            return str(self._getatt(name) if "." in name else self._reference(name))

        return _VARIABLE.sub(replaced, text)

    def _if(self, argument: Sequence[Any]) -> Any:
        condition, then, otherwise = argument
        return self._resolved(then if self._holds(condition) else otherwise)

    def _equals(self, argument: Sequence[Any]) -> bool:
        one, other = self._resolved(list(argument))
        return bool(one == other)

    def _not(self, argument: Sequence[Any]) -> bool:
        return not self._resolved(argument[0])

    def _join(self, argument: Sequence[Any]) -> str:
        return str(argument[0]).join(self._resolved(argument[1]))

    def _select(self, argument: Sequence[Any]) -> Any:
        place, values = map(self._resolved, argument)
        return values[int(place)]

    def _split(self, argument: Sequence[Any]) -> list[str]:
        return str(self._resolved(argument[1])).split(argument[0])


def _statements(role: Resource) -> Iterator[Mapping[str, Any]]:
    for policy in role.properties["Policies"]:
        for statement in policy["PolicyDocument"]["Statement"]:
            lists = {key: _listed(statement[key]) for key in ("Action", "Resource")}
            yield {**statement, **lists}


def _routes(function: Resource) -> Iterator[Route]:
    for event in function.properties.get("Events", {}).values():
        if event["Type"] == "HttpApi":
            own = event["Properties"]
            key = f"{own['Method']} {own['Path']}" if "Path" in own else "$default"
            # SAM gives the default authorizer to every method but this one
            is_open = "Auth" not in own and own.get("Method") == "OPTIONS"
            yield Route(key, () if is_open else tuple(own["Auth"]["AuthorizationScopes"]), is_open)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@dataclass(frozen=True, slots=True)
class _Call:
    """An intrinsic function that is not yet resolved."""

    name: str
    argument: Any


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's tags."""


@cache
def _loaded(text: str) -> Mapping[str, Any]:
    return dict(yaml.load(text, _Loader))  # noqa: S506 - a SafeLoader


def _call(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> _Call:
    if isinstance(node, yaml.ScalarNode):
        return _Call(suffix, loader.construct_scalar(node))
    return _Call(suffix, loader.construct_sequence(cast(yaml.SequenceNode, node), deep=True))


_Loader.add_multi_constructor("!", _call)

"""What CloudFormation, Lambda, IAM and API Gateway tell of the deployed stack, made in an account.

Nothing here runs: functions run in sandboxes, and the gateway has routes of its own. It is there to be asked about, as
on AWS: moto does not deploy SAM templates, so its CloudFormation is given what deploying would leave.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from moto.cloudformation.models import cloudformation_backends

from reports.local_aws.template import Stack

IMAGE = "exhibit:latest"
HIDDEN = "****"  # in the place of a parameter with NoEcho
# What SAM makes of its own types
_TRANSFORMED = {
    "AWS::Serverless::Function": "AWS::Lambda::Function",
    "AWS::Serverless::HttpApi": "AWS::ApiGatewayV2::Api",
}
Client = Callable[[str], Any]


def make_api(gateway: Any, stack: Stack) -> dict[str, dict[str, str]]:
    """Make the stack's API with its authorizers and routes; returns what AWS made up of it, by its logical id."""
    made = {}
    for api in stack.of_type("AWS::Serverless::HttpApi"):
        id_ = gateway.create_api(Name=api.properties["Name"], ProtocolType="HTTP")["ApiId"]
        for name, authorizer in api.properties["Auth"]["Authorizers"].items():
            jwt = authorizer["JwtConfiguration"]
            answer = gateway.create_authorizer(
                ApiId=id_,
                AuthorizerType="JWT",
                IdentitySource=[authorizer["IdentitySource"]],
                JwtConfiguration={"Issuer": jwt["issuer"], "Audience": jwt["audience"]},
                Name=name,
            )
            for route in (route for function in stack.functions.values() for route in function.routes):
                gateway.create_route(
                    ApiId=id_,
                    RouteKey=route.key,
                    AuthorizationScopes=list(route.scopes),
                    AuthorizationType="JWT",
                    AuthorizerId=answer["AuthorizerId"],
                )
        made[api.logical] = {"Ref": id_}
    return made


def make_functions(client: Client, stack: Stack) -> None:
    """Make the functions, as Lambda tells of them, and their roles."""
    iam, functions = client("iam"), client("lambda")
    for role in stack.of_type("AWS::IAM::Role"):
        trusted = json.dumps(role.properties["AssumeRolePolicyDocument"])
        iam.create_role(RoleName=role.name, AssumeRolePolicyDocument=trusted)
    for function in stack.functions.values():
        functions.create_function(
            FunctionName=function.name,
            Role=stack.resources[function.logical].properties["Role"],
            PackageType="Image",
            Code={"ImageUri": f"{stack.account}.dkr.ecr.{stack.region}.amazonaws.com/{IMAGE}"},
            ImageConfig={"Command": [function.handler]},
            Environment={"Variables": dict(function.environment)},
            Timeout=function.timeout,
            MemorySize=function.memory,
        )


def describe(cloudformation: Any, stack: Stack) -> None:
    """Have CloudFormation tell of the stack: its parameters, its outputs and its resources."""
    declared = stack.document["Parameters"]
    given = {name: stack.parameters.get(name, str(spec.get("Default"))) for name, spec in declared.items()}
    told = {name: HIDDEN if declared[name].get("NoEcho") else value for name, value in given.items()}
    body = {
        "Parameters": {name: {"Type": "String"} for name in declared},
        "Resources": {},
        "Outputs": {name: {"Value": value} for name, value in stack.outputs.items()},
    }
    cloudformation.create_stack(
        StackName=stack.name,
        TemplateBody=json.dumps(body),
        Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in told.items()],
    )
    resources = cloudformation_backends[stack.account][stack.region].get_stack(stack.name).resource_map
    for logical, resource in stack.resources.items():
        resources._resource_json_map[logical] = {}
        resources._parsed_resources[logical] = SimpleNamespace(
            logical_resource_id=logical,
            physical_resource_id=stack.reference(logical),
            cf_resource_type=_TRANSFORMED.get(resource.type, resource.type),
            type=_TRANSFORMED.get(resource.type, resource.type),
        )

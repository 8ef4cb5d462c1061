"""Athena in this process, as tests want it: executions end when they are told to.

`client` is boto3's own client with the service in the place of the network: requests are checked against AWS's model.
"""

import json
from collections.abc import Mapping
from typing import Any, Protocol

import boto3
from botocore.awsrequest import AWSResponse

from reports.local_aws import athena
from reports.local_aws.athena import DuckDBAthena, Execution, Executor, Refused, over_folder

__all__ = ["AthenaService", "DuckDBAthena", "Execution", "Refused", "client", "over_folder"]

SCANNED = 4096


class AthenaService(athena.AthenaService):
    """Executions end at the look after `looks` of them.

    `endings` are the statuses that the next executions end with; where there is none, a statement is executed.
    """

    def __init__(self, engine: Executor) -> None:
        super().__init__(engine, lambda: SCANNED)
        self.looks = 1
        self.endings: list[Mapping[str, Any] | None] = []
        self.stopped: list[str] = []
        self.calls: list[str] = []

    def answer(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        self.calls.append(operation)
        if operation == "StopQueryExecution":
            self.stopped.append(request["QueryExecutionId"])
        return super().answer(operation, request)

    def begin(self, execution: Execution) -> None:
        pass

    def look(self, execution: Execution) -> None:
        if execution.status is None and execution.looks >= self.looks:
            ending = self.endings.pop(0) if self.endings else None
            if ending is None:
                self.end(execution)
            else:
                execution.status = ending
        super().look(execution)

    def forget_results(self) -> None:
        """Delete what executions have written, as a rule for old objects does."""
        for execution in self.executions.values():
            execution.result = None


_SESSION = boto3.session.Session("x", "x", region_name="eu-west-1")


class Answering(Protocol):
    """What answers the operations of Athena."""

    def answer(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to a request; raises `Refused`."""


def client(service: Answering) -> Any:
    """boto3's client of Athena, whose requests go to a service in this process."""

    def answer(model: Any, params: Mapping[str, Any], **_: Any) -> tuple[AWSResponse, dict[str, Any]]:
        try:
            return _response(200), service.answer(model.name, json.loads(params["body"]))
        except Refused as refused:
            error = {"Code": refused.code, "Message": str(refused)}
            return _response(400), {"Error": error, "ResponseMetadata": {"HTTPStatusCode": 400}}

    made = _SESSION.client("athena")
    made.meta.events.register("before-call.athena", answer)
    return made


def _response(status: int) -> AWSResponse:
    return AWSResponse("", status, {}, None)

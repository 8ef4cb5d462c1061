"""Adapter: Amazon Athena, over the tables of a database.

It runs the SQL files unchanged, as one statement, and pays for each question once:

1. A question's token is made from its statement, its parameters, the evidence that it reads, a try number, and a name
   that its request gives. Athena answers a known token with the original execution, so asking again, in this process
   or after it was killed, continues with the same execution.
2. If an execution failed transiently, was cancelled, or lost its result, the next to ask tries again, under the next
   token. There are `TRIES` tries. No record of them is needed: a token whose execution has ended leads to the next one.
3. A query that outlasts the time limit keeps running (`Unfinished`), until whoever gives up calls `stop`.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

from botocore.exceptions import ClientError  # type: ignore[import-untyped]

from reports.core import aws_errors
from reports.core.errors import ExhibitError, InvalidEvidence, InvalidSettings, Unavailable, Unfinished
from reports.core.progress import Done
from reports.evidence import questions
from reports.evidence.engine_tables import BROKEN, EVIDENCE, Answered, Run, Shown
from reports.evidence.questions import Answer, Question, Row
from reports.evidence.source import ListedObject

TRIES = 3
PAGE = 1000  # the most that GetQueryResults returns at once
FIRST_WAIT, LONGEST_WAIT = 0.25, 5.0  # seconds
FINAL = ("SUCCEEDED", "FAILED", "CANCELLED")
SYSTEM, USER = 1, 2  # AthenaError's categories

# Names of Trino's and Hive's errors that the database or its permissions cause
_SETTINGS = re.compile(
    r"\b(TABLE_NOT_FOUND|SCHEMA_NOT_FOUND|CATALOG_NOT_FOUND|COLUMN_NOT_FOUND|AMBIGUOUS_NAME|NOT_SUPPORTED|"
    r"FUNCTION_NOT_FOUND|TYPE_MISMATCH|SYNTAX_ERROR|GENERIC_INTERNAL_ERROR|"
    r"PERMISSION_DENIED|HIVE_METASTORE_ERROR|HIVE_INVALID_METADATA|HIVE_UNSUPPORTED_FORMAT|"
    r"Insufficient permissions|Access ?denied)\b",
    re.IGNORECASE,
)
_EVIDENCE = re.compile(rf"\b({'|'.join(sorted(EVIDENCE))})\b")
_LIMIT = re.compile(r"bytes scanned limit", re.IGNORECASE)
_READ_LESS = {
    "overlap": "deliver the evidence in one layout",
    "tallies": "choose a shorter window",
    "history": "remove the oldest partitions from the evidence",
}


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a statement is for, in words, and what to do where rows are refused or too much would be scanned.

    `once` tells one statement from others with the same text; without it, they are one.
    """

    name: str
    advice: str
    read_less: str
    once: str = ""


@dataclass(frozen=True, slots=True)
class _Execution:
    """What Athena says of an execution."""

    id: str
    state: str
    reason: str
    error: Mapping[str, Any]
    engine_version: str
    bytes_scanned: int | None

    @classmethod
    def read(cls, found: Mapping[str, Any]) -> _Execution:
        status, version = found["Status"], found.get("EngineVersion", {})
        name = version.get("EffectiveEngineVersion") or version.get("SelectedEngineVersion") or "unknown"
        return cls(
            found["QueryExecutionId"],
            status["State"],
            status.get("StateChangeReason", ""),
            status.get("AthenaError", {}),
            name.removeprefix("Athena engine version "),
            found.get("Statistics", {}).get("DataScannedInBytes"),
        )

    def failure(self, asked: _Asked) -> ExhibitError:
        """The error of an execution that ended without rows; `Unavailable` if another try may end well."""
        reason = aws_errors.without_account(self.reason or self.error.get("ErrorMessage", "")).rstrip(". ")
        ended = f"{asked.name}: query {self.id} {self.state.lower()}"
        said = f"{ended} ({reason or 'no reason given'})"
        broken = BROKEN.search(reason)
        named = broken or _EVIDENCE.search(reason)  # the rest of the reason may contain a row's values
        ended = f"{ended} ({named[0]})" if named else ended
        if self.state == "CANCELLED":
            if _LIMIT.search(reason):
                return InvalidSettings(f"{said}: raise the workgroup's limit, or {asked.read_less}")
            return Unavailable(f"{said}: run again", f"{ended}: run again")
        category = self.error.get("ErrorCategory")
        if not broken and (self.error.get("Retryable") or category == SYSTEM):
            return Unavailable(f"{said}: run again", f"{ended}: run again")
        if named:
            return InvalidEvidence(f"{said}: {asked.advice}", f"{ended}: {asked.advice}")
        if category == USER or _SETTINGS.search(reason):
            advice = "check the database's tables and the permissions to read them"
            return InvalidSettings(f"{said}: {advice}", f"{ended}: {advice}")
        return Unavailable(f"{said}: run again", f"{ended}: run again")


@dataclass(frozen=True, slots=True)
class AthenaEngine:
    """Answers questions about the objects that a database's tables show.

    The workgroup enforces its configuration: where results go, and how much a query may scan. `token` is what all
    repetitions of one request share, and nothing else does. `deadline` gives the seconds that are left for waiting.
    `running` are the executions that `ask` left running.

    Permissions: `athena:StartQueryExecution`, `athena:GetQueryExecution`, `athena:GetQueryResults` and
    `athena:StopQueryExecution` on the workgroup; `glue:GetDatabase`, `glue:GetTable` and `glue:GetPartitions` on the
    catalog, the database and its tables; `s3:GetBucketLocation`, `s3:ListBucket` and `s3:GetObject` on the evidence;
    these and `s3:PutObject` on the workgroup's place for results; `kms:Decrypt` and `kms:GenerateDataKey` where keys
    encrypt these.
    """

    client: Any
    workgroup: str
    database: str
    tables: Shown
    _: KW_ONLY
    token: str
    deadline: Callable[[], float]
    pause: Callable[[float], None] = time.sleep
    running: dict[str, None] = field(default_factory=dict, init=False)

    def ask(self, question: Question, progress: Done) -> Answer:
        """Answer a question exactly, or go on with the execution that an earlier run began.

        Raises `InvalidEvidence` for rows that break a rule of their layout and for what Athena cannot read,
        `InvalidSettings` if the tables, permissions or limits do not serve, `Unavailable` if Athena does not
        answer or failed `TRIES` times, and `Unfinished` where the query still runs when time is up.
        """
        return self.tables.answer(question, "athena", self._run_for(question), progress)

    def stop(self, executions: Iterable[str]) -> None:
        """Stop executions; Athena leaves alone what has ended. Raises `Unavailable` if Athena does not answer."""
        with self._translated():
            for execution in executions:
                self.client.stop_query_execution(QueryExecutionId=execution)
                self.running.pop(execution, None)

    def _translated(self) -> Any:
        return aws_errors.translated(f"Athena workgroup {self.workgroup}")

    def select(self, what: str, sql: str, parameters: Sequence[str] = ()) -> tuple[Row, ...]:
        """The rows of a statement that is no question, in its order, as they are now; raises as `ask` does."""
        asked = _Asked(f"query of {what}", "look at the table", "choose a view of fewer days", uuid4().hex)
        return self._answered(asked, sql, parameters, ())[1]

    def _run_for(self, question: Question) -> Run:
        asked = _Asked(f"question {question.name}", self.tables.advice(question), _READ_LESS[question.name])

        def run(_name: str, sql: str, parameters: Sequence[str], located: Sequence[ListedObject]) -> Answered:
            execution, rows = self._answered(asked, sql, parameters, located)
            return Answered(
                questions.ordered(rows), execution.id, execution.engine_version, execution.bytes_scanned
            )

        return run

    def _answered(
        self, asked: _Asked, sql: str, values: Sequence[str], located: Sequence[ListedObject]
    ) -> tuple[_Execution, tuple[Row, ...]]:
        parameters = [f"'{value}'" for value in values]  # Athena takes SQL literals
        failure: ExhibitError
        for number in range(TRIES):
            token = self._token_of(asked, sql, parameters, located, number)
            execution, waited = self._finished(asked, self._start(sql, parameters, token))
            if execution.state == "SUCCEEDED":
                if (rows := self._rows(execution)) is not None:
                    return execution, rows
                failure = Unavailable(f"{asked.name}: the result of query {execution.id} is no longer there")
            else:
                failure = execution.failure(asked)
                if waited or not isinstance(failure, Unavailable):
                    raise failure
        none = f"(all {TRIES} tries failed)"
        raise Unavailable(f"{failure} {none}", f"{failure.public} {none}")

    def _token_of(
        self,
        asked: _Asked,
        sql: str,
        parameters: Sequence[str],
        located: Sequence[ListedObject],
        number: int,
    ) -> str:
        evidence = [(o.name, o.size, o.state) for o in located]
        place = [self.workgroup, self.database]
        made_of = json.dumps([self.token, asked.once, place, sql, parameters, evidence, number])
        return hashlib.sha256(made_of.encode()).hexdigest()

    def _start(self, sql: str, parameters: Sequence[str], token: str) -> str:
        with self._translated():
            started = self.client.start_query_execution(
                QueryString=sql,
                **({"ExecutionParameters": parameters} if parameters else {}),
                ClientRequestToken=token,
                QueryExecutionContext={"Database": self.database},
                WorkGroup=self.workgroup,
            )
        return str(started["QueryExecutionId"])

    def _finished(self, asked: _Asked, execution: str) -> tuple[_Execution, bool]:
        """An execution that has ended, and whether that had to be waited for."""
        self.running[execution] = None
        wait = FIRST_WAIT
        while True:
            with self._translated():
                answer = self.client.get_query_execution(QueryExecutionId=execution)
            found = _Execution.read(answer["QueryExecution"])
            if found.state in FINAL:
                del self.running[execution]
                return found, wait > FIRST_WAIT
            if self.deadline() <= wait:
                raise Unfinished(
                    f"{asked.name}: query {execution} is still running: run again to wait for it"
                )
            self.pause(wait)
            wait = min(2 * wait, LONGEST_WAIT)

    def _rows(self, execution: _Execution) -> tuple[Row, ...] | None:
        """The rows of an execution; None where its result was deleted."""
        try:
            with self._translated():
                return tuple(row for page in self._pages(execution.id) for row in page)
        except _Gone:
            return None

    def _pages(self, execution: str) -> Iterator[list[Row]]:
        more: dict[str, str] = {}
        first = True
        while first or more:
            try:
                page = self.client.get_query_results(QueryExecutionId=execution, MaxResults=PAGE, **more)
            except ClientError as error:
                if "could not find results" in str(error).lower():
                    raise _Gone from None
                raise
            columns = page["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]
            rows = [[cell.get("VarCharValue") for cell in row["Data"]] for row in page["ResultSet"]["Rows"]]
            if first and rows and rows[0] == [column["Name"] for column in columns]:
                del rows[0]
            yield [_typed(columns, row) for row in rows]
            first, more = False, {"NextToken": page["NextToken"]} if page.get("NextToken") else {}


class _Gone(Exception):
    """The result of an execution was deleted."""


def _boolean(text: str) -> bool:
    return text == "true"


_VALUES: Mapping[str, Callable[[str], Any]] = {
    **dict.fromkeys(("varchar", "char", "string"), str),
    **dict.fromkeys(("tinyint", "smallint", "integer", "bigint"), int),
    **dict.fromkeys(("double", "real", "float"), float),
    "boolean": _boolean,
    "date": date.fromisoformat,
    "timestamp": datetime.fromisoformat,
}


def _typed(columns: Sequence[Mapping[str, Any]], row: Sequence[str | None]) -> Row:
    return {
        column["Name"]: None if text is None else _value(column, text)
        for column, text in zip(columns, row, strict=True)
    }


def _value(column: Mapping[str, Any], text: str) -> Any:
    if column["Type"] == "decimal":
        return Decimal(text) if column.get("Scale") else int(text)
    if column["Type"] not in _VALUES:
        raise InvalidSettings(
            f"Athena returns column {column['Name']} as {column['Type']}: check the types of the tables' columns"
        )
    return _VALUES[column["Type"]](text)

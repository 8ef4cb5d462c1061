"""Athena, simulated: it runs the same statements, and its answers have Athena's form.

An `Executor` executes a statement: DuckDB here (`DuckDBAthena`), or Trino (`reports.local_aws.athena_trino`).
`AthenaService` is what stands around it: tokens, states, pages.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

import duckdb
import sqlglot
from sqlglot import exp

from reports.core.errors import ExhibitError
from reports.evidence import transpile
from reports.evidence.relations import connection, make_views, unchecked_sources
from reports.evidence.source import FolderEvidence, ListedObject

# Athena's names for DuckDB's types; sums go to 128 bits in DuckDB, where Trino stays in 64 and fails beyond
TYPES = {
    "BIGINT": ("bigint", 19, 0),
    "BOOLEAN": ("boolean", 0, 0),
    "DATE": ("date", 0, 0),
    "DOUBLE": ("double", 17, 0),
    "HUGEINT": ("decimal", 38, 0),
    "INTEGER": ("integer", 10, 0),
    "TIMESTAMP": ("timestamp", 3, 0),
    "VARCHAR": ("varchar", 2147483647, 0),
}
VIEWS = frozenset({"flat", "ocsf", "flat_rows", "ocsf_rows"})
PAGE = 1000
AT_ONCE = 2
MEMORY = "1GB"  # of DuckDB, for one execution
SUCCEEDED = {"State": "SUCCEEDED"}
Relations = Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]]
"""Opens a connection in which the tables are views."""


class Refused(Exception):
    """An answer of the service that is an error."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Failed(Exception):
    """A statement that failed, with the name of the error, which Athena's reason begins with.

    `transient`: whether the system is to blame (category 1), rather than the statement or the data (category 2).
    """

    def __init__(self, name: str, message: str, *, transient: bool) -> None:
        super().__init__(f"{name}: {message}")
        category, type_ = (1, 1) if transient else (2, 1001)
        self.status = {
            "State": "FAILED",
            "StateChangeReason": str(self),
            "AthenaError": {"ErrorCategory": category, "ErrorType": type_, "Retryable": transient},
        }


@dataclass(frozen=True)
class Result:
    """The columns of a result (`ColumnInfo`) and its rows, as text; None is null.

    `scanned` is how many bytes were read for it; None where the engine does not know.
    """

    columns: Sequence[Mapping[str, Any]]
    rows: Sequence[Sequence[str | None]]
    scanned: int | None = None

    def page(self, first: int, most: int) -> list[dict[str, Any]]:
        """Some of the lines, of which the names of the columns are the first."""
        lines = [[column["Name"] for column in self.columns], *self.rows]
        return [
            {"Data": [{} if text is None else {"VarCharValue": text} for text in line]}
            for line in lines[first : first + most]
        ]


class Executor(Protocol):
    """What executes statements of Trino's dialect."""

    def execute(self, sql: str, parameters: Sequence[str]) -> Result:
        """The result of a statement; `parameters` are SQL literals. Raises `Failed`, or an error of its own."""
        ...

    def interrupt(self) -> None:
        """Have what is executed end at once, in an error."""
        ...


@dataclass(frozen=True)
class DuckDBAthena:
    """Executes statements of Trino's dialect over the relations of a connection that `relations` opens."""

    relations: Relations
    running: set[duckdb.DuckDBPyConnection] = field(default_factory=set, init=False)

    def execute(self, sql: str, parameters: Sequence[str]) -> Result:
        """The result of a statement; `parameters` are SQL literals. Raises `duckdb.Error` where it fails."""
        with self.relations() as con:
            self.running.add(con)
            try:
                cursor = con.execute(_without_tables(sql), [_literal(text) for text in parameters])
                columns = [column(name, *TYPES[str(type_)]) for name, type_, *_ in cursor.description or ()]
                return Result(columns, [[_text(value) for value in row] for row in cursor.fetchall()])
            finally:
                self.running.discard(con)

    def interrupt(self) -> None:
        """Have what is executed end at once, in an error."""
        for con in list(self.running):
            con.interrupt()


def _without_tables(sql: str) -> str:
    """A statement in DuckDB's dialect, without the relations that read tables: these are views here."""
    tree = transpile.parsed(sql)
    if found := tree.args.get("with_"):
        kept = [each for each in found.expressions if each.alias not in VIEWS]
        found.set("expressions", kept) if kept else tree.set("with_", None)
    return transpile.in_duckdb(tree)


def _make_views(con: duckdb.DuckDBPyConnection, root: Path, listed: Sequence[ListedObject]) -> None:
    """The relations of each layout: its rows in their canonical types, and the place and the day of every row."""
    make_views(con, root, listed)
    for layout in sorted({o.layout for o in listed}):
        day = "%Y-%m-%d" if layout == "flat" else "%Y%m%d"
        places = " union all ".join(
            f"select {source.path} as place from {source.table}"
            for source in unchecked_sources(con, root, [o for o in listed if o.layout == layout])
        )
        con.execute(
            f"create view {layout}_rows as select place, []::varchar[] as odd, "
            f"strptime(regexp_extract(place, '(?i)/event_?day=([^/]+)/', 1), '{day}')::date as day from ({places})"
        )


def over_folder(root: Path) -> Relations:
    """The relations of a folder of evidence: one for each layout that it holds."""

    @contextmanager
    def relations() -> Iterator[duckdb.DuckDBPyConnection]:
        listed = FolderEvidence(root).list()
        with (
            tempfile.TemporaryDirectory() as spill,
            connection(root.absolute(), spill, MEMORY) as con,
        ):
            _make_views(con, root.absolute(), listed)
            yield con

    return relations


def _literal(text: str) -> str | int:
    """The value of a parameter: text in its own quotes, or an integer; anything else is an expression."""
    parsed = sqlglot.parse_one(text, read="trino")
    if not isinstance(parsed, exp.Literal):
        raise duckdb.BinderException(f"TYPE_MISMATCH: parameter {text} is not a literal")
    return str(parsed.this) if parsed.is_string else int(parsed.this)


def column(name: str, type_: str, precision: int, scale: int) -> dict[str, Any]:
    """A column as Athena describes it (`ColumnInfo`)."""
    return {
        "CatalogName": "hive",
        "SchemaName": "",
        "TableName": "",
        "Name": name,
        "Label": name,
        "Type": type_,
        "Precision": precision,
        "Scale": scale,
        "Nullable": "UNKNOWN",
        "CaseSensitive": type_ == "varchar",
    }


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return value.isoformat(" ", "microseconds" if value.microsecond % 1000 else "milliseconds")
    return value.isoformat() if isinstance(value, date) else str(value)


@dataclass
class Execution:
    """An execution: what was asked, and how it stands."""

    request: Mapping[str, Any]
    id: str = field(default_factory=lambda: str(uuid4()))
    looks: int = 0
    status: Mapping[str, Any] | None = None
    result: Result | None = None
    scanned: int = 0

    def described(self) -> dict[str, Any]:
        """As GetQueryExecution gives it."""
        return {
            "QueryExecutionId": self.id,
            "Query": self.request["QueryString"],
            "ExecutionParameters": self.request.get("ExecutionParameters", []),
            "StatementType": "DML",
            "WorkGroup": self.request["WorkGroup"],
            "QueryExecutionContext": self.request["QueryExecutionContext"],
            "Status": self.status or {"State": "RUNNING" if self.looks > 1 else "QUEUED"},
            "Statistics": {"DataScannedInBytes": self.scanned} if self.result else {},
            "EngineVersion": {
                "SelectedEngineVersion": "AUTO",
                "EffectiveEngineVersion": "Athena engine version 3",
            },
        }


class AthenaService:
    """The calls that an engine makes. Statements run in threads of their own, `AT_ONCE` at a time.

    `scanned` gives what an execution is said to have scanned, in bytes, where the executor does not know.
    """

    def __init__(self, engine: Executor, scanned: Callable[[], int]) -> None:
        self.engine, self.scanned = engine, scanned
        self.executions: dict[str, Execution] = {}
        self._starting = threading.Lock()
        self._running = threading.BoundedSemaphore(AT_ONCE)
        self._threads: list[threading.Thread] = []
        self._stopped = False
        self._answers: Mapping[str, Callable[..., dict[str, Any]]] = {
            "StartQueryExecution": self._start,
            "GetQueryExecution": self._describe,
            "GetQueryResults": self._results,
            "StopQueryExecution": self._stop,
        }

    def knows(self, operation: str) -> bool:
        """Whether a call is one that engines make."""
        return operation in self._answers

    def answer(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to a call; raises `Refused`."""
        return self._answers[operation](**request)

    def begin(self, execution: Execution) -> None:
        """Have an execution run."""
        thread = threading.Thread(target=self._run, args=(execution,), daemon=True)
        thread.start()
        self._threads = [*filter(threading.Thread.is_alive, self._threads), thread]

    def stop(self) -> None:
        """Begin nothing any more, and end what runs."""
        self._stopped = True
        for thread in self._threads:
            while thread.is_alive():
                self.engine.interrupt()  # repeatedly, because a query that is about to begin does not notice
                thread.join(0.1)

    def look(self, execution: Execution) -> None:
        """Note that somebody looks how an execution stands."""
        execution.looks += 1

    def end(self, execution: Execution) -> None:
        """Execute the statement, and end the execution."""
        asked = execution.request
        try:
            execution.result = self.engine.execute(asked["QueryString"], asked.get("ExecutionParameters", ()))
            known = execution.result.scanned
            execution.scanned, execution.status = self.scanned() if known is None else known, SUCCEEDED
        except Failed as failed:
            execution.status = failed.status
        except (duckdb.Error, ExhibitError) as error:
            execution.status = Failed("INVALID_CAST_ARGUMENT", str(error), transient=False).status
        except Exception as error:
            execution.status = Failed("GENERIC_INTERNAL_ERROR", str(error), transient=True).status

    def _run(self, execution: Execution) -> None:
        with self._running:
            if execution.status is None and not self._stopped:
                self.end(execution)

    def _start(self, **request: Any) -> dict[str, Any]:
        with self._starting:
            known = {e.request["ClientRequestToken"]: e for e in self.executions.values()}
            execution = known.get(request["ClientRequestToken"])
            if execution is None:
                execution = Execution(request)
                self.executions[execution.id] = execution
                self.begin(execution)
        if execution.request != request:
            raise Refused("InvalidRequestException", "Idempotent parameters do not match")
        return {"QueryExecutionId": execution.id}

    def _found(self, id_: str) -> Execution:
        if id_ not in self.executions:
            raise Refused("InvalidRequestException", f"QueryExecution {id_} was not found")
        return self.executions[id_]

    def _describe(self, QueryExecutionId: str) -> dict[str, Any]:  # noqa: N803 -- AWS's name
        execution = self._found(QueryExecutionId)
        self.look(execution)
        return {"QueryExecution": execution.described()}

    def _results(
        self,
        QueryExecutionId: str,  # noqa: N803
        MaxResults: int = PAGE,  # noqa: N803
        NextToken: str = "0",  # noqa: N803
    ) -> dict[str, Any]:
        execution = self._found(QueryExecutionId)
        if execution.result is None:
            raise Refused("InvalidRequestException", f"Could not find results for {execution.id}")
        first, after = int(NextToken), int(NextToken) + MaxResults
        more = {"NextToken": str(after)} if after <= len(execution.result.rows) else {}
        metadata = {"ColumnInfo": list(execution.result.columns)}
        return {
            "UpdateCount": 0,
            "ResultSet": {"Rows": execution.result.page(first, MaxResults), "ResultSetMetadata": metadata},
            **more,
        }

    def _stop(self, QueryExecutionId: str) -> dict[str, Any]:  # noqa: N803
        execution = self._found(QueryExecutionId)
        if execution.status is None:
            execution.status = {"State": "CANCELLED", "StateChangeReason": "Query cancelled by user"}
        return {}

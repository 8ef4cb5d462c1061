"""Athena, rehearsed on a real Trino, whose version Athena's engine is made from: the statements run as they are."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import Any

import requests
from trino import dbapi
from trino.exceptions import Error, TrinoQueryError

from reports.local_aws.athena import TYPES, Failed, Result, column
from reports.local_aws.listening import HOST

USER, CATALOG = "exhibit", "awsdatacatalog"
SYSTEM = ("INTERNAL_ERROR", "INSUFFICIENT_RESOURCES")  # Trino's types of errors that a statement cannot help
SIZES = {name: (precision, scale) for name, precision, scale in TYPES.values()}
# Names of errors of storage and of the metastore that are not about what is stored
PASSING = frozenset({"HIVE_FILESYSTEM_ERROR", "HIVE_METASTORE_ERROR", "HIVE_METASTORE_TIMEOUT"})

_TYPE = re.compile(
    r"(?P<name>[a-z ]+)(?:\((?P<precision>\d+)(?:, ?(?P<scale>\d+))?\))?(?P<zone> with time zone)?"
)


def connecting(port: int, schema: str) -> Callable[[], Any]:
    """What opens a connection to a schema of the catalog of a Trino on this machine; values come as they were sent."""

    def connect() -> Any:
        session = requests.Session()
        session.trust_env = False  # no proxy leads to this machine
        return dbapi.connect(  # type: ignore[no-untyped-call]
            host=HOST,
            port=port,
            user=USER,
            catalog=CATALOG,
            schema=schema,
            http_session=session,
            legacy_primitive_types=True,
        )

    return connect


@dataclass(frozen=True)
class TrinoAthena:
    """Executes statements on a Trino to which `connect` opens a connection."""

    connect: Callable[[], Any]
    running: set[Any] = field(default_factory=set, init=False)

    def execute(self, sql: str, parameters: Sequence[str]) -> Result:
        """The result of a statement; `parameters` are SQL literals. Raises `Failed`."""
        with closing(self.connect()) as connection:
            cursor = connection.cursor()
            self.running.add(cursor)
            try:
                cursor.execute(_with(sql, parameters))
                rows = [[_text(value) for value in row] for row in cursor.fetchall()]
                if cursor not in self.running:
                    raise Failed("USER_CANCELED", "the query was cancelled", transient=True)
                described = cursor.description or ()
            except (Error, requests.RequestException) as error:
                raise _failed(error) from None
            finally:
                self.running.discard(cursor)
            columns = [_described(each.name, each.type_code) for each in described]
            texts = [[_as(of, text) for of, text in zip(columns, row, strict=True)] for row in rows]
            return Result(columns, texts, int(cursor.stats.get("physicalInputBytes", 0)))

    def interrupt(self) -> None:
        """Have what is executed end at once, in an error."""
        for cursor in list(self.running):
            self.running.discard(cursor)
            with suppress(Error, requests.RequestException):  # it has just ended, or the server has
                cursor.cancel()


def _with(sql: str, parameters: Sequence[str]) -> str:
    """A statement with its parameters, which are SQL in the place of question marks, as for Athena."""
    if not parameters:
        return sql
    quoted = sql.replace("'", "''")
    return f"execute immediate '{quoted}' using {', '.join(parameters)}"


def _failed(error: Exception) -> Failed:
    if not isinstance(error, TrinoQueryError):
        return Failed(
            "GENERIC_INTERNAL_ERROR", f"Trino does not answer: {type(error).__name__}", transient=True
        )
    name = str(error.error_name)
    return Failed(name, str(error.message), transient=error.error_type in SYSTEM or name in PASSING)


def _described(name: str, type_: str) -> dict[str, Any]:
    """A column by Trino's name of its type: `timestamp(3)`, `decimal(38, 0)`, `array(varchar)`."""
    match = _TYPE.fullmatch(type_)
    if match is None:
        return column(name, type_.partition("(")[0], 0, 0)
    kind = match["name"] + (match["zone"] or "")
    precision, scale = SIZES.get(kind, (0, 0))
    return column(name, kind, int(match["precision"] or precision), int(match["scale"] or scale))


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return str(value).lower() if isinstance(value, bool) else str(value)


def _as(of: dict[str, Any], text: str | None) -> str | None:
    """A text as Athena has it for a column: instants have three decimals, and more where these are needed."""
    if text is None or of["Type"] != "timestamp":
        return text
    instant, _, decimals = text.partition(".")
    return f"{instant}.{decimals[:3]:0<3}{decimals[3:].rstrip('0')}"

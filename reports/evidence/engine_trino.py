"""Adapter: a Trino of one's own, over the tables of a schema."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import requests
from trino.exceptions import Error, TrinoQueryError

from reports.core.errors import ExhibitError, InvalidEvidence, InvalidSettings, Unavailable
from reports.core.progress import Done
from reports.evidence import questions
from reports.evidence.engine_tables import BROKEN, EVIDENCE, Answered, Run, Shown
from reports.evidence.questions import Answer, Question, Row
from reports.evidence.source import ListedObject

# What a server answers that has just been started
NOT_YET = frozenset({"NO_NODES_AVAILABLE", "SERVER_STARTING_UP"})
STARTING = 60  # tries, a second apart
GONE = "HIVE_FILE_NOT_FOUND"
_OBJECT = re.compile(r"s3[an]?://[^/\s]+/\S*?((?:detections|ext)/[^\s,()]+)")


@dataclass(frozen=True, slots=True)
class TrinoEngine:
    """Answers questions about the objects that the tables of a schema show.

    `connect` opens a connection of PyPI's `trino` to that schema, `server` tells people which it is.
    """

    connect: Callable[[], Any]
    server: str
    tables: Shown
    running: dict[str, Any] = field(default_factory=dict, init=False)
    _versions: list[str] = field(default_factory=list, init=False)

    def ask(self, question: Question, progress: Done) -> Answer:
        """Answer a question exactly.

        Raises `InvalidEvidence` for objects and rows that cannot be counted, `InvalidSettings` if the tables or the
        permissions do not serve, and `Unavailable` if the server does not answer.
        """
        return self.tables.answer(question, "trino", self._run_for(question), progress)

    def stop(self, executions: Iterable[str]) -> None:
        """Stop executions that still run."""
        for execution in executions:
            if cursor := self.running.get(execution):
                cursor.cancel()

    def select(self, what: str, sql: str, parameters: Sequence[str] = ()) -> tuple[Row, ...]:
        """The rows of a statement that is no question, in its order; raises as `ask` does."""
        return self._started(f"query of {what}", sql, parameters, "look at the table").rows

    def _run_for(self, question: Question) -> Run:
        def run(name: str, sql: str, parameters: Sequence[str], _located: Sequence[ListedObject]) -> Answered:
            answered = self._started(f"question {name}", sql, parameters, self.tables.advice(question))
            return replace(answered, rows=questions.ordered(answered.rows))

        return run

    def _started(self, asked: str, sql: str, parameters: Sequence[str], advice: str) -> Answered:
        for _ in range(STARTING):
            try:
                return self._run(sql, parameters)
            except (Error, requests.RequestException) as error:
                if getattr(error, "error_name", "") not in NOT_YET:
                    raise self._failure(asked, advice, error) from None
                time.sleep(1)
        raise Unavailable(f"Trino at {self.server} does not start: look at the server's log")

    def _run(self, sql: str, parameters: Sequence[str]) -> Answered:
        connection = self.connect()
        cursor = connection.cursor()
        try:
            cursor.execute(sql, list(parameters))
            self.running[cursor.query_id] = cursor
            names = [column[0] for column in cursor.description or ()]
            rows = tuple(dict(zip(names, row, strict=True)) for row in cursor.fetchall())
            return Answered(
                rows, cursor.query_id, self._version(connection), cursor.stats.get("physicalInputBytes")
            )
        finally:
            self.running.pop(cursor.query_id, None)
            connection.close()

    def _version(self, connection: Any) -> str:
        """The server's version, which is asked for once."""
        if not self._versions:
            self._versions.append(connection.cursor().execute("select version()").fetchone()[0])
        return self._versions[0]

    def _failure(self, asked: str, advice: str, error: Exception) -> ExhibitError:
        if not isinstance(error, TrinoQueryError):
            return Unavailable(
                f"Trino at {self.server} does not answer: {type(error).__name__}: start it, or run again"
            )
        said = f"{asked}: query {error.query_id} failed ({error.error_name}"
        told = f"{said}: {' '.join(str(error.message).split())[:300]})"
        if error.error_name in {*EVIDENCE, GONE} or BROKEN.search(str(error.message)):
            place = _OBJECT.search(str(error.message))
            where = f"{place[1]}: " if place else ""
            return InvalidEvidence(f"{where}{told}: {advice}", f"{where}{said}): {advice}")
        if error.error_type == "INTERNAL_ERROR":
            return Unavailable(f"{told}: look at the server's log, or run again", f"{said}): run again")
        if error.error_type == "INSUFFICIENT_RESOURCES":
            return Unavailable(
                f"{told}: give the server more, let it spill to disk, or choose a shorter window", f"{said})"
            )
        return InvalidSettings(f"{told}: check the tables and the permissions to read them", f"{said})")

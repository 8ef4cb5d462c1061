"""Adapter: a Trino of one's own, over the tables of a schema."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
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
MANY = 10_000  # rows that are taken at once where there are many
_OBJECT = re.compile(r"s3[an]?://[^/\s]+/\S*?((?:detections|ext)/[^\s,()]+)")
Taken = Callable[[Iterator[Sequence[Sequence[Any]]]], None]
"""Takes the rows of an answer, some at a time; columns are in the statement's order, days and instants are texts."""


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
        return self.tables.answer(question, "trino", self.run_for(question), progress)

    def stop(self, executions: Iterable[str]) -> None:
        """Stop executions that still run."""
        for execution in executions:
            if cursor := self.running.get(execution):
                cursor.cancel()

    def select(self, what: str, sql: str, parameters: Sequence[str] = ()) -> tuple[Row, ...]:
        """The rows of a statement that is no question, in its order; raises as `ask` does."""
        return self._started(f"query of {what}", sql, parameters, "look at the table").rows

    def stream(self, question: Question, sql: str, parameters: Sequence[str], taken: Taken) -> str:
        """Have the many rows of a statement taken as they come, to answer a question; returns the server's version.

        They are taken anew if the server was only starting. Raises as `ask` does, and what `taken` raises.
        """

        def passed(cursor: Any) -> tuple[Row, ...]:
            taken(iter(lambda: cursor.fetchmany(MANY), []))
            return ()

        advice = self.tables.advice(question)
        return self._started(f"question {question.name}", sql, parameters, advice, passed).engine_version

    def run_for(self, question: Question) -> Run:
        """What runs statements that serve to answer a question."""

        def run(name: str, sql: str, parameters: Sequence[str], _located: Sequence[ListedObject]) -> Answered:
            answered = self._started(f"question {name}", sql, parameters, self.tables.advice(question))
            return replace(answered, rows=questions.ordered(answered.rows))

        return run

    def _started(
        self,
        asked: str,
        sql: str,
        parameters: Sequence[str],
        advice: str,
        read: Callable[[Any], tuple[Row, ...]] | None = None,
    ) -> Answered:
        for _ in range(STARTING):
            try:
                return self._run(sql, parameters, read)
            except (Error, requests.RequestException) as error:
                if getattr(error, "error_name", "") not in NOT_YET:
                    raise self._failure(asked, advice, error) from None
                time.sleep(1)
        raise Unavailable(f"Trino at {self.server} does not start: look at the server's log")

    def _run(
        self, sql: str, parameters: Sequence[str], read: Callable[[Any], tuple[Row, ...]] | None
    ) -> Answered:
        """Run a statement; its rows are fetched, or `read` from the cursor with values as the server writes them."""
        connection = self.connect()
        cursor = connection.cursor(legacy_primitive_types=read is not None)
        try:
            cursor.execute(sql, list(parameters))
            self.running[cursor.query_id] = cursor
            rows = (read or _fetched)(cursor)
            return Answered(
                rows, cursor.query_id, self._version(connection), cursor.stats.get("physicalInputBytes")
            )
        except (Error, requests.RequestException):
            raise
        except BaseException:
            # The rows can go nowhere, and the query would run until Trino gives its client up
            with suppress(Error, requests.RequestException):
                cursor.cancel()
            raise
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


def _fetched(cursor: Any) -> tuple[Row, ...]:
    names = [column[0] for column in cursor.description or ()]
    return tuple(dict(zip(names, row, strict=True)) for row in cursor.fetchall())

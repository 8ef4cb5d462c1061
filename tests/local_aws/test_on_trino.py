"""The rehearsal with a real Trino in the place of Athena: from a request to a PDF, over the template's own tables."""

import json
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from trino.exceptions import TrinoConnectionError, TrinoQueryError

from reports.cli import main
from reports.evidence.source import FolderEvidence
from reports.local_aws import trino
from reports.local_aws.athena import Failed
from reports.local_aws.athena_trino import TrinoAthena, connecting
from reports.local_aws.serve import TRINO, fitting
from tests.soak import load
from tests.support.publishing import GOLDEN
from tests.support.serving import Serving, serving
from tests.support.tools import PATIENCE, eventually

EVIDENCE = GOLDEN / "ocsf"  # JSON Lines, of another account than the stack's
WANTED = {"window": "2026-05-01/2026-05-14", "audience": "regulator"}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    if not trino.installed(TRINO):
        pytest.skip("needs Trino: make .venv/trino")
    folder = load.settled(tmp_path_factory.mktemp("on-trino"))
    with serving(folder, "--engine", "trino", "--evidence", EVIDENCE) as found:
        yield found


def port(served: Serving) -> int:
    return int(served.lines["Trino"].rpartition(":")[2].partition("/")[0])


def test_from_a_request_to_a_pdf(served: Serving, tmp_path: Path) -> None:
    """What Trino counts over the tables is published, and DuckDB makes the same briefing again from the evidence."""
    request = json.loads(served.call("POST", "/briefings", WANTED)[2])["id"]

    def ended() -> Any:
        found = json.loads(served.call("GET", f"/briefings/{request}")[2])
        assert found["state"] != "failed", found
        assert not [file.read_text() for file in served.archived("attempts") if "error" in file.name]
        return found["state"] == "published" and found

    eventually(ended)
    status, headers, _ = served.call("GET", f"/briefings/{request}/document")
    assert status == 303
    pdf = tmp_path / "briefing.pdf"
    with urllib.request.urlopen(headers["location"], timeout=PATIENCE) as answer:  # noqa: S310 - loopback
        pdf.write_bytes(answer.read())
    root = served.state / "keys" / "root.cert.pem"
    templates = served.state / "settings" / "templates"  # a marking
    made_of = [f"--evidence={EVIDENCE}", f"--templates={templates}"]
    assert main(["verify", str(pdf), f"--trust={root}", *made_of]) == 0


def test_answers_have_the_form_of_athena(served: Serving) -> None:
    """Types, texts and errors are Athena's; the tables can be read by their names, and not written to."""
    executor = TrinoAthena(connecting(port(served), "exhibit"))
    sql = (
        "select count(line) as n, timestamp '2026-05-01 01:02:03' as t, true as b, cast(null as varchar) as v, "
        "cast(1.5 as decimal(9, 2)) as d, ? as p from ocsf where eventday = ?"
    )
    found = executor.execute(sql, ["'it''s'", "'20260506'"])
    assert [each["Type"] for each in found.columns] == [
        *("bigint", "timestamp", "boolean", "varchar", "decimal", "varchar")
    ]
    (row,) = found.rows
    assert int(row[0] or 0) > 0
    assert row[1:] == ["2026-05-01 01:02:03.000", "true", None, "1.50", "it's"]
    assert found.scanned
    for wrong, name in (
        ("select none from ocsf", "COLUMN_NOT_FOUND"),
        ("select cast('x' as bigint)", "INVALID_CAST_ARGUMENT"),
        ("drop table ocsf", "PERMISSION_DENIED"),
    ):
        with pytest.raises(Failed, match=f"^{name}: ") as failed:
            executor.execute(wrong, ())
        assert failed.value.status["AthenaError"] == {
            "ErrorCategory": 2,
            "ErrorType": 1001,
            "Retryable": False,
        }


def test_trino_stops_with_the_rehearsal(served: Serving) -> None:
    """A signal ends both, with status 0, and nothing has complained."""
    there = port(served)
    socket.create_connection(("127.0.0.1", there), PATIENCE).close()
    assert served.stop(signal.SIGTERM) == 0
    assert [line for line in served.log.read_text().splitlines() if not line.startswith("{")] == []
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", there), PATIENCE)


def test_the_server_ends_with_whoever_started_it() -> None:
    """Where the rehearsal is killed, and cannot end the server, its session ends all the same."""
    process = subprocess.Popen(
        ["sh", "-c", trino._TIED, "sleep", str(PATIENCE)], stdin=subprocess.PIPE, start_new_session=True
    )
    assert process.stdin is not None
    assert process.poll() is None
    process.stdin.close()
    assert process.wait(PATIENCE) == -signal.SIGKILL


def test_trino_is_not_installed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line says how to install it."""
    monkeypatch.setattr("reports.local_aws.serve.TRINO", tmp_path)
    assert main(["serve", "--port", "0", "--engine", "trino"]) == 2
    assert capsys.readouterr().err == (
        "exhibit: --engine trino needs Trino, which is not installed: make .venv/trino\n"
    )


@pytest.mark.parametrize(
    ("name", "type_", "category"),
    [
        ("DIVISION_BY_ZERO", "USER_ERROR", 2),
        ("HIVE_BAD_DATA", "EXTERNAL", 2),
        ("HIVE_FILESYSTEM_ERROR", "EXTERNAL", 1),
        ("GENERIC_INTERNAL_ERROR", "INTERNAL_ERROR", 1),
        ("EXCEEDED_LOCAL_MEMORY_LIMIT", "INSUFFICIENT_RESOURCES", 1),
    ],
)
def test_categories_of_errors(name: str, type_: str, category: int) -> None:
    """An error has the category of Athena that says whether another try may end well."""
    error = TrinoQueryError({"errorName": name, "errorType": type_, "message": "said"})
    status = failing(error).status
    assert status["StateChangeReason"] == f"{name}: said"
    assert status["AthenaError"] == {
        "ErrorCategory": category,
        "ErrorType": 1 if category == 1 else 1001,
        "Retryable": category == 1,
    }


def test_a_server_that_does_not_answer() -> None:
    """A server that is gone is the system's fault."""
    failed = failing(TrinoConnectionError("refused"))
    assert str(failed) == "GENERIC_INTERNAL_ERROR: Trino does not answer: TrinoConnectionError"
    assert failed.status["AthenaError"] == {"ErrorCategory": 1, "ErrorType": 1, "Retryable": True}


def failing(error: Exception) -> Failed:
    """How a statement ends whose cursor raises an error."""

    def execute(_: str) -> None:
        raise error

    cursor = type("Cursor", (), {"execute": staticmethod(execute)})()
    connection = SimpleNamespace(cursor=lambda: cursor, close=lambda: None)
    with pytest.raises(Failed) as failed:
        TrinoAthena(lambda: connection).execute("select 1", ())
    return failed.value


def test_parameters_fit_the_evidence() -> None:
    """The stack is deployed with what its tables must know to show the evidence."""
    assert fitting(FolderEvidence(EVIDENCE).list()) == {
        "EvidenceFormat": "json",
        "EvidenceSince": "2025-01-01",
        "OcsfSources": "detections",
        "OcsfRegions": "eu-west-1",
        "OcsfAccounts": "111122223333",
    }

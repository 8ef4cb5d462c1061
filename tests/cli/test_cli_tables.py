"""`exhibit tables`, and the engines that read such tables."""

import pytest

from reports.cli import main

PLACE = ("--evidence", "s3://bucket/prefix/", "--since", "2026-04-25")
OCSF = ("--source", "gateway", "--region", "eu-west-1", "--account", "111122223333")


@pytest.mark.parametrize("format_", ["parquet", "json"])
@pytest.mark.parametrize("dialect", ["athena", "trino"])
def test_the_flat_table_alone(capsys: pytest.CaptureFixture[str], format_: str, dialect: str) -> None:
    """Without the values of OCSF's partitions there is one statement."""
    assert main(["tables", *PLACE, "--format", format_, "--dialect", dialect]) == 0
    said = capsys.readouterr().out
    assert said.count(";\n") == 1
    assert "s3://bucket/prefix/detections/event_day=${event_day}/" in said
    assert ("line" in said) == (format_ == "json")


def test_both_tables(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tables", *PLACE, "--format", "parquet", *OCSF, "--source", "proxy"]) == 0
    said = capsys.readouterr().out
    assert said.count(";\n") == 2
    assert "'projection.source.values' = 'gateway,proxy'" in said
    assert "'projection.eventday.range' = '20260425,NOW'" in said


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (("--since", "2026-4-25"), "--since '2026-4-25' is not a day: write it as YYYY-MM-DD"),
        (("--evidence", "folder"), "is not a place in S3"),
        (("--evidence", "s3://b/${x}/"), "tables cannot be made over a place with that name"),
        (("--source", "gateway"), "--region is missing: the table ocsf needs"),
        ((*OCSF, "--region", "EU'; drop"), "cannot be the name of a partition"),
        ((*OCSF, "--source", "a,b"), "cannot be the name of a partition"),
        (("--format", "csv"), "invalid choice: 'csv'"),
    ],
)
def test_what_makes_no_table(capsys: pytest.CaptureFixture[str], changed: tuple[str, ...], said: str) -> None:
    assert main(["tables", *PLACE, "--format", "parquet", *changed]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("engine", "said"),
    [
        ("trino://exhibit@localhost:8080/hive/evidence", "needs evidence in S3"),
        ("athena://primary/evidence", "needs evidence in S3"),
    ],
)
def test_tables_are_over_evidence_in_s3(capsys: pytest.CaptureFixture[str], engine: str, said: str) -> None:
    request = ("--window", "2026-05-01/2026-05-07", "--audience", "lawmaker", "--out", "out")
    assert main(["publish", "--evidence", "folder", *request, "--engine", engine]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("evidence", "engine", "table", "said"),
    [
        ("folder", "duckdb", "findings", "--table needs what reads it, and the bucket of its objects"),
        ("s3://bucket/", "duckdb", "findings", "--table needs what reads it, and the bucket of its objects"),
        ("folder", "athena://primary/lab", "findings", "--table needs what reads it, and the bucket"),
        (
            "s3://bucket/",
            "athena://primary/lab",
            "Findings",
            "--table 'Findings': is not the name of a table",
        ),
        ("s3://bucket/", "athena://primary/lab", 'find"ings', "is not the name of a table in that database"),
        (
            "s3://bucket/",
            "athena://primary/lab",
            "findings$files",
            "is not the name of a table in that database",
        ),
    ],
)
def test_tables_of_ones_own_that_cannot_be_named(
    capsys: pytest.CaptureFixture[str], evidence: str, engine: str, table: str, said: str
) -> None:
    request = ("--window", "2026-05-01/2026-05-07", "--audience", "lawmaker", "--out", "out")
    assert main(["publish", "--evidence", evidence, *request, "--engine", engine, "--table", table]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    "engine",
    [
        *("trino", "trino://localhost:8080/hive/evidence", "trino://exhibit@localhost/hive/evidence"),
        *(
            "trino://exhibit:secret@localhost:8080/hive/evidence",
            "athena://primary",
            "postgres://a/b",
            "DuckDB",
        ),
        *("trino://exhibit@localhost:8080/hive/evidence/more", "athena://primary/evidence?x=1"),
    ],
)
def test_engines_that_there_are_not(capsys: pytest.CaptureFixture[str], engine: str) -> None:
    """A password in the place is refused as well: other users of the machine would see it."""
    request = ("--window", "2026-05-01/2026-05-07", "--audience", "lawmaker", "--out", "out")
    assert main(["publish", "--evidence", "s3://bucket/", *request, "--engine", engine]) == 2
    said = capsys.readouterr().err
    assert "--engine is not one that is known: write duckdb, athena://" in said
    assert "secret" not in said

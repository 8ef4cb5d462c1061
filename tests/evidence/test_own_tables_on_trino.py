"""Tables that people already have, on a real Trino: each gives the figures of the same rows, or says why not."""

import gzip
import json
import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from trino import dbapi
from trino.exceptions import TrinoUserError

from reports.cli import main
from reports.core.errors import ExhibitError, InvalidEvidence, Unavailable
from reports.evidence.columns import Layout
from reports.evidence.engine_athena import AthenaEngine
from reports.evidence.engine_duckdb import DuckDBEngine
from reports.evidence.questions import QueryEngine, Row
from reports.evidence.source import FolderEvidence
from reports.evidence.source_s3 import S3Evidence
from reports.evidence.source_table import opened
from reports.local_aws.athena_trino import TrinoAthena, connecting
from reports.signing.keys import LocalAuthority
from tests.contracts.query_engine import HISTORY, TALLIES, of_any_object
from tests.support import own_tables
from tests.support.athena import AthenaService, client
from tests.support.evidence_files import deliver
from tests.support.own_tables import FIRST, PAGE, REFUSED, SECTIONS, WAYS, Place, Way, lines, place
from tests.support.publishing import Published
from tests.support.trino import Stack

pytestmark = pytest.mark.usefixtures("slow")

BY_NAME = {way.name: way for way in WAYS}


@pytest.fixture
def where(trino: Stack) -> Place:
    return place(trino)


def figures(engine: QueryEngine) -> list[Sequence[Row]]:
    """What an engine answers about the window and what came before it, without what it says of single objects."""
    return [of_any_object(engine.ask(question, lambda *_: None).rows) for question in (TALLIES, HISTORY)]


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Mapping[Layout, list[Sequence[Row]]]:
    """What DuckDB answers about the rows in each of Exhibit's own layouts."""
    layouts: tuple[Layout, ...] = ("flat", "ocsf")
    folders = {
        layout: deliver(tmp_path_factory.mktemp(layout), own_tables.objects(layout)) for layout in layouts
    }
    return {layout: figures(DuckDBEngine(FolderEvidence(folder))) for layout, folder in folders.items()}


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_figures_are_those_of_duckdb(
    where: Place, expected: Mapping[Layout, list[Sequence[Row]]], way: Way
) -> None:
    """However a table was written and changed since, its objects are named, and whatever types it has."""
    way.make(where)
    _, engine = where.opened(way)
    assert figures(engine) == expected[way.layout]


@pytest.mark.parametrize("way", REFUSED, ids=lambda way: way.name)
def test_what_is_refused_says_why(where: Place, way: Way) -> None:
    """Before anything is counted; its good twins are among the ways in."""
    way.make(where)
    _, engine = where.opened(way)
    with pytest.raises(ExhibitError) as refused:
        figures(engine)
    assert way.refused
    assert way.refused in str(refused.value)


@pytest.mark.parametrize("name", ["crawler", "Security Lake, map"])
def test_athena_answers_alike(
    where: Place, expected: Mapping[Layout, list[Sequence[Row]]], name: str
) -> None:
    """By its API, over the catalog of Glue; what is no question is asked anew each time."""
    way = BY_NAME[name]
    way.make(where)
    service = AthenaService(TrinoAthena(connecting(where.stack.port, where.name)))
    service.looks = 0
    over = partial(
        AthenaEngine, client(service), "primary", where.name, token=where.name, deadline=lambda: 600.0
    )
    source, engine = opened(S3Evidence(where.stack.s3, where.name), where.name, way.table, over)
    assert figures(engine) == expected[way.layout]
    listed = source.list()
    where.put(
        f"{listed[0].name}-too",
        where.stack.s3.get_object(Bucket=where.name, Key=listed[0].name)["Body"].read(),
    )
    assert len(source.list()) == len(listed) + 1


REAL = "cast(exchange_count as real)"
BREAKS = "a rule of the layout"
OF_FINDINGS = "class_uid status_id start_time end_time count confidence_score finding_info evidences unmapped"
CHANGED: Sequence[tuple[str, Layout, str, str, str | None]] = (
    ("text with blanks", "flat", "status", "cast(status as char(20))", None),
    ("whole floats", "flat", "exchange_count", REAL, None),
    ("float that may be rounded", "flat", "exchange_count", f"greatest({REAL}, real '16777216')", BREAKS),
    ("text of a day", "flat", "event_day", "cast(event_day as varchar)", None),
    ("far day", "flat", "event_day", "event_day + interval '10000' year", "correct their event_day (such as"),
    ("JSON with blanks", "ocsf", "unmapped", "cast(unmapped as char(900))", None),
    ("two escapes", "ocsf", "unmapped", r"""replace(unmapped, '{"', '{"note": "\ud83d\ude00", "')""", None),
    (
        "half of two escapes",
        "ocsf",
        "unmapped",
        r"""replace(unmapped, '{"', '{"note": "\ud83d", "')""",
        BREAKS,
    ),
    ("a key twice", "ocsf", "unmapped", """replace(unmapped, '{"', '{"note": 1, "note": 2, "')""", None),
    (
        "a time twice",
        "ocsf",
        "unmapped",
        """replace(unmapped, '{"', '{"time_dt": 1, "time_dt": 2, "')""",
        BREAKS,
    ),
    ("decimals", "ocsf", "start_time", "cast(start_time as decimal(38, 2))", None),
    ("microseconds", "ocsf", "start_time", "start_time * 1000", BREAKS),
    ("largest number", "ocsf", "end_time", "9223372036854775807", BREAKS),
    ("account with blanks", "ocsf", "account", "cast(accountid as char(20))", None),
    ("account of blanks", "ocsf", "account", "'  '", BREAKS),
    (
        "short day",
        "ocsf",
        "eventday",
        "regexp_replace(eventday, '0([0-9])$', '$1')",
        "correct their eventday (such as",
    ),
)
"""What a view makes of a column, and what is said where that is refused."""


@pytest.mark.parametrize(
    ("layout", "column", "value", "refused"), [row[1:] for row in CHANGED], ids=[row[0] for row in CHANGED]
)
def test_a_view_gives_the_figures_of_what_it_casts(  # noqa: PLR0917
    where: Place,
    expected: Mapping[Layout, list[Sequence[Row]]],
    layout: Layout,
    column: str,
    value: str,
    refused: str | None,
) -> None:
    """Or an error: nothing is rounded, and of nothing that is there twice one is taken."""
    way = BY_NAME["Hive, Parquet" if layout == "flat" else "Security Lake, JSON text"]
    way.make(where)
    names = (
        [*own_tables.COLUMNS, "event_day"] if layout == "flat" else [*OF_FINDINGS.split(), "time", "eventday"]
    )
    given = dict(zip(names, (f'"{name}"' for name in names), strict=True))
    if layout == "ocsf":
        given |= {"source": "'detector'", "account": "accountid"}
    given |= {column: value, "object": '"$path"'}
    selected = ", ".join(f'{sql} as "{name}"' for name, sql in given.items())
    made = f"create view shown as select {selected} from {way.catalog}.{where.name}.{way.table}"  # noqa: S608
    where.execute(made)
    _, engine = where.opened(Way("", layout, way.make, table="shown"))
    if refused is None:
        assert figures(engine) == expected[layout]
        return
    with pytest.raises(InvalidEvidence, match=re.escape(refused)):
        figures(engine)


def keys(where: Place, below: str = "detections/") -> set[str]:
    """The names of the objects that are there."""
    listed = where.stack.s3.list_objects_v2(Bucket=where.name, Prefix=below)
    return {each["Key"] for each in listed["Contents"]}


@pytest.mark.parametrize(
    "name", ["Hive, Parquet", "Hive, ORC", "Hive without partitions", "Hive, view", "crawler"]
)
def test_the_objects_are_all_that_lie_there(where: Place, name: str) -> None:
    """Each with the days of its rows."""
    BY_NAME[name].make(where)
    source, _ = where.opened(BY_NAME[name])
    listed = source.list()
    assert {o.name for o in listed} == keys(where)
    days = {(str(o.day), str(o.until)) for o in listed}
    first, *_, last = (f"2026-05-0{day}" for day in (1, 2, 3))
    assert days == ({(first, last)} if "without" in name else {(f"2026-05-0{n}",) * 2 for n in (1, 2, 3)})


def written(where: Place, sql: str) -> None:
    """Run a statement that Trino would rather run on old snapshots alone."""
    session = dict.fromkeys(("expire_snapshots_min_retention", "remove_orphan_files_min_retention"), "0s")
    connection = dbapi.connect(
        host="127.0.0.1",
        port=where.stack.port,
        user="exhibit",
        catalog="iceberg",
        schema=where.name,
        session_properties={f"iceberg.{name}": value for name, value in session.items()},
    )
    connection.cursor().execute(sql).fetchall()


def test_objects_of_iceberg_are_those_of_the_snapshot(where: Place) -> None:
    """Those that hold its rows and those that delete some; after these have been merged, the earlier ones are none."""
    way = BY_NAME["Iceberg by day"]
    way.make(where)
    before = {o.name for o in where.opened(way)[0].list()}
    listed = where.execute('select content, file_path from "detections$files"', "iceberg")
    files: dict[int, set[str]] = {0: set(), 1: set()}
    for content, path in listed:
        files[content].add(path.removeprefix(f"s3://{where.name}/"))
    assert len(files[1]) == 2
    assert files[1] <= before <= files[0] | files[1]
    written(where, "alter table detections execute optimize")
    after = {o.name for o in where.opened(way)[0].list()}
    assert not after & before
    assert after | before <= keys(where)


def test_what_is_written_meanwhile_does_not_count(
    where: Place, expected: Mapping[Layout, list[Sequence[Row]]]
) -> None:
    """A table of Iceberg is asked about the snapshot at which its objects were listed, until that expires."""
    way = BY_NAME["Iceberg by day"]
    way.make(where)
    source, engine = where.opened(way)
    objects = source.list()
    for sql in ("update detections set exchange_count = 1", "delete from detections where status = 'new'"):
        written(where, sql)
    assert figures(engine) == expected["flat"]
    assert source.list() == objects
    assert figures(where.opened(way)[1]) != expected["flat"]
    recorded = source.as_recorded(source.told, source.table.snapshot, [o.name for o in objects])
    assert recorded.list() == objects
    written(where, "alter table detections execute expire_snapshots(retention_threshold => '0s')")
    expired = source.as_recorded(source.told, source.table.snapshot, [o.name for o in objects])
    with pytest.raises(Unavailable, match=r"no longer has snapshot \d+: it has expired"):
        expired.list()


def test_an_object_that_is_gone_is_refused(where: Place) -> None:
    """Iceberg lists objects of which S3 may have none, and the error says which."""
    way = BY_NAME["Iceberg without partitions"]
    way.make(where)
    source, engine = where.opened(way)
    gone = source.list()[0]
    where.stack.s3.delete_object(Bucket=where.name, Key=gone.name)
    with pytest.raises(InvalidEvidence, match=re.escape(gone.name)):
        figures(engine)


def test_every_statement_of_the_page_is_run() -> None:
    """No section has statements that no way is made with."""
    sections = re.split(r"^## ", PAGE.read_text("utf-8"), flags=re.MULTILINE)
    with_statements = tuple(each.partition("\n")[0] for each in sections if "```sql" in each)
    assert with_statements == SECTIONS


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'"exchange_count": 420', b'"exchange_count": 12.9'),
        (b"}\n", b"} {}\n"),
        (b"}\n", b"\n"),
        (b'"2026-05-01T08:00:00Z"', b'"yesterday"'),
    ],
    ids=["a count with decimals", "two objects on a line", "no JSON", "no instant"],
)
def test_a_copy_of_lines_passes_nothing_over(where: Place, before: bytes, after: bytes) -> None:
    """What is not as it should be in a line of JSON ends the statement that copies lines."""
    table, partition, copied = own_tables.statements("Amazon Data Firehose, JSON")
    where.put("firehose/2026/05/01/12/part.gz", gzip.compress(lines(FIRST).replace(before, after, 1)))
    where.glue_table(table, partition)
    with pytest.raises(TrinoUserError, match=r"INVALID_(CAST|FUNCTION)_ARGUMENT"):
        where.over_glue(copied)


@pytest.mark.parametrize("serde", [serde for _, serde in own_tables.READERS_OF_JSON])
def test_what_readers_of_json_pass_over(where: Place, serde: str) -> None:
    """Why their objects are refused: of two objects on a line they show one, and of 12.9 in a count they show 12."""
    line = {"class_uid": 2004, "count": 12.9}
    name = "ext/detector/region=eu-west-1/accountId=111122223333/eventDay=20260501/part.json"
    where.put(name, f"{json.dumps(line)}{json.dumps(line)}\n".encode())
    table, _ = own_tables.statements("Amazon Security Lake")
    where.glue_table(table.replace("STORED AS PARQUET", f"ROW FORMAT SERDE '{serde}'"))
    assert where.execute('select "count" from findings', "awsdatacatalog") == [[12]]


def test_from_a_table_to_a_pdf_that_is_checked_against_it(
    where: Place,
    authority: LocalAuthority,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A briefing names the table, its snapshot and its objects, and can be made again, whatever was written later."""
    way = BY_NAME["Iceberg by day"]
    way.make(where)
    for name, value in where.stack.environment.items():
        monkeypatch.setenv(name, value)
    engine = f"trino://exhibit@127.0.0.1:{where.stack.port}/{way.catalog}/{where.name}"
    made_of = [f"--evidence=s3://{where.name}/", f"--engine={engine}", f"--table={way.table}"]
    request = [
        "--window=2026-05-02/2026-05-03",
        "--audience=regulator",
        "--as-of=2026-06-20T12:00:00Z",
        "--marking=TLP:AMBER",
    ]
    out = tmp_path / "briefings"
    assert main(["publish", *made_of, *request, f"--keys={authority.directory}", f"--out={out}"]) == 0
    published = Published(out)
    statement = json.loads(published.files["evidence.json"])
    source, _ = where.opened(way)
    assert [each["name"] for each in statement["subject"]] == [o.name for o in source.list()]
    assert statement["predicate"]["table"]["snapshot"] == source.table.snapshot
    written(where, "update detections set exchange_count = 1")

    def verdicts() -> dict[str, Any]:
        capsys.readouterr()
        main(
            [
                "verify",
                str(published.pdf),
                f"--trust={authority.directory / 'root.cert.pem'}",
                *made_of,
                "--json",
            ]
        )
        return {each["check"]: each["outcome"] for each in json.loads(capsys.readouterr().out)["verdicts"]}

    checked = verdicts()
    assert [checked["evidence"], checked["reproduction"]] == ["valid", "valid"]
    written(where, "alter table detections execute expire_snapshots(retention_threshold => '0s')")
    assert verdicts()["reproduction"] != "valid"

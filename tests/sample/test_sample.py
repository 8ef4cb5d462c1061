from __future__ import annotations

import filecmp
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from reports.core.errors import InvalidRequest
from reports.sample import write_sample

pytestmark = pytest.mark.usefixtures("slow")

COLUMNS = {
    "detection_id": "varchar",
    "revised_at": "timestamp",
    "status": "varchar",
    "account_id": "varchar",
    "campaign_id": "varchar",
    "first_seen": "timestamp",
    "last_seen": "timestamp",
    "exchange_count": "bigint",
    "output_tokens": "bigint",
    "capability": "varchar",
    "detector": "varchar",
    "detector_version": "varchar",
    "confidence": "double",
    "network": "varchar",
    "country": "varchar",
}
NULLABLE = {"campaign_id", "output_tokens", "capability", "detector_version", "network", "country"}
LIKELIHOOD = re.compile(r"almost|unlikely|likely|roughly even|chance|certain", re.IGNORECASE)
CONFIDENCE = re.compile(r"confiden|\b(low|moderate|high)\b", re.IGNORECASE)


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evidence") / "sample"
    write_sample(folder)
    return folder


READERS = {"parquet": "read_parquet", "csv": "read_csv", "jsonl": "read_json", "jsonl.gz": "read_json"}
VIEWS = """
create table revisions as select distinct * exclude (format) from delivered;
create table counted as
    from revisions qualify row_number() over (partition by detection_id order by revised_at desc) = 1;
delete from counted where status in ('suppressed', 'deleted');
create view main as
    from counted where campaign_id = 'AC-2026-04' and event_day between '2026-04-22' and '2026-06-05';
create view before as from counted where event_day between '2026-03-08' and '2026-04-21';
create view pairs as select earlier, later from revisions earlier join revisions later
    on later.detection_id = earlier.detection_id and later.revised_at > earlier.revised_at;
"""


@pytest.fixture(scope="session")
def rows(sample: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """`delivered` has every row, `revisions` each once, `counted` the latest of each id that counts."""
    parts = []
    for suffix, reader in READERS.items():
        typed = "" if suffix == "parquet" else f", columns = {COLUMNS}"
        files = f"'{sample}/detections/*/*.{suffix}', hive_partitioning = true{typed}"
        parts.append(f"select {', '.join(COLUMNS)}, event_day, '{suffix}' as format from {reader}({files})")  # noqa: S608
    with duckdb.connect() as connection:
        connection.execute("create table delivered as " + " union all ".join(parts))
        connection.execute(VIEWS)
        yield connection


def ask(rows: duckdb.DuckDBPyConnection, sql: str, *values: str) -> tuple[Any, ...]:
    answer = rows.execute(sql, values).fetchone()
    assert answer is not None
    return answer


def test_main_campaign(rows: duckdb.DuckDBPyConnection) -> None:
    """The main campaign has 28,814,637 exchanges through 24,871 accounts, on each of the 45 days."""
    sql = "select sum(exchange_count), count(distinct account_id), count(distinct event_day) from main"
    assert ask(rows, sql) == (28_814_637, 24_871, 45)


@pytest.mark.parametrize(
    ("campaign", "expected"),
    [
        ("AC-2026-01", (13_042_518, 15_184, date(2026, 1, 5), date(2026, 2, 19))),
        ("AC-2025-12", (3_417_206, 7_402, date(2025, 12, 1), date(2026, 1, 18))),
        ("AC-2025-11", (152_873, 1_368, date(2025, 11, 10), date(2025, 12, 7))),
        ("AC-2026-05", (211_846, 312, date(2026, 5, 11), date(2026, 5, 31))),
    ],
)
def test_other_campaigns(
    rows: duckdb.DuckDBPyConnection, campaign: str, expected: tuple[object, ...]
) -> None:
    """Each other campaign has its exchanges, accounts, first and last day."""
    sql = (
        "select sum(exchange_count), count(distinct account_id), min(event_day), max(event_day) "
        "from counted where campaign_id = ?"
    )
    assert ask(rows, sql, campaign) == expected


def test_previous_window(rows: duckdb.DuckDBPyConnection) -> None:
    """The main campaign probed in the 45 days before, on a small scale, and kept some of the accounts."""
    sql = (
        "select sum(exchange_count), count(*) filter (account_id in (select account_id from main)) > 0 "
        "from before where campaign_id = 'AC-2026-04'"
    )
    assert ask(rows, sql) == (38_419, True)


def test_every_day_has_evidence(sample: Path) -> None:
    """No day from the first to the last is without an object, so that no window among them has a gap."""
    days = {f"event_day={date(2025, 11, 10) + timedelta(n)}" for n in range(208)}
    assert {path.name for path in (sample / "detections").iterdir()} == days


def test_formats(rows: duckdb.DuckDBPyConnection) -> None:
    """The main window mixes all four formats."""
    found = rows.execute("select distinct format from delivered where event_day >= '2026-04-22'").fetchall()
    assert {name for (name,) in found} == set(READERS)


def test_second_objects(sample: Path) -> None:
    """On some days what came late is an object of its own."""
    assert len(list(sample.glob("detections/event_day=2026-05-*/part-1.jsonl.gz"))) >= 3


def test_columns(sample: Path) -> None:
    """An object has exactly the columns of the flat layout, typed and in order."""
    path = sample / "detections/event_day=2026-05-15/part-0.parquet"
    described = duckdb.execute("describe from read_parquet($p, hive_partitioning = false)", {"p": str(path)})
    assert [(name, kind.lower()) for name, kind, *_ in described.fetchall()] == list(COLUMNS.items())


@pytest.mark.parametrize("column", COLUMNS)
def test_nulls(rows: duckdb.DuckDBPyConnection, column: str) -> None:
    """A nullable column is sometimes null and sometimes not, a required one never."""
    missing, present = ask(rows, f"select count(*) - count({column}), count({column}) from delivered")  # noqa: S608
    assert present > 0
    assert (missing > 0) == (column in NULLABLE)


def test_rows_are_valid(rows: duckdb.DuckDBPyConnection) -> None:
    """Days, the order of instants, counts, confidence and status are within what the layout allows."""
    wrong = ask(
        rows,
        "select count(*) from delivered where first_seen::date <> event_day or first_seen > last_seen or "
        "revised_at < last_seen or exchange_count < 1 or output_tokens < 0 or confidence not between 0 and 1 "
        "or status not in ('new', 'in_progress', 'resolved', 'suppressed', 'deleted')",
    )
    assert wrong == (0,)


def test_latest_revision_is_one(rows: duckdb.DuckDBPyConnection) -> None:
    """No id has two revisions of one instant, so that which one wins is never in doubt."""
    assert ask(rows, "select count(*) - count(distinct (detection_id, revised_at)) from revisions") == (0,)


def test_revisions_stay_in_their_day(rows: duckdb.DuckDBPyConnection) -> None:
    """All revisions of an id are in one partition."""
    sql = "select count(distinct (detection_id, event_day)) - count(distinct detection_id) from revisions"
    assert ask(rows, sql) == (0,)


@pytest.mark.parametrize(
    ("change", "at_least"),
    [
        ("later.exchange_count <> earlier.exchange_count", 2_000),
        ("later.campaign_id is distinct from earlier.campaign_id", 200),
        ("later.network is null and earlier.network is not null", 100),
        ("later.output_tokens is null and earlier.output_tokens is not null", 500),
        ("later.status in ('suppressed', 'deleted') and earlier.status = 'new'", 500),
    ],
)
def test_revisions(rows: duckdb.DuckDBPyConnection, change: str, at_least: int) -> None:
    """Later revisions change the count, the campaign, null a column, or withdraw what counted."""
    (changed,) = ask(rows, f"select count(distinct later.detection_id) from pairs where {change}")  # noqa: S608
    assert changed >= at_least


def test_duplicates(rows: duckdb.DuckDBPyConnection) -> None:
    """More than a thousand rows are delivered twice, exactly, some of them in another object."""
    twice, apart = ask(
        rows,
        "select count(*), count(*) filter (formats = 2) from (select count(distinct format) as formats "
        "from delivered group by all_columns having count(*) > 1)".replace("all_columns", ", ".join(COLUMNS)),
    )
    assert twice > 500
    assert apart > 10


@pytest.mark.parametrize(
    "naive",
    [
        "from delivered semi join counted using (detection_id, revised_at) where true",
        "from revisions where status not in ('suppressed', 'deleted')",
        "from revisions anti join (select earlier.* from pairs) using (detection_id, revised_at) where true",
    ],
    ids=["duplicates", "revisions", "exclusions"],
)
def test_each_rule_matters(rows: duckdb.DuckDBPyConnection, naive: str) -> None:
    """A reader that skips one counting rule gets another total for the main campaign."""
    window = "campaign_id = 'AC-2026-04' and event_day between '2026-04-22' and '2026-06-05'"
    assert ask(rows, f"select sum(exchange_count) {naive} and {window}") != (28_814_637,)


def test_unattributed(rows: duckdb.DuckDBPyConnection) -> None:
    """Some detections that count belong to no campaign."""
    sql = "select count(*) from counted where campaign_id is null and event_day >= '2026-04-22'"
    assert ask(rows, sql)[0] > 1_000


def test_hydra_cluster(rows: duckdb.DuckDBPyConnection) -> None:
    """One proxy network has more than 20,000 accounts active on one day."""
    by_day = "select network, count(distinct account_id) from main group by network, event_day"
    network, accounts = ask(rows, f"{by_day} order by 2 desc limit 1")
    assert network == "hydra-cluster"
    assert accounts > 20_000


@pytest.mark.parametrize(
    ("campaign", "capability", "release"),
    [
        ("AC-2026-04", "long_duration_task_management", "2026-05-14 16:00:00"),
        ("AC-2026-01", "tool_orchestration", "2026-02-05 17:00:00"),
    ],
)
def test_model_release(rows: duckdb.DuckDBPyConnection, campaign: str, capability: str, release: str) -> None:
    """In the 24 hours after a model release a quarter of the traffic or more turns to one capability."""
    sql = (
        "select sum(exchange_count) filter (capability = ?) / sum(exchange_count) from counted "
        "where campaign_id = ? and first_seen between ?::timestamp and ?::timestamp + interval 24 hour"
    )
    (before,) = ask(
        rows, sql, capability, campaign, *[str(datetime.fromisoformat(release) - timedelta(1))] * 2
    )
    (after,) = ask(rows, sql, capability, campaign, release, release)
    assert after - before > 0.25


def test_suspensions(rows: duckdb.DuckDBPyConnection) -> None:
    """Fewer than half of the accounts of the busiest day are active in the last week."""
    (left,) = ask(
        rows,
        "select avg((last_day >= '2026-05-30')::int) from (select max(event_day) as last_day from main "
        "group by account_id having bool_or(event_day = '2026-05-15'))",
    )
    assert 0.05 < left < 0.5


def test_detectors(rows: duckdb.DuckDBPyConnection) -> None:
    """Several detectors found the main campaign, and one of them changed version within the window."""
    found = rows.execute("select detector, count(distinct detector_version) from main group by 1").fetchall()
    assert dict(found) == {
        "account-linkage": 1,
        "analyst-review": 0,
        "prompt-pattern": 2,
        "volume-anomaly": 1,
    }


def test_confidence_bands(rows: duckdb.DuckDBPyConnection) -> None:
    """Every band of confidence has a share of the main campaign, the highest most of all."""
    band = "(confidence >= 0.5)::int + (confidence >= 0.7)::int + (confidence >= 0.9)::int"
    (bands,) = ask(rows, f"select histogram({band}) from main")  # noqa: S608
    assert sorted(bands) == [0, 1, 2, 3]
    assert max(bands, key=bands.__getitem__) == 3


def test_dataset_is_synthetic(sample: Path) -> None:
    """The data set says that it is synthetic."""
    assert yaml.safe_load((sample / "dataset.yaml").read_text())["synthetic"] is True


@pytest.fixture(scope="session")
def registry(sample: Path) -> dict[str, Any]:
    parsed: dict[str, Any] = yaml.safe_load((sample / "campaigns.yaml").read_text())
    return parsed


def prose(value: object) -> Iterator[str]:
    """Every sentence of a registry value, however deep."""
    if isinstance(value, str):
        yield from re.split(r"(?<=[.;])\s+", value)
    elif isinstance(value, dict):
        for inner in value.values():
            yield from prose(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from prose(inner)


def test_registry_covers_the_evidence(rows: duckdb.DuckDBPyConnection, registry: dict[str, Any]) -> None:
    """The registry has one entry for each campaign of the evidence."""
    found = rows.execute("select distinct campaign_id from counted where campaign_id is not null").fetchall()
    assert sorted(found) == sorted((entry["campaign_id"],) for entry in registry["campaigns"])


def test_published_figures_hold(rows: duckdb.DuckDBPyConnection, registry: dict[str, Any]) -> None:
    """Every published figure is below what the evidence shows, by less than three per cent."""
    totals = dict(rows.execute("select campaign_id, sum(exchange_count) from counted group by 1").fetchall())
    published = {
        e["campaign_id"]: e["published"]["exchanges"] for e in registry["campaigns"] if e.get("published")
    }
    assert len(published) == 3
    assert all(figure < totals[campaign] < 1.03 * figure for campaign, figure in published.items())


def test_likelihood_and_confidence_apart(registry: dict[str, Any]) -> None:
    """No sentence of the registry speaks of likelihood and confidence together."""
    sentences = list(prose(registry))
    assert any(map(LIKELIHOOD.search, sentences))
    assert any(map(CONFIDENCE.search, sentences))
    assert [s for s in sentences if LIKELIHOOD.search(s) and CONFIDENCE.search(s)] == []


def test_statements_say_their_level(registry: dict[str, Any]) -> None:
    """Each statement uses the word that its level is recorded with."""
    for entry in registry["campaigns"]:
        attribution = entry["attribution"]
        assert attribution["confidence"] in attribution["confidence_statement"]
        assert attribution["likelihood"] in attribution["likelihood_statement"]


def test_prose_names_no_operator(registry: dict[str, Any]) -> None:
    """Only the field `operator` names the operator, so that withholding it withholds it."""
    for entry in registry["campaigns"]:
        rest = " ".join(prose({key: value for key, value in entry.items() if key != "operator"}))
        proper = set(re.findall(r"[A-Z]\w+", entry["operator"])) - {"AI"}
        assert not [name for name in proper if name in rest]


def test_prose_has_no_figures(registry: dict[str, Any]) -> None:
    """Sentences of the registry hold no numerals: figures come from the evidence."""
    codes = r"AML\.\w+(\.\d+)?|AC-\d{4}-\d\d"
    assert [s for s in prose(registry) if re.search(r"\d", re.sub(codes, "", s))] == []


def test_naming_rule_has_both_cases(registry: dict[str, Any]) -> None:
    """One campaign's operator must be withheld for want of a second approver; the others may be printed."""
    approvals = {e["campaign_id"]: len(set(e["attribution"]["approvals"])) for e in registry["campaigns"]}
    assert [campaign for campaign, number in approvals.items() if number < 2] == ["AC-2026-05"]


def test_the_law_has_a_factor_without_evidence(registry: dict[str, Any]) -> None:
    """The main campaign has evidence for every element of the law but one; nobody says that it defines an entity."""
    elements = {"A", "A.i", "A.ii", "A.iii", "B.i", "B.ii", "B.iii", "B.iv", "C"}
    assert elements - set(registry["campaigns"][0]["law"]) == {"B.iv"}
    assert set(registry["campaigns"][0]["definitions"]) == {"3(2)", "3(13)"}


def test_techniques_are_those_of_the_case_study(registry: dict[str, Any]) -> None:
    """MITRE ATLAS AML.CS0056 as its data of version 5.6.0 has it: whole where it is cited, and nothing beside it."""
    case_study = {
        *("AML.T0008.005", "AML.T0065", "AML.T0040", "AML.T0024.002"),
        *("AML.T0048.004", "AML.T0048.002", "AML.T0048.003"),
    }
    for campaign in registry["campaigns"]:
        cites = "AML.CS0056" in campaign.get("published", {}).get("source", "")
        assert set(campaign["techniques"]) <= case_study
        assert not cites or set(campaign["techniques"]) == case_study


def differences(left: Path, right: Path) -> list[str]:
    names = {path.relative_to(top) for top in (left, right) for path in top.rglob("*") if path.is_file()}
    _, mismatch, errors = filecmp.cmpfiles(left, right, sorted(map(str, names)), shallow=False)
    return mismatch + errors


@pytest.fixture(scope="session")
def replaced(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An older sample, incomplete and beside a killed run's remains, after another process wrote there."""
    folder = copied(sample, tmp_path_factory.mktemp("replaced") / "sample")
    make_older(folder)
    (folder / "detections/event_day=2026-05-15/part-0.parquet").unlink()
    (folder.parent / ".sample.partial/new/detections/event_day=2020-01-01").mkdir(parents=True)
    code = "import pathlib, sys, reports.sample as s; s.write_sample(pathlib.Path(sys.argv[1]))"
    environment = os.environ | {"TZ": "Asia/Tokyo", "PYTHONHASHSEED": "7"}
    subprocess.run([sys.executable, "-c", code, folder], check=True, env=environment)
    return folder


def test_same_bytes_everywhere(sample: Path, replaced: Path) -> None:
    """Another process, in another time zone and with another hash seed, writes the same bytes."""
    assert differences(sample, replaced) == []


def test_replaced_without_a_trace(replaced: Path) -> None:
    """Replacing an older sample leaves nothing beside the new one, nor anything of a killed run."""
    assert list(replaced.parent.iterdir()) == [replaced]


def test_size(sample: Path) -> None:
    """The sample is some tens of megabytes at most."""
    assert sum(path.stat().st_size for path in sample.rglob("*") if path.is_file()) < 40_000_000


class Stop(BaseException):
    """As a signal would end a run."""


def stop_at_third(done: int, total: int) -> None:
    assert total > 200
    if done == 3:
        raise Stop


def test_interrupted_write_leaves_nothing(tmp_path: Path) -> None:
    """A run that is interrupted leaves no file behind."""
    with pytest.raises(Stop):
        write_sample(tmp_path / "sample", stop_at_third)
    assert list(tmp_path.iterdir()) == []


def never(done: int, total: int) -> None:
    pytest.fail("the sample was written again")


def test_left_alone_when_there(sample: Path) -> None:
    """A sample that is there is not written again."""
    write_sample(sample, never)


def copied(sample: Path, folder: Path) -> Path:
    """A sample whose files are links, quick to make and safe to unlink or replace."""
    return shutil.copytree(sample, folder, copy_function=os.link)


def rewrite(path: Path, text: str) -> None:
    path.unlink()
    path.write_text(text)


def make_older(folder: Path) -> None:
    mark = json.loads((folder / ".exhibit-sample.json").read_text())
    rewrite(folder / ".exhibit-sample.json", json.dumps(mark | {"made_from": "an older version"}))


def test_edited_registry_is_kept(sample: Path, tmp_path: Path) -> None:
    """An edited registry, and files beside it, stay as they are."""
    folder = copied(sample, tmp_path / "sample")
    rewrite(folder / "campaigns.yaml", "campaigns: []\n")
    (folder / "notes.txt").write_text("mine")
    write_sample(folder, never)
    assert (folder / "campaigns.yaml").read_text() == "campaigns: []\n"


def test_work_is_not_replaced(sample: Path, tmp_path: Path) -> None:
    """An older sample that somebody edited is refused, and stays as it is."""
    folder = copied(sample, tmp_path / "sample")
    make_older(folder)
    rewrite(folder / "campaigns.yaml", "campaigns: []\n")
    with pytest.raises(InvalidRequest, match=r"campaigns\.yaml is not as it was written"):
        write_sample(folder, never)
    assert (folder / "campaigns.yaml").read_text() == "campaigns: []\n"


def test_damaged_object_is_refused(sample: Path, tmp_path: Path) -> None:
    """A sample with a truncated object is refused by the object's name."""
    folder = copied(sample, tmp_path / "sample")
    rewrite(folder / "detections/event_day=2026-05-15/part-0.parquet", "PAR1")
    with pytest.raises(InvalidRequest, match=r"event_day=2026-05-15/part-0\.parquet"):
        write_sample(folder, never)


@pytest.mark.parametrize("mark", [None, "", "[]", "{}", "\x00"])
def test_foreign_folder_is_refused(tmp_path: Path, mark: str | None) -> None:
    """A folder that holds something else is refused, and stays as it is."""
    (tmp_path / "thesis.txt").write_text("years of work")
    if mark is not None:
        (tmp_path / ".exhibit-sample.json").write_text(mark)
    with pytest.raises(InvalidRequest, match="is not empty and holds no sample"):
        write_sample(tmp_path, never)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_file_in_the_way_is_refused(tmp_path: Path, name: str) -> None:
    """A file where the folder or its parent should be is refused in one line."""
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidRequest, match=r"cannot be written to .*file"):
        write_sample(tmp_path / name, never)

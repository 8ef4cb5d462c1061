"""What tables show is held against what is listed; the engine here answers what a test has it answer."""

import gzip
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from reports.core.errors import Changed, InvalidEvidence
from reports.evidence.engine_tables import Answered, Tables
from reports.evidence.questions import Unlisted
from reports.evidence.source import FolderEvidence, ListedObject
from tests.contracts.query_engine import TALLIES, WINDOW, detection, flat, ocsf
from tests.support.evidence_files import deliver

DAY = WINDOW.first
PARQUET, JSON, GZIP = flat(DAY), flat(DAY, ".jsonl"), flat(DAY, ".jsonl.gz", 1)


def ask(folder: Path, shown: Mapping[str, int], odd: Sequence[str] = ()) -> list[str]:
    """The names of the statements that are run where a table shows some objects with so many rows each."""
    asked = []

    def run(name: str, sql: str, parameters: Sequence[str], located: Sequence[ListedObject]) -> Answered:
        asked.append(name)
        rows: list[dict[str, Any]] = []
        if "objects of" in name:
            rows = [
                {"object": each, "delivered": count, "odd_names": json.dumps(list(odd))}
                for each, count in shown.items()
                if each.startswith("ext/") == ("ocsf" in name)
            ]
        assert sql.count("?") == len(parameters)
        assert located
        return Answered(tuple(rows), "e", "1")

    Tables.over(FolderEvidence(folder)).answer(TALLIES, "fake", run, lambda *_: None)
    return asked


def test_what_is_shown_is_asked_about(tmp_path: Path) -> None:
    deliver(tmp_path, {PARQUET: [detection(DAY)] * 2, ocsf(DAY): [detection(DAY, detection_id="o")]})
    assert ask(tmp_path, {PARQUET: 2, ocsf(DAY): 1}) == [
        "tallies, objects of flat",
        "tallies, objects of ocsf",
        "tallies",
    ]


@pytest.mark.parametrize("name", [PARQUET, JSON, ocsf(DAY), ocsf(DAY, ".jsonl")])
def test_what_is_not_shown_is_refused(tmp_path: Path, name: str) -> None:
    """A partition that the table does not have: nothing is left out without a word."""
    deliver(tmp_path, {name: [detection(DAY)]})
    with pytest.raises(InvalidEvidence, match=f"{name}: the table .* does not show it"):
        ask(tmp_path, {})


def test_what_is_empty_need_not_be_shown(tmp_path: Path) -> None:
    """An object of no rows, as a footer, a size or gzip tells."""
    deliver(tmp_path, {JSON: [detection(DAY)]})
    (tmp_path / GZIP).write_bytes(gzip.compress(b""))
    (tmp_path / flat(DAY, ".jsonl", 2)).write_bytes(b"")
    assert ask(tmp_path, {JSON: 1})


def test_gzip_that_is_none_is_refused(tmp_path: Path) -> None:
    deliver(tmp_path, {JSON: [detection(DAY)]})
    (tmp_path / GZIP).write_bytes(b"")
    with pytest.raises(InvalidEvidence, match=f"{GZIP}: cannot be read as gzip"):
        ask(tmp_path, {JSON: 1})


def test_what_is_not_listed_is_told(tmp_path: Path) -> None:
    """It came later, or lies where nobody looks: `collect` lists again to find out."""
    deliver(tmp_path, {PARQUET: [detection(DAY)]})
    with pytest.raises(Unlisted, match=r"part-9\.parquet: the table flat shows it"):
        ask(tmp_path, {PARQUET: 1, flat(DAY, part=9): 1})


def test_other_rows_than_the_footer_tells(tmp_path: Path) -> None:
    deliver(tmp_path, {PARQUET: [detection(DAY)]})
    with pytest.raises(Changed, match=f"{PARQUET}: changed while being read"):
        ask(tmp_path, {PARQUET: 2})


def test_names_that_are_nearly_right(tmp_path: Path) -> None:
    """The statement tells names that may be; those that are not leave the evidence as it is."""
    deliver(tmp_path, {JSON: [detection(DAY)]})
    assert ask(tmp_path, {JSON: 1}, ["$ d\xe9tecteur"])
    with pytest.raises(InvalidEvidence, match=f"{JSON}: column 'Campaign_ID' is close to campaign_id"):
        ask(tmp_path, {JSON: 1}, ["$ Campaign_ID"])


@pytest.mark.parametrize(
    ("names", "said"),
    [((PARQUET, JSON), "a table reads one format"), ((flat(DAY, ".csv"),), "tables do not read CSV")],
)
def test_a_table_reads_one_format(tmp_path: Path, names: Sequence[str], said: str) -> None:
    deliver(tmp_path, {name: [detection(DAY)] for name in names})
    with pytest.raises(InvalidEvidence, match=said):
        ask(tmp_path, dict.fromkeys(names, 1))

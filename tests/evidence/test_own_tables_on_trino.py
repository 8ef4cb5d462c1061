"""Tables that people already have, on a real Trino: each shows the same rows."""

import gzip
import re
from collections.abc import Iterator

import pytest
from trino.exceptions import TrinoUserError

from tests.support import own_tables
from tests.support.own_tables import FIRST, PAGE, SECTIONS, WAYS, Way, lines, place
from tests.support.trino import Stack, stack

pytestmark = pytest.mark.usefixtures("slow")


@pytest.fixture(scope="module")
def trino() -> Iterator[Stack]:
    with stack() as found:
        yield found


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_each_way_shows_the_rows(trino: Stack, way: Way) -> None:
    """Whatever changed in a table since, and however its objects are named."""
    where = place(trino)
    way.make(where)
    names = "detection_id, exchange_count" if way.layout == "flat" else 'finding_info.uid, "count"'
    among = "" if way.layout == "flat" else " where class_uid = 2004"
    rows = where.execute(f"select {names} from {way.table}{among}", way.catalog)  # noqa: S608
    assert sorted(rows) == sorted([each.detection_id, each.exchange_count] for each in own_tables.ROWS)


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
def test_a_view_of_lines_passes_nothing_over(trino: Stack, before: bytes, after: bytes) -> None:
    """What is not as it should be in a line of JSON is an error of the view."""
    where = place(trino)
    good = lines(FIRST)
    where.put("firehose/2026/05/01/12/part.gz", gzip.compress(good))
    table, partition, view = own_tables.statements("Amazon Data Firehose, JSON")
    where.glue_table(table, partition)
    where.view_of_glue(view)
    counted = "select sum(exchange_count), min(event_day), min(detection_id) from detections"
    assert where.execute(counted)[0][0] == sum(each.exchange_count for each in FIRST)
    where.put("firehose/2026/05/01/12/part.gz", gzip.compress(good.replace(before, after, 1)))
    with pytest.raises(TrinoUserError, match=r"INVALID_(CAST|FUNCTION)_ARGUMENT"):
        where.execute(counted)

"""Tables that people already have, on a real Trino: each shows the same rows."""

from collections.abc import Iterator

import pytest

from tests.support import own_tables
from tests.support.own_tables import WAYS, Way, place
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

"""Which tables and views serve, and what the others lack. What they are counted to is compared on a real Trino."""

from collections.abc import Mapping

import pytest
import sqlglot

from reports.core.errors import InvalidSettings
from reports.evidence import questions
from reports.evidence.own_table import OwnTable
from reports.evidence.table_types import parsed

FLAT: Mapping[str, str] = {
    **dict.fromkeys(("detection_id", "status", "account_id", "campaign_id", "capability"), "varchar"),
    **dict.fromkeys(("detector", "detector_version", "network", "country"), "varchar"),
    **dict.fromkeys(("revised_at", "first_seen", "last_seen"), "timestamp(3)"),
    "exchange_count": "bigint",
    "output_tokens": "bigint",
    "confidence": "double",
    "event_day": "date",
}
FINDING = (
    "row(uid varchar, modified_time bigint, first_seen_time bigint, last_seen_time bigint, types array(varchar), "
    "analytic row(name varchar, version varchar))"
)
OCSF: Mapping[str, str] = {
    **dict.fromkeys(("class_uid", "status_id", "confidence_score"), "integer"),
    **dict.fromkeys(("time", "start_time", "end_time", "count"), "bigint"),
    "finding_info": FINDING,
    "evidences": "array(row(actor row(user row(uid varchar))))",
    "unmapped": "map(varchar, varchar)",
    **dict.fromkeys(("region", "accountid", "eventday"), "varchar"),
}


def table(
    columns: Mapping[str, str | None], *, is_view: bool = False, snapshot: int | None = None
) -> OwnTable:
    types = {name: parsed(type_) for name, type_ in columns.items() if type_}
    return OwnTable(("lab", "findings"), types, is_view, "CREATE TABLE …", snapshot)


@pytest.mark.parametrize(
    ("columns", "layout"),
    [
        (FLAT, "flat"),
        ({**FLAT, "event_day": "varchar", "extra": "uuid", "row_id": "row(a b varchar)"}, "flat"),
        ({**FLAT, "first_seen": "timestamp(6) with time zone", "revised_at": "varchar"}, "flat"),
        (
            {**FLAT, "exchange_count": "double", "output_tokens": "decimal(38,0)", "confidence": "real"},
            "flat",
        ),
        ({**FLAT, "campaign_id": None, "output_tokens": None, "country": None, "network": None}, "flat"),
        (OCSF, "ocsf"),
        ({**OCSF, "unmapped": "varchar", "finding_info": "varchar", "evidences": "varchar"}, "ocsf"),
        ({**OCSF, "unmapped": "row(campaign_id varchar, output_tokens double)"}, "ocsf"),
        ({**OCSF, "unmapped": None, "start_time": None, "end_time": None}, "ocsf"),
        ({**OCSF, "time": None, "time_dt": "timestamp(6) with time zone", "eventday": None}, "ocsf"),
        ({**OCSF, "accountid": None, "account": "varchar", "eventday": "date"}, "ocsf"),
    ],
)
def test_a_table_that_serves(columns: Mapping[str, str | None], layout: str) -> None:
    """Whatever its columns are cast from, each question is one statement of Trino's over it."""
    found = table(columns)
    assert found.layout == layout
    for statement in (found.objects(), questions.over_delivered("tallies", found.delivered)):
        assert sqlglot.parse_one(statement, dialect="trino")
    assert questions.over_delivered("tallies", found.delivered).count("?") == questions.statement(
        "tallies", "flat"
    ).count("?")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({**FLAT, "event_day": None}, "lacks event_day (the UTC day of first_seen): make a view"),
        ({**FLAT, "detector": None, "status": None}, "lacks status, detector: make a view"),
        ({**FLAT, "campaign_id": None, "campaignid": "varchar"}, "column 'campaignid' is close to campaign_id"),
        ({**FLAT, "confidence": "varbinary"}, "has confidence as varbinary, which cannot be read as number"),
        ({**FLAT, "detection_id": "double"}, "has detection_id as double, which cannot be read as id"),
        ({**FLAT, "first_seen": "bigint"}, "has first_seen as bigint, which cannot be read as instant"),
        ({**FLAT, "event_day": "timestamp(3)"}, "has event_day as timestamp: make a view that has it as a date"),
        ({**FLAT, **OCSF}, "has columns of both layouts"),
        ({"id": "varchar"}, "has neither detection_id nor class_uid"),
        ({**OCSF, "accountid": None}, "lacks account (the AWS account that the finding is of)"),
        ({**OCSF, "time": None}, "lacks time"),
        ({**OCSF, "finding_info": FINDING.replace("first_seen_time", "seen"), "start_time": None}, "lacks start_time"),
        ({**OCSF, "finding_info": FINDING.replace("uid", "UID", 1)}, "in finding_info: column 'UID' is close to uid"),
        ({**OCSF, "unmapped": "array(row(key varchar, value varchar))"}, "has unmapped as array, where unmapped."),
        ({**OCSF, "evidences": "row(actor row(user row(uid varchar)))"}, "has evidences as row, where evidences[0]"),
        ({**OCSF, "unmapped": "row(a b varchar)"}, "has unmapped as row(a b varchar), where"),
        ({**OCSF, "accountid": "double"}, "has accountid as double, which cannot be read as text: cast it in a view"),
        ({**OCSF, "source": "row(name varchar)"}, "has source as row, which cannot be read as text"),
        ({**OCSF, "finding_info.uid": "varchar"}, "column 'finding_info.uid' would be ignored"),
    ],
)  # fmt: skip
def test_a_table_that_does_not_serve(columns: Mapping[str, str | None], message: str) -> None:
    """What it lacks is told, and that a view can give it."""
    with pytest.raises(InvalidSettings) as refused:
        table(columns)
    assert f"table lab.findings {message}" in str(refused.value)


def test_a_view_gives_what_it_hides() -> None:
    """The object of a row, and of findings their source."""
    with pytest.raises(InvalidSettings, match="lacks object: make a view"):
        table(FLAT, is_view=True)
    with pytest.raises(InvalidSettings, match="lacks object, source: make a view"):
        table(OCSF, is_view=True)
    for type_ in ("bigint", "varbinary", "char(90)"):
        with pytest.raises(
            InvalidSettings, match=r"has object as \w+: have the view give \"\$path\" as varchar"
        ):
            table({**FLAT, "object": type_}, is_view=True)
    assert "$path" not in table({**FLAT, "object": "varchar"}, is_view=True).delivered
    assert table({**OCSF, "object": "varchar", "source": "varchar"}, is_view=True).layout == "ocsf"


def test_a_snapshot_is_read() -> None:
    found = table(FLAT, snapshot=7)
    assert all('"findings" for version as of 7' in sql for sql in (found.delivered, found.objects()))
    assert "version as of" not in table(FLAT).delivered
    assert found.recorded["snapshot"] == 7


def test_odd_names_are_looked_for_where_the_catalog_tells_none() -> None:
    """In maps and texts of JSON, which hold what keys they please."""
    assert table(FLAT).odd_names() is None
    assert table({**OCSF, "unmapped": None}).odd_names() is None
    for type_ in ("map(varchar, varchar)", "varchar"):
        assert "campaignid" in (table({**OCSF, "unmapped": type_}).odd_names() or "")

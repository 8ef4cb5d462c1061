"""The files inside the PDF: the briefing as data, the evidence record, and tables for a spreadsheet.

Their names are the same for every audience; `accounts.csv` is for regulators only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from reports.briefing.content import Content, as_json
from reports.briefing.figures import Figure
from reports.core.csv_tables import table


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file inside the PDF, with the relationship that it has to the pages (ISO 32000-2, 7.11.3)."""

    name: str
    data: bytes
    media_type: str
    relationship: Literal["Source", "Data", "Supplement"]
    description: str


def attachments(
    content: Content, figures: Sequence[Figure], pages: Mapping[str, Any], coded: Sequence[str] = ()
) -> tuple[Attachment, ...]:
    """The attached files of a briefing; `pages` is what `evidence.json` says about how the pages are made.

    `coded` are the characters that the pages show as codes.
    """
    data = content.briefing_json(figures, coded)
    files = [
        Attachment(
            "briefing.json",
            as_json(data),
            "application/json",
            "Data",
            "Everything that the pages say, as data, with each printed figure's exact value and source",
        ),
        Attachment(
            "evidence.json",
            as_json(content.evidence_json(pages)),
            "application/vnd.in-toto+json",
            "Source",
            "The evidence objects and their digests, the questions asked of them, the digests of the answers",
        ),
        Attachment("campaigns.csv", campaigns_csv(data), "text/csv", "Data", "The campaigns, one row each"),
        Attachment(
            "days.csv",
            days_csv(data),
            "text/csv",
            "Data",
            "Exchanges, accounts and detections a campaign and day",
        ),
    ]
    if accounts := content.briefing.account_table:
        files.append(
            Attachment(
                "accounts.csv",
                accounts.content,
                "text/csv",
                "Data",
                "The accounts, one row each, under pseudonyms made with a keyed hash",
            )
        )
    return tuple(files)


def campaigns_csv(data: Mapping[str, Any]) -> bytes:
    """One row a campaign of `briefing.json`; what is attributed to none has an empty `campaign_id`."""
    columns = (
        *("campaign_id", "name", "exchanges", "accounts", "detections", "output_tokens"),
        *("first_seen", "last_seen", "active_days"),
    )
    rows = [*data["campaigns"], {"name": "not attributed", **data["unattributed"]}]
    return table(columns, ([row.get(column) for column in columns] for row in rows if row["detections"]))


def days_csv(data: Mapping[str, Any]) -> bytes:
    """One row a campaign and event day of `briefing.json`; `campaign_id` is empty for what has none."""
    columns = ("day", "campaign_id", "exchanges", "accounts", "detections")
    rows = [
        {"campaign_id": activity.get("campaign_id"), **tally}
        for activity in (*data["campaigns"], data["unattributed"])
        for tally in activity["by_day"]
    ]
    return table(columns, ([row[column] for column in columns] for row in rows))

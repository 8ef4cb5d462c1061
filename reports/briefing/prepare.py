"""Steps 2 to 4, from an inquiry to a briefing, for making one and for making it again."""

from __future__ import annotations

from collections.abc import Callable

from reports.briefing.accounts import AccountTable
from reports.briefing.compose import Briefing, Edition, compose
from reports.briefing.group import Campaigns, group
from reports.briefing.settings import Settings
from reports.core.progress import Progress
from reports.evidence.collect import collect
from reports.evidence.questions import Inquiry, QueryEngine
from reports.evidence.source import EvidenceSource


def prepare(  # noqa: PLR0913 -- what is asked, of what, and what the briefing is to be
    inquiry: Inquiry,
    engine: QueryEngine,
    source: EvidenceSource,
    *,
    settings: Settings,
    edition: Edition,
    accounts: Callable[[Campaigns], AccountTable | None],
    progress: Progress,
) -> Briefing:
    """Collect the evidence, group it into campaigns and compose the briefing, whose accounts `accounts` lists.

    Raises what `collect` and `compose` raise.
    """
    evidence = collect(inquiry, engine, source, progress)
    progress("group", 0, 0)
    campaigns = group(evidence, settings.registry)
    progress("compose", 0, 0)
    return compose(
        inquiry.window,
        evidence,
        campaigns,
        edition,
        settings=settings,
        as_of=inquiry.as_of,
        account_table=accounts(campaigns),
    )

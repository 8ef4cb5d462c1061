"""Briefings composed of detections in memory, or of the sample, and what their HTML says."""

import html as markup
import re
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest

import reports.sample
from reports.briefing.accounts import pseudonymised
from reports.briefing.compose import Briefing, Edition, compose, report_number
from reports.briefing.figures import Ledger
from reports.briefing.group import group
from reports.briefing.settings import Settings
from reports.core.log_head import Head
from reports.core.settings import Dataset, Issuer, Law, Registry, parse
from reports.core.window import Audience, Window
from reports.evidence.collect import Evidence, collect
from reports.evidence.engine_duckdb import DuckDBEngine
from reports.evidence.questions import Inquiry
from reports.evidence.source import FolderEvidence
from reports.pages import typeset as typesetting
from reports.pages.assets import Resources
from reports.sample import write_sample
from tests.support.fakes import AS_OF, KEY, Detection, FakeEngine, content_of, source_of

WINDOW = Window(date(2026, 4, 22), date(2026, 6, 5))
OURS = Resources()
LAW = parse(Law, OURS.read("law.yaml").decode(), "law.yaml")
HEAD = Head(1041, "0123456789abcdef" * 4)
SAMPLE = Path(reports.sample.__file__).parent
CAPABILITIES = ("software_engineering", "agentic_reasoning", "long_duration_task_management", "vision")


def settings(registry: Registry, synthetic: bool = True, **issuer: Any) -> Settings:
    return Settings(registry, Dataset(synthetic=synthetic), Issuer(**issuer), LAW)


def detections(campaigns: Sequence[str | None], days: int = 45, **columns: Any) -> list[Detection]:
    """Three detections a campaign and day, of numbers with many different digits."""
    return [
        Detection(
            f"{campaign}.{day}.{n}",
            f"account {campaign}.{(day + n) % 7}",
            campaign,
            (at := datetime.combine(WINDOW.first + timedelta(day), time(12))),
            at + timedelta(hours=1),
            (day * 7919 + n * 104729 + 15485863) // (order + 1) % 999983,
            **{
                "confidence": (0.4, 0.6, 0.8, 0.95)[(day + n) % 4],
                "capability": CAPABILITIES[(day * n + order) % 4],
                "network": f"network {'abc'[n]}",
                "country": ("SG", "US", "DE")[n],
                **columns,
            },
        )
        for order, campaign in enumerate(campaigns)
        for day in range(days)
        for n in range(3)
    ]


def brief(
    delivered: Sequence[Detection] | Evidence,
    settings: Settings,
    audience: Audience = "lawmaker",
    window: Window = WINDOW,
) -> Briefing:
    if not isinstance(delivered, Evidence):
        source = source_of(delivered)
        delivered = collect(Inquiry(window, AS_OF), FakeEngine(delivered), source, lambda *_: None)
    campaigns = group(delivered, settings.registry)
    return compose(
        window,
        delivered,
        campaigns,
        Edition(audience, report_number(window, audience), register=HEAD),
        settings=settings,
        as_of=AS_OF,
        account_table=pseudonymised(campaigns.each_account, KEY) if audience == "regulator" else None,
    )


def typeset(briefing: Briefing, resources: Resources, page_size: str) -> tuple[str, Ledger]:
    """The HTML of a briefing, and the ledger of its figures."""
    return typesetting.typeset(content_of(briefing, page_size), resources)


def flat(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def seen(html: str) -> str:
    """What a page's HTML says, without its markup."""
    body = re.sub(r"<head>.*?</head>|src=\"[^\"]*\"", "", html, flags=re.DOTALL)
    return flat(markup.unescape(re.sub(r"<[^>]*>", " ", body)))


def in_full(count: int) -> Registry:
    """A registry of campaigns that each have as much on record as the sample's first."""
    written = parse(Registry, (SAMPLE / "campaigns.yaml").read_text(), "campaigns.yaml")
    first = written.campaigns[0]
    entries = [
        first.model_copy(update={"campaign_id": f"c{n}", "name": f"Campaign {n}"}) for n in range(count)
    ]
    return written.model_copy(update={"campaigns": (*entries, *written.campaigns[2:])})


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> tuple[Evidence, Settings]:
    folder = tmp_path_factory.mktemp("typeset") / "sample"
    write_sample(folder)
    source = FolderEvidence(folder)
    evidence = collect(Inquiry(WINDOW, AS_OF), DuckDBEngine(source), source, lambda *_: None)
    written = Settings(
        parse(Registry, source.text("campaigns.yaml"), "campaigns.yaml"),
        parse(Dataset, source.text("dataset.yaml"), "dataset.yaml"),
        parse(Issuer, OURS.read("issuer.yaml").decode(), "issuer.yaml"),
        LAW,
    )
    return evidence, written

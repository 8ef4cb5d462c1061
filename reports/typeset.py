"""From a briefing to HTML: the templates, the filters that print figures, and the charts.

The filters are the only way for a number to get onto a page, and each records what it prints.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from reports import chart, figures
from reports.assets import Resources
from reports.attach import evidence_root, subjects
from reports.compose import Briefing, Line
from reports.errors import InvalidSettings
from reports.figures import Ledger, Quantity
from reports.fonts import printable
from reports.group import Tally
from reports.registry import TECHNIQUES
from reports.resolve import Window

PAGE_SIZES = ("letter", "a4")
LABEL_LENGTH = 120
LEGEND_LENGTH = 32
_NO_BREAK = "\N{NO-BREAK SPACE}"


class Printed(Markup):
    """A figure as it stands on the page; `receipt` is its id in the ledger."""

    receipt: str


def typeset(briefing: Briefing, resources: Resources, page_size: str) -> tuple[str, Ledger]:
    """Fill the templates of the briefing's audience; returns the HTML and the ledger of its figures.

    Raises `InvalidSettings` for a template that does not parse or cannot be filled, naming it and the line.
    """
    ledger = Ledger()
    environment = environment_of(resources, _filters(ledger))
    issuer, marking = briefing.settings.issuer, briefing.settings.marking
    context = {
        "briefing": briefing,
        "issuer": issuer,
        "language": "en",
        "title": briefing.title,
        "page_size": page_size,
        "running_title": f"{briefing.title}, {short_span(briefing.window)}",
        "number": briefing.number,
        "marking": {
            "class": marking.removeprefix("TLP:").lower().replace("+", "-"),
            "label": marking,
        },
        "colours": issuer.colours,
        "evidence_root": evidence_root(subjects(briefing.evidence)),
        "accounts_root": briefing.account_table.root if briefing.account_table else None,
        "techniques": TECHNIQUES,
        "charts": _charts(briefing, environment, ledger),
    }
    return fill(environment, f"{briefing.audience}.html", context), ledger


def fill(environment: jinja2.Environment, name: str, context: Mapping[str, Any]) -> str:
    """Fill a template; raises `InvalidSettings` naming it and the line where that cannot be done."""
    try:
        return environment.get_template(name).render(context)
    except jinja2.TemplateSyntaxError as error:
        raise InvalidSettings(f"template {error.name}, line {error.lineno}: {error.message}") from None
    except jinja2.TemplateNotFound as error:
        raise InvalidSettings(f"template {error.name}: no such template in the templates folders") from None
    except InvalidSettings:
        raise
    except Exception as error:  # whatever a template's expressions run into
        raise InvalidSettings(f"template {_place(error)}: {error}") from None


def draw(environment: jinja2.Environment, data: chart.Data, colours: Sequence[str] = chart.PALETTE) -> str:
    """Draw `DAYS`; colours are given to series in order, and start again after the last."""
    return fill(environment, chart.DAYS, {**data, "colours": colours})


def _place(error: Exception) -> str:
    ours = (".html", ".svg", "<template>")
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.endswith(ours)]
    return f"{Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else "of this audience"


def environment_of(resources: Resources, filters: Mapping[str, Callable[..., Any]]) -> jinja2.Environment:
    """Where templates are found, and what they may do: nothing but print, with everything escaped."""
    environment = ImmutableSandboxedEnvironment(
        loader=jinja2.FileSystemLoader(resources.folders),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(filters)
    return environment


def _filters(ledger: Ledger) -> dict[str, Callable[..., Any]]:
    """The filters of the templates, by name."""

    def printing(style: Callable[[Any], str]) -> Callable[[Quantity], Printed]:
        return lambda quantity: _print(ledger, quantity, style(quantity.value))

    return {
        "exact": printing(figures.exact),
        "more_than": printing(figures.more_than),
        "nearly": printing(figures.nearly),
        "percent": printing(figures.percent),
        "multiple": printing(figures.multiple),
        "agree": lambda quantity, one, many: figures.agree(quantity.value, one, many),
        "published": lambda quantity, hedge: _print(ledger, quantity, figures.hedged(hedge)(quantity.value)),
        "threshold": lambda line: _print(ledger, _threshold(line), f"{line.key}"),
        "label": lambda text: printable(text, LABEL_LENGTH),
        "prose": printable,
        "words": lambda text: printable(text.replace("_", " "), LABEL_LENGTH),
        "batch_columns": _columns,
        "considered": lambda alternative: f"{alternative.explanation} {alternative.assessment}",
        "dated": lambda action: f"{day(action.date)}: {action.action}",
        "day": day,
        "short_day": _short_day,
        "instant": instant,
    }


def _print(ledger: Ledger, quantity: Quantity, text: str) -> Printed:
    printed = Printed(text.replace(" ", _NO_BREAK))
    printed.receipt = ledger.record(quantity, text).id
    return printed


def _columns(rows: Sequence[Any]) -> list[Sequence[Any]]:
    """Rows set in four columns, read downwards."""
    height = -(-len(rows) // 4)
    return [rows[at : at + height] for at in range(0, len(rows), height)]


def _threshold(line: Line) -> Quantity:
    return Quantity(Fraction(str(line.key)), "confidence", "settings", {"setting": "thresholds"})


def day(value: date) -> str:
    """A day as pages print it: `22 April 2026`."""
    return f"{value.day}{_NO_BREAK}{value:%B}{_NO_BREAK}{value.year}"


def short_span(window: Window) -> str:
    """A window as a running head has room for it: `22 Apr to 5 Jun 2026`."""
    first, last = window.first, window.last
    if first == last:
        return f"{_short_day(last)}{_NO_BREAK}{last.year}"
    year = f"{_NO_BREAK}{first.year}" if first.year != last.year else ""
    return f"{_short_day(first)}{year} to {_short_day(last)}{_NO_BREAK}{last.year}"


def _short_day(value: date) -> str:
    return f"{value.day}{_NO_BREAK}{value:%b}"


def instant(value: datetime) -> str:
    """An instant as pages print it, to the minute: `22 April 2026, 00:37 UTC`; a naive one is UTC."""
    utc = value if value.tzinfo is None else value.astimezone(UTC)
    return f"{day(utc.date())}, {utc:%H:%M}{_NO_BREAK}UTC"


def _charts(briefing: Briefing, environment: jinja2.Environment, ledger: Ledger) -> dict[str, str]:
    """The charts as `data:` URLs, by name; a briefing without exchanges has none."""
    if not briefing.total.exchanges.value:
        return {}
    periods = briefing.periods

    def show(name: str, value: int) -> str:
        mark = Quantity(value, "exchanges", "chart", {"chart": chart.DAYS, "mark": name})
        peak = next(p.exchanges for p in periods if p.exchanges.value == value) if name == "peak" else mark
        return ledger.record(peak, figures.exact(value)).printed

    starts = [period.first for period in periods]
    data = chart.by_day(starts, _series(briefing), show, [period.first for period in periods if period.gap])
    accent = briefing.settings.issuer.colours.get("accent", chart.PALETTE[0])
    return {"days": chart.data_uri(draw(environment, data, (accent, *chart.PALETTE[1:])))}


def _series(briefing: Briefing) -> list[chart.Series]:
    """The three largest campaigns, the others, and what is attributed to none: together all that was detected."""
    found = [
        chart.Series(printable(c.entry.name, LEGEND_LENGTH), _by_period(briefing, c.activity.by_day))
        for c in briefing.campaigns.campaigns
    ]
    series = chart.fold(found, 3, "All other campaigns")
    outside = briefing.campaigns.unattributed
    if outside:
        series.append(chart.Series("Not attributed", _by_period(briefing, outside.by_day)))
    return series


def _by_period(briefing: Briefing, by_day: Sequence[Tally]) -> list[int]:
    """The exchanges of each period of the chart."""
    return [
        sum(tally.exchanges for tally in by_day if period.first <= tally.key <= period.last)
        for period in briefing.periods
    ]

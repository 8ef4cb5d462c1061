"""From a briefing to HTML: the templates, the filters that print figures, and the charts.

Numbers reach a page only through the filters, and each filter records what it prints.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from fractions import Fraction
from typing import Any, get_args

from reports.briefing import figures
from reports.briefing.compose import Briefing, Period, called
from reports.briefing.content import Content
from reports.briefing.figures import Ledger, Quantity
from reports.briefing.group import Tally
from reports.core.scripts import marked_html, marked_svg
from reports.core.settings import Hedge, Spelling
from reports.core.window import Window
from reports.pages import chart
from reports.pages.assets import Resources
from reports.pages.countries import country
from reports.pages.fill import TemplateEnvironment, environment_of, fill
from reports.pages.fonts import Characters
from reports.pages.page_data import Printed, Record, page_data, plain
from reports.pages.spelling import spelled
from reports.pages.template_language import Unfit, kind_of, number, sequence, text

PAGE_SIZES = ("letter", "a4")
LABEL_LENGTH = 120
LEGEND_LENGTH = 32
_NO_BREAK = "\N{NO-BREAK SPACE}"


def typeset(content: Content, resources: Resources) -> tuple[str, Ledger]:
    """Fill the templates of the briefing's audience; returns the HTML and the ledger of its figures.

    Raises `InvalidSettings` for a template that does not parse or cannot be filled, naming it and the line.
    """
    briefing, ledger = content.briefing, Ledger()
    characters = Characters(resources.fonts, _written(briefing))
    environment = environment_of(resources, _filters(ledger, characters, briefing.settings.issuer.language))
    context = {
        **page_data(content),
        "language": briefing.settings.issuer.language,
        "page_size": content.page_size,
        "running_title": f"{briefing.title}, {short_span(briefing.window)}",
        "charts": plain(_charts(briefing, environment, ledger, characters)),
    }
    html = fill(environment, f"{briefing.audience}.html", context)
    ledger.coded = tuple(characters.coded)
    return marked_html(html, characters.languages), ledger


def _written(briefing: Briefing) -> dict[str, str]:
    """The texts whose language the registry gives, including names as the pages print them."""
    found = dict(briefing.settings.registry.written)
    for each in briefing.campaigns.record:
        if language := each.entry.language:
            found |= {each.entry.name: language, called(each.entry): language}
    return found


def draw(environment: TemplateEnvironment, data: chart.Data, colours: Sequence[str] = chart.PALETTE) -> str:
    """Draw `DAYS`; colours are given to series in order, and start again after the last."""
    return fill(environment, chart.DAYS, plain({**data, "colours": tuple(colours)}))


def _filters(ledger: Ledger, characters: Characters, language: Spelling) -> dict[str, Callable[..., Any]]:
    """The filters of the templates, by name."""

    def printing(style: Callable[[Any], str]) -> Callable[[Any], Printed]:
        return lambda quantity: _print(ledger, _quantity(quantity), style(_quantity(quantity).value))

    return {
        "exact": printing(figures.exact),
        "more_than": printing(figures.more_than),
        "nearly": printing(figures.nearly),
        "percent": printing(figures.percent),
        "multiple": printing(figures.multiple),
        "agree": lambda quantity, one, many: figures.agree(number(_quantity(quantity).value), one, many),
        "published": lambda quantity, hedge: _published(ledger, _quantity(quantity), hedge),
        "threshold": lambda line: _threshold(ledger, _of(line, "line")),
        "label": lambda value: characters.printable(text(value), LABEL_LENGTH),
        "prose": lambda value: characters.printable(text(value)),
        "words": lambda value: characters.printable(text(value).replace("_", " "), LABEL_LENGTH),
        "batch_columns": lambda rows: _columns(sequence(rows)),
        "considered": lambda value: _considered(_of(value, "benign explanation")),
        "dated": lambda value: _dated(_of(value, "action")),
        "country": lambda value: characters.printable(country(text(value)), LABEL_LENGTH),
        "day": lambda value: day(_date(value)),
        "month": lambda value: month(_date(value)),
        "short_day": lambda value: _short_day(_date(value)),
        "short_days": lambda value: _short_days(_of(value, "period")),
        "instant": lambda value: instant(_instant(value)),
        "spelled": lambda value: spelled(text(value), language),
    }


def _quantity(value: Any) -> Quantity:
    if isinstance(value, Quantity):
        return value
    raise Unfit(f"expected a quantity of the briefing, not {kind_of(value)}")


def _of(value: Any, kind: str) -> Record:
    if isinstance(value, Record) and value.kind == kind:
        return value
    raise Unfit(f"expected a value of kind {kind!r}, not {kind_of(value)}")


def _date(value: Any) -> date:
    if isinstance(value, date):
        return value
    raise Unfit(f"expected a day, not {kind_of(value)}")


def _instant(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value
    raise Unfit(f"expected an instant, not {kind_of(value)}")


def _print(ledger: Ledger, quantity: Quantity, shown: str) -> Printed:
    printed = Printed(shown.replace(" ", _NO_BREAK))
    printed.receipt = ledger.record(quantity, shown).id
    printed.hedged = not shown[0].isdigit()
    return printed


def _published(ledger: Ledger, quantity: Quantity, hedge: Any) -> Printed:
    if hedge not in get_args(Hedge):
        raise Unfit(f"a published figure must be hedged with one of {', '.join(get_args(Hedge))}")
    return _print(ledger, quantity, figures.hedged(hedge)(quantity.value))  # type: ignore[arg-type]


def _threshold(ledger: Ledger, line: Record) -> Printed:
    key = str(number(line.fields["key"]))
    return _print(ledger, Quantity(Fraction(key), "confidence", "settings", {"setting": "thresholds"}), key)


def _considered(alternative: Record) -> str:
    return f"{alternative.fields['explanation']} {alternative.fields['assessment']}"


def _dated(action: Record) -> str:
    return f"{day(action.fields['date'])}: {action.fields['action']}"


def _columns(rows: Sequence[Any]) -> tuple[Sequence[Any], ...]:
    """Rows set in four columns, read downwards."""
    height = -(-len(rows) // 4)
    return tuple(rows[at : at + height] for at in range(0, len(rows), height))


def day(value: date) -> str:
    """A day as pages print it: `22 April 2026`."""
    return f"{value.day}{_NO_BREAK}{value:%B}{_NO_BREAK}{value.year}"


def month(value: date) -> str:
    """The month of a day as pages print it: `April 2026`."""
    return f"{value:%B}{_NO_BREAK}{value.year}"


def short_span(window: Window) -> str:
    """A window in short form, for the running head: `22 Apr to 5 Jun 2026`."""
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


def days_between(first: date, last: date, with_year: bool = False) -> str:
    """Days in short form, for tables, both ends included: `22 Apr`, `11–17 May`, `29 Apr–5 May`."""
    year = f"{_NO_BREAK}{last.year}" if with_year else ""
    if first == last:
        return f"{_short_day(last)}{year}"
    if (first.month, first.year) == (last.month, last.year):
        return f"{first.day}–{_short_day(last)}{year}"
    earlier = f"{_NO_BREAK}{first.year}" if with_year and first.year != last.year else ""
    return f"{_short_day(first)}{earlier}–{_short_day(last)}{year}"


def _short_days(period: Record) -> str:
    return days_between(period.fields["first"], period.fields["last"], period.fields["with_year"])


def _charts(
    briefing: Briefing, environment: TemplateEnvironment, ledger: Ledger, characters: Characters
) -> dict[str, str]:
    """The charts as `data:` URLs, by name; a briefing without exchanges has none."""
    if not briefing.total.exchanges.value:
        return {}

    def show(name: str, value: int) -> str:
        mark = Quantity(value, "exchanges", "chart", {"chart": chart.DAYS, "mark": name})
        peak = briefing.peak.exchanges if name == "peak" else mark
        return ledger.record(peak, figures.exact(value)).printed

    slots = [_slot(period, int(briefing.period_days.value)) for period in briefing.periods]  # type: ignore[arg-type]
    unit = f"Exchanges {_each_period(briefing, ledger)}"
    data = chart.by_period(slots, _series(briefing, characters), show, unit, 7 if briefing.daily else 1)
    accent = briefing.settings.issuer.colours.get("accent", chart.PALETTE[0])
    svg = draw(environment, data, (accent, *chart.PALETTE[1:]))
    return {"days": chart.data_uri(marked_svg(svg, characters.languages))}


def _each_period(briefing: Briefing, ledger: Ledger) -> str:
    """The period of a bar, in words: `per week`."""
    days = briefing.period_days
    if days.value in _PERIODS:
        return f"per {_PERIODS[days.value]}"
    return f"per {ledger.record(days, figures.exact(int(days.value))).printed} days"  # type: ignore[arg-type]


_PERIODS: Mapping[Any, str] = {1: "day", 7: "week"}


def _slot(period: Period, step: int) -> chart.Slot:
    """A period's place on the axis; the part of it that lacks evidence is from 0 to 1 of a whole period."""
    days, year = int(period.days.value), period.with_year  # type: ignore[arg-type]
    when = f"{period.last.day} {period.last:%B}{f' {period.last.year}' if year else ''}"
    if step > 1:
        of = "week of" if days == 7 else "days" if days > 1 else "day"
        when = f"{of} {days_between(period.first, period.last, year)}"
    return chart.Slot(
        label=days_between(period.first, period.last, year),
        when=f"on {when}" if step == 1 else f"in the {when}",
        width=days / step,
        gap=period.gap,
        missing=tuple((day - period.first).days / step for day in period.missing),
        missing_width=1 / step,
    )


def _series(briefing: Briefing, characters: Characters) -> list[chart.Series]:
    """The three largest campaigns, the others, and the unattributed rest: together all detected exchanges."""
    found = [
        chart.Series(
            characters.printable(c.entry.name, LEGEND_LENGTH), _by_period(briefing, c.activity.by_day)
        )
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

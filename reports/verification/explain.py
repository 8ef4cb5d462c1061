"""The sources of a printed figure: its question, its row, and the evidence objects behind it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from reports.core.errors import ExhibitError, InvalidRequest, Unavailable
from reports.core.labels import normalized
from reports.core.window import Window
from reports.evidence.questions import AHEAD
from reports.evidence.source import ListedObject, recorded
from reports.verification.record import Asked, Named, OwnTable, Printed, Record, Subject

# The sources of figures that come from no question, and the file that has them
ELSEWHERE = {
    "request": "the request, not the evidence",
    "settings": "the settings, not the evidence",
    "registry": "the registry, not the evidence",
    "evidence": "the list of the evidence objects itself",
    "register": "the register of publications, not the evidence",
    "chart": "a mark on an axis of a chart, not the evidence",
}
FILES = {"registry": "campaigns.yaml"}


@dataclass(frozen=True, slots=True)
class Chain:
    """What is behind a figure.

    `asked` are the questions, none where the figure comes from elsewhere (`ELSEWHERE`); `file` is the settings file
    that says it then. `days` are those that it is about, and `objects` what was read for them, each with what it
    contributed to the window. `again` is what the evidence gives for it now, None where nobody asked or it gives
    nothing; `equal` is whether that is the value.
    """

    figure: Printed
    asked: tuple[Asked, ...]
    file: Named | None
    days: Window | None
    objects: tuple[Subject, ...]
    again: int | float | str | None = None
    equal: bool | None = None


def explain(record: Record, wanted: str) -> tuple[Chain, ...]:
    """The chains of the figures that have an id, like `F5`, or a printed text; where no text is that one, contain it.

    Raises `InvalidRequest` if there is no such figure, and `Unavailable` if the record names objects that cannot
    be.
    """
    return chains(record, _wanted(record, wanted))


def chains(record: Record, figures: Iterable[Printed]) -> tuple[Chain, ...]:
    """The chains of some figures; raises `Unavailable` as `explain` does."""
    located = [_located(each, record.statement.predicate.table) for each in record.statement.subject]
    return tuple(_chain(figure, record, located) for figure in figures)


def held_against(chains: Iterable[Chain], computed: Iterable[Printed]) -> tuple[Chain, ...]:
    """The chains, each with what was computed again for its figure."""
    values: dict[str, list[int | float | str]] = {}
    for figure in computed:
        values.setdefault(figure.place, []).append(figure.value)
    return tuple(_again(chain, values.get(chain.figure.place, [])) for chain in chains)


def _again(chain: Chain, values: list[int | float | str]) -> Chain:
    equal = chain.figure.value in values
    return replace(chain, again=chain.figure.value if equal else next(iter(values), None), equal=equal)


def _wanted(record: Record, wanted: str) -> list[Printed]:
    text, figures = _plain(wanted), record.said.figures
    by_id = [figure for figure in figures if text in {_plain(figure.id), _plain(f"receipt {figure.id}")}]
    by_text = [figure for figure in figures if text and text in _plain(figure.printed)]
    whole = [figure for figure in by_text if text == _plain(figure.printed)]
    if found := by_id or whole or by_text:
        return found
    known = f"there are {figures[0].id} to {figures[-1].id}" if figures else "there are none"
    raise InvalidRequest(
        f"no figure has the id {wanted!r} or is printed like that: {known}; give an id, or the text on the page"
    )


def _plain(text: str) -> str:
    return " ".join(normalized(text).split()).casefold()


def _located(pinned: Subject, table: OwnTable | None) -> tuple[Subject, ListedObject]:
    days, size = pinned.annotations.days, pinned.annotations.size
    try:
        located = None if table else recorded(pinned.name, size)
    except ExhibitError:
        located = None
    if table and days:
        located = ListedObject(pinned.name, table.layout, days.first, "", size, until=days.last)
    if located is None:
        raise Unavailable(f"evidence.json: {pinned.name} is not the name of an evidence object")
    return pinned, located


def _chain(figure: Printed, record: Record, located: Iterable[tuple[Subject, ListedObject]]) -> Chain:
    predicate = record.statement.predicate
    file = next((each for each in predicate.settings if each.name == FILES.get(figure.question)), None)
    if figure.question == "evidence":
        return Chain(figure, (), file, None, tuple(_together(figure.row, located)))
    if figure.question in ELSEWHERE:
        return Chain(figure, (), file, None, ())
    earliest = min((each.day for _, each in located), default=record.window.first)
    windows = list(_windows(figure.question, figure.row, record.window, earliest))
    days = Window(min(each.first for each in windows), max(each.last for each in windows))
    names = {
        figure.question,
        *("history" for each in windows if each.first < record.window.first),
        *("tallies" for each in windows if record.window.first <= each.last),
    }
    asked = tuple(each for each in predicate.questions if each.name in names)
    behind = (pinned for pinned, each in located if any(_is_behind(each, window) for window in windows))
    return Chain(figure, asked, file, days, tuple(behind))


def _together(row: Mapping[str, Any], located: Iterable[tuple[Subject, ListedObject]]) -> Iterator[Subject]:
    """All objects, or those that a window is only compared with, of the month or the year that the row names."""
    period = row.get("subjects", "all")
    for pinned, each in located:
        earlier = "rows" not in (pinned.annotations.model_extra or {})
        if period == "all" or (earlier and str(each.day).startswith(f"{period}-")):
            yield pinned


def _windows(question: str, row: Mapping[str, Any], window: Window, earliest: date) -> Iterator[Window]:
    """The days of a row: for a ratio those of both rows, for the record all days up to the window's end."""
    if "ratio" in row:
        for each in row["ratio"]:
            yield from _windows(question, each, window, earliest)
    elif row.get("window") == "preceding":
        yield window.preceding
    elif "day" in row:
        yield _days(row["day"], row["day"])
    elif "from" in row:
        yield _days(row["from"], row["to"])
    else:
        yield Window(min(earliest, window.first), window.last) if question == "history" else window


def _days(first: str, last: str) -> Window:
    return Window(date.fromisoformat(first), date.fromisoformat(last))


def _is_behind(located: ListedObject, window: Window) -> bool:
    """Flat detections stay in their day; findings in OCSF are delivered up to two days before it, or any time later."""
    if located.layout == "flat":
        return located.day <= window.last and (located.until or located.day) >= window.first
    return (located.until or located.day) >= window.first - AHEAD

"""The language of templates: what its operators, filters and tests make of plain values.

They are those of Jinja that are harmless, only for the types of `page_data.py`. None looks into nested lists or calls
anything, and everything that they search or make is counted.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from fractions import Fraction
from functools import partial
from html import unescape
from itertools import groupby
from operator import itemgetter
from types import MappingProxyType
from typing import Any, NamedTuple

from jinja2 import StrictUndefined, TemplateRuntimeError, Undefined
from jinja2.environment import TemplateModule
from jinja2.runtime import LoopContext, Macro
from markupsafe import Markup, escape

from reports.briefing.figures import Quantity
from reports.pages.page_data import SCALARS, Printed, Record
from reports.pages.template_meter import Meter

MOST_BITS = 256
MOST_BITS_OF_A_KEY = 60
MOST_DIGITS = 20

Function = Callable[..., Any]


class Grouped(NamedTuple):
    """The items that `groupby` puts under one key."""

    grouper: Any
    list: tuple[Any, ...]


class Items:
    """`items` of a mapping, before it is called."""

    __slots__ = ("mapping",)

    def __init__(self, mapping: Mapping[Any, Any]) -> None:
        self.mapping = mapping


TEXTS = (str, Markup, Printed)
LISTS = (tuple, list, Grouped)
MAPPINGS = (MappingProxyType, dict)

_KINDS: Mapping[type, str] = {
    type(None): "none",
    bool: "true or false",
    **dict.fromkeys((int, float, Fraction), "a number"),
    date: "a day",
    datetime: "an instant",
    Quantity: "a quantity",
    Items: "items",
    LoopContext: "loop",
    Macro: "a macro",
    TemplateModule: "an imported template",
    **dict.fromkeys(TEXTS, "a text"),
    **dict.fromkeys(LISTS, "a list"),
    **dict.fromkeys(MAPPINGS, "a mapping"),
}


class Unfit(TemplateRuntimeError):
    """A value does not have the type that an operator, a filter or a test requires."""


def kind_of(value: Any) -> str:
    """What messages call a value."""
    return value.kind if isinstance(value, Record) else _KINDS.get(type(value), "that")


def scalar(value: Any) -> Any:
    """A value that is not a collection; an `if` without an `else` is an empty text."""
    if isinstance(value, Undefined):
        return str(value)  # raises for a name that does not exist
    if type(value) in SCALARS or type(value) in TEXTS:
        return value
    hint = ": print it with a filter" if isinstance(value, Quantity) else ""
    raise Unfit(f"expected text or a number, not {kind_of(value)}{hint}")


def key(value: Any) -> Any:
    """A key to look up in a mapping; not long numbers and fractions, because many of them can share one hash."""
    value = scalar(value)
    if isinstance(value, Fraction) or (isinstance(value, int) and value.bit_length() > MOST_BITS_OF_A_KEY):
        raise Unfit(f"expected text, a day or a number of up to {MOST_BITS_OF_A_KEY} bits")
    return value


def text(value: Any) -> str:
    """A text, or the text of a number, a day or None; markup stays markup."""
    value = scalar(value)
    return value if isinstance(value, str) else str(value)


def number(value: Any) -> Any:
    """A number, true and false among them."""
    if isinstance(value, int | float | Fraction):
        return value
    raise Unfit(f"expected a number, not {kind_of(value)}")


def bounded(value: Any) -> Any:
    """A computed number; refused if it is too long."""
    parts = (value.numerator, value.denominator) if isinstance(value, int | Fraction) else ()
    if any(part.bit_length() > MOST_BITS for part in parts):
        raise Unfit(f"a number has more than {MOST_BITS} bits")
    return value


def sequence(value: Any) -> Sequence[Any]:
    """The items of a list, or the keys of a mapping."""
    if type(value) in LISTS:
        return value  # type: ignore[no-any-return]
    if type(value) in MAPPINGS or isinstance(value, Undefined):
        return tuple(value)  # raises for a name that does not exist
    raise Unfit(f"expected a list, not {kind_of(value)}")


def items(value: Any) -> tuple[tuple[Any, Any], ...]:
    """The keys of a mapping, each with its value."""
    if type(value) in MAPPINGS:
        return tuple(value.items())
    raise Unfit(f"expected a mapping, not {kind_of(value)}")


_ARITHMETIC: Mapping[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
}


def compute(sign: str, left: Any, right: Any) -> Any:
    """Two numbers, under an operator; `+` also joins two texts or two lists."""
    if sign == "+" and isinstance(left, str) and isinstance(right, str):
        return left + right
    if sign == "+" and type(left) in LISTS and type(right) in LISTS:
        return (*left, *right)
    return bounded(_ARITHMETIC[sign](number(left), number(right)))


def negate(sign: str, value: Any) -> Any:
    """A number, with its sign."""
    return -number(value) if sign == "-" else +number(value)


def cut(value: Any, start: Any, stop: Any, step: Any) -> Any:
    """A slice of a text or of a list."""
    bounds = slice(*(None if each is None else int(number(each)) for each in (start, stop, step)))
    return value[bounds] if isinstance(value, str) else sequence(value)[bounds]


# Filters and tests of one value


def _default(value: Any, default_value: Any = "", boolean: bool = False) -> Any:
    return default_value if isinstance(value, Undefined) or (boolean and not value) else value


def _int(value: Any, default: Any = 0) -> Any:
    try:
        whole = int(scalar(value))
    except (TypeError, ValueError, OverflowError):
        return default
    return bounded(whole)


_ROUND: Mapping[str, Callable[[Any], int]] = {"ceil": math.ceil, "floor": math.floor}


def _round(value: Any, precision: int = 0, method: str = "common") -> Any:
    value = number(value)
    if abs(number(precision)) > MOST_DIGITS:
        raise Unfit(f"numbers are rounded to at most {MOST_DIGITS} digits")
    if method == "common":
        return round(value, precision)
    if method not in _ROUND:
        raise Unfit("numbers are rounded by the method common, ceil or floor")
    return _ROUND[method](value * 10**precision) / 10**precision


def _striptags(value: Any) -> str:
    """As `Markup.striptags`, whose time grows with the square of the tags."""
    without = _cut_out(_cut_out(str(text(value)), "<!--", "-->"), "<", ">")
    return unescape(" ".join(without.split()))


def _cut_out(value: str, opening: str, closing: str) -> str:
    pieces, at = [], 0
    while (start := value.find(opening, at)) != -1 and (end := value.find(closing, start)) != -1:
        pieces.append(value[at:start])
        at = end + len(closing)
    return "".join(pieces) + value[at:]


def _first(value: Any) -> Any:
    return next(iter(sequence(value)), StrictUndefined("the list has no first item"))


def _last(value: Any) -> Any:
    return next(reversed(sequence(value)), StrictUndefined("the list has no last item"))


def _length(value: Any) -> int:
    return len(value if isinstance(value, str) else sequence(value))


def _reverse(value: Any) -> Any:
    return value[::-1] if isinstance(value, str) else tuple(reversed(sequence(value)))


FILTERS: Mapping[str, Function] = {
    "abs": lambda value: abs(number(value)),
    "capitalize": lambda value: text(value).capitalize(),
    **dict.fromkeys(("default", "d"), _default),
    **dict.fromkeys(("escape", "e"), lambda value: escape(text(value))),
    "first": _first,
    "int": _int,
    "items": items,
    "last": _last,
    **dict.fromkeys(("length", "count"), _length),
    "list": lambda value: tuple(sequence(value)),
    "lower": lambda value: text(value).lower(),
    "reverse": _reverse,
    "round": _round,
    "string": text,
    "striptags": _striptags,
    "trim": lambda value: text(value).strip(),
    "upper": lambda value: text(value).upper(),
}


def _compared(compare: Callable[[Any, Any], bool]) -> Function:
    return lambda value, other: compare(scalar(value), scalar(other))


def _is_a(*kinds: type) -> Function:
    return lambda value: isinstance(value, kinds)


TESTS: Mapping[str, Function] = {
    "defined": lambda value: not isinstance(value, Undefined),
    "undefined": lambda value: isinstance(value, Undefined),
    "none": lambda value: value is None,
    "true": lambda value: value is True,
    "false": lambda value: value is False,
    "boolean": _is_a(bool),
    "string": _is_a(str),
    "number": _is_a(int, float, Fraction),
    "mapping": _is_a(*MAPPINGS),
    "sequence": _is_a(*LISTS),
    "odd": lambda value: number(value) % 2 == 1,
    "even": lambda value: number(value) % 2 == 0,
    "divisibleby": lambda value, num: number(value) % number(num) == 0,
    **dict.fromkeys(("eq", "equalto", "=="), _compared(operator.eq)),
    **dict.fromkeys(("ne", "!="), _compared(operator.ne)),
    **dict.fromkeys(("lt", "lessthan", "<"), _compared(operator.lt)),
    **dict.fromkeys(("le", "<="), _compared(operator.le)),
    **dict.fromkeys(("gt", "greaterthan", ">"), _compared(operator.gt)),
    **dict.fromkeys(("ge", ">="), _compared(operator.ge)),
}
TAKES_UNDEFINED = {"default", "d", "defined", "undefined"}


# Filters and tests of many values


@dataclass(frozen=True, slots=True)
class ManyValues:
    """Filters and tests that examine the items of a list, and count them.

    `read` gives the attribute or item of a value that has a name; `filters` and `tests` are those that `map` and
    `select` may use.
    """

    meter: Meter
    read: Callable[[Any, Any], Any]
    filters: Mapping[str, Function]
    tests: Mapping[str, Function]

    @property
    def by_name(self) -> dict[str, Function]:
        """The filters, by name."""
        return {
            "groupby": self.groupby,
            "join": self.join,
            "map": self.map,
            "max": partial(self._extreme, max),
            "min": partial(self._extreme, min),
            "reject": lambda value, test=None, *more: self._selected(value, None, False, test, *more),
            "rejectattr": lambda value, name, test=None, *more: self._selected(
                value, name, False, test, *more
            ),
            "replace": self.replace,
            "select": lambda value, test=None, *more: self._selected(value, None, True, test, *more),
            "selectattr": lambda value, name, test=None, *more: self._selected(
                value, name, True, test, *more
            ),
            "sort": self.sort,
            "sum": self.sum,
            "unique": self.unique,
        }

    def among(self, value: Any, whole: Any) -> bool:
        """Whether a list has a value, a mapping has it as a key, or a text holds it."""
        value = scalar(value)
        if isinstance(whole, str) and isinstance(value, str):
            return value in whole
        if type(whole) in MAPPINGS:
            return value in whole
        found = sequence(whole)
        self.meter.write(len(found) * len(value) if isinstance(value, str) else 0)
        return any(value == each for each in found if type(each) not in LISTS)

    def groupby(
        self, value: Any, attribute: Any, default: Any = None, case_sensitive: bool = False
    ) -> tuple[Grouped, ...]:
        keyed = self._sorted(value, attribute, case_sensitive, default)
        groups = ([each for _, each in group] for _, group in groupby(keyed, itemgetter(0)))
        return tuple(Grouped(self._attribute(group[0], attribute, default), tuple(group)) for group in groups)

    def join(self, value: Any, d: Any = "", attribute: Any = None) -> str:
        pieces, between = [text(self._attribute(each, attribute)) for each in sequence(value)], text(d)
        self.meter.write(sum(map(len, pieces)) + len(between) * len(pieces))
        marked = isinstance(between, Markup) or any(isinstance(each, Markup) for each in pieces)
        return escape(between).join(pieces) if marked else between.join(pieces)

    def map(
        self, value: Any, name: str = "", *more: Any, attribute: Any = None, default: Any = None
    ) -> tuple[Any, ...]:
        found = sequence(value)
        if attribute is not None:
            return tuple(self._attribute(each, attribute, default) for each in found)
        if name not in self.filters:
            raise Unfit(f"map has no filter {text(name)[:40]!r}")
        return tuple(self.filters[name](each, *more) for each in found)

    def replace(self, value: Any, old: Any, new: Any) -> str:
        whole, before, after = text(value), text(old), text(new)
        if not isinstance(whole, Markup) and (isinstance(before, Markup) or isinstance(after, Markup)):
            whole = escape(whole)
        if isinstance(whole, Markup):
            before, after = escape(before), escape(after)
        self.meter.write(str.count(whole, before) * len(after))
        return whole.replace(before, after)

    def sort(
        self, value: Any, reverse: bool = False, case_sensitive: bool = False, attribute: Any = None
    ) -> tuple[Any, ...]:
        keyed = self._sorted(value, attribute, case_sensitive, reverse=bool(reverse))
        return tuple(each for _, each in keyed)

    def sum(self, value: Any, attribute: Any = None, start: Any = 0) -> Any:
        whole = number(start)
        for each in sequence(value):
            whole = compute("+", whole, number(self._attribute(each, attribute)))
        return whole

    def unique(self, value: Any, case_sensitive: bool = False, attribute: Any = None) -> tuple[Any, ...]:
        firsts: dict[Any, Any] = {}
        for by, each in self._keyed(value, attribute, case_sensitive):
            firsts.setdefault(key(by), each)
        return tuple(firsts.values())

    def _extreme(
        self, choose: Function, value: Any, case_sensitive: bool = False, attribute: Any = None
    ) -> Any:
        keyed = self._keyed(value, attribute, case_sensitive)
        if not keyed:
            return StrictUndefined("the list has no items")
        return choose(keyed, key=itemgetter(0))[1]

    def _selected(self, value: Any, attribute: Any, wanted: bool, name: Any, *more: Any) -> tuple[Any, ...]:
        if name is not None and name not in self.tests:
            raise Unfit(f"there is no test {text(name)[:40]!r}")
        test = bool if name is None else self.tests[name]
        found = sequence(value)
        return tuple(each for each in found if bool(test(self._attribute(each, attribute), *more)) is wanted)

    def _sorted(
        self, value: Any, attribute: Any, case_sensitive: bool, default: Any = None, reverse: bool = False
    ) -> list[tuple[Any, Any]]:
        keyed = self._keyed(value, attribute, case_sensitive, default)
        comparisons = len(keyed).bit_length()
        self.meter.write(comparisons * sum(len(by) for by, _ in keyed if isinstance(by, str)))
        return sorted(keyed, key=itemgetter(0), reverse=reverse)

    def _keyed(
        self, value: Any, attribute: Any, case_sensitive: bool, default: Any = None
    ) -> list[tuple[Any, Any]]:
        """Each item with its sort key."""
        keys = [(scalar(self._attribute(each, attribute, default)), each) for each in sequence(value)]
        self.meter.write(sum(len(by) for by, _ in keys if isinstance(by, str)))
        if case_sensitive:
            return keys
        return [(by.lower() if isinstance(by, str) else by, each) for by, each in keys]

    def _attribute(self, value: Any, attribute: Any, default: Any = None) -> Any:
        """The value under a name like `published.source`, a step at a time; without a name, the value itself."""
        if attribute is None:
            return value
        for part in text(attribute).split("."):
            self.meter.step()
            value = self.read(value, int(part) if part.isdecimal() else part)
            if default is not None and isinstance(value, Undefined):
                return default
        return value

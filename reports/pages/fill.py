"""Fills templates. They print the data they get and run no code.

1. A template is checked against a grammar before it is compiled (`template_grammar.py`): statements,
   expressions, filters and tests that are listed. Anything else is refused.
2. Values have the types of `page_data.py` and `template_language.py`. The attributes that can be read of each type are
   listed (`TemplateEnvironment.getattr`); a text has none. Anything else is undefined, and using it is an error.
3. Nothing can be called but filters, tests, the templates' own macros, and `items` of a mapping
   (`TemplateEnvironment.call`).
4. Work is counted and limited (`reports/pages/template_meter.py`).

Jinja parses and compiles the templates, without any of its filters, tests and globals.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from inspect import signature
from types import MappingProxyType
from typing import Any

import jinja2
from jinja2 import Undefined, nodes
from jinja2.environment import TemplateModule
from jinja2.runtime import Context, LoopContext, Macro
from jinja2.sandbox import SandboxedEnvironment
from jinja2.utils import missing, pass_context
from markupsafe import Markup, escape

from reports.briefing.figures import Quantity
from reports.core.errors import InvalidSettings
from reports.pages.assets import Resources
from reports.pages.page_data import SCALARS, Printed, Record
from reports.pages.template_grammar import (
    COPY,
    EACH,
    ENTER,
    EXTEND,
    IN,
    JOIN,
    KEY,
    LEAVE,
    SCALAR,
    SLICE,
    STEPS,
    Brackets,
    Grammar,
)
from reports.pages.template_language import (
    FILTERS,
    LISTS,
    MAPPINGS,
    MOST_BITS,
    TAKES_UNDEFINED,
    TESTS,
    TEXTS,
    Function,
    Grouped,
    Items,
    ManyValues,
    Unfit,
    compute,
    cut,
    items,
    key,
    kind_of,
    negate,
    scalar,
    sequence,
    text,
)
from reports.pages.template_meter import MOST_PRINTED, Beyond, Meter

LONGEST_MESSAGE = 300
STEPS_OF_A_USE, STEPS_OF_A_CALL, STEPS_OF_A_SEARCH = 4, 10, 400  # in parts of a template, by their time

_LOOP, _FROM_END = ("index", "index0"), ("revindex", "revindex0")
_DAY = ("year", "month", "day")
READABLE: Mapping[type, tuple[str, ...]] = {
    date: _DAY,
    datetime: (*_DAY, "hour", "minute"),
    Grouped: ("grouper", "list"),
    LoopContext: (*_LOOP, *_FROM_END, "first", "last", "length", "previtem", "nextitem"),
    Printed: ("receipt", "hedged"),
    Quantity: ("value", "unit"),
}


def fill(environment: TemplateEnvironment, name: str, context: Mapping[str, Any]) -> str:
    """Fill a template; raises `InvalidSettings` naming it and the line where that cannot be done."""
    environment.meter.enter()
    try:
        made = environment.get_template(name).render(context)
        if len(made) > MOST_PRINTED:
            raise Beyond(f"it prints more than {MOST_PRINTED:,} characters: print less")
    except jinja2.TemplateSyntaxError as error:
        raise _refused(f"{error.name}, line {error.lineno}", error.message) from None
    except jinja2.TemplateNotFound as error:
        raise _refused(error.name, "there is no such template in the template folders") from None
    except InvalidSettings:
        raise
    except Exception as error:  # whatever a template's expressions run into
        raise _refused(_place(error) or name, str(error)) from None
    environment.meter.leave()
    return made


def _refused(place: object, message: str | None) -> InvalidSettings:
    whole = f"template {str(place).removeprefix(_FILE)}: {message}"
    return InvalidSettings(whole if len(whole) <= LONGEST_MESSAGE else f"{whole[:LONGEST_MESSAGE]}…")


def _place(error: Exception) -> str:
    """The template and the line that an error comes from."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.startswith(_FILE)]
    return f"{frames[-1].filename}, line {frames[-1].lineno}" if frames else ""


_FILE = "template:"


class _Loader(jinja2.BaseLoader):
    """Templates of the folders, by name."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    def get_source(self, environment: Any, template: str) -> tuple[str, str, None]:
        environment.meter.step(STEPS_OF_A_SEARCH)
        content = self._resources.find(template)
        if content is None:
            raise jinja2.TemplateNotFound(template)
        try:
            return content.decode(), _FILE + template, None
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            raise jinja2.TemplateSyntaxError("not UTF-8: save it as UTF-8", line, template) from None


def environment_of(resources: Resources, filters: Mapping[str, Function]) -> TemplateEnvironment:
    """Finds and fills the templates of one briefing, with its own filters."""
    return TemplateEnvironment(resources, filters)


class TemplateEnvironment(SandboxedEnvironment):
    """Fills the templates of one briefing. `meter` counts over all of them; `filter_names` are those they can use."""

    intercepted_binops = frozenset(SandboxedEnvironment.default_binop_table)
    intercepted_unops = frozenset(SandboxedEnvironment.default_unop_table)

    def __init__(self, resources: Resources, filters: Mapping[str, Function]) -> None:
        super().__init__(
            loader=_Loader(resources),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            finalize=self._printed,
            trim_blocks=True,
            lstrip_blocks=True,
            optimized=False,  # nothing is computed before it is counted
            cache_size=-1,
            extensions=[Brackets],
        )
        self.meter = Meter()
        self.globals.clear()
        self.concat = self._concat  # type: ignore[method-assign]
        tests: dict[str, Any] = {name: self._counted(name, test) for name, test in TESTS.items()}
        single = {name: self._counted(name, each) for name, each in {**FILTERS, **filters}.items()}
        many = ManyValues(self.meter, self.getitem, single, tests)
        tests["in"] = self._counted("in", many.among)
        self.tests = tests
        self.filters = {**single, **{name: self._counted(name, each) for name, each in many.by_name.items()}}
        self.filter_names = frozenset(self.filters)
        self.filters |= {
            COPY: self._copied,
            EACH: self._each,
            ENTER: lambda _: self.meter.enter(),
            EXTEND: lambda _: self.meter.extend(),
            IN: self.tests["in"],
            JOIN: self._joined,
            KEY: self._counted("a mapping", key),
            LEAVE: lambda _: self.meter.leave(),
            SCALAR: self._scalar,
            SLICE: self._counted("a slice", cut),
            STEPS: self.meter.step,
        }

    # Reading

    def getattr(self, obj: Any, attribute: str) -> Any:
        """The value under a name of a value, or undefined."""
        kind = type(obj)
        if kind is Record:
            found = obj.fields.get(attribute, missing)
        elif kind in MAPPINGS:
            found = Items(obj) if attribute == "items" else obj.get(attribute, missing)
        elif kind is TemplateModule:
            found = missing if attribute.startswith("_") else vars(obj).get(attribute, missing)
        else:
            found = getattr(obj, attribute) if attribute in READABLE.get(kind, ()) else missing
        return self._nothing(obj, attribute) if found is missing else found

    def getitem(self, obj: Any, argument: Any) -> Any:
        """An item of a list, a text or a mapping, else the value under a name."""
        kind, key = type(obj), scalar(argument)
        if kind in MAPPINGS:
            return obj[key] if key in obj else self._nothing(obj, key)
        if isinstance(key, str):
            return self.getattr(obj, key)
        held = len(obj) if kind in LISTS or kind in TEXTS else 0
        return obj[key] if isinstance(key, int) and -held <= key < held else self._nothing(obj, key)

    def _nothing(self, obj: Any, name: Any) -> Undefined:
        if isinstance(obj, Undefined):
            str(obj)  # raises for a name that does not exist
        return self.undefined(
            f"{kind_of(obj)} has no {str(name)[:80]!r} that a template can read", obj, str(name)
        )

    # Calling

    def call(self, context: Context, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call a macro, or `items`. A mapping of the briefing that is called with a key gives what it has there."""
        kind = type(obj)
        if kind is Macro:
            self.meter.step(STEPS_OF_A_CALL)
            self.meter.enter()
            made = context.call(obj, *args, **kwargs)
            self.meter.leave()
            return made
        if kind is Items and not args:
            return self._weighed("items", items(obj.mapping))
        if kind is MappingProxyType and len(args) == 1:
            return self.getitem(obj, args[0])
        if isinstance(obj, Undefined):
            str(obj)  # raises for a name that does not exist
        raise Unfit(f"{kind_of(obj)} cannot be called: only macros and items of a mapping can")

    def _counted(self, name: str, function: Function) -> Function:
        """A filter or a test whose calls are counted, with their arguments and results."""
        lenient = name in TAKES_UNDEFINED

        def use(*args: Any, **kwargs: Any) -> Any:
            self.meter.step(STEPS_OF_A_USE)
            given = [each if lenient else self._weighed(name, each) for each in args]
            named = {key: self._weighed(name, each) for key, each in kwargs.items()}
            try:
                return self._weighed(name, function(*given, **named))
            except TypeError:
                _check_arguments(name, function, given, named)
                raise

        return use

    def _weighed(self, name: str, value: Any) -> Any:
        """Count a plain value, without the values inside it."""
        kind = type(value)
        if kind in TEXTS:
            self.meter.write(len(value))
        elif kind in LISTS or kind in MAPPINGS:
            self.meter.step(len(value))
        elif isinstance(value, Undefined):
            return scalar(value)
        elif kind not in SCALARS and kind not in (Record, Quantity):
            raise Unfit(f"{name} takes texts, numbers and lists, not {kind_of(value)}")
        return value

    # What the grammar puts into a template

    def _each(self, value: Any, parts: int) -> Sequence[Any]:
        """The items of a loop whose condition has a number of parts."""
        found = sequence(value)
        self.meter.step(len(found) * (1 + parts))
        return found

    @pass_context
    def _copied(self, context: Context, names: int) -> None:
        """Count the variables that are copied for a template or a scoped block."""
        self.meter.step(names + len(context.parent) + len(context.vars))

    def _scalar(self, value: Any) -> Any:
        return self._weighed("a comparison", scalar(value))

    def _joined(self, pieces: Sequence[Any]) -> str:
        texts = [self._scalar(text(piece)) for piece in pieces]
        marked = any(isinstance(each, Markup) for each in texts)
        return self._weighed("~", Markup("").join(texts) if marked else "".join(texts))  # type: ignore[no-any-return]

    # Operators and output

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Compute with two values."""
        return self._weighed(operator, compute(operator, left, right))

    def call_unop(self, context: Context, operator: str, arg: Any) -> Any:
        """Compute with a value."""
        return negate(operator, arg)

    @pass_context  # Jinja prints nothing beforehand then, where it would not be counted
    def _printed(self, context: Context, value: Any) -> Markup:
        shown = escape(text(value))
        self.meter.write(len(shown))
        return shown

    def _concat(self, pieces: Iterable[str]) -> str:
        made = list(pieces)
        self.meter.write(sum(map(len, made)))
        return "".join(made)

    def compile(self, source: Any, name: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Compile a template, unless that is too deep for Python."""
        try:
            return super().compile(source, name, *args, **kwargs)
        except SyntaxError as error:
            raise _refused(name, f"cannot be compiled: {error.msg}") from None
        except (RecursionError, MemoryError):
            raise _refused(name, "its parts are nested too deeply: remove some") from None
        except ValueError:  # of more digits than Python reads
            raise _refused(name, f"a number has more than {MOST_BITS} bits") from None

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        self.meter.load(len(source))
        template = super()._parse(source, name, filename)
        return Grammar(self.filter_names, self.tests, name).visit(template)  # type: ignore[no-any-return]


def _check_arguments(name: str, function: Function, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """Report wrong arguments of a filter or a test."""
    try:
        signature(function).bind(*args, **kwargs)
    except TypeError as error:
        raise Unfit(f"{name}: {error}") from None

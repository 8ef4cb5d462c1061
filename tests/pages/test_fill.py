"""Step 5, first half: what templates can do, and what they cannot."""

import gc
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import date, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from types import FunctionType, MappingProxyType, ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import DictLoader, Undefined
from jinja2.environment import TemplateModule
from jinja2.runtime import LoopContext, Macro
from markupsafe import Markup
from pydantic import BaseModel

from reports.briefing.accounts import AccountTable
from reports.briefing.compose import Briefing, SameFigures
from reports.briefing.figures import Ledger, Quantity
from reports.briefing.group import Account, Campaigns
from reports.briefing.settings import Settings
from reports.core.errors import InvalidSettings
from reports.core.settings import Issuer, Law, Registry, parse
from reports.core.window import AUDIENCES, Audience, Window
from reports.evidence.collect import collect
from reports.evidence.questions import Answer, Inquiry
from reports.evidence.source import EvidenceObject
from reports.pages import fill as filling
from reports.pages import page_data, template_meter, typeset
from reports.pages.assets import TEMPLATES, Resources
from reports.pages.fill import TemplateEnvironment, environment_of, fill
from reports.pages.fonts import Characters
from reports.pages.page_data import Printed, Record
from reports.pages.template_language import Grouped, Items, Unfit
from tests.adversarial.template_cases import (
    FUZZ_ATTRIBUTES,
    FUZZ_FILTERS,
    FUZZ_LITERALS,
    FUZZ_NAMES,
    GOOD,
    HOSTILE,
)
from tests.support.fakes import AS_OF, FakeEngine, content_of, source_of
from tests.support.typesetting import WINDOW, brief, detections, in_full, settings
from tests.support.typesetting import typeset as typeset_briefing

OURS = Resources()
EARLIER = Path(__file__).parents[1] / "earlier"
RELEASES = sorted(folder for folder in EARLIER.iterdir() if folder.is_dir())
PLAIN = (type(None), bool, int, float, Fraction, str, Markup, Printed, date, datetime, Record, Quantity)
COLLECTIONS = (tuple, list, Grouped, MappingProxyType, dict)
ACCOUNT = re.compile(r"account \w+\.\d")
PARTS = (Macro, LoopContext, Items, TemplateModule)

Filled = Callable[..., str]


@pytest.fixture(scope="module")
def briefings() -> Mapping[Audience, Briefing]:
    """Of three campaigns with everything on record, of one without, and with gaps."""
    delivered = detections(["c0", "c1", "c2", "unlisted", None], 8)
    inquiry = Inquiry(WINDOW, AS_OF, each_account=True)
    evidence = collect(inquiry, FakeEngine(delivered), source_of(delivered), lambda *_: None)
    written = settings(in_full(3), logo_alt="x", colours={"accent": "#a1b2c3"}, addressee={"regulator": "B"})
    return {audience: brief(evidence, written, audience) for audience in AUDIENCES}


@pytest.fixture
def filled(briefings: Mapping[Audience, Briefing], tmp_path: Path) -> Filled:
    """Fills a template in the place of the regulator's, with others beside it."""

    def fill_it(template: str, **others: str) -> str:
        for name, content in {"regulator": template, **others}.items():
            (tmp_path / f"{name}.html").write_text(content)
        return typeset_briefing(briefings["regulator"], Resources((tmp_path, TEMPLATES)), "letter")[0]

    return fill_it


# Nothing else can be read or called


def contexts(
    briefing: Briefing, monkeypatch: pytest.MonkeyPatch
) -> list[tuple[TemplateEnvironment, Mapping[str, Any]]]:
    """What each template of a briefing is filled with: the pages and the chart."""
    found: list[tuple[TemplateEnvironment, Mapping[str, Any]]] = []

    def spy(environment: TemplateEnvironment, name: str, context: Mapping[str, Any]) -> str:
        found.append((environment, context))
        return fill(environment, name, context)

    monkeypatch.setattr(typeset, "fill", spy)
    typeset_briefing(briefing, OURS, "letter")
    return found


def known_names() -> set[str]:
    """Names that a template might try: of Python, of Jinja, of models, and all that is told of anything."""
    told = {name for _, names in page_data.TOLD.values() for name in names.split()}
    readable = {name for names in filling.READABLE.values() for name in names}
    values: tuple[object, ...] = (
        "",
        Markup(),
        1,
        0.5,
        date(2026, 5, 1),
        datetime(2026, 5, 1),
        (),
        [],
        {},
        Fraction(1),
    )
    kinds = (
        *page_data.TOLD,
        *PLAIN,
        *COLLECTIONS,
        *PARTS,
        Settings,
        Campaigns,
        AccountTable,
        Registry,
        Window,
    )
    return {*told, *readable, *(name for each in (*values, *kinds, fill) for name in dir(each))}


def let_through(environment: TemplateEnvironment, value: Any, names: set[str]) -> Iterator[Any]:
    """All that a template gets of a value, under a name, a key or a place."""
    names = names | {name for name in getattr(value, "fields", ()) if isinstance(value, Record)}
    keys: list[Any] = list(value) if isinstance(value, Mapping) else []
    places = range(len(value)) if isinstance(value, tuple | list) else [0, -1]
    yield from (environment.getattr(value, name) for name in names)
    yield from (environment.getitem(value, key) for key in (*names, *keys, *places))
    if isinstance(value, Mapping):
        yield from environment.call(None, environment.getattr(value, "items"))  # type: ignore[arg-type]


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize("audience", AUDIENCES)
def test_whatever_is_let_through_is_plain(
    briefings: Mapping[Audience, Briefing], monkeypatch: pytest.MonkeyPatch, audience: Audience
) -> None:
    """From all that templates are given, to a fixed point: plain values, and nothing to call but macros."""
    evidence = briefings[audience].evidence
    earlier = EvidenceObject("detections/event_day=2026-03-01/part.jsonl", "0" * 64, 1)
    made_again = replace(
        briefings[audience],
        same_figures_as=SameFigures(1, "0.7.0"),
        evidence=replace(evidence, objects=(earlier, *evidence.objects)),
    )
    (environment, of_chart), (_, context) = contexts(made_again, monkeypatch)
    module = environment.get_template("macros.html").make_module(dict(context))
    loop = LoopContext(context["briefing"].fields["parts"], environment.undefined, None)
    next(loop)
    waiting = [*context.values(), *of_chart.values(), module, loop, Grouped("key", (1,)), Fraction(1, 3)]
    met: dict[int, Any] = {}
    kinds: Counter[str] = Counter()
    while waiting:
        value = waiting.pop()
        if id(value) in met or isinstance(value, Undefined):
            continue
        met[id(value)] = value
        assert type(value) in (*PLAIN, *COLLECTIONS, *PARTS), type(value)
        if type(value) not in (Macro, Items):
            with pytest.raises(Unfit, match="cannot be called"):
                environment.call(None, value)  # type: ignore[arg-type]
        kind = value.kind if isinstance(value, Record) else type(value).__name__
        kinds[kind] += 1
        waiting.extend(let_through(environment, value, NAMES_TRIED if kinds[kind] <= 3 else set()))
    assert {kind for kind, _ in page_data.TOLD.values()} | {"settings", "registry", "window"} <= {
        *kinds,
        "earlier campaign",
    }
    assert {"Quantity", "Macro", "Items", "LoopContext", "TemplateModule"} <= kinds.keys()


NAMES_TRIED = known_names()


@pytest.mark.parametrize("audience", AUDIENCES)
def test_what_is_given_holds_no_model_and_no_account(
    briefings: Mapping[Audience, Briefing], monkeypatch: pytest.MonkeyPatch, audience: Audience
) -> None:
    """Nor does anything that it refers to, out of a template's reach: no model, no row, no account's id."""
    waiting: list[Any] = [context for _, context in contexts(briefings[audience], monkeypatch)]
    met: dict[int, Any] = {}
    while waiting:
        value = waiting.pop()
        if id(value) not in met and not isinstance(value, type | ModuleType | FunctionType):
            met[id(value)] = value
            waiting.extend(gc.get_referents(value))
    kinds = {type(value) for value in met.values()}
    assert {Record, Quantity, str} <= kinds
    assert not [kind for kind in kinds if issubclass(kind, BaseModel)]
    assert not kinds & {Briefing, Settings, Campaigns, Account, AccountTable, Answer, Window}
    assert not [value for value in met.values() if isinstance(value, str) and ACCOUNT.match(value)]


def test_the_accounts_of_a_briefing_have_ids_like_that(briefings: Mapping[Audience, Briefing]) -> None:
    """The test above fails for data that holds an account's id."""
    assert ACCOUNT.match(briefings["regulator"].campaigns.each_account[0].account_id)


def test_an_operator_who_is_withheld_is_not_given() -> None:
    """Neither in a campaign nor in its entry, whatever a template asks for."""
    written = in_full(1)
    entry = written.campaigns[0].model_copy(update={"operator": "Zyxwv Holdings"})
    attribution = entry.attribution and entry.attribution.model_copy(update={"approvals": ("one",)})
    entry = entry.model_copy(update={"attribution": attribution})
    briefing = brief(detections(["c0"], 2), settings(Registry(campaigns=(entry,))), "regulator")
    waiting: list[Any] = [page_data.page_data(content_of(briefing))]
    while waiting:
        value = waiting.pop()
        assert value != "Zyxwv Holdings"
        waiting.extend(gc.get_referents(value) if isinstance(value, Record | Mapping | tuple) else ())
    assert briefing.parts[0].withheld


def test_a_template_is_given_nothing_unlisted() -> None:
    """A thing of another type, such as an account, is refused before it gets to a template."""
    with pytest.raises(TypeError, match="Account"):
        page_data.plain(Account("a", None, 1, 1, date(2026, 5, 1), date(2026, 5, 1)))


def test_templates_are_filled_in_one_place() -> None:
    """One module makes Jinja's environment, and none makes a template without it."""
    rooms = TEMPLATES.parent / "reports"
    modules = {str(path.relative_to(rooms)): path.read_text("utf-8") for path in rooms.rglob("*.py")}
    makes = re.compile(r"Environment\b|\bTemplate\(")
    assert [name for name, text in modules.items() if "jinja2" in text and makes.search(text)] == [
        "pages/fill.py"
    ]


# Hostile templates


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize(("template", "said"), HOSTILE, ids=[each[:60] for each, _ in HOSTILE])
def test_a_hostile_template_is_refused_in_one_line(filled: Filled, template: str, said: str) -> None:
    """It is named, with the line where there is one, and what is wrong; the command line exits with 2."""
    with pytest.raises(InvalidSettings, match=said) as caught:
        filled(f"\n{template}")
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) <= 320
    assert message.startswith("template ")
    assert caught.value.exit_status == 2


def test_the_line_is_that_of_the_template(filled: Filled) -> None:
    """Also in a template that another includes, and in a macro."""
    for template, others, said in (
        ("\n\n{{ title.format }}", {}, "template regulator.html, line 3"),
        (
            "\n{% include 'other.html' %}",
            {"other": "\n\n\n{{ title.format }}"},
            "template other.html, line 4",
        ),
        ("{% include 'other.html' %}", {"other": "\n{{ title._x }}"}, "template other.html, line 2"),
        ("{% macro f() %}\n{{ 1 / 0 }}{% endmacro %}\n{{ f() }}", {}, "template regulator.html, line 2"),
    ):
        with pytest.raises(InvalidSettings, match=said):
            filled(template, **others)


def test_a_template_that_is_not_text_is_named(filled: Filled, tmp_path: Path) -> None:
    """With the line of the first byte that is not UTF-8."""
    (tmp_path / "other.html").write_bytes(b"<p>\n\xff")
    with pytest.raises(InvalidSettings, match=r"^template other\.html, line 2: not UTF-8"):
        filled("{% include 'other.html' %}")


def test_a_link_out_of_the_folder_is_not_followed(filled: Filled, tmp_path: Path) -> None:
    """A template is a file of the folder, as images and style sheets are."""
    outside = tmp_path.parent / "outside.html"
    outside.write_text("secret")
    (tmp_path / "link.html").symlink_to(outside)
    with pytest.raises(InvalidSettings, match="no such template"):
        filled("{% include 'link.html' %}")


# Bounds


@pytest.mark.parametrize(
    ("template", "count"),
    [
        ("{% for a in [1, 2, 3] %}{% endfor %}", "steps"),
        ("{% for a in [1, 2, 3] if a > 5 %}{% endfor %}", "steps"),
        ("{{ [1, 2, 3] | map('abs') | length }}", "steps"),
        ("{{ [1, 2, 3] | sort | length }}", "steps"),
        ("{{ 2 in [1, 2, 3] }}", "steps"),
        ("{{ [1, 2, 3][:2] | length }}", "steps"),
        ("{{ ([1, 2, 3] + [4]) | length }}", "steps"),
        ("{% macro f() %}{% endmacro %}{{ f() }}", "steps"),
        ("{% if 1 %}a{% endif %}", "steps"),
        ("{% include 'gone.html' ignore missing %}", "steps"),
        ("{% set x %}{% endset %}", "steps"),
        ("{{ title }}", "characters"),
        ("{% set x = title ~ title %}", "characters"),
        ("{% set x = title + title %}", "characters"),
        ("{% set x = title[1:] %}", "characters"),
        ("{% set x = title | upper %}", "characters"),
        ("{% set x = [title, title] | join %}", "characters"),
        ("{% set x = title | replace('a', 'b') %}", "characters"),
        ("{% set x = title == title %}", "characters"),
        ("{% set x = 'a' in title %}", "characters"),
        ("{% set x = [title] | sort %}", "characters"),
        ("{% set x %}long text{% endset %}", "characters"),
        ("{% macro f() %}long text{% endmacro %}{% set x = f() %}", "characters"),
        ("long text", "characters"),
    ],
)
def test_what_templates_do_is_counted(tmp_path: Path, template: str, count: str) -> None:
    """The same each time; and what does more counts more."""

    def counted(source: str) -> int:
        (tmp_path / "x.html").write_text(source)
        environment = environment_of(Resources((tmp_path,)), {})
        fill(environment, "x.html", {"title": "a title of some length"})
        return int(getattr(environment.meter, count))

    assert counted(template * 2) > counted(template) == counted(template) > counted("")


@pytest.mark.parametrize(
    "template",
    [
        "{% for n in names %}BODY{% endfor %}",
        "{% for n in names if BODY1 %}{% endfor %}",
        "{% macro f(n) %}BODY{% endmacro %}{% for n in names %}{{ f(n) }}{% endfor %}",
        "{% macro f() %}{{ caller() }}{% endmacro %}{% for n in names %}{% call f() %}BODY{% endcall %}{% endfor %}",
        "{% for n in names %}{% block b scoped %}BODY{% endblock %}{% endfor %}",
        "{% for n in names %}{% include 'y.html' %}{% endfor %}",
        "{% for n in names %}{% import 'y.html' as y with context %}{% endfor %}",
        "{% for n in names %}{% set x %}BODY{% endset %}{% endfor %}",
    ],
)
def test_whatever_is_filled_again_is_counted_again(tmp_path: Path, template: str) -> None:
    """Each part of a body costs a step each time, whether it prints or not."""
    body = "{% if n %}{% endif %}" * 20
    (tmp_path / "y.html").write_text(body)
    (tmp_path / "x.html").write_text(template.replace("BODY1", "n and " * 20 + "n").replace("BODY", body))

    def steps(times: int) -> int:
        environment = environment_of(Resources((tmp_path,)), {})
        fill(environment, "x.html", {"names": tuple(range(1, times + 1))})
        return environment.meter.steps

    assert steps(30) - steps(20) >= 10 * 20


@pytest.mark.parametrize("body", ["{% include 'y.html' %}", "{% block y scoped %}{% endblock %}"])
def test_what_is_handed_on_is_counted(tmp_path: Path, body: str) -> None:
    """An included template, and a scoped block, costs a step more for each variable that it is given."""
    (tmp_path / "y.html").write_text("")

    def steps(variables: int) -> int:
        (tmp_path / "x.html").write_text(body)
        environment = environment_of(Resources((tmp_path,)), {})
        fill(environment, "x.html", {f"name{n}": n for n in range(variables)})
        return environment.meter.steps

    assert steps(1000) == steps(0) + 1000


def test_marks_without_end_are_printed(filled: Filled) -> None:
    """Two million marks on one letter take no longer than two million letters."""
    doubled = "{% macro d(s, n) %}{{ d(s ~ s, n - 1) if n else s | label }}{% endmacro %}{{ d('BODY', 20) }}"
    assert filled(doubled.replace("BODY", "\u0301\u0323")).startswith("[U+0323]")


def test_the_bound_is_the_same_wherever_it_is_met(filled: Filled, monkeypatch: pytest.MonkeyPatch) -> None:
    """A template that does as much as it may is filled, and one that does a step more is not."""
    template = "{% for a in briefing.window.days %}{{ a | day }}{% endfor %}"
    made: list[TemplateEnvironment] = []
    monkeypatch.setattr(
        typeset, "environment_of", lambda *given: made.append(environment_of(*given)) or made[-1]
    )
    page = filled(template)
    for name in ("STEPS", "CHARACTERS", "SOURCE"):
        exactly = getattr(made[0].meter, name.lower())
        monkeypatch.setattr(template_meter, f"MOST_{name}", exactly)
        assert filled(template) == page
        monkeypatch.setattr(template_meter, f"MOST_{name}", exactly - 1)
        with pytest.raises(InvalidSettings, match="more than"):
            filled(template)
        monkeypatch.setattr(template_meter, f"MOST_{name}", 10**9)


def test_a_page_has_a_longest_length(filled: Filled, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorter than what may be made on the way to it."""
    monkeypatch.setattr(filling, "MOST_PRINTED", 100_000)
    assert len(filled("x" * 100_000)) == 100_000
    with pytest.raises(InvalidSettings, match=r"regulator\.html: it prints more than 100,000 characters"):
        filled("x" * 100_001)


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize("audience", AUDIENCES)
def test_a_large_briefing_is_far_from_the_bounds(audience: Audience, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixty campaigns of a quarter take less than a twentieth of what templates may."""
    made: list[TemplateEnvironment] = []
    monkeypatch.setattr(
        typeset, "environment_of", lambda *given: made.append(environment_of(*given)) or made[-1]
    )
    delivered = [d for n in range(60) for d in detections([f"c{n}"], 20, network=f"network {n % 7}")]
    briefing = brief(delivered, settings(in_full(60)), audience)
    html, _ = typeset_briefing(briefing, OURS, "letter")
    spent = made[0].meter
    assert html.count("Campaign") >= 60
    assert spent.steps * 20 < template_meter.MOST_STEPS
    assert spent.characters * 20 < template_meter.MOST_CHARACTERS
    assert spent.source * 5 < template_meter.MOST_SOURCE
    assert len(html) * 20 < template_meter.MOST_PRINTED


# What templates can do


@pytest.mark.parametrize(("template", "shown"), GOOD, ids=[each[:60] for each, _ in GOOD])
def test_what_templates_can_say(filled: Filled, template: str, shown: str) -> None:
    """The language of Jinja, over plain values."""
    assert filled(template).strip() == shown


@pytest.mark.parametrize("audience", AUDIENCES)
def test_every_template_can_be_copied(
    briefings: Mapping[Audience, Briefing], tmp_path: Path, audience: Audience
) -> None:
    """In an organisation's folder, Exhibit's own templates give the same pages."""
    for path in TEMPLATES.rglob("*"):
        if path.is_file():
            place = tmp_path / path.relative_to(TEMPLATES)
            place.parent.mkdir(exist_ok=True)
            place.write_bytes(path.read_bytes())
    theirs, ours = (
        typeset_briefing(briefings[audience], Resources(folders), "letter")[0]
        for folders in ((tmp_path, TEMPLATES), (TEMPLATES,))
    )
    assert theirs == ours


def earlier_files() -> Iterator[Any]:
    for release in RELEASES:
        yield pytest.param(release, None, id=release.name)
        files = (
            path.relative_to(release) for path in release.rglob("*.*") if path.suffix in (".html", ".svg")
        )
        yield from (pytest.param(release, path, id=f"{release.name}-{path}") for path in sorted(files))


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize("audience", AUDIENCES)
@pytest.mark.parametrize(("release", "file"), [*earlier_files()])
def test_templates_of_earlier_releases_fill(
    briefings: Mapping[Audience, Briefing],
    tmp_path: Path,
    release: Path,
    file: Path | None,
    audience: Audience,
) -> None:
    """A folder that has one of them, or all with the law and the issuer of then, keeps working."""
    for path in [file] if file else [path.relative_to(release) for path in release.rglob("*.*")]:
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes((release / path).read_bytes())
    resources, briefing = Resources((tmp_path, TEMPLATES)), briefings[audience]
    law = parse(Law, resources.read("law.yaml").decode(), "law.yaml")
    issuer = parse(Issuer, resources.read("issuer.yaml").decode(), "issuer.yaml")
    evidence, registry = briefing.evidence, briefing.settings.registry
    again = brief(evidence, Settings(registry, briefing.settings.dataset, issuer, law), audience)
    html, ledger = typeset_briefing(again, resources, "a4")
    assert "Campaign 0" in html
    assert len(ledger.figures) > 50


# Whatever is written

NAMES = st.sampled_from(FUZZ_NAMES)
ATTRIBUTES = st.sampled_from(FUZZ_ATTRIBUTES)
LITERALS = st.sampled_from(FUZZ_LITERALS)
FILTERS = st.sampled_from(FUZZ_FILTERS)


def expressions() -> st.SearchStrategy[str]:
    return st.recursive(
        st.one_of(NAMES, LITERALS),
        lambda inner: st.one_of(
            st.tuples(inner, ATTRIBUTES).map(lambda each: f"({each[0]}).{each[1]}"),
            st.tuples(inner, ATTRIBUTES).map(lambda each: f"({each[0]})['{each[1]}']"),
            st.tuples(inner, inner).map(lambda each: f"({each[0]})[{each[1]}]"),
            st.tuples(inner, st.lists(inner, max_size=2)).map(
                lambda each: f"({each[0]})({', '.join(each[1])})"
            ),
            st.tuples(inner, FILTERS).map(lambda each: f"({each[0]}) | {each[1]}"),
            st.tuples(
                inner,
                st.sampled_from(["+", "-", "*", "/", "//", "%", "~", "==", "<", "in", "and", "or"]),
                inner,
            ).map(lambda each: f"({each[0]}) {each[1]} ({each[2]})"),
            st.tuples(inner, inner).map(lambda each: f"[{each[0]}, {each[1]}]"),
        ),
        max_leaves=8,
    )


class Watched(TemplateEnvironment):
    """Keeps all that it gives to templates."""

    def __init__(self, resources: Resources, filters: Mapping[str, Any]) -> None:
        self.given: list[Any] = []
        super().__init__(resources, filters)

    def getattr(self, obj: Any, attribute: str) -> Any:
        return self._kept(super().getattr(obj, attribute))

    def getitem(self, obj: Any, argument: Any) -> Any:
        return self._kept(super().getitem(obj, argument))

    def call(self, context: Any, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        return self._kept(super().call(context, obj, *args, **kwargs))

    def _weighed(self, name: str, value: Any) -> Any:
        return self._kept(super()._weighed(name, value))

    def _kept(self, value: Any) -> Any:
        self.given.append(value)
        return value


TEMPLATE = (
    "{{% import 'macros.html' as m with context %}}{{% for x in briefing.parts %}}{{{{ {0} }}}}{{% endfor %}}"
)


THREE_DAYS = Window(WINDOW.first, WINDOW.first + timedelta(2))
CONTEXT = page_data.page_data(
    content_of(brief(detections(["c"], 3), settings(in_full(1)), "regulator", THREE_DAYS))
)
MACROS = (TEMPLATES / "macros.html").read_text("utf-8")


@pytest.mark.usefixtures("slow")
@given(expressions())
def test_no_expression_gets_at_anything_else(expression: str) -> None:
    """Whatever an expression is made of, what it gets at is plain, or a macro."""
    environment = Watched(OURS, typeset._filters(Ledger(), Characters(), "en-US"))
    environment.loader = DictLoader({"x.html": TEMPLATE.format(expression), "macros.html": MACROS})
    with suppress(InvalidSettings):
        fill(environment, "x.html", CONTEXT)
    for value in environment.given:
        assert isinstance(value, Undefined) or type(value) in (*PLAIN, *COLLECTIONS, *PARTS), type(value)

"""The settings that people write, and the mistakes that they make in them."""

import json
import re
from collections.abc import Callable
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, ValidationError

from reports.core.errors import InvalidSettings
from reports.core.settings import (
    LIKELIHOODS,
    MOST_CHARACTERS,
    Attribution,
    CampaignProfile,
    Dataset,
    Issuer,
    Law,
    Registry,
    parse,
)
from reports.pages.assets import TEMPLATES

APART = [
    "We have high confidence that it is likely.",
    "It is almost certain (high confidence) that one operator ran them.",
    "Confidence is high; it is very likely one operator.",
    "Confidence is high and\nit is likely one operator.",
    "We are confident, e.g. because of metadata, that this was probably one operator.",
    "It is UNLIKELY, with Moderate Confidence, to be research.",
    "Our confidence in the even chance is low.",
    "The likelihood is high, and so is our confidence",
    "We judge with confidence the odds to be even.",
    "With high confidence, nearly\n  certain.",
    "A high probability, confidently stated.",
]
TOGETHER = [
    "Confidence is high. It is almost certain that one operator ran them.",
    "It is likely one operator.\nConfidence in this is moderate.",
    "Is it likely? Our confidence is low.",
    "“Confidence is high.” It is likely one operator.",
    "Confidence is high, because sources agree",
    "Confidence is high\n\nIt is likely one operator",
    "Confidential customers are the likely source.",
    "A challenge is likely.",
]


NO_COUNTS = [
    *(
        "0130",
        "00",
        "0o17",
        "0x10",
        "0b1",
        "1:30",
        "1:30:00",
        "1_000",
        "1 000",
        "1e3",
        "+5",
        "-1",
        "-0",
        "1.0",
    ),
    *("1.", ".5", ".inf", ".nan", "true", "~", "", "'13,000,000'", "13.000.000", "' 1'", "١٢", "many", "[1]"),
    *("2026-05-01", "9" * 19, "9" * 5000),
]
NO_DAYS = [
    *("soon", "2026-5-3", "20260503", "0", "1777766400", "2026-05-03T00:00:00Z", "2026-05-03 00:00:00"),
    *("3 May 2026", "2026-123", "2026-W18-7", "'2026-05-03 '", "٢٠٢٦-٠٥-٠٣", "~", "true"),
]
# What YAML 1.1, or 1.2, or a reader of either, would make something else of
AS_WRITTEN = [
    *(
        "no",
        "NO",
        "yes",
        "on",
        "Off",
        "true",
        "False",
        "y",
        "n",
        "007",
        "0130",
        "0o17",
        "0x10",
        "12:30",
        "1:30:00",
    ),
    *("1.10", "17.0", "1e3", "12e4", "1_000", "+5", "-0", ".5", ".inf", "-.inf", ".nan", "NaN", "2026-05-01"),
    *("2026-05-01T10:00:00Z", "2026-05-01 10:00:00", "<<", "=", "None", "nul", "42", "C:1", "a#b"),
]


def registry(entry: dict[str, Any]) -> str:
    """A registry with one entry, as YAML."""
    return yaml.safe_dump({"campaigns": [{"campaign_id": "A", "name": "Campaign A", **entry}]})


def refusal(model: Any, text: str) -> str:
    """The message that refuses a file."""
    with pytest.raises(InvalidSettings) as refused:
        parse(model, text, "campaigns.yaml")
    message = str(refused.value)
    assert message.startswith("campaigns.yaml")
    assert "\n" not in message
    assert len(message) < 400
    return message


def test_only_an_id_and_a_name_are_required() -> None:
    """A registry may be empty, absent, or hold the least about a campaign."""
    assert Registry() == parse(Registry, None, "campaigns.yaml") == parse(Registry, "", "campaigns.yaml")
    entry = parse(Registry, registry({}), "campaigns.yaml").entry("A")
    assert (entry.name, entry.printable_operator) == ("Campaign A", None)


def test_a_campaign_without_an_entry_goes_by_its_id() -> None:
    """A campaign that analysts have not written up yet is printed all the same."""
    assert Registry().entry("AC-1").name == "AC-1"


def test_a_file_with_a_byte_order_mark_is_read() -> None:
    """Some editors put one in front."""
    assert parse(Dataset, "\ufeffsynthetic: true\n", "dataset.yaml").synthetic


def test_data_is_synthetic_only_if_it_says_so() -> None:
    """An absent dataset.yaml, or one that is silent, describes real data."""
    assert not parse(Dataset, None, "dataset.yaml").synthetic
    assert not parse(Dataset, "title: x", "dataset.yaml").synthetic


@pytest.mark.parametrize(
    "word", ["true", "True", "TRUE", "yes", "Yes", "on", "ON", "'true'", '"yes"', "!!str on"]
)
def test_data_is_synthetic_in_any_word_for_yes(word: str) -> None:
    """However somebody says that the data was made up, it is marked."""
    assert parse(Dataset, f"synthetic: {word}", "dataset.yaml").synthetic


@pytest.mark.parametrize("word", ["false", "False", "no", "NO", "off", "'off'"])
def test_data_is_not_synthetic_in_any_word_for_no(word: str) -> None:
    """Nor is real data marked, however that is said."""
    assert not parse(Dataset, f"synthetic: {word}", "dataset.yaml").synthetic


@pytest.mark.parametrize(
    "word",
    [
        "",
        "~",
        "null",
        "y",
        "n",
        "1",
        "0",
        "0.0",
        "t",
        "perhaps",
        "'true '",
        "[true]",
        "{true: true}",
        "oui",
        "ｔｒｕｅ",
    ],
)
def test_whether_data_is_synthetic_is_not_guessed(word: str) -> None:
    """What is no plain word for yes or no is refused, for it could be taken for no."""
    assert "synthetic: write true or false" in refusal(Dataset, f"synthetic: {word}")


MODELS: dict[str, type[BaseModel]] = {"issuer.yaml": Issuer, "law.yaml": Law}


@pytest.mark.parametrize("file", MODELS)
def test_the_files_that_come_with_the_templates_parse(file: str) -> None:
    """What a new installation starts from is in order."""
    assert parse(MODELS[file], (TEMPLATES / file).read_text("utf-8"), file)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("campaigns:\n  - campaign_id: A\n   name: B\n", "line 3: cannot be read as YAML"),
        ("campaigns: [\n", "line 2: cannot be read as YAML"),
        ("campaigns: []\n---\ncampaigns: []\n", "line 2: cannot be read as YAML: a second document"),
        ("---\n---\ncampaigns: []\n", "line 2: cannot be read as YAML: a second document"),
        (
            "a: !!python/object:os.system x\n",
            "line 1: cannot be read as YAML: the tag 'tag:yaml.org,2002:python/object:os.system': remove it",
        ),
        ("a: \0\n", "cannot be read as YAML"),
        ("requests: []\nrequests: []\n", "line 2: cannot be read as YAML: 'requests' appears twice"),
        (
            "campaigns:\n- campaign_id: A\n  name: B\n  law: {A: x, A: y}\n",
            "line 4: cannot be read as YAML: 'A' appears twice",
        ),
        ("x: &x {a: 1}\ny:\n  <<: *x\n", "line 3: cannot be read as YAML: an alias"),
        ("x: !!binary aGk=\n", "line 1: cannot be read as YAML: the tag"),
        ("x: !!int '0130'\n", "line 1: cannot be read as YAML: the tag"),
        ("x: ! 42\n", "line 1: cannot be read as YAML: the tag"),
        ("x: !!set {a}\n", "line 1: cannot be read as YAML: the tag"),
        ("\n? [a]\n: b\n", "line 2: cannot be read as YAML: a key that is not text"),
        ("requests: []\n~: b\n", "line 2: cannot be read as YAML: a key that is not text"),
        ("1: x\n'1': y\n", "line 2: cannot be read as YAML: '1' appears twice"),
        ("requests: []\n...\nrequests: []\n", "line 3: cannot be read as YAML: did not find expected"),
        ("requests: []\n---\n", "line 2: cannot be read as YAML: a second document"),
        ("requests:\n\t- x\n", "line 2: cannot be read as YAML"),
        ("# why\u2028requests: []\n", "line 1: cannot be read as YAML: U+2028"),
        ("\nrequests: [a\x85b]\n", "line 2: cannot be read as YAML: U+0085"),
        ("[" * 100_000, "line 1: cannot be read as YAML: nested too deeply"),
        ("- campaigns\n", "expected keys and values, found list"),
        ("campaigns\n", "expected keys and values, found str"),
        ("#" * (MOST_CHARACTERS + 1), "longer than 4,000,000 characters"),
    ],
)
def test_what_is_not_yaml_is_refused_with_its_line(text: str, problem: str) -> None:
    """The message names the file, the line and what is wrong there."""
    assert problem in refusal(Registry, text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("campaign: []\n", "campaign: unknown key"),
        (registry({"operater": "x"}), "campaigns, item 1, operater: unknown key"),
        (
            registry({"attribution": {"confidence": "high", "aproval": []}}),
            "campaigns, item 1, attribution, aproval: unknown key",
        ),
        ("campaigns:\n- campaign_id: A\n", "campaigns, item 1, name: missing"),
        ("<<: {requests: []}\n", "<<: unknown key"),
        *(
            (
                f"campaigns:\n- {{campaign_id: {null}, name: B}}\n",
                "campaigns, item 1, campaign_id: not text: put it in quotes",
            )
            for null in ("", "~", "null", "Null", "NULL")
        ),
        ("campaigns:\n- {campaign_id: [A], name: B}\n", "campaigns, item 1, campaign_id: not text"),
        (
            "campaigns:\n- {campaign_id: ' ', name: B}\n",
            "campaign_id: empty",
        ),
        ("true: x\n", "true: unknown key"),
        (
            registry({"attribution": {"confidence": "certain"}}),
            "attribution, confidence: write 'low'",
        ),
        (
            registry({"attribution": {"confidence": "high", "likelihood": "maybe"}}),
            "attribution: likelihood 'maybe' is not one of almost no chance",
        ),
        (registry({"techniques": ["T1566"]}), "'T1566' is not an ATLAS technique"),
        *(
            (f"campaigns:\n- {{campaign_id: A, name: B, actions: [{{action: x, date: {day}}}]}}\n", problem)
            for day, problem in [
                *((day, "actions, item 1, date: not a date: write it like") for day in NO_DAYS),
                ("2026-02-30", "actions, item 1, date: 2026-02-30 is not a day of the calendar: correct it"),
            ]
        ),
        *(
            (
                registry({"published": {"exchanges": n, "disclosed": "2026-02-23", "source": "x"}}),
                f"exchanges: {problem}",
            )
            for n, problem in [
                (-1, "not a count"),
                (1.5, "not a count"),
                (True, "not a count"),
                (None, "not a count"),
            ]
        ),
        (
            registry(
                {
                    "published": {
                        "exchanges": 1,
                        "exchanges_hedge": "over",
                        "disclosed": "2026-02-23",
                        "source": "x",
                    }
                }
            ),
            "exchanges_hedge: write 'more than'",
        ),
        (
            "campaigns:\n- {campaign_id: A, name: B}\n- {campaign_id: A, name: C}\n",
            "campaign 'A' is listed twice",
        ),
        ("campaigns:\n- {campaign_id: A, name: B}\n- {campaign_id: ' A ', name: C}\n", "'A' is listed twice"),
    ],
)
def test_a_wrong_field_is_refused_with_its_path(text: str, problem: str) -> None:
    """The message names the file, the field and what is wrong with it."""
    assert problem in refusal(Registry, text)


def test_an_element_of_a_law_is_listed_once() -> None:
    """Two elements with one id would share their evidence."""
    element = {"id": "A", "text": "x", "plain": "x"}
    law = {"citation": "x", "status": "x", "title": "x", "elements": [element, dict(element)]}
    assert "element 'A' is listed twice" in refusal(Law, yaml.safe_dump(law))


EARLIER = Path(__file__).parents[1] / "earlier"
A_LAW = """
citation: Act, section 1
title: what it forbids
status: a bill
version: {text: introduced, date: 2026-04-15}
stage: {date: 2026-04-22, action: reported}
note: An amended text was not at hand.
groups:
- {id: how, logic: any of, text: How it was done, plain: How}
- {id: out, logic: excludes, text: What is left out, plain: Left out}
- {id: terms, logic: all of, text: Terms, plain: Terms}
definitions:
- {id: model, group: terms, text: A closed model, plain: Model}
elements:
- {id: i, group: how, text: By one way, plain: One way}
- {id: ii, group: how, text: By another, plain: Another}
- {id: c, group: out, text: With leave, plain: Leave, excludes: true}
assessment:
- {id: origin, text: Where from, plain: Origin, note: Nobody says.}
"""


def test_a_law_says_how_its_elements_count() -> None:
    """Its text and its stage each have a date, its elements and definitions a group, and each group its logic."""
    law = parse(Law, A_LAW, "law.yaml")
    assert law.version is not None
    assert law.stage is not None
    assert (str(law.version.date), str(law.stage.date)) == ("2026-04-15", "2026-04-22")
    assert [(g.id, g.logic) for g in law.groups] == [
        ("how", "any of"),
        ("out", "excludes"),
        ("terms", "all of"),
    ]
    assert [(e.id, e.group) for e in law.in_groups] == [
        *(("model", "terms"), ("i", "how"), ("ii", "how"), ("c", "out"))
    ]


@pytest.mark.parametrize(
    ("there", "instead", "problem"),
    [
        (
            "logic: any of",
            "logic: one of",
            "groups, item 1, logic: write 'all of', 'any of', 'weighed together'",
        ),
        ("logic: any of", "logic: Any of", "groups, item 1, logic: write 'all of'"),
        (", logic: any of", "", "groups, item 1, logic: missing: add it"),
        (", logic: any of", ", logics: any of", "groups, item 1, logic: missing: add it"),
        ("text: How it was done, ", "", "groups, item 1, text: missing: add it"),
        ("groups:", "group:", "group: unknown key"),
        ("definitions:", "definition:", "definition: unknown key"),
        ("version: {text", "versions: {text", "versions: unknown key"),
        ("stage: {date", "status_date: {date", "status_date: unknown key"),
        ("date: 2026-04-15", "date: 15 April 2026", "version, date: not a date: write it like 2026-06-20"),
        (", date: 2026-04-15", "", "version, date: missing: add it"),
        (
            "version: {text: introduced, date: 2026-04-15}",
            "version: introduced",
            "version: not keys and values",
        ),
        ("date: 2026-04-22", "date: 2026-04-14", "stage: its date is before the date of version"),
        ("{date: 2026-04-22, ", "{", "stage, date: missing: add it"),
        ("id: i, group: how", "id: i", "element 'i': group: missing: name one of how, out, terms"),
        ("id: i, group: how", "id: i, groups: how", "elements, item 1, groups: unknown key"),
        (
            "id: i, group: how",
            "id: i, group: How",
            "element 'i': group: there is no group 'How': use one of how",
        ),
        ("id: model, group: terms", "id: model", "element 'model': group: missing"),
        ("id: model", "id: i", "element 'i' is listed twice"),
        ("{id: out, logic", "{id: how, logic", "group 'how' is listed twice"),
        ("group: terms, text: A", "group: how, text: A", "group 'terms' has no element: add one to it"),
        ("logic: excludes", "logic: any of", "element 'c': excludes: its group 'out' is 'any of'"),
        ("plain: Origin", "Plain: Origin", "assessment, item 1, Plain: unknown key"),
        ("note: Nobody says.", "note: ''", "assessment, item 1, note: empty"),
        ("- {id: origin", "- {id: origin, text: x}\n- {id: origin", "matter 'origin' is listed twice"),
    ],
)
def test_a_mistake_about_how_elements_count_is_named(there: str, instead: str, problem: str) -> None:
    """In one line with the file and the key."""
    assert A_LAW.count(there) == 1
    with pytest.raises(InvalidSettings) as caught:
        parse(Law, A_LAW.replace(there, instead), "law.yaml")
    told = str(caught.value)
    assert told.startswith("law.yaml: ")
    assert problem in told
    assert "\n" not in told


def test_definitions_take_groups() -> None:
    """Without groups nothing would print them."""
    ungrouped = re.sub(r"(?m)^groups:\n(- .*\n)+", "", A_LAW).replace("group: how, ", "")
    assert "element 'c': group: there is no group 'out': add groups" in refusal(
        Law, re.sub(r"(?m)^definitions:\n- .*\n", "", ungrouped)
    )
    assert "definitions: they are printed in groups: add groups" in refusal(Law, ungrouped)


def test_a_law_of_before_says_what_it_said() -> None:
    """A file without the keys that came later has none of them, in its digest either."""
    written = (EARLIER / "0.1.0" / "law.yaml").read_text("utf-8")
    law = parse(Law, written, "law.yaml")
    assert set(law.model_dump()) == {
        *("citation", "title", "status", "elements", "assessment_title", "assessment")
    }
    assert {key for element in law.model_dump()["elements"] for key in element} == {
        *("id", "text", "plain", "excludes")
    }
    assert {key for matter in law.model_dump()["assessment"] for key in matter} == {
        "id",
        "text",
        "answered_by",
    }


def test_an_alias_bomb_is_refused() -> None:
    """Lists of lists of lists, each ten times the one before, are not unfolded."""
    names = "abcdefghijklmnopqrstuvwxyz"
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]" for before, name in pairwise(names)]
    assert "line 2: cannot be read as YAML: an alias" in refusal(Registry, "\n".join(lines))


@pytest.mark.parametrize("text", AS_WRITTEN)
def test_text_is_as_it_is_written(text: str) -> None:
    """An id, a name and a key are the very characters of the file, whatever they look like."""
    written = f"campaigns:\n- campaign_id: {text}\n  name: {text}\n  law:\n    {text}: {text}\n"
    (entry,) = parse(Registry, written, "campaigns.yaml").campaigns
    assert (entry.campaign_id, entry.name, entry.law) == (text, text, {text: text})


@pytest.mark.parametrize("text", ["null", "~", ""])
def test_what_is_null_can_be_quoted(text: str) -> None:
    """In quotes null is a text like any other, but for one that is empty."""
    written = f"campaigns:\n- campaign_id: '{text}'\n  name: x\n  operator: {text}\n"
    if not text:
        assert "campaign_id: empty" in refusal(Registry, written)
        return
    (entry,) = parse(Registry, written, "campaigns.yaml").campaigns
    assert (entry.campaign_id, entry.operator) == (text, None)


@pytest.mark.parametrize("number", NO_COUNTS)
def test_a_count_is_digits_alone(number: str) -> None:
    """Octal, sexagesimal and hexadecimal numbers, signs, separators and exponents are refused, by the field."""
    written = (
        "campaigns:\n- campaign_id: A\n  name: B\n"
        f"  published:\n    exchanges: {number}\n    disclosed: 2026-02-23\n    source: x\n"
    )
    assert "campaigns, item 1, published, exchanges: not a count: write digits only" in refusal(
        Registry, written
    )


@pytest.mark.parametrize("number", ["0", "7", "130", "13000000", "9" * 18, "'130'"])
def test_a_count_is_what_its_digits_say(number: str) -> None:
    """A number in digits alone is that number, with or without quotes."""
    written = (
        "campaigns:\n- campaign_id: A\n  name: B\n"
        f"  published: {{exchanges: {number}, disclosed: 2026-02-23, source: x}}\n"
    )
    (entry,) = parse(Registry, written, "campaigns.yaml").campaigns
    assert entry.published
    assert str(entry.published.exchanges) == number.strip("'")


@pytest.mark.parametrize("text", ["%YAML 1.1\n---\n{}\n", "%YAML 1.2\n---\n{}...\n", "---\n{}\n", "\r\n{}"])
def test_one_document_is_read_however_it_is_framed(text: str) -> None:
    """A directive, the marks of a document, a mark of byte order and the line ends of any system change nothing."""
    written = text.replace("{}", "requests:\r\n  - 007\r\n")
    for mark in ("", "\ufeff"):
        assert parse(Registry, mark + written, "campaigns.yaml").requests == ("007",)


def test_a_tag_for_text_is_known() -> None:
    """A text may be tagged as one."""
    assert parse(Dataset, "title: !!str 42", "dataset.yaml").title == "42"


def test_dates_are_days() -> None:
    """A day may be written with or without quotes."""
    for day in (date(2026, 2, 23), "2026-02-23"):
        entry = parse(
            Registry, registry({"actions": [{"date": day, "action": "x"}]}), "campaigns.yaml"
        ).entry("A")
        assert date(2026, 2, 23) == entry.actions[0].date


@pytest.mark.parametrize("sentence", APART)
def test_confidence_and_likelihood_never_share_a_sentence(sentence: str) -> None:
    """However it is phrased, and in whatever field."""
    for entry in (
        {"attribution": {"confidence": "high", "likelihood_statement": sentence}},
        {"attribution": {"confidence": "high", "basis": ["x", sentence]}},
        {"response": sentence},
        {"law": {"A": sentence}},
    ):
        assert "write two sentences" in refusal(Registry, registry(entry))


@pytest.mark.parametrize("sentences", TOGETHER)
def test_confidence_and_likelihood_may_follow_one_another(sentences: str) -> None:
    """Two sentences may stand in one field."""
    entry = {"attribution": {"confidence": "high", "confidence_statement": sentences}}
    assert parse(Registry, registry(entry), "campaigns.yaml").entry("A").attribution


@pytest.mark.parametrize("words", LIKELIHOODS)
def test_every_word_of_estimative_probability_is_known(words: str) -> None:
    """Each of the seven degrees is accepted as a likelihood, and refused beside confidence."""
    assert words == Attribution(confidence="low", likelihood=words).likelihood
    assert "write two sentences" in refusal(Registry, registry({"response": f"With confidence: {words}."}))


@pytest.mark.parametrize(
    ("confidence", "approvals", "named"),
    [
        ("high", ["general counsel", "head of threat intelligence"], True),
        ("moderate", ["a", "b"], True),
        ("low", ["a", "b"], False),
        ("high", ["a"], False),
        ("high", [], False),
        ("high", ["General Counsel", "general counsel"], False),
        ("high", ["general counsel", " general  counsel\t"], False),
        ("high", ["GeneralCounsel", "general counsel"], False),
        ("high", ["Straße", "STRASSE"], False),
        ("high", ["a", "a", "b"], True),
    ],
)
def test_a_name_takes_two_approvers_and_moderate_confidence(
    confidence: str, approvals: list[str], named: bool
) -> None:
    """The same approver written otherwise is still the same."""
    entry = {"operator": "Example Trading", "attribution": {"confidence": confidence, "approvals": approvals}}
    found = parse(Registry, registry(entry), "campaigns.yaml").entry("A")
    assert ("Example Trading" if named else None) == found.printable_operator


def test_an_operator_without_an_attribution_is_withheld() -> None:
    """Nobody has approved the name yet."""
    found = parse(Registry, registry({"operator": "Example Trading"}), "campaigns.yaml").entry("A")
    assert found.printable_operator is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("name: X\ncolours: {accent: red}\n", "colours, accent: does not match"),
        ("name: X\ncolours: {accent: '#12436d; x: url(//host)'}\n", "colours, accent: does not match"),
        ('name: X\ncolours: {accent: "#12436d\\n"}\n', "colours, accent: does not match"),
        ("name: X\nmarking: TLP:WHITE\n", "marking: write 'TLP:CLEAR'"),
        ("name: X\nlanguage: fr\n", "language: write 'en-US' or 'en-GB'"),
        ("name: X\naddressee: {senator: y}\n", "addressee, senator"),
    ],
)
def test_a_letterhead_is_refused_where_it_is_wrong(text: str, problem: str) -> None:
    """Colours are six hexadecimal digits, markings those of TLP 2.0."""
    assert problem in refusal(Issuer, text)


# What a name is made of

REFUSED = "\x00\x07\x1b\x7f\x85\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
STAYS = [
    "深度求索",
    "삼성전자",
    "می\u200cخواهم",
    "क्\u200dष",
    "שלום\u200e\u200f",
    "น้ำ",
    "Кампания",
    "\u200b",
    "𠮷",
    "👍",
]
Field = tuple[str, type[BaseModel], Callable[[str], object]]
FIELDS: dict[str, Field] = {
    "campaign_id": (
        "campaigns.yaml",
        Registry,
        lambda text: {"campaigns": [{"campaign_id": text, "name": "B"}]},
    ),
    "name": ("campaigns.yaml", Registry, lambda text: {"campaigns": [{"campaign_id": "A", "name": text}]}),
    "operator": (
        "campaigns.yaml",
        Registry,
        lambda text: {"campaigns": [{"campaign_id": "A", "name": "B", "operator": text}]},
    ),
    "detectors": ("campaigns.yaml", Registry, lambda text: {"detectors": [{"name": text}]}),
    "issuer": ("issuer.yaml", Issuer, lambda text: {"name": text}),
    "address": ("issuer.yaml", Issuer, lambda text: {"address": ["x", text]}),
    "addressee": ("issuer.yaml", Issuer, lambda text: {"addressee": {"lawmaker": text}}),
    "citation": (
        "law.yaml",
        Law,
        lambda text: {"citation": text, "status": "x", "title": "x", "elements": []},
    ),
}
PROSE: dict[str, Field] = {
    "requests": ("campaigns.yaml", Registry, lambda text: {"requests": [text]}),
    "methods": (
        "campaigns.yaml",
        Registry,
        lambda text: {"campaigns": [{"campaign_id": "A", "name": "B", "methods": [text]}]},
    ),
    "dataset": ("dataset.yaml", Dataset, lambda text: {"description": text}),
}


def written(content: Any) -> str:
    return yaml.dump(content, allow_unicode=False)


@pytest.mark.parametrize("where", FIELDS | PROSE)
@pytest.mark.parametrize("character", REFUSED)
def test_what_hides_or_reorders_is_refused(where: str, character: str) -> None:
    """In every name and text that a page prints, by file, field and place."""
    file, model, made = (FIELDS | PROSE)[where]

    told = rf"character 2 is U\+{ord(character):04X} \(|'A.*B' holds a control character or a line break"
    with pytest.raises(InvalidSettings, match=rf"^{file}: .+: ({told})") as refused:
        parse(model, written(made(f"A{character}B")), file)
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("where", FIELDS)
@pytest.mark.parametrize("character", ["\n", "\t", "\r"])
def test_a_name_is_on_one_line(where: str, character: str) -> None:
    """A line break or a tab inside a name is refused; at its end it does not count."""
    file, model, made = FIELDS[where]

    with pytest.raises(
        InvalidSettings, match=r"(character 2 is U\+000[9AD] \(a (tab|line break)\)|holds a control)"
    ):
        parse(model, written(made(f"A{character}B")), file)
    assert parse(model, written(made(f"AB{character}")), file)


@pytest.mark.parametrize("where", PROSE)
def test_a_text_may_have_lines(where: str) -> None:
    """What is written over several lines stays one text."""
    file, model, made = PROSE[where]

    assert parse(model, written(made("First line,\n\tsecond line.")), file)


@pytest.mark.parametrize("where", FIELDS)
@pytest.mark.parametrize("text", STAYS)
def test_names_in_any_script_are_accepted(where: str, text: str) -> None:
    """With the joiners and marks that some scripts are not written without."""
    file, model, made = FIELDS[where]

    assert text in json.dumps(parse(model, written(made(text)), file).model_dump(), ensure_ascii=False)


def test_a_lone_surrogate_is_refused() -> None:
    """It is no character, and no file can hold it."""
    with pytest.raises(ValidationError, match="unicode"):
        CampaignProfile(campaign_id="A", name="\ud800")


def test_the_language_of_a_campaign() -> None:
    """Its texts go by it, and those of campaigns without one by their script."""
    found = parse(
        Registry,
        registry(
            {"language": "zh-Hant", "name": "直門骨", "attribution": {"confidence": "high", "basis": ["月"]}}
        ),
        "campaigns.yaml",
    )

    assert found.written == {"A": "zh-Hant", "直門骨": "zh-Hant", "high": "zh-Hant", "月": "zh-Hant"}
    assert parse(Registry, registry({}), "campaigns.yaml").written == {}


def test_a_language_in_latin_script_is_refused() -> None:
    """With the languages that there are."""
    assert "campaigns, item 1, language: language 'en' is not one of am, ar, " in refusal(
        Registry, registry({"language": "en"})
    )


def test_no_language_leaves_no_trace() -> None:
    """A registry without languages has the digest that it had before there were any."""
    assert (
        "language"
        not in parse(Registry, registry({}), "campaigns.yaml").model_dump(mode="json")["campaigns"][0]
    )

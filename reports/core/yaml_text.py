"""YAML from outside, as it is written: each value is its text, and the field that it is for says what that means.

The look of a value decides nothing here. In YAML it does: by the rules of 1.1, `0130` is 88, `1:30` is 90, `no` is
false and `2026-05-01` is a date; by those of 1.2, `007` is 7 and `1e3` is 1000. So PyYAML is used only for the syntax.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

DEEPEST = 20

_Parser: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # PyYAML may have been built without C
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_TEXT = "tag:yaml.org,2002:str"
# Line breaks in YAML 1.1 but not in 1.2: a comment might end there
_BREAKS = re.compile("[\x85\u2028\u2029]")


class NotYaml(ValueError):
    """A text that cannot be read; `line` counts from 1, and is None for the whole text."""

    def __init__(self, problem: str, line: int | None) -> None:
        super().__init__(problem)
        self.line = line


def read_yaml(text: str) -> Any:
    """What a YAML document says: dictionaries, lists, texts, and None for what is plainly empty or null.

    Raises `NotYaml` for anything that is not YAML, or means something other than is written: aliases, tags, duplicate
    keys, a second document; and for nesting deeper than `DEEPEST`.
    """
    if found := _BREAKS.search(text):
        problem = f"U+{ord(found[0]):04X}, which only some programs read as a line break: write a space or a new line"
        raise NotYaml(problem, text.count("\n", 0, found.start()) + 1)
    try:
        return _document(yaml.parse(text, _Parser))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise NotYaml(str(getattr(error, "problem", error)), mark.line + 1 if mark else None) from None


def _document(events: Iterator[Any]) -> Any:
    content: Any = None
    documents = 0
    for event in events:
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise _wrong("a second document: keep one", event)
        elif isinstance(event, yaml.NodeEvent):
            content = _value(event, events, 0)
    return content


def _value(event: Any, events: Iterator[Any], depth: int) -> Any:
    if isinstance(event, yaml.AliasEvent):
        raise _wrong("an alias: write out its value", event)
    if event.tag is not None and not (event.tag == _TEXT and isinstance(event, yaml.ScalarEvent)):
        raise _wrong(f"the tag {event.tag!r}: remove it", event)
    if isinstance(event, yaml.ScalarEvent):
        plain = event.implicit[0]
        return None if plain and event.value in _NULL else event.value
    if depth == DEEPEST:
        raise _wrong("nested too deeply", event)
    if isinstance(event, yaml.MappingStartEvent):
        return _mapping(events, depth + 1)
    return [_value(each, events, depth + 1) for each in _until(yaml.SequenceEndEvent, events)]


def _mapping(events: Iterator[Any], depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for event in _until(yaml.MappingEndEvent, events):
        key = None if isinstance(event, yaml.CollectionStartEvent) else _value(event, events, depth)
        if key is None:
            raise _wrong("a key that is not text: put it in quotes", event)
        if key in found:
            raise _wrong(f"{key!r} appears twice", event)
        found[key] = _value(next(events), events, depth)
    return found


def _until(end: type[yaml.Event], events: Iterator[Any]) -> Iterator[Any]:
    while not isinstance(event := next(events), end):
        yield event


def _wrong(problem: str, event: Any) -> NotYaml:
    return NotYaml(problem, event.start_mark.line + 1)

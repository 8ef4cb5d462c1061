"""Limits on the work of templates: counted, never timed, so that no page depends on the machine."""

from __future__ import annotations

from dataclasses import dataclass, field

from jinja2 import TemplateRuntimeError

MOST_STEPS = 20_000_000
MOST_CHARACTERS = 150_000_000
MOST_PRINTED = 20_000_000
MOST_SOURCE = 300_000
DEEPEST = 40


class Beyond(TemplateRuntimeError):
    """The templates do more work than allowed."""


@dataclass(slots=True)
class Meter:
    """Counts the work of one briefing's templates; raises `Beyond` if it exceeds the limit.

    A step is a part of a template that is filled (in a loop, each time), an item of a list that is made or looked
    through, or the use of a filter or a macro. Characters are those of every text that is made or looked through, and
    `source` those of the templates themselves. Depth is the nesting of macros and includes.
    """

    steps: int = 0
    characters: int = 0
    source: int = 0
    depth: int = 0
    _entered: list[int] = field(default_factory=list)

    def step(self, count: int = 1) -> None:
        """Count steps."""
        self.steps += count
        if self.steps > MOST_STEPS:
            raise Beyond(f"the templates take more than {MOST_STEPS:,} steps: shorten their loops")

    def write(self, count: int) -> None:
        """Count characters."""
        self.characters += count
        if self.characters > MOST_CHARACTERS:
            raise Beyond(f"the templates produce more than {MOST_CHARACTERS:,} characters: print less")

    def load(self, count: int) -> None:
        """Count the characters of a template."""
        self.source += count
        if self.source > MOST_SOURCE:
            raise Beyond(f"the templates have more than {MOST_SOURCE:,} characters together: shorten them")

    def extend(self) -> None:
        """Count a nesting level that ends with the enclosing one."""
        self.depth += 1
        if self.depth > DEEPEST:
            raise Beyond(f"macros and includes are nested more than {DEEPEST} deep: use fewer")

    def enter(self) -> None:
        """Count a level, until `leave`."""
        self._entered.append(self.depth)
        self.extend()

    def leave(self) -> None:
        """End a nesting level, and those that end with it."""
        self.depth = self._entered.pop()

"""`exhibit compare`."""

# ruff: noqa: PLC0415

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reports.cli.terminal import WITH_STATUS, Verbs, plain, recorded, say
from reports.errors import CheckFailed, ExhibitError, Unavailable

if TYPE_CHECKING:
    from reports.compare import Comparison, Moved, ObjectChange
    from reports.record import Record

EXIT = {"consistent": 0, "contradictory": 1, "could not be compared": 3}


def add(verbs: Verbs) -> None:
    compare = verbs.add_parser(
        "compare",
        help="compare two briefings",
        description="Compare two briefings of one window: whether two audiences are told the same facts, or what "
        "moved from one edition to another, and which evidence did that.",
        **WITH_STATUS,
    )
    compare.add_argument("one", metavar="A", type=Path, help="a PDF")
    compare.add_argument("other", metavar="B", type=Path, help="another")
    compare.add_argument("--json", action="store_true", help="print everything that differs as JSON")
    compare.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from reports.compare import compare

    found = compare(_record(options.one), _record(options.other))
    if options.json:
        say(json.dumps(_data(found), indent=2, ensure_ascii=False))
    else:
        for line in _lines(found):
            say(plain(line))
    return EXIT[found.outcome]


def _record(file: Path) -> Record:
    """What a file records; one that nothing vouches for could not be compared, whatever is wrong with it."""
    try:
        return recorded(file)
    except ExhibitError as error:
        kind = Unavailable if isinstance(error, CheckFailed) else type(error)
        raise kind(f"{file}: {error}") from None


def _data(found: Comparison) -> dict[str, Any]:
    return {
        "outcome": found.outcome,
        "detail": found.detail,
        "briefings": list(found.names),
        "contradictions": [each.data("one", "other") for each in found.contradictions],
        "only": [
            {"briefing": name, "what": dict(of)} for name, of in zip(found.names, found.only, strict=True)
        ],
        "moved": [_moved(each) for each in found.moved],
        "objects": [asdict(each) for each in found.objects],
        "causes": list(found.causes),
    }


def _moved(each: Moved) -> dict[str, Any]:
    return {
        "from": each.before.model_dump() if each.before else None,
        "to": each.after.model_dump() if each.after else None,
        "objects": list(each.objects),
    }


def _lines(found: Comparison) -> Iterator[str]:
    yield f"{found.outcome}: {found.names[0]} and {found.names[1]}: {found.detail}"
    for each in found.contradictions:
        yield f"  differs  {each.at}: {each.before} and {each.after}"
    for name, of in zip(found.names, found.only, strict=True):
        for what, count in of.items():
            yield f"  only in {name}: {what}, {count}"
    for moved in found.moved:
        yield f"  moved    {_told(moved)}"
    for changed in found.objects:
        yield f"  {_object(changed)}"


def _told(moved: Moved) -> str:
    a, b = moved.before, moved.after
    shown = a or b
    row = ", ".join(f"{key} {value}" for key, value in shown.row.items()) if shown else ""
    values = " to ".join(
        f"{each.printed} ({each.id}, {each.value})" if each else "nothing" for each in (a, b)
    )
    return f"{values}: {row}"


def _object(changed: ObjectChange) -> str:
    what = "changed" if changed.before and changed.after else "removed" if changed.before else "added"
    counted = "".join(f", {count:+,} {name}" for name, count in changed.accounts_for.items())
    return f"{what:8} {changed.name}{counted}"

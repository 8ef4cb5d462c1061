"""`exhibit compare`."""

# ruff: noqa: PLC0415

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reports.cli.terminal import WITH_STATUS, Verbs, path, plain, recorded, say, say_json
from reports.core.errors import CheckFailed, Unavailable

if TYPE_CHECKING:
    from reports.core.json_diff import Difference
    from reports.verification.compare import Comparison, Moved, ObjectChange
    from reports.verification.record import Printed, Record

LONGEST = 200  # characters of one value
# How the keys of a figure's row are told; those of `TOLD` are told otherwise
PHRASES = {
    "day": "on {}",
    "window": "in the window {}",
    "standing": "that are {}",
    "capability": "with capability {}",
    "capabilities": "with the capabilities {}",
    "detector": "by detector {}",
    "detector_version": "version {}",
    "network": "through network {}",
    "country": "from {}",
    "confidence": "with confidence from {}",
    "band": "with confidence in band {}",
    "of": "by the {} of the accounts",
    "campaigns": "of the campaigns: {}",
    "subjects": "among the evidence objects: {}",
}
TOLD = {"column", "heading", "campaign_id", "from", "to", "ratio"}
EXIT = {"consistent": 0, "contradictory": 1, "could not be compared": 3}


def add(verbs: Verbs) -> None:
    compare = verbs.add_parser(
        "compare",
        help="compare two briefings",
        description="Compare two briefings of the same window: whether two audiences get the same facts, or what "
        "changed from one edition to another, and which evidence caused it.",
        **WITH_STATUS,
    )
    compare.add_argument("one", metavar="A", type=path, help="a PDF")
    compare.add_argument("other", metavar="B", type=path, help="another")
    compare.add_argument("--json", action="store_true", help="print every difference as JSON")
    compare.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from reports.verification.compare import compare

    found = compare(_record(options.one), _record(options.other))
    if options.json:
        say_json(_data(found), readable=True)
    else:
        for line in _lines(found):
            say(plain(line))
    return EXIT[found.outcome]


def _record(file: Path) -> Record:
    """What a file records; one that cannot be trusted could not be compared, whatever is wrong with it."""
    try:
        return recorded(file)
    except (CheckFailed, Unavailable) as error:
        raise Unavailable(f"{file}: {error}") from None


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
    first, second = found.names
    yield f"{found.outcome}: {first} and {second}: {found.detail}"
    for each in found.contradictions:
        yield f"  {_contradiction(each)}"
    for name, of in zip(found.names, found.only, strict=True):
        for what, count in of.items():
            yield f"  Only {name} has {_alone(what, count)}."
    for moved in found.moved:
        yield f"  {_moved_sentence(moved)}"
    for changed in found.objects:
        yield f"  {_object(changed)}"


def _contradiction(each: Difference) -> str:
    """`compare` names a figure with its counterpart, an edition, or a place in briefing.json."""
    before, after = _worded(each.before), _worded(each.after)
    if each.at.startswith("figure "):
        return f"F{each.at[1:]} have the exact values {before} and {after}."
    if each.at.startswith("two documents "):
        return f"There are {each.at}, with the SHA-256 {before} and {after}."
    if each.at.startswith("the edition "):
        return f"T{each.at[1:]} should be {before}, and the second names {after}."
    if each.at == "same_figures_as":
        return "The second says that it differs from the first only in its release, which is not true."
    return f"At {each.at} of briefing.json, the first has {before}, and the second {after}."


def _worded(value: Any) -> str:
    """A piece of JSON in words, or the words for a missing one."""
    from reports.core.json_diff import ABSENT

    if value is ABSENT:
        return "nothing"
    if isinstance(value, Mapping):
        found = ", ".join(f"{_spaced(key)} {_worded(each)}" for key, each in value.items())
    elif isinstance(value, list | tuple):
        found = " and ".join(map(_worded, value))
    elif value is None or isinstance(value, bool):
        found = {None: "not stated", True: "yes", False: "no"}[value]
    else:
        found = f"{value:,}" if isinstance(value, int) else f"{value}"
    found = found or "nothing"
    return found if len(found) <= LONGEST else f"{found[:LONGEST]}… (--json has all)"


def _spaced(key: str) -> str:
    return key.replace("_", " ")


def _alone(what: str, count: int) -> str:
    """What only one has: `compare` names a file, a place in briefing.json, or a source and heading of figures."""
    kind, _, place = what.partition(": ")
    if kind == "figures":
        source, _, heading = place.partition(" ")
        by = f" by {_spaced(heading)}" if heading and heading != "total" else ""
        return f"{count:,} figure{'' if count == 1 else 's'} from the {source}{by}"
    if kind == "briefing.json":
        more = f", {count} in all" if count > 1 else ""
        return f"something at {place} of briefing.json{more}"
    return f"the attached file {what}"


def _moved_sentence(moved: Moved) -> str:
    what = f"The figure for {about(moved.pair[0])}"
    if moved.before and moved.after:
        return f"{what} went from {_value(moved.before)} to {_value(moved.after)}."
    if moved.before:
        return f"{what} was {_value(moved.before)}, and is no longer printed."
    return f"{what} is new: {_value(moved.pair[0])}."


def _value(figure: Printed) -> str:
    exact = _worded(figure.value)
    more = "" if exact == figure.printed else f", exactly {exact}"
    return f"{figure.printed} (receipt {figure.id}{more})"


def about(figure: Printed) -> str:
    """What a figure is about, in words, from the row that it comes from."""
    if "ratio" in figure.row:
        part, whole = (_about_row(row, figure.unit) for row in figure.row["ratio"])
        everything = "" if " " in whole else "all "
        return f"{part}, {'as a share of' if figure.unit == 'share' else 'divided by'} {everything}{whole}"
    return _about_row(figure.row, figure.unit)


def _about_row(row: Mapping[str, Any], unit: str) -> str:
    words = [_spaced(row.get("column") or {"share": "the share", "multiple": "the multiple"}.get(unit, unit))]
    if "campaign_id" in row:
        words.append("of no campaign" if row["campaign_id"] is None else f"of campaign {row['campaign_id']}")
    if "from" in row:
        words.append(f"from {row['from']} to {row['to']}")
    for key, phrase in PHRASES.items():
        if key in row and row[key] != "all":
            words.append(phrase.format("not stated" if row[key] is None else _worded(row[key])))
    others = [key for key in row if key not in {*PHRASES, *TOLD}]
    words += [f"({_spaced(key)}: {_worded(row[key])})" for key in others]
    return " ".join(words)


def _object(changed: ObjectChange) -> str:
    what = "changed" if changed.before and changed.after else "removed" if changed.before else "added"
    counts = [_more(name, count) for name, count in changed.accounts_for.items() if count]
    return f"{changed.name} was {what}{f': {_listed(counts)}' if counts else ''}."


def _more(name: str, count: int) -> str:
    noun = name.removeprefix("counted ")
    if abs(count) == 1:
        noun = noun.removesuffix("s")
    that_count = " that " + ("counts" if abs(count) == 1 else "count") if name.startswith("counted ") else ""
    return f"{abs(count):,} {'more' if count > 0 else 'fewer'} {noun}{that_count}"


def _listed(items: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(items[:-1]), items[-1])))

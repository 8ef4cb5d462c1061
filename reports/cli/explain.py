"""`exhibit explain`."""

# ruff: noqa: PLC0415

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from reports.cli.evidence import add_evidence, reader
from reports.cli.terminal import WITH_STATUS, Verbs, add_quiet, path, plain, recorded, say, say_json
from reports.core.progress import Steps

if TYPE_CHECKING:
    from reports.verification.explain import Chain
    from reports.verification.record import Record, Subject

MOST_LISTED = 10


def add(verbs: Verbs) -> None:
    explain = verbs.add_parser(
        "explain",
        help="show what a figure comes from",
        description="Show what a printed figure comes from: its exact value, the question, the row of the answer, "
        "and the evidence objects that were counted. A file that was changed after signing is refused.",
        **WITH_STATUS,
    )
    explain.add_argument("file", metavar="FILE", type=path, help="the PDF")
    explain.add_argument(
        "figure", metavar="FIGURE", help='a receipt like F5, or the text, like "28.8 million"'
    )
    explain.add_argument("--json", action="store_true", help="print the result as JSON, with every object")
    add_quiet(explain)
    add_evidence(explain, "compute the figure again")
    explain.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from reports.verification.explain import explain, held_against

    briefing = recorded(options.file)
    chains = explain(briefing, options.figure)
    if holder := reader(options):
        from reports.verification.reproduce import recompute

        with Steps(options.quiet) as steps:
            chains = held_against(chains, recompute(briefing, holder, steps).printed)
    if options.json:
        say_json(_data(briefing, chains), readable=True)
    else:
        for chain in chains:
            say("\n".join(map(plain, _lines(chain))))
        say(f"document    {briefing.name}, window {briefing.window}, SHA-256 {briefing.sha256}")
        say("            unchanged since it was signed; `exhibit verify` shows who signed it")
    return 1 if any(chain.equal is False for chain in chains) else 0


def _data(briefing: Record, chains: tuple[Chain, ...]) -> dict[str, Any]:
    return {
        "document": {
            "name": briefing.name,
            "sha256": briefing.sha256,
            "window": {"from": str(briefing.window.first), "to": str(briefing.window.last)},
        },
        "figures": [_figure(chain) for chain in chains],
    }


def _figure(chain: Chain) -> dict[str, Any]:
    again = {} if chain.equal is None else {"computed": chain.again, "equal": chain.equal}
    return {
        **chain.figure.model_dump(exclude={"question"}),
        "source": chain.figure.question,
        "questions": [
            asked.model_dump(by_alias=True, exclude={"sql"}, exclude_unset=True) for asked in chain.asked
        ],
        "settings": chain.file.model_dump() if chain.file else None,
        "days": {"from": str(chain.days.first), "to": str(chain.days.last)} if chain.days else None,
        "objects": [_object(each) for each in chain.objects],
        **again,
    }


def _object(each: Subject) -> dict[str, Any]:
    return {"name": each.name, "sha256": each.digest.sha256, **each.annotations.model_dump()}


def _lines(chain: Chain) -> Iterator[str]:
    from reports.verification.explain import ELSEWHERE

    figure = chain.figure
    yield f"{figure.id:12}{figure.printed}"
    yield f"value       {_number(figure.value)} {figure.unit}"
    if chain.equal is not None:
        found = "nothing" if chain.again is None else _number(chain.again)
        yield f"again       {found}: {'equal' if chain.equal else 'not equal'}"
    for asked in chain.asked:
        yield f"question    {asked.name}, SQL with SHA-256 {asked.sql_sha256}"
        yield f"            parameters {', '.join(asked.parameters)}"
        if asked.engine:
            run_as = asked.execution_id or "no execution id"
            yield f"            answered by {asked.engine} {asked.engine_version}, {run_as}"
    if not chain.asked:
        yield f"source      {ELSEWHERE.get(figure.question, figure.question)}"
    if chain.file:
        yield f"            {chain.file.name}, SHA-256 of what it says {chain.file.digest.sha256}"
    yield f"row         {_row(figure.row)}"
    if chain.days:
        yield f"days        {chain.days}"
    listed = chain.objects if len(chain.objects) <= MOST_LISTED else chain.objects[: MOST_LISTED // 2]
    if chain.objects:
        yield f"objects     {len(chain.objects)}, with what counts from each in the window, for all campaigns"
    for each in listed:
        yield f"{'':12}{each.digest.sha256}  {each.name}{_counted(each)}"
    if len(listed) < len(chain.objects):
        yield f"            and {len(chain.objects) - len(listed)} others: --json lists them"
    yield ""


def _counted(each: Subject) -> str:
    """How much of the window's figures is of an object."""
    counts = {what: n for name, n in each.counted.items() if (what := name.removeprefix("counted ")) != name}
    return "".join(f", {n:,} {what}" for what, n in counts.items())


def _number(value: float | str) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value}"


def _row(row: Mapping[str, Any]) -> str:
    if "ratio" in row:
        return " divided by ".join(f"({_row(each)})" for each in row["ratio"])
    return ", ".join(f"{key} {value}" for key, value in row.items())

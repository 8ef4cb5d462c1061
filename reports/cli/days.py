"""`exhibit days` and `exhibit close`."""

# ruff: noqa: PLC0415

from __future__ import annotations

import argparse
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

from reports.cli.terminal import HOLDS_EVIDENCE, Verbs, add_quiet, instant, say, say_json
from reports.core.errors import InvalidRequest, Unavailable
from reports.core.progress import Steps

if TYPE_CHECKING:
    from reports.evidence.closed_days import ClosedDays
    from reports.evidence.days import Day

FORGET = "forget"
CELLS = "the days that a stack has closed: s3://BUCKET, or s3://BUCKET/PREFIX"


def add(verbs: Verbs) -> None:
    days = verbs.add_parser(
        "days",
        help="list the days of evidence, or forget an account",
        description="List the days of evidence: closed (counted, and unchanged since), changed (since then), open (not "
        "closed yet) and missing (without evidence). Or forget an account: remove what is kept of every day that holds "
        "it.",
    )
    days.add_argument(
        "act", metavar=FORGET, nargs="?", choices=(FORGET,), help="remove what is kept of an account's days"
    )
    days.add_argument("account", metavar="ACCOUNT", nargs="?", help="the id of that account")
    days.add_argument("--evidence", metavar="PLACE", help=HOLDS_EVIDENCE)
    days.add_argument("--cells", metavar="PLACE", help=CELLS)
    days.add_argument("--json", action="store_true", help="print the days as JSON")
    days.set_defaults(run=run)
    close = verbs.add_parser(
        "close",
        help="count days ahead, so that briefings are quick",
        description="Count every day up to a window's end that has changed or is not closed, and keep what it adds up "
        "to. Briefings come to the same figures without it.",
    )
    close.add_argument("--evidence", metavar="PLACE", required=True, help=HOLDS_EVIDENCE)
    close.add_argument("--window", metavar="W", required=True, help="as for exhibit publish")
    close.add_argument("--as-of", metavar="INSTANT", help="the time of the request (default: now)")
    close.add_argument("--cells", metavar="PLACE", help=CELLS)
    add_quiet(close)
    close.set_defaults(run=run_close)


def run(options: argparse.Namespace) -> int:
    if options.act == FORGET:
        return _forget(options)
    if options.evidence is None:
        raise InvalidRequest("exhibit days needs --evidence: name a folder, or s3://BUCKET/PREFIX/")
    from reports.evidence.days import states

    with _kept(), _opened(options) as days:
        found = states(days)
    if options.json:
        say_json({"evidence": options.evidence, "days": [_data(day) for day in found]}, readable=True)
    else:
        _say(found)
    return 0


def run_close(options: argparse.Namespace) -> int:
    from reports.core.window import resolve
    from reports.evidence.days import close

    as_of = instant("--as-of", options.as_of)
    window = resolve(options.window, as_of)
    with _kept(), _opened(options, push=True) as days, Steps(options.quiet) as steps:
        closed = close(days, window, as_of, steps)
        place = options.cells or days.source.store.cells
    say(f"closed: {_many(closed, 'day')} up to {window.last}, kept in {place}")
    return 0


@contextmanager
def _opened(options: argparse.Namespace, *, push: bool = False) -> Iterator[ClosedDays]:
    """The days of evidence, in the user's folder or a stack's bucket; what was closed is put there at any end."""
    from reports.evidence_access import days_in, days_of

    if options.cells is None:
        with days_of(options.evidence, ahead=True) as days:
            yield days
        return
    with days_in(options.cells, options.evidence) as (days, store):
        try:
            yield days
        finally:
            if push:
                store.push()


def _forget(options: argparse.Namespace) -> int:
    if options.account is None or options.evidence is not None or options.json:
        raise InvalidRequest("exhibit days forget takes one account id, and at most --cells")
    if options.cells is not None:
        _forget_shared(options)
    else:
        _forget_own(options)
    say(
        "What evidence still holds of the account comes back when its days are closed again, or its objects are read."
    )
    return 0


def _forget_own(options: argparse.Namespace) -> None:
    from reports.evidence.cache_folder import cache
    from reports.evidence.day_store import DayStore
    from reports.evidence.days import forget

    with _kept(), cache(lasting=True) as folder:
        days, copies = forget(DayStore(folder), options.account)
    say(
        f"removed: what was kept of {_many(days, 'day')}, and {_many(copies, 'copy', 'copies')} of objects in S3"
    )


def _forget_shared(options: argparse.Namespace) -> None:
    from reports.evidence.days import forget_shared
    from reports.evidence_access import shared_days

    with _kept(), shared_days(options.cells) as store:
        days, files = forget_shared(store, options.account)
    say(f"removed: what was kept of {_many(days, 'day')}, {_many(files, 'file')} in {options.cells}")


@contextmanager
def _kept() -> Iterator[None]:
    """Tell what is wrong with what is kept."""
    try:
        yield
    except sqlite3.Error as error:
        raise Unavailable(f"the list of closed days cannot be used ({error}): run it again") from None


def _many(number: int, one: str, several: str = "") -> str:
    return f"{number:,} {one if number == 1 else several or f'{one}s'}"


def _data(day: Day) -> dict[str, object]:
    return {**asdict(day), "day": str(day.day)}


def _say(days: Sequence[Day]) -> None:
    for each in days:
        told = f"{each.day}  {each.layout or '':4}  {each.state:7}"
        if each.objects:
            told += f"  {_many(each.objects, 'object')}, {_many(each.size, 'byte')}"
        if each.exchanges is not None:
            told += (
                f"; counted: {_many(each.detections or 0, 'detection')}, {_many(each.exchanges, 'exchange')}"
            )
        say(told.rstrip())
    say(
        ", ".join(
            f"{number:,} {state}" for state, number in sorted(Counter(each.state for each in days).items())
        )
    )

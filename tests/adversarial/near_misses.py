"""`python -m tests.adversarial.near_misses COUNT SEED`: evidence that is nearly right, made by rule.

Each piece is counted as the reader below counts it, which shares nothing with Exhibit's, or refused with a line that
names its place. What a rule calls good has to be counted.
"""

from __future__ import annotations

import csv
import json
import random
import re
import sys
import tempfile
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from reports.core.errors import InvalidEvidence
from reports.core.window import Window
from reports.evidence import engine_duckdb
from reports.evidence.engine_duckdb import DuckDBEngine
from reports.evidence.questions import Inquiry, history, overlap
from reports.evidence.source import FolderEvidence

DAY, NEXT = date(2026, 5, 1), date(2026, 5, 2)
AS_OF = datetime(2026, 6, 20, 12, tzinfo=UTC)
IDS = ("detection_id", "account_id", "campaign_id")
LABELS = (*IDS, "capability", "detector", "detector_version", "network", "country")
COUNTED = ("new", "in_progress", "resolved")
PLACE = re.compile(r"(detections|ext|Detections|Ext)\b|event_?day|\.(parquet|jsonl|csv)", re.IGNORECASE)
Row = dict[str, Any]
Objects = dict[str, list[Row]]


@dataclass(frozen=True)
class Piece:
    """Evidence by its objects' names, the kind of what is nearly right about it, and whether it has to be counted."""

    kind: str
    objects: Objects
    good: bool = False
    text: Callable[[str], str] = str


def row(number: int, day: date = DAY, **fields: Any) -> Row:
    """A plain row."""
    began = datetime(day.year, day.month, day.day, 8, number % 60)
    return {
        "detection_id": f"d-{number}",
        "revised_at": began + timedelta(hours=2),
        "status": "new",
        "account_id": f"a-{number % 3}",
        "campaign_id": "C-1",
        "first_seen": began,
        "last_seen": began + timedelta(hours=1),
        "exchange_count": 10**number,
        "capability": "reasoning",
        "detector": "volume",
        "detector_version": "1.1",
        "confidence": 0.9,
        "network": "relay",
        "country": "SG",
        **fields,
    }


# Rules. Each makes a piece of one kind, with a chance of its own


def labels(chance: random.Random) -> Piece:
    column = chance.choice(LABELS)
    base = chance.choice(["a-0", "é", "17", "007", "12e4", "NA", "Nan", "深度", "a b", "nul", "x" * 300])
    around = chance.choice(["", "", " ", "\t", "\u00a0", "\ufeff", "\u3000", "\u2028", "\n"])
    inside = chance.choice(
        [*[""] * 4, "\u00a0", "\u3000", "\u200b", "\u200e", "\x00", "\x1f", "\x85", "\u2029", "\x7f"]
    )
    form: Literal["NFC", "NFD"] = chance.choice(["NFC", "NFD"])
    text = around + unicodedata.normalize(form, base[:1] + inside + base[1:]) + around
    text = chance.choice(
        [text] * 6 + ["nan", "NaN", "None", "null", "NULL", "<NA>", "\\N", " ", "none", "N/A"]
    )
    good = not inside and text.strip() not in {"nan", "NaN", "None", "null", "NULL", "<NA>", "\\N", ""}
    suffix = chance.choice(SUFFIXES)
    return Piece("labels", one(suffix, [row(1) | {column: text}, row(2) | {column: base}, row(3)]), good)


def numbers(chance: random.Random) -> Piece:
    column = chance.choice(LABELS)
    value = chance.choice([17, 17.0, 2**53 - 1, 2**53, 1.5, float(2**53), 2**62, -3, 0, True])
    suffix = chance.choice([".jsonl", ".parquet"])
    rows = [row(1) | {column: value}, row(2) | {column: value}]
    good = type(value) is int or (column in IDS and value == 17.0 and value is not True)
    return Piece("numbers", one(suffix, rows), good and not (suffix == ".parquet" and value is True))


def columns(chance: random.Random) -> Piece:
    name = chance.choice(list(row(1)))
    changed = chance.choice(
        [
            *(
                name.upper(),
                name.title(),
                name.replace("_", ""),
                name.replace("_", "-"),
                f" {name}",
                f"{name} ",
            ),
            *(
                f"{name}\u200b",
                name.replace("a", "\u0430"),
                name.replace("o", "\uff4f"),
                f"{name}2",
                f"x_{name}",
            ),
        ]
    )
    rows = [row(1), row(2)]
    for each in rows if chance.random() < 0.5 else []:
        each[changed] = each.pop(name) if chance.random() < 0.5 else each[name]
    if changed != name and changed not in rows[0]:
        for each in rows:
            each[changed] = "something else"
    return Piece("columns", one(chance.choice(SUFFIXES), rows))


def own_columns(chance: random.Random) -> Piece:
    names = [
        "filename",
        "file_index",
        "file_row_number",
        "$path",
        "$row",
        "json",
        "rowid",
        "campaigns",
        "note",
    ]
    rows = [row(n) | {chance.choice(names): n} for n in (1, 2)]
    return Piece("own columns", one(chance.choice([".jsonl", ".csv"]), [rows[0]]) | two(rows[1]), good=True)


def keys(chance: random.Random) -> Piece:
    key = chance.choice([*row(1), "note", "extra"])
    again = json.dumps(chance.choice(["z", 5]))

    def twice(line: str) -> str:
        return f'{line[:-1]}, "{key}": {again}}}'

    objects = one(".jsonl", [row(1) | {"note": "a", "extra": 1}, row(2)])
    return Piece("keys", objects, good=key in ("note", "extra"), text=twice)


def instants(chance: random.Random) -> Piece:
    column = chance.choice(["first_seen", "last_seen", "revised_at"])
    step = chance.choice(
        [timedelta(microseconds=n) for n in (-1, 0, 1, 499, 500, 999_499, 999_500)]
        + [timedelta(milliseconds=1), timedelta(hours=24), timedelta(hours=48), timedelta(days=400)]
    )
    noon = datetime(2026, 5, 1, 12)
    edge = chance.choice([datetime(2026, 5, 1), datetime(2026, 5, 2), noon, AS_OF.replace(tzinfo=None)])
    value = edge + chance.choice([-1, 1]) * step
    rows = [row(1, **{column: value}), row(2)]
    return Piece("instants", one(chance.choice(SUFFIXES), rows))


def ties(chance: random.Random) -> Piece:
    first = row(1)
    other = first | {
        "revised_at": first["revised_at"] + timedelta(microseconds=chance.choice([0, 0, 400, 499, 500, 1000]))
    }
    column = chance.choice([None, "status", "exchange_count", "country", "account_id", "confidence"])
    values = {
        "status": "suppressed",
        "exchange_count": 7,
        "country": "DE",
        "account_id": "z",
        "confidence": 0.5,
    }
    if column:
        other[column] = values[column]
    later = [first | {"revised_at": first["revised_at"] + timedelta(hours=1), "exchange_count": 5}]
    rows = [first, *(later if chance.random() < 0.3 else [])]
    return Piece("ties", one(chance.choice(SUFFIXES), [*rows, row(2)]) | two(other), good=column is None)


def places(chance: random.Random) -> Piece:
    rows, more = [row(1)], [row(2)]
    good = chance.choice(
        ["detections/event_day=2026-05-01/hour=08/b.jsonl", "detections/event_day=2026-05-01/sub/b.jsonl"]
    )
    name = chance.choice(
        [
            *(
                "Detections/event_day=2026-05-01/b.jsonl",
                "detections/dt=2026-05-01/b.jsonl",
                "detections/b.jsonl",
            ),
            *("detections/2026/05/01/b.jsonl", "detections/event_day=2026-5-1/b.jsonl", "ext/b.jsonl"),
            *(
                "detections/Event_Day=2026-05-01/b.jsonl",
                "detections/event_day=2026-05-01/_delta_log/b.jsonl",
            ),
            *("detection/event_day=2026-05-01/b.jsonl", "ext/src/accountId=1/eventDay=20260501/b.jsonl"),
            *("detections/event_day=2026-05-01/_tmp/b.jsonl", "detections/event_day=2026-05-01/.b.jsonl"),
            *("notes/b.jsonl", "extra/event_day=2026-05-01/b.jsonl", *[good] * 6),
        ]
    )
    return Piece("places", {"detections/event_day=2026-05-01/a.jsonl": rows, name: more}, good=name == good)


def days(chance: random.Random) -> Piece:
    moved = chance.choice([DAY, DAY, NEXT, date(2025, 5, 1), date(2026, 4, 30)])
    return Piece("days", one(chance.choice(SUFFIXES), [row(1, moved), row(2)]), good=moved == DAY)


def spreadsheets(chance: random.Random) -> Piece:
    column = chance.choice(IDS)
    texts = chance.sample(["17.0", "8.0", "9", "007", "x", "12e4", "17.00", "1.5"], 3)
    rows = [row(n) | {column: text} for n, text in enumerate(texts, 1)]
    return Piece("spreadsheets", one(".csv", rows), good=True)


def sums(chance: random.Random) -> Piece:
    counts = chance.sample([2**63 - 1, 2**62, 2**62 - 1, 1, 0, 2**53 + 1], 2)
    rows = [row(n, exchange_count=count) for n, count in enumerate(counts, 1)]
    return Piece("sums", one(chance.choice(SUFFIXES), rows), good=sum(counts) < 2**63)


RULES = (labels, numbers, columns, own_columns, keys, instants, ties, places, days, spreadsheets, sums)
SUFFIXES = (".jsonl", ".csv", ".parquet")


def one(suffix: str, rows: list[Row]) -> Objects:
    return {f"detections/event_day=2026-05-01/a{suffix}": rows}


def two(other: Row) -> Objects:
    return {"detections/event_day=2026-05-01/b.jsonl": [other]}


def write(root: Path, piece: Piece) -> None:
    for name, rows in piece.objects.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".parquet":
            pq.write_table(pa.Table.from_pylist(rows), path)
        elif path.suffix == ".csv":
            with path.open("w", newline="") as file:
                writer = csv.DictWriter(file, list(dict.fromkeys(key for each in rows for key in each)))
                writer.writeheader()
                writer.writerows(rows)
        else:
            lines = [piece.text(json.dumps(each, default=lambda v: f"{v.isoformat()}Z")) for each in rows]
            path.write_text("".join(f"{line}\n" for line in lines))


# The other reader


class Odd(Exception):
    """It is not sure what this means."""


def counted_by_hand(root: Path) -> tuple[int, int, int]:
    """Exchanges, accounts and detections on the day; raises `Odd`."""
    latest: dict[str, list[tuple[datetime, Row]]] = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_dir() or re.search(r"(^|/)[._](?!delta_log)", name):
            continue
        if re.fullmatch(r"(notes|extra)/.*", name):
            continue
        if not re.fullmatch(r"detections/event_day=2026-05-01/((hour=08|sub)/)?\w+\.\w+", name):
            raise Odd(name)
        for each in read(path):
            instant = milliseconds(each["revised_at"])
            latest.setdefault(label(each, "detection_id", required=True), []).append((instant, checked(each)))
    found = [winner(of) for of in latest.values()]
    kept = [each for each in found if each["status"] in COUNTED]
    if sum(each["exchange_count"] for each in found) >= 2**63:
        raise Odd("sum")
    return sum(each["exchange_count"] for each in kept), len({e["account_id"] for e in kept}), len(kept)


def winner(revisions: list[tuple[datetime, Row]]) -> Row:
    last = max(instant for instant, _ in revisions)
    rows = [each for instant, each in revisions if instant == last]
    if any(each != rows[0] for each in rows):
        raise Odd("tie")
    return rows[0]


def read(path: Path) -> Iterator[Row]:
    """Rows with the known names, each once."""
    known = set(row(1)) | {"output_tokens"}
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        rows: list[list[tuple[str, Any]]] = [list(each.items()) for each in table.to_pylist()]
    elif path.suffix == ".csv":
        with path.open(newline="") as file:
            head, *body = list(csv.reader(file))
        rows = [
            [(k, v or None) for k, v in zip(head, cells, strict=True)] for cells in spreadsheet(head, body)
        ]
    else:
        lines = filter(None, path.read_text("utf-8").split("\n"))
        rows = [json.loads(line, object_pairs_hook=list, parse_float=Written) for line in lines]
    for pairs in rows:
        names = [name for name, _ in pairs]
        for name in names:
            if name not in known and squeezed(name) in {squeezed(k) for k in known}:
                raise Odd(name)
            if name in known and names.count(name) > 1:
                raise Odd(name)
        yield {name: value for name, value in pairs if name in known}


class Written(float):
    """A number of JSON that knows how it was written."""

    def __new__(cls, text: str) -> Written:
        made = super().__new__(cls, text)
        made.text = text
        return made

    text: str


def squeezed(name: str) -> str:
    plain = unicodedata.normalize("NFKC", name).casefold().replace("\u0430", "a")
    return "".join(c for c in plain if c.isalnum())


def spreadsheet(head: list[str], body: list[list[str]]) -> list[list[str]]:
    for place, name in enumerate(head):
        cells = [each[place].strip() for each in body if each[place].strip()]
        if name in IDS and cells and all(re.fullmatch(r"(0|[1-9]\d*)(\.0)?", cell) for cell in cells):
            for each in body:
                each[place] = each[place].strip().removesuffix(".0")
    return body


def label(each: Row, name: str, *, required: bool = False) -> str:
    value = each.get(name)
    if isinstance(value, bool | list | dict):
        raise Odd(name)
    if isinstance(value, float):
        text = value.text if isinstance(value, Written) else repr(float(value))
        if name in IDS:
            whole = re.fullmatch(r"(-?[1-9]\d*|0)\.0+", text)
            if not whole or abs(value) >= 2**53:
                raise Odd(name)
            value = whole[1]
        elif isinstance(value, Written):
            value = text
        else:
            raise Odd(name)
    text = "" if value is None else str(value)
    space = (
        "".join(c for c in map(chr, range(0x3001)) if c.isspace() and c not in "\x1c\x1d\x1e\x1f") + "\ufeff"
    )
    text = unicodedata.normalize("NFC", text.strip(space))
    if any(unicodedata.category(c) in ("Cc", "Zl", "Zp") for c in text):
        raise Odd(name)
    if text in ("nan", "NaN", "None", "null", "NULL", "<NA>", "\\N") or (required and not text):
        raise Odd(name)
    return text


def milliseconds(value: Any) -> datetime:
    instant = value if isinstance(value, datetime) else datetime.fromisoformat(str(value).removesuffix("Z"))
    since = (instant.replace(tzinfo=None) - datetime(1970, 1, 1)) // timedelta(microseconds=1)
    return datetime(1970, 1, 1) + timedelta(milliseconds=(since + 500) // 1000)


def checked(each: Row) -> Row:
    began, ended, revised = (milliseconds(each[k]) for k in ("first_seen", "last_seen", "revised_at"))
    day = datetime(DAY.year, DAY.month, DAY.day)
    two_days = timedelta(hours=48)
    if not (day <= began <= day + timedelta(1) and began <= ended <= revised + two_days):
        raise Odd("instant")
    if not began - timedelta(hours=24) <= revised <= AS_OF.replace(tzinfo=None) + two_days:
        raise Odd("instant")
    if each["status"] not in (*COUNTED, "suppressed", "deleted"):
        raise Odd("status")
    values = {name: label(each, name, required=name in ("account_id", "detector")) for name in LABELS}
    numbers_ = {"exchange_count": int(each["exchange_count"]), "confidence": float(each["confidence"])}
    return {**values, **numbers_, "status": each["status"], "first_seen": began, "last_seen": ended}


# Both


def counted(root: Path) -> tuple[int, int, int]:
    """What Exhibit counts, alike as little evidence and as much; raises `InvalidEvidence`."""
    both: list[tuple[int, int, int] | str] = []
    usual = engine_duckdb.BATCH_BYTES
    for size in (0, usual) if all(path.suffix == ".parquet" for path in root.rglob("*.*")) else (usual,):
        engine_duckdb.BATCH_BYTES = size
        try:
            both.append(counted_at_once(root))
        except InvalidEvidence as error:
            both.append(str(error))
        finally:
            engine_duckdb.BATCH_BYTES = usual
    assert both[0] == both[-1], f"{both[-1]}, and as much evidence {both[0]}"
    if isinstance(both[0], str):
        raise InvalidEvidence(both[0])
    return both[0]


def counted_at_once(root: Path) -> tuple[int, int, int]:
    """What Exhibit counts in batches of their present size; raises `InvalidEvidence`."""
    engine = DuckDBEngine(FolderEvidence(root))
    tallies = Inquiry(Window(DAY, DAY), AS_OF).tallies(DAY)
    rows = engine.ask(tallies, lambda *_: None).rows
    for question in (history(tallies, DAY - timedelta(9)), overlap(tallies, DAY)):
        engine.ask(question, lambda *_: None)
    total = [r for r in rows if r["heading"] == "total" and r["all_campaigns"] and r["standing"] == "tallied"]
    return (total[0]["exchanges"], total[0]["accounts"], total[0]["detections"]) if total else (0, 0, 0)


def outcome(piece: Piece) -> str:
    """`counted` or `refused`; raises `AssertionError` for anything else."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write(root, piece)
        try:
            found = counted(root)
        except InvalidEvidence as error:
            refusal = str(error)
        else:
            refusal = ""
        if refusal:
            assert not piece.good, f"{piece}: refused: {refusal}"
            assert PLACE.search(refusal), f"{piece}: no place: {refusal}"
            return "refused"
        try:
            by_hand = counted_by_hand(root)
        except Odd as odd:
            raise AssertionError(f"{piece}: counted {found}, though {odd} is odd") from None
        assert found == by_hand, f"{piece}: {found}, by hand {by_hand}"
        return "counted"


def run(count: int, seed: int) -> Mapping[str, Counter[str]]:
    """How many of each kind were counted and refused."""
    chance = random.Random(seed)  # noqa: S311 -- test data
    outcomes: dict[str, Counter[str]] = {}
    for n in range(count):
        piece = RULES[n % len(RULES)](chance)
        outcomes.setdefault(piece.kind, Counter())[outcome(piece)] += 1
    return outcomes


if __name__ == "__main__":
    for kind, of_kind in run(int(sys.argv[1]), int(sys.argv[2])).items():
        print(f"{kind:14} {of_kind['counted']:5} counted {of_kind['refused']:5} refused")

"""`python -m tests.adversarial.engine_sets COUNT SEED`: random evidence, asked of DuckDB and of Trino.

Each set has to give the same figures on both, or be refused by both. What tables do not read at all they may refuse
alone, by its name: a type, a compression, an encoding, a damaged footer, an object that they do not show. DuckDB may
refuse alone what follows the last member of gzip, zeros aside. About half of the sets count.
"""

from __future__ import annotations

import gzip
import json
import logging
import random
import re
import sys
import tempfile
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from reports.core.errors import ExhibitError, InvalidEvidence
from reports.evidence.columns import COLUMNS, Column, Layout, Step
from reports.evidence.engine_duckdb import DuckDBEngine
from reports.evidence.questions import QueryEngine
from reports.evidence.source import FolderEvidence
from reports.evidence.table_ddl import Table
from reports.evidence.tables import Format
from tests.contracts.query_engine import CHOICES, DAYS, HISTORY, NOON, TALLIES, detection, flat, ocsf
from tests.support.evidence_files import Record, finding, milliseconds, row
from tests.support.fakes import Detection
from tests.support.trino import SINCE, Stack, stack

BY_NAME = re.compile(
    r"tables? (read|reads|do not read|does not show|flat does not show|ocsf does not show)|is compressed with"
    r"|can not read class org.apache.parquet|Document nesting depth"
    r"|is encoded with|is read as nested columns by tables|tables cannot tell"
)
"""What is said of evidence that tables do not read, though DuckDB does."""
BEYOND = re.compile("Not a gzipped file")
"""What DuckDB alone refuses: bytes other than zeros after the last member of gzip, of which a table shows nothing."""
CODECS = ("none", "snappy", "gzip", "zstd", "lz4", "brotli")
Delivered = dict[str, list[Record]]


@dataclass(frozen=True)
class Piece:
    """Evidence by its objects' names, of a kind; `hidden` are values that the tables' partitions do not name."""

    kind: str
    told: str
    format: Format
    files: Mapping[str, bytes]
    hidden: frozenset[str] = frozenset()
    ocsf: Format | None = None


# What is delivered


def delivered(chance: random.Random, layout: Layout, suffix: str, *, ties: bool = False) -> Delivered:
    """Records of some detections, several of them revised, by the names of their objects."""
    objects: Delivered = {}
    regions = chance.choice([("eu-west-1",), ("eu-west-1", "us-east-2")])
    for number in range(chance.randint(2, 8)):
        fields: dict[str, Any] = {name: chance.choice(values) for name, values in CHOICES.items()}
        fields["detection_id"] = f"d-{chance.randrange(12)}"
        fields["exchange_count"] = chance.randrange(100)
        fields["output_tokens"] = chance.choice([None, chance.randrange(100)])
        step = timedelta(milliseconds=chance.randint(-2, 2) if ties else number)
        if layout == "flat":
            step += timedelta(microseconds=chance.choice([0, 0, 0, 100, 499] if not ties else [0, 500, 900]))
        found = detection(chance.choice(DAYS[3:7]), **fields, revised_at=NOON + step)
        name, record = _placed(chance, found, layout, suffix, regions, number)
        objects.setdefault(name, []).append(record)
    return objects


def _placed(  # noqa: PLR0917
    chance: random.Random,
    found: Detection,
    layout: Layout,
    suffix: str,
    regions: Sequence[str],
    number: int,
) -> tuple[str, Record]:
    if layout == "flat":
        record = {name: value for name, value in row(found).items() if name != "delivered_in"}
        return flat(found.event_day, suffix, chance.randrange(2)), record
    day = found.event_day + timedelta(chance.choice([-2, 0, 0, 1, 5]))
    return ocsf(day, suffix, region=chance.choice(regions)), finding(found, number)


def one_of(chance: random.Random, objects: Delivered) -> Record:
    return chance.choice([record for records in objects.values() for record in records])


def put(record: Record, path: Sequence[Step], value: Any) -> None:
    """Put a value at a path of a record."""
    node: Any = record
    for step in path[:-1]:
        if isinstance(node, list):
            node = node[0]
        elif not node.get(step):
            node[step] = [{}]
            node = node[step]
        else:
            node = node[step]
    step = path[-1]
    if isinstance(step, int):
        node[:1] = [value]
    else:
        (node[0] if isinstance(node, list) else node)[step] = value


# JSON


class Raw(str):
    """Text that stands in JSON as it is."""

    __slots__ = ()


def encoded(record: Record) -> str:
    def plain(value: Any) -> Any:
        if isinstance(value, Raw):
            return f"<<{value.encode().hex()}>>"
        if isinstance(value, dict):
            return {name: plain(each) for name, each in value.items()}
        if isinstance(value, list):
            return [plain(each) for each in value]
        return f"{value.isoformat()}Z" if isinstance(value, datetime) else value

    text = json.dumps(plain(record), ensure_ascii=False)
    return re.sub('"<<([0-9a-f]*)>>"', lambda found: bytes.fromhex(found[1]).decode(), text)


def as_json(objects: Mapping[str, Sequence[Record]]) -> dict[str, bytes]:
    found = {}
    for name, records in objects.items():
        content = "".join(f"{encoded(record)}\n" for record in records).encode("utf-8", "surrogatepass")
        found[name] = gzip.compress(content, 1) if name.endswith(".gz") else content
    return found


INTEGERS = [
    *(
        "12",
        "12.0",
        "1e2",
        "1.5",
        "-1",
        "-0",
        "-0.0",
        "0.0",
        "9007199254740991",
        "9007199254740992.0",
        "true",
    ),
    *("9007199254740993", "4611686018427387904", "9223372036854775808", "1E+2", "100e-2", "12.50", "1e400"),
    *('"12"', '" 12 "', '"12.0"', '"+7"', '"1e2"', '"007"', '"12."', '".5"', '"-3"', '""', '" "', "null"),
    *("{}", "[]", "[5]", '"\u0661"', '"1_000"', '"0x10"', '"\\t12"', '"12\\n"', '"\u00a012"', '"1,000"'),
    *('"00"', '"1.0e1"', "1e0", "9.0e15", "9.1e15", "0e0", '"٣"', '"12\\u0000"', "9007199254740991.0"),
]
NUMBERS = [
    *("0.9", "9e-1", "1", "0", "0.0", "1.0", '"0.9"', '".5"', '"1."', '"+0.5"', '" 0.5 "', "1e-400", "-0.0"),
    *("0.8999999999999999", "0.89999", "0.90000000000000002", '"NaN"', '"Infinity"', "1.0000001", "true"),
    *(
        "null",
        '"0.5f"',
        '"0.5d"',
        '"1e-1"',
        '"0,5"',
        '"0x1p-1"',
        '""',
        "{}",
        "[0.5]",
        "0.49999999999999999999",
    ),
    *('"\\t0.5"', '"0.5\\u00a0"', "5E-1", "0.69999999999999996", '"٠.٥"', "1e-5", '"1e+0"', "2", "-1e-9"),
]
CLOCKS = [
    *(
        "T08:00:00Z",
        "T08:00:00",
        " 08:00:00",
        "T08:00:00.5Z",
        "T08:00:00.123Z",
        "T08:00:00.123456Z",
        "T08:00",
    ),
    *("T08:00:00.123456789Z", "T08:00:00.1234567891234Z", "T08:00:00.9995Z", "T08:00:00.0004999Z", ""),
    *(
        "T10:00:00+02:00",
        "T10:00:00+0200",
        "T10:00:00+02",
        "T02:30:00-05:30",
        "T08:00:00 UTC",
        "T08:00:00UTC",
    ),
    *("T08:00Z", "T08:00 UTC", "T24:00:00Z", "T08:00:60Z", "T08:00:00z", "t08:00:00Z", "T08:00:00,5Z"),
    *("T08:00:00 +02:00", "T08:00:00.Z", "T08:60:00Z", "T25:00:00Z", "T22:00:00+14:00", "T23:00:00+15:00"),
    *("T23:59:00+23:59", "T02:00:00-18:00", "T08:00:00-00:00", "T08:00:00 Europe/Berlin", "T08:00:00Z ", "Z"),
    *("T23:59:59.9996Z", "T23:59:59.9994Z", " 08:00", "T8:00:00Z", "T08:00:00[UTC]", "T08:00:00.5+0130", "T"),
    *(" 08:00:00.123456+00", "T08:00:00.0000000Z", "T00:00:00Z", " 08:00:00.5 UTC", "T08:00:00  Z", "T08Z"),
]
LABELS = [
    *("17", "17.0", "1.10", "1e3", "17.50", "9007199254740993", "9007199254740993.0", "-0", "-0.0", "true"),
    *("false", "null", "{}", '{"a":1}', "[]", '["a"]', '""', '" "', '"nan"', '" NULL "', '"e\u0301"', "1E3"),
    *('"\U0001f600"', '"\\ud83d\\ude00"', '"\\ud800"', '"\\udc00a"', '"a\\u0000b"', '"a\\u2028"', '"a\\/b"'),
    *('"a\\\\u0062"', '"a\\"b"', '"17.0"', '"\\ufffd"', '"\ufffd"', '"a\\tb"', '"\\ta"', '"\u200ba"', '"NA"'),
    *(
        f'"{"x" * 70_000}"',
        '"\u00a0a\ufeff"',
        '"a\u0085b"',
        '"\\ud83d"',
        '"\\\\ud83d"',
        '"\x7f"',
        "-17",
        "1.0e2",
    ),
    *('"a\u001fb"', "12345678901234567890", "123456789012345678901234567890", "0.1", "1.10e0", "-5.0", "0"),
    *(
        '"\\N"',
        '"\u1e69\u0323"',
        '"\u212b"',
        '"\\u00e9"',
        '"\\u0065\\u0301"',
        '"a \\u3000"',
        '"\u0001"',
        "007",
    ),
]
TEXTS = [
    '"new"',
    '"New"',
    '" new"',
    '"resolved"',
    '"deleted"',
    "1",
    '"1"',
    "null",
    '""',
    "true",
    '"n\\u0065w"',
]


def tokens(column: Column) -> list[str]:
    if column.type == "instant":
        return [f'"{DAYS[4]}{clock}"' for clock in CLOCKS] + [
            "1777622400",
            '"1777622400000"',
            '""',
            "null",
            "{}",
        ]
    if column.type == "milliseconds":
        base = milliseconds(datetime(2026, 5, 2, 8))
        extra = [
            f"{base}",
            f"{base}.0",
            f'"{base}"',
            f"{base}.5",
            "1.7777088e12",
            f"{base // 1000}",
            "-1",
            "0",
        ]
        return [*extra * 2, *INTEGERS, '"2026-05-02T08:00:00Z"', f"{base}000", "253402300800000", "9e15"]
    return {"integer": INTEGERS, "number": NUMBERS, "id": LABELS, "heading": LABELS, "text": TEXTS}[
        column.type
    ]


def json_suffix(chance: random.Random) -> str:
    return chance.choice([".jsonl", ".jsonl.gz"])


def layout_of(chance: random.Random) -> Layout:
    return chance.choice(("flat", "ocsf"))


def format_of(chance: random.Random) -> Format:
    return chance.choice(("parquet", "json"))


def json_plain(chance: random.Random) -> Piece:
    layout = layout_of(chance)
    objects = delivered(chance, layout, json_suffix(chance), ties=chance.random() < 0.5)
    return Piece("JSON, plain", layout, "json", as_json(objects))


def json_values(chance: random.Random) -> Piece:
    layout = layout_of(chance)
    column = chance.choice(COLUMNS[layout])
    return _with_token(chance, layout, column, chance.choice(tokens(column)))


def json_instants(chance: random.Random) -> Piece:
    column = chance.choice([c for c in COLUMNS["flat"] if c.type == "instant"])
    return _with_token(chance, "flat", column, chance.choice(tokens(column)))


def _with_token(chance: random.Random, layout: Layout, column: Column, token: str) -> Piece:
    objects = delivered(chance, layout, json_suffix(chance))
    victim = one_of(chance, objects)
    if column.type == "instant":
        for name, hour in (("first_seen", 8), ("last_seen", 9), ("revised_at", 10)):
            victim[name] = datetime(2026, 5, 2, hour)
        victim["detection_id"] = "its own"
        objects = {name: [r for r in of if r is not victim] for name, of in objects.items()}
        suffix = ".jsonl.gz" if any(name.endswith(".gz") for name in objects) else ".jsonl"
        objects.setdefault(flat(date(2026, 5, 2), suffix), []).append(victim)
    put(victim, column.path, Raw(token))
    return Piece("JSON, values", f"{column.name} {token[:60]}", "json", as_json(objects))


def json_keys(chance: random.Random) -> Piece:
    layout = layout_of(chance)
    objects = delivered(chance, layout, json_suffix(chance))
    victim = one_of(chance, objects)
    column = chance.choice(COLUMNS[layout])
    name = [step for step in column.path if isinstance(step, str)][-1]
    other = chance.choice([*_near(name), f"{name}2", "note", "tags", "\u7b14", "note \ufffd"])
    what = chance.choice(
        ["near", "near", "twice", "escaped", "inside", "other twice", "text", "deep", "joined"]
    )
    if what == "near":
        put(victim, [*column.path[:-1], other] if isinstance(column.path[-1], str) else [other], "x")
    elif what == "twice":
        text = json.dumps(name)[1:-1]
        victim[f"{text}<<"] = 1
    elif what == "escaped":
        victim["escaped<<"] = 1
    elif what == "inside":
        victim["note"] = Raw(
            chance.choice([f'{{"{name}": 1}}', f'{{"{name}": 1, "{name}": 2}}', f'[{{"{name}":1}}]'])
        )
    elif what == "other twice":
        victim["note"] = Raw(chance.choice(['1, "note": 2', '{"a": 1, "a": 2}', '1, "not\\u0065": 3']))
    elif what == "text":
        victim["note"] = chance.choice(
            [f'"{name}": 1', f'a "{name}" : 2', f"{name}:", "\\", '\\"', '{"a": 1}']
        )
    elif what == "deep":
        victim["note"] = Raw("[" * (depth := chance.choice([20, 200, 1200])) + "]" * depth)
    else:
        victim[chance.choice(["unmapped.campaign_id", "finding_info.types", "a.b", "actor.user.uid"])] = "x"
    files = as_json(objects)
    if what in ("twice", "escaped"):
        code = f"\\u{ord(name[0]):04x}{name[1:]}"
        files = {
            key: _changed(
                key, content, lambda b: b.replace(b'<<"', b'"').replace(b'"escaped"', f'"{code}"'.encode())
            )
            for key, content in files.items()
        }
    return Piece("JSON, keys", f"{what} {column.name} {other if what == 'near' else ''}", "json", files)


def _near(name: str) -> list[str]:
    return [
        *(name.upper(), name.title(), name.replace("_", ""), name.replace("_", "-"), f" {name}", f"{name} "),
        *(f"{name}\u200b", name.replace("a", "\u0430"), name.replace("o", "\uff4f"), f"{name}s", f"_{name}"),
    ]


def _changed(name: str, content: bytes, change: Callable[[bytes], bytes]) -> bytes:
    plain = gzip.decompress(content) if name.endswith(".gz") else content
    return gzip.compress(change(plain), 1) if name.endswith(".gz") else change(plain)


LINES: Mapping[str, Callable[[bytes], bytes]] = {
    "blank lines": lambda b: b"\n" + b.replace(b"\n", b"\n\n"),
    "blanks": lambda b: b.replace(b"\n", b"\n  \t\n"),
    "CR at ends": lambda b: b.replace(b"\n", b"\r\n"),
    "CR only": lambda b: b.replace(b"\n", b"\r"),
    "CR alone": lambda b: b + b"\r\n\r\n",
    "no end": lambda b: b.rstrip(),
    "spaces around": lambda b: b"  " + b.replace(b"\n", b" \t\n "),
    "BOM": lambda b: b"\xef\xbb\xbf" + b,
    "BOM in each line": lambda b: b.replace(b'{"', b'\xef\xbb\xbf{"', 3),
    "two BOMs": lambda b: b"\xef\xbb\xbf\xef\xbb\xbf" + b,
    "BOM alone": lambda b: b"\xef\xbb\xbf\n" + b,
    "UTF-16": lambda b: b.decode().encode("utf-16"),
    "two on a line": lambda b: b.replace(b"\n", b""),
    "a line twice": lambda b: b + b,
    "junk": lambda b: b.replace(b"}\n", b"} x\n"),
    "comma": lambda b: b.replace(b"}\n", b"},\n"),
    "list of all": lambda b: b"[" + b.rstrip().replace(b"\n", b",\n") + b"]",
    "one list": lambda b: b"[" + b.rstrip().replace(b"\n", b",") + b"]\n",
    "null": lambda b: b + b"null\n",
    "number": lambda b: b + b"12\n",
    "text": lambda b: b + b'"text"\n',
    "list": lambda b: b + b"[]\n",
    "empty object": lambda b: b + b"{}\n",
    "broken": lambda b: b + b'{"a": \n',
    "cut": lambda b: b[:-9],
    "comment": lambda b: b"// it\n" + b,
    "quotes": lambda b: b.replace(b'"', b"'"),
    "NaN": lambda b: b.replace(b"}\n", b', "note": NaN}\n'),
    "trailing comma": lambda b: b.replace(b"}\n", b",}\n"),
    "control": lambda b: b.replace(b"}\n", b', "note": "a\x01b"}\n'),
    "tab": lambda b: b.replace(b"}\n", b', "note": "a\tb"}\n'),
    "NUL": lambda b: b.replace(b"}\n", b', "note": "a\x00b"}\n'),
    "NUL after": lambda b: b + b"\x00\x00",
    "NUL line": lambda b: b + b"\x00\n",
    "not UTF-8": lambda b: b.replace(b"}\n", b', "note": "a\xff\xfe"}\n'),
    "Latin-1": lambda b: b.replace(b"}\n", b', "note": "caf\xe9"}\n'),
    "surrogate as UTF-8": lambda b: b.replace(b"}\n", b', "note": "\xed\xa0\x80"}\n'),
    "overlong": lambda b: b.replace(b"}\n", b', "note": "\xc0\xaf"}\n'),
    "past Unicode": lambda b: b.replace(b"}\n", b', "note": "\xf5\x80\x80\x80"}\n'),
    "lost": lambda b: b.replace(b"}\n", b', "note": "\xef\xbf\xbd"}\n'),
    "emoji": lambda b: b.replace(b"}\n", ', "note": "\U0001f600\u2028\x85"}\n'.encode()),
    "half a pair": lambda b: b.replace(b"}\n", b', "note": "\\ud83d"}\n'),
    "half after a pair": lambda b: b.replace(b"}\n", b', "note": "\\ud83d\\ude00\\ude00"}\n'),
    "escape": lambda b: b.replace(b"}\n", b', "note": "\\x41"}\n'),
    "wrong escape": lambda b: b.replace(b"}\n", b', "note": "\\u12g4"}\n'),
    "plus": lambda b: b.replace(b"}\n", b', "note": +1}\n'),
    "01": lambda b: b.replace(b"}\n", b', "note": 01}\n'),
    "1.": lambda b: b.replace(b"}\n", b', "note": 1.}\n'),
    ".5": lambda b: b.replace(b"}\n", b', "note": .5}\n'),
    "huge": lambda b: b.replace(b"}\n", b', "note": 1e999}\n'),
    "wide": lambda b: b.replace(b"}\n", b', "note": 123456789012345678901234567890}\n'),
    "True": lambda b: b.replace(b"}\n", b', "note": True}\n'),
    "nested": lambda b: b.replace(b"}\n", b', "note": {"a": [1, {"b": null}], "c": "\\n"}}\n'),
    "long": lambda b: b.replace(b"}\n", b', "note": "' + b"x" * 300_000 + b'"}\n'),
    "empty key": lambda b: b.replace(b"}\n", b', "": 1}\n'),
    "VT": lambda b: b.replace(b"\n", b"\x0b\n"),
    "NBSP": lambda b: b.replace(b"\n", b"\xc2\xa0\n"),
    "form feed line": lambda b: b + b"\x0c\n",
    "NBSP line": lambda b: b + b"\xc2\xa0\n",
    "\\N": lambda b: b + b"\\N\n",
    "other class": lambda b: b + b'{"class_uid": 1001, "count": "x", "unmapped": [1]}\n',
    "other class, class twice": lambda b: b + b'{"class_uid": 1001, "class_uid": 2004}\n',
    "other class as text": lambda b: b + b'{"class_uid": "1001"}\n',
    "no class": lambda b: b + b'{"class_uid": null}\n',
}
HARMLESS = (
    *(
        "blank lines",
        "blanks",
        "CR at ends",
        "CR alone",
        "no end",
        "spaces around",
        "a line twice",
        "emoji",
        "BOM",
    ),
    *("nested", "long", "empty key", "other class", "huge", "wide"),
)


def json_lines(chance: random.Random) -> Piece:
    layout = layout_of(chance)
    objects = delivered(chance, layout, json_suffix(chance))
    files = as_json(objects)
    name = chance.choice(list(files))
    what = chance.choice([*LINES, *HARMLESS])
    files[name] = _changed(name, files[name], LINES[what])
    return Piece("JSON, lines", f"{layout} {what}", "json", files)


def json_gzip(chance: random.Random) -> Piece:
    layout = layout_of(chance)
    files = as_json(delivered(chance, layout, ".jsonl.gz"))
    name = chance.choice(list(files))
    content = files[name]
    plain = gzip.decompress(content)
    half = plain.index(b"\n") + 1
    ways = {
        "wrong CRC": content[:-8] + bytes([content[-8] ^ 1]) + content[-7:],
        "wrong size": content[:-1] + b"\x07",
        "cut": content[:-4],
        "cut in the middle": content[: len(content) // 2],
        "two members": gzip.compress(plain[:half]) + gzip.compress(plain[half:]),
        "members within a line": gzip.compress(plain[:9]) + gzip.compress(plain[9:]),
        "junk after": content + b"junk",
        "NULs after": content + bytes(16),
        "not gzip": plain,
        "twice": gzip.compress(content),
        "no bytes": b"",
        "empty": gzip.compress(b""),
        "blank": gzip.compress(b"\n"),
        "empty member": gzip.compress(b"") + content,
        "stored": gzip.compress(plain, 0),
        "best": gzip.compress(plain, 9),
        "with a name": _named(plain),
        "as it is": content,
    }
    what = chance.choice([*ways, "stored", "best", "with a name", "as it is", "two members", "two members"])
    files[name] = ways[what]
    return Piece("JSON, gzip", f"{layout} {what}", "json", files)


def _named(plain: bytes) -> bytes:
    out = BytesIO()
    with gzip.GzipFile("its name", "wb", 6, out, 1) as file:
        file.write(plain)
    return out.getvalue()


SHAPES: Sequence[tuple[tuple[Step, ...], Sequence[Any]]] = (
    (("evidences",), ([], None, {}, "x", [None], [1], [{}], [{"actor": None}], 5)),
    (("unmapped",), (None, {}, [], "x", '{"campaign_id": "C-9"}', {"a": {"b": [1]}}, 7)),
    (("unmapped", "campaign_id"), ({"a": 1}, ["x"], 5, 5.0, "", True)),
    (("unmapped", "note"), ({"a": 1}, "y")),
    (("unmapped", "Campaign_ID"), ("x",)),
    (("finding_info", "types"), (None, [], [None], "x", {}, [["a"]], [1.5], [5], ["", "b"])),
    (("finding_info", "analytic"), (None, "x", [], {"name": "n"}, {"name": None}, {})),
    (("finding_info", "Uid"), ("x",)),
    (("class_uid",), (1001, None, "2004", 2004.0, "x", 2004.5, True, Raw("2.004e3"))),
    (("status_id",), (0, 7, 99, 3, "4", 4.0, None)),
    (("confidence_score",), (0, 100, 101, -1, 50.0, 50.5, "70", None)),
    (("actor",), ({"user": {"uid": "x"}},)),
    (("Actor",), (1,)),
)


def json_shapes(chance: random.Random) -> Piece:
    objects = delivered(chance, "ocsf", json_suffix(chance))
    victim = one_of(chance, objects)
    path, value = chance.choice([(path, value) for path, values in SHAPES for value in values])
    put(victim, path, value)
    return Piece("JSON, shapes", f"{path} {value!r}", "json", as_json(objects))


# Parquet

_USER = pa.struct([("user", pa.struct([("uid", pa.string()), ("name", pa.string())]))])
TYPES: Mapping[str, pa.DataType] = {
    "id": pa.string(),
    "heading": pa.string(),
    "text": pa.string(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "instant": pa.timestamp("us"),
    "milliseconds": pa.int64(),
}
MAP = pa.map_(pa.string(), pa.string())
STRUCT = pa.struct([(name, pa.string()) for name in ("campaign_id", "output_tokens", "network", "country")])
_WHOLE: tuple[pa.DataType, ...] = (
    *(pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()),
    *(pa.decimal128(9, 0), pa.decimal128(18, 0), pa.decimal128(38, 0), pa.decimal128(10, 2), pa.float64()),
    *(
        pa.float32(),
        pa.string(),
        pa.large_string(),
        pa.bool_(),
        pa.null(),
        pa.dictionary(pa.int32(), pa.int64()),
    ),
)
_SIGNED: tuple[pa.DataType, ...] = (pa.int8(), pa.int16(), pa.int32(), pa.int64())
_TEXT: tuple[pa.DataType, ...] = (
    *(pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string()), pa.binary()),
    *(
        pa.int64(),
        pa.int32(),
        pa.uint64(),
        pa.float64(),
        pa.decimal128(18, 0),
        pa.decimal128(10, 2),
        pa.bool_(),
    ),
    *(pa.null(), pa.list_(pa.string()), pa.struct([("a", pa.string())]), pa.date32(), pa.binary(6)),
)
_NUMBER: tuple[pa.DataType, ...] = (
    *(pa.float64(), pa.float32(), pa.float16(), pa.int32(), pa.int64(), pa.uint8(), pa.decimal128(5, 2)),
    *(pa.decimal128(30, 10), pa.string(), pa.null(), pa.bool_(), pa.dictionary(pa.int32(), pa.float64())),
)
_INSTANT: tuple[pa.DataType, ...] = (
    *(pa.timestamp(unit) for unit in ("s", "ms", "us", "ns")),
    *(pa.timestamp(unit, "UTC") for unit in ("ms", "us", "ns")),
    *(pa.timestamp("us", "Europe/Berlin"), pa.string(), pa.date32(), pa.date64(), pa.int64(), pa.null()),
    *(pa.large_string(), pa.time64("us")),
)
OTHERS: Mapping[str, Sequence[pa.DataType]] = {
    "id": (*_TEXT, *_TEXT[:4] * 3),
    "heading": (*_TEXT, *_TEXT[:4] * 3),
    "text": (*_TEXT, *_TEXT[:4] * 3),
    "integer": (*_WHOLE, *_SIGNED * 3),
    "milliseconds": (*_WHOLE[1:], *_INSTANT, pa.int64(), pa.int64(), pa.int64()),
    "number": (*_NUMBER, *_NUMBER[:2] * 3),
    "instant": (*_INSTANT, *_INSTANT[:7]),
}


def cell(value: Any, type_: pa.DataType) -> Any:  # noqa: PLR0911, PLR0912
    """A value as one of a type."""
    if value is None or pa.types.is_null(type_):
        return None
    if pa.types.is_dictionary(type_):
        return cell(value, type_.value_type)
    if pa.types.is_list(type_):
        return [str(value)]
    if pa.types.is_struct(type_):
        return {"a": str(value)}
    if pa.types.is_timestamp(type_) or pa.types.is_date(type_) or pa.types.is_time(type_):
        moment = (
            value
            if isinstance(value, datetime)
            else datetime(1970, 1, 1) + timedelta(milliseconds=int(value))
        )
        if pa.types.is_time(type_):
            return moment.time()
        return moment.date() if pa.types.is_date(type_) else _cut(moment, type_.unit)
    if isinstance(value, datetime):
        value = f"{value.isoformat()}Z" if _is_text(type_) else milliseconds(value)
    if _is_text(type_):
        return str(value)
    if pa.types.is_fixed_size_binary(type_):
        return str(value).encode()[:6].ljust(6, b"-")
    if pa.types.is_binary(type_):
        return str(value).encode()
    if isinstance(value, str):
        value = int(re.sub(r"\D", "", value) or 0)
    if pa.types.is_decimal(type_):
        return Decimal(str(value))
    if pa.types.is_boolean(type_):
        return bool(value)
    return float(value) if pa.types.is_floating(type_) else int(value)


def _cut(moment: datetime, unit: str) -> datetime:
    return moment.replace(
        microsecond={"s": 0, "ms": moment.microsecond // 1000 * 1000}.get(unit, moment.microsecond)
    )


def _is_text(type_: pa.DataType) -> bool:
    return pa.types.is_string(type_) or pa.types.is_large_string(type_) or pa.types.is_string_view(type_)


def as_table(records: Sequence[Record], layout: Layout, types: Mapping[str, Any]) -> pa.Table:
    """Records as a table: the columns of the layout in their types, or in others by the name of the column."""
    tree: dict[Step, Any] = {}
    for column in COLUMNS[layout]:
        if types.get(column.name, "") is None or types.get(str(column.path[0]), "") is None:
            continue
        node = tree
        for step in column.path[:-1]:
            node = node.setdefault(step, {})
        node[column.path[-1]] = types.get(column.name, TYPES[column.type])
    columns, names = [], []
    for name, node in tree.items():
        type_ = types.get(str(name), MAP) if name == "unmapped" else _shape(node)
        values = [_celled(record.get(str(name)), type_) for record in records]
        columns.append(pa.array(values, type_))
        names.append(str(name))
    return pa.table(columns, names)


def _shape(node: Any) -> pa.DataType:
    if isinstance(node, pa.DataType):
        return node
    if 0 in node:
        return pa.list_(_shape(node[0]))
    return pa.struct([(str(name), _shape(inner)) for name, inner in node.items()])


def _celled(value: Any, type_: pa.DataType) -> Any:  # noqa: PLR0911
    if value is None:
        return None
    if pa.types.is_map(type_):
        items = [(key, each) for key, each in (value.items() if isinstance(value, dict) else value)]
        return [(key, cell(each, type_.item_type)) for key, each in items]
    if isinstance(value, dict) and pa.types.is_struct(type_):
        return {f.name: _celled(value.get(f.name), f.type) for f in type_}
    if isinstance(value, dict) and pa.types.is_list(type_):
        return [{"key": key, "value": str(each)} for key, each in value.items()]
    if isinstance(value, dict):
        return json.dumps(value)
    if isinstance(value, list):
        return [_celled(each, type_.value_type) for each in value]
    return cell(value, type_)


def as_parquet(table: pa.Table, **how: Any) -> bytes:
    out = BytesIO()
    pq.write_table(table, out, **how)
    return out.getvalue()


def written(
    objects: Delivered, layout: Layout, types: Mapping[str, Any], only: str = "", **how: Any
) -> dict[str, bytes]:
    """Objects as Parquet; those other than `only` are plain."""
    return {
        name: as_parquet(as_table(records, layout, types), **how)
        if only in ("", name)
        else as_parquet(as_table(records, layout, {}))
        for name, records in objects.items()
    }


def parquet_plain(chance: random.Random) -> Piece:
    layout = layout_of(chance)
    objects = delivered(chance, layout, ".parquet", ties=chance.random() < 0.5)
    return Piece("Parquet, plain", layout, "parquet", written(objects, layout, {}))


def parquet_codecs(chance: random.Random) -> Piece:
    layout = layout_of(chance)
    objects = delivered(chance, layout, ".parquet")
    how: dict[str, Any] = {
        "compression": chance.choice([*CODECS, *CODECS[:4]]),
        "use_dictionary": chance.choice([True, False]),
        "data_page_version": chance.choice(["1.0", "2.0"]),
        "version": chance.choice(["1.0", "2.4", "2.6"]),
        "write_statistics": chance.choice([True, False]),
        "row_group_size": chance.choice([1, 2, 100]),
        "write_page_checksum": chance.choice([True, False]),
        "store_schema": chance.choice([True, False]),
        "write_page_index": chance.choice([True, False]),
    }
    if not how["use_dictionary"] and layout == "flat" and chance.random() < 0.6:
        text = chance.choice(["DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY", "PLAIN"])
        whole = chance.choice(["DELTA_BINARY_PACKED", "BYTE_STREAM_SPLIT", "PLAIN"])
        how["column_encoding"] = {
            "detection_id": text,
            "account_id": text,
            "exchange_count": whole,
            "confidence": "PLAIN",
        }
        if chance.random() < 0.3:
            how["column_encoding"]["confidence"] = "BYTE_STREAM_SPLIT"
    told = " ".join(f"{value}" for value in how.values())
    return Piece("Parquet, codecs", f"{layout} {told}", "parquet", written(objects, layout, {}, **how))


def parquet_types(chance: random.Random) -> Piece:
    layout = layout_of(chance)
    objects = delivered(chance, layout, ".parquet")
    columns = [c for c in COLUMNS[layout] if c.path[0] != "unmapped"]
    column = chance.choice(columns)
    if chance.random() < 0.3:
        column = chance.choice([c for c in columns if not c.is_label])
    type_ = chance.choice(OTHERS[column.type])
    how = {}
    if column.type == "instant" and chance.random() < 0.3:
        how, type_ = {"use_deprecated_int96_timestamps": True}, pa.timestamp("ns")
    types: dict[str, Any] = {column.name: type_}
    if column.type == "instant":
        types = {c.name: type_ for c in columns if c.type == "instant"}
    if column.type in ("integer", "number") and chance.random() < 0.5:
        value = chance.choice(
            [2**53 + 1, 2**31, 255, -1, 2**62]
            if column.type == "integer"
            else [0.7, 0.9, float("nan"), 1.5, 0.5]
        )
        one_of(chance, objects)[str(column.path[0])] = value
    only = chance.choice(["", *objects])
    return Piece(
        "Parquet, types",
        f"{column.name} {type_} {how}",
        "parquet",
        written(objects, layout, types, only, **how),
    )


def parquet_maps(chance: random.Random) -> Piece:
    objects = delivered(chance, "ocsf", ".parquet")
    victim = one_of(chance, objects)
    unmapped = victim["unmapped"]
    what = chance.choice(
        ["struct", "text", "list", "whole", "large", "values", "values", "values", "keys", "keys", "null"]
    )
    type_: pa.DataType = MAP
    told: Any = ""
    if what == "struct":
        type_ = STRUCT
    elif what == "text":
        type_ = pa.string()
    elif what == "list":
        type_ = pa.list_(pa.struct([("key", pa.string()), ("value", pa.string())]))
    elif what == "whole":
        type_ = pa.map_(pa.string(), pa.int64())
    elif what == "large":
        type_ = pa.map_(pa.large_string(), pa.large_string())
    elif what == "values":
        told = chance.choice(
            [
                *(
                    ("output_tokens", each)
                    for each in ("100", "100.0", "1e2", "-1", "x", "", " 7 ", "1.5", "+5", "5.", "007")
                ),
                *(
                    ("output_tokens", each)
                    for each in (str(2**53 + 1), f"{2**53}.0", str(2**63), "1E2", "\t7", "٣", "NaN")
                ),
                *(("campaign_id", each) for each in ("", " ", "nan", "é", "17.0", "a\x00b", None)),
                *(("country", each) for each in ("", " DE ", "NA", None)),
            ]
        )
        unmapped.update(dict([told]))
    elif what == "keys":
        told = chance.choice(
            ["Campaign_ID", "campaign-id", "note", "", "campaign_id ", "\u0441ountry", "networks", "x" * 99]
        )
        unmapped[told] = "x"
    else:
        victim["unmapped"] = None
    return Piece("Parquet, maps", f"{what} {told}", "parquet", written(objects, "ocsf", {"unmapped": type_}))


def parquet_names(chance: random.Random) -> Piece:
    layout = layout_of(chance)
    objects = delivered(chance, layout, ".parquet")
    column = chance.choice(COLUMNS[layout])
    top = str(column.path[0])
    what = chance.choice(["renamed", "beside", "missing", "extra", "order", "extra types", "joined", "twice"])
    told = chance.choice(_near(top))
    files = {}
    for name, records in objects.items():
        table = as_table(records, layout, {})
        count = len(records)
        if what == "renamed":
            table = table.rename_columns([told if each == top else each for each in table.column_names])
        elif what == "beside":
            table = table.append_column(told, pa.array(["x"] * count))
        elif what == "missing":
            told = top
            table = table.drop_columns([top])
        elif what == "extra":
            told = chance.choice(
                ["note", "$path", "file_index", "line", "day", "event_day", "readable", "time_dt", "object"]
            )
            table = table.append_column(told, pa.array([1] * count))
        elif what == "order":
            told = ""
            table = table.select(chance.sample(table.column_names, len(table.column_names)))
        elif what == "extra types":
            told = chance.choice(["list", "struct", "uint64", "decimal"])
            values: dict[str, pa.Array] = {
                "list": pa.array([[1, 2]] * count),
                "struct": pa.array([{"status": "x"}] * count),
                "uint64": pa.array([2**63] * count, pa.uint64()),
                "decimal": pa.array([Decimal(1)] * count),
            }
            table = table.append_column("note", values[told])
        elif what == "joined":
            told = chance.choice(
                ["unmapped.campaign_id", "finding_info.uid", "finding_info.types[0]", "finding_info.types"]
            )
            table = table.append_column(told, pa.array(["x"] * count))
        else:
            told = top
            table = table.append_column(top, table[top])
        files[name] = as_parquet(table)
    return Piece("Parquet, names", f"{layout} {what} {told}", "parquet", files)


def parquet_nulls(chance: random.Random) -> Piece:
    layout = layout_of(chance)
    objects = delivered(chance, layout, ".parquet")
    column = chance.choice([c for c in COLUMNS[layout] if c.path[0] != "unmapped"])
    what = chance.choice(
        ["a null", "all null", "null type", "no rows", "one empty", "empty list", "no struct", "bad row"]
    )
    name = chance.choice(list(objects))
    types: dict[str, Any] = {}
    victim = objects[name][0]
    if what == "a null":
        put(victim, column.path, None)
    elif what in ("all null", "null type"):
        for record in objects[name]:
            put(record, column.path, None)
        types = {column.name: pa.null()} if what == "null type" else {}
    elif what in ("no rows", "one empty"):
        objects[name] = []
        if what == "no rows":
            objects = {each: [] for each in objects}
    elif layout == "ocsf" and what == "empty list":
        victim[chance.choice(["evidences", "unmapped"])] = []
    elif layout == "ocsf" and what == "no struct":
        victim[chance.choice(["finding_info", "evidences"])] = None
    elif layout == "flat":
        victim["status"] = chance.choice(["New", "", "unknown"])
    else:
        victim["status_id"] = chance.choice([0, 7, 3])
    return Piece("Parquet, nulls", f"{what} {column.name}", "parquet", written(objects, layout, types, name))


def parquet_labels(chance: random.Random) -> Piece:
    layout = layout_of(chance)
    objects = delivered(chance, layout, ".parquet")
    column = chance.choice([c for c in COLUMNS[layout] if c.is_label])
    text = chance.choice(
        [
            *(
                "",
                " ",
                "nan",
                "NULL",
                "\\N",
                "e\u0301",
                "\u00a0a\ufeff",
                "a\x00b",
                "a\nb",
                "a\u2028",
                "\u200ba",
                "NA",
                "\x7f",
            ),
            *(
                "17.0",
                "\U0001f600",
                "\ufffd",
                "x" * 50_000,
                "\u1e69\u0323",
                "\u3000",
                "a\x85",
                "'\"",
                "\ufeff",
                "深度",
                "\u212b",
            ),
        ]
    )
    raw = chance.random() < 0.15 and layout == "flat"
    victim = one_of(chance, objects)
    put(victim, column.path, text)
    files = written(objects, layout, {})
    if raw:
        text = "bytes"
        marked = next(name for name, of in objects.items() if any(r is victim for r in of))
        put(victim, column.path, "raw-bytes")
        files[marked] = written(
            {marked: objects[marked]}, layout, {}, compression="none", write_statistics=False
        )[marked].replace(b"raw-bytes", b"raw\xff\xfeytes")
    return Piece("Parquet, labels", f"{column.name} {text[:20]!r}", "parquet", files)


def parquet_broken(chance: random.Random) -> Piece:
    layout = layout_of(chance)
    files = written(delivered(chance, layout, ".parquet"), layout, {})
    name = chance.choice(list(files))
    content = files[name]
    ways = {
        "no bytes": b"",
        "cut": content[:-20],
        "cut at the front": content[20:],
        "short": content[:6],
        "text": b"no Parquet at all",
        "footer": content[:-30] + bytes(22) + content[-8:],
        "encrypted": content[:-4] + b"PARE",
        "length": content[:-8] + b"\xff\xff\xff\x7f" + content[-4:],
        "pages": content[:4] + bytes(400) + content[404:],
        "as it is": content,
    }
    what = chance.choice([*ways, *["as it is"] * 4])
    files[name] = ways[what]
    return Piece("Parquet, broken", f"{layout} {what}", "parquet", files)


# Both


def instants(chance: random.Random) -> Piece:
    """Instants on the edges of what is allowed, to the microsecond."""
    format_ = format_of(chance)
    suffix = ".parquet" if format_ == "parquet" else json_suffix(chance)
    objects = delivered(chance, "flat", suffix)
    name = chance.choice(list(objects))
    victim = objects[name][0]
    day = datetime.fromisoformat(name.split("=")[1][:10])
    step = timedelta(microseconds=chance.choice([0, 0, 1, -1, 499, 500, -499, -500, -501, 999, 400_000]))
    column = chance.choice(["first_seen", "last_seen", "revised_at"])
    edges = {
        "first_seen": [day, day + timedelta(1), victim["last_seen"]],
        "last_seen": [victim["first_seen"], victim["revised_at"] + timedelta(2)],
        "revised_at": [victim["first_seen"] - timedelta(1), datetime(2026, 6, 22, 12), victim["last_seen"]],
    }
    victim["detection_id"] = "its own"
    victim[column] = chance.choice(edges[column]) + step
    files = written(objects, "flat", {}) if format_ == "parquet" else as_json(objects)
    return Piece("instants", f"{format_} {column} {victim[column]}", format_, files)


def ties(chance: random.Random) -> Piece:
    layout, format_ = layout_of(chance), format_of(chance)
    suffix = ".parquet" if format_ == "parquet" else json_suffix(chance)
    objects = delivered(chance, layout, suffix, ties=True)
    name = chance.choice(list(objects))
    again = json.loads(json.dumps(objects[name][0], default=lambda v: {"": v.isoformat()}))
    again = {
        k: datetime.fromisoformat(v[""]) if isinstance(v, dict) and "" in v else v for k, v in again.items()
    }
    told = "same"
    if chance.random() < 0.5:
        column = chance.choice([c for c in COLUMNS[layout] if c.is_label])
        told = column.name
        put(again, column.path, chance.choice(["other", " same\u3000", None]))
    objects[name].append(again)
    files = written(objects, layout, {}) if format_ == "parquet" else as_json(objects)
    return Piece("ties", f"{format_} {layout} {told}", format_, files)


def sums(chance: random.Random) -> Piece:
    layout, format_ = layout_of(chance), format_of(chance)
    objects = delivered(chance, layout, ".parquet" if format_ == "parquet" else ".jsonl")
    name, column = (
        {"flat": "exchange_count", "ocsf": "count"}[layout],
        chance.choice(["count", "output_tokens"]),
    )
    for records in objects.values():
        for record in records:
            value = chance.choice([0, 1, 2**53 + 1, 2**53 - 1, 2**60, 2**62])
            if column == "count":
                record[name] = value
            elif layout == "flat":
                record[column] = value
            else:
                record["unmapped"][column] = str(value)
    files = written(objects, layout, {}) if format_ == "parquet" else as_json(objects)
    return Piece("sums", f"{format_} {layout} {column}", format_, files)


def places(chance: random.Random) -> Piece:
    layout, format_ = layout_of(chance), format_of(chance)
    suffix = ".parquet" if format_ == "parquet" else json_suffix(chance)
    objects = delivered(chance, layout, suffix)
    files = written(objects, layout, {}) if format_ == "parquet" else as_json(objects)
    name = chance.choice(list(files))
    folder, _, last = name.rpartition("/")
    beside = {
        "below": f"{folder}/hour=08/{last}",
        "deep": f"{folder}/a/b/{last}",
        "hidden": f"{folder}/_temporary/{last}",
        "hidden below": f"{folder}/hour=08/.staging/{last}",
        "hidden file": f"{folder}/.{last}",
        "success": f"{folder}/_SUCCESS",
        "marker": f"{folder}_$folder$",
        "CRC": f"{folder}/.{last}.crc",
        "blank": f"{folder}/a b+c%20d{suffix}",
        "odd": f"{folder}/é=[1]*?{suffix}",
        "before": re.sub(
            "2026-0[45]-[0-9]+|20260[45][0-9]+", "2026-03-01" if layout == "flat" else "20260301", name
        ),
        "future": re.sub(
            "2026-0[45]-[0-9]+|20260[45][0-9]+", "2031-03-01" if layout == "flat" else "20310301", name
        ),
        "lower": name.replace("accountId", "accountid").replace("eventDay", "eventday"),
        "upper": name.replace("region=", "Region=").replace("event_day", "EVENT_DAY"),
        "of another region": re.sub("region=[^/]+", "region=ap-south-1", name),
        "of another account": re.sub("accountId=[^/]+", "accountId=999999999999", name),
        "of another source": re.sub("ext/[^/]+", "ext/other", name),
        "of a version of the source": re.sub("ext/[^/]+", "ext/gateway/2.0", name),
        "two days": f"{folder}/event_day=2026-05-02/{last}",
        "column": f"{folder}/campaign_id=C-1/{last}",
        "notes": "notes/README",
    }
    what = chance.choice(list(beside))
    moved = chance.random() < 0.4
    content = b"" if what in ("success", "marker", "notes") else files[name]
    if moved and what not in ("success", "marker", "notes", "CRC"):
        del files[name]
    files[beside[what]] = content
    if layout == "ocsf" and chance.random() < 0.5:
        hidden = frozenset({"ap-south-1", "999999999999", "other", "gateway/2.0"})
    else:
        hidden = frozenset()
    return Piece("places", f"{format_} {layout} {what}{' moved' if moved else ''}", format_, files, hidden)


def names(chance: random.Random) -> Piece:
    """Names as producers give them; the first bytes tell the format where a name does not."""
    layout, format_ = layout_of(chance), format_of(chance)
    objects = delivered(chance, layout, ".parquet" if format_ == "parquet" else ".jsonl")
    files = written(objects, layout, {}) if format_ == "parquet" else as_json(objects)
    name = chance.choice(list(files))
    content = files.pop(name)
    folder = name.rpartition("/")[0]
    ways = {
        **{
            f"part{suffix}": content
            for suffix in (".json", ".ndjson", ".jsonl", ".parquet", "", ".gz", ".json.gz")
        },
        **{
            f"packed{s}": gzip.compress(content)
            for s in (".json.gz", ".ndjson.gz", ".gz", ".jsonl", "", ".json")
        },
        "my.stream-1-2026-05-02-08-00-00-0f8fad5b-d9cb-469f-a165-70867728950e": content,
        "stream-1-2026-05-02-08-00-00-0f8fad5b.gz": gzip.compress(content),
        "000000_0": content,
        "part.snappy.parquet": content,
        "BOM": b"\xef\xbb\xbf" + content,
        "blank": b"\n \n" + content,
        "nothing": b"",
        "nothing.gz": gzip.compress(b""),
        "no bytes.gz": b"",
        "some text": b"some text",
        **{
            f"part{suffix}": content
            for suffix in (".txt", ".orc", ".jsonl.bak", ".JSONL", ".zst", ".log", ".data")
        },
    }
    likely = ["000000_0", "my.stream-1-2026-05-02-08-00-00-0f8fad5b-d9cb-469f-a165-70867728950e"]
    if format_ == "json":
        likely += [
            "part.json",
            "part.ndjson",
            "packed.gz",
            "packed.json.gz",
            "packed.ndjson.gz",
            "BOM",
            "blank",
        ]
    what = chance.choice([*ways, *likely * 4])
    files[f"{folder}/{what}"] = ways[what]
    return Piece("names", f"{format_} {layout} {what}", format_, files)


def mixed(chance: random.Random) -> Piece:
    """Both layouts, and now and then both formats."""
    format_ = format_of(chance)
    other: Format = chance.choice((format_, format_, "parquet", "json"))
    files: dict[str, bytes] = {}
    for layout, of in (("flat", format_), ("ocsf", other)):
        objects = delivered(chance, layout, ".parquet" if of == "parquet" else json_suffix(chance))  # type: ignore[arg-type]
        files |= written(objects, layout, {}) if of == "parquet" else as_json(objects)  # type: ignore[arg-type]
    return Piece("mixed", f"{format_} {other}", format_, files, ocsf=other)


RULES: tuple[Callable[[random.Random], Piece], ...] = (
    *(json_plain, json_values, json_keys, json_lines, json_gzip, json_shapes, json_instants),
    *(
        parquet_plain,
        parquet_codecs,
        parquet_types,
        parquet_maps,
        parquet_names,
        parquet_nulls,
        parquet_labels,
    ),
    *(parquet_broken, instants, ties, sums, places, names, mixed),
)


# Both engines


@dataclass
class Compared:
    """How many sets of each kind were counted, refused, and refused by tables alone; and what differed."""

    kinds: dict[str, Counter[str]] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)

    @property
    def counted(self) -> int:
        return sum(of["counted"] for of in self.kinds.values())


def made(chance: random.Random, rule: Callable[[random.Random], Piece]) -> Piece:
    """A piece of a rule; what pyarrow does not write is tried again."""
    while True:
        try:
            return rule(chance)
        except (pa.ArrowException, ArithmeticError, ValueError, KeyError, TypeError, AttributeError):
            continue


def told(engine: QueryEngine) -> list[str]:
    """The digests of an engine's answers, or why it refuses."""
    try:
        return [engine.ask(question, lambda *_: None).result_sha256 for question in (TALLIES, HISTORY)]
    except InvalidEvidence as error:
        return [str(error)]
    except ExhibitError as error:
        return [f"{type(error).__name__}: {error}", "", ""]


def tables_of(trino: Stack, bucket: str, piece: Piece) -> None:
    """Make the tables over a bucket; they name what is in it, but for what the piece hides."""
    way = re.compile("ext/(.+?)/region=([^/]+)/accountid=([^/]+)/eventday=", re.IGNORECASE)
    found = [match.groups() for match in map(way.match, piece.files) if match]
    trino.execute(f"create schema {bucket} with (location = 's3://{bucket}/schema/')")
    made_tables = []
    if any(name.startswith("detections/") for name in piece.files):
        made_tables.append(Table("flat", piece.format, f"s3://{bucket}/", SINCE, {}))
    if found:
        values = {
            name: sorted({each[place] for each in found} - piece.hidden) or ["none"]
            for place, name in enumerate(("source", "region", "accountid"))
        }
        made_tables.append(Table("ocsf", piece.ocsf or piece.format, f"s3://{bucket}/", SINCE, values))
    for table in made_tables:
        trino.execute(table.ddl("trino"), bucket)


def compare(trino: Stack, piece: Piece) -> tuple[str, str]:
    """What came of a piece, in a word; and the finding, if the engines differ."""
    with tempfile.TemporaryDirectory() as folder:
        for name, content in piece.files.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        try:
            here = told(DuckDBEngine(FolderEvidence(Path(folder))))
            bucket = trino.delivered(Path(folder))
            tables_of(trino, bucket, piece)
            there = told(trino.engine(bucket))
        except Exception as error:
            return "differs", f"{piece.kind}: {piece.told}: {type(error).__name__}: {error}"
    if len(here) == 1 and (
        len(there) == 1 or "COLUMN_NOT_FOUND: " in there[0]
    ):  # no lines in a table of Parquet
        return "refused", ""
    if here == there and len(here) == 2:
        return "counted", ""
    if len(there) == 1 and len(here) == 2 and BY_NAME.search(there[0]):
        return "refused by tables", ""
    if len(here) == 1 and len(there) == 2 and BEYOND.search(here[0]):
        return "refused by DuckDB", ""
    return "differs", f"{piece.kind}: {piece.told}: DuckDB {here[0][:300]}: Trino {there[0][:300]}"


def run(
    trino: Stack,
    count: int,
    seed: int,
    rules: Sequence[Callable[[random.Random], Piece]] = RULES,
    tell: Callable[[str], object] = lambda said: None,
) -> Compared:
    """Ask both engines about sets of each rule in turn."""
    chance = random.Random(seed)  # noqa: S311 -- test data
    pieces = [made(chance, rules[n % len(rules)]) for n in range(count)]
    compared = Compared()
    with ThreadPoolExecutor(3) as pool:
        for piece, (what, found) in zip(pieces, pool.map(lambda p: compare(trino, p), pieces), strict=True):
            compared.kinds.setdefault(piece.kind, Counter())[what] += 1
            if found:
                compared.findings.append(
                    unicodedata.normalize("NFC", found).encode("ascii", "backslashreplace").decode()
                )
            tell(f"{piece.kind}: {piece.told}: {what} {found}")
    return compared


def lines(compared: Compared) -> Iterator[str]:
    """The counts by kind, and the findings."""
    for kind, of in sorted(compared.kinds.items()):
        yield f"{kind:16}" + "".join(
            f" {of[w]:4} {w}"
            for w in ("counted", "refused", "refused by tables", "refused by DuckDB", "differs")
        )
    yield f"{sum(sum(of.values()) for of in compared.kinds.values())} sets, {compared.counted} counted"
    yield from compared.findings


def main(count: int, seed: int, *names: str) -> int:
    logging.disable(logging.CRITICAL)
    rules = [rule for rule in RULES if not names or rule.__name__ in names]
    with stack() as trino:
        compared = run(
            trino, count, seed, rules, lambda said: print(ascii(said), file=sys.stderr, flush=True)
        )
    print("\n".join(lines(compared)))
    return 1 if compared.findings else 0


if __name__ == "__main__":
    raise SystemExit(main(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:]))

"""Evidence as it is delivered: detections written as objects of either layout, in any format."""

import csv
import gzip
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from reports.evidence.source import locate
from tests.support.fakes import Detection

Objects = Mapping[str, Sequence[Detection]]
Record = dict[str, Any]

STATUS_IDS = {"new": 1, "in_progress": 2, "suppressed": 3, "resolved": 4, "archived": 5, "deleted": 6}


def deliver(root: Path, objects: Objects) -> Path:
    """Write detections as the objects that their names say: the layout, the partition and the format."""
    for name, detections in objects.items():
        located = locate(name, 1)
        assert located is not None
        if located.layout == "flat":
            write(root / name, [row(d) for d in detections])
        else:
            write(root / name, [finding(d, index) for index, d in enumerate(detections)])
    return root


def row(detection: Detection) -> Record:
    """A row of the flat layout."""
    return {field.name: getattr(detection, field.name) for field in fields(Detection)}


def milliseconds(instant: datetime) -> int:
    """An instant as OCSF has it."""
    return round(instant.replace(tzinfo=UTC).timestamp() * 1000)


def finding(detection: Detection, index: int = 0) -> Record:
    """An OCSF Detection Finding; every other one dates itself and its activity in the fields of the second choice.

    Where there are both, those of the second choice would mislead: they go the other way, or lie in 1970.
    """
    times = [milliseconds(t) for t in (detection.first_seen, detection.last_seen, detection.revised_at)]
    seen = dict(zip(("first_seen_time", "last_seen_time", "modified_time"), times, strict=True))
    dated = dict(zip(("start_time", "end_time", "time"), times, strict=True))
    second = index % 2
    unmapped = {
        name: getattr(detection, name) for name in ("campaign_id", "output_tokens", "network", "country")
    }
    return {
        "class_uid": 2004,
        "activity_id": 1 + second,
        "status_id": STATUS_IDS[detection.status],
        **(
            dict(dated, start_time=None, end_time=None) if second else dict(dated, time=4 * 10**12 - times[2])
        ),
        "count": detection.exchange_count,
        "confidence_score": round(detection.confidence * 100),
        "finding_info": {
            "uid": detection.detection_id,
            "title": "left alone",
            **({**seen, "modified_time": None} if second else {**seen, "first_seen_time": 1}),
            "analytic": {"name": detection.detector, "type_id": 1, "version": detection.detector_version},
            "types": [detection.capability, "not the first"] if detection.capability else [],
        },
        "evidences": [{"actor": {"user": {"uid": detection.account_id, "name": "left alone"}}}],
        "unmapped": {name: str(value) for name, value in unmapped.items() if value is not None},
    }


def write(path: Path, records: Sequence[Record], schema: pa.Schema | None = None) -> None:
    """Write records in the format that the name says; without a schema, Parquet's types are those of the values."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        table = pa.Table.from_pylist(list(records), schema=schema or _schema(records))
        pq.write_table(table, path)
    elif path.suffix == ".csv":
        path.write_bytes(_csv(records).encode())
    else:
        text = "".join(json.dumps(record, default=_instant, ensure_ascii=False) + "\n" for record in records)
        path.write_bytes(gzip.compress(text.encode(), 1) if path.suffix == ".gz" else text.encode())


def _schema(records: Sequence[Record]) -> pa.Schema | None:
    if "unmapped" not in records[0]:
        return FLAT if set(FLAT.names) == set(records[0]) else None
    types = {
        field.name: _typed(field.type, pa.int64()) for field in pa.Table.from_pylist(list(records)).schema
    }
    return pa.schema({**types, "unmapped": pa.map_(pa.string(), pa.string())})


def _typed(found: pa.DataType, instead: pa.DataType) -> pa.DataType:
    """A type, with those of text in it where there are only nulls: `instead` for the type itself."""
    if pa.types.is_struct(found):
        return pa.struct([(field.name, _typed(field.type, pa.string())) for field in found])
    if pa.types.is_list(found):
        return pa.list_(_typed(found.value_type, pa.string()))
    return instead if pa.types.is_null(found) else found


_INTEGERS = dict.fromkeys(("exchange_count", "output_tokens"), pa.int64())
_INSTANTS = dict.fromkeys(("first_seen", "last_seen", "revised_at"), pa.timestamp("us"))
_TYPES = {**_INTEGERS, **_INSTANTS, "confidence": pa.float64()}
FLAT = pa.schema([(field.name, _TYPES.get(field.name, pa.string())) for field in fields(Detection)])


def _csv(records: Sequence[Record]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(records[0]))
    writer.writeheader()
    for record in records:
        writer.writerow({name: _cell(value) for name, value in record.items()})
    return text.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, dict | list):
        return json.dumps(value)
    return _instant(value) if isinstance(value, datetime) else value


def _instant(value: datetime) -> str:
    return value.isoformat() + "Z"

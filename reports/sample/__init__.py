"""The sample evidence: synthetic detections that re-enact published figures, with their registry.

The plan and every rule of the rows are in `detections.sql`, the registry is `campaigns.yaml`, and
`dataset.yaml` says what the data is.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from reports.core.errors import InvalidRequest, kind_of, reason_of
from reports.core.progress import Done
from reports.evidence.source import is_utf8_path

_HERE = Path(__file__).parent
_SETTINGS = ("campaigns.yaml", "dataset.yaml")
_MARK = ".exhibit-sample.json"
_INSTANTS = "timestampformat '%Y-%m-%dT%H:%M:%SZ'"
_FORMATS = {
    "parquet": "format parquet, compression zstd",
    "csv": f"format csv, header, {_INSTANTS}",
    "jsonl": f"format json, {_INSTANTS}",
    "jsonl.gz": f"format json, compression gzip, {_INSTANTS}",
}


def write_sample(folder: Path, progress: Done | None = None, form: str | None = None) -> None:
    """Write the sample evidence into `folder`: all of it, or nothing.

    The folder then holds `detections/event_day=YYYY-MM-DD/part-N.{parquet,jsonl,jsonl.gz,csv}` for 2025-11-10
    to 2026-06-05, `campaigns.yaml` and `dataset.yaml`: the same bytes everywhere with one release of DuckDB.
    `progress` is told how many objects are written, and of how many. With a `form`, all objects have this one.

    A sample that is there already is left alone, even if its registry was edited; one that another version
    wrote is replaced. Raises `InvalidRequest` for a folder that holds anything else, or cannot be written.
    """
    folder = Path(os.path.realpath(folder))
    if not is_utf8_path(folder):
        raise InvalidRequest(f"{folder}: its path is not UTF-8: name another folder")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _alone_in(folder.parent):
            if not _is_there(folder, form):
                _write(folder, progress, form)
    except (OSError, duckdb.IOException, duckdb.OutOfMemoryException) as error:
        raise kind_of(error)(
            f"the sample cannot be written to {folder} ({reason_of(error)}): name a folder that can be written"
        ) from None


@contextmanager
def _alone_in(parent: Path) -> Iterator[None]:
    """Let one run at a time write below `parent`; the system frees the lock of a run that is killed."""
    handle = os.open(parent, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _is_there(folder: Path, form: str | None) -> bool:
    """Whether `folder` holds this version's sample, whole; raises rather than let edits be replaced."""
    if os.path.lexists(folder) and not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), folder)
    if not folder.exists() or not any(folder.iterdir()):
        return False
    made_from, written = _read_mark(folder)
    found = _sizes(folder)
    intact = all(name in found if name in _SETTINGS else found.get(name) == written[name] for name in written)
    if intact and made_from == _made_from(form):
        return True
    changed = sorted(name for name, size in found.items() if written.get(name) != size)
    if changed:
        raise InvalidRequest(
            f"{folder} holds an older or damaged sample, and {changed[0]} is not as it was written: "
            "move it away or name another folder"
        )
    return False


def _sizes(folder: Path) -> dict[str, int]:
    """The files of `folder`, except the mark, by path and in bytes."""
    files = (path for path in sorted(folder.rglob("*")) if not path.is_dir() and path != folder / _MARK)
    return {path.relative_to(folder).as_posix(): path.lstat().st_size for path in files}


def _read_mark(folder: Path) -> tuple[str, dict[str, int]]:
    """What the sample in `folder` was made from, and the sizes of its files when they were written."""
    try:
        mark = json.loads((folder / _MARK).read_bytes())
        return mark["made_from"], mark["files"]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        raise InvalidRequest(
            f"{folder} is not empty and holds no sample: name a new or an empty folder"
        ) from None


def _made_from(form: str | None) -> str:
    """A digest of everything that decides the sample's bytes."""
    digest = hashlib.sha256(duckdb.__version__.encode())
    digest.update((form or "").encode())
    for path in sorted(path for path in _HERE.iterdir() if path.suffix in {".py", ".sql", ".yaml"}):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _write(folder: Path, progress: Done | None, form: str | None) -> None:
    aside = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(aside, ignore_errors=True)  # what a killed run left
    try:
        _fill(aside / "new", progress, form)
        if folder.exists():
            folder.rename(aside / "old")
        (aside / "new").rename(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _fill(folder: Path, progress: Done | None, form: str | None) -> None:
    _write_detections(folder / "detections", progress, form)
    for name in _SETTINGS:
        shutil.copyfile(_HERE / name, folder / name)
    mark = {"made_from": _made_from(form), "files": _sizes(folder)}
    (folder / _MARK).write_text(json.dumps(mark, indent=1) + "\n", encoding="utf-8")


def _write_detections(folder: Path, progress: Done | None, form: str | None) -> None:
    """Write an object for each day and part. One thread keeps the order of the rows, and so the bytes."""
    with duckdb.connect(config={"threads": 1}) as rows:
        rows.execute("set enable_progress_bar = false")
        rows.execute((_HERE / "detections.sql").read_text(encoding="utf-8"))
        objects = rows.execute("from objects").fetchall()
        for done, (day, part, mixed) in enumerate(objects, start=1):
            suffix = form or mixed
            path = folder / f"event_day={day}" / f"part-{part}.{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            rows.execute("set variable event_day = $day", {"day": day})
            rows.execute("set variable part = $part", {"part": part})
            rows.execute(f"copy object_rows to $path ({_FORMATS[suffix]})", {"path": str(path)})
            if progress is not None:
                progress(done, len(objects))

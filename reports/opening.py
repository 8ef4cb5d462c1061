"""Open a PDF that may be anything: whatever it claims of itself, reading it takes bounded time and memory.

pyHanko bounds what a stream may inflate to. What it leaves open is refused here, before or while it reads:
cross-references to objects by the billion, object streams that are searched from their start for each object,
streams that overlap, words of megabytes.
"""

from __future__ import annotations

import io
import os
from typing import Any

from pyhanko.pdf_utils.decode_limits import DecodeLimits, DocumentDecodeBudget, StreamDecodeLimits
from pyhanko.pdf_utils.generic import IndirectObject, Reference, StreamObject, read_object
from pyhanko.pdf_utils.misc import PdfDecodeLimitError, PdfError
from pyhanko.pdf_utils.reader import PdfFileReader, process_data_at_eof
from pyhanko.pdf_utils.xref import XRefBuilder

from reports.errors import Unreadable

MIB = 2**20
MOST_BYTES = 64 * MIB
MOST_INFLATED = 256 * MIB  # in all: what is inflated twice counts twice
MOST_INFLATED_AT_ONCE = 64 * MIB
MOST_OBJECTS = 500_000
MOST_REVISIONS = 64
MOST_READ = 2_000_000
LONGEST_WORD = 64 * 1024  # a name, a number, or the hexadecimal digits of a signature

_LIMITS = DecodeLimits(
    per_stream=StreamDecodeLimits(max_output_size=MOST_INFLATED_AT_ONCE),
    document_budget=DocumentDecodeBudget(base_allowance=MOST_INFLATED, max_ratio=0),
)
_BETWEEN_WORDS = b"\0\t\n\f\r ()<>[]{}/%"
_WORDS = bytes(0 if byte in _BETWEEN_WORDS else 1 for byte in range(256))


def opened(pdf: bytes) -> PdfFileReader:
    """A reader of a PDF; raises `Unreadable` or, where the file is damaged, whatever pyHanko does."""
    if b"%PDF-" not in pdf[:1024]:
        raise Unreadable("the file is not a PDF")
    if len(pdf) > MOST_BYTES:
        raise Unreadable(f"the file has more than {MOST_BYTES:,} bytes, which is the most that is read")
    if not pdf.endswith((b"\n", b"\r")):  # pyHanko looks for the end of a comment for ever
        raise Unreadable("the file is damaged: its last line has no end")
    _check_words(pdf)
    stream = _Metered(pdf, [MOST_READ])
    _check_cross_references(stream)
    reader = _Reader(stream, decode_limits=_LIMITS)
    if reader.encrypted:
        raise Unreadable("the file is encrypted: decrypt a copy, whose signature will not match any more")
    return reader


def inflated(stream: Any) -> bytes:
    """The data of a stream; raises `Unreadable` where that takes more than to inflate it once."""
    filters = stream.get("/Filter", [])
    if filters not in ([], "/FlateDecode", ["/FlateDecode"]) or "/DecodeParms" in stream:
        raise Unreadable("the file has data that is packed more than once, or not as briefings are")
    try:
        return bytes(stream.data)
    except PdfDecodeLimitError:
        raise Unreadable(
            f"the file has data that inflates to more than {MOST_INFLATED_AT_ONCE:,} bytes, or {MOST_INFLATED:,} in all"
        ) from None


def _check_words(data: bytes) -> None:
    """Refuse words for which pyHanko would need the square of their length."""
    if b"\1" * (LONGEST_WORD + 1) in data.translate(_WORDS):
        raise Unreadable(f"the file has a word of more than {LONGEST_WORD:,} characters")


def _check_cross_references(stream: _Metered) -> None:
    stream.seek(-1, os.SEEK_END)
    # The handler is asked for nothing: a briefing's cross-reference streams refer to no other object.
    handler: Any = None
    sections = _Sections(handler, stream, strict=True, last_startxref=process_data_at_eof(stream))
    sections.read_xrefs()  # type: ignore[no-untyped-call]


class _Metered(io.BytesIO):
    """Bytes that pyHanko may read so many times from; it reads objects one character at a time."""

    def __init__(self, data: bytes, left: list[int]) -> None:
        super().__init__(data)
        self.left = left

    def read(self, size: int | None = -1, /) -> bytes:
        self.left[0] -= 1
        if self.left[0] < 0:
            raise Unreadable(f"the file has more than {MOST_READ:,} characters outside of its streams")
        return super().read(size)


class _Sections(XRefBuilder):
    """Follows the cross-reference sections as pyHanko will, and looks at what each says of itself."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.entries = self.revisions = 0

    def _read_xref_table(self, declared_startxref: int) -> Any:
        raise Unreadable("the file has a cross-reference table, where briefings have streams")

    def _read_xref_stream(self, declared_startxref: int) -> Any:
        _, section = self._read_xref_stream_object()  # type: ignore[no-untyped-call]
        widths, size = section.raw_get("/W"), section.raw_get("/Size")
        index = list(section.raw_get("/Index")) if "/Index" in section else [0, size]
        if not _counts(widths) or widths[0] < 1 or not _counts(index) or not _counts([size]):
            raise Unreadable("the file is damaged: a cross-reference stream contradicts itself")
        self.entries += sum(index[1::2])
        self.revisions += 1
        if self.entries > MOST_OBJECTS or size > MOST_OBJECTS:
            raise Unreadable(f"the file claims to have more than {MOST_OBJECTS:,} objects")
        if self.revisions > MOST_REVISIONS:
            raise Unreadable(f"the file has more than {MOST_REVISIONS} revisions")
        return section.raw_get("/Prev") if "/Prev" in section else None


def _counts(values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(value, int) and value >= 0 for value in values)


class _Reader(PdfFileReader):
    """Reads each object stream once, and no more bytes of streams than some files' worth."""

    stream: _Metered

    def __init__(self, stream: _Metered, **named: Any) -> None:
        self._streams: dict[int, tuple[list[int], int, bytes]] = {}
        self._room = 4 * len(stream.getbuffer()) + MIB
        super().__init__(stream, **named)

    def get_object(self, ref: Any, *arguments: Any, **named: Any) -> Any:
        known = (ref.generation, ref.idnum) in self.resolved_objects
        found = super().get_object(ref, *arguments, **named)  # type: ignore[no-untyped-call]
        if isinstance(found, StreamObject) and not known:
            self._room -= len(found.encoded_data or b"")
            if self._room < 0:
                raise Unreadable("the file has streams within streams")
        return found

    def _get_object_from_stream(self, idnum: int, stmnum: int, idx: int) -> Any:
        if stmnum not in self._streams:
            self._streams[stmnum] = self._unpacked(stmnum)
        numbers, first, data = self._streams[stmnum]
        if numbers[2 * idx] != idnum:
            raise PdfError(f"object {idnum} is not where it should be")
        stream = _Metered(data, self.stream.left)
        stream.seek(first + numbers[2 * idx + 1])
        found = read_object(stream, Reference(idnum, 0, self))
        if isinstance(found, (StreamObject, IndirectObject)):
            raise PdfError(f"object {idnum} is of a kind that no object stream may hold")
        return found

    def _unpacked(self, number: int) -> tuple[list[int], int, bytes]:
        """The numbers and offsets of the objects in an object stream, where the first starts, and its bytes."""
        stream = self.get_object(Reference(number, 0, self))
        if not isinstance(stream, StreamObject) or stream["/Type"] != "/ObjStm":
            raise PdfError(f"object {number} is no object stream")
        data, first, count = inflated(stream), stream["/First"], stream["/N"]
        _check_words(data)
        words = data[:first].split()[: 2 * count]
        if len(words) != 2 * count or not b"".join(words).isdigit():
            raise PdfError(f"object stream {number} contradicts itself")
        return [int(word) for word in words], first, data + b"\n"

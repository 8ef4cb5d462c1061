"""The one writer of what follows the unsigned pages: the signature, security stores, and time-stamps of the document.

Nothing that follows the pages is interpreted. The data of an update (certificates, lists, answers, a signature or a
token) is extracted, the update is written again from this data and the file before it, and must be the same to the
byte. Each update has a form, whose number never changes its meaning:

- form 1: until release 0.1, as pyHanko 0.38 wrote it: the cross-reference stream is deflated, by any zlib; the
  moment may be in any time zone; the second half of the identifier is random;
- form 2: since: no filter, the moment in UTC, an identifier that follows from the one before, room in whole KiB.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Literal

from reports.pdf.pages import Meter, Pages, TooMuchError
from reports.pdf.syntax import Name, Real, Ref, Text, Value, WrittenOtherwiseError

Kind = Literal["Certs", "OCSPs", "CRLs"]
KINDS: tuple[Kind, ...] = ("Certs", "OCSPs", "CRLs")
MOST_UPDATES = 64
MOST_STORED = 256  # in one update
MOST_ROOM = 64 * 1024  # bytes of a signature or a token
KIB = 1024

# What PDFDocEncoding (ISO 32000-1, annex D.2) has elsewhere than Latin-1 does.
_PDF_DOC = {
    **dict(zip("\u02d8\u02c7\u02c6\u02d9\u02dd\u02db\u02da\u02dc", range(0x18, 0x20), strict=True)),
    **dict(
        zip(
            "\u2022\u2020\u2021\u2026\u2014\u2013\u0192\u2044\u2039\u203a\u2212\u2030\u201e\u201c\u201d\u2018"
            "\u2019\u201a\u2122\ufb01\ufb02\u0141\u0152\u0160\u0178\u017d\u0131\u0142\u0153\u0161\u017e",
            range(0x80, 0x9F),
            strict=True,
        )
    ),
    "\u20ac": 0xA0,
}
_IN_LATIN_1 = frozenset(map(chr, (*range(0x20, 0x7F), *range(0xA1, 0x100)))) - {"\xad"}
_RANGE = b"[]" + b" " * 60
_ROW_OF_NONE = bytes(9) + b"\xff\xff"


@dataclass(frozen=True, slots=True)
class Held:
    """The data of an update that the file before it does not determine.

    `stored` is what the store is given, in order, as DER; `content` is the DER of the signature or of the token, for
    which there is room for so many bytes. A signature states the `moment` at which it was made, as PDF does. In form 1
    there are besides the second half of the `identifier` and the cross-reference as it was `deflated`.
    """

    content: bytes
    room: int
    moment: bytes = b""
    stored: tuple[tuple[Kind, bytes], ...] = ()
    identifier: bytes = b""
    deflated: bytes | None = None

    @property
    def form(self) -> int:
        """The number of the form in which the update is written."""
        return 2 if self.deflated is None else 1


@dataclass(frozen=True, slots=True)
class Update:
    """An update and its position: bytes `start` to `end` of the file, and the range that its signature or token omits.

    `gap` is where the hexadecimal digits begin and end, with the brackets around them.
    """

    held: Held
    start: int
    end: int
    gap: tuple[int, int]

    @property
    def covered(self) -> tuple[slice, slice]:
        """The bytes of the file that the signature or the token covers."""
        return slice(0, self.gap[0]), slice(self.gap[1], self.end)


@dataclass(frozen=True, slots=True)
class Revision:
    """A file as the next update finds it."""

    length: int
    startxref: int
    size: int
    root: int
    info: int
    identifiers: tuple[bytes, bytes]
    catalog: Mapping[str, Value]
    page: int
    page_entries: Mapping[str, Value]
    form: int = 0
    fields: tuple[int, ...] = ()
    store: int = 0
    stored: Mapping[Kind, tuple[int, ...]] = field(default_factory=dict)
    known: frozenset[bytes] = frozenset()

    @classmethod
    def of(cls, pages: Pages) -> Revision:
        """Unsigned pages, as their signature finds them."""
        (page, *_) = pages.objects[pages.root["Pages"]]["Kids"]
        return cls(
            length=pages.length,
            startxref=pages.startxref,
            size=pages.trailer["Size"],
            root=int(pages.trailer["Root"]),
            info=int(pages.trailer["Info"]),
            identifiers=(bytes(pages.trailer["ID"][0]), bytes(pages.trailer["ID"][1])),
            catalog=pages.root,
            page=int(page),
            page_entries=pages.objects[page],
        )


def moment(instant: datetime) -> bytes:
    """An instant as a signature of form 2 states it: UTC, in whole seconds."""
    return b"D:%s" % f"{instant.astimezone(UTC):%Y%m%d%H%M%SZ}".encode()


def room_for(length: int) -> int:
    """How many bytes to reserve for a signature or a token of about this length."""
    return (length // KIB + 2) * KIB


def fits(held: Held) -> bool:
    """Whether the reserved space is what the form reserves for this length, within the uncertainty at that time."""
    if held.form == 1:
        # pyHanko leaves half as much again as a first try took.
        return held.room % 3 != 2 and len(held.content) <= held.room <= 2 * len(held.content)
    return held.room % KIB == 0 and len(held.content) <= held.room <= len(held.content) + 3 * KIB


def write(before: Revision, held: Held) -> tuple[bytes, Update, Revision]:
    """The bytes of an update after a revision, where it lies, and the revision that it makes.

    The first update is the signature, the others are time-stamps of the document; those may add to the store.
    """
    if bool(held.moment) == bool(before.fields):
        raise WrittenOtherwiseError("a signature where a time-stamp should be, or the reverse")
    number = before.size + 1
    objects: dict[int, bytes] = {}
    if not before.fields:
        form, sign = number, number + 1
        after = replace(before, form=form, catalog=_certified(before.catalog, form, sign + 1))
    else:
        after, objects = _stored(before, held, number)
        form, sign = before.form, number + len(objects) - (before.store in objects)
    value = sign + 1
    fields = (*before.fields, sign)
    page = {**before.page_entries, "Annots": [*before.page_entries.get("Annots", ()), Ref(sign)]}
    if after.catalog is not before.catalog:
        objects[before.root] = _written(after.catalog)
    objects[before.page] = _written(page)
    objects[form] = _written({"Fields": [Ref(each) for each in fields], "SigFlags": 3})
    objects[sign] = _written(_field(len(before.fields), before.page, value))
    after = replace(after, fields=fields, page_entries=page, size=value + 2)
    return _assembled(before, after, objects, held, value)


def _certified(catalog: Mapping[str, Value], form: int, value: int) -> dict[str, Value]:
    """The catalog of a signed file: its form, the extension that PAdES needs, and what may be changed (nothing)."""
    extension = {"Type": Name("DeveloperExtensions"), "BaseVersion": Name("1.7"), "ExtensionLevel": 1}
    return {
        **catalog,
        "AcroForm": Ref(form),
        "Extensions": {"ESIC": extension},
        "Perms": {"DocMDP": Ref(value)},
    }


def _stored(before: Revision, held: Held, number: int) -> tuple[Revision, dict[int, bytes]]:
    """The objects added to the store, numbered from `number`, and the store itself if anything is added."""
    if not held.stored:
        return before, {}
    objects: dict[int, bytes] = {}
    lists = {kind: list(numbers) for kind, numbers in before.stored.items()}
    added: dict[Kind, list[int]] = {kind: [] for kind in KINDS}
    for at, (kind, der) in enumerate(held.stored, number):
        objects[at] = b"<<\n/Length %d\n>>\nstream\n%s\nendstream" % (len(der), der)
        added[kind].append(at)
    for kind in KINDS:
        if kind == "Certs" or kind in lists or added[kind]:
            lists[kind] = [*lists.get(kind, ()), *added[kind]]
    store = before.store or number + len(objects)
    objects[store] = _written({kind: [Ref(each) for each in numbers] for kind, numbers in lists.items()})
    catalog = before.catalog if before.store else {**before.catalog, "DSS": Ref(store)}
    stored: dict[Kind, tuple[int, ...]] = {kind: tuple(numbers) for kind, numbers in lists.items()}
    known = before.known | {der for _, der in held.stored}
    return replace(before, store=store, stored=stored, catalog=catalog, known=known), objects


def _field(stamps: int, page: int, value: int) -> dict[str, Value]:
    """An invisible signature field: without size and off the page."""
    what = b"Timestamp" if stamps else b"Signature"
    return {
        "FT": Name("Sig"),
        "T": Text(what + (b"%d" % stamps if stamps > 1 else b"")),
        "Type": Name("Annot"),
        "Subtype": Name("Widget"),
        "F": 132,
        "Rect": [-9999] * 4,
        "P": Ref(page),
        "TU": Text(what),
        "V": Ref(value),
    }


def _assembled(
    before: Revision, after: Revision, objects: dict[int, bytes], held: Held, value: int
) -> tuple[bytes, Update, Revision]:
    digits = held.content.ljust(held.room, b"\0").hex().upper().encode()
    objects[value] = b"<<\n/Contents <%s>\n" % digits + _signature_tail(held)
    out, places = bytearray(), {}
    for number in sorted(objects):
        places[number] = before.length + len(out)
        out += b"%d 0 obj\n%s\nendobj\n" % (number, objects[number])
    places[value + 1] = before.length + len(out)
    identifiers = (before.identifiers[0], held.identifier or _next(before))
    out += _section(before, replace(after, identifiers=identifiers), held, places)
    end = before.length + len(out)
    start = places[value] + len(b"%d 0 obj\n<<\n/Contents " % value)
    stop = start + 2 + len(digits)
    at = stop + len(b"\n/ByteRange ") - before.length
    out[at : at + len(_RANGE)] = (b"[0 %d %d %d]" % (start, stop, end - stop)).ljust(len(_RANGE))
    made = replace(after, length=end, startxref=places[value + 1], identifiers=identifiers)
    return bytes(out), Update(held, before.length, end, (start, stop)), made


def _signature_tail(held: Held) -> bytes:
    head = b"/ByteRange " + _RANGE + b"\n/Type /%s\n/Filter /Adobe.PPKLite\n/SubFilter /%s\n"
    if not held.moment:
        return head % (b"DocTimeStamp", b"ETSI.RFC3161") + b">>"
    reference = {
        "Type": Name("SigRef"),
        "TransformMethod": Name("DocMDP"),
        "TransformParams": {"Type": Name("TransformParams"), "V": Name("1.2"), "P": 1},
    }
    tail = b"/M %s\n/Reference %s\n>>" % (_written(Text(held.moment)), _written([reference]))
    return head % (b"Sig", b"ETSI.CAdES.detached") + tail


def _next(before: Revision) -> bytes:
    return sha256(before.identifiers[1] + b"%d" % before.length).digest()[:16]


def _section(before: Revision, after: Revision, held: Held, places: dict[int, int]) -> bytes:
    """The cross-reference stream, its place, and the end of the file."""
    rows = _ROW_OF_NONE + b"".join(
        b"\1" + places[number].to_bytes(8, "big") + b"\0\0" for number in sorted(places)
    )
    if held.deflated is not None and not _deflates_to(held.deflated, rows):
        raise WrittenOtherwiseError("a cross-reference that does not point to its objects")
    data = rows if held.deflated is None else held.deflated
    entries = {
        "W": [1, 8, 2],
        "Type": Name("XRef"),
        **({} if held.deflated is None else {"Filter": Name("FlateDecode")}),
        "Size": after.size,
        "Root": Ref(after.root),
        "Info": Ref(after.info),
    }
    first, second = (each.hex().encode() for each in after.identifiers)
    rest = {"Prev": before.startxref, "Index": [0, 1, *_runs(sorted(places))], "Length": len(data)}
    head = _written(entries)[:-2] + b"/ID [ <%s> <%s> ]\n" % (first, second) + _written(rest)[3:]
    number = after.size - 1
    end = b"\nstartxref\n%d\n%%%%EOF\n" % places[number]
    return b"%d 0 obj\n%s\nstream\n%s\nendstream\nendobj\n%s" % (number, head, data, end)


def _deflates_to(deflated: bytes, rows: bytes) -> bool:
    try:
        return Meter(len(rows)).inflate(deflated) == rows
    except TooMuchError:
        return False


def _runs(numbers: Sequence[int]) -> list[int]:
    """First number and length of each run of numbers without a gap."""
    runs: list[int] = []
    for at, number in enumerate(numbers):
        if at and number == numbers[at - 1] + 1:
            runs[-1] += 1
        else:
            runs += [number, 1]
    return runs


def _written(value: Value) -> bytes:  # noqa: PLR0911 -- one line a kind
    """A value as updates write it."""
    if type(value) is dict:
        return b"<<\n%s>>" % b"".join(
            b"/%s %s\n" % (key.encode(), _written(each)) for key, each in value.items()
        )
    if type(value) is list:
        return b"[%s ]" % b"".join(b" " + _written(each) for each in value)
    if type(value) is Ref:
        return b"%d 0 R" % value
    if type(value) is Name:
        return b"/" + value.encode()
    if type(value) is Text:
        return b"(%s)" % b"".join(map(_written_byte, _encoded(value)))
    if type(value) is Real:
        whole, _, part = value.text.partition(".")
        return (value.text if part.strip("0") else whole).encode()
    return {None: b"null", True: b"true", False: b"false"}[value] if type(value) is not int else b"%d" % value


def _written_byte(byte: int) -> bytes:
    return (
        bytes((byte,)) if chr(byte).isascii() and (chr(byte).isalnum() or byte == 0x20) else b"\\%03o" % byte
    )


def _encoded(text: Text) -> bytes:
    """Text in PDFDocEncoding, if that has all its characters, else in UTF-16."""
    if not text.startswith(codecs.BOM_UTF16_BE):
        return text
    try:
        found = text[2:].decode("utf-16-be")
    except UnicodeDecodeError:
        raise WrittenOtherwiseError("a string that is not text") from None
    if all(c in _IN_LATIN_1 or c in _PDF_DOC for c in found):
        return bytes(_PDF_DOC[c] if c in _PDF_DOC else ord(c) for c in found)
    return bytes(text)


# Data is read from where updates have it; writing the update again shows whether it really is there.

_OBJECT = re.compile(rb"([1-9]\d{0,9}) 0 obj\n<<\n")
_STORED = re.compile(rb"/Length (\d{1,8})\n>>\nstream\n")
_CONTENT = re.compile(rb"/Contents <([0-9A-F]{8,%d})>\n/ByteRange \[[0-9 ]*\] *\n" % (2 * MOST_ROOM))
_MOMENT = re.compile(rb"/M \((D\\072(\d{14})(?:Z|(?:\\053|\\055)\d\d\\047\d\d\\047))\)\n")
_LIST = re.compile(rb"/(Certs|OCSPs|CRLs) \[((?: \d{1,10} 0 R)*) \]\n")
_SECTION = re.compile(
    rb"/W \[ 1 8 2 \]\n/Type /XRef\n(/Filter /FlateDecode\n)?/Size \d+\n/Root \d+ 0 R\n/Info \d+ 0 R\n"
    rb"/ID \[ <[0-9a-f]+> <([0-9a-f]{32})> \]\n/Prev \d+\n/Index \[[0-9 ]*\]\n/Length (\d{1,8})\n>>\nstream\n"
)
_OCTAL = re.compile(rb"\\([0-7]{3})")


class NotRemadeError(Exception):
    """What follows is not what Exhibit would write; the message says where."""


def take(pdf: bytes, before: Revision) -> tuple[Update, Revision]:
    """Read the next update of a file, if `write` makes the same bytes from its content.

    Raises `NotRemadeError` if it is not.
    """
    held = _taken(pdf, before)
    try:
        made, update, after = write(before, held)
    except WrittenOtherwiseError as error:
        raise NotRemadeError(f"it has {error}") from None
    if not pdf.startswith(made, before.length):
        raise NotRemadeError(
            f"byte {_first_difference(pdf, made, before.length):,} differs from what Exhibit writes"
        )
    if not fits(held):
        raise NotRemadeError("it reserves more or less space than it needs")
    return update, after


def _first_difference(pdf: bytes, made: bytes, start: int) -> int:
    found = pdf[start : start + len(made)]
    return start + next(
        (at for at, pair in enumerate(zip(found, made, strict=False)) if pair[0] != pair[1]), len(found)
    )


def _taken(pdf: bytes, before: Revision) -> Held:
    streams: dict[int, bytes] = {}
    kinds: dict[int, Kind] = {}
    content, stated, at = b"", b"", before.length
    while found := _OBJECT.match(pdf, at):
        inside = found.end()
        if section := _SECTION.match(pdf, inside):
            return _with_section(pdf, section, content, stated, _in_order(streams, kinds))
        if len(streams) > MOST_STORED:
            raise TooMuchError(
                f"the file stores more than {MOST_STORED} certificates, lists and answers in one update"
            )
        if stream := _STORED.match(pdf, inside):
            streams[int(found[1])] = pdf[stream.end() : stream.end() + int(stream[1])]
            at = stream.end() + int(stream[1]) + len(b"\nendstream\nendobj\n")
            continue
        end = pdf.find(b"\nendobj\n", inside)
        if end < 0:
            break
        if signature := _CONTENT.match(pdf, inside):
            content = bytes.fromhex(signature[1].decode()) if len(signature[1]) % 2 == 0 else b""
            stated = _stated(pdf, signature.end(), end)
        for listed in _LIST.finditer(pdf, inside, end):
            kind: Kind = next(kind for kind in KINDS if kind.encode() == listed[1])
            kinds.update((int(number), kind) for number in listed[2].split()[::3])
        at = end + len(b"\nendobj\n")
    raise NotRemadeError(f"byte {at:,} is neither an object of an update nor its end")


def _in_order(streams: Mapping[int, bytes], kinds: Mapping[int, Kind]) -> tuple[tuple[Kind, bytes], ...]:
    if not streams.keys() <= kinds.keys():
        raise NotRemadeError("it has a stream that its store does not list")
    return tuple((kinds[number], streams[number]) for number in sorted(streams))


def _stated(pdf: bytes, start: int, end: int) -> bytes:
    found = _MOMENT.search(pdf, start, end)
    if found is None:
        return b""
    try:
        datetime.strptime(found[2].decode(), "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        raise NotRemadeError("it states a date or time that does not exist") from None
    return _OCTAL.sub(lambda escape: bytes((int(escape[1], 8),)), found[1])


def _with_section(
    pdf: bytes, section: re.Match[bytes], padded: bytes, stated: bytes, stored: tuple[tuple[Kind, bytes], ...]
) -> Held:
    content = padded[: _length(padded)]
    held = Held(content, len(padded), stated, stored)
    if not section[1]:
        if stated and not stated.endswith(b"Z"):
            raise NotRemadeError("it states a time in a time zone other than UTC")
        return held
    deflated = pdf[section.end() : section.end() + int(section[3])]
    return replace(held, identifier=bytes.fromhex(section[2].decode()), deflated=deflated)


def _length(padded: bytes) -> int:
    """The length of the first DER value; 0 if there is none."""
    if len(padded) < 2 or padded[0] != 0x30:
        return 0
    if padded[1] < 0x80:
        return 2 + padded[1]
    size = padded[1] & 0x7F
    return 2 + size + int.from_bytes(padded[2 : 2 + size], "big") if 0 < size < 4 else 0

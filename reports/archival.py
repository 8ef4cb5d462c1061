"""What may be added to a signed PDF: security stores and time-stamps of the document, and nothing else.

pyHanko's own difference analysis also lets metadata and form values change, and it reads every object of the
file, which takes minutes for a tagged one. This one reads what was added, and wants a reason for each object
of it.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Set
from typing import Any

from pyhanko.pdf_utils.generic import ArrayObject, DictionaryObject, IndirectObject, Reference, StreamObject
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.diff_analysis import SuspiciousModification

# What a field without a look needs (ISO 32000-2, 12.5.2 and 12.7.4): neither actions nor appearances.
FIELD_KEYS = frozenset({"/FT", "/T", "/TU", "/Type", "/Subtype", "/F", "/Ff", "/Rect", "/P", "/V"})


def check_updates(reader: PdfFileReader, signed: int) -> None:
    """Raise `SuspiciousModification` if a revision after number `signed` adds or changes anything else."""
    for number in range(signed + 1, reader.xrefs.total_revisions):
        old, new = (reader.get_historical_resolver(each) for each in (number - 1, number))
        _Update(old, new).check()


def check_signature(pdf: bytes, unsigned: int) -> None:
    """Raise `SuspiciousModification` unless the signed revision is the second one and adds only the signature.

    The first one has to be the first `unsigned` bytes.
    """
    reader = PdfFileReader(io.BytesIO(pdf))
    first = PdfFileReader(io.BytesIO(pdf[:unsigned]))
    alone = first.xrefs.total_revisions == 1 and reader.embedded_signatures[0].signed_revision == 1
    begins = reader.xrefs.get_startxref_for_revision(0) == first.xrefs.get_startxref_for_revision(0)
    _want(alone and begins, "the pages that were signed")
    _Signature(*(reader.get_historical_resolver(number) for number in (0, 1))).check()


class _Update:
    """One revision, and how the file was before it."""

    catalog = frozenset({"/AcroForm", "/DSS"})
    value = "/DocTimeStamp"

    def __init__(self, old: Any, new: Any) -> None:
        self.old = old
        self.new = new
        self.explained: set[Reference] = {new.root_ref}

    def check(self) -> None:
        """Find a reason for every object that this revision writes."""
        for key in ("/Root", "/Info", "/Encrypt"):
            _want(
                _raw(self.old.trailer_view, key) == _raw(self.new.trailer_view, key), f"{key} of the trailer"
            )
        _want(not self.new.refs_freed_in_revision(), "objects were deleted")
        _same(self.old.root, self.new.root, "the catalog", self.catalog)
        self._containers()
        self._store()
        self._fields()
        rest = set(self.new.explicit_refs_in_revision()) - self.explained
        _want(not rest, f"objects {sorted(ref.idnum for ref in rest)}")

    def _is_new(self, ref: Reference) -> bool:
        return bool(self.old.is_ref_unassignable(ref))

    def _containers(self) -> None:
        xrefs = self.new.reader.xrefs
        streams = {
            xrefs.get_xref_container_info(self.new.revision).stream_ref,
            *self.new.object_streams_used(),
        }
        self.explained |= {ref for ref in streams if ref is not None and self._is_new(ref)}

    def _store(self) -> None:
        """The store may grow: what it held, it holds still, and its streams are as they were."""
        before = set(_reachable(self.old, _raw(self.old.root, "/DSS"), lambda _: True))
        known = before.__contains__
        after = set(
            _reachable(self.new, _raw(self.new.root, "/DSS"), lambda ref: known(ref) or self._is_new(ref))
        )
        _want(before <= after, "the security store lost something")
        self.explained |= {ref for ref in after if self._is_new(ref)}
        self.explained |= {ref for ref in before if not isinstance(self.old(ref), StreamObject)}

    def _fields(self) -> None:
        old_form, new_form = self._same_place(self.old.root, self.new.root, "/AcroForm")
        _same(old_form, new_form, "the form", {"/Fields"})
        added = self._appended(old_form, new_form, "/Fields")
        for ref in added:
            self._stamp(ref, added)

    def _stamp(self, ref: Reference, added: list[Reference]) -> None:
        """A field without a look that holds a time-stamp of the document, and the page that lists it."""
        field = self.new(ref)
        _want(self._is_new(ref) and isinstance(field, DictionaryObject), "a form field")
        _want(FIELD_KEYS.issuperset(field) and field["/FT"] == "/Sig", "a form field that is no time-stamp")
        left, bottom, right, top = field["/Rect"]
        _want(left == right and bottom == top, "a time-stamp that can be seen")
        value = _reference(_raw(field, "/V"))
        _want(self._is_new(value) and self.new(value)["/Type"] == self.value, "a signature")
        page = _reference(_raw(field, "/P"))
        _same(self.old(page), self.new(page), "a page", {"/Annots"})
        listed = self._appended(self.old(page), self.new(page), "/Annots")
        _want(set(listed) <= set(added), "an annotation")
        self.explained |= {ref, value, page}

    def _appended(self, old: DictionaryObject, new: DictionaryObject, key: str) -> list[Reference]:
        """What an array of references has in addition to what it had."""
        if key not in new:
            _want(key not in old, f"{key} was removed")
            return []
        before, after = self._same_place(old, new, key) if key in old else (ArrayObject(), new[key])
        _want(
            isinstance(after, ArrayObject) and list(after)[: len(before)] == list(before),
            f"{key} was changed",
        )
        return [_reference(after.raw_get(n)) for n in range(len(before), len(after))]

    def _same_place(self, old: DictionaryObject, new: DictionaryObject, key: str) -> tuple[Any, Any]:
        """A value before and after; if it is an object of its own, it stays that one, perhaps rewritten."""
        before, after = _raw(old, key), _raw(new, key)
        if isinstance(before, IndirectObject) or isinstance(after, IndirectObject):
            _want(before == after, f"{key} was replaced")
            self.explained.add(_reference(after))
        return old[key], new[key]


class _Signature(_Update):
    """The revision of the signature: the form that lists it, and what the catalog says of it, come with it."""

    catalog = frozenset({"/AcroForm", "/Perms", "/Extensions"})
    value = "/Sig"

    def _fields(self) -> None:
        _want(not {"/AcroForm", "/Perms", "/DSS"} & set(self.old.root), "the catalog")
        form = self.new.root["/AcroForm"]
        _want(set(form) <= {"/Fields", "/SigFlags"} and len(form["/Fields"]) == 1, "the form")
        field = _reference(form["/Fields"].raw_get(0))
        self._stamp(field, [field])
        signature = _raw(self.new(field), "/V")
        permissions = {key: self.new.root["/Perms"].raw_get(key) for key in self.new.root["/Perms"]}
        _want(permissions == {"/DocMDP": signature}, "the permissions")
        self.explained |= {_reference(_raw(self.new.root, "/AcroForm"))}


def _reachable(resolver: Any, start: Any, follow: Callable[[Reference], bool]) -> Iterator[Reference]:
    seen: set[Reference] = set()
    waiting = [start]
    while waiting:
        value = waiting.pop()
        if isinstance(value, IndirectObject):
            if value.reference in seen or not follow(value.reference):
                continue
            seen.add(value.reference)
            yield value.reference
            value = resolver(value.reference)
        if isinstance(value, DictionaryObject):
            waiting += [value.raw_get(key) for key in value]
        elif isinstance(value, ArrayObject):
            waiting += [value.raw_get(n) for n in range(len(value))]


def _same(old: Any, new: Any, what: str, but: Set[str]) -> None:
    _want(type(old) is type(new) is DictionaryObject, what)
    for key in {*old, *new} - but:
        _want(_raw(old, key) == _raw(new, key), f"{key} of {what}")


def _raw(holder: DictionaryObject, key: str) -> Any:
    return holder.raw_get(key) if key in holder else None


def _reference(value: Any) -> Reference:
    if not isinstance(value, IndirectObject):
        raise SuspiciousModification("something that should be an object of its own is not")
    return value.reference


def _want(holds: bool, otherwise: str) -> None:
    if not holds:
        raise SuspiciousModification(otherwise)

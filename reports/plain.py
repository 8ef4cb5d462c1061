"""What a briefing is built of, and nothing that could show its reader something else.

Whoever prepares a file before it is signed can hide in it what is shown later, or elsewhere, or to somebody else:
layers that are switched, scripts, forms, actions, content that another file holds. Exhibit's own files have none of it,
so a file that has any is no briefing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pyhanko.pdf_utils.generic import ArrayObject, DictionaryObject, IndirectObject, StreamObject
from pyhanko.pdf_utils.reader import PdfFileReader

from reports.archival import FIELD_KEYS
from reports.opening import MOST_REVISIONS, inflated

MOST_PAGES = 10_000
MOST_STORED = 256  # certificates, revocation lists and answers

CATALOG = frozenset(
    {
        *("/Type", "/Pages", "/Outlines", "/Lang", "/Names", "/StructTreeRoot", "/ViewerPreferences"),
        *("/MarkInfo", "/OutputIntents", "/AF", "/Metadata", "/AcroForm", "/Extensions", "/Perms", "/DSS"),
    }
)
PAGES = frozenset({"/Type", "/Kids", "/Count", "/Parent"})
PAGE = frozenset(
    {
        *("/Type", "/Parent", "/MediaBox", "/TrimBox", "/BleedBox", "/Resources", "/Contents", "/Annots"),
        *("/Tabs", "/StructParents"),
    }
)
LINK = frozenset(
    {"/Type", "/Subtype", "/Rect", "/BS", "/Contents", "/Dest", "/A", "/StructParent", "/F", "/P", "/Border"}
)
RESOURCES = frozenset({"/ExtGState", "/Pattern", "/XObject", "/Font", "/Shading", "/ColorSpace", "/ProcSet"})
OUTLINE = frozenset({"/Type", "/Title", "/Dest", "/Count", "/First", "/Last", "/Parent", "/Next", "/Prev"})
# Layers, and what is fetched from other files or shown in place of a picture (ISO 32000-1, 8.8 to 8.11).
ELSEWHERE = frozenset({"/OC", "/Ref", "/Alternates", "/OPI", "/PS", "/F", "/FFilter"})


class NotPlainError(Exception):
    """The file has something that no briefing has; the message says what and where."""


def check_plain(reader: PdfFileReader) -> None:
    """Raise `NotPlainError` for anything beside pages, bookmarks, links, attachments and signatures."""
    root = reader.root
    _known(root, CATALOG, "the catalog")
    _known(_entry(root, "/Names"), {"/EmbeddedFiles", "/Dests"}, "the names")
    fields = list(_entry(_entry(root, "/AcroForm"), "/Fields"))
    for page in _pages(root.raw_get("/Pages")):
        _check_page(page, fields)
    for item in _outline(_entry(root, "/Outlines")):
        _known(item, OUTLINE, "a bookmark")


def check_signatures(reader: PdfFileReader) -> None:
    """Raise `NotPlainError` unless the form is signatures in one flat list, and what they need a moderate store."""
    form, store = _entry(reader.root, "/AcroForm"), _entry(reader.root, "/DSS")
    for name in ("/Certs", "/CRLs", "/OCSPs"):
        _want(len(_entry(store, name)) <= MOST_STORED, f"more than {MOST_STORED} of {name}")
        for stored in _entry(store, name):
            inflated(stored.get_object())
    _known(form, {"/Fields", "/SigFlags"}, "the form")
    fields = _entry(form, "/Fields")
    _want(len(fields) <= MOST_REVISIONS, f"more than {MOST_REVISIONS} signatures")
    for field in fields:
        _want(isinstance(field, IndirectObject), "a form field without a number")
        _known(field.get_object(), FIELD_KEYS, "a form field")
        _want(field.get_object()["/FT"] == "/Sig", "a form field that is no signature")


def _pages(top: Any) -> Iterator[DictionaryObject]:
    seen, waiting, count = set(), [top], 0
    while waiting:
        reference = waiting.pop()
        _want(isinstance(reference, IndirectObject), "a page without a number")
        _want(reference.reference not in seen, "a page that is there twice")
        seen.add(reference.reference)
        node = reference.get_object()
        if "/Kids" in node:
            _known(node, PAGES, "the page tree")
            waiting += node["/Kids"]
            _want(len(waiting) + count <= MOST_PAGES, f"more than {MOST_PAGES:,} pages")
        else:
            count += 1
            yield node


def _check_page(page: DictionaryObject, fields: list[Any]) -> None:
    _known(page, PAGE, "a page")
    content = _entry(page, "/Contents")
    for stream in [content] if isinstance(content, StreamObject) else [each.get_object() for each in content]:
        _want(ELSEWHERE.isdisjoint(stream), "a page whose content is elsewhere")
    _check_resources(_entry(page, "/Resources"), set())
    for annotation in _entry(page, "/Annots"):
        if annotation not in fields:
            _check_link(annotation.get_object())


def _check_link(link: Any) -> None:
    _known(link, LINK, "an annotation")
    _want(link["/Subtype"] == "/Link", f"an annotation of the kind {str(link['/Subtype'])[:40]}")
    action = _entry(link, "/A")
    _known(action, {"/Type", "/S", "/URI", "/D"}, "the action of a link")
    _want(
        not action or action["/S"] in ("/URI", "/GoTo"), "a link that does something else than to lead away"
    )


def _check_resources(resources: Any, seen: set[Any]) -> None:
    _known(resources, RESOURCES, "the resources of a page")
    drawn = _entry(resources, "/XObject")
    for name in drawn:
        reference = drawn.raw_get(name)
        if isinstance(reference, IndirectObject) and reference.reference not in seen:
            seen.add(reference.reference)
            _want(ELSEWHERE.isdisjoint(drawn[name]), "a picture that is a layer, or elsewhere")
            _check_resources(_entry(drawn[name], "/Resources"), seen)


def _outline(top: Any) -> Iterator[Any]:
    seen, waiting = set(), [top]
    while waiting:
        item = waiting.pop()
        yield item
        for following in ("/First", "/Next"):
            if following in item and item.raw_get(following) not in seen:
                seen.add(item.raw_get(following))
                waiting.append(item[following])


def _entry(holder: Any, name: str) -> Any:
    found = holder[name] if isinstance(holder, DictionaryObject) and name in holder else ()
    return found if isinstance(found, (DictionaryObject, ArrayObject)) else ()


def _known(holder: Any, keys: frozenset[str] | set[str], what: str) -> None:
    unknown = sorted(set(holder) - keys) if isinstance(holder, DictionaryObject) else []
    if unknown:
        raise NotPlainError(f"{unknown[0][:40]} in {what}")


def _want(holds: bool, otherwise: str) -> None:
    if not holds:
        raise NotPlainError(otherwise)

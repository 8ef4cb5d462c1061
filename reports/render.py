"""Step 5. HTML, its assets and its attachments become unsigned PDF bytes: the same bytes every time.

One file conforms to PDF/A-3a (ISO 19005-3) and to PDF/UA-1 (ISO 14289-1). WeasyPrint lays the pages out; what
it leaves open is done here:

1. assets come from template folders and font packages only: no network, no other file, no font of the host;
2. attachments are listed once each, with their media type;
3. table headers get their scope, and running heads and feet become artifacts;
4. the XMP packet identifies the file as PDF/UA-1 too;
5. pages made from synthetic data say so, whatever the templates say;
6. a page that could not be shown as it was meant (a lost image, an image without a description, a character
   that no font has) is an error, never a page with a hole in it.
"""

from __future__ import annotations

import ctypes.util
import hashlib
import logging
import mimetypes
import os
import sys
import threading
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from xml.etree.ElementTree import Element

import fontTools  # type: ignore[import-untyped]
import pydyf  # type: ignore[import-untyped]

from reports import __version__
from reports.assets import Resources
from reports.attach import Attachment, attachments
from reports.compose import Briefing
from reports.errors import InvalidSettings
from reports.resolve import Window
from reports.spill import temporary
from reports.typeset import typeset

_HERE = Path(__file__).parent
_PAGE = _HERE / "page"


@contextmanager
def _quick_import() -> Iterator[None]:
    """Let WeasyPrint load libraries by soname on Linux, where asking gcc and ldconfig takes 0.4 s."""
    find = ctypes.util.find_library
    if sys.platform == "linux":
        ctypes.util.find_library = lambda name: None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that there are no fonts: there should be none
            yield
    finally:
        ctypes.util.find_library = find


os.environ["FONTCONFIG_FILE"] = str(_PAGE / "fonts.conf")  # fontconfig loads this instead of the host's fonts
with _quick_import():
    import weasyprint  # type: ignore[import-untyped]
    from weasyprint.css import ColorProfile  # type: ignore[import-untyped]
    from weasyprint.pdf.metadata import DocumentMetadata as XmpMetadata  # type: ignore[import-untyped]
    from weasyprint.text.ffi import pango  # type: ignore[import-untyped]
    from weasyprint.text.fonts import FontConfiguration  # type: ignore[import-untyped]
    from weasyprint.urls import FatalURLFetchingError, URLFetcher, URLFetcherResponse  # type: ignore[import-untyped]

MOST_SPAN = 1_000
DEEPEST_MARKUP = 60
_BASE = "https://templates.invalid/"  # relative names need an absolute base; RFC 2606: no such host exists


@dataclass(frozen=True, slots=True)
class DocumentMetadata:
    """What a file says of itself. `identifier` is its number, `as_of` (aware) its date, `language` BCP 47."""

    title: str
    identifier: str
    issuer: str
    as_of: datetime
    description: str = ""
    language: str = "en"
    synthetic: bool = False


def render(briefing: Briefing, resources: Resources, page_size: str) -> bytes:
    """Render a briefing with its attachments; the same arguments and assets give the same bytes."""
    html, ledger = typeset(briefing, resources, page_size)
    pages = pages_record(resources, page_size)
    attached = attachments(briefing, tuple(ledger.figures.values()), pages)
    return bind(briefing, html, attached, resources)


def pages_record(resources: Resources, page_size: str) -> dict[str, Any]:
    """What has to be known to make the same pages again, as `evidence.json` says it.

    `libraries` are those whose releases show in the bytes of a PDF.
    """
    made = pango.pango_version()
    libraries = {
        "fonttools": fontTools.version,
        "pydyf": pydyf.VERSION,
        "weasyprint": weasyprint.__version__,
        "pango": f"{made // 10_000}.{made // 100 % 100}.{made % 100}",
        "zlib": zlib.ZLIB_RUNTIME_VERSION,
    }
    return {
        "pageSize": page_size,
        "templates": {"digest": {"sha256": resources.digest()}},
        "libraries": [{"name": name, "version": libraries[name]} for name in sorted(libraries)],
    }


def bind(briefing: Briefing, html: str, attached: Sequence[Attachment], resources: Resources) -> bytes:
    """Turn a briefing's typeset pages and its attachments into the bytes of an unsigned PDF."""
    metadata = DocumentMetadata(
        title=f"{briefing.title}, {_days(briefing.window)}",
        identifier=f"{briefing.number}, edition {briefing.edition}",
        issuer=briefing.settings.issuer.name,
        as_of=briefing.as_of,
        synthetic=briefing.synthetic,
    )
    return render_pdf(html, resources=resources, metadata=metadata, attachments=attached)


def _days(window: Window) -> str:
    return f"{window.first} to {window.last}" if window.first < window.last else f"{window.first}"


def render_pdf(
    html: str, *, resources: Resources, metadata: DocumentMetadata, attachments: Sequence[Attachment] = ()
) -> bytes:
    """Turn HTML into the bytes of an unsigned PDF, which depend on the arguments and the assets alone.

    The file's metadata is `metadata`, not what `<title>` and `<meta>` say. Raises `InvalidSettings` for
    whatever the templates ask for that may not be had, and for all that WeasyPrint logs as an error;
    warnings stay in its log.
    """
    fetcher = _Fetcher(resources)
    attachments = sorted(attachments, key=lambda attachment: attachment.name.encode())  # as a name tree is
    with temporary(), _strict(fetcher):  # WeasyPrint hands fonts to Pango in files
        fonts = FontConfiguration()
        names = ["fonts.css", *["synthetic.css"] * metadata.synthetic]
        sheets = [_sheet(name, fetcher, fonts) for name in names]
        page = weasyprint.HTML(string=html, base_url=_BASE, url_fetcher=fetcher)
        _require_moderate(page.etree_element)
        document = page.render(
            font_config=fonts, stylesheets=sheets, color_profiles={"srgb": _srgb()}, pdf_variant="pdf/a-3a"
        )
        document.metadata = _Metadata(metadata)
        pdf: bytes = document.write_pdf(
            pdf_variant="pdf/a-3a",
            pdf_identifier=_identifier(html, metadata, attachments),
            output_intent="as above",  # for "srgb", WeasyPrint would open the profile again and not close it
            attachments=[_embedded(attachment, metadata.as_of) for attachment in attachments],
            finisher=_Finisher(attachments),
        )
    return pdf


def _sheet(name: str, fetcher: _Fetcher, fonts: FontConfiguration) -> weasyprint.CSS:
    text = (_PAGE / name).read_text("utf-8")
    return weasyprint.CSS(string=text, base_url=_BASE, url_fetcher=fetcher, font_config=fonts)


def _srgb() -> ColorProfile:
    content = (files("weasyprint.pdf") / "sRGB2014.icc").read_bytes()
    return ColorProfile(BytesIO(content), "sRGB2014.icc", "relative-colorimetric", (["r"], ["g"], ["b"]))


def _identifier(html: str, metadata: DocumentMetadata, attachments: Sequence[Attachment]) -> bytes:
    digest = hashlib.sha256(f"{metadata}\0{html}".encode())
    for attachment in attachments:
        digest.update(hashlib.sha256(attachment.data).digest())
    return digest.hexdigest()[:32].encode()


def _embedded(attachment: Attachment, as_of: datetime) -> weasyprint.Attachment:
    when = as_of.astimezone(UTC)
    return weasyprint.Attachment(
        string=attachment.data,
        name=attachment.name,
        description=attachment.description,
        created=when,
        modified=when,
    )


class _Fetcher(URLFetcher):  # type: ignore[misc]
    """Serves named assets and `data:` URLs. Keeps its first refusal: WeasyPrint may swallow the exception."""

    def __init__(self, resources: Resources) -> None:
        super().__init__(allowed_protocols={"data"}, fail_on_errors=True)
        self.resources = resources
        self.refusal: InvalidSettings | None = None

    def fetch(self, url: str, headers: dict[str, str] | None = None) -> URLFetcherResponse:
        if url.startswith("data:"):
            return super().fetch(url, headers)
        try:
            return self._named(url)
        except InvalidSettings as refusal:
            self.refusal = self.refusal or refusal
            raise FatalURLFetchingError(url) from refusal

    def _named(self, url: str) -> URLFetcherResponse:
        if not url.startswith(_BASE):
            raise InvalidSettings(
                f"the template asks for {url}, but pages are made without the network and other files: "
                "put it into the template folder and name it by its path there"
            )
        name = unquote(url.removeprefix(_BASE))
        media_type = mimetypes.types_map.get(Path(name).suffix.lower(), "application/octet-stream")
        return URLFetcherResponse(url, self.resources.read(name), {"Content-Type": media_type})


@contextmanager
def _strict(fetcher: _Fetcher) -> Iterator[None]:
    """Turn what was refused, or what WeasyPrint logs as an error, into `InvalidSettings`."""
    log = _ErrorLog()
    logger = logging.getLogger("weasyprint")
    logger.addHandler(log)
    try:
        yield
    except FatalURLFetchingError as fatal:
        raise fetcher.refusal or InvalidSettings(f"the template: {fatal}: correct it") from fatal
    except RecursionError:
        raise InvalidSettings("the template nests too deeply what it draws: take some out") from None
    finally:
        logger.removeHandler(log)
    if fetcher.refusal:
        raise fetcher.refusal
    if log.first:
        raise InvalidSettings(f"the template cannot be shown as it is meant: {log.first}: correct it")


class _ErrorLog(logging.Handler):
    """Keeps the first error that the thread that made it logs."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.first = ""
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread:
            self.first = self.first or record.getMessage()


class _Metadata(XmpMetadata):  # type: ignore[misc]
    """The file's metadata, with the PDF/UA-1 identifier inside the one `rdf:RDF` that validators read."""

    def __init__(self, metadata: DocumentMetadata) -> None:
        instant = metadata.as_of.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        super().__init__(
            title=metadata.title,
            authors=[metadata.issuer],
            description=metadata.description,
            keywords=[metadata.identifier, *["synthetic data"] * metadata.synthetic],
            generator=f"Exhibit {__version__}",
            created=instant,
            modified=instant,
            lang=metadata.language,
        )

    def generate_rdf_metadata(self, variant: str, version: int, conformance: str) -> bytes:
        rdf: bytes = super().generate_rdf_metadata(variant, version, conformance)
        return rdf.replace(b"</rdf:RDF>", (_PAGE / "pdfua.xmp").read_bytes() + b"</rdf:RDF>")


class _Finisher:
    """Completes the objects of a PDF before they are written."""

    def __init__(self, attachments: Sequence[Attachment]) -> None:
        self._attachments = {pydyf.String(each.name).data: each for each in attachments}

    def __call__(self, document: weasyprint.Document, pdf: pydyf.PDF) -> None:
        _require_glyphs(document)
        self._describe_attachments(pdf)
        _scope_headers(pdf)
        _release_furniture(pdf)

    def _describe_attachments(self, pdf: pydyf.PDF) -> None:
        """WeasyPrint guesses media types, tells files apart by content alone and lists each twice."""
        for file in _typed(pdf, "/Filespec"):
            attachment = self._attachments[file["UF"].data]
            file["AFRelationship"] = f"/{attachment.relationship}"
            _object(pdf, file["EF"]["F"]).extra["Subtype"] = pydyf.name(attachment.media_type)
        if "AF" in pdf.catalog:
            pdf.catalog["AF"] = pydyf.Array(dict.fromkeys(pdf.catalog["AF"]))


def _require_moderate(page: Element) -> None:
    """Refuse what would take endless layout, and a file that the page would attach beside those of the briefing."""
    waiting = [(page, 1)]
    while waiting:
        element, depth = waiting.pop()
        if depth > DEEPEST_MARKUP:
            raise InvalidSettings(f"the template has elements more than {DEEPEST_MARKUP} deep: take some out")
        if "attachment" in element.get("rel", "").lower().split():
            raise InvalidSettings("the template attaches a file by rel=attachment: take that out")
        for name in ("colspan", "rowspan"):
            _check_span(name, element.get(name, "1"))
        waiting += [(child, depth + 1) for child in element]


def _check_span(name: str, value: str) -> None:
    span = value.strip()
    if not span.isdecimal() or len(span) > len(str(MOST_SPAN)) or int(span) > MOST_SPAN:
        raise InvalidSettings(f"the template has {name}={value[:40]!r}: write a number up to {MOST_SPAN:,}")


def _require_glyphs(document: weasyprint.Document) -> None:
    missing = sorted({code for font in document.fonts.values() for code in font.missing})
    if missing:
        shown = ", ".join(f"U+{code:04X}" for code in missing[:5])
        raise InvalidSettings(
            f"the template prints {shown}, which no font has: write it otherwise, or add a font"
        )


def _scope_headers(pdf: pydyf.PDF) -> None:
    """Headers in a table's head are about their column, others about their row (ISO 14289-1, 7.5)."""
    for element in _typed(pdf, "/StructElem"):
        if element["S"] == "/TH":
            group = _object(pdf, _object(pdf, element["P"])["P"])
            element["A"]["Scope"] = "/Column" if group["S"] == "/THead" else "/Row"


def _release_furniture(pdf: pydyf.PDF) -> None:
    """Make artifacts of what stands in page margins: WeasyPrint tags it, but leaves it out of the tree."""
    root = _object(pdf, pdf.catalog["StructTreeRoot"])
    read = _reachable(pdf, root)
    numbers = _object(pdf, root["ParentTree"])["Nums"]
    for page in _typed(pdf, "/Page"):
        parents = numbers[2 * page["StructParents"] + 1]
        stream = _object(pdf, page["Contents"]).stream
        for at, item in enumerate(stream):
            if isinstance(item, pydyf.Dictionary) and "MCID" in item and parents[item["MCID"]] not in read:
                parents[item["MCID"]] = b"null"
                stream[at - 1 : at + 1] = ["/Artifact", pydyf.Dictionary({"Type": "/Pagination"})]
    for element in _typed(pdf, "/StructElem"):
        if element.reference not in read:
            pdf.objects[element.number] = _Null(element.number)


class _Null(pydyf.Object):  # type: ignore[misc]
    """In place of an object: pydyf miscounts what follows one that it is told is free."""

    data = b"null"

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def _reachable(pdf: pydyf.PDF, root: pydyf.Dictionary) -> set[bytes]:
    read: set[bytes] = set()
    waiting = list(root["K"])
    while waiting:
        kid = waiting.pop()
        if isinstance(kid, bytes):
            read.add(kid)
            waiting.extend(_object(pdf, kid).get("K", ()))
    return read


def _typed(pdf: pydyf.PDF, kind: str) -> list[pydyf.Dictionary]:
    return [each for each in pdf.objects if isinstance(each, pydyf.Dictionary) and each.get("Type") == kind]


def _object(pdf: pydyf.PDF, reference: bytes) -> Any:
    return pdf.objects[int(reference.split()[0])]

"""Step 5. HTML, its assets and its attachments become unsigned PDF bytes: the same bytes every time.

The file conforms to PDF/A-3a (ISO 19005-3) and PDF/UA-1 (ISO 14289-1). WeasyPrint lays out the pages; this module does
the rest:

1. assets come from template folders and font packages only: no network, no other file, no font of the host;
2. attachments are listed once each, with their media type;
3. table headers get their scope, and running heads and feet become artifacts;
4. the XMP packet identifies the file as PDF/UA-1 too;
5. pages made from synthetic data say so, whatever the templates say;
6. links are not nested, fonts have their glyphs at the numbers that the pages use, and images keep their samples;
7. a page that cannot be shown as intended (a missing image, an image without a description, a character that no font
   has) is an error, never a page with a gap.
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
from codecs import BOM_UTF8
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from xml.etree.ElementTree import Element

import fontTools  # type: ignore[import-untyped]
import pydyf  # type: ignore[import-untyped]

from reports import __version__
from reports.briefing.attachments import Attachment, attachments
from reports.briefing.compose import Briefing
from reports.briefing.content import Content
from reports.core.errors import InvalidSettings
from reports.core.scripts import Languages, marked_svg
from reports.core.window import Window
from reports.evidence.spill import temporary
from reports.pages import images
from reports.pages.assets import Resources
from reports.pages.conformance import require_conformance
from reports.pages.fonts import FONT_FILES, needed, require_rights
from reports.pages.typeset import typeset

_HERE = Path(__file__).parent
_PAGE = _HERE / "style"


@contextmanager
def _quick_import() -> Iterator[None]:
    """Let WeasyPrint load libraries by soname on Linux, where asking gcc and ldconfig takes 0.4 s."""
    find = ctypes.util.find_library
    if sys.platform == "linux":
        ctypes.util.find_library = lambda name: None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", UserWarning
            )  # the warning that there are no fonts: there should be none
            yield
    finally:
        ctypes.util.find_library = find


os.environ["PANGO_LANGUAGE"] = "en"  # Pango would take languages from the host for texts without one
os.environ["FONTCONFIG_FILE"] = str(_PAGE / "fonts.conf")  # fontconfig loads this instead of the host's fonts
with _quick_import():
    import weasyprint  # type: ignore[import-untyped]
    from weasyprint.css import ColorProfile  # type: ignore[import-untyped]
    from weasyprint.pdf.metadata import DocumentMetadata as XmpMetadata  # type: ignore[import-untyped]
    from weasyprint.text.ffi import pango  # type: ignore[import-untyped]
    from weasyprint.text.fonts import FontConfiguration  # type: ignore[import-untyped]
    from weasyprint.urls import FatalURLFetchingError, URLFetcher, URLFetcherResponse  # type: ignore[import-untyped]

from reports.pages import lettering  # noqa: E402 -- it needs WeasyPrint as it was loaded above

MOST_SPAN = 1_000
DEEPEST_MARKUP = 60
_BASE = "https://templates.invalid/"  # relative names need an absolute base; RFC 2606: no such host exists


@dataclass(frozen=True, slots=True)
class DocumentMetadata:
    """A file's metadata. `identifier` is its number, `as_of` (aware) its date, `language` BCP 47."""

    title: str
    identifier: str
    issuer: str
    as_of: datetime
    description: str = ""
    language: str = "en-US"
    synthetic: bool = False


@dataclass(frozen=True, slots=True)
class Rendered:
    """The bytes of an unsigned PDF, and the characters that its pages show as codes, such as `U+1F600`."""

    pdf: bytes
    printed_as_codes: tuple[str, ...]


def render(content: Content, resources: Resources) -> Rendered:
    """Render a briefing with its attachments; the same arguments and assets give the same bytes.

    Raises `InvalidSettings` if the result, because of the templates, does not conform to PDF/A-3a and PDF/UA-1.
    """
    html, ledger = typeset(content, resources)
    attached = attachments(content, tuple(ledger.figures.values()), pages_record(content), ledger.coded)
    pdf = bind(content.briefing, html, attached, resources)
    require_conformance(pdf)
    return Rendered(pdf, ledger.coded)


def pages_record(content: Content) -> dict[str, Any]:
    """What `evidence.json` records so that the same pages can be made again.

    `libraries` are those whose release affects the bytes of a PDF.
    """
    made = pango.pango_version()
    libraries = {
        "fonttools": fontTools.version,
        "pydyf": pydyf.VERSION,
        "weasyprint": weasyprint.__version__,
        "pycountry": version("pycountry"),
        "pango": f"{made // 10_000}.{made // 100 % 100}.{made % 100}",
        "zlib": zlib.ZLIB_RUNTIME_VERSION,
    }
    return {
        "pageSize": content.page_size,
        "templates": {"digest": {"sha256": content.templates_sha256}},
        "libraries": [{"name": name, "version": libraries[name]} for name in sorted(libraries)],
    }


def bind(briefing: Briefing, html: str, attached: Sequence[Attachment], resources: Resources) -> bytes:
    """Turn a briefing's typeset pages and its attachments into the bytes of an unsigned PDF."""
    metadata = DocumentMetadata(
        title=f"{briefing.title}, {_days(briefing.window)}",
        identifier=f"{briefing.number}, edition {briefing.edition}",
        issuer=briefing.settings.issuer.name,
        as_of=briefing.as_of,
        language=briefing.settings.issuer.language,
        synthetic=briefing.synthetic,
    )
    return render_pdf(html, resources=resources, metadata=metadata, attachments=attached)


def _days(window: Window) -> str:
    return f"{window.first} to {window.last}" if window.first < window.last else f"{window.first}"


def render_pdf(
    html: str, *, resources: Resources, metadata: DocumentMetadata, attachments: Sequence[Attachment] = ()
) -> bytes:
    """Turn HTML into the bytes of an unsigned PDF, which depend on the arguments and the assets alone.

    The file's metadata comes from `metadata`, not from `<title>` and `<meta>`. Raises `InvalidSettings` if the
    templates ask for something that is not allowed, and for everything that WeasyPrint logs as an error; warnings stay
    in its log.
    """
    fetcher = _Fetcher(resources)
    attachments = sorted(attachments, key=lambda attachment: attachment.name.encode())  # as a name tree is
    with temporary(), _strict(fetcher):  # WeasyPrint hands fonts to Pango in files
        fonts = fetcher.fonts
        names = ["fonts.css", *["synthetic.css"] * metadata.synthetic]
        sheets = [_sheet(name, fetcher, fonts) for name in names]
        fetcher.give_fonts(html)
        page = weasyprint.HTML(string=html, base_url=_BASE, url_fetcher=fetcher)
        _require_moderate(page.etree_element)
        document = page.render(
            font_config=fonts, stylesheets=sheets, color_profiles={"srgb": _srgb()}, pdf_variant="pdf/a-3a"
        )
        document.metadata = _Metadata(metadata)
        pdf: bytes = document.write_pdf(
            pdf_variant="pdf/a-3a",
            pdf_identifier=_identifier(html, metadata, attachments),
            output_intent="as above",  # with "srgb", WeasyPrint would open the profile again without closing it
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
        self.fonts = FontConfiguration()
        self._all_scripts = False

    def fetch(self, url: str, headers: dict[str, str] | None = None) -> URLFetcherResponse:
        try:
            return self._inline(url, headers) if url.startswith("data:") else self._named(url)
        except InvalidSettings as refusal:
            self.refusal = self.refusal or refusal
            raise FatalURLFetchingError(url) from refusal

    def _inline(self, url: str, headers: dict[str, str] | None) -> URLFetcherResponse:
        response = super().fetch(url, headers)
        content = self._usable(response.read(), f"{url[:40]}…", response.content_type)
        return URLFetcherResponse(url, content, {"Content-Type": response.content_type})

    def _named(self, url: str) -> URLFetcherResponse:
        if not url.startswith(_BASE):
            raise InvalidSettings(
                f"the template asks for {url}, but pages are made without network access or files from elsewhere: "
                "put it in the template folder and use its path there"
            )
        name = unquote(url.removeprefix(_BASE))
        media_type = mimetypes.types_map.get(Path(name).suffix.lower(), "application/octet-stream")
        content = self.resources.read(name)
        content = self._usable(content, name, media_type)
        return URLFetcherResponse(url, content, {"Content-Type": media_type})

    def _usable(self, content: bytes, name: str, media_type: str) -> bytes:
        """An asset in a form that pages can contain; raises `InvalidSettings` if there is none."""
        if content.startswith(FONT_FILES):
            require_rights(content, name)
        elif (image := None if _is_text(content) else images.plain(content, name)) is not None:
            return image
        elif media_type.startswith("image/") and media_type != "image/svg+xml":
            raise InvalidSettings(f"{name} is not a readable image: save it again, as PNG or JPEG")
        else:
            text = content.decode(errors="replace")
            if self.give_fonts(text) and media_type == "image/svg+xml" and "xml:lang" not in text:
                return marked_svg(text, Languages()).encode()
        return content

    def give_fonts(self, text: str) -> bool:
        """Add the fonts of other scripts if a text needs them; returns whether it does."""
        wanted = needed(text)
        if wanted and not self._all_scripts:
            lettering.add_fonts(self.fonts)
            self._all_scripts = True
        return wanted


def _is_text(content: bytes) -> bool:
    """Whether an asset is a style sheet or a drawing, which say what they are in their first bytes."""
    start = content[:64]
    return (
        not start.startswith(b"GIF8")
        and min(start, default=9) >= 9
        and start.removeprefix(BOM_UTF8).isascii()
    )


@contextmanager
def _strict(fetcher: _Fetcher) -> Iterator[None]:
    """Turn refusals, and errors that WeasyPrint logs, into `InvalidSettings`."""
    log = _ErrorLog()
    logger = logging.getLogger("weasyprint")
    logger.addHandler(log)
    try:
        yield
    except FatalURLFetchingError as fatal:
        raise fetcher.refusal or InvalidSettings(f"the template: {fatal}: correct it") from fatal
    except RecursionError:
        raise InvalidSettings("the template nests its elements too deeply: remove some") from None
    except InvalidSettings:
        raise
    except MemoryError:
        raise
    except Exception as error:  # whatever WeasyPrint runs into in a style sheet or a drawing
        if isinstance(error, OSError) and error.errno:  # the system's; Pillow's own have no number
            raise
        raise InvalidSettings(
            f"the pages cannot be drawn as the style sheets and drawings specify ({error}): simplify them"
        ) from error
    finally:
        logger.removeHandler(log)
    if fetcher.refusal:
        raise fetcher.refusal
    if log.first:
        raise InvalidSettings(f"the template cannot be shown as intended: {log.first}: correct it")


class _ErrorLog(logging.Handler):
    """Keeps the first error logged by the thread that created it."""

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
        _link_once(pdf)
        _number_glyphs(pdf)
        _keep_samples(pdf)
        _scope_headers(pdf)
        _release_furniture(pdf)
        pdf.objects = [_Finished(each) if isinstance(each, pydyf.Stream) else each for each in pdf.objects]

    def _describe_attachments(self, pdf: pydyf.PDF) -> None:
        """WeasyPrint guesses media types, tells files apart by content alone and lists each twice."""
        for file in _typed(pdf, "/Filespec"):
            attachment = self._attachments.get(file["UF"].data)
            if attachment is None or any(a["Subtype"] == "/FileAttachment" for a in _typed(pdf, "/Annot")):
                raise InvalidSettings("the template attaches a file: remove rel=attachment from its links")
            file["AFRelationship"] = f"/{attachment.relationship}"
            _object(pdf, file["EF"]["F"]).extra["Subtype"] = pydyf.name(attachment.media_type)
        if "AF" in pdf.catalog:
            pdf.catalog["AF"] = pydyf.Array(dict.fromkeys(pdf.catalog["AF"]))


class _Finished(pydyf.Stream):  # type: ignore[misc]
    """A stream that is compressed once: its bytes are needed twice, in the file and for the file's identifier."""

    def __init__(self, stream: pydyf.Stream) -> None:
        super().__init__()
        self.__dict__.update(stream.__dict__)
        self._data: bytes = stream.data

    @property
    def data(self) -> bytes:
        return self._data


def _require_moderate(page: Element) -> None:
    """Refuse markup whose layout would never end, and files that the page itself would attach."""
    waiting = [(page, 1)]
    while waiting:
        element, depth = waiting.pop()
        if depth > DEEPEST_MARKUP:
            raise InvalidSettings(
                f"the template has elements nested more than {DEEPEST_MARKUP} deep: remove some"
            )
        if "attachment" in element.get("rel", "").lower().split():
            raise InvalidSettings("the template attaches a file with rel=attachment: remove that")
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
            f"the template prints {shown}, which no font has: replace it, or add a font that has it"
        )


def _link_once(pdf: pydyf.PDF) -> None:
    """Remove links nested in a link: WeasyPrint gives every box inside a link its own, on top of the others."""
    root = _object(pdf, pdf.catalog["StructTreeRoot"])
    numbers = _object(pdf, root["ParentTree"])["Nums"]
    linked = {
        element.reference: (element, kid)
        for element in _typed(pdf, "/StructElem")
        for kid in element["K"]
        if isinstance(kid, bytes) and _object(pdf, kid).get("Type") == "/OBJR"
    }
    for element, kid in list(linked.values()):
        if not any(reference in linked for reference in _ancestors(pdf, element)):
            continue
        reference = _object(pdf, kid)["Obj"]
        annotation = _object(pdf, reference)
        at = numbers.index(annotation["StructParent"])
        del numbers[at : at + 2]
        element["K"].remove(kid)
        element["S"] = "/Span" if element["S"] == "/Link" else element["S"]
        _object(pdf, element["Pg"])["Annots"].remove(reference)
        for gone in (kid, reference):
            number = int(gone.split()[0])
            pdf.objects[number] = _Null(number)


def _ancestors(pdf: pydyf.PDF, element: pydyf.Dictionary) -> Iterator[bytes]:
    while element.get("Type") == "/StructElem":
        yield element["P"]
        element = _object(pdf, element["P"])


def _number_glyphs(pdf: pydyf.PDF) -> None:
    for font in pdf.objects:
        if isinstance(font, pydyf.Stream) and font.extra.get("Subtype") == "/OpenType":
            font.stream = [lettering.number_glyphs(font.stream[0])]


def _keep_samples(pdf: pydyf.PDF) -> None:
    """Turn off image interpolation (ISO 19005-3, 6.2.8)."""
    for image in pdf.objects:
        if isinstance(image, pydyf.Stream) and image.extra.get("Subtype") == "/Image":
            image.extra["Interpolate"] = "false"


def _scope_headers(pdf: pydyf.PDF) -> None:
    """Headers in a table's head apply to their column, others to their row (ISO 14289-1, 7.5)."""
    for element in _typed(pdf, "/StructElem"):
        if element["S"] == "/TH":
            group = _object(pdf, _object(pdf, element["P"])["P"])
            element["A"]["Scope"] = "/Column" if group["S"] == "/THead" else "/Row"


def _release_furniture(pdf: pydyf.PDF) -> None:
    """Turn page-margin content into artifacts: WeasyPrint tags it, but leaves it out of the tree.

    The rest gets its language, where it is not the document's.
    """
    root = _object(pdf, pdf.catalog["StructTreeRoot"])
    read = _reachable(pdf, root)
    numbers = _object(pdf, root["ParentTree"])["Nums"]
    for page in _typed(pdf, "/Page"):
        parents = numbers[2 * page["StructParents"] + 1]
        stream = _object(pdf, page["Contents"]).stream
        for at, item in enumerate(stream):
            if not (isinstance(item, pydyf.Dictionary) and "MCID" in item):
                continue
            if parents[item["MCID"]] not in read:
                parents[item["MCID"]] = b"null"
                stream[at - 1 : at + 1] = ["/Artifact", pydyf.Dictionary({"Type": "/Pagination"})]
            else:
                lettering.tag_run(_object(pdf, parents[item["MCID"]]), item, pdf.catalog["Lang"].data)
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

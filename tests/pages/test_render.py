import logging
import os
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import pikepdf
import pydyf
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyhanko.pdf_utils.reader import PdfFileReader

from reports.briefing.attachments import Attachment
from reports.core.errors import InvalidSettings
from reports.pages.assets import TEMPLATES, Resources
from reports.pages.fonts import Characters, HouseFont, columns, coverage
from reports.pages.render import DocumentMetadata, render_pdf

AS_OF = datetime(2026, 6, 20, 12, 0, 0, 500, tzinfo=UTC)
DOT = (
    "data:image/png;base64,"
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
BODY = f"""
<p class="run-title">Running title</p><p class="run-number">EX-1</p>
<p class="tlp clear"><span>TLP:CLEAR</span></p>
<header class="masthead"><p class="issuer">Issuer</p><h1>Title</h1>
<dl class="particulars"><dt>Report</dt><dd>EX-1</dd></dl></header>
<nav class="contents"><ol><li><a href="#one">One</a></li></ol></nav>
<h2 id="one">One</h2><p>Text.<span class="footnote">A note.</span></p>
<div class="key-figures"><div><p class="value">1</p><p class="label">a</p></div></div>
<figure class="chart"><img alt="A black dot" src="{DOT}"><figcaption>A dot</figcaption></figure>
<table><caption>Numbers</caption><thead><tr><th>Name</th><th class="num">Number</th></tr></thead>
<tbody><tr><th scope="row">x</th><td class="num">1</td></tr></tbody></table>
<dl class="glossary"><dt>Term</dt><dd>Meaning</dd></dl>
"""
FILES = (
    Attachment("days.csv", b"day\n", "text/csv", "Supplement", "By day"),
    Attachment("briefing.json", b"{}", "application/json", "Data", "What the pages say"),
    Attachment("evidence.json", b"{}", "application/vnd.in-toto+json", "Source", "The evidence"),
)


def metadata(synthetic: bool = False) -> DocumentMetadata:
    return DocumentMetadata("A title & more", "EX-1", "Issuer", AS_OF, "About", synthetic=synthetic)


def html(body: str = BODY, head: str = "", size: str = "letter") -> str:
    sheets = "".join(f'<link rel="stylesheet" href="{name}.css">' for name in ("briefing", size))
    return f'<!doctype html><html lang="en"><head><title>x</title>{sheets}{head}</head><body>{body}'


def render(body: str = BODY, head: str = "", size: str = "letter", folder: Path | None = None) -> bytes:
    folders = (folder, TEMPLATES) if folder else (TEMPLATES,)
    return render_pdf(html(body, head, size), resources=Resources(folders), metadata=metadata())


def pages(pdf: bytes) -> list[str]:
    text = subprocess.run(
        ["pdftotext", "-layout", "-", "-"], input=pdf, capture_output=True, check=True
    ).stdout
    return text.decode().split("\f")[:-1]


@pytest.fixture(scope="session")
def whole() -> bytes:
    return render_pdf(html(), resources=Resources(), metadata=metadata(synthetic=True), attachments=FILES)


@pytest.fixture
def pdf(whole: bytes) -> pikepdf.Pdf:
    return pikepdf.open(BytesIO(whole))


def elements(pdf: pikepdf.Pdf, kind: str) -> list[pikepdf.Object]:
    found: list[pikepdf.Object] = []
    waiting = [pdf.Root.StructTreeRoot.K]
    while waiting:
        node = waiting.pop()
        if isinstance(node, pikepdf.Array):
            waiting.extend(node)
        elif isinstance(node, pikepdf.Dictionary):
            found += [node] if node.get("/S") == f"/{kind}" else []
            waiting += [node.K] if "/K" in node else []
    return found


# The same bytes


def test_same_bytes_in_one_process(whole: bytes) -> None:
    """Rendering again gives the same bytes."""
    again = render_pdf(html(), resources=Resources(), metadata=metadata(synthetic=True), attachments=FILES)

    assert sha256(whole).digest() == sha256(again).digest()


@pytest.mark.usefixtures("slow")
def test_same_bytes_in_a_bare_process(whole: bytes) -> None:
    """Hash seed, time zone, home and fonts of the host change nothing, and there is not one warning."""
    code = (
        "import sys; from hashlib import sha256; sys.path.insert(0, 'tests'); from test_render import *;"
        "print(sha256(render_pdf(html(), resources=Resources(), metadata=metadata(True), attachments=FILES))"
        ".hexdigest())"
    )
    bare = {
        "PYTHONHASHSEED": "7",
        "TZ": "Asia/Tokyo",
        "HOME": "/nowhere",
        "PATH": "",
        "FONTCONFIG_PATH": "/nowhere",
    }
    bare["PYTHONPATH"] = os.pathsep.join(sys.path)
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=TEMPLATES.parent,
        env=bare,
        capture_output=True,
        text=True,
        check=True,
    )

    assert (sha256(whole).hexdigest() + "\n", "") == (run.stdout, run.stderr)


def test_a_stream_is_compressed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Though its bytes are needed twice; evidence of years is a large one."""
    compressed: list[pydyf.Stream] = []
    data = pydyf.Stream.data.fget

    def compressing(stream: pydyf.Stream) -> bytes:
        compressed.append(stream)
        found: bytes = data(stream)
        return found

    monkeypatch.setattr(pydyf.Stream, "data", property(compressing))
    render_pdf(html(), resources=Resources(), metadata=metadata(), attachments=FILES)
    own = [
        id(each) for each in compressed if each.extra.get("Type") != "/ObjStm"
    ]  # which pydyf makes at the end
    assert len(own) == len(set(own)) > len(FILES)


def test_identifier_follows_content(pdf: pikepdf.Pdf) -> None:
    """Another page has another document identifier."""
    other = pikepdf.open(BytesIO(render("<p>Another</p>")))

    assert bytes(pdf.trailer.ID[0]) != bytes(other.trailer.ID[0])


# What the file says of itself


def test_metadata(pdf: pikepdf.Pdf) -> None:
    """Title, author, number, language and dates are those given, and the clock is not asked."""
    assert str(pdf.docinfo.Title) == "A title & more"
    assert str(pdf.docinfo.Author) == "Issuer"
    assert str(pdf.docinfo.Keywords) == "EX-1, synthetic data"
    assert {str(pdf.docinfo.CreationDate), str(pdf.docinfo.ModDate)} == {"D:20260620120000Z"}
    assert str(pdf.Root.Lang) == "en-US"
    assert str(pdf.Root.ViewerPreferences.DisplayDocTitle) == "True"


def test_identifies_itself_as_pdf_a_and_pdf_ua(pdf: pikepdf.Pdf) -> None:
    """The one RDF of the XMP packet names PDF/A-3a, PDF/UA-1 and the extension schema of the latter."""
    xmp = pdf.Root.Metadata.read_bytes()

    assert xmp.count(b"</rdf:RDF>") == 1
    rdf = xmp.partition(b"</rdf:RDF>")[0]
    for part in (
        b'pdfaid:part="3"',
        b'pdfaid:conformance="A"',
        b'pdfuaid:part="1"',
        b"pdfaSchema:namespaceURI",
    ):
        assert part in rdf


def test_attachments(pdf: pikepdf.Pdf) -> None:
    """Each file is listed once, sorted, with its bytes, media type, relationship, description and dates."""
    assert [str(name) for name in list(pdf.Root.Names.EmbeddedFiles.Names)[::2]] == sorted(
        a.name for a in FILES
    )
    assert len(pdf.Root.AF) == len(FILES)
    listed = {str(spec.UF): spec for spec in pdf.Root.AF}
    for file in FILES:
        spec, stream = listed[file.name], listed[file.name].EF.F
        assert stream.read_bytes() == file.data
        assert stream.Subtype == f"/{file.media_type}"
        assert spec.AFRelationship == f"/{file.relationship}"
        assert str(spec.Desc) == file.description
        assert {str(stream.Params.CreationDate), str(stream.Params.ModDate)} == {"D:20260620120000Z"}


# What a screen reader finds


def test_headers_have_scope(pdf: pikepdf.Pdf) -> None:
    """Headers in the head of a table are about columns, those in its body about rows."""
    assert sorted(str(th.A.Scope) for th in elements(pdf, "TH")) == ["/Column", "/Column", "/Row"]


def test_figures_are_described(pdf: pikepdf.Pdf) -> None:
    """An image carries its description."""
    assert [str(figure.Alt) for figure in elements(pdf, "Figure")] == ["A black dot"]


def test_headings_are_bookmarks(pdf: pikepdf.Pdf) -> None:
    """The outline holds the headings, nested."""
    with pdf.open_outline() as outline:
        assert [(item.title, [child.title for child in item.children]) for item in outline.root] == [
            ("Title", ["One"])
        ]


def test_furniture_is_artifact(pdf: pikepdf.Pdf) -> None:
    """All marked content of a page belongs to the structure or is an artifact."""
    numbers = list(pdf.Root.StructTreeRoot.ParentTree.Nums)
    kinds = ("Span", "Figure", "Link", "Lbl")
    read = {element.objgen for kind in kinds for element in elements(pdf, kind)}
    for page in pdf.pages:
        parents = numbers[2 * int(page.StructParents) + 1]
        marks = [mark.operands for mark in pikepdf.parse_content_stream(page) if str(mark.operator) == "BDC"]
        owners = [parents[int(properties.MCID)] for tag, properties in marks if tag != "/Artifact"]

        assert len(marks) - len(owners) >= 4  # twice the marking, the number, and page n of m
        assert {owner.objgen for owner in owners} <= read


def test_every_object_is_where_the_cross_references_say(whole: bytes) -> None:
    """A reader that takes the cross-references at their word finds every object."""
    reader = PdfFileReader(BytesIO(whole))
    written = reader.xrefs.explicit_refs_in_revision(0)
    assert len(written) > 50
    for reference in written:
        reader.get_object(reference)


def test_fonts_need_no_asking() -> None:
    """A page without any style has the pinned fonts."""
    pdf = render_pdf("<html lang=en><p>Text", resources=Resources(()), metadata=metadata())

    with pikepdf.open(BytesIO(pdf)) as opened:
        (font,) = opened.pages[0].Resources.Font.as_dict().values()
        assert "Source-S" in str(font.BaseFont)


def test_a_broken_font_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A font that cannot be read leaves a warning, and pages in the pinned fonts."""
    (tmp_path / "broken.otf").write_bytes(b"OTTO, perhaps")
    face = "@font-face { font-family: x; src: url(broken.otf) }"

    assert (
        pages(render("<p style='font-family: x'>Text</p>", f"<style>{face}</style>", folder=tmp_path)) != []
    )
    assert "cannot be loaded" in caplog.text


def test_only_pinned_fonts(pdf: pikepdf.Pdf) -> None:
    """No font of the host is in the file, and each font is embedded."""
    names = {str(font.BaseFont) for font in pdf.pages[0].Resources.Font.as_dict().values()}

    assert names
    assert all("Source-S" in name for name in names)


# Synthetic data


HIDING = ("content: none", "display: none", "visibility: hidden", "opacity: 0", "font-size: 0", "color: #fff")
HIDDEN = "; ".join(f"{each} !important" for each in HIDING)


@pytest.mark.parametrize(
    "head", ["", f"<style>@page {{ margin: 0 !important; @top-center {{ {HIDDEN} }} }}</style>"]
)
def test_synthetic_on_every_page(head: str) -> None:
    """Every page made from synthetic data says so, even if the template tries to hide it."""
    body = "".join(f'<section class="annex"><h2>Part {n}</h2></section>' for n in range(3))
    pdf = render_pdf(html(body, head), resources=Resources(), metadata=metadata(synthetic=True))

    assert [text.count("SYNTHETIC DATA") for text in pages(pdf)] == [1, 1, 1]


def test_real_data_is_not_marked_synthetic() -> None:
    """Without the flag there is no mark."""
    assert "SYNTHETIC" not in "".join(pages(render()))


# Assets


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9/x.png",
        "https://example.org/x.png",
        "//example.org/x.png",
        "ftp://example.org/x.png",
        "file:///etc/hostname",
        "/etc/hostname",
        "../pyproject.toml",
        "%2e%2e/pyproject.toml",
        "..%2fpyproject.toml",
        "fonts/../../__init__.py",
        "missing.png",
        "no%00thing.png",
        "a" * 5000,
    ],
)
@pytest.mark.parametrize(
    "markup",
    [
        '<img alt="x" src="{}">',
        '<link rel="stylesheet" href="{}">',
        '<style>@import "{}";</style>',
        "<style>@font-face {{ font-family: x; src: url({}) }} p {{ font-family: x }}</style><p>x</p>",
        "<style>body {{ background: url({}) }}</style>",
    ],
)
def test_refuses_what_is_not_an_asset(markup: str, url: str) -> None:
    """No way of asking reaches the network or a file outside the template folders."""
    with pytest.raises(InvalidSettings, match=r"the template asks for .*: (put it|add it)"):
        render_pdf(f"<html lang=en><body>{markup.format(url)}", resources=Resources(), metadata=metadata())


def test_refuses_what_an_image_asks_for(tmp_path: Path) -> None:
    """An image inside an image is an asset too."""
    (tmp_path / "logo.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><image href="http://127.0.0.1:9/x.png"/></svg>'
    )

    with pytest.raises(InvalidSettings, match="127"):
        render('<img alt="x" src="logo.svg">', folder=tmp_path)


def test_refuses_links_out_of_the_folder(tmp_path: Path) -> None:
    """A symbolic link does not lead out of a template folder."""
    (tmp_path / "logo.png").symlink_to("/etc/hostname")

    with pytest.raises(InvalidSettings, match=r"logo\.png"):
        render('<img alt="x" src="logo.png">', folder=tmp_path)


def test_first_folder_wins(tmp_path: Path) -> None:
    """An organisation's file stands in for Exhibit's of the same name."""
    (tmp_path / "briefing.css").write_text('@page { @top-left { content: "ours" } }')

    assert "ours" in pages(render(folder=tmp_path))[0]


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (f'<img src="{DOT}">', "alt"),
        ('<img alt="x" src="data:image/png;base64,AAAA">', "data:image/png"),
        ('<a href="#nowhere">x</a>', "nowhere"),
        ("<p>த</p>", r"U\+0BA4"),
        ("<p>\N{GRINNING FACE}</p>", r"U\+1F600"),
    ],
)
def test_refuses_a_page_with_a_hole(body: str, named: str) -> None:
    """What could not be shown as meant is an error that names it."""
    with pytest.raises(InvalidSettings, match=named):
        render(body)


def test_mistaken_css_is_no_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A rule that WeasyPrint does not know leaves a warning in its log, and a page."""
    (tmp_path / "briefing.css").write_text("p { colour: red } @nothing { }")

    assert render("<p>x</p>", folder=tmp_path)
    assert "colour" in caplog.text


@pytest.mark.parametrize("size", ["letter", "a4"])
def test_own_sheets_are_understood(size: str, caplog: pytest.LogCaptureFixture) -> None:
    """WeasyPrint warns about nothing in Exhibit's own style sheets."""
    with caplog.at_level(logging.WARNING):
        render(size=size)

    assert not caplog.records


# Typography

WIDTH = {"letter": 612.0, "a4": 595.28}
MARGIN = 16 * 72 / 25.4


def words(pdf: bytes) -> list[tuple[float, float]]:
    """The left and right edges of each word, in points."""
    run = subprocess.run(["pdftotext", "-bbox", "-", "-"], input=pdf, capture_output=True, check=True)
    lines = [line.split('"') for line in run.stdout.decode().splitlines() if "<word" in line]
    return [(float(line[1]), float(line[5])) for line in lines]


@pytest.mark.parametrize("size", WIDTH)
def test_page_sizes(size: str) -> None:
    """Each style sheet for a size gives pages of that size."""
    with pikepdf.open(BytesIO(render(size=size))) as pdf:
        assert float(pdf.pages[0].MediaBox[2]) == pytest.approx(WIDTH[size], abs=0.1)


@pytest.mark.parametrize("size", WIDTH)
@pytest.mark.parametrize("length", [40, 1_000])
def test_long_ids_stay_inside_the_margins(size: str, length: int) -> None:
    """An id of any length breaks; it never runs over its cell, its box or the page."""
    long = "Q" * length
    cells = f'<th scope="row">{long}</th><td class="id">{long}</td><td class="num">1,234,567,890</td>'
    table = f"<table><thead><tr><th>a</th><th>b</th><th class=num>c</th></tr></thead><tr>{cells}</tr></table>"
    pdf = render(f'<p>{long}</p><h2>{long}</h2><div class="banner"><p>{long}</p></div>{table}', size=size)

    left, right = min(word[0] for word in words(pdf)), max(word[1] for word in words(pdf))
    assert left > MARGIN - 1
    assert right < WIDTH[size] - MARGIN + 1


def test_rows_are_whole_and_heads_repeat() -> None:
    """Across pages, no table row is torn and each page starts with the table's head."""
    rows = "".join(f"<tr><th scope=row>top{n}.</th><td>x<br>x<br>end{n}.</td></tr>" for n in range(60))
    text = pages(render(f"<table><thead><tr><th>Name</th><th>Heading</th></tr></thead>{rows}</table>"))

    assert len(text) > 2
    for page in text:
        assert "Heading" in page
        assert [f"top{n}." in page for n in range(60)] == [f"end{n}." in page for n in range(60)]


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize("lines", range(26, 34))
@pytest.mark.parametrize(
    "after",
    [
        "<p>after one two three<br>x<br>x<br>x</p>",
        "<table><caption>after</caption><thead><tr><th>x</th></tr></thead><tr><td>1</td></tr></table>",
        '<dl class="glossary"><dt>after</dt><dd>x<br>x</dd></dl>',
    ],
)
def test_headings_are_never_alone(after: str, lines: int) -> None:
    """A heading is on the page of what follows it."""
    text = pages(render("<p>x</p>" * lines + f"<h2>Heading</h2>{after}"))

    assert [page for page in text if "Heading" in page] == [page for page in text if "after" in page]


def test_contents_print_page_numbers() -> None:
    """The contents list gives each section's page, and every foot the count of pages."""
    contents = '<nav class="contents"><ol><li><a href="#b">Second</a></li></ol></nav>'
    first, second = pages(render(f'{contents}<section class="annex"><h2 id="b">b</h2></section>'))

    assert first.split("Second")[1].splitlines()[0].strip(" .") == "2"
    assert "Page 1 of 2" in first
    assert "Page 2 of 2" in second


# Text from outside


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain – “quoted” 5 ≥ 4 é Ł", "plain – “quoted” 5 ≥ 4 é Ł"),
        ("<b>{{ 7 * 7 }}</b> &amp;", "<b>{{ 7 * 7 }}</b> &amp;"),
        ("a\x00b\x07\x1b[31m", "a[U+0000]b[U+0007][U+001B][31m"),
        ("abc\u202edcba\u202c", "abc[U+202E]dcba[U+202C]"),
        ("a\u200bb\ufeffc\u00add", "a[U+200B]b[U+FEFF]c[U+00AD]d"),
        ("\ud800", "[U+D800]"),
        ("中\U0001f600", "中[U+1F600]"),
        ("ع", "\u2068ع\u2069"),
        ("e\u0301", "é"),
        ("ẹ\u0300", "ẹ\u0300"),
        ("x" + "\u0301" * 2 + "\u0302", "x\u0301[U+0301][U+0302]"),
        ("x" + "\u0301\u0302\u0303", "x\u0301\u0302[U+0303]"),
        ("\u0301x", "[U+0301]x"),
        ("x\u0e49", "x[U+0E49]"),
        ("น้ำ", "น้ำ"),
        ("क्षत्रिय", "क्षत्रिय"),
        ("क्\u200dष", "क्\u200dष"),
        ("می\u200cخواهم", "\u2068می\u200cخواهم\u2069"),
        ("a\u200cb", "a[U+200C]b"),
        ("می\u200c", "\u2068می[U+200C]\u2069"),
        ("שלום\u200f!", "\u2068שלום\u200f!\u2069"),
        ("a\u200fb", "a[U+200F]b"),
        ("שָׁלוֹם", "\u2068שָׁלוֹם\u2069"),
        ("ㅤ", "[U+3164]"),
        ("𠮷𠀀", "𠮷[U+20000]"),
        ("辻󠄀株式会社カ", "辻󠄀株式会社カ"),
        ("辻󠄀", "辻[U+E0100]"),  # taken for Chinese, whose font has no such variant
        ("ＡＢＣ ﾊﾝｶｸ", "ＡＢＣ ﾊﾝｶｸ"),
        ("தமிழ்", "[U+0BA4][U+0BAE][U+0BBF][U+0BB4][U+0BCD]"),
        ("❤\ufe0f", "[U+2764][U+FE0F]"),
        ("\ue000", "[U+E000]"),
        ("  a\t\nb\u2028\u3000c  ", "a b c"),
        ("28.8\u00a0million", "28.8\u00a0million"),
        ("", ""),
    ],
)
def test_printable(text: str, shown: str) -> None:
    """What cannot be shown, or would hide or reorder its neighbours, is spelled out."""
    characters = Characters()

    assert characters.printable(text) == shown
    assert list(characters.coded) == list(dict.fromkeys(re.findall(r"(?<=\[)U\+[0-9A-F]{4,6}(?=\])", shown)))


@pytest.mark.parametrize(
    ("text", "limit", "shown"),
    [
        ("abcdef", 6, "abcdef"),
        ("abcdefg", 6, "abcde…"),
        ("abcd  efg", 6, "abcd…"),
        ("abcde ", 5, "abcde"),
        ("abc\ufeff", 8, "abc…"),
        ("abc中中", 7, "abc中中"),
        ("abc中中", 6, "abc中…"),
        ("שלום עולם", 6, "\u2068שלום…\u2069"),
        ("Q" * 10_000, 40, "Q" * 39 + "…"),
    ],
)
def test_printable_cuts(text: str, limit: int, shown: str) -> None:
    """Text that is too long ends in an ellipsis, never inside an escape."""
    assert Characters().printable(text, limit) == shown


def bare(text: str) -> str:
    return text.strip("\u2068\u2069")


SCRIPTS = (
    "深度求索 ソニー 삼성 شركة می\u200cخواهم חברת น้ำ क्षत्रिय Кампания Ελληνικά "
    "\u0301\u0e49\u093f\u064b\u200d\u200e\ufe0f"
)


@given(st.text(st.one_of(st.characters(), st.sampled_from(SCRIPTS))), st.integers(2, 30))
def test_printable_is_always_shown(text: str, limit: int) -> None:
    """Whatever comes out is within the limit, stays as it is when asked again, and hides and reorders nothing."""
    whole, cut = (bare(Characters().printable(text, most)) for most in (None, limit))

    assert columns(cut) <= limit
    assert bare(Characters().printable(whole)) == whole
    assert cut == whole if columns(whole) <= limit else cut.endswith("…")
    assert not set(whole) & set("\u200b\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff\u00ad")


def test_a_house_font_counts() -> None:
    """What a font of an organisation's own has, its variants too, is shown as it is."""
    house = HouseFont(frozenset(map(ord, "த𠀀")), frozenset({(ord("𠀀"), 0xE0101)}))
    characters = Characters(lambda: (house,))

    assert characters.printable("த𠀀\U000e0101𠀁") == "த𠀀\U000e0101[U+20001]"


def test_every_covered_character_renders(caplog: pytest.LogCaptureFixture) -> None:
    """All that `printable` lets through, the pages can show in any style."""
    printable = Characters().printable
    text = "".join(filter(lambda character: printable(character) == character, map(chr, sorted(coverage()))))
    escaped = text.replace("&", "&amp;").replace("<", "&lt;")
    styles: tuple[Callable[[str], str], ...] = (
        "<p>{}</p>".format,
        "<p><em>{}</em></p>".format,
        "<h2>{}</h2>".format,
        '<p class="note"><em><b>{}</b></em></p>'.format,
    )

    assert render("".join(style(escaped) for style in styles))
    assert not caplog.records

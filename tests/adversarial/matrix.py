"""Pages as templates, style sheets, logos and fonts of an organisation's own may make them, good ones and bad ones."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import product

from tests.support.fonts import SRGB, cid_keyed, font, logos, picture, saved, woff2

SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="120" height="40">{}</svg>'
FACE = "<style>@font-face {{ font-family: House; src: url(house.{}) }}</style>"
ROWS = "<tr><td>1</td><td>2</td></tr>"
HEAD = "<thead><tr><th>a</th><th>b</th></tr></thead>"
NAMES = {
    "Chinese": '<span lang="zh-Hans">深度求索（DeepSeek）</span>',
    "Taiwanese": '<span lang="zh-Hant">直門骨</span>',
    "Japanese": '<span lang="ja">ソニー株式会社</span>',
    "Korean": '<span lang="ko">삼성전자 三星</span>',
    "Arabic": '<bdi lang="ar" dir="rtl">شركة التقنية الإسلامية ABC 45</bdi>',
    "vowelled Arabic": '<bdi lang="ar" dir="rtl">بِسْمِ ٱللَّهِ</bdi>',
    "Persian": '<bdi lang="fa" dir="rtl">می\u200cخواهم</bdi>',
    "Hebrew": '<bdi lang="he" dir="rtl">שָׁלוֹם (ABC) בע״מ</bdi>',
    "Thai": '<span lang="th">บริษัท ปัญญาประดิษฐ์ น้ำ</span>',
    "Hindi": '<span lang="hi">क्षत्रिय कि क र्क्स</span>',
    "Cyrillic": '<span lang="uk">Кампанія</span>',
    "Greek": '<span lang="el">Άλφα ᾧ</span>',
    "Yoruba": "ẹ̀kọ́",
}


@dataclass(frozen=True)
class Case:
    body: str
    head: str = ""
    files: Mapping[str, bytes] = field(default_factory=dict)


def _image(name: str, attributes: str = "") -> str:
    return f'<h1>a</h1><img class="logo" alt="A lab" {attributes} src="{name}">'


def _logos() -> Iterator[tuple[str, Case]]:
    for name, content in logos().items():
        yield f"logo {name}", Case(_image(name), files={name: content})


def _drawings() -> Iterator[tuple[str, Case]]:
    gradient = (
        '<linearGradient id="g"><stop stop-color="red" stop-opacity=".5"/><stop offset="1"/></linearGradient>'
    )
    drawings = {
        "plain": '<rect width="120" height="40" fill="red"/>',
        "gradient": f'<defs>{gradient}</defs><rect width="99" height="40" fill="url(#g)" opacity=".4"/>',
        "text": '<text y="20" x="50" text-anchor="middle">Words</text>',
        "names": '<text y="20" x="5">a <tspan xml:lang="ar">شركة التقنية</tspan> b</text>',
        "names without a language": '<text y="20" x="5" font-size="12">شركة التقنية 深度</text>',
        "image": '<image href="alpha.png" width="60" height="20"/>',
        "mask": '<mask id="m"><rect width="60" height="40" fill="white"/></mask>'
        '<rect width="99" height="9" mask="url(#m)"/>',
        "pattern": '<pattern id="p" width="9" height="9" patternUnits="userSpaceOnUse"><circle r="4"/></pattern>'
        '<rect width="120" height="40" fill="url(#p)"/>',
        "blend": '<filter id="f"><feBlend mode="multiply"/></filter><rect width="9" height="9" filter="url(#f)"/>',
        "CMYK": '<rect width="120" height="40" fill="device-cmyk(1 0 0 0)"/>',
    }
    alpha = saved(picture("RGBA"), "PNG")
    for name, drawing in drawings.items():
        files = {"logo.svg": SVG.format(drawing).encode(), "alpha.png": alpha}
        yield f"drawing {name}", Case(_image("logo.svg"), files=files)


def _names() -> Iterator[tuple[str, Case]]:
    every = " ".join(NAMES.values())
    for name, text in NAMES.items():
        yield f"name {name}", Case(f"<h1>{text}</h1><p>{text} <em>{text}</em> <b>{text}</b></p>")
    for where, size in product(("p", "h1", "td"), ("letter", "a4")):
        head = f'<link rel="stylesheet" href="{size}.css">'
        body = f"<table><tr><td>{every}</td></tr></table>" if where == "td" else f"<{where}>{every}</{where}>"
        yield f"names in {where}, {size}", Case(body, head)
    yield "names in a link", Case(f'<p><a href="https://example.org/">{every}</a></p>')
    yield "names that fade", Case(f'<p style="opacity: 0.5">{every}</p>')
    yield "names in a style sheet", Case("<p>a</p>", '<style>p::before { content: "深度 שלום" }</style>')
    yield "a word broken by its letters", Case(f'<p style="width: 40px">{every}</p>')


def _fonts() -> Iterator[tuple[str, Case]]:
    text = '<p style="font-family: House"><span lang="ja">{}</span> a</p>'
    fonts = {
        "TrueType": ("ttf", font()),
        "CFF": ("otf", font(outlines="CFF")),
        "WOFF2": ("woff2", woff2(font())),
        "CID-keyed": ("otf", cid_keyed()),
        "for preview and print": ("ttf", font(rights=4)),
        "editable": ("ttf", font(rights=8)),
        "of other widths than it says": ("otf", font(outlines="CFF", drawn=900)),
        "broken": ("ttf", b"\0\1\0\0, perhaps"),
    }
    for name, (suffix, content) in fonts.items():
        yield f"font {name}", Case(text.format("深度"), FACE.format(suffix), {f"house.{suffix}": content})
    private = {"house.ttf": font("深\ue000")}
    yield "font for private use", Case(text.format("深\ue000"), FACE.format("ttf"), private)


_TABLES = {
    "with headers": f"{HEAD}<tbody>{ROWS}</tbody>",
    "without headers": ROWS,
    "with a header of a row": '<tr><th scope="row">1</th><td>2</td></tr>',
    "with a header without scope": "<tr><th>1</th><td>2</td></tr>",
    "with a caption": f"<caption>c</caption>{HEAD}<tbody>{ROWS}</tbody>",
    "with two captions": f"<caption>c</caption><caption>d</caption>{HEAD}<tbody>{ROWS}</tbody>",
    "with a foot": f"{HEAD}<tfoot>{ROWS}</tfoot><tbody>{ROWS}</tbody>",
    "with a row too short": f"{HEAD}<tbody><tr><td>1</td></tr></tbody>",
    "with a row too long": f"{HEAD}<tbody><tr><td>1</td><td>2</td><td>3</td></tr></tbody>",
    "with a broad header": f'<thead><tr><th colspan="2">1</th></tr></thead><tbody>{ROWS}</tbody>',
    "with a header too broad": f'<thead><tr><th colspan="3">1</th></tr></thead><tbody>{ROWS}</tbody>',
    "with a tall cell": f"{HEAD}<tbody><tr><td rowspan=2>1</td><td>2</td></tr><tr><td>3</td></tr></tbody>",
    "with a tall cell across pages": f"{HEAD}<tbody><tr><td rowspan=60>1</td><td>2</td></tr>"
    f"{'<tr><td>2</td></tr>' * 59}</tbody>",
    "across pages": f"{HEAD}<tbody>{ROWS * 120}</tbody>",
    "without a body": HEAD,
    "with two heads": f"{HEAD}{HEAD}<tbody>{ROWS}</tbody>",
    "in a table": f"{HEAD}<tbody><tr><td><table>{HEAD}<tbody>{ROWS}</tbody></table></td><td>2</td></tr></tbody>",
    "without rows": "",
}
_BODIES = {
    "text": "<h1>a</h1><p>b</p>",
    "no heading": "<p>a</p>",
    "headings in order": "<h1>a</h1><h2>b</h2><h3>c</h3><h2>d</h2>",
    "a heading skipped": "<h1>a</h1><h3>b</h3>",
    "a heading skipped later": "<h1>a</h1><h2>b</h2><h4>c</h4>",
    "a second heading first": "<h2>a</h2>",
    "a heading of ten thousand words": f"<h1>{'word ' * 9000}</h1>",
    "text that fades": '<p style="opacity: 0.5">a</p>',
    "an area that fades": '<div style="opacity: 0.5; background: red; height: 9px"></div>',
    "fading in fading": '<div style="opacity: 0.9">' * 9 + "a" + "</div>" * 9,
    "a colour that fades": '<p style="color: rgba(1, 2, 3, 0.4); background: rgba(1, 2, 3, 0.4)">a</p>',
    "a gradient": '<p style="background: linear-gradient(red, rgba(0, 0, 255, 0.3))">a</p>',
    "a round gradient": '<p style="background: radial-gradient(red, blue)">a</p>',
    "a shadow": '<p style="box-shadow: 0 0 3px red; border-radius: 4px; border: 1px solid">a</p>',
    "a dashed border": '<p style="border: 2px dashed red; outline: 1px solid">a</p>',
    "turned text": '<p style="transform: rotate(10deg)">a</p>',
    "text in CMYK": '<p style="color: device-cmyk(1 0 0 0)">a</p>',
    "a border in CMYK": '<p style="border: 1px solid device-cmyk(1 0 0 0)">a</p>',
    "text in Lab": '<p style="color: lab(50% 20 20)">a</p>',
    "text in Oklch": '<p style="color: oklch(50% 0.2 20)">a</p>',
    "text in Display P3": '<p style="color: color(display-p3 1 0 0)">a</p>',
    "a list": "<ul><li>a</li><li>b<ul><li>c</li></ul></li></ul>",
    "a numbered list of paragraphs": "<ol><li>a</li><li><p>b</p></li></ol>",
    "a list without marks": '<ul style="list-style: none"><li>a</li></ul>',
    "a list with marks inside": '<ul style="list-style-position: inside"><li>a</li></ul>',
    "a list with a paragraph": "<ul><p>a</p><li>b</li></ul>",
    "a list with text": "<ul>a<li>b</li></ul>",
    "a list with a group": "<ul><div><li>a</li></div></ul>",
    "an item without a list": "<div><li>a</li></div>",
    "terms": "<dl><dt>a</dt><dd>b</dd></dl>",
    "terms in groups": "<dl><div><dt>a</dt><dd>b</dd></div></dl>",
    "a drawing with a title": "<svg width=20 height=20><title>t</title><rect width=9 height=9 /></svg>",
    "a drawing without a title": "<svg width=20 height=20><rect width=9 height=9 /></svg>",
    "a link": '<p><a href="https://example.org/">a</a></p>',
    "a link with parts": '<p><a href="https://example.org/">a <b>b</b> <span>c <i>d</i></span></a></p>',
    "a link within": '<p><a href="#a">a</a></p><p id="a">b</p>',
    "a link over lines": f'<p style="width: 60px"><a href="https://example.org/">{"word " * 9}</a></p>',
    "a link around a block": '<a href="https://example.org/"><div>a</div></a>',
    "a link around an image": f'<a href="https://example.org/">{_image("rgb.png")}</a>',
    "an empty link": '<a href="https://example.org/"></a><p>a</p>',
    "a link in a heading": '<h1><a href="https://example.org/">a</a></h1>',
    "a form field": "<p><input value=a></p>",
    "a form field to fill in": '<p><input style="appearance: auto" name=a value=a></p>',
    "a box to tick": '<p><input type=checkbox style="appearance: auto" name=a></p>',
    "another language": '<p lang="fr-CA">a</p>',
    "no language": '<p lang="">a</p>',
    "a language misspelt": '<p lang="en_US">a</p>',
    "an image": _image("rgb.png"),
    "an image with hard edges": _image("rgb.png", 'style="image-rendering: pixelated"'),
    "an image that fades": _image("rgb.png", 'style="opacity: 0.5"'),
    "an image behind text": '<div style="background: url(rgb.png)">a</div>',
    "an image with a legend": "<figure><img alt=a src=rgb.png><figcaption>b</figcaption></figure>",
    "an image described at length": f'<img alt="{"word " * 9000}" src="rgb.png">',
    "a legend alone": "<div><figcaption>a</figcaption></div>",
    "boxes in boxes": "<div>" * 40 + "a" + "</div>" * 40,
    "cut boxes in boxes": '<div style="overflow: hidden">' * 30 + "a" + "</div>" * 30,
    "letters apart": '<p style="letter-spacing: 2pt">fi ffl</p>',
    "ligatures": "<p>office <sup>2</sup></p>",
    "hyphens": '<p style="hyphens: auto; width: 40px">incomprehensibilities soft\u00adware</p>',
    "a page to the left": '<p dir="rtl">abc</p>',
    "columns, boxes and grids": '<div style="columns: 2"><p>a<p>b</div><div style="display: grid"><p>a</div>'
    '<div style="display: flex"><p>a</div><p>a <span style="display: inline-block">b</span></p>',
    "what floats and stands": '<p style="float: left">a</p><div style="position: absolute">b</div><div '
    'style="position: fixed">c</div>',
    "what is not seen": '<p style="visibility: hidden">a</p><p style="font-size: 0">b</p><p '
    'style="text-indent: -9999px">c</p>',
    "a footnote": '<p>a<span class="footnote">b</span></p>',
    "a running head": '<p class="run-title">a</p><p>b</p>',
    "a table by style": '<div style="display: table"><div style="display: table-row">a</div></div>',
    "a table as a block": f'<table style="display: block">{HEAD}<tbody>{ROWS}</tbody></table>',
    "a row as a box": f'<table>{HEAD}<tbody><tr style="display: flex"><td>1</td></tr></tbody></table>',
}
_HEADS = {
    "a page of two points": "@page { size: 2px 2px; margin: 0 }",
    "a page of six metres": "@page { size: 6000mm 6000mm }",
    "a page across": "@page { size: A4 landscape; background: #eee }",
    "a page with marks": "@page { bleed: 5mm; marks: crop cross }",
    "an image in the margin": "@page { @top-left { content: url(rgb.png) } }",
    "text before and after": 'p::before { content: "a" } p::first-letter { font-size: 30pt }',
}


@cache
def cases() -> Mapping[str, Case]:
    """Every case, by a name that says what is on its pages."""
    image = {"rgb.png": saved(picture(), "PNG")}
    return {
        **dict(_logos()),
        **dict(_drawings()),
        **dict(_names()),
        **dict(_fonts()),
        **{f"table {name}": Case(f"<h1>a</h1><table>{rows}</table>") for name, rows in _TABLES.items()},
        **{name: Case(body, files=image) for name, body in _BODIES.items()},
        **{name: Case("<h1>a</h1><p>b</p>", f"<style>{css}</style>", image) for name, css in _HEADS.items()},
    }


REFUSED = {
    "a damaged JPEG": (
        Case(_image("a.jpg"), files={"a.jpg": logos()["rgb.jpg"][:400]}),
        r"a\.jpg is damaged",
    ),
    "a damaged PNG": (Case(_image("a.png"), files={"a.png": logos()["rgb.png"][:90]}), r"a\.png is damaged"),
    "a PNG that is none": (
        Case(_image("a.png"), files={"a.png": b"no image"}),
        r"a\.png is not a readable image",
    ),
    "an empty PNG": (Case(_image("a.png"), files={"a.png": b""}), r"a\.png is not a readable image"),
    "a huge PNG": (
        Case(_image("a.png"), files={"a.png": saved(picture("1").resize((9000, 9000)), "PNG")}),
        r"a\.png has more than 40,000,000 pixels",
    ),
    "an icon": (
        Case(_image("a.ico"), files={"a.ico": saved(picture(), "ICO", sizes=[(16, 16)])}),
        "is a ICO image",
    ),
    "a profile that is none": (
        Case(_image("a.png"), files={"a.png": saved(picture(), "PNG", icc_profile=b"no profile")}),
        r"the colour profile of a\.png",
    ),
    "a font not to be embedded": (
        Case('<p style="font-family: House">深</p>', FACE.format("ttf"), {"house.ttf": font(rights=2)}),
        r"house\.ttf may not be embedded.*0x0002",
    ),
    "a font to be embedded whole": (
        Case('<p style="font-family: House">深</p>', FACE.format("ttf"), {"house.ttf": font(rights=0x100)}),
        r"house\.ttf may be embedded only as a whole",
    ),
    "an image without a description": (Case("<img src=a.png>", files={"a.png": logos()["rgb.png"]}), "alt"),
    "an attachment": (
        Case("<p><a rel=attachment href=a.png>a</a></p>", files={"a.png": logos()["rgb.png"]}),
        "the template attaches a file",
    ),
    "a colour profile without components": (
        Case(
            '<p style="color: color(--x 1 0 0)">a</p>',
            "<style>@color-profile --x { src: url(x.icc) }</style>",
            {"x.icc": SRGB},
        ),
        "the pages cannot be drawn",
    ),
}

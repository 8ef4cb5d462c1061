"""Fonts and images as an organisation may have them, made here."""

from collections.abc import Mapping
from importlib.resources import files
from io import BytesIO
from typing import Any

import pylopdf_fonts_jp
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.t2CharStringPen import T2CharStringPen
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib import TTFont
from PIL import Image

SRGB = (files("weasyprint.pdf") / "sRGB2014.icc").read_bytes()


def font(
    characters: str = "深度",
    *,
    outlines: str = "glyf",
    rights: int = 0,
    width: int = 1000,
    drawn: int | None = None,
) -> bytes:
    """A font whose glyphs are boxes; `drawn` is the width that its outlines say, where that is another."""
    names = [".notdef", "space", *(f"u{ord(each):x}" for each in characters)]
    builder = FontBuilder(1000, isTTF=outlines == "glyf")
    builder.setupGlyphOrder(names)
    builder.setupCharacterMap({0x20: "space", **{ord(each): f"u{ord(each):x}" for each in characters}})
    if outlines == "glyf":
        glyph = _box(TTGlyphPen(None)).glyph()
        builder.setupGlyf(dict.fromkeys(names, glyph))
    else:
        strings = {name: _box(T2CharStringPen(drawn or width, None)).getCharString() for name in names}
        builder.setupCFF("House", {}, strings, {})
    builder.setupHorizontalMetrics(dict.fromkeys(names, (width, 0)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": "House", "styleName": "Regular"})
    builder.setupOS2(sTypoAscender=800, usWinAscent=800, usWinDescent=200, fsType=rights)
    builder.setupPost()
    written = BytesIO()
    builder.save(written)
    return written.getvalue()


def _box(pen: Any) -> Any:
    pen.moveTo((100, 0))
    for corner in ((100, 700), (900, 700), (900, 0)):
        pen.lineTo(corner)
    pen.closePath()
    return pen


def woff2(content: bytes) -> bytes:
    with TTFont(BytesIO(content)) as face:
        face.flavor = "woff2"
        written = BytesIO()
        face.save(written)
    return written.getvalue()


def cid_keyed() -> bytes:
    """A font whose glyphs have numbers of their own."""
    return pylopdf_fonts_jp.sans_path().read_bytes()


def picture(mode: str = "RGB", size: tuple[int, int] = (60, 20)) -> Image.Image:
    """A picture with many colours; with alpha, one that fades."""
    red, blue = (Image.linear_gradient("L").rotate(turn).resize(size) for turn in (90, 0))
    image = Image.merge("RGB", (red, Image.new("L", size, 90), blue)).convert(mode)
    if mode in ("RGBA", "LA"):
        image.putalpha(red)
    return image


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    written = BytesIO()
    image.save(written, format=kind, **options)
    return written.getvalue()


def turned() -> Image.Exif:
    """What a camera that was held upright says."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def logos() -> Mapping[str, bytes]:
    """Every kind of raster image that a logo may be, by its file name."""
    few = picture().quantize(8)
    return {
        "rgb.png": saved(picture(), "PNG"),
        "alpha.png": saved(picture("RGBA"), "PNG"),
        "grey-alpha.png": saved(picture("LA"), "PNG"),
        "grey.png": saved(picture("L"), "PNG"),
        "palette.png": saved(few, "PNG"),
        "palette-alpha.png": saved(few, "PNG", transparency=3),
        "one-bit.png": saved(picture("1"), "PNG"),
        "sixteen-bits.png": saved(Image.new("I;16", (60, 20), 30000), "PNG"),
        "profile.png": saved(picture(), "PNG", icc_profile=SRGB),
        "animated.png": saved(picture(), "PNG", save_all=True, append_images=[picture("L").convert("RGB")]),
        "rgb.jpg": saved(picture(), "JPEG"),
        "grey.jpg": saved(picture("L"), "JPEG"),
        "cmyk.jpg": saved(picture("CMYK"), "JPEG"),
        "progressive.jpg": saved(picture(), "JPEG", progressive=True),
        "turned.jpg": saved(picture(), "JPEG", exif=turned()),
        "profile.jpg": saved(picture(), "JPEG", icc_profile=SRGB),
        "rgb.webp": saved(picture(), "WEBP"),
        "alpha.webp": saved(picture("RGBA"), "WEBP", lossless=True),
        "animated.webp": saved(picture(), "WEBP", save_all=True, append_images=[picture("L").convert("RGB")]),
        "palette.gif": saved(few, "GIF"),
        "alpha.gif": saved(few, "GIF", transparency=1),
        "animated.gif": saved(few, "GIF", save_all=True, append_images=[picture("L").quantize(8)]),
        "cmyk.tif": saved(picture("CMYK"), "TIFF"),
        "rgb.bmp": saved(picture(), "BMP"),
        "rgb.jp2": saved(picture(), "JPEG2000"),
        "png-by-another-name.svg": saved(picture(), "PNG"),
        "no-suffix": saved(picture(), "PNG"),
    }

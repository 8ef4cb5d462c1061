"""Raster images in a form suitable for archived pages: complete, upright, one frame, in grey or the pages' RGB.

WeasyPrint copies the samples of an image into the PDF without its colour profile (PDF/A-3 requires the colours of the
output intent: ISO 19005-3, 6.2.4), shows the readable part of a damaged file, and misreads sixteen bits as eight. So
images are converted first.
"""

from __future__ import annotations

import warnings
from io import BytesIO

from PIL import Image, ImageCms, ImageFile, ImageOps, UnidentifiedImageError

from reports.core.errors import InvalidSettings

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP", "JPEG2000", "AVIF")
MOST_PIXELS = 40_000_000  # a page at 600 dots an inch has 35 million
_ALPHA = ("RGBA", "LA", "PA", "La", "RGBa")
_SIXTEEN_BITS = ("I;16", "I;16L", "I;16B", "I;16N")
_SRGB = ImageCms.createProfile("sRGB")


def plain(content: bytes, name: str) -> bytes | None:
    """An image as PNG or JPEG that pages can show unchanged; None if it is not a raster image.

    Raises `InvalidSettings` for one that is damaged, too large, or of a kind that is not drawn.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(BytesIO(content))
    except UnidentifiedImageError:
        return None
    except Image.DecompressionBombError:
        raise _too_large(name) from None
    except Exception as error:  # whatever Pillow runs into in a damaged file
        raise _damaged(name, error) from None
    with image:
        if image.format not in (*FORMATS, "MPO"):
            raise InvalidSettings(f"{name} is a {image.format} image: save it as PNG, JPEG, WebP or GIF")
        if image.width * image.height > MOST_PIXELS:
            raise _too_large(name)
        _load(image, name)
        return content if _is_plain(image) else _as_png(_upright(image), name)


def _too_large(name: str) -> InvalidSettings:
    return InvalidSettings(f"{name} has more than {MOST_PIXELS:,} pixels: make it smaller")


def _damaged(name: str, error: Exception) -> InvalidSettings:
    return InvalidSettings(f"{name} is damaged and cannot be shown completely ({error}): save it again")


def _load(image: Image.Image, name: str) -> None:
    ImageFile.LOAD_TRUNCATED_IMAGES = False  # WeasyPrint sets it to show truncated images
    try:
        image.load()
    except Exception as error:  # whatever Pillow runs into in a damaged file
        raise _damaged(name, error) from None


def _is_plain(image: Image.Image) -> bool:
    """Whether pages can use the file itself: an upright JPEG in grayscale or sRGB."""
    upright = image.getexif().get(0x0112, 1) == 1
    profile = image.info.get("icc_profile")
    return image.format == "JPEG" and image.mode in ("L", "RGB") and upright and not profile


def _upright(image: Image.Image) -> Image.Image:
    """The image, rotated as its Exif orientation says."""
    return ImageOps.exif_transpose(image)


def _as_png(image: Image.Image, name: str) -> bytes:
    profile = image.info.get("icc_profile")
    written = BytesIO()
    _in_srgb(_eight_bits(image), profile, name).save(written, format="PNG", icc_profile=None)
    return written.getvalue()


def _eight_bits(image: Image.Image) -> Image.Image:
    """The image with eight bits a channel, in L, LA, RGB, RGBA or CMYK."""
    if image.mode in _SIXTEEN_BITS:
        return image.convert("I").point(lambda level: level * (1 / 257) + 0.5).convert("L")
    if image.mode in ("I", "F"):
        _, high = image.convert("F").getextrema()
        scale = 255 / 65535 if isinstance(high, float) and high > 255 else 1  # 32 bits here are 16 in a file
        return image.point(lambda level: level * scale).convert("L")
    if image.mode in _ALPHA or "transparency" in image.info:
        return _without_idle_alpha(image.convert("LA" if image.mode in ("LA", "La", "L") else "RGBA"))
    if image.mode == "1":
        return image.convert("L")
    return image if image.mode in ("L", "RGB", "CMYK") else image.convert("RGB")


def _without_idle_alpha(image: Image.Image) -> Image.Image:
    opaque = image.getchannel("A").getextrema() == (255, 255)
    return image.convert(image.mode[:-1]) if opaque else image


def _in_srgb(image: Image.Image, profile: bytes | None, name: str) -> Image.Image:
    """The image's colors, converted from its own profile to that of the pages."""
    if image.mode in ("L", "LA") or (profile is None and image.mode != "CMYK"):
        return image
    if profile is None:
        return image.convert("RGB")
    try:
        alpha = image.getchannel("A") if image.mode == "RGBA" else None
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        colours = image.convert("RGB") if alpha else image
        shown = ImageCms.profileToProfile(
            colours, source, _SRGB, ImageCms.Intent.RELATIVE_COLORIMETRIC, outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError, ValueError) as error:
        raise InvalidSettings(
            f"the colour profile of {name} cannot be used ({error}): save it in sRGB, without a profile"
        ) from None
    assert shown is not None  # noqa: S101 -- None is returned for work in place alone
    if alpha:
        shown.putalpha(alpha)
    return shown

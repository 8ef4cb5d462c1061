"""Raster images, made plain before they are drawn."""

from io import BytesIO

import pytest
from PIL import Image

from reports.core.errors import InvalidSettings
from reports.pages.images import plain
from tests.support.fonts import SRGB, logos, picture, saved, turned


def shown(content: bytes) -> Image.Image:
    made = plain(content, "logo")
    assert made is not None
    return Image.open(BytesIO(made))


@pytest.mark.parametrize("name", logos())
def test_every_kind_becomes_one_that_pages_hold(name: str) -> None:
    """Grey or RGB, with alpha or without, eight bits a channel, without a profile, one frame."""
    image = shown(logos()[name])

    assert image.format in ("PNG", "JPEG")
    assert image.mode in ("L", "LA", "RGB", "RGBA")
    assert "icc_profile" not in image.info
    assert getattr(image, "n_frames", 1) == 1


def test_a_plain_jpeg_stays_as_it_is() -> None:
    """It is not compressed again."""
    content = saved(picture(), "JPEG")

    assert plain(content, "logo") == content


def test_a_turned_camera_is_turned_back() -> None:
    """A picture stands as it was taken."""
    assert shown(saved(picture(size=(60, 20)), "JPEG", exif=turned())).size == (20, 60)


def test_sixteen_bits_keep_their_grey() -> None:
    """Of 65,535 levels, 30,000 is 117 of 255."""
    assert shown(saved(Image.new("I;16", (3, 3), 30000), "PNG")).getpixel((1, 1)) == 117


def test_alpha_that_hides_nothing_is_left_out() -> None:
    """An image without a transparent pixel needs no mask."""
    assert shown(saved(picture().convert("RGBA"), "PNG")).mode == "RGB"


def test_alpha_that_hides_something_stays() -> None:
    """Each pixel is as transparent as it was."""
    image = picture("RGBA")

    assert shown(saved(image, "PNG")).getchannel("A").tobytes() == image.getchannel("A").tobytes()


def test_colours_are_those_of_the_profile() -> None:
    """A profile of sRGB changes nothing; CMYK becomes RGB."""
    red = shown(saved(Image.new("RGB", (3, 3), (200, 30, 40)), "PNG", icc_profile=SRGB)).getpixel((1, 1))
    ink = shown(saved(Image.new("CMYK", (3, 3), (0, 255, 255, 0)), "TIFF")).getpixel((1, 1))

    assert red == pytest.approx((200, 30, 40), abs=1)
    assert ink == (255, 0, 0)


def test_what_is_no_image_is_none() -> None:
    """A style sheet is left to others."""
    assert plain(b"p { color: red }", "a.css") is None


def test_a_bomb_is_refused_unread() -> None:
    """An image of more pixels than a page has at 600 dots an inch."""
    with pytest.raises(InvalidSettings, match="more than 40,000,000 pixels"):
        plain(saved(Image.new("1", (20_000, 20_000)), "PNG"), "logo.png")

"""Small pictures of photos for the page and the sheet."""

import base64
import io

from PIL import Image as pillow
from PIL import ImageDraw, ImageFont

from fashionnet.locations import Location
from fashionnet.photos import UnreadablePhotoError, decode, read_bytes

_GREY, _DARK_GREY = (226, 226, 224), (105, 105, 102)


def thumbnail(photo: Location | None, side: int) -> pillow.Image:
    """Return a photo in its own proportions, its longer side at most `side` pixels.

    A photo that was not kept, has gone or cannot be read gives a grey square that says so.
    """
    if photo is None:
        return _placeholder("photo not kept", side)
    try:
        picture = pillow.fromarray(decode(read_bytes(photo), minimum_side=side))
    except UnreadablePhotoError:
        return _placeholder("photo not available", side)
    picture.thumbnail((side, side), pillow.Resampling.LANCZOS)
    return picture


def data_uri(picture: pillow.Image) -> str:
    """Return a picture as a JPEG in a data URI, to stand inside a page."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=84, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode("ascii")


def _placeholder(text: str, side: int) -> pillow.Image:
    picture = pillow.new("RGB", (side, side), _GREY)
    font = ImageFont.load_default(side / 14)
    ImageDraw.Draw(picture).text((side / 2, side / 2), text, _DARK_GREY, font, anchor="mm")
    return picture

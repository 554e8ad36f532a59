"""Photos that came over HTTP: what is checked before any pixel is decoded."""

import io
import warnings
from threading import Lock

from PIL import Image as pillow

from fashionnet.app.limits import PHOTO_PIXELS
from fashionnet.app.taste import photo_of
from fashionnet.app.types import Photo
from fashionnet.describing import Network
from fashionnet.network.trunk import IMAGE_SIZE
from fashionnet.photos import FORMATS, Image, UnreadablePhotoError, decode, fingerprint, resize

_decoding = Lock()
"""One photo at a time: a large one takes hundreds of megabytes for a moment."""


def suffix_of(data: bytes) -> str:
    """Return the suffix of a photo's format, from its header alone; UnreadablePhotoError."""
    if not data:
        raise UnreadablePhotoError("empty file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with pillow.open(io.BytesIO(data), formats=FORMATS) as photo:
                width, height = photo.size
                form = photo.format or ""
    except pillow.DecompressionBombError:
        width, height, form = PHOTO_PIXELS + 1, 1, ""
    except Exception:
        # Pillow lets through whatever Python raises at bytes that it did not expect.
        raise UnreadablePhotoError("not a photo, or its header is damaged") from None
    if width * height > PHOTO_PIXELS:
        raise UnreadablePhotoError(f"more than {PHOTO_PIXELS // 10**6} megapixels")
    # MPO is what some cameras call a JPEG that holds more than one picture.
    return {"JPEG": ".jpg", "MPO": ".jpg", "TIFF": ".tif"}.get(form, f".{form.lower()}")


def decoded(data: bytes, minimum_side: int) -> Image:
    """Return a photo's image, checked before it is decoded; UnreadablePhotoError for no photo."""
    suffix_of(data)
    with _decoding:
        return decode(data, minimum_side)


def describe_upload(network: Network, data: bytes, name: str) -> Photo:
    """Return a photo's Fashion Vector; UnreadablePhotoError for what is no photo."""
    image = resize(decoded(data, IMAGE_SIZE), IMAGE_SIZE, IMAGE_SIZE)
    vectors = network.describe(iter([image]))
    return photo_of(vectors, 0, name, fingerprint(data), network.fingerprint)

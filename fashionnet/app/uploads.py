"""Photos that came over HTTP: one at a time is decoded, and none of too many pixels."""

from threading import Lock

from fashionnet.app.limits import PHOTO_PIXELS
from fashionnet.app.taste import photo_of
from fashionnet.app.types import Photo
from fashionnet.describing import Network
from fashionnet.network.trunk import IMAGE_SIZE
from fashionnet.photos import Image, decode, fingerprint, resize

_decoding = Lock()
"""One photo at a time: a large one takes hundreds of megabytes for a moment."""


def decoded(data: bytes, minimum_side: int) -> Image:
    """Return a photo's image; UnreadablePhotoError, before it is decoded, for one too large."""
    with _decoding:
        return decode(data, minimum_side, PHOTO_PIXELS)


def describe_upload(network: Network, data: bytes, name: str) -> Photo:
    """Return a photo's Fashion Vector; UnreadablePhotoError for what is no photo."""
    image = resize(decoded(data, IMAGE_SIZE), IMAGE_SIZE, IMAGE_SIZE)
    vectors = network.describe(iter([image]))
    return photo_of(vectors, 0, name, fingerprint(data), network.fingerprint)

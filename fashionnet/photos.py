"""Find, check, read and resize photos; what makes a photo unreadable."""

import hashlib
import io
import warnings
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as pillow
from PIL import ImageOps

from fashionnet.errors import RequestError

Image = NDArray[np.uint8]
"""A photo in memory: H×W×3 uint8, RGB, upright."""

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
SUFFIXES = frozenset((".jpg", ".jpeg", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"))
MAXIMUM_BYTES = 64 * 2**20
MAXIMUM_PIXELS = 100_000_000


class UnreadablePhotoError(Exception):
    """A photo that cannot be used; the message is the reason, without the file's name."""


def find_photos(paths: Iterable[Path]) -> list[Path]:
    """Return the photos among files and, recursively, folders: sorted, each once.

    A file that is named outright is taken whatever its suffix; hidden files are passed over.
    Raises RequestError for a path that does not exist and where no photo is found.
    """
    paths = list(paths)
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            for file in sorted(path.rglob("*")):
                hidden = any(part.startswith(".") for part in file.relative_to(path).parts)
                if not hidden and file.suffix.lower() in SUFFIXES and file.is_file():
                    found[file] = None
        elif path.is_file():
            found[path] = None
        else:
            raise RequestError(f"{path}: no such file or folder")
    if not found:
        names = ", ".join(str(path) for path in paths)
        raise RequestError(
            f"{names}: no photo found; expected files ending in " + " ".join(sorted(SUFFIXES))
        )
    return list(found)


def read_bytes(path: Path) -> bytes:
    """Read a photo file of bounded size; raises UnreadablePhotoError."""
    try:
        size = path.stat().st_size
        if size > MAXIMUM_BYTES:
            raise UnreadablePhotoError(
                f"file of {size / 2**20:.0f} MiB: at most {MAXIMUM_BYTES // 2**20} MiB are read"
            )
        return path.read_bytes()
    except OSError as error:
        raise UnreadablePhotoError((error.strerror or str(error)).lower()) from error


def fingerprint(data: bytes) -> str:
    """Return the SHA-256 by which a photo is known, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def decode(data: bytes, minimum_side: int = 0) -> Image:
    """Decode a photo's file to an upright RGB image; raises UnreadablePhotoError.

    Size and format are checked from the header, before any pixel is decoded. Of an animation
    the first frame is read; transparency is laid over white. With `minimum_side` a JPEG is
    decoded at the smallest scale whose shorter side is still at least that many pixels.
    """
    if not data:
        raise UnreadablePhotoError("empty file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with pillow.open(io.BytesIO(data), formats=FORMATS) as photo:
                width, height = photo.size
                if width * height > MAXIMUM_PIXELS:
                    raise UnreadablePhotoError(
                        f"{width}×{height} pixels: at most {MAXIMUM_PIXELS // 10**6} megapixels "
                        "are read"
                    )
                if minimum_side:
                    photo.draft(None, (minimum_side, minimum_side))
                return np.asarray(_upright_rgb(photo))
    except pillow.UnidentifiedImageError:
        raise UnreadablePhotoError("not a photo, or its header is damaged") from None
    except pillow.DecompressionBombError:
        raise UnreadablePhotoError(
            f"too many pixels: at most {MAXIMUM_PIXELS // 10**6} megapixels are read"
        ) from None
    except (OSError, SyntaxError, ValueError, EOFError, MemoryError) as error:
        raise UnreadablePhotoError(f"damaged or truncated: {error}".splitlines()[0]) from error


def _upright_rgb(photo: pillow.Image) -> pillow.Image:
    photo = ImageOps.exif_transpose(photo)
    if photo.mode.startswith(("I", "F")):
        # Pillow clips 16-bit greyscale to 255 instead of scaling it.
        levels = np.asarray(photo, np.float64)
        deep = photo.mode.startswith("I;16") or levels.max(initial=0) > 255
        top = 65535.0 if deep else 255.0
        photo = pillow.fromarray((levels * (255.0 / top)).clip(0, 255).astype(np.uint8))
    if photo.has_transparency_data:
        photo = photo.convert("RGBA")
        white = pillow.new("RGBA", photo.size, "white")
        photo = pillow.alpha_composite(white, photo)
    return photo.convert("RGB")


def resize(image: Image, width: int, height: int) -> Image:
    """Scale an image to exactly width×height, averaging areas when it shrinks."""
    shrinks = image.shape[0] >= height and image.shape[1] >= width
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(image, (width, height), interpolation=how).astype(np.uint8, copy=False)

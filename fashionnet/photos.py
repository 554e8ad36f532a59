"""Find, check, read and resize photos; what makes a photo unreadable."""

import hashlib
import io
import os
import posixpath
import stat
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as pillow

from fashionnet.errors import RequestError
from fashionnet.locations import Location, first_line, reaching, read_up_to

if TYPE_CHECKING:
    from upath import UPath

Image = NDArray[np.uint8]
"""A photo in memory: H×W×3 uint8, RGB, upright."""

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
SUFFIXES = frozenset((".jpg", ".jpeg", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"))
MAXIMUM_BYTES = 64 * 2**20
MAXIMUM_PIXELS = 100_000_000
READING_THREADS = 2
PHOTOS_AHEAD = 16

Item = TypeVar("Item")
Result = TypeVar("Result")

_CHANGING = ("ETag", "etag", "md5Hash", "LastModified", "Last-Modified", "mtime", "created")
"""What file systems call that which changes when a file is written."""

_ORIENTATION = 0x0112
_TURNS = {
    2: pillow.Transpose.FLIP_LEFT_RIGHT,
    3: pillow.Transpose.ROTATE_180,
    4: pillow.Transpose.FLIP_TOP_BOTTOM,
    5: pillow.Transpose.TRANSPOSE,
    6: pillow.Transpose.ROTATE_270,
    7: pillow.Transpose.TRANSVERSE,
    8: pillow.Transpose.ROTATE_90,
}
"""What stands a photo upright, for each value of EXIF's orientation tag but 1, upright already."""


class UnreadablePhotoError(Exception):
    """A photo that cannot be used; the message is the reason, without the file's name."""


def find_photos(paths: Iterable[Path]) -> list[Path]:
    """Return the photos among files and, recursively, folders: sorted, each once.

    A file that is named outright is taken whatever its suffix; hidden files are passed over.
    Raises RequestError for a path that does not exist, a folder that cannot be read and where no
    photo is found.
    """
    paths = list(paths)
    found: dict[Path, None] = {}
    try:
        for path in paths:
            if path.is_dir():
                found |= dict.fromkeys(_photos_below(path))
            elif path.is_file():
                found[path] = None
            else:
                raise RequestError(f"{path}: no such file or folder")
    except OSError as error:
        raise RequestError(f"{error.filename}: {(error.strerror or str(error)).lower()}") from error
    if not found:
        names = ", ".join(str(path) for path in paths)
        raise RequestError(
            f"{names}: no photo found; expected files ending in " + " ".join(sorted(SUFFIXES))
        )
    return list(found)


def find_remote_photos(folder: "UPath") -> list[str]:
    """Return the photos below a remote folder, as paths relative to it; hidden ones are not seen.

    Raises RequestError for a folder that cannot be listed or holds no photo.
    """
    if folder.protocol in ("http", "https"):
        raise RequestError(
            f"{folder}: a web server does not list its files: name a table of photos there"
        )
    root = folder.path.rstrip("/") + "/"
    try:
        with reaching(folder):
            # What was listed before may have changed.
            folder.fs.invalidate_cache()
            names = folder.fs.find(folder.path)
    except OSError as error:
        raise RequestError(f"{folder}: {first_line(error)}") from error
    below = [name.removeprefix(root) for name in names if name.startswith(root)]
    photos = [
        name
        for name in below
        if posixpath.splitext(name)[1].lower() in SUFFIXES
        and not any(part.startswith(".") for part in name.split("/"))
    ]
    if not photos:
        raise RequestError(
            f"{folder}: no photo found; expected files ending in " + " ".join(sorted(SUFFIXES))
        )
    return sorted(photos)


def _photos_below(folder: Path) -> list[Path]:
    def stop(error: OSError) -> None:
        raise error

    photos = []
    for here, folders, files in os.walk(folder, onerror=stop):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for file in (Path(here, name) for name in files if not name.startswith(".")):
            if file.suffix.lower() in SUFFIXES and file.is_file():
                photos.append(file)
    return sorted(photos)


def file_state(photo: Location) -> tuple[int, int]:
    """Return a file's size in bytes and a number that changes when it is written again.

    On disk the number is its time of change in nanoseconds; elsewhere, where few stores keep
    that, a hash of what theirs keeps. Raises OSError for what is not there or not a file.
    """
    with reaching(photo):
        status = photo.stat()
        if not stat.S_ISREG(status.st_mode):
            raise OSError("not a file")
        if isinstance(photo, Path):
            return status.st_size, status.st_mtime_ns
        information = photo.fs.info(photo.path)
        marks = [str(information[key]) for key in _CHANGING if key in information]
        number = int.from_bytes(hashlib.sha256("\n".join(marks).encode()).digest()[:7], "big")
        return information.get("size") or 0, number


def read_bytes(photo: Location) -> bytes:
    """Read a photo file of bounded size; raises UnreadablePhotoError."""
    try:
        with reaching(photo):
            size = photo.stat().st_size
        if size <= MAXIMUM_BYTES:
            data = read_up_to(photo, MAXIMUM_BYTES + 1)
            size = max(size, len(data))
    except OSError as error:
        raise UnreadablePhotoError(first_line(error)) from error
    if size > MAXIMUM_BYTES:
        raise UnreadablePhotoError(
            f"file of {size / 2**20:.0f} MiB: at most {MAXIMUM_BYTES // 2**20} MiB are read"
        )
    return data


def fingerprint(data: bytes) -> str:
    """Return the SHA-256 by which a photo is known, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def decode(data: bytes, minimum_side: int = 0, maximum_pixels: int = MAXIMUM_PIXELS) -> Image:
    """Decode a photo's file to an upright RGB image; raises UnreadablePhotoError.

    Size and format are checked from the header, before any pixel is decoded. Of an animation
    the first frame is read; transparency is laid over white. With `minimum_side` a JPEG is
    decoded at the smallest scale whose shorter side is still at least that many pixels.
    """
    with _opened(data, maximum_pixels) as photo:
        if minimum_side:
            photo.draft(None, (minimum_side, minimum_side))
        return np.asarray(_upright_rgb(photo))


def suffix_of(data: bytes, maximum_pixels: int = MAXIMUM_PIXELS) -> str:
    """Return the suffix of a photo's format, from its header alone; raises UnreadablePhotoError."""
    with _opened(data, maximum_pixels) as photo:
        form = photo.format or ""
    # MPO is what some cameras call a JPEG that holds more than one picture.
    return {"JPEG": ".jpg", "MPO": ".jpg", "TIFF": ".tif"}.get(form, f".{form.lower()}")


@contextmanager
def _opened(data: bytes, maximum_pixels: int) -> Iterator[pillow.Image]:
    """Open a photo's file, its header checked; what goes wrong with it is UnreadablePhotoError."""
    if not data:
        raise UnreadablePhotoError("empty file")
    most = f"at most {maximum_pixels // 10**6} megapixels are read"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with pillow.open(io.BytesIO(data), formats=FORMATS) as photo:
                width, height = photo.size
                if width * height > maximum_pixels:
                    raise UnreadablePhotoError(f"{width}×{height} pixels: {most}")
                yield photo
    except pillow.UnidentifiedImageError:
        raise UnreadablePhotoError("not a photo, or its header is damaged") from None
    except pillow.DecompressionBombError:
        raise UnreadablePhotoError(f"too many pixels: {most}") from None
    except UnreadablePhotoError:
        raise
    except Exception as error:
        # Pillow's decoders let through whatever Python raises at bytes they did not expect.
        what = str(error) or type(error).__name__
        raise UnreadablePhotoError(f"damaged or truncated: {what}".splitlines()[0]) from error


def _upright_rgb(photo: pillow.Image) -> pillow.Image:
    # Of a TIFF, Pillow heeds and removes the orientation as it loads the pixels.
    photo.load()
    turn = _turn(photo)
    if turn is not None:
        photo = photo.transpose(turn)
    if photo.mode.startswith(("I", "F")):
        photo = pillow.fromarray(_eight_bits(photo))
    if photo.has_transparency_data:
        photo = photo.convert("RGBA")
        white = pillow.new("RGBA", photo.size, "white")
        photo = pillow.alpha_composite(white, photo)
    return photo.convert("RGB")


def _turn(photo: pillow.Image) -> pillow.Transpose | None:
    try:
        orientation: Any = photo.getexif().get(_ORIENTATION)
        return _TURNS.get(orientation)
    except Exception:
        # EXIF is written by all kinds of programs: a picture is good whatever is wrong with it.
        return None


def _eight_bits(photo: pillow.Image) -> NDArray[np.uint8]:
    """Scale the grey levels of modes I;16, I and F, which Pillow itself would clip to 255."""
    if photo.mode.startswith("I;16"):
        return (np.asarray(photo) >> 8).astype(np.uint8)
    levels = np.array(photo, np.float32)
    if levels.max(initial=0) > 255:
        levels *= np.float32(255 / 65535)
    return levels.clip(0, 255, out=levels).astype(np.uint8)


def resize(image: Image, width: int, height: int) -> Image:
    """Scale an image to exactly width×height, averaging areas when it shrinks."""
    shrinks = image.shape[0] >= height and image.shape[1] >= width
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(image, (width, height), interpolation=how).astype(np.uint8, copy=False)


def read_ahead(
    items: Iterable[Item], read: Callable[[Item], Result]
) -> Iterator[tuple[Item, "Future[Result]"]]:
    """Yield each item with what `read` makes of it, in order, read in threads a few items ahead.

    However many items there are, memory holds PHOTOS_AHEAD results, and an interruption waits
    for the photos that are being read at that moment only.
    """
    threads = ThreadPoolExecutor(READING_THREADS)
    waiting: deque[tuple[Item, Future[Result]]] = deque()
    try:
        for item in items:
            waiting.append((item, threads.submit(read, item)))
            if len(waiting) > PHOTOS_AHEAD:
                yield waiting.popleft()
        while waiting:
            yield waiting.popleft()
    finally:
        threads.shutdown(cancel_futures=True)

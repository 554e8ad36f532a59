"""What every finding starts from: one reading of each photo, kept so that it is done once."""

import io
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as pillow

from fashionnet.curation import quality
from fashionnet.describing import Network
from fashionnet.errors import RequestError
from fashionnet.files import write_whole
from fashionnet.network.trunk import IMAGE_SIZE
from fashionnet.photos import (
    Image,
    UnreadablePhotoError,
    decode,
    fingerprint,
    read_ahead,
    read_bytes,
    resize,
)

PHOTOS_IN_A_FILE = 1024
THUMBNAIL_SIDE = 32

_VERSION = 1


@dataclass(frozen=True, eq=False)
class Looks:
    """What was seen of N photos, as columns. A photo that cannot be read is all zeros.

    Attributes:
        reasons: str (N,): why a photo cannot be read, blank where it can.
        sha256: str (N,): the photos' fingerprints.
        sizes: int32 (N, 2): width and height as stored, in pixels.
        blur, light, spread: float32 (N,): as `fashionnet.curation.quality` defines them, of the
            photo at the size that the network sees.
        thumbnails: uint8 (N, 32, 32, 3): RGB, squashed.
        relevance: float32 (N,): the network's probability that the photo is relevant.
        embeddings: float16 (N, E): the network's embeddings, unit length.
    """

    reasons: NDArray[np.str_]
    sha256: NDArray[np.str_]
    sizes: NDArray[np.int32]
    blur: NDArray[np.float32]
    light: NDArray[np.float32]
    spread: NDArray[np.float32]
    thumbnails: NDArray[np.uint8]
    relevance: NDArray[np.float32]
    embeddings: NDArray[np.float16]

    @property
    def readable(self) -> NDArray[np.bool_]:
        """bool (N,): whether a photo could be read."""
        return self.reasons == ""

    def take(self, rows: NDArray[np.intp]) -> "Looks":
        """Return the rows chosen by indices."""
        return Looks(*(getattr(self, field.name)[rows] for field in fields(self)))

    def __len__(self) -> int:
        return len(self.reasons)


def look_at(
    photos: Sequence[Path],
    network: Network,
    folder: Path,
    advance: Callable[[int], None] = lambda count: None,
) -> Looks:
    """Read, measure and describe photos; what `folder` knows of unchanged ones is not done again.

    A photo is known by its path, size and time of change, and by the network's fingerprint and
    precision.
    Every 1024 photos are kept as soon as they are done: a run that was stopped goes on there.

    `advance` is called with numbers of photos that are done. Raises RequestError for a folder
    that cannot be written.
    """
    keys = [_key(photo, network) for photo in photos]
    known, place = _read_known(folder, network)
    pending = [row for row, key in enumerate(keys) if key not in place]
    advance(len(photos) - len(pending))
    parts = [known]
    for start in range(0, len(pending), PHOTOS_IN_A_FILE):
        rows = pending[start : start + PHOTOS_IN_A_FILE]
        part = _look([photos[row] for row in rows], network, advance)
        new_keys = [keys[row] for row in rows]
        _keep(folder, new_keys, part)
        place |= {key: len(place) + number for number, key in enumerate(new_keys)}
        parts.append(part)
    return _joined(parts).take(np.array([place[key] for key in keys], np.intp))


def _key(photo: Path, network: Network) -> str:
    try:
        status = photo.stat()
        file = f"{status.st_size}|{status.st_mtime_ns}"
    except OSError:
        file = "missing"
    return f"{_seen_by(network)}|{file}|{photo.absolute()}"


def _seen_by(network: Network) -> str:
    return f"{_VERSION}|{network.fingerprint}|{network.precision}"


@dataclass(frozen=True, eq=False)
class _Seen:
    sha256: str
    size: tuple[int, int]
    image: Image


def _read(photo: Path) -> _Seen:
    data = read_bytes(photo)
    image = decode(data, IMAGE_SIZE)
    with pillow.open(io.BytesIO(data)) as header:
        size = header.size
    return _Seen(fingerprint(data), size, image)


def _look(photos: Sequence[Path], network: Network, advance: Callable[[int], None]) -> Looks:
    count = len(photos)
    reasons, sha256 = [""] * count, [""] * count
    sizes = np.zeros((count, 2), np.int32)
    measures = np.zeros((3, count), np.float32)
    thumbnails = np.zeros((count, THUMBNAIL_SIDE, THUMBNAIL_SIDE, 3), np.uint8)
    readable: list[int] = []

    def images() -> Iterator[Image]:
        for row, (_, pending) in enumerate(read_ahead(photos, _read)):
            try:
                seen = pending.result()
            except UnreadablePhotoError as error:
                reasons[row] = str(error)[:200] or "unreadable"
            else:
                readable.append(row)
                sha256[row], sizes[row] = seen.sha256, seen.size
                smaller = _at_most(seen.image, IMAGE_SIZE)
                measures[:, row] = (
                    quality.blur(smaller),
                    quality.light(smaller),
                    quality.spread(smaller),
                )
                thumbnails[row] = resize(seen.image, THUMBNAIL_SIDE, THUMBNAIL_SIDE)
                yield resize(seen.image, IMAGE_SIZE, IMAGE_SIZE)
            advance(1)

    vectors = network.describe(images())
    relevance = np.zeros(count, np.float32)
    embeddings = np.zeros((count, vectors.embeddings.shape[1]), np.float16)
    relevance[readable], embeddings[readable] = vectors.relevance, vectors.embeddings
    return Looks(
        np.array(reasons, np.str_),
        np.array(sha256, np.str_),
        sizes,
        measures[0],
        measures[1],
        measures[2],
        thumbnails,
        relevance,
        embeddings,
    )


def _at_most(image: Image, side: int) -> Image:
    """Return an image whose shorter side is at most that many pixels, in its own proportions."""
    height, width = image.shape[:2]
    scale = side / min(height, width)
    if scale >= 1:
        return image
    return resize(image, max(1, round(width * scale)), max(1, round(height * scale)))


# --- Keeping ---------------------------------------------------------------------------------


def _keep(folder: Path, keys: Sequence[str], looks: Looks) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RequestError(f"cannot make {folder}: {(error.strerror or '').lower()}") from error
    columns = {field.name: getattr(looks, field.name) for field in fields(looks)}
    file = io.BytesIO()
    np.savez(file, keys=np.array(keys, np.str_), **columns)
    name = fingerprint("\n".join(keys).encode("utf-8", "surrogatepass"))
    write_whole(folder / f"{name[:16]}.npz", file.getvalue())


def _read_known(folder: Path, network: Network) -> tuple[Looks, dict[str, int]]:
    """Return what the folder knows of photos by this network, and the row of each key in it."""
    parts = [_look([], network, lambda count: None)]
    place: dict[str, int] = {}
    for path in sorted(folder.glob("*.npz")):
        try:
            with np.load(path, allow_pickle=False) as file:
                keys = file["keys"].tolist()
                looks = Looks(*(file[field.name] for field in fields(Looks)))
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            # What is damaged is read from the photos again.
            continue
        fresh = [
            row
            for row, key in enumerate(keys)
            if key not in place and key.startswith(f"{_seen_by(network)}|")
        ]
        if len(looks) == len(keys) and fresh:
            start = sum(map(len, parts))
            parts.append(looks.take(np.array(fresh, np.intp)))
            place |= {keys[row]: start + number for number, row in enumerate(fresh)}
    return _joined(parts), place


def _joined(parts: Sequence[Looks]) -> Looks:
    return Looks(
        *(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Looks))
    )

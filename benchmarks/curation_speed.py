"""How long near-duplicates take to find among many pictures, beside cleanvision and imagehash.

There are 14,321 real photos. The pictures are these, and then these again with their garments in
other colours, each differently: as in a shop, which shows every colour in one pose. 5% are copies
of others: rescaled, recompressed or mirrored. So that 100,000 pictures need not go through the
network, a picture has its photo's embedding with noise, so that colours of one garment have a
cosine of 0.86 and copies one of 0.98 with each other.

imagehash (a 64-bit perceptual hash) is compared in all pairs of 2,000 pictures, and its time
projected; cleanvision is run up to 20,000.
"""

import os
import resource
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fashionnet.curation.duplicates import near_duplicate_groups
from fashionnet.curation.looks import THUMBNAIL_SIDE, Looks, look_at
from fashionnet.network.compiled import CompiledNetwork
from fashionnet.photos import Image, decode, find_photos, fingerprint, read_bytes, resize
from fashionnet.progress import progress

SHARE_OF_COPIES = 0.05
NOISE_OF_A_COLOUR, NOISE_OF_A_COPY = 0.4, 0.14
HASHED = 2000
CLEANVISION_UP_TO = 20_000
"""Pictures: more take it longer than all the rest of the benchmark."""


@dataclass(frozen=True, eq=False)
class Pile:
    """N pictures on disk.

    Attributes:
        photos: their paths.
        looks: what `curate` would have seen of them, as far as near-duplicates need it.
        originals: intp (N,): what each is a copy of, by row; itself where it is none.
        reading: seconds that reading them took.
    """

    photos: list[Path]
    looks: Looks
    originals: NDArray[np.intp]
    reading: float


def measure_speed(data: Path, folder: Path, counts: list[int]) -> None:
    """Print a row for each number of pictures; they are kept in `folder` and made where missing."""
    sources = find_photos([data / "catalogue" / "images", data / "photos"])
    with progress("looking at the real photos", len(sources)) as advance:
        seen = look_at(sources, CompiledNetwork.open(), folder / "looks", advance)
    header = (
        "pictures",
        "reading",
        "near-duplicates",
        "found of planted",
        "groups of other pictures",
        "peak memory",
        "cleanvision, reading included, found",
        "imagehash in all pairs, found, other pairs",
        "load",
    )
    print(f"| {' | '.join(header)} |\n|" + " --- |" * len(header), flush=True)
    spent: list[float] = []
    for count in counts:
        pile = _pile(folder / f"{count}", sources, seen, count)
        start, worked = time.perf_counter(), time.process_time()
        with progress("comparing", count) as advance:
            groups = near_duplicate_groups(pile.looks, pile.photos, advance)
        spent.append(time.perf_counter() - start)
        worked = time.process_time() - worked
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        copies = np.flatnonzero(pile.originals != np.arange(count))
        found = (groups[copies] == groups[pile.originals[copies]]).mean()
        load = os.getloadavg()[0]
        row = (
            f"{count:,}",
            f"{pile.reading:.0f} s",
            f"{spent[-1]:.0f} s, {worked:.0f} s of one core",
            f"{found:.4f} of {len(copies):,}",
            f"{_joined(groups, pile.originals):,}",
            f"{peak:.1f} GiB",
            _cleanvision(pile) if count <= CLEANVISION_UP_TO else "not run",
            _imagehash(pile, count),
            f"{load:.1f}",
        )
        print(f"| {' | '.join(row)} |", flush=True)
    if len(counts) > 1:
        growth = np.log(spent[-1] / spent[-2]) / np.log(counts[-1] / counts[-2])
        projected = spent[-1] * (1e6 / counts[-1]) ** growth
        print(f"\nnear-duplicates grow as pictures^{growth:.2f}: 1,000,000 in {projected:,.0f} s")


def _joined(groups: NDArray[np.int64], originals: NDArray[np.intp]) -> int:
    """Return how many groups hold two pictures of which neither is a copy of the other."""
    pictures: dict[int, set[int]] = {}
    for group, original in zip(groups.tolist(), originals.tolist(), strict=True):
        pictures.setdefault(group, set()).add(original)
    return sum(len(members) > 1 for members in pictures.values())


# --- The pictures ----------------------------------------------------------------------------


def _pile(folder: Path, sources: Sequence[Path], seen: Looks, count: int) -> Pile:
    random = np.random.default_rng(0)
    rows = np.arange(count)
    half = round(count * SHARE_OF_COPIES)
    copies, copied = random.permutation(count)[: 2 * half].reshape(2, half)
    originals = rows.copy()
    originals[copies] = copied
    photos = [folder / f"{row % 100:02}" / f"{row}.jpg" for row in rows.tolist()]
    missing = [row for row in rows.tolist() if not photos[row].exists()]
    for number in range(100):
        (folder / f"{number:02}").mkdir(parents=True, exist_ok=True)
    with progress("making pictures", len(missing)) as advance, ThreadPoolExecutor() as threads:
        for _ in threads.map(partial(_write, photos, sources, originals), missing):
            advance(1)
    start = time.perf_counter()
    with ThreadPoolExecutor() as threads:
        read = list(threads.map(_read, photos))
    reading = time.perf_counter() - start
    noise = np.where(originals == rows, 0.0, NOISE_OF_A_COPY)
    embeddings = seen.embeddings.astype(np.float32)[originals % len(sources)]
    colours = np.where(originals < len(sources), 0.0, NOISE_OF_A_COLOUR)
    for strength, of_rows in ((colours, originals), (noise, rows)):
        embeddings += strength[:, None].astype(np.float32) * _directions(embeddings.shape, of_rows)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    zeros = np.zeros(count, np.float32)
    looks = Looks(
        np.full(count, ""),
        np.array([sha256 for sha256, _, _ in read]),
        np.array([size for _, size, _ in read], np.int32),
        zeros,
        zeros,
        zeros,
        np.stack([thumbnail for _, _, thumbnail in read]),
        zeros,
        embeddings.astype(np.float16),
    )
    return Pile(photos, looks, originals, reading)


def _directions(shape: tuple[int, ...], rows: NDArray[np.intp]) -> NDArray[np.float32]:
    """Return a random direction for each row, the same for the same number."""
    directions = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return directions[rows]


def _write(
    photos: Sequence[Path], sources: Sequence[Path], originals: NDArray[np.intp], row: int
) -> None:
    original = int(originals[row])
    image = decode(read_bytes(sources[original % len(sources)]))
    if original >= len(sources):
        image = _recoloured(image, np.random.default_rng(original))
    quality = 92
    if original != row:
        way = row % 3
        quality = 40 if way == 0 else 92
        if way == 1:
            image = np.ascontiguousarray(image[:, ::-1])
        elif way == 2:
            scale = np.random.default_rng(row).uniform(0.55, 1.6)
            height, width = (round(side * scale) for side in image.shape[:2])
            image = resize(image, width, height)
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    cv2.imwrite(str(photos[row]), bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])


def _recoloured(image: Image, random: np.random.Generator) -> Image:
    """Return an image with colours of its own on all that is not nearly white."""
    field = random.integers(0, 160, (4, 4, 3)).astype(np.uint8)
    height, width = image.shape[:2]
    colours = cv2.resize(field, (width, height), interpolation=cv2.INTER_CUBIC)
    mixed = cv2.addWeighted(image, 0.55, colours, 0.6, 0)
    is_white = image.min(axis=2, keepdims=True) > 235
    return np.where(is_white, image, mixed).astype(np.uint8, copy=False)


def _read(photo: Path) -> tuple[str, tuple[int, int], Image]:
    data = read_bytes(photo)
    image = decode(data)
    thumbnail = resize(image, THUMBNAIL_SIDE, THUMBNAIL_SIDE)
    return fingerprint(data), (image.shape[1], image.shape[0]), thumbnail


# --- The others ------------------------------------------------------------------------------


def _cleanvision(pile: Pile) -> str:
    """Return the seconds that cleanvision takes for duplicates, and the share that it finds."""
    from cleanvision import Imagelab

    start = time.perf_counter()
    lab = Imagelab(filepaths=[str(photo) for photo in pile.photos], verbose=False)
    lab.find_issues({"near_duplicates": {}, "exact_duplicates": {}}, verbose=False)
    seconds = time.perf_counter() - start
    group_of: dict[str, tuple[str, int]] = {}
    for kind in ("near_duplicates", "exact_duplicates"):
        for number, members in enumerate(lab.info[kind]["sets"]):
            group_of |= {str(name): (kind, number) for name in members}
    pairs = [
        (str(pile.photos[row]), str(pile.photos[original]))
        for row, original in enumerate(pile.originals.tolist())
        if row != original
    ]
    found = sum(group_of.get(a, a) == group_of.get(b, b) for a, b in pairs)
    return f"{seconds:.0f} s, {found / len(pairs):.4f}"


def _imagehash(pile: Pile, count: int) -> str:
    """Return how long imagehash would take in all pairs, and what it finds, rightly and not."""
    import imagehash
    from PIL import Image as pillow

    copies = np.flatnonzero(pile.originals != np.arange(count))[: HASHED // 4]
    others = np.setdiff1d(np.arange(count), copies)[:HASHED]
    rows = np.unique(np.concatenate([copies, pile.originals[copies], others]))[:HASHED].tolist()
    start = time.perf_counter()
    hashes = []
    for row in rows:
        with pillow.open(pile.photos[row]) as image:
            hashes.append(imagehash.phash(image))
    hashing = time.perf_counter() - start
    start = time.perf_counter()
    near: list[tuple[int, int]] = []
    for place, one in enumerate(hashes):
        for further, other in enumerate(hashes[place + 1 :], start=place + 1):
            if one - other <= 10:
                near.append((rows[place], rows[further]))
    comparing = time.perf_counter() - start
    origin = Counter(pile.originals[a] == pile.originals[b] for a, b in near)
    here = set(rows)
    planted = sum(int(pile.originals[row]) in here and pile.originals[row] != row for row in rows)
    seconds = hashing * count / len(rows) + comparing * (count / len(rows)) ** 2
    return (
        f"{seconds:,.0f} s, projected; {origin[True] / max(planted, 1):.4f}; "
        f"{origin[False]:,} among {len(rows):,} pictures"
    )

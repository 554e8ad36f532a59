"""Pairs of worn-together garments, cut from the photos of a catalogue and kept as files.

<folder>/pairs.csv         a row for each pair: id, name, shoot, part
<folder>/<id>.top.jpg      the top alone, before white
<folder>/<id>.top.png      a window of the top's cloth
<folder>/<id>.bottom.png   a window of the bottom's cloth
<folder>/<id>.head.jpg     hair, face and the background around them: for a control
<folder>/<id>.above.jpg    all that is no garment above the waist: for a control
<folder>/<id>.below.jpg    the same below it
<folder>/colours.npz       colours of tops and bottoms, as `fashionnet.compatibility.worn`
                           compared them: float16 (N, bins) each
<folder>/refused.csv       the other photos, with the reason
"""

import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as pillow

from fashionnet.compatibility.worn import NotWornError, Worn, find_worn, overlap
from fashionnet.compatibility.worn_cuts import (
    cut_cloth,
    cut_shape,
    cut_surroundings,
    spread_cloth,
)
from fashionnet.errors import RequestError
from fashionnet.files import write_whole
from fashionnet.labels import connected, join_groups
from fashionnet.photos import (
    Image,
    UnreadablePhotoError,
    decode,
    fingerprint,
    read_ahead,
    read_bytes,
    resize,
)

PAIRS_FILE, COLOURS_FILE, REFUSED_FILE = "pairs.csv", "colours.npz", "refused.csv"
PARTS: Mapping[str, float] = {"train": 0.6, "validation": 0.15, "test": 0.25}
SAME_SHOOT = 2.5
"""Mean distance of two shoots' heads below which they are one."""

_HEAD_SIDE = 16
_LAB_SCALES = np.array([100, 60, 60], np.float32)
_COLUMNS = ("id", "name", "shoot", "part")


@dataclass(frozen=True, eq=False)
class WornPairs:
    """N pairs of a top and a bottom that one person wore on one photo.

    Attributes:
        folder: where their pictures lie.
        ids: the catalogue's name of each photo, ordered.
        names: what the catalogue calls the product.
        shoots: int64 (N,), the same number for photos of one head in one light and frame.
        parts: str (N,), 'train', 'validation' or 'test'; photos of one shoot and products of one
            name are in the same part.
    """

    folder: Path
    ids: list[str]
    names: list[str]
    shoots: NDArray[np.int64]
    parts: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.ids)

    @classmethod
    def read(cls, folder: Path) -> "WornPairs":
        """Read what `write_worn_pairs` wrote; RequestError for anything else."""
        try:
            text = (folder / PAIRS_FILE).read_text(encoding="utf-8")
            rows = list(csv.DictReader(io.StringIO(text)))
            ids, names, shoots, parts = ([row[column] for row in rows] for column in _COLUMNS)
            return cls(folder, ids, names, np.array(shoots, np.int64), np.array(parts, str))
        except OSError as error:
            raise RequestError(
                f"{folder}: not a folder of worn pairs: {(error.strerror or str(error)).lower()}"
            ) from error
        except (ValueError, KeyError, TypeError) as error:
            raise RequestError(f"{folder / PAIRS_FILE}: damaged: cut the pairs again") from error

    def top(self, row: int) -> Image:
        """Return the top alone before white, in its shape: uint8 (224, 224, 3)."""
        return self._picture(row, "top.jpg")

    def bottom_cloth(self, row: int) -> Image:
        """Return cloth of the bottom: uint8 (224, 224, 3)."""
        return spread_cloth(self._picture(row, "bottom.png"))

    @cached_property
    def _colours(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        with np.load(self.folder / COLOURS_FILE, allow_pickle=False) as file:
            return file["tops"].astype(np.float32), file["bottoms"].astype(np.float32)

    def overlaps(self, tops: NDArray[np.intp], bottoms: NDArray[np.intp]) -> NDArray[np.float32]:
        """Return how far the colours of tops and bottoms of some rows overlap: float32 (T, B).

        A wrong pair must be below `MOST_OVERLAP`, as every pair that was found is.
        """
        return overlap(self._colours[0][tops], self._colours[1][bottoms])

    def _picture(self, row: int, ending: str) -> Image:
        photo = self.folder / f"{self.ids[row]}.{ending}"
        try:
            return decode(read_bytes(photo))
        except UnreadablePhotoError as error:
            raise RequestError(f"{photo}: {error}: cut the pairs again") from error


def write_worn_pairs(
    photos: Mapping[str, Path],
    names: Mapping[str, str],
    folder: Path,
    seed: int = 0,
    advance: Callable[[int], None] = lambda count: None,
) -> WornPairs:
    """Cut pairs from photos of dressed people into a folder; RequestError where none shows one.

    Args:
        photos: the photo of each id.
        names: what the catalogue calls each id; products of one name share a part.
        folder: made here; what lies in it already is kept if it comes from the same ids and seed.
        seed: of the split.
        advance: called with 1 for each photo that was looked at.
    """
    ids = sorted(photos)
    request = fingerprint(json.dumps([ids, seed]).encode())
    mark = folder / "request.txt"
    if mark.is_file() and mark.read_text(encoding="utf-8") == request:
        advance(len(ids))
        return WornPairs.read(folder)
    folder.mkdir(parents=True, exist_ok=True)
    found: list[str] = []
    heads: list[NDArray[np.float32]] = []
    colours: tuple[list[NDArray[np.float16]], list[NDArray[np.float16]]] = ([], [])
    refused: list[tuple[str, str]] = []
    for photo_id, pending in read_ahead(ids, lambda one: decode(read_bytes(photos[one]))):
        try:
            worn = find_worn(pending.result())
            _write_pictures(folder / photo_id, worn)
        except (UnreadablePhotoError, NotWornError) as error:
            refused.append((photo_id, str(error)))
        else:
            found.append(photo_id)
            heads.append(_head_features(worn.head))
            colours[0].append(worn.top_colours.astype(np.float16))
            colours[1].append(worn.bottom_colours.astype(np.float16))
        advance(1)
    _write_table(folder / REFUSED_FILE, ("id", "reason"), refused)
    if not found:
        raise RequestError(f"{folder}: none of {len(ids)} photos shows a top worn over a bottom")
    shoots = group_shoots(np.stack(heads))
    called = [names[photo_id] for photo_id in found]
    parts = split_groups(join_groups(shoots, _numbered(called)), seed)
    _write_colours(folder / COLOURS_FILE, *colours)
    _write_table(
        folder / PAIRS_FILE,
        _COLUMNS,
        list(zip(found, called, map(str, shoots), parts.tolist(), strict=True)),
    )
    write_whole(mark, request.encode())
    return WornPairs.read(folder)


def count_refused(folder: Path) -> Counter[str]:
    """Return how many photos were refused for each reason."""
    with (folder / REFUSED_FILE).open(encoding="utf-8", newline="") as file:
        return Counter(row["reason"] for row in csv.DictReader(file))


def group_shoots(heads: NDArray[np.float32]) -> NDArray[np.int64]:
    """Number the shoots of heads, float32 (N, F): int64 (N,).

    Agglomerative clustering with average linkage, cut at SAME_SHOOT. One person in two haircuts,
    or in two frames, makes two shoots.
    """
    from scipy.cluster.hierarchy import fcluster, linkage

    if len(heads) < 2:
        return np.zeros(len(heads), np.int64)
    clusters = fcluster(linkage(heads, "average"), SAME_SHOOT, "distance")
    return _numbered(clusters.tolist())


def split_groups(
    groups: NDArray[np.int64], seed: int, shares: Mapping[str, float] = PARTS
) -> NDArray[np.str_]:
    """Deal whole groups out to parts, the largest first to the part that lacks most: str (N,)."""
    numbers, group_of_row, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    order = np.lexsort((np.random.default_rng(seed).permutation(len(numbers)), -sizes))
    wanted = np.array(list(shares.values())) * len(groups)
    part_of_group = np.zeros(len(numbers), np.intp)
    for group in order:
        part = int((wanted / list(shares.values())).argmax())
        part_of_group[group] = part
        wanted[part] -= sizes[group]
    return np.array(list(shares))[part_of_group[group_of_row]]


def _numbered(values: Sequence[object]) -> NDArray[np.int64]:
    """Return for each value the first row that holds it."""
    first: dict[object, int] = {}
    rows = [first.setdefault(value, row) for row, value in enumerate(values)]
    return connected(np.arange(len(rows)), np.array(rows, np.intp), len(rows))


def _head_features(head: Image) -> NDArray[np.float32]:
    small = resize(head, _HEAD_SIDE, _HEAD_SIDE).astype(np.float32) / 255
    return (np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2LAB)) / _LAB_SCALES).ravel()


def _write_pictures(stem: Path, worn: Worn) -> None:
    top_cloth, bottom_cloth = (cut_cloth(worn.image, mask) for mask in (worn.top, worn.bottom))
    if top_cloth is None or bottom_cloth is None:
        raise NotWornError("too little cloth to cut out")
    pictures = {
        "top.jpg": cut_shape(worn.image, worn.top),
        "top.png": top_cloth,
        "bottom.png": bottom_cloth,
        "head.jpg": worn.head,
        "above.jpg": cut_surroundings(worn, above=True),
        "below.jpg": cut_surroundings(worn, above=False),
    }
    for ending, picture in pictures.items():
        pillow.fromarray(picture).save(f"{stem}.{ending}", quality=95)


def _write_colours(
    path: Path, tops: Sequence[NDArray[np.float16]], bottoms: Sequence[NDArray[np.float16]]
) -> None:
    columns = np.stack(tops), np.stack(bottoms)
    used = columns[0].any(axis=0) & columns[1].any(axis=0)
    file = io.BytesIO()
    np.savez_compressed(file, tops=columns[0][:, used], bottoms=columns[1][:, used])
    write_whole(path, file.getvalue())


def _write_table(path: Path, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([header, *rows])
    write_whole(path, text.getvalue().encode(errors="backslashreplace"))

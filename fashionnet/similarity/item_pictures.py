"""Items with several pictures: folders, pairs from a CSV, views of single photos; and their split.

What cannot be used is left out and said: a picture or an annotation that is broken never ends a
training.
"""

import csv
import io
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fashionnet.errors import RequestError
from fashionnet.labels import connected, join_groups, near_duplicate_groups
from fashionnet.photos import (
    UnreadablePhotoError,
    decode,
    find_photos,
    fingerprint,
    read_ahead,
    read_bytes,
)
from fashionnet.progress import progress

Box = tuple[int, int, int, int]
"""Left, top, right and bottom in pixels."""

PARTS = ("train", "validation", "test")

_LARGEST_TABLE = 256 * 2**20


@dataclass(frozen=True)
class Picture:
    """One picture of an item.

    Attributes:
        photo: the file.
        box: what of the photo is the item; None for all of it.
        view: 0 for the photo as it is, or the number of a view drawn of it.
        key: the photo's SHA-256; empty until it was read.
    """

    photo: Path
    box: Box | None = None
    view: int = 0
    key: str = ""


@dataclass(frozen=True)
class LeftOut:
    """What was not used, and why."""

    where: str
    reason: str


@dataclass(frozen=True, eq=False)
class ItemPictures:
    """N pictures of items.

    Attributes:
        pictures: N.
        labels: int64 (N,), the item of each.
        names: of the items, by label.
        left_out: what could not be used.
    """

    pictures: list[Picture]
    labels: NDArray[np.int64]
    names: list[str]
    left_out: list[LeftOut]

    @classmethod
    def of(cls, rows: Iterable[tuple[str, Picture]], left_out: list[LeftOut]) -> "ItemPictures":
        """Number the items in the order in which they come; each picture once."""
        numbers: dict[str, int] = {}
        found: dict[tuple[str, Picture], int] = {}
        for name, picture in rows:
            found.setdefault((name, picture), numbers.setdefault(name, len(numbers)))
        labels = np.array(list(found.values()), np.int64)
        return cls([picture for _, picture in found], labels, list(numbers), left_out)

    def take(self, rows: Sequence[int] | NDArray[np.intp]) -> "ItemPictures":
        """Return some of the pictures, numbered as here."""
        chosen = [self.pictures[row] for row in rows]
        return ItemPictures(chosen, self.labels[np.asarray(rows, np.intp)], self.names, [])

    def __len__(self) -> int:
        return len(self.pictures)


def read_folders(folder: Path) -> ItemPictures:
    """Read a folder that holds a folder for each item."""
    rows = [
        (str(photo.relative_to(folder).parts[0]), Picture(photo))
        for photo in find_photos([folder])
        if len(photo.relative_to(folder).parts) > 1
    ]
    if not rows:
        raise RequestError(f"{folder}: holds no folder of photos: expected one for each item")
    return ItemPictures.of(rows, [])


def read_pairs(table: Path, images: Path | None, singles: Path | None) -> ItemPictures:
    """Read a CSV whose columns `first` and `second` name two photos of one item.

    Pairs that share a photo are one item. Every photo of `singles` that is in no pair is an item
    of its own.
    """
    images = images or table.parent
    numbers: dict[Path, int] = {}
    ends: list[tuple[int, int]] = []
    left_out = []
    for line, row in _read_table(table):
        try:
            first, second = (_photo_of(row, column, images) for column in ("first", "second"))
        except ValueError as error:
            left_out.append(LeftOut(f"{table}, line {line}", str(error)))
            continue
        start = numbers.setdefault(first, len(numbers))
        ends.append((start, numbers.setdefault(second, len(numbers))))
    if not ends:
        why = f" ({left_out[0].where}: {left_out[0].reason})" if left_out else ""
        raise RequestError(f"{table}: no pair of photos that can be used{why}")
    one, two = np.array(ends, np.intp).T
    items = connected(one, two, len(numbers))
    photos = list(numbers)
    rows = [(str(photos[item]), Picture(photo)) for item, photo in zip(items, photos, strict=True)]
    if singles:
        paired = {photo.resolve() for photo in photos}
        others = [photo for photo in _photos(singles) if photo.resolve() not in paired]
        rows += [(str(photo), Picture(photo)) for photo in others]
    return ItemPictures.of(rows, left_out)


def _read_table(table: Path) -> list[tuple[int, dict[str, str]]]:
    try:
        if table.stat().st_size > _LARGEST_TABLE:
            raise RequestError(f"{table}: larger than {_LARGEST_TABLE // 2**20} MiB")
        text = table.read_text("utf-8-sig")
    except OSError as error:
        raise RequestError(f"{table}: {(error.strerror or str(error)).lower()}") from error
    except UnicodeDecodeError as error:
        raise RequestError(f"{table}: not a CSV in UTF-8: {error}") from error
    reader = csv.DictReader(io.StringIO(text, newline=""), restval="")
    if missing := {"first", "second"} - set(reader.fieldnames or ()):
        found = ", ".join(reader.fieldnames or ()) or "nothing"
        raise RequestError(f"{table}: no column {sorted(missing)[0]!r}; it has {found}")
    try:
        return [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise RequestError(f"{table}, line {reader.line_num}: not a CSV: {error}") from error


def _photo_of(row: dict[str, str], column: str, images: Path) -> Path:
    name = row[column].strip()
    if not name:
        raise ValueError(f"{column} is blank: a pair has two pictures")
    base = os.path.normpath(images)
    photo = Path(os.path.normpath(Path(base, name)))
    if not photo.is_relative_to(base):
        raise ValueError(f"{name!r} lies outside {images}")
    if not photo.is_file():
        raise ValueError(f"{name!r} is not there")
    return photo


def read_photos(source: Path) -> ItemPictures:
    """Read photos of which each is an item: those of a folder, or that a text file lists."""
    return ItemPictures.of(((str(photo), Picture(photo)) for photo in _photos(source)), [])


def _photos(source: Path) -> list[Path]:
    return find_photos([source] if source.is_dir() else _listed(source))


def _listed(source: Path) -> list[Path]:
    try:
        if source.stat().st_size > _LARGEST_TABLE:
            raise RequestError(f"{source}: larger than {_LARGEST_TABLE // 2**20} MiB")
        lines = source.read_text("utf-8-sig").splitlines()
    except OSError as error:
        raise RequestError(f"{source}: {(error.strerror or str(error)).lower()}") from error
    except UnicodeDecodeError as error:
        raise RequestError(f"{source}: neither a folder nor a list of photos") from error
    return [source.parent / line.strip() for line in lines if line.strip()]


def readable(items: ItemPictures) -> ItemPictures:
    """Return the pictures that can be read, each with its photo's SHA-256."""

    def key(photo: Path) -> str:
        data = read_bytes(photo)
        decode(data, 32)
        return fingerprint(data)

    photos = list(dict.fromkeys(picture.photo for picture in items.pictures))
    keys: dict[Path, str] = {}
    left_out = list(items.left_out)
    with progress("reading photos", len(photos)) as advance:
        for photo, pending in read_ahead(photos, key):
            try:
                keys[photo] = pending.result()
            except UnreadablePhotoError as error:
                left_out.append(LeftOut(str(photo), str(error)))
            advance(1)
    rows = [
        (items.names[label], Picture(picture.photo, picture.box, picture.view, keys[picture.photo]))
        for picture, label in zip(items.pictures, items.labels, strict=True)
        if picture.photo in keys
    ]
    return ItemPictures.of(rows, left_out)


def near_duplicates(items: ItemPictures) -> NDArray[np.int64]:
    """Number N pictures, int64 (N,), so that those of near-duplicate photos have one number."""
    photos = list(dict.fromkeys(picture.photo for picture in items.pictures))
    with progress("looking for near-duplicates", len(photos)) as advance:
        groups = dict(zip(photos, near_duplicate_groups(photos, advance).tolist(), strict=True))
    return np.array([groups[picture.photo] for picture in items.pictures], np.int64)


def split_items(
    items: ItemPictures, duplicates: NDArray[np.int64], held_out: float, seed: int
) -> dict[str, ItemPictures]:
    """Return the pictures of each of PARTS, split as seed 003 does.

    Items with exactly two pictures make validation and test, half and half, or the share
    `held_out` of them; all others are trained on. Items whose photos are near-duplicates go to one
    side; of those that a held-out item is a near-duplicate of, items of other sizes go nowhere.
    """
    _, inverse, counts = np.unique(items.labels, return_inverse=True, return_counts=True)
    pairs = counts[inverse] == 2
    clusters = join_groups(items.labels, duplicates)
    return _parts(items, clusters, pairs, held_out, seed)


def split_views(
    items: ItemPictures, duplicates: NDArray[np.int64], held_out: float, seed: int
) -> dict[str, ItemPictures]:
    """Return the pictures of each of PARTS, of photos that are items of one picture.

    The share `held_out` of the photos goes, half and half, to validation and test, as views 1 and
    2 of each. Of near-duplicates the first is held out and the others go nowhere.
    """
    _, first = np.unique(duplicates, return_index=True)
    firsts = np.isin(np.arange(len(items)), first)
    parts = _parts(items, duplicates, firsts, held_out, seed)
    for name in PARTS[1:]:
        singles = parts[name]
        pictures = [
            Picture(picture.photo, picture.box, view, picture.key)
            for picture in singles.pictures
            for view in (1, 2)
        ]
        parts[name] = ItemPictures(pictures, np.repeat(singles.labels, 2), items.names, [])
    return parts


def _parts(
    items: ItemPictures,
    clusters: NDArray[np.int64],
    candidates: NDArray[np.bool_],
    held_out: float,
    seed: int,
) -> dict[str, ItemPictures]:
    random = np.random.default_rng(seed)
    chosen = random.permutation(np.unique(clusters[candidates]))
    chosen = chosen[: round(held_out * len(chosen))]
    half = len(chosen) // 2
    sides = {
        "validation": candidates & np.isin(clusters, chosen[:half]),
        "test": candidates & np.isin(clusters, chosen[half:]),
    }
    train = ~np.isin(clusters, chosen)
    parts = {"train": train, **sides}
    return {name: items.take(np.flatnonzero(rows)) for name, rows in parts.items()}


def require_parts(
    parts: dict[str, ItemPictures], source: Path, say: Callable[[str], None] = print
) -> None:
    """Say what each part holds; RequestError where one holds too few items to work with."""
    for name in PARTS:
        count = len(np.unique(parts[name].labels))
        say(f"{name}: {len(parts[name])} pictures of {count} items")
        if count < 2:
            raise RequestError(
                f"{source}: {count} items for {name}: at least 2 are needed; items with exactly "
                "two pictures make validation and test, all others are trained on: change "
                "data.held_out, the share of them that is held out"
            )


def write_left_out(path: Path, left_out: Sequence[LeftOut]) -> None:
    """Write what was left out as CSV, with a header."""
    from fashionnet.files import write_whole

    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["where", "reason"])
    writer.writerows((row.where, row.reason) for row in left_out)
    write_whole(path, text.getvalue().encode(errors="backslashreplace"))

"""Labelled photos: read a CSV or class folders, check them, and split them into parts.

Every label source becomes one `LabelledPhotos`, a set of columns. Photos that belong together
(near-duplicates, one person's photos) carry one group number, and `split` never parts a group.
"""

import csv
import hashlib
import io
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fashionnet.errors import RequestError
from fashionnet.photos import (
    UnreadablePhotoError,
    decode,
    find_photos,
    fingerprint,
    read_ahead,
    read_bytes,
    resize,
)
from fashionnet.product_images import is_product_images, labelled_products
from fashionnet.schema import RELEVANCE, RELEVANCE_WORDS, Attribute, Schema
from fashionnet.text import counted

PARTS = ("train", "validation", "test")
"""What `split` calls the three parts, in the order of its fractions."""

UNKNOWN = -1
"""The code of a label that was not given."""

IMAGE_COLUMN = "image"

PICTURE_COLUMN = "picture"
"""Photos of one picture, as `curate` found them, share a value in this column."""


@dataclass(frozen=True, eq=False)
class LabelledPhotos:
    """N photos and what is known of each, as columns.

    Attributes:
        schema: the attributes and classes that the codes stand for.
        photos: N paths of photos that exist.
        names: N names: the image cell as written, or the path relative to the labels' folder.
        codes: for each attribute of the schema int16 (N,): the class's code, -1 = unknown.
        relevance: int16 (N,): 1 the schema applies to the photo, 0 it does not, -1 = unknown.
        groups: int64 (N,): photos of equal number stay together when the photos are split.
    """

    schema: Schema
    photos: list[Path]
    names: list[str]
    codes: dict[str, NDArray[np.int16]]
    relevance: NDArray[np.int16]
    groups: NDArray[np.int64]

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_] | Sequence[int]) -> "LabelledPhotos":
        """Return the rows chosen by indices or by a mask."""
        chosen = np.arange(len(self))[rows]
        return LabelledPhotos(
            self.schema,
            [self.photos[row] for row in chosen],
            [self.names[row] for row in chosen],
            {name: codes[chosen] for name, codes in self.codes.items()},
            self.relevance[chosen],
            self.groups[chosen],
        )

    def __len__(self) -> int:
        return len(self.photos)


@dataclass(frozen=True)
class _Row:
    name: str
    key: str
    where: str
    photo: Path
    cells: dict[str, str]


# --- Reading ---------------------------------------------------------------------------------


def read_labels(
    source: Path, images: Path | None, schema: Schema, group: str | None = None
) -> LabelledPhotos:
    """Read the labels of photos from a CSV file or from folders of classes.

    A CSV has a column `image` (a path relative to `images`, which is the CSV's own folder when
    None), a column for one or more of the schema's attributes, and optionally `relevant` (yes or
    no) and the column that `group` names. A blank cell is unknown; other columns are ignored but
    `picture`, which `curate` writes: photos of one picture stay together, too.

    A folder holds `<attribute>/<class>/` folders of photos. A photo whose file lies in several
    of them (equal by SHA-256) becomes one row. `relevant/yes` and `relevant/no` work too. A folder
    of Fashion Product Images as published has its labels in its products' files.

    Rows about the same photo are merged. Raises RequestError for a source that cannot be read,
    has no usable column or no rows; for an unknown class; for rows that contradict each other;
    for photos that are missing or lie outside `images`.
    """
    if source.is_dir():
        together = set()
        if group is not None:
            raise RequestError(f"{source}: folders of classes have no column {group!r} to group by")
        if is_product_images(source):
            rows = _product_rows(source, schema)
        else:
            rows = _folder_rows(source, {*schema.names, RELEVANCE})
        _require_attribute(source, [name for row in rows for name in row.cells], schema, "folder")
    else:
        header, lines = _read_csv(source)
        _require_attribute(source, header, schema, "column")
        if group is not None and group not in header:
            raise RequestError(
                f"{source}: no column {group!r} to group by; it has " + ", ".join(header)
            )
        together = {PICTURE_COLUMN, *([group] if group else [])}
        wanted = {*schema.names, RELEVANCE, *together}
        rows = _csv_rows(source, images or source.parent, lines, wanted)
    rows = _merge(rows)
    _require_photos(source, rows)
    groups = np.arange(len(rows), dtype=np.int64)
    for column in sorted(together):
        groups = join_groups(groups, _group_numbers([row.cells.get(column, "") for row in rows]))
    return LabelledPhotos(
        schema=schema,
        photos=[row.photo for row in rows],
        names=[row.name for row in rows],
        codes={
            attribute.name: np.array([_code(attribute, row) for row in rows], np.int16)
            for attribute in schema
        },
        relevance=np.array([_relevance(row) for row in rows], np.int16),
        groups=groups,
    )


def schema_from_labels(source: Path, attributes: Sequence[str] = ()) -> Schema:
    """Make the schema whose attributes have the classes, sorted, that the labels mention.

    Of folders every attribute is taken when none is named; of a CSV, whose other columns are
    not all attributes, at least one has to be named. Raises RequestError as `read_labels` does.
    """
    if source.is_dir():
        found: dict[str, set[str]] = {}
        for row in _folder_rows(source, None):
            for name, value in row.cells.items():
                found.setdefault(name, set()).add(value)
        names = list(attributes) or sorted(found.keys() - {RELEVANCE})
    else:
        header, lines = _read_csv(source)
        found = {name: {cells[name] for _, cells in lines} - {""} for name in header}
        names = list(attributes)
        if not names:
            raise RequestError(f"{source}: say which columns are attributes: " + ", ".join(header))
    for name in names:
        if name not in found:
            raise RequestError(f"{source}: no attribute {name!r}; it has " + ", ".join(found))
    return Schema.from_mapping({name: sorted(found[name]) for name in names})


def _read_csv(source: Path) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """Return a CSV's column names and, for each row, its line number and stripped cells."""
    try:
        data = source.read_bytes()
    except OSError as error:
        raise RequestError(f"{source}: {(error.strerror or str(error)).lower()}") from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        # What spreadsheet programs write where they do not write UTF-8.
        text = data.decode("cp1252", errors="replace")
    reader = csv.reader(io.StringIO(text, newline=""))
    lines: list[tuple[int, dict[str, str]]] = []
    try:
        header = [name.strip() for name in next(reader, [])]
        if IMAGE_COLUMN not in header:
            found = ", ".join(filter(None, header)) or "nothing"
            raise RequestError(f"{source}: no column {IMAGE_COLUMN!r}; it has {found}")
        if repeated := sorted({name for name in header if name and header.count(name) > 1}):
            raise RequestError(f"{source}: column {repeated[0]!r} appears twice; keep one")
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) > len(header):
                raise RequestError(
                    f"{source}, line {reader.line_num}: {counted(len(cells), 'cell')} under "
                    f"{counted(len(header), 'column')}; put text that holds a comma in double "
                    "quotes"
                )
            padded = [cell.strip() for cell in cells] + [""] * (len(header) - len(cells))
            lines.append((reader.line_num, dict(zip(header, padded, strict=True))))
    except csv.Error as error:
        raise RequestError(f"{source}, line {reader.line_num}: not a CSV: {error}") from error
    if not lines:
        raise RequestError(f"{source}: no rows under the column names; nothing to learn from")
    return header, lines


def _csv_rows(
    source: Path, images: Path, lines: Iterable[tuple[int, dict[str, str]]], wanted: set[str]
) -> list[_Row]:
    if not images.is_dir():
        raise RequestError(f"{images}: no such folder of photos")
    base = os.path.normpath(images)
    rows = []
    for number, cells in lines:
        where = f"{source}, line {number}"
        name = cells[IMAGE_COLUMN]
        if not name:
            raise RequestError(f"{where}: the cell under {IMAGE_COLUMN!r} is blank")
        # Lexical on purpose: links inside the folder may lead anywhere their owner likes.
        photo = Path(os.path.normpath(Path(base, name)))
        if not photo.is_relative_to(base) or photo == Path(base):
            raise RequestError(f"{where}: image {name!r} lies outside {images}")
        known = {column: cell for column, cell in cells.items() if cell and column in wanted}
        rows.append(_Row(name, str(photo), where, photo, known))
    return rows


def _folder_rows(source: Path, wanted: set[str] | None) -> list[_Row]:
    """Return a row for each photo below <attribute>/<class>/; None wants every attribute."""
    rows = []
    for photo in find_photos([source]):
        inside = photo.relative_to(source)
        if len(inside.parts) < 3 or (wanted is not None and inside.parts[0] not in wanted):
            continue
        try:
            key = fingerprint(read_bytes(photo))
        except UnreadablePhotoError:
            # Whoever decodes the photos reports it, with the reason.
            key = str(photo)
        rows.append(
            _Row(inside.as_posix(), key, str(photo), photo, {inside.parts[0]: inside.parts[1]})
        )
    if not rows:
        raise RequestError(
            f"{source}: no photo in folders of classes; expected {source}/<attribute>/<class>/*.jpg"
        )
    return rows


def _product_rows(source: Path, schema: Schema) -> list[_Row]:
    return [
        _Row(photo.relative_to(source).as_posix(), str(photo), str(photo), photo, cells)
        for photo, cells in labelled_products(source, schema)
    ]


def _merge(rows: Iterable[_Row]) -> list[_Row]:
    """Make the rows of one photo one row; rows that contradict each other are refused."""
    merged: dict[str, _Row] = {}
    for row in rows:
        first = merged.setdefault(row.key, row)
        for column, cell in row.cells.items():
            if first.cells.get(column, cell) != cell:
                raise RequestError(
                    f"{row.where}: {column} is {cell!r}, but the same photo has "
                    f"{first.cells[column]!r} at {first.where}; keep one of them"
                )
        first.cells.update(row.cells)
    return list(merged.values())


def _require_attribute(source: Path, found: Iterable[str], schema: Schema, kind: str) -> None:
    found = list(dict.fromkeys(name for name in found if name))
    if not set(found) & set(schema.names):
        raise RequestError(
            f"{source}: no {kind} for any of the attributes {', '.join(schema.names)}; it has "
            + ", ".join(found)
        )


def _require_photos(source: Path, rows: Sequence[_Row]) -> None:
    missing = [row.photo for row in rows if not row.photo.is_file()]
    if missing:
        raise RequestError(
            f"{source}: {len(missing)} of {len(rows)} photos are missing, such as "
            + ", ".join(str(photo) for photo in missing[:3])
        )


def _code(attribute: Attribute, row: _Row) -> int:
    cell = row.cells.get(attribute.name)
    if cell is None:
        return UNKNOWN
    try:
        return attribute.code(cell)
    except RequestError as error:
        raise RequestError(f"{row.where}: {error}") from None


def _relevance(row: _Row) -> int:
    cell = row.cells.get(RELEVANCE)
    if cell is None:
        return UNKNOWN
    if cell.lower() not in RELEVANCE_WORDS:
        raise RequestError(f"{row.where}: {RELEVANCE} is {cell!r}: expected yes, no or blank")
    return int(RELEVANCE_WORDS[cell.lower()])


def _group_numbers(values: Sequence[str]) -> NDArray[np.int64]:
    """Number the values; a blank one is a group of its own."""
    numbers: dict[str | int, int] = {}
    keys = [value or row for row, value in enumerate(values)]
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], np.int64)


# --- Checking --------------------------------------------------------------------------------


def check_for_training(labels: LabelledPhotos, attributes: Sequence[str]) -> list[str]:
    """Check that each attribute can be trained; return warnings to print, one line each.

    Raises RequestError for an attribute of which fewer than two classes have photos, and for a
    class of one or two photos: training, validation and test need one photo of it each. A class
    without any photo is a warning: the head has an output for it that never wins.
    """
    warnings = []
    for name in attributes:
        attribute = labels.schema[name]
        codes = labels.codes[name]
        counts = np.bincount(codes[codes >= 0], minlength=len(attribute.classes))
        present = [attribute.classes[code] for code in np.flatnonzero(counts)]
        if len(present) < 2:
            found = f"only {present[0]!r} has" if present else "none of its classes has"
            raise RequestError(
                f"{name}: {found} labelled photos; label photos of at least two of "
                + ", ".join(attribute.classes)
            )
        few = [
            f"{class_name!r} ({count})"
            for class_name, count in zip(attribute.classes, counts, strict=True)
            if 0 < count < len(PARTS)
        ]
        if few:
            raise RequestError(
                f"{name}: too few labelled photos of {', '.join(few)}: a class needs at least "
                f"{len(PARTS)}, one each for training, validation and test; add photos, or blank "
                "these labels"
            )
        warnings += [
            f"{name}: no labelled photo of {class_name!r}; it will never be predicted"
            for class_name, count in zip(attribute.classes, counts, strict=True)
            if count == 0
        ]
    return warnings


# --- Grouping --------------------------------------------------------------------------------

_THUMBNAIL_SIDE = 32
MAXIMUM_HAMMING_DISTANCE = 10
MAXIMUM_RELATIVE_DIFFERENCE = 0.12

_SEARCH_AXES = 16
# A little more than the bound, for what rounding adds.
_SEARCH_RADIUS = MAXIMUM_RELATIVE_DIFFERENCE + 1e-3


def near_duplicate_groups(
    photos: Sequence[Path], advance: Callable[[int], None] = lambda count: None
) -> NDArray[np.int64]:
    """Number the photos, int64 (N,), so that near-duplicates have one number.

    Two photos are near-duplicates when their 64-bit perceptual hashes, of one as it is or
    mirrored, differ in at most MAXIMUM_HAMMING_DISTANCE bits, and when then their 16×16 colour
    thumbnails a and b differ little: std(a − b) ≤ MAXIMUM_RELATIVE_DIFFERENCE · min(std(a),
    std(b)). The hash alone would join thousands of different garments on white, because it hangs
    on little there. Re-encoded, resized, mirrored, brightened and slightly cropped (2%) copies are
    found, and garments of one shoot that differ in a pale colour only; near-duplicates of
    near-duplicates join. A photo that cannot be read is a group of its own.

    `advance` is called with 1 for each photo that was read.
    """

    def read(photo: Path) -> NDArray[np.uint8] | None:
        try:
            image = decode(read_bytes(photo), minimum_side=2 * _THUMBNAIL_SIDE)
        except UnreadablePhotoError:
            return None
        return resize(image, _THUMBNAIL_SIDE, _THUMBNAIL_SIDE)

    thumbnails = []
    for _, pending in read_ahead(photos, read):
        thumbnails.append(pending.result())
        advance(1)
    groups = np.arange(len(photos), dtype=np.int64)
    first_rows: dict[bytes, int] = {}
    for row, image in enumerate(thumbnails):
        if image is not None:
            groups[row] = first_rows.setdefault(image.tobytes(), row)
    distinct = np.array(list(first_rows.values()), np.intp)
    if len(distinct):
        pairs = near_duplicate_pairs(np.stack([thumbnails[row] for row in distinct]))
        sources, targets = (distinct[ends] for ends in pairs)
        groups = join_groups(groups, connected(sources, targets, len(photos)))
    return groups


def join_groups(first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number photos, int64 (N,), so that those that share a group in either numbering are one."""
    rows = np.arange(len(first))
    sources, targets = [], []
    for groups in (first, second):
        _, representative, inverse = np.unique(groups, return_index=True, return_inverse=True)
        sources.append(rows)
        targets.append(representative[inverse])
    return connected(np.concatenate(sources), np.concatenate(targets), len(first))


def connected(
    sources: NDArray[np.intp], targets: NDArray[np.intp], count: int
) -> NDArray[np.int64]:
    """Return for each of `count` nodes the lowest node that the given edges connect it with."""
    lowest = np.arange(count, dtype=np.int64)
    while True:
        joined = lowest.copy()
        np.minimum.at(joined, sources, lowest[targets])
        np.minimum.at(joined, targets, lowest[sources])
        # Following the chain of lower nodes at once halves its length in every round.
        joined = joined[joined]
        if np.array_equal(joined, lowest):
            return lowest
        lowest = joined


def perceptual_hashes(thumbnails: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Hash thumbnails, uint8 (N, S, S, 3) with S at least 8, to uint64 (N,).

    The 64 bits say which of the 8×8 lowest frequencies of the grey image's discrete cosine
    transform lie above their median (pHash: Zauner, 2010, "Implementation and Benchmarking of
    Perceptual Image Hash Functions").
    """
    hashes = np.zeros(len(thumbnails), np.uint64)
    places = np.uint64(1) << np.arange(64, dtype=np.uint64)
    for row, thumbnail in enumerate(thumbnails):
        grey = cv2.cvtColor(thumbnail, cv2.COLOR_RGB2GRAY).astype(np.float32)
        frequencies = np.asarray(cv2.dct(grey))[:8, :8].ravel()
        hashes[row] = places[frequencies > np.median(frequencies)].sum()
    return hashes


def near_duplicate_pairs(
    thumbnails: NDArray[np.uint8],
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the two ends, intp (P,), of each pair of near-duplicates among N thumbnails.

    Thumbnails are uint8 (N, 32, 32, 3); two of them may be the same.

    `near_duplicate_groups` says what near-duplicates are. The relative difference of two
    thumbnails is at least the distance of their unit vectors, and a projection never makes a
    distance longer: whatever lies farther apart than MAXIMUM_RELATIVE_DIFFERENCE in the first
    principal components need not be compared, and a k-d tree finds the rest without looking at
    every pair.
    """
    from scipy.spatial import cKDTree

    upright, spreads = _standardised(thumbnails)
    hashes = perceptual_hashes(thumbnails)
    mirror_images = np.ascontiguousarray(thumbnails[:, :, ::-1])
    mirrored, _ = _standardised(mirror_images)
    places, mirrored_places = _search_places(upright, mirrored)
    tree = cKDTree(places)
    pairs = [np.zeros((2, 0), np.intp)]
    for others, other_places, other_hashes in (
        (upright, places, hashes),
        (mirrored, mirrored_places, perceptual_hashes(mirror_images)),
    ):
        # In slices, so that many photos of one look do not fill the memory.
        for start in range(0, len(hashes), 512):
            found = tree.query_ball_point(other_places[start : start + 512], _SEARCH_RADIUS)
            left = np.concatenate([np.asarray(near, np.intp) for near in found])
            right = np.repeat(np.arange(start, start + len(found)), [len(near) for near in found])
            bits = np.bitwise_count(hashes[left] ^ other_hashes[right])
            chosen = (left < right) & (bits <= MAXIMUM_HAMMING_DISTANCE)
            left, right = left[chosen], right[chosen]
            for piece in range(0, len(left), 4096):
                one, two = left[piece : piece + 4096], right[piece : piece + 4096]
                correlation = np.einsum("ij,ij->i", upright[one], others[two])
                a, b = spreads[one], spreads[two]
                variance = np.maximum(a**2 + b**2 - 2 * a * b * correlation, 0)
                near = np.sqrt(variance) <= MAXIMUM_RELATIVE_DIFFERENCE * np.minimum(a, b)
                pairs.append(np.stack([one[near], two[near]]))
    sources, targets = np.concatenate(pairs, axis=1)
    return sources, targets


def _search_places(
    upright: NDArray[np.float32], mirrored: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Project unit vectors, each (N, D), on _SEARCH_AXES axes along which the upright differ most.

    The principal components of pictures are smooth: those of means over 2×2 cells do as well.
    """
    side = _THUMBNAIL_SIDE // 4
    coarse = [
        # Twice the mean over four cells keeps lengths, as a projection must.
        2 * rows.reshape(-1, side, 2, side, 2, 3).mean(axis=(2, 4)).reshape(len(rows), -1)
        for rows in (upright, mirrored)
    ]
    sample = coarse[0][:: max(1, len(upright) // 4096)]
    _, directions = np.linalg.eigh(np.cov(sample, rowvar=False, ddof=0))
    axes = directions[:, : -_SEARCH_AXES - 1 : -1].astype(np.float32)
    return coarse[0] @ axes, coarse[1] @ axes


def _standardised(
    thumbnails: NDArray[np.uint8],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return thumbnails at half the side, centred, as unit vectors, and standard deviations.

    The dot product of two rows is the correlation of their pictures.
    """
    halves = [
        cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        for image in thumbnails
    ]
    rows = np.stack(halves).reshape(len(thumbnails), -1).astype(np.float32)
    rows -= rows.mean(axis=1, keepdims=True)
    spreads = rows.std(axis=1)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.maximum(lengths, np.float32(1e-6)), spreads


# --- Splitting -------------------------------------------------------------------------------


def split(
    labels: LabelledPhotos,
    groups: NDArray[np.int64],
    seed: int,
    parts: tuple[float, float, float] = (0.70, 0.15, 0.15),
) -> NDArray[np.str_]:
    """Deal whole groups of photos out to 'train', 'validation' and 'test': str (N,).

    Classes of every attribute, and relevance, are stratified together, in the manner of
    Sechidis, Tsoumakas and Vlahavas (2011), "On the Stratification of Multi-label Data", with
    groups in the place of examples: first each part gets a small group of each class, from the
    rarest class on, as long as the class has a group for each part; then the groups are dealt
    out, the largest first and of equal ones those with the rarest class first. Each goes to the
    part p where the misfit Σ (count − wanted)² / wanted over the classes grows least; wanted is
    parts[p] times the number of photos of the class. Groups that are alike come in an order
    drawn from the seed and the photos' names, so that the order of the rows does not matter.
    """
    names = np.array(labels.names)
    _, group_of_row = np.unique(groups, return_inverse=True)
    group_count = int(group_of_row.max(initial=-1)) + 1
    strata = _strata(labels)
    counts = np.zeros((group_count, strata.shape[1]))
    np.add.at(counts, group_of_row, strata)

    first_names = np.full(group_count, "", dtype=object)
    for row in np.argsort(names, kind="stable")[::-1]:
        first_names[group_of_row[row]] = names[row]
    draw = [
        # Not every file's name is text.
        hashlib.sha256(f"{seed}/{name}".encode(errors="backslashreplace")).hexdigest()
        for name in first_names
    ]

    totals = counts.sum(axis=0)
    rarest = np.where(counts > 0, totals, np.inf).min(axis=1, initial=np.inf)
    sizes = np.bincount(group_of_row, minlength=group_count)
    order = sorted(
        range(group_count), key=lambda group: (-sizes[group], rarest[group], draw[group])
    )

    wanted = np.outer(parts, totals)
    dealt = np.zeros_like(wanted)
    part_of_group = np.full(group_count, -1)

    def deal(group: int, part: int) -> None:
        part_of_group[group] = part
        dealt[part] += counts[group]

    smallest_first = np.array(order[::-1], np.intp)
    for stratum in np.argsort(totals, kind="stable"):
        holders = smallest_first[counts[smallest_first, stratum] > 0]
        if len(holders) < len(PARTS):
            continue
        for part in reversed(range(len(PARTS))):
            free = holders[part_of_group[holders] < 0]
            if dealt[part, stratum] == 0 and len(free):
                deal(int(free[0]), part)
    for group in order:
        if part_of_group[group] < 0:
            here = counts[group] > 0
            amount, target = counts[group][here], wanted[:, here]
            growth = amount * (amount + 2 * (dealt[:, here] - target)) / target
            deal(group, int(growth.sum(axis=1).argmin()))
    return np.array(PARTS)[part_of_group[group_of_row]]


def _strata(labels: LabelledPhotos) -> NDArray[np.float64]:
    """Return (N, S) of 0 and 1: a column of ones, one for each class, two for relevance."""
    columns = [np.ones(len(labels), bool)]
    for attribute in labels.schema:
        codes = labels.codes[attribute.name]
        columns += [codes == code for code in range(len(attribute.classes))]
    columns += [labels.relevance == value for value in (0, 1)]
    return np.stack(columns, axis=1).astype(np.float64)

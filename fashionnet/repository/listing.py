"""What a source lists: photos, and the rows of a table that belong to them.

The one reader of folders and tables, for catalogues to build from
(`fashionnet.repository.catalogue`) and for piles to clean (`fashionnet.curation.pile`).
"""

import csv
import io
import json
import os
import posixpath
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

import pyarrow as pa

from fashionnet.errors import RequestError
from fashionnet.fetch import is_address
from fashionnet.files import write_whole
from fashionnet.locations import Location
from fashionnet.photos import SUFFIXES as PHOTO_SUFFIXES
from fashionnet.photos import find_photos, find_remote_photos
from fashionnet.product_images import is_product_images
from fashionnet.repository.shards import is_shard
from fashionnet.repository.tables import SUFFIXES, Rows, read_rows

MAXIMUM_PATH = 4096

ORIGIN_COLUMN = "fetched_from"
"""Where `--photos-to` brought each photo from: its address, its file, or its shard and key."""

UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters, and bytes of a file name that are no text."""


@dataclass(frozen=True)
class LeftOutRow:
    """A photo or a row of a source that is not used, and why."""

    image: str
    reason: str


@dataclass(frozen=True)
class Entry:
    """A photo that a source lists; one photo may have several entries, and one item too.

    Attributes:
        item: the item's id: the column `id` of a table, else the photo's path, less its suffix
            where no other photo has the same; None where the cell is blank.
        photo: the photo's path relative to the listing's root, with forward slashes.
        shown: the photo as the source names it.
        row: its row in the listing's columns, None where it has none.
        line: that row's line in its file, 0 where it has none.
    """

    item: str | None
    photo: str
    shown: str
    row: int | None = None
    line: int = 0


@dataclass(frozen=True)
class Listing:
    """What a source lists.

    Attributes:
        root: the folder that photos are relative to, absolute, or its URI.
        entries: the photos, in the source's order. The files may be missing.
        columns: the rows of the source's table, less the columns that name items and photos.
        left_out: what names no photo, and why.
        notes: what a person should know of how the source was read.
    """

    root: Location
    entries: list[Entry]
    columns: pa.Table
    left_out: list[LeftOutRow]
    notes: list[str]


def read_listing(
    source: Location, metadata: Location | None = None, images: Location | None = None
) -> Listing:
    """Read a folder of photos, or a CSV, JSON-lines or Parquet file with a column `image`.

    Both may lie on disk or at a URI (see `fashionnet.locations`); a web server, which lists no
    folders, can serve a file. A folder on disk of Fashion Product Images as published (see
    `fashionnet.product_images`) brings its own metadata. Photos in shards and at web addresses
    have to be brought into a folder first (see `fashionnet.repository.gathering`).

    Args:
        source: in a file, `image` is relative to the file's folder, or to `images`, and stays
            inside it, and may name several photos of an item (see `pictures_of`).
        metadata: a file whose rows belong to the photos of a folder: its column `image`, else
            `id`, is a photo's name or path, with or without the suffix.
        images: the folder of a file's photos, where it is not the file's own.

    Raises RequestError for a source that is neither, and where no photo could be found.
    """
    if images is not None:
        _require_images_folder(source, images)
    if isinstance(source, Path) and metadata is None and is_product_images(source):
        from fashionnet.repository.published import read_product_images

        return read_product_images(source)
    if is_shard(source):
        raise RequestError(
            f"{source}: photos in a shard are read from a folder of yours: unpack them with "
            "--photos-to DIR"
        )
    if _is_folder(source):
        return _from_folder(source, metadata)
    if isinstance(source, Path) and not source.exists():
        raise RequestError(f"{source}: no such file or folder")
    if metadata is not None:
        raise RequestError(
            f"{source} is a file, whose own columns are the metadata: leave out {metadata}, "
            "or name a folder of photos"
        )
    return _from_file(source, images)


def _is_folder(source: Location) -> bool:
    if isinstance(source, Path):
        return source.is_dir()
    # Elsewhere than on disk a folder is but the beginning of its files' names.
    return source.suffix.lower() not in SUFFIXES


def _require_images_folder(source: Location, images: Location) -> None:
    if _is_folder(source):
        raise RequestError(f"{source} is a folder of photos itself: leave out {images}")
    if isinstance(images, Path) and not images.is_dir():
        raise RequestError(f"{images}: no such folder of photos")


def write_left_out(path: Location, rows: Sequence[LeftOutRow]) -> None:
    """Write what is left out of a source as a CSV of photos and reasons."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["image", "reason"])
    writer.writerows((row.image, row.reason) for row in rows)
    write_whole(path, text.getvalue().encode("utf-8", "backslashreplace"))


# --- A folder --------------------------------------------------------------------------------


def _from_folder(folder: Location, metadata: Location | None) -> Listing:
    root = folder.resolve()
    if isinstance(root, Path):
        photos = [photo.relative_to(root).as_posix() for photo in find_photos([root])]
    else:
        photos = find_remote_photos(root)
    rows = read_rows(metadata) if metadata is not None else Rows(pa.table({}), [])
    matches: Sequence[Sequence[int]] = [()] * len(photos)
    notes: list[str] = []
    columns = rows.columns
    if metadata is not None:
        keys = [name for name in ("image", "id") if name in columns.column_names]
        if not keys:
            raise RequestError(
                f"{metadata}: no column id or image among {', '.join(columns.column_names)}: "
                "one of them must name each row's photo"
            )
        matches = _rows_of_photos([columns[key].to_pylist() for key in keys], photos)
        notes = _notes_on_join(metadata, folder, rows, keys, matches)
        columns = columns.drop_columns(keys)
    entries = [
        Entry(item, photo, photo, row, rows.lines[row] if row is not None else 0)
        for item, photo, its_rows in zip(_items_of(photos), photos, matches, strict=True)
        for row in its_rows or (None,)
    ]
    return Listing(root, entries, columns, [], notes)


def _rows_of_photos(
    keys: Sequence[Sequence[str | None]], photos: Sequence[str]
) -> list[Sequence[int]]:
    """Return each photo's rows: those that name its path or its name, the longest form first.

    A key without a folder names every photo of that name, as several views of an item have it.
    The first column of keys goes before the second.
    """
    tables = []
    for column in keys:
        rows_of: dict[str, list[int]] = {}
        for row, key in enumerate(column):
            if key:
                rows_of.setdefault(key.removeprefix("./"), []).append(row)
        tables.append(rows_of)
    return [_rows_of_photo(tables, photo) for photo in photos]


def _rows_of_photo(tables: Sequence[Mapping[str, list[int]]], photo: str) -> Sequence[int]:
    name = PurePosixPath(photo).name
    forms = (photo, without_suffix(photo), name, without_suffix(name))
    return next((table[form] for table in tables for form in forms if form in table), ())


def _notes_on_join(
    metadata: Location,
    folder: Location,
    rows: Rows,
    keys: Sequence[str],
    matches: Sequence[Sequence[int]],
) -> list[str]:
    used = {row for its_rows in matches for row in its_rows}
    if not used:
        raise RequestError(
            f"{metadata}: none of its rows names a photo in {folder}: its column "
            f"{' or '.join(keys)} must be the photo's name or its path in the folder"
        )
    notes = list(rows.notes)
    if rows.broken:
        line, reason = rows.broken[0]
        notes.append(
            f"{metadata.name}: broken rows, not used: {len(rows.broken):,}, the first at line "
            f"{line}: {reason}"
        )
    if unused := [row for row in range(len(rows.lines)) if row not in used]:
        such = rows.columns[keys[0]][unused[0]].as_py() or f"line {rows.lines[unused[0]]}"
        notes.append(f"{metadata.name}: rows without a photo: {len(unused):,}, such as {such}")
    without = sum(not its_rows for its_rows in matches)
    if without:
        notes.append(f"{metadata.name}: photos without a row: {without:,}")
    return notes


# --- A table ---------------------------------------------------------------------------------


def _from_file(source: Location, images: Location | None) -> Listing:
    root = (images or source.parent).resolve()
    rows = read_rows(source)
    require_images(source, rows)
    names = rows.columns.column_names
    left_out = broken_rows(source, rows)
    ids = rows.columns["id"].to_pylist() if "id" in names else None
    found: list[Entry] = []
    firsts: list[str] = []
    for row, (line, cell) in enumerate(
        zip(rows.lines, rows.columns["image"].to_pylist(), strict=True)
    ):
        first = ""
        for image in pictures_of(cell) or [""]:
            shown = image or f"{source.name} line {line}"
            try:
                photo = photo_inside(root, image)
            except ValueError as reason:
                left_out.append(LeftOutRow(shown, str(reason)))
                continue
            first = first or photo
            firsts.append(first)
            found.append(Entry(ids[row] if ids else None, photo, shown, row, line))
    if ids is None:
        items = _items_of(firsts)
        found = [
            Entry(item, entry.photo, entry.shown, entry.row, entry.line)
            for item, entry in zip(items, found, strict=True)
        ]
    if not found and not left_out:
        raise RequestError(f"{source}: no row found below the header")
    columns = rows.columns.drop_columns([name for name in ("id", "image") if name in names])
    return Listing(root, found, columns, left_out, rows.notes)


def require_images(source: Location, rows: Rows) -> None:
    """Raise RequestError for a table that has no column `image`."""
    if "image" not in rows.columns.column_names:
        raise RequestError(
            f"{source}: no column image among {', '.join(rows.columns.column_names)}: call the "
            "column of photo paths image, or give a folder of photos and this file as its metadata"
        )


def broken_rows(source: Location, rows: Rows) -> list[LeftOutRow]:
    """Return the rows of a table that could not be read."""
    return [LeftOutRow(f"{source.name} line {line}", reason) for line, reason in rows.broken]


def pictures_of(cell: str | None) -> list[str]:
    """Return the photos that a cell of the column `image` names.

    Several are a JSON list, or stand with | ; , or a line break between them where each is a web
    address, or each ends like a photo: a comma in one name parts nothing.

    >>> pictures_of("a.jpg|b.jpg"), pictures_of('["a.jpg", "b"]'), pictures_of("red, long.jpg")
    (['a.jpg', 'b.jpg'], ['a.jpg', 'b'], ['red, long.jpg'])
    """
    if not cell:
        return []
    if cell.startswith("["):
        try:
            listed = json.loads(cell)
        except (ValueError, RecursionError):
            listed = None
        if isinstance(listed, list) and all(isinstance(name, str) for name in listed):
            return [name.strip() for name in listed if name.strip()]
    pieces = [piece.strip() for piece in re.split(r"[|;,\n]", cell) if piece.strip()]
    addresses = [is_address(piece) for piece in pieces]
    photos = [PurePosixPath(piece).suffix.lower() in PHOTO_SUFFIXES for piece in pieces]
    if all(addresses) or (all(photos) and not any(addresses)):
        return pieces
    return [cell]


def photo_inside(root: Location, image: str) -> str:
    """Return a photo's path relative to the root; ValueError with the reason where it has none."""
    if not image:
        raise ValueError("no photo named in column image")
    if is_address(image):
        raise ValueError("a web address: --photos-to DIR fetches its photo")
    if re.match(r"[a-zA-Z][a-zA-Z0-9+.-]+://", image):
        raise ValueError("an address of another kind: name photos relative to their table")
    if len(image) > MAXIMUM_PATH or UNPRINTABLE.search(image):
        raise ValueError("not a path: too long, or with control characters")
    if not isinstance(root, Path):
        return _inside_remote(image)
    try:
        # What is checked is what is read: links are followed before the comparison.
        photo = Path(os.path.realpath(root / image))
    except OSError as error:
        raise ValueError((error.strerror or str(error)).lower()) from error
    if not photo.is_relative_to(root) or photo == root:
        raise ValueError("lies outside the folder of the file that names it")
    return photo.relative_to(root).as_posix()


def _inside_remote(image: str) -> str:
    photo = posixpath.normpath(image)
    # A web server reads the name with what is escaped in it.
    for form in (photo, posixpath.normpath(unquote(photo))):
        if form.startswith(("/", "..")) or form == ".":
            raise ValueError("lies outside the folder of the file that names it")
    return photo


# --- Names -----------------------------------------------------------------------------------


def _items_of(photos: Sequence[str]) -> list[str]:
    """Name items by their photos: the path less its suffix where that names no other photo."""
    different = set(photos)
    sharing = Counter(without_suffix(photo) for photo in different)
    names = {photo: without_suffix(photo) for photo in different}
    return [
        photo if sharing[names[photo]] > 1 or names[photo] in different else names[photo]
        for photo in photos
    ]


def without_suffix(photo: str) -> str:
    """Return a photo's path less its suffix."""
    return str(PurePosixPath(photo).with_suffix(""))

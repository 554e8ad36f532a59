"""What was added on the page: photos in a folder of the catalogue, and tables that tell of them.

A table's rows name photos that were added with it, by the name that they had, or photos that lie
below the catalogue's folder.
"""

import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath

import pyarrow as pa

from fashionnet.app.limits import MANIFEST_ROWS
from fashionnet.errors import RequestError
from fashionnet.files import write_whole
from fashionnet.photos import SUFFIXES, find_photos, fingerprint
from fashionnet.repository.catalogue import MAXIMUM_ID, Catalogue, column_names
from fashionnet.repository.listing import (
    UNPRINTABLE,
    LeftOutRow,
    broken_rows,
    photo_inside,
    pictures_of,
    require_images,
    without_suffix,
)
from fashionnet.repository.prices import with_prices_as_numbers
from fashionnet.repository.table import ItemTable
from fashionnet.repository.tables import Rows, read_rows

FOLDER = "fashionnet-added"
"""Where photos and tables are put, below the catalogue's folder."""

MANIFEST_SUFFIXES = (".csv", ".tsv", ".jsonl")

_MARK = 12
_LONGEST_STEM = 58
"""With the mark and a suffix at most 255 bytes, which is what a file's name may have."""


@dataclass(frozen=True)
class _Row:
    """What a table says of a photo."""

    item: str | None
    cells: Mapping[str, object]


@dataclass(frozen=True)
class Added:
    """What was added below a catalogue's folder.

    Attributes:
        photos: relative to that folder, ordered.
        rows: what the tables say of some of them.
        left_out: rows of the tables that name no photo.
    """

    photos: list[str]
    rows: dict[str, _Row]
    left_out: list[LeftOutRow]


def stored_name(name: str, suffix: str, data: bytes) -> str:
    """Return the name that a file is kept by: safe, and its content's own."""
    return f"{_safe_stem(name)}-{fingerprint(data)[:_MARK]}{suffix}"


def keep_manifest(folder: Path, name: str, suffix: str, data: bytes) -> tuple[str, int]:
    """Write a table of items into the folder; return its name there and how many rows it has.

    RequestError for what is none, or too long a one.
    """
    if data.count(b"\n") > MANIFEST_ROWS:
        raise RequestError(f"{name}: more than {MANIFEST_ROWS:,} lines: split it")
    kept = stored_name(name, suffix, data)
    with tempfile.TemporaryDirectory() as place:
        unread = Path(place) / kept
        unread.write_bytes(data)
        try:
            rows = read_rows(unread)
            require_images(unread, rows)
        except RequestError as error:
            raise RequestError(str(error).replace(str(unread), name)) from None
    write_whole(folder / kept, data)
    return kept, rows.columns.num_rows


def find_added(root: Path, reserved: Sequence[str]) -> Added:
    """Return what was added below a catalogue's folder; `reserved` are the store's own columns."""
    dropped = photos_below(root)
    named: dict[str, list[str]] = {}
    for photo in dropped:
        named.setdefault(PurePosixPath(photo).stem[: -_MARK - 1], []).append(photo)
    rows: dict[str, _Row] = {}
    left_out: list[LeftOutRow] = []
    for manifest in _manifests(root):
        try:
            table = _rows_of(manifest, manifest.stat().st_mtime_ns)
        except (OSError, RequestError) as error:
            left_out.append(LeftOutRow(f"{FOLDER}/{manifest.name}", str(error)))
            continue
        left_out += [
            LeftOutRow(f"{FOLDER}/{row.image}", row.reason) for row in broken_rows(manifest, table)
        ]
        names = column_names(table.columns.column_names, reserved)
        records = table.columns.to_pylist()
        for line, record in zip(table.lines, records, strict=True):
            item = record.pop("id", None)
            try:
                _check_id(item)
                photo = _photo_of(record.pop("image"), root, named)
            except ValueError as reason:
                left_out.append(LeftOutRow(f"{FOLDER}/{manifest.name} line {line}", str(reason)))
                continue
            cells = {names[key]: value for key, value in record.items() if value is not None}
            # The newest table stands.
            rows.setdefault(photo, _Row(item, cells))
    return Added(sorted({*dropped, *rows}), rows, left_out)


def photos_below(root: Path) -> list[str]:
    """Return the photos in the folder, relative to the catalogue's."""
    folder = root / FOLDER
    if not folder.is_dir() or folder.is_symlink():
        return []
    try:
        return [photo.relative_to(root).as_posix() for photo in find_photos([folder])]
    except RequestError:
        return []


def extended(root: Path, table: ItemTable, left_out: Sequence[LeftOutRow]) -> Catalogue:
    """Return what a repository holds and what was added, as a catalogue to build from.

    The repository keeps all that a build needs of its items, so that nothing of the catalogue
    that it was first built from has to be found again; `left_out` is what that left out.
    """
    kinds = {field.name: field.type for field in table.metadata_columns}
    known = table.read(["id", "photo", *kinds])
    ids, photos = known["id"].to_pylist(), known["photo"].to_pylist()
    added = find_added(root, table.own_columns.names)
    again = {*added.photos, *(row.image for row in added.left_out)}
    left_out = [
        row for row in left_out if row.image not in again and not row.image.startswith(f"{FOLDER}/")
    ]
    left_out += added.left_out
    taken, present = set(ids), set(photos)
    cells: list[Mapping[str, object]] = []
    for photo in added.photos:
        row = added.rows.get(photo, _Row(None, {}))
        name = row.item or without_suffix(photo)
        if photo in present:
            continue
        if name in taken:
            left_out.append(LeftOutRow(photo, f"id {name} is taken"))
            continue
        taken.add(name)
        ids.append(name)
        photos.append(photo)
        cells.append(row.cells)
    for row_of_cells in cells:
        for name, value in row_of_cells.items():
            kinds.setdefault(name, pa.scalar(value).type)
    metadata = {
        name: pa.chunked_array(
            [
                *(known[name].chunks if name in known.column_names else [_blank(known, kind)]),
                pa.array([_fitting(row.get(name), kind) for row in cells], kind),
            ]
        )
        for name, kind in kinds.items()
    }
    return Catalogue(root, ids, photos, pa.table(metadata), left_out, [])


def _manifests(root: Path) -> list[Path]:
    """Return the tables in the folder, the newest first."""
    folder = root / FOLDER
    if not folder.is_dir() or folder.is_symlink():
        return []
    found = [
        path
        for path in folder.iterdir()
        if path.suffix in MANIFEST_SUFFIXES and path.is_file() and not path.is_symlink()
    ]
    return sorted(found, key=lambda path: (-path.stat().st_mtime_ns, path.name))


@lru_cache(maxsize=16)
def _rows_of(manifest: Path, modified: int) -> Rows:
    rows = read_rows(manifest)
    priced, _ = with_prices_as_numbers(rows.columns)
    return Rows(priced, rows.lines, rows.broken, rows.notes)


def _photo_of(cell: str | None, root: Path, dropped: Mapping[str, list[str]]) -> str:
    """Return the photo that a row names; ValueError with the reason where there is none.

    `dropped` leads from the names that added photos had to the photos.
    """
    named = pictures_of(cell)
    for image in named:
        found = dropped.get(_safe_stem(image), [])
        if len(found) > 1:
            raise ValueError(f"several added photos are called {image}: give each its own name")
        if found:
            return found[0]
        photo = photo_inside(root, image)
        if (root / photo).is_file():
            return photo
    if not named:
        raise ValueError("no photo named in column image")
    raise ValueError(
        f"no photo {named[0]}: add it with the table, or put it below the catalogue's folder"
    )


def _check_id(item: str | None) -> None:
    if item and (len(item) > MAXIMUM_ID or UNPRINTABLE.search(item)):
        raise ValueError(f"id of over {MAXIMUM_ID} characters, or with unprintable ones")


def _safe_stem(name: str) -> str:
    path = PurePosixPath(name)
    stem = path.stem if path.suffix.lower() in {*SUFFIXES, *MANIFEST_SUFFIXES} else path.name
    return re.sub(r"\W+", "_", stem)[:_LONGEST_STEM].strip("_") or "photo"


def _blank(known: pa.Table, kind: pa.DataType) -> pa.Array:
    return pa.nulls(known.num_rows, kind)


def _fitting(value: object, kind: pa.DataType) -> object:
    """Return a cell as a column of some kind holds it; None where it cannot."""
    if value is None:
        return None
    try:
        return pa.scalar(value).cast(kind).as_py()
    except pa.ArrowException:
        return None

"""Bring photos that are no files yet into a folder: from web addresses and from shards.

What is shown and searched later has to stay where it is, so the person names the folder. It gets
the photos and a table of them, `photos.csv`, which is read like any other from then on.
"""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from urllib.parse import urljoin, urlsplit

import pyarrow as pa

from fashionnet.errors import RequestError
from fashionnet.fetch import fetch_photos, fetch_table, is_address
from fashionnet.files import write_whole
from fashionnet.locations import Location
from fashionnet.photos import UnreadablePhotoError, read_bytes
from fashionnet.repository.listing import (
    ORIGIN_COLUMN,
    LeftOutRow,
    broken_rows,
    photo_inside,
    pictures_of,
    require_images,
)
from fashionnet.repository.shards import Sample, is_shard, unpack
from fashionnet.repository.tables import SUFFIXES, columns_of_records, read_rows

TABLE = "photos.csv"
FETCHED, COPIED = "fetched", "copied"
"""Folders of photos from web addresses and from the folder of their table."""

_COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst", ".zip")

Progress = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
"""`fashionnet.progress.progress`: what is done, and how many units of it."""


@dataclass(frozen=True)
class Gathered:
    """What was brought into a folder.

    Attributes:
        table: the file that names the photos, with all that their source says of them.
        left_out: what could not be brought there, and why.
        notes: what a person should know of how the source was read.
    """

    table: Path
    left_out: list[LeftOutRow]
    notes: list[str]


@dataclass
class _Found:
    """Photos in the folder, their items, origins and rows in the source's columns."""

    columns: pa.Table
    photos: list[tuple[str, str, str, int]] = field(default_factory=list)
    left_out: list[LeftOutRow] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def gather(
    source: str | Location, folder: Path, progress: Progress, allow_private: bool = False
) -> Gathered:
    """Bring the photos of a source into a folder and write a table of them, `photos.csv`, there.

    What the folder has already is neither fetched nor unpacked again. One item's photos have a
    row each, of one id.

    Args:
        source: a table on disk, at a URI or at a web address, whose column `image` names photos
            by web address or relative to the table, or a shard, or a folder of shards.
        folder: made if need be.
        progress: shows how far it is.
        allow_private: fetch from addresses that are not public, too.

    Raises RequestError for a source that is none of these or brings no photo, and for a folder
    that cannot be written or whose `photos.csv` is another file.
    """
    folder = folder.resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RequestError(f"cannot make {folder}: {(error.strerror or '').lower()}") from error
    if isinstance(source, Path) and source.resolve() == folder / TABLE:
        raise RequestError(f"{source}: its photos are files already: leave out --photos-to")
    _refuse_foreign_table(folder / TABLE)
    shards = _shards(source)
    if shards:
        found = _from_shards(shards, folder, progress)
    else:
        found = _from_table(source, folder, progress, allow_private)
    if not found.photos:
        rows = (f", such as {row.image}: {row.reason}" for row in found.left_out)
        raise RequestError(f"{source}: brings no photo" + next(rows, ""))
    _write_table(folder / TABLE, found)
    return Gathered(folder / TABLE, found.left_out, found.notes)


def _refuse_foreign_table(path: Path) -> None:
    if not path.exists():
        return
    with path.open("rb") as file:
        header = file.readline(2**20).decode("utf-8", errors="replace").strip().split(",")
    if ORIGIN_COLUMN not in header:
        raise RequestError(
            f"{path} was not written by --photos-to: name another folder, or move it away"
        )


def _write_table(path: Path, found: _Found) -> None:
    own = ("id", "image", ORIGIN_COLUMN)
    names = [name for name in found.columns.column_names if name not in own]
    cells = [found.columns[name].to_pylist() for name in names]
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*own, *names])
    for item, photo, origin, row in found.photos:
        others = ("" if column[row] is None else column[row] for column in cells)
        writer.writerow([item, photo, origin, *others])
    write_whole(path, text.getvalue().encode("utf-8", "surrogateescape"))


# --- Shards ----------------------------------------------------------------------------------


def _shards(source: str | Location) -> list[Location]:
    if isinstance(source, str):
        return []
    if source.name.lower().endswith(_COMPRESSED):
        raise RequestError(f"{source}: compressed archives are not read: unpack it to .tar first")
    if is_shard(source):
        return [source]
    if isinstance(source, Path) and source.is_dir():
        shards = sorted(path for path in source.iterdir() if is_shard(path) and path.is_file())
        if not shards:
            raise RequestError(
                f"{source}: no shard (.tar) in this folder: leave out --photos-to for photos "
                "that are files already"
            )
        return list(shards)
    return []


def _from_shards(shards: Sequence[Location], folder: Path, progress: Progress) -> _Found:
    samples: list[Sample] = []
    found = _Found(pa.table({}))
    with progress("unpacking shards", len(shards)) as advance:
        for shard in shards:
            try:
                for sample in unpack(shard, folder / shard.stem):
                    for name, reason in sample.reasons.items():
                        found.left_out.append(LeftOutRow(f"{shard.name}/{name}", reason))
                    for photo in sample.photos:
                        image = photo.relative_to(folder).as_posix()
                        item = str(sample.cells.get("id") or f"{shard.stem}/{sample.key}")
                        origin = f"{shard.name}/{sample.key}"
                        found.photos.append((item, image, origin, len(samples)))
                    if sample.photos:
                        samples.append(sample)
            except RequestError as error:
                found.left_out.append(LeftOutRow(shard.name, str(error)))
            advance(1)
    records = [sample.cells for sample in samples]
    if any(records):
        columns, found.notes = columns_of_records(Path(TABLE), records)
        return replace(found, columns=columns)
    return found


# --- Tables ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Wanted:
    """A photo that a table names: its address or its path on disk, and the row that names it."""

    item: str
    shown: str
    place: str
    row: int


def _from_table(
    source: str | Location, folder: Path, progress: Progress, allow_private: bool
) -> _Found:
    base = source if isinstance(source, str) else ""
    table = _local_table(source, folder, allow_private) if isinstance(source, str) else source
    rows = read_rows(table)
    require_images(table, rows)
    found = _Found(rows.columns, left_out=broken_rows(table, rows), notes=rows.notes)
    ids = rows.columns["id"].to_pylist() if "id" in rows.columns.column_names else None
    wanted = []
    for row, (line, cell) in enumerate(
        zip(rows.lines, rows.columns["image"].to_pylist(), strict=True)
    ):
        pictures = pictures_of(cell) or [""]
        item = (ids[row] or "") if ids is not None else pictures[0]
        for image in pictures:
            shown = image or f"{table.name} line {line}"
            try:
                wanted.append(_Wanted(item, shown, _place(table, base, image), row))
            except ValueError as error:
                found.left_out.append(LeftOutRow(shown, str(error)))
    for photo, place in _brought(wanted, table, folder, progress, allow_private):
        if isinstance(place, Path):
            image = place.relative_to(folder).as_posix()
            found.photos.append((photo.item, image, photo.place, photo.row))
        else:
            found.left_out.append(LeftOutRow(photo.shown, place))
    return found


def _local_table(address: str, folder: Path, allow_private: bool) -> Path:
    try:
        suffix = PurePosixPath(urlsplit(address).path).suffix.lower()
    except ValueError as error:
        raise RequestError(f"{address}: not an address") from error
    if suffix not in SUFFIXES:
        raise RequestError(
            f"{address}: expected a table, whose address ends in {' '.join(sorted(SUFFIXES))}; "
            "fetch anything else to disk first"
        )
    place = folder / f"source{suffix}"
    fetch_table(address, place, allow_private)
    return place


def _place(table: Location, base: str, image: str) -> str:
    """Return a photo's address, or its path relative to its table; ValueError where it has none."""
    if image and (base or is_address(image)):
        address = urljoin(base, image)
        if not is_address(address):
            raise ValueError("an address of another kind: only http and https are read")
        return address
    return photo_inside(table.parent.resolve(), image)


def _brought(
    wanted: Sequence[_Wanted],
    table: Location,
    folder: Path,
    progress: Progress,
    allow_private: bool,
) -> Iterator[tuple[_Wanted, Path | str]]:
    """Yield each photo with its place in the folder, or why it has none."""
    addresses = list(dict.fromkeys(photo.place for photo in wanted if is_address(photo.place)))
    fetched: dict[str, Path | str] = {}
    if addresses:
        with progress("fetching photos", len(addresses)) as advance:
            fetched = fetch_photos(addresses, folder / FETCHED, allow_private, advance)
    for photo in wanted:
        if is_address(photo.place):
            yield photo, fetched[photo.place]
        else:
            yield photo, _copied(table.parent.resolve() / photo.place, folder / COPIED, photo.place)


def _copied(photo: Location, folder: Path, name: str) -> Path | str:
    try:
        data = read_bytes(photo)
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if not place.is_file() or place.read_bytes() != data:
            write_whole(place, data)
    except (UnreadablePhotoError, OSError, RequestError) as error:
        return str(error)
    return place

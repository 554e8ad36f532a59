"""Where items come from: a folder of photos, or a table that names photos."""

import os
import posixpath
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

import pyarrow as pa

from fashionnet.errors import RequestError
from fashionnet.locations import Location
from fashionnet.photos import find_photos, find_remote_photos
from fashionnet.product_images import is_product_images
from fashionnet.repository.tables import SUFFIXES, Rows, read_rows
from fashionnet.schema import FILTER_WORD

MAXIMUM_ID = 500

# Control characters, and bytes of a file name that are no text.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True)
class LeftOutRow:
    """A photo or a row of a catalogue that does not become an item, and why."""

    image: str
    reason: str


@dataclass(frozen=True)
class Catalogue:
    """Items to be: N photos below one folder, with a row of metadata each.

    Attributes:
        root: the folder, absolute, or its URI.
        ids: N names, each once.
        photos: N paths relative to `root`, with forward slashes. The files may be missing.
        metadata: N rows of the catalogue's own columns, by the names that the catalogue gives
            them; a table without columns where there are none.
        left_out: what does not become an item.
        notes: what a person should know of how the catalogue was read.
    """

    root: Location
    ids: list[str]
    photos: list[str]
    metadata: pa.Table
    left_out: list[LeftOutRow]
    notes: list[str]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class _Candidate:
    name: str | None
    photo: str
    shown: str
    row: int | None


def read_catalogue(source: Location, metadata: Location | None = None) -> Catalogue:
    """Read a folder of photos, or a CSV, JSON-lines or Parquet file with a column `image`.

    Both may lie on disk or at a URI (see `fashionnet.locations`); a web server, which lists no
    folders, can serve a file. A folder on disk of Fashion Product Images as published (see
    `fashionnet.product_images`) brings its own metadata.

    Args:
        source: in a file, `image` is relative to the file's folder and stays inside it, `id`
            (without it, the photo's path, less its suffix where no other photo has the same)
            names the item, and every other column is metadata.
        metadata: a file whose rows belong to the photos of a folder: its column `id`, else
            `image`, is a photo's name or path, with or without the suffix.

    Raises RequestError for a source that is neither, and where no item could be found.
    """
    if isinstance(source, Path) and metadata is None and is_product_images(source):
        from fashionnet.repository.published import read_product_images

        return read_product_images(source)
    # Elsewhere than on disk a folder is but the beginning of its files' names.
    if source.is_dir() if isinstance(source, Path) else source.suffix.lower() not in SUFFIXES:
        return _from_folder(source, metadata)
    if isinstance(source, Path) and not source.exists():
        raise RequestError(f"{source}: no such file or folder")
    if metadata is not None:
        raise RequestError(
            f"{source} is a file, whose own columns are the metadata: leave out {metadata}, "
            "or name a folder of photos"
        )
    return _from_file(source)


def _from_folder(folder: Location, metadata: Location | None) -> Catalogue:
    root = folder.resolve()
    if isinstance(root, Path):
        photos = [photo.relative_to(root).as_posix() for photo in find_photos([root])]
    else:
        photos = find_remote_photos(root)
    rows = read_rows(metadata) if metadata is not None else Rows(pa.table({}), [])
    matches: Sequence[int | None] = [None] * len(photos)
    notes: list[str] = []
    if metadata is not None:
        key = next((name for name in ("id", "image") if name in rows.columns.column_names), None)
        if key is None:
            raise RequestError(
                f"{metadata}: no column id or image among {', '.join(rows.columns.column_names)}: "
                "one of them must name each row's photo"
            )
        matches = _rows_of_photos(rows.columns[key].to_pylist(), photos)
        notes = _notes_on_join(metadata, folder, rows, matches)
        rows.columns = rows.columns.drop_columns([key])
    candidates = [
        _Candidate(name, photo, photo, row)
        for name, photo, row in zip(_ids_of(photos), photos, matches, strict=True)
    ]
    admitted, left_out = _admit(candidates)
    return _catalogue(root, admitted, rows.columns, left_out, notes)


def _rows_of_photos(keys: Sequence[str | None], photos: Sequence[str]) -> list[int | None]:
    """Return each photo's row: of the first key that is its path or name, the longest form first.

    A key without a folder names every photo of that name, as several views of an item have it.
    """
    row_of: dict[str, int] = {}
    for row, key in enumerate(keys):
        if key:
            row_of.setdefault(key.removeprefix("./"), row)
    rows = []
    for photo in photos:
        name = PurePosixPath(photo).name
        forms = (photo, _without_suffix(photo), name, _without_suffix(name))
        rows.append(next((row_of[form] for form in forms if form in row_of), None))
    return rows


def _notes_on_join(
    metadata: Location, folder: Location, rows: Rows, matches: Sequence[int | None]
) -> list[str]:
    used = {row for row in matches if row is not None}
    if not used:
        raise RequestError(
            f"{metadata}: none of its rows names a photo in {folder}: its column id (or image) "
            "must be the photo's name or its path in the folder"
        )
    notes = list(rows.notes)
    if rows.broken:
        line, reason = rows.broken[0]
        notes.append(
            f"{metadata.name}: broken rows, not used: {len(rows.broken):,}, the first at line "
            f"{line}: {reason}"
        )
    if len(used) < len(rows.lines):
        notes.append(f"{metadata.name}: rows without a photo: {len(rows.lines) - len(used):,}")
    without = sum(row is None for row in matches)
    if without:
        notes.append(f"{metadata.name}: photos without a row: {without:,}")
    return notes


def _from_file(source: Location) -> Catalogue:
    root = source.parent.resolve()
    rows = read_rows(source)
    names = rows.columns.column_names
    if "image" not in names:
        raise RequestError(
            f"{source}: no column image among {', '.join(names)}: call the column of photo paths "
            "image, or give a folder of photos and this file as its metadata"
        )
    unusable = [LeftOutRow(f"{source.name} line {line}", reason) for line, reason in rows.broken]
    images = rows.columns["image"].to_pylist()
    ids = rows.columns["id"].to_pylist() if "id" in names else None
    found: list[tuple[int, str, str]] = []
    for row, (line, image) in enumerate(zip(rows.lines, images, strict=True)):
        shown = image or f"{source.name} line {line}"
        try:
            found.append((row, _photo_inside(root, image), shown))
        except ValueError as reason:
            unusable.append(LeftOutRow(shown, str(reason)))
    photos = [photo for _, photo, _ in found]
    names_of_items = _ids_of(photos) if ids is None else [ids[row] for row, _, _ in found]
    candidates = [
        _Candidate(name, photo, shown, row)
        for name, (row, photo, shown) in zip(names_of_items, found, strict=True)
    ]
    admitted, left_out = _admit(candidates)
    metadata = rows.columns.drop_columns([name for name in ("id", "image") if name in names])
    if not admitted and not left_out and not unusable:
        raise RequestError(f"{source}: no row found below the header")
    return _catalogue(root, admitted, metadata, unusable + left_out, rows.notes)


def _photo_inside(root: Location, image: str | None) -> str:
    """Return a photo's path relative to the root; ValueError with the reason where it has none."""
    if not image:
        raise ValueError("no photo named in column image")
    if re.match(r"[a-zA-Z][a-zA-Z0-9+.-]+://", image):
        raise ValueError("a web address: name photos relative to the file that lists them")
    if len(image) > 4096 or _UNPRINTABLE.search(image):
        raise ValueError("not a path: too long, or with control characters")
    if not isinstance(root, Path):
        return _inside_remote(image)
    try:
        # What is checked is what is read: links are followed before the comparison.
        photo = Path(os.path.realpath(root / image))
    except OSError as error:
        raise ValueError((error.strerror or str(error)).lower()) from error
    if not photo.is_relative_to(root) or photo == root:
        raise ValueError("lies outside the catalogue's folder")
    return photo.relative_to(root).as_posix()


def _inside_remote(image: str) -> str:
    photo = posixpath.normpath(image)
    # A web server reads the name with what is escaped in it.
    for form in (photo, posixpath.normpath(unquote(photo))):
        if form.startswith(("/", "..")) or form == ".":
            raise ValueError("lies outside the catalogue's folder")
    return photo


def _admit(candidates: Sequence[_Candidate]) -> tuple[list[_Candidate], list[LeftOutRow]]:
    """Part the candidates whose id names one item and nothing else from the others."""
    admitted: dict[str, _Candidate] = {}
    left_out = []
    for candidate in candidates:
        name = candidate.name
        if not name:
            reason = "no id"
        elif len(name) > MAXIMUM_ID or _UNPRINTABLE.search(name + candidate.photo):
            reason = f"id of over {MAXIMUM_ID} characters, or unprintable ones in it or the path"
        elif name in admitted:
            reason = f"id {name} is taken by {admitted[name].shown}"
        else:
            admitted[name] = candidate
            continue
        shown = _UNPRINTABLE.sub(lambda found: ascii(found[0])[1:-1], candidate.shown)
        left_out.append(LeftOutRow(shown, reason))
    return list(admitted.values()), left_out


def _catalogue(
    root: Location,
    admitted: Sequence[_Candidate],
    columns: pa.Table,
    left_out: list[LeftOutRow],
    notes: list[str],
) -> Catalogue:
    rows = pa.array([candidate.row for candidate in admitted], pa.int64())
    return Catalogue(
        root,
        [candidate.name or "" for candidate in admitted],
        [candidate.photo for candidate in admitted],
        pa.table({name: columns[name].take(rows) for name in columns.column_names}),
        left_out,
        notes,
    )


def _ids_of(photos: Sequence[str]) -> list[str]:
    """Name items by their photos: the path less its suffix where that names no other photo."""
    different = set(photos)
    sharing = Counter(_without_suffix(photo) for photo in different)
    names = {photo: _without_suffix(photo) for photo in different}
    return [
        photo if sharing[names[photo]] > 1 or names[photo] in different else names[photo]
        for photo in photos
    ]


def _without_suffix(photo: str) -> str:
    return str(PurePosixPath(photo).with_suffix(""))


def column_names(given: Sequence[str], reserved: Collection[str]) -> dict[str, str]:
    """Return, for each column of a catalogue, the name that it has in a repository.

    Names that a filter could not spell, or that the repository needs for itself, change: what is
    neither letter, digit nor underscore becomes an underscore, and `catalogue_` goes before a
    reserved name, a word of the filters' grammar and what does not start with a letter.

    >>> column_names(["Base Colour", "id", "2nd"], reserved={"id"})
    {'Base Colour': 'Base_Colour', 'id': 'catalogue_id', '2nd': 'catalogue_2nd'}
    """
    kept = {name.lower() for name in reserved}
    taken = set(kept)
    names = {}
    for original in given:
        name = re.sub(r"\W", "_", unicodedata.normalize("NFKC", original.strip()))
        if not name[:1].isalpha() or name.lower() in kept or FILTER_WORD.fullmatch(name.lower()):
            name = f"catalogue_{name.lstrip('_')}"
        plain, number = name, 1
        while name.lower() in taken:
            number += 1
            name = f"{plain}_{number}"
        taken.add(name.lower())
        names[original] = name
    return names

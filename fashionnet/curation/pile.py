"""The pile: photos with whatever labels came with them, read without refusing what is messy."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from fashionnet.curation.fetch import is_address
from fashionnet.errors import RequestError
from fashionnet.labels import IMAGE_COLUMN, UNKNOWN
from fashionnet.photos import find_photos
from fashionnet.repository.catalogue import LeftOutRow
from fashionnet.repository.tables import Rows, read_rows
from fashionnet.schema import RELEVANCE, Schema

MAXIMUM_PATH = 4096

Fetch: TypeAlias = Callable[[Sequence[str], Path], Mapping[str, Path | str]]
"""Fetches addresses into a folder; returns each one's photo, or the reason why there is none."""

_RELEVANCE_WORDS = {"yes": "yes", "true": "yes", "1": "yes", "no": "no", "false": "no", "0": "no"}


@dataclass(frozen=True)
class LabelFault:
    """A label that cannot be used as it stands.

    Attributes:
        row: the photo's row in the pile.
        attribute: what it is a label of.
        reason: what is wrong with it, for a person.
    """

    row: int
    attribute: str
    reason: str


@dataclass(frozen=True, eq=False)
class Pile:
    """N photos and what their source says of them.

    Attributes:
        source: the folder or the file that was named.
        root: the folder that `names` are relative to, absolute.
        names: N paths relative to `root`, with forward slashes, each once.
        labels: for each attribute that the source has a column or folder of, and for
            `relevant`, N classes; blank where unknown or faulty.
        faults: the labels that were blanked.
        columns: N rows of the source's other columns.
        left_out: what the source names that is no photo of the pile, and why.
        notes: what a person should know of how the source was read.
    """

    source: Path
    root: Path
    names: list[str]
    labels: dict[str, list[str]]
    faults: list[LabelFault]
    columns: pa.Table
    left_out: list[LeftOutRow]
    notes: list[str]

    @property
    def photos(self) -> list[Path]:
        """The N photos' paths."""
        return [self.root / name for name in self.names]

    def codes(self, attribute: str, classes: Sequence[str]) -> NDArray[np.int16]:
        """Return int16 (N,): the index of each photo's label among the classes, -1 = unknown."""
        place = {name: code for code, name in enumerate(classes)}
        return np.array([place.get(cell, UNKNOWN) for cell in self.labels[attribute]], np.int16)

    def __len__(self) -> int:
        return len(self.names)


def read_pile(
    source: Path, labels: Path | None, schema: Schema, fetch: Fetch | None = None
) -> Pile:
    """Read a folder of photos, with labels or without, or a file with a column `image`.

    Args:
        source: a folder, in which `<attribute>/<class>/` folders are labels, or a CSV, JSON-lines
            or Parquet file whose columns named like the schema's attributes, and `relevant`, are
            labels.
        labels: a file whose rows belong to the photos of a folder.
        schema: the attributes and classes that labels may have.
        fetch: fetches photos from web addresses into a folder beside a file that names some;
            None leaves them out.

    Rows that contradict each other, and classes that the schema does not know, are faults of the
    pile and no error. Raises RequestError for a source that cannot be read, and for an attribute
    that has labels of which none is a class of the schema.
    """
    if source.is_dir():
        return _pile_of_folder(source, labels, schema)
    if labels is not None:
        raise RequestError(
            f"{source} is a file, whose own columns are the labels: leave out --labels {labels}, "
            "or name a folder of photos"
        )
    if not source.exists():
        raise RequestError(f"{source}: no such file or folder")
    return _pile_of_file(source, schema, fetch)


def _pile_of_folder(folder: Path, labels: Path | None, schema: Schema) -> Pile:
    root = folder.resolve()
    names = [photo.relative_to(root).as_posix() for photo in find_photos([root])]
    if labels is None:
        cells, faults = _read_cells(folder, len(names), _labels_of_folders(names, schema), schema)
        return Pile(folder, root, names, cells, faults, pa.table({}), [], [])
    rows = read_rows(labels)
    row_of = {_without_suffix(name): row for row, name in enumerate(names)}
    row_of |= {name: row for row, name in enumerate(names)}
    keys = rows.columns[_key_column(labels, rows)].to_pylist()
    matches = [row_of.get(str(key or "").removeprefix("./")) for key in keys]
    left_out = [
        LeftOutRow(key or f"{labels.name} line {line}", "no such photo in the folder")
        for key, line, row in zip(keys, rows.lines, matches, strict=True)
        if row is None
    ]
    if len(left_out) == len(keys):
        raise RequestError(
            f"{labels}: none of its rows names a photo in {folder}: its column image (or id) must "
            "be the photo's path in the folder"
        )
    found = [(row, place) for place, row in enumerate(matches) if row is not None]
    return Pile(
        folder,
        root,
        names,
        *_read_cells(labels, len(names), _labels_of_rows(rows.columns, found, schema), schema),
        _columns_of_rows(rows.columns, found, len(names), schema),
        left_out + _broken(labels, rows),
        rows.notes,
    )


def _pile_of_file(source: Path, schema: Schema, fetch: Fetch | None) -> Pile:
    root = source.parent.resolve()
    rows = read_rows(source)
    if IMAGE_COLUMN not in rows.columns.column_names:
        raise RequestError(
            f"{source}: no column image among {', '.join(rows.columns.column_names)}: call the "
            "column of photo paths image"
        )
    place_of: dict[str, int] = {}
    found: list[tuple[int, int]] = []
    left_out = _broken(source, rows)
    images = rows.columns[IMAGE_COLUMN].to_pylist()
    addresses = [image for image in images if image and is_address(image)]
    fetched = fetch(addresses, fetched_folder(source)) if fetch and addresses else {}
    for place, (line, image) in enumerate(zip(rows.lines, images, strict=True)):
        try:
            photo = fetched.get(image or "")
            if isinstance(photo, str):
                raise ValueError(photo)
            name = inside(root, str(photo) if photo else image)
        except ValueError as error:
            left_out.append(LeftOutRow(image or f"{source.name} line {line}", str(error)))
        else:
            if name in place_of:
                reason = f"line {line} names this photo again: its labels are added to the first's"
                left_out.append(LeftOutRow(name, reason))
            found.append((place_of.setdefault(name, len(place_of)), place))
    if not found:
        reason = f", such as {left_out[0].image}: {left_out[0].reason}" if left_out else ""
        raise RequestError(f"{source}: no row names a photo that could be read{reason}")
    count = len(place_of)
    return Pile(
        source,
        root,
        list(place_of),
        *_read_cells(source, count, _labels_of_rows(rows.columns, found, schema), schema),
        _columns_of_rows(rows.columns, found, count, schema),
        left_out,
        rows.notes,
    )


def fetched_folder(source: Path) -> Path:
    """Return where photos fetched for a file go: beside it, as every photo that it names."""
    return source.resolve().parent / f"{source.stem}.curation" / "fetched"


def inside(root: Path, image: str | None) -> str:
    """Return a photo's path relative to the root, links followed; ValueError where it has none."""
    if not image:
        raise ValueError("no photo named in column image")
    if "://" in image:
        raise ValueError("a web address: photos are fetched from http and https with --fetch")
    if len(image) > MAXIMUM_PATH or not image.isprintable():
        raise ValueError("not a path: too long, or with control characters")
    try:
        photo = Path(os.path.realpath(root / image))
    except OSError as error:
        raise ValueError((error.strerror or str(error)).lower()) from error
    if not photo.is_relative_to(root) or photo == root:
        raise ValueError("lies outside the folder of the file that names it")
    return photo.relative_to(root).as_posix()


def _key_column(source: Path, rows: Rows) -> str:
    for name in (IMAGE_COLUMN, "id"):
        if name in rows.columns.column_names:
            return name
    raise RequestError(
        f"{source}: no column image or id among {', '.join(rows.columns.column_names)}: one of "
        "them must name each row's photo"
    )


def _broken(source: Path, rows: Rows) -> list[LeftOutRow]:
    return [LeftOutRow(f"{source.name} line {line}", reason) for line, reason in rows.broken]


# --- Labels ----------------------------------------------------------------------------------

_Cells: TypeAlias = Iterable[tuple[int, str, str]]
"""A photo's row, an attribute, and the class that the source gives it there."""


def _labels_of_folders(names: Sequence[str], schema: Schema) -> _Cells:
    wanted = {*schema.names, RELEVANCE}
    for row, name in enumerate(names):
        folders = PurePosixPath(name).parts[:-1]
        if len(folders) >= 2 and folders[0] in wanted:
            yield row, folders[0], folders[1]


def _labels_of_rows(columns: pa.Table, found: Sequence[tuple[int, int]], schema: Schema) -> _Cells:
    for attribute in (*schema.names, RELEVANCE):
        if attribute in columns.column_names:
            cells = columns[attribute].to_pylist()
            for row, place in found:
                yield row, attribute, "" if cells[place] is None else str(cells[place]).strip()


def _columns_of_rows(
    columns: pa.Table, found: Sequence[tuple[int, int]], count: int, schema: Schema
) -> pa.Table:
    """Return the columns that are no labels, for each photo those of its first row."""
    place_of: dict[int, int] = {}
    for row, place in found:
        place_of.setdefault(row, place)
    places = pa.array([place_of.get(row) for row in range(count)], pa.int64())
    taken = {*schema.names, RELEVANCE, IMAGE_COLUMN}
    others = [name for name in columns.column_names if name not in taken]
    return pa.table({name: columns[name].take(places) for name in others})


def _read_cells(
    source: Path, count: int, cells: _Cells, schema: Schema
) -> tuple[dict[str, list[str]], list[LabelFault]]:
    """Return a column of classes for each attribute, and what had to be left blank in it."""
    said: dict[str, list[dict[str, None]]] = {}
    for row, attribute, cell in cells:
        column = said.setdefault(attribute, [{} for _ in range(count)])
        if attribute == RELEVANCE:
            cell = _RELEVANCE_WORDS.get(cell.lower(), cell)
        if cell:
            column[row][cell] = None
    labels, faults = {}, []
    for attribute, column in said.items():
        classes = ("yes", "no") if attribute == RELEVANCE else schema[attribute].classes
        labels[attribute] = [""] * count
        for row, given in enumerate(column):
            if reason := _fault(list(given), classes):
                faults.append(LabelFault(row, attribute, reason))
            else:
                labels[attribute][row] = next(iter(given), "")
        unknown = [next(iter(given)) for given in column if given and not {*given} & {*classes}]
        if unknown and not any(labels[attribute]):
            raise RequestError(
                f"{source}: none of the labels of {attribute} is one of its classes "
                f"{', '.join(classes)}; found {', '.join(sorted(set(unknown))[:5])}: name the "
                "file of attributes and classes with --schema"
            )
    return labels, faults


def _fault(given: Sequence[str], classes: Sequence[str]) -> str:
    if len(given) > 1:
        return "its rows contradict each other: " + ", ".join(given)
    if given and given[0] not in classes:
        return f"{given[0]!r} is none of the classes {', '.join(classes)}"
    return ""


def _without_suffix(name: str) -> str:
    return str(PurePosixPath(name).with_suffix(""))

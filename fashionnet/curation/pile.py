"""The pile: photos with whatever labels came with them, read without refusing what is messy."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from fashionnet.errors import RequestError
from fashionnet.labels import UNKNOWN
from fashionnet.locations import Location
from fashionnet.repository.listing import Entry, LeftOutRow, read_listing
from fashionnet.schema import RELEVANCE, RELEVANCE_WORDS, Schema


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
        columns: N rows of the source's other columns, the items' ids in the first.
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
    source: Path, labels: Path | None, schema: Schema, images: Location | None = None
) -> Pile:
    """Read what `fashionnet.repository.listing.read_listing` reads, as photos with labels.

    Args:
        source: a folder, in which `<attribute>/<class>/` folders are labels, or a file whose
            columns named like the schema's attributes, and `relevant`, are labels.
        labels: a file whose rows belong to the photos of a folder.
        schema: the attributes and classes that labels may have.
        images: the folder of a file's photos, where it is not the file's own.

    Rows that contradict each other, and classes that the schema does not know, are faults of the
    pile and no error. Raises RequestError for a source that cannot be read, and for an attribute
    that has labels of which none is a class of the schema.
    """
    listing = read_listing(source, labels, images)
    assert isinstance(listing.root, Path)
    if not listing.entries:
        first = listing.left_out[0]
        raise RequestError(
            f"{source}: no row names a photo that could be read, such as {first.image}: "
            f"{first.reason}"
        )
    row_of: dict[str, int] = {}
    firsts: list[Entry] = []
    left_out = list(listing.left_out)
    for entry in listing.entries:
        if entry.photo in row_of:
            reason = f"line {entry.line} names this photo again: its labels join the first's"
            left_out.append(LeftOutRow(entry.photo, reason))
        else:
            row_of[entry.photo] = len(firsts)
            firsts.append(entry)
    names = list(row_of)
    if listing.columns.num_columns or source.is_file():
        pairs = [(row_of[entry.photo], entry.row) for entry in listing.entries]
        cells = _labels_of_rows(listing.columns, pairs, schema)
    else:
        cells = _labels_of_folders(names, schema)
    return Pile(
        source,
        listing.root,
        names,
        *_read_cells(labels or source, len(names), cells, schema),
        _other_columns(listing.columns, firsts, schema),
        left_out,
        listing.notes,
    )


# --- Labels ----------------------------------------------------------------------------------

_Cells: TypeAlias = Iterable[tuple[int, str, str]]
"""A photo's row, an attribute, and the class that the source gives it there."""


def _labels_of_folders(names: Sequence[str], schema: Schema) -> _Cells:
    wanted = {*schema.names, RELEVANCE}
    for row, name in enumerate(names):
        folders = PurePosixPath(name).parts[:-1]
        if len(folders) >= 2 and folders[0] in wanted:
            yield row, folders[0], folders[1]


def _labels_of_rows(
    columns: pa.Table, pairs: Sequence[tuple[int, int | None]], schema: Schema
) -> _Cells:
    for attribute in (*schema.names, RELEVANCE):
        if attribute in columns.column_names:
            cells = columns[attribute].to_pylist()
            for photo, row in pairs:
                if row is not None:
                    yield photo, attribute, "" if cells[row] is None else str(cells[row]).strip()


def _other_columns(columns: pa.Table, firsts: Sequence[Entry], schema: Schema) -> pa.Table:
    """Return the items' ids and the columns that are no labels, of each photo's first entry."""
    rows = pa.array([entry.row for entry in firsts], pa.int64())
    taken = {*schema.names, RELEVANCE}
    others = {name: columns[name].take(rows) for name in columns.column_names if name not in taken}
    ids = pa.array([entry.item for entry in firsts], pa.string())
    return pa.table({"id": ids, **others})


def _read_cells(
    source: Path, count: int, cells: _Cells, schema: Schema
) -> tuple[dict[str, list[str]], list[LabelFault]]:
    """Return a column of classes for each attribute, and what had to be left blank in it."""
    said: dict[str, list[dict[str, None]]] = {}
    for row, attribute, cell in cells:
        column = said.setdefault(attribute, [{} for _ in range(count)])
        if attribute == RELEVANCE:
            is_relevant = RELEVANCE_WORDS.get(cell.lower())
            cell = cell if is_relevant is None else "yes" if is_relevant else "no"
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

"""Items to be: what a source lists, with an id that names one item and nothing else."""

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from fashionnet.labels import PICTURE_COLUMN
from fashionnet.locations import Location
from fashionnet.repository.listing import (
    ORIGIN_COLUMN,
    UNPRINTABLE,
    Entry,
    LeftOutRow,
    Listing,
    read_listing,
)
from fashionnet.repository.prices import with_prices_as_numbers
from fashionnet.schema import FILTER_WORD

MAXIMUM_ID = 500


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


def read_catalogue(
    source: Location, metadata: Location | None = None, images: Location | None = None
) -> Catalogue:
    """Read items from what `fashionnet.repository.listing.read_listing` reads.

    An item is shown by the first of its photos that is there. Rows of one id that say the same of
    it name further photos; where they differ, the first row stands. Of rows that say the same
    of one photo under two ids the first stands. Prices become numbers.

    Raises RequestError as `read_listing` does.
    """
    listing = read_listing(source, metadata, images)
    admitted, left_out, further = _admit(listing)
    rows = pa.array([entry.row for entry in admitted], pa.int64())
    columns = listing.columns
    taken = pa.table({name: columns[name].take(rows) for name in columns.column_names})
    priced, notes = with_prices_as_numbers(taken)
    if further:
        notes = [f"further photos of items, not used: {further:,}", *notes]
    return Catalogue(
        listing.root,
        [entry.item or "" for entry in admitted],
        [entry.photo for entry in admitted],
        priced,
        listing.left_out + left_out,
        [*listing.notes, *notes],
    )


def _admit(listing: Listing) -> tuple[list[Entry], list[LeftOutRow], int]:
    """Part the entries that become items from the others; count further photos of items."""
    admitted: dict[str, Entry] = {}
    items_of_photo: dict[tuple[str, Any], str] = {}
    mentions = Counter(entry.photo for entry in listing.entries)
    of_photos = {ORIGIN_COLUMN, PICTURE_COLUMN}.intersection(listing.columns.column_names)
    columns = listing.columns.drop_columns(list(of_photos))
    left_out, further = [], 0

    def cells(entry: Entry) -> str:
        return "" if entry.row is None else repr(columns.slice(entry.row, 1).to_pylist())

    for entry in listing.entries:
        item = entry.item
        shared = (entry.photo, cells(entry)) if mentions[entry.photo] > 1 else (entry.photo, "")
        if not item:
            reason = "no id"
        elif len(item) > MAXIMUM_ID or UNPRINTABLE.search(item + entry.photo):
            reason = f"id of over {MAXIMUM_ID} characters, or unprintable ones in it or the path"
        elif item in admitted:
            first = admitted[item]
            if first.photo == entry.photo:
                reason = f"line {entry.line} names it again: line {first.line} stands"
            elif cells(first) == cells(entry):
                further += 1
                if not _is_there(listing.root, first):
                    admitted[item] = entry
                continue
            else:
                reason = f"id {item} is taken by {first.shown}"
        elif items_of_photo.setdefault(shared, item) != item:
            reason = f"the same item as {items_of_photo[shared]}: the same photo and cells"
        else:
            admitted[item] = entry
            continue
        shown = UNPRINTABLE.sub(lambda found: ascii(found[0])[1:-1], entry.shown)
        left_out.append(LeftOutRow(shown, reason))
    return list(admitted.values()), left_out, further


def _is_there(root: Location, entry: Entry) -> bool:
    # Elsewhere than on disk each is a question to a server, which the build asks once.
    return not isinstance(root, Path) or (root / entry.photo).is_file()


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

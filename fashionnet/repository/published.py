"""Fashion Product Images as published, as a listing of photos."""

from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from fashionnet.product_images import IMAGES, STYLES, TABLE, columns_of, read_style
from fashionnet.repository.listing import Listing, read_listing


def read_product_images(folder: Path) -> Listing:
    """Read the photos with what the table and each product's own file say of them.

    A product's file that is missing leaves its columns empty; one that is cut short does too, and
    is counted in a note. The table's columns stand before those of the files.
    """
    table = folder / TABLE
    listing = read_listing(folder / IMAGES, table if table.is_file() else None)
    rows, unreadable = [], []
    for entry in listing.entries:
        try:
            style = read_style(folder, entry.item or "")
        except ValueError as error:
            unreadable.append(str(error))
            style = None
        rows.append(columns_of(style or {}))
    own = pa.array([entry.row for entry in listing.entries], pa.int64())
    columns = {name: listing.columns[name].take(own) for name in listing.columns.column_names}
    for name in columns_of({}):
        values = [row[name] for row in rows]
        if name not in columns and any(value is not None for value in values):
            columns[name] = pa.chunked_array([values])
    notes = list(listing.notes)
    if unreadable:
        notes.append(f"{STYLES}: files not used: {len(unreadable):,}, such as {unreadable[0]}")
    entries = [replace(entry, row=row) for row, entry in enumerate(listing.entries)]
    return replace(listing, entries=entries, columns=pa.table(columns), notes=notes)

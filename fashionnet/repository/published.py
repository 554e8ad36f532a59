"""Fashion Product Images as published, as a catalogue."""

from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from fashionnet.product_images import IMAGES, STYLES, TABLE, columns_of, read_style
from fashionnet.repository.catalogue import Catalogue, read_catalogue


def read_product_images(folder: Path) -> Catalogue:
    """Read the photos with what the table and each product's own file say of them.

    A product's file that is missing leaves its columns empty; one that is cut short does too, and
    is counted in a note. The table's columns stand before those of the files.
    """
    table = folder / TABLE
    catalogue = read_catalogue(folder / IMAGES, table if table.is_file() else None)
    rows, unreadable = [], []
    for product in catalogue.ids:
        try:
            style = read_style(folder, product)
        except ValueError as error:
            unreadable.append(str(error))
            style = None
        rows.append(columns_of(style or {}))
    columns = {name: catalogue.metadata[name] for name in catalogue.metadata.column_names}
    for name in columns_of({}):
        values = [row[name] for row in rows]
        if name not in columns and any(value is not None for value in values):
            columns[name] = pa.chunked_array([values])
    notes = list(catalogue.notes)
    if unreadable:
        notes.append(f"{STYLES}: files not used: {len(unreadable):,}, such as {unreadable[0]}")
    return replace(catalogue, metadata=pa.table(columns), notes=notes)

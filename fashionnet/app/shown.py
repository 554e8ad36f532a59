"""Items as they go over HTTP."""

from collections.abc import Sequence
from typing import Any

from fashionnet.app.snapshot import Snapshot
from fashionnet.app.taste import classes_of, probabilities_of
from fashionnet.app.types import Item
from fashionnet.errors import RequestError
from fashionnet.report.content import details_of, telling_columns, title_of
from fashionnet.repository.store import Items

VERSION = "/api/v1"


def shown_items(snapshot: Snapshot, rows: Sequence[int]) -> list[Item]:
    """Return the items of some rows of the snapshot, in that order."""
    return items_with(snapshot.items.take(rows), snapshot.metadata(rows))


def items_with(items: Items, metadata: Sequence[dict[str, Any]]) -> list[Item]:
    """Return items with the catalogue's columns of each."""
    telling = telling_columns(metadata)
    return [
        Item(
            id=items.ids[row],
            title=title_of(items.ids[row], columns),
            picture=f"{VERSION}/pictures/{items.fingerprints[row]}",
            classes=classes_of(items.vectors, row),
            probabilities=probabilities_of(items.vectors, row),
            details=details_of(columns, telling),
            metadata=columns,
        )
        for row, columns in enumerate(metadata)
    ]


def page_bounds(page: int, page_size: int, deepest: int) -> tuple[int, int]:
    """Return where a page of ranked items starts and ends; RequestError beyond `deepest`."""
    start = (page - 1) * page_size
    end = start + page_size
    if end > deepest:
        raise RequestError(f"the first {deepest} items can be paged, not {end}: filter them")
    return start, end

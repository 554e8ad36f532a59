"""Items as they go over HTTP."""

from collections.abc import Sequence

from fashionnet.app.snapshot import Snapshot
from fashionnet.app.taste import classes_of, probabilities_of
from fashionnet.app.types import Item
from fashionnet.errors import RequestError
from fashionnet.report.content import details_of, telling_columns, title_of

VERSION = "/api/v1"


def shown_items(snapshot: Snapshot, rows: Sequence[int]) -> list[Item]:
    """Return the items of some rows of the snapshot, in that order."""
    vectors = snapshot.items.vectors
    metadata = snapshot.metadata(rows)
    telling = telling_columns(metadata)
    return [
        Item(
            id=snapshot.items.ids[row],
            title=title_of(snapshot.items.ids[row], columns),
            picture=f"{VERSION}/pictures/{snapshot.items.fingerprints[row]}",
            classes=classes_of(vectors, row),
            probabilities=probabilities_of(vectors, row),
            details=details_of(columns, telling),
            metadata=columns,
        )
        for row, columns in zip(rows, metadata, strict=True)
    ]


def page_bounds(page: int, page_size: int, deepest: int) -> tuple[int, int]:
    """Return where a page of ranked items starts and ends; RequestError beyond `deepest`."""
    start = (page - 1) * page_size
    end = start + page_size
    if end > deepest:
        raise RequestError(f"the first {deepest} items can be paged, not {end}: filter them")
    return start, end

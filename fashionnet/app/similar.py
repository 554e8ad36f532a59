"""Search by picture over HTTP: what is like a photo or an item, shifted and of a colour."""

from fashionnet.app.limits import SIMILAR_DEEP
from fashionnet.app.shown import page_bounds, shown_items
from fashionnet.app.snapshot import Snapshot
from fashionnet.app.taste import described
from fashionnet.app.types import SimilarItem, SimilarItems, SimilarRequest
from fashionnet.schema import Schema
from fashionnet.similarity.colours import COLOUR, colour_named
from fashionnet.similarity.report import reasons
from fashionnet.similarity.search import colour_shifts, search
from fashionnet.similarity.shifts import Shift
from fashionnet.vectors import FashionVectors


def similar(request: SimilarRequest, snapshot: Snapshot) -> SimilarItems:
    """Return a page of the items that are most like a photo or an item, the most alike first."""
    start, end = page_bounds(request.page, request.page_size, SIMILAR_DEEP)
    query = _query(request, snapshot)
    shifts = _shifts(request, snapshot.repository.schema)
    colour = None if request.colour is None else colour_named(request.colour)
    searched = snapshot.select(request.filters)
    by_colour = colour is not None or bool(colour_shifts(shifts, snapshot.repository.schema))
    note = ""
    if snapshot.samples and by_colour:
        snapshot.samples.draw_all()
        searched = snapshot.samples.so_far(searched)
        drawn, count = snapshot.samples.drawn, len(snapshot.items)
        if drawn < count:
            note = f"The sample pictures are being drawn: colours of {drawn} of {count} are known."
    # One more than is shown tells whether there are more.
    found = search(
        query,
        snapshot.items,
        searched,
        end + 1,
        shifts,
        colour,
        leave_out=request.item,
        places=snapshot.class_places if shifts else None,
    )
    page = found.take(range(start, min(end, len(found))))
    items = shown_items(snapshot, snapshot.rows_of(page.ids))
    return SimilarItems(
        items=[
            SimilarItem(
                **item.model_dump(),
                rank=start + place + 1,
                score=round(float(page.scores[place]), 4),
                likeness=round(float(page.likeness[place]), 4),
                reason=reason,
            )
            for place, (item, reason) in enumerate(
                zip(items, reasons(query, page, by_colour), strict=True)
            )
        ],
        total=found.compared,
        page=request.page,
        page_size=request.page_size,
        has_more=len(found) > end,
        note=note,
    )


def _query(request: SimilarRequest, snapshot: Snapshot) -> FashionVectors:
    if request.photo is not None:
        return described([request.photo], snapshot, "photo").vectors
    return snapshot.items.vectors.take(snapshot.rows_of([request.item or ""]))


def _shifts(request: SimilarRequest, schema: Schema) -> list[Shift]:
    """Return the shifts, their names checked; RequestError for an unknown one."""
    shifts = []
    for step in request.shifts:
        name = step.class_name
        if step.attribute == COLOUR and COLOUR not in schema.names:
            name = colour_named(name)
        else:
            schema[step.attribute].code(name)
        if step.strength:
            shifts.append(Shift(step.attribute, name, step.strength))
    return shifts

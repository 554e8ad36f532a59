"""Search a repository by picture: the nearest items, after shifts, of a colour."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fashionnet.errors import RequestError
from fashionnet.schema import Schema
from fashionnet.similarity.by_colour import COLOUR_CANDIDATES, of_colour, shift_colours
from fashionnet.similarity.colours import COLOUR, colour_named
from fashionnet.similarity.neighbours import Similar, check_top, most_similar
from fashionnet.similarity.shifts import Shift, shifted
from fashionnet.vectors import FashionVectors

if TYPE_CHECKING:
    from fashionnet.repository.store import Items, Repository


def search(
    query: FashionVectors,
    items: "Items",
    searched: "Items",
    top: int,
    shifts: Sequence[Shift] = (),
    colour: str | None = None,
    leave_out: str | None = None,
    advance: Callable[[int], None] = lambda count: None,
    places: NDArray[np.float64] | None = None,
) -> Similar:
    """Return the `top` items that are most like one photo; fewer where there are not so many.

    Args:
        query: the Fashion Vector of the photo.
        items: all items of the repository, which say where the classes lie that shifts walk to.
        searched: those of them to choose from.
        top: how many items, 1 or more.
        shifts: towards classes, and towards colours among the `COLOUR_CANDIDATES` nearest items.
        colour: only items whose garment is mostly of this colour, as `NAMED_COLOURS` spells it.
        leave_out: the id of an item that is not to be among them, such as the query itself.
        advance: called with 1 for each photo whose colours were read.
        places: float64 (C, E), the `class_places` of `items`, computed here where not given.

    Raises RequestError for what `shifted` and `most_similar` refuse.
    """
    check_top(top)
    colour_steps = colour_shifts(shifts, items.vectors.schema)
    steps = [shift for shift in shifts if shift not in colour_steps]
    colours = {shift.class_name: shift.strength for shift in colour_steps}
    count = top
    if colour:
        count = max(top, len(searched))
    elif colours:
        count = max(top, COLOUR_CANDIDATES)
    sought = shifted(query, items.vectors, steps, places)
    similar = most_similar(searched, query.embeddings[0], count, leave_out, sought)
    if colours:
        candidates = min(len(similar), max(top, COLOUR_CANDIDATES))
        similar = shift_colours(similar.take(range(candidates)), colours, advance)
    if colour:
        return of_colour(similar, colour, top, advance)
    return similar.take(range(min(top, len(similar))))


def colour_shifts(shifts: Sequence[Shift], schema: Schema) -> list[Shift]:
    """Return the shifts towards colours of garments: none where `colour` is an attribute."""
    if COLOUR in schema.names:
        return []
    return [shift for shift in shifts if shift.attribute == COLOUR]


def similar_to_item(
    repository: "Repository",
    item: str,
    top: int,
    where: str | None = None,
    shifts: Sequence[Shift] = (),
    colour: str | None = None,
) -> Similar:
    """Return the items of a repository that are most like one of its own, which is left out.

    `where` chooses the items to search; the item itself need not meet it. Raises RequestError for
    an item that the repository does not have and for what `Repository.items` and `search` refuse.
    """
    check_top(top)
    items = repository.items()
    query = items.vectors.take([row_of(items, item, repository)])
    searched = items if where is None else repository.items(where)
    named = None if colour is None else colour_named(colour)
    return search(query, items, searched, top, shifts, named, leave_out=item)


def row_of(items: "Items", item: str, repository: "Repository") -> int:
    """Return an item's row; RequestError where there is none."""
    if item in items.ids:
        return items.ids.index(item)
    example = f" (its ids are like {items.ids[0]!r})" if len(items) else ""
    raise RequestError(
        f"{repository.path}: no item {item!r} with a relevant photo{example}; name one of its "
        "items, or a photo"
    )

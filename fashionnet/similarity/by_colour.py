"""Similar items by the colours of their garments: those of a colour, or more of it.

Colours are read off the items' photos, those of the most similar items first, and no more photos
than it takes.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache

import numpy as np

from fashionnet.locations import Location, location, reaching
from fashionnet.photos import UnreadablePhotoError, decode, read_ahead, read_bytes
from fashionnet.similarity.colours import SIDE, garment_colours
from fashionnet.similarity.neighbours import Similar

LEAST_COLOUR_WEIGHT = 0.1
"""How much likeness a garment that is wholly of a colour gains at least from a shift of 1."""

COLOUR_CANDIDATES = 500
"""How many of the most similar items a shift towards a colour looks at."""

COLOURS_REMEMBERED = 100_000
"""Of how many photos the colours stay in memory."""


def of_colour(
    ranked: Similar, colour: str, top: int, advance: Callable[[int], None] = lambda count: None
) -> Similar:
    """Return the first `top` of ranked items whose garment is mostly of a colour.

    Their photos are read in that order, and no more of them than it takes.
    """
    places: list[int] = []
    for place, colours in _colours_of(ranked):
        advance(1)
        if next(iter(colours), None) == colour:
            places.append(place)
            if len(places) == top:
                break
    return ranked.take(places)


def shift_colours(
    ranked: Similar,
    shifts: Mapping[str, float],
    advance: Callable[[int], None] = lambda count: None,
) -> Similar:
    """Return ranked items, those forward whose garments have the wanted colours.

    Each item's score grows by the shift's strength, times the share of the garment that has the
    colour, times the range of the items' scores: how far likeness reaches depends on the network
    and the catalogue. Where it hardly differs, `LEAST_COLOUR_WEIGHT` takes its place.
    """
    gains = np.zeros(len(ranked))
    for place, colours in _colours_of(ranked):
        advance(1)
        gains[place] = sum(shift * colours.get(name, 0.0) for name, shift in shifts.items())
    weight = max(float(np.ptp(ranked.scores)), LEAST_COLOUR_WEIGHT) if len(ranked) else 0.0
    scores = (ranked.scores + weight * gains).round(6)
    order = np.argsort(-scores, kind="stable")
    return replace(ranked.take(order), scores=scores[order])


def _colours_of(ranked: Similar) -> Iterator[tuple[int, dict[str, float]]]:
    """Yield each item's place and colours, in order; none for a photo that cannot be read."""
    photos = [location(ranked.items.photos[row]) for row in ranked.rows]
    for place, (_, pending) in enumerate(read_ahead(photos, read_colours)):
        yield place, pending.result()


def read_colours(photo: Location) -> dict[str, float]:
    """Return the colours of the garment on a photo; none where it cannot be read.

    They are remembered until the file changes.
    """
    try:
        with reaching(photo):
            modified = photo.stat().st_mtime
        return _colours_of_file(photo, modified)
    except (OSError, UnreadablePhotoError):
        return {}


@lru_cache(maxsize=COLOURS_REMEMBERED)
def _colours_of_file(photo: Location, modified: float) -> dict[str, float]:
    return garment_colours(decode(read_bytes(photo), SIDE))

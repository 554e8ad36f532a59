"""Worn pairs as outfits of two items: the top in its shape, and the bottom's cloth.

A wrong pair puts the top with a bottom of another shoot and product of the same part, whose colours
overlap the top's no more than those of a worn pair may: pairs could only be cut out where they
differ.
"""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from fashionnet.compatibility.outfit_data import (
    ANSWERS,
    PARTS,
    Blank,
    Faults,
    Judged,
    Outfit,
    OutfitData,
    OutfitPart,
)
from fashionnet.compatibility.outfit_items import InputKind, OutfitItems, inputs_of
from fashionnet.compatibility.worn import MOST_OVERLAP
from fashionnet.compatibility.worn_pairs import WornPairs
from fashionnet.describing import Network
from fashionnet.photos import Image
from fashionnet.similarity.colours import garment_colours

TOP, BOTTOM = "Topwear", "Bottomwear"
"""The categories of the two, by the names of Fashion Product Images."""

WRONG_PAIRS = 10
"""Beside each worn pair: one alone would leave the AUC to chance."""

Colours = list[dict[str, float]]


def top_of(pair: str) -> str:
    """Return what the top of a pair is called as an item."""
    return f"{pair} top"


def bottom_of(pair: str) -> str:
    """Return what the bottom of a pair is called as an item."""
    return f"{pair} bottom"


def worn_outfits(pairs: WornPairs, seed: int = 0) -> OutfitData:
    """Return worn pairs as outfits, each with WRONG_PAIRS wrong ones and a blank of four bottoms.

    The wrong bottoms of the blank are those of the first wrong pairs. A pair for which too few
    wrong bottoms are left has no question, and is counted.
    """
    random = np.random.default_rng(seed)
    faults = Faults()
    parts = {}
    for part in PARTS:
        rows = np.flatnonzero(pairs.parts == part)
        allowed = pairs.overlaps(rows, rows) < MOST_OVERLAP
        for own in (pairs.shoots[rows], np.array(pairs.names)[rows]):
            allowed &= own[:, None] != own[None, :]
        parts[part] = _part(pairs, rows, allowed, random, faults)
    categories = {top_of(name): TOP for name in pairs.ids}
    categories |= {bottom_of(name): BOTTOM for name in pairs.ids}
    return OutfitData(categories, parts, faults)


def worn_items(
    pairs: WornPairs,
    network: Network,
    advance: Callable[[int], None] = lambda count: None,
) -> dict[InputKind, OutfitItems]:
    """Return tops and then bottoms as items, with either kind of input.

    `advance` is called with 1 for each of the 2N pictures.
    """
    colours: Colours = []
    vectors = network.describe(_pictures(pairs, colours, advance))
    ids = [name(pair) for name in (top_of, bottom_of) for pair in pairs.ids]
    categories = [TOP] * len(pairs) + [BOTTOM] * len(pairs)
    return {
        kind: OutfitItems(ids, categories, inputs_of(kind, vectors, colours))
        for kind in ("features", "picture")
    }


def _pictures(
    pairs: WornPairs, colours: Colours, advance: Callable[[int], None]
) -> Iterator[Image]:
    for read in (pairs.top, pairs.bottom_cloth):
        for row in range(len(pairs)):
            image = read(row)
            colours.append(garment_colours(image))
            advance(1)
            yield image


def _part(
    pairs: WornPairs,
    rows: NDArray[np.intp],
    allowed: NDArray[np.bool_],
    random: np.random.Generator,
    faults: Faults,
) -> OutfitPart:
    judged: list[Judged] = []
    blanks: list[Blank] = []
    for place, row in enumerate(rows.tolist()):
        name, group = pairs.ids[row], str(pairs.shoots[row])
        others = rows[allowed[place]]
        if len(others) < WRONG_PAIRS:
            faults.add("pair without wrong bottoms to ask about", name)
            continue
        drawn = random.choice(others, WRONG_PAIRS, replace=False)
        wrong = [bottom_of(pairs.ids[other]) for other in drawn]
        judged.append(Judged((top_of(name), bottom_of(name)), True, group))
        judged += [Judged((top_of(name), bottom), False, group) for bottom in wrong]
        answers = wrong[: ANSWERS - 1]
        right = int(random.integers(ANSWERS))
        answers.insert(right, bottom_of(name))
        blanks.append(Blank((top_of(name),), tuple(answers), right, group))
    outfits: list[Outfit] = [(top_of(pairs.ids[row]), bottom_of(pairs.ids[row])) for row in rows]
    return OutfitPart(outfits, judged, blanks)

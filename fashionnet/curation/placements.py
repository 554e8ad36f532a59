"""Where a photo may lie in another: every window of a thumbnail compared with whole thumbnails."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashionnet.curation.looks import Looks
from fashionnet.photos import Image, read_ahead, resize

WINDOWS_OF_A_PART = 16
"""How many windows of other photos, mirrored or not, the most alike, are kept for a photo."""

LEAST_LIKENESS = 0.88
MOST_DIFFERENCE = 33.0

_PART_SIDE = 12
_WHOLE_SIDES = range(12, 19)
_STRETCH_STEP = 0.08
_WHOLES_AT_ONCE = 64


@dataclass(frozen=True, eq=False)
class Placement:
    """Where a part may lie in a whole: one row of `Placements`.

    `stretch` is the width to height of the whole's photo over that of the part's.
    """

    whole: int
    part: int
    mirrored: bool
    warp: NDArray[np.float32]
    stretch: float


@dataclass(frozen=True, eq=False)
class Placements:
    """Where M parts may lie in M wholes, as columns.

    Attributes:
        whole, part: intp (M,): rows of the photos.
        mirrored: bool (M,): whether the part has to be mirrored first.
        warps: float32 (M, 2, 3): map places in the part to places in the whole, both from 0 to 1.
        likeness: float32 (M,): the correlation of part and window.
    """

    whole: NDArray[np.intp]
    part: NDArray[np.intp]
    mirrored: NDArray[np.bool_]
    warps: NDArray[np.float32]
    likeness: NDArray[np.float32]

    def take(self, rows: NDArray[np.intp]) -> "Placements":
        """Return the rows chosen by indices."""
        return Placements(*(getattr(self, field.name)[rows] for field in fields(self)))

    def one(self, row: int) -> Placement:
        """Return one of them."""
        warp = self.warps[row]
        whole, part, is_mirrored = self.whole[row], self.part[row], self.mirrored[row]
        stretch = float(warp[1, 1] / warp[0, 0])
        return Placement(int(whole), int(part), bool(is_mirrored), warp, stretch)

    def __len__(self) -> int:
        return len(self.whole)


def likely_placements(looks: Looks, pairs: NDArray[np.intp]) -> Placements:
    """Return the likeliest places of the photos of pairs, intp (P, 2), in each other, by part.

    At 12×12 pixels each photo, as it is and mirrored, is compared with every window of the other,
    down to two thirds of the width, as a matrix product. Of the windows that correlate with it
    by LEAST_LIKENESS and whose pixels differ by MOST_DIFFERENCE of 255 at most (root mean
    square), the WINDOWS_OF_A_PART most alike stay.
    """
    small = np.zeros((len(looks), _PART_SIDE, _PART_SIDE, 3), np.uint8)
    for row in np.unique(pairs).tolist():
        small[row] = resize(looks.thumbnails[row], _PART_SIDE, _PART_SIDE)
    both_ways = np.concatenate([pairs, pairs[:, ::-1]])
    both_ways = both_ways[np.argsort(both_ways[:, 0], kind="stable")]
    wholes, starts = np.unique(both_ways[:, 0], return_index=True)
    parts = np.split(both_ways[:, 1], starts[1:])
    blocks = [
        (wholes[start : start + _WHOLES_AT_ONCE], parts[start : start + _WHOLES_AT_ONCE])
        for start in range(0, len(wholes), _WHOLES_AT_ONCE)
    ]
    found = [
        pending.result() for _, pending in read_ahead(blocks, partial(_placements_in, looks, small))
    ]
    return _likeliest(_joined(found))


def _likeliest(placements: Placements) -> Placements:
    order = np.lexsort((-placements.likeness, placements.part))
    parts = placements.part[order]
    # Of equal parts the first is where searching for the part leads.
    rank = np.arange(len(order)) - np.searchsorted(parts, parts)
    return placements.take(order[rank < WINDOWS_OF_A_PART])


def _joined(found: Sequence[Placements]) -> Placements:
    none = Placements(
        np.zeros(0, np.intp),
        np.zeros(0, np.intp),
        np.zeros(0, np.bool_),
        np.zeros((0, 2, 3), np.float32),
        np.zeros(0, np.float32),
    )
    return Placements(
        *(
            np.concatenate([getattr(part, field.name) for part in (none, *found)])
            for field in fields(Placements)
        )
    )


def _placements_in(
    looks: Looks,
    small: NDArray[np.uint8],
    block: tuple[NDArray[np.intp], Sequence[NDArray[np.intp]]],
) -> Placements:
    """Return every likely place in some wholes of the parts that go with each."""
    ratios = looks.sizes[:, 0] / np.maximum(looks.sizes[:, 1], 1)
    pixels = looks.sizes.prod(axis=1)
    found: list[Placements] = []
    for whole, parts in zip(block[0].tolist(), block[1], strict=True):
        # Of photos of equal size it is the later one.
        is_larger = (pixels[parts] > pixels[whole]) | (
            (pixels[parts] == pixels[whole]) & (parts > whole)
        )
        steps = np.round(np.log(ratios[whole] / ratios[parts]) / _STRETCH_STEP)
        for step in np.unique(steps).tolist():
            windows, warps = _windows(looks.thumbnails[whole], float(np.exp(step * _STRETCH_STEP)))
            if len(warps):
                here = steps == step
                found += _alike(whole, parts[here], is_larger[here], windows, warps, small)
    return _joined(found)


def _alike(
    whole: int,
    parts: NDArray[np.intp],
    is_larger: NDArray[np.bool_],
    windows: NDArray[Any],
    warps: NDArray[np.float32],
    small: NDArray[np.uint8],
) -> Iterator[Placements]:
    """Yield where parts are like a window, upright and mirrored: the likeliest place of each.

    Many garments are like their own mirror image at this size: both ways are kept. Where a part
    may be all of the whole, only the smaller of the two photos, which has less detail, is the
    part: `is_larger` says of which parts it is the whole.
    """
    units, lengths, means = _centred(windows)
    for is_mirrored in (False, True):
        images = small[parts][:, :, ::-1] if is_mirrored else small[parts]
        unit_parts, part_lengths, part_means = _centred(images)
        likeness = units @ unit_parts.T
        places = likeness.argmax(axis=0)
        likeness = likeness[places, np.arange(len(parts))]
        # |a − b|² of the pixels, from what is known of them centred and of their means.
        a, b = lengths[places], part_lengths
        squares = (a * a + b * b - 2 * a * b * likeness) / units.shape[1]
        squares += (means[places] - part_means) ** 2
        near = (likeness >= LEAST_LIKENESS) & (squares <= MOST_DIFFERENCE**2)
        is_all = (warps[places, 0, 0] == 1) & (warps[places, 1, 1] == 1)
        near = np.flatnonzero(near & ~(is_all & is_larger))
        yield Placements(
            np.full(len(near), whole, np.intp),
            parts[near],
            np.full(len(near), is_mirrored),
            warps[places[near]],
            likeness[near],
        )


def _windows(whole: Image, stretch: float) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Return every window of a whole, uint8 (W, 12, 12, 3), and where it lies, (W, 2, 3).

    `stretch` is the width to height of the whole's photo over that of the part's: what squashing
    both to squares did to the part.
    """
    windows, warps = [np.zeros((0, _PART_SIDE, _PART_SIDE, 3), np.uint8)], []
    for width in _WHOLE_SIDES:
        height = round(width / stretch)
        if height not in _WHOLE_SIDES:
            continue
        image = resize(whole, width, height)
        views = np.lib.stride_tricks.sliding_window_view(image, (_PART_SIDE, _PART_SIDE), (0, 1))
        windows.append(np.moveaxis(views, 2, -1).reshape(-1, _PART_SIDE, _PART_SIDE, 3))
        shares = _PART_SIDE / width, _PART_SIDE / height
        warps += [
            [[shares[0], 0, left / width], [0, shares[1], top / height]]
            for top in range(height - _PART_SIDE + 1)
            for left in range(width - _PART_SIDE + 1)
        ]
    return np.concatenate(windows), np.array(warps, np.float32).reshape(-1, 2, 3)


def _centred(
    images: NDArray[Any],
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Return images as rows less their means, of unit length, (N, 432), the lengths, the means."""
    rows = images.reshape(len(images), -1).astype(np.float32)
    means = rows.mean(axis=1)
    rows -= means[:, None]
    lengths = np.linalg.norm(rows, axis=1)
    return rows / np.maximum(lengths, np.float32(1e-6))[:, None], lengths, means

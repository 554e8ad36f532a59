"""Find a top and the part of a bottom below it on a photo of one dressed, standing person.

No network is asked: a studio photo of a shop is regular enough for colours and rows. On the photo,
scaled to FRAME×FRAME pixels,

1. the background is what a flood from the rim reaches through colours that hardly change;
2. the face is skin, by its range in YCrCb (Chai and Ngan, "Face segmentation using skin-color map
   in videophone applications", 1999, widened), in the middle of the first rows that are figure;
3. the waist is the row r below the face that parts the middle columns best: over the rows' colours
   (mean and deviation of L*, a*, b*) it maximises n_a n_b / (n_a + n_b) · |mean_a - mean_b|² / w,
   with n_a and n_b rows above and below it and w the variance within both;
4. a pixel belongs to the top or to the bottom if its colour is likelier there than in the other,
   on the head or on the face; what is joined to the largest piece stays.

A photo is refused, with a reason, where a step finds nothing or the colours above and below the
waist overlap by MOST_OVERLAP or more: a black top over black trousers shows no waist.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from fashionnet.photos import Image, resize

FRAME = 224
MOST_OVERLAP = 0.25
"""Refused from here on: the overlap Σ_b min(h_top(b), h_bottom(b)) of two colour histograms."""

COLOUR_BINS = 13 * 32 * 32

_FLOOD_STEP = 3
_SEEDS = (
    *((x, y) for y in (0, FRAME // 3, 2 * FRAME // 3) for x in (0, FRAME - 1)),
    *((x, 0) for x in (FRAME // 4, 3 * FRAME // 4)),
)
_SHARE_OF_BACKGROUND = 0.02
"""Of the background's pixels, from which on a colour below the waist is taken for background."""

_FEWEST_IN_A_ROW = 7
_SMALLEST_FACE = 120
_WIDEST_HEAD = 0.45
_BAND, _TORSO = 0.09, 0.16
_CHEST_BELOW_FACE = 0.24
_SHORTEST_TOP = 0.14
_LOWEST_WAIST = FRAME - 10
_GAP = 5
"""Rows on either side of the waist that are left out where colours are counted."""

_MARGIN = 6
"""Rows on either side of the waist that belong to neither garment: hems, belts and shadows."""

_NEARLY_BEST = 0.4
_SMALLEST_DIFFERENCE = 150.0
_MOST_SKIN = 0.5
_SMALLEST_SHARE_OF_BAND = 0.5
_SMALLEST_BOTTOM = 700

Mask = NDArray[np.bool_]


class NotWornError(Exception):
    """A photo on which no top over a bottom was found; the message is the reason."""


@dataclass(frozen=True, eq=False)
class Worn:
    """A top and the part of a bottom that a person wears.

    Attributes:
        image: the photo, uint8 (FRAME, FRAME, 3).
        top: bool (FRAME, FRAME), its pixels without the margin above the waist.
        bottom: the same of the bottom, without the margin below.
        waist: the row between them.
        head: uint8 (H, W, 3), hair and face with the background around them, and no garment.
        top_colours: float32 (COLOUR_BINS,), the histogram of the torso that was compared.
        bottom_colours: the same of the bottom.
    """

    image: Image
    top: Mask
    bottom: Mask
    waist: int
    head: Image
    top_colours: NDArray[np.float32]
    bottom_colours: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class _Figure:
    """A photo taken apart: its colours, what is no background, skin, and where the face is."""

    image: Image
    lab: NDArray[np.float32]
    bins: NDArray[np.intp]
    figure: Mask
    like_background: Mask
    skin: Mask
    face: Mask
    first_row: int
    face_row: int
    face_column: int

    def columns(self, half_width: float) -> slice:
        half = int(half_width * FRAME)
        return slice(max(0, self.face_column - half), self.face_column + half)

    @property
    def chest_row(self) -> int:
        return int(self.face_row + _CHEST_BELOW_FACE * FRAME)

    def within(self, rows: slice, columns: slice) -> Mask:
        """Return the figure's pixels inside a rectangle."""
        inside = np.zeros_like(self.figure)
        inside[rows, columns] = True
        return inside & self.figure

    def legs(self, waist: int) -> Mask:
        """Return the middle of what is below a waist, without the gap between the legs."""
        band = self.columns(_BAND)
        return self.within(slice(waist + _GAP, None), band) & ~self.like_background


def find_worn(image: Image) -> Worn:
    """Return the garments that a dressed person on a photo wears; NotWornError for no such photo.

    `image` is uint8 (H, W, 3), RGB, of any size; the figure may touch the lower rim only.
    """
    figure = _figure(resize(image, FRAME, FRAME))
    waist, top_colours, bottom_colours = _waist(figure)
    band = figure.columns(_BAND)
    chest = np.zeros_like(figure.figure)
    chest[figure.chest_row : waist - _GAP, band] = True
    legs = figure.legs(waist)
    if figure.skin[legs].mean() > _MOST_SKIN:
        raise NotWornError("bare legs")
    top, bottom = _garments(figure, waist, chest, legs)
    legs[: waist + _MARGIN + 1] = False
    if min(top[chest].mean(), bottom[legs].mean() if legs.any() else 0) < _SMALLEST_SHARE_OF_BAND:
        raise NotWornError("garments that do not stand out")
    if bottom.sum() < _SMALLEST_BOTTOM:
        raise NotWornError("too little of a bottom")
    head = figure.image[
        figure.first_row : int(figure.face_row + 0.06 * FRAME), figure.columns(_TORSO)
    ]
    return Worn(figure.image, top, bottom, waist, head, top_colours, bottom_colours)


def find_figure(image: Image) -> tuple[Image, Mask]:
    """Return a photo at FRAME×FRAME and what of it is no background: bool (FRAME, FRAME).

    Skin is part of the figure, since beige cloth is of its colours.
    """
    frame = resize(image, FRAME, FRAME)
    background = _background(frame)
    figure = ~background & ~_like(background, _colours(frame)[1])
    return frame, cv2.erode(figure.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0


def overlap(tops: NDArray[np.floating], bottoms: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return Σ_b min(h_top(b), h_bottom(b)) of every top with every bottom: float32 (T, B).

    Both are histograms, (T, bins) and (B, bins). Of a pair that was found it is below
    MOST_OVERLAP, so that a pair made up to be a wrong one must be too: else the two kinds could
    be told apart by how they were chosen.
    """
    used = np.asarray(tops).any(axis=0) & np.asarray(bottoms).any(axis=0)
    tops, bottoms = (np.asarray(h, np.float32)[:, used] for h in (tops, bottoms))
    return np.stack([np.minimum(top, bottoms).sum(axis=1) for top in tops]).astype(np.float32)


def _figure(image: Image) -> _Figure:
    figure = ~_background(image)
    rows = figure.sum(axis=1) >= _FEWEST_IN_A_ROW
    first_row = int(rows.argmax())
    if rows.sum() < FRAME // 2 or first_row > FRAME // 4:
        raise NotWornError("no standing figure")
    skin = _skin(image) & figure
    face = np.zeros_like(figure)
    face[first_row : first_row + FRAME // 5, int(0.3 * FRAME) : int(0.7 * FRAME)] = True
    face &= skin
    if face.sum() < _SMALLEST_FACE:
        raise NotWornError("no face")
    face_row, face_column = (int(np.median(places)) for places in np.nonzero(face))
    if figure[face_row].mean() > _WIDEST_HEAD:
        raise NotWornError("no head of its own")
    lab, bins = _colours(image)
    like_background = _like(~figure, bins)
    return _Figure(
        image, lab, bins, figure, like_background, skin, face, first_row, face_row, face_column
    )


def _colours(image: Image) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Return L*, a*, b* of each pixel, and the bin of a histogram that it falls into."""
    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB).astype(np.float32)
    steps = np.floor((lab - (0, -128, -128)) / 8).astype(np.intp)
    return lab, (steps[..., 0] * 32 + steps[..., 1]) * 32 + steps[..., 2]


def _like(background: Mask, bins: NDArray[np.intp]) -> Mask:
    """Return where colours are those of the background.

    A gap that the figure encloses is not reached from the rim.
    """
    return np.asarray((_histogram(bins, background) > _SHARE_OF_BACKGROUND)[bins])


def _background(image: Image) -> Mask:
    reached = np.zeros((FRAME + 2, FRAME + 2), np.uint8)
    flags = 4 | cv2.FLOODFILL_MASK_ONLY | (1 << 8)
    step = (_FLOOD_STEP,) * 3
    for x, y in _SEEDS:
        if not reached[y + 1, x + 1]:
            cv2.floodFill(image.copy(), reached, (x, y), (0, 0, 0), step, step, flags)
    return reached[1:-1, 1:-1].astype(bool)


def _skin(image: Image) -> Mask:
    light, red, blue = np.moveaxis(cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb), -1, 0)
    return (light > 50) & (red > 134) & (red < 180) & (blue > 75) & (blue < 128)


def _histogram(bins: NDArray[np.intp], pixels: Mask) -> NDArray[np.float32]:
    """Return how often each colour occurs, smoothed over its neighbours: (COLOUR_BINS,)."""
    counts = np.bincount(bins[pixels], minlength=COLOUR_BINS).astype(np.float32)
    counts = counts.reshape(-1, 32, 32)
    smooth = np.stack([cv2.blur(level, (3, 3)) for level in counts])
    padded = np.pad(smooth, ((1, 1), (0, 0), (0, 0)))
    smooth = (padded[:-2] + 2 * padded[1:-1] + padded[2:]) / 4
    return (smooth.ravel() / max(1, int(pixels.sum()))).astype(np.float32)


def _waist(figure: _Figure) -> tuple[int, NDArray[np.float32], NDArray[np.float32]]:
    """Return the row of the waist, and the colours of the torso above and of the legs below it."""
    start = figure.chest_row
    rows = range(start + int(_SHORTEST_TOP * FRAME), _LOWEST_WAIST)
    if not rows:
        raise NotWornError("no room for a waist")
    band = figure.lab[:, figure.columns(_BAND)]
    features = np.concatenate([band.mean(axis=1), band.std(axis=1)], axis=1)
    gains, differences = np.array([_parting(features, start, row) for row in rows]).T
    for place in np.argsort(-gains):
        if gains[place] < _NEARLY_BEST * gains.max() or differences[place] < _SMALLEST_DIFFERENCE:
            continue
        row = rows[place]
        torso = figure.within(slice(start, row - _GAP), figure.columns(_TORSO))
        legs = figure.legs(row)
        if legs.sum() < _SMALLEST_BOTTOM // 2:
            continue
        colours = _histogram(figure.bins, torso), _histogram(figure.bins, legs)
        if np.minimum(*colours).sum() < MOST_OVERLAP:
            return row, *colours
    raise NotWornError("no waist between two colours")


def _parting(features: NDArray[np.float32], start: int, row: int) -> tuple[float, float]:
    """Return how well a row parts the rows above from those below, and how far these differ."""
    above, below = features[start : row - 3], features[row + 3 :]
    counts = len(above), len(below)
    difference = float(((above.mean(axis=0) - below.mean(axis=0)) ** 2).sum())
    within = counts[0] * above.var(axis=0).sum() + counts[1] * below.var(axis=0).sum()
    # A little variance is in every photo; without it, plain cloth would outweigh everything.
    spread = float(within) / sum(counts) + 8
    return counts[0] * counts[1] / sum(counts) * difference / spread, difference


def _garments(figure: _Figure, waist: int, chest: Mask, legs: Mask) -> tuple[Mask, Mask]:
    face, top, bottom = (_histogram(figure.bins, part) for part in (figure.face, chest, legs))
    rows = np.arange(FRAME)[:, None]
    own_skin = figure.skin & (face > np.maximum(top, bottom))[figure.bins]
    cloth = figure.figure & ~own_skin
    hair = cloth & (rows >= figure.first_row) & (rows < figure.face_row + 0.02 * FRAME)
    hair_colours = _histogram(figure.bins, hair)
    likelier = (top > hair_colours) & (top > bottom)
    below_face = rows > figure.face_row + 0.08 * FRAME
    upper = cloth & likelier[figure.bins] & below_face & (rows < waist - _MARGIN)
    lower = cloth & (bottom > top)[figure.bins] & (rows > waist + _MARGIN)
    solid = ~figure.like_background
    return _largest_piece(upper), _largest_piece(lower & solid) & solid


def _largest_piece(mask: Mask) -> Mask:
    closed = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    # The outermost pixels are a mixture with what lies behind.
    inner = cv2.erode(closed, np.ones((3, 3), np.uint8))
    count, pieces, statistics, _ = cv2.connectedComponentsWithStats(inner, connectivity=4)
    if count < 2:
        return np.zeros_like(mask)
    return np.asarray(pieces == 1 + statistics[1:, cv2.CC_STAT_AREA].argmax())

"""The colours of the garment on a photo, by the names that shops give them.

A photo is looked at in CIELAB at 96×96 pixels. The garment is taken to fill the middle, an ellipse,
and what lies around it to reach the rim. With h_m(b) and h_r(b) the shares of the middle's and of
the rim's pixels that fall into a bin b of colours, a pixel of the middle is garment where

    h_m(b) >= h_r(b)

and background otherwise: a white wall that shows beside a shirt covers more of the rim than of the
middle. Each garment pixel counts for the named colour with the nearest shade, lightness counting
half.
"""

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from fashionnet.errors import RequestError
from fashionnet.photos import Image, resize

COLOUR = "colour"
"""What the colour of a garment is called where attributes are named."""

SIDE = 96
SMALLEST_SHARE = 0.1
"""Colours that cover less of the garment are not named: seams, shadows and buttons."""

SMALLEST_GARMENT = 0.08
"""Where less of the middle has a colour of its own, all of it is taken for the garment."""

Shades = tuple[tuple[int, int, int], ...]

NAMED_COLOURS: dict[str, Shades] = {
    "Black": ((27, 27, 31), (50, 52, 52)),
    "White": ((240, 239, 239), (252, 252, 252)),
    "Grey": ((112, 117, 118), (160, 160, 162), (209, 209, 205)),
    "Navy Blue": ((33, 38, 66), (57, 63, 84)),
    "Blue": ((66, 104, 172), (77, 87, 142), (119, 155, 176), (194, 208, 220)),
    "Turquoise Blue": ((70, 190, 200),),
    "Green": ((62, 140, 82), (132, 186, 138), (95, 120, 108)),
    "Olive": ((104, 102, 64),),
    "Khaki": ((172, 158, 122),),
    "Yellow": ((240, 208, 70), (244, 226, 140)),
    "Orange": ((232, 116, 52),),
    "Red": ((194, 36, 48), (196, 62, 73), (206, 110, 106)),
    "Maroon": ((104, 30, 44),),
    "Pink": ((219, 109, 158), (230, 130, 164), (221, 193, 198)),
    "Magenta": ((196, 36, 112),),
    "Purple": ((98, 62, 128), (120, 87, 123), (202, 180, 194)),
    "Brown": ((100, 72, 56), (140, 108, 90)),
    "Beige": ((214, 198, 172),),
    "Cream": ((240, 230, 206),),
}
"""Names of styles.csv's baseColour that garments bear, and typical sRGB values of each.

They were set by eye and by 230 photos of the catalogue. Left out are the metals, which watches
bear, and names too rare to be told apart.
"""

_LOWEST = (0, -128, -128)
_BIN_WIDTHS = (3, 8, 8)
_BIN_COUNT = 34 * 32 * 32
_RIM = 5

# Of squared differences. Folds and shadows change how light a fabric is, and little else.
_WEIGHTS = np.array([0.25, 1, 1], np.float32)


def colour_named(name: str) -> str:
    """Return a colour's name as it is spelt here, whatever its case; RequestError if unknown."""
    for known in NAMED_COLOURS:
        if known.lower() == " ".join(name.lower().replace("_", " ").split()):
            return known
    raise RequestError(f"no colour {name!r}: expected one of " + ", ".join(NAMED_COLOURS))


def garment_colours(image: Image) -> dict[str, float]:
    """Return the named colours of a photo's garment and their shares, the largest first.

    `image` is uint8 (H, W, 3), RGB. At least one colour is named; those below `SMALLEST_SHARE`
    are not, so that the shares sum to 1 or less.

    >>> garment_colours(np.full((120, 90, 3), (190, 30, 40), np.uint8))
    {'Red': 1.0}
    """
    lab = _lab(resize(image, SIDE, SIDE))
    bins = _bins(lab)
    middle, rim = _middle(), _rim()
    in_middle = np.bincount(bins[middle], minlength=_BIN_COUNT) / middle.sum()
    in_rim = np.bincount(bins[rim], minlength=_BIN_COUNT) / rim.sum()
    garment = middle & (in_middle >= in_rim)[bins]
    # A white shirt before a white wall has next to no colour of its own.
    if garment.sum() < SMALLEST_GARMENT * middle.sum():
        garment = middle
    shades, colour_of = _shades()
    # Σ w (x - s)² less Σ w x², which is the same for every shade.
    weighted = shades * _WEIGHTS
    distances = (weighted * shades).sum(axis=1) - 2 * lab[garment] @ weighted.T
    nearest = distances.argmin(axis=1)
    shares = np.bincount(colour_of[nearest], minlength=len(NAMED_COLOURS)) / garment.sum()
    names = list(NAMED_COLOURS)
    order = np.argsort(-shares, kind="stable")
    first = order[0]
    return {
        names[place]: round(float(shares[place]), 4)
        for place in order
        if place == first or shares[place] >= SMALLEST_SHARE
    }


def _lab(image: Image) -> NDArray[np.float32]:
    """Return CIELAB, float32 (H, W, 3): L from 0 to 100, a and b around 0."""
    return np.asarray(cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB))


def _bins(lab: NDArray[np.float32]) -> NDArray[np.intp]:
    """Number the bins that a photo's colours fall into: intp (H, W), from 0 to _BIN_COUNT - 1."""
    # A channel at a time: numpy is slow over a last axis of three.
    channels = zip(cv2.split(lab), _LOWEST, _BIN_WIDTHS, strict=True)
    lightness, a, b = (((c - lowest) / width).astype(np.intp) for c, lowest, width in channels)
    return (lightness * 32 + a) * 32 + b


@cache
def _shades() -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Return all shades in CIELAB, (S, 3), and the number of the colour of each."""
    shades = np.array([[shade for shades in NAMED_COLOURS.values() for shade in shades]], np.uint8)
    colour_of = np.repeat(np.arange(len(NAMED_COLOURS)), [len(s) for s in NAMED_COLOURS.values()])
    return _lab(shades)[0], colour_of


@cache
def _middle() -> NDArray[np.bool_]:
    down, right = np.mgrid[:SIDE, :SIDE] / SIDE
    # Trousers come in from below, faces from above.
    return ((right - 0.5) / 0.18) ** 2 + ((down - 0.44) / 0.24) ** 2 <= 1


@cache
def _rim() -> NDArray[np.bool_]:
    rim = np.ones((SIDE, SIDE), np.bool_)
    rim[_RIM:-_RIM, _RIM:-_RIM] = False
    return rim

"""Pictures cut from a photo of worn garments, so that no two of them share what tells them apart.

A top and a bottom of one photo share its background, its skin, the line where they meet and, if
each is framed by its own outline, the height of the hem: a low hem leaves a short strip of bottom.
None of that says what goes with what, and any of it says which two come from one photo. So a
garment's cloth is a window of one size, somewhere inside the garment, with what is not the garment
painted over in its mean colour; only one of the two of a pair may be seen in its own shape.
"""

import cv2
import numpy as np

from fashionnet.compatibility.worn import FRAME, Mask, Worn
from fashionnet.photos import Image, resize

CLOTH_HEIGHT, CLOTH_WIDTH = 20, 40
"""Of the window, in pixels of a photo of FRAME×FRAME."""

SMALLEST_SHARE_OF_CLOTH = 0.8
"""How much of the window must be the garment itself."""

WHITE = 255
_SEAM = 4


def cut_cloth(image: Image, garment: Mask, central: bool = False) -> Image | None:
    """Return a window that is all garment: uint8 (CLOTH_HEIGHT, CLOTH_WIDTH, 3).

    Of the windows that hold most of the garment it is the middle one or, if `central`, the one
    nearest to the garment's centre of mass. None where even that holds less than
    SMALLEST_SHARE_OF_CLOTH.
    """
    sums = cv2.integral(garment.astype(np.uint8))
    right, down = CLOTH_WIDTH, CLOTH_HEIGHT
    inside = (
        sums[down:, right:] - sums[:-down, right:] - sums[down:, :-right] + sums[:-down, :-right]
    )
    if inside.max() < SMALLEST_SHARE_OF_CLOTH * CLOTH_HEIGHT * CLOTH_WIDTH:
        return None
    places = np.argwhere(inside == inside.max())
    middle = places.mean(axis=0)
    if central:
        middle = np.argwhere(garment).mean(axis=0) - (CLOTH_HEIGHT / 2, CLOTH_WIDTH / 2)
    row, column = places[np.abs(places - middle).sum(axis=1).argmin()]
    rows, columns = slice(row, row + CLOTH_HEIGHT), slice(column, column + CLOTH_WIDTH)
    window, own = image[rows, columns].copy(), garment[rows, columns]
    window[~own] = window[own].mean(axis=0).round()
    return window


def spread_cloth(cloth: Image, side: int = FRAME) -> Image:
    """Fill a square with a window of cloth, mirrored at its edges: uint8 (side, side, 3)."""
    # Catalogue photos are 3:4 and lie squashed in the frame, so that rows are taller than wide.
    height = side * CLOTH_HEIGHT * 4 // (CLOTH_WIDTH * 3)
    scaled = resize(cloth, side, height)
    return cv2.copyMakeBorder(scaled, 0, side - height, 0, 0, cv2.BORDER_REFLECT).astype(np.uint8)


def cut_shape(image: Image, garment: Mask) -> Image:
    """Return a garment alone before white, uint8 (FRAME, FRAME, 3), where it is on the photo."""
    return np.where(garment[..., None], image, np.uint8(WHITE))


def cut_surroundings(worn: Worn, above: bool) -> Image:
    """Return what is no garment, above or below the waist: background, hair and skin.

    uint8 (FRAME, FRAME, 3); white where the garments, their edges and the other side were.
    """
    garments = (worn.top | worn.bottom).astype(np.uint8)
    seam = np.ones((2 * _SEAM + 1, 2 * _SEAM + 1), np.uint8)
    rest = cv2.dilate(cv2.morphologyEx(garments, cv2.MORPH_CLOSE, seam), seam) == 0
    if above:
        rest[worn.waist - _SEAM :] = False
    else:
        rest[: worn.waist + _SEAM] = False
    return cut_shape(worn.image, rest)

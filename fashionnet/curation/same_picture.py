"""Whether a photo is the same picture as another, or cut out of it: where it lies, how it fits.

Three looks, each at fewer pairs and closer than the one before:

1. At 12×12 pixels the part is compared with every window of the whole, as a matrix product
   (`fashionnet.curation.placements`).
2. At 32×32 it is fitted by an affine map (Evangelidis and Psarakis, 2008, "Parametric image
   alignment using enhanced correlation coefficient maximization").
3. At 160×160 it is fitted again; then detail, lightness and colour have to agree. Garments of one
   cut, photographed alike, pass the first two looks: it is the colour, or the detail, that differs.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fashionnet.curation.looks import THUMBNAIL_SIDE, Looks
from fashionnet.curation.placements import Placement, Placements, likely_placements
from fashionnet.photos import Image, UnreadablePhotoError, decode, read_ahead, read_bytes, resize

LEAST_CORRELATION = 0.86
MOST_ROUGH_LIGHTNESS_DIFFERENCE = 9.0
MOST_ROUGH_COLOUR_DIFFERENCE = 7.0
LEAST_DETAIL = 0.8
MOST_LIGHTNESS_DIFFERENCE = 3.0
MOST_COLOUR_DIFFERENCE = 4.0
SHARE_OF_PIXELS = 0.95
"""How many of the pixels may not differ by more than these bounds, in units of CIE L*a*b*."""

_SEARCH_SIDE = 96
_FINE_SIDE = 160
_PARTS_AT_ONCE = 256
_FITS_AT_ONCE = 32
_ENDS = cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT
_ROUGH_STEPS, _FINE_STEPS = (_ENDS, 10, 3e-3), (_ENDS, 30, 1e-3)


def same_pictures(
    looks: Looks,
    photos: Sequence[Path],
    pairs: NDArray[np.intp],
    advance: Callable[[int], None] = lambda count: None,
) -> NDArray[np.intp]:
    """Return those of the pairs, intp (P, 2), of which one is the other or is cut out of it.

    Parts down to two thirds of the width are found, mirrored or not. `advance` is called with
    numbers of photos that are done, out of those in the looks.
    """
    from threadpoolctl import threadpool_limits

    # The products are many and small: threads would wait for each other longer than they compute.
    with threadpool_limits(1, user_api="blas"):
        likely = likely_placements(looks, pairs)
    parts = np.unique(likely.part)
    advance(len(looks) - len(parts))
    found = []
    for start in range(0, len(parts), _PARTS_AT_ONCE):
        here = parts[start : start + _PARTS_AT_ONCE]
        rows = np.arange(*np.searchsorted(likely.part, [here[0], here[-1] + 1]))
        for placement in _same(looks, photos, likely.take(rows)):
            found.append((placement.whole, placement.part))
        advance(len(here))
    return np.unique(np.array(found, np.intp).reshape(-1, 2), axis=0)


def _same(looks: Looks, photos: Sequence[Path], placements: Placements) -> Iterator[Placement]:
    """Yield the placements of which the closer looks say that they are right."""
    likely = [placements.one(row) for row in range(len(placements))]
    lots = [likely[start : start + _FITS_AT_ONCE] for start in range(0, len(likely), _FITS_AT_ONCE)]
    fitted = [
        placement
        for _, pending in read_ahead(lots, partial(_fitted_roughly, looks.thumbnails))
        for placement in pending.result()
    ]
    images = _images({row for placed in fitted for row in (placed.whole, placed.part)}, photos)
    # A photo that has gone since it was looked at has no image.
    fitted = [placed for placed in fitted if placed.whole in images and placed.part in images]
    for placement, pending in read_ahead(fitted, partial(_is_same_picture, images)):
        if pending.result():
            yield placement


def _images(rows: Collection[int], photos: Sequence[Path]) -> dict[int, Image]:
    def read(row: int) -> Image:
        image = decode(read_bytes(photos[row]), minimum_side=_FINE_SIDE)
        return resize(image, _FINE_SIDE, _FINE_SIDE)

    images: dict[int, Image] = {}
    for row, pending in read_ahead(sorted(rows), read):
        with suppress(UnreadablePhotoError):
            images[row] = pending.result()
    return images


def _fitted_roughly(
    thumbnails: NDArray[np.uint8], placements: Sequence[Placement]
) -> list[Placement]:
    """Return the placements that fit at 32×32, as they fit best."""
    fitted = []
    for placement in placements:
        fit = _fit(thumbnails[placement.whole], thumbnails[placement.part], placement)
        if fit is not None and fit.correlation >= LEAST_CORRELATION:
            lightness, colour = _differences(fit.window, fit.part, 5)
            if (
                lightness <= MOST_ROUGH_LIGHTNESS_DIFFERENCE
                and colour <= MOST_ROUGH_COLOUR_DIFFERENCE
            ):
                fitted.append(replace(placement, warp=fit.warp))
    return fitted


def _is_same_picture(images: Mapping[int, Image], placement: Placement) -> bool:
    whole, part = images[placement.whole], images[placement.part]
    agrees, is_near = _agrees(whole, part, placement)
    if agrees or not is_near:
        return agrees
    # Dots, stripes and checks may have drawn the fit to a place one repeat beside the right one.
    return _agrees(whole, part, _searched(whole, part, placement))[0]


def _agrees(whole: Image, part: Image, placement: Placement) -> tuple[bool, bool]:
    """Return whether two images agree, and whether they come near that in lightness and colour."""
    fit = _fit(whole, part, placement)
    if fit is None:
        return False, False
    lightness, colour = _differences(fit.window, fit.part, 7)
    has_detail = _correlation(_detail(fit.window), _detail(fit.part)) >= LEAST_DETAIL
    worst = max(lightness / MOST_LIGHTNESS_DIFFERENCE, colour / MOST_COLOUR_DIFFERENCE)
    return worst <= 1 and has_detail, worst <= 2


def _searched(whole: Image, part: Image, placement: Placement) -> Placement:
    """Lay a part over a whole at every place and scale; return where they correlate most."""
    part = part[:, ::-1] if placement.mirrored else part
    small, large = (
        _grey(resize(image, _SEARCH_SIDE, _SEARCH_SIDE)).astype(np.uint8, copy=False)
        for image in (part, whole)
    )
    highest, warp = -1.0, placement.warp
    for width in range(round(0.62 * _SEARCH_SIDE), _SEARCH_SIDE + 1):
        height = min(round(width * placement.stretch), _SEARCH_SIDE)
        if height < _SEARCH_SIDE // 2:
            continue
        window = resize(small, width, height)
        likeness = cv2.matchTemplate(large, window, cv2.TM_CCOEFF_NORMED)
        _, here, _, (left, top) = cv2.minMaxLoc(likeness)
        if here > highest:
            shares = np.array([[width, 0, left], [0, height, top]], np.float32)
            highest, warp = here, shares / np.float32(_SEARCH_SIDE)
    return replace(placement, warp=warp)


@dataclass(frozen=True, eq=False)
class _Fit:
    correlation: float
    warp: NDArray[np.float32]
    window: Image
    part: Image


def _fit(whole: Image, part: Image, placement: Placement) -> _Fit | None:
    """Improve a placement of one square image in another; None where they have nothing alike."""
    side = len(part)
    is_rough = side == THUMBNAIL_SIDE
    part = np.ascontiguousarray(part[:, ::-1]) if placement.mirrored else part
    to_pixels = np.array([1, 1, side], np.float32)
    try:
        correlation, warp = cv2.findTransformECC(
            _grey(part),
            _grey(whole),
            placement.warp * to_pixels,
            cv2.MOTION_AFFINE,
            _ROUGH_STEPS if is_rough else _FINE_STEPS,
            np.full(part.shape[:2], 255, np.uint8),
            3 if is_rough else 5,
        )
    except cv2.error:
        # Of an image without any difference there is no best place.
        return None
    window = cv2.warpAffine(
        whole,
        warp,
        (side, side),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    fitted = (np.asarray(warp) / to_pixels).astype(np.float32)
    return _Fit(float(correlation), fitted, window.astype(np.uint8, copy=False), part)


def _differences(one: Image, two: Image, blur: int) -> tuple[float, float]:
    """Return how far two images differ in lightness and in colour, in units of CIE L*a*b*.

    Of both it is what SHARE_OF_PIXELS stay below, after a blur that forgives small shifts.
    """
    a, b = (cv2.cvtColor(i.astype(np.float32) / 255, cv2.COLOR_RGB2LAB) for i in (one, two))
    difference = np.abs(cv2.blur(a - b, (blur, blur)))
    colour = np.hypot(difference[..., 1], difference[..., 2])
    place = int(SHARE_OF_PIXELS * (colour.size - 1))
    lightness = difference[..., 0].ravel()
    return float(np.partition(lightness, place)[place]), float(
        np.partition(colour.ravel(), place)[place]
    )


def _grey(image: Image) -> NDArray[Any]:
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)


def _detail(image: Image) -> NDArray[np.float32]:
    grey = _grey(image).astype(np.float32)
    return grey - cv2.GaussianBlur(grey, (0, 0), 2)


def _correlation(one: NDArray[np.float32], two: NDArray[np.float32]) -> float:
    a, b = (values - values.mean() for values in (one, two))
    return float((a * b).sum() / max(float(np.sqrt((a * a).sum() * (b * b).sum())), 1e-6))

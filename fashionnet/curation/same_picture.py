"""Whether a photo is the same picture as another, or cut out of it: where it lies, how it fits.

Three looks, each at fewer pairs and closer than the one before:

1. At 12×12 pixels the part is compared with every window of the whole, as a matrix product.
2. At 32×32 it is fitted by an affine map (Evangelidis and Psarakis, 2008, "Parametric image
   alignment using enhanced correlation coefficient maximization").
3. At 160×160 it is fitted again; then detail, lightness and colour have to agree. Garments of one
   cut, photographed alike, pass the first two looks: it is the colour, or the detail, that differs.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fashionnet.curation.looks import THUMBNAIL_SIDE, Looks
from fashionnet.photos import Image, UnreadablePhotoError, decode, read_ahead, read_bytes, resize

WINDOWS_OF_A_PART = 16
"""How many windows of other photos, mirrored or not, the most alike, a photo is fitted to."""

LEAST_LIKENESS = 0.88
LEAST_CORRELATION = 0.86
MOST_DIFFERENCE = 10.0
LEAST_DETAIL = 0.8
MOST_LIGHTNESS_DIFFERENCE = 3.0
MOST_COLOUR_DIFFERENCE = 4.0

_PART_SIDE = 12
_WHOLE_SIDES = range(12, 19)
_SEARCH_SIDE = 96
_FINE_SIDE = 160
_PHOTOS_IN_MEMORY = 1024
_STRETCH_STEP = 0.08
_STEPS = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 30, 1e-3)


@dataclass(frozen=True, eq=False)
class Placement:
    """Where a part lies in a whole.

    Attributes:
        whole, part: rows of the photos.
        mirrored: whether the part has to be mirrored first.
        warp: float32 (2, 3): maps places in the part to places in the whole, both from 0 to 1.
    """

    whole: int
    part: int
    mirrored: bool
    warp: NDArray[np.float32]


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

    placed = []
    # The products are many and small: threads would wait for each other longer than they compute.
    with threadpool_limits(1, user_api="blas"):
        rows, likely = _likely_placements(looks, pairs)
    advance(len(looks) - len(rows))
    for row in rows:
        for placement in likely[row]:
            fitted = _fitted_roughly(looks.thumbnails, placement)
            if fitted is not None:
                placed.append(fitted)
        advance(1)
    found = [
        (placement.whole, placement.part)
        for placement, whole, part in _with_images(placed, photos)
        if _is_same_picture(whole, part, placement)
    ]
    return np.unique(np.array(found, np.intp).reshape(-1, 2), axis=0)


# --- The first look --------------------------------------------------------------------------


def _likely_placements(
    looks: Looks, pairs: NDArray[np.intp]
) -> tuple[list[int], dict[int, list[Placement]]]:
    """Return parts, and for each the windows of other photos that are most like it."""
    small = (
        np.stack([resize(image, _PART_SIDE, _PART_SIDE) for image in looks.thumbnails])
        if len(looks)
        else looks.thumbnails
    )
    ratios = looks.sizes[:, 0] / np.maximum(looks.sizes[:, 1], 1)
    both_ways = np.concatenate([pairs, pairs[:, ::-1]])
    both_ways = both_ways[np.argsort(both_ways[:, 0], kind="stable")]
    wholes, starts = np.unique(both_ways[:, 0], return_index=True)
    best: dict[int, list[tuple[float, Placement]]] = {}
    for whole, parts in zip(wholes.tolist(), np.split(both_ways[:, 1], starts[1:]), strict=False):
        stretches = np.log(ratios[whole] / ratios[parts]) / _STRETCH_STEP
        for step in np.unique(np.round(stretches)):
            windows, warps = _windows(looks.thumbnails[whole], float(np.exp(step * _STRETCH_STEP)))
            these = parts[np.round(stretches) == step]
            if not len(warps):
                continue
            upright = windows @ _unit_rows(small[these]).T
            mirrored = windows @ _unit_rows(small[these][:, :, ::-1]).T
            likeness = np.stack([upright.max(axis=0), mirrored.max(axis=0)])
            places = np.stack([upright.argmax(axis=0), mirrored.argmax(axis=0)])
            # Many garments are like their own mirror image at this size: both ways are kept.
            for way, column in np.argwhere(likeness >= LEAST_LIKENESS).tolist():
                part = int(these[column])
                placement = Placement(whole, part, bool(way), warps[places[way, column]])
                best.setdefault(part, []).append((float(likeness[way, column]), placement))
    likely = {}
    for part, found in best.items():
        found.sort(key=lambda pair: -pair[0])
        likely[part] = [placement for _, placement in found[:WINDOWS_OF_A_PART]]
    return sorted(likely), likely


def _windows(whole: Image, stretch: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return every window of a whole, (W, 432), as unit vectors, and where it lies, (W, 2, 3).

    `stretch` is the width to height of the whole's photo over that of the part's: what squashing
    both to squares did to the part.
    """
    rows, warps = [np.zeros((0, 3 * _PART_SIDE**2), np.float32)], []
    for width in _WHOLE_SIDES:
        height = round(width / stretch)
        if height not in _WHOLE_SIDES:
            continue
        image = resize(whole, width, height)
        views = np.lib.stride_tricks.sliding_window_view(image, (_PART_SIDE, _PART_SIDE), (0, 1))
        rows.append(_unit_rows(np.moveaxis(views, 2, -1).reshape(-1, _PART_SIDE, _PART_SIDE, 3)))
        shares = _PART_SIDE / width, _PART_SIDE / height
        warps += [
            [[shares[0], 0, left / width], [0, shares[1], top / height]]
            for top in range(height - _PART_SIDE + 1)
            for left in range(width - _PART_SIDE + 1)
        ]
    return np.concatenate(rows), np.array(warps, np.float32).reshape(-1, 2, 3)


def _unit_rows(images: NDArray[Any]) -> NDArray[np.float32]:
    rows = images.reshape(len(images), -1).astype(np.float32)
    rows -= rows.mean(axis=1, keepdims=True)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.float32(1e-6))


# --- The second and the third look -----------------------------------------------------------


def _fitted_roughly(thumbnails: NDArray[np.uint8], placement: Placement) -> Placement | None:
    whole, part = thumbnails[placement.whole], thumbnails[placement.part]
    fit = _fit(whole, part, placement)
    if fit is None or fit.correlation < LEAST_CORRELATION:
        return None
    lightness, colour = _differences(fit.window, fit.part, 5)
    if max(lightness, colour) > MOST_DIFFERENCE:
        return None
    return replace(placement, warp=fit.warp)


def _is_same_picture(whole: Image, part: Image, placement: Placement) -> bool:
    agrees, is_near = _agrees(whole, part, placement)
    if agrees or not is_near:
        return agrees
    # Dots, stripes and checks may have drawn the fit to a place one repeat beside the right one.
    return _agrees(whole, part, _searched(whole, part, placement))[0]


def _agrees(whole: Image, part: Image, placement: Placement) -> tuple[bool, bool]:
    """Return whether two images agree in all, and whether they agree in lightness and colour."""
    fit = _fit(whole, part, placement)
    if fit is None:
        return False, False
    lightness, colour = _differences(fit.window, fit.part, 7)
    has_detail = _correlation(_detail(fit.window), _detail(fit.part)) >= LEAST_DETAIL
    is_near = lightness <= 2 * MOST_LIGHTNESS_DIFFERENCE and colour <= MOST_COLOUR_DIFFERENCE
    return is_near and lightness <= MOST_LIGHTNESS_DIFFERENCE and has_detail, is_near


def _searched(whole: Image, part: Image, placement: Placement) -> Placement:
    """Lay a part over a whole at every place and scale; return where they correlate most."""
    part = part[:, ::-1] if placement.mirrored else part
    small, large = (
        _grey(resize(image, _SEARCH_SIDE, _SEARCH_SIDE)).astype(np.uint8, copy=False)
        for image in (part, whole)
    )
    stretch = float(placement.warp[1, 1] / max(float(placement.warp[0, 0]), 1e-3))
    highest, warp = -1.0, placement.warp
    for width in range(round(0.62 * _SEARCH_SIDE), _SEARCH_SIDE + 1):
        height = min(round(width * stretch), _SEARCH_SIDE)
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
    part = np.ascontiguousarray(part[:, ::-1]) if placement.mirrored else part
    to_pixels = np.array([1, 1, side], np.float32)
    try:
        correlation, warp = cv2.findTransformECC(
            _grey(part),
            _grey(whole),
            placement.warp * to_pixels,
            cv2.MOTION_AFFINE,
            _STEPS,
            np.full(part.shape[:2], 255, np.uint8),
            3 if side == THUMBNAIL_SIDE else 5,
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

    Of both it is what 95% of the pixels stay below, after a blur that forgives small shifts.
    """
    a, b = (cv2.cvtColor(i.astype(np.float32) / 255, cv2.COLOR_RGB2LAB) for i in (one, two))
    difference = np.abs(cv2.blur(a - b, (blur, blur)))
    colour = np.hypot(difference[..., 1], difference[..., 2])
    return float(np.quantile(difference[..., 0], 0.95)), float(np.quantile(colour, 0.95))


def _grey(image: Image) -> NDArray[Any]:
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)


def _detail(image: Image) -> NDArray[np.float32]:
    grey = _grey(image).astype(np.float32)
    return grey - cv2.GaussianBlur(grey, (0, 0), 2)


def _correlation(one: NDArray[np.float32], two: NDArray[np.float32]) -> float:
    a, b = (values - values.mean() for values in (one, two))
    return float((a * b).sum() / max(float(np.sqrt((a * a).sum() * (b * b).sum())), 1e-6))


def _with_images(
    placements: Sequence[Placement], photos: Sequence[Path]
) -> Iterator[tuple[Placement, Image, Image]]:
    """Yield placements with both images; a photo that has gone since it was looked at has none."""

    def read(row: int) -> Image:
        image = decode(read_bytes(photos[row]), minimum_side=_FINE_SIDE)
        return resize(image, _FINE_SIDE, _FINE_SIDE)

    for start in range(0, len(placements), _PHOTOS_IN_MEMORY // 2):
        piece = placements[start : start + _PHOTOS_IN_MEMORY // 2]
        rows = sorted({row for placement in piece for row in (placement.whole, placement.part)})
        images: dict[int, Image] = {}
        for row, pending in read_ahead(rows, read):
            with suppress(UnreadablePhotoError):
                images[row] = pending.result()
        for placement in piece:
            if placement.whole in images and placement.part in images:
                yield placement, images[placement.whole], images[placement.part]

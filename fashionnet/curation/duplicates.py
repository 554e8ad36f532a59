"""Photos that show the same picture: the same file, saved again, mirrored, or cut out of it."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fashionnet.curation.looks import Looks
from fashionnet.labels import connected, near_duplicate_pairs
from fashionnet.photos import Image, UnreadablePhotoError, decode, read_ahead, read_bytes, resize

NEIGHBOURS = 6
"""How many photos of nearest embedding are compared with each for crops."""

LEAST_COSINE = 0.75
LEAST_COARSE = 0.9
LEAST_FINE = 0.95
LEAST_DETAIL = 0.8

LISTS_VISITED = 8
_FINE_SIDE = 96
_COARSE_SCALES = np.arange(0.66, 1.001, 0.05)


def exact_groups(looks: Looks) -> NDArray[np.int64]:
    """Number N photos, int64 (N,), so that files of the same bytes have one number."""
    rows: dict[str, int] = {}
    return np.array(
        [rows.setdefault(key, row) if key else row for row, key in enumerate(looks.sha256)],
        np.int64,
    )


def near_duplicate_groups(
    looks: Looks, photos: Sequence[Path], advance: Callable[[int], None] = lambda count: None
) -> NDArray[np.int64]:
    """Number N photos, int64 (N,), so that those of one picture have one number.

    They are the near-duplicates of `fashionnet.labels.near_duplicate_groups`, and photos that
    are cut out of each other, mirrored or not. Crops are sought among the photos of nearest
    embedding, so that the time grows with N·√N.

    `advance` is called with numbers of pairs that were compared, out of N · NEIGHBOURS.
    """
    first: dict[bytes, int] = {}
    whole = exact_groups(looks)
    for row in np.flatnonzero(looks.readable).tolist():
        whole[row] = whole[first.setdefault(looks.thumbnails[row].tobytes(), row)]
    distinct = np.unique(whole[looks.readable])
    if not len(distinct):
        return whole
    one, two = near_duplicate_pairs(looks.thumbnails[distinct])
    near = connected(distinct[one], distinct[two], len(whole))
    groups = near[whole]
    candidates = _candidates(looks, np.unique(groups[looks.readable]))
    cropped = cropped_pairs(looks, photos, candidates, advance)
    return connected(cropped[:, 0], cropped[:, 1], len(whole))[groups]


def nearest(
    embeddings: NDArray[np.floating], count: int, seed: int = 0
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Return the rows, intp (N, count), and cosines of the rows nearest to each of N unit vectors.

    The rows are dealt to √N lists by k-means, and each is compared with the rows of the
    LISTS_VISITED lists whose centres are nearest to it (an inverted file: Jégou et al., 2011,
    "Product quantization for nearest neighbor search"): N·√N comparisons in place of N². A row
    is not its own neighbour. Where fewer are found the rest is -1, with a cosine of -1.
    """
    from sklearn.cluster import MiniBatchKMeans

    rows = embeddings.astype(np.float32)
    total = len(rows)
    lists = max(1, round(total**0.5))
    clusters = MiniBatchKMeans(lists, random_state=seed, n_init=1, batch_size=4096, max_iter=20)
    centres = clusters.fit(rows[:: max(1, total // 50_000)]).cluster_centers_
    visited = np.empty((total, min(LISTS_VISITED, lists)), np.intp)
    half = (centres**2).sum(axis=1) / 2
    for start in range(0, total, 8192):
        nearness = rows[start : start + 8192] @ centres.T - half
        order = np.argsort(-nearness, axis=1)
        visited[start : start + 8192] = order[:, : visited.shape[1]]
    found = np.full((total, count), -1, np.intp)
    cosines = np.full((total, count), -1, np.float32)
    for place in range(lists):
        members = np.flatnonzero(visited[:, 0] == place)
        asking = np.flatnonzero((visited == place).any(axis=1))
        for start in range(0, len(asking) if len(members) else 0, 4096):
            these = asking[start : start + 4096]
            products = rows[these] @ rows[members].T
            products[these[:, None] == members] = -2
            keep = np.argsort(-products, axis=1)[:, :count]
            both = np.concatenate([cosines[these], np.take_along_axis(products, keep, 1)], axis=1)
            names = np.concatenate([found[these], members[keep]], axis=1)
            best = np.argsort(-both, axis=1, kind="stable")[:, :count]
            cosines[these] = np.take_along_axis(both, best, 1)
            found[these] = np.take_along_axis(names, best, 1)
    found[cosines < -1] = -1
    return found, np.maximum(cosines, -1)


def _candidates(looks: Looks, rows: NDArray[np.int64]) -> NDArray[np.intp]:
    """Return the pairs, intp (P, 2), of rows whose embeddings are near enough for a crop."""
    if len(rows) < 2:
        return np.zeros((0, 2), np.intp)
    found, cosines = nearest(looks.embeddings[rows], min(NEIGHBOURS, len(rows) - 1))
    one = np.repeat(np.arange(len(rows)), found.shape[1])
    two, near = found.ravel(), cosines.ravel() >= LEAST_COSINE
    pairs = np.sort(np.stack([one[near], two[near]], axis=1), axis=1)
    return rows[np.unique(pairs, axis=0)].astype(np.intp)


def cropped_pairs(
    looks: Looks,
    photos: Sequence[Path],
    candidates: NDArray[np.intp],
    advance: Callable[[int], None] = lambda count: None,
) -> NDArray[np.intp]:
    """Return those of the candidate pairs, intp (P, 2), of which one is cut out of the other.

    The smaller is laid over the larger at every place and scale, first at 32×32 pixels, then at
    96×96, there also with what is left of either when its blurred copy is taken away: garments of
    one cut on one model agree in outline and colour, but not in their detail.
    """
    greys = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in looks.thumbnails]
    ratios = looks.sizes[:, 0] / np.maximum(looks.sizes[:, 1], 1)
    promising = []
    for pair in candidates:
        for whole, part in (pair, pair[::-1]):
            stretch = float(ratios[whole] / ratios[part])
            for mirrored in (False, True):
                smaller = greys[part][:, ::-1] if mirrored else greys[part]
                fit = _best_fit(greys[whole], smaller, stretch, _COARSE_SCALES)
                if fit and fit.likeness >= LEAST_COARSE:
                    promising.append((whole, part, mirrored, stretch, fit.scale))
        advance(1)
    found = []
    for start in range(0, len(promising), 1024):
        piece = promising[start : start + 1024]
        rows = sorted({row for whole, part, *_ in piece for row in (whole, part)})
        larger = _read_all(photos, rows)
        for whole, part, mirrored, stretch, scale in piece:
            if whole in larger and part in larger:
                smaller = larger[part][:, ::-1] if mirrored else larger[part]
                if _is_cut_out(larger[whole], smaller, stretch, scale):
                    found.append((whole, part))
    return np.unique(np.array(found, np.intp).reshape(-1, 2), axis=0)


def _read_all(photos: Sequence[Path], rows: Sequence[int]) -> dict[int, Image]:
    def read(row: int) -> Image:
        image = decode(read_bytes(photos[row]), minimum_side=_FINE_SIDE)
        return resize(image, _FINE_SIDE, _FINE_SIDE)

    images = {}
    for row, pending in read_ahead(rows, read):
        # A photo that has gone since it was looked at is nobody's duplicate.
        with suppress(UnreadablePhotoError):
            images[row] = pending.result()
    return images


@dataclass(frozen=True)
class _Fit:
    likeness: float
    scale: float
    left: int
    top: int
    width: int
    height: int


def _best_fit(
    whole: NDArray[Any], part: NDArray[Any], stretch: float, scales: NDArray[np.float64]
) -> _Fit | None:
    """Lay one square grey image over another; return where they correlate most.

    Args:
        whole: uint8 (S, S).
        part: uint8 (S, S).
        stretch: the width to height of the whole's photo over that of the part's: what squashing
            both photos to squares did to the part.
        scales: the shares of the whole's width that the part is tried at.
    """
    side = whole.shape[0]
    best = None
    for scale in scales:
        width, height = round(side * scale), round(side * scale * stretch)
        if not (side // 2 <= width <= side and side // 2 <= height <= side):
            continue
        small = cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA)
        likeness = cv2.matchTemplate(whole, small, cv2.TM_CCOEFF_NORMED)
        _, highest, _, (left, top) = cv2.minMaxLoc(likeness)
        if best is None or highest > best.likeness:
            best = _Fit(highest, float(scale), left, top, width, height)
    return best


def _is_cut_out(whole: Image, part: Image, stretch: float, scale: float) -> bool:
    grey, small_grey = (cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (whole, part))
    scales = np.clip(scale + np.arange(-0.05, 0.051, 0.01), 0.5, 1)
    fit = _best_fit(grey, small_grey, stretch, scales)
    if fit is None or fit.likeness < LEAST_FINE:
        return False
    window = whole[fit.top : fit.top + fit.height, fit.left : fit.left + fit.width]
    small = cv2.resize(part, (fit.width, fit.height), interpolation=cv2.INTER_AREA)
    return (
        _correlation(window, small) >= LEAST_FINE
        and _correlation(_detail(window), _detail(small)) >= LEAST_DETAIL
    )


def _detail(image: NDArray[Any]) -> NDArray[np.float32]:
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return grey - cv2.GaussianBlur(grey, (0, 0), 2)


def _correlation(one: NDArray[np.generic], two: NDArray[np.generic]) -> float:
    a, b = (values.astype(np.float32) - values.mean() for values in (one, two))
    return float((a * b).sum() / max(np.sqrt((a * a).sum() * (b * b).sum()), 1e-6))

"""Photos that show the same picture: the same file, saved again, mirrored, or cut out of it."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fashionnet.curation.looks import Looks
from fashionnet.curation.same_picture import same_pictures
from fashionnet.labels import connected, near_duplicate_pairs

NEIGHBOURS = 64
"""How many photos of nearest embedding are compared with each."""

LEAST_COSINE = 0.2
LISTS_VISITED = 8


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

    Compared are the near-duplicates of `fashionnet.labels.near_duplicate_groups`, and the photos
    of nearest embedding, so that the time grows with N·√N; `same_pictures` says which of them
    show one picture, whole or cut out, mirrored or not.

    `advance` is called with numbers of photos that are done.
    """
    first: dict[bytes, int] = {}
    whole = exact_groups(looks)
    for row in np.flatnonzero(looks.readable).tolist():
        whole[row] = whole[first.setdefault(looks.thumbnails[row].tobytes(), row)]
    distinct = np.unique(whole[looks.readable])
    if not len(distinct):
        return whole
    alike = distinct[np.stack(near_duplicate_pairs(looks.thumbnails[distinct]), axis=1)]
    pairs = np.concatenate([alike, _neighbours(looks, distinct)])
    same = same_pictures(looks, photos, np.unique(np.sort(pairs, axis=1), axis=0), advance)
    return connected(same[:, 0], same[:, 1], len(whole))[whole]


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
        visited[start : start + 8192] = _largest(nearness, visited.shape[1])
    found = np.full((total, count), -1, np.intp)
    cosines = np.full((total, count), -1, np.float32)
    for place in range(lists):
        members = np.flatnonzero(visited[:, 0] == place)
        asking = np.flatnonzero((visited == place).any(axis=1))
        for start in range(0, len(asking) if len(members) else 0, 4096):
            these = asking[start : start + 4096]
            products = rows[these] @ rows[members].T
            products[these[:, None] == members] = -2
            keep = _largest(products, count)
            both = np.concatenate([cosines[these], np.take_along_axis(products, keep, 1)], axis=1)
            names = np.concatenate([found[these], members[keep]], axis=1)
            best = _largest(both, count)
            cosines[these] = np.take_along_axis(both, best, 1)
            found[these] = np.take_along_axis(names, best, 1)
    found[cosines < -1] = -1
    return found, np.maximum(cosines, -1)


def _largest(values: NDArray[np.float32], count: int) -> NDArray[np.intp]:
    """Return the places of the largest values of each row, the largest first."""
    if values.shape[1] > count:
        places = np.argpartition(-values, count - 1, axis=1)[:, :count]
    else:
        places = np.tile(np.arange(values.shape[1]), (len(values), 1))
    order = np.argsort(-np.take_along_axis(values, places, 1), axis=1, kind="stable")
    return np.take_along_axis(places, order, 1)


def _neighbours(looks: Looks, rows: NDArray[np.int64]) -> NDArray[np.intp]:
    """Return the pairs, intp (P, 2), of rows whose embeddings are near each other."""
    if len(rows) < 2:
        return np.zeros((0, 2), np.intp)
    found, cosines = nearest(looks.embeddings[rows], min(NEIGHBOURS, len(rows) - 1))
    one = np.repeat(np.arange(len(rows)), found.shape[1])
    two, near = found.ravel(), cosines.ravel() >= LEAST_COSINE
    return rows[np.stack([one[near], two[near]], axis=1)].astype(np.intp)

"""Find the best items of a large repository from its columns, without looking at every item.

By codes, every distinct Fashion Vector is scored once, however many items have it. By
probabilities, runs of items that are about as sure of the same classes share an upper bound:
they are scored from the best run on, until the next one's bound is below what was found. Among
items of one score, those nearest to the person's photos are found by upper bounds on the cosine:
embeddings are read from the best bound on, until the next bound is below what was found.

All of it is exact but for two things: where more than `MOST_TIED` items share the score at which
the list ends, only those of the cells nearest to the photos are looked at, and of equal ones no
more than about `MOST_READ` embeddings are read, those of the best bounds.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fashionnet.repository.columns import Columns, blocks
from fashionnet.schema import Schema

MOST_TIED = 32_768
"""Items of one score that are looked at for the visually nearest."""

MOST_READ = 2048
"""Embeddings that are read at most to find the visually nearest."""

_BLOCK = 2048
_FIRST_RUNS = 1024
_EMBEDDINGS_READ = 512
# Above the rounding of single precision, far below the differences that the order goes by.
_SLACK = 2e-5
_PASSED_OVER = -2.0

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Cut:
    """Where a list of the best items ends.

    Attributes:
        above: rows of larger scores.
        tied: rows of the score at the cut.
        is_all: whether no item is left beside these.
    """

    above: Rows
    tied: Rows
    is_all: bool


def cut_by_codes(
    columns: Columns,
    mask: NDArray[np.bool_] | None,
    group_scores: NDArray[np.float64],
    photos: NDArray[np.float32],
    reach: int,
) -> Cut:
    """Return the cut that leaves at least `reach` items, where each group has a score (G,).

    `mask` (N,) says which rows are eligible; `photos` (P, E) are liked.
    """
    order = np.argsort(-group_scores, kind="stable")
    counts = np.array([_count(columns, mask, group) for group in order], np.int64)
    total = counts.cumsum()
    if not len(total) or total[-1] == 0:
        return Cut(np.empty(0, np.int64), np.empty(0, np.int64), True)
    last = order[min(int(np.searchsorted(total, reach)), len(order) - 1)]
    cut = group_scores[last]
    above = _rows_of_groups(columns, mask, order[group_scores[order] > cut])
    tied_groups = order[(group_scores[order] == cut) & (counts > 0)]
    limit = max(MOST_TIED, 4 * reach)
    tied_count = int(counts[group_scores[order] == cut].sum())
    if tied_count > limit:
        tied = _rows_of_near_lists(columns, mask, tied_groups, photos, limit)
    else:
        tied = _rows_of_groups(columns, mask, tied_groups)
    return Cut(above, tied, len(above) + len(tied) == total[-1])


def cut_by_probabilities(
    columns: Columns,
    mask: NDArray[np.bool_] | None,
    schema: Schema,
    wanted: NDArray[np.float64],
    reach: int,
) -> Cut:
    """Return the cut that leaves at least `reach` items by probabilities times `wanted` (C,)."""
    bounds = _run_bounds(columns, schema, wanted)
    order = np.argsort(-bounds, kind="stable")
    bounds = bounds[order]
    starts = columns.sure_starts[:-1][order]
    sizes = np.diff(columns.sure_starts)[order]
    reached = sizes.cumsum()
    rows, scores = [np.empty(0, np.int64)], [np.empty(0)]
    done, step, cut = 0, max(_FIRST_RUNS, 4 * reach), -np.inf
    while done < len(order):
        before = reached[done - 1] if done else 0
        end = int(np.searchsorted(reached, before + step)) + 1
        end = min(end, int(np.searchsorted(-bounds, -cut + _SLACK, side="right")))
        if end <= done:
            break
        part = columns.sure_order[_ranges(starts[done:end], sizes[done:end])].astype(np.int64)
        if mask is not None:
            part = part[mask[part]]
        rows.append(part)
        scores.append(_expected(columns, part, wanted))
        done, step = end, 2 * step
        found = np.concatenate(scores)
        if len(found) >= reach:
            cut = np.partition(found, len(found) - reach)[len(found) - reach]
    every, found = np.concatenate(rows), np.concatenate(scores)
    is_all = done == len(order) and bool((found >= cut).all())
    return (
        Cut(every[found > cut], every[found == cut], is_all)
        if np.isfinite(cut)
        else Cut(every, every[:0], True)
    )


def nearest(
    columns: Columns, rows: Rows, photos: NDArray[np.float32], count: int, same: float
) -> Rows:
    """Return those rows that can be among the `count` with the largest cosine to any photo.

    Those whose cosine is surely above `same` are passed over, unless there are no more than
    `count` rows at all.
    """
    if len(rows) <= count:
        return rows
    bounds = _cosine_bounds(columns, rows, photos)
    first = min(len(rows), max(4 * count, _EMBEDDINGS_READ))
    best = np.argpartition(bounds, len(rows) - first)[len(rows) - first :]
    cosines = _cosines(columns, rows[best], photos, same)
    cut = _largest(cosines, count) - _SLACK
    others = np.setdiff1d(np.flatnonzero(bounds >= cut), best, assume_unique=True)
    others = others[np.argsort(-bounds[others], kind="stable")][:MOST_READ]
    for block in blocks(len(others), _EMBEDDINGS_READ):
        part = others[block]
        part = part[bounds[part] >= cut]
        if not len(part):
            break
        best = np.concatenate([best, part])
        cosines = np.concatenate([cosines, _cosines(columns, rows[part], photos, same)])
        cut = _largest(cosines, count) - _SLACK
    return rows[np.sort(best[(cosines >= cut) & (cosines > _PASSED_OVER)])]


def _largest(values: NDArray[np.float32], count: int) -> float:
    return float(np.partition(values, len(values) - count)[len(values) - count])


def _cosines(
    columns: Columns, rows: Rows, photos: NDArray[np.float32], same: float
) -> NDArray[np.float32]:
    """Return float32 (n,): each item's largest cosine with a photo, less where above `same`."""
    cosines = (columns.embeddings_of(rows) @ photos.T).max(axis=1)
    return np.where(cosines > same + _SLACK, _PASSED_OVER, cosines).astype(np.float32)


def _cosine_bounds(
    columns: Columns, rows: Rows, photos: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return float32 (n,): the most that each item's largest cosine with a photo can be."""
    axes = columns.axes
    rest = photos - axes.mean
    coordinates = rest @ axes.axes.T
    within = np.linalg.norm(coordinates, axis=1)
    # Above by rounding, as the lengths of the items are.
    outside = np.sqrt((np.einsum("ij,ij->i", rest, rest) - within**2).clip(0) + 2e-6)
    lengths = np.stack([np.ones(len(photos)), within, outside], axis=1).astype(np.float32)
    weights = (coordinates * axes.step).astype(np.float32)
    constants = (photos @ axes.mean + coordinates @ axes.low)[:, None].astype(np.float32)
    bounds = np.empty(len(rows), np.float32)
    for block in blocks(len(rows), _BLOCK):
        part = rows[block]
        products = weights @ np.take(columns.coarse, part, axis=0).astype(np.float32).T
        bounds[block] = (products + constants + lengths @ columns.bounds[part].T).max(axis=0)
    return bounds


def _run_bounds(
    columns: Columns, schema: Schema, wanted: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return float64 (S,): the most that an item of each run can score.

    An attribute whose class has probability p can at best have all the rest on one other class.
    """
    bounds = np.full(len(columns.sure_codes), 1e-6 * (1 + np.abs(wanted).sum()))
    for place, part in enumerate(schema.slices.values()):
        gains = wanted[part]
        others = np.array([np.delete(gains, c).max(initial=-np.inf) for c in range(len(gains))])
        others = np.where(np.isfinite(others), others, gains)
        codes = columns.sure_codes[:, place]
        own, other = gains[codes], others[codes]
        least, most = columns.sure_range[:, place].T.astype(np.float64)
        bounds += other + np.maximum((own - other) * least, (own - other) * most)
    return bounds


def _expected(columns: Columns, rows: Rows, wanted: NDArray[np.float64]) -> NDArray[np.float64]:
    scores = np.empty(len(rows))
    for block in blocks(len(rows), _BLOCK):
        scores[block] = columns.probabilities[rows[block]] @ wanted
    return scores.round(9)


def _count(columns: Columns, mask: NDArray[np.bool_] | None, group: int) -> int:
    start, end = columns.group_starts[group], columns.group_starts[group + 1]
    return int(end - start if mask is None else np.count_nonzero(mask[start:end]))


def _rows_of_groups(
    columns: Columns, mask: NDArray[np.bool_] | None, groups: NDArray[np.intp]
) -> Rows:
    starts = columns.group_starts[groups]
    rows = _ranges(starts, columns.group_starts[groups + 1] - starts)
    return rows if mask is None else rows[mask[rows]]


def _rows_of_near_lists(
    columns: Columns,
    mask: NDArray[np.bool_] | None,
    groups: NDArray[np.intp],
    photos: NDArray[np.float32],
    limit: int,
) -> Rows:
    """Return at least `limit` rows of groups, from the cells nearest to the photos."""
    axes = columns.axes
    points = (photos - axes.mean) @ axes.axes.T
    half_lengths = np.einsum("ij,ij->i", axes.centres, axes.centres) / 2
    closeness = points @ axes.centres.T - half_lengths
    closeness -= np.einsum("ij,ij->i", points, points)[:, None] / 2
    first = columns.list_groups[groups]
    lists = _ranges(first, columns.list_groups[groups + 1] - first)
    lists = lists[np.argsort(-closeness.max(axis=0)[columns.list_cells[lists]], kind="stable")]
    starts = columns.list_starts[lists]
    sizes = columns.list_starts[lists + 1] - starts
    if mask is None:
        counts = sizes
    else:
        counts = np.array(
            [np.count_nonzero(mask[a : a + n]) for a, n in zip(starts, sizes, strict=True)]
        )
    enough = int(np.searchsorted(counts.cumsum(), limit)) + 1
    rows = _ranges(starts[:enough], sizes[:enough])
    return rows if mask is None else rows[mask[rows]]


def _ranges(starts: NDArray[np.int64], sizes: NDArray[np.int64]) -> Rows:
    """Return the numbers of ranges, one range after the other."""
    ends = sizes.cumsum()
    shifts = np.repeat(starts - ends + sizes, sizes)
    return shifts + np.arange(len(shifts))

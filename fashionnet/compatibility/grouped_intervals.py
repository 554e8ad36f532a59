"""AUC and accuracy with intervals, where questions come in groups.

Intervals are those of a bootstrap over groups of questions (the cluster bootstrap; Field and Welsh,
2007, "Bootstrapping clustered data"): questions of one group are drawn together, so that ten about
one product do not count as ten.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fashionnet.evaluation import Interval

DRAWS = 1000

_NUMBERS_AT_ONCE = 2_000_000


def auc(scores: ArrayLike, labels: ArrayLike) -> float:
    """Return the area under the ROC curve, as `auc_interval` does, without an interval."""
    scores, labels = np.asarray(scores, np.float64), np.asarray(labels, bool)
    return float(_aucs(scores, labels, np.ones((1, len(scores))))[0])


def auc_interval(
    scores: ArrayLike, labels: ArrayLike, groups: ArrayLike, seed: int = 0
) -> Interval:
    """Return the area under the ROC curve with its 95% interval.

    AUC = P(s⁺ > s⁻) + ½ P(s⁺ = s⁻) over pairs of a score of a positive and one of a negative
    (Hanley and McNeil, 1982).

    Args:
        scores: float (Q,).
        labels: bool (Q,); there must be both kinds.
        groups: Q names or numbers; those of one group are drawn together.
        seed: of the bootstrap.
    """
    scores, labels = np.asarray(scores, np.float64), np.asarray(labels, bool)
    value = auc(scores, labels)
    samples = np.concatenate([_aucs(scores, labels, counts) for counts in _draws(groups, seed)])
    return _interval(value, samples[np.isfinite(samples)])


def share_interval(credits: ArrayLike, groups: ArrayLike, seed: int = 0) -> Interval:
    """Return the mean of credits (Q,) with its 95% interval; NaN where there are none."""
    credits = np.asarray(credits, np.float64)
    if not len(credits):
        return Interval(float("nan"), 0.0, 1.0)
    samples = np.concatenate(
        [(counts @ credits) / np.maximum(counts.sum(axis=1), 1) for counts in _draws(groups, seed)]
    )
    return _interval(float(credits.mean()), samples)


def _interval(value: float, samples: NDArray[np.float64]) -> Interval:
    low, high = np.percentile(samples, [2.5, 97.5])
    return Interval(value, min(float(low), value), max(float(high), value))


def _draws(groups: ArrayLike, seed: int) -> Iterator[NDArray[np.float64]]:
    """Yield how often each question is drawn: (draws, Q), in blocks of bounded size."""
    _, codes = np.unique(np.asarray(groups), return_inverse=True)
    count = int(codes.max()) + 1
    random = np.random.default_rng(seed)
    block = max(1, _NUMBERS_AT_ONCE // len(codes))
    for start in range(0, DRAWS, block):
        size = min(block, DRAWS - start)
        draws = random.multinomial(count, np.full(count, 1 / count), size)
        yield draws[:, codes].astype(np.float64)


def _aucs(
    scores: NDArray[np.floating], labels: NDArray[np.bool_], counts: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the AUC (S,) of each of S samples, which hold each question `counts` (S, Q) times."""
    _, levels = np.unique(scores, return_inverse=True)
    order = np.argsort(levels, kind="stable")
    starts = np.flatnonzero(np.diff(levels[order], prepend=-1))
    ordered, positive = counts[:, order], labels[order]
    positives = np.add.reduceat(ordered * positive, starts, axis=1)
    negatives = np.add.reduceat(ordered * ~positive, starts, axis=1)
    below = negatives.cumsum(axis=1) - negatives
    won = (positives * (below + negatives / 2)).sum(axis=1)
    pairs = positives.sum(axis=1) * negatives.sum(axis=1)
    return np.divide(won, pairs, out=np.full(len(counts), np.nan), where=pairs > 0)

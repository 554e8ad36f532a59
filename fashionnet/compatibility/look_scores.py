"""How well a score tells products that were worn with a scene from products that were not."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BOOTSTRAPS = 1000
CHOICES = 4


@dataclass(frozen=True)
class Figure:
    """A figure with its 95% interval, by bootstrap over groups of pairs."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


def draw_wrong(
    allowed: NDArray[np.bool_], count: int, random: np.random.Generator
) -> NDArray[np.intp]:
    """Draw wrong products for scenes: intp (S, count), from bool (S, P).

    A row that allows fewer than `count` products repeats some; one that allows none is all -1.
    """
    drawn = np.full((len(allowed), count), -1, np.intp)
    for row, choices in enumerate(allowed):
        places = np.flatnonzero(choices)
        if len(places):
            drawn[row] = random.choice(places, count, replace=len(places) < count)
    return drawn


def scores_of(
    scores: NDArray[np.floating], wrong: NDArray[np.intp], groups: NDArray[np.int64], seed: int = 0
) -> Mapping[str, Figure]:
    """Return AUC, fill-in-the-blank of four and binary choice.

    Args:
        scores: (S, S), how well each scene goes with each product, higher is better; the
            diagonal holds the right ones.
        wrong: intp (S, 3 or more), each scene's wrong products, from `draw_wrong`; scenes of
            which none is allowed are not counted.
        groups: int64 (S,), scenes that are not independent.
        seed: of the bootstrap.

    AUC is that of right against wrong scores of all scenes together; fill-in-the-blank the share
    of scenes whose right product beats three wrong ones, and binary choice that of those whose
    right one beats the first. Ties count half, or their share.
    """
    rows = np.flatnonzero(wrong[:, 0] >= 0)
    right = scores[rows, rows]
    others = scores[rows[:, None], wrong[rows]]
    of_four = others[:, : CHOICES - 1]
    best = (of_four <= right[:, None]).all(axis=1)
    blank = best / (1 + (of_four == right[:, None]).sum(axis=1))
    binary = (right > others[:, 0]) + 0.5 * (right == others[:, 0])
    _, group = np.unique(groups[rows], return_inverse=True)
    random = np.random.default_rng(seed)
    count = group.max(initial=-1) + 1
    draws = random.multinomial(count, np.full(count, 1 / count), BOOTSTRAPS)[:, group]
    weights = np.concatenate([np.ones((1, len(rows))), draws])
    values = {
        "auc": _aucs(right, others, weights),
        "fill in the blank": weights @ blank / np.maximum(weights.sum(axis=1), 1),
        "binary choice": weights @ binary / np.maximum(weights.sum(axis=1), 1),
    }
    return {name: _figure(value) for name, value in values.items()}


def _figure(values: NDArray[np.floating]) -> Figure:
    low, high = np.quantile(values[1:], [0.025, 0.975])
    return Figure(float(values[0]), float(low), float(high))


def plain_auc(scores: NDArray[np.floating], wrong: NDArray[np.intp]) -> float:
    """Return the AUC that `scores_of` does, without interval."""
    rows = np.flatnonzero(wrong[:, 0] >= 0)
    right, others = scores[rows, rows], scores[rows[:, None], wrong[rows]]
    return float(_aucs(right, others, np.ones((1, len(rows))))[0])


def _aucs(
    right: NDArray[np.floating], others: NDArray[np.floating], weights: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Return the chance that a right score is above a wrong one, for each weighting of scenes."""
    levels, place = np.unique(np.concatenate([right, others.ravel()]), return_inverse=True)
    aucs = np.full(len(weights), 0.5)
    for number, weight in enumerate(weights):
        positive = np.bincount(place[: len(right)], weight, len(levels))
        spread = np.repeat(weight, others.shape[1])
        negative = np.bincount(place[len(right) :], spread, len(levels))
        below = np.cumsum(negative) - negative
        total = positive.sum() * negative.sum()
        if total:
            aucs[number] = (positive * (below + 0.5 * negative)).sum() / total
    return aucs

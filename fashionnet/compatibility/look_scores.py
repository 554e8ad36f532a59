"""How well a score tells products that were worn with a scene from products that were not."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from fashionnet.compatibility.grouped_intervals import auc, auc_interval, share_interval
from fashionnet.evaluation import Interval

CHOICES = 4


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
) -> Mapping[str, Interval]:
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
    own = groups[rows]
    return {
        "auc": auc_interval(
            *_judged(right, others), np.concatenate([own, _repeated(own, others)]), seed
        ),
        "fill in the blank": share_interval(blank, own, seed),
        "binary choice": share_interval(binary, own, seed),
    }


def plain_auc(scores: NDArray[np.floating], wrong: NDArray[np.intp]) -> float:
    """Return the AUC that `scores_of` does, without interval."""
    rows = np.flatnonzero(wrong[:, 0] >= 0)
    right, others = scores[rows, rows], scores[rows[:, None], wrong[rows]]
    return auc(*_judged(right, others))


def _judged(
    right: NDArray[np.floating], others: NDArray[np.floating]
) -> tuple[NDArray[np.floating], NDArray[np.bool_]]:
    """Return all scores, the right ones first, and which they are."""
    return np.concatenate([right, others.ravel()]), np.arange(right.size + others.size) < right.size


def _repeated(groups: NDArray[np.int64], others: NDArray[np.floating]) -> NDArray[np.int64]:
    return np.repeat(groups, others.shape[1])

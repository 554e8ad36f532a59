"""How well a model knows what was worn together: AUC and accuracy, with intervals.

Intervals are those of a bootstrap over groups of questions (the cluster bootstrap; Field and Welsh,
2007, "Bootstrapping clustered data"): questions of one group are drawn together, so that ten about
one product do not count as ten.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fashionnet.compatibility.outfit_data import Blank, Judged, OutfitPart
from fashionnet.evaluation import Interval

DRAWS = 1000
NO_ITEM = -1

_NUMBERS_AT_ONCE = 2_000_000


class Scorer(Protocol):
    """What says how well the items of outfits go together."""

    def score(self, outfits: NDArray[np.intp]) -> NDArray[np.floating]:
        """Return the scores (Q,) of outfits (Q, L): rows of items, filled up with NO_ITEM."""


@dataclass(frozen=True)
class OutfitFigures:
    """What was measured of one part.

    Attributes:
        auc: the chance that an outfit scores higher than items that are none; ties count half.
        fill_in_the_blank: the share of blanks filled rightly, or NaN where none was asked.
        outfits: how many outfits were judged, without the wrong ones.
        blanks: how many blanks there were.
    """

    auc: Interval
    fill_in_the_blank: Interval
    outfits: int
    blanks: int

    def to_dict(self) -> dict[str, object]:
        """Return everything for JSON."""
        return {
            "auc": self.auc.to_dict(),
            "fill_in_the_blank": self.fill_in_the_blank.to_dict(),
            "outfits": self.outfits,
            "blanks": self.blanks,
        }


def measure(scorer: Scorer, part: OutfitPart, rows: Mapping[str, int]) -> OutfitFigures:
    """Ask a scorer the questions of a part; `rows` leads from item ids to the scorer's rows."""
    right, groups = blanks_filled(scorer, part.blanks, rows)
    return OutfitFigures(
        auc_interval(
            scorer.score(as_rows([judged.items for judged in part.judged], rows)),
            [judged.compatible for judged in part.judged],
            [judged.group for judged in part.judged],
        ),
        share_interval(right, groups),
        sum(judged.compatible for judged in part.judged),
        len(part.blanks),
    )


def validation_auc(scorer: Scorer, judged: Sequence[Judged], rows: Mapping[str, int]) -> float:
    """Return the AUC alone, which training chooses its weights by."""
    scores = scorer.score(as_rows([question.items for question in judged], rows))
    labels = np.array([question.compatible for question in judged])
    return float(_aucs(scores, labels, np.ones((1, len(labels))))[0])


def blanks_filled(
    scorer: Scorer, blanks: Sequence[Blank], rows: Mapping[str, int]
) -> tuple[NDArray[np.float64], list[str]]:
    """Return the credit of each blank and its group.

    A blank is filled with the answer that makes the best outfit; where k answers are equally good
    and the right one is among them, the credit is 1/k.
    """
    outfits = [(*blank.question, answer) for blank in blanks for answer in blank.answers]
    scores = scorer.score(as_rows(outfits, rows)) if outfits else np.empty(0)
    credits = np.zeros(len(blanks))
    start = 0
    for number, blank in enumerate(blanks):
        own = scores[start : start + len(blank.answers)]
        start += len(blank.answers)
        best = own == own.max()
        credits[number] = best[blank.right] / best.sum()
    return credits, [blank.group for blank in blanks]


def as_rows(outfits: Sequence[Sequence[str]], rows: Mapping[str, int]) -> NDArray[np.intp]:
    """Return outfits as rows of items, intp (Q, L), filled up with NO_ITEM."""
    longest = max((len(outfit) for outfit in outfits), default=0)
    table = np.full((len(outfits), longest), NO_ITEM, np.intp)
    for number, outfit in enumerate(outfits):
        table[number, : len(outfit)] = [rows[item] for item in outfit]
    return table


def auc_interval(
    scores: ArrayLike, labels: ArrayLike, groups: Sequence[str], seed: int = 0
) -> Interval:
    """Return the area under the ROC curve with its 95% interval.

    AUC = P(s⁺ > s⁻) + ½ P(s⁺ = s⁻) over pairs of a score of a positive and one of a negative
    (Hanley and McNeil, 1982).

    Args:
        scores: float (Q,).
        labels: bool (Q,); there must be both kinds.
        groups: Q names; those of one name are drawn together.
        seed: of the bootstrap.
    """
    scores, labels = np.asarray(scores, np.float64), np.asarray(labels, bool)
    value = float(_aucs(scores, labels, np.ones((1, len(scores))))[0])
    samples = np.concatenate([_aucs(scores, labels, counts) for counts in _draws(groups, seed)])
    return _interval(value, samples[np.isfinite(samples)])


def share_interval(credits: ArrayLike, groups: Sequence[str], seed: int = 0) -> Interval:
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


def _draws(groups: Sequence[str], seed: int) -> Iterator[NDArray[np.float64]]:
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

"""How well a model knows what was worn together: AUC and accuracy, with intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fashionnet.compatibility.grouped_intervals import auc, auc_interval, share_interval
from fashionnet.compatibility.outfit_data import Blank, Judged, OutfitPart
from fashionnet.evaluation import Interval

NO_ITEM = -1


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
    return auc(scores, [question.compatible for question in judged])


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

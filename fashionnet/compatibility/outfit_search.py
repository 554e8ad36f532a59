"""Complete outfits: the best items of a category, whole outfits, and the pair that fits worst.

A whole outfit is found by beam search (Lowerre, 1976, "The HARPY Speech Recognition System"): slot
by slot, the BEAM best partial outfits are extended by every item of the slot's category.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fashionnet.compatibility.subspaces import SubspaceScorer, pairs_of
from fashionnet.errors import RequestError

BEAM = 64

Rows = NDArray[np.intp]


@dataclass(frozen=True)
class WeakestPair:
    """The two items of an outfit that go together worst: their rows, and how well they do."""

    rows: tuple[int, int]
    score: float


@dataclass(frozen=True)
class Outfit:
    """Rows of items that go together.

    Attributes:
        given: what it was built around.
        added: what was found, one a slot.
        score: the mean of its pairs.
        weakest: its worst pair.
        price: of what was added; None where prices were not asked for.
    """

    given: tuple[int, ...]
    added: tuple[int, ...]
    score: float
    weakest: WeakestPair
    price: float | None


def weakest_pair(scorer: SubspaceScorer, rows: Sequence[int]) -> WeakestPair:
    """Return the worst of the pairs of two rows or more; the first of equally bad ones."""
    _, first, second = pairs_of(np.array([rows], np.intp))
    scores = scorer.pair_scores(first, second)
    place = int(scores.argmin())
    return WeakestPair((int(first[place]), int(second[place])), float(scores[place]))


def best_of_category(
    scorer: SubspaceScorer, given: Rows, candidates: Rows, top: int
) -> tuple[Rows, NDArray[np.float64]]:
    """Return the `top` candidates that go best with the given rows, and how well.

    An item's score is the mean of its pairs with the given ones. Equals stay in the order given.
    """
    scores = np.stack([scorer.table(np.array([row]), candidates)[0] for row in given]).mean(
        axis=0, dtype=np.float64
    )
    order = np.argsort(-scores, kind="stable")[:top]
    return candidates[order], scores[order]


def assemble_outfits(
    scorer: SubspaceScorer,
    given: Rows,
    slots: Mapping[str, Rows],
    count: int,
    prices: NDArray[np.float64] | None = None,
    budget: float | None = None,
) -> list[Outfit]:
    """Return the best outfits with one item for each slot; no added item is in two of them.

    Args:
        scorer: of the items.
        given: rows that every outfit has, one or more.
        slots: the candidates of each category to add; all of one category.
        count: how many outfits, fewer where a slot runs out of items.
        prices: of every row; with a budget only.
        budget: what the added items may cost together.

    Raises RequestError where even the cheapest items cost more than the budget.
    """
    left = {name: rows[~np.isin(rows, given)] for name, rows in slots.items()}
    if budget is not None and prices is not None:
        left = {name: rows[np.isfinite(prices[rows])] for name, rows in left.items()}
        _check_budget(left, prices, budget)
    found: list[Outfit] = []
    while len(found) < count and all(len(rows) for rows in left.values()):
        added = _beam_search(scorer, given, left, prices, budget)
        if added is None:
            break
        rows = (*given.tolist(), *added)
        score = float(scorer.score(np.array([rows], np.intp))[0])
        price = None if prices is None else float(prices[list(added)].sum())
        outfit = Outfit(tuple(given.tolist()), added, score, weakest_pair(scorer, rows), price)
        found.append(outfit)
        left = {name: rows[~np.isin(rows, added)] for name, rows in left.items()}
    return found


@dataclass(frozen=True)
class _Beam:
    """B partial outfits: their rows (B, L), the sums of their pairs' scores, and their prices."""

    rows: Rows
    sums: NDArray[np.float64]
    spent: NDArray[np.float64]


def _beam_search(
    scorer: SubspaceScorer,
    given: Rows,
    slots: Mapping[str, Rows],
    prices: NDArray[np.float64] | None,
    budget: float | None,
) -> tuple[int, ...] | None:
    """Return the added rows of the best outfit; None where none is within the budget."""
    costs = {
        name: np.zeros(len(rows)) if prices is None or budget is None else prices[rows]
        for name, rows in slots.items()
    }
    limit = np.inf if budget is None else budget
    beam = _Beam(given[None, :], np.zeros(1), np.zeros(1))
    reserve = sum(cost.min() for cost in costs.values())
    for name, candidates in slots.items():
        # What the later slots cost at least must stay in the purse.
        reserve -= costs[name].min()
        beam = _extended(scorer, beam, candidates, costs[name], limit - reserve)
        if not len(beam.rows):
            return None
    return tuple(beam.rows[0, len(given) :].tolist())


def _extended(
    scorer: SubspaceScorer, beam: _Beam, candidates: Rows, costs: NDArray[np.float64], limit: float
) -> _Beam:
    gains = np.zeros((len(beam.rows), len(candidates)))
    # Outfits of the beam share most of their items.
    for row in np.unique(beam.rows):
        gains += (beam.rows == row).any(axis=1)[:, None] * scorer.table(
            np.array([row]), candidates
        ).astype(np.float64)
    sums = beam.sums[:, None] + gains
    spent = beam.spent[:, None] + costs
    sums[spent > limit + 1e-9] = -np.inf
    order = np.argsort(-sums, axis=None, kind="stable")[:BEAM]
    order = order[np.isfinite(sums.ravel()[order])]
    outfits, places = np.unravel_index(order, sums.shape)
    rows = np.concatenate([beam.rows[outfits], candidates[places][:, None]], axis=1)
    return _Beam(rows, sums[outfits, places], spent[outfits, places])


def _check_budget(slots: Mapping[str, Rows], prices: NDArray[np.float64], budget: float) -> None:
    for name, rows in slots.items():
        if not len(rows):
            raise RequestError(f"no item of category {name} has a price: leave --budget out")
    least = sum(float(prices[rows].min()) for rows in slots.values())
    if least > budget:
        raise RequestError(
            f"--budget {budget:g}: cannot be met: the cheapest items of "
            f"{', '.join(slots)} cost {least:g} together"
        )

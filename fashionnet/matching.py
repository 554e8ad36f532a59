"""Score items against a style profile, order them, and say why.

With the profile's P rows, item i, attribute a of weight w_a (1 unless said otherwise) and its
classes c:

    matches:   s(i) = (1/P) Σ_p Σ_a w_a [code_ia = code_pa] = Σ_a w_a F_a(code_ia)
    expected:  s(i) = Σ_a w_a Σ_c q_a(c) p_ia(c)

F_a(c) is the share of the profile's rows with class c, q_a(c) the mean of the profile's
probabilities and p_ia(c) the item's. Both run from 0 to Σ_a w_a: without weights, the number of
attributes. With D photos of disliked clothes, the same sum over those is subtracted, divided by
max(P, D): one of them weighs as much as one that is liked, and all together as much as all that are
liked, however many they are.

Equal scores are ordered by visual likeness, the largest cosine between the item's embedding and
a liked photo's, then by id. Scores are rounded to 9 decimals and likeness to 6, so that ties are
ties whatever the order of summation, and the ranking is the same in every run.

Items that the person already showed are left out: the same file (SHA-256), or a likeness of at
least the items' `same_picture` with any photo of the profile.

Diversity d from 0 to 1 reorders the first items by maximal marginal relevance (Carbonell and
Goldstein, SIGIR 1998): next comes the item with the largest

    (1 - d) s(i) / Σ_a w_a  -  d max_j cosine(i, j)

over the items j already placed. d = 0 changes nothing.

Items that are in memory are all scored; those of a large repository are found from its columns
(`fashionnet.search`), with the same result.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from fashionnet.errors import RequestError
from fashionnet.profile import StyleProfile, class_counts
from fashionnet.schema import Schema
from fashionnet.vectors import FashionVectors

if TYPE_CHECKING:
    from fashionnet.repository.candidates import Candidates
    from fashionnet.repository.store import Items

Scoring = Literal["matches", "expected"]
SCORINGS: tuple[Scoring, ...] = ("matches", "expected")

_BLOCK = 65_536
_LIKENESS_BLOCK = 8192
_EXTRA_CANDIDATES = 500


@dataclass(frozen=True, eq=False)
class Recommendations:
    """K recommended items, best first.

    Attributes:
        schema: the attributes that the columns of `matches` stand for.
        rows: intp (K,), rows of the items or candidates that were scored.
        scores: float64 (K,).
        best_score: the score of an item that matches every photo in every attribute, Σ_a w_a.
        likeness: float64 (K,), the largest cosine with a liked photo.
        codes: uint8 (K, A), the items' Fashion Vectors.
        matches: int64 (K, A), how many liked photos share the item's class.
        photo_count: P, how many liked photos there are.
        weights: float64 (A,).
    """

    schema: Schema
    rows: NDArray[np.intp]
    scores: NDArray[np.float64]
    best_score: float
    likeness: NDArray[np.float64]
    codes: NDArray[np.uint8]
    matches: NDArray[np.int64]
    photo_count: int
    weights: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.rows)

    def reason(self, place: int) -> str:
        """Say which classes the item at a place shares with how many photos, most shared first.

        >>> recommendations.reason(0)  # doctest: +SKIP
        'cotton 5 of 5, striped 4 of 5, casual 3 of 5'
        """
        counts = self.matches[place]
        shared = [
            f"{self.schema.attributes[a].classes[self.codes[place, a]]} "
            f"{counts[a]} of {self.photo_count}"
            for a in np.argsort(-counts, kind="stable")
            if counts[a] and self.weights[a]
        ]
        return ", ".join(shared) or "no shared feature"


def recommend(
    profile: StyleProfile,
    items: "Items | Candidates",
    top: int,
    scoring: Scoring = "matches",
    weights: Mapping[str, float] | None = None,
    diversity: float = 0.0,
) -> Recommendations:
    """Return the `top` best items for a profile; fewer where there are not so many.

    `weights` maps attribute names to numbers; attributes it does not name weigh 1. Raises
    RequestError for values out of range, unknown attributes, and items of another schema or
    embedding size than the profile's.
    """
    from fashionnet.repository.candidates import Candidates

    check_options(top, scoring, diversity)
    weight = attribute_weights(profile.schema, weights or {})
    pool_size = top if diversity == 0 else top + min(9 * top, _EXTRA_CANDIDATES)
    if isinstance(items, Candidates):
        _check_alike(profile, items.schema, items.embedding_size)
        best = _best_candidates(profile, items, scoring, weight, pool_size)
    else:
        _check_alike(profile, items.vectors.schema, items.vectors.embeddings.shape[1])
        best = _best(profile, items, score(profile, items.vectors, scoring, weight), pool_size)
    if diversity:
        order = _marginal_relevance(
            best.scores / weight.sum(), best.vectors.embeddings, diversity, top
        )
        best = best.take(order)
    codes = best.vectors.codes
    return Recommendations(
        schema=profile.schema,
        rows=best.rows,
        scores=best.scores,
        best_score=float(weight.sum()),
        likeness=best.likeness,
        codes=codes,
        matches=_lookup(profile.schema, class_counts(profile.vectors), codes),
        photo_count=len(profile.liked),
        weights=weight,
    )


def attribute_weights(schema: Schema, weights: Mapping[str, float]) -> NDArray[np.float64]:
    """Return float64 (A,): the weight of each attribute, 1 where none is given."""
    column = np.ones(len(schema))
    for name, value in weights.items():
        place = schema.names.index(schema[name].name)
        if not 0 <= value <= 1e6:
            raise RequestError(f"weight of {name} is {value:g}: expected 0 to 1000000")
        column[place] = value
    if not column.any():
        raise RequestError("every attribute has weight 0: give at least one a weight above 0")
    return column


def score(
    profile: StyleProfile, items: FashionVectors, scoring: Scoring, weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return float64 (N,): the score of each item, by the formulas above."""
    if scoring == "matches":
        return _match_scores(profile, items.codes, weights)
    wanted = _wanted(profile, weights)
    scores = np.empty(len(items))
    for start in range(0, len(items), _BLOCK):
        scores[start : start + _BLOCK] = items.probabilities[start : start + _BLOCK] @ wanted
    return scores.round(9)


def _wanted(profile: StyleProfile, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return float64 (C,): what a probability of each class adds to the expected score."""
    wanted = profile.mean_probabilities()
    if profile.disliked:
        unwanted = profile.disliked.vectors.probabilities.sum(axis=0, dtype=np.float64)
        wanted -= unwanted / max(len(profile.liked), len(profile.disliked))
    widths = [len(attribute.classes) for attribute in profile.schema]
    return wanted * np.repeat(weights, widths)


def _match_scores(
    profile: StyleProfile, codes: NDArray[np.uint8], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    # Counts are brought to a common denominator and stay whole until the one division at the
    # end: without weights equal scores are equal to the last bit.
    counts, denominator = class_counts(profile.vectors), len(profile.liked)
    if profile.disliked:
        most = max(len(profile.liked), len(profile.disliked))
        counts = counts * most - class_counts(profile.disliked.vectors) * denominator
        denominator *= most
    scores = np.zeros(len(codes))
    parts = profile.schema.slices.values()
    for weight, part, column in zip(weights, parts, codes.T, strict=True):
        scores += (weight * counts[part])[column]
    return (scores.round(9) / denominator).round(9)


def _lookup(
    schema: Schema, table: NDArray[np.int64], codes: NDArray[np.uint8]
) -> NDArray[np.int64]:
    starts = np.array([part.start for part in schema.slices.values()])
    return table[codes + starts]


@dataclass(frozen=True, eq=False)
class _Best:
    """The best items, in order: their rows, scores, likeness and Fashion Vectors."""

    rows: NDArray[np.intp]
    scores: NDArray[np.float64]
    likeness: NDArray[np.float64]
    vectors: FashionVectors

    def take(self, places: NDArray[np.intp]) -> "_Best":
        return _Best(
            self.rows[places],
            self.scores[places],
            self.likeness[places],
            self.vectors.take(places),
        )


def _best(profile: StyleProfile, items: "Items", scores: NDArray[np.float64], count: int) -> _Best:
    """Return the `count` best items, pictures that were shown left out.

    Likeness only breaks ties, so that it is computed for the items that reach the cut alone.
    Where pictures already shown were among them, the cut is set lower by as many.
    """
    rows = np.arange(len(scores))
    reach = count
    while True:
        chosen = rows
        if reach < len(rows):
            cut = np.partition(scores, len(rows) - reach)[len(rows) - reach]
            chosen = np.flatnonzero(scores >= cut)
        likeness, shown = _likeness(profile, items.vectors.embeddings, chosen, items.same_picture)
        shown |= np.isin(np.asarray(items.fingerprints)[chosen], profile.shown_fingerprints)
        kept = np.flatnonzero(~shown)
        if len(kept) >= count or len(chosen) == len(rows):
            ids = [items.ids[row] for row in chosen[kept]]
            order = np.lexsort((ids, -likeness[kept], -scores[chosen[kept]]))[:count]
            best = chosen[kept[order]]
            return _Best(best, scores[best], likeness[kept[order]], items.vectors.take(best))
        reach = len(chosen) + count


def _best_candidates(
    profile: StyleProfile,
    candidates: "Candidates",
    scoring: Scoring,
    weights: NDArray[np.float64],
    count: int,
) -> _Best:
    """Return the same of a large repository, from the items that its columns lead to."""
    from fashionnet.search import cut_by_codes, cut_by_probabilities, nearest

    columns, mask = candidates.columns, candidates.mask
    liked = profile.vectors.embeddings
    reach = count
    while True:
        if scoring == "matches":
            group_scores = _match_scores(profile, columns.codes, weights)
            cut = cut_by_codes(columns, mask, group_scores, liked, reach)
        else:
            wanted = _wanted(profile, weights)
            cut = cut_by_probabilities(columns, mask, profile.schema, wanted, reach)
        near = nearest(
            columns, cut.tied, liked, max(reach - len(cut.above), 1), candidates.same_picture
        )
        rows = np.concatenate([cut.above, near])
        is_all = cut.is_all and len(near) == len(cut.tied)
        shown = _likeness(
            profile, columns.embeddings_of(rows), np.arange(len(rows)), candidates.same_picture
        )[1]
        if is_all or len(rows) - np.count_nonzero(shown) >= count:
            items = candidates.take(rows)
            scores = score(profile, items.vectors, scoring, weights)
            best = _best(profile, items, scores, count)
            return _Best(rows[best.rows], best.scores, best.likeness, best.vectors)
        reach *= 2


def _likeness(
    profile: StyleProfile,
    embeddings: NDArray[np.float32],
    rows: NDArray[np.intp],
    same_picture: float,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the largest cosine with a liked photo, and whether the picture was shown."""
    liked = profile.vectors.embeddings
    every = liked.astype(np.float64)
    if profile.disliked:
        every = np.concatenate([every, profile.disliked.vectors.embeddings])
    likeness, shown = np.empty(len(rows)), np.empty(len(rows), np.bool_)
    for start in range(0, len(rows), _LIKENESS_BLOCK):
        block = slice(start, start + _LIKENESS_BLOCK)
        # In double precision, so that a cosine does not depend on what is beside it.
        cosines = embeddings[rows[block]].astype(np.float64) @ every.T
        likeness[block] = cosines[:, : len(liked)].max(axis=1)
        shown[block] = cosines.max(axis=1) >= same_picture
    return likeness.round(6), shown


def _marginal_relevance(
    relevance: NDArray[np.float64],
    embeddings: NDArray[np.float32],
    diversity: float,
    count: int,
) -> NDArray[np.intp]:
    """Return the order in which maximal marginal relevance takes `count` of the candidates."""
    gain = (1 - diversity) * relevance
    nearest = np.full(len(relevance), -1.0)
    order: list[int] = []
    for _ in range(min(count, len(relevance))):
        penalty = diversity * nearest if order else 0.0
        marginal = (gain - penalty).round(9)
        marginal[order] = -np.inf
        # argmax takes the first of equals: the one that was ranked higher.
        order.append(int(marginal.argmax()))
        cosines = (embeddings @ embeddings[order[-1]]).astype(np.float64).round(6)
        nearest = np.maximum(nearest, cosines)
    return np.array(order, np.intp)


def check_options(top: int, scoring: str, diversity: float) -> None:
    """Raise RequestError for what `recommend` does not take, before any long work."""
    if top < 1:
        raise RequestError(f"top is {top}: expected 1 or more")
    if scoring not in SCORINGS:
        raise RequestError(f"scoring {scoring!r} is unknown: expected {' or '.join(SCORINGS)}")
    if not 0 <= diversity <= 1:
        raise RequestError(f"diversity is {diversity:g}: expected 0 to 1")


def _check_alike(profile: StyleProfile, schema: Schema, embedding_size: int) -> None:
    if schema.fingerprint != profile.schema.fingerprint:
        raise RequestError(
            f"the profile's schema ({', '.join(profile.schema.names)}) is not that of the items "
            f"({', '.join(schema.names)}): use one model for both"
        )
    own_size = profile.vectors.embeddings.shape[1]
    if own_size != embedding_size:
        raise RequestError(
            f"the profile's embeddings have {own_size} numbers, the items' {embedding_size}: use "
            "one model for both"
        )

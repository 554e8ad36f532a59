"""How well an embedding finds the other pictures of an item: one measure for every embedding.

The protocol of seed 003: every picture queries all others, and is answered when a picture of the
same item is among the k nearest. Memory grows with the number of pictures N: there is never an N×N
matrix.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fashionnet.errors import RequestError
from fashionnet.evaluation import Interval

TOPS = (1, 5, 10)
METRICS = ("cosine", "l2")

_BOOTSTRAPS = 2000
# Pictures that lie in one place are equally near whatever the order in which products are summed.
_EQUALLY_NEAR = 1e-5
_CELLS = 2**22


@dataclass(frozen=True)
class RetrievalFigures:
    """What was measured, each with its 95% interval.

    Attributes:
        pictures: how many were searched.
        items: how many of them have more than one picture; their pictures are the queries.
        accuracy: for each k of TOPS, the share of queries with a picture of the same item among
            the k nearest.
        recall: for each k of TOPS, the mean share of an item's other pictures among the k nearest;
            the same as the accuracy where every item has two pictures.
        average_precision: the mean over the queries of the mean precision at the ranks of the
            item's other pictures (mean average precision).
    """

    pictures: int
    items: int
    accuracy: dict[int, Interval]
    recall: dict[int, Interval]
    average_precision: Interval

    def to_dict(self) -> dict[str, object]:
        """Return everything as numbers and dictionaries for JSON."""
        return {
            "pictures": self.pictures,
            "items": self.items,
            **{f"top_{k}": interval.to_dict() for k, interval in self.accuracy.items()},
            **{f"recall_{k}": interval.to_dict() for k, interval in self.recall.items()},
            "mean_average_precision": self.average_precision.to_dict(),
        }


def score_embedding(
    embeddings: NDArray[np.floating], labels: ArrayLike, metric: str = "cosine", seed: int = 0
) -> RetrievalFigures:
    """Score an embedding of N pictures, ours or another's.

    Args:
        embeddings: float (N, D).
        labels: int (N,); pictures of one item have one label.
        metric: `cosine` orders by the angle, `l2` by the Euclidean distance.
        seed: of the bootstrap.

    A picture of another item that is as near as the right one counts as nearer, so that an
    embedding that says the same of every picture finds nothing. The intervals are percentiles of a
    bootstrap that draws whole items, since the queries of one item are not independent.

    Raises RequestError when sizes disagree, numbers are not finite or no item has two pictures.
    """
    labels = np.asarray(labels)
    if metric not in METRICS:
        raise RequestError(f"metric {metric!r}: expected one of {', '.join(METRICS)}")
    if embeddings.ndim != 2 or labels.shape != embeddings.shape[:1]:
        raise RequestError(
            f"embeddings of shape {embeddings.shape} and labels of shape {labels.shape}: expected "
            "N rows of numbers and N labels"
        )
    if not np.isfinite(embeddings).all():
        raise RequestError("the embeddings hold numbers that are not finite: nothing to order by")
    queries, scores = _scores(embeddings, labels, metric)
    if not len(queries):
        raise RequestError("no item has two pictures: nothing can be found")
    means = _means_of_items(scores, labels[queries], seed)
    return RetrievalFigures(
        pictures=len(labels),
        items=len(np.unique(labels[queries])),
        accuracy=dict(zip(TOPS, means, strict=False)),
        recall=dict(zip(TOPS, means[len(TOPS) :], strict=False)),
        average_precision=means[-1],
    )


def _scores(
    embeddings: NDArray[np.floating], labels: NDArray[np.generic], metric: str
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return the queries, intp (Q,), and for each its accuracies, recalls and precision."""
    rows = []
    queries = _with_others(labels)
    for ranks in _ranks(embeddings, labels, queries, metric):
        found = ranks >= 0
        others = found.sum(axis=1)
        places = np.arange(1, ranks.shape[1] + 1)
        precision = np.where(found, places / np.maximum(ranks + 1, 1), 0).sum(axis=1) / others
        within = [((ranks < k) & found).sum(axis=1) for k in TOPS]
        columns = [count > 0 for count in within] + [count / others for count in within]
        rows.append(np.stack([*columns, precision], axis=1))
    width = 2 * len(TOPS) + 1
    return queries, np.concatenate([np.zeros((0, width)), *rows])


def _with_others(labels: NDArray[np.generic]) -> NDArray[np.intp]:
    _, inverse, counts = np.unique(labels, return_inverse=True, return_counts=True)
    return np.flatnonzero(counts[inverse] > 1)


def _ranks(
    embeddings: NDArray[np.floating],
    labels: NDArray[np.generic],
    queries: NDArray[np.intp],
    metric: str,
) -> Iterator[NDArray[np.int64]]:
    """Yield, for some queries at a time, the ranks of their items' other pictures.

    Ranks ascend from 0; they are int64 (Q, P), filled up with -1 where an item has fewer.
    """
    points = embeddings.astype(np.float32)
    if metric == "cosine":
        points = points / np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-12)
    # Of mean length 1, so that one tolerance suits all.
    points = points / np.maximum(np.sqrt((points**2).sum(axis=1).mean()), 1e-12)
    squares = (points**2).sum(axis=1)
    size = max(1, _CELLS // len(points))
    for start in range(0, len(queries), size):
        chosen = queries[start : start + size]
        distances = squares - 2 * (points[chosen] @ points.T)
        same = labels[chosen][:, None] == labels[None, :]
        own = same.copy()
        own[np.arange(len(chosen)), chosen] = False
        most = int(own.sum(axis=1).max())
        nearest_own = np.sort(np.where(own, distances, np.inf), axis=1)[:, :most]
        ahead = np.full(nearest_own.shape, -1, np.int64)
        foreign = np.where(same, np.inf, distances)
        for place in range(most):
            counted = np.isfinite(nearest_own[:, place])
            nearer = (foreign <= nearest_own[:, place, None] + _EQUALLY_NEAR).sum(axis=1) + place
            ahead[counted, place] = nearer[counted]
        yield ahead


def _means_of_items(
    scores: NDArray[np.float64], labels: NDArray[np.generic], seed: int
) -> list[Interval]:
    """Return the mean of each column of (Q, S), with intervals that draw items, not rows."""
    _, inverse, counts = np.unique(labels, return_inverse=True, return_counts=True)
    sums = np.zeros((len(counts), scores.shape[1]))
    np.add.at(sums, inverse, scores)
    random = np.random.default_rng(seed)
    samples = np.empty((_BOOTSTRAPS, scores.shape[1]))
    for sample in samples:
        drawn = random.integers(len(counts), size=len(counts))
        sample[:] = sums[drawn].sum(axis=0) / counts[drawn].sum()
    values = scores.mean(axis=0)
    low, high = np.percentile(samples, [2.5, 97.5], axis=0)
    return [
        Interval(float(v), min(float(a), float(v)), max(float(b), float(v)))
        for v, a, b in zip(values, low, high, strict=True)
    ]

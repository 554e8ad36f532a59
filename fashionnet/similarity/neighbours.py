"""The items that are most like a photo, by their embeddings.

The likeness of two photos is the cosine of their embeddings. These have unit length, so that a
query q (E,) has with N items X (N, E) the likeness X q: a column of N numbers. There is never a
matrix of every item with every other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fashionnet.errors import RequestError

if TYPE_CHECKING:
    from fashionnet.repository.store import Items


@dataclass(frozen=True, eq=False)
class Similar:
    """K items that are like a query, the most alike first.

    Attributes:
        items: the N items that were searched.
        rows: intp (K,), rows of `items`.
        scores: float64 (K,), the cosines with what was searched for.
        likeness: float64 (K,), the cosines with the query: the scores, unless it was shifted.
        compared: how many items there were to choose from.
    """

    items: "Items"
    rows: NDArray[np.intp]
    scores: NDArray[np.float64]
    likeness: NDArray[np.float64]
    compared: int

    @property
    def ids(self) -> list[str]:
        """Names of the K items."""
        return [self.items.ids[row] for row in self.rows]

    def take(self, places: Sequence[int] | NDArray[np.intp]) -> "Similar":
        """Return the items at some of the K places."""
        chosen = np.asarray(places, np.intp)
        return Similar(
            self.items,
            self.rows[chosen],
            self.scores[chosen],
            self.likeness[chosen],
            self.compared,
        )

    def __len__(self) -> int:
        return len(self.rows)


def most_similar(
    items: "Items",
    query: NDArray[np.float32],
    top: int,
    leave_out: str | None = None,
    sought: NDArray[np.float32] | None = None,
) -> Similar:
    """Return the `top` items whose embeddings have the largest cosines; fewer where fewer are.

    Args:
        items: what is searched.
        query: float32 (E,), an embedding of unit length.
        top: how many items, 1 or more.
        leave_out: the id of an item that is not to be among them, such as the query itself.
        sought: float32 (E,) of unit length: what to search for in the place of the query.

    Cosines are rounded to 6 decimals and equal ones stay in the items' order, so that the result
    is the same in every run. Raises RequestError for a `top` below 1 and for an embedding of
    another size than the items'.
    """
    check_top(top)
    sought = query if sought is None else sought
    embeddings = items.vectors.embeddings
    for embedding in (query, sought):
        if embedding.shape != embeddings.shape[1:]:
            raise RequestError(
                f"the query's embedding has {embedding.size} numbers, the items' have "
                f"{embeddings.shape[1]}: use one model for both"
            )
    scores = (embeddings @ sought).astype(np.float64).round(6)
    rows = np.arange(len(scores))
    if leave_out in items.ids:
        rows = np.delete(rows, items.ids.index(leave_out))
    compared = len(rows)
    if top < compared:
        cut = np.partition(scores[rows], compared - top)[compared - top]
        rows = rows[scores[rows] >= cut]
    rows = rows[np.argsort(-scores[rows], kind="stable")[:top]]
    likeness = (embeddings[rows] @ query).astype(np.float64).round(6)
    return Similar(items, rows, scores[rows], likeness, compared)


def check_top(top: int) -> None:
    """Raise RequestError unless `top` is 1 or more."""
    if top < 1:
        raise RequestError(f"top is {top}: expected 1 or more")

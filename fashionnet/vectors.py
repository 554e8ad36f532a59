"""Fashion Vectors of many photos, as columns."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fashionnet.schema import Schema


@dataclass(frozen=True, eq=False)
class FashionVectors:
    """What a network says of N photos under a schema of A attributes and C classes in all.

    Attributes:
        schema: the attributes and classes that the columns stand for.
        probabilities: float32 (N, C), the attributes' softmax outputs side by side in the
            schema's order; each attribute's slice of a row sums to one.
        relevance: float32 (N,), the probability that the photo shows a garment that the
            schema describes; all ones from a network without a relevance head.
        embeddings: float32 (N, E), unit length.

    >>> vectors.codes[0]                  # doctest: +SKIP
    array([1, 0, 0, 0], dtype=uint8)
    >>> vectors.classes(0)                # doctest: +SKIP
    ['striped', 'cotton', 'casual', 'full-sleeve']
    """

    schema: Schema
    probabilities: NDArray[np.float32]
    relevance: NDArray[np.float32]
    embeddings: NDArray[np.float32]

    def __post_init__(self) -> None:
        count = len(self.probabilities)
        if (
            self.probabilities.shape != (count, self.schema.class_count)
            or self.relevance.shape != (count,)
            or self.embeddings.ndim != 2
            or len(self.embeddings) != count
        ):
            raise ValueError(
                f"columns of {self.probabilities.shape}, {self.relevance.shape} and "
                f"{self.embeddings.shape} do not make Fashion Vectors of "
                f"{self.schema.class_count} classes"
            )

    @classmethod
    def empty(cls, schema: Schema, embedding_size: int) -> "FashionVectors":
        """Return the Fashion Vectors of no photo."""
        return cls(
            schema,
            np.zeros((0, schema.class_count), np.float32),
            np.zeros(0, np.float32),
            np.zeros((0, embedding_size), np.float32),
        )

    @classmethod
    def concatenate(cls, parts: Sequence["FashionVectors"]) -> "FashionVectors":
        """Join the rows of one or more parts of the same schema and embedding size."""
        return cls(
            parts[0].schema,
            np.concatenate([part.probabilities for part in parts]),
            np.concatenate([part.relevance for part in parts]),
            np.concatenate([part.embeddings for part in parts]),
        )

    @cached_property
    def codes(self) -> NDArray[np.uint8]:
        """The Fashion Vectors themselves: uint8 (N, A), the most probable class's index."""
        columns = [
            self.probabilities[:, part].argmax(axis=1).astype(np.uint8)
            for part in self.schema.slices.values()
        ]
        return np.stack(columns, axis=1)

    @property
    def relevant(self) -> NDArray[np.bool_]:
        """bool (N,): whether relevance is at least one half."""
        return self.relevance >= 0.5

    def classes(self, row: int) -> list[str]:
        """Return one photo's Fashion Vector in words."""
        return [
            attribute.classes[code]
            for attribute, code in zip(self.schema, self.codes[row], strict=True)
        ]

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_] | Sequence[int]) -> "FashionVectors":
        """Return the rows chosen by indices or by a mask."""
        return FashionVectors(
            self.schema, self.probabilities[rows], self.relevance[rows], self.embeddings[rows]
        )

    def __len__(self) -> int:
        return len(self.probabilities)

"""The trained network as a compiled graph: what every prediction runs on."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fashionnet.network.folder import DEFAULT_MODEL, Model
from fashionnet.network.precision import Calibration, choose_precision, has_openvino
from fashionnet.photos import Image
from fashionnet.schema import RELEVANCE
from fashionnet.vectors import FashionVectors


class Engine(Protocol):
    """What runs the network on images."""

    def run(self, images: Iterable[Image]) -> Iterator[list[NDArray[np.float32]]]:
        """Yield each image's probabilities, head by head, and its summary."""


class CompiledNetwork:
    """A trained model, ready to describe photos.

    Attributes:
        schema: the attributes that it knows.
        fingerprint: the model's; it does not change with the precision.
        precision: what it computes in, one of `fashionnet.network.precision.PRECISIONS`.
        embedding_size: the width of its embeddings.
        same_picture: the cosine from which two of them are of one picture that was saved again.

    >>> network = CompiledNetwork.open()
    >>> network.schema.names
    ('pattern', 'fabric', 'style', 'shape')
    """

    def __init__(
        self, model: Model, precision: str = "auto", calibration: Calibration | None = None
    ) -> None:
        self.precision = choose_precision(precision, calibration)
        self.schema = model.schema
        self.fingerprint = model.fingerprint
        self.embedding_size, self.same_picture = model.embedding_size, model.same_picture
        self._heads, self._embeddings = model.heads, model.embeddings
        self._engine = _engine(model, self.precision, calibration)

    @classmethod
    def open(cls, folder: Path | None = None, precision: str = "auto") -> "CompiledNetwork":
        """Load a model folder, or the model that ships with FashionNet, and compile it.

        `precision` is `auto`, the fastest that the model offers and the processor has, or one of
        `fashionnet.network.precision.PRECISIONS`; RequestError for one that does not work here.
        """
        model = Model.load(folder)
        return cls(model, precision, Calibration.load(folder or DEFAULT_MODEL, model))

    def describe(self, images: Iterable[Image]) -> FashionVectors:
        """Return the Fashion Vectors of RGB images of any size, one row each."""
        rows = list(self._engine.run(images))
        if not rows:
            return FashionVectors.empty(self.schema, self.embedding_size)
        *probabilities, summaries = (np.stack(column) for column in zip(*rows, strict=True))
        by_head = dict(zip(self._heads, probabilities, strict=True))
        relevance = by_head[RELEVANCE][:, 1] if RELEVANCE in by_head else np.ones(len(rows), "f4")
        return FashionVectors(
            self.schema,
            np.concatenate([by_head[name] for name in self.schema.names], axis=1),
            relevance,
            self._embeddings(summaries),
        )


def _engine(model: Model, precision: str, calibration: Calibration | None) -> Engine:
    if has_openvino():
        from fashionnet.network.graph import network_graph

        return network_graph(model, precision, calibration.largest if calibration else {})
    from fashionnet.network.keras_engine import KerasEngine

    return KerasEngine(model)

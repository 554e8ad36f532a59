"""Learn the projection of a model's embedding: from summaries of photos and what belongs together.

Of every kind of togetherness (products of one name, views of one photo, photos of the same classes)
each step draws a batch of pairs and takes the supervised contrastive loss of their cosines; the
losses are added. The map is linear, so that it learns from some thousand photos what holds for
others, and starts as their principal components.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import keras
import numpy as np
from numpy.typing import NDArray

from fashionnet.network.projection import Projection
from fashionnet.similarity.distances import cosine
from fashionnet.similarity.losses import supervised_contrastive
from fashionnet.similarity.miners import masks_of_labels

_DROPOUT = 0.2
_WEIGHT_DECAY = 0.01
_RATE = 0.01
_RIDGE = 0.3
_SMALLEST_DEVIATION = 0.1


@dataclass(frozen=True, eq=False)
class Together:
    """Photos of which some belong together.

    Attributes:
        summaries: float (N, S) of each photo.
        labels: int (N,); photos of one label belong together.
        pairs: how many are drawn at every step.
        weight: of this loss beside the others.
        temperature: of this loss; the smaller, the more the nearest wrong photos count.
    """

    summaries: NDArray[np.floating]
    labels: NDArray[np.integer]
    pairs: int
    weight: float = 1.0
    temperature: float = 0.1


def learn_projection(
    kinds: Sequence[Together],
    summaries: NDArray[np.floating],
    size: int,
    steps: int,
    seed: int = 0,
    advance: Callable[[int], object] = lambda count: None,
) -> Projection:
    """Return the map that was learned.

    Args:
        kinds: what is to be near each other; each has a label with two photos and more.
        summaries: float (M, S) of photos of all sorts, on whose mean, deviations and principal
            components it starts.
        size: of the embeddings.
        steps: of training.
        seed: of what is drawn; the same seed gives the same map on one machine.
        advance: is called after each step.
    """
    keras.utils.set_random_seed(seed)
    random = np.random.default_rng(seed)
    mean, deviation = _scale(summaries)
    start = _principal_components((summaries - mean) / deviation, size)
    model = ProjectionModel(start, kinds)
    schedule = keras.optimizers.schedules.CosineDecay(_RATE * float(start.std()), steps)
    model.compile(keras.optimizers.AdamW(schedule, weight_decay=_WEIGHT_DECAY))
    for _ in range(steps):
        drawn = [_draw(kind, random) for kind in kinds]
        rows = np.concatenate(
            [kind.summaries[rows] for kind, rows in zip(kinds, drawn, strict=True)]
        )
        labels = [kind.labels[rows] for kind, rows in zip(kinds, drawn, strict=True)]
        scaled = ((rows - mean) / deviation).astype(np.float32)
        model.train_on_batch(scaled, np.concatenate(labels).astype(np.int32))
        advance(1)
    learned = model.kernel() / deviation[:, None]
    # As they come back from disk, so that what is measured is what is kept.
    return Projection(*(a.astype(np.float16).astype(np.float32) for a in (mean, learned)))


class ProjectionModel(keras.Model):
    """The map on scaled summaries; a batch holds the pairs of every kind, one after another."""

    def __init__(self, start: NDArray[np.float32], kinds: Sequence[Together]) -> None:
        super().__init__()
        self.dropout = keras.layers.Dropout(_DROPOUT)
        self.map = keras.layers.Dense(start.shape[1], use_bias=False)
        self.map.build((None, start.shape[0]))
        self.map.set_weights([start])
        self._ends = np.cumsum([2 * kind.pairs for kind in kinds]).tolist()
        self._terms = [(kind.weight, kind.temperature) for kind in kinds]

    def call(self, summaries: keras.KerasTensor, training: bool = False) -> keras.KerasTensor:
        """Return the embeddings before they are brought to unit length, float32 (N, E)."""
        return self.map(self.dropout(summaries, training=training))

    def compute_loss(
        self,
        x: object = None,
        y: keras.KerasTensor = None,
        y_pred: keras.KerasTensor = None,
        sample_weight: object = None,
        training: bool = True,
    ) -> keras.KerasTensor:
        """Return the weighted sum of the kinds' losses."""
        total = 0.0
        for start, end, (weight, temperature) in zip(
            [0, *self._ends], self._ends, self._terms, strict=False
        ):
            points = y_pred[start:end]
            positives, negatives = masks_of_labels(y[start:end])
            total += weight * supervised_contrastive(
                cosine(points, points), positives, negatives, temperature=temperature
            )
        return total

    def kernel(self) -> NDArray[np.float32]:
        """Return the map as it is now, float32 (S, E)."""
        return np.asarray(self.map.get_weights()[0], np.float32)


def _draw(kind: Together, random: np.random.Generator) -> NDArray[np.intp]:
    """Return the rows of `pairs` photos and of as many that each belong with one of them."""
    order = np.argsort(kind.labels, kind="stable")
    ordered = kind.labels[order]
    first = np.searchsorted(ordered, ordered, "left")
    count = np.searchsorted(ordered, ordered, "right") - first
    several = np.flatnonzero(count > 1)
    places = random.choice(several, kind.pairs, replace=kind.pairs > len(several))
    # Any of the label's photos but the one itself.
    steps = random.integers(1, count[places])
    partners = first[places] + (places - first[places] + steps) % count[places]
    return np.asarray(np.concatenate([order[places], order[partners]]))


def _scale(
    summaries: NDArray[np.floating],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return float32 (S,) each: the mean and deviation of the numbers of a summary."""
    mean, deviation = (
        summaries.mean(axis=0, dtype=np.float64),
        summaries.std(axis=0, dtype=np.float64),
    )
    # A filter that is all but silent on these photos would otherwise be blown up to noise.
    floor = _SMALLEST_DEVIATION * deviation.mean() + 1e-6
    return mean.astype(np.float32), np.maximum(deviation, floor).astype(np.float32)


def _principal_components(scaled: NDArray[np.floating], size: int) -> NDArray[np.float32]:
    """Return float32 (S, E): the first components, nearly whitened."""
    values, vectors = np.linalg.eigh(np.cov(scaled, rowvar=False))
    values, vectors = values[-size:], vectors[:, -size:]
    return (vectors / np.sqrt(values + _RIDGE * values.mean())).astype(np.float32)

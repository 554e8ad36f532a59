"""A linear map of a model's embeddings that brings what belongs together nearer: learned, optional.

Of an embedding x of unit length the map makes

    (x − mean) kernel

brought back to unit length.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save

from fashionnet.files import write_whole

PROJECTION_FILE = "projection.safetensors"

_WITHIN_SHRINKAGE = 1.0
_RIDGE = 0.1
_HALVINGS = 16


@dataclass(frozen=True, eq=False)
class Projection:
    """A map from embeddings of E numbers to embeddings of as many.

    Attributes:
        mean: float32 (E,), taken away first.
        kernel: float32 (E, E). On disk both are float16.
    """

    mean: NDArray[np.float32]
    kernel: NDArray[np.float32]

    def __call__(self, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return float32 (N, E) of unit length, of float (N, E)."""
        mapped = (embeddings - self.mean) @ self.kernel
        lengths = np.linalg.norm(mapped, axis=1, keepdims=True)
        return np.asarray(mapped / np.maximum(lengths, 1e-12), np.float32)

    @classmethod
    def load(cls, folder: Path, size: int) -> "Projection | None":
        """Read a model folder's map of embeddings of `size` numbers; None where it has none.

        Raises ValueError or SafetensorError where the file is damaged.
        """
        path = folder / PROJECTION_FILE
        if not path.exists():
            return None
        stored = load_file(path)
        shapes = {name: array.shape for name, array in stored.items()}
        if shapes != {"mean": (size,), "kernel": (size, size)}:
            raise ValueError(f"{PROJECTION_FILE} holds {shapes}")
        mean, kernel = (stored[name].astype(np.float32) for name in ("mean", "kernel"))
        if not (np.isfinite(mean).all() and np.isfinite(kernel).all()):
            raise ValueError(f"{PROJECTION_FILE} holds numbers that are not finite")
        return cls(mean, kernel)

    def save(self, folder: Path) -> None:
        """Write the map into a model folder."""
        arrays = {"mean": self.mean, "kernel": self.kernel}
        stored = {name: array.astype(np.float16) for name, array in arrays.items()}
        write_whole(folder / PROJECTION_FILE, save(stored))


def learn_projection(
    embeddings: NDArray[np.floating],
    labels: NDArray[np.integer],
    described: NDArray[np.floating],
    probabilities: NDArray[np.floating],
    weight: float,
) -> Projection:
    """Learn a map that finds other pictures of an item and keeps an item's classes.

    Args:
        embeddings: float (N, E) of unit length, of pictures of items; some have several.
        labels: int (N,), the item of each.
        described: float (M, E) of unit length, of photos with
        probabilities: float (M, C), those of their classes.
        weight: how much the classes count beside the items, 0 or more.

    With S the covariance within items, shrunk half way to a multiple of the unit matrix, and G
    (E, C) the ridge regression of the probabilities on the embeddings, the kernel is the symmetric
    root of

        S⁻¹ / s + weight² G Gᵀ / g

    where s and g are the mean squared lengths that S⁻¹ and G give the described photos. The first
    part is within-class covariance normalisation (Hatch et al., 2006, "Within-class covariance
    normalization for SVM-based speaker recognition"). Of the pictures' mean so much is taken away
    that the mean cosine of the described photos stays what it was: what is a large cosine, stays
    one.
    """
    _, inverse, counts = np.unique(labels, return_inverse=True, return_counts=True)
    several = counts[inverse] > 1
    means = np.zeros((len(counts), embeddings.shape[1]))
    np.add.at(means, inverse, embeddings)
    apart = (embeddings - (means / counts[:, None])[inverse])[several]
    mean = embeddings[several].mean(axis=0, dtype=np.float64)
    within = np.asarray(np.linalg.inv(_shrunk(apart.T @ apart, _WITHIN_SHRINKAGE)), np.float64)
    centred = described.astype(np.float64) - mean
    towards = (probabilities - probabilities.mean(axis=0)).astype(np.float64)
    classes = np.linalg.solve(_shrunk(centred.T @ centred, _RIDGE), centred.T @ towards)
    between = np.asarray(classes @ classes.T, np.float64)
    metric = within / _length(centred, within) + weight**2 * between / _length(centred, between)
    values, vectors = np.linalg.eigh(metric)
    kernel = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    mean = mean * _share_of_mean(described, mean, kernel)
    # As they come back from disk, so that what is measured is what is kept.
    return Projection(*(a.astype(np.float16).astype(np.float32) for a in (mean, kernel)))


def _share_of_mean(
    described: NDArray[np.floating], mean: NDArray[np.float64], kernel: NDArray[np.float64]
) -> float:
    """Return how much of the mean to take away, 1 or less, for the mean cosine to stay.

    Below 0 it is added: the more of it there is, the nearer all embeddings are to each other.
    """

    def mean_cosine(embeddings: NDArray[np.floating]) -> float:
        units = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
        return float((units.mean(axis=0) ** 2).sum())

    mapped, mapped_mean, before = described @ kernel, mean @ kernel, mean_cosine(described)
    low, high = -15.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if mean_cosine(mapped - middle * mapped_mean) > before:
            low = middle
        else:
            high = middle
    return low


def _shrunk(scatter: NDArray[np.float64], shrinkage: float) -> NDArray[np.float64]:
    """Add a multiple of the unit matrix: `shrinkage` times the mean of the diagonal."""
    size = len(scatter)
    return np.asarray(scatter + shrinkage * np.trace(scatter) / size * np.eye(size), np.float64)


def _length(centred: NDArray[np.float64], metric: NDArray[np.float64]) -> float:
    return float(((centred @ metric) * centred).sum(axis=1).mean())

"""A linear map of photos' summaries to embeddings in which what belongs together is near.

Of a summary x the map makes

    (x − mean) kernel

brought to unit length. `fashionnet.similarity.projection_training` learns it.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save

from fashionnet.files import write_whole
from fashionnet.network.trunk import SUMMARY_SIZE

PROJECTION_FILE = "projection.safetensors"

SAME_PICTURE = 0.9
"""Cosine from which two embeddings of a projection are of one picture that was saved again.

It is that of projections which `fashionnet.similarity.projection_training` learns;
benchmarks/same_picture.py measures it.
"""


@dataclass(frozen=True, eq=False)
class Projection:
    """A map from summaries of S = SUMMARY_SIZE numbers to embeddings of E.

    Attributes:
        mean: float32 (S,), taken away first.
        kernel: float32 (S, E). On disk both are float16.
    """

    mean: NDArray[np.float32]
    kernel: NDArray[np.float32]

    @property
    def size(self) -> int:
        """Width of the embeddings."""
        return int(self.kernel.shape[1])

    def __call__(self, summaries: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return float32 (N, E) of unit length, of float (N, S)."""
        return unit_length((summaries - self.mean) @ self.kernel)

    @classmethod
    def load(cls, folder: Path) -> "Projection | None":
        """Read a model folder's map; None where it has none.

        Raises ValueError or SafetensorError where the file is damaged.
        """
        path = folder / PROJECTION_FILE
        if not path.exists():
            return None
        stored = load_file(path)
        shapes = {name: array.shape for name, array in stored.items()}
        size = shapes.get("kernel", ())[-1:]
        expected = {"mean": (SUMMARY_SIZE,), "kernel": (SUMMARY_SIZE, *size)}
        if shapes != expected or not size[0]:
            raise ValueError(f"{PROJECTION_FILE} holds {shapes}, expected {expected}")
        mean, kernel = (stored[name].astype(np.float32) for name in ("mean", "kernel"))
        if not (np.isfinite(mean).all() and np.isfinite(kernel).all()):
            raise ValueError(f"{PROJECTION_FILE} holds numbers that are not finite")
        return cls(mean, kernel)

    def save(self, folder: Path) -> None:
        """Write the map into a model folder."""
        arrays = {"mean": self.mean, "kernel": self.kernel}
        stored = {name: array.astype(np.float16) for name, array in arrays.items()}
        write_whole(folder / PROJECTION_FILE, save(stored))


def unit_length(rows: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return float32 (N, E): rows scaled to a length of 1; a row of zeros stays as it is."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, 1e-12), np.float32)

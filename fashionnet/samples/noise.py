"""Smooth random fields, from which folds, cloths and floors are made."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Field = NDArray[Any]
"""H×W float32."""


def smooth_noise(
    rng: np.random.Generator, height: int, width: int, cell: tuple[float, float]
) -> Field:
    """Return noise of about unit deviation whose features are `cell` = (rows, columns) large."""
    rows = max(2, round(height / cell[0])) + 1
    columns = max(2, round(width / cell[1])) + 1
    coarse = rng.standard_normal((rows, columns)).astype(np.float32)
    return np.asarray(
        cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.float32
    )


def tiling_noise(rng: np.random.Generator, size: int, cell: tuple[float, float]) -> Field:
    """Return size×size noise like `smooth_noise` whose opposite edges join."""
    rows, columns = max(2, round(size / cell[0])), max(2, round(size / cell[1]))
    coarse = rng.standard_normal((rows, columns)).astype(np.float32)
    # Two cells of its own far side around it make the cubic interpolation meet at the edges.
    padded = np.pad(coarse, 2, mode="wrap")
    step_y, step_x = size / rows, size / columns
    large = cv2.resize(
        padded,
        (round(step_x * (columns + 4)), round(step_y * (rows + 4))),
        interpolation=cv2.INTER_CUBIC,
    )
    top, left = round(2 * step_y), round(2 * step_x)
    return np.asarray(large[top : top + size, left : left + size], np.float32)

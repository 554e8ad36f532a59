"""Distances between embeddings, for training: every point of one batch to every point of another.

Each takes float (N, D) and (M, D) of any backend of Keras, and returns float32 (N, M). Values and
gradients are finite everywhere, also where two points are the same: the gradient there is 0.
"""

import math
from collections.abc import Callable

import keras
from keras import ops

Distance = Callable[[keras.KerasTensor, keras.KerasTensor], keras.KerasTensor]

# Of |a|² + |b|²: float32 cannot tell points apart whose squared distance is a smaller share.
_SAME = 1e-6
_SHORTEST = 1e-6


def squared_l2(first: keras.KerasTensor, second: keras.KerasTensor) -> keras.KerasTensor:
    """Return Σ_k (a_k − b_k)², computed as |a|² + |b|² − 2 a·b in memory N×M.

    Points too near each other for float32 to tell apart are at 0.
    """
    first, second = ops.cast(first, "float32"), ops.cast(second, "float32")
    lengths = ops.sum(first**2, 1)[:, None] + ops.sum(second**2, 1)[None, :]
    squares = lengths - 2.0 * ops.matmul(first, ops.transpose(second))
    return ops.where(squares > _SAME * lengths, squares, 0.0)


def l2(first: keras.KerasTensor, second: keras.KerasTensor) -> keras.KerasTensor:
    """Return the Euclidean distance, √Σ_k (a_k − b_k)²."""
    return _root(squared_l2(first, second))


def cosine(first: keras.KerasTensor, second: keras.KerasTensor) -> keras.KerasTensor:
    """Return 1 − cos(a, b), from 0 to 2: half the squared distance of the points' directions."""
    return 0.5 * squared_l2(_directions(first), _directions(second))


def angular(first: keras.KerasTensor, second: keras.KerasTensor) -> keras.KerasTensor:
    """Return the angle between a and b as a share of π, from 0 to 1.

    With u and v of unit length the angle is 2·atan2(|u − v|, |u + v|) (Kahan, 2006, "How futile are
    mindless assessments of roundoff in floating-point computation?", §12), which stays exact where
    the arc cosine does not, and has a gradient where the cosine is 1.
    """
    first, second = _directions(first), _directions(second)
    apart = l2(first, second)
    together = ops.maximum(l2(first, -second), _SHORTEST)
    return ops.arctan2(apart, together) * (2.0 / math.pi)


def _directions(points: keras.KerasTensor) -> keras.KerasTensor:
    points = ops.cast(points, "float32")
    lengths = _root(ops.sum(points**2, 1, keepdims=True))
    return points / ops.maximum(lengths, _SHORTEST)


def _root(squares: keras.KerasTensor) -> keras.KerasTensor:
    """Return the root, whose slope at 0 is not infinite but 0."""
    above = squares > 0.0
    # Both branches of a choice are differentiated, so that the root must not meet a 0 in either.
    return ops.where(above, ops.sqrt(ops.where(above, squares, 1.0)), 0.0)


DISTANCES: dict[str, Distance] = {
    "l2": l2,
    "squared-l2": squared_l2,
    "cosine": cosine,
    "angular": angular,
}
"""The distances by their names in an experiment."""

"""Miners: which triplets of anchor, positive and negative a batch trains on.

A miner takes the distances from N anchors to M points, and which of these points are the anchors'
positives and negatives: float (N, M) and two bool (N, M). These come from class labels
(`masks_of_labels`) or from anything else that says what belongs together. An anchor with no
positive, or with no negative, is in no triplet.
"""

from collections.abc import Callable
from dataclasses import dataclass

import keras
from keras import ops


@dataclass(frozen=True)
class Triplets:
    """Distances of triplets, in shapes that broadcast together.

    Attributes:
        positive: float32, from the anchor to the positive.
        negative: float32, from the anchor to the negative.
        valid: bool, whether there is such a triplet; the distances of others mean nothing.
    """

    positive: keras.KerasTensor
    negative: keras.KerasTensor
    valid: keras.KerasTensor


Miner = Callable[[keras.KerasTensor, keras.KerasTensor, keras.KerasTensor], Triplets]


def masks_of_labels(labels: keras.KerasTensor) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Return the positives and negatives of a batch, bool (N, N) each, from int (N,) labels.

    Positives have the anchor's label, negatives another. No point is its own positive.
    """
    same = ops.equal(labels[:, None], labels[None, :])
    itself = ops.cast(ops.eye(ops.shape(labels)[0]), "bool")
    return ops.logical_and(same, ops.logical_not(itself)), ops.logical_not(same)


def every(
    distances: keras.KerasTensor, positives: keras.KerasTensor, negatives: keras.KerasTensor
) -> Triplets:
    """Return all triplets, (N, M, M) of them ("batch all": Hermans et al., 2017, §2)."""
    valid = ops.logical_and(positives[:, :, None], negatives[:, None, :])
    return Triplets(distances[:, :, None], distances[:, None, :], valid)


def hard(
    distances: keras.KerasTensor, positives: keras.KerasTensor, negatives: keras.KerasTensor
) -> Triplets:
    """Return each anchor with its farthest positive and its nearest negative, (N, 1).

    "Batch hard" of Hermans, Beyer and Leibe, 2017, "In Defense of the Triplet Loss for Person
    Re-Identification".
    """
    farthest = ops.argmax(ops.where(positives, distances, -_FAR), 1, keepdims=True)
    nearest = ops.argmin(ops.where(negatives, distances, _FAR), 1, keepdims=True)
    return Triplets(
        ops.take_along_axis(distances, farthest, 1),
        ops.take_along_axis(distances, nearest, 1),
        ops.logical_and(ops.any(positives, 1, keepdims=True), ops.any(negatives, 1, keepdims=True)),
    )


def semi_hard(
    distances: keras.KerasTensor, positives: keras.KerasTensor, negatives: keras.KerasTensor
) -> Triplets:
    """Return each pair with the nearest negative that is farther than the positive, (N, M).

    Where no negative is farther than the positive, it is the farthest negative. Semi-hard negatives
    are those of Schroff, Kalenichenko and Philbin, 2015, "FaceNet: A Unified Embedding for Face
    Recognition and Clustering", §3.2. The choice takes memory N×M×M.
    """
    to_negatives = distances[:, None, :]
    farther = ops.logical_and(negatives[:, None, :], to_negatives > distances[:, :, None])
    nearest = ops.argmin(ops.where(farther, to_negatives, _FAR), 2)
    farthest = ops.argmax(ops.where(negatives, distances, -_FAR), 1, keepdims=True)
    chosen = ops.where(ops.any(farther, 2), nearest, farthest)
    return Triplets(
        distances,
        ops.take_along_axis(distances, chosen, 1),
        ops.logical_and(positives, ops.any(negatives, 1, keepdims=True)),
    )


_FAR = 1e30

MINERS: dict[str, Miner] = {"all": every, "hard": hard, "semi-hard": semi_hard}
"""The miners by their names in an experiment."""

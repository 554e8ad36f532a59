"""Losses that draw embeddings together and apart, for training.

Each takes the distances from N anchors to M points, float (N, M), and which of these points are the
anchors' positives and negatives, bool (N, M) each, and returns one float32. The points are those of
the batch itself (`fashionnet.similarity.miners.masks_of_labels` says what belongs together there).
Formulas are in distances d; where a paper writes a cosine similarity s, d = 1 − s, the distance
`cosine`.

A batch without positives or without negatives gives a finite loss: 0 for those that need both.
"""

from collections.abc import Callable

import keras
from keras import ops

from fashionnet.similarity.miners import Miner, semi_hard

Loss = Callable[[keras.KerasTensor, keras.KerasTensor, keras.KerasTensor], keras.KerasTensor]

_NEVER = -1e9


def triplet(
    distances: keras.KerasTensor,
    positives: keras.KerasTensor,
    negatives: keras.KerasTensor,
    *,
    margin: float = 0.2,
    miner: Miner = semi_hard,
) -> keras.KerasTensor:
    """Return the mean of max(0, d(a, p) − d(a, n) + margin) over the mined triplets above 0.

    Weinberger and Saul, 2009, "Distance Metric Learning for Large Margin Nearest Neighbor
    Classification"; Schroff et al., 2015, "FaceNet". That triplets which are met already do not
    enter the mean is from Hermans et al., 2017, "In Defense of the Triplet Loss" (§3).
    """
    triplets = miner(distances, positives, negatives)
    unmet = ops.where(triplets.valid, triplets.positive - triplets.negative + margin, 0.0)
    return _mean(ops.relu(unmet), unmet > 0.0)


def multi_similarity(
    distances: keras.KerasTensor,
    positives: keras.KerasTensor,
    negatives: keras.KerasTensor,
    *,
    alpha: float = 2.0,
    beta: float = 50.0,
    base: float = 0.5,
) -> keras.KerasTensor:
    """Return the multi-similarity loss, the mean over the anchors a of

        1/α log(1 + Σ_p exp(α (d(a, p) − base))) + 1/β log(1 + Σ_n exp(−β (d(a, n) − base)))

    Wang et al., 2019, "Multi-Similarity Loss with General Pair Weighting for Deep Metric Learning",
    (15), with its values of α and β; base is the distance 1 − λ. All pairs are taken, not those of
    the paper's miner.
    """
    pulled = _log_one_plus_sum(alpha * (distances - base), positives, 1) / alpha
    pushed = _log_one_plus_sum(-beta * (distances - base), negatives, 1) / beta
    return ops.mean(pulled + pushed)


def supervised_contrastive(
    distances: keras.KerasTensor,
    positives: keras.KerasTensor,
    negatives: keras.KerasTensor,
    *,
    temperature: float = 0.1,
) -> keras.KerasTensor:
    """Return the supervised contrastive loss, the mean over the anchors a with positives of

        −1/|P(a)| Σ_{p ∈ P(a)} log( exp(−d(a, p)/τ) / Σ_{j ∈ P(a) ∪ N(a)} exp(−d(a, j)/τ) )

    Khosla et al., 2020, "Supervised Contrastive Learning", (2): L_out. With one positive an anchor
    it is the loss of SimCLR (Chen et al., 2020).
    """
    logits = -distances / temperature
    others = ops.logical_or(positives, negatives)
    normaliser = ops.logsumexp(ops.where(others, logits, _NEVER), 1, keepdims=True)
    chances = ops.where(positives, logits - normaliser, 0.0)
    counts = ops.sum(ops.cast(positives, "float32"), 1)
    return _mean(-ops.sum(chances, 1) / ops.maximum(counts, 1.0), counts > 0.0)


def _log_one_plus_sum(
    exponents: keras.KerasTensor, mask: keras.KerasTensor, axis: int
) -> keras.KerasTensor:
    """Return log(1 + Σ exp(z)) over an axis, of the z that the mask chooses."""
    return ops.softplus(ops.logsumexp(ops.where(mask, exponents, _NEVER), axis))


def _mean(values: keras.KerasTensor, counted: keras.KerasTensor) -> keras.KerasTensor:
    """Return the mean of the values that count, 0 where none does."""
    shares = ops.cast(counted, "float32")
    return ops.sum(ops.where(counted, values, 0.0)) / ops.maximum(ops.sum(shares), 1.0)

"""Distances, miners and losses beside a plain reference: values, gradients, and finite numbers."""

from functools import partial

import keras
import metric_reference as reference
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from fashionnet.similarity import losses
from fashionnet.similarity.distances import DISTANCES
from fashionnet.similarity.miners import MINERS, masks_of_labels

MINED = {f"triplet {name}": (name, miner) for name, miner in MINERS.items()}
LOSSES = {
    **{
        name: (
            partial(losses.triplet, miner=miner, margin=0.3),
            partial(reference.triplet, miner=plain, margin=0.3),
        )
        for name, (plain, miner) in MINED.items()
    },
    "multi-similarity": (losses.multi_similarity, reference.multi_similarity),
    "supervised-contrastive": (losses.supervised_contrastive, reference.supervised_contrastive),
}
# A label that stands once, two pairs, and three of a kind.
LABELS = np.array([3, 0, 0, 1, 1, 2, 2, 2])
SIZE = 4


class _Points(keras.layers.Layer):
    """Points as weights, so that one step of gradient descent tells their gradient."""

    def __init__(self, start, function):
        super().__init__()
        self.start, self.function = start, function

    def build(self, shape):
        self.points = self.add_weight(shape=self.start.shape, initializer="zeros")
        self.points.assign(self.start)

    def call(self, inputs):
        self.add_loss(self.function(self.points))
        return inputs


def value_and_gradient(function, points):
    """Differentiate a function of float32 (N, D) with the backend that Keras runs on."""
    layer = _Points(np.asarray(points, np.float32), function)
    model = keras.Sequential([keras.Input((1,)), layer])
    model.compile(keras.optimizers.SGD(1.0), run_eagerly=True)
    value = float(function(ops.convert_to_tensor(layer.start)))
    model.train_on_batch(np.zeros((1, 1), np.float32))
    return value, layer.start - ops.convert_to_numpy(layer.points)


def numerical_gradient(function, points, step=1e-6):
    gradient = np.zeros_like(points)
    for place in np.ndindex(*points.shape):
        there, back = points.copy(), points.copy()
        there[place] += step
        back[place] -= step
        gradient[place] = (function(there) - function(back)) / (2 * step)
    return gradient


def masks(labels):
    return tuple(ops.convert_to_numpy(mask) for mask in masks_of_labels(ops.array(labels)))


def random_points(seed, count=8):
    return np.random.default_rng(seed).normal(size=(count, SIZE))


def test_positives_have_the_anchors_label_and_are_not_itself():
    positives, negatives = masks(LABELS)
    for i, j in np.ndindex(len(LABELS), len(LABELS)):
        assert positives[i, j] == (LABELS[i] == LABELS[j] and i != j)
        assert negatives[i, j] == (LABELS[i] != LABELS[j])


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    rows=st.integers(1, 5),
    columns=st.integers(1, 5),
    scale=st.sampled_from([0.1, 1.0, 30.0]),
)
@pytest.mark.parametrize("name", DISTANCES)
def test_distances_are_those_written_out(name, seed, rows, columns, scale):
    random = np.random.default_rng(seed)
    first = random.normal(size=(rows, 3), scale=scale).astype(np.float32)
    second = random.normal(size=(columns, 3), scale=scale).astype(np.float32)
    found = ops.convert_to_numpy(DISTANCES[name](first, second))
    assert found.shape == (rows, columns)
    assert found.dtype == np.float32
    expected = reference.matrix(name, first.astype(float), second.astype(float))
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=2e-5 * max(1.0, expected.max()))


@pytest.mark.parametrize("name", DISTANCES)
def test_distances_have_the_gradient_of_those_written_out(name):
    points, others = random_points(1, 5), random_points(2, 3)
    weights = np.random.default_rng(3).normal(size=(5, 3))

    def plain(points):
        return float((weights * reference.matrix(name, points, others)).sum())

    def ours(points):
        distances = DISTANCES[name](points, ops.array(others, "float32"))
        return ops.sum(ops.array(weights, "float32") * distances)

    value, gradient = value_and_gradient(ours, points)
    assert value == pytest.approx(plain(points), abs=1e-4)
    np.testing.assert_allclose(gradient, numerical_gradient(plain, points), atol=1e-3)


@pytest.mark.parametrize("name", DISTANCES)
@pytest.mark.parametrize(
    "points", [np.ones((4, SIZE)), np.zeros((4, SIZE)), np.eye(4)[[0, 0, 1, 1]]]
)
def test_identical_points_are_at_zero_with_a_finite_gradient(name, points):
    def total(points):
        return ops.sum(DISTANCES[name](points, points))

    value, gradient = value_and_gradient(total, points)
    assert np.isfinite(value) and np.isfinite(gradient).all()
    found = ops.convert_to_numpy(DISTANCES[name](points, points))
    if points.any():
        assert np.diag(found) == pytest.approx(0.0)


@pytest.mark.parametrize("name", ["cosine", "angular"])
def test_opposite_directions_are_farthest_and_length_does_not_count(name):
    first = np.array([[1.0, 2.0, 0.5]])
    found = DISTANCES[name](first, np.concatenate([-3 * first, 7 * first]))
    farthest = {"cosine": 2.0, "angular": 1.0}[name]
    assert ops.convert_to_numpy(found)[0] == pytest.approx([farthest, 0.0], abs=1e-5)


@pytest.mark.parametrize("name", MINERS)
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(1, 6), columns=st.integers(1, 6))
def test_miners_choose_the_triplets_that_are_searched_out(name, seed, rows, columns):
    random = np.random.default_rng(seed)
    distances = random.random((rows, columns)).astype(np.float32)
    belongs = random.integers(3, size=(rows, columns))
    positives, negatives = belongs == 1, belongs == 2
    found = MINERS[name](ops.array(distances), ops.array(positives), ops.array(negatives))
    arrays = [ops.convert_to_numpy(x) for x in (found.positive, found.negative, found.valid)]
    positive, negative, valid = np.broadcast_arrays(*arrays)
    pairs = sorted(zip(positive[valid].tolist(), negative[valid].tolist(), strict=True))
    expected = [
        (float(distances[a, p]), float(distances[a, n]))
        for a, p, n in reference.triplets(name, distances, positives, negatives)
    ]
    assert pairs == sorted(expected)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("distance", DISTANCES)
def test_losses_and_their_gradients_are_those_written_out(name, distance):
    ours, plain = LOSSES[name]
    points = random_points(5) * 0.4
    positives, negatives = masks(LABELS)

    def reference_loss(points):
        return plain(reference.matrix(distance, points, points), positives, negatives)

    def loss(points):
        return ours(DISTANCES[distance](points, points), positives, negatives)

    value, gradient = value_and_gradient(loss, points)
    assert value == pytest.approx(reference_loss(points), rel=1e-3)
    expected = numerical_gradient(reference_loss, points)
    np.testing.assert_allclose(gradient, expected, atol=3e-3 * max(1.0, np.abs(expected).max()))


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("distance", ["l2", "angular"])
@pytest.mark.parametrize(
    ("labels", "points"),
    [
        ([0, 0, 0, 0], random_points(8, 4)),
        ([0, 1, 2, 3], random_points(8, 4)),
        ([0, 0, 1, 2], np.ones((4, SIZE))),
        ([0, 0, 1, 1], np.zeros((4, SIZE))),
        ([0, 0, 1, 1], 100 * random_points(8, 4)),
        ([0], random_points(8, 1)),
    ],
    ids=["one class", "no pair", "identical points", "all zero", "far apart", "one point"],
)
def test_odd_batches_give_finite_losses_and_gradients(name, distance, labels, points):
    ours, _ = LOSSES[name]
    positives, negatives = masks(np.array(labels))

    def loss(points):
        return ours(DISTANCES[distance](points, points), positives, negatives)

    value, gradient = value_and_gradient(loss, points)
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()


def test_met_triplets_do_not_water_down_the_others():
    distances = np.array([[0.5, 0.6, 9.0, 9.0]], np.float32)
    positives = np.array([[True, False, False, False]])
    found = losses.triplet(distances, positives, ~positives, margin=0.2, miner=MINERS["all"])
    assert float(found) == pytest.approx(0.1, abs=1e-6)

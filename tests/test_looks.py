"""Complete the Look: its formulas beside plain ones, what is learned, its files."""

from dataclasses import replace

import keras
import look_reference as reference
import numpy as np
import pytest
from keras import ops

from fashionnet.compatibility.look_experiment import Attention, LookExperiment, TableData, Training
from fashionnet.compatibility.look_features import PairFeatures
from fashionnet.compatibility.look_model import DISTANCES, Features, LookModel, Views
from fashionnet.compatibility.look_network import (
    LookNetwork,
    LookShape,
    hinge_triplet,
)
from fashionnet.compatibility.look_pairs import LookPairs, Picture
from fashionnet.compatibility.look_scores import draw_wrong, plain_auc, scores_of
from fashionnet.compatibility.look_training import score_matrix, train_look
from fashionnet.errors import RequestError

WIDTH, REGION_WIDTH, REGIONS = 6, 3, 4
SHAPE = LookShape(WIDTH, REGION_WIDTH, REGIONS, 3, size=5, hidden=(7, 6, 4), dropout=0.3)


def trained_a_little(distance, sign, pictures=None):
    """A network whose batch normalisation has seen something, and some data."""
    keras.utils.set_random_seed(1)
    network = LookNetwork(SHAPE, distance, sign, pictures)
    random = np.random.default_rng(0)
    data = [
        random.normal(1, 2, (8, WIDTH)).astype(np.float32),
        random.normal(1, 2, (8, REGIONS, REGION_WIDTH)).astype(np.float32),
        random.integers(0, 3, 8).astype(np.int32),
        *(random.normal(1, 2, (8, WIDTH)).astype(np.float32) for _ in range(2)),
    ]
    network.model.compile(optimizer="sgd", loss=lambda _, found: ops.mean(found))
    for _ in range(3):
        network.model.train_on_batch(data, np.zeros((8, 2)))
    return network, data


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("sign", [-1, 1])
def test_distances_are_those_of_the_plain_reference_with_keras_and_without(distance, sign):
    network, (scenes, regions, codes, right, wrong) = trained_a_little(distance, sign)
    weights = network.weights()
    model = LookModel("b", ("x", "y", "z"), distance, sign, Views(), weights)
    by_keras = ops.convert_to_numpy(
        network.model([scenes, regions, codes, right, wrong], training=False)
    )
    for row in range(3):
        category = model.categories[codes[row]]
        queries, _ = model.queries(Features(scenes, regions).take(np.array([row])), category)
        for place, product in enumerate((right[row], wrong[row])):
            guide = weights["categories"][codes[row]]
            scene = scenes[row], regions[row]
            plain = reference.distance(weights, scene, product, guide, distance, sign)
            one_product = 2 - float(queries[0] @ model.products(product[None])[0])
            assert by_keras[row, place] == pytest.approx(plain, abs=1e-4)
            assert one_product == pytest.approx(plain, abs=1e-4)


def test_attention_is_a_softmax_that_adds_up_to_one_and_turns_with_the_sign():
    network, (_, regions, *_) = trained_a_little("hybrid", -1)
    weights = network.weights()
    for sign in (-1, 1):
        model = LookModel("b", ("x", "y", "z"), "hybrid", sign, Views(), weights)
        found = model.attention(regions, "y")
        plain = reference.attention(weights, regions[0], weights["categories"][1], sign)
        np.testing.assert_allclose(found[0], plain, atol=1e-5)
        np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
    near = LookModel("b", ("x", "y", "z"), "hybrid", -1, Views(), weights)
    assert near.attention(regions[:1], "y").argmax() == found[0].argmin()


def test_a_category_picture_guides_the_attention_in_place_of_an_embedding():
    pictures = np.random.default_rng(3).normal(0, 1, (3, REGION_WIDTH)).astype(np.float32)
    network, _ = trained_a_little("local", -1, pictures)
    weights = network.weights()
    for code in range(3):
        expected = reference.embed(weights, "attention", pictures[code])
        np.testing.assert_allclose(weights["categories"][code], expected, atol=1e-5)


def folded_scales(network):
    """What each weight of the kept model is multiplied by where the network's own is changed."""
    scales = {}
    for name, part in network._networks.items():
        gamma, _, _, variance = (np.asarray(w, np.float64) for w in part.normal.get_weights())
        scales[f"{name}/hidden/kernel"] = gamma / np.sqrt(variance + part.normal.epsilon)
        scales[f"{name}/hidden/bias"] = scales[f"{name}/hidden/kernel"]
    return scales


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("sign", [-1, 1])
def test_losses_and_gradients_are_those_of_a_plain_reference(distance, sign):
    """One step of plain gradient descent moves each weight by the gradient, on any backend."""
    trained, data = trained_a_little(distance, sign)
    # Batch normalisation as in prediction, and nothing dropped: else a batch has its own formula.
    shape = replace(SHAPE, dropout=0.0)
    network = LookNetwork(shape, distance, sign)
    network.model.set_weights(trained.model.get_weights())
    for name, part in network._networks.items():
        for layer in ("hidden", "normal", "output"):
            weights = getattr(trained._networks[name], layer).get_weights()
            getattr(network._networks[name], layer).set_weights(weights)
        part.normal.trainable = False
    margin = 1.0
    network.model.compile(
        optimizer=keras.optimizers.SGD(1.0),
        loss=lambda _, found: ops.mean(hinge_triplet(found[:, 0], found[:, 1], margin)),
    )
    scenes, regions, codes, right, wrong = data

    def plain_loss(weights):
        losses = []
        for row, code in enumerate(codes):
            distances = [
                reference.distance(
                    weights,
                    (scenes[row], regions[row]),
                    product[row],
                    weights["categories"][code],
                    distance,
                    sign,
                )
                for product in (right, wrong)
            ]
            losses.append(reference.hinge(*distances, margin))
        return np.mean(losses)

    def weights_now():
        return {name: np.asarray(w, np.float64) for name, w in network.weights().items()}

    before, scales = weights_now(), folded_scales(network)
    value = float(network.model.train_on_batch(data, np.zeros((8, 2), np.float32)))
    after = weights_now()
    assert value == pytest.approx(plain_loss(before), abs=1e-4)
    assert value > 0
    random, moved = np.random.default_rng(0), 0
    for name in before:
        for _ in range(3):
            place = tuple(random.integers(size) for size in before[name].shape)
            scale = scales[name][place[-1]] if name in scales else 1.0
            up, down = ({key: array.copy() for key, array in before.items()} for _ in range(2))
            up[name][place] += 1e-5
            down[name][place] -= 1e-5
            slope = (plain_loss(up) - plain_loss(down)) / 2e-5
            # The network's own weight moves by slope · scale, which is scaled once more.
            step = before[name][place] - after[name][place]
            assert step == pytest.approx(slope * scale**2, abs=2e-3)
            moved += abs(step) > 1e-3
    assert moved > 5


def test_a_met_triplet_costs_nothing():
    found = hinge_triplet(np.array([0.1, 0.5]), np.array([0.4, 0.5]), 0.2)
    np.testing.assert_allclose(found, [0, 0.2])


def planted(count, styles=4, truth=0.9, seed=0):
    """Scenes of which one region shows a style, and products of which most show the one it wants.

    The product of a scene has the wanted style with chance `truth`, else any; so no score can do
    better than to ask whether the styles fit. Returns the pairs, their features and that AUC.
    """
    random = np.random.default_rng(seed)
    codes = random.normal(0, 1, (2, styles, WIDTH)) * 3
    wanted = random.integers(0, styles, count)
    fitting = random.random(count) < truth
    shown = np.where(fitting, (wanted + 1) % styles, random.integers(0, styles, count))
    scenes = random.normal(0, 1, (count, WIDTH))
    regions = random.normal(0, 1, (count, REGIONS, WIDTH))
    regions[np.arange(count), random.integers(0, REGIONS, count)] += codes[0][wanted]
    products = random.normal(0, 0.5, (count, WIDTH)) + codes[1][shown]
    fits, by_chance = truth + (1 - truth) / styles, 1 / styles
    best = fits * (1 - by_chance) + 0.5 * (fits * by_chance + (1 - fits) * (1 - by_chance))
    parts = np.array(["train", "validation", "test"])[np.repeat([0, 1, 2], count // 3)]
    names = np.arange(count)
    pairs = LookPairs(
        [], [], names.astype(str), np.full(count, "shoes"), names.astype(np.int64), parts
    )
    halves = products.astype(np.float16)
    seen = Features(scenes.astype(np.float16), regions.astype(np.float16))
    return pairs, PairFeatures(seen, halves, halves), best


def experiment(**changes):
    data = TableData(name="table", file="pairs.csv")
    training = Training(epochs=8, patience=4, rate=0.01)
    return LookExperiment(
        data=data, size=16, hidden=(32, 32, 16), dropout=0.0, training=training, **changes
    )


def test_a_planted_world_is_learned_to_within_two_points_of_the_best_possible():
    pairs, features, best = planted(6000)
    model, history = train_look(pairs, features, experiment(), "b", Views())
    rows = pairs.rows("test")
    wrong = draw_wrong(pairs.wrong(rows), 3, np.random.default_rng(5))
    auc = plain_auc(score_matrix(model, pairs, features, rows), wrong)
    assert auc > best - 0.02
    assert history[-1].loss < history[0].loss


def test_the_same_seed_trains_the_same_model():
    pairs, features, _ = planted(300)
    settings = experiment(attention=Attention(name="picture", sign=1))
    first, second = (train_look(pairs, features, settings, "b", Views())[0] for _ in range(2))
    assert first.fingerprint == second.fingerprint


def test_scores_of_a_perfect_a_useless_and_a_tied_score():
    count = 40
    allowed = ~np.eye(count, dtype=bool)
    wrong = draw_wrong(allowed, 3, np.random.default_rng(0))
    groups = np.arange(count)
    perfect = scores_of(np.eye(count), wrong, groups)
    assert [figure.value for figure in perfect.values()] == [1, 1, 1]
    tied = scores_of(np.zeros((count, count)), wrong, groups)
    assert [figure.value for figure in tied.values()] == [0.5, 0.25, 0.5]
    noise = scores_of(np.random.default_rng(1).random((count, count)), wrong, groups)
    assert noise["auc"].low < 0.5 < noise["auc"].high


def test_scenes_without_a_wrong_product_are_not_counted():
    allowed = np.array([[False, True, True], [True, False, True], [False, False, False]])
    wrong = draw_wrong(allowed, 2, np.random.default_rng(0))
    assert (wrong[2] == -1).all() and (wrong[:2] >= 0).all()
    scores = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, -9]])
    assert scores_of(scores, wrong, np.arange(3))["auc"].value == 1


def test_wrong_products_are_of_the_same_category_another_name_and_another_group():
    pairs = LookPairs(
        [Picture(None)] * 5,
        [Picture(None)] * 5,
        names=np.array(["a", "a", "b", "c", "d"]),
        categories=np.array(["x", "x", "x", "x", "y"]),
        groups=np.array([0, 1, 0, 2, 3]),
        parts=np.array(["train"] * 5),
    )
    wrong = pairs.wrong(np.arange(5))
    assert wrong[0].tolist() == [False, False, False, True, False]
    assert wrong[1].tolist() == [False, False, True, True, False]
    assert not wrong[4].any()


def test_a_model_comes_back_from_disk_and_a_damaged_one_is_one_line(tmp_path):
    network, (scenes, regions, *_) = trained_a_little("hybrid", -1)
    scenes = Features(scenes, regions)
    model = LookModel("b", ("A|Shoes", "y", "z"), "hybrid", -1, Views(), network.weights())
    model = model.rounded()
    model.save(tmp_path)
    again = LookModel.load(tmp_path)
    assert again.fingerprint == model.fingerprint
    np.testing.assert_array_equal(
        again.queries(scenes, "shoes")[0], model.queries(scenes, "a|SHOES")[0]
    )
    (tmp_path / "weights.safetensors").write_bytes(b"nothing")
    with pytest.raises(RequestError, match="damaged"):
        LookModel.load(tmp_path)
    (tmp_path / "look.json").unlink()
    with pytest.raises(RequestError, match=r"look.json is missing"):
        LookModel.load(tmp_path)

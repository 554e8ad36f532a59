"""The projection of a model's embedding: what it learns, how it is kept, where it is applied."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fashionnet.compatibility.look_features import ModelBackbone, convolutions_of
from fashionnet.errors import RequestError
from fashionnet.network.compiled import CompiledNetwork
from fashionnet.network.folder import EMBEDDING_SIZE, Model
from fashionnet.network.graph import summary_graph
from fashionnet.network.keras_engine import KerasEngine
from fashionnet.network.projection import PROJECTION_FILE, Projection
from fashionnet.network.trunk import BLOCKS, SUMMARY_SIZE
from fashionnet.repository.store import Repository
from fashionnet.similarity.protocol import score_embedding


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def shop(seed, items=80):
    """Two pictures of each item, told apart by 8 faint numbers, and one of three classes.

    Four other numbers, strong ones, change from picture to picture; classes are as faint as items.
    """
    random = np.random.default_rng(seed)
    classes = random.integers(0, 3, items).repeat(2)
    own = random.normal(0, 0.3, (items, 8)).repeat(2, axis=0)
    noise = random.normal(0, 0.05, own.shape)
    shown = np.eye(3)[classes] * 0.3
    loud = random.normal(0, 2, (2 * items, 4)) @ random_turn()
    rows = np.concatenate([own + noise, shown, np.zeros((2 * items, 4))], axis=1) + loud
    return rows.astype(np.float32), np.arange(items).repeat(2), classes


def random_turn():
    """Directions of the strong numbers, the same in every shop: across all the others."""
    return np.random.default_rng(99).normal(0, 1, (4, 15)) / 4


def same_class(rows, classes):
    likeness = unit(rows) @ unit(rows).T
    np.fill_diagonal(likeness, -2)
    return (classes[np.argsort(-likeness, axis=1)[:, :10]] == classes[:, None]).mean()


def learned(weight, seed=0):
    from fashionnet.similarity.projection_training import Together, learn_projection

    rows, items, classes = shop(seed)
    kinds = [Together(rows, items, 60), Together(rows, classes, 60, weight)]
    return learn_projection(kinds, rows, size=12, steps=400, seed=seed)


@pytest.fixture(scope="module")
def maps():
    return {weight: learned(weight) for weight in (0.0, 10.0)}


def test_it_finds_items_and_classes_that_it_did_not_learn_from(maps):
    rows, items, classes = shop(1)
    found = {weight: projection(rows) for weight, projection in maps.items()}
    top = {w: score_embedding(rows, items).accuracy[1].value for w, rows in found.items()}
    before = score_embedding(rows - rows.mean(axis=0), items).accuracy[1].value
    assert top[0.0] > before + 0.3
    assert same_class(found[10.0], classes) > same_class(found[0.0], classes) + 0.03
    assert same_class(found[10.0], classes) > same_class(rows - rows.mean(axis=0), classes) + 0.1


def test_it_gives_unit_lengths_and_is_the_same_for_the_same_seed(maps):
    rows, _, _ = shop(2)
    mapped = maps[0.0](rows)
    assert mapped.shape == (len(rows), 12) and mapped.dtype == np.float32
    assert np.allclose(np.linalg.norm(mapped, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(learned(0.0)(rows), mapped, atol=1e-3)


SIZE = 40


@pytest.fixture(scope="module")
def projected(tiny_model, tmp_path_factory):
    """The small model with a projection onto some numbers of the summary, of every block."""
    folder = tmp_path_factory.mktemp("projected") / "model"
    shutil.copytree(tiny_model, folder)
    kernel = np.zeros((SUMMARY_SIZE, SIZE), np.float32)
    kernel[np.linspace(0, SUMMARY_SIZE - 1, SIZE).astype(int), np.arange(SIZE)] = 1
    Projection(np.full(SUMMARY_SIZE, 0.01, np.float32), kernel).save(folder)
    return folder


def test_the_network_and_looks_see_through_it(projected, tiny_model):
    images = np.random.default_rng(0).integers(0, 255, (2, 60, 40, 3)).astype(np.uint8)
    plain = CompiledNetwork.open(tiny_model).describe(images)
    network, model = CompiledNetwork.open(projected), Model.load(projected)
    found = network.describe(images)
    np.testing.assert_array_equal(found.probabilities, plain.probabilities)
    graph = summary_graph(convolutions_of(model), list(BLOCKS)[-1])
    summaries = np.stack([summary for _, summary in graph.run(images)])
    assert summaries.shape == (2, SUMMARY_SIZE)
    assert ((model.projection(summaries) * found.embeddings).sum(axis=1) > 0.99).all()
    assert ((unit(summaries[:, :EMBEDDING_SIZE]) * plain.embeddings).sum(axis=1) > 0.99).all()
    assert network.embedding_size == found.embeddings.shape[1] == SIZE
    assert network.describe([]).embeddings.shape == (0, SIZE)
    looks = ModelBackbone.open(projected)
    assert looks.widths[0] == SIZE
    for (whole, _), row in zip(looks.run(images), found.embeddings, strict=True):
        assert float(whole @ row) > 0.98


def test_keras_sees_the_same_summary_as_the_compiled_graph(tiny_model):
    model = Model.load(tiny_model)
    images = np.random.default_rng(1).integers(0, 255, (1, 60, 40, 3)).astype(np.uint8)
    ((*_, summary),) = KerasEngine(model).run(images)
    ((_, expected),) = summary_graph(convolutions_of(model), list(BLOCKS)[-1]).run(images)
    assert summary.shape == expected.shape
    assert float(unit(summary[None])[0] @ unit(expected[None])[0]) > 0.999


def test_a_model_with_it_is_another_model_and_comes_back_from_disk(projected, tiny_model, tmp_path):
    model = Model.load(projected)
    plain = Model.load(tiny_model)
    assert plain.projection is None
    assert model.fingerprint != plain.fingerprint
    assert replace(model, projection=None).fingerprint == plain.fingerprint
    model.save(tmp_path)
    assert Model.load(tmp_path).fingerprint == model.fingerprint


def test_a_model_without_one_is_not_given_that_of_a_model_before(projected, tmp_path):
    model = Model.load(projected)
    model.save(tmp_path)
    without = replace(model, projection=None)
    without.save(tmp_path)
    assert Model.load(tmp_path).fingerprint == without.fingerprint


def test_a_repository_of_the_model_without_it_is_refused_by_name(projected, tiny_model, tmp_path):
    from PIL import Image

    (tmp_path / "shop").mkdir()
    Image.new("RGB", (60, 80), "red").save(tmp_path / "shop" / "red.png")
    network = CompiledNetwork.open(tiny_model)
    Repository.build(tmp_path / "shop", tmp_path / "repository", network)
    with pytest.raises(RequestError, match=network.fingerprint):
        Repository.build(
            tmp_path / "shop", tmp_path / "repository", CompiledNetwork.open(projected)
        )


@pytest.mark.parametrize("damage", ["cut", "size", "numbers"])
def test_a_damaged_one_is_one_clear_line(projected, tmp_path, damage):
    folder = Path(shutil.copytree(projected, tmp_path / "model"))
    file = folder / PROJECTION_FILE
    if damage == "cut":
        file.write_bytes(file.read_bytes()[:100])
    elif damage == "size":
        Projection(np.zeros(3, np.float32), np.eye(3, dtype=np.float32)).save(folder)
    else:
        kernel = np.full((SUMMARY_SIZE, SIZE), np.nan, np.float32)
        Projection(np.zeros(SUMMARY_SIZE, np.float32), kernel).save(folder)
    with pytest.raises(RequestError, match="damaged"):
        Model.load(folder)

"""The projection of a model's embedding: what it learns, how it is kept, where it is applied."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fashionnet.compatibility.look_features import ModelBackbone
from fashionnet.errors import RequestError
from fashionnet.network.compiled import CompiledNetwork
from fashionnet.network.folder import EMBEDDING_SIZE, Model
from fashionnet.network.projection import PROJECTION_FILE, Projection, learn_projection
from fashionnet.repository.store import Repository
from fashionnet.similarity.protocol import score_embedding


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def shop(seed, items=60):
    """Two pictures of each item, told apart by 8 faint numbers, and one of three classes.

    Two other numbers, strong ones, change from picture to picture; classes are as faint as items.
    """
    random = np.random.default_rng(seed)
    classes = random.integers(0, 3, items).repeat(2)
    own = random.normal(0, 0.3, (items, 8)).repeat(2, axis=0)
    shown = np.eye(3)[classes] * 0.3
    loud = random.normal(0, 2, (2 * items, 2))
    rows = np.concatenate([own, shown, loud, np.full((2 * items, 1), 3.0)], axis=1)
    return unit(rows).astype(np.float32), np.arange(items).repeat(2), classes


def same_class(rows, classes):
    likeness = unit(rows) @ unit(rows).T
    np.fill_diagonal(likeness, -2)
    return (classes[np.argsort(-likeness, axis=1)[:, :10]] == classes[:, None]).mean()


def learned(weight, seed=0):
    embeddings, items, classes = shop(seed)
    return learn_projection(embeddings, items, embeddings, np.eye(3)[classes], weight)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 1000), st.floats(0, 3))
def test_a_projection_gives_unit_lengths_and_keeps_the_mean_cosine(seed, weight):
    embeddings, _, _ = shop(seed)
    mapped = learned(weight, seed)(embeddings)
    assert mapped.shape == embeddings.shape and mapped.dtype == np.float32
    assert np.allclose(np.linalg.norm(mapped, axis=1), 1, atol=1e-5)
    before, after = (float((rows.mean(axis=0) ** 2).sum()) for rows in (embeddings, mapped))
    assert after == pytest.approx(before, abs=0.02)


def test_it_finds_items_and_classes_that_it_did_not_learn_from():
    embeddings, items, classes = shop(1)
    found = {weight: learned(weight)(embeddings) for weight in (0, 0.5, 2)}
    top = {w: score_embedding(rows, items).accuracy[1].value for w, rows in found.items()}
    alike = {weight: same_class(rows, classes) for weight, rows in found.items()}
    before = score_embedding(embeddings, items).accuracy[1].value
    assert min(top.values()) > before + 0.15
    assert alike[2] > alike[0.5] > alike[0] > same_class(embeddings, classes)


@pytest.fixture(scope="module")
def projected(tiny_model, tmp_path_factory):
    """The small model with a projection that turns the embedding's numbers about."""
    folder = tmp_path_factory.mktemp("projected") / "model"
    shutil.copytree(tiny_model, folder)
    kernel = np.eye(EMBEDDING_SIZE, dtype=np.float32)[::-1]
    Projection(np.full(EMBEDDING_SIZE, 0.01, np.float32), kernel).save(folder)
    return folder


def test_the_network_and_looks_see_through_it(projected, tiny_model):
    images = np.random.default_rng(0).integers(0, 255, (2, 60, 40, 3)).astype(np.uint8)
    plain = CompiledNetwork.open(tiny_model).describe(images)
    network = CompiledNetwork.open(projected)
    found = network.describe(images)
    np.testing.assert_array_equal(found.probabilities, plain.probabilities)
    expected = Model.load(projected).projection(plain.embeddings)
    np.testing.assert_allclose(found.embeddings, expected, atol=1e-5)
    assert network.embedding_size == found.embeddings.shape[1]
    assert network.describe([]).embeddings.shape == (0, EMBEDDING_SIZE)
    for (whole, _), row in zip(ModelBackbone.open(projected).run(images), expected, strict=True):
        assert float(whole @ row) > 0.98


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
        kernel = np.full((EMBEDDING_SIZE, EMBEDDING_SIZE), np.nan, np.float32)
        Projection(np.zeros(EMBEDDING_SIZE, np.float32), kernel).save(folder)
    with pytest.raises(RequestError, match="damaged"):
        Model.load(folder)

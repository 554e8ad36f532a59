"""Search by picture with a network of keras.applications, or with a trained embedding."""

import argparse
import json

import numpy as np
import pytest
from handmade import ColourNetwork, paint_shop
from PIL import Image

from fashionnet.cli import similar as command
from fashionnet.errors import RequestError
from fashionnet.network.compiled import CompiledNetwork
from fashionnet.repository.store import Repository
from fashionnet.similarity import other_embedding
from fashionnet.similarity.other_embedding import (
    PooledNetwork,
    embedded_photo,
    open_embedding,
    seen_by,
)


@pytest.fixture(scope="module")
def resnet():
    return PooledNetwork("ResNet50", "max", weights="random", precision="float32")


@pytest.fixture
def place(tmp_path, monkeypatch, resnet):
    """A repository of shades of three colours; ResNet50 is the one of random weights."""
    monkeypatch.setattr(CompiledNetwork, "open", lambda *_: ColourNetwork())
    monkeypatch.setattr(other_embedding, "PooledNetwork", lambda *_: resnet)
    paint_shop(tmp_path / "shop")
    Repository.build(tmp_path / "shop", tmp_path / "repository", ColourNetwork())
    return tmp_path


def similar(place, *words):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    words = ["--repository", place / "repository", "--output", place / "out.json", *words]
    assert command.run(parser.parse_args([str(word) for word in words])) == 0
    return json.loads((place / "out.json").read_text("utf-8"))["similar"]


def test_it_is_the_pooled_network_of_keras_applications(resnet):
    import keras

    images = np.random.default_rng(0).integers(0, 255, (2, 224, 224, 3)).astype(np.uint8)
    (body,) = (layer for layer in resnet._network.layers if isinstance(layer, keras.Model))
    reference = keras.applications.ResNet50(
        weights=None, include_top=False, pooling="max", input_shape=(224, 224, 3)
    )
    reference.set_weights(body.get_weights())
    wanted = keras.applications.resnet50.preprocess_input(images.astype(np.float32))
    expected = reference.predict_on_batch(wanted)
    assert resnet.size == 2048
    np.testing.assert_allclose(resnet.embed(images), expected, rtol=1e-3, atol=1e-3)


def test_neighbours_are_those_of_its_cosines_and_are_seen_once(place, resnet, monkeypatch):
    repository = Repository.open(place / "repository")
    items = seen_by(repository, repository.items(), resnet)
    assert items.vectors.embeddings.shape == (len(items), 2048)
    # No photo is read again: the network is not even asked.
    monkeypatch.setattr(resnet, "embed", lambda images: pytest.fail("a photo was seen again"))
    cosines = items.vectors.embeddings @ items.vectors.embeddings[0]
    order = [row for row in np.argsort(-cosines.round(6), kind="stable") if row]
    found = similar(place, items.ids[0], "--embedding", "ResNet50", "--top", 4)
    assert [item["id"] for item in found] == [items.ids[row] for row in order[:4]]
    assert found[0]["likeness"] == pytest.approx(float(cosines[order[0]]), abs=2e-3)


def test_a_photo_finds_itself_and_shifts_walk_in_that_space(place):
    repository = Repository.open(place / "repository")
    own = repository.items().ids[2]
    (photo,) = (place / "shop").glob(f"{own}.*")
    assert similar(place, photo, "--embedding", "ResNet50", "--top", 2)[0]["id"] == own
    classes = similar(
        place, own, "--embedding", "ResNet50", "--shift", "pattern=solid:4", "--top", 1
    )
    assert classes[0]["id"] != own


def test_an_item_whose_photo_is_gone_is_left_out_and_does_not_stop_the_others(place, resnet):
    repository = Repository.open(place / "repository")
    before = repository.items()
    (gone,) = (place / "shop").glob(f"{before.ids[1]}.*")
    gone.rename(place / "elsewhere")
    seen = seen_by(repository, before, resnet)
    assert seen.ids == [name for name in before.ids if name != before.ids[1]]
    (place / "elsewhere").rename(gone)
    assert seen_by(repository, before, resnet).ids == before.ids


def test_a_trained_embedding_is_named_by_its_folder(tmp_path):
    from fashionnet.experiments import EXPERIMENT_FILE, read_experiment
    from fashionnet.similarity.experiment import EmbeddingExperiment
    from fashionnet.similarity.networks import build_network
    from fashionnet.similarity.trained import TrainedEmbedding, write_weights

    (tmp_path / EXPERIMENT_FILE).write_text(
        'size = 6\n[data]\nname = "folders"\nfolder = "."\n'
        '[network]\nname = "seed-cnn"\nimage_size = 32\n'
    )
    experiment = read_experiment(tmp_path / EXPERIMENT_FILE, EmbeddingExperiment)
    write_weights(tmp_path, build_network(experiment, "float32"))
    embedding = open_embedding(str(tmp_path))
    photo = tmp_path / "photo.png"
    pixels = np.random.default_rng(0).integers(0, 255, (40, 40, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(photo)
    found = embedded_photo(embedding, photo)
    expected = TrainedEmbedding.open(tmp_path).embed([pixels])[0]
    assert embedding.size == 6
    assert float(found @ expected / np.linalg.norm(expected)) == pytest.approx(1, abs=1e-2)
    first = embedding.fingerprint
    network = build_network(experiment, "float32")
    network.trained.set_weights([weight + 1 for weight in network.trained.get_weights()])
    write_weights(tmp_path, network)
    assert open_embedding(str(tmp_path)).fingerprint != first


def test_a_network_that_is_none_is_told_the_nearest():
    with pytest.raises(RequestError, match="did you mean ResNet50"):
        open_embedding("Resnet-50")


def test_a_folder_that_no_training_wrote_is_one_line(tmp_path):
    with pytest.raises(RequestError, match="not a folder that train-embedding wrote"):
        open_embedding(str(tmp_path))
    with pytest.raises(RequestError, match="no such folder"):
        open_embedding(str(tmp_path / "runs"))


@pytest.mark.parametrize("size", [0, 10, 1000])
def test_a_kept_file_cut_short_is_computed_again(place, resnet, size):
    repository = Repository.open(place / "repository")
    before = seen_by(repository, repository.items(), resnet).vectors.embeddings
    (kept,) = (place / "repository").glob("embedding-*.npz")
    kept.write_bytes(kept.read_bytes()[:size])
    again = seen_by(repository, repository.items(), resnet).vectors.embeddings
    np.testing.assert_allclose(again, before, atol=1e-3)
    assert kept.stat().st_size > 1000


def test_what_cannot_be_read_is_said_and_pooling_alone_is_refused(place, capsys):
    items = Repository.open(place / "repository").items()
    (gone,) = (place / "shop").glob(f"{items.ids[1]}.*")
    gone.unlink()
    similar(place, items.ids[0], "--embedding", "ResNet50")
    assert (
        f"1 items, such as {items.ids[1]}, whose photos cannot be read" in capsys.readouterr().err
    )
    with pytest.raises(RequestError, match="--pooling is of an --embedding"):
        similar(place, items.ids[0], "--pooling", "average")

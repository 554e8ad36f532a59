"""Looks on networks of keras.applications, of random weights: no weights are downloaded here."""

import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as pillow

from fashionnet.cli.main import main
from fashionnet.compatibility.look_experiment import KerasNetwork
from fashionnet.compatibility.look_features import REGIONS, ModelBackbone, cells, open_backbone
from fashionnet.network.compiled import CompiledNetwork
from fashionnet.photos import resize
from fashionnet.repository.store import Repository

MOBILE = """
size = 8
hidden = [16, 16, 8]
data = { name = "table", file = "pairs.csv" }
training = { epochs = 1, batch = 8 }
[backbone]
model = "MobileNetV2"
regions = "block_13_expand_relu"
weights = "random"
image_size = 64
"""


@pytest.fixture(scope="module")
def images(drawn):
    return [np.asarray(pillow.open(photo)) for photo in sorted(drawn.glob("*.jpg"))[:3]]


@settings(deadline=None)
@given(st.integers(1, 20), st.integers(1, 20))
def test_cells_are_averages_of_the_places_that_they_cover(height, width):
    layer = np.random.default_rng(height * 32 + width).normal(size=(height, width, 2))
    found = cells(layer.astype(np.float32))
    assert found.shape == (REGIONS**2, 2)
    for place, cell in enumerate(found):
        top, left = divmod(place, REGIONS)
        rows = [
            r for r in range(height) if top / 7 < (r + 1) / height and r / height < (top + 1) / 7
        ]
        columns = [
            c for c in range(width) if left / 7 < (c + 1) / width and c / width < (left + 1) / 7
        ]
        plain = np.mean([layer[r, c] for r in rows for c in columns], axis=0)
        np.testing.assert_allclose(cell, plain, atol=1e-5)


def test_the_seeds_features_are_avg_pool_and_conv4_block6_out_of_resnet50(images):
    backbone = open_backbone(
        KerasNetwork(model="ResNet50", regions="conv4_block6_out", weights="random", image_size=64)
    )
    assert backbone.widths == (2048, 1024)
    found = list(backbone.run(images))
    keras.utils.set_random_seed(0)
    plain = keras.applications.ResNet50(
        weights=None, include_top=False, input_shape=(64, 64, 3), pooling="avg"
    )
    both = keras.Model(plain.inputs, [plain.output, plain.get_layer("conv4_block6_out").output])
    batch = np.stack([resize(image, 64, 64) for image in images]).astype(np.float32)
    pooled, regions = both.predict_on_batch(keras.applications.resnet.preprocess_input(batch))
    for (whole, parts), average, layer in zip(found, pooled, regions, strict=True):
        np.testing.assert_allclose(whole, average / np.linalg.norm(average), atol=1e-4)
        assert parts.shape == (REGIONS**2, 1024)
        # Of a layer of 4×4 the corners are cells of their own.
        np.testing.assert_allclose(parts[0], layer[0, 0], rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(parts[-1], layer[3, 3], rtol=1e-3, atol=1e-4)


def test_vgg16_gives_the_same_features_by_keras_as_by_the_projects_own_graph(
    images, tiny_model, trunk_file, monkeypatch
):
    monkeypatch.setenv("FASHIONNET_TRUNK_WEIGHTS", str(trunk_file))
    by_keras = open_backbone(KerasNetwork(model="VGG16", regions="block4_pool"))
    by_graph = ModelBackbone.open(tiny_model)
    assert by_keras.widths == by_graph.widths
    for one, other in zip(by_keras.run(images[:1]), by_graph.run(images[:1]), strict=True):
        for mine, theirs in zip(one, other, strict=True):
            assert np.corrcoef(mine.ravel(), theirs.ravel())[0, 1] > 0.99
            assert np.linalg.norm(mine) == pytest.approx(np.linalg.norm(theirs), rel=0.05)


def run(*words):
    return main([str(word) for word in words])


@pytest.fixture(scope="module")
def trained(tmp_path_factory, drawn, tiny_model):
    """A look model on MobileNetV2, and a repository that another network described."""
    place = tmp_path_factory.mktemp("mobile")
    photos = [Path(shutil.copy(photo, place)) for photo in sorted(drawn.glob("*.jpg"))[:20]]
    rows = [f"{photos[n].name},{photos[(n + 1) % 20].name},shoes" for n in range(20)]
    (place / "pairs.csv").write_text("\n".join(["scene,product,category", *rows]))
    kinds = [f"{photo.name},shoes" for photo in photos[:6]]
    (place / "items.csv").write_text("\n".join(["image,articleType", *kinds]))
    Repository.build(
        place / "items.csv", place / "repository", CompiledNetwork.open(tiny_model, "f32")
    )
    (place / "mobile.toml").write_text(MOBILE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(place / "cache"))
        assert run("train-look", place / "mobile.toml", "--output", place / "runs") == 0
    return place


def test_products_are_found_with_the_network_that_was_trained_on(trained, drawn, capsys):
    photo = sorted(drawn.glob("*.jpg"))[30]
    request = (
        "complete-look", photo, "--category", "shoes", "--repository", trained / "repository",
        "--look", trained / "runs" / "mobile", "--output", trained / "found.json",
    )  # fmt: skip
    assert run(*request) == 0
    document = json.loads((trained / "found.json").read_text())
    assert len(document["products"]) == 6
    assert np.sum(document["attention"]) == pytest.approx(1, abs=1e-2)
    # Where nothing was kept the products are seen again, with the same result.
    (kept,) = (trained / "repository").glob("look-*.npz")
    kept.unlink()
    assert run(*request) == 0
    assert json.loads((trained / "found.json").read_text()) == document
    # Weights that are not those trained with are refused.
    look = trained / "runs" / "mobile" / "look.json"
    text = look.read_text()
    fingerprint = json.loads(text)["backbone"]
    look.write_text(text.replace(fingerprint, "f" * 16))
    assert run(*request) == 2
    assert "trained with other weights of MobileNetV2" in capsys.readouterr().err
    look.write_text(text)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"MobileNetV2"', '"MobileNet_V2"', "no such network: did you mean MobileNet"),
        ("block_13_expand_relu", "block_13_expnd", "did you mean block_13_expand"),
        ("block_13_expand_relu", "nothing", "MobileNetV2 has no layer of this name"),
        ("size = 8", 'size = 8\nmodel = "mine"', "`model` or of `backbone`, not of both"),
        ("image_size = 64", "image_size = 8", "backbone.image_size is 8"),
    ],
)
def test_wrong_backbones_are_one_line(trained, tmp_path, capsys, old, new, said):
    (tmp_path / "wrong.toml").write_text(MOBILE.replace(old, new))
    assert run("train-look", tmp_path / "wrong.toml", "--output", tmp_path / "runs") == 2
    assert said in capsys.readouterr().err.strip().splitlines()[-1]

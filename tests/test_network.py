"""The network on disk, compiled and frozen: the same photo gives the same vector everywhere."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from safetensors.numpy import load_file, save_file

from fashionnet.errors import RequestError
from fashionnet.network.compiled import CompiledNetwork
from fashionnet.network.folder import MODEL_FILE, WEIGHTS_FILE, Branch, Model, replace_folder
from fashionnet.network.frozen import FrozenFeatures
from fashionnet.network.graph import frozen_graph
from fashionnet.network.heads import GRID_COLUMNS, GRID_ROWS, grid_cells
from fashionnet.network.trunk import convolutions, find_imagenet_weights, load_imagenet_weights
from fashionnet.network.views import draw_view
from fashionnet.photos import decode, fingerprint, resize
from fashionnet.schema import RELEVANCE

SIDE = 224


@pytest.fixture(scope="module")
def network(tiny_model):
    return CompiledNetwork.open(tiny_model)


@pytest.fixture(scope="module")
def images(drawn):
    return [decode(path.read_bytes()) for path in sorted(drawn.glob("*.jpg"))[:6]]


@pytest.fixture
def exact(monkeypatch):
    """Compile in float32, which a processor with bfloat16 is not asked for otherwise."""
    for module in ("precision", "graph"):
        monkeypatch.setattr(f"fashionnet.network.{module}.fast_precisions", lambda: ("f32",))


# --- On disk ---------------------------------------------------------------------------------


def test_a_saved_model_is_read_as_it_was_and_saved_the_same_again(tiny_model, tmp_path):
    model = Model.load(tiny_model)
    model.save(tmp_path)
    again = Model.load(tmp_path)
    assert again.fingerprint == model.fingerprint
    assert again.schema == model.schema
    assert again.weights.keys() == model.weights.keys()
    for name, array in model.weights.items():
        assert np.array_equal(again.weights[name], array), name
    for name in (MODEL_FILE, WEIGHTS_FILE):
        assert (tmp_path / name).read_bytes() == (tiny_model / name).read_bytes()


def test_eight_bits_keep_each_weight_within_half_a_step(trunk, tiny_model):
    stored = Model.load(tiny_model).weights["trunk/block1_conv2/kernel"]
    kernel = trunk["block1_conv2/kernel"]
    # The scale is rounded up by at most a part in 2048.
    step = np.abs(kernel).max(axis=(0, 1, 2)) / 127 * (1 + 2**-10)
    assert (np.abs(stored - kernel) <= step / 2 + 1e-9).all()


def test_the_fingerprint_changes_with_weights_schema_and_temperature(tiny_model):
    model = Model.load(tiny_model)
    prints = {model.fingerprint}
    bias = {**model.weights, "pattern/softmax/bias": model.weights["pattern/softmax/bias"] + 1}
    prints.add(replace(model, weights=bias).fingerprint)
    prints.add(replace(model, temperatures={**model.temperatures, "style": 2.0}).fingerprint)
    mapping = model.schema.to_mapping()
    other = type(model.schema).from_mapping({**mapping, "shape": mapping["shape"][::-1]})
    prints.add(replace(model, schema=other).fingerprint)
    assert len(prints) == 4


def change_json(folder, change):
    document = json.loads((folder / MODEL_FILE).read_text("utf-8"))
    change(document)
    (folder / MODEL_FILE).write_text(json.dumps(document), "utf-8")


def change_weights(folder, change):
    weights = load_file(folder / WEIGHTS_FILE)
    change(weights)
    save_file(weights, folder / WEIGHTS_FILE)


def cut_weights(folder):
    with (folder / WEIGHTS_FILE).open("r+b") as file:
        file.truncate(1_000_000)


def rename_class(document):
    document["schema"]["pattern"][0] = "a/b"


DAMAGES = {
    "no model.json": (lambda f: (f / MODEL_FILE).unlink(), "model.json is missing"),
    "no weights": (lambda f: (f / WEIGHTS_FILE).unlink(), "weights.safetensors is missing"),
    "cut weights": (cut_weights, "damaged"),
    "empty weights": (lambda f: (f / WEIGHTS_FILE).write_bytes(b""), "damaged"),
    "pickled weights": (lambda f: (f / WEIGHTS_FILE).write_bytes(b"\x80\x04K\x01."), "damaged"),
    "cut json": (lambda f: (f / MODEL_FILE).write_text('{"format": 1,'), "damaged"),
    "binary json": (lambda f: (f / MODEL_FILE).write_bytes(b"\xff\xfe\x00"), "damaged"),
    "json list": (lambda f: (f / MODEL_FILE).write_text("[]"), "damaged"),
    "other format": (lambda f: change_json(f, lambda d: d.update(format=99)), "format 99"),
    "no schema": (lambda f: change_json(f, lambda d: d.pop("schema")), "damaged"),
    "wrong class": (lambda f: change_json(f, rename_class), "class 'a/b'"),
    "unknown block": (
        lambda f: change_json(f, lambda d: d["branches"][0].update(first_block="block9")),
        "block9",
    ),
    "no branch": (lambda f: change_json(f, lambda d: d.update(branches=[])), "damaged"),
    "no temperature": (
        lambda f: change_json(f, lambda d: d["temperatures"].pop("style")),
        "style",
    ),
    "wild temperature": (
        lambda f: change_json(f, lambda d: d["temperatures"].update(style=0)),
        "temperature",
    ),
    "head twice": (
        lambda f: change_json(f, lambda d: d["branches"][0]["heads"].append("style")),
        "a head ends two branches",
    ),
    "head without attribute": (
        lambda f: change_json(f, lambda d: d["branches"][0]["heads"].remove("style")),
        "style",
    ),
    "missing weight": (
        lambda f: change_weights(f, lambda w: w.pop("joint/block5_conv2/bias")),
        "joint/block5_conv2/bias is missing",
    ),
    "missing scale": (
        lambda f: change_weights(f, lambda w: w.pop("trunk/block1_conv1/kernel/scale")),
        "damaged",
    ),
    "wrong shape": (
        lambda f: change_weights(f, lambda w: w.update({"style/softmax/bias": np.ones(9, "f4")})),
        r"style/softmax/bias is \(9,\), expected \(5,\)",
    ),
}


@pytest.mark.parametrize(("damage", "said"), DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_model_is_refused_in_one_line_that_names_it(tiny_model, tmp_path, damage, said):
    folder = tmp_path / "my model"
    shutil.copytree(tiny_model, folder)
    damage(folder)
    with pytest.raises(RequestError, match=said) as caught:
        Model.load(folder)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["nothing", "empty", "file"])
def test_what_is_no_model_folder_is_refused(tmp_path, name):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("not a model")
    with pytest.raises(RequestError, match=str(tmp_path / name)):
        Model.load(tmp_path / name)


def test_a_finished_folder_takes_the_place_of_another(tmp_path):
    for name in ("first", "second"):
        (tmp_path / f"{name}.new").mkdir()
        (tmp_path / f"{name}.new" / name).touch()
        replace_folder(tmp_path / f"{name}.new", tmp_path / "model")
        assert [path.name for path in (tmp_path / "model").iterdir()] == [name]
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


# --- Trunk weights ---------------------------------------------------------------------------


def test_trunk_weights_are_read_from_a_keras_file(trunk, trunk_file):
    read = load_imagenet_weights(trunk_file)
    assert read.keys() == trunk.keys()
    assert all(np.array_equal(read[name], trunk[name]) for name in trunk)


def test_trunk_weights_come_from_the_option_then_from_the_environment(tmp_path, monkeypatch):
    for name in ("given", "named"):
        (tmp_path / name).touch()
    monkeypatch.setenv("FASHIONNET_TRUNK_WEIGHTS", str(tmp_path / "named"))
    assert find_imagenet_weights(tmp_path / "given") == tmp_path / "given"
    assert find_imagenet_weights(None) == tmp_path / "named"
    with pytest.raises(RequestError, match="gone: no such file"):
        find_imagenet_weights(tmp_path / "gone")


def test_another_file_is_no_trunk_weights(tmp_path, tiny_model):
    with pytest.raises(RequestError, match="not VGG16's weights as Keras stores them"):
        load_imagenet_weights(tiny_model / WEIGHTS_FILE)


# --- Compiled --------------------------------------------------------------------------------


def test_vectors_are_probabilities_and_unit_embeddings(network, images):
    vectors = network.describe(images)
    assert len(vectors) == len(images)
    for part in network.schema.slices.values():
        assert np.allclose(vectors.probabilities[:, part].sum(axis=1), 1, atol=1e-4)
    assert (vectors.probabilities >= 0).all()
    assert ((vectors.relevance >= 0) & (vectors.relevance <= 1)).all()
    assert vectors.embeddings.shape == (len(images), network.embedding_size)
    assert np.allclose(np.linalg.norm(vectors.embeddings, axis=1), 1, atol=1e-4)
    assert vectors.probabilities.std(axis=0).max() > 1e-3, "all photos look alike to it"


@settings(max_examples=2, deadline=None)
@given(order=some.permutations(range(6)))
def test_a_photo_s_vector_does_not_hang_on_its_neighbours(network, images, order):
    together = network.describe(images).take(order)
    shuffled = network.describe(images[row] for row in order)
    alone = network.describe([images[order[0]]])
    for column in ("probabilities", "relevance", "embeddings"):
        assert np.array_equal(getattr(shuffled, column), getattr(together, column))
        assert np.array_equal(getattr(alone, column)[0], getattr(together, column)[0])


def test_no_photo_gives_no_row(network):
    vectors = network.describe([])
    assert len(vectors) == 0
    assert vectors.embeddings.shape == (0, network.embedding_size)


def test_images_of_any_size_are_described(network):
    sizes = [(1, 1), (500, 20), (30, 700), (SIDE, SIDE)]
    vectors = network.describe(np.full((*size, 3), (10, 90, 200), np.uint8) for size in sizes)
    assert np.allclose(vectors.probabilities, vectors.probabilities[0], atol=1e-3)


def test_a_model_without_relevance_takes_every_photo_for_relevant(tiny_model, images):
    model = Model.load(tiny_model)
    weights = {
        name: array for name, array in model.weights.items() if not name.startswith(RELEVANCE)
    }
    branch = replace(model.branches[0], heads=model.schema.names)
    vectors = CompiledNetwork(replace(model, branches=(branch,), weights=weights)).describe(
        images[:2]
    )
    assert vectors.relevant.all()


def test_branches_of_their_own_give_what_one_shared_branch_gives(tiny_model, images, exact):
    model = Model.load(tiny_model)
    weights = {
        name: array for name, array in model.weights.items() if not name.startswith("joint/")
    }
    branches = []
    for number, head in enumerate(model.heads):
        # One starts deeper than the others, so that the trunk is shared at two cuts.
        first = "block4" if number == 2 else "block5"
        branches.append(Branch(f"branch-{number}", first, (head,)))
        for block in ("block4", "block5")[number != 2 :]:
            part = "joint" if block == "block5" else "trunk"
            for name in convolutions(block):
                for kind in ("kernel", "bias"):
                    source = model.weights[f"{part}/{name}/{kind}"]
                    weights[f"branch-{number}/{name}/{kind}"] = source
    apart = replace(model, branches=tuple(branches), weights=weights)
    first, second = (CompiledNetwork(each).describe(images[:2]) for each in (model, apart))
    assert np.allclose(first.probabilities, second.probabilities, atol=1e-5)
    assert np.allclose(first.relevance, second.relevance, atol=1e-5)
    assert np.allclose(first.embeddings, second.embeddings, atol=1e-5)


def test_grid_cells_cover_the_last_layer_in_cells_of_one_size():
    cells = grid_cells(SIDE // 32)
    seen = np.zeros((SIDE // 32, SIDE // 32), int)
    for rows, columns in cells:
        seen[rows, columns] += 1
    assert len(cells) == GRID_ROWS * GRID_COLUMNS
    assert seen.min() >= 1
    assert len({(r.stop - r.start, c.stop - c.start) for r, c in cells}) == 1


# --- As Keras computes it --------------------------------------------------------------------


def relative_error(found, expected):
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)


def test_frozen_features_are_those_of_keras(trunk, images, exact):
    from fashionnet.network.training import keras_engine

    resized = [resize(image, SIDE, SIDE) for image in images[:3]]
    ours = list(frozen_graph(trunk, "block5").run(resized))
    theirs = list(keras_engine(trunk, "block5", batch=2)(iter(resized)))
    assert len(ours) == len(theirs) == 3
    for (cut, pooled), (keras_cut, keras_pooled) in zip(ours, theirs, strict=True):
        assert cut.shape == keras_cut.shape == (14, 14, 512)
        assert relative_error(cut, keras_cut) < 1e-4
        assert relative_error(pooled, keras_pooled) < 1e-4


def test_the_fast_precision_stays_close_to_float32(trunk, images):
    from fashionnet.network.training import keras_engine

    resized = [resize(image, SIDE, SIDE) for image in images[:2]]
    (_, pooled), *_ = frozen_graph(trunk, "block5").run(resized)
    (_, expected), *_ = keras_engine(trunk, "block5")(iter(resized))
    # bfloat16 keeps 8 bits: 0.4% a layer, which 13 layers add up to a few percent at most.
    assert relative_error(pooled, expected) < 0.04


def test_an_exported_branch_predicts_what_keras_trained(tiny_model, trunk, images, exact):
    import keras

    from fashionnet.network import training
    from fashionnet.network.heads import POOLED_SIZE

    model = Model.load(tiny_model)
    counts = {head: model.class_count(head) for head in model.heads}
    random = np.random.default_rng(3)
    scale = random.normal(1, 1, POOLED_SIZE), random.uniform(0.5, 2, POOLED_SIZE)
    keras.utils.set_random_seed(0)
    branch = training._branch_model(counts, scale, training.Recipe())
    training._set_convolutions(branch, trunk, "block5")
    resized = [resize(image, SIDE, SIDE) for image in images[:3]]
    frozen = {name: array for name, array in model.weights.items() if name.startswith("trunk/")}
    below = {name.removeprefix("trunk/"): array for name, array in frozen.items()}
    cuts = [cut for cut, _ in frozen_graph({**trunk, **below}, "block5").run(resized)]
    logits = branch.predict_on_batch(np.stack(cuts))

    exported = training._exported("joint", branch, counts, scale, "block5")
    trained = replace(model, weights=frozen | exported, temperatures=dict.fromkeys(counts, 1.0))
    trained._check()
    vectors = CompiledNetwork(trained).describe(resized)
    for head, part in model.schema.slices.items():
        expected = np.asarray(keras.ops.softmax(logits[head]))
        assert np.allclose(vectors.probabilities[:, part], expected, atol=2e-3), head
    expected = np.asarray(keras.ops.softmax(logits[RELEVANCE]))[:, 1]
    assert np.allclose(vectors.relevance, expected, atol=2e-3)


# --- Frozen features -------------------------------------------------------------------------


class CountingEngine:
    """An engine that tells how many images it was given, and can be interrupted."""

    def __init__(self, stop_after=None):
        self.count, self.stop_after = 0, stop_after

    def __call__(self, images):
        for image in images:
            if self.count == self.stop_after:
                raise KeyboardInterrupt
            self.count += 1
            yield [image[:2, :2].astype(np.float32), image.mean(axis=(0, 1))]


def compute(folder, photos, views, engine, seed=0, first_block="block5"):
    features = FrozenFeatures(folder, seed, engine, first_block)
    keys = [fingerprint(photo.read_bytes()) for photo in photos]
    done = []
    features.compute(photos, keys, views, done.append)
    assert sum(done) == len(photos) * views
    return features, keys


@pytest.fixture
def photos(few_photos):
    return sorted(few_photos.iterdir())


def test_features_are_computed_once(photos, tmp_path):
    for views, computed in ((2, 8), (2, 0), (3, 4), (1, 0)):
        engine = CountingEngine()
        compute(tmp_path / "cache", photos, views, engine)
        assert engine.count == computed


def test_what_an_interrupted_run_computed_is_not_computed_again(photos, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        compute(tmp_path / "cache", photos, 2, CountingEngine(stop_after=5))
    engine = CountingEngine()
    resumed, keys = compute(tmp_path / "cache", photos, 2, engine)
    assert engine.count == 3
    whole, _ = compute(tmp_path / "other", photos, 2, CountingEngine())
    for photo, key in zip(photos, keys, strict=True):
        for view in range(2):
            assert np.array_equal(resumed.pooled(key, view), whole.pooled(key, view))
            assert np.array_equal(resumed.cut(photo, key, view), whole.cut(photo, key, view))


def test_features_are_known_by_the_photo_s_content(photos, tmp_path):
    compute(tmp_path / "cache", photos, 1, CountingEngine())
    photos[0].rename(photos[0].with_name("another name.jpg"))
    photos[1].write_bytes(photos[2].read_bytes())
    photos[3].write_bytes(photos[3].read_bytes() + b"\0")
    engine = CountingEngine()
    compute(tmp_path / "cache", sorted(photos[0].parent.iterdir()), 1, engine)
    assert engine.count == 1


def test_features_of_other_weights_cuts_or_seeds_are_kept_apart(trunk, tmp_path):
    other = {**trunk, "block1_conv1/bias": trunk["block1_conv1/bias"] + 1}
    asked = [(trunk, "block5", 0), (other, "block5", 0), (trunk, "block4", 0), (trunk, "block5", 1)]
    folders = {cache_folder(tmp_path, *words) for words in asked}
    assert len(folders) == 4


def cache_folder(cache, weights, block="block5", seed=0, precision="f32"):
    return FrozenFeatures.of_trunk(cache, weights, block, seed, CountingEngine(), precision).folder


def test_features_of_another_precision_are_kept_apart(trunk, tmp_path):
    folders = {cache_folder(tmp_path, trunk, precision=name) for name in ("f32", "bf16", "keras")}
    assert len(folders) == 3


def test_features_of_views_drawn_otherwise_are_kept_apart(trunk, tmp_path, monkeypatch):
    before = cache_folder(tmp_path, trunk)
    assert cache_folder(tmp_path, trunk) == before
    monkeypatch.setattr("fashionnet.network.views.ROTATION_DEGREES", 9.0)
    assert cache_folder(tmp_path, trunk) != before


def test_the_size_that_is_said_is_the_size_on_disk(trunk, photos, tmp_path):
    graph = frozen_graph(trunk, "block5")
    features, keys = compute(tmp_path / "cache", photos[:1], 1, graph.run)
    size = sum(path.stat().st_size for path in (tmp_path / "cache").rglob("*.npy"))
    assert size == pytest.approx(features.bytes_per_view, rel=0.01)
    assert features.bytes_per_view == pytest.approx(0.2e6, rel=0.1)
    assert features.missing(keys, 3) == 2


def test_where_nothing_is_frozen_the_image_itself_is_taken(photos, tmp_path):
    features, keys = compute(tmp_path, photos, 2, CountingEngine(), first_block="block1")
    cut = features.cut(photos[0], keys[0], 1)
    assert cut.shape == (SIDE, SIDE, 3) and cut.dtype == np.uint8
    assert not list(tmp_path.rglob("*-cut.npy"))


# --- Views -----------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(
    view=some.integers(0, 9),
    seed=some.integers(0, 2**32),
    height=some.integers(8, 120),
    width=some.integers(8, 120),
)
def test_a_view_is_an_image_of_the_same_size_drawn_the_same_again(view, seed, height, width):
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    before = image.copy()
    drawn = draw_view(image, view, seed)
    assert drawn.shape == image.shape and drawn.dtype == np.uint8
    assert np.array_equal(drawn, draw_view(image, view, seed))
    assert np.array_equal(image, before)
    assert np.array_equal(drawn, image) == (view == 0)


@settings(max_examples=25, deadline=None)
@given(view=some.integers(1, 9), seed=some.integers(0, 2**32))
def test_a_view_keeps_the_garment_upright_and_in_the_picture(view, seed):
    image = np.full((SIDE, SIDE, 3), 230, np.uint8)
    cv2.rectangle(image, (60, 50), (164, 110), (60, 60, 160), -1)
    cv2.rectangle(image, (60, 50), (80, 190), (60, 60, 160), -1)
    drawn = draw_view(image, view, seed)
    rows, columns = np.nonzero(drawn[..., 0] < drawn[..., 2].astype(float) * 0.75)
    shares = len(rows) / (image[..., 0] == 60).sum()
    assert 0.75 < shares < 1.8, "the garment is neither lost nor all there is"
    # The long leg hangs down on the left, and on the right of a mirrored view.
    low = columns[rows > SIDE * 0.65]
    assert len(low)
    assert (np.median(low) > SIDE / 2) == (view % 2 == 1)


def test_nobody_is_told_that_the_network_runs(tmp_path):
    code = "import fashionnet.network.graph, sys; print(sys.modules['openvino_telemetry'])"
    environment = {
        **os.environ,
        "HOME": str(tmp_path),
        "PYTHONPATH": str(Path(__file__).parents[1]),
    }
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "None\n"
    # Where OpenVINO reports, it first keeps a number for this machine.
    assert not list(tmp_path.iterdir())

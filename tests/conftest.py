"""Drawn photos and a network of random weights, for the tests that need a whole network."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from fashionnet.network.folder import Branch, Model, rounded
from fashionnet.network.heads import head_shapes
from fashionnet.network.trunk import BLOCKS, convolutions
from fashionnet.samples.collection import write_catalogue
from fashionnet.schema import RELEVANCE, Schema


def random_trunk(seed=0):
    """VGG16 convolutions drawn as He et al. (2015) do, so that values keep their scale."""
    random = np.random.default_rng(seed)
    weights, inputs = {}, 3
    for block, filters in BLOCKS.items():
        for name, outputs in zip(convolutions(block), filters, strict=True):
            kernel = random.standard_normal((3, 3, inputs, outputs), np.float32)
            weights[f"{name}/kernel"] = kernel * np.float32(np.sqrt(2 / (9 * inputs)))
            weights[f"{name}/bias"] = random.standard_normal(outputs, np.float32)
            inputs = outputs
    return weights


def random_model(trunk, seed=0):
    """A model of every head over one copy of block 5, its weights as they come from disk."""
    random = np.random.default_rng(seed)
    schema = Schema.default()
    heads = (*schema.names, RELEVANCE)
    weights = {}
    for block in BLOCKS:
        part = "joint" if block == "block5" else "trunk"
        for name in convolutions(block):
            for kind in ("kernel", "bias"):
                weights[f"{part}/{name}/{kind}"] = trunk[f"{name}/{kind}"]
    for head in heads:
        count = 2 if head == RELEVANCE else len(schema[head].classes)
        for name, shape in head_shapes(head, count).items():
            deviation = 0.1 / np.sqrt(shape[0])
            weights[name] = random.standard_normal(shape, np.float32) * np.float32(deviation)
    branches = (Branch("joint", "block5", heads),)
    return Model(schema, branches, dict.fromkeys(heads, 1.5), rounded(weights))


@pytest.fixture(scope="session")
def trunk():
    return random_trunk()


@pytest.fixture(scope="session")
def tiny_model(trunk, tmp_path_factory):
    """The folder of a saved model of random weights; read it, and copy it before changing it."""
    folder = tmp_path_factory.mktemp("model")
    random_model(trunk).save(folder)
    return folder


@pytest.fixture(scope="session")
def drawn(tmp_path_factory):
    """A folder of 60 drawn photos with their labels.csv; read it, do not change it."""
    folder = tmp_path_factory.mktemp("drawn")
    write_catalogue(folder, 60, seed=0)
    return folder


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """The folder of a small shop and its repository; read it, and copy it before changing it."""
    from app_client import build_shop

    place = tmp_path_factory.mktemp("built")
    build_shop(place)
    return place


@pytest.fixture(scope="session")
def client(built):
    """A client of its server, for tests that change nothing."""
    from app_client import client_of, service_of

    with client_of(service_of(built)) as client:
        yield client


@pytest.fixture
def few_photos(drawn, tmp_path):
    """A folder of four drawn photos, to spoil at will."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for photo in sorted(Path(drawn).glob("*.jpg"))[:4]:
        shutil.copy(photo, folder)
    return folder


@pytest.fixture(scope="session")
def trunk_file(trunk, tmp_path_factory):
    """The random trunk as keras.applications stores VGG16's weights without the top."""
    import h5py

    path = tmp_path_factory.mktemp("trunk") / "vgg16.h5"
    with h5py.File(path, "w") as file:
        for block in BLOCKS:
            for name in convolutions(block):
                group = file.create_group(f"{name}/{name}")
                group["kernel:0"] = trunk[f"{name}/kernel"]
                group["bias:0"] = trunk[f"{name}/bias"]
    return path

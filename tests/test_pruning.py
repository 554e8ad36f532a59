"""Networks made narrower: what is left answers as the whole did."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import random_model
from PIL import Image as pillow

from fashionnet.errors import RequestError
from fashionnet.network.compiled import CompiledNetwork
from fashionnet.network.folder import Branch, Model
from fashionnet.network.pruning import LAYERS, fitted_layer, prune
from fashionnet.network.trunk import POOLED_LAYERS


@pytest.fixture(scope="module")
def images(drawn):
    return [
        np.asarray(pillow.open(path).convert("RGB")) for path in sorted(drawn.glob("*.jpg"))[:3]
    ]


def test_a_layer_is_fitted_to_what_it_should_answer():
    random = np.random.default_rng(0)
    patches = random.normal(size=(400, 3, 3, 5)).astype(np.float32)
    kernel, bias = random.normal(size=(3, 3, 5, 4)), random.normal(size=4)
    wanted = np.einsum("nijc,ijcf->nf", patches, kernel) + bias
    found_kernel, found_bias = fitted_layer(patches, wanted.astype(np.float32))
    np.testing.assert_allclose(found_kernel, kernel, atol=0.02)
    np.testing.assert_allclose(found_bias, bias, atol=0.02)


def test_filters_that_never_answer_are_removed_and_nothing_changes(trunk, images, tmp_path):
    dead = {name: array.copy() for name, array in trunk.items()}
    random = np.random.default_rng(1)
    for layer in set(LAYERS) - set(POOLED_LAYERS):
        silent = random.permutation(len(dead[f"{layer}/bias"]))[::2]
        dead[f"{layer}/kernel"][..., silent] = 0
        dead[f"{layer}/bias"][silent] = 0
    model = random_model(dead)
    pruned = prune(model, 0.5, images, is_fitted=False)
    for layer in LAYERS:
        name = next(key for key in model.weights if key.endswith(f"{layer}/bias"))
        share = 1 if layer in POOLED_LAYERS else 0.5
        assert pruned.weights[name].size == share * model.weights[name].size
    before = CompiledNetwork(model, "f32").describe(images)
    after = CompiledNetwork(pruned, "f32").describe(images)
    np.testing.assert_allclose(after.probabilities, before.probabilities, atol=1e-4)
    np.testing.assert_allclose(after.embeddings, before.embeddings, atol=1e-4)
    pruned.save(tmp_path)
    found = {name: array.shape for name, array in Model.load(tmp_path).weights.items()}
    assert found == {name: array.shape for name, array in pruned.weights.items()}


def test_layers_fitted_anew_lose_less(trunk, images):
    model = random_model(trunk)
    wanted = CompiledNetwork(model, "f32").describe(images).embeddings
    lost = []
    for is_fitted in (False, True):
        pruned = prune(model, 0.5, images, is_fitted)
        found = CompiledNetwork(pruned, "f32").describe(images).embeddings
        lost.append(1 - (found * wanted).sum(axis=1).mean())
    assert lost[1] < lost[0] / 2


def test_a_wrong_request_is_one_line(trunk, images):
    model = random_model(trunk)
    with pytest.raises(RequestError, match="share is 1: expected 0 to below 1"):
        prune(model, 1, images)
    with pytest.raises(RequestError, match="no photo to fit"):
        prune(model, 0.5, [])
    apart = (Branch("a", "block5", ("pattern",)), Branch("b", "block5", ("style",)))
    with pytest.raises(RequestError, match="blocks of their own"):
        prune(replace(model, branches=apart), 0.5, images)

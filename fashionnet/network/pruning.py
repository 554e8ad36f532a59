"""Make a trained network narrower, without training it again.

Of each convolution that is not pooled those filters are removed that move the next layer least, and
the next layer is fitted anew by least squares, so that it answers to some photos as the whole
network does (He et al., "Channel pruning for accelerating very deep neural networks", 2017, arXiv
1707.06168, with another choice of filters). Layer by layer from the front, what the layers before
got wrong is made good as far as a linear layer can.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fashionnet.errors import RequestError
from fashionnet.network.folder import Model
from fashionnet.network.graph import CompiledGraph, Layers, Node, image_input
from fashionnet.network.precision import fast_precisions
from fashionnet.network.trunk import BLOCKS, POOLED_LAYERS, Weights, blocks_before, convolutions
from fashionnet.photos import Image

LAYERS = [layer for block in BLOCKS for layer in convolutions(block)]

_PLACES_IN_A_PHOTO = 48
_RIDGE = 1e-3


def prune(
    model: Model,
    share: float,
    images: Sequence[Image],
    is_fitted: bool = True,
    advance: Callable[[int], object] = lambda count: None,
) -> Model:
    """Return a model without a share of its filters.

    Args:
        model: its heads have to share one branch.
        share: of the filters of each layer, from 0 to below 1.
        images: photos that it was trained on; some hundred.
        is_fitted: whether the layers are fitted anew; without, much is lost.
        advance: is called after each of `LAYERS`.

    Raises RequestError for heads with blocks of their own, a share out of range and no image.
    """
    if not 0 <= share < 1:
        raise RequestError(f"share is {share:g}: expected 0 to below 1")
    if len(model.branches) > 1:
        raise RequestError("its heads have blocks of their own: prune a model trained without that")
    if not images:
        raise RequestError("no photo to fit the layers to: name the labels it was trained with")
    weights = dict(model.weights)
    kept, taken = np.arange(3), patches_of(model, LAYERS[0], images)
    for layer, following in zip(LAYERS, [*LAYERS[1:], None], strict=True):
        name = weights_of(model, layer)
        whole = model.weights[f"{name}/kernel"].astype(np.float32)
        kernel, bias = whole[:, :, kept], model.weights[f"{name}/bias"].astype(np.float32)
        if is_fitted and len(kept) < whole.shape[2]:
            wanted = taken.reshape(len(taken), -1) @ whole.reshape(-1, len(bias)) + bias
            narrower = patches_of(replace(model, weights=weights), layer, images)
            kernel, bias = fitted_layer(narrower, wanted)
        kept = np.arange(len(bias))
        if following:
            taken = patches_of(model, following, images)
            if layer not in POOLED_LAYERS:
                next_kernel = model.weights[f"{weights_of(model, following)}/kernel"]
                kept = _most_important(taken, next_kernel, share)
        weights[f"{name}/kernel"] = np.ascontiguousarray(kernel[..., kept])
        weights[f"{name}/bias"] = bias[kept]
        advance(1)
    return replace(model, weights=weights)


def patches_of(model: Model, layer: str, images: Sequence[Image]) -> NDArray[np.float32]:
    """Return float32 (n, 3, 3, C): what a convolution takes at some places of some photos.

    The places are the same for every model with such a layer.
    """
    precision = next(name for name in fast_precisions() if name != "int8")
    network = CompiledGraph(*_input_of(model, layer), precision)
    random = np.random.default_rng(0)
    patches = []
    for (maps,) in network.run(images):
        padded = np.pad(maps, ((0, 0), (1, 1), (1, 1)))
        places = random.integers(0, maps.shape[1:], (_PLACES_IN_A_PHOTO, 2))
        patches += [padded[:, y : y + 3, x : x + 3].transpose(1, 2, 0) for y, x in places]
    return np.stack(patches)


def fitted_layer(
    patches: NDArray[np.float32], wanted: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the kernel (3, 3, C, F) and bias (F,) that answer to patches most like `wanted`.

    `patches` are float32 (n, 3, 3, C), `wanted` (n, F) what comes before the ReLU. It is ridge
    regression, so that fewer patches than weights do no harm.
    """
    rows = patches.reshape(len(patches), -1).astype(np.float64)
    mean, wanted_mean = rows.mean(axis=0), wanted.mean(axis=0, dtype=np.float64)
    rows -= mean
    products = rows.T @ rows
    products[np.diag_indices_from(products)] += _RIDGE * products.trace() / len(products) + 1e-12
    kernel = np.linalg.solve(products, rows.T @ (wanted - wanted_mean))
    bias = wanted_mean - mean @ kernel
    shape = (*patches.shape[1:], wanted.shape[1])
    return kernel.reshape(shape).astype(np.float32), bias.astype(np.float32)


def weights_of(model: Model, layer: str) -> str:
    """Return the name of a layer's weights: in the trunk, or in the one branch of all heads."""
    (name,) = (key for key in model.weights if key.endswith(f"{layer}/kernel"))
    return name.removesuffix("/kernel")


def _most_important(
    patches: NDArray[np.float32], kernel: NDArray[np.floating], share: float
) -> NDArray[np.intp]:
    """Return the inputs of a convolution that stay, those that move its answers most."""
    strength = np.sqrt((patches**2).mean(axis=(0, 1, 2)))
    importance = strength * np.sqrt((kernel.astype(np.float32) ** 2).sum(axis=(0, 1, 3)))
    return np.sort(np.argsort(importance)[round(share * len(importance)) :])


def _input_of(model: Model, layer: str) -> tuple[Node, list[Node]]:
    """Return the node of the image, and what a convolution takes of it."""
    weights: Weights = {
        f"trunk/{name}/{kind}": model.weights[f"{weights_of(model, name)}/{kind}"]
        for name in LAYERS
        for kind in ("kernel", "bias")
    }
    layers = Layers(weights, {})
    image, normal = image_input()
    block = next(name for name in BLOCKS if layer in convolutions(name))
    node = layers.blocks(normal, "trunk", blocks_before(block))[-1]
    for earlier in convolutions(block)[: convolutions(block).index(layer)]:
        node = layers.convolution(node, f"trunk/{earlier}")
    return image, [node]

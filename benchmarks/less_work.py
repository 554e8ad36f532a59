"""What the shipped network loses when it does less work, and how much faster it gets.

    python benchmarks/less_work.py --labels labels.csv --images ../shared/data

Each row is the model as it ships with one thing changed. Either photos are made smaller before the
network sees them, or a share of the filters is removed of each convolution that no head sees (all
but the last of block4 and of block5), from the layer itself and from what the next one takes.
Those go that move the next layer least. The next layer is left as it is, or fitted anew, by least
squares on training photos, so that it answers as the whole network does (He et al., 2017, "Channel
pruning for accelerating very deep neural networks", arXiv 1707.06168). Or the answers of each
convolution but the first keep a share of their principal axes, so that it could be done by a
thinner one and one of 1×1 (Zhang et al., 2016, "Accelerating very deep convolutional networks for
classification and detection", arXiv 1505.06798, without what that does for nonlinear layers); this
is computed as whole layers are, so that such a row has no speed. Nothing is trained by gradients.

Accuracy is that on the validation photos; the test photos are not looked at. Photos a second are
those of the network alone, on every core.
"""

import argparse
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from fashionnet.describing import read_for_network
from fashionnet.errors import RequestError
from fashionnet.labels import UNKNOWN, LabelledPhotos, read_labels
from fashionnet.network import graph as graphs
from fashionnet.network.calibration import label_codes, photos_of_part
from fashionnet.network.folder import DEFAULT_MODEL, Model
from fashionnet.network.precision import Calibration
from fashionnet.network.trunk import BLOCKS, IMAGE_SIZE, Weights, blocks_before, convolutions
from fashionnet.photos import Image, read_ahead

SIZES = (224, 208, 192, 176, 160, 128)
# Processors are fast at widths of many times 16.
SHARES = (0.125, 0.25, 0.375, 0.5)
RANKS = (0.75, 0.5, 0.375)
LAYERS = [layer for block in BLOCKS for layer in convolutions(block)]
PHOTOS_FITTED_TO = 256
PLACES_IN_A_PHOTO = 48
RIDGE = 1e-3
SEEN_BY_HEADS = ("block4_conv3", "block5_conv3")
WARM_UP = 32


def main() -> int:
    """Print the table; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--labels", type=Path, required=True, metavar="CSV")
    parser.add_argument("--images", type=Path, default=Path("../shared/data"), metavar="DIR")
    parser.add_argument("--model", type=Path, default=DEFAULT_MODEL, metavar="DIR")
    arguments = parser.parse_args()
    try:
        report(arguments)
    except RequestError as error:
        print(f"less_work: {error}", file=sys.stderr)
        return 2
    return 0


def report(arguments: argparse.Namespace) -> None:
    """Measure every variation and print a row for each."""
    model = Model.load(arguments.model)
    calibration = Calibration.load(arguments.model, model)
    if calibration is None or "int8" not in calibration.precisions:
        raise RequestError(f"{arguments.model}: offers no 8 bits: there is nothing to compare")
    labels = read_labels(arguments.labels, arguments.images, model.schema)
    photos = photos_of_part(arguments.model, labels, "validation")
    images = [pending.result()[1] for _, pending in read_ahead(photos.photos, read_for_network)]
    table = Table(
        "variation",
        "multiply-adds",
        *model.heads,
        "mean",
        "photos/s",
        "ratio",
        title=f"{len(photos)} validation photos, 8 bits",
        title_justify="left",
        box=None,
    )
    first = 0.0
    training = training_photos(arguments.model, labels)
    for name, size, operations, varied in variations(model, training):
        accuracy, rate = measure(varied, size, calibration, photos, images)
        first = first or rate
        is_real = operations == multiply_adds(varied, size)
        table.add_row(
            name,
            f"{operations / 1e9:.1f} G",
            *(f"{value:.3f}" for value in accuracy),
            f"{np.mean(accuracy):.3f}",
            f"{rate:.1f}" if is_real else "-",
            f"{rate / first:.2f}" if is_real else "-",
        )
    Console(width=140).print(table)


def training_photos(model: Path, labels: LabelledPhotos) -> list[Image]:
    """Return some photos that the model was trained on."""
    photos = photos_of_part(model, labels, "train")
    chosen = np.random.default_rng(0).choice(len(photos), PHOTOS_FITTED_TO, replace=False)
    few = photos.take(np.sort(chosen)).photos
    return [pending.result()[1] for _, pending in read_ahead(few, read_for_network)]


def variations(model: Model, images: Sequence[Image]) -> Iterator[tuple[str, int, int, Model]]:
    """Yield the name, the side of the photos, the multiply-adds and the network of every row."""
    for size in SIZES:
        yield f"photos of {size}×{size}", size, multiply_adds(model, size), model
    inputs = {layer: Patches(model, layer, images) for layer in LAYERS}
    for fitted in (False, True):
        for share in SHARES:
            name = f"{share:.1%} of the filters removed{', the next fitted' if fitted else ''}"
            varied = without_filters(model, share, inputs, images if fitted else ())
            yield name, IMAGE_SIZE, multiply_adds(varied, IMAGE_SIZE), varied
    for rank in RANKS:
        operations = multiply_adds(model, IMAGE_SIZE, rank)
        yield f"rank {rank:.1%}", IMAGE_SIZE, operations, of_low_rank(model, rank, inputs)


class Patches:
    """What a convolution takes at some places of some photos.

    Attributes:
        values: float32 (n, 3, 3, C).
    """

    def __init__(self, model: Model, layer: str, images: Sequence[Image]) -> None:
        network = graphs.CompiledGraph(*input_of(model, layer), "f32")
        random = np.random.default_rng(0)
        found = []
        for (maps,) in network.run(images):
            padded = np.pad(maps, ((0, 0), (1, 1), (1, 1)))
            places = random.integers(0, maps.shape[1:], (PLACES_IN_A_PHOTO, 2))
            found += [padded[:, y : y + 3, x : x + 3].transpose(1, 2, 0) for y, x in places]
        self.values = np.stack(found)


def without_filters(
    model: Model, share: float, inputs: dict[str, Patches], images: Sequence[Image]
) -> Model:
    """Return a model without a share of the filters; fitted anew to images, if there are any.

    `inputs` are those of the whole network.
    """
    weights = dict(model.weights)
    kept = np.arange(3)
    for layer, following in zip(LAYERS, [*LAYERS[1:], None], strict=True):
        name = weights_of(model, layer)
        whole = model.weights[f"{name}/kernel"].astype(np.float32)
        kernel, bias = whole[:, :, kept], model.weights[f"{name}/bias"].astype(np.float32)
        if images and len(kept) < whole.shape[2]:
            patches = Patches(replace(model, weights=weights), layer, images)
            wanted = inputs[layer].values.reshape(-1, whole[..., 0].size) @ whole.reshape(
                -1, whole.shape[3]
            )
            kernel, bias = fitted_layer(patches.values, wanted + bias)
        kept = np.arange(whole.shape[3])
        if following and layer not in SEEN_BY_HEADS:
            next_kernel = model.weights[f"{weights_of(model, following)}/kernel"]
            kept = most_important(inputs[following].values, next_kernel, share)
        weights[f"{name}/kernel"] = np.ascontiguousarray(kernel[..., kept])
        weights[f"{name}/bias"] = bias[kept]
    return replace(model, weights=weights)


def of_low_rank(model: Model, share: float, inputs: dict[str, Patches]) -> Model:
    """Return a model whose layers answer along a share of their principal axes only."""
    weights = dict(model.weights)
    for layer in LAYERS[1:]:
        name = weights_of(model, layer)
        kernel = model.weights[f"{name}/kernel"].astype(np.float32)
        bias = model.weights[f"{name}/bias"].astype(np.float32)
        rows = inputs[layer].values.reshape(-1, kernel[..., 0].size)
        answers = rows @ kernel.reshape(-1, len(bias)) + bias
        mean = answers.mean(axis=0)
        axes = np.linalg.eigh(np.cov(answers.T))[1][:, -round(share * len(bias)) :]
        projection = (axes @ axes.T).astype(np.float32)
        weights[f"{name}/kernel"] = kernel @ projection
        weights[f"{name}/bias"] = (bias - mean) @ projection + mean
    return replace(model, weights=weights)


def most_important(
    patches: NDArray[np.float32], kernel: NDArray[np.floating], share: float
) -> NDArray[np.intp]:
    """Return the inputs of a convolution that stay, those that move its answers most."""
    strength = np.sqrt((patches**2).mean(axis=(0, 1, 2)))
    importance = strength * np.sqrt((kernel.astype(np.float32) ** 2).sum(axis=(0, 1, 3)))
    return np.sort(np.argsort(importance)[round(share * len(importance)) :])


def fitted_layer(
    patches: NDArray[np.float32], wanted: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the kernel (3, 3, C, F) and bias (F,) whose answers to (n, 3, 3, C) are nearest."""
    rows = patches.reshape(len(patches), -1).astype(np.float64)
    mean, wanted_mean = rows.mean(axis=0), wanted.mean(axis=0, dtype=np.float64)
    rows -= mean
    products = rows.T @ rows
    products[np.diag_indices_from(products)] += RIDGE * products.trace() / len(products)
    kernel = np.linalg.solve(products, rows.T @ (wanted - wanted_mean))
    bias = wanted_mean - mean @ kernel
    shape = (*patches.shape[1:], wanted.shape[1])
    return kernel.reshape(shape).astype(np.float32), bias.astype(np.float32)


def weights_of(model: Model, layer: str) -> str:
    """Return the name of a layer's weights: in the trunk, or in the one branch of all heads."""
    (name,) = (key for key in model.weights if key.endswith(f"{layer}/kernel"))
    return name.removesuffix("/kernel")


def input_of(model: Model, layer: str) -> tuple[graphs.Node, list[graphs.Node]]:
    """Return the node of the image, and what a convolution takes of it."""
    weights: Weights = {
        f"trunk/{name}/{kind}": model.weights[f"{weights_of(model, name)}/{kind}"]
        for name in LAYERS
        for kind in ("kernel", "bias")
    }
    layers = graphs.Layers(weights, {})
    image, normal = graphs.image_input()
    block = next(name for name in BLOCKS if layer in convolutions(name))
    node = layers.blocks(normal, "trunk", blocks_before(block))[-1]
    for earlier in convolutions(block)[: convolutions(block).index(layer)]:
        node = layers.convolution(node, f"trunk/{earlier}")
    return image, [node]


def multiply_adds(model: Model, size: int, rank: float | None = None) -> int:
    """Return the multiply-adds of the convolutions for one photo.

    With `rank` all but the first are done by a thinner one, of that share of filters, and one of
    1×1.
    """
    total = 0
    for place, block in enumerate(BLOCKS):
        for layer in convolutions(block):
            kernel = model.weights[f"{weights_of(model, layer)}/kernel"]
            operations = kernel.size
            if rank is not None and layer != LAYERS[0]:
                thin = round(rank * kernel.shape[3])
                operations = thin * (kernel[..., 0].size + kernel.shape[3])
            total += operations * (size // 2**place) ** 2
    return total


def measure(
    model: Model,
    size: int,
    calibration: Calibration,
    photos: LabelledPhotos,
    images: Iterable[Image],
) -> tuple[list[float], float]:
    """Return each head's accuracy and the photos a second."""
    # The side of the photos is a constant of the network: no user has another.
    graphs.IMAGE_SIZE = size
    network = graphs.network_graph(model, "int8", calibration.largest)
    images = list(images)
    list(network.run(images[:WARM_UP]))
    start = time.perf_counter()
    rows = list(network.run(images))
    rate = len(images) / (time.perf_counter() - start)
    graphs.IMAGE_SIZE = IMAGE_SIZE
    accuracy = []
    for place, head in enumerate(model.heads):
        truth = label_codes(photos)[head]
        found = np.array([row[place].argmax() for row in rows])
        accuracy.append(float((found == truth)[truth != UNKNOWN].mean()))
    return accuracy, rate


if __name__ == "__main__":
    raise SystemExit(main())

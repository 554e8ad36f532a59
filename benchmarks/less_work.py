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
from rich.console import Console
from rich.table import Table

from fashionnet.describing import read_for_network
from fashionnet.errors import RequestError
from fashionnet.labels import UNKNOWN, LabelledPhotos, read_labels
from fashionnet.network import graph as graphs
from fashionnet.network.calibration import label_codes, photos_of_part
from fashionnet.network.folder import DEFAULT_MODEL, Model
from fashionnet.network.precision import Calibration
from fashionnet.network.pruning import LAYERS, patches_of, prune, weights_of
from fashionnet.network.trunk import BLOCKS, IMAGE_SIZE, convolutions
from fashionnet.photos import Image, read_ahead

SIZES = (224, 208, 192, 176, 160, 128)
# Processors are fast at widths of many times 16.
SHARES = (0.125, 0.25, 0.375, 0.5)
RANKS = (0.75, 0.5, 0.375)
PHOTOS_FITTED_TO = 256
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
    for fitted in (False, True):
        for share in SHARES:
            name = f"{share:.1%} of the filters removed{', the next fitted' if fitted else ''}"
            varied = prune(model, share, images, fitted)
            yield name, IMAGE_SIZE, multiply_adds(varied, IMAGE_SIZE), varied
    for rank in RANKS:
        operations = multiply_adds(model, IMAGE_SIZE, rank)
        yield f"rank {rank:.1%}", IMAGE_SIZE, operations, of_low_rank(model, rank, images)


def of_low_rank(model: Model, share: float, images: Sequence[Image]) -> Model:
    """Return a model whose layers answer along a share of their principal axes only."""
    weights = dict(model.weights)
    for layer in LAYERS[1:]:
        name = weights_of(model, layer)
        kernel = model.weights[f"{name}/kernel"].astype(np.float32)
        bias = model.weights[f"{name}/bias"].astype(np.float32)
        rows = patches_of(model, layer, images).reshape(-1, kernel[..., 0].size)
        answers = rows @ kernel.reshape(-1, len(bias)) + bias
        mean = answers.mean(axis=0)
        axes = np.linalg.eigh(np.cov(answers.T))[1][:, -round(share * len(bias)) :]
        projection = (axes @ axes.T).astype(np.float32)
        weights[f"{name}/kernel"] = kernel @ projection
        weights[f"{name}/bias"] = (bias - mean) @ projection + mean
    return replace(model, weights=weights)


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

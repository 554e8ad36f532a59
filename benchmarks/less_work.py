"""What the shipped network loses when it does less work, and how much faster it gets.

    python benchmarks/less_work.py --labels labels.csv --images ../shared/data

Nothing is trained again: each row is the model as it ships with one thing changed. Either photos
are made smaller before the network sees them, or of each convolution whose filters no head sees
(all but the last of block4 and of block5) the share of filters with the smallest weights is
removed, from the layer itself and from what the next one takes (Li et al., "Pruning filters for
efficient ConvNets", 2017, arXiv 1608.08710). Accuracy is that on the validation photos; the test
photos are not looked at. Photos a second are those of the network alone, on every core.
"""

import argparse
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from fashionnet.describing import read_for_network
from fashionnet.errors import RequestError
from fashionnet.labels import UNKNOWN, LabelledPhotos, read_labels
from fashionnet.network import graph as graphs
from fashionnet.network.calibration import label_codes, validation_photos
from fashionnet.network.folder import DEFAULT_MODEL, Model
from fashionnet.network.precision import Calibration
from fashionnet.network.trunk import BLOCKS, IMAGE_SIZE, convolutions
from fashionnet.photos import Image, read_ahead

SIZES = (224, 208, 192, 176, 160, 128)
SHARES = (0.05, 0.1, 0.2, 0.3)
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
    photos = validation_photos(arguments.model, labels)
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
    for name, size, varied in variations(model):
        accuracy, rate = measure(varied, size, calibration, photos, images)
        first = first or rate
        table.add_row(
            name,
            f"{multiply_adds(varied, size) / 1e9:.1f} G",
            *(f"{value:.3f}" for value in accuracy),
            f"{np.mean(accuracy):.3f}",
            f"{rate:.1f}",
            f"{rate / first:.2f}",
        )
    Console(width=140).print(table)


def variations(model: Model) -> Iterator[tuple[str, int, Model]]:
    """Yield the name, the side of the photos in pixels and the network of every row."""
    for size in SIZES:
        yield f"photos of {size}×{size}", size, model
    for share in SHARES:
        yield f"{share:.0%} of the filters removed", IMAGE_SIZE, without_filters(model, share)


def without_filters(model: Model, share: float) -> Model:
    """Return a model without those filters of each layer whose weights are smallest."""
    weights = dict(model.weights)
    kept = np.arange(3)
    for layer in [layer for block in BLOCKS for layer in convolutions(block)]:
        # A block lies in the trunk, or in the one branch of a model whose heads share it.
        (key,) = (name for name in weights if name.endswith(f"{layer}/kernel"))
        kernel = weights[key][:, :, kept]
        size = np.abs(kernel).sum(axis=(0, 1, 2))
        dropped = 0 if layer in SEEN_BY_HEADS else round(share * len(size))
        kept = np.sort(np.argsort(size)[dropped:])
        weights[key] = np.ascontiguousarray(kernel[..., kept])
        bias = key.replace("kernel", "bias")
        weights[bias] = weights[bias][kept]
    return replace(model, weights=weights)


def multiply_adds(model: Model, size: int) -> int:
    """Return the multiply-adds of the convolutions for one photo."""
    total = 0
    for place, block in enumerate(BLOCKS):
        for layer in convolutions(block):
            (kernel,) = (
                array for name, array in model.weights.items() if name.endswith(f"{layer}/kernel")
            )
            total += kernel.size * (size // 2**place) ** 2
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

"""VGG16's convolution blocks: their layers, their ImageNet weights, and what goes into them.

Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition",
2015 (arXiv 1409.1556), configuration D. Layer names are those of keras.applications.
"""

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fashionnet.errors import RequestError
from fashionnet.network.quiet import quiet_import

IMAGE_SIZE = 224
"""Height and width in pixels of what the network sees."""

MEAN_RGB = (123.68, 116.779, 103.939)
"""ImageNet's mean colour, which is taken off every pixel."""

BLOCKS: dict[str, tuple[int, ...]] = {
    "block1": (64, 64),
    "block2": (128, 128),
    "block3": (256, 256, 256),
    "block4": (512, 512, 512),
    "block5": (512, 512, 512),
}
"""Filters of each block's 3×3 convolutions; a 2×2 maximum pooling ends every block."""

WEIGHTS_VARIABLE = "FASHIONNET_TRUNK_WEIGHTS"
_DOWNLOADED = Path("models") / "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"

Weights = dict[str, NDArray[np.floating]]
"""Arrays by name: kernels as (height, width, in, out) or (in, out), biases as (out,)."""


def blocks_from(first: str) -> list[str]:
    """Return the names of a block and those after it."""
    names = list(BLOCKS)
    return names[names.index(first) :]


def blocks_before(first: str) -> list[str]:
    """Return the names of the blocks before a block."""
    names = list(BLOCKS)
    return names[: names.index(first)]


def convolutions(block: str) -> list[str]:
    """Return the names of a block's convolution layers, in order."""
    return [f"{block}_conv{number}" for number in range(1, len(BLOCKS[block]) + 1)]


POOLED_BLOCKS = tuple(reversed(list(BLOCKS)[-3:]))
"""Blocks whose answers to a whole photo are pooled, the last first: the heads see those of the
first two, embeddings are made of those of all three."""

POOLED_LAYERS = tuple(convolutions(block)[-1] for block in POOLED_BLOCKS)
"""Layers that end these blocks: their width is fixed."""

SUMMARY_SIZE = sum(2 * BLOCKS[block][-1] for block in POOLED_BLOCKS)
"""Width of a photo's summary: of each of `POOLED_BLOCKS` the average and the maximum of every
filter over the whole photo."""


def find_imagenet_weights(given: Path | None) -> Path:
    """Return the file of VGG16's ImageNet weights: the one given, or one that is at hand.

    After `given` come the environment variable FASHIONNET_TRUNK_WEIGHTS, the file that
    keras.applications keeps once it was downloaded, and the download itself.
    """
    named = given or (Path(value) if (value := os.environ.get(WEIGHTS_VARIABLE)) else None)
    if named:
        if not named.is_file():
            raise RequestError(f"trunk weights {named}: no such file")
        return named
    kept = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / _DOWNLOADED
    if not kept.is_file():
        _download()
    return kept


def _download() -> None:
    with quiet_import():
        import keras

    try:
        keras.applications.VGG16(weights="imagenet", include_top=False)
    except Exception as error:
        raise RequestError(
            "VGG16's ImageNet weights are not on this machine and could not be downloaded "
            f"({str(error).splitlines()[0]}): name a copy with --trunk-weights FILE or the "
            f"environment variable {WEIGHTS_VARIABLE}"
        ) from error


def load_imagenet_weights(path: Path) -> Weights:
    """Read VGG16's convolutions from a Keras weights file (HDF5, with or without the top)."""
    import h5py

    def array(group: "h5py.Group", axes: int) -> NDArray[np.float32]:
        found: list[NDArray[np.float32]] = []

        def visit(_: str, node: object) -> None:
            if isinstance(node, h5py.Dataset) and node.ndim == axes:
                found.append(np.asarray(node, np.float32))

        group.visititems(visit)
        return found[0]

    weights: Weights = {}
    try:
        with h5py.File(path) as file:
            inputs = 3
            for block, filters in BLOCKS.items():
                for name, outputs in zip(convolutions(block), filters, strict=True):
                    kernel, bias = array(file[name], 4), array(file[name], 1)
                    if kernel.shape != (3, 3, inputs, outputs) or bias.shape != (outputs,):
                        raise ValueError(f"{name} is {kernel.shape}")
                    weights[f"{name}/kernel"], weights[f"{name}/bias"] = kernel, bias
                    inputs = outputs
    except (OSError, KeyError, IndexError, ValueError) as error:
        raise RequestError(
            f"trunk weights {path}: not VGG16's weights as Keras stores them ({error})"
        ) from error
    return weights

"""The seed's plain recipe, to compare with: four separate networks over VGG16.

Each network is VGG16 with ImageNet weights, its last 7×7×512 positions flattened, a dense layer of
512 with ReLU and a softmax over one attribute's classes. It is trained with Adam in batches of 32,
5 epochs with VGG16 frozen and some more with block5 unfrozen; the weights of the best validation
accuracy of all epochs are kept. There are no class weights, no augmentation, no dropout and no
calibration. The seed names no learning rate: it is 1e-4 in both phases.

One thing is not the seed's: it unfreezes the layers below block5 too, which would take days
without a GPU. Here they stay as ImageNet left them, and are computed once for all networks and
epochs.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from fashionnet.errors import RequestError
from fashionnet.labels import UNKNOWN
from fashionnet.network.frozen import FrozenFeatures
from fashionnet.network.graph import frozen_graph
from fashionnet.network.heads import HIDDEN_UNITS
from fashionnet.network.training import TrainingPhotos, fast_precision
from fashionnet.network.trunk import (
    BLOCKS,
    IMAGE_SIZE,
    Weights,
    convolutions,
    load_imagenet_weights,
)
from fashionnet.progress import progress
from fashionnet.schema import Schema

FIRST_BLOCK = "block5"
FROZEN_EPOCHS = 5
BATCH = 32
RATE = 1e-4

_SIDE = IMAGE_SIZE // 16
_FILTERS = BLOCKS[FIRST_BLOCK][-1]

Inputs = Callable[[int], NDArray[Any]]
"""From a row of some photos to what a network takes of that photo."""


def train_seed_recipe(
    parts: Mapping[str, TrainingPhotos],
    schema: Schema,
    trunk_weights: Path,
    cache: Path,
    unfrozen_epochs: int,
) -> NDArray[np.float32]:
    """Train a network for each attribute on the train and validation photos.

    Returns the probabilities of the N test photos: float32 (N, number of all classes), the
    attributes side by side. Raises RequestError where an attribute has no label to learn from.
    """
    for attribute in schema:
        for part in ("train", "validation"):
            if not (parts[part].codes[attribute.name] != UNKNOWN).any():
                raise RequestError(f"{attribute.name}: no {part} photo has a label")
    imagenet = load_imagenet_weights(trunk_weights)
    graph = frozen_graph(imagenet, FIRST_BLOCK)
    features = FrozenFeatures.of_trunk(cache, imagenet, FIRST_BLOCK, 0, graph.run, graph.precision)
    with progress("frozen features", sum(map(len, parts.values()))) as advance:
        for photos in parts.values():
            features.compute(photos.photos, photos.keys, 1, advance)
    cuts = {part: _cuts(photos, features) for part, photos in parts.items()}
    block = _block(imagenet)
    flattened = {
        part: _flattened(block, cuts[part], parts[part]) for part in ("train", "validation")
    }
    columns = []
    for attribute in schema:
        keras.utils.set_random_seed(0)
        network = _SeedNetwork(attribute.name, len(attribute.classes), imagenet)
        codes = {part: photos.codes[attribute.name] for part, photos in parts.items()}
        network.fit_head(flattened, codes)
        network.fit_block(cuts, codes, unfrozen_epochs)
        columns.append(_predictions(network.whole, cuts["test"], len(parts["test"])))
    return np.concatenate(columns, axis=1)


class _SeedNetwork:
    """One attribute's network: `whole` goes from the input of block5 to the probabilities."""

    def __init__(self, name: str, class_count: int, imagenet: Weights) -> None:
        block = _block(imagenet)
        self.head = keras.Sequential(
            [
                keras.Input(block.output_shape[1:]),
                keras.layers.Dense(HIDDEN_UNITS, activation="relu"),
                keras.layers.Dense(class_count, activation="softmax"),
            ]
        )
        self.whole = keras.Sequential([keras.Input(block.input_shape[1:]), block, self.head])
        self._best = _Best(name, self.whole)

    def fit_head(
        self, flattened: Mapping[str, Inputs], codes: Mapping[str, NDArray[np.int16]]
    ) -> None:
        """Train the dense layers on what the frozen VGG16 gives."""
        self._fit(self.head, "frozen", flattened, codes, FROZEN_EPOCHS)

    def fit_block(
        self, cuts: Mapping[str, Inputs], codes: Mapping[str, NDArray[np.int16]], epochs: int
    ) -> None:
        """Train on with block5 unfrozen."""
        self._fit(self.whole, "unfrozen", cuts, codes, epochs)

    def _fit(
        self,
        model: keras.Model,
        phase: str,
        inputs: Mapping[str, Inputs],
        codes: Mapping[str, NDArray[np.int16]],
        epochs: int,
    ) -> None:
        model.compile(
            keras.optimizers.Adam(RATE), "sparse_categorical_crossentropy", metrics=["accuracy"]
        )
        self._best.phase = f"{phase} epoch {{}} of {epochs}"
        model.fit(
            _Batches(inputs["train"], codes["train"]),
            validation_data=_Batches(inputs["validation"], codes["validation"]),
            epochs=epochs,
            callbacks=[self._best],
            verbose=0,
        )
        self.whole.set_weights(self._best.weights)


class _Best(keras.callbacks.Callback):
    """Keep a network's weights at its best validation accuracy of all phases."""

    def __init__(self, name: str, network: keras.Model) -> None:
        super().__init__()
        self.phase = ""
        self.weights: list[NDArray[Any]] = []
        self._name, self._network, self._accuracy = name, network, -1.0

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        accuracy = (logs or {})["val_accuracy"]
        better = accuracy > self._accuracy
        if better:
            self._accuracy, self.weights = accuracy, self._network.get_weights()
        print(
            f"seed's recipe, {self._name}, {self.phase.format(epoch + 1)}: validation accuracy "
            f"{accuracy:.3f}{' (best)' if better else ''}",
            file=sys.stderr,
        )


class _Batches(keras.utils.PyDataset):
    """Batches of the photos with a known code, in a new order each epoch."""

    def __init__(self, read: Inputs, codes: NDArray[np.int16]) -> None:
        super().__init__()
        self._read, self._codes = read, codes
        self._random = np.random.default_rng(0)
        self._rows = self._random.permutation(np.flatnonzero(codes != UNKNOWN))

    def __len__(self) -> int:
        return -(-len(self._rows) // BATCH)

    def __getitem__(self, batch: int) -> tuple[NDArray[np.float32], NDArray[np.int16]]:
        rows = self._rows[batch * BATCH : (batch + 1) * BATCH]
        return _stacked(self._read, rows.tolist()), self._codes[rows]

    def on_epoch_end(self) -> None:
        self._random.shuffle(self._rows)


def _block(imagenet: Weights) -> keras.Model:
    """Return VGG16's block5 with its ImageNet weights, its output flattened."""
    policy = keras.DTypePolicy(fast_precision())
    layers = [
        keras.layers.Conv2D(filters, 3, padding="same", activation="relu", name=name, dtype=policy)
        for name, filters in zip(convolutions(FIRST_BLOCK), BLOCKS[FIRST_BLOCK], strict=True)
    ]
    block = keras.Sequential(
        [
            keras.Input((_SIDE, _SIDE, _FILTERS)),
            *layers,
            keras.layers.MaxPooling2D(dtype=policy),
            keras.layers.Flatten(dtype="float32"),
        ]
    )
    for layer in layers:
        layer.set_weights([imagenet[f"{layer.name}/kernel"], imagenet[f"{layer.name}/bias"]])
    return block


def _cuts(photos: TrainingPhotos, features: FrozenFeatures) -> Inputs:
    return lambda row: features.cut(photos.photos[row], photos.keys[row], 0)


def _flattened(block: keras.Model, cuts: Inputs, photos: TrainingPhotos) -> Inputs:
    # 25,088 numbers a photo, of some thousand photos, fit into memory in half precision.
    rows = _predictions(block, cuts, len(photos)).astype(np.float16)
    return lambda row: rows[row]


def _predictions(model: keras.Model, read: Inputs, count: int) -> NDArray[np.float32]:
    parts = [
        model.predict_on_batch(_stacked(read, range(start, min(start + BATCH, count))))
        for start in range(0, count, BATCH)
    ]
    return np.concatenate(parts)


def _stacked(read: Inputs, rows: Sequence[int]) -> NDArray[np.float32]:
    return np.stack([read(row) for row in rows]).astype(np.float32)

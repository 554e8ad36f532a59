"""Networks that embed pictures: the seed's CNN, backbones of keras.applications, an auto-encoder.

Each is split in two: what is frozen, whose output is computed once for each picture, and what is
trained on it. Keras 3 and nothing of any one backend.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from fashionnet.network.applications import application, preprocessed, weights_fingerprint
from fashionnet.similarity.experiment import (
    Autoencoder,
    Backbone,
    EmbeddingExperiment,
    SeedCNN,
)

FILTERS = (16, 32, 64, 128, 256)
KERNEL = 5
DENSE = (512, 256)
"""The seed's filters, their size and the units of its dense layers before the last."""


@dataclass(frozen=True)
class EmbeddingNetwork:
    """A network in two parts.

    Attributes:
        image_size: height and width in pixels of the images that it takes, uint8 RGB.
        frozen: from images to what the trained part takes; None where that takes images.
        trained: from images or frozen features to embeddings, float32 (N, D).
        frozen_fingerprint: changes with all that the frozen part computes; "" without one.
    """

    image_size: int
    frozen: keras.Model | None
    trained: keras.Model
    frozen_fingerprint: str = ""

    @property
    def parameters(self) -> int:
        """How many numbers all weights hold."""
        return sum(part.count_params() for part in (self.frozen, self.trained) if part)


def build_network(experiment: EmbeddingExperiment, precision: str) -> EmbeddingNetwork:
    """Build what an experiment asks for, with weights where they start."""
    settings = experiment.network
    keras.utils.set_random_seed(experiment.seed)
    with dtype_policy(precision):
        if isinstance(settings, SeedCNN):
            return EmbeddingNetwork(settings.image_size, None, _seed_cnn(settings, experiment.size))
        if isinstance(settings, Autoencoder):
            model = VariationalAutoencoder(settings, experiment.size)
            return EmbeddingNetwork(settings.image_size, None, model)
        return _backbone(settings, experiment.size, precision)


@contextmanager
def dtype_policy(precision: str) -> Iterator[None]:
    """Build Keras layers in a precision: `float32` or `mixed_bfloat16`."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _seed_cnn(settings: SeedCNN, size: int) -> keras.Model:
    image = keras.Input((settings.image_size, settings.image_size, 3))
    node = layers.Rescaling(1 / 127.5, offset=-1.0)(image)
    for number, filters in enumerate(FILTERS):
        node = layers.Conv2D(filters, KERNEL, padding="same", activation="relu")(node)
        if number + 1 < len(FILTERS):
            node = layers.MaxPooling2D()(node)
    node = layers.GlobalAveragePooling2D(dtype="float32")(node)
    return keras.Model(image, _head(node, DENSE, size, settings.dropout))


def _head(
    node: keras.KerasTensor, hidden: tuple[int, ...], size: int, dropout: float
) -> keras.KerasTensor:
    """Return the embedding, of unit length, after dense layers."""
    for units in hidden:
        node = layers.Dense(units, activation="relu", dtype="float32")(node)
        if dropout:
            node = layers.Dropout(dropout)(node)
    node = layers.Dense(size, dtype="float32")(node)
    return layers.UnitNormalization(dtype="float32")(node)


def _backbone(settings: Backbone, size: int, precision: str) -> EmbeddingNetwork:
    image = keras.Input((settings.image_size, settings.image_size, 3))
    body = application(settings.model, settings.weights, settings.image_size, "network.model")
    output = body.layers[-1].output
    cut = _cut(body, settings.unfrozen)
    frozen, fingerprint = None, ""
    node = image
    if cut >= 0:
        below = body.layers[cut].output
        prepared = keras.Model(
            body.inputs, below if settings.unfrozen else _pooled(output, settings)
        )
        frozen = keras.Model(image, prepared(preprocessed(settings.model, image)))
        frozen.trainable = False
        about = (settings.model, settings.image_size, settings.pooling, cut, precision)
        fingerprint = weights_fingerprint(frozen, about)
        node = keras.Input(frozen.output.shape[1:])
        features = node
        if settings.unfrozen:
            above = keras.Model(below, output)
            features = _pooled(_frozen_statistics(above)(node), settings)
    else:
        prepared_body = _frozen_statistics(keras.Model(body.inputs, output))
        features = _pooled(prepared_body(preprocessed(settings.model, image)), settings)
    # Features of one network differ in scale from unit to unit by orders of magnitude.
    features = layers.LayerNormalization(dtype="float32", name="scale")(features)
    if settings.dropout:
        features = layers.Dropout(settings.dropout, dtype="float32")(features)
    trained = keras.Model(node, _head(features, settings.hidden, size, settings.dropout))
    return EmbeddingNetwork(settings.image_size, frozen, trained, fingerprint)


def _cut(body: keras.Model, unfrozen: float) -> int:
    """Return the last layer that stays frozen, -1 for none.

    It is one through which everything flows, so that its output is all that the layers above need.
    """
    weighted = [place for place, layer in enumerate(body.layers) if layer.weights]
    if not unfrozen:
        return len(body.layers) - 1
    kept = len(weighted) - max(1, round(unfrozen * len(weighted)))
    for place in range(weighted[kept] - 1, 0, -1):
        try:
            keras.Model(body.layers[place].output, body.layers[-1].output)
        except ValueError:
            continue
        return place if any(below < place + 1 for below in weighted) else -1
    return -1


def _frozen_statistics(model: keras.Model) -> keras.Model:
    """Keep batch statistics as they were learned: a few of our pictures would spoil them."""
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.trainable = False
    return model


def _pooled(node: keras.KerasTensor, settings: Backbone) -> keras.KerasTensor:
    average = settings.pooling == "average"
    pool = layers.GlobalAveragePooling2D if average else layers.GlobalMaxPooling2D
    return pool(dtype="float32")(node)


class VariationalAutoencoder(keras.Model):
    """A variational auto-encoder of images (Kingma and Welling, 2014, "Auto-Encoding Variational
    Bayes"); its embedding is the mean of the code.

    With code z of D numbers, mean μ and variance σ², image x of values from 0 to 1 and its
    reconstruction y, it minimises

        Σ (x − y)² + β ½ Σ_d (μ_d² + σ_d² − 1 − log σ_d²)
    """

    def __init__(self, settings: Autoencoder, size: int) -> None:
        super().__init__()
        side = settings.image_size // 2 ** (len(FILTERS) - 1)
        self.beta = settings.beta
        self.noise = keras.random.SeedGenerator(0)
        convolution = {"kernel_size": 3, "strides": 2, "padding": "same", "activation": "relu"}
        self.encoder = keras.Sequential(
            [
                keras.Input((settings.image_size, settings.image_size, 3)),
                layers.Rescaling(1 / 255),
                *(layers.Conv2D(filters, **convolution) for filters in FILTERS[1:]),
                layers.Flatten(),
            ]
        )
        self.mean = layers.Dense(size, dtype="float32")
        self.log_variance = layers.Dense(size, dtype="float32", kernel_initializer="zeros")
        self.decoder = keras.Sequential(
            [
                keras.Input((size,)),
                layers.Dense(side * side * FILTERS[-1], activation="relu"),
                layers.Reshape((side, side, FILTERS[-1])),
                *(layers.Conv2DTranspose(filters, **convolution) for filters in FILTERS[-2::-1]),
                layers.Conv2D(3, 3, padding="same", activation="sigmoid", dtype="float32"),
            ]
        )
        self.build((None, settings.image_size, settings.image_size, 3))

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Build the layers that are not built with their input's shape known."""
        features = self.encoder.output_shape
        self.mean.build(features)
        self.log_variance.build(features)
        self.built = True

    def call(self, images: keras.KerasTensor, training: bool = False) -> keras.KerasTensor:
        """Return the embeddings, float32 (N, D), of images with values from 0 to 255."""
        features = self.encoder(images)
        mean = self.mean(features)
        if training:
            log_variance = self.log_variance(features)
            noise = keras.random.normal(ops.shape(mean), seed=self.noise)
            decoded = self.decoder(mean + ops.exp(0.5 * log_variance) * noise)
            apart = ops.sum((ops.cast(images, "float32") / 255 - decoded) ** 2, (1, 2, 3))
            spread = mean**2 + ops.exp(log_variance) - 1.0 - log_variance
            divergence = 0.5 * ops.sum(spread, 1)
            self.add_loss(ops.mean(apart + self.beta * divergence))
        return mean


def named_weights(model: keras.Model) -> dict[str, NDArray[np.generic]]:
    """Return a model's weights in its order, by names that are the same in every process."""
    return {
        f"{number:03d}/{weight.name}": np.asarray(ops.convert_to_numpy(weight))
        for number, weight in enumerate(model.weights)
    }

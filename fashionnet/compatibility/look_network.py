"""The complete-the-look network as it is trained; needs Keras.

The formulas are in `fashionnet.compatibility.look_model`.
"""

from dataclasses import dataclass
from typing import TypeAlias

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from fashionnet.compatibility.look_model import NETWORKS

Tensor: TypeAlias = keras.KerasTensor


@dataclass(frozen=True)
class LookShape:
    """Sizes of a network.

    Attributes:
        width: of pooled features, W.
        region_width: of those of regions, V.
        regions: how many a scene has, R.
        categories: how many there are.
        size: of embeddings.
        hidden: units of the hidden layer of each of NETWORKS.
        dropout: the share of hidden units that is left out while training.
    """

    width: int
    region_width: int
    regions: int
    categories: int
    size: int = 128
    hidden: tuple[int, int, int] = (512, 256, 128)
    dropout: float = 0.1


def attention_weights(points: Tensor, guide: Tensor, sign: int) -> Tensor:
    """Return softmax_i(sign |h_i - e|²): (B, R), of points (B, R, D) and guides (B, D)."""
    return ops.softmax(sign * ops.sum((points - guide[:, None, :]) ** 2, axis=2), axis=1)


def global_distance(scene: Tensor, product: Tensor) -> Tensor:
    """Return |f_s - f_p|²: (B,), of (B, D) each."""
    return ops.sum((scene - product) ** 2, axis=1)


def local_distance(regions: Tensor, attention: Tensor, product: Tensor) -> Tensor:
    """Return Σ_i a_i |f_i - f_p|²: (B,), of (B, R, D), (B, R) and (B, D)."""
    squares = ops.sum((regions - product[:, None, :]) ** 2, axis=2)
    return ops.sum(attention * squares, axis=1)


def hinge_triplet(right: Tensor, wrong: Tensor, margin: float) -> Tensor:
    """Return max(0, d(s, p+) - d(s, p-) + margin): (B,), of the distances (B,) each.

    Kang et al., 2019, (7); the seed's `compat_loss`.
    """
    return ops.relu(right - wrong + margin)


class LookNetwork:
    """The three small networks and the categories' embeddings, and what trains them.

    Attributes:
        model: from scene (B, W) and its regions (B, R, V), category (B,), right and wrong product
            (B, W) each, to the distances of both products, (B, 2).
    """

    def __init__(
        self,
        shape: LookShape,
        distance: str,
        sign: int,
        category_pictures: NDArray[np.float32] | None = None,
    ) -> None:
        """Build it; with the categories' average pictures, (C, V), these guide the attention."""
        self._shape = shape
        widths = (shape.width, shape.region_width, shape.region_width)
        self._networks = {
            name: _Network(name, shape, width, units)
            for name, width, units in zip(NETWORKS, widths, shape.hidden, strict=True)
        }
        self._pictures = category_pictures
        self._embedding: keras.layers.Embedding | None = None
        if category_pictures is None:
            self._embedding = keras.layers.Embedding(
                shape.categories, shape.size, "glorot_uniform", name="categories"
            )
        self.model = self._model(distance, sign)

    def _model(self, distance: str, sign: int) -> keras.Model:
        shape = self._shape
        scene = keras.Input((shape.width,), name="scene")
        seen = keras.Input((shape.regions, shape.region_width), name="regions")
        category = keras.Input((), dtype="int32", name="category")
        products = [keras.Input((shape.width,), name=name) for name in ("right", "wrong")]
        g, local, attention = (self._networks[name] for name in NETWORKS)
        embedded = [g(product) for product in products]
        distances = []
        if distance in ("global", "hybrid"):
            whole = g(scene)
            distances.append([global_distance(whole, product) for product in embedded])
        if distance in ("local", "hybrid"):
            weights = attention_weights(attention(seen), self._guide(category), sign)
            regions = local(seen)
            distances.append([local_distance(regions, weights, product) for product in embedded])
        pairs = [sum(parts) / len(parts) for parts in zip(*distances, strict=True)]
        return keras.Model([scene, seen, category, *products], ops.stack(pairs, axis=1))

    def _guide(self, category: Tensor) -> Tensor:
        if self._embedding is not None:
            return self._embedding(category)
        pictures = ops.convert_to_tensor(self._pictures)
        return self._networks["attention"](ops.take(pictures, category, axis=0))

    def weights(self) -> dict[str, NDArray[np.float32]]:
        """Return the weights as `LookModel` takes them, batch normalisation folded in."""
        weights: dict[str, NDArray[np.float32]] = {}
        for name, network in self._networks.items():
            gamma, beta, mean, variance = (np.asarray(w) for w in network.normal.get_weights())
            scale = gamma / np.sqrt(variance + network.normal.epsilon)
            kernel, bias = network.hidden.get_weights()
            weights[f"{name}/hidden/kernel"] = kernel * scale
            weights[f"{name}/hidden/bias"] = (bias - mean) * scale + beta
            kernel, bias = network.output.get_weights()
            weights[f"{name}/output/kernel"], weights[f"{name}/output/bias"] = kernel, bias
        if self._embedding is not None:
            if not self._embedding.built:
                self._embedding.build(None)
            (weights["categories"],) = self._embedding.get_weights()
        else:
            points = self._networks["attention"](ops.convert_to_tensor(self._pictures))
            weights["categories"] = ops.convert_to_numpy(points)
        return {name: np.asarray(array, np.float32) for name, array in weights.items()}


class _Network:
    """Two dense layers with batch normalisation, ReLU and dropout between, and unit length."""

    def __init__(self, name: str, shape: LookShape, width: int, units: int) -> None:
        self.hidden = keras.layers.Dense(units, name=f"{name}_hidden")
        self.normal = keras.layers.BatchNormalization(momentum=0.9, name=f"{name}_normal")
        # A row whose hidden units are all off must have a direction too: at 0 there is no gradient.
        self.output = keras.layers.Dense(
            shape.size,
            bias_initializer=keras.initializers.RandomNormal(stddev=0.05),
            name=f"{name}_output",
        )
        self._dropout = keras.layers.Dropout(shape.dropout, name=f"{name}_dropout")
        self._unit = keras.layers.UnitNormalization(axis=-1, name=f"{name}_unit")
        # A network that the distance does not use has weights all the same.
        self(keras.KerasTensor((None, width)))

    def __call__(self, points: Tensor) -> Tensor:
        """Embed points, (B, W) or (B, R, V), to (B, D) or (B, R, D)."""
        # Batch normalisation takes rows of one rank.
        rows = ops.reshape(points, (-1, points.shape[-1]))
        hidden = self._dropout(ops.relu(self.normal(self.hidden(rows))))
        embedded = self._unit(self.output(hidden))
        return ops.reshape(embedded, (-1, *points.shape[1:-1], embedded.shape[-1]))

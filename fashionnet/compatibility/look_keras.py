"""Networks of keras.applications as backbones of looks. Needs Keras."""

from collections.abc import Iterable, Iterator
from itertools import islice

import keras
import numpy as np

from fashionnet.compatibility.look_experiment import KerasNetwork
from fashionnet.compatibility.look_features import Seen, cells
from fashionnet.errors import RequestError
from fashionnet.network.applications import (
    application,
    nearest_name,
    preprocessed,
    weights_fingerprint,
)
from fashionnet.network.projection import unit_length
from fashionnet.photos import Image, resize

_BATCH = 16


class KerasBackbone:
    """A network of keras.applications; see `fashionnet.compatibility.look_features.Backbone`.

    Pooled features are the averages of its last feature map, regions the output of a layer that is
    named: of ResNet50 "conv4_block6_out", in Kang et al., 2019, and in the seed's tutorial.
    """

    precision = "f32"

    def __init__(self, settings: KerasNetwork) -> None:
        """Build it; RequestError for a network or a layer that is not there."""
        # Weights that are drawn must come out the same whenever the model is opened again.
        keras.utils.set_random_seed(0)
        body = application(settings.model, settings.weights, settings.image_size, "backbone.model")
        known = [layer.name for layer in body.layers if len(layer.output.shape) == 4]
        if settings.regions not in known:
            raise RequestError(
                f"backbone.regions is {settings.regions!r}: {settings.model} has no layer of this "
                f"name with a map of regions: did you mean {nearest_name(settings.regions, known)}?"
            )
        regions = body.get_layer(settings.regions).output
        pooled = keras.layers.GlobalAveragePooling2D()(body.output)
        self._side = settings.image_size
        image = keras.Input((self._side, self._side, 3))
        seen = keras.Model(body.inputs, [pooled, regions])
        self._network = keras.Model(image, seen(preprocessed(settings.model, image)))
        self.widths = (int(pooled.shape[-1]), int(regions.shape[-1]))
        self.fingerprint = weights_fingerprint(self._network, settings.model_dump())

    def run(self, images: Iterable[Image]) -> Iterator[Seen]:
        """Yield what is seen of each image, in order, reading a batch ahead."""
        resized = (resize(image, self._side, self._side) for image in images)
        while batch := list(islice(resized, _BATCH)):
            pooled, regions = self._network.predict_on_batch(np.stack(batch).astype(np.float32))
            for whole, layer in zip(pooled, regions, strict=True):
                yield unit_length(whole[None])[0], cells(layer)

"""Networks of keras.applications by name: their weights, what they take, what tells them apart."""

import difflib
import hashlib
import inspect
from collections.abc import Callable, Iterable
from types import ModuleType

import keras
import numpy as np
from keras import ops

from fashionnet.errors import RequestError
from fashionnet.network.trunk import (
    BLOCKS,
    convolutions,
    find_imagenet_weights,
    load_imagenet_weights,
)


def application(name: str, weights: str, image_size: int, where: str) -> keras.Model:
    """Return a network of keras.applications up to its last feature map.

    Args:
        name: such as "ResNet50".
        weights: "imagenet" or "random". Those of ImageNet are downloaded by keras.applications;
            for VGG16 see `find_imagenet_weights`.
        image_size: height and width in pixels of the images that it will be given.
        where: what the experiment calls the name, for messages.

    Raises RequestError for a name that is not known, an image size that the network cannot take,
    and weights that are not at hand.
    """
    build = _applications().get(name)
    if build is None:
        near = nearest_name(name, _applications())
        raise RequestError(
            f"{where} is {name!r}: keras.applications has no such network: did you mean {near}?"
        )
    shape = (image_size, image_size, 3)
    given = "imagenet" if weights == "imagenet" and name != "VGG16" else None
    # Before anything that is slow is built.
    vgg16 = weights == "imagenet" and name == "VGG16"
    arrays = load_imagenet_weights(find_imagenet_weights(None)) if vgg16 else {}
    try:
        model = build(weights=given, include_top=False, input_shape=shape)
    except ValueError as error:
        raise RequestError(f"{where} {name}: {_line(error)}") from error
    except Exception as error:
        raise RequestError(
            f"{where} {name}: its ImageNet weights are not on this machine and "
            f"could not be downloaded ({_line(error)}): fetch them where there is internet, or "
            "take VGG16, whose weights may be named, or random ones where an experiment names them"
        ) from error
    if arrays:
        for layer in (layer for block in BLOCKS for layer in convolutions(block)):
            model.get_layer(layer).set_weights([arrays[f"{layer}/kernel"], arrays[f"{layer}/bias"]])
    return model


def preprocessed(name: str, image: keras.KerasTensor) -> keras.KerasTensor:
    """Return what a network of keras.applications takes, of images with values from 0 to 255."""
    modules = [value for value in vars(keras.applications).values() if _is_home(value, name)]
    return modules[0].preprocess_input(ops.cast(image, "float32"))


def weights_fingerprint(model: keras.Model, about: object) -> str:
    """Return 16 hexadecimal digits that change with a network's weights and with `about`."""
    digest = hashlib.sha256(repr(about).encode())
    for array in model.get_weights():
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]


def nearest_name(name: str, known: Iterable[str]) -> str:
    """Return the known name that is most like one that is not."""
    return difflib.get_close_matches(name, list(known), 1, 0.0)[0]


def _applications() -> dict[str, Callable[..., keras.Model]]:
    return {
        name: value
        for name, value in vars(keras.applications).items()
        if callable(value) and "include_top" in inspect.signature(value).parameters
    }


def _is_home(value: object, name: str) -> bool:
    return (
        isinstance(value, ModuleType)
        and hasattr(value, name)
        and hasattr(value, "preprocess_input")
    )


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]

"""The seed's way to predict: four whole VGG16 networks, one an attribute, in Keras or ONNX Runtime.

Each is VGG16, its last 7×7×512 positions flattened, a dense layer of 512 with ReLU and a softmax
over one attribute's classes. For speed any weights do: the convolutions are those of the shipped
model, the dense layers are drawn. Both engines get the same ones, so that they must agree.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fashionnet.network.folder import Model
from fashionnet.network.heads import HIDDEN_UNITS
from fashionnet.network.quiet import quiet_import
from fashionnet.network.trunk import BLOCKS, IMAGE_SIZE, MEAN_RGB, Weights, convolutions

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

BATCH = 32
FLATTENED = (IMAGE_SIZE // 32) ** 2 * BLOCKS["block5"][-1]

Predict = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""From float32 (N, 224, 224, 3) images, prepared as VGG16 takes them, to float32 (N, classes)."""


def keras_networks(model: Model) -> list[Predict]:
    """Return the four networks as `keras.Model.predict` runs them."""
    with quiet_import():
        import keras
    networks: list[Predict] = []
    for weights, count in _four_weights(model):
        trunk = keras.applications.VGG16(
            weights=None, include_top=False, input_shape=(IMAGE_SIZE, IMAGE_SIZE, 3)
        )
        network = keras.Sequential(
            [
                trunk,
                keras.layers.Flatten(),
                keras.layers.Dense(HIDDEN_UNITS, activation="relu", name="hidden"),
                keras.layers.Dense(count, activation="softmax", name="softmax"),
            ]
        )
        for part, names in ((trunk, _convolution_names()), (network, ["hidden", "softmax"])):
            for name in names:
                part.get_layer(name).set_weights(
                    [weights[f"{name}/kernel"], weights[f"{name}/bias"]]
                )
        networks.append(partial(network.predict, batch_size=BATCH, verbose=0))
    return networks


def onnx_networks(model: Model) -> list[Predict]:
    """Return the four networks as ONNX Runtime runs them on all cores."""
    import onnxruntime

    networks: list[Predict] = []
    for weights, count in _four_weights(model):
        session = onnxruntime.InferenceSession(
            _onnx_model(weights, count), providers=["CPUExecutionProvider"]
        )
        networks.append(partial(_run_onnx, session))
    return networks


def _run_onnx(session: "InferenceSession", images: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(session.run(None, {"image": images})[0])


def predict_photos(networks: Sequence[Predict], photos: Sequence[Path]) -> NDArray[np.float32]:
    """Read photos and predict them, batch by batch; float32 (N, number of all classes)."""
    rows = [
        np.concatenate([predict(images) for predict in networks], axis=1)
        for images in _batches(photos)
    ]
    return np.concatenate(rows)


def _batches(photos: Sequence[Path]) -> Iterator[NDArray[np.float32]]:
    from PIL import Image

    for start in range(0, len(photos), BATCH):
        images = []
        for photo in photos[start : start + BATCH]:
            with Image.open(photo) as picture:
                resized = picture.convert("RGB").resize((IMAGE_SIZE, IMAGE_SIZE))
            images.append(np.asarray(resized, np.float32))
        yield np.ascontiguousarray((np.stack(images) - np.array(MEAN_RGB, np.float32))[..., ::-1])


def _convolution_names() -> list[str]:
    return [name for block in BLOCKS for name in convolutions(block)]


def _four_weights(model: Model) -> Iterator[tuple[Weights, int]]:
    """Yield the weights and the number of classes of each attribute's network."""
    random = np.random.default_rng(0)
    shared: Weights = {}
    for name in _convolution_names():
        for kind in ("kernel", "bias"):
            parts = ("trunk", model.branches[0].name)
            found = (model.weights.get(f"{part}/{name}/{kind}") for part in parts)
            shared[f"{name}/{kind}"] = next(array for array in found if array is not None)
    for attribute in model.schema:
        count = len(attribute.classes)
        shapes = {"hidden": (FLATTENED, HIDDEN_UNITS), "softmax": (HIDDEN_UNITS, count)}
        weights = dict(shared)
        for name, shape in shapes.items():
            kernel = random.standard_normal(shape, np.float32)
            weights[f"{name}/kernel"] = kernel * np.float32(0.1 / np.sqrt(shape[0]))
            weights[f"{name}/bias"] = np.zeros(shape[1], np.float32)
        yield weights, count


def _onnx_model(weights: Weights, count: int) -> bytes:
    from onnx import TensorProto, checker, helper, numpy_helper

    stored = [
        numpy_helper.from_array(
            np.ascontiguousarray(array.transpose(3, 2, 0, 1) if array.ndim == 4 else array), name
        )
        for name, array in weights.items()
    ]
    nodes: list[Any] = []

    def add(kind: str, inputs: list[str], **attributes: list[int]) -> str:
        output = f"node_{len(nodes)}"
        node = helper.make_node(kind, inputs, [output])
        node.attribute.extend(map(helper.make_attribute, attributes, attributes.values()))
        nodes.append(node)
        return output

    node = add("Transpose", ["image"], perm=[0, 3, 1, 2])
    for block in BLOCKS:
        for name in convolutions(block):
            filters = [node, f"{name}/kernel", f"{name}/bias"]
            node = add("Relu", [add("Conv", filters, kernel_shape=[3, 3], pads=[1, 1, 1, 1])])
        node = add("MaxPool", [node], kernel_shape=[2, 2], strides=[2, 2])
    # By position and then by filter, as Keras flattens them.
    node = add("Flatten", [add("Transpose", [node], perm=[0, 2, 3, 1])])
    node = add("Relu", [add("Gemm", [node, "hidden/kernel", "hidden/bias"])])
    node = add("Softmax", [add("Gemm", [node, "softmax/kernel", "softmax/bias"])])
    image = helper.make_tensor_value_info(
        "image", TensorProto.FLOAT, ["N", IMAGE_SIZE, IMAGE_SIZE, 3]
    )
    output = helper.make_tensor_value_info(node, TensorProto.FLOAT, ["N", count])
    graph = helper.make_graph(nodes, "vgg16", [image], [output], stored)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    checker.check_model(model)
    return model.SerializeToString()

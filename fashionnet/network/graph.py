"""The network as an OpenVINO graph, in float32, in bfloat16 or in 8 bits."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13 as ops

from fashionnet.network.folder import Model, eight_bits
from fashionnet.network.heads import GRID_COLUMNS, GRID_ROWS
from fashionnet.network.precision import eight_bit_activations, fast_precisions
from fashionnet.network.trunk import (
    IMAGE_SIZE,
    MEAN_RGB,
    POOLED_BLOCKS,
    Weights,
    blocks_before,
    blocks_from,
    convolutions,
)
from fashionnet.photos import Image, resize

Node: TypeAlias = ov.Node | ov.Output

IMAGES_IN_FLIGHT = 4


class CompiledGraph:
    """An OpenVINO graph from one image to some arrays, run on every core.

    Each image is predicted on its own, so its result does not depend on its neighbours.

    Attributes:
        precision: what it computes in, one of `fashionnet.network.precision.PRECISIONS`.
        compiled: OpenVINO's own model, which knows what each layer is executed in.
    """

    def __init__(self, image: Node, outputs: Sequence[Node], precision: str) -> None:
        self.precision = precision
        # Beside the layers of 8 bits stand some of floating point.
        floats = "bf16" if precision != "f32" and "bf16" in fast_precisions() else "f32"
        self.compiled = ov.Core().compile_model(
            ov.Model(list(outputs), [image]),
            "CPU",
            {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": floats},
        )
        self._count = len(outputs)

    def run(self, images: Iterable[Image]) -> Iterator[list[NDArray[np.float32]]]:
        """Yield each image's outputs, in order, reading only a few images ahead."""
        idle = [self.compiled.create_infer_request() for _ in range(IMAGES_IN_FLIGHT)]
        busy: deque[ov.InferRequest] = deque()

        def finish() -> list[NDArray[np.float32]]:
            request = busy.popleft()
            request.wait()
            idle.append(request)
            return [request.get_output_tensor(i).data[0].copy() for i in range(self._count)]

        for image in images:
            if not idle:
                yield finish()
            request = idle.pop()
            request.start_async({0: resize(image, IMAGE_SIZE, IMAGE_SIZE)[None]})
            busy.append(request)
        while busy:
            yield finish()


def network_graph(model: Model, precision: str, largest: Mapping[str, float]) -> CompiledGraph:
    """Compile a whole network.

    Its outputs for an image are each head's probabilities, in the order of `model.heads`, and its
    summary (SUMMARY_SIZE,). `largest` is that of a `Calibration`; only 8 bits need it.
    """
    layers = Layers(model.weights, largest if precision == "int8" else {})
    image, outputs = layers.network(model)
    return CompiledGraph(image, outputs, precision)


def measuring_graph(model: Model) -> CompiledGraph:
    """Compile a network in float32 that also gives its largest activations.

    They follow the outputs of `network_graph`, one number for each of `eight_bit_activations`.
    """
    layers = Layers(model.weights, {})
    image, outputs = layers.network(model)
    maxima = [
        ops.reduce_max(layers.activations[name], ops.constant([1, 2, 3]))
        for name in eight_bit_activations(model)
    ]
    return CompiledGraph(image, [*outputs, *maxima], "f32")


def frozen_graph(weights: Weights, first_block: str) -> CompiledGraph:
    """Compile what stays frozen when training starts at a block.

    Its outputs for an image are the input of that block (H×W×C) and the pooled output of the
    whole trunk, both float32. It computes in the fastest precision of floating point.
    """
    image, rows, blocks = _cut(weights, first_block)
    precision = next(name for name in fast_precisions() if name != "int8")
    return CompiledGraph(image, [rows, _pooled(blocks)], precision)


def summary_graph(weights: Weights, first_block: str) -> CompiledGraph:
    """Compile what `frozen_graph` does, with the summary in the place of the pooled output."""
    image, rows, blocks = _cut(weights, first_block)
    precision = next(name for name in fast_precisions() if name != "int8")
    return CompiledGraph(image, [rows, _summary(blocks)], precision)


def _cut(weights: Weights, first_block: str) -> tuple[Node, Node, list[Node]]:
    """Return the nodes of the image, of a block's input (H×W×C), and of it and all blocks."""
    layers = Layers({f"trunk/{name}": array for name, array in weights.items()}, {})
    image, normal = image_input()
    below = layers.blocks(normal, "trunk", blocks_before(first_block))
    rows = ops.transpose(below[-1], ops.constant([0, 2, 3, 1]))
    return image, rows, [*below, *layers.blocks(below[-1], "trunk", blocks_from(first_block))[1:]]


class Layers:
    """Layers of a network; where `largest` says how far activations reach, in 8 bits.

    A layer is executed in 8 bits where OpenVINO finds its input rounded to 256 levels and its
    weights as 8-bit whole numbers with a scale for each output. Activations follow a ReLU, so
    that their levels start at 0: level n of activations up to m stands for n · m / 255. The
    weights are those of the model folder, which are 8-bit as they lie on disk.

    Attributes:
        activations: the output of each convolution, after the ReLU.
    """

    def __init__(self, weights: Weights, largest: Mapping[str, float]) -> None:
        self.activations: dict[str, Node] = {}
        self._weights, self._largest = weights, largest

    def network(self, model: Model) -> tuple[Node, list[Node]]:
        """Return the image's node, and those of all heads' probabilities and the summary."""
        image, normal = image_input()
        outputs: dict[str, Node] = {}
        trunk, done = [normal], 0
        summary: Node | None = None
        for branch in sorted(model.branches, key=lambda branch: branch.first_block):
            shared = blocks_before(branch.first_block)
            trunk += self.blocks(trunk[-1], "trunk", shared[done:])[1:]
            done = len(shared)
            top = self.blocks(trunk[-1], branch.name, blocks_from(branch.first_block))
            pooled = _pooled(top)
            if branch == model.branches[0]:
                summary = _summary([*trunk[: len(shared) + 1], *top[1:]])
            for head in branch.heads:
                outputs[head] = self.head(pooled, head, model.temperatures[head])
        assert summary is not None
        return image, [*(outputs[head] for head in model.heads), summary]

    def blocks(self, node: Node, part: str, blocks: Iterable[str]) -> list[Node]:
        """Return the node itself and what each block makes of it in turn."""
        nodes = [node]
        for block in blocks:
            for layer in convolutions(block):
                node = self.convolution(node, f"{part}/{layer}")
            node = ops.max_pool(node, [2, 2], [1, 1], [0, 0], [0, 0], [2, 2]).output(0)
            nodes.append(node)
        return nodes

    def convolution(self, node: Node, name: str) -> Node:
        """Return what a layer makes of a node, after its ReLU."""
        bias = self._weights[f"{name}/bias"].astype(np.float32).reshape(1, -1, 1, 1)
        node = ops.convolution(node, self._filters(name), [1, 1], [1, 1], [1, 1], [1, 1])
        node = ops.relu(ops.add(node, ops.constant(bias)))
        self.activations[name] = node
        if name in self._largest:
            node = _rounded_to_levels(node, self._largest[name])
        return node

    def _filters(self, name: str) -> Node:
        kernel = self._weights[f"{name}/kernel"].astype(np.float32)
        # What the first convolution takes is no activation: it has no levels.
        if not self._largest or name.endswith("/block1_conv1"):
            return ops.constant(np.ascontiguousarray(kernel.transpose(3, 2, 0, 1)))
        whole, scale = eight_bits(kernel)
        stored = ops.constant(np.ascontiguousarray(whole.transpose(3, 2, 0, 1)))
        return ops.multiply(ops.convert(stored, "f32"), ops.constant(scale.reshape(-1, 1, 1, 1)))

    def head(self, node: Node, head: str, temperature: float) -> Node:
        """Return a head's probabilities."""
        for layer in ("hidden", "softmax"):
            kernel = self._weights[f"{head}/{layer}/kernel"].astype(np.float32)
            bias = self._weights[f"{head}/{layer}/bias"].astype(np.float32)
            if layer == "softmax":
                kernel, bias = kernel / temperature, bias / temperature
            product = ops.matmul(node, ops.constant(kernel), False, False)
            node = ops.add(product, ops.constant(bias[None]))
            if layer == "hidden":
                node = ops.relu(node)
        return ops.softmax(node, 1)


def _rounded_to_levels(node: Node, largest: float) -> Node:
    low, high = (ops.constant(np.float32(value)) for value in (0, largest))
    return ops.fake_quantize(node, low, high, low, high, 256)


def image_input() -> tuple[Node, Node]:
    """Return the node of an image, and what the first convolution takes of it."""
    image = ops.parameter([1, IMAGE_SIZE, IMAGE_SIZE, 3], np.uint8)
    mean = ops.constant(np.array(MEAN_RGB, np.float32).reshape(1, 1, 1, 3))
    centred = ops.subtract(ops.convert(image, "f32"), mean)
    # The published weights were trained on blue, green, red.
    swapped = ops.gather(centred, ops.constant([2, 1, 0]), ops.constant(3))
    return image, ops.transpose(swapped, ops.constant([0, 3, 1, 2]))


def _average(node: Node) -> Node:
    return ops.reduce_mean(node, ops.constant([2, 3]))


def _maximum(node: Node) -> Node:
    return ops.reduce_max(node, ops.constant([2, 3]))


def _pooled(blocks: Sequence[Node]) -> Node:
    previous, last = blocks[-2:]
    cells = ops.adaptive_avg_pool(last, ops.constant([GRID_ROWS, GRID_COLUMNS]))
    # By cell and then by filter, as Keras concatenates them.
    by_cell = ops.transpose(cells, ops.constant([0, 2, 3, 1]))
    grid = ops.reshape(by_cell, ops.constant([1, -1]), False)
    return ops.concat([*_whole([last, previous]), grid], 1)


def _summary(blocks: Sequence[Node]) -> Node:
    """Return the summary, of the nodes of all blocks."""
    return ops.concat(_whole(blocks[: -len(POOLED_BLOCKS) - 1 : -1]), 1)


def _whole(nodes: Iterable[Node]) -> list[Node]:
    return [pool(node) for node in nodes for pool in (_average, _maximum)]

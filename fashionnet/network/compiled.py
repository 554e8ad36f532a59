"""The trained network as a compiled graph: what every prediction runs on, without Keras."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13 as ops

from fashionnet.network.folder import Model
from fashionnet.network.heads import GRID_COLUMNS, GRID_ROWS
from fashionnet.network.trunk import (
    IMAGE_SIZE,
    MEAN_RGB,
    Weights,
    blocks_before,
    blocks_from,
    convolutions,
)
from fashionnet.photos import Image, resize
from fashionnet.schema import RELEVANCE
from fashionnet.vectors import FashionVectors

Node: TypeAlias = ov.Node | ov.Output

IMAGES_IN_FLIGHT = 4


class CompiledGraph:
    """An OpenVINO graph from one image to some arrays, run on every core.

    Each image is predicted on its own, so its result does not depend on its neighbours.

    Attributes:
        precision: what it computes in, `bf16` or `f32`.
    """

    def __init__(self, image: Node, outputs: Sequence[Node]) -> None:
        core = ov.Core()
        # bfloat16 halves the time where the processor has it; elsewhere it is emulated, slowly.
        fast = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        self.precision = "bf16" if fast else "f32"
        self._compiled = core.compile_model(
            ov.Model(list(outputs), [image]),
            "CPU",
            {
                "PERFORMANCE_HINT": "THROUGHPUT",
                "INFERENCE_PRECISION_HINT": self.precision,
            },
        )
        self._count = len(outputs)

    def run(self, images: Iterable[Image]) -> Iterator[list[NDArray[np.float32]]]:
        """Yield each image's outputs, in order, reading only a few images ahead."""
        idle = [self._compiled.create_infer_request() for _ in range(IMAGES_IN_FLIGHT)]
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


class CompiledNetwork:
    """A trained model, ready to describe photos.

    >>> network = CompiledNetwork.open()
    >>> network.schema.names
    ('pattern', 'fabric', 'style', 'shape')
    """

    def __init__(self, model: Model) -> None:
        self.schema = model.schema
        self.fingerprint = model.fingerprint
        self._heads = model.heads
        image, probabilities, embedding = _network_graph(model)
        self.embedding_size = int(embedding.get_output_shape(0)[1])
        self._graph = CompiledGraph(image, [*probabilities, embedding])

    @classmethod
    def open(cls, folder: Path | None = None) -> "CompiledNetwork":
        """Load a model folder, or the model that ships with FashionNet, and compile it."""
        return cls(Model.load(folder))

    def describe(self, images: Iterable[Image]) -> FashionVectors:
        """Return the Fashion Vectors of RGB images of any size, one row each."""
        rows = list(self._graph.run(images))
        if not rows:
            return FashionVectors.empty(self.schema, self.embedding_size)
        *probabilities, embeddings = (np.stack(column) for column in zip(*rows, strict=True))
        by_head = dict(zip(self._heads, probabilities, strict=True))
        relevance = by_head[RELEVANCE][:, 1] if RELEVANCE in by_head else np.ones(len(rows), "f4")
        return FashionVectors(
            self.schema,
            np.concatenate([by_head[name] for name in self.schema.names], axis=1),
            relevance,
            embeddings,
        )


def frozen_graph(weights: Weights, first_block: str) -> CompiledGraph:
    """Compile what stays frozen when training starts at a block.

    Its outputs for an image are the input of that block (H×W×C) and the pooled output of the
    whole trunk, both float32.
    """
    named = {f"trunk/{name}": array for name, array in weights.items()}
    image, normal = _image_input()
    below = _blocks(normal, named, "trunk", blocks_before(first_block))
    rows = ops.transpose(below[-1], ops.constant([0, 2, 3, 1]))
    above = _blocks(below[-1], named, "trunk", blocks_from(first_block))
    return CompiledGraph(image, [rows, _pooled(above)])


def _network_graph(model: Model) -> tuple[Node, list[Node], Node]:
    image, normal = _image_input()
    outputs: dict[str, Node] = {}
    trunk, done = [normal], 0
    embedding: Node | None = None
    for branch in sorted(model.branches, key=lambda branch: branch.first_block):
        shared = blocks_before(branch.first_block)
        trunk += _blocks(trunk[-1], model.weights, "trunk", shared[done:])[1:]
        done = len(shared)
        top = _blocks(trunk[-1], model.weights, branch.name, blocks_from(branch.first_block))
        pooled = _pooled(top)
        if branch == model.branches[0]:
            embedding = ops.normalize_l2(_average(top[-1]), ops.constant([1]), 1e-12, "max")
        for head in branch.heads:
            outputs[head] = _head(pooled, model.weights, head, model.temperatures[head])
    assert embedding is not None
    return image, [outputs[head] for head in model.heads], embedding


def _image_input() -> tuple[Node, Node]:
    image = ops.parameter([1, IMAGE_SIZE, IMAGE_SIZE, 3], np.uint8)
    mean = ops.constant(np.array(MEAN_RGB, np.float32).reshape(1, 1, 1, 3))
    centred = ops.subtract(ops.convert(image, "f32"), mean)
    # The published weights were trained on blue, green, red.
    swapped = ops.gather(centred, ops.constant([2, 1, 0]), ops.constant(3))
    return image, ops.transpose(swapped, ops.constant([0, 3, 1, 2]))


def _blocks(node: Node, weights: Weights, part: str, blocks: Iterable[str]) -> list[Node]:
    """Return the node itself and what each block makes of it in turn."""
    nodes = [node]
    for block in blocks:
        for name in convolutions(block):
            kernel = weights[f"{part}/{name}/kernel"].astype(np.float32).transpose(3, 2, 0, 1)
            bias = weights[f"{part}/{name}/bias"].astype(np.float32).reshape(1, -1, 1, 1)
            filters = ops.constant(np.ascontiguousarray(kernel))
            node = ops.convolution(node, filters, [1, 1], [1, 1], [1, 1], [1, 1])
            node = ops.relu(ops.add(node, ops.constant(bias)))
        node = ops.max_pool(node, [2, 2], [1, 1], [0, 0], [0, 0], [2, 2]).output(0)
        nodes.append(node)
    return nodes


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
    whole = [pool(node) for node in (last, previous) for pool in (_average, _maximum)]
    return ops.concat([*whole, grid], 1)


def _head(node: Node, weights: Weights, head: str, temperature: float) -> Node:
    for layer in ("hidden", "softmax"):
        kernel = weights[f"{head}/{layer}/kernel"].astype(np.float32)
        bias = weights[f"{head}/{layer}/bias"].astype(np.float32)
        if layer == "softmax":
            kernel, bias = kernel / temperature, bias / temperature
        product = ops.matmul(node, ops.constant(kernel), False, False)
        node = ops.add(product, ops.constant(bias[None]))
        if layer == "hidden":
            node = ops.relu(node)
    return ops.softmax(node, 1)

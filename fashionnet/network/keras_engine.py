"""Prediction by Keras itself, for machines that OpenVINO is not made for: the same, but slower."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fashionnet.errors import RequestError
from fashionnet.network.folder import Model
from fashionnet.network.heads import grid_cells
from fashionnet.network.quiet import quiet_import
from fashionnet.network.trunk import (
    IMAGE_SIZE,
    MEAN_RGB,
    POOLED_BLOCKS,
    blocks_before,
    blocks_from,
    convolutions,
)
from fashionnet.photos import Image, resize

if TYPE_CHECKING:
    import keras

    Tensor: TypeAlias = keras.KerasTensor


class KerasEngine:
    """What `fashionnet.network.graph.network_graph` computes, in float32 and image by image."""

    def __init__(self, model: Model) -> None:
        try:
            with quiet_import():
                import keras
        except ImportError as error:
            raise RequestError(
                "neither OpenVINO nor Keras is installed: pip install -r requirements.txt"
            ) from error
        self._ops = keras.ops
        self._model = model
        self._weights = {
            name: keras.ops.convert_to_tensor(array.astype(np.float32))
            for name, array in model.weights.items()
        }

    def run(self, images: Iterable[Image]) -> Iterator[list[NDArray[np.float32]]]:
        """Yield each image's probabilities, head by head, and its summary."""
        for image in images:
            pixels = resize(image, IMAGE_SIZE, IMAGE_SIZE)[None].astype(np.float32)
            centred = (pixels - np.array(MEAN_RGB, np.float32))[..., ::-1]
            outputs = self._outputs(self._ops.convert_to_tensor(np.ascontiguousarray(centred)))
            yield [self._ops.convert_to_numpy(output)[0] for output in outputs]

    def _outputs(self, image: "Tensor") -> "list[Tensor]":
        outputs: dict[str, Tensor] = {}
        summary: list[Tensor] = []
        trunk, done = [image], 0
        branches = self._model.branches
        for branch in sorted(branches, key=lambda branch: branch.first_block):
            shared = blocks_before(branch.first_block)
            trunk += self._blocks(trunk[-1], "trunk", shared[done:])[1:]
            done = len(shared)
            top = self._blocks(trunk[-1], branch.name, blocks_from(branch.first_block))
            pooled = self._pooled(top)
            if branch == branches[0]:
                blocks = [*trunk[: len(shared) + 1], *top[1:]]
                summary = self._whole(blocks[: -len(POOLED_BLOCKS) - 1 : -1])
            for head in branch.heads:
                outputs[head] = self._head(pooled, head)
        return [*(outputs[head] for head in self._model.heads), self._ops.concatenate(summary, 1)]

    def _blocks(self, node: "Tensor", part: str, blocks: Iterable[str]) -> "list[Tensor]":
        """Return the node itself and what each block makes of it in turn."""
        nodes = [node]
        for block in blocks:
            for layer in convolutions(block):
                kernel, bias = self._kernel_and_bias(f"{part}/{layer}")
                node = self._ops.relu(self._ops.conv(node, kernel, padding="same") + bias)
            node = self._ops.max_pool(node, 2, 2)
            nodes.append(node)
        return nodes

    def _pooled(self, blocks: "list[Tensor]") -> "Tensor":
        previous, last = blocks[-2:]
        grid = [
            self._ops.mean(last[:, rows, columns], axis=(1, 2))
            for rows, columns in grid_cells(last.shape[1])
        ]
        return self._ops.concatenate([*self._whole([last, previous]), *grid], axis=1)

    def _whole(self, nodes: "Iterable[Tensor]") -> "list[Tensor]":
        pools = (self._ops.mean, self._ops.max)
        return [pool(node, axis=(1, 2)) for node in nodes for pool in pools]

    def _head(self, node: "Tensor", head: str) -> "Tensor":
        kernel, bias = self._kernel_and_bias(f"{head}/hidden")
        node = self._ops.relu(self._ops.matmul(node, kernel) + bias)
        kernel, bias = self._kernel_and_bias(f"{head}/softmax")
        logits = self._ops.matmul(node, kernel) + bias
        return self._ops.softmax(logits / self._model.temperatures[head])

    def _kernel_and_bias(self, name: str) -> "tuple[Tensor, Tensor]":
        return self._weights[f"{name}/kernel"], self._weights[f"{name}/bias"]

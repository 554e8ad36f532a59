"""A trained model on disk: schema, branches, temperatures and weights; no code in any of them."""

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import safetensors
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from fashionnet.errors import RequestError
from fashionnet.network import projection
from fashionnet.network.projection import PROJECTION_FILE, Projection, unit_length
from fashionnet.network.trunk import (
    BLOCKS,
    POOLED_LAYERS,
    Weights,
    blocks_before,
    blocks_from,
    convolutions,
)
from fashionnet.schema import RELEVANCE, Schema

DEFAULT_MODEL = Path(__file__).parents[1] / "models" / "default"
FORMAT = 1
MODEL_FILE = "model.json"
WEIGHTS_FILE = "weights.safetensors"
_SCALE = "/scale"

SAME_PICTURE = 0.98
"""Cosine from which two embeddings without a projection are of one picture that was saved again.

benchmarks/same_picture.py measures it.
"""

EMBEDDING_SIZE = list(BLOCKS.values())[-1][-1]
"""Width of an embedding without a projection: one number for each filter of the last layer."""


@dataclass(frozen=True)
class Branch:
    """A trained copy of the trunk's blocks from `first_block` on, and the heads that end it."""

    name: str
    first_block: str
    heads: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Model:
    """A network's schema and weights, as they lie in a model folder.

    Attributes:
        schema: the attributes that have a head.
        branches: each copies the trunk from some block on; every head ends one of them.
        temperatures: what each head's logits are divided by before the softmax.
        weights: float32 arrays, `trunk/block1_conv1/kernel`, `<branch>/block5_conv1/kernel`,
            `<head>/hidden/kernel`, `<head>/softmax/bias`, ... On disk kernels are 8-bit whole
            numbers with a scale for each output, biases float32.
        projection: what makes the embedding of a photo's summary; without one the embedding is the
            average of the last block, the first `EMBEDDING_SIZE` numbers of the summary.
    """

    schema: Schema
    branches: tuple[Branch, ...]
    temperatures: Mapping[str, float]
    weights: Weights
    projection: Projection | None = None

    @property
    def heads(self) -> list[str]:
        """Names of all heads: the schema's attributes, and `relevant` where it was trained."""
        return [head for branch in self.branches for head in branch.heads]

    def class_count(self, head: str) -> int:
        """Width of a head's softmax."""
        return 2 if head == RELEVANCE else len(self.schema[head].classes)

    @property
    def embedding_size(self) -> int:
        """Width of the embeddings."""
        return self.projection.size if self.projection else EMBEDDING_SIZE

    @property
    def same_picture(self) -> float:
        """Cosine from which two embeddings are of one picture that was saved again."""
        return projection.SAME_PICTURE if self.projection else SAME_PICTURE

    def embeddings(self, summaries: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return float32 (N, E) of unit length, of summaries (N, SUMMARY_SIZE)."""
        if self.projection:
            return self.projection(summaries)
        return unit_length(summaries[:, :EMBEDDING_SIZE])

    @cached_property
    def shared_blocks(self) -> list[str]:
        """Blocks of the frozen trunk that some branch builds on."""
        longest = max((branch.first_block for branch in self.branches), key=list(BLOCKS).index)
        return blocks_before(longest)

    @cached_property
    def fingerprint(self) -> str:
        """Return 16 hexadecimal digits that change with the schema or any weight."""
        digest = hashlib.sha256(self.schema.fingerprint.encode())
        for head in sorted(self.heads):
            digest.update(f"{head}={self.temperatures[head]:.6f};".encode())
        for branch in self.branches:
            digest.update(f"{branch.name}:{branch.first_block}:{branch.heads};".encode())
        for name in sorted(self.weights):
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(self.weights[name], np.float32).data)
        if self.projection:
            for array in (self.projection.mean, self.projection.kernel):
                digest.update(np.ascontiguousarray(array, np.float32).data)
        return digest.hexdigest()[:16]

    @classmethod
    def load(cls, folder: Path | None = None) -> "Model":
        """Read a model folder; without one, the model that ships with FashionNet."""
        folder = folder or DEFAULT_MODEL
        try:
            document = json.loads((folder / MODEL_FILE).read_text(encoding="utf-8"))
            if document["format"] != FORMAT:
                raise ValueError(f"format {document['format']!r}, expected {FORMAT}")
            model = cls(
                Schema.from_mapping(document["schema"]),
                tuple(
                    Branch(branch["name"], branch["first_block"], tuple(branch["heads"]))
                    for branch in document["branches"]
                ),
                {head: float(value) for head, value in document["temperatures"].items()},
                _dequantised(load_file(folder / WEIGHTS_FILE)),
                Projection.load(folder),
            )
            model._check()
        except FileNotFoundError as error:
            missing = Path(error.filename or WEIGHTS_FILE).name
            raise RequestError(
                f"model {folder}: {missing} is missing; expected a folder that train_heads.py wrote"
            ) from error
        except OSError as error:
            raise RequestError(f"model {folder}: {error.strerror or error}") from error
        except (
            ValueError,
            KeyError,
            TypeError,
            AttributeError,
            RequestError,
            safetensors.SafetensorError,
        ) as error:
            raise RequestError(
                f"model {folder}: damaged ({error!s}); train or copy it again"
            ) from error
        return model

    def _check(self) -> None:
        expected = self._shapes()
        found = {name: array.shape for name, array in self.weights.items()}
        for name in sorted(expected.keys() ^ found.keys()):
            raise ValueError(f"weight {name} is {'missing' if name in expected else 'unknown'}")
        for name, shape in expected.items():
            if found[name] != shape:
                raise ValueError(f"weight {name} is {found[name]}, expected {shape}")
        if set(self.heads) - {RELEVANCE} != set(self.schema.names):
            raise ValueError("heads and schema name different attributes")
        if len(set(self.heads)) < len(self.heads):
            raise ValueError("a head ends two branches")
        if not all(0.01 < self.temperatures[head] < 100 for head in self.heads):
            raise ValueError("a temperature is out of bounds")

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        from fashionnet.network.heads import head_shapes

        parts = [("trunk", self.shared_blocks)]
        parts += [(branch.name, blocks_from(branch.first_block)) for branch in self.branches]
        shapes: dict[str, tuple[int, ...]] = {}
        for part, blocks in parts:
            for block in blocks:
                before = convolutions(blocks_before(block)[-1])[-1] if blocks_before(block) else ""
                inputs = self._width(part, before) if before else 3
                for name in convolutions(block):
                    outputs = self._width(part, name)
                    shapes[f"{part}/{name}/kernel"] = (3, 3, inputs, outputs)
                    shapes[f"{part}/{name}/bias"] = (outputs,)
                    inputs = outputs
        for head in self.heads:
            shapes |= head_shapes(head, self.class_count(head))
        return shapes

    def _width(self, part: str, layer: str) -> int:
        """Return a layer's number of filters; one that was pruned has fewer than VGG16's."""
        block, _, number = layer.partition("_conv")
        most = BLOCKS[block][int(number) - 1]
        bias = self.weights.get(f"{part}/{layer}/bias", self.weights.get(f"trunk/{layer}/bias"))
        if bias is None or layer in POOLED_LAYERS or not 0 < bias.size < most:
            return most
        return bias.size

    def save(self, folder: Path) -> None:
        """Write model.json and the weights into an existing folder."""
        document = {
            "format": FORMAT,
            "fingerprint": self.fingerprint,
            "schema": self.schema.to_mapping(),
            "branches": [
                {
                    "name": branch.name,
                    "first_block": branch.first_block,
                    "heads": list(branch.heads),
                }
                for branch in self.branches
            ],
            "temperatures": dict(self.temperatures),
        }
        save_file(_quantised(self.weights), folder / WEIGHTS_FILE)
        # That of a model that lay here before is not this one's.
        (folder / PROJECTION_FILE).unlink(missing_ok=True)
        if self.projection:
            self.projection.save(folder)
        text = json.dumps(document, indent=2, ensure_ascii=False)
        (folder / MODEL_FILE).write_text(text + "\n", encoding="utf-8")
        # safetensors writes files that nobody else may read.
        shutil.copymode(folder / MODEL_FILE, folder / WEIGHTS_FILE)


def rounded(weights: Weights) -> Weights:
    """Return weights as they come back from disk, so that what is measured is what is kept."""
    return _dequantised(_quantised(weights))


def _quantised(weights: Weights) -> dict[str, NDArray[np.generic]]:
    stored: dict[str, NDArray[np.generic]] = {}
    for name, array in weights.items():
        if name.endswith("/kernel"):
            stored[name], stored[f"{name}{_SCALE}"] = eight_bits(array)
        else:
            stored[name] = array.astype(np.float32)
    return stored


def eight_bits(kernel: NDArray[np.floating]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Return a kernel k as round(k / s) in 8 bits, and s = max|k| / 127 of each of its outputs.

    A kernel that was 8-bit before gives the same whole numbers and scales again.
    """
    largest = np.abs(kernel).max(axis=tuple(range(kernel.ndim - 1)))
    # Twelve bits of the scale suffice, and 127 · s is then exact.
    fraction, exponent = np.frexp(np.maximum(largest, 1e-12) / 127)
    scale = np.ldexp(np.ceil(fraction * 4096) / 4096, exponent).astype(np.float32)
    return np.rint(kernel / scale).astype(np.int8), scale


def _dequantised(stored: Mapping[str, NDArray[np.generic]]) -> Weights:
    weights: Weights = {}
    for name, array in stored.items():
        if name.endswith("/kernel"):
            weights[name] = array.astype(np.float32) * stored[f"{name}{_SCALE}"].astype(np.float32)
        elif not name.endswith(_SCALE):
            weights[name] = array.astype(np.float32)
    return weights


def replace_folder(new: Path, target: Path) -> None:
    """Put a finished folder in the place of another.

    A kill between the two renames leaves the old one beside it, as `.<name>.old`, from where
    `restore_folder` fetches it.
    """
    if target.exists():
        old = target.with_name(f".{target.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        target.rename(old)
        new.rename(target)
        shutil.rmtree(old, ignore_errors=True)
    else:
        new.rename(target)


def restore_folder(target: Path) -> None:
    """Bring back a folder that `replace_folder` was killed while replacing."""
    old = target.with_name(f".{target.name}.old")
    if old.exists() and not target.exists():
        old.rename(target)

"""What the backbone sees in a picture: computed once, kept on disk for every later run.

Of a picture are kept its pooled features, of unit length; and the output of a layer below, averaged
over a grid of REGIONS×REGIONS. The backbone is VGG16's convolutions as a model folder holds them:
the pooled features are then the embedding that a repository holds of its items, and the layer below
is the block before the last. Or it is a network of keras.applications
(`fashionnet.compatibility.look_keras`), which needs Keras wherever a picture is seen.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fashionnet.compatibility.look_experiment import KerasNetwork
from fashionnet.compatibility.look_model import Features
from fashionnet.compatibility.look_pairs import Picture
from fashionnet.errors import RequestError
from fashionnet.network.folder import Model
from fashionnet.network.precision import has_openvino
from fashionnet.network.quiet import quiet_import
from fashionnet.network.trunk import BLOCKS, Weights, blocks_from
from fashionnet.photos import Image, UnreadablePhotoError, read_ahead

REGIONS = 7
WIDTH = 512
_LAST = list(BLOCKS)[-1]

Seen = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Of one picture the pooled features (W,) and its regions' (REGIONS², V).

Regions come row by row, from the upper left.
"""


class Backbone(Protocol):
    """What gives the features.

    Attributes:
        fingerprint: changes with all that is computed.
        precision: what it computes in.
        widths: W and V.
    """

    fingerprint: str
    precision: str
    widths: tuple[int, int]

    def run(self, images: Iterable[Image]) -> Iterator[Seen]:
        """Yield what is seen of each image, in order."""
        ...


def open_backbone(network: KerasNetwork | None, folder: Path | None = None) -> Backbone:
    """Open a network of keras.applications or, without one, a model folder's convolutions.

    Without a folder these are those of the model that ships with FashionNet.
    """
    if network is None:
        return ModelBackbone.open(folder)
    with quiet_import():
        from fashionnet.compatibility.look_keras import KerasBackbone

    return KerasBackbone(network)


class ModelBackbone:
    """A model's convolutions, compiled; see `Backbone` for its attributes."""

    def __init__(self, model: Model) -> None:
        if not has_openvino():
            raise RequestError("looks need OpenVINO: pip install -r requirements.txt")
        from fashionnet.network.graph import summary_graph

        self.fingerprint, self._embeddings = model.fingerprint, model.embeddings
        self.widths = (model.embedding_size, WIDTH)
        self._graph = summary_graph(convolutions_of(model), _LAST)
        self.precision = self._graph.precision

    @classmethod
    def open(cls, folder: Path | None = None) -> "ModelBackbone":
        """Compile a model folder's, or that of the model that ships with FashionNet."""
        return cls(Model.load(folder))

    def run(self, images: Iterable[Image]) -> Iterator[Seen]:
        """Yield what is seen of each image, in order."""
        for cut, summary in self._graph.run(images):
            yield self._embeddings(summary[None])[0], cells(cut)


def cells(layer: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a layer's output (H, W, V) averaged over REGIONS×REGIONS cells: (REGIONS², V).

    Where a side is no multiple of REGIONS, cells overlap: cell i is of the rows from
    ⌊iH / REGIONS⌋ up to ⌈(i + 1)H / REGIONS⌉.
    """
    rows, columns = (_averaging(side) for side in layer.shape[:2])
    return np.einsum("ih,hwv,jw->ijv", rows, layer, columns, optimize=True).reshape(
        -1, layer.shape[2]
    )


def _averaging(side: int) -> NDArray[np.float32]:
    weights = np.zeros((REGIONS, side), np.float32)
    for cell in range(REGIONS):
        start, end = cell * side // REGIONS, -(-(cell + 1) * side // REGIONS)
        weights[cell, start:end] = 1 / (end - start)
    return weights


def convolutions_of(model: Model) -> Weights:
    """Return the convolutions of all blocks, those of the first branch where it has its own."""
    branch = model.branches[0]
    weights: Weights = {}
    for block in BLOCKS:
        part = branch.name if block in blocks_from(branch.first_block) else "trunk"
        prefix = f"{part}/{block}_"
        for name, array in model.weights.items():
            if name.startswith(prefix):
                weights[name.removeprefix(f"{part}/")] = array
    return weights


class FeatureStore:
    """Features of pictures, one file each, known by the picture's content.

    Attributes:
        folder: where they are kept; its name changes with the backbone.
    """

    def __init__(self, cache: Path, backbone: Backbone) -> None:
        self.folder = cache / f"looks-{backbone.fingerprint}-{backbone.precision}"
        self._backbone = backbone

    def features(
        self,
        pictures: Sequence[Picture],
        advance: Callable[[int], None] = lambda count: None,
    ) -> tuple[Features, dict[int, str]]:
        """Return the features of N pictures, float16, and why some of them have none.

        Those of pictures that cannot be read are zero. What was computed stays, whenever this is
        interrupted.
        """
        pooled, region = self._backbone.widths
        rows = np.zeros((len(pictures), pooled + REGIONS**2 * region), np.float16)
        faults: dict[int, str] = {}
        pending: list[tuple[int, str]] = []

        def missing() -> Iterator[Image]:
            for row, reading in read_ahead(range(len(pictures)), lambda r: pictures[r].read()):
                try:
                    key, image = reading.result()
                except UnreadablePhotoError as error:
                    faults[row] = str(error)
                    advance(1)
                    continue
                known = self._load(key)
                if known is not None and known.size == rows.shape[1]:
                    rows[row] = known.ravel()
                    advance(1)
                    continue
                pending.append((row, key))
                yield image

        for parts in self._backbone.run(missing()):
            row, key = pending.pop(0)
            rows[row] = np.concatenate([part.ravel() for part in parts])
            self._save(key, rows[row])
            advance(1)
        regions = rows[:, pooled:].reshape(len(rows), REGIONS**2, region)
        return Features(rows[:, :pooled], regions), faults

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.npy"

    def _load(self, key: str) -> NDArray[np.float16] | None:
        try:
            return np.load(self._path(key), allow_pickle=False)
        except (OSError, ValueError):
            return None

    def _save(self, key: str, features: NDArray[np.float16]) -> None:
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{os.getpid()}.new")
        with temporary.open("wb") as file:
            np.save(file, features, allow_pickle=False)
        temporary.replace(path)


@dataclass(frozen=True, eq=False)
class PairFeatures:
    """What a backbone sees of N pairs.

    Attributes:
        scenes: float16, N of them.
        products: float16 (N, W), pooled.
        regions: float16 (N, V), the average of the products' regions.
    """

    scenes: Features
    products: NDArray[np.float16]
    regions: NDArray[np.float16]

    def take(self, rows: NDArray[np.intp]) -> "PairFeatures":
        """Return those of some pairs."""
        return PairFeatures(self.scenes.take(rows), self.products[rows], self.regions[rows])

"""What the backbone sees in a picture: computed once, kept on disk for every later run.

The backbone is VGG16's convolutions as a model folder holds them. Of a picture are kept the
average of the last block's filters, of unit length, which is the embedding that a repository
holds of its items; and the output of the block before, averaged over a grid of REGIONS×REGIONS.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fashionnet.compatibility.look_pairs import Picture
from fashionnet.errors import RequestError
from fashionnet.network.folder import Model
from fashionnet.network.precision import has_openvino
from fashionnet.network.trunk import BLOCKS, Weights, blocks_from
from fashionnet.photos import Image, UnreadablePhotoError, read_ahead

REGIONS = 7
WIDTH = 512
_LAST = list(BLOCKS)[-1]


class Backbone:
    """A model's convolutions, compiled.

    Attributes:
        fingerprint: the model's.
        precision: what it computes in.
    """

    def __init__(self, model: Model) -> None:
        if not has_openvino():
            raise RequestError("looks need OpenVINO: pip install -r requirements.txt")
        from fashionnet.network.graph import frozen_graph

        self.fingerprint = model.fingerprint
        self._graph = frozen_graph(convolutions_of(model), _LAST)
        self.precision = self._graph.precision

    @classmethod
    def open(cls, folder: Path | None = None) -> "Backbone":
        """Compile a model folder's, or that of the model that ships with FashionNet."""
        return cls(Model.load(folder))

    def run(self, images: Iterable[Image]) -> Iterator[NDArray[np.float32]]:
        """Yield of each image the pooled filters and its regions', float32 (1 + REGIONS², WIDTH).

        Regions come row by row, from the upper left.
        """
        for cut, pooled in self._graph.run(images):
            side = cut.shape[0] // REGIONS
            cells = cut.reshape(REGIONS, side, REGIONS, side, WIDTH).mean(axis=(1, 3))
            average = pooled[:WIDTH]
            average = average / max(float(np.linalg.norm(average)), 1e-12)
            yield np.concatenate([average[None], cells.reshape(-1, WIDTH)])


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
    ) -> tuple[NDArray[np.float16], dict[int, str]]:
        """Return features, float16 (N, 1 + REGIONS², WIDTH), and why rows have none.

        Rows of pictures that cannot be read are zero. What was computed stays, whenever this is
        interrupted.
        """
        rows = np.zeros((len(pictures), 1 + REGIONS**2, WIDTH), np.float16)
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
                if known is not None:
                    rows[row] = known
                    advance(1)
                    continue
                pending.append((row, key))
                yield image

        for features in self._backbone.run(missing()):
            row, key = pending.pop(0)
            rows[row] = features
            self._save(key, rows[row])
            advance(1)
        return rows, faults

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

"""What frozen layers compute for a photo: computed once, kept on disk for every later run."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fashionnet.network.heads import POOLED_SIZE
from fashionnet.network.trunk import BLOCKS, IMAGE_SIZE, Weights, blocks_before
from fashionnet.network.views import draw_view, views_fingerprint
from fashionnet.photos import Image, decode, fingerprint, read_ahead, read_bytes, resize

Engine = Callable[[Iterator[Image]], Iterator[list[NDArray[np.float32]]]]
"""From images to, for each, the input of the first unfrozen block and the trunk's pooled output."""


@dataclass(frozen=True)
class FrozenFeatures:
    """Features of views of photos, one file for each view, keyed by content.

    Attributes:
        folder: where they are kept; its name changes with all that they depend on.
        seed: of the views.
        engine: computes what is missing.
        first_block: the first unfrozen block. Its input is kept too, unless it is `block1`, whose
            input is the image itself.
    """

    folder: Path
    seed: int
    engine: Engine
    first_block: str

    @classmethod
    def of_trunk(
        cls,
        cache: Path,
        weights: Weights,
        first_block: str,
        seed: int,
        engine: Engine,
        precision: str,
    ) -> "FrozenFeatures":
        """Keep features under a name that changes with trunk, cut, views and precision."""
        arrays = (np.ascontiguousarray(weights[name]) for name in sorted(weights))
        content = b"".join(array.tobytes() for array in arrays)
        trunk, views = f"{fingerprint(content)[:16]}-{precision}", views_fingerprint()
        name = f"{trunk}-{first_block}-{POOLED_SIZE}-views-{views}-seed{seed}"
        return cls(cache / name, seed, engine, first_block)

    @property
    def bytes_per_view(self) -> int:
        """What one view takes on disk, in bytes."""
        frozen = blocks_before(self.first_block)
        side = IMAGE_SIZE // 2 ** len(frozen)
        cut = side * side * BLOCKS[frozen[-1]][-1] if frozen else 0
        return (cut + POOLED_SIZE) * np.dtype(np.float16).itemsize

    def missing(self, keys: Sequence[str], views: int) -> int:
        """Return how many of the first `views` views of the photos are yet to be computed."""
        return sum(
            not self._path(key, view, "pooled").exists() for key in keys for view in range(views)
        )

    def compute(
        self,
        photos: Sequence[Path],
        keys: Sequence[str],
        views: int,
        advance: Callable[[int], None],
    ) -> None:
        """Make sure that views 0 to `views` - 1 of the photos, known by SHA-256, are kept.

        Every view that was finished stays, whenever this is interrupted.
        """
        wanted = [
            (photo, key, view)
            for view in range(views)
            for photo, key in zip(photos, keys, strict=True)
        ]
        missing = [task for task in wanted if not self._path(task[1], task[2], "pooled").exists()]
        advance(len(wanted) - len(missing))

        def images() -> Iterator[Image]:
            for _, pending in read_ahead(missing, lambda task: self.image(*task)):
                yield pending.result()

        for (_, key, view), (cut, pooled) in zip(missing, self.engine(images()), strict=True):
            if blocks_before(self.first_block):
                _write(self._path(key, view, "cut"), cut)
            _write(self._path(key, view, "pooled"), pooled)
            advance(1)

    def image(self, photo: Path, key: str, view: int) -> Image:
        """Return one view of a photo, as the network takes it."""
        image = resize(decode(read_bytes(photo), IMAGE_SIZE), IMAGE_SIZE, IMAGE_SIZE)
        return draw_view(image, view, self.seed + int(key[:8], 16))

    def cut(self, photo: Path, key: str, view: int) -> NDArray[np.float16] | Image:
        """Return what the first unfrozen block takes: float16 H×W×C, or the uint8 image."""
        if not blocks_before(self.first_block):
            return self.image(photo, key, view)
        return np.load(self._path(key, view, "cut"), allow_pickle=False)

    def pooled(self, key: str, view: int) -> NDArray[np.float16]:
        """Return the pooled output of the whole trunk: float16 (POOLED_SIZE,)."""
        return np.load(self._path(key, view, "pooled"), allow_pickle=False)

    def _path(self, key: str, view: int, what: str) -> Path:
        return self.folder / key[:2] / f"{key}-{view}-{what}.npy"


def _write(path: Path, array: NDArray[np.float32]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}.npy.new")
    with temporary.open("wb") as file:
        np.save(file, array.astype(np.float16), allow_pickle=False)
    temporary.replace(path)

"""Images of pictures, and what a frozen network makes of them: computed once and kept on disk."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fashionnet.photos import Image, decode, fingerprint, read_ahead, read_bytes, resize
from fashionnet.similarity.item_pictures import Picture
from fashionnet.similarity.picture_views import ViewSettings, draw_hard_view

if TYPE_CHECKING:
    from fashionnet.similarity.networks import EmbeddingNetwork

View = tuple[Picture, int]
"""A picture and the number of an augmented view of it, 0 for itself."""

Model = Callable[[NDArray[np.generic]], NDArray[np.float32]]
"""From a batch of inputs to a batch of outputs."""

BATCH = 32


@dataclass(frozen=True)
class PictureImages:
    """Draws pictures as a network takes them.

    Attributes:
        size: height and width in pixels.
        views: how the views that are pictures of their own are drawn.
        augmentation: how the augmented views of a picture are drawn.
        seed: of both.
    """

    size: int
    views: ViewSettings
    augmentation: ViewSettings
    seed: int

    def image(self, view: View) -> Image:
        """Return one view of a picture, uint8 (S, S, 3); raises UnreadablePhotoError."""
        picture, number = view
        image = decode(read_bytes(picture.photo), 0 if picture.box else self.size)
        if picture.box:
            left, top, right, bottom = picture.box
            height, width = image.shape[:2]
            left, top = min(left, width - 1), min(top, height - 1)
            image = image[top:bottom, left:right]
        image = resize(image, self.size, self.size)
        photo = int(picture.key[:8], 16)
        if picture.view:
            image = draw_hard_view(image, self.views, [self.seed, photo, picture.view])
        if number:
            image = draw_hard_view(
                image, self.augmentation, [self.seed, photo, picture.view, number]
            )
        return image

    def key(self, view: View) -> str:
        """Return what a view is known by: it changes with every pixel."""
        picture, number = view
        drawn = (self.views if picture.view else None, self.augmentation if number else None)
        text = repr((picture.key, picture.box, picture.view, number, drawn, self.seed, self.size))
        return fingerprint(text.encode())


@dataclass(frozen=True)
class KeptFeatures:
    """What the frozen part of a network makes of views, one file each.

    Attributes:
        folder: where they are kept; its name changes with the frozen part.
        network: whose frozen part computes them.
        images: draws the views.
    """

    folder: Path
    network: "EmbeddingNetwork"
    images: PictureImages

    def compute(self, views: Sequence[View], advance: Callable[[int], None]) -> None:
        """Make sure that the features of the views are kept; what is finished stays."""
        missing = [view for view in views if not self._path(view).exists()]
        advance(len(views) - len(missing))
        assert self.network.frozen is not None
        waiting: list[View] = []
        drawn: list[Image] = []
        for number, (view, pending) in enumerate(read_ahead(missing, self.images.image), 1):
            waiting.append(view)
            drawn.append(pending.result())
            if len(waiting) == BATCH or number == len(missing):
                features = predicted(self.network.frozen.predict_on_batch, drawn)
                for done, row in zip(waiting, features, strict=True):
                    _write(self._path(done), row.astype(np.float16))
                advance(len(waiting))
                waiting, drawn = [], []

    def read(self, view: View) -> NDArray[np.float16]:
        """Return a view's features."""
        return np.load(self._path(view), allow_pickle=False)

    def _path(self, view: View) -> Path:
        key = self.images.key(view)
        return self.folder / key[:2] / f"{key[:40]}.npy"


def _write(path: Path, array: NDArray[np.float16]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}.new")
    with temporary.open("wb") as file:
        np.save(file, array, allow_pickle=False)
    temporary.replace(path)


def predicted(model: Model, rows: Sequence[NDArray[np.generic]]) -> NDArray[np.float32]:
    """Return float32 (N, ...): what a model makes of at most BATCH rows.

    A smaller batch is filled up, since every other size would be compiled anew.
    """
    batch = np.stack([*rows, *[rows[-1]] * (BATCH - len(rows))])
    return np.asarray(model(batch), np.float32)[: len(rows)]


def embed(
    model: Model,
    views: Sequence[View],
    read: Callable[[View], NDArray[np.generic]],
    advance: Callable[[int], None] = lambda count: None,
) -> NDArray[np.float32]:
    """Return float32 (N, D): what a model makes of views, read in batches."""
    found: list[NDArray[np.float32]] = []
    waiting: list[NDArray[np.generic]] = []
    for number, (_, pending) in enumerate(read_ahead(views, read), 1):
        waiting.append(pending.result())
        if len(waiting) == BATCH or number == len(views):
            found.append(predicted(model, waiting))
            advance(len(waiting))
            waiting = []
    return np.concatenate(found)

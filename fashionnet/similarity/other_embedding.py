"""Items as another network than the repository's sees them: a pretrained one, or one trained here.

Seed 004 takes a network of keras.applications (ResNet50, ImageNet, 224×224 pixels), the maximum of
every filter of its last feature map, and cosines. Its embeddings are computed for all items once
and kept with the repository; classes, filters and shifts stay those of the repository's own
network. Needs Keras.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from fashionnet.errors import RequestError
from fashionnet.experiments import EXPERIMENT_FILE
from fashionnet.locations import location
from fashionnet.network.projection import unit_length
from fashionnet.network.quiet import quiet_import
from fashionnet.network.trunk import IMAGE_SIZE
from fashionnet.photos import Image, UnreadablePhotoError, decode, read_ahead, read_bytes, resize
from fashionnet.repository.kept_embeddings import kept_embeddings
from fashionnet.repository.store import Items, Repository

Pooling = Literal["max", "average"]

_BATCH = 32


class OtherEmbedding(Protocol):
    """What makes embeddings of images.

    Attributes:
        fingerprint: changes with all that is computed.
        size: the width of its embeddings.
    """

    fingerprint: str
    size: int

    def embed(self, images: Iterable[Image]) -> NDArray[np.float32]:
        """Return float32 (N, size): the embeddings of RGB images of any size."""


class PooledNetwork:
    """A network of keras.applications whose last feature map is pooled; see `OtherEmbedding`."""

    def __init__(
        self, name: str, pooling: Pooling, weights: str = "imagenet", precision: str = "auto"
    ) -> None:
        """Build it; RequestError for a name that is not known and weights that are not at hand."""
        with quiet_import():
            import keras

            from fashionnet.network.applications import (
                application,
                preprocessed,
                weights_fingerprint,
            )
            from fashionnet.network.training import fast_precision
            from fashionnet.similarity.networks import dtype_policy
        keras.utils.set_random_seed(0)
        precision = fast_precision() if precision == "auto" else precision
        with dtype_policy(precision):
            body = application(name, weights, IMAGE_SIZE, "--embedding")
        layers = keras.layers
        pool = layers.GlobalMaxPooling2D if pooling == "max" else layers.GlobalAveragePooling2D
        image = keras.Input((IMAGE_SIZE, IMAGE_SIZE, 3))
        pooled = pool(dtype="float32")(body(preprocessed(name, image)))
        self._network = keras.Model(image, pooled)
        self.fingerprint = weights_fingerprint(self._network, (name, pooling, precision))
        self.size = int(self._network.output.shape[-1])

    def embed(self, images: Iterable[Image]) -> NDArray[np.float32]:
        """Return float32 (N, size): the embeddings of RGB images of any size."""
        rows = [np.zeros((0, self.size), np.float32)]
        resized = (resize(image, IMAGE_SIZE, IMAGE_SIZE) for image in images)
        while batch := list(islice(resized, _BATCH)):
            rows.append(self._network.predict_on_batch(np.stack(batch).astype(np.float32)))
        return np.concatenate(rows)


class _Trained:
    """An embedding that `train-embedding` wrote; see `OtherEmbedding`."""

    def __init__(self, folder: Path) -> None:
        with quiet_import():
            from fashionnet.network.training import fast_precision
            from fashionnet.similarity.trained import WEIGHTS, TrainedEmbedding

        precision = fast_precision()
        trained = TrainedEmbedding.open(folder, precision)
        self.size, self.embed = trained.size, trained.embed
        content = (folder / EXPERIMENT_FILE).read_bytes() + (folder / WEIGHTS).read_bytes()
        self.fingerprint = hashlib.sha256(content + precision.encode()).hexdigest()[:16]


def open_embedding(name: str, pooling: Pooling = "max") -> OtherEmbedding:
    """Open a folder that `train-embedding` wrote, or else a network of keras.applications.

    Raises RequestError for a name that is neither.
    """
    if Path(name).is_dir() and not (Path(name) / EXPERIMENT_FILE).is_file():
        raise RequestError(
            f"--embedding {name}: not a folder that train-embedding wrote ({EXPERIMENT_FILE} is "
            "missing)"
        )
    if Path(name).name != name and not Path(name).is_dir():
        raise RequestError(
            f"--embedding {name}: no such folder; expected one that train-embedding wrote, or a "
            "network of keras.applications such as ResNet50"
        )
    return _Trained(Path(name)) if Path(name).is_dir() else PooledNetwork(name, pooling)


def seen_by(
    repository: Repository,
    items: Items,
    embedding: OtherEmbedding,
    advance: Callable[[int], None] = lambda count: None,
) -> Items:
    """Return items of a repository with embeddings of another network.

    Those whose photos cannot be read are left out. `advance` is called with 1 for each photo
    that was seen; those that were seen before are read from where they are kept.

    >>> items = repository.items()                                            # doctest: +SKIP
    >>> items = seen_by(repository, items, open_embedding("ResNet50"))        # doctest: +SKIP
    >>> most_similar(items, items.vectors.embeddings[0], top=5).ids           # doctest: +SKIP
    """
    photos = dict(zip(items.ids, items.photos, strict=True))

    def compute(ids: list[str]) -> NDArray[np.float32]:
        readable: list[int] = []

        def images() -> Iterator[Image]:
            reading = read_ahead(range(len(ids)), lambda row: _read(photos[ids[row]]))
            for row, (_, pending) in enumerate(reading):
                advance(1)
                try:
                    image = pending.result()
                except UnreadablePhotoError:
                    continue
                readable.append(row)
                yield image

        embeddings = np.full((len(ids), embedding.size), np.nan, np.float32)
        found = embedding.embed(images())
        embeddings[readable] = unit_length(found)
        return embeddings

    embeddings = kept_embeddings(
        repository,
        f"embedding-{embedding.fingerprint}",
        embedding.size,
        items.ids,
        items.fingerprints.astype("S64"),
        compute,
    )
    seen = np.flatnonzero(np.isfinite(embeddings).all(axis=1))
    taken = items.take(seen)
    return replace(taken, vectors=replace(taken.vectors, embeddings=unit_length(embeddings[seen])))


def embedded_photo(embedding: OtherEmbedding, photo: Path) -> NDArray[np.float32]:
    """Return float32 (D,) of unit length: the embedding of a photo's file."""
    return np.asarray(unit_length(embedding.embed([_read(str(photo))]))[0], np.float32)


def _read(photo: str) -> Image:
    return decode(read_bytes(location(photo)), IMAGE_SIZE)

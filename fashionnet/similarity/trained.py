"""A trained embedding: its weights on disk, and what it makes of images."""

from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import numpy as np
import safetensors
from numpy.typing import NDArray
from safetensors.numpy import load_file, save

from fashionnet.errors import RequestError
from fashionnet.experiments import EXPERIMENT_FILE, read_experiment
from fashionnet.files import write_whole
from fashionnet.photos import Image, resize
from fashionnet.similarity.experiment import EmbeddingExperiment
from fashionnet.similarity.networks import EmbeddingNetwork, build_network, named_weights
from fashionnet.similarity.picture_features import BATCH, predicted

WEIGHTS = "best.safetensors"


class TrainedEmbedding:
    """A network with the weights of its best epoch.

    Attributes:
        experiment: how it was trained.
        size: the width of its embeddings.
        metric: what `score_embedding` orders them by.

    >>> embedding = TrainedEmbedding.open(Path("runs/pairs"))  # doctest: +SKIP
    >>> embedding.embed([image]).shape  # doctest: +SKIP
    (1, 20)
    """

    def __init__(self, experiment: EmbeddingExperiment, network: EmbeddingNetwork) -> None:
        self.experiment, self.size = experiment, experiment.size
        self.metric = metric_of(experiment)
        self._network = network

    @classmethod
    def open(cls, folder: Path, precision: str = "float32") -> "TrainedEmbedding":
        """Open a run's folder; RequestError where it holds no trained embedding.

        A backbone's frozen layers are not in the folder: they are ImageNet's, found as in training.
        """
        experiment = read_experiment(folder / EXPERIMENT_FILE, EmbeddingExperiment)
        trained = cls(experiment, build_network(experiment, precision))
        trained.load(folder)
        return trained

    def load(self, folder: Path) -> None:
        """Take over the weights that a run wrote."""
        path = folder / WEIGHTS
        if not path.is_file():
            raise RequestError(f"{folder}: no trained embedding: {WEIGHTS} is missing")
        try:
            stored = load_file(path)
        except (safetensors.SafetensorError, OSError) as error:
            raise RequestError(f"{path}: cut short, or no weights: {error}") from error
        model = self._network.trained
        expected = {name: weight.shape for name, weight in named_weights(model).items()}
        if {name: array.shape for name, array in stored.items()} != expected:
            raise RequestError(
                f"{path}: weights of another network than {EXPERIMENT_FILE} describes, or of an "
                "embedding of another size"
            )
        for weight, array in zip(model.weights, (stored[name] for name in expected), strict=True):
            weight.assign(array)

    def embed(self, images: Iterable[Image]) -> NDArray[np.float32]:
        """Return float32 (N, D): the embeddings of RGB images of any size."""
        side = self._network.image_size
        rows = [np.zeros((0, self.size), np.float32)]
        resized = (resize(image, side, side) for image in images)
        while batch := list(islice(resized, BATCH)):
            rows.append(predicted(self.of_images, batch))
        return np.concatenate(rows)

    def of_images(self, images: NDArray[np.generic]) -> NDArray[np.float32]:
        """Return float32 (N, D) of uint8 (N, S, S, 3), S the size that the network takes."""
        inputs = images.astype(np.float32)
        for part in (self._network.frozen, self._network.trained):
            if part is not None:
                inputs = part.predict_on_batch(inputs)
        return np.asarray(inputs, np.float32)


def metric_of(experiment: EmbeddingExperiment) -> str:
    """Return what `score_embedding` orders an experiment's embeddings by."""
    return "l2" if experiment.distance in ("l2", "squared-l2") else "cosine"


def write_weights(folder: Path, network: EmbeddingNetwork) -> None:
    """Write the weights of the trained part, whole or not at all."""
    weights = {
        name: np.ascontiguousarray(array, np.float32)
        for name, array in named_weights(network.trained).items()
    }
    write_whole(folder / WEIGHTS, save(weights))

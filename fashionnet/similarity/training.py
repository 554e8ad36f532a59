"""Train an embedding as an experiment says; the weights of the best epoch are kept.

Keras 3 and nothing of any one backend.
"""

import platform
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from fashionnet.files import cache_folder
from fashionnet.network.training import fast_precision, write_history
from fashionnet.progress import progress
from fashionnet.similarity.event_log import EventLog
from fashionnet.similarity.experiment import EmbeddingExperiment, Views
from fashionnet.similarity.item_batches import ItemBatches
from fashionnet.similarity.item_pictures import ItemPictures
from fashionnet.similarity.metric_model import MetricModel, optimiser_of
from fashionnet.similarity.networks import EmbeddingNetwork, build_network
from fashionnet.similarity.picture_features import (
    KeptFeatures,
    PictureImages,
    View,
    embed,
)
from fashionnet.similarity.picture_views import ViewSettings
from fashionnet.similarity.protocol import RetrievalFigures, score_embedding
from fashionnet.similarity.trained import TrainedEmbedding, metric_of, write_weights

HISTORY, LOG = "history.csv", "log"

_TIMED = 128


def train_embedding(
    experiment: EmbeddingExperiment,
    parts: Mapping[str, ItemPictures],
    folder: Path,
    command: str = "",
    cache: Path | None = None,
    say: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Train; returns the figures of the best weights on validation and test, and how it went.

    Args:
        experiment: what to train.
        parts: the pictures of train, validation and test.
        folder: where weights, history and log are written.
        command: to be named in the results.
        cache: where frozen features are kept; by default this user's cache.
        say: told how each epoch went.

    Interrupting (KeyboardInterrupt) ends the training with the best weights so far.
    """
    precision = fast_precision() if experiment.precision == "auto" else experiment.precision
    network = build_network(experiment, precision)
    data = experiment.data
    views = data.views if isinstance(data, Views) else ViewSettings()
    images = PictureImages(network.image_size, views, experiment.augmentation, experiment.seed)
    read = _reader(network, images, parts, experiment, cache or cache_folder() / "pictures")
    trainer = _Trainer(experiment, network, parts, read, folder, say)
    interrupted = trainer.run()
    trained = TrainedEmbedding(experiment, network)
    trained.load(folder)
    figures = {name: trainer.figures(parts[name]) for name in ("validation", "test")}
    say(results_line("test", figures["test"]))
    return {
        "test": figures["test"].to_dict(),
        "validation": figures["validation"].to_dict(),
        "epochs": len(trainer.history) - 1,
        "best_epoch": trainer.best_epoch,
        "interrupted": interrupted,
        "parameters": network.parameters,
        "photos_a_second": round(_rate(trained, parts["test"], images), 1),
        "pictures": {name: len(part) for name, part in parts.items()},
        "precision": precision,
        "command": command,
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("keras", keras.backend.backend())},
        },
    }


def _reader(
    network: EmbeddingNetwork,
    images: PictureImages,
    parts: Mapping[str, ItemPictures],
    experiment: EmbeddingExperiment,
    cache: Path,
) -> Callable[[View], NDArray[np.generic]]:
    """Return what reads a view as the trained part takes it; what is frozen is computed first."""
    if network.frozen is None:
        return images.image
    features = KeptFeatures(cache / network.frozen_fingerprint, network, images)
    views = [(picture, 0) for part in parts.values() for picture in part.pictures]
    augmented = range(1, experiment.augmentation.views)
    views += [(picture, view) for picture in parts["train"].pictures for view in augmented]
    with progress("computing what is frozen", len(views)) as advance:
        features.compute(views, advance)
    return features.read


def _rate(trained: TrainedEmbedding, part: ItemPictures, images: PictureImages) -> float:
    """Return how many pictures a second the whole network embeds, from their files on."""
    views = [(picture, 0) for picture in part.pictures[:_TIMED]]
    # What is compiled at the first call takes no part.
    embed(trained.of_images, views[:1], images.image)
    start = time.monotonic()
    embed(trained.of_images, views, images.image)
    return len(views) / (time.monotonic() - start)


def results_line(name: str, figures: RetrievalFigures) -> str:
    """Return top-1, 5 and 10 on one line."""
    shown = ", ".join(f"top-{k} {interval}" for k, interval in figures.accuracy.items())
    return f"{name}: {shown}"


class _Trainer:
    """Runs the epochs and keeps the best."""

    def __init__(
        self,
        experiment: EmbeddingExperiment,
        network: EmbeddingNetwork,
        parts: Mapping[str, ItemPictures],
        read: Callable[[View], NDArray[np.generic]],
        folder: Path,
        say: Callable[[str], None],
    ) -> None:
        self.experiment, self.network, self.folder, self.say = experiment, network, folder, say
        self.read, self.validation = read, parts["validation"]
        self.batches = ItemBatches(parts["train"], experiment, read)
        self.model = MetricModel(network.trained, experiment)
        self.model.compile(optimizer=optimiser_of(experiment, len(self.batches)))
        self.log = EventLog(folder / LOG)
        self.history: list[dict[str, float | str]] = []
        self.best: tuple[float, ...] = ()
        self.best_epoch = 0

    def run(self) -> bool:
        """Train; returns whether it was interrupted."""
        try:
            self.measure(0, float("nan"))
            self.model.fit(
                self.batches,
                epochs=self.experiment.epochs,
                callbacks=[_Watcher(self)],
                verbose=0,
            )
        except KeyboardInterrupt:
            if not self.best:
                raise
            self.say("interrupted: going on with the best weights so far")
            return True
        return False

    def figures(self, part: ItemPictures) -> RetrievalFigures:
        """Score the pictures of a part with the weights as they are."""
        views = [(picture, 0) for picture in part.pictures]
        embeddings = embed(self.network.trained.predict_on_batch, views, self.read)
        return score_embedding(embeddings, part.labels, metric_of(self.experiment))

    def measure(self, epoch: int, loss: float) -> None:
        """Score the validation pictures after an epoch, and keep what is best."""
        figures = self.figures(self.validation)
        shown = {f"top_{k}": round(i.value, 6) for k, i in figures.accuracy.items()}
        row: dict[str, float | str] = {"epoch": epoch, "loss": loss, **shown}
        self.history.append(row)
        # The top-10 accuracy decides, the others between equals.
        reached = tuple(interval.value for interval in reversed(figures.accuracy.values()))
        better = reached > self.best
        if better:
            self.best, self.best_epoch = reached, epoch
            write_weights(self.folder, self.network)
        write_history(self.folder / HISTORY, self.history)
        scalars = {f"validation/{name}": value for name, value in shown.items()}
        self.log.write(epoch, scalars if np.isnan(loss) else {"loss": loss, **scalars})
        said = f"loss {loss:.4f}" if epoch else "start"
        self.say(
            f"{epoch}/{self.experiment.epochs}: {said}, "
            + ", ".join(f"{name.replace('_', '-')} {value:.3f}" for name, value in shown.items())
            + (" (best)" if better else "")
        )


class _Watcher(keras.callbacks.Callback):
    def __init__(self, trainer: _Trainer) -> None:
        super().__init__()
        self._trainer = trainer

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        self._trainer.batches.start_epoch(epoch)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        self._trainer.measure(epoch + 1, float((logs or {}).get("loss", np.nan)))
        patience = self._trainer.experiment.callbacks.patience
        if epoch + 1 - self._trainer.best_epoch >= patience:
            self.model.stop_training = True

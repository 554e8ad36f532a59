"""A network with a loss of its embeddings, and what trains it: made from an experiment."""

from functools import partial
from typing import Any

import keras

from fashionnet.similarity import losses
from fashionnet.similarity.distances import DISTANCES, Distance
from fashionnet.similarity.experiment import (
    SGD,
    EmbeddingExperiment,
    MultiSimilarity,
    SupervisedContrastive,
    Triplet,
)
from fashionnet.similarity.miners import MINERS, masks_of_labels


class MetricModel(keras.Model):
    """A network whose loss is one of distances between embeddings; its labels are int (N,)."""

    def __init__(self, network: keras.Model, experiment: EmbeddingExperiment) -> None:
        super().__init__()
        self.network = network
        self.distance: Distance = DISTANCES[experiment.distance]
        self.loss_of_distances = loss_of(experiment)

    def call(self, inputs: keras.KerasTensor, training: bool = False) -> keras.KerasTensor:
        """Return the embeddings, float32 (N, D)."""
        return self.network(inputs, training=training)

    def compute_loss(
        self,
        x: keras.KerasTensor = None,
        y: keras.KerasTensor = None,
        y_pred: keras.KerasTensor = None,
        sample_weight: keras.KerasTensor = None,
        training: bool = True,
    ) -> keras.KerasTensor:
        """Return the loss of a batch of embeddings `y_pred` with labels `y`."""
        if self.losses:
            # An auto-encoder's own.
            return sum(self.losses)
        return self.loss_of_distances(self.distance(y_pred, y_pred), *masks_of_labels(y))


def loss_of(experiment: EmbeddingExperiment) -> losses.Loss:
    """Return the loss that an experiment names, with its parameters."""
    settings = experiment.loss
    values = settings.model_dump(exclude={"name", "mining"})
    if isinstance(settings, Triplet):
        return partial(losses.triplet, miner=MINERS[settings.mining], **values)
    functions: dict[type, losses.Loss] = {
        MultiSimilarity: losses.multi_similarity,
        SupervisedContrastive: losses.supervised_contrastive,
    }
    return partial(functions[type(settings)], **values)


def optimiser_of(
    experiment: EmbeddingExperiment, steps_an_epoch: int
) -> keras.optimizers.Optimizer:
    """Return the optimiser that an experiment names, on its schedule."""
    settings, schedule = experiment.optimiser, experiment.schedule
    rate: Any = settings.rate
    if schedule.name == "cosine":
        steps = experiment.epochs * steps_an_epoch
        warm_up = round(schedule.warm_up * steps)
        rate = keras.optimizers.schedules.CosineDecay(
            0.0 if warm_up else rate,
            max(1, steps - warm_up),
            warmup_target=rate if warm_up else None,
            warmup_steps=warm_up,
        )
    if isinstance(settings, SGD):
        return keras.optimizers.SGD(rate, momentum=settings.momentum, global_clipnorm=1.0)
    return keras.optimizers.AdamW(rate, weight_decay=settings.weight_decay, global_clipnorm=1.0)

"""Train subspaces on outfits: a triplet loss whose negatives are mined from the batch.

Keras 3 and nothing of any one backend. A batch holds B pairs of items that were worn together: an
anchor and its positive. Beside anchor i, the positive of pair j is a negative if it has the
category of positive i and was never worn with anchor i. Distances are squared and Euclidean,
between embeddings of unit length (Vasileva et al., 2018, arXiv 1803.09196, (1) and (2)):

    d_ij = |f(a_i, c_a, c_p) − f(p_j, c_p, c_a)|² = 2 − 2 cos

with the categories c_a and c_p of pair i.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from fashionnet.compatibility.outfit_batches import PairBatches
from fashionnet.compatibility.outfit_data import Outfit
from fashionnet.compatibility.outfit_items import InputKind, OutfitItems
from fashionnet.compatibility.subspaces import Attention, SubspaceModel
from fashionnet.similarity import losses, miners

Mining = Literal["normal", "semi-hard", "hard"]

MINERS: dict[str, miners.Miner] = {
    "normal": miners.every,
    "semi-hard": miners.semi_hard,
    "hard": miners.hard,
}
"""Batch mining by the seed's names: all triplets, semi-hard negatives, the hardest negative."""

HIDDEN_UNITS = 32
_LEAST_DEVIATION = 1e-2
_TINY = 1e-12


@dataclass(frozen=True)
class SubspaceRecipe:
    """How subspaces are trained.

    Attributes:
        attention: what their weights depend on.
        subspaces: how many: n.
        size: of the embedding: S.
        margin: how much farther a negative should be, in squared distance.
        mining: which negatives of the batch count.
        dropout: the share of inputs that a training step does not see.
    """

    attention: Attention = "none"
    subspaces: int = 5
    size: int = 64
    margin: float = 0.2
    mining: Mining = "semi-hard"
    dropout: float = 0.0
    epochs: int = 20
    batch_size: int = 128
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    patience: int = 5
    seed: int = 0


@dataclass
class Trained:
    """What training leaves.

    Attributes:
        model: with the best weights by the validation's AUC.
        history: a row of figures for each epoch.
        interrupted: whether it was ended by Ctrl-C.
    """

    model: SubspaceModel
    history: list[dict[str, float]]
    interrupted: bool


class SubspaceNetwork(keras.Model):
    """The model of `fashionnet.compatibility.subspaces` while it is trained.

    Called with a batch (see `PairBatches`), it returns the distances (B, B).
    """

    def __init__(
        self,
        recipe: SubspaceRecipe,
        categories: int,
        mean: NDArray[np.float32],
        deviation: NDArray[np.float32],
    ) -> None:
        super().__init__()
        self.recipe = recipe
        self.mean, self.deviation = mean, deviation
        depth = len(mean)
        self.projection = keras.layers.Dense(recipe.subspaces * recipe.size)
        self.projection.build((None, depth))
        self.dropout = keras.layers.Dropout(recipe.dropout, seed=recipe.seed)
        if recipe.attention != "none":
            asked = {"item": depth, "first": categories, "both": 2 * categories}
            self.hidden = keras.layers.Dense(HIDDEN_UNITS, activation="relu")
            self.hidden.build((None, asked[recipe.attention]))
            self.attention = keras.layers.Dense(recipe.subspaces, activation="softmax")
            self.attention.build((None, HIDDEN_UNITS))

    def call(
        self, batch: Mapping[str, keras.KerasTensor], training: bool = False
    ) -> keras.KerasTensor:
        """Return the distances from each anchor to each positive, beside the anchor's pair."""
        anchors, places = self._projected(batch["anchor"], training)
        first = self._weights(anchors, batch["anchor_category"], batch["category"])
        beside = _mixed(first[:, None, :], places)[:, 0]
        positives, places = self._projected(batch["positive"], training)
        second = self._weights(positives, batch["category"], batch["anchor_category"])
        if self.recipe.attention in ("none", "item"):
            others = _mixed(second[:, None, :], places)[:, 0]
            return 2.0 - 2.0 * ops.matmul(beside, ops.transpose(others))
        # A negative has the category of its row's positive, and so that positive's weights.
        mixed = _unit(ops.tensordot(second, places, axes=[[1], [1]]))
        return 2.0 - 2.0 * ops.sum(beside[:, None, :] * mixed, 2)

    def model(self, categories: Sequence[str], kind: InputKind, network: str) -> SubspaceModel:
        """Return what was learned so far."""
        recipe = self.recipe
        kernel, bias = map(np.asarray, self.projection.get_weights())
        weights = {
            "mean": self.mean,
            "deviation": self.deviation,
            "projection/kernel": kernel.reshape(-1, recipe.subspaces, recipe.size),
            "projection/bias": bias.reshape(recipe.subspaces, recipe.size),
        }
        if recipe.attention != "none":
            for name, layer in (("hidden", self.hidden), ("attention", self.attention)):
                weights[f"{name}/kernel"], weights[f"{name}/bias"] = layer.get_weights()
        return SubspaceModel(recipe.attention, tuple(categories), kind, network, weights).rounded()

    def _projected(
        self, inputs: keras.KerasTensor, training: bool
    ) -> tuple[keras.KerasTensor, keras.KerasTensor]:
        """Return inputs (B, D) scaled, and their places in the subspaces (B, n, S)."""
        scaled = (inputs - self.mean) / self.deviation
        seen = self.dropout(scaled, training=training)
        places = self.projection(seen)
        return seen, ops.reshape(places, (-1, self.recipe.subspaces, self.recipe.size))

    def _weights(
        self, scaled: keras.KerasTensor, own: keras.KerasTensor, other: keras.KerasTensor
    ) -> keras.KerasTensor:
        """Return the attention on the subspaces, (B, n)."""
        if self.recipe.attention == "none":
            return ops.ones((ops.shape(scaled)[0], self.recipe.subspaces)) / self.recipe.subspaces
        asked = {"item": [scaled], "first": [own], "both": [own, other]}[self.recipe.attention]
        return self.attention(self.hidden(ops.concatenate(asked, axis=1)))


def train_subspaces(
    items: OutfitItems,
    outfits: Sequence[Outfit],
    recipe: SubspaceRecipe,
    judge: Callable[[SubspaceModel], float],
    kind: InputKind,
    network: str,
    say: Callable[[str], None] = print,
) -> Trained:
    """Train on outfits and return the best model.

    Args:
        items: with inputs.
        outfits: to train on; each names two or more of the items.
        recipe: how.
        judge: gives the validation's AUC of a model; after each epoch the best is kept, and
            training ends when `patience` epochs in a row were no better.
        kind: what the inputs are; kept with the model.
        network: the fingerprint of the network that they come from; kept with the model.
        say: told the figures of each epoch.

    Interrupting (KeyboardInterrupt) ends it with the best weights so far; before the first epoch
    is over there are none, and the interrupt passes.
    """
    keras.utils.set_random_seed(recipe.seed)
    named = {item for outfit in outfits for item in outfit}
    seen = [items.rows[item] for item in sorted(named)]
    categories = sorted({items.categories[row] for row in seen})
    batches = PairBatches(items, categories, outfits, recipe.batch_size, recipe.seed)
    inputs = items.inputs[seen]
    deviation = np.maximum(inputs.std(axis=0), _LEAST_DEVIATION)
    subspaces = SubspaceNetwork(recipe, len(categories), inputs.mean(axis=0), deviation)
    subspaces.compile(
        optimizer=keras.optimizers.AdamW(recipe.learning_rate, weight_decay=recipe.weight_decay),
        loss=triplet_loss(recipe.margin, recipe.mining),
    )
    watcher = _Watcher(
        lambda: subspaces.model(categories, kind, network), judge, recipe.patience, say
    )
    interrupted = False
    try:
        subspaces.fit(batches, epochs=recipe.epochs, verbose=0, callbacks=[watcher])
    except KeyboardInterrupt:
        interrupted = True
        if watcher.best is None:
            raise
        say(f"interrupted: kept the weights of epoch {watcher.epoch}")
    assert watcher.best is not None
    return Trained(watcher.best, watcher.history, interrupted)


def triplet_loss(
    margin: float, mining: Mining
) -> Callable[[keras.KerasTensor, keras.KerasTensor], keras.KerasTensor]:
    """Return the loss of negatives (B, B) and distances (B, B); row i's positive is column i."""

    def loss(negatives: keras.KerasTensor, distances: keras.KerasTensor) -> keras.KerasTensor:
        positives = ops.cast(ops.eye(ops.shape(distances)[0]), "bool")
        return losses.triplet(
            distances, positives, negatives > 0.5, margin=margin, miner=MINERS[mining]
        )

    return loss


class _Watcher(keras.callbacks.Callback):
    """Keeps the best model by the validation's AUC and ends training that gets no better."""

    def __init__(
        self,
        current: Callable[[], SubspaceModel],
        judge: Callable[[SubspaceModel], float],
        patience: int,
        say: Callable[[str], None],
    ) -> None:
        super().__init__()
        self._current, self._judge, self._patience, self._say = current, judge, patience, say
        self.best: SubspaceModel | None = None
        self.epoch = 0
        self.history: list[dict[str, float]] = []

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        model = self._current()
        auc = self._judge(model)
        best = max((row["validation_auc"] for row in self.history), default=-1.0)
        loss = float((logs or {}).get("loss", 0.0))
        self.history.append({"epoch": epoch + 1, "loss": loss, "validation_auc": auc})
        self._say(f"epoch {epoch + 1}: loss {loss:.4f}, validation AUC {auc:.4f}")
        if auc > best:
            self.best, self.epoch = model, epoch + 1
        elif epoch + 1 - self.epoch >= self._patience:
            self.model.stop_training = True


def _mixed(weights: keras.KerasTensor, places: keras.KerasTensor) -> keras.KerasTensor:
    """Return weights (B, 1, n) times places (B, n, S), of unit length: (B, 1, S)."""
    return _unit(ops.matmul(weights, places))


def _unit(vectors: keras.KerasTensor) -> keras.KerasTensor:
    squares = ops.sum(vectors**2, axis=-1, keepdims=True)
    return vectors * ops.rsqrt(ops.maximum(squares, _TINY))

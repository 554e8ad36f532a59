"""Train a look model on pairs of scenes and products. Needs Keras."""

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from fashionnet.compatibility.look_experiment import LookExperiment
from fashionnet.compatibility.look_features import PairFeatures
from fashionnet.compatibility.look_model import LookModel, Views
from fashionnet.compatibility.look_network import LookNetwork, LookShape, hinge_triplet
from fashionnet.compatibility.look_pairs import LookPairs
from fashionnet.compatibility.look_scores import CHOICES, draw_wrong, plain_auc

_RANKED_AT_ONCE = 256


@dataclass(frozen=True)
class Epoch:
    """What one epoch came to: mean loss in training, AUC on the validation part."""

    loss: float
    validation: float


def train_look(
    pairs: LookPairs,
    features: PairFeatures,
    settings: LookExperiment,
    backbone: str,
    views: Views,
    say: Callable[[str], None] = lambda line: None,
) -> tuple[LookModel, list[Epoch]]:
    """Train on the 'train' part; keep the weights of the best epoch by AUC on 'validation'.

    Each epoch draws one wrong product a pair, of the same category, anew. `backbone` is the
    fingerprint of what the features come from.
    """
    keras.utils.set_random_seed(settings.seed)
    random = np.random.default_rng(settings.seed)
    categories = sorted(set(pairs.categories.tolist()))
    codes = np.searchsorted(np.array(categories), pairs.categories).astype(np.int32)
    network = _network(pairs, features, settings, codes, len(categories))
    optimizer = keras.optimizers.Adam(settings.training.rate)
    margin = settings.loss.margin
    network.model.compile(
        optimizer=optimizer,
        loss=lambda _, distances: ops.mean(hinge_triplet(distances[:, 0], distances[:, 1], margin)),
    )
    rows = pairs.rows("train")
    allowed = pairs.wrong(rows)
    held_out = _validation(pairs, settings.seed)
    best: tuple[float, LookModel] | None = None
    history: list[Epoch] = []
    for epoch in range(settings.training.epochs):
        loss = _one_epoch(network.model, rows, allowed, features, codes, settings, random)
        model = LookModel(
            backbone,
            tuple(categories),
            settings.distance,
            settings.attention.sign,
            views,
            network.weights(),
            settings.backbone,
        )
        auc = _validated(model, pairs, features, *held_out)
        history.append(Epoch(loss, auc))
        say(f"epoch {epoch + 1}: loss {loss:.4f}, AUC on the validation part {auc:.3f}")
        if best is None or auc > best[0]:
            best, best_epoch = (auc, model), epoch
        elif epoch - best_epoch >= settings.training.patience:
            break
    assert best is not None
    return best[1].rounded(), history


def score_matrix(
    model: LookModel, pairs: LookPairs, features: PairFeatures, rows: NDArray[np.intp]
) -> NDArray[np.float32]:
    """Return minus the distance of each scene of some rows to each of their products: (R, R)."""
    products = model.products(features.products[rows])
    scores = np.zeros((len(rows), len(rows)), np.float32)
    for category in np.unique(pairs.categories[rows]):
        places = np.flatnonzero(pairs.categories[rows] == category)
        for start in range(0, len(places), _RANKED_AT_ONCE):
            some = places[start : start + _RANKED_AT_ONCE]
            queries, _ = model.queries(features.scenes.take(rows[some]), category)
            scores[some] = queries @ products.T - 2
    return scores


def history_table(history: Sequence[Epoch]) -> bytes:
    """Return the history as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["epoch", "loss", "validation_auc"])
    for number, epoch in enumerate(history):
        writer.writerow([number + 1, f"{epoch.loss:.5f}", f"{epoch.validation:.5f}"])
    return text.getvalue().encode()


def _network(
    pairs: LookPairs,
    features: PairFeatures,
    settings: LookExperiment,
    codes: NDArray[np.int32],
    count: int,
) -> LookNetwork:
    shape = LookShape(
        width=features.products.shape[1],
        region_width=features.regions.shape[1],
        regions=features.scenes.regions.shape[1],
        categories=count,
        size=settings.size,
        hidden=settings.hidden,
        dropout=settings.dropout,
    )
    pictures = None
    if settings.attention.name == "picture":
        train = pairs.rows("train")
        pictures = np.zeros((count, shape.region_width), np.float32)
        for code in np.unique(codes[train]):
            own = train[codes[train] == code]
            pictures[code] = features.regions[own].astype(np.float32).mean(axis=0)
    return LookNetwork(shape, settings.distance, settings.attention.sign, pictures)


def _one_epoch(
    model: keras.Model,
    rows: NDArray[np.intp],
    allowed: NDArray[np.bool_],
    features: PairFeatures,
    codes: NDArray[np.int32],
    settings: LookExperiment,
    random: np.random.Generator,
) -> float:
    wrong = draw_wrong(allowed, 1, random)[:, 0]
    order = random.permutation(np.flatnonzero(wrong >= 0))
    losses = []
    for start in range(0, len(order), settings.training.batch):
        some = order[start : start + settings.training.batch]
        right, others = rows[some], rows[wrong[some]]
        given = [
            features.scenes.pooled[right].astype(np.float32),
            features.scenes.regions[right].astype(np.float32),
            codes[right],
            features.products[right].astype(np.float32),
            features.products[others].astype(np.float32),
        ]
        losses.append(float(model.train_on_batch(given, np.zeros((len(some), 2), np.float32))))
    return float(np.mean(losses))


def _validation(pairs: LookPairs, seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the rows of the validation part and the same wrong products for every epoch."""
    rows = pairs.rows("validation")
    random = np.random.default_rng([seed, 1])
    return rows, draw_wrong(pairs.wrong(rows), CHOICES - 1, random)


def _validated(
    model: LookModel,
    pairs: LookPairs,
    features: PairFeatures,
    rows: NDArray[np.intp],
    wrong: NDArray[np.intp],
) -> float:
    scores = score_matrix(model, pairs, features, rows)
    return plain_auc(scores, wrong)
